/* IPv6 of the fuzzers' world: it is started for each input and gone afterwards, because routers and neighbours leave much behind. */
#include <string.h>

#include "base/check.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd.h"
#include "link/neigh.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/nd.h"
#include "wire/udp.h"
#include "world.h"

static const uint8_t us_mac[6] = {0x02, 0, 0, 0, 0, 1}, peer_mac[6] = {0x02, 0, 0, 0, 0, 2};

/* Finds the transport behind all extension headers of a whole packet; false: there is none, or only a part of it. */
static bool find_l4(const uint8_t *p, uint32_t len, struct ipv6_hdr *h, struct ipv6_ext *x, uint32_t *l4_len)
{
    static const struct ipv6_ext_limits all = {.headers = 1000, .bytes = 65535, .options = 1000, .pass_over = true};
    uint32_t total;

    if (ipv6_parse(p, len, len, h) != IPV6_OK)
        return false;
    total = IPV6_HLEN + h->payload_len;
    if (ipv6_ext_walk(p, total, total, &all, x) != IPV6_EXT_OK)
        return false;
    *l4_len = total - x->off;
    return true;
}

static uint32_t cksum_at(uint8_t proto)
{
    return proto == IPPROTO_TCP_ ? TCP_CKSUM_OFFSET : proto == IPPROTO_UDP_ ? 6 : ICMP6_CKSUM_OFFSET;
}

void world_fix_cksum6(uint8_t *p, uint32_t len)
{
    struct ipv6_hdr h;
    struct ipv6_ext x;
    uint32_t l4_len;
    uint16_t sum;

    if (!find_l4(p, len, &h, &x, &l4_len) || l4_len < cksum_at(x.proto) + 2)
        return;
    memset(p + x.off + cksum_at(x.proto), 0, 2);
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(&h.src, &h.dst, x.proto, l4_len), p + x.off, l4_len));
    memcpy(p + x.off + cksum_at(x.proto), &sum, 2);
}

/* A link-local address has left its zone behind; checksums are right; a UDP checksum is there (RFC 8200 section 8.1). */
void world_check_sent6(const uint8_t *p, uint32_t len)
{
    struct ipv6_hdr h;
    struct ipv6_ext x;
    uint32_t l4_len;

    Z_CHECK(ipv6_parse(p, len, len, &h) == IPV6_OK && IPV6_HLEN + h.payload_len == len);
    Z_CHECK(inaddr_zone(&h.src) == 0 && inaddr_zone(&h.dst) == 0 && !inaddr_is_multicast(&h.src));
    if (h.next == IPPROTO_FRAGMENT_ || h.next == IPPROTO_NONE_)
        return;
    Z_CHECK(find_l4(p, len, &h, &x, &l4_len) && l4_len >= cksum_at(x.proto) + 2);
    Z_CHECK(x.proto == IPPROTO_TCP_ || x.proto == IPPROTO_UDP_ || x.proto == IPPROTO_ICMPV6_);
    Z_CHECK(x.proto != IPPROTO_UDP_ || (p[x.off + 6] | p[x.off + 7]) != 0);
    Z_CHECK(cksum_finish(cksum_add(cksum_pseudo_v6(&h.src, &h.dst, x.proto, l4_len), p + x.off, l4_len)) == 0);
}

/* A message of neighbour discovery from the peer, with its link address. */
static void nd_say(struct world *w, const struct inaddr *src, const struct inaddr *dst, const struct nd_msg *m)
{
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    struct ipv6_hdr h = {.next = IPPROTO_ICMPV6_, .hop_limit = ND_HOP_LIMIT, .src = *src, .dst = *dst};
    uint8_t f[ETH_HLEN + IPV6_HLEN + ND_BUILD_MAX];

    memcpy(eh.dst, us_mac, 6);
    memcpy(eh.src, peer_mac, 6);
    eth_build(f, &eh);
    h.payload_len = (uint16_t)nd_build(f + ETH_HLEN + IPV6_HLEN, m);
    ipv6_build(f + ETH_HLEN, &h);
    world_fix_cksum6(f + ETH_HLEN, IPV6_HLEN + h.payload_len);
    world_frame(w, (struct world_rx){.exact = true}, f, ETH_HLEN + IPV6_HLEN + h.payload_len);
}

void world_nd_answer(struct world *w, const uint8_t *p, uint32_t len)
{
    const struct inaddr peer = WORLD_PEER6;
    struct nd_msg q, a = {.type = ND_NEIGHBOR_ADVERT, .target = WORLD_PEER6, .solicited = true, .override = true, .has_tlla = true};
    struct ipv6_hdr h;

    if (ipv6_parse(p, len, len, &h) != IPV6_OK || h.next != IPPROTO_ICMPV6_ || inaddr_is_any(&h.src) ||
        nd_parse(p + IPV6_HLEN, h.payload_len, &h.src, &h.dst, h.hop_limit, &q) != ND_OK || q.type != ND_NEIGHBOR_SOLICIT ||
        !inaddr_eq(&q.target, &peer))
        return;
    memcpy(a.tlla, peer_mac, 6);
    nd_say(w, &peer, &h.src, &a);
}

void world_up6(struct world *w)
{
    const struct inaddr us = WORLD_US6, peer = WORLD_PEER6;
    struct nd_msg hello = {.type = ND_NEIGHBOR_SOLICIT, .target = WORLD_US6, .has_slla = true};

    Z_CHECK(ip6_netif_up(w->s, w->nif) == 0 && ip6_add_addr(w->s, w->nif, &us, 64, ADDR6_STATIC) == 0);
    for (int i = 0; i < 5; i++) /* duplicate address detection: a delay, a solicitation, silence */
        world_turn(w, NS_PER_SEC);
    memcpy(hello.slla, peer_mac, 6);
    nd_say(w, &peer, &us, &hello);
    world_turn(w, 0);
}

void world_down6(struct world *w)
{
    struct z_stack *s = w->s;

    while (w->nif->n_addrs6 > 0) {
        struct inaddr a = w->nif->addr6[0].addr;

        (void)ip6_del_addr(s, w->nif, &a);
    }
    for (uint32_t i = s->routes->n; i-- > 0;) {
        struct route r = s->routes->route[i];

        if (r.origin == ROUTE_RA)
            (void)ip_route_del(s, &r.prefix, r.plen, &r.gateway, r.nif);
    }
    for (unsigned i = 0; i < STACK_MAX_NETIFS; i++)
        s->neigh->v6[i] = (struct neigh_timing){.reachable_ns = 30 * NS_PER_SEC, .retry_ns = NS_PER_SEC, .delay_ns = 5 * NS_PER_SEC};
    world_turn(w, 200 * NS_PER_SEC); /* what was asked with times that a router gave */
    for (int i = 0; i < 20; i++)     /* reports of what was left, neighbours that are given up */
        world_turn(w, NS_PER_SEC);
    mcast_fini(s);
    nd_fini(s);
    w->nif->ip6 = false;
    w->nif->mtu6 = 0;
    world_turn(w, NS_PER_SEC);
    Z_CHECK(nd_init(s) == 0 && mcast_init(s) == 0);
}
