/* A UDP socket's control block, for src/udp only. */
#ifndef UDP_UDP_PCB_H
#define UDP_UDP_PCB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "udp/udp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

#define UDP_BUCKETS 1024u /* by local port */
#define UDP_QUEUE_MIN 16u /* slots of a receive queue at first */

/* A received datagram: payload only, the head may be empty. */
struct udp_dgram {
    struct rte_mbuf *m;
    uint32_t truesize;
    struct udp_info info;
};

struct udp_group; /* a membership: udp_group.c */
struct udp_err;   /* a report about a datagram that was sent: udp_error.c */

/* What ip(7) and ipv6(7) options say of a socket's datagrams; of the families' pairs, [1] is IPv6. */
struct udp_ip_opts {
    int16_t ttl[2];                    /* of IPv6: hop limit; IP_TTL_DEFAULT */
    uint8_t tos[2], mc_ttl[2];         /* of IPv6: traffic class, hop limit */
    uint8_t pmtu[2];                   /* IP_PMTUDISC_*, the same numbers for IPv6 */
    uint8_t mc_ifindex[2];             /* IP_MULTICAST_IF: 1 + index; 0: as routed */
    bool mc_loop[2], mc_all[2];
    bool v6only, dontfrag;
    bool recverr[2];      /* IP_RECVERR, IPV6_RECVERR */
    uint8_t recv;         /* UDP_RECV_* */
    uint8_t src_ifindex;  /* IPV6_PKTINFO: 1 + index; 0: as routed */
    struct inaddr src6;   /* and the source; any: as routed */
    struct inaddr mc_src; /* IP_MULTICAST_IF by address; any: none */
};

struct udp_pcb {
    struct udp_pcb *next; /* in its bucket; unbound: in none */
    struct udp_pcb *blocked_next;
    struct sock *sk;
    struct inaddr laddr, raddr;  /* any: every address of ours; not connected */
    uint16_t lport, rport;       /* 0: not bound; not connected */
    uint8_t proto;               /* UDP; of other protocols: icmp_sock.h */
    bool raw;                    /* SOCK_RAW: in the list of those, and in no bucket */
    bool inet6;                  /* of AF_INET6 */
    bool addr_bound, port_bound; /* by udp_bind, so that a disconnect keeps them */
    bool connected, blocked;
    bool rcv_shut, snd_shut;
    bool reuseaddr, reuseport, broadcast;
    int err; /* pending errno */
    uint32_t id;
    uint32_t rcvbuf_bytes, sndbuf_bytes;
    uint32_t loan_bytes; /* lent to the application */
    struct udp_ip_opts ip;
    struct udp_group *groups;
    uint32_t filter[8]; /* of a raw socket: a bit for each type that it does not want */

    /* what MSG_ERRQUEUE gives, oldest first */
    struct udp_err *errs, **errs_tail;
    uint32_t n_errs;

    /* receive queue: a ring, absent until the first datagram */
    struct udp_dgram *q;
    uint32_t q_slots, q_head, q_n; /* q_slots is a power of two */
    uint32_t rcv_bytes;            /* memory of the queued datagrams, below rcvbuf_bytes but for the first */
    size_t rcv_payload;

    struct ip_path path; /* of the last destination */
    struct inaddr path_dst;
};

/* Bytes of the transport header: the messages of ICMP sockets have their own. */
static inline uint32_t udp_hdr_bytes(const struct udp_pcb *u)
{
    return u->proto == IPPROTO_UDP_ ? UDP_HLEN : 0;
}

/* Of AF_INET6, and nothing of IPv4 comes in or goes out. */
static inline bool udp_is_v6only(const struct udp_pcb *u)
{
    return u->inet6 && (u->ip.v6only || u->proto != IPPROTO_UDP_);
}

static inline struct udp_pcb **udp_bucket(const struct z_stack *s, uint16_t port)
{
    return &s->udp.bucket[port & (s->udp.n_buckets - 1)];
}

/* Whose answers are expected. */
struct udp_peer {
    struct inaddr addr;
    uint16_t port;
};

/*
 * Gives an unbound pcb an ephemeral port, or an identifier; a raw one needs none. peer: NULL, or the pcb's path leads to it. 0 or
 * -EADDRINUSE.
 */
int udp_autobind(struct z_stack *s, struct udp_pcb *u, const struct udp_peer *peer);

/* The socket that fits a packet best; among equals the last one bound. */
struct udp_pcb *udp_lookup(struct z_stack *s, uint8_t proto, const struct udp_info *in, uint16_t dport);

/* Queues a datagram, or drops it when there is no room. */
void udp_deliver(struct z_stack *s, struct udp_pcb *u, const struct udp_info *in, struct rte_mbuf *m /* consumed */);

/* Memory that a piece holds: one that refers to another's buffer keeps all of that. */
static inline uint32_t udp_truesize(struct rte_mbuf *m)
{
    return pkt_truesize(RTE_MBUF_CLONED(m) ? rte_mbuf_from_indirect(m) : m);
}

/* Drops the queue. */
void udp_queue_free(struct z_stack *s, struct udp_pcb *u);

/* Takes the first datagram off the queue, whose buffers are the caller's now. */
struct rte_mbuf *udp_queue_pop(struct z_stack *s, struct udp_pcb *u);

/* 0.0.0.0 and :: as a destination mean this host. */
struct inaddr udp_destination(const struct inaddr *a);

/* The path to dst: the last one, or looked up. Errors of ip_path_lookup. */
int udp_path(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst);

/*
 * Checks one send of len bytes, binds an unbound socket and finds the path; fills *w but for shares and hdr. 0, or an errno of
 * sendto(2); -EAGAIN: the socket will become writable.
 */
int udp_send_prepare(struct z_stack *s, struct udp_pcb *u, uint32_t len, int flags, const struct udp_dest *to, struct udp_sending *w);

/* What its IP header shall say. */
struct ip_out udp_ip_out(const struct udp_pcb *u, const struct udp_sending *w);

/*
 * udp_error.c. An ICMP error about a datagram of this socket, which is in e->m from quote_off on; a datagram that was not sent because
 * of its size (info: the MTU); no reports any more.
 */
void udp_tell_error(struct z_stack *s, struct udp_pcb *u, const struct icmp_err *e, uint32_t quote_off);
void udp_local_error(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst, uint16_t dport, int err, uint32_t info);
void udp_errs_free(struct z_stack *s, struct udp_pcb *u);

/* Puts the header in front of the payload and sends it; group members of this host get it too. */
void udp_output(struct z_stack *s, struct udp_pcb *u, struct udp_sending *w, struct rte_mbuf *m /* consumed */);

/*
 * udp_chain.c. A chain for len bytes (hdr: a small one may be a header mbuf); references to every piece of a chain; the first len bytes
 * copied to the application's pools (counted). NULL: not enough buffers.
 */
struct rte_mbuf *udp_alloc_chain(struct z_stack *s, uint32_t len, bool hdr);
struct rte_mbuf *udp_share(struct z_stack *s, struct rte_mbuf *m);
struct rte_mbuf *udp_compact(struct z_stack *s, const struct rte_mbuf *from, uint32_t len);

/* The chain without the pieces that nothing stands in; NULL when that is all of it. */
struct rte_mbuf *udp_drop_empty(struct rte_mbuf *m /* consumed */);

/* The bytes of iov, which fill the chain; a chain's bytes as far as iov has room: how many. */
void udp_copy_in(struct rte_mbuf *m, const struct iovec *iov, int n);
size_t udp_copy_out(const struct rte_mbuf *m, const struct iovec *iov, int n);

/* A datagram without its header to every socket that wants it: all but the last one get a reference. False: nobody; m is not consumed. */
bool udp_deliver_group(struct z_stack *s, const struct udp_info *info, uint16_t dport, struct rte_mbuf *m);

/* One request about a membership, however it was worded. */
enum udp_group_act {
    UDP_GROUP_JOIN,
    UDP_GROUP_LEAVE,
    UDP_GROUP_BLOCK,
    UDP_GROUP_UNBLOCK,
    UDP_GROUP_JOIN_SOURCE,
    UDP_GROUP_LEAVE_SOURCE,
};
struct udp_group_req {
    enum udp_group_act act;
    struct inaddr group, source;
    struct inaddr nif_addr; /* the interface by an address of it */
    uint32_t ifindex;       /* or by number; both none: as routed */
};

/* udp_group.c. Does the socket want this datagram to a group? Does the interface listen to the group? */
bool udp_group_accepts(const struct udp_pcb *u, const struct udp_info *in);
bool udp_group_member(const struct z_stack *s, const struct netif *nif, const struct inaddr *group);
int udp_group_do(struct z_stack *s, struct udp_pcb *u, struct udp_group_req *r);
void udp_groups_free(struct z_stack *s, struct udp_pcb *u);

/* udp_opt_group.c: -ENOPROTOOPT: no such option */
int udp_setopt_group(struct z_stack *s, struct udp_pcb *u, int level, int name, const void *val, unsigned len);

/* udp_opt_ip.c: what is no membership */
int udp_setopt_ip(struct z_stack *s, struct udp_pcb *u, int name, const void *val, unsigned len);
int udp_setopt_ip6(struct z_stack *s, struct udp_pcb *u, int name, const void *val, unsigned len);
int udp_getopt_ip(struct z_stack *s, struct udp_pcb *u, int name, int *v);
int udp_getopt_ip6(struct z_stack *s, struct udp_pcb *u, int name, int *v);

#endif
