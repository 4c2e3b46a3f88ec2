/*
 * Frames of several segments, which the port cuts: what is on the wire is what it would be without, and the rules that speak of
 * segments hold for each of them. Segments of 1000 bytes.
 */
#include <stdlib.h>

#include "script.h"

#define COUNT(c) stack()->ctr.v[c]
#define ECT0 2

/* n full segments from seq on; the last one with PSH when the queue ends there. */
static void full(uint32_t seq, int n, bool push)
{
    for (int i = 0; i < n; i++)
        out(push && i == n - 1 ? "PA" : "A", seq + (uint32_t)i * 1000, 1, 1000);
}

/* A connection with a congestion window of n segments and nothing in flight; everything up to byte 1 + n * 1000 is acknowledged. */
static int window_of(uint32_t n, bool sack)
{
    int c;

    merging_port();
    conf()->init_cwnd_segs = n;
    c = passive(.mss = 1000, .sack = sack, .ts = false);
    tconn(c)->cc.cwnd = n * 1000;
    return c;
}

/* Sending -------------------------------------------------------------------------------------------------------------------- */

TEST(one_write_is_one_frame)
{
    int c = window_of(10, false);

    snd(c, 10000);
    full(1, 10, true);
    check_eq(COUNT(CTR_TX_TSO), 1);
    check_eq(COUNT(CTR_TCP_SEG_TX), 11);
    check_eq(tconn(c)->sent.n, 1);
    in("A", 1, 10001);
    check_eq(tconn(c)->sent.n, 0);
}

/* Frames that wait behind the one that is cut hold the buffers that it is cut with: it does not wait for ever. */
TEST(no_buffers_to_cut_with)
{
    int c, d;

    if (getenv("SCRIPT_VARIANT") != NULL) /* the port cuts, or holds buffers for some time */
        return;
    conf()->pools.ind = 8;
    c = passive(.mss = 1000);
    d = passive(.mss = 1000, .port = 5001);
    begin();
    for (int i = 0; i < 8; i++)
        snd(c, 1000);
    for (int i = 0; i < 7; i++)
        snd(d, 1000);
    end();
    skip_ms(1000);
    check_eq(txq_count(&stack()->netif[0]->txq), 0);
    in("A", 1, 1 + 8000);
    in("A", 1, 1 + 7000, .port = 5001);
    skip_all();
    check(COUNT(CTR_TX_GSO_SEGS) > 0);
}

/* The rest of the queue goes with it where it might go alone (RFC 9293 3.7.4). */
TEST(a_partial_segment_goes_at_the_end)
{
    int c = window_of(10, false);

    snd(c, 2300);
    full(1, 2, false);
    out("PA", 2001, 1, 300);
    check_eq(COUNT(CTR_TX_TSO), 1);
    snd(c, 2300); /* now a small segment is in flight: whole ones only */
    full(2301, 2, false);
    check_eq(COUNT(CTR_TX_TSO), 2);
    in("A", 1, 2301);
    out("PA", 4301, 1, 300);
    in("A", 1, 4601);
    snd_flags(c, 2300, MSG_MORE);
    full(4601, 2, false);
    in("A", 1, 6601);
    after_ms(200);
    out("PA", 6601, 1, 300);
}

TEST(whole_segments_within_the_congestion_window)
{
    int c = window_of(4, false);

    tconn(c)->cc.cwnd = 4999;
    snd(c, 10000);
    full(1, 4, false);
    nothing();
    check(tconn(c)->cwnd_limited);
    check_eq(COUNT(CTR_TX_TSO), 1);
}

TEST(whole_segments_within_the_peers_window)
{
    int c = window_of(20, false);

    in("A", 1, 1, .win = 3500);
    snd(c, 10000);
    full(1, 3, false);
    nothing(); /* 500 more would be a small segment (3.8.6.2.1) */
    check_eq(COUNT(CTR_TX_TSO), 1);
    in("A", 1, 3001, .win = 7000);
    full(3001, 7, true);
    check_eq(COUNT(CTR_TX_TSO), 2);
}

/* Segments of 64 bytes: a frame has so many at most, and no more than the port takes mbufs. */
TEST(tiny_segments)
{
    int c;

    merging_port();
    conf()->init_cwnd_segs = 100;
    c = passive(.mss = 64);
    tconn(c)->cc.cwnd = 6400;
    snd(c, 6400);
    for (uint32_t i = 0; i < 100; i++)
        out(i == 99 ? "PA" : "A", 1 + i * 64, 1, 64);
    check_eq(tconn(c)->max_frame_bytes, 64 * 64);
    check(COUNT(CTR_TX_TSO) >= 2);
    check(COUNT(CTR_TX_PACKETS) < 20);
    in("A", 1, 6401);
}

TEST(fin_is_in_the_last_segment)
{
    int c = window_of(10, false);

    begin();
    snd(c, 3000);
    shut(c, SHUT_WR);
    end();
    full(1, 2, false);
    out("FPA", 2001, 1, 1000);
    check_eq(COUNT(CTR_TX_TSO), 1);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 3002);
    state_is(TCPS_FIN_WAIT_2);
}

TEST(fin_goes_with_the_rest)
{
    int c = window_of(10, false);

    begin();
    snd(c, 2500);
    shut(c, SHUT_WR);
    end();
    full(1, 2, false);
    out("FPA", 2001, 1, 500);
    check_eq(COUNT(CTR_TX_TSO), 1);
    in("A", 1, 1001);
    in("A", 1, 2502);
    state_is(TCPS_FIN_WAIT_2);
}

/* The urgent pointer counts from each segment's own number (RFC 9293 3.1). */
TEST(urgent_data_goes_by_the_segment)
{
    int c = window_of(20, false);

    begin();
    snd(c, 3000);
    snd_flags(c, 1, MSG_OOB);
    end();
    out("UA", 1, 1, 1000, .urp = 3001);
    out("UA", 1001, 1, 1000, .urp = 2001);
    out("UA", 2001, 1, 1000, .urp = 1001);
    out("UPA", 3001, 1, 1, .urp = 1);
    check_eq(COUNT(CTR_TX_TSO), 0);
    in("A", 1, 3002);
    snd(c, 3000);
    full(3002, 3, true);
    check_eq(COUNT(CTR_TX_TSO), 1);
}

/* RFC 3168 6.1.2: CWR is in the first new packet, and in no other. */
TEST(cwr_is_in_one_segment)
{
    int c;

    merging_port();
    listen_on(80);
    in("SEC", 0, 0, .o = {MSS(1000)});
    out("SAE", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    c = acc(0);
    snd(c, 4000);
    for (uint32_t i = 0; i < 4; i++)
        out(i == 3 ? "PA" : "A", 1 + i * 1000, 1, 1000, .tos = ECT0);
    check_eq(COUNT(CTR_TX_TSO), 1);
    in("AE", 1, 4001);
    snd(c, 3000);
    out("AC", 4001, 1, 1000, .tos = ECT0);
    out("A", 5001, 1, 1000, .tos = ECT0);
    out("PA", 6001, 1, 1000, .tos = ECT0);
    check_eq(COUNT(CTR_TX_TSO), 2);
    in("A", 1, 7001);
}

/* RFC 6864 section 4.2: without DF each segment has an identification of its own, which the port would not give it. */
TEST(no_frames_where_packets_may_be_fragmented)
{
    int c;

    if (v6())
        return;
    c = window_of(20, false);
    snd(c, 2000);
    full(1, 2, true);
    in_icmp(3, 4, 552, 1);
    check_eq(tconn(c)->max_frame_bytes, 0);
    skip_all();
    in("A", 1, 2001);
    check_eq(COUNT(CTR_TX_TSO), 1);
    snd(c, 1024);
    out("A", 2001, 1, 512, .no_df = true);
    out("PA", 2513, 1, 512, .no_df = true);
    check_eq(COUNT(CTR_TX_TSO), 1);
    fresh();
    c = window_of(20, false);
    sopt(c, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    snd(c, 2000);
    out("A", 1, 1, 1000, .no_df = true);
    out("PA", 1001, 1, 1000, .no_df = true);
    check_eq(COUNT(CTR_TX_TSO), 0);
    in("A", 1, 2001);
    sopt(c, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
    snd(c, 2000);
    full(2001, 2, true);
    check_eq(COUNT(CTR_TX_TSO), 1);
}

/* Loss ----------------------------------------------------------------------------------------------------------------------- */

/* RFC 6675, RFC 8985: what is missing goes again, by the segment, and nothing else. */
TEST(sack_inside_a_frame)
{
    int c = window_of(12, true);

    snd(c, 12000);
    full(1, 12, true);
    check_eq(tconn(c)->sent.n, 1);
    in("A", 1, 2001, .o = {SACK(3001, 5001)});
    nothing(); /* two segments: it may be reordering */
    in("A", 1, 2001, .o = {SACK(3001, 5001), SACK(6001, 9001)});
    out("A", 2001, 1, 1000);
    check_eq(sent_sacked_bytes(&tconn(c)->sent), 5000);
    check_eq(tconn(c)->sent.lost_bytes, 2000);
    in("A", 1, 5001, .o = {SACK(6001, 9001)});
    out("A", 5001, 1, 1000);
    in("A", 1, 9001);
    in("A", 1, 12001);
    quiet_ms(1000);
    check_eq(COUNT(CTR_TCP_RETRANS), 2);
    check_eq(tconn(c)->total_retrans, 2);
}

/* A block that ends inside a segment counts for what it covers whole. */
static void sack_of_a_part(bool late)
{
    int c = window_of(10, true);

    snd(c, 10000);
    full(1, 10, true);
    in("A", 1, 1, .o = {SACK(late ? 1501 : 1001, late ? 6001 : 5501)});
    check_eq(sent_sacked_bytes(&tconn(c)->sent), 4000);
    out("A", 1, 1, 1000);
    skip_all();
}

TEST(sack_that_ends_inside_a_segment)
{
    sack_of_a_part(false);
}

TEST(sack_that_begins_inside_a_segment)
{
    sack_of_a_part(true);
}

/* RFC 6582: without SACK the first segment, and after a partial acknowledgement the next. */
TEST(duplicate_acks_repeat_one_segment)
{
    int c = window_of(10, false);

    snd(c, 10000);
    full(1, 10, true);
    for (int i = 0; i < 3; i++)
        in("A", 1, 1);
    out("A", 1, 1, 1000);
    nothing();
    check_eq(tconn(c)->sent.lost_bytes, 1000);
    in("A", 1, 4001);
    out("A", 4001, 1, 1000);
    nothing();
    in("A", 1, 10001);
    check_eq(COUNT(CTR_TCP_RETRANS), 2);
}

/* A FIN is part of the segment that it was sent in. */
TEST(partial_ack_repeats_the_fin)
{
    int c = window_of(10, false);

    begin();
    snd(c, 5000);
    shut(c, SHUT_WR);
    end();
    skip_all();
    check_eq(tconn(c)->snd_nxt - tconn(c)->iss, 5002);
    for (int i = 0; i < 3; i++)
        in("A", 1, 1);
    out("A", 1, 1, 1000);
    in("A", 1, 4001);
    out("FPA", 4001, 1, 1000);
    in("A", 1, 5002);
    state_is(TCPS_FIN_WAIT_2);
}

/* RFC 6582 3.2: recover says nothing any more when as much was sent since that numbers begin anew. */
TEST(recover_of_long_ago)
{
    int c = window_of(10, false);

    snd(c, 10000);
    full(1, 10, true);
    tconn(c)->recover = tconn(c)->snd_una - 0xa0000000u;
    for (int i = 0; i < 3; i++)
        in("A", 1, 1);
    out("A", 1, 1, 1000);
    in("A", 1, 10001);
    check_eq(COUNT(CTR_TCP_RTO), 0);
}

/* RFC 6298 5.4: the earliest segment; then as slow start allows. */
TEST(a_timeout_repeats_one_segment)
{
    int c = window_of(10, false);

    snd(c, 10000);
    full(1, 10, true);
    after_ms(200);
    out("A", 1, 1, 1000);
    nothing();
    in("A", 1, 1001);
    full(1001, 2, false);
    in("A", 1, 10001);
    check_eq(COUNT(CTR_TCP_RTO), 1);
}

/* RFC 8985 7.3: the highest sequence number again, of the last segment; 7.2: a frame of many is no lone segment, whose ACK may be late. */
TEST(tail_loss_probe_is_the_last_segment)
{
    int c;

    merging_port();
    c = passive(.mss = 1000, .sack = true, .rtt_ms = 10);
    snd(c, 4300);
    full(1, 4, false);
    out("PA", 4001, 1, 300);
    check_eq(tconn(c)->sent.n, 1);
    after_ms(20);
    out("PA", 4001, 1, 300);
    in("A", 1, 4301, .o = {SACK(4001, 4301)});
    check_eq(COUNT(CTR_TCP_TLP), 1);
    check_eq(COUNT(CTR_TCP_RTO), 0);
}

/* RFC 5682: of the frame only the first segment was repeated; the rest arrives as it was sent. */
TEST(spurious_timeout_of_a_frame)
{
    int c = window_of(10, false);

    snd(c, 5000);
    full(1, 5, true);
    after_ms(200);
    out("A", 1, 1, 1000);
    snd(c, 3000);
    in("A", 1, 2001);
    full(5001, 2, false);
    in("A", 1, 3001);
    check_eq(COUNT(CTR_TCP_RTO), 1);
    check_eq(COUNT(CTR_TCP_RTO_SPURIOUS), 1);
    out("PA", 7001, 1, 1000);
    nothing();
    in("A", 1, 8001);
}

/* RFC 1191: the frame is cut anew. */
TEST(smaller_path)
{
    uint32_t m = v6() ? 1260 : 960;
    int c;

    merging_port();
    c = passive();
    snd(c, 4380);
    for (uint32_t i = 0; i < 3; i++)
        out(i == 2 ? "PA" : "A", 1 + i * 1460, 1, 1460);
    check_eq(COUNT(CTR_TX_TSO), 1);
    in_icmp(3, 4, (uint16_t)(m + 40), 1);
    for (uint32_t at = 1; at < 4381; at += m)
        out(at + m < 4381 ? "A" : "PA", at, 1, MIN(m, 4381 - at));
    in("A", 1, 4381);
    snd(c, 3 * m);
    for (uint32_t i = 0; i < 3; i++)
        out(i == 2 ? "PA" : "A", 4381 + i * m, 1, m);
    check_eq(COUNT(CTR_TX_TSO), 2);
}

/* Merged segments ------------------------------------------------------------------------------------------------------------ */

static int receiver(bool sack)
{
    merging_port();
    return passive(.mss = 1000, .sack = sack);
}

TEST(merged_segments_are_one_answer)
{
    int c = receiver(false);

    burst();
    for (uint32_t i = 0; i < 6; i++)
        in("A", 1 + i * 1000, 1, 1000);
    end();
    out("A", 1, 6001);
    nothing();
    check_eq(COUNT(CTR_RX_LRO), 1);
    check_eq(COUNT(CTR_TCP_SEG_RX), 8);
    check_eq(tconn(c)->rcv_mss, 1000);
    rcv(c, 6000);
}

/* SHLD-19: what full-sized means is not what a merged frame has. */
TEST(delayed_acks_after_merged_segments)
{
    int c = receiver(false);

    burst();
    in("A", 1, 1, 1000);
    in("A", 1001, 1, 1000);
    end();
    out("A", 1, 2001);
    in("A", 2001, 1, 1000);
    nothing();
    in("A", 3001, 1, 1000);
    out("A", 1, 4001);
    rcv(c, 4000);
}

/* RFC 5681 4.2: an acknowledgement for each segment out of order, or a sender without SACK never counts to three. */
TEST(merged_behind_a_hole)
{
    int c = receiver(false);

    burst();
    for (uint32_t i = 1; i < 5; i++)
        in("A", 1 + i * 1000, 1, 1000);
    end();
    for (int i = 0; i < 4; i++)
        out("A", 1, 1);
    check_eq(COUNT(CTR_RX_LRO), 1);
    in("A", 1, 1, 1000);
    out("A", 1, 5001);
    rcv(c, 5000);
}

TEST(merged_behind_a_hole_with_sack)
{
    int c = receiver(true);

    burst();
    for (uint32_t i = 1; i < 5; i++)
        in("A", 1 + i * 1000, 1, 1000);
    end();
    out("A", 1, 1, .o = {SACK(1001, 5001)});
    nothing();
    in("A", 1, 1, 1000);
    out("A", 1, 5001);
    rcv(c, 5000);
}

/* RFC 9293 3.8.6: what was promised is taken, though SO_RCVBUF is smaller now; what is beyond it is cut off. */
TEST(merged_into_a_small_buffer)
{
    int c = receiver(false);
    uint32_t seq = 1, edge = tconn(c)->rcv_adv - tconn(c)->irs;

    sopt(c, SOL_SOCKET, SO_RCVBUF, 1);
    for (; seq < edge; seq = MIN(seq + 6000, edge)) {
        burst();
        for (uint32_t k = 0; k < 6; k++)
            in("A", seq + k * 1000, 1, 1000);
        end();
        out("A", 1, MIN(seq + 6000, edge));
        nothing();
    }
    check_eq(COUNT(DROP_TCP_RCVBUF), 0);
    rcv(c, edge - 1);
    skip_all();
}

/* The first of them came before. */
TEST(merged_with_a_duplicate)
{
    int c = receiver(true);

    in("A", 1, 1, 1000);
    burst();
    in("A", 1, 1, 1000);
    in("A", 1001, 1, 1000);
    in("A", 2001, 1, 1000);
    end();
    out("A", 1, 3001, .o = {SACK(1, 1001)});
    check_eq(COUNT(CTR_RX_LRO), 1);
    check_eq(tconn(c)->rcv_mss, 1000);
    rcv(c, 3000);
}

RUN(T(one_write_is_one_frame), T(no_buffers_to_cut_with), T(a_partial_segment_goes_at_the_end),
    T(whole_segments_within_the_congestion_window), T(whole_segments_within_the_peers_window), T(tiny_segments),
    T(fin_is_in_the_last_segment), T(fin_goes_with_the_rest), T(urgent_data_goes_by_the_segment), T(cwr_is_in_one_segment),
    T(no_frames_where_packets_may_be_fragmented), T(sack_inside_a_frame), T(sack_that_ends_inside_a_segment),
    T(sack_that_begins_inside_a_segment), T(duplicate_acks_repeat_one_segment), T(partial_ack_repeats_the_fin), T(recover_of_long_ago),
    T(a_timeout_repeats_one_segment), T(tail_loss_probe_is_the_last_segment), T(spurious_timeout_of_a_frame), T(smaller_path),
    T(merged_segments_are_one_answer), T(delayed_acks_after_merged_segments), T(merged_behind_a_hole), T(merged_behind_a_hole_with_sack),
    T(merged_into_a_small_buffer), T(merged_with_a_duplicate))
