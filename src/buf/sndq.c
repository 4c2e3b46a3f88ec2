#include "buf/sndq.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/seq.h"
#include "buf/wrap.h"
#include "pkt/pkt.h"

#include "base/poison.h"

#define CAP_MIN 4u

/* seq_lt and kin compare positions in the queue: it must stay below half the sequence space. */
_Static_assert((uint64_t)SNDQ_RING_MAX *UINT16_MAX < 1u << 31, "bytes of a full queue");
_Static_assert((SNDQ_DESC_MAX & (SNDQ_DESC_MAX - 1)) == 0, "cap is a power of two");
_Static_assert(SNDQ_RING_MAX * sizeof(struct sndq_desc) <= ARENA_MAX_BLOCK, "the largest ring is one block");

static size_t ring_bytes(uint32_t cap)
{
    return cap * sizeof(struct sndq_desc);
}

static struct sndq_desc *desc_at(const struct sndq *q, uint32_t index)
{
    return &q->ring[(q->head + index) & (q->cap - 1)];
}

static void ring_free(struct sndq *q, struct arena *a)
{
    arena_free(a, q->ring, ring_bytes(q->cap));
    q->ring = NULL;
    q->cap = 0;
    q->head = 0;
}

/* The oldest descriptor goes, and with it one holder of its buffer; why is remembered for the owner of wrapped memory. */
static void drop_first(struct sndq *q, unsigned why)
{
    struct sndq_desc *d = desc_at(q, 0);

    q->charged_bytes -= d->charge;
    wrap_note(d->m, why);
    pkt_unref(d->m);
    q->head = (uint16_t)((q->head + 1) & (q->cap - 1));
    q->n--;
}

void sndq_init(struct sndq *q, uint32_t seq)
{
    memset(q, 0, sizeof(*q));
    q->end_seq = seq;
}

void sndq_clear(struct sndq *q, struct arena *a)
{
    while (q->n > 0)
        drop_first(q, WRAP_ABORTED);
    ring_free(q, a);
}

int sndq_reserve(struct sndq *q, struct arena *a, uint32_t n)
{
    uint32_t cap = q->cap != 0 ? q->cap : CAP_MIN;
    struct sndq_desc *ring;

    if (n == 0)
        return 0;
    if (n > SNDQ_DESC_MAX || q->n >= SNDQ_DESC_MAX)
        return -ENOMEM;
    while (cap - q->n < n)
        cap *= 2;
    if (cap == q->cap)
        return 0;
    ring = arena_alloc_dirty(a, ring_bytes(cap));
    if (ring == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < q->n; i++)
        ring[i] = *desc_at(q, i);
    ring_free(q, a);
    q->ring = ring;
    q->cap = (uint16_t)cap;
    return 0;
}

int sndq_append(struct sndq *q, struct arena *a, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
    struct sndq_desc *d;

    if (len == 0) {
        pkt_unref(m);
        return 0;
    }
    Z_CHECK(len <= UINT16_MAX);
    if (q->n == q->cap && sndq_reserve(q, a, 1) != 0)
        return -ENOMEM;
    d = desc_at(q, q->n++);
    d->m = m;
    d->seq = q->end_seq;
    d->off = off;
    d->len = len;
    d->charge = pkt_truesize(m);
    q->end_seq += len;
    q->charged_bytes += d->charge;
    return 0;
}

/* data_off and data_len are of the last frame that was sent from it: only the descriptor knows where its bytes end. */
static uint32_t tail_room(const struct sndq_desc *d)
{
    uint32_t end = d->off + d->len;

    return d->m->buf_len > end ? d->m->buf_len - end : 0;
}

uint8_t *sndq_tail_room(struct sndq *q, uint32_t *room)
{
    struct sndq_desc *d;

    *room = 0;
    if (q->n == 0)
        return NULL;
    d = desc_at(q, q->n - 1);
    if (!pkt_sole_owner(d->m))
        return NULL;
    *room = tail_room(d);
    return *room != 0 ? (uint8_t *)d->m->buf_addr + d->off + d->len : NULL;
}

void sndq_extend_tail(struct sndq *q, uint32_t n)
{
    struct sndq_desc *d;

    Z_CHECK(q->n > 0);
    d = desc_at(q, q->n - 1);
    Z_CHECK(n <= tail_room(d));
    d->len += n;
    q->end_seq += n;
}

void sndq_ack(struct sndq *q, struct arena *a, uint32_t seq)
{
    while (q->n > 0) {
        struct sndq_desc *d = desc_at(q, 0);

        if (seq_leq(seq, d->seq))
            return;
        if (seq_lt(seq, d->seq + d->len)) {
            d->off += seq - d->seq;
            d->len -= seq - d->seq;
            d->seq = seq;
            return;
        }
        drop_first(q, WRAP_ACKED);
    }
    if (q->cap > CAP_MIN)
        ring_free(q, a);
}

void sndq_trim(struct sndq *q, struct arena *a)
{
    if (q->n == 0)
        ring_free(q, a);
}

const struct sndq_desc *sndq_find(const struct sndq *q, uint32_t seq, uint32_t *index)
{
    uint32_t low = 0, high = q->n; /* the descriptor is in [low, high) */

    if (q->n == 0 || !seq_in(seq, desc_at(q, 0)->seq, q->end_seq))
        return NULL;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if (seq_leq(desc_at(q, mid)->seq, seq))
            low = mid;
        else
            high = mid;
    }
    *index = low;
    return desc_at(q, low);
}
