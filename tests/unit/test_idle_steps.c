/* When to sleep (core/idle.h), step by step: what each period and each look decides. */
#include "unit.h"

#include "base/units.h"
#include "core/idle.h"

#define US NS_PER_US
#define MS NS_PER_MS
#define S NS_PER_SEC

#define PIECES 100u /* of a period */

static struct {
    struct idle_conf conf;
    struct idle idle;
    uint64_t now_ns, packets;
} w;

static void start(enum idle_polling polling, uint32_t idle_sleep_us)
{
    memset(&w, 0, sizeof(w));
    w.now_ns = 1000 * S;
    idle_conf_init(&w.conf, polling, idle_sleep_us);
    idle_init(&w.idle, &w.conf, w.now_ns);
}

/* So many packets in so long a time, a part of which was work: a little of it every now and then. */
static void period(uint64_t ns, uint64_t packets, uint64_t busy_ns)
{
    for (unsigned i = 0; i < PIECES; i++) {
        idle_work(&w.idle);
        w.now_ns += busy_ns / PIECES;
        w.packets += packets / PIECES;
        idle_look(&w.idle, &w.conf, w.now_ns, w.packets, EVENTS_NONE, false);
        w.now_ns += (ns - busy_ns) / PIECES;
        idle_look(&w.idle, &w.conf, w.now_ns, w.packets, EVENTS_NONE, false);
    }
}

/* Until naps have been tried and found good. */
static void nap(void)
{
    start(POLLING_BALANCED, 0);
    period(2 * MS, 2000, 300 * US);
    assert_false(w.idle.napping);
    period(2 * MS, 2000, 300 * US);
    assert_true(w.idle.napping);
    period(2 * MS, 2000, 200 * US);
    assert_true(w.idle.napping && !w.idle.trial);
}

/* What happened in one period alone decides nothing: it may be a pause of the machine's. */
static void test_two_periods(void **state)
{
    (void)state;
    nap();
    period(2 * MS, 1400, 1000 * US);
    assert_true(w.idle.napping);
    period(2 * MS, 2000, 200 * US);
    period(2 * MS, 1400, 1000 * US);
    assert_true(w.idle.napping);
    period(2 * MS, 2000, 800 * US);
    assert_false(w.idle.napping);

    start(POLLING_BALANCED, 0);
    period(2 * MS, 2000, 1600 * US);
    period(2 * MS, 2000, 300 * US);
    assert_false(w.idle.napping);
}

/* A trial is held against the better one of two periods. */
static void test_higher_rate(void **state)
{
    (void)state;
    for (uint64_t trial = 1700; trial <= 1800; trial += 100) {
        start(POLLING_BALANCED, 0);
        period(2 * MS, 2000, 300 * US);
        period(2 * MS, 1100, 200 * US);
        assert_true(w.idle.trial);
        period(2 * MS, trial, 200 * US);
        assert_int_equal(w.idle.napping, trial > 1750);
    }
}

/* Naps are begun while they leave the loop busy for a quarter of the time, and kept up to a third. */
static void test_busy_bounds(void **state)
{
    (void)state;
    for (uint64_t percent = 10; percent <= 50; percent++) {
        start(POLLING_BALANCED, 0);
        period(2 * MS, 2000, 300 * US);
        period(2 * MS, 2000, 300 * US);
        period(2 * MS, 2000, percent * 20 * US);
        assert_int_equal(w.idle.napping, percent <= 25);
        nap();
        period(2 * MS, 2000, percent * 20 * US);
        period(2 * MS, 2000, percent * 20 * US);
        assert_int_equal(w.idle.napping, percent <= 33);
        start(POLLING_BALANCED, 0);
        period(2 * MS, 2000, (percent + 45) * 20 * US);
        period(2 * MS, 2000, (percent + 45) * 20 * US);
        assert_int_equal(w.idle.napping, percent + 45 <= 75);
    }
}

static enum idle_what after(uint64_t silence_ns)
{
    return idle_look(&w.idle, &w.conf, w.now_ns + silence_ns, w.packets, EVENTS_NONE, false).what;
}

/* Under load a silence is the client's, or the machine's, and not slept through. */
static void test_silence_under_load(void **state)
{
    (void)state;
    for (uint64_t busy_us = 400; busy_us <= 1200; busy_us += 200) {
        start(POLLING_BALANCED, 0);
        period(2 * MS, 2000, busy_us * US);
        assert_int_equal(after(8 * MS), busy_us > 500 ? IDLE_PAUSE : IDLE_NAP);
        assert_int_equal(after(10 * MS), IDLE_NAP);
        assert_int_equal(after(30 * MS), IDLE_NAP);
        w.now_ns += 30 * MS;
        idle_work(&w.idle);
        assert_int_equal(after(0), IDLE_SPIN);
        assert_int_equal(after(100 * US), IDLE_NAP);
    }
}

/* Naps are tried against spinning, and cost nothing. */
static void pass_trial(void)
{
    while (!w.idle.trial)
        period(2 * MS, 2000, 200 * US);
    assert_false(w.idle.napping);
    period(2 * MS, 2000, 300 * US);
    assert_true(w.idle.napping);
}

/* Naps that cost the clients something are tried later each time, up to a second; those that do not are as soon put to the test. */
static void test_pauses(void **state)
{
    static const uint64_t pause_ms[] = {10, 40, 160, 640, 1000, 1000};

    (void)state;
    start(POLLING_BALANCED, 0);
    for (unsigned i = 0; i < 6; i++) {
        while (!w.idle.trial)
            period(2 * MS, 2000, 300 * US);
        period(2 * MS, 1500, 200 * US);
        assert_false(w.idle.napping);
        assert_int_equal(w.idle.next_trial_ns - w.now_ns, pause_ms[i] * MS);
    }
    nap();
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(w.idle.next_trial_ns - w.now_ns, pause_ms[i] * MS);
        pass_trial();
    }
}

/* An event that brought nothing, as from a port without buffers, is not waited for again at once. */
static void test_false_alarm(void **state)
{
    struct idle_step step;

    (void)state;
    start(POLLING_BALANCED, 0);
    step = idle_look(&w.idle, &w.conf, w.now_ns + S, 0, EVENTS_ALL, false);
    assert_int_equal(step.what, IDLE_WAIT);
    idle_slept(&w.idle, w.now_ns + S, true);
    step = idle_look(&w.idle, &w.conf, w.now_ns + S + US, 0, EVENTS_ALL, false);
    assert_int_equal(step.what, IDLE_NAP);
    idle_slept(&w.idle, w.now_ns + S + MS, false);
    step = idle_look(&w.idle, &w.conf, w.now_ns + S + MS + US, 0, EVENTS_ALL, false);
    assert_int_equal(step.what, IDLE_WAIT);
}

/* After the last work there is a whole turn before any sleep: what the application did in it has been seen. */
static void test_never_at_once(void **state)
{
    (void)state;
    for (enum idle_polling polling = POLLING_ALWAYS; polling <= POLLING_SAVING; polling++) {
        start(polling, polling == POLLING_BALANCED ? 20 : 0);
        for (int i = 1; i < 10; i++) {
            idle_work(&w.idle);
            assert_int_equal(idle_look(&w.idle, &w.conf, w.now_ns + (uint64_t)i * S, 1, EVENTS_ALL, false).what, IDLE_SPIN);
        }
    }
}

static void test_deadlines(void **state)
{
    static const struct {
        enum idle_what what;
        uint64_t ns, deadline_ns;
        enum idle_what becomes;
        uint64_t becomes_ns;
    } t[] = {
        {IDLE_WAIT, S, NS_NEVER, IDLE_WAIT, S},        {IDLE_WAIT, S, 10 * S + 3 * MS, IDLE_WAIT, 3 * MS},
        {IDLE_NAP, MS, 10 * S + 3 * MS, IDLE_NAP, MS}, {IDLE_NAP, MS, 10 * S + 30 * US, IDLE_NAP, 30 * US},
        {IDLE_NAP, MS, 10 * S + 1, IDLE_PAUSE, 0},     {IDLE_NAP, MS, 10 * S, IDLE_SPIN, 0},
        {IDLE_WAIT, MS, 9 * S, IDLE_SPIN, 0},          {IDLE_PAUSE, 0, 10 * S, IDLE_PAUSE, 0},
        {IDLE_SPIN, 0, NS_NEVER, IDLE_SPIN, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct idle_step step = idle_until((struct idle_step){t[i].what, t[i].ns}, 10 * S, t[i].deadline_ns);

        assert_int_equal(step.what, t[i].becomes);
        assert_int_equal(step.ns, t[i].becomes_ns);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_periods),        cmocka_unit_test(test_higher_rate), cmocka_unit_test(test_busy_bounds),
        cmocka_unit_test(test_silence_under_load), cmocka_unit_test(test_pauses),      cmocka_unit_test(test_false_alarm),
        cmocka_unit_test(test_never_at_once),      cmocka_unit_test(test_deadlines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
