/* The connection's side of congestion control: which algorithm, its memory, what an ACK tells it, and the pace of sending. */
#include "tcp/conn.h"

#include "base/poison.h"

#define PACE_BURST_BYTES 65536u
#define PACE_BURST_NS NS_PER_MS

void tcp_cc_free(struct z_stack *s, struct tcp_conn *tc)
{
    if (!tc->rated)
        return;
    arena_free(&s->arena, tc->cc.ext, tc->cc.ops->ext_bytes);
    arena_free(&s->arena, tc->rate, sizeof(*tc->rate));
    tc->rate = NULL;
    tc->rated = false;
    tc->paced = false;
    cc_switch(&tc->cc, &cc_cubic, NULL, s->now_ns);
}

/* The memory that an algorithm wants beside the connection. Without memory it is CUBIC, which wants none. */
static const struct cc_ops *take_memory(struct z_stack *s, const struct cc_ops *ops, void **ext, struct rate **rate)
{
    *ext = NULL;
    *rate = NULL;
    if (!ops->own_recovery)
        return ops;
    *ext = arena_alloc(&s->arena, ops->ext_bytes);
    *rate = arena_alloc(&s->arena, sizeof(**rate));
    if (*ext != NULL && *rate != NULL)
        return ops;
    stack_count(s, CTR_TCP_CC_NOMEM);
    arena_free(&s->arena, *ext, ops->ext_bytes);
    arena_free(&s->arena, *rate, sizeof(**rate));
    *ext = NULL;
    *rate = NULL;
    return &cc_cubic;
}

static bool wants_pacing(const struct z_stack *s, const struct tcp_conn *tc)
{
    return tc->cc.ops->pacing_rate != NULL || tc->opt->max_pacing_rate != 0 || s->conf.pacing;
}

void tcp_cc_start(struct z_stack *s, struct tcp_conn *tc, uint32_t init_cwnd_bytes)
{
    void *ext;
    const struct cc_ops *ops = take_memory(s, tc->opt->cc, &ext, &tc->rate);

    tc->rated = tc->rate != NULL;
    tc->cc.ext = ext;
    cc_init(&tc->cc, ops, tcp_eff_mss(tc), init_cwnd_bytes, s->now_ns);
    cwv_reset(&tc->cwv, s->now_ns);
    tc->paced = wants_pacing(s, tc);
}

/*
 * An algorithm that knows no ssthresh is replaced while losses are repaired: the other one gets what it would have set when they were
 * found, by what was in flight then. There is no state of its own to go back to, should they prove to be none.
 */
static void give_ssthresh(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t flight = tc->undo.to - tc->undo.from, cwnd = tc->cc.cwnd;

    if (tc->ca == TCP_CA_RECOVERY) { /* goes on by proportional rate reduction, and ends at ssthresh */
        prr_begin(&tc->prr, tcp_pipe(tc));
        tc->cc.ops->on_loss(&tc->cc, flight, s->now_ns);
    } else if (tc->ca == TCP_CA_LOSS) {
        tc->cc.ops->on_rto(&tc->cc, flight, true, s->now_ns);
        tc->cc.cwnd = MIN(cwnd, tc->cc.ssthresh); /* regained since */
    }
    tc->cc.undo_cwnd = 0;
}

void tcp_cc_set(struct z_stack *s, struct tcp_conn *tc, const struct cc_ops *ops)
{
    bool lacks_ssthresh = !ops->own_recovery && tc->cc.ops != NULL && tc->cc.ops->own_recovery;
    struct rate *rate;
    void *ext;

    tc->opt->cc = ops;
    if (!tcp_synchronized(tc) || tc->cc.ops == ops)
        return;
    ops = take_memory(s, ops, &ext, &rate);
    tcp_cc_free(s, tc);
    tc->rate = rate;
    tc->rated = rate != NULL;
    sent_forget_rates(&tc->sent); /* counted by a state that is gone */
    cc_switch(&tc->cc, ops, ext, s->now_ns);
    if (lacks_ssthresh)
        give_ssthresh(s, tc);
    tc->pace_next_ns = 0;
    tc->paced = wants_pacing(s, tc);
    tcp_mark_dirty(s, tc);
}

void tcp_pace_limit(struct z_stack *s, struct tcp_conn *tc, uint64_t bytes_per_sec)
{
    tc->opt->max_pacing_rate = bytes_per_sec;
    tc->pace_next_ns = 0;
    if (tcp_synchronized(tc))
        tc->paced = wants_pacing(s, tc);
    tcp_mark_dirty(s, tc);
}

/* Rate-limited senders ---------------------------------------------------------------------------------------------------- */

static uint32_t initial_window(const struct z_stack *s, const struct tcp_conn *tc)
{
    return s->conf.init_cwnd_segs * tcp_eff_mss(tc);
}

/* RFC 7661 4.4.3: for every five minutes in which the window was not used it is halved, and may be doubled again in one round trip. */
static void decay(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t n = cwv_periods_over(&tc->cwv, s->now_ns), least = initial_window(s, tc);
    struct cc *c = &tc->cc;

    if (n == 0)
        return;
    stack_count(s, CTR_TCP_CWND_DECAY);
    for (; n > 0 && c->cwnd > least; n--) {
        c->ssthresh = MAX(c->ssthresh, c->cwnd / 4 * 3);
        c->cwnd = MAX(c->cwnd / 2, least);
    }
    c->ops->on_idle(c, 0, s->now_ns);
}

/* A sample was taken. */
static void phase(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->cwv.unvalidated)
        decay(s, tc);
    else if (unlikely(tc->paced))
        tc->paced = wants_pacing(s, tc);
}

/* RFC 7661 4.4.2: no burst of a window that nobody knows the path to take. An initial window is no burst. */
void tcp_pace_unvalidated(const struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->sndq.end_seq - tc->snd_nxt > initial_window(s, tc))
        tc->paced = true; /* until the window is validated: phase() */
}

/* draft-ietf-ccwg-bbr 5.4.1; for the others RFC 7661 instead of RFC 5681 4.1's restart window. */
void tcp_cc_restart(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t idle_ns;

    if (unlikely(tc->rated)) {
        if (tc->rate->is_app_limited)
            tc->cc.ops->on_idle(&tc->cc, 0, s->now_ns);
        return;
    }
    /* what nothing was sent after is older than the age can tell */
    if (likely(cwv_age(&tc->cwv, s->now_ns) <= tcp_base_rto(s, tc) >> 20 &&
               (uint64_t)(tcp_snd_tick(s) - tc->last_snd) << TCP_SND_TICK_SHIFT < CWV_AGE_NS))
        return;
    idle_ns = cwv_idle_ns(&tc->cwv, s->now_ns);
    cwv_idle(&tc->cwv, tc->cc.cwnd, rtt_srtt_ns(&tc->rtt), s->now_ns);
    if (tc->cwv.unvalidated || !tc->cwv.defined)
        decay(s, tc);
    tc->cc.ops->on_idle(&tc->cc, idle_ns, s->now_ns);
}

/* Acknowledgements ------------------------------------------------------------------------------------------------------- */

static void sample(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, uint32_t newly_lost, struct rate_sample *rs)
{
    const struct sent_rec *r = sa->rated;
    struct rate_acked a = {
        .st = r->flags & SENT_RATED ? &r->rate : NULL,
        .sent_at_ns = r->sent_at_ns,
        .app_limited = (r->flags & SENT_APP_LTD) != 0,
        .retrans = (r->flags & SENT_RETRANS) != 0,
        .newly_delivered = sa->newly_acked + sa->newly_sacked,
        .newly_lost = newly_lost,
        .lost_total = tc->sent.lost_total,
    };

    rate_on_ack(tc->rate, &a, s->now_ns, rs);
    rs->in_flight = tcp_pipe(tc);
}

void tcp_cc_on_ack(struct z_stack *s, struct tcp_conn *tc, const struct tcp_cc_event *e)
{
    struct rate_sample rs;
    struct cc_ack a = {
        .acked_bytes = e->acked,
        .pipe_bytes = e->pipe,
        .una = tc->snd_una,
        .nxt = tc->snd_nxt,
        .cwnd_limited = tc->cwnd_limited,
        .ece = e->ece,
        .srtt_ns = rtt_srtt_ns(&tc->rtt),
        .now_ns = s->now_ns,
        .rtt_ns = e->sa->rtt_valid && !e->sa->acked_retrans ? MAX(s->now_ns - e->sa->rtt_sent_ns, 1u) : 0,
    };

    if (unlikely(tc->rated)) {
        uint32_t newly_lost = tc->sent.lost_total - e->lost_before;

        if (e->acked == 0 && e->sa->newly_sacked == 0 && newly_lost == 0)
            return;
        sample(s, tc, e->sa, newly_lost, &rs);
        a.rs = &rs;
    } else if (e->acked == 0) {
        return;
    } else { /* the ACK that ends a recovery does not let the window grow */
        a.cwnd_limited = !e->recovering && tc->ca != TCP_CA_RECOVERY && !tc->in_cwr && (tc->cwnd_limited || tc->ca == TCP_CA_LOSS);
        if (tc->ca == TCP_CA_OPEN && cwv_acked(&tc->cwv, tc->snd_una, tc->cc.cwnd, rtt_srtt_ns(&tc->rtt), s->now_ns))
            phase(s, tc);
        if (!a.cwnd_limited && tc->cc.quiet)
            return;
    }
    tc->cc.ops->on_ack(&tc->cc, &a);
}

/* Congestion -------------------------------------------------------------------------------------------------------------- */

/*
 * RFC 7661 4.4: congestion ends the non-validated phase, and a window that nobody knows the path to carry is reckoned as what was in use.
 * 0: it is validated, or the algorithm has better means.
 */
static uint32_t leave_unvalidated(struct tcp_conn *tc, uint32_t in_flight_bytes)
{
    uint32_t used;

    if (likely(!tc->cwv.unvalidated) || tc->cc.ops->own_recovery)
        return 0;
    used = MAX(cwv_used(&tc->cwv, tc->snd_una, in_flight_bytes), 1u);
    tc->cwv.unvalidated = false;
    tc->cc.cwnd = MIN(tc->cc.cwnd, MAX(used, tc->cc.smss)); /* one segment always fits */
    return used;
}

/* An undo brings back the window that there was. */
static void keep_for_undo(struct tcp_conn *tc, uint32_t cwnd)
{
    if (tc->cc.undo_cwnd != 0)
        tc->cc.undo_cwnd = cwnd;
}

/* RFC 3168 6.1.2: one reduction per window of data, for marks and losses together; whatever it was for, CWR tells the peer. */
void tcp_cc_lost(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes)
{
    struct cc *c = &tc->cc;
    uint32_t cwnd = c->cwnd, used;

    if (unlikely(tc->in_cwr) && !c->ops->own_recovery) {
        c->undo_cwnd = 0; /* that reduction was no error */
        return;
    }
    used = leave_unvalidated(tc, in_flight_bytes);
    c->ops->on_loss(c, in_flight_bytes, s->now_ns);
    if (unlikely(used > 0)) { /* RFC 7661 4.4.1: (Max(pipeACK, LossFlightSize)) / 2 during the recovery */
        keep_for_undo(tc, cwnd);
        c->ssthresh = MIN(c->ssthresh, MAX(used / 2, 2 * c->smss));
        c->cwnd = MIN(c->cwnd, c->ssthresh);
        tc->cwv.loss_base = used;
        tc->cwv.repeated = 0;
    }
    tc->ecn_cwr = tc->ecn_ect;
}

/* RFC 7661 4.4.1: (Max(pipeACK, LossFlightSize) - R) / 2 at the end of the recovery. One segment is the least, ssthresh two (RFC 5681). */
static void reduce_by_repeated(struct tcp_conn *tc)
{
    uint32_t base = tc->cwv.loss_base, wnd = (base - MIN(tc->cwv.repeated, base)) / 2;
    struct cc *c = &tc->cc;

    c->ssthresh = MAX(wnd, 2 * c->smss);
    c->cwnd = MIN(c->cwnd, MAX(wnd, c->smss));
}

static void recovered(struct z_stack *s, struct tcp_conn *tc)
{
    tc->cc.ops->on_recovered(&tc->cc, s->now_ns);
    if (unlikely(tc->cwv.loss_base > 0))
        reduce_by_repeated(tc);
}

void tcp_cc_recovered(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->ca == TCP_CA_RECOVERY)
        recovered(s, tc);
    cwv_reset(&tc->cwv, s->now_ns);
}

/* What was in flight when the segment was lost has left: no more than the window, of which at least half was used if it is validated. */
void tcp_cc_repaired(struct z_stack *s, struct tcp_conn *tc)
{
    tcp_cc_lost(s, tc, tc->cwv.unvalidated ? tcp_in_flight(tc) : MAX(tcp_in_flight(tc), tc->cc.cwnd));
    recovered(s, tc);
    cwv_reset(&tc->cwv, s->now_ns);
}

void tcp_cc_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t cwnd = tc->cc.cwnd, flight = tcp_in_flight(tc), used = leave_unvalidated(tc, flight);

    tc->cc.ops->on_rto(&tc->cc, flight, tc->rexmt_count <= 1, s->now_ns);
    if (unlikely(used > 0))
        keep_for_undo(tc, cwnd);
    tc->cwv.loss_base = 0;
}

void tcp_cc_marked(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes)
{
    uint32_t used = leave_unvalidated(tc, in_flight_bytes);

    tc->cc.ops->on_ecn(&tc->cc, MAX(used, in_flight_bytes), s->now_ns);
}

void tcp_cc_undo(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->ca == TCP_CA_RECOVERY)
        tc->cc.ops->on_recovered(&tc->cc, s->now_ns);
    tc->cc.ops->on_undo(&tc->cc, s->now_ns);
    tc->cwv.loss_base = 0;
    tc->cwv.in_round = false;
}

void tcp_rate_sent(struct z_stack *s, struct tcp_conn *tc, struct sent_rec *r, uint32_t pipe_before)
{
    bool app_limited;

    rate_on_sent(tc->rate, &r->rate, &app_limited, pipe_before, r->end - r->start, tc->sent.lost_total, s->now_ns);
    r->flags = (uint8_t)((r->flags & ~SENT_APP_LTD) | SENT_RATED | (app_limited ? SENT_APP_LTD : 0));
}

/* Bytes per second, 0: no limit. Algorithms without a rate of their own: what the window is per round trip, and some more. */
uint64_t tcp_pacing_rate(const struct tcp_conn *tc)
{
    const struct cc *c = &tc->cc;
    uint64_t rate = cc_pacing_rate(c), max = tc->opt->max_pacing_rate;

    if (rate == 0 && c->ops->pacing_rate == NULL && tc->rtt.srtt != 0)
        rate = (uint64_t)c->cwnd * NS_PER_SEC / rtt_srtt_ns(&tc->rtt) * (c->cwnd < c->ssthresh / 2 ? 200 : 120) / 100;
    return max != 0 && (rate == 0 || rate > max) ? max : rate;
}

bool tcp_pace_wait(struct z_stack *s, struct tcp_conn *tc)
{
    if (s->now_ns >= tc->pace_next_ns)
        return false;
    tcp_timer_set(s, tc, TT_PACE, tc->pace_next_ns - s->now_ns);
    return true;
}

/* Frames leave in bursts of about a millisecond, two segments at least: timers are that coarse, and fewer turns are cheaper. */
static uint64_t burst_ns(const struct tcp_conn *tc, uint64_t rate)
{
    uint64_t burst = MIN(PACE_BURST_NS, (uint64_t)PACE_BURST_BYTES * NS_PER_SEC / rate);

    return MAX(burst, 2ull * tc->cc.smss * NS_PER_SEC / rate);
}

uint32_t tcp_pace_room(const struct z_stack *s, const struct tcp_conn *tc)
{
    uint64_t rate = tcp_pacing_rate(tc), burst, ends;

    if (rate == 0)
        return UINT32_MAX;
    burst = burst_ns(tc, rate);
    ends = s->now_ns + burst;
    if (s->now_ns <= tc->pace_next_ns + burst) /* else a pause of the application, which begins a burst */
        burst = ends - MIN(ends, tc->pace_next_ns);
    return (uint32_t)MIN(burst * rate / NS_PER_SEC, (uint64_t)PACE_BURST_BYTES) + tcp_eff_mss(tc) / 2;
}

/*
 * What a late timer has cost is made up for; a pause of the application is not. A frame of many segments takes as long as they would one
 * by one, to the nanosecond.
 */
bool tcp_pace_spent(struct z_stack *s, struct tcp_conn *tc, uint32_t len)
{
    uint64_t rate = tcp_pacing_rate(tc), burst, half;
    uint32_t mss = MAX(tcp_eff_mss(tc), 1u);

    if (rate == 0)
        return false;
    burst = burst_ns(tc, rate);
    if (s->now_ns > tc->pace_next_ns + burst)
        tc->pace_next_ns = s->now_ns;
    tc->pace_next_ns += len / mss * (mss * NS_PER_SEC / rate) + len % mss * NS_PER_SEC / rate;
    half = mss * NS_PER_SEC / rate / 2;
    return tc->pace_next_ns + half >= s->now_ns + burst; /* the next segment would for the most part be too early */
}
