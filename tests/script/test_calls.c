/* Every state and each call (RFC 9293 section 3.9.1, 3.10.1 to 3.10.6), with the errno of the POSIX call; opening and closing. */
#include "script.h"

#define foreach(st, from, to) for (enum tcp_st st = (from); st <= (to); st++)

/* SEND: 3.10.2 ---------------------------------------------------------------------------------------------------------- */

TEST(send_in_every_state)
{
    static const long want[TCPS_COUNT] = {
        [TCPS_CLOSED] = -ENOTCONN, [TCPS_LISTEN] = -ENOTCONN, [TCPS_SYN_SENT] = -EAGAIN,  [TCPS_SYN_RCVD] = -EAGAIN,
        [TCPS_ESTABLISHED] = 10,   [TCPS_CLOSE_WAIT] = 10,    [TCPS_FIN_WAIT_1] = -EPIPE, [TCPS_FIN_WAIT_2] = -EPIPE,
        [TCPS_CLOSING] = -EPIPE,   [TCPS_LAST_ACK] = -EPIPE,  [TCPS_TIME_WAIT] = -EPIPE,
    };

    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT) {
        int c = reach_active(st);

        check_eq(snd_flags(c, 10, 0), want[st]);
        if (want[st] > 0)
            out("PA", 1, rcv_nxt_in(st), 10);
        nothing();
    }
}

/* RECEIVE: 3.10.3 ------------------------------------------------------------------------------------------------------- */

TEST(recv_in_every_state)
{
    static const long want[TCPS_COUNT] = {
        [TCPS_CLOSED] = -ENOTCONN,    [TCPS_LISTEN] = -ENOTCONN, [TCPS_SYN_SENT] = -EAGAIN,   [TCPS_SYN_RCVD] = -EAGAIN,
        [TCPS_ESTABLISHED] = -EAGAIN, [TCPS_CLOSE_WAIT] = 0,     [TCPS_FIN_WAIT_1] = -EAGAIN, [TCPS_FIN_WAIT_2] = -EAGAIN,
        [TCPS_CLOSING] = 0,           [TCPS_LAST_ACK] = 0,       [TCPS_TIME_WAIT] = 0,
    };

    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT) {
        int c = reach_active(st);

        check_eq(rcv_flags(c, 10, 0), want[st]);
        check_eq(rcv_flags(c, 10, MSG_PEEK), want[st]);
        nothing();
    }
}

/* OPEN: 3.10.1: "error: connection already exists" ---------------------------------------------------------------------- */

TEST(connect_in_every_state)
{
    foreach (st, TCPS_LISTEN, TCPS_TIME_WAIT) {
        int c = reach_active(st);

        check_eq(con(c), st == TCPS_SYN_SENT || st == TCPS_SYN_RCVD ? -EALREADY : -EISCONN);
        nothing();
        state_is(st == TCPS_LISTEN ? TCPS_CLOSED : st);
    }
}

TEST(listen_bind_accept_in_every_state)
{
    foreach (st, TCPS_LISTEN, TCPS_TIME_WAIT) {
        int c = reach_active(st);

        check_eq(tbind(c, 90), -EINVAL);
        check_eq(tlisten(c, 5), st == TCPS_LISTEN ? 0 : -EINVAL);
        check_eq(acc(c), st == TCPS_LISTEN ? -EAGAIN : -EINVAL);
        nothing();
    }
}

/* CLOSE: 3.10.4, as shutdown(SHUT_WR) ----------------------------------------------------------------------------------- */

TEST(shutdown_in_every_state)
{
    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT) {
        int c = reach_active(st);
        bool open = st != TCPS_CLOSED && st != TCPS_SYN_RCVD;

        if (st == TCPS_SYN_RCVD)
            continue; /* below */
        check_eq(shut_ret(c, SHUT_WR), open ? 0 : -ENOTCONN);
        if (st == TCPS_ESTABLISHED || st == TCPS_CLOSE_WAIT)
            out("FA", 1, rcv_nxt_in(st));
        nothing();
        check_eq(shut_ret(c, 17), -EINVAL);
    }
}

/* "SYN-SENT: delete the TCB and return error: closing" */
TEST(shutdown_in_syn_sent_ends_the_attempt)
{
    int c = reach(TCPS_SYN_SENT);

    shut(c, SHUT_RDWR);
    nothing();
    state_is(TCPS_CLOSED);
    in("SA", 0, 1);
    out("R", 1, 0);
}

/* "SYN-RECEIVED: queue for processing after entering ESTABLISHED state" */
TEST(close_in_syn_rcvd_sends_fin_after_the_handshake)
{
    int c = reach_active(TCPS_SYN_RCVD);

    cls(c);
    in("A", 1, 1);
    out("FA", 1, 1);
    state_is(TCPS_FIN_WAIT_1);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
}

/* ABORT: 3.10.5, as close with SO_LINGER 0 ------------------------------------------------------------------------------ */

TEST(abort_in_every_state)
{
    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT) {
        int c = reach_active(st);
        bool rst = st >= TCPS_SYN_RCVD && st != TCPS_TIME_WAIT;

        linger(c, 1, 0);
        cls(c);
        if (rst)
            out("RA", snd_nxt_in(st), rcv_nxt_in(st));
        nothing();
        state_is(st == TCPS_TIME_WAIT ? TCPS_TIME_WAIT : TCPS_CLOSED);
    }
}

/* STATUS and names ------------------------------------------------------------------------------------------------------ */

TEST(getpeername_in_every_state)
{
    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT) {
        int c = reach_active(st);
        struct inaddr a;
        uint16_t port = 0;
        int want = st < TCPS_ESTABLISHED ? -ENOTCONN : 0;

        check_eq(tcp_getpeer(tconn(c), &a, &port), want);
        if (want == 0) {
            check_eq(port, PEER_PORT);
            check_eq(inaddr_to_v4(&a), PEER_ADDR);
        }
    }
}

TEST(readiness_in_every_state)
{
    static const unsigned want[TCPS_COUNT] = {
        [TCPS_CLOSED] = SOCK_OUT | SOCK_HUP,
        [TCPS_ESTABLISHED] = SOCK_OUT,
        [TCPS_CLOSE_WAIT] = SOCK_IN | SOCK_RDHUP | SOCK_OUT,
        [TCPS_FIN_WAIT_1] = SOCK_OUT,
        [TCPS_FIN_WAIT_2] = SOCK_OUT,
        [TCPS_CLOSING] = SOCK_IN | SOCK_RDHUP | SOCK_HUP | SOCK_OUT,
        [TCPS_LAST_ACK] = SOCK_IN | SOCK_RDHUP | SOCK_HUP | SOCK_OUT,
        [TCPS_TIME_WAIT] = SOCK_IN | SOCK_RDHUP | SOCK_HUP | SOCK_OUT,
    };

    foreach (st, TCPS_CLOSED, TCPS_TIME_WAIT)
        check_eq(polls(reach_active(st)), want[st]);
}

/* Opening --------------------------------------------------------------------------------------------------------------- */

/* MUST-46, MUST-63 */
TEST(connect_to_bad_addresses)
{
    check_eq(con_to(tsock(), 0xe0000001u, 80), -ENETUNREACH);
    check_eq(con_to(tsock(), 0x0a0000ffu, 80), -ENETUNREACH);
    check_eq(con_to(tsock(), 0xffffffffu, 80), -ENETUNREACH);
    check_eq(con_to(tsock(), 0x0b000001u, 80), -ENETUNREACH); /* no route */
    nothing();
}

TEST(ephemeral_ports_differ)
{
    uint16_t seen[20];

    for (int i = 0; i < 20; i++) {
        int c = tsock();

        check_eq(con_to(c, PEER_ADDR, (uint16_t)(6000 + i)), -EINPROGRESS);
        out("S", 0, 0, .port = (uint16_t)(6000 + i), .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
        seen[i] = script_last().lport;
        check(seen[i] >= conf()->port_first && seen[i] <= conf()->port_last);
        for (int k = 0; k < i; k++)
            check(seen[k] != seen[i]);
    }
}

TEST(ephemeral_ports_run_out)
{
    conf()->port_first = 40000;
    conf()->port_last = 40002;
    for (int i = 0; i < 3; i++)
        check_eq(con(tsock()), -EINPROGRESS);
    skip_all();
    check_eq(con(tsock()), -EADDRNOTAVAIL);
    check_eq(con_to(tsock(), PEER_ADDR, 5001), -EINPROGRESS); /* another peer port: another 4-tuple */
    skip_all();
}

TEST(connect_to_own_address)
{
    int l = listen_on(80), c = tsock(), a;
    uint8_t b[4];
    struct iovec iov = {b, 4};

    check_eq(con_to(c, OUR_ADDR, 80), -EINPROGRESS);
    check_eq(con_to(c, OUR_ADDR, 80), 0);
    nothing(); /* not on the wire */
    a = acc(l);
    check(a > 0);
    snd(c, 4);
    check_eq(tcp_recv_copy(stack(), tconn(a), &iov, 1, 0), 4);
    cls(c);
    check_eq(rcv_flags(a, 4, 0), 0);
    cls(a);
    nothing();
}

/* As Linux: shutdown(2) of a listener for reading ends the passive open; the socket stays bound and may listen again. */
TEST(shutdown_of_a_listener)
{
    int l = listen_on(80);

    check_eq(shut_ret(l, SHUT_RD), 0);
    in("S", 0, 0);
    out("RA", 0, 1);
    check_eq(tlisten(l, 1), 0);
    in("S", 0, 0);
    out_any();
    check_eq(script_last().ack, 1); /* SYN,ACK */
}

TEST(bind_rules)
{
    int a = tsock(), b = tsock();

    check_eq(tbind(a, 80), 0);
    check_eq(tbind(b, 80), -EADDRINUSE);
    check_eq(tbind(a, 81), -EINVAL);
    check_eq(tlisten(a, 1), 0);
    sopt(b, SOL_SOCKET, SO_REUSEADDR, 1);
    check_eq(tbind(b, 80), -EADDRINUSE);
    check_eq(tbind(b, 0), 0);
}

/* Backlog --------------------------------------------------------------------------------------------------------------- */

/* As Linux: backlog + 1 wait; then ACKs and SYNs are ignored, and the peer's repetitions succeed later. */
TEST(full_accept_queue_ignores_ack_and_syn)
{
    int l = listen_backlog(80, 1);

    for (uint16_t p = 6000; p < 6003; p++) { /* beyond the backlog by cookies */
        in("S", 0, 0, .port = p, .o = {MSS(1460)});
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    in("A", 1, 1, .port = 6001);
    in("A", 1, 1, .port = 6002);
    in("A", 1, 1, .port = 6000); /* the queue is full: ignored */
    nothing();
    state_of(6000, TCPS_SYN_RCVD);
    in("S", 0, 0, .port = 6003, .o = {MSS(1460)}); /* ignored, not reset */
    nothing();
    state_of(6003, TCPS_CLOSED);
    after_ms(1000); /* the SYN,ACK again */
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    check(acc(l) > 0);
    in("A", 1, 1, .port = 6000);
    nothing();
    state_of(6000, TCPS_ESTABLISHED);
    check(acc(l) > 0);
    check(acc(l) > 0);
    check_eq(acc(l), -EAGAIN);
}

/* The text of a connection whose ACK was ignored establishes it later. */
TEST(full_accept_queue_text_later)
{
    int l = listen_backlog(80, 0), c;

    in("S", 0, 0, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("S", 0, 0, .port = 6001, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    in("A", 1, 1, .port = 6000);
    in("A", 1, 1, .port = 6001);
    in("PA", 1, 1, 10, .port = 6001);
    nothing();
    check(acc(l) > 0);
    in("PA", 1, 1, 10, .port = 6001);
    out("A", 1, 11, .port = 6001);
    c = acc(l);
    rcv(c, 10);
}

TEST(more_syns_than_backlog_are_answered)
{
    listen_backlog(80, 2);
    for (uint16_t p = 6000; p < 6020; p++) {
        in("S", 0, 0, .port = p, .o = {MSS(1460)});
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
}

/* CLOSE in LISTEN: connections that nobody accepted are reset; of a handshake under way nobody is told before its ACK comes. */
TEST(noaccept_close_resets)
{
    int l = listen_on(80);

    in("S", 0, 0, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("A", 1, 1, .port = 6000);
    in("S", 0, 0, .port = 6001, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    cls(l);
    out("RA", 1, 1, .port = 6000);
    quiet_ms(5000);
    in("A", 1, 1, .port = 6001);
    out("R", 1, 0, .port = 6001);
}

/* A connection that is reset in the accept queue is still accepted, and tells. */
TEST(reset_before_accept)
{
    int l = listen_on(80), c;

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    in("R", 1, 0);
    check_eq(polls(l), SOCK_IN);
    c = acc(l);
    check(c > 0);
    check_eq(rcv_flags(c, 10, 0), -ECONNRESET);
}

/* Closing ---------------------------------------------------------------------------------------------------------------- */

/* 3.6, figure 12 */
TEST(normal_close)
{
    int c = active();

    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
}

/* figure 13 */
TEST(simultaneous_close)
{
    int c = active();

    cls(c);
    out("FA", 1, 1);
    in("FA", 1, 1);
    out("A", 2, 2);
    state_is(TCPS_CLOSING);
    in("A", 2, 2);
    nothing();
    state_is(TCPS_TIME_WAIT);
    quiet_ms(59999);
    state_is(TCPS_TIME_WAIT);
    quiet_ms(2);
    state_is(TCPS_CLOSED);
}

TEST(half_close_we_stop_sending)
{
    int c = passive();

    snd(c, 100);
    out("PA", 1, 1, 100);
    shut(c, SHUT_WR);
    out("FA", 101, 1);
    in("A", 1, 102);
    for (uint32_t i = 0; i < 5; i++) {
        in("PA", 1 + i * 100, 102, 100);
        out("A", 102, 101 + i * 100);
        rcv(c, 100);
    }
    quiet_ms(600000); /* for as long as the descriptor is open */
    in("FA", 501, 102);
    out("A", 102, 502);
    rcv(c, 0);
    state_is(TCPS_TIME_WAIT);
}

TEST(half_close_peer_stops_sending)
{
    int c = passive();

    in("FPA", 1, 1, 10);
    out("A", 1, 12);
    rcv(c, 10);
    rcv(c, 0);
    for (uint32_t i = 0; i < 5; i++) {
        snd(c, 100);
        out("PA", 1 + i * 100, 12, 100);
        in("A", 12, 101 + i * 100);
    }
    cls(c);
    out("FA", 501, 12);
    state_is(TCPS_LAST_ACK);
    in("A", 12, 502);
    state_is(TCPS_CLOSED);
}

TEST(fin_goes_behind_queued_text)
{
    int c = passive(.win = 1000);

    snd(c, 2500);
    out("PA", 1, 1, 1000);
    cls(c);
    nothing();
    in("A", 1, 1001, .win = 1000);
    out("PA", 1001, 1, 1000);
    in("A", 1, 2001, .win = 1000);
    out("FPA", 2001, 1, 500);
    in("A", 1, 2502);
    state_is(TCPS_FIN_WAIT_2);
}

/* 3.6.1, SHLD-3: a reset tells the peer that text was lost. */
TEST(close_with_unread_text_resets)
{
    int c = passive();

    in("PA", 1, 1, 10);
    out("A", 1, 11);
    cls(c);
    out("RA", 1, 11);
    state_is(TCPS_CLOSED);
}

TEST(text_after_close_resets)
{
    int c = passive();

    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("PA", 1, 2, 10);
    out("RA", 2, 1);
    state_is(TCPS_CLOSED);
}

TEST(shutdown_read_keeps_the_connection)
{
    int c = passive();

    shut(c, SHUT_RD);
    nothing();
    rcv(c, 0);
    snd(c, 5);
    out("PA", 1, 1, 5);
}

TEST(fin_retransmission)
{
    static const enum tcp_st with_fin[] = {TCPS_FIN_WAIT_1, TCPS_CLOSING, TCPS_LAST_ACK};

    for (int i = 0; i < 3; i++) {
        uint32_t r = rcv_nxt_in(with_fin[i]);

        reach(with_fin[i]);
        after_ms(200);
        out("FA", 1, r);
        after_ms(400);
        out("FA", 1, r);
        after_ms(800);
        out("FA", 1, r);
        in("A", r, 2);
        quiet_ms(5000);
    }
}

/* SO_LINGER -------------------------------------------------------------------------------------------------------------- */

TEST(linger_zero_resets)
{
    int c = passive();

    linger(c, 1, 0);
    snd(c, 100);
    out("PA", 1, 1, 100);
    cls(c);
    out("RA", 101, 1);
    state_is(TCPS_CLOSED);
}

TEST(linger_off_sends_fin)
{
    int c = passive();

    linger(c, 0, 0);
    check_eq(tcp_linger_ns(tconn(c)), 0);
    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
}

TEST(linger_positive_waits_until_acknowledged)
{
    int c = passive();

    linger(c, 1, 5);
    check_eq(tcp_linger_ns(tconn(c)), 5 * NS_PER_SEC);
    check(tcp_all_acked(tconn(c)));
    snd(c, 10);
    out("PA", 1, 1, 10);
    check(!tcp_all_acked(tconn(c)));
    shut(c, SHUT_WR);
    out("FA", 11, 1);
    in("A", 1, 11);
    check(!tcp_all_acked(tconn(c)));
    in("A", 1, 12);
    check(tcp_all_acked(tconn(c)));
    cls(c);
    nothing();
    state_is(TCPS_FIN_WAIT_2);
}

/* FIN-WAIT-2 ------------------------------------------------------------------------------------------------------------- */

TEST(fin_wait_2_times_out_after_close)
{
    int c = reach(TCPS_FIN_WAIT_2);

    quiet_ms(300000);
    state_is(TCPS_FIN_WAIT_2);
    cls(c);
    quiet_ms(59990);
    state_is(TCPS_FIN_WAIT_2);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
    in("FA", 1, 2); /* the late FIN gets a reset */
    out("R", 2, 0);
}

TEST(linger2_sets_the_time)
{
    int c = reach(TCPS_ESTABLISHED);

    sopt(c, IPPROTO_TCP, TCP_LINGER2, 3);
    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    quiet_ms(2990);
    state_is(TCPS_FIN_WAIT_2);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
    in("PA", 1, 2, 10);
    out("R", 2, 0);
}

/* tcp(7), Linux: a negative time means none. */
TEST(negative_linger2_does_not_wait)
{
    int c = reach(TCPS_ESTABLISHED);

    sopt(c, IPPROTO_TCP, TCP_LINGER2, -5);
    check_eq(gopt(c, IPPROTO_TCP, TCP_LINGER2), -1);
    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    quiet_ms(10);
    state_is(TCPS_CLOSED);
}

/* TIME-WAIT -------------------------------------------------------------------------------------------------------------- */

TEST(time_wait_lasts_2msl)
{
    reach(TCPS_TIME_WAIT);
    quiet_ms(59990);
    state_is(TCPS_TIME_WAIT);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
}

/* Closed in the turn in which the peer's FIN comes: it is acknowledged all the same, or the peer would wait for a timeout of its own. */
TEST(close_in_time_wait_lets_the_last_ack_go)
{
    int c = reach(TCPS_FIN_WAIT_2);

    begin();
    in("FA", 1, 2);
    linger(c, 1, 0);
    cls(c);
    end();
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
}

TEST(time_wait_restarts_on_fin)
{
    reach(TCPS_TIME_WAIT);
    quiet_ms(50000);
    in("FA", 1, 2);
    out("A", 2, 2);
    quiet_ms(59990);
    state_is(TCPS_TIME_WAIT);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
}

TEST(time_wait_does_not_restart_on_ack)
{
    reach(TCPS_TIME_WAIT);
    quiet_ms(50000);
    in("A", 2, 2);
    quiet_ms(10010);
    state_is(TCPS_CLOSED);
}

/* MAY-2: a SYN beyond everything received opens again; one that is not gets an ACK. */
TEST(time_wait_reuse_by_sequence_number)
{
    reach(TCPS_TIME_WAIT);
    in("S", 1, 0, .o = {MSS(1460)});
    out("A", 2, 2);
    in("S", 2, 0, .o = {MSS(1460)}); /* exactly the next one is not beyond */
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
    new_incarnation(3);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
}

/* RFC 6191: a newer timestamp opens again whatever the sequence number. */
TEST(time_wait_reuse_by_timestamp)
{
    int c = passive(.ts = true);
    uint32_t ts;

    shut(c, SHUT_WR);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
    ts = 1000 + (uint32_t)now_ms();
    in("S", 1, 0, .o = {MSS(1460), TS(ts - 1)}); /* older: no */
    out("A", 2, 2);
    in("S", 1, 0, .o = {MSS(1460), TS(ts)}); /* equal and not beyond: no */
    out("A", 2, 2);
    new_incarnation((uint32_t)-5000);
    in("S", 0, 0, .o = {MSS(1460), TS(ts + 1)});
    out("SA", 0, 1, .o = {MSS(1460), ECHO(ts + 1)});
    state_is(TCPS_SYN_RCVD);
}

/* RFC 1337 section 3, fix (F1): no reset ends TIME-WAIT, wherever it is. */
TEST(time_wait_reset)
{
    int c = reach(TCPS_TIME_WAIT);

    in("R", 2, 0);
    in("RA", 2, 2);
    in("R", 100, 0);
    in("R", 0, 0);
    nothing();
    state_is(TCPS_TIME_WAIT);
    check_eq(stack()->ctr.v[CTR_TCP_TIMEWAIT_RST], 4);
    rcv(c, 0);
    so_error(c, 0);
    quiet_ms(60010);
    state_is(TCPS_CLOSED);
    check_eq(polls(c) & SOCK_HUP, SOCK_HUP);
}

/* The block is given back at once when no descriptor refers to it, also when the descriptor goes later; the record is what stays. */
TEST(time_wait_is_a_record)
{
    struct tcp_conn *tc;
    struct tcp_info ti;
    unsigned len = sizeof(ti);
    int c = reach(TCPS_TIME_WAIT);
    uint32_t n = stack()->tcp.n_conns;

    tc = tconn(c);
    check_eq(tcp_getopt(stack(), tc, IPPROTO_TCP, TCP_INFO, &ti, &len), 0);
    check_eq(ti.tcpi_state, 6); /* TCP_TIME_WAIT */
    check_eq(stack()->tcp.n_timewait, 1);
    cls(c);
    quiet_ms(1);
    check_eq(stack()->tcp.n_conns, n - 1);
    state_is(TCPS_TIME_WAIT);
    in("FA", 1, 2); /* the peer did not see our last ACK */
    out("A", 2, 2);

    fresh();
    c = passive();
    n = stack()->tcp.n_conns;
    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    check_eq(stack()->tcp.n_conns, n - 1);
    check_eq(stack()->tcp.n_timewait, 1);
    quiet_ms(59990);
    state_is(TCPS_TIME_WAIT);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
    check_eq(stack()->tcp.n_timewait, 0);
}

/* A segment for TIME-WAIT gets an answer within the limit of challenge_ack_rate. */
TEST(time_wait_answers_are_limited)
{
    conf()->challenge_ack_rate = 3;
    reach(TCPS_TIME_WAIT);
    for (int i = 0; i < 10; i++)
        in("FA", 1, 2);
    check_eq(skip_all(), 3);
    skip_ms(1000);
    for (int i = 0; i < 10; i++)
        in("A", 70000, 2);
    check_eq(skip_all(), 3);
}

/* max_timewait: the oldest record ends early. */
TEST(time_wait_limit)
{
    conf()->max_timewait = 2;
    listen_on(80);
    for (uint16_t i = 0; i < 3; i++) {
        uint16_t port = (uint16_t)(5000 + i);
        int c = passive(.port = port);

        cls(c);
        out("FA", 1, 1, .port = port);
        in("A", 1, 2, .port = port);
        in("FA", 1, 2, .port = port);
        out("A", 2, 2, .port = port);
        skip_ms(10);
    }
    check_eq(stack()->tcp.n_timewait, 2);
    check_eq(stack()->ctr.v[CTR_TCP_TIMEWAIT_LIMIT], 1);
    state_of(5000, TCPS_CLOSED);
    state_of(5001, TCPS_TIME_WAIT);
    state_of(5002, TCPS_TIME_WAIT);

    fresh();
    conf()->max_timewait = 0; /* none at all */
    cls(passive());
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_CLOSED);
}

/* MAY-2: the new incarnation's numbers are beyond the old one's, also when those ran ahead of the clock of RFC 6528. */
TEST(time_wait_reuse_starts_beyond)
{
    int l = listen_on(80), c = passive(.ts = true);
    uint32_t ts, old;

    for (int i = 0; i < 100; i++) {
        snd(c, 14480);
        skip_all();
        in("A", 1, 1 + 14480 * (uint32_t)(i + 1));
        skip_all();
    }
    old = tconn(c)->snd_nxt;
    cls(c);
    skip_all();
    in("A", 1, 1448002);
    in("FA", 1, 1448002);
    skip_all();
    state_is(TCPS_TIME_WAIT);
    quiet_ms(5);
    ts = 1000 + (uint32_t)now_ms();
    new_incarnation(10);
    in("S", 0, 0, .o = {MSS(1460), TS(ts)});
    out("SA", 0, 1, .o = {MSS(1460), ECHO(ts)});
    in("A", 1, 1);
    c = acc(l);
    check(c >= 0);
    check(seq_gt(tconn(c)->iss, old));
}

static void close_first(int c)
{
    cls(c);
    out("FA", 1, 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
}

/* RFC 7323 appendix B.2: when no other port is left, with timestamps and a second later, beyond the old numbers. */
TEST(connect_takes_over_time_wait)
{
    uint32_t old;
    int c;

    conf()->port_first = conf()->port_last = 40000;
    c = active(.ts = true);
    old = tconn(c)->iss + 2;
    close_first(c);
    check_eq(con(tsock()), -EADDRNOTAVAIL);
    quiet_ms(1000);
    c = tsock();
    check_eq(con(c), -EINPROGRESS);
    check(seq_gt(tconn(c)->iss, old));
    check_eq(stack()->tcp.n_timewait, 0);
    check_eq(stack()->ctr.v[CTR_TCP_TIMEWAIT_REUSE], 1);
    check_eq(stack()->tcp.port_use[40000], 1);
    skip_all();

    fresh(); /* without timestamps the whole wait */
    close_first(active());
    quiet_ms(59000);
    check_eq(con(tsock()), -EADDRNOTAVAIL);
    quiet_ms(1010);
    check_eq(con(tsock()), -EINPROGRESS);
    skip_all();

    fresh();
    conf()->timewait_reuse = false;
    close_first(active(.ts = true));
    quiet_ms(2000);
    check_eq(con(tsock()), -EADDRNOTAVAIL);
}

RUN(T(send_in_every_state), T(recv_in_every_state), T(connect_in_every_state), T(listen_bind_accept_in_every_state),
    T(shutdown_in_every_state), T(shutdown_of_a_listener), T(shutdown_in_syn_sent_ends_the_attempt),
    T(close_in_syn_rcvd_sends_fin_after_the_handshake), T(abort_in_every_state), T(getpeername_in_every_state), T(readiness_in_every_state),
    T(connect_to_bad_addresses), T(ephemeral_ports_differ), T(ephemeral_ports_run_out), T(connect_to_own_address), T(bind_rules),
    T(full_accept_queue_ignores_ack_and_syn), T(full_accept_queue_text_later), T(more_syns_than_backlog_are_answered),
    T(noaccept_close_resets), T(reset_before_accept), T(normal_close), T(simultaneous_close), T(half_close_we_stop_sending),
    T(half_close_peer_stops_sending), T(fin_goes_behind_queued_text), T(close_with_unread_text_resets), T(text_after_close_resets),
    T(shutdown_read_keeps_the_connection), T(fin_retransmission), T(linger_zero_resets), T(linger_off_sends_fin),
    T(linger_positive_waits_until_acknowledged), T(fin_wait_2_times_out_after_close), T(linger2_sets_the_time),
    T(negative_linger2_does_not_wait), T(time_wait_lasts_2msl), T(close_in_time_wait_lets_the_last_ack_go), T(time_wait_restarts_on_fin), T(time_wait_does_not_restart_on_ack),
    T(time_wait_reuse_by_sequence_number), T(time_wait_reuse_by_timestamp), T(time_wait_reset), T(time_wait_is_a_record),
    T(time_wait_answers_are_limited), T(time_wait_limit), T(time_wait_reuse_starts_beyond), T(connect_takes_over_time_wait))
