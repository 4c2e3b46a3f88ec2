/* IGMP (RFC 2236, RFC 3376) and MLD (RFC 2710, RFC 3810) messages. */
#include "unit.h"

#include "wire/cksum.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/mld.h"

static void fix(uint8_t *p, uint32_t len)
{
    uint16_t sum;

    p[2] = p[3] = 0;
    sum = cksum_finish(cksum_add(0, p, len));
    memcpy(p + 2, &sum, 2);
}

/* With the checksum put right, in exactly as much memory. */
static bool igmp_query(const uint8_t *p, uint32_t len, struct mcast_query *q, uint8_t *keep)
{
    uint8_t *c = malloc(len ? len : 1);
    bool ok;

    memcpy(c, p, len);
    if (len >= 4)
        fix(c, len);
    ok = igmp_parse_query(c, len, q);
    if (ok && keep) {
        memcpy(keep, c, len);
        q->wsrcs = keep + (q->wsrcs - c);
    }
    free(c);
    return ok;
}

/* RFC 3376 section 7.1: the version is told by length and Max Resp Code. */
static void igmp_query_versions(void **state)
{
    uint8_t b[20] = {IGMP_QUERY, 0, 0, 0, 0, 0, 0, 0};
    struct mcast_query q;

    (void)state;
    assert_true(igmp_query(b, 8, &q, NULL));
    assert_int_equal(q.version, 1);
    assert_true(q.general);
    assert_int_equal(q.max_resp_ms, 10000);
    b[1] = 25;
    b[4] = 224;
    b[7] = 5;
    assert_true(igmp_query(b, 8, &q, NULL));
    assert_int_equal(q.version, 2);
    assert_false(q.general);
    assert_int_equal(inaddr_to_v4(&q.group), 0xe0000005u);
    assert_int_equal(q.max_resp_ms, 2500);
    for (uint32_t len = 0; len < 12; len++)
        if (len != 8)
            assert_false(igmp_query(b, len, &q, NULL));
    assert_true(igmp_query(b, 12, &q, NULL));
    assert_int_equal(q.version, 3);
    b[4] = 10; /* not a group */
    assert_false(igmp_query(b, 12, &q, NULL));
    assert_false(igmp_query(b, 8, &q, NULL));
    b[4] = 224;
    b[1] = 0; /* group-specific queries came with version 2 */
    assert_false(igmp_query(b, 8, &q, NULL));
}

static void igmp_query_fields(void **state)
{
    uint8_t b[20] = {IGMP_QUERY, 0x8f, 0, 0, 239, 1, 2, 3, 0x0a, 0xff, 0, 2, 10, 0, 0, 1, 10, 0, 0, 2}, keep[20];
    struct mcast_query q;
    struct inaddr a;

    (void)state;
    assert_true(igmp_query(b, 20, &q, keep));
    assert_int_equal(q.max_resp_ms, (0x0f | 0x10) * 8 * 100); /* exponent 0 */
    assert_int_equal(q.qrv, 2);
    assert_int_equal(q.interval_s, 31744); /* the largest there is */
    assert_int_equal(q.n_srcs, 2);
    a = igmp_query_src(&q, 1);
    assert_int_equal(inaddr_to_v4(&a), 0x0a000002u);
    assert_false(igmp_query(b, 19, &q, NULL));
    memset(b + 4, 0, 4); /* a general query has no sources */
    assert_false(igmp_query(b, 20, &q, NULL));
    fix(b, 20);
    b[4] ^= 1;
    assert_false(igmp_parse_query(b, 20, &q));
}

static void igmp_builders(void **state)
{
    const struct inaddr srcs[2] = {inaddr_v4(0x0a000001), inaddr_v4(0x0a000002)};
    struct mcast_record r = {.type = MCAST_ALLOW_NEW_SOURCES, .group = inaddr_v4(0xef010203), .n_srcs = 2, .srcs = srcs};
    static const uint8_t want[] = {5, 0, 0, 2, 0xef, 1, 2, 3, 10, 0, 0, 1, 10, 0, 0, 2};
    uint8_t b[64], type;
    struct ipv4_hdr h;
    uint32_t group;

    (void)state;
    assert_int_equal(igmp_build_record(b + 8, &r), 16);
    assert_memory_equal(b + 8, want, 16);
    igmp_build_report(b, 24, 1);
    assert_int_equal(b[0], IGMP_V3_REPORT);
    assert_int_equal(b[7], 1);
    assert_int_equal(cksum_finish(cksum_add(0, b, 24)), 0);

    igmp_build(b, IGMP_V2_REPORT, 0xef010203);
    assert_true(igmp_parse_report(b, 8, &type, &group));
    assert_int_equal(type, IGMP_V2_REPORT);
    assert_int_equal(group, 0xef010203);
    assert_false(igmp_parse_report(b, 7, &type, &group));
    b[3] ^= 1;
    assert_false(igmp_parse_report(b, 8, &type, &group));
    igmp_build(b, IGMP_QUERY, 0);
    assert_false(igmp_parse_report(b, 8, &type, &group));

    igmp_build_ipv4(b, 0x0a000001, IGMP_V3_ROUTERS, 24);
    assert_int_equal(ipv4_parse(b, 24, 48, false, &h), IPV4_OK);
    assert_int_equal(h.hlen, 24);
    assert_int_equal(h.ttl, 1);
    assert_int_equal(h.tos, 0xc0);
    assert_int_equal(h.proto, IPPROTO_IGMP_);
    assert_int_equal(b[20], 148);
}

static bool mld_query(const uint8_t *p, uint32_t len, struct mcast_query *q)
{
    uint8_t *c = malloc(len ? len : 1);
    bool ok;

    memcpy(c, p, len);
    ok = mld_parse_query(c, len, q);
    if (ok)
        q->wsrcs = p + (q->wsrcs ? q->wsrcs - c : 0);
    free(c);
    return ok;
}

/* RFC 3810 section 8.1 */
static void mld_query_versions(void **state)
{
    uint8_t b[60] = {MLD_QUERY, 0, 0, 0, 0x27, 0x10};
    struct mcast_query q;
    struct inaddr a;

    (void)state;
    assert_true(mld_query(b, 24, &q));
    assert_int_equal(q.version, 1);
    assert_true(q.general);
    assert_int_equal(q.max_resp_ms, 10000);
    for (uint32_t len = 0; len < 28; len++)
        if (len != 24)
            assert_false(mld_query(b, len, &q));
    assert_true(mld_query(b, 28, &q));
    assert_int_equal(q.version, 2);
    b[4] = 0x80; /* mantissa and exponent */
    b[5] = 0;
    assert_true(mld_query(b, 28, &q));
    assert_int_equal(q.max_resp_ms, 0x1000 << 3);
    b[24] = 7;
    b[25] = 125;
    b[27] = 2;
    b[28 + 31] = 9;
    assert_false(mld_query(b, 60, &q)); /* sources without a group */
    b[8] = 0xff;
    b[9] = 5;
    assert_true(mld_query(b, 60, &q));
    assert_int_equal(q.qrv, 7);
    assert_int_equal(q.interval_s, 125);
    assert_int_equal(q.n_srcs, 2);
    a = mld_query_src(&q, 1);
    assert_int_equal(a.b[15], 9);
    assert_false(mld_query(b, 59, &q));
    b[8] = 0x20;
    assert_false(mld_query(b, 60, &q));
    b[8] = 0xff;
    b[1] = 1;
    assert_false(mld_query(b, 60, &q));
}

static void mld_builders(void **state)
{
    struct inaddr group = {.b = {0xff, 0x15, [15] = 7}}, src = {.b = {0x20, 1, [15] = 3}}, g;
    struct mcast_record r = {.type = MCAST_CHANGE_TO_EXCLUDE, .group = group, .n_srcs = 1, .srcs = &src};
    uint8_t b[64], type;

    (void)state;
    mld_build_report(b, 1);
    assert_int_equal(mld_build_record(b + 8, &r), 36);
    assert_int_equal(b[0], MLD_V2_REPORT);
    assert_int_equal(b[7], 1);
    assert_int_equal(b[8], MCAST_CHANGE_TO_EXCLUDE);
    assert_int_equal(b[11], 1);
    assert_memory_equal(b + 12, group.b, 16);
    assert_memory_equal(b + 28, src.b, 16);
    mld_build(b, MLD_V1_DONE, &group);
    assert_true(mld_parse_report(b, 24, &type, &g));
    assert_int_equal(type, MLD_V1_DONE);
    assert_memory_equal(&g, &group, 16);
    assert_false(mld_parse_report(b, 23, &type, &g));
    b[8] = 0;
    assert_false(mld_parse_report(b, 24, &type, &g));
    mld_build_hbh(b);
    assert_int_equal(b[0], 58);
    assert_int_equal(b[1], 0);
    assert_int_equal(b[2], 5); /* router alert, RFC 2711 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(igmp_query_versions), cmocka_unit_test(igmp_query_fields), cmocka_unit_test(igmp_builders),
        cmocka_unit_test(mld_query_versions),  cmocka_unit_test(mld_builders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
