#include "port/gso.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/units.h"
#include "pkt/pkt.h"

/* Where the frame's payload is being read. */
struct cursor {
    struct rte_mbuf *seg;
    uint32_t off;
};

static struct cursor payload_at(struct rte_mbuf *m, uint32_t off)
{
    struct cursor c = {.seg = m, .off = off + (uint32_t)(m->l2_len + m->l3_len + m->l4_len)};

    while (c.off >= c.seg->data_len) {
        c.off -= c.seg->data_len;
        c.seg = c.seg->next;
    }
    return c;
}

static void put_len(uint8_t *ip, bool v6, uint32_t l3_len, uint32_t l4_bytes)
{
    uint16_t len = rte_cpu_to_be_16((uint16_t)(v6 ? l4_bytes : l3_len + l4_bytes));

    memcpy(ip + (v6 ? offsetof(struct rte_ipv6_hdr, payload_len) : offsetof(struct rte_ipv4_hdr, total_length)), &len, sizeof(len));
}

static void add16(uint8_t *p, uint16_t n)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    v = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(v) + n));
    memcpy(p, &v, sizeof(v));
}

static void add32(uint8_t *p, uint32_t n)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    v = rte_cpu_to_be_32(rte_be_to_cpu_32(v) + n);
    memcpy(p, &v, sizeof(v));
}

/* The frame's headers for len bytes at off. */
static void write_headers(struct rte_mbuf *h, const struct rte_mbuf *frame, uint32_t off, uint32_t len)
{
    uint32_t hdrs = (uint32_t)(frame->l2_len + frame->l3_len + frame->l4_len);
    bool v6 = (frame->ol_flags & RTE_MBUF_F_TX_IPV6) != 0, last = off + len == gso_payload(frame);
    uint8_t *ip, *tcp;

    h->data_off = (uint16_t)(PKT_HDR_ROOM - hdrs);
    h->data_len = (uint16_t)hdrs;
    ip = rte_pktmbuf_mtod_offset(h, uint8_t *, frame->l2_len);
    tcp = ip + frame->l3_len;
    memcpy(ip - frame->l2_len, rte_pktmbuf_mtod(frame, const uint8_t *), hdrs);
    put_len(ip, v6, frame->l3_len, frame->l4_len + len);
    if (!v6)
        add16(ip + offsetof(struct rte_ipv4_hdr, packet_id), (uint16_t)(off / frame->tso_segsz));
    add32(tcp + offsetof(struct rte_tcp_hdr, sent_seq), off);
    if (!last)
        tcp[offsetof(struct rte_tcp_hdr, tcp_flags)] &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
    h->ol_flags = frame->ol_flags & ~(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
    h->tx_offload = frame->tx_offload;
    h->tso_segsz = 0;
    h->pkt_len = hdrs + len;
}

/* A reference to len bytes at the cursor, which are in one mbuf. */
static struct rte_mbuf *refer(const struct cursor *c, uint32_t len, struct rte_mempool *ind_pool)
{
    struct rte_mbuf *mi = rte_pktmbuf_alloc(ind_pool);

    if (unlikely(mi == NULL))
        return NULL;
    pkt_mark_pinned(c->seg);
    pkt_attach(mi, c->seg, c->seg->data_off + c->off, len);
    return mi;
}

/* One segment of len bytes; NULL: no buffers. The cursor moves on. */
static struct rte_mbuf *cut_one(struct cursor *c, const struct rte_mbuf *frame, uint32_t off, uint32_t len, struct rte_mempool *hdr_pool,
                                struct rte_mempool *ind_pool)
{
    struct rte_mbuf *h = rte_pktmbuf_alloc(hdr_pool), *tail = h;

    if (unlikely(h == NULL))
        return NULL;
    write_headers(h, frame, off, len);
    while (len > 0) {
        uint32_t n = MIN(len, c->seg->data_len - c->off);
        struct rte_mbuf *mi = refer(c, n, ind_pool);

        if (unlikely(mi == NULL)) {
            rte_pktmbuf_free(h);
            return NULL;
        }
        tail->next = mi;
        tail = mi;
        h->nb_segs++;
        len -= n;
        c->off += n;
        if (c->off == c->seg->data_len) {
            c->seg = c->seg->next;
            c->off = 0;
        }
    }
    return h;
}

void gso_begin(struct gso *g, struct rte_mbuf *frame)
{
    g->frame = frame;
    g->off = 0;
    g->n = g->sent = g->tries = 0;
}

bool gso_cut(struct gso *g, struct rte_mempool *hdr_pool, struct rte_mempool *ind_pool)
{
    uint32_t payload = gso_payload(g->frame);
    struct cursor c = payload_at(g->frame, g->off);

    g->n = g->sent = 0;
    while (g->n < GSO_SEGS_MAX && g->off < payload) {
        uint32_t len = MIN((uint32_t)g->frame->tso_segsz, payload - g->off);
        struct rte_mbuf *m = cut_one(&c, g->frame, g->off, len, hdr_pool, ind_pool);

        if (unlikely(m == NULL))
            break;
        g->seg[g->n++] = m;
        g->off += len;
    }
    g->tries = (uint16_t)(g->n > 0 ? 0 : g->tries + 1);
    return g->n > 0;
}

void gso_drop(struct gso *g)
{
    rte_pktmbuf_free_bulk(g->seg + g->sent, (unsigned)(g->n - g->sent));
    g->frame = NULL;
    g->n = g->sent = 0;
}
