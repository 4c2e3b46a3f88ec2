/*
 * Sockets of AF_INET6 and the options of both families beside the kernel's: the same calls on a socket of ours and on one of the
 * machine's must give the same results and errors.
 */
#include <linux/tcp.h>

#include "api_kernel.h"

#include "api/api.h"
#include "ip/nd_state.h"
#include "tcp/conn.h"

static int start(void **state)
{
    (void)state;
    api_start("");
    return 0;
}

/* ports -------------------------------------------------------------------------------------------------------- */

struct party {
    const char *addr;
    bool v6only;
    int reuse; /* 1: SO_REUSEADDR, 2: SO_REUSEPORT */
};

static int open_party(const struct calls *c, const struct party *p, int type)
{
    int fd = c->socket(strchr(p->addr, ':') ? AF_INET6 : AF_INET, type, 0), on = 1;

    assert_true(fd >= 0);
    if (p->v6only)
        assert_int_equal(c->setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    if (p->reuse & 1)
        assert_int_equal(c->setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    if (p->reuse & 2)
        assert_int_equal(c->setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    return fd;
}

static int bind_party(const struct calls *c, const struct party *p, int fd, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len = address(&ss, p->addr, port);

    return err_of(c->bind(fd, (struct linux_sockaddr *)&ss, len));
}

/* How the second of two sockets on a port fares: the errno of its bind, or 1000 plus that of its listen. -1: the port was taken. */
static int meet(const struct calls *c, const struct party *a, const struct party *b, int type, bool listening, uint16_t port)
{
    int fa = open_party(c, a, type), fb = open_party(c, b, type), r = -1;

    if (bind_party(c, a, fa, port) == 0 && (!listening || c->listen(fa, 1) == 0)) {
        r = bind_party(c, b, fb, port);
        if (r == 0 && listening)
            r = err_of(c->listen(fb, 1));
    }
    c->close(fa);
    c->close(fb);
    return r;
}

static const struct party parties[] = {
    {"0.0.0.0", false, 0}, {"127.0.0.1", false, 0},      {"::", false, 0}, {"::", true, 0},
    {"::1", false, 0},     {"::ffff:0.0.0.0", false, 0}, {"::1", true, 0}, {"::ffff:127.0.0.1", false, 0},
};

static void conflicts_are_linux_conflicts(int type, bool listening)
{
    uint16_t port = 21000;

    if (!kernel_has_inet6())
        skip();
    for (unsigned i = 0; i < ARRAY_LEN(parties) * 4; i++) {
        for (unsigned k = 0; k < ARRAY_LEN(parties) * 4; k++) {
            struct party a = parties[i / 4], b = parties[k / 4];
            int want, got;

            a.reuse = (int)(i & 3);
            b.reuse = (int)(k & 3);
            do {
                port = port < 29999 ? (uint16_t)(port + 1) : 21000;
                want = meet(&kernel, &a, &b, type, listening, port);
            } while (want < 0);
            got = meet(&ours, &a, &b, type, listening, port);
            if (got != want)
                fail_msg("%s%s reuse=%d, then %s%s reuse=%d: %s, of the kernel %s", a.addr, a.v6only ? " v6only" : "", a.reuse, b.addr,
                         b.v6only ? " v6only" : "", b.reuse, strerrorname_np(got), strerrorname_np(want));
        }
    }
}

static void udp_ports_conflict_as_linux(void **state)
{
    (void)state;
    conflicts_are_linux_conflicts(SOCK_DGRAM, false);
}

static void tcp_ports_conflict_as_linux(void **state)
{
    (void)state;
    conflicts_are_linux_conflicts(SOCK_STREAM, false);
}

static void listeners_conflict_as_linux(void **state)
{
    (void)state;
    conflicts_are_linux_conflicts(SOCK_STREAM, true);
}

/* addresses ---------------------------------------------------------------------------------------------------- */

/* Addresses of one family given to sockets of the other, short ones, and such that nobody may bind. */
static void addresses_are_refused_as_linux(void **state)
{
    static const struct {
        const char *addr;
        socklen_t len; /* 0: the right one */
    } t[] = {
        {"127.0.0.1", 0}, {"127.0.0.1", 28},  {"127.0.0.1", 15},       {"::1", 0},     {"::1", 16}, {"::1", 23}, {"::1", 24},
        {"192.0.2.1", 0}, {"2001:db8::1", 0}, {"::ffff:127.0.0.1", 0}, {"fe80::1", 0}, {"::", 1},   {"::", 2},
    };

    (void)state;
    if (!kernel_has_inet6())
        skip();
    for (int family = 0; family < 2; family++)
        for (int type = 0; type < 2; type++)
            for (unsigned i = 0; i < ARRAY_LEN(t) * 3; i++) {
                bool connecting = i % 3 == 1, v6only = i % 3 == 2;
                int got[2];

                for (int k = 0; k < 2; k++) {
                    const struct calls *c = k ? &kernel : &ours;
                    int fd = c->socket(family ? AF_INET6 : AF_INET, type ? SOCK_STREAM : SOCK_DGRAM, 0), on = 1;
                    struct sockaddr_storage ss;
                    socklen_t len = address(&ss, t[i / 3].addr, connecting ? 9 : 0);

                    if (v6only && family)
                        c->setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
                    len = t[i / 3].len ? t[i / 3].len : len;
                    if (connecting && type)
                        got[k] = 0; /* a stream would wait for strangers */
                    else if (connecting && strstr(t[i / 3].addr, "2"))
                        got[k] = 0; /* depends on the machine's routes */
                    else
                        got[k] = err_of((connecting ? c->connect : c->bind)(fd, (struct linux_sockaddr *)&ss, len));
                    c->close(fd);
                }
                if (got[0] != got[1] && !(strncmp(t[i / 3].addr, "127", 3) == 0 && connecting))
                    fail_msg("AF_INET%s type %d %s %s len %u%s: %s, of the kernel %s", family ? "6" : "", type,
                             connecting ? "connect" : "bind", t[i / 3].addr, t[i / 3].len, v6only ? " v6only" : "", strerrorname_np(got[0]),
                             strerrorname_np(got[1]));
            }
}

/* The name of an unbound, a bound and a connected datagram socket. */
static void names_are_of_the_socket_family(void **state)
{
    (void)state;
    if (!kernel_has_inet6())
        skip();
    for (unsigned i = 0; i < 4; i++) {
        static const char *const bind_to[] = {NULL, "::", "::1", "::ffff:127.0.0.1"};
        static const char *const peers[] = {"::1", "::ffff:127.0.0.1", "::1", "::ffff:127.0.0.1"};
        struct sockaddr_in6 name[2][2];

        memset(name, 0, sizeof(name));
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = c->socket(AF_INET6, SOCK_DGRAM, 0);
            struct sockaddr_storage ss;
            socklen_t len = sizeof(name[0][0]);

            if (bind_to[i] != NULL) {
                socklen_t n = address(&ss, bind_to[i], 0);

                assert_int_equal(c->bind(fd, (struct linux_sockaddr *)&ss, n), 0);
            }
            assert_int_equal(c->getsockname(fd, (struct linux_sockaddr *)&name[0][k], &len), 0);
            assert_int_equal(len, 28);
            len = address(&ss, peers[i], 9);
            assert_int_equal(c->connect(fd, (struct linux_sockaddr *)&ss, len), 0);
            len = sizeof(name[0][0]);
            assert_int_equal(c->getsockname(fd, (struct linux_sockaddr *)&name[1][k], &len), 0);
            assert_true(name[1][k].sin6_port != 0);
            name[0][k].sin6_port = name[1][k].sin6_port = 0; /* ephemeral */
            c->close(fd);
        }
        assert_memory_equal(&name[0][0], &name[0][1], 28);
        assert_memory_equal(&name[1][0], &name[1][1], 28);
    }
}

/* options ------------------------------------------------------------------------------------------------------ */

#define UDP 1
#define TCP 2

/* Each option is set to each value and read back. */
static const struct {
    int level, name, types;
    const char *text;
} options[] = {
    {IPPROTO_IP, IP_TTL, UDP | TCP, "IP_TTL"},
    {IPPROTO_IP, IP_TOS, UDP, "IP_TOS"}, /* the ECN bits of TCP are the stack's */
    {IPPROTO_IP, IP_PKTINFO, UDP, "IP_PKTINFO"},
    {IPPROTO_IP, IP_RECVTTL, UDP, "IP_RECVTTL"},
    {IPPROTO_IP, IP_RECVTOS, UDP, "IP_RECVTOS"},
    {IPPROTO_IP, IP_MTU_DISCOVER, UDP | TCP, "IP_MTU_DISCOVER"},
    {IPPROTO_IP, IP_MTU, UDP, "IP_MTU"},
    {IPPROTO_IP, IP_RECVERR, UDP | TCP, "IP_RECVERR"},
    {IPPROTO_IP, IP_MULTICAST_TTL, UDP, "IP_MULTICAST_TTL"},
    {IPPROTO_IP, IP_MULTICAST_LOOP, UDP, "IP_MULTICAST_LOOP"},
    {IPPROTO_IP, IP_MULTICAST_ALL, UDP, "IP_MULTICAST_ALL"},
    {IPPROTO_IPV6, IPV6_V6ONLY, UDP | TCP, "IPV6_V6ONLY"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, UDP | TCP, "IPV6_UNICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_TCLASS, UDP, "IPV6_TCLASS"},
    {IPPROTO_IPV6, IPV6_MULTICAST_HOPS, UDP, "IPV6_MULTICAST_HOPS"},
    {IPPROTO_IPV6, IPV6_MULTICAST_LOOP, UDP, "IPV6_MULTICAST_LOOP"},
    {IPPROTO_IPV6, IPV6_MULTICAST_ALL, UDP, "IPV6_MULTICAST_ALL"},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, UDP, "IPV6_RECVPKTINFO"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, UDP, "IPV6_RECVHOPLIMIT"},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, UDP, "IPV6_RECVTCLASS"},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, UDP, "IPV6_MTU_DISCOVER"},
    {IPPROTO_IPV6, IPV6_DONTFRAG, UDP, "IPV6_DONTFRAG"},
    {IPPROTO_IPV6, IPV6_RECVERR, UDP | TCP, "IPV6_RECVERR"},
    {IPPROTO_TCP, TCP_NODELAY, TCP, "TCP_NODELAY"},
    {IPPROTO_TCP, TCP_CORK, TCP, "TCP_CORK"},
    {IPPROTO_TCP, TCP_MAXSEG, TCP, "TCP_MAXSEG"},
    {IPPROTO_TCP, TCP_KEEPIDLE, TCP, "TCP_KEEPIDLE"},
    {IPPROTO_TCP, TCP_KEEPINTVL, TCP, "TCP_KEEPINTVL"},
    {IPPROTO_TCP, TCP_KEEPCNT, TCP, "TCP_KEEPCNT"},
    {IPPROTO_TCP, TCP_LINGER2, TCP, "TCP_LINGER2"},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, TCP, "TCP_USER_TIMEOUT"},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, TCP, "TCP_NOTSENT_LOWAT"},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, TCP, "TCP_FASTOPEN_CONNECT"},
    {SOL_SOCKET, SO_KEEPALIVE, TCP, "SO_KEEPALIVE"},
    {SOL_SOCKET, SO_OOBINLINE, TCP, "SO_OOBINLINE"},
    {SOL_SOCKET, SO_REUSEADDR, TCP | UDP, "SO_REUSEADDR"},
    {SOL_SOCKET, SO_REUSEPORT, TCP | UDP, "SO_REUSEPORT"},
    {SOL_SOCKET, SO_BROADCAST, UDP, "SO_BROADCAST"},
};

static void option_as_linux(int family, int type, unsigned i, int value, socklen_t len)
{
    int set[2], get[2], got[2];
    socklen_t got_len[2];

    for (int k = 0; k < 2; k++) {
        const struct calls *c = k ? &kernel : &ours;
        int fd = c->socket(family, type, 0);

        got[k] = 0;
        got_len[k] = len ? len : 4;
        set[k] = err_of(c->setsockopt(fd, options[i].level, options[i].name, &value, len));
        get[k] = err_of(c->getsockopt(fd, options[i].level, options[i].name, &got[k], &got_len[k]));
        c->close(fd);
    }
    if (set[0] != set[1] || get[0] != get[1] || got[0] != got[1] || (get[1] == 0 && got_len[0] != got_len[1]))
        fail_msg("AF_INET%s %s %s = %d (%u bytes): set %s get %s %d/%u, of the kernel set %s get %s %d/%u", family == AF_INET ? "" : "6",
                 type == SOCK_DGRAM ? "udp" : "tcp", options[i].text, value, len, strerrorname_np(set[0]), strerrorname_np(get[0]), got[0],
                 got_len[0], strerrorname_np(set[1]), strerrorname_np(get[1]), got[1], got_len[1]);
}

static void options_are_linux_options(void **state)
{
    static const int values[] = {0, 1, 2, 3, 4, 5, 6, 7, 64, 128, 252, 255, 256, -1, -2, 70000};

    (void)state;
    if (!kernel_has_inet6())
        skip();
    for (unsigned i = 0; i < ARRAY_LEN(options); i++)
        for (int n = 0; n < 4; n++) {
            int family = n & 1 ? AF_INET6 : AF_INET, type = n & 2 ? SOCK_STREAM : SOCK_DGRAM;

            if ((options[i].types & (type == SOCK_DGRAM ? UDP : TCP)) == 0)
                continue;
            for (unsigned v = 0; v < ARRAY_LEN(values); v++)
                option_as_linux(family, type, i, values[v], sizeof(int));
            if (options[i].name != IPV6_DONTFRAG || options[i].level != IPPROTO_IPV6) /* of a byte Linux makes 0 here; we refuse it */
                option_as_linux(family, type, i, 1, 1);
        }
}

/* IPV6_V6ONLY is decided before the port is. */
static void v6only_is_fixed_with_the_port(void **state)
{
    (void)state;
    for (int type = 0; type < 2; type++) {
        int fd = ff_socket(AF_INET6, type ? SOCK_STREAM : SOCK_DGRAM, 0), on = 1;
        struct sockaddr_storage ss;
        socklen_t len = address(&ss, "::", 0);

        assert_int_equal(ff_bind(fd, (struct linux_sockaddr *)&ss, len), 0);
        assert_errno(ff_setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), EINVAL);
        ff_close(fd);
    }
}

/* traffic ------------------------------------------------------------------------------------------------------ */

static int bound6(int type, const char *addr, uint16_t *port)
{
    int fd = ff_socket(AF_INET6, type, 0);
    struct sockaddr_storage ss;
    struct sockaddr_in6 name;
    socklen_t len = address(&ss, addr, 0);

    assert_true(fd >= 0);
    assert_int_equal(ff_bind(fd, (struct linux_sockaddr *)&ss, len), 0);
    len = sizeof(name);
    assert_int_equal(ff_getsockname(fd, (struct linux_sockaddr *)&name, &len), 0);
    *port = ntohs(name.sin6_port);
    return fd;
}

static void assert_peer(const struct sockaddr_in6 *got, const char *want)
{
    char text[INET6_ADDRSTRLEN];

    assert_int_equal(got->sin6_family, AF_INET6);
    assert_non_null(inet_ntop(AF_INET6, &got->sin6_addr, text, sizeof(text)));
    assert_string_equal(text, want);
}

static void one_listener_serves_both_families(void **state)
{
    static const struct {
        const char *to, *peer;
    } t[] = {{"::1", "::1"}, {"127.0.0.1", "::ffff:127.0.0.1"}, {"::ffff:127.0.0.1", "::ffff:127.0.0.1"}, {"10.9.0.1", "::ffff:10.9.0.1"}};
    uint16_t port;
    int l = bound6(SOCK_STREAM, "::", &port);

    (void)state;
    assert_int_equal(ff_listen(l, 4), 0);
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        struct sockaddr_storage ss;
        struct sockaddr_in6 peer, name;
        socklen_t len = address(&ss, t[i].to, port);
        int c = ff_socket(ss.ss_family, SOCK_STREAM, 0), a, v;
        char buf[8];

        assert_int_equal(ff_connect(c, (struct linux_sockaddr *)&ss, len), 0);
        len = sizeof(peer);
        a = ff_accept(l, (struct linux_sockaddr *)&peer, &len);
        assert_true(a >= 0);
        assert_int_equal(len, sizeof(peer));
        assert_peer(&peer, t[i].peer);
        assert_int_equal(ff_getsockname(a, (struct linux_sockaddr *)&name, &len), 0);
        assert_peer(&name, t[i].peer); /* to ourselves: the same address at both ends */
        len = sizeof(v);
        assert_int_equal(ff_getsockopt(a, SOL_SOCKET, SO_DOMAIN, &v, &len), 0);
        assert_int_equal(v, AF_INET6);
        assert_int_equal(ff_write(c, "hello", 5), 5);
        assert_int_equal(ff_read(a, buf, sizeof(buf)), 5);
        ff_close(c);
        ff_close(a);
    }
    ff_close(l);
}

/* A socket of IPv4 is before one of both families; IPV6_V6ONLY leaves IPv4 to others. */
static void the_family_s_own_listener_is_first(void **state)
{
    uint16_t port;
    int l6 = ff_socket(AF_INET6, SOCK_STREAM, 0), l4 = ff_socket(AF_INET, SOCK_STREAM, 0), c = ff_socket(AF_INET, SOCK_STREAM, 0), a,
        on = 1;
    struct sockaddr_storage ss;
    struct sockaddr_in6 name;
    socklen_t len = address(&ss, "::", 0);

    (void)state;
    assert_int_equal(ff_setsockopt(l6, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    assert_int_equal(ff_bind(l6, (struct linux_sockaddr *)&ss, len), 0);
    len = sizeof(name);
    assert_int_equal(ff_getsockname(l6, (struct linux_sockaddr *)&name, &len), 0);
    port = ntohs(name.sin6_port);
    assert_int_equal(ff_listen(l6, 1), 0);
    assert_errno(api_connect(c, 0x7f000001, port), ECONNREFUSED);
    assert_int_equal(api_bind(l4, 0, port), 0);
    assert_int_equal(ff_listen(l4, 1), 0);
    assert_int_equal(api_connect(c, 0x7f000001, port), 0);
    a = ff_accept(l4, NULL, NULL);
    assert_true(a >= 0);
    ff_close(a);
    ff_close(c);
    ff_close(l4);
    ff_close(l6);
}

static void a_datagram_socket_of_both_families(void **state)
{
    static const struct {
        const char *to, *from;
    } t[] = {{"::1", "::1"}, {"::ffff:127.0.0.1", "::ffff:127.0.0.1"}, {"127.0.0.1", "::ffff:127.0.0.1"}, {"::", "::1"}};
    uint16_t port, cport;
    int u = bound6(SOCK_DGRAM, "::", &port);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        int c = bound6(SOCK_DGRAM, "::", &cport);
        struct sockaddr_storage ss;
        struct sockaddr_in6 from;
        socklen_t len = address(&ss, t[i].to, port);
        char buf[8];

        assert_int_equal(ff_sendto(c, "ping", 4, 0, (struct linux_sockaddr *)&ss, len), 4);
        len = sizeof(from);
        assert_int_equal(ff_recvfrom(u, buf, sizeof(buf), 0, (struct linux_sockaddr *)&from, &len), 4);
        assert_int_equal(len, sizeof(from));
        assert_peer(&from, t[i].from);
        assert_int_equal(ntohs(from.sin6_port), cport);
        /* what came from there goes back there */
        assert_int_equal(ff_sendto(u, "pong", 4, 0, (struct linux_sockaddr *)&from, len), 4);
        assert_int_equal(ff_recv(c, buf, sizeof(buf), 0), 4);
        assert_memory_equal(buf, "pong", 4);
        ff_close(c);
    }
    ff_close(u);
}

/* A port that nobody has, over both families. */
static void a_connected_socket_learns_of_a_closed_port(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        uint16_t port;
        int gone = bound6(SOCK_DGRAM, "::", &port), c = ff_socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_storage ss;
        socklen_t len = address(&ss, v6 ? "::1" : "127.0.0.1", port);
        char buf[4];

        ff_close(gone);
        assert_int_equal(ff_connect(c, (struct linux_sockaddr *)&ss, len), 0);
        assert_int_equal(ff_send(c, "x", 1, 0), 1);
        assert_errno(ff_recv(c, buf, sizeof(buf), 0), ECONNREFUSED);
        ff_close(c);
    }
}

/* A configuration of IPv4 alone: the interface says nothing of IPv6 to its link. */
static void nothing_of_ipv6_is_sent_unasked(void **state)
{
    const struct netif *nif = api.core[0]->stack->netif[0];

    (void)state;
    assert_int_equal(api.core[0]->stack->conf.ipv6, IPV6_ASKED);
    assert_false(nif->ip6);
    assert_int_equal(nif->n_addrs6, 0);
    assert_int_equal(api.core[0]->stack->nd->nif[0].n_dad, 0);
    assert_int_equal(api.core[0]->stack->ctr.v[CTR_ND_TX] + api.core[0]->stack->ctr.v[CTR_MLD_TX], 0);
}

/* RFC 4861 section 6.3.4: a router may say that the link carries less; IPv4 does not listen to it. */
static void the_announced_mss_fits_the_link(void **state)
{
    struct netif *nif = api.core[0]->stack->netif[0];
    const struct ip_path six = {.nif = nif, .src = INADDR_LOOPBACK_V6}, four = {.nif = nif, .src = inaddr_v4(API_ADDR)};
    const struct tcp_user_opts none = {0};

    (void)state;
    nif->mtu6 = 1400;
    assert_int_equal(tcp_mss_to_announce(api.core[0]->stack, &six, &none), 1400 - 60);
    assert_int_equal(tcp_mss_to_announce(api.core[0]->stack, &four, &none), nif->mtu - 40);
    nif->mtu6 = 0;
    assert_int_equal(tcp_mss_to_announce(api.core[0]->stack, &six, &none), nif->mtu - 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_ipv6_is_sent_unasked),
        cmocka_unit_test(the_announced_mss_fits_the_link),
        cmocka_unit_test(udp_ports_conflict_as_linux),
        cmocka_unit_test(tcp_ports_conflict_as_linux),
        cmocka_unit_test(listeners_conflict_as_linux),
        cmocka_unit_test(addresses_are_refused_as_linux),
        cmocka_unit_test(names_are_of_the_socket_family),
        cmocka_unit_test(options_are_linux_options),
        cmocka_unit_test(v6only_is_fixed_with_the_port),
        cmocka_unit_test(one_listener_serves_both_families),
        cmocka_unit_test(the_family_s_own_listener_is_first),
        cmocka_unit_test(a_datagram_socket_of_both_families),
        cmocka_unit_test(a_connected_socket_learns_of_a_closed_port),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
