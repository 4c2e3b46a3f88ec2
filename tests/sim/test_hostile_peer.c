/*
 * One peer per test that does what no peer should: memory stays within its limits, time is bounded, and what can still be right is.
 * The peer is a test's hand (tests/regress/peer.h); tests/sim/test_pressure.c has the same between two stacks.
 */
#include "peer.h"

#include <time.h>

#include "base/rng.h"

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A segment, and a turn for some of them. */
static void burst(uint8_t flags, int32_t seq, int32_t ack, uint16_t wnd, uint32_t len)
{
    peer_put(flags, seq, ack, wnd, len, 0, 0);
    if (W->n_rx >= 32)
        world_turn(W, 10 * NS_PER_US);
}

static uint32_t held(void)
{
    return T->rcvq.charged_bytes + reass_charged_bytes(&T->reass);
}

/* Bytes that can be read, all of them. */
static uint32_t read_all(void)
{
    static uint8_t buf[4096];
    struct iovec iov = {buf, sizeof(buf)};
    uint32_t n = 0;
    ssize_t got;

    while ((got = tcp_recv_copy(W->s, T, &iov, 1, 0)) > 0)
        n += (uint32_t)got;
    return n;
}

/* Sends on after the window is closed; nobody reads. */
static void floods_a_closed_window(void **state)
{
    uint32_t base = T->rcv_nxt, worst = 0, edge;

    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        peer(TH_ACK, 0, 0, 10000, 1460);
        worst = MAX(worst, held());
    }
    edge = T->rcv_adv;
    assert_true(worst <= 3 * T->rcvbuf_bytes);
    assert_int_equal(T->rcv_nxt, edge);
    assert_int_equal(read_all(), edge - base);
    world_turn(W, NS_PER_MS);        /* the window opens */
    peer(TH_ACK, 0, 0, 10000, 1000); /* and it goes on where it stopped */
    assert_int_equal(read_all(), 1000);
}

/* Acknowledges nothing at all: the queue has an end, and so has the patience. */
static void never_acknowledges(void **state)
{
    static uint8_t zeros[100000];
    struct iovec iov = {zeros, sizeof(zeros)};
    uint64_t start = W->s->now_ns, total = 0;
    ssize_t n;

    (void)state;
    while ((n = tcp_send_copy(W->s, T, &iov, 1, 0)) > 0)
        total += (uint64_t)n;
    assert_int_equal(n, -EAGAIN);
    assert_true(T->sndq.charged_bytes <= T->sndbuf_bytes + 4096 && total > 50000);
    while (T->state != TCPS_CLOSED && W->s->now_ns - start < 3600 * NS_PER_SEC)
        world_turn(W, NS_PER_SEC);
    assert_int_equal(T->state, TCPS_CLOSED);
    assert_int_equal(tcp_take_error(T), ETIMEDOUT);
    assert_true(W->s->now_ns - start >= 100 * NS_PER_SEC); /* SHLD-11 */
    assert_int_equal(T->sndq.n, 0);
}

/* Takes its window back while data is in flight, closes it, opens it: nothing is lost, nothing new goes where it may not. */
static void shrinks_its_window(void **state)
{
    uint32_t una;

    (void)state;
    write_bytes(60000);
    peer(TH_ACK, 0, -(int32_t)tcp_in_flight(T), 100, 0);
    n_payload = 0;
    for (unsigned i = 0; i < 200; i++) {
        peer(TH_ACK, 0, -(int32_t)tcp_in_flight(T), (uint16_t)(i % 3 * 50), 0);
        assert_true(tcp_in_flight(T) <= 10000 + 1);
    }
    wait_ms(30000);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    for (unsigned i = 0; i < 2000 && T->snd_una != T->sndq.end_seq; i++) {
        una = T->snd_una;
        peer(TH_ACK, 0, 0, 10000, 0);
        if (una == T->snd_una)
            wait_ms(100);
    }
    assert_int_equal(T->snd_una, T->sndq.end_seq);
    assert_int_equal(T->snd_una - T->iss - 1, 60000);
}

/* Acknowledges what was never sent (RFC 5961 5.2): answered within the limit, and nothing is believed. */
static void acknowledges_the_future(void **state)
{
    uint32_t una, nxt;
    uint64_t before;

    (void)state;
    write_bytes(3000);
    una = T->snd_una;
    nxt = T->snd_nxt;
    before = W->s->ctr.v[CTR_TCP_CHALLENGE];
    for (int32_t i = 0; i < 1000; i++)
        burst(TH_ACK, 0, 1 + i * 2000000, 60000, 100);
    assert_int_equal(T->snd_una, una);
    assert_int_equal(T->snd_nxt, nxt);
    assert_int_equal(T->rcvq.bytes, 0); /* the text that came with it is not believed either */
    assert_true(W->s->ctr.v[CTR_TCP_CHALLENGE] - before <= W->s->conf.challenge_ack_rate + 1);
    peer(TH_ACK, 0, 0, 10000, 0);
    assert_int_equal(T->snd_una, nxt);
}

/* A FIN far behind a hole, then others elsewhere: the end of file is after the bytes that belong before it. */
static void fin_in_a_hole(void **state)
{
    (void)state;
    peer(TH_ACK | TH_FIN, 5000, 0, 10000, 0);
    peer(TH_ACK | TH_FIN, 7000, 0, 10000, 0);
    peer(TH_ACK | TH_FIN, 3000, 0, 10000, 0);
    assert_false(tcp_rcv_eof(T));
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    for (unsigned i = 0; i < 4; i++)
        peer(TH_ACK, 0, 0, 10000, 1000);
    assert_int_equal(read_all(), 4000);
    assert_false(tcp_rcv_eof(T));
    peer(TH_ACK, 0, 0, 10000, 1000);
    assert_int_equal(read_all(), 1000);
    assert_true(tcp_rcv_eof(T));
    assert_int_equal(T->state, TCPS_CLOSE_WAIT);
    peer(TH_ACK, 0, 0, 10000, 1000); /* text behind the end */
    assert_int_equal(read_all(), 0);
}

/* Segments that overlap in every way, most of them received before: in the end every byte is there once. */
static void overlaps(void **state)
{
    uint32_t base = T->rcv_nxt, worst = 0, end = 30000, total = 0;
    struct rng r;

    (void)state;
    rng_seed(&r, 1);
    for (unsigned i = 0; i < 8000 || T->rcv_nxt != base + end; i++) {
        uint32_t at = rng_below(&r, end), len = MIN(1 + rng_below(&r, 1460), end - at);

        if (i > 6000) { /* in order, so that it ends */
            at = T->rcv_nxt - base;
            len = MIN(500u, end - at);
        }
        peer(TH_ACK, (int32_t)(base + at - T->rcv_nxt), 0, 10000, len);
        worst = MAX(worst, held());
        if (i % 100 == 0)
            total += read_all();
    }
    assert_true(worst <= 3 * T->rcvbuf_bytes);
    assert_int_equal(total + read_all(), end);
    assert_int_equal(reass_blocks(&T->reass), 0);
}

/* A million segments of one byte with holes between them: bounded memory, and each costs little however many there were. */
static void million_tiny_segments(void **state)
{
    uint32_t worst = 0;
    struct rng r;
    double start = seconds();

    (void)state;
    rng_seed(&r, 2);
    for (unsigned i = 0; i < 1000000; i++) {
        burst(TH_ACK, (int32_t)(1 + 2 * rng_below(&r, 20000)), 0, 10000, 1);
        worst = MAX(worst, held());
    }
    start = seconds() - start;
    print_message("a million tiny segments: %.2f s, at most %u bytes\n", start, worst);
    assert_true(worst <= 2 * T->rcvbuf_bytes);
    assert_true(reass_blocks(&T->reass) > 0 && reass_blocks(&T->reass) <= W->s->conf.reass_blocks);
    assert_true(start < 60);
    assert_int_equal(read_all(), 0);
    for (unsigned i = 0; i < 40; i++) /* the text itself, in order */
        peer(TH_ACK, 0, 0, 10000, 1000);
    assert_true(read_all() >= 40000);
    assert_int_equal(reass_blocks(&T->reass), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEER_TEST(floods_a_closed_window),  PEER_TEST(never_acknowledges), PEER_TEST(shrinks_its_window),
        PEER_TEST(acknowledges_the_future), PEER_TEST(fin_in_a_hole),      PEER_TEST(overlaps),
        PEER_TEST(million_tiny_segments),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    world_end();
    return failed;
}
