/* What IP and ICMP keep for a stack, besides routes and neighbours; and helpers that only src/ip and src/udp use. */
#ifndef IP_IP_STATE_H
#define IP_IP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_reass.h"
#include "ip/pmtu.h"

/* Room in front of a transport header for what ip_output prepends. */
#define IP_HEADERS_BYTES 58u
/* Packets to ourselves: no link limits them; as large as a reasonable share of a receive window. */
#define IP_LOOPBACK_MTU 16384u

struct ip_state {
    uint64_t own_v4;               /* a bit for each IPv4 address and broadcast address of ours: ip_own_maybe */
    uint64_t icmp_error_tat_ns;    /* rate limit of ICMP errors: when the next one would be exactly on time */
    struct wheel_node route_timer; /* the next route that expires */
    struct wheel_node frag_timer;  /* the next datagram that stays incomplete */
    struct frag_table reass;
    uint32_t *frag_id; /* FRAG_ID_SLOTS counters of identifications */
    struct pmtu_table pmtu;
    struct wheel_node pmtu_timer;
    uint32_t lo_head, lo_tail;           /* free-running; lo_tail - lo_head packets wait */
    struct rte_mbuf *lo[LOOPBACK_SLOTS]; /* packets to ourselves, IP header first */
};

/* Copies the first len bytes of a chain, or as many as there are; returns how many. */
uint32_t ip_copy_out(const struct rte_mbuf *m, uint8_t *to, uint32_t len);

/* Adds the first len bytes of a chain to a partial Internet checksum. */
uint64_t ip_cksum_chain(uint64_t sum, const struct rte_mbuf *m, uint32_t len);

/* 127.0.0.0/8: addresses of this host that never appear on a wire (RFC 1122 3.2.1.3). */
static inline bool ip_v4_is_loopback(uint32_t a)
{
    return a >> 24 == 127;
}

static inline bool ip_v4_is_multicast(uint32_t a)
{
    return a >> 28 == 14;
}

/* An address that a host of the network may have: not 0/8, 127/8, 224/3. */
static inline bool ip_v4_is_ordinary(uint32_t a)
{
    return a - (1u << 24) < (223u << 24) && !ip_v4_is_loopback(a);
}

static inline uint64_t ip_own_bit(uint32_t a)
{
    return 1ull << (a * 0x9e3779b1u >> 26);
}

/* False: neither an address of ours nor a broadcast address of our subnets. */
static inline bool ip_own_maybe(const struct ip_state *ip, uint32_t a)
{
    return (ip->own_v4 & ip_own_bit(a)) != 0;
}

/* A finished packet to an address of ours on nif: the next poll takes it in. */
void ip_loopback_output(struct z_stack *s, const struct netif *nif, struct rte_mbuf *m /* consumed */);

/* Takes a packet in as if it had come through nif; from_self: it comes from ip_loopback_output. */
void ip6_input_from(struct z_stack *s, struct netif *nif, struct rte_mbuf *m /* consumed */, bool l2_group, bool from_self);

/* May one more ICMP error be sent (icmp_error_rate)? */
bool icmp_error_allowed(struct z_stack *s);

/* A received message, ready to be written and sent back: a copy where somebody else holds it, or has no room. NULL after a drop. */
struct rte_mbuf *icmp_turn(struct z_stack *s, struct rte_mbuf *m /* consumed */);

/* Copies the first len bytes from the IP header on of a received packet that begins behind it; returns how many there were. */
uint32_t icmp_quote_copy(const struct ip_in *in, const struct rte_mbuf *m, uint8_t *to, uint32_t len);

/* The interface that has this address, or NULL. */
struct netif *ip_v4_owner(const struct z_stack *s, uint32_t a);

/* 255.255.255.255 or a subnet's broadcast address? */
bool ip_v4_is_broadcast(const struct z_stack *s, uint32_t a);

/* Path MTUs (ip_pmtu.c). 0 or -ENOMEM; s->ip exists. */
int ip_pmtu_init(struct z_stack *s);
void ip_pmtu_fini(struct z_stack *s);

/* The MTU of the path to dst over a link with link_mtu. */
uint16_t ip_pmtu(const struct z_stack *s, const struct inaddr *dst, uint16_t link_mtu);

/* Sends an ICMP message; the path is looked up for this one packet. */
void icmp_output(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t tos, struct rte_mbuf *m /* consumed */);

/* Answers an echo request, in its own buffer where that may be written. */
void icmp_echo_reply(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);

#endif
