#include "tcp/cwv.h"

#include "base/seq.h"
#include "base/units.h"

#include "base/poison.h"

#define VALID_SHIFT 30u
#define NVP ((uint32_t)(300 * NS_PER_SEC >> VALID_SHIFT)) /* section 5: five minutes at most */

/* 4.2: the pipeACK Sampling Period is max(3 * RTT, 1 second). */
static uint32_t sampling_period(uint64_t srtt_ns)
{
    return (uint32_t)(MAX(3 * srtt_ns, NS_PER_SEC) >> 20);
}

void cwv_reset(struct cwv *v, uint64_t now_ns)
{
    *v = (struct cwv){.valid = (uint32_t)(now_ns >> VALID_SHIFT), .last = cwv_tick(now_ns) & CWV_TICK_MASK};
    recent_init(&v->samples);
}

void cwv_sent(struct cwv *v, uint32_t snd_una, uint32_t snd_nxt, uint32_t cwnd)
{
    if (v->in_round)
        return;
    v->in_round = true;
    v->due = false;
    v->round_start = snd_una;
    v->round_end = snd_nxt;
    v->round_cwnd = cwnd;
}

/*
 * 4.3: validated is a window of which half was used. A sample is compared with the window that its data was sent under, or slow start,
 * whose window doubles until they are acknowledged, would leave the phase in every round trip.
 */
bool cwv_acked(struct cwv *v, uint32_t snd_una, uint32_t cwnd, uint64_t srtt_ns, uint64_t now_ns)
{
    v->due = v->due || cwv_epoch_ends(v, now_ns); /* what leaves in the turn of this ACK would not see it */
    v->last = cwv_tick(now_ns) & CWV_TICK_MASK;
    if (likely(!v->in_round) || seq_lt(snd_una, v->round_end))
        return false;
    v->in_round = false;
    v->defined = true;
    recent_max_add(&v->samples, snd_una - v->round_start, (uint32_t)(now_ns >> 20), sampling_period(srtt_ns));
    v->unvalidated = recent_max(&v->samples) < MIN(cwnd, v->round_cwnd) / 2;
    if (!v->unvalidated)
        v->valid = (uint32_t)(now_ns >> VALID_SHIFT);
    return true;
}

uint64_t cwv_idle_ns(const struct cwv *v, uint64_t now_ns)
{
    uint64_t most = (uint64_t)((uint32_t)(now_ns >> VALID_SHIFT) - v->valid) << VALID_SHIFT;

    return most > CWV_AGE_NS ? most : (uint64_t)cwv_age(v, now_ns) << 20;
}

void cwv_idle(struct cwv *v, uint32_t cwnd, uint64_t srtt_ns, uint64_t now_ns)
{
    if (!v->defined)
        return;
    recent_roll(&v->samples, (uint32_t)(now_ns >> 20), sampling_period(srtt_ns));
    v->unvalidated = recent_max(&v->samples) < cwnd / 2;
}

uint32_t cwv_periods_over(struct cwv *v, uint64_t now_ns)
{
    uint32_t n = ((uint32_t)(now_ns >> VALID_SHIFT) - v->valid) / NVP;

    v->valid += n * NVP;
    return n;
}

uint32_t cwv_used(const struct cwv *v, uint32_t snd_una, uint32_t flight)
{
    uint32_t used = MAX(recent_max(&v->samples), flight);

    return v->in_round ? MAX(used, snd_una - v->round_start) : used;
}
