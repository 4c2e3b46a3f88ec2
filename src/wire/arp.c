#include "wire/arp.h"

#include "wire/bytes.h"

#include "base/poison.h"

/* Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4: one 48-bit constant at the start. */
static const uint8_t arp_ether_ipv4[6] = {0x00, 0x01, 0x08, 0x00, 6, 4};

bool arp_parse(const uint8_t *p, uint32_t len, struct arp_pkt *a)
{
    if (len < ARP_LEN || memcmp(p, arp_ether_ipv4, sizeof(arp_ether_ipv4)) != 0)
        return false;
    a->op = get16(p + 6);
    memcpy(a->sha, p + 8, 6);
    a->spa = get32(p + 14);
    memcpy(a->tha, p + 18, 6);
    a->tpa = get32(p + 24);
    return true;
}

void arp_build(uint8_t *p, const struct arp_pkt *a)
{
    memcpy(p, arp_ether_ipv4, sizeof(arp_ether_ipv4));
    put16(p + 6, a->op);
    memcpy(p + 8, a->sha, 6);
    put32(p + 14, a->spa);
    memcpy(p + 18, a->tha, 6);
    put32(p + 24, a->tpa);
}
