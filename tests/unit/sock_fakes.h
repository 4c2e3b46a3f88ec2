/*
 * For the tests of src/sock: a stack that has an arena, a wheel and a descriptor table only, and transports whose answers the
 * test sets, or whose state is that of a kernel descriptor. Included once per test program.
 */
#ifndef UNIT_SOCK_FAKES_H
#define UNIT_SOCK_FAKES_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/stack.h"
#include "sock/event.h"
#include "sock/sock.h"

struct tcp_conn {
    unsigned poll; /* SOCK_ bits */
    size_t avail, space;
    bool rcv_eof, snd_eof, listener, mirrors;
    int error;
    int kernel_fd; /* with `mirrors`: its state is this descriptor's */
    int closed;
    struct sock sock;
};

struct udp_pcb {
    unsigned poll;
    size_t total, space;
    int closed;
};

unsigned tcp_poll(const struct tcp_conn *tc);

bool tcp_readable(const struct tcp_conn *tc)
{
    return (tcp_poll(tc) & 1) != 0; /* SOCK_IN */
}

unsigned tcp_poll(const struct tcp_conn *tc)
{
    struct pollfd p = {.fd = tc->kernel_fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP};

    if (!tc->mirrors) {
        return tc->poll;
    }
    poll(&p, 1, 0);
    return (unsigned short)p.revents;
}

size_t tcp_rcv_avail(const struct tcp_conn *tc)
{
    return tc->avail;
}

size_t tcp_snd_space(const struct tcp_conn *tc)
{
    return tc->space;
}

bool tcp_rcv_eof(const struct tcp_conn *tc)
{
    return tc->rcv_eof;
}

bool tcp_snd_eof(const struct tcp_conn *tc)
{
    return tc->snd_eof;
}

bool tcp_is_listener(const struct tcp_conn *tc)
{
    return tc->listener;
}

int tcp_peek_error(const struct tcp_conn *tc)
{
    return tc->error;
}

struct sock *tcp_attach(struct tcp_conn *tc)
{
    return &tc->sock;
}

void tcp_close(struct z_stack *s, struct tcp_conn *tc)
{
    (void)s;
    tc->closed++;
}

unsigned udp_poll(const struct udp_pcb *u)
{
    return u->poll;
}

size_t udp_rcv_total(const struct udp_pcb *u)
{
    return u->total;
}

size_t udp_snd_space(const struct udp_pcb *u)
{
    return u->space;
}

void udp_close(struct z_stack *s, struct udp_pcb *u)
{
    (void)s;
    u->closed++;
}

static inline struct z_stack *fake_stack(uint32_t fd_base, uint32_t max_socks)
{
    struct z_stack *s = calloc(1, sizeof(*s));

    s->now_ns = 1000000000;
    s->conf.n_stacks = 1;
    s->conf.fd_reserve = fd_base;
    s->conf.max_sockets = max_socks;
    assert_int_equal(arena_init(&s->arena, 64u << 20), 0);
    wheel_init(&s->wheel, s->now_ns);
    assert_int_equal(sock_table_init(s), 0);
    return s;
}

/* Every test ends here: what it closed must have given all memory back. */
static inline void fake_stack_end(struct z_stack *s)
{
    for (int fd = sock_first_fd(s); fd <= sock_max_fd(s); fd++) {
        sock_close(s, fd);
    }
    assert_int_equal(s->arena.used_bytes, 0);
    assert_int_equal(s->ctr.v[CTR_SOCKS], 0);
    assert_int_equal(s->wheel.armed, 0);
    sock_table_fini(s);
    arena_fini(&s->arena);
    free(s);
}

/* A descriptor on this connection. */
static inline int fake_tcp(struct z_stack *s, struct tcp_conn *tc)
{
    struct sock *sk;
    int fd = sock_new_tcp(s, tc, &sk);

    assert_true(fd >= 0);
    return fd;
}

static inline int fake_udp(struct z_stack *s, struct udp_pcb *u)
{
    struct sock *sk;
    int fd = sock_new(s, SOCK_UDP, &sk);

    assert_true(fd >= 0);
    sk->udp = u;
    return fd;
}

static inline int fake_epoll(struct z_stack *s)
{
    struct sock *sk;
    int fd = sock_new(s, SOCK_EPOLL, &sk);

    assert_true(fd >= 0);
    assert_non_null(epoll_set_create(s, sk));
    return fd;
}

static inline int fake_kqueue(struct z_stack *s)
{
    struct sock *sk;
    int fd = sock_new(s, SOCK_KQUEUE, &sk);

    assert_true(fd >= 0);
    assert_non_null(kqueue_create(s, sk));
    return fd;
}

/* n bytes arrive. */
static inline void fake_arrive(struct z_stack *s, int fd, struct tcp_conn *tc, size_t n)
{
    tc->avail += n;
    tc->poll |= SOCK_IN;
    sock_on_readable(s, sock_get(s, fd));
}

/* The application reads all. */
static inline void fake_drain(struct tcp_conn *tc)
{
    tc->avail = 0;
    if (!tc->rcv_eof) {
        tc->poll &= ~SOCK_IN;
    }
}

/* The peer closes. */
static inline void fake_fin(struct z_stack *s, int fd, struct tcp_conn *tc)
{
    tc->rcv_eof = true;
    tc->poll |= SOCK_IN | SOCK_RDHUP;
    sock_on_closed(s, sock_get(s, fd));
}

#endif
