/* IPv6: what differs from ip.h, which serves both families: addresses, input, and output behind ip_output. */
#ifndef IP_IP6_H
#define IP_IP6_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "ip/ip.h"
#include "link/netif.h"

struct z_stack;

/* The smallest MTU that a link may have (RFC 8200 section 5): no path is narrower, whatever a message says. */
#define IP6_MTU_MIN 1280u

/* Starts IPv6 on an interface: its link-local address (RFC 4862 section 5.3). 0, or what ip6_add_addr says. */
int ip6_netif_up(struct z_stack *s, struct netif *nif);

/*
 * Adds an address; a link-local one gets its zone here. The route of its prefix comes with it, but not with an address of SLAAC: an
 * address says nothing about who is on the link, a router does (RFC 5942 section 4).
 * -EINVAL (not a unicast address, plen above 128), -EEXIST (an address of this stack), -ENOSPC, -EOPNOTSUPP (no IPv6 there).
 */
int ip6_add_addr(struct z_stack *s, struct netif *nif, const struct inaddr *a, uint8_t plen, enum addr6_origin origin);
int ip6_del_addr(struct z_stack *s, struct netif *nif, const struct inaddr *a); /* -ESRCH */

/*
 * The interface that has this address (with its zone), whatever its state but duplicated; *ifa (may be NULL) is its entry.
 * NULL: none.
 */
struct netif *ip6_addr_owner(const struct z_stack *s, const struct inaddr *a, struct ifaddr6 **ifa);

/* Of this interface only. */
struct ifaddr6 *ip6_addr_find(struct netif *nif, const struct inaddr *a);

/* May packets be sent from it and taken for it? */
static inline bool ip6_addr_usable(const struct ifaddr6 *a)
{
    return a->state == ADDR6_PREFERRED || a->state == ADDR6_DEPRECATED;
}

/* The interface's link-local address, or NULL: none that may be used. */
const struct ifaddr6 *ip6_linklocal(const struct netif *nif);

/* The zone of a link-scoped address on this interface. */
static inline uint16_t ip6_zone(const struct netif *nif)
{
    return (uint16_t)(nif->index + 1);
}

/* CurHopLimit of packets that leave through nif and whose sender has no wish (RFC 4861 sections 6.3.2, 6.3.4). */
uint8_t ip6_hop_limit(const struct z_stack *s, const struct netif *nif);

/* Of packets that leave through nif. */
static inline uint16_t ip6_mtu(const struct netif *nif)
{
    return nif->mtu6 ? nif->mtu6 : nif->mtu;
}

/*
 * The source address for dst on nif (RFC 6724 section 5): any when there is none. dst carries its zone.
 */
struct inaddr ip6_choose_src(const struct z_stack *s, const struct netif *nif, const struct inaddr *dst);

void ip6_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed; starts at the IPv6 header */, bool l2_group);

/* ip_output's and ip_path_lookup's other halves. */
void ip6_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m /* consumed */);
int ip6_path_lookup(struct z_stack *s, struct ip_path *path, const struct inaddr *src, const struct inaddr *dst);

/* The label of a flow's packets, the same from any place that knows its tuple (RFC 6437 section 3): 20 bits, never 0. IPv4: 0. */
uint32_t ip6_flow_label(const struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint16_t sport, uint16_t dport);

/*
 * Sends an ICMPv6 error about a received packet, with as much of it as fits the minimum MTU (RFC 4443 section 2.4 c): rate
 * limited, and never about what 2.4 e forbids. word: MTU or pointer. m is only read, and stands as for icmp_error.
 */
void icmp6_error(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint8_t type, uint8_t code, uint32_t word);

/* Sends an ICMPv6 message from src (a group or any: chosen) to dst; the checksum is filled in here. */
void icmp6_output(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t tos, struct rte_mbuf *m /* consumed */);

/* A packet of ours (IPv6 header first) whose next hop on nif did not answer: its transport learns EHOSTUNREACH. m is only read. */
void icmp6_neigh_failed(struct z_stack *s, const struct netif *nif, struct rte_mbuf *m);

/* Answers an echo request, in its own buffer where that may be written. */
void icmp6_echo_reply(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

void icmp6_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

#endif
