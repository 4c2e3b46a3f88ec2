#include "api/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/hooks.h"
#include "port/ethdev.h"
#include "port/steer.h"
#include "port/tap.h"

#include "base/poison.h"

/* An interface's name as in config.ini. */
static const char *section(const struct conf_port *cp)
{
    static char name[16];

    snprintf(name, sizeof(name), cp->vid != 0 ? "vlan%u" : "port%u", cp->vid != 0 ? cp->vid : cp->port_id);
    return name;
}

static const char *addr_text(const struct inaddr *a)
{
    static char text[INET6_ADDRSTRLEN];

    if (inaddr_is_v4(a))
        inet_ntop(AF_INET, a->b + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, a->b, text, sizeof(text));
    return text;
}

static const char *why(int err)
{
    switch (err) {
    case -EEXIST:
        return "configured twice";
    case -ENOSPC:
        return "more addresses or routes (route_limit) than there is room for";
    case -EOPNOTSUPP:
        return "IPv6 is off (ipv6 in [zstack])";
    case -ENETUNREACH:
        return "the gateway is on none of its subnets";
    default:
        return strerror(-err);
    }
}

static void add_route(struct z_stack *s, struct netif *nif, const struct conf_port *cp, const struct conf_route *cr)
{
    int r = stack_add_route(s, nif, &cr->prefix, cr->plen, &cr->gateway, cr->metric);

    if (r != 0)
        api_die("[%s]: route to %s/%u: %s", section(cp), addr_text(&cr->prefix), cr->plen - (inaddr_is_v4(&cr->prefix) ? 96u : 0), why(r));
}

static void add_addrs(struct z_stack *s, struct netif *nif, const struct conf_port *cp)
{
    struct conf_route def = {.gateway = cp->gateway6};

    for (unsigned i = 0; i < cp->n_addrs; i++) {
        const struct inaddr a = inaddr_v4(cp->addr[i].addr);
        int r = stack_add_addr(s, nif, cp->addr[i].addr, cp->addr[i].mask, cp->addr[i].broadcast);

        if (r != 0)
            api_die("[%s]: address %s: %s", section(cp), addr_text(&a), why(r));
    }
    for (unsigned i = 0; i < cp->n_addrs6; i++) {
        int r = stack_add_addr6(s, nif, &cp->addr6[i].addr, cp->addr6[i].plen);

        if (r != 0)
            api_die("[%s]: address %s: %s", section(cp), addr_text(&cp->addr6[i].addr), why(r));
    }
    if (!inaddr_is_any(&cp->gateway6))
        add_route(s, nif, cp, &def);
    if (cp->gateway != 0) {
        def = (struct conf_route){.prefix = INADDR_ANY_V4, .plen = 96, .gateway = inaddr_v4(cp->gateway)};
        add_route(s, nif, cp, &def);
    }
    for (unsigned i = 0; i < cp->n_routes; i++)
        add_route(s, nif, cp, &cp->route[i]);
}

static void add_vlans(struct z_stack *s, struct netif *parent, const struct conf_port *cp)
{
    for (unsigned i = 0; i < api.conf.n_vlans; i++) {
        const struct conf_port *cv = &api.conf.vlan[i];
        struct netif *nif;

        if (cv->port_id != cp->port_id)
            continue;
        nif = stack_add_vlan(s, parent, cv->vid, cv->if_name);
        if (nif == NULL)
            api_die("[vlan%u]: more interfaces than the %d a stack can have", cv->vid, STACK_MAX_NETIFS);
        add_addrs(s, nif, cv);
    }
}

/* Opening ------------------------------------------------------------------------------------------------------- */

/* All ports of one device, in the order of its queues. */
struct opened {
    unsigned n;
    struct port *q[API_MAX_CORES];
};

static void open_ethdev(const struct conf_port *cp, unsigned queues, struct opened *o)
{
    const struct z_stack *s = api.core[0]->stack;
    struct rte_mempool *rx[API_MAX_CORES];
    struct port_ethdev_conf pc = {
        .port_id = cp->port_id,
        .mtu = cp->mtu,
        .n_queues = (uint16_t)queues,
        .promiscuous = api.conf.promiscuous,
        .no_tx_cksum = api.conf.tx_csum_skip,
        .no_rx_cksum = api.conf.rx_csum_skip,
        .no_tso = !api.conf.tso,
        .no_lro = !api.conf.lro,
        .force_offload = cp->force_offload,
        .vlan_strip = api.conf.vlan_strip,
        .rx_interrupt = api.idle.sleeps && s->steer == NULL,
        .steer = s->steer,
        .rx_pool = s->pools.rx,
        .rx_pools = rx,
        .linear_pool = s->pools.app[1],
    };
    char err[256];

    for (unsigned i = 0; i < queues; i++)
        rx[i] = api.core[i < api.n_cores ? i : 0]->stack->pools.rx;
    o->q[0] = port_ethdev_open(&pc, err, sizeof(err));
    if (o->q[0] == NULL)
        api_die("%s", err);
    for (o->n = 1; o->n < queues; o->n++)
        if ((o->q[o->n] = port_ethdev_queue(o->q[0], (uint16_t)o->n)) == NULL)
            api_die("[port%u]: no memory", cp->port_id);
}

static void open_tap(const struct conf_port *cp, unsigned queues, struct opened *o)
{
    struct port_tap_addr addr[CONF_MAX_TAP_ADDRS];
    struct port_tap_conf pc = {
        .name = cp->tap,
        .mtu = cp->mtu,
        .n_queues = (uint16_t)queues,
        .n_addrs = cp->n_tap_addrs,
        .addr = addr,
        .no_tx_cksum = api.conf.tx_csum_skip,
        .no_rx_cksum = api.conf.rx_csum_skip,
        .no_tso = !api.conf.tso,
        .no_lro = !api.conf.lro,
    };
    char err[256];

    for (unsigned i = 0; i < cp->n_tap_addrs; i++)
        addr[i] = (struct port_tap_addr){.addr = cp->tap_addr[i].addr, .plen = cp->tap_addr[i].plen};
    for (o->n = 0; o->n < queues; o->n++) {
        const struct z_stack *s = api.core[o->n]->stack;

        pc.rx_pool = s->pools.rx;
        pc.linear_pool = s->pools.app[1];
        o->q[o->n] = port_tap_open(&pc, err, sizeof(err));
        if (o->q[o->n] == NULL)
            api_die("%s", err);
        o->q[o->n]->id = cp->port_id;
    }
}

static void add_netif(struct z_stack *s, struct port *p, const struct conf_port *cp)
{
    struct netif *nif = stack_add_netif(s, p, cp->if_name);

    if (nif == NULL)
        api_die("[port%u]: more ports than the %d a stack can have", cp->port_id, STACK_MAX_NETIFS);
    p->dispatch.ask = hooks_dispatcher();
    add_addrs(s, nif, cp);
    add_vlans(s, nif, cp);
}

/* The name under which the stacks of a port share it. */
static const char *shared_name(const struct conf_port *cp)
{
    static char name[24];

    snprintf(name, sizeof(name), "zstack_port%u", cp->port_id);
    return name;
}

/* Several stacks: each has a port of its own that shares the device with the others. */
static void share(const struct conf_port *cp, struct steer_dev *d)
{
    for (unsigned i = 0; i < api.n_cores; i++) {
        struct z_stack *s = api.core[i]->stack;
        struct port *p = d != NULL ? steer_port_open(d, s->member, s->pools.ind) : NULL;

        if (p == NULL)
            api_die("[port%u]: no memory for the queues between cores: lower steer_queue in [zstack]", cp->port_id);
        p->linear_pool = s->pools.app[1];
        add_netif(s, p, cp);
    }
}

/* What the primary process has opened. */
static void find(const struct conf_port *cp)
{
    const struct z_stack *s = api.core[0]->stack;
    struct port *own = NULL;
    const struct port *face;
    unsigned n_q = 0;

    face = steer_dev_face(shared_name(cp), &n_q);
    if (face == NULL)
        api_die("[port%u]: the primary process has not opened it: give all processes the same config.ini", cp->port_id);
    if (s->member < n_q && (own = port_ethdev_attach(face, s->member)) == NULL)
        api_die("[port%u]: no memory", cp->port_id);
    share(cp, steer_dev_find(s->steer, shared_name(cp), s->member, own));
}

static void open_port(const struct conf_port *cp, unsigned queues)
{
    struct z_stack *s = api.core[0]->stack;
    struct opened o = {0};

    if (cp->tap[0] != '\0')
        open_tap(cp, queues, &o);
    else
        open_ethdev(cp, queues, &o);
    if (s->steer == NULL)
        add_netif(s, o.q[0], cp);
    else
        share(cp, steer_dev_create(s->steer, shared_name(cp), o.q, o.n, api.conf.steer_queue));
}

void ports_open(const struct ports_plan *plan)
{
    for (unsigned i = 0; i < api.conf.n_ports; i++) {
        if (api.conf.secondary)
            find(&api.conf.port[i]);
        else
            open_port(&api.conf.port[i], plan->queues[i]);
    }
}

void ports_follow_table(const struct z_stack *s)
{
    for (unsigned i = 0; i < api.conf.n_ports; i++)
        if (api.conf.port[i].tap[0] == '\0')
            port_ethdev_follow_table(api.conf.port[i].port_id, s->steer);
}

/* Threads can use the queues of any device; other processes those of some. */
static unsigned queues_of(const struct conf_port *cp, unsigned n)
{
    if (n == 1)
        return 1;
    if (cp->tap[0] != '\0')
        return api.conf.procs ? 1 : n;
    if (api.conf.procs && !port_ethdev_serves_procs(cp->port_id))
        return 1;
    return MAX(MIN(n, port_ethdev_max_queues(cp->port_id)), 1u);
}

void ports_plan(struct ports_plan *plan)
{
    struct stack_conf *sc = &api.conf.stack;
    uint32_t before = sc->pools.rx_room_bytes;
    unsigned n = api.conf.procs ? conf_members(&api.conf) : conf_stacks(&api.conf);

    *plan = (struct ports_plan){.shared_rx = api.conf.procs};
    for (unsigned i = 0; i < api.conf.n_ports; i++) {
        const struct conf_port *cp = &api.conf.port[i];
        bool tap = cp->tap[0] != '\0';

        if (!tap) /* which fills chains of any size */
            sc->pools.rx_room_bytes = MAX(sc->pools.rx_room_bytes, port_ethdev_rx_room(cp->port_id, cp->mtu));
        plan->queues[i] = queues_of(cp, n);
        plan->shared_rx |= plan->queues[i] < n;
    }
    if (sc->pools.rx_room_bytes != before)
        stack_conf_shares(sc);
}
