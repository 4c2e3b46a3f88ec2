/* Options of IP and IPv6 on a connection: ip(7), ipv6(7). What they are for datagrams only is accepted where Linux does, and without
 * effect. */
#include <errno.h>
#include <netinet/in.h>

#include "ip/ip6.h"
#include "tcp/conn.h"

#include "base/poison.h"

_Static_assert(TCP_PMTUDISC_OFF == (1 << IP_PMTUDISC_DONT | 1 << IP_PMTUDISC_INTERFACE | 1 << IP_PMTUDISC_OMIT), "as ip(7) numbers them");

int tcp_setopt_ip(struct z_stack *s, struct tcp_conn *tc, int name, int v)
{
    switch (name) {
    case IP_TOS: /* MUST-48, SHLD-22; the ECN bits are the stack's */
        tc->opt->tos = (uint8_t)(v & 0xfc);
        return 0;
    case IP_TTL: /* MUST-49 */
        if (v != -1 && (v < 1 || v > 255))
            return -EINVAL;
        tc->opt->ttl = v == -1 ? s->conf.ttl : (uint8_t)v;
        return 0;
    case IP_RECVERR:
        tc->opt->recverr[0] = v != 0;
        return 0;
    case IP_MTU_DISCOVER: /* ip(7) */
        if (v < IP_PMTUDISC_DONT || v > IP_PMTUDISC_OMIT)
            return -EINVAL;
        tc->opt->pmtudisc = (uint8_t)v;
        tcp_frame_update(tc);
        return 0;
    case IP_BIND_ADDRESS_NO_PORT:
    case IP_FREEBIND:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int64_t tcp_getopt_ip(const struct tcp_conn *tc, int name)
{
    switch (name) {
    case IP_TOS:
        return tc->opt->tos;
    case IP_TTL:
        return tc->opt->ttl;
    case IP_RECVERR:
        return tc->opt->recverr[0];
    case IP_MTU_DISCOVER:
        return tc->opt->pmtudisc;
    case IP_BIND_ADDRESS_NO_PORT:
    case IP_FREEBIND:
        return 0;
    default:
        return TCP_NO_OPTION;
    }
}

int tcp_setopt_ip6(struct tcp_conn *tc, int name, int v)
{
    switch (name) {
    case IPV6_V6ONLY: /* RFC 3493 5.3; decided before the port is taken, as on Linux */
        if (tc->port_held)
            return -EINVAL;
        tc->opt->v6only = v != 0;
        return 0;
    case IPV6_RECVERR:
        tc->opt->recverr[1] = v != 0;
        return 0;
    case IPV6_UNICAST_HOPS:
        if (v < -1 || v > 255)
            return -EINVAL;
        tc->opt->hops = (int16_t)v; /* -1: IP_TTL_DEFAULT */
        return 0;
    case IPV6_TCLASS: /* the ECN bits are the stack's */
        if (v < -1 || v > 255)
            return -EINVAL;
        tc->opt->tclass = v == -1 ? 0 : (uint8_t)(v & 0xfc);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* As Linux: that of the path when there is one. */
static int hops_of(const struct z_stack *s, const struct tcp_conn *tc)
{
    if (tc->opt->hops >= 0)
        return tc->opt->hops;
    return tc->path.gen != 0 && tc->path.v6 ? ip6_hop_limit(s, tc->path.nif) : s->conf.ttl;
}

int tcp_getopt_ip6(const struct z_stack *s, const struct tcp_conn *tc, int name, int *v)
{
    switch (name) {
    case IPV6_V6ONLY:
        *v = tc->opt->v6only;
        return 0;
    case IPV6_RECVERR:
        *v = tc->opt->recverr[1];
        return 0;
    case IPV6_UNICAST_HOPS:
        *v = hops_of(s, tc);
        return 0;
    case IPV6_TCLASS:
        *v = tc->opt->tclass;
        return 0;
    case IPV6_MTU:
        if (!tcp_synchronized(tc))
            return -ENOTCONN;
        *v = tcp_path_mtu(tc);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
