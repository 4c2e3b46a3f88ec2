#include "wire/icmp6.h"

#include "wire/bytes.h"
#include "wire/ipv6.h"

#include "base/poison.h"

#define QUOTE_MIN 8u /* of the transport's header: ports, and the sequence number of TCP */

bool icmp6_parse(const uint8_t *p, uint32_t len, struct icmp6_hdr *h)
{
    if (len < ICMP6_HLEN)
        return false;
    h->type = p[0];
    h->code = p[1];
    h->word = get32(p + 4);
    return true;
}

void icmp6_build(uint8_t *p, const struct icmp6_hdr *h)
{
    p[0] = h->type;
    p[1] = h->code;
    put16(p + ICMP6_CKSUM_OFFSET, 0);
    put32(p + 4, h->word);
}

/* A packet that says it is larger than its quote is. */
static bool quote_transport(const uint8_t *p, uint32_t len, struct ipv6_ext *x)
{
    static const struct ipv6_ext_limits lim = {.headers = 8, .bytes = 1024, .pass_over = true};
    enum ipv6_ext_verdict v = ipv6_ext_walk(p, len, len, &lim, x);

    return v == IPV6_EXT_OK || (v == IPV6_EXT_FRAGMENT && x->frag.off == 0);
}

bool icmp6_parse_quote(const uint8_t *p, uint32_t len, struct icmp6_quote *q)
{
    struct ipv6_hdr h;
    struct ipv6_ext x;
    const uint8_t *l4;

    if (ipv6_parse(p, len, UINT32_MAX, &h) != IPV6_OK || !quote_transport(p, len, &x))
        return false;
    if (x.frag.hdr_off != 0 && x.frag.mf) {
        x.proto = x.frag.next; /* behind it nothing of ours but the transport's */
        x.off = (uint16_t)(x.frag.hdr_off + IPV6_FRAG_HLEN);
    }
    if (len < x.off + QUOTE_MIN)
        return false;
    *q = (struct icmp6_quote){.src = h.src, .dst = h.dst, .total_len = IPV6_HLEN + h.payload_len, .proto = x.proto, .l4_off = x.off};
    l4 = p + x.off;
    if (q->proto == 6 || q->proto == 17) {
        q->sport = get16(l4);
        q->dport = get16(l4 + 2);
    }
    if (q->proto == 6)
        q->seq = get32(l4 + 4);
    if (q->proto == IPPROTO_ICMPV6_) {
        q->icmp_type = l4[0];
        q->sport = get16(l4 + 4);
    }
    return true;
}
