/*
 * Descriptors. A sock is what a descriptor number refers to: a TCP or UDP socket, a kqueue or an epoll set; descriptors
 * made by dup share it. It holds what is the same for every kind: blocking mode, timeouts, registrations. The core
 * never calls the application: it posts readiness here, and the wait calls evaluate it.
 */
#ifndef SOCK_SOCK_H
#define SOCK_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/inaddr.h"

struct z_stack;
struct tcp_conn;
struct udp_pcb;
struct kqueue;
struct epoll_set;
struct watch;

enum sock_kind { SOCK_FREE, SOCK_TCP, SOCK_UDP, SOCK_KQUEUE, SOCK_EPOLL };

/* Readiness: what sock_poll() returns and the notices post. Values are those of Linux' poll(2). */
#define SOCK_IN 0x0001u
#define SOCK_PRI 0x0002u
#define SOCK_OUT 0x0004u
#define SOCK_ERR 0x0008u
#define SOCK_HUP 0x0010u
#define SOCK_RDHUP 0x2000u

SLIST_HEAD(watch_list, watch);

/*
 * A sock has room for one registration: most have one, and beside the sock it costs no other page of memory. A second one, and what does
 * not fit, has a block of its own (src/sock/watch.c). The sock of a connection is part of the connection's block, which outlives it.
 */
struct sock {
    uint8_t kind;
    bool inet6 : 1; /* of AF_INET6 */
    bool nonblock : 1;
    bool accept_inherits : 1;          /* FIONBIO was set on a listener: ff_accept passes it on */
    bool room_taken : 1;               /* room holds a registration */
    uint32_t refs;                     /* descriptors that name this sock */
    uint64_t serial;                   /* never used again, as a descriptor's number is */
    uint64_t rcvtimeo_ns, sndtimeo_ns; /* 0 = for ever */
    union {
        struct tcp_conn *tcp;
        struct udp_pcb *udp;
        struct kqueue *kq;
        struct epoll_set *ep;
    };
    struct watch_list watches; /* registrations of kqueues and epoll sets on this sock */
    _Alignas(8) unsigned char room[80];
};

_Static_assert(sizeof(struct sock) == 128, "two cache lines");

struct sock_table; /* src/sock/fdtab.h */

int sock_table_init(struct z_stack *s); /* limits from s->conf; 0 or -ENOMEM */
void sock_table_fini(struct z_stack *s);

/*
 * A new sock of a kind other than SOCK_TCP with one descriptor, the lowest free one: returns the descriptor (>= fd_reserve) or -EMFILE /
 * -ENOMEM. The caller puts what is behind it (udp, kq, ep) in; sock_close() takes it back also without.
 */
int sock_new(struct z_stack *s, enum sock_kind kind, struct sock **out);

/* The same for a connection that has none; -EMFILE: the connection is as it was. */
int sock_new_tcp(struct z_stack *s, struct tcp_conn *tc, struct sock **out);

/* Is a descriptor free? If not, that is counted. */
bool sock_fd_left(struct z_stack *s);

/* NULL: no such descriptor. */
struct sock *sock_get(const struct z_stack *s, int fd);

/* sock_get() of this descriptor will follow soon: its place in the table is asked for from memory. */
void sock_ahead(const struct z_stack *s, int fd);

/* Drops a descriptor; the last one closes what is behind it (tcp_close, udp_close, …). 0 or -EBADF. */
int sock_close(struct z_stack *s, int fd);
int sock_dup(struct z_stack *s, int fd);                 /* new descriptor or -EBADF, -EMFILE */
int sock_dup2(struct z_stack *s, int fd, int newfd);     /* newfd or -EBADF */
int sock_first_fd(const struct z_stack *s);              /* the lowest and */
int sock_max_fd(const struct z_stack *s);                /* the highest number that a descriptor can have */
uint32_t sock_stack_of(const struct z_stack *s, int fd); /* of the process's stacks: whose number it is; 0 for nobody's */
bool sock_fd_elsewhere(const struct z_stack *s, int fd); /* another stack's? */
bool sock_fd_used(const struct z_stack *s, int fd);

/* The state of a sock now: SOCK_* bits. */
unsigned sock_poll(const struct z_stack *s, const struct sock *sk);

/* Upward notices: only post readiness. sk may be NULL (nobody holds a descriptor). */
void sock_on_readable(struct z_stack *s, struct sock *sk); /* data, a connection to accept, urgent data */
void sock_on_writable(struct z_stack *s, struct sock *sk); /* room in the send queue, connected */
void sock_on_closed(struct z_stack *s, struct sock *sk);   /* end of file, reset, error, shut down, closed */

#endif
