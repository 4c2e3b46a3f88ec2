/*
 * Objects that exist twice: a kernel descriptor, and a sock of ours with the same number whose state is the kernel's. Each step
 * does something to the kernel's object and posts the notices that a stack would post for it. What the two event mechanisms
 * make of that can be compared.
 */
#ifndef UNIT_SOCK_KERNEL_H
#define UNIT_SOCK_KERNEL_H

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "sock_fakes.h"

#define KERNEL_FD_BASE 500 /* both sides take the lowest number from here on */
#define OBJECTS 8
#define NAMES 2

struct object {
    struct tcp_conn tc;
    int fd[NAMES]; /* descriptors of the object, -1: none */
    int peer;      /* the other end of a socket pair, -1: closed */
    bool eventfd, shut, peer_shut;
};

static inline int kernel_fd_move(int fd)
{
    int moved = fcntl(fd, F_DUPFD, KERNEL_FD_BASE);

    assert_true(moved >= KERNEL_FD_BASE);
    close(fd);
    return moved;
}

static inline void object_open(struct z_stack *s, struct object *o, bool is_eventfd)
{
    const int small = 4096;
    int sv[2] = {-1, -1};

    memset(o, 0, sizeof(*o));
    o->eventfd = is_eventfd;
    if (is_eventfd) {
        sv[0] = eventfd(0, EFD_NONBLOCK);
    } else {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
        assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    }
    o->fd[0] = kernel_fd_move(sv[0]);
    o->fd[1] = -1;
    o->peer = sv[1];
    o->tc.kernel_fd = dup(o->fd[0]); /* for looking at its state whatever becomes of the names */
    o->tc.mirrors = true;
    assert_int_equal(fake_tcp(s, &o->tc), o->fd[0]);
}

static inline void object_close(struct z_stack *s, struct object *o)
{
    close(o->tc.kernel_fd);
    for (int i = 0; i < NAMES; i++) {
        if (o->fd[i] >= 0) {
            close(o->fd[i]);
            assert_int_equal(sock_close(s, o->fd[i]), 0);
        }
    }
    close(o->peer);
}

/* A second name comes, or a name goes; the object with its last name, and a new one takes its place. */
static inline void object_names(struct z_stack *s, struct object *o, struct rng *r)
{
    uint32_t i = rng_below(r, NAMES);

    if (o->fd[i] < 0) {
        int other = o->fd[1 - i];

        o->fd[i] = fcntl(other, F_DUPFD, KERNEL_FD_BASE);
        assert_int_equal(sock_dup(s, other), o->fd[i]);
    } else if (o->fd[1 - i] >= 0) {
        close(o->fd[i]);
        assert_int_equal(sock_close(s, o->fd[i]), 0);
        o->fd[i] = -1;
    } else {
        object_close(s, o);
        object_open(s, o, o->eventfd);
    }
}

static inline void eventfd_step(struct z_stack *s, struct object *o, struct sock *sk, struct rng *r)
{
    uint64_t n = 1;

    if (rng_below(r, 2)) {
        assert_int_equal(write(o->tc.kernel_fd, &n, sizeof(n)), sizeof(n));
        sock_on_readable(s, sk);
    } else if (read(o->tc.kernel_fd, &n, sizeof(n)) == sizeof(n)) {
        sock_on_writable(s, sk);
    }
}

static inline void pair_step(struct z_stack *s, struct object *o, struct sock *sk, struct rng *r)
{
    static char buf[2048];

    switch (rng_below(r, 24)) {
    case 0: /* the peer's end of file */
        if (!o->peer_shut && o->peer >= 0) {
            o->peer_shut = true;
            shutdown(o->peer, SHUT_WR);
            sock_on_closed(s, sk);
        }
        break;
    case 1: /* ours */
        if (!o->shut && o->peer >= 0) {
            o->shut = true;
            shutdown(o->tc.kernel_fd, SHUT_WR);
            sock_on_closed(s, sk);
        }
        break;
    case 2: /* with unread data at the peer this is a reset */
        if (o->peer >= 0 && rng_below(r, 3) == 0) {
            close(o->peer);
            o->peer = -1;
            sock_on_closed(s, sk);
        }
        break;
    case 3 ... 9: /* data arrives */
        if (o->peer >= 0 && send(o->peer, buf, 1 + rng_below(r, 3), MSG_NOSIGNAL) > 0) {
            sock_on_readable(s, sk);
        }
        break;
    case 10 ... 14: /* the application reads, part or all */
        if (recv(o->tc.kernel_fd, buf, 1 + rng_below(r, 20), 0) < 0) {
            break;
        }
        break;
    case 15 ... 19: /* the application writes until the queue is full */
        while (send(o->tc.kernel_fd, buf, 512, MSG_NOSIGNAL) > 0 && rng_below(r, 8)) {
        }
        break;
    default: /* the peer reads: one buffer leaves our send queue */
        if (o->peer >= 0 && recv(o->peer, buf, 512, 0) > 0 && tcp_poll(&o->tc) & SOCK_OUT) {
            sock_on_writable(s, sk);
        }
        break;
    }
}

static inline void object_step(struct z_stack *s, struct object *o, struct rng *r)
{
    struct sock *sk = sock_get(s, o->fd[0] >= 0 ? o->fd[0] : o->fd[1]);

    assert_ptr_equal(sk->tcp, &o->tc);
    if (rng_below(r, 20) == 0) {
        object_names(s, o, r);
    } else if (o->eventfd) {
        eventfd_step(s, o, sk, r);
    } else {
        pair_step(s, o, sk, r);
    }
}

#endif
