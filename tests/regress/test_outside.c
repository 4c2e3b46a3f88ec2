/* What a tester from outside found, who has packets and calls only: each was wrong once. */
#include "../script/script.h"

/* EPOLLHUP says that both directions are over; by shutdown() of both as well, whatever the peer does (tcp_poll of Linux). */
TEST(shutdown_of_both_is_a_hangup)
{
    int c = passive();

    shut(c, SHUT_RDWR);
    out("FA", 1, 1);
    check_eq(polls(c), SOCK_IN | SOCK_OUT | SOCK_RDHUP | SOCK_HUP);
    in("A", 1, 2);
    check_eq(polls(c), SOCK_IN | SOCK_OUT | SOCK_RDHUP | SOCK_HUP);
}

TEST(shutdown_of_one_is_none)
{
    int c = passive();

    shut(c, SHUT_WR);
    out("FA", 1, 1);
    check_eq(polls(c), SOCK_OUT);
    c = passive(.port = 5001);
    shut(c, SHUT_RD);
    check_eq(polls(c), SOCK_IN | SOCK_OUT | SOCK_RDHUP);
}

/* Text after shutdown() of both directions is lost like text after close(): the peer is told (SHLD-3), and so is the application. */
TEST(text_after_shutdown_of_both_resets)
{
    int c = passive();

    shut(c, SHUT_RDWR);
    out("FA", 1, 1);
    in("PA", 1, 2, 10);
    out("RA", 2, 1);
    state_is(TCPS_CLOSED);
    so_error(c, ECONNRESET);
}

/* With one direction open it is what the application wants, or throws away without a word. */
TEST(text_after_shutdown_of_one_is_taken)
{
    int c = passive();

    shut(c, SHUT_WR);
    out("FA", 1, 1);
    in("PA", 1, 2, 10);
    out("A", 2, 11);
    rcv(c, 10);
    c = passive(.port = 5001);
    shut(c, SHUT_RD);
    in("PA", 1, 1, 10, .port = 5001);
    out("A", 1, 11, .port = 5001);
}

/*
 * RFC 5961 5.2: who acknowledges what was sent before our SYN has not seen it. MAX.SND.WND below SND.UNA such numbers were taken, a
 * window's worth of guesses at once for who had guessed a SYN cookie.
 */
TEST(ack_below_the_syn_is_challenged)
{
    int c = passive();

    in("PA", 1, 0, 10); /* of the SYN's own number */
    out("A", 1, 1);
    in("PA", 1, (uint32_t)-60000, 10);
    out("A", 1, 1);
    snd(c, 100);
    out("PA", 1, 1, 100);
    in("A", 1, 101);
    in("PA", 1, (uint32_t)-1, 10);
    out("A", 101, 1);
    in("PA", 1, 1, 10); /* of the SYN: old, and possible */
    out("A", 101, 11);
    rcv(c, 10);
}

/* Of what the peer finished sending nothing is lost when it resets later: recv() says end of file, and the error is that of sending. */
TEST(end_of_file_comes_before_a_later_error)
{
    int c = passive();

    in("FPA", 1, 1, 10);
    out("A", 1, 12);
    in("R", 12, 0);
    rcv(c, 10);
    rcv(c, 0);
    rcv(c, 0);
    so_error(c, EPIPE);
    rcv(c, 0);
    check_eq(snd_flags(c, 1, 0), -EPIPE);
}

/*
 * RFC 9937 6.2: what arrived is replaced, whatever found the losses. The reordering timer counted it twice, and sent twice as much into
 * a network that had lost eight of ten.
 */
TEST(reordering_timer_replaces_no_more_than_arrived)
{
    int c = passive(.mss = 1000, .sack = true, .rtt_ms = 40);

    snd(c, 10000);
    skip_all();
    quiet_ms(40);
    in("A", 1, 1, .o = {SACK(1001, 2001), SACK(9001, 10001)});
    after_ms(10);
    out("A", 1, 1, 1000);
    out("A", 2001, 1, 1000);
    nothing();
}

/*
 * RFC 8985 7.2: the probe is put off by what acknowledges new data only. Segments of a peer that sends, too, put it off each time, until
 * the retransmission timeout.
 */
TEST(tail_loss_probe_is_not_put_off_by_the_peers_text)
{
    int c = passive(.mss = 1000, .sack = true, .rtt_ms = 40);

    snd(c, 3000);
    skip_all();
    for (uint32_t i = 0; i < 7; i++) {
        quiet_ms(10);
        in("PA", 1 + 10 * i, 1, 10);
        out("A", 3001, 11 + 10 * i);
    }
    after_ms(10); /* two round trips */
    out("PA", 2001, 71, 1000);
    rcv(c, 70);
}

/* Programs say listen(s, -1) for as many as there may be. */
TEST(negative_backlog_is_the_largest)
{
    int l = listen_backlog(80, -1);

    check_eq(tconn(l)->lis->backlog, conf()->somaxconn);
    check_eq(tlisten(l, 3), 0);
    check_eq(tconn(l)->lis->backlog, 3);
}

/* RFC 5482: the time is that of data without an answer. A SYN that had to be repeated was answered long ago. */
TEST(user_timeout_does_not_count_the_handshake)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    after_ms(1000);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    quiet_ms(60000);
    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(3000);
    out("PA", 1, 1, 10);
    after_ms(2000);
    out("RA", 11, 1);
    so_error(c, ETIMEDOUT);
}

/* An ICMP error about the SYN is nobody's concern once it is answered. */
TEST(error_of_an_answered_syn_is_forgotten)
{
    int c = reach(TCPS_SYN_SENT);

    in_icmp(11, 0, 0, 0);
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    so_error(c, 0);
}

/* As Linux: what goes when a window opens is repeated after a timeout, not after that of the last of ever rarer probes. */
TEST(opened_window_ends_the_back_off)
{
    int c = passive(.mss = 1000, .win = WIN0);

    snd(c, 2000);
    skip_ms(200 + 400 + 800 + 1600 + 3200 + 6400 + 12800 + 100);
    in("A", 1, 1, .win = 5000);
    out("A", 1, 1, 1000);
    out("PA", 1001, 1, 1000);
    after_ms(200);
    out("A", 1, 1, 1000);
    in("A", 1, 2001, .win = 5000);
}

/* The same where the window was closed over data in flight. */
TEST(reopened_window_ends_the_back_off)
{
    int c = passive(.mss = 1000, .win = 5000);

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    in("A", 1, 1, .win = WIN0);
    for (int i = 0; i < 7; i++) {
        skip_ms(120000);
        in("A", 1, 1, .win = WIN0);
    }
    in("A", 1, 1, .win = 5000);
    skip_all();
    after_ms(200);
    out("PA", 1, 1, 1000);
    in("A", 1, 1001, .win = 5000);
}

/* Data that a window was opened for has the whole time to be answered. */
TEST(user_timeout_begins_anew_when_the_window_opens)
{
    int c = passive(.mss = 1000, .win = WIN0);

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    snd(c, 1000);
    skip_ms(4500);
    in("A", 1, 1, .win = 5000);
    out("PA", 1, 1, 1000);
    skip_ms(4900);
    state_is(TCPS_ESTABLISHED);
    skip_ms(200);
    state_is(TCPS_CLOSED);
}

static void three_behind_a_hole(uint32_t seq)
{
    for (uint32_t i = 1; i < 4; i++) {
        in("A", seq + i * 1400, 1, 1400);
        out("A", 1, seq, .o = {SACK(seq + 1400, seq + (i + 1) * 1400)});
    }
}

/*
 * What waited behind a hole filled a buffer that the application had made smaller, and there was no room for what would have filled the
 * hole: the connection timed out.
 */
TEST(hole_of_a_smaller_buffer_is_filled)
{
    int c = passive(.sack = true);

    three_behind_a_hole(1);
    sopt(c, SOL_SOCKET, SO_RCVBUF, 1);
    in("A", 1, 1, 1400);
    out("A", 1, 5601);
    three_behind_a_hole(5601);
    in("A", 5601, 1, 1400);
    out("A", 1, 11201);
    rcv(c, 11200);
}

/*
 * What a small buffer of small segments promises is, in units of the window's scale, less than a quarter of its bytes; the edge moved by a
 * quarter or not at all, and the window stayed closed.
 */
TEST(small_buffer_of_small_segments_opens_again)
{
    int c = passive(.ws_plus1 = 1);
    uint32_t seq = 1;

    sopt(c, SOL_SOCKET, SO_RCVBUF, 2483);
    for (int i = 0; i < 400; i++) {
        uint32_t len = MIN(500u, tconn(c)->rcv_adv - tconn(c)->rcv_nxt);

        check(len > 0);
        in("PA", seq, 1, len);
        rcv(c, len);
        skip_all();
        seq += len;
    }
    check_eq(tconn(c)->rcv_ratio, 64);
}

/* RFC 9293 3.8.6.2.1: the sender's silly window avoidance gives in after a second at most, however long the round trip. */
TEST(silly_window_avoidance_gives_in)
{
    int c = passive(.mss = 1000, .win = 4000, .rtt_ms = 900);

    snd(c, 10000);
    skip_all();
    quiet_ms(900);
    in("A", 1, 4001, .win = 200);
    after_ms(1000);
    out("PA", 4001, 1, 200);
}

RUN(T(tail_loss_probe_is_not_put_off_by_the_peers_text), T(reordering_timer_replaces_no_more_than_arrived),
    T(end_of_file_comes_before_a_later_error), T(negative_backlog_is_the_largest), T(shutdown_of_both_is_a_hangup),
    T(shutdown_of_one_is_none), T(text_after_shutdown_of_both_resets), T(text_after_shutdown_of_one_is_taken),
    T(ack_below_the_syn_is_challenged), T(user_timeout_does_not_count_the_handshake), T(error_of_an_answered_syn_is_forgotten),
    T(opened_window_ends_the_back_off), T(reopened_window_ends_the_back_off), T(user_timeout_begins_anew_when_the_window_opens),
    T(hole_of_a_smaller_buffer_is_filled), T(small_buffer_of_small_segments_opens_again), T(silly_window_avoidance_gives_in))
