#include "sim_fault.h"

#include <rte_mempool.h>

#include "base/check.h"

#define OPS_NAME "zstack_fault"

const char *const sim_fault_names[SIM_FAULT_KINDS] = {"connection memory of the client", "connection memory of the server", "buffer",
                                                      "transmit burst"};

static struct {
    enum sim_fault_kind kind;
    uint64_t count, first, length;
    bool hit;
    int real_pool_ops;
    const struct port_ops *real_port_ops;
} fault;

static bool fails(enum sim_fault_kind kind)
{
    if (fault.kind != kind || fault.length == 0 || ++fault.count < fault.first || fault.count >= fault.first + fault.length)
        return false;
    fault.hit = true;
    return true;
}

static const struct rte_mempool_ops *real(void)
{
    return rte_mempool_get_ops(fault.real_pool_ops);
}

static int fault_alloc(struct rte_mempool *mp)
{
    return real()->alloc(mp);
}

static void fault_free(struct rte_mempool *mp)
{
    real()->free(mp);
}

static int fault_enqueue(struct rte_mempool *mp, void *const *obj, unsigned n)
{
    return real()->enqueue(mp, obj, n);
}

static int fault_dequeue(struct rte_mempool *mp, void **obj, unsigned n)
{
    return fails(SIM_FAULT_MBUF) ? -1 : real()->dequeue(mp, obj, n);
}

static unsigned fault_count(const struct rte_mempool *mp)
{
    return real()->get_count(mp);
}

static const struct rte_mempool_ops fault_pool_ops = {
    .name = OPS_NAME,
    .alloc = fault_alloc,
    .free = fault_free,
    .enqueue = fault_enqueue,
    .dequeue = fault_dequeue,
    .get_count = fault_count,
};

static uint16_t fault_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    return fails(SIM_FAULT_TX) ? 0 : fault.real_port_ops->tx(p, m, n);
}

void sim_fault_tune(struct stack_conf *c)
{
    c->pools.rx = 512;
    c->pools.hdr = 512;
    c->pools.ind = 512;
    c->pools.app[0] = 256;
    c->pools.app[1] = 64;
    c->pools.app[2] = 16;
    stack_conf_shares(c);
}

static void hook_pool(struct rte_mempool *mp)
{
    static int index = -1;

    if (index < 0)
        index = rte_mempool_register_ops(&fault_pool_ops);
    Z_CHECK(index >= 0 && mp->cache_size == 0);
    if (mp->ops_index != index)
        fault.real_pool_ops = mp->ops_index;
    mp->ops_index = index;
}

static void hook_stack(struct sim_stack *ss)
{
    static struct port_ops ops;
    struct pkt_pools *pools = &ss->s->pools;

    hook_pool(pools->rx);
    hook_pool(pools->hdr);
    hook_pool(pools->ind);
    for (int i = 0; i < PKT_APP_CLASSES; i++)
        hook_pool(pools->app[i]);
    if (ss->end->port->ops != &ops) {
        fault.real_port_ops = ss->end->port->ops;
        ops = *fault.real_port_ops;
        ops.tx = fault_tx;
        ss->end->port->ops = &ops;
    }
}

void sim_fault_arm(struct sim_pair *p, enum sim_fault_kind kind, uint64_t first, uint64_t length)
{
    hook_stack(p->a);
    hook_stack(p->b);
    fault.kind = kind;
    fault.count = 0;
    fault.first = first;
    fault.length = length;
    fault.hit = false;
    if (kind == SIM_FAULT_ARENA_A)
        p->a->s->arena.fail_after = first;
    if (kind == SIM_FAULT_ARENA_B)
        p->b->s->arena.fail_after = first;
}

bool sim_fault_disarm(struct sim_pair *p)
{
    bool left = p->a->s->arena.fail_after != 0 || p->b->s->arena.fail_after != 0;

    p->a->s->arena.fail_after = p->b->s->arena.fail_after = 0;
    fault.length = 0;
    return fault.kind <= SIM_FAULT_ARENA_B ? !left : fault.hit;
}
