/*
 * ff_sysctl. Names become numbers by FreeBSD's own request, {0, 3}: what sysctlnametomib() does. The numbers are ours:
 * {SYSCTL_OURS, table, index}, and mean something only in this process.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "core/conf_priv.h"

#include "base/poison.h"

#define SYSCTL_META 0
#define SYSCTL_NAME2OID 3
#define SYSCTL_OURS 1000
#define SYSCTL_CONF 0 /* settings: the keys of [freebsd.sysctl], and those of [zstack] behind "zstack." */
#define SYSCTL_CTR 1  /* counters, behind "zstack.counter."; SYSCTL_CTR + 1 + N: of stack N, behind "zstack.counter.N." */
#define NAME_MAX_BYTES 128u

struct sysctl_op {
    struct api_op op;
    const struct conf_key *key;
    bool set;
    uint64_t value;
};

/* Used as they stand now, so that a change is felt at once. What sizes a table when the stack starts stays as it is. */
static const char *const writable[] = {
    "net.inet.ip.ttl",
    "net.inet.icmp.icmplim",
    "net.inet.udp.recvspace",
    "net.inet.tcp.sendspace",
    "net.inet.tcp.recvspace",
    "net.inet.tcp.sendbuf_max",
    "net.inet.tcp.recvbuf_max",
    "net.inet.tcp.sendbuf_auto",
    "net.inet.tcp.recvbuf_auto",
    "net.inet.tcp.msl",
    "net.inet.tcp.delacktime",
    "net.inet.tcp.keepidle",
    "net.inet.tcp.keepintvl",
    "net.inet.tcp.keepcnt",
    "net.inet.tcp.finwait2_timeout",
    "net.inet.tcp.rexmit_min",
    "net.inet.tcp.sack.enable",
    "net.inet.tcp.rexmit_initial",
    "net.inet.tcp.initcwnd_segments",
    "kern.ipc.somaxconn",
    "kern.ipc.soacceptqueue",
};

static bool is_writable(const struct conf_key *k)
{
    for (unsigned i = 0; i < ARRAY_LEN(writable); i++)
        if (strcmp(k->name, writable[i]) == 0)
            return true;
    return false;
}

static bool has_value(const struct conf_key *k)
{
    return k->type == CONF_NUM || k->type == CONF_SIZE || k->type == CONF_TIME || k->type == CONF_BOOL;
}

/* The i-th setting that a name can mean; NULL behind the last one. */
static const struct conf_key *key_at(int i)
{
    for (const struct conf_key *k = conf_keys_freebsd; i >= 0 && k->section != NULL; k++)
        if (i-- == 0)
            return k;
    for (const struct conf_key *k = conf_keys_zstack; i >= 0 && k->section != NULL; k++)
        if (i-- == 0)
            return k;
    return NULL;
}

static bool is_named(const struct conf_key *k, const char *name)
{
    if (strcmp(k->section, "freebsd.sysctl") == 0)
        return strcmp(k->name, name) == 0;
    return strcmp(k->section, "zstack") == 0 && strncmp(name, "zstack.", 7) == 0 && strcmp(k->name, name + 7) == 0;
}

/* What is behind "zstack.counter.": [N.]NAME. */
static int counter_to_oid(const char *name, int oid[3])
{
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    oid[1] = SYSCTL_CTR;
    if (*name >= '0' && *name <= '9' && *end == '.' && number < MON_STACKS_MAX) {
        oid[1] += 1 + (int)number;
        name = end + 1;
    }
    for (oid[2] = 0; oid[2] < CTR_COUNT; oid[2]++)
        if (strcmp(name, ctr_names[oid[2]]) == 0)
            return 0;
    return -ENOENT;
}

static int name_to_oid(const char *name, int oid[3])
{
    static const char counter[] = "zstack.counter.";
    const struct conf_key *k;

    oid[0] = SYSCTL_OURS;
    if (strncmp(name, counter, sizeof(counter) - 1) == 0)
        return counter_to_oid(name + sizeof(counter) - 1, oid);
    for (int i = 0; (k = key_at(i)) != NULL; i++) {
        oid[1] = SYSCTL_CONF;
        oid[2] = i;
        if (has_value(k) && conf_key_is_stack(k) && is_named(k, name))
            return 0;
    }
    return -ENOENT;
}

/* Stores len bytes as sysctl(3) does: a NULL oldp asks for the length. */
static int put_old(void *oldp, size_t *oldlenp, const void *from, size_t len)
{
    if (oldlenp == NULL)
        return oldp == NULL ? 0 : -EFAULT;
    if (oldp != NULL && *oldlenp < len)
        return -ENOMEM;
    if (oldp != NULL)
        memcpy(oldp, from, len);
    *oldlenp = len;
    return 0;
}

static int do_name2oid(void *oldp, size_t *oldlenp, const void *newp, size_t newlen)
{
    char name[NAME_MAX_BYTES];
    int oid[3], r;

    if (newp == NULL || newlen == 0)
        return -ENOENT;
    if (newlen >= sizeof(name))
        return -ENAMETOOLONG;
    memcpy(name, newp, newlen);
    name[newlen] = '\0';
    r = name_to_oid(name, oid);
    return r != 0 ? r : put_old(oldp, oldlenp, oid, sizeof(oid));
}

static int64_t do_sysctl(struct z_stack *s, struct api_op *op)
{
    struct sysctl_op *a = (struct sysctl_op *)op;
    uint64_t old;

    old = conf_key_get(a->key, &s->conf);
    if (a->set && !conf_key_put(a->key, &s->conf, a->value))
        return -EINVAL;
    a->value = old;
    return 0;
}

/* FreeBSD's are int, some long: whoever asks with room for eight bytes gets eight. */
static int put_value(void *oldp, size_t *oldlenp, uint64_t v)
{
    int narrow = (int)v;

    if (v > INT32_MAX || (oldp != NULL && oldlenp != NULL && *oldlenp >= sizeof(v)))
        return put_old(oldp, oldlenp, &v, sizeof(v));
    return put_old(oldp, oldlenp, &narrow, sizeof(narrow));
}

static int get_value(const void *newp, size_t newlen, uint64_t *v)
{
    int narrow;

    if (newlen == sizeof(narrow)) {
        memcpy(&narrow, newp, sizeof(narrow));
        *v = (uint64_t)narrow;
        return narrow < 0 ? -EINVAL : 0;
    }
    if (newlen != sizeof(*v))
        return -EINVAL;
    memcpy(v, newp, sizeof(*v));
    return 0;
}

/* Of all stacks, or of one. */
static int counter(int which, int ctr, void *oldp, size_t *oldlenp, const void *newp)
{
    struct mon_stacks m;
    unsigned i = 0;

    if (which < SYSCTL_CTR || ctr < 0 || ctr >= CTR_COUNT)
        return -ENOENT;
    if (api_get_state() != API_RUNNING)
        return -EBADF;
    api_all_stacks(&m);
    if (newp != NULL)
        return -EPERM;
    if (which == SYSCTL_CTR)
        return put_value(oldp, oldlenp, mon_sum(&m, ctr));
    while (i < m.n && m.number[i] != (unsigned)(which - SYSCTL_CTR - 1))
        i++;
    return i < m.n ? put_value(oldp, oldlenp, mon_value(&m, i, ctr)) : -ENOENT;
}

static int64_t sysctl_ours(const int *name, void *oldp, size_t *oldlenp, const void *newp, size_t newlen)
{
    struct sysctl_op a = {.set = newp != NULL};
    int64_t r;

    if (name[1] != SYSCTL_CONF)
        return counter(name[1], name[2], oldp, oldlenp, newp);
    a.key = key_at(name[2]);
    if (a.key == NULL || !has_value(a.key) || !conf_key_is_stack(a.key))
        return -ENOENT;
    if (a.set && !is_writable(a.key))
        return -EPERM;
    r = a.set ? get_value(newp, newlen, &a.value) : 0;
    if (r == 0)
        r = api_call(&a.op, do_sysctl);
    return r != 0 ? r : put_value(oldp, oldlenp, a.value);
}

int ff_sysctl(const int *name, u_int namelen, void *oldp, size_t *oldlenp, const void *newp, size_t newlen)
{
    if (name == NULL)
        return (int)api_ret(-EFAULT);
    if (namelen == 2 && name[0] == SYSCTL_META && name[1] == SYSCTL_NAME2OID)
        return (int)api_ret(do_name2oid(oldp, oldlenp, newp, newlen));
    if (namelen == 3 && name[0] == SYSCTL_OURS)
        return (int)api_ret(sysctl_ours(name, oldp, oldlenp, newp, newlen));
    return (int)api_ret(-ENOENT);
}
