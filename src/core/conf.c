/* config.ini -> struct conf. The order: entries, then every key by the tables, then what depends on several keys. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "core/conf_priv.h"

#include "base/poison.h"

#define CONF_FILE_MAX_BYTES MIB

static void set_defaults(struct conf *c, const char *name)
{
    memset(c, 0, sizeof(*c));
    snprintf(c->file, sizeof(c->file), "%s", name);
    stack_conf_init(&c->stack);
    c->promiscuous = true;
    c->numa_on = true;
    c->steer_queue = 2048;
    c->polling = POLLING_BALANCED;
    c->tso = true;
    c->lro = true;
    snprintf(c->log_prefix, sizeof(c->log_prefix), "./f-stack-");
}

static void warn_unknown(struct conf_build *b, const struct ini_entry *e, const char *class_name)
{
    const char *near = conf_nearest(e->key != NULL ? class_name : NULL, e->key != NULL ? e->key : e->section);
    char hint[96] = "";

    if (near != NULL && e->key != NULL)
        snprintf(hint, sizeof(hint), " (is it \"%s\"?)", near);
    else if (near != NULL)
        snprintf(hint, sizeof(hint), " (is it [%s]?)", near);
    if (e->key != NULL)
        conf_warn(&b->out, e->line, "[%.40s] unknown key \"%.80s\"%s; ignored", e->section, e->key, hint);
    else
        conf_warn(&b->out, e->line, "unknown section [%.60s]%s; ignored", e->section, hint);
}

static int apply_entry(struct conf_build *b, const struct ini_entry *e)
{
    int num;
    const char *class_name = conf_section_class(e->section, &num);
    const struct conf_key *k;

    if (e->key == NULL) {
        if (!conf_section_known(class_name))
            warn_unknown(b, e, class_name);
        return 0;
    }
    k = conf_key_find(class_name, e->key);
    if (k != NULL)
        return conf_key_apply(b, k, e);
    if (conf_section_known(class_name))
        warn_unknown(b, e, class_name);
    return 0;
}

static const struct ini_entry *first_of(const struct conf_build *b, const char *zstack_key, const char *sysctl)
{
    const struct ini_entry *e = ini_find(&b->ini, "zstack", zstack_key);

    return e != NULL ? e : ini_find(&b->ini, "freebsd.sysctl", sysctl);
}

/* loan_limit and rcv_limit share the receive pool with the device ring, which must never go without. */
static int check_shares(struct conf_build *b)
{
    struct stack_conf *s = &b->c->stack;
    const struct ini_entry *loan = ini_find(&b->ini, "zstack", "loan_limit"), *rcv = ini_find(&b->ini, "zstack", "rcv_limit");
    uint64_t set_loan = s->loan_limit_bytes, set_rcv = s->rcv_limit_bytes;
    uint64_t most = stack_conf_rx_bytes(s) / 8 * 7;
    char size[24];

    stack_conf_shares(s);
    if (loan != NULL)
        s->loan_limit_bytes = set_loan;
    if (rcv != NULL)
        s->rcv_limit_bytes = set_rcv;
    if (loan != NULL && rcv == NULL && set_loan < most)
        s->rcv_limit_bytes = MIN(s->rcv_limit_bytes, most - set_loan);
    if (rcv != NULL && loan == NULL && set_rcv < most)
        s->loan_limit_bytes = MIN(s->loan_limit_bytes, most - set_rcv);
    if (s->loan_limit_bytes + s->rcv_limit_bytes <= most)
        return 0;
    conf_put_size(size, sizeof(size), most / KIB * KIB);
    return conf_bad(&b->out, loan != NULL ? loan : rcv,
                    "loan_limit and rcv_limit together at most %s, 7/8 of the %u receive buffers (rx_buffers)", size, s->pools.rx);
}

static int check_stack(struct conf_build *b)
{
    struct stack_conf *s = &b->c->stack;
    const struct ini_entry *e;

    if (b->delayed_ack_off)
        s->delack_ns = 0;
    if (s->rto_min_ns > s->rto_max_ns) {
        e = first_of(b, "rto_max_ms", "");
        return conf_bad(&b->out, e != NULL ? e : first_of(b, "rto_min_ms", "net.inet.tcp.rexmit_min"), "rto_min_ms <= rto_max_ms");
    }
    s->rto_initial_ns = MIN(MAX(s->rto_initial_ns, s->rto_min_ns), s->rto_max_ns);
    if (s->port_first > s->port_last) {
        e = first_of(b, "port_first", "net.inet.ip.portrange.first");
        return conf_bad(&b->out, e != NULL ? e : first_of(b, "port_last", "net.inet.ip.portrange.last"),
                        "a first ephemeral port that is not above the last one (%u to %u)", s->port_first, s->port_last);
    }
    /* whoever lowers the ceiling means the start as well */
    s->sndbuf_bytes = MIN(s->sndbuf_bytes, s->sndbuf_max_bytes);
    s->rcvbuf_bytes = MIN(s->rcvbuf_bytes, s->rcvbuf_max_bytes);
    return check_shares(b);
}

static void check_polling(struct conf_build *b)
{
    const struct ini_entry *e = ini_find(&b->ini, "dpdk", "idle_sleep");

    if (b->c->polling != POLLING_ALWAYS || b->c->idle_sleep_us == 0)
        return;
    conf_warn(&b->out, e != NULL ? e->line : 0, "[dpdk] idle_sleep: ignored, for polling=always never sleeps");
    b->c->idle_sleep_us = 0;
}

static int build(struct conf_build *b, const char *prog)
{
    for (size_t i = 0; i < b->ini.n; i++)
        if (apply_entry(b, &b->ini.e[i]) != 0)
            return -1;
    if (b->c->lcore_mask == 0)
        return conf_missing(&b->out, "dpdk", "lcore_mask", "a hexadecimal core mask like 1");
    b->c->procs = !b->c->thread_mode && conf_members(b->c) > 1;
    if (b->c->procs && b->c->no_huge)
        return conf_bad(&b->out, ini_find(&b->ini, "dpdk", "lcore_mask"),
                        "one core, or thread_mode=1, or no_huge=0: what processes share is in hugepages");
    if (conf_build_ports(b) != 0 || check_stack(b) != 0)
        return -1;
    check_polling(b);
    return conf_build_eal(b, prog);
}

int conf_parse(struct conf *c, const char *text, unsigned long len, const char *name, const char *prog,
               void (*say)(void *arg, const char *line), void *arg)
{
    struct conf_build b = {.c = c, .out = {.file = name, .say = say, .arg = arg}};
    int rc;

    set_defaults(c, name);
    rc = ini_parse(&b.ini, &b.out, text, len);
    if (rc == 0)
        rc = build(&b, prog);
    ini_free(&b.ini);
    if (rc != 0)
        conf_free(c);
    return rc;
}

int conf_load(struct conf *c, const char *path, const char *prog, void (*say)(void *arg, const char *line), void *arg)
{
    const struct conf_out out = {.file = path, .say = say, .arg = arg};
    FILE *f = fopen(path, "re");
    char *text;
    size_t n;
    int rc;

    memset(c, 0, sizeof(*c));
    if (f == NULL)
        return conf_error(&out, 0, "cannot be read: %s (name another file with --conf FILE)", strerror(errno));
    text = malloc(CONF_FILE_MAX_BYTES + 1);
    if (text == NULL) {
        fclose(f);
        return conf_error(&out, 0, "out of memory");
    }
    n = fread(text, 1, CONF_FILE_MAX_BYTES + 1, f);
    if (ferror(f))
        rc = conf_error(&out, 0, "cannot be read: %s", strerror(errno));
    else if (n > CONF_FILE_MAX_BYTES)
        rc = conf_error(&out, 0, "larger than 1 MB, expected a configuration file");
    else
        rc = conf_parse(c, text, n, path, prog, say, arg);
    fclose(f);
    free(text);
    return rc;
}

void conf_free(struct conf *c)
{
    free(c->eal_text);
    c->eal_text = NULL;
    c->eal_argc = 0;
    c->eal_argv[0] = NULL;
}
