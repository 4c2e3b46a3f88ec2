/* What a peer, or somebody who forges its packets, or a clock could once do to a connection. */
#include "peer.h"

/* The persist timer's octet was the last one, and its acknowledgement says "no window" again: the next probe was a FIN. */
static void test_probe_of_last_octet(void **state)
{
    (void)state;
    peer(TH_ACK, 0, 0, 0, 0);
    write_bytes(1);
    assert_int_equal(n_payload, 0);
    wait_ms(3000);
    assert_true(n_payload >= 1);
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(tcp_in_flight(T), 0);
    wait_ms(30000);
    assert_int_equal(n_fins, 0);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    peer(TH_ACK, 0, 0, 10000, 0);
    write_bytes(10);
    assert_int_equal(T->snd_nxt, T->iss + 12);
}

/* A FIN that went out as a probe, acknowledged by a peer whose window stays closed: a second FIN followed. */
static void test_probe_after_fin(void **state)
{
    (void)state;
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(tcp_shutdown(W->s, T, SHUT_WR), 0);
    wait_ms(1500);
    assert_true(n_fins >= 1);
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(T->state, TCPS_FIN_WAIT_2);
    n_fins = 0;
    wait_ms(60000);
    assert_int_equal(n_fins, 0);
    assert_int_equal(T->snd_nxt, T->iss + 2);
}

/* An ICMP message with the smallest legal MTU must not stop a connection: such segments could not be built, and were dropped. */
static void test_tiny_path_mtu(void **state)
{
    struct icmp_err e = {.laddr = inaddr_v4(WORLD_US), .raddr = inaddr_v4(WORLD_PEER), .lport = 80, .rport = 5000};

    (void)state;
    write_bytes(3000);
    e.seq = T->snd_una;
    e.kind = ICMP_KIND_TOO_BIG;
    e.err = EMSGSIZE;
    e.info = 68;
    n_payload = 0;
    tcp_icmp_error(W->s, &e);
    wait_ms(1000);
    assert_true(n_payload > 0);
}

/* A segment whose ACK cannot be is dropped, with its timestamp: taken over, that would have shut the real peer out (PAWS). */
static void test_timestamp_of_forged_segment(void **state)
{
    (void)state;
    ts_val = 0x70000000;
    peer(TH_ACK, 0, 100000, 10000, 10);
    assert_int_equal(T->ts_recent, 101);
    ts_val = 102;
    peer(TH_ACK, 0, 0, 10000, 10);
    assert_int_equal(tcp_rcv_avail(T), 10);
}

/*
 * The stack was not called for days, a process that was stopped or a machine that slept: timers that had run out, counted modulo 78 hours,
 * seemed to lie ahead for a day. So they did when the next turn began with a segment that set one anew.
 */
static void test_days_without_a_turn(void **state)
{
    (void)state;
    for (uint64_t hours = 20; hours < 200; hours += 10) {
        peer(TH_ACK, 0, 0, 10000, 0);
        write_bytes(100);
        n_segments = 0;
        if (hours % 20 == 0)
            peer_put(TH_ACK, 0, -100, 9000, 1, 0, 0);
        world_turn(W, hours * 3600 * NS_PER_SEC);
        wait_ms(2000);
        assert_true(n_segments > 0);
        assert_int_equal(T->state, TCPS_ESTABLISHED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEER_TEST(test_probe_of_last_octet),         PEER_TEST(test_probe_after_fin),     PEER_TEST(test_tiny_path_mtu),
        PEER_TEST(test_timestamp_of_forged_segment), PEER_TEST(test_days_without_a_turn),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    world_end();
    return failed;
}
