/* config.ini from anywhere: no crash, and what is accepted keeps the promises that the stack relies on. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "core/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    unsigned errors;
};

static bool is_warning(const char *line)
{
    const char *p = line + 2; /* "f:" */

    p += strspn(p, "0123456789");
    return strncmp(p, ": warning: ", 11) == 0;
}

static void hear(void *arg, const char *line)
{
    struct heard *h = arg;

    for (const char *p = line; *p != '\0'; p++)
        Z_CHECK((unsigned char)*p >= 0x20 && *p != 0x7f);
    Z_CHECK(strncmp(line, "f:", 2) == 0);
    if (!is_warning(line))
        h->errors++;
}

static void check_ports(const struct conf *c)
{
    Z_CHECK(c->n_ports >= 1 && c->n_ports <= CONF_MAX_PORTS);
    for (unsigned i = 0; i < c->n_ports; i++) {
        const struct conf_port *p = &c->port[i];
        const struct ifaddr *a = &p->addr[0];

        Z_CHECK(p->n_addrs >= 1 && p->n_addrs <= NETIF_MAX_ADDRS);
        Z_CHECK(memchr(p->if_name, '\0', sizeof(p->if_name)) != NULL && p->if_name[0] != '\0');
        Z_CHECK(p->mtu == 0 || (p->mtu >= 576 && p->mtu <= PKT_BUF_MAX));
        Z_CHECK(a->mask != 0 && (~a->mask & (~a->mask + 1)) == 0);
        Z_CHECK(p->gateway == 0 || ((p->gateway ^ a->addr) & a->mask) == 0);
        for (unsigned k = 0; k < p->n_addrs; k++)
            Z_CHECK(p->addr[k].addr >> 24 != 0 && p->addr[k].addr < 0xe0000000);
    }
}

static void check_stack(const struct stack_conf *s)
{
    Z_CHECK(s->loan_limit_bytes + s->rcv_limit_bytes <= stack_conf_rx_bytes(s));
    Z_CHECK(s->rto_min_ns > 0 && s->rto_min_ns <= s->rto_initial_ns && s->rto_initial_ns <= s->rto_max_ns);
    Z_CHECK(s->port_first >= 1 && s->port_first <= s->port_last);
    Z_CHECK(s->sndbuf_bytes <= s->sndbuf_max_bytes && s->rcvbuf_bytes <= s->rcvbuf_max_bytes && s->rcvbuf_bytes > 0);
    Z_CHECK(s->ttl > 0 && s->burst > 0 && s->delack_ns < 500 * NS_PER_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conf c;
    struct heard h = {0};
    int r = conf_parse(&c, (const char *)data, size, "f", "p", hear, &h);

    Z_CHECK(r == 0 || r == -1);
    Z_CHECK(h.errors == (r == 0 ? 0 : 1));
    if (r == 0) {
        Z_CHECK(c.lcore_mask != 0 && c.procs == (!c.thread_mode && (c.lcore_mask & (c.lcore_mask - 1)) != 0));
        Z_CHECK(!c.procs || !c.no_huge);
        Z_CHECK(c.eal_argc > 0 && c.eal_argc <= CONF_MAX_EAL_ARGS && c.eal_argv[c.eal_argc] == NULL);
        check_ports(&c);
        check_stack(&c.stack);
    }
    conf_free(&c);
    return 0;
}
