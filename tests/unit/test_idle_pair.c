/*
 * When to sleep (core/idle.h), by two loops that talk to each other: each waits for what the other one sleeps over. Under virtual time,
 * with costs as in test_idle.c.
 */
#include "unit.h"

#include "base/units.h"
#include "core/idle.h"

#define US NS_PER_US
#define MS NS_PER_MS
#define S NS_PER_SEC

#define TURN_NS 100u           /* a turn that finds nothing, or beside the work */
#define LATE_NS (20 * US)      /* a nap ends so much after its time, */
#define LATER_NS (10 * US)     /* and up to so much later still: clocks that are exact would keep the naps of the two in step */
#define SLEEP_CPU_NS (17 * US) /* what a sleep costs */
#define FAR_NS (1 * US)        /* from one to the other */
#define TURN 32u               /* requests in one turn */
#define QUEUE 1024u

/* One end: what has been sent to it, in order, and its loop. */
struct end {
    struct idle idle;
    uint64_t now_ns, packets, asleep_ns;
    uint64_t arrives_ns[QUEUE];
    unsigned head, tail;
};

/* A client that sends at a constant rate on connections that carry one request each, and its server. */
struct pair {
    struct idle_conf conf;
    struct end client, server;
    uint64_t work_ns, gap_ns, due_ns, answered;
    unsigned under_way, connections;
    uint64_t rand;
};

static bool take(struct end *e)
{
    if (e->head == e->tail || e->arrives_ns[e->head % QUEUE] > e->now_ns)
        return false;
    e->head++;
    e->packets++;
    return true;
}

static void pass(struct end *from, struct end *to, uint64_t work_ns)
{
    from->now_ns += work_ns;
    from->packets++;
    to->arrives_ns[to->tail++ % QUEUE] = from->now_ns + FAR_NS;
    assert_true(to->tail - to->head < QUEUE);
}

static unsigned serve(struct pair *p)
{
    unsigned n = 0;

    for (; n < TURN && take(&p->server); n++)
        pass(&p->server, &p->client, p->work_ns);
    return n;
}

static unsigned ask(struct pair *p)
{
    unsigned n = 0;

    for (; n < TURN && take(&p->client); n++) {
        p->under_way--;
        p->answered++;
    }
    for (; p->under_way < p->connections && p->due_ns <= p->client.now_ns; n++) {
        p->under_way++;
        p->due_ns += p->gap_ns;
        pass(&p->client, &p->server, p->work_ns);
    }
    return n;
}

static void turn(struct pair *p, struct end *e)
{
    unsigned n = e == &p->server ? serve(p) : ask(p);
    struct idle_step step;
    uint64_t ns;

    e->now_ns += TURN_NS;
    if (n > 0) {
        idle_work(&e->idle);
        return;
    }
    step = idle_look(&e->idle, &p->conf, e->now_ns, e->packets, EVENTS_NONE, true);
    if (step.what != IDLE_NAP && step.what != IDLE_WAIT)
        return;
    ns = step.ns + LATE_NS + unit_below(&p->rand, LATER_NS);
    e->now_ns += ns;
    e->asleep_ns += ns;
    idle_slept(&e->idle, e->now_ns, false);
}

static void run(struct pair *p, uint64_t ns)
{
    uint64_t end_ns = p->client.now_ns + ns;

    p->answered = p->client.asleep_ns = p->server.asleep_ns = 0;
    while (p->client.now_ns < end_ns)
        turn(p, p->client.now_ns <= p->server.now_ns ? &p->client : &p->server);
}

static void start(struct pair *p, unsigned connections, uint64_t work_ns, uint64_t gap_ns)
{
    *p = (struct pair){.work_ns = work_ns, .gap_ns = gap_ns, .due_ns = 1000 * S, .connections = connections, .rand = connections};
    idle_conf_init(&p->conf, POLLING_BALANCED, 0);
    p->client.now_ns = p->server.now_ns = 1000 * S;
    idle_init(&p->client.idle, &p->conf, 1000 * S);
    idle_init(&p->server.idle, &p->conf, 1000 * S);
}

static struct pair p;

/* Of what was asked for; above 100: of what waited, too. */
static double percent_answered(uint64_t gap_ns)
{
    return 100 * (double)p.answered / ((double)S / (double)gap_ns);
}

/* Naps are right at first. Later both could nap at a rate that nothing bounds but the naps: that of all connections per nap. */
static void rise(unsigned connections, uint64_t light_ns, uint64_t gap_ns)
{
    start(&p, connections, 150, light_ns);
    run(&p, S);
    p.gap_ns = gap_ns;
    p.due_ns = p.client.now_ns;
    run(&p, S);
    run(&p, S);
    if (percent_answered(gap_ns) <= 98)
        fail_msg("%u connections, a request in %llu ns after one in %llu: %.1f %% answered, asleep %.1f %% and %.1f %%", connections,
                 (unsigned long long)gap_ns, (unsigned long long)light_ns, percent_answered(gap_ns),
                 100 * (double)p.client.asleep_ns / (double)S, 100 * (double)p.server.asleep_ns / (double)S);
}

static void test_a_load_that_rises(void **state)
{
    (void)state;
    for (unsigned connections = 8; connections <= 256; connections += connections / 2) {
        for (uint64_t gap_ns = 500; gap_ns <= 8000; gap_ns *= 2) {
            for (uint64_t light_ns = 9 * US; light_ns <= 11 * US; light_ns += US)
                rise(connections, light_ns, gap_ns);
        }
    }
}

/* Naps hold up little of it: both take them. */
static void test_light_load(void **state)
{
    (void)state;
    for (uint64_t gap_ns = 4 * US; gap_ns <= 64 * US; gap_ns *= 2) {
        start(&p, 100, 150, gap_ns);
        run(&p, S);
        run(&p, S);
        assert_true(percent_answered(gap_ns) > 98);
        assert_true(p.client.asleep_ns > S / 2 && p.server.asleep_ns > S / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_load_that_rises),
        cmocka_unit_test(test_light_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
