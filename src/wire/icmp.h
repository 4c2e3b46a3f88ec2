/* ICMP for IPv4 (RFC 792, RFC 1122 section 3.2.2). */
#ifndef WIRE_ICMP_H
#define WIRE_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#define ICMP_HLEN 8u
#define ICMP_ECHO_REPLY 0u
#define ICMP_UNREACH 3u
#define ICMP_SOURCE_QUENCH 4u
#define ICMP_ECHO 8u
#define ICMP_TIME_EXCEEDED 11u
#define ICMP_PARAM_PROBLEM 12u

#define ICMP_UNREACH_NET 0u
#define ICMP_UNREACH_HOST 1u
#define ICMP_UNREACH_PROTO 2u
#define ICMP_UNREACH_PORT 3u
#define ICMP_UNREACH_NEEDFRAG 4u
#define ICMP_UNREACH_SRCFAIL 5u

#define ICMP_TIME_EXCEEDED_REASS 1u

struct icmp_hdr {
    uint8_t type, code;
    uint16_t id, seq; /* of echo messages; of NEEDFRAG: seq is the next-hop MTU (RFC 1191) */
};

bool icmp_parse(const uint8_t *p, uint32_t len, struct icmp_hdr *h); /* false when truncated; no checksum check */
void icmp_build(uint8_t *p, const struct icmp_hdr *h);               /* writes ICMP_HLEN bytes, checksum zero */

/* The packet that an error message is about: as much of it as was quoted. */
struct icmp_quote {
    uint32_t src, dst;
    uint16_t total_len;
    uint8_t proto;
    uint8_t icmp_type; /* of ICMP */
    uint16_t l4_off;   /* where the transport header begins */
    uint16_t sport, dport;
    uint32_t seq; /* of TCP */
};

/*
 * From the bytes after the ICMP header; false unless the quoted IPv4 header is sane, not of a later fragment (those have no
 * ports) and has 8 bytes after it. Ports are 0 but for TCP and UDP, seq but for TCP. Of ICMP sport is the identifier that echo messages
 * have.
 */
bool icmp_parse_quote(const uint8_t *p, uint32_t len, struct icmp_quote *q);

#endif
