/*
 * Loss recovery. With SACK: RACK decides what is lost (RFC 8985) on the scoreboard of RFC 6675; without: RFC 6582 (NewReno). After a
 * timeout RFC 6298 and F-RTO (RFC 5682). Fast recovery sends at the rate of PRR (RFC 9937). What turns out to have been no loss
 * is undone (RFC 4015). This file decides what is lost, when recovery begins and ends; output sends it.
 */
#include "tcp/conn.h"

#include "base/poison.h"

#define DUP_THRESH 3u
/*
 * Records beyond sent_records for what was sent and must be cut, because a part of it goes again, or the path became narrower: a map that
 * is full would never get anything through.
 */
#define CUT_RECORDS 16u

/* Without SACK each duplicate ACK means that one more segment left the network. */
uint32_t tcp_pipe(const struct tcp_conn *tc)
{
    uint32_t pipe = sent_pipe(&tc->sent, tcp_in_flight(tc));

    if (!tc->sack_on)
        pipe -= MIN(pipe, (uint32_t)tc->dupacks * tc->smss);
    return pipe;
}

void tcp_sent_again(struct tcp_conn *tc, uint32_t len, bool first)
{
    tc->total_retrans++;
    tc->rtx_high = tc->snd_nxt;
    tc->rtx_unacked = true;
    undo_retransmitted(&tc->undo, len);
    if (tc->ca != TCP_CA_RECOVERY)
        return;
    prr_sent(&tc->prr, len);
    tc->cwv.repeated += first ? len : 0;
}

static uint64_t reo_wnd_ns(const struct tcp_conn *tc)
{
    uint32_t sacked =
        MAX(tc->sent.n_sacked, sent_sacked_bytes(&tc->sent) / MAX(tcp_eff_mss(tc), 1u)); /* a frame may carry several segments */

    return rack_reo_wnd_ns(&tc->rack, rtt_min_ns(&tc->rtt_min), rtt_srtt_ns(&tc->rtt), sacked, tc->ca != TCP_CA_OPEN);
}

/* A segment is lost when one that was sent later arrived, and this long after it was sent. */
static uint64_t judged_after_ns(const struct tcp_conn *tc)
{
    return (tc->rack_rtt_us != RACK_RTT_NONE ? (uint64_t)tc->rack_rtt_us * NS_PER_US : rtt_srtt_ns(&tc->rtt)) + reo_wnd_ns(tc);
}

/* RFC 8985 6.2 step 5. The timer is for the first segment that may still be late: one deadline, and each expiry takes what is due. */
static uint32_t rack_detect(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t wait_ns;
    uint32_t lost;

    if (!tc->sack_on || !tc->rack_valid)
        return 0;
    lost = sent_mark_rack(&tc->sent, tc->rack.xmit_ns, tc->rack.end_seq, judged_after_ns(tc), s->heard_ns, &wait_ns);
    if (unlikely(wait_ns > 0))
        tcp_timer_set(s, tc, TT_RACK, wait_ns);
    else
        tcp_timer_stop(tc, TT_RACK);
    return lost;
}

/* What was sent is cut at seq, where something is known of a part of it. */
int tcp_cut(struct z_stack *s, struct tcp_conn *tc, uint32_t seq)
{
    return sent_split(&tc->sent, &s->arena, seq, s->conf.sent_records + CUT_RECORDS);
}

/*
 * The first segment is lost, as it was sent: with its FIN, and whole if it was a larger one, as a probe is. Where there is no room for its
 * record, all of the frame that it was in. Returns newly lost bytes.
 */
uint32_t tcp_mark_first_lost(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *r = sent_first(&tc->sent);

    if (r != NULL && seq_min(r->end, tc->sndq.end_seq) - r->start > sent_seg_bytes(r))
        (void)tcp_cut(s, tc, r->start + sent_seg_bytes(r));
    return sent_mark_first_lost(&tc->sent);
}

/* just: bytes that the present acknowledgement delivered; they are part of what this recovery will deliver (RFC 9937 6.1). */
static void enter_recovery(struct z_stack *s, struct tcp_conn *tc, uint32_t just)
{
    uint32_t arrived = tc->sack_on ? sent_sacked_bytes(&tc->sent) : tc->dupacks * (uint32_t)tc->smss;

    if (unlikely(tcp_mtup_lost(s, tc)))
        return;
    stack_count(s, CTR_TCP_FAST_RETRANS);
    if (tc->sent.lost_bytes == 0)
        tcp_mark_first_lost(s, tc);
    undo_begin(&tc->undo, tc->snd_una, tc->snd_nxt, false);
    tc->undo_open = true;
    prr_begin(&tc->prr, tcp_in_flight(tc) - MIN(arrived, tcp_in_flight(tc)) + just);
    tcp_cc_lost(s, tc, tcp_in_flight(tc));
    tc->ca = TCP_CA_RECOVERY;
    tc->recover = tc->snd_nxt;
    tc->tlp_out = false;
    tcp_timer_stop(tc, TT_TLP);
}

/* delivered: bytes that left the network; lost: bytes newly deemed lost. */
static void reduce(struct tcp_conn *tc, uint32_t delivered, bool safe)
{
    if (tc->ca == TCP_CA_RECOVERY && delivered > 0 && !tc->cc.ops->own_recovery)
        tc->cc.cwnd = prr_on_ack(&tc->prr, delivered, tcp_pipe(tc), tc->cc.ssthresh, tc->cc.smss, safe);
}

/* snd_una has reached recover. What was lost beyond is a loss of its own. */
static void end_recovery(struct z_stack *s, struct tcp_conn *tc, uint32_t just)
{
    tcp_cc_recovered(s, tc);
    rack_recovered(&tc->rack);
    tc->ca = TCP_CA_OPEN;
    tc->dupacks = 0;
    tc->undo.eifel = false; /* DSACKs of what was repeated may still come */
    tc->undo.until = tc->snd_nxt;
    tc->undo.frto = FRTO_OFF;
    if (sent_next_lost(&tc->sent) != NULL)
        enter_recovery(s, tc, just);
}

/* RFC 4015 3.2: the window is what it was before; what was deemed lost is in flight; the timeout becomes longer if it was too short. */
static void undo_reduction(struct z_stack *s, struct tcp_conn *tc)
{
    stack_count(s, tc->undo.timeout ? CTR_TCP_RTO_SPURIOUS : CTR_TCP_UNDO);
    if (tc->undo.timeout)
        tc->rtt_wary = true; /* (7) */
    tcp_cc_undo(s, tc);
    undo_end(&tc->undo);
    tc->undo_open = false;
    if (tc->ca == TCP_CA_OPEN)
        return;
    sent_undo_lost(&tc->sent);
    tc->ca = TCP_CA_OPEN;
    tc->dupacks = 0;
    tc->rtx_first = false;
}

/* RFC 5682: may the timeout have been spurious? True: it was. */
static bool frto_input(struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f)
{
    struct frto_ack a = {
        .sack = tc->sack_on,
        .advanced = f->acked > 0,
        .complete = seq_geq(tc->snd_una, tc->recover),
        .duplicate = f->dup,
        .beyond = seq_gt(tc->snd_una, tc->recover) || (sent_sacked_bytes(&tc->sent) > 0 && seq_gt(tc->sent.high_sacked, tc->recover)),
        .original = sa->orig_valid && seq_leq(sa->orig_end, tc->recover),
        .can_send = seq_gt(tc->sndq.end_seq, tc->snd_nxt) && tc->snd_wnd > tcp_in_flight(tc),
    };

    if (tc->ca != TCP_CA_LOSS || tc->undo.frto == FRTO_OFF)
        return false;
    switch (frto_on_ack(&tc->undo, &a)) {
    case FRTO_SPURIOUS:
        return true;
    case FRTO_SEND_NEW:
        tc->cc.cwnd = tcp_pipe(tc) + tc->cc.smss; /* and one more by slow start */
        return false;
    case FRTO_CONVENTIONAL:
        tc->cc.cwnd = MIN(tc->cc.cwnd, 3 * tc->cc.smss); /* 3a */
        return false;
    default:
        return false;
    }
}

/* The peer received something twice (RFC 2883). probe: it was our tail loss probe. */
static bool dsack_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_ack_facts *f, bool probe)
{
    stack_count(s, CTR_TCP_DSACK_RX);
    tc->dsack_dups = (uint16_t)MIN(tc->dsack_dups + 1u, (uint32_t)UINT16_MAX);
    if (probe || tc->dsack_dups > tc->total_retrans) /* more than we repeated: the network duplicates */
        return false;
    rack_on_dsack(&tc->rack, tc->snd_una, tc->snd_nxt);
    return undo_on_dsack(&tc->undo, f->dsack.start, f->dsack.end);
}

/*
 * Something that left after the recovery arrived: had what was repeated arrived twice, that would have been reported by now. What is
 * reported later is about something else.
 */
static void settle_undo(struct tcp_conn *tc)
{
    if (tc->ca != TCP_CA_OPEN || !tc->undo_open || !seq_gt(tc->snd_una, tc->undo.until))
        return;
    undo_end(&tc->undo);
    tc->undo_open = false;
}

/* Was the present, or the last, reduction a mistake? */
static void look_for_undo(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f)
{
    bool probe = tcp_tlp_on_ack(s, tc, f, sa->newly_sacked > 0);
    bool dsack = f->has_dsack && dsack_input(s, tc, f, probe);
    bool eifel = f->ecr_known && undo_on_ack(&tc->undo, sa->rtx_early, sa->rtx_needed);

    if (likely(!dsack && !eifel && !frto_input(tc, sa, f)))
        return;
    if (tc->ca != TCP_CA_LOSS && tc->sack_on)
        tc->rack.reordering_seen = true; /* an original came late */
    undo_reduction(s, tc);
}

static void note_reordering(struct z_stack *s, struct tcp_conn *tc, uint32_t bytes)
{
    uint32_t segs = (bytes + tc->smss - 1) / MAX((uint32_t)tc->smss, 1u);

    stack_count(s, CTR_TCP_REORDERED);
    tc->reord_seen = (uint16_t)MIN(tc->reord_seen + 1u, (uint32_t)UINT16_MAX);
    tc->reordering = (uint16_t)MIN(MAX(segs, (uint32_t)tc->reordering), (uint32_t)UINT16_MAX);
    tc->rack.reordering_seen = true;
}

/*
 * RFC 6582 3.2 step 2: duplicates caused by our own earlier retransmissions start nothing; SACK tells them apart. After 2 GB without a
 * loss recover would seem to lie ahead; but what was sent once is not beyond snd_nxt.
 */
static bool third_duplicate(const struct tcp_conn *tc)
{
    return !tc->sack_on && tc->dupacks >= DUP_THRESH && (seq_gt(tc->snd_una, tc->recover) || seq_gt(tc->recover, tc->snd_nxt));
}

/* Partial ACK without SACK: the next segment is lost as well (RFC 6582 3.2 step 3). */
static uint32_t partial_ack(struct z_stack *s, struct tcp_conn *tc, uint32_t acked)
{
    uint32_t segs = (acked + tc->smss - 1) / MAX((uint32_t)tc->smss, 1u);

    tc->dupacks = tc->dupacks > segs ? (uint8_t)(tc->dupacks - segs) : 0;
    return tcp_mark_first_lost(s, tc);
}

/* RFC 9937 section 6.2, DeliveredData. Without SACK a duplicate tells of one segment, an advance of what no duplicate told. */
static uint32_t delivered_bytes(const struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f, uint32_t dupacks)
{
    uint32_t told = dupacks * (uint32_t)tc->smss;

    if (tc->sack_on)
        return sa->newly_acked + sa->newly_sacked;
    if (f->dup)
        return tc->smss;
    return f->acked == 0 ? 0 : MAX(f->acked - MIN(f->acked, told), MIN(f->acked, (uint32_t)tc->smss));
}

/*
 * What was sent is acknowledged in order, nothing is missing, was repeated or probed with. RACK has nothing to judge, then: what is in
 * flight was sent after all that arrived. It need not remember when that was: the next acknowledgement that tells of a hole tells of
 * something that was sent later.
 */
static bool uneventful(const struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f)
{
    return tc->ca == TCP_CA_OPEN && f->acked > 0 && tc->sent.marked_bytes == 0 && !f->has_dsack && !tc->tlp_out && !tc->undo_open &&
           !tc->rtx_unacked && sa->reord_bytes == 0 && !sa->acked_retrans;
}

void tcp_recovery_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, const struct tcp_ack_facts *f)
{
    uint32_t delivered, lost;

    if (sa->rack_valid)
        tc->rack_rtt_us = rack_rtt_us(sa->rack_sent_ns, s->now_ns);
    if (likely(uneventful(tc, sa, f))) {
        tc->dupacks = 0;
        tc->rack_valid = false;
        if (tc->sent.n > 0)
            tcp_tlp_schedule(s, tc);
        return;
    }
    delivered = delivered_bytes(tc, sa, f, tc->dupacks);
    if (f->dup && tc->dupacks < UINT8_MAX)
        tc->dupacks++;
    if (unlikely(sa->reord_bytes > 0))
        note_reordering(s, tc, sa->reord_bytes);
    look_for_undo(s, tc, sa, f);
    settle_undo(tc);
    if (sa->rack_valid) {
        rack_arrived(&tc->rack, tc->rack_valid, sa->rack_sent_ns, sa->rack_end);
        tc->rack_valid = true;
    }
    lost = rack_detect(s, tc);
    if (tc->ca == TCP_CA_OPEN) {
        if (f->acked > 0)
            tc->dupacks = 0;
        if (unlikely(lost > 0 || third_duplicate(tc)))
            enter_recovery(s, tc, delivered);
    } else if (f->acked > 0 && seq_geq(tc->snd_una, tc->recover)) {
        end_recovery(s, tc, delivered);
    } else if (tc->ca == TCP_CA_RECOVERY && !tc->sack_on && f->acked > 0) {
        lost += partial_ack(s, tc, f->acked);
    }
    reduce(tc, delivered, f->acked > 0 && lost == 0);
    /* RFC 8985 7.2: what acknowledges nothing new does not put the probe off */
    if (f->acked > 0 || sa->newly_sacked > 0 || tc->snd_wnd == 0 || !tcp_timer_on(tc, TT_TLP))
        tcp_tlp_schedule(s, tc);
}

/*
 * RFC 8985 6.2: the reordering timer. What has arrived since the losses were suspected, and was replaced by nothing because the
 * application had no more, may be replaced now, as it would have been had recovery begun then; one segment in any case. Others go
 * as the acknowledgements of those allow.
 */
void tcp_rack_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t pipe = tcp_pipe(tc), unused = tc->cc.cwnd > pipe ? tc->cc.cwnd - pipe : 0;
    uint32_t due = MIN(sent_sacked_bytes(&tc->sent), unused);

    if (tcp_in_flight(tc) == 0 || rack_detect(s, tc) == 0)
        return;
    if (tc->ca == TCP_CA_OPEN)
        enter_recovery(s, tc, due);
    else
        due = 0; /* is counted */
    if (tc->ca == TCP_CA_RECOVERY && !tc->cc.ops->own_recovery) {
        uint32_t cwnd;

        pipe = tcp_pipe(tc);
        cwnd = prr_on_ack(&tc->prr, due, pipe, tc->cc.ssthresh, tc->cc.smss, false);
        tc->cc.cwnd = MAX(cwnd, pipe + tc->cc.smss);
    }
    tcp_mark_dirty(s, tc);
}

void tcp_recovery_on_rto(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *first = sent_first(&tc->sent);
    bool again = tc->ca == TCP_CA_LOSS;

    if (first != NULL && (first->flags & SENT_SACKED) != 0) { /* RFC 2018 section 8: it has thrown away what it had SACKed */
        stack_count(s, CTR_TCP_RENEGED);
        sent_renege(&tc->sent);
    }
    if (!again) {
        undo_begin(&tc->undo, tc->snd_una, tc->snd_nxt, true);
        tc->undo_open = true;
        tc->rtt_prev = rtt_at_timeout(&tc->rtt);
        tc->rtt_wary = false;
    }
    /* RFC 5682 2.1, 3.1 step 1: not when the timeout comes on top of a recovery */
    tc->undo.frto = tc->ca == TCP_CA_OPEN ? FRTO_FIRST_ACK : FRTO_OFF;
    tcp_cc_timeout(s, tc);
    tc->ecn_cwr = tc->ecn_ect; /* RFC 3168 6.1.2: whatever cwnd was reduced for */
    tc->in_cwr = false;        /* slow start is not held back by a mark of before */
    if (tc->sack_on && (tc->rack_rtt_us != RACK_RTT_NONE || tc->rtt.srtt != 0))
        sent_mark_old_lost(&tc->sent, judged_after_ns(tc), s->now_ns); /* RFC 8985 6.3 */
    else
        sent_mark_all_lost(&tc->sent);
    tc->ca = TCP_CA_LOSS;
    tc->recover = tc->snd_nxt;
    tc->dupacks = 0;
    tc->rtx_first = true;
    tc->tlp_out = false;
    tcp_timer_stop(tc, TT_RACK);
    tcp_timer_stop(tc, TT_TLP);
}
