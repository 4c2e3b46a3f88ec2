#include "wire/ipv4.h"

#include "wire/bytes.h"
#include "wire/cksum.h"

#include "base/poison.h"

#define FLAG_DF 0x4000u
#define FLAG_MF 0x2000u
#define OFFSET_MASK 0x1fffu

#define OPT_EOL 0u
#define OPT_NOP 1u
#define OPT_LSRR 131u
#define OPT_SSRR 137u

/*
 * Every option is a single byte or has a length that fits (RFC 791 section 3.1). Source-routed packets are refused: a host
 * need not forward them, and replies along a route that the sender chose serve nobody but spoofers (RFC 6274 section 3.13.2).
 */
static bool options_ok(const uint8_t *p, uint32_t len)
{
    while (len > 0) {
        uint8_t kind = p[0];

        if (kind == OPT_EOL)
            return true;
        uint32_t opt_len = 1;
        if (kind != OPT_NOP) {
            if (len < 2 || p[1] < 2 || p[1] > len || kind == OPT_LSRR || kind == OPT_SSRR)
                return false;
            opt_len = p[1];
        }
        p += opt_len;
        len -= opt_len;
    }
    return true;
}

/*
 * The checksum comes before the lengths: a corrupted length is counted as what it is. The header is copied first, so that
 * what was checked is what is used even if the sender can still write to the buffer.
 */
enum ipv4_err ipv4_parse(const uint8_t *p, uint32_t len, uint32_t frame_len, bool cksum_known_good, struct ipv4_hdr *h)
{
    uint8_t b[IPV4_HLEN_MAX];

    if (len < IPV4_HLEN)
        return IPV4_ESHORT;
    memcpy(b, p, IPV4_HLEN);
    if (b[0] >> 4 != 4)
        return IPV4_EVERSION;
    uint32_t hlen = (b[0] & 0x0fu) * 4u;
    if (hlen < IPV4_HLEN)
        return IPV4_EHLEN;
    if (hlen > len)
        return IPV4_ESHORT;
    if (hlen > IPV4_HLEN)
        memcpy(b + IPV4_HLEN, p + IPV4_HLEN, hlen - IPV4_HLEN);
    if (!cksum_known_good && cksum_finish(cksum_add(0, b, hlen)) != 0)
        return IPV4_ECKSUM;

    uint16_t total_len = get16(b + 2);
    if (total_len < hlen || total_len > frame_len)
        return IPV4_ELEN;
    if (!options_ok(b + IPV4_HLEN, hlen - IPV4_HLEN))
        return IPV4_EOPTIONS;

    uint16_t frag = get16(b + 6);
    *h = (struct ipv4_hdr){
        .hlen = (uint8_t)hlen,
        .tos = b[1],
        .ttl = b[8],
        .proto = b[9],
        .total_len = total_len,
        .id = get16(b + 4),
        .frag_off = (uint16_t)((frag & OFFSET_MASK) * 8u),
        .df = (frag & FLAG_DF) != 0,
        .mf = (frag & FLAG_MF) != 0,
        .fragment = (frag & (FLAG_MF | OFFSET_MASK)) != 0,
        .src = get32(b + 12),
        .dst = get32(b + 16),
    };
    return IPV4_OK;
}

void ipv4_build(uint8_t *p, const struct ipv4_hdr *h, bool with_cksum)
{
    uint32_t frag = h->frag_off / 8u | (h->df ? FLAG_DF : 0) | (h->mf ? FLAG_MF : 0);

    p[0] = 0x45;
    p[1] = h->tos;
    put16(p + 2, h->total_len);
    put16(p + 4, h->id);
    put16(p + 6, (uint16_t)frag);
    p[8] = h->ttl;
    p[9] = h->proto;
    put16(p + 10, 0);
    put32(p + 12, h->src);
    put32(p + 16, h->dst);
    if (with_cksum) {
        uint16_t sum = cksum_finish(cksum_add(0, p, IPV4_HLEN));

        memcpy(p + 10, &sum, sizeof(sum));
    }
}
