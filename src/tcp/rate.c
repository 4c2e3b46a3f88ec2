#include "tcp/rate.h"

#include "base/units.h"

#include "base/poison.h"

static uint32_t age(uint64_t since_ns, uint64_t now_ns)
{
    return (uint32_t)MIN((now_ns - since_ns) >> 10, (uint64_t)UINT32_MAX);
}

void rate_on_sent(struct rate *r, struct rate_stamp *st, bool *app_limited, uint32_t pipe, uint32_t len, uint32_t lost, uint64_t now_ns)
{
    if (pipe == 0 || r->first_sent_at_ns == 0) { /* nothing in flight: a new interval of sending and delivering begins */
        r->first_sent_at_ns = now_ns;
        r->delivered_at_ns = now_ns;
    }
    *st = (struct rate_stamp){
        .delivered = r->delivered,
        .lost = lost,
        .tx_in_flight = pipe + len,
        .delivered_age = age(r->delivered_at_ns, now_ns),
        .first_age = age(r->first_sent_at_ns, now_ns),
    };
    *app_limited = r->is_app_limited;
}

void rate_app_limited(struct rate *r, uint32_t pipe)
{
    r->app_limited = r->delivered + pipe;
    r->is_app_limited = true;
}

/* Section 3.3.3 of the draft: the slower of the rates of sending and of acknowledging; a burst of ACKs is not a fast path. */
static void sample_rate(struct rate *r, const struct rate_acked *a, uint64_t now_ns, struct rate_sample *rs)
{
    const struct rate_stamp *st = a->st;
    uint64_t send_ns = (uint64_t)st->first_age << 10;
    uint64_t ack_ns = now_ns - a->sent_at_ns + ((uint64_t)st->delivered_age << 10);

    rs->valid = true;
    rs->prior_delivered = st->delivered;
    rs->delivered = r->delivered - st->delivered;
    rs->tx_in_flight = st->tx_in_flight;
    rs->lost = a->lost_total - st->lost;
    rs->app_limited = a->app_limited;
    rs->interval_ns = MAX(send_ns, ack_ns);
    if (!a->retrans) {
        rs->rtt_ns = MAX(now_ns - a->sent_at_ns, 1u);
        if (r->min_rtt_ns == 0 || rs->rtt_ns < r->min_rtt_ns)
            r->min_rtt_ns = rs->rtt_ns;
    }
    r->first_sent_at_ns = a->sent_at_ns;
    if (rs->interval_ns >= r->min_rtt_ns && rs->interval_ns > 0)
        rs->rate = r->last_rate = (uint64_t)rs->delivered * NS_PER_SEC / rs->interval_ns;
}

void rate_on_ack(struct rate *r, const struct rate_acked *a, uint64_t now_ns, struct rate_sample *rs)
{
    *rs = (struct rate_sample){.newly_delivered = a->newly_delivered, .newly_lost = a->newly_lost};
    r->delivered += a->newly_delivered;
    if (a->newly_delivered > 0)
        r->delivered_at_ns = now_ns;
    rs->total_delivered = r->delivered;
    if (r->is_app_limited && (int32_t)(r->delivered - r->app_limited) > 0)
        r->is_app_limited = false;
    if (a->st != NULL)
        sample_rate(r, a, now_ns, rs);
}
