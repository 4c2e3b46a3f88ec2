/* ICMP (RFC 792, RFC 1122 section 3.2.2): answers echo requests, hands errors to the transport whose packet they are about. */
#include <errno.h>

#include "core/stack.h"
#include "ip/icmp_err.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "ip/ip_steer.h"
#include "tcp/tcp.h"
#include "udp/icmp_sock.h"
#include "udp/udp.h"
#include "wire/cksum.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

#include "base/poison.h"

/* A quoted IP header with options and the 8 bytes that identify the connection. */
#define ICMP_QUOTE_MAX (IPV4_HLEN_MAX + 8u)

struct icmp_meaning {
    enum icmp_kind kind;
    int err;
};

/* What the codes of "unreachable" mean to a socket: the table of Linux (net/ipv4/icmp.c), which icmp(7) describes. */
static const struct icmp_meaning icmp_unreach_meaning[] = {
    {ICMP_KIND_NET_UNREACH, ENETUNREACH}, {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH}, {ICMP_KIND_PROTO, ENOPROTOOPT},
    {ICMP_KIND_PORT, ECONNREFUSED},       {ICMP_KIND_TOO_BIG, EMSGSIZE},          {ICMP_KIND_NET_UNREACH, EOPNOTSUPP},
    {ICMP_KIND_UNKNOWN, ENETUNREACH},     {ICMP_KIND_UNKNOWN, EHOSTDOWN},         {ICMP_KIND_UNKNOWN, ENONET},
    {ICMP_KIND_ADMIN, ENETUNREACH},       {ICMP_KIND_ADMIN, EHOSTUNREACH},        {ICMP_KIND_NET_UNREACH, ENETUNREACH},
    {ICMP_KIND_HOST_UNREACH, EHOSTUNREACH}, {ICMP_KIND_ADMIN, EHOSTUNREACH},      {ICMP_KIND_ADMIN, EHOSTUNREACH},
    {ICMP_KIND_ADMIN, EHOSTUNREACH},
};

static struct icmp_meaning icmp_meaning(uint8_t type, uint8_t code)
{
    switch (type) {
    case ICMP_UNREACH:
        return code < ARRAY_LEN(icmp_unreach_meaning) ? icmp_unreach_meaning[code] : (struct icmp_meaning){ICMP_KIND_ADMIN, EHOSTUNREACH};
    case ICMP_PARAM_PROBLEM:
        return (struct icmp_meaning){ICMP_KIND_PARAM_PROBLEM, EPROTO};
    default:
        return (struct icmp_meaning){ICMP_KIND_TIME_EXCEEDED, EHOSTUNREACH};
    }
}

/* What a message says of the packet that it quotes. False when no transport of ours can have sent that. */
static bool icmp_quoted(struct z_stack *s, struct icmp_err *e, const uint8_t *quote, uint32_t len)
{
    struct icmp_quote q;

    if (!icmp_parse_quote(quote, len, &q))
        return false;
    e->laddr = inaddr_v4(q.src);
    e->raddr = inaddr_v4(q.dst);
    e->lport = q.proto != IPPROTO_ICMP_ || q.icmp_type == ICMP_ECHO ? q.sport : 0;
    e->rport = q.dport;
    e->seq = q.seq;
    e->len = q.total_len;
    e->proto = q.proto;
    e->l4_off = e->quote_off + q.l4_off;
    return ip_is_local(s, &e->laddr) && (q.proto == IPPROTO_TCP_ || q.proto == IPPROTO_UDP_ || q.proto == IPPROTO_ICMP_);
}

static void icmp_notify(struct z_stack *s, struct icmp_err *e)
{
    if (e->proto == IPPROTO_TCP_)
        tcp_icmp_error(s, e);
    else if (e->proto == IPPROTO_UDP_)
        udp_icmp_error(s, e);
    else
        icmp_sock_error(s, e);
}

void icmp_neigh_failed(struct z_stack *s, struct rte_mbuf *m)
{
    struct icmp_err e = {
        .kind = ICMP_KIND_NEIGH_FAILED, .err = EHOSTUNREACH, .type = ICMP_UNREACH, .code = ICMP_UNREACH_HOST, .m = m};

    if (icmp_quoted(s, &e, pkt_data(m), m->data_len))
        icmp_notify(s, &e);
}

static uint32_t icmp_info(enum icmp_kind kind, const struct icmp_hdr *h)
{
    return kind == ICMP_KIND_TOO_BIG ? h->seq : kind == ICMP_KIND_PARAM_PROBLEM ? h->id >> 8 : 0;
}

static void icmp_error_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, const struct icmp_hdr *h)
{
    uint32_t n = MIN(m->pkt_len, ICMP_HLEN + ICMP_QUOTE_MAX);
    struct icmp_meaning what = icmp_meaning(h->type, h->code);
    struct icmp_err e = {.kind = what.kind, .err = what.err, .type = h->type, .code = h->code, .in = in, .quote_off = ICMP_HLEN};

    if (m->data_len < n && !(m = pkt_pullup(s, m, n)))
        return;
    e.m = m;
    e.info = icmp_info(e.kind, h);
    if (!icmp_quoted(s, &e, pkt_data(m) + ICMP_HLEN, n - ICMP_HLEN)) {
        pkt_drop(s, m, DROP_ICMP_QUOTE);
        return;
    }
    if (s->steer && ip_error_elsewhere(s, in, m, &e))
        return;
    icmp_notify(s, &e);
    stack_count(s, CTR_ICMP_ERR_RX);
    pkt_drop(s, m, DROP_ICMP_DONE);
}

void icmp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct icmp_hdr h;

    /* a raw socket has all that came, whatever it is worth; then nothing can be pulled together any more */
    if (unlikely(s->udp.raw)) {
        m = pkt_pullup(s, m, MIN(m->pkt_len, ICMP_HLEN + ICMP_QUOTE_MAX));
        if (!m)
            return;
        icmp_sock_raw_input(s, in, m);
    }
    if (!icmp_parse(pkt_data(m), m->data_len, &h)) {
        pkt_drop(s, m, DROP_ICMP_SHORT);
        return;
    }
    /* always in software: ports verify TCP and UDP only */
    if (cksum_finish(ip_cksum_chain(0, m, in->l4_len)) != 0) {
        pkt_drop(s, m, DROP_ICMP_CKSUM);
        return;
    }
    switch (h.type) {
    case ICMP_ECHO:
        if (in->group) /* RFC 1122 3.2.2.6 allows it; Linux and we do not help to amplify */
            pkt_drop(s, m, DROP_ICMP_BCAST);
        else
            icmp_echo_reply(s, in, m);
        break;
    case ICMP_ECHO_REPLY:
        icmp_sock_input(s, in, m, h.id);
        break;
    case ICMP_UNREACH:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAM_PROBLEM:
        icmp_error_input(s, in, m, &h);
        break;
    case ICMP_SOURCE_QUENCH: /* MUST be ignored (RFC 9293 MUST-55, RFC 6633) */
        pkt_drop(s, m, DROP_ICMP_DONE);
        break;
    default:
        pkt_drop(s, m, DROP_ICMP_TYPE);
    }
}
