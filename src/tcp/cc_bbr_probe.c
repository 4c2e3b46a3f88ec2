/* PROBE_BW of BBR (draft-ietf-ccwg-bbr section 5.3.3): DOWN empties the queue, CRUISE leaves room, REFILL fills the pipe, UP asks for more.
 */
#include "base/units.h"
#include "tcp/cc_bbr.h"

#include "base/poison.h"

#define PROBE_WAIT_NS (2 * NS_PER_SEC)
#define PROBE_WAIT_RANDOM_NS NS_PER_SEC
#define RENO_ROUNDS_MAX 63u

bool bbr_in_probe_bw(const struct bbr *b)
{
    return b->state >= BBR_DOWN && b->state <= BBR_UP;
}

/* xorshift: only so that flows do not probe in step. */
static uint64_t next_random(struct bbr *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

static void set_gains(struct bbr *b, enum bbr_state st, uint16_t pacing_gain, uint16_t cwnd_gain)
{
    b->state = (uint8_t)st;
    b->pacing_gain = pacing_gain;
    b->cwnd_gain = cwnd_gain;
}

void bbr_start_down(struct cc *c, const struct rate_sample *rs, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    bbr_reset_congestion_signals(b);
    b->probe_up_cnt = BBR_INF;
    b->rounds_since_bw_probe = next_random(b) & 1;
    b->bw_probe_wait_ns = PROBE_WAIT_NS + next_random(b) % PROBE_WAIT_RANDOM_NS;
    b->cycle_stamp_ns = now_ns;
    b->ack_phase = BBR_ACKS_PROBE_STOPPING;
    bbr_start_round(b, rs);
    set_gains(b, BBR_DOWN, 90, 200);
}

void bbr_start_cruise(struct bbr *b)
{
    set_gains(b, BBR_CRUISE, 100, 200);
}

static void start_refill(struct bbr *b, const struct rate_sample *rs)
{
    bbr_reset_lower_bounds(b);
    b->bw_probe_up_rounds = 0;
    b->bw_probe_up_acks = 0;
    b->ack_phase = BBR_ACKS_REFILLING;
    bbr_start_round(b, rs);
    set_gains(b, BBR_REFILL, 100, 200);
}

/* inflight_hi grows by 1, 2, 4, ... segments in the rounds of UP: acknowledged bytes per segment of growth. */
static void raise_slope(struct cc *c, struct bbr *b)
{
    uint64_t growth = 1ull << b->bw_probe_up_rounds;

    b->bw_probe_up_rounds = MIN(b->bw_probe_up_rounds + 1, 30u);
    b->probe_up_cnt = (uint32_t)MAX(c->cwnd / growth, (uint64_t)1);
}

void bbr_start_up(struct cc *c, const struct rate_sample *rs, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    b->ack_phase = BBR_ACKS_PROBE_STARTING;
    bbr_start_round(b, rs);
    bbr_reset_full_bw(b, rs->rate);
    b->cycle_stamp_ns = now_ns;
    set_gains(b, BBR_UP, 125, 225);
    raise_slope(c, b);
}

static void probe_upward(struct cc *c, struct bbr *b, const struct cc_ack *a)
{
    uint32_t n;

    if (!a->cwnd_limited || c->cwnd < b->inflight_hi)
        return;
    b->bw_probe_up_acks += a->rs->newly_delivered;
    n = b->bw_probe_up_acks / b->probe_up_cnt;
    b->bw_probe_up_acks -= n * b->probe_up_cnt;
    b->inflight_hi = (uint32_t)MIN(b->inflight_hi + (uint64_t)n * c->smss, (uint64_t)CC_CWND_MAX);
    if (b->round_start)
        raise_slope(c, b);
}

/* 5.5.10.2: this much in flight cost more than 2 % of it. */
void bbr_too_high(struct cc *c, uint32_t tx_in_flight, bool app_limited, const struct rate_sample *rs, uint64_t now_ns)
{
    struct bbr *b = bbr_of(c);

    b->bw_probe_samples = false;
    if (!app_limited)
        b->inflight_hi = MAX(tx_in_flight, (uint32_t)((uint64_t)bbr_target_inflight(c) * BBR_BETA / 100));
    if (b->state == BBR_UP)
        bbr_start_down(c, rs, now_ns);
}

static void adapt_upper_bounds(struct cc *c, struct bbr *b, const struct cc_ack *a)
{
    const struct rate_sample *rs = a->rs;

    if (b->ack_phase == BBR_ACKS_PROBE_STARTING && b->round_start)
        b->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
    if (b->ack_phase == BBR_ACKS_PROBE_STOPPING && b->round_start) {
        b->bw_probe_samples = false;
        b->ack_phase = BBR_ACKS_INIT;
        if (bbr_in_probe_bw(b) && !rs->app_limited)
            bbr_advance_max_bw(b);
    }
    if (!rs->valid)
        return;
    if (bbr_lost_much(c, rs->lost, rs->tx_in_flight)) {
        if (b->bw_probe_samples)
            bbr_too_high(c, rs->tx_in_flight, rs->app_limited, rs, a->now_ns);
        return;
    }
    if (b->inflight_hi == BBR_INF)
        return;
    b->inflight_hi = MAX(b->inflight_hi, rs->tx_in_flight);
    if (b->state == BBR_UP)
        probe_upward(c, b, a);
}

/* 5.3.3.5: by the clock, or after as many rounds as Reno would need to recover from one loss. */
static bool time_to_probe(const struct cc *c, const struct bbr *b, uint64_t now_ns)
{
    uint32_t reno_rounds = MIN(bbr_target_inflight(c) / c->smss, RENO_ROUNDS_MAX);

    return now_ns > b->cycle_stamp_ns + b->bw_probe_wait_ns || b->rounds_since_bw_probe >= MAX(reno_rounds, 1u);
}

static bool time_to_cruise(const struct cc *c, const struct bbr *b, const struct rate_sample *rs)
{
    return rs->in_flight <= bbr_with_headroom(c) && rs->in_flight <= bbr_inflight(c, b->max_bw, 100);
}

static bool time_to_go_down(struct cc *c, struct bbr *b, const struct cc_ack *a)
{
    if (a->cwnd_limited && c->cwnd >= b->inflight_hi) { /* our own bound holds the rate down: no plateau of the path */
        bbr_reset_full_bw(b, a->rs->rate);
        return false;
    }
    return b->full_bw_now;
}

void bbr_probe_bw(struct cc *c, const struct cc_ack *a)
{
    struct bbr *b = bbr_of(c);

    if (!b->full_bw_reached)
        return;
    adapt_upper_bounds(c, b, a);
    switch (b->state) {
    case BBR_DOWN:
        if (time_to_probe(c, b, a->now_ns))
            start_refill(b, a->rs);
        else if (time_to_cruise(c, b, a->rs))
            bbr_start_cruise(b);
        break;
    case BBR_CRUISE:
        if (time_to_probe(c, b, a->now_ns))
            start_refill(b, a->rs);
        break;
    case BBR_REFILL:
        if (b->round_start) { /* one round at the full rate: samples tell about the probe from now on */
            b->bw_probe_samples = true;
            bbr_start_up(c, a->rs, a->now_ns);
        }
        break;
    case BBR_UP:
        if (time_to_go_down(c, b, a))
            bbr_start_down(c, a->rs, a->now_ns);
        break;
    default:
        break;
    }
}
