/*
 * When the sender may send: Nagle (RFC 9293 3.7.4), windows and probes (3.8.6). Segments of 1000 bytes, so that numbers can
 * be read.
 */
#include "script.h"

/* n full segments from seq on; the last one with PSH when the queue ends there. */
static void full(uint32_t seq, int n, bool push)
{
    for (int i = 0; i < n; i++)
        out(push && i == n - 1 ? "PA" : "A", seq + (uint32_t)i * 1000, 1, 1000);
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

/* While others are in flight: compared 2 GB later, its end would seem to lie ahead. */
TEST(a_small_segment_that_was_acknowledged_is_forgotten)
{
    int c = passive(.mss = 1000);

    snd(c, 10);
    out("PA", 1, 1, 10);
    snd(c, 1000);
    out("PA", 11, 1, 1000);
    check(tconn(c)->small_out);
    in("A", 1, 11);
    snd(c, 1000);
    out("PA", 1011, 1, 1000);
    check(!tconn(c)->small_out);
    snd(c, 10);
    out("PA", 2011, 1, 10);
    check(tconn(c)->small_out);
    in("A", 1, 2021);
    check(!tconn(c)->small_out);
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

/* At least half of the largest window is worth sending, though less than a segment; nothing can follow it, so it is pushed. */
TEST(half_of_the_largest_window_is_sent)
{
    int c = passive(.mss = 1000, .win = 600);

    snd(c, 2000);
    out("PA", 1, 1, 600);
    in("A", 1, 601, .win = 200);
    nothing();
    in("A", 1, 601, .win = 300);
    out("PA", 601, 1, 300);
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

/* The FIN goes with the last full segment when the window opens, as it would without a probe. */
TEST(zero_window_and_close_behind_a_full_segment)
{
    int c = passive(.mss = 1000, .win = WIN0);

    snd(c, 1000);
    cls(c);
    nothing();
    after_ms(200);
    out("PA", 1, 1, 1);
    in("A", 1, 1, .win = 5000);
    out("FPA", 1, 1, 1000);
    in("A", 1, 1002);
    state_is(TCPS_FIN_WAIT_2);
}

/* A day, the longest that orphan_ms may be, is not cut short by what a timer's ticks can count. */
TEST(orphan_for_a_day)
{
    int c;

    conf()->orphan_ns = 86400 * NS_PER_SEC;
    c = passive(.mss = 1000, .win = 40);
    snd(c, 60000);
    cls(c);
    for (uint32_t min = 1; min < 1400; min++) {
        skip_ms(60000);
        in("A", 1, 1 + 40 * min, .win = 40);
        skip_all();
    }
    state_is(TCPS_FIN_WAIT_1);
    for (uint32_t min = 1400; min < 1442; min++) {
        skip_ms(60000);
        if (min < 1438)
            in("A", 1, 1 + 40 * min, .win = 40);
        skip_all();
    }
    state_is(TCPS_CLOSED);
}

/* MUST-34: SND.UNA + SND.WND may move left. SHLD-15: nothing new then; SHLD-16: what fits is repeated. */
TEST(window_shrink)
{
    conf()->cc = &cc_reno;
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
    conf()->cc = &cc_reno;
    int c = passive(.mss = 1000);
    struct tcp_info i;
    unsigned len = sizeof(i), rto;

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
    rto = i.tcpi_rto;
    after_ms(rto / 1000);
    out("A", 1001, 1, 1000);
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_ca_state, 4); /* TCP_CA_Loss */
    check_eq(i.tcpi_snd_cwnd, 1);
    check_eq(i.tcpi_snd_ssthresh, 4);
    check_eq(i.tcpi_retransmits, 1);
    check_eq(i.tcpi_snd_mss, 1000);
    check_eq(i.tcpi_rto, 2 * rto); /* as it is now, with back-off */
    after_ms(2 * rto / 1000);
    out("A", 1001, 1, 1000);
    in("A", 1, 10001);
}

/* A unit of the window's scale that is larger than a segment, in a buffer of not many: who has read everything leaves no closed window. */
TEST(small_buffer_of_a_large_scale)
{
    int l, c;

    conf()->rcvbuf_max_bytes = 1u << 30;
    l = listen_on(80);
    in("S", 0, 0, .o = {MSS(1460), WS(0)});
    out("SA", 0, 1, .o = {MSS(1460), WS(14)});
    in("A", 1, 1);
    c = acc(l);
    sopt(c, SOL_SOCKET, SO_RCVBUF, 24 * 1024);
    for (uint32_t at = 1, i = 0; i < 100; i++, at += 1460) {
        struct seg g;

        in("PA", at, 1, 1460);
        g = out_any();
        rcv(c, 1460);
        if (g.win == 0)
            g = out_any();
        check(g.win > 0);
    }
}

/* Segments to the connection from port until all together hold what they may. */
static void fill_to_limit(uint16_t port)
{
    for (uint32_t at = 1; at < 40 * 1460 && stack()->tcp.rcv_charged_bytes < conf()->rcv_limit_bytes; at += 1460)
        in("A", at, 1, 1460, .port = port);
    skip_all();
}

/* The window is reckoned where the application reads; when it is advertised others may have taken the memory. */
/* The window that was reckoned when everything had been read holds only until more comes. */
TEST(what_is_not_read_is_not_promised_again)
{
    uint32_t edge;
    int c;

    sopt(listen_on(80), SOL_SOCKET, SO_RCVBUF, 20000);
    c = passive();
    in("PA", 1, 1, 1460);
    skip_all();
    rcv(c, 1460);
    snd(c, 10);
    out("PA", 1, 1461, 10);
    edge = tconn(c)->rcv_adv;
    in("PA", 1461, 11, 1460);
    skip_all();
    check_eq(tconn(c)->rcv_adv - edge, 0);
    check_eq(tconn(c)->last_ack_sent, tconn(c)->rcv_nxt);
    rcv(c, 1460);
}

TEST(window_is_not_opened_beyond_the_limit_of_all)
{
    uint32_t edge;
    int c;

    conf()->rcv_limit_bytes = 64 * 1024;
    sopt(listen_on(80), SOL_SOCKET, SO_RCVBUF, 20000);
    c = passive();
    passive(.port = 6001);
    passive(.port = 6002);
    for (uint32_t at = 1; at < 4 * 1460; at += 1460)
        in("A", at, 1, 1460);
    skip_all();
    rcv(c, 4 * 1460);
    edge = tconn(c)->rcv_adv;
    fill_to_limit(6001);
    fill_to_limit(6002);
    check(stack()->tcp.rcv_charged_bytes >= conf()->rcv_limit_bytes);
    snd(c, 10);
    out("PA", 1, 1 + 4 * 1460, 10);
    check_eq(tconn(c)->rcv_adv - edge, 0);
    in("A", 1 + 4 * 1460, 11);
}

/* The peer uses the whole window up, the application reads what comes, and there is no memory for another one. */
static void use_up(int c, uint16_t port)
{
    for (uint32_t left; (left = tconn(c)->rcv_adv - tconn(c)->rcv_nxt) > 0;) {
        uint32_t len = MIN(left, 1000u);

        in("PA", tconn(c)->rcv_nxt - tconn(c)->irs, 1, len, .port = port);
        rcv(c, len);
        skip_all();
    }
}

static struct rte_mbuf *borrow(int c)
{
    struct rte_mbuf *m;

    check(tcp_recv_ref(stack(), tconn(c), 100, &m) > 0);
    return m;
}

static void give_back(struct rte_mbuf *m)
{
    begin();
    tcp_loan_return(stack(), m);
    pkt_unref(m);
    end();
}

#define N_CLOSED 70 /* more than the 64 that are opened in a turn */

/* What one connection gives back opens the windows of all, without a probe, and of those that ended meanwhile none is left. */
TEST(a_loan_that_ends_opens_all_windows)
{
    int lender, c[N_CLOSED];
    struct rte_mbuf *m, *other;

    conf()->loan_limit_bytes = 4096;
    sopt(listen_on(80), SOL_SOCKET, SO_RCVBUF, 4000);
    lender = passive();
    in("PA", 1, 1, 100);
    in("PA", 101, 1, 100);
    skip_all();
    m = borrow(lender);
    other = borrow(lender);
    check(stack_loan_bytes(stack()) >= conf()->loan_limit_bytes);
    for (uint16_t i = 0; i < N_CLOSED; i++) {
        c[i] = passive(.port = (uint16_t)(6000 + i));
        use_up(c[i], (uint16_t)(6000 + i));
    }
    check_eq(stack()->ctr.v[CTR_TCP_WND_WAITING], N_CLOSED);
    in("R", tconn(c[N_CLOSED - 1])->rcv_nxt - tconn(c[N_CLOSED - 1])->irs, 0, .port = 6000 + N_CLOSED - 1);
    nothing();
    check_eq(stack()->ctr.v[CTR_TCP_WND_WAITING], N_CLOSED - 1);
    skip_ms(100);
    quiet_ms(1000);
    give_back(m);
    for (uint16_t i = 0; i < 64; i++) {
        out("A", 1, tconn(c[i])->rcv_nxt - tconn(c[i])->irs, .port = (uint16_t)(6000 + i));
        check(script_last().win >= 1460);
    }
    check_eq(stack()->ctr.v[CTR_TCP_WND_WAITING], N_CLOSED - 1 - 64);
    skip_ms(1);
    for (uint16_t i = 64; i < N_CLOSED - 1; i++)
        check(tconn(c[i])->rcv_adv - tconn(c[i])->rcv_nxt >= 1460);
    check_eq(stack()->ctr.v[CTR_TCP_WND_WAITING], 0);
    give_back(other);
    nothing();
}

/* The same when it was the memory of what others did not read. */
TEST(text_that_is_read_opens_all_windows)
{
    int c, hoarder;

    conf()->rcv_limit_bytes = 64 * 1024;
    sopt(listen_on(80), SOL_SOCKET, SO_RCVBUF, 20000);
    hoarder = passive(.port = 6001);
    passive(.port = 6002);
    c = passive();
    fill_to_limit(6001);
    fill_to_limit(6002);
    check(stack()->tcp.rcv_charged_bytes >= conf()->rcv_limit_bytes);
    use_up(c, 5000);
    skip_ms(100);
    quiet_ms(1000);
    rcv(hoarder, tconn(hoarder)->rcvq.bytes);
    check(skip_all() > 0);
    check(tconn(c)->rcv_adv - tconn(c)->rcv_nxt >= 1460);
    check_eq(stack()->ctr.v[CTR_TCP_WND_WAITING], 0);
}

RUN(T(a_loan_that_ends_opens_all_windows), T(text_that_is_read_opens_all_windows), T(what_is_not_read_is_not_promised_again),
    T(small_buffer_of_a_large_scale), T(window_is_not_opened_beyond_the_limit_of_all), T(tcp_info_after_a_timeout),
    T(nagle_holds_a_second_small_segment), T(nagle_sends_full_segments), T(a_small_segment_that_was_acknowledged_is_forgotten),
    T(nagle_tail_of_a_large_write_goes), T(nodelay_sends_at_once), T(nodelay_set_later_releases), T(fin_overrides_nagle),
    T(cork_holds_partial_segments), T(cork_ends_after_200_ms), T(msg_more_is_a_cork_for_one_call), T(writes_are_collected_to_full_segments),
    T(handshake_window_size), T(window_limits_what_is_sent), T(sender_avoids_silly_windows), T(half_of_the_largest_window_is_sent),
    T(zero_window_probe), T(zero_window_probe_taken), T(zero_window_probe_answered_with_old_seq), T(zero_window_for_ever),
    T(zero_window_probe_unanswered_gives_up), T(zero_window_probe_user_timeout), T(zero_window_and_close),
    T(zero_window_and_close_behind_a_full_segment), T(orphan_for_a_day), T(window_shrink), T(window_shrink_to_zero_does_not_time_out),
    T(old_segment_does_not_change_the_window))
