/* What multicast membership keeps for each interface and group, and the calls between its files. */
#ifndef IP_MCAST_STATE_H
#define IP_MCAST_STATE_H

#include "base/wheel.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/mcast.h"
#include "wire/mcast_msg.h"

#define MCAST_BUCKETS 64u
/* Sources of one filter; a record with all of them fits the smallest packet. */
#define MCAST_SOURCES_MAX 64u
/* The same, and those that left it but are still to be reported. */
#define MCAST_TRACKED_MAX 128u
#define MCAST_QUERIED_MAX 16u

/* RFC 3376 section 8, RFC 3810 section 9 */
#define MCAST_ROBUSTNESS 2u
#define MCAST_QUERY_INTERVAL_S 125u
#define MCAST_UNSOLICITED_NS NS_PER_SEC
#define MCAST_UNSOLICITED_OLD_NS (10 * NS_PER_SEC) /* RFC 2236 section 8.10, RFC 2710 section 7.10 */

struct mcast_src {
    struct inaddr addr;
    uint8_t retrans; /* state-change reports that are still to mention it */
    bool in;         /* in the filter; else it has left */
};

struct mcast_group {
    struct mcast_group *hash_next, *next; /* of its bucket, of its interface */
    struct inaddr addr;                   /* without zone */
    struct mcast_if *ifp;
    uint32_t refs; /* mcast_join */
    struct mcast_sub *subs;

    uint8_t mode;
    bool of_socket;       /* counts in n_socket_groups */
    bool member;          /* somebody listens; else it only remains to be reported */
    uint8_t mode_retrans; /* state-change reports that are still to tell the mode */
    uint16_t n_srcs;
    struct mcast_src *srcs; /* MCAST_TRACKED_MAX of them, or NULL */

    uint64_t query_due_ns; /* answer to a query about this group; NS_NEVER: none */
    uint16_t n_queried;    /* about these sources; 0: about all */
    struct inaddr queried[MCAST_QUERIED_MAX];

    uint64_t old_due_ns; /* repeated report to an older querier */
    uint8_t old_left;
};

/* One family on one interface. */
struct mcast_if {
    struct wheel_node timer; /* the earliest of all that is due */
    uint8_t nif;
    bool v6;
    struct mcast_group *groups;
    uint64_t change_due_ns, general_due_ns;
    uint8_t robustness;
    uint8_t version;                   /* in force: 3 and 2 of IGMPv3 and MLDv2, less while an older querier is there */
    uint64_t v1_until_ns, v2_until_ns; /* older queriers; v2 of IGMP only */
};

struct mcast_state {
    struct mcast_if ifp[STACK_MAX_NETIFS][2]; /* IPv4, IPv6 */
    struct mcast_group *bucket[MCAST_BUCKETS];
    uint32_t n_socket_groups; /* that sockets brought into being (mcast_group_limit) */
};

static inline uint8_t mcast_newest(const struct mcast_if *ifp)
{
    return ifp->v6 ? 2 : 3;
}

/* mcast_report.c */
void mcast_changed(struct z_stack *s, struct mcast_group *g, bool was_member, uint8_t old_mode); /* reports are due */
void mcast_query_input(struct z_stack *s, struct netif *nif, bool v6, const struct mcast_query *q);
void mcast_others_report(struct z_stack *s, struct netif *nif, const struct inaddr *group); /* an old one: ours is not needed */

/* mcast.c */
struct mcast_group *mcast_find(const struct z_stack *s, const struct netif *nif, const struct inaddr *group);
void mcast_free(struct z_stack *s, struct mcast_group *g);

/* igmp.c, mld.c: a message made of payload. The group that an older version reports, or leaves. */
void igmp_send(struct z_stack *s, struct netif *nif, uint32_t dst, const uint8_t *payload, uint32_t len);
void igmp_send_old(struct z_stack *s, struct netif *nif, const struct inaddr *group, uint8_t version, bool leave);
void mld_send(struct z_stack *s, struct netif *nif, const struct inaddr *dst, uint8_t *payload, uint32_t len);
void mld_send_old(struct z_stack *s, struct netif *nif, const struct inaddr *group, bool done);

#endif
