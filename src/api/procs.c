/*
 * F-Stack's model: a process for each core of lcore_mask. The first opens the devices; each has a stack as a thread of thread_mode has, and
 * shares its devices with the others through the same queues (steer.h). A process has its number by a lock that the kernel takes back, so
 * that the others learn of a death however it came.
 */
#include "api/procs.h"

#include <stdio.h>
#include <string.h>

#include "api/ports.h"
#include "port/procs.h"
#include "port/steer.h"

#include "base/poison.h"

#define ZONE "zstack_steer"
#define WAIT_FIRST_NS (10 * NS_PER_SEC)
#define TAKE_TRIES 20u /* the first looks at the locks, and holds one for a moment */

static char name[24] = "zstack";
static bool first_is_gone;

static void take_number(unsigned number)
{
    int r = port_proc_take(number);

    for (unsigned i = 0; r == -EBUSY && i < TAKE_TRIES; i++) {
        port_nap(NS_PER_MS);
        r = port_proc_take(number);
    }
    if (r == -EBUSY)
        api_die("--proc-id: found %u, but that process is running already", number);
    if (r != 0)
        api_die("cannot lock a file in DPDK's runtime directory: %s", strerror(-r));
}

static struct steer *find(void)
{
    uint64_t deadline_ns = port_clock_ns() + WAIT_FIRST_NS;
    struct steer *g;

    while ((g = steer_find(ZONE)) == NULL && port_clock_ns() < deadline_ns)
        port_nap(NS_PER_MS);
    if (g == NULL)
        api_die("--proc-type=secondary: the primary process has not opened its devices within 10 s");
    if (steer_count(g) != conf_members(&api.conf))
        api_die("lcore_mask: found %u cores, but the primary process was started with %u", conf_members(&api.conf), steer_count(g));
    return g;
}

static struct steer *join(void)
{
    struct steer *g = find();
    unsigned me = (unsigned)api.conf.proc_id;
    uint32_t generation;
    bool died;

    take_number(me);
    generation = steer_seat_take(g, me, &died);
    if (generation != 0)
        port_proc_drop_caches();
    api.before_died = died;
    snprintf(name, sizeof(name), "zstack%u.%u", me, generation);
    return g;
}

struct steer *procs_start(void)
{
    struct steer *g;
    bool died;

    if (api.conf.secondary)
        return join();
    take_number(0);
    g = steer_create_procs(ZONE, conf_members(&api.conf), api.conf.symmetric_rss);
    if (g == NULL)
        api_die("no memory for what %u processes share: free hugepages, or make more of them (sysctl vm.nr_hugepages)",
                conf_members(&api.conf));
    steer_seat_take(g, 0, &died);
    return g;
}

const char *procs_name(void)
{
    return name;
}

/* Asked in the primary, telemetry tells of all. */
static void add_telemetry(const struct z_stack *s)
{
    for (unsigned i = 1; i < steer_count(s->steer); i++)
        (void)mon_telemetry_add(i, steer_counters_of(s->steer, i));
}

void procs_open(struct steer *g)
{
    if (api.conf.secondary)
        return;
    add_telemetry(api.core[0]->stack);
    steer_open(g);
}

static void tell_of_death(struct z_stack *s, unsigned number)
{
    stack_count(s, CTR_STEER_DIED);
    fprintf(stderr, "zstack: the process with --proc-id=%u has died: its connections are lost, and the receive buffers that it held\n",
            number);
}

/* Only the first buries: it alone empties the queues of the dead. */
static void look_at(struct z_stack *s, unsigned number)
{
    if (!steer_seat_is_taken(s->steer, number) || !port_proc_hold(number))
        return;
    if (steer_seat_bury(s->steer, number)) {
        for (unsigned i = 0; i < s->n_netifs; i++)
            if (s->netif[i]->parent == NULL)
                steer_port_clear(s->netif[i]->port, number);
        tell_of_death(s, number);
    }
    port_proc_release(number);
}

static void look_at_first(struct z_stack *s)
{
    if (first_is_gone || !port_proc_hold(0))
        return;
    first_is_gone = true;
    port_proc_release(0);
    steer_retire(s->steer, 0);
    stack_count(s, CTR_STEER_DIED);
    fputs("zstack: the primary process has ended: nothing is received any more; end all processes, and start the primary first\n", stderr);
}

void procs_look(struct api_core *c)
{
    struct z_stack *s = c->stack;

    c->procs_at_ns = s->now_ns + PROCS_LOOK_NS;
    steer_join(s->steer, s->member);
    if (api.before_died) {
        api.before_died = false;
        tell_of_death(s, s->member);
    }
    if (s->member != 0)
        look_at_first(s);
    for (unsigned i = 1; s->member == 0 && i < steer_count(s->steer); i++)
        look_at(s, i);
    if (s->member == 0 && steer_change(s->steer, s->now_ns))
        ports_follow_table(s);
    steer_show_counters(s->steer, s->member, &s->ctr);
}

static unsigned core_of(unsigned number)
{
    uint64_t mask = api.conf.lcore_mask;

    while (number-- > 0)
        mask &= mask - 1;
    return (unsigned)__builtin_ctzll(mask);
}

void procs_add_counters(struct mon_stacks *m)
{
    const struct z_stack *s = api.core[0]->stack;

    m->n = 0;
    for (unsigned i = 0; i < steer_count(s->steer); i++) {
        const struct counters *c = i == s->member ? &s->ctr : steer_counters_of(s->steer, i);

        if (c->v[CTR_POLLS] == 0) /* it was never there */
            continue;
        m->number[m->n] = i;
        m->core[m->n] = core_of(i);
        m->ctr[m->n++] = c;
    }
}

void procs_leave(struct api_core *c)
{
    if (!api.conf.procs)
        return;
    steer_show_counters(c->stack->steer, c->stack->member, &c->stack->ctr);
    steer_seat_leave(c->stack->steer, c->stack->member);
}
