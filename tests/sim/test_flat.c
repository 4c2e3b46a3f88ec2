/*
 * Ports that copy what refers to buffers: segments are made flat at once, from as many pieces as there are, counted as the port's copies,
 * and by reference where no buffer is free for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buf/wrap.h"
#include "zero_copy.h"

#define BYTES 1000u

enum port_kind { PORT_TAKES_CHAINS, PORT_NO_CHAINS, PORT_NO_INDIRECT, PORT_OWNED_ONLY };

struct flat {
    struct sim_pair p;
    struct sim_tcp_checker chk;
    struct sim_conn c;
};

static void flat_start(struct flat *f, enum port_kind kind)
{
    struct sim_pair_conf c = {.sim = {.seed = 7}};

    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].link = (struct sim_link_conf){.delay_ns = NS_PER_MS};
        c.side[i].no_chains = kind == PORT_NO_CHAINS;
        c.side[i].no_indirect = kind == PORT_NO_INDIRECT;
    }
    assert_true(sim_pair_create(&f->p, &c));
    f->p.a->nif->port->caps.tx_owned_only = kind == PORT_OWNED_ONLY;
    sim_tcp_check_every(&f->chk, &f->p, 1);
    assert_true(sim_conn_open(&f->p, &f->c, 80));
}

static void flat_end(struct flat *f)
{
    assert_true(sim_conn_close(&f->p, &f->c, 1));
    sim_pair_destroy(&f->p);
}

/* A buffer that the application keeps, so that no headers may be written in it. */
static struct rte_mbuf *shared_buffer(struct z_stack *s, uint32_t len)
{
    struct rte_mbuf *m = pkt_alloc_app(s, len);

    assert_non_null(m);
    for (uint32_t i = 0; i < len; i++)
        pkt_data(m)[i] = flow_byte(1, i);
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    pkt_ref(m);
    return m;
}

/* The one frame that waits for the port, once the connection has had its turn of output. */
static struct rte_mbuf *waiting_frame(struct sim_stack *ss)
{
    struct txq *q = &ss->nif->txq;

    tcp_output_pending(ss->s);
    assert_int_equal(txq_count(q), 1);
    return q->slot[q->head & (TXQ_SLOTS - 1)];
}

static void receive_all(struct flat *f, uint32_t total)
{
    uint32_t got = 0;
    struct rte_mbuf *m;
    ssize_t n;

    sim_kick(f->p.sim, f->p.a->node);
    assert_true(sim_run_for(f->p.sim, 20 * NS_PER_MS));
    while ((n = tcp_recv_ref(f->p.b->s, f->c.b->tcp, SIZE_MAX, &m)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(pkt_data(m)[i], flow_byte(1, got + (uint64_t)i));
        got += (uint32_t)n;
        tcp_loan_return(f->p.b->s, m);
        pkt_unref(m);
    }
    assert_int_equal(got, total);
}

static void check_flat(const struct flat *f, struct rte_mbuf *m, uint32_t len)
{
    const struct counters *ctr = &f->p.a->s->ctr;

    assert_int_equal(m->nb_segs, 1);
    assert_true(RTE_MBUF_DIRECT(m));
    assert_ptr_equal(m->pool, f->p.a->nif->port->linear_pool);
    assert_int_equal(m->pkt_len, m->data_len);
    assert_int_equal(ctr->v[CTR_TX_LINEARIZED], 1);
    assert_int_equal(ctr->v[CTR_COPY_PORT], len);
}

static void test_flat_at_once(void **state)
{
    (void)state;
    for (enum port_kind kind = PORT_NO_CHAINS; kind <= PORT_OWNED_ONLY; kind++) {
        struct rte_mbuf *b;
        struct flat f;

        flat_start(&f, kind);
        b = shared_buffer(f.p.a->s, BYTES);
        assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, b), 0);
        check_flat(&f, waiting_frame(f.p.a), BYTES);
        receive_all(&f, BYTES);
        assert_int_equal(f.p.a->s->ctr.v[CTR_TX_LINEARIZED], 1); /* the port has found nothing to copy */
        assert_int_equal(f.p.a->s->ctr.v[CTR_COPY_PORT], BYTES);
        pkt_unref(b);
        flat_end(&f);
    }
}

static void test_by_reference_where_the_port_can(void **state)
{
    struct rte_mbuf *b, *m;
    struct flat f;

    (void)state;
    flat_start(&f, PORT_TAKES_CHAINS);
    b = shared_buffer(f.p.a->s, BYTES);
    assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, b), 0);
    m = waiting_frame(f.p.a);
    assert_int_equal(m->nb_segs, 2);
    assert_true(RTE_MBUF_CLONED(m->next));
    receive_all(&f, BYTES);
    assert_no_copies(f.p.a->s);
    pkt_unref(b);
    flat_end(&f);
}

/* Of buffers that end anywhere; the segment begins and ends inside of one. */
static void test_pieces(void **state)
{
    static const uint32_t len[] = {1, 7, 500, 92, 300, 100};
    struct rte_mbuf *b[ARRAY_LEN(len)];
    uint32_t at = 0;
    struct flat f;

    (void)state;
    flat_start(&f, PORT_NO_CHAINS);
    f.p.a->s->in_app = true; /* the pieces leave together */
    for (unsigned i = 0; i < ARRAY_LEN(len); at += len[i++]) {
        b[i] = shared_buffer(f.p.a->s, len[i]);
        for (uint32_t k = 0; k < len[i]; k++)
            pkt_data(b[i])[k] = flow_byte(1, at + k);
        assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, b[i]), 0);
    }
    f.p.a->s->in_app = false;
    check_flat(&f, waiting_frame(f.p.a), at);
    receive_all(&f, at);
    for (unsigned i = 0; i < ARRAY_LEN(len); i++)
        pkt_unref(b[i]);
    flat_end(&f);
}

/* No buffer is free: the frame is made by reference, and waits at the port until there is one. */
static void test_no_buffer(void **state)
{
    struct rte_mempool *pool;
    struct rte_mbuf *b, *m, **all;
    unsigned n = 0;
    struct flat f;

    (void)state;
    flat_start(&f, PORT_NO_CHAINS);
    b = shared_buffer(f.p.a->s, BYTES);
    pool = f.p.a->nif->port->linear_pool;
    all = calloc(pool->size, sizeof(struct rte_mbuf *));
    assert_non_null(all);
    while (n < pool->size && (all[n] = rte_pktmbuf_alloc(pool)) != NULL)
        n++;
    assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, b), 0);
    m = waiting_frame(f.p.a);
    assert_int_equal(m->nb_segs, 2);
    sim_kick(f.p.sim, f.p.a->node);
    assert_true(sim_run_for(f.p.sim, NS_PER_MS));
    assert_int_equal(f.p.a->s->ctr.v[CTR_TX_LINEARIZED], 0);
    rte_pktmbuf_free_bulk(all, n);
    free(all);
    receive_all(&f, BYTES);
    assert_int_equal(f.p.a->s->ctr.v[CTR_COPY_PORT], BYTES * f.p.a->s->ctr.v[CTR_TX_LINEARIZED]);
    pkt_unref(b);
    flat_end(&f);
}

/* A buffer is written where its last payload was, behind the headers of then, if there is headroom and room. */
static void check_place(struct port *p, struct rte_mbuf *m, uint16_t data_off, uint64_t l2_len, uint32_t len, uint16_t expected)
{
    m->data_off = data_off;
    m->tx_offload = rte_mbuf_tx_offload(l2_len, 0, 0, 0, 0, 0, 0);
    rte_pktmbuf_free(m);
    assert_ptr_equal(port_flat(p, len), m); /* the only one */
    assert_int_equal(m->data_off, expected);
    assert_int_equal(m->tx_offload, 0);
    assert_int_equal(m->pkt_len, 0);
}

static void test_place(void **state)
{
    struct rte_mbuf *all[4096];
    struct rte_mempool *pool;
    unsigned n = 0;
    struct flat f;

    (void)state;
    flat_start(&f, PORT_NO_CHAINS);
    pool = f.p.a->nif->port->linear_pool;
    while (n < ARRAY_LEN(all) && (all[n] = rte_pktmbuf_alloc(pool)) != NULL)
        n++;
    assert_in_range(n, 1, ARRAY_LEN(all) - 1);
    check_place(f.p.a->nif->port, all[0], 450, 0, 200, 450);
    check_place(f.p.a->nif->port, all[0], 384, 14, 200, 398);
    check_place(f.p.a->nif->port, all[0], 60, 0, 200, RTE_PKTMBUF_HEADROOM);
    check_place(f.p.a->nif->port, all[0], 450, 0, all[0]->buf_len - 449u, RTE_PKTMBUF_HEADROOM);
    check_place(f.p.a->nif->port, all[0], UINT16_MAX, 0, 200, RTE_PKTMBUF_HEADROOM);
    rte_pktmbuf_free_bulk(all, n);
    flat_end(&f);
}

/* What the port cuts is not copied before it is cut. */
static void test_frame_to_be_cut(void **state)
{
    enum { LONG = 2000 }; /* two segments, and a buffer of the port would hold them */
    struct rte_mbuf *b, *m;
    struct flat f;

    (void)state;
    flat_start(&f, PORT_NO_CHAINS);
    b = shared_buffer(f.p.a->s, LONG);
    assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, b), 0);
    m = waiting_frame(f.p.a);
    assert_true((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
    assert_int_equal(m->nb_segs, 2);
    receive_all(&f, LONG);
    assert_int_equal(f.p.a->s->ctr.v[CTR_COPY_PORT], LONG);
    pkt_unref(b);
    flat_end(&f);
}

static void on_release(void *arg, unsigned flags)
{
    *(unsigned *)arg = flags;
}

/* Whoever lent memory learns that it was copied. */
static void test_wrapped(void **state)
{
    unsigned flags = 0;
    struct flat f;
    uint8_t *mem = malloc(BYTES);
    struct rte_mbuf *m;
    int err;

    (void)state;
    assert_non_null(mem);
    for (uint32_t i = 0; i < BYTES; i++)
        mem[i] = flow_byte(1, i);
    flat_start(&f, PORT_NO_CHAINS);
    m = wrap_create(f.p.a->s, mem, BYTES, on_release, &flags, &err);
    assert_non_null(m);
    assert_int_equal(tcp_send_ref(f.p.a->s, f.c.a->tcp, m), 0);
    check_flat(&f, waiting_frame(f.p.a), BYTES);
    receive_all(&f, BYTES);
    assert_int_equal(flags, WRAP_ACKED | WRAP_COPIED);
    flat_end(&f);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_at_once), cmocka_unit_test(test_by_reference_where_the_port_can),
        cmocka_unit_test(test_pieces),       cmocka_unit_test(test_no_buffer),
        cmocka_unit_test(test_place),        cmocka_unit_test(test_frame_to_be_cut),
        cmocka_unit_test(test_wrapped),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
