#include "sim_stack.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "buf/wrap.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"

#define TX_RETRY_NS NS_PER_US
#define MASK_24 0xffffff00u
#define ADDR_A 0x0a000001u
#define ADDR_B 0x0a000002u
#define MTU 1500u
#define FRAME_ROOM 18u

static bool tx_waits(const struct sim_stack *ss)
{
    for (uint16_t i = 0; i < ss->s->n_netifs; i++)
        if (txq_count(&ss->s->netif[i]->txq) > 0)
            return true;
    return false;
}

static void turn(void *arg, uint64_t now_ns)
{
    struct sim_stack *ss = arg;

    ss->app_wake_ns = NS_NEVER;
    stack_input(ss->s, now_ns);
    if (ss->app != NULL)
        ss->app(ss, ss->app_arg);
    stack_output(ss->s, now_ns);
    ss->retry_ns = tx_waits(ss) ? now_ns + TX_RETRY_NS : NS_NEVER;
}

static uint64_t deadline(void *arg)
{
    const struct sim_stack *ss = arg;
    uint64_t own = MIN(ss->app_wake_ns, ss->retry_ns);

    return MIN(own, stack_next_deadline(ss->s));
}

bool sim_v6(void)
{
    return getenv("SIM_IPV6") != NULL;
}

struct inaddr sim_addr(uint32_t v4)
{
    struct inaddr a = {.b = {0xfd}};

    if (!sim_v6())
        return inaddr_v4(v4);
    a.w[3] = htobe32(v4);
    return v4 != 0 ? a : INADDR_ANY_V6;
}

bool sim_add_v6(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask)
{
    const struct inaddr a = sim_addr(addr);

    return !sim_v6() || addr == 0 || ip6_add_addr(s, nif, &a, (uint8_t)(96 + __builtin_popcount(mask)), ADDR6_STATIC) == 0;
}

static bool add_gateway_v6(struct sim_stack *ss, uint32_t gateway)
{
    const struct route r = {.gateway = sim_addr(gateway), .nif = ss->nif, .origin = ROUTE_STATIC, .expires_ns = NS_NEVER};

    return !sim_v6() || gateway == 0 || ip_route_set(ss->s, &r, true) == 0;
}

void sim_stack_defaults(struct stack_conf *c, uint64_t seed)
{
    stack_conf_init(c);
    c->arp_probe = ARP_PROBE_OFF; /* no frame that the test did not cause */
    c->seed = seed != 0 ? seed : 1;
    c->pools = (struct pkt_pool_sizes){
        .rx = 4096,
        .rx_room_bytes = 2048,
        .hdr = 4096,
        .ctl = 64,
        .ind = 8192,
        .app = {2048, 256, 32},
    };
    c->conn_memory_bytes = 64ull * MIB;
    c->ipv6 = sim_v6();
    c->dad_transmits = 0; /* the address is ours at once */
}

static struct rte_mempool *linear_pool(const struct z_stack *s, uint16_t mtu)
{
    for (int i = 0; i < PKT_APP_CLASSES; i++)
        if (s->pools.app[i] != NULL && pkt_app_class_bytes[i] >= mtu + FRAME_ROOM)
            return s->pools.app[i];
    return NULL;
}

static struct port_caps caps_of(const struct sim_stack_conf *c)
{
    struct port_caps caps = port_mem_caps();

    caps.tx_chains = !c->no_chains;
    caps.tx_external = !c->no_external;
    caps.tx_indirect = !c->no_indirect;
    caps.tx_tso = caps.tx_chains && (c->tso || getenv("SIM_TSO") != NULL);
    caps.rx_lro = c->lro || getenv("SIM_LRO") != NULL;
    caps.tx_ip_cksum = caps.tx_tcp_cksum = caps.tx_udp_cksum = caps.rx_cksum = c->offload || caps.tx_tso || caps.rx_lro;
    return caps;
}

static bool add_interface(struct sim_stack *ss, uint32_t segment, const struct sim_stack_conf *c)
{
    struct port_mem_conf pc = {.caps = caps_of(c), .mtu = c->mtu != 0 ? c->mtu : MTU, .knobs = c->knobs};
    uint32_t mask = c->mask != 0 ? c->mask : MASK_24;

    pc.mac[0] = 0x02;
    pc.mac[4] = (uint8_t)segment;
    pc.mac[5] = (uint8_t)(ss->node + 1);
    pc.rx_pool = ss->s->pools.rx;
    pc.linear_pool = linear_pool(ss->s, pc.mtu);
    ss->end = sim_add_end(ss->sim, ss->node, segment, &pc, &c->link);
    ss->nif = stack_add_netif(ss->s, ss->end->port, "sim0");
    if (ss->nif == NULL)
        return false;
    if (c->no_gso)
        ss->nif->port->hdr_pool = NULL;
    if (c->addr != 0 && stack_add_addr(ss->s, ss->nif, c->addr, mask, 0) != 0)
        return false;
    if (c->gateway != 0 && stack_set_gateway(ss->s, ss->nif, c->gateway) != 0)
        return false;
    return sim_add_v6(ss->s, ss->nif, c->addr, mask) && add_gateway_v6(ss, c->gateway);
}

struct sim_stack *sim_add_stack(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c)
{
    static unsigned serial; /* names of pools are unique in the process */
    struct sim_stack *ss = calloc(1, sizeof(*ss));
    struct stack_conf conf;
    char name[16];
    int err = 0;

    Z_CHECK(ss != NULL);
    sim_stack_defaults(&conf, sim->conf.seed * SIM_MAX_NODES + sim->n_nodes + 1);
    if (c->tune != NULL)
        c->tune(&conf, c->tune_arg);
    snprintf(name, sizeof(name), "sim%u", serial++);
    *ss = (struct sim_stack){.sim = sim, .app = c->app, .app_arg = c->app_arg, .app_wake_ns = NS_NEVER, .retry_ns = NS_NEVER};
    ss->s = stack_create(&conf, name, sim->now_ns, &err);
    if (ss->s == NULL) {
        sim_fail(sim, "stack_create: error %d", err);
        free(ss);
        return NULL;
    }
    ss->node = sim_add_node(sim, turn, deadline, ss);
    if (!add_interface(ss, segment, c)) {
        sim_fail(sim, "a stack refuses its interface or address");
        sim_stack_destroy(ss);
        return NULL;
    }
    ss->arena_bytes = ss->s->arena.used_bytes;
    return ss;
}

/* A node without turns stays: its number is in use. */
static void no_turn(void *arg, uint64_t now_ns)
{
    (void)arg;
    (void)now_ns;
}

void sim_stack_destroy(struct sim_stack *ss)
{
    if (ss == NULL)
        return;
    sim_detach(ss->end);
    ss->sim->node[ss->node] = (struct sim_node){.turn = no_turn};
    stack_destroy(ss->s);
    free(ss);
}

bool sim_stack_conserved(struct sim_stack *ss)
{
    uint32_t buffers;

    port_mem_drain(ss->end->port);
    release_run(ss->s); /* of wrapped memory that the port still held */
    buffers = pkt_pools_in_use(&ss->s->pools);
    if (buffers != 0)
        sim_fail(ss->sim, "node %d: %u buffers did not come back", ss->node, buffers);
    if (ss->s->arena.used_bytes != ss->arena_bytes)
        sim_fail(ss->sim, "node %d: %zu bytes of connection memory in use, %zu after creation", ss->node, ss->s->arena.used_bytes,
                 ss->arena_bytes);
    return !ss->sim->failed;
}

bool sim_pair_create(struct sim_pair *p, const struct sim_pair_conf *c)
{
    struct sim_stack_conf side[2] = {c->side[0], c->side[1]};

    side[0].addr = side[0].addr != 0 ? side[0].addr : ADDR_A;
    side[1].addr = side[1].addr != 0 ? side[1].addr : ADDR_B;
    *p = (struct sim_pair){.sim = sim_create(&c->sim)};
    p->a = sim_add_stack(p->sim, 0, &side[0]);
    p->b = p->a != NULL ? sim_add_stack(p->sim, 0, &side[1]) : NULL;
    if (p->b == NULL) {
        sim_pair_destroy(p);
        return false;
    }
    return true;
}

void sim_pair_destroy(struct sim_pair *p)
{
    sim_stack_destroy(p->a);
    sim_stack_destroy(p->b);
    sim_destroy(p->sim);
    *p = (struct sim_pair){0};
}
