/* The simulator's clock and links, without stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim.h"

#define LEN 1000u
#define START NS_PER_SEC
#define MAX_SEEN 4096u

static struct rte_mempool *rx_pool;

/* Two ends of a cable; node 0 notes what arrives at end b, and when. */
struct net {
    struct sim *sim;
    struct sim_end *a, *b;
    uint32_t n;
    uint64_t at[MAX_SEEN];
    uint32_t id[MAX_SEEN], damaged[MAX_SEEN];
};

static void note(void *arg, uint64_t now_ns)
{
    struct net *x = arg;
    struct rte_mbuf *m;

    while (port_rx(x->b->port, &m, 1) == 1) {
        const uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

        x->at[x->n] = now_ns;
        memcpy(&x->id[x->n], p + 14, 4);
        for (uint32_t i = 18; i < m->data_len; i++)
            x->damaged[x->n] += (uint32_t)__builtin_popcount((unsigned)(p[i] ^ 0x55));
        x->n++;
        rte_pktmbuf_free(m);
    }
}

static void open_net(struct net *x, uint64_t seed, struct sim_link_conf link)
{
    struct port_mem_conf pc = {.caps = port_mem_caps(), .mtu = 1500, .rx_pool = rx_pool, .rx_ring = MAX_SEEN};
    struct sim_link_conf plain = {0};

    memset(x, 0, sizeof(*x));
    x->sim = sim_create(&(struct sim_conf){.seed = seed, .frames = 8192});
    sim_add_node(x->sim, note, NULL, x);
    pc.mac[5] = 1;
    x->a = sim_add_end(x->sim, -1, 0, &pc, &link);
    pc.mac[5] = 2;
    x->b = sim_add_end(x->sim, 0, 0, &pc, &plain);
    assert_int_equal(x->sim->now_ns, START);
}

/* Every frame buffer is back. */
static void close_net(struct net *x)
{
    assert_int_equal(sim_in_flight(x->sim), 0);
    assert_int_equal(x->sim->frames->free_count, x->sim->frames->count);
    assert_false(x->sim->failed);
    sim_destroy(x->sim);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
}

static void send(struct net *x, uint32_t id, uint32_t len)
{
    uint8_t f[2048];

    memset(f, 0x55, sizeof(f));
    f[12] = 0x08;
    f[13] = 0x00;
    memcpy(f + 14, &id, 4);
    assert_true(sim_inject(x->a, f, len));
}

static void send_many(struct net *x, uint32_t n)
{
    for (uint32_t i = 1; i <= n; i++)
        send(x, i, LEN);
    assert_true(sim_run_for(x->sim, 10 * NS_PER_SEC));
}

static void test_delay(void **state)
{
    struct net x;

    (void)state;
    open_net(&x, 1, (struct sim_link_conf){.delay_ns = 5 * NS_PER_MS});
    send(&x, 1, LEN);
    assert_true(sim_run_for(x.sim, 5 * NS_PER_MS - 1));
    assert_int_equal(x.n, 0);
    assert_int_equal(sim_in_flight(x.sim), 1);
    assert_true(sim_run_for(x.sim, 1));
    assert_int_equal(x.n, 1);
    assert_int_equal(x.at[0], START + 5 * NS_PER_MS);
    close_net(&x);
}

static void test_bandwidth(void **state)
{
    struct net x;

    (void)state;
    /* 1000 bytes at 8 Mbit/s take 1 ms */
    open_net(&x, 1, (struct sim_link_conf){.delay_ns = NS_PER_MS, .bits_per_sec = 8000000});
    send(&x, 1, LEN);
    send(&x, 2, LEN / 2);
    send(&x, 3, LEN);
    assert_true(sim_run_for(x.sim, NS_PER_SEC));
    assert_int_equal(x.n, 3);
    assert_int_equal(x.at[0], START + 2000000);
    assert_int_equal(x.at[1], START + 2500000);
    assert_int_equal(x.at[2], START + 3500000);
    send(&x, 4, LEN); /* an idle line starts at once */
    assert_true(sim_run_for(x.sim, NS_PER_SEC));
    assert_int_equal(x.at[3], START + NS_PER_SEC + 2000000);
    close_net(&x);
}

static void test_queue_limit(void **state)
{
    struct net x;

    (void)state;
    open_net(&x, 1, (struct sim_link_conf){.bits_per_sec = 8000000, .queue_limit = 3});
    for (uint32_t i = 1; i <= 6; i++)
        send(&x, i, LEN); /* one on the line, three wait, two are lost */
    assert_int_equal(x.a->stats.queue_full, 2);
    assert_true(sim_run_for(x.sim, NS_PER_MS)); /* the first has left: the second is on the line */
    send(&x, 7, LEN);
    send(&x, 8, LEN);
    assert_int_equal(x.a->stats.queue_full, 3);
    assert_true(sim_run_for(x.sim, NS_PER_SEC));
    assert_int_equal(x.n, 5);
    assert_int_equal(x.id[4], 7);
    assert_int_equal(x.at[4], START + 5 * NS_PER_MS);
    close_net(&x);
}

static void test_drop_list(void **state)
{
    static const uint32_t want[] = {1, 2, 4, 5, 6, 8};
    struct net x;

    (void)state;
    open_net(&x, 1, (struct sim_link_conf){.n_drop = 2, .drop = {3, 7}});
    send_many(&x, 8);
    assert_int_equal(x.n, 6);
    assert_memory_equal(x.id, want, sizeof(want));
    assert_int_equal(x.a->stats.lost, 2);
    close_net(&x);
}

static void test_loss_rate(void **state)
{
    struct net x;

    (void)state;
    open_net(&x, 2, (struct sim_link_conf){.loss_ppm = SIM_PPM / 10});
    send_many(&x, 4000);
    assert_in_range(x.a->stats.lost, 340, 460); /* three standard deviations */
    assert_int_equal(x.n, 4000 - x.a->stats.lost);
    close_net(&x);
}

static void test_jitter_keeps_the_order(void **state)
{
    uint64_t least = UINT64_MAX, most = 0;
    struct net x;

    (void)state;
    open_net(&x, 3, (struct sim_link_conf){.delay_ns = NS_PER_MS, .jitter_ns = NS_PER_MS});
    for (uint32_t i = 1; i <= 500; i++) {
        uint64_t sent = x.sim->now_ns, delay;

        send(&x, i, LEN);
        assert_true(sim_run_for(x.sim, 10 * NS_PER_MS));
        delay = x.at[i - 1] - sent;
        least = MIN(least, delay);
        most = MAX(most, delay);
    }
    assert_in_range(least, NS_PER_MS, NS_PER_MS + NS_PER_MS / 50);
    assert_in_range(most, 2 * NS_PER_MS - NS_PER_MS / 50, 2 * NS_PER_MS);
    send_many(&x, 500); /* all at once */
    assert_int_equal(x.n, 1000);
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(x.id[500 + i], i + 1);
    close_net(&x);
}

static void test_reordering(void **state)
{
    uint32_t early = 0;
    struct net x;

    (void)state;
    open_net(&x, 4, (struct sim_link_conf){.reorder_ppm = SIM_PPM / 10, .reorder_ns = NS_PER_MS});
    send_many(&x, 1000);
    assert_int_equal(x.n, 1000);
    while (early < 1000 && x.at[early] == START)
        early++;
    assert_int_equal(early, 1000 - x.a->stats.reordered); /* the others come a millisecond later */
    assert_in_range(x.a->stats.reordered, 70, 130);
    assert_int_equal(x.at[early], START + NS_PER_MS);
    for (uint32_t i = 1; i < 1000; i++)
        if (i != early)
            assert_true(x.id[i] > x.id[i - 1]);
    close_net(&x);
}

static void test_duplication(void **state)
{
    uint32_t twice = 0;
    struct net x;

    (void)state;
    open_net(&x, 5, (struct sim_link_conf){.dup_ppm = SIM_PPM / 5});
    send_many(&x, 1000);
    for (uint32_t i = 1; i < x.n; i++)
        twice += x.id[i] == x.id[i - 1];
    assert_int_equal(twice, x.a->stats.duplicated);
    assert_int_equal(x.n, 1000 + twice);
    assert_in_range(twice, 160, 240);
    close_net(&x);
}

static void test_corruption_flips_one_bit(void **state)
{
    uint32_t damaged = 0;
    struct net x;

    (void)state;
    open_net(&x, 6, (struct sim_link_conf){.corrupt_ppm = SIM_PPM / 2});
    send_many(&x, 1000);
    assert_int_equal(x.n, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_in_range(x.damaged[i], 0, 1);
        damaged += x.damaged[i] != 0 || x.id[i] != i + 1;
    }
    assert_int_equal(damaged, x.a->stats.corrupted);
    assert_in_range(damaged, 440, 560);
    close_net(&x);
}

static void test_mtu_of_the_link(void **state)
{
    struct net x;

    (void)state;
    open_net(&x, 1, (struct sim_link_conf){.mtu = 1000});
    send(&x, 1, 1014);
    send(&x, 2, 1015);
    assert_true(sim_run_for(x.sim, 1));
    assert_int_equal(x.n, 1);
    assert_int_equal(x.a->stats.too_long, 1);
    close_net(&x);
}

static enum sim_verdict even_only(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    (void)e;
    assert_int_equal(index, ++*(uint32_t *)arg);
    f->data[18] = 0x54;
    return index % 2 == 0 ? SIM_PASS : SIM_DROP;
}

static void test_hook_sees_changes_and_drops(void **state)
{
    uint32_t count = 0;
    struct net x;

    (void)state;
    open_net(&x, 1, (struct sim_link_conf){.hook = even_only, .hook_arg = &count});
    send_many(&x, 4);
    assert_int_equal(x.n, 2);
    assert_int_equal(x.id[0], 2);
    assert_int_equal(x.id[1], 4);
    assert_int_equal(x.damaged[0], 1);
    close_net(&x);
}

static void test_same_seed_same_run(void **state)
{
    const struct sim_link_conf rough = {.delay_ns = NS_PER_MS,
                                        .jitter_ns = NS_PER_MS,
                                        .bits_per_sec = 1000000000,
                                        .loss_ppm = 100000,
                                        .reorder_ppm = 100000,
                                        .reorder_ns = NS_PER_MS,
                                        .dup_ppm = 100000,
                                        .corrupt_ppm = 100000};
    static struct net x[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        open_net(&x[i], i < 2 ? 42 : 43, rough);
        send_many(&x[i], 500);
        close_net(&x[i]);
    }
    assert_int_equal(x[0].n, x[1].n);
    assert_memory_equal(x[0].at, x[1].at, sizeof(x[0].at));
    assert_memory_equal(x[0].id, x[1].id, sizeof(x[0].id));
    assert_memory_not_equal(x[0].at, x[2].at, sizeof(x[0].at));
}

/* In a segment of three, unicast goes to one and broadcast to all others. */
static void test_switch(void **state)
{
    struct port_mem_conf pc = {.caps = port_mem_caps(), .mtu = 1500, .rx_pool = rx_pool, .mac = {2}};
    struct sim *sim = sim_create(&(struct sim_conf){.seed = 1, .frames = 64});
    const struct sim_link_conf lc = {0};
    struct sim_end *e[3], *other;
    uint8_t f[60] = {2, 0, 0, 0, 0, 2};

    (void)state;
    for (int i = 0; i < 3; i++) {
        pc.mac[5] = (uint8_t)(i + 1);
        e[i] = sim_add_end(sim, -1, 7, &pc, &lc);
    }
    other = sim_add_end(sim, -1, 8, &pc, &lc);
    assert_true(sim_inject(e[0], f, sizeof(f)));
    assert_true(sim_run_for(sim, 1));
    assert_int_equal(port_mem_pending(e[1]->port), 1);
    assert_int_equal(port_mem_pending(e[2]->port), 0);
    memset(f, 0xff, 6);
    assert_true(sim_inject(e[0], f, sizeof(f)));
    assert_true(sim_run_for(sim, 1));
    assert_int_equal(port_mem_pending(e[0]->port), 0);
    assert_int_equal(port_mem_pending(e[1]->port), 2);
    assert_int_equal(port_mem_pending(e[2]->port), 1);
    assert_int_equal(port_mem_pending(other->port), 0);
    sim_destroy(sim);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static bool reached_three(void *arg)
{
    return *(int *)arg == 3;
}

static void test_timers_and_run_until(void **state)
{
    struct sim *sim = sim_create(&(struct sim_conf){.seed = 1, .frames = 16});
    int n = 0;

    (void)state;
    for (uint64_t i = 5; i > 0; i--)
        sim_at(sim, START + i * NS_PER_SEC, count, &n);
    assert_true(sim_run_until(sim, reached_three, &n, 10 * NS_PER_SEC));
    assert_int_equal(sim->now_ns, START + 3 * NS_PER_SEC);
    assert_int_equal(sim_next(sim), START + 4 * NS_PER_SEC);
    n = 10;
    assert_false(sim_run_until(sim, reached_three, &n, 10 * NS_PER_SEC)); /* the limit counts though nothing happens */
    assert_int_equal(sim->now_ns, START + 13 * NS_PER_SEC);
    assert_int_equal(n, 12);
    assert_true(sim_next(sim) == NS_NEVER);
    assert_false(sim->failed);
    sim_destroy(sim);
}

static void no_turn(void *arg, uint64_t now_ns)
{
    (void)arg;
    (void)now_ns;
}

static uint64_t always_now(void *arg)
{
    return ((struct sim *)arg)->now_ns;
}

/* Quiets what a failure prints. */
static int mute_stderr(void)
{
    int saved = dup(STDERR_FILENO);

    fflush(stderr);
    assert_non_null(freopen("/dev/null", "w", stderr));
    return saved;
}

static void unmute_stderr(int saved)
{
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
}

static void test_livelock_is_a_failure(void **state)
{
    struct sim *sim = sim_create(&(struct sim_conf){.seed = 90001, .frames = 16});
    int saved = mute_stderr();

    (void)state;
    sim_add_node(sim, no_turn, always_now, sim);
    assert_false(sim_run_for(sim, 1));
    unmute_stderr(saved);
    assert_true(sim->failed);
    assert_non_null(strstr(sim->why, "without time moving"));
    sim_destroy(sim);
}

/* A port that finds its user out ends the simulation, and the capture can be read. */
static void test_violation_is_a_failure_with_capture(void **state)
{
    uint32_t head[6], record[4];
    struct rte_mbuf *m = rte_pktmbuf_alloc(rx_pool);
    char path[128];
    struct net x;
    FILE *f;
    int saved;

    (void)state;
    snprintf(path, sizeof(path), "%s/zstack-sim-90002.pcap", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    unlink(path);
    open_net(&x, 90002, (struct sim_link_conf){.delay_ns = NS_PER_MS});
    port_mem_knobs(x.b->port)->hold_polls = 1;
    memset(rte_pktmbuf_append(m, 60), 0, 60);
    assert_int_equal(port_tx(x.b->port, &m, 1), 1);
    send(&x, 1, LEN);
    *rte_pktmbuf_mtod(m, uint8_t *) = 1;
    saved = mute_stderr();
    assert_false(sim_run_for(x.sim, NS_PER_SEC));
    unmute_stderr(saved);
    assert_non_null(strstr(x.sim->why, "changed"));

    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, sizeof(head), 1, f), 1);
    assert_int_equal(head[0], 0xa1b23c4d);
    assert_int_equal(head[5], 1);
    assert_int_equal(fread(record, sizeof(record), 1, f), 1);
    assert_int_equal(record[0], 1); /* second, the start */
    assert_int_equal(record[2], 60);
    assert_int_equal(record[3], 60);
    assert_int_equal(fseek(f, 60, SEEK_CUR), 0);
    assert_int_equal(fread(record, sizeof(record), 1, f), 1);
    assert_int_equal(record[2], 128);
    assert_int_equal(record[3], LEN);
    fclose(f);
    unlink(path);
    sim_destroy(x.sim);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    rx_pool = rte_pktmbuf_pool_create("rx", 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    return rx_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_bandwidth),
        cmocka_unit_test(test_queue_limit),
        cmocka_unit_test(test_drop_list),
        cmocka_unit_test(test_loss_rate),
        cmocka_unit_test(test_jitter_keeps_the_order),
        cmocka_unit_test(test_reordering),
        cmocka_unit_test(test_duplication),
        cmocka_unit_test(test_corruption_flips_one_bit),
        cmocka_unit_test(test_mtu_of_the_link),
        cmocka_unit_test(test_hook_sees_changes_and_drops),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_timers_and_run_until),
        cmocka_unit_test(test_livelock_is_a_failure),
        cmocka_unit_test(test_violation_is_a_failure_with_capture),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
