/* Datagrams in and out without a copy: z_recvfrom, z_sendto. */
#include <sys/socket.h>

#include "api/addr.h"
#include "api/zc.h"

#include "base/poison.h"

struct dgram_op {
    struct api_op op;
    int flags;
    size_t n;
    struct rte_mbuf *m;
    bool has_addr, inet6;
    int addr_err;
    struct api_addr to;
    struct udp_info info;
};

static bool dgram_blocks(const struct dgram_op *a, const struct sock *sk)
{
    return !sk->nonblock && (a->flags & MSG_DONTWAIT) == 0;
}

/* Of UDP alone: messages of ICMP are completed by the stack, and are nothing for large buffers. */
static struct sock *udp_sock(struct z_stack *s, struct api_op *op, int *err)
{
    struct sock *sk = api_udp_sock(s, op, op->fd, err);

    if (sk == NULL || udp_proto(sk->udp) == IPPROTO_UDP)
        return sk;
    *err = -EOPNOTSUPP;
    return NULL;
}

/* The datagram is taken or not as a whole: on an error the buffer is as it was. */
static int64_t do_sendto(struct z_stack *s, struct api_op *op)
{
    struct dgram_op *a = (struct dgram_op *)op;
    struct udp_dest to = UDP_DEST_INIT;
    struct udp_sending w;
    int err;
    struct sock *sk = udp_sock(s, op, &err);

    if (sk == NULL)
        return err;
    if (a->has_addr) {
        err = a->addr_err != 0 ? a->addr_err : addr_for_sock(&a->to, sk->inet6, true, ADDR_SEND, s->n_netifs);
        if (err != 0)
            return err;
        to.addr = &a->to.a;
        to.port = a->to.port;
    }
    err = udp_send_ready(s, sk->udp, a->m, a->flags, &to, &w);
    if (err == -EAGAIN && dgram_blocks(a, sk))
        return api_wait(s, op, api_timeo(sk->sndtimeo_ns), -EAGAIN);
    if (err != 0)
        return err;
    zc_leave_application(s, a->m);
    udp_send_take(s, sk->udp, a->m, &w);
    if (api_pushes(s))
        stack_flush(s);
    return (int64_t)a->n;
}

ssize_t z_sendto(int fd, struct z_buf *b, size_t n, int flags, const struct linux_sockaddr *to, unsigned tolen)
{
    struct dgram_op a = {.op.fd = fd, .flags = flags, .n = n, .m = zc_mbuf(b), .has_addr = to != NULL};

    if (b == NULL)
        return (ssize_t)api_ret(-EFAULT);
    if (zc_hands_off())
        return (ssize_t)api_ret(-EBADF);
    if (zc_seal(a.m) != n)
        return (ssize_t)api_ret(-EINVAL);
    if (to != NULL)
        a.addr_err = addr_in(to, tolen, &a.to);
    zc_settle(fd, a.m);
    return (ssize_t)api_ret(api_call(&a.op, do_sendto));
}

static int64_t do_recvfrom(struct z_stack *s, struct api_op *op)
{
    struct dgram_op *a = (struct dgram_op *)op;
    int err, flags = a->flags & MSG_TRUNC;
    struct sock *sk = udp_sock(s, op, &err);
    ssize_t r;

    if (sk == NULL)
        return err;
    if (a->addr_err != 0)
        return a->addr_err;
    if ((a->flags & (MSG_PEEK | MSG_OOB)) != 0)
        return -EOPNOTSUPP; /* nobody may hold what stays in the queue */
    a->inet6 = sk->inet6;
    r = udp_recv_ref(s, sk->udp, a->n, &flags, &a->info, &a->m);
    if (r == -EAGAIN && dgram_blocks(a, sk))
        return api_wait(s, op, api_timeo(sk->rcvtimeo_ns), -EAGAIN);
    return r;
}

ssize_t z_recvfrom(int fd, struct z_buf **b, size_t n, int flags, struct linux_sockaddr *from, unsigned *fromlen)
{
    struct dgram_op a = {.op.fd = fd, .flags = flags, .n = n, .addr_err = addr_out_check(from, fromlen)};
    ssize_t r;

    if (b == NULL)
        return (ssize_t)api_ret(-EFAULT);
    *b = NULL;
    if (n == 0)
        return (ssize_t)api_ret(-EINVAL);
    r = (ssize_t)api_ret(api_call(&a.op, do_recvfrom));
    *b = zc_handle(a.m);
    if (r < 0 || from == NULL)
        return r;
    if (a.info.ifindex != 0)
        addr_out(from, fromlen, a.inet6, &a.info.src, a.info.sport);
    else
        *fromlen = 0; /* the end that shutdown made */
    return r;
}
