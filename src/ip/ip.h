/*
 * IP: what the layers above need. A path is a route decision that a connection keeps: next hop, interface, source
 * address, MTU; it is looked up again when the routing table's generation changes.
 */
#ifndef IP_IP_H
#define IP_IP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "link/netif.h"

struct z_stack;
struct neigh;

/*
 * What the lower layers found out about a received packet; lives on the stack of one input call. The packet that goes with it
 * starts at the transport header, which is contiguous with its options, and has no link padding.
 */
struct ip_in {
    struct netif *nif;
    struct inaddr src, dst;
    uint8_t proto, ttl, tos; /* of IPv6: hop limit, traffic class */
    bool v6;
    bool dst_group;     /* to a broadcast or multicast address */
    bool group;         /* to one, or in a broadcast or multicast frame */
    bool l4_cksum_good; /* verified by the port */
    bool fragmented;    /* was reassembled, or came with a fragment header: neighbour discovery does not believe it (RFC 6980) */
    bool from_self;     /* it never left this stack: there is no frame around it */
    bool router_alert;  /* IPv6: the hop-by-hop option of that name was there (RFC 2711) */
    uint16_t ip_hlen;   /* bytes of the IP header and its extensions, which stand in the headroom in front of the mbuf's data */
    uint16_t next_off;  /* IPv6: where in these bytes the number proto stands */
    uint32_t l4_len;    /* bytes behind them (the mbuf starts there) */
};

struct ip_path {
    struct inaddr src, next_hop;
    struct netif *nif;
    struct neigh *neigh;
    uint32_t neigh_serial; /* goes with it (neigh_is_fresh) */
    uint32_t gen;          /* of the routing table at look-up; 0 = never looked up */
    uint16_t mtu;
    bool local; /* to an address of this stack: the packet turns round without a port */
    bool v6;
};

struct ip_out {
    struct inaddr src, dst;
    uint8_t proto, tos; /* of IPv6: the first next header, traffic class */
    bool df;
    bool more;     /* the next packet is of the same datagram, of which this is a fragment */
    int16_t ttl;   /* of IPv6: hop limit; IP_TTL_DEFAULT */
    uint32_t flow; /* IPv6: flow label (RFC 6437) */
};

/* What is usual where the packet leaves: the key ttl, and for IPv6 what a router of the link has said (RFC 4861 6.3.4). */
#define IP_TTL_DEFAULT (-1)

/* Bytes of the fixed IP header in front of a packet to this address. */
static inline uint32_t ip_hdr_bytes(const struct inaddr *dst)
{
    return inaddr_is_v4(dst) ? 20u : 40u;
}

/* Memory from s->arena; routes and addresses are added afterwards. 0 or -ENOMEM. */
int ip_init(struct z_stack *s);
void ip_fini(struct z_stack *s);

/*
 * Adds an address with its connected route, and announces or tests it first (src/link/acd.h). broadcast 0: computed from the mask.
 * -EINVAL (not a unicast address, mask with gaps), -EEXIST (an address of this stack), -ENOSPC.
 */
int ip_add_addr(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask, uint32_t broadcast);

/* Adds a default route. -ENETUNREACH when the gateway is in no subnet of nif, -EEXIST, -ENOSPC. */
int ip_add_gateway(struct z_stack *s, struct netif *nif, uint32_t gateway);

void ip_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed; starts at the IP header */, bool l2_group);

/* Packets sent to addresses of this stack: taken in by the loop at the start of the next poll. Returns how many. */
unsigned ip_loopback_poll(struct z_stack *s);

/*
 * Finds interface, next hop, source (when src is NULL or any) and MTU for dst. 0, -ENETUNREACH, -EACCES for a broadcast
 * address unless allow_broadcast, -EADDRNOTAVAIL when src is none of ours. A multicast address wants allow_broadcast too, and is
 * -ENETUNREACH without. On success path->nif is never NULL, of local paths neither. On failure the path is left invalid.
 */
int ip_path_lookup(struct z_stack *s, struct ip_path *path, const struct inaddr *src, const struct inaddr *dst, bool allow_broadcast);

/* True while the path may be used without a look-up. */
bool ip_path_valid(const struct z_stack *s, const struct ip_path *path);

/*
 * Prepends the IP header to a transport segment and sends it: resolves the neighbour (parks the packet meanwhile),
 * turns packets to own addresses round. Packets above the path's MTU are cut, with df dropped (DROP_IP_TOO_BIG).
 * L4 checksum flags (RTE_MBUF_F_TX_TCP_CKSUM…) and l4_len are set by the caller, l2_len and l3_len here.
 */
void ip_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m /* consumed */);

/* Is a an address of ours? */
bool ip_is_local(const struct z_stack *s, const struct inaddr *a);

/* Is a a broadcast address of one of our subnets, 255.255.255.255 or a multicast address (of either family)? */
bool ip_is_group(const struct z_stack *s, const struct inaddr *a);

/*
 * Sends an ICMP error about a received packet, quoting its header and the first 8 bytes or more; rate limited
 * (icmp_error_rate), never about ICMP errors, group addresses or fragments (RFC 1122 3.2.2). m is only read.
 * in->l4_len bytes behind the IP header are at pkt_data(m); the IP header stands before them in the headroom.
 */
void icmp_error(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint8_t type, uint8_t code);

/* No socket of a datagram protocol wants the packet: the error of its family that says so. m is only read, as above. */
void icmp_port_unreachable(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m);

/* A packet of ours (IP header first) whose next hop did not answer: its transport learns EHOSTUNREACH. m is only read. */
void icmp_neigh_failed(struct z_stack *s, struct rte_mbuf *m);

/*
 * No ICMP message makes IPv4 packets smaller than this: anybody can forge one, and a connection of tiny segments crawls (RFC 5927
 * section 7.4). A path that is really narrower may fragment them: DF is not set then. Linux does the same.
 */
#define IP_PMTU_MIN_V4 552u

/*
 * A router reported that packets to dst may be mtu bytes long (0: it did not say, which old routers do), about one of ours that was
 * quoted_len bytes long (0: unknown). To be called by the transport whose packet it was, after it has found the report credible.
 * Returns the MTU that this means, 0 when it means nothing.
 */
uint16_t ip_pmtu_learn(struct z_stack *s, const struct inaddr *dst, uint32_t mtu, uint32_t quoted_len);
void ip_pmtu_timer(struct z_stack *s);

void icmp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

/*
 * Another stack behind the same device gets a received packet. m begins pulled bytes behind the start of the transport header. s->steer is
 * not NULL.
 */
void ip_hand_over(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */, uint32_t pulled, unsigned to);

#endif
