/* Sockets of ICMP and ICMPv6 beside the kernel's: the same calls, over the loopback of each. */
#include "api_kernel.h"

#include "wire/cksum.h"

#define SO_MAX 4
#define ICMP_FILTER_OPT 1
#define ICMP6_FILTER_OPT 1

/* All of them are printed, then the test fails. */
static unsigned differences;
#define differ(...) (print_error(__VA_ARGS__), print_error("\n"), differences++)

static int start(void **state)
{
    (void)state;
    if (!kernel_own_net())
        return 1;
    api_start("");
    return 0;
}

static int icmp_socket(const struct calls *c, bool v6, bool raw)
{
    struct timeval tv = {.tv_usec = 200000};
    int fd = c->socket(v6 ? AF_INET6 : AF_INET, raw ? SOCK_RAW : SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

    assert_true(fd >= 0);
    assert_int_equal(c->setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    return fd;
}

static void creation(void **state)
{
    static const int domains[] = {AF_INET, AF_INET6}, types[] = {SOCK_DGRAM, SOCK_RAW};
    static const int protos[] = {0, IPPROTO_ICMP, IPPROTO_ICMPV6};

    (void)state;
    differences = 0;
    for (unsigned i = 0; i < 12; i++) {
        int domain = domains[i & 1], type = types[i >> 1 & 1], proto = protos[i >> 2], got[2];

        if (type == SOCK_RAW && proto == (domain == AF_INET ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
            continue; /* the protocol of the other family: nobody needs it, and we do not have it */
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = c->socket(domain, type, proto);

            got[k] = err_of(fd);
            if (fd >= 0)
                c->close(fd);
        }
        if (got[0] != got[1])
            differ("socket(%d, %d, %d): %s, of the kernel %s", domain, type, proto, strerrorname_np(got[0]), strerrorname_np(got[1]));
    }
    assert_int_equal(differences, 0);
}

/* The name of a socket; its port, of an echo socket an identifier, is 0 or not. */
static void name_of(const struct calls *c, int fd, bool raw, struct sockaddr_storage *ss)
{
    socklen_t len = sizeof(*ss);
    struct sockaddr_in *in = (void *)ss;

    memset(ss, 0, sizeof(*ss));
    assert_int_equal(c->getsockname(fd, (struct linux_sockaddr *)ss, &len), 0);
    if (!raw && in->sin_port) /* the same place in both families */
        in->sin_port = 1;
}

static void binding(void **state)
{
    static const char *const addrs[] = {"127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1",   "192.0.2.1",
                                        "::1",       "::",      "ff02::1",         "2001:db8::7", "::ffff:127.0.0.1"};

    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ARRAY_LEN(addrs) * 8; i++) {
        bool v6 = i & 1, raw = i >> 1 & 1, port = i >> 2 & 1;
        struct sockaddr_storage ss, name[2];
        socklen_t len = address(&ss, addrs[i >> 3], port ? 777 : 0);
        int got[2], again[2];

        if (raw && !v6 && strchr(addrs[i >> 3], ':'))
            continue; /* the kernel does not look at the family then, and binds to 0.0.0.0 */
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, raw);

            got[k] = err_of(c->bind(fd, (struct linux_sockaddr *)&ss, len));
            name_of(c, fd, raw, &name[k]);
            again[k] = err_of(c->bind(fd, (struct linux_sockaddr *)&ss, len));
            c->close(fd);
        }
        if (got[0] != got[1] || again[0] != again[1] || memcmp(&name[0], &name[1], sizeof(name[0])) != 0)
            differ("%s%s bind to %s: %s then %s port %u, of the kernel %s then %s port %u", raw ? "raw" : "echo", v6 ? "6" : "",
                   addrs[i >> 3], strerrorname_np(got[0]), strerrorname_np(again[0]), ntohs(((struct sockaddr_in *)&name[0])->sin_port),
                   strerrorname_np(got[1]), strerrorname_np(again[1]), ntohs(((struct sockaddr_in *)&name[1])->sin_port));
    }
    assert_int_equal(differences, 0);
}

/* Two sockets with one identifier. */
static void identifiers_in_use(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++) {
        bool v6 = n & 1, other = n & 2;
        int reuse = n >> 2, got[2];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int a = icmp_socket(c, v6, false), b = icmp_socket(c, v6, false);
            struct sockaddr_storage ss;
            socklen_t len = address(&ss, v6 ? "::1" : "127.0.0.1", 4321);

            c->setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
            c->setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
            assert_int_equal(c->bind(a, (struct linux_sockaddr *)&ss, len), 0);
            len = address(&ss, v6 ? "::1" : "127.0.0.1", other ? 4322 : 4321);
            got[k] = err_of(c->bind(b, (struct linux_sockaddr *)&ss, len));
            c->close(a);
            c->close(b);
        }
        assert_int_equal(got[0], got[1]);
    }
}

/* A message of n bytes; with the right checksum, as a raw socket of IPv4 must give it. */
static void message(uint8_t *p, bool v6, uint8_t code, uint16_t id, size_t n)
{
    const uint8_t head[8] = {v6 ? 128 : 8, code, 0, 0, (uint8_t)(id >> 8), (uint8_t)id, 0, 9};
    uint16_t sum;

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 3);
    memcpy(p, head, MIN(n, sizeof(head)));
    if (n >= 8 && !v6) {
        sum = cksum_finish(cksum_add(0, p, (uint32_t)n));
        memcpy(p + 2, &sum, 2);
    }
}

/* How sends fare, by length, type, port of the destination, with and without a destination. */
static void sending_what_is_no_message(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 4, 7, 8, 9, 65507, 65515, 65516, 65535, 65536};
    static uint8_t m[70000];

    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ARRAY_LEN(sizes) * 64; i++) {
        bool v6 = i & 1, raw = i & 2, connected = i & 4, to = i & 8, other_type = i & 16;
        size_t n = sizes[i >> 6];
        uint16_t port = i & 32 ? 9 : 0;
        int got[2];

        if (n > 60000 && (other_type || port || n > 65535 - (v6 ? 0u : 20u)) && raw)
            continue; /* of messages that are sent sizes matter little, and the loopbacks differ in their MTU */
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, raw);
            struct sockaddr_storage ss;
            socklen_t len = address(&ss, v6 ? "::1" : "127.0.0.1", port);

            message(m, v6, 0, 5, MIN(n, sizeof(m)));
            if (other_type)
                m[0] = v6 ? 129 : 0;
            if (connected)
                assert_int_equal(c->connect(fd, (struct linux_sockaddr *)&ss, len), 0);
            got[k] = err_of(c->sendto(fd, m, n, 0, to ? (struct linux_sockaddr *)&ss : NULL, to ? len : 0));
            c->close(fd);
        }
        if (got[0] != got[1])
            differ("%s%s send of %zu bytes%s%s%s port %u: %s, of the kernel %s", raw ? "raw" : "echo", v6 ? "6" : "", n,
                   connected ? " connected" : "", to ? " to an address" : "", other_type ? " of another type" : "", port,
                   strerrorname_np(got[0]), strerrorname_np(got[1]));
    }
    assert_int_equal(differences, 0);
}

/* Destinations that no socket of this kind may have. */
static void sending_to_strange_addresses(void **state)
{
    static const char *const addrs[] = {"255.255.255.255", "::ffff:127.0.0.1", "127.0.0.1", "::1", "0.0.0.0", "::"};
    uint8_t m[8];

    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ARRAY_LEN(addrs) * 8; i++) {
        bool v6 = i & 1, raw = i & 2, connecting = i & 4;
        struct sockaddr_storage ss;
        socklen_t len = address(&ss, addrs[i >> 3], 0);
        int got[2];

        if (!v6 && strcmp(addrs[i >> 3], "255.255.255.255") == 0)
            continue; /* there is no interface to send it by: the kernel's loopback alone */
        if (v6 && (strstr(addrs[i >> 3], "ffff") || strcmp(addrs[i >> 3], "::") == 0))
            continue; /* an address of IPv4 in another form, which we refuse as such; none, which is this host's as for UDP */
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, raw);

            message(m, v6, 0, 5, sizeof(m));
            got[k] = err_of(connecting ? c->connect(fd, (struct linux_sockaddr *)&ss, len)
                                       : (int)c->sendto(fd, m, sizeof(m), 0, (struct linux_sockaddr *)&ss, len));
            c->close(fd);
        }
        if (got[0] != got[1])
            differ("%s%s %s %s: %s, of the kernel %s", raw ? "raw" : "echo", v6 ? "6" : "", connecting ? "connect" : "send to",
                   addrs[i >> 3], strerrorname_np(got[0]), strerrorname_np(got[1]));
    }
    assert_int_equal(differences, 0);
}

/* What a socket gets: bytes and the sender's address. The identification of IPv4, checksums and identifiers are each side's own. */
struct got {
    ssize_t n;
    int err;
    uint8_t b[256];
    struct sockaddr_storage from;
    socklen_t len;
};

static void get(const struct calls *c, int fd, struct got *g)
{
    struct iovec iov = {g->b, sizeof(g->b)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &g->from, .msg_namelen = sizeof(g->from)};

    memset(g, 0, sizeof(*g));
    g->n = c->recvmsg(fd, &m, 0);
    g->err = err_of(g->n);
    g->len = g->n >= 0 ? m.msg_namelen : 0;
}

/* An echo request to ourselves: the socket gets the reply, with its identifier, whatever the request had. */
static void echo(void **state)
{
    (void)state;
    for (int n = 0; n < 8; n++) {
        bool v6 = n & 1, connected = n & 2, bound = n & 4;
        struct got g[2];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, false);
            struct sockaddr_storage ss;
            struct sockaddr_in *in = (void *)&ss;
            socklen_t len = address(&ss, v6 ? "::1" : "127.0.0.1", 0);
            uint8_t m[40];

            message(m, v6, 0, 77, sizeof(m));
            if (bound)
                assert_int_equal(c->bind(fd, (struct linux_sockaddr *)&ss, len), 0);
            if (connected)
                assert_int_equal(c->connect(fd, (struct linux_sockaddr *)&ss, len), 0);
            assert_int_equal(c->sendto(fd, m, sizeof(m), 0, connected ? NULL : (struct linux_sockaddr *)&ss, connected ? 0 : len),
                             sizeof(m));
            get(c, fd, &g[k]);
            assert_int_equal(g[k].n, sizeof(m));
            len = sizeof(ss);
            assert_int_equal(c->getsockname(fd, (struct linux_sockaddr *)&ss, &len), 0);
            assert_memory_equal(&g[k].b[4], &in->sin_port, 2);
            memset(&g[k].b[2], 0, 4); /* checksum, identifier */
            c->close(fd);
        }
        assert_memory_equal(&g[0], &g[1], sizeof(g[0]));
    }
}

/* What a raw socket gets of an echo request to ourselves that another one sends: the request, and the reply. */
static void raw_sockets_see_everything(void **state)
{
    (void)state;
    for (int n = 0; n < 16; n++) {
        bool v6 = n & 1, filtered = n & 2, connected = n & 4, elsewhere = n & 8;
        struct got g[2][3];

        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, true), sender = icmp_socket(c, v6, true);
            uint32_t filter4 = 1u << 8, filter6[8] = {[4] = 1}; /* echo requests */
            struct sockaddr_storage ss;
            socklen_t len = address(&ss, v6 ? "::1" : "127.0.0.1", 0);
            uint8_t m[33];

            message(m, v6, 0, 77, sizeof(m));
            if (filtered && !v6)
                assert_int_equal(c->setsockopt(fd, SOL_RAW, ICMP_FILTER_OPT, &filter4, sizeof(filter4)), 0);
            if (filtered && v6)
                assert_int_equal(c->setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER_OPT, filter6, sizeof(filter6)), 0);
            if (elsewhere && !v6) {
                struct sockaddr_storage other;
                socklen_t n4 = address(&other, "127.0.0.2", 0);

                assert_int_equal(c->bind(fd, (struct linux_sockaddr *)&other, n4), 0);
            }
            if (connected)
                assert_int_equal(c->connect(fd, (struct linux_sockaddr *)&ss, len), 0);
            assert_int_equal(c->sendto(sender, m, sizeof(m), 0, (struct linux_sockaddr *)&ss, len), sizeof(m));
            for (int i = 0; i < 3; i++) {
                get(c, fd, &g[k][i]);
                if (v6) {
                    memset(&g[k][i].b[2], 0, 2);
                } else {
                    memset(&g[k][i].b[4], 0, 2); /* identification */
                    g[k][i].b[6] &= 0xbf;        /* DF: the kernel's replies have it not */
                    memset(&g[k][i].b[10], 0, 2);
                }
            }
            c->close(fd);
            c->close(sender);
        }
        for (int i = 0; i < 3; i++) {
            assert_int_equal(g[0][i].n, g[1][i].n);
            assert_memory_equal(&g[0][i], &g[1][i], sizeof(g[0][i]));
        }
    }
}

/* Options that matter to sockets of ICMP, set and read back. */
static void options_are_linux_options(void **state)
{
    static const struct {
        int level, name;
        const char *text;
    } t[] = {
        {SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST"},
        {SOL_SOCKET, SO_TYPE, "SO_TYPE"},
        {SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL"},
        {SOL_SOCKET, SO_DOMAIN, "SO_DOMAIN"},
        {IPPROTO_IP, IP_TTL, "IP_TTL"},
        {IPPROTO_IP, IP_TOS, "IP_TOS"},
        {IPPROTO_IP, IP_RECVERR, "IP_RECVERR"},
        {IPPROTO_IP, IP_RECVTTL, "IP_RECVTTL"},
        {IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER"},
        {IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS"},
        {IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR"},
        {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT"},
        {IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"},
        {SOL_RAW, ICMP_FILTER_OPT, "ICMP_FILTER"},
        {IPPROTO_ICMPV6, ICMP6_FILTER_OPT, "ICMP6_FILTER"},
    };
    static const int values[] = {0, 1, 3, 64, 255, -1};

    (void)state;
    differences = 0;
    for (unsigned i = 0; i < ARRAY_LEN(t) * ARRAY_LEN(values) * 4; i++) {
        bool v6 = i & 1, raw = i & 2;
        unsigned which = i / 4 % ARRAY_LEN(t);
        int v = values[i / 4 / ARRAY_LEN(t)], set[2], get[2], got[2][8];
        socklen_t len[2];

        memset(got, 0, sizeof(got));
        for (int k = 0; k < 2; k++) {
            const struct calls *c = k ? &kernel : &ours;
            int fd = icmp_socket(c, v6, raw);

            len[k] = sizeof(got[0]);
            set[k] = err_of(c->setsockopt(fd, t[which].level, t[which].name, &v, sizeof(v)));
            get[k] = err_of(c->getsockopt(fd, t[which].level, t[which].name, got[k], &len[k]));
            c->close(fd);
        }
        if (set[0] != set[1] || get[0] != get[1] || (get[1] == 0 && (len[0] != len[1] || memcmp(got[0], got[1], sizeof(got[0])) != 0)))
            differ("%s%s %s = %d: set %s get %s %d/%u, of the kernel set %s get %s %d/%u", raw ? "raw" : "echo", v6 ? "6" : "",
                   t[which].text, v, strerrorname_np(set[0]), strerrorname_np(get[0]), got[0][0], len[0], strerrorname_np(set[1]),
                   strerrorname_np(get[1]), got[1][0], len[1]);
    }
    assert_int_equal(differences, 0);
}

/* Each socket has its replies; a queue that nobody reads is bounded; nothing is left behind. */
static void many_sockets(void **state)
{
    int fd[20];
    uint8_t m[20];
    struct got g;
    struct sockaddr_storage ss;
    socklen_t len = address(&ss, "10.9.0.1", 0);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
        fd[i] = icmp_socket(&ours, false, false);
    for (unsigned i = 0; i < ARRAY_LEN(fd); i++) {
        message(m, false, 0, 0, sizeof(m));
        m[7] = (uint8_t)i;
        assert_int_equal(ours.sendto(fd[i], m, sizeof(m), 0, (struct linux_sockaddr *)&ss, len), sizeof(m));
    }
    for (unsigned i = 0; i < ARRAY_LEN(fd); i++) {
        get(&ours, fd[i], &g);
        assert_int_equal(g.n, sizeof(m));
        assert_int_equal(g.b[7], i);
        assert_errno(ff_recv(fd[i], m, sizeof(m), MSG_DONTWAIT), EAGAIN);
    }
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(ours.sendto(fd[0], m, sizeof(m), 0, (struct linux_sockaddr *)&ss, len), sizeof(m));
    for (unsigned i = 0; i < ARRAY_LEN(fd); i++)
        ff_close(fd[i]);
}

/* Calls that are for buffers of UDP. */
static void not_by_reference(void **state)
{
    int fd = icmp_socket(&ours, false, false);
    struct z_buf *b = z_alloc(8);
    struct sockaddr_storage ss;
    socklen_t len = address(&ss, "127.0.0.1", 0);

    (void)state;
    assert_non_null(b);
    assert_errno(z_sendto(fd, b, 8, 0, (struct linux_sockaddr *)&ss, len), EOPNOTSUPP);
    z_free(b);
    assert_errno(z_recvfrom(fd, &b, 8, MSG_DONTWAIT, NULL, NULL), EOPNOTSUPP);
    ff_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation),
        cmocka_unit_test(binding),
        cmocka_unit_test(identifiers_in_use),
        cmocka_unit_test(sending_what_is_no_message),
        cmocka_unit_test(sending_to_strange_addresses),
        cmocka_unit_test(echo),
        cmocka_unit_test(raw_sockets_see_everything),
        cmocka_unit_test(options_are_linux_options),
        cmocka_unit_test(many_sockets),
        cmocka_unit_test(not_by_reference),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
