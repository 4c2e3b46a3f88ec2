/*
 * Loans freed by threads that do not own the stack. The loan must be counted off by the owner, so the buffer travels to it
 * through a ring: many producers, one consumer that looks once a poll. When the ring is full the freeing thread calls the owner
 * through the mailbox, and so waits for its next poll.
 */
#include <stdio.h>

#include <rte_errno.h>
#include <rte_ring.h>

#include "api/procs.h"
#include "api/zc.h"

#include "base/poison.h"

#define RETURN_SLOTS 8192u
#define RETURN_BURST 64u

int zc_return_init(struct api_core *c)
{
    char name[RTE_RING_NAMESIZE];

    if (api.conf.procs)
        snprintf(name, sizeof(name), "%s_returned", procs_name());
    else
        snprintf(name, sizeof(name), "zstack%u_returned", c->stack->index);
    c->returned = api.conf.procs ? rte_ring_lookup(name) : NULL; /* of a process that had our number, and has left it in order */
    if (c->returned == NULL)
        c->returned = rte_ring_create(name, RETURN_SLOTS, SOCKET_ID_ANY, RING_F_SC_DEQ);
    return c->returned != NULL ? 0 : -rte_errno;
}

struct return_op {
    struct api_op op;
    struct rte_mbuf *m;
};

static int64_t do_return(struct z_stack *s, struct api_op *op)
{
    struct rte_mbuf *m = ((struct return_op *)op)->m;

    if ((zc_flags(m) & PKT_F_LOAN) != 0 && !pkt_is_shared(m))
        zc_loan_return(s, m);
    pkt_unref(m);
    return 0;
}

void zc_return_put(struct rte_mbuf *m)
{
    struct api_core *c = zc_lender(m);
    struct return_op a = {.m = m};

    if (likely(rte_ring_mp_enqueue(c->returned, m) == 0)) {
        api_wake(c);
        return;
    }
    api_call_at(c, &a.op, do_return); /* after ff_stop_run nobody counts any more */
}

unsigned zc_return_run(struct api_core *c)
{
    void *m[RETURN_BURST];
    unsigned n, total = 0;

    if (likely(rte_ring_empty(c->returned)))
        return 0;
    while ((n = rte_ring_sc_dequeue_burst(c->returned, m, RETURN_BURST, NULL)) != 0) {
        for (unsigned i = 0; i < n; i++) {
            struct return_op a = {.m = m[i]};

            do_return(c->stack, &a.op);
        }
        total += n;
    }
    return total;
}

/* The buffer stays, but nobody counts it any more. */
static int64_t do_end(struct z_stack *s, struct api_op *op)
{
    struct rte_mbuf *m = ((struct return_op *)op)->m;

    if ((zc_flags(m) & PKT_F_LOAN) != 0)
        zc_loan_return(s, m);
    return 0;
}

void zc_loan_end(struct rte_mbuf *m)
{
    struct return_op a = {.m = m};

    api_call_at(zc_lender(m), &a.op, do_end);
}

void zc_settle_loans(int fd, struct rte_mbuf *m)
{
    uint16_t to = api_core_of_fd(fd)->lender;

    for (; m != NULL; m = m->next)
        if ((zc_flags(m) & PKT_F_LOAN) != 0 && pkt_meta(m)->loan_stack != to)
            zc_loan_end(m);
}
