/* Sockets and descriptors: from socket to close. What is wrong with the arguments is found here, in the order Linux does. */
#include <fcntl.h>

#include "api/addr.h"
#include "api/api.h"
#include "api/hooks.h"
#include "sock/event.h"
#include "udp/icmp_sock.h"
#pragma GCC visibility push(default)
#include "zstack/ff_epoll.h"
#pragma GCC visibility pop

#include "base/poison.h"

struct sock_op {
    struct api_op op;
    int a, b;       /* small arguments of the call */
    bool inet6;     /* of the socket: the form of a result address */
    bool icmp, raw; /* of a new socket */
    uint16_t port;
    struct inaddr addr; /* results */
    struct api_addr in;
};

static struct sock *inet_sock(const struct z_stack *s, struct api_op *op, int fd, int *err)
{
    struct sock *sk = api_sock(s, op, fd);

    *err = sk == NULL ? -EBADF : -ENOTSOCK;
    return sk != NULL && (sk->kind == SOCK_TCP || sk->kind == SOCK_UDP) ? sk : NULL;
}

static struct sock *kind_sock(const struct z_stack *s, struct api_op *op, int fd, enum sock_kind kind, int *err)
{
    struct sock *sk = inet_sock(s, op, fd, err);

    if (sk == NULL || sk->kind == kind)
        return sk;
    *err = -EOPNOTSUPP;
    return NULL;
}

struct sock *api_tcp_sock(const struct z_stack *s, struct api_op *op, int fd, int *err)
{
    return kind_sock(s, op, fd, SOCK_TCP, err);
}

struct sock *api_udp_sock(const struct z_stack *s, struct api_op *op, int fd, int *err)
{
    return kind_sock(s, op, fd, SOCK_UDP, err);
}

/* creation ----------------------------------------------------------------------------------------------------- */

/* A descriptor with nothing behind it yet, for a kind whose maker failed. */
static int64_t undo(struct z_stack *s, int fd, int err)
{
    sock_close(s, fd);
    return err;
}

static struct udp_pcb *datagram_socket(struct z_stack *s, struct sock *sk, const struct sock_op *a)
{
    struct udp_pcb *u;

    if (a->icmp)
        return icmp_sock_create(s, sk, a->inet6, a->raw);
    u = udp_create(s, sk);
    if (u != NULL && a->inet6)
        udp_set_inet6(u);
    return u;
}

static int stream_socket(struct z_stack *s, bool inet6, struct sock **sk)
{
    struct tcp_conn *tc;

    if (!sock_fd_left(s))
        return -EMFILE;
    tc = tcp_create(s);
    if (tc == NULL)
        return -ENOBUFS;
    if (inet6)
        tcp_set_inet6(tc);
    return sock_new_tcp(s, tc, sk);
}

static int64_t do_socket(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    struct sock *sk;
    int fd = a->a == SOCK_TCP ? stream_socket(s, a->inet6, &sk) : sock_new(s, (enum sock_kind)a->a, &sk);

    if (fd < 0)
        return fd;
    sk->nonblock = a->b != 0;
    sk->inet6 = a->inet6;
    switch (a->a) {
    case SOCK_TCP:
        return fd;
    case SOCK_UDP:
        sk->udp = datagram_socket(s, sk, a);
        return sk->udp != NULL ? fd : undo(s, fd, -ENOBUFS);
    case SOCK_KQUEUE:
        sk->kq = kqueue_create(s, sk);
        return sk->kq != NULL ? fd : undo(s, fd, -ENOMEM);
    default:
        sk->ep = epoll_set_create(s, sk);
        return sk->ep != NULL ? fd : undo(s, fd, -ENOMEM);
    }
}

int ff_socket(int domain, int type, int protocol)
{
    struct sock_op a = {.b = (type & SOCK_NONBLOCK) != 0, .inet6 = domain == AF_INET6};

    if (domain != AF_INET && domain != AF_INET6)
        return (int)api_ret(-EAFNOSUPPORT);
    switch (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) {
    case SOCK_STREAM:
        a.a = SOCK_TCP;
        if (protocol != 0 && protocol != IPPROTO_TCP)
            return (int)api_ret(-EPROTONOSUPPORT);
        break;
    case SOCK_DGRAM:
        a.a = SOCK_UDP;
        a.icmp = protocol == (a.inet6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
        if (protocol != 0 && protocol != IPPROTO_UDP && !a.icmp)
            return (int)api_ret(-EPROTONOSUPPORT);
        break;
    case SOCK_RAW: /* of ICMP only */
        a.a = SOCK_UDP;
        a.icmp = a.raw = protocol == (a.inet6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
        if (!a.icmp)
            return (int)api_ret(-EPROTONOSUPPORT);
        break;
    case SOCK_RDM:
    case SOCK_SEQPACKET:
    case SOCK_DCCP:
        return (int)api_ret(-ESOCKTNOSUPPORT);
    default:
        return (int)api_ret(-EINVAL);
    }
    return (int)api_ret(api_call(&a.op, do_socket));
}

int ff_kqueue(void)
{
    struct sock_op a = {.a = SOCK_KQUEUE};

    return (int)api_ret(api_call(&a.op, do_socket));
}

int ff_epoll_create(int size)
{
    struct sock_op a = {.a = SOCK_EPOLL};

    if (size <= 0)
        return (int)api_ret(-EINVAL);
    return (int)api_ret(api_call(&a.op, do_socket));
}

/* opening ------------------------------------------------------------------------------------------------------ */

static int64_t do_bind(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = inet_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    err = a->a != 0 ? a->a : addr_for_sock(&a->in, sk->inet6, sk->kind == SOCK_UDP, ADDR_BIND, s->n_netifs);
    if (err != 0)
        return err;
    return sk->kind == SOCK_TCP ? tcp_bind(s, sk->tcp, &a->in.a, a->in.port) : udp_bind(s, sk->udp, &a->in.a, a->in.port);
}

int ff_bind(int s, const struct linux_sockaddr *addr, socklen_t addrlen)
{
    struct sock_op a = {.op.fd = s};

    a.a = addr_in(addr, addrlen, &a.in); /* EBADF goes before a bad address */
    return (int)api_ret(api_call(&a.op, do_bind));
}

static int64_t do_listen(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);

    return sk == NULL ? err : tcp_listen(s, sk->tcp, a->a);
}

int ff_listen(int s, int backlog)
{
    struct sock_op a = {.op.fd = s, .a = backlog};

    return (int)api_ret(api_call(&a.op, do_listen));
}

static int64_t connect_tcp(struct z_stack *s, struct sock *sk, struct sock_op *a)
{
    int r = hooks_tcp_connect(s, sk->tcp, &a->in.a, a->in.port, false);

    if (r == -EINPROGRESS && api_pushes(s))
        api_push(s, sk->tcp);
    if ((r != -EINPROGRESS && r != -EALREADY) || sk->nonblock)
        return r;
    return api_wait(s, &a->op, api_timeo(sk->sndtimeo_ns), -EINPROGRESS);
}

static int64_t do_connect(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = inet_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    if (a->b && sk->kind == SOCK_UDP) {
        udp_disconnect(s, sk->udp);
        return 0;
    }
    err = a->a;
    if (err == 0 && !op->waiting)
        err = addr_for_sock(&a->in, sk->inet6, sk->kind == SOCK_UDP, ADDR_CONNECT, s->n_netifs);
    if (err != 0)
        return err;
    return sk->kind == SOCK_TCP ? connect_tcp(s, sk, a) : hooks_udp_connect(s, sk->udp, &a->in.a, a->in.port);
}

int ff_connect(int s, const struct linux_sockaddr *name, socklen_t namelen)
{
    struct sock_op a = {.op.fd = s};

    a.a = addr_in(name, namelen, &a.in);
    a.b = a.a == -EAFNOSUPPORT && name->sa_family == AF_UNSPEC; /* ends the association of a datagram socket */
    return (int)api_ret(api_call(&a.op, do_connect));
}

/* A connection is taken off the queue only when it has a descriptor to go to. */
static int64_t accept_one(struct z_stack *s, struct sock *listener, struct sock_op *a)
{
    struct sock *sk;
    struct tcp_conn *tc;
    int err, fd;

    if (!sock_fd_left(s))
        return -EMFILE;
    tc = tcp_accept(s, listener->tcp, &err);
    if (tc == NULL)
        return err;
    fd = sock_new_tcp(s, tc, &sk);
    sk->inet6 = a->inet6 = listener->inet6;
    sk->nonblock = a->a < 0 ? listener->accept_inherits : (a->a & SOCK_NONBLOCK) != 0;
    if (tcp_getpeer(tc, &a->addr, &a->port) != 0)
        a->addr = sk->inet6 ? INADDR_ANY_V6 : INADDR_ANY_V4; /* reset while it waited: the first read says so */
    return fd;
}

static int64_t do_accept(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    if (a->b != 0)
        return a->b;
    if (tcp_is_listener(sk->tcp) && tcp_rcv_avail(sk->tcp) != 0)
        return accept_one(s, sk, a);
    if (!tcp_is_listener(sk->tcp))
        return -EINVAL;
    return sk->nonblock ? -EAGAIN : api_wait(s, op, api_timeo(sk->rcvtimeo_ns), -EAGAIN);
}

static int accept_flags(int s, struct linux_sockaddr *addr, socklen_t *addrlen, int flags)
{
    struct sock_op a = {.op.fd = s, .a = flags, .b = addr_out_check(addr, addrlen)};
    int fd = (int)api_ret(api_call(&a.op, do_accept));

    if (fd >= 0)
        addr_out(addr, addrlen, a.inet6, &a.addr, a.port);
    return fd;
}

int ff_accept(int s, struct linux_sockaddr *addr, socklen_t *addrlen)
{
    return accept_flags(s, addr, addrlen, -1);
}

int ff_accept4(int s, struct linux_sockaddr *addr, socklen_t *addrlen, int flags)
{
    if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0)
        return (int)api_ret(-EINVAL);
    return accept_flags(s, addr, addrlen, flags);
}

/* names -------------------------------------------------------------------------------------------------------- */

static int64_t do_getname(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = inet_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    if (a->b != 0)
        return a->b;
    a->inet6 = sk->inet6;
    if (a->a) /* the peer's */
        return sk->kind == SOCK_TCP ? tcp_getpeer(sk->tcp, &a->addr, &a->port) : udp_getpeer(sk->udp, &a->addr, &a->port);
    if (sk->kind == SOCK_TCP)
        tcp_getname(sk->tcp, &a->addr, &a->port);
    else
        udp_getname(sk->udp, &a->addr, &a->port);
    return 0;
}

static int getname(int s, struct linux_sockaddr *name, socklen_t *namelen, int peer)
{
    struct sock_op a = {.op.fd = s, .a = peer};
    int r;

    a.b = name == NULL || namelen == NULL ? -EFAULT : addr_out_check(name, namelen);
    r = (int)api_ret(api_call(&a.op, do_getname));
    if (r == 0)
        addr_out(name, namelen, a.inet6, &a.addr, a.port);
    return r;
}

int ff_getpeername(int s, struct linux_sockaddr *name, socklen_t *namelen)
{
    return getname(s, name, namelen, 1);
}

int ff_getsockname(int s, struct linux_sockaddr *name, socklen_t *namelen)
{
    return getname(s, name, namelen, 0);
}

/* closing ------------------------------------------------------------------------------------------------------ */

static int64_t do_shutdown(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;
    int err;
    struct sock *sk = inet_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    if (a->a != SHUT_RD && a->a != SHUT_WR && a->a != SHUT_RDWR)
        return -EINVAL;
    return sk->kind == SOCK_TCP ? tcp_shutdown(s, sk->tcp, a->a) : udp_shutdown(s, sk->udp, a->a);
}

int ff_shutdown(int s, int how)
{
    struct sock_op a = {.op.fd = s, .a = how};

    return (int)api_ret(api_call(&a.op, do_shutdown));
}

/* SO_LINGER on a blocking socket: the FIN goes out, and close waits until all of it is acknowledged. */
static int64_t do_close(struct z_stack *s, struct api_op *op)
{
    struct sock *sk = api_sock(s, op, op->fd);

    if (sk == NULL)
        return -EBADF;
    if (sk->kind == SOCK_TCP && sk->refs == 1 && !sk->nonblock) {
        uint64_t linger_ns = tcp_linger_ns(sk->tcp);

        if (linger_ns != 0 && !op->waiting && tcp_shutdown(s, sk->tcp, SHUT_WR) != 0)
            linger_ns = 0;
        if (linger_ns != 0 && !tcp_all_acked(sk->tcp) && tcp_peek_error(sk->tcp) == 0 && api_wait(s, op, linger_ns, 1) == API_WAIT)
            return API_WAIT;
    }
    return sock_close(s, op->fd);
}

int ff_close(int fd)
{
    struct sock_op a = {.op.fd = fd};

    return (int)api_ret(api_call(&a.op, do_close));
}

/* descriptors -------------------------------------------------------------------------------------------------- */

static int64_t do_dup(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;

    return a->b ? sock_dup2(s, op->fd, a->a) : sock_dup(s, op->fd);
}

int ff_dup(int oldfd)
{
    struct sock_op a = {.op.fd = oldfd};

    return (int)api_ret(api_call(&a.op, do_dup));
}

int ff_dup2(int oldfd, int newfd)
{
    struct sock_op a = {.op.fd = oldfd, .a = newfd, .b = 1};

    return (int)api_ret(api_call(&a.op, do_dup));
}

static int64_t do_fd_info(struct z_stack *s, struct api_op *op)
{
    struct sock_op *a = (struct sock_op *)op;

    if (a->a)
        return sock_max_fd(s);
    return sock_fd_used(s, op->fd) ? 1 : -EBADF;
}

int ff_fdisused(int fd)
{
    struct sock_op a = {.op.fd = fd};

    return api_call(&a.op, do_fd_info) == 1;
}

int ff_getmaxfd(void)
{
    struct sock_op a = {.a = 1};

    return (int)api_ret(api_call(&a.op, do_fd_info));
}
