/* Socket calls in the style of an application that owns its main loop: errno values, blocking, timeouts. */
#include "api_fixture.h"

static int start(void **state)
{
    (void)state;
    api_start("");
    return 0;
}

static void test_init_twice(void **state)
{
    char *argv[] = {(char *)"x", NULL};

    (void)state;
    assert_errno(ff_init(1, argv), EALREADY);
    assert_errno(ff_init(-1, argv), EINVAL);
    assert_errno(ff_init(1, NULL), EINVAL);
}

static void test_socket_errno(void **state)
{
    int fd;

    (void)state;
    assert_errno(ff_socket(AF_INET6_FREEBSD, SOCK_STREAM, 0), EAFNOSUPPORT);
    assert_errno(ff_socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    assert_errno(ff_socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPROTONOSUPPORT);
    assert_errno(ff_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    assert_errno(ff_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
    assert_errno(ff_socket(AF_INET, 77, 0), EINVAL);
    fd = ff_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    assert_true(fd >= 1024);
    assert_int_equal(ff_fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    assert_int_equal(ff_fdisused(fd), 1);
    assert_int_equal(ff_fdisused(fd + 1), 0);
    assert_int_equal(ff_fdisused(0), 0);
    assert_true(ff_getmaxfd() >= fd);
    assert_int_equal(ff_close(fd), 0);
    assert_errno(ff_close(fd), EBADF);
    assert_int_equal(ff_fdisused(fd), 0);
}

static void test_bad_descriptor(void **state)
{
    struct sockaddr_in in = api_in(0, 0);
    struct linux_sockaddr *sa = (void *)&in;
    socklen_t len = sizeof(in);
    struct msghdr msg = {0};
    struct z_buf *b = z_alloc(1);
    char c = 0;
    void *mb;
    int v = 0;

    (void)state;
    for (int i = 0; i < 4; i++) {
        int fd = (const int[]){-1, 0, 1500, INT32_MAX}[i];

        assert_errno(ff_bind(fd, sa, len), EBADF);
        assert_errno(ff_listen(fd, 1), EBADF);
        assert_errno(ff_accept(fd, NULL, NULL), EBADF);
        assert_errno(ff_connect(fd, sa, len), EBADF);
        assert_errno(ff_shutdown(fd, SHUT_WR), EBADF);
        assert_errno(ff_getpeername(fd, sa, &len), EBADF);
        assert_errno(ff_getsockname(fd, sa, &len), EBADF);
        assert_errno(ff_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), EBADF);
        assert_errno(ff_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v)), EBADF);
        assert_errno(ff_ioctl(fd, FIONBIO, &v), EBADF);
        assert_errno(ff_fcntl(fd, F_GETFL), EBADF);
        assert_errno(ff_read(fd, &c, 1), EBADF);
        assert_errno(ff_write(fd, &c, 1), EBADF);
        assert_errno(ff_recvmsg(fd, &msg, 0), EBADF);
        assert_errno(ff_sendmsg(fd, &msg, 0), EBADF);
        assert_errno(ff_dup(fd), EBADF);
        assert_errno(ff_epoll_ctl(fd, EPOLL_CTL_DEL, 0, NULL), EBADF);
        assert_errno(ff_kevent(fd, NULL, 0, NULL, 0, NULL), EBADF);
        assert_errno(z_read(fd, &mb, 1), EBADF);
        assert_null(mb);
        assert_errno(z_write(fd, b, 1), EBADF);
    }
    z_free(b);
}

static void test_wrong_kind(void **state)
{
    struct sockaddr_in in = api_in(0, 0);
    struct linux_sockaddr *sa = (void *)&in;
    socklen_t len = sizeof(in);
    int kq = ff_kqueue(), ep = ff_epoll_create(1), udp = ff_socket(AF_INET, SOCK_DGRAM, 0);
    struct epoll_event ev;
    struct z_buf *b = z_alloc(1);
    char c = 0;
    void *mb;
    int v = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        int fd = i ? ep : kq;

        assert_true(fd >= 0);
        assert_errno(ff_bind(fd, sa, len), ENOTSOCK);
        assert_errno(ff_listen(fd, 1), ENOTSOCK);
        assert_errno(ff_accept(fd, NULL, NULL), ENOTSOCK);
        assert_errno(ff_connect(fd, sa, len), ENOTSOCK);
        assert_errno(ff_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), ENOTSOCK);
        assert_errno(ff_recv(fd, &c, 1, 0), ENOTSOCK);
        assert_errno(ff_send(fd, &c, 1, 0), ENOTSOCK);
        assert_errno(ff_read(fd, &c, 1), EINVAL);
        assert_errno(ff_write(fd, &c, 1), EINVAL);
        assert_errno(z_read(fd, &mb, 1), ENOTSOCK);
        assert_errno(ff_ioctl(fd, FIONREAD, &v), ENOTTY);
    }
    assert_errno(ff_listen(udp, 1), EOPNOTSUPP);
    assert_errno(ff_accept(udp, NULL, NULL), EOPNOTSUPP);
    assert_errno(z_read(udp, &mb, 1), EOPNOTSUPP);
    assert_errno(z_write(udp, b, 1), EOPNOTSUPP);
    assert_errno(ff_epoll_wait(kq, &ev, 1, 0), EINVAL);
    assert_errno(ff_epoll_wait(ep, &ev, 0, 0), EINVAL);
    assert_errno(ff_epoll_wait(ep, NULL, 1, 0), EFAULT);
    assert_errno(ff_epoll_create(0), EINVAL);
    assert_errno(ff_epoll_ctl(ep, EPOLL_CTL_ADD, udp, NULL), EFAULT);
    z_free(b);
    ff_close(kq);
    ff_close(ep);
    ff_close(udp);
}

static void test_bad_arguments(void **state)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0), p[2], v = 0;
    struct sockaddr_in in = api_in(API_ADDR, 80);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct iovec iov = {NULL, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct linux_sockaddr *sa = (void *)&in;
    socklen_t len = sizeof(v);
    struct timeval tv = {0, 1000000};
    char c = 0;

    (void)state;
    assert_errno(ff_bind(fd, NULL, 16), EFAULT);
    assert_errno(ff_bind(fd, sa, 8), EINVAL);
    assert_errno(ff_bind(fd, (struct linux_sockaddr *)&in6, 28), EAFNOSUPPORT);
    assert_errno(ff_connect(fd, NULL, 16), EFAULT);
    assert_errno(ff_connect(fd, sa, 3), EINVAL);
    assert_errno(ff_accept(fd, NULL, NULL), EINVAL);
    assert_errno(ff_accept4(fd, NULL, NULL, 1), EINVAL);
    assert_errno(ff_accept(fd, sa, NULL), EFAULT);
    assert_errno(ff_shutdown(fd, 3), EINVAL);
    assert_errno(ff_getsockname(fd, NULL, &len), EFAULT);
    assert_errno(ff_getsockname(fd, sa, NULL), EFAULT);
    len = (socklen_t)-1;
    assert_errno(ff_getsockname(fd, sa, &len), EINVAL);
    len = sizeof(in);
    assert_errno(ff_getpeername(fd, sa, &len), ENOTCONN);
    assert_errno(ff_getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &len), EFAULT);
    assert_errno(ff_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, NULL), EFAULT);
    len = (socklen_t)-1;
    assert_errno(ff_getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len), EINVAL);
    assert_errno(ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
    assert_errno(ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 4), EINVAL);
    assert_errno(ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, NULL, sizeof(tv)), EFAULT);
    assert_errno(ff_setsockopt(fd, SOL_SOCKET, SO_TYPE, &v, sizeof(v)), ENOPROTOOPT);
    assert_errno(ff_ioctl(fd, FIONBIO, NULL), EFAULT);
    assert_errno(ff_ioctl(fd, 0x12345678, &v), ENOTTY);
    v = 1;
    assert_errno(ff_ioctl(fd, FIOASYNC, &v), EOPNOTSUPP);
    assert_errno(ff_fcntl(fd, 4711), EINVAL);
    assert_errno(ff_read(fd, &c, 1), ENOTCONN);
    assert_errno(ff_write(fd, &c, 1), ENOTCONN);
    api_pair(p);
    assert_errno(ff_read(p[0], NULL, 1), EFAULT);
    assert_errno(ff_write(p[0], NULL, 1), EFAULT);
    assert_errno(ff_readv(p[0], &iov, 1), EFAULT);
    assert_errno(ff_writev(p[0], &iov, -1), EINVAL);
    assert_errno(ff_writev(p[0], NULL, 1), EFAULT);
    assert_errno(ff_sendmsg(p[0], NULL, 0), EFAULT);
    assert_errno(ff_sendmsg(p[0], &msg, 0), EFAULT);
    msg.msg_iovlen = 2000;
    assert_errno(ff_sendmsg(p[0], &msg, 0), EMSGSIZE);
    assert_errno(ff_recvmsg(p[0], &msg, 0), EMSGSIZE);
    msg = (struct msghdr){.msg_controllen = 1};
    assert_errno(ff_sendmsg(p[0], &msg, 0), EFAULT);
    assert_errno(ff_sendto(p[0], &c, 1, 0, sa, sizeof(in)), EISCONN);
    assert_errno(api_connect(p[0], API_ADDR, 1), EISCONN);
    assert_int_equal(ff_write(p[0], &c, 0), 0);
    assert_int_equal(ff_read(p[0], &c, 0), 0);
    assert_errno(ff_poll(NULL, 1, 0), EFAULT);
    assert_errno(ff_select(-1, NULL, NULL, NULL, NULL), EINVAL);
    tv.tv_usec = -1;
    assert_errno(ff_select(0, NULL, NULL, NULL, &tv), EINVAL);
    assert_errno(z_sendto(p[0], NULL, 0, 0, NULL, 0), EFAULT);
    ff_close(p[0]);
    ff_close(p[1]);
    ff_close(fd);
}

static void test_blocking_transfer(void **state)
{
    int p[2];
    char out[1000], in[1000];
    struct iovec v[3] = {{in, 10}, {in + 10, 500}, {in + 510, 490}};

    (void)state;
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 7);
    api_pair(p);
    assert_int_equal(ff_write(p[0], out, sizeof(out)), sizeof(out));
    assert_int_equal(ff_recv(p[1], in, sizeof(in), MSG_WAITALL), sizeof(in)); /* polls until it is there */
    assert_memory_equal(in, out, sizeof(in));

    assert_int_equal(ff_write(p[1], out, 300), 300);
    assert_int_equal(ff_recv(p[0], in, sizeof(in), MSG_PEEK), 300);
    assert_int_equal(ff_ioctl(p[0], FIONREAD, &v[0].iov_len), 0);
    v[0].iov_len = 10;
    memset(in, 0, sizeof(in));
    assert_int_equal(ff_readv(p[0], v, 3), 300);
    assert_memory_equal(in, out, 300);
    assert_errno(ff_recv(p[0], in, 1, MSG_DONTWAIT), EAGAIN);

    assert_int_equal(ff_shutdown(p[0], SHUT_WR), 0);
    assert_int_equal(ff_read(p[1], in, sizeof(in)), 0);
    assert_int_equal(ff_write(p[1], "bye", 3), 3);
    assert_int_equal(ff_close(p[1]), 0);
    assert_int_equal(ff_recv(p[0], in, 10, MSG_WAITALL), 3); /* end of file ends the wait */
    assert_int_equal(ff_read(p[0], in, 1), 0);
    assert_errno(ff_send(p[0], "x", 1, 0), EPIPE);
    ff_close(p[0]);
}

static void test_names(void **state)
{
    int p[2];
    struct sockaddr_in a, b;
    socklen_t alen = sizeof(a), blen = sizeof(b);
    int v, l = api_listener(3999);
    socklen_t len = sizeof(v);

    (void)state;
    api_pair(p);
    assert_int_equal(ff_getsockname(p[0], (struct linux_sockaddr *)&a, &alen), 0);
    assert_int_equal(ff_getpeername(p[1], (struct linux_sockaddr *)&b, &blen), 0);
    assert_int_equal(alen, 16);
    assert_memory_equal(&a, &b, 8);
    assert_int_equal(ntohl(a.sin_addr.s_addr), API_ADDR);
    assert_int_equal(ff_getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, &len), 0);
    assert_int_equal(v, SOCK_STREAM);
    assert_int_equal(ff_getsockopt(p[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &len), 0);
    assert_int_equal(v, 0);
    assert_int_equal(ff_getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len), 0);
    assert_int_equal(v, 1);
    len = 2; /* as much as there is room for */
    v = -1;
    assert_int_equal(ff_getsockopt(p[0], SOL_SOCKET, SO_DOMAIN, &v, &len), 0);
    assert_int_equal(len, 2);
    assert_int_equal(v, (int)0xffff0002);
    ff_close(p[0]);
    ff_close(p[1]);
    ff_close(l);
}

/* At least 30 ms and not much more. */
#define assert_waits_30ms(call, result)                                                                                                    \
    do {                                                                                                                                   \
        uint64_t t0_ = api_now_ms(), t1_;                                                                                                  \
        assert_int_equal((call), (result));                                                                                                \
        t1_ = api_now_ms();                                                                                                                \
        assert_in_range(t1_ - t0_, 29, 2000);                                                                                              \
    } while (0)

static void test_timeouts(void **state)
{
    int p[2], l = api_listener(3998), kq = ff_kqueue(), ep = ff_epoll_create(1);
    struct timeval tv = {0, 30000}, got;
    struct timespec ts = {0, 30000000}, none = {0, 0};
    struct pollfd pfd;
    struct kevent kev;
    struct epoll_event ev;
    socklen_t len = sizeof(got);
    void *mb;
    char c;

    (void)state;
    api_pair(p);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    assert_int_equal(ff_getsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len), 0);
    assert_memory_equal(&got, &tv, sizeof(tv));
    assert_waits_30ms(ff_read(p[0], &c, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_waits_30ms(z_read(p[0], &mb, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(ff_setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    assert_waits_30ms(ff_accept(l, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    pfd = (struct pollfd){.fd = p[0], .events = POLLIN};
    assert_waits_30ms(ff_poll(&pfd, 1, 30), 0);
    assert_int_equal(ff_poll(&pfd, 1, 0), 0);
    assert_waits_30ms(ff_poll(NULL, 0, 30), 0);
    assert_waits_30ms(ff_select(0, NULL, NULL, NULL, &tv), 0);
    assert_waits_30ms(ff_kevent(kq, NULL, 0, &kev, 1, &ts), 0);
    assert_int_equal(ff_kevent(kq, NULL, 0, &kev, 1, &none), 0);
    assert_waits_30ms(ff_epoll_wait(ep, &ev, 1, 30), 0);
    assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 0);
    /* a timer of the kqueue ends the wait */
    EV_SET(&kev, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 30, NULL);
    assert_waits_30ms(ff_kevent(kq, &kev, 1, &kev, 1, NULL), 1);
    assert_int_equal(kev.ident, 7);
    ff_close(p[0]);
    ff_close(p[1]);
    ff_close(l);
    ff_close(kq);
    ff_close(ep);
}

static void test_nonblocking(void **state)
{
    int l = api_listener(3997), c = ff_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), a, b, on = 1, err;
    struct pollfd pfd = {.fd = c, .events = POLLOUT};
    socklen_t len = sizeof(err);
    char buf[4096] = {0};
    int64_t sent = 0, got = 0;
    ssize_t n;

    (void)state;
    assert_errno(api_connect(c, API_ADDR, 3997), EINPROGRESS);
    assert_errno(api_connect(c, API_ADDR, 3997), EALREADY);
    assert_int_equal(ff_poll(&pfd, 1, 1000), 1);
    assert_int_equal(pfd.revents, POLLOUT);
    assert_int_equal(ff_getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    assert_int_equal(err, 0);
    assert_int_equal(ff_ioctl(l, FIONBIO, &on), 0);
    pfd = (struct pollfd){.fd = l, .events = POLLIN};
    assert_int_equal(ff_poll(&pfd, 1, 1000), 1);
    a = ff_accept(l, NULL, NULL);
    assert_true(a >= 0);
    assert_int_equal(ff_fcntl(a, F_GETFL), O_RDWR | O_NONBLOCK); /* inherited */
    assert_errno(ff_accept(l, NULL, NULL), EAGAIN);
    b = ff_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(api_connect(b, API_ADDR, 3997), 0);
    assert_int_equal(ff_close(b), 0);
    assert_int_equal(ff_poll(&pfd, 1, 1000), 1);
    b = ff_accept4(l, NULL, NULL, 0);
    assert_true(b >= 0);
    assert_int_equal(ff_fcntl(b, F_GETFL), O_RDWR); /* not inherited */
    ff_close(b);

    /* until it is full, and no byte is lost */
    while ((n = ff_write(c, buf, sizeof(buf))) > 0)
        sent += n;
    assert_int_equal(errno, EAGAIN);
    pfd = (struct pollfd){.fd = a, .events = POLLIN};
    while (got < sent) {
        assert_int_equal(ff_poll(&pfd, 1, 1000), 1);
        while ((n = ff_read(a, buf, sizeof(buf))) > 0)
            got += n;
    }
    assert_int_equal(got, sent);
    ff_close(a);
    ff_close(c);
    ff_close(l);
}

static void test_connection_refused(void **state)
{
    int c = ff_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_errno(api_connect(c, API_ADDR, 9), ECONNREFUSED);
    ff_close(c);
}

static void test_dup(void **state)
{
    int p[2], d, top = ff_getmaxfd();
    char c;

    (void)state;
    api_pair(p);
    d = ff_dup(p[0]);
    assert_true(d >= 0 && d != p[0]);
    assert_int_equal(ff_close(p[0]), 0);
    assert_int_equal(ff_write(d, "a", 1), 1);
    assert_int_equal(ff_read(p[1], &c, 1), 1);
    assert_int_equal(ff_dup2(d, top), top);
    assert_int_equal(ff_close(d), 0);
    assert_int_equal(ff_write(top, "b", 1), 1);
    assert_int_equal(ff_fcntl(top, F_DUPFD, top - 5), top - 5);
    assert_int_equal(ff_close(top), 0);
    assert_int_equal(ff_close(top - 5), 0);
    assert_int_equal(ff_read(p[1], &c, 1), 1);
    assert_int_equal(ff_read(p[1], &c, 1), 0); /* the last one ended the connection */
    assert_errno(ff_dup2(p[1], 3), EBADF);
    ff_close(p[1]);
}

/* close waits until what was written is acknowledged, and no longer than SO_LINGER says. */
static void test_linger(void **state)
{
    struct linger lg = {1, 1};
    static char buf[4000000];
    int p[2], small = 8192;
    uint64_t t0;
    int64_t got = 0;
    ssize_t n;

    (void)state;
    api_pair(p);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)), 0);
    assert_int_equal(ff_write(p[0], buf, 3000), 3000);
    t0 = api_now_ms();
    assert_int_equal(ff_close(p[0]), 0);
    assert_true(api_now_ms() - t0 < 900);
    assert_int_equal(ff_recv(p[1], buf, 4000, MSG_WAITALL), 3000);
    ff_close(p[1]);

    api_pair(p); /* the peer does not read */
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)), 0);
    n = ff_send(p[0], buf, sizeof(buf), MSG_DONTWAIT);
    assert_true(n > small);
    t0 = api_now_ms();
    assert_int_equal(ff_close(p[0]), 0);
    assert_in_range(api_now_ms() - t0, 999, 3000);
    assert_int_equal(ff_fdisused(p[0]), 0);
    while (got < n) { /* it goes on in the background */
        ssize_t r = ff_read(p[1], buf, sizeof(buf));

        assert_true(r > 0);
        got += r;
    }
    assert_int_equal(ff_read(p[1], buf, 1), 0);
    ff_close(p[1]);
}

/* A connection that finds no descriptor stays in the queue. */
static void test_accept_without_descriptor(void **state)
{
    static int fds[1024];
    int l = api_listener(3996), c = ff_socket(AF_INET, SOCK_STREAM, 0), n = 0, a;

    (void)state;
    assert_int_equal(api_connect(c, API_ADDR, 3996), 0);
    while ((fds[n] = ff_socket(AF_INET, SOCK_DGRAM, 0)) >= 0)
        n++;
    assert_int_equal(errno, EMFILE);
    assert_errno(ff_accept(l, NULL, NULL), EMFILE);
    ff_close(fds[--n]);
    a = ff_accept(l, NULL, NULL);
    assert_true(a >= 0);
    assert_int_equal(ff_write(c, "x", 1), 1);
    assert_int_equal(ff_read(a, &fds[1023], 1), 1);
    while (n > 0)
        ff_close(fds[--n]);
    ff_close(a);
    ff_close(c);
    ff_close(l);
}

/* A program that only ever tries, without a wait or z_poll, gets there as well. */
static void test_spinning(void **state)
{
    int l = api_listener(3995), c = ff_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), a = -1, on = 1, tries = 0;
    ssize_t n = -1;
    char ch;

    (void)state;
    assert_int_equal(ff_ioctl(l, FIONBIO, &on), 0);
    assert_errno(api_connect(c, API_ADDR, 3995), EINPROGRESS);
    while (a < 0 && tries++ < 1000)
        a = ff_accept(l, NULL, NULL);
    assert_true(a >= 0);
    assert_int_equal(ff_write(c, "x", 1), 1);
    while (n < 0 && tries++ < 2000)
        n = ff_read(a, &ch, 1);
    assert_int_equal(n, 1);
    ff_close(a);
    ff_close(c);
    ff_close(l);
}

static void test_datagrams(void **state)
{
    int a = ff_socket(AF_INET, SOCK_DGRAM, 0), b = ff_socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in to = api_in(API_ADDR, 5353), from;
    socklen_t len = sizeof(from);
    char buf[16];
    struct iovec iov = {buf, 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    (void)state;
    assert_int_equal(api_bind(a, API_ADDR, 5353), 0);
    assert_errno(ff_send(b, "x", 1, 0), EDESTADDRREQ);
    assert_int_equal(ff_sendto(b, "hello", 5, 0, (struct linux_sockaddr *)&to, sizeof(to)), 5);
    assert_int_equal(ff_recvfrom(a, buf, sizeof(buf), 0, (struct linux_sockaddr *)&from, &len), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(ntohl(from.sin_addr.s_addr), API_ADDR);
    assert_int_equal(ff_sendto(b, "truncated", 9, 0, (struct linux_sockaddr *)&to, sizeof(to)), 9);
    assert_int_equal(ff_recvmsg(a, &msg, 0), 4);
    assert_int_equal(msg.msg_flags, MSG_TRUNC);
    assert_errno(ff_recv(a, buf, 1, MSG_DONTWAIT), EAGAIN);
    ff_close(a);
    ff_close(b);
}

static void test_time_and_traffic(void **state)
{
    struct ff_traffic_args t;
    struct timeval tv, host;

    (void)state;
    assert_int_equal(ff_gettimeofday(&tv, NULL), 0);
    gettimeofday(&host, NULL);
    assert_in_range(host.tv_sec - tv.tv_sec + 1, 0, 2);
    memset(&t, 0xff, sizeof(t));
    ff_get_traffic(&t);
    assert_true(t.rx_packets < 1000000);
}

static void *close_with_data(void *arg)
{
    int fd = *(int *)arg, n = 0;

    while (n == 0)
        if (ff_ioctl(fd, FIONREAD, &n) != 0)
            break;
    ff_close(fd); /* unread data: a reset */
    return NULL;
}

/* A blocking write cut short by a reset says how much was taken; why it ended is for the next call. */
static void test_write_cut_short(void **state)
{
    static char data[1 << 23];
    int p[2], size = 16384;
    pthread_t t;
    ssize_t n;

    (void)state;
    api_pair(p);
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
    assert_int_equal(ff_setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    assert_int_equal(pthread_create(&t, NULL, close_with_data, &p[1]), 0);
    n = ff_write(p[0], data, sizeof(data));
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_in_range(n, 1, sizeof(data) - 1);
    assert_errno(ff_write(p[0], data, 1), ECONNRESET);
    assert_errno(ff_write(p[0], data, 1), EPIPE);
    ff_close(p[0]);
}

/* Fewer bytes are asked for than are there: an event, although nothing arrives. */
static void test_rcvlowat_lowered(void **state)
{
    int p[2], ep = ff_epoll_create(1), low = 100;
    struct epoll_event ev = {.events = EPOLLIN};

    (void)state;
    api_pair(p);
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
    assert_int_equal(ff_epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev), 0);
    assert_int_equal(ff_write(p[0], "0123456789", 10), 10);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 0);
    low = 10;
    assert_int_equal(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
    assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 1);
    ff_close(ep);
    ff_close(p[0]);
    ff_close(p[1]);
}

/* No buffer for a copy, and nothing in flight whose acknowledgement would say more: an edge-triggered writer is told again. */
static void test_write_without_buffers(void **state)
{
    int p[2], ep = ff_epoll_create(1), n = 0;
    struct epoll_event ev = {.events = EPOLLOUT | EPOLLET};
    struct z_buf *all[2048];

    (void)state;
    api_pair(p);
    api_nonblock(p[0], 1);
    assert_int_equal(ff_epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), 0);
    assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 1);
    assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 0);
    while (n < 2048 && (all[n] = z_alloc(1)) != NULL)
        n++;
    assert_errno(ff_write(p[0], "a", 1), EAGAIN);
    while (n > 0)
        z_free(all[--n]);
    assert_int_equal(ff_epoll_wait(ep, &ev, 1, 0), 1);
    assert_int_equal(ff_write(p[0], "a", 1), 1);
    ff_close(ep);
    ff_close(p[0]);
    ff_close(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_twice),
        cmocka_unit_test(test_socket_errno),
        cmocka_unit_test(test_bad_descriptor),
        cmocka_unit_test(test_wrong_kind),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_blocking_transfer),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_nonblocking),
        cmocka_unit_test(test_connection_refused),
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_spinning),
        cmocka_unit_test(test_datagrams),
        cmocka_unit_test(test_linger),
        cmocka_unit_test(test_accept_without_descriptor),
        cmocka_unit_test(test_time_and_traffic),
        cmocka_unit_test(test_write_cut_short),
        cmocka_unit_test(test_rcvlowat_lowered),
        cmocka_unit_test(test_write_without_buffers),
    };

    return cmocka_run_group_tests_name("api_socket", tests, start, NULL);
}
