/* What IGMP and MLD messages have in common: a query as parsed, a group record to be reported. Addresses are family neutral. */
#ifndef WIRE_MCAST_MSG_H
#define WIRE_MCAST_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

/* Record types (RFC 3376 section 4.2.12, RFC 3810 section 5.2.12). */
enum mcast_record_type {
    MCAST_MODE_IS_INCLUDE = 1,
    MCAST_MODE_IS_EXCLUDE,
    MCAST_CHANGE_TO_INCLUDE,
    MCAST_CHANGE_TO_EXCLUDE,
    MCAST_ALLOW_NEW_SOURCES,
    MCAST_BLOCK_OLD_SOURCES
};

struct mcast_query {
    uint8_t version;     /* IGMP: 1, 2, 3; MLD: 1, 2 */
    bool general;        /* about every group */
    struct inaddr group; /* of the others */
    uint32_t max_resp_ms;
    uint8_t qrv;          /* robustness of the querier; 0: unspecified */
    uint32_t interval_s;  /* between its general queries */
    uint16_t n_srcs;      /* 0: about all sources of the group */
    const uint8_t *wsrcs; /* in the parsed bytes, as on the wire */
};

struct mcast_record {
    uint8_t type;
    struct inaddr group;
    uint16_t n_srcs;
    const struct inaddr *srcs;
};

#endif
