#include "ip/route.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

#include "base/poison.h"

int route_table_init(struct route_table *t, struct arena *a, uint32_t limit)
{
    t->gen = 1;
    t->n = 0;
    t->limit = MIN(limit, ARENA_MAX_BLOCK / (uint32_t)sizeof(struct route));
    t->route = arena_alloc(a, MAX(t->limit, 1u) * sizeof(struct route));
    return t->route ? 0 : -ENOMEM;
}

void route_table_fini(struct route_table *t, struct arena *a)
{
    arena_free(a, t->route, MAX(t->limit, 1u) * sizeof(struct route));
    t->route = NULL;
    t->n = 0;
}

void route_changed(struct route_table *t)
{
    if (++t->gen == 0)
        t->gen = 1;
}

int route_plen_of_mask(uint32_t mask)
{
    if ((~mask & (~mask + 1)) != 0)
        return -EINVAL;
    return (int)ROUTE_PLEN_V4 + __builtin_popcount(mask);
}

static bool route_is_valid(const struct route *r)
{
    const struct inaddr prefix = inaddr_prefix(&r->prefix, MIN(r->plen, ROUTE_PLEN_MAX));

    if (r->plen > ROUTE_PLEN_MAX || (inaddr_is_v4(&r->prefix) && r->plen < ROUTE_PLEN_V4))
        return false;
    if (!inaddr_is_any(&r->gateway) && inaddr_is_v4(&r->gateway) != inaddr_is_v4(&r->prefix))
        return false;
    return inaddr_eq(&prefix, &r->prefix);
}

static bool is_of_prefix(const struct route *r, const struct inaddr *prefix, uint8_t plen)
{
    return r->plen == plen && inaddr_eq(&r->prefix, prefix);
}

static bool same_gateway(const struct inaddr *a, const struct inaddr *b)
{
    return inaddr_eq(a, b) || (inaddr_is_any(a) && inaddr_is_any(b));
}

struct route *route_find(const struct route_table *t, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway,
                         const struct netif *nif)
{
    for (uint32_t i = 0; i < t->n; i++) {
        struct route *r = &t->route[i];

        if (is_of_prefix(r, prefix, plen) && (!gateway || same_gateway(&r->gateway, gateway)) && (!nif || r->nif == nif))
            return r;
    }
    return NULL;
}

static bool is_preferred(const struct route *a, const struct route *b)
{
    if (a->plen != b->plen)
        return a->plen > b->plen;
    if (a->metric != b->metric)
        return a->metric < b->metric;
    return a->origin < b->origin;
}

int route_add(struct route_table *t, const struct route *r)
{
    uint32_t i;

    if (!route_is_valid(r))
        return -EINVAL;
    if (route_find(t, &r->prefix, r->plen, &r->gateway, r->nif))
        return -EEXIST;
    if (t->n == t->limit)
        return -ENOSPC;
    for (i = 0; i < t->n && !is_preferred(r, &t->route[i]); i++)
        ;
    memmove(&t->route[i + 1], &t->route[i], (t->n - i) * sizeof(struct route));
    t->route[i] = *r;
    t->n++;
    route_changed(t);
    return 0;
}

static void route_remove(struct route_table *t, struct route *r)
{
    memmove(r, r + 1, (size_t)(&t->route[t->n] - (r + 1)) * sizeof(struct route));
    t->n--;
    route_changed(t);
}

int route_del(struct route_table *t, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway, const struct netif *nif)
{
    struct route *r = route_find(t, prefix, plen, gateway, nif);

    if (!r)
        return -ESRCH;
    route_remove(t, r);
    return 0;
}

static const struct route *first_from(const struct route_table *t, const struct inaddr *dst, uint32_t i)
{
    /* the short prefixes are IPv6's, and come last: ::/0 would cover mapped addresses too */
    uint8_t shortest = inaddr_is_v4(dst) ? ROUTE_PLEN_V4 : 0;

    for (; i < t->n && t->route[i].plen >= shortest; i++)
        if (inaddr_covers(&t->route[i].prefix, t->route[i].plen, dst))
            return &t->route[i];
    return NULL;
}

const struct route *route_lookup(const struct route_table *t, const struct inaddr *dst)
{
    return first_from(t, dst, 0);
}

const struct route *route_next(const struct route_table *t, const struct inaddr *dst, const struct route *prev)
{
    return first_from(t, dst, (uint32_t)(prev - t->route) + 1);
}

uint64_t route_expire(struct route_table *t, uint64_t now_ns)
{
    uint64_t next = NS_NEVER;

    for (uint32_t i = 0; i < t->n;) {
        if (t->route[i].expires_ns <= now_ns) {
            route_remove(t, &t->route[i]);
            continue;
        }
        next = MIN(next, t->route[i].expires_ns);
        i++;
    }
    return next;
}
