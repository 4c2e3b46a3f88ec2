/* Ethernet input and output. */
#ifndef LINK_ETH_H
#define LINK_ETH_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "link/netif.h"

struct z_stack;

/* The neighbour table, from s->arena. 0 or -ENOMEM. */
int link_init(struct z_stack *s);

/* Frees the table and every packet that waits for a neighbour. */
void link_fini(struct z_stack *s);

/* A received frame. */
void eth_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed */);

/* Prepends an Ethernet header and queues the frame. Headroom for ETH_HLEN_MAX is the caller's promise. */
void eth_output(struct z_stack *s, struct netif *nif, const uint8_t dst[6], uint16_t type, struct rte_mbuf *m /* consumed */);

#endif
