/*
 * Finished frames on their way to the port: filled by eth_output, emptied by the poll loop. What the transmit ring
 * does not take stays. Producers that can wait (TCP) ask txq_room() first; others lose the frame (DROP_TXQ_FULL).
 */
#ifndef PKT_TXQ_H
#define PKT_TXQ_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define TXQ_SLOTS 1024u                /* power of two */
#define TXQ_BYTES (TXQ_SLOTS * 1514u) /* more than this does not wait: a frame may be 64 KB, and what waits is delay */

struct txq {
    uint32_t head, tail; /* free-running; tail - head frames are queued */
    uint32_t bytes;      /* in those */
    struct rte_mbuf *slot[TXQ_SLOTS];
};

static inline uint32_t txq_count(const struct txq *q)
{
    return q->tail - q->head;
}

/* How many frames more should be made. */
static inline uint32_t txq_room(const struct txq *q)
{
    return q->bytes < TXQ_BYTES ? TXQ_SLOTS - txq_count(q) : 0;
}

/* false when full: the caller still owns m. */
static inline bool txq_put(struct txq *q, struct rte_mbuf *m)
{
    if (txq_count(q) == TXQ_SLOTS)
        return false;
    q->bytes += m->pkt_len;
    q->slot[q->tail++ & (TXQ_SLOTS - 1)] = m;
    return true;
}

#endif
