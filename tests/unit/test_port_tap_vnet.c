/* The virtio-net header of a TAP device against the flags of a frame's mbuf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/rng.h"
#include "base/units.h"
#include "port/tap_vnet.h"

#define CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define VALID VIRTIO_NET_HDR_F_DATA_VALID
#define GOOD RTE_MBUF_F_RX_L4_CKSUM_GOOD
#define LRO (GOOD | RTE_MBUF_F_RX_LRO)
#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6

static void test_received_headers(void **state)
{
    static const struct {
        const char *what;
        struct virtio_net_hdr h;
        uint32_t len;
        uint64_t flags;
        uint16_t segsz;
    } t[] = {
        {"nothing", {0}, 60, 0, 0},
        {"TCP over IPv4", {.flags = CSUM, .csum_start = 34, .csum_offset = 16}, 66, GOOD, 0},
        {"UDP over IPv6", {.flags = CSUM, .csum_start = 54, .csum_offset = 6}, 90, GOOD, 0},
        {"behind a VLAN tag and options", {.flags = CSUM, .csum_start = 78, .csum_offset = 16}, 1000, GOOD, 0},
        {"a sum that somebody checked", {.flags = VALID}, 60, GOOD, 0},
        {"the sum's last byte is the frame's", {.flags = CSUM, .csum_start = 34, .csum_offset = 16}, 52, GOOD, 0},
        {"the sum's last byte is behind it", {.flags = CSUM, .csum_start = 34, .csum_offset = 16}, 51, 0, 0},
        {"no sum of TCP or UDP", {.flags = CSUM, .csum_start = 34, .csum_offset = 2}, 66, 0, 0},
        {"an offset that wraps", {.flags = CSUM, .csum_start = 0xfffe, .csum_offset = 16}, 66, 0, 0},
        {"the largest offsets", {.flags = CSUM, .csum_start = 0xffff, .csum_offset = 0xffff}, 65553, 0, 0},
        {"a start inside the Ethernet header", {.flags = CSUM, .csum_start = 8, .csum_offset = 16}, 66, 0, 0},
        {"no frame", {.flags = CSUM, .csum_start = 34, .csum_offset = 16}, 0, 0, 0},
        {"unfinished beats valid", {.flags = CSUM | VALID, .csum_start = 34, .csum_offset = 3}, 66, 0, 0},
        {"merged", {CSUM, TCP4, 66, 1448, 34, 16}, 20000, LRO, 1448},
        {"merged, IPv6", {CSUM, TCP6, 86, 1428, 54, 16}, 65535, LRO, 1428},
        {"merged, with ECN", {CSUM, TCP4 | VIRTIO_NET_HDR_GSO_ECN, 66, 1448, 34, 16}, 20000, LRO, 1448},
        {"merged and proven", {VALID, TCP4, 66, 1448, 0, 0}, 20000, LRO, 1448},
        {"segments of no size", {CSUM, TCP4, 66, 0, 34, 16}, 20000, GOOD, 0},
        {"segments longer than the frame", {CSUM, TCP4, 66, 1448, 34, 16}, 1448, GOOD, 0},
        {"segments with a sum that nobody knows", {0, TCP4, 66, 1448, 0, 0}, 20000, 0, 0},
        {"segments with a sum outside", {CSUM, TCP4, 66, 1448, 19999, 16}, 20000, 0, 0},
        {"a length of headers beyond the frame is not used", {CSUM, TCP4, 65535, 1448, 34, 16}, 20000, LRO, 1448},
        {"UDP fragments", {CSUM, VIRTIO_NET_HDR_GSO_UDP, 42, 1448, 34, 6}, 20000, GOOD, 0},
        {"a type that nobody knows", {CSUM, 0x77, 66, 1448, 34, 16}, 20000, GOOD, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct rte_mbuf m = {.pkt_len = t[i].len};

        tap_vnet_rx(&t[i].h, &m);
        if (m.ol_flags != t[i].flags || m.tso_segsz != t[i].segsz)
            fail_msg("%s: flags %#lx, segments of %u", t[i].what, (unsigned long)m.ol_flags, (unsigned)m.tso_segsz);
    }
}

/* A frame that asks for offloads: headers only, the rest of pkt_len is elsewhere. */
static uint8_t bytes[128];

static struct rte_mbuf frame(uint64_t flags, uint32_t l2, uint32_t l3, uint32_t l4, uint32_t len)
{
    struct rte_mbuf m = {.buf_addr = bytes, .pkt_len = len, .ol_flags = flags};

    m.data_len = (uint16_t)MIN(len, sizeof(bytes));
    m.l2_len = l2 & 0x7f;
    m.l3_len = l3 & 0x1ff;
    m.l4_len = l4 & 0xff;
    return m;
}

static void expect_header(const char *what, struct rte_mbuf m, struct virtio_net_hdr want)
{
    struct virtio_net_hdr h;

    memset(&h, 0xff, sizeof(h));
    tap_vnet_tx(&m, &h);
    if (memcmp(&h, &want, sizeof(h)) != 0)
        fail_msg("%s: flags %u type %u hdr_len %u size %u start %u offset %u", what, h.flags, h.gso_type, h.hdr_len, h.gso_size,
                 h.csum_start, h.csum_offset);
}

static void test_sent_headers(void **state)
{
    (void)state;
    memset(bytes, 0, sizeof(bytes));
    expect_header("no request", frame(0, 14, 20, 0, 60), (struct virtio_net_hdr){0});
    expect_header("IP sum alone, which port_tx has made", frame(RTE_MBUF_F_TX_IPV4, 14, 20, 0, 60), (struct virtio_net_hdr){0});
    expect_header("TCP", frame(RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4, 14, 20, 32, 1514),
                  (struct virtio_net_hdr){.flags = CSUM, .hdr_len = 66, .csum_start = 34, .csum_offset = 16});
    expect_header("UDP over IPv6 in a VLAN", frame(RTE_MBUF_F_TX_UDP_CKSUM | RTE_MBUF_F_TX_IPV6, 18, 40, 8, 900),
                  (struct virtio_net_hdr){.flags = CSUM, .hdr_len = 66, .csum_start = 58, .csum_offset = 6});
    expect_header("headers without a length for L4", frame(RTE_MBUF_F_TX_TCP_CKSUM, 14, 20, 0, 60),
                  (struct virtio_net_hdr){.flags = CSUM, .hdr_len = 34, .csum_start = 34, .csum_offset = 16});
    expect_header("the kernel refuses headers longer than the frame", frame(RTE_MBUF_F_TX_TCP_CKSUM, 14, 20, 60, 60),
                  (struct virtio_net_hdr){.flags = CSUM, .hdr_len = 60, .csum_start = 34, .csum_offset = 16});
}

static void test_sent_segments(void **state)
{
    const uint64_t tso = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
    struct rte_mbuf v4 = frame(tso | RTE_MBUF_F_TX_IPV4, 14, 20, 32, 60000), v6 = frame(tso | RTE_MBUF_F_TX_IPV6, 14, 40, 32, 60000);

    (void)state;
    v4.tso_segsz = 1448;
    v6.tso_segsz = 1428;
    memset(bytes, 0, sizeof(bytes));
    expect_header("IPv4", v4, (struct virtio_net_hdr){CSUM, TCP4, 66, 1448, 34, 16});
    expect_header("IPv6", v6, (struct virtio_net_hdr){CSUM, TCP6, 86, 1428, 54, 16});
    bytes[34 + 13] = RTE_TCP_CWR_FLAG | RTE_TCP_ACK_FLAG;
    expect_header("CWR goes with the first segment", v4, (struct virtio_net_hdr){CSUM, TCP4 | VIRTIO_NET_HDR_GSO_ECN, 66, 1448, 34, 16});
}

/* ethdev's sum of the pseudo-header leaves the length out, the kernel's has it. */
static void test_pseudo_sum_of_segments(void **state)
{
    struct rng r;

    (void)state;
    rng_seed(&r, 1);
    for (int i = 0; i < 20000; i++) {
        uint32_t len = 100 + rng_below(&r, 65400);
        struct rte_mbuf m = frame(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4, 14, 20, 32, len);
        struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(bytes + 14);
        struct virtio_net_hdr h;
        uint16_t sum, want;

        m.tso_segsz = 1448;
        memset(bytes, 0, sizeof(bytes));
        ip->version_ihl = 0x45;
        ip->next_proto_id = 6;
        ip->total_length = rte_cpu_to_be_16((uint16_t)(len - 14));
        ip->src_addr = (uint32_t)rng_next(&r);
        ip->dst_addr = (uint32_t)rng_next(&r);
        want = rte_ipv4_phdr_cksum(ip, 0);
        sum = rte_ipv4_phdr_cksum(ip, RTE_MBUF_F_TX_TCP_SEG);
        memcpy(bytes + 34 + 16, &sum, sizeof(sum));
        tap_vnet_tx(&m, &h);
        memcpy(&sum, bytes + 34 + 16, sizeof(sum));
        if (sum != want && (uint16_t)(sum - want) != 0xffff && (uint16_t)(want - sum) != 0xffff) /* 0 and 0xffff are the same number */
            fail_msg("length %u: %04x instead of %04x", len, sum, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_received_headers),
        cmocka_unit_test(test_sent_headers),
        cmocka_unit_test(test_sent_segments),
        cmocka_unit_test(test_pseudo_sum_of_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
