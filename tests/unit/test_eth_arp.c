#include "net_fixture.h"

static void send_to(struct ip_path *path, uint32_t dst, const char *what)
{
    assert_int_equal(net_send(path, dst, 253, what, (uint32_t)strlen(what), true), 0);
}

static void assert_request(const struct net_out *o, uint32_t tpa, const uint8_t dst[6])
{
    assert_int_equal(o->eth.type, ETH_TYPE_ARP);
    assert_memory_equal(o->eth.dst, dst, 6);
    assert_memory_equal(o->eth.src, net_mac, 6);
    assert_int_equal(o->arp.op, ARP_REQUEST);
    assert_memory_equal(o->arp.sha, net_mac, 6);
    assert_int_equal(o->arp.spa, NET_US);
    assert_int_equal(o->arp.tpa, tpa);
}

static void frames_that_are_not_for_us(void **state)
{
    static const uint8_t other[6] = {2, 9, 9, 9, 9, 9};
    uint8_t b[60] = {0};
    struct eth_hdr h = {.type = ETH_TYPE_ARP};

    (void)state;
    net_inject(b, 1);
    net_inject(b, 13);
    assert_int_equal(net_ctr(DROP_ETH_SHORT), 2);
    memcpy(h.dst, other, 6);
    memcpy(h.src, net_peer_mac, 6);
    eth_build(b, &h);
    net_inject(b, sizeof(b));
    assert_int_equal(net_ctr(DROP_ETH_DST), 1);
    memcpy(h.dst, net_mac, 6);
    memcpy(h.src, net_mac, 6); /* our own frame came back */
    eth_build(b, &h);
    net_inject(b, sizeof(b));
    memcpy(h.src, net_bcast_mac, 6);
    eth_build(b, &h);
    net_inject(b, sizeof(b));
    assert_int_equal(net_ctr(DROP_ETH_SRC), 2);
    memcpy(h.src, net_peer_mac, 6);
    h.type = 0x88a8; /* of provider bridges */
    eth_build(b, &h);
    net_inject(b, sizeof(b));
    net_inject(b, 14);
    assert_int_equal(net_ctr(DROP_ETH_TYPE), 2);
}

static void a_header_over_two_buffers(void **state)
{
    uint8_t b[60] = {0};
    struct eth_hdr h = {.type = ETH_TYPE_ARP};
    struct arp_pkt a = {.op = ARP_REQUEST, .spa = NET_PEER, .tpa = NET_US};
    struct net_out o;

    (void)state;
    memcpy(h.dst, net_bcast_mac, 6);
    memcpy(h.src, net_peer_mac, 6);
    memcpy(a.sha, net_peer_mac, 6);
    eth_build(b, &h);
    arp_build(b + ETH_HLEN, &a);
    for (uint32_t split = 1; split < 42; split++) {
        net_inject_split(b, sizeof(b), split);
        assert_true(net_take(&o));
        assert_int_equal(o.arp.op, ARP_REPLY);
    }
}

static void requests_for_our_address_are_answered(void **state)
{
    struct net_out o;

    (void)state;
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_memory_equal(o.eth.src, net_mac, 6);
    assert_int_equal(o.eth.type, ETH_TYPE_ARP);
    assert_int_equal(o.arp.op, ARP_REPLY);
    assert_int_equal(o.arp.spa, NET_US);
    assert_int_equal(o.arp.tpa, NET_PEER);
    assert_memory_equal(o.arp.sha, net_mac, 6);
    assert_memory_equal(o.arp.tha, net_peer_mac, 6);
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(CTR_ARP_REPLY_TX), 1);

    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US + 9);
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(DROP_ARP_NOT_US), 1);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US1); /* an address of another interface */
    assert_false(net_take(&o));
}

static void a_probe_is_answered_and_not_learned(void **state)
{
    struct net_out o;

    (void)state;
    net_inject_arp(ARP_REQUEST, net_peer_mac, 0, NET_US);
    assert_true(net_take(&o));
    assert_int_equal(o.arp.op, ARP_REPLY);
    assert_int_equal(o.arp.tpa, 0);
    assert_int_equal(S->neigh->n_used, 0);
}

static void malformed_arp(void **state)
{
    struct eth_hdr h = {.type = ETH_TYPE_ARP};
    struct arp_pkt a = {.op = ARP_REQUEST, .spa = NET_PEER, .tpa = NET_US};
    uint8_t b[ETH_HLEN + ARP_LEN];

    (void)state;
    memcpy(h.dst, net_mac, 6);
    memcpy(h.src, net_peer_mac, 6);
    memcpy(a.sha, net_peer_mac, 6);
    eth_build(b, &h);
    arp_build(b + ETH_HLEN, &a);
    for (uint32_t len = ETH_HLEN; len < sizeof(b); len++)
        net_inject(b, len);
    assert_int_equal(net_ctr(DROP_ARP_BAD), ARP_LEN);
    for (uint32_t i = 0; i < 8; i++) { /* hardware and protocol types, lengths, operation */
        b[ETH_HLEN + i] ^= 0x40;
        net_inject(b, sizeof(b));
        b[ETH_HLEN + i] ^= 0x40;
    }
    assert_int_equal(net_ctr(DROP_ARP_BAD), ARP_LEN + 8);
    net_inject_arp_full(net_mac, net_peer_mac, ARP_REQUEST, net_bcast_mac, NET_PEER, NET_US);
    net_inject_arp_full(net_mac, net_peer_mac, ARP_REQUEST, (const uint8_t[6]){0}, NET_PEER, NET_US);
    net_inject_arp_full(net_mac, net_peer_mac, ARP_REQUEST, net_mac, NET_PEER, NET_US);
    assert_int_equal(net_ctr(DROP_ARP_BAD), ARP_LEN + 11);
    assert_int_equal(S->neigh->n_used, 0);
    assert_int_equal(txq_count(&net_nif[0].txq), 0);
}

static void packets_wait_for_the_answer(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    send_to(&path, NET_PEER, "one");
    send_to(&path, NET_PEER, "two");
    assert_true(net_take(&o));
    assert_request(&o, NET_PEER, net_bcast_mac);
    assert_false(net_take(&o));
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_int_equal(o.eth.type, ETH_TYPE_IPV4);
    assert_memory_equal(o.l4, "one", 3);
    assert_true(net_take(&o));
    assert_memory_equal(o.l4, "two", 3);
    assert_false(net_take(&o));
    send_to(&path, NET_PEER, "three");
    assert_true(net_take(&o));
    assert_memory_equal(o.l4, "three", 5);
    assert_int_equal(net_ctr(CTR_ARP_REQUEST_TX), 1);
    send_to(&path, NET_PEER, "left in the queue"); /* freed by the teardown */
}

static void the_queue_is_bounded(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    for (int i = 0; i < 5; i++)
        send_to(&path, NET_PEER, (const char *[]){"0", "1", "2", "3", "4"}[i]);
    assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), 2);
    net_discard_tx();
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    for (int i = 2; i < 5; i++) {
        assert_true(net_take(&o));
        assert_int_equal(o.l4[0], '0' + i);
    }
    assert_false(net_take(&o));
}

static void silence_is_reported_upward(void **state)
{
    static const uint8_t tcp[20] = {0x12, 0x34, 0x00, 0x50, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0, 0x50, 0x02};
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    assert_int_equal(net_send(&path, NET_PEER, IPPROTO_TCP_, tcp, sizeof(tcp), true), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(net_take(&o));
        assert_request(&o, NET_PEER, net_bcast_mac);
        assert_false(net_take(&o));
        assert_int_equal(net_seen.tcp_errors, 0);
        net_advance(NS_PER_SEC);
    }
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(DROP_NEIGH_FAILED), 1);
    assert_int_equal(net_seen.tcp_errors, 1);
    assert_int_equal(net_seen.err.err, EHOSTUNREACH);
    assert_int_equal(net_seen.err.lport, 0x1234);
    assert_int_equal(net_seen.err.rport, 80);
    assert_int_equal(net_seen.err.seq, 0xaabbccddu);
    assert_int_equal(inaddr_to_v4(&net_seen.err.laddr), NET_US);
    assert_int_equal(inaddr_to_v4(&net_seen.err.raddr), NET_PEER);
    /* held: the next packets do not ask */
    send_to(&path, NET_PEER, "x");
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(DROP_NEIGH_FAILED), 2);
    net_advance(3 * NS_PER_SEC);
    send_to(&path, NET_PEER, "x");
    assert_true(net_take(&o));
    assert_request(&o, NET_PEER, net_bcast_mac);
}

static void send_to_a_new_neighbour(void)
{
    struct ip_path path = {0};

    send_to(&path, 0x0a000080u + net_seen.tcp_errors, "x");
}

/* What a transport does about the error takes the entry that failed, while packets of it are still to be reported. */
static void a_failed_entry_is_recycled_meanwhile(void **state)
{
    static const uint8_t tcp[20];
    struct ip_path path = {0};

    (void)state;
    for (uint32_t i = 10; i < 17; i++)
        net_inject_arp(ARP_REQUEST, (const uint8_t[6]){2, 1, 1, 1, 1, (uint8_t)i}, 0x0a000000u + i, NET_US);
    for (int i = 0; i < 3; i++)
        assert_int_equal(net_send(&path, NET_PEER, IPPROTO_TCP_, tcp, sizeof(tcp), true), 0);
    assert_int_equal(S->neigh->n_used, 8);
    net_on_tcp_error = send_to_a_new_neighbour;
    for (int i = 0; i < 3; i++)
        net_advance(NS_PER_SEC);
    assert_int_equal(net_seen.tcp_errors, 3);
    assert_int_equal(net_ctr(DROP_NEIGH_FAILED), 3);
    assert_int_equal(S->neigh->n_used, 8);
}

static void a_stale_neighbour_is_asked_by_unicast(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    net_resolve();
    send_to(&path, NET_PEER, "a");
    net_discard_tx();
    net_advance(31 * NS_PER_SEC);
    send_to(&path, NET_PEER, "b");
    assert_true(net_take(&o));
    assert_request(&o, NET_PEER, net_peer_mac);
    assert_true(net_take(&o));
    assert_memory_equal(o.l4, "b", 1);
    net_advance(NS_PER_SEC);
    assert_true(net_take(&o));
    assert_request(&o, NET_PEER, net_peer_mac);
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    net_advance(5 * NS_PER_SEC);
    assert_false(net_take(&o));
}

static void a_changed_link_address_is_followed(void **state)
{
    static const uint8_t moved[6] = {2, 7, 7, 7, 7, 7};
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    net_resolve();
    send_to(&path, NET_PEER, "a");
    net_discard_tx();
    net_inject_arp(ARP_REQUEST, moved, NET_PEER, NET_PEER); /* gratuitous */
    send_to(&path, NET_PEER, "b");
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, moved, 6);
}

static void claims_nobody_asked_for_make_no_entries(void **state)
{
    (void)state;
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_PEER);
    net_inject_arp(ARP_REQUEST, net_peer_mac, 0x14000001u, NET_US); /* not of this subnet */
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_BCAST, NET_US);   /* not an address of a host */
    net_inject_arp(ARP_REQUEST, net_peer_mac, 0x7f000001u, NET_US);
    assert_int_equal(S->neigh->n_used, 0);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US);
    assert_int_equal(S->neigh->n_used, 1);
}

static void a_flood_of_requests_leaves_neighbours_in_use_alone(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    net_resolve();
    send_to(&path, NET_PEER, "a");
    for (uint32_t i = 10; i < 200; i++) {
        net_inject_arp(ARP_REQUEST, (const uint8_t[6]){2, 1, 1, 1, 1, (uint8_t)i}, 0x0a000000u + i, NET_US);
        net_discard_tx();
    }
    assert_int_equal(S->neigh->n_used, 8);
    send_to(&path, NET_PEER, "b");
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_memory_equal(o.l4, "b", 1);
}

/* RFC 5227 section 2.4 c: we keep the address and say so; again when there was peace for ten seconds. */
static void conflicts_are_counted_and_defended(void **state)
{
    struct net_out o;

    (void)state;
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_US, NET_US);
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_US, NET_US);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_US, NET_PEER);
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 3);
    assert_int_equal(S->neigh->n_used, 0);
    assert_int_equal(net_nif[0].arp_conflict, NET_US);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_bcast_mac, 6);
    assert_int_equal(o.arp.op, ARP_REQUEST);
    assert_int_equal(o.arp.spa, NET_US);
    assert_int_equal(o.arp.tpa, NET_US);
    assert_memory_equal(o.arp.sha, net_mac, 6);
    assert_false(net_take(&o));
    net_advance(10 * NS_PER_SEC);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_US, NET_US);
    assert_true(net_take(&o));
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(CTR_ARP_DEFENCE), 2);
    net_inject_arp(ARP_REQUEST, net_mac, NET_US, NET_US); /* our own, come back: no conflict */
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 4);
}

static void replies_are_rate_limited(void **state)
{
    unsigned n = 0;
    struct net_out o;

    (void)state;
    S->conf.arp_reply_rate = 5;
    for (int i = 0; i < 20; i++)
        net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US);
    while (net_take(&o))
        n++;
    assert_int_equal(n, 5);
    assert_int_equal(net_ctr(CTR_ARP_REPLY_LIMIT), 15);
    net_advance(NS_PER_SEC);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US);
    assert_true(net_take(&o));
}

static void a_new_address_is_announced(void **state)
{
    struct net_out o;

    (void)state;
    assert_int_equal(ip_add_addr(S, &net_nif[0], NET_US + 40, 0xffffff00u, 0), 0);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_bcast_mac, 6);
    assert_int_equal(o.arp.op, ARP_REQUEST);
    assert_int_equal(o.arp.spa, NET_US + 40);
    assert_int_equal(o.arp.tpa, NET_US + 40);
    assert_memory_equal(o.arp.sha, net_mac, 6);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US + 40);
    assert_true(net_take(&o));
    assert_int_equal(o.arp.spa, NET_US + 40);
}

static void a_full_table_drops(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        struct ip_path path = {0};

        send_to(&path, 0x0a000064u + i, "x");
    }
    assert_int_equal(net_ctr(DROP_NEIGH_FULL), 2);
    assert_int_equal(S->neigh->n_used, 4);
}

static void a_full_transmit_queue_drops(void **state)
{
    struct ip_path path = {0};

    (void)state;
    net_resolve();
    send_to(&path, NET_PEER, "x");
    net_nif[0].txq.tail += TXQ_SLOTS - 1; /* as if */
    send_to(&path, NET_PEER, "x");
    assert_int_equal(net_ctr(DROP_TXQ_FULL), 1);
    net_nif[0].txq.tail -= TXQ_SLOTS - 1;
}

static void no_buffer_for_a_request(void **state)
{
    struct rte_mbuf *all[512];
    struct ip_path path = {0};
    struct net_out o;
    unsigned n = 0;

    (void)state;
    send_to(&path, NET_PEER, "x");
    net_discard_tx();
    while (n < 512 && (all[n] = rte_pktmbuf_alloc(net_pools.hdr)))
        n++;
    net_advance(NS_PER_SEC);
    assert_false(net_take(&o));
    while (n > 0)
        rte_pktmbuf_free(all[--n]);
    net_advance(NS_PER_SEC); /* the next try */
    assert_true(net_take(&o));
    assert_request(&o, NET_PEER, net_bcast_mac);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(frames_that_are_not_for_us),
        NET_TEST(a_header_over_two_buffers),
        NET_TEST(requests_for_our_address_are_answered),
        NET_TEST(a_probe_is_answered_and_not_learned),
        NET_TEST(malformed_arp),
        NET_TEST(packets_wait_for_the_answer),
        NET_TEST(the_queue_is_bounded),
        NET_TEST(silence_is_reported_upward),
        NET_TEST(a_failed_entry_is_recycled_meanwhile),
        NET_TEST(a_stale_neighbour_is_asked_by_unicast),
        NET_TEST(a_changed_link_address_is_followed),
        NET_TEST(claims_nobody_asked_for_make_no_entries),
        NET_TEST(a_flood_of_requests_leaves_neighbours_in_use_alone),
        NET_TEST(conflicts_are_counted_and_defended),
        NET_TEST(replies_are_rate_limited),
        NET_TEST(a_new_address_is_announced),
        NET_TEST(a_full_table_drops),
        NET_TEST(a_full_transmit_queue_drops),
        NET_TEST(no_buffer_for_a_request),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
