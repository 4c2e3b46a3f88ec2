#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/units.h"

/* Of the reference implementations of splitmix64 (seed 1234567) and xoshiro256** (state 1, 2, 3, 4). */
static void reference_values(void **state)
{
    static const uint64_t splitmix[] = {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull, 4593380528125082431ull};
    static const uint64_t xoshiro[] = {11520ull,
                                       0ull,
                                       1509978240ull,
                                       1215971899390074240ull,
                                       1216172134540287360ull,
                                       607988272756665600ull,
                                       16172922978634559625ull,
                                       8476171486693032832ull,
                                       10595114339597558777ull,
                                       2904607092377533576ull};
    struct rng r;

    (void)state;
    rng_seed(&r, 1234567);
    for (unsigned i = 0; i < ARRAY_LEN(splitmix); i++)
        assert_true(r.s[i] == splitmix[i]);
    r = (struct rng){{1, 2, 3, 4}};
    for (unsigned i = 0; i < ARRAY_LEN(xoshiro); i++)
        assert_true(rng_next(&r) == xoshiro[i]);
}

static void same_seed_same_run(void **state)
{
    struct rng a, b, c;
    unsigned differ = 0;

    (void)state;
    rng_seed(&a, 0);
    rng_seed(&b, 0);
    rng_seed(&c, 1);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t x = rng_next(&a);

        assert_true(x == rng_next(&b));
        differ += x != rng_next(&c);
    }
    assert_true(differ > 990);
}

static void below_is_uniform(void **state)
{
    static const uint32_t bounds[] = {1, 2, 3, 7, 10, 64, 100};
    uint32_t third[3] = {0};
    struct rng r;

    (void)state;
    rng_seed(&r, 42);
    for (unsigned i = 0; i < ARRAY_LEN(bounds); i++) {
        uint32_t n = bounds[i], count[100] = {0};

        for (uint32_t j = 0; j < n * 10000; j++) {
            uint32_t x = rng_below(&r, n);

            assert_true(x < n);
            count[x]++;
        }
        for (uint32_t x = 0; x < n; x++) /* 5 standard deviations */
            assert_true(count[x] > 9500 && count[x] < 10500);
    }
    /* 2^32 draws over 3 * 2^30 results: without drawing again, every third result comes twice as often as the others */
    for (unsigned i = 0; i < 30000; i++)
        third[rng_below(&r, 0xc0000000u) % 3]++;
    for (unsigned i = 0; i < 3; i++)
        assert_true(third[i] > 9500 && third[i] < 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_values),
        cmocka_unit_test(same_seed_same_run),
        cmocka_unit_test(below_is_uniform),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
