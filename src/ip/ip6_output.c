#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "ip/nd.h"
#include "ip/route.h"
#include "link/eth.h"
#include "link/neigh.h"
#include "wire/eth.h"
#include "wire/ipv6.h"

#include "base/poison.h"

uint8_t ip6_hop_limit(const struct z_stack *s, const struct netif *nif)
{
    return nif->hop_limit6 != 0 ? nif->hop_limit6 : s->conf.ttl;
}

/* To a multicast address, or to a neighbour that needs more than a look at its entry. */
static void ip6_output_slow(struct z_stack *s, struct ip_path *path, struct rte_mbuf *m, bool more)
{
    path->neigh = nd_output(s, path->nif, &path->next_hop, m, more);
    path->neigh_serial = neigh_serial(path->neigh);
}

void ip6_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m)
{
    struct ipv6_hdr h;

    if (unlikely(path->gen != s->routes->gen) && ip6_path_lookup(s, path, &o->src, &o->dst) != 0) {
        pkt_drop(s, m, DROP_IP_NO_ROUTE);
        return;
    }
    /* a frame for segmentation offload is cut to the MTU by the port */
    if (unlikely(m->pkt_len + IPV6_HLEN > path->mtu && !(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))) {
        if (o->df)
            pkt_drop(s, m, DROP_IP_TOO_BIG);
        else
            ip_frag_output(s, path, o, m);
        return;
    }
    h = (struct ipv6_hdr){.tclass = o->tos,
                          .hop_limit = o->ttl >= 0 ? (uint8_t)o->ttl : ip6_hop_limit(s, path->nif),
                          .next = o->proto,
                          .payload_len = (uint16_t)m->pkt_len,
                          .flow = o->flow,
                          .src = o->src,
                          .dst = o->dst};
    ipv6_build(pkt_push(m, IPV6_HLEN), &h);
    if (unlikely(path->local)) {
        ip_loopback_output(s, path->nif, m);
        return;
    }
    m->ol_flags |= RTE_MBUF_F_TX_IPV6;
    m->l2_len = ETH_HLEN;
    m->l3_len = IPV6_HLEN;
    if (likely(neigh_is_fresh(path->neigh, path->neigh_serial, s->now_ns)))
        eth_output(s, path->nif, path->neigh->mac, ETH_TYPE_IPV6, m);
    else
        ip6_output_slow(s, path, m, o->more);
}
