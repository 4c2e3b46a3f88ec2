#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/rng.h"
#include "base/units.h"

static void classes(void **state)
{
    static const struct {
        size_t size, bytes;
    } row[] = {
        {0, 64},
        {1, 64},
        {63, 64},
        {64, 64},
        {65, 96},
        {96, 96},
        {97, 128},
        {128, 128},
        {129, 192},
        {192, 192},
        {193, 256},
        {256, 256},
        {257, 320},
        {321, 384},
        {385, 448},
        {449, 512},
        {513, 576},
        {832, 832},
        {961, 1024},
        {1025, 1152},
        {4096, 4096},
        {4097, 4608},
        {6145, 6656},
        {7681, 8192},
        {ARENA_MAX_BLOCK / 2, ARENA_MAX_BLOCK / 2},
        {ARENA_MAX_BLOCK / 2 + 1, ARENA_MAX_BLOCK / 16 * 9},
        {ARENA_MAX_BLOCK / 16 * 15 + 1, ARENA_MAX_BLOCK},
        {ARENA_MAX_BLOCK, ARENA_MAX_BLOCK},
        {ARENA_MAX_BLOCK + 1, 0},
        {SIZE_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_int_equal(arena_class_bytes(row[i].size), row[i].bytes);
    for (unsigned c = 1; c < ARENA_CLASSES; c++) { /* each class is the smallest that holds its sizes */
        assert_int_equal(arena_class(arena_bytes_of(c)), c);
        assert_int_equal(arena_class(arena_bytes_of(c - 1) + 1), c);
    }
}

static void zeroed_aligned_reused(void **state)
{
    struct arena a;

    (void)state;
    assert_int_equal(arena_init(&a, 4 * MIB), 0);
    for (size_t size = 1; size <= ARENA_MAX_BLOCK; size *= 2) {
        size_t bytes = arena_class_bytes(size);
        size_t top;
        char *p = arena_alloc(&a, size), *again;

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_int_equal(a.used_bytes, bytes);
        memset(p, 0xff, bytes);
        arena_free(&a, p, bytes); /* another size of the same class */
        assert_int_equal(a.used_bytes, 0);
        top = a.top_bytes;
        again = arena_alloc(&a, size);
        assert_ptr_equal(again, p);
        assert_int_equal(a.top_bytes, top);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(again[i], 0);
        arena_free(&a, again, size);
    }
    arena_free(&a, NULL, 100);
    assert_int_equal(a.failures, 0);
    arena_fini(&a);
}

/* Blocks of 96 bytes come in pairs, and nothing else loses its alignment by them. */
static void pairs(void **state)
{
    struct arena a;
    char *p[5];

    (void)state;
    assert_int_equal(arena_init(&a, 3 * 192), 0);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = arena_alloc(&a, 96);
        assert_non_null(p[i]);
        assert_int_equal(a.top_bytes, 192 * (i / 2 + 1));
        assert_int_equal(a.used_bytes, 96 * (i + 1));
        memset(p[i], 0xff, 96);
    }
    p[4] = arena_alloc(&a, 192);
    assert_int_equal((uintptr_t)p[4] % 64, 0);
    arena_free(&a, p[0], 96);
    assert_null(arena_alloc(&a, 64)); /* all there is are halves of pairs: too small to be split */
    arena_free(&a, p[4], 192);
    p[0] = arena_alloc(&a, 70); /* the one that was freed */
    p[4] = arena_alloc(&a, 96); /* of a pair made of the free 192 */
    assert_non_null(p[0]);
    assert_non_null(p[4]);
    for (unsigned i = 0; i < 96; i++)
        assert_int_equal(p[0][i] | p[4][i], 0);
    assert_non_null(arena_alloc(&a, 96));
    assert_null(arena_alloc(&a, 96));
    assert_int_equal(a.used_bytes, 6 * 96);
    arena_fini(&a);
}

static void limit(void **state)
{
    struct arena a;
    char *p[64];

    (void)state;
    assert_int_equal(arena_init(&a, 64 * 1024), 0);
    for (unsigned i = 0; i < 64; i++) {
        p[i] = arena_alloc(&a, 1000);
        assert_non_null(p[i]);
        for (unsigned j = 0; j < i; j++)
            assert_true(p[i] >= p[j] + 1024 || p[i] + 1024 <= p[j]);
    }
    assert_null(arena_alloc(&a, 1000));
    assert_null(arena_alloc(&a, 1));
    assert_int_equal(a.failures, 2);
    assert_int_equal(a.used_bytes, 64 * 1024);
    assert_int_equal(a.top_bytes, 64 * 1024);
    assert_null(arena_alloc(&a, ARENA_MAX_BLOCK + 1));
    assert_int_equal(a.failures, 2);
    arena_free(&a, p[7], 1000);
    assert_ptr_equal(arena_alloc(&a, 1024), p[7]);
    arena_fini(&a);
}

/* A full range still serves small blocks out of free large ones. */
static void splits_when_full(void **state)
{
    struct arena a;
    char *large, *p[16];

    (void)state;
    assert_int_equal(arena_init(&a, 4096), 0);
    large = arena_alloc(&a, 4096);
    assert_non_null(large);
    memset(large, 0xff, 4096);
    arena_free(&a, large, 4096);
    for (unsigned i = 0; i < 16; i++) {
        p[i] = arena_alloc(&a, 256);
        assert_non_null(p[i]);
        for (unsigned j = 0; j < 256; j++)
            assert_int_equal(p[i][j], 0);
        memset(p[i], 0xff, 256);
        for (unsigned j = 0; j < i; j++)
            assert_true(p[i] >= p[j] + 256 || p[i] + 256 <= p[j]);
    }
    assert_null(arena_alloc(&a, 64));
    assert_int_equal(a.used_bytes, 4096);
    for (unsigned i = 0; i < 16; i++)
        arena_free(&a, p[i], 256);
    assert_int_equal(a.used_bytes, 0);
    assert_null(arena_alloc(&a, 4096)); /* never joined again */
    arena_fini(&a);
}

static void fault_injection(void **state)
{
    struct arena a;

    (void)state;
    assert_int_equal(arena_init(&a, MIB), 0);
    a.fail_after = 3;
    assert_non_null(arena_alloc(&a, 64));
    assert_non_null(arena_alloc(&a, 128));
    assert_null(arena_alloc(&a, 64));
    assert_int_equal(a.fail_after, 0);
    assert_non_null(arena_alloc(&a, 64));
    assert_int_equal(a.failures, 0);
    assert_int_equal(a.used_bytes, 256);
    arena_fini(&a);
}

static void range_too_large(void **state)
{
    struct arena a;

    (void)state;
    assert_int_equal(arena_init(&a, (size_t)1 << 60), -12 /* -ENOMEM */);
    arena_fini(&a);
}

/* Random blocks never overlap and the account is exact. */
/* Every block has a number, also the first, and one at an odd multiple of 32. */
static void numbers(void **state)
{
    struct arena a;
    void *first, *half[2];
    (void)state;

    assert_int_equal(arena_init(&a, 1 << 20), 0);
    first = arena_alloc(&a, 64);
    half[0] = arena_alloc(&a, 96);
    half[1] = arena_alloc(&a, 96);
    assert_int_not_equal(arena_ref(&a, first), 0);
    assert_ptr_equal(arena_at(&a, arena_ref(&a, first)), first);
    for (int i = 0; i < 2; i++)
        assert_ptr_equal(arena_at(&a, arena_ref(&a, half[i])), half[i]);
    assert_int_equal(labs((long)arena_ref(&a, half[1]) - (long)arena_ref(&a, half[0])), 3);
    assert_ptr_equal(arena_at(&a, UINT32_MAX), a.base + (1ull << 37) - 64); /* beyond any range */
    assert_true(ARENA_LIMIT_MAX <= 1ull << 36);
    arena_fini(&a);
    assert_int_equal(arena_init(&a, ARENA_LIMIT_MAX + 1), -ENOMEM);
}

static void random_blocks(void **state)
{
    struct {
        uint8_t *p;
        size_t size;
        uint8_t mark;
    } held[200] = {0};
    struct arena a;
    struct rng rng;
    size_t used = 0;

    (void)state;
    rng_seed(&rng, 1);
    assert_int_equal(arena_init(&a, 512 * KIB), 0);
    for (unsigned op = 0; op < 200000; op++) {
        unsigned i = rng_below(&rng, ARRAY_LEN(held));

        if (held[i].p != NULL) {
            assert_int_equal(held[i].p[0], held[i].mark);
            assert_int_equal(held[i].p[held[i].size - 1], held[i].mark);
            used -= arena_class_bytes(held[i].size);
            arena_free(&a, held[i].p, held[i].size);
            held[i].p = NULL;
        } else {
            held[i].size = 1 + rng_below(&rng, 1u << rng_below(&rng, 17));
            held[i].p = arena_alloc(&a, held[i].size);
            if (held[i].p == NULL)
                continue;
            used += arena_class_bytes(held[i].size);
            held[i].mark = (uint8_t)op;
            assert_int_equal(held[i].p[0], 0);
            assert_int_equal(held[i].p[held[i].size - 1], 0);
            held[i].p[0] = held[i].mark;
            held[i].p[held[i].size - 1] = held[i].mark;
        }
        assert_int_equal(a.used_bytes, used);
        assert_true(a.used_bytes <= a.top_bytes && a.top_bytes <= a.limit_bytes);
    }
    assert_true(a.failures > 0); /* the limit was in play */
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes),         cmocka_unit_test(zeroed_aligned_reused), cmocka_unit_test(pairs),
        cmocka_unit_test(limit),           cmocka_unit_test(splits_when_full),      cmocka_unit_test(fault_injection),
        cmocka_unit_test(range_too_large), cmocka_unit_test(random_blocks),         cmocka_unit_test(numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
