/*
 * A path that takes less than its link and says nothing: packets above the limit vanish (RFC 2923 section 2.1). Transfers must come
 * through, with the size that the path takes, in a time that a person would wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define PATH_MTU 1300u
#define BYTES 10000000u

static uint32_t longest;

/* The longest packet that came through. */
static enum sim_verdict watch(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    uint32_t len = f->len - 14u;

    (void)arg;
    (void)e;
    (void)index;
    if (len <= PATH_MTU)
        longest = MAX(longest, len);
    return SIM_PASS;
}

static void tune(struct stack_conf *c, void *arg)
{
    c->mtu_probing = *(const uint8_t *)arg;
}

static void transfer(uint8_t probing, uint64_t limit_ns)
{
    struct flow_net fn = {0};
    struct flow_conf fc = {.n = 1, .bytes_a = BYTES, .mode = FLOW_REF, .max_io = 20000, .seed = 1};
    struct sim_pair_conf pc = {.sim = {.seed = 7}};
    struct sim_tcp_checker checker;

    longest = 0;
    for (int i = 0; i < 2; i++) {
        pc.side[i].link = (struct sim_link_conf){.delay_ns = 5 * NS_PER_MS, .bits_per_sec = 100000000, .mtu = PATH_MTU, .hook = watch};
        pc.side[i].tune = tune;
        pc.side[i].tune_arg = &probing;
    }
    assert_true(sim_pair_create(&fn.pair, &pc));
    sim_tcp_check_every(&checker, &fn.pair, 16);
    assert_true(flow_net_start_conf(&fn, &fc));
    assert_true(sim_run_until(fn.pair.sim, flow_net_done, &fn, limit_ns));
    print_message("%s: %.2f s, longest packet %u, %llu probes, %llu lost, %llu times smaller\n",
                  probing == TCP_MTU_PROBING_ALWAYS ? "always" : "on a black hole", (double)(fn.pair.sim->now_ns - NS_PER_SEC) / 1e9, longest,
                  (unsigned long long)fn.pair.a->s->ctr.v[CTR_TCP_MTU_PROBE], (unsigned long long)fn.pair.a->s->ctr.v[CTR_TCP_MTU_PROBE_LOST],
                  (unsigned long long)fn.pair.a->s->ctr.v[CTR_TCP_BLACK_HOLE]);
    assert_true(longest > PATH_MTU - 16);
    assert_true(fn.pair.a->s->ctr.v[CTR_TCP_MTU_PROBE_LOST] > 0);
    assert_int_equal(fn.pair.a->s->ctr.v[CTR_TCP_BLACK_HOLE] > 0, probing == TCP_MTU_PROBING_BLACK_HOLE);
    if (probing == TCP_MTU_PROBING_ALWAYS) { /* the loss of a probe is no congestion, and makes no timeout */
        assert_int_equal(fn.pair.a->s->ctr.v[CTR_TCP_FAST_RETRANS], 0);
        assert_int_equal(fn.pair.a->s->ctr.v[CTR_TCP_RTO], 0);
    }
    flow_net_stop(&fn);
    assert_true(sim_run_for(fn.pair.sim, 1000 * NS_PER_SEC));
    assert_true(sim_stack_conserved(fn.pair.a) && sim_stack_conserved(fn.pair.b));
    assert_true(flow_net_destroy(&fn));
}

static void black_hole_is_found(void **state)
{
    (void)state;
    transfer(TCP_MTU_PROBING_BLACK_HOLE, 20 * NS_PER_SEC);
}

static void probing_from_the_start(void **state)
{
    (void)state;
    transfer(TCP_MTU_PROBING_ALWAYS, 5 * NS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(black_hole_is_found), cmocka_unit_test(probing_from_the_start)};

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
