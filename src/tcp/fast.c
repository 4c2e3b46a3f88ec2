/*
 * The fast path: an in-order segment of an established connection with nothing special about it. First the questions
 * that send it to the slow path, then straight-line code. It must leave exactly the state the slow path would.
 */
#include "sock/sock.h"
#include "tcp/conn.h"

#include "base/poison.h"

bool tcp_fast_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_hdr *h, const uint8_t *opts, uint8_t tos, struct rte_mbuf *m)
{
    uint32_t ts_val = 0, ts_ecr = 0, len = m->pkt_len;
    struct tcp_seg g;

    if (tc->state != TCPS_ESTABLISHED)
        return false;
    if ((h->flags & ~TH_PSH) != TH_ACK || h->seq != tc->rcv_nxt)
        return false;
    if (len > tc->rcv_adv - tc->rcv_nxt)
        return false;
    if (tc->fin_pending || tc->rcv_urgent || tc->closed_by_user)
        return false;
    if (len > 0 && (tc->rcv_holes || tc->rcvq.charged_bytes > 2 * tc->rcvbuf_bytes))
        return false;
    if (seq_lt(h->ack, tc->snd_una) || seq_gt(h->ack, tc->snd_nxt))
        return false;
    if (tc->ts_on) {
        if (!tcp_opts_parse_ts_only(opts, h->hlen - TCP_HLEN, &ts_val, &ts_ecr) || seq_lt(ts_val, tc->ts_recent))
            return false;
    } else if (h->hlen != TCP_HLEN) {
        return false;
    }
    if (unlikely(tc->ecn_echo_ok) && tcp_ecn_news(tc, tos))
        return false;

    stack_count(s, CTR_TCP_FASTPATH);
    tc->last_rcv_ns = s->now_ns;
    if (unlikely(tc->unanswered))
        tc->keep_count = 0;
    if (tc->ts_on && seq_leq(h->seq, tc->last_ack_sent))
        tc->ts_recent = ts_val;
    g.h = *h;
    g.len = len;
    g.wnd = (uint32_t)h->wnd << tc->snd_wscale;
    g.o.n_sack = 0;
    g.o.has_ts = tc->ts_on;
    g.o.ts_val = ts_val;
    g.o.ts_ecr = ts_ecr;
    tcp_ack_input(s, tc, &g);
    tcp_data_input(s, tc, &g, m);
    return true;
}
