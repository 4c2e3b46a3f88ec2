/* Options of IPPROTO_TCP about the opening of connections: tcp(7). */
#include <errno.h>
#include <linux/tcp.h>

#include "tcp/fastopen.h"

#include "base/poison.h"

#define DEFER_MAX (TCP_SYN_LISTS - 1)

/* As Linux: the seconds become that many SYN,ACKs, and getsockopt says how long those take. */
static uint8_t seconds_to_retries(const struct z_stack *s, int seconds)
{
    uint64_t ns = (uint64_t)seconds * NS_PER_SEC, wait = s->conf.rto_initial_ns, period = wait;
    uint8_t n = 1;

    if (seconds <= 0)
        return 0;
    for (; ns > period && n < DEFER_MAX; n++) {
        wait = MIN(2 * wait, s->conf.rto_max_ns);
        period += wait;
    }
    return n;
}

static int retries_to_seconds(const struct z_stack *s, unsigned n)
{
    uint64_t wait = s->conf.rto_initial_ns, period = 0;

    for (; n > 0; n--) {
        period += wait;
        wait = MIN(2 * wait, s->conf.rto_max_ns);
    }
    return (int)(period / NS_PER_SEC);
}

int tcp_setopt_open(struct z_stack *s, struct tcp_conn *tc, int name, int v)
{
    switch (name) {
    case TCP_DEFER_ACCEPT:
        tc->opt->defer_accept = seconds_to_retries(s, v);
        return 0;
    case TCP_FASTOPEN:
        if (v < 0 || (tc->state != TCPS_CLOSED && tc->state != TCPS_LISTEN))
            return -EINVAL;
        tc->opt->fastopen_qlen = (uint16_t)MIN((uint32_t)v, MIN(s->conf.somaxconn, (uint32_t)UINT16_MAX));
        return 0;
    case TCP_FASTOPEN_CONNECT:
        if (v < 0 || v > 1 || tc->state != TCPS_CLOSED)
            return -EINVAL;
        tc->opt->fastopen_connect = v != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int64_t tcp_getopt_open(const struct z_stack *s, const struct tcp_conn *tc, int name)
{
    switch (name) {
    case TCP_DEFER_ACCEPT:
        return retries_to_seconds(s, tc->opt->defer_accept);
    case TCP_FASTOPEN:
        return tc->opt->fastopen_qlen;
    case TCP_FASTOPEN_CONNECT:
        return tc->opt->fastopen_connect;
    default:
        return TCP_NO_OPTION;
    }
}
