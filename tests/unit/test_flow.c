/* Which flow a frame is of (src/wire/flow.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/flow.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

#define SRC4 0xc0000201u
#define DST4 0x0a000002u

static uint8_t frame[256];
static const uint8_t ours[6] = {2, 0, 0, 0, 0, 1}, all[6] = {255, 255, 255, 255, 255, 255};

static struct flow parse(uint32_t len)
{
    struct flow f;

    memset(&f, 0xee, sizeof(f));
    flow_parse(frame, len, len, &f);
    return f;
}

static uint8_t *eth(const uint8_t dst[6], uint16_t type, bool vlan)
{
    struct eth_hdr h = {.src = {2, 0, 0, 0, 0, 9}, .type = type};

    memset(frame, 0, sizeof(frame));
    memcpy(h.dst, dst, 6);
    if (vlan)
        eth_build_vlan(frame, &h, 10);
    else
        eth_build(frame, &h);
    return frame + (vlan ? ETH_HLEN_MAX : ETH_HLEN);
}

static uint8_t *ip4(uint8_t *p, uint8_t proto, uint16_t frag_off, bool mf, uint32_t src, uint32_t dst)
{
    struct ipv4_hdr h = {.proto = proto, .total_len = 60, .frag_off = frag_off, .mf = mf, .ttl = 64, .src = src, .dst = dst};

    ipv4_build(p, &h, true);
    return p + IPV4_HLEN;
}

static uint8_t *ip6(uint8_t *p, uint8_t next, uint8_t src, uint8_t dst)
{
    struct ipv6_hdr h = {.next = next, .payload_len = 40, .hop_limit = 64};

    h.src.b[0] = h.dst.b[0] = 0x20;
    h.src.b[15] = src;
    h.dst.b[15] = dst;
    ipv6_build(p, &h);
    return p + IPV6_HLEN;
}

static void ports(uint8_t *p, uint16_t sport, uint16_t dport)
{
    put16(p, sport);
    put16(p + 2, dport);
}

static void assert_tuple4(const struct flow *f, uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
    uint8_t want[12];

    put32(want, src);
    put32(want + 4, dst);
    ports(want + 8, sport, dport);
    assert_int_equal(f->kind, FLOW_TUPLE);
    assert_int_equal(f->len, 12);
    assert_memory_equal(f->key, want, 12);
}

static void tcp_and_udp(void **state)
{
    struct flow f;

    (void)state;
    for (int vlan = 0; vlan < 2; vlan++)
        for (uint8_t proto = 6; proto <= 17; proto = (uint8_t)(proto + 11)) {
            ports(ip4(eth(ours, ETH_TYPE_IPV4, vlan), proto, 0, false, SRC4, DST4), 4000, 80);
            f = parse(100);
            assert_tuple4(&f, SRC4, DST4, 4000, 80);
            assert_int_equal(f.l2_len, vlan ? ETH_HLEN_MAX : ETH_HLEN);
            assert_false(f.quoted);

            ports(ip6(eth(ours, ETH_TYPE_IPV6, vlan), proto, 1, 2), 4000, 80);
            f = parse(120);
            assert_int_equal(f.kind, FLOW_TUPLE);
            assert_int_equal(f.len, 36);
            assert_int_equal(f.key[15], 1);
            assert_int_equal(f.key[31], 2);
            assert_int_equal(get16(f.key + 32), 4000);
            assert_int_equal(get16(f.key + 34), 80);
        }
}

/* The first part of a datagram has ports, the others have not: all go by their addresses. */
static void fragments(void **state)
{
    struct flow first, later;
    uint8_t *p;

    (void)state;
    ports(ip4(eth(ours, ETH_TYPE_IPV4, false), 17, 0, true, SRC4, DST4), 4000, 80);
    first = parse(100);
    ports(ip4(eth(ours, ETH_TYPE_IPV4, false), 17, 800, false, SRC4, DST4), 1, 2);
    later = parse(100);
    assert_int_equal(first.kind, FLOW_PAIR);
    assert_int_equal(first.len, 8);
    assert_memory_equal(&first, &later, offsetof(struct flow, key) + 8);

    p = ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_FRAGMENT_, 1, 2);
    ipv6_frag_build(p, 17, 0, true, 7);
    ports(p + IPV6_FRAG_HLEN, 4000, 80);
    first = parse(120);
    p = ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_FRAGMENT_, 1, 2);
    ipv6_frag_build(p, 17, 1232, false, 7);
    later = parse(120);
    assert_int_equal(first.kind, FLOW_PAIR);
    assert_int_equal(first.len, 32);
    assert_memory_equal(&first, &later, offsetof(struct flow, key) + 32);

    /* one that is whole (RFC 6946) has its ports */
    p = ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_FRAGMENT_, 1, 2);
    ipv6_frag_build(p, 17, 0, false, 7);
    ports(p + IPV6_FRAG_HLEN, 4000, 80);
    assert_int_equal(parse(120).kind, FLOW_TUPLE);
}

static void icmp_errors_by_what_they_quote(void **state)
{
    const struct icmp_hdr h4 = {.type = ICMP_UNREACH, .code = 4};
    const struct icmp6_hdr h6 = {.type = ICMP6_TOO_BIG};
    struct flow f;
    uint8_t *p;

    (void)state;
    p = ip4(eth(ours, ETH_TYPE_IPV4, false), IPPROTO_ICMP_, 0, false, 0xcb007101u, DST4);
    icmp_build(p, &h4);
    ports(ip4(p + ICMP_HLEN, 6, 0, false, DST4, SRC4), 80, 4000); /* our packet */
    f = parse(100);
    assert_tuple4(&f, SRC4, DST4, 4000, 80); /* the flow of its answers */
    assert_true(f.quoted);

    p = ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_ICMPV6_, 99, 2);
    icmp6_build(p, &h6);
    ports(ip6(p + ICMP6_HLEN, 17, 2, 1), 80, 4000);
    f = parse(160);
    assert_int_equal(f.kind, FLOW_TUPLE);
    assert_int_equal(f.key[15], 1);
    assert_int_equal(f.key[31], 2);
    assert_int_equal(get16(f.key + 32), 4000);
    assert_true(f.quoted);

    /* too little of it is quoted */
    p = ip4(eth(ours, ETH_TYPE_IPV4, false), IPPROTO_ICMP_, 0, false, SRC4, DST4);
    icmp_build(p, &h4);
    ip4(p + ICMP_HLEN, 6, 0, false, DST4, SRC4);
    assert_int_equal(parse(ETH_HLEN + 2 * IPV4_HLEN + ICMP_HLEN + 7).kind, FLOW_PAIR);
}

static void by_addresses_alone(void **state)
{
    const struct icmp_hdr echo = {.type = ICMP_ECHO};

    (void)state;
    icmp_build(ip4(eth(ours, ETH_TYPE_IPV4, false), IPPROTO_ICMP_, 0, false, SRC4, DST4), &echo);
    assert_int_equal(parse(100).kind, FLOW_PAIR);
    ip4(eth(ours, ETH_TYPE_IPV4, false), 47, 0, false, SRC4, DST4);
    assert_int_equal(parse(100).kind, FLOW_PAIR);
    ip6(eth(ours, ETH_TYPE_IPV6, false), 47, 1, 2);
    assert_int_equal(parse(100).kind, FLOW_PAIR);
}

static void for_everybody(void **state)
{
    static const uint8_t types[] = {130, 131, 132, 133, 134, 135, 136, 137, 143};

    (void)state;
    eth(all, ETH_TYPE_ARP, false);
    assert_int_equal(parse(60).kind, FLOW_ALL);
    eth(ours, ETH_TYPE_ARP, true); /* an answer */
    assert_int_equal(parse(64).kind, FLOW_ALL);
    ip4(eth(ours, ETH_TYPE_IPV4, false), IPPROTO_IGMP_, 0, false, SRC4, DST4);
    assert_int_equal(parse(60).kind, FLOW_ALL);
    ports(ip4(eth(all, ETH_TYPE_IPV4, false), 17, 0, false, SRC4, 0x0a0000ffu), 4000, 80);
    assert_int_equal(parse(60).kind, FLOW_ALL); /* broadcast */
    for (size_t i = 0; i < sizeof(types); i++) {
        ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_ICMPV6_, 1, 2)[0] = types[i];
        assert_int_equal(parse(100).kind, FLOW_ALL);
    }
    ip6(eth(ours, ETH_TYPE_IPV6, false), IPPROTO_ICMPV6_, 1, 2)[0] = ICMP6_ECHO;
    assert_int_equal(parse(100).kind, FLOW_PAIR);
}

static void neither_short_nor_strange(void **state)
{
    (void)state;
    ports(ip4(eth(ours, ETH_TYPE_IPV4, false), 6, 0, false, SRC4, DST4), 4000, 80);
    for (uint32_t len = 0; len < 100; len++) {
        uint8_t exact[100]; /* where AddressSanitizer sees a byte too many */
        struct flow f;

        memcpy(exact + 100 - len, frame, len);
        flow_parse(exact + 100 - len, len, len, &f);
        if (len < ETH_HLEN + IPV4_HLEN)
            assert_int_equal(f.kind, FLOW_NONE);
        else
            assert_int_equal(f.kind, len < ETH_HLEN + IPV4_HLEN + 4 ? FLOW_PAIR : FLOW_TUPLE);
    }
    eth(ours, 0x88cc, false);
    assert_int_equal(parse(100).kind, FLOW_NONE);
    eth(all, 0x88cc, false);
    assert_int_equal(parse(100).kind, FLOW_NONE);
    *eth(ours, ETH_TYPE_IPV4, false) = 0x55;
    assert_int_equal(parse(100).kind, FLOW_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_and_udp),        cmocka_unit_test(fragments),     cmocka_unit_test(icmp_errors_by_what_they_quote),
        cmocka_unit_test(by_addresses_alone), cmocka_unit_test(for_everybody), cmocka_unit_test(neither_short_nor_strange),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
