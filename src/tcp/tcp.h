/*
 * TCP as the rest of the stack sees it: the state of all connections of a stack, what the network layer hands in, and
 * the user calls of RFC 9293 section 3.9.1 in the shape that sockets need. All user calls return 0 or a count, or a
 * negative Linux errno as the man page of the socket call names it.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <rte_mbuf.h>

#include "base/inaddr.h"
#include "base/wheel.h"
#include "ip/icmp_err.h"
#include "ip/ip.h"
#include "tcp/optset.h"

struct z_stack;
struct sock;
struct tcp_conn;
struct tcp_tw;
struct tcp_entry;
struct tcp_synent;
struct tcp_fwd;
struct tfo_dest;

TAILQ_HEAD(tcp_timewait_list, tcp_tw);
TAILQ_HEAD(tcp_wnd_list, tcp_conn);

#define TCP_PORT_COUNTERS 256u

#define TCP_SYN_LISTS 32u /* more than retransmissions of a SYN,ACK */

/* Connections of listeners before the handshake's last ACK (syncache.h). */
struct tcp_syncache {
    TAILQ_HEAD(tcp_syn_list, tcp_synent) rexmt[TCP_SYN_LISTS]; /* by retransmissions so far; in the order of deadlines */
    struct tcp_syn_list unsent;                                /* their SYN,ACK found no buffer */
    struct wheel_node timer;                                   /* not later than the earliest deadline */
    uint32_t n;
    uint64_t cookies_until_ns; /* no cookie that we sent is good after this */
};

/* Connections with output to consider at the end of the turn (pending.c): a queue with room for all there may be. */
struct tcp_pending {
    struct tcp_conn **ring;
    uint32_t mask, head, n;
};

/*
 * A place of the table of connections by 4-tuple. An entry is in the first place from that of its hash on that was free: with the hash
 * beside it no entry has to be looked at but the one that is wanted.
 */
struct tcp_place {
    uint32_t hash;
    uint32_t ref; /* arena_ref() of a struct tcp_entry; 0: free */
};

/* Of one stack. */
struct tcp_state {
    struct tcp_place *place;
    uint32_t place_mask;
    struct tcp_conn **bound_bucket; /* bound and listening sockets by local port */
    struct tcp_conn **id_tab;       /* all connections: by id & mask */
    uint32_t id_mask, next_id;
    uint32_t port_counter[TCP_PORT_COUNTERS]; /* RFC 6056 section 3.3.4 */
    uint32_t n_conns, n_timewait, n_orphans;
    struct tcp_pending pending;
    struct tcp_timewait_list timewait; /* oldest first */
    struct wheel_node timewait_timer;  /* the end of the first */
    uint64_t rcv_charged_bytes;        /* memory in receive and reassembly queues of all connections */
    uint64_t loan_bytes;               /* memory lent to the application */
    struct tcp_wnd_list wnd_waiting;   /* connections whose window is closed because either is at its limit, longest first */
    struct tcp_optsets optsets;        /* what setsockopt set, once for all who have the same */
    struct tcp_syncache syn;
    TAILQ_HEAD(tcp_fwd_list, tcp_fwd) fwd; /* flows of other stacks, the one used last at the end */
    uint32_t n_fwd;
    uint32_t claimed, claiming, claim_at; /* forward.c: the table for which all is claimed; that under way, and how far */
    struct tfo_dest *tfo_cache;           /* NULL until a cookie was received */
    uint32_t *port_use;                   /* sockets bound to or using a local port, for the choice of ephemeral ports */
};

int tcp_state_init(struct z_stack *s);
void tcp_state_fini(struct z_stack *s);

/* From the network layer. */
void tcp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed; starts at the TCP header */);
void tcp_icmp_error(struct z_stack *s, const struct icmp_err *e);

/* The stack to which segments of this flow are forwarded; -1: they are not. */
int tcp_forwards(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport);

/* From the loop. */
void tcp_forward_hear(struct z_stack *s);                /* what other stacks say; s->steer is not NULL */
bool tcp_forward_is_due(const struct z_stack *s);        /* there is something of that to do */
void tcp_timer(struct z_stack *s, struct wheel_node *n); /* a wheel node of kind TIMER_TCP expired */
void tcp_syn_timer(struct z_stack *s);                   /* that of the SYN cache */
void tcp_timewait_timer(struct z_stack *s);              /* TIMER_TW */
void tcp_output_pending(struct z_stack *s);              /* one tcp_output per dirty connection */
bool tcp_output_waits(const struct z_stack *s);          /* is there something for it to do? */

/* Sends what the connection may send now, for a write outside the application's turn of the loop. */
void tcp_push(struct z_stack *s, struct tcp_conn *tc);

/* Socket life ------------------------------------------------------------------------------------------------- */

/* A closed connection block for a new socket, attached to none yet (tcp_attach); NULL: limit or memory. */
struct tcp_conn *tcp_create(struct z_stack *s);
void tcp_set_inet6(struct tcp_conn *tc); /* a new socket is of AF_INET6: its unbound address is ::, which takes IPv4 as well */

/* EADDRINUSE, EADDRNOTAVAIL, EINVAL (already bound). port 0: an ephemeral one. */
int tcp_bind(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port);

/* EINVAL (connected), EADDRINUSE; an unbound socket gets an ephemeral port. Again on a listener: changes the backlog. */
int tcp_listen(struct z_stack *s, struct tcp_conn *tc, int backlog);

/* The next established connection, attached to no sock yet (tcp_attach); NULL and *err: EAGAIN, EINVAL (not listening), ECONNABORTED. */
struct tcp_conn *tcp_accept(struct z_stack *s, struct tcp_conn *tc, int *err);

/* A descriptor comes to a connection that never had one. Returns the memory of its sock, in the connection's block: see sock_new_tcp(). */
struct sock *tcp_attach(struct tcp_conn *tc);

/*
 * Starts an active open: -EINPROGRESS. Called again: -EALREADY while connecting, 0 once after it was established, -EISCONN
 * afterwards; after failure the error, once. EADDRNOTAVAIL (no port free), ENETUNREACH, EACCES (broadcast), EADDRINUSE.
 */
int tcp_connect(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port);

/* The same with Fast Open (MSG_FASTOPEN). 0 as well when the SYN waits for data to carry: the next tcp_send_ call sends it. */
int tcp_connect_fastopen(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port);

/*
 * Before an attempt: may its source be set (no address was bound, no attempt made)? And sets it; any: the stack's choice. The attempt gives
 * -EADDRNOTAVAIL when it is not ours.
 */
bool tcp_source_is_open(const struct tcp_conn *tc);
void tcp_set_source(struct tcp_conn *tc, const struct inaddr *a);

/* SHUT_RD, SHUT_WR, SHUT_RDWR; -ENOTCONN, -EINVAL. */
int tcp_shutdown(struct z_stack *s, struct tcp_conn *tc, int how);

/*
 * The last descriptor is closed: sends FIN behind what is queued, or a reset when data was left unread or SO_LINGER says
 * so; frees the block when the protocol allows. tc may not be used by the caller after. tc->sk is not called again.
 */
void tcp_close(struct z_stack *s, struct tcp_conn *tc);

/* Should close(2) on this blocking socket wait (SO_LINGER > 0 and unsent data)? Nanoseconds, or 0. */
uint64_t tcp_linger_ns(const struct tcp_conn *tc);
bool tcp_all_acked(const struct tcp_conn *tc); /* nothing queued, nothing in flight, FIN included if sent */
/* For orderly exit: starts closing every connection; how many still have data or a FIN to be acknowledged. */
void tcp_close_all(struct z_stack *s);
uint32_t tcp_unfinished(const struct z_stack *s);
void tcp_reset_all(struct z_stack *s); /* those that are not finished: a reset, and the queues are emptied */

/* Data -------------------------------------------------------------------------------------------------------- */

/*
 * Queues a chain by reference: all of it or nothing. 0: every holder is the stack's. -EAGAIN (queue at or above its limit),
 * -EPIPE, -ENOTCONN, -ENOMEM, -EMSGSIZE (more than SNDQ_DESC_MAX pieces), pending error: the caller keeps the chain.
 */
int tcp_send_ref(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *chain);

/* Its two halves: would it be taken (0; then there is room for it), and the taking, which cannot fail after that. */
int tcp_send_ready(struct z_stack *s, struct tcp_conn *tc, const struct rte_mbuf *chain);
void tcp_send_take(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *chain);

/*
 * Copies up to the free space of the send queue (at least one byte when it is below its limit). Bytes taken, or -errno.
 * flags: MSG_OOB (the last byte is urgent), MSG_MORE. Data bytes are counted in CTR_COPY_API.
 */
ssize_t tcp_send_copy(struct z_stack *s, struct tcp_conn *tc, const struct iovec *iov, int n, int flags);

/* Bytes copied; 0 at end of file; -EAGAIN, -ENOTCONN, pending error. flags: MSG_PEEK, MSG_OOB, MSG_TRUNC (discard). */
ssize_t tcp_recv_copy(struct z_stack *s, struct tcp_conn *tc, const struct iovec *iov, int n, int flags);

/*
 * The next bytes as one contiguous buffer of at most max bytes, by reference: a loan unless copied because of the
 * quota. > 0 and *out; 0 and NULL at end of file; -errno and NULL.
 */
ssize_t tcp_recv_ref(struct z_stack *s, struct tcp_conn *tc, size_t max, struct rte_mbuf **out);

/* A loan ends: its memory counts for the connection no more (owner thread only). Clears the loan flag of this segment. */
void tcp_loan_return(struct z_stack *s, struct rte_mbuf *m);

/* State ------------------------------------------------------------------------------------------------------- */

unsigned tcp_poll(const struct tcp_conn *tc);     /* SOCK_IN, … of sock/sock.h */
bool tcp_readable(const struct tcp_conn *tc);     /* its SOCK_IN alone */
size_t tcp_rcv_avail(const struct tcp_conn *tc);  /* readable bytes; of a listener: connections to accept */
size_t tcp_snd_space(const struct tcp_conn *tc);  /* bytes of memory below SO_SNDBUF */
size_t tcp_snd_queued(const struct tcp_conn *tc); /* unacknowledged bytes (SIOCOUTQ) */
bool tcp_rcv_eof(const struct tcp_conn *tc);      /* the peer closed, or the connection is gone */
bool tcp_snd_eof(const struct tcp_conn *tc);      /* no more can be sent */
bool tcp_is_listener(const struct tcp_conn *tc);
bool tcp_at_mark(const struct tcp_conn *tc);                                  /* SIOCATMARK */
int tcp_peek_error(const struct tcp_conn *tc);                                /* pending errno, 0 if none; not cleared */
int tcp_take_error(struct tcp_conn *tc);                                      /* SO_ERROR */
int tcp_getpeer(const struct tcp_conn *tc, struct inaddr *a, uint16_t *port); /* -ENOTCONN */
void tcp_getname(const struct tcp_conn *tc, struct inaddr *a, uint16_t *port);

/* SOL_SOCKET (what concerns the transport), IPPROTO_TCP, IPPROTO_IP and IPPROTO_IPV6 options with Linux numbers. -ENOPROTOOPT, -EINVAL. */
int tcp_setopt(struct z_stack *s, struct tcp_conn *tc, int level, int name, const void *val, unsigned len);
int tcp_getopt(struct z_stack *s, struct tcp_conn *tc, int level, int name, void *val, unsigned *len);

#endif
