/* The connection table (src/tcp/table.c) against a list, small and nearly full, so that entries push each other around its end. */
#include "unit.h"

#include <stdlib.h>

#include "base/rng.h"
#include "tcp/conn.h"

#define PLACES 32u
#define TUPLES 40u
#define FULL 24u /* two thirds and more: tcp_table_places() */
#define STEPS 20000u

struct table {
    struct z_stack *s;
    struct tcp_entry *in[TUPLES]; /* NULL: not in the table */
    uint32_t n;
};

static void tuple_of(uint32_t i, struct tcp_entry *e)
{
    *e = (struct tcp_entry){.laddr = inaddr_v4(0x0a000001), .raddr = inaddr_v4(0x0a000100 + i), .lport = 80, .rport = 40000};
}

static void start(struct table *t, const struct flow_key *key)
{
    *t = (struct table){.s = calloc(1, sizeof(*t->s))};
    assert_non_null(t->s);
    t->s->flow_key = *key;
    t->s->tcp.place = calloc(PLACES, sizeof(struct tcp_place));
    t->s->tcp.place_mask = PLACES - 1;
    assert_int_equal(arena_init(&t->s->arena, 1 << 20), 0);
}

static void end(struct table *t)
{
    for (uint32_t i = 0; i < PLACES; i++)
        assert_int_equal(t->s->tcp.place[i].ref, 0);
    arena_fini(&t->s->arena);
    free(t->s->tcp.place);
    free(t->s);
}

static void add(struct table *t, uint32_t i)
{
    t->in[i] = arena_alloc(&t->s->arena, sizeof(*t->in[i]));
    tuple_of(i, t->in[i]);
    tcp_table_insert(t->s, t->in[i], TCP_ENT_SYN);
    t->n++;
}

static void take(struct table *t, uint32_t i)
{
    tcp_table_remove(t->s, t->in[i]);
    assert_false(t->in[i]->in_table);
    arena_free(&t->s->arena, t->in[i], sizeof(*t->in[i]));
    t->in[i] = NULL;
    t->n--;
}

static void replace(struct table *t, uint32_t i)
{
    struct tcp_entry *e = arena_alloc(&t->s->arena, sizeof(*e)), *old = t->in[i];

    e->id = 7;
    tcp_table_replace(t->s, old, e, TCP_ENT_TW);
    assert_int_equal(e->id, 7);
    assert_int_equal(e->kind, TCP_ENT_TW);
    arena_free(&t->s->arena, old, sizeof(*old));
    t->in[i] = e;
}

static void all_are_found(const struct table *t)
{
    struct tcp_entry e;

    for (uint32_t i = 0; i < TUPLES; i++) {
        tuple_of(i, &e);
        assert_ptr_equal(tcp_table_find(t->s, &e.laddr, &e.raddr, e.lport, e.rport), t->in[i]);
    }
}

static void against_a_list(const struct flow_key *key, uint32_t full)
{
    struct table t;
    struct rng r;

    rng_seed(&r, 3);
    start(&t, key);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = rng_below(&r, TUPLES);

        if (t.in[i] == NULL && t.n < full)
            add(&t, i);
        else if (t.in[i] != NULL && rng_below(&r, 3) == 0)
            replace(&t, i);
        else if (t.in[i] != NULL)
            take(&t, i);
        all_are_found(&t);
    }
    for (uint32_t i = 0; i < TUPLES; i++)
        if (t.in[i] != NULL)
            take(&t, i);
    end(&t);
}

static void model(void **state)
{
    (void)state;
    against_a_list(&(struct flow_key){{1, 2, 3, 0x5851f42d4c957f2d}}, FULL);
}

/* Tuples that have the whole hash in common, as a key makes them that is one of our addresses. */
static void same_hash(void **state)
{
    struct inaddr laddr = inaddr_v4(0x0a000001);
    struct flow_key key = {{1, laddr.q[1], 3, 0x5851f42d4c957f2d}};
    struct tcp_entry a, b;

    (void)state;
    tuple_of(1, &a);
    tuple_of(2, &b);
    assert_int_equal(flow_hash(&key, &a.laddr, &a.raddr, a.lport, a.rport), flow_hash(&key, &b.laddr, &b.raddr, b.lport, b.rport));
    against_a_list(&key, FULL);
}

/* The walk of forward.c is sent back when an entry moves to where it has been, so that it meets every one that stays. */
static void walk_misses_none(void **state)
{
    struct rng r;
    (void)state;

    rng_seed(&r, 5);
    for (unsigned round = 0; round < 2000; round++) {
        bool met[TUPLES] = {0};
        struct table t;
        struct tcp_state *ts;

        start(&t, &(struct flow_key){{round, 2, 3, 0x5851f42d4c957f2d}});
        for (uint32_t i = 0; i < FULL; i++)
            add(&t, i);
        ts = &t.s->tcp;
        while (ts->claim_at <= ts->place_mask) {
            uint32_t gone = rng_below(&r, FULL), ref = ts->place[ts->claim_at++].ref;

            for (uint32_t i = 0; ref != 0 && i < FULL; i++)
                met[i] |= t.in[i] != NULL && arena_ref(&t.s->arena, t.in[i]) == ref;
            if (t.in[gone] != NULL && rng_below(&r, 2) == 0)
                take(&t, gone);
        }
        for (uint32_t i = 0; i < FULL; i++)
            if (t.in[i] != NULL) {
                assert_true(met[i]);
                take(&t, i);
            }
        end(&t);
    }
}

static void room_for_all(void **state)
{
    struct stack_conf c;
    (void)state;

    stack_conf_init(&c);
    c.max_connections = 1000000;
    c.max_timewait = 262144;
    c.syn_cache_limit = 65536;
    c.forward_limit = 65536;
    assert_int_equal(tcp_table_places(&c), 1u << 21);
    c.max_timewait = 1000000;
    assert_int_equal(tcp_table_places(&c), 1u << 22);
    c = (struct stack_conf){0};
    assert_int_equal(tcp_table_places(&c), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(model), cmocka_unit_test(same_hash), cmocka_unit_test(walk_misses_none),
                                       cmocka_unit_test(room_for_all)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
