/*
 * Many connections at once: open and idle, some of them busy, one buffer queued on all of them; then all closed, everything back.
 * Prints what an idle connection costs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "sim_conn.h"
#include "tcp/conn.h"

#define CONNS 100000u
#define PORTS 4u
#define HOT 100u
#define HOT_ROUNDS 500u
#define MESSAGE 1000u
#define OPENS_PER_TURN 24u /* a turn receives up to 64 frames, and an opening is two for the server */
#define TURN_NS (20 * NS_PER_US)

/* Two stacks joined by ports that pass frames by reference; side 0 connects to side 1. */
struct crowd {
    struct z_stack *s[2];
    struct sim sim;
    struct sim_stack ss[2];
    uint64_t now, turns;
    struct sock *listener[PORTS];
    int listen_fd[PORTS];
    uint32_t n[2];
    struct sock **sk[2];
    int *fd[2];
    size_t arena_before[2];
};

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct z_stack *make_stack(int side)
{
    struct stack_conf c;
    struct z_stack *s;
    int err;

    sim_stack_defaults(&c, (uint64_t)side + 1);
    c.pools.ind = 32768;
    c.pools.hdr = 16384;
    c.conn_memory_bytes = 1024ull * MIB;
    c.max_connections = 131072;
    c.max_sockets = 131072;
    c.max_timewait = 131072;
    c.rcv_limit_bytes = c.loan_limit_bytes = 256 * MIB;
    c.msl_ns = 500 * NS_PER_MS;
    c.burst = 64;
    s = stack_create(&c, side == 0 ? "many0" : "many1", NS_PER_SEC, &err);
    assert_non_null(s);
    return s;
}

static void crowd_create(struct crowd *w)
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .ring = 8192};
    struct port *p[2];

    *w = (struct crowd){.now = NS_PER_SEC};
    for (int i = 0; i < 2; i++) {
        w->s[i] = make_stack(i);
        w->ss[i] = (struct sim_stack){.sim = &w->sim, .s = w->s[i]};
        jc.ind_pool[i] = w->s[i]->pools.ind;
        w->sk[i] = calloc(CONNS, sizeof(*w->sk[i]));
        w->fd[i] = calloc(CONNS, sizeof(*w->fd[i]));
    }
    assert_int_equal(port_mem_join(&jc, p), 0);
    for (int i = 0; i < 2; i++) {
        struct netif *nif = stack_add_netif(w->s[i], p[i], "mem0");

        assert_int_equal(stack_add_addr(w->s[i], nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u, 0), 0);
        assert_true(sim_add_v6(w->s[i], nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u));
    }
    for (unsigned i = 0; i < PORTS; i++)
        w->listener[i] = sim_listen(&w->ss[1], (uint16_t)(80 + i), 4096, &w->listen_fd[i]);
}

static void turn(struct crowd *w, void (*app)(struct crowd *w, int side))
{
    for (int i = 0; i < 2; i++) {
        stack_input(w->s[i], w->now);
        if (app != NULL)
            app(w, i);
        stack_output(w->s[i], w->now);
    }
    w->now += TURN_NS;
    w->turns++;
}

/* Virtual time passes in steps of the stacks' own deadlines. */
static void pass(struct crowd *w, uint64_t ns)
{
    uint64_t end = w->now + ns;

    while (w->now < end) {
        uint64_t next = MIN(stack_next_deadline(w->s[0]), stack_next_deadline(w->s[1]));

        turn(w, NULL);
        w->now = MAX(w->now, MIN(next, end));
    }
}

static void opener(struct crowd *w, int side)
{
    if (side == 0) {
        for (unsigned i = 0; i < OPENS_PER_TURN && w->n[0] < CONNS; i++, w->n[0]++)
            w->sk[0][w->n[0]] = sim_connect(&w->ss[0], SIM_ADDR_B, (uint16_t)(80 + w->n[0] % PORTS), &w->fd[0][w->n[0]]);
        return;
    }
    for (unsigned i = 0; i < PORTS; i++)
        while (w->n[1] < CONNS && (w->sk[1][w->n[1]] = sim_accept(&w->ss[1], w->listener[i], &w->fd[1][w->n[1]])) != NULL)
            w->n[1]++;
}

static void open_all(struct crowd *w)
{
    double start = seconds();

    pass(w, 10 * NS_PER_MS);
    for (int i = 0; i < 2; i++)
        w->arena_before[i] = w->s[i]->arena.used_bytes;
    while (w->n[1] < CONNS && w->turns < 1000000)
        turn(w, opener);
    assert_int_equal(w->n[1], CONNS);
    pass(w, 5 * NS_PER_SEC);
    for (int i = 0; i < 2; i++)
        assert_int_equal(w->s[i]->tcp.n_conns, CONNS + (i == 1 ? PORTS : 0));
    print_message("%u connections opened in %.2f s\n", CONNS, seconds() - start);
}

static void report_memory(const struct crowd *w)
{
    size_t each[2];

    for (int i = 0; i < 2; i++)
        each[i] = (w->s[i]->arena.used_bytes - w->arena_before[i]) / CONNS;
    print_message("memory per idle connection: %zu bytes (struct tcp_conn %zu in a block of %zu, with its sock and a registration; client "
                  "side %zu)\n",
                  each[1], sizeof(struct tcp_conn), arena_class_bytes(sizeof(struct tcp_conn)), each[0]);
    assert_true(each[1] <= 960 && each[0] <= 960); /* with the tables 1 KB */
}

/* The first HOT connections play ping-pong: whoever has a message sends it back. */
static uint64_t rounds;

static void ping_pong(struct crowd *w, int side)
{
    struct rte_mbuf *m;
    ssize_t n;

    for (unsigned i = 0; i < HOT; i++) {
        while ((n = tcp_recv_ref(w->s[side], w->sk[side][i]->tcp, SIZE_MAX, &m)) > 0) {
            rounds++;
            assert_int_equal(tcp_send_ref(w->s[side], w->sk[side][i]->tcp, m), 0);
            tcp_loan_return(w->s[side], m);
        }
    }
}

static void drain_hot(struct crowd *w, int side)
{
    struct rte_mbuf *m;

    for (unsigned i = 0; i < HOT; i++) {
        while (tcp_recv_ref(w->s[side], w->sk[side][i]->tcp, SIZE_MAX, &m) > 0) {
            tcp_loan_return(w->s[side], m);
            pkt_unref(m);
        }
    }
}

static void some_are_busy(struct crowd *w)
{
    double start = seconds();

    for (unsigned i = 0; i < HOT; i++) {
        struct rte_mbuf *m = pkt_alloc_app(w->s[0], MESSAGE);

        assert_non_null(m);
        m->data_len = MESSAGE;
        m->pkt_len = MESSAGE;
        assert_int_equal(tcp_send_ref(w->s[0], w->sk[0][i]->tcp, m), 0);
    }
    for (unsigned i = 0; i < 100 * HOT_ROUNDS && rounds < HOT * HOT_ROUNDS; i++)
        turn(w, ping_pong);
    assert_true(rounds >= HOT * HOT_ROUNDS);
    print_message("%u of them exchanged %llu messages: %.0f ns each\n", HOT, (unsigned long long)rounds,
                  (seconds() - start) * 1e9 / (double)rounds);
    for (unsigned i = 0; i < 1000; i++)
        turn(w, drain_hot);
}

/* One buffer, queued on every connection: a count of 32 bits, and the frames that refer to it at one time are bounded. */
static uint64_t fan_bytes;
static uint32_t fan_from;

static void fan_in(struct crowd *w, int side)
{
    struct rte_mbuf *m;
    ssize_t n;

    if (side != 0)
        return;
    for (uint32_t i = 0; i < CONNS; i++) {
        while (w->sk[0][i]->tcp->rcvq.bytes > 0 && (n = tcp_recv_ref(w->s[0], w->sk[0][i]->tcp, SIZE_MAX, &m)) > 0) {
            assert_int_equal(pkt_data(m)[0], (uint8_t)((fan_from + 0) * 31));
            fan_bytes += (uint64_t)n;
            tcp_loan_return(w->s[0], m);
            pkt_unref(m);
        }
    }
}

static void one_buffer_on_all(struct crowd *w)
{
    struct z_stack *s = w->s[1];
    struct rte_mbuf *m = pkt_alloc_app(s, MESSAGE);
    double start = seconds();

    assert_non_null(m);
    m->data_len = MESSAGE;
    m->pkt_len = MESSAGE;
    for (uint32_t i = 0; i < MESSAGE; i++)
        pkt_data(m)[i] = (uint8_t)((fan_from + i) * 31);
    for (uint32_t i = 0; i < CONNS; i++) {
        pkt_ref(m);
        assert_int_equal(tcp_send_ref(s, w->sk[1][i]->tcp, m), 0);
    }
    pkt_unref(m);
    for (unsigned i = 0; i < 2000 && fan_bytes < (uint64_t)CONNS * MESSAGE; i++)
        turn(w, fan_in);
    assert_int_equal(fan_bytes, (uint64_t)CONNS * MESSAGE);
    pass(w, NS_PER_SEC);
    print_message("one buffer sent on %u connections in %.2f s\n", CONNS, seconds() - start);
    for (int i = 0; i < 2; i++)
        for (enum ctr c = 0; c < CTR_COUNT; c++)
            if (c == CTR_COPY_PORT || c == CTR_COPY_DELIBERATE || c == CTR_COPY_API || c == CTR_COPY_LOAN || c == CTR_COPY_STACK)
                assert_int_equal(w->s[i]->ctr.v[c], 0);
}

static void close_all(struct crowd *w)
{
    double start = seconds();

    for (uint32_t i = 0; i < CONNS; i++)
        sock_close(w->s[0], w->fd[0][i]);
    pass(w, 200 * NS_PER_MS);
    for (uint32_t i = 0; i < CONNS; i++)
        sock_close(w->s[1], w->fd[1][i]);
    for (unsigned i = 0; i < PORTS; i++)
        sock_close(w->s[1], w->listen_fd[i]);
    pass(w, 60 * NS_PER_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w->s[i]->tcp.n_conns, 0);
        assert_int_equal(w->s[i]->tcp.rcv_charged_bytes, 0);
        assert_int_equal(w->s[i]->tcp.loan_bytes, 0);
        assert_int_equal(w->s[i]->wheel.armed <= 2, 1); /* the neighbour's */
        assert_true(w->s[i]->arena.used_bytes <= w->arena_before[i]);
        assert_int_equal(pkt_pools_in_use(&w->s[i]->pools), 0);
    }
    print_message("all closed in %.2f s\n", seconds() - start);
}

static void test_many(void **state)
{
    struct crowd *w = malloc(sizeof(*w));

    (void)state;
    crowd_create(w);
    open_all(w);
    report_memory(w);
    some_are_busy(w);
    one_buffer_on_all(w);
    report_memory(w);
    close_all(w);
    for (int i = 0; i < 2; i++) {
        stack_destroy(w->s[i]);
        free(w->sk[i]);
        free(w->fd[i]);
    }
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
