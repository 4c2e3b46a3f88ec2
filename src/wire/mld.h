/* MLD versions 1 and 2 (RFC 2710, RFC 3810), as a host speaks it. All messages are ICMPv6; checksums are the caller's affair. */
#ifndef WIRE_MLD_H
#define WIRE_MLD_H

#include "wire/mcast_msg.h"

#define MLD_QUERY 130u
#define MLD_V1_REPORT 131u
#define MLD_V1_DONE 132u
#define MLD_V2_REPORT 143u

#define MLD_V1_LEN 24u
#define MLD_REPORT_HLEN 8u
#define MLD_RECORD_HLEN 20u
#define MLD_HBH_LEN 8u /* hop-by-hop header with the router alert option */

/* ff02::1, ff02::2 (version 1 done), ff02::16 (version 2 reports) */
#define MLD_ALL_NODES ((struct inaddr){.b = {0xff, 0x02, [15] = 0x01}})
#define MLD_ALL_ROUTERS ((struct inaddr){.b = {0xff, 0x02, [15] = 0x02}})
#define MLD_V2_ROUTERS ((struct inaddr){.b = {0xff, 0x02, [15] = 0x16}})

/* False unless the bytes are a well-formed query. */
bool mld_parse_query(const uint8_t *p, uint32_t len, struct mcast_query *q);
struct inaddr mld_query_src(const struct mcast_query *q, unsigned i);

/* A version 1 report or done; false when the message is something else. */
bool mld_parse_report(const uint8_t *p, uint32_t len, uint8_t *type, struct inaddr *group);

/* Version 1 messages: writes MLD_V1_LEN bytes, checksum zero. */
void mld_build(uint8_t *p, uint8_t type, const struct inaddr *group);

/* A record of a version 2 report; returns its length. */
uint32_t mld_build_record(uint8_t *p, const struct mcast_record *r);

/* The header in front of the records, checksum zero. */
void mld_build_report(uint8_t *p, uint16_t n_records);

/* Hop-by-hop options in front of ICMPv6: router alert for MLD, and padding (RFC 2711, RFC 3810 section 5). */
void mld_build_hbh(uint8_t *p);

#endif
