/*
 * The routing table of both families, in the order in which routes are preferred: longer prefixes first, then the smaller metric, then
 * connected before static before learned, then the older. Small, and read only when a path is looked up: connections keep
 * their path until the generation changes. A mechanism.
 *
 * A prefix of IPv4 is mapped, as addresses are: 10.0.0.0/8 has a length of 96 + 8, and no IPv6 prefix contains it.
 */
#ifndef IP_ROUTE_H
#define IP_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/inaddr.h"

struct netif;

#define ROUTE_PLEN_V4 96u
#define ROUTE_PLEN_MAX 128u

/* In the order of trust. */
enum route_origin { ROUTE_CONNECTED, ROUTE_STATIC, ROUTE_RA };

struct route {
    struct inaddr prefix;
    struct inaddr gateway; /* any: the destination itself is on the link */
    struct netif *nif;
    uint64_t expires_ns; /* NS_NEVER: it stays */
    uint64_t retry_at_ns; /* its gateway did not answer: it is asked again from then on; 0: it never failed to */
    uint32_t metric;
    uint8_t plen, origin;
};

struct route_table {
    uint32_t gen; /* never 0; changes with every change of routes or addresses */
    uint32_t n, limit;
    struct route *route;
};

/* 0 or -ENOMEM. */
int route_table_init(struct route_table *t, struct arena *a, uint32_t limit);
void route_table_fini(struct route_table *t, struct arena *a);

/*
 * A prefix may have routes through several gateways and interfaces. -EINVAL (bits behind the prefix, a family mix), -EEXIST (this
 * prefix has this gateway and interface), -ENOSPC.
 */
int route_add(struct route_table *t, const struct route *r);

/* Removes the first route of this prefix; with a gateway or an interface only one that has them. -ESRCH. */
int route_del(struct route_table *t, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway /* or NULL */,
              const struct netif *nif /* or NULL */);

/* The same choice, to look at; NULL when there is none. */
struct route *route_find(const struct route_table *t, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway,
                         const struct netif *nif);

/* The preferred route to dst, or NULL. */
const struct route *route_lookup(const struct route_table *t, const struct inaddr *dst);

/* The next one after prev that leads there too, or NULL. */
const struct route *route_next(const struct route_table *t, const struct inaddr *dst, const struct route *prev);

/* Removes what has expired; returns when the next one will, NS_NEVER when none. */
uint64_t route_expire(struct route_table *t, uint64_t now_ns);

/* Every path is looked up again. */
void route_changed(struct route_table *t);

/* The length of an IPv4 mask as a prefix length, 96 to 128; -EINVAL for one with gaps. */
int route_plen_of_mask(uint32_t mask);

#endif
