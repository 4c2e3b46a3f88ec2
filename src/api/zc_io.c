/* Buffers in and out of connections: z_read, z_write and their vectors. */
#include "api/zc.h"

#include "base/poison.h"

struct zio_op {
    struct api_op op;
    int cnt, done;
    size_t n;
    struct rte_mbuf *m;
    struct z_buf **vec;
};

/* reading ------------------------------------------------------------------------------------------------------ */

static int64_t or_wait(struct z_stack *s, const struct sock *sk, struct api_op *op, int64_t r, uint64_t timeo_ns)
{
    return r != -EAGAIN || sk->nonblock ? r : api_wait(s, op, api_timeo(timeo_ns), -EAGAIN);
}

static int64_t read_wait(struct z_stack *s, const struct sock *sk, struct api_op *op, int64_t r)
{
    return or_wait(s, sk, op, r, sk->rcvtimeo_ns);
}

static int64_t do_read(struct z_stack *s, struct api_op *op)
{
    struct zio_op *a = (struct zio_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);

    return sk == NULL ? err : read_wait(s, sk, op, tcp_recv_ref(s, sk->tcp, a->n, &a->m));
}

ssize_t z_read(int fd, void **b, size_t n)
{
    struct zio_op a = {.op.fd = fd, .n = n};
    ssize_t r;

    if (b == NULL)
        return (ssize_t)api_ret(-EFAULT);
    *b = NULL;
    if (n == 0)
        return (ssize_t)api_ret(-EINVAL);
    r = (ssize_t)api_ret(api_call(&a.op, do_read));
    *b = a.m;
    return r;
}

static int64_t do_readv(struct z_stack *s, struct api_op *op)
{
    struct zio_op *a = (struct zio_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);

    if (sk == NULL)
        return err;
    while (a->done < a->cnt) {
        struct rte_mbuf *m = NULL;
        int64_t r;

        if (a->done != 0 && (tcp_rcv_avail(sk->tcp) == 0 || tcp_peek_error(sk->tcp) != 0))
            break; /* end of file and errors are for the next call */
        r = tcp_recv_ref(s, sk->tcp, PKT_BUF_MAX, &m);
        if (r <= 0)
            return a->done != 0 ? a->done : read_wait(s, sk, op, r);
        a->vec[a->done++] = zc_handle(m);
    }
    return a->done;
}

int z_readv(int fd, struct z_buf *b[], int cnt)
{
    struct zio_op a = {.op.fd = fd, .vec = b, .cnt = cnt};

    if (cnt <= 0)
        return (int)api_ret(-EINVAL);
    if (b == NULL)
        return (int)api_ret(-EFAULT);
    return (int)api_ret(api_call(&a.op, do_readv));
}

/* writing ------------------------------------------------------------------------------------------------------ */

/* All of the chain or nothing: 0, or -errno and the buffer is as it was. Nothing is sent yet. */
static int write_chain(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *m)
{
    int r = tcp_send_ready(s, tc, m);

    if (r != 0)
        return r;
    zc_leave_application(s, m); /* while its pieces can be walked: empty ones go at once, links are cut */
    tcp_send_take(s, tc, m);
    return 0;
}

static int64_t write_wait(struct z_stack *s, const struct sock *sk, struct api_op *op, int64_t r)
{
    return or_wait(s, sk, op, r, sk->sndtimeo_ns);
}

static int64_t do_write(struct z_stack *s, struct api_op *op)
{
    struct zio_op *a = (struct zio_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);
    bool was_idle;

    if (sk == NULL)
        return err;
    was_idle = api_pushes(s) && tcp_snd_queued(sk->tcp) == 0;
    err = write_chain(s, sk->tcp, a->m);
    if (err != 0)
        return write_wait(s, sk, op, err);
    if (was_idle)
        api_push(s, sk->tcp);
    return (int64_t)a->n;
}

ssize_t z_write(int fd, struct z_buf *b, size_t n)
{
    struct zio_op a = {.op.fd = fd, .m = zc_mbuf(b), .n = n};

    if (b == NULL)
        return (ssize_t)api_ret(-EFAULT);
    if (zc_hands_off())
        return (ssize_t)api_ret(-EBADF);
    if (n == 0 || zc_seal(a.m) != n)
        return (ssize_t)api_ret(-EINVAL);
    zc_settle(fd, a.m);
    return (ssize_t)api_ret(api_call(&a.op, do_write));
}

static int64_t do_writev(struct z_stack *s, struct api_op *op)
{
    struct zio_op *a = (struct zio_op *)op;
    int err;
    struct sock *sk = api_tcp_sock(s, op, op->fd, &err);
    bool was_idle;

    if (sk == NULL)
        return err;
    was_idle = api_pushes(s) && tcp_snd_queued(sk->tcp) == 0;
    err = 0;
    while (a->done < a->cnt && err == 0) {
        err = write_chain(s, sk->tcp, zc_mbuf(a->vec[a->done]));
        a->done += err == 0;
    }
    if (a->done == 0)
        return write_wait(s, sk, op, err);
    if (was_idle)
        api_push(s, sk->tcp);
    return a->done;
}

int z_writev(int fd, struct z_buf *b[], int cnt)
{
    struct zio_op a = {.op.fd = fd, .vec = b, .cnt = cnt};

    if (cnt <= 0)
        return (int)api_ret(-EINVAL);
    if (b == NULL)
        return (int)api_ret(-EFAULT);
    if (zc_hands_off())
        return (int)api_ret(-EBADF);
    for (int i = 0; i < cnt; i++) {
        if (b[i] == NULL)
            return (int)api_ret(-EFAULT);
        if (zc_seal(zc_mbuf(b[i])) == 0)
            return (int)api_ret(-EINVAL);
    }
    for (int i = 0; i < cnt; i++)
        zc_settle(fd, zc_mbuf(b[i]));
    return (int)api_ret(api_call(&a.op, do_writev));
}
