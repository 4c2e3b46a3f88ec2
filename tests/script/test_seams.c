/*
 * Where the parts of TCP meet: marks and losses, undone reductions, a change of the congestion control in a recovery, timers that two
 * parts share, entries that outlive who made them. Segments of 1000 bytes, Reno's window.
 */
#include <string.h>

#include "script.h"

#define RTT 40u
#define ECT0 2

static uint64_t ctr(enum ctr id)
{
    return stack()->ctr.v[id];
}

static void set_cc(int fd, const char *name)
{
    check_eq(tcp_setopt(stack(), tconn(fd), IPPROTO_TCP, TCP_CONGESTION, name, (unsigned)strlen(name)), 0);
}

/* ECN and SACK agreed on, n segments in flight for a round trip. */
static int marked_flight(int n)
{
    int c;

    conf()->cc = &cc_reno;
    listen_on(80);
    in("SEC", 0, 0, .o = {MSS(1000), SACKOK});
    out("SAE", 0, 1, .o = {MSS(1460), SACKOK});
    skip_ms(RTT);
    in("A", 1, 1);
    c = acc(0);
    snd(c, n * 1000);
    check_eq(skip_all(), n);
    quiet_ms(RTT);
    return c;
}

/* Marks and losses ------------------------------------------------------------------------------------------------------- */

/* RFC 3168 6.1.2: one reduction per window of data; the tail's loss is in the window that was marked. */
TEST(mark_and_a_repaired_tail_reduce_once)
{
    int c = marked_flight(10);

    in("AE", 1, 9001);
    check_eq(tconn(c)->cc.cwnd, 8000);
    skip_ms(3 * RTT + 40);
    check_eq(ctr(CTR_TCP_TLP), 1);
    in("A", 1, 10001);
    skip_ms(3 * RTT);
    snd(c, 1000);
    skip_ms(RTT);
    in("A", 1, 11001);
    check_eq(ctr(CTR_TCP_TLP_REPAIRED), 1);
    check_eq(tconn(c)->cc.ssthresh, 8000);
    check(tconn(c)->cc.cwnd >= 8000);
    skip_all();
}

/* RFC 5681 3.1: slow start after a timeout, also when the window had been marked before. */
TEST(slow_start_after_a_timeout_in_a_marked_window)
{
    int c = marked_flight(10);

    in("AE", 1, 1001);
    skip_ms(2000);
    check(ctr(CTR_TCP_RTO) > 0);
    check_eq(tconn(c)->cc.cwnd, 1000);
    in("A", 1, 2001);
    check_eq(tconn(c)->cc.cwnd, 2000);
    in("A", 1, 4001);
    check_eq(tconn(c)->cc.cwnd, 3000);
    skip_all();
    in("A", 1, 10001);
}

/* A recovery that was for nothing is undone; not so the answer to a mark that came in it or after it. */
TEST(undo_leaves_what_a_mark_asked_for)
{
    for (int during = 0; during < 2; during++) {
        int c = marked_flight(10);

        in(during ? "AE" : "A", 1, 1, .o = {SACK(1001, 4001)});
        skip_all();
        if (during)
            in("AE", 1, 1, .o = {SACK(1001, 5001)});
        skip_all();
        in("A", 1, 10001);
        check_eq(tconn(c)->cc.cwnd, 5000);
        if (!during) {
            snd(c, 5000);
            skip_all();
            in("AE", 1, 11001);
        }
        check(tconn(c)->cc.cwnd <= 5000);
        in("A", 1, during ? 10001 : 11001, .o = {SACK(1, 1001)});
        check(tconn(c)->cc.cwnd <= 5000);
        skip_all();
        fresh();
    }
}

/* Congestion control changes ---------------------------------------------------------------------------------------------- */

/* BBR has no ssthresh: a recovery that Reno goes on with, and ends, needs one. */
TEST(bbr_to_reno_in_a_recovery)
{
    int c;

    conf()->cc = &cc_bbr;
    c = passive(.mss = 1000, .sack = true, .rtt_ms = RTT);
    snd(c, 10000);
    skip_ms(RTT);
    in("A", 1, 1, .o = {SACK(1001, 8001)});
    skip_ms(1);
    check_eq(tconn(c)->ca, TCP_CA_RECOVERY);
    set_cc(c, "reno");
    in("A", 1, 10001);
    check_eq(tconn(c)->ca, TCP_CA_OPEN);
    check(tconn(c)->cc.cwnd <= 20000);
    check(tconn(c)->cc.ssthresh <= 20000);
    skip_all();
}

/* A delivery rate counts from zero when BBR comes back: what was sent before says nothing of it. */
TEST(bbr_leaves_and_returns_with_data_in_flight)
{
    int c;

    conf()->cc = &cc_bbr;
    c = passive(.mss = 1000, .sack = true, .rtt_ms = RTT);
    snd(c, 10000);
    skip_ms(RTT);
    in("A", 1, 10001);
    snd(c, 4000);
    skip_ms(RTT);
    set_cc(c, "reno");
    set_cc(c, "bbr");
    in("A", 1, 14001);
    check(tconn(c)->rate->last_rate < 10000000); /* 4000 bytes in 40 ms are 100000 a second */
    skip_all();
}

/* Timers ---------------------------------------------------------------------------------------------------------------- */

/* The timer of a cork stands for a partial segment that waits; it says nothing of what goes out meanwhile. */
TEST(cork_timer_is_no_window_probe)
{
    int c = passive(.mss = 1000);

    sopt(c, IPPROTO_TCP, TCP_CORK, 1);
    snd(c, 600);
    nothing();
    snd(c, 600);
    out("A", 1, 1, 1000);
    in("PA", 1, 1, 10); /* sent before our segment arrived */
    out("A", 1001, 11);
    rcv(c, 10);
    nothing();
    in("A", 11, 1001);
    check_eq(ctr(CTR_TCP_RETRANS), 0);
    after_ms(200);
    out("PA", 1001, 11, 200);
}

/* The SYN,ACK of a Fast Open goes again on time, whatever was sent behind it. */
TEST(fast_open_data_do_not_put_off_the_syn_ack)
{
    int l = listen_on(80), c;
    struct seg s;

    sopt(l, IPPROTO_TCP, TCP_FASTOPEN, 5);
    in("S", 0, 0, .port = 7000, .o = {MSS(1460), TFO_ASK_OPT});
    out("SA", 0, 1, .port = 7000, .o = {MSS(1460), TFO_ANY});
    s = script_last();
    in("R", 1, 0, .port = 7000);
    in("S", 0, 0, 100, .o = {MSS(1460), SACKOK, TFO_OPT(s.o[1].a, s.o[1].b)});
    out("SA", 0, 101, .o = {MSS(1460), SACKOK});
    c = acc(l);
    rcv(c, 100);
    snd(c, 50);
    out("PA", 1, 101, 50);
    after_ms(1000);
    out("SA", 0, 101, .o = {MSS(1460), SACKOK});
    in("A", 101, 51);
}

/* What outlives its maker ------------------------------------------------------------------------------------------------- */

/* A listener that stops and begins again counts its Fast Open requests anew: one of before is none of them. */
TEST(fast_open_request_of_a_listener_that_began_again)
{
    int l = listen_on(80), c;
    struct seg s;

    sopt(l, IPPROTO_TCP, TCP_FASTOPEN, 1);
    in("S", 0, 0, .port = 7000, .o = {MSS(1460), TFO_ASK_OPT});
    out("SA", 0, 1, .port = 7000, .o = {MSS(1460), TFO_ANY});
    s = script_last();
    in("R", 1, 0, .port = 7000);
    in("S", 0, 0, 100, .o = {MSS(1460), TFO_OPT(s.o[1].a, s.o[1].b)});
    out("SA", 0, 101, .o = {MSS(1460)});
    c = acc(l);
    shut(l, SHUT_RD);
    check_eq(tlisten(l, 5), 0);
    in("A", 101, 1);
    check_eq(tconn(l)->lis->n_fastopen, 0);
    rcv(c, 100);
}

/* MAY-2 is for who listens: elsewhere TIME-WAIT lasts, and the SYN gets an ACK (RFC 9293 3.10.7.4, RFC 5961 4.2). */
TEST(syn_ends_no_time_wait_where_nobody_listens)
{
    int c = active(.mss = 1000);

    shut(c, SHUT_WR);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    cls(c);
    in("S", 100000, 0, .o = {MSS(1000)});
    out("A", 2, 2);
    check_eq(ctr(CTR_TCP_TIMEWAIT), 1);
    check_eq(ctr(CTR_TCP_TIMEWAIT_REUSE), 0);
}

RUN(T(mark_and_a_repaired_tail_reduce_once), T(slow_start_after_a_timeout_in_a_marked_window), T(undo_leaves_what_a_mark_asked_for),
    T(bbr_to_reno_in_a_recovery), T(bbr_leaves_and_returns_with_data_in_flight), T(cork_timer_is_no_window_probe),
    T(fast_open_data_do_not_put_off_the_syn_ack), T(fast_open_request_of_a_listener_that_began_again),
    T(syn_ends_no_time_wait_where_nobody_listens))
