/* Reports about datagrams that did not get through, IP_RECVERR and MSG_ERRQUEUE, beside the kernel's; sticky IPV6_PKTINFO. */
#include "api_kernel.h"

#include <time.h>

#include <linux/errqueue.h>

#include "api/api.h"

#define EVENTS (POLLIN | POLLOUT)

static int start(void **state)
{
    (void)state;
    if (!kernel_own_net())
        return 1;
    api_start("udp_errors=4");
    return 0;
}

/* All that recvmsg says. Of control messages all but what each side has of its own: interfaces, hops. */
struct report {
    ssize_t n;
    int err, flags;
    socklen_t name_len;
    struct sockaddr_in6 name;
    size_t control_len;
    uint8_t data[64], control[256];
};

static void hide_own(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
            memset(CMSG_DATA(c), 0, 4); /* ipi_ifindex */
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memset(CMSG_DATA(c) + 16, 0, 4);
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS))
            memset(CMSG_DATA(c), 0, 1);
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
            memset(CMSG_DATA(c), 0, 4);
    }
}

static void take(const struct calls *c, int fd, int flags, size_t room, size_t control_room, struct report *r)
{
    struct iovec iov = {r->data, room};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &r->name, .msg_namelen = sizeof(r->name)};

    memset(r, 0, sizeof(*r));
    m.msg_control = r->control;
    m.msg_controllen = control_room;
    r->n = c->recvmsg(fd, &m, flags | MSG_DONTWAIT);
    r->err = err_of(r->n);
    if (r->n < 0)
        return;
    r->flags = m.msg_flags & ~MSG_CMSG_CLOEXEC;
    r->name_len = m.msg_namelen;
    r->control_len = m.msg_controllen;
    if ((r->flags & MSG_CTRUNC) == 0)
        hide_own(&m);
}

static void same_reports(const struct report *a, const struct report *b, const char *what)
{
    if (memcmp(a, b, sizeof(*a)) == 0)
        return;
    print_error("%s: %zd %s flags %x name %u control %zu; of the kernel %zd %s flags %x name %u control %zu\n", what, a->n,
                strerrorname_np(a->err), (unsigned)a->flags, a->name_len, a->control_len, b->n, strerrorname_np(b->err), (unsigned)b->flags,
                b->name_len, b->control_len);
    assert_memory_equal(&a->name, &b->name, sizeof(a->name));
    assert_memory_equal(a->control, b->control, sizeof(a->control));
    assert_memory_equal(a, b, sizeof(*a));
}

static void set(const struct calls *c, int fd, int level, int name, int v)
{
    assert_int_equal(c->setsockopt(fd, level, name, &v, sizeof(v)), 0);
}

static int so_error(const struct calls *c, int fd)
{
    int v = 0;
    socklen_t len = sizeof(v);

    assert_int_equal(c->getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &len), 0);
    return v;
}

static int events(const struct calls *c, int fd)
{
    struct pollfd p = {fd, EVENTS, 0};

    assert_true(c->poll(&p, 1, 0) >= 0);
    return p.revents;
}

/* A socket that asks for reports, with the address of a port that nobody has. */
static int sender(const struct calls *c, int family, const char *to, bool connected, struct sockaddr_storage *ss, socklen_t *len)
{
    int fd = c->socket(family, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    set(c, fd, IPPROTO_IP, IP_RECVERR, 1);
    if (family == AF_INET6)
        set(c, fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    *len = address(ss, to, 9);
    if (connected)
        assert_int_equal(c->connect(fd, (struct linux_sockaddr *)ss, *len), 0);
    return fd;
}

static ssize_t put(const struct calls *c, int fd, const char *text, bool connected, struct sockaddr_storage *ss, socklen_t len)
{
    return c->sendto(fd, text, strlen(text), 0, connected ? NULL : (struct linux_sockaddr *)ss, connected ? 0 : len);
}

static const struct {
    int family;
    const char *to;
} paths[] = {{AF_INET, "127.0.0.1"}, {AF_INET6, "::1"}, {AF_INET6, "::ffff:127.0.0.1"}};

/*
 * A datagram to a closed port: what the queue says, with room for all and for less, connected and not; and what the socket's error, its
 * events and the next calls are meanwhile.
 */
static void a_closed_port_is_reported(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(paths) * 16; i++) {
        unsigned path = i / 16;
        bool connected = i & 1, ancillary = i & 2, small = i & 4, error_first = i & 8;
        struct report r[2][2];
        int ev[2][3], errs[2][3];
        char what[100];

        snprintf(what, sizeof(what), "AF_INET%s to %s%s%s%s%s", paths[path].family == AF_INET ? "" : "6", paths[path].to,
                 connected ? " connected" : "", ancillary ? " with ancillary data" : "", small ? " with little room" : "",
                 error_first ? ", the error first" : "");
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            struct sockaddr_storage ss;
            socklen_t len;
            int fd = sender(c, paths[path].family, paths[path].to, connected, &ss, &len);

            if (ancillary) {
                set(c, fd, IPPROTO_IP, IP_PKTINFO, 1);
                set(c, fd, IPPROTO_IP, IP_RECVTTL, 1);
                set(c, fd, IPPROTO_IP, IP_RECVTOS, 1);
            }
            if (ancillary && paths[path].family == AF_INET6) {
                set(c, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
                set(c, fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
                set(c, fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
            }
            assert_int_equal(put(c, fd, "a datagram to nobody", connected, &ss, len), 20);
            ev[k][0] = events(c, fd);
            errs[k][0] = error_first ? so_error(c, fd) : 0;
            take(c, fd, MSG_ERRQUEUE, small ? 7 : 64, small ? 40 : 256, &r[k][0]);
            ev[k][1] = events(c, fd);
            errs[k][1] = so_error(c, fd);
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r[k][1]); /* there is one */
            ev[k][2] = events(c, fd);
            errs[k][2] = err_of(put(c, fd, "x", connected, &ss, len));
            c->close(fd);
        }
        same_reports(&r[0][0], &r[1][0], what);
        same_reports(&r[0][1], &r[1][1], what);
        assert_memory_equal(ev[0], ev[1], sizeof(ev[0]));
        assert_memory_equal(errs[0], errs[1], sizeof(errs[0]));
    }
}

/* The error of the socket: once per message, by whatever call comes first; the queue stays until it is read. */
static void the_error_is_told_as_well(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(paths) * 2; i++) {
        bool connected = i & 1;
        unsigned path = i / 2;
        int errs[2][8];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            struct sockaddr_storage ss;
            socklen_t len;
            int fd = sender(c, paths[path].family, paths[path].to, connected, &ss, &len);
            struct report r;
            char b[8];

            put(c, fd, "one", connected, &ss, len);
            errs[k][0] = err_of(put(c, fd, "two", connected, &ss, len)); /* not sent: the error of the first */
            errs[k][1] = err_of(put(c, fd, "three", connected, &ss, len));
            errs[k][2] = err_of(c->recv(fd, b, sizeof(b), MSG_DONTWAIT));
            errs[k][3] = err_of(c->recv(fd, b, sizeof(b), MSG_DONTWAIT));
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r); /* of the first; the error is the second's now */
            errs[k][4] = (int)r.n;
            errs[k][5] = err_of(c->recv(fd, b, sizeof(b), MSG_DONTWAIT));
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r);
            errs[k][6] = (int)r.n;
            errs[k][7] = err_of(c->recv(fd, b, sizeof(b), MSG_DONTWAIT));
            c->close(fd);
        }
        assert_memory_equal(errs[0], errs[1], sizeof(errs[0]));
    }
}

/* What is asked for no more is thrown away. */
static void the_wish_can_end(void **state)
{
    (void)state;
    for (unsigned path = 0; path < ARRAY_LEN(paths); path++) {
        int got[2][3];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            struct sockaddr_storage ss;
            socklen_t len;
            int fd = sender(c, paths[path].family, paths[path].to, false, &ss, &len);
            struct report r;

            put(c, fd, "one", false, &ss, len);
            set(c, fd, IPPROTO_IP, IP_RECVERR, 0);
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r);
            got[k][0] = r.err;
            if (paths[path].family == AF_INET6)
                set(c, fd, IPPROTO_IPV6, IPV6_RECVERR, 0);
            (void)so_error(c, fd);
            put(c, fd, "two", false, &ss, len);
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r);
            got[k][1] = r.err;
            got[k][2] = so_error(c, fd); /* unconnected: nothing is told */
            c->close(fd);
        }
        assert_memory_equal(got[0], got[1], sizeof(got[0]));
    }
}

/* A datagram that is too large to be sent is reported by the socket itself. */
static void a_datagram_too_large_is_reported(void **state)
{
    static uint8_t big[65536];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(paths) * 2; i++) {
        bool connected = i & 1;
        unsigned path = i / 2;
        struct report r[2];
        int got[2], errs[2];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            struct sockaddr_storage ss;
            socklen_t len;
            int fd = sender(c, paths[path].family, paths[path].to, connected, &ss, &len);
            struct sock_extended_err *ee;

            set(c, fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
            if (paths[path].family == AF_INET6)
                set(c, fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
            got[k] = err_of(c->sendto(fd, big, 65530, 0, connected ? NULL : (struct linux_sockaddr *)&ss, connected ? 0 : len));
            take(c, fd, MSG_ERRQUEUE, 64, 256, &r[k]);
            ee = (struct sock_extended_err *)(void *)(r[k].control + CMSG_ALIGN(sizeof(struct cmsghdr)));
            if (r[k].n >= 0)
                assert_int_equal(ee->ee_info, !k ? 16384 : path == 1 ? 65536 : 65535); /* the MTU of each loopback */
            ee->ee_info = 0;
            errs[k] = so_error(c, fd);
            c->close(fd);
        }
        assert_int_equal(got[0], got[1]);
        assert_int_equal(errs[0], errs[1]);
        same_reports(&r[0], &r[1], paths[path].to);
    }
}

/* An echo socket, too: of the message that nobody answers with a route there is none of; only the options and the empty queue. */
static void the_queue_of_other_sockets_is_empty(void **state)
{
    static const struct {
        int family, type, proto;
    } t[] = {
        {AF_INET, SOCK_STREAM, 0}, {AF_INET6, SOCK_STREAM, 0}, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        struct report r[2];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = c->socket(t[i].family, t[i].type, t[i].proto);

            take(c, fd, MSG_ERRQUEUE, 64, 256, &r[k]);
            c->close(fd);
        }
        same_reports(&r[0], &r[1], "empty");
    }
}

/* udp_errors=4 */
static void the_queue_is_bounded(void **state)
{
    uint64_t lost = api.core[0]->stack->ctr.v[CTR_UDP_ERRORS_LOST];
    struct sockaddr_storage ss;
    socklen_t len;
    int fd = sender(&ours, AF_INET, "127.0.0.1", false, &ss, &len), n = 0;
    struct report r;

    (void)state;
    for (int i = 0; i < 10; i++) {
        put(&ours, fd, "again", false, &ss, len);
        (void)so_error(&ours, fd);
    }
    for (; n < 20; n++) {
        take(&ours, fd, MSG_ERRQUEUE, 64, 256, &r);
        if (r.n < 0)
            break;
    }
    assert_int_equal(n, 4);
    assert_int_equal(api.core[0]->stack->ctr.v[CTR_UDP_ERRORS_LOST], lost + 6);
    for (int i = 0; i < 3; i++) /* what is left goes with the socket */
        put(&ours, fd, "again", false, &ss, len);
    ff_close(fd);
}

/* Set for the socket, as RFC 3542 section 6 has it: where a datagram comes from unless it says so itself. */
static void sticky_pktinfo(void **state)
{
    static const char *const sources[] = {"::", "::1", "2001:db8::77", "::ffff:127.0.0.1"};
    static const socklen_t sizes[] = {0, 4, 19, 20, 24};
    struct in6_pktinfo p[2] = {{{{{0}}}, 0}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        int got[2];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = c->socket(AF_INET6, SOCK_DGRAM, 0);

            got[k] = err_of(c->setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, p, sizes[i]));
            c->close(fd);
        }
        assert_int_equal(got[0], got[1]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(sources); i++) {
        int fd = ff_socket(AF_INET6, SOCK_DGRAM, 0);
        struct sockaddr_storage ss;
        socklen_t len = address(&ss, "::1", 9);

        assert_int_equal(inet_pton(AF_INET6, sources[i], &p[0].ipi6_addr), 1);
        assert_int_equal(ff_setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, p, sizeof(p[0])), 0);
        assert_int_equal(err_of(ff_sendto(fd, "x", 1, 0, (struct linux_sockaddr *)&ss, len)), i < 2 ? 0 : EADDRNOTAVAIL);
        ff_close(fd);
    }
    p[0].ipi6_ifindex = 77;
    assert_errno(ff_setsockopt(ff_socket(AF_INET6, SOCK_DGRAM, 0), IPPROTO_IPV6, IPV6_PKTINFO, p, sizeof(p[0])), EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_port_is_reported),
        cmocka_unit_test(the_error_is_told_as_well),
        cmocka_unit_test(the_wish_can_end),
        cmocka_unit_test(a_datagram_too_large_is_reported),
        cmocka_unit_test(the_queue_of_other_sockets_is_empty),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(sticky_pktinfo),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
