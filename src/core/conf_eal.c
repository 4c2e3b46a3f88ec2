/* [vdevN] and the argument list of rte_eal_init. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "core/conf_priv.h"

#include "base/poison.h"

static int add_arg(struct conf_build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int add_arg(struct conf_build *b, const char *fmt, ...)
{
    struct conf *c = b->c;
    va_list ap;
    char *more;
    int n;

    if (c->eal_argc == CONF_MAX_EAL_ARGS)
        return conf_error(&b->out, 0, "more than %d arguments for EAL (allow, vdevs, extra_eal_args)", CONF_MAX_EAL_ARGS);
    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    more = realloc(c->eal_text, b->eal_bytes + (size_t)n + 1);
    if (more == NULL)
        return conf_error(&b->out, 0, "out of memory");
    c->eal_text = more;
    va_start(ap, fmt);
    vsnprintf(more + b->eal_bytes, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->eal_bytes += (size_t)n + 1;
    c->eal_argc++;
    return 0;
}

/* The text does not move any more. */
static void point_at_args(struct conf *c)
{
    char *s = c->eal_text;

    for (int i = 0; i < c->eal_argc; i++, s += strlen(s) + 1)
        c->eal_argv[i] = s;
    c->eal_argv[c->eal_argc] = NULL;
}

/*
 * A comma separates devices, and a device from its arguments: a part with '=' belongs to the device before it. In
 * "02:00.0,class=eth,03:00.0" there are two devices.
 */
static int add_allow(struct conf_build *b)
{
    const char *s = b->allow;

    while (*s != '\0') {
        size_t n = strcspn(s, ",");

        while (s[n] == ',' && memchr(s + n + 1, '=', strcspn(s + n + 1, ",")) != NULL)
            n += 1 + strcspn(s + n + 1, ",");
        if (n > 0 && add_arg(b, "--allow=%.*s", (int)n, s + strspn(s, " ")) != 0)
            return -1;
        s += n + (s[n] == ',');
    }
    return 0;
}

/* The virtio_user device that F-Stack's own keys describe. */
static int add_virtio_user(struct conf_build *b, const char *section, unsigned index)
{
    static const char *const keys[] = {"iface", "queues", "queue_size", "mac", "cq"};
    const struct ini_entry *e = ini_find(&b->ini, section, "path");
    char args[1024];
    int n;

    if (e == NULL)
        return conf_missing(&b->out, section, "devargs", "a DPDK vdev like net_af_packet0,iface=veth0 (or path=, F-Stack's virtio_user)");
    n = snprintf(args, sizeof(args), "net_virtio_user%u,path=%s", index, e->value);
    for (unsigned i = 0; i < ARRAY_LEN(keys) && n < (int)sizeof(args); i++) {
        const struct ini_entry *k = ini_find(&b->ini, section, keys[i]);

        if (k != NULL)
            n += snprintf(args + n, sizeof(args) - (size_t)n, ",%s=%s", keys[i], k->value);
        else if (strcmp(keys[i], "queue_size") == 0)
            n += snprintf(args + n, sizeof(args) - (size_t)n, ",queue_size=256"); /* F-Stack's default */
    }
    if (n >= (int)sizeof(args))
        return conf_bad(&b->out, e, "a shorter device description");
    return add_arg(b, "--vdev=%s", args);
}

static int check_vdev_numbers(const struct conf_build *b)
{
    for (const char *const *k = (const char *const[]){"queues", "queue_size", "cq", NULL}; *k != NULL; k++)
        for (size_t i = 0; i < b->ini.n; i++) {
            const struct ini_entry *e = &b->ini.e[i];
            uint64_t v;
            int num;

            if (e->key != NULL && strcmp(e->key, *k) == 0 && strcmp(conf_section_class(e->section, &num), "vdevN") == 0 &&
                (!conf_get_u64(e->value, &v) || v > 65535))
                return conf_bad(&b->out, e, "a number");
        }
    return 0;
}

static int add_vdev(struct conf_build *b, unsigned index, bool *present)
{
    char section[16];
    const struct ini_entry *e, *at;

    snprintf(section, sizeof(section), "vdev%u", index);
    at = ini_find_section(&b->ini, section);
    *present = false;
    if (at == NULL)
        return 0;
    if (b->nb_vdev_at != NULL && index >= b->nb_vdev) {
        conf_warn(&b->out, at->line, "[%s] is beyond nb_vdev=%u; ignored", section, b->nb_vdev);
        return 0;
    }
    *present = true;
    e = ini_find(&b->ini, section, "devargs");
    if (e == NULL)
        return add_virtio_user(b, section, index);
    if (e->value[0] == '\0')
        return conf_bad(&b->out, e, "a DPDK vdev like net_af_packet0,iface=veth0");
    return add_arg(b, "--vdev=%s", e->value);
}

/* nb_vdev may be left out: then the sections count. */
static int add_vdevs(struct conf_build *b, unsigned *n)
{
    *n = 0;
    if (check_vdev_numbers(b) != 0)
        return -1;
    for (unsigned i = 0; i < CONF_MAX_VDEVS; i++) {
        bool present;

        if (add_vdev(b, i, &present) != 0)
            return -1;
        if (!present && i < b->nb_vdev)
            return conf_bad(&b->out, b->nb_vdev_at, "a section [vdev%u] for the device", i);
        *n += present;
    }
    return 0;
}

/* Words separated by spaces; "..." and '...' keep spaces. */
static int add_extra(struct conf_build *b)
{
    const char *s = b->extra_eal_args;

    for (;;) {
        char word[1024];
        size_t n = 0;
        char quote = 0;

        s += strspn(s, " \t");
        if (*s == '\0')
            return 0;
        for (; *s != '\0' && (quote != 0 || (*s != ' ' && *s != '\t')); s++) {
            if (quote == 0 && (*s == '"' || *s == '\''))
                quote = *s;
            else if (quote != 0 && *s == quote)
                quote = 0;
            else if (n < sizeof(word) - 1)
                word[n++] = *s;
        }
        word[n] = '\0';
        if (quote != 0 || n == sizeof(word) - 1)
            return conf_bad(&b->out, ini_find(&b->ini, "dpdk", "extra_eal_args"), "arguments with paired quotes");
        if (add_arg(b, "%s", word) != 0)
            return -1;
    }
}

uint32_t conf_pools_mb(const struct pkt_pool_sizes *p)
{
    const uint64_t object = 256; /* mbuf, mempool header, padding */
    uint64_t bytes =
        p->rx * (object + PKT_HEADROOM + p->rx_room_bytes) + (p->hdr + p->ctl) * (object + PKT_HEADROOM + PKT_HDR_ROOM) + p->ind * object;

    for (int i = 0; i < PKT_APP_CLASSES; i++)
        bytes += p->app[i] * (object + PKT_HEADROOM + (uint64_t[]){2048, 9216, PKT_BUF_MAX}[i]);
    /* rings of the mempools, drivers, and room for what the heap cannot place */
    return (uint32_t)((bytes + bytes / 4) / MIB + 32);
}

/* af_packet wants receive buffers as large as a slot of its rings. */
static uint32_t slot_bytes(const struct ini_entry *e)
{
    const char *arg = e->key != NULL && strcmp(e->key, "devargs") == 0 ? strstr(e->value, "framesz=") : NULL;

    return arg != NULL ? (uint32_t)MIN(strtoul(arg + strlen("framesz="), NULL, 10), PKT_BUF_MAX) : 0;
}

/* The same, with receive buffers as large as the ports' MTU and devices will make them. */
static uint32_t need_mb(const struct conf_build *b)
{
    const struct conf *c = b->c;
    struct pkt_pool_sizes sizes = c->stack.pools;

    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->port[i].tap[0] == '\0') /* which fills chains */
            sizes.rx_room_bytes = MAX(sizes.rx_room_bytes, c->port[i].mtu + 256u);
    for (size_t i = 0; i < b->ini.n; i++)
        sizes.rx_room_bytes = MAX(sizes.rx_room_bytes, slot_bytes(&b->ini.e[i]));
    /* with several cores also what their ports keep for each other */
    return conf_stacks(c) * conf_pools_mb(&sizes) + (conf_stacks(c) > 1 ? 2 + conf_stacks(c) : 0);
}

static bool extra_has(const struct conf_build *b, const char *what)
{
    return b->extra_eal_args != NULL && strstr(b->extra_eal_args, what) != NULL;
}

static int add_memory(struct conf_build *b)
{
    uint32_t mb = b->memory_mb;

    /* without hugepages EAL takes everything at start, 64 MB unless told otherwise: tell it what the pools need */
    if (b->c->no_huge && mb == 0)
        mb = MAX(64u, need_mb(b));
    if (b->c->no_huge && add_arg(b, "--no-huge") != 0)
        return -1;
    if (mb != 0 && !extra_has(b, "--socket-mem") && (add_arg(b, "-m") != 0 || add_arg(b, "%u", mb) != 0))
        return -1;
    if (b->base_virtaddr != 0 && add_arg(b, "--base-virtaddr=0x%llx", (unsigned long long)b->base_virtaddr) != 0)
        return -1;
    /* registered application memory needs virtual addresses; as root with hugepages EAL would choose physical ones */
    if (!extra_has(b, "--iova-mode") && add_arg(b, "--iova-mode=va") != 0)
        return -1;
    return 0;
}

/*
 * Several programs on a host must not meet in EAL's runtime files: without a name of its own a program has none, and is no
 * primary process of anybody. --no-huge and --in-memory exclude each other.
 */
static int add_sharing(struct conf_build *b)
{
    static const char *const own[] = {"--file-prefix", "--in-memory", "--no-shconf", "--huge-unlink", "--proc-type"};

    if (b->file_prefix != NULL)
        return add_arg(b, "--file-prefix=container-%s", b->file_prefix);
    if (b->c->procs) /* they meet there */
        return 0;
    for (unsigned i = 0; i < ARRAY_LEN(own); i++)
        if (extra_has(b, own[i]))
            return 0;
    return add_arg(b, "%s", b->c->no_huge ? "--no-shconf" : "--in-memory");
}

/* Without a device of a bus that has to be searched. */
static bool only_taps(const struct conf *c)
{
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->port[i].tap[0] == '\0')
            return false;
    return true;
}

int conf_build_eal(struct conf_build *b, const char *prog)
{
    unsigned vdevs;

    if (add_arg(b, "%s", prog) != 0 || add_arg(b, "-c") != 0 || add_arg(b, "%llx", (unsigned long long)b->c->lcore_mask) != 0)
        return -1;
    if (b->channel != 0 && (add_arg(b, "-n") != 0 || add_arg(b, "%u", b->channel) != 0))
        return -1;
    if (add_memory(b) != 0)
        return -1;
    if (add_sharing(b) != 0)
        return -1;
    if (b->eal_log_level != 0 && add_arg(b, "--log-level=%u", b->eal_log_level) != 0)
        return -1;
    if (b->allow != NULL && add_allow(b) != 0)
        return -1;
    if (add_vdevs(b, &vdevs) != 0)
        return -1;
    if ((vdevs != 0 || only_taps(b->c)) && (b->allow == NULL || b->allow[0] == '\0') && !extra_has(b, "--no-pci") &&
        add_arg(b, "--no-pci") != 0)
        return -1;
    if (b->extra_eal_args != NULL && add_extra(b) != 0)
        return -1;
    point_at_args(b->c);
    return 0;
}
