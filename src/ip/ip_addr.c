/* Addresses of the stack, and the life of its IP state. */
#include <errno.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd.h"
#include "link/acd.h"

#include "base/poison.h"

int ip_init(struct z_stack *s)
{
    s->ip = arena_alloc(&s->arena, sizeof(*s->ip));
    s->routes = arena_alloc(&s->arena, sizeof(*s->routes));
    if (!s->ip || !s->routes || route_table_init(s->routes, &s->arena, s->conf.route_limit)) {
        arena_free(&s->arena, s->ip, sizeof(*s->ip));
        arena_free(&s->arena, s->routes, sizeof(*s->routes));
        s->ip = NULL;
        s->routes = NULL;
        return -ENOMEM;
    }
    s->ip->route_timer.kind = TIMER_ROUTE;
    if (ip_frag_init(s) == 0 && ip_pmtu_init(s) == 0 && nd_init(s) == 0 && mcast_init(s) == 0)
        return 0;
    ip_fini(s);
    return -ENOMEM;
}

void ip_fini(struct z_stack *s)
{
    if (!s->ip)
        return;
    while (s->ip->lo_head != s->ip->lo_tail)
        pkt_unref_chain(s->ip->lo[s->ip->lo_head++ % LOOPBACK_SLOTS]);
    ip_frag_fini(s);
    wheel_cancel(&s->wheel, &s->ip->route_timer);
    mcast_fini(s);
    nd_fini(s);
    ip_pmtu_fini(s);
    route_table_fini(s->routes, &s->arena);
    arena_free(&s->arena, s->routes, sizeof(*s->routes));
    arena_free(&s->arena, s->ip, sizeof(*s->ip));
    s->routes = NULL;
    s->ip = NULL;
}

struct netif *ip_v4_owner(const struct z_stack *s, uint32_t a)
{
    for (uint16_t i = 0; i < s->n_netifs; i++)
        for (uint16_t k = 0; k < s->netif[i]->n_addrs; k++)
            if (s->netif[i]->addr[k].addr == a)
                return s->netif[i];
    return NULL;
}

bool ip_v4_is_broadcast(const struct z_stack *s, uint32_t a)
{
    if (a == UINT32_MAX)
        return true;
    for (uint16_t i = 0; i < s->n_netifs; i++)
        for (uint16_t k = 0; k < s->netif[i]->n_addrs; k++)
            if (s->netif[i]->addr[k].broadcast == a)
                return true;
    return false;
}

bool ip_is_local(const struct z_stack *s, const struct inaddr *a)
{
    uint32_t v4 = inaddr_to_v4(a);
    struct ifaddr6 *x;

    if (!inaddr_is_v4(a))
        return inaddr_is_v6_loopback(a) || (ip6_addr_owner(s, a, &x) && ip6_addr_usable(x));
    return ip_v4_is_loopback(v4) || ip_v4_owner(s, v4);
}

bool ip_is_group(const struct z_stack *s, const struct inaddr *a)
{
    uint32_t v4 = inaddr_to_v4(a);

    return inaddr_is_v4(a) ? ip_v4_is_multicast(v4) || ip_v4_is_broadcast(s, v4) : inaddr_is_v6_multicast(a);
}

static int add_connected(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask)
{
    const struct route r = {.prefix = inaddr_v4(addr & mask),
                            .plen = (uint8_t)route_plen_of_mask(mask),
                            .gateway = INADDR_ANY_V4,
                            .nif = nif,
                            .origin = ROUTE_CONNECTED,
                            .expires_ns = NS_NEVER};

    return route_add(s->routes, &r);
}

/* In use, or to be used once it is tested. */
static bool is_claimed(const struct z_stack *s, uint32_t addr)
{
    for (uint16_t i = 0; i < s->n_netifs; i++)
        for (uint16_t k = 0; k < s->netif[i]->n_claims; k++)
            if (s->netif[i]->claim[k].a.addr == addr)
                return true;
    return false;
}

int ip_add_addr(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask, uint32_t broadcast)
{
    int err;

    if (route_plen_of_mask(mask) < 0 || mask == 0 || addr >> 24 == 0 || addr >> 28 >= 14 || ip_v4_is_loopback(addr))
        return -EINVAL;
    if (is_claimed(s, addr))
        return -EEXIST;
    if (nif->n_claims == NETIF_MAX_ADDRS)
        return -ENOSPC;
    if (~mask <= 1) /* subnets of one or two hosts have none (RFC 3021 section 2.2), whatever was given */
        broadcast = UINT32_MAX;
    else if (broadcast == 0)
        broadcast = addr | ~mask;
    if (~mask > 1 && (addr == broadcast || (addr & ~mask) == 0))
        return -EINVAL;
    err = mask == UINT32_MAX ? 0 : add_connected(s, nif, addr, mask);
    if (err && err != -EEXIST) /* a second address in a subnet finds its route there */
        return err;
    s->ip->own_v4 |= ip_own_bit(addr) | ip_own_bit(broadcast);
    acd_claim(s, nif, &(struct ifaddr){.addr = addr, .mask = mask, .broadcast = broadcast});
    return 0;
}

int ip_add_gateway(struct z_stack *s, struct netif *nif, uint32_t gateway)
{
    const struct route r = {.prefix = INADDR_ANY_V4,
                            .plen = ROUTE_PLEN_V4,
                            .gateway = inaddr_v4(gateway),
                            .nif = nif,
                            .origin = ROUTE_STATIC,
                            .expires_ns = NS_NEVER};

    return gateway ? ip_route_set(s, &r, true) : -ENETUNREACH;
}
