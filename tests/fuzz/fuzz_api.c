/*
 * A random sequence of the public calls in one process: sockets that talk to each other through the stack's own address. Nothing
 * crashes or leaks, and an errno is one that the call's man page names. Sockets are non-blocking: no call waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sanitizer/lsan_interface.h>

#include "api/api.h"
#include "base/check.h"
#include "ip/ip_state.h"
#include "tcp/conn.h"
#include "zstack/ff_epoll.h"
#include "zstack/ff_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FDS 12
#define BUFS 8
#define OURS 0x0a090001u

static int fds[FDS];
static struct z_buf *held[BUFS];
static const uint8_t *in_p;
static size_t in_n;
static uint8_t scratch[20000];

static uint8_t u8(void)
{
    if (in_n == 0)
        return 0;
    in_n--;
    return *in_p++;
}

static int start(void)
{
    char name[] = "/tmp/zstack_fuzz_api_XXXXXX", arg[64];
    int fd = mkstemp(name);
    FILE *f = fdopen(fd, "w");
    char *argv[] = {(char *)"fuzz", arg, NULL};

    Z_CHECK(f != NULL);
    fprintf(f, "[dpdk]\nlcore_mask=1\nno_huge=1\nmemory=128\nlog_level=3\nextra_eal_args=--no-shconf --no-pci\nport_list=0\n"
               "[vdev0]\ndevargs=net_null0,no-rx=1\n[port0]\naddr=10.9.0.1\nnetmask=255.255.255.0\nbroadcast=10.9.0.255\n"
               "[zstack]\nrx_buffers=1024\ntx_headers=2048\ntx_indirect=2048\napp_buffers_2k=512\napp_buffers_9k=32\napp_buffers_64k=8\n"
               "conn_memory=64M\nmax_sockets=64\nmax_connections=2048\n");
    fclose(f);
    snprintf(arg, sizeof(arg), "--conf=%s", name);
    if (ff_init(2, argv) != 0)
        return -1;
    unlink(name);
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    __lsan_disable();
    Z_CHECK(start() == 0);
    __lsan_enable();
    api.core[0]->stack->conf.msl_ns = NS_PER_MS; /* thousands of inputs a second */
    api.core[0]->stack->conf.max_timewait = 64;
    for (int i = 0; i < FDS; i++)
        fds[i] = -1;
    return 0;
}

/* The errnos of a call, ended by 0. */
#define ALLOW(...) ((const int[]){EBADF, EINVAL, EFAULT, __VA_ARGS__, 0})
#define IO_ERRNOS EAGAIN, ENOTCONN, ECONNRESET, ECONNREFUSED, ENOTSOCK, ETIMEDOUT, EPIPE, ECONNABORTED, ENOMEM, EOPNOTSUPP

#define SENDTO_ERRNOS                                                                                                                      \
    IO_ERRNOS, EDESTADDRREQ, EMSGSIZE, ENOBUFS, EISCONN, EACCES, ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE, ENODEV

static int64_t expect(const char *call, int64_t ret, const int *allowed)
{
    if (ret != -1)
        return ret;
    for (; *allowed != 0; allowed++)
        if (errno == *allowed)
            return ret;
    fprintf(stderr, "%s: errno %d (%s)\n", call, errno, strerror(errno));
    Z_CHECK(*allowed != 0);
    return ret;
}

static int *slot(void)
{
    return &fds[u8() % FDS];
}

static int a_fd(void)
{
    uint8_t k = u8();

    return k < 250 ? fds[k % FDS] : k < 253 ? -1 : k * 1000;
}

static void keep(int fd)
{
    int *s = slot(), on = 1;

    if (fd < 0)
        return;
    if (*s >= 0)
        expect("close", ff_close(*s), ALLOW(EBADF));
    *s = fd;
    ff_ioctl(fd, FIONBIO, &on);
}

static struct sockaddr_in address(void)
{
    static const uint32_t addr[4] = {OURS, OURS, INADDR_LOOPBACK, 0};
    uint8_t k = u8();

    return (struct sockaddr_in){
        .sin_family = k & 64 ? k : AF_INET, .sin_port = htons((uint16_t)(7000 + k % 4)), .sin_addr.s_addr = htonl(addr[k >> 2 & 3])};
}

/* An address of either family; its length. */
static socklen_t any_address(struct sockaddr_storage *ss)
{
    static const char addr[8][16] = {
        {[15] = 1},
        {0},
        {[10] = -1, -1, 127, 0, 0, 1},
        {[10] = -1, -1, 10, 9, 0, 1},
        {[10] = -1, -1},
        {-1, 5, [15] = 9}, /* ff05::9; no neighbour, for whom packets would wait */
        {-1, 2, [15] = 9}, /* ff02::9 */
        {32, 1, 13, -72, [15] = 9},
    };
    struct sockaddr_in a = address();
    uint8_t k = u8();
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)(7000 + k % 4)), .sin6_scope_id = k >> 6};

    memset(ss, 0, sizeof(*ss));
    if (k & 4) {
        memcpy(ss, &a, sizeof(a));
        return sizeof(a);
    }
    memcpy(&a6.sin6_addr, addr[k >> 3 & 7], 16);
    memcpy(ss, &a6, sizeof(a6));
    return sizeof(a6);
}

static void call_name(uint8_t which)
{
    struct sockaddr_storage a;
    socklen_t real = any_address(&a), len = u8() & 1 ? real : u8() % 40;
    const struct linux_sockaddr *sa = (const struct linux_sockaddr *)&a;
    struct sockaddr_storage out;
    socklen_t out_len = u8() % (sizeof(out) + 1);

    len = MIN(len, (socklen_t)sizeof(a));
    switch (which % 6) {
    case 0:
        expect("bind", ff_bind(a_fd(), sa, len), ALLOW(EADDRINUSE, EADDRNOTAVAIL, ENOTSOCK, EAFNOSUPPORT, EACCES, ENODEV));
        break;
    case 1:
    case 2:
        expect("connect", ff_connect(a_fd(), sa, len),
               ALLOW(EINPROGRESS, EALREADY, EISCONN, ECONNREFUSED, EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH, ENOTSOCK, ECONNRESET,
                     ECONNABORTED, EADDRINUSE, EAGAIN, ETIMEDOUT, EACCES, EOPNOTSUPP, EPIPE, ENODEV, EHOSTUNREACH));
        break;
    case 3:
        keep((int)expect("accept", ff_accept(a_fd(), (struct linux_sockaddr *)&out, &out_len),
                         ALLOW(EAGAIN, ENOTSOCK, EOPNOTSUPP, EMFILE, ENOMEM, ECONNABORTED)));
        break;
    case 4:
        expect("getpeername", ff_getpeername(a_fd(), (struct linux_sockaddr *)&out, &out_len), ALLOW(ENOTCONN, ENOTSOCK));
        break;
    default:
        expect("getsockname", ff_getsockname(a_fd(), (struct linux_sockaddr *)&out, &out_len), ALLOW(ENOTSOCK));
        break;
    }
}

static void call_io(uint8_t which)
{
    static const int flags[8] = {0, MSG_ERRQUEUE, MSG_PEEK, MSG_OOB, MSG_DONTWAIT, MSG_TRUNC, MSG_MORE, MSG_NOSIGNAL};
    size_t n = (size_t)u8() * u8() % sizeof(scratch);
    struct iovec iov[3] = {{scratch, n / 2}, {NULL, 0}, {scratch + n / 2, n - n / 2}};
    struct msghdr mh = {.msg_iov = iov, .msg_iovlen = 3};
    int f = flags[u8() & 7];
    struct sockaddr_storage a;
    socklen_t len = any_address(&a);
    uint8_t ctl[96];

    for (unsigned i = 0; which & 16 && i < sizeof(ctl); i++) /* control messages: levels and types that exist, now and then */
        ctl[i] = u8();
    if (which & 16) {
        struct cmsghdr *c = (void *)ctl;

        c->cmsg_len = c->cmsg_len % 4 ? CMSG_LEN(c->cmsg_len % 24) : c->cmsg_len;
        c->cmsg_level = (const int[]){IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET, 77}[c->cmsg_level & 3];
        c->cmsg_type =
            (const int[]){IP_PKTINFO, IP_TTL, IP_TOS, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG, 99}[c->cmsg_type & 7];
        mh.msg_control = ctl;
        mh.msg_controllen = u8() % (sizeof(ctl) + 1);
    }
    switch (which % 9) {
    case 0:
        expect("read", ff_read(a_fd(), scratch, n), ALLOW(IO_ERRNOS));
        break;
    case 1:
        expect("recv", ff_recv(a_fd(), scratch, n, f), ALLOW(IO_ERRNOS));
        break;
    case 2:
        expect("readv", ff_readv(a_fd(), iov, 3), ALLOW(IO_ERRNOS));
        break;
    case 3:
        expect("write", ff_write(a_fd(), scratch, n), ALLOW(IO_ERRNOS, EDESTADDRREQ, EMSGSIZE, ENOBUFS));
        break;
    case 4:
        expect("send", ff_send(a_fd(), scratch, n, f), ALLOW(IO_ERRNOS, EDESTADDRREQ, EMSGSIZE, ENOBUFS));
        break;
    case 5:
        expect("writev", ff_writev(a_fd(), iov, 3), ALLOW(IO_ERRNOS, EDESTADDRREQ, EMSGSIZE, ENOBUFS));
        break;
    case 6:
        expect("sendto", ff_sendto(a_fd(), scratch, n, f, (const struct linux_sockaddr *)&a, len), ALLOW(SENDTO_ERRNOS));
        break;
    case 7:
        mh.msg_name = which & 32 ? &a : NULL;
        mh.msg_namelen = len;
        expect("sendmsg", ff_sendmsg(a_fd(), &mh, f), ALLOW(SENDTO_ERRNOS));
        break;
    default:
        expect("recvmsg", ff_recvmsg(a_fd(), &mh, f), ALLOW(IO_ERRNOS, EMSGSIZE));
        break;
    }
}

static void call_zc(uint8_t which)
{
    struct z_buf **h = &held[u8() % BUFS], *b;
    void *got = NULL;
    size_t n = (size_t)u8() * 40 + 1;
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);

    switch (which % 8) {
    case 6:
        len = any_address(&a);
        if (*h != NULL &&
            expect("z_sendto", z_sendto(a_fd(), *h, z_chain_len(*h), 0, which & 16 ? (const struct linux_sockaddr *)&a : NULL, len),
                   ALLOW(SENDTO_ERRNOS)) >= 0)
            *h = NULL;
        break;
    case 7:
        if (*h == NULL)
            expect("z_recvfrom", z_recvfrom(a_fd(), h, n, which & 16 ? MSG_TRUNC : 0, (struct linux_sockaddr *)&a, &len),
                   ALLOW(IO_ERRNOS, EMSGSIZE));
        break;
    case 0:
        if (*h == NULL && (*h = z_alloc(n)) != NULL)
            memset(z_data(*h), 1, n);
        break;
    case 1:
        if (*h != NULL && expect("z_write", z_write(a_fd(), *h, z_chain_len(*h)), ALLOW(IO_ERRNOS)) >= 0)
            *h = NULL;
        break;
    case 2:
        if (*h == NULL && expect("z_read", z_read(a_fd(), &got, n), ALLOW(IO_ERRNOS)) > 0)
            *h = got;
        break;
    case 3:
        z_free(*h);
        *h = NULL;
        break;
    case 4:
        if (*h != NULL && (b = z_make_writable(*h)) != NULL)
            *h = b;
        break;
    default:
        if (*h != NULL) {
            b = z_ref(*h);
            if (b != NULL && expect("z_write", z_write(a_fd(), b, z_chain_len(b)), ALLOW(IO_ERRNOS)) < 0)
                z_free(b);
        }
        break;
    }
}

static void call_event(uint8_t which)
{
    struct epoll_event ev[4] = {{.events = (uint32_t)u8() << (u8() & 31), .data.u64 = 7}};
    struct kevent kv[4] = {
        {.ident = (uintptr_t)a_fd(), .filter = (short)-(u8() % 16), .flags = (unsigned short)(u8() << (u8() & 7)), .data = u8()}};
    struct pollfd pf[3] = {{a_fd(), u8(), 0}, {a_fd(), POLLIN | POLLOUT, 0}, {a_fd(), POLLIN, 0}};
    struct timespec zero = {0};

    switch (which % 6) {
    case 0:
        keep(ff_epoll_create(1));
        break;
    case 1:
        keep(ff_kqueue());
        break;
    case 2:
        expect("epoll_ctl", ff_epoll_ctl(a_fd(), 1 + u8() % 3, a_fd(), ev), ALLOW(EEXIST, ENOENT, ENOMEM, ENOSPC, EPERM, ELOOP));
        break;
    case 3:
        expect("epoll_wait", ff_epoll_wait(a_fd(), ev, u8() % 5, 0), ALLOW(EINTR));
        break;
    case 4:
        expect("kevent", ff_kevent(a_fd(), kv, 1, kv, u8() % 5, &zero), ALLOW(ENOENT, ENOMEM, EINTR, ELOOP));
        break;
    default:
        expect("poll", ff_poll(pf, 3, 0), ALLOW(ENOMEM, EINTR));
        break;
    }
}

static void call_option(uint8_t which)
{
    static const int levels[4] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6};
    int level = levels[u8() & 3], name = u8() % 80, v = u8() & 1 ? (int)(u8() << (u8() % 24)) : u8();
    socklen_t len = u8() & 3 ? sizeof(v) : u8() % 5;

    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        return;
    if (which & 1)
        expect("setsockopt", ff_setsockopt(a_fd(), level, name, &v, len),
               ALLOW(ENOPROTOOPT, ENOTSOCK, EDOM, EISCONN, ENOTCONN, ENOMEM, EPERM, EADDRNOTAVAIL, EADDRINUSE, ENODEV, ENOBUFS, ENOENT));
    else
        expect("getsockopt", ff_getsockopt(a_fd(), level, name, &v, &len), ALLOW(ENOPROTOOPT, ENOTSOCK, ENOTCONN, EOPNOTSUPP));
}

/* Of ICMP now and then: a protocol that is one, and then raw. */
static int open_socket(uint8_t which)
{
    int domain = u8() & 15 ? (which & 16 ? AF_INET6 : AF_INET) : u8(), protocol = u8() & 7 ? 0 : u8();
    int type = which & 8 ? SOCK_DGRAM : SOCK_STREAM;

    if (protocol % 4 == 2)
        protocol = domain == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    if (protocol != 0 && (which & 32) != 0)
        type = SOCK_RAW;
    return (int)expect("socket", ff_socket(domain, type, protocol),
                       ALLOW(EAFNOSUPPORT, EMFILE, EPROTONOSUPPORT, ESOCKTNOSUPPORT, ENOMEM, ENFILE, ENOBUFS, EPROTOTYPE));
}

static void call_misc(uint8_t which)
{
    int *s, n = 0;

    switch (which % 8) {
    case 0:
    case 1:
        keep(open_socket(which));
        break;
    case 2:
        expect("listen", ff_listen(a_fd(), u8()), ALLOW(ENOTSOCK, EOPNOTSUPP, EADDRINUSE, ENOMEM));
        break;
    case 3:
        expect("shutdown", ff_shutdown(a_fd(), u8() % 4), ALLOW(ENOTCONN, ENOTSOCK));
        break;
    case 4:
        s = slot();
        expect("close", ff_close(*s), ALLOW(EBADF));
        *s = -1;
        break;
    case 5:
        keep((int)expect("dup", ff_dup(a_fd()), ALLOW(EMFILE)));
        break;
    case 6:
        expect("ioctl", ff_ioctl(a_fd(), u8() & 1 ? FIONREAD : (unsigned long)u8(), &n), ALLOW(ENOTTY, ENOTSOCK, EOPNOTSUPP));
        break;
    default:
        expect("fcntl", ff_fcntl(a_fd(), F_GETFL, 0), ALLOW(EPERM));
        break;
    }
}

static void action(void)
{
    uint8_t k = u8(), which = u8();

    switch (k % 8) {
    case 0:
        call_misc(which);
        break;
    case 1:
        call_name(which);
        break;
    case 2:
    case 3:
        call_io(which);
        break;
    case 4:
        call_zc(which);
        break;
    case 5:
        call_event(which);
        break;
    case 6:
        call_option(which);
        break;
    default:
        for (unsigned i = 0; i <= which % 4u; i++)
            z_poll();
        break;
    }
}

/* What holds the buffers that are left, for the report of a failure. */
static void print_left(const struct z_stack *s)
{
    fprintf(stderr, "left: %u buffers, %u frames unsent, %u packets to ourselves, %llu loan bytes\n", pkt_pools_in_use(&s->pools),
            txq_count(&s->netif[0]->txq), s->ip->lo_tail - s->ip->lo_head, (unsigned long long)stack_loan_bytes(s));
    for (uint32_t i = 0; i <= s->tcp.id_mask; i++) {
        const struct tcp_conn *tc = s->tcp.id_tab[i];

        if (tc == NULL)
            continue;
        fprintf(stderr, "%s dead %d closed %d queued %u received %u fin %d%d window %u retransmitted %u:", tcp_state_names[tc->state],
                tc->dead, tc->closed_by_user, sndq_bytes(&tc->sndq), tc->rcvq.bytes, tc->fin_queued, tc->fin_sent, tc->snd_wnd,
                tc->rexmt_count);
        for (int t = 0; t < TT_COUNT; t++)
            if (tcp_timer_on(tc, (enum tcp_timer_id)t))
                fprintf(stderr, " timer %d in %g s", t, ((double)tcp_deadline_ns(s, tc, (enum tcp_timer_id)t) - (double)s->now_ns) / 1e9);
        fputc('\n', stderr);
    }
}

/* Everything closed, at once: no buffer may be left. */
static void cleanup(void)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < BUFS; i++) {
        z_free(held[i]);
        held[i] = NULL;
    }
    for (int i = 0; i < FDS; i++) {
        if (fds[i] >= 0) {
            ff_setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &l, sizeof(l));
            ff_close(fds[i]);
        }
        fds[i] = -1;
    }
    tcp_reset_all(api.core[0]->stack); /* those that were closed before, and would try for long to deliver what they have */
    for (int i = 0; i < 50 && pkt_pools_in_use(&api.core[0]->stack->pools) > 0; i++)
        z_poll();
    if (pkt_pools_in_use(&api.core[0]->stack->pools) > 0)
        print_left(api.core[0]->stack);
    Z_CHECK(pkt_pools_in_use(&api.core[0]->stack->pools) == 0 && stack_loan_bytes(api.core[0]->stack) == 0);
    Z_CHECK(api.core[0]->stack->tcp.rcv_charged_bytes == 0 && api.core[0]->stack->udp.n_pcbs == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    in_p = data;
    in_n = size;
    /* a pair to begin with, or hardly any input would get to data */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(OURS)};
    int on = 1;

    for (int i = 0; i < 2; i++) {
        fds[i] = ff_socket(AF_INET, SOCK_STREAM, 0);
        Z_CHECK(fds[i] >= 0);
        ff_ioctl(fds[i], FIONBIO, &on);
    }
    ff_setsockopt(fds[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ff_bind(fds[0], (struct linux_sockaddr *)&a, sizeof(a)) == 0 && ff_listen(fds[0], 4) == 0) {
        ff_connect(fds[1], (struct linux_sockaddr *)&a, sizeof(a));
        for (int i = 0; i < 4; i++)
            z_poll();
        fds[2] = ff_accept(fds[0], NULL, NULL);
    }
    for (unsigned i = 0; in_n > 0 && i < 300; i++)
        action();
    cleanup();
    return 0;
}
