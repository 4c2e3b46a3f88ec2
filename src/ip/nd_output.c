#include <string.h>

#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd_state.h"
#include "link/eth.h"
#include "link/resolve.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"

#include "base/poison.h"

struct neigh *nd_output(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, struct rte_mbuf *m, bool more)
{
    uint8_t mac[6];

    if (!inaddr_is_v6_multicast(next_hop))
        return neigh_output(s, nif, next_hop, m, more);
    mcast_mac(next_hop, mac);
    eth_output(s, nif, mac, ETH_TYPE_IPV6, m);
    return NULL;
}

void nd_send(struct z_stack *s, struct netif *nif, const struct inaddr *src, const struct inaddr *dst, const uint8_t *mac,
             struct nd_msg *msg)
{
    struct ipv6_hdr h = {.hop_limit = ND_HOP_LIMIT, .next = IPPROTO_ICMPV6_, .src = *src, .dst = *dst};
    uint8_t b[ND_BUILD_MAX], *p;
    struct rte_mbuf *m = pkt_alloc_ctl(s);
    uint16_t sum;

    if (!m)
        return; /* counted by the pool; timers ask again */
    inaddr_clear_zone(&msg->target);
    h.payload_len = (uint16_t)nd_build(b, msg);
    p = pkt_push(m, h.payload_len);
    memcpy(p, b, h.payload_len);
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(src, dst, IPPROTO_ICMPV6_, h.payload_len), p, h.payload_len));
    memcpy(p + ICMP6_CKSUM_OFFSET, &sum, sizeof(sum));
    ipv6_build(pkt_push(m, IPV6_HLEN), &h);
    stack_count(s, CTR_ND_TX);
    if (mac)
        eth_output(s, nif, mac, ETH_TYPE_IPV6, m);
    else
        (void)nd_output(s, nif, dst, m, false);
}

/* The target is asked with an address that it knows a way back to; without one nobody is asked. */
void nd_solicit(struct z_stack *s, struct netif *nif, const struct inaddr *target, const uint8_t *mac)
{
    struct inaddr src = ip6_choose_src(s, nif, target), dst = mac ? *target : nd_group(nif, target);
    struct nd_msg msg = {.type = ND_NEIGHBOR_SOLICIT, .target = *target, .has_slla = true};

    if (inaddr_is_any(&src))
        return;
    memcpy(msg.slla, nif->mac, 6);
    nd_send(s, nif, &src, &dst, mac, &msg);
}

void nd_send_advert(struct z_stack *s, struct netif *nif, const struct inaddr *dst, const struct inaddr *target, bool solicited)
{
    struct nd_msg msg = {.type = ND_NEIGHBOR_ADVERT, .target = *target, .solicited = solicited, .override = true, .has_tlla = true};

    memcpy(msg.tlla, nif->mac, 6);
    nd_send(s, nif, target, dst, NULL, &msg);
}
