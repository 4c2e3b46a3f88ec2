/*
 * Streams under loss, reordering, duplication, corruption and delay: every byte arrives, intact, within a time computed from the
 * link; what must hold of every connection holds after every few steps; every buffer comes back.
 *
 *     test_transfer                 the grid of conditions, then some seeds
 *     test_transfer SEED [COUNT]    seeds; a failing one prints itself. SEED in the environment does the same.
 *
 * With SIM_OPTIONS in the environment the applications of seeds set options of their connections all the time.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define DEFAULT_SEEDS 100
#define CHECK_EVERY 16
#define SWITCH_UNTIL_NS (20 * NS_PER_SEC)

static const uint32_t loss_grid[] = {0, 1000, 10000, 50000, 100000, 200000};
static const uint32_t io_grid[] = {10, 100, 1460, 5000, 20000, 65280};
static const uint32_t buf_grid[] = {4096, 16384, 65536, 262144};

static const char *const close_names[FLOW_CLOSE_COUNT] = {"each", "client", "server", "both", "half", "reset", "unread"};

/* One run: everything that decides what happens. */
struct plan {
    uint64_t seed;
    struct sim_pair_conf pair;
    struct flow_conf flow;
    uint32_t sndbuf, rcvbuf; /* 0: the default */
    bool no_sack, no_timestamps, no_scaling, no_fast_path, small_quota, look_ahead;
    bool ecn, pacing;
    bool switch_cc, set_options; /* TCP_CONGESTION, other options again and again, in whatever state a connection is */
    uint8_t mtu_probing;
    uint16_t mss;            /* 0: from the MTU */
    const struct cc_ops *cc; /* NULL: the default */
};

static const struct cc_ops *const algorithms[] = {&cc_cubic, &cc_reno, &cc_bbr, &cc_dctcp};

static void tune(struct stack_conf *c, void *arg)
{
    const struct plan *p = arg;

    c->sack = !p->no_sack;
    c->timestamps = !p->no_timestamps;
    c->window_scaling = !p->no_scaling;
    c->fast_path = !p->no_fast_path;
    c->look_ahead = p->look_ahead ? 0 : c->look_ahead;
    if (p->rcvbuf != 0)
        c->rcvbuf_bytes = p->rcvbuf;
    if (p->sndbuf != 0)
        c->sndbuf_bytes = p->sndbuf;
    if (p->small_quota)
        c->loan_quota_bytes = 4096;
    if (p->cc != NULL)
        c->cc = p->cc;
    c->ecn = p->ecn ? 2 : c->ecn;
    c->pacing = p->pacing;
    c->mtu_probing = p->mtu_probing;
    c->mss_default = p->mss;
    c->max_connections = 64;
    c->max_sockets = 64;
    c->msl_ns = NS_PER_SEC;
    c->finwait2_ns = 10 * NS_PER_SEC;
    c->arp_max_tries = 50;          /* a host is not unreachable because one question in five is lost */
    c->syn_retries = 12;            /* nor a connection impossible */
    c->rto_max_ns = 8 * NS_PER_SEC; /* bounds bad luck: the tail of an unbounded back-off has no useful limit in time */
}

static uint64_t round_trip_ns(const struct plan *p)
{
    const struct sim_link_conf *a = &p->pair.side[0].link, *b = &p->pair.side[1].link;

    return a->delay_ns + a->jitter_ns + a->reorder_ns + b->delay_ns + b->jitter_ns + b->reorder_ns;
}

/* Chance that a segment or its acknowledgement is lost. */
static double loss_of(const struct plan *p)
{
    double keep = 1;

    for (int i = 0; i < 2; i++)
        keep *= 1 - (p->pair.side[i].link.loss_ppm + p->pair.side[i].link.corrupt_ppm) / (double)SIM_PPM;
    return 1 - keep;
}

/*
 * How long the run may take: as if every segment went alone, in a round trip (with a delayed ACK where nothing is in flight behind
 * it), plus for each that is lost a timeout with its back-off, three times over for bad luck; and the handshake's back-off.
 */
static uint64_t time_limit_ns(const struct plan *p)
{
    double q = loss_of(p), rtt = (double)round_trip_ns(p), rto = MAX(3 * rtt, 500e6);
    uint32_t piece = MIN(p->flow.max_io / 2 + 1, 1400u), gather = MIN(piece * 15, 1400u);
    double segments = (double)(p->flow.bytes_a + p->flow.bytes_b) * p->flow.n / gather + 20;
    double line = (double)(p->flow.bytes_a + p->flow.bytes_b) * p->flow.n * 16 * 1e9 /
                  (double)MAX(p->pair.side[0].link.bits_per_sec, (uint64_t)10000000);
    double t = 10e9 + segments * (rtt + 45e6 + 3 * q * rto / (1 - 2 * q)) + line + (q > 0 ? 130e9 : 0);

    for (int i = 0; i < 2; i++) /* a slow reader, with the small reads that a closed window and a random length make of it */
        t += (double)p->flow.read_every_ns[i] * (double)(i == 0 ? p->flow.bytes_b : p->flow.bytes_a) * 4 / MAX(piece, 1u);
    return (uint64_t)t;
}

static bool run_flows(struct flow_net *fn, const struct plan *p)
{
    struct sim *sim = fn->pair.sim;
    uint64_t limit = time_limit_ns(p);

    if (!flow_net_start_conf(fn, &p->flow)) {
        sim_fail(sim, "the flows do not start");
        return false;
    }
    if (!sim_run_until(sim, flow_net_done, fn, limit) && !sim->failed) {
        const struct flow *f = &fn->flow[0];

        sim_fail(sim, "not finished in %.1f s: %llu of %llu, %llu of %llu", (double)limit / 1e9, (unsigned long long)f->server.received,
                 (unsigned long long)p->flow.bytes_a, (unsigned long long)f->client.received, (unsigned long long)p->flow.bytes_b);
    }
    flow_net_stop(fn);
    /* the last ACKs, TIME-WAIT, late duplicates, a peer that never learns of a reset */
    return !sim->failed && sim_run_for(sim, 1000 * NS_PER_SEC) && sim_stack_conserved(fn->pair.a) && sim_stack_conserved(fn->pair.b);
}

struct switcher {
    struct sim_pair *pair;
    const struct plan *plan;
    struct rng rng;
};

/* From lo on, n values. None makes a connection end that would not. */
static const struct {
    int level, name, lo, n;
} options[] = {
    {SOL_SOCKET, SO_RCVBUF, 1, 200000},
    {SOL_SOCKET, SO_RCVBUF, 1, 3000},
    {SOL_SOCKET, SO_SNDBUF, 1, 100000},
    {SOL_SOCKET, SO_KEEPALIVE, 0, 2},
    {SOL_SOCKET, SO_MAX_PACING_RATE, 1000000, 100000000},
    {SOL_SOCKET, SO_MAX_PACING_RATE, -1, 1},
    {IPPROTO_TCP, TCP_NODELAY, 0, 2},
    {IPPROTO_TCP, TCP_CORK, 0, 2},
    {IPPROTO_TCP, TCP_QUICKACK, 0, 2},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, 20000},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 600000, 100000},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, 1, 10},
    {IPPROTO_TCP, TCP_KEEPINTVL, 1, 10},
    {IPPROTO_TCP, TCP_KEEPCNT, 100, 20},
    {IPPROTO_TCP, TCP_LINGER2, 0, 60},
    {IPPROTO_IP, IP_TOS, 0, 256},
    {IPPROTO_IP, IP_MTU_DISCOVER, 0, 4},
};

static void set_options(struct z_stack *s, struct rng *r, const struct plan *p)
{
    for (uint32_t i = 0; i <= s->tcp.id_mask; i++) {
        struct tcp_conn *tc = s->tcp.id_tab[i];
        unsigned k = (unsigned)rng_below(r, ARRAY_LEN(options));
        int v = options[k].lo + (int)rng_below(r, (uint32_t)options[k].n);

        if (tc == NULL || tc->sk == NULL || tc->state == TCPS_LISTEN || rng_below(r, 2) == 0)
            continue;
        /* who reads nothing has no room for what was promised */
        if (options[k].name == SO_RCVBUF && options[k].level == SOL_SOCKET && p->flow.close == FLOW_CLOSE_UNREAD)
            continue;
        tcp_setopt(s, tc, options[k].level, options[k].name, &v, sizeof(v));
    }
}

static void switch_all(struct z_stack *s, struct rng *r)
{
    for (uint32_t i = 0; i <= s->tcp.id_mask; i++)
        if (s->tcp.id_tab[i] != NULL)
            tcp_cc_set(s, s->tcp.id_tab[i], algorithms[rng_below(r, ARRAY_LEN(algorithms))]);
}

static void meddle(void *arg)
{
    struct switcher *w = arg;

    if (w->plan->switch_cc) {
        switch_all(w->pair->a->s, &w->rng);
        switch_all(w->pair->b->s, &w->rng);
    }
    if (w->plan->set_options) {
        set_options(w->pair->a->s, &w->rng, w->plan);
        set_options(w->pair->b->s, &w->rng, w->plan);
    }
    sim_kick(w->pair->sim, w->pair->a->node);
    sim_kick(w->pair->sim, w->pair->b->node);
    if (w->pair->sim->now_ns < SWITCH_UNTIL_NS)
        sim_at(w->pair->sim, w->pair->sim->now_ns + rng_below(&w->rng, 20) * NS_PER_MS, meddle, w);
}

static bool run(struct plan *p)
{
    struct flow_net fn = {0};
    struct switcher w = {.pair = &fn.pair, .plan = p};
    struct sim_tcp_checker checker;

    p->pair.sim.seed = p->seed;
    for (int i = 0; i < 2; i++) {
        p->pair.side[i].tune = tune;
        p->pair.side[i].tune_arg = p;
    }
    if (!sim_pair_create(&fn.pair, &p->pair))
        return false;
    sim_tcp_check_every(&checker, &fn.pair, CHECK_EVERY);
    rng_seed(&w.rng, p->seed);
    if (p->switch_cc || p->set_options)
        meddle(&w);
    run_flows(&fn, p);
    return flow_net_destroy(&fn);
}

static void link_at_random(struct sim_link_conf *l, uint32_t loss, struct rng *r)
{
    l->loss_ppm = loss;
    l->delay_ns = (1 + rng_below(r, 20)) * NS_PER_MS / 4;
    l->jitter_ns = rng_below(r, 2) == 0 ? 0 : NS_PER_MS;
    l->bits_per_sec = rng_below(r, 2) == 0 ? 0 : 100000000;
    l->queue_limit = 100;
    l->dup_ppm = rng_below(r, 3) == 0 ? 20000 : 0;
    l->corrupt_ppm = rng_below(r, 3) == 0 ? 10000 : 0;
    l->reorder_ppm = rng_below(r, 3) == 0 ? 50000 : 0;
    l->reorder_ns = 2 * NS_PER_MS;
}

static void port_at_random(struct sim_stack_conf *sc, struct rng *r)
{
    sc->offload = rng_below(r, 2) == 0;
    sc->no_chains = rng_below(r, 5) == 0;
    sc->no_external = rng_below(r, 5) == 0;
    sc->no_indirect = rng_below(r, 6) == 0;
    sc->knobs.hold_polls = rng_below(r, 3) == 0 ? 20 : 0;
    sc->knobs.hold_random = rng_below(r, 2) == 0;
    sc->knobs.partial_pct = rng_below(r, 4) == 0 ? 30 : 0;
    sc->knobs.rx_seg_bytes = rng_below(r, 4) == 0 ? 300 : 0;
    sc->knobs.rx_seg_random = rng_below(r, 2) == 0;
    sc->knobs.poison = true;
}

static void plan_of_seed(struct plan *p, uint64_t seed)
{
    uint32_t loss, io, most;
    struct rng r;

    *p = (struct plan){.seed = seed};
    rng_seed(&r, seed);
    loss = loss_grid[rng_below(&r, 6)];
    for (int i = 0; i < 2; i++) {
        link_at_random(&p->pair.side[i].link, loss, &r);
        port_at_random(&p->pair.side[i], &r);
    }
    p->no_sack = rng_below(&r, 4) == 0;
    p->no_timestamps = rng_below(&r, 4) == 0;
    p->no_scaling = rng_below(&r, 4) == 0;
    p->no_fast_path = rng_below(&r, 4) == 0;
    p->small_quota = rng_below(&r, 3) == 0;
    p->look_ahead = seed % 2 == 0;
    p->rcvbuf = rng_below(&r, 3) == 0 ? 4096u << rng_below(&r, 5) : 0;
    p->sndbuf = rng_below(&r, 3) == 0 ? 4096u << rng_below(&r, 5) : 0;
    io = io_grid[rng_below(&r, 6)];
    most = io < 1000 ? 20000 : 400000;
    p->flow = (struct flow_conf){
        .n = 1 + rng_below(&r, 4),
        .bytes_a = rng_below(&r, most),
        .bytes_b = rng_below(&r, most),
        .mode = (enum flow_mode)rng_below(&r, 4),
        .max_io = io,
        .seed = seed,
        .close = (enum flow_close)rng_below(&r, FLOW_CLOSE_COUNT),
    };
    for (int i = 0; i < 2; i++)
        if (rng_below(&r, 5) == 0)
            p->flow.read_every_ns[i] = (1 + rng_below(&r, 30)) * NS_PER_MS;
    p->cc = algorithms[rng_below(&r, ARRAY_LEN(algorithms))];
    p->ecn = rng_below(&r, 2) == 0;
    p->pacing = rng_below(&r, 4) == 0;
    p->mtu_probing = (uint8_t)rng_below(&r, 3);
    p->switch_cc = rng_below(&r, 3) == 0;
    if (p->ecn)
        for (int i = 0; i < 2; i++)
            p->pair.side[i].link.mark_limit = 1 + rng_below(&r, 20);
    p->set_options = getenv("SIM_OPTIONS") != NULL;
    if (p->set_options && rng_below(&r, 3) == 0) {
        p->pair.side[0].mtu = p->pair.side[1].mtu = 9000; /* a segment is more than the smallest buffer */
        p->pair.sim.frame_bytes = 10240;
    }
}

/* loss, reordering and the rest by name, so that a failure says what it takes. */
static uint64_t run_grid(uint64_t *failed)
{
    static const struct {
        const char *name;
        struct sim_link_conf link;
        uint16_t mss;
    } links[] = {
        {"clean", {.delay_ns = NS_PER_MS}},
        {"loss 1 %", {.delay_ns = NS_PER_MS, .loss_ppm = 10000}},
        {"loss 5 %", {.delay_ns = NS_PER_MS, .loss_ppm = 50000}},
        {"loss 10 %", {.delay_ns = 5 * NS_PER_MS, .loss_ppm = 100000}},
        {"loss 20 %", {.delay_ns = NS_PER_MS, .loss_ppm = 200000}},
        {"reordering", {.delay_ns = NS_PER_MS, .reorder_ppm = 100000, .reorder_ns = 3 * NS_PER_MS}},
        {"tiny segments", {.delay_ns = NS_PER_MS, .loss_ppm = 5000, .reorder_ppm = 20000, .reorder_ns = 2 * NS_PER_MS}, 100},
        {"duplication", {.delay_ns = NS_PER_MS, .dup_ppm = 200000}},
        {"corruption", {.delay_ns = NS_PER_MS, .corrupt_ppm = 50000}},
        {"long delay", {.delay_ns = 100 * NS_PER_MS, .jitter_ns = 20 * NS_PER_MS}},
        {"narrow", {.delay_ns = 10 * NS_PER_MS, .bits_per_sec = 10000000, .queue_limit = 10}},
        {"everything",
         {.delay_ns = 2 * NS_PER_MS,
          .jitter_ns = NS_PER_MS,
          .loss_ppm = 50000,
          .reorder_ppm = 50000,
          .reorder_ns = 2 * NS_PER_MS,
          .dup_ppm = 50000,
          .corrupt_ppm = 20000,
          .bits_per_sec = 100000000,
          .queue_limit = 50}},
    };
    uint64_t n = 0;

    for (unsigned l = 0; l < ARRAY_LEN(links); l++)
        for (unsigned b = 0; b < ARRAY_LEN(buf_grid); b++) {
            struct plan p = {
                .seed = n + 1,
                .mss = links[l].mss,
                .sndbuf = buf_grid[b],
                .rcvbuf = buf_grid[ARRAY_LEN(buf_grid) - 1 - b],
                .flow = {.n = 1,
                         .bytes_a = 100000,
                         .bytes_b = 100000,
                         .mode = (enum flow_mode)(n % 4),
                         .max_io = 8000,
                         .seed = n + 1,
                         .close = (enum flow_close)(n % FLOW_CLOSE_COUNT)},
            };

            p.flow.read_every_ns[n % 2] = n % 3 == 0 ? 5 * NS_PER_MS : 0;
            for (int i = 0; i < 2; i++)
                p.pair.side[i].link = links[l].link;
            n++;
            if (!run(&p)) {
                ++*failed;
                printf("FAILED: %s, send buffer %u, receive buffer %u, close %s\n", links[l].name, p.sndbuf, p.rcvbuf,
                       close_names[p.flow.close]);
            }
        }
    return n;
}

static uint64_t run_seeds(uint64_t first, uint64_t count)
{
    uint64_t failed = 0;

    for (uint64_t seed = first; seed < first + count; seed++) {
        struct plan p;

        plan_of_seed(&p, seed);
        if (!run(&p)) {
            failed++;
            printf("FAILED: make sim SEED=%llu (close %s, %u flows)\n", (unsigned long long)seed, close_names[p.flow.close], p.flow.n);
        }
    }
    printf("%llu seeds from %llu: %llu failed\n", (unsigned long long)count, (unsigned long long)first, (unsigned long long)failed);
    return failed;
}

int main(int argc, char **argv)
{
    const char *seed = argc > 1 ? argv[1] : getenv("SEED");
    uint64_t failed = 0, n;

    if (sim_eal_init() != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (seed != NULL && *seed != '\0')
        return run_seeds(sim_seed(seed), argc > 2 ? strtoull(argv[2], NULL, 0) : 1) != 0;
    n = run_grid(&failed);
    printf("grid of %llu conditions: %llu failed\n", (unsigned long long)n, (unsigned long long)failed);
    failed += run_seeds(1, sim_soak(DEFAULT_SEEDS));
    return failed != 0;
}
