/*
 * TCP Fast Open between two stacks, over a network that loses, repeats and reorders, and with allocations and bursts that fail: every
 * request is answered whole, or its connection ends with an error that the client sees; nothing is left behind. Most SYNs carry data.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "sim_conn.h"
#include "sim_fault.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define ROUNDS 30u
#define REQUEST 2000u
#define REPLY 3000u
#define SERVED_MAX 64u

struct served {
    struct sock *sk;
    int fd;
    uint32_t got;
};

struct test {
    struct sim_pair pair;
    struct sock *listener, *sk;
    int listen_fd, fd;
    uint32_t rounds, asked, got, good, errors;
    struct served served[SERVED_MAX];
    uint32_t n_served;
};

static uint8_t buf[65536];

static uint8_t byte_at(uint32_t i)
{
    return (uint8_t)(i * 31 + (i >> 8));
}

static ssize_t take(struct sim_stack *ss, struct sock *sk, uint32_t at)
{
    struct iovec iov = {buf, sizeof(buf)};
    ssize_t n = tcp_recv_copy(ss->s, sk->tcp, &iov, 1, 0);

    for (ssize_t i = 0; i < n; i++)
        if (buf[i] != byte_at(at + (uint32_t)i))
            sim_fail(ss->sim, "byte %u differs", at + (uint32_t)i);
    return n;
}

/* How many of the bytes from at on were queued. */
static uint32_t give(struct sim_stack *ss, struct sock *sk, uint32_t at, uint32_t end)
{
    struct iovec iov = {buf, end - at};
    ssize_t n;

    for (uint32_t i = at; i < end; i++)
        buf[i - at] = byte_at(i);
    n = tcp_send_copy(ss->s, sk->tcp, &iov, 1, 0);
    return n > 0 ? (uint32_t)n : 0;
}

static void client_closed(struct test *t, bool good)
{
    t->good += good;
    t->errors += !good;
    sock_close(t->pair.a->s, t->fd);
    t->sk = NULL;
    t->rounds++;
}

static bool client_open(struct test *t, struct sim_stack *ss)
{
    struct inaddr to = inaddr_v4(SIM_ADDR_B);
    struct tcp_conn *tc;
    int on = 1, ret;

    tc = tcp_create(ss->s);
    if (tc == NULL) {
        t->errors++;
        t->rounds++;
        return false;
    }
    t->fd = sock_new_tcp(ss->s, tc, &t->sk);
    Z_CHECK(t->fd >= 0);
    t->asked = t->got = 0;
    Z_CHECK(tcp_setopt(ss->s, t->sk->tcp, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)) == 0);
    ret = tcp_connect(ss->s, t->sk->tcp, &to, 80);
    Z_CHECK(ret == 0 || ret == -EINPROGRESS);
    return true;
}

static void client(struct sim_stack *ss, void *arg)
{
    struct test *t = arg;
    ssize_t n;

    if (t->pair.b == NULL || t->listener == NULL || t->rounds == ROUNDS)
        return;
    ss->app_wake_ns = ss->s->now_ns + 10 * NS_PER_MS; /* memory or a buffer may be missing: try again */
    if (t->sk == NULL && !client_open(t, ss))
        return;
    if (tcp_peek_error(t->sk->tcp) != 0) {
        client_closed(t, false);
        return;
    }
    if (t->asked < REQUEST && (tcp_poll(t->sk->tcp) & SOCK_OUT) != 0)
        t->asked += give(ss, t->sk, t->asked, REQUEST);
    while ((n = take(ss, t->sk, t->got)) > 0)
        t->got += (uint32_t)n;
    if (n != -EAGAIN)
        client_closed(t, n == 0 && t->got == REPLY);
}

static bool serve(struct sim_stack *ss, struct served *v)
{
    ssize_t n;

    while ((n = take(ss, v->sk, v->got)) > 0)
        v->got += (uint32_t)n;
    if (n == -EAGAIN && v->got < REQUEST)
        return false;
    if (v->got == REQUEST && tcp_peek_error(v->sk->tcp) == 0 && give(ss, v->sk, 0, REPLY) < REPLY) {
        int on = 1; /* no buffer: the client shall see it */
        struct linger l = {on, 0};

        tcp_setopt(ss->s, v->sk->tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    }
    sock_close(ss->s, v->fd);
    return true;
}

static void server(struct sim_stack *ss, void *arg)
{
    struct test *t = arg;
    struct served v = {0};
    struct tcp_conn *tc;
    int err;

    while (t->listener != NULL && t->n_served < SERVED_MAX && tcp_rcv_avail(t->listener->tcp) > 0) {
        if (!sock_fd_left(ss->s))
            break;
        tc = tcp_accept(ss->s, t->listener->tcp, &err);
        v.fd = sock_new_tcp(ss->s, tc, &v.sk);
        t->served[t->n_served++] = v;
    }
    for (uint32_t i = 0; i < t->n_served;)
        if (serve(ss, &t->served[i]))
            t->served[i] = t->served[--t->n_served];
        else
            i++;
}

static bool done(void *arg)
{
    struct test *t = arg;

    return t->rounds == ROUNDS;
}

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    sim_fault_tune(c);
    c->max_connections = 64;
    c->max_sockets = 64;
    c->msl_ns = NS_PER_SEC;
    c->rto_max_ns = 8 * NS_PER_SEC;
    c->arp_max_tries = 10;
}

/* One life: ROUNDS connections, one after the other. *hit: there were so many allocations. */
static bool run(unsigned seed, int kind, uint64_t first, uint64_t length, bool lossy, bool *hit, uint64_t *acked)
{
    struct sim_pair_conf c = {.sim = {.seed = seed, .frames = 512, .capture_frames = 512}};
    static struct test t;
    bool ok;
    int qlen = 16;

    memset(&t, 0, sizeof(t));
    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].app = i == 0 ? client : server;
        c.side[i].app_arg = &t;
        c.side[i].knobs = (struct port_mem_knobs){.poison = true, .hold_polls = 2};
        c.side[i].link = (struct sim_link_conf){.delay_ns = 5 * NS_PER_MS};
        if (lossy) {
            c.side[i].link.loss_ppm = 50000;
            c.side[i].link.dup_ppm = 30000;
            c.side[i].link.reorder_ppm = 100000;
            c.side[i].link.reorder_ns = 8 * NS_PER_MS;
        }
    }
    if (!sim_pair_create(&t.pair, &c))
        return false;
    t.listener = sim_listen(t.pair.b, 80, 16, &t.listen_fd);
    Z_CHECK(tcp_setopt(t.pair.b->s, t.listener->tcp, IPPROTO_TCP, TCP_FASTOPEN, &qlen, sizeof(qlen)) == 0);
    if (kind >= 0)
        sim_fault_arm(&t.pair, (enum sim_fault_kind)kind, first, length);
    sim_kick(t.pair.sim, t.pair.a->node);
    ok = sim_run_until(t.pair.sim, done, &t, 3000 * NS_PER_SEC);
    if (kind >= 0)
        *hit = sim_fault_disarm(&t.pair);
    *acked += t.pair.a->s->ctr.v[CTR_TCP_TFO_ACKED];
    if (!ok || (kind < 0 && t.errors > 0))
        printf("seed %u: %u rounds, %u good, %u errors\n", seed, t.rounds, t.good, t.errors);
    ok = ok && (kind >= 0 || t.errors == 0);
    sim_kick(t.pair.sim, t.pair.b->node);
    ok = ok && sim_run_for(t.pair.sim, 300 * NS_PER_SEC);
    while (t.n_served > 0)
        sock_close(t.pair.b->s, t.served[--t.n_served].fd);
    t.listener = NULL;
    sock_close(t.pair.b->s, t.listen_fd);
    sim_kick(t.pair.sim, t.pair.b->node);
    ok = ok && sim_run_for(t.pair.sim, 300 * NS_PER_SEC) && sim_stack_conserved(t.pair.a) && sim_stack_conserved(t.pair.b);
    sim_pair_destroy(&t.pair);
    return ok;
}

int main(void)
{
    uint64_t soak = sim_soak(1), clean = 0, lossy = 0, faulty = 0;
    unsigned failed = 0, seeds = (unsigned)(20 * soak);
    bool hit = false;

    if (sim_eal_init() != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    failed += !run(1, -1, 0, 0, false, &hit, &clean);
    for (unsigned seed = 1; seed <= seeds; seed++)
        failed += !run(seed, -1, 0, 0, true, &hit, &lossy);
    for (int kind = SIM_FAULT_ARENA_A; kind <= (int)SIM_FAULT_TX; kind++) {
        hit = true;
        for (uint64_t k = 1; hit && k<2000; k += soak> 1 ? 1 : 7 + k / 16)
            if (!run(3, kind, k, 3, true, &hit, &faulty)) {
                printf("FAILED: %s, from the %llu-th\n", sim_fault_names[kind], (unsigned long long)k);
                failed++;
            }
    }
    printf("data in the SYN were taken %llu times of %u; %llu in %u lossy runs, %llu with faults; %u runs failed\n",
           (unsigned long long)clean, ROUNDS, (unsigned long long)lossy, seeds, (unsigned long long)faulty, failed);
    if (clean != ROUNDS - 1) { /* all but the one that asks for the cookie */
        printf("FAILED: Fast Open is not used\n");
        failed++;
    }
    return failed != 0;
}
