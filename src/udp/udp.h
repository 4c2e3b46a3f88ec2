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
    uint32_t n_buckets, n_pcbs;
    uint32_t port_hint;         /* RFC 6056 */
    uint64_t rcv_bytes;         /* memory in the receive queues of all sockets; with TCP's below rcv_limit_bytes */
    struct udp_pcb *tx_blocked; /* sockets that met a full transmit queue */
};

int udp_state_init(struct z_stack *s);
void udp_state_fini(struct z_stack *s);

void udp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */);
void udp_icmp_error(struct z_stack *s, const struct icmp_err *e);

/* From the loop, after the transmit bursts: sockets whose send found the transmit queue full become writable again. */
void udp_tx_resume(struct z_stack *s);

/* All return 0 or a byte count, or a negative errno as the man page of the socket call names it. */
struct udp_pcb *udp_create(struct z_stack *s, struct sock *sk); /* NULL: no memory */
void udp_close(struct z_stack *s, struct udp_pcb *u);
int udp_bind(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port);
int udp_connect(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port); /* port 0 and any address: disconnect */

/*
 * One datagram, copied. -EAGAIN: the transmit queue of its interface is full. -EMSGSIZE: above 65507 bytes or above the MTU of the
 * path (datagrams are not fragmented). -EDESTADDRREQ, -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, -EPIPE, -ENOBUFS, or
 * the pending error of the socket.
 */
ssize_t udp_sendto(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int flags, const struct inaddr *a /* or NULL */,
                   uint16_t port);
ssize_t udp_recvfrom(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n,
                     int *flags /* in: MSG_PEEK, MSG_TRUNC; out: MSG_TRUNC */, struct inaddr *a, uint16_t *port);
int udp_shutdown(struct z_stack *s, struct udp_pcb *u, int how);
int udp_setopt(struct z_stack *s, struct udp_pcb *u, int level, int name, const void *val, unsigned len);
int udp_getopt(struct z_stack *s, struct udp_pcb *u, int level, int name, void *val, unsigned *len);
void udp_getname(const struct udp_pcb *u, struct inaddr *a, uint16_t *port);
int udp_getpeer(const struct udp_pcb *u, struct inaddr *a, uint16_t *port); /* -ENOTCONN */
unsigned udp_poll(const struct udp_pcb *u);                                 /* SOCK_IN, … of sock/sock.h */
size_t udp_rcv_avail(const struct udp_pcb *u);                              /* payload of the first datagram (FIONREAD) */
size_t udp_rcv_total(const struct udp_pcb *u);                              /* payload of all */
size_t udp_snd_space(const struct udp_pcb *u);
int udp_take_error(struct udp_pcb *u); /* SO_ERROR: returns the pending errno (positive) and clears it */

#endif
