/* In a sanitizer build a freed buffer is poisoned inside its pool, header and payload: a use after free is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>

#include "pkt/pkt.h"

static struct pkt_pools pools;

/* Exit status of a child that runs body; what the sanitizer says goes nowhere. */
static int in_child(void (*body)(struct rte_mbuf *m), struct rte_mempool *mp)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        body(rte_pktmbuf_alloc(mp));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void no_bug(struct rte_mbuf *m)
{
    volatile uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

    p[0] = 1;
    rte_pktmbuf_free(m);
}

static void payload_after_free(struct rte_mbuf *m)
{
    volatile uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

    rte_pktmbuf_free(m);
    p[0] = 1;
}

static void header_after_free(struct rte_mbuf *m)
{
    volatile uint16_t *len = &m->data_len;

    rte_pktmbuf_free(m);
    (void)*len;
}

static void freed_twice(struct rte_mbuf *m)
{
    rte_pktmbuf_free(m);
    rte_pktmbuf_free(m);
}

static void test_reported(void **state)
{
    struct rte_mempool *mp[] = {pools.rx, pools.hdr, pools.app[0]};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(in_child(no_bug, mp[i]));
        assert_false(in_child(payload_after_free, mp[i]));
        assert_false(in_child(header_after_free, mp[i]));
        assert_false(in_child(freed_twice, mp[i]));
    }
}

/* Taken again it may be used again, and a pool that is gone leaves no poison behind. */
static void test_reused(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        no_bug(rte_pktmbuf_alloc(pools.rx));
    assert_int_equal(pkt_pools_in_use(&pools), 0);
}

int main(void)
{
    char *argv[] = {(char *)"test", (char *)"--no-huge", (char *)"--no-pci", (char *)"--no-shconf", (char *)"-m", (char *)"64",
                    (char *)"--log-level=3", (char *)"--no-telemetry"};
    const struct pkt_pool_sizes sizes = {.rx = 64, .rx_room_bytes = 2048, .hdr = 64, .ind = 64, .app = {16, 4, 2}};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reported), cmocka_unit_test(test_reused)};
    int failed;

    if (rte_eal_init(8, argv) < 0 || pkt_init() != 0 || pkt_pools_create(&pools, "asan", &sizes, NULL, SOCKET_ID_ANY) != 0)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pkt_pools_free(&pools);
    rte_eal_cleanup();
    return failed;
}
