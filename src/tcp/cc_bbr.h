/* BBR, version 3 (draft-ietf-ccwg-bbr): its state, and the parts it is made of. Names are the draft's. */
#ifndef TCP_CC_BBR_H
#define TCP_CC_BBR_H

#include "tcp/cc.h"

enum bbr_state { BBR_STARTUP, BBR_DRAIN, BBR_DOWN, BBR_CRUISE, BBR_REFILL, BBR_UP, BBR_PROBE_RTT };

/* What the ACKs of now tell about, section 5.3.3.5. */
enum bbr_ack_phase { BBR_ACKS_INIT, BBR_ACKS_REFILLING, BBR_ACKS_PROBE_STARTING, BBR_ACKS_PROBE_FEEDBACK, BBR_ACKS_PROBE_STOPPING };

#define BBR_LOSS_THRESH 2u /* percent */
#define BBR_BETA 70u       /* percent */
#define BBR_MIN_PIPE_SEGS 4u
#define BBR_INF UINT32_MAX /* of a volume of data: no bound */
#define BBR_INF_BW UINT64_MAX

/* Rates in bytes per second, volumes in bytes, gains in percent. */
struct bbr {
    uint8_t state, ack_phase;
    bool round_start, loss_round_start, loss_in_round;
    bool full_bw_now, full_bw_reached;
    bool bw_probe_samples, idle_restart, probe_rtt_expired, probe_rtt_round_done, packet_conservation;
    uint16_t pacing_gain, cwnd_gain;

    /* the path: sections 5.5.5 to 5.5.8 */
    uint64_t max_bw_filter[2], max_bw, bw; /* of the last two probing cycles; the bound that holds now */
    uint64_t min_rtt_ns, min_rtt_stamp_ns, probe_rtt_min_ns, probe_rtt_min_stamp_ns, probe_rtt_done_ns;
    uint64_t extra_acked_start_ns;
    uint32_t extra_acked_delivered, extra_acked[2], extra_acked_round;

    /* rounds */
    uint32_t round_count, next_round_delivered, loss_round_delivered;
    uint32_t loss_events, loss_bytes, loss_delivered; /* in this round, for the exit from STARTUP */

    /* bounds learnt from loss: 5.5.10 */
    uint64_t bw_latest, bw_lo;
    uint32_t inflight_latest, inflight_lo, inflight_hi;

    /* is the pipe full: 5.3.1.2 */
    uint64_t full_bw;
    uint32_t full_bw_count;

    /* probing for bandwidth: 5.3.3 */
    uint64_t cycle_stamp_ns, bw_probe_wait_ns, random;
    uint32_t rounds_since_bw_probe, bw_probe_up_rounds, bw_probe_up_acks, probe_up_cnt;

    uint64_t pacing_rate;
    uint32_t max_inflight, prior_cwnd, cwnd_saved_round;

    /* to undo a loss that was none: 5.5.11 */
    uint8_t undo_state;
    uint64_t undo_bw_lo;
    uint32_t undo_inflight_lo, undo_inflight_hi;
};

static inline struct bbr *bbr_of(const struct cc *c)
{
    return c->ext;
}

/* cc_bbr_model.c: what the path can carry */
uint32_t bbr_inflight(const struct cc *c, uint64_t bw, uint32_t gain); /* gain times the bandwidth-delay product, with room for bursts */
uint32_t bbr_bdp(const struct bbr *b, uint64_t bw, uint32_t gain);
uint32_t bbr_with_headroom(const struct cc *c);
bool bbr_lost_much(const struct cc *c, uint32_t lost, uint32_t of);
uint32_t bbr_target_inflight(const struct cc *c);
void bbr_reset_lower_bounds(struct bbr *b);
void bbr_reset_congestion_signals(struct bbr *b);
void bbr_start_round(struct bbr *b, const struct rate_sample *rs);
void bbr_reset_full_bw(struct bbr *b, uint64_t bw);
void bbr_advance_max_bw(struct bbr *b);
void bbr_update_model(struct cc *c, const struct cc_ack *a); /* before the state machine */
void bbr_update_min_rtt(struct bbr *b, const struct cc_ack *a);
void bbr_bound_bw(struct cc *c, const struct cc_ack *a); /* after it */

/* cc_bbr_probe.c: the cycle of PROBE_BW */
bool bbr_in_probe_bw(const struct bbr *b);
void bbr_start_down(struct cc *c, const struct rate_sample *rs, uint64_t now_ns);
void bbr_start_cruise(struct bbr *b);
void bbr_start_up(struct cc *c, const struct rate_sample *rs, uint64_t now_ns);
void bbr_probe_bw(struct cc *c, const struct cc_ack *a);
void bbr_too_high(struct cc *c, uint32_t tx_in_flight, bool app_limited, const struct rate_sample *rs, uint64_t now_ns);

#endif
