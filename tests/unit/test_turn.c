/* One turn of the loop: how many frames it moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/stack.h"
#include "sim_stack.h"
#include "wire/eth.h"

#define RING 512u /* of af_packet */
#define BROADCAST "\xff\xff\xff\xff\xff\xff"

/* A device whose peer answers every frame while it is being sent, as a kernel does at the other end of a veth pair. */
static struct device {
    struct port p;
    struct counters ctr;
    struct rte_mempool *pool;
    uint32_t waiting, lost, sent, received, answers, calls;
    uint64_t takes_ns; /* each call */
} d;

static void take_time(void)
{
    uint64_t end_ns = port_clock_ns() + d.takes_ns;

    while (port_clock_ns() < end_ns)
        ;
}

static uint16_t d_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    (void)p;
    take_time();
    rte_pktmbuf_free_bulk(m, n);
    d.sent += n;
    d.waiting += n * d.answers;
    d.lost += d.waiting > RING ? d.waiting - RING : 0;
    d.waiting = MIN(d.waiting, RING);
    return n;
}

/* An ethertype that nobody speaks: dropped at once. */
static uint16_t d_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    const struct eth_hdr h = {.dst = BROADCAST, .src = "\x02\0\0\0\0\x07", .type = 0x88b5};
    uint16_t got = 0;

    (void)p;
    take_time();
    d.calls++;
    while (got < n && d.waiting > 0) {
        m[got] = rte_pktmbuf_alloc(d.pool);
        assert_non_null(m[got]);
        eth_build((uint8_t *)rte_pktmbuf_append(m[got++], 60), &h);
        d.waiting--;
    }
    d.received += got;
    return got;
}

static void d_close(struct port *p)
{
    (void)p;
}

static const struct port_ops d_ops = {.rx = d_rx, .tx = d_tx, .close = d_close};

static struct z_stack *new_stack_that(bool times_ports)
{
    struct stack_conf c;
    struct z_stack *s;
    int err;

    sim_stack_defaults(&c, 1);
    c.time_ports = times_ports;
    s = stack_create(&c, "turn", NS_PER_SEC, &err);
    assert_non_null(s);
    memset(&d, 0, sizeof(d));
    d.p = (struct port){.ops = &d_ops, .caps = port_mem_caps(), .mac = {2}, .mtu = 1500, .ctr = &d.ctr};
    d.pool = s->pools.rx;
    assert_non_null(stack_add_netif(s, &d.p, "if0"));
    return s;
}

static struct z_stack *new_stack(void)
{
    return new_stack_that(false);
}

static void fill_queue(struct z_stack *s)
{
    struct rte_mbuf *m;

    while (txq_room(&s->netif[0]->txq) > 0 && (m = pkt_alloc_hdr(s)) != NULL) {
        pkt_push(m, 60);
        assert_true(txq_put(&s->netif[0]->txq, m));
    }
}

/* Whatever is queued, the answers to what a turn sends find room, turn after turn: a turn receives more than its own frames provoke. */
static void test_transmission_does_not_flood_the_receive_ring(void **state)
{
    struct z_stack *s = new_stack();

    (void)state;
    d.answers = 1;
    d.waiting = 300; /* requests, say */
    for (unsigned i = 0; i < 1000; i++) {
        fill_queue(s);
        stack_output(s, s->now_ns + NS_PER_US);
        stack_input(s, s->now_ns);
    }
    assert_int_equal(d.lost, 0);
    assert_int_equal(d.waiting, 0);
    assert_true(d.sent > 32000);
    stack_destroy(s);
}

/* A queue that goes around its end is one burst like any other. */
static void test_queue_goes_in_order_until_it_is_empty(void **state)
{
    struct z_stack *s = new_stack();
    struct txq *q = &s->netif[0]->txq;

    (void)state;
    q->head = q->tail = TXQ_SLOTS - 10;
    fill_queue(s);
    for (unsigned i = 0; i < TXQ_SLOTS && txq_count(q) > 0; i++) {
        uint32_t before = txq_count(q);

        stack_output(s, s->now_ns + NS_PER_US);
        assert_true(txq_count(q) < before);
        if (txq_count(q) > 0)
            assert_true(stack_next_deadline(s) < s->now_ns + NS_PER_MS);
    }
    assert_int_equal(txq_count(q), 0);
    assert_int_equal(d.sent, TXQ_SLOTS);
    stack_destroy(s);
}

/* An idle turn asks the device once; a ring that never ends does not keep a turn. */
static void test_receiving_has_an_end(void **state)
{
    struct z_stack *s = new_stack();
    uint32_t received;

    (void)state;
    stack_input(s, s->now_ns);
    assert_int_equal(d.calls, 1);
    d.waiting = RING;
    stack_input(s, s->now_ns);
    received = d.received;
    assert_true(received < RING);
    d.waiting = 5;
    d.calls = 0;
    stack_input(s, s->now_ns);
    assert_int_equal(d.received, received + 5);
    assert_int_equal(d.calls, 1);
    stack_destroy(s);
}

/* Of a port that is timed both calls count, and nothing but them: what the stack does in between takes no time of the port's. */
static void test_time_in_calls_of_the_port(void **state)
{
    struct z_stack *s = new_stack_that(true);
    uint64_t begin_ns, ns;

    (void)state;
    d.takes_ns = 50 * NS_PER_US;
    stack_input(s, s->now_ns);
    assert_int_equal(d.calls, 1);
    ns = s->ctr.v[CTR_PORT_NS];
    assert_true(ns >= d.takes_ns);
    fill_queue(s);
    begin_ns = port_clock_ns();
    stack_output(s, s->now_ns + NS_PER_US);
    assert_true(d.sent > 0);
    ns = s->ctr.v[CTR_PORT_NS] - ns;
    assert_true(ns >= d.takes_ns && ns <= port_clock_ns() - begin_ns);
    stack_destroy(s);

    s = new_stack();
    stack_input(s, s->now_ns);
    assert_ptr_equal(d.p.ops, &d_ops);
    assert_int_equal(s->ctr.v[CTR_PORT_NS], 0);
    stack_destroy(s);
}

static int drop_all(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    (void)data, (void)len, (void)about;
    return DISPATCH_DROP;
}

static int drop_odd(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    static unsigned calls;

    (void)data, (void)len;
    return ++calls % 2 != 0 ? DISPATCH_DROP : about->queue;
}

static int answer_all(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    (void)data, (void)len, (void)about;
    return DISPATCH_ANSWER;
}

/* A turn receives as many frames, and tells of them, whether they are the stack's or the application keeps them. */
static void test_dispatched_frames_are_frames(void **state)
{
    static dispatch_ask *const how[] = {NULL, drop_all, drop_odd, answer_all};
    unsigned had[ARRAY_LEN(how)];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(how); i++) {
        struct z_stack *s = new_stack();

        d.p.dispatch = (struct dispatch){.ask = &how[i], .pool = d.pool, .answers = &s->netif[0]->txq};
        d.waiting = RING;
        had[i] = stack_input(s, s->now_ns);
        assert_int_equal(had[i], had[0]);
        assert_int_equal(d.received, had[0]);
        d.waiting = 1;
        assert_int_equal(stack_input(s, s->now_ns), 1);
        assert_int_equal(stack_input(s, s->now_ns), 0);
        stack_drop_unsent(s);
        stack_destroy(s);
    }
}

static int setup(void **state)
{
    (void)state;
    return sim_eal_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transmission_does_not_flood_the_receive_ring),
        cmocka_unit_test(test_queue_goes_in_order_until_it_is_empty),
        cmocka_unit_test(test_receiving_has_an_end),
        cmocka_unit_test(test_time_in_calls_of_the_port),
        cmocka_unit_test(test_dispatched_frames_are_frames),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
