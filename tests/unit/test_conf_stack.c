/* config.ini: what the stack is told, by our names and by FreeBSD's; its defaults. */
#include "conf_fixture.h"

#include "tcp/cc.h"

static void test_freebsd(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c,
                           BASE "[freebsd.boot]\nfd_reserve=0\nmemsz_MB=256\nkern.ipc.maxsockets=1000\n[freebsd.sysctl]\n"
                                "kern.ipc.somaxconn=32768\nnet.inet.tcp.sendspace=16384\nnet.inet.tcp.recvspace=8192\n"
                                "net.inet.tcp.sendbuf_max=16777216\nnet.inet.tcp.recvbuf_max=1m\nnet.inet.tcp.sendbuf_auto=0\n"
                                "net.inet.tcp.recvbuf_auto=0\nnet.inet.tcp.msl=2000\nnet.inet.tcp.delayed_ack=0\n"
                                "net.inet.tcp.sack.enable=0\nnet.inet.tcp.rfc1323=2\nnet.inet.tcp.keepidle=600000\n"
                                "net.inet.tcp.keepintvl=1000\nnet.inet.tcp.keepcnt=3\nnet.inet.ip.ttl=32\n"
                                "net.inet.ip.portrange.first=20000\nnet.inet.ip.portrange.last=30000\n"
                                "net.inet.tcp.cc.algorithm=newreno\nnet.inet.tcp.ecn.enable=1\nnet.inet.tcp.functions_default=freebsd\n"),
                     0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.stack.fd_reserve, 0);
    assert_int_equal(c.stack.max_sockets, 1000);
    assert_int_equal(c.stack.somaxconn, 32768);
    assert_int_equal(c.stack.sndbuf_bytes, 16384);
    assert_int_equal(c.stack.rcvbuf_bytes, 8192);
    assert_int_equal(c.stack.sndbuf_max_bytes, 16777216);
    assert_int_equal(c.stack.rcvbuf_max_bytes, 1048576);
    assert_false(c.stack.sndbuf_auto);
    assert_false(c.stack.rcvbuf_auto);
    assert_int_equal(c.stack.msl_ns, 2 * NS_PER_SEC);
    assert_int_equal(c.stack.delack_ns, 0);
    assert_false(c.stack.sack);
    assert_true(c.stack.window_scaling);
    assert_false(c.stack.timestamps);
    assert_int_equal(c.stack.keepidle_ns, 600 * NS_PER_SEC);
    assert_int_equal(c.stack.keepintvl_ns, NS_PER_SEC);
    assert_int_equal(c.stack.keepcnt, 3);
    assert_int_equal(c.stack.ttl, 32);
    assert_int_equal(c.stack.port_first, 20000);
    assert_int_equal(c.stack.port_last, 30000);
    assert_string_equal(c.stack.cc->name, "reno");
    assert_int_equal(c.stack.ecn, 2);
    conf_free(&c);
    expect_error(BASE "[freebsd.sysctl]\nnet.inet.tcp.cc.algorithm=cubik\n",
                 "config.ini:8: [freebsd.sysctl] net.inet.tcp.cc.algorithm: found \"cubik\", expected cubic, reno (newreno), bbr or dctcp");
    expect_error(
        BASE "[freebsd.sysctl]\nnet.inet.tcp.rfc1323=10\n",
        "config.ini:8: [freebsd.sysctl] net.inet.tcp.rfc1323: found \"10\", expected 0 (off), 1 (window scaling and timestamps), 2 "
        "(window scaling) or 3 (timestamps)");
}

static void test_zstack(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(
        parse(
            &c, BASE
            "[zstack]\nconn_memory=64m\nrx_buffers=1024\nloan_quota=1M\nttl=9\nsack=0\nrto_min_ms=50\nrto_max_ms=60000\n"
            "poll_thread=1\nwait_in_run=1\nseed=18446744073709551615\nmax_connections=500\nmax_timewait=600\nport_first=1\ncopy_break=0\n"),
        0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.stack.conn_memory_bytes, 64 * MIB);
    assert_int_equal(c.stack.pools.rx, 1024);
    assert_int_equal(c.stack.loan_quota_bytes, MIB);
    assert_int_equal(c.stack.ttl, 9);
    assert_false(c.stack.sack);
    assert_int_equal(c.stack.rto_min_ns, 50 * NS_PER_MS);
    assert_int_equal(c.stack.rto_max_ns, 60 * NS_PER_SEC);
    assert_true(c.poll_thread);
    assert_true(c.stack.wait_in_run);
    assert_true(c.stack.seed == UINT64_MAX);
    assert_int_equal(c.stack.max_timewait, 600);
    assert_int_equal(c.stack.copy_break_bytes, 0);
    /* the shares follow the pool: 1024 buffers of 128 + 128 + 2048 bytes */
    assert_int_equal(c.stack.loan_limit_bytes, 1024 * 2304 / 2);
    assert_int_equal(c.stack.rcv_limit_bytes, 1024 * 2304 / 8 * 3);
    conf_free(&c);
}

static void test_zstack_bad(void **state)
{
    struct conf c;

    (void)state;
    expect_error(BASE "[zstack]\nconn_memory=1\n",
                 "config.ini:8: [zstack] conn_memory: found \"1\", expected a size from 16m to 64g, like 65536, 64k or 1m");
    expect_error(
        BASE "[zstack]\nconn_memory=99999999999999999999g\n",
        "config.ini:8: [zstack] conn_memory: found \"99999999999999999999g\", expected a size from 16m to 64g, like 65536, 64k or 1m");
    expect_error(BASE "[zstack]\nrto_min_ms=0\n",
                 "config.ini:8: [zstack] rto_min_ms: found \"0\", expected a number from 1 to 60000 (milliseconds)");
    expect_error(BASE "[zstack]\nrto_min_ms=5000\nrto_max_ms=4000\n",
                 "config.ini:9: [zstack] rto_max_ms: found \"4000\", expected rto_min_ms <= rto_max_ms");
    expect_error(
        BASE "[zstack]\nport_last=999\n",
        "config.ini:8: [zstack] port_last: found \"999\", expected a first ephemeral port that is not above the last one (10000 to 999)");
    expect_error(
        BASE "[zstack]\nloan_limit=1g\n",
        "config.ini:8: [zstack] loan_limit: found \"1g\", expected loan_limit and rcv_limit together at most 16128k, 7/8 of the 8192 "
        "receive buffers (rx_buffers)");
    expect_error(BASE "[zstack]\ndelack_ms=500\n",
                 "config.ini:8: [zstack] delack_ms: found \"500\", expected a number from 0 to 499 (milliseconds)");
    /* one share given: the other one gives way */
    assert_int_equal(parse(&c, BASE "[zstack]\nloan_limit=15m\n"), 0);
    assert_int_equal(c.stack.loan_limit_bytes, 15 * MIB);
    assert_int_equal(c.stack.rcv_limit_bytes, (16128 - 15 * 1024) * 1024);
    conf_free(&c);
}

/* Retransmissions of a SYN go on for at least three minutes (RFC 9293 3.8.3, MUST-23); of data 100 s (SHLD-11). */
static void test_default_r2(void **state)
{
    struct stack_conf s;
    uint64_t syn_ns = 0, data_ns = 0, rto;

    (void)state;
    stack_conf_init(&s);
    rto = s.rto_initial_ns;
    for (uint32_t i = 0; i <= s.syn_retries; i++, rto *= 2)
        syn_ns += MIN(rto, s.rto_max_ns);
    rto = s.rto_min_ns;
    for (uint32_t i = 0; i <= s.data_retries; i++, rto *= 2)
        data_ns += MIN(rto, s.rto_max_ns);
    assert_true(syn_ns >= 180 * NS_PER_SEC);
    assert_true(data_ns >= 100 * NS_PER_SEC);
    assert_true(s.keepidle_ns >= 7200 * NS_PER_SEC); /* MUST-28 */
    assert_true(s.delack_ns < 500 * NS_PER_MS);      /* MUST-40 */
    assert_true(s.rto_max_ns >= 60 * NS_PER_SEC);    /* RFC 6298 (2.5) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freebsd),
        cmocka_unit_test(test_zstack),
        cmocka_unit_test(test_zstack_bad),
        cmocka_unit_test(test_default_r2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
