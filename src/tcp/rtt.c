#include "tcp/rtt.h"

#include <stdlib.h>

#include "base/units.h"

#include "base/poison.h"

#define CLOCK_GRANULARITY_NS NS_PER_MS   /* G of RFC 6298 */
#define MIN_WINDOW_NS (300 * NS_PER_SEC) /* as Linux */
#define MOST_NS ((uint64_t)UINT32_MAX << RTT_SHIFT)

static uint64_t clamp(const struct rtt_conf *c, uint64_t v)
{
    return MIN(MAX(v, c->min_ns), c->max_ns);
}

static uint32_t units(uint64_t ns)
{
    return (uint32_t)(MIN(ns, MOST_NS) >> RTT_SHIFT);
}

void rtt_init(struct rtt *r, const struct rtt_conf *c)
{
    *r = (struct rtt){.rttvar = units(clamp(c, c->initial_ns))};
}

/*
 * The exponentially weighted mean of RFC 6298 with weight 1 / divisor. Signed, since it goes up as often as down: a branch would be
 * predicted wrongly every other time.
 */
static inline uint32_t smooth(uint32_t old, uint32_t sample, int64_t divisor)
{
    return (uint32_t)(old + ((int64_t)sample - old) / divisor);
}

/* Of the many samples of a large window the share of each may be less than a unit. It is one then, or the mean would stand still. */
static uint32_t smooth_many(uint32_t old, uint32_t sample, int64_t divisor)
{
    int64_t error = (int64_t)sample - old, step = error / divisor;

    return (uint32_t)(old + (step != 0 ? step : (error > 0) - (error < 0)));
}

/* A sample longer than the largest timeout can tell no more than that; one shorter than a unit is still a sample. */
static uint32_t cut(const struct rtt_conf *c, uint64_t sample_ns)
{
    return MAX(units(MIN(sample_ns, c->max_ns)), 1u);
}

void rtt_min_add(struct recent *min, const struct rtt_conf *c, uint64_t sample_ns, uint64_t now_ns)
{
    recent_min_add(min, (uint32_t)(MIN(sample_ns, c->max_ns) >> RTT_MIN_SHIFT), (uint32_t)(now_ns >> 20), (uint32_t)(MIN_WINDOW_NS >> 20));
}

/* RFC 6298 section 2, with alpha = 1/8 and beta = 1/4 divided by the expected samples per window (RFC 7323 appendix G). */
void rtt_sample(struct rtt *r, const struct rtt_conf *c, uint64_t sample_ns, uint32_t expected)
{
    uint32_t s = cut(c, sample_ns);

    if (unlikely(r->srtt == 0)) { /* (2.2) */
        r->srtt = s;
        r->rttvar = s / 2;
    } else { /* (2.3): the variance first, with the old mean */
        uint32_t err = (uint32_t)llabs((int64_t)s - r->srtt);

        if (likely(expected <= 1)) { /* the divisors are constants: shifts */
            r->rttvar = smooth(r->rttvar, err, 4);
            r->srtt = smooth(r->srtt, s, 8);
        } else {
            r->rttvar = smooth_many(r->rttvar, err, 4ll * expected);
            r->srtt = smooth_many(r->srtt, s, 8ll * expected);
        }
    }
}

struct rtt rtt_at_timeout(const struct rtt *r)
{
    return (struct rtt){
        .srtt = units(rtt_srtt_ns(r) + 2 * CLOCK_GRANULARITY_NS),
        .rttvar = r->srtt != 0 ? r->rttvar : 0,
    };
}

/*
 * What delayed the data may be what the path is like from now on: the estimate begins anew from the first sample that tells, and
 * does not fall below what it was.
 */
void rtt_sample_wary(struct rtt *r, const struct rtt *prev, const struct rtt_conf *c, uint64_t sample_ns)
{
    uint32_t s = cut(c, sample_ns);

    r->srtt = MAX(prev->srtt, s);
    r->rttvar = MAX(prev->rttvar, s / 2);
}

void rtt_at_least(struct rtt *r, const struct rtt_conf *c, uint64_t rto_ns)
{
    if (r->srtt == 0)
        r->rttvar = units(clamp(c, MAX(rtt_rttvar_ns(r), rto_ns)));
}

uint64_t rtt_base_rto(const struct rtt *r, const struct rtt_conf *c)
{
    if (unlikely(r->srtt == 0))
        return rtt_rttvar_ns(r);
    return clamp(c, rtt_srtt_ns(r) + MAX(CLOCK_GRANULARITY_NS, 4 * rtt_rttvar_ns(r)));
}

uint64_t rtt_rto(const struct rtt *r, const struct rtt_conf *c, uint8_t backoff)
{
    uint64_t rto = rtt_base_rto(r, c);

    return rto > c->max_ns >> backoff ? c->max_ns : rto << backoff;
}
