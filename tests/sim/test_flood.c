/*
 * A SYN flood: 100 000 SYNs a second of virtual time from random sources, while 100 clients connect, exchange and close all the time.
 * The flood costs no connection block, memory stays where it is, and the clients get at least 80 % of what they get without it.
 * A million SYNs are ten seconds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "sim_conn.h"
#include "sim_tcp.h"
#include "tcp/conn.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"

#define CLIENTS 100u
#define REQUEST 500u
#define REPLY 5000u
#define PORT 80u
#define SYNS 1000000u
#define BATCH 20u
#define BATCH_NS (200 * NS_PER_US) /* 20 in 200 us: 100 000 a second */
#define SERVED_MAX 1024u

struct client {
    struct sock *sk; /* NULL: none */
    int fd;
    bool asked;
    uint32_t got;
};

struct served {
    struct sock *sk;
    int fd;
    uint32_t got;
};

struct test {
    struct sim_pair pair;
    struct sock *listener;
    int listen_fd;
    struct client client[CLIENTS];
    struct served served[SERVED_MAX];
    uint32_t n_served;
    bool ending;
    uint64_t done, failed;
    uint64_t syns, syns_left;
    uint64_t max_conns, max_entries, max_arena;
};

static uint8_t buf[65536];

static ssize_t take(struct sim_stack *ss, struct sock *sk)
{
    struct iovec iov = {buf, sizeof(buf)};

    return tcp_recv_copy(ss->s, sk->tcp, &iov, 1, 0);
}

static void give(struct sim_stack *ss, struct sock *sk, uint32_t n)
{
    struct iovec iov = {buf, n};

    Z_CHECK(tcp_send_copy(ss->s, sk->tcp, &iov, 1, 0) == (ssize_t)n); /* it fits any send buffer */
}

/* The clients: connect, ask, read the reply to its end, close, again. */
static void client_turn(struct test *t, struct client *c)
{
    struct sim_stack *ss = t->pair.a;
    ssize_t n;

    if (c->sk == NULL) {
        if (t->ending)
            return;
        *c = (struct client){0};
        c->sk = sim_connect(ss, SIM_ADDR_B, PORT, &c->fd);
        return;
    }
    if (!c->asked && (tcp_poll(c->sk->tcp) & SOCK_OUT) != 0 && tcp_peek_error(c->sk->tcp) == 0) {
        give(ss, c->sk, REQUEST);
        c->asked = true;
    }
    if ((tcp_poll(c->sk->tcp) & (SOCK_IN | SOCK_ERR)) == 0)
        return;
    while ((n = take(ss, c->sk)) > 0)
        c->got += (uint32_t)n;
    if (n == -EAGAIN)
        return;
    if (n == 0 && c->got == REPLY)
        t->done++;
    else
        t->failed++;
    sock_close(ss->s, c->fd);
    c->sk = NULL;
}

static void clients(struct sim_stack *ss, void *arg)
{
    struct test *t = arg;

    if (t->pair.b == NULL) /* the network is not complete */
        return;
    for (uint32_t i = 0; i < CLIENTS; i++)
        client_turn(t, &t->client[i]);
    (void)ss;
}

/* The server replies to a whole request and closes. True: this one is done. */
static bool serve(struct sim_stack *ss, struct served *v)
{
    ssize_t n;

    while ((n = take(ss, v->sk)) > 0)
        v->got += (uint32_t)n;
    if (n == -EAGAIN && v->got < REQUEST)
        return false;
    if (v->got == REQUEST && tcp_peek_error(v->sk->tcp) == 0)
        give(ss, v->sk, REPLY);
    sock_close(ss->s, v->fd);
    return true;
}

static void server(struct sim_stack *ss, void *arg)
{
    struct test *t = arg;
    struct served v = {0};

    while (t->listener != NULL && t->n_served < SERVED_MAX && (v.sk = sim_accept(ss, t->listener, &v.fd)) != NULL)
        t->served[t->n_served++] = v;
    for (uint32_t i = 0; i < t->n_served;)
        if (serve(ss, &t->served[i]))
            t->served[i] = t->served[--t->n_served];
        else
            i++;
}

static void inject_syn(struct test *t)
{
    static const uint8_t options[12] = {2, 4, 5, 0xb4, 4, 2, 1, 1, 1, 3, 3, 7};
    struct rng *r = &t->pair.sim->rng;
    struct ipv4_hdr ih = {.ttl = 60, .proto = 6, .total_len = 20 + TCP_HLEN + 12, .df = true, .dst = SIM_ADDR_B};
    struct tcp_hdr h = {.dport = PORT, .hlen = TCP_HLEN + 12, .flags = TH_SYN, .wnd = 65535};
    struct eth_hdr e = {.type = ETH_TYPE_IPV4};
    uint8_t f[ETH_HLEN + 20 + TCP_HLEN + 12];
    uint16_t sum;

    memcpy(e.dst, t->pair.b->nif->mac, 6);
    memcpy(e.src, t->pair.a->nif->mac, 6);
    ih.src = 11u << 24 | ((uint32_t)rng_next(r) & 0xffffff);
    h.sport = (uint16_t)(1024 + rng_next(r) % 60000);
    h.seq = (uint32_t)rng_next(r);
    eth_build(f, &e);
    ipv4_build(f + ETH_HLEN, &ih, true);
    tcp_hdr_build(f + ETH_HLEN + 20, &h);
    memcpy(f + ETH_HLEN + 20 + TCP_HLEN, options, sizeof(options));
    sum = cksum_finish(cksum_add(cksum_pseudo_v4(ih.src, ih.dst, 6, h.hlen), f + ETH_HLEN + 20, h.hlen));
    memcpy(f + ETH_HLEN + 20 + TCP_CKSUM_OFFSET, &sum, sizeof(sum));
    if (sim_inject(t->pair.a->end, f, sizeof(f)))
        t->syns++;
}

static void flood(void *arg)
{
    struct test *t = arg;

    for (uint32_t i = 0; i < BATCH && t->syns_left > 0; i++, t->syns_left--)
        inject_syn(t);
    if (t->syns_left > 0)
        sim_at(t->pair.sim, t->pair.sim->now_ns + BATCH_NS, flood, t);
}

static void measure(struct sim *sim, void *arg)
{
    struct test *t = arg;
    struct z_stack *s = t->pair.b->s;

    (void)sim;
    t->max_conns = MAX(t->max_conns, s->tcp.n_conns);
    t->max_entries = MAX(t->max_entries, s->tcp.syn.n);
    t->max_arena = MAX(t->max_arena, s->arena.used_bytes);
}

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->max_connections = 4096;
    c->max_sockets = 4096;
    c->msl_ns = NS_PER_MS;
    c->pools.rx = 8192;
    c->pools.hdr = 8192;
}

/* Transactions per second of the clients while syns SYNs arrive; the same time without when there are none. */
static bool run(struct test *t, uint64_t syns, uint64_t ns)
{
    struct sim_pair_conf c = {.sim = {.seed = 7, .capture_frames = 64}};

    memset(t, 0, sizeof(*t));
    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].app = i == 0 ? clients : server;
        c.side[i].app_arg = t;
        c.side[i].link = (struct sim_link_conf){.delay_ns = 5 * NS_PER_MS};
    }
    c.side[1].gateway = SIM_ADDR_A; /* the way back to the random sources */
    if (!sim_pair_create(&t->pair, &c))
        return false;
    t->listener = sim_listen(t->pair.b, PORT, 512, &t->listen_fd);
    t->pair.sim->check = measure;
    t->pair.sim->check_arg = t;
    sim_kick(t->pair.sim, t->pair.a->node);
    t->syns_left = syns;
    if (syns > 0)
        sim_at(t->pair.sim, t->pair.sim->now_ns + NS_PER_MS, flood, t);
    if (!sim_run_for(t->pair.sim, ns))
        return false;
    printf("%llu SYNs in %.1f s: %llu transactions, %llu failed; at most %llu connection blocks, %llu entries, %llu KiB\n",
           (unsigned long long)t->syns, (double)ns / 1e9, (unsigned long long)t->done, (unsigned long long)t->failed,
           (unsigned long long)t->max_conns, (unsigned long long)t->max_entries, (unsigned long long)t->max_arena / 1024);
    return true;
}

/* Everybody goes home: nothing is left behind. */
static bool finish(struct test *t)
{
    bool ok;

    t->ending = true;
    sim_kick(t->pair.sim, t->pair.a->node);
    ok = sim_run_for(t->pair.sim, 100 * NS_PER_SEC);
    t->listener = NULL;
    sock_close(t->pair.b->s, t->listen_fd);
    sim_kick(t->pair.sim, t->pair.b->node);
    ok = ok && sim_run_for(t->pair.sim, 100 * NS_PER_SEC) && sim_stack_conserved(t->pair.a) && sim_stack_conserved(t->pair.b);
    sim_pair_destroy(&t->pair);
    return ok;
}

static bool expect(bool holds, const char *what)
{
    if (!holds)
        printf("FAILED: %s\n", what);
    return holds;
}

int main(void)
{
    static struct test quiet, loud;
    uint64_t syns = sim_soak(SYNS), ns = syns * (BATCH_NS / BATCH) + 10 * NS_PER_MS, *ctr;
    bool ok;

    if (sim_eal_init() != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    ok = run(&quiet, 0, ns) && finish(&quiet) && run(&loud, syns, ns);
    if (!ok)
        return 1;
    ctr = loud.pair.b->s->ctr.v;
    printf("server: %llu cookies sent, %llu handshakes by cookie, %llu by the cache\n", (unsigned long long)ctr[CTR_TCP_COOKIE_TX],
           (unsigned long long)ctr[CTR_TCP_COOKIE_RX], (unsigned long long)(ctr[CTR_TCP_OPENS_PASSIVE] - ctr[CTR_TCP_COOKIE_RX]));
    ok &= expect(loud.syns == syns, "every SYN was sent");
    ok &= expect(loud.done * 10 >= quiet.done * 8, "80 % of the transactions without the flood");
    ok &= expect(loud.failed == 0, "no client saw an error");
    ok &= expect(loud.max_conns <= 4 * CLIENTS, "no connection block is spent on the flood");
    ok &= expect(loud.max_entries <= loud.pair.b->s->conf.somaxconn, "the cache keeps its limit");
    ok &= expect(loud.max_arena <= quiet.max_arena + loud.pair.b->s->conf.somaxconn * 128u + 256 * KIB, "memory is flat");
    ok &= expect(ctr[CTR_TCP_COOKIE_RX] > 0, "clients came in by cookies");
    ok &= expect(ctr[DROP_TCP_BACKLOG] == 0, "no SYN was ignored");
    ok &= finish(&loud);
    return !ok;
}
