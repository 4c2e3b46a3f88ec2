/* What the calls of a port take, for those who want to know it of the stack alone: the port's own table, with a clock around two of it. */
#include "base/check.h"
#include "port/port.h"

static uint16_t timed_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint64_t begin_ns = port_clock_ns();
    uint16_t got = p->timed.real->rx(p, m, n);

    p->ctr->v[CTR_PORT_NS] += port_clock_ns() - begin_ns;
    return got;
}

static uint16_t timed_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint64_t begin_ns = port_clock_ns();
    uint16_t sent = p->timed.real->tx(p, m, n);

    p->ctr->v[CTR_PORT_NS] += port_clock_ns() - begin_ns;
    return sent;
}

void port_time(struct port *p)
{
    Z_CHECK(p->timed.real == NULL);
    p->timed.real = p->ops;
    p->timed.ops = *p->ops;
    p->timed.ops.rx = timed_rx;
    p->timed.ops.tx = timed_tx;
    p->ops = &p->timed.ops;
}
