/* [portN] and [vlanN]: addresses that fit each other. */
#include <stdio.h>
#include <string.h>

#include "core/conf_iface.h"

#include "base/poison.h"

#define ADDR_FORM "an IPv4 address like 10.0.0.2"

static int required(const struct iface_section *is, const char *key, const char *expected, const struct ini_entry **e)
{
    *e = iface_find(is, key);
    return *e != NULL ? 0 : conf_missing(&is->b->out, is->name, key, expected);
}

static bool is_host_addr(uint32_t a)
{
    return a >> 24 != 0 && a >> 24 != 127 && a >> 28 < 0xe; /* RFC 1122 3.2.1.3: not this network, loopback, class D or E */
}

static int read_addr(struct iface_section *is, struct ifaddr *a)
{
    const struct ini_entry *e;

    if (required(is, "addr", ADDR_FORM, &e) != 0)
        return -1;
    if (!conf_get_ipv4(e->value, &a->addr))
        return conf_bad(&is->b->out, e, ADDR_FORM);
    if (!is_host_addr(a->addr))
        return conf_bad(&is->b->out, e, "an address that a host may have, like 10.0.0.2");
    return 0;
}

static int read_netmask(struct iface_section *is, struct ifaddr *a)
{
    const struct ini_entry *e;

    if (required(is, "netmask", "a mask like 255.255.255.0", &e) != 0)
        return -1;
    if (!conf_get_ipv4(e->value, &a->mask) || a->mask == 0 || (~a->mask & (~a->mask + 1)) != 0)
        return conf_bad(&is->b->out, e, "a mask of leading one bits like 255.255.255.0");
    /* RFC 3021: a /31 has two hosts and neither a network nor a broadcast address */
    a->broadcast = a->mask >= 0xfffffffe ? a->addr : a->addr | ~a->mask;
    if (a->mask < 0xfffffffe && ((a->addr & ~a->mask) == 0 || a->addr == a->broadcast)) {
        char mask[16];

        conf_put_ipv4(mask, sizeof(mask), a->mask);
        return conf_bad(&is->b->out, iface_find(is, "addr"), "a host address, not the network's or its broadcast address (netmask %s)",
                        mask);
    }
    return 0;
}

/* Optional: the mask says it already. 0.0.0.0 is read as "not given". */
static int read_broadcast(struct iface_section *is, struct ifaddr *a)
{
    const struct ini_entry *e = iface_find(is, "broadcast");
    char want[16], addr[16], mask[16];
    uint32_t v;

    if (e == NULL)
        return 0;
    conf_put_ipv4(want, sizeof(want), a->broadcast);
    conf_put_ipv4(addr, sizeof(addr), a->addr);
    conf_put_ipv4(mask, sizeof(mask), a->mask);
    if (!conf_get_ipv4(e->value, &v) || (v != 0 && v != a->broadcast && a->mask < 0xfffffffe))
        return conf_bad(&is->b->out, e, "%s, the broadcast address of %s with netmask %s", want, addr, mask);
    return 0;
}

/* Optional; 0.0.0.0 is none. */
static int read_gateway(struct iface_section *is, const struct ifaddr *a)
{
    const struct ini_entry *e = iface_find(is, "gateway");
    char addr[16], mask[16];
    uint32_t v;

    if (e == NULL)
        return 0;
    if (!conf_get_ipv4(e->value, &v))
        return conf_bad(&is->b->out, e, "an IPv4 address like 10.0.0.1, or 0.0.0.0 for none");
    conf_put_ipv4(addr, sizeof(addr), a->addr);
    conf_put_ipv4(mask, sizeof(mask), a->mask);
    if (v != 0 &&
        ((v & a->mask) != (a->addr & a->mask) || v == a->addr || (a->mask < 0xfffffffe && (v == a->broadcast || (v & ~a->mask) == 0))))
        return conf_bad(&is->b->out, e, "another host on the subnet of %s with netmask %s", addr, mask);
    is->p->gateway = v;
    return 0;
}

static int add_vip(struct iface_section *is, const struct ini_entry *e, uint32_t v)
{
    struct conf_port *p = is->p;

    for (unsigned i = 0; i < p->n_addrs; i++)
        if (p->addr[i].addr == v)
            return conf_bad(&is->b->out, e, "every address once");
    if (p->n_addrs == NETIF_MAX_ADDRS)
        return conf_bad(&is->b->out, e, "at most %d addresses", NETIF_MAX_ADDRS - 1);
    p->addr[p->n_addrs++] = (struct ifaddr){.addr = v, .mask = UINT32_MAX, .broadcast = v};
    return 0;
}

/* addresses separated by ';' (F-Stack: netmask 255.255.255.255) */
static int read_vips(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "vip_addr");
    const char *list;
    char one[24];

    if (e == NULL)
        return 0;
    for (list = e->value; conf_next_item(&list, one, sizeof(one));) {
        uint32_t v;

        if (!conf_get_ipv4(one, &v) || !is_host_addr(v))
            return conf_bad(&is->b->out, e, "IPv4 addresses like 10.0.0.3;10.0.0.4");
        if (add_vip(is, e, v) != 0)
            return -1;
    }
    return 0;
}

static int read_link(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "if_name");
    uint64_t mtu;

    if (e != NULL && strlen(e->value) >= sizeof(is->p->if_name))
        return conf_bad(&is->b->out, e, "a name of at most %zu characters", sizeof(is->p->if_name) - 1);
    if (e != NULL && e->value[0] != '\0')
        snprintf(is->p->if_name, sizeof(is->p->if_name), "%s", e->value);
    else if (is->p->vid != 0)
        snprintf(is->p->if_name, sizeof(is->p->if_name), "vlan%u", is->p->vid);
    else
        snprintf(is->p->if_name, sizeof(is->p->if_name), "f-stack-%u", is->p->port_id);
    is->p->mtu = is->b->mtu;
    e = iface_find(is, "mtu");
    if (e == NULL)
        return 0;
    if (!conf_get_u64(e->value, &mtu) || mtu < 576 || mtu > PKT_BUF_MAX)
        return conf_bad(&is->b->out, e, "a number from 576 to %u", PKT_BUF_MAX);
    is->p->mtu = (uint16_t)mtu;
    return 0;
}

static int read_force_offload(struct iface_section *is)
{
    const struct ini_entry *e = iface_find(is, "force_offload");

    if (e != NULL && strcmp(e->value, "0") != 0 && strcmp(e->value, "1") != 0)
        return conf_bad(&is->b->out, e, "0 or 1");
    is->p->force_offload = e != NULL && e->value[0] == '1';
    return 0;
}

static int read_addrs(struct iface_section *is)
{
    struct ifaddr *a = &is->p->addr[0];

    is->p->n_addrs = 1;
    if (read_addr(is, a) != 0 || read_netmask(is, a) != 0 || read_broadcast(is, a) != 0 || read_gateway(is, a) != 0)
        return -1;
    return read_vips(is) != 0 || iface_read_ipv6(is) != 0 || iface_read_routes(is) != 0 ? -1 : 0;
}

static bool has_vlans(const struct conf_build *b, uint16_t port_id)
{
    for (unsigned i = 0; i < b->c->n_vlans; i++)
        if (b->c->vlan[i].port_id == port_id)
            return true;
    return false;
}

/* As in F-Stack, a port with VLANs has no addresses of its own. */
static int read_port(struct iface_section *is)
{
    const struct ini_entry *addr;

    if (ini_find_section(&is->b->ini, is->name) == NULL)
        return conf_error(&is->b->out, 0, "[%s]: missing, expected this section because [dpdk] port_list has port %u", is->name,
                          is->p->port_id);
    if (read_link(is) != 0 || read_force_offload(is) != 0)
        return -1;
    if (!has_vlans(is->b, is->p->port_id))
        return read_addrs(is) != 0 ? -1 : iface_read_tap(is);
    addr = iface_find(is, "addr");
    if (addr != NULL)
        conf_warn(&is->b->out, addr->line, "[%s] addr: the addresses of a port with VLANs are those of its [vlanN]; ignored", is->name);
    return iface_read_tap(is);
}

static int read_vlan(struct iface_section *is)
{
    const struct ini_entry *e;
    uint64_t port = is->b->port_ids[0];
    unsigned i = 0;

    if (ini_find_section(&is->b->ini, is->name) == NULL)
        return conf_error(&is->b->out, 0, "[%s]: missing, expected this section because [dpdk] vlan_filter has %u", is->name, is->p->vid);
    e = iface_find(is, "portid");
    if (e != NULL && !conf_get_u64(e->value, &port))
        return conf_bad(&is->b->out, e, "the number of a port");
    while (i < is->b->n_port_ids && is->b->port_ids[i] != port)
        i++;
    if (i == is->b->n_port_ids)
        return conf_bad(&is->b->out, e, "a port of [dpdk] port_list");
    is->p->port_id = (uint16_t)port;
    return read_link(is) != 0 ? -1 : read_addrs(is);
}

static bool is_listed(const uint16_t *list, unsigned n, int num)
{
    while (n > 0 && list[n - 1] != num)
        n--;
    return n > 0;
}

static void warn_unlisted(const struct conf_build *b)
{
    for (size_t i = 0; i < b->ini.n; i++) {
        const struct ini_entry *e = &b->ini.e[i];
        const char *class_name;
        int num;

        if (e->key != NULL)
            continue;
        class_name = conf_section_class(e->section, &num);
        if (strcmp(class_name, "portN") == 0 && !is_listed(b->port_ids, b->n_port_ids, num))
            conf_warn(&b->out, e->line, "[%s] is not in [dpdk] port_list; ignored", e->section);
        if (strcmp(class_name, "vlanN") == 0 && !is_listed(b->vlan_ids, b->n_vlan_ids, num))
            conf_warn(&b->out, e->line, "[%s] is not in [dpdk] vlan_filter; ignored", e->section);
    }
}

/* The i-th interface: ports, then VLANs; NULL behind the last one. */
static const struct conf_port *iface(const struct conf *c, unsigned i)
{
    if (i < c->n_ports)
        return &c->port[i];
    return i - c->n_ports < c->n_vlans ? &c->vlan[i - c->n_ports] : NULL;
}

static void put_name(char *buf, size_t len, const struct conf_port *p)
{
    snprintf(buf, len, p->vid != 0 ? "vlan%u" : "port%u", p->vid != 0 ? p->vid : p->port_id);
}

static int said_twice(const struct conf_build *b, const struct conf_port *p, const struct conf_port *q, uint32_t v4)
{
    char addr[16], first[16], second[16];

    put_name(first, sizeof(first), q);
    put_name(second, sizeof(second), p);
    conf_put_ipv4(addr, sizeof(addr), v4);
    return conf_error(&b->out, 0, "[%s] and [%s]: found %s in both, expected every address once", first, second, addr);
}

/* One address belongs to one interface. */
static int check_unique(const struct conf_build *b)
{
    const struct conf_port *p, *q;

    for (unsigned i = 1; (p = iface(b->c, i)) != NULL; i++)
        for (unsigned j = 0; j < i && (q = iface(b->c, j)) != NULL; j++)
            for (unsigned k = 0; k < p->n_addrs; k++)
                for (unsigned l = 0; l < q->n_addrs; l++)
                    if (p->addr[k].addr == q->addr[l].addr)
                        return said_twice(b, p, q, p->addr[k].addr);
    return 0;
}

int conf_build_ports(struct conf_build *b)
{
    struct conf *c = b->c;

    if (b->n_port_ids == 0)
        return conf_missing(&b->out, "dpdk", "port_list", "port numbers like 0");
    for (unsigned i = 0; i < b->n_vlan_ids; i++) {
        struct iface_section is = {.b = b, .p = &c->vlan[i]};

        is.p->vid = b->vlan_ids[i];
        snprintf(is.name, sizeof(is.name), "vlan%u", is.p->vid);
        if (read_vlan(&is) != 0)
            return -1;
        c->n_vlans++;
    }
    for (unsigned i = 0; i < b->n_port_ids; i++) {
        struct iface_section is = {.b = b, .p = &c->port[i]};

        is.p->port_id = b->port_ids[i];
        snprintf(is.name, sizeof(is.name), "port%u", b->port_ids[i]);
        if (read_port(&is) != 0)
            return -1;
        c->n_ports++;
    }
    warn_unlisted(b);
    return check_unique(b);
}
