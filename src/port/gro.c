#include "port/gro.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>

#include "base/units.h"
#include "pkt/pkt.h"

#define RX_CKSUM_MASK (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK)
#define RX_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define MERGED_MAX UINT16_MAX /* an IP length has 16 bits */
#define HEADERS_MIN (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_tcp_hdr))
#define FRAG_MASK rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)

/* A segment that others may be added to, with those that were. */
struct run {
    struct rte_mbuf *head, *tail; /* head NULL: there is none; tail NULL: nothing was added */
    uint32_t next_seq;
    uint16_t l3_off, l4_off, hdr_len, seg_bytes;
    bool v6;
};

static struct rte_tcp_hdr *tcp_of(const struct run *r, const struct rte_mbuf *m)
{
    return rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, r->l4_off);
}

/* Does the IP header of either family say TCP, nothing special, and the length that the frame has? */
static bool ip_is_plain(const struct run *r, const struct rte_mbuf *m)
{
    const void *ip = rte_pktmbuf_mtod_offset(m, const void *, r->l3_off);
    const struct rte_ipv4_hdr *v4 = ip;
    const struct rte_ipv6_hdr *v6 = ip;

    if (r->v6)
        return v6->proto == IPPROTO_TCP && rte_be_to_cpu_16(v6->payload_len) == m->pkt_len - r->l4_off;
    return v4->version_ihl == RTE_IPV4_VHL_DEF && v4->next_proto_id == IPPROTO_TCP && (v4->fragment_offset & FRAG_MASK) == 0 &&
           rte_be_to_cpu_16(v4->total_length) == m->pkt_len - r->l3_off;
}

/* Where the headers of a TCP frame are, all of them in its first buffer. */
static bool find_headers(struct run *r, const struct rte_mbuf *m)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
    uint16_t type;

    if (m->data_len < HEADERS_MIN)
        return false;
    r->l3_off = RTE_ETHER_HDR_LEN;
    memcpy(&type, p + 2 * RTE_ETHER_ADDR_LEN, sizeof(type));
    if (type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) {
        r->l3_off += (uint16_t)sizeof(struct rte_vlan_hdr);
        memcpy(&type, p + r->l3_off - sizeof(type), sizeof(type));
    }
    r->v6 = type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
    if (!r->v6 && type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
        return false;
    r->l4_off = (uint16_t)(r->l3_off + (r->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)));
    if (r->l4_off + sizeof(struct rte_tcp_hdr) > m->data_len || !ip_is_plain(r, m))
        return false;
    r->hdr_len = (uint16_t)(r->l4_off + (tcp_of(r, m)->data_off >> 4) * 4u);
    return r->hdr_len >= r->l4_off + sizeof(struct rte_tcp_hdr) && r->hdr_len <= m->data_len;
}

/* Text and an acknowledgement, nothing else; in a buffer that may be written to, since the frame becomes a longer one. */
static void begin(struct run *r, struct rte_mbuf *m)
{
    r->head = NULL;
    if ((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0 || !pkt_sole_owner(m) || !find_headers(r, m) || tcp_of(r, m)->tcp_flags != RTE_TCP_ACK_FLAG)
        return;
    r->head = m;
    r->tail = NULL;
    r->seg_bytes = (uint16_t)(m->pkt_len - r->hdr_len);
    r->next_seq = rte_be_to_cpu_32(tcp_of(r, m)->sent_seq) + r->seg_bytes;
}

/* Addresses, kind of service, hop limit; not length, identification and checksum. */
static bool same_ip(const struct run *r, const struct rte_mbuf *m)
{
    const uint8_t *a = rte_pktmbuf_mtod_offset(r->head, const uint8_t *, r->l3_off),
                  *b = rte_pktmbuf_mtod_offset(m, const uint8_t *, r->l3_off);

    if (r->v6)
        return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, sizeof(struct rte_ipv6_hdr) - 6) == 0;
    return memcmp(a, b, 2) == 0 && memcmp(a + 6, b + 6, 4) == 0 && memcmp(a + 12, b + 12, 8) == 0;
}

/* Ports, acknowledgement, window, options; PSH may be there. */
static bool same_tcp(const struct run *r, const struct rte_mbuf *m)
{
    const struct rte_tcp_hdr *a = tcp_of(r, r->head), *b = tcp_of(r, m);

    return memcmp(a, b, 4) == 0 && a->recv_ack == b->recv_ack && a->data_off == b->data_off && a->rx_win == b->rx_win &&
           a->tcp_urp == b->tcp_urp && (b->tcp_flags & ~RTE_TCP_PSH_FLAG) == RTE_TCP_ACK_FLAG &&
           memcmp(a + 1, b + 1, (size_t)(r->hdr_len - r->l4_off) - sizeof(*a)) == 0;
}

static bool same_link(const struct run *r, const struct rte_mbuf *m)
{
    const uint64_t flags = RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_VLAN_STRIPPED;

    if (((r->head->ol_flags & ~RTE_MBUF_F_RX_LRO) ^ m->ol_flags) & flags)
        return false;
    if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && m->vlan_tci != r->head->vlan_tci)
        return false;
    return memcmp(rte_pktmbuf_mtod(r->head, const uint8_t *), rte_pktmbuf_mtod(m, const uint8_t *), r->l3_off) == 0;
}

/* The next segment of the same connection, in sequence, with the same headers but for what differs from one to the next. */
static bool follows(const struct run *r, const struct rte_mbuf *m)
{
    if (m->data_len < r->hdr_len || m->pkt_len <= r->hdr_len || m->pkt_len - r->hdr_len > r->seg_bytes ||
        r->head->pkt_len + m->pkt_len - r->hdr_len > MERGED_MAX)
        return false;
    return rte_be_to_cpu_32(tcp_of(r, m)->sent_seq) == r->next_seq && same_tcp(r, m) && same_link(r, m) && same_ip(r, m) &&
           ip_is_plain(r, m);
}

/* One's complement sum of the chain from off on; see chain_sum in port.c for segments of odd length. */
static uint32_t sum_from(const struct rte_mbuf *m, uint32_t off)
{
    uint32_t sum = 0, done = 0;

    for (; m != NULL; m = m->next, off = 0) {
        uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const uint8_t *, off), m->data_len - off);

        sum += (done & 1) != 0 ? rte_bswap16(part) : part;
        done += m->data_len - off;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* Are the checksums right? By the port's word, or they are made here, once: the flags say so then. */
static bool proven(const struct run *r, struct rte_mbuf *m)
{
    const void *ip = rte_pktmbuf_mtod_offset(m, const void *, r->l3_off);

    if (likely((m->ol_flags & RX_CKSUM_MASK) == RX_GOOD))
        return true;
    if (!r->v6 && rte_raw_cksum(ip, sizeof(struct rte_ipv4_hdr)) != 0xffff)
        return false;
    if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD) {
        uint32_t sum = sum_from(m, r->l4_off) + (r->v6 ? rte_ipv6_phdr_cksum(ip, 0) : rte_ipv4_phdr_cksum(ip, 0));

        if ((sum & 0xffff) + (sum >> 16) != 0xffff)
            return false;
    }
    m->ol_flags = (m->ol_flags & ~RX_CKSUM_MASK) | RX_GOOD;
    return true;
}

static struct rte_mbuf *last_of(struct rte_mbuf *m)
{
    while (m->next != NULL)
        m = m->next;
    return m;
}

/* A shorter segment, or one with PSH, is the last. */
static bool add(struct run *r, struct rte_mbuf *m)
{
    uint8_t flags = tcp_of(r, m)->tcp_flags;
    uint32_t len = m->pkt_len - r->hdr_len;

    if (r->tail == NULL)
        r->tail = last_of(r->head);
    tcp_of(r, r->head)->tcp_flags |= flags;
    pkt_pull(m, r->hdr_len);
    r->tail->next = m;
    r->tail = last_of(m);
    r->head->nb_segs = (uint16_t)(r->head->nb_segs + m->nb_segs);
    r->head->pkt_len += len;
    r->next_seq += len;
    return len == r->seg_bytes && (flags & RTE_TCP_PSH_FLAG) == 0;
}

/* Nothing more is added: the headers speak of the whole. */
static void finish(struct run *r)
{
    void *ip;

    if (r->head != NULL && r->tail != NULL) {
        ip = rte_pktmbuf_mtod_offset(r->head, void *, r->l3_off);
        if (r->v6)
            ((struct rte_ipv6_hdr *)ip)->payload_len = rte_cpu_to_be_16((uint16_t)(r->head->pkt_len - r->l4_off));
        else
            ((struct rte_ipv4_hdr *)ip)->total_length = rte_cpu_to_be_16((uint16_t)(r->head->pkt_len - r->l3_off));
        r->head->ol_flags |= RTE_MBUF_F_RX_LRO;
        r->head->tso_segsz = r->seg_bytes;
    }
    r->head = NULL;
}

uint16_t gro_merge(struct rte_mbuf **m, uint16_t n)
{
    struct run r = {0};
    uint16_t out = 0;

    for (uint16_t i = 0; i < n; i++) {
        bool large = m[i]->pkt_len >= GRO_MIN_BYTES, next_large = i + 1 < n && m[i + 1]->pkt_len >= GRO_MIN_BYTES;

        if (next_large)
            rte_prefetch0(rte_pktmbuf_mtod(m[i + 1], void *));
        if (r.head != NULL && follows(&r, m[i]) && proven(&r, r.head) && proven(&r, m[i])) {
            if (!add(&r, m[i]))
                finish(&r);
            continue;
        }
        finish(&r);
        m[out++] = m[i];
        if (large && next_large)
            begin(&r, m[i]);
    }
    finish(&r);
    return out;
}
