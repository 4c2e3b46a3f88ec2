/* Sets of socket options: equal ones are one, a connection that writes has its own while it writes, memory comes back. */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "tcp/optset.h"

static struct arena arena;
static struct tcp_optsets sets;

static int setup(void **state)
{
    (void)state;
    tcp_optsets_init(&sets, &arena);
    return arena_init(&arena, 1 << 20);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(sets.n, 0);
    assert_int_equal(arena.used_bytes, 0);
    arena_fini(&arena);
    return 0;
}

static const struct tcp_user_opts plain = {.ttl = 64, .rcvlowat = 1};

static void equal_sets_are_one(void **state)
{
    struct tcp_user_opts *a = tcp_optset_get(&sets, &plain), *b = tcp_optset_get(&sets, &plain), *c;
    struct tcp_user_opts other;

    (void)state;
    memcpy(&other, &plain, sizeof(other));
    other.nodelay = true;
    c = tcp_optset_get(&sets, &other);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(sets.n, 2);
    tcp_optset_put(&sets, tcp_optset_hold(a));
    tcp_optset_put(&sets, a);
    assert_int_equal(b->ttl, 64);
    tcp_optset_put(&sets, b);
    tcp_optset_put(&sets, c);
    tcp_optset_put(&sets, NULL);
}

/* A thousand connections that set the same option: one set; none of them sees the other's while it writes. */
static void writing_is_private(void **state)
{
    struct tcp_user_opts *o[1000];

    (void)state;
    for (int i = 0; i < 1000; i++)
        o[i] = tcp_optset_get(&sets, &plain);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(tcp_optset_own(&sets, &o[i]), 0);
        o[i]->nodelay = true;
        assert_false(i < 999 && o[999]->nodelay);
        tcp_optset_share(&sets, &o[i]);
        assert_ptr_equal(o[i], o[0]);
    }
    assert_int_equal(sets.n, 1);
    for (int i = 0; i < 1000; i++)
        tcp_optset_put(&sets, o[i]);
}

/* Who holds a set alone writes in place, and is found again under the new values. */
static void the_only_holder_needs_no_memory(void **state)
{
    struct tcp_user_opts *o = tcp_optset_get(&sets, &plain), *was = o, *same, *old;

    (void)state;
    arena.fail_after = 1;
    assert_int_equal(tcp_optset_own(&sets, &o), 0);
    assert_ptr_equal(o, was);
    o->tos = 8;
    tcp_optset_share(&sets, &o);
    arena.fail_after = 0;
    same = tcp_optset_get(&sets, o);
    old = tcp_optset_get(&sets, &plain);
    assert_ptr_equal(same, o);
    assert_ptr_not_equal(old, o);
    tcp_optset_put(&sets, same);
    tcp_optset_put(&sets, o);
    tcp_optset_put(&sets, old);
}

static void no_memory(void **state)
{
    struct tcp_user_opts *a = tcp_optset_get(&sets, &plain), *b = tcp_optset_hold(a);

    (void)state;
    arena.fail_after = 1;
    assert_int_equal(tcp_optset_own(&sets, &b), -ENOMEM);
    assert_ptr_equal(a, b);
    tcp_optset_put(&sets, a);
    tcp_optset_put(&sets, b);
    arena.fail_after = 1;
    assert_null(tcp_optset_get(&sets, &plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_sets_are_one, setup, teardown),
        cmocka_unit_test_setup_teardown(writing_is_private, setup, teardown),
        cmocka_unit_test_setup_teardown(the_only_holder_needs_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
