/* SYN-SENT (RFC 9293 3.10.7.3). */
#include <errno.h>

#include "tcp/fastopen.h"

#include "base/poison.h"

/* The peer's SYN, with or without ACK: what we learn from it. */
static void take_syn(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    struct tcp_agreed a;

    tcp_opts_agree(s, &tc->ent.raddr, &g->o, &a);
    tc->irs = g->h.seq;
    tc->rcv_nxt = g->h.seq + 1;
    tc->rcv_adv = tc->rcv_nxt;
    tcp_opts_apply(s, tc, &a);
    tcp_ecn_accept(s, tc, g->h.flags);
    tcp_mss_update(s, tc);
    tc->snd_wnd = g->wnd; /* the window of a SYN is never scaled */
    tc->snd_wl1 = g->h.seq;
    tc->snd_wl2 = g->h.ack;
    tc->max_snd_wnd = g->wnd;
}

void tcp_synsent_input(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    bool ack_ok = false;

    /* first: ACK */
    if (g->h.flags & TH_ACK) {
        if (g->h.ack - tc->snd_nxt > tc->tfo_bytes) { /* nothing is in flight but the SYN and its data */
            tcp_reset_reply(s, in, g);
            pkt_drop(s, m, DROP_TCP_ACK);
            return;
        }
        ack_ok = true;
    }
    /* second: RST; one without an acceptable ACK could be anybody's (RFC 5961 section 3) */
    if (g->h.flags & TH_RST) {
        if (ack_ok) {
            stack_count(s, CTR_TCP_RST_RX);
            tcp_drop_conn(s, tc, ECONNREFUSED);
        }
        pkt_drop(s, m, DROP_TCP_RST);
        return;
    }
    /* fourth: SYN */
    if ((g->h.flags & TH_SYN) == 0) {
        pkt_drop(s, m, DROP_TCP_STATE);
        return;
    }
    take_syn(s, tc, g);
    if (ack_ok) {
        if (tc->tfo != TFO_OFF)
            tcp_fastopen_learn(s, tc, g, g->h.ack - tc->snd_nxt);
        tc->snd_una = tc->snd_nxt = g->h.ack; /* what it does not cover of the SYN's data is new data now (RFC 7413 4.2.1) */
        sndq_ack(&tc->sndq, &s->arena, tc->snd_una);
        tcp_set_state(s, tc, TCPS_ESTABLISHED);
        tcp_established(s, tc, g);
        tc->ack_now = true;
        tcp_mark_dirty(s, tc);
        pkt_drop(s, m, DROP_TCP_PURE_ACK); /* text with the SYN is sent again by the peer */
        return;
    }
    /* simultaneous open (MUST-10): our SYN again, now with ACK */
    tcp_set_state(s, tc, TCPS_SYN_RCVD);
    tcp_open_send(s, tc);
    tcp_timer_set(s, tc, TT_REXMT, tcp_base_rto(s, tc));
    pkt_drop(s, m, DROP_TCP_PURE_ACK);
}
