/*
 * The sender: RFC 6298 (timer), RFC 5681 and 6582 (congestion control), RFC 2018 and 6675 (SACK), RFC 3042, RFC 6928, RFC 9293
 * sections 3.7.4 (Nagle), 3.8 (retransmission, windows, probes). Segments of 1000 bytes, so that numbers can be read.
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

    snd(c, 2000);
    full(1, 2, true);
    quiet_ms(150);
    in("A", 1, 1001);
    after_ms(200);
    out("PA", 1001, 1, 1000);
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
    uint64_t before = tconn(c)->rtt.srtt_ns;

    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(200);
    out("PA", 1, 1, 10);
    quiet_ms(300);
    in("A", 1, 11);
    check_eq(tconn(c)->rtt.srtt_ns, before);
}

/* RFC 7323: with timestamps it is one. */
TEST(timestamps_sample_retransmitted_segments)
{
    int c = passive(.ts = true);
    uint64_t before = tconn(c)->rtt.srtt_ns;

    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(200);
    out("PA", 1, 1, 10);
    quiet_ms(300);
    in("A", 1, 11);
    check(tconn(c)->rtt.srtt_ns > before);
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

/* 4.1: after an idle time longer than the timeout: the initial window again. */
TEST(idle_restarts_with_the_initial_window)
{
    int c = passive(.mss = 1000);

    snd(c, 30000);
    full(1, 10, false);
    in("A", 1, 10001);
    skip_all();
    in("A", 1, 22001);
    skip_all();
    in("A", 1, 30001);
    skip_all();
    check(tconn(c)->cc.cwnd > 10000);
    quiet_ms(1000);
    snd(c, 30000);
    full(30001, 10, false);
    nothing();
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
    check_eq(tconn(c)->sent.sacked_bytes, 0);
    in("A", 1, 5001);
}

/* RFC 2018 section 8: after a timeout what was sacked counts as unknown only when the first segment was sacked. */
TEST(sack_timeout_retransmits_the_hole)
{
    int c = passive(.mss = 1000, .sack = true);

    snd(c, 3000);
    full(1, 3, true);
    in("A", 1, 1, .o = {SACK(1001, 3001)});
    nothing();
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

/* Nagle: 3.7.4, SHLD-7, MUST-17 -------------------------------------------------------------------------------------------- */

TEST(nagle_holds_a_second_small_segment)
{
    int c = passive(.mss = 1000);

    snd(c, 10);
    out("PA", 1, 1, 10);
    snd(c, 10);
    snd(c, 10);
    nothing();
    in("A", 1, 11);
    out("PA", 11, 1, 20);
}

TEST(nagle_sends_full_segments)
{
    int c = passive(.mss = 1000);

    snd(c, 10);
    out("PA", 1, 1, 10);
    snd(c, 1500);
    out("A", 11, 1, 1000);
    nothing();
    in("A", 1, 11);
    out("PA", 1011, 1, 500); /* Minshall: only full ones are in flight */
}

/* Minshall's variant, as Linux: the tail of a large write does not wait for full segments. */
TEST(nagle_tail_of_a_large_write_goes)
{
    int c = passive(.mss = 1000);

    snd(c, 2500);
    full(1, 2, false);
    out("PA", 2001, 1, 500);
    snd(c, 10);
    nothing();
    in("A", 1, 2001);
    nothing();
    in("A", 1, 2501);
    out("PA", 2501, 1, 10);
}

TEST(nodelay_sends_at_once)
{
    int c = passive(.mss = 1000);

    sopt(c, IPPROTO_TCP, TCP_NODELAY, 1);
    for (uint32_t i = 0; i < 5; i++) {
        snd(c, 10);
        out("PA", 1 + i * 10, 1, 10);
    }
    check_eq(gopt(c, IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(nodelay_set_later_releases)
{
    int c = passive(.mss = 1000);

    snd(c, 10);
    out("PA", 1, 1, 10);
    snd(c, 10);
    nothing();
    sopt(c, IPPROTO_TCP, TCP_NODELAY, 1);
    out("PA", 11, 1, 10);
}

TEST(fin_overrides_nagle)
{
    int c = passive(.mss = 1000);

    snd(c, 10);
    out("PA", 1, 1, 10);
    snd(c, 10);
    nothing();
    shut(c, SHUT_WR);
    out("FPA", 11, 1, 10);
}

TEST(cork_holds_partial_segments)
{
    int c = passive(.mss = 1000);

    sopt(c, IPPROTO_TCP, TCP_CORK, 1);
    snd(c, 600);
    nothing();
    snd(c, 600);
    out("A", 1, 1, 1000);
    nothing();
    sopt(c, IPPROTO_TCP, TCP_CORK, 0);
    out("PA", 1001, 1, 200);
}

/* tcp(7): at most 200 ms. */
TEST(cork_ends_after_200_ms)
{
    int c = passive(.mss = 1000);

    sopt(c, IPPROTO_TCP, TCP_CORK, 1);
    snd(c, 600);
    after_ms(200);
    out("PA", 1, 1, 600);
}

TEST(msg_more_is_a_cork_for_one_call)
{
    int c = passive(.mss = 1000);

    check_eq(snd_flags(c, 100, MSG_MORE), 100);
    nothing();
    snd(c, 100);
    out("PA", 1, 1, 200);
}

/* MUST-61: the last segment of what is queued carries PSH (full() asks for it everywhere). SHLD-28: full segments. */
TEST(writes_are_collected_to_full_segments)
{
    int c = passive(.mss = 1000, .win = 1000);

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    for (int i = 0; i < 20; i++)
        snd(c, 100);
    nothing();
    in("A", 1, 1001, .win = 5000);
    full(1001, 2, true);
}

/* Windows: 3.8.6 ----------------------------------------------------------------------------------------------------------- */

/* MUST-1: the window is unsigned. */
TEST(handshake_window_size)
{
    int c;

    listen_on(80);
    in("S", 0, 0, .win = WIN0, .o = {MSS(1000)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1, .win = 0x8000);
    c = acc(0);
    snd(c, 3000);
    full(1, 3, true);
    quiet_ms(190);
}

TEST(window_limits_what_is_sent)
{
    int c = passive(.mss = 1000, .win = 3000);

    snd(c, 10000);
    full(1, 3, false);
    in("A", 1, 1001, .win = 3000);
    full(3001, 1, false);
    in("A", 1, 1001, .win = 6000); /* a window update alone */
    full(4001, 3, false);
    nothing();
}

/* MUST-38: not small pieces as the window opens by little. */
TEST(sender_avoids_silly_windows)
{
    int c = passive(.mss = 1000, .win = 4000);

    snd(c, 10000);
    full(1, 4, false);
    in("A", 1, 4001, .win = 200);
    nothing();
    in("A", 1, 4001, .win = 900);
    nothing();
    in("A", 1, 4001, .win = 1000);
    full(4001, 1, false);
    in("A", 1, 5001, .win = 500);
    after_ms(200); /* the override timeout */
    out("PA", 5001, 1, 500);
}

/* At least half of the largest window is worth sending, though less than a segment. */
TEST(half_of_the_largest_window_is_sent)
{
    int c = passive(.mss = 1000, .win = 600);

    snd(c, 2000);
    out("A", 1, 1, 600);
    in("A", 1, 601, .win = 200);
    nothing();
    in("A", 1, 601, .win = 300);
    out("A", 601, 1, 300);
}

/* MUST-34 to MUST-37, SHLD-29, SHLD-30 */
TEST(zero_window_probe)
{
    int c = passive(.mss = 1000, .win = WIN0);

    snd(c, 100);
    nothing();
    for (uint64_t gap = 200; gap <= 25600; gap *= 2) {
        after_ms(gap);
        out("PA", 1, 1, 1);
        in("A", 1, 1, .win = WIN0);
    }
    quiet_ms(50000);
    in("A", 1, 1, .win = 5000);
    out("PA", 1, 1, 100);
    in("A", 1, 101, .win = 5000);
    quiet_ms(5000);
}

/* The peer took the octet of the probe. */
TEST(zero_window_probe_taken)
{
    int c = passive(.mss = 1000, .win = WIN0);

    snd(c, 100);
    after_ms(200);
    out("PA", 1, 1, 1);
    in("A", 1, 2, .win = 5000);
    out("PA", 2, 1, 99);
}

/* The answer comes with an old sequence number (keepalive-like), or none of ours is confirmed. */
TEST(zero_window_probe_answered_with_old_seq)
{
    int c = passive(.mss = 1000);

    in("PA", 1, 1, 10);
    out("A", 1, 11);
    rcv(c, 10);
    in("A", 11, 1, .win = WIN0);
    snd(c, 100);
    after_ms(200);
    out("PA", 1, 11, 1);
    in("A", 10, 1, .win = WIN0);
    out("A", 1, 11); /* out of window: acknowledged */
    after_ms(400);
    out("PA", 1, 11, 1);
    in("A", 11, 1, .win = 1000);
    out("PA", 1, 11, 100);
}

/* MUST-37: for as long as it answers. */
TEST(zero_window_for_ever)
{
    int c = passive(.win = WIN0);

    snd(c, 100);
    for (int i = 0; i < 40; i++) {
        skip_ms(120000);
        in("A", 1, 1, .win = WIN0);
    }
    skip_all();
    state_is(TCPS_ESTABLISHED);
    in("A", 1, 1, .win = 1000);
    out("PA", 1, 1, 100);
}

/* A peer that does not answer probes is gone after R2. */
TEST(zero_window_probe_unanswered_gives_up)
{
    int c = passive(.win = WIN0);

    snd(c, 100);
    skip_ms(20 * 60 * 1000);
    state_is(TCPS_CLOSED);
    so_error(c, ETIMEDOUT);
}

TEST(zero_window_probe_user_timeout)
{
    int c = passive(.win = WIN0);

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    snd(c, 100);
    skip_ms(4000);
    state_is(TCPS_ESTABLISHED);
    skip_ms(9000);
    state_is(TCPS_CLOSED);
    so_error(c, ETIMEDOUT);
}

/* A FIN has to wait for a window as text has, and is probed with. */
TEST(zero_window_and_close)
{
    int c = passive(.win = WIN0);

    snd(c, 10);
    cls(c);
    nothing();
    after_ms(200);
    out("PA", 1, 1, 1);
    in("A", 1, 1, .win = 1000);
    out("FPA", 1, 1, 10);
    in("A", 1, 12);
    state_is(TCPS_FIN_WAIT_2);
}

/* MUST-34: SND.UNA + SND.WND may move left. SHLD-15: nothing new then; SHLD-16: what fits is repeated. */
TEST(window_shrink)
{
    int c = passive(.mss = 1000, .win = 5000);

    snd(c, 8000);
    full(1, 5, false);
    in("A", 1, 1001, .win = 1000); /* the edge from 5001 to 2001 */
    nothing();
    check_eq(tconn(c)->snd_wnd, 1000);
    after_ms(200);
    out("A", 1001, 1, 1000);
    in("A", 1, 2001, .win = 5000);
    skip_all();
    in("A", 1, 5001, .win = 5000);
    skip_all();
    in("A", 1, 8001, .win = 5000);
    quiet_ms(5000);
}

/* SHLD-17: a window that was closed over data in flight ends nothing while the peer answers. */
TEST(window_shrink_to_zero_does_not_time_out)
{
    int c = passive(.mss = 1000, .win = 5000);

    snd(c, 3000);
    full(1, 3, true);
    in("A", 1, 1, .win = WIN0);
    for (int i = 0; i < 40; i++) {
        skip_ms(120000);
        in("A", 1, 1, .win = WIN0);
    }
    skip_all();
    state_is(TCPS_ESTABLISHED);
    in("A", 1, 1, .win = 5000);
    skip_ms(121000);
    in("A", 1, 3001, .win = 5000);
    quiet_ms(5000);
    state_is(TCPS_ESTABLISHED);
}

/* MUST-66: RST and URG count with a window of ours that is zero: see test_recv.c. An old segment does not change the window. */
TEST(old_segment_does_not_change_the_window)
{
    int c = passive(.mss = 1000, .win = 2000);

    in("A", 1, 1, 100, .win = 2000);
    in("A", 101, 1, .win = 3000);
    in("A", 51, 1, 100, .win = 500); /* WL1 is newer than 51 */
    skip_all();
    check_eq(tconn(c)->snd_wnd, 3000);
    rcv(c, 150);
    skip_ms(100);
}

/* TCP_INFO after a timeout: one segment, half the flight as threshold, the timer doubled. */
TEST(tcp_info_after_a_timeout)
{
    int c = passive(.mss = 1000);
    struct tcp_info i;
    unsigned len = sizeof(i);

    snd(c, 10000);
    full(1, 10, true);
    quiet_ms(100);
    in("A", 1, 1001);
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_state, 1);
    check(i.tcpi_rtt > 10000 && i.tcpi_rtt <= 100000);
    check(i.tcpi_rto >= 200000 && i.tcpi_rto < 1000000);
    check_eq(i.tcpi_ca_state, 0);
    check_eq(i.tcpi_unacked, 9);
    after_ms(i.tcpi_rto / 1000);
    out("A", 1001, 1, 1000);
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_ca_state, 4); /* TCP_CA_Loss */
    check_eq(i.tcpi_snd_cwnd, 1);
    check_eq(i.tcpi_snd_ssthresh, 4);
    check_eq(i.tcpi_retransmits, 1);
    check_eq(i.tcpi_snd_mss, 1000);
    in("A", 1, 10001);
}

RUN(T(tcp_info_after_a_timeout), T(rto_gaps_double_until_r2), T(rto_restarts_on_new_ack), T(rto_stops_when_all_is_acknowledged),
    T(rto_follows_the_first_sample), T(karn_ignores_retransmitted_segments), T(timestamps_sample_retransmitted_segments),
    T(rto_retransmits_one_segment_and_slow_starts), T(rto_after_everything_was_received_repeats_nothing_more), T(syn_retries_and_gives_up),
    T(syncnt_limits_retries), T(syn_ack_retries_and_gives_up), T(lost_syn_means_initial_window_of_one), T(initial_window_is_ten_segments),
    T(slow_start_doubles_per_round_trip), T(window_does_not_grow_unused), T(idle_restarts_with_the_initial_window),
    T(third_duplicate_ack_retransmits), T(not_every_repeated_ack_is_a_duplicate), T(limited_transmit), T(fast_recovery_halves_the_window),
    T(newreno_partial_ack), T(congestion_avoidance_grows_by_one_per_window), T(sack_retransmits_only_holes), T(sack_one_ack_is_enough),
    T(sack_all_holes_in_order), T(sack_limited_transmit), T(sack_nonsense_is_ignored), T(sack_timeout_retransmits_the_hole),
    T(sack_not_agreed_is_ignored), T(lost_retransmission_by_timer), T(nagle_holds_a_second_small_segment), T(nagle_sends_full_segments),
    T(nagle_tail_of_a_large_write_goes), T(nodelay_sends_at_once), T(nodelay_set_later_releases), T(fin_overrides_nagle),
    T(cork_holds_partial_segments), T(cork_ends_after_200_ms), T(msg_more_is_a_cork_for_one_call), T(writes_are_collected_to_full_segments),
    T(handshake_window_size), T(window_limits_what_is_sent), T(sender_avoids_silly_windows), T(half_of_the_largest_window_is_sent),
    T(zero_window_probe), T(zero_window_probe_taken), T(zero_window_probe_answered_with_old_seq), T(zero_window_for_ever),
    T(zero_window_probe_unanswered_gives_up), T(zero_window_probe_user_timeout), T(zero_window_and_close), T(window_shrink),
    T(window_shrink_to_zero_does_not_time_out), T(old_segment_does_not_change_the_window))
