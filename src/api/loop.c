/* The poll loop in its three forms: z_poll, ff_run, a thread of its own. */
#include <stdio.h>

#include "api/api.h"
#include "port/cores.h"

#include "base/poison.h"

/* Idle turns before the loop spares the other thread of the core, and before it naps (idle_sleep). */
#define IDLE_SPIN 64u
#define IDLE_NAP 1024u

static unsigned turn_input(struct api_core *c, uint64_t now_ns)
{
    unsigned n;

    c->in_turn = true;
    n = stack_input(c->stack, now_ns);
    n += zc_return_run(c);
    n += mailbox_run(c);
    c->in_turn = false;
    return n;
}

static unsigned turn_output(struct api_core *c, uint64_t now_ns)
{
    unsigned n;

    c->in_turn = true;
    n = stack_output(c->stack, now_ns);
    if (unlikely(c->stack->now_ns >= c->hints_at_ns))
        api_hints(c);
    c->in_turn = false;
    return n;
}

unsigned api_turn(struct api_core *c)
{
    struct z_stack *s = c->stack;
    bool in_app = s->in_app; /* a wait inside the callback (wait_in_run) */
    uint64_t now_ns = port_clock_ns();
    unsigned n;

    c->again = 0;
    s->in_app = false;
    /* what the application did since the last turn leaves first: its answers carry the acknowledgements that they can */
    n = turn_output(c, now_ns);
    n += turn_input(c, now_ns);
    s->in_app = in_app;
    return n;
}

void api_push(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t now_ns = port_clock_ns();

    if (now_ns > s->now_ns)
        s->now_ns = now_ns;
    tcp_push(s, tc);
    stack_flush(s);
}

/* The port whose interrupt ends a nap: one cannot wait for two. */
static struct port *only_port(const struct z_stack *s)
{
    for (unsigned i = 1; i < s->n_netifs; i++)
        if (s->netif[i]->parent == NULL)
            return NULL;
    return s->n_netifs != 0 ? s->netif[0]->port : NULL;
}

void api_idle(struct z_stack *s, struct api_idle *idle, unsigned moved, uint64_t deadline_ns)
{
    uint64_t nap_ns = api.conf.idle_sleep_us * NS_PER_US;

    if (moved != 0) {
        idle->turns = 0;
        return;
    }
    if (++idle->turns < IDLE_SPIN)
        return;
    if (nap_ns == 0 || idle->turns < IDLE_NAP) {
        port_pause();
        return;
    }
    idle->turns = IDLE_NAP; /* no overflow in a long night */
    deadline_ns = MIN(deadline_ns, stack_next_deadline(s));
    if (deadline_ns <= s->now_ns)
        return;
    port_wait(only_port(s), MIN(nap_ns, deadline_ns - s->now_ns));
}

int z_poll(void)
{
    struct api_core *c = api_here;

    if (!api_is_owner()) {
        if (api_get_state() != API_RUNNING)
            return (int)api_ret(-EBADF);
        return api.has_thread ? 0 : (int)api_ret(-EPERM);
    }
    if (c->in_turn || c->stack->in_app)
        return (int)api_ret(-EDEADLK);
    return (int)api_turn(c);
}

int api_core_init(struct api_core *c, struct z_stack *s)
{
    c->stack = s;
    c->lender = (uint16_t)(s->index + 1);
    return zc_return_init(c);
}

/* One thread is the owner of the stack; it polls, and its calls need no mailbox. */
void api_core_own(struct api_core *c)
{
    api_here = c;
    __atomic_store_n(&c->owner, &api_self, __ATOMIC_RELEASE);
}

struct api_core *api_core_of_fd(int fd)
{
    return api.core[sock_stack_of(api.core[0]->stack, fd)];
}

static void run(struct api_core *c, loop_func_t loop, void *arg, const bool *stop)
{
    struct z_stack *s = c->stack;
    struct api_idle idle = {0};

    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        unsigned n = turn_input(c, port_clock_ns());
        uint64_t now_ns = s->now_ns;

        if (loop != NULL) {
            s->in_app = true;
            loop(arg);
            s->in_app = false;
            now_ns = port_clock_ns();
        }
        n += turn_output(c, now_ns);
        api_idle(s, &idle, n, NS_NEVER);
    }
}

static void end_loop(struct api_core *c)
{
    api_drain(c);
    __atomic_store_n(&c->looping, false, __ATOMIC_RELEASE);
}

/* The thread of a core but the first, in the background (poll_thread). */
static int core_thread_run(void *arg)
{
    struct api_core *c = arg;

    run(c, NULL, NULL, &api.thread_stop);
    if (__atomic_load_n(&api.stop, __ATOMIC_RELAXED))
        end_loop(c);
    return 0;
}

static void others_start(int (*fn)(void *arg))
{
    for (unsigned i = 1; i < api.n_cores; i++) {
        __atomic_store_n(&api.core[i]->looping, true, __ATOMIC_RELAXED);
        port_core_start(i, fn, api.core[i]);
    }
}

static void others_wait(void)
{
    for (unsigned i = 1; i < api.n_cores; i++)
        port_core_wait(i);
}

void api_thread_run(void)
{
    others_start(core_thread_run);
    core_thread_run(api_here); /* when it was not stopped, ff_run goes on with it */
    others_wait();
}

/* Takes the stack from its background thread, or from the thread of ff_init, which must not be inside a call. */
static bool take_over(struct api_core *c)
{
    if (api_here == c && api_is_owner())
        return true;
    if (api_get_state() != API_RUNNING)
        return false;
    if (api.has_thread) {
        __atomic_store_n(&api.thread_stop, true, __ATOMIC_RELAXED);
        pthread_join(api.thread, NULL);
        api.has_thread = false;
        __atomic_store_n(&c->looping, false, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&c->looping, __ATOMIC_RELAXED))
        return false;
    port_core_join();
    api_core_own(c);
    return true;
}

/* The thread of a core but the first, in ff_run. */
static int core_run(void *arg)
{
    struct api_core *c = arg;

    run(c, api.loop, api.loop_arg, &api.stop);
    end_loop(c);
    return 0;
}

void ff_run(loop_func_t loop, void *arg)
{
    struct api_core *c = api.core[0];

    if (c == NULL || !take_over(c)) {
        fprintf(stderr, "zstack: ff_run: there is no stack to run: call ff_init first, and ff_run in one thread\n");
        return;
    }
    if (c->stack->in_app || c->in_turn) {
        fprintf(stderr, "zstack: ff_run: called from inside its own callback\n");
        return;
    }
    __atomic_store_n(&c->looping, true, __ATOMIC_RELAXED);
    api.loop = loop;
    api.loop_arg = arg;
    others_start(core_run);
    core_run(c);
    others_wait();
}

void ff_stop_run(void)
{
    __atomic_store_n(&api.stop, true, __ATOMIC_RELAXED);
    __atomic_store_n(&api.thread_stop, true, __ATOMIC_RELAXED);
}
