/* Where a packet goes: interface, next hop, source address, MTU. */
#include <errno.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "link/neigh.h"

#include "base/poison.h"

bool ip_path_valid(const struct z_stack *s, const struct ip_path *path)
{
    return path->gen == s->routes->gen;
}

/* To ourselves. The source is the destination where the caller has no wish, as Linux does. */
static int ip_path_local(const struct z_stack *s, struct ip_path *path, uint32_t src, uint32_t dst)
{
    struct netif *nif = ip_v4_owner(s, dst);

    path->nif = nif ? nif : s->netif[0];
    path->neigh = NULL;
    path->next_hop = inaddr_v4(dst);
    path->src = inaddr_v4(src ? src : dst);
    path->mtu = IP_LOOPBACK_MTU;
    path->local = true;
    path->gen = s->routes->gen;
    return 0;
}

/* The address of nif that its neighbour to knows a way back to: of the same subnet, else the primary one. */
static uint32_t ip_choose_src(const struct netif *nif, uint32_t to)
{
    for (uint16_t i = 0; i < nif->n_addrs; i++)
        if (((nif->addr[i].addr ^ to) & nif->addr[i].mask) == 0)
            return nif->addr[i].addr;
    return nif->n_addrs ? nif->addr[0].addr : 0;
}

/* The interface of a broadcast or multicast packet: that of the wanted source, of the subnet, of the default route, any. */
static struct netif *ip_group_nif(const struct z_stack *s, uint32_t src, uint32_t dst)
{
    struct netif *nif = src ? ip_v4_owner(s, src) : NULL;
    const struct inaddr to = inaddr_v4(dst);
    const struct route *r = route_lookup(s->routes, &to);

    if (nif)
        return nif;
    return r ? r->nif : s->netif[0];
}

int ip_path_lookup(struct z_stack *s, struct ip_path *path, const struct inaddr *want_src, const struct inaddr *to, bool allow_broadcast)
{
    uint32_t src = want_src && inaddr_is_v4(want_src) ? inaddr_to_v4(want_src) : 0;
    uint32_t dst = inaddr_to_v4(to), hop = dst;
    const struct route *r;
    bool group;

    if (!inaddr_is_v4(to))
        return ip6_path_lookup(s, path, want_src, to);
    path->gen = 0;
    path->v6 = false;
    if (dst >> 24 == 0 || s->n_netifs == 0)
        return -ENETUNREACH;
    if (src && !ip_v4_is_loopback(src) && !ip_v4_owner(s, src))
        return -EADDRNOTAVAIL;
    if (ip_v4_is_loopback(dst) || ip_v4_owner(s, dst))
        return ip_path_local(s, path, src, dst);
    if (ip_v4_is_loopback(src))
        return -EADDRNOTAVAIL; /* such a source may not leave the host (RFC 1122 3.2.1.3) */
    group = ip_is_group(s, to);
    if (group && !allow_broadcast)
        return ip_v4_is_multicast(dst) ? -ENETUNREACH : -EACCES;
    if (group) {
        path->nif = ip_group_nif(s, src, dst);
    } else {
        r = ip_route_choose(s, to, src ? ip_v4_owner(s, src) : NULL);
        if (!r)
            return -ENETUNREACH;
        hop = inaddr_is_any(&r->gateway) ? dst : inaddr_to_v4(&r->gateway);
        path->nif = r->nif;
    }
    src = src ? src : ip_choose_src(path->nif, hop);
    if (!src)
        return -EADDRNOTAVAIL;
    path->next_hop = inaddr_v4(hop);
    path->src = inaddr_v4(src);
    path->neigh = group ? NULL : neigh_find(s->neigh, path->nif->index, &path->next_hop);
    path->neigh_serial = neigh_serial(path->neigh);
    path->mtu = ip_pmtu(s, to, path->nif->mtu);
    path->local = false;
    path->gen = s->routes->gen;
    return 0;
}
