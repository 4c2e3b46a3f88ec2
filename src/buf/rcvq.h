/*
 * Receive queue: in-order bytes waiting for the application, as single-segment mbufs linked by m->next. Knows
 * nothing of TCP. Each mbuf's data_off/data_len are the bytes still queued; nb_segs and pkt_len of a chain that goes in
 * mean nothing. pkt_meta.loan_bytes holds the charge of a segment while it is queued.
 */
#ifndef BUF_RCVQ_H
#define BUF_RCVQ_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

struct rcvq {
    struct rte_mbuf *head, *tail;
    uint32_t bytes;         /* payload */
    uint32_t charged_bytes; /* memory held (pkt_truesize) */
};

/* Appends a chain of received segments (its empty ones are freed). */
void rcvq_append(struct rcvq *q, struct rte_mbuf *m /* consumed */);

/* Takes the first segment whole, unlinked: a packet of its own (nb_segs 1, pkt_len = data_len). NULL when empty. */
struct rte_mbuf *rcvq_pop(struct rcvq *q);

/* Drops n bytes from the front (n <= bytes). */
void rcvq_consume(struct rcvq *q, uint32_t n);

/* Copies n bytes from offset (offset + n <= bytes) without consuming. */
void rcvq_copy_out(const struct rcvq *q, uint32_t offset, void *dst, uint32_t n);

void rcvq_clear(struct rcvq *q);

#endif
