/* Acknowledgements received: what leaves the send queue, round-trip samples, the peer's window, congestion control. */
#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

#define RENEGE_MIN_NS (10 * NS_PER_MS)

static void rtt_update(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, const struct sent_ack *sa)
{
    uint32_t round = 2u * MAX(tc->smss, 1u), flight = tcp_in_flight(tc);
    struct rtt_conf rc;
    uint64_t sample;
    bool sent_once = sa->rtt_valid && !sa->acked_retrans; /* behind a hole that was filled late even that tells nothing */

    if (sent_once) {
        sample = s->now_ns - sa->rtt_sent_ns;
    } else if (tc->ts_on && g->o.has_ts && g->o.ts_ecr != 0) {
        /* RFC 7323 4.1: of retransmitted data too, but when an ACK was lost the echo is as old as the silence that
         * followed: such a sample may double the estimate, not more */
        uint64_t bound = MAX(2 * rtt_srtt_ns(&tc->rtt), NS_PER_SEC);
        int32_t ms = (int32_t)(tcp_ts_now(s, tc) - g->o.ts_ecr);

        if (ms < 0)
            return;
        sample = MIN((uint64_t)ms * NS_PER_MS, bound);
    } else {
        return;
    }
    tcp_rtt_conf(s, &rc);
    if (unlikely(tc->rtt_wary) && sent_once && seq_gt(g->h.ack, tc->recover)) { /* beyond what had been sent at the timeout */
        rtt_sample_wary(&tc->rtt, &tc->rtt_prev, &rc, sample);
        tc->rtt_wary = false;
    } else {
        rtt_sample(&tc->rtt, &rc, sample, tc->ts_on && flight > round ? flight / round : 1);
    }
    rtt_min_add(&tc->rtt_min, &rc, sample, s->now_ns);
}

static void answered(struct tcp_conn *tc)
{
    tc->unanswered = false;
    tc->backoff = 0;
    tc->rexmt_count = 0;
    tc->probe_count = 0;
    tc->orphan_probes = 0;
    tc->keep_count = 0;
    tc->first_rexmt_at_ns = 0;
    tc->soft_error = 0;
}

/* An answer that may bring no progress: what is left for one that does? */
static void heard(struct tcp_conn *tc)
{
    tc->probe_count = 0;
    tc->unanswered =
        tc->rexmt_count + tc->orphan_probes + tc->keep_count + tc->backoff != 0 || tc->first_rexmt_at_ns != 0 || tc->soft_error != 0;
}

void tcp_established(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    struct sent_ack syn = {.rtt_valid = tc->rexmt_count == 0 && tc->sent.n == 0, .rtt_sent_ns = tc->syn_sent_ns};
    struct rtt_conf rc;
    uint32_t mss, iw;

    tcp_timer_stop(tc, TT_REXMT);
    if (tc->syn_sent_ns != 0) /* a SYN cookie knows nothing of its SYN,ACK, and its timestamp carries options */
        rtt_update(s, tc, g, &syn);
    mss = tcp_eff_mss(tc);
    /* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)); one segment after a lost SYN (RFC 5681 3.1) */
    iw = MIN(s->conf.init_cwnd_segs * mss, MAX(2 * mss, 14600u));
    if (tc->fastopen_id == 0) /* else it sends already */
        tcp_cc_start(s, tc, tc->rexmt_count > 0 ? mss : iw);
    else
        tcp_fastopen_end(s, tc, false);
    tcp_rtt_conf(s, &rc);
    if (tc->rexmt_count > 0)
        rtt_at_least(&tc->rtt, &rc, 3 * NS_PER_SEC); /* RFC 6298 5.7 */
    answered(tc);
    tc->snd_wl2 = g->h.ack;
    if (!tc->waits) /* else from the time that it is accepted */
        tc->drs_start_ns = s->now_ns;
    tcp_mtup_established(s, tc);
    tcp_keepalive_restart(s, tc);
    if (tc->fin_queued) /* closed while the handshake was under way */
        tcp_set_state(s, tc, TCPS_FIN_WAIT_1);
    sock_on_writable(s, tc->sk);
    tcp_mark_dirty(s, tc);
}

/* SACK blocks that can be true: above the cumulative ACK, below snd_nxt. Others (D-SACK, old, hostile) are left out. */
static unsigned valid_sacks(const struct tcp_conn *tc, const struct tcp_seg *g, struct tcp_sack_block *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < g->o.n_sack; i++) {
        const struct tcp_sack_block *b = &g->o.sack[i];

        if (seq_lt(b->start, b->end) && seq_gt(b->start, g->h.ack) && seq_geq(b->start, tc->snd_una) && seq_leq(b->end, tc->snd_nxt))
            out[n++] = *b;
    }
    return n;
}

/*
 * RFC 2883 section 4: the first block reports a duplicate when it lies below the cumulative ACK or inside the second block. Only
 * about something that we can have sent.
 */
static bool find_dsack(const struct tcp_conn *tc, const struct tcp_seg *g, struct tcp_sack_block *out)
{
    const struct tcp_sack_block *b = g->o.sack, *around = &g->o.sack[1];

    if (!seq_lt(b->start, b->end) || seq_gt(b->end, tc->snd_nxt) || seq_lt(b->start, tc->snd_una - tc->max_snd_wnd))
        return false;
    if (!seq_leq(b->end, g->h.ack) && !(g->o.n_sack > 1 && seq_geq(b->start, around->start) && seq_leq(b->end, around->end)))
        return false;
    *out = *b;
    return true;
}

/*
 * When the transmission that a timestamp echo names took place at the latest. The echo is of the segment that moved rcv_nxt (RFC
 * 7323 4.3): what was retransmitted after that is acknowledged for its original.
 */
static uint64_t echo_latest_ns(const struct z_stack *s, const struct tcp_conn *tc, uint32_t ecr)
{
    int32_t ago_ms = (int32_t)(tcp_ts_now(s, tc) - ecr);

    if (ago_ms < 0 || (uint64_t)ago_ms > s->now_ns / NS_PER_MS)
        return s->now_ns;
    return (s->now_ns / NS_PER_MS - (uint64_t)ago_ms + 1) * NS_PER_MS - 1;
}

/* The window opened, and a probe is in flight that the closed one threw away: it goes again, as a whole segment now. */
static void repeat_probe(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t mss = tcp_eff_mss(tc), wnd = tc->snd_una + tc->snd_wnd - tc->snd_nxt;
    struct sent_rec *r = sent_last(&tc->sent);

    if (tcp_in_flight(tc) == 1 && r->flags == 0 && !tc->fin_sent && tc->snd_wnd > 1) {
        uint32_t more = MIN(MIN(tc->sndq.end_seq - tc->snd_nxt, wnd), mss - 1);
        bool fin = tc->fin_queued && tc->snd_nxt + more == tc->sndq.end_seq && wnd > more;

        tc->snd_nxt += more + fin;
        r->end = tc->snd_nxt;
        tc->fin_sent = fin;
        if (more + 1 < mss)
            tcp_sent_small(tc);
    }
    tcp_mark_first_lost(s, tc);
}

/*
 * Probes, and repetitions of what a closed window threw away, became rare because it was closed: that is no sign of a slow path. What goes
 * now has the whole time of TCP_USER_TIMEOUT and a timeout without back-off, as in Linux.
 */
static void window_opened(struct z_stack *s, struct tcp_conn *tc)
{
    tc->backoff = 0;
    tc->first_rexmt_at_ns = 0;
    if (tcp_timer_on(tc, TT_REXMT))
        tcp_rexmt_arm(s, tc);
}

/*
 * An ACK that moved forward is newer than any before it, whatever its sequence number: a peer that retransmits acknowledges
 * with an old one, and by SND.WL1 alone its window would be taken for larger than it is. Linux does the same.
 */
static void window_update(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, bool advanced)
{
    if (!(advanced || seq_lt(tc->snd_wl1, g->h.seq) || (tc->snd_wl1 == g->h.seq && seq_leq(tc->snd_wl2, g->h.ack))))
        return;
    if (unlikely(tc->snd_wnd == 0) && g->wnd > 0)
        window_opened(s, tc);
    tc->snd_wnd = g->wnd; /* MUST-34: it may shrink below what is in flight */
    tc->snd_wl1 = seq_max(tc->snd_wl1, g->h.seq);
    tc->snd_wl2 = g->h.ack;
    tc->max_snd_wnd = MAX(tc->max_snd_wnd, g->wnd);
    if (g->wnd > 0 && tcp_timer_on(tc, TT_PERSIST)) {
        tcp_timer_stop(tc, TT_PERSIST);
        if (tcp_in_flight(tc) > 0)
            repeat_probe(s, tc);
    }
}

/* The cumulative acknowledgement moved forward by acked. */
static void una_advance(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, struct sent_ack *sa)
{
    uint32_t data_ack = seq_min(g->h.ack, tc->sndq.end_seq);
    bool was_full = tcp_snd_space(tc) == 0;

    tc->snd_una = g->h.ack;
    sent_ack(&tc->sent, &s->arena, g->h.ack, sa);
    sndq_ack(&tc->sndq, &s->arena, data_ack);
    if (unlikely(tc->mtu_search))
        tcp_mtup_acked(s, tc);
    tc->progressed = true;
    if (tc->snd_urgent && seq_geq(tc->snd_una, tc->snd_up))
        tc->snd_urgent = false;
    rtt_update(s, tc, g, sa);
    if (unlikely(tc->unanswered))
        answered(tc);
    if (tc->snd_una == tc->snd_nxt) { /* RFC 6298 5.2, 5.3 */
        tc->small_out = false;
        tcp_timer_stop(tc, TT_REXMT);
        tcp_timer_stop(tc, TT_TLP);
        if (tc->snd_nxt == tc->sndq.end_seq + tc->fin_sent && tc->fin_queued == tc->fin_sent)
            tcp_timer_stop(tc, TT_PERSIST); /* a probe carried the last of it: there is nothing to probe with */
    } else if (unlikely((sent_first(&tc->sent)->flags & SENT_SACKED) != 0)) {
        /* the ACK stops where a SACK said that there is more: the peer may have thrown it away; the rest of a round trip is waited */
        tcp_timer_set(s, tc, TT_REXMT, MAX(rtt_srtt_ns(&tc->rtt) / 2, RENEGE_MIN_NS));
    } else {
        tcp_rexmt_restart(s, tc);
    }
    tcp_snd_autotune(s, tc);
    if (was_full && tcp_snd_space(tc) > 0)
        sock_on_writable(s, tc->sk);
}

static void news(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    struct tcp_sack_block blocks[TCP_SACK_BLOCKS_MAX];
    struct sent_rec rated;
    struct sent_ack sa = {
        .rtx_latest_ns = s->now_ns - rtt_min_ns(&tc->rtt_min),
        .echo_latest_ns = UINT64_MAX,
        .fack = sent_sacked_bytes(&tc->sent) > 0 ? tc->sent.high_sacked : tc->snd_una,
    };
    struct tcp_ack_facts f = {0};
    uint32_t acked = 0, pipe = tcp_pipe(tc), old_wnd = tc->snd_wnd, in_flight = tcp_in_flight(tc);
    bool dup, probing = tcp_timer_on(tc, TT_PERSIST), recovering = tc->ca == TCP_CA_RECOVERY;
    struct tcp_cc_event e = {.sa = &sa, .pipe = pipe, .ece = (g->h.flags & TH_ECE) != 0 && tc->ecn_ect};

    if (unlikely(tc->rated)) {
        e.lost_before = tc->sent.lost_total;
        rated = (struct sent_rec){0};
        sa.rated = &rated;
    }
    if (unlikely(tc->unanswered))
        heard(tc);
    if (tc->sack_on && g->o.n_sack > 0) {
        unsigned n = valid_sacks(tc, g, blocks);

        s->ctr.v[CTR_TCP_SACK_RX] += n;
        sent_sack(&tc->sent, &s->arena, blocks, n, s->conf.sent_records, &sa);
        f.has_dsack = find_dsack(tc, g, &f.dsack);
    }
    if (seq_gt(g->h.ack, tc->snd_una)) {
        acked = g->h.ack - tc->snd_una;
        if (unlikely(tc->rtx_unacked || tc->undo_open) && tc->ts_on && g->o.has_ts && g->o.ts_ecr != 0) {
            f.ecr_known = true;
            sa.echo_latest_ns = echo_latest_ns(s, tc, g->o.ts_ecr);
        }
        una_advance(s, tc, g, &sa);
        if (unlikely(tc->rtx_unacked) && seq_geq(tc->snd_una, tc->rtx_high))
            tc->rtx_unacked = false;
    }
    window_update(s, tc, g, acked > 0);
    /* RFC 5681 section 2, "duplicate acknowledgment" (a) to (e); RFC 6675: with SACK, one that reports new data. The answer
     * to a window probe is none. */
    dup = acked == 0 && in_flight > 0 && !probing && g->len == 0 && (g->h.flags & (TH_SYN | TH_FIN)) == 0 && g->h.ack == tc->snd_una &&
          (tc->sack_on ? sa.newly_sacked > 0 : tc->snd_wnd == old_wnd);
    if (dup)
        stack_count(s, CTR_TCP_DUPACK_RX);
    f.acked = acked;
    f.dup = dup;
    if (in_flight > 0 || f.has_dsack || unlikely(tc->tlp_out))
        tcp_recovery_on_ack(s, tc, &sa, &f);
    if (unlikely(tc->in_cwr) && seq_gt(tc->snd_una, tc->cwr_end))
        tc->in_cwr = false;
    e.recovering = recovering;
    e.acked = acked;
    tcp_cc_on_ack(s, tc, &e);
    if (unlikely(e.ece))
        tcp_ecn_echoed(s, tc, pipe);
    if (acked > 0 || tc->snd_wnd > old_wnd || dup || seq_gt(tc->sndq.end_seq, tc->snd_nxt) || tc->sent.lost_bytes > 0)
        tcp_mark_dirty(s, tc);
}

/*
 * Text from a peer to which nothing is under way, which says of acknowledgement and window what the last segment did. By far the most of
 * what a receiver gets is that.
 */
static bool says_nothing_new(const struct tcp_conn *tc, const struct tcp_seg *g)
{
    return g->h.ack == tc->snd_una && tc->snd_una == tc->snd_nxt && g->wnd == tc->snd_wnd && g->len > 0 && g->o.n_sack == 0 &&
           (g->h.flags & (TH_SYN | TH_FIN | TH_ECE)) == 0 && !tc->unanswered && !tc->tlp_out;
}

void tcp_ack_input(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    if (says_nothing_new(tc, g)) {
        tc->snd_wl1 = seq_max(tc->snd_wl1, g->h.seq);
        tc->snd_wl2 = g->h.ack;
    } else {
        news(s, tc, g);
    }
}
