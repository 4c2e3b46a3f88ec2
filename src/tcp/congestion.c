/* The connection's side of congestion control: which algorithm, its memory, what an ACK tells it, and the pace of sending. */
#include "tcp/conn.h"

#include "base/poison.h"

#define PACE_BURST_BYTES 65536u
#define PACE_BURST_NS NS_PER_MS

void tcp_cc_free(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->rate == NULL)
        return;
    arena_free(&s->arena, tc->cc.ext, tc->cc.ops->ext_bytes);
    arena_free(&s->arena, tc->rate, sizeof(*tc->rate));
    tc->rate = NULL;
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

    tc->cc.ext = ext;
    cc_init(&tc->cc, ops, tcp_eff_mss(tc), init_cwnd_bytes, s->now_ns);
    tc->paced = wants_pacing(s, tc);
}

void tcp_cc_set(struct z_stack *s, struct tcp_conn *tc, const struct cc_ops *ops)
{
    bool lacks_ssthresh = tc->ca == TCP_CA_RECOVERY && !ops->own_recovery && tc->cc.ops->own_recovery;
    struct rate *rate;
    void *ext;

    tc->opt->cc = ops;
    if (!tcp_synchronized(tc) || tc->cc.ops == ops)
        return;
    ops = take_memory(s, ops, &ext, &rate);
    tcp_cc_free(s, tc);
    tc->rate = rate;
    sent_forget_rates(&tc->sent); /* counted by a state that is gone */
    cc_switch(&tc->cc, ops, ext, s->now_ns);
    if (lacks_ssthresh) { /* the recovery goes on by proportional rate reduction, and ends at ssthresh */
        prr_begin(&tc->prr, tcp_pipe(tc));
        tc->cc.ops->on_loss(&tc->cc, tcp_in_flight(tc), s->now_ns);
    }
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

static void sample(struct z_stack *s, struct tcp_conn *tc, const struct sent_ack *sa, uint32_t newly_lost, struct rate_sample *rs)
{
    const struct sent_rec *r = &sa->rated;
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
        .srtt_ns = tc->rtt.srtt_ns,
        .now_ns = s->now_ns,
        .rtt_ns = e->sa->rtt_valid && !e->sa->acked_retrans ? MAX(s->now_ns - e->sa->rtt_sent_ns, 1u) : 0,
    };

    if (unlikely(tc->rate != NULL)) {
        uint32_t newly_lost = tc->sent.lost_total - e->lost_before;

        if (e->acked == 0 && e->sa->newly_sacked == 0 && newly_lost == 0)
            return;
        sample(s, tc, e->sa, newly_lost, &rs);
        a.rs = &rs;
    } else if (e->acked == 0) {
        return;
    } else { /* the ACK that ends a recovery does not let the window grow */
        a.cwnd_limited = !e->recovering && tc->ca != TCP_CA_RECOVERY && !tc->in_cwr && (tc->cwnd_limited || tc->ca == TCP_CA_LOSS);
    }
    tc->cc.ops->on_ack(&tc->cc, &a);
}

/* RFC 3168 6.1.2: one reduction per window of data, for marks and losses together; whatever it was for, CWR tells the peer. */
void tcp_cc_lost(struct z_stack *s, struct tcp_conn *tc, uint32_t in_flight_bytes)
{
    if (unlikely(tc->in_cwr) && !tc->cc.ops->own_recovery) {
        tc->cc.undo_cwnd = 0; /* that reduction was no error */
        return;
    }
    tc->cc.ops->on_loss(&tc->cc, in_flight_bytes, s->now_ns);
    tc->ecn_cwr = tc->ecn_ect;
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

    if (rate == 0 && c->ops->pacing_rate == NULL && tc->rtt.srtt_ns != 0)
        rate = (uint64_t)c->cwnd * NS_PER_SEC / tc->rtt.srtt_ns * (c->cwnd < c->ssthresh / 2 ? 200 : 120) / 100;
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
    return (uint32_t)MIN(burst * rate / NS_PER_SEC, (uint64_t)PACE_BURST_BYTES);
}

/* What a late timer has cost is made up for; a pause of the application is not. */
bool tcp_pace_spent(struct z_stack *s, struct tcp_conn *tc, uint32_t len)
{
    uint64_t rate = tcp_pacing_rate(tc), burst, took;

    if (rate == 0)
        return false;
    burst = burst_ns(tc, rate);
    if (s->now_ns > tc->pace_next_ns + burst)
        tc->pace_next_ns = s->now_ns;
    took = (uint64_t)len * NS_PER_SEC / rate;
    tc->pace_next_ns += took;
    return tc->pace_next_ns + took / 2 >= s->now_ns + burst; /* the next one would for the most part be too early */
}
