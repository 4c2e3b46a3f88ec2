/*
 * Streams under loss, reordering, duplication, corruption and delay: every byte arrives, intact, in time; every buffer
 * comes back. Usage: test_transfer [SEED [COUNT]]; a failing seed prints itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim_flow.h"

#define DEFAULT_SEEDS 60

static const uint32_t loss_grid[] = {0, 1000, 10000, 50000, 100000, 200000};
static const uint32_t io_grid[] = {10, 100, 1460, 5000, 20000, 65280};

static void tune(struct stack_conf *c, void *arg)
{
    struct rng *r = arg;

    if (rng_below(r, 4) == 0)
        c->sack = false;
    if (rng_below(r, 4) == 0)
        c->timestamps = false;
    if (rng_below(r, 4) == 0)
        c->window_scaling = false;
    if (rng_below(r, 4) == 0)
        c->fast_path = false;
    if (rng_below(r, 3) == 0)
        c->rcvbuf_bytes = 8192u << rng_below(r, 4);
    if (rng_below(r, 3) == 0)
        c->sndbuf_bytes = 8192u << rng_below(r, 4);
    if (rng_below(r, 3) == 0)
        c->loan_quota_bytes = 4096;
    c->msl_ns = NS_PER_SEC;
    c->arp_max_tries = 50; /* a host is not unreachable because one question in five is lost */
}

static void configure(struct sim_pair_conf *c, uint64_t seed, struct rng *r)
{
    uint32_t loss = loss_grid[rng_below(r, 6)];

    c->sim.seed = seed;
    for (int i = 0; i < 2; i++) {
        struct sim_stack_conf *sc = &c->side[i];

        sc->tune = tune;
        sc->tune_arg = r;
        sc->offload = rng_below(r, 2) == 0;
        sc->no_chains = rng_below(r, 5) == 0;
        sc->no_external = rng_below(r, 5) == 0;
        sc->no_indirect = rng_below(r, 6) == 0;
        sc->link.loss_ppm = loss;
        sc->link.delay_ns = (1 + rng_below(r, 20)) * NS_PER_MS / 4;
        sc->link.jitter_ns = rng_below(r, 2) == 0 ? 0 : NS_PER_MS;
        sc->link.bits_per_sec = rng_below(r, 2) == 0 ? 0 : 100000000;
        sc->link.queue_limit = 100;
        sc->link.dup_ppm = rng_below(r, 3) == 0 ? 20000 : 0;
        sc->link.corrupt_ppm = rng_below(r, 3) == 0 ? 10000 : 0;
        sc->link.reorder_ppm = rng_below(r, 3) == 0 ? 50000 : 0;
        sc->link.reorder_ns = 2 * NS_PER_MS;
    }
}

static bool run(uint64_t seed)
{
    struct flow_net fn = {0};
    struct sim_pair_conf c = {0};
    struct rng r;
    enum flow_mode mode;
    uint32_t io, n;
    uint64_t bytes_a, bytes_b;
    bool ok;

    rng_seed(&r, seed);
    configure(&c, seed, &r);
    if (!sim_pair_create(&fn.pair, &c))
        return false;
    mode = (enum flow_mode)rng_below(&r, 4);
    io = io_grid[rng_below(&r, 6)];
    n = 1 + rng_below(&r, 4);
    bytes_a = rng_below(&r, io < 1000 ? 20000 : 400000);
    bytes_b = rng_below(&r, io < 1000 ? 20000 : 400000);
    ok = flow_net_start(&fn, n, bytes_a, bytes_b, mode, io, seed);
    if (!ok || !sim_run_until(fn.pair.sim, flow_net_done, &fn, 1200 * NS_PER_SEC) || flow_net_failed(&fn)) {
        if (!fn.pair.sim->failed)
            sim_fail(fn.pair.sim, "not finished in time: %llu of %llu, %llu of %llu", (unsigned long long)fn.flow[0].server.received,
                     (unsigned long long)bytes_a, (unsigned long long)fn.flow[0].client.received, (unsigned long long)bytes_b);
        ok = false;
    }
    flow_net_stop(&fn);
    if (ok) { /* the last ACKs, TIME-WAIT, late duplicates */
        ok = sim_run_for(fn.pair.sim, 1000 * NS_PER_SEC) && sim_stack_conserved(fn.pair.a) && sim_stack_conserved(fn.pair.b);
    }
    if (!ok)
        printf("FAILED: seed %llu: make sim SEED=%llu\n", (unsigned long long)seed, (unsigned long long)seed);
    sim_pair_destroy(&fn.pair);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : DEFAULT_SEEDS;
    uint64_t failed = 0;

    if (sim_eal_init() != 0)
        return 1;
    for (uint64_t i = 0; i < count; i++)
        failed += !run(first + i);
    printf("%llu seeds from %llu: %llu failed\n", (unsigned long long)count, (unsigned long long)first, (unsigned long long)failed);
    return failed != 0;
}
