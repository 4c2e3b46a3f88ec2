/*
 * A host of three stacks behind one port, each with sockets of its own, and a client: whose connection is whose, what happens when the
 * sockets are not where the packets come, and who speaks for the host.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "ip/ip_state.h"
#include "sim_conn.h"
#include "sim_cores.h"
#include "tcp/conn.h"
#include "udp/udp.h"
#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/nd.h"

#define CORES 3u
#define CONNS 60u
#define PORT 80u

struct end {
    struct sock *sk;
    int fd;
};

/* What the application of one core has. */
struct served {
    struct sim_stack *ss;
    struct end listener; /* sk NULL: closed */
    uint32_t n;
    struct end conn[CONNS];
};

struct net {
    struct sim *sim;
    struct sim_stack *client;
    struct sim_host *host;
    struct served served[CORES];
    struct end conn[CONNS]; /* of the client */
};

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

static void *tune_more;

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->msl_ns = NS_PER_SEC;
    if (tune_more != NULL)
        ((void (*)(struct stack_conf *))tune_more)(c);
}

static void net_create_of(struct net *w, uint64_t delay_ns, bool procs)
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

static void net_create(struct net *w, uint64_t delay_ns)
{
    net_create_of(w, delay_ns, false);
}

static void close_end(struct sim_stack *ss, struct end *e)
{
    if (e->sk != NULL)
        assert_int_equal(sock_close(ss->s, e->fd), 0);
    e->sk = NULL;
}

static void listen_on(struct net *w, unsigned core)
{
    struct served *v = &w->served[core];

    v->listener.sk = sim_listen(v->ss, PORT, 128, &v->listener.fd);
}

static void stop_listening(struct net *w, unsigned core)
{
    close_end(w->served[core].ss, &w->served[core].listener);
    sim_kick(w->sim, w->client->node);
    sim_kick(w->sim, w->served[core].ss->node);
}

/* Closes all, and wants everything back. */
static void net_destroy(struct net *w)
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

static void connect_some(struct net *w, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        w->conn[i].sk = sim_connect(w->client, SIM_ADDR_B, PORT, &w->conn[i].fd);
}

static uint64_t sum(const struct net *w, enum ctr c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < CORES; i++)
        n += w->host->core[i] != NULL ? w->host->core[i]->s->ctr.v[c] : 0;
    return n;
}

/* Every connection is open, and echoes. */
static void all_echo(struct net *w, uint32_t n)
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

static uint32_t accepted(const struct net *w)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < CORES; i++)
        n += w->served[i].n;
    return n;
}

/* A listener on every core: each serves what comes to it, and nothing is handed from one to the other. */
static void listeners_everywhere(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    for (unsigned i = 0; i < CORES; i++)
        assert_in_range(w.served[i].n, CONNS / CORES / 2, CONNS / CORES * 2);
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    assert_int_equal(sum(&w, CTR_TCP_FORWARDED), 0);
    net_destroy(&w);
}

/* Of TCP to the listeners it names another stack than the home: by the client's port alone. */
static int by_client_port(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    const uint8_t *ip = data + ETH_HLEN;
    uint32_t hlen = get16(data + 12) == ETH_TYPE_IPV4 ? (ip[0] & 15u) * 4u : 40u;
    bool tcp = get16(data + 12) == ETH_TYPE_IPV4 ? ip[9] == 6 : get16(data + 12) == ETH_TYPE_IPV6 && ip[6] == 6;

    if (*len < ETH_HLEN + hlen + 4 || !tcp || get16(ip + hlen + 2) != PORT)
        return about->queue;
    return get16(ip + hlen) % about->n_queues;
}

/* An application that spreads connections its own way: each is where it says, and works as any other. */
static void a_dispatcher_spreads(void **state)
{
    static dispatch_ask *ask = by_client_port;
    static struct net w;

    (void)state;
    net_create(&w, NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++) {
        w.host->core[i]->nif->port->dispatch.ask = &ask;
        listen_on(&w, i);
    }
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    for (unsigned i = 0; i < CORES; i++) {
        assert_true(w.served[i].n > 0);
        for (uint32_t k = 0; k < w.served[i].n; k++) {
            struct inaddr a;
            uint16_t port;

            assert_int_equal(tcp_getpeer(w.served[i].conn[k].sk->tcp, &a, &port), 0);
            assert_int_equal(port % CORES, i);
        }
    }
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    assert_int_equal(sum(&w, DROP_DISPATCH_BAD) + sum(&w, DROP_STEER_FULL), 0);
    net_destroy(&w);
}

/* A listener on one core only gets all connections, wherever they come; those of others are claimed, until they are gone. */
static void one_listener(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, NS_PER_MS);
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, CONNS);
    all_echo(&w, CONNS);
    assert_in_range(sum(&w, CTR_TCP_FORWARDED), CONNS / 3, CONNS - CONNS / 6);
    assert_int_equal(w.host->core[1]->s->ctr.v[CTR_TCP_FORWARDED], 0);
    net_destroy(&w);
}

/*
 * A listener closes while handshakes are under way at every stage, and others stay: not one attempt fails, and its own connections go
 * on. It listens again: the claimed ones still go on.
 */
static void a_listener_closes(void **state)
{
    static struct net w;
    uint32_t before;

    (void)state;
    net_create(&w, 5 * NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    for (uint32_t i = 0; i < 40; i++) { /* one every 500 us: 20 handshakes at a time */
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 500 * NS_PER_US));
    }
    before = w.served[1].n;
    assert_true(before > 0);
    stop_listening(&w, 1);
    for (uint32_t i = 40; i < CONNS; i++) {
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 500 * NS_PER_US));
    }
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, before);
    assert_int_equal(accepted(&w), CONNS);
    assert_true(sum(&w, CTR_TCP_SYN_MOVED) > 0);
    assert_true(w.host->core[1]->s->ctr.v[CTR_TCP_FORWARDED] > 0);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    all_echo(&w, CONNS);
    listen_on(&w, 1);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* Listeners that come and go, one after the other, all the time: handshakes that began with one end with another. */
static void listeners_come_and_go(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 5 * NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 1); /* resolves addresses */
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 1; i < CONNS; i++) {
        if (i % 7 == 3)
            stop_listening(&w, i / 7 % CORES);
        if (i % 7 == 0)
            listen_on(&w, (i / 7 - 1) % CORES);
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 700 * NS_PER_US));
    }
    assert_true(sim_run_for(w.sim, 5 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    assert_true(sum(&w, CTR_TCP_SYN_MOVED) > 10);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* The last listener closes: a reset, as ever. */
static void no_listener(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    listen_on(&w, 2);
    stop_listening(&w, 2);
    connect_some(&w, 0, 10);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(tcp_peek_error(w.conn[i].sk->tcp), ECONNREFUSED);
    net_destroy(&w);
}

/* A stack ends: what is new goes to the others. */
static void a_stack_ends(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 1);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (unsigned c = 0; c < CORES; c++) {
        if (w.served[c].n != 0)
            close_end(w.served[c].ss, &w.served[c].conn[0]);
        w.served[c].n = 0;
    }
    close_end(w.client, &w.conn[0]);
    close_end(w.served[2].ss, &w.served[2].listener);
    assert_true(sim_run_for(w.sim, 100 * NS_PER_SEC));
    sim_host_stop(w.host, 2);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[0].n + w.served[1].n, CONNS);
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    net_destroy(&w);
}

/* Connections from, from + 1, ... to - 1 begin, two in a millisecond. */
static void connect_slowly(struct net *w, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        connect_some(w, i, i + 1);
        assert_true(sim_run_for(w->sim, 500 * NS_PER_US));
    }
}

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

static struct sock *accept_at(struct net *w, struct sock *listener, struct end *e)
{
    e->sk = sim_accept(w->client, listener, &e->fd);
    return e->sk;
}

/* The host as the client: each stack takes ports whose answers come to itself; a port that was bound before needs a claim. */
static void the_host_connects(void **state)
{
    static struct net w;
    struct end out[CORES][20], in[CORES * 20 + 1] = {{0}};
    struct sock *listener;
    int lfd;
    uint32_t n = 0;

    (void)state;
    for (int bound = 0; bound < 2; bound++) {
        net_create(&w, NS_PER_MS);
        listener = sim_listen(w.client, PORT, 128, &lfd);
        n = 0;
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++) {
                struct sim_stack *ss = w.host->core[c];
                struct inaddr to = sim_addr(SIM_ADDR_A), any = sim_addr(0);

                out[c][i].sk = sim_sock(ss, &out[c][i].fd);
                if (bound)
                    assert_int_equal(tcp_bind(ss->s, out[c][i].sk->tcp, &any, (uint16_t)(3000 + 100 * c + i)), 0);
                assert_int_equal(tcp_connect(ss->s, out[c][i].sk->tcp, &to, PORT), -EINPROGRESS);
            }
        sim_kick(w.sim, w.host->core[0]->node);
        assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++)
                assert_true((tcp_poll(out[c][i].sk->tcp) & SOCK_OUT) != 0 && tcp_peek_error(out[c][i].sk->tcp) == 0);
        while (accept_at(&w, listener, &in[n]) != NULL)
            n++;
        assert_int_equal(n, CORES * 20);
        if (bound)
            assert_in_range(sum(&w, CTR_TCP_FORWARDED), 20, 60);
        else
            assert_int_equal(sum(&w, CTR_STEER_HANDED) + sum(&w, CTR_TCP_FORWARDED), 0);
        if (!bound)
            assert_true(sum(&w, CTR_TCP_PORTS_PASSED) > 30 && sum(&w, CTR_TCP_PORTS_PASSED) < 600);
        for (uint32_t i = 0; i < n; i++)
            close_end(w.client, &in[i]);
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++)
                close_end(w.host->core[c], &out[c][i]);
        sock_close(w.client->s, lfd);
        net_destroy(&w);
    }
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

static void cookies_always(struct stack_conf *c)
{
    c->syncookies = 2;
}

/* With cookies nothing is kept of a handshake: whoever gets the last segment can finish it. */
static void cookies(void **state)
{
    static struct net w;

    (void)state;
    tune_more = cookies_always;
    net_create(&w, 5 * NS_PER_MS);
    tune_more = NULL;
    listen_on(&w, 0);
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    assert_int_equal(sum(&w, CTR_TCP_COOKIE_RX), CONNS);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

static void one_claim(struct stack_conf *c)
{
    c->forward_limit = 1;
}

/* Claims have a limit: the oldest gives way, and its connection finds the listener's stack all the same while that listens. */
static void limit_of_claims(void **state)
{
    static struct net w;

    (void)state;
    tune_more = one_claim;
    net_create(&w, 0);
    tune_more = NULL;
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, CONNS);
    assert_int_equal(sum(&w, CTR_TCP_FORWARDED), CORES - 1);
    assert_true(sum(&w, CTR_TCP_FORWARD_LIMIT) > 10);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* UDP --------------------------------------------------------------------------------------------------------- */

struct dgram {
    struct udp_pcb *u;
};

static struct udp_pcb *udp_at(struct sim_stack *ss, uint16_t port)
{
    struct udp_pcb *u = udp_create(ss->s, NULL);
    struct inaddr any = sim_addr(0);

    assert_non_null(u);
    if (sim_v6())
        udp_set_inet6(u);
    if (port != 0)
        assert_int_equal(udp_bind(ss->s, u, &any, port), 0);
    return u;
}

static void udp_say(struct sim_stack *ss, struct udp_pcb *u, uint32_t addr, uint16_t port, size_t len)
{
    static char bytes[9000];
    struct inaddr to = sim_addr(addr);
    struct udp_dest dest = UDP_DEST_INIT;
    struct iovec iov = {.iov_base = bytes, .iov_len = len};

    dest.addr = &to;
    dest.port = port;
    assert_int_equal(udp_sendto(ss->s, u, &iov, 1, 0, &dest), (ssize_t)len);
    sim_kick(ss->sim, ss->node);
}

static unsigned udp_take(struct sim_stack *ss, struct udp_pcb *u, size_t len, struct udp_info *info)
{
    static char bytes[9000];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    unsigned n = 0;
    int flags = 0;
    ssize_t r;

    while ((r = udp_recvfrom(ss->s, u, &iov, 1, &flags, info)) >= 0) {
        assert_int_equal(r, (ssize_t)len);
        flags = 0;
        n++;
    }
    return n;
}

/* Datagrams by their flow, whole ones and those in fragments alike. */
static void datagrams(void **state)
{
    static const size_t lens[] = {100, 4000};
    struct udp_pcb *at[CORES], *from[30];
    struct udp_info info;
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned c = 0; c < CORES; c++)
        at[c] = udp_at(w.host->core[c], 53);
    for (unsigned i = 0; i < 30; i++)
        from[i] = udp_at(w.client, (uint16_t)(2000 + i));
    for (size_t k = 0; k < 2; k++) {
        unsigned n[CORES];

        for (unsigned i = 0; i < 30; i++) {
            udp_say(w.client, from[i], SIM_ADDR_B, 53, lens[k]);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
        }
        for (unsigned c = 0; c < CORES; c++) {
            n[c] = udp_take(w.host->core[c], at[c], lens[k], &info);
            assert_in_range(n[c], 4, 18);
        }
        assert_int_equal(n[0] + n[1] + n[2], 30);
    }
    assert_true(sum(&w, CTR_FRAG_REASSEMBLED) == 30 && sum(&w, CTR_STEER_HANDED) > 10);
    for (unsigned i = 0; i < CORES; i++) /* all fragments of two hosts come to one */
        assert_true(w.host->core[i]->s->ctr.v[CTR_FRAG_REASSEMBLED] == 0 || w.host->core[i]->s->ctr.v[CTR_FRAG_REASSEMBLED] == 30);

    /* one socket is left: all comes there */
    udp_close(w.host->core[0]->s, at[0]);
    udp_close(w.host->core[2]->s, at[2]);
    for (size_t k = 0; k < 2; k++) {
        for (unsigned i = 0; i < 30; i++) {
            udp_say(w.client, from[i], SIM_ADDR_B, 53, lens[k]);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
        }
        assert_int_equal(udp_take(w.host->core[1], at[1], lens[k], &info), 30);
    }
    /* and then none: port unreachable */
    udp_close(w.host->core[1]->s, at[1]);
    udp_say(w.client, from[0], SIM_ADDR_B, 53, 10);
    assert_true(sim_run_for(w.sim, NS_PER_MS));
    assert_int_equal(sum(&w, CTR_ICMP_ERR_TX), 1);
    for (unsigned i = 0; i < 30; i++)
        udp_close(w.client->s, from[i]);
    net_destroy(&w);
}

/* Answers to datagrams from ports that the stacks chose themselves; no two have the same. */
static void datagram_clients(void **state)
{
    struct udp_pcb *server, *u[CORES][20];
    struct udp_info info;
    static struct net w;
    bool taken[65536] = {false};

    (void)state;
    net_create(&w, 0);
    server = udp_at(w.client, 53);
    for (unsigned c = 0; c < CORES; c++)
        for (unsigned i = 0; i < 20; i++) {
            struct inaddr to = sim_addr(SIM_ADDR_A), name;
            uint16_t port;

            u[c][i] = udp_at(w.host->core[c], 0);
            if (i % 2 == 0)
                assert_int_equal(udp_connect(w.host->core[c]->s, u[c][i], &to, 53), 0);
            udp_say(w.host->core[c], u[c][i], SIM_ADDR_A, 53, 20);
            udp_getname(u[c][i], &name, &port);
            assert_false(taken[port]);
            taken[port] = true;
            assert_true(sim_run_for(w.sim, NS_PER_MS));
            assert_int_equal(udp_take(w.client, server, 20, &info), 1);
            assert_int_equal(info.sport, port);
            udp_say(w.client, server, SIM_ADDR_B, port, 30);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
            assert_int_equal(udp_take(w.host->core[c], u[c][i], 30, &info), 1);
            if (i % 2 == 0) /* connected: its answers come by themselves */
                assert_int_equal(sum(&w, CTR_STEER_HANDED), sum(&w, CTR_STEER_HANDED));
        }
    assert_in_range(sum(&w, CTR_STEER_HANDED), 5, CORES * 10);
    for (unsigned c = 0; c < CORES; c++)
        for (unsigned i = 0; i < 20; i++)
            udp_close(w.host->core[c]->s, u[c][i]);
    udp_close(w.client->s, server);
    net_destroy(&w);
}

/* The link ----------------------------------------------------------------------------------------------------- */

struct seen {
    unsigned questions, answers;
};

/* What the host says of neighbours, in either family. */
static enum sim_verdict look(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    const uint8_t *icmp = f->data + ETH_HLEN + IPV6_HLEN;
    struct seen *seen = arg;
    struct arp_pkt a;

    (void)e, (void)index;
    if (get16(f->data + 12) == ETH_TYPE_ARP && arp_parse(f->data + ETH_HLEN, f->len - ETH_HLEN, &a)) {
        seen->questions += a.op == ARP_REQUEST;
        seen->answers += a.op == ARP_REPLY;
    }
    if (get16(f->data + 12) == ETH_TYPE_IPV6 && f->data[ETH_HLEN + IPV6_NEXT_OFF] == IPPROTO_ICMPV6_) {
        seen->questions += icmp[0] == ND_NEIGHBOR_SOLICIT;
        seen->answers += icmp[0] == ND_NEIGHBOR_ADVERT;
    }
    return SIM_PASS;
}

/* One answers for the host's address, and all learn who asked. */
static void one_speaks(void **state)
{
    static struct net w;
    struct seen seen = {0}, asked = {0};

    (void)state;
    net_create(&w, 0);
    assert_true(sim_run_for(w.sim, 5 * NS_PER_SEC));
    w.host->end->conf.hook = look;
    w.host->end->conf.hook_arg = &seen;
    w.client->end->conf.hook = look;
    w.client->end->conf.hook_arg = &asked;
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 30);
    assert_true(sim_run_for(w.sim, 100 * NS_PER_MS));
    assert_true(asked.questions > 0);
    assert_int_equal(seen.answers, asked.questions);
    assert_int_equal(seen.questions, 0); /* the client's question told all of them */
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(accepted(&w), 30);
    assert_true(sum(&w, CTR_STEER_ALL) >= CORES - 1);
    net_destroy(&w);
}

/* The host's addresses are announced once, and another host that claims one is answered once. */
static void a_conflict(void **state)
{
    static struct net w;
    struct seen seen = {0};
    uint8_t frame[60] = {0};
    struct arp_pkt a = {.op = ARP_REPLY, .sha = {2, 0, 0, 0, 0, 9}, .spa = SIM_ADDR_B, .tpa = SIM_ADDR_A};
    struct eth_hdr h = {.dst = {255, 255, 255, 255, 255, 255}, .src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_ARP};

    (void)state;
    net_create(&w, 0);
    assert_int_equal(sum(&w, CTR_ARP_REQUEST_TX), 1); /* the announcement */
    w.host->end->conf.hook = look;
    w.host->end->conf.hook_arg = &seen;
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    seen = (struct seen){0};
    eth_build(frame, &h);
    arp_build(frame + ETH_HLEN, &a);
    assert_true(sim_inject(w.client->end, frame, sizeof(frame)));
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    assert_int_equal(sum(&w, CTR_ARP_CONFLICT), CORES);
    assert_int_equal(seen.questions, 1);
    net_destroy(&w);
}

/* An ICMP error about a claimed connection finds it. */
static void errors_follow_claims(void **state)
{
    static struct net w;
    uint8_t frame[ETH_HLEN + 2 * IPV4_HLEN + 2 * ICMP_HLEN];
    struct eth_hdr h = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_IPV4};
    struct ipv4_hdr outer = {
        .proto = IPPROTO_ICMP_, .total_len = sizeof(frame) - ETH_HLEN, .ttl = 64, .src = 0x0a000063, .dst = SIM_ADDR_B};
    struct ipv4_hdr inner = {.proto = 6, .total_len = 1500, .ttl = 63, .src = SIM_ADDR_B, .dst = SIM_ADDR_A};
    struct icmp_hdr e = {.type = ICMP_UNREACH, .code = ICMP_UNREACH_HOST};
    uint64_t sum16 = 0;

    (void)state;
    net_create(&w, 0);
    listen_on(&w, 1);
    connect_some(&w, 0, 20);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    memcpy(h.dst, w.host->end->port->mac, 6);
    for (uint32_t i = 0; i < 20; i++) {
        const struct tcp_conn *tc = w.conn[i].sk->tcp;
        uint8_t *p = frame + ETH_HLEN + IPV4_HLEN;

        memset(frame, 0, sizeof(frame));
        eth_build(frame, &h);
        ipv4_build(frame + ETH_HLEN, &outer, true);
        icmp_build(p, &e);
        ipv4_build(p + ICMP_HLEN, &inner, true);
        put16(p + ICMP_HLEN + IPV4_HLEN, PORT);
        put16(p + ICMP_HLEN + IPV4_HLEN + 2, tc->ent.lport);
        put32(p + ICMP_HLEN + IPV4_HLEN + 4, tc->rcv_nxt); /* nothing of it is in flight: ignored, and counted */
        sum16 = cksum_add(0, p, 2 * ICMP_HLEN + IPV4_HLEN);
        memcpy(p + 2, &(uint16_t){cksum_finish(sum16)}, 2);
        assert_true(sim_inject(w.client->end, frame, sizeof(frame)));
    }
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    assert_int_equal(w.host->core[1]->s->ctr.v[CTR_TCP_ICMP_IGNORED], 20);
    net_destroy(&w);
}

static void test_addresses(struct stack_conf *c)
{
    c->dad_transmits = 2;
}

/* Before an IPv6 address is used, one of the stacks asks for it; all hear that it is taken. */
static void a_test_of_the_address(void **state)
{
    static struct net w;
    struct seen seen = {0};

    (void)state;
    if (!sim_v6())
        return;
    for (int taken = 0; taken < 2; taken++) {
        tune_more = test_addresses;
        net_create(&w, 0);
        tune_more = NULL;
        seen = (struct seen){0};
        w.host->end->conf.hook = look;
        w.host->end->conf.hook_arg = &seen;
        w.client->s->conf.dad_transmits = 0;
        if (taken) /* the client has it already */
            assert_true(sim_add_v6(w.client->s, w.client->nif, SIM_ADDR_B, 0xffffff00u));
        assert_true(sim_run_for(w.sim, 10 * NS_PER_SEC));
        for (unsigned c = 0; c < CORES; c++) {
            const struct netif *nif = w.host->core[c]->nif;

            assert_int_equal(nif->n_addrs6, 2);
            assert_int_equal(nif->addr6[0].state, ADDR6_PREFERRED);
            assert_int_equal(nif->addr6[1].state, taken ? ADDR6_DUPLICATED : ADDR6_PREFERRED);
        }
        if (!taken) {
            assert_int_equal(seen.questions, 2 * 2 + 1); /* two for each address, and the announcement of the IPv4 one */
            assert_int_equal(seen.answers, 2);           /* that it is taken into use */
        }
        w.client->arena_bytes = w.client->s->arena.used_bytes; /* the addresses' groups were joined since */
        for (unsigned c = 0; c < CORES; c++)
            w.host->core[c]->arena_bytes = w.host->core[c]->s->arena.used_bytes;
        net_destroy(&w);
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
        cmocka_unit_test(listeners_everywhere),
        cmocka_unit_test(a_dispatcher_spreads),
        cmocka_unit_test(one_listener),
        cmocka_unit_test(a_listener_closes),
        cmocka_unit_test(listeners_come_and_go),
        cmocka_unit_test(no_listener),
        cmocka_unit_test(a_stack_ends),
        cmocka_unit_test(processes_come_and_go),
        cmocka_unit_test(a_process_comes_while_the_host_connects),
        cmocka_unit_test(the_host_connects),
        cmocka_unit_test(cookies),
        cmocka_unit_test(limit_of_claims),
        cmocka_unit_test(datagrams),
        cmocka_unit_test(datagram_clients),
        cmocka_unit_test(one_speaks),
        cmocka_unit_test(a_test_of_the_address),
    };

    const struct CMUnitTest ipv4[] = {
        cmocka_unit_test(a_conflict),
        cmocka_unit_test(errors_follow_claims),
    };
    int failed = cmocka_run_group_tests(tests, setup, NULL);

    return sim_v6() ? failed : failed + cmocka_run_group_tests(ipv4, NULL, NULL);
}
