/*
 * What the files of src/api share: the process's stack, who owns it, and how a call gets to it.
 *
 * Every public call packs its arguments in a struct that starts with a struct api_op, and a function
 *     static int64_t do_x(struct z_stack *s, struct api_op *op)
 * does it: on the spot when the caller owns the stack, else at the owner's next poll (mailbox.c). It returns a result or
 * -errno, or what api_wait() returns: then it is called again after each poll until it has a result or its deadline passed. It
 * never waits itself, so that a blocking call of one thread does not stop the others.
 */
#ifndef API_API_H
#define API_API_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"
#include "core/conf.h"
#include "core/stack.h"
#include "port/port.h"
#include "sock/sock.h"

#pragma GCC visibility push(default)
#include "zstack/ff_api.h"
#include "zstack/z_api.h"
#pragma GCC visibility pop

enum api_state {
    API_NEW,     /* before ff_init */
    API_RUNNING, /* there is a stack */
    API_STOPPED, /* drained: only buffers can still be freed */
    API_FORKED,  /* a child process: hands off */
};

struct api_runtime {
    struct z_stack *stack;
    const char *owner; /* atomic: &api_self of the thread that owns the stack; NULL unless API_RUNNING */
    int state;         /* atomic: enum api_state */
    uint32_t again;    /* calls since the last turn that would have blocked */
    bool in_turn;      /* the protocol is running: it may not be entered again */
    bool looping;      /* atomic: ff_run or the background thread polls */
    bool stop;         /* atomic: ff_stop_run was called */
    bool has_thread;   /* poll_thread=1 and ff_run did not take over */
    bool thread_stop;  /* atomic: the background thread shall hand the stack over */
    pthread_t thread;
    uint64_t hints_at_ns; /* api_hints is due */
    struct conf conf;
    cpu_set_t cores; /* of the process before ff_init bound a thread to its polling core */
};

extern struct api_runtime api;
extern __thread char api_self __attribute__((tls_model("initial-exec"))); /* its address names the thread */

struct api_op;
typedef int64_t (*api_fn)(struct z_stack *s, struct api_op *op);

struct api_op {
    api_fn fn;
    uint64_t deadline_ns;
    int64_t otherwise; /* result when the wait is over without one */
    bool waiting;      /* asked to be called again: not the first time */
    uint64_t serial;   /* of the sock that the call is about: api_sock */
};

/* "Call me again": no result or errno has this value. */
#define API_WAIT INT64_MIN

static inline int api_get_state(void)
{
    return __atomic_load_n(&api.state, __ATOMIC_ACQUIRE);
}

static inline bool api_is_owner(void)
{
    return likely(__atomic_load_n(&api.owner, __ATOMIC_RELAXED) == &api_self);
}

/* May the owner's thread poll here? Not inside a poll, nor inside the callback of ff_run unless configured. */
static inline bool api_can_poll(const struct z_stack *s)
{
    return !api.in_turn && (!s->in_app || s->conf.wait_in_run);
}

/*
 * For a do_x that has no result yet: waits up to timeout_ns from the first time (NS_NEVER: no limit), then the result is
 * otherwise, which is also the result where waiting is not possible.
 */
int64_t api_wait(struct z_stack *s, struct api_op *op, uint64_t timeout_ns, int64_t otherwise);

/* The end of a wait, by ff_stop_run: the result so far, or -EINTR. */
int64_t api_interrupt(struct z_stack *s, struct api_op *op);

/* The slow ends of api_call: waits on the owner's thread; goes through the mailbox. */
int64_t api_call_blocked(struct z_stack *s, struct api_op *op);
int64_t api_call_foreign(struct api_op *op);
int64_t api_call_again(struct z_stack *s, struct api_op *op); /* it would have blocked */

static inline int64_t api_call(struct api_op *op, api_fn fn)
{
    int64_t r;

    op->fn = fn;
    if (unlikely(!api_is_owner()))
        return api_call_foreign(op);
    r = fn(api.stack, op);
    if (unlikely(r == -EAGAIN || r == -EALREADY))
        return api_call_again(api.stack, op);
    return likely(r != API_WAIT) ? r : api_call_blocked(api.stack, op);
}

/* A result as POSIX calls return it. */
static inline int64_t api_ret(int64_t r)
{
    if (likely(r >= 0))
        return r;
    errno = (int)-r;
    return -1;
}

/* loop.c */
unsigned api_turn(struct z_stack *s); /* one whole turn; only where api_can_poll(), or from the loops themselves */
struct api_idle {
    uint32_t turns; /* without work, in a row */
};
void api_idle(struct z_stack *s, struct api_idle *idle, unsigned moved, uint64_t deadline_ns);

/* Tells the operator, on standard error, what is wrong with the network around us, and which limits were reached. */
void api_hints(const struct z_stack *s);
void api_thread_run(void); /* the calling thread polls until ff_stop_run, or until ff_run takes over */
void api_own_here(void);   /* the calling thread is the owner from here on */

/* mailbox.c */
unsigned mailbox_run(struct z_stack *s); /* owner: calls whose turn it is; how many finished */
void mailbox_close(void);                /* owner: all calls end with EBADF */

/* zc_return.c: buffers lent by the stack and freed by other threads */
int zc_return_init(void);
void zc_return_put(struct rte_mbuf *m /* one holder consumed */);
unsigned zc_return_run(struct z_stack *s);

/* exit.c */
int api_exit_init(void);
void api_drain(struct z_stack *s); /* delivers what is queued, or gives up; ends the stack */

/* A write outside the application's turn of ff_run, on a connection that had nothing queued, leaves at once. */
void api_push(struct z_stack *s, struct tcp_conn *tc);
static inline bool api_pushes(const struct z_stack *s)
{
    return !s->in_app && !api.in_turn;
}

/*
 * The sock of a descriptor, or NULL. A call that waits stays with the sock that it began with: when that was closed meanwhile
 * its descriptor is bad, whoever has the number now.
 */
static inline struct sock *api_sock(const struct z_stack *s, struct api_op *op, int fd)
{
    struct sock *sk = sock_get(s, fd);

    if (unlikely(sk == NULL || (op->waiting && sk->serial != op->serial)))
        return NULL;
    op->serial = sk->serial;
    return sk;
}

/* The TCP connection of a descriptor, or NULL and *err: EBADF, ENOTSOCK (kqueue, epoll), EOPNOTSUPP (UDP). And the UDP socket. */
struct sock *api_tcp_sock(const struct z_stack *s, struct api_op *op, int fd, int *err);
struct sock *api_udp_sock(const struct z_stack *s, struct api_op *op, int fd, int *err);

/* A timeout in a sock (0: none) as api_wait wants it. */
static inline uint64_t api_timeo(uint64_t ns)
{
    return ns == 0 ? NS_NEVER : ns;
}

#endif
