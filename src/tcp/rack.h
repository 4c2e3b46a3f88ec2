/*
 * RACK (RFC 8985 section 6): what is newest among all that arrived, and how long the network may take to reorder. A value
 * with pure functions; the records that it judges are the sent map's.
 */
#ifndef TCP_RACK_H
#define TCP_RACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

#define RACK_DUP_THRESH 3u

struct rack {
    uint64_t xmit_ns;        /* RACK.xmit_ts: of the most recently sent segment that arrived */
    uint32_t end_seq;        /* RACK.end_seq */
    uint32_t dsack_round;    /* RACK.dsack_round, when in_dsack_round */
    uint8_t reo_wnd_steps;   /* RACK.reo_wnd_mult - 1 */
    uint8_t reo_wnd_persist; /* RACK.reo_wnd_persist: recoveries without DSACK until the window is the smallest again */
    bool reordering_seen : 1, in_dsack_round : 1;
};

/* Step 2: a segment sent at xmit_ns and ending at end_seq arrived; known: r tells of others. */
void rack_arrived(struct rack *r, bool known, uint64_t xmit_ns, uint32_t end_seq);

#define RACK_RTT_NONE UINT32_MAX

/* RACK.rtt: its round trip, rounded up. */
static inline uint32_t rack_rtt_us(uint64_t xmit_ns, uint64_t now_ns)
{
    return (uint32_t)MIN((now_ns - xmit_ns + NS_PER_US - 1) / NS_PER_US, (uint64_t)RACK_RTT_NONE - 1);
}

/* Step 4: the round-trip's acknowledgements report duplicates: the reordering window was too small. At most once per round trip. */
void rack_on_dsack(struct rack *r, uint32_t snd_una, uint32_t snd_nxt);

/* Step 4: a recovery is over. */
void rack_recovered(struct rack *r);

/* Step 4: RACK.reo_wnd. n_sacked: segments SACKed at present. */
uint64_t rack_reo_wnd_ns(const struct rack *r, uint64_t min_rtt_ns, uint64_t srtt_ns, uint32_t n_sacked, bool in_recovery);

#endif
