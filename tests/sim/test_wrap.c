/*
 * Numbers that wrap: sequence numbers, timestamps and the clock at every interesting place, and connections that were idle for longer
 * than half of the timestamps' circle (PAWS, RFC 7323 section 5.5).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim_conn.h"
#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define BYTES 200000u
#define DAY_NS (24 * 3600 * NS_PER_SEC)

enum which { ISS_A, ISS_B, TS_A, TS_B, WHICH_COUNT };

static const char *const which_names[WHICH_COUNT] = {"client's sequence numbers", "server's sequence numbers", "client's timestamps",
                                                     "server's timestamps"};

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->max_connections = 16;
    c->max_sockets = 16;
    c->msl_ns = NS_PER_SEC;
    c->rto_max_ns = 5 * NS_PER_SEC;
    c->arp_max_tries = 50;
    c->sndbuf_bytes = 64 * KIB;
    c->rcvbuf_bytes = 64 * KIB;
}

static void pair_at(struct sim_pair *p, struct sim_tcp_checker *chk, uint64_t start_ns, uint32_t loss_ppm)
{
    struct sim_pair_conf c = {.sim = {.seed = 99, .start_ns = start_ns}};

    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].link =
            (struct sim_link_conf){.delay_ns = NS_PER_MS, .loss_ppm = loss_ppm, .reorder_ppm = loss_ppm, .reorder_ns = 2 * NS_PER_MS};
    }
    assert_true(sim_pair_create(p, &c));
    sim_tcp_check_every(chk, p, 1);
}

/* Streams both ways from a start of the clock; what the numbers were at the beginning. */
static void run_at(uint64_t start_ns, uint32_t loss_ppm, uint32_t bytes, uint32_t first[WHICH_COUNT])
{
    struct flow_conf fc = {.n = 1, .bytes_a = bytes, .bytes_b = bytes, .mode = FLOW_MIXED, .max_io = 4000, .seed = 5};
    struct sim_tcp_checker chk;
    struct flow_net fn = {0};
    const struct tcp_conn *tc;

    pair_at(&fn.pair, &chk, start_ns, loss_ppm);
    assert_true(flow_net_start_conf(&fn, &fc));
    tc = fn.flow[0].client.sk->tcp;
    first[ISS_A] = tc->iss;
    first[TS_A] = tcp_ts_now(fn.pair.a->s, tc);
    while (fn.flow[0].server.sk == NULL && sim_step(fn.pair.sim))
        ;
    tc = fn.flow[0].server.sk->tcp;
    first[ISS_B] = tc->iss;
    first[TS_B] = tcp_ts_now(fn.pair.b->s, tc);
    assert_true(sim_run_until(fn.pair.sim, flow_net_done, &fn, 600 * NS_PER_SEC));
    flow_net_stop(&fn);
    assert_true(sim_run_for(fn.pair.sim, 500 * NS_PER_SEC) && sim_stack_conserved(fn.pair.a) && sim_stack_conserved(fn.pair.b));
    assert_true(flow_net_destroy(&fn));
}

/*
 * The initial numbers follow the clock (RFC 6528: 4 us a step; timestamps: 1 ms), so a later start moves them where they are wanted:
 * to wrap after so many bytes, or milliseconds.
 */
static void test_numbers_wrap(void **state)
{
    static const uint32_t before[] = {0, 1, 2, 3, 100, 1448, 1449, 65536, 100000, 199999, 200001};
    uint32_t first[WHICH_COUNT], now[WHICH_COUNT];
    unsigned runs = 0;

    (void)state;
    for (uint32_t loss = 0; loss <= 30000; loss += 30000) {
        run_at(NS_PER_SEC, loss, BYTES, first);
        for (int w = 0; w < WHICH_COUNT; w++)
            for (unsigned i = 0; i < ARRAY_LEN(before); i++) {
                bool iss = w <= ISS_B;
                uint32_t left = iss ? before[i] : before[i] % 500, steps = 0u - left - first[w];
                uint64_t start = NS_PER_SEC + (uint64_t)steps * (iss ? 4000 : NS_PER_MS);

                run_at(start, loss, BYTES, now);
                if (now[w] + left > 60000 && now[w] + left < 0u - 60000) /* the handshake of the server is a little later */
                    fail_msg("%s begin at %u", which_names[w], now[w]);
                runs++;
            }
    }
    print_message("%u runs in which a number wraps\n", runs);
}

static void test_clock(void **state)
{
    static const uint64_t start[] = {1,
                                     1000,
                                     (1ull << 31) - 100000000,
                                     (1ull << 32) - 100000000,
                                     (1ull << 42) - 100000000,
                                     1ull << 48,
                                     (1ull << 63) - 100000000,
                                     0xfffff00000000000ull};
    uint32_t first[WHICH_COUNT];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(start); i++)
        run_at(start[i], 30000, BYTES / 4, first);
}

static uint64_t exchange(struct sim_pair *p, struct sim_conn *c, bool from_a)
{
    struct sim_stack *from = from_a ? p->a : p->b, *to = from_a ? p->b : p->a;
    struct sock *out = from_a ? c->a : c->b, *in = from_a ? c->b : c->a;
    uint8_t data[3000] = {1, 2, 3}, got[3000] = {0};
    struct iovec w = {data, sizeof(data)};
    uint64_t start = p->sim->now_ns;
    size_t n = 0;

    assert_int_equal(tcp_send_copy(from->s, out->tcp, &w, 1, 0), sizeof(data));
    sim_kick(p->sim, from->node);
    while (n < sizeof(got)) {
        struct iovec r = {got + n, sizeof(got) - n};
        ssize_t ret = tcp_recv_copy(to->s, in->tcp, &r, 1, 0);

        if (ret > 0)
            n += (size_t)ret;
        else
            assert_true(sim_step(p->sim) && p->sim->now_ns - start < 10 * NS_PER_SEC);
    }
    assert_memory_equal(data, got, sizeof(data));
    sim_run_for(p->sim, NS_PER_SEC); /* acknowledged */
    assert_int_equal(tcp_snd_queued(out->tcp), 0);
    return p->sim->now_ns - start;
}

static void test_idle_for_long(void **state)
{
    static const unsigned days[] = {1, 20, 24, 25, 26, 30, 37, 49, 50, 60, 75, 100, 400};
    struct sim_tcp_checker chk;
    struct sim_conn c;
    struct sim_pair p;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(days); i++)
        for (int from_a = 0; from_a < 2; from_a++) {
            pair_at(&p, &chk, 0, 0);
            assert_true(sim_conn_open(&p, &c, 80));
            assert_true(c.a->tcp->ts_on);
            exchange(&p, &c, true);
            exchange(&p, &c, false);
            assert_true(sim_run_for(p.sim, days[i] * DAY_NS));
            exchange(&p, &c, from_a);
            exchange(&p, &c, !from_a);
            assert_int_equal(p.a->s->ctr.v[DROP_TCP_PAWS] + p.b->s->ctr.v[DROP_TCP_PAWS], 0);
            assert_true(sim_conn_close(&p, &c, 1));
            sim_pair_destroy(&p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_wrap),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_idle_for_long),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
