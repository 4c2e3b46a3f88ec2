/* config.ini: what DPDK is told: cores, processes, memory, devices. */
#include "conf_fixture.h"

static void test_bad_dpdk(void **state)
{
    (void)state;
    expect_error(
        "[dpdk]\nno_huge=1\nlcore_mask=3\n",
        "config.ini:3: [dpdk] lcore_mask: found \"3\", expected one core, or thread_mode=1, or no_huge=0: what processes share is in "
        "hugepages");
    expect_error("[dpdk]\nlcore_mask=0\n",
                 "config.ini:2: [dpdk] lcore_mask: found \"0\", expected a hexadecimal core mask like 1 (core 0) or 4 (core 2)");
    expect_error(
        "[dpdk]\nlcore_mask=10000000000000000\n",
        "config.ini:2: [dpdk] lcore_mask: found \"10000000000000000\", expected a hexadecimal core mask like 1 (core 0) or 4 (core 2)");
    expect_error("[dpdk]\nport_list=0,,1\n",
                 "config.ini:2: [dpdk] port_list: found \"0,,1\", expected at most 8 port numbers like 0 or 0-1,3");
    expect_error("[dpdk]\nport_list=3-1\n",
                 "config.ini:2: [dpdk] port_list: found \"3-1\", expected at most 8 port numbers like 0 or 0-1,3");
    expect_error("[dpdk]\nport_list=0-8\n",
                 "config.ini:2: [dpdk] port_list: found \"0-8\", expected at most 8 port numbers like 0 or 0-1,3");
    expect_error("[dpdk]\nno_huge=yes\n", "config.ini:2: [dpdk] no_huge: found \"yes\", expected 0 or 1");
    expect_error("[dpdk]\nmemory=1x\n", "config.ini:2: [dpdk] memory: found \"1x\", expected a number from 0 to 16777216");
    expect_error("[dpdk]\nmemory=-1\n", "config.ini:2: [dpdk] memory: found \"-1\", expected a number from 0 to 16777216");
    expect_error("[dpdk]\nfile_prefix=../x\n",
                 "config.ini:2: [dpdk] file_prefix: found \"../x\", expected at most 64 letters, digits, '-', '_' and '.'");
    expect_error("[dpdk]\nbase_virtaddr=7fq\n",
                 "config.ini:2: [dpdk] base_virtaddr: found \"7fq\", expected a hexadecimal address like 0x7f0000000000");
}

static void test_eal(void **state)
{
    (void)state;
    expect_eal(BASE, "-c 1 --iova-mode=va --in-memory");
    expect_eal(BASE "[dpdk]\nlcore_mask=0x4\nchannel=4\nmemory=512\nbase_virtaddr=0x7f0000000000\nfile_prefix=a\nlog_level=7\n",
               "-c 4 -n 4 -m 512 --base-virtaddr=0x7f0000000000 --iova-mode=va --file-prefix=container-a --log-level=7");
    expect_eal(BASE "[dpdk]\nno_huge=1\nmemory=77\n", "-c 1 --no-huge -m 77 --iova-mode=va --no-shconf");
    expect_eal(BASE "[dpdk]\nallow=02:00.0,class=eth,x=1,03:00.0\n",
               "-c 1 --iova-mode=va --in-memory --allow=02:00.0,class=eth,x=1 --allow=03:00.0");
    expect_eal(BASE "[dpdk]\nextra_eal_args=--iova-mode=pa --single-file-segments '--vdev=a b' \"\"\n",
               "-c 1 --in-memory --iova-mode=pa --single-file-segments --vdev=a b ");
    expect_eal(BASE "[vdev0]\ndevargs=net_af_packet0,iface=veth0\n",
               "-c 1 --iova-mode=va --in-memory --vdev=net_af_packet0,iface=veth0 --no-pci");
    expect_eal(BASE "[dpdk]\nallow=02:00.0\n[vdev1]\ndevargs=net_tap0\n",
               "-c 1 --iova-mode=va --in-memory --allow=02:00.0 --vdev=net_tap0");
    expect_eal(BASE "[dpdk]\nnb_vdev=1\n[vdev0]\npath=/run/v\nqueues=2\nmac=00:00:00:00:00:01\ncq=1\niface=tap0\n",
               "-c 1 --iova-mode=va --in-memory "
               "--vdev=net_virtio_user0,path=/run/v,iface=tap0,queues=2,queue_size=256,mac=00:00:00:00:00:01,cq=1 --no-pci");
    /* What the user says about EAL's files counts. */
    expect_eal(BASE "[dpdk]\nextra_eal_args=--huge-unlink\n", "-c 1 --iova-mode=va --huge-unlink");
    expect_eal(BASE "[dpdk]\nno_huge=1\nmemory=77\nextra_eal_args=--file-prefix=x\n",
               "-c 1 --no-huge -m 77 --iova-mode=va --file-prefix=x");
    expect_warning(BASE "[dpdk]\nnb_vdev=0\n[vdev0]\ndevargs=net_tap0\n", "config.ini:9: warning: [vdev0] is beyond nb_vdev=0; ignored");
    expect_error(BASE "[dpdk]\nnb_vdev=2\n[vdev0]\ndevargs=net_tap0\n",
                 "config.ini:8: [dpdk] nb_vdev: found \"2\", expected a section [vdev1] for the device");
    expect_error(
        BASE "[vdev0]\nmac=1\n",
        "config.ini: [vdev0] devargs: missing, expected a DPDK vdev like net_af_packet0,iface=veth0 (or path=, F-Stack's virtio_user)");
    expect_error(BASE "[vdev0]\npath=/run/v\nqueues=two\n", "config.ini:9: [vdev0] queues: found \"two\", expected a number");
    expect_error(BASE "[dpdk]\nextra_eal_args=\"a\n",
                 "config.ini:8: [dpdk] extra_eal_args: found \"\"a\", expected arguments with paired quotes");
}

/* Without hugepages and without memory=, -m covers the pools, however large they are made. */
static void test_eal_memory(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, BASE "[dpdk]\nno_huge=1\n[zstack]\nrx_buffers=100000\n"), 0);
    assert_string_equal(c.eal_argv[4], "-m");
    assert_true(atoi(c.eal_argv[5]) > 100000 / 1024 * 2304 / 1024 + 20);
    conf_free(&c);
    /* receive buffers will hold a whole jumbo frame */
    assert_int_equal(parse(&c, BASE "mtu=9000\n[dpdk]\nno_huge=1\n[zstack]\nrx_buffers=10000\n"), 0);
    assert_true(atoi(c.eal_argv[5]) > 10000 * 9000 / 1000000 + 20);
    conf_free(&c);
}

static int process(struct conf *c, const char *dpdk, const char *type, int id, char err[256])
{
    char text[512];
    int r;

    snprintf(text, sizeof(text), "[dpdk]\nport_list=0\n%s" PORT, dpdk);
    assert_int_equal(parse(c, text), 0);
    r = conf_set_process(c, type, id, err, 256);
    if (r != 0)
        conf_free(c);
    return r;
}

static void expect_no_process(const char *dpdk, const char *type, int id, const char *what)
{
    struct conf c;
    char err[256] = "";

    assert_int_equal(process(&c, dpdk, type, id, err), -1);
    assert_string_equal(err, what);
}

/* A process for each core: its number names the core, and EAL hears whether it is the first. */
static void test_processes(void **state)
{
    struct conf c;
    char err[256];

    (void)state;
    assert_int_equal(process(&c, "lcore_mask=52\nfile_prefix=x\n", "secondary", 2, err), 0);
    assert_true(c.procs && c.secondary);
    assert_int_equal(conf_members(&c), 3);
    assert_int_equal(conf_stacks(&c), 1);
    assert_string_equal(c.eal_argv[1], "-c");
    assert_string_equal(c.eal_argv[2], "40");
    assert_string_equal(c.eal_argv[c.eal_argc - 1], "--proc-type=secondary");
    assert_null(c.eal_argv[c.eal_argc]);
    for (int i = 0; i < c.eal_argc; i++)
        assert_string_not_equal(c.eal_argv[i], "--in-memory");
    conf_free(&c);
    assert_int_equal(process(&c, "lcore_mask=6\n", "auto", -1, err), 0);
    assert_true(c.procs && !c.secondary);
    assert_string_equal(c.eal_argv[2], "2");
    assert_string_equal(c.eal_argv[c.eal_argc - 1], "--proc-type=primary");
    conf_free(&c);
    assert_int_equal(process(&c, "lcore_mask=6\n", "auto", 1, err), 0);
    assert_true(c.secondary);
    assert_string_equal(c.eal_argv[2], "4");
    conf_free(&c);
    /* one core, or threads: a process is alone */
    assert_int_equal(process(&c, "lcore_mask=4\n", "primary", 0, err), 0);
    assert_true(!c.procs && c.proc_id == 0);
    assert_string_equal(c.eal_argv[2], "4");
    conf_free(&c);
    assert_int_equal(process(&c, "lcore_mask=6\nthread_mode=1\n", "auto", -1, err), 0);
    assert_false(c.procs);
    assert_string_equal(c.eal_argv[2], "6");
    conf_free(&c);

    assert_int_equal(conf_load(&c, SOURCE_ROOT "/examples/procs.ini", "prog", hear, &said), 0);
    assert_true(c.procs);
    assert_int_equal(said.n, 0);
    conf_free(&c);

    expect_no_process("lcore_mask=6\n", "third", 0, "--proc-type: found \"third\", expected primary, secondary or auto");
    expect_no_process("lcore_mask=6\n", "secondary", -1, "--proc-type=secondary: expected --proc-id=1 to 1 beside it");
    expect_no_process("lcore_mask=6\n", "secondary", 2, "--proc-id: found 2, but lcore_mask has 2 cores: 0 to 1");
    expect_no_process("lcore_mask=6\n", "primary", 1, "--proc-id: found 1, expected 0 with --proc-type=primary");
    expect_no_process("lcore_mask=2\n", "secondary", 1,
                      "--proc-type=secondary: config.ini makes one process: give lcore_mask a bit for each");
    expect_no_process("lcore_mask=1\n", "auto", 3, "--proc-id: found 3, but config.ini makes one process: give lcore_mask a bit for each");
    expect_no_process("lcore_mask=3\nthread_mode=1\n", "primary", 1,
                      "--proc-id: found 1, but config.ini makes one process: give lcore_mask a bit for each, and leave thread_mode out");
    expect_no_process("lcore_mask=3\nthread_mode=1\n", "secondary", 1,
                      "--proc-type=secondary: config.ini makes one process: give lcore_mask a bit for each, and leave thread_mode out");
}

static void test_too_many_eal_args(void **state)
{
    char text[1024] = BASE "[dpdk]\nextra_eal_args=";

    (void)state;
    for (int i = 0; i < CONF_MAX_EAL_ARGS; i++)
        strcat(text, "a ");
    expect_error(text, "config.ini: more than 64 arguments for EAL (allow, vdevs, extra_eal_args)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_dpdk),          cmocka_unit_test(test_eal),
        cmocka_unit_test(test_eal_memory),        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_too_many_eal_args),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
