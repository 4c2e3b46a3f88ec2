#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ip/route.h"

static struct arena arena;
static struct route_table t;
static struct netif *const nif_a = (struct netif *)0x1000, *const nif_b = (struct netif *)0x2000;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(arena_init(&arena, 1024 * 1024), 0);
    return route_table_init(&t, &arena, 6);
}

static int teardown(void **state)
{
    (void)state;
    route_table_fini(&t, &arena);
    assert_int_equal(arena.used_bytes, 0);
    arena_fini(&arena);
    return 0;
}

static void longest_prefix_wins_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(route_add(&t, 0x0a000000u, 0xff000000u, 1, nif_a), 0);
    assert_int_equal(route_add(&t, 0x0a010200u, 0xffffff00u, 2, nif_a), 0);
    assert_int_equal(route_add(&t, 0, 0, 3, nif_b), 0);
    assert_int_equal(route_add(&t, 0x0a010000u, 0xffff0000u, 4, nif_b), 0);
    assert_int_equal(route_add(&t, 0x0a010203u, 0xffffffffu, 5, nif_b), 0);

    assert_int_equal(route_lookup(&t, 0x0a010203u)->gateway, 5);
    assert_int_equal(route_lookup(&t, 0x0a010204u)->gateway, 2);
    assert_int_equal(route_lookup(&t, 0x0a010304u)->gateway, 4);
    assert_int_equal(route_lookup(&t, 0x0a020304u)->gateway, 1);
    assert_int_equal(route_lookup(&t, 0x0b020304u)->gateway, 3);
    assert_ptr_equal(route_lookup(&t, 0x0b020304u)->nif, nif_b);
}

static void nothing_matches(void **state)
{
    (void)state;
    assert_null(route_lookup(&t, 1));
    assert_int_equal(route_add(&t, 0x0a000000u, 0xff000000u, 0, nif_a), 0);
    assert_null(route_lookup(&t, 0x0b000001u));
    assert_non_null(route_lookup(&t, 0x0affffffu));
}

static void bad_prefixes_and_limits(void **state)
{
    (void)state;
    assert_int_equal(route_add(&t, 0x0a000001u, 0xff000000u, 0, nif_a), -EINVAL);
    assert_int_equal(route_add(&t, 0, 0xff00ff00u, 0, nif_a), -EINVAL);
    assert_int_equal(route_add(&t, 0x0a000000u, 0xff000000u, 0, nif_a), 0);
    assert_int_equal(route_add(&t, 0x0a000000u, 0xff000000u, 9, nif_b), -EEXIST);
    assert_int_equal(route_add(&t, 0x0a000000u, 0xffff0000u, 0, nif_a), 0); /* another length is another route */
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(route_add(&t, 0x14000000u + (i << 24), 0xff000000u, 0, nif_a), 0);
    assert_int_equal(route_add(&t, 0, 0, 1, nif_a), -ENOSPC);
    assert_int_equal(route_add(&t, 0x0a000000u, 0xffff0000u, 0, nif_a), -EEXIST);
}

static void deletion(void **state)
{
    (void)state;
    assert_int_equal(route_add(&t, 0x0a000000u, 0xff000000u, 1, nif_a), 0);
    assert_int_equal(route_add(&t, 0x0a010000u, 0xffff0000u, 2, nif_a), 0);
    assert_int_equal(route_del(&t, 0x0a010000u, 0xff000000u), -ESRCH);
    assert_int_equal(route_del(&t, 0x0a010000u, 0xffff0000u), 0);
    assert_int_equal(route_del(&t, 0x0a010000u, 0xffff0000u), -ESRCH);
    assert_int_equal(route_lookup(&t, 0x0a010001u)->gateway, 1);
    assert_int_equal(t.n, 1);
}

static void generation(void **state)
{
    uint32_t g = t.gen;

    (void)state;
    assert_int_not_equal(g, 0);
    assert_int_equal(route_add(&t, 0, 0, 1, nif_a), 0);
    assert_int_not_equal(t.gen, g);
    g = t.gen;
    assert_int_equal(route_add(&t, 0, 0, 1, nif_a), -EEXIST);
    assert_int_equal(t.gen, g);
    assert_int_equal(route_del(&t, 0, 0), 0);
    assert_int_not_equal(t.gen, g);
    t.gen = UINT32_MAX; /* 0 means "never looked up" */
    route_changed(&t);
    assert_int_equal(t.gen, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(longest_prefix_wins_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_matches, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_prefixes_and_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(deletion, setup, teardown),
        cmocka_unit_test_setup_teardown(generation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
