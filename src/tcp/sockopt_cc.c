/* Options of congestion control: TCP_CONGESTION of tcp(7), SO_MAX_PACING_RATE of socket(7), and their part of TCP_INFO. */
#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#include "tcp/conn.h"

#include "base/poison.h"

/* A name, with or without a zero byte at its end. */
int tcp_setopt_congestion(struct z_stack *s, struct tcp_conn *tc, const void *val, unsigned len)
{
    const struct cc_ops *ops;

    if (len < 1)
        return -EINVAL;
    ops = cc_find(val, len);
    if (ops == NULL)
        return -ENOENT;
    tcp_cc_set(s, tc, ops);
    return 0;
}

const char *tcp_getopt_congestion(const struct tcp_conn *tc)
{
    return tcp_synchronized(tc) ? tc->cc.ops->name : tc->opt->cc->name;
}

/* Bytes per second as 32 or 64 bits; all bits set: no limit. */
int tcp_setopt_pacing(struct z_stack *s, struct tcp_conn *tc, const void *val, unsigned len)
{
    uint64_t rate;
    uint32_t r32;

    if (len >= sizeof(rate)) {
        memcpy(&rate, val, sizeof(rate));
    } else {
        memcpy(&r32, val, sizeof(r32));
        rate = r32 == UINT32_MAX ? UINT64_MAX : r32;
    }
    tcp_pace_limit(s, tc, rate == UINT64_MAX ? 0 : MAX(rate, 1u));
    return 0;
}

unsigned tcp_getopt_pacing(const struct tcp_conn *tc, uint64_t *val, unsigned len)
{
    uint64_t rate = tc->opt->max_pacing_rate != 0 ? tc->opt->max_pacing_rate : UINT64_MAX;
    uint32_t r32 = (uint32_t)MIN(rate, (uint64_t)UINT32_MAX);

    if (len >= sizeof(rate)) {
        *val = rate;
        return sizeof(rate);
    }
    memcpy(val, &r32, sizeof(r32));
    return sizeof(r32);
}

void tcp_info_congestion(const struct tcp_conn *tc, struct tcp_info *i)
{
    const struct rate *r = tc->rate;

    if (tc->ecn_echo_ok)
        i->tcpi_options |= TCPI_OPT_ECN;
    if (tc->ecn_seen)
        i->tcpi_options |= TCPI_OPT_ECN_SEEN;
    i->tcpi_snd_ssthresh = tc->cc.ssthresh == UINT32_MAX ? INT32_MAX : tc->cc.ssthresh / MAX(tc->cc.smss, 1u); /* as Linux */
    i->tcpi_pacing_rate = tc->paced ? tcp_pacing_rate(tc) : UINT64_MAX;
    i->tcpi_max_pacing_rate = tc->opt->max_pacing_rate != 0 ? tc->opt->max_pacing_rate : UINT64_MAX;
    if (r == NULL)
        return;
    i->tcpi_min_rtt = (uint32_t)(r->min_rtt_ns / NS_PER_US);
    i->tcpi_delivery_rate = r->last_rate;
    i->tcpi_delivery_rate_app_limited = r->is_app_limited;
    i->tcpi_delivered = r->delivered / MAX(tc->cc.smss, 1u);
}
