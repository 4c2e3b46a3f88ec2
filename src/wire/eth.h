/* Ethernet II frames. */
#ifndef WIRE_ETH_H
#define WIRE_ETH_H

#include <stdbool.h>
#include <stdint.h>

#define ETH_HLEN 14u
#define VLAN_HLEN 4u /* a tag, between the addresses and the type (IEEE 802.1Q) */
#define ETH_HLEN_MAX (ETH_HLEN + VLAN_HLEN)
#define VLAN_VID_MASK 0x0fffu
#define VLAN_VID_MAX 4094u /* 4095 is reserved, 0 means that the tag says nothing but a priority */
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

/* The same with a tag: writes ETH_HLEN_MAX bytes. */
void eth_build_vlan(uint8_t *p, const struct eth_hdr *h, uint16_t tci);

/* What follows the Ethernet header of a tagged frame, VLAN_HLEN bytes: tag control information, and the type of the payload. */
void vlan_parse(const uint8_t *p, uint16_t *tci, uint16_t *type);

static inline bool eth_is_group(const uint8_t a[6])
{
    return (a[0] & 1) != 0;
}

#endif
