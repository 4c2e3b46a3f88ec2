/*
 * Explicit congestion notification: RFC 3168, and RFC 8257 section 3.2 for the receiver's side of DCTCP. Segments are marked in seg.c,
 * which asks tcp_ecn_mark; what a mark does to cwnd is the congestion control's on_ecn.
 */
#include "tcp/conn.h"

#include "base/poison.h"

enum { ECN_NOT_ECT = 0, ECN_ECT0 = 2, ECN_CE = 3, ECN_MASK = 3 };
enum { ECN_OFF, ECN_ACCEPT, ECN_ASK }; /* the key ecn */

static bool asks(const struct z_stack *s, const struct tcp_user_opts *o)
{
    return s->conf.ecn == ECN_ASK || o->cc->exact_ecn;
}

bool tcp_ecn_offered(const struct z_stack *s, const struct tcp_user_opts *o, uint8_t syn_flags)
{
    return (syn_flags & (TH_ECE | TH_CWR)) == (TH_ECE | TH_CWR) && (s->conf.ecn != ECN_OFF || o->cc->exact_ecn);
}

/* RFC 3168 6.1.1; a SYN that was not answered is repeated without, since some middleboxes drop it (6.1.1.1). */
uint8_t tcp_ecn_syn_flags(const struct z_stack *s, const struct tcp_conn *tc)
{
    if (tc->state == TCPS_SYN_RCVD)
        return tc->ecn_echo_ok ? TH_ECE : 0;
    return asks(s, tc->opt) && tc->rexmt_count == 0 ? TH_ECE | TH_CWR : 0;
}

/* The peer's SYN or SYN,ACK. Who has sent a SYN without the flags does not mark its data, but echoes marks (RFC 3168 6.1.1). */
void tcp_ecn_accept(struct z_stack *s, struct tcp_conn *tc, uint8_t flags)
{
    if ((flags & TH_ACK) == 0) {
        tc->ecn_echo_ok = tc->ecn_ect = tcp_ecn_offered(s, tc->opt, flags);
        return;
    }
    if (!asks(s, tc->opt))
        return;
    tc->ecn_echo_ok = (flags & (TH_ECE | TH_CWR)) == TH_ECE;
    tc->ecn_ect = tc->ecn_echo_ok && tc->rexmt_count == 0;
    if (tc->rexmt_count > 0)
        stack_count(s, CTR_TCP_ECN_FALLBACK);
}

/*
 * The ECN field of the segment's packet, and its flags. RFC 3168 6.1.4 to 6.1.6: only new data is ECT, not what is repeated, pure ACKs
 * or window probes. DCTCP marks everything (RFC 8257 section 3.1 leaves it to the sender; Linux and Windows do).
 */
uint8_t tcp_ecn_mark(struct z_stack *s, struct tcp_conn *tc, struct tcp_hdr *h, uint32_t len)
{
    bool fresh = len > 0 && h->seq == tc->snd_nxt && tc->snd_wnd > 0;

    if (tc->ecn_ece)
        h->flags |= TH_ECE;
    if (!tc->ecn_ect)
        return ECN_NOT_ECT;
    if (fresh && tc->ecn_cwr) {
        h->flags |= TH_CWR;
        tc->ecn_cwr = false;
    }
    if (!fresh && !tc->cc.ops->exact_ecn)
        return ECN_NOT_ECT;
    stack_count(s, CTR_TCP_ECN_ECT_TX);
    return ECN_ECT0;
}

/* ECN-Echo: one reduction per window of data, whatever the reason for the last one (RFC 3168 6.1.2). */
void tcp_ecn_echoed(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes)
{
    stack_count(s, CTR_TCP_ECN_ECE_RX);
    tc->cc.undo_cwnd = 0; /* there is congestion: should a loss prove to be none, its reduction stands for the mark */
    if (tc->in_cwr || tc->ca != TCP_CA_OPEN)
        return;
    tcp_cc_marked(s, tc, in_flight_bytes);
    tc->in_cwr = true;
    tc->cwr_end = tc->snd_nxt;
    tc->ecn_cwr = true;
    stack_count(s, CTR_TCP_ECN_REDUCED);
}

/* RFC 8257 3.2: the marks that the sender counts are exact: what came before a change is acknowledged as what it was. */
static void exact_echo(struct z_stack *s, struct tcp_conn *tc, bool ce)
{
    if (tc->ecn_ece == ce)
        return;
    if (tcp_rcv_unacked(tc) > 0)
        tcp_send_ack(s, tc);
    tc->ecn_ece = ce;
}

/* Text in the window came in a packet with this ECN field. */
void tcp_ecn_data(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, uint8_t tos)
{
    bool ce = (tos & ECN_MASK) == ECN_CE;

    tc->ecn_seen |= (tos & ECN_MASK) != 0;
    if (ce)
        stack_count(s, CTR_TCP_ECN_CE_RX);
    if (tc->cc.ops->exact_ecn) {
        exact_echo(s, tc, ce);
        return;
    }
    if (g->h.flags & TH_CWR)
        tc->ecn_ece = false;
    if (ce) { /* at once: the sender should not wait for the delay timer */
        tc->ecn_ece = true;
        tc->ack_now = true;
        tcp_mark_dirty(s, tc);
    }
}

/* Needs this packet tcp_ecn_data()? */
bool tcp_ecn_news(const struct tcp_conn *tc, uint8_t tos)
{
    return (tos & ECN_MASK) == ECN_CE || tc->ecn_ece || (!tc->ecn_seen && (tos & ECN_MASK) != 0);
}
