/* Multicast membership: filters merged (RFC 3376 section 3.2), reports of IGMPv3 and MLDv2 and of the versions before them. */
#include "nd_fixture.h"

#include "ip/mcast_state.h"
#include "wire/igmp.h"

#define GROUP 0xef010203u /* 239.1.2.3 */

static const struct inaddr group6 = {.b = {0xff, 0x15, [15] = 0x07}};

static struct inaddr host(uint8_t n)
{
    return inaddr_v4(0x0a000000u + n);
}

static struct inaddr group4(void)
{
    return inaddr_v4(GROUP);
}

/* The next IGMP message, without its IPv4 header; its length, 0 when there is none. */
static uint32_t igmp_take(uint8_t *p, uint32_t *dst)
{
    struct net_out o;

    if (!net_take(&o))
        return 0;
    assert_int_equal(o.ip.proto, IPPROTO_IGMP_);
    assert_int_equal(o.ip.ttl, 1);
    assert_int_equal(o.ip.hlen, 24); /* router alert */
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.eth.dst[0], 0x01);
    assert_int_equal(cksum_finish(cksum_add(0, o.l4, o.l4_bytes)), 0);
    memcpy(p, o.l4, o.l4_bytes);
    if (dst)
        *dst = o.ip.dst;
    return o.l4_bytes;
}

/* The next frame is a version 3 report with this one record: its type and the last bytes of its sources. */
static void expect_record(uint8_t type, const char *sources)
{
    uint8_t b[1500];
    uint32_t dst, len = igmp_take(b, &dst), n = (uint32_t)strlen(sources);
    unsigned found = 0;

    assert_int_equal(len, 8 + 8 + 4 * n);
    assert_int_equal(dst, IGMP_V3_ROUTERS);
    assert_int_equal(b[0], IGMP_V3_REPORT);
    assert_int_equal(b[7], 1);
    assert_int_equal(b[8], type);
    assert_int_equal(b[11], n);
    assert_memory_equal(b + 12, ((const uint8_t[]){239, 1, 2, 3}), 4);
    for (uint32_t i = 0; i < n; i++)
        found += strchr(sources, 'a' + b[16 + 4 * i + 3]) != NULL;
    assert_int_equal(found, n);
}

static void expect_nothing(void)
{
    assert_int_equal(txq_count(&ND_NIF->txq), 0);
}

static void tick(void)
{
    net_advance(0);
}

/* Sets the filter of a socket: 'I' or 'E', and the sources by letter, a being 10.0.0.0. */
static void set(struct mcast_sub *sub, char mode, const char *sources)
{
    struct inaddr srcs[8] = {0}, g = group4();
    unsigned n = 0;

    for (; sources[n]; n++)
        srcs[n] = host((uint8_t)(sources[n] - 'a'));
    assert_int_equal(mcast_set_filter(S, sub, ND_NIF, &g, mode == 'I' ? MCAST_INCLUDE : MCAST_EXCLUDE, srcs, n), 0);
}

/* What the last change made due is sent twice: at once, and within a second. */
static void expect_twice(uint8_t type, const char *sources)
{
    tick();
    expect_record(type, sources);
    expect_nothing();
    net_advance(NS_PER_SEC);
    expect_record(type, sources);
    net_advance(5 * NS_PER_SEC);
    expect_nothing();
}

static void inject_igmp(uint32_t dst, const uint8_t *p, uint32_t len)
{
    uint8_t b[128];
    struct net_frame f;
    uint16_t sum;

    memcpy(b, p, len);
    b[2] = b[3] = 0;
    sum = cksum_finish(cksum_add(0, b, len));
    memcpy(b + 2, &sum, 2);
    net_frame_ip(&f, NET_PEER, dst, IPPROTO_IGMP_, b, len);
    net_inject_frame(&f);
}

static void query_v3(uint32_t group, uint8_t max_resp, const char *sources)
{
    uint8_t b[64] = {IGMP_QUERY,     max_resp, 0,  0, (uint8_t)(group >> 24), (uint8_t)(group >> 16), (uint8_t)(group >> 8),
                     (uint8_t)group, 2,        125};
    uint32_t n = (uint32_t)strlen(sources);

    b[11] = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++)
        memcpy(b + 12 + 4 * i, ((const uint8_t[]){10, 0, 0, (uint8_t)(sources[i] - 'a')}), 4);
    inject_igmp(group ? group : IGMP_ALL_HOSTS, b, 12 + 4 * n);
}

static void joining_and_leaving(void **state)
{
    struct inaddr g = group4();

    (void)state;
    assert_false(mcast_member(S, ND_NIF, &g));
    assert_int_equal(mcast_join(S, ND_NIF, &g), 0);
    assert_true(mcast_member(S, ND_NIF, &g));
    assert_false(mcast_member(S, &net_nif[1], &g));
    expect_twice(MCAST_CHANGE_TO_EXCLUDE, "");
    assert_int_equal(mcast_join(S, ND_NIF, &g), 0); /* counted */
    assert_int_equal(mcast_leave(S, ND_NIF, &g), 0);
    tick();
    expect_nothing();
    assert_int_equal(mcast_leave(S, ND_NIF, &g), 0);
    assert_false(mcast_member(S, ND_NIF, &g));
    expect_twice(MCAST_CHANGE_TO_INCLUDE, "");
    assert_int_equal(mcast_leave(S, ND_NIF, &g), -EADDRNOTAVAIL);
    assert_null(mcast_find(S, ND_NIF, &g));
}

/* Members receive, others do not. */
static void reception(void **state)
{
    struct mcast_sub sub = {0};
    struct net_frame f;

    (void)state;
    net_frame_udp(&f, NET_PEER, 1, GROUP, 2, "x", 1);
    net_inject_frame(&f);
    assert_int_equal(net_ctr(DROP_IP_NOT_US), 1);
    set(&sub, 'E', "");
    net_inject_frame(&f);
    assert_int_equal(net_ctr(DROP_IP_NOT_US), 1);
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 1);
    mcast_sub_leave(S, &sub);
    net_inject_frame(&f);
    assert_int_equal(net_ctr(DROP_IP_NOT_US), 2);
}

/* RFC 3376 section 5.1: the table of state changes. */
static void changes_of_one_filter(void **state)
{
    struct mcast_sub sub = {0};

    (void)state;
    set(&sub, 'I', "bc");
    expect_twice(MCAST_ALLOW_NEW_SOURCES, "bc");
    set(&sub, 'I', "bcd");
    expect_twice(MCAST_ALLOW_NEW_SOURCES, "d");
    set(&sub, 'I', "cd");
    expect_twice(MCAST_BLOCK_OLD_SOURCES, "b");
    set(&sub, 'E', "e");
    expect_twice(MCAST_CHANGE_TO_EXCLUDE, "e");
    set(&sub, 'E', "ef");
    expect_twice(MCAST_BLOCK_OLD_SOURCES, "f");
    set(&sub, 'E', "f");
    expect_twice(MCAST_ALLOW_NEW_SOURCES, "e");
    set(&sub, 'I', "b");
    expect_twice(MCAST_CHANGE_TO_INCLUDE, "b");
    set(&sub, 'I', "");
    assert_null(sub.group);
    expect_twice(MCAST_BLOCK_OLD_SOURCES, "b");
    assert_int_equal(S->mcast->n_socket_groups, 0);
}

/* A second change before the first was repeated: both are told as often as they must be. */
static void changes_that_overlap(void **state)
{
    struct mcast_sub sub = {0};

    (void)state;
    set(&sub, 'I', "b");
    tick();
    expect_record(MCAST_ALLOW_NEW_SOURCES, "b");
    set(&sub, 'I', "bc");
    tick();
    expect_record(MCAST_ALLOW_NEW_SOURCES, "bc");
    net_advance(NS_PER_SEC);
    expect_record(MCAST_ALLOW_NEW_SOURCES, "c");
    set(&sub, 'E', "");
    set(&sub, 'I', "c"); /* back before anything was said */
    tick();
    expect_record(MCAST_CHANGE_TO_INCLUDE, "c");
    mcast_sub_leave(S, &sub);
    net_advance(2 * NS_PER_SEC);
    net_advance(2 * NS_PER_SEC);
    net_advance(2 * NS_PER_SEC);
    net_discard_tx();
}

static void filter_of_group(char *out)
{
    struct inaddr a = group4();
    const struct mcast_group *g = mcast_find(S, ND_NIF, &a);
    unsigned n = 0;

    out[n++] = g->mode == MCAST_INCLUDE ? 'I' : 'E';
    for (char c = 'a'; c <= 'z'; c++)
        for (unsigned i = 0; i < g->n_srcs; i++)
            if (g->srcs[i].in && g->srcs[i].addr.b[15] == c - 'a')
                out[n++] = c;
    out[n] = '\0';
}

/* Section 3.2, with its examples. */
static void filters_of_several_sockets(void **state)
{
    static const struct {
        const char *sub[3], *merged;
    } rule[] = {
        {{"Ebcde", "Ecdef", NULL}, "Ecde"}, {{"Ebcd", "Ecd", "Ic"}, "Ed"}, {{"Ibc", "Icd", NULL}, "Ibcd"},
        {{"Eb", "Ib", NULL}, "E"},          {{"E", "Eb", NULL}, "E"},      {{"Eb", "Ecd", "If"}, "E"},
        {{"Ibc", "Ede", NULL}, "Ede"},      {{"Ibc", "Ebcd", NULL}, "Ed"}, {{"Ib", "Ib", "Ib"}, "Ib"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rule); i++) {
        struct mcast_sub sub[3] = {0};
        char merged[32];

        for (int k = 0; k < 3 && rule[i].sub[k]; k++)
            set(&sub[k], rule[i].sub[k][0], rule[i].sub[k] + 1);
        filter_of_group(merged);
        assert_string_equal(merged, rule[i].merged);
        for (int k = 0; k < 3; k++)
            mcast_sub_leave(S, &sub[k]);
        for (int k = 0; k < 4; k++)
            net_advance(NS_PER_SEC);
        assert_int_equal(S->mcast->n_socket_groups, 0);
        net_discard_tx();
    }
}

static void what_a_socket_accepts(void **state)
{
    struct inaddr b = host(1), c = host(2);
    struct mcast_sub sub = {0};

    (void)state;
    assert_false(mcast_sub_accepts(&sub, &b));
    set(&sub, 'I', "b");
    assert_true(mcast_sub_accepts(&sub, &b));
    assert_false(mcast_sub_accepts(&sub, &c));
    set(&sub, 'E', "b");
    assert_false(mcast_sub_accepts(&sub, &b));
    assert_true(mcast_sub_accepts(&sub, &c));
    assert_ptr_equal(mcast_sub_netif(S, &sub), ND_NIF);
    mcast_sub_leave(S, &sub);
    mcast_sub_leave(S, &sub);
    assert_null(mcast_sub_group(&sub));
}

/* Joins with this filter and lets everything be said. */
static void settled(struct mcast_sub *sub, char mode, const char *sources)
{
    set(sub, mode, sources);
    for (int i = 0; i < 4; i++)
        net_advance(NS_PER_SEC);
    net_discard_tx();
}

static void general_queries(void **state)
{
    struct mcast_sub sub = {0};

    (void)state;
    settled(&sub, 'E', "bc");
    query_v3(0, 100, "");
    expect_nothing(); /* a random delay, of 10 s at most */
    net_advance(10 * NS_PER_SEC);
    expect_record(MCAST_MODE_IS_EXCLUDE, "bc");
    expect_nothing();
    query_v3(0, 100, "");
    query_v3(0, 100, ""); /* one answer for both */
    net_advance(10 * NS_PER_SEC);
    expect_record(MCAST_MODE_IS_EXCLUDE, "bc");
    expect_nothing();
    mcast_sub_leave(S, &sub);
}

/* Section 5.2: the table of responses. */
static void queries_about_a_group(void **state)
{
    static const struct {
        const char *filter, *asked;
        uint8_t type;
        const char *answer; /* NULL: none */
    } rule[] = {
        {"Ibc", "", MCAST_MODE_IS_INCLUDE, "bc"},  {"Ebc", "", MCAST_MODE_IS_EXCLUDE, "bc"},
        {"Ibc", "cd", MCAST_MODE_IS_INCLUDE, "c"}, {"Ibc", "de", 0, NULL},
        {"Ebc", "cd", MCAST_MODE_IS_INCLUDE, "d"}, {"Ebc", "bc", 0, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rule); i++) {
        struct mcast_sub sub = {0};

        settled(&sub, rule[i].filter[0], rule[i].filter + 1);
        query_v3(GROUP, 10, rule[i].asked);
        net_advance(NS_PER_SEC);
        if (rule[i].answer)
            expect_record(rule[i].type, rule[i].answer);
        expect_nothing();
        query_v3(GROUP + 1, 10, "");
        net_advance(NS_PER_SEC);
        expect_nothing();
        mcast_sub_leave(S, &sub);
        for (int k = 0; k < 4; k++)
            net_advance(NS_PER_SEC);
        net_discard_tx();
    }
}

/* Rules 4 and 5: questions that follow each other have one answer, to all of them. */
static void queries_add_up(void **state)
{
    struct mcast_sub sub = {0};

    (void)state;
    settled(&sub, 'I', "bcde");
    query_v3(GROUP, 10, "bc");
    query_v3(GROUP, 10, "cd");
    net_advance(NS_PER_SEC);
    expect_record(MCAST_MODE_IS_INCLUDE, "bcd");
    expect_nothing();
    query_v3(GROUP, 10, "b");
    query_v3(GROUP, 10, "");
    net_advance(NS_PER_SEC);
    expect_record(MCAST_MODE_IS_INCLUDE, "bcde");
    expect_nothing();
    mcast_sub_leave(S, &sub);
}

static void expect_old(uint8_t type, uint32_t to)
{
    uint8_t b[1500];
    uint32_t dst;

    assert_int_equal(igmp_take(b, &dst), 8);
    assert_int_equal(b[0], type);
    assert_int_equal(dst, to);
    assert_memory_equal(b + 4, ((const uint8_t[]){239, 1, 2, 3}), 4);
}

/* Section 7.2: while an IGMPv2 querier is there, and a while after it. */
static void a_version_2_querier(void **state)
{
    static const uint8_t query[8] = {IGMP_QUERY, 100};
    struct mcast_sub sub = {0};
    uint8_t report[8];

    (void)state;
    settled(&sub, 'I', "b");
    inject_igmp(IGMP_ALL_HOSTS, query, 8);
    net_advance(10 * NS_PER_SEC);
    expect_old(IGMP_V2_REPORT, GROUP);
    expect_nothing();
    inject_igmp(IGMP_ALL_HOSTS, query, 8);
    igmp_build(report, IGMP_V2_REPORT, GROUP); /* another member is faster: ours is not needed */
    inject_igmp(GROUP, report, 8);
    net_advance(10 * NS_PER_SEC);
    expect_nothing();
    mcast_sub_leave(S, &sub);
    expect_old(IGMP_V2_LEAVE, IGMP_ALL_ROUTERS);
    assert_int_equal(S->mcast->n_socket_groups, 0);
    set(&sub, 'E', "");
    expect_old(IGMP_V2_REPORT, GROUP); /* at once, and again within 10 s */
    net_advance(10 * NS_PER_SEC);
    expect_old(IGMP_V2_REPORT, GROUP);
    net_advance(261 * NS_PER_SEC); /* the querier is gone */
    expect_nothing();
    mcast_sub_leave(S, &sub);
    expect_twice(MCAST_CHANGE_TO_INCLUDE, "");
}

static void a_version_1_querier(void **state)
{
    static const uint8_t query[8] = {IGMP_QUERY};
    struct mcast_sub sub = {0};

    (void)state;
    settled(&sub, 'E', "");
    inject_igmp(IGMP_ALL_HOSTS, query, 8);
    net_advance(10 * NS_PER_SEC);
    expect_old(IGMP_V1_REPORT, GROUP);
    mcast_sub_leave(S, &sub);
    expect_nothing(); /* version 1 leaves in silence */
}

static void all_hosts_is_never_reported(void **state)
{
    struct inaddr all = inaddr_v4(IGMP_ALL_HOSTS), zoned = nd_zoned(nd_all_nodes);

    (void)state;
    assert_true(mcast_member(S, ND_NIF, &all));
    assert_true(mcast_member(S, ND_NIF, &nd_all_nodes));
    assert_true(mcast_member(S, ND_NIF, &zoned));
    assert_int_equal(mcast_join(S, ND_NIF, &all), 0);
    assert_int_equal(mcast_join(S, ND_NIF, &nd_all_nodes), 0);
    query_v3(0, 10, "");
    net_advance(NS_PER_SEC);
    net_advance(NS_PER_SEC);
    expect_nothing();
    assert_int_equal(mcast_leave(S, ND_NIF, &all), 0);
    assert_int_equal(mcast_leave(S, ND_NIF, &nd_all_nodes), 0);
    net_advance(2 * NS_PER_SEC);
    net_advance(2 * NS_PER_SEC);
    expect_nothing();
}

static void limits(void **state)
{
    struct inaddr g = group4(), not_a_group = host(1), srcs[65];
    struct mcast_sub sub[18] = {0};

    (void)state;
    assert_int_equal(mcast_join(S, ND_NIF, &not_a_group), -EINVAL);
    for (uint32_t i = 0; i < 65; i++)
        srcs[i] = host((uint8_t)i);
    assert_int_equal(mcast_set_filter(S, &sub[0], ND_NIF, &g, MCAST_INCLUDE, srcs, 65), -ENOBUFS);
    assert_null(sub[0].group);
    assert_int_equal(S->mcast->n_socket_groups, 0);
    for (uint32_t i = 0; i < 17; i++) {
        g = inaddr_v4(GROUP + i);
        assert_int_equal(mcast_set_filter(S, &sub[i], ND_NIF, &g, MCAST_EXCLUDE, NULL, 0), i < 16 ? 0 : -ENOBUFS);
    }
    assert_int_equal(net_ctr(CTR_MCAST_GROUP_LIMIT), 1);
    assert_int_equal(mcast_join(S, ND_NIF, &g), 0); /* the stack's own groups are not refused */
    assert_int_equal(mcast_leave(S, ND_NIF, &g), 0);
    for (uint32_t i = 0; i < 16; i++)
        mcast_sub_leave(S, &sub[i]);
    /* more sources than one filter can have: all are let in */
    g = group4();
    assert_int_equal(mcast_set_filter(S, &sub[0], ND_NIF, &g, MCAST_INCLUDE, srcs, 64), 0);
    assert_int_equal(mcast_set_filter(S, &sub[1], ND_NIF, &g, MCAST_INCLUDE, srcs + 1, 64), 0);
    assert_int_equal(sub[1].group->mode, MCAST_EXCLUDE);
    mcast_sub_leave(S, &sub[0]);
    assert_int_equal(sub[1].group->mode, MCAST_INCLUDE);
    mcast_sub_leave(S, &sub[1]);
    for (int k = 0; k < 4; k++)
        net_advance(NS_PER_SEC);
    assert_int_equal(S->mcast->n_socket_groups, 0);
}

static void bad_igmp(void **state)
{
    uint8_t b[16] = {0x99};

    (void)state;
    inject_igmp(NET_US, b, 8);
    inject_igmp(NET_US, b, 4);
    b[0] = IGMP_QUERY;
    inject_igmp(NET_US, b, 10);
    assert_int_equal(net_ctr(DROP_IGMP_BAD), 3);
    b[0] = IGMP_V3_REPORT; /* for routers */
    inject_igmp(NET_US, b, 16);
    assert_int_equal(net_ctr(DROP_IGMP_BAD), 3);
}

/* RFC 3376 section 9.1: a general query to a group that routers forward; to our own address it counts (section 4.1.12). */
static void general_queries_from_afar(void **state)
{
    static const uint8_t query[8] = {IGMP_QUERY};
    struct mcast_sub sub = {0};

    (void)state;
    settled(&sub, 'E', "");
    inject_igmp(GROUP, query, 8);
    assert_int_equal(net_ctr(DROP_IGMP_BAD), 1);
    net_advance(10 * NS_PER_SEC);
    expect_nothing();
    inject_igmp(NET_US, query, 8);
    net_advance(10 * NS_PER_SEC);
    expect_old(IGMP_V1_REPORT, GROUP);
    mcast_sub_leave(S, &sub);
}

/* MLD: the same engine; what differs is the messages. */

static void expect_mld(uint8_t type, const struct inaddr *dst, uint8_t record)
{
    struct nd_out o;

    assert_true(nd_take(&o));
    assert_true(o.hbh); /* router alert */
    assert_int_equal(o.ip.hop_limit, 1);
    assert_memory_equal(&o.ip.src, &nd_us, 16);
    assert_memory_equal(&o.ip.dst, dst, 16);
    assert_int_equal(o.l4[0], type);
    if (type == MLD_V2_REPORT) {
        assert_int_equal(o.l4[7], 1);
        assert_int_equal(o.l4[8], record);
        assert_memory_equal(o.l4 + 12, group6.b, 16);
    } else {
        assert_memory_equal(o.l4 + 8, group6.b, 16);
    }
}

static void inject_mld_query(uint8_t version, const struct inaddr *src, uint8_t hops, bool alert)
{
    uint8_t b[28] = {MLD_QUERY, 0, 0, 0, 0x03, 0xe8}; /* 1 s */

    memcpy(b + 8, group6.b, 16);
    if (version == 1)
        memset(b + 8, 0, 16);
    nd_inject_icmp6(net_peer_mac, src, version == 1 ? &nd_all_nodes : &group6, hops, alert, b, version == 1 ? 24 : 28);
}

static void mld_version_2(void **state)
{
    static const struct inaddr routers = MLD_V2_ROUTERS;
    struct inaddr g = group6, peer = nd_peer, far = nd_global(9);

    (void)state;
    assert_int_equal(mcast_join(S, ND_NIF, &g), 0);
    tick();
    expect_mld(MLD_V2_REPORT, &routers, MCAST_CHANGE_TO_EXCLUDE);
    net_advance(NS_PER_SEC);
    expect_mld(MLD_V2_REPORT, &routers, MCAST_CHANGE_TO_EXCLUDE);
    expect_nothing();
    inject_mld_query(2, &peer, 1, true);
    net_advance(NS_PER_SEC);
    expect_mld(MLD_V2_REPORT, &routers, MCAST_MODE_IS_EXCLUDE);
    /* RFC 3810 section 6.2: from farther than the link, or without router alert */
    inject_mld_query(2, &peer, 2, true);
    inject_mld_query(2, &peer, 1, false);
    inject_mld_query(2, &far, 1, true);
    assert_int_equal(net_ctr(DROP_MLD_BAD), 3);
    net_advance(NS_PER_SEC);
    expect_nothing();
    assert_int_equal(mcast_leave(S, ND_NIF, &g), 0);
    tick();
    expect_mld(MLD_V2_REPORT, &routers, MCAST_CHANGE_TO_INCLUDE);
    net_advance(NS_PER_SEC);
    expect_mld(MLD_V2_REPORT, &routers, MCAST_CHANGE_TO_INCLUDE);
}

static void mld_version_1(void **state)
{
    static const struct inaddr all_routers = MLD_ALL_ROUTERS;
    struct inaddr peer = nd_peer;
    struct mcast_sub sub = {0};
    unsigned n = 0;
    struct nd_out o;

    (void)state;
    assert_int_equal(mcast_set_filter(S, &sub, ND_NIF, &group6, MCAST_EXCLUDE, NULL, 0), 0);
    net_advance(2 * NS_PER_SEC);
    net_advance(2 * NS_PER_SEC);
    net_discard_tx();
    inject_mld_query(1, &peer, 1, true);
    net_advance(NS_PER_SEC);
    while (nd_take(&o)) { /* this group and the solicited-node ones */
        assert_int_equal(o.l4[0], MLD_V1_REPORT);
        n++;
    }
    assert_int_equal(n, 2);
    mcast_sub_leave(S, &sub);
    expect_mld(MLD_V1_DONE, &all_routers, 0);
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ND_TEST(joining_and_leaving),
        ND_TEST(reception),
        ND_TEST(changes_of_one_filter),
        ND_TEST(changes_that_overlap),
        ND_TEST(filters_of_several_sockets),
        ND_TEST(what_a_socket_accepts),
        ND_TEST(general_queries),
        ND_TEST(queries_about_a_group),
        ND_TEST(queries_add_up),
        ND_TEST(a_version_2_querier),
        ND_TEST(a_version_1_querier),
        ND_TEST(all_hosts_is_never_reported),
        ND_TEST(limits),
        ND_TEST(bad_igmp),
        ND_TEST(general_queries_from_afar),
        ND_TEST(mld_version_2),
        ND_TEST(mld_version_1),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
