#include "buf/rcvq.h"

#include <string.h>

#include "base/check.h"
#include "buf/seg.h"

#include "base/poison.h"

/*
 * The charge of a segment is fixed when it is appended and kept in its metadata: what pkt_truesize() says may change
 * while the segment waits (consumed bytes of external memory, a pinned buffer that is marked external when shared).
 */

void rcvq_append(struct rcvq *q, struct rte_mbuf *m)
{
    while (m != NULL) {
        struct rte_mbuf *next = m->next;

        seg_unlink(m);
        if (m->data_len == 0) {
            pkt_unref(m);
        } else {
            uint32_t charge = pkt_truesize(m);

            pkt_meta(m)->loan_bytes = charge;
            q->bytes += m->data_len;
            q->charged_bytes += charge;
            if (q->tail != NULL)
                q->tail->next = m;
            else
                q->head = m;
            q->tail = m;
        }
        m = next;
    }
}

struct rte_mbuf *rcvq_pop(struct rcvq *q)
{
    struct rte_mbuf *m = q->head;

    if (m == NULL)
        return NULL;
    q->head = m->next;
    if (q->head == NULL)
        q->tail = NULL;
    q->bytes -= m->data_len;
    q->charged_bytes -= pkt_meta(m)->loan_bytes;
    pkt_meta(m)->loan_bytes = 0;
    seg_unlink(m);
    return m;
}

void rcvq_consume(struct rcvq *q, uint32_t n)
{
    Z_CHECK(n <= q->bytes);
    while (n > 0 && n >= q->head->data_len) {
        struct rte_mbuf *m = rcvq_pop(q);

        n -= m->data_len;
        pkt_unref(m);
    }
    if (n > 0) {
        seg_cut_front(q->head, n);
        q->bytes -= n;
    }
}

void rcvq_copy_out(const struct rcvq *q, uint32_t offset, void *dst, uint32_t n)
{
    struct rte_mbuf *m = q->head;
    uint8_t *to = dst;

    Z_CHECK(offset <= q->bytes && n <= q->bytes - offset);
    while (n > 0 && offset >= m->data_len) {
        offset -= m->data_len;
        m = m->next;
    }
    for (; n > 0; m = m->next) {
        uint32_t part = MIN(n, m->data_len - offset);

        memcpy(to, pkt_data(m) + offset, part);
        to += part;
        n -= part;
        offset = 0;
    }
}

void rcvq_clear(struct rcvq *q)
{
    rcvq_consume(q, q->bytes);
}
