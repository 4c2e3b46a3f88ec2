/* Round-trip time estimator and retransmission timeout (RFC 6298). A value with pure functions. */
#ifndef TCP_RTT_H
#define TCP_RTT_H

#include <stdint.h>

struct rtt {
    uint64_t srtt_ns, rttvar_ns; /* 0: no sample yet */
    uint64_t min_ns;             /* smallest sample; 0: none */
    uint64_t rto_ns;             /* without back-off */
    uint8_t backoff;             /* doublings (5.5) */
};

struct rtt_conf {
    uint64_t min_ns, max_ns, initial_ns; /* bounds of the timeout; 1 s before the first sample (2.1) */
};

void rtt_init(struct rtt *r, const struct rtt_conf *c);

/* A sample (never of a segment sent more than once, Karn). expected: samples per window, RFC 7323 appendix G; 1 without timestamps. */
void rtt_sample(struct rtt *r, const struct rtt_conf *c, uint64_t sample_ns, uint32_t expected);

/* The timeout with back-off, within bounds. */
uint64_t rtt_rto(const struct rtt *r, const struct rtt_conf *c);

/* The timer expired: doubles the timeout (5.5). */
void rtt_backoff(struct rtt *r);

/* New data was acknowledged: back-off ends (5.7 and Linux' practice). */
void rtt_reset_backoff(struct rtt *r);

#endif
