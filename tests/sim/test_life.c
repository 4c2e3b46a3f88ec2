/*
 * Connections opened and closed by the million: each exchanges a request and a response, the client closes first, its TIME-WAIT
 * passes or gives way. At the end every block, record, buffer and port is free. ZSTACK_LIFE=10000000 in the environment for another
 * number of connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "sim_conn.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define CONNS 200000u
#define AT_ONCE 256u
#define PORTS 8u
#define MESSAGE 64u
#define TURN_NS (20 * NS_PER_US)

static struct life {
    struct z_stack *s[2];
    struct sim sim;
    struct sim_stack ss[2];
    uint64_t now, opened, finished, served, peak_timewait;
    struct sock *listener[PORTS]; /* NULL: closed */
    int listen_fd[PORTS];
    struct sock *sk[2][2 * AT_ONCE];
    int fd[2][2 * AT_ONCE];
    bool asked[AT_ONCE];
    size_t arena_before[2];
} L;

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
    c.max_connections = 4 * AT_ONCE;
    c.max_sockets = 4 * AT_ONCE;
    c.max_timewait = 20000; /* less than 2 MSL of this traffic: the oldest ends early, and many ports are taken */
    c.burst = 64;
    s = stack_create(&c, side == 0 ? "life0" : "life1", NS_PER_SEC, &err);
    assert_non_null(s);
    return s;
}

static void create(void)
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .ring = 8192};
    struct port *p[2];

    L.now = NS_PER_SEC;
    for (int i = 0; i < 2; i++) {
        L.s[i] = make_stack(i);
        L.ss[i] = (struct sim_stack){.sim = &L.sim, .s = L.s[i]};
        jc.ind_pool[i] = L.s[i]->pools.ind;
    }
    assert_int_equal(port_mem_join(&jc, p), 0);
    for (int i = 0; i < 2; i++) {
        struct netif *nif = stack_add_netif(L.s[i], p[i], "mem0");

        assert_int_equal(stack_add_addr(L.s[i], nif, i == 0 ? SIM_ADDR_A : SIM_ADDR_B, 0xffffff00u, 0), 0);
    }
    for (unsigned i = 0; i < PORTS; i++)
        L.listener[i] = sim_listen(&L.ss[1], (uint16_t)(80 + i), 4096, &L.listen_fd[i]);
}

/* Sends MESSAGE bytes of one buffer; false: no buffer now. */
static bool say(struct z_stack *s, struct sock *sk)
{
    struct rte_mbuf *m = pkt_alloc_app(s, MESSAGE);

    if (m == NULL)
        return false;
    memset(pkt_data(m), 7, MESSAGE);
    m->data_len = MESSAGE;
    m->pkt_len = MESSAGE;
    assert_int_equal(tcp_send_ref(s, sk->tcp, m), 0);
    return true;
}

/* 1: a message was read, 0: end of file, -1: nothing yet. */
static int hear(struct z_stack *s, struct sock *sk)
{
    struct rte_mbuf *m;
    ssize_t n = tcp_recv_ref(s, sk->tcp, SIZE_MAX, &m);

    if (n > 0) {
        assert_int_equal(n, MESSAGE);
        tcp_loan_return(s, m);
        pkt_unref(m);
        return 1;
    }
    assert_true(n == 0 || n == -EAGAIN);
    return n == 0 ? 0 : -1;
}

static void drop(int side, unsigned i)
{
    sock_close(L.s[side], L.fd[side][i]);
    L.sk[side][i] = NULL;
}

static void client(uint64_t total)
{
    for (unsigned i = 0; i < AT_ONCE; i++) {
        struct sock *sk = L.sk[0][i];

        if (sk == NULL) {
            if (L.opened < total) {
                L.sk[0][i] = sim_connect(&L.ss[0], SIM_ADDR_B, (uint16_t)(80 + L.opened++ % PORTS), &L.fd[0][i]);
                L.asked[i] = false;
            }
        } else if (!L.asked[i]) {
            if ((tcp_poll(sk->tcp) & SOCK_OUT) != 0 && tcp_synchronized(sk->tcp))
                L.asked[i] = say(L.s[0], sk);
        } else if (hear(L.s[0], sk) == 1) {
            drop(0, i);
            L.finished++;
        }
    }
}

static void server(void)
{
    for (unsigned i = 0, p = 0; i < 2 * AT_ONCE; i++) {
        if (L.sk[1][i] == NULL) {
            while (p < PORTS && (L.listener[p] == NULL || (L.sk[1][i] = sim_accept(&L.ss[1], L.listener[p], &L.fd[1][i])) == NULL))
                p++;
            continue;
        }
        switch (hear(L.s[1], L.sk[1][i])) {
        case 1:
            assert_true(say(L.s[1], L.sk[1][i]));
            break;
        case 0:
            drop(1, i);
            L.served++;
            break;
        default:
            break;
        }
    }
}

static void turn(uint64_t total)
{
    stack_input(L.s[0], L.now);
    client(total);
    stack_output(L.s[0], L.now);
    stack_input(L.s[1], L.now);
    server();
    stack_output(L.s[1], L.now);
    L.peak_timewait = MAX(L.peak_timewait, (uint64_t)L.s[0]->tcp.n_timewait);
    L.now += TURN_NS;
}

static void pass(uint64_t ns)
{
    uint64_t end = L.now + ns;

    while (L.now < end) {
        uint64_t next = MIN(stack_next_deadline(L.s[0]), stack_next_deadline(L.s[1]));

        turn(0);
        L.now = MAX(L.now, MIN(next, end));
    }
}

static void everything_is_back(void)
{
    for (int i = 0; i < 2; i++) {
        const struct tcp_state *t = &L.s[i]->tcp;
        uint32_t left = 0;

        assert_int_equal(t->n_conns, 0);
        assert_int_equal(t->n_timewait, 0);
        assert_int_equal(t->rcv_charged_bytes, 0);
        assert_int_equal(t->loan_bytes, 0);
        for (uint32_t p = 0; p < 65536; p++)
            left += t->port_use[p];
        assert_int_equal(left, 0);
        for (uint32_t k = 0; k <= t->place_mask; k++)
            assert_int_equal(t->place[k].ref, 0);
        assert_int_equal(pkt_pools_in_use(&L.s[i]->pools), 0);
        assert_int_equal(L.s[i]->arena.used_bytes, L.arena_before[i]);
    }
}

static void opened_and_closed(void **state)
{
    const char *life = getenv("ZSTACK_LIFE");
    uint64_t total = life != NULL ? strtoull(life, NULL, 0) : sim_soak(CONNS), turns = 0;
    double start;

    (void)state;
    create();
    pass(10 * NS_PER_MS);
    for (int i = 0; i < 2; i++)
        L.arena_before[i] = L.s[i]->arena.used_bytes;
    for (unsigned i = 0; i < PORTS; i++) /* the listeners are part of what goes */
        L.arena_before[1] -= arena_class_bytes(sizeof(struct tcp_conn)) + arena_class_bytes(sizeof(struct tcp_listener));
    L.arena_before[1] -= arena_class_bytes(sizeof(struct tcp_optset)); /* which all of them share */
    start = seconds();
    while (L.finished < total && turns++ < 1000 * (total / AT_ONCE + 1000))
        turn(total);
    assert_int_equal(L.finished, total);
    for (unsigned i = 0; i < PORTS; i++)
        assert_true(L.listener[i]->tcp->state == TCPS_LISTEN);
    pass(5 * NS_PER_SEC);
    assert_int_equal(L.served, total);
    for (unsigned i = 0; i < PORTS; i++) {
        sock_close(L.s[1], L.listen_fd[i]);
        L.listener[i] = NULL;
    }
    pass(120 * NS_PER_SEC);
    print_message("%llu connections in %.1f s of CPU time, %.2f us each; at most %llu in TIME-WAIT, %llu ended early\n",
                  (unsigned long long)total, seconds() - start, (seconds() - start) * 1e6 / (double)total,
                  (unsigned long long)L.peak_timewait, (unsigned long long)L.s[0]->ctr.v[CTR_TCP_TIMEWAIT_LIMIT]);
    assert_int_equal(L.s[0]->ctr.v[CTR_TCP_ESTABLISHED], total);
    assert_int_equal(L.s[0]->ctr.v[CTR_TCP_TIMEOUT] + L.s[1]->ctr.v[CTR_TCP_TIMEOUT], 0);
    assert_true(L.peak_timewait <= L.s[0]->conf.max_timewait);
    everything_is_back();
    stack_destroy(L.s[0]);
    stack_destroy(L.s[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opened_and_closed)};

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
