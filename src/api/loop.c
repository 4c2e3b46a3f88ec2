/* The poll loop in its three forms: z_poll, ff_run, a thread of its own. */
#include <stdio.h>

#include "api/api.h"
#include "port/cores.h"

#include "base/poison.h"

/* A turn ends where the next one begins, so that its time costs no further look at the clock; those that work never end in a sleep. */
static uint64_t turn_begin(struct api_core *c)
{
    uint64_t now_ns = port_clock_ns(), *v = c->stack->ctr.v;

    if (c->worked) {
        v[CTR_BUSY_TURNS]++;
        v[CTR_BUSY_NS] += now_ns - c->turn_ns;
        v[CTR_BUSY_PORT_NS] += v[CTR_PORT_NS] - c->turn_port_ns;
    }
    c->worked = false;
    c->turn_ns = now_ns;
    c->turn_port_ns = v[CTR_PORT_NS];
    return now_ns;
}

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
    uint64_t now_ns = turn_begin(c);
    unsigned n;

    c->again = 0;
    s->in_app = false;
    /* what the application did since the last turn leaves first: its answers carry the acknowledgements that they can */
    n = turn_output(c, now_ns);
    n += turn_input(c, now_ns);
    s->in_app = in_app;
    c->worked = n != 0;
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

void z_busy(void)
{
    if (api_is_owner())
        api_here->progress = 1;
}

int api_core_init(struct api_core *c, struct z_stack *s)
{
    int r = sleeper_init(&c->sleeper);

    c->stack = s;
    c->lender = (uint16_t)(s->index + 1);
    idle_init(&c->idle, &api.idle, s->now_ns);
    return r == 0 ? zc_return_init(c) : r;
}

/* One thread is the owner of the stack; it polls, and its calls need no mailbox. */
void api_core_own(struct api_core *c)
{
    api_here = c;
    if (api.idle.sleeps)
        sleeper_own();
    __atomic_store_n(&c->owner, &api_self, __ATOMIC_RELEASE);
}

struct api_core *api_core_of_fd(int fd)
{
    return api.core[sock_stack_of(api.core[0]->stack, fd)];
}

static void run(struct api_core *c, loop_func_t loop, void *arg, const bool *stop)
{
    struct z_stack *s = c->stack;

    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        unsigned n = turn_input(c, turn_begin(c));
        uint64_t now_ns = s->now_ns;

        if (loop != NULL) {
            s->in_app = true;
            loop(arg);
            s->in_app = false;
            now_ns = port_clock_ns();
        }
        n += turn_output(c, now_ns);
        api_idle(c, n, NS_NEVER, loop != NULL, stop);
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
        api_wake(c);
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
    for (unsigned i = 0; i < api.n_cores; i++)
        api_wake(api.core[i]);
}
