/* RFC 9293 section 3.10.7: every state and what can arrive in it, with RFC 5961. */
#include "script.h"

static const enum tcp_st synchronized[] = {TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2, TCPS_CLOSE_WAIT,
                                           TCPS_CLOSING,     TCPS_LAST_ACK,   TCPS_TIME_WAIT};
static const enum tcp_st with_syn_rcvd[] = {TCPS_SYN_RCVD,   TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
                                            TCPS_CLOSE_WAIT, TCPS_CLOSING,     TCPS_LAST_ACK,   TCPS_TIME_WAIT};
#define BEYOND 70000u /* past every window without scaling */
#define foreach(st, list) for (enum tcp_st st = (list)[0], i_ = 0; i_ < sizeof(list) / sizeof((list)[0]) && ((st = (list)[i_]), true); i_++)

/* CLOSED: 3.10.7.1 ------------------------------------------------------------------------------------------------------ */

/* "If the ACK bit is off, sequence number zero is used: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>" */
TEST(closed_syn_gets_rst_ack)
{
    in("S", 0, 0, .o = {MSS(1460)}, .lport = 81);
    out("RA", 0, 1);
}

TEST(closed_segment_without_ack_gets_rst_over_all_of_it)
{
    in("SF", 0, 0, 10, .lport = 81);
    out("RA", 0, 12);
    in("P", 5, 0, 10, .lport = 81);
    out("RA", 0, 15);
}

/* "If the ACK bit is on: <SEQ=SEG.ACK><CTL=RST>" */
TEST(closed_segment_with_ack_gets_rst_at_its_ack)
{
    in("A", 1, 777, .lport = 81);
    out("R", 777, 0);
    in("SA", 0, 42, .lport = 81);
    out("R", 42, 0);
    in("FA", 9, 4294967295u, 5, .lport = 81);
    out("R", 4294967295u, 0);
}

TEST(closed_rst_is_never_answered)
{
    in("R", 1, 0, .lport = 81);
    nothing();
    in("RA", 1, 5, .lport = 81);
    nothing();
}

/* LISTEN: 3.10.7.2 ------------------------------------------------------------------------------------------------------ */

TEST(listen_ignores_rst)
{
    reach(TCPS_LISTEN);
    in("R", 0, 0);
    in("RA", 0, 1);
    in("SR", 0, 0);
    nothing();
}

TEST(listen_answers_ack_with_rst)
{
    reach(TCPS_LISTEN);
    in("A", 0, 500);
    out("R", 500, 0);
    in("SA", 0, 900);
    out("R", 900, 0);
    state_is(TCPS_CLOSED);
}

TEST(listen_drops_everything_else)
{
    reach(TCPS_LISTEN);
    in("F", 0, 0);
    in("P", 0, 0, 10);
    in("", 0, 0);
    nothing();
}

TEST(listen_syn_is_answered)
{
    reach(TCPS_LISTEN);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .win = 65535, .o = {MSS(1460)});
    state_is(TCPS_SYN_RCVD);
}

/* Text with a SYN is not acknowledged (it would have to wait for ESTABLISHED); the peer repeats it. */
TEST(listen_text_of_syn_comes_again)
{
    int l = reach(TCPS_LISTEN), c;

    in("S", 0, 0, 10, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    c = acc(l);
    rcv(c, 10);
}

/* SYN-SENT: 3.10.7.3 ---------------------------------------------------------------------------------------------------- */

TEST(synsent_unacceptable_ack_gets_rst)
{
    reach(TCPS_SYN_SENT);
    in("A", 0, 0);
    out("R", 0, 0);
    in("SA", 0, 2);
    out("R", 2, 0);
    in("A", 0, 5000);
    out("R", 5000, 0);
    state_is(TCPS_SYN_SENT);
    in("RA", 0, 2); /* with RST: dropped */
    nothing();
    state_is(TCPS_SYN_SENT);
}

TEST(synsent_rst_with_acceptable_ack_refuses)
{
    int c = reach(TCPS_SYN_SENT);

    in("RA", 0, 1);
    nothing();
    state_is(TCPS_CLOSED);
    check_eq(polls(c) & (SOCK_ERR | SOCK_HUP | SOCK_OUT), SOCK_ERR | SOCK_HUP | SOCK_OUT);
    so_error(c, ECONNREFUSED);
    so_error(c, 0);
}

/* RFC 5961 3.2 / RFC 9293: without an acceptable ACK a reset is dropped. */
TEST(synsent_rst_without_ack_is_dropped)
{
    reach(TCPS_SYN_SENT);
    in("R", 0, 0);
    nothing();
    state_is(TCPS_SYN_SENT);
}

TEST(synsent_acceptable_ack_without_syn_is_dropped)
{
    reach(TCPS_SYN_SENT);
    in("A", 0, 1);
    in("PA", 0, 1, 10);
    in("FA", 0, 1);
    in("", 0, 0);
    nothing();
    state_is(TCPS_SYN_SENT);
}

TEST(synsent_syn_ack_establishes)
{
    int c = reach(TCPS_SYN_SENT);

    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
    check_eq(polls(c), SOCK_OUT);
}

/* MUST-10: simultaneous open. */
TEST(synsent_syn_opens_simultaneously)
{
    int c = reach(TCPS_SYN_SENT);

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    state_is(TCPS_SYN_RCVD);
    check_eq(con(c), -EALREADY);
    in("SA", 0, 1, .o = {MSS(1460)}); /* the peer's half of it */
    out("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
    check_eq(con(c), 0);
    snd(c, 10);
    out("PA", 1, 1, 10);
    in("PA", 1, 11, 5);
    out("A", 11, 6);
    rcv(c, 5);
}

TEST(synsent_simultaneous_open_completed_by_plain_ack)
{
    reach_active(TCPS_SYN_RCVD);
    in("A", 1, 1);
    nothing();
    state_is(TCPS_ESTABLISHED);
}

/* RFC 9293 3.5.3, second paragraph; figure 9: RST in SYN-RECEIVED after an active open: refused. */
TEST(simultaneous_open_then_rst_refuses)
{
    int c = reach_active(TCPS_SYN_RCVD);

    in("R", 1, 0);
    nothing();
    state_is(TCPS_CLOSED);
    so_error(c, ECONNREFUSED);
}

/* 3.5.1, figure 9: an old duplicate SYN arrives in the passive end, the active end resets, a new SYN works. */
TEST(old_duplicate_syn_recovers)
{
    int l = reach(TCPS_LISTEN);

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("R", 1, 0);
    nothing();
    state_is(TCPS_CLOSED); /* back to LISTEN: MUST-11 */
    new_incarnation(5000);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    nothing();
    check(acc(l) > 0);
}

/* SYN-RECEIVED ---------------------------------------------------------------------------------------------------------- */

TEST(synrcvd_acceptable_ack_establishes)
{
    int l = reach(TCPS_SYN_RCVD);

    check_eq(acc(l), -EAGAIN);
    in("A", 1, 1);
    nothing();
    state_is(TCPS_ESTABLISHED);
    check_eq(polls(l), SOCK_IN);
    check(acc(l) > 0);
}

/* "If SEG.ACK is not acceptable, form a reset segment <SEQ=SEG.ACK><CTL=RST> and send it." */
TEST(synrcvd_unacceptable_ack_gets_rst)
{
    reach(TCPS_SYN_RCVD);
    in("A", 1, 2);
    out("R", 2, 0);
    in("A", 1, 0);
    out("R", 0, 0);
    in("PA", 1, 100000, 10);
    out("R", 100000, 0);
    state_is(TCPS_SYN_RCVD);
    in("A", 1, 1);
    nothing();
    state_is(TCPS_ESTABLISHED);
}

TEST(synrcvd_repeated_syn_gets_syn_ack_again)
{
    reach(TCPS_SYN_RCVD);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    state_is(TCPS_SYN_RCVD);
}

/* MUST-11: passive: back to LISTEN; active: as in the synchronized states. */
TEST(synrcvd_syn_in_window)
{
    reach(TCPS_SYN_RCVD);
    in("S", 100, 0);
    nothing();
    state_is(TCPS_CLOSED);
    reach_active(TCPS_SYN_RCVD);
    in("S", 100, 0);
    out("A", 1, 1);
    state_is(TCPS_SYN_RCVD);
}

TEST(synrcvd_rst_returns_to_listen)
{
    int l = reach(TCPS_SYN_RCVD);

    in("R", 1, 0);
    nothing();
    state_is(TCPS_CLOSED);
    check_eq(acc(l), -EAGAIN);
    in("S", 0, 0, .o = {MSS(1460)}); /* the listener lives */
    out("SA", 0, 1, .o = {MSS(1460)});
}

TEST(synrcvd_data_with_last_ack)
{
    int l = reach(TCPS_SYN_RCVD), c;

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    c = acc(l);
    rcv(c, 100);
}

TEST(synrcvd_data_and_fin_with_last_ack)
{
    int l = reach(TCPS_SYN_RCVD), c;

    in("FPA", 1, 1, 100);
    out("A", 1, 102);
    state_is(TCPS_CLOSE_WAIT);
    c = acc(l);
    rcv(c, 100);
    rcv(c, 0);
}

TEST(synrcvd_fin_with_last_ack)
{
    reach(TCPS_SYN_RCVD);
    in("FA", 1, 1);
    out("A", 1, 2);
    state_is(TCPS_CLOSE_WAIT);
}

/* An ACK that was lost: text behind it establishes, and what came before in a hole is kept. */
TEST(synrcvd_text_behind_a_hole_establishes)
{
    int l = reach(TCPS_SYN_RCVD), c;

    in("PA", 11, 1, 10);
    out("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
    in("PA", 1, 1, 10);
    out("A", 1, 21);
    c = acc(l);
    rcv(c, 20);
}

TEST(synrcvd_without_ack_is_dropped)
{
    reach(TCPS_SYN_RCVD);
    in("", 1, 0);
    in("P", 1, 0, 10);
    in("F", 1, 0);
    nothing();
    state_is(TCPS_SYN_RCVD);
}

/* First: the sequence number -------------------------------------------------------------------------------------------- */

static void outside(enum tcp_st st, uint32_t seq, const char *flags, uint32_t len)
{
    uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

    note("[%s] seq %u len %u", flags, seq, len);
    in(flags, seq, n, len);
    out("A", n, r);
    state_is(st);
}

/* "If an incoming segment is not acceptable, an acknowledgment should be sent in reply (unless the RST bit is set)" */
TEST(outside_the_window_forces_an_ack)
{
    foreach (st, with_syn_rcvd) {
        uint32_t r = rcv_nxt_in(st);

        reach(st);
        outside(st, r + BEYOND, "A", 0);
        outside(st, r + BEYOND, "PA", 10);
        outside(st, r + BEYOND, "FA", 0);
        outside(st, r + BEYOND, "FPA", 10);
        outside(st, r - 1000, "A", 0);
        outside(st, r - 1000, "PA", 10);
        outside(st, r - 1000, "FA", 0);
        outside(st, r - 10, "PA", 10); /* ends just before the window */
        outside(st, r + BEYOND, "UA", 0);
    }
}

TEST(outside_the_window_rst_is_dropped)
{
    foreach (st, with_syn_rcvd) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

        reach(st);
        in("R", r + BEYOND, 0);
        in("RA", r + BEYOND, n);
        in("R", r - 1, 0);
        in("RA", r - 1000, n, 20);
        nothing();
        state_is(st);
    }
}

/* The edge: rcv_nxt + 65535 is the first octet beyond; a peer that has filled the window acknowledges from there. */
TEST(window_edge_is_exact)
{
    reach(TCPS_ESTABLISHED);
    in("A", 65536, 1); /* 1 + 65535 */
    nothing();
    in("A", 65537, 1);
    out("A", 1, 1);
    in("PA", 65536, 1, 1);
    out("A", 1, 1);
    in("S", 65536, 0);
    out("A", 1, 1);
    in("R", 65536, 0);
    in("RA", 65536, 1);
    nothing();
    in("PA", 65535, 1, 1); /* the last octet of the window is taken */
    out("A", 1, 1);
    check_eq(stack()->ctr.v[CTR_TCP_OOO], 1);
}

/*
 * A peer that has filled the window, and lost the first segment of it, acknowledges with a sequence number just outside, as it does from
 * the edge of a window of zero. Not with what it cannot acknowledge, and not after its FIN.
 */
TEST(ack_at_the_edge_counts)
{
    int c = reach(TCPS_ESTABLISHED);

    snd(c, 100);
    out("PA", 1, 1, 100);
    in("A", 65536, 102);
    out("A", 101, 1);
    check_eq(tcp_snd_queued(tconn(c)), 100);
    in("A", 65536, 101);
    check_eq(tcp_snd_queued(tconn(c)), 0);
    quiet_ms(1000);
    cls(c);
    out("FA", 101, 1);
    in("A", 65536, 102);
    state_is(TCPS_FIN_WAIT_2);
    c = reach(TCPS_CLOSE_WAIT);
    snd(c, 100);
    out("PA", 1, 2, 100);
    in("A", tconn(c)->rcv_adv - tconn(c)->irs, 101);
    out("A", 101, 2);
    check_eq(tcp_snd_queued(tconn(c)), 100);
}

/* Second: RST ----------------------------------------------------------------------------------------------------------- */

TEST(rst_exact_resets)
{
    static const int want[TCPS_COUNT] = {
        [TCPS_ESTABLISHED] = ECONNRESET, [TCPS_FIN_WAIT_1] = ECONNRESET, [TCPS_FIN_WAIT_2] = ECONNRESET, [TCPS_CLOSE_WAIT] = EPIPE};

    foreach (st, synchronized) {
        int c = reach(st);

        in("R", rcv_nxt_in(st), 0);
        nothing();
        if (st == TCPS_TIME_WAIT) { /* RFC 1337, fix (F1) */
            state_is(TCPS_TIME_WAIT);
            continue;
        }
        state_is(TCPS_CLOSED);
        check_eq(polls(c) & SOCK_HUP, SOCK_HUP);
        so_error(c, want[st]);
        rcv(c, 0);
        check_eq(snd_flags(c, 1, 0), -EPIPE);
    }
}

TEST(rst_with_ack_and_text_resets)
{
    int c = reach(TCPS_ESTABLISHED);

    in("RA", 1, 1, 30); /* SHLD-2: a RST may carry text */
    nothing();
    state_is(TCPS_CLOSED);
    so_error(c, ECONNRESET);
}

/* RFC 5961 section 3.2: in the window but not at RCV.NXT: challenge ACK. */
TEST(rst_in_window_is_challenged)
{
    foreach (st, with_syn_rcvd) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

        if (st == TCPS_TIME_WAIT) /* no reset counts there: time_wait_reset */
            continue;
        reach(st);
        in("R", r + 1, 0);
        out("A", n, r);
        in("RA", r + 50000, n);
        out("A", n, r);
        state_is(st);
        in("R", r, 0); /* the peer's answer to the challenge */
        nothing();
        state_is(TCPS_CLOSED);
    }
}

/* What is not acknowledged is flushed; what was received stays readable, as on Linux and FreeBSD: then the error, then the end. */
TEST(rst_leaves_received_data)
{
    int c = reach(TCPS_ESTABLISHED);

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    snd(c, 100);
    out("PA", 1, 101, 100);
    in("R", 101, 0);
    check_eq(rcv_flags(c, 200, 0), 100);
    check_eq(rcv_flags(c, 100, 0), -ECONNRESET);
    check_eq(rcv_flags(c, 100, 0), 0);
}

/* Fourth: SYN ----------------------------------------------------------------------------------------------------------- */

/* RFC 5961 section 4.2: "TCP MUST send an ACK (challenge ACK) irrespective of the sequence number". */
TEST(syn_is_challenged)
{
    foreach (st, synchronized) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

        reach(st);
        in("SA", r + 10, n);
        out("A", n, r);
        in("SA", r + BEYOND, n);
        out("A", n, r);
        in("S", r - 1000, 0);
        out("A", n, r);
        in("SFA", r, n);
        out("A", n, r);
        if (st != TCPS_TIME_WAIT) { /* there a new SYN may open again */
            in("S", r, 0);
            out("A", n, r);
            in("S", r + BEYOND, 0);
            out("A", n, r);
        }
        state_is(st);
    }
}

/* Fifth: ACK ------------------------------------------------------------------------------------------------------------ */

/* Inside the window the fifth step drops it; nothing is answered outside either, where no state takes it and no TCP sends it. */
TEST(no_ack_bit_is_dropped)
{
    foreach (st, with_syn_rcvd) {
        uint32_t r = rcv_nxt_in(st);

        reach(st);
        for (uint32_t seq = r; seq <= r + BEYOND; seq += BEYOND) {
            in("", seq, 0);
            in("P", seq, 0, 10);
            in("F", seq, 0);
            in("U", seq, 0, 10, .urp = 1);
        }
        nothing();
        state_is(st);
        check_eq(stack()->ctr.v[DROP_TCP_NO_ACK], 8);
    }
}

/* "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an ACK, drop the segment" */
TEST(ack_of_the_future_gets_ack)
{
    foreach (st, synchronized) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);
        int c = reach(st);

        in("A", r, n + 1);
        out("A", n, r);
        in("PA", r, n + 100000, 10);
        out("A", n, r);
        in("FA", r, n + 1);
        out("A", n, r);
        state_is(st);
        if (st < TCPS_CLOSE_WAIT)
            check_eq(rcv_flags(c, 10, 0), -EAGAIN);
    }
}

/* RFC 5961 section 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK; older ones could be anybody's. */
TEST(ack_too_old_gets_ack)
{
    foreach (st, synchronized) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

        reach(st);
        in("PA", r, n - 70000, 10);
        out("A", n, r);
        state_is(st);
    }
}

/* An ACK that is old but not too old is ignored, the text with it is not. */
TEST(old_ack_with_new_text_is_taken)
{
    int c = reach(TCPS_ESTABLISHED);

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    in("A", 1, 1001);
    in("PA", 1, 500, 10);
    out("A", 1001, 11);
    rcv(c, 10);
}

TEST(ack_of_fin_moves_on)
{
    reach(TCPS_FIN_WAIT_1);
    in("A", 1, 2);
    state_is(TCPS_FIN_WAIT_2);
    reach(TCPS_CLOSING);
    in("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
    reach(TCPS_LAST_ACK);
    in("A", 2, 2);
    state_is(TCPS_CLOSED);
    nothing();
}

/* An ACK of the text before our FIN, but not of it, does not. */
TEST(ack_before_fin_does_not_move_on)
{
    int c = reach(TCPS_ESTABLISHED);

    snd(c, 10);
    out("PA", 1, 1, 10);
    shut(c, SHUT_WR);
    out("FA", 11, 1);
    in("A", 1, 11);
    state_is(TCPS_FIN_WAIT_1);
    in("FA", 1, 11);
    out("A", 12, 2);
    state_is(TCPS_CLOSING);
    in("A", 2, 11);
    state_is(TCPS_CLOSING);
    in("A", 2, 12);
    state_is(TCPS_TIME_WAIT);
}

/* Sixth: URG ------------------------------------------------------------------------------------------------------------- */

TEST(urg_is_ignored_after_fin)
{
    static const enum tcp_st after[] = {TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_LAST_ACK, TCPS_TIME_WAIT};

    foreach (st, after) {
        int c = reach(st);

        in("UA", 2, snd_nxt_in(st) - (st == TCPS_CLOSING || st == TCPS_LAST_ACK), .urp = 5);
        nothing();
        state_is(st);
        check_eq(polls(c) & SOCK_PRI, 0);
    }
}

TEST(urg_is_signalled_while_open)
{
    static const enum tcp_st open[] = {TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2};

    foreach (st, open) {
        int c = reach(st);

        in("UA", 1, 1, .urp = 5);
        nothing();
        check_eq(polls(c) & SOCK_PRI, SOCK_PRI);
    }
}

/* Seventh: text ---------------------------------------------------------------------------------------------------------- */

TEST(text_is_taken_while_open)
{
    static const enum tcp_st open[] = {TCPS_ESTABLISHED, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2};

    foreach (st, open) {
        int c = reach(st);

        in("PA", 1, 1, 500);
        out("A", snd_nxt_in(st), 501);
        rcv(c, 500);
        state_is(st);
    }
}

/* "This should not occur since a FIN has been received from the remote side. Ignore the segment text." */
TEST(text_is_ignored_after_fin)
{
    static const enum tcp_st after[] = {TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_LAST_ACK, TCPS_TIME_WAIT};

    foreach (st, after) {
        int c = reach(st);

        in("PA", 2, 1, 500);
        if (st == TCPS_TIME_WAIT) /* there nothing comes but the FIN, and to all else the answer is the same */
            out("A", 2, 2);
        nothing();
        state_is(st);
        rcv(c, 0);
    }
}

/* Segments that begin before the window are cut: only new text is taken. */
TEST(text_before_window_is_trimmed)
{
    int c = reach(TCPS_ESTABLISHED);

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    in("PA", 51, 1, 100);
    out("A", 1, 151);
    rcv(c, 150);
}

TEST(text_beyond_window_is_trimmed)
{
    int c = reach(TCPS_ESTABLISHED);

    for (uint32_t seq = 1; seq < 65000; seq += 1000) {
        in("A", seq, 1, 1000);
        skip_all();
    }
    in("PA", 65001, 1, 1000);
    out("A", 1, 65536);
    check_eq(tcp_rcv_avail(tconn(c)), 65535);
    rcv(c, 65535);
    skip_all();
}

/* Eighth: FIN ------------------------------------------------------------------------------------------------------------ */

TEST(fin_moves_on)
{
    int c = reach(TCPS_ESTABLISHED);

    in("FA", 1, 1);
    out("A", 1, 2);
    state_is(TCPS_CLOSE_WAIT);
    check_eq(polls(c), SOCK_IN | SOCK_RDHUP | SOCK_OUT);
    rcv(c, 0);
    c = reach(TCPS_FIN_WAIT_1);
    in("FA", 1, 1);
    out("A", 2, 2);
    state_is(TCPS_CLOSING);
    rcv(c, 0);
    c = reach(TCPS_FIN_WAIT_1);
    in("FA", 1, 2); /* acknowledges our FIN as well */
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
    rcv(c, 0);
    c = reach(TCPS_FIN_WAIT_2);
    in("FA", 1, 2);
    out("A", 2, 2);
    state_is(TCPS_TIME_WAIT);
    check_eq(polls(c), SOCK_IN | SOCK_RDHUP | SOCK_HUP | SOCK_OUT);
    rcv(c, 0);
}

TEST(retransmitted_fin_is_acknowledged)
{
    static const enum tcp_st after[] = {TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_LAST_ACK, TCPS_TIME_WAIT};

    foreach (st, after) {
        reach(st);
        in("FA", 1, 1);
        out("A", snd_nxt_in(st), 2);
        state_is(st);
    }
}

TEST(fin_with_text)
{
    int c = reach(TCPS_ESTABLISHED);

    in("FPA", 1, 1, 300);
    out("A", 1, 302);
    state_is(TCPS_CLOSE_WAIT);
    rcv(c, 300);
    rcv(c, 0);
}

TEST(fin_behind_a_hole_waits)
{
    int c = reach(TCPS_ESTABLISHED);

    in("FPA", 101, 1, 100);
    out("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
    in("FA", 201, 1); /* again, alone */
    out("A", 1, 1);
    state_is(TCPS_ESTABLISHED);
    in("PA", 1, 1, 100);
    out("A", 1, 202);
    state_is(TCPS_CLOSE_WAIT);
    rcv(c, 200);
    rcv(c, 0);
}

TEST(fin_alone_behind_a_hole_waits)
{
    int c = reach(TCPS_ESTABLISHED);

    in("FA", 101, 1);
    out("A", 1, 1);
    in("PA", 1, 1, 100);
    out("A", 1, 102);
    state_is(TCPS_CLOSE_WAIT);
    rcv(c, 100);
}

/* A retransmission that carries the FIN behind text that was received. */
TEST(fin_behind_received_text)
{
    int c = reach(TCPS_ESTABLISHED);

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    in("FPA", 1, 1, 100);
    out("A", 1, 102);
    state_is(TCPS_CLOSE_WAIT);
    rcv(c, 100);
    rcv(c, 0);
}

/* The same questions to connections that were opened actively. */
TEST(active_side_behaves_alike)
{
    foreach (st, synchronized) {
        uint32_t n = snd_nxt_in(st), r = rcv_nxt_in(st);

        reach_active(st);
        outside(st, r + BEYOND, "PA", 10);
        in("R", r + 1, 0);
        if (st != TCPS_TIME_WAIT)
            out("A", n, r);
        in("SA", r, n);
        out("A", n, r);
        in("A", r, n + 1);
        out("A", n, r);
        state_is(st);
        in("R", r, 0);
        state_is(st == TCPS_TIME_WAIT ? TCPS_TIME_WAIT : TCPS_CLOSED);
    }
}

RUN(T(closed_syn_gets_rst_ack), T(closed_segment_without_ack_gets_rst_over_all_of_it), T(closed_segment_with_ack_gets_rst_at_its_ack),
    T(closed_rst_is_never_answered), T(listen_ignores_rst), T(listen_answers_ack_with_rst), T(listen_drops_everything_else),
    T(listen_syn_is_answered), T(listen_text_of_syn_comes_again), T(synsent_unacceptable_ack_gets_rst),
    T(synsent_rst_with_acceptable_ack_refuses), T(synsent_rst_without_ack_is_dropped), T(synsent_acceptable_ack_without_syn_is_dropped),
    T(synsent_syn_ack_establishes), T(synsent_syn_opens_simultaneously), T(synsent_simultaneous_open_completed_by_plain_ack),
    T(simultaneous_open_then_rst_refuses), T(old_duplicate_syn_recovers), T(synrcvd_acceptable_ack_establishes),
    T(synrcvd_unacceptable_ack_gets_rst), T(synrcvd_repeated_syn_gets_syn_ack_again), T(synrcvd_syn_in_window),
    T(synrcvd_rst_returns_to_listen), T(synrcvd_data_with_last_ack), T(synrcvd_data_and_fin_with_last_ack), T(synrcvd_fin_with_last_ack),
    T(synrcvd_text_behind_a_hole_establishes), T(synrcvd_without_ack_is_dropped), T(outside_the_window_forces_an_ack),
    T(outside_the_window_rst_is_dropped), T(window_edge_is_exact), T(ack_at_the_edge_counts), T(rst_exact_resets),
    T(rst_with_ack_and_text_resets), T(rst_in_window_is_challenged), T(rst_leaves_received_data), T(syn_is_challenged),
    T(no_ack_bit_is_dropped), T(ack_of_the_future_gets_ack), T(ack_too_old_gets_ack), T(old_ack_with_new_text_is_taken),
    T(ack_of_fin_moves_on), T(ack_before_fin_does_not_move_on), T(urg_is_ignored_after_fin), T(urg_is_signalled_while_open),
    T(text_is_taken_while_open), T(text_is_ignored_after_fin), T(text_before_window_is_trimmed), T(text_beyond_window_is_trimmed),
    T(fin_moves_on), T(retransmitted_fin_is_acknowledged), T(fin_with_text), T(fin_behind_a_hole_waits), T(fin_alone_behind_a_hole_waits),
    T(fin_behind_received_text), T(active_side_behaves_alike))
