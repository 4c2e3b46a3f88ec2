/* port_tx: software checksums, offload requests, linearising, frames that wait; against a sum made byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>

#include "base/rng.h"
#include "base/units.h"
#include "port/port.h"
#include "sim.h"

#define L2 14u
#define L3 20u
#define HDRS_TCP (L2 + L3 + 32u)
#define HDRS_UDP (L2 + L3 + 8u)
#define POOL_MBUFS 511u

static struct rte_mempool *pool, *ind_pool, *linear_pool;

/* A port that notes what it is given and takes as many frames as it is told. */
struct fake {
    struct port p;
    struct counters ctr;
    uint16_t take, n_taken;
    struct rte_mbuf *taken[64];
};

static uint16_t fake_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct fake *f = (struct fake *)(void *)p;
    uint16_t sent = (uint16_t)MIN(n, f->take);

    for (uint16_t i = 0; i < sent; i++)
        f->taken[f->n_taken++] = m[i];
    f->take = (uint16_t)(f->take - sent);
    return sent;
}

static uint16_t fake_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    (void)p;
    for (uint16_t i = 0; i < n && i < 2; i++) {
        m[i] = rte_pktmbuf_alloc(pool);
        rte_pktmbuf_append(m[i], 60);
    }
    return n < 2 ? n : 2;
}

static const struct port_ops fake_ops = {.tx = fake_tx, .rx = fake_rx};

static void fake_init(struct fake *f)
{
    memset(f, 0, sizeof(*f));
    f->p.ops = &fake_ops;
    f->p.ctr = &f->ctr;
    f->p.mtu = 9000;
    f->p.caps = port_mem_caps();
    f->p.linear_pool = linear_pool;
    f->take = UINT16_MAX;
}

static void free_taken(struct fake *f)
{
    rte_pktmbuf_free_bulk(f->taken, f->n_taken);
    f->n_taken = 0;
}

static void assert_pools_full(void)
{
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(linear_pool), 0);
}

/* The definition of RFC 1071, byte by byte. */
static uint16_t plain_sum(uint32_t sum, const uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += (i & 1) != 0 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint16_t plain_l4_sum(const uint8_t *frame, uint32_t len)
{
    const uint8_t *ip = frame + L2;
    uint32_t l4_len = len - L2 - L3, sum = ip[9] + l4_len;

    for (int i = 12; i < 20; i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    return plain_sum(sum, frame + L2 + L3, l4_len);
}

static void flatten(const struct rte_mbuf *m, uint8_t *to)
{
    for (; m != NULL; to += m->data_len, m = m->next)
        memcpy(to, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Header mbuf of a TCP or UDP frame with this many payload bytes to follow; checksum fields hold rubbish. */
static struct rte_mbuf *headers(bool udp, uint32_t payload)
{
    uint32_t hdrs = udp ? HDRS_UDP : HDRS_TCP;
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)hdrs);

    memset(p, 0, hdrs);
    put16(p + 12, 0x0800);
    p[L2] = 0x45;
    put16(p + L2 + 2, hdrs - L2 + payload);
    p[L2 + 8] = 64;
    p[L2 + 9] = udp ? 17 : 6;
    put16(p + L2 + 10, 0xbeef);
    memcpy(p + L2 + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    put16(p + L2 + L3, 0x1234);
    put16(p + L2 + L3 + 2, 80);
    if (udp)
        put16(p + L2 + L3 + 4, 8 + payload);
    else
        p[L2 + L3 + 12] = 0x80;
    put16(p + L2 + L3 + (udp ? 6 : 16), 0xdead);
    m->l2_len = L2;
    m->l3_len = L3;
    m->l4_len = udp ? 8 : 32;
    m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM | (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
    return m;
}

static void add_segment(struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
    struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);

    memcpy(rte_pktmbuf_append(seg, (uint16_t)len), bytes, len);
    rte_pktmbuf_chain(m, seg);
}

static uint16_t tx1(struct fake *f, struct rte_mbuf **m)
{
    return port_tx(&f->p, m, 1);
}

static void check_frame(const struct rte_mbuf *m)
{
    static uint8_t flat[65536];

    flatten(m, flat);
    assert_int_equal(plain_sum(0, flat + L2, L3), 0xffff);
    assert_int_equal(plain_l4_sum(flat, m->pkt_len), 0xffff);
    assert_int_equal(m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4), 0);
}

static void test_chains_of_any_segment_lengths(void **state)
{
    static uint8_t bytes[9000];
    struct fake f;
    struct rng r;

    (void)state;
    rng_seed(&r, 7);
    for (int round = 0; round < 400; round++) {
        uint32_t payload = rng_below(&r, round % 2 ? 64 : 8000), left = payload;
        struct rte_mbuf *m = headers(round % 3 == 0, payload);

        fake_init(&f);
        f.p.caps.tx_max_segs = UINT16_MAX;
        /* every fourth frame is all ones: most carries */
        for (uint32_t i = 0; i < payload; i++)
            bytes[i] = round % 4 == 0 ? 0xff : (uint8_t)rng_next(&r);
        while (left > 0) {
            uint32_t n = 1 + rng_below(&r, round % 2 ? 5 : 1999);

            n = MIN(n, left);
            add_segment(m, bytes + payload - left, n);
            left -= n;
        }
        assert_int_equal(tx1(&f, &m), 1);
        check_frame(f.taken[0]);
        /* payload is where it was and as it was */
        for (const struct rte_mbuf *s = m->next; s != NULL; s = s->next) {
            assert_memory_equal(rte_pktmbuf_mtod(s, uint8_t *), bytes + left, s->data_len);
            left += s->data_len;
        }
        assert_int_equal(left, payload);
        assert_int_equal(f.ctr.v[CTR_TX_BYTES], m->pkt_len);
        free_taken(&f);
    }
    assert_pools_full();
}

/* Appends to the payload the word that makes the sum over everything 0xffff, so that the checksum is zero. */
static struct rte_mbuf *frame_that_sums_to_zero(bool udp)
{
    static uint8_t flat[256];
    struct rte_mbuf *m = headers(udp, 4);
    uint32_t field = L2 + L3 + (udp ? 6 : 16);
    uint8_t word[4] = {0x11, 0x22, 0, 0};

    add_segment(m, word, sizeof(word));
    flatten(m, flat);
    put16(flat + field, 0);
    put16(rte_pktmbuf_mtod(m->next, uint8_t *) + 2, (uint16_t)~plain_l4_sum(flat, m->pkt_len));
    return m;
}

static void test_udp_zero_becomes_all_ones(void **state)
{
    struct rte_mbuf *m = frame_that_sums_to_zero(true);
    struct fake f;

    (void)state;
    fake_init(&f);
    assert_int_equal(tx1(&f, &m), 1);
    assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + L2 + L3 + 6, "\xff\xff", 2);
    check_frame(m);
    free_taken(&f);
}

static void test_tcp_zero_stays(void **state)
{
    struct rte_mbuf *m = frame_that_sums_to_zero(false);
    struct fake f;

    (void)state;
    fake_init(&f);
    assert_int_equal(tx1(&f, &m), 1);
    assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + L2 + L3 + 16, "\0\0", 2);
    check_frame(m);
    free_taken(&f);
}

static void test_offload_leaves_pseudo_header_sum(void **state)
{
    struct rte_mbuf *m = headers(false, 3);
    uint64_t asked;
    uint16_t want;
    struct fake f;

    (void)state;
    add_segment(m, (const uint8_t *)"abc", 3);
    fake_init(&f);
    f.p.caps.tx_ip_cksum = f.p.caps.tx_tcp_cksum = true;
    f.take = 0;
    asked = m->ol_flags | RTE_MBUF_F_TX_IPV4;
    want = rte_ipv4_phdr_cksum(rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, L2), 0);
    for (int offered = 0; offered < 3; offered++) { /* the ring is full twice */
        assert_int_equal(tx1(&f, &m), offered == 2);
        assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + L2 + L3 + 16, &want, 2);
        assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + L2 + 10, "\0\0", 2);
        assert_true(m->ol_flags == asked);
        f.take = offered == 1;
    }
    assert_int_equal(f.ctr.v[CTR_TX_RING_FULL], 2);
    assert_int_equal(f.ctr.v[CTR_TX_PACKETS], 1);
    free_taken(&f);
}

static void test_udp_in_software_where_only_tcp_is_offloaded(void **state)
{
    struct rte_mbuf *m = headers(true, 3);
    struct fake f;

    (void)state;
    add_segment(m, (const uint8_t *)"abc", 3);
    fake_init(&f);
    f.p.caps.tx_tcp_cksum = true;
    assert_int_equal(tx1(&f, &m), 1);
    check_frame(m);
    free_taken(&f);
}

static void test_full_ring_keeps_frames_and_sums_once(void **state)
{
    struct rte_mbuf *m[8];
    struct fake f;
    uint16_t sent = 0;

    (void)state;
    fake_init(&f);
    for (int i = 0; i < 8; i++) {
        m[i] = headers(i % 2 == 0, 5);
        add_segment(m[i], (const uint8_t *)"hello", 5);
    }
    for (int offered = 0; offered < 4; offered++) {
        f.take = 2;
        assert_int_equal(port_tx(&f.p, m + sent, (uint16_t)(8 - sent)), 2);
        sent = (uint16_t)(sent + 2);
        assert_int_equal(f.ctr.v[CTR_TX_PACKETS], sent);
        assert_int_equal(f.ctr.v[CTR_TX_BYTES], sent / 2u * (HDRS_TCP + HDRS_UDP + 2 * 5));
        assert_int_equal(f.ctr.v[CTR_TX_RING_FULL], MIN(offered + 1, 3));
    }
    for (int i = 0; i < 8; i++) {
        assert_ptr_equal(f.taken[i], m[i]);
        check_frame(f.taken[i]);
    }
    free_taken(&f);
    assert_pools_full();
}

/* Over IPv6, with ext bytes of extension headers in front of the transport (RFC 8200 section 8.1). */
static struct rte_mbuf *headers6(bool udp, uint32_t ext, uint32_t payload)
{
    uint32_t l3 = 40 + ext, l4 = udp ? 8 : 32, proto = udp ? 17 : 6;
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(L2 + l3 + l4));

    memset(p, 0, L2 + l3 + l4);
    put16(p + 12, 0x86dd);
    p[L2] = 0x60;
    put16(p + L2 + 4, ext + l4 + payload);
    p[L2 + 6] = (uint8_t)(ext ? 60 : proto);
    p[L2 + 40] = (uint8_t)proto; /* of the extension header; the transport's first byte without one */
    memcpy(p + L2 + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\2", 32);
    put16(p + L2 + l3 + (udp ? 6 : 16), 0xdead);
    m->tx_offload = rte_mbuf_tx_offload(L2, l3, l4, 0, 0, 0, 0);
    m->ol_flags |= RTE_MBUF_F_TX_IPV6 | (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
    return m;
}

static uint16_t plain_sum6(const uint8_t *frame, uint32_t len, uint32_t ext, bool udp)
{
    uint32_t l4_len = len - L2 - 40 - ext;

    return plain_sum(plain_sum(l4_len + (udp ? 17 : 6), frame + L2 + 8, 32), frame + L2 + 40 + ext, l4_len);
}

static void test_ipv6_in_software(void **state)
{
    static uint8_t flat[1000];
    struct fake f;

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        bool udp = i % 2;
        uint32_t ext = i % 3 * 8, n = 1 + i * 7;
        struct rte_mbuf *m = headers6(udp, ext, n);

        for (uint32_t k = 0; k < n; k++)
            flat[k] = (uint8_t)(k * 31 + i);
        add_segment(m, flat, n);
        fake_init(&f);
        assert_int_equal(tx1(&f, &m), 1);
        flatten(m, flat);
        assert_int_equal(plain_sum6(flat, m->pkt_len, ext, udp), 0xffff);
        assert_int_equal(m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6), 0);
        free_taken(&f);
    }
    assert_pools_full();
}

static void test_ipv6_offload_leaves_pseudo_header_sum(void **state)
{
    struct rte_mbuf *m = headers6(false, 0, 3);
    struct fake f;
    uint16_t want;

    (void)state;
    add_segment(m, (const uint8_t *)"abc", 3);
    fake_init(&f);
    f.p.caps.tx_ip_cksum = f.p.caps.tx_tcp_cksum = true;
    want = rte_ipv6_phdr_cksum(rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, L2), 0);
    assert_int_equal(tx1(&f, &m), 1);
    assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *) + L2 + 40 + 16, &want, 2);
    assert_true((m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 && (m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM)) == 0);
    free_taken(&f);
}

static void no_release(void *addr, void *opaque)
{
    (void)addr;
    (*(int *)opaque)++;
}

enum kind { KIND_CHAIN, KIND_EXTERNAL, KIND_INDIRECT, KIND_HELD };

static uint8_t ext_memory[256];
static int ext_released;
static struct rte_mbuf_ext_shared_info ext_info = {.free_cb = no_release, .fcb_opaque = &ext_released};

/* A frame with 100 payload bytes of 'x' behind the headers. held: a direct mbuf that the caller keeps a reference to. */
static struct rte_mbuf *frame_of_kind(enum kind kind, struct rte_mbuf **held)
{
    struct rte_mbuf *m = headers(false, 100), *seg = rte_pktmbuf_alloc(pool);

    *held = NULL;
    if (kind == KIND_EXTERNAL) {
        rte_mbuf_ext_refcnt_set(&ext_info, 1);
        rte_pktmbuf_attach_extbuf(seg, ext_memory, RTE_BAD_IOVA, sizeof(ext_memory), &ext_info);
    }
    memset(rte_pktmbuf_append(seg, 100), 'x', 100);
    if (kind == KIND_INDIRECT) {
        *held = seg;
        seg = rte_pktmbuf_alloc(ind_pool);
        rte_pktmbuf_attach(seg, *held);
    } else if (kind == KIND_HELD) {
        *held = seg;
        rte_mbuf_refcnt_update(seg, 1);
    }
    rte_pktmbuf_chain(m, seg);
    return m;
}

static void check_linear(const struct rte_mbuf *m)
{
    assert_int_equal(m->nb_segs, 1);
    assert_true(RTE_MBUF_DIRECT(m));
    assert_ptr_equal(m->pool, linear_pool);
    assert_int_equal(m->pkt_len, HDRS_TCP + 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(*rte_pktmbuf_mtod_offset(m, char *, HDRS_TCP + i), 'x');
    check_frame(m);
}

static void check_linearized(enum kind kind, struct fake *f)
{
    struct rte_mbuf *held, *m = frame_of_kind(kind, &held);

    assert_int_equal(tx1(f, &m), 1);
    check_linear(f->taken[0]);
    assert_int_equal(f->ctr.v[CTR_TX_LINEARIZED], 1);
    assert_int_equal(f->ctr.v[CTR_COPY_PORT], 100);
    free_taken(f);
    rte_pktmbuf_free(held);
    assert_pools_full();
}

static void test_linearized_when_no_chains(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_chains = false;
    check_linearized(KIND_CHAIN, &f);
}

static void test_linearized_when_too_many_segments(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_max_segs = 1;
    check_linearized(KIND_CHAIN, &f);
}

static void test_linearized_when_no_external(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_external = false;
    ext_released = 0;
    check_linearized(KIND_EXTERNAL, &f);
    assert_int_equal(ext_released, 1);
}

static void test_linearized_when_no_indirect(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_indirect = false;
    check_linearized(KIND_INDIRECT, &f);
}

static void test_linearized_when_others_refer_to_it(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_owned_only = true;
    check_linearized(KIND_HELD, &f);
}

static void test_nothing_copied_when_the_port_can(void **state)
{
    struct rte_mbuf *held, *m;
    struct fake f;

    (void)state;
    for (enum kind k = KIND_CHAIN; k <= KIND_HELD; k++) {
        fake_init(&f);
        m = frame_of_kind(k, &held);
        assert_int_equal(tx1(&f, &m), 1);
        assert_ptr_equal(f.taken[0], m);
        assert_int_equal(m->nb_segs, 2);
        assert_int_equal(f.ctr.v[CTR_TX_LINEARIZED], 0);
        assert_int_equal(f.ctr.v[CTR_COPY_PORT], 0);
        free_taken(&f);
        rte_pktmbuf_free(held);
    }
    assert_pools_full();
}

/* Offload requests survive a copy: the device does the sums of the linear frame. */
static void test_linear_copy_keeps_requests(void **state)
{
    struct rte_mbuf *held, *m = frame_of_kind(KIND_CHAIN, &held);
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_chains = false;
    f.p.caps.tx_tcp_cksum = f.p.caps.tx_ip_cksum = true;
    assert_int_equal(tx1(&f, &m), 1);
    assert_int_equal(f.taken[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
    assert_int_equal(f.taken[0]->l2_len, L2);
    assert_int_equal(f.taken[0]->l3_len, L3);
    assert_int_equal(f.taken[0]->l4_len, 32);
    free_taken(&f);
    assert_pools_full();
}

static void test_frame_waits_for_a_linear_buffer(void **state)
{
    struct rte_mbuf *held, *m[2], *all[POOL_MBUFS];
    unsigned n = 0;
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_chains = false;
    m[0] = headers(false, 0);
    m[1] = frame_of_kind(KIND_CHAIN, &held);
    while (n < POOL_MBUFS && (all[n] = rte_pktmbuf_alloc(linear_pool)) != NULL)
        n++;
    assert_int_equal(port_tx(&f.p, m, 2), 1);
    assert_int_equal(port_tx(&f.p, m + 1, 1), 0);
    assert_int_equal(f.ctr.v[CTR_NO_MBUF], 2);
    assert_int_equal(f.ctr.v[CTR_TX_LINEARIZED], 0);
    rte_pktmbuf_free_bulk(all, n);
    assert_int_equal(port_tx(&f.p, m + 1, 1), 1);
    check_frame(f.taken[0]);
    check_linear(f.taken[1]);
    free_taken(&f);
    assert_pools_full();
}

/* What the ring does not take after the copy is in the caller's array. */
static void test_copied_frame_is_offered_again(void **state)
{
    struct rte_mbuf *held, *m = frame_of_kind(KIND_CHAIN, &held);
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_chains = false;
    f.take = 0;
    assert_int_equal(tx1(&f, &m), 0);
    check_linear(m);
    f.take = 1;
    assert_int_equal(tx1(&f, &m), 1);
    assert_ptr_equal(f.taken[0], m);
    check_linear(m);
    assert_int_equal(f.ctr.v[CTR_TX_LINEARIZED], 1);
    free_taken(&f);
    assert_pools_full();
}

static void test_frames_above_the_mtu_are_refused(void **state)
{
    static const uint8_t bytes[2000];
    struct rte_mbuf *m[3];
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.mtu = 1500;
    for (int i = 0; i < 3; i++) {
        m[i] = headers(false, i == 1 ? 1500 : 1448);
        add_segment(m[i], bytes, i == 1 ? 1500 : 1448);
    }
    assert_int_equal(port_tx(&f.p, m, 3), 3);
    assert_int_equal(f.n_taken, 2);
    assert_ptr_equal(f.taken[0], m[0]);
    assert_ptr_equal(f.taken[1], m[2]);
    assert_int_equal(f.ctr.v[CTR_TX_OVERSIZE], 1);
    assert_int_equal(f.ctr.v[CTR_TX_PACKETS], 2);
    assert_int_equal(f.ctr.v[CTR_TX_BYTES], 2 * 1514);
    free_taken(&f);
    assert_pools_full();
}

static void test_frame_too_long_for_the_linear_pool(void **state)
{
    static const uint8_t bytes[1900];
    struct rte_mbuf *m = headers(false, 3800);
    struct fake f;

    (void)state;
    add_segment(m, bytes, 1900);
    add_segment(m, bytes, 1900);
    fake_init(&f);
    f.p.caps.tx_chains = false;
    assert_int_equal(tx1(&f, &m), 1);
    assert_int_equal(f.n_taken, 0);
    assert_int_equal(f.ctr.v[CTR_TX_OVERSIZE], 1);
    assert_pools_full();
}

/* Without that pool it never leaves: those behind it do not wait for it. */
static void test_frame_that_nothing_can_copy(void **state)
{
    struct rte_mbuf *held, *m[2];
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_chains = false;
    f.p.linear_pool = NULL;
    m[0] = frame_of_kind(KIND_CHAIN, &held);
    m[1] = headers(false, 0);
    assert_int_equal(port_tx(&f.p, m, 2), 2);
    assert_int_equal(f.n_taken, 1);
    assert_ptr_equal(f.taken[0], m[1]);
    assert_int_equal(f.ctr.v[CTR_TX_OVERSIZE], 1);
    free_taken(&f);
    assert_pools_full();
}

static void test_receive_counts(void **state)
{
    struct rte_mbuf *m[4];
    struct fake f;

    (void)state;
    fake_init(&f);
    assert_int_equal(port_rx(&f.p, m, 4), 2);
    assert_int_equal(f.ctr.v[CTR_RX_PACKETS], 2);
    assert_int_equal(f.ctr.v[CTR_RX_BYTES], 120);
    rte_pktmbuf_free_bulk(m, 2);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("frames", 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", POOL_MBUFS, 0, 0, 0, SOCKET_ID_ANY);
    linear_pool = rte_pktmbuf_pool_create("linear", POOL_MBUFS, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    return pool != NULL && ind_pool != NULL && linear_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_of_any_segment_lengths),
        cmocka_unit_test(test_udp_zero_becomes_all_ones),
        cmocka_unit_test(test_tcp_zero_stays),
        cmocka_unit_test(test_offload_leaves_pseudo_header_sum),
        cmocka_unit_test(test_ipv6_in_software),
        cmocka_unit_test(test_ipv6_offload_leaves_pseudo_header_sum),
        cmocka_unit_test(test_udp_in_software_where_only_tcp_is_offloaded),
        cmocka_unit_test(test_full_ring_keeps_frames_and_sums_once),
        cmocka_unit_test(test_linearized_when_no_chains),
        cmocka_unit_test(test_linearized_when_too_many_segments),
        cmocka_unit_test(test_linearized_when_no_external),
        cmocka_unit_test(test_linearized_when_no_indirect),
        cmocka_unit_test(test_linearized_when_others_refer_to_it),
        cmocka_unit_test(test_nothing_copied_when_the_port_can),
        cmocka_unit_test(test_linear_copy_keeps_requests),
        cmocka_unit_test(test_frame_waits_for_a_linear_buffer),
        cmocka_unit_test(test_copied_frame_is_offered_again),
        cmocka_unit_test(test_frames_above_the_mtu_are_refused),
        cmocka_unit_test(test_frame_too_long_for_the_linear_pool),
        cmocka_unit_test(test_frame_that_nothing_can_copy),
        cmocka_unit_test(test_receive_counts),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
