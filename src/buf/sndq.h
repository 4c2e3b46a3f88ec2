/*
 * Send queue: the bytes from snd_una to the end of what the application wrote, as descriptors over buffers in sequence
 * space. No TCP rules. Empty, it keeps at most its smallest ring, until it is trimmed: then it has no memory.
 *
 * Each descriptor is one holder of its buffer. off counts from buf_addr; data_off of a buffer means nothing here.
 */
#ifndef BUF_SNDQ_H
#define BUF_SNDQ_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/arena.h"

/* A queue of so many descriptors is full. A chain of at most so many is taken whole before that, and may overshoot. */
#define SNDQ_DESC_MAX 16384u
#define SNDQ_RING_MAX (2 * SNDQ_DESC_MAX) /* keeps the queue below half the sequence space */

struct sndq_desc {
    struct rte_mbuf *m;
    uint32_t seq; /* of the first byte */
    uint32_t off; /* of the first byte, from buf_addr */
    uint32_t len;
    uint32_t charge; /* memory charged for it */
};

struct sndq {
    struct sndq_desc *ring; /* NULL while cap is 0 */
    uint32_t end_seq;
    uint32_t charged_bytes; /* memory held, what SO_SNDBUF limits */
    uint16_t cap, head, n;  /* cap is a power of two, SNDQ_RING_MAX at most */
};

/* Empty, at seq. */
void sndq_init(struct sndq *q, uint32_t seq);

/* Drops everything. */
void sndq_clear(struct sndq *q, struct arena *a);

/*
 * One segment (m->next is not looked at): takes over one holder of m on success; -ENOMEM (arena, or SNDQ_DESC_MAX
 * descriptors) leaves it with the caller. len 0: that holder is dropped at once.
 */
int sndq_append(struct sndq *q, struct arena *a, struct rte_mbuf *m, uint32_t off, uint32_t len);

/*
 * Room for n more descriptors, so that the next n appends cannot fail: makes the taking of a chain atomic. 0 or -ENOMEM
 * (arena, or the queue is full); a chain of more than SNDQ_DESC_MAX segments never fits.
 */
int sndq_reserve(struct sndq *q, struct arena *a, uint32_t n);

/*
 * The last buffer, when small data may be added behind its bytes: solely owned, direct, in the queue's last descriptor,
 * with free tail room. Returns where to write and *room, or NULL. Follow with sndq_extend_tail(n).
 */
uint8_t *sndq_tail_room(struct sndq *q, uint32_t *room);
void sndq_extend_tail(struct sndq *q, uint32_t n);

/*
 * Bytes up to seq are acknowledged: buffers wholly before it are released. A buffer that is acknowledged in part keeps
 * its descriptor, cut to what is left, and its whole charge. Old acknowledgements are ignored; what lies beyond end_seq (a FIN) counts as
 * end_seq.
 */
void sndq_ack(struct sndq *q, struct arena *a, uint32_t seq);

/* Gives the memory of an empty queue back: who says nothing for a while should cost nothing. */
void sndq_trim(struct sndq *q, struct arena *a);

/* The descriptor that holds seq (that is in the queue), by binary search; *index to step on with sndq_at. */
const struct sndq_desc *sndq_find(const struct sndq *q, uint32_t seq, uint32_t *index);

static inline const struct sndq_desc *sndq_at(const struct sndq *q, uint32_t index)
{
    return index < q->n ? &q->ring[(q->head + index) & (q->cap - 1)] : 0;
}

static inline uint32_t sndq_bytes(const struct sndq *q)
{
    return q->n != 0 ? q->end_seq - q->ring[q->head].seq : 0;
}

#endif
