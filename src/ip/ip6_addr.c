/* The IPv6 addresses of interfaces: adding, finding, and which one a packet comes from (RFC 6724). */
#include <errno.h>

#include "core/stack.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/nd.h"

#include "base/poison.h"

#define LINKLOCAL_PLEN 64u

struct ifaddr6 *ip6_addr_find(struct netif *nif, const struct inaddr *a)
{
    for (uint16_t i = 0; i < nif->n_addrs6; i++)
        if (inaddr_eq(&nif->addr6[i].addr, a))
            return &nif->addr6[i];
    return NULL;
}

struct netif *ip6_addr_owner(const struct z_stack *s, const struct inaddr *a, struct ifaddr6 **ifa)
{
    for (uint16_t i = 0; i < s->n_netifs; i++) {
        struct ifaddr6 *x = ip6_addr_find(s->netif[i], a);

        if (x == NULL || x->state == ADDR6_DUPLICATED)
            continue;
        if (ifa != NULL)
            *ifa = x;
        return s->netif[i];
    }
    return NULL;
}

const struct ifaddr6 *ip6_linklocal(const struct netif *nif)
{
    for (uint16_t i = 0; i < nif->n_addrs6; i++)
        if (inaddr_is_v6_linklocal(&nif->addr6[i].addr) && ip6_addr_usable(&nif->addr6[i]))
            return &nif->addr6[i];
    return NULL;
}

/* An address that an interface may have (RFC 4291 section 2.5): IPv4-mapped ones are another family here. */
static bool is_host_addr(const struct inaddr *a)
{
    return !inaddr_is_v4(a) && !inaddr_is_v6_multicast(a) && !inaddr_is_any(a) && !inaddr_is_v6_loopback(a);
}

static bool brings_route(const struct ifaddr6 *x)
{
    return x->origin != ADDR6_SLAAC && x->plen > 0 && x->plen < 128;
}

static int add_connected(struct z_stack *s, struct netif *nif, const struct ifaddr6 *x)
{
    const struct route r = {.prefix = inaddr_prefix(&x->addr, x->plen),
                            .plen = x->plen,
                            .gateway = INADDR_ANY_V6,
                            .nif = nif,
                            .origin = ROUTE_CONNECTED,
                            .expires_ns = NS_NEVER};

    /* one that a router said becomes ours to keep; that of another address with this prefix serves both */
    return brings_route(x) ? ip_route_set(s, &r, false) : 0;
}

/* Unless another address of the interface brought the same route. */
static void del_connected(struct z_stack *s, struct netif *nif, const struct ifaddr6 *x)
{
    const struct inaddr prefix = inaddr_prefix(&x->addr, x->plen), none = INADDR_ANY_V6;

    for (uint16_t i = 0; i < nif->n_addrs6; i++)
        if (nif->addr6[i].plen == x->plen && brings_route(&nif->addr6[i]) && inaddr_covers(&prefix, x->plen, &nif->addr6[i].addr))
            return;
    if (brings_route(x))
        (void)route_del(s->routes, &prefix, x->plen, &none, nif);
}

int ip6_add_addr(struct z_stack *s, struct netif *nif, const struct inaddr *a, uint8_t plen, enum addr6_origin origin)
{
    struct ifaddr6 x = {.addr = *a,
                        .plen = plen,
                        .origin = (uint8_t)origin,
                        .state = ADDR6_TENTATIVE,
                        .preferred_until_ns = NS_NEVER,
                        .valid_until_ns = NS_NEVER};
    int err;

    if (!nif->ip6)
        return -EOPNOTSUPP;
    if (!is_host_addr(a) || plen > 128)
        return -EINVAL;
    inaddr_set_zone(&x.addr, ip6_zone(nif));
    if (ip6_addr_find(nif, &x.addr) != NULL || ip6_addr_owner(s, &x.addr, NULL) != NULL)
        return -EEXIST;
    if (nif->n_addrs6 == NETIF_MAX_ADDRS6)
        return -ENOSPC;
    err = add_connected(s, nif, &x);
    if (err)
        return err;
    nif->addr6[nif->n_addrs6++] = x;
    route_changed(s->routes);
    nd_addr_added(s, nif, &nif->addr6[nif->n_addrs6 - 1]);
    return 0;
}

int ip6_del_addr(struct z_stack *s, struct netif *nif, const struct inaddr *a)
{
    struct ifaddr6 *x = ip6_addr_find(nif, a), gone;

    if (x == NULL)
        return -ESRCH;
    nd_addr_deleted(s, nif, x);
    gone = *x;
    *x = nif->addr6[--nif->n_addrs6];
    del_connected(s, nif, &gone);
    route_changed(s->routes);
    return 0;
}

/* The interface identifier is made of the link address (RFC 4291 appendix A), as a link-local address needs no more secrecy. */
int ip6_netif_up(struct z_stack *s, struct netif *nif)
{
    const uint8_t *m = nif->mac;
    const struct inaddr a = {.b = {0xfe, 0x80, [8] = m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};

    nif->ip6 = true;
    return ip6_add_addr(s, nif, &a, LINKLOCAL_PLEN, ADDR6_LINKLOCAL);
}
