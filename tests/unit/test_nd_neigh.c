/* Neighbour solicitations and advertisements, and packets for neighbours (RFC 4861 section 7). */
#include "nd_fixture.h"

/* A packet of len bytes for dst, by the way that transports take. */
static int send_to(struct ip_path *path, struct inaddr dst, const char *text)
{
    struct ip_out o = {.dst = dst, .proto = IPPROTO_UDP_, .ttl = 64};
    struct rte_mbuf *m;
    int err = ip_path_valid(S, path) ? 0 : ip_path_lookup(S, path, NULL, &dst, false);

    if (err)
        return err;
    o.src = path->src;
    m = pkt_alloc_app(S, 8);
    assert_non_null(m);
    memcpy(pkt_data(m), text, 8);
    m->data_len = 8;
    m->pkt_len = 8;
    ip_output(S, path, &o, m);
    return 0;
}

static struct neigh *entry(struct inaddr a)
{
    return neigh_find(S->neigh, 0, &a);
}

static void resolve(struct inaddr a, const uint8_t *mac)
{
    struct nd_msg m = nd_na(a, mac, true, true);

    nd_inject(mac, a, nd_global(1), &m);
}

static void a_packet_waits_for_the_answer(void **state)
{
    struct inaddr group = nd_solicited_node(&(struct inaddr){.b = {[15] = 2}}), peer = nd_global(2);
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(send_to(&path, peer, "packet 1"), 0);
    assert_true(nd_take(&o));
    assert_int_equal(o.msg.type, ND_NEIGHBOR_SOLICIT);
    assert_memory_equal(&o.msg.target, &peer, 16);
    assert_memory_equal(&o.ip.dst, &group, 16);
    assert_memory_equal(o.eth.dst, ((const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 2}), 6);
    assert_int_equal(o.ip.src.b[15], 1); /* the address with the same prefix */
    assert_true(o.msg.has_slla);
    assert_memory_equal(o.msg.slla, net_mac, 6);
    assert_int_equal(o.ip.hop_limit, 255);
    assert_false(nd_take(&o));
    resolve(peer, net_peer_mac);
    assert_true(nd_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_memory_equal(o.l4, "packet 1", 8);
    assert_int_equal(entry(peer)->state, NEIGH_REACHABLE);
    assert_int_equal(send_to(&path, peer, "packet 2"), 0);
    assert_true(nd_take(&o));
    assert_memory_equal(o.l4, "packet 2", 8);
}

static void silence_is_reported(void **state)
{
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(send_to(&path, nd_global(2), "packet 1"), 0);
    for (int i = 0; i < 3; i++) { /* MAX_MULTICAST_SOLICIT */
        assert_true(nd_take_type(&o, ND_NEIGHBOR_SOLICIT));
        assert_false(nd_take(&o));
        net_advance(NS_PER_SEC);
    }
    assert_false(nd_take(&o));
    assert_int_equal(net_ctr(DROP_NEIGH_FAILED), 1);
}

static void a_vanished_neighbour_is_noticed(void **state)
{
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(send_to(&path, nd_global(2), "packet 1"), 0);
    resolve(nd_global(2), net_peer_mac);
    net_discard_tx();
    net_advance(31 * NS_PER_SEC);
    assert_int_equal(send_to(&path, nd_global(2), "packet 2"), 0);
    assert_true(nd_take(&o));
    assert_memory_equal(o.l4, "packet 2", 8);
    assert_false(nd_take(&o)); /* traffic may still prove it */
    net_advance(5 * NS_PER_SEC);
    assert_true(nd_take(&o));
    assert_int_equal(o.msg.type, ND_NEIGHBOR_SOLICIT);
    assert_memory_equal(o.eth.dst, net_peer_mac, 6); /* unicast */
    assert_int_equal(o.ip.dst.b[15], 2);
    net_advance(NS_PER_SEC);
    net_advance(NS_PER_SEC);
    net_discard_tx();
    net_advance(NS_PER_SEC);
    assert_true(nd_take(&o));
    assert_true(eth_is_group(o.eth.dst));
    net_advance(4 * NS_PER_SEC);
    net_advance(4 * NS_PER_SEC);
    net_advance(NS_PER_SEC);
    assert_int_equal(send_to(&path, nd_global(2), "packet 3"), 0);
    assert_int_equal(net_ctr(DROP_NEIGH_FAILED), 1);
}

static void solicitations_are_answered(void **state)
{
    struct inaddr us = nd_global(1), peer = nd_global(2);
    struct nd_msg m = nd_ns(us, net_peer_mac);
    struct nd_out o;

    (void)state;
    nd_inject(net_peer_mac, peer, nd_solicited_node(&us), &m);
    assert_true(nd_take(&o));
    assert_int_equal(o.msg.type, ND_NEIGHBOR_ADVERT);
    assert_true(o.msg.solicited);
    assert_true(o.msg.override);
    assert_false(o.msg.router);
    assert_true(o.msg.has_tlla);
    assert_memory_equal(o.msg.tlla, net_mac, 6);
    assert_memory_equal(&o.msg.target, &us, 16);
    assert_memory_equal(&o.ip.src, &us, 16);
    assert_memory_equal(&o.ip.dst, &peer, 16);
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_int_equal(entry(peer)->state, NEIGH_DELAY); /* heard, not proven (RFC 4861 7.2.3); the answer used it */

    m.has_slla = false; /* a unicast one may come without */
    nd_inject(net_peer_mac, peer, us, &m);
    assert_true(nd_take_type(&o, ND_NEIGHBOR_ADVERT));
}

/* Somebody tests whether the address is free (RFC 4862 section 5.4.4): all must hear the answer, which nobody asked for. */
static void a_test_of_our_address_is_answered_to_all(void **state)
{
    struct inaddr us = nd_global(1);
    struct nd_msg m = nd_ns(us, NULL);
    struct nd_out o;

    (void)state;
    nd_inject(net_peer_mac, nd_any, nd_solicited_node(&us), &m);
    assert_true(nd_take(&o));
    assert_memory_equal(&o.ip.dst, &nd_all_nodes, 16);
    assert_false(o.msg.solicited);
    assert_int_equal(S->neigh->n_used, 0);
}

static void solicitations_for_others(void **state)
{
    struct inaddr other = nd_global(0x77);
    struct nd_msg m = nd_ns(other, net_peer_mac);
    struct nd_out o;

    (void)state;
    nd_inject(net_peer_mac, nd_peer, nd_solicited_node(&other), &m); /* a group that we are not in */
    assert_int_equal(net_ctr(DROP_IP6_NOT_US), 1);
    nd_inject(net_peer_mac, nd_peer, nd_us, &m);
    assert_int_equal(net_ctr(CTR_ND_NOT_US), 1);
    assert_false(nd_take(&o));
    assert_int_equal(S->neigh->n_used, 0);
}

static void answers_are_rate_limited(void **state)
{
    struct inaddr us = nd_global(1);
    struct nd_msg m = nd_ns(us, net_peer_mac);
    unsigned n = 0;
    struct nd_out o;

    (void)state;
    S->conf.nd_reply_rate = 10;
    for (int i = 0; i < 30; i++)
        nd_inject(net_peer_mac, nd_global(2), us, &m);
    while (nd_take(&o))
        n++;
    assert_int_equal(n, 10);
    assert_int_equal(net_ctr(CTR_ND_REPLY_LIMIT), 20);
    net_advance(NS_PER_SEC / 2);
    net_discard_tx();
    nd_inject(net_peer_mac, nd_global(2), us, &m);
    assert_true(nd_take_type(&o, ND_NEIGHBOR_ADVERT));
}

/* The rules themselves are tested in test_neigh.c; here, that messages reach them. */
static void unsolicited_advertisements(void **state)
{
    static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x99};
    struct nd_msg m = nd_na(nd_global(2), other_mac, false, true);
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    nd_inject(other_mac, nd_global(2), nd_all_nodes, &m); /* nobody asked: no entry is made */
    assert_int_equal(S->neigh->n_used, 0);
    assert_int_equal(send_to(&path, nd_global(2), "packet 1"), 0);
    resolve(nd_global(2), net_peer_mac);
    net_discard_tx();
    nd_inject(other_mac, nd_global(2), nd_all_nodes, &m);
    assert_int_equal(entry(nd_global(2))->state, NEIGH_STALE);
    assert_int_equal(send_to(&path, nd_global(2), "packet 2"), 0);
    assert_true(nd_take(&o));
    assert_memory_equal(o.eth.dst, other_mac, 6);
}

static void messages_from_beyond_the_link(void **state)
{
    struct inaddr us = nd_global(1);
    struct nd_msg m = nd_ns(us, net_peer_mac);
    struct nd_out o;

    (void)state;
    nd_inject_hops(net_peer_mac, nd_global(2), us, 254, &m);
    assert_int_equal(net_ctr(DROP_ND_HOPS), 1);
    assert_false(nd_take(&o));
}

/* RFC 6980 section 5: also when the one fragment is the whole message. */
static void fragmented_messages(void **state)
{
    struct ipv6_hdr h = {.hop_limit = 255, .next = IPPROTO_FRAGMENT_, .src = nd_global(2), .dst = nd_global(1)};
    struct nd_msg m = nd_ns(nd_global(1), net_peer_mac);
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    uint8_t b[256] = {0}, *icmp = b + ETH_HLEN + IPV6_HLEN + 8;
    uint32_t len = nd_build(icmp, &m);
    uint16_t sum = cksum_finish(cksum_add(cksum_pseudo_v6(&h.src, &h.dst, IPPROTO_ICMPV6_, len), icmp, len));
    struct nd_out o;

    (void)state;
    memcpy(icmp + 2, &sum, 2);
    memcpy(eh.dst, net_mac, 6);
    memcpy(eh.src, net_peer_mac, 6);
    eth_build(b, &eh);
    h.payload_len = (uint16_t)(8 + len);
    ipv6_build(b + ETH_HLEN, &h);
    b[ETH_HLEN + IPV6_HLEN] = IPPROTO_ICMPV6_;
    net_inject(b, ETH_HLEN + IPV6_HLEN + 8 + len);
    assert_int_equal(net_ctr(DROP_ND_FRAGMENT), 1);
    assert_false(nd_take(&o));
}

static void damaged_messages(void **state)
{
    struct nd_msg m = nd_ns(nd_global(1), net_peer_mac);
    struct inaddr src = nd_global(2), dst = nd_global(1);
    uint8_t b[1400] = {0};
    uint32_t len = nd_build(b, &m);

    (void)state;
    b[len - 7] = 0; /* length of the option */
    nd_inject_icmp6(net_peer_mac, &src, &dst, 255, false, b, len);
    assert_int_equal(net_ctr(DROP_ND_OPTION), 1);
    b[len - 7] = 1;
    nd_inject_icmp6(net_peer_mac, &src, &dst, 255, false, b, sizeof(b)); /* longer than any message */
    assert_int_equal(net_ctr(DROP_ND_SHORT), 1);
    b[1] = 7;
    nd_inject_icmp6(net_peer_mac, &src, &dst, 255, false, b, len);
    assert_int_equal(net_ctr(DROP_ND_CODE), 1);
    assert_int_equal(net_ctr(CTR_ND_RX), 0);
}

static void groups_need_no_neighbour(void **state)
{
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(send_to(&path, nd_zoned(nd_all_nodes), "to all.."), 0);
    assert_true(nd_take(&o));
    assert_memory_equal(o.eth.dst, ((const uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    assert_memory_equal(&o.ip.dst, &nd_all_nodes, 16); /* no zone on the wire */
    assert_int_equal(S->neigh->n_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ND_TEST(a_packet_waits_for_the_answer),
        ND_TEST(silence_is_reported),
        ND_TEST(a_vanished_neighbour_is_noticed),
        ND_TEST(solicitations_are_answered),
        ND_TEST(a_test_of_our_address_is_answered_to_all),
        ND_TEST(solicitations_for_others),
        ND_TEST(answers_are_rate_limited),
        ND_TEST(unsolicited_advertisements),
        ND_TEST(messages_from_beyond_the_link),
        ND_TEST(fragmented_messages),
        ND_TEST(damaged_messages),
        ND_TEST(groups_need_no_neighbour),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
