/* ARP: resolves the neighbours of an interface for packets that go out, answers for our own addresses (RFC 826, RFC 5227). */
#ifndef LINK_ARP_H
#define LINK_ARP_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "link/netif.h"

struct neigh;
struct wheel_node;
struct z_stack;

/* A received ARP packet, Ethernet header removed. */
void arp_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed */);

/*
 * Sends a finished IP packet to the neighbour next_hop: at once when its link address is known, else it waits for the answer
 * (neigh_queue_limit packets per neighbour) or is dropped. Returns the neighbour's entry, which the caller may keep and ask
 * neigh_is_fresh(); NULL when it has none.
 */
struct neigh *arp_output(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, struct rte_mbuf *m /* consumed */);

/* Tells the link that addr is ours now (an ARP announcement, RFC 5227 section 3). */
void arp_announce(struct z_stack *s, struct netif *nif, uint32_t addr);

/* A wheel node of kind TIMER_NEIGH expired. */
void arp_timer(struct z_stack *s, struct wheel_node *w);

#endif
