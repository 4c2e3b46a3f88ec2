/* Ethernet II frames. */
#ifndef WIRE_ETH_H
#define WIRE_ETH_H

#include <stdbool.h>
#include <stdint.h>

#define ETH_HLEN 14u
#define ETH_TYPE_IPV4 0x0800u
#define ETH_TYPE_ARP 0x0806u
#define ETH_TYPE_VLAN 0x8100u
#define ETH_TYPE_IPV6 0x86ddu

struct eth_hdr {
    uint8_t dst[6], src[6];
    uint16_t type;
};

/* false when truncated. */
bool eth_parse(const uint8_t *p, uint32_t len, struct eth_hdr *h);
void eth_build(uint8_t *p, const struct eth_hdr *h); /* writes ETH_HLEN bytes */

static inline bool eth_is_group(const uint8_t a[6])
{
    return (a[0] & 1) != 0;
}

#endif
