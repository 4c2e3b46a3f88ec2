#include "wire/ipv6.h"

#include "wire/bytes.h"

#include "base/poison.h"

#define FLOW_MASK 0xfffffu

/* The header is read once: what was checked is what is used even if the sender can still write to the buffer. */
enum ipv6_err ipv6_parse(const uint8_t *p, uint32_t len, uint32_t frame_len, struct ipv6_hdr *h)
{
    uint32_t word;

    if (len < IPV6_HLEN)
        return IPV6_ESHORT;
    word = get32(p);
    if (word >> 28 != 6)
        return IPV6_EVERSION;
    h->tclass = (uint8_t)(word >> 20);
    h->flow = word & FLOW_MASK;
    h->payload_len = get16(p + 4);
    h->next = p[IPV6_NEXT_OFF];
    h->hop_limit = p[7];
    memcpy(h->src.b, p + 8, 16);
    memcpy(h->dst.b, p + 24, 16);
    return IPV6_HLEN + h->payload_len > frame_len ? IPV6_ELEN : IPV6_OK;
}

void ipv6_build(uint8_t *p, const struct ipv6_hdr *h)
{
    struct inaddr src = h->src, dst = h->dst;

    inaddr_clear_zone(&src);
    inaddr_clear_zone(&dst);
    put32(p, 6u << 28 | (uint32_t)h->tclass << 20 | (h->flow & FLOW_MASK));
    put16(p + 4, h->payload_len);
    p[IPV6_NEXT_OFF] = h->next;
    p[7] = h->hop_limit;
    memcpy(p + 8, src.b, 16);
    memcpy(p + 24, dst.b, 16);
}

void ipv6_frag_build(uint8_t *p, uint8_t next, uint32_t off, bool mf, uint32_t id)
{
    p[0] = next;
    p[1] = 0;
    put16(p + 2, (uint16_t)(off | mf));
    put32(p + 4, id);
}
