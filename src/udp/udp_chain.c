/* What UDP does with chains of buffers: makes, fills, empties, shares them. */
#include <string.h>

#include "core/stack.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

/* A datagram this small fits a header mbuf, behind its own headers. */
#define UDP_HDR_MBUF_BYTES (PKT_HDR_ROOM / 2)

/* A buffer for *n payload bytes, or for the first *n of them: smaller ones where there is no large one. */
static struct rte_mbuf *udp_alloc_piece(struct z_stack *s, uint32_t *n, bool hdr)
{
    struct rte_mbuf *m;

    if (hdr && *n <= UDP_HDR_MBUF_BYTES) {
        m = pkt_alloc_hdr(s);
        if (m)
            m->data_off = (uint16_t)(m->data_off - *n); /* its room is in front */
    } else {
        *n = MIN(*n, PKT_BUF_MAX);
        m = pkt_alloc_app(s, *n);
        for (unsigned class = PKT_APP_CLASSES - 1; !m && class > 0; class --) {
            *n = MIN(*n, pkt_app_class_bytes[class - 1]);
            m = pkt_alloc_app(s, *n);
        }
    }
    if (m)
        m->data_len = (uint16_t)*n;
    return m;
}

struct rte_mbuf *udp_alloc_chain(struct z_stack *s, uint32_t len, bool hdr)
{
    struct rte_mbuf *head = NULL, **link = &head;
    uint32_t left = len, n;
    uint16_t segs = 0;

    do {
        n = left;
        *link = udp_alloc_piece(s, &n, hdr && left == len);
        if (!*link) {
            pkt_unref_chain(head);
            return NULL;
        }
        link = &(*link)->next;
        left -= n;
        segs++;
    } while (left);
    head->nb_segs = segs;
    head->pkt_len = len;
    return head;
}

void udp_copy_in(struct rte_mbuf *m, const struct iovec *iov, int n)
{
    uint32_t at = 0;

    for (int i = 0; i < n; i++) {
        const char *from = iov[i].iov_base;
        size_t left = iov[i].iov_len;

        while (left) {
            size_t k = MIN(left, (size_t)(m->data_len - at));

            memcpy(pkt_data(m) + at, from, k);
            from += k;
            left -= k;
            at += (uint32_t)k;
            if (at == m->data_len && m->next) {
                m = m->next;
                at = 0;
            }
        }
    }
}

size_t udp_copy_out(const struct rte_mbuf *m, const struct iovec *iov, int n)
{
    size_t off = 0, done = 0;
    int i = 0;

    for (; m; m = m->next) {
        size_t at = 0;

        while (at < m->data_len && i < n) {
            size_t k = MIN(iov[i].iov_len - off, m->data_len - at);

            if (k)
                memcpy((char *)iov[i].iov_base + off, rte_pktmbuf_mtod(m, const char *) + at, k);
            at += k;
            off += k;
            done += k;
            if (off == iov[i].iov_len) {
                i++;
                off = 0;
            }
        }
    }
    return done;
}

struct rte_mbuf *udp_share(struct z_stack *s, struct rte_mbuf *m)
{
    struct rte_mbuf *head = NULL, **link = &head;

    for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
        struct rte_mbuf *ref = pkt_share(s, seg, pkt_off(seg), seg->data_len);

        if (!ref) {
            pkt_unref_chain(head);
            return NULL;
        }
        *link = ref;
        link = &ref->next;
    }
    head->nb_segs = m->nb_segs;
    head->pkt_len = m->pkt_len;
    return head;
}

struct rte_mbuf *udp_compact(struct z_stack *s, const struct rte_mbuf *from, uint32_t len)
{
    struct rte_mbuf *to = udp_alloc_chain(s, len, false), *m = to;
    uint32_t at = 0;

    if (!to)
        return NULL;
    for (uint32_t left = len, off = 0; left; off = 0, from = from->next) {
        while (off < from->data_len && left) {
            uint32_t k = MIN(MIN(left, (uint32_t)from->data_len - off), (uint32_t)m->data_len - at);

            memcpy(pkt_data(m) + at, rte_pktmbuf_mtod_offset(from, const void *, off), k);
            off += k;
            at += k;
            left -= k;
            if (at == m->data_len) {
                m = m->next;
                at = 0;
            }
        }
    }
    s->ctr.v[CTR_COPY_LOAN] += len;
    return to;
}

static void udp_seal(struct rte_mbuf *m, uint32_t len)
{
    uint16_t segs = 0;

    for (const struct rte_mbuf *p = m; p; p = p->next)
        segs++;
    m->pkt_len = len;
    m->nb_segs = segs;
}

struct rte_mbuf *udp_drop_empty(struct rte_mbuf *m)
{
    struct rte_mbuf *head = NULL, **link = &head, *next;
    uint32_t len = m->pkt_len;

    for (; m; m = next) {
        next = m->next;
        if (m->data_len == 0) {
            m->next = NULL;
            m->nb_segs = 1;
            pkt_unref(m);
            continue;
        }
        *link = m;
        link = &m->next;
    }
    *link = NULL;
    if (head)
        udp_seal(head, len);
    return head;
}
