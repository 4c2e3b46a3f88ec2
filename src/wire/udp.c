#include "wire/udp.h"

#include "wire/bytes.h"

#include "base/poison.h"

bool udp_parse(const uint8_t *p, uint32_t l4_len, struct udp_hdr *h)
{
    if (l4_len < UDP_HLEN)
        return false;
    uint16_t len = get16(p + 4);
    if (len < UDP_HLEN || len > l4_len)
        return false;
    *h = (struct udp_hdr){.sport = get16(p), .dport = get16(p + 2), .len = len, .has_cksum = get16(p + 6) != 0};
    return true;
}

void udp_build(uint8_t *p, const struct udp_hdr *h)
{
    put16(p, h->sport);
    put16(p + 2, h->dport);
    put16(p + 4, h->len);
    put16(p + 6, 0);
}
