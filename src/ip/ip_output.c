#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "ip/route.h"
#include "link/eth.h"
#include "link/neigh.h"
#include "link/resolve.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#include "base/poison.h"

/*
 * A packet to ourselves becomes a received one, whose headers and flags the receiver changes: so the head may not be a
 * buffer that its sender keeps for retransmission. Returns the head, or NULL after a drop.
 */
static struct rte_mbuf *ip_loopback_detach(struct z_stack *s, struct rte_mbuf *m)
{
    struct rte_mbuf **link = &m, *seg, *ref;

    while ((seg = *link)) {
        if (RTE_MBUF_DIRECT(seg) && !pkt_sole_owner(seg)) {
            ref = pkt_share(s, seg, pkt_off(seg), seg->data_len);
            if (!ref) {
                pkt_drop(s, m, DROP_NO_MBUF);
                return NULL;
            }
            ref->next = seg->next;
            ref->nb_segs = seg->nb_segs;
            ref->pkt_len = seg->pkt_len;
            seg->next = NULL;
            seg->nb_segs = 1;
            *link = ref;
            rte_pktmbuf_free_seg(seg); /* the frame's reference */
        }
        link = &(*link)->next;
    }
    return m;
}

void ip_loopback_output(struct z_stack *s, const struct netif *nif, struct rte_mbuf *m)
{
    struct ip_state *ip = s->ip;

    if (ip->lo_tail - ip->lo_head == LOOPBACK_SLOTS) {
        pkt_drop(s, m, DROP_TXQ_FULL);
        return;
    }
    m = ip_loopback_detach(s, m);
    if (!m)
        return;
    /* checksums that a port would have filled in were never computed */
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    m->tx_offload = 0;
    m->port = nif->index;
    ip->lo[ip->lo_tail++ % LOOPBACK_SLOTS] = m;
}

/* To a broadcast or multicast address, or to a neighbour that needs more than a look at its entry. */
static void ip_output_slow(struct z_stack *s, struct ip_path *path, struct rte_mbuf *m, bool more)
{
    uint32_t hop = inaddr_to_v4(&path->next_hop);
    uint8_t mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (ip_v4_is_multicast(hop)) {
        /* RFC 1112 section 6.4 */
        const uint8_t group[6] = {0x01, 0x00, 0x5e, (hop >> 16) & 0x7f, (hop >> 8) & 0xff, hop & 0xff};

        memcpy(mac, group, 6);
    } else if (!ip_v4_is_broadcast(s, hop)) {
        path->neigh = neigh_output(s, path->nif, &path->next_hop, m, more);
        path->neigh_serial = neigh_serial(path->neigh);
        return;
    }
    eth_output(s, path->nif, mac, ETH_TYPE_IPV4, m);
}

/* The header, and to the next hop. */
static inline void ip_send(struct z_stack *s, struct ip_path *path, struct ipv4_hdr *h, const struct ip_out *o, struct rte_mbuf *m)
{
    h->tos = o->tos;
    h->ttl = o->ttl >= 0 ? (uint8_t)o->ttl : s->conf.ttl;
    h->proto = o->proto;
    h->total_len = (uint16_t)(m->pkt_len + IPV4_HLEN);
    h->src = inaddr_to_v4(&o->src);
    h->dst = inaddr_to_v4(&o->dst);
    ipv4_build(pkt_push(m, IPV4_HLEN), h, false);
    if (unlikely(path->local)) {
        ip_loopback_output(s, path->nif, m);
        return;
    }
    m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
    m->l2_len = ETH_HLEN;
    m->l3_len = IPV4_HLEN;
    if (likely(neigh_is_fresh(path->neigh, path->neigh_serial, s->now_ns)))
        eth_output(s, path->nif, path->neigh->mac, ETH_TYPE_IPV4, m);
    else
        ip_output_slow(s, path, m, o->more);
}

void ip_output_fragment(struct z_stack *s, struct ip_path *path, const struct ip_out *o, const struct ip_frag *f, struct rte_mbuf *m)
{
    struct ipv4_hdr h = {.id = (uint16_t)f->id, .frag_off = (uint16_t)f->off, .mf = f->mf};

    ip_send(s, path, &h, o, m);
}

void ip_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m)
{
    struct ipv4_hdr h = {.df = o->df};

    if (unlikely(!inaddr_is_v4(&o->dst))) {
        ip6_output(s, path, o, m);
        return;
    }
    if (unlikely(path->gen != s->routes->gen) && ip_path_lookup(s, path, &o->src, &o->dst, true) != 0) {
        pkt_drop(s, m, DROP_IP_NO_ROUTE);
        return;
    }
    /* a frame for segmentation offload is cut to the MTU by the port */
    if (unlikely(m->pkt_len + IPV4_HLEN > path->mtu && !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))) {
        if (o->df)
            pkt_drop(s, m, DROP_IP_TOO_BIG);
        else
            ip_frag_output(s, path, o, m);
        return;
    }
    /* an atomic datagram needs no identification (RFC 6864 section 4.1) */
    if (!o->df)
        h.id = (uint16_t)ip_frag_id(s, &o->src, &o->dst, o->proto);
    ip_send(s, path, &h, o, m);
}
