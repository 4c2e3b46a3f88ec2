#include "wire/tcp_hdr.h"

#include "wire/bytes.h"

#include "base/poison.h"

enum tcp_parse_err tcp_hdr_parse(const uint8_t *p, uint32_t len, struct tcp_hdr *h)
{
    if (len < TCP_HLEN)
        return TCP_PARSE_ESHORT;
    uint32_t hlen = (p[12] >> 4) * 4u; /* the reserved bits beside it are ignored (RFC 9293 section 3.1) */
    if (hlen < TCP_HLEN || hlen > len)
        return TCP_PARSE_EHLEN;
    *h = (struct tcp_hdr){
        .sport = get16(p),
        .dport = get16(p + 2),
        .seq = get32(p + 4),
        .ack = get32(p + 8),
        .hlen = (uint8_t)hlen,
        .flags = p[13],
        .wnd = get16(p + 14),
        .urp = get16(p + 18),
    };
    return TCP_PARSE_OK;
}

void tcp_hdr_build(uint8_t *p, const struct tcp_hdr *h)
{
    put16(p, h->sport);
    put16(p + 2, h->dport);
    put32(p + 4, h->seq);
    put32(p + 8, h->ack);
    p[12] = (uint8_t)(h->hlen / 4u << 4);
    p[13] = h->flags;
    put16(p + 14, h->wnd);
    put16(p + TCP_CKSUM_OFFSET, 0);
    put16(p + 18, h->urp);
}
