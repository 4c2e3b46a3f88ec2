/* Congestion window validation (RFC 7661): windows that the application does not use. */
#include "script.h"

#define RTT 40u
#define SEG 1000u

/* A window of 40 segments, used just now. Reno, so that the figures are round. Returns what was sent. */
static uint32_t window_of_40(int *c)
{
    conf()->cc = &cc_reno;
    *c = passive(.mss = SEG, .sack = true, .rtt_ms = RTT);
    tconn(*c)->cc.cwnd = 40 * SEG;
    snd(*c, 40 * SEG);
    check_eq(skip_all(), 40);
    quiet_ms(RTT);
    in("A", 1, 40 * SEG + 1);
    check_eq(tconn(*c)->cc.cwnd, 40 * SEG);
    check(!tconn(*c)->cwv.unvalidated && tconn(*c)->cwv.defined);
    return 40 * SEG + 1;
}

static uint32_t cwnd_of(int c)
{
    return tconn(c)->cc.cwnd / SEG;
}

/* One small request and its acknowledgement. */
static uint32_t trickle(int c, uint32_t at)
{
    snd(c, 10);
    out("PA", at, 1, 10);
    quiet_ms(RTT);
    in("A", 1, at + 10);
    return at + 10;
}

/* 4.3, 4.4: kept, however short or long the pause, for five minutes. */
TEST(idle_keeps_the_window)
{
    int c;
    uint32_t at = window_of_40(&c);

    quiet_ms(100000);
    at = trickle(c, at);
    check_eq(cwnd_of(c), 40);
    check(tconn(c)->cwv.unvalidated);
    quiet_ms(100000);
    trickle(c, at);
    check_eq(cwnd_of(c), 40);
    check_eq(stack()->ctr.v[CTR_TCP_CWND_DECAY], 0);
}

/* 4.4.3: halved after five minutes, and ssthresh remembers three quarters. Two periods: twice. Not below the initial window. */
TEST(unused_window_is_halved_every_five_minutes)
{
    int c;
    uint32_t at = window_of_40(&c);

    tconn(c)->cc.ssthresh = 10 * SEG;
    quiet_ms(301000);
    at = trickle(c, at);
    check_eq(cwnd_of(c), 20);
    check_eq(tconn(c)->cc.ssthresh / SEG, 30);
    check_eq(stack()->ctr.v[CTR_TCP_CWND_DECAY], 1);
    for (int i = 0; i < 31; i++) { /* requests all the time, of little use to the window */
        quiet_ms(10000);
        at = trickle(c, at);
    }
    check_eq(cwnd_of(c), 10);
    check_eq(tconn(c)->cc.ssthresh / SEG, 30);
    quiet_ms(3600000);
    trickle(c, at);
    check_eq(cwnd_of(c), 10);
}

TEST(two_periods_at_once)
{
    int c;
    uint32_t at = window_of_40(&c);

    tconn(c)->cc.cwnd = 100 * SEG;
    quiet_ms(601000);
    trickle(c, at);
    check_eq(cwnd_of(c), 25);
}

/* 4.3: every answer leaves in the turn of the request that acknowledges the one before. That it uses little of the window is found out. */
TEST(answers_in_the_turn_of_the_acknowledgement_are_measured)
{
    int c;
    uint32_t at = window_of_40(&c);

    for (int i = 0; i < 2000 / (int)RTT; i++) {
        begin();
        in("A", 1, at);
        snd(c, 5 * SEG);
        end();
        check_eq(skip_all(), 5);
        at += 5 * SEG;
        quiet_ms(RTT);
    }
    check(tconn(c)->cwv.unvalidated);
    in("A", 1, at);
}

/* 4.4: what is not limited by the window does not make it grow; a burst that fills half of it validates it again. */
TEST(use_validates_again)
{
    int c;
    uint32_t at = window_of_40(&c);

    quiet_ms(2000);
    for (int i = 0; i < 3; i++)
        at = trickle(c, at);
    check(tconn(c)->cwv.unvalidated);
    check_eq(cwnd_of(c), 40);
    snd(c, 20 * SEG);
    skip_ms(RTT); /* paced */
    at = tconn(c)->snd_nxt - tconn(c)->iss;
    quiet_ms(RTT);
    in("A", 1, at);
    skip_all();
    check(!tconn(c)->cwv.unvalidated);
    check(!tconn(c)->paced);
    check_eq(cwnd_of(c), 40);
}

/* 4.4.2: the window is not sent at once after a pause, but over a round trip; an initial window is. */
TEST(burst_after_a_pause_is_paced)
{
    int c;
    uint32_t at = window_of_40(&c), n = 0, sent;

    quiet_ms(2000);
    snd(c, 10 * SEG);
    check_eq(tconn(c)->snd_nxt - tconn(c)->iss, at + 10 * SEG);
    skip_all();
    quiet_ms(RTT);
    in("A", 1, at + 10 * SEG);
    at += 10 * SEG;
    snd(c, 40 * SEG);
    sent = tconn(c)->snd_nxt - tconn(c)->iss - at;
    check(sent > 0 && sent <= 10 * SEG);
    while (tconn(c)->snd_nxt - tconn(c)->iss < at + 40 * SEG && n < 2 * RTT) {
        skip_ms(1);
        n++;
        check(tconn(c)->snd_nxt - tconn(c)->iss - at <= sent + 4 * SEG);
        sent = tconn(c)->snd_nxt - tconn(c)->iss - at;
    }
    note("%u ms", n);
    check(n >= RTT / 4 && n <= RTT);
    in("A", 1, at + 40 * SEG);
    skip_all();
}

/*
 * 4.4.1: 20 segments are sent into a window of 40 of which 5 were used, and 4 of them are lost: half of 20 during the recovery, half of
 * what is left without those that were lost after it. Then pipeACK is undefined.
 */
TEST(loss_counts_what_was_used)
{
    int c;
    uint32_t at = window_of_40(&c);

    quiet_ms(2000);
    snd(c, 5 * SEG);
    skip_all();
    quiet_ms(RTT);
    in("A", 1, at + 5 * SEG);
    at += 5 * SEG;
    snd(c, 20 * SEG);
    skip_ms(RTT);
    check_eq(tconn(c)->snd_nxt - tconn(c)->iss, at + 20 * SEG);
    check(tconn(c)->cwv.unvalidated);
    in("A", 1, at, .o = {SACK(at + 4 * SEG, at + 20 * SEG)});
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_RECOVERY);
    check_eq(tconn(c)->cc.ssthresh, 10 * SEG);
    skip_ms(RTT);
    in("A", 1, at + 20 * SEG);
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(tconn(c)->cc.cwnd, 8 * SEG);
    check_eq(tconn(c)->cc.ssthresh, 8 * SEG);
    check(!tconn(c)->cwv.defined);
}

/* The same when half of the window had been used lately: Reno's half of what was in flight, and no more. */
TEST(loss_of_a_validated_window)
{
    int c;
    uint32_t at = window_of_40(&c);

    snd(c, 20 * SEG);
    skip_all();
    check(!tconn(c)->cwv.unvalidated);
    quiet_ms(RTT);
    in("A", 1, at, .o = {SACK(at + 4 * SEG, at + 20 * SEG)});
    skip_all();
    quiet_ms(RTT);
    in("A", 1, at + 20 * SEG);
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(tconn(c)->cc.cwnd, 10 * SEG);
}

/* 4.4.1, RFC 8511: a mark takes a fifth of what was used, not of the window. */
TEST(mark_counts_what_was_used)
{
    int c;
    uint32_t at;

    conf()->ecn = 2;
    conf()->cc = &cc_reno;
    c = tsock();
    check_eq(con(c), -EINPROGRESS);
    out("SEC", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    in("SAE", 0, 1, .o = {MSS(SEG)});
    out("A", 1, 1);
    tconn(c)->cc.cwnd = 40 * SEG;
    at = 1;
    for (int i = 0; i < 2; i++) { /* two round trips with five segments */
        snd(c, 5 * SEG);
        skip_all();
        quiet_ms(RTT);
        at += 5 * SEG;
        in("A", 1, at);
    }
    check(tconn(c)->cwv.unvalidated);
    snd(c, 10 * SEG);
    skip_all();
    in("AE", 1, at);
    check_eq(tconn(c)->cc.cwnd, 8 * SEG);
    check(!tconn(c)->cwv.unvalidated);
    in("A", 1, at + 10 * SEG);
}

/* RFC 9438: CUBIC's curve goes back to what was used, not to a window of before. */
TEST(cubic_forgets_the_unused_window)
{
    int c;
    uint32_t at = window_of_40(&c);

    check_eq(tcp_setopt(stack(), tconn(c), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), 0);
    tconn(c)->cc.cwnd = 400 * SEG;
    quiet_ms(2000);
    snd(c, 20 * SEG);
    skip_ms(RTT);
    in("A", 1, at, .o = {SACK(at + SEG, at + 20 * SEG)});
    skip_all();
    check_eq(tconn(c)->cc.ssthresh, 10 * SEG);
    skip_ms(RTT);
    in("A", 1, at + 20 * SEG);
    for (int i = 0; i < 50; i++) { /* two seconds of use: W_max was 20 segments */
        snd_flags(c, 50 * SEG, 0);
        skip_ms(RTT);
        at = tconn(c)->snd_nxt - tconn(c)->iss;
        in("A", 1, at);
    }
    note("cwnd %u", cwnd_of(c));
    check(cwnd_of(c) < 60); /* by the curve to 400 it would be 200 */
    while (skip_all(), tconn(c)->snd_una != tconn(c)->sndq.end_seq)
        in("A", 1, tconn(c)->snd_nxt - tconn(c)->iss);
}

/* A loss that was none: everything as it was. */
TEST(undo_brings_the_window_back)
{
    int c;
    uint32_t at = window_of_40(&c);

    quiet_ms(2000);
    snd(c, 20 * SEG);
    skip_ms(RTT);
    in("A", 1, at, .o = {SACK(at + SEG, at + 20 * SEG)});
    out("A", at, 1, SEG);
    skip_all();
    in("A", 1, at + 20 * SEG);
    skip_all();
    in("A", 1, at + 20 * SEG, .o = {SACK(at, at + SEG)}); /* it came twice */
    check_eq(stack()->ctr.v[CTR_TCP_UNDO], 1);
    check_eq(cwnd_of(c), 40);
}

/* 4.4: a timeout is as ever. */
TEST(timeout_ends_the_phase)
{
    int c;

    window_of_40(&c);
    quiet_ms(2000);
    snd(c, 5 * SEG);
    skip_ms(500);
    check_eq(tconn(c)->ca, TCP_CA_LOSS);
    check_eq(tconn(c)->cc.cwnd, SEG);
    check_eq(tconn(c)->cc.ssthresh, 5 * SEG / 2);
    in("A", 1, tconn(c)->snd_nxt - tconn(c)->iss);
    skip_all();
    check(!tconn(c)->cwv.defined);
}

/* BBR has a model of the path, and keeps it. */
TEST(bbr_is_left_alone)
{
    int c;
    uint32_t at = window_of_40(&c);

    check_eq(tcp_setopt(stack(), tconn(c), IPPROTO_TCP, TCP_CONGESTION, "bbr", 3), 0);
    at = trickle(c, at);
    quiet_ms(3600000);
    trickle(c, at);
    check_eq(cwnd_of(c), 40);
    check_eq(stack()->ctr.v[CTR_TCP_CWND_DECAY], 0);
}

/* A pause that 28 bits of 2^20 ns cannot tell, and looks like none: not the window of before. */
TEST(pause_of_days)
{
    uint64_t wrap_ms = (1ull << 48) / NS_PER_MS;
    int c;
    uint32_t at = window_of_40(&c);

    quiet_ms(wrap_ms + 20);
    snd(c, 40 * SEG);
    check(skip_all() <= 10); /* paced */
    check_eq(cwnd_of(c), 10);
    skip_ms(RTT);
    in("A", 1, at);
    check(tconn(c)->snd_nxt - tconn(c)->snd_una <= 11 * SEG); /* and a probe */
}

RUN(T(idle_keeps_the_window), T(answers_in_the_turn_of_the_acknowledgement_are_measured), T(unused_window_is_halved_every_five_minutes),
    T(two_periods_at_once), T(use_validates_again), T(burst_after_a_pause_is_paced), T(loss_counts_what_was_used),
    T(loss_of_a_validated_window), T(mark_counts_what_was_used), T(cubic_forgets_the_unused_window), T(undo_brings_the_window_back),
    T(timeout_ends_the_phase), T(bbr_is_left_alone), T(pause_of_days))
