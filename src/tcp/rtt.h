/*
 * Round-trip time estimator and retransmission timeout (RFC 6298), made more careful after a timeout that was spurious (RFC 4015), and
 * the smallest round-trip time of the last minutes (RFC 8985). A value with pure functions.
 */
#ifndef TCP_RTT_H
#define TCP_RTT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/recent.h"

struct rtt {
    uint64_t srtt_ns;   /* 0: no sample yet */
    uint64_t rttvar_ns; /* before there is a sample: the timeout */
    struct recent min;  /* in units of 1024 ns */
    uint8_t backoff;    /* doublings (5.5) */
    bool wary;          /* the last timeout was spurious: the first sample of newer data says how long to wait */
};

/* SRTT_prev and RTTVAR_prev of RFC 4015, in units of 1024 ns. */
struct rtt_prev {
    uint32_t srtt, rttvar;
};

struct rtt_conf {
    uint64_t min_ns, max_ns, initial_ns; /* bounds of the timeout; 1 s before the first sample (2.1) */
};

void rtt_init(struct rtt *r, const struct rtt_conf *c);

/* A sample (never of a segment sent more than once, Karn). expected: samples per window, RFC 7323 appendix G; 1 without timestamps. */
void rtt_sample(struct rtt *r, const struct rtt_conf *c, uint64_t sample_ns, uint32_t expected, uint64_t now_ns);

/* RACK.min_RTT (RFC 8985 6.2 step 1): the smallest sample of the last five minutes, of two and a half at least; 0: none. */
static inline uint64_t rtt_min_ns(const struct rtt *r)
{
    uint32_t v = recent_min(&r->min);

    return v == RECENT_NONE ? 0 : (uint64_t)v << 10;
}

/* RFC 4015 section 3.2 step (0): the first retransmission timeout of some data. */
void rtt_timeout(struct rtt *r, struct rtt_prev *prev);

/* Step (7): it was spurious. */
void rtt_spurious(struct rtt *r);

/* Step (11), when wary: a sample of data that had not been sent when the spurious timeout occurred. */
void rtt_sample_wary(struct rtt *r, const struct rtt_prev *prev, const struct rtt_conf *c, uint64_t sample_ns, uint64_t now_ns);

/* A first sample is waited for at least so long (5.7). */
void rtt_at_least(struct rtt *r, const struct rtt_conf *c, uint64_t rto_ns);

/* The timeout within bounds, without back-off and with it. */
uint64_t rtt_base_rto(const struct rtt *r, const struct rtt_conf *c);
uint64_t rtt_rto(const struct rtt *r, const struct rtt_conf *c);

/* The timer expired: doubles the timeout (5.5). */
void rtt_backoff(struct rtt *r);

/* New data was acknowledged: back-off ends (5.7 and Linux' practice). */
void rtt_reset_backoff(struct rtt *r);

#endif
