/* The end: what was written before exit is delivered; a child process of fork keeps its hands off. */
#include <stdlib.h>

#include "api/api.h"
#include "buf/wrap.h"

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
static void deliver(struct z_stack *s, uint64_t deadline_ns)
{
    struct api_idle idle = {0};

    do {
        unsigned n = api_turn(s);

        if (!unfinished(s))
            return;
        api_idle(s, &idle, n, deadline_ns);
    } while (s->now_ns < deadline_ns);
}

/* Until the last resets are with the device. */
static void flush(struct z_stack *s)
{
    uint64_t deadline_ns = port_clock_ns() + NS_PER_MS;
    unsigned n;

    do
        n = api_turn(s);
    while ((n != 0 || frames_queued(s)) && s->now_ns < deadline_ns);
}

static void close_all(struct z_stack *s)
{
    for (int fd = sock_first_fd(s); fd <= sock_max_fd(s); fd++)
        if (sock_fd_used(s, fd))
            sock_close(s, fd);
}

void api_drain(struct z_stack *s)
{
    uint64_t now_ns = port_clock_ns();

    s->in_app = false;
    tcp_close_all(s);
    deliver(s, now_ns + s->conf.exit_drain_ns);
    tcp_reset_all(s); /* those that are not finished */
    close_all(s);     /* queues let go of wrapped memory */
    flush(s);
    __atomic_store_n(&api.state, API_STOPPED, __ATOMIC_RELEASE);
    mailbox_close();
    stack_drop_unsent(s);
    for (unsigned i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == NULL)
            port_close(s->netif[i]->port); /* the drivers give their buffers back */
    s->n_netifs = 0;
    while (release_run(s) != 0) /* a callback may free more of it */
        ;
    __atomic_store_n(&api.owner, NULL, __ATOMIC_RELEASE);
}

/* The process ends on a thread that does not own the stack: the owner drains if it is polling by itself. */
static void drain_elsewhere(void)
{
    uint64_t deadline_ns = port_clock_ns() + api.conf.stack.exit_drain_ns + NS_PER_SEC;

    if (!__atomic_load_n(&api.looping, __ATOMIC_RELAXED))
        return;
    ff_stop_run();
    while (__atomic_load_n(&api.looping, __ATOMIC_ACQUIRE) && port_clock_ns() < deadline_ns)
        port_wait(NULL, NS_PER_MS);
}

static void at_exit(void)
{
    if (api_get_state() != API_RUNNING)
        return;
    if (!api_is_owner())
        drain_elsewhere();
    else if (!api.in_turn) /* exit from a release callback: the protocol cannot be entered */
        api_drain(api.stack);
}

static void at_fork_child(void)
{
    __atomic_store_n(&api.state, API_FORKED, __ATOMIC_RELEASE);
    __atomic_store_n(&api.owner, NULL, __ATOMIC_RELEASE);
    api.stack = NULL;
}

int api_exit_init(void)
{
    if (atexit(at_exit) != 0)
        return -ENOMEM;
    return -pthread_atfork(NULL, NULL, at_fork_child);
}
