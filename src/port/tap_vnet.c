#include "port/tap_vnet.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "base/units.h"

#define L4_OFF_MIN (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr)) /* no transport header begins before */
#define TCP_SUM_OFF offsetof(struct rte_tcp_hdr, cksum)
#define UDP_SUM_OFF offsetof(struct rte_udp_hdr, dgram_cksum)

/* A sum that was left to a device, of bytes that never were on a wire: good, if it is one of TCP or UDP and inside the frame. */
static bool unfinished_sum(const struct virtio_net_hdr *h, uint32_t len)
{
    if (h->csum_offset != TCP_SUM_OFF && h->csum_offset != UDP_SUM_OFF)
        return false;
    return h->csum_start >= L4_OFF_MIN && (uint32_t)h->csum_start + h->csum_offset + sizeof(uint16_t) <= len;
}

void tap_vnet_rx(const struct virtio_net_hdr *h, struct rte_mbuf *m)
{
    uint8_t gso = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    bool merged = gso == VIRTIO_NET_HDR_GSO_TCPV4 || gso == VIRTIO_NET_HDR_GSO_TCPV6;

    if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 ? unfinished_sum(h, m->pkt_len) : (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) != 0)
        m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    /* merged segments have one sum, which is a proven one or none */
    if (!merged || h->gso_size == 0 || h->gso_size >= m->pkt_len || (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD) == 0)
        return;
    m->ol_flags |= RTE_MBUF_F_RX_LRO;
    m->tso_segsz = h->gso_size;
}

/* Adds the length of the transport's bytes to the sum in the field. */
static void complete_pseudo_sum(uint8_t *field, uint32_t l4_len)
{
    uint16_t sum;
    uint32_t total;

    memcpy(&sum, field, sizeof(sum));
    total = (uint32_t)sum + rte_cpu_to_be_16((uint16_t)l4_len);
    sum = (uint16_t)((total & 0xffff) + (total >> 16));
    memcpy(field, &sum, sizeof(sum));
}

static void segments(struct rte_mbuf *m, struct virtio_net_hdr *h)
{
    uint8_t *tcp = rte_pktmbuf_mtod_offset(m, uint8_t *, h->csum_start);

    complete_pseudo_sum(tcp + TCP_SUM_OFF, m->pkt_len - h->csum_start);
    h->gso_type = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    if ((tcp[offsetof(struct rte_tcp_hdr, tcp_flags)] & RTE_TCP_CWR_FLAG) != 0)
        h->gso_type |= VIRTIO_NET_HDR_GSO_ECN; /* CWR is for the first segment alone */
    h->gso_size = m->tso_segsz;
}

void tap_vnet_tx(struct rte_mbuf *m, struct virtio_net_hdr *h)
{
    uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

    memset(h, 0, sizeof(*h));
    if (l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM)
        return;
    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->csum_start = (uint16_t)(m->l2_len + m->l3_len);
    h->csum_offset = l4 == RTE_MBUF_F_TX_TCP_CKSUM ? TCP_SUM_OFF : UDP_SUM_OFF;
    h->hdr_len = (uint16_t)MIN((uint32_t)h->csum_start + m->l4_len, m->pkt_len);
    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
        segments(m, h);
}
