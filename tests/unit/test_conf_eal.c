/* The argument list of a configuration starts EAL, and the memory it asks for without hugepages holds the pools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>

#include "core/conf.h"
#include "pkt/pkt.h"

static void hear(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

static void test_start(void **state)
{
    char text[1024];
    struct conf c;
    struct pkt_pools pools;

    (void)state;
    snprintf(
        text, sizeof(text),
        "[dpdk]\nlcore_mask=1\nport_list=0\nno_huge=1\nlog_level=3\nfile_prefix=test-conf-%d\nextra_eal_args=--no-shconf --no-telemetry\n"
        "[vdev0]\ndevargs=net_ring0\n[port0]\naddr=10.0.0.2\nnetmask=255.255.255.0\n"
        "[zstack]\nrx_buffers=20000\napp_buffers_64k=300\ntx_indirect=40000\n",
        (int)getpid());
    assert_int_equal(conf_parse(&c, text, strlen(text), "config.ini", "prog", hear, NULL), 0);
    assert_true(rte_eal_init(c.eal_argc, c.eal_argv) >= 0);
    assert_int_equal(pkt_init(), 0);
    assert_int_equal(pkt_pools_create(&pools, "t", &c.stack.pools, NULL, 0), 0);
    pkt_pools_free(&pools);
    assert_int_equal(rte_eal_cleanup(), 0);
    rmdir(rte_eal_get_runtime_dir()); /* named after this process: it would stay for ever */
    conf_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_start)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
