#include "port/port.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "base/check.h"
#include "base/units.h"
#include "pkt/pkt.h"
#include "port/gro.h"
#include "wire/cksum.h"

#define ETH_OVERHEAD 18u  /* Ethernet header and a VLAN tag */
#define FLAT_SEGS_MAX 40u /* buffers that a frame is copied to */
#define TX_CKSUM_MASK (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK)

enum ready { FRAME_READY, FRAME_WAITS, FRAME_OVERSIZE, FRAME_CUT };

/* Adds len bytes at off of the chain to a partial sum (wire/cksum.h). */
static uint64_t chain_sum(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
    for (uint32_t done = 0; done < len; m = m->next, off = 0) {
        uint32_t n = MIN(m->data_len - off, len - done);

        sum = cksum_add_at(sum, rte_pktmbuf_mtod_offset(m, const uint8_t *, off), n, done);
        done += n;
    }
    return sum;
}

static void ip_cksum(struct port *p, struct rte_mbuf *m)
{
    struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, m->l2_len);

    ip->hdr_checksum = 0;
    if (p->caps.tx_ip_cksum)
        return;
    ip->hdr_checksum = cksum_finish(cksum_add(0, ip, m->l3_len));
    m->ol_flags &= ~RTE_MBUF_F_TX_IP_CKSUM;
}

/*
 * Where the transport's bytes end, counted from its header, and the sum of the pseudo-header: of a frame that the device cuts without a
 * length, which each segment adds (as rte_ipv4_phdr_cksum has it).
 */
static uint16_t pseudo_sum(const struct rte_mbuf *m, uint32_t *l4_len)
{
    const void *ip = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);
    uint64_t cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
    struct rte_ipv6_hdr v6;

    if (likely((m->ol_flags & RTE_MBUF_F_TX_IPV6) == 0)) {
        const struct rte_ipv4_hdr *v4 = ip;
        uint64_t sum = (uint64_t)v4->src_addr + v4->dst_addr;

        *l4_len = rte_be_to_cpu_16(v4->total_length) - (uint32_t)m->l3_len;
        sum += rte_cpu_to_be_16(v4->next_proto_id);
        sum += cut != 0 ? 0 : rte_cpu_to_be_16((uint16_t)*l4_len);
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)((sum & 0xffff) + (sum >> 16));
    }
    /* extension headers count as payload there, but not here; and it is the transport's number that is summed (RFC 8200 8.1) */
    memcpy(&v6, ip, sizeof(v6));
    *l4_len = rte_be_to_cpu_16(v6.payload_len) + (uint32_t)sizeof(v6) - (uint32_t)m->l3_len;
    v6.payload_len = rte_cpu_to_be_16((uint16_t)*l4_len);
    v6.proto = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM ? IPPROTO_UDP : IPPROTO_TCP;
    return rte_ipv6_phdr_cksum(&v6, cut);
}

/*
 * With an offload the pseudo-header sum goes in the field, as ethdev wants it; that depends on the IP header only, so it may
 * be written again when the frame is offered a second time. Without, the sum is made here and the request is cleared.
 */
static void l4_cksum(struct rte_mbuf *m, uint32_t field_off, bool offload)
{
    bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    uint32_t l4_off = (uint32_t)(m->l2_len + m->l3_len), l4_len;
    uint16_t sum = pseudo_sum(m, &l4_len);
    uint8_t *field = rte_pktmbuf_mtod_offset(m, uint8_t *, l4_off + field_off);

    Z_CHECK(l4_off + l4_len <= m->pkt_len && l4_off + field_off + sizeof(sum) <= m->data_len);
    if (!offload) {
        memset(field, 0, sizeof(sum));
        sum = cksum_finish(chain_sum(sum, m, l4_off, l4_len));
        if (udp && sum == 0)
            sum = 0xffff; /* RFC 768: zero means that there is no checksum; over IPv6 it may not be (RFC 8200 8.1) */
        m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
    }
    memcpy(field, &sum, sizeof(sum));
}

/* Headers are in the first segment and were written for this transmission: the only bytes that are touched. */
static void tx_cksum(struct port *p, struct rte_mbuf *m)
{
    uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

    if ((m->ol_flags & RTE_MBUF_F_TX_IPV6) == 0)
        m->ol_flags |= RTE_MBUF_F_TX_IPV4;
    if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
        l4_cksum(m, offsetof(struct rte_tcp_hdr, cksum), p->caps.tx_tcp_cksum);
    else if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
        l4_cksum(m, offsetof(struct rte_udp_hdr, dgram_cksum), p->caps.tx_udp_cksum);
    if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
        ip_cksum(p, m);
    if ((m->ol_flags & TX_CKSUM_MASK) == 0)
        m->ol_flags &= ~(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
}

static uint16_t max_segs(const struct port_caps *c, const struct rte_mbuf *m)
{
    if (!c->tx_chains)
        return 1;
    return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ? c->tso_max_segs : c->tx_max_segs;
}

static bool must_linearize(const struct port_caps *c, const struct rte_mbuf *m)
{
    if (m->nb_segs > max_segs(c, m))
        return true;
    if (c->tx_external && c->tx_indirect && !c->tx_owned_only)
        return false;
    for (; m != NULL; m = m->next) {
        if ((RTE_MBUF_HAS_EXTBUF(m) && !c->tx_external) || (RTE_MBUF_CLONED(m) && !c->tx_indirect))
            return true;
        if (c->tx_owned_only && (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1))
            return true;
    }
    return false;
}

/* How many buffers of the linear pool the frame takes; 0: more than the port does. */
static uint16_t flat_segs(const struct port *p, const struct rte_mbuf *m)
{
    uint32_t room = rte_pktmbuf_data_room_size(p->linear_pool), n;

    if (room <= RTE_PKTMBUF_HEADROOM)
        return 0;
    room -= RTE_PKTMBUF_HEADROOM;
    n = (m->pkt_len + room - 1) / room;
    return n <= MIN(max_segs(&p->caps, m), FLAT_SEGS_MAX) ? (uint16_t)n : 0;
}

/* Fills the buffers, which become one chain. */
static void copy_frame(struct port *p, const struct rte_mbuf *m, struct rte_mbuf **to, uint16_t n)
{
    uint16_t at = 0;

    for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
        for (uint32_t off = 0; off < seg->data_len;) {
            uint32_t part = MIN((uint32_t)rte_pktmbuf_tailroom(to[at]), seg->data_len - off);

            memcpy(rte_pktmbuf_mtod_offset(to[at], char *, to[at]->data_len), rte_pktmbuf_mtod_offset(seg, const char *, off), part);
            to[at]->data_len = (uint16_t)(to[at]->data_len + part);
            off += part;
            at = (uint16_t)(at + (rte_pktmbuf_tailroom(to[at]) == 0));
        }
    }
    for (uint16_t i = 1; i < n; i++)
        to[i - 1]->next = to[i];
    to[0]->nb_segs = n;
    to[0]->pkt_len = m->pkt_len;
    to[0]->ol_flags = m->ol_flags & ~(RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL);
    to[0]->tx_offload = m->tx_offload;
    p->ctr->v[CTR_TX_LINEARIZED]++;
    p->ctr->v[CTR_COPY_PORT] += m->pkt_len - MIN((uint32_t)(m->l2_len + m->l3_len + m->l4_len), m->pkt_len);
}

/* A copy of the frame in buffers of the port's own takes its place. */
static enum ready linearize(struct port *p, struct rte_mbuf **slot)
{
    struct rte_mbuf *m = *slot, *to[FLAT_SEGS_MAX];
    uint16_t n;

    n = p->linear_pool != NULL ? flat_segs(p, m) : 0;
    if (n == 0)
        return FRAME_OVERSIZE;
    if (rte_pktmbuf_alloc_bulk(p->linear_pool, to, n) != 0) {
        p->ctr->v[CTR_NO_MBUF]++;
        return FRAME_WAITS;
    }
    copy_frame(p, m, to, n);
    for (struct rte_mbuf *seg = m; seg != NULL && p->copied != NULL; seg = seg->next)
        if (RTE_MBUF_HAS_EXTBUF(seg))
            p->copied(seg);
    rte_pktmbuf_free(m);
    *slot = to[0];
    return FRAME_READY;
}

struct rte_mbuf *port_flat(struct port *p, uint32_t len)
{
    struct rte_mbuf *m = p->linear_pool != NULL ? rte_mbuf_raw_alloc(p->linear_pool) : NULL;
    uint32_t last;

    if (m == NULL)
        return NULL;
    /* where the payload was that it held before: a buffer that was freed a moment ago has those of its lines in the cache, and no others */
    last = (uint32_t)(m->data_off + m->l2_len + m->l3_len + m->l4_len);
    rte_pktmbuf_reset(m);
    if (last > m->data_off && last + len <= m->buf_len)
        m->data_off = (uint16_t)last;
    if (unlikely(rte_pktmbuf_tailroom(m) < len)) {
        rte_pktmbuf_free(m);
        return NULL;
    }
    p->ctr->v[CTR_TX_LINEARIZED]++;
    return m;
}

void port_flat_add(struct port *p, struct rte_mbuf *to, struct rte_mbuf *from, uint32_t off, uint32_t len)
{
    memcpy(rte_pktmbuf_mtod_offset(to, char *, to->data_len), (const char *)from->buf_addr + off, len);
    to->data_len = (uint16_t)(to->data_len + len);
    to->pkt_len += len;
    p->ctr->v[CTR_COPY_PORT] += len;
    if (RTE_MBUF_HAS_EXTBUF(from) && p->copied != NULL)
        p->copied(from);
}

/* A frame that is longer than the MTU, or to be cut: may it not be? */
static bool refused(const struct port *p, const struct rte_mbuf *m)
{
    uint32_t headers = (uint32_t)(m->l2_len + m->l3_len + m->l4_len);

    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0 || m->tso_segsz == 0 || m->pkt_len <= headers ||
        headers + m->tso_segsz > p->mtu + ETH_OVERHEAD)
        return true;
    return p->caps.tx_tso ? m->pkt_len > headers + p->caps.tso_max_bytes : p->hdr_pool == NULL || headers > PKT_HDR_ROOM;
}

/* May be called again for a frame that the ring did not take. */
static enum ready make_ready(struct port *p, struct rte_mbuf **slot)
{
    struct rte_mbuf *m = *slot;

    if (unlikely(m->pkt_len > p->mtu + ETH_OVERHEAD || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)) {
        if (refused(p, m))
            return FRAME_OVERSIZE;
        if (!p->caps.tx_tso)
            return FRAME_CUT;
    }
    if ((m->ol_flags & TX_CKSUM_MASK) != 0)
        tx_cksum(p, m);
    return must_linearize(&p->caps, m) ? linearize(p, slot) : FRAME_READY;
}

/* Counted before they are sent: what the port took may be gone. */
struct tally {
    uint64_t bytes, tso;
};

static void count_frame(struct tally *t, const struct rte_mbuf *m, int64_t sign)
{
    t->bytes += (uint64_t)(sign * m->pkt_len);
    t->tso += (uint64_t)(sign * ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0));
}

/* Returns how many of the n frames, which are ready, the ring took. */
static uint16_t send_ready(struct port *p, struct rte_mbuf **m, uint16_t n, struct tally *t)
{
    uint16_t sent = p->ops->tx(p, m, n);

    for (uint16_t i = sent; i < n; i++)
        count_frame(t, m[i], -1);
    p->ctr->v[CTR_TX_PACKETS] += sent;
    p->ctr->v[CTR_TX_BYTES] += t->bytes;
    p->ctr->v[CTR_TX_TSO] += t->tso;
    if (sent < n)
        p->ctr->v[CTR_TX_RING_FULL]++;
    return sent;
}

/*
 * Buffers come back from the driver, which is asked for those that it is done with. But those that frames behind this one hold do not while
 * it waits: when there have been none for long, the frame is dropped.
 */
static bool buffers_come(struct port *p, const struct gso *g)
{
    p->ctr->v[CTR_NO_MBUF]++;
    p->ops->reclaim(p);
    if (g->tries < GSO_TRIES_MAX)
        return true;
    p->ctr->v[DROP_NO_MBUF]++;
    return false;
}

/* The segments of a frame, from where the last call stopped. False: some of them wait for the ring, or for buffers. */
static bool send_cut(struct port *p, struct rte_mbuf *frame)
{
    struct gso *g = &p->gso;

    if (g->frame != NULL && g->frame != frame) /* of another interface on this port: it goes first */
        return false;
    if (g->frame == NULL)
        gso_begin(g, frame);
    do {
        if (g->sent == g->n && !gso_cut(g, p->hdr_pool, p->ind_pool)) {
            if (buffers_come(p, g))
                return false;
            break;
        }
        uint16_t sent = port_tx(p, g->seg + g->sent, (uint16_t)(g->n - g->sent));

        p->ctr->v[CTR_TX_GSO_SEGS] += sent;
        g->sent = (uint16_t)(g->sent + sent);
        if (g->sent < g->n)
            return false;
    } while (g->off < gso_payload(frame));
    g->frame = NULL;
    rte_pktmbuf_free(frame);
    return true;
}

uint16_t port_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint16_t done = 0;

    while (done < n) {
        uint16_t ready = 0;
        struct tally t = {0};
        enum ready r = FRAME_READY;

        while (done + ready < n && (r = make_ready(p, &m[done + ready])) == FRAME_READY)
            count_frame(&t, m[done + ready++], 1);
        if (ready > 0) {
            uint16_t sent = send_ready(p, m + done, ready, &t);

            done = (uint16_t)(done + sent);
            if (sent < ready)
                return done;
        }
        if (r == FRAME_WAITS)
            return done;
        if (r == FRAME_CUT) {
            if (!send_cut(p, m[done]))
                return done;
            done++;
        }
        if (r == FRAME_OVERSIZE) {
            p->ctr->v[CTR_TX_OVERSIZE]++;
            rte_pktmbuf_free(m[done++]);
        }
    }
    return done;
}

/*
 * What a short frame will be read from, all at once: the lines of a buffer that has gone round the driver's ring are in no near cache, and
 * its bytes were written by another core. Where they are the mbuf tells, in a line that is waited for itself; so they are asked for where
 * those of the last frame were, as seen from its mbuf: in the buffers of one pool that is the same place. Not so where mbufs refer to
 * bytes of others. Text is searched by whole vectors, which reach into the line behind it.
 */
static inline void ask_for(const struct port *p, const struct rte_mbuf *m)
{
    const uint8_t *data = p->rx_distance != 0 ? (const uint8_t *)((uintptr_t)m + p->rx_distance) : rte_pktmbuf_mtod(m, const uint8_t *);

    rte_prefetch0(&m->next);
    rte_prefetch0(data);
    rte_prefetch0(data + RTE_CACHE_LINE_SIZE);
    rte_prefetch0(data + 2 * RTE_CACHE_LINE_SIZE);
}

uint16_t port_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    dispatch_ask *ask;
    uint16_t got;

    p->dispatch.gone = 0;
    got = p->ops->rx(p, m, n);
    if (got == 0)
        return 0;
    for (uint16_t i = 0; i < got; i++)
        ask_for(p, m[i]);
    for (uint16_t i = 0; i < got; i++) {
        p->ctr->v[CTR_RX_BYTES] += m[i]->pkt_len;
        p->ctr->v[CTR_RX_LRO] += (m[i]->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
    }
    p->rx_distance = RTE_MBUF_DIRECT(m[0]) ? rte_pktmbuf_mtod(m[0], uintptr_t) - (uintptr_t)m[0] : 0;
    p->ctr->v[CTR_RX_PACKETS] += got;
    if (unlikely((ask = dispatch_asked(&p->dispatch)) != NULL) && !p->caps.rx_dispatch)
        return dispatch_alone(p, ask, m, got);
    return got;
}

uint16_t port_merge(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint16_t left;

    if (!p->gro || n < 2)
        return n;
    left = gro_merge(m, n);
    p->ctr->v[CTR_RX_GRO] += (uint64_t)(n - left);
    return left;
}

void port_tx_abandon(struct port *p)
{
    gso_drop(&p->gso);
}

void port_close(struct port *p)
{
    if (p == NULL)
        return;
    gso_drop(&p->gso);
    p->ops->close(p);
}
