/*
 * The k-th allocation of connection memory or of a buffer, or the k-th burst of frames, fails, for every k of a connection's short
 * life: open, exchange both ways with loss, close. Each time the connection either finishes with every byte or ends with an error
 * that the application sees; nothing leaks, nothing waits for ever.
 *
 * Timers and tables cannot fail to take an entry: their nodes are part of what they stand for.
 *
 *     test_fault                            all
 *     test_fault KIND FIRST LENGTH VARIANT  one, as a failure prints it
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim_fault.h"
#include "sim_flow.h"
#include "sim_tcp.h"

#define K_MAX 5000u

struct outcome {
    bool hit, ok, error;
};

static void tune(struct stack_conf *c, void *arg)
{
    sim_fault_tune(c);
    c->syncookies = *(unsigned *)arg % 4 == 2 ? 2 : 1; /* one variant opens by SYN cookies only */
    c->max_connections = 64;
    c->max_sockets = 64;
    c->msl_ns = NS_PER_SEC;
    c->finwait2_ns = 10 * NS_PER_SEC;
    c->rto_max_ns = 8 * NS_PER_SEC;
    c->arp_max_tries = 10;
}

/* Small and mixed writes, so that every kind of memory is used; out-of-order data through loss and reordering. */
static struct flow_conf flow_of(unsigned variant)
{
    static const enum flow_mode mode[] = {FLOW_MIXED, FLOW_COPY, FLOW_REF, FLOW_WRAP};

    return (struct flow_conf){
        .n = 1 + variant % 2,
        .bytes_a = 50000,
        .bytes_b = 30000,
        .mode = mode[variant % 4],
        .max_io = 3000,
        .seed = variant + 1,
        .close = (enum flow_close)(variant % FLOW_CLOSE_COUNT),
        .may_fail = true,
    };
}

static struct outcome run(enum sim_fault_kind kind, uint64_t first, uint64_t length, unsigned variant)
{
    struct sim_pair_conf c = {.sim = {.seed = variant + 1, .frames = 512, .capture_frames = 512}};
    struct flow_conf fc = flow_of(variant);
    struct sim_tcp_checker checker;
    struct flow_net fn = {0};
    struct outcome out = {0};
    bool started;

    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].tune_arg = &variant;
        c.side[i].link = (struct sim_link_conf){
            .delay_ns = NS_PER_MS, .loss_ppm = 30000, .reorder_ppm = 50000, .reorder_ns = 2 * NS_PER_MS, .dup_ppm = 20000};
        c.side[i].knobs = (struct port_mem_knobs){.poison = true, .hold_polls = 2};
        c.side[i].no_chains = variant == 3;
    }
    if (!sim_pair_create(&fn.pair, &c))
        return out;
    sim_tcp_check_every(&checker, &fn.pair, 8);
    sim_fault_arm(&fn.pair, kind, first, length);
    started = flow_net_start_conf(&fn, &fc);
    if (started && !sim_run_until(fn.pair.sim, flow_net_done, &fn, 600 * NS_PER_SEC))
        sim_fail(fn.pair.sim, "not finished in 600 s: %llu and %llu bytes arrived", (unsigned long long)fn.flow[0].server.received,
                 (unsigned long long)fn.flow[0].client.received);
    out.hit = sim_fault_disarm(&fn.pair);
    for (uint32_t i = 0; i < fn.n && started; i++)
        out.error |= fn.flow[i].client.error != 0 || fn.flow[i].server.error != 0;
    out.error |= !started; /* the listener could not be made */
    flow_net_stop(&fn);
    if (!fn.pair.sim->failed && sim_run_for(fn.pair.sim, 1000 * NS_PER_SEC) && sim_stack_conserved(fn.pair.a))
        sim_stack_conserved(fn.pair.b);
    out.ok = flow_net_destroy(&fn);
    if (!out.ok)
        printf("FAILED: test_fault %d %llu %llu %u (%s)\n", (int)kind, (unsigned long long)first, (unsigned long long)length, variant,
               sim_fault_names[kind]);
    return out;
}

static uint64_t run_all(enum sim_fault_kind kind, uint64_t length, unsigned variant, uint64_t stride)
{
    uint64_t failed = 0, errors = 0, k;

    for (k = 1; k < K_MAX; k += stride) {
        struct outcome out = run(kind, k, length, variant);

        failed += !out.ok;
        errors += out.error;
        if (!out.hit)
            break;
    }
    printf("variant %u: the %llu-th of %llu %s failures in a row: %llu ended with an error, %llu failed the test\n", variant,
           (unsigned long long)k, (unsigned long long)length, sim_fault_names[kind], (unsigned long long)errors,
           (unsigned long long)failed);
    return failed + (k >= K_MAX);
}

int main(int argc, char **argv)
{
    bool soak = sim_soak(1) > 1;
    uint64_t failed = 0;

    if (sim_eal_init() != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 5)
        return !run((enum sim_fault_kind)atoi(argv[1]), strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0), (unsigned)atoi(argv[4])).ok;
    for (unsigned variant = 0; variant < (soak ? 14u : 4u); variant++) {
        failed += run_all(SIM_FAULT_ARENA_A, 1, variant, 1);
        failed += run_all(SIM_FAULT_ARENA_B, 1, variant, 1);
        failed += run_all(SIM_FAULT_MBUF, 1, variant, soak || variant == 0 ? 1 : 5);
        failed += run_all(SIM_FAULT_MBUF, 40, variant, soak ? 1 : 13);
        failed += run_all(SIM_FAULT_TX, 1, variant, soak || variant == 0 ? 1 : 3);
        failed += run_all(SIM_FAULT_TX, 300, variant, soak ? 1 : 7);
    }
    return failed != 0;
}
