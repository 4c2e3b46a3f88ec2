/* EAL's start and its refusals, ethdev ports over virtual devices, the clock. */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ethdev.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/eal.h"
#include "port/ethdev.h"
#include "port/quirks.h"

#define MAX_ARGS 16

static struct rte_mempool *pool, *small_pool, *ind_pool;
static char err[256];

static int count_args(char **argv)
{
    int n = 0;

    while (argv[n] != NULL)
        n++;
    return n;
}

/* Starts EAL in a child, with DPDK's own messages put away; its sentence is in err. Returns what port_eal_init did. */
static int eal_in_child(char **argv)
{
    struct {
        int ret;
        char err[256];
    } result = {0};
    int fd[2], status;
    pid_t pid;

    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *out = freopen("/dev/null", "w", stderr), *quiet = freopen("/dev/null", "w", stdout);
        cpu_set_t before, after;

        sched_getaffinity(0, sizeof(before), &before);
        result.ret = port_eal_init(count_args(argv), argv, result.err, sizeof(result.err));
        sched_getaffinity(0, sizeof(after), &after);
        if (result.ret != 0 && !CPU_EQUAL(&before, &after))
            snprintf(result.err, sizeof(result.err), "affinity changed");
        _exit(write(fd[1], &result, sizeof(result)) == sizeof(result) && out != NULL && quiet != NULL ? 0 : 1);
    }
    close(fd[1]);
    assert_int_equal(read(fd[0], &result, sizeof(result)), sizeof(result));
    close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    memcpy(err, result.err, sizeof(err));
    return result.ret;
}

#define CHILD(...) eal_in_child((char *[]){"test", "--no-pci", "--no-shconf", "--no-telemetry", "-l", "0", __VA_ARGS__, NULL})

static void assert_says(const char *what)
{
    if (strstr(err, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err, what);
}

static void test_eal_without_hugepages_names_both_remedies(void **state)
{
    (void)state;
    /* a directory without a hugetlb file system is as good as no pages */
    assert_true(CHILD("--huge-dir", "/nonexistent") < 0);
    assert_says("no_huge=1");
}

static void test_eal_bad_argument(void **state)
{
    (void)state;
    assert_int_equal(CHILD("--no-huge", "--nonsense"), -EINVAL);
    assert_says("refuses its arguments");
}

static void test_eal_interface_missing(void **state)
{
    (void)state;
    assert_int_equal(CHILD("--no-huge", "-m", "64", "--vdev=net_af_packet0,iface=nowhere0"), -ENODEV);
    assert_says("device net_af_packet0 could not be created");
    assert_says("no network interface \"nowhere0\"");
}

static void test_eal_driver_missing(void **state)
{
    (void)state;
    assert_int_equal(CHILD("--no-huge", "-m", "64", "--vdev", "net_nosuch0"), -ENODEV);
    assert_says("device net_nosuch0 could not be created: DPDK has no driver for it");
    assert_int_equal(CHILD("--no-huge", "-m", "64", "--vdev", "net_null0", "--vdev=net_nosuch1,a=b"), -ENODEV);
    assert_says("net_nosuch1");
}

static void test_eal_unknown_device(void **state)
{
    (void)state;
    assert_int_equal(CHILD("--no-huge", "-m", "64", "--allow=foo"), -ENODEV);
    assert_says("allow=foo: no bus has a device of such a name: expected an address like 0000:03:00.0");
}

/* Its directory belongs to somebody else, or cannot be made: a program that is alone does without telemetry, others cannot meet. */
static void test_eal_without_its_directory(void **state)
{
    (void)state;
    setenv("RUNTIME_DIRECTORY", "/nonexistent", 1);
    assert_int_equal(eal_in_child((char *[]){"test", "--no-pci", "--no-shconf", "-l", "0", "--no-huge", "-m", "64", NULL}), 0);
    assert_true(eal_in_child((char *[]){"test", "--no-pci", "-l", "0", "--no-huge", "-m", "64", NULL}) < 0);
    assert_says("DPDK cannot write in /nonexistent/dpdk");
    unsetenv("RUNTIME_DIRECTORY");
}

static void test_eal_once_per_process(void **state)
{
    char *argv[] = {"test", NULL};

    (void)state;
    assert_int_equal(port_eal_init(1, argv, err, sizeof(err)), -EALREADY);
    assert_says("started already");
}

static void test_eal_ignores_sigpipe(void **state)
{
    struct sigaction sa;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, NULL, &sa), 0);
    assert_ptr_equal(sa.sa_handler, SIG_IGN);
}

static void test_eal_pins_the_caller(void **state)
{
    cpu_set_t cpus;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    assert_int_equal(CPU_COUNT(&cpus), 1);
    assert_true(CPU_ISSET(0, &cpus));
}

static void test_devargs(void **state)
{
    char v[8];

    (void)state;
    assert_true(port_devarg("iface=eth0,framesz=4096", "framesz", v, sizeof(v)));
    assert_string_equal(v, "4096");
    assert_true(port_devarg("iface=eth0,framesz=4096", "iface", v, sizeof(v)));
    assert_string_equal(v, "eth0");
    assert_false(port_devarg("xframesz=1,frame=2,framesz", "framesz", v, sizeof(v)));
    assert_false(port_devarg("iface=longer_than_8", "iface", v, sizeof(v)));
    assert_false(port_devarg("", "iface", v, sizeof(v)));
    assert_false(port_devarg(NULL, "iface", v, sizeof(v)));
}

static uint16_t port_id(const char *name)
{
    uint16_t id = UINT16_MAX;

    assert_int_equal(rte_eth_dev_get_port_by_name(name, &id), 0);
    return id;
}

static struct port *open_port(const char *name, uint16_t mtu, struct rte_mempool *rx)
{
    struct port_ethdev_conf c = {.port_id = port_id(name), .mtu = mtu, .rx_pool = rx, .linear_pool = pool};

    c.link_wait_ns = 1;
    return port_ethdev_open(&c, err, sizeof(err));
}

static void test_port_missing(void **state)
{
    struct port_ethdev_conf c = {.port_id = 17, .rx_pool = pool};

    (void)state;
    assert_null(port_ethdev_open(&c, err, sizeof(err)));
    assert_string_equal(err, "no DPDK port 17: there are 3, counted from 0; see port_list in config.ini");
}

static void test_mtu_too_small(void **state)
{
    (void)state;
    assert_null(open_port("net_null0", 60, pool));
    assert_says("(net_null): MTU 60 is not possible, at least 68");
}

static void test_receive_buffers_too_small(void **state)
{
    (void)state;
    assert_null(open_port("net_null0", 1500, small_pool));
    assert_says("(net_null): MTU 1500 needs receive buffers of 1522 bytes, but they have 512");
    assert_int_equal(port_ethdev_rx_room(port_id("net_null0"), 1500), 1522);
    assert_int_equal(port_ethdev_rx_room(port_id("net_ring0"), 1500), 2048);
}

/* A ring device that is its own peer: frames come back, as owned mbufs. */
static void test_ring_loops_frames(void **state)
{
    struct port *p = open_port("net_ring0", 0, pool);
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *payload = rte_pktmbuf_alloc(pool), *mi = rte_pktmbuf_alloc(ind_pool);
    struct rte_mbuf *got[4];
    struct counters ctr = {0};

    (void)state;
    assert_non_null(p);
    assert_int_equal(p->mtu, 1500);
    assert_string_equal(p->name, "net_ring0");
    assert_true(p->caps.tx_owned_only);
    assert_false(p->caps.rx_event);
    assert_true(p->ops->link_up(p));
    p->ctr = &ctr;
    memset(rte_pktmbuf_append(m, 54), 'h', 54);
    memset(rte_pktmbuf_append(payload, 100), 'p', 100);
    m->l2_len = 14;
    m->l3_len = 20;
    m->l4_len = 20;
    rte_pktmbuf_attach(mi, payload);
    rte_pktmbuf_chain(m, mi);
    assert_int_equal(port_tx(p, &m, 1), 1);
    assert_int_equal(ctr.v[CTR_TX_LINEARIZED], 1);
    assert_int_equal(ctr.v[CTR_COPY_PORT], 100);
    memset(rte_pktmbuf_mtod(payload, void *), '!', 100); /* not what was sent any more */
    assert_int_equal(port_rx(p, got, 4), 1);
    assert_int_equal(got[0]->pkt_len, 154);
    assert_int_equal(got[0]->ol_flags, 0);
    assert_int_equal(*rte_pktmbuf_mtod(got[0], char *), 'h');
    assert_int_equal(*rte_pktmbuf_mtod_offset(got[0], char *, 153), 'p');
    assert_int_equal(port_rx(p, got + 1, 3), 0);
    assert_int_equal(ctr.v[CTR_RX_PACKETS], 1);
    /* a frame that nobody else refers to crosses as it is; what its sender left in it does not count */
    got[0]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    pkt_meta(got[0])->flags = PKT_F_LOAN;
    assert_int_equal(port_tx(p, got, 1), 1);
    assert_int_equal(port_rx(p, got + 1, 3), 1);
    assert_ptr_equal(got[1], got[0]);
    assert_int_equal(got[1]->ol_flags, 0);
    assert_int_equal(pkt_meta(got[1])->flags, 0);
    assert_int_equal(ctr.v[CTR_TX_LINEARIZED], 1);
    rte_pktmbuf_free(got[1]);
    rte_pktmbuf_free(payload);
    assert_int_equal(p->ops->missed(p), 0);
    p->ops->reclaim(p);
    port_close(p);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static void test_full_device_ring_keeps_frames(void **state)
{
    struct port *p = open_port("net_ring1", 0, pool);
    struct rte_mbuf *m[64], *got[64];
    unsigned taken = 0, back = 0;
    uint16_t sent;

    (void)state;
    assert_non_null(p);
    do {
        assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 64), 0);
        for (int i = 0; i < 64; i++)
            memset(rte_pktmbuf_append(m[i], 60), 0, 60);
        sent = port_tx(p, m, 64);
        taken += sent;
    } while (sent == 64);
    assert_int_equal(taken, 1023);
    assert_int_equal(p->ctr->v[CTR_TX_PACKETS], taken);
    assert_int_equal(p->ctr->v[CTR_TX_RING_FULL], 1);
    rte_pktmbuf_free_bulk(m + sent, 64u - sent);
    while ((sent = port_rx(p, got, 64)) > 0) {
        rte_pktmbuf_free_bulk(got, sent);
        back += sent;
    }
    assert_int_equal(back, taken);
    port_close(p);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void test_null_device(void **state)
{
    struct port *p = open_port("net_null0", 0, pool);
    struct rte_mbuf *got[32];

    (void)state;
    assert_non_null(p);
    assert_null(open_port("net_null0", 0, pool));
    assert_says("(net_null) is in use already");
    assert_int_equal(port_rx(p, got, 32), 32);
    assert_int_equal(p->ctr->v[CTR_RX_BYTES], 32 * 64);
    assert_int_equal(port_tx(p, got, 32), 32);
    port_close(p);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void test_quirks(void **state)
{
    (void)state;
    assert_true(quirk_find("net_af_xdp")->no_chains);
    assert_true(quirk_find("net_af_xdp")->sends_rx_pool);
    assert_false(quirk_find("net_af_packet")->sends_rx_pool);
    assert_true(quirk_find("net_virtio_user")->no_external);
    assert_false(quirk_find("net_virtio")->no_external);
    assert_false(quirk_find("net_ice")->no_chains);
    assert_false(quirk_find(NULL)->no_chains);
}

/* af_packet says 1518 and refuses more; the slots decide, and the buffers must be as large. */
static void test_limits_of_ring_slots(void **state)
{
    const struct quirk *q = quirk_find("net_af_packet");
    struct rte_eth_dev_info info = {.driver_name = "net_af_packet", .max_rx_pktlen = 1518, .max_mtu = UINT16_MAX};
    struct port_limits l;

    (void)state;
    port_limits_get(&l, 1500, &info, q);
    assert_int_equal(l.max_mtu, 2048 - 32 - 14);
    assert_int_equal(l.configure_mtu, 1500);
    assert_int_equal(l.rx_room, 2016);
    assert_int_equal(port_limits_check(&l, 0, 1500, 2016, &info, q, err, sizeof(err)), 0);
    assert_int_equal(port_limits_check(&l, 0, 1500, 2015, &info, q, err, sizeof(err)), -EINVAL);
    assert_says("needs receive buffers of 2016 bytes");
    port_limits_get(&l, 2003, &info, q);
    assert_int_equal(l.configure_mtu, 1500);
    assert_int_equal(port_limits_check(&l, 0, 2003, 9000, &info, q, err, sizeof(err)), -EINVAL);
    assert_says("at most 2002: give the device a larger framesz= and blocksz= in devargs=");
}

/* memif says 1518 as well; a frame must fit one of its buffers, the receiver may chain. */
static void test_limits_of_memif(void **state)
{
    const struct quirk *q = quirk_find("net_memif");
    struct rte_eth_dev_info info = {.driver_name = "net_memif", .max_rx_pktlen = 1518, .max_mtu = UINT16_MAX};
    struct port_limits l;

    (void)state;
    port_limits_get(&l, 9000, &info, q);
    assert_int_equal(l.max_mtu, 2048 - 14);
    assert_int_equal(port_limits_check(&l, 0, 2034, 512, &info, q, err, sizeof(err)), 0);
    assert_int_equal(port_limits_check(&l, 0, 9000, 512, &info, q, err, sizeof(err)), -EINVAL);
    assert_says("at most 2034: give the device a larger bsize= in devargs=");
}

static void test_limits_of_a_nic(void **state)
{
    const struct quirk *q = quirk_find("net_ice");
    struct rte_eth_dev_info info = {.driver_name = "net_ice", .max_rx_pktlen = 9728, .max_mtu = 9702, .min_mtu = 68};
    struct port_limits l;

    (void)state;
    port_limits_get(&l, 9000, &info, q);
    assert_int_equal(l.max_mtu, 9702);
    assert_int_equal(l.configure_mtu, 9000);
    assert_int_equal(port_limits_check(&l, 0, 9703, 16384, &info, q, err, sizeof(err)), -EINVAL);
    assert_string_equal(err, "port 0 (net_ice): MTU 9703 is not possible, at most 9702");
    assert_int_equal(port_limits_check(&l, 0, 9000, 2048, &info, q, err, sizeof(err)), -EINVAL);
    assert_says("needs receive buffers of 9022 bytes, but they have 2048");
    assert_int_equal(port_limits_check(&l, 0, 9000, 9022, &info, q, err, sizeof(err)), 0);
    info.rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
    assert_int_equal(port_limits_check(&l, 0, 9000, 2048, &info, q, err, sizeof(err)), 0);
    info.min_rx_bufsize = 4096;
    assert_int_equal(port_limits_check(&l, 0, 9000, 2048, &info, q, err, sizeof(err)), -EINVAL);
}

static void test_clock_is_monotonic_and_keeps_time(void **state)
{
    uint64_t last = port_clock_ns(), start = last, wall = port_wallclock_ns(), clock, passed;
    struct timespec ts;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t now = port_clock_ns();

        assert_true(now >= last);
        last = now;
    }
    port_nap(20 * NS_PER_MS);
    clock = port_clock_ns() - start;
    passed = port_wallclock_ns() - wall;
    assert_true(clock >= 20 * NS_PER_MS);
    assert_in_range(clock, passed - passed / 100 - 100 * NS_PER_US, passed + passed / 100 + 100 * NS_PER_US);
    clock_gettime(CLOCK_REALTIME, &ts);
    assert_in_range(port_wallclock_ns() / NS_PER_SEC, (uint64_t)ts.tv_sec, (uint64_t)ts.tv_sec + 1);
}

static void test_entropy(void **state)
{
    uint8_t a[16] = {0}, b[16] = {0}, zero[16] = {0};

    (void)state;
    port_entropy(a, sizeof(a));
    port_entropy(b, sizeof(b));
    assert_memory_not_equal(a, zero, sizeof(a));
    assert_memory_not_equal(a, b, sizeof(a));
}

static int setup(void **state)
{
    char *argv[MAX_ARGS] = {"test", "--no-huge", "--no-pci",         "--no-shconf",      "--no-telemetry",  "-m", "64", "--log-level=1",
                            "-l",   "0",         "--vdev=net_ring0", "--vdev=net_ring1", "--vdev=net_null0"};

    (void)state;
    if (port_eal_init(count_args(argv), argv, err, sizeof(err)) != 0 || pkt_init() != 0) {
        fprintf(stderr, "%s\n", err);
        return -1;
    }
    pool = rte_pktmbuf_pool_create("frames", 4095, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    small_pool = rte_pktmbuf_pool_create("small", 127, 0, 0, 512 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", 127, 0, 0, 0, SOCKET_ID_ANY);
    return pool != NULL && small_pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest before_eal[] = {
        cmocka_unit_test(test_eal_without_hugepages_names_both_remedies),
        cmocka_unit_test(test_eal_bad_argument),
        cmocka_unit_test(test_eal_interface_missing),
        cmocka_unit_test(test_eal_unknown_device),
        cmocka_unit_test(test_eal_without_its_directory),
        cmocka_unit_test(test_eal_driver_missing),
        cmocka_unit_test(test_devargs),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eal_once_per_process),
        cmocka_unit_test(test_eal_ignores_sigpipe),
        cmocka_unit_test(test_eal_pins_the_caller),
        cmocka_unit_test(test_port_missing),
        cmocka_unit_test(test_mtu_too_small),
        cmocka_unit_test(test_receive_buffers_too_small),
        cmocka_unit_test(test_ring_loops_frames),
        cmocka_unit_test(test_full_device_ring_keeps_frames),
        cmocka_unit_test(test_null_device),
        cmocka_unit_test(test_quirks),
        cmocka_unit_test(test_limits_of_ring_slots),
        cmocka_unit_test(test_limits_of_memif),
        cmocka_unit_test(test_limits_of_a_nic),
        cmocka_unit_test(test_clock_is_monotonic_and_keeps_time),
        cmocka_unit_test(test_entropy),
    };
    int failed = cmocka_run_group_tests_name("before EAL", before_eal, NULL, NULL);

    return failed + cmocka_run_group_tests_name("with EAL", tests, setup, NULL);
}
