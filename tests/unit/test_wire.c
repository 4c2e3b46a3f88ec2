/* Ethernet, ARP, IPv4, ICMP, UDP. Frames as tcpdump shows them; exact-size copies so that a sanitizer sees over-reads. */
#include "unit.h"

#include "wire/arp.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

static uint8_t *copy(const void *p, size_t len)
{
    uint8_t *c = malloc(len ? len : 1);

    memcpy(c, p, len);
    return c;
}

static void eth_round_trip(void **state)
{
    (void)state;
    static const uint8_t frame[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x06};
    struct eth_hdr h;
    uint8_t out[14];

    assert_true(eth_parse(frame, 14, &h));
    assert_int_equal(h.dst[5], 1);
    assert_int_equal(h.src[5], 2);
    assert_int_equal(h.type, ETH_TYPE_ARP);
    eth_build(out, &h);
    assert_memory_equal(out, frame, 14);
    for (uint32_t len = 0; len < 14; len++) {
        uint8_t *p = copy(frame, len);
        assert_false(eth_parse(p, len, &h));
        free(p);
    }
}

static const uint8_t arp_request[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};

static void arp_round_trip(void **state)
{
    (void)state;
    struct arp_pkt a;
    uint8_t out[28];

    assert_true(arp_parse(arp_request, 28, &a));
    assert_int_equal(a.op, ARP_REQUEST);
    assert_int_equal(a.spa, 0x0a000002);
    assert_int_equal(a.tpa, 0x0a000001);
    assert_int_equal(a.sha[5], 2);
    arp_build(out, &a);
    assert_memory_equal(out, arp_request, 28);
}

static void arp_rejects(void **state)
{
    (void)state;
    struct arp_pkt a;

    for (uint32_t len = 0; len < 28; len++) {
        uint8_t *p = copy(arp_request, len);
        assert_false(arp_parse(p, len, &a));
        free(p);
    }
    for (size_t i = 0; i < 6; i++) { /* hardware type, protocol type, address lengths */
        uint8_t bad[28];

        memcpy(bad, arp_request, 28);
        bad[i] ^= 1;
        assert_false(arp_parse(bad, 28, &a));
    }
}

/* An IPv4 header with options of opt_len bytes, valid checksum. */
static uint32_t make_ipv4(uint8_t *p, const uint8_t *opts, uint32_t opt_len, uint16_t total_len)
{
    struct ipv4_hdr h = {
        .tos = 0x10, .ttl = 64, .proto = 6, .total_len = total_len, .id = 0xbeef, .df = true, .src = 0x0a000001, .dst = 0x0a000002};

    ipv4_build(p, &h, false);
    p[0] = (uint8_t)(0x40 | (20 + opt_len) / 4);
    memcpy(p + 20, opts, opt_len);
    uint16_t sum = cksum_finish(cksum_add(0, p, 20 + opt_len));
    memcpy(p + 10, &sum, 2);
    return 20 + opt_len;
}

static enum ipv4_err parse(const uint8_t *p, uint32_t len, uint32_t frame_len, struct ipv4_hdr *h)
{
    uint8_t *c = copy(p, len);
    enum ipv4_err e = ipv4_parse(c, len, frame_len, false, h);

    free(c);
    return e;
}

/* The well-known example: tcpdump shows this header as valid. */
static const uint8_t ipv4_sample[20] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                        0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

static void ipv4_known_header(void **state)
{
    (void)state;
    struct ipv4_hdr h;
    uint8_t out[20];

    assert_int_equal(parse(ipv4_sample, 20, 0x73, &h), IPV4_OK);
    assert_int_equal(h.hlen, 20);
    assert_int_equal(h.total_len, 0x73);
    assert_int_equal(h.ttl, 64);
    assert_int_equal(h.proto, IPPROTO_UDP_);
    assert_true(h.df);
    assert_false(h.mf);
    assert_int_equal(h.frag_off, 0);
    assert_int_equal(h.src, 0xc0a80001);
    assert_int_equal(h.dst, 0xc0a800c7);
    ipv4_build(out, &h, true);
    assert_memory_equal(out, ipv4_sample, 20);
    ipv4_build(out, &h, false);
    assert_int_equal(out[10] | out[11], 0);
}

static void ipv4_fragment_fields(void **state)
{
    (void)state;
    struct ipv4_hdr h = {.ttl = 1, .proto = 17, .total_len = 20, .frag_off = 65528, .mf = true}, g;
    uint8_t p[20];

    ipv4_build(p, &h, true);
    assert_int_equal(p[6], 0x3f);
    assert_int_equal(p[7], 0xff);
    assert_int_equal(parse(p, 20, 20, &g), IPV4_OK);
    assert_int_equal(g.frag_off, 65528);
    assert_true(g.mf);
    assert_false(g.df);
}

static void ipv4_rejects(void **state)
{
    (void)state;
    struct ipv4_hdr h;
    uint8_t p[64];

    for (uint32_t len = 0; len < 20; len++)
        assert_int_equal(parse(ipv4_sample, len, 0x73, &h), IPV4_ESHORT);
    memcpy(p, ipv4_sample, 20);
    p[0] = 0x65;
    assert_int_equal(parse(p, 20, 0x73, &h), IPV4_EVERSION);
    p[0] = 0x44;
    assert_int_equal(parse(p, 20, 0x73, &h), IPV4_EHLEN);
    p[0] = 0x46; /* options that are not there */
    assert_int_equal(parse(p, 20, 0x73, &h), IPV4_ESHORT);
    for (size_t i = 1; i < 20; i++) { /* any flipped bit behind the first byte */
        memcpy(p, ipv4_sample, 20);
        p[i] ^= 0x20;
        assert_int_equal(parse(p, 20, 65535, &h), IPV4_ECKSUM);
    }
    memcpy(p, ipv4_sample, 20);
    p[8] = 63;
    assert_int_equal(ipv4_parse(p, 20, 0x73, true, &h), IPV4_OK); /* checked by the device */
}

/* RFC 791: total length covers the header and lies within the frame; link padding behind it is allowed. */
static void ipv4_lengths(void **state)
{
    (void)state;
    struct ipv4_hdr h;
    uint8_t p[64];
    static const uint8_t nops[4] = {1, 1, 1, 1};

    assert_int_equal(parse(ipv4_sample, 20, 0x72, &h), IPV4_ELEN);
    assert_int_equal(parse(ipv4_sample, 20, 0x74, &h), IPV4_OK);
    assert_int_equal(parse(p, make_ipv4(p, nops, 4, 23), 64, &h), IPV4_ELEN);
    assert_int_equal(parse(p, make_ipv4(p, nops, 4, 24), 64, &h), IPV4_OK);
    assert_int_equal(h.hlen, 24);
    assert_int_equal(parse(p, make_ipv4(p, nops, 0, 19), 64, &h), IPV4_ELEN);
}

static void ipv4_options(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[8];
        enum ipv4_err want;
    } t[] = {
        {{0, 0, 0, 0}, IPV4_OK},
        {{1, 1, 1, 0, 255, 255, 255, 255}, IPV4_OK},  /* what follows the end is not looked at */
        {{7, 7, 4, 0, 0, 0, 0, 0}, IPV4_OK},          /* record route */
        {{68, 8, 5, 0, 0, 0, 0, 0}, IPV4_OK},         /* timestamp */
        {{148, 4, 0, 0, 1, 1, 1, 1}, IPV4_OK},        /* router alert (RFC 2113) */
        {{99, 8, 0, 0, 0, 0, 0, 0}, IPV4_OK},         /* unknown: ignored (RFC 1122 section 3.2.1.8) */
        {{7, 9, 4, 0, 0, 0, 0, 0}, IPV4_EOPTIONS},    /* past the header */
        {{7, 1, 4, 0, 0, 0, 0, 0}, IPV4_EOPTIONS},    /* shorter than itself */
        {{7, 0, 4, 0, 0, 0, 0, 0}, IPV4_EOPTIONS},    /* an endless loop elsewhere */
        {{1, 1, 1, 1, 1, 1, 1, 7}, IPV4_EOPTIONS},    /* no length byte */
        {{131, 7, 4, 10, 0, 0, 9, 0}, IPV4_EOPTIONS}, /* loose source route */
        {{1, 137, 7, 4, 10, 0, 0, 9}, IPV4_EOPTIONS}, /* strict source route */
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct ipv4_hdr h;
        uint8_t p[64];

        assert_int_equal(parse(p, make_ipv4(p, t[i].bytes, 8, 28), 28, &h), t[i].want);
    }
}

static void icmp_round_trip(void **state)
{
    (void)state;
    static const uint8_t echo[8] = {8, 0, 0, 0, 0x12, 0x34, 0x00, 0x05};
    struct icmp_hdr h;
    uint8_t out[8];

    assert_true(icmp_parse(echo, 8, &h));
    assert_int_equal(h.type, ICMP_ECHO);
    assert_int_equal(h.id, 0x1234);
    assert_int_equal(h.seq, 5);
    icmp_build(out, &h);
    assert_memory_equal(out, echo, 8);
    for (uint32_t len = 0; len < 8; len++) {
        uint8_t *p = copy(echo, len);
        assert_false(icmp_parse(p, len, &h));
        free(p);
    }
}

static void icmp_quote(void **state)
{
    (void)state;
    static const uint8_t rr[4] = {1, 1, 1, 1};
    static const uint8_t l4[8] = {0x12, 0x34, 0x00, 0x50, 0xaa, 0xbb, 0xcc, 0xdd};

    for (uint32_t opt_len = 0; opt_len <= 4; opt_len += 4) {
        struct icmp_quote q;
        uint8_t p[64];
        uint32_t hlen = make_ipv4(p, rr, opt_len, 1500);

        memcpy(p + hlen, l4, 8);
        uint8_t *c = copy(p, hlen + 8);
        assert_true(icmp_parse_quote(c, hlen + 8, &q));
        free(c);
        assert_int_equal(q.src, 0x0a000001);
        assert_int_equal(q.dst, 0x0a000002);
        assert_int_equal(q.proto, 6);
        assert_int_equal(q.sport, 0x1234);
        assert_int_equal(q.dport, 80);
        assert_int_equal(q.seq, 0xaabbccdd);
        for (uint32_t len = 0; len < hlen + 8; len++) {
            c = copy(p, len);
            assert_false(icmp_parse_quote(c, len, &q));
            free(c);
        }
        p[9] = 17;
        assert_true(icmp_parse_quote(p, hlen + 8, &q));
        assert_int_equal(q.dport, 80);
        assert_int_equal(q.seq, 0);
        p[7] = 1; /* a later fragment */
        assert_false(icmp_parse_quote(p, hlen + 8, &q));
        p[7] = 0;
        p[6] = 0x20; /* the first fragment has the ports */
        assert_true(icmp_parse_quote(p, hlen + 8, &q));
        p[0] = 0x44;
        assert_false(icmp_parse_quote(p, hlen + 8, &q));
        p[0] = 0x65;
        assert_false(icmp_parse_quote(p, hlen + 8, &q));
    }
}

static void udp_round_trip(void **state)
{
    (void)state;
    static const uint8_t dns[8] = {0x00, 0x35, 0xc0, 0x00, 0x00, 0x0a, 0x00, 0x00};
    struct udp_hdr h;
    uint8_t out[8];

    assert_true(udp_parse(dns, 10, &h));
    assert_int_equal(h.sport, 53);
    assert_int_equal(h.dport, 0xc000);
    assert_int_equal(h.len, 10);
    assert_false(h.has_cksum);
    udp_build(out, &h);
    assert_memory_equal(out, dns, 8);
    assert_true(udp_parse(dns, 11, &h)); /* bytes behind the datagram are not part of it */
    assert_false(udp_parse(dns, 9, &h)); /* the length field lies */
    for (uint32_t len = 0; len < 8; len++) {
        uint8_t *p = copy(dns, len);
        assert_false(udp_parse(p, len, &h));
        free(p);
    }
    memcpy(out, dns, 8);
    out[5] = 7; /* shorter than the header */
    assert_false(udp_parse(out, 10, &h));
    out[5] = 8;
    out[7] = 1;
    assert_true(udp_parse(out, 8, &h));
    assert_true(h.has_cksum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eth_round_trip),       cmocka_unit_test(arp_round_trip), cmocka_unit_test(arp_rejects),
        cmocka_unit_test(ipv4_known_header),    cmocka_unit_test(ipv4_rejects),   cmocka_unit_test(ipv4_lengths),
        cmocka_unit_test(ipv4_fragment_fields), cmocka_unit_test(ipv4_options),   cmocka_unit_test(icmp_round_trip),
        cmocka_unit_test(icmp_quote),           cmocka_unit_test(udp_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
