/*
 * The same traffic, two ways. Fast path on and off, checksums in software and by the port: every connection's state after every
 * step and every counter must be equal, but for the counter of the fast path. Scattered receive and ports without chains change how
 * much memory a segment takes and how much a frame gathers, so the frames differ: the delivered streams must not (each flow
 * checks every byte). Frames that the port cuts into segments change nothing but what the port is given, as long as nothing is lost (a
 * retransmission may then begin and end elsewhere); merged segments are acknowledged together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

#define SEEDS 24

/* What is different in the second run. */
enum variation {
    VARY_NOTHING,
    VARY_FAST_PATH,
    VARY_AHEAD,
    VARY_OFFLOAD,
    VARY_TSO,
    VARY_GSO,
    VARY_GRO,
    VARY_SCATTER,
    VARY_CHAINS,
    VARY_INDIRECT,
    VARY_LRO,
    VARY_BOTH,
    VARY_COUNT
};

static const char *const variation_names[VARY_COUNT] = {
    [VARY_NOTHING] = "nothing",
    [VARY_FAST_PATH] = "fast path",
    [VARY_AHEAD] = "looking ahead",
    [VARY_OFFLOAD] = "offload",
    [VARY_TSO] = "frames cut by the port",
    [VARY_GSO] = "no frames to be cut",
    [VARY_GRO] = "no merging in software",
    [VARY_SCATTER] = "scattered receive",
    [VARY_CHAINS] = "chains",
    [VARY_INDIRECT] = "indirect buffers",
    [VARY_LRO] = "segments merged by the port",
    [VARY_BOTH] = "cut and merged by the port",
};

struct setting {
    bool slow_path, look_ahead, offload, scatter, no_chains, no_indirect, tso, lro, no_gso, no_gro, clean;
    uint64_t seed;
};

struct result {
    bool ok;
    uint64_t steps, end_ns;
    uint64_t digest;           /* of the connections after every step */
    uint64_t first_digest[64]; /* of the first steps, to see where two runs part */
    struct counters ctr[2];
    uint64_t streams; /* bytes that were delivered */
};

static void mix(uint64_t *h, uint64_t v)
{
    *h = (*h ^ v) * 0x9e3779b97f4a7c15ull;
    *h ^= *h >> 32;
}

static void digest_conn(uint64_t *h, const struct tcp_conn *tc)
{
    const uint64_t v[] = {
        tc->ent.id,
        tc->state,
        tc->snd_una,
        tc->snd_nxt,
        tc->snd_wnd,
        tc->snd_wl1,
        tc->snd_wl2,
        tc->small_out ? tc->snd_sml : 0,
        tc->max_snd_wnd,
        tc->rcv_nxt,
        tc->rcv_adv,
        tc->last_ack_sent,
        tc->fin_queued,
        tc->fin_sent,
        tc->fin_rcvd,
        tc->fin_pending,
        tc->ts_recent,
        tc->ack_now,
        tc->ack_delayed,
        tc->spoke,
        tc->exchanges,
        tcp_rcv_unacked(tc),
        tc->rcv_mss,
        tc->ca,
        tc->dupacks,
        tc->rexmt_count,
        tc->probe_count,
        tc->keep_count,
        tc->orphan_probes,
        tc->cwnd_limited,
        tc->rtx_first,
        tc->recover,
        tc->first_rexmt_at_ns,
        tc->last_rcv_ns,
        tc->last_snd,
        tc->sent.marked_bytes,
        tc->sent.lost_bytes,
        tc->sent.rtx_bytes,
        tc->rtt.srtt,
        tc->rtt.rttvar,
        tc->backoff,
        tc->cc.cwnd,
        tc->cc.ssthresh,
        tc->cc.state[0],
        tc->cc.state[1],
        tc->sndq.n,
        tc->sndq.end_seq,
        tc->sndq.charged_bytes,
        tc->rcvq.bytes,
        tc->rcvq.charged_bytes,
        reass_blocks(&tc->reass),
        reass_bytes(&tc->reass),
        reass_charged_bytes(&tc->reass),
        tc->rcv_charged_bytes,
        tc->loan_bytes,
        tc->rcv_ratio,
        tc->drs_start_ns,
        tc->drs_bytes,
        tc->drs_copied,
        tc->rcvbuf_bytes,
        tc->sndbuf_bytes,
        tc->deadline[0],
        tc->deadline[1],
        tc->deadline[2],
        tc->deadline[3],
        tc->deadline[4],
        tc->in_dirty,
        tc->pace_next_ns,
        (uint64_t)tc->so_error,
    };

    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        mix(h, v[i]);
}

struct watch_run {
    struct sim_pair *p;
    struct result *r;
};

static void watch(struct sim *sim, void *arg)
{
    const struct watch_run *w = arg;

    for (int i = 0; i < 2; i++) {
        const struct z_stack *s = i == 0 ? w->p->a->s : w->p->b->s;

        for (uint32_t c = 0; c <= s->tcp.id_mask; c++)
            if (s->tcp.id_tab[c] != NULL)
                digest_conn(&w->r->digest, s->tcp.id_tab[c]);
    }
    mix(&w->r->digest, sim->now_ns);
    if (sim->steps < ARRAY_LEN(w->r->first_digest))
        w->r->first_digest[sim->steps] = w->r->digest;
}

static void tune(struct stack_conf *c, void *arg)
{
    const struct setting *t = arg;
    struct rng r;

    rng_seed(&r, t->seed);
    c->fast_path = !t->slow_path;
    c->gro = !t->no_gro;
    c->look_ahead = t->look_ahead ? 0 : UINT32_MAX;
    c->sack = rng_below(&r, 4) != 0;
    c->timestamps = rng_below(&r, 4) != 0;
    c->rcvbuf_bytes = 16384u << rng_below(&r, 4);
    if (t->clean) { /* never more in a turn than one turn sends, which is counted in frames */
        c->rcvbuf_bytes = 16384;
        c->rcvbuf_auto = false;
    }
    c->max_connections = 16;
    c->max_sockets = 16;
    c->msl_ns = NS_PER_SEC;
    c->finwait2_ns = 5 * NS_PER_SEC;
    c->rto_max_ns = 8 * NS_PER_SEC;
    c->arp_max_tries = 50;
    c->syn_retries = 12;
}

static void run(struct setting *t, struct result *out)
{
    static const uint32_t loss[] = {0, 1000, 20000, 80000};
    struct sim_pair_conf c = {.sim = {.seed = t->seed}};
    struct flow_net fn = {0};
    struct watch_run w = {.p = &fn.pair, .r = out};
    struct flow_conf fc = {0};
    struct rng r;

    *out = (struct result){0};
    rng_seed(&r, t->seed * 3);
    for (int i = 0; i < 2; i++) {
        struct sim_stack_conf *sc = &c.side[i];

        sc->tune = tune;
        sc->tune_arg = t;
        sc->offload = t->offload;
        sc->tso = t->tso;
        sc->lro = t->lro;
        sc->no_gso = t->no_gso;
        sc->no_chains = t->no_chains;
        sc->no_indirect = t->no_indirect;
        sc->knobs = (struct port_mem_knobs){.poison = true, .rx_seg_bytes = t->scatter ? 200 : 0, .rx_seg_random = t->scatter};
        sc->link = (struct sim_link_conf){
            .delay_ns = (1 + rng_below(&r, 10)) * NS_PER_MS,
            .loss_ppm = loss[rng_below(&r, 4)],
            .dup_ppm = rng_below(&r, 2) * 20000,
            .corrupt_ppm = rng_below(&r, 2) * 5000,
            .reorder_ppm = rng_below(&r, 2) * 50000,
            .reorder_ns = 3 * NS_PER_MS,
        };
        if (t->clean)
            sc->link = (struct sim_link_conf){.delay_ns = sc->link.delay_ns};
    }
    fc.n = 1 + rng_below(&r, 3);
    fc.bytes_a = rng_below(&r, 300000);
    fc.bytes_b = rng_below(&r, 300000);
    fc.mode = (enum flow_mode)rng_below(&r, 4);
    fc.max_io = 100 + rng_below(&r, 20000);
    fc.close = (enum flow_close)rng_below(&r, FLOW_CLOSE_COUNT);
    fc.read_every_ns[rng_below(&r, 2)] = rng_below(&r, 4) == 0 ? 10 * NS_PER_MS : 0;
    fc.seed = t->seed;
    if (!sim_pair_create(&fn.pair, &c))
        return;
    fn.pair.sim->check = watch;
    fn.pair.sim->check_arg = &w;
    if (!flow_net_start_conf(&fn, &fc) || !sim_run_until(fn.pair.sim, flow_net_done, &fn, 3000 * NS_PER_SEC))
        sim_fail(fn.pair.sim, "not finished");
    for (uint32_t i = 0; i < fn.n; i++)
        out->streams += fn.flow[i].client.received + fn.flow[i].server.received;
    flow_net_stop(&fn);
    if (!fn.pair.sim->failed && sim_run_for(fn.pair.sim, 500 * NS_PER_SEC) && sim_stack_conserved(fn.pair.a))
        sim_stack_conserved(fn.pair.b);
    out->steps = fn.pair.sim->steps;
    out->end_ns = fn.pair.sim->now_ns;
    out->ctr[0] = fn.pair.a->s->ctr;
    out->ctr[1] = fn.pair.b->s->ctr;
    out->ok = flow_net_destroy(&fn);
}

/* May it differ? */
static bool excepted(unsigned c, enum variation what)
{
    if (c == CTR_TCP_FASTPATH)
        return true;
    return (what == VARY_TSO && (c == CTR_TX_PACKETS || c == CTR_TX_BYTES || c == CTR_TX_TSO || c == CTR_TX_GSO_SEGS)) ||
           (what == VARY_GSO && c == CTR_TX_GSO_SEGS);
}

static bool same_state(const struct result *a, const struct result *b, enum variation what)
{
    bool same = a->digest == b->digest && a->steps == b->steps;
    size_t step = 0;

    while (step < ARRAY_LEN(a->first_digest) && a->first_digest[step] == b->first_digest[step])
        step++;
    if (!same)
        printf("  the connections differ (from step %zu on, or later): %llu and %llu steps\n", step, (unsigned long long)a->steps,
               (unsigned long long)b->steps);
    for (int i = 0; i < 2; i++)
        for (unsigned c = 0; c < CTR_COUNT; c++)
            if (!excepted(c, what) && a->ctr[i].v[c] != b->ctr[i].v[c]) {
                printf("  side %d: %s is %llu and %llu\n", i, ctr_names[c], (unsigned long long)a->ctr[i].v[c],
                       (unsigned long long)b->ctr[i].v[c]);
                same = false;
            }
    return same;
}

struct sums {
    uint64_t fast, cut, merged, cut_here, merged_here; /* that the variations were not without effect */
};

static bool compare(uint64_t seed, enum variation what, struct sums *sums)
{
    struct setting t[2] = {{.seed = seed}, {.seed = seed}};
    static struct result r[2];
    bool ok;

    t[1].slow_path = what == VARY_FAST_PATH;
    t[1].look_ahead = what == VARY_AHEAD;
    t[1].offload = what == VARY_OFFLOAD;
    t[1].scatter = what == VARY_SCATTER;
    t[1].tso = what == VARY_TSO || what == VARY_BOTH;
    t[1].lro = what == VARY_LRO || what == VARY_BOTH;
    t[1].no_gso = what == VARY_GSO;
    t[1].no_gro = what == VARY_GRO;
    t[1].no_chains = what == VARY_CHAINS;
    t[1].no_indirect = what == VARY_INDIRECT;
    t[0].clean = t[1].clean = (what == VARY_TSO || what == VARY_GSO) && seed % 2 == 0;
    for (int i = 0; i < 2; i++)
        run(&t[i], &r[i]);
    ok = r[0].ok && r[1].ok;
    if ((what <= VARY_OFFLOAD || t[0].clean) && !same_state(&r[0], &r[1], what))
        ok = false;
    for (int i = 0; i < 2; i++) {
        sums->fast += r[0].ctr[i].v[CTR_TCP_FASTPATH];
        sums->cut += r[1].ctr[i].v[CTR_TX_TSO];
        sums->cut_here += r[0].ctr[i].v[CTR_TX_GSO_SEGS];
        sums->merged += r[1].ctr[i].v[CTR_RX_LRO];
        sums->merged_here += r[0].ctr[i].v[CTR_RX_GRO];
    }
    if (what == VARY_FAST_PATH && r[1].ctr[0].v[CTR_TCP_FASTPATH] + r[1].ctr[1].v[CTR_TCP_FASTPATH] != 0)
        ok = false;
    if (!ok)
        printf("FAILED: seed %llu, variation %d: %s (test_differential %llu)\n", (unsigned long long)seed, (int)what, variation_names[what],
               (unsigned long long)seed);
    return ok;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? sim_seed(argv[1]) : 1, failed = 0;
    uint64_t count = argc > 1 ? 1 : sim_soak(SEEDS);
    struct sums sums = {0};

    if (sim_eal_init() != 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t seed = first; seed < first + count; seed++)
        for (int v = 0; v < VARY_COUNT; v++)
            if (v != VARY_NOTHING || seed % 8 == 1) /* the same run twice: the simulator itself is deterministic */
                failed += !compare(seed, (enum variation)v, &sums);
    printf("%llu seeds, %d variations of each: %llu failed; %llu segments on the fast path, %llu frames cut, %llu merged; in software "
           "%llu segments cut, %llu merged\n",
           (unsigned long long)count, VARY_COUNT - 1, (unsigned long long)failed, (unsigned long long)sums.fast,
           (unsigned long long)sums.cut, (unsigned long long)sums.merged, (unsigned long long)sums.cut_here,
           (unsigned long long)sums.merged_here);
    return failed != 0 ||
           (argc == 1 && (sums.fast == 0 || sums.cut == 0 || sums.merged == 0 || sums.cut_here == 0 || sums.merged_here == 0));
}
