#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
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

/* A route of IPv4 whose gateway is 10.9.9.gw. */
static struct route v4(uint32_t prefix, unsigned len, uint8_t gw, struct netif *nif)
{
    return (struct route){.prefix = inaddr_v4(prefix),
                          .plen = (uint8_t)(ROUTE_PLEN_V4 + len),
                          .gateway = inaddr_v4(gw ? 0x0a090900u + gw : 0),
                          .nif = nif,
                          .origin = ROUTE_STATIC,
                          .expires_ns = NS_NEVER};
}

static int add(struct route r)
{
    return route_add(&t, &r);
}

static int del(uint32_t prefix, unsigned len)
{
    const struct inaddr p = inaddr_v4(prefix);

    return route_del(&t, &p, (uint8_t)(ROUTE_PLEN_V4 + len), NULL, NULL);
}

/* The last byte of the gateway to dst; -1 without a route. */
static int via_of(const struct inaddr dst)
{
    const struct route *r = route_lookup(&t, &dst);

    return r ? r->gateway.b[15] : -1;
}

static int via(uint32_t dst)
{
    return via_of(inaddr_v4(dst));
}

static void longest_prefix_wins_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(add(v4(0x0a000000u, 8, 1, nif_a)), 0);
    assert_int_equal(add(v4(0x0a010200u, 24, 2, nif_a)), 0);
    assert_int_equal(add(v4(0, 0, 3, nif_b)), 0);
    assert_int_equal(add(v4(0x0a010000u, 16, 4, nif_b)), 0);
    assert_int_equal(add(v4(0x0a010203u, 32, 5, nif_b)), 0);

    assert_int_equal(via(0x0a010203u), 5);
    assert_int_equal(via(0x0a010204u), 2);
    assert_int_equal(via(0x0a010304u), 4);
    assert_int_equal(via(0x0a020304u), 1);
    assert_int_equal(via(0x0b020304u), 3);
}

static void nothing_matches(void **state)
{
    (void)state;
    assert_int_equal(via(1), -1);
    assert_int_equal(add(v4(0x0a000000u, 8, 0, nif_a)), 0);
    assert_int_equal(via(0x0b000001u), -1);
    assert_int_equal(via(0x0affffffu), 0);
}

static void families_do_not_mix(void **state)
{
    struct route any6 = {.gateway = {.b = {0xfe, 0x80, [15] = 7}}, .nif = nif_a, .expires_ns = NS_NEVER};
    struct route net6 = {.prefix = {.b = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0x10}}, .plen = 60, .nif = nif_b, .expires_ns = NS_NEVER};
    const struct inaddr in = {.b = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0x1f, 1}}, out = {.b = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0x20}};

    (void)state;
    assert_int_equal(add(any6), 0);
    assert_int_equal(add(net6), 0);
    assert_int_equal(via(0x0a000001u), -1); /* ::/0 is no way for IPv4 */
    assert_int_equal(via_of(in), 0);
    assert_int_equal(via_of(out), 7);
    assert_int_equal(add(v4(0, 0, 1, nif_a)), 0);
    assert_int_equal(via_of(out), 7);
    assert_int_equal(via(0x0a000001u), 1);
    /* a gateway of the other family, an IPv4 prefix without its whole mapping */
    any6.prefix = inaddr_v4(0x0a000000u);
    any6.plen = 104;
    assert_int_equal(add(any6), -EINVAL);
    any6.gateway = INADDR_ANY_V4;
    any6.plen = 80;
    assert_int_equal(add(any6), -EINVAL);
    net6.plen = 59;
    assert_int_equal(add(net6), -EINVAL);
    net6.plen = 129;
    assert_int_equal(add(net6), -EINVAL);
}

static void several_gateways(void **state)
{
    const struct inaddr dst = inaddr_v4(0x08080808u);
    struct route slow = v4(0, 0, 1, nif_a), learned = v4(0, 0, 2, nif_a), fixed = v4(0, 0, 3, nif_b), later = v4(0, 0, 4, nif_b);
    const struct route *r;

    (void)state;
    slow.metric = 10;
    learned.origin = ROUTE_RA;
    assert_int_equal(add(slow), 0);
    assert_int_equal(add(learned), 0);
    assert_int_equal(add(fixed), 0);
    assert_int_equal(add(later), 0);
    /* metric, then origin, then age */
    r = route_lookup(&t, &dst);
    assert_int_equal(r->gateway.b[15], 3);
    assert_int_equal((r = route_next(&t, &dst, r))->gateway.b[15], 4);
    assert_int_equal((r = route_next(&t, &dst, r))->gateway.b[15], 2);
    assert_int_equal((r = route_next(&t, &dst, r))->gateway.b[15], 1);
    assert_null(route_next(&t, &dst, r));
    assert_int_equal(route_del(&t, &fixed.prefix, fixed.plen, &fixed.gateway, nif_a), -ESRCH);
    assert_int_equal(route_del(&t, &fixed.prefix, fixed.plen, &fixed.gateway, nif_b), 0);
    assert_int_equal(via(0x08080808u), 4);
}

static void expiry(void **state)
{
    struct route r = v4(0, 0, 1, nif_a);
    uint32_t gen;

    (void)state;
    r.expires_ns = 500;
    assert_int_equal(add(r), 0);
    r = v4(0, 0, 2, nif_a);
    r.expires_ns = 700;
    assert_int_equal(add(r), 0);
    assert_int_equal(add(v4(0, 0, 3, nif_a)), 0);
    gen = t.gen;
    assert_int_equal(route_expire(&t, 499), 500);
    assert_int_equal(t.gen, gen);
    assert_int_equal(route_expire(&t, 500), 700);
    assert_int_not_equal(t.gen, gen);
    assert_int_equal(via(1), 2);
    assert_true(route_expire(&t, 700) == NS_NEVER);
    assert_int_equal(via(1), 3);
}

static void bad_prefixes_and_limits(void **state)
{
    (void)state;
    assert_int_equal(route_plen_of_mask(0), 96);
    assert_int_equal(route_plen_of_mask(0xfffffe00u), 119);
    assert_int_equal(route_plen_of_mask(0xff00ff00u), -EINVAL);
    assert_int_equal(add(v4(0x0a000001u, 8, 0, nif_a)), -EINVAL);
    assert_int_equal(add(v4(0x0a000000u, 8, 0, nif_a)), 0);
    assert_int_equal(add(v4(0x0a000000u, 8, 0, nif_a)), -EEXIST);
    assert_int_equal(add(v4(0x0a000000u, 16, 0, nif_a)), 0); /* another length is another route */
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(add(v4(0x14000000u + (i << 24), 8, 0, nif_a)), 0);
    assert_int_equal(add(v4(0, 0, 1, nif_a)), -ENOSPC);
    assert_int_equal(add(v4(0x0a000000u, 16, 0, nif_a)), -EEXIST);
}

static void deletion(void **state)
{
    (void)state;
    assert_int_equal(add(v4(0x0a000000u, 8, 1, nif_a)), 0);
    assert_int_equal(add(v4(0x0a010000u, 16, 2, nif_a)), 0);
    assert_int_equal(del(0x0a010000u, 8), -ESRCH);
    assert_int_equal(del(0x0a010000u, 16), 0);
    assert_int_equal(del(0x0a010000u, 16), -ESRCH);
    assert_int_equal(via(0x0a010001u), 1);
    assert_int_equal(t.n, 1);
}

static void generation(void **state)
{
    uint32_t g = t.gen;

    (void)state;
    assert_int_not_equal(g, 0);
    assert_int_equal(add(v4(0, 0, 1, nif_a)), 0);
    assert_int_not_equal(t.gen, g);
    g = t.gen;
    assert_int_equal(add(v4(0, 0, 1, nif_a)), -EEXIST);
    assert_int_equal(t.gen, g);
    assert_int_equal(del(0, 0), 0);
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
        cmocka_unit_test_setup_teardown(families_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(several_gateways, setup, teardown),
        cmocka_unit_test_setup_teardown(expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_prefixes_and_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(deletion, setup, teardown),
        cmocka_unit_test_setup_teardown(generation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
