/* SYN-RECEIVED and the synchronized states: RFC 9293 3.10.7.4, step by step, with RFC 5961 and RFC 7323. */
#include <errno.h>

#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

/* ts_recent is not believed after this long without a segment (RFC 7323 5.5). */
#define PAWS_IDLE_NS (24ull * 24 * 3600 * NS_PER_SEC)
/* The same segment outside the window is not answered again before: ten answers in five seconds (RFC 5961 section 7). */
#define ANSWER_AGAIN_MS 500u

static bool ts_recent_outdated(const struct z_stack *s, const struct tcp_conn *tc)
{
    return s->now_ns - tc->last_rcv_ns > PAWS_IDLE_NS;
}

/* RFC 7323 5.3 R1; a segment without the option on a connection that uses it is dropped too (3.2). */
static bool paws_ok(const struct z_stack *s, const struct tcp_conn *tc, const struct tcp_seg *g)
{
    if (!tc->ts_on || (g->h.flags & TH_RST) != 0)
        return true;
    if (!g->o.has_ts)
        return false;
    return !seq_lt(g->o.ts_val, tc->ts_recent) || ts_recent_outdated(s, tc);
}

/* First: is any of the segment in the window? (table 6 of 3.4) */
static bool seq_acceptable(const struct tcp_conn *tc, const struct tcp_seg *g)
{
    uint32_t wnd = tc->rcv_adv - tc->rcv_nxt;
    uint32_t len = g->len + ((g->h.flags & TH_SYN) != 0) + ((g->h.flags & TH_FIN) != 0);
    uint32_t seq = g->h.seq;

    if (len == 0)
        return wnd == 0 ? seq == tc->rcv_nxt : seq_in(seq, tc->rcv_nxt, tc->rcv_nxt + wnd);
    if (wnd == 0)
        return false;
    return seq_in(seq, tc->rcv_nxt, tc->rcv_nxt + wnd) || seq_in(seq + len - 1, tc->rcv_nxt, tc->rcv_nxt + wnd);
}

/* Second: RST. Exactly at rcv_nxt it counts, elsewhere in the window it is challenged (RFC 5961 3.2). */
static void reset_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct rte_mbuf *m)
{
    int err = ECONNRESET;

    if (g->h.seq != tc->rcv_nxt) {
        tcp_send_ack_limited(s, tc);
        pkt_drop(s, m, DROP_TCP_RST_BAD);
        return;
    }
    switch (tc->state) {
    case TCPS_SYN_RCVD:
        err = tc->passive ? ECONNRESET : ECONNREFUSED;
        if (tc->fastopen_id != 0)
            tcp_fastopen_end(s, tc, true);
        break;
    case TCPS_CLOSE_WAIT:
        err = EPIPE; /* as Linux: the peer had finished, only our sending fails */
        break;
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        err = 0;
        break;
    default:
        break;
    }
    stack_count(s, CTR_TCP_RST_RX);
    tcp_drop_conn(s, tc, err);
    pkt_drop(s, m, DROP_TCP_RST);
}

/* Fifth, SYN-RECEIVED: the handshake's last ACK. False: the segment goes no further. */
static bool syn_rcvd_ack(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    if (!(seq_lt(tc->snd_una, g->h.ack) && seq_leq(g->h.ack, tc->snd_nxt))) {
        tcp_reset_reply(s, in, g);
        pkt_drop(s, m, DROP_TCP_ACK);
        return false;
    }
    tc->snd_una = tc->iss + 1;
    tc->snd_wnd = g->wnd;
    tc->snd_wl1 = g->h.seq;
    tc->snd_wl2 = g->h.ack;
    tc->max_snd_wnd = MAX(tc->max_snd_wnd, g->wnd);
    tcp_set_state(s, tc, TCPS_ESTABLISHED);
    tcp_established(s, tc, g);
    return true;
}

/* Is our FIN acknowledged? Moves on. False: the connection is gone. */
static bool fin_acked(struct z_stack *s, struct tcp_conn *tc)
{
    if (!tc->fin_sent || tc->snd_una != tc->snd_nxt)
        return true;
    switch (tc->state) {
    case TCPS_FIN_WAIT_1:
        tcp_set_state(s, tc, TCPS_FIN_WAIT_2);
        if (tc->closed_by_user)
            tcp_timer_set(s, tc, TT_2MSL, tcp_finwait2_ns(s, tc));
        break;
    case TCPS_CLOSING:
        tcp_timewait_enter(s, tc);
        break;
    case TCPS_LAST_ACK:
        tcp_release(s, tc);
        return false;
    default:
        break;
    }
    return true;
}

/*
 * A zero-window probe of ours is in flight, and an old segment acknowledges it. Two ends that probe each other's closed windows
 * need this exception: when both windows open and take the probes, the segments of each lie before what the other expects, and an
 * ACK that is not looked at would be answered by an ACK that is not looked at, until the connection times out.
 */
static bool old_but_acks_probe(const struct tcp_conn *tc, const struct tcp_seg *g)
{
    return tcp_synchronized(tc) && (g->h.flags & (TH_ACK | TH_SYN | TH_RST)) == TH_ACK && seq_lt(g->h.seq, tc->rcv_nxt) &&
           tc->rcv_nxt - g->h.seq <= (uint32_t)UINT16_MAX << tc->rcv_wscale && tcp_in_flight(tc) == 1 && !tc->fin_sent &&
           g->h.ack == tc->snd_nxt;
}

/*
 * The same segment without text once more, and the answer would be the same: it is on its way. Two ends of which each is outside the
 * other's window answer each other's answers; this is where that ends.
 */
static bool answered_just_now(const struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    uint32_t now = (uint32_t)(s->now_ns / NS_PER_MS) + 1;
    uint32_t what = (g->h.seq - tc->rcv_adv) * 0x9e3779b1u + tc->rcv_adv + ((uint32_t)g->h.flags << 24); /* no two alike, but by accident */

    if (tc->answered_ms != 0 && now - tc->answered_ms < ANSWER_AGAIN_MS && tc->answered == what)
        return true;
    tc->answered_ms = now;
    tc->answered = what;
    return false;
}

static void unacceptable(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct rte_mbuf *m)
{
    if (old_but_acks_probe(tc, g))
        tcp_ack_input(s, tc, g);
    if ((g->h.flags & TH_RST) == 0) {
        if (g->len > 0 && seq_leq(g->h.seq + g->len, tc->rcv_nxt))
            tcp_report_dup(tc, g->h.seq, g->h.seq + g->len);
        if (g->len > 0 || (g->h.flags & TH_FIN) != 0)
            tcp_send_ack(s, tc); /* data that the peer repeats: it needs the answer to go on */
        else if (answered_just_now(s, tc, g))
            stack_count(s, CTR_TCP_ACK_AGAIN);
        else
            tcp_send_ack_limited(s, tc);
    }
    pkt_drop(s, m, DROP_TCP_SEQ);
}

/*
 * RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT. No peer acknowledges less than our SYN: who guesses a window's worth of
 * numbers below it has not seen it. Once in 4 GB that is said of numbers that were sent; then an old ACK is answered, and its text
 * comes again.
 */
static bool ack_possible(const struct tcp_conn *tc, uint32_t ack)
{
    uint32_t oldest = tc->snd_una - MIN(tc->max_snd_wnd, tc->snd_una - (tc->iss + 1));

    return seq_leq(oldest, ack) && seq_leq(ack, tc->snd_nxt);
}

/* Fifth: ACK. False: the segment was consumed. */
static bool ack_step(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    if (tc->state == TCPS_SYN_RCVD) {
        if (!syn_rcvd_ack(s, tc, in, g, m))
            return false;
        if (g->h.ack == tc->snd_una) /* else it acknowledges data that were sent by Fast Open */
            return true;
    }
    if (!ack_possible(tc, g->h.ack)) { /* answered and dropped */
        tcp_send_ack_limited(s, tc);
        pkt_drop(s, m, DROP_TCP_ACK);
        return false;
    }
    tcp_ack_input(s, tc, g);
    if (!fin_acked(s, tc)) {
        pkt_drop(s, m, DROP_TCP_PURE_ACK);
        return false;
    }
    return true;
}

/* A SYN of the handshake again: the peer has not seen our SYN,ACK, or its SYN,ACK crossed our SYN (simultaneous open). */
static bool repeated_syn(struct z_stack *s, struct tcp_conn *tc, struct tcp_seg *g)
{
    if (tc->state != TCPS_SYN_RCVD || (g->h.flags & (TH_SYN | TH_RST)) != TH_SYN || g->h.seq != tc->irs)
        return false;
    if ((g->h.flags & TH_ACK) == 0) {
        tcp_open_send(s, tc);
        return true;
    }
    g->h.flags &= (uint8_t)~TH_SYN;
    g->h.seq++;
    tc->ack_now = true;
    tcp_mark_dirty(s, tc);
    return false;
}

/* With a window of zero the segment's text is unacceptable, its ACK, URG and RST are not (MUST-66). */
static bool zero_window_ack(const struct tcp_conn *tc, const struct tcp_seg *g)
{
    return tc->rcv_adv == tc->rcv_nxt && g->h.seq == tc->rcv_nxt && (g->h.flags & TH_SYN) == 0;
}

/*
 * A peer that has filled our window, and lost the beginning of it, acknowledges with a sequence number just behind. Table 6 of 3.4 calls
 * that outside, unless the window is zero; here it is the same for every window. Answers would look like duplicate ACKs, and two ends
 * that have filled each other's windows would answer answers.
 */
static bool acks_from_the_edge(const struct tcp_conn *tc, const struct tcp_seg *g)
{
    return tcp_synchronized(tc) && (g->h.flags & (TH_ACK | TH_SYN | TH_RST | TH_FIN)) == TH_ACK && g->len == 0 && g->h.seq == tc->rcv_adv &&
           !tc->fin_rcvd;
}

void tcp_slow_input(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    bool outdated = ts_recent_outdated(s, tc);

    if (repeated_syn(s, tc, g)) {
        pkt_drop(s, m, DROP_TCP_STATE);
        return;
    }
    if (!paws_ok(s, tc, g)) {
        if (g->o.has_ts)
            tcp_send_ack_limited(s, tc);
        pkt_drop(s, m, DROP_TCP_PAWS);
        return;
    }
    if (!seq_acceptable(tc, g) && !zero_window_ack(tc, g) && !acks_from_the_edge(tc, g)) {
        unacceptable(s, tc, g, m);
        return;
    }
    tc->last_rcv_ns = s->now_ns; /* the peer is alive: a segment at the right place says so */
    tc->keep_count = 0;
    if (g->h.flags & TH_RST) {
        reset_input(s, tc, g, m);
        return;
    }
    /* third, security, is not used; fourth: SYN (RFC 5961 4.2) */
    if (g->h.flags & TH_SYN) {
        tcp_send_ack_limited(s, tc);
        pkt_drop(s, m, DROP_TCP_SYN_BAD);
        return;
    }
    if (!ack_step(s, tc, in, g, m))
        return;
    /* RFC 7323 4.3: ts_recent follows segments that span the last ACK sent; after the check of the ACK, so that no forged one moves it */
    if (tc->ts_on && g->o.has_ts && seq_leq(g->h.seq, tc->last_ack_sent) && (seq_geq(g->o.ts_val, tc->ts_recent) || outdated))
        tc->ts_recent = g->o.ts_val;
    if (g->h.flags & TH_URG)
        tcp_urgent_input(s, tc, g);
    if (unlikely(tc->ecn_echo_ok) && g->len > 0)
        tcp_ecn_data(s, tc, g, in->tos);
    tcp_data_input(s, tc, g, m); /* seventh and eighth: text and FIN */
}
