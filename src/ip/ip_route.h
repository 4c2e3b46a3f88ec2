/* Routes of a stack: what the table alone cannot check, their lifetimes, and the choice between several gateways. */
#ifndef IP_IP_ROUTE_H
#define IP_IP_ROUTE_H

#include "ip/route.h"

struct wheel_node;
struct z_stack;

/*
 * Adds a route, or gives the one with this prefix, gateway and interface a new metric, origin and expiry (then 0 too). A gateway must
 * be a neighbour: -ENETUNREACH when no subnet of r->nif has it or it is ourselves; r->nif NULL: the interface that has it.
 * -EINVAL, -EEXIST (when exclusive, or for what a router says of a route that stands without it), -ENOSPC.
 */
int ip_route_set(struct z_stack *s, const struct route *r, bool exclusive);

/* Removes the route with this prefix, gateway and interface if a router said it. */
void ip_route_unlearn(struct z_stack *s, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway, const struct netif *nif);

/* As route_del(). */
int ip_route_del(struct z_stack *s, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway, const struct netif *nif);

/*
 * The route to dst: of those with the longest prefix one of nif (where the source address is; NULL: no wish), then one whose
 * gateway is not known to be dead (RFC 1122 3.3.1.5), then the preferred one. NULL when there is none.
 */
const struct route *ip_route_choose(const struct z_stack *s, const struct inaddr *dst, const struct netif *nif);

/* A neighbour stopped to answer: if it is a gateway with an alternative, every path is looked up again. */
void ip_route_gateway_failed(struct z_stack *s, const struct netif *nif, const struct inaddr *gateway);

/* A wheel node of kind TIMER_ROUTE expired. */
void ip_route_timer(struct z_stack *s, struct wheel_node *w);

#endif
