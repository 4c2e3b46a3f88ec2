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
#include "udp/icmp_sock.h"
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
    [ICMP6_UNREACH_ROUTE] = {ICMP_KIND_NET_UNREACH, ENETUNREACH},
    [ICMP6_UNREACH_ADMIN] = {ICMP_KIND_ADMIN, EACCES},
    [ICMP6_UNREACH_SCOPE] = {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
    [ICMP6_UNREACH_ADDR] = {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
    [ICMP6_UNREACH_PORT] = {ICMP_KIND_PORT, ECONNREFUSED},
    [ICMP6_UNREACH_POLICY] = {ICMP_KIND_ADMIN, EACCES},
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

/* As icmp_quoted; nif: where the packet went out and the message came in. */
static bool quoted(struct z_stack *s, const struct netif *nif, struct icmp_err *e, const uint8_t *quote, uint32_t len)
{
    struct icmp6_quote q;

    if (!icmp6_parse_quote(quote, len, &q))
        return false;
    e->laddr = q.src;
    e->raddr = q.dst;
    inaddr_set_zone(&e->laddr, ip6_zone(nif));
    inaddr_set_zone(&e->raddr, ip6_zone(nif));
    e->lport = q.proto != IPPROTO_ICMPV6_ || q.icmp_type == ICMP6_ECHO ? q.sport : 0;
    e->rport = q.dport;
    e->seq = q.seq;
    e->len = q.total_len;
    e->proto = q.proto;
    e->l4_off = e->quote_off + q.l4_off;
    if (inaddr_is_v4(&e->laddr) || inaddr_is_v4(&e->raddr) || !ip_is_local(s, &e->laddr))
        return false;
    return q.proto == IPPROTO_TCP_ || q.proto == IPPROTO_UDP_ || q.proto == IPPROTO_ICMPV6_;
}

static void notify(struct z_stack *s, struct icmp_err *e)
{
    if (e->proto == IPPROTO_TCP_)
        tcp_icmp_error(s, e);
    else if (e->proto == IPPROTO_UDP_)
        udp_icmp_error(s, e);
    else
        icmp_sock_error(s, e);
}

void icmp6_neigh_failed(struct z_stack *s, const struct netif *nif, struct rte_mbuf *m)
{
    struct icmp_err e = {.kind = ICMP_KIND_NEIGH_FAILED, .err = EHOSTUNREACH, .type = ICMP6_UNREACH, .code = ICMP6_UNREACH_ADDR, .m = m};

    if (quoted(s, nif, &e, pkt_data(m), m->data_len))
        notify(s, &e);
}

static void error_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, const struct icmp6_hdr *h)
{
    uint32_t n = MIN(m->pkt_len, ICMP6_HLEN + QUOTE_MAX);
    struct meaning what = meaning_of(h->type, h->code);
    struct icmp_err e = {.kind = what.kind, .err = what.err, .type = h->type, .code = h->code, .in = in, .quote_off = ICMP6_HLEN};

    if (m->data_len < n && !(m = pkt_pullup(s, m, n)))
        return;
    e.m = m;
    e.info = e.kind == ICMP_KIND_TOO_BIG || e.kind == ICMP_KIND_PARAM_PROBLEM ? h->word : 0;
    if (!quoted(s, in->nif, &e, pkt_data(m) + ICMP6_HLEN, n - ICMP6_HLEN)) {
        pkt_drop(s, m, DROP_ICMP_QUOTE);
        return;
    }
    if (s->steer && ip_error_elsewhere(s, in, m, &e))
        return;
    notify(s, &e);
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
    if (unlikely(s->udp.raw)) { /* with what it has a reference to nothing can be pulled together any more */
        m = pkt_pullup(s, m, MIN(m->pkt_len, ICMP6_HLEN + QUOTE_MAX));
        if (!m)
            return;
        icmp_sock_raw_input(s, in, m);
    }
    switch (h.type) {
    case ICMP6_ECHO: /* of a group too, as section 4.2 says */
        icmp6_echo_reply(s, in, m);
        break;
    case ICMP6_ECHO_REPLY:
        icmp_sock_input(s, in, m, (uint16_t)(h.word >> 16));
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
