/* Processes behind one port come and go while connections are open and begin: not one is lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cores_net.h"
#include "tcp/conn.h"

/*
 * Processes: the first serves alone, two others come and one goes again, while connections are open and begin. Not one is lost, whoever has
 * it: what arrives elsewhere from then on was claimed there before.
 */
static void processes_come_and_go(void **state)
{
    static struct net w;
    uint32_t first;

    (void)state;
    net_create_of(&w, 5 * NS_PER_MS, true);
    listen_on(&w, 0);
    connect_slowly(&w, 0, 15);
    for (unsigned i = 1; i < CORES; i++) { /* handshakes are under way */
        listen_on(&w, i);
        steer_join(w.host->steer, i);
    }
    connect_slowly(&w, 15, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    first = w.served[0].n;
    assert_in_range(first, 16, CONNS - 6);
    assert_int_equal(accepted(&w), CONNS);
    all_echo(&w, CONNS);
    assert_true(sum(&w, CTR_TCP_FORWARDED) > 0);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);

    /* the last one closes what it has and goes: those of the first that it has forwarded go on */
    for (uint32_t i = 0; i < w.served[2].n; i++)
        close_end(w.served[2].ss, &w.served[2].conn[i]);
    w.served[2].n = 0;
    close_end(w.served[2].ss, &w.served[2].listener);
    sim_kick(w.sim, w.host->core[0]->node);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 0; i < CONNS; i++)
        if (w.conn[i].sk->tcp->state == TCPS_CLOSE_WAIT)
            close_end(w.client, &w.conn[i]);
    sim_kick(w.sim, w.client->node);
    assert_true(sim_run_for(w.sim, 100 * NS_PER_SEC));
    assert_true(w.host->core[2]->s->tcp.n_fwd > 0);
    sim_host_stop(w.host, 2);
    sim_kick(w.sim, w.host->core[0]->node);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 0, n = 0; i < CONNS; i++)
        if (w.conn[i].sk != NULL)
            w.conn[n++] = w.conn[i];
    memset(w.conn + accepted(&w), 0, (CONNS - accepted(&w)) * sizeof(w.conn[0]));
    all_echo(&w, accepted(&w));
    assert_int_equal(w.served[0].n, first);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    net_destroy(&w);
}

/*
 * Another process comes while the first opens connections. It listens nowhere: only what was claimed brings the answers home, of
 * connections before the table was announced, and of those between that and its being valid.
 */
static void a_process_comes_while_the_host_connects(void **state)
{
    static struct net w;
    static struct end out[40], in[40];
    struct sock *listener;
    uint32_t n = 0;
    int lfd;

    (void)state;
    net_create_of(&w, 5 * NS_PER_MS, true);
    listener = sim_listen(w.client, PORT, 128, &lfd);
    for (unsigned i = 0; i < 40; i++) {
        struct sim_stack *ss = w.host->core[0];
        struct inaddr to = sim_addr(SIM_ADDR_A);

        if (i == 15)
            steer_join(w.host->steer, 1);
        out[i].sk = sim_sock(ss, &out[i].fd);
        assert_int_equal(tcp_connect(ss->s, out[i].sk->tcp, &to, PORT), -EINPROGRESS);
        sim_kick(w.sim, w.host->core[0]->node);
        assert_true(sim_run_for(w.sim, 500 * NS_PER_US));
    }
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    while (n < 40 && accept_at(&w, listener, &in[n]) != NULL)
        n++;
    assert_int_equal(n, 40);
    for (uint32_t i = 0; i < n; i++) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t) "hello", .iov_len = 5};

        assert_int_equal(tcp_send_copy(w.client->s, in[i].sk->tcp, &iov, 1, 0), 5);
    }
    sim_kick(w.sim, w.client->node);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    for (unsigned i = 0; i < 40; i++) {
        char text[8];
        struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};

        assert_int_equal(tcp_recv_copy(w.host->core[0]->s, out[i].sk->tcp, &iov, 1, 0), 5);
    }
    assert_in_range(w.host->core[1]->s->tcp.n_fwd, 10, 35);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    for (uint32_t i = 0; i < n; i++)
        close_end(w.client, &in[i]);
    for (unsigned i = 0; i < 40; i++)
        close_end(w.host->core[0], &out[i]);
    sock_close(w.client->s, lfd);
    net_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_come_and_go),
        cmocka_unit_test(a_process_comes_while_the_host_connects),
    };

    return cmocka_run_group_tests(tests, net_setup, NULL);
}
