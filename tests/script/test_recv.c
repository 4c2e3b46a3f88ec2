/* The receiver: acknowledgements, windows, reassembly with SACK, urgent data. RFC 9293 sections 3.4, 3.8, RFC 5681 4.2, RFC 2018. */
#include "script.h"

#include <string.h>

/* Delayed ACK: SHLD-18, MUST-40, SHLD-19 ------------------------------------------------------------------------------- */

TEST(lone_segment_waits_40_ms)
{
    int c = passive();

    in("A", 1, 1, 100);
    rcv(c, 100);
    after_ms(40);
    out("A", 1, 101);
    quiet_ms(1000);
}

TEST(every_second_full_segment_is_acknowledged_at_once)
{
    passive(.mss = 1460);
    for (uint32_t i = 0; i < 8; i += 2) {
        in("A", 1 + i * 1460, 1, 1460);
        nothing();
        in("A", 1461 + i * 1460, 1, 1460);
        out("A", 1, 2921 + i * 1460);
    }
}

/* The end of what the peer wrote: it may be waiting. */
TEST(psh_is_answered_at_the_end_of_the_turn)
{
    int c = passive();

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    rcv(c, 100);
}

/* MUST-58: the response carries the acknowledgement. */
TEST(response_carries_the_ack)
{
    int c = passive();

    begin();
    in("PA", 1, 1, 100);
    rcv(c, 100);
    snd(c, 200);
    end();
    out("PA", 1, 101, 200);
    quiet_ms(100);
}

/* Its turn and ours: the third time on the text that follows is likely to carry the acknowledgement. */
static int talking(uint32_t *seq)
{
    int c = passive();

    for (*seq = 1; *seq < 3 * 100; *seq += 100) {
        begin();
        in("PA", *seq, *seq, 100);
        rcv(c, 100);
        snd(c, 100);
        end();
        out("PA", *seq, *seq + 100, 100);
    }
    in("PA", *seq, *seq, 100);
    rcv(c, 100);
    *seq += 100;
    return c;
}

TEST(in_a_conversation_the_next_text_carries_the_ack)
{
    uint32_t seq;
    int c = talking(&seq);

    nothing();
    snd(c, 100);
    out("PA", seq - 100, seq, 100);
    in("A", seq, seq, 0);
    quiet_ms(1000);
}

TEST(in_a_conversation_an_ack_waits_a_millisecond)
{
    uint32_t seq;

    talking(&seq);
    after_ms(1);
    out("A", seq - 100, seq);
    quiet_ms(1000);
}

/* The peer may have waited for the ACK: a small segment was in flight. */
TEST(who_writes_twice_is_acknowledged_at_once)
{
    uint32_t seq;
    int c = talking(&seq);

    after_ms(1);
    out("A", seq - 100, seq);
    for (uint32_t i = 0; i < 2; i++, seq += 100) {
        in("PA", seq, seq - i * 100 - 100, 100);
        out("A", seq - i * 100 - 100, seq + 100);
    }
    rcv(c, 200);
    snd(c, 100);
    out("PA", seq - 300, seq, 100);
    in("PA", seq, seq - 200, 100); /* one exchange is no conversation yet */
    out("A", seq - 200, seq + 100);
}

/* Our side takes its time: the peer would measure it as a round trip. */
TEST(slow_answers_are_no_conversation)
{
    int c = passive();

    for (uint32_t seq = 1; seq < 500; seq += 100) {
        in("PA", seq, seq, 100);
        out("A", seq, seq + 100);
        rcv(c, 100);
        quiet_ms(1);
        snd(c, 100);
        out("PA", seq, seq + 100, 100);
    }
}

TEST(quickack_in_a_conversation)
{
    uint32_t seq;
    int c = talking(&seq);

    snd(c, 100);
    out("PA", seq - 100, seq, 100);
    sopt(c, IPPROTO_TCP, TCP_QUICKACK, 1);
    in("PA", seq, seq, 100);
    out("A", seq, seq + 100);
}

/* MUST-59: one ACK for everything that came in one turn. */
TEST(one_ack_per_turn)
{
    passive();
    begin();
    for (uint32_t i = 0; i < 6; i++)
        in("PA", 1 + i * 100, 1, 100);
    end();
    out("A", 1, 601);
}

TEST(quickack_acknowledges_at_once)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_QUICKACK, 1);
    in("A", 1, 1, 100);
    out("A", 1, 101);
}

/* Like its listener's other options. */
TEST(quickack_is_inherited)
{
    int l = listen_on(80);

    sopt(l, IPPROTO_TCP, TCP_QUICKACK, 1);
    passive();
    in("A", 1, 1, 100);
    out("A", 1, 101);
}

/* Out of order: at once, one for each (RFC 5681 4.2), also within one turn. */
TEST(duplicate_acks_are_not_merged)
{
    passive();
    begin();
    for (uint32_t i = 1; i <= 4; i++)
        in("A", 1 + i * 100, 1, 100);
    end();
    for (uint32_t i = 1; i <= 4; i++)
        out("A", 1, 1);
    in("A", 1, 1, 100); /* fills the gap: at once */
    out("A", 1, 501);
}

TEST(old_text_is_acknowledged_at_once)
{
    int c = passive();

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    rcv(c, 100);
    in("PA", 1, 1, 100);
    out("A", 1, 101);
    check_eq(rcv_flags(c, 1, 0), -EAGAIN);
}

/* Receive window: 3.8.6 ---------------------------------------------------------------------------------------------------- */

static int small_buffer(void)
{
    int l = listen_on(80);

    sopt(l, SOL_SOCKET, SO_RCVBUF, 8192); /* 16 KB of memory, 8 KB of window */
    return passive();
}

/* MUST-39, SHLD-14: it closes as text comes, its right edge never moves left, and it opens when the application reads. */
TEST(window_closes_and_opens)
{
    int c = small_buffer();
    uint32_t edge = 0, seq = 1;

    while (seq < 100000) {
        in("PA", seq, 1, 1000);
        out("A", 1, tconn(c)->rcv_nxt - tconn(c)->irs);
        check(script_last().ack + (uint32_t)script_last().win >= edge);
        edge = script_last().ack + (uint32_t)script_last().win;
        if (script_last().win == 0)
            break;
        seq = script_last().ack;
    }
    check_eq(script_last().win, 0);
    in("PA", edge, 1, 1); /* a probe: acknowledged, not taken */
    out("A", 1, edge, .win = WIN0);
    check_eq(rcv_flags(c, 100, 0), 100); /* a little room is no window: silly window avoidance */
    nothing();
    rcv(c, (long)edge - 1 - 100);
    out("A", 1, edge);
    check(script_last().win >= 4096);
    in("PA", edge, 1, 1000);
    out("A", 1, edge + 1000);
}

/* An application that reads is never shown a zero window. */
TEST(window_stays_open_when_the_application_reads)
{
    int c = small_buffer();

    for (uint32_t i = 0; i < 100; i++) {
        begin();
        in("PA", 1 + i * 1000, 1, 1000);
        rcv(c, 1000);
        end();
        out("A", 1, 1001 + i * 1000);
        check(script_last().win > 1460);
    }
}

/* MUST-66: ACK, RST and URG count with a window of zero. */
static int closed_window(uint32_t *edge)
{
    int c = small_buffer();

    snd(c, 100);
    out("PA", 1, 1, 100);
    *edge = 1;
    do {
        in("PA", *edge, 1, 1000);
        skip_all();
        *edge = tconn(c)->rcv_nxt - tconn(c)->irs;
    } while (tconn(c)->rcv_adv != tconn(c)->rcv_nxt);
    return c;
}

TEST(zero_window_takes_acks)
{
    uint32_t edge;
    int c = closed_window(&edge);

    in("A", edge, 101);
    nothing();
    check_eq(tcp_snd_queued(tconn(c)), 0);
    in("PA", edge, 51, 10); /* with text: the text is refused, the ACK counts */
    out("A", 101, edge, .win = WIN0);
}

TEST(zero_window_takes_acks_with_text)
{
    uint32_t edge;
    int c = closed_window(&edge);

    in("PA", edge, 101, 10);
    out("A", 101, edge, .win = WIN0);
    check_eq(tcp_snd_queued(tconn(c)), 0);
}

TEST(zero_window_takes_urg)
{
    uint32_t edge;
    int c = closed_window(&edge);

    in("UA", edge, 101, 10, .urp = 100);
    out("A", 101, edge, .win = WIN0);
    check_eq(polls(c) & SOCK_PRI, SOCK_PRI);
}

TEST(zero_window_takes_rst)
{
    uint32_t edge;

    closed_window(&edge);
    in("R", edge, 0);
    nothing();
    state_is(TCPS_CLOSED);
}

/* Text in segments of len bytes from seq up to edge; the window closes by what comes, and by nothing else. */
static void fill_to_edge(int c, uint32_t seq, uint32_t edge, uint32_t len)
{
    for (; seq < edge; seq += len) {
        len = MIN(len, edge - seq);
        in("PA", seq, 1, len);
        out("A", 1, seq + len, .win = seq + len == edge ? WIN0 : (int32_t)(edge - seq - len));
        check(tcp_rcv_held(tconn(c)) <= 4 * edge);
    }
}

/* SHLD-14. SO_RCVBUF made smaller: what was promised is taken all the same, and the next promise is of the new size. */
TEST(shrunk_buffer_keeps_the_promise)
{
    int c = passive();

    sopt(c, SOL_SOCKET, SO_RCVBUF, 4096);
    fill_to_edge(c, 1, 65536, 1000);
    in("PA", 65536, 1, 1);
    out("A", 1, 65536, .win = WIN0);
    rcv(c, 65535);
    out("A", 1, 65536);
    check(script_last().win > 1460 && script_last().win <= 8192);
    check_eq(stack()->ctr.v[DROP_TCP_RCVBUF], 0);
}

/* The same in small segments, whose buffers would be many times that: copied together. */
TEST(shrunk_buffer_of_small_segments)
{
    int c = passive();

    sopt(c, SOL_SOCKET, SO_RCVBUF, 1);
    fill_to_edge(c, 1, 65536, 60);
    check(stack()->ctr.v[CTR_TCP_COLLAPSED] > 0);
    check_eq(stack()->ctr.v[DROP_TCP_RCVBUF], 0);
    rcv(c, 65535);
    skip_all();
}

/* Reassembly and SACK ------------------------------------------------------------------------------------------------------- */

/* RFC 2018 section 4: the block that changed first, then the others most recent first. */
TEST(sack_blocks_most_recent_first)
{
    int c = passive(.sack = true);

    in("A", 101, 1, 100);
    out("A", 1, 1, .o = {SACK(101, 201)});
    in("A", 301, 1, 100);
    out("A", 1, 1, .o = {SACK(301, 401), SACK(101, 201)});
    in("A", 501, 1, 100);
    out("A", 1, 1, .o = {SACK(501, 601), SACK(301, 401), SACK(101, 201)});
    in("A", 701, 1, 100);
    out("A", 1, 1, .o = {SACK(701, 801), SACK(501, 601), SACK(301, 401), SACK(101, 201)});
    in("A", 901, 1, 100); /* four fit */
    out("A", 1, 1, .o = {SACK(901, 1001), SACK(701, 801), SACK(501, 601), SACK(301, 401)});
    in("A", 201, 1, 100); /* joins two: that block first */
    out("A", 1, 1, .o = {SACK(101, 401), SACK(901, 1001), SACK(701, 801), SACK(501, 601)});
    in("A", 1, 1, 100);
    out("A", 1, 401, .o = {SACK(901, 1001), SACK(701, 801), SACK(501, 601)});
    in("A", 401, 1, 100);
    out("A", 1, 601, .o = {SACK(901, 1001), SACK(701, 801)});
    in("A", 601, 1, 100);
    out("A", 1, 801, .o = {SACK(901, 1001)});
    in("A", 801, 1, 100);
    out("A", 1, 1001);
    rcv(c, 1000);
}

/* With timestamps three blocks fit. */
TEST(sack_three_blocks_with_timestamps)
{
    passive(.sack = true, .ts = true);
    for (uint32_t i = 0; i < 5; i++) {
        in("A", 101 + i * 200, 1, 100);
        if (i < 4)
            skip_all();
    }
    out("A", 1, 1, .o = {SACK(901, 1001), SACK(701, 801), SACK(501, 601)});
}

TEST(sack_not_offered_is_not_sent)
{
    passive();
    in("A", 101, 1, 100);
    out("A", 1, 1);
}

/* Segments with text carry blocks as well (RFC 2018 section 3), and stay within the segment size. */
TEST(sack_rides_on_text)
{
    int c = passive(.sack = true, .mss = 1000);

    in("A", 101, 1, 100);
    out("A", 1, 1, .o = {SACK(101, 201)});
    snd(c, 100);
    out("PA", 1, 1, 100, .o = {SACK(101, 201)});
}

/*
 * Five segments in every order, with overlaps on both sides: each ACK is where the text in order ends, its SACK blocks are the
 * islands beyond, the one with the new segment first; at the end the application reads what was sent.
 */
#define LAST 600u

struct piece {
    uint32_t from, to;
};

/* The islands beyond next, in the order of the SACK option: the one with the new text first, the others are not ordered here. */
static void check_sack(const struct seg *g, const bool *had, const bool *have, uint32_t next, const struct piece *p)
{
    uint32_t islands = 0, n = 0, dup = p->from;

    for (uint32_t q = next + 1; q < LAST; q++)
        islands += have[q] && !have[q - 1];
    while (dup < p->to && !had[dup])
        dup++;
    if (dup < p->to) { /* RFC 2883: what was there already, its first contiguous part, in front of all */
        check_eq(g->o[0].kind, 5);
        check_eq(g->o[0].a, dup);
        while (dup < p->to && had[dup])
            dup++;
        check_eq(g->o[0].b, dup);
        n = 1;
        islands++;
    }
    for (uint32_t first = n; g->o[n].kind == 5; n++) {
        uint32_t from = g->o[n].a, to = g->o[n].b;

        check(from > next && to < LAST && !have[from - 1] && !have[to]);
        for (uint32_t q = from; q < to; q++)
            check(have[q]);
        if (n == first && p->from > next)
            check(from <= p->from && p->to <= to);
    }
    check_eq(n, islands);
}

static void deliver(const struct piece *p, const int order[5])
{
    bool have[LAST + 1] = {false};
    int c = passive(.sack = true);
    uint32_t next = 1;

    note("order %d %d %d %d %d", order[0], order[1], order[2], order[3], order[4]);
    for (int k = 0; k < 5; k++) {
        const struct piece *g = &p[order[k]];
        bool had[LAST + 1];
        struct seg ack;

        memcpy(had, have, sizeof(had));
        memset(have + g->from, true, g->to - g->from);
        while (have[next])
            next++;
        in("PA", g->from, 1, g->to - g->from);
        ack = out_any();
        check_eq(ack.ack, next);
        check_eq(ack.seq, 1);
        check_sack(&ack, had, have, next, g);
        nothing();
    }
    rcv(c, (long)next - 1);
    linger(c, 1, 0);
    cls(c);
    out("RA", 1, next);
}

static void permutations(const struct piece *p)
{
    int order[5] = {0, 1, 2, 3, 4}, count[5] = {0};

    deliver(p, order);
    for (int i = 0; i < 5;) { /* Heap's algorithm */
        if (count[i] < i) {
            int k = i % 2 != 0 ? count[i] : 0, x = order[k];

            order[k] = order[i];
            order[i] = x;
            new_incarnation(1000000);
            deliver(p, order);
            count[i]++;
            i = 0;
        } else {
            count[i++] = 0;
        }
    }
}

TEST(five_segments_in_every_order)
{
    permutations((struct piece[]){{1, 101}, {101, 201}, {201, 301}, {301, 401}, {401, 501}});
}

TEST(five_overlapping_segments_in_every_order)
{
    permutations((struct piece[]){{1, 151}, {101, 251}, {201, 351}, {301, 451}, {401, 501}});
}

TEST(five_nested_segments_in_every_order)
{
    permutations((struct piece[]){{1, 101}, {51, 501}, {101, 201}, {151, 160}, {401, 501}});
}

TEST(five_segments_that_repeat_in_every_order)
{
    permutations((struct piece[]){{1, 101}, {101, 201}, {101, 201}, {201, 301}, {1, 301}});
}

/* Urgent data: 3.8.5 ---------------------------------------------------------------------------------------------------------- */

/* MUST-62 on the way out: the pointer is the octet after the urgent one. */
TEST(urgent_send)
{
    int c = passive(.mss = 1000);

    check_eq(snd_flags(c, 10, MSG_OOB), 10);
    out("UPA", 1, 1, 10, .urp = 10);
    snd(c, 1000); /* behind the pointer: no longer urgent */
    out("PA", 11, 1, 1000);
}

/* Behind a window: the pointer is announced with what can be sent. */
TEST(urgent_pointer_is_announced_early)
{
    int c = passive(.mss = 1000, .win = 2000);

    check_eq(snd_flags(c, 5000, MSG_OOB), 5000);
    out("UA", 1, 1, 1000, .urp = 5000);
    out("UA", 1001, 1, 1000, .urp = 4000);
    in("A", 1, 2001, .win = 4000);
    out("UA", 2001, 1, 1000, .urp = 3000);
    out("UA", 3001, 1, 1000, .urp = 2000);
    out("UPA", 4001, 1, 1000, .urp = 1000);
    in("A", 1, 5001);
    snd(c, 10);
    out("PA", 5001, 1, 10);
}

/* Urgent data farther away than the field can say: as far as it can (RFC 9293 3.8.5, RFC 6093 as in Linux). */
TEST(urgent_beyond_64k)
{
    int c = passive(.mss = 1000, .win = 2000);

    check_eq(snd_flags(c, 100000, MSG_OOB), 100000);
    out("UA", 1, 1, 1000, .urp = 65535);
    out("UA", 1001, 1, 1000, .urp = 65535);
}

/* MUST-31, MUST-32, MUST-33: out of band. */
TEST(urgent_receive)
{
    int c = passive();

    check_eq(polls(c) & SOCK_PRI, 0);
    check_eq(oob(c), -EINVAL);
    in("UPA", 1, 1, 10, .urp = 10); /* the tenth octet is urgent */
    out("A", 1, 11);
    check_eq(polls(c) & SOCK_PRI, SOCK_PRI);
    check_eq(tcp_at_mark(tconn(c)), false);
    rcv(c, 9); /* up to the mark */
    check_eq(tcp_at_mark(tconn(c)), true);
    check(oob(c) >= 0);
    check_eq(polls(c) & SOCK_PRI, 0);
    check_eq(oob(c), -EINVAL); /* once */
    check_eq(rcv_flags(c, 10, 0), -EAGAIN);
    nothing();
}

TEST(urgent_read_before_the_text)
{
    int c = passive();

    in("UPA", 1, 1, 10, .urp = 10);
    out("A", 1, 11);
    check(oob(c) >= 0);
    rcv(c, 9);
    check_eq(rcv_flags(c, 10, 0), -EAGAIN);
}

/* The pointer comes first, the octet later. */
TEST(urgent_announced_before_it_arrives)
{
    int c = passive();

    in("UA", 1, 1, .urp = 20);
    check_eq(polls(c) & SOCK_PRI, SOCK_PRI);
    check_eq(oob(c), -EAGAIN);
    in("PA", 1, 1, 20);
    out("A", 1, 21);
    check(oob(c) >= 0);
    rcv(c, 19);
}

/* SO_OOBINLINE */
TEST(urgent_inline)
{
    int c = passive();

    sopt(c, SOL_SOCKET, SO_OOBINLINE, 1);
    in("UPA", 1, 1, 10, .urp = 10);
    out("A", 1, 11);
    check_eq(oob(c), -EINVAL);
    rcv(c, 9); /* reads stop at the mark */
    check_eq(tcp_at_mark(tconn(c)), true);
    rcv(c, 1);
    check_eq(polls(c) & SOCK_PRI, 0);
}

/* The pointer only moves forward; an old one says nothing. */
TEST(urgent_pointer_moves_forward)
{
    int c = passive();

    in("UPA", 1, 1, 10, .urp = 10);
    out("A", 1, 11);
    in("UPA", 11, 1, 10, .urp = 10);
    out("A", 1, 21);
    rcv(c, 19);
    check(oob(c) >= 0);
    in("UA", 21, 1, .urp = 0); /* points before the end of the text */
    nothing();
    check_eq(polls(c) & SOCK_PRI, 0);
}

/* Challenge ACKs: RFC 5961 sections 5, 7 ------------------------------------------------------------------------------------- */

TEST(challenge_acks_are_limited)
{
    conf()->challenge_ack_rate = 5;
    passive();
    for (int i = 0; i < 20; i++)
        in("S", 1, 0);
    for (int i = 0; i < 5; i++)
        out("A", 1, 1);
    nothing();
    quiet_ms(1000);
    in("R", 100, 0);
    out("A", 1, 1);
}

/* A stranger's pure ACKs outside the window are within the same limit; text is always answered. */
TEST(acks_outside_the_window_are_limited)
{
    conf()->challenge_ack_rate = 5;
    passive();
    for (uint32_t i = 0; i < 20; i++)
        in("A", 100000 + i, 1);
    for (int i = 0; i < 5; i++)
        out("A", 1, 1);
    nothing();
    in("PA", 0, 1, 1);
    out("A", 1, 1);
}

/* RFC 5961 section 7, of each segment: the answer to the same one again waits half a second, unless it would be another answer. */
TEST(repeated_segment_outside_the_window)
{
    passive();

    for (int i = 0; i < 2; i++) {
        in("A", 100000, 1);
        out("A", 1, 1);
        in("A", 100000, 1);
        quiet_ms(499);
        in("A", 100000, 1);
        nothing();
        skip_ms(1);
    }
    check_eq(stack()->ctr.v[CTR_TCP_ACK_AGAIN], 4);
    in("S", 100000, 0); /* another one */
    out("A", 1, 1);
    in("A", 100000, 1, 10); /* text is always answered */
    out("A", 1, 1);
    in("A", 100000, 1, 10);
    out("A", 1, 1);
}

/* A probe without text, of a window that has opened since it was last asked: the window update may be lost. */
TEST(repeated_probe_of_a_window_that_opened)
{
    int c = small_buffer();
    uint32_t edge;

    do {
        in("PA", tconn(c)->rcv_nxt - tconn(c)->irs, 1, 1000);
        edge = out_any().ack;
    } while (script_last().win != 0);
    in("A", edge - 1, 1);
    out("A", 1, edge, .win = WIN0);
    in("A", edge - 1, 1);
    nothing();
    rcv(c, (long)edge - 1);
    out("A", 1, edge);
    in("A", edge - 1, 1);
    out("A", 1, edge);
    check(script_last().win > 0);
}

RUN(T(lone_segment_waits_40_ms), T(every_second_full_segment_is_acknowledged_at_once), T(psh_is_answered_at_the_end_of_the_turn),
    T(response_carries_the_ack), T(in_a_conversation_the_next_text_carries_the_ack), T(in_a_conversation_an_ack_waits_a_millisecond),
    T(who_writes_twice_is_acknowledged_at_once), T(slow_answers_are_no_conversation), T(quickack_in_a_conversation), T(one_ack_per_turn),
    T(quickack_acknowledges_at_once), T(quickack_is_inherited), T(duplicate_acks_are_not_merged), T(old_text_is_acknowledged_at_once),
    T(window_closes_and_opens), T(window_stays_open_when_the_application_reads), T(zero_window_takes_acks),
    T(zero_window_takes_acks_with_text), T(zero_window_takes_urg), T(zero_window_takes_rst), T(shrunk_buffer_keeps_the_promise),
    T(shrunk_buffer_of_small_segments), T(sack_blocks_most_recent_first), T(sack_three_blocks_with_timestamps),
    T(sack_not_offered_is_not_sent), T(sack_rides_on_text), T(five_segments_in_every_order), T(five_overlapping_segments_in_every_order),
    T(five_nested_segments_in_every_order), T(five_segments_that_repeat_in_every_order), T(urgent_send),
    T(urgent_pointer_is_announced_early), T(urgent_beyond_64k), T(urgent_receive), T(urgent_read_before_the_text),
    T(urgent_announced_before_it_arrives), T(urgent_inline), T(urgent_pointer_moves_forward), T(challenge_acks_are_limited),
    T(repeated_segment_outside_the_window), T(repeated_probe_of_a_window_that_opened), T(acks_outside_the_window_are_limited))
