/*
 * Tail loss probe (RFC 8985 section 7). The last segments of a burst have nothing behind them that would tell of their loss: after two
 * round trips without an answer one more segment goes, and its acknowledgement shows what is missing, long before the timeout.
 */
#include "tcp/conn.h"

#include "base/poison.h"

/* A floor for paths so fast that the peer's scheduling, not the network, makes the round trip; the RFC leaves it to the system. */
#define PTO_MIN_NS (2 * NS_PER_MS)

/* 7.2, TLP_calc_PTO without its limit. */
static uint64_t pto_ns(const struct z_stack *s, const struct tcp_conn *tc)
{
    uint64_t pto = NS_PER_SEC;

    if (tc->rtt.srtt != 0)
        pto = MAX(2 * rtt_srtt_ns(&tc->rtt), PTO_MIN_NS);
    if (tc->sent.n == 1 && tcp_in_flight(tc) <= tc->smss) /* the peer may delay the acknowledgement of a lone segment */
        pto += s->conf.max_ack_delay_ns;
    return pto;
}

/* 7.4.2: the probe repaired a loss that nothing else told of: the window is reduced as for any other. */
static void loss_repaired(struct z_stack *s, struct tcp_conn *tc)
{
    stack_count(s, CTR_TCP_TLP_REPAIRED);
    if (tc->ca != TCP_CA_OPEN || tc->in_cwr) /* RFC 3168 6.1.2: for a mark in the same window it was */
        return;
    tc->undo_open = false;
    undo_end(&tc->undo); /* what is reported from now on is about an earlier reduction */
    tcp_cc_repaired(s, tc);
}

/*
 * A probe whose data is acknowledged waits for a report of the duplicate, or for newer data's acknowledgement that says that there was
 * none. An application that pauses here would go without probes in its next burst: two round trips are waited.
 */
static void settle(struct z_stack *s, struct tcp_conn *tc)
{
    if (!tc->tlp_out || seq_lt(tc->snd_una, tc->tlp_end) || s->now_ns - tc->last_rcv_ns < 2 * rtt_srtt_ns(&tc->rtt))
        return;
    tc->tlp_out = false;
    if (tc->tlp_retrans)
        loss_repaired(s, tc);
}

/* 7.2: after new data was sent, or acknowledged. Never later than the retransmission timer, which it takes the place of. */
void tcp_tlp_schedule(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t pto, rto_at;

    if (!tc->sack_on || unlikely(!tcp_synchronized(tc))) /* before the handshake is complete its SYN,ACK is what to repeat */
        return;
    if (unlikely(tc->tlp_out))
        settle(s, tc);
    if (tcp_in_flight(tc) == 0 || tc->ca != TCP_CA_OPEN || tc->tlp_out || sent_has_holes(&tc->sent) || !tcp_timer_on(tc, TT_REXMT) ||
        tcp_timer_on(tc, TT_PERSIST) || tc->snd_wnd == 0) {
        tcp_timer_stop(tc, TT_TLP);
        return;
    }
    pto = pto_ns(s, tc);
    rto_at = tcp_deadline_ns(s, tc, TT_REXMT);
    tcp_timer_set(s, tc, TT_TLP, s->now_ns + pto > rto_at ? rto_at - MIN(rto_at, s->now_ns) : pto);
}

/* 7.3 */
void tcp_tlp_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    bool retrans;

    if (tcp_in_flight(tc) == 0 || tc->ca != TCP_CA_OPEN || tc->tlp_out || sent_has_holes(&tc->sent))
        return;
    if (tcp_output_probe(s, tc, &retrans)) {
        stack_count(s, CTR_TCP_TLP);
        tc->tlp_out = true;
        tc->tlp_retrans = retrans;
        tc->tlp_end = tc->snd_nxt;
    }
    tcp_rexmt_arm(s, tc);
}

/* 7.4.2, TLP_process_ack */
bool tcp_tlp_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct tcp_ack_facts *f, bool sack_info)
{
    bool twice;

    if (likely(!tc->tlp_out) || seq_lt(tc->snd_una, tc->tlp_end))
        return false;
    twice = tc->tlp_retrans && f->has_dsack && f->dsack.end == tc->tlp_end;
    if (!tc->tlp_retrans || twice) {
        tc->tlp_out = false; /* nothing was lost that other means would not tell of */
    } else if (seq_gt(tc->snd_una, tc->tlp_end)) {
        tc->tlp_out = false;
        loss_repaired(s, tc);
    } else if (f->acked == 0 && !sack_info && !f->has_dsack) {
        tc->tlp_out = false; /* a duplicate ACK: original and probe both arrived */
    }
    return twice;
}
