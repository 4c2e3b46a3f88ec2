/* IPv6 header, extension headers, quotes of ICMPv6 errors (RFC 8200, 4443, 5095, 6946, 7112, 8504, 8883). */
#include "unit.h"

#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"

static const struct inaddr src = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, dst = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}};

/* A packet under construction: next points at the Next Header field to be filled. */
struct packet {
    uint8_t b[2048];
    uint32_t len, next;
};

static void begin(struct packet *p)
{
    const struct ipv6_hdr h = {.hop_limit = 64, .next = IPPROTO_NONE_, .src = src, .dst = dst};

    memset(p, 0, sizeof(*p));
    ipv6_build(p->b, &h);
    p->len = IPV6_HLEN;
    p->next = IPV6_NEXT_OFF;
}

/* A header of n bytes that begins with these; returns where. */
static uint32_t add(struct packet *p, uint8_t type, const void *bytes, uint32_t n)
{
    uint32_t at = p->len;

    p->b[p->next] = type;
    memcpy(p->b + at, bytes, n);
    if (type == IPPROTO_HOPOPTS_ || type == IPPROTO_DSTOPTS_ || type == IPPROTO_ROUTING_)
        p->b[at + 1] = (uint8_t)(n / 8 - 1);
    p->b[at] = IPPROTO_NONE_;
    p->next = at;
    p->len += n;
    put16(p->b + 4, (uint16_t)(p->len - IPV6_HLEN));
    return at;
}

static void add_transport(struct packet *p, uint8_t proto, uint32_t n)
{
    p->b[p->next] = proto;
    p->len += n;
    put16(p->b + 4, (uint16_t)(p->len - IPV6_HLEN));
}

static const struct ipv6_ext_limits limits = {.headers = 8, .bytes = 128, .options = 8};
static struct ipv6_ext x;

static enum ipv6_ext_verdict walk(const struct packet *p)
{
    uint8_t *exact = malloc(p->len); /* so that a byte too far is seen by valgrind and AddressSanitizer */
    enum ipv6_ext_verdict v;

    memcpy(exact, p->b, p->len);
    v = ipv6_ext_walk(exact, p->len, p->len, &limits, &x);
    free(exact);
    return v;
}

static void header_round_trip(void **state)
{
    const struct ipv6_hdr h = {.tclass = 0xb8, .hop_limit = 7, .next = 6, .payload_len = 20, .flow = 0xabcde, .src = src, .dst = dst};
    struct ipv6_hdr got;
    uint8_t b[60];

    (void)state;
    ipv6_build(b, &h);
    assert_memory_equal(b, "\x6b\x8a\xbc\xde\x00\x14\x06\x07", 8);
    assert_int_equal(ipv6_parse(b, 40, 60, &got), IPV6_OK);
    assert_int_equal(got.tclass, 0xb8);
    assert_int_equal(got.flow, 0xabcde);
    assert_int_equal(got.hop_limit, 7);
    assert_int_equal(got.next, 6);
    assert_int_equal(got.payload_len, 20);
    assert_true(inaddr_eq(&got.src, &src) && inaddr_eq(&got.dst, &dst));
    assert_int_equal(ipv6_parse(b, 40, 59, &got), IPV6_ELEN);
    assert_int_equal(ipv6_parse(b, 39, 60, &got), IPV6_ESHORT);
    b[0] = 0x45;
    assert_int_equal(ipv6_parse(b, 40, 60, &got), IPV6_EVERSION);
}

static void zones_stay_inside(void **state)
{
    struct inaddr ll = {.b = {0xfe, 0x80, [15] = 1}}, group = {.b = {0xff, 0x02, [15] = 1}}, wide = {.b = {0xff, 0x0e, [15] = 1}};
    struct ipv6_hdr h = {.hop_limit = 1, .next = IPPROTO_NONE_};
    uint8_t b[IPV6_HLEN];

    (void)state;
    inaddr_set_zone(&ll, 0x0203);
    inaddr_set_zone(&group, 0x0203);
    inaddr_set_zone(&wide, 0x0203);
    assert_int_equal(inaddr_zone(&ll), 0x0203);
    assert_int_equal(inaddr_zone(&group), 0x0203);
    assert_int_equal(inaddr_zone(&wide), 0);
    h.src = ll;
    h.dst = group;
    ipv6_build(b, &h);
    assert_memory_equal(b + 8, "\xfe\x80\0\0", 4);
    assert_memory_equal(b + 24, "\xff\x02\0\0", 4);
    inaddr_clear_zone(&ll);
    inaddr_clear_zone(&group);
    assert_true(cksum_finish(cksum_pseudo_v6(&h.src, &h.dst, 58, 8)) == cksum_finish(cksum_pseudo_v6(&ll, &group, 58, 8)));
}

/* The example of RFC 4291's addresses summed by hand: 16-bit words of the pseudo-header (RFC 8200 section 8.1). */
static void pseudo_header_sum(void **state)
{
    uint32_t sum = 2 * (0x2001 + 0x0db8) + 1 + 2 + 17 + 8;

    (void)state;
    sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(be16toh(cksum_finish(cksum_pseudo_v6(&src, &dst, 17, 8))), (uint16_t)~sum);
}

static void transport_behind_headers_in_any_order(void **state)
{
    static const uint8_t opts[16] = {0, 0, 1, 4, 0, 0, 0, 0, 1, 6}, alert[8] = {0, 0, 5, 2, 0, 0, 1, 0}, routing[8] = {0, 0, 99, 0};
    struct packet p;

    (void)state;
    begin(&p);
    add_transport(&p, 6, 20);
    assert_int_equal(walk(&p), IPV6_EXT_OK);
    assert_true(x.proto == 6 && x.off == 40 && x.next_off == 6 && !x.router_alert);
    begin(&p);
    add(&p, IPPROTO_HOPOPTS_, alert, 8);
    add(&p, IPPROTO_DSTOPTS_, opts, 16);
    add(&p, IPPROTO_ROUTING_, routing, 8);
    add(&p, IPPROTO_DSTOPTS_, opts, 16);
    add_transport(&p, 17, 8);
    assert_int_equal(walk(&p), IPV6_EXT_OK);
    assert_true(x.proto == 17 && x.off == 88 && x.next_off == 72 && x.router_alert);
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, opts, 16);
    assert_int_equal(walk(&p), IPV6_EXT_NONE); /* section 4.7 */
}

/* Section 4.1: nowhere but first. Later it is a number that is not known there. */
static void hop_by_hop_comes_first(void **state)
{
    static const uint8_t opts[8] = {0, 0, 1, 4};
    struct packet p;

    (void)state;
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, opts, 8);
    add(&p, IPPROTO_HOPOPTS_, opts, 8);
    add_transport(&p, 6, 20);
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
    assert_true(x.code == ICMP6_PARAM_NEXT && x.pointer == 40);
}

/* Section 4.2: what the two high bits of an unknown option's type ask for; in either header. */
static void unknown_options(void **state)
{
    static const struct {
        uint8_t type;
        enum ipv6_ext_verdict v;
    } t[] = {{0x1e, IPV6_EXT_OK}, {0x5e, IPV6_EXT_DISCARD}, {0x9e, IPV6_EXT_PROBLEM}, {0xde, IPV6_EXT_PROBLEM_UNICAST}, {0xc2, IPV6_EXT_PROBLEM_UNICAST}};

    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        for (int hbh = 0; hbh < 2; hbh++) {
            uint8_t opts[16] = {0, 0, 0, 1, 1, 0, t[i].type, 8};
            struct packet p;

            begin(&p);
            add(&p, hbh ? IPPROTO_HOPOPTS_ : IPPROTO_DSTOPTS_, opts, 16);
            add_transport(&p, 6, 20);
            assert_int_equal(walk(&p), t[i].v);
            if (t[i].v >= IPV6_EXT_PROBLEM)
                assert_true(x.code == ICMP6_PARAM_OPTION && x.pointer == 46);
        }
    }
}

static void malformed_options(void **state)
{
    static const uint8_t too_long[8] = {0, 0, 1, 5}, no_len[8] = {0, 0, 1, 3, 0, 0, 0, 1};
    struct packet p;

    (void)state;
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, too_long, 8);
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
    assert_true(x.code == ICMP6_PARAM_FIELD && x.pointer == 43);
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, no_len, 8);
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
    assert_int_equal(x.pointer, 47);
}

/* RFC 5095, RFC 8200 section 4.4: no routing type is known. */
static void routing_headers(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        uint8_t r[24] = {0, 0, (uint8_t)type, 1};
        struct packet p;

        begin(&p);
        add(&p, IPPROTO_ROUTING_, r, 24);
        add_transport(&p, 6, 20);
        assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
        assert_true(x.code == ICMP6_PARAM_FIELD && x.pointer == 42);
        p.b[IPV6_HLEN + 3] = 0;
        assert_int_equal(walk(&p), IPV6_EXT_OK);
    }
}

static void fragments(void **state)
{
    uint8_t f[8] = {0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78};
    static const uint8_t opts[8] = {0, 0, 0xde, 4};
    struct packet p;

    (void)state;
    begin(&p); /* the first of several; what stands behind is not obeyed yet */
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add(&p, IPPROTO_DSTOPTS_, opts, 8);
    add_transport(&p, 6, 24);
    assert_int_equal(walk(&p), IPV6_EXT_FRAGMENT);
    assert_true(x.frag.hdr_off == 40 && x.frag.off == 0 && x.frag.mf && x.frag.id == 0x12345678 && x.frag.next == IPPROTO_DSTOPTS_);
    assert_true(x.off == 48 && x.frag.prev_next_off == 6);
    begin(&p); /* a later one: nothing is known about what follows */
    put16(f + 2, 1232);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add_transport(&p, 6, 3);
    assert_int_equal(walk(&p), IPV6_EXT_FRAGMENT);
    assert_true(x.frag.off == 1232 && !x.frag.mf && x.off == 48);
    begin(&p); /* RFC 6946: an atomic one is a whole packet */
    put16(f + 2, 0);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add_transport(&p, 17, 8);
    assert_int_equal(walk(&p), IPV6_EXT_OK);
    assert_true(x.proto == 17 && x.off == 48 && x.frag.hdr_off == 40);
    begin(&p);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
}

/* RFC 7112 section 5: all headers, the transport's too, are in the first fragment. */
static void first_fragment_has_all_headers(void **state)
{
    static const uint8_t f[8] = {0, 0, 0, 1}, opts[16] = {0, 0, 1, 12};
    struct packet p;

    (void)state;
    begin(&p);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add_transport(&p, 6, 16);
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
    assert_true(x.code == ICMP6_PARAM_CHAIN && x.pointer == 0);
    begin(&p);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add(&p, IPPROTO_DSTOPTS_, opts, 16);
    p.len -= 8;
    assert_int_equal(walk(&p), IPV6_EXT_PROBLEM);
    assert_int_equal(x.code, ICMP6_PARAM_CHAIN);
}

/* RFC 8504 section 5.3 allows limits; RFC 8883 says how they are told. */
static void limits_are_kept(void **state)
{
    static const uint8_t pad[8] = {0, 0, 1, 4}, many[32] = {0, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 1, 10};
    uint8_t big[136] = {0, 0, 1, 132};
    struct packet p;

    (void)state;
    begin(&p);
    for (int i = 0; i < 9; i++)
        add(&p, IPPROTO_DSTOPTS_, pad, 8);
    add_transport(&p, 6, 20);
    assert_int_equal(walk(&p), IPV6_EXT_LIMIT);
    assert_true(x.code == ICMP6_PARAM_MANY_HEADERS && x.pointer == 40 + 8 * 8);
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, big, 136);
    add_transport(&p, 6, 20);
    assert_int_equal(walk(&p), IPV6_EXT_LIMIT);
    assert_true(x.code == ICMP6_PARAM_CHAIN_LONG && x.pointer == 40 + 128);
    begin(&p);
    add(&p, IPPROTO_DSTOPTS_, many, 32);
    add_transport(&p, 6, 20);
    assert_int_equal(walk(&p), IPV6_EXT_LIMIT);
    assert_true(x.code == ICMP6_PARAM_MANY_OPTIONS && x.pointer == 42 + 8 * 2);
}

/* However little is contiguous: the walk asks for more until it has what it needs, and never for more than there is. */
static void asks_for_more(void **state)
{
    static const uint8_t opts[16] = {0, 0, 1, 12};
    uint32_t len = IPV6_HLEN, asked = 0;
    struct packet p;

    (void)state;
    begin(&p);
    add(&p, IPPROTO_HOPOPTS_, opts, 16);
    add(&p, IPPROTO_DSTOPTS_, opts, 16);
    add_transport(&p, 6, 20);
    while (ipv6_ext_walk(p.b, len, p.len, &limits, &x) == IPV6_EXT_MORE) {
        assert_true(x.want > len && x.want <= p.len);
        len = x.want;
        asked++;
    }
    assert_int_equal(asked, 4);
    assert_int_equal(x.off, 72);
    p.len = 50; /* a header that ends behind the packet */
    assert_int_equal(walk(&p), IPV6_EXT_SHORT);
}

static void quotes(void **state)
{
    static const uint8_t f[8] = {0, 0, 0, 1}, later[8] = {0, 0, 0, 0xff}, opts[8] = {0, 0, 0xde, 4};
    struct icmp6_quote q;
    struct packet p;

    (void)state;
    begin(&p);
    add_transport(&p, 6, 8);
    memcpy(p.b + 40, "\x9c\x40\x00\x50\x11\x22\x33\x44", 8);
    put16(p.b + 4, 1400); /* it was longer */
    assert_true(icmp6_parse_quote(p.b, p.len, &q));
    assert_true(inaddr_eq(&q.src, &src) && inaddr_eq(&q.dst, &dst));
    assert_true(q.proto == 6 && q.sport == 40000 && q.dport == 80 && q.seq == 0x11223344 && q.total_len == 1440);
    assert_false(icmp6_parse_quote(p.b, p.len - 1, &q));
    begin(&p); /* behind headers, and in a first fragment */
    add(&p, IPPROTO_DSTOPTS_, opts, 8);
    add(&p, IPPROTO_FRAGMENT_, f, 8);
    add_transport(&p, 17, 8);
    put16(p.b + 58, 53);
    assert_true(icmp6_parse_quote(p.b, p.len, &q));
    assert_true(q.proto == 17 && q.dport == 53);
    begin(&p); /* a later fragment has no ports */
    add(&p, IPPROTO_FRAGMENT_, later, 8);
    add_transport(&p, 17, 8);
    assert_false(icmp6_parse_quote(p.b, p.len, &q));
}

/* Anything at all: no byte beyond the end is read, and what is found lies within. */
static void random_packets(void **state)
{
    uint64_t r = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct packet p;
        uint32_t n = unit_below(&r, 120);

        begin(&p);
        for (uint32_t k = 0; k < n; k++)
            p.b[40 + k] = (uint8_t)(unit_below(&r, 3) ? unit_below(&r, 8) : unit_rand(&r));
        p.b[6] = (uint8_t[]){0, 43, 44, 60}[unit_below(&r, 4)];
        for (uint32_t k = 40; k < 40 + n; k += 8)
            p.b[k] = (uint8_t[]){0, 43, 44, 60, 6, 58}[unit_below(&r, 6)];
        p.len = 40 + n;
        if (walk(&p) == IPV6_EXT_OK)
            assert_true(x.off >= 40 && x.off <= p.len && x.next_off < x.off);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trip),
        cmocka_unit_test(zones_stay_inside),
        cmocka_unit_test(pseudo_header_sum),
        cmocka_unit_test(transport_behind_headers_in_any_order),
        cmocka_unit_test(hop_by_hop_comes_first),
        cmocka_unit_test(unknown_options),
        cmocka_unit_test(malformed_options),
        cmocka_unit_test(routing_headers),
        cmocka_unit_test(fragments),
        cmocka_unit_test(first_fragment_has_all_headers),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(asks_for_more),
        cmocka_unit_test(quotes),
        cmocka_unit_test(random_packets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
