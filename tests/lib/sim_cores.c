#include "sim_cores.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "buf/wrap.h"

#define ROUNDS_MAX 10000u
#define QUEUE_FRAMES 1024u
#define LOOK_NS (5 * NS_PER_MS)

static unsigned one_turn(struct sim_stack *ss, uint64_t now_ns)
{
    unsigned n = stack_input(ss->s, now_ns);

    ss->app_wake_ns = NS_NEVER;
    if (ss->app != NULL)
        ss->app(ss, ss->app_arg);
    return n + stack_output(ss->s, now_ns);
}

static void turn(void *arg, uint64_t now_ns)
{
    struct sim_host *h = arg;
    unsigned n = 1;

    if (h->procs && now_ns >= h->look_ns) {
        steer_change(h->steer, now_ns);
        h->look_ns = now_ns + LOOK_NS;
    }
    for (unsigned round = 0; n != 0 && round < ROUNDS_MAX; round++) {
        n = 0;
        for (unsigned i = 0; i < h->n; i++)
            if (h->core[i] != NULL)
                n += one_turn(h->core[i], now_ns);
    }
    for (unsigned i = 0; i < h->n; i++)
        if (h->core[i] != NULL)
            h->core[i]->retry_ns = txq_count(&h->core[i]->nif->txq) > 0 ? now_ns + NS_PER_US : NS_NEVER;
}

static uint64_t deadline(void *arg)
{
    const struct sim_host *h = arg;
    uint64_t next = h->procs ? h->look_ns : NS_NEVER;

    for (unsigned i = 0; i < h->n; i++) {
        if (h->core[i] == NULL)
            continue;
        next = MIN(next, MIN(h->core[i]->app_wake_ns, h->core[i]->retry_ns));
        next = MIN(next, stack_next_deadline(h->core[i]->s));
    }
    return next;
}

static struct sim_stack *add_core(struct sim_host *h, struct sim *sim, const struct sim_stack_conf *c, unsigned i, unsigned serial)
{
    struct sim_stack *ss = calloc(1, sizeof(*ss));
    struct stack_conf conf;
    char name[24];
    int err = 0;

    Z_CHECK(ss != NULL);
    sim_stack_defaults(&conf, sim->conf.seed * SIM_MAX_NODES + sim->n_nodes * SIM_MAX_CORES + i + 1);
    if (c->tune != NULL)
        c->tune(&conf, c->tune_arg);
    conf.index = conf.member = (uint16_t)i;
    conf.n_stacks = (uint16_t)h->n;
    conf.steer = h->steer;
    conf.rx_pool = i > 0 ? h->core[0]->s->pools.rx : NULL;
    snprintf(name, sizeof(name), "simc%u_%u", serial, i);
    *ss = (struct sim_stack){.sim = sim, .app = c->app, .app_arg = c->app_arg, .app_wake_ns = NS_NEVER, .retry_ns = NS_NEVER};
    ss->s = stack_create(&conf, name, sim->now_ns, &err);
    if (ss->s == NULL)
        sim_fail(sim, "stack_create: error %d", err);
    return ss;
}

static void add_port(struct sim_host *h, struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned serial)
{
    struct port_mem_conf pc = {.caps = port_mem_caps(), .mtu = c->mtu != 0 ? c->mtu : 1500, .knobs = c->knobs};
    uint32_t mask = c->mask != 0 ? c->mask : 0xffffff00u;
    struct steer_dev *d;
    char name[24];

    pc.mac[0] = 0x02;
    pc.mac[4] = (uint8_t)segment;
    pc.mac[5] = (uint8_t)(h->core[0]->node + 1);
    pc.rx_pool = h->core[0]->s->pools.rx;
    h->end = sim_add_end(sim, h->core[0]->node, segment, &pc, &c->link);
    snprintf(name, sizeof(name), "simd%u", serial);
    d = steer_dev_create(h->steer, name, &h->end->port, 1, QUEUE_FRAMES);
    Z_CHECK(d != NULL);
    for (unsigned i = 0; i < h->n; i++) {
        struct sim_stack *ss = h->core[i];
        struct port *p = steer_port_open(d, i, ss->s->pools.ind);

        Z_CHECK(p != NULL);
        p->linear_pool = ss->s->pools.app[0];
        ss->end = h->end;
        ss->nif = stack_add_netif(ss->s, p, "sim0");
        if (stack_add_addr(ss->s, ss->nif, c->addr, mask, 0) != 0 || !sim_add_v6(ss->s, ss->nif, c->addr, mask))
            sim_fail(sim, "a stack of several refuses its address");
        ss->arena_bytes = ss->s->arena.used_bytes;
    }
}

static struct sim_host *add_host(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned n, bool procs)
{
    static unsigned serial; /* names of pools and zones are unique in the process */
    struct sim_host *h = calloc(1, sizeof(*h));
    uint8_t secret[32] = {7};
    char name[24];

    Z_CHECK(h != NULL && n <= SIM_MAX_CORES);
    h->n = n;
    h->procs = procs;
    snprintf(name, sizeof(name), "sims%u", serial);
    h->steer = procs ? steer_create_procs(name, n, false) : steer_create(name, n, false);
    Z_CHECK(h->steer != NULL);
    secret[1] = (uint8_t)sim->conf.seed;
    steer_set_secret(h->steer, secret);
    for (unsigned i = 0; i < n; i++)
        h->core[i] = add_core(h, sim, c, i, serial);
    h->core[0]->node = sim_add_node(sim, turn, deadline, h);
    for (unsigned i = 1; i < n; i++)
        h->core[i]->node = h->core[0]->node;
    add_port(h, sim, segment, c, serial++);
    return h;
}

struct sim_host *sim_add_host(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned n)
{
    return add_host(sim, segment, c, n, false);
}

struct sim_host *sim_add_host_procs(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned n)
{
    return add_host(sim, segment, c, n, true);
}

static void core_destroy(struct sim_host *h, unsigned i)
{
    if (h->core[i] == NULL)
        return;
    stack_destroy(h->core[i]->s);
    free(h->core[i]);
    h->core[i] = NULL;
}

void sim_host_stop(struct sim_host *h, unsigned i)
{
    Z_CHECK(i != 0); /* the others use its receive buffers */
    if (h->procs)
        steer_retire(h->steer, i);
    else
        steer_leave(h->steer, i);
    core_destroy(h, i);
}

static void no_turn(void *arg, uint64_t now_ns)
{
    (void)arg;
    (void)now_ns;
}

void sim_host_destroy(struct sim_host *h)
{
    struct sim *sim = h->core[0]->sim;

    sim_detach(h->end);
    sim->node[h->core[0]->node] = (struct sim_node){.turn = no_turn};
    for (unsigned i = h->n; i-- > 0;)
        core_destroy(h, i);
    steer_free(h->steer);
    free(h);
}

bool sim_host_conserved(struct sim_host *h)
{
    struct sim *sim = h->core[0]->sim;

    port_mem_drain(h->end->port);
    for (unsigned i = 0; i < h->n; i++) {
        const struct z_stack *s = h->core[i] != NULL ? h->core[i]->s : NULL;

        if (s == NULL)
            continue;
        release_run(h->core[i]->s);
        if (pkt_pools_in_use(&s->pools) != 0)
            sim_fail(sim, "core %u: %u buffers did not come back", i, pkt_pools_in_use(&s->pools));
        if (s->arena.used_bytes != h->core[i]->arena_bytes)
            sim_fail(sim, "core %u: %zu bytes of connection memory in use, %zu after creation", i, s->arena.used_bytes,
                     h->core[i]->arena_bytes);
    }
    return !sim->failed;
}
