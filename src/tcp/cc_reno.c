#include "base/units.h"
#include "tcp/cc.h"

#include "base/poison.h"

enum reno_state {
    BYTES_ACKED, /* acknowledged since cwnd last grew in congestion avoidance (RFC 3465 section 2.1) */
    AFTER_RTO,   /* slow start because of a timeout */
};

void cc_reno_init(struct cc *c, uint64_t now_ns)
{
    (void)now_ns;
    c->state[BYTES_ACKED] = 0;
    c->state[AFTER_RTO] = 0;
    c->quiet = true;
}

/* Returns the acknowledged bytes that are left when ssthresh is reached. */
static uint32_t slow_start(struct cc *c, uint32_t acked)
{
    /* RFC 3465 section 2.3: L = 2, but 1 after a timeout, when one ACK may cover much that had arrived long before. */
    uint32_t limit = c->state[AFTER_RTO] ? c->smss : 2 * c->smss;
    uint32_t inc = MIN(MIN(acked, limit), c->ssthresh - c->cwnd);
    bool reached = inc == c->ssthresh - c->cwnd;

    cc_grow(c, inc);
    return reached ? acked - inc : 0;
}

/* At most one segment per window of acknowledged bytes, RFC 5681 section 3.1 equation 2 by byte counting. */
static void congestion_avoidance(struct cc *c, uint32_t acked)
{
    c->state[AFTER_RTO] = 0;
    c->state[BYTES_ACKED] += acked;
    if (c->state[BYTES_ACKED] < c->cwnd)
        return;
    c->state[BYTES_ACKED] = MIN(c->state[BYTES_ACKED] - c->cwnd, c->cwnd);
    cc_grow(c, c->smss);
}

void cc_reno_on_ack(struct cc *c, const struct cc_ack *a)
{
    uint32_t acked = a->acked_bytes;

    if (!a->cwnd_limited)
        return;
    if (c->cwnd < c->ssthresh)
        acked = slow_start(c, acked);
    if (acked > 0 && c->cwnd >= c->ssthresh)
        congestion_avoidance(c, acked);
}

/* RFC 5681 equation 4. */
static uint32_t half_flight(const struct cc *c, uint32_t in_flight_bytes)
{
    return MAX(in_flight_bytes / 2, 2 * c->smss);
}

/* RFC 6675 section 5 (4.2): no inflation by three segments, since pipe counts what has left the network. */
void cc_reno_on_loss(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    (void)now_ns;
    cc_save(c);
    c->ssthresh = half_flight(c, in_flight_bytes);
    c->cwnd = c->ssthresh;
    c->state[BYTES_ACKED] = 0;
}

void cc_reno_on_recovered(struct cc *c, uint64_t now_ns)
{
    (void)now_ns;
    c->cwnd = c->ssthresh;
    c->state[BYTES_ACKED] = 0;
}

/* RFC 5681 section 3.1: the loss window is one segment; ssthresh is held when the same data times out again. */
void cc_reno_on_rto(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns)
{
    (void)now_ns;
    if (first) {
        cc_save(c);
        c->ssthresh = half_flight(c, in_flight_bytes);
    }
    c->cwnd = c->smss;
    c->state[BYTES_ACKED] = 0;
    c->state[AFTER_RTO] = 1;
}

void cc_reno_on_undo(struct cc *c, uint64_t now_ns)
{
    (void)now_ns;
    if (cc_restore(c))
        c->state[AFTER_RTO] = 0;
}

/* RFC 8511: an ECN mark comes from a short queue, so beta is 0.8 there, not one half. */
static void reno_on_ecn(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    (void)now_ns;
    c->ssthresh = MAX((uint32_t)((uint64_t)in_flight_bytes * 4 / 5), 2 * c->smss);
    c->cwnd = MIN(c->cwnd, c->ssthresh);
    c->state[BYTES_ACKED] = 0;
}

void cc_reno_on_idle(struct cc *c, uint64_t idle_ns, uint64_t now_ns)
{
    (void)idle_ns;
    (void)now_ns;
    c->state[AFTER_RTO] = 0; /* nothing is in flight that an ACK could cover */
}

const struct cc_ops cc_reno = {
    .name = "reno",
    .init = cc_reno_init,
    .on_ack = cc_reno_on_ack,
    .on_loss = cc_reno_on_loss,
    .on_recovered = cc_reno_on_recovered,
    .on_rto = cc_reno_on_rto,
    .on_undo = cc_reno_on_undo,
    .on_ecn = reno_on_ecn,
    .on_idle = cc_reno_on_idle,
};
