/* ARP for IPv4 over Ethernet (RFC 826). */
#ifndef WIRE_ARP_H
#define WIRE_ARP_H

#include <stdbool.h>
#include <stdint.h>

#define ARP_LEN 28u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u

struct arp_pkt {
    uint16_t op;
    uint8_t sha[6], tha[6];
    uint32_t spa, tpa; /* host order */
};

/* false unless it is a whole Ethernet/IPv4 ARP packet. */
bool arp_parse(const uint8_t *p, uint32_t len, struct arp_pkt *a);
void arp_build(uint8_t *p, const struct arp_pkt *a); /* writes ARP_LEN bytes */

#endif
