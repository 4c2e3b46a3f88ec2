/*
 * When to sleep (core/idle.h), alone under virtual time: a loop with costs as measured on a virtual machine, and loads of several shapes.
 */
#include "unit.h"

#include <math.h>

#include "base/units.h"
#include "core/idle.h"

#define US NS_PER_US
#define MS NS_PER_MS
#define S NS_PER_SEC

#define TURN_NS 200u           /* a turn that finds nothing */
#define WAKE_NS (20 * US)      /* from the event to the first instruction */
#define LATE_NS (25 * US)      /* a nap ends so much after its time */
#define SLEEP_CPU_NS (17 * US) /* what a sleep costs */
#define FAR_NS (5 * US)        /* to a client and back */
#define TURN 128u              /* requests in one turn */
#define QUEUE 65536u

/* Requests come as the load has it; the loop answers each after work_ns. */
struct world {
    struct idle_conf conf;
    struct idle idle;
    enum idle_events events;
    bool unseen;
    uint64_t now_ns, work_ns, packets;
    /* load */
    bool lockstep;                 /* clients send when they have their answer, else whenever it is time */
    uint64_t gap_ns, rtt_ns, rand; /* mean of random gaps when rand is not 0 */
    unsigned most;                 /* under way at a time, the rest waits at the client; 0: any number */
    uint64_t queue[QUEUE];         /* when they arrive, in order, */
    uint64_t due[QUEUE];           /* and when they should have */
    unsigned head, tail;
    uint64_t theft_ns, next_theft_ns; /* the machine takes the core away, for 2 ms each time */
    /* results */
    uint64_t cpu_ns, asleep_ns, answered, latency_max_ns, latency_sum_ns, sleeps, longest_sleep_ns;
};

static uint64_t gap(struct world *w)
{
    if (w->rand == 0)
        return w->gap_ns;
    return (uint64_t)(-log(1.0 - (double)unit_below(&w->rand, 1000000) / 1e6) * (double)w->gap_ns);
}

static void send_at(struct world *w, uint64_t due_ns)
{
    uint64_t earliest_ns = w->most != 0 ? w->now_ns + FAR_NS : 0; /* the answer that it waited for has to arrive first */

    w->queue[w->tail % QUEUE] = due_ns < earliest_ns ? earliest_ns : due_ns;
    w->due[w->tail++ % QUEUE] = due_ns;
    assert_true(w->tail - w->head < QUEUE);
}

static uint64_t next_arrival(const struct world *w)
{
    return w->head != w->tail ? w->queue[w->head % QUEUE] : NS_NEVER;
}

static void spend(struct world *w, uint64_t ns)
{
    w->now_ns += ns;
    w->cpu_ns += ns;
}

static void send_next(struct world *w)
{
    send_at(w, w->due[(w->tail - 1) % QUEUE] + gap(w));
}

static void answer(struct world *w, uint64_t due_ns)
{
    uint64_t took_ns = w->now_ns - due_ns;

    w->answered++;
    w->packets += 2;
    w->latency_sum_ns += took_ns;
    w->latency_max_ns = took_ns > w->latency_max_ns ? took_ns : w->latency_max_ns;
    if (w->lockstep)
        send_at(w, w->now_ns + w->rtt_ns);
    else if (w->most != 0 && w->gap_ns != 0)
        send_next(w);
}

/* Answers what has arrived, as much as a turn of the loop receives: the answers leave together, when all of it is done. */
static unsigned serve(struct world *w)
{
    uint64_t due[TURN];
    unsigned n = 0;

    while (n < TURN && next_arrival(w) <= w->now_ns) {
        due[n++] = w->due[w->head++ % QUEUE];
        if (!w->lockstep && w->most == 0 && w->gap_ns != 0)
            send_next(w); /* whether anybody is answered or not */
        spend(w, w->work_ns);
        if (w->theft_ns != 0 && w->now_ns >= w->next_theft_ns) {
            w->next_theft_ns = w->now_ns + w->theft_ns;
            w->now_ns += 2 * MS;
        }
    }
    for (unsigned i = 0; i < n; i++)
        answer(w, due[i]);
    return n;
}

static void sleep_step(struct world *w, const struct idle_step *step)
{
    uint64_t end_ns = w->now_ns + step->ns + LATE_NS, arrival_ns = next_arrival(w);
    bool event = step->what == IDLE_WAIT && w->events != EVENTS_NONE && arrival_ns < end_ns;

    if (event)
        end_ns = (arrival_ns > w->now_ns ? arrival_ns : w->now_ns) + WAKE_NS;
    w->sleeps++;
    w->asleep_ns += end_ns - w->now_ns;
    w->longest_sleep_ns = step->ns > w->longest_sleep_ns ? step->ns : w->longest_sleep_ns;
    w->now_ns = end_ns;
    w->cpu_ns += SLEEP_CPU_NS;
    idle_slept(&w->idle, w->now_ns, event);
}

static void turn(struct world *w)
{
    struct idle_step step;

    if (serve(w) != 0) {
        spend(w, TURN_NS);
        idle_work(&w->idle);
        return;
    }
    spend(w, TURN_NS);
    step = idle_look(&w->idle, &w->conf, w->now_ns, w->packets, w->events, w->unseen);
    if (step.what == IDLE_NAP || step.what == IDLE_WAIT)
        sleep_step(w, &step);
}

/* Runs for so long; the results are of that time alone. */
static void run(struct world *w, uint64_t ns)
{
    uint64_t end_ns = w->now_ns + ns;

    w->cpu_ns = w->asleep_ns = w->answered = w->latency_max_ns = w->latency_sum_ns = w->sleeps = w->longest_sleep_ns = 0;
    while (w->now_ns < end_ns)
        turn(w);
}

/* Of the time of a run of ns. */
static double cpu_percent(const struct world *w, uint64_t ns)
{
    return 100.0 * (double)w->cpu_ns / (double)ns;
}

static void start(struct world *w, enum idle_polling polling, uint32_t idle_sleep_us, enum idle_events events)
{
    memset(w, 0, sizeof(*w));
    w->now_ns = 1000 * S;
    w->events = events;
    idle_conf_init(&w->conf, polling, idle_sleep_us);
    idle_init(&w->idle, &w->conf, w->now_ns);
}

static void open_loop(struct world *w, uint64_t work_ns, uint64_t gap_ns, uint64_t rand)
{
    w->head = w->tail = 0;
    w->most = 0;
    w->lockstep = false;
    w->work_ns = work_ns;
    w->gap_ns = gap_ns;
    w->rand = rand;
    send_at(w, w->now_ns + gap_ns);
}

/* The same from a client that waits with a request as long as so many others have no answer. */
static void few_under_way(struct world *w, uint64_t work_ns, uint64_t gap_ns, unsigned most)
{
    open_loop(w, work_ns, gap_ns, 0);
    w->most = most;
    for (unsigned i = 1; i < most; i++)
        send_at(w, w->now_ns + (i + 1) * gap_ns);
}

static void lockstep(struct world *w, uint64_t work_ns, uint64_t rtt_ns, unsigned clients)
{
    w->head = w->tail = 0;
    w->most = 0;
    w->lockstep = true;
    w->work_ns = work_ns;
    w->rtt_ns = rtt_ns;
    for (unsigned i = 0; i < clients; i++)
        send_at(w, w->now_ns + i);
}

static struct world w;

/* no traffic ---------------------------------------------------------------------------------------------------- */

static void test_quiet(void **state)
{
    (void)state;
    for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events++) {
        for (int unseen = 0; unseen < 2; unseen++) {
            start(&w, POLLING_BALANCED, 0, events);
            w.unseen = unseen != 0;
            run(&w, 10 * S);
            assert_true(cpu_percent(&w, 10 * S) < 3);
            if (events == EVENTS_ALL && unseen == 0)
                assert_true(cpu_percent(&w, 10 * S) < 0.01 && w.longest_sleep_ns == S);
            else
                assert_int_equal(w.longest_sleep_ns, MS);
        }
    }
    start(&w, POLLING_ALWAYS, 0, EVENTS_ALL);
    run(&w, S);
    assert_int_equal(w.sleeps, 0);
}

/* A packet now and then, as if each were the first one. */
static void test_first_packet(void **state)
{
    static const uint64_t bound[] = {[EVENTS_NONE] = 1100 * US, [EVENTS_SOME] = 50 * US, [EVENTS_ALL] = 50 * US};

    (void)state;
    for (enum idle_polling polling = POLLING_BALANCED; polling <= POLLING_SAVING; polling++) {
        for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events++) {
            start(&w, polling, 0, events);
            open_loop(&w, 5 * US, 300 * MS, 1);
            run(&w, 100 * S);
            assert_true(w.answered > 200);
            assert_true(w.latency_max_ns <= bound[events]);
            assert_true(cpu_percent(&w, 100 * S) < 3);
        }
    }
}

/* load ---------------------------------------------------------------------------------------------------------- */

/* A tenth of what there could be, of a fast port and of a slow one, at even and at random times. */
static void test_a_tenth(void **state)
{
    static const struct {
        uint64_t work_ns, gap_ns;
    } load[] = {{400, 4 * US}, {1 * US, 10 * US}, {5 * US, 50 * US}, {10 * US, 100 * US}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (uint64_t rand = 0; rand < 4; rand++) {
            for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events++) {
                start(&w, POLLING_BALANCED, 0, events);
                open_loop(&w, load[i].work_ns, load[i].gap_ns, rand);
                run(&w, 500 * MS);
                run(&w, 2 * S);
                assert_true(cpu_percent(&w, 2 * S) < 25);
                assert_true(w.latency_max_ns < 350 * US + 32 * load[i].work_ns);
                assert_in_range(w.answered, 2 * S / load[i].gap_ns * 97 / 100, 2 * S / load[i].gap_ns * 103 / 100);
            }
        }
    }
}

/* Clients that wait for each answer are answered as if the loop always polled. */
static void test_lockstep(void **state)
{
    static const uint64_t rtt_ns[] = {2 * US, 10 * US, 20 * US, 40 * US, 90 * US};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned clients = 1; clients <= 16; clients *= 4) {
            for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events += 2) {
                uint64_t best;

                start(&w, POLLING_ALWAYS, 0, events);
                lockstep(&w, 1 * US, rtt_ns[i], clients);
                run(&w, 2 * S);
                best = w.answered;
                start(&w, POLLING_BALANCED, 0, events);
                lockstep(&w, 1 * US, rtt_ns[i], clients);
                run(&w, 500 * MS);
                run(&w, 2 * S);
                assert_true(w.answered >= best * 98 / 100);
            }
        }
    }
}

/* Naps hold up nobody for long who has but few requests under way: what waits at the client does not grow. */
static void test_few_under_way(void **state)
{
    static const unsigned most[] = {5, 20, 40, 50, 60, 100};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        for (uint64_t gap_ns = 4 * US; gap_ns <= 8 * US; gap_ns += US) {
            for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events += 2) {
                start(&w, POLLING_BALANCED, 0, events);
                few_under_way(&w, 400, gap_ns, most[i]);
                run(&w, S);
                run(&w, 2 * S);
                assert_true(w.latency_sum_ns / w.answered < 150 * US);
                assert_true(most[i] < 40 || (w.latency_max_ns < 320 * US && cpu_percent(&w, 2 * S) < 25));
            }
        }
    }
}

/* A pause of the machine's own looks like work, and like naps that cost: neither verdict lasts. */
static void test_theft(void **state)
{
    (void)state;
    for (enum idle_polling polling = POLLING_BALANCED; polling <= POLLING_SAVING; polling++) {
        for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events += 2) {
            start(&w, polling, 0, events);
            w.theft_ns = 1100 * MS;
            few_under_way(&w, 5 * US, 50 * US, 50);
            run(&w, S);
            run(&w, 20 * S);
            assert_true(cpu_percent(&w, 20 * S) < 25);
            few_under_way(&w, 400, 5 * US, 50);
            run(&w, S);
            run(&w, 20 * S);
            assert_true(w.latency_sum_ns / w.answered < 1 * MS);
        }
    }
}

/* Where a turn for one request takes nearly the time between two there is no silence, and yet most of the core to be saved. */
static void test_single_packets(void **state)
{
    (void)state;
    for (uint64_t gap_ns = 1500; gap_ns <= 3500; gap_ns += 500) {
        for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events += 2) {
            start(&w, POLLING_BALANCED, 0, events);
            open_loop(&w, gap_ns / 6, gap_ns, 0);
            run(&w, 500 * MS);
            run(&w, 2 * S);
            assert_true(cpu_percent(&w, 2 * S) < 35);
        }
    }
}

/* With more to do than a third of the time nobody sleeps, but for a trial a second: a request in a hundred at most waits for a sleeper. */
static void test_substantial_load(void **state)
{
    (void)state;
    for (unsigned percent = 35; percent < 80; percent += 3) {
        for (uint64_t rand = 0; rand < 2; rand++) {
            start(&w, POLLING_BALANCED, 0, EVENTS_ALL);
            open_loop(&w, 1 * US, 100 * US / percent, rand);
            run(&w, 2 * S);
            run(&w, 4 * S);
            assert_true(w.asleep_ns < 4 * S / 200);
        }
    }
}

/* A load that grows under naps ends them in time; one that shrinks has them again. */
static void test_growing_load(void **state)
{
    (void)state;
    start(&w, POLLING_BALANCED, 0, EVENTS_ALL);
    for (unsigned round = 0; round < 3; round++) {
        open_loop(&w, 1 * US, 10 * US, 0);
        run(&w, 3 * S);
        run(&w, S);
        assert_true(cpu_percent(&w, S) < 25);
        open_loop(&w, 1 * US, 100 * US / 45, 0);
        run(&w, 50 * MS);
        run(&w, S);
        assert_true(w.asleep_ns < S / 50);
    }
}

/* From three quarters of the possible load on nobody sleeps, and nobody waits for a sleeper. */
static void test_high_load(void **state)
{
    (void)state;
    for (unsigned percent = 80; percent <= 100; percent += 5) {
        start(&w, POLLING_BALANCED, 0, EVENTS_ALL);
        open_loop(&w, 10 * US, 1000 * US / percent, 0);
        run(&w, S);
        assert_int_equal(w.sleeps, 0);
        start(&w, POLLING_SAVING, 0, EVENTS_ALL);
        open_loop(&w, 10 * US, 1000 * US / percent, 0);
        run(&w, S);
        run(&w, S);
        assert_int_equal(w.sleeps, 0);
    }
}

/* Within two seconds the loop has found what suits the new load. */
static void test_changes(void **state)
{
    (void)state;
    start(&w, POLLING_BALANCED, 0, EVENTS_ALL);
    for (int round = 0; round < 5; round++) {
        uint64_t best = 2 * S / (21 * US);

        lockstep(&w, 1 * US, 20 * US, 1);
        run(&w, 2 * S);
        run(&w, 2 * S);
        assert_true(w.answered >= best * 95 / 100);
        open_loop(&w, 5 * US, 50 * US, 7);
        run(&w, 2 * S);
        run(&w, 2 * S);
        assert_true(cpu_percent(&w, 2 * S) < 25);
        open_loop(&w, 5 * US, 8 * US, 7); /* 63 % */
        run(&w, 2 * S);
        run(&w, 2 * S);
        assert_true(w.asleep_ns < 2 * S / 200);
    }
}

static void test_saving(void **state)
{
    (void)state;
    start(&w, POLLING_SAVING, 0, EVENTS_NONE);
    open_loop(&w, 5 * US, 50 * US, 3);
    run(&w, 2 * S);
    assert_true(cpu_percent(&w, 2 * S) < 16);
    assert_true(w.latency_max_ns < 500 * US + LATE_NS + 300 * US);
    lockstep(&w, 1 * US, 20 * US, 1);
    run(&w, 2 * S);
    assert_true(cpu_percent(&w, 2 * S) < 6);
}

/* F-Stack's key: the loop sleeps as soon as there is nothing to do, so long at most. */
static void test_idle_sleep(void **state)
{
    (void)state;
    start(&w, POLLING_BALANCED, 20, EVENTS_NONE);
    w.unseen = true;
    open_loop(&w, 5 * US, 500 * US, 3);
    run(&w, S);
    assert_int_equal(w.longest_sleep_ns, 20 * US);
    assert_true(w.latency_max_ns < 20 * US + LATE_NS + 50 * US);
    assert_true(w.sleeps > S / (500 * US));
    start(&w, POLLING_BALANCED, 100000, EVENTS_ALL);
    w.unseen = true;
    open_loop(&w, 5 * US, 50 * MS, 3);
    run(&w, 10 * S);
    assert_int_equal(w.longest_sleep_ns, 100 * MS);
    assert_true(w.latency_max_ns < 100 * US);
}

static void heaps(uint64_t ns, uint64_t gap_ns, unsigned requests)
{
    w.asleep_ns = 0;
    for (uint64_t over_ns = w.now_ns + ns; w.now_ns < over_ns;) {
        uint64_t next_ns = w.now_ns + gap_ns;

        w.head = w.tail = 0;
        for (unsigned i = 0; i < requests; i++)
            send_at(&w, w.now_ns);
        while (w.now_ns < next_ns)
            turn(&w);
    }
}

/* Bursts are no reason to spin, nor to shorten naps: a pair of naps in which one came says little. */
static void test_heaps(void **state)
{
    static const struct {
        uint64_t gap_ns;
        unsigned requests;
    } load[] = {{120 * US, 32}, {300 * US, 9}, {300 * US, 7}, {600 * US, 100}, {5 * MS, 100}};

    (void)state;
    for (unsigned i = 0; i < sizeof(load) / sizeof(load[0]); i++) {
        start(&w, POLLING_BALANCED, 0, EVENTS_NONE);
        w.work_ns = 100;
        heaps(S, load[i].gap_ns, load[i].requests);
        heaps(S, load[i].gap_ns, load[i].requests);
        assert_true(w.asleep_ns > S / 2);
    }
}

/* As many as are under way are answered after each nap: the longest naps that let them do are found, whatever the load was before. */
static void test_length(void **state)
{
    static const struct {
        unsigned most;
        uint64_t gap_ns, least_ns, most_ns;
    } load[] = {{20, 5 * US, 60 * US, 95 * US}, {50, 3 * US, 85 * US, 145 * US}, {1000, 3 * US, 250 * US, 250 * US}};

    (void)state;
    for (unsigned first = 0; first < 6; first++) {
        start(&w, POLLING_BALANCED, 0, EVENTS_NONE);
        for (unsigned k = first; k < first + 3; k++) {
            unsigned i = k % 3;

            if (first >= 3) { /* no naps in between: those of the load before are tried with the new one */
                open_loop(&w, 1 * US, 1250, 0);
                run(&w, 100 * MS);
            }
            few_under_way(&w, 300, load[i].gap_ns, load[i].most);
            run(&w, 500 * MS);
            run(&w, S);
            assert_in_range(w.longest_sleep_ns, load[i].least_ns, load[i].most_ns);
        }
    }
}

/* What has gathered in a pause of the machine's is soon done, and the naps are as long as before. */
static void test_after_a_pause(void **state)
{
    (void)state;
    for (unsigned most = 50; most <= 100; most += 50) {
        for (uint64_t ms = 1; ms <= 16; ms *= 2) {
            start(&w, POLLING_BALANCED, 0, EVENTS_NONE);
            few_under_way(&w, 300, 3 * US, most);
            run(&w, S);
            w.now_ns += ms * MS;
            run(&w, (10 + ms) * MS);
            run(&w, 20 * MS);
            assert_true(w.latency_max_ns < 400 * US);
            run(&w, 100 * MS);
            run(&w, 100 * MS);
            assert_true(cpu_percent(&w, 100 * MS) < (most < 100 ? 26 : 20));
        }
    }
}

/* Whoever has many requests under way is answered less often, and costs less. */
static void test_many_under_way(void **state)
{
    (void)state;
    for (enum idle_events events = EVENTS_NONE; events <= EVENTS_ALL; events += 2) {
        for (unsigned most = 50; most <= 150; most += 50) {
            start(&w, POLLING_BALANCED, 0, events);
            few_under_way(&w, 400, 3 * US, most);
            run(&w, S);
            run(&w, S);
            assert_true(cpu_percent(&w, S) < (most < 100 ? 27 : 21));
            assert_true(w.latency_max_ns < (most < 100 ? 200 : 350) * US);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet),         cmocka_unit_test(test_first_packet),   cmocka_unit_test(test_a_tenth),
        cmocka_unit_test(test_lockstep),      cmocka_unit_test(test_high_load),      cmocka_unit_test(test_changes),
        cmocka_unit_test(test_saving),        cmocka_unit_test(test_idle_sleep),     cmocka_unit_test(test_few_under_way),
        cmocka_unit_test(test_theft),         cmocka_unit_test(test_single_packets), cmocka_unit_test(test_substantial_load),
        cmocka_unit_test(test_growing_load),  cmocka_unit_test(test_heaps),          cmocka_unit_test(test_length),
        cmocka_unit_test(test_after_a_pause), cmocka_unit_test(test_many_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
