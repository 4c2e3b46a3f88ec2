/*
 * The sender: RFC 6298 (timer), RFC 5681 and 6582 (congestion control), RFC 2018 and 6675 (SACK), RFC 3042, RFC 6928. Segments of 1000
 * bytes, so that numbers can be read.
 */
#include "script.h"

/* n full segments from seq on; the last one with PSH when the queue ends there. */
static void full(uint32_t seq, int n, bool push)
{
    for (int i = 0; i < n; i++)
        out(push && i == n - 1 ? "PA" : "A", seq + (uint32_t)i * 1000, 1, 1000);
}

/* Retransmission timer: RFC 6298 ---------------------------------------------------------------------------------------- */

/* 5.5: the timer doubles; R2 (MUST-20): then a reset and ETIMEDOUT (MUST-12). */
TEST(rto_gaps_double_until_r2)
{
    static const uint64_t gap[15] = {200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 102400, 120000, 120000, 120000, 120000, 120000};
    int c = passive();

    snd(c, 100);
    out("PA", 1, 1, 100);
    for (int i = 0; i < 15; i++) {
        after_ms(gap[i]);
        out("PA", 1, 1, 100);
    }
    after_ms(120000);
    out("RA", 101, 1);
    state_is(TCPS_CLOSED);
    check_eq(polls(c) & SOCK_ERR, SOCK_ERR);
    so_error(c, ETIMEDOUT);
    rcv(c, 0);
}

/* 5.3: an ACK of new data restarts the timer. */
TEST(rto_restarts_on_new_ack)
{
    int c = passive(.mss = 1000);

    snd(c, 5000);
    full(1, 5, true);
    quiet_ms(150);
    in("A", 1, 1001);
    after_ms(200);
    out("A", 1001, 1, 1000);
}

/* RFC 7765: from when the oldest segment was sent, if duplicate ACKs cannot come and nothing more will be sent. */
TEST(rto_restart_counts_the_time_of_a_short_flight)
{
    int c = passive(.mss = 1000);

    snd(c, 4000);
    full(1, 4, true);
    quiet_ms(150);
    in("A", 1, 1001);
    after_ms(50);
    out("A", 1001, 1, 1000);
}

/* 5.2: when all is acknowledged it stops. 5.1: it starts with the next data. */
TEST(rto_stops_when_all_is_acknowledged)
{
    int c = passive();

    snd(c, 10);
    out("PA", 1, 1, 10);
    in("A", 1, 11);
    quiet_ms(100000);
    snd(c, 10);
    out("PA", 11, 1, 10);
    after_ms(200);
    out("PA", 11, 1, 10);
}

/* 2.2: the first sample R: SRTT = R, RTTVAR = R/2, RTO = 3R. */
TEST(rto_follows_the_first_sample)
{
    int c;

    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    quiet_ms(300);
    in("A", 1, 1);
    c = acc(0);
    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(900);
    out("PA", 1, 1, 10);
}

/* MUST-18, Karn: an ACK of a retransmitted segment is no sample. */
TEST(karn_ignores_retransmitted_segments)
{
    int c = passive();
    uint64_t before = rtt_srtt_ns(&tconn(c)->rtt);

    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(200);
    out("PA", 1, 1, 10);
    quiet_ms(300);
    in("A", 1, 11);
    check_eq(rtt_srtt_ns(&tconn(c)->rtt), before);
}

/* RFC 7323: with timestamps it is one. */
TEST(timestamps_sample_retransmitted_segments)
{
    int c = passive(.ts = true);
    uint64_t before = rtt_srtt_ns(&tconn(c)->rtt);

    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(200);
    out("PA", 1, 1, 10);
    quiet_ms(300);
    in("A", 1, 11);
    check(rtt_srtt_ns(&tconn(c)->rtt) > before);
}

/* 5.4: only the earliest segment; slow start from one segment (RFC 5681 3.1). */
TEST(rto_retransmits_one_segment_and_slow_starts)
{
    int c = passive(.mss = 1000);

    snd(c, 10000);
    full(1, 10, true);
    after_ms(200);
    out("A", 1, 1, 1000);
    nothing();
    in("A", 1, 1001);
    full(1001, 2, false);
    in("A", 1, 2001);
    full(3001, 2, false);
    in("A", 1, 3001);
    full(5001, 2, false);
    nothing();
    in("A", 1, 10001);
    quiet_ms(1000);
}

TEST(rto_after_everything_was_received_repeats_nothing_more)
{
    int c = passive(.mss = 1000);

    snd(c, 5000);
    full(1, 5, true);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 5001);
    quiet_ms(5000);
}

/* SYN: 3.8.3, MUST-22, MUST-23: R2 of a SYN is at least three minutes. */
TEST(syn_retries_and_gives_up)
{
    int c = tsock();

    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    for (uint64_t gap = 1000; gap <= 64000; gap *= 2) {
        after_ms(gap);
        out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    }
    quiet_ms(119990);
    state_is(TCPS_SYN_SENT);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
    check(now_ms() > 180000);
    so_error(c, ETIMEDOUT);
}

TEST(syncnt_limits_retries)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_SYNCNT, 1);
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    after_ms(1000);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    quiet_ms(2010);
    check_eq(con(c), -ETIMEDOUT);
}

/* 5.5 is about one attempt: the next one waits as long as the first did. */
TEST(next_attempt_begins_without_backoff)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_SYNCNT, 3);
    for (int attempt = 0; attempt < 2; attempt++) {
        check_eq(con(c), -EINPROGRESS);
        out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
        for (uint64_t gap = 1000; gap <= 4000; gap *= 2) {
            after_ms(gap);
            out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
        }
        quiet_ms(8010);
        check_eq(con(c), -ETIMEDOUT);
        new_incarnation(0);
    }
}

TEST(syn_ack_retries_and_gives_up)
{
    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    for (uint64_t gap = 1000; gap <= 16000; gap *= 2) {
        after_ms(gap);
        out("SA", 0, 1, .o = {MSS(1460)});
    }
    quiet_ms(31900);
    state_is(TCPS_SYN_RCVD);
    quiet_ms(200);
    state_is(TCPS_CLOSED);
}

/* RFC 5681 3.1, RFC 6298 5.7: after a lost SYN the window begins with one segment, the timer with 3 s at least... the data
 * that follows shows the window. */
TEST(lost_syn_means_initial_window_of_one)
{
    int c = tsock();

    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    after_ms(1000);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    in("SA", 0, 1, .o = {MSS(1000)});
    out("A", 1, 1);
    snd(c, 5000);
    full(1, 1, false);
    nothing();
}

/* Initial window and slow start ----------------------------------------------------------------------------------------- */

/* RFC 6928 */
TEST(initial_window_is_ten_segments)
{
    int c = passive(.mss = 1000);

    snd(c, 30000);
    full(1, 10, false);
    nothing();
    fresh();
    c = passive();
    snd(c, 30000);
    for (uint32_t i = 0; i < 10; i++)
        out("A", 1 + i * 1460, 1, 1460);
    nothing();
}

/* RFC 5681 3.1: one segment more per segment acknowledged; two per ACK at most (RFC 3465). */
TEST(slow_start_doubles_per_round_trip)
{
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000);

    snd(c, 60000);
    full(1, 10, false);
    for (uint32_t i = 0; i < 10; i++) {
        in("A", 1, 1001 + i * 1000);
        full(10001 + i * 2000, 2, false);
    }
    nothing();
    in("A", 1, 12001); /* two segments */
    full(30001, 4, false);
    in("A", 1, 17001); /* five segments in one ACK: the window grows by two of them */
    full(34001, 7, false);
    nothing();
}

/* RFC 5681 3.1: the window grows only when it was used. */
TEST(window_does_not_grow_unused)
{
    int c = passive(.mss = 1000);
    uint32_t cwnd = tconn(c)->cc.cwnd;

    for (uint32_t i = 0; i < 20; i++) {
        snd(c, 100);
        out("PA", 1 + i * 100, 1, 100);
        in("A", 1, 101 + i * 100);
    }
    check_eq(tconn(c)->cc.cwnd, cwnd);
}

/* Fast retransmit and recovery: RFC 5681 3.2, RFC 6582, RFC 3042 ---------------------------------------------------------- */

TEST(third_duplicate_ack_retransmits)
{
    int c = passive(.mss = 1000);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1001); /* so that the duplicates are real ones */
    in("A", 1, 1001);
    in("A", 1, 1001);
    nothing();
    in("A", 1, 1001);
    out("A", 1001, 1, 1000);
    in("A", 1, 1001);
    in("A", 1, 1001);
    nothing();
    in("A", 1, 10001);
    quiet_ms(5000);
}

/* A changed window, text or a FIN make it no duplicate (RFC 5681 section 2). */
TEST(not_every_repeated_ack_is_a_duplicate)
{
    int c = passive(.mss = 1000);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .win = 60000);
    in("A", 1, 1, .win = 60001);
    in("A", 1, 1, .win = 60002);
    in("A", 1, 1, .win = 60003);
    in("A", 1, 1, .win = 60004);
    nothing();
    in("PA", 1, 1, 10, .win = 60004);
    out("A", 10001, 11);
    rcv(c, 10);
    nothing();
}

/* RFC 3042: each of the first two duplicates lets one new segment go. */
TEST(limited_transmit)
{
    int c = passive(.mss = 1000);

    snd(c, 20000);
    full(1, 10, false);
    in("A", 1, 1);
    full(10001, 1, false);
    in("A", 1, 1);
    full(11001, 1, false);
    nothing();
    in("A", 1, 1);
    out("A", 1, 1, 1000);
    nothing();
}

/* Recovery: half the window; new segments as duplicates tell that others left. */
TEST(fast_recovery_halves_the_window)
{
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000);

    snd(c, 30000);
    full(1, 10, false);
    in("A", 1, 1);
    full(10001, 1, false);
    in("A", 1, 1);
    full(11001, 1, false);
    in("A", 1, 1);
    out("A", 1, 1, 1000);
    check_eq(tconn(c)->cc.ssthresh, 6000);
    for (int i = 4; i <= 6; i++) {
        in("A", 1, 1);
        nothing();
    }
    for (uint32_t i = 7; i <= 11; i++) { /* 12 in flight, one lost */
        in("A", 1, 1);
        full(12001 + (i - 7) * 1000, 1, false);
    }
    in("A", 1, 12001); /* full ACK: cwnd = ssthresh */
    full(17001, 1, false);
    check_eq(tconn(c)->cc.cwnd, 6000);
    nothing();
}

/* RFC 6582: a partial ACK retransmits the next segment at once, without new duplicates. */
TEST(newreno_partial_ack)
{
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000);

    snd(c, 10000);
    full(1, 10, true);
    for (int i = 0; i < 3; i++)
        in("A", 1, 1);
    out("A", 1, 1, 1000);
    for (int i = 0; i < 5; i++)
        in("A", 1, 1);
    nothing();
    in("A", 1, 4001);
    out("A", 4001, 1, 1000);
    nothing();
    in("A", 1, 6001);
    out("A", 6001, 1, 1000);
    nothing();
    in("A", 1, 10001);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(tconn(c)->cc.cwnd, 5000);
    quiet_ms(5000);
}

/* RFC 5681 3.1: then the window grows by one segment per window. */
TEST(congestion_avoidance_grows_by_one_per_window)
{
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000);
    uint32_t acked, next = 15001;

    snd(c, 60000);
    full(1, 10, false);
    in("A", 1, 1);
    in("A", 1, 1);
    in("A", 1, 1);
    skip_all();
    in("A", 1, 12001);
    check_eq(tconn(c)->cc.cwnd, 6000);
    next = tconn(c)->snd_nxt - tconn(c)->iss;
    skip_all();
    check_eq(next, 18001);
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t w = 6 + round;

        acked = next - w * 1000;
        for (uint32_t i = 1; i < w; i++) {
            in("A", 1, acked + i * 1000);
            full(next, 1, false);
            next += 1000;
        }
        in("A", 1, acked + w * 1000);
        full(next, 2, false);
        next += 2000;
        nothing();
    }
}

/* SACK: RFC 2018, RFC 6675 ------------------------------------------------------------------------------------------------ */

TEST(sack_retransmits_only_holes)
{
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .o = {SACK(1001, 2001)});
    in("A", 1, 1, .o = {SACK(3001, 4001), SACK(1001, 2001)});
    nothing();
    in("A", 1, 1, .o = {SACK(3001, 5001), SACK(1001, 2001)});
    out("A", 1, 1, 1000); /* three segments above it: lost */
    nothing();
    in("A", 1, 1, .o = {SACK(3001, 6001), SACK(1001, 2001)});
    nothing(); /* three above the second hole now, but five in the network */
    in("A", 1, 1, .o = {SACK(3001, 7001), SACK(1001, 2001)});
    out("A", 2001, 1, 1000);
    in("A", 1, 1, .o = {SACK(3001, 10001), SACK(1001, 2001)});
    nothing();
    in("A", 1, 2001, .o = {SACK(3001, 10001)});
    nothing();
    in("A", 1, 10001);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    quiet_ms(5000);
}

/* One ACK that tells of many: three segments' worth above the hole at once. */
TEST(sack_one_ack_is_enough)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000);
    nothing();
}

TEST(sack_all_holes_in_order)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .o = {SACK(1001, 2001), SACK(3001, 4001), SACK(5001, 6001), SACK(7001, 10001)});
    out("A", 1, 1, 1000);
    out("A", 2001, 1, 1000);
    out("A", 4001, 1, 1000);
    out("A", 6001, 1, 1000);
    nothing();
    in("A", 1, 10001);
}

/* Limited transmit with SACK: what was sacked left the network. */
TEST(sack_limited_transmit)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 20000);
    full(1, 10, false);
    in("A", 1, 1, .o = {SACK(1001, 2001)});
    full(10001, 1, false);
    in("A", 1, 1, .o = {SACK(1001, 3001)});
    full(11001, 1, false);
    nothing();
    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000);
    nothing();
}

/* Blocks that cannot be true are ignored: below the ACK, beyond what was sent, backwards. */
TEST(sack_nonsense_is_ignored)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 5000);
    full(1, 5, true);
    in("A", 1, 2001, .o = {SACK(1, 1001)}); /* D-SACK */
    in("A", 1, 2001, .o = {SACK(6001, 9001)});
    in("A", 1, 2001, .o = {SACK(4001, 3001)});
    in("A", 1, 2001, .o = {SACK(2001, 2001)});
    in("A", 1, 2001, .o = {SACK(0x80000000u, 0x80001000u)});
    nothing();
    check_eq(sent_sacked_bytes(&tconn(c)->sent), 0);
    in("A", 1, 5001);
}

/* RFC 2018 section 8: after a timeout what was sacked counts as unknown only when the first segment was sacked. */
TEST(sack_timeout_retransmits_the_hole)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 3000);
    full(1, 3, true);
    in("A", 1, 1, .o = {SACK(1001, 3001)});
    after_ms(0); /* the reordering timer, of a path without delay */
    out("A", 1, 1, 1000);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 3001);
    quiet_ms(5000);
}

/* SACK in segments of a connection that did not agree on it says nothing. */
TEST(sack_not_agreed_is_ignored)
{
    int c = passive(.mss = 1000);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .o = {SACK(1001, 9001)});
    nothing();
}

/* A lost retransmission is found by the timer. */
TEST(lost_retransmission_by_timer)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 5000);
    full(1, 5, true);
    in("A", 1, 1, .o = {SACK(1001, 5001)});
    out("A", 1, 1, 1000);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 5001);
}

RUN(T(rto_gaps_double_until_r2), T(rto_restarts_on_new_ack), T(rto_restart_counts_the_time_of_a_short_flight),
    T(rto_stops_when_all_is_acknowledged), T(rto_follows_the_first_sample), T(karn_ignores_retransmitted_segments),
    T(timestamps_sample_retransmitted_segments), T(rto_retransmits_one_segment_and_slow_starts),
    T(rto_after_everything_was_received_repeats_nothing_more), T(syn_retries_and_gives_up), T(syncnt_limits_retries),
    T(next_attempt_begins_without_backoff), T(syn_ack_retries_and_gives_up), T(lost_syn_means_initial_window_of_one),
    T(initial_window_is_ten_segments), T(slow_start_doubles_per_round_trip), T(window_does_not_grow_unused),
    T(third_duplicate_ack_retransmits), T(not_every_repeated_ack_is_a_duplicate), T(limited_transmit), T(fast_recovery_halves_the_window),
    T(newreno_partial_ack), T(congestion_avoidance_grows_by_one_per_window), T(sack_retransmits_only_holes), T(sack_one_ack_is_enough),
    T(sack_all_holes_in_order), T(sack_limited_transmit), T(sack_nonsense_is_ignored), T(sack_timeout_retransmits_the_hole),
    T(sack_not_agreed_is_ignored), T(lost_retransmission_by_timer))
