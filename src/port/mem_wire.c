#include "port/mem_wire.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

static void put_sum(uint8_t *field, uint16_t sum)
{
    memcpy(field, &sum, sizeof(sum));
}

void mem_wire_tx_cksum(const struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
    uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
    uint32_t l4_off = (uint32_t)(m->l2_len + m->l3_len);
    bool udp = l4 == RTE_MBUF_F_TX_UDP_CKSUM;

    if (l4 == RTE_MBUF_F_TX_TCP_CKSUM || udp) {
        uint32_t field = l4_off + (uint32_t)(udp ? offsetof(struct rte_udp_hdr, dgram_cksum) : offsetof(struct rte_tcp_hdr, cksum));
        uint16_t sum;

        if (field + sizeof(sum) > len)
            return;
        sum = (uint16_t)~rte_raw_cksum(frame + l4_off, len - l4_off);
        put_sum(frame + field, udp && sum == 0 ? 0xffff : sum);
    }
    if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0 && l4_off <= len)
        put_sum(frame + m->l2_len + offsetof(struct rte_ipv4_hdr, hdr_checksum), (uint16_t)~rte_raw_cksum(frame + m->l2_len, m->l3_len));
}

static uint64_t rx_l4_flags(const uint8_t *l4, uint32_t l4_len, uint8_t proto, uint16_t pseudo)
{
    uint32_t sum;

    if (proto == IPPROTO_UDP) {
        if (l4_len < sizeof(struct rte_udp_hdr) || (l4[6] == 0 && l4[7] == 0))
            return 0;
    } else if (proto != IPPROTO_TCP || l4_len < sizeof(struct rte_tcp_hdr)) {
        return 0;
    }
    sum = (uint32_t)rte_raw_cksum(l4, l4_len) + pseudo;
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

/* As a device does that does not look behind extension headers. */
static uint64_t rx_flags_v6(const uint8_t *p, uint32_t len)
{
    struct rte_ipv6_hdr ip;
    uint32_t l4_len;

    if (len < sizeof(ip))
        return 0;
    memcpy(&ip, p, sizeof(ip));
    l4_len = rte_be_to_cpu_16(ip.payload_len);
    if (p[0] >> 4 != 6 || (ip.proto != IPPROTO_TCP && ip.proto != IPPROTO_UDP) || l4_len > len - sizeof(ip))
        return 0;
    return rx_l4_flags(p + sizeof(ip), l4_len, ip.proto, rte_ipv6_phdr_cksum(&ip, 0));
}

uint64_t mem_wire_rx_flags(const uint8_t *frame, uint32_t len)
{
    const uint8_t *p = frame + RTE_ETHER_HDR_LEN;
    struct rte_ipv4_hdr ip;
    uint32_t hlen, total;

    if (len >= RTE_ETHER_HDR_LEN && frame[12] == 0x86 && frame[13] == 0xdd)
        return rx_flags_v6(p, len - RTE_ETHER_HDR_LEN);
    if (len < RTE_ETHER_HDR_LEN + sizeof(ip) || frame[12] != 0x08 || frame[13] != 0x00)
        return 0;
    memcpy(&ip, p, sizeof(ip));
    hlen = (uint32_t)(ip.version_ihl & 0xf) * 4;
    total = rte_be_to_cpu_16(ip.total_length);
    if (ip.version_ihl >> 4 != 4 || hlen < sizeof(ip) || total < hlen || total > len - RTE_ETHER_HDR_LEN)
        return 0;
    if (rte_raw_cksum(p, hlen) != 0xffff)
        return RTE_MBUF_F_RX_IP_CKSUM_BAD;
    if ((ip.fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG)) != 0)
        return RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    return RTE_MBUF_F_RX_IP_CKSUM_GOOD | rx_l4_flags(p + hlen, total - hlen, ip.next_proto_id, rte_ipv4_phdr_cksum(&ip, 0));
}
