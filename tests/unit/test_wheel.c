#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"
#include "base/wheel.h"

#define TICK (1ull << WHEEL_TICK_SHIFT)
#define YEAR (365ull * 24 * 3600 * NS_PER_SEC)

static struct wheel w;

static uint64_t ceil_tick(uint64_t ns)
{
    return ns / TICK + (ns % TICK != 0);
}

static void starts_empty(void **state)
{
    struct wheel_node n = {0};

    (void)state;
    wheel_init(&w, 12345);
    assert_true(wheel_next_ns(&w) == NS_NEVER);
    assert_null(wheel_expire(&w, 12345));
    assert_null(wheel_expire(&w, 500 * YEAR));
    assert_false(wheel_is_armed(&n));
    wheel_cancel(&w, &n);
    assert_int_equal(w.armed, 0);
}

/* For many distances and starts: silent until the deadline, fired by the first tick at or after it. */
static void never_early_a_tick_late_at_most(void **state)
{
    static const uint64_t start[] = {0, 1, TICK - 1, TICK, 63 * TICK, 64 * TICK - 1, 4095 * TICK + 17, 123456789012345ull, 300 * YEAR};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(start); i++) {
        for (unsigned bit = 0; bit < 62; bit++) {
            for (unsigned delta = 0; delta <= 2; delta++) {
                uint64_t deadline = start[i] + (1ull << bit) + delta - 1;
                struct wheel_node n = {.kind = 9};
                uint64_t fires = MAX(ceil_tick(deadline), start[i] / TICK + 1) * TICK;

                wheel_init(&w, start[i]);
                wheel_arm(&w, &n, deadline);
                assert_true(wheel_is_armed(&n));
                assert_int_equal(w.armed, 1);
                assert_true(wheel_next_ns(&w) <= fires);
                assert_true(wheel_next_ns(&w) > start[i]);
                assert_null(wheel_expire(&w, start[i]));
                if (fires - 1 > start[i])
                    assert_null(wheel_expire(&w, fires - 1));
                assert_true(wheel_is_armed(&n));
                assert_ptr_equal(wheel_expire(&w, fires), &n);
                assert_false(wheel_is_armed(&n));
                assert_int_equal(n.kind, 9);
                assert_int_equal(w.armed, 0);
                assert_null(wheel_expire(&w, fires));
                assert_true(wheel_next_ns(&w) == NS_NEVER);
            }
        }
    }
}

/* A loop that sleeps until wheel_next_ns reaches the deadline in a few steps and never past it. */
static void next_leads_to_the_deadline(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 62; bit++) {
        struct wheel_node n = {0};
        uint64_t now = 987654321, deadline = now + (1ull << bit) + 77;
        unsigned steps = 0;

        wheel_init(&w, now);
        wheel_arm(&w, &n, deadline);
        do {
            uint64_t next = wheel_next_ns(&w);

            assert_true(next > now);
            now = next;
            steps++;
        } while (wheel_expire(&w, now) == NULL);
        assert_true(now == ceil_tick(deadline) * TICK);
        assert_true(steps <= WHEEL_LEVELS);
    }
}

static void next_is_exact_in_the_first_level(void **state)
{
    struct wheel_node n = {0}, later = {0};

    (void)state;
    wheel_init(&w, 0);
    wheel_arm(&w, &later, 63 * TICK);
    for (uint64_t tick = 1; tick < 63; tick++) {
        wheel_arm(&w, &n, tick * TICK);
        assert_true(wheel_next_ns(&w) == tick * TICK);
        wheel_arm(&w, &n, tick * TICK - 5);
        assert_true(wheel_next_ns(&w) == tick * TICK);
        wheel_cancel(&w, &n);
        assert_true(wheel_next_ns(&w) == 63 * TICK);
    }
}

static void jumps_over_years(void **state)
{
    static struct wheel_node n[600];
    uint64_t now = 5;
    unsigned fired = 0;

    (void)state;
    memset(n, 0, sizeof(n));
    wheel_init(&w, now);
    for (unsigned i = 0; i < 580; i++)
        wheel_arm(&w, &n[i], (i + 1) * YEAR);
    assert_null(wheel_expire(&w, YEAR - 1));
    while (wheel_expire(&w, 100 * YEAR + TICK) != NULL)
        fired++;
    assert_int_equal(fired, 100);
    while (wheel_expire(&w, 579 * YEAR + TICK) != NULL)
        fired++;
    assert_int_equal(fired, 579);
    assert_true(wheel_is_armed(&n[579]));
    assert_ptr_equal(wheel_expire(&w, UINT64_MAX - TICK), &n[579]);
}

static void no_deadline(void **state)
{
    struct wheel_node n = {0};

    (void)state;
    wheel_init(&w, 0);
    wheel_arm(&w, &n, NS_NEVER);
    assert_false(wheel_is_armed(&n));
    wheel_arm(&w, &n, 1);
    wheel_arm(&w, &n, NS_NEVER);
    assert_false(wheel_is_armed(&n));
    assert_int_equal(w.armed, 0);
    assert_true(wheel_next_ns(&w) == NS_NEVER);
    wheel_arm(&w, &n, NS_NEVER - 1);
    assert_null(wheel_expire(&w, NS_NEVER - 2 * TICK));
    assert_true(wheel_is_armed(&n));
}

/* A body that re-arms its own node in the past gets one turn per tick. */
static void rearm_inside_the_loop(void **state)
{
    struct wheel_node n = {0}, *got;
    unsigned fired = 0;

    (void)state;
    wheel_init(&w, 0);
    wheel_arm(&w, &n, 0);
    assert_null(wheel_expire(&w, TICK - 1));
    for (uint64_t tick = 1; tick <= 200; tick++) {
        while ((got = wheel_expire(&w, tick * TICK + 3)) != NULL) {
            assert_ptr_equal(got, &n);
            fired++;
            wheel_arm(&w, &n, tick % 2 != 0 ? 0 : tick * TICK + 3);
            assert_true(wheel_next_ns(&w) == (tick + 1) * TICK);
        }
        assert_int_equal(fired, tick);
    }
}

static void moved_before_and_after(void **state)
{
    struct wheel_node n = {0};

    (void)state;
    wheel_init(&w, 0);
    wheel_arm(&w, &n, 100 * TICK);
    wheel_arm(&w, &n, 10 * TICK);
    assert_int_equal(w.armed, 1);
    assert_true(wheel_next_ns(&w) == 10 * TICK);
    wheel_arm(&w, &n, 5000 * TICK);
    assert_null(wheel_expire(&w, 4999 * TICK));
    assert_ptr_equal(wheel_expire(&w, 5000 * TICK), &n);
}

/* The body cancels and re-arms others that are due in the same turn. */
static void cancel_inside_the_loop(void **state)
{
    struct wheel_node n[8] = {0}, *got;
    unsigned fired = 0;

    (void)state;
    wheel_init(&w, 0);
    for (unsigned i = 0; i < 8; i++)
        wheel_arm(&w, &n[i], TICK + i * 300 * TICK);
    got = wheel_expire(&w, 10000 * TICK);
    assert_ptr_equal(got, &n[0]);
    assert_true(wheel_next_ns(&w) <= 10000 * TICK); /* more are due */
    wheel_cancel(&w, &n[1]);
    wheel_cancel(&w, &n[1]);
    wheel_cancel(&w, &n[4]);
    wheel_arm(&w, &n[2], 20000 * TICK);
    assert_int_equal(w.armed, 5);
    while ((got = wheel_expire(&w, 10000 * TICK)) != NULL) {
        assert_true(got != &n[0] && got != &n[1] && got != &n[2] && got != &n[4]);
        if (fired++ == 0)
            wheel_cancel(&w, got == &n[7] ? &n[6] : &n[7]);
    }
    assert_int_equal(fired, 3);
    assert_int_equal(w.armed, 1);
    assert_ptr_equal(wheel_expire(&w, 20000 * TICK), &n[2]);
    assert_true(wheel_next_ns(&w) == NS_NEVER);
}

static void clock_that_stands_or_steps_back(void **state)
{
    struct wheel_node n = {0};

    (void)state;
    wheel_init(&w, 100 * TICK);
    wheel_arm(&w, &n, 101 * TICK);
    assert_null(wheel_expire(&w, 0));
    assert_null(wheel_expire(&w, 100 * TICK));
    assert_ptr_equal(wheel_expire(&w, 101 * TICK), &n);
}

/* The model -------------------------------------------------------------------------------------------------- */

#define NODES 128
#define OPS 1000000

static struct model {
    struct wheel_node node;
    uint64_t fires_tick; /* 0: not armed */
} model[NODES];

static uint64_t model_next(void)
{
    uint64_t next = NS_NEVER;

    for (unsigned i = 0; i < NODES; i++)
        if (model[i].fires_tick != 0)
            next = MIN(next, model[i].fires_tick * TICK);
    return next;
}

static void model_arm(struct model *m, struct rng *rng, uint64_t now)
{
    uint64_t reach = rng_next(rng) >> (10 + rng_below(rng, 50));
    uint64_t deadline = rng_below(rng, 8) == 0 ? now - MIN(now, reach) : now + reach;

    wheel_arm(&w, &m->node, deadline);
    m->fires_tick = MAX(ceil_tick(deadline), w.now_tick + 1);
}

static unsigned model_expire(struct rng *rng, uint64_t now)
{
    struct wheel_node *n;
    unsigned fired = 0;

    while ((n = wheel_expire(&w, now)) != NULL) {
        struct model *m = container_of_ptr(n, struct model, node);

        assert_true(m->fires_tick != 0 && m->fires_tick <= now / TICK);
        m->fires_tick = 0;
        fired++;
        if (rng_below(rng, 4) == 0)
            model_arm(m, rng, now);
        if (rng_below(rng, 8) == 0) {
            struct model *other = &model[rng_below(rng, NODES)];

            wheel_cancel(&w, &other->node);
            other->fires_tick = 0;
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_true(model[i].fires_tick == 0 || model[i].fires_tick > now / TICK);
        assert_int_equal(wheel_is_armed(&model[i].node), model[i].fires_tick != 0);
    }
    return fired;
}

static void against_a_model(void **state)
{
    uint64_t now = 1000, fired = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    memset(model, 0, sizeof(model));
    wheel_init(&w, now);
    for (unsigned op = 0; op < OPS; op++) {
        struct model *m = &model[rng_below(&rng, NODES)];
        unsigned armed = 0;

        switch (rng_below(&rng, 8)) {
        case 0:
            wheel_cancel(&w, &m->node);
            m->fires_tick = 0;
            break;
        case 1: { /* the jump is short most of the time, and stays below the clock's end in all */
            uint64_t jump = rng_next(&rng) >> (24 + rng_below(&rng, 40));

            if (rng_below(&rng, 4) == 0 && w.armed != 0)
                now = MAX(now, wheel_next_ns(&w));
            else if (now < 400 * YEAR)
                now += jump;
            else
                now += jump >> 20;
            fired += model_expire(&rng, now);
            break;
        }
        default:
            model_arm(m, &rng, now);
        }
        if (op % 16 == 0) {
            for (unsigned i = 0; i < NODES; i++)
                armed += model[i].fires_tick != 0;
            assert_int_equal(w.armed, armed);
            assert_true(wheel_next_ns(&w) <= model_next());
            if (model_next() / TICK / WHEEL_SLOTS == w.now_tick / WHEEL_SLOTS)
                assert_true(wheel_next_ns(&w) == model_next());
            assert_int_equal(wheel_next_ns(&w) == NS_NEVER, armed == 0);
        }
    }
    assert_true(fired > OPS / 20); /* it was a test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),
        cmocka_unit_test(never_early_a_tick_late_at_most),
        cmocka_unit_test(next_leads_to_the_deadline),
        cmocka_unit_test(next_is_exact_in_the_first_level),
        cmocka_unit_test(jumps_over_years),
        cmocka_unit_test(no_deadline),
        cmocka_unit_test(rearm_inside_the_loop),
        cmocka_unit_test(moved_before_and_after),
        cmocka_unit_test(cancel_inside_the_loop),
        cmocka_unit_test(clock_that_stands_or_steps_back),
        cmocka_unit_test(against_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
