/* Waiting: the part of every blocking call, and the calls that only wait. */
#include <string.h>

#include "api/addr.h"
#include "api/api.h"
#include "sock/event.h"
#pragma GCC visibility push(default)
#include "zstack/ff_epoll.h"
#pragma GCC visibility pop

#include "base/poison.h"

int64_t api_wait(struct z_stack *s, struct api_op *op, uint64_t timeout_ns, int64_t otherwise)
{
    op->otherwise = otherwise;
    if (op->at_once || (s->in_app && !s->conf.wait_in_run))
        return otherwise; /* and no reading of the clock at every look of an idle application */
    if (!op->waiting) {
        uint64_t now_ns = port_clock_ns();

        op->waiting = true;
        op->deadline_ns = timeout_ns < NS_NEVER - now_ns ? now_ns + timeout_ns : NS_NEVER;
    }
    return s->now_ns >= op->deadline_ns ? otherwise : API_WAIT;
}

int64_t api_interrupt(struct z_stack *s, struct api_op *op)
{
    int64_t r;

    op->deadline_ns = 0;
    r = op->fn(s, op);
    return r == op->otherwise && r <= 0 ? -EINTR : r;
}

static int64_t call_blocked(struct api_core *c, struct api_op *op)
{
    struct z_stack *s = c->stack;
    int64_t r = API_WAIT;

    if (!api_can_poll(c)) {
        op->deadline_ns = 0;
        return op->fn(s, op);
    }
    while (r == API_WAIT) {
        unsigned n;

        if (__atomic_load_n(&api.stop, __ATOMIC_RELAXED))
            return api_interrupt(s, op);
        n = api_turn(c);
        if (unlikely(!api_is_owner())) /* the turn ended the stack */
            return -EBADF;
        r = op->fn(s, op);
        if (r == API_WAIT)
            api_idle(c, n, op->deadline_ns, false, &api.stop);
    }
    c->progress |= (uint64_t)(r > 0);
    return r;
}

/* Calls in a row that would have blocked before one of them turns the stack. */
#define AGAIN_TURN 16u

/* A loop of non-blocking calls that never waits would otherwise try for ever: nothing would move. r: the result without a turn. */
static int64_t call_again(struct api_core *c, struct api_op *op, int64_t r)
{
    if (++c->again < AGAIN_TURN || !api_can_poll(c))
        return r;
    api_turn(c);
    return api_is_owner() ? op->fn(c->stack, op) : -EBADF;
}

int64_t api_call_failed(struct api_core *c, struct api_op *op, int64_t r)
{
    if (r == -EAGAIN || r == -EALREADY)
        r = call_again(c, op, r);
    if (r == API_WAIT)
        return call_blocked(c, op);
    if (r == -EBADF && sock_fd_elsewhere(c->stack, op->fd))
        return api_call_foreign(op);
    return r;
}

/* A call that waits for events polls once in any case, or an application whose sockets are always ready starves its stack. */
static int64_t call_wait(struct api_op *op, api_fn fn)
{
    op->waiting = false;
    if (api_is_owner() && api_can_poll(api_here))
        api_turn(api_here);
    return api_ret(api_call(op, fn));
}

/* n events: a result, or wait on. */
static int64_t events_or_wait(struct z_stack *s, struct api_op *op, uint64_t timeout_ns, int64_t n)
{
    if (n != 0 || timeout_ns == 0)
        return n;
    return api_wait(s, op, timeout_ns, 0);
}

static uint64_t timeout_from_ms(int ms)
{
    return ms < 0 ? NS_NEVER : (unsigned)ms * NS_PER_MS;
}

/* poll --------------------------------------------------------------------------------------------------------- */

struct poll_op {
    struct api_op op;
    struct pollfd *fds;
    nfds_t n;
    uint64_t timeout_ns;
};

static int64_t do_poll(struct z_stack *s, struct api_op *op)
{
    struct poll_op *a = (struct poll_op *)op;

    if (unlikely(sock_fd_elsewhere(s, op->fd)))
        return -EBADF;
    return events_or_wait(s, op, a->timeout_ns, poll_collect(s, a->fds, a->n));
}

int ff_poll(struct pollfd fds[], nfds_t nfds, int timeout)
{
    struct poll_op a = {.fds = fds, .n = nfds, .timeout_ns = timeout_from_ms(timeout)};

    if (fds == NULL && nfds != 0)
        return (int)api_ret(-EFAULT);
    a.op.fd = -1;
    for (nfds_t i = 0; i < nfds && a.op.fd < 0; i++)
        a.op.fd = fds[i].fd; /* all are looked for where the first one is */
    return (int)call_wait(&a.op, do_poll);
}

/* select ------------------------------------------------------------------------------------------------------- */

struct select_op {
    struct api_op op;
    int nfds;
    fd_set *user[3]; /* read, write, except: results */
    fd_set asked[3];
    uint64_t timeout_ns;
};

static int64_t do_select(struct z_stack *s, struct api_op *op)
{
    struct select_op *a = (struct select_op *)op;

    if (unlikely(sock_fd_elsewhere(s, op->fd)))
        return -EBADF;
    for (int i = 0; i < 3; i++)
        if (a->user[i] != NULL)
            *a->user[i] = a->asked[i];
    return events_or_wait(s, op, a->timeout_ns, select_collect(s, a->nfds, a->user[0], a->user[1], a->user[2]));
}

/* The first descriptor that is asked for: all are looked for where that one is. */
static int lowest(const struct select_op *a)
{
    for (int fd = 0; fd < a->nfds; fd++)
        for (int i = 0; i < 3; i++)
            if (a->user[i] != NULL && FD_ISSET(fd, &a->asked[i]))
                return fd;
    return -1;
}

int ff_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout)
{
    struct select_op a = {.nfds = nfds, .user = {readfds, writefds, exceptfds}, .timeout_ns = NS_NEVER};

    if (nfds < 0 || nfds > FD_SETSIZE || (timeout != NULL && time_from_timeval(timeout, &a.timeout_ns) != 0))
        return (int)api_ret(-EINVAL);
    for (int i = 0; i < 3; i++)
        if (a.user[i] != NULL)
            a.asked[i] = *a.user[i];
    a.op.fd = lowest(&a);
    return (int)call_wait(&a.op, do_select);
}

/* kqueue ------------------------------------------------------------------------------------------------------- */

struct kevent_op {
    struct api_op op;
    const struct kevent *changes;
    int n_changes;
    struct kevent *events;
    int n_events;
    uint64_t timeout_ns;
};

static int64_t do_kevent(struct z_stack *s, struct api_op *op)
{
    struct kevent_op *a = (struct kevent_op *)op;
    struct sock *sk = api_sock(s, op, op->fd);
    int n;

    if (sk == NULL || sk->kind != SOCK_KQUEUE)
        return -EBADF;
    n = kqueue_kevent(s, sk->kq, a->changes, a->n_changes, a->events, a->n_events);
    a->n_changes = 0; /* applied once */
    return a->n_events == 0 ? n : events_or_wait(s, op, a->timeout_ns, n);
}

int ff_kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist, int nevents, const struct timespec *timeout)
{
    struct kevent_op a = {
        .op.fd = kq, .changes = changelist, .n_changes = nchanges, .events = eventlist, .n_events = nevents, .timeout_ns = NS_NEVER};

    if (nchanges < 0 || nevents < 0 || (timeout != NULL && time_from_timespec(timeout, &a.timeout_ns) != 0))
        return (int)api_ret(-EINVAL);
    if ((changelist == NULL && nchanges != 0) || (eventlist == NULL && nevents != 0))
        return (int)api_ret(-EFAULT);
    if (nevents == 0) /* only changes: no reason to poll */
        return (int)api_ret(api_call(&a.op, do_kevent));
    return (int)call_wait(&a.op, do_kevent);
}

#define DO_EACH_MAX 512

int ff_kevent_do_each(int kq, const struct kevent *changelist, int nchanges, void *eventlist, int nevents, const struct timespec *timeout,
                      void (*do_each)(void **, struct kevent *))
{
    struct kevent events[DO_EACH_MAX];
    void *cursor = eventlist;
    int n;

    if (do_each == NULL && nevents != 0)
        return (int)api_ret(-EFAULT);
    n = ff_kevent(kq, changelist, nchanges, events, MIN(nevents, DO_EACH_MAX), timeout);
    for (int i = 0; i < n; i++)
        do_each(&cursor, &events[i]);
    return n;
}

/* epoll -------------------------------------------------------------------------------------------------------- */

struct epoll_op {
    struct api_op op;
    int how, fd;
    const struct epoll_event *ev;
    struct epoll_event *events;
    int max;
    uint64_t timeout_ns;
};

static struct sock *epoll_sock(struct z_stack *s, struct api_op *op, int fd, int *err)
{
    struct sock *sk = api_sock(s, op, fd);

    *err = sk == NULL ? -EBADF : -EINVAL;
    return sk != NULL && sk->kind == SOCK_EPOLL ? sk : NULL;
}

static int64_t do_epoll_ctl(struct z_stack *s, struct api_op *op)
{
    struct epoll_op *a = (struct epoll_op *)op;
    int err;
    struct sock *sk = epoll_sock(s, op, op->fd, &err);

    return sk == NULL ? err : epoll_set_ctl(s, sk->ep, a->how, a->fd, a->ev);
}

int ff_epoll_ctl(int epfd, int how, int fd, struct epoll_event *event)
{
    struct epoll_op a = {.op.fd = epfd, .how = how, .fd = fd, .ev = event};

    if (event == NULL && how != EPOLL_CTL_DEL)
        return (int)api_ret(-EFAULT);
    return (int)api_ret(api_call(&a.op, do_epoll_ctl));
}

static int64_t do_epoll_wait(struct z_stack *s, struct api_op *op)
{
    struct epoll_op *a = (struct epoll_op *)op;
    int err;
    struct sock *sk = epoll_sock(s, op, op->fd, &err);

    return sk == NULL ? err : events_or_wait(s, op, a->timeout_ns, epoll_set_collect(s, sk->ep, a->events, a->max));
}

int ff_epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
    struct epoll_op a = {.op.fd = epfd, .events = events, .max = maxevents, .timeout_ns = timeout_from_ms(timeout)};

    if (maxevents <= 0)
        return (int)api_ret(-EINVAL);
    if (events == NULL)
        return (int)api_ret(-EFAULT);
    return (int)call_wait(&a.op, do_epoll_wait);
}
