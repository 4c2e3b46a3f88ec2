/*
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406) in the initial slow start. Windows in bytes, so the RFC's C * (t - K)^3 segments are
 * multiplied by the segment size; times inside the curve in milliseconds.
 */
#include "base/seq.h"
#include "base/units.h"
#include "tcp/cc.h"

#include "base/poison.h"

/* RFC 9406 section 4.3 */
#define MIN_RTT_THRESH_NS (4 * NS_PER_MS)
#define MAX_RTT_THRESH_NS (16 * NS_PER_MS)
#define MIN_RTT_DIVISOR 8u
#define N_RTT_SAMPLE 8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS 5u
#define HYSTART_L 8u /* segments per ACK without pacing */

#define CURVE_MS_MAX (1 << 20) /* 17 minutes from the plateau: the curve is far above any window */
#define RTT_NONE UINT32_MAX

/* The first two are the initial slow start. */
enum phase { SLOW_START, CONSERVATIVE, LATER, AFTER_RTO };

/* Of HyStart++: round-trip times in units of 1.024 us. */
struct hystart {
    uint32_t window_end;
    uint32_t last_min, cur_min, css_baseline;
    uint8_t samples, css_rounds;
    bool begun;
};

/* Of a congestion avoidance stage ("epoch"), RFC 9438 section 4.1.2. */
struct epoch {
    uint64_t start_ns; /* moved forward by the time that the application did not use the window; 0: the stage has not begun */
    uint32_t w_max, cwnd_prior;
    uint32_t k_ms;
    uint32_t w_est; /* what Reno would have */
};

struct cubic {
    struct epoch now;
    union {
        struct epoch undo;
        struct hystart hs; /* until the first congestion */
    };
    uint32_t est_acked; /* acknowledged since w_est last grew */
    uint32_t remainder; /* of the division that makes cwnd grow */
    uint32_t last_us;   /* time of the last ACK */
    uint8_t phase;
} __attribute__((may_alias));

_Static_assert(sizeof(struct cubic) <= sizeof(((struct cc *)0)->state), "CUBIC's state fits");

static struct cubic *cubic(struct cc *c)
{
    return (struct cubic *)c->state;
}

static void hystart_begin(struct hystart *h)
{
    *h = (struct hystart){.last_min = RTT_NONE, .cur_min = RTT_NONE, .css_baseline = RTT_NONE};
}

static void cubic_init(struct cc *c, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    (void)now_ns;
    *q = (struct cubic){0};
    if (c->ssthresh == UINT32_MAX)
        hystart_begin(&q->hs);
    else
        q->phase = LATER;
}

/* Slow start ------------------------------------------------------------------------------------------------------------ */

/* Section 4.2: the minimum of this round has grown over the last one's: a queue is building up. */
static bool rtt_grew(const struct hystart *h)
{
    uint32_t thresh = h->last_min / MIN_RTT_DIVISOR;

    if (h->samples < N_RTT_SAMPLE || h->cur_min == RTT_NONE || h->last_min == RTT_NONE)
        return false;
    thresh = MAX(thresh, (uint32_t)(MIN_RTT_THRESH_NS >> 10));
    thresh = MIN(thresh, (uint32_t)(MAX_RTT_THRESH_NS >> 10));
    return h->cur_min >= h->last_min + thresh;
}

static void next_round(struct cc *c, struct cubic *q, const struct cc_ack *a)
{
    struct hystart *h = &q->hs;

    h->window_end = a->nxt;
    h->last_min = h->cur_min;
    h->cur_min = RTT_NONE;
    h->samples = 0;
    if (q->phase == CONSERVATIVE && ++h->css_rounds >= CSS_ROUNDS)
        c->ssthresh = c->cwnd; /* congestion avoidance */
}

static void hystart_ack(struct cc *c, struct cubic *q, const struct cc_ack *a)
{
    struct hystart *h = &q->hs;

    if (!h->begun) {
        h->begun = true;
        h->window_end = a->nxt;
    }
    if (a->rtt_ns != 0) {
        h->cur_min = MIN(h->cur_min, (uint32_t)MIN(a->rtt_ns >> 10, (uint64_t)RTT_NONE - 1));
        h->samples = (uint8_t)MIN(h->samples + 1u, N_RTT_SAMPLE);
    }
    if (q->phase == SLOW_START && rtt_grew(h)) {
        q->phase = CONSERVATIVE;
        h->css_baseline = h->cur_min;
        h->css_rounds = 0;
    } else if (q->phase == CONSERVATIVE && h->samples >= N_RTT_SAMPLE && h->cur_min < h->css_baseline) {
        q->phase = SLOW_START; /* the growth was not real */
        h->css_baseline = RTT_NONE;
    }
    if (seq_geq(a->una, h->window_end))
        next_round(c, q, a);
}

/* Returns the acknowledged bytes that are left when ssthresh is reached. */
static uint32_t slow_start(struct cc *c, const struct cubic *q, uint32_t acked)
{
    /* RFC 9406 section 4.3; later RFC 3465's 2, and 1 after a timeout, when one ACK may cover much that had arrived long before */
    uint32_t limit = q->phase <= CONSERVATIVE ? HYSTART_L : q->phase == AFTER_RTO ? 1 : 2;
    uint32_t inc = MIN(acked, limit * c->smss);

    if (q->phase == CONSERVATIVE)
        inc /= CSS_GROWTH_DIVISOR;
    if (inc < c->ssthresh - c->cwnd) {
        cc_grow(c, inc);
        return 0;
    }
    inc = c->ssthresh - c->cwnd;
    cc_grow(c, inc);
    return acked - MIN(acked, inc);
}

/* Congestion avoidance -------------------------------------------------------------------------------------------------- */

static uint64_t cube_root(uint64_t x)
{
    uint64_t r = 0;

    for (int bit = 21; bit >= 0; bit--) {
        uint64_t t = r | 1ull << bit;

        if (t <= 2642245 && t * t * t <= x) /* the cube of a larger one is more than 64 bits */
            r = t;
    }
    return r;
}

/* Equation 2: K = cubic_root((W_max - cwnd_epoch) / C), C = 0.4. */
static uint32_t k_ms(uint32_t gap_bytes, uint32_t smss)
{
    return (uint32_t)cube_root((uint64_t)gap_bytes * (NS_PER_SEC * 10 / 4) / smss);
}

/* Equation 1: W_cubic(t) = C * (t - K)^3 + W_max. */
static uint64_t w_cubic(const struct cc *c, const struct epoch *e, uint64_t t_ns)
{
    int64_t d = (int64_t)MIN(t_ns / NS_PER_MS, (uint64_t)CURVE_MS_MAX) - e->k_ms, delta, w;

    d = MAX(d, -(int64_t)CURVE_MS_MAX);
    delta = d * d * d / 1000000 * c->smss * 4 / 10000;
    w = e->w_max + delta;
    return (uint64_t)MAX(w, 0);
}

/* Sections 4.2 and 4.8: without a W_max above the window (no loss yet, a timeout) the stage begins at the plateau. */
static void epoch_begin(struct cc *c, struct cubic *q, uint64_t now_ns)
{
    struct epoch *e = &q->now;

    e->start_ns = now_ns;
    c->quiet = false;
    q->last_us = (uint32_t)(now_ns / NS_PER_US);
    if (c->cwnd < e->w_max) {
        e->k_ms = k_ms(e->w_max - c->cwnd, c->smss);
    } else {
        e->k_ms = 0;
        e->w_max = c->cwnd;
    }
    e->w_est = c->cwnd;
    q->est_acked = 0;
    q->remainder = 0;
}

/* Section 4.3: alpha = 3 * (1 - 0.7) / (1 + 0.7) = 9/17 segments per window, 1 from cwnd_prior on. */
static void grow_w_est(const struct cc *c, struct cubic *q, uint32_t acked)
{
    q->est_acked += acked;
    for (;;) {
        uint32_t need = q->now.w_est >= q->now.cwnd_prior ? c->cwnd : (uint32_t)((uint64_t)c->cwnd * 17 / 9);

        if (q->est_acked < need)
            return;
        q->est_acked -= need;
        q->now.w_est = MIN(q->now.w_est + c->smss, CC_CWND_MAX);
    }
}

static void congestion_avoidance(struct cc *c, struct cubic *q, uint32_t acked, const struct cc_ack *a)
{
    struct epoch *e = &q->now;
    uint64_t t, target, gain;

    if (e->start_ns == 0)
        epoch_begin(c, q, a->now_ns);
    t = a->now_ns - e->start_ns;
    grow_w_est(c, q, acked);
    if (w_cubic(c, e, t) < e->w_est) { /* 4.3: the Reno-friendly region */
        c->cwnd = MAX(c->cwnd, e->w_est);
        return;
    }
    target = w_cubic(c, e, t + a->srtt_ns); /* 4.4, 4.5; the clamp is 4.2's */
    target = MIN(MAX(target, (uint64_t)c->cwnd), (uint64_t)c->cwnd + c->cwnd / 2);
    gain = (uint64_t)acked * (target - c->cwnd) + q->remainder;
    q->remainder = (uint32_t)(gain % c->cwnd);
    cc_grow(c, (uint32_t)(gain / c->cwnd));
}

/* The time since the last ACK, of a stage that has begun. */
static uint64_t pass_time(struct cubic *q, uint64_t now_ns)
{
    uint32_t us = (uint32_t)(now_ns / NS_PER_US), since_us = us - q->last_us;

    q->last_us = us;
    return since_us * NS_PER_US;
}

static void cubic_on_ack(struct cc *c, const struct cc_ack *a)
{
    struct cubic *q = cubic(c);
    uint32_t acked = a->acked_bytes;
    uint64_t passed = q->now.start_ns != 0 ? pass_time(q, a->now_ns) : 0;

    if (!a->cwnd_limited) { /* 4.2: t does not count while the application leaves the window unused (5.8) */
        c->quiet = q->now.start_ns == 0;
        if (passed != 0)
            q->now.start_ns = MIN(q->now.start_ns + passed, a->now_ns);
        return;
    }
    if (q->phase <= CONSERVATIVE)
        hystart_ack(c, q, a);
    if (c->cwnd < c->ssthresh)
        acked = slow_start(c, q, acked);
    if (acked > 0 && c->cwnd >= c->ssthresh) {
        q->phase = LATER;
        congestion_avoidance(c, q, acked, a);
    }
}

/* Congestion ------------------------------------------------------------------------------------------------------------ */

static void save(struct cc *c, struct cubic *q)
{
    cc_save(c);
    q->undo = q->now;
    q->phase = LATER;
}

/* 4.6 and 4.7; percent: beta. The window in use, not one that the application left half empty, is what met congestion. */
static void reduce(struct cc *c, struct cubic *q, uint32_t in_flight_bytes, uint32_t percent)
{
    struct epoch *e = &q->now;
    uint32_t used = MIN(in_flight_bytes, c->cwnd);

    /* fast convergence: a window that shrinks leaves room for newcomers */
    e->w_max = c->cwnd < e->w_max ? (uint32_t)((uint64_t)c->cwnd * 85 / 100) : c->cwnd;
    e->cwnd_prior = c->cwnd;
    e->start_ns = 0;
    c->ssthresh = MAX((uint32_t)((uint64_t)used * percent / 100), 2 * c->smss);
}

static void cubic_on_loss(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    (void)now_ns;
    save(c, q);
    reduce(c, q, in_flight_bytes, 70);
    c->cwnd = c->ssthresh;
}

static void cubic_on_recovered(struct cc *c, uint64_t now_ns)
{
    (void)now_ns;
    c->cwnd = c->ssthresh;
    cubic(c)->now.start_ns = 0;
}

/* 4.8: after the slow start that follows, the stage begins with K = 0 and W_max = cwnd. */
static void cubic_on_rto(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    (void)now_ns;
    if (first) {
        save(c, q);
        reduce(c, q, in_flight_bytes, 70);
    }
    q->phase = AFTER_RTO;
    q->now.w_max = 0;
    q->now.start_ns = 0;
    c->cwnd = c->smss;
}

/* 4.9: everything as it was; a slow start that was interrupted goes on, with new rounds. */
static void cubic_on_undo(struct cc *c, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    if (!cc_restore(c))
        return;
    q->now = q->undo;
    c->quiet = false;
    q->last_us = (uint32_t)(now_ns / NS_PER_US);
    if (c->ssthresh == UINT32_MAX) {
        q->phase = SLOW_START;
        hystart_begin(&q->hs);
    }
}

/* RFC 8511: an ECN mark comes from a short queue, beta is 0.85. */
static void cubic_on_ecn(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    (void)now_ns;
    q->phase = LATER;
    reduce(c, q, in_flight_bytes, 85);
    c->cwnd = MIN(c->cwnd, c->ssthresh);
}

/* 4.2, 5.8: time without use does not count. A window that was made smaller begins with slow start, and a new stage follows. */
static void cubic_on_idle(struct cc *c, uint64_t idle_ns, uint64_t now_ns)
{
    struct cubic *q = cubic(c);

    if (q->phase == AFTER_RTO)
        q->phase = LATER; /* nothing is in flight that an ACK could cover */
    if (c->cwnd < c->ssthresh)
        q->now.start_ns = 0;
    else if (q->now.start_ns != 0)
        q->now.start_ns = MIN(q->now.start_ns + idle_ns, now_ns);
    q->last_us = (uint32_t)(now_ns / NS_PER_US);
}

const struct cc_ops cc_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .on_ack = cubic_on_ack,
    .on_loss = cubic_on_loss,
    .on_recovered = cubic_on_recovered,
    .on_rto = cubic_on_rto,
    .on_undo = cubic_on_undo,
    .on_ecn = cubic_on_ecn,
    .on_idle = cubic_on_idle,
};
