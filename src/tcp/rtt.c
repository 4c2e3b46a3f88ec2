#include "tcp/rtt.h"

#include <stdlib.h>

#include "base/units.h"

#include "base/poison.h"

#define CLOCK_GRANULARITY_NS NS_PER_MS /* G of RFC 6298 */
#define BACKOFF_MAX 63u
#define MIN_WINDOW_NS (300 * NS_PER_SEC) /* as Linux */

static uint64_t clamp(const struct rtt_conf *c, uint64_t v)
{
    return MIN(MAX(v, c->min_ns), c->max_ns);
}

void rtt_init(struct rtt *r, const struct rtt_conf *c)
{
    *r = (struct rtt){.rttvar_ns = clamp(c, c->initial_ns)};
    recent_init(&r->min);
}

/*
 * The exponentially weighted mean of RFC 6298 with weight 1 / divisor. Signed, since it goes up as often as down: a branch would be
 * predicted wrongly every other time. Both are less than 2^63 (cut()).
 */
static inline uint64_t smooth(uint64_t old, uint64_t sample, int64_t divisor)
{
    return old + (uint64_t)((int64_t)(sample - old) / divisor);
}

static uint64_t cut(const struct rtt_conf *c, uint64_t sample_ns)
{
    return MIN(MAX(sample_ns, 1u), c->max_ns);
}

static void note_min(struct rtt *r, uint64_t sample_ns, uint64_t now_ns)
{
    recent_min_add(&r->min, (uint32_t)(sample_ns >> 10), (uint32_t)(now_ns >> 20), (uint32_t)(MIN_WINDOW_NS >> 20));
}

/*
 * RFC 6298 section 2, with alpha = 1/8 and beta = 1/4 divided by the expected samples per window (RFC 7323 appendix G). A
 * sample longer than the largest timeout can tell no more than that, and is cut so that the sums cannot overflow.
 */
void rtt_sample(struct rtt *r, const struct rtt_conf *c, uint64_t sample_ns, uint32_t expected, uint64_t now_ns)
{
    uint64_t s = cut(c, sample_ns);

    expected = MAX(expected, 1u);
    if (r->srtt_ns == 0) { /* (2.2) */
        r->srtt_ns = s;
        r->rttvar_ns = s / 2;
    } else { /* (2.3): the variance first, with the old mean */
        uint64_t err = (uint64_t)llabs((long long)(s - r->srtt_ns));

        if (likely(expected == 1)) { /* the divisors are constants: shifts */
            r->rttvar_ns = smooth(r->rttvar_ns, err, 4);
            r->srtt_ns = smooth(r->srtt_ns, s, 8);
        } else {
            r->rttvar_ns = smooth(r->rttvar_ns, err, 4ll * expected);
            r->srtt_ns = smooth(r->srtt_ns, s, 8ll * expected);
        }
    }
    note_min(r, s, now_ns);
}

static uint32_t units(uint64_t ns)
{
    return (uint32_t)MIN(ns >> 10, (uint64_t)UINT32_MAX);
}

void rtt_timeout(struct rtt *r, struct rtt_prev *prev)
{
    prev->srtt = units(r->srtt_ns + 2 * CLOCK_GRANULARITY_NS);
    prev->rttvar = r->srtt_ns != 0 ? units(r->rttvar_ns) : 0;
    r->wary = false;
}

void rtt_spurious(struct rtt *r)
{
    r->wary = true;
}

/*
 * What delayed the data may be what the path is like from now on: the estimate begins anew from the first sample that tells, and
 * does not fall below what it was.
 */
void rtt_sample_wary(struct rtt *r, const struct rtt_prev *prev, const struct rtt_conf *c, uint64_t sample_ns, uint64_t now_ns)
{
    uint64_t s = cut(c, sample_ns);

    r->srtt_ns = MAX((uint64_t)prev->srtt << 10, s);
    r->rttvar_ns = MAX((uint64_t)prev->rttvar << 10, s / 2);
    r->wary = false;
    note_min(r, s, now_ns);
}

void rtt_at_least(struct rtt *r, const struct rtt_conf *c, uint64_t rto_ns)
{
    if (r->srtt_ns == 0)
        r->rttvar_ns = clamp(c, MAX(r->rttvar_ns, rto_ns));
}

uint64_t rtt_base_rto(const struct rtt *r, const struct rtt_conf *c)
{
    if (unlikely(r->srtt_ns == 0))
        return r->rttvar_ns;
    return clamp(c, r->srtt_ns + MAX(CLOCK_GRANULARITY_NS, 4 * r->rttvar_ns));
}

uint64_t rtt_rto(const struct rtt *r, const struct rtt_conf *c)
{
    uint64_t rto = rtt_base_rto(r, c);

    return rto > c->max_ns >> r->backoff ? c->max_ns : rto << r->backoff;
}

void rtt_backoff(struct rtt *r)
{
    if (r->backoff < BACKOFF_MAX)
        r->backoff++;
}

void rtt_reset_backoff(struct rtt *r)
{
    r->backoff = 0;
}
