/* ARP: resolves the neighbours of an interface for packets that go out, answers for our own addresses (RFC 826, RFC 5227). */
#ifndef LINK_ARP_H
#define LINK_ARP_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "link/netif.h"

struct z_stack;

/* A received ARP packet, Ethernet header removed. */
void arp_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed */);

/* Asks for the link address of a neighbour: mac if it may still be the one, else NULL for everybody. */
void arp_request(struct z_stack *s, struct netif *nif, uint32_t addr, const uint8_t *mac);

/* Asks whether another host has addr, without saying that we want it (an ARP probe, RFC 5227 section 1.1). */
void arp_probe(struct z_stack *s, struct netif *nif, uint32_t addr);

/* Tells the link that addr is ours now (an ARP announcement, RFC 5227 section 3). */
void arp_announce(struct z_stack *s, struct netif *nif, uint32_t addr);

#endif
