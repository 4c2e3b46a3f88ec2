/*
 * The routing table of IPv4: prefixes in order of length, so that the first match is the longest. Small, and read only
 * when a path is looked up: connections keep their path until the generation changes. A mechanism.
 */
#ifndef IP_ROUTE_H
#define IP_ROUTE_H

#include <stdint.h>

#include "base/arena.h"

struct netif;

struct route {
    uint32_t prefix, mask; /* host order */
    uint32_t gateway;      /* 0: the destination itself is on the link */
    struct netif *nif;
};

struct route_table {
    uint32_t gen; /* never 0; changes with every change of routes or addresses */
    uint32_t n, limit;
    struct route *route;
};

/* 0 or -ENOMEM. */
int route_table_init(struct route_table *t, struct arena *a, uint32_t limit);
void route_table_fini(struct route_table *t, struct arena *a);

/* -EINVAL (mask with gaps, prefix bits outside the mask), -EEXIST (this prefix has a route), -ENOSPC. */
int route_add(struct route_table *t, uint32_t prefix, uint32_t mask, uint32_t gateway, struct netif *nif);
int route_del(struct route_table *t, uint32_t prefix, uint32_t mask); /* -ESRCH */

/* The route with the longest matching prefix, or NULL. */
const struct route *route_lookup(const struct route_table *t, uint32_t dst);

/* Every path is looked up again. */
void route_changed(struct route_table *t);

#endif
