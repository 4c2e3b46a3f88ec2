#include "pkt/pkt.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "core/stack.h"

#include "base/poison.h"

#define META_ALIGN 8

size_t pkt_meta_offset;

int pkt_init(void)
{
    static const struct rte_mbuf_dynfield field = {
        .name = "zstack_pkt_meta",
        .size = sizeof(struct pkt_meta),
        .align = META_ALIGN,
    };

    int offset = rte_mbuf_dynfield_register(&field);

    if (offset < 0)
        return -rte_errno;
    pkt_meta_offset = (size_t)offset;
    return 0;
}

bool pkt_unref_shared(struct pkt_meta *meta)
{
    if (__atomic_fetch_sub(&meta->extra_refs, 1, __ATOMIC_ACQ_REL) != 0)
        return false;
    /* another holder let go between the caller's look and the subtraction: this is the last one */
    __atomic_store_n(&meta->extra_refs, 0, __ATOMIC_RELAXED);
    return true;
}

void pkt_unref_chain(struct rte_mbuf *m)
{
    while (m != NULL) {
        struct rte_mbuf *next = m->next;

        pkt_unref(m);
        m = next;
    }
}

void pkt_drop(struct z_stack *s, struct rte_mbuf *m, enum ctr reason)
{
    stack_count(s, reason);
    trace_add(&s->trace, s->now_ns, ctr_names[reason], m->pkt_len, 0, 0);
    pkt_unref_chain(m);
}

/* Appends bytes of the following segments to the first one, whose headroom keeps the headers pulled off before. */
struct rte_mbuf *pkt_pullup_spanning(struct z_stack *s, struct rte_mbuf *m, uint32_t n)
{
    if (n > m->pkt_len || n > PKT_HDR_ROOM || !pkt_sole_owner(m) || rte_pktmbuf_tailroom(m) < n - m->data_len) {
        pkt_drop(s, m, DROP_PULLUP);
        return NULL;
    }
    stack_count(s, CTR_PULLUP);
    while (m->data_len < n) {
        struct rte_mbuf *next = m->next;
        uint32_t take = MIN(n - m->data_len, (uint32_t)next->data_len);

        memcpy(pkt_data(m) + m->data_len, pkt_data(next), take);
        m->data_len = (uint16_t)(m->data_len + take);
        next->data_off = (uint16_t)(next->data_off + take);
        next->data_len = (uint16_t)(next->data_len - take);
        if (next->data_len == 0) {
            m->next = next->next;
            m->nb_segs--;
            pkt_unref(next);
        }
    }
    return m;
}

struct rte_mbuf *pkt_trim_head(struct rte_mbuf *m, uint32_t n)
{
    while (m != NULL && n >= m->data_len) {
        struct rte_mbuf *next = m->next;

        n -= m->data_len;
        if (next != NULL) {
            next->pkt_len = m->pkt_len - m->data_len;
            next->nb_segs = (uint16_t)(m->nb_segs - 1);
        }
        pkt_unref(m);
        m = next;
    }
    if (m != NULL)
        pkt_pull(m, n);
    return m;
}

struct rte_mbuf *pkt_trim_to(struct rte_mbuf *m, uint32_t len)
{
    struct rte_mbuf *seg = m;
    uint32_t left = len;
    uint16_t segs = 1;

    if (len == 0) {
        pkt_unref_chain(m);
        return NULL;
    }
    while (left > seg->data_len) {
        left -= seg->data_len;
        seg = seg->next;
        segs++;
    }
    seg->data_len = (uint16_t)left;
    pkt_unref_chain(seg->next);
    seg->next = NULL;
    m->pkt_len = len;
    m->nb_segs = segs;
    return m;
}

struct rte_mbuf *pkt_alloc_hdr(struct z_stack *s)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(s->pools.hdr);

    if (unlikely(m == NULL)) {
        stack_count(s, CTR_NO_MBUF);
        return NULL;
    }
    m->data_off = PKT_HDR_ROOM;
    return m;
}

struct rte_mbuf *pkt_alloc_ctl(struct z_stack *s)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(s->pools.hdr);

    if (unlikely(m == NULL) && s->pools.ctl != NULL) {
        m = rte_pktmbuf_alloc(s->pools.ctl);
        s->ctr.v[CTR_PKT_RESERVE] += m != NULL;
    }
    if (unlikely(m == NULL)) {
        stack_count(s, CTR_NO_MBUF);
        return NULL;
    }
    m->data_off = PKT_HDR_ROOM;
    return m;
}

struct rte_mbuf *pkt_alloc_app(struct z_stack *s, uint32_t len)
{
    struct rte_mbuf *m = NULL;
    int class = 0;

    if (len > PKT_BUF_MAX)
        return NULL;
    while (len > pkt_app_class_bytes[class])
        class ++;
    for (; class < PKT_APP_CLASSES && m == NULL; class ++)
        m = rte_pktmbuf_alloc(s->pools.app[class]);
    if (unlikely(m == NULL)) {
        __atomic_fetch_add(&s->ctr.v[CTR_NO_MBUF], 1, __ATOMIC_RELAXED); /* called from any thread */
        return NULL;
    }
    pkt_meta(m)->flags = 0;
    return m;
}

static uint32_t frame_refs(const struct rte_mbuf *m)
{
    if (RTE_MBUF_HAS_EXTBUF(m))
        return rte_mbuf_ext_refcnt_read(m->shinfo);
    return rte_mbuf_refcnt_read(RTE_MBUF_CLONED(m) ? rte_mbuf_from_indirect((struct rte_mbuf *)(uintptr_t)m) : m);
}

struct rte_mbuf *pkt_share(struct z_stack *s, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
    struct rte_mbuf *mi;

    pkt_mark_pinned(m);
    if (unlikely(frame_refs(m) >= PKT_FRAME_REFS_MAX)) {
        stack_count(s, CTR_REF_LIMIT);
        return NULL;
    }
    mi = rte_pktmbuf_alloc(s->pools.ind);
    if (unlikely(mi == NULL)) {
        stack_count(s, CTR_NO_MBUF);
        return NULL;
    }
    pkt_attach(mi, m, off, len);
    return mi;
}

struct rte_mbuf *pkt_share_frame(struct rte_mempool *pool, struct rte_mbuf *m)
{
    struct rte_mbuf *head = NULL, **link = &head;

    for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
        struct rte_mbuf *mi = rte_pktmbuf_alloc(pool);

        if (mi == NULL) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        pkt_mark_pinned(seg);
        pkt_attach(mi, seg, seg->data_off, seg->data_len);
        mi->ol_flags |= seg->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL); /* what the device says of the frame */
        *link = mi;
        link = &mi->next;
    }
    head->nb_segs = m->nb_segs;
    head->pkt_len = m->pkt_len;
    return head;
}
