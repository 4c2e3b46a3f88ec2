/* config.ini: what ports, TAP devices and VLANs have: addresses, gateways, routes. */
#include "conf_fixture.h"

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
    expect_warning(BASE "addr6=2001:db8::2\ntap=t\ntap_addr=10.0.1.1/24;2001:db8::1/64\n",
                   "config.ini:9: warning: [port0] tap_addr: no subnet of 10.0.1.1/24;2001:db8::1/64 contains addr, so the kernel has no "
                   "route to it");
    expect_warning(BASE "tap=t\ntap_addr=10.0.0.1/31\n",
                   "config.ini:8: warning: [port0] tap_addr: no subnet of 10.0.0.1/31 contains addr, so the kernel has no route to it");
    expect_silence(BASE "tap=t\ntap_addr=10.0.0.3/31\n");
    expect_silence(BASE "tap=t\ntap_addr=10.0.1.1/24;10.0.0.1/30\n");
    expect_silence(BASE "addr6=2001:db8::2\ntap=t\ntap_addr=2001:db8:1::1/64;2001:db8::1/64\n");
    expect_silence(BASE "tap=t\ntap_addr=2001:db8::1/64\n[zstack]\nipv6=1\n");
    expect_warning(BASE "tap=t\ntap_addr=10.0.0.1/24;2001:db8::1/64\n",
                   "config.ini:8: warning: [port0] tap_addr: an IPv6 address in 10.0.0.1/24;2001:db8::1/64, but the port has none: give it "
                   "addr6, or ipv6=1 in [zstack]");
    expect_warning(BASE "addr6=2001:db8:1::2\ntap=t\ntap_addr=2001:db8::1/64\n",
                   "config.ini:9: warning: [port0] tap_addr: no subnet of 2001:db8::1/64 contains addr6, so the kernel has no route to it");
}

static void test_point_to_point_mask(void **state)
{
    struct conf c;

    (void)state;
    assert_int_equal(parse(&c, DPDK "[port0]\naddr=10.0.0.0\nnetmask=255.255.255.254\ngateway=10.0.0.1\n"), 0);
    assert_int_equal(c.port[0].gateway, 0x0a000001);
    conf_free(&c);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_port_keys),           cmocka_unit_test(test_tap),
        cmocka_unit_test(test_point_to_point_mask), cmocka_unit_test(test_bad_port),
        cmocka_unit_test(test_too_many_vips),       cmocka_unit_test(test_ipv6_and_routes),
        cmocka_unit_test(test_bad_ipv6_and_routes), cmocka_unit_test(test_vlans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
