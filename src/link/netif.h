/* A network interface of a stack: a port, its addresses, its transmit queue. */
#ifndef LINK_NETIF_H
#define LINK_NETIF_H

#include <stdint.h>

#include "pkt/txq.h"
#include "port/port.h"

#define NETIF_MAX_ADDRS 64
#define STACK_MAX_NETIFS 8

struct ifaddr {
    uint32_t addr, mask, broadcast; /* IPv4, host order */
};

struct netif {
    struct port *port;
    uint8_t mac[6];
    uint8_t index; /* in the stack's table */
    uint16_t mtu;
    uint16_t n_addrs;
    struct ifaddr addr[NETIF_MAX_ADDRS]; /* the first one is the primary */
    char name[16];
    struct txq txq;
};

#endif
