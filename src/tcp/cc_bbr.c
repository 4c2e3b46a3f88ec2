/* BBR, version 3 (draft-ietf-ccwg-bbr): the state machine around its model, and the control parameters that follow from it. */
#include "tcp/cc_bbr.h"

#include "base/units.h"

#include "base/poison.h"

#define STARTUP_PACING_GAIN 277u /* 4 * ln 2 */
#define DRAIN_PACING_GAIN 50u
#define PROBE_RTT_CWND_GAIN 50u
#define PROBE_RTT_DURATION_NS (200 * NS_PER_MS)
#define PACING_MARGIN 1u /* percent below the estimate, so that queues empty */

static const struct rate_sample no_sample;

static void enter_startup(struct bbr *b)
{
    b->state = BBR_STARTUP;
    b->pacing_gain = STARTUP_PACING_GAIN;
    b->cwnd_gain = 200;
}

static void bbr_init(struct cc *c, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    *b = (struct bbr){
        .min_rtt_ns = NS_NEVER,
        .probe_rtt_min_ns = NS_NEVER,
        .min_rtt_stamp_ns = now_ns,
        .probe_rtt_min_stamp_ns = now_ns,
        .extra_acked_start_ns = now_ns,
        .inflight_hi = BBR_INF,
        .probe_up_cnt = BBR_INF,
        .random = now_ns | 1,
    };
    bbr_reset_lower_bounds(b);
    enter_startup(b);
}

/* 5.3.2 */
static void check_drain(struct cc *c, const struct cc_ack *a)
{
    struct bbr *b = bbr_of(c);

    if (b->state == BBR_STARTUP && b->full_bw_reached) {
        b->state = BBR_DRAIN;
        b->pacing_gain = DRAIN_PACING_GAIN;
        b->cwnd_gain = 200;
    }
    if (b->state == BBR_DRAIN && a->rs->in_flight <= bbr_inflight(c, b->max_bw, 100))
        bbr_start_down(c, a->rs, a->now_ns);
}

/* PROBE_RTT: 5.3.4 --------------------------------------------------------------------------------------------------- */

static void save_cwnd(struct cc *c)
{
    struct bbr *b = bbr_of(c);

    b->prior_cwnd = b->state == BBR_PROBE_RTT ? MAX(b->prior_cwnd, c->cwnd) : c->cwnd;
}

static uint32_t probe_rtt_cwnd(const struct cc *c)
{
    return MAX(bbr_bdp(bbr_of(c), bbr_of(c)->bw, PROBE_RTT_CWND_GAIN), BBR_MIN_PIPE_SEGS * c->smss);
}

static void leave_probe_rtt(struct cc *c, const struct rate_sample *rs, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    b->probe_rtt_min_stamp_ns = now_ns;
    c->cwnd = MAX(c->cwnd, b->prior_cwnd);
    bbr_reset_lower_bounds(b);
    if (b->full_bw_reached) {
        bbr_start_down(c, rs, now_ns);
        bbr_start_cruise(b);
    } else {
        enter_startup(b);
    }
}

static void handle_probe_rtt(struct cc *c, const struct cc_ack *a)
{
    struct bbr *b = bbr_of(c);

    if (b->probe_rtt_done_ns == 0) {
        if (a->rs->in_flight > probe_rtt_cwnd(c))
            return;
        b->probe_rtt_done_ns = a->now_ns + PROBE_RTT_DURATION_NS;
        b->probe_rtt_round_done = false;
        bbr_start_round(b, a->rs);
        return;
    }
    b->probe_rtt_round_done |= b->round_start;
    if (b->probe_rtt_round_done && a->now_ns > b->probe_rtt_done_ns)
        leave_probe_rtt(c, a->rs, a->now_ns);
}

static void check_probe_rtt(struct cc *c, const struct cc_ack *a)
{
    struct bbr *b = bbr_of(c);

    if (b->state != BBR_PROBE_RTT && b->probe_rtt_expired && !b->idle_restart) {
        save_cwnd(c);
        b->state = BBR_PROBE_RTT;
        b->pacing_gain = 100;
        b->cwnd_gain = PROBE_RTT_CWND_GAIN;
        b->probe_rtt_done_ns = 0;
        b->ack_phase = BBR_ACKS_PROBE_STOPPING;
        bbr_start_round(b, a->rs);
    }
    if (b->state == BBR_PROBE_RTT)
        handle_probe_rtt(c, a);
    if (a->rs->newly_delivered > 0)
        b->idle_restart = false;
}

/* Control parameters: 5.6 -------------------------------------------------------------------------------------------- */

static void set_pacing_rate(struct cc *c, const struct cc_ack *a)
{
    struct bbr *b = bbr_of(c);
    uint64_t rate = b->bw * b->pacing_gain / 100 * (100 - PACING_MARGIN) / 100;

    if (b->pacing_rate == 0 && rate == 0) /* no sample yet: the window in a round trip, which STARTUP doubles */
        rate = (uint64_t)c->cwnd * NS_PER_SEC / MAX(a->srtt_ns, NS_PER_MS) * STARTUP_PACING_GAIN / 100;
    if (b->full_bw_reached || rate > b->pacing_rate)
        b->pacing_rate = MAX(rate, c->smss);
}

/* 5.6.4.7 */
static uint32_t cwnd_bound(const struct cc *c)
{
    const struct bbr *b = bbr_of(c);
    uint32_t cap = BBR_INF;

    if (b->state == BBR_CRUISE || b->state == BBR_PROBE_RTT)
        cap = bbr_with_headroom(c);
    else if (bbr_in_probe_bw(b))
        cap = b->inflight_hi;
    cap = MIN(cap, b->inflight_lo);
    if (b->state == BBR_PROBE_RTT)
        cap = MIN(cap, probe_rtt_cwnd(c));
    return MAX(cap, BBR_MIN_PIPE_SEGS * c->smss);
}

/* 5.6.4.6; in the first round of a recovery what leaves is what was delivered (5.6.4.4). */
static void set_cwnd(struct cc *c, const struct rate_sample *rs)
{
    struct bbr *b = bbr_of(c);

    if (rs->newly_lost > 0)
        c->cwnd = MAX(c->cwnd - MIN(rs->newly_lost, c->cwnd), c->smss);
    if (b->packet_conservation)
        c->cwnd = MAX(c->cwnd, rs->in_flight + rs->newly_delivered);
    else if (b->full_bw_reached)
        c->cwnd = MIN(c->cwnd + rs->newly_delivered, b->max_inflight);
    else if (c->cwnd < b->max_inflight || b->round_count < 2)
        cc_grow(c, rs->newly_delivered);
    c->cwnd = MAX(c->cwnd, BBR_MIN_PIPE_SEGS * c->smss);
    c->cwnd = MIN(c->cwnd, MIN(cwnd_bound(c), CC_CWND_MAX));
}

static void bbr_on_ack(struct cc *c, const struct cc_ack *a)
{
    bbr_update_model(c, a);
    check_drain(c, a);
    bbr_probe_bw(c, a);
    bbr_update_min_rtt(bbr_of(c), a);
    check_probe_rtt(c, a);
    bbr_bound_bw(c, a);
    set_pacing_rate(c, a);
    set_cwnd(c, a->rs);
}

/* Loss --------------------------------------------------------------------------------------------------------------- */

static void save_for_undo(struct bbr *b)
{
    b->undo_state = b->state;
    b->undo_bw_lo = b->bw_lo;
    b->undo_inflight_lo = b->inflight_lo;
    b->undo_inflight_hi = b->inflight_hi;
}

static void bbr_on_loss(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    (void)in_flight_bytes;
    (void)now_ns;
    cc_save(c);
    save_for_undo(b);
    save_cwnd(c);
    b->packet_conservation = true;
}

static void bbr_on_recovered(struct cc *c, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    (void)now_ns;
    b->packet_conservation = false;
    c->cwnd = MIN(MAX(c->cwnd, b->prior_cwnd), cwnd_bound(c));
}

static void bbr_on_rto(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    (void)in_flight_bytes;
    (void)now_ns;
    if (first) {
        cc_save(c);
        save_for_undo(b);
        save_cwnd(c);
    }
    b->loss_in_round = true;
    b->bw_probe_samples = false; /* one segment in flight, and then a few, tell nothing about how much is too much */
    b->packet_conservation = false;
    c->cwnd = c->smss;
}

/* 5.5.11 */
static void bbr_on_undo(struct cc *c, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    if (!cc_restore(c))
        return;
    b->loss_in_round = false;
    b->packet_conservation = false;
    bbr_reset_full_bw(b, 0);
    b->bw_lo = MAX(b->bw_lo, b->undo_bw_lo);
    b->inflight_lo = MAX(b->inflight_lo, b->undo_inflight_lo);
    b->inflight_hi = MAX(b->inflight_hi, b->undo_inflight_hi);
    if (b->state == BBR_PROBE_RTT || b->state == b->undo_state)
        return;
    if (b->undo_state == BBR_STARTUP) {
        b->full_bw_reached = false;
        enter_startup(b);
    } else if (b->undo_state == BBR_UP) {
        struct rate_sample rs = no_sample;

        rs.total_delivered = b->next_round_delivered;
        bbr_start_up(c, &rs, now_ns);
    }
}

/* RFC 3168 wants an answer like the one to loss: to a probe for more it is no, otherwise the lower bounds take it up. */
static void bbr_on_ecn(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);
    struct rate_sample rs = no_sample;

    rs.total_delivered = b->next_round_delivered;
    b->loss_in_round = true;
    if (b->state == BBR_STARTUP)
        b->full_bw_reached = true;
    if (b->bw_probe_samples)
        bbr_too_high(c, in_flight_bytes, false, &rs, now_ns);
}

/* 5.4.1: nothing was sent for a while; the model holds, the pace is the estimate. */
static void bbr_on_idle(struct cc *c, uint64_t idle_ns, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    (void)idle_ns;
    b->idle_restart = true;
    b->extra_acked_start_ns = now_ns;
    if (bbr_in_probe_bw(b))
        b->pacing_rate = MAX(b->bw, c->smss);
    else if (b->state == BBR_PROBE_RTT && b->probe_rtt_done_ns != 0 && now_ns > b->probe_rtt_done_ns) {
        struct rate_sample rs = no_sample;

        rs.total_delivered = b->next_round_delivered;
        leave_probe_rtt(c, &rs, now_ns);
    }
}

static uint64_t bbr_pacing_rate(const struct cc *c)
{
    return bbr_of(c)->pacing_rate;
}

const struct cc_ops cc_bbr = {
    .name = "bbr",
    .ext_bytes = sizeof(struct bbr),
    .own_recovery = true,
    .init = bbr_init,
    .on_ack = bbr_on_ack,
    .on_loss = bbr_on_loss,
    .on_recovered = bbr_on_recovered,
    .on_rto = bbr_on_rto,
    .on_undo = bbr_on_undo,
    .on_ecn = bbr_on_ecn,
    .on_idle = bbr_on_idle,
    .pacing_rate = bbr_pacing_rate,
};
