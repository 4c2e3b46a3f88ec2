/* ioctl, fcntl and the options that belong to the descriptor rather than to its protocol. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <string.h>

#include "api/addr.h"
#include "api/api.h"
#include "api/if_ioctl.h"

#include "base/poison.h"

struct opt_op {
    struct api_op op;
    int level, name;
    unsigned long request;
    void *arg;
    const void *in;
    int value;
    socklen_t len;
};

/* ioctl -------------------------------------------------------------------------------------------------------- */

static int set_nonblock(struct sock *sk, bool on)
{
    sk->nonblock = on;
    sk->accept_inherits = on;
    return 0;
}

static int64_t ioctl_int(struct z_stack *s, struct sock *sk, unsigned long request, int *out)
{
    (void)s;
    switch (request) {
    case FIONREAD:
        if (sk->kind == SOCK_TCP && tcp_is_listener(sk->tcp))
            return -EINVAL;
        if (sk->kind != SOCK_TCP && sk->kind != SOCK_UDP)
            return -ENOTTY;
        *out = (int)(sk->kind == SOCK_TCP ? tcp_rcv_avail(sk->tcp) : udp_rcv_avail(sk->udp));
        return 0;
    case SIOCATMARK:
        if (sk->kind != SOCK_TCP)
            return -ENOTTY;
        *out = tcp_at_mark(sk->tcp);
        return 0;
    case SIOCOUTQ:
        if (sk->kind == SOCK_TCP && tcp_is_listener(sk->tcp))
            return -EINVAL;
        if (sk->kind != SOCK_TCP && sk->kind != SOCK_UDP)
            return -ENOTTY;
        *out = sk->kind == SOCK_TCP ? (int)tcp_snd_queued(sk->tcp) : 0; /* datagrams leave at once */
        return 0;
    default:
        return -ENOTTY;
    }
}

static int64_t do_ioctl(struct z_stack *s, struct api_op *op)
{
    struct opt_op *a = (struct opt_op *)op;
    struct sock *sk = sock_get(s, op->fd);

    if (sk == NULL)
        return -EBADF;
    if (api_is_if_ioctl(a->request))
        return a->arg == NULL ? -EFAULT : api_if_ioctl(s, a->request, a->arg);
    if (a->request == FIOCLEX || a->request == FIONCLEX)
        return 0; /* no descriptor of ours survives an exec */
    if (a->request != FIONBIO && a->request != FIOASYNC)
        return a->arg == NULL ? -EFAULT : ioctl_int(s, sk, a->request, a->arg);
    if (a->arg == NULL)
        return -EFAULT;
    if (a->request == FIONBIO)
        return set_nonblock(sk, *(const int *)a->arg != 0);
    return *(const int *)a->arg == 0 ? 0 : -EOPNOTSUPP; /* SIGIO is not sent */
}

int ff_ioctl(int fd, unsigned long request, ...)
{
    struct opt_op a = {.op.fd = fd, .request = request};
    va_list ap;

    va_start(ap, request);
    a.arg = va_arg(ap, void *);
    va_end(ap);
    return (int)api_ret(api_call(&a.op, do_ioctl));
}

/* fcntl -------------------------------------------------------------------------------------------------------- */

static int dup_from(struct z_stack *s, int fd, int lowest)
{
    if (lowest < 0 || lowest > sock_max_fd(s))
        return -EINVAL;
    if (lowest <= sock_first_fd(s))
        return sock_dup(s, fd);
    for (int newfd = lowest; newfd <= sock_max_fd(s); newfd++) {
        int r = sock_fd_used(s, newfd) ? -EBADF : sock_dup2(s, fd, newfd);

        if (r >= 0)
            return r;
    }
    return -EMFILE;
}

static int64_t do_fcntl(struct z_stack *s, struct api_op *op)
{
    struct opt_op *a = (struct opt_op *)op;
    struct sock *sk = sock_get(s, op->fd);

    if (sk == NULL)
        return -EBADF;
    switch (a->name) {
    case F_GETFL:
        return O_RDWR | (sk->nonblock ? O_NONBLOCK : 0);
    case F_SETFL:
        return set_nonblock(sk, (a->value & O_NONBLOCK) != 0);
    case F_GETFD:
        return FD_CLOEXEC;
    case F_SETFD:
        return 0;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return dup_from(s, op->fd, a->value);
    default:
        return -EINVAL;
    }
}

int ff_fcntl(int fd, int cmd, ...)
{
    struct opt_op a = {.op.fd = fd, .name = cmd};
    va_list ap;

    va_start(ap, cmd);
    a.value = va_arg(ap, int);
    va_end(ap);
    return (int)api_ret(api_call(&a.op, do_fcntl));
}

/* socket options ----------------------------------------------------------------------------------------------- */

static bool is_timeout(int name)
{
    return name == SO_RCVTIMEO || name == SO_SNDTIMEO;
}

static int set_timeout(struct sock *sk, int name, const void *val, socklen_t len)
{
    struct timeval tv;
    uint64_t ns;

    if (len < sizeof(tv))
        return -EINVAL;
    memcpy(&tv, val, sizeof(tv));
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
        return -EDOM;
    if (tv.tv_sec < 0)
        ns = 1; /* as Linux: does not wait */
    else
        time_from_timeval(&tv, &ns);
    *(name == SO_RCVTIMEO ? &sk->rcvtimeo_ns : &sk->sndtimeo_ns) = ns;
    return 0;
}

static int64_t do_setsockopt(struct z_stack *s, struct api_op *op)
{
    struct opt_op *a = (struct opt_op *)op;
    struct sock *sk = sock_get(s, op->fd);

    if (sk == NULL)
        return -EBADF;
    if (sk->kind != SOCK_TCP && sk->kind != SOCK_UDP)
        return -ENOTSOCK;
    if ((int)a->len < 0)
        return -EINVAL;
    if (a->in == NULL)
        return -EFAULT;
    if (a->level == SOL_SOCKET) {
        if (is_timeout(a->name))
            return set_timeout(sk, a->name, a->in, a->len);
        if (a->name == SO_TYPE || a->name == SO_ERROR || a->name == SO_DOMAIN || a->name == SO_PROTOCOL || a->name == SO_ACCEPTCONN)
            return -ENOPROTOOPT;
    }
    if (a->level == IPPROTO_IPV6 && !sk->inet6)
        return -ENOPROTOOPT;
    if (sk->kind == SOCK_TCP)
        return tcp_setopt(s, sk->tcp, a->level, a->name, a->in, a->len);
    return udp_setopt(s, sk->udp, a->level, a->name, a->in, a->len);
}

int ff_setsockopt(int s, int level, int optname, const void *optval, socklen_t optlen)
{
    struct opt_op a = {.op.fd = s, .level = level, .name = optname, .in = optval, .len = optlen};

    return (int)api_ret(api_call(&a.op, do_setsockopt));
}

static void give(struct opt_op *a, const void *val, socklen_t len)
{
    a->len = MIN(a->len, len);
    memcpy(a->arg, val, a->len);
}

static void give_timeout(struct opt_op *a, uint64_t ns)
{
    struct timeval tv = {.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_usec = (suseconds_t)(ns % NS_PER_SEC / NS_PER_US)};

    give(a, &tv, sizeof(tv));
}

/* Options of every socket. False: the protocol's. */
static bool get_generic(struct sock *sk, struct opt_op *a)
{
    bool tcp = sk->kind == SOCK_TCP;
    int v;

    switch (a->name) {
    case SO_RCVTIMEO:
        give_timeout(a, sk->rcvtimeo_ns);
        return true;
    case SO_SNDTIMEO:
        give_timeout(a, sk->sndtimeo_ns);
        return true;
    case SO_TYPE:
        v = tcp ? SOCK_STREAM : udp_is_raw(sk->udp) ? SOCK_RAW : SOCK_DGRAM;
        break;
    case SO_ERROR:
        v = tcp ? tcp_take_error(sk->tcp) : udp_take_error(sk->udp);
        break;
    case SO_DOMAIN:
        v = sk->inet6 ? AF_INET6 : AF_INET;
        break;
    case SO_PROTOCOL:
        v = tcp ? IPPROTO_TCP : udp_proto(sk->udp);
        break;
    case SO_ACCEPTCONN:
        v = tcp && tcp_is_listener(sk->tcp);
        break;
    default:
        return false;
    }
    give(a, &v, sizeof(v));
    return true;
}

static int64_t do_getsockopt(struct z_stack *s, struct api_op *op)
{
    struct opt_op *a = (struct opt_op *)op;
    struct sock *sk = sock_get(s, op->fd);

    if (sk == NULL)
        return -EBADF;
    if (sk->kind != SOCK_TCP && sk->kind != SOCK_UDP)
        return -ENOTSOCK;
    if (a->value != 0)
        return a->value;
    if (a->level == SOL_SOCKET && get_generic(sk, a))
        return 0;
    if (a->level == IPPROTO_IPV6 && !sk->inet6)
        return -EOPNOTSUPP;
    if (sk->kind == SOCK_TCP)
        return tcp_getopt(s, sk->tcp, a->level, a->name, a->arg, &a->len);
    return udp_getopt(s, sk->udp, a->level, a->name, a->arg, &a->len);
}

int ff_getsockopt(int s, int level, int optname, void *optval, socklen_t *optlen)
{
    struct opt_op a = {.op.fd = s, .level = level, .name = optname, .arg = optval};
    int r;

    if (optlen == NULL || optval == NULL)
        a.value = -EFAULT;
    else if ((int)*optlen < 0)
        a.value = -EINVAL;
    else
        a.len = *optlen;
    r = (int)api_ret(api_call(&a.op, do_getsockopt));
    if (r == 0)
        *optlen = a.len;
    return r;
}
