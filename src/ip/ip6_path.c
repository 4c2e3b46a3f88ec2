/* Where an IPv6 packet goes: interface, next hop, source address, MTU. */
#include <errno.h>

#include "base/siphash.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "link/neigh.h"

#include "base/poison.h"

#define FLOW_BITS 20

uint32_t ip6_flow_label(const struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint16_t sport, uint16_t dport)
{
    const struct {
        struct inaddr src, dst;
        uint32_t ports, purpose;
    } in = {*src, *dst, (uint32_t)sport << 16 | dport, 6};
    uint32_t label;

    if (inaddr_is_v4(dst))
        return 0;
    label = (uint32_t)(siphash13(s->secret_key, &in, sizeof(in)) >> (64 - FLOW_BITS));
    return label != 0 ? label : 1;
}

/* To ourselves. The source is the destination where the caller has no wish. */
static int path_local(const struct z_stack *s, struct ip_path *path, const struct inaddr *src, const struct inaddr *dst)
{
    struct netif *nif = ip6_addr_owner(s, dst, NULL);

    path->nif = nif != NULL ? nif : s->netif[0];
    path->neigh = NULL;
    path->next_hop = *dst;
    path->src = inaddr_is_any(src) ? *dst : *src;
    path->mtu = IP_LOOPBACK_MTU;
    path->local = true;
    path->gen = s->routes->gen;
    return 0;
}

/* The interface of an address with a zone; NULL: the zone is none of ours. */
static struct netif *zone_nif(const struct z_stack *s, const struct inaddr *a)
{
    uint16_t zone = inaddr_zone(a);

    return zone != 0 && zone <= s->n_netifs ? s->netif[zone - 1] : NULL;
}

/* The interface for a group of a wider scope: that of the wanted source, of a route, or the first that speaks IPv6. */
static struct netif *group_nif(const struct z_stack *s, const struct inaddr *src, const struct inaddr *dst)
{
    struct netif *nif = ip6_addr_owner(s, src, NULL);
    const struct route *r = ip_route_choose(s, dst, nif);

    if (nif != NULL || r != NULL)
        return nif != NULL ? nif : r->nif;
    for (uint16_t i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->ip6)
            return s->netif[i];
    return NULL;
}

static int next_hop(const struct z_stack *s, struct ip_path *path, const struct inaddr *src, const struct inaddr *dst)
{
    const struct route *r;

    path->next_hop = *dst;
    if (inaddr_has_zone(dst)) {
        path->nif = zone_nif(s, dst);
        return path->nif != NULL ? 0 : -EINVAL; /* as Linux answers a link-local address without sin6_scope_id */
    }
    if (inaddr_is_v6_multicast(dst)) {
        path->nif = group_nif(s, src, dst);
        return path->nif != NULL ? 0 : -ENETUNREACH;
    }
    r = ip_route_choose(s, dst, ip6_addr_owner(s, src, NULL));
    if (r == NULL)
        return -ENETUNREACH;
    path->nif = r->nif;
    if (!inaddr_is_any(&r->gateway))
        path->next_hop = r->gateway;
    return 0;
}

int ip6_path_lookup(struct z_stack *s, struct ip_path *path, const struct inaddr *want_src, const struct inaddr *dst)
{
    struct inaddr src = want_src != NULL && !inaddr_is_any(want_src) ? *want_src : INADDR_ANY_V6;
    int ret;

    path->gen = 0;
    path->v6 = true;
    if (inaddr_is_any(dst) || s->n_netifs == 0)
        return -ENETUNREACH;
    if (!inaddr_is_any(&src) && (inaddr_is_v4(&src) || !ip_is_local(s, &src)))
        return -EADDRNOTAVAIL;
    if (ip_is_local(s, dst))
        return path_local(s, path, &src, dst);
    if (inaddr_is_v6_loopback(&src))
        return -EADDRNOTAVAIL; /* such a source may not leave the host (RFC 4291 2.5.3) */
    ret = next_hop(s, path, &src, dst);
    if (ret != 0)
        return ret;
    if (!path->nif->ip6)
        return -ENETUNREACH;
    if (inaddr_zone(&src) != 0 && inaddr_zone(&src) != ip6_zone(path->nif))
        return -ENETUNREACH; /* a link-local source stays on its link (RFC 4007 section 9) */
    if (inaddr_is_any(&src))
        src = ip6_choose_src(s, path->nif, dst);
    if (inaddr_is_any(&src))
        return -EADDRNOTAVAIL;
    path->src = src;
    path->neigh = inaddr_is_v6_multicast(dst) ? NULL : neigh_find(s->neigh, path->nif->index, &path->next_hop);
    path->neigh_serial = neigh_serial(path->neigh);
    path->mtu = ip_pmtu(s, dst, ip6_mtu(path->nif));
    path->local = false;
    path->gen = s->routes->gen;
    return 0;
}
