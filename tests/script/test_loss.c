/*
 * Loss recovery: RACK-TLP (RFC 8985), PRR (RFC 9937), DSACK (RFC 2883, 3708), Eifel (RFC 3522, 4015), F-RTO (RFC 5682), reneging
 * (RFC 2018). A round trip of 40 ms, segments of 1000 bytes: the reordering window is 10 ms, a tail loss probe goes after 80 ms.
 */
#include "script.h"

#include <string.h>

#define RTT 40u

static uint64_t count(enum ctr id)
{
    return stack()->ctr.v[id];
}

static void full(uint32_t seq, int n, bool push)
{
    for (int i = 0; i < n; i++)
        out(push && i == n - 1 ? "PA" : "A", seq + (uint32_t)i * 1000, 1, 1000);
}

/* Reno: its window is easy to tell. */
static int plain(void)
{
    conf()->cc = &cc_reno;
    return passive(.mss = 1000, .rtt_ms = RTT);
}

static int start(void)
{
    conf()->cc = &cc_reno;
    return passive(.mss = 1000, .sack = true, .rtt_ms = RTT);
}

/* A connection with n segments in flight, whose first SACKs and ACKs may come now. */
static int flight(int n)
{
    int c = start();

    snd(c, n * 1000);
    full(1, n, true);
    quiet_ms(RTT);
    return c;
}

/* Everything that leaves is acknowledged from now on. */
static void finish(int c)
{
    while (skip_all(), tconn(c)->snd_una != tconn(c)->sndq.end_seq)
        in("A", 1, tconn(c)->snd_nxt - tconn(c)->iss);
}

/* Tail loss probe: RFC 8985 section 7 ------------------------------------------------------------------------------------ */

/* 7.2, 7.3: after two round trips the last segment again; 7.4.2: acknowledged without DSACK it repaired a loss. */
TEST(probe_repeats_the_last_segment)
{
    int c = start();

    snd(c, 2000);
    full(1, 2, true);
    after_ms(2 * RTT);
    out("PA", 1001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 2001);
    snd(c, 1000);
    out("PA", 2001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 3001);
    check_eq(count(CTR_TCP_TLP_REPAIRED), 1);
    check_eq(tconn(c)->cc.ssthresh, 2000); /* two segments of the window were used (RFC 7661 4.4.1) */
    check_eq(count(CTR_TCP_RTO), 0);
    quiet_ms(5000);
}

/* 7.2: its acknowledgement may be delayed by the peer. */
TEST(probe_of_a_lone_segment_waits_for_a_delayed_ack)
{
    int c = start();

    snd(c, 500);
    out("PA", 1, 1, 500);
    after_ms(2 * RTT + 40);
    out("PA", 1, 1, 500);
}

/* 7.3: new data that the congestion window held back. */
TEST(probe_is_new_data_when_there_is_some)
{
    int c = start();

    snd(c, 15000);
    full(1, 10, false);
    after_ms(2 * RTT);
    out("A", 10001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 11001);
    skip_all();
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
}

/* 7.4.2: the report of a duplicate says that nothing was lost. */
TEST(probe_for_nothing_reported_by_dsack)
{
    int c = start();

    snd(c, 2000);
    full(1, 2, true);
    after_ms(2 * RTT);
    out("PA", 1001, 1, 1000);
    in("A", 1, 2001);
    in("A", 1, 2001, .o = {SACK(1001, 2001)});
    check_eq(count(CTR_TCP_DSACK_RX), 1);
    snd(c, 1000);
    out("PA", 2001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 3001);
    check_eq(count(CTR_TCP_TLP_REPAIRED), 0);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
    check_eq(tconn(c)->rack.reo_wnd_steps, 0); /* it was no reordering that the window was too small for */
}

TEST(probe_for_nothing_reported_by_a_duplicate_ack)
{
    int c = start();

    snd(c, 2000);
    full(1, 2, true);
    after_ms(2 * RTT);
    out("PA", 1001, 1, 1000);
    in("A", 1, 2001);
    in("A", 1, 2001);
    snd(c, 1000);
    out("PA", 2001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 3001);
    check_eq(count(CTR_TCP_TLP_REPAIRED), 0);
}

/* 7.3: one probe only; then the timeout, counted from the probe. */
TEST(lost_probe_is_followed_by_the_timeout)
{
    int c = start();

    snd(c, 2000);
    full(1, 2, true);
    after_ms(2 * RTT);
    out("PA", 1001, 1, 1000);
    after_ms(200);
    out("A", 1, 1, 1000);
    check_eq(count(CTR_TCP_RTO), 1);
    after_ms(400);
    out("A", 1, 1, 1000);
}

/* 7.1: the probe's SACK lets RACK find what was lost before it: no timeout. */
TEST(probe_shows_a_longer_tail_loss)
{
    int c = flight(5);

    in("A", 1, 2001);
    after_ms(2 * RTT);
    out("PA", 4001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 2001, .o = {SACK(4001, 5001)});
    out("A", 2001, 1, 1000);
    nothing();
    quiet_ms(RTT);
    in("A", 1, 3001, .o = {SACK(4001, 5001)});
    out("A", 3001, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 5001);
    check_eq(count(CTR_TCP_RTO), 0);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    quiet_ms(5000);
}

/* 7.2: not without SACK, and not while a hole is known. */
TEST(no_probe_without_sack)
{
    int c = plain();

    snd(c, 2000);
    full(1, 2, true);
    after_ms(200);
    out("A", 1, 1, 1000);
    check_eq(count(CTR_TCP_TLP), 0);
}

/* A FIN is a tail like any other. */
TEST(probe_repeats_a_fin)
{
    int c = start();

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    shut(c, SHUT_WR);
    out("FA", 1001, 1);
    after_ms(2 * RTT);
    out("FA", 1001, 1);
    in("A", 1, 1002);
    quiet_ms(1000);
}

/* RACK: RFC 8985 section 6 ------------------------------------------------------------------------------------------------ */

/* 6.2 step 5: late by less than the reordering window: nothing is sent again. */
TEST(reordering_is_not_retransmitted)
{
    int c = flight(4);

    in("A", 1, 1, .o = {SACK(1001, 2001)});
    quiet_ms(9);
    in("A", 1, 2001);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(tconn(c)->reord_seen, 1);
    check_eq(tconn(c)->reordering, 2);
    in("A", 1, 4001);
    quiet_ms(5000);
    check_eq(count(CTR_TCP_RETRANS), 0);
}

TEST(reordering_timer_finds_the_loss)
{
    int c = flight(4);

    in("A", 1, 1, .o = {SACK(1001, 2001)});
    after_ms(10);
    out("A", 1, 1, 1000);
    nothing();
    quiet_ms(RTT);
    in("A", 1, 4001);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(count(CTR_TCP_RTO), 0);
}

/* In a turn that takes long: what became due after something was heard last waits, as its acknowledgement may have come. */
TEST(reordering_timer_leaves_what_became_due_since)
{
    int c = start();
    uint64_t now;

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    quiet_ms(5);
    snd(c, 2000);
    full(1001, 2, true);
    quiet_ms(RTT);
    in("A", 1, 1, .o = {SACK(2001, 3001)});
    quiet_ms(RTT / 4 - 6);
    now = stack()->now_ns;
    stack_input(stack(), now + 2 * NS_PER_MS);
    stack_output(stack(), now + 50 * NS_PER_MS);
    check_eq(count(CTR_TCP_RETRANS), 1);
    skip_ms(60);
    check_eq(count(CTR_TCP_RETRANS), 2);
    in("A", 1, 3001);
}

/*
 * Two segments lost, two behind them arrived, nothing more to send: the timer, a quarter of a round trip later, replaces both. Where new
 * data went in their place (RFC 3042), one goes, and the other when acknowledgements have made room.
 */
TEST(reordering_timer_replaces_what_arrived)
{
    int c = start();

    snd(c, 4000);
    full(1, 4, true);
    quiet_ms(RTT);
    in("A", 1, 1, .o = {SACK(2001, 4001)});
    after_ms(RTT / 4);
    out("A", 1, 1, 1000);
    out("A", 1001, 1, 1000);
    in("A", 1, 4001);
    quiet_ms(1000);
}

TEST(reordering_timer_when_new_data_went)
{
    int c = start();

    snd(c, 14000);
    full(1, 10, false);
    quiet_ms(RTT);
    in("A", 1, 1, .o = {SACK(2001, 4001)});
    full(10001, 2, false);
    after_ms(RTT / 4);
    out("A", 1, 1, 1000);
    nothing();
    finish(c);
}

/* 6.2 step 4: three SACKed segments, as ever, when the path was not seen to reorder; afterwards they are worth no more than one. */
TEST(three_segments_count_until_reordering_was_seen)
{
    int c = flight(10);

    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000);
    fresh();
    c = flight(10);
    in("A", 1, 1, .o = {SACK(1001, 2001)});
    quiet_ms(1);
    in("A", 1, 2001); /* the hole is filled by what was late */
    check(tconn(c)->rack.reordering_seen);
    in("A", 1, 2001, .o = {SACK(3001, 6001)});
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    after_ms(10);
    out("A", 2001, 1, 1000);
}

/* 3.2: a retransmission that is lost again, found by what was sent after it. */
TEST(lost_retransmission_is_found_by_time)
{
    int c = start();

    snd(c, 20000);
    full(1, 10, false);
    quiet_ms(RTT);
    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000);
    quiet_ms(5);
    in("A", 1, 1, .o = {SACK(1001, 10001)});
    full(10001, 4, false);
    quiet_ms(RTT - 5);
    nothing();
    quiet_ms(5);
    in("A", 1, 1, .o = {SACK(10001, 11001), SACK(1001, 10001)});
    out("A", 1, 1, 1000);
    skip_all();
    quiet_ms(RTT);
    in("A", 1, 14001);
    check_eq(count(CTR_TCP_RTO), 0);
    check_eq(tconn(c)->total_retrans, 2);
    skip_all();
}

/* 6.2 step 4: each round trip with DSACKs widens the window by a quarter of the least round trip. */
TEST(dsack_widens_the_reordering_window)
{
    int c = flight(4);

    in("A", 1, 1, .o = {SACK(1001, 2001)});
    after_ms(10);
    out("A", 1, 1, 1000);
    in("A", 1, 4001);
    in("A", 1, 4001, .o = {SACK(1, 1001)}); /* it had only been late */
    check_eq(tconn(c)->rack.reo_wnd_steps, 1);
    check(tconn(c)->rack.reordering_seen);
    snd(c, 4000);
    skip_all();
    quiet_ms(RTT);
    in("A", 1, 4001, .o = {SACK(5001, 6001)});
    quiet_ms(15);
    after_ms(5);
    out("A", 4001, 1, 1000);
}

/* PRR: RFC 9937 ------------------------------------------------------------------------------------------------------------ */

/* Ten in flight, one lost: four more segments beside the retransmission, one for every two that arrive. */
TEST(prr_sends_one_for_two)
{
    int c = start();
    uint32_t sent = 0;

    snd(c, 30000);
    full(1, 10, false);
    quiet_ms(RTT);
    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000); /* half of the three that arrived would be two */
    check_eq(tconn(c)->cc.ssthresh, 5000);
    for (uint32_t i = 4; i < 10; i++) {
        in("A", 1, 1, .o = {SACK(1001, 1001 + i * 1000)});
        sent += skip_all();
        check(tcp_pipe(tconn(c)) >= 5000);
    }
    check_eq(sent, 4);
    quiet_ms(RTT);
    in("A", 1, 10001);
    check_eq(tconn(c)->cc.cwnd, 5000);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    skip_all();
}

/* Much was lost: what arrives is replaced, no burst of retransmissions. */
TEST(prr_replaces_what_arrives)
{
    flight(10);

    in("A", 1, 1, .o = {SACK(9001, 10001)});
    after_ms(10);
    out("A", 1, 1, 1000);
    nothing();
    quiet_ms(RTT);
    in("A", 1, 1001, .o = {SACK(9001, 10001)});
    out("A", 1001, 1, 1000);
    out("A", 2001, 1, 1000); /* SafeACK: one more */
    nothing();
    quiet_ms(RTT);
    in("A", 1, 2001, .o = {SACK(9001, 10001)});
    full(3001, 2, false);
    nothing();
}

/* DSACK --------------------------------------------------------------------------------------------------------------------- */

/* RFC 2883 4.1.1: a segment received twice, below the cumulative ACK. */
TEST(duplicate_segment_is_reported)
{
    passive(.sack = true);
    in("A", 1, 1, 500);
    in("A", 501, 1, 500);
    skip_all();
    in("A", 501, 1, 500);
    out("A", 1, 1001, .o = {SACK(501, 1001)});
    in("A", 1, 1, 500);
    out("A", 1, 1001, .o = {SACK(1, 501)});
    check_eq(count(CTR_TCP_DSACK_TX), 2);
    in("PA", 1001, 1, 10);
    out("A", 1, 1011); /* once */
}

/* 4.1.2: a duplicate beyond a hole stands before the block that contains it. 4.2: part of a segment. */
TEST(duplicate_out_of_order_is_reported)
{
    passive(.sack = true);
    in("A", 1001, 1, 500);
    out("A", 1, 1, .o = {SACK(1001, 1501)});
    in("A", 1501, 1, 500);
    out("A", 1, 1, .o = {SACK(1001, 2001)});
    in("A", 1001, 1, 500);
    out("A", 1, 1, .o = {SACK(1001, 1501), SACK(1001, 2001)});
    in("A", 1901, 1, 500);
    out("A", 1, 1, .o = {SACK(1901, 2001), SACK(1001, 2401)});
    in("A", 1, 1, 1200);
    out("A", 1, 2401, .o = {SACK(1001, 1201)});
}

TEST(duplicate_is_not_reported_without_sack)
{
    passive();
    in("PA", 1, 1, 500);
    out("A", 1, 501);
    in("PA", 1, 1, 500);
    out("A", 1, 501);
}

/* RFC 3708: everything that was retransmitted is reported as a duplicate: the window is what it was. */
TEST(dsack_undoes_a_recovery)
{
    int c = flight(10);
    uint32_t cwnd = tconn(c)->cc.cwnd;

    in("A", 1, 1, .o = {SACK(1001, 4001)});
    out("A", 1, 1, 1000);
    check(tconn(c)->cc.cwnd < cwnd);
    in("A", 1, 10001);
    check_eq(tconn(c)->cc.cwnd, 5000);
    quiet_ms(5);
    in("A", 1, 10001, .o = {SACK(1, 1001)});
    check(tconn(c)->cc.cwnd >= cwnd);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
    check_eq(count(CTR_TCP_UNDO), 1);
    check_eq(tconn(c)->dsack_dups, 1);
}

/* A part of it is not enough, nor a report about what was never repeated. */
TEST(dsack_of_a_part_undoes_nothing)
{
    int c = flight(10);

    in("A", 1, 1, .o = {SACK(2001, 5001)});
    out("A", 1, 1, 1000);
    in("A", 1, 1, .o = {SACK(2001, 6001)});
    in("A", 1, 1, .o = {SACK(2001, 8001)});
    skip_all();
    check_eq(tconn(c)->total_retrans, 2);
    in("A", 1, 10001);
    in("A", 1, 10001, .o = {SACK(1, 1001)});
    in("A", 1, 10001, .o = {SACK(0x80000000u, 0x80000400u)});
    check_eq(count(CTR_TCP_UNDO), 0);
    check_eq(tconn(c)->cc.cwnd, 5000);
}

/* Eifel: RFC 3522, RFC 4015 -------------------------------------------------------------------------------------------------- */

static int flight_ts(int n)
{
    int c;

    conf()->cc = &cc_reno;
    c = passive(.mss = 1000, .sack = true, .ts = true, .rtt_ms = RTT);

    snd(c, n * 988);
    for (int i = 0; i < n; i++)
        out(i == n - 1 ? "PA" : "A", 1 + (uint32_t)i * 988, 1, 988);
    quiet_ms(RTT);
    return c;
}

/* The first ACK after a retransmission echoes the original's timestamp. */
TEST(eifel_undoes_a_recovery)
{
    int c = flight_ts(10);
    uint32_t cwnd = tconn(c)->cc.cwnd;

    in("A", 1, 1, .o = {TS2(2000, RTT), SACK(989, 3953)});
    out("A", 1, 1, 988);
    quiet_ms(5);
    in("A", 1, 3953, .o = {TS2(2005, RTT)});
    check_eq(count(CTR_TCP_UNDO), 1);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check(tconn(c)->cc.cwnd >= cwnd);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
}

TEST(eifel_keeps_a_recovery_that_was_needed)
{
    int c = flight_ts(10);

    in("A", 1, 1, .o = {TS2(2000, RTT), SACK(989, 3953)});
    out("A", 1, 1, 988);
    quiet_ms(RTT);
    in("A", 1, 3953, .o = {TS2(2005, 2 * RTT)});
    check_eq(count(CTR_TCP_UNDO), 0);
    check_eq(tconn(c)->ca, TCP_CA_RECOVERY);
    skip_all();
}

TEST(eifel_undoes_a_timeout)
{
    int c = passive(.mss = 1000, .ts = true, .rtt_ms = RTT);
    uint32_t cwnd = tconn(c)->cc.cwnd;

    snd(c, 4 * 988);
    for (int i = 0; i < 4; i++)
        out(i == 3 ? "PA" : "A", 1 + (uint32_t)i * 988, 1, 988);
    after_ms(200);
    out("A", 1, 1, 988);
    quiet_ms(5);
    in("A", 1, 989, .o = {TS2(2000, RTT)});
    nothing(); /* the others are in flight */
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 1);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check(tconn(c)->cc.cwnd >= cwnd);
    in("A", 1, 3953, .o = {TS2(2001, RTT)});
    quiet_ms(5000);
}

/*
 * RFC 4015 3.2 step (11): after a spurious timeout the first round trip of newer data, 150 ms, is the estimate: RTO = 150 + 4 * 75. Data
 * that had been sent before (here: what the ACK at 205 ms covers) says nothing of that.
 */
TEST(spurious_timeout_makes_the_next_longer)
{
    int c = passive(.mss = 1000, .ts = true, .rtt_ms = RTT);

    snd(c, 4 * 988);
    for (int i = 0; i < 4; i++)
        out(i == 3 ? "PA" : "A", 1 + (uint32_t)i * 988, 1, 988);
    after_ms(200);
    out("A", 1, 1, 988);
    quiet_ms(5);
    in("A", 1, 989, .o = {TS2(2000, RTT)});
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 1);
    in("A", 1, 3953, .o = {TS2(2001, RTT)});
    snd(c, 988);
    out("PA", 3953, 1, 988);
    quiet_ms(150);
    in("A", 1, 4941, .o = {TS(2151)});
    snd(c, 988);
    out("PA", 4941, 1, 988);
    after_ms(450);
    out("PA", 4941, 1, 988);
    check_eq(rtt_srtt_ns(&tconn(c)->rtt) / NS_PER_MS, 150);
    in("A", 1, 5929, .o = {TS(2601)});
}

/* F-RTO: RFC 5682 ------------------------------------------------------------------------------------------------------------- */

/* 2.1: two new segments after the first ACK; the second ACK advances: the timeout was spurious. */
TEST(frto_without_sack_spurious)
{
    int c = plain();

    snd(c, 15000);
    full(1, 10, false);
    after_ms(200);
    out("A", 1, 1, 1000);
    quiet_ms(5);
    in("A", 1, 1001);
    full(10001, 2, false);
    nothing();
    in("A", 1, 2001);
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 1);
    check(tconn(c)->cc.cwnd >= 10000);
    check_eq(count(CTR_TCP_RETRANS), 1);
    in("A", 1, 11001);
    skip_all();
    in("A", 1, 15001);
    quiet_ms(5000);
    check_eq(count(CTR_TCP_RETRANS), 1);
}

/* 2.1 step 3a: a duplicate: the loss is real, slow start repeats. */
TEST(frto_without_sack_real)
{
    int c = plain();

    snd(c, 15000);
    full(1, 10, false);
    after_ms(200);
    out("A", 1, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 1001);
    full(10001, 2, false);
    quiet_ms(RTT);
    in("A", 1, 1001);
    full(1001, 1, false); /* two in the network, one of them told of by the duplicate */
    nothing();
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 0);
}

/* Step 2a: a duplicate first, or everything acknowledged: nothing can be told. */
TEST(frto_cannot_tell)
{
    int c = plain();

    snd(c, 15000);
    full(1, 5, false);
    skip_all();
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 10001);
    check_eq(tconn(c)->undo.frto, FRTO_OFF);
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 0);
    full(10001, 2, false);
}

/* 3.1: with SACK, data sent before the timeout arrives. */
TEST(frto_with_sack_spurious)
{
    int c = start();

    snd(c, 15000);
    full(1, 10, false);
    after_ms(2 * RTT);
    out("A", 10001, 1, 1000); /* the probe */
    after_ms(200);
    out("A", 1, 1, 1000);
    quiet_ms(5);
    in("A", 1, 1001);
    full(11001, 2, false);
    nothing();
    in("A", 1, 2001);
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 1);
    check(tconn(c)->cc.cwnd >= 10000);
    in("A", 1, 11001);
    skip_all();
    in("A", 1, 15001);
    quiet_ms(5000);
    check_eq(count(CTR_TCP_RETRANS), 1);
}

/* Only what was sent after the timeout arrives: the loss is real. */
TEST(frto_with_sack_real)
{
    int c = start();

    snd(c, 15000);
    full(1, 10, false);
    after_ms(2 * RTT);
    out("A", 10001, 1, 1000);
    after_ms(200);
    out("A", 1, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 1001);
    full(11001, 2, false);
    quiet_ms(RTT);
    in("A", 1, 1001, .o = {SACK(11001, 12001)});
    out("A", 1001, 1, 1000);
    skip_all();
    check_eq(count(CTR_TCP_RTO_SPURIOUS), 0);
    check_eq(tconn(c)->ca, TCP_CA_LOSS);
}

/* Others -------------------------------------------------------------------------------------------------------------------- */

/* RFC 2018 section 8: the ACK stops below what was SACKed: it was thrown away, and goes again after half a round trip. */
TEST(reneging_is_seen)
{
    flight(5);

    in("A", 1, 1, .o = {SACK(1001, 5001)});
    out("A", 1, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, 1001);
    after_ms(RTT / 2);
    out("A", 1001, 1, 1000);
    check_eq(count(CTR_TCP_RENEGED), 1);
    quiet_ms(RTT);
    in("A", 1, 2001);
    skip_all();
    quiet_ms(RTT);
    in("A", 1, 5001);
    quiet_ms(5000);
}

/* The window was made smaller over data in flight: a retransmission ends where it ends (RFC 9293 SHLD-15, SHLD-16). */
TEST(retransmission_fits_the_window)
{
    int c = plain();

    snd(c, 4000);
    full(1, 4, true);
    in("A", 1, 1, .win = 1500);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 1001, .win = 500);
    out("A", 1001, 1, 500);
    nothing();
    in("A", 1, 1501, .win = 5000);
    skip_all();
    in("A", 1, 4001);
    quiet_ms(5000);
}

/* TCP_INFO tells. */
TEST(tcp_info_of_a_recovery)
{
    int c = flight(10);
    struct tcp_info i;
    unsigned len = sizeof(i);

    in("A", 1, 1, .o = {SACK(1001, 2001), SACK(3001, 5001)});
    out("A", 1, 1, 1000);
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_sacked, 3);
    check_eq(i.tcpi_lost, 2);
    check_eq(i.tcpi_retrans, 1);
    check_eq(i.tcpi_total_retrans, 1);
    check_eq(i.tcpi_reord_seen, 0);
    in("A", 1, 5001);
    in("A", 1, 5001, .o = {SACK(2001, 3001)});
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_dsack_dups, 1);
    check_eq(i.tcpi_reord_seen, 1);
    check_eq(i.tcpi_reordering, 3);
}

/* BBR has no ssthresh; who takes over from it while losses are repaired has the one that it would have set. */
static int bbr_with_ten_in_flight(void)
{
    int c;

    conf()->cc = &cc_bbr;
    c = passive(.mss = 1000, .sack = true, .rtt_ms = RTT);
    snd(c, 20000);
    skip_ms(RTT);
    check_eq(tconn(c)->snd_nxt - tconn(c)->snd_una, 10000);
    return c;
}

static void switch_to(int c, const char *name)
{
    check_eq(tcp_setopt(stack(), tconn(c), IPPROTO_TCP, TCP_CONGESTION, name, (unsigned)strlen(name)), 0);
}

TEST(switched_from_bbr_after_a_timeout)
{
    int c = bbr_with_ten_in_flight();

    skip_ms(400);
    check_eq(tconn(c)->ca, TCP_CA_LOSS);
    in("A", 1, 8001); /* little is left of the flight: its size then counts */
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_LOSS);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
    switch_to(c, "reno");
    check(tconn(c)->cc.ssthresh >= 5000 && tconn(c)->cc.ssthresh <= 6000);
    check(tconn(c)->cc.cwnd <= tconn(c)->cc.ssthresh);
    finish(c);
}

TEST(switched_from_bbr_in_a_recovery)
{
    int c = bbr_with_ten_in_flight();

    in("A", 1, 1, .o = {SACK(1001, 6001)});
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_RECOVERY);
    switch_to(c, "cubic");
    check(tconn(c)->cc.ssthresh >= 7000 && tconn(c)->cc.ssthresh <= 8400);
    skip_all();
    in("A", 1, 10001);
    skip_all();
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check_eq(tconn(c)->cc.cwnd, tconn(c)->cc.ssthresh);
    finish(c);
}

/* RFC 8985 6.3: what was sent less than RACK.rtt ago is not lost, however much shorter the round trip used to be. */
TEST(timeout_spares_what_is_young)
{
    int c = start();

    snd(c, 2000);
    full(1, 2, true);
    quiet_ms(75);
    in("A", 1, 2001);
    snd(c, 1000);
    skip_ms(130 + 129); /* and the probe; the timeout is 200 ms after it */
    snd(c, 1000);
    out("PA", 3001, 1, 1000);
    quiet_ms(65);
    skip_ms(10); /* 70 ms: less than the last round trip, more than their mean and the reordering window */
    check_eq(count(CTR_TCP_RTO), 1);
    check_eq(tconn(c)->sent.lost_bytes, 1000);
    finish(c);
}

/* A round trip after a recovery all is told of it: acknowledgements are ordinary ones again, and later duplicates are others'. */
TEST(undo_is_settled_after_a_round_trip)
{
    int c = flight(8);
    uint32_t at = 8001;

    in("A", 1, 1, .o = {SACK(1001, 5001)});
    out("A", 1, 1, 1000);
    quiet_ms(RTT);
    in("A", 1, at);
    check(tconn(c)->undo_open);
    for (int i = 0; i < 2; i++) {
        snd(c, 1000);
        out("PA", at, 1, 1000);
        quiet_ms(RTT);
        at += 1000;
        in("A", 1, at);
    }
    check(!tconn(c)->undo_open);
    in("A", 1, at, .o = {SACK(1, 1001)});
    check_eq(count(CTR_TCP_UNDO), 0);
}

RUN(T(probe_repeats_the_last_segment), T(probe_of_a_lone_segment_waits_for_a_delayed_ack), T(probe_is_new_data_when_there_is_some),
    T(probe_for_nothing_reported_by_dsack), T(probe_for_nothing_reported_by_a_duplicate_ack), T(lost_probe_is_followed_by_the_timeout),
    T(probe_shows_a_longer_tail_loss), T(no_probe_without_sack), T(probe_repeats_a_fin), T(reordering_is_not_retransmitted),
    T(reordering_timer_finds_the_loss), T(reordering_timer_leaves_what_became_due_since), T(reordering_timer_replaces_what_arrived),
    T(reordering_timer_when_new_data_went), T(three_segments_count_until_reordering_was_seen), T(lost_retransmission_is_found_by_time),
    T(dsack_widens_the_reordering_window), T(prr_sends_one_for_two), T(prr_replaces_what_arrives), T(duplicate_segment_is_reported),
    T(duplicate_out_of_order_is_reported), T(duplicate_is_not_reported_without_sack), T(dsack_undoes_a_recovery),
    T(dsack_of_a_part_undoes_nothing), T(eifel_undoes_a_recovery), T(eifel_keeps_a_recovery_that_was_needed), T(eifel_undoes_a_timeout),
    T(spurious_timeout_makes_the_next_longer), T(frto_without_sack_spurious), T(frto_without_sack_real), T(frto_cannot_tell),
    T(frto_with_sack_spurious), T(frto_with_sack_real), T(reneging_is_seen), T(retransmission_fits_the_window), T(tcp_info_of_a_recovery),
    T(switched_from_bbr_after_a_timeout), T(switched_from_bbr_in_a_recovery), T(timeout_spares_what_is_young),
    T(undo_is_settled_after_a_round_trip))
