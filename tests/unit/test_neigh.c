#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link/neigh.h"

#define SEC NS_PER_SEC
#define TICK (1ull << WHEEL_TICK_SHIFT)
#define KIND 5

static struct arena arena;
static struct wheel wheel;
static struct neigh_table t;
static uint64_t now;
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

static struct inaddr host(uint32_t n)
{
    return inaddr_v4(0x0a000000u + n);
}

/* packets are opaque to the table */
static struct rte_mbuf *packet(uintptr_t n)
{
    return (struct rte_mbuf *)(n * 64);
}

static int setup(void **state)
{
    const struct neigh_conf c = {.limit = 4,
                                 .queue_limit = 3,
                                 .max_tries = 3,
                                 .reachable_ns = 30 * SEC,
                                 .retry_ns = SEC,
                                 .delay_ns = 5 * SEC,
                                 .timer_kind = KIND,
                                 .key = {1, 2, 3}};

    (void)state;
    now = 100 * SEC;
    assert_int_equal(arena_init(&arena, 4 * MIB), 0);
    wheel_init(&wheel, now);
    return neigh_table_init(&t, &arena, &wheel, &c);
}

static int teardown(void **state)
{
    struct neigh *n;

    (void)state;
    for (uint32_t i = 0; (n = neigh_next(&t, &i));)
        while (neigh_unpark(&t, &n->parked, NULL))
            ;
    neigh_table_fini(&t);
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(wheel.armed, 0);
    arena_fini(&arena);
    return 0;
}

/* Moves time; what the one entry whose timer fires wants. */
static enum neigh_due expire_after(uint64_t ns)
{
    struct wheel_node *w;
    enum neigh_due due;

    now += ns + TICK;
    w = wheel_expire(&wheel, now);
    if (!w)
        return NEIGH_DUE_NOTHING;
    assert_int_equal(w->kind, KIND);
    due = neigh_expire(&t, neigh_of_timer(w), now);
    assert_null(wheel_expire(&wheel, now));
    return due;
}

static struct neigh *ask(uint32_t n, enum neigh_verdict want)
{
    struct inaddr a = host(n);
    struct neigh *e = neigh_get(&t, 0, &a);

    assert_non_null(e);
    assert_int_equal(neigh_use(&t, e, now), want);
    return e;
}

static struct neigh *learn(uint32_t n, const uint8_t *mac, bool create)
{
    struct inaddr a = host(n);

    return neigh_learn(&t, 0, &a, mac, create, now);
}

static bool known(uint32_t n)
{
    struct inaddr a = host(n);

    return neigh_find(&t, 0, &a) != NULL;
}

static void park(struct neigh *n, uintptr_t i, bool more)
{
    assert_true(neigh_park_reserve(&t, n, 1));
    neigh_park(n, packet(i), more);
}

static void resolution(void **state)
{
    struct neigh *n;

    (void)state;
    n = ask(1, NEIGH_PARK_ASK);
    assert_false(neigh_is_fresh(n, n->serial, now));
    park(n, 1, false);
    ask(1, NEIGH_PARK); /* one question at a time */
    park(n, 2, false);
    assert_ptr_equal(learn(1, mac_a, false), n);
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(2));
    assert_null(neigh_unpark(&t, &n->parked, NULL));
    assert_memory_equal(n->mac, mac_a, 6);
    ask(1, NEIGH_SEND);
    assert_true(neigh_is_fresh(n, n->serial, now));
    assert_int_equal(expire_after(5 * SEC), NEIGH_DUE_NOTHING);
}

/* In order, with what belongs together, through a ring that grows and wraps around. */
static void parked_packets_keep_their_order(void **state)
{
    struct neigh *n = ask(1, NEIGH_PARK_ASK);
    uintptr_t in = 1, out = 1;
    bool more;

    (void)state;
    t.conf.queue_limit = 20;
    for (int round = 0; round < 50; round++) {
        for (; neigh_park_room(&t, n) > 0; in++)
            park(n, in, in % 3 != 0);
        for (int i = 0; i < 7; i++, out++) {
            assert_ptr_equal(neigh_unpark(&t, &n->parked, &more), packet(out));
            assert_int_equal(more, out % 3 != 0);
        }
    }
    while (out < in)
        assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(out++));
    assert_null(neigh_unpark(&t, &n->parked, &more));
    assert_int_equal(n->parked.slots, 0); /* memory is for as long as something waits */
}

static void parking_without_memory(void **state)
{
    struct neigh *n = ask(1, NEIGH_PARK_ASK);

    (void)state;
    park(n, 1, false);
    assert_true(neigh_park_reserve(&t, n, 7));
    arena.fail_after = 1;
    assert_false(neigh_park_reserve(&t, n, 8));
    arena.fail_after = 0;
    assert_true(neigh_park_reserve(&t, n, 8));
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
}

static void asked_three_times_then_held(void **state)
{
    struct neigh *n = ask(1, NEIGH_PARK_ASK);

    (void)state;
    park(n, 1, false);
    assert_int_equal(expire_after(SEC / 2), NEIGH_DUE_NOTHING);
    assert_int_equal(expire_after(SEC / 2), NEIGH_DUE_ASK);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_FAILED);
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
    assert_null(neigh_unpark(&t, &n->parked, NULL));
    ask(1, NEIGH_DROP);
    assert_int_equal(expire_after(2 * SEC), NEIGH_DUE_NOTHING);
    ask(1, NEIGH_DROP);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_NOTHING); /* the end of the hold */
    assert_false(known(1));
    ask(1, NEIGH_PARK_ASK);
}

static void a_held_neighbour_that_speaks_is_used(void **state)
{
    struct neigh *n = ask(1, NEIGH_PARK_ASK);

    (void)state;
    for (int i = 0; i < 3; i++)
        expire_after(SEC);
    assert_int_equal(n->state, NEIGH_FAILED);
    assert_ptr_equal(learn(1, mac_a, false), n);
    ask(1, NEIGH_SEND);
    assert_int_equal(expire_after(10 * SEC), NEIGH_DUE_NOTHING);
    assert_true(known(1));
}

static void a_stale_neighbour_is_probed_while_used(void **state)
{
    struct neigh *n;

    (void)state;
    n = learn(1, mac_a, true);
    now += 30 * SEC - 1;
    ask(1, NEIGH_SEND);
    now += 1;
    assert_false(neigh_is_fresh(n, n->serial, now)); /* exactly then */
    ask(1, NEIGH_SEND_PROBE);
    ask(1, NEIGH_SEND);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE);
    ask(1, NEIGH_SEND);
    learn(1, mac_b, false);
    assert_memory_equal(n->mac, mac_b, 6);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_NOTHING);
    ask(1, NEIGH_SEND);
}

static void unanswered_probes_end_in_a_broadcast(void **state)
{
    struct neigh *n = learn(1, mac_a, true);

    (void)state;
    now += 31 * SEC;
    ask(1, NEIGH_SEND_PROBE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    ask(1, NEIGH_PARK); /* its link address is not trusted any more */
    park(n, 1, false);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_FAILED);
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
}

static void the_least_recently_used_is_recycled(void **state)
{
    struct inaddr a1 = host(1);
    struct neigh *first;

    (void)state;
    for (uint32_t i = 1; i <= 4; i++) {
        learn(i, mac_a, true);
        ask(i, NEIGH_SEND);
        now += 2 * SEC;
    }
    ask(1, NEIGH_SEND); /* 2 is the oldest now */
    first = neigh_find(&t, 0, &a1);
    ask(5, NEIGH_PARK_ASK);
    assert_false(known(2));
    assert_true(known(1) && known(3) && known(4) && known(5));
    ask(6, NEIGH_PARK_ASK);
    assert_false(known(3));
    assert_true(neigh_is_fresh(first, first->serial, now));
    assert_int_equal(t.n_used, 4);
}

static void a_kept_pointer_to_a_recycled_entry_is_not_fresh(void **state)
{
    struct neigh *n = NULL;
    uint32_t serial;

    (void)state;
    for (uint32_t i = 1; i <= 4; i++) {
        struct neigh *e = learn(i, mac_a, true);

        n = i == 1 ? e : n;
        ask(i, NEIGH_SEND);
    }
    serial = neigh_serial(n);
    assert_int_not_equal(serial, 0);
    assert_true(neigh_is_fresh(n, serial, now));
    assert_ptr_equal(learn(9, mac_b, true), n);
    ask(9, NEIGH_SEND);
    assert_false(neigh_is_fresh(n, serial, now));
    assert_true(neigh_is_fresh(n, neigh_serial(n), now));
    assert_false(neigh_is_fresh(NULL, neigh_serial(NULL), now));
    serial = neigh_serial(n);
    t.serial = UINT32_MAX - 1;
    for (uint32_t i = 20; i < 24; i++) { /* the numbers begin anew: none is 0, which says that there is no neighbour */
        assert_int_not_equal(neigh_serial(learn(i, mac_a, true)), 0);
        ask(i, NEIGH_SEND);
    }
    assert_false(neigh_is_fresh(n, serial, now));
}

static void unresolved_entries_take_half_the_table_at_most(void **state)
{
    struct inaddr a = host(3);

    (void)state;
    learn(8, mac_a, true);
    ask(8, NEIGH_SEND);
    ask(1, NEIGH_PARK_ASK);
    ask(2, NEIGH_PARK_ASK);
    assert_null(neigh_get(&t, 0, &a));
    assert_true(known(8));
    learn(1, mac_a, false); /* room again */
    assert_non_null(neigh_get(&t, 0, &a));
}

static void claims_do_not_push_out_neighbours_in_use(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        learn(i, mac_a, true);
        ask(i, NEIGH_SEND);
    }
    for (uint32_t i = 100; i < 200; i++)
        assert_non_null(learn(i, mac_b, true));
    assert_true(known(1) && known(2) && known(3));
    assert_true(known(199) && !known(198));
    assert_null(learn(50, mac_b, false)); /* not asked, not kept */
    assert_false(known(50));
}

static void parked_packets_are_never_recycled(void **state)
{
    struct neigh *n = ask(1, NEIGH_PARK_ASK);

    (void)state;
    park(n, 1, false);
    for (uint32_t i = 100; i < 120; i++)
        learn(i, mac_b, true);
    assert_true(known(1));
    assert_int_equal(n->parked.n, 1);
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
}

static void memory(void **state)
{
    const struct neigh_conf big = {.limit = 5000, .queue_limit = 99, .max_tries = 0, .retry_ns = SEC};
    struct arena small;
    struct neigh_table b;

    (void)state;
    assert_int_equal(arena_init(&small, 8 * MIB), 0);
    assert_int_equal(neigh_table_init(&b, &small, &wheel, &big), 0);
    for (uint32_t i = 0; i < 6000; i++) {
        struct inaddr a = host(i);

        assert_non_null(neigh_learn(&b, 0, &a, mac_a, true, now));
        assert_non_null(neigh_find(&b, 0, &a));
    }
    assert_int_equal(b.n_used, 5000);
    neigh_table_fini(&b);
    for (uint64_t k = 1; k <= 4; k++) {
        small.fail_after = k;
        assert_int_not_equal(neigh_table_init(&b, &small, &wheel, &big), 0);
        assert_int_equal(small.used_bytes, 0);
    }
    arena_fini(&small);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* IPv6: the states of RFC 4861 section 7.3.2. The fixture's delay is 5 s, the table's own times 30 s and 1 s. */

static struct inaddr host6(uint8_t n)
{
    return (struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = n}};
}

static struct neigh *ask6(uint8_t n, enum neigh_verdict want)
{
    struct inaddr a = host6(n);
    struct neigh *e = neigh_get(&t, 0, &a);

    assert_non_null(e);
    assert_int_equal(neigh_use(&t, e, now), want);
    return e;
}

static struct neigh *hear6(uint8_t n, const uint8_t *mac)
{
    struct inaddr a = host6(n);

    return neigh_hear(&t, 0, &a, mac, now);
}

static void advertise(struct neigh *n, const uint8_t *mac, bool solicited, bool override)
{
    const struct neigh_advert a = {.mac = mac, .solicited = solicited, .override = override};

    assert_false(neigh_advertised(&t, n, &a, now));
}

static void a_link_address_by_the_way_is_not_reachability(void **state)
{
    struct neigh *n = hear6(1, mac_a);

    (void)state;
    assert_int_equal(n->state, NEIGH_STALE);
    ask6(1, NEIGH_SEND);
    assert_int_equal(n->state, NEIGH_DELAY);
    hear6(1, mac_a); /* the same again: no change */
    assert_int_equal(n->state, NEIGH_DELAY);
    hear6(1, mac_b);
    assert_int_equal(n->state, NEIGH_STALE);
    assert_memory_equal(n->mac, mac_b, 6);
    assert_int_equal(expire_after(6 * SEC), NEIGH_DUE_NOTHING); /* the delay ended with it */

    ask6(2, NEIGH_PARK_ASK);
    park(ask6(2, NEIGH_PARK), 1, false);
    n = hear6(2, mac_a);
    assert_int_equal(n->state, NEIGH_STALE);
    assert_ptr_equal(neigh_unpark(&t, &n->parked, NULL), packet(1));
    assert_int_equal(t.n_incomplete, 0);
}

static void delay_then_probe_then_everybody(void **state)
{
    struct neigh *n = hear6(1, mac_a);

    (void)state;
    ask6(1, NEIGH_SEND);
    assert_int_equal(expire_after(5 * SEC - 2 * TICK), NEIGH_DUE_NOTHING);
    assert_int_equal(expire_after(2 * TICK), NEIGH_DUE_PROBE); /* DELAY_FIRST_PROBE_TIME */
    assert_int_equal(n->state, NEIGH_PROBE);
    ask6(1, NEIGH_SEND);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE); /* MAX_UNICAST_SOLICIT */
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    assert_int_equal(n->state, NEIGH_INCOMPLETE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_ASK); /* MAX_MULTICAST_SOLICIT */
    assert_int_equal(expire_after(SEC), NEIGH_DUE_FAILED);
}

/* RFC 4861 section 7.2.5, every combination of state, flags and link address. */
static void advertisement_rules(void **state)
{
    static const struct {
        uint8_t from;   /* a state; the entry has mac_a */
        char mac;       /* of the advertisement: a, b, or none */
        const char *so; /* flags solicited, override */
        uint8_t to;
        char known; /* the entry's link address afterwards */
    } rule[] = {
        {NEIGH_INCOMPLETE, '-', "so", NEIGH_INCOMPLETE, '-'}, {NEIGH_INCOMPLETE, 'b', "  ", NEIGH_STALE, 'b'},
        {NEIGH_INCOMPLETE, 'b', "s ", NEIGH_REACHABLE, 'b'},  {NEIGH_INCOMPLETE, 'b', " o", NEIGH_STALE, 'b'},
        {NEIGH_REACHABLE, 'b', "  ", NEIGH_STALE, 'a'},       {NEIGH_REACHABLE, 'b', "s ", NEIGH_STALE, 'a'},
        {NEIGH_REACHABLE, 'b', " o", NEIGH_STALE, 'b'},       {NEIGH_REACHABLE, 'b', "so", NEIGH_REACHABLE, 'b'},
        {NEIGH_REACHABLE, 'a', "  ", NEIGH_REACHABLE, 'a'},   {NEIGH_REACHABLE, '-', " o", NEIGH_REACHABLE, 'a'},
        {NEIGH_STALE, 'b', "  ", NEIGH_STALE, 'a'},           {NEIGH_STALE, 'b', "s ", NEIGH_STALE, 'a'},
        {NEIGH_STALE, 'b', " o", NEIGH_STALE, 'b'},           {NEIGH_STALE, 'b', "so", NEIGH_REACHABLE, 'b'},
        {NEIGH_STALE, 'a', "  ", NEIGH_STALE, 'a'},           {NEIGH_STALE, 'a', "s ", NEIGH_REACHABLE, 'a'},
        {NEIGH_STALE, '-', "s ", NEIGH_REACHABLE, 'a'},       {NEIGH_STALE, '-', "  ", NEIGH_STALE, 'a'},
        {NEIGH_DELAY, 'b', "s ", NEIGH_DELAY, 'a'},           {NEIGH_DELAY, 'a', "  ", NEIGH_DELAY, 'a'},
        {NEIGH_DELAY, 'a', "s ", NEIGH_REACHABLE, 'a'},       {NEIGH_DELAY, 'b', " o", NEIGH_STALE, 'b'},
        {NEIGH_PROBE, 'b', "  ", NEIGH_PROBE, 'a'},           {NEIGH_PROBE, 'a', "s ", NEIGH_REACHABLE, 'a'},
        {NEIGH_PROBE, '-', "so", NEIGH_REACHABLE, 'a'},       {NEIGH_PROBE, 'b', "so", NEIGH_REACHABLE, 'b'},
        {NEIGH_PROBE, 'b', " o", NEIGH_STALE, 'b'},           {NEIGH_PROBE, 'a', " o", NEIGH_PROBE, 'a'},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rule); i++) {
        uint8_t host_number = (uint8_t)(10 + i);
        struct inaddr a = host6(host_number);
        struct neigh *n;

        if (rule[i].from == NEIGH_INCOMPLETE) {
            n = ask6(host_number, NEIGH_PARK_ASK);
        } else if (rule[i].from == NEIGH_REACHABLE) {
            n = neigh_learn(&t, 0, &a, mac_a, true, now);
        } else {
            n = hear6(host_number, mac_a);
            if (rule[i].from != NEIGH_STALE)
                ask6(host_number, NEIGH_SEND);
            if (rule[i].from == NEIGH_PROBE)
                assert_int_equal(expire_after(5 * SEC), NEIGH_DUE_PROBE);
        }
        assert_int_equal(n->state, rule[i].from);
        advertise(n, rule[i].mac == '-' ? NULL : rule[i].mac == 'a' ? mac_a : mac_b, rule[i].so[0] == 's', rule[i].so[1] == 'o');
        assert_int_equal(n->state, rule[i].to);
        if (rule[i].known != '-')
            assert_memory_equal(n->mac, rule[i].known == 'a' ? mac_a : mac_b, 6);
        if (n->state == NEIGH_INCOMPLETE || n->state == NEIGH_PROBE || n->state == NEIGH_DELAY)
            advertise(n, mac_a, true, true); /* done with its timer */
        assert_int_equal(wheel.armed, 0);
    }
}

static void a_router_that_becomes_a_host(void **state)
{
    struct neigh_advert a = {.mac = mac_a, .router = true, .solicited = true};
    struct neigh *n = ask6(1, NEIGH_PARK_ASK);

    (void)state;
    assert_false(neigh_advertised(&t, n, &a, now));
    assert_true(n->router);
    assert_false(neigh_advertised(&t, n, &a, now));
    a.router = false;
    a.mac = mac_b; /* ignored as a whole: another link address without override */
    assert_false(neigh_advertised(&t, n, &a, now));
    assert_true(n->router);
    a.mac = mac_a;
    assert_true(neigh_advertised(&t, n, &a, now));
    assert_false(neigh_advertised(&t, n, &a, now));
    n = ask6(2, NEIGH_PARK_ASK); /* one whose link address is being asked for was a router before */
    n->router = true;
    assert_true(neigh_advertised(&t, n, &a, now));
    assert_false(n->router);
}

static void progress_above_keeps_a_neighbour_reachable(void **state)
{
    struct inaddr a = host6(1);
    struct neigh *n = neigh_learn(&t, 0, &a, mac_a, true, now);

    (void)state;
    neigh_confirm(&t, NULL, 0, now, now);
    for (int i = 0; i < 10; i++) {
        now += 20 * SEC;
        ask6(1, NEIGH_SEND);
        assert_int_equal(n->state, NEIGH_REACHABLE);
        neigh_confirm(&t, n, n->serial, now, now);
    }
    now += 40 * SEC;
    ask6(1, NEIGH_SEND);
    assert_int_equal(n->state, NEIGH_DELAY);
    neigh_confirm(&t, n, n->serial + 1, now, now); /* somebody else's */
    assert_int_equal(n->state, NEIGH_DELAY);
    neigh_confirm(&t, n, n->serial, now, now);
    assert_int_equal(n->state, NEIGH_REACHABLE);
    assert_int_equal(wheel.armed, 0);
    n = ask6(2, NEIGH_PARK_ASK);
    neigh_confirm(&t, n, n->serial, now, now); /* without a link address nothing can have arrived there */
    assert_int_equal(n->state, NEIGH_INCOMPLETE);
}

/* 7.3.3: a router has made the time short; what was heard before it does not put off the question. */
static void progress_counts_for_the_reachable_time_only(void **state)
{
    struct inaddr a = host6(1);
    struct neigh *n;

    (void)state;
    t.v6[0].reachable_ns = 2 * SEC;
    n = neigh_learn(&t, 0, &a, mac_a, true, now);
    now += 10 * SEC;
    ask6(1, NEIGH_SEND);
    assert_int_equal(n->state, NEIGH_DELAY);
    neigh_confirm(&t, n, n->serial, now - 3 * SEC, now);
    assert_int_equal(n->state, NEIGH_DELAY);
    neigh_confirm(&t, n, n->serial, now - SEC, now);
    assert_int_equal(n->state, NEIGH_REACHABLE);
    assert_int_equal(n->stale_at_ns, now + SEC);
}

/* What was answered before the link address changed says nothing of the new one. */
static void progress_of_before_tells_nothing_of_a_new_address(void **state)
{
    struct inaddr a = host6(1);
    struct neigh *n = neigh_learn(&t, 0, &a, mac_a, true, now);

    (void)state;
    now += 20 * SEC;
    neigh_hear(&t, 0, &a, mac_b, now);
    assert_int_equal(n->state, NEIGH_STALE);
    neigh_confirm(&t, n, n->serial, now - SEC, now);
    assert_int_equal(n->state, NEIGH_STALE);
    now += SEC;
    ask6(1, NEIGH_SEND);
    neigh_confirm(&t, n, n->serial, now - 2 * SEC, now);
    assert_int_equal(n->state, NEIGH_DELAY);
    neigh_confirm(&t, n, n->serial, now, now);
    assert_int_equal(n->state, NEIGH_REACHABLE);
}

static void times_of_an_interface(void **state)
{
    struct inaddr a = host6(1);
    struct neigh *n;

    (void)state;
    t.v6[0].reachable_ns = 3 * SEC;
    t.v6[0].retry_ns = 2 * SEC;
    n = neigh_learn(&t, 0, &a, mac_a, true, now);
    now += 3 * SEC;
    ask6(1, NEIGH_SEND);
    assert_int_equal(n->state, NEIGH_DELAY);
    assert_int_equal(expire_after(5 * SEC), NEIGH_DUE_PROBE);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_NOTHING);
    assert_int_equal(expire_after(SEC), NEIGH_DUE_PROBE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(resolution),
        T(parked_packets_keep_their_order),
        T(parking_without_memory),
        T(asked_three_times_then_held),
        T(a_held_neighbour_that_speaks_is_used),
        T(a_stale_neighbour_is_probed_while_used),
        T(unanswered_probes_end_in_a_broadcast),
        T(the_least_recently_used_is_recycled),
        T(a_kept_pointer_to_a_recycled_entry_is_not_fresh),
        T(unresolved_entries_take_half_the_table_at_most),
        T(claims_do_not_push_out_neighbours_in_use),
        T(parked_packets_are_never_recycled),
        T(memory),
        T(a_link_address_by_the_way_is_not_reachability),
        T(delay_then_probe_then_everybody),
        T(advertisement_rules),
        T(a_router_that_becomes_a_host),
        T(progress_above_keeps_a_neighbour_reachable),
        T(progress_of_before_tells_nothing_of_a_new_address),
        T(progress_counts_for_the_reachable_time_only),
        T(times_of_an_interface),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
