/*
 * Loss recovery: RFC 6675 with SACK, RFC 6582 (NewReno) without, RFC 6298 after a timeout. Decides what is lost and when
 * recovery begins and ends; output sends it.
 */
#include "tcp/conn.h"

#include "base/poison.h"

#define DUP_THRESH 3u

/* Without SACK each duplicate ACK means that one more segment left the network. */
uint32_t tcp_pipe(const struct tcp_conn *tc)
{
    uint32_t pipe = sent_pipe(&tc->sent, tcp_in_flight(tc));

    if (!tc->sack_on)
        pipe -= MIN(pipe, (uint32_t)tc->dupacks * tc->smss);
    return pipe;
}

static void enter_recovery(struct z_stack *s, struct tcp_conn *tc)
{
    if (unlikely(tcp_mtup_lost(s, tc)))
        return;
    stack_count(s, CTR_TCP_FAST_RETRANS);
    if (tc->sent.lost_bytes == 0)
        sent_mark_first_lost(&tc->sent);
    tc->cc.ops->on_loss(&tc->cc, tcp_in_flight(tc), s->now_ns);
    tc->ca = TCP_CA_RECOVERY;
    tc->recover = tc->snd_nxt;
    tc->rtx_first = true;
}

static uint32_t mark_lost(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa)
{
    uint64_t wait_ns;

    if (!tc->sack_on || !sa->rack_valid || tc->sent.n_sacked < DUP_THRESH)
        return 0;
    return sent_mark_rack(&tc->sent, sa->rack_sent_ns, sa->rack_end, s->now_ns - sa->rack_sent_ns, s->now_ns, &wait_ns);
}

static void open_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, uint32_t acked)
{
    uint32_t lost = 0;

    if (acked > 0)
        tc->dupacks = 0;
    lost = mark_lost(s, tc, sa);
    if (lost == 0 && tc->dupacks < DUP_THRESH)
        return;
    /* RFC 6582 3.2 step 2: duplicates caused by our own earlier retransmissions start nothing; SACK tells them apart */
    if (!tc->sack_on && !seq_gt(tc->snd_una, tc->recover) && tc->recover != tc->iss)
        return;
    enter_recovery(s, tc);
}

static void recovery_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, uint32_t acked)
{
    if (acked > 0 && seq_geq(tc->snd_una, tc->recover)) {
        tc->cc.ops->on_recovered(&tc->cc, s->now_ns);
        tc->ca = TCP_CA_OPEN;
        tc->dupacks = 0;
        return;
    }
    if (tc->sack_on) {
        mark_lost(s, tc, sa);
        return;
    }
    if (acked > 0) { /* partial ACK: the next segment is lost as well (RFC 6582 3.2 step 3) */
        uint32_t segs = (acked + tc->smss - 1) / MAX(tc->smss, 1u);

        tc->dupacks = tc->dupacks > segs ? (uint8_t)(tc->dupacks - segs) : 0;
        sent_mark_first_lost(&tc->sent);
    }
}

void tcp_recovery_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, uint32_t acked, bool dup)
{
    if (dup && tc->dupacks < UINT8_MAX)
        tc->dupacks++;
    switch (tc->ca) {
    case TCP_CA_OPEN:
        open_on_ack(s, tc, sa, acked);
        break;
    case TCP_CA_RECOVERY:
        recovery_on_ack(s, tc, sa, acked);
        break;
    default: /* TCP_CA_LOSS: what was in flight at the timeout is marked already */
        mark_lost(s, tc, sa);
        if (acked > 0 && seq_geq(tc->snd_una, tc->recover)) {
            tc->ca = TCP_CA_OPEN;
            tc->dupacks = 0;
        }
        break;
    }
}

void tcp_recovery_on_rto(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *first = sent_first(&tc->sent);

    /* RFC 2018 section 8: the peer may have thrown away what it had SACKed */
    if (first != NULL && (first->flags & SENT_SACKED) != 0)
        sent_renege(&tc->sent);
    tc->cc.ops->on_rto(&tc->cc, tcp_in_flight(tc), tc->rexmt_count <= 1, s->now_ns);
    sent_mark_all_lost(&tc->sent);
    tc->ca = TCP_CA_LOSS;
    tc->recover = tc->snd_nxt;
    tc->dupacks = 0;
    tc->rtx_first = true;
}
