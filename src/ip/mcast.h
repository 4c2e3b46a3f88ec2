/*
 * Multicast membership of a host, both families: which groups an interface listens to, from which sources, and what the
 * routers on the link are told about it (IGMPv3, RFC 3376; MLDv2, RFC 3810; older queriers are followed).
 *
 *     sockets                         interface                        routers
 *     mcast_sub {mode, sources} ...   mcast_group {mode, sources}  ->  state-change reports, repeated
 *     mcast_join() counts                                          <-  queries, answered after a random delay
 *
 * A group's filter is merged from its subscriptions (RFC 3376 section 3.2): one in mode EXCLUDE makes the group EXCLUDE, with the
 * sources that every EXCLUDE subscription excludes and no INCLUDE one wants; else it is the union of the INCLUDE lists. The merged
 * filter is for routers; a packet is tested against the filter of each socket that it may be delivered to (mcast_sub_accepts).
 */
#ifndef IP_MCAST_H
#define IP_MCAST_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "link/netif.h"

struct ip_in;
struct mcast_group;
struct wheel_node;
struct z_stack;

/* INCLUDE: only from the sources listed; EXCLUDE: from all but those. INCLUDE with no source is no membership. */
enum mcast_mode { MCAST_INCLUDE, MCAST_EXCLUDE };

/* What one socket wants of one group on one interface: part of the socket's own memory, all zero before the first call. */
struct mcast_sub {
    struct mcast_group *group; /* NULL: not a member */
    struct mcast_sub *next;    /* of the group */
    uint8_t mode;
    uint16_t n_srcs;
    struct inaddr *srcs; /* from s->arena */
};

/* From ip_init and ip_fini. 0 or -ENOMEM. */
int mcast_init(struct z_stack *s);
void mcast_fini(struct z_stack *s);

/*
 * Membership without a source filter, counted: for the stack's own groups, which no limit may keep it from.
 * -EINVAL (not a multicast address), -ENOMEM. Link-local and interface-local IPv6 groups may
 * come with or without their zone.
 */
int mcast_join(struct z_stack *s, struct netif *nif, const struct inaddr *group);
int mcast_leave(struct z_stack *s, struct netif *nif, const struct inaddr *group); /* -EADDRNOTAVAIL */

/*
 * Sets what sub wants of a group: joins, changes, or (INCLUDE, 0 sources) leaves. A sub that belongs to a group stays with it until
 * it has left. Errors as mcast_join, and -ENOBUFS (mcast_group_limit, mcast_source_limit); on an error nothing has changed.
 */
int mcast_set_filter(struct z_stack *s, struct mcast_sub *sub, struct netif *nif, const struct inaddr *group, enum mcast_mode mode,
                     const struct inaddr *srcs, unsigned n_srcs);

/* Ends a subscription, of whatever kind. */
void mcast_sub_leave(struct z_stack *s, struct mcast_sub *sub);

/* Does the socket with this subscription want what src sends to the group? */
bool mcast_sub_accepts(const struct mcast_sub *sub, const struct inaddr *src);

/* The group and the interface of a subscription; NULL when it is none. */
const struct inaddr *mcast_sub_group(const struct mcast_sub *sub);
struct netif *mcast_sub_netif(const struct z_stack *s, const struct mcast_sub *sub);

/* Does this interface listen to the group? All-hosts and all-nodes always (while the family is on). */
bool mcast_member(const struct z_stack *s, const struct netif *nif, const struct inaddr *group);

/* The link address of a group (RFC 1112 section 6.4, RFC 2464 section 7). */
void mcast_mac(const struct inaddr *group, uint8_t mac[6]);

/* IGMP: IP protocol 2. MLD: ICMPv6 types 130, 131, 132 and 143; m starts at the ICMPv6 header, its checksum is right. */
void igmp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);
void mld_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

/* The interface has got a link-local address: IPv6 groups are reported again, from it (RFC 3590). */
void mcast_source_changed(struct z_stack *s, struct netif *nif);

/* A wheel node of kind TIMER_MCAST expired. */
void mcast_timer(struct z_stack *s, struct wheel_node *w);

#endif
