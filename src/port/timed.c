/*
 * What the calls of a port take, for those who want to know it of the stack alone: the port's own table, with a clock around two of it. Of
 * the two reads of the clock around a call one lies between the moments that they tell, half of it each; the other one is added, so that
 * nothing of them is left to the stack.
 */
#include "base/check.h"
#include "base/units.h"
#include "port/port.h"

#define READS 100u
#define TRIES 10u

static inline void add_call(struct port *p, uint64_t begin_ns)
{
    p->ctr->v[CTR_PORT_NS] += port_clock_ns() - begin_ns + p->timed.read_ns;
}

static uint16_t timed_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint64_t begin_ns = port_clock_ns();
    uint16_t got = p->timed.real->rx(p, m, n);

    add_call(p, begin_ns);
    return got;
}

static uint16_t timed_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint64_t begin_ns = port_clock_ns();
    uint16_t sent = p->timed.real->tx(p, m, n);

    add_call(p, begin_ns);
    return sent;
}

/* Of several tries the one that was interrupted least. */
static uint64_t clock_read_ns(void)
{
    uint64_t best = UINT64_MAX;

    for (unsigned try = 0; try < TRIES; try++) {
        uint64_t begin_ns = port_clock_ns();

        for (unsigned i = 1; i < READS; i++)
            (void)port_clock_ns();
        best = MIN(best, port_clock_ns() - begin_ns);
    }
    return (best + READS / 2) / READS;
}

void port_time(struct port *p)
{
    Z_CHECK(p->timed.real == NULL);
    p->timed.read_ns = clock_read_ns();
    p->timed.real = p->ops;
    p->timed.ops = *p->ops;
    p->timed.ops.rx = timed_rx;
    p->timed.ops.tx = timed_tx;
    p->ops = &p->timed.ops;
}
