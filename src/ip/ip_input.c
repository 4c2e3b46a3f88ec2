#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "ip/ip_steer.h"
#include "ip/mcast.h"
#include "tcp/tcp.h"
#include "udp/udp.h"
#include "wire/icmp.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

#include "base/poison.h"

static const enum ctr ip_drop_reason[] = {
    [IPV4_ESHORT] = DROP_IP_SHORT, [IPV4_EVERSION] = DROP_IP_VERSION, [IPV4_EHLEN] = DROP_IP_HLEN,
    [IPV4_ELEN] = DROP_IP_LEN,     [IPV4_ECKSUM] = DROP_IP_CKSUM,     [IPV4_EOPTIONS] = DROP_IP_OPTIONS,
};

/* Makes the transport header at off with its options contiguous with what is before. Returns the packet; NULL after a drop. */
static struct rte_mbuf *ip_pullup_l4(struct z_stack *s, struct rte_mbuf *m, uint32_t off, uint32_t l4_len, uint8_t proto)
{
    uint32_t want;

    switch (proto) {
    case IPPROTO_TCP_:
        want = TCP_HLEN;
        break;
    case IPPROTO_UDP_:
        want = UDP_HLEN;
        break;
    default:
        want = ICMP_HLEN;
    }
    want = MIN(want, l4_len);
    if (m->data_len < off + want && !(m = pkt_pullup(s, m, off + want)))
        return NULL;
    if (proto != IPPROTO_TCP_ || want < TCP_HLEN)
        return m;
    want = (uint32_t)(pkt_data(m)[off + 12] >> 4) * 4;
    want = MIN(want, l4_len);
    if (unlikely(m->data_len < off + want))
        m = pkt_pullup(s, m, off + want);
    return m;
}

static bool is_member(const struct z_stack *s, const struct netif *nif, uint32_t group)
{
    struct inaddr a = inaddr_v4(group);

    return mcast_member(s, nif, &a);
}

/*
 * May a packet with these addresses come in, and is dst a group? All addresses of the stack in one pass: a host answers on every
 * interface for all of them (RFC 1122 3.3.4.2, weak model). 0 or the reason for a drop.
 */
static enum ctr ip_check_all(const struct z_stack *s, const struct netif *nif, uint32_t src, uint32_t dst, bool from_self, bool *group)
{
    bool ours = from_self && ip_v4_is_loopback(dst), broadcast = dst == UINT32_MAX || (ip_v4_is_multicast(dst) && is_member(s, nif, dst));
    /* nobody, the host itself, a group (RFC 1122 3.2.1.3) */
    bool martian = src >> 24 == 0 || ip_v4_is_loopback(src) || ip_v4_is_multicast(src) || src == UINT32_MAX;

    for (uint16_t i = 0; i < s->n_netifs; i++) {
        for (uint16_t k = 0; k < s->netif[i]->n_addrs; k++) {
            const struct ifaddr *a = &s->netif[i]->addr[k];

            ours |= dst == a->addr;
            broadcast |= dst == a->broadcast;
            martian |= src == a->addr || src == a->broadcast;
        }
    }
    *group = broadcast && !ours;
    if (unlikely(martian) && !from_self)
        return DROP_IP_SRC;
    return likely(ours || broadcast) ? 0 : DROP_IP_NOT_US;
}

/* The same. Nearly always: to the interface's first address, from a host that is none of us, and one look tells. */
static inline enum ctr ip_check_addrs(const struct z_stack *s, const struct netif *nif, uint32_t src, uint32_t dst, bool from_self,
                                      bool *group)
{
    if (likely(dst == nif->addr[0].addr && nif->n_addrs != 0 && ip_v4_is_ordinary(src) && !ip_own_maybe(s->ip, src))) {
        *group = false;
        return 0;
    }
    return ip_check_all(s, nif, src, dst, from_self, group);
}

static void ip_demux(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    switch (in->proto) {
    case IPPROTO_TCP_:
        tcp_input(s, in, m);
        break;
    case IPPROTO_UDP_:
        udp_input(s, in, m);
        break;
    case IPPROTO_ICMP_:
        icmp_input(s, in, m);
        break;
    case IPPROTO_IGMP_:
        igmp_input(s, in, m);
        break;
    default:
        icmp_error(s, in, m, ICMP_UNREACH, ICMP_UNREACH_PROTO);
        pkt_drop(s, m, DROP_IP_PROTO);
    }
}

/* A part of a datagram, without its header. The last one delivers all. */
static void ip_input_fragment(struct z_stack *s, struct ip_in *in, const struct ipv4_hdr *h, struct rte_mbuf *m)
{
    const struct ip_frag f = {.id = h->id, .off = h->frag_off, .mf = h->mf};

    m = ip_frag_input(s, in, &f, m);
    if (!m || !(m = ip_pullup_l4(s, m, 0, in->l4_len, in->proto)))
        return;
    if (!s->steer || !ip_whole_elsewhere(s, in, m))
        ip_demux(s, in, m);
}

/* What is wrong with a parsed header; 0 (no drop reason) when nothing is. */
static enum ctr ip_check(const struct z_stack *s, const struct netif *nif, const struct ipv4_hdr *h, bool from_self, bool *dst_group)
{
    enum ctr why = ip_check_addrs(s, nif, h->src, h->dst, from_self, dst_group);

    if (unlikely(why))
        return why;
    if (unlikely(h->ttl == 0))
        return DROP_IP_TTL;
    return 0;
}

static void ip_input_from(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool l2_group, bool from_self)
{
    bool cksum_good = (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    bool l4_cksum_good = (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    struct ipv4_hdr h;
    struct ip_in in;
    enum ipv4_err err;
    bool dst_group = false;
    uint32_t hlen;
    enum ctr why;

    if (m->pkt_len < IPV4_HLEN) {
        pkt_drop(s, m, DROP_IP_SHORT);
        return;
    }
    if (m->data_len < IPV4_HLEN && !(m = pkt_pullup(s, m, IPV4_HLEN)))
        return;
    hlen = (pkt_data(m)[0] & 15u) * 4;
    if (unlikely(m->data_len < hlen && m->pkt_len >= hlen) && !(m = pkt_pullup(s, m, hlen)))
        return;
    err = ipv4_parse(pkt_data(m), m->data_len, m->pkt_len, cksum_good, &h);
    why = err == IPV4_OK ? ip_check(s, nif, &h, from_self, &dst_group) : ip_drop_reason[err];
    if (unlikely(why)) {
        pkt_drop(s, m, why);
        return;
    }
    if (m->pkt_len > h.total_len)
        m = pkt_trim_to(m, h.total_len);
    if (likely(!h.fragment) && !(m = ip_pullup_l4(s, m, h.hlen, (uint32_t)h.total_len - h.hlen, h.proto)))
        return;
    pkt_pull(m, h.hlen);
    in = (struct ip_in){
        .nif = nif,
        .src = inaddr_v4(h.src),
        .dst = inaddr_v4(h.dst),
        .proto = h.proto,
        .ttl = h.ttl,
        .tos = h.tos,
        .ip_hlen = h.hlen,
        .l4_len = (uint32_t)h.total_len - h.hlen,
        .dst_group = dst_group,
        .group = dst_group || l2_group,
        .l4_cksum_good = l4_cksum_good,
        .from_self = from_self,
    };
    if (unlikely(h.fragment))
        ip_input_fragment(s, &in, &h, m);
    else
        ip_demux(s, &in, m);
}

void ip_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool l2_group)
{
    ip_input_from(s, nif, m, l2_group, false);
}

unsigned ip_loopback_poll(struct z_stack *s)
{
    struct ip_state *ip = s->ip;
    unsigned n = ip->lo_tail - ip->lo_head;

    /* only what waits now: answers to ourselves wait for the next poll */
    for (unsigned i = 0; i < n; i++) {
        struct rte_mbuf *m = ip->lo[ip->lo_head++ % LOOPBACK_SLOTS];

        if (pkt_data(m)[0] >> 4 == 6)
            ip6_input_from(s, s->netif[m->port], m, false, true);
        else
            ip_input_from(s, s->netif[m->port], m, false, true);
    }
    return n;
}
