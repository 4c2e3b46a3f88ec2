/*
 * Round-trip time estimator and retransmission timeout (RFC 6298), made more careful after a timeout that was spurious (RFC 4015), and
 * the smallest round-trip time of the last minutes (RFC 8985). Values with pure functions.
 */
#ifndef TCP_RTT_H
#define TCP_RTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/recent.h"

/* In units of 64 ns, of which a millisecond has a whole number: 4.6 minutes at most. */
struct rtt {
    uint32_t srtt;   /* 0: no sample yet */
    uint32_t rttvar; /* before there is a sample: the timeout */
};

#define RTT_SHIFT 6u
#define RTT_MIN_SHIFT 10u /* of the smallest one */

static inline uint64_t rtt_srtt_ns(const struct rtt *r)
{
    return (uint64_t)r->srtt << RTT_SHIFT;
}

static inline uint64_t rtt_rttvar_ns(const struct rtt *r)
{
    return (uint64_t)r->rttvar << RTT_SHIFT;
}

/* Of timeouts that follow each other (5.5), doublings. */
#define RTT_BACKOFF_MAX 63u

struct rtt_conf {
    uint64_t min_ns, max_ns, initial_ns; /* bounds of the timeout; 1 s before the first sample (2.1) */
};

void rtt_init(struct rtt *r, const struct rtt_conf *c);

/* A sample (never of a segment sent more than once, Karn). expected: samples per window, RFC 7323 appendix G; 1 without timestamps. */
void rtt_sample(struct rtt *r, const struct rtt_conf *c, uint64_t sample_ns, uint32_t expected);

/* RFC 4015 section 3.2 step (0): SRTT_prev and RTTVAR_prev at the first retransmission timeout of some data. */
struct rtt rtt_at_timeout(const struct rtt *r);

/* Step (11): the first sample of data that had not been sent when a spurious timeout occurred. */
void rtt_sample_wary(struct rtt *r, const struct rtt *prev, const struct rtt_conf *c, uint64_t sample_ns);

/* RACK.min_RTT (RFC 8985 6.2 step 1): the smallest sample of the last five minutes, of two and a half at least; 0: none. */
static inline uint64_t rtt_min_ns(const struct recent *min)
{
    uint32_t v = recent_min(min);

    return v == RECENT_NONE ? 0 : (uint64_t)v << RTT_MIN_SHIFT;
}

void rtt_min_add(struct recent *min, const struct rtt_conf *c, uint64_t sample_ns, uint64_t now_ns);

/* A first sample is waited for at least so long (5.7). */
void rtt_at_least(struct rtt *r, const struct rtt_conf *c, uint64_t rto_ns);

/* The timeout within bounds, without back-off and with it. */
uint64_t rtt_base_rto(const struct rtt *r, const struct rtt_conf *c);
uint64_t rtt_rto(const struct rtt *r, const struct rtt_conf *c, uint8_t backoff);

#endif
