/* Merging received TCP segments in software, against segments that were cut as a NIC cuts (port/mem_tcp.h). */
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
#include "pkt/pkt.h"
#include "port/gro.h"
#include "port/mem_tcp.h"
#include "sim.h"

#define BURST 64u
#define RX_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static struct rte_mempool *pool, *ind_pool;

/* A connection's stream: where it is, and what its frames look like. */
struct stream {
    bool v6, vlan, ts;
    uint16_t port, segsz;
    uint32_t seq, ack;
};

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t l3_off(const struct stream *s)
{
    return s->vlan ? 18 : 14;
}

static uint32_t l4_off(const struct stream *s)
{
    return l3_off(s) + (s->v6 ? 40u : 20u);
}

static uint32_t hdr_len(const struct stream *s)
{
    return l4_off(s) + (s->ts ? 32u : 20u);
}

static uint8_t pattern(uint16_t port, uint32_t seq)
{
    return (uint8_t)(seq * 7 + seq / 255 + port);
}

static uint32_t sum_of(uint32_t sum, const uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += (i & 1) != 0 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void put_sums(const struct stream *s, uint8_t *p, uint32_t len)
{
    uint8_t *ip = p + l3_off(s), *tcp = p + l4_off(s);
    uint32_t l4 = len - l4_off(s);

    if (!s->v6) {
        put16(ip + 10, 0);
        put16(ip + 10, ~sum_of(0, ip, 20));
    }
    put16(tcp + 16, 0);
    put16(tcp + 16, ~sum_of(sum_of(6 + l4, ip + (s->v6 ? 8 : 12), s->v6 ? 32 : 8), tcp, l4));
}

/* The stream's next segment of len bytes, in out; its length. */
static uint32_t segment(struct stream *s, uint32_t len, uint8_t flags, uint8_t *out)
{
    uint8_t *ip = out + l3_off(s), *tcp = out + l4_off(s);
    uint32_t hdrs = hdr_len(s);

    memset(out, 0, hdrs);
    put16(out + 12, s->vlan ? 0x8100 : s->v6 ? 0x86dd : 0x0800);
    if (s->vlan)
        put16(out + 16, s->v6 ? 0x86dd : 0x0800);
    ip[0] = s->v6 ? 0x60 : 0x45;
    if (s->v6) {
        put16(ip + 4, hdrs - l4_off(s) + len);
        ip[6] = 6;
    } else {
        put16(ip + 2, hdrs - l3_off(s) + len);
        put16(ip + 4, s->seq); /* any */
        ip[6] = 0x40;
        ip[9] = 6;
    }
    ip[s->v6 ? 7 : 8] = 64;
    ip[s->v6 ? 39 : 19] = 1;
    put16(tcp, s->port);
    put32(tcp + 4, s->seq);
    put32(tcp + 8, s->ack);
    tcp[12] = (uint8_t)((hdrs - l4_off(s)) / 4 << 4);
    tcp[13] = flags;
    put16(tcp + 14, 512);
    if (s->ts)
        memcpy(tcp + 20, "\1\1\x8\xa\0\0\0\1\0\0\0\2", 12);
    for (uint32_t i = 0; i < len; i++)
        out[hdrs + i] = pattern(s->port, s->seq + i);
    put_sums(s, out, hdrs + len);
    s->seq += len;
    return hdrs + len;
}

/* In buffers of first, then most bytes each. */
static struct rte_mbuf *in_mbufs(const uint8_t *p, uint32_t len, uint32_t first, uint32_t most)
{
    struct rte_mbuf *head = NULL;

    for (uint32_t off = 0, n = first; off < len; off += n, n = most) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

        n = MIN(n, len - off);
        memcpy(rte_pktmbuf_append(m, (uint16_t)n), p + off, n);
        *pkt_meta(m) = (struct pkt_meta){0};
        if (head == NULL)
            head = m;
        else
            rte_pktmbuf_chain(head, m);
    }
    return head;
}

static struct rte_mbuf *frame(struct stream *s, uint32_t len, uint8_t flags)
{
    static uint8_t bytes[4096];
    uint32_t n = segment(s, len, flags, bytes);

    return in_mbufs(bytes, n, 2048, 2048);
}

static uint8_t at(const struct rte_mbuf *m, uint32_t off)
{
    for (; off >= m->data_len; m = m->next)
        off -= m->data_len;
    return *rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
}

/* The frame says what it holds: len bytes from seq on, of segments of seg_bytes; 0: it is no merged one. */
static void check_frame(const struct rte_mbuf *m, const struct stream *s, uint32_t seq, uint32_t len, uint32_t seg_bytes, uint8_t flags)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
    uint32_t hdrs = hdr_len(s), ip_len = (uint32_t)p[l3_off(s) + (s->v6 ? 4 : 2)] << 8 | p[l3_off(s) + (s->v6 ? 5 : 3)];

    rte_mbuf_check(m, 1, &(const char *){NULL});
    assert_int_equal(m->pkt_len, hdrs + len);
    assert_int_equal(ip_len, s->v6 ? hdrs - l4_off(s) + len : hdrs - l3_off(s) + len);
    assert_int_equal(get32(p + l4_off(s) + 4), seq);
    assert_int_equal(p[l4_off(s) + 13], flags);
    assert_int_equal(pkt_merged_of(m), seg_bytes);
    if (seg_bytes != 0)
        assert_true((m->ol_flags & RX_GOOD) == RX_GOOD);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(at(m, hdrs + i), pattern(s->port, seq + i));
}

static void free_all(struct rte_mbuf **m, uint16_t n)
{
    rte_pktmbuf_free_bulk(m, n);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static void test_a_burst_becomes_a_frame(void **state)
{
    (void)state;
    for (int kind = 0; kind < 8; kind++) {
        struct stream s = {.v6 = kind & 1, .vlan = (kind & 2) != 0, .ts = (kind & 4) != 0, .port = 80, .segsz = 1400, .seq = 0xfffff000};
        uint32_t first = s.seq;
        struct rte_mbuf *m[BURST];

        for (int i = 0; i < 20; i++)
            m[i] = frame(&s, 1400, 0x10);
        m[20] = frame(&s, 300, 0x18);
        m[21] = frame(&s, 1400, 0x10);
        assert_int_equal(gro_merge(m, 22), 2);
        check_frame(m[0], &s, first, 20 * 1400 + 300, 1400, 0x18);
        assert_int_equal(m[0]->nb_segs, 21);
        check_frame(m[1], &s, first + 20 * 1400 + 300, 1400, 0, 0x10);
        free_all(m, 2);
    }
}

/* PSH, a shorter one, a longer one, a full IP length: the frame ends, and another one may begin. */
static void test_where_a_frame_ends(void **state)
{
    struct stream s = {.port = 80, .ts = true};
    struct rte_mbuf *m[BURST];

    (void)state;
    m[0] = frame(&s, 1000, 0x10);
    m[1] = frame(&s, 1000, 0x18);
    m[2] = frame(&s, 1000, 0x10);
    m[3] = frame(&s, 900, 0x10);
    m[4] = frame(&s, 900, 0x10);
    m[5] = frame(&s, 901, 0x10);
    m[6] = frame(&s, 901, 0x10);
    m[7] = frame(&s, 1000, 0x18); /* PSH begins nothing */
    m[8] = frame(&s, 1000, 0x10);
    assert_int_equal(gro_merge(m, 9), 6);
    check_frame(m[0], &s, 0, 2000, 1000, 0x18);
    check_frame(m[1], &s, 2000, 1900, 1000, 0x10);
    check_frame(m[2], &s, 3900, 900, 0, 0x10);
    check_frame(m[3], &s, 4800, 1802, 901, 0x10);
    check_frame(m[4], &s, 6602, 1000, 0, 0x18);
    check_frame(m[5], &s, 7602, 1000, 0, 0x10);
    free_all(m, 6);
    s.seq = 0;
    for (uint32_t i = 0; i < 60; i++)
        m[i] = frame(&s, 1448, 0x10);
    assert_int_equal(gro_merge(m, 60), 2);
    check_frame(m[0], &s, 0, 45 * 1448, 1448, 0x10);
    check_frame(m[1], &s, 45 * 1448, 15 * 1448, 1448, 0x10);
    free_all(m, 2);
}

/* One byte of the second segment's headers is another one, with sums that are right: it stays apart, and both are as they came. */
static void stays_apart(struct stream s, uint32_t off, uint8_t change, bool sums)
{
    static uint8_t bytes[2][2048];
    uint32_t len[2] = {segment(&s, 1000, 0x10, bytes[0]), 0};
    struct rte_mbuf *m[2];

    len[1] = segment(&s, 1000, 0x10, bytes[1]);
    bytes[1][off] ^= change;
    if (sums)
        put_sums(&s, bytes[1], len[1]);
    for (int i = 0; i < 2; i++)
        m[i] = in_mbufs(bytes[i], len[i], 2048, 2048);
    assert_int_equal(gro_merge(m, 2), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(m[i]->pkt_len, len[i]);
        assert_memory_equal(rte_pktmbuf_mtod(m[i], uint8_t *), bytes[i], len[i]);
        assert_int_equal(pkt_merged_of(m[i]), 0);
    }
    assert_true((m[1]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD || sums);
    free_all(m, 2);
}

static void test_what_stays_apart(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const struct stream s = {.v6 = kind & 1, .vlan = (kind & 2) != 0, .ts = true, .port = 80};
        uint32_t ip = l3_off(&s), tcp = l4_off(&s);

        for (uint32_t off = 0; off < hdr_len(&s); off++) {
            bool free_field = !s.v6 && off >= ip + 4 && off < ip + 6; /* the identification is of each packet */
            bool sums = (!s.v6 && off >= ip + 10 && off < ip + 12) || (off >= tcp + 16 && off < tcp + 18);

            if (!free_field && off != tcp + 13)
                stays_apart(s, off, 0x01, !sums);
        }
        for (uint8_t flag = 1; flag != 0; flag = (uint8_t)(flag << 1))
            if (flag != 0x08)
                stays_apart(s, tcp + 13, flag, true);
        if (!s.v6)
            stays_apart(s, ip + 6, 0x20, true); /* more fragments */
        stays_apart(s, hdr_len(&s) + 500, 0x80, false);
    }
}

/* The port's word counts; without it the sums are made here, and nobody makes them again. */
static void test_checksums(void **state)
{
    struct stream s = {.port = 80};
    struct rte_mbuf *m[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        m[i] = frame(&s, 1000, 0x10);
        m[i]->ol_flags |= RX_GOOD;
    }
    *rte_pktmbuf_mtod_offset(m[1], uint8_t *, 700) ^= 1; /* it would not be looked at */
    assert_int_equal(gro_merge(m, 4), 1);
    assert_int_equal(m[0]->pkt_len, 54 + 4000);
    free_all(m, 1);
    s.seq = 0;
    for (int i = 0; i < 4; i++)
        m[i] = frame(&s, 1000, 0x10);
    *rte_pktmbuf_mtod_offset(m[0], uint8_t *, 700) ^= 1; /* not the first of a frame, but what follows it */
    assert_int_equal(gro_merge(m, 4), 2);
    assert_true((m[0]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == 0);
    check_frame(m[1], &s, 1000, 3000, 1000, 0x10);
    free_all(m, 2);
    s.seq = 0;
    m[0] = frame(&s, 1000, 0x10);
    m[1] = frame(&s, 1000, 0x10);
    m[1]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_GOOD; /* and is right: so be it */
    assert_int_equal(gro_merge(m, 2), 1);
    free_all(m, 1);
}

/* The first buffer is written to: it must be nobody else's. A tag that the device took off is part of the link header. */
static void test_buffers(void **state)
{
    struct stream s = {.port = 80};
    struct rte_mbuf *m[3], *held;

    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        s.seq = 0;
        m[0] = held = frame(&s, 1000, 0x10);
        m[1] = frame(&s, 1000, 0x10);
        m[2] = frame(&s, 1000, 0x10);
        if (kind == 0)
            rte_mbuf_refcnt_update(held, 1);
        if (kind == 1) {
            m[0] = rte_pktmbuf_alloc(ind_pool);
            rte_pktmbuf_attach(m[0], held);
        }
        if (kind == 2)
            pkt_ref(held);
        if (kind == 3) {
            m[0]->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
            m[1]->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
            m[2]->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED;
            m[0]->vlan_tci = 1;
            m[1]->vlan_tci = m[2]->vlan_tci = 2;
        }
        if (kind == 4) { /* the port has merged it */
            m[0]->ol_flags |= RTE_MBUF_F_RX_LRO;
            m[0]->tso_segsz = 500;
        }
        assert_int_equal(gro_merge(m, 3), 2);
        check_frame(m[1], &s, 1000, 2000, 1000, 0x10);
        if (kind == 2)
            pkt_unref(held);
        rte_pktmbuf_free_bulk(m, 2);
        if (kind < 2)
            rte_pktmbuf_free(held);
        assert_int_equal(rte_mempool_in_use_count(pool), 0);
    }
}

/* Headers that end behind the first buffer: left alone. Text in many: chained as it is. */
static void test_scattered(void **state)
{
    static uint8_t bytes[2048];
    struct stream s = {.port = 80, .ts = true};
    struct rte_mbuf *m[3];

    (void)state;
    for (uint32_t first = 1; first < 200; first++) {
        uint32_t from = s.seq;

        for (int i = 0; i < 3; i++) {
            uint32_t n = segment(&s, 1000, 0x10, bytes);

            m[i] = in_mbufs(bytes, n, first, 100);
        }
        uint16_t left = gro_merge(m, 3);
        assert_int_equal(left, first < hdr_len(&s) ? 3 : 1);
        if (left == 1)
            check_frame(m[0], &s, from, 3000, 1000, 0x10);
        free_all(m, left);
    }
}

static void test_small_frames_are_left_alone(void **state)
{
    struct stream s = {.port = 80};
    struct rte_mbuf *m[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        m[i] = frame(&s, GRO_MIN_BYTES - 55, 0x10);
    assert_int_equal(gro_merge(m, 4), 4);
    free_all(m, 4);
    m[0] = frame(&s, 0, 0x10);
    m[1] = frame(&s, 1000, 0x10);
    m[2] = frame(&s, 0, 0x10); /* an acknowledgement continues nothing */
    m[3] = frame(&s, 1000, 0x10);
    assert_int_equal(gro_merge(m, 4), 4);
    free_all(m, 4);
}

/* Streams in any mixture, with losses and repetitions: every frame stands for what came, in the order that it came in. */
static void test_mixtures(void **state)
{
    struct rng r;

    (void)state;
    rng_seed(&r, 4);
    for (int run = 0; run < 1000; run++) {
        struct stream s[3];
        struct rte_mbuf *m[BURST];
        struct sent {
            uint16_t stream;
            uint32_t seq, len;
        } sent[BURST];
        uint16_t n = (uint16_t)(1 + rng_below(&r, BURST)), left, k = 0;

        for (uint16_t i = 0; i < 3; i++)
            s[i] = (struct stream){
                .v6 = rng_below(&r, 2), .vlan = rng_below(&r, 2), .ts = rng_below(&r, 2), .port = i, .seq = rng_below(&r, 1000000)};
        for (uint16_t i = 0; i < n; i++) {
            struct stream *x = &s[rng_below(&r, 8) == 0 ? rng_below(&r, 3) : 0];
            uint32_t len = rng_below(&r, 4) != 0 ? 1200 : rng_below(&r, 1400);

            if (rng_below(&r, 10) == 0)
                x->seq += rng_below(&r, 2) == 0 ? 1200u : 0u - 1200u;
            sent[i] = (struct sent){.stream = x->port, .seq = x->seq, .len = len};
            m[i] = frame(x, len, rng_below(&r, 10) == 0 ? 0x18 : 0x10);
        }
        left = gro_merge(m, n);
        for (uint16_t i = 0; i < left; i++) {
            const struct stream *x = &s[sent[k].stream];
            uint32_t from = sent[k].seq, len = sent[k].len, seg_bytes = len, parts = 1;
            uint8_t flags = rte_pktmbuf_mtod(m[i], const uint8_t *)[l4_off(x) + 13];

            for (k++; len < m[i]->pkt_len - hdr_len(x); k++, parts++) {
                assert_true(k < n && sent[k].stream == x->port && sent[k].seq == from + len && sent[k].len <= seg_bytes);
                len += sent[k].len;
            }
            check_frame(m[i], x, from, len, parts > 1 ? seg_bytes : 0, flags);
        }
        assert_int_equal(k, n);
        free_all(m, left);
    }
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("frames", 4095, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", 63, 0, 0, 0, SOCKET_ID_ANY);
    return pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_becomes_a_frame),
        cmocka_unit_test(test_where_a_frame_ends),
        cmocka_unit_test(test_what_stays_apart),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_scattered),
        cmocka_unit_test(test_small_frames_are_left_alone),
        cmocka_unit_test(test_mixtures),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
