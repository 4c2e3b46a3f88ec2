#include "cores_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/conn.h"

int net_setup(void **state)
{
    (void)state;
    return sim_eal_init();
}

static void echo(struct z_stack *s, struct sock *sk)
{
    char buf[256];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    ssize_t n = tcp_recv_copy(s, sk->tcp, &iov, 1, 0);

    if (n <= 0)
        return;
    iov.iov_len = (size_t)n;
    assert_int_equal(tcp_send_copy(s, sk->tcp, &iov, 1, 0), n);
}

static void serve(struct sim_stack *ss, void *arg)
{
    struct net *w = arg;
    struct served *v = &w->served[ss->s->member];

    while (v->listener.sk != NULL && v->n < CONNS && (v->conn[v->n].sk = sim_accept(ss, v->listener.sk, &v->conn[v->n].fd)) != NULL)
        v->n++;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->conn[i].sk != NULL)
            echo(ss->s, v->conn[i].sk);
}

void (*net_tune)(struct stack_conf *c);

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->msl_ns = NS_PER_SEC;
    if (net_tune != NULL)
        net_tune(c);
}

void net_create_of(struct net *w, uint64_t delay_ns, bool procs)
{
    struct sim_stack_conf cc = {.addr = SIM_ADDR_A, .tune = tune, .link = {.delay_ns = delay_ns}};
    struct sim_stack_conf hc = {.addr = SIM_ADDR_B, .tune = tune, .link = {.delay_ns = delay_ns}, .app = serve, .app_arg = w};

    memset(w, 0, sizeof(*w));
    w->sim = sim_create(&(struct sim_conf){.seed = 3});
    w->client = sim_add_stack(w->sim, 0, &cc);
    w->host = procs ? sim_add_host_procs(w->sim, 0, &hc, CORES) : sim_add_host(w->sim, 0, &hc, CORES);
    assert_non_null(w->client);
    assert_non_null(w->host);
    for (unsigned i = 0; i < CORES; i++)
        w->served[i].ss = w->host->core[i];
}

void net_create(struct net *w, uint64_t delay_ns)
{
    net_create_of(w, delay_ns, false);
}

void close_end(struct sim_stack *ss, struct end *e)
{
    if (e->sk != NULL)
        assert_int_equal(sock_close(ss->s, e->fd), 0);
    e->sk = NULL;
}

void listen_on(struct net *w, unsigned core)
{
    struct served *v = &w->served[core];

    v->listener.sk = sim_listen(v->ss, PORT, 128, &v->listener.fd);
}

void stop_listening(struct net *w, unsigned core)
{
    close_end(w->served[core].ss, &w->served[core].listener);
    sim_kick(w->sim, w->client->node);
    sim_kick(w->sim, w->served[core].ss->node);
}

void net_destroy(struct net *w)
{
    for (uint32_t i = 0; i < CONNS; i++)
        close_end(w->client, &w->conn[i]);
    for (unsigned c = 0; c < CORES; c++) {
        struct served *v = &w->served[c];

        if (w->host->core[c] == NULL)
            continue;
        for (uint32_t i = 0; i < v->n; i++)
            close_end(v->ss, &v->conn[i]);
    }
    sim_kick(w->sim, w->client->node);
    sim_kick(w->sim, w->host->core[0]->node);
    assert_true(sim_run_for(w->sim, 300 * NS_PER_SEC));
    for (unsigned c = 0; c < CORES; c++)
        if (w->host->core[c] != NULL)
            close_end(w->served[c].ss, &w->served[c].listener);
    sim_kick(w->sim, w->host->core[0]->node);
    assert_true(sim_run_for(w->sim, NS_PER_SEC));
    assert_true(sim_stack_conserved(w->client));
    assert_true(sim_host_conserved(w->host));
    for (unsigned c = 0; c < CORES; c++)
        if (w->host->core[c] != NULL)
            assert_int_equal(w->host->core[c]->s->tcp.n_fwd, 0); /* no claim is left behind */
    sim_host_destroy(w->host);
    sim_stack_destroy(w->client);
    sim_destroy(w->sim);
}

void connect_some(struct net *w, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        w->conn[i].sk = sim_connect(w->client, SIM_ADDR_B, PORT, &w->conn[i].fd);
}

void connect_slowly(struct net *w, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        connect_some(w, i, i + 1);
        assert_true(sim_run_for(w->sim, 500 * NS_PER_US));
    }
}

struct sock *accept_at(struct net *w, struct sock *listener, struct end *e)
{
    e->sk = sim_accept(w->client, listener, &e->fd);
    return e->sk;
}

uint64_t sum(const struct net *w, enum ctr c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < CORES; i++)
        n += w->host->core[i] != NULL ? w->host->core[i]->s->ctr.v[c] : 0;
    return n;
}

void all_echo(struct net *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char text[24];
        struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};

        snprintf(text, sizeof(text), "connection %u", i);
        assert_int_equal(tcp_peek_error(w->conn[i].sk->tcp), 0);
        assert_int_equal(tcp_send_copy(w->client->s, w->conn[i].sk->tcp, &iov, 1, 0), sizeof(text));
    }
    sim_kick(w->sim, w->client->node);
    assert_true(sim_run_for(w->sim, 2 * NS_PER_SEC));
    for (uint32_t i = 0; i < n; i++) {
        char text[24], want[24] = "";
        struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};

        snprintf(want, sizeof(want), "connection %u", i);
        assert_int_equal(tcp_recv_copy(w->client->s, w->conn[i].sk->tcp, &iov, 1, 0), sizeof(text));
        assert_string_equal(text, want);
    }
}

uint32_t accepted(const struct net *w)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < CORES; i++)
        n += w->served[i].n;
    return n;
}
