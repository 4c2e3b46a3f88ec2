/*
 * A dispatcher that does what it may not: it rewrites headers, answers with impossible lengths, names stacks at random, comes and goes in
 * the middle of a burst. Connections may fail of it; no check of the stack may, and every buffer comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "sim_conn.h"
#include "sim_cores.h"
#include "tcp/conn.h"
#include "udp/udp.h"
#include "wire/eth.h"

#define PORT 80u
#define CORES 2u
#define CONNS 8u
#define ACCEPTED 64u
#define VLAN_ADDR_A 0x0a070001u
#define VLAN_ADDR_B 0x0a070002u
#define TRAFFIC_NS (5 * NS_PER_SEC)

struct end {
    struct sock *sk;
    int fd;
};

struct served {
    struct end listener, conn[ACCEPTED];
    struct udp_pcb *u;
};

struct world {
    struct sim *sim;
    struct sim_stack *client, *server[CORES];
    struct sim_host *host; /* NULL: one stack */
    unsigned n;
    struct served served[CORES];
    struct end conn[CONNS];
    struct udp_pcb *u;
    uint32_t to; /* the server's address */
    bool talks;
};

static struct {
    struct rng rng;
    dispatch_ask *ask; /* of all ports */
    uint32_t calls, answers, large;
    bool rewrites;
} app;

static void rewrite(uint8_t *data, uint32_t len)
{
    for (uint32_t n = 1 + rng_below(&app.rng, 3); n > 0; n--)
        data[12 + rng_below(&app.rng, MIN(len - 12, 60u))] = (uint8_t)rng_below(&app.rng, 256);
}

static uint16_t odd_length(uint16_t len)
{
    const uint16_t some[] = {0, 13, 14, 15, (uint16_t)(len - 1), len, (uint16_t)(len + 1), 1514, 1518, 1519, UINT16_MAX};

    return some[rng_below(&app.rng, ARRAY_LEN(some))];
}

static int wicked(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    uint32_t dice = rng_below(&app.rng, 100), shown = *len;

    app.calls++;
    app.large += shown > 1600;
    if (shown < DISPATCH_ROOM_BYTES)
        memset(data + shown, 0xee, DISPATCH_ROOM_BYTES - shown); /* the room that is promised */
    if (app.rewrites && rng_below(&app.rng, 10) == 0)
        rewrite(data, shown);
    if (dice == 0)
        app.ask = NULL;
    *len = odd_length(*len);
    if (dice < 80)
        return about->queue;
    if (dice < 86)
        return (int)rng_below(&app.rng, about->n_queues);
    if (dice < 90)
        return DISPATCH_DROP;
    if (dice < 97) {
        app.answers++;
        return DISPATCH_ANSWER;
    }
    return dice == 97 ? about->n_queues : dice == 98 ? INT32_MIN : -3;
}

static void come_back(void *arg)
{
    struct world *w = arg;

    if (!w->talks)
        return;
    app.ask = wicked;
    sim_at(w->sim, w->sim->now_ns + 10 * NS_PER_MS, come_back, w);
}

static void drain(struct z_stack *s, struct end *e)
{
    static char bytes[65536];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    ssize_t n;

    if (e->sk == NULL)
        return;
    while ((n = tcp_recv_copy(s, e->sk->tcp, &iov, 1, 0)) > 0)
        ;
    if (n == 0 || tcp_peek_error(e->sk->tcp) != 0) {
        sock_close(s, e->fd);
        e->sk = NULL;
    }
}

static void drain_datagrams(struct z_stack *s, struct udp_pcb *u)
{
    static char bytes[9000];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct udp_info info;
    int flags = 0;

    while (udp_recvfrom(s, u, &iov, 1, &flags, &info) >= 0)
        flags = 0;
}

static void serve(struct sim_stack *ss, void *arg)
{
    struct world *w = arg;
    struct served *v = &w->served[w->host != NULL ? ss->s->member : 0];

    if (v->listener.sk == NULL)
        return;
    for (unsigned i = 0; i < ACCEPTED; i++) {
        if (v->conn[i].sk == NULL)
            v->conn[i].sk = sim_accept(ss, v->listener.sk, &v->conn[i].fd);
        drain(ss->s, &v->conn[i]);
    }
    drain_datagrams(ss->s, v->u);
}

static void say(struct world *w, size_t len)
{
    static char bytes[9000];
    struct inaddr to = sim_addr(w->to);
    struct udp_dest dest = UDP_DEST_INIT;
    struct iovec iov = {.iov_base = bytes, .iov_len = len};

    dest.addr = &to;
    dest.port = PORT;
    udp_sendto(w->client->s, w->u, &iov, 1, 0, &dest); /* no room is no matter */
}

/* Bulk on every connection, in place of a failed one another, and datagrams that need fragments. */
static void talk(struct sim_stack *ss, void *arg)
{
    static char bytes[65536];
    struct world *w = arg;

    if (!w->talks)
        return;
    for (unsigned i = 0; i < CONNS; i++) {
        struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct end *e = &w->conn[i];

        drain(ss->s, e);
        if (e->sk == NULL)
            e->sk = sim_connect(ss, w->to, PORT, &e->fd);
        else
            (void)tcp_send_copy(ss->s, e->sk->tcp, &iov, 1, 0);
    }
    if (ss->sim->now_ns % (10 * NS_PER_MS) < NS_PER_MS)
        say(w, 1 + rng_below(&app.rng, 8000));
    ss->app_wake_ns = ss->sim->now_ns + NS_PER_MS;
}

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->msl_ns = NS_PER_SEC;
}

static void add_vlan(struct sim_stack *ss, uint32_t addr)
{
    size_t before = ss->s->arena.used_bytes;
    struct netif *nif = stack_add_vlan(ss->s, ss->nif, 7, "sim0.7");

    assert_non_null(nif);
    assert_int_equal(stack_add_addr(ss->s, nif, addr, 0xffffff00u, 0), 0);
    ss->arena_bytes += ss->s->arena.used_bytes - before;
}

static void create(struct world *w, unsigned n, uint64_t seed, struct sim_stack_conf *server)
{
    struct sim_stack_conf client = {
        .addr = SIM_ADDR_A, .tune = tune, .tso = true, .link = {.delay_ns = NS_PER_MS}, .app = talk, .app_arg = w};

    memset(w, 0, sizeof(*w));
    memset(&app, 0, sizeof(app));
    rng_seed(&app.rng, seed);
    server->addr = SIM_ADDR_B;
    server->tune = tune;
    server->link.delay_ns = NS_PER_MS;
    server->app = serve;
    server->app_arg = w;
    w->n = n;
    w->to = SIM_ADDR_B;
    w->sim = sim_create(&(struct sim_conf){.seed = seed});
    w->client = sim_add_stack(w->sim, 0, &client);
    if (n > 1)
        w->host = sim_add_host(w->sim, 0, server, n);
    for (unsigned i = 0; i < n; i++) {
        w->server[i] = n > 1 ? w->host->core[i] : sim_add_stack(w->sim, 0, server);
        w->server[i]->nif->port->dispatch.ask = &app.ask;
        w->served[i].listener.sk = sim_listen(w->server[i], PORT, 32, &w->served[i].listener.fd);
        w->served[i].u = sim_udp(w->server[i], PORT);
    }
    w->u = sim_udp(w->client, 0);
}

/* The traffic has tags. */
static void use_vlan(struct world *w)
{
    w->to = VLAN_ADDR_B;
    add_vlan(w->client, VLAN_ADDR_A);
    for (unsigned i = 0; i < w->n; i++)
        add_vlan(w->server[i], VLAN_ADDR_B);
}

static void close_end(struct sim_stack *ss, struct end *e)
{
    if (e->sk != NULL)
        sock_close(ss->s, e->fd);
    e->sk = NULL;
}

/* Closes all, and wants everything back. */
static void finish(struct world *w)
{
    app.ask = NULL;
    w->talks = false;
    udp_close(w->client->s, w->u);
    for (unsigned i = 0; i < CONNS; i++)
        close_end(w->client, &w->conn[i]);
    for (unsigned i = 0; i < w->n; i++) {
        close_end(w->server[i], &w->served[i].listener);
        for (unsigned k = 0; k < ACCEPTED; k++)
            close_end(w->server[i], &w->served[i].conn[k]);
        udp_close(w->server[i]->s, w->served[i].u);
    }
    sim_kick(w->sim, w->client->node);
    sim_kick(w->sim, w->server[0]->node);
    if (!sim_run_for(w->sim, 2000 * NS_PER_SEC))
        fail_msg("seed %u: %s", (unsigned)w->sim->conf.seed, w->sim->why);
    assert_true(sim_stack_conserved(w->client));
    assert_true(w->n > 1 ? sim_host_conserved(w->host) : sim_stack_conserved(w->server[0]));
    if (w->n > 1)
        sim_host_destroy(w->host);
    else
        sim_stack_destroy(w->server[0]);
    sim_stack_destroy(w->client);
    sim_destroy(w->sim);
}

static uint64_t sum(const struct world *w, enum ctr c)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < w->n; i++)
        n += w->server[i]->s->ctr.v[c];
    return n;
}

static void run(unsigned n, uint64_t seed, bool rewrites, bool vlan, struct sim_stack_conf server)
{
    static struct world w;

    create(&w, n, seed, &server);
    app.rewrites = rewrites;
    w.talks = true;
    if (vlan)
        use_vlan(&w);
    come_back(&w);
    sim_kick(w.sim, w.client->node);
    if (!sim_run_for(w.sim, TRAFFIC_NS))
        fail_msg("seed %u: %s", (unsigned)seed, w.sim->why);
    assert_true(app.calls > 100 && app.answers > 10 && (!server.lro || app.large > 100));
    assert_true(sum(&w, CTR_DISPATCH_ANSWERED) > 0 && sum(&w, DROP_DISPATCH_BAD) > 0 && sum(&w, DROP_DISPATCHED) > 0);
    assert_true(sum(&w, CTR_FRAG_REASSEMBLED) > 0);
    finish(&w);
}

static unsigned seeds(void)
{
    const char *text = getenv("SOAK");

    return 3 * (text != NULL ? (unsigned)atoi(text) : 1);
}

static void one_stack(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= seeds(); i++)
        run(1, i, false, false, (struct sim_stack_conf){0});
}

static void merged_frames(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= seeds(); i++)
        run(1, i, i % 2 == 0, false, (struct sim_stack_conf){.lro = true});
}

static void chains(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= seeds(); i++)
        run(1, i, i % 2 == 0, false, (struct sim_stack_conf){.lro = i == 3, .knobs = {.rx_seg_bytes = 300, .rx_seg_random = true}});
}

static void rewritten(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= seeds(); i++)
        run(1, i, true, false, (struct sim_stack_conf){.offload = true}); /* what the device said of checksums stands */
}

static void several_stacks(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= seeds(); i++)
        run(CORES, i, i % 2 == 0, false, (struct sim_stack_conf){.knobs = {.rx_seg_bytes = i == 1 ? 0 : 300, .rx_seg_random = true}});
}

static void vlans(void **state)
{
    (void)state;
    if (sim_v6()) /* its addresses are of IPv4 */
        return;
    for (unsigned i = 1; i <= seeds(); i++)
        run(i == 2 ? CORES : 1, i, i == 3, true, (struct sim_stack_conf){0});
}

static int to_the_last(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    (void)data, (void)len;
    return about->n_queues - 1;
}

/* The stack that is named for fragments puts them together. Then there are ports, and they say whose the whole is. */
static void fragments_are_named(void **state)
{
    static struct world w;

    (void)state;
    create(&w, CORES, 1, &(struct sim_stack_conf){0});
    app.ask = to_the_last;
    for (unsigned i = 0; i < 30; i++) {
        udp_close(w.client->s, w.u);
        w.u = sim_udp(w.client, 0);
        say(&w, 4000);
        sim_kick(w.sim, w.client->node);
        assert_true(sim_run_for(w.sim, 10 * NS_PER_MS));
    }
    assert_int_equal(w.server[0]->s->ctr.v[CTR_FRAG_REASSEMBLED], 0);
    assert_int_equal(w.server[1]->s->ctr.v[CTR_FRAG_REASSEMBLED], 30);
    assert_in_range(w.server[1]->s->ctr.v[CTR_STEER_HANDED], 5, 25);
    finish(&w);
}

static int setup(void **state)
{
    (void)state;
    return sim_eal_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stack),           cmocka_unit_test(merged_frames),  cmocka_unit_test(chains),
        cmocka_unit_test(rewritten),           cmocka_unit_test(several_stacks), cmocka_unit_test(vlans),
        cmocka_unit_test(fragments_are_named),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
