#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/seq.h"
#include "base/units.h"

#define HALF 0x80000000u

/* Every relation of a and a + d, at positions around both wraps (of unsigned and of signed numbers). */
static const uint32_t at[] = {0, 1, 2, 1000, HALF - 2, HALF - 1, HALF, HALF + 1, 0xfffffffeu, 0xffffffffu};

static void order_wraps(void **state)
{
    static const uint32_t later[] = {1, 2, 3, 1460, 65535, HALF - 2, HALF - 1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        uint32_t a = at[i];

        assert_false(seq_lt(a, a));
        assert_false(seq_gt(a, a));
        assert_true(seq_leq(a, a));
        assert_true(seq_geq(a, a));
        assert_int_equal(seq_max(a, a), a);
        assert_int_equal(seq_min(a, a), a);
        for (size_t j = 0; j < ARRAY_LEN(later); j++) {
            uint32_t b = a + later[j];

            assert_true(seq_lt(a, b) && seq_leq(a, b));
            assert_false(seq_lt(b, a) || seq_leq(b, a));
            assert_true(seq_gt(b, a) && seq_geq(b, a));
            assert_false(seq_gt(a, b) || seq_geq(a, b));
            assert_int_equal(seq_max(a, b), b);
            assert_int_equal(seq_max(b, a), b);
            assert_int_equal(seq_min(a, b), a);
            assert_int_equal(seq_min(b, a), a);
        }
    }
}

static void window_wraps(void **state)
{
    static const struct {
        uint32_t x_from_start, window;
        int inside;
    } row[] = {
        {0, 0, 0},
        {0, 1, 1},
        {1, 1, 0},
        {(uint32_t)-1, 1, 0},
        {65534, 65535, 1},
        {65535, 65535, 0},
        {(uint32_t)-1, 65535, 0},
        {HALF, 65535, 0},
        {(1u << 30) - 1, 1u << 30, 1},
        {1u << 30, 1u << 30, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        for (size_t j = 0; j < ARRAY_LEN(row); j++)
            assert_int_equal(seq_in(at[i] + row[j].x_from_start, at[i], at[i] + row[j].window), row[j].inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_wraps),
        cmocka_unit_test(window_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
