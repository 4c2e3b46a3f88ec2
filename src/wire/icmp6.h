/* ICMPv6 (RFC 4443). The bodies of neighbour discovery and multicast listener messages have files of their own. */
#ifndef WIRE_ICMP6_H
#define WIRE_ICMP6_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

#define ICMP6_HLEN 8u /* type, code, checksum, and the four bytes that every message has behind them */
#define ICMP6_CKSUM_OFFSET 2u

#define ICMP6_UNREACH 1u
#define ICMP6_TOO_BIG 2u
#define ICMP6_TIME_EXCEEDED 3u
#define ICMP6_PARAM_PROBLEM 4u
#define ICMP6_INFO 128u /* types from here on are no errors (section 2.1) */
#define ICMP6_ECHO 128u
#define ICMP6_ECHO_REPLY 129u
#define ICMP6_MLD_QUERY 130u
#define ICMP6_MLD_REPORT 131u
#define ICMP6_MLD_DONE 132u
#define ICMP6_ND_FIRST 133u /* router solicitation … redirect (RFC 4861) */
#define ICMP6_REDIRECT 137u
#define ICMP6_ND_LAST 137u
#define ICMP6_MLD2_REPORT 143u

/* Codes of UNREACH. */
#define ICMP6_UNREACH_ROUTE 0u
#define ICMP6_UNREACH_ADMIN 1u
#define ICMP6_UNREACH_SCOPE 2u
#define ICMP6_UNREACH_ADDR 3u
#define ICMP6_UNREACH_PORT 4u
#define ICMP6_UNREACH_POLICY 5u
#define ICMP6_UNREACH_REJECT 6u

/* Codes of TIME_EXCEEDED. */
#define ICMP6_TIME_HOPS 0u
#define ICMP6_TIME_REASSEMBLY 1u

/* Codes of PARAM_PROBLEM (RFC 4443 section 3.4, RFC 7112, RFC 8883). */
#define ICMP6_PARAM_FIELD 0u
#define ICMP6_PARAM_NEXT 1u
#define ICMP6_PARAM_OPTION 2u
#define ICMP6_PARAM_CHAIN 3u /* the first fragment has not all headers */
#define ICMP6_PARAM_CHAIN_LONG 7u
#define ICMP6_PARAM_MANY_HEADERS 8u
#define ICMP6_PARAM_MANY_OPTIONS 9u

struct icmp6_hdr {
    uint8_t type, code;
    uint32_t word; /* MTU of TOO_BIG, pointer of PARAM_PROBLEM; of echo messages: identifier and sequence number */
};

bool icmp6_parse(const uint8_t *p, uint32_t len, struct icmp6_hdr *h); /* false when truncated; no checksum check */
void icmp6_build(uint8_t *p, const struct icmp6_hdr *h);               /* writes ICMP6_HLEN bytes, checksum zero */

/* The packet that an error message is about: as much of it as was quoted. */
struct icmp6_quote {
    struct inaddr src, dst; /* zones are zero */
    uint32_t total_len;     /* of the packet, with its header */
    uint8_t proto;
    uint8_t icmp_type; /* of ICMPv6 */
    uint16_t l4_off;   /* where the transport header begins */
    uint16_t sport, dport;
    uint32_t seq; /* of TCP */
};

/*
 * From the bytes after the ICMPv6 header; false unless there is an IPv6 header whose extension headers, if any, lead to a transport
 * header of which 8 bytes are there, and which is not that of a later fragment. Ports are 0 but for TCP and UDP; of ICMPv6 sport is the
 * identifier that echo messages have.
 */
bool icmp6_parse_quote(const uint8_t *p, uint32_t len, struct icmp6_quote *q);

#endif
