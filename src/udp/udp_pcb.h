/* A UDP socket's control block, for src/udp only. */
#ifndef UDP_UDP_PCB_H
#define UDP_UDP_PCB_H

#include <stdbool.h>
#include <stdint.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "udp/udp.h"

#define UDP_BUCKETS 1024u /* by local port */
/* What IPv4 can carry: 65535 less two headers. */
#define UDP_PAYLOAD_MAX 65507u
#define UDP_QUEUE_MIN 16u /* slots of a receive queue at first */

/* A received datagram: payload only, the head may be empty. */
struct udp_dgram {
    struct rte_mbuf *m;
    struct inaddr src;
    uint32_t truesize;
    uint16_t sport;
};

struct udp_pcb {
    struct udp_pcb *next; /* in its bucket; unbound: in none */
    struct udp_pcb *blocked_next;
    struct sock *sk;
    struct inaddr laddr, raddr;  /* any: every address of ours; not connected */
    uint16_t lport, rport;       /* 0: not bound; not connected */
    bool addr_bound, port_bound; /* by udp_bind, so that a disconnect keeps them */
    bool connected, blocked;
    bool rcv_shut, snd_shut;
    bool reuseaddr, reuseport, broadcast;
    uint8_t ttl, tos;
    int err; /* pending errno */
    uint32_t rcvbuf_bytes, sndbuf_bytes;

    /* receive queue: a ring, absent until the first datagram */
    struct udp_dgram *q;
    uint32_t q_slots, q_head, q_n; /* q_slots is a power of two */
    uint32_t rcv_bytes;            /* memory of the queued datagrams, below rcvbuf_bytes but for the first */
    size_t rcv_payload;

    struct ip_path path; /* of the last destination */
    struct inaddr path_dst;
};

static inline struct udp_pcb **udp_bucket(const struct z_stack *s, uint16_t port)
{
    return &s->udp.bucket[port & (s->udp.n_buckets - 1)];
}

/* Gives an unbound pcb an ephemeral port. 0 or -EADDRINUSE. */
int udp_bind_ephemeral(struct z_stack *s, struct udp_pcb *u);

/* Drops the queue. */
void udp_queue_free(struct z_stack *s, struct udp_pcb *u);

/* 0.0.0.0 as a destination means this host. */
struct inaddr udp_destination(const struct inaddr *a);

/* The path to dst: the last one, or looked up. Errors of ip_path_lookup. */
int udp_path(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst);

#endif
