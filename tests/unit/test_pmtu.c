/* The cache of path MTUs: RFC 1191 sections 6.3 and 7.1, RFC 8201 section 5.2 and 5.3. */
#include "unit.h"

#include "base/arena.h"
#include "base/units.h"
#include "ip/pmtu.h"

#define LIFE (600 * NS_PER_SEC)
#define T0 NS_PER_SEC

static struct arena arena;
static struct pmtu_table t;
static const uint8_t key[16] = {1, 2, 3};

static int setup(void **state)
{
    (void)state;
    assert_int_equal(arena_init(&arena, 1024 * 1024), 0);
    return pmtu_init(&t, &arena, 64, LIFE, key);
}

static int teardown(void **state)
{
    (void)state;
    pmtu_fini(&t, &arena);
    assert_int_equal(arena.used_bytes, 0);
    arena_fini(&arena);
    return 0;
}

static struct inaddr v6(uint64_t n)
{
    struct inaddr a = {.q = {0x20, n}};

    return a;
}

static void lower_only_while_it_lives(void **state)
{
    struct inaddr a = inaddr_v4(0x0a000001u), b = inaddr_v4(0x0a000002u);

    (void)state;
    assert_int_equal(pmtu_get(&t, &a, T0), 0);
    assert_int_equal(pmtu_set(&t, &a, 1400, T0), PMTU_LOWERED);
    assert_int_equal(pmtu_set(&t, &a, 1450, T0), PMTU_NONE); /* never up by a message (RFC 8201 section 4) */
    assert_int_equal(pmtu_get(&t, &a, T0), 1400);
    assert_int_equal(pmtu_get(&t, &b, T0), 0);
    assert_int_equal(pmtu_set(&t, &a, 1300, T0), PMTU_LOWERED);
    assert_int_equal(pmtu_get(&t, &a, T0), 1300);
    assert_int_equal(t.n, 1);
}

static void ends_after_its_lifetime(void **state)
{
    struct inaddr a = inaddr_v4(0x0a000001u), b = v6(1);

    (void)state;
    pmtu_set(&t, &a, 1400, T0);
    pmtu_set(&t, &b, 1280, T0 + LIFE / 2);
    assert_int_equal(pmtu_get(&t, &a, T0 + LIFE - 1), 1400);
    assert_int_equal(pmtu_get(&t, &a, T0 + LIFE), 0);
    assert_int_equal(pmtu_expire(&t, T0 + LIFE - 1), 0);
    assert_int_equal(pmtu_expire(&t, T0 + LIFE), 1);
    assert_int_equal(t.n, 1);
    assert_int_equal(pmtu_get(&t, &b, T0 + LIFE), 1280);
    assert_int_equal(pmtu_expire(&t, T0 + 2 * LIFE), 1);
    assert_int_equal(t.n, 0);
    assert_int_equal(pmtu_set(&t, &a, 1500, T0 + 2 * LIFE), PMTU_LOWERED); /* after its end a larger one counts */
}

/* A message that says the same again shows that the path is still narrow. */
static void repeated_prolongs(void **state)
{
    struct inaddr a = inaddr_v4(0x0a000001u);

    (void)state;
    pmtu_set(&t, &a, 1400, T0);
    assert_int_equal(pmtu_set(&t, &a, 1400, T0 + LIFE - 1), PMTU_NONE);
    assert_int_equal(pmtu_get(&t, &a, T0 + LIFE), 1400);
    assert_int_equal(pmtu_set(&t, &a, 1450, T0 + LIFE), PMTU_NONE);
    assert_int_equal(pmtu_get(&t, &a, T0 + 2 * LIFE - 1), 0);
}

/* Ten thousand destinations: the table stays as large as it was made, and says when it forgets. */
static void bounded(void **state)
{
    uint32_t evicted = 0, known = 0;
    size_t bytes = arena.used_bytes;

    (void)state;
    for (uint64_t i = 0; i < 10000; i++) {
        struct inaddr a = v6(i);

        evicted += pmtu_set(&t, &a, 1280, T0 + i) == PMTU_LOWERED_EVICTED;
        assert_int_equal(pmtu_get(&t, &a, T0 + i), 1280);
    }
    for (uint64_t i = 0; i < 10000; i++) {
        struct inaddr a = v6(i);

        known += pmtu_get(&t, &a, T0 + 10000) != 0;
    }
    assert_int_equal(known, t.n);
    assert_int_equal(known + evicted, 10000);
    assert_true(known >= 60 && known <= 64);
    assert_int_equal(arena.used_bytes, bytes);
    assert_int_equal(pmtu_expire(&t, UINT64_MAX), known);
}

static void no_memory(void **state)
{
    struct pmtu_table x;

    (void)state;
    arena.fail_after = 1;
    assert_int_not_equal(pmtu_init(&x, &arena, 64, LIFE, key), 0);
    pmtu_fini(&x, &arena);
}

static void plateaus(void **state)
{
    (void)state;
    assert_int_equal(pmtu_plateau_below(65535), 32000);
    assert_int_equal(pmtu_plateau_below(1500), 1492);
    assert_int_equal(pmtu_plateau_below(1492), 1006);
    assert_int_equal(pmtu_plateau_below(1006), 508);
    assert_int_equal(pmtu_plateau_below(300), 296);
    assert_int_equal(pmtu_plateau_below(68), 68);
    assert_int_equal(pmtu_plateau_below(0), 68);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(lower_only_while_it_lives), T(ends_after_its_lifetime), T(repeated_prolongs), T(bounded), T(no_memory), T(plateaus),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
