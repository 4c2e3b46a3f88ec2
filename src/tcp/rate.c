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
