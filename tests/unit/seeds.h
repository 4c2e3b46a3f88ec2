/* Random runs, each from a number; the one that failed is told, and SEED= replays it. */
#ifndef TESTS_UNIT_SEEDS_H
#define TESTS_UNIT_SEEDS_H

#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t failing_seed;

/* The teardown of a test that calls run_seeds(). */
static inline int tell_seed(void **state)
{
    (void)state;
    if (failing_seed)
        print_error("replay: SEED=%llu\n", (unsigned long long)failing_seed);
    return 0;
}

/* run returns how much happened in it: more than enough, unless it is replayed. */
static inline void run_seeds(uint64_t (*run)(uint64_t seed, int steps), uint64_t seeds, int steps, uint64_t enough)
{
    const char *seed = getenv("SEED");

    if (seed) {
        run(strtoull(seed, NULL, 0), steps);
        return;
    }
    for (uint64_t i = 1; i <= seeds; i++) {
        failing_seed = i;
        assert_true(run(i, steps) > enough);
        failing_seed = 0;
    }
}

#endif
