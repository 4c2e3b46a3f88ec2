/*
 * Address conflict detection for IPv4 (RFC 5227): an address is tested and announced when an interface gets it, and defended afterwards.
 *
 *     acd_claim -> PROBE, PROBE, PROBE -> LISTEN -> ANNOUNCE, ANNOUNCE -> QUIET
 *                     |  another host has it
 *                     +-> TAKEN -> (a minute later) PROBE
 *
 * Whether the address is in use meanwhile is the key arp_probe: with 1 it is, and a conflict is only told and defended; with 2 it is not
 * an address of ours before ANNOUNCE, as the RFC wants it. With 0 there is one announcement and no test.
 */
#ifndef LINK_ACD_H
#define LINK_ACD_H

#include <stdbool.h>
#include <stdint.h>

#include "link/netif.h"

struct arp_pkt;
struct wheel_node;
struct z_stack;

/*
 * A new address of the interface, whose table of claims has room. It is in use (nif->addr) when this returns, or after the test:
 * then the paths that exist are looked up again.
 */
void acd_claim(struct z_stack *s, struct netif *nif, const struct ifaddr *a);

/*
 * An ARP packet from another host. True when it claims an address that is ours or is being tested: nothing else may be done with it.
 */
bool acd_heard(struct z_stack *s, struct netif *nif, const struct arp_pkt *a);

/* A wheel node of kind TIMER_ACD expired; no timer runs any more. */
void acd_timer(struct z_stack *s, struct wheel_node *w);
void acd_stop(struct z_stack *s, struct netif *nif);

#endif
