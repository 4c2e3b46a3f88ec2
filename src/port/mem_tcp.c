#include "port/mem_tcp.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/units.h"

#define ETH_OVERHEAD 18u
#define TCP_FIN_PSH (RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG)

static uint32_t get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return rte_be_to_cpu_32(v);
}

static uint16_t get16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return rte_be_to_cpu_16(v);
}

static void put32(void *p, uint32_t v)
{
    v = rte_cpu_to_be_32(v);
    memcpy(p, &v, sizeof(v));
}

static void put16(void *p, uint32_t v)
{
    uint16_t be = rte_cpu_to_be_16((uint16_t)v);

    memcpy(p, &be, sizeof(be));
}

/* One's complement sum of the pseudo-header, host order; len 0: without a length. */
static uint32_t pseudo_sum(const uint8_t *ip, bool v6, uint32_t len)
{
    uint32_t sum = IPPROTO_TCP + len;

    for (uint32_t i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i += 2)
        sum += get16(ip + i);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void put_cksum(uint8_t *ip, uint8_t *tcp, bool v6, uint32_t l4_len)
{
    uint32_t sum;

    put16(tcp + offsetof(struct rte_tcp_hdr, cksum), 0);
    sum = pseudo_sum(ip, v6, l4_len) + rte_be_to_cpu_16(rte_raw_cksum(tcp, l4_len));
    sum = (sum & 0xffff) + (sum >> 16);
    put16(tcp + offsetof(struct rte_tcp_hdr, cksum), ~sum);
}

static void put_ip_len(uint8_t *ip, bool v6, uint32_t l3_len, uint32_t l4_len)
{
    struct rte_ipv4_hdr *v4 = (struct rte_ipv4_hdr *)ip;

    if (v6) {
        put16(ip + offsetof(struct rte_ipv6_hdr, payload_len), l4_len);
        return;
    }
    put16(ip + offsetof(struct rte_ipv4_hdr, total_length), l3_len + l4_len);
    v4->hdr_checksum = 0;
    v4->hdr_checksum = (uint16_t)~rte_raw_cksum(v4, l3_len);
}

static uint32_t headers_len(const struct rte_mbuf *m)
{
    return (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
}

static bool is_v6(const struct rte_mbuf *m)
{
    return (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
}

const char *mem_tcp_cut_fault(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len, uint32_t mtu)
{
    const uint8_t *ip = frame + m->l2_len, *tcp = ip + m->l3_len;
    bool v6 = is_v6(m);

    if (len <= headers_len(m) || m->data_len < headers_len(m) || m->tso_segsz == 0)
        return "frame to be cut without payload, headers in one piece or a size";
    if (headers_len(m) + m->tso_segsz > mtu + ETH_OVERHEAD)
        return "frame to be cut into segments longer than the MTU";
    if (ip[0] >> 4 != (v6 ? 6 : 4) || (v6 ? get16(ip + 4) + 40u : get16(ip + 2)) != len - m->l2_len)
        return "frame to be cut whose IP header says something else";
    if ((tcp[12] >> 4) * 4u != m->l4_len || (tcp[13] & (RTE_TCP_URG_FLAG | RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_CWR_FLAG)) != 0)
        return "frame to be cut whose TCP header cannot be that of several segments";
    if (get16(tcp + offsetof(struct rte_tcp_hdr, cksum)) != pseudo_sum(ip, v6, 0))
        return "frame to be cut whose checksum field is not the sum of the pseudo-header";
    return NULL;
}

uint32_t mem_tcp_segments(const struct rte_mbuf *m, uint32_t len)
{
    return (len - headers_len(m) + m->tso_segsz - 1) / m->tso_segsz;
}

uint32_t mem_tcp_cut(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len, uint32_t i, uint8_t *out)
{
    uint32_t hdrs = headers_len(m), off = i * m->tso_segsz, n = MIN((uint32_t)m->tso_segsz, len - hdrs - off);
    uint8_t *ip = out + m->l2_len, *tcp = ip + m->l3_len;

    memcpy(out, frame, hdrs);
    memcpy(out + hdrs, frame + hdrs + off, n);
    put32(tcp + 4, get32(tcp + 4) + off);
    if (hdrs + off + n < len)
        tcp[13] &= (uint8_t)~TCP_FIN_PSH;
    if (!is_v6(m))
        put16(ip + 4, get16(ip + 4) + i);
    put_ip_len(ip, is_v6(m), m->l3_len, m->l4_len + n);
    put_cksum(ip, tcp, is_v6(m), m->l4_len + n);
    return hdrs + n;
}

/* Where IP begins; 0: not IPv4 or IPv6. */
static uint16_t find_ip(const uint8_t *frame, uint32_t len, uint16_t *type)
{
    uint16_t off = RTE_ETHER_HDR_LEN;

    if (len < RTE_ETHER_HDR_LEN + sizeof(struct rte_vlan_hdr))
        return 0;
    *type = get16(frame + 12);
    if (*type == RTE_ETHER_TYPE_VLAN) {
        *type = get16(frame + 16);
        off = (uint16_t)(off + sizeof(struct rte_vlan_hdr));
    }
    return *type == RTE_ETHER_TYPE_IPV4 || *type == RTE_ETHER_TYPE_IPV6 ? off : 0;
}

struct seg {
    uint16_t l3_off, l4_off, hdr_len;
    uint32_t payload;
    bool v6;
};

/* A TCP segment with data and nothing special, not padded. */
static bool parse(const uint8_t *frame, uint32_t len, struct seg *g)
{
    uint16_t type;
    uint32_t l3_len, total;

    g->l3_off = find_ip(frame, len, &type);
    if (g->l3_off == 0)
        return false;
    g->v6 = type == RTE_ETHER_TYPE_IPV6;
    l3_len = g->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
    if (len < g->l3_off + l3_len + sizeof(struct rte_tcp_hdr))
        return false;
    const uint8_t *ip = frame + g->l3_off, *tcp = ip + l3_len;
    total = g->v6 ? get16(ip + 4) + l3_len : get16(ip + 2);
    if (g->v6 ? ip[0] >> 4 != 6 || ip[6] != IPPROTO_TCP : ip[0] != 0x45 || ip[9] != IPPROTO_TCP || (get16(ip + 6) & 0x3fff) != 0)
        return false;
    g->l4_off = (uint16_t)(g->l3_off + l3_len);
    g->hdr_len = (uint16_t)(g->l4_off + (tcp[12] >> 4) * 4);
    if (total != len - g->l3_off || tcp[12] >> 4 < 5 || g->hdr_len >= len || (tcp[13] & ~RTE_TCP_PSH_FLAG) != RTE_TCP_ACK_FLAG)
        return false;
    g->payload = len - g->hdr_len;
    return true;
}

/* The sums of what is inside a VLAN tag too. */
static bool sums_ok(const uint8_t *frame, uint32_t len, const struct seg *g)
{
    uint32_t l4_len = len - g->l4_off, sum;

    if (!g->v6 && rte_raw_cksum(frame + g->l3_off, sizeof(struct rte_ipv4_hdr)) != 0xffff)
        return false;
    sum = pseudo_sum(frame + g->l3_off, g->v6, l4_len) + rte_be_to_cpu_16(rte_raw_cksum(frame + g->l4_off, l4_len));
    return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

bool mem_merge_begin(struct mem_merge *m, const uint8_t *frame, uint32_t len)
{
    struct seg g;

    if (!parse(frame, len, &g) || !sums_ok(frame, len, &g))
        return false;
    memcpy(m->data, frame, len);
    m->len = len;
    m->segs = 1;
    m->l3_off = g.l3_off;
    m->l4_off = g.l4_off;
    m->hdr_len = g.hdr_len;
    m->seg_bytes = (uint16_t)g.payload;
    m->closed = (frame[g.l4_off + 13] & RTE_TCP_PSH_FLAG) != 0;
    return true;
}

/* The same connection, family and kind of packet: addresses, ports, TOS, TTL. */
static bool same_flow(const struct mem_merge *m, const uint8_t *frame, const struct seg *g)
{
    const uint8_t *a = m->data + m->l3_off, *b = frame + g->l3_off;

    if (g->l4_off != m->l4_off || g->hdr_len != m->hdr_len || memcmp(m->data, frame, m->l3_off) != 0)
        return false;
    if (memcmp(m->data + m->l4_off, frame + g->l4_off, 4) != 0)
        return false;
    if (g->v6)
        return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, 34) == 0;
    return a[1] == b[1] && memcmp(a + 6, b + 6, 4) == 0 && memcmp(a + 12, b + 12, 8) == 0;
}

/* Kinds and lengths of the options agree; of timestamps the later ones count. */
static bool same_options(const uint8_t *a, const uint8_t *b, uint32_t len)
{
    if (len == 12 && get32(a) == 0x0101080a)
        return get32(b) == 0x0101080a && (int32_t)(get32(b + 4) - get32(a + 4)) >= 0;
    return memcmp(a, b, len) == 0;
}

bool mem_merge_add(struct mem_merge *m, const uint8_t *frame, uint32_t len)
{
    uint8_t *tcp = m->data + m->l4_off;
    struct seg g;

    if (m->closed || !parse(frame, len, &g) || !same_flow(m, frame, &g) || g.payload > m->seg_bytes)
        return false;
    const uint8_t *next = frame + g.l4_off;
    uint32_t opts = (uint32_t)(g.hdr_len - g.l4_off) - (uint32_t)sizeof(struct rte_tcp_hdr);
    if (get32(next + 4) != get32(tcp + 4) + (m->len - m->hdr_len) || (int32_t)(get32(next + 8) - get32(tcp + 8)) < 0)
        return false;
    if (!same_options(tcp + 20, next + 20, opts) || m->len + g.payload > MEM_TCP_FRAME_MAX || !sums_ok(frame, len, &g))
        return false;
    memcpy(tcp + 8, next + 8, 4);
    memcpy(tcp + 14, next + 14, 2);
    memcpy(tcp + 20, next + 20, opts);
    tcp[13] |= next[13];
    memcpy(m->data + m->len, frame + g.hdr_len, g.payload);
    m->len += g.payload;
    m->segs++;
    m->closed = g.payload < m->seg_bytes || (next[13] & RTE_TCP_PSH_FLAG) != 0;
    put_ip_len(m->data + m->l3_off, g.v6, (uint32_t)(m->l4_off - m->l3_off), m->len - m->l4_off);
    return true;
}
