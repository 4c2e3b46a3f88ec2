/* IPv4 header (RFC 791). */
#ifndef WIRE_IPV4_H
#define WIRE_IPV4_H

#include <stdbool.h>
#include <stdint.h>

#define IPV4_HLEN 20u
#define IPV4_HLEN_MAX 60u
#define IPPROTO_ICMP_ 1u
#define IPPROTO_TCP_ 6u
#define IPPROTO_UDP_ 17u

struct ipv4_hdr {
    uint8_t hlen; /* bytes, with options */
    uint8_t tos, ttl, proto;
    uint16_t total_len, id;
    uint16_t frag_off; /* bytes */
    bool df, mf;
    bool fragment; /* parsed: a part of a datagram, by frag_off and mf; not used by ipv4_build() */
    uint32_t src, dst;
};

enum ipv4_err { IPV4_OK, IPV4_ESHORT, IPV4_EVERSION, IPV4_EHLEN, IPV4_ELEN, IPV4_ECKSUM, IPV4_EOPTIONS };

/*
 * Validates and parses the header in the first len bytes; frame_len is the length of the whole datagram as received
 * (trailing link padding allowed). The header checksum is verified unless cksum_known_good.
 */
enum ipv4_err ipv4_parse(const uint8_t *p, uint32_t len, uint32_t frame_len, bool cksum_known_good, struct ipv4_hdr *h);

/* Writes IPV4_HLEN bytes (h->hlen is ignored), with the header checksum when with_cksum, else with a zero. */
void ipv4_build(uint8_t *p, const struct ipv4_hdr *h, bool with_cksum);

#endif
