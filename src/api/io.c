/* Data, copied: read, write, send, recv and kin. */
#include <limits.h>

#include "api/addr.h"
#include "api/api.h"
#include "api/cmsg.h"
#include "api/ff_zc.h"
#include "api/hooks.h"

#include "base/poison.h"

/* Entries of a vector handed on at once when the front of it is done. */
#define IOV_WINDOW 64

struct io_op {
    struct api_op op;
    int flags, cnt;
    bool plain; /* read and write: other kinds of descriptor are EINVAL, not ENOTSOCK */
    bool has_addr;
    int addr_err;
    struct api_addr to;
    const struct iovec *iov;
    size_t total, done;
    const struct msghdr *ctl; /* of sendmsg, when there are control messages */

    /* results of a datagram */
    int out_flags;
    bool inet6;
    unsigned wants; /* UDP_RECV_* */
    struct udp_info info;
    struct inaddr spec; /* cmsg_write */
    bool is_error;      /* MSG_ERRQUEUE: info has the address that the datagram went to */
    struct udp_err_info error;
};

static struct sock *io_sock(const struct z_stack *s, struct io_op *a, int *err)
{
    struct sock *sk = api_sock(s, &a->op, a->op.fd);

    *err = sk == NULL ? -EBADF : a->plain ? -EINVAL : -ENOTSOCK;
    return sk != NULL && (sk->kind == SOCK_TCP || sk->kind == SOCK_UDP) ? sk : NULL;
}

/* What is left of the vector. */
static const struct iovec *io_rest(const struct io_op *a, struct iovec *window, int *cnt)
{
    *cnt = a->cnt;
    if (a->done == 0)
        return a->iov;
    *cnt = iov_skip(a->iov, a->cnt, a->done, window, IOV_WINDOW);
    return window;
}

static bool io_blocks(const struct io_op *a, const struct sock *sk)
{
    return !sk->nonblock && (a->flags & MSG_DONTWAIT) == 0;
}

/* sending ------------------------------------------------------------------------------------------------------ */

/* MSG_FASTOPEN: connect and send in one call. 0: the connection is opened, the data are still to be queued. */
static int open_and_send(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    int err;

    if ((a->flags & MSG_FASTOPEN) == 0)
        return -EISCONN;
    err = a->addr_err != 0 ? a->addr_err : addr_for_sock(&a->to, sk->inet6, false, ADDR_CONNECT, s->n_netifs);
    if (err == 0)
        err = hooks_tcp_connect(s, sk->tcp, &a->to.a, a->to.port, true);
    if (err != 0 && (err != -EINPROGRESS || !io_blocks(a, sk)))
        return err;
    a->has_addr = false;
    return 0;
}

static int64_t send_tcp(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    struct iovec window[IOV_WINDOW];
    bool was_idle = tcp_snd_queued(sk->tcp) == 0;
    ssize_t n = 0;

    if (a->has_addr) {
        int err = open_and_send(s, sk, a);

        if (err != 0)
            return err;
    }
    while (a->done < a->total && n >= 0) {
        int cnt;
        const struct iovec *iov = io_rest(a, window, &cnt);

        if (a->done != 0 && tcp_peek_error(sk->tcp) != 0)
            break; /* the next call reports it */
        n = tcp_send_copy(s, sk->tcp, iov, cnt, a->flags & (MSG_OOB | MSG_MORE));
        if (n > 0)
            a->done += (size_t)n;
        if (n == 0 || !io_blocks(a, sk))
            break;
    }
    if (was_idle && a->done != 0 && api_pushes(s))
        api_push(s, sk->tcp);
    if (a->done == a->total || (n != -EAGAIN && a->done != 0))
        return (int64_t)a->done;
    if (n != -EAGAIN || !io_blocks(a, sk))
        return n;
    return api_wait(s, &a->op, api_timeo(sk->sndtimeo_ns), a->done != 0 ? (int64_t)a->done : -EAGAIN);
}

/* Where the datagram goes and how: the address, then what its control messages say of an address of that family. */
static int udp_destination_of(struct z_stack *s, struct sock *sk, struct io_op *a, struct udp_dest *to)
{
    struct inaddr peer = INADDR_ANY_V4;
    uint16_t port;
    int err;

    *to = UDP_DEST_INIT;
    if (a->has_addr) {
        err = a->addr_err != 0 ? a->addr_err : addr_for_sock(&a->to, sk->inet6, true, ADDR_SEND, s->n_netifs);
        if (err != 0)
            return err;
        to->addr = &a->to.a;
        to->port = a->to.port;
        peer = a->to.a;
    }
    if (likely(a->ctl == NULL))
        return 0;
    if (!a->has_addr)
        (void)udp_getpeer(sk->udp, &peer, &port); /* without one the send says so */
    return cmsg_read(a->ctl, !inaddr_is_v4(&peer), to);
}

static int64_t send_udp(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    struct udp_dest to;
    ssize_t n = udp_destination_of(s, sk, a, &to);

    if (n == 0)
        n = udp_sendto(s, sk->udp, a->iov, a->cnt, a->flags, &to);
    if (n >= 0 && api_pushes(s))
        stack_flush(s);
    if (n != -EAGAIN || !io_blocks(a, sk))
        return n;
    return api_wait(s, &a->op, api_timeo(sk->sndtimeo_ns), -EAGAIN);
}

static int64_t do_send(struct z_stack *s, struct api_op *op)
{
    struct io_op *a = (struct io_op *)op;
    int err;
    struct sock *sk = io_sock(s, a, &err);

    if (sk == NULL)
        return err;
    if (sk->kind == SOCK_UDP)
        return send_udp(s, sk, a);
    err = a->ctl != NULL ? cmsg_check(a->ctl) : 0;
    return err != 0 ? err : send_tcp(s, sk, a);
}

/* One buffer as a vector; its length is limited as Linux does. */
static int one_iov(struct iovec *iov, const void *buf, size_t n)
{
    iov->iov_base = (void *)(uintptr_t)buf;
    iov->iov_len = MIN(n, (size_t)INT_MAX & ~(size_t)4095);
    return buf == NULL && n != 0 ? -EFAULT : 0;
}

static ssize_t send_one(int fd, const void *buf, size_t n, int flags, const struct linux_sockaddr *to, socklen_t tolen, bool plain)
{
    struct iovec iov;
    struct io_op a = {.op.fd = fd, .flags = flags, .iov = &iov, .cnt = 1, .plain = plain, .has_addr = to != NULL};
    int err = one_iov(&iov, buf, n);

    if (err != 0)
        return (ssize_t)api_ret(err);
    if (to != NULL)
        a.addr_err = addr_in(to, tolen, &a.to);
    a.total = iov.iov_len;
    return (ssize_t)api_ret(api_call(&a.op, do_send));
}

ssize_t ff_write(int fd, const void *buf, size_t nbytes)
{
    if (unlikely(zc_is_handle(buf)))
        return ff_zc_send(fd, buf, nbytes);
    return send_one(fd, buf, nbytes, 0, NULL, 0, true);
}

ssize_t ff_send(int s, const void *buf, size_t len, int flags)
{
    if (unlikely(zc_is_handle(buf)))
        return ff_zc_send(s, buf, len);
    return send_one(s, buf, len, flags, NULL, 0, false);
}

ssize_t ff_sendto(int s, const void *buf, size_t len, int flags, const struct linux_sockaddr *to, socklen_t tolen)
{
    return send_one(s, buf, len, flags, to, tolen, false);
}

ssize_t ff_writev(int fd, const struct iovec *iov, int iovcnt)
{
    struct io_op a = {.op.fd = fd, .iov = iov, .cnt = iovcnt, .plain = true};
    int err = iov_check(iov, iovcnt, &a.total);

    return (ssize_t)api_ret(err != 0 ? err : api_call(&a.op, do_send));
}

/* The vector of a message: too many entries have an errno of their own. */
static int msg_check(const struct msghdr *msg, size_t *total)
{
    if (msg == NULL)
        return -EFAULT;
    if (msg->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    return iov_check(msg->msg_iov, (int)msg->msg_iovlen, total);
}

ssize_t ff_sendmsg(int s, const struct msghdr *msg, int flags)
{
    struct io_op a = {.op.fd = s, .flags = flags};
    int err = msg_check(msg, &a.total);

    if (err != 0)
        return (ssize_t)api_ret(err);
    if (msg->msg_controllen != 0) {
        if (msg->msg_control == NULL)
            return (ssize_t)api_ret(-EFAULT);
        a.ctl = msg;
    }
    a.iov = msg->msg_iov;
    a.cnt = (int)msg->msg_iovlen;
    a.has_addr = msg->msg_name != NULL;
    if (a.has_addr)
        a.addr_err = addr_in(msg->msg_name, msg->msg_namelen, &a.to);
    return (ssize_t)api_ret(api_call(&a.op, do_send));
}

/* receiving ---------------------------------------------------------------------------------------------------- */

static int64_t recv_tcp(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    bool all = (a->flags & MSG_WAITALL) != 0 && (a->flags & (MSG_PEEK | MSG_OOB)) == 0;

    while (a->done < a->total) {
        struct iovec window[IOV_WINDOW];
        int cnt;
        const struct iovec *iov = io_rest(a, window, &cnt);
        ssize_t n;

        if (a->done != 0 && tcp_peek_error(sk->tcp) != 0)
            break; /* the next call reports it */
        n = tcp_recv_copy(s, sk->tcp, iov, cnt, a->flags & (MSG_PEEK | MSG_OOB | MSG_TRUNC));
        if (n == -EAGAIN && io_blocks(a, sk) && (a->flags & MSG_OOB) == 0)
            return api_wait(s, &a->op, api_timeo(sk->rcvtimeo_ns), a->done != 0 ? (int64_t)a->done : -EAGAIN);
        if (n <= 0)
            return a->done != 0 ? (int64_t)a->done : n;
        a->done += (size_t)n;
        if (!all)
            break;
    }
    return (int64_t)a->done;
}

/* The address of ours that an answer to a datagram should come from: where it went, or one of the interface that a group came to. */
static struct inaddr answer_source(const struct z_stack *s, const struct udp_info *in)
{
    const struct netif *nif = s->netif[in->ifindex - 1];

    if (!inaddr_is_v4(&in->dst) || !ip_is_group(s, &in->dst))
        return in->dst;
    return nif->n_addrs != 0 ? inaddr_v4(nif->addr[0].addr) : INADDR_ANY_V4;
}

static int64_t recv_udp(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    int flags = a->flags & (MSG_PEEK | MSG_TRUNC);
    ssize_t n;

    if (a->total != 0 && a->cnt == 1 && a->iov->iov_base == NULL)
        return -EFAULT; /* only a stream discards without a buffer */
    n = udp_recvfrom(s, sk->udp, a->iov, a->cnt, &flags, &a->info);
    if (n == -EAGAIN && io_blocks(a, sk))
        return api_wait(s, &a->op, api_timeo(sk->rcvtimeo_ns), -EAGAIN);
    if (n >= 0 && a->info.ifindex != 0) { /* not the end that shutdown made */
        a->has_addr = true;
        a->out_flags = flags & MSG_TRUNC;
        a->inet6 = sk->inet6;
        a->wants = udp_recv_wants(sk->udp);
        a->spec = answer_source(s, &a->info);
    }
    return n;
}

/* A report about a datagram that was sent (ip(7) IP_RECVERR). There is none of a stream. Nobody waits for one. */
static int64_t recv_error(struct z_stack *s, struct sock *sk, struct io_op *a)
{
    int flags;
    ssize_t n = sk->kind == SOCK_UDP ? udp_recv_error(s, sk->udp, a->iov, a->cnt, &flags, &a->error) : -EAGAIN;

    if (n < 0)
        return n;
    a->is_error = a->has_addr = true;
    a->inet6 = sk->inet6;
    a->out_flags = flags | MSG_ERRQUEUE;
    a->info = (struct udp_info){.src = a->error.dst, .sport = a->error.dport};
    a->wants = udp_recv_wants(sk->udp);
    a->spec = INADDR_ANY_V4; /* as Linux: nobody answers a report */
    return n;
}

static int64_t do_recv(struct z_stack *s, struct api_op *op)
{
    struct io_op *a = (struct io_op *)op;
    int err;
    struct sock *sk = io_sock(s, a, &err);

    if (sk == NULL)
        return err;
    if (a->addr_err != 0)
        return a->addr_err;
    if (unlikely((a->flags & MSG_ERRQUEUE) != 0))
        return recv_error(s, sk, a);
    if (sk->kind == SOCK_TCP)
        return recv_tcp(s, sk, a);
    if (a->plain && a->total == 0)
        return 0; /* read(2) of nothing takes no datagram */
    return recv_udp(s, sk, a);
}

static ssize_t recv_one(int fd, void *buf, size_t n, int flags, struct linux_sockaddr *from, socklen_t *fromlen, bool plain)
{
    struct iovec iov;
    struct io_op a = {.op.fd = fd, .flags = flags, .iov = &iov, .cnt = 1, .plain = plain};
    int err = one_iov(&iov, buf, n);
    ssize_t r;

    if (err != 0 && (flags & MSG_TRUNC) == 0)
        return (ssize_t)api_ret(err);
    a.total = iov.iov_len;
    a.addr_err = addr_out_check(from, fromlen);
    r = (ssize_t)api_ret(api_call(&a.op, do_recv));
    if (r >= 0 && from != NULL) {
        if (a.has_addr)
            addr_out(from, fromlen, a.inet6, &a.info.src, a.info.sport);
        else
            *fromlen = 0; /* a stream has no address per read */
    }
    return r;
}

ssize_t ff_read(int fd, void *buf, size_t nbytes)
{
    return recv_one(fd, buf, nbytes, 0, NULL, NULL, true);
}

ssize_t ff_recv(int s, void *buf, size_t len, int flags)
{
    return recv_one(s, buf, len, flags, NULL, NULL, false);
}

ssize_t ff_recvfrom(int s, void *buf, size_t len, int flags, struct linux_sockaddr *from, socklen_t *fromlen)
{
    return recv_one(s, buf, len, flags, from, fromlen, false);
}

ssize_t ff_readv(int fd, const struct iovec *iov, int iovcnt)
{
    struct io_op a = {.op.fd = fd, .iov = iov, .cnt = iovcnt, .plain = true};
    int err = iov_check(iov, iovcnt, &a.total);

    return (ssize_t)api_ret(err != 0 ? err : api_call(&a.op, do_recv));
}

ssize_t ff_recvmsg(int s, struct msghdr *msg, int flags)
{
    struct io_op a = {.op.fd = s, .flags = flags};
    int err = msg_check(msg, &a.total);
    ssize_t r;

    if (err != 0)
        return (ssize_t)api_ret(err);
    if (msg->msg_name != NULL && (int)msg->msg_namelen < 0)
        return (ssize_t)api_ret(-EINVAL);
    a.iov = msg->msg_iov;
    a.cnt = (int)msg->msg_iovlen;
    r = (ssize_t)api_ret(api_call(&a.op, do_recv));
    if (r < 0)
        return r;
    if (msg->msg_name != NULL && a.has_addr)
        addr_out(msg->msg_name, &msg->msg_namelen, a.inet6, &a.info.src, a.info.sport);
    else
        msg->msg_namelen = 0;
    if (a.is_error)
        a.out_flags |= cmsg_write_error(msg, a.wants, a.inet6, &a.error, &a.spec);
    else if (a.wants != 0)
        a.out_flags |= cmsg_write(msg, a.wants, &a.info, &a.spec);
    else
        msg->msg_controllen = 0;
    msg->msg_flags = a.out_flags | (flags & MSG_OOB);
    return r;
}
