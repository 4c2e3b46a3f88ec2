/*
 * What the files of src/api share: the process's stacks, who owns each, and how a call gets to the right one.
 *
 * Every public call packs its arguments in a struct that starts with a struct api_op, and a function
 *     static int64_t do_x(struct z_stack *s, struct api_op *op)
 * does it: on the spot when the caller owns the stack, else at the owner's next poll (mailbox.c). It returns a result or
 * -errno, or what api_wait() returns: then it is called again after each poll until it has a result or its deadline passed. It
 * never waits itself, so that a blocking call of one thread does not stop the others.
 *
 * Which stack: that of the descriptor (op->fd), whose number names it; without one, the thread's own, or the first. A thread tries its
 * own stack: that refuses the numbers of others with EBADF before it does anything, and only then the call looks further.
 */
#ifndef API_API_H
#define API_API_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/mailbox.h"
#include "base/units.h"
#include "core/conf.h"
#include "core/idle.h"
#include "core/stack.h"
#include "mon/mon.h"
#include "port/port.h"
#include "port/sleep.h"
#include "sock/sock.h"

#pragma GCC visibility push(default)
#include "zstack/ff_api.h"
#include "zstack/z_api.h"
#pragma GCC visibility pop

enum api_state {
    API_NEW,     /* before ff_init */
    API_RUNNING, /* there are stacks */
    API_STOPPED, /* all are drained: only buffers can still be freed */
    API_FORKED,  /* a child process: hands off */
};

#define API_MAX_CORES 64u

/* A stack, who polls it, and what reaches it from other threads. */
struct api_core {
    struct z_stack *stack;
    const char *owner; /* atomic: &api_self of the thread that owns the stack; NULL: nobody does */
    uint16_t cpu;      /* on which it runs */
    uint16_t lender;   /* pkt_meta.loan_stack of its loans */
    bool in_turn;      /* the protocol is running: it may not be entered again */
    bool worked;       /* the turn that began at turn_ns had something to do: it is busy time until the next one begins */
    uint64_t turn_ns;
    uint64_t turn_port_ns; /* CTR_PORT_NS then */
    uint32_t again;        /* calls since the last turn that would have blocked */
    uint64_t progress;     /* not 0: calls had results since the loop looked last */
    uint64_t timers;       /* CTR_TIMERS, and what was done for other stacks, when it looked */
    struct idle idle;
    struct sleeper sleeper;
    const struct mail_slot *awaits; /* the result of this thread's call to another core */
    bool looping;                   /* atomic: ff_run or a background thread polls */
    bool ended;                     /* atomic: the stack is drained */
    uint64_t hints_at_ns;           /* api_hints is due */
    uint64_t procs_at_ns;           /* in it: procs_look */
    struct mon_limits limits;       /* what it has said */
    struct rte_ring *returned;      /* zc_return.c: loans that other threads freed */
    struct mailbox box;
};

/* What the process has once. */
struct api_process {
    int state; /* atomic: enum api_state */
    uint16_t n_cores;
    struct api_core *core[API_MAX_CORES];
    uint16_t n_ended; /* atomic */
    bool stop;        /* atomic: ff_stop_run was called */
    loop_func_t loop; /* of ff_run */
    void *loop_arg;
    bool has_thread;  /* poll_thread=1 and ff_run did not take over */
    bool thread_stop; /* atomic: the background threads shall hand the stacks over */
    pthread_t thread;
    struct conf conf;
    struct idle_conf idle;
    bool before_died; /* the process with our number before us: not told yet */
    cpu_set_t cpus;   /* of the process before ff_init bound a thread to its polling core */
};

extern struct api_process api;
extern __thread char api_self __attribute__((tls_model("initial-exec"))); /* its address names the thread */

/* The core that this thread has owned last: never NULL, perhaps one that nobody owns. */
extern __thread struct api_core *api_here __attribute__((tls_model("initial-exec")));

struct api_op;
typedef int64_t (*api_fn)(struct z_stack *s, struct api_op *op);

struct api_op {
    api_fn fn;
    int fd; /* names the stack; of a call without a descriptor 0 */
    uint64_t deadline_ns;
    int64_t otherwise; /* result when the wait is over without one */
    bool waiting;      /* asked to be called again: not the first time */
    bool at_once;      /* from inside the callback of another stack's ff_run: waits as little as there */
    uint64_t serial;   /* of the sock that the call is about: api_sock */
};

/* "Call me again": no result or errno has this value. */
#define API_WAIT INT64_MIN

static inline int api_get_state(void)
{
    return __atomic_load_n(&api.state, __ATOMIC_ACQUIRE);
}

/* Does this thread own a stack? Then it is api_here->stack. */
static inline bool api_is_owner(void)
{
    return likely(__atomic_load_n(&api_here->owner, __ATOMIC_RELAXED) == &api_self);
}

/* Buffers may be had before there is an owner, and by threads that own nothing. NULL before ff_init. */
static inline struct z_stack *api_any_stack(void)
{
    return likely(api_here->stack != NULL) || api.n_cores == 0 ? api_here->stack : api.core[0]->stack;
}

/* May the owner's thread poll here? Not inside a poll, nor inside the callback of ff_run unless configured. */
static inline bool api_can_poll(const struct api_core *c)
{
    return !c->in_turn && (!c->stack->in_app || c->stack->conf.wait_in_run);
}

/*
 * For a do_x that has no result yet: waits up to timeout_ns from the first time (NS_NEVER: no limit), then the result is
 * otherwise, which is also the result where waiting is not possible.
 */
int64_t api_wait(struct z_stack *s, struct api_op *op, uint64_t timeout_ns, int64_t otherwise);

/* The end of a wait, by ff_stop_run: the result so far, or -EINTR. */
int64_t api_interrupt(struct z_stack *s, struct api_op *op);

/* The slow ends of api_call: no result, or none on this stack; the stack is not this thread's. */
int64_t api_call_failed(struct api_core *c, struct api_op *op, int64_t r);
int64_t api_call_foreign(struct api_op *op);

/* A call for this core's stack, whatever op->fd says. */
int64_t api_call_at(struct api_core *c, struct api_op *op, api_fn fn);

static inline int64_t api_call(struct api_op *op, api_fn fn)
{
    struct api_core *c = api_here;
    int64_t r;

    op->fn = fn;
    if (unlikely(!api_is_owner()))
        return api_call_foreign(op);
    r = fn(c->stack, op);
    if (unlikely(r < 0))
        return api_call_failed(c, op, r);
    c->progress |= (uint64_t)r;
    return r;
}

/* The core of a descriptor number; the first one's for numbers that no stack has. */
struct api_core *api_core_of_fd(int fd);

/* A result as POSIX calls return it. */
static inline int64_t api_ret(int64_t r)
{
    if (likely(r >= 0))
        return r;
    errno = (int)-r;
    return -1;
}

/* loop.c */
unsigned api_turn(struct api_core *c); /* one whole turn; only where api_can_poll(), or from the loops themselves */
/* Tells the operator, on standard error, what is wrong with the network around us, and which limits were reached. */
void api_hints(struct api_core *c);
void api_thread_run(void);                                /* the calling thread polls until ff_stop_run, or until ff_run takes over */
int api_core_init(struct api_core *c, struct z_stack *s); /* 0 or -errno */
void api_core_own(struct api_core *c);                    /* the calling thread is its owner from here on */

/* counters.c: all stacks of the process; none in a child of fork */
void api_stacks(struct mon_stacks *m);
void api_all_stacks(struct mon_stacks *m); /* with those of other processes that share its devices */

/*
 * idle.c. The end of a turn that moved so much: sleeps when there is nothing to do, until the time that is given at the latest. What else
 * ends a sleep: a deadline of the stack or of a call in the mailbox, packets, calls and buffers from other threads, and *stop (may be
 * NULL), which is set before api_wake. unseen: something that does not wake us may be waited for, too.
 */
void api_idle(struct api_core *c, unsigned moved, uint64_t until_ns, bool unseen, const bool *stop);

/* There is something for the owner, and it was published before. Any thread, and signal handlers. */
static inline void api_wake(struct api_core *c)
{
    sleeper_wake(&c->sleeper);
}

/* zc_return.c: buffers lent by a stack and freed by other threads */
int zc_return_init(struct api_core *c);
void zc_return_put(struct rte_mbuf *m /* one holder consumed */);
unsigned zc_return_run(struct api_core *c);

/* exit.c */
int api_exit_init(void);
void api_drain(struct api_core *c); /* delivers what is queued, or gives up; ends the stack */

/* A write outside the application's turn of ff_run, on a connection that had nothing queued, leaves at once. */
void api_push(struct z_stack *s, struct tcp_conn *tc);
static inline bool api_pushes(const struct z_stack *s)
{
    return !s->in_app && !api_here->in_turn;
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
