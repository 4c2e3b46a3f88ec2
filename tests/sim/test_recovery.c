/*
 * What loss recovery costs, in numbers: no timeout for a lost tail, next to no retransmission under reordering, short answers of many
 * connections on a lossy link, a bulk transfer whose retransmissions are lost as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sim_conn.h"
#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"
#include "wire/bytes.h"

#define MAX_CONNS 128u
#define REQUEST 100u

/* Clients on side a ask, servers on side b answer. */
struct asker {
    struct sim_conn c;
    uint64_t asked_at_ns, ask_at_ns;
    uint32_t asked, answered; /* by the client; requests taken by the server */
    uint64_t received, taken;
};

struct talk {
    struct sim_pair p;
    struct asker conn[MAX_CONNS];
    uint32_t n, rounds, answer;
    uint64_t pause_ns;
    uint64_t took_ns[MAX_CONNS * 256];
    uint32_t n_took;
};

static uint8_t bytes[65536];

static uint64_t ctr(const struct sim_stack *ss, enum ctr id)
{
    return ss->s->ctr.v[id];
}

static uint32_t drain(struct sim_stack *ss, struct sock *sk)
{
    struct iovec iov = {bytes, sizeof(bytes)};
    ssize_t n;
    uint32_t sum = 0;

    while ((n = tcp_recv_copy(ss->s, sk->tcp, &iov, 1, 0)) > 0)
        sum += (uint32_t)n;
    return sum;
}

static void say(struct sim_stack *ss, struct sock *sk, uint32_t len)
{
    struct iovec iov = {bytes, len};

    if (tcp_send_copy(ss->s, sk->tcp, &iov, 1, 0) != (ssize_t)len)
        sim_fail(ss->sim, "a message was not taken whole");
}

static void client(struct sim_stack *ss, void *arg)
{
    struct talk *t = arg;

    for (uint32_t i = 0; i < t->n; i++) {
        struct asker *a = &t->conn[i];

        if (a->c.a == NULL)
            continue;
        a->received += drain(ss, a->c.a);
        if (a->received < (uint64_t)a->asked * t->answer)
            continue;
        if (a->asked_at_ns != 0) {
            t->took_ns[t->n_took++] = ss->s->now_ns - a->asked_at_ns;
            a->asked_at_ns = 0;
            a->ask_at_ns = ss->s->now_ns + t->pause_ns;
        }
        if (a->asked == t->rounds)
            continue;
        if (ss->s->now_ns < a->ask_at_ns) {
            ss->app_wake_ns = a->ask_at_ns;
            continue;
        }
        a->asked++;
        a->asked_at_ns = ss->s->now_ns;
        say(ss, a->c.a, REQUEST);
    }
}

static void server(struct sim_stack *ss, void *arg)
{
    struct talk *t = arg;

    for (uint32_t i = 0; i < t->n; i++) {
        struct asker *a = &t->conn[i];

        if (a->c.b == NULL)
            continue;
        a->taken += drain(ss, a->c.b);
        for (; a->taken >= (uint64_t)(a->answered + 1) * REQUEST; a->answered++)
            say(ss, a->c.b, t->answer);
    }
}

static bool over(void *arg)
{
    const struct talk *t = arg;

    return t->n_took == t->n * t->rounds;
}

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->max_connections = 512;
    c->max_sockets = 512;
    c->msl_ns = NS_PER_SEC;
    c->arp_max_tries = 50;
}

/* Opens n connections over perfect links, which then become those of lc. */
static struct talk *talk_start(uint32_t n, uint32_t rounds, uint32_t answer, const struct sim_link_conf *lc, uint64_t seed)
{
    struct talk *t = calloc(1, sizeof(*t));
    struct sim_pair_conf pc = {.sim.seed = seed};

    assert_non_null(t);
    for (int i = 0; i < 2; i++) {
        pc.side[i].tune = tune;
        pc.side[i].link.delay_ns = lc->delay_ns;
        pc.side[i].app = i == 0 ? client : server;
        pc.side[i].app_arg = t;
    }
    assert_true(sim_pair_create(&t->p, &pc));
    t->rounds = rounds;
    t->answer = answer;
    for (uint32_t i = 0; i < n; i++)
        assert_true(sim_conn_open(&t->p, &t->conn[i].c, (uint16_t)(1000 + i)));
    for (int i = 0; i < 2; i++)
        t->p.sim->end[i]->conf = *lc;
    t->n = n;
    return t;
}

static void talk_run(struct talk *t, uint64_t limit_ns)
{
    sim_kick(t->p.sim, t->p.a->node);
    assert_true(sim_run_until(t->p.sim, over, t, limit_ns));
}

static void talk_end(struct talk *t)
{
    struct sim_conn c[MAX_CONNS];
    uint32_t n = t->n;

    for (int i = 0; i < 2; i++)
        t->p.sim->end[i]->conf = (struct sim_link_conf){.delay_ns = NS_PER_MS};
    for (uint32_t i = 0; i < n; i++)
        c[i] = t->conn[i].c;
    t->n = 0;
    assert_true(sim_conn_close(&t->p, c, n));
    sim_pair_destroy(&t->p);
    free(t);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(struct talk *t, double q)
{
    qsort(t->took_ns, t->n_took, sizeof(t->took_ns[0]), by_size);
    return (double)t->took_ns[(uint32_t)((t->n_took - 1) * q)] / 1e6;
}

/* The last segment of every third answer is lost, once. */
struct tail_dropper {
    uint32_t seen_end, n_tails, dropped;
};

static enum sim_verdict drop_tail(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    struct tail_dropper *d = arg;
    const uint8_t *ip = f->data + 14, *tcp = ip + 20;
    uint32_t len, end;

    (void)e;
    (void)index;
    if (f->len < 54 || get16(f->data + 12) != 0x0800)
        return SIM_PASS;
    len = get16(ip + 2) - 20u - (tcp[12] >> 4) * 4u;
    end = get32(tcp + 4) + len;
    if (len == 0 || (tcp[13] & TH_PSH) == 0 || (d->n_tails > 0 && seq_leq(end, d->seen_end)))
        return SIM_PASS;
    d->seen_end = end;
    if (d->n_tails++ % 3 != 2)
        return SIM_PASS;
    d->dropped++;
    return SIM_DROP;
}

/* RFC 8985 section 7: a single tail loss costs no timeout. */
static void lost_tail_costs_no_timeout(void **state)
{
    static const uint32_t sizes[] = {6000, 1000, 50000};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct tail_dropper d = {0};
        struct sim_link_conf lc = {.delay_ns = 5 * NS_PER_MS};
        struct talk *t = talk_start(1, 60, sizes[i], &lc, 1);
        double worst;

        t->p.sim->end[1]->conf.hook = drop_tail;
        t->p.sim->end[1]->conf.hook_arg = &d;
        t->pause_ns = 50 * NS_PER_MS;
        talk_run(t, 60 * NS_PER_SEC);
        worst = percentile_ms(t, 1);
        print_message("tail of %u bytes lost %u times of %u: %llu probes, %llu timeouts, slowest answer %.1f ms, median %.1f ms\n",
                      sizes[i], d.dropped, d.n_tails, (unsigned long long)ctr(t->p.b, CTR_TCP_TLP),
                      (unsigned long long)ctr(t->p.b, CTR_TCP_RTO), worst, percentile_ms(t, 0.5));
        assert_true(d.dropped >= 15);
        assert_int_equal(ctr(t->p.b, CTR_TCP_RTO), 0);
        assert_true(worst < 90); /* two round trips, 40 ms for an ACK that may be delayed, and the round trip of the answer and the probe */
        talk_end(t);
    }
}

/* A hundred connections, answers of 4 to 8 KB, one frame of a hundred lost in either direction. */
static void short_answers_on_a_lossy_link(void **state)
{
    (void)state;
    for (uint32_t answer = 4000; answer <= 8000; answer += 4000) {
        struct sim_link_conf lc = {.delay_ns = NS_PER_MS / 2, .loss_ppm = 10000, .bits_per_sec = 1000000000};
        struct talk *t = talk_start(100, 100, answer, &lc, 3);
        double p99;

        talk_run(t, 300 * NS_PER_SEC);
        p99 = percentile_ms(t, 0.99);
        print_message("%u bytes, 1 %% loss: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms; %llu of %llu segments again, %llu timeouts\n", answer,
                      percentile_ms(t, 0.5), p99, percentile_ms(t, 0.999), (unsigned long long)ctr(t->p.b, CTR_TCP_RETRANS),
                      (unsigned long long)ctr(t->p.b, CTR_TCP_SEG_TX), (unsigned long long)ctr(t->p.b, CTR_TCP_RTO));
        assert_true(p99 < 60);
        assert_true(ctr(t->p.b, CTR_TCP_RTO) <= t->n_took / 1000);
        talk_end(t);
    }
}

/* A stream from a to b; returns how long it took. */
static double stream(struct flow_net *fn, const struct sim_link_conf *lc, uint64_t size, uint64_t seed)
{
    struct sim_pair_conf pc = {.sim.seed = seed};
    uint64_t start;

    for (int i = 0; i < 2; i++) {
        pc.side[i].tune = tune;
        pc.side[i].link = *lc;
    }
    pc.side[1].link.loss_ppm = 0; /* the acknowledgements' way */
    assert_true(sim_pair_create(&fn->pair, &pc));
    assert_true(flow_net_start(fn, 1, size, 1, FLOW_COPY, 65280, seed));
    start = fn->pair.sim->now_ns;
    assert_true(sim_run_until(fn->pair.sim, flow_net_done, fn, 600 * NS_PER_SEC));
    return (double)(fn->pair.sim->now_ns - start) / 1e9;
}

static void stream_end(struct flow_net *fn)
{
    flow_net_stop(fn);
    assert_true(sim_run_for(fn->pair.sim, 100 * NS_PER_SEC));
    assert_true(sim_stack_conserved(fn->pair.a) && sim_stack_conserved(fn->pair.b));
    assert_true(flow_net_destroy(fn));
}

/* RFC 8985 section 3.2 and 6: every fifth packet is overtaken by up to three others; less than one in a thousand is sent again. */
static void reordering_is_no_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct sim_link_conf lc = {
            .delay_ns = 5 * NS_PER_MS, .bits_per_sec = 100000000, .reorder_ppm = 200000, .reorder_ns = 360 * NS_PER_US};
        struct flow_net fn = {0};
        double took = stream(&fn, &lc, 20000000, seed);
        const struct sim_stack *a = fn.pair.a;
        uint64_t again = ctr(a, CTR_TCP_RETRANS), all = ctr(a, CTR_TCP_SEG_TX);

        print_message("20 %% reordered: %.1f Mbit/s, %llu of %llu segments again (%.3f %%), %llu timeouts, %llu recoveries undone\n",
                      20000000 * 8 / took / 1e6, (unsigned long long)again, (unsigned long long)all, 100.0 * (double)again / (double)all,
                      (unsigned long long)ctr(a, CTR_TCP_RTO), (unsigned long long)ctr(a, CTR_TCP_UNDO));
        assert_true(ctr(a, CTR_TCP_REORDERED) > 100);
        assert_true(again * 1000 < all);
        assert_int_equal(ctr(a, CTR_TCP_RTO), 0);
        stream_end(&fn);
    }
}

/* RFC 8985 section 3.2: one segment of twenty is lost, and so is one retransmission of twenty: found by time, without a timeout. */
static void lost_retransmissions_cost_no_timeout(void **state)
{
    (void)state;
    struct sim_link_conf lc = {.delay_ns = 5 * NS_PER_MS, .bits_per_sec = 100000000, .loss_ppm = 50000};
    struct flow_net fn = {0};
    double took = stream(&fn, &lc, 5000000, 4);
    const struct sim_stack *a = fn.pair.a;

    print_message("5 %% lost: %.1f Mbit/s, %llu of %llu segments again, %u lost, %llu probes, %llu timeouts, %llu DSACKs\n",
                  5000000 * 8 / took / 1e6, (unsigned long long)ctr(a, CTR_TCP_RETRANS), (unsigned long long)ctr(a, CTR_TCP_SEG_TX),
                  a->end->stats.lost, (unsigned long long)ctr(a, CTR_TCP_TLP), (unsigned long long)ctr(a, CTR_TCP_RTO),
                  (unsigned long long)ctr(a, CTR_TCP_DSACK_RX));
    assert_true(ctr(a, CTR_TCP_RTO) <= 2);
    assert_true(ctr(a, CTR_TCP_RETRANS) <= a->end->stats.lost + a->end->stats.lost / 20 + 5);
    stream_end(&fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_tail_costs_no_timeout),
        cmocka_unit_test(short_answers_on_a_lossy_link),
        cmocka_unit_test(reordering_is_no_loss),
        cmocka_unit_test(lost_retransmissions_cost_no_timeout),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
