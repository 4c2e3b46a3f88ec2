/* Packets for a neighbour of either family: sent, parked, or given up; and the timers of the neighbour table. */
#ifndef LINK_RESOLVE_H
#define LINK_RESOLVE_H

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "link/netif.h"

struct neigh;
struct wheel_node;
struct z_stack;

/*
 * Sends a finished IP packet to the neighbour next_hop: at once when its link address is known, else it waits for the answer
 * (neigh_queue_limit packets per neighbour) or is dropped; more: the next one is of the same datagram. Returns the neighbour's entry,
 * which the caller may keep and ask neigh_is_fresh(); NULL when it has none.
 */
struct neigh *neigh_output(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, struct rte_mbuf *m /* consumed */,
                           bool more);

/*
 * The count packets of one datagram are about to be sent there. Where they have to wait older ones give way now. False: so many may not
 * wait, and none of them should be sent: a datagram without some of its fragments is a burden without use.
 */
bool neigh_make_room(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, unsigned count);

/* Its link address has become known: what waited for it goes. n may be NULL. */
void neigh_send_parked(struct z_stack *s, struct netif *nif, struct neigh *n);

/* A wheel node of kind TIMER_NEIGH expired. */
void neigh_timer(struct z_stack *s, struct wheel_node *w);

#endif
