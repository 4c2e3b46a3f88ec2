/* [portN]: addresses that fit each other. */
#include <stdio.h>
#include <string.h>

#include "core/conf_priv.h"

#include "base/poison.h"

#define ADDR_FORM "an IPv4 address like 10.0.0.2"

struct port_section {
    struct conf_build *b;
    struct conf_port *p;
    char name[16]; /* portN */
};

static const struct ini_entry *find(const struct port_section *ps, const char *key)
{
    return ini_find(&ps->b->ini, ps->name, key);
}

static int required(const struct port_section *ps, const char *key, const char *expected, const struct ini_entry **e)
{
    *e = find(ps, key);
    return *e != NULL ? 0 : conf_missing(&ps->b->out, ps->name, key, expected);
}

static bool is_host_addr(uint32_t a)
{
    return a >> 24 != 0 && a >> 24 != 127 && a >> 28 < 0xe; /* RFC 1122 3.2.1.3: not this network, loopback, class D or E */
}

static int read_addr(struct port_section *ps, struct ifaddr *a)
{
    const struct ini_entry *e;

    if (required(ps, "addr", ADDR_FORM, &e) != 0)
        return -1;
    if (!conf_get_ipv4(e->value, &a->addr))
        return conf_bad(&ps->b->out, e, ADDR_FORM);
    if (!is_host_addr(a->addr))
        return conf_bad(&ps->b->out, e, "an address that a host may have, like 10.0.0.2");
    return 0;
}

static int read_netmask(struct port_section *ps, struct ifaddr *a)
{
    const struct ini_entry *e;

    if (required(ps, "netmask", "a mask like 255.255.255.0", &e) != 0)
        return -1;
    if (!conf_get_ipv4(e->value, &a->mask) || a->mask == 0 || (~a->mask & (~a->mask + 1)) != 0)
        return conf_bad(&ps->b->out, e, "a mask of leading one bits like 255.255.255.0");
    /* RFC 3021: a /31 has two hosts and neither a network nor a broadcast address */
    a->broadcast = a->mask >= 0xfffffffe ? a->addr : a->addr | ~a->mask;
    if (a->mask < 0xfffffffe && ((a->addr & ~a->mask) == 0 || a->addr == a->broadcast)) {
        char mask[16];

        conf_put_ipv4(mask, sizeof(mask), a->mask);
        return conf_bad(&ps->b->out, find(ps, "addr"), "a host address, not the network's or its broadcast address (netmask %s)", mask);
    }
    return 0;
}

/* Optional: the mask says it already. 0.0.0.0 is read as "not given". */
static int read_broadcast(struct port_section *ps, struct ifaddr *a)
{
    const struct ini_entry *e = find(ps, "broadcast");
    char want[16], addr[16], mask[16];
    uint32_t v;

    if (e == NULL)
        return 0;
    conf_put_ipv4(want, sizeof(want), a->broadcast);
    conf_put_ipv4(addr, sizeof(addr), a->addr);
    conf_put_ipv4(mask, sizeof(mask), a->mask);
    if (!conf_get_ipv4(e->value, &v) || (v != 0 && v != a->broadcast && a->mask < 0xfffffffe))
        return conf_bad(&ps->b->out, e, "%s, the broadcast address of %s with netmask %s", want, addr, mask);
    return 0;
}

/* Optional; 0.0.0.0 is none. */
static int read_gateway(struct port_section *ps, const struct ifaddr *a)
{
    const struct ini_entry *e = find(ps, "gateway");
    char addr[16], mask[16];
    uint32_t v;

    if (e == NULL)
        return 0;
    if (!conf_get_ipv4(e->value, &v))
        return conf_bad(&ps->b->out, e, "an IPv4 address like 10.0.0.1, or 0.0.0.0 for none");
    conf_put_ipv4(addr, sizeof(addr), a->addr);
    conf_put_ipv4(mask, sizeof(mask), a->mask);
    if (v != 0 &&
        ((v & a->mask) != (a->addr & a->mask) || v == a->addr || (a->mask < 0xfffffffe && (v == a->broadcast || (v & ~a->mask) == 0))))
        return conf_bad(&ps->b->out, e, "another host on the subnet of %s with netmask %s", addr, mask);
    ps->p->gateway = v;
    return 0;
}

static int add_vip(struct port_section *ps, const struct ini_entry *e, uint32_t v)
{
    struct conf_port *p = ps->p;

    for (unsigned i = 0; i < p->n_addrs; i++)
        if (p->addr[i].addr == v)
            return conf_bad(&ps->b->out, e, "every address once");
    if (p->n_addrs == NETIF_MAX_ADDRS)
        return conf_bad(&ps->b->out, e, "at most %d addresses", NETIF_MAX_ADDRS - 1);
    p->addr[p->n_addrs++] = (struct ifaddr){.addr = v, .mask = UINT32_MAX, .broadcast = v};
    return 0;
}

/* addresses separated by ';' (F-Stack: netmask 255.255.255.255) */
static int read_vips(struct port_section *ps)
{
    const struct ini_entry *e = find(ps, "vip_addr");

    if (e == NULL)
        return 0;
    for (const char *s = e->value; *s != '\0';) {
        char one[24];
        uint32_t v;
        size_t n;

        s += strspn(s, "; \t");
        n = strcspn(s, "; \t");
        if (n == 0)
            break;
        snprintf(one, sizeof(one), "%.*s", n < sizeof(one) ? (int)n : 0, s);
        if (!conf_get_ipv4(one, &v) || !is_host_addr(v))
            return conf_bad(&ps->b->out, e, "IPv4 addresses like 10.0.0.3;10.0.0.4");
        if (add_vip(ps, e, v) != 0)
            return -1;
        s += n;
    }
    return 0;
}

static int read_link(struct port_section *ps)
{
    const struct ini_entry *e = find(ps, "if_name");
    uint64_t mtu;

    if (e != NULL && strlen(e->value) >= sizeof(ps->p->if_name))
        return conf_bad(&ps->b->out, e, "a name of at most %zu characters", sizeof(ps->p->if_name) - 1);
    if (e != NULL && e->value[0] != '\0')
        snprintf(ps->p->if_name, sizeof(ps->p->if_name), "%s", e->value);
    else
        snprintf(ps->p->if_name, sizeof(ps->p->if_name), "f-stack-%u", ps->p->port_id);
    ps->p->mtu = ps->b->mtu;
    e = find(ps, "mtu");
    if (e == NULL)
        return 0;
    if (!conf_get_u64(e->value, &mtu) || mtu < 576 || mtu > PKT_BUF_MAX)
        return conf_bad(&ps->b->out, e, "a number from 576 to %u", PKT_BUF_MAX);
    ps->p->mtu = (uint16_t)mtu;
    return 0;
}

static int read_port(struct port_section *ps)
{
    struct ifaddr *a = &ps->p->addr[0];

    if (ini_find_section(&ps->b->ini, ps->name) == NULL)
        return conf_error(&ps->b->out, 0, "[%s]: missing, expected this section because [dpdk] port_list has port %u", ps->name,
                          ps->p->port_id);
    ps->p->n_addrs = 1;
    if (read_addr(ps, a) != 0 || read_netmask(ps, a) != 0 || read_broadcast(ps, a) != 0 || read_gateway(ps, a) != 0)
        return -1;
    return read_vips(ps) != 0 || read_link(ps) != 0 ? -1 : 0;
}

static void warn_unlisted(const struct conf_build *b)
{
    for (size_t i = 0; i < b->ini.n; i++) {
        const struct ini_entry *e = &b->ini.e[i];
        unsigned p = 0;
        int num;

        if (e->key != NULL || strcmp(conf_section_class(e->section, &num), "portN") != 0)
            continue;
        while (p < b->n_port_ids && b->port_ids[p] != num)
            p++;
        if (p == b->n_port_ids)
            conf_warn(&b->out, e->line, "[%s] is not in [dpdk] port_list; ignored", e->section);
    }
}

/* One address belongs to one port. */
static int check_unique(const struct conf_build *b)
{
    const struct conf *c = b->c;

    for (unsigned i = 1; i < c->n_ports; i++)
        for (unsigned j = 0; j < i; j++)
            for (unsigned k = 0; k < c->port[i].n_addrs; k++)
                for (unsigned l = 0; l < c->port[j].n_addrs; l++)
                    if (c->port[i].addr[k].addr == c->port[j].addr[l].addr) {
                        char addr[16];

                        conf_put_ipv4(addr, sizeof(addr), c->port[i].addr[k].addr);
                        return conf_error(&b->out, 0, "[port%u] and [port%u]: found %s in both, expected every address once",
                                          c->port[j].port_id, c->port[i].port_id, addr);
                    }
    return 0;
}

int conf_build_ports(struct conf_build *b)
{
    if (b->n_port_ids == 0)
        return conf_missing(&b->out, "dpdk", "port_list", "port numbers like 0");
    for (unsigned i = 0; i < b->n_port_ids; i++) {
        struct port_section ps = {.b = b, .p = &b->c->port[i]};

        ps.p->port_id = b->port_ids[i];
        snprintf(ps.name, sizeof(ps.name), "port%u", b->port_ids[i]);
        if (read_port(&ps) != 0)
            return -1;
        b->c->n_ports++;
    }
    warn_unlisted(b);
    return check_unique(b);
}
