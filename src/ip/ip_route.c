#include "ip/ip_route.h"

#include <errno.h>

#include "core/stack.h"
#include "ip/ip_state.h"
#include "link/neigh.h"

#include "base/poison.h"

#define GATEWAY_RETRY_NS (60 * NS_PER_SEC)

/* Is a neighbour of nif that could forward for us? */
static bool is_on_link_v4(const struct netif *nif, uint32_t a)
{
    for (uint16_t i = 0; i < nif->n_claims; i++) {
        const struct ifaddr *own = &nif->claim[i].a;

        if (((a ^ own->addr) & own->mask) == 0)
            return a != own->addr && a != own->broadcast;
    }
    return false;
}

/* Reached without another gateway: by a connected route, as link-local addresses are (RFC 4861 section 8.1: routers use them). */
static bool is_on_link(const struct z_stack *s, const struct netif *nif, const struct inaddr *a)
{
    if (inaddr_is_v4(a))
        return is_on_link_v4(nif, inaddr_to_v4(a));
    for (const struct route *r = route_lookup(s->routes, a); r; r = route_next(s->routes, a, r))
        if (r->nif == nif && inaddr_is_any(&r->gateway))
            return true;
    return false;
}

static struct netif *nif_of_gateway(const struct z_stack *s, const struct inaddr *gateway)
{
    for (uint16_t i = 0; i < s->n_netifs; i++)
        if (is_on_link(s, s->netif[i], gateway))
            return s->netif[i];
    return NULL;
}

static void arm_expiry(struct z_stack *s)
{
    wheel_arm(&s->wheel, &s->ip->route_timer, route_expire(s->routes, s->now_ns));
}

int ip_route_set(struct z_stack *s, const struct route *r, bool exclusive)
{
    struct route add = *r, *old;
    int err;

    if (!inaddr_is_any(&r->gateway)) {
        if (!add.nif)
            add.nif = nif_of_gateway(s, &r->gateway);
        if (!add.nif || !is_on_link(s, add.nif, &r->gateway))
            return -ENETUNREACH;
    }
    if (!add.nif)
        return -EINVAL;
    old = route_find(s->routes, &add.prefix, add.plen, &add.gateway, add.nif);
    if (old && (exclusive || (add.origin == ROUTE_RA && old->origin != ROUTE_RA)))
        return -EEXIST;
    if (old && old->metric == add.metric && old->origin == add.origin) {
        old->expires_ns = add.expires_ns; /* a router's next advertisement: no path changes */
        arm_expiry(s);
        return 0;
    }
    if (old)
        (void)route_del(s->routes, &add.prefix, add.plen, &add.gateway, add.nif);
    err = route_add(s->routes, &add);
    arm_expiry(s);
    return err;
}

int ip_route_del(struct z_stack *s, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway, const struct netif *nif)
{
    int err = route_del(s->routes, prefix, plen, gateway, nif);

    arm_expiry(s);
    return err;
}

void ip_route_unlearn(struct z_stack *s, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway, const struct netif *nif)
{
    const struct route *r = route_find(s->routes, prefix, plen, gateway, nif);

    if (r && r->origin == ROUTE_RA)
        (void)ip_route_del(s, prefix, plen, gateway, nif);
}

/*
 * A gateway that failed is left alone for a while, longer than its neighbour entry lives; then one packet asks for it, and the others
 * keep the alternative until it answers (RFC 1122 3.3.1.4: pings would be overhead; RFC 4861 section 6.3.6: reachable ones first).
 */
static bool is_dead(const struct z_stack *s, const struct route *r)
{
    const struct neigh *n = inaddr_is_any(&r->gateway) ? NULL : neigh_find(s->neigh, r->nif->index, &r->gateway);

    if (n && n->state != NEIGH_INCOMPLETE)
        return n->state == NEIGH_FAILED;
    return r->retry_at_ns != 0 && (n || s->now_ns < r->retry_at_ns);
}

const struct route *ip_route_choose(const struct z_stack *s, const struct inaddr *dst, const struct netif *nif)
{
    const struct route *first = route_lookup(s->routes, dst), *best = first;
    unsigned best_rank = 0;

    for (const struct route *r = first; r && r->plen == first->plen; r = route_next(s->routes, dst, r)) {
        unsigned rank = 2u * (nif && r->nif == nif) + !is_dead(s, r);

        if (rank > best_rank) {
            best = r;
            best_rank = rank;
        }
        if (best_rank == 3 || (best_rank == 1 && !nif))
            break;
    }
    return best;
}

/* Is there an i-th route, and is it of r's prefix? */
static bool is_of_prefix(const struct route_table *t, uint32_t i, const struct route *r)
{
    return i < t->n && t->route[i].plen == r->plen && inaddr_eq(&t->route[i].prefix, &r->prefix);
}

void ip_route_gateway_failed(struct z_stack *s, const struct netif *nif, const struct inaddr *gateway)
{
    struct route_table *t = s->routes;
    bool has_alternative = false;

    for (uint32_t i = 0; i < t->n; i++) {
        struct route *r = &t->route[i];

        if (r->nif != nif || !inaddr_eq(&r->gateway, gateway))
            continue;
        r->retry_at_ns = s->now_ns + GATEWAY_RETRY_NS;
        has_alternative |= is_of_prefix(t, i - 1, r) || is_of_prefix(t, i + 1, r);
    }
    if (has_alternative)
        route_changed(t);
}

void ip_route_timer(struct z_stack *s, struct wheel_node *w)
{
    (void)w;
    arm_expiry(s);
}
