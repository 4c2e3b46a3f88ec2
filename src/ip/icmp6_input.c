/* ICMPv6 (RFC 4443): answers echo requests, hands errors to the transport whose packet they are about. */
#include <errno.h>

#include "core/stack.h"
#include "ip/icmp_err.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "ip/ip_steer.h"
#include "ip/mcast.h"
#include "ip/nd.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "wire/cksum.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mld.h"
#include "wire/nd.h"

#include "base/poison.h"

/* As much of a quote as is looked at: headers are pulled together no further (PKT_HDR_ROOM). */
#define QUOTE_MAX (PKT_HDR_ROOM - ICMP6_HLEN)

struct meaning {
    enum icmp_kind kind;
    int err;
};

/* What the codes of "unreachable" mean to a socket: the table of Linux (net/ipv6/icmp.c). */
static const struct meaning unreach_meaning[] = {
    [ICMP6_UNREACH_ROUTE] = {ICMP_KIND_NET_UNREACH, ENETUNREACH}, [ICMP6_UNREACH_ADMIN] = {ICMP_KIND_ADMIN, EACCES},
    [ICMP6_UNREACH_SCOPE] = {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH}, [ICMP6_UNREACH_ADDR] = {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
    [ICMP6_UNREACH_PORT] = {ICMP_KIND_PORT, ECONNREFUSED},        [ICMP6_UNREACH_POLICY] = {ICMP_KIND_ADMIN, EACCES},
    [ICMP6_UNREACH_REJECT] = {ICMP_KIND_ADMIN, EACCES},
};

static struct meaning meaning_of(uint8_t type, uint8_t code)
{
    switch (type) {
    case ICMP6_UNREACH:
        return code < ARRAY_LEN(unreach_meaning) ? unreach_meaning[code] : (struct meaning){ICMP_KIND_ADMIN, EHOSTUNREACH};
    case ICMP6_TOO_BIG:
        return (struct meaning){ICMP_KIND_TOO_BIG, EMSGSIZE};
    case ICMP6_PARAM_PROBLEM:
        return (struct meaning){ICMP_KIND_PARAM_PROBLEM, EPROTO};
    default:
        return (struct meaning){ICMP_KIND_TIME_EXCEEDED, EHOSTUNREACH};
    }
}

/* false when the quoted packet is not one that a transport of ours can have sent through nif. *proto: whose it is. */
static bool quoted(struct z_stack *s, const struct netif *nif, const uint8_t *quote, uint32_t len, struct meaning what, struct icmp_err *e,
                   uint8_t *proto)
{
    struct icmp6_quote q;

    if (!icmp6_parse_quote(quote, len, &q))
        return false;
    *e = (struct icmp_err){.kind = what.kind,
                           .err = what.err,
                           .laddr = q.src,
                           .raddr = q.dst,
                           .lport = q.sport,
                           .rport = q.dport,
                           .seq = q.seq,
                           .len = q.total_len};
    inaddr_set_zone(&e->laddr, ip6_zone(nif));
    inaddr_set_zone(&e->raddr, ip6_zone(nif));
    *proto = q.proto;
    if (inaddr_is_v4(&e->laddr) || !ip_is_local(s, &e->laddr))
        return false;
    return q.proto == IPPROTO_TCP_ || q.proto == IPPROTO_UDP_;
}

static void notify(struct z_stack *s, uint8_t proto, const struct icmp_err *e)
{
    if (proto == IPPROTO_TCP_)
        tcp_icmp_error(s, e);
    else
        udp_icmp_error(s, e);
}

void icmp6_neigh_failed(struct z_stack *s, const struct netif *nif, struct rte_mbuf *m)
{
    struct icmp_err e;
    uint8_t proto;

    if (quoted(s, nif, pkt_data(m), m->data_len, (struct meaning){ICMP_KIND_NEIGH_FAILED, EHOSTUNREACH}, &e, &proto))
        notify(s, proto, &e);
}

static void error_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, const struct icmp6_hdr *h)
{
    uint32_t n = MIN(m->pkt_len, ICMP6_HLEN + QUOTE_MAX);
    struct icmp_err e;
    uint8_t proto;

    if (m->data_len < n && !(m = pkt_pullup(s, m, n)))
        return;
    if (!quoted(s, in->nif, pkt_data(m) + ICMP6_HLEN, n - ICMP6_HLEN, meaning_of(h->type, h->code), &e, &proto)) {
        pkt_drop(s, m, DROP_ICMP_QUOTE);
        return;
    }
    if (s->steer && ip_error_elsewhere(s, in, m, proto, &e))
        return;
    if (e.kind == ICMP_KIND_TOO_BIG)
        e.mtu = h->word;
    notify(s, proto, &e);
    stack_count(s, CTR_ICMP_ERR_RX);
    pkt_drop(s, m, DROP_ICMP_DONE);
}

void icmp6_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct icmp6_hdr h;

    if (!icmp6_parse(pkt_data(m), m->data_len, &h)) {
        pkt_drop(s, m, DROP_ICMP_SHORT);
        return;
    }
    /* always in software: ports verify TCP and UDP only */
    if (cksum_finish(ip_cksum_chain(cksum_pseudo(&in->src, &in->dst, in->proto, in->l4_len), m, in->l4_len)) != 0) {
        pkt_drop(s, m, DROP_ICMP_CKSUM);
        return;
    }
    switch (h.type) {
    case ICMP6_ECHO: /* of a group too, as section 4.2 says */
        icmp6_echo_reply(s, in, m);
        break;
    case ICMP6_UNREACH:
    case ICMP6_TOO_BIG:
    case ICMP6_TIME_EXCEEDED:
    case ICMP6_PARAM_PROBLEM:
        error_input(s, in, m, &h);
        break;
    case ND_ROUTER_SOLICIT:
    case ND_ROUTER_ADVERT:
    case ND_NEIGHBOR_SOLICIT:
    case ND_NEIGHBOR_ADVERT:
    case ND_REDIRECT:
        nd_input(s, in, m);
        break;
    case MLD_QUERY:
    case MLD_V1_REPORT:
    case MLD_V1_DONE:
    case MLD_V2_REPORT:
        mld_input(s, in, m);
        break;
    default: /* an unknown informational message is discarded (section 2.4 b); an unknown error has no transport to go to */
        pkt_drop(s, m, DROP_ICMP_TYPE);
    }
}
