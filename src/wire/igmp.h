/* IGMP versions 1, 2 and 3 (RFC 1112, RFC 2236, RFC 3376), as a host speaks it. */
#ifndef WIRE_IGMP_H
#define WIRE_IGMP_H

#include "wire/mcast_msg.h"

#define IPPROTO_IGMP_ 2u
#define IGMP_QUERY 0x11u
#define IGMP_V1_REPORT 0x12u
#define IGMP_V2_REPORT 0x16u
#define IGMP_V2_LEAVE 0x17u
#define IGMP_V3_REPORT 0x22u

#define IGMP_HLEN 8u
#define IGMP_RECORD_HLEN 8u
#define IGMP_ALL_HOSTS 0xe0000001u   /* 224.0.0.1 */
#define IGMP_ALL_ROUTERS 0xe0000002u /* 224.0.0.2: version 2 leaves */
#define IGMP_V3_ROUTERS 0xe0000016u  /* 224.0.0.22: version 3 reports */
#define IGMP_IPV4_HLEN 24u           /* header with the router alert option */

/* False unless the bytes are a query of some version with a right checksum. */
bool igmp_parse_query(const uint8_t *p, uint32_t len, struct mcast_query *q);
struct inaddr igmp_query_src(const struct mcast_query *q, unsigned i);

/* A version 1 or 2 report, or a leave; false when the message is something else or damaged. */
bool igmp_parse_report(const uint8_t *p, uint32_t len, uint8_t *type, uint32_t *group);

/* Version 1 and 2 messages: writes IGMP_HLEN bytes with the checksum. */
void igmp_build(uint8_t *p, uint8_t type, uint32_t group);

/* A record of a version 3 report; returns its length. */
uint32_t igmp_build_record(uint8_t *p, const struct mcast_record *r);

/* The header in front of the records, once they are there: len bytes in all. */
void igmp_build_report(uint8_t *p, uint32_t len, uint16_t n_records);

/* The IPv4 header of every IGMP packet: time to live 1, precedence of control, router alert (RFC 3376 section 4). */
void igmp_build_ipv4(uint8_t *p, uint32_t src, uint32_t dst, uint32_t payload_len);

#endif
