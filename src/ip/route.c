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

int route_add(struct route_table *t, uint32_t prefix, uint32_t mask, uint32_t gateway, struct netif *nif)
{
    uint32_t i;

    if ((~mask & (~mask + 1)) != 0 || (prefix & ~mask) != 0)
        return -EINVAL;
    /* a contiguous mask is the larger number the longer it is */
    for (i = 0; i < t->n && t->route[i].mask >= mask; i++)
        if (t->route[i].mask == mask && t->route[i].prefix == prefix)
            return -EEXIST;
    if (t->n == t->limit)
        return -ENOSPC;
    memmove(&t->route[i + 1], &t->route[i], (t->n - i) * sizeof(struct route));
    t->route[i] = (struct route){.prefix = prefix, .mask = mask, .gateway = gateway, .nif = nif};
    t->n++;
    route_changed(t);
    return 0;
}

int route_del(struct route_table *t, uint32_t prefix, uint32_t mask)
{
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->route[i].mask != mask || t->route[i].prefix != prefix)
            continue;
        memmove(&t->route[i], &t->route[i + 1], (t->n - i - 1) * sizeof(struct route));
        t->n--;
        route_changed(t);
        return 0;
    }
    return -ESRCH;
}

const struct route *route_lookup(const struct route_table *t, uint32_t dst)
{
    for (uint32_t i = 0; i < t->n; i++)
        if ((dst & t->route[i].mask) == t->route[i].prefix)
            return &t->route[i];
    return NULL;
}
