/* Rules of TCP whose breach is easy to overlook, one small test each: scripts/mutate.py breaks every one of them. */
#include "filter.h"
#include "peer.h"

static void test_sack_is_used(void **state)
{
    (void)state;
    write_bytes(6 * 1448);
    n_segments = 0;
    /* the first segment is missing: three others reported (three times, as they arrive) */
    for (uint32_t k = 2; k <= 4; k++)
        peer_sack(TH_ACK, 0, -(int32_t)tcp_in_flight(T), 10000, 0, 1448, k * 1448);
    assert_int_equal(n_segments, 1);
    assert_int_equal(last_seq, T->snd_una);
    assert_int_equal(sent_sacked_bytes(&T->sent), 3 * 1448);
}

static void test_third_duplicate(void **state)
{
    uint64_t before = W->s->ctr.v[CTR_TCP_FAST_RETRANS];

    (void)state;
    write_bytes(5 * 1460);
    n_segments = 0;
    peer(TH_ACK, 0, -5 * 1460, 10000, 0);
    peer(TH_ACK, 0, -5 * 1460, 10000, 0);
    assert_int_equal(n_segments, 0);
    peer(TH_ACK, 0, -5 * 1460, 10000, 0);
    assert_true(n_segments >= 1);
    assert_int_equal(W->s->ctr.v[CTR_TCP_FAST_RETRANS], before + 1);
}

/* The octet at the window's right edge is outside. */
static void test_window_edge(void **state)
{
    uint32_t edge, all;

    (void)state;
    for (int i = 0; i < 200 && T->rcv_adv - T->rcv_nxt > 1000; i++)
        peer(TH_ACK, 0, 0, 10000, MIN(1000u, T->rcv_adv - T->rcv_nxt));
    edge = T->rcv_adv;
    all = (uint32_t)tcp_rcv_avail(T) + (edge - T->rcv_nxt);
    peer(TH_ACK, 0, 0, 10000, edge - T->rcv_nxt + 1);
    assert_true(seq_leq(T->rcv_nxt, T->rcv_adv));
    assert_int_equal(tcp_rcv_avail(T), all);
}

static void test_wrong_checksum(void **state)
{
    (void)state;
    uint8_t f[ETH_HLEN + IPV4_HLEN + TCP_HLEN + 4] = {0};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV4, .src = {2, 0, 0, 0, 0, 2}};
    struct ipv4_hdr ih = {.ttl = 64, .proto = 6, .src = WORLD_PEER, .dst = WORLD_US, .total_len = sizeof(f) - ETH_HLEN};
    struct tcp_hdr h = {.sport = 5000, .dport = 80, .seq = T->rcv_nxt, .ack = T->snd_nxt, .flags = TH_ACK, .wnd = 9, .hlen = TCP_HLEN};

    memcpy(eh.dst, W->port.mac, 6);
    eth_build(f, &eh);
    ipv4_build(f + ETH_HLEN, &ih, true);
    tcp_hdr_build(f + ETH_HLEN + IPV4_HLEN, &h);
    world_fix_cksum(f, sizeof(f), false, true);
    f[sizeof(f) - 1] ^= 1;
    world_frame(W, (struct world_rx){0}, f, sizeof(f));
    world_turn(W, 0);
    assert_int_equal(tcp_rcv_avail(T), 0);
}

static void test_old_timestamp(void **state)
{
    (void)state;
    ts_val = 500;
    peer(TH_ACK, 0, 0, 10000, 1);
    ts_val = 499;
    peer(TH_ACK, 0, 0, 10000, 1);
    assert_int_equal(tcp_rcv_avail(T), 1);
}

static void test_timeout_doubles(void **state)
{
    uint64_t t0;

    (void)state;
    write_bytes(100);
    t0 = tcp_base_rto(W->s, T) / NS_PER_MS;
    n_segments = 0;
    wait_ms((unsigned)(t0 * 8)); /* at 1, 3 and 7 timeouts */
    assert_int_equal(n_segments, 3);
}

static void test_fin_again(void **state)
{
    (void)state;
    assert_int_equal(tcp_shutdown(W->s, T, SHUT_WR), 0);
    wait_ms(1500);
    assert_true(n_fins >= 2);
}

static void test_reset_inside_window(void **state)
{
    (void)state;
    peer(TH_RST, 1, 0, 0, 0);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    peer(TH_RST, 0, 0, 0, 0);
    assert_int_equal(T->state, TCPS_CLOSED);
}

/* One buffer twice in the queue: each frame has a header of its own. */
static void test_shared_buffer(void **state)
{
    struct rte_mbuf *m = pkt_alloc_app(W->s, 1448);

    (void)state;
    assert_non_null(m);
    memset(pkt_data(m), 0, 1448);
    m->data_len = 1448;
    m->pkt_len = 1448;
    pkt_ref(m);
    T->max_frame_bytes = 0; /* each in a frame of its own */
    assert_int_equal(tcp_send_ref(W->s, T, m), 0);
    assert_int_equal(tcp_send_ref(W->s, T, m), 0);
    world_turn(W, 0);
    assert_int_equal(n_segments, 2);
    assert_int_equal(n_payload, 2 * 1448);
    assert_int_equal(prev_seq, T->snd_una);
    assert_int_equal(last_seq, T->snd_una + 1448);
    peer(TH_ACK, 0, 0, 10000, 0);
    assert_int_equal(tcp_in_flight(T), 0);
}

/* What was acknowledged is free at once, not only when the connection ends. */
static void test_acknowledged_is_free(void **state)
{
    uint32_t before = pkt_pools_in_use(&W->s->pools);

    (void)state;
    write_bytes(5000);
    peer(TH_ACK, 0, 0, 10000, 0);
    assert_int_equal(pkt_pools_in_use(&W->s->pools), before);
}

static void test_loan_comes_back(void **state)
{
    struct rte_mbuf *m;

    (void)state;
    peer(TH_ACK, 0, 0, 10000, 100);
    assert_int_equal(tcp_recv_ref(W->s, T, 1000, &m), 100);
    assert_true(T->loan_bytes > 0 && W->s->tcp.loan_bytes == T->loan_bytes);
    tcp_loan_return(W->s, m);
    pkt_unref(m);
    assert_int_equal(T->loan_bytes, 0);
    assert_int_equal(W->s->tcp.loan_bytes, 0);
}

static int setup_plain(void **state)
{
    ts_on = false;
    return setup(state);
}

static int setup_sack(void **state)
{
    ts_on = sack_on = true;
    return setup(state);
}

static int end(void **state)
{
    ts_on = true;
    sack_on = false;
    return teardown(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sack_is_used, setup_sack, end),
        cmocka_unit_test_setup_teardown(test_third_duplicate, setup_plain, end),
        cmocka_unit_test_setup_teardown(test_wrong_checksum, setup_plain, end),
        PEER_TEST(test_window_edge),
        PEER_TEST(test_old_timestamp),
        PEER_TEST(test_timeout_doubles),
        PEER_TEST(test_fin_again),
        PEER_TEST(test_reset_inside_window),
        PEER_TEST(test_shared_buffer),
        PEER_TEST(test_acknowledged_is_free),
        PEER_TEST(test_loan_comes_back),
    };
    int failed;

    if (argc > 1 && !filter_tests(argv[1], tests, ARRAY_LEN(tests)))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed == 0)
        world_end();
    return failed;
}
