/*
 * Neighbour discovery (RFC 4861), duplicate address detection and address autoconfiguration (RFC 4862).
 *
 *     nd_input    validates a message; nd_neigh (NS, NA), nd_router (RA), nd_redirect act on it
 *     nd_output   a packet for a neighbour; the messages that we send ourselves
 *     nd_dad      tentative addresses; nd_slaac: addresses from prefixes
 *
 * One timer per interface: it fires at the earliest of what is pending there, and every table that it goes through is small.
 */
#ifndef IP_ND_H
#define IP_ND_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "link/netif.h"

struct ifaddr6;
struct ip_in;
struct neigh;
struct wheel_node;
struct z_stack;

/* From ip_init and ip_fini. 0 or -ENOMEM. */
int nd_init(struct z_stack *s);
void nd_fini(struct z_stack *s);

/*
 * Sends a finished IPv6 packet to the neighbour next_hop: at once when its link address is known, else it waits for the answer
 * (neigh_queue_limit packets per neighbour) or is dropped; more: the next one is of the same datagram. Returns the neighbour's entry, as
 * neigh_output does. A multicast next hop needs no entry: NULL.
 */
struct neigh *nd_output(struct z_stack *s, struct netif *nif, const struct inaddr *next_hop, struct rte_mbuf *m /* consumed */, bool more);

/* An ICMPv6 message of type 133 to 137; m starts at the ICMPv6 header, its checksum is right. */
void nd_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

/* An address was put into the interface's table, in state ADDR6_TENTATIVE: duplicate address detection begins. */
void nd_addr_added(struct z_stack *s, struct netif *nif, struct ifaddr6 *a);

/* It is about to be taken out of the table. */
void nd_addr_deleted(struct z_stack *s, struct netif *nif, struct ifaddr6 *a);

/* Asks for the link address of a neighbour: mac if it may still be the one, else NULL for its solicited-node group. */
void nd_solicit(struct z_stack *s, struct netif *nif, const struct inaddr *target, const uint8_t *mac);

/* A neighbour does not answer any more. */
void nd_neigh_failed(struct z_stack *s, struct netif *nif, const struct inaddr *addr);

/* A wheel node of kind TIMER_ND expired. */
void nd_timer(struct z_stack *s, struct wheel_node *w);

#endif
