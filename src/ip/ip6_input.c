/* IPv6 input (RFC 8200): checks the addresses, follows the extension headers, hands the packet to its transport. */
#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "ip/ip_steer.h"
#include "ip/mcast.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

#include "base/poison.h"

static const enum ctr ip6_drop_reason[] = {
    [IPV6_ESHORT] = DROP_IP6_SHORT,
    [IPV6_EVERSION] = DROP_IP6_VERSION,
    [IPV6_ELEN] = DROP_IP6_LEN,
};

/*
 * On a wire no address is loopback, IPv4-mapped (it would pass for one of the other family, with rules of its own), of interface
 * scope (RFC 4291 2.7), or link-local with bits in the part where the zone goes.
 */
static bool is_martian(const struct inaddr *a)
{
    if (inaddr_is_v6_loopback(a) || inaddr_is_v4(a))
        return true;
    if (inaddr_is_v6_multicast(a))
        return (a->b[1] & 0x0f) < 2 || inaddr_zone(a) != 0;
    return inaddr_zone(a) != 0;
}

/* May a packet from src to dst, which have their zones, be taken in? 0 or the reason for a drop. */
static enum ctr check_addrs(const struct z_stack *s, const struct netif *nif, const struct ip_in *in, bool from_self)
{
    struct ifaddr6 *x;

    if (inaddr_is_v6_multicast(&in->src) || inaddr_is_any(&in->dst))
        return DROP_IP6_SRC;
    if (!from_self && ip6_addr_owner(s, &in->src, &x) && ip6_addr_usable(x))
        return DROP_IP6_SRC;
    if (in->dst_group)
        return mcast_member(s, nif, &in->dst) ? 0 : DROP_IP6_NOT_US;
    if (from_self && inaddr_is_v6_loopback(&in->dst))
        return 0;
    /* a host answers on every interface for all its addresses, as in IPv4; link-local ones have their zone */
    return ip6_addr_owner(s, &in->dst, &x) && ip6_addr_usable(x) ? 0 : DROP_IP6_NOT_US;
}

static void demux(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    switch (in->proto) {
    case IPPROTO_TCP_:
        tcp_input(s, in, m);
        break;
    case IPPROTO_UDP_:
        udp_input(s, in, m);
        break;
    case IPPROTO_ICMPV6_:
        icmp6_input(s, in, m);
        break;
    default: /* section 4: code 1, pointing at the number */
        icmp6_error(s, in, m, ICMP6_PARAM_PROBLEM, ICMP6_PARAM_NEXT, in->next_off);
        pkt_drop(s, m, DROP_IP_PROTO);
    }
}

/* The walk ended before a transport header, at in->ip_hlen. */
static void refuse(struct z_stack *s, struct ip_in *in, struct rte_mbuf *m, enum ipv6_ext_verdict v, const struct ipv6_ext *x)
{
    static const enum ctr why[] = {
        [IPV6_EXT_NONE] = DROP_IP6_NONE,   [IPV6_EXT_SHORT] = DROP_IP6_SHORT,         [IPV6_EXT_DISCARD] = DROP_IP6_EXT,
        [IPV6_EXT_PROBLEM] = DROP_IP6_EXT, [IPV6_EXT_PROBLEM_UNICAST] = DROP_IP6_EXT, [IPV6_EXT_LIMIT] = DROP_IP6_EXT_LIMIT,
    };

    if (v == IPV6_EXT_PROBLEM || v == IPV6_EXT_LIMIT || (v == IPV6_EXT_PROBLEM_UNICAST && !in->dst_group))
        icmp6_error(s, in, m, ICMP6_PARAM_PROBLEM, x->code, x->pointer);
    pkt_drop(s, m, why[v]);
}

static uint32_t transport_bytes(uint8_t proto)
{
    if (proto == IPPROTO_TCP_)
        return TCP_HLEN;
    return proto == IPPROTO_UDP_ ? UDP_HLEN : ICMP6_HLEN;
}

/* Makes the transport header behind off bytes contiguous with its options. NULL after a drop. */
static struct rte_mbuf *pullup_l4(struct z_stack *s, struct rte_mbuf *m, uint32_t off, uint8_t proto)
{
    uint32_t room = m->pkt_len - off, want = MIN(transport_bytes(proto), room);

    if (m->data_len < off + want && !(m = pkt_pullup(s, m, off + want)))
        return NULL;
    if (proto != IPPROTO_TCP_ || want < TCP_HLEN)
        return m;
    want = (uint32_t)(pkt_data(m)[off + 12] >> 4) * 4;
    want = MIN(want, room);
    return m->data_len < off + want ? pkt_pullup(s, m, off + want) : m;
}

static void input_fragment(struct z_stack *s, struct ip_in *in, struct rte_mbuf *m, const struct ipv6_ext *x);

/* The packet m is trimmed and for us; in lacks what the extension headers say. */
static void input_ext(struct z_stack *s, struct ip_in *in, struct rte_mbuf *m)
{
    const struct ipv6_ext_limits lim = {s->conf.ip6_ext_headers, s->conf.ip6_ext_bytes, s->conf.ip6_ext_options};
    enum ipv6_ext_verdict v;
    struct ipv6_ext x;

    while ((v = ipv6_ext_walk(pkt_data(m), m->data_len, m->pkt_len, &lim, &x)) == IPV6_EXT_MORE)
        if (!(m = pkt_pullup(s, m, x.want)))
            return;
    if (unlikely(v == IPV6_EXT_FRAGMENT)) {
        input_fragment(s, in, m, &x);
        return;
    }
    if (v == IPV6_EXT_OK && !(m = pullup_l4(s, m, x.off, x.proto)))
        return;
    in->ip_hlen = v == IPV6_EXT_OK ? x.off : 0;
    in->next_off = x.next_off;
    in->router_alert = x.router_alert;
    in->fragmented = x.frag.hdr_off != 0;
    in->proto = v == IPV6_EXT_OK ? x.proto : IPPROTO_NONE_;
    if (unlikely(v != IPV6_EXT_OK)) {
        refuse(s, in, m, v, &x);
        return;
    }
    if (unlikely(inaddr_is_any(&in->src) && x.proto != IPPROTO_ICMPV6_)) { /* only neighbour discovery begins without an address */
        pkt_drop(s, m, DROP_IP6_SRC);
        return;
    }
    pkt_pull(m, x.off);
    in->l4_len = m->pkt_len;
    demux(s, in, m);
}

/* What is put together begins with the headers of the first fragment, whose fragment header has become an atomic one (RFC 6946). */
static void input_fragment(struct z_stack *s, struct ip_in *in, struct rte_mbuf *m, const struct ipv6_ext *x)
{
    const struct ip_frag f = {.id = x->frag.id, .off = x->frag.off, .mf = x->frag.mf};

    in->ip_hlen = x->off;
    in->next_off = x->frag.hdr_off;
    in->proto = x->frag.next;
    pkt_pull(m, x->off);
    in->l4_len = m->pkt_len;
    m = ip_frag_input(s, in, &f, m);
    if (m && (!s->steer || !ip_whole_elsewhere(s, in, m))) {
        (void)pkt_push(m, in->ip_hlen);
        input_ext(s, in, m);
    }
}

void ip6_input_from(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool l2_group, bool from_self)
{
    bool l4_cksum_good = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    struct ip_in in = {.nif = nif, .v6 = true, .group = l2_group, .l4_cksum_good = l4_cksum_good, .from_self = from_self};
    struct ipv6_hdr h;
    enum ipv6_err err;
    enum ctr why;

    if (m->pkt_len < IPV6_HLEN) {
        pkt_drop(s, m, DROP_IP6_SHORT);
        return;
    }
    if (m->data_len < IPV6_HLEN && !(m = pkt_pullup(s, m, IPV6_HLEN)))
        return;
    err = ipv6_parse(pkt_data(m), m->data_len, m->pkt_len, &h);
    if (unlikely(err != IPV6_OK)) {
        pkt_drop(s, m, ip6_drop_reason[err]);
        return;
    }
    if (unlikely(!from_self && (is_martian(&h.src) || is_martian(&h.dst)))) {
        pkt_drop(s, m, DROP_IP6_SRC);
        return;
    }
    in.src = h.src;
    in.dst = h.dst;
    inaddr_set_zone(&in.src, ip6_zone(nif));
    inaddr_set_zone(&in.dst, ip6_zone(nif));
    in.ttl = h.hop_limit;
    in.tos = h.tclass;
    in.dst_group = inaddr_is_v6_multicast(&in.dst);
    in.group |= in.dst_group;
    why = check_addrs(s, nif, &in, from_self);
    if (unlikely(why)) {
        pkt_drop(s, m, why);
        return;
    }
    if (m->pkt_len > IPV6_HLEN + h.payload_len)
        m = pkt_trim_to(m, IPV6_HLEN + h.payload_len);
    input_ext(s, &in, m);
}

void ip6_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool l2_group)
{
    if (unlikely(!nif->ip6)) {
        pkt_drop(s, m, DROP_IP6_OFF);
        return;
    }
    ip6_input_from(s, nif, m, l2_group, false);
}
