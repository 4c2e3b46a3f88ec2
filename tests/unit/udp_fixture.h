/* Sockets of UDP on the stack of net_fixture.h. */
#ifndef TESTS_UNIT_UDP_FIXTURE_H
#define TESTS_UNIT_UDP_FIXTURE_H

#include "net_fixture.h"

#include <stdio.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "udp/udp_pcb.h"

static struct net_frame udp_frame;
static int sks[8]; /* socks are opaque to UDP */

static inline struct inaddr v4(uint32_t a)
{
    return inaddr_v4(a);
}

static inline struct udp_pcb *open_udp(int i)
{
    struct udp_pcb *u = udp_create(S, (struct sock *)&sks[i]);

    assert_non_null(u);
    return u;
}

static inline struct udp_pcb *bound(int i, uint32_t a, uint16_t port)
{
    struct udp_pcb *u = open_udp(i);
    struct inaddr addr = v4(a);

    assert_int_equal(udp_bind(S, u, &addr, port), 0);
    return u;
}

static inline int opt(struct udp_pcb *u, int level, int name, int v)
{
    return udp_setopt(S, u, level, name, &v, sizeof(v));
}

static inline void inject(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport, const char *what)
{
    net_frame_udp(&udp_frame, src, sport, dst, dport, what, (uint32_t)strlen(what));
    net_inject_frame(&udp_frame);
}

/* sendto(2) by address and port */
static inline ssize_t send_iov(struct udp_pcb *u, const struct iovec *iov, int n, int flags, const struct inaddr *a, uint16_t port)
{
    struct udp_dest to = UDP_DEST_INIT;

    to.addr = a;
    to.port = port;
    return udp_sendto(S, u, iov, n, flags, &to);
}

static inline ssize_t send_to(struct udp_pcb *u, uint32_t dst, uint16_t port, const char *what)
{
    struct iovec iov = {(void *)(uintptr_t)what, strlen(what)};
    struct inaddr a = v4(dst);

    return send_iov(u, &iov, 1, 0, &a, port);
}

static inline ssize_t send_conn(struct udp_pcb *u, const char *what)
{
    struct iovec iov = {(void *)(uintptr_t)what, strlen(what)};

    return udp_sendto(S, u, &iov, 1, 0, NULL);
}

/* Receives into buf of n bytes; *flags in and out. */
static inline ssize_t recv_flags(struct udp_pcb *u, char *buf, size_t n, int *flags)
{
    struct iovec iov = {buf, n};

    memset(buf, '.', n);
    return udp_recvfrom(S, u, &iov, 1, flags, NULL);
}

static inline void assert_received(struct udp_pcb *u, const char *what)
{
    char buf[64];
    int flags = 0;

    assert_int_equal(recv_flags(u, buf, sizeof(buf), &flags), strlen(what));
    assert_memory_equal(buf, what, strlen(what));
    assert_int_equal(flags, 0);
}

static inline void assert_nothing(struct udp_pcb *u)
{
    char buf[64];
    int flags = 0;

    assert_int_equal(recv_flags(u, buf, sizeof(buf), &flags), -EAGAIN);
    assert_int_equal(udp_poll(u) & SOCK_IN, 0);
}

#endif
