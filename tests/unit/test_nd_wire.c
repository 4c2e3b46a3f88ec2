/* Messages of neighbour discovery: every rule of RFC 4861 about a message alone, one broken at a time. */
#include "unit.h"

#include "wire/nd.h"

static const struct inaddr ll_a = {.b = {0xfe, 0x80, [15] = 0x0a}};
static const struct inaddr ll_b = {.b = {0xfe, 0x80, [13] = 0x12, 0x34, 0x56}};
static const struct inaddr global_b = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x0b}};
static const struct inaddr all_nodes = {.b = {0xff, 0x02, [15] = 0x01}};
static const struct inaddr unspecified;
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0x0a};

/* Exactly as many bytes as may be read. */
static enum nd_err parse(const uint8_t *p, uint32_t len, const struct inaddr *src, const struct inaddr *dst, uint8_t hops, struct nd_msg *m)
{
    uint8_t *c = malloc(len ? len : 1);
    enum nd_err e;

    memcpy(c, p, len);
    e = nd_parse(c, len, src, dst, hops, m);
    free(c);
    return e;
}

static struct nd_msg solicit(void)
{
    struct nd_msg m = {.type = ND_NEIGHBOR_SOLICIT, .target = ll_b, .has_slla = true};

    memcpy(m.slla, mac_a, 6);
    return m;
}

/* A solicitation as Linux sends it (captured with tcpdump -x, checksum zeroed). */
static void known_solicitation(void **state)
{
    static const uint8_t b[] = {0x87, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                0x00, 0x00, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x01, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0a};
    struct nd_msg m;
    uint8_t out[ND_BUILD_MAX];

    (void)state;
    assert_int_equal(parse(b, sizeof(b), &ll_a, &ll_b, 255, &m), ND_OK);
    assert_int_equal(m.type, ND_NEIGHBOR_SOLICIT);
    assert_true(m.has_slla);
    assert_memory_equal(m.slla, mac_a, 6);
    assert_memory_equal(&m.target, &ll_b, 16);
    assert_int_equal(nd_build(out, &m), sizeof(b));
    assert_memory_equal(out, b, sizeof(b));
}

static void router_advertisement_round_trip(void **state)
{
    struct nd_msg m = {.type = ND_ROUTER_ADVERT, .cur_hop_limit = 63, .other = true, .prf = ND_PRF_HIGH, .lifetime_s = 1800}, g;
    uint8_t b[ND_BUILD_MAX];
    uint32_t len;

    (void)state;
    m.reachable_ms = 30000;
    m.retrans_ms = 500;
    m.mtu = 1400;
    m.has_slla = true;
    memcpy(m.slla, mac_a, 6);
    m.n_prefixes = 2;
    m.prefix[0] = (struct nd_prefix_info){.prefix = {.b = {0x20, 1, 0xd, 0xb8}}, .plen = 64, .on_link = true, .autonomous = true};
    m.prefix[0].valid_s = ND_INFINITY;
    m.prefix[0].preferred_s = 600;
    m.prefix[1] = (struct nd_prefix_info){.prefix = {.b = {0x20, 1, 0xd, 0xb8, 1}}, .plen = 61, .on_link = true, .valid_s = 7};
    len = nd_build(b, &m);
    assert_int_equal(len, 16 + 8 + 8 + 64);
    assert_int_equal(parse(b, len, &ll_a, &all_nodes, 255, &g), ND_OK);
    assert_int_equal(g.cur_hop_limit, 63);
    assert_true(g.other);
    assert_false(g.managed);
    assert_int_equal(g.prf, ND_PRF_HIGH);
    assert_int_equal(g.lifetime_s, 1800);
    assert_int_equal(g.reachable_ms, 30000);
    assert_int_equal(g.retrans_ms, 500);
    assert_int_equal(g.mtu, 1400);
    assert_int_equal(g.n_prefixes, 2);
    assert_memory_equal(&g.prefix[0].prefix, &m.prefix[0].prefix, 16);
    assert_int_equal(g.prefix[0].valid_s, ND_INFINITY);
    assert_int_equal(g.prefix[0].preferred_s, 600);
    assert_true(g.prefix[0].autonomous);
    assert_false(g.prefix[1].autonomous);
    assert_int_equal(g.prefix[1].plen, 61);
}

/* RFC 4191 section 2.2: 01 high, 00 medium, 11 low, 10 as medium. */
static void router_preference(void **state)
{
    static const int want[4] = {ND_PRF_MEDIUM, ND_PRF_HIGH, ND_PRF_MEDIUM, ND_PRF_LOW};
    uint8_t b[16] = {ND_ROUTER_ADVERT};
    struct nd_msg m;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        b[5] = (uint8_t)(i << 3);
        assert_int_equal(parse(b, 16, &ll_a, &all_nodes, 255, &m), ND_OK);
        assert_int_equal(m.prf, want[i]);
    }
}

/* Bits behind the prefix length MUST be ignored (RFC 4861 section 4.6.2). */
static void prefix_bits_behind_its_length(void **state)
{
    struct nd_msg m = {.type = ND_ROUTER_ADVERT, .n_prefixes = 1}, g;
    uint8_t b[ND_BUILD_MAX];
    uint32_t len;

    (void)state;
    memset(m.prefix[0].prefix.b, 0xff, 16);
    for (unsigned plen = 0; plen <= 128; plen++) {
        m.prefix[0].plen = (uint8_t)plen;
        len = nd_build(b, &m);
        assert_int_equal(parse(b, len, &ll_a, &all_nodes, 255, &g), ND_OK);
        for (unsigned bit = 0; bit < 128; bit++)
            assert_int_equal(g.prefix[0].prefix.b[bit / 8] >> (7 - bit % 8) & 1, bit < plen);
    }
    m.prefix[0].plen = 129;
    len = nd_build(b, &m);
    assert_int_equal(parse(b, len, &ll_a, &all_nodes, 255, &g), ND_OK);
    assert_int_equal(g.n_prefixes, 0);
}

static void more_prefixes_than_there_is_room_for(void **state)
{
    static uint8_t b[16 + 20 * 32];
    struct nd_msg m;

    (void)state;
    b[0] = ND_ROUTER_ADVERT;
    for (unsigned i = 0; i < 20; i++) {
        b[16 + i * 32] = 3;
        b[16 + i * 32 + 1] = 4;
    }
    assert_int_equal(parse(b, sizeof(b), &ll_a, &all_nodes, 255, &m), ND_OK);
    assert_int_equal(m.n_prefixes, ND_PREFIXES_MAX);
    assert_int_equal(m.n_prefixes_lost, 4);
}

/* The rules that hold for every type: hop limit 255, code 0, length, option lengths. */
static void rules_of_every_message(void **state)
{
    static const uint8_t shortest[] = {8, 16, 24, 24, 40};
    struct nd_msg m;

    (void)state;
    for (unsigned t = 0; t < 5; t++) {
        uint8_t b[64] = {(uint8_t)(ND_ROUTER_SOLICIT + t)};
        uint32_t len = shortest[t];

        memcpy(b + 8, ll_b.b, len >= 24 ? 16 : 0);
        memcpy(b + 24, global_b.b, len >= 40 ? 16 : 0);
        assert_int_equal(parse(b, len, &ll_a, &ll_b, 255, &m), ND_OK);
        for (uint32_t cut = 0; cut < len; cut++)
            assert_int_equal(parse(b, cut, &ll_a, &ll_b, 255, &m), ND_ESHORT);
        assert_int_equal(parse(b, len, &ll_a, &ll_b, 254, &m), ND_EHOPS);
        b[1] = 1;
        assert_int_equal(parse(b, len, &ll_a, &ll_b, 255, &m), ND_ECODE);
        b[1] = 0;
        b[len] = 200;                                                           /* an option that nobody knows */
        assert_int_equal(parse(b, len + 8, &ll_a, &ll_b, 255, &m), ND_EOPTION); /* of length 0 */
        b[len + 1] = 1;
        assert_int_equal(parse(b, len + 8, &ll_a, &ll_b, 255, &m), ND_OK);
        assert_int_equal(parse(b, len + 7, &ll_a, &ll_b, 255, &m), ND_EOPTION);
        assert_int_equal(parse(b, len + 9, &ll_a, &ll_b, 255, &m), ND_EOPTION);
        b[len + 1] = 2;
        assert_int_equal(parse(b, len + 8, &ll_a, &ll_b, 255, &m), ND_EOPTION);
    }
    for (unsigned type = 0; type < 256; type++) {
        uint8_t b[64] = {(uint8_t)type};

        if (type < ND_ROUTER_SOLICIT || type > ND_REDIRECT)
            assert_int_equal(parse(b, 64, &ll_a, &ll_b, 255, &m), ND_ESHORT);
    }
}

static enum nd_err built(const struct nd_msg *m, const struct inaddr *src, const struct inaddr *dst)
{
    uint8_t b[ND_BUILD_MAX];
    struct nd_msg g;

    return parse(b, nd_build(b, m), src, dst, 255, &g);
}

/* RFC 4861 section 7.1.1 */
static void rules_of_solicitations(void **state)
{
    struct nd_msg m = solicit();
    struct inaddr group = nd_solicited_node(&m.target);

    (void)state;
    assert_int_equal(built(&m, &ll_a, &group), ND_OK);
    assert_int_equal(built(&m, &unspecified, &group), ND_EADDR); /* with a source link-layer address */
    m.has_slla = false;
    assert_int_equal(built(&m, &unspecified, &group), ND_OK);
    assert_int_equal(built(&m, &unspecified, &ll_b), ND_EADDR);
    assert_int_equal(built(&m, &unspecified, &all_nodes), ND_EADDR);
    m.target = all_nodes;
    assert_int_equal(built(&m, &ll_a, &group), ND_EADDR);
}

/* RFC 4861 section 7.1.2 */
static void rules_of_advertisements(void **state)
{
    struct nd_msg m = {.type = ND_NEIGHBOR_ADVERT, .target = global_b, .solicited = true, .router = true};

    (void)state;
    assert_int_equal(built(&m, &ll_a, &ll_b), ND_OK);
    assert_int_equal(built(&m, &ll_a, &all_nodes), ND_EADDR);
    m.solicited = false;
    assert_int_equal(built(&m, &ll_a, &all_nodes), ND_OK);
    m.target = all_nodes;
    assert_int_equal(built(&m, &ll_a, &ll_b), ND_EADDR);
}

/* RFC 4861 sections 6.1.1, 6.1.2, 8.1 */
static void rules_of_routers(void **state)
{
    struct nd_msg rs = {.type = ND_ROUTER_SOLICIT, .has_slla = true}, ra = {.type = ND_ROUTER_ADVERT};
    struct nd_msg rd = {.type = ND_REDIRECT, .target = ll_b, .dest = global_b};

    (void)state;
    assert_int_equal(built(&rs, &ll_a, &all_nodes), ND_OK);
    assert_int_equal(built(&rs, &unspecified, &all_nodes), ND_EADDR);
    assert_int_equal(built(&ra, &ll_a, &all_nodes), ND_OK);
    assert_int_equal(built(&ra, &global_b, &all_nodes), ND_EADDR);
    assert_int_equal(built(&ra, &unspecified, &all_nodes), ND_EADDR);
    assert_int_equal(built(&rd, &ll_a, &ll_b), ND_OK);
    assert_int_equal(built(&rd, &global_b, &ll_b), ND_EADDR);
    rd.target = global_b; /* the destination itself is a neighbour */
    assert_int_equal(built(&rd, &ll_a, &ll_b), ND_OK);
    rd.target.b[15]++;
    assert_int_equal(built(&rd, &ll_a, &ll_b), ND_EADDR);
    rd.target = ll_b;
    rd.dest = all_nodes;
    assert_int_equal(built(&rd, &ll_a, &ll_b), ND_EADDR);
}

static void a_group_link_address_is_refused(void **state)
{
    struct nd_msg m = solicit();

    (void)state;
    m.slla[0] |= 1;
    assert_int_equal(built(&m, &ll_a, &ll_b), ND_EOPTION);
}

static void nonce_and_redirected_packet(void **state)
{
    static const uint8_t packet[24] = {0x60, 1, 2, 3};
    struct nd_msg m = solicit(), g;
    uint8_t b[ND_BUILD_MAX + 64];
    uint32_t len;

    (void)state;
    m.has_nonce = true;
    memcpy(m.nonce, "nonce!", 6);
    len = nd_build(b, &m);
    assert_int_equal(len, 24 + 8 + 8);
    assert_int_equal(parse(b, len, &ll_a, &ll_b, 255, &g), ND_OK);
    assert_true(g.has_nonce);
    assert_memory_equal(g.nonce, "nonce!", 6);

    m = (struct nd_msg){
        .type = ND_REDIRECT, .target = ll_b, .dest = global_b, .has_tlla = true, .redirected = packet, .redirected_len = 27};
    len = nd_build(b, &m);
    assert_int_equal(len, 40 + 8 + 8 + 24);
    assert_int_equal(nd_parse(b, len, &ll_a, &ll_b, 255, &g), ND_OK);
    assert_true(g.has_tlla);
    assert_int_equal(g.redirected_len, 24);
    assert_memory_equal(g.redirected, packet, 24);
}

static void solicited_node_group(void **state)
{
    static const struct inaddr want = {.b = {0xff, 0x02, [11] = 1, 0xff, 0x12, 0x34, 0x56}};
    struct inaddr g = nd_solicited_node(&ll_b);

    (void)state;
    assert_memory_equal(&g, &want, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_solicitation),
        cmocka_unit_test(router_advertisement_round_trip),
        cmocka_unit_test(router_preference),
        cmocka_unit_test(prefix_bits_behind_its_length),
        cmocka_unit_test(more_prefixes_than_there_is_room_for),
        cmocka_unit_test(rules_of_every_message),
        cmocka_unit_test(rules_of_solicitations),
        cmocka_unit_test(rules_of_advertisements),
        cmocka_unit_test(rules_of_routers),
        cmocka_unit_test(a_group_link_address_is_refused),
        cmocka_unit_test(nonce_and_redirected_packet),
        cmocka_unit_test(solicited_node_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
