/*
 * Loans: what an application keeps of what it has read by reference. A quota of its own per connection, past it copies; a limit for
 * the stack, past it windows close and open again when buffers come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "zero_copy.h"

#define KEPT_MAX 4096u

struct keeper {
    struct sock *sk;
    struct rte_mbuf *kept[KEPT_MAX];
    unsigned n;
    uint64_t received;
    bool stop;
};

static void keeper_app(struct sim_stack *ss, void *arg)
{
    struct keeper *k = arg;
    struct rte_mbuf *m;
    ssize_t n;

    while (!k->stop && k->n < KEPT_MAX && (n = tcp_recv_ref(ss->s, k->sk->tcp, SIZE_MAX, &m)) > 0) {
        k->kept[k->n++] = m;
        k->received += (uint64_t)n;
    }
}

static void keeper_return(struct sim_pair *p, struct keeper *k)
{
    for (unsigned i = 0; i < k->n; i++) {
        tcp_loan_return(p->b->s, k->kept[i]);
        pkt_unref(k->kept[i]);
    }
    k->n = 0;
    sim_kick(p->sim, p->b->node);
}

static void small_rcvbuf(struct stack_conf *c)
{
    c->rcvbuf_bytes = 64 * KIB;
    c->rcvbuf_auto = false;
}

static void small_quota(struct stack_conf *c)
{
    small_rcvbuf(c);
    c->loan_quota_bytes = 256 * KIB;
}

static void small_limit(struct stack_conf *c)
{
    small_rcvbuf(c);
    c->loan_limit_bytes = 256 * KIB;
}

struct loan_run {
    struct sim_pair p;
    struct sim_conn c;
    struct sim_tcp_checker chk;
    struct keeper k;
    struct source x;
};

static void loan_start(struct loan_run *r, void (*conf)(struct stack_conf *c), uint64_t total)
{
    memset(r, 0, sizeof(*r));
    extra_tune = conf;
    pair_create(&r->p, &r->chk, 0);
    extra_tune = NULL;
    assert_true(sim_conn_open(&r->p, &r->c, 80));
    r->k.sk = r->c.b;
    r->x = (struct source){.out = r->c.a, .in = r->c.a, .total = total, .piece = 9000};
    r->p.a->app = source_app;
    r->p.a->app_arg = &r->x;
    r->p.b->app = keeper_app;
    r->p.b->app_arg = &r->k;
    sim_kick(r->p.sim, r->p.a->node);
}

static void loan_end(struct loan_run *r)
{
    keeper_return(&r->p, &r->k);
    assert_int_equal(r->p.b->s->tcp.loan_bytes, 0);
    r->p.a->app = r->p.b->app = NULL;
    assert_true(sim_conn_close(&r->p, &r->c, 1));
    sim_pair_destroy(&r->p);
}

/* What the application holds is not the receive buffer's: a message larger than that can be kept whole. */
static void test_loan_larger_than_rcvbuf(void **state)
{
    struct loan_run *r = malloc(sizeof(*r));

    (void)state;
    loan_start(r, small_rcvbuf, MIB);
    assert_true(sim_run_for(r->p.sim, 60 * NS_PER_SEC));
    assert_int_equal(r->k.received, MIB);
    assert_no_copies(r->p.b->s);
    loan_end(r);
    free(r);
}

/* A connection is gone before what it lent: its block stays until the last buffer is back. */
static void test_loan_outlives_connection(void **state)
{
    struct loan_run *r = malloc(sizeof(*r));
    struct z_stack *s;
    struct tcp_conn *tc;
    size_t used;
    void *other;

    (void)state;
    loan_start(r, small_rcvbuf, MIB / 4);
    assert_true(sim_run_for(r->p.sim, 60 * NS_PER_SEC));
    r->p.a->app = r->p.b->app = NULL;
    s = r->p.b->s;
    tc = r->c.b->tcp;
    assert_int_equal(sock_close(r->p.a->s, r->c.fd_a), 0);
    assert_int_equal(sock_close(s, r->c.fd_b), 0);
    sim_kick(r->p.sim, r->p.a->node);
    sim_kick(r->p.sim, r->p.b->node);
    assert_true(sim_run_for(r->p.sim, 600 * NS_PER_SEC));
    assert_int_equal(s->tcp.n_conns, 0);
    assert_true(r->k.n > 1 && s->tcp.loan_bytes > 0);
    other = arena_alloc(&s->arena, sizeof(*tc)); /* the block freed last, of this size */
    assert_ptr_not_equal(other, tc);
    arena_free(&s->arena, other, sizeof(*tc));
    used = s->arena.used_bytes;
    for (; r->k.n > 0; r->k.n--) {
        assert_int_equal(s->arena.used_bytes, used);
        tcp_loan_return(s, r->k.kept[r->k.n - 1]);
        pkt_unref(r->k.kept[r->k.n - 1]);
    }
    assert_int_equal(s->arena.used_bytes, used - arena_class_bytes(sizeof(struct tcp_conn)));
    assert_int_equal(s->tcp.loan_bytes, 0);
    sim_pair_destroy(&r->p);
    free(r);
}

static void test_loan_quota_copies(void **state)
{
    struct loan_run *r = malloc(sizeof(*r));

    (void)state;
    loan_start(r, small_quota, MIB / 2);
    assert_true(sim_run_for(r->p.sim, 60 * NS_PER_SEC));
    assert_int_equal(r->k.received, MIB / 2);
    assert_true(r->p.b->s->ctr.v[CTR_COPY_LOAN] > 0);
    assert_true(r->p.b->s->ctr.v[CTR_LOAN_QUOTA] > 0);
    assert_true(r->c.b->tcp->loan_bytes <= 256 * KIB + 4096);
    print_message("loan quota of 256 KiB: %llu of %llu bytes copied out\n", (unsigned long long)r->p.b->s->ctr.v[CTR_COPY_LOAN],
                  (unsigned long long)r->k.received);
    loan_end(r);
    free(r);
}

/* At the stack-wide limit the window closes; what comes back opens it. */
static void test_loan_limit_closes_window(void **state)
{
    struct loan_run *r = malloc(sizeof(*r));
    uint64_t at, zero;

    (void)state;
    loan_start(r, small_limit, MIB);
    assert_true(sim_run_for(r->p.sim, 20 * NS_PER_SEC));
    at = r->k.received;
    zero = r->p.b->s->ctr.v[CTR_TCP_ZERO_WINDOW_TX];
    assert_true(at < MIB && zero > 0);
    r->k.stop = true;
    assert_true(sim_run_for(r->p.sim, 60 * NS_PER_SEC));
    for (unsigned i = 0; i < 100 && r->k.received < MIB; i++) {
        keeper_return(&r->p, &r->k);
        r->k.stop = false;
        assert_true(sim_run_for(r->p.sim, NS_PER_SEC));
    }
    assert_int_equal(r->k.received, MIB);
    print_message("loan limit of 256 KiB: the window closed after %llu bytes and opened again\n", (unsigned long long)at);
    loan_end(r);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loan_larger_than_rcvbuf),
        cmocka_unit_test(test_loan_outlives_connection),
        cmocka_unit_test(test_loan_quota_copies),
        cmocka_unit_test(test_loan_limit_closes_window),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
