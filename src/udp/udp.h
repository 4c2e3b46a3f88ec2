/* UDP sockets (RFC 768, RFC 1122 section 4.1): one protocol control block per socket, demultiplexed by 2- and 4-tuple. */
#ifndef UDP_UDP_H
#define UDP_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "ip/icmp_err.h"
#include "ip/ip.h"

struct z_stack;
struct sock;
struct udp_pcb;

struct udp_state {
    struct udp_pcb **bucket;
    struct udp_pcb **id_tab; /* socket of a loan: by id & mask */
    uint32_t id_mask, next_id;
    uint32_t n_buckets, n_pcbs;
    uint32_t port_hint;         /* RFC 6056 */
    uint64_t rcv_bytes;         /* memory in the receive queues of all sockets; with TCP's below rcv_limit_bytes */
    uint64_t loan_bytes;        /* memory lent to the application; with TCP's below loan_limit_bytes */
    struct udp_pcb *raw;        /* raw sockets of ICMP: icmp_sock.h */
    struct udp_pcb *tx_blocked; /* sockets that met a full transmit queue */
};

/* What came with a datagram. */
struct udp_info {
    struct inaddr src, dst;
    uint16_t sport;
    uint8_t ttl, tos; /* of IPv6: hop limit, traffic class */
    uint8_t ifindex;  /* 1 + index of its interface */
};

/* What is told of a datagram that did not get through (MSG_ERRQUEUE): the fields of struct sock_extended_err, and addresses. */
struct udp_err_info {
    struct inaddr dst; /* where it went */
    uint16_t dport;
    uint8_t origin, type, code; /* origin: SO_EE_ORIGIN_* */
    int err;
    uint32_t info;      /* MTU, pointer */
    struct udp_info in; /* the ICMP message; of a local error nothing */
};

/* Where one datagram goes, and what it has of its own; the rest is the socket's. */
struct udp_dest {
    const struct inaddr *addr; /* NULL: the peer of a connected socket */
    uint16_t port;
    uint8_t ifindex;   /* 1 + index of the interface; 0: as routed */
    int8_t dontfrag;   /* 0, 1; -1: as the socket */
    int16_t ttl, tos;  /* -1: as the socket */
    struct inaddr src; /* any: as the socket */
};

#define UDP_DEST_INIT ((struct udp_dest){.dontfrag = -1, .ttl = -1, .tos = -1})

/* What recvmsg() is to tell of each datagram. */
#define UDP_RECV_PKTINFO 0x01u /* IP_PKTINFO */
#define UDP_RECV_TTL 0x02u
#define UDP_RECV_TOS 0x04u
#define UDP_RECV_PKTINFO6 0x08u
#define UDP_RECV_HOPLIMIT 0x10u
#define UDP_RECV_TCLASS 0x20u

bool udp_port_is_used(const struct z_stack *s, uint8_t proto, uint16_t port); /* any socket of the protocol on it? */

int udp_state_init(struct z_stack *s);
void udp_state_fini(struct z_stack *s);

void udp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);
void udp_icmp_error(struct z_stack *s, const struct icmp_err *e);

/* From the loop, after the transmit bursts: sockets whose send found the transmit queue full become writable again. */
void udp_tx_resume(struct z_stack *s);

/* All return 0 or a byte count, or a negative errno as the man page of the socket call names it. */
struct udp_pcb *udp_create(struct z_stack *s, struct sock *sk); /* NULL: no memory */
void udp_set_inet6(struct udp_pcb *u); /* a new socket is of AF_INET6: its unbound address is ::, which takes IPv4 as well */
void udp_close(struct z_stack *s, struct udp_pcb *u);
int udp_bind(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port);

/* src: where a socket comes from that is bound to no address, -EADDRNOTAVAIL when it is not ours; NULL: the stack's choice. */
int udp_connect_from(struct z_stack *s, struct udp_pcb *u, const struct inaddr *src, const struct inaddr *a, uint16_t port);
bool udp_source_is_open(const struct udp_pcb *u); /* of UDP, bound to no address */

static inline int udp_connect(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    return udp_connect_from(s, u, NULL, a, port);
}

void udp_disconnect(struct z_stack *s, struct udp_pcb *u);

/*
 * One datagram, copied. -EAGAIN: the transmit queue of its interface is full. -EMSGSIZE: above what IP can carry, or above the MTU
 * of the path where it may not be fragmented. -EDESTADDRREQ, -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, -EPIPE,
 * -ENOBUFS, -EINVAL, or the pending error of the socket.
 */
ssize_t udp_sendto(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int flags, const struct udp_dest *to);

/*
 * One datagram by reference: a chain whose pieces have their lengths. Two halves, as of TCP: the first says whether it would be
 * sent and gets what is needed for that; after 0 the second must follow, which cannot fail and takes the chain.
 */
struct udp_sending {
    struct udp_dest to;
    struct ip_path path;
    struct inaddr dst;
    uint16_t dport;
    uint32_t len;
    bool big;                /* more than one packet's worth */
    struct rte_mbuf *shares; /* of the pieces that others hold too, in order */
    struct rte_mbuf *hdr;    /* for the headers, unless the first piece has room */
};
int udp_send_ready(struct z_stack *s, struct udp_pcb *u, struct rte_mbuf *chain, int flags, const struct udp_dest *to,
                   struct udp_sending *out);
void udp_send_take(struct z_stack *s, struct udp_pcb *u, struct rte_mbuf *chain /* consumed */, struct udp_sending *w);

ssize_t udp_recvfrom(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n,
                     int *flags /* in: MSG_PEEK, MSG_TRUNC; out: MSG_TRUNC */, struct udp_info *info /* or NULL */);

/*
 * The next datagram by reference, at most max bytes of it (the rest is lost): a loan of the chain in *out, unless copied because
 * of the quota. Its length, which with MSG_TRUNC in *flags is that of the whole datagram; *out is NULL when it is empty. -EAGAIN
 * also when no buffer is free: the datagram stays.
 */
ssize_t udp_recv_ref(struct z_stack *s, struct udp_pcb *u, size_t max, int *flags, struct udp_info *info, struct rte_mbuf **out);
void udp_loan_return(struct z_stack *s, struct rte_mbuf *m); /* as tcp_loan_return, of one piece with PKT_F_LOAN_UDP */

/* The oldest report, and as much of the datagram as it quotes. -EAGAIN: there is none. flags: out MSG_TRUNC. */
ssize_t udp_recv_error(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int *flags, struct udp_err_info *info);

int udp_shutdown(struct z_stack *s, struct udp_pcb *u, int how);
int udp_setopt(struct z_stack *s, struct udp_pcb *u, int level, int name, const void *val, unsigned len);
int udp_getopt(struct z_stack *s, struct udp_pcb *u, int level, int name, void *val, unsigned *len);
void udp_getname(const struct udp_pcb *u, struct inaddr *a, uint16_t *port);
int udp_getpeer(const struct udp_pcb *u, struct inaddr *a, uint16_t *port); /* -ENOTCONN */
uint8_t udp_proto(const struct udp_pcb *u);                                 /* IPPROTO_UDP, or of an ICMP socket */
bool udp_is_raw(const struct udp_pcb *u);
unsigned udp_recv_wants(const struct udp_pcb *u); /* UDP_RECV_* */
unsigned udp_poll(const struct udp_pcb *u);       /* SOCK_IN, … of sock/sock.h */
size_t udp_rcv_avail(const struct udp_pcb *u);    /* payload of the first datagram (FIONREAD) */
size_t udp_rcv_total(const struct udp_pcb *u);    /* payload of all */
size_t udp_snd_space(const struct udp_pcb *u);
int udp_take_error(struct udp_pcb *u); /* SO_ERROR: returns the pending errno (positive) and clears it */

#endif
