/*
 * Zero copy as a number: echo, forwarding, splitting, fan-out and retransmission by reference leave every counter of copied
 * payload at zero, and every buffer comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "buf/wrap.h"
#include "sim_conn.h"
#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"
#include "zero_copy.h"

/* As z_write does with a received buffer: accepted, it is no loan any more. */
static bool forward(struct z_stack *s, struct tcp_conn *to, struct rte_mbuf *m)
{
    if (tcp_send_ref(s, to, m) != 0)
        return false;
    tcp_loan_return(s, m);
    return true;
}

/* echo over ports that pass frames by reference: nothing at all touches the payload ------------------------------------- */

#define ECHO_PIECE 65280u

struct echo {
    struct z_stack *s[2];
    struct sock *sk[2];
    uint64_t total, sent, back;
};

static struct rte_mbuf *echo_piece(struct z_stack *s, uint64_t at)
{
    struct rte_mbuf *m = pkt_alloc_app(s, ECHO_PIECE);

    if (m == NULL)
        return NULL;
    memcpy(pkt_data(m), &at, sizeof(at)); /* where it stands in the stream */
    m->data_len = ECHO_PIECE;
    m->pkt_len = ECHO_PIECE;
    return m;
}

static void echo_client(struct echo *e)
{
    struct z_stack *s = e->s[0];
    struct tcp_conn *tc = e->sk[0]->tcp;
    struct rte_mbuf *m;
    ssize_t n;

    while (e->sent < e->total && tcp_snd_space(tc) > 0 && (m = echo_piece(s, e->sent)) != NULL) {
        assert_int_equal(tcp_send_ref(s, tc, m), 0);
        e->sent += ECHO_PIECE;
    }
    while ((n = tcp_recv_ref(s, tc, SIZE_MAX, &m)) > 0) {
        uint64_t begin = (e->back + ECHO_PIECE - 1) / ECHO_PIECE * ECHO_PIECE, at;

        if (begin + sizeof(at) <= e->back + (uint64_t)n) {
            memcpy(&at, pkt_data(m) + (begin - e->back), sizeof(at));
            assert_int_equal(at, begin);
        }
        e->back += (uint64_t)n;
        tcp_loan_return(s, m);
        pkt_unref(m);
    }
    assert_int_equal(n, -EAGAIN);
}

static void echo_server(struct echo *e)
{
    struct z_stack *s = e->s[1];
    struct tcp_conn *tc = e->sk[1]->tcp;
    struct rte_mbuf *m;

    while (tcp_snd_space(tc) > 0 && tcp_recv_ref(s, tc, SIZE_MAX, &m) > 0)
        assert_true(forward(s, tc, m));
}

static struct z_stack *echo_stack(int side)
{
    struct stack_conf c;
    struct z_stack *s;
    int err;

    sim_stack_defaults(&c, (uint64_t)side + 1);
    c.pools.ind = 32768;
    c.pools.app[2] = 512;
    c.max_connections = 64;
    c.sndbuf_bytes = 4 * MIB;
    c.rcvbuf_bytes = 2 * MIB;
    c.rcv_limit_bytes = c.loan_limit_bytes = 64 * MIB; /* what arrives is the peer's memory here */
    c.msl_ns = NS_PER_MS;
    s = stack_create(&c, side == 0 ? "echo0" : "echo1", NS_PER_SEC, &err);
    assert_non_null(s);
    return s;
}

static void echo_join(struct echo *e, struct port *p[2])
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500};

    for (int i = 0; i < 2; i++) {
        e->s[i] = echo_stack(i);
        jc.ind_pool[i] = e->s[i]->pools.ind;
    }
    assert_int_equal(port_mem_join(&jc, p), 0);
    for (int i = 0; i < 2; i++) {
        struct netif *nif = stack_add_netif(e->s[i], p[i], "mem0");

        assert_int_equal(stack_add_addr(e->s[i], nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u, 0), 0);
        assert_true(sim_add_v6(e->s[i], nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u));
    }
}

static void test_echo_gigabyte(void **state)
{
    struct echo e = {.total = (1ull << 30) / ECHO_PIECE * ECHO_PIECE};
    struct sim_stack ss[2] = {0};
    struct sim_conn c = {0};
    struct port *p[2];
    struct sim sim = {0};
    struct sock *l;
    uint64_t now = NS_PER_SEC, turns = 0;
    int fd;

    (void)state;
    echo_join(&e, p);
    for (int i = 0; i < 2; i++)
        ss[i] = (struct sim_stack){.sim = &sim, .s = e.s[i]};
    l = sim_listen(&ss[1], 7, 4, &fd);
    c.a = e.sk[0] = sim_connect(&ss[0], SIM_ADDR_B, 7, &c.fd_a);
    for (; e.back < e.total && turns < 10000000; turns++, now += 10 * NS_PER_US) {
        for (int i = 0; i < 2; i++) {
            stack_input(e.s[i], now);
            if (i == 1 && e.sk[1] == NULL)
                c.b = e.sk[1] = sim_accept(&ss[1], l, &c.fd_b);
            if (i == 0 && e.sk[1] != NULL)
                echo_client(&e);
            if (i == 1 && e.sk[1] != NULL)
                echo_server(&e);
            stack_output(e.s[i], now);
        }
    }
    assert_int_equal(e.back, e.total);
    print_message("echoed %llu bytes by reference in %llu turns, %.3f s of virtual time\n", (unsigned long long)e.back,
                  (unsigned long long)turns, (double)(now - NS_PER_SEC) / 1e9);
    sock_close(e.s[0], c.fd_a);
    sock_close(e.s[1], c.fd_b);
    sock_close(e.s[1], fd);
    for (unsigned i = 0; i < 1000; i++, now += NS_PER_MS)
        for (int j = 0; j < 2; j++) {
            stack_input(e.s[j], now);
            stack_output(e.s[j], now);
        }
    for (int i = 0; i < 2; i++) {
        assert_no_copies(e.s[i]);
        assert_int_equal(e.s[i]->tcp.n_conns, 0);
        assert_int_equal(pkt_pools_in_use(&e.s[i]->pools), 0);
    }
    stack_destroy(e.s[0]);
    stack_destroy(e.s[1]);
}

/* pairs in the simulator ---------------------------------------------------------------------------------------------------- */

/* A receiver that forwards what it reads, cut at random places, to another connection of its stack. */
struct forwarder {
    struct sock *from, *to;
    struct rng rng;
    bool cut;
    uint64_t bytes;
};

static void forward_app(struct sim_stack *ss, void *arg)
{
    struct forwarder *f = arg;
    struct rte_mbuf *m;
    ssize_t n;

    while (tcp_snd_space(f->to->tcp) > 0 &&
           (n = tcp_recv_ref(ss->s, f->from->tcp, f->cut ? 1 + rng_below(&f->rng, 2000) : SIZE_MAX, &m)) > 0) {
        assert_true(forward(ss->s, f->to->tcp, m));
        f->bytes += (uint64_t)n;
    }
    if (tcp_rcv_avail(f->from->tcp) > 0) /* the send queue is full: its acknowledgements bring the next turn; or no buffer */
        ss->app_wake_ns = ss->sim->now_ns + NS_PER_MS;
}

/* two: forwards from one connection to another one; else an echo. */
static void run_forward(uint32_t loss_ppm, uint32_t piece, bool two, bool cut, uint64_t total)
{
    struct sim_tcp_checker chk;
    struct sim_conn c[2] = {{0}};
    struct forwarder f = {.cut = cut};
    struct source x = {.total = total, .piece = piece};
    struct sim_pair p;

    rng_seed(&f.rng, piece);
    pair_create(&p, &chk, loss_ppm);
    for (int i = 0; i < 1 + two; i++)
        assert_true(sim_conn_open(&p, &c[i], (uint16_t)(80 + i)));
    x.out = c[0].a;
    x.in = c[two].a;
    f.from = c[0].b;
    f.to = c[two].b;
    p.a->app = source_app;
    p.a->app_arg = &x;
    p.b->app = forward_app;
    p.b->app_arg = &f;
    sim_kick(p.sim, p.a->node);
    assert_true(sim_run_until(p.sim, source_done, &x, 3000 * NS_PER_SEC));
    assert_int_equal(f.bytes, total);
    p.a->app = p.b->app = NULL;
    if (loss_ppm > 0)
        assert_true(p.a->s->ctr.v[CTR_TCP_RETRANS] > 0 && p.b->s->ctr.v[CTR_TCP_RETRANS] > 0);
    assert_true(sim_conn_close(&p, c, 2));
    assert_no_copies(p.a->s);
    assert_no_copies(p.b->s);
    sim_pair_destroy(&p);
}

static void test_echo_checked(void **state)
{
    (void)state;
    run_forward(0, 65280, false, false, sim_soak(16) * MIB);
    run_forward(20000, 9000, false, false, sim_soak(2) * MIB);
}

static void test_forward_between_connections(void **state)
{
    (void)state;
    run_forward(0, 9000, true, false, sim_soak(4) * MIB);
    run_forward(20000, 1448, true, false, sim_soak(2) * MIB);
}

static void test_split_on_read(void **state)
{
    (void)state;
    run_forward(0, 9000, false, true, sim_soak(2) * MIB);
    run_forward(20000, 5000, true, true, sim_soak(1) * MIB);
}

/* Every kind of buffer lost and sent again: whole in place, a part, shared, wrapped. */
static void test_retransmission(void **state)
{
    static const enum flow_mode mode[] = {FLOW_REF, FLOW_WRAP};
    static const uint32_t io[] = {1400, 20000, 65280};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct flow_conf fc = {.n = 2, .bytes_a = 1000000, .bytes_b = 1000000, .mode = mode[i % 2], .max_io = io[i / 2], .seed = i};
        struct sim_tcp_checker chk;
        struct flow_net fn = {0};

        pair_create(&fn.pair, &chk, 50000);
        assert_true(flow_net_start_conf(&fn, &fc));
        assert_true(sim_run_until(fn.pair.sim, flow_net_done, &fn, 2000 * NS_PER_SEC));
        flow_net_stop(&fn);
        assert_true(sim_run_for(fn.pair.sim, 1000 * NS_PER_SEC));
        assert_true(fn.pair.a->s->ctr.v[CTR_TCP_RETRANS] > 10);
        assert_no_copies(fn.pair.a->s);
        assert_no_copies(fn.pair.b->s);
        assert_true(sim_stack_conserved(fn.pair.a) && sim_stack_conserved(fn.pair.b));
        assert_true(flow_net_destroy(&fn));
    }
}

/* wrapped memory -------------------------------------------------------------------------------------------------------------- */

struct release_log {
    unsigned count, flags;
};

static void on_release(void *arg, unsigned flags)
{
    struct release_log *l = arg;

    l->count++;
    l->flags = flags;
}

struct sink {
    struct sock *sk;
    uint64_t received;
    bool paused;
};

static void sink_app(struct sim_stack *ss, void *arg)
{
    struct sink *k = arg;
    struct rte_mbuf *m;
    ssize_t n;

    while (!k->paused && k->sk != NULL && (n = tcp_recv_ref(ss->s, k->sk->tcp, SIZE_MAX, &m)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(pkt_data(m)[i], (uint8_t)((k->received + (uint64_t)i) * 7));
        k->received += (uint64_t)n;
        tcp_loan_return(ss->s, m);
        pkt_unref(m);
    }
}

static uint8_t *pattern(size_t n)
{
    uint8_t *p = malloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 7);
    return p;
}

static void setup_sink(struct sim_pair *p, struct sim_tcp_checker *chk, struct sim_conn *c, struct sink *k, uint32_t loss)
{
    pair_create(p, chk, loss);
    assert_true(sim_conn_open(p, c, 80));
    *k = (struct sink){.sk = c->b};
    p->b->app = sink_app;
    p->b->app_arg = k;
}

#define WRAPPED (200000u) /* more than one buffer can be */

static void test_wrapped_acknowledged(void **state)
{
    struct release_log log = {0};
    struct sim_tcp_checker chk;
    struct sim_conn c;
    struct sim_pair p;
    struct sink k;
    uint8_t *mem = pattern(WRAPPED);
    struct rte_mbuf *m;
    int err;

    (void)state;
    for (uint32_t loss = 0; loss <= 50000; loss += 50000) {
        log = (struct release_log){0};
        setup_sink(&p, &chk, &c, &k, loss);
        m = wrap_create(p.a->s, mem, WRAPPED, on_release, &log, &err);
        assert_non_null(m);
        assert_int_equal(tcp_send_ref(p.a->s, c.a->tcp, m), 0);
        sim_kick(p.sim, p.a->node);
        while (k.received < WRAPPED) { /* acknowledged in part: not released */
            if (tcp_snd_queued(c.a->tcp) > 0)
                assert_int_equal(log.count, 0);
            assert_true(sim_step(p.sim));
        }
        assert_true(sim_run_for(p.sim, 20 * NS_PER_SEC));
        k.sk = NULL;
        assert_true(sim_conn_close(&p, &c, 1));
        assert_int_equal(log.count, 1);
        assert_int_equal(log.flags, WRAP_ACKED);
        assert_no_copies(p.a->s);
        sim_pair_destroy(&p);
    }
    free(mem);
}

/* The application resets half-way; the peer never reads. */
static void test_wrapped_aborted(void **state)
{
    struct linger l = {.l_onoff = 1};
    struct release_log log = {0};
    struct sim_tcp_checker chk;
    struct sim_conn c;
    struct sim_pair p;
    struct sink k;
    uint8_t *mem = pattern(WRAPPED);
    int err;

    (void)state;
    setup_sink(&p, &chk, &c, &k, 0);
    k.paused = true;
    assert_int_equal(tcp_send_ref(p.a->s, c.a->tcp, wrap_create(p.a->s, mem, WRAPPED, on_release, &log, &err)), 0);
    sim_kick(p.sim, p.a->node);
    assert_true(sim_run_for(p.sim, NS_PER_SEC));
    assert_true(tcp_snd_queued(c.a->tcp) > 0 && tcp_snd_queued(c.a->tcp) < WRAPPED);
    assert_int_equal(log.count, 0);
    assert_int_equal(tcp_setopt(p.a->s, c.a->tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    k.sk = NULL;
    assert_true(sim_conn_close(&p, &c, 1));
    assert_int_equal(log.count, 1);
    assert_true((log.flags & WRAP_ABORTED) != 0);
    sim_pair_destroy(&p);
    free(mem);
}

/* Never given to a connection: neither acknowledged nor aborted, and still released once. */
static void test_wrapped_unused(void **state)
{
    struct release_log log = {0};
    struct sim_tcp_checker chk;
    struct sim_pair p;
    uint8_t mem[100];
    struct rte_mbuf *m;
    int err;

    (void)state;
    pair_create(&p, &chk, 0);
    assert_true(sim_run_for(p.sim, NS_PER_SEC)); /* announcements */
    m = wrap_create(p.a->s, mem, sizeof(mem), on_release, &log, &err);
    pkt_ref(m);
    pkt_unref(m);
    assert_int_equal(release_run(p.a->s), 0);
    pkt_unref(m);
    assert_int_equal(release_run(p.a->s), 1);
    assert_int_equal(log.count, 1);
    assert_int_equal(log.flags, 0);
    assert_true(sim_stack_conserved(p.a));
    sim_pair_destroy(&p);
}

/* one buffer on several connections ---------------------------------------------------------------------------------------------- */

#define FAN_OUT 40u

static void test_shared_by_connections(void **state)
{
    struct release_log log = {0};
    struct sim_tcp_checker chk;
    struct sim_conn c[FAN_OUT];
    uint64_t received[FAN_OUT] = {0};
    struct sim_pair p;
    uint8_t *mem = pattern(30000);
    struct rte_mbuf *m, *got;
    unsigned done = 0;
    int err;

    (void)state;
    pair_create(&p, &chk, 20000);
    for (unsigned i = 0; i < FAN_OUT; i++)
        assert_true(sim_conn_open(&p, &c[i], 80));
    m = wrap_create(p.a->s, mem, 30000, on_release, &log, &err);
    for (unsigned i = 0; i < FAN_OUT; i++) {
        pkt_ref(m);
        assert_int_equal(tcp_send_ref(p.a->s, c[i].a->tcp, m), 0);
    }
    pkt_unref(m); /* ours */
    sim_kick(p.sim, p.a->node);
    for (unsigned step = 0; step < 1000000 && done < FAN_OUT; step++) {
        assert_true(sim_step(p.sim));
        done = 0;
        for (unsigned i = 0; i < FAN_OUT; i++) {
            ssize_t n;

            while ((n = tcp_recv_ref(p.b->s, c[i].b->tcp, SIZE_MAX, &got)) > 0) {
                for (ssize_t j = 0; j < n; j++)
                    assert_int_equal(pkt_data(got)[j], (uint8_t)((received[i] + (uint64_t)j) * 7));
                received[i] += (uint64_t)n;
                tcp_loan_return(p.b->s, got);
                pkt_unref(got);
            }
            done += received[i] == 30000;
        }
    }
    assert_int_equal(done, FAN_OUT);
    assert_true(p.a->s->ctr.v[CTR_TCP_RETRANS] > 0);
    assert_true(sim_run_for(p.sim, 20 * NS_PER_SEC));
    assert_int_equal(log.count, 1);
    assert_int_equal(log.flags, WRAP_ACKED);
    assert_true(sim_conn_close(&p, c, FAN_OUT));
    assert_no_copies(p.a->s);
    assert_no_copies(p.b->s);
    sim_pair_destroy(&p);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_gigabyte),   cmocka_unit_test(test_echo_checked),   cmocka_unit_test(test_forward_between_connections),
        cmocka_unit_test(test_split_on_read),   cmocka_unit_test(test_retransmission), cmocka_unit_test(test_wrapped_acknowledged),
        cmocka_unit_test(test_wrapped_aborted), cmocka_unit_test(test_wrapped_unused), cmocka_unit_test(test_shared_by_connections),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
