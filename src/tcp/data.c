/* Segment text, urgent data and FIN (RFC 9293 3.10.7.4, sixth to eighth). */
#include <errno.h>

#include "sock/sock.h"
#include "tcp/conn.h"

#include "base/poison.h"

/* States that still take text. */
static bool takes_data(const struct tcp_conn *tc)
{
    return tc->state == TCPS_ESTABLISHED || tc->fastopen_id != 0 || tc->state == TCPS_FIN_WAIT_1 || tc->state == TCPS_FIN_WAIT_2;
}

/*
 * The peer ended what it wrote. True: it is our application's turn, which took it at once every time of late, and the text is likely to
 * carry the ACK. A peer that writes again before it is answered may be waiting for the ACK to do so (Nagle).
 */
static bool our_turn(struct tcp_conn *tc)
{
    if (!tc->spoke)
        tc->exchanges = 0;
    else if (tc->exchanges < TCP_EXCHANGES_MAX)
        tc->exchanges++;
    tc->spoke = false;
    return tc->exchanges == TCP_EXCHANGES_MAX;
}

/*
 * One acknowledgement at the end of the turn, or by the delay timer (RFC 9293 3.8.6.3, SHLD-18, SHLD-19). Where the peer ended what it
 * wrote it may be waiting: at once, unless the two take turns. When the application answers in this turn the answer carries the ACK.
 */
static void ack_in_order(struct z_stack *s, struct tcp_conn *tc, bool push)
{
    bool at_once = push && !our_turn(tc);

    tcp_mark_dirty(s, tc);
    if (at_once || tcp_rcv_unacked(tc) >= 2u * tc->rcv_mss || s->conf.delack_ns == 0 || tc->quickack)
        tc->ack_now = true;
    else
        tc->ack_delayed = true;
}

static uint32_t chain_truesize(const struct rte_mbuf *m)
{
    uint32_t n = 0;

    for (; m != NULL; m = m->next)
        n += pkt_truesize(m);
    return n;
}

/* Received twice: the next ACK says so in its first SACK block (RFC 2883). */
void tcp_report_dup(struct tcp_conn *tc, uint32_t start, uint32_t end)
{
    if (!tc->sack_on || !seq_lt(start, end))
        return;
    tc->dsack_start = start;
    tc->dsack_end = end;
    tc->dsack_due = start != end;
}

/* Bytes at rcv_nxt arrived; with them what waited behind them. */
static void take_in_order(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *m, uint32_t len, uint32_t merged_of)
{
    tcp_rcv_measure(tc, len, merged_of != 0 ? MIN(merged_of, len) : len, chain_truesize(m));
    rcvq_append(&tc->rcvq, m);
    tc->rcv_nxt += len;
    if (unlikely(tc->rcv_holes)) {
        uint32_t end;

        struct rte_mbuf *more;

        if (!tc->dsack_due) /* else an earlier part of the segment was a duplicate, too */
            tcp_report_dup(tc, tc->reass.tab->blk[0].start, seq_min(tc->reass.tab->blk[0].end, tc->rcv_nxt));
        more = reass_take(&tc->reass, &s->arena, tc->rcv_nxt, &end);

        if (more != NULL) {
            rcvq_append(&tc->rcvq, more);
            tc->rcv_nxt = end;
        }
        tc->ack_now = true; /* fills a gap (RFC 5681 4.2) */
    }
}

/*
 * All connections together hold more than rcv_limit: what is left in the receive pool is the port's. A queue of small segments is copied
 * together; when that does not help, a connection takes a segment only if it holds nothing, so that one whose application
 * reads goes on. The peer sends the rest again.
 */
static bool relieve_stack(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t limit = s->conf.rcv_limit_bytes;

    if (tc->rcvq.head != tc->rcvq.tail && tc->rcvq.charged_bytes / 4 > tc->rcvq.bytes)
        tcp_rcv_collapse(s, tc);
    if (s->tcp.rcv_charged_bytes <= limit + limit / 8)
        return true;
    while (reass_blocks(&tc->reass) > 0)
        reass_prune(&tc->reass, &s->arena);
    tcp_rcv_charge(s, tc);
    return tc->rcvq.bytes == 0;
}

/* Payload that the peer was told there is room for, what waits to be read included: more than SO_RCVBUF when that was made smaller since.
 */
static uint32_t promised(const struct tcp_conn *tc)
{
    return tc->rcvq.bytes + (tc->rcv_adv - tc->rcv_nxt);
}

/*
 * More memory than SO_RCVBUF, or what was promised beyond it, allows twice over: small segments. Copied together they take less; what
 * waits behind a hole is thrown away before that which is in order, and the peer sends it again (RFC 2018 section 8).
 */
static bool relieve_pressure(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t limit;

    if (unlikely(s->tcp.rcv_charged_bytes > s->conf.rcv_limit_bytes) && !relieve_stack(s, tc))
        return false;
    limit = 2 * (uint64_t)tc->rcvbuf_bytes;
    if (likely(tcp_rcv_held(tc) <= limit))
        return true;
    limit = MAX(limit, 2 * (uint64_t)promised(tc));
    if (tcp_rcv_held(tc) <= limit)
        return true;
    if (tc->rcvq.charged_bytes > 3 * (uint64_t)tc->rcvq.bytes) /* else there is too little air in it to be worth the walk */
        tcp_rcv_collapse(s, tc);
    while (tcp_rcv_held(tc) > limit && reass_blocks(&tc->reass) > 0)
        reass_prune(&tc->reass, &s->arena);
    tcp_rcv_charge(s, tc);
    return tcp_rcv_held(tc) <= 2 * limit;
}

/*
 * An ACK at once, one per segment: the sender counts them (RFC 5681 4.2). Of a frame that was merged of several, one says it all where
 * there is SACK: who has that counts bytes (RFC 8985).
 */
static void ack_out_of_order(struct z_stack *s, struct tcp_conn *tc, uint32_t len, uint32_t merged_of)
{
    uint32_t n = merged_of != 0 && !tc->sack_on ? (len + merged_of - 1) / merged_of : 1;

    for (; n > 0; n--)
        tcp_send_ack(s, tc);
}

static void out_of_order(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, struct rte_mbuf *m, uint32_t merged_of)
{
    uint32_t dup_start, dup_end, len = m->pkt_len;

    tc->rcv_holes = true;
    switch (reass_insert(&tc->reass, &s->arena, seq, m, (uint16_t)s->conf.reass_blocks, &dup_start, &dup_end)) {
    case REASS_QUEUED:
        stack_count(s, CTR_TCP_OOO);
        break;
    case REASS_DUPLICATE:
        stack_count(s, DROP_TCP_DUP_DATA);
        break;
    case REASS_FULL:
        stack_count(s, DROP_TCP_REASS);
        break;
    }
    tcp_rcv_charge(s, tc);
    tcp_report_dup(tc, dup_start, dup_end);
    ack_out_of_order(s, tc, len, merged_of);
}

/* Cuts what is before rcv_nxt and behind the window. NULL: nothing new in it, consumed. */
static struct rte_mbuf *trim(struct z_stack *s, struct tcp_conn *tc, uint32_t *seq, bool *fin, struct rte_mbuf *m)
{
    uint32_t len = m->pkt_len, dup, wnd;

    if (seq_lt(*seq, tc->rcv_nxt)) {
        dup = tc->rcv_nxt - *seq;
        tcp_report_dup(tc, *seq, *seq + MIN(dup, len));
        if (dup >= len) {
            if (!(*fin && dup == len)) {
                *fin = false;
                tcp_send_ack(s, tc);
            }
            *seq = tc->rcv_nxt;
            pkt_drop(s, m, DROP_TCP_DUP_DATA);
            return NULL;
        }
        m = pkt_trim_head(m, dup);
        *seq = tc->rcv_nxt;
        len -= dup;
    }
    wnd = tc->rcv_adv - *seq;
    if (len > wnd) {
        *fin = false;
        if (wnd == 0) {
            tcp_send_ack(s, tc); /* a probe of our closed window (RFC 9293 3.8.6.1) */
            pkt_drop(s, m, DROP_TCP_SEQ);
            return NULL;
        }
        m = pkt_trim_to(m, wnd);
    }
    return m;
}

static void queue_text(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, bool push, struct rte_mbuf *m, uint32_t merged_of)
{
    uint32_t len = m->pkt_len;

    if (!relieve_pressure(s, tc)) {
        pkt_drop(s, m, DROP_TCP_RCVBUF);
        tcp_send_ack(s, tc);
        return;
    }
    if (seq != tc->rcv_nxt) {
        out_of_order(s, tc, seq, m, merged_of);
        return;
    }
    take_in_order(s, tc, m, len, merged_of);
    tcp_rcv_charge(s, tc);
    ack_in_order(s, tc, push);
    sock_on_readable(s, tc->sk);
}

void tcp_fin_input(struct z_stack *s, struct tcp_conn *tc)
{
    tc->rcv_nxt++;
    tc->wnd_settled = false; /* its edge is one nearer */
    if (seq_lt(tc->rcv_adv, tc->rcv_nxt))
        tc->rcv_adv = tc->rcv_nxt;
    tc->fin_rcvd = true;
    tc->fin_pending = false;
    tc->ack_now = true;
    tcp_mark_dirty(s, tc);
    switch (tc->state) {
    case TCPS_ESTABLISHED:
        tcp_set_state(s, tc, TCPS_CLOSE_WAIT);
        break;
    case TCPS_FIN_WAIT_1: /* an acknowledged FIN would have moved it to FIN-WAIT-2 */
        tcp_set_state(s, tc, TCPS_CLOSING);
        break;
    case TCPS_FIN_WAIT_2:
        tcp_timewait_enter(s, tc);
        break;
    default:
        break;
    }
    sock_on_closed(s, tc->sk);
}

void tcp_urgent_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    uint32_t up = g->h.seq + g->h.urp; /* first octet after the urgent data (MUST-62) */

    if (!takes_data(tc) || seq_leq(up, tc->rcv_nxt) || (tc->rcv_urgent && seq_leq(up, tc->rcv_up)))
        return;
    stack_count(s, CTR_TCP_URG_RX);
    tc->rcv_up = up; /* MUST-31: any length; the pointer only moves forward */
    tc->rcv_urgent = true;
    tc->oob_have = false;
    tc->oob_taken = false;
    sock_on_readable(s, tc->sk); /* MUST-32 */
}

/* Text after close(), or shutdown() of both directions: nobody will read it, and the peer must know (RFC 9293 3.6.1, SHLD-3). */
static bool data_after_close(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct rte_mbuf *m)
{
    bool closed = tc->closed_by_user || (tc->rd_shut && tc->fin_queued);

    if (!closed || g->len == 0 || seq_leq(g->h.seq + g->len, tc->rcv_nxt))
        return false;
    tcp_send_rst(s, tc);
    tcp_drop_conn(s, tc, ECONNRESET);
    pkt_drop(s, m, DROP_TCP_AFTER_CLOSE);
    return true;
}

void tcp_data_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct rte_mbuf *m)
{
    bool fin = (g->h.flags & TH_FIN) != 0;
    uint32_t seq = g->h.seq, fin_seq = g->h.seq + g->len, merged_of = pkt_merged_of(m);

    if (!takes_data(tc)) { /* the peer has sent its FIN: "this should not occur", ignored */
        pkt_drop(s, m, DROP_TCP_PURE_ACK);
        return;
    }
    if (data_after_close(s, tc, g, m))
        return;
    if (g->len == 0)
        pkt_drop(s, m, DROP_TCP_PURE_ACK);
    else if ((m = trim(s, tc, &seq, &fin, m)) != NULL)
        queue_text(s, tc, seq, (g->h.flags & TH_PSH) != 0 || fin, m, merged_of);
    if (fin && seq_gt(fin_seq, tc->rcv_nxt)) { /* a FIN behind a hole waits for the hole */
        if (!tc->fin_pending)
            tc->fin_seq = fin_seq;
        tc->fin_pending = true;
        if (g->len == 0)
            tcp_send_ack(s, tc); /* one per segment out of order, repeated ones too */
    }
    if ((fin && fin_seq == tc->rcv_nxt) || (tc->fin_pending && tc->fin_seq == tc->rcv_nxt))
        tcp_fin_input(s, tc);
}
