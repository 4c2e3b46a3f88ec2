/* config.ini: what is read, what each mistake is answered with, and that docs/CONFIG.md has every key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "core/conf_priv.h"
#include "tcp/cc.h"

#define MAX_LINES 64

struct said {
    unsigned n;
    char line[MAX_LINES][900];
};

static void hear(void *arg, const char *line)
{
    struct said *s = arg;

    assert_null(strchr(line, '\n'));
    if (s->n < MAX_LINES)
        snprintf(s->line[s->n], sizeof(s->line[0]), "%s", line);
    s->n++;
}

static struct said said;

static int parse(struct conf *c, const char *text)
{
    said.n = 0;
    return conf_parse(c, text, strlen(text), "config.ini", "prog", hear, &said);
}

/* The smallest file that is complete. */
#define DPDK "[dpdk]\nlcore_mask=1\nport_list=0\n"
#define PORT "[port0]\naddr=10.0.0.2\nnetmask=255.255.255.0\n"
#define BASE DPDK PORT

static void expect_error(const char *text, const char *line)
{
    struct conf c;

    assert_int_equal(parse(&c, text), -1);
    assert_int_equal(said.n, 1);
    assert_string_equal(said.line[0], line);
    assert_int_equal(c.eal_argc, 0);
}

static void expect_warning(const char *text, const char *line)
{
    struct conf c;

    assert_int_equal(parse(&c, text), 0);
    assert_int_equal(said.n, 1);
    assert_string_equal(said.line[0], line);
    conf_free(&c);
}

static void expect_silence(const char *text)
{
    struct conf c;

    assert_int_equal(parse(&c, text), 0);
    if (said.n != 0)
        fail_msg("%s", said.line[0]);
    conf_free(&c);
}

/* The EAL arguments after the program's name, joined by spaces. */
static void expect_eal(const char *text, const char *args)
{
    char buf[4096] = "";
    struct conf c;

    if (parse(&c, text) != 0)
        fail_msg("%s", said.line[0]);
    assert_string_equal(c.eal_argv[0], "prog");
    assert_null(c.eal_argv[c.eal_argc]);
    for (int i = 1; i < c.eal_argc; i++) {
        strcat(buf, i > 1 ? " " : "");
        strcat(buf, c.eal_argv[i]);
    }
    assert_string_equal(buf, args);
    conf_free(&c);
}

static void test_smallest(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, BASE), 0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.lcore_mask, 1);
    assert_int_equal(c.n_ports, 1);
    assert_int_equal(c.port[0].port_id, 0);
    assert_string_equal(c.port[0].if_name, "f-stack-0");
    assert_int_equal(c.port[0].n_addrs, 1);
    assert_int_equal(c.port[0].addr[0].addr, 0x0a000002);
    assert_int_equal(c.port[0].addr[0].mask, 0xffffff00);
    assert_int_equal(c.port[0].addr[0].broadcast, 0x0a0000ff);
    assert_int_equal(c.port[0].gateway, 0);
    assert_int_equal(c.port[0].mtu, 0);
    assert_true(c.promiscuous);
    assert_true(c.numa_on);
    assert_false(c.no_huge);
    assert_false(c.procs);
    assert_int_equal(c.stack.fd_reserve, 1024);
    conf_free(&c);
}

static void test_port_keys(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, "[port3]\naddr=192.168.7.1\nnetmask=255.255.255.252\nif_name=eno7\nmtu=9000\n"
                               "[dpdk]\nlcore_mask=0x10\nport_list=0,3\n" PORT
                               "broadcast=10.0.0.255\ngateway=10.0.0.1\nvip_addr=10.0.0.3; 10.1.0.4 ;not read\n[zstack]\nmtu=1400\n"),
                     0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.lcore_mask, 16);
    assert_int_equal(c.n_ports, 2);
    assert_int_equal(c.port[0].n_addrs, 3);
    assert_int_equal(c.port[0].addr[1].addr, 0x0a000003);
    assert_int_equal(c.port[0].addr[1].mask, 0xffffffff);
    assert_int_equal(c.port[0].addr[2].addr, 0x0a010004);
    assert_int_equal(c.port[0].gateway, 0x0a000001);
    assert_int_equal(c.port[0].mtu, 1400);
    assert_int_equal(c.port[1].port_id, 3);
    assert_string_equal(c.port[1].if_name, "eno7");
    assert_int_equal(c.port[1].mtu, 9000);
    assert_int_equal(c.port[1].addr[0].broadcast, 0xc0a80703);
    conf_free(&c);
}

/* Ports of our own beside those of DPDK: the number of a port is DPDK's unless the port has tap=. */
static void test_tap(void **state)
{
    static const char name[] = "expected an interface name of at most 15 letters, digits, '-', '_' and '.'";
    static const char addrs[] = "expected addresses like 10.0.0.1/24;2001:db8::1/64";
    static const char *const bad_names[] = {"", "0123456789abcdef", "a b", "a/b", "a%d", "..", "-x", "a:1"};
    static const char *const bad_addrs[] = {"10.0.0.1",        "10.0.0.1/33", "10.0.0.1/0", "10.0.0/24",
                                            "2001:db8::1/129", "fe80::1/0",   "/24",        "x/1"};
    char text[512], line[512];
    struct inaddr v6;
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, "[dpdk]\nlcore_mask=1\nport_list=0,5\n" PORT "addr6=2001:db8::2\ntap=ztap0\n"
                               "tap_addr=10.0.0.1/24;2001:db8::1/64;\n[port5]\naddr=10.1.0.2\nnetmask=255.255.255.0\n"),
                     0);
    assert_int_equal(said.n, 0);
    assert_string_equal(c.port[0].tap, "ztap0");
    assert_int_equal(c.port[0].n_tap_addrs, 2);
    assert_int_equal(inaddr_to_v4(&c.port[0].tap_addr[0].addr), 0x0a000001);
    assert_int_equal(c.port[0].tap_addr[0].plen, 96 + 24);
    assert_true(conf_get_ipv6("2001:db8::1", &v6) && inaddr_eq(&c.port[0].tap_addr[1].addr, &v6));
    assert_int_equal(c.port[0].tap_addr[1].plen, 64);
    assert_string_equal(c.port[1].tap, "");
    assert_int_equal(c.port[1].port_id, 5);
    conf_free(&c);
    expect_eal(BASE "tap=ztap0\n", "-c 1 --iova-mode=va --in-memory --no-pci"); /* no bus to search */
    expect_eal(BASE "tap=ztap0\n[dpdk]\nport_list=0,1\n[port1]\naddr=10.1.0.2\nnetmask=255.0.0.0\n", "-c 1 --iova-mode=va --in-memory");
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        snprintf(text, sizeof(text), BASE "tap=%s\n", bad_names[i]);
        snprintf(line, sizeof(line), "config.ini:7: [port0] tap: found \"%s\", %s", bad_names[i], name);
        expect_error(text, line);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_addrs); i++) {
        snprintf(text, sizeof(text), BASE "tap=t\ntap_addr=10.0.0.1/24;%s\n", bad_addrs[i]);
        snprintf(line, sizeof(line), "config.ini:8: [port0] tap_addr: found \"10.0.0.1/24;%s\", %s", bad_addrs[i], addrs);
        expect_error(text, line);
    }
    expect_error(BASE "tap_addr=10.0.0.1/24\n", "config.ini: [port0] tap: missing, expected a name for the interface that tap_addr is of");
    expect_error(
        BASE "tap=t\ntap_addr=10.0.0.2/24\n",
        "config.ini:8: [port0] tap_addr: found \"10.0.0.2/24\", expected addresses of the kernel's end, other than the port's own");
    expect_error(
        BASE "tap=t\ntap_addr=10.0.0.1/8;10.0.0.3/8;10.0.0.4/8;10.0.0.5/8;10.0.0.6/8;10.0.0.7/8;10.0.0.8/8;10.0.0.9/8;10.0.0.10/8\n",
        "config.ini:8: [port0] tap_addr: found \"10.0.0.1/8;10.0.0.3/8;10.0.0.4/8;10.0.0.5/8;10.0.0.6/8;10.0.0.7/8;10.0.0.8/8;10.\""
        "..., expected at most 8 addresses");
}

static void test_point_to_point_mask(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, DPDK "[port0]\naddr=10.0.0.0\nnetmask=255.255.255.254\ngateway=10.0.0.1\n"), 0);
    assert_int_equal(c.port[0].gateway, 0x0a000001);
    conf_free(&c);
}

static void test_syntax(void **state)
{
    struct conf c;

    (void)state;
    /* byte order mark, CR LF, spaces, both separators, comments, no newline at the end */
    assert_int_equal(parse(&c, "\xef\xbb\xbf; first\r\n [ dpdk ] \r\n\tlcore_mask : 2  # core 1\r\nport_list = 0\t; one\r\n"
                               "[port0]\r\naddr=10.0.0.2\r\nnetmask=255.0.0.0\r\n#x\r\nif_name=a;b#c"),
                     0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.lcore_mask, 2);
    assert_string_equal(c.port[0].if_name, "a;b#c");
    conf_free(&c);
    /* the last one of two wins */
    assert_int_equal(parse(&c, BASE "addr=10.0.0.9\n"), 0);
    assert_int_equal(c.port[0].addr[0].addr, 0x0a000009);
    conf_free(&c);
    expect_error("[dpdk\n", "config.ini:1: found \"[dpdk\", expected a section like [dpdk]");
    expect_error("[]\n", "config.ini:1: found \"[]\", expected a section like [dpdk]");
    expect_error("\n\nlcore_mask=1\n", "config.ini:3: found \"lcore_mask=1\" before any section, expected [dpdk] first");
    expect_error("[dpdk]\nlcore_mask\n", "config.ini:2: found \"lcore_mask\", expected [section], key=value or # comment");
    expect_error("[dpdk]\n=1\n", "config.ini:2: found \"=1\", expected [section], key=value or # comment");
    said.n = 0;
    assert_int_equal(conf_parse(&c, "[dpdk]\n\0x\n", 10, "c", "p", hear, &said), -1);
    assert_string_equal(said.line[0], "c:2: found a zero byte, expected text");
    /* what a file holds cannot break a message into lines or colours */
    expect_error("[dpdk]\nlcore_mask=\x1b[31m\n",
                 "config.ini:2: [dpdk] lcore_mask: found \"?[31m\", expected a hexadecimal core mask like 1 (core 0) or 4 (core 2)");
}

static void test_missing(void **state)
{
    (void)state;
    expect_error("", "config.ini: [dpdk] lcore_mask: missing, expected a hexadecimal core mask like 1");
    expect_error("[dpdk]\nlcore_mask=1\n", "config.ini: [dpdk] port_list: missing, expected port numbers like 0");
    expect_error(DPDK, "config.ini: [port0]: missing, expected this section because [dpdk] port_list has port 0");
    expect_error(DPDK "[port0]\nnetmask=255.0.0.0\n", "config.ini: [port0] addr: missing, expected an IPv4 address like 10.0.0.2");
    expect_error(DPDK "[port0]\naddr=10.0.0.2\n", "config.ini: [port0] netmask: missing, expected a mask like 255.255.255.0");
}

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

static void test_bad_port(void **state)
{
    (void)state;
    expect_error(DPDK "[port0]\naddr=10.0.0.300\n",
                 "config.ini:5: [port0] addr: found \"10.0.0.300\", expected an IPv4 address like 10.0.0.2");
    expect_error(DPDK "[port0]\naddr=224.0.0.1\n",
                 "config.ini:5: [port0] addr: found \"224.0.0.1\", expected an address that a host may have, like 10.0.0.2");
    expect_error(DPDK "[port0]\naddr=10.0.0.2\nnetmask=255.255.225.0\n",
                 "config.ini:6: [port0] netmask: found \"255.255.225.0\", expected a mask of leading one bits like 255.255.255.0");
    expect_error(DPDK "[port0]\naddr=10.0.0.255\nnetmask=255.255.255.0\n",
                 "config.ini:5: [port0] addr: found \"10.0.0.255\", expected a host address, not the network's or its broadcast address "
                 "(netmask 255.255.255.0)");
    expect_error(
        BASE "broadcast=10.0.0.256\n",
        "config.ini:7: [port0] broadcast: found \"10.0.0.256\", expected 10.0.0.255, the broadcast address of 10.0.0.2 with netmask "
        "255.255.255.0");
    expect_error(
        BASE "broadcast=10.0.255.255\n",
        "config.ini:7: [port0] broadcast: found \"10.0.255.255\", expected 10.0.0.255, the broadcast address of 10.0.0.2 with netmask "
        "255.255.255.0");
    expect_error(BASE "gateway=10.0.1.1\n",
                 "config.ini:7: [port0] gateway: found \"10.0.1.1\", expected another host on the subnet of 10.0.0.2 with netmask "
                 "255.255.255.0");
    expect_error(BASE "gateway=10.0.0.2\n",
                 "config.ini:7: [port0] gateway: found \"10.0.0.2\", expected another host on the subnet of 10.0.0.2 with netmask "
                 "255.255.255.0");
    expect_error(BASE "vip_addr=10.0.0.3;10.0.0\n",
                 "config.ini:7: [port0] vip_addr: found \"10.0.0.3;10.0.0\", expected IPv4 addresses like 10.0.0.3;10.0.0.4");
    expect_error(BASE "vip_addr=10.0.0.2\n", "config.ini:7: [port0] vip_addr: found \"10.0.0.2\", expected every address once");
    expect_error(BASE "mtu=575\n", "config.ini:7: [port0] mtu: found \"575\", expected a number from 576 to 65280");
    expect_error(BASE "if_name=0123456789abcdef\n",
                 "config.ini:7: [port0] if_name: found \"0123456789abcdef\", expected a name of at most 15 characters");
    expect_error("[dpdk]\nlcore_mask=1\nport_list=0-1\n" PORT "[port1]\naddr=10.0.0.2\nnetmask=255.0.0.0\n",
                 "config.ini: [port0] and [port1]: found 10.0.0.2 in both, expected every address once");
    expect_silence(BASE "broadcast=0.0.0.0\ngateway=0.0.0.0\n");
}

static void test_too_many_vips(void **state)
{
    char text[4096] = BASE "vip_addr=";

    (void)state;
    for (int i = 0; i < NETIF_MAX_ADDRS; i++)
        sprintf(text + strlen(text), "10.0.1.%d;", i + 1);
    strcat(text, "\n");
    assert_int_equal(parse(&(struct conf){0}, text), -1);
    assert_non_null(strstr(said.line[0], "expected at most 63 addresses"));
}

static void test_warnings(void **state)
{
    (void)state;
    expect_warning(BASE "colour=red\n", "config.ini:7: warning: [port0] unknown key \"colour\"; ignored");
    expect_warning(BASE "[zsatck]\nburst=3\n", "config.ini:7: warning: unknown section [zsatck]; ignored");
    expect_error(BASE "addr6=ff02::2\n", "config.ini:7: [port0] addr6: found \"ff02::2\", expected an IPv6 address like 2001:db8::2");
    expect_silence(BASE "[freebsd.boot]\nkern.features.inet6=1\n[freebsd.sysctl]\nnet.inet6.ip6.forwarding=0\n");
    expect_warning(BASE "[dpdk]\npkt_tx_delay=100\n",
                   "config.ini:8: warning: [dpdk] pkt_tx_delay: ignored, packets are sent without delay");
    expect_warning(BASE "[port1]\naddr=10.0.0.300\n", "config.ini:7: warning: [port1] is not in [dpdk] port_list; ignored");
    expect_warning(BASE "[kni]\nenable=1\n", "config.ini:8: warning: [kni] enable: not there yet; ignored");
    expect_warning(BASE "[freebsd.sysctl]\nnet.inet.tcp.cc.algorithm=htcp\n",
                   "config.ini:8: warning: [freebsd.sysctl] net.inet.tcp.cc.algorithm: there is no htcp here, cubic is used");
    expect_silence(BASE "[kni]\nenable=0\nmethod=reject\n[pcap]\nenable=0\nsnaplen=96\n[dpdk]\ntso=1\nsymmetric_rss=1\npkt_tx_delay=0\n");
}

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
    /* one core, or threads: a process is alone, whatever its number */
    assert_int_equal(process(&c, "lcore_mask=4\n", "primary", 3, err), 0);
    assert_true(!c.procs && c.proc_id == 3);
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

static void test_ipv6_and_routes(void **state)
{
    const struct inaddr ll = {.b = {0xfe, 0x80, [15] = 1}};
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, BASE
                           "addr6=2001:db8::2\nprefix_len=48\ngateway6=fe80::1\nvip_addr6=2001:db8::3; 2001:db8:0:1::4\n"
                           "routes=10.1.0.0/16 via 10.0.0.7, default via 10.0.0.9 metric 5 ,2001:db8:1::/48 via fe80::1,10.9.0.0/24\n"),
                     0);
    assert_int_equal(said.n, 0);
    assert_int_equal(c.port[0].n_addrs6, 3);
    assert_int_equal(c.port[0].addr6[0].plen, 48);
    assert_int_equal(c.port[0].addr6[2].plen, 64);
    assert_int_equal(c.port[0].addr6[2].addr.b[7], 1);
    assert_true(inaddr_eq(&c.port[0].gateway6, &ll));
    assert_int_equal(c.port[0].n_routes, 4);
    assert_int_equal(inaddr_to_v4(&c.port[0].route[0].prefix), 0x0a010000);
    assert_int_equal(c.port[0].route[0].plen, 96 + 16);
    assert_int_equal(inaddr_to_v4(&c.port[0].route[0].gateway), 0x0a000007);
    assert_int_equal(c.port[0].route[1].plen, 96);
    assert_true(inaddr_is_v4(&c.port[0].route[1].prefix));
    assert_int_equal(c.port[0].route[1].metric, 5);
    assert_int_equal(c.port[0].route[2].plen, 48);
    assert_true(inaddr_is_any(&c.port[0].route[3].gateway));
    conf_free(&c);
}

#define ROUTES "routes like 10.1.0.0/16 via 10.0.0.1, default via 10.0.0.254 metric 10, 2001:db8::/32 via fe80::1"

static void test_bad_ipv6_and_routes(void **state)
{
    static const char *const bad[] = {"10.1.0.0/33",
                                      "10.1.0.0",
                                      "2001:db8::/129",
                                      "default",
                                      "10.1.0.0/16 via",
                                      "via 1.2.3.4",
                                      "",
                                      "default via fe80",
                                      "::/0 via 1.2.3.4",
                                      "default via 0.0.0.0",
                                      "10.1.0.0/16 via 10.0.0.1 metric",
                                      "10.1.0.0/16 by 10.0.0.1"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        char text[512], line[512];

        snprintf(text, sizeof(text), BASE "routes=10.9.0.0/16 via 10.0.0.1,%s,10.8.0.0/16\n", bad[i]);
        snprintf(line, sizeof(line), "config.ini:7: [port0] routes: found \"10.9.0.0/16 via 10.0.0.1,%s,10.8.0.0/16\", expected " ROUTES,
                 bad[i]);
        expect_error(text, line);
    }
    expect_error(BASE "addr6=::ffff:1.2.3.4\n",
                 "config.ini:7: [port0] addr6: found \"::ffff:1.2.3.4\", expected an IPv6 address like 2001:db8::2");
    expect_error(BASE "addr6=2001:db8::2\nprefix_len=129\n",
                 "config.ini:8: [port0] prefix_len: found \"129\", expected a number from 1 to 128");
}

#define VLANS "[dpdk]\nlcore_mask=1\nport_list=0,1\nvlan_filter=10-11\n[vlan10]\nportid=1\naddr=10.2.0.2\nnetmask=255.255.255.0\n"

static void test_vlans(void **state)
{
    struct conf c;

    (void)state;
    /* port 1 has none of its own: what F-Stack files say of it is ignored */
    assert_int_equal(parse(&c, VLANS "gateway=10.2.0.1\n[vlan11]\nportid=1\naddr=10.3.0.2\nnetmask=255.255.255.0\nif_name=blue\n" PORT
                                     "[port1]\naddr=10.2.0.2\nnetmask=255.255.255.0\nmtu=1400\n"),
                     0);
    assert_int_equal(said.n, 1);
    assert_string_equal(said.line[0],
                        "config.ini:19: warning: [port1] addr: the addresses of a port with VLANs are those of its [vlanN]; ignored");
    assert_int_equal(c.n_ports, 2);
    assert_int_equal(c.port[1].n_addrs, 0);
    assert_int_equal(c.port[1].mtu, 1400);
    assert_int_equal(c.n_vlans, 2);
    assert_int_equal(c.vlan[0].vid, 10);
    assert_int_equal(c.vlan[0].port_id, 1);
    assert_string_equal(c.vlan[0].if_name, "vlan10");
    assert_int_equal(c.vlan[0].gateway, 0x0a020001);
    assert_string_equal(c.vlan[1].if_name, "blue");
    conf_free(&c);
    expect_error(VLANS PORT "[port1]\n", "config.ini: [vlan11]: missing, expected this section because [dpdk] vlan_filter has 11");
    expect_error(VLANS "[vlan11]\nportid=2\n", "config.ini:10: [vlan11] portid: found \"2\", expected a port of [dpdk] port_list");
    expect_error("[dpdk]\nvlan_filter=4095\n", "config.ini:2: [dpdk] vlan_filter: found \"4095\", expected VLAN numbers from 1 to 4094");
    expect_error("[dpdk]\nvlan_filter=x\n",
                 "config.ini:2: [dpdk] vlan_filter: found \"x\", expected at most 56 VLAN numbers like 10 or 10-12,20");
    expect_error(VLANS "[vlan11]\nportid=1\naddr=10.2.0.2\nnetmask=255.255.255.0\n" PORT "[port1]\n",
                 "config.ini: [vlan10] and [vlan11]: found 10.2.0.2 in both, expected every address once");
    expect_warning(BASE "[vlan9]\naddr=1.2.3.4\n", "config.ini:7: warning: [vlan9] is not in [dpdk] vlan_filter; ignored");
}

/* F-Stack's own file: accepted, but for the netmask that it ships with a slip of the pen. */
static void test_fstack_file(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(
        parse(&c, "[dpdk]\nlcore_mask=1\nchannel=4\npromiscuous=1\nnuma_on=1\ntx_csum_offoad_skip=0\ntso=0\nvlan_strip=1\nidle_sleep=0\n"
                  "pkt_tx_delay=100\nsymmetric_rss=0\nport_list=0\nnb_vdev=0\nnb_bond=0\n[pcap]\nenable=0\nsnaplen=96\nsavelen=16777216\n"
                  "savepath=.\n[port0]\naddr=192.168.1.2\nnetmask=255.255.255.0\nbroadcast=192.168.1.255\ngateway=192.168.1.1\n"
                  "[freebsd.boot]\nhz=100\nfd_reserve=1024\nkern.ipc.maxsockets=262144\nnet.inet.tcp.syncache.hashsize=4096\n"
                  "net.inet.tcp.syncache.bucketlimit=100\nnet.inet.tcp.tcbhashsize=65536\nkern.ncallout=262144\n"
                  "[freebsd.sysctl]\nkern.ipc.somaxconn=32768\nkern.ipc.maxsockbuf=16777216\nnet.link.ether.inet.maxhold=5\n"
                  "net.inet.tcp.fast_finwait2_recycle=1\nnet.inet.tcp.sendspace=16384\nnet.inet.tcp.recvspace=8192\n"
                  "net.inet.tcp.sendbuf_max=16777216\nnet.inet.tcp.recvbuf_max=16777216\nnet.inet.tcp.sendbuf_auto=1\n"
                  "net.inet.tcp.recvbuf_auto=1\nnet.inet.tcp.sendbuf_inc=16384\nnet.inet.tcp.sack.enable=1\nnet.inet.tcp.blackhole=1\n"
                  "net.inet.tcp.msl=2000\nnet.inet.tcp.delayed_ack=0\nnet.inet.udp.blackhole=1\nnet.inet.ip.redirect=0\n"
                  "net.inet.ip.forwarding=0\nnet.inet.tcp.functions_default=freebsd\n"),
        0);
    assert_int_equal(said.n, 1); /* pkt_tx_delay, once */
    conf_free(&c);
}

static void test_load(void **state)
{
    struct conf c;

    (void)state;
    said.n = 0;
    assert_int_equal(conf_load(&c, SOURCE_ROOT "/config.ini", "prog", hear, &said), 0);
    if (said.n != 0)
        fail_msg("%s", said.line[0]);
    assert_string_equal(c.file, SOURCE_ROOT "/config.ini");
    conf_free(&c);
    assert_int_equal(conf_load(&c, "/nonexistent/config.ini", "prog", hear, &said), -1);
    assert_string_equal(said.line[0],
                        "/nonexistent/config.ini: cannot be read: No such file or directory (name another file with --conf FILE)");
    said.n = 0;
    assert_int_equal(conf_load(&c, "/", "prog", hear, &said), -1);
    assert_string_equal(said.line[0], "/: cannot be read: Is a directory");
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

static char *doc;

static void check_documented(void *arg, const struct conf_key *k)
{
    const struct conf *defaults = arg;
    char row[160], value[40];
    const char *section, *end, *at;
    int n;

    snprintf(row, sizeof(row), "\n## [%s]", k->section);
    section = strstr(doc, row);
    if (section == NULL) {
        fail_msg("docs/CONFIG.md has no heading ## [%s]", k->section);
        return;
    }
    end = strstr(section + 4, "\n## ");
    n = snprintf(row, sizeof(row), "\n| `%s` | ", k->name);
    at = strstr(section, row);
    if (at == NULL || (end != NULL && at > end)) {
        fail_msg("docs/CONFIG.md, [%s]: no row that begins with \"| `%s` |\"", k->section, k->name);
        return;
    }
    if (k->bytes == 0)
        return;
    conf_key_print(k, defaults, value, sizeof(value));
    strcat(value, " |");
    if (strcmp(k->name, "loan_limit") != 0 && strcmp(k->name, "rcv_limit") != 0 && strncmp(at + n, value, strlen(value)) != 0)
        fail_msg("docs/CONFIG.md, [%s] %s: the default is %s not \"%.20s\"", k->section, k->name, value, at + n);
}

/* A counter in the document is one that exists. */
static void check_counters(void)
{
    for (char *p = doc; (p = strstr(p, "counter `")) != NULL;) {
        size_t len;
        unsigned i = 0;

        p += strlen("counter `");
        len = strcspn(p, "`");
        while (i < CTR_COUNT && (strlen(ctr_names[i]) != len || strncmp(ctr_names[i], p, len) != 0))
            i++;
        if (i == CTR_COUNT)
            fail_msg("docs/CONFIG.md names a counter that does not exist: %.*s", (int)len, p);
    }
}

static void test_documented(void **state)
{
    FILE *f = fopen(SOURCE_ROOT "/docs/CONFIG.md", "r");
    struct conf defaults;
    size_t n;

    (void)state;
    assert_non_null(f);
    doc = malloc(1 << 20);
    n = fread(doc, 1, (1 << 20) - 1, f);
    doc[n] = '\0';
    fclose(f);
    assert_int_equal(parse(&defaults, BASE), 0);
    conf_key_each(check_documented, &defaults);
    check_counters();
    conf_free(&defaults);
    free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_port_keys),
        cmocka_unit_test(test_tap),
        cmocka_unit_test(test_point_to_point_mask),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_bad_dpdk),
        cmocka_unit_test(test_bad_port),
        cmocka_unit_test(test_too_many_vips),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_freebsd),
        cmocka_unit_test(test_zstack),
        cmocka_unit_test(test_zstack_bad),
        cmocka_unit_test(test_eal),
        cmocka_unit_test(test_eal_memory),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_too_many_eal_args),
        cmocka_unit_test(test_ipv6_and_routes),
        cmocka_unit_test(test_bad_ipv6_and_routes),
        cmocka_unit_test(test_vlans),
        cmocka_unit_test(test_fstack_file),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_default_r2),
        cmocka_unit_test(test_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
