/* MIN and MAX (src/base/units.h): each argument is evaluated once, and a use may be an argument of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rte_common.h>

#include "base/units.h"

static unsigned evaluated;

static uint32_t once(uint32_t v)
{
    evaluated++;
    return v;
}

static void expect(uint32_t got, uint32_t want, unsigned times)
{
    assert_int_equal(got, want);
    assert_int_equal(evaluated, times);
    evaluated = 0;
}

static void arguments_are_evaluated_once(void **state)
{
    uint32_t i = 5;

    (void)state;
    expect(MIN(once(1), once(2)), 1, 2);
    expect(MIN(once(2), once(1)), 1, 2);
    expect(MAX(once(1), once(2)), 2, 2);
    expect(MAX(once(2), once(1)), 2, 2);
    expect(MIN(once(3), once(3)), 3, 2);
    expect(MIN(i++, 9u), 5, 0);
    assert_int_equal(i, 6);
    expect(MAX(--i, 1u), 5, 0);
    assert_int_equal(i, 5);
}

static void uses_nest(void **state)
{
    (void)state;
    expect(MIN(MAX(once(1), once(5)), MIN(once(7), once(4))), 4, 4);
    expect(MAX(MIN(once(1), MAX(once(2), once(3))), once(0)), 1, 4);
    expect(MAX(MAX(MAX(once(1), once(2)), once(3)), once(4)), 4, 4);
    expect(MIN(RTE_MAX(3u, 8u), MAX(6u, RTE_MIN(7u, 9u))), 7, 0);
}

/* Of two types it is the one of their comparison, as of the operands of ?: ones. */
static void types(void **state)
{
    uint16_t small = 7;
    uint64_t large = UINT64_MAX;
    const char text[] = "ab";
    const char *first = text, *last = text + 2;

    (void)state;
    assert_true(MIN(small, large) == 7);
    assert_true(MAX(small, large) == UINT64_MAX);
    assert_true(sizeof(MIN(small, large)) == sizeof(uint64_t));
    assert_ptr_equal(MAX(first, last), last);
    assert_true(MIN(-1, 1) == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_evaluated_once),
        cmocka_unit_test(uses_nest),
        cmocka_unit_test(types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
