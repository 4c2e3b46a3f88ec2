/* Datagrams through the public calls, to ourselves: by reference, with ancillary data, to groups. */
#include <arpa/inet.h>
#include <pthread.h>

#include "api_fixture.h"

#include "api/api.h"

static int start(void **state)
{
    (void)state;
    api_start("loan_quota=16K\nipv6=1\n");
    return 0;
}

static uint64_t copied(void)
{
    const uint64_t *v = api.core[0]->stack->ctr.v;

    return v[CTR_COPY_API] + v[CTR_COPY_LOAN] + v[CTR_COPY_STACK] + v[CTR_COPY_WRITABLE] + v[CTR_COPY_PORT];
}

/* A socket of either family on the loopback address, its address in *sa. */
static int on_loopback(int family, struct sockaddr_storage *sa, socklen_t *len)
{
    int fd = ff_socket(family, SOCK_DGRAM, 0);
    struct sockaddr_in6 *in6 = (void *)sa;
    struct sockaddr_in *in = (void *)sa;

    memset(sa, 0, sizeof(*sa));
    *len = family == AF_INET ? sizeof(*in) : sizeof(*in6);
    sa->ss_family = (sa_family_t)family;
    if (family == AF_INET)
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        in6->sin6_addr = in6addr_loopback;
    assert_int_equal(ff_bind(fd, (struct linux_sockaddr *)sa, *len), 0);
    assert_int_equal(ff_getsockname(fd, (struct linux_sockaddr *)sa, len), 0);
    return fd;
}

static struct z_buf *filled(size_t n)
{
    struct z_buf *b = z_alloc(n);

    assert_non_null(b);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)z_data(b))[i] = (uint8_t)(i * 7);
    return b;
}

static void nothing_is_held(void)
{
    for (int i = 0; i < 8; i++)
        z_poll();
    assert_int_equal(pkt_pools_in_use(&api.core[0]->stack->pools), 0);
    assert_int_equal(api.core[0]->stack->udp.loan_bytes, 0);
    assert_int_equal(api.core[0]->stack->ctr.v[CTR_LOANS], 0);
}

/* by reference ------------------------------------------------------------------------------------------------- */

static void an_echo_copies_nothing(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct sockaddr_storage sa, ca, from;
        socklen_t slen, clen, flen = sizeof(from);
        int s = on_loopback(v6 ? AF_INET6 : AF_INET, &sa, &slen), c = on_loopback(v6 ? AF_INET6 : AF_INET, &ca, &clen);
        uint64_t before = copied();
        struct z_buf *b;

        assert_int_equal(z_sendto(c, filled(1000), 1000, 0, (void *)&sa, slen), 1000);
        assert_int_equal(z_recvfrom(s, &b, 2000, 0, (void *)&from, &flen), 1000);
        assert_int_equal(flen, clen);
        assert_memory_equal(&from, &ca, clen);
        assert_true(api.core[0]->stack->udp.loan_bytes > 0);
        assert_int_equal(z_sendto(s, b, 1000, 0, (void *)&from, flen), 1000); /* as it is: the loan ends */
        assert_int_equal(api.core[0]->stack->udp.loan_bytes, 0);
        assert_int_equal(z_recvfrom(c, &b, 2000, 0, NULL, NULL), 1000);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(((uint8_t *)z_data(b))[i], (uint8_t)(i * 7));
        z_free(b);
        assert_int_equal(copied(), before);
        ff_close(s);
        ff_close(c);
        nothing_is_held();
    }
}

static void on_an_error_the_buffer_stays(void **state)
{
    int u = ff_socket(AF_INET, SOCK_DGRAM, 0), t = ff_socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    struct sockaddr_in sa = api_in(0x7f000001, 9), no_port = api_in(0x7f000001, 0);
    struct z_buf *b = filled(10), *got = b;

    (void)state;
    assert_errno(z_sendto(u, b, 10, 0, NULL, 0), EDESTADDRREQ);
    assert_errno(z_sendto(u, b, 9, 0, (void *)&sa, sizeof(sa)), EINVAL);
    assert_errno(z_sendto(u, b, 10, 0, (void *)&no_port, sizeof(sa)), EINVAL);
    assert_errno(z_sendto(u, b, 10, 0, (void *)&sa, 3), EINVAL);
    assert_errno(z_sendto(u, b, 10, 0, (void *)&sa6, sizeof(sa6)), EAFNOSUPPORT);
    assert_errno(z_sendto(u, NULL, 10, 0, (void *)&sa, sizeof(sa)), EFAULT);
    assert_errno(z_sendto(t, b, 10, 0, (void *)&sa, sizeof(sa)), EOPNOTSUPP);
    assert_errno(z_sendto(9999, b, 10, 0, (void *)&sa, sizeof(sa)), EBADF);
    assert_errno(z_recvfrom(u, NULL, 10, 0, NULL, NULL), EFAULT);
    assert_errno(z_recvfrom(u, &got, 0, 0, NULL, NULL), EINVAL);
    assert_errno(z_recvfrom(u, &got, 10, MSG_DONTWAIT, NULL, NULL), EAGAIN);
    assert_null(got);
    assert_errno(z_recvfrom(u, &got, 10, MSG_PEEK, NULL, NULL), EOPNOTSUPP);
    assert_errno(z_recvfrom(t, &got, 10, 0, NULL, NULL), EOPNOTSUPP);
    assert_int_equal(z_len(b), 10);
    z_free(b);
    ff_close(u);
    ff_close(t);
    nothing_is_held();
}

static unsigned released, release_flags;

static void release(void *arg, unsigned flags)
{
    (void)arg;
    released++;
    release_flags = flags;
}

/* One buffer in several datagrams, memory of the application's own, a chain of both with an empty piece. */
static void shared_and_wrapped_buffers_are_sent(void **state)
{
    static char memory[500];
    struct sockaddr_storage sa;
    socklen_t len;
    int s = on_loopback(AF_INET, &sa, &len), c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    uint64_t before = copied();
    struct z_buf *b = filled(100), *w, *e, *got;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(z_sendto(c, z_ref(b), 100, 0, (void *)&sa, len), 100);
    z_free(b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(z_recvfrom(s, &got, 1000, 0, NULL, NULL), 100);
        assert_int_equal(((uint8_t *)z_data(got))[99], (uint8_t)(99 * 7));
        z_free(got);
    }
    memset(memory, 'm', sizeof(memory));
    w = z_wrap(memory, sizeof(memory), release, NULL);
    b = filled(100);
    e = filled(1);
    assert_int_equal(z_trim(e, 1), 0);
    z_buf_mbuf(b)->next = z_buf_mbuf(e);
    z_buf_mbuf(e)->next = z_buf_mbuf(w);
    assert_int_equal(z_sendto(c, b, 600, 0, (void *)&sa, len), 600);
    assert_int_equal(z_recvfrom(s, &got, 1000, 0, NULL, NULL), 600);
    assert_int_equal(z_chain_len(got), 600);
    assert_int_equal(released, 0);
    z_free(got);
    for (int i = 0; i < 4; i++)
        z_poll();
    assert_int_equal(released, 1);
    assert_int_equal(release_flags, 0);
    assert_int_equal(copied(), before);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

static void the_longest_datagram(void **state)
{
    struct sockaddr_storage sa;
    socklen_t len;
    static char out[65508], in[65508];
    int s = on_loopback(AF_INET, &sa, &len), c = ff_socket(AF_INET, SOCK_DGRAM, 0), v = IP_PMTUDISC_DO;
    struct z_buf *b;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 31 + (i >> 9));
    assert_errno(ff_sendto(c, out, 65508, 0, (void *)&sa, len), EMSGSIZE);
    assert_int_equal(ff_sendto(c, out, 65507, 0, (void *)&sa, len), 65507);
    assert_int_equal(ff_recv(s, in, sizeof(in), 0), 65507);
    assert_memory_equal(in, out, 65507);
    assert_int_equal(ff_sendto(c, out, 65507, 0, (void *)&sa, len), 65507);
    assert_int_equal(z_recvfrom(s, &b, 65507, 0, NULL, NULL), 65507);
    for (struct z_buf *p = b; p != NULL; p = z_next(p)) {
        assert_memory_equal(z_data(p), out + at, z_len(p));
        at += z_len(p);
    }
    assert_int_equal(at, 65507);
    z_free(b);
    assert_int_equal(ff_setsockopt(c, IPPROTO_IP, IP_MTU_DISCOVER, &v, sizeof(v)), 0);
    assert_errno(ff_sendto(c, out, 65507, 0, (void *)&sa, len), EMSGSIZE);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

/* What is too long is cut, an empty datagram is one, the end is none. */
static void short_and_empty(void **state)
{
    struct sockaddr_storage sa, from;
    socklen_t len, flen = sizeof(from);
    int s = on_loopback(AF_INET, &sa, &len), c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    struct z_buf *b = filled(1), *got;

    (void)state;
    assert_int_equal(z_sendto(c, filled(100), 100, 0, (void *)&sa, len), 100);
    assert_int_equal(z_sendto(c, filled(100), 100, 0, (void *)&sa, len), 100);
    assert_int_equal(z_trim(b, 1), 0);
    assert_int_equal(z_sendto(c, b, 0, 0, (void *)&sa, len), 0);
    assert_int_equal(z_recvfrom(s, &got, 40, 0, NULL, NULL), 40);
    assert_int_equal(z_chain_len(got), 40);
    z_free(got);
    assert_int_equal(z_recvfrom(s, &got, 40, MSG_TRUNC, NULL, NULL), 100);
    assert_int_equal(z_chain_len(got), 40);
    z_free(got);
    assert_int_equal(z_recvfrom(s, &got, 40, 0, (void *)&from, &flen), 0);
    assert_null(got);
    assert_int_equal(flen, sizeof(struct sockaddr_in));
    ff_shutdown(s, SHUT_RD);
    assert_int_equal(z_recvfrom(s, &got, 40, 0, (void *)&from, &flen), 0);
    assert_int_equal(flen, 0);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

/* Past loan_quota (16 KB) datagrams come as copies; a loan outlives its socket. */
static void loans_have_a_quota(void **state)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int s = on_loopback(AF_INET, &sa, &len), c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    uint64_t before = api.core[0]->stack->ctr.v[CTR_COPY_LOAN];
    struct z_buf *b[20];

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(z_sendto(c, filled(500), 500, 0, (void *)&sa, len), 500);
        assert_int_equal(z_recvfrom(s, &b[i], 1000, 0, NULL, NULL), 500);
        assert_int_equal(((uint8_t *)z_data(b[i]))[499], (uint8_t)(499 * 7));
    }
    assert_true(api.core[0]->stack->ctr.v[CTR_COPY_LOAN] > before);
    assert_in_range(api.core[0]->stack->udp.loan_bytes, 16384 - 4096, 16384 + 4096);
    for (int i = 0; i < 10; i++)
        z_free(b[i]);
    ff_close(s);
    s = on_loopback(AF_INET, &sa, &len); /* takes the descriptor, not the loans */
    for (int i = 10; i < 20; i++)
        z_free(b[i]);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

/* ancillary data ----------------------------------------------------------------------------------------------- */

static void want(int fd, int level, int name)
{
    int on = 1;

    assert_int_equal(ff_setsockopt(fd, level, name, &on, sizeof(on)), 0);
}

static void add(struct msghdr *m, int level, int type, const void *data, size_t n)
{
    struct cmsghdr *c = (void *)((char *)m->msg_control + m->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(n);
    memcpy(CMSG_DATA(c), data, n);
    m->msg_controllen += CMSG_SPACE(n);
}

static const void *find(struct msghdr *m, int level, int type, size_t n)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == level && c->cmsg_type == type) {
            assert_int_equal(c->cmsg_len, CMSG_LEN(n));
            return CMSG_DATA(c);
        }
    return NULL;
}

static void ancillary_data_of_ipv4(void **state)
{
    socklen_t len;
    int s = ff_socket(AF_INET, SOCK_DGRAM, 0), c = ff_socket(AF_INET, SOCK_DGRAM, 0), ttl = 9, bad = 256;
    struct sockaddr_in in = api_in(0x0a090001, 0), from;
    struct in_pktinfo pi = {.ipi_spec_dst.s_addr = htonl(0x0a090001)};
    uint8_t tos = 0xb8, ctl[256];
    char text[16];
    struct iovec iov = {text, 4};
    struct msghdr out = {.msg_name = &in, .msg_namelen = sizeof(in), .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
    const struct in_pktinfo *got;

    (void)state;
    want(s, IPPROTO_IP, IP_PKTINFO);
    want(s, IPPROTO_IP, IP_RECVTTL);
    want(s, IPPROTO_IP, IP_RECVTOS);
    assert_int_equal(api_bind(s, 0, 0), 0);
    len = sizeof(in);
    assert_int_equal(ff_getsockname(s, (void *)&in, &len), 0);
    in.sin_addr.s_addr = htonl(0x0a090001);
    add(&out, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
    add(&out, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    add(&out, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
    memcpy(text, "data", 4);
    assert_int_equal(ff_sendmsg(c, &out, 0), 4);
    m.msg_control = ctl;
    m.msg_controllen = sizeof(ctl);
    assert_int_equal(ff_recvmsg(s, &m, 0), 4);
    assert_int_equal(m.msg_flags, 0);
    assert_int_equal(ntohl(from.sin_addr.s_addr), 0x0a090001);
    assert_int_equal(*(const int *)find(&m, IPPROTO_IP, IP_TTL, sizeof(int)), 9);
    assert_int_equal(*(const uint8_t *)find(&m, IPPROTO_IP, IP_TOS, 1), 0xb8);
    got = find(&m, IPPROTO_IP, IP_PKTINFO, sizeof(*got));
    assert_int_equal(got->ipi_ifindex, 1);
    assert_int_equal(ntohl(got->ipi_addr.s_addr), 0x0a090001);
    assert_int_equal(ntohl(got->ipi_spec_dst.s_addr), 0x0a090001);
    /* less room than needed, and none */
    for (size_t room = 0; room < CMSG_SPACE(sizeof(*got)) + 2 * CMSG_SPACE(4); room += 4) {
        out.msg_controllen = 0;
        assert_int_equal(ff_sendmsg(c, &out, 0), 4);
        m.msg_controllen = room;
        m.msg_control = room ? ctl : NULL;
        memset(ctl, 0xee, sizeof(ctl));
        assert_int_equal(ff_recvmsg(s, &m, 0), 4);
        assert_true(m.msg_controllen <= room);
        assert_int_equal(ctl[room], 0xee);
        assert_int_equal(m.msg_flags, room >= CMSG_SPACE(sizeof(*got)) + CMSG_SPACE(4) + CMSG_LEN(1) ? 0 : MSG_CTRUNC);
    }
    /* what is wrong */
    out.msg_controllen = 0;
    add(&out, IPPROTO_IP, IP_TTL, &bad, sizeof(bad));
    assert_errno(ff_sendmsg(c, &out, 0), EINVAL);
    out.msg_controllen = 0;
    add(&out, IPPROTO_IP, 77, &ttl, sizeof(ttl));
    assert_errno(ff_sendmsg(c, &out, 0), EINVAL);
    out.msg_controllen = 0;
    pi.ipi_spec_dst.s_addr = htonl(0x0a090099); /* not ours */
    add(&out, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
    assert_errno(ff_sendmsg(c, &out, 0), EINVAL);
    ((struct cmsghdr *)(void *)ctl)->cmsg_len = 1000;
    assert_errno(ff_sendmsg(c, &out, 0), EINVAL);
    ((struct cmsghdr *)(void *)ctl)->cmsg_len = 3;
    assert_errno(ff_sendmsg(c, &out, 0), EINVAL);
    out.msg_controllen = 0;
    add(&out, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof(ttl)); /* of the other family: passed over */
    assert_int_equal(ff_sendmsg(c, &out, 0), 4);
    assert_int_equal(ff_recv(s, text, 4, 0), 4);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

static void ancillary_data_of_ipv6(void **state)
{
    struct sockaddr_storage sa;
    struct sockaddr_in6 in6;
    socklen_t len = sizeof(in6);
    int s = on_loopback(AF_INET6, &sa, &len), c = ff_socket(AF_INET6, SOCK_DGRAM, 0), hops = 9, tclass = 0x20;
    struct in6_pktinfo pi = {.ipi6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct in6_pktinfo *got;
    uint8_t ctl[256];
    char text[16] = "data";
    struct iovec iov = {text, 4};
    struct msghdr m = {.msg_name = &sa, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl};

    (void)state;
    want(s, IPPROTO_IPV6, IPV6_RECVPKTINFO);
    want(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
    want(s, IPPROTO_IPV6, IPV6_RECVTCLASS);
    add(&m, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
    add(&m, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
    add(&m, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
    assert_int_equal(ff_sendmsg(c, &m, 0), 4);
    m.msg_controllen = sizeof(ctl);
    m.msg_name = &in6;
    m.msg_namelen = sizeof(in6);
    assert_int_equal(ff_recvmsg(s, &m, 0), 4);
    assert_int_equal(m.msg_namelen, 28);
    assert_int_equal(*(const int *)find(&m, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int)), 9);
    assert_int_equal(*(const int *)find(&m, IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)), 0x20);
    got = find(&m, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*got));
    assert_memory_equal(&got->ipi6_addr, &in6addr_loopback, 16);
    assert_int_equal(got->ipi6_ifindex, 1);
    ff_close(s);
    ff_close(c);
    nothing_is_held();
}

/* groups ------------------------------------------------------------------------------------------------------- */

#define GROUP 0xef010203u /* 239.1.2.3 */

static int member(uint16_t port, uint32_t group)
{
    int fd = ff_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct ip_mreq r = {.imr_multiaddr.s_addr = htonl(group), .imr_interface.s_addr = htonl(API_ADDR)};

    want(fd, SOL_SOCKET, SO_REUSEADDR);
    assert_int_equal(api_bind(fd, 0, port), 0);
    if (group != 0)
        assert_int_equal(ff_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof(r)), 0);
    return fd;
}

static bool hears(int fd)
{
    char c;
    ssize_t n = ff_recv(fd, &c, 1, 0);

    assert_true(n == 1 || errno == EAGAIN);
    return n == 1;
}

static void all_members_hear_a_group(void **state)
{
    int a = member(5000, GROUP), b = member(5000, GROUP), other = member(5000, GROUP + 1), none = member(5000, 0), off = 0;
    int c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = api_in(GROUP, 5000);

    (void)state;
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(hears(a) && hears(b));
    assert_true(hears(none) && hears(other)); /* IP_MULTICAST_ALL is on by default */
    assert_int_equal(ff_setsockopt(none, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)), 0);
    assert_int_equal(ff_setsockopt(other, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off)), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(hears(a) && hears(b) && !hears(none) && !hears(other));
    assert_int_equal(ff_setsockopt(c, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(!hears(a) && !hears(b));
    ff_close(a);
    ff_close(b);
    ff_close(other);
    ff_close(none);
    ff_close(c);
    nothing_is_held();
}

/* One request about a group, as both stacks answer it. */
static int group_call(bool k, int fd, int name, uint32_t group, uint32_t source)
{
    uint32_t nif = htonl(k ? INADDR_LOOPBACK : API_ADDR);
    struct ip_mreq r = {.imr_multiaddr.s_addr = htonl(group), .imr_interface.s_addr = nif};
    struct ip_mreq_source rs = {.imr_multiaddr.s_addr = htonl(group), .imr_interface.s_addr = nif, .imr_sourceaddr.s_addr = htonl(source)};
    const void *p = source ? (const void *)&rs : &r;
    socklen_t n = source ? sizeof(rs) : sizeof(r);

    return (k ? setsockopt(fd, IPPROTO_IP, name, p, n) : ff_setsockopt(fd, IPPROTO_IP, name, p, n)) == 0 ? 0 : errno;
}

/* Every sequence of requests on one socket gets Linux' answers. */
static void memberships_are_refused_as_linux(void **state)
{
    static const int names[] = {IP_ADD_MEMBERSHIP,         IP_DROP_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP,
                                IP_DROP_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE,    IP_UNBLOCK_SOURCE};
    static const uint32_t groups[] = {GROUP, GROUP, GROUP, GROUP + 1, 0x0a000001};
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        int ours = ff_socket(AF_INET, SOCK_DGRAM, 0), theirs = socket(AF_INET, SOCK_DGRAM, 0);

        for (int i = 0; i < 12; i++) {
            uint32_t r = (seed = seed * 1664525 + 1013904223) >> 8, group = groups[r % 5], source = 0x0a090050 + (r >> 4) % 3;
            int name = names[(r >> 8) % 6], got, kernels;

            source = name == IP_ADD_MEMBERSHIP || name == IP_DROP_MEMBERSHIP ? 0 : source;
            kernels = group_call(true, theirs, name, group, source);
            got = group_call(false, ours, name, group, source);
            if (got != kernels)
                fail_msg("round %d call %d: option %d group %x source %x: %s, of the kernel %s", round, i, name, group, source,
                         strerrorname_np(got), strerrorname_np(kernels));
        }
        ff_close(ours);
        close(theirs);
    }
    nothing_is_held();
}

static void sources_are_filtered(void **state)
{
    int a = member(5001, 0), c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = api_in(GROUP, 5001);

    (void)state;
    assert_int_equal(group_call(false, a, IP_ADD_SOURCE_MEMBERSHIP, GROUP, API_ADDR), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(hears(a));
    assert_int_equal(group_call(false, a, IP_ADD_SOURCE_MEMBERSHIP, GROUP, API_ADDR + 1), 0);
    assert_int_equal(group_call(false, a, IP_DROP_SOURCE_MEMBERSHIP, GROUP, API_ADDR), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_false(hears(a));
    assert_int_equal(group_call(false, a, IP_DROP_MEMBERSHIP, GROUP, 0), 0);
    assert_int_equal(group_call(false, a, IP_ADD_MEMBERSHIP, GROUP, 0), 0);
    assert_int_equal(group_call(false, a, IP_BLOCK_SOURCE, GROUP, API_ADDR), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_false(hears(a));
    assert_int_equal(group_call(false, a, IP_UNBLOCK_SOURCE, GROUP, API_ADDR), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(hears(a));
    ff_close(a);
    ff_close(c);
    nothing_is_held();
}

static void groups_of_ipv6(void **state)
{
    int a = ff_socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0), c = ff_socket(AF_INET6, SOCK_DGRAM, 0), nif = 1, off = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(5002)}, to = any;
    struct ipv6_mreq r = {.ipv6mr_interface = 1};
    struct group_req g = {.gr_interface = 1};

    (void)state;
    api.core[0]->stack->netif[0]->addr6[0].state = ADDR6_PREFERRED; /* the device answers no address test */
    assert_int_equal(inet_pton(AF_INET6, "ff02::1234", &to.sin6_addr), 1);
    r.ipv6mr_multiaddr = to.sin6_addr;
    memcpy(&g.gr_group, &to, sizeof(to));
    assert_int_equal(ff_bind(a, (void *)&any, sizeof(any)), 0);
    assert_int_equal(ff_setsockopt(a, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof(r)), 0);
    assert_errno(ff_setsockopt(a, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g)), EADDRINUSE);
    assert_int_equal(ff_setsockopt(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, &nif, sizeof(nif)), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_true(hears(a));
    assert_int_equal(ff_setsockopt(c, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof(off)), 0);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&to, sizeof(to)), 1);
    assert_false(hears(a));
    assert_int_equal(ff_setsockopt(a, IPPROTO_IPV6, MCAST_LEAVE_GROUP, &g, sizeof(g)), 0);
    assert_errno(ff_setsockopt(a, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &r, sizeof(r)), EADDRNOTAVAIL);
    r.ipv6mr_interface = 7;
    assert_errno(ff_setsockopt(a, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof(r)), ENODEV);
    assert_int_equal(ff_connect(c, (void *)&to, sizeof(to)), 0); /* IPV6_MULTICAST_IF says where */
    assert_errno(ff_connect(a, (void *)&to, sizeof(to)), EINVAL);
    ff_close(a);
    ff_close(c);
    nothing_is_held();
}

/* waiting ------------------------------------------------------------------------------------------------------ */

static int waiting_fd, waited_errno;

static void *wait_for_data(void *arg)
{
    char c;

    (void)arg;
    waited_errno = ff_recv(waiting_fd, &c, 1, 0) < 0 ? errno : 0;
    return NULL;
}

/* A call that waits does not go over to the socket that gets its descriptor's number. */
static void a_waiting_call_stays_with_its_socket(void **state)
{
    struct sockaddr_storage sa;
    socklen_t len;
    pthread_t t;
    int fd, c = ff_socket(AF_INET, SOCK_DGRAM, 0);
    uint64_t calls = api.core[0]->stack->ctr.v[CTR_MAILBOX_CALLS];

    (void)state;
    waiting_fd = on_loopback(AF_INET, &sa, &len);
    assert_int_equal(pthread_create(&t, NULL, wait_for_data, NULL), 0);
    while (api.core[0]->stack->ctr.v[CTR_MAILBOX_CALLS] == calls)
        z_poll();
    ff_close(waiting_fd);
    fd = on_loopback(AF_INET, &sa, &len);
    assert_int_equal(fd, waiting_fd);
    assert_int_equal(ff_sendto(c, "x", 1, 0, (void *)&sa, len), 1);
    for (int i = 0; i < 8; i++)
        z_poll();
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_int_equal(waited_errno, EBADF);
    ff_close(fd);
    ff_close(c);
    nothing_is_held();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_copies_nothing),
        cmocka_unit_test(on_an_error_the_buffer_stays),
        cmocka_unit_test(shared_and_wrapped_buffers_are_sent),
        cmocka_unit_test(the_longest_datagram),
        cmocka_unit_test(short_and_empty),
        cmocka_unit_test(loans_have_a_quota),
        cmocka_unit_test(ancillary_data_of_ipv4),
        cmocka_unit_test(ancillary_data_of_ipv6),
        cmocka_unit_test(all_members_hear_a_group),
        cmocka_unit_test(memberships_are_refused_as_linux),
        cmocka_unit_test(sources_are_filtered),
        cmocka_unit_test(groups_of_ipv6),
        cmocka_unit_test(a_waiting_call_stays_with_its_socket),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
