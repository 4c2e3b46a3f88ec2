#include "wire/eth.h"

#include "wire/bytes.h"

#include "base/poison.h"

bool eth_parse(const uint8_t *p, uint32_t len, struct eth_hdr *h)
{
    if (len < ETH_HLEN)
        return false;
    memcpy(h->dst, p, 6);
    memcpy(h->src, p + 6, 6);
    h->type = get16(p + 12);
    return true;
}

void eth_build(uint8_t *p, const struct eth_hdr *h)
{
    memcpy(p, h->dst, 6);
    memcpy(p + 6, h->src, 6);
    put16(p + 12, h->type);
}

void eth_build_vlan(uint8_t *p, const struct eth_hdr *h, uint16_t tci)
{
    memcpy(p, h->dst, 6);
    memcpy(p + 6, h->src, 6);
    put16(p + 12, ETH_TYPE_VLAN);
    put16(p + 14, tci);
    put16(p + 16, h->type);
}

void vlan_parse(const uint8_t *p, uint16_t *tci, uint16_t *type)
{
    *tci = get16(p);
    *type = get16(p + 2);
}
