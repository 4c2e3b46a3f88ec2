/* The in-memory port as a NIC: cutting a frame into TCP segments and merging segments, each against the other and against plain sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "port/mem_tcp.h"

#define BIG 65535u
#define MTU 1500u

static uint8_t whole[BIG], seg[64][2048], merged[BIG];
static uint32_t seg_len[64];

struct shape {
    bool v6, vlan, ts;
    uint16_t segsz;
    uint32_t payload;
    uint8_t flags;
};

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t l2_of(const struct shape *s)
{
    return s->vlan ? 18 : 14;
}

static uint32_t l3_of(const struct shape *s)
{
    return s->v6 ? 40 : 20;
}

static uint32_t l4_of(const struct shape *s)
{
    return s->ts ? 32 : 20;
}

/* RFC 1071, byte by byte; 0 when it is right over bytes that hold their own sum. */
static uint32_t sum_of(uint32_t sum, const uint8_t *p, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        sum += (i & 1) != 0 ? p[i] : (uint32_t)p[i] << 8;
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t tcp_sum(const uint8_t *ip, bool v6, uint32_t l4_len)
{
    return sum_of(sum_of(6 + l4_len, ip + (v6 ? 8 : 12), v6 ? 32 : 8), ip + (v6 ? 40 : 20), l4_len);
}

/* The frame in whole, as TCP hands it down, and the mbuf that says so. */
static struct rte_mbuf frame_of(const struct shape *s)
{
    uint32_t l2 = l2_of(s), l3 = l3_of(s), l4 = l4_of(s), hdrs = l2 + l3 + l4;
    uint8_t *ip = whole + l2, *tcp = ip + l3;
    struct rte_mbuf m = {.data_len = (uint16_t)hdrs, .pkt_len = hdrs + s->payload};

    memset(whole, 0, hdrs);
    whole[0] = 2;
    put16(whole + 12, s->vlan ? 0x8100 : s->v6 ? 0x86dd : 0x0800);
    if (s->vlan)
        put16(whole + 16, s->v6 ? 0x86dd : 0x0800);
    if (s->v6) {
        put16(ip, 0x6020);
        put16(ip + 4, l4 + s->payload);
        ip[6] = 6;
        ip[7] = 64;
    } else {
        ip[0] = 0x45;
        put16(ip + 2, l3 + l4 + s->payload);
        put16(ip + 4, 0xfffe); /* wraps */
        put16(ip + 6, 0x4000);
        ip[8] = 64;
        ip[9] = 6;
    }
    ip[s->v6 ? 23 : 15] = 1;
    ip[s->v6 ? 39 : 19] = 2;
    put16(tcp, 1000);
    put16(tcp + 2, 80);
    memcpy(tcp + 4, "\xff\xff\xff\x00\1\2\3\4", 8); /* the sequence number wraps, too */
    tcp[12] = (uint8_t)(l4 / 4 << 4);
    tcp[13] = s->flags;
    put16(tcp + 14, 500);
    if (s->ts)
        memcpy(tcp + 20, "\1\1\x8\xa\0\0\0\1\0\0\0\2", 12);
    put16(tcp + 16, sum_of(6, ip + (s->v6 ? 8 : 12), s->v6 ? 32 : 8));
    for (uint32_t i = 0; i < s->payload; i++)
        whole[hdrs + i] = (uint8_t)(i * 11 + i / 253);
    m.tx_offload = rte_mbuf_tx_offload(l2, l3, l4, s->segsz, 0, 0, 0);
    m.ol_flags = RTE_MBUF_F_TX_TCP_SEG | (s->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
    return m;
}

static uint32_t cut(const struct shape *s)
{
    struct rte_mbuf m = frame_of(s);
    uint32_t n;

    assert_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    n = mem_tcp_segments(&m, m.pkt_len);
    for (uint32_t i = 0; i < n; i++)
        seg_len[i] = mem_tcp_cut(&m, whole, m.pkt_len, i, seg[i]);
    return n;
}

static void check_segment(const struct shape *s, uint32_t i, uint32_t n)
{
    uint32_t l2 = l2_of(s), l3 = l3_of(s), l4 = l4_of(s), hdrs = l2 + l3 + l4, off = i * s->segsz;
    const uint8_t *p = seg[i], *ip = p + l2, *tcp = ip + l3;
    uint32_t len = MIN((uint32_t)s->segsz, s->payload - off);

    assert_int_equal(seg_len[i], hdrs + len);
    assert_memory_equal(p, whole, l2);
    assert_memory_equal(p + hdrs, whole + hdrs + off, len);
    assert_int_equal(s->v6 ? get16(ip + 4) : get16(ip + 2) - l3, l4 + len);
    if (!s->v6) {
        assert_int_equal(get16(ip + 4), (0xfffe + i) & 0xffff);
        assert_int_equal(sum_of(0, ip, 20), 0xffff);
    }
    assert_int_equal(get16(tcp + 4) << 16 | get16(tcp + 6), 0xffffff00u + off);
    assert_int_equal(tcp[13], i + 1 == n ? s->flags : s->flags & ~0x09);
    assert_int_equal(tcp_sum(ip, s->v6, l4 + len), 0xffff);
}

static struct shape random_shape(struct rng *r)
{
    struct shape s = {.v6 = rng_below(r, 2), .vlan = rng_below(r, 2), .ts = rng_below(r, 2), .flags = rng_below(r, 2) ? 0x18 : 0x10};

    s.segsz = (uint16_t)(100 + rng_below(r, 1300));
    s.payload = 1 + rng_below(r, MIN(60u * s.segsz, 65000u));
    return s;
}

static void test_cut_and_merge(void **state)
{
    struct mem_merge g = {.data = merged};
    struct rng r;

    (void)state;
    rng_seed(&r, 1);
    for (int run = 0; run < 500; run++) {
        struct shape s = random_shape(&r);
        uint32_t n = cut(&s), hdrs = l2_of(&s) + l3_of(&s) + l4_of(&s);
        const uint8_t *ip = merged + l2_of(&s);

        assert_int_equal(n, (s.payload + s.segsz - 1) / s.segsz);
        for (uint32_t i = 0; i < n; i++)
            check_segment(&s, i, n);
        assert_true(mem_merge_begin(&g, seg[0], seg_len[0]));
        for (uint32_t i = 1; i < n; i++)
            assert_true(mem_merge_add(&g, seg[i], seg_len[i]));
        assert_int_equal(g.segs, n);
        assert_int_equal(g.len, hdrs + s.payload);
        assert_memory_equal(merged + hdrs, whole + hdrs, s.payload);
        assert_int_equal(s.v6 ? get16(ip + 4) : get16(ip + 2), (s.v6 ? 0 : 20) + l4_of(&s) + s.payload);
        assert_int_equal(merged[hdrs - l4_of(&s) + 13], s.flags);
        assert_int_equal(g.closed, n == 1 ? s.flags == 0x18 : s.payload % s.segsz != 0 || s.flags == 0x18);
        assert_false(g.closed && mem_merge_add(&g, seg[n - 1], seg_len[n - 1]));
    }
}

/* Writes the sums anew after a change; whole segments only. */
static void sum_again(const struct shape *s, uint8_t *p, uint32_t len)
{
    uint8_t *ip = p + l2_of(s), *tcp = ip + l3_of(s);
    uint32_t l4_len = len - l2_of(s) - l3_of(s);

    if (!s->v6) {
        put16(ip + 10, 0);
        put16(ip + 10, ~sum_of(0, ip, 20));
    }
    put16(tcp + 16, 0);
    put16(tcp + 16, ~tcp_sum(ip, s->v6, l4_len));
}

/* One byte of the second segment is another one: whatever it is about, it is no continuation of the first. */
static void refuse(const struct shape *s, uint32_t off, uint8_t change, bool sums)
{
    struct mem_merge g = {.data = merged};
    uint32_t n = cut(s);

    assert_true(n >= 2);
    assert_true(mem_merge_begin(&g, seg[0], seg_len[0]));
    memcpy(whole, merged, g.len);
    seg[1][off] ^= change;
    if (sums)
        sum_again(s, seg[1], seg_len[1]);
    assert_false(mem_merge_add(&g, seg[1], seg_len[1]));
    assert_memory_equal(merged, whole, g.len);
}

static void test_not_merged(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        const struct shape s = {.v6 = v6, .ts = true, .segsz = 1000, .payload = 3000, .flags = 0x10};
        uint32_t ip = 14, tcp = ip + l3_of(&s);

        refuse(&s, 0, 0x10, true);             /* another receiver */
        refuse(&s, ip + 1, 1, true);           /* TOS, traffic class and flow */
        refuse(&s, ip + (v6 ? 7u : 8u), 1, true); /* TTL */
        refuse(&s, ip + (v6 ? 23u : 15u), 1, true);
        refuse(&s, ip + (v6 ? 39u : 19u), 1, true);
        if (!v6)
            refuse(&s, ip + 6, 0x20, true); /* more fragments */
        refuse(&s, tcp + 1, 1, true);
        refuse(&s, tcp + 3, 1, true);
        refuse(&s, tcp + 7, 1, true);    /* another place in the stream */
        refuse(&s, tcp + 8, 0x01, true); /* an older acknowledgement */
        for (uint8_t flag = 1; flag != 0; flag = (uint8_t)(flag << 1))
            if (flag != 0x08)
                refuse(&s, tcp + 13, flag, true);
        refuse(&s, tcp + 23, 1, true); /* options of another kind */
        refuse(&s, tcp + 27, 1, true); /* an older timestamp */
        refuse(&s, tcp + 17, 1, false);
        refuse(&s, tcp + 100, 1, false);
        if (!v6)
            refuse(&s, ip + 11, 1, false);
    }
}

/* A segment that is longer than the first begins a frame of its own. */
static void test_longer_one_is_not_merged(void **state)
{
    struct mem_merge g = {.data = merged};
    struct shape s = {.segsz = 500, .payload = 1000, .flags = 0x10};

    (void)state;
    cut(&s);
    assert_true(mem_merge_begin(&g, seg[0], seg_len[0]));
    s.segsz = 1400;
    s.payload = 1400;
    cut(&s);
    put16(seg[0] + 14 + 20 + 6, 0xff00 + 500); /* where the first one ends */
    put16(seg[0] + 14 + 20 + 4, 0xffff);
    sum_again(&s, seg[0], seg_len[0]);
    assert_false(mem_merge_add(&g, seg[0], seg_len[0]));
}

/* What the port promises is checked: frames that a NIC would make rubbish of. */
static void test_faults(void **state)
{
    const struct shape s = {.segsz = 1000, .payload = 3000, .flags = 0x18}, syn = {.segsz = 1000, .payload = 3000, .flags = 0x12},
                       cwr = {.segsz = 1000, .payload = 3000, .flags = 0x90}, urg = {.segsz = 1000, .payload = 3000, .flags = 0x30},
                       large = {.segsz = 1480, .payload = 3000, .flags = 0x10};
    struct rte_mbuf m = frame_of(&s);

    (void)state;
    assert_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len - 1, MTU)); /* the IP length is another one */
    put16(whole + 14 + 20 + 16, get16(whole + 14 + 20 + 16) + 3020);   /* the length is in the sum */
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m = frame_of(&s);
    m.l4_len = 32;
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m = frame_of(&syn);
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m = frame_of(&cwr);
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m = frame_of(&urg);
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m = frame_of(&large);
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
    m.tso_segsz = 0;
    assert_non_null(mem_tcp_cut_fault(&m, whole, m.pkt_len, MTU));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_and_merge),
        cmocka_unit_test(test_not_merged),
        cmocka_unit_test(test_longer_one_is_not_merged),
        cmocka_unit_test(test_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
