/* The smallest and the largest of the values seen lately, against a list of all of them. */
#include "unit.h"

#include "base/recent.h"

static void nothing_seen(void **state)
{
    (void)state;
    struct recent r;

    recent_init(&r);
    assert_int_equal(recent_min(&r), RECENT_NONE);
    assert_int_equal(recent_max(&r), 0);
}

static void smallest_is_forgotten(void **state)
{
    (void)state;
    struct recent r;

    recent_init(&r);
    recent_min_add(&r, 5, 1000, 100);
    recent_min_add(&r, 9, 1049, 100);
    assert_int_equal(recent_min(&r), 5);
    recent_min_add(&r, 9, 1050, 100);
    recent_min_add(&r, 7, 1099, 100);
    assert_int_equal(recent_min(&r), 5);
    recent_min_add(&r, 8, 1100, 100);
    assert_int_equal(recent_min(&r), 7);
    recent_min_add(&r, 8, 5000, 100);
    assert_int_equal(recent_min(&r), 8);
}

static void largest_is_forgotten(void **state)
{
    (void)state;
    struct recent r;

    recent_init(&r);
    recent_max_add(&r, 50, 0, 10);
    recent_max_add(&r, 20, 5, 10);
    assert_int_equal(recent_max(&r), 50);
    recent_max_add(&r, 10, 10, 10);
    assert_int_equal(recent_max(&r), 20);
    recent_max_add(&r, UINT32_MAX, 11, 10);
    assert_int_equal(recent_max(&r), UINT32_MAX);
    recent_max_add(&r, 0, 40, 10);
    assert_int_equal(recent_max(&r), 0);
}

/* At all times between the extremes of the last window and of its younger half; the clock wraps. */
static void between_half_a_window_and_one(void **state)
{
    (void)state;
    uint64_t seed = 42;
    uint32_t at[4000], v[4000], now = UINT32_MAX - 10000, window = 64;
    struct recent lo, hi;

    recent_init(&lo);
    recent_init(&hi);
    for (unsigned n = 0; n < 4000; n++) {
        uint32_t half_min = RECENT_NONE, all_min = RECENT_NONE, half_max = 0, all_max = 0;

        now += unit_below(&seed, unit_below(&seed, 10) == 0 ? 200 : 12);
        at[n] = now;
        v[n] = 1 + unit_below(&seed, 1000000);
        recent_min_add(&lo, v[n], now, window);
        recent_max_add(&hi, v[n], now, window);
        for (unsigned i = 0; i <= n; i++) {
            if (now - at[i] < window) {
                all_min = MIN(all_min, v[i]);
                all_max = MAX(all_max, v[i]);
            }
            if (now - at[i] < window / 2) {
                half_min = MIN(half_min, v[i]);
                half_max = MAX(half_max, v[i]);
            }
        }
        assert_in_range(recent_min(&lo), all_min, half_min);
        assert_in_range(recent_max(&hi), half_max, all_max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_seen),
        cmocka_unit_test(smallest_is_forgotten),
        cmocka_unit_test(largest_is_forgotten),
        cmocka_unit_test(between_half_a_window_and_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
