#include "wire/icmp.h"

#include "wire/bytes.h"
#include "wire/ipv4.h"

#include "base/poison.h"

#define FRAG_OFFSET_MASK 0x1fffu
#define QUOTE_MIN 8u /* bytes behind the quoted IPv4 header (RFC 792) */

bool icmp_parse(const uint8_t *p, uint32_t len, struct icmp_hdr *h)
{
    if (len < ICMP_HLEN)
        return false;
    h->type = p[0];
    h->code = p[1];
    h->id = get16(p + 4);
    h->seq = get16(p + 6);
    return true;
}

void icmp_build(uint8_t *p, const struct icmp_hdr *h)
{
    p[0] = h->type;
    p[1] = h->code;
    put16(p + 2, 0);
    put16(p + 4, h->id);
    put16(p + 6, h->seq);
}

/*
 * The quoted checksum is not looked at: routers change it (time to live). What counts is checked against the connection by
 * the caller.
 */
bool icmp_parse_quote(const uint8_t *p, uint32_t len, struct icmp_quote *q)
{
    if (len < IPV4_HLEN + QUOTE_MIN)
        return false;
    uint8_t ver_hlen = p[0];
    uint32_t hlen = (ver_hlen & 0x0fu) * 4u;
    if (ver_hlen >> 4 != 4 || hlen < IPV4_HLEN || hlen + QUOTE_MIN > len)
        return false;
    if ((get16(p + 6) & FRAG_OFFSET_MASK) != 0)
        return false;

    *q =
        (struct icmp_quote){.src = get32(p + 12), .dst = get32(p + 16), .total_len = get16(p + 2), .proto = p[9], .l4_off = (uint16_t)hlen};
    const uint8_t *l4 = p + hlen;
    if (q->proto == IPPROTO_TCP_ || q->proto == IPPROTO_UDP_) {
        q->sport = get16(l4);
        q->dport = get16(l4 + 2);
    }
    if (q->proto == IPPROTO_TCP_)
        q->seq = get32(l4 + 4);
    if (q->proto == IPPROTO_ICMP_) {
        q->icmp_type = l4[0];
        q->sport = get16(l4 + 4);
    }
    return true;
}
