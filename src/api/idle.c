/* What the loop does when there is nothing to do (core/idle.h), and what it must not sleep over. */
#include <rte_ring.h>

#include "api/api.h"

#include "base/poison.h"

/* Ports of the stack; how many, and whether they can end a sleep. */
static unsigned ports_of(const struct z_stack *s, struct port *p[STACK_MAX_NETIFS], enum idle_events *events)
{
    unsigned n = 0, can = 0;

    for (unsigned i = 0; i < s->n_netifs; i++) {
        if (s->netif[i]->parent != NULL)
            continue;
        p[n] = s->netif[i]->port;
        can += p[n++]->caps.rx_event;
    }
    *events = can == 0 ? EVENTS_NONE : can < n ? EVENTS_SOME : EVENTS_ALL;
    return n;
}

/* Looked at once a turn, and once more when others know that we are about to sleep: sleep.h. */
static bool is_wanted(const struct api_core *c, const bool *stop)
{
    return (stop != NULL && __atomic_load_n(stop, __ATOMIC_RELAXED)) || mailbox_has_news(&c->box) || !rte_ring_empty(c->returned) ||
           (c->awaits != NULL && mailbox_is_done(c->awaits));
}

static void count_end(struct z_stack *s, const struct idle_step *step, enum sleep_end end, uint64_t ns)
{
    stack_count(s, step->what == IDLE_WAIT ? CTR_WAITS : CTR_NAPS);
    s->ctr.v[CTR_WOKEN_EVENT] += end == SLEPT_EVENT;
    s->ctr.v[CTR_WOKEN_CALL] += end == SLEPT_CALL;
    s->ctr.v[CTR_ASLEEP_NS] += ns;
}

static void doze(struct api_core *c, const struct idle_step *step, struct port *const p[], unsigned n_ports, const bool *stop)
{
    enum sleep_end end;
    uint64_t begin_ns, now_ns;

    sleeper_begin(&c->sleeper);
    if (is_wanted(c, stop)) {
        sleeper_stay(&c->sleeper);
        return;
    }
    begin_ns = port_clock_ns();
    end = sleeper_sleep(&c->sleeper, p, step->what == IDLE_WAIT ? n_ports : 0, step->ns);
    now_ns = port_clock_ns();
    count_end(c->stack, step, end, now_ns - begin_ns);
    idle_slept(&c->idle, now_ns, end == SLEPT_EVENT);
}

/* Frames that were no work for the stack itself, but for its port. */
static uint64_t for_others(const struct z_stack *s)
{
    return s->ctr.v[CTR_STEER_OUT] + s->ctr.v[CTR_STEER_RELAYED];
}

/* Something has happened, or may have as a consequence: another turn must see to it. So with timers: nobody has looked what they did. */
static bool was_busy(struct api_core *c, unsigned moved)
{
    uint64_t timers = c->stack->ctr.v[CTR_TIMERS] + for_others(c->stack), progress = c->progress;
    bool same = timers == c->timers;

    c->progress = 0;
    c->timers = timers;
    return moved != 0 || progress != 0 || !same;
}

void api_idle(struct api_core *c, unsigned moved, uint64_t until_ns, bool unseen, const bool *stop)
{
    struct z_stack *s = c->stack;
    struct port *p[STACK_MAX_NETIFS];
    enum idle_events events;
    struct idle_step step;
    unsigned n;

    if (was_busy(c, moved)) {
        c->worked = true;
        idle_work(&c->idle);
        return;
    }
    n = ports_of(s, p, &events);
    step = idle_look(&c->idle, &api.idle, s->now_ns, s->ctr.v[CTR_RX_PACKETS] + s->ctr.v[CTR_TX_PACKETS] + for_others(s), events, unseen);
    if (step.what == IDLE_NAP || step.what == IDLE_WAIT)
        step = idle_until(step, s->now_ns, MIN(MIN(until_ns, c->box.next_ns), stack_next_deadline(s)));
    if (step.what == IDLE_PAUSE)
        port_pause();
    else if (step.what != IDLE_SPIN)
        doze(c, &step, p, n, stop);
}
