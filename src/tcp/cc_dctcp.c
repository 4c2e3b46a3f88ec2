/*
 * DCTCP (RFC 8257): the share of marked bytes in a window says how much to reduce. Growth, and the answer to loss, are Reno's. The
 * receiver's exact echo is in ecn.c.
 */
#include "base/seq.h"
#include "base/units.h"
#include "tcp/cc.h"

#include "base/poison.h"

#define ALPHA_ONE (1u << 20)
#define G_SHIFT 4 /* g = 1/16, section 4.3 */

struct dctcp {
    uint64_t reno[2]; /* Reno's part of the state comes first */
    uint32_t alpha;   /* in 1/ALPHA_ONE */
    uint32_t window_end;
    uint32_t acked, marked; /* bytes of this observation window */
    bool started;
} __attribute__((may_alias));

_Static_assert(sizeof(struct dctcp) <= sizeof(((struct cc *)0)->state), "DCTCP's state fits");

static struct dctcp *dctcp(struct cc *c)
{
    return (struct dctcp *)c->state;
}

static void dctcp_init(struct cc *c, uint64_t now_ns)
{
    cc_reno_init(c, now_ns);
    c->quiet = false;            /* the fraction of marks is of all that is acknowledged */
    dctcp(c)->alpha = ALPHA_ONE; /* section 3.3: the first mark halves */
    dctcp(c)->started = false;
}

/* Section 3.3, steps 1 to 8, once per window of data. */
static void update_alpha(struct dctcp *d)
{
    uint64_t m = (uint64_t)d->marked * ALPHA_ONE / MAX(d->acked, 1u);

    d->alpha = (uint32_t)(d->alpha - (d->alpha >> G_SHIFT) + (m >> G_SHIFT));
    d->alpha = MIN(d->alpha, ALPHA_ONE);
    d->acked = 0;
    d->marked = 0;
}

static void dctcp_on_ack(struct cc *c, const struct cc_ack *a)
{
    struct dctcp *d = dctcp(c);

    if (!d->started) {
        d->started = true;
        d->window_end = a->nxt;
    }
    d->acked += a->acked_bytes;
    if (a->ece)
        d->marked += a->acked_bytes;
    if (seq_geq(a->una, d->window_end)) {
        update_alpha(d);
        d->window_end = a->nxt;
    }
    cc_reno_on_ack(c, a);
}

/* cwnd = cwnd * (1 - alpha / 2) */
static void dctcp_on_ecn(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns)
{
    uint32_t cut = (uint32_t)((uint64_t)c->cwnd * dctcp(c)->alpha / ALPHA_ONE / 2);

    (void)in_flight_bytes;
    (void)now_ns;
    c->cwnd = MAX(c->cwnd - cut, 2 * c->smss);
    c->ssthresh = c->cwnd;
}

const struct cc_ops cc_dctcp = {
    .name = "dctcp",
    .exact_ecn = true,
    .init = dctcp_init,
    .on_ack = dctcp_on_ack,
    .on_loss = cc_reno_on_loss, /* section 3.5 */
    .on_recovered = cc_reno_on_recovered,
    .on_rto = cc_reno_on_rto,
    .on_undo = cc_reno_on_undo,
    .on_ecn = dctcp_on_ecn,
    .on_idle = cc_reno_on_idle,
};
