/* The end: what was written before exit is delivered; a child process of fork keeps its hands off. */
#include <stdlib.h>

#include "api/procs.h"
#include "buf/wrap.h"
#include "port/procs.h"

#include "base/poison.h"

static bool frames_queued(const struct z_stack *s)
{
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (txq_count(&s->netif[i]->txq) != 0)
            return true;
    return false;
}

static bool unfinished(const struct z_stack *s)
{
    return tcp_unfinished(s) != 0 || frames_queued(s);
}

/* Until everybody has acknowledged everything. */
static void deliver(struct api_core *c, uint64_t deadline_ns)
{
    struct z_stack *s = c->stack;

    do {
        unsigned n = api_turn(c);

        if (!unfinished(s))
            return;
        api_idle(c, n, deadline_ns, false, NULL);
    } while (s->now_ns < deadline_ns);
}

/* Until the last resets are with the device. */
static void flush(struct api_core *c)
{
    struct z_stack *s = c->stack;
    uint64_t deadline_ns = port_clock_ns() + NS_PER_MS;
    unsigned n;

    do
        n = api_turn(c);
    while ((n != 0 || frames_queued(s)) && s->now_ns < deadline_ns);
}

static void close_all(struct z_stack *s)
{
    for (int fd = sock_first_fd(s); fd <= sock_max_fd(s); fd++)
        if (sock_fd_used(s, fd))
            sock_close(s, fd);
}

/* Nobody answers calls for the stack any more. */
static void end(struct api_core *c)
{
    __atomic_store_n(&c->ended, true, __ATOMIC_RELEASE);
    if (__atomic_add_fetch(&api.n_ended, 1, __ATOMIC_RELAXED) == api.n_cores)
        __atomic_store_n(&api.state, API_STOPPED, __ATOMIC_RELEASE);
    mailbox_close(c);
}

void api_drain(struct api_core *c)
{
    struct z_stack *s = c->stack;
    uint64_t now_ns = port_clock_ns();

    s->in_app = false;
    tcp_close_all(s);
    deliver(c, now_ns + s->conf.exit_drain_ns);
    tcp_reset_all(s); /* those that are not finished */
    close_all(s);     /* queues let go of wrapped memory */
    flush(c);
    end(c);
    procs_leave(c);
    stack_drop_unsent(s);
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == NULL)
            port_close(s->netif[i]->port); /* the drivers give their buffers back */
    s->n_netifs = 0;
    while (release_run(s) != 0) /* a callback may free more of it */
        ;
    __atomic_store_n(&c->owner, NULL, __ATOMIC_RELEASE);
}

static bool any_loops(void)
{
    bool any = false;

    for (unsigned i = 0; i < api.n_cores; i++)
        any |= __atomic_load_n(&api.core[i]->looping, __ATOMIC_ACQUIRE);
    return any;
}

/* The process ends on a thread that does not own the stacks, or not all: their owners drain those that they poll by themselves. */
static void drain_elsewhere(void)
{
    uint64_t deadline_ns = port_clock_ns() + api.conf.stack.exit_drain_ns + NS_PER_SEC;

    if (!any_loops())
        return;
    ff_stop_run();
    while (any_loops() && port_clock_ns() < deadline_ns)
        port_nap(NS_PER_MS);
}

/* Not when exit comes from a release callback or a dispatcher: the protocol cannot be entered. */
static void at_exit(void)
{
    if (api_get_state() != API_RUNNING)
        return;
    if (api_is_owner()) {
        __atomic_store_n(&api_here->looping, false, __ATOMIC_RELAXED); /* this thread comes back to no loop */
        if (!api_here->in_turn)
            api_drain(api_here);
    }
    drain_elsewhere();
}

static void at_fork_child(void)
{
    port_proc_forked();
    __atomic_store_n(&api.state, API_FORKED, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < api.n_cores; i++) {
        __atomic_store_n(&api.core[i]->owner, NULL, __ATOMIC_RELEASE);
        api.core[i]->stack = NULL;
    }
}

int api_exit_init(void)
{
    if (atexit(at_exit) != 0)
        return -ENOMEM;
    return -pthread_atfork(NULL, NULL, at_fork_child);
}
