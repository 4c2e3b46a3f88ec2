/* Routes, settings and interfaces by the public calls. */
#include "api_fixture.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <sys/ioctl.h>

static int fd;

static int setup(void **state)
{
    (void)state;
    api_start("frag_limit=99\n[port0]\nif_name=eno7\naddr6=2001:db8::1\nroutes=10.8.0.0/16 via 10.9.0.7");
    fd = ff_socket(AF_INET, SOCK_DGRAM, 0);
    return fd < 0 ? -1 : 0;
}

static struct linux_sockaddr *sa4(const char *text)
{
    static struct sockaddr_in a[4];
    static unsigned n;
    struct sockaddr_in *in = &a[n++ % 4];

    *in = (struct sockaddr_in){.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
    return (struct linux_sockaddr *)in;
}

static struct linux_sockaddr *sa6(const char *text)
{
    static struct sockaddr_in6 a[4];
    static unsigned n;
    struct sockaddr_in6 *in = &a[n++ % 4];

    *in = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = strncmp(text, "fe80", 4) == 0};
    assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
    return (struct linux_sockaddr *)in;
}

/* The gateway and the mask on the way to dst. */
static void expect_route(const char *dst, const char *gw, const char *mask)
{
    struct sockaddr_in g, m;

    assert_int_equal(ff_route_ctl(FF_ROUTE_GET, FF_RTF_GATEWAY, sa4(dst), (struct linux_sockaddr *)&g, (struct linux_sockaddr *)&m), 0);
    assert_string_equal(inet_ntoa(g.sin_addr), gw);
    assert_string_equal(inet_ntoa(m.sin_addr), mask);
}

static void routes(void **state)
{
    struct linux_sockaddr *net = NULL;

    (void)state;
    expect_route("10.8.1.1", "10.9.0.7", "255.255.0.0");
    expect_route("10.9.0.44", "0.0.0.0", "255.255.255.0");
    assert_errno(ff_route_ctl(FF_ROUTE_GET, FF_RTF_GATEWAY, sa4("8.8.8.8"), NULL, NULL), ESRCH);
    assert_int_equal(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa4("0.0.0.0"), sa4("10.9.0.2"), sa4("0.0.0.0")), 0);
    expect_route("8.8.8.8", "10.9.0.2", "0.0.0.0");
    assert_errno(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa4("0.0.0.0"), sa4("10.9.0.2"), sa4("0.0.0.0")), EEXIST);
    assert_int_equal(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_HOST, sa4("8.8.8.8"), sa4("10.9.0.3"), NULL), 0);
    expect_route("8.8.8.8", "10.9.0.3", "255.255.255.255");
    expect_route("8.8.8.9", "10.9.0.2", "0.0.0.0");
    assert_int_equal(ff_route_ctl(FF_ROUTE_CHANGE, FF_RTF_HOST, sa4("8.8.8.8"), sa4("10.9.0.4"), NULL), 0);
    expect_route("8.8.8.8", "10.9.0.4", "255.255.255.255");
    assert_errno(ff_route_ctl(FF_ROUTE_CHANGE, FF_RTF_HOST, sa4("8.8.8.8"), sa4("10.10.0.4"), NULL), ENETUNREACH);
    expect_route("8.8.8.8", "10.9.0.4", "255.255.255.255"); /* as it was */
    assert_int_equal(ff_route_ctl(FF_ROUTE_DEL, FF_RTF_HOST, sa4("8.8.8.8"), NULL, NULL), 0);
    assert_errno(ff_route_ctl(FF_ROUTE_DEL, FF_RTF_HOST, sa4("8.8.8.8"), NULL, NULL), ESRCH);
    assert_errno(ff_route_ctl(FF_ROUTE_DEL, FF_RTF_GATEWAY, sa4("0.0.0.0"), sa4("10.9.0.9"), sa4("0.0.0.0")), ESRCH);
    assert_int_equal(ff_route_ctl(FF_ROUTE_DEL, FF_RTF_GATEWAY, sa4("0.0.0.0"), sa4("10.9.0.2"), sa4("0.0.0.0")), 0);
    assert_errno(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa4("10.7.0.0"), sa4("10.9.0.2"), sa4("255.0.255.0")), EINVAL);
    assert_errno(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa4("10.7.0.0"), sa6("2001:db8::2"), sa4("255.255.0.0")), EINVAL);
    assert_errno(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, net, sa4("10.9.0.2"), sa4("255.255.0.0")), EFAULT);
}

static void routes_of_ipv6(void **state)
{
    struct sockaddr_in6 g, m;
    char text[INET6_ADDRSTRLEN];

    (void)state;
    assert_int_equal(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa6("::"), sa6("fe80::9"), sa6("::")), 0);
    assert_int_equal(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa6("2001:db8:8::1"), sa6("2001:db8::7"), sa6("ffff:ffff:fff0::")), 0);
    assert_int_equal(
        ff_route_ctl(FF_ROUTE_GET, FF_RTF_GATEWAY, sa6("2001:db8:f::"), (struct linux_sockaddr *)&g, (struct linux_sockaddr *)&m), 0);
    assert_string_equal(inet_ntop(AF_INET6, &g.sin6_addr, text, sizeof(text)), "2001:db8::7");
    assert_string_equal(inet_ntop(AF_INET6, &m.sin6_addr, text, sizeof(text)), "ffff:ffff:fff0::");
    assert_int_equal(ff_route_ctl(FF_ROUTE_GET, FF_RTF_GATEWAY, sa6("2001:db9::"), (struct linux_sockaddr *)&g, NULL), 0);
    assert_string_equal(inet_ntop(AF_INET6, &g.sin6_addr, text, sizeof(text)), "fe80::9");
    assert_int_equal(g.sin6_scope_id, 1);
    assert_errno(ff_route_ctl(FF_ROUTE_ADD, FF_RTF_GATEWAY, sa6("2001:db8:8::"), sa6("2001:db8::7"), sa6("ffff:0:ffff::")), EINVAL);
    assert_int_equal(ff_route_ctl(FF_ROUTE_DEL, FF_RTF_GATEWAY, sa6("::"), NULL, sa6("::")), 0);
}

static int by_name(const char *name, void *oldp, size_t *oldlenp, const void *newp, size_t newlen)
{
    const int query[2] = {0, 3};
    int oid[8];
    size_t n = sizeof(oid);

    if (ff_sysctl(query, 2, oid, &n, name, strlen(name)) != 0)
        return -1;
    return ff_sysctl(oid, (u_int)(n / sizeof(int)), oldp, oldlenp, newp, newlen);
}

static void sysctls(void **state)
{
    uint64_t wide = 0;
    size_t n = sizeof(int);
    int v = 0;

    (void)state;
    assert_int_equal(by_name("net.inet.ip.ttl", &v, &n, NULL, 0), 0);
    assert_int_equal(v, 64);
    v = 33;
    assert_int_equal(by_name("net.inet.ip.ttl", NULL, NULL, &v, sizeof(v)), 0);
    v = 0;
    assert_int_equal(by_name("net.inet.ip.ttl", &v, &n, &(int){64}, sizeof(v)), 0);
    assert_int_equal(v, 33);
    assert_errno(by_name("net.inet.ip.ttl", NULL, NULL, &(int){256}, sizeof(v)), EINVAL);
    assert_errno(by_name("net.inet.ip.ttl", NULL, NULL, &(int){-1}, sizeof(v)), EINVAL);
    assert_errno(by_name("net.inet.ip.ttl", NULL, NULL, &v, 2), EINVAL);
    n = sizeof(wide);
    assert_int_equal(by_name("net.inet.ip.maxfragpackets", &wide, &n, NULL, 0), 0);
    assert_int_equal(wide, 99);
    assert_int_equal(n, 8);
    assert_int_equal(by_name("zstack.frag_limit", &wide, &n, NULL, 0), 0);
    assert_int_equal(wide, 99);
    assert_errno(by_name("zstack.frag_limit", NULL, NULL, &wide, sizeof(wide)), EPERM);
    assert_errno(by_name("kern.ipc.maxsockets", NULL, NULL, &wide, sizeof(wide)), EPERM);
    assert_int_equal(by_name("zstack.counter.sock.open", &wide, &n, NULL, 0), 0);
    assert_true(wide > 0);
    assert_errno(by_name("zstack.counter.sock.open", NULL, NULL, &wide, sizeof(wide)), EPERM);
    n = 2;
    assert_errno(by_name("net.inet.ip.ttl", &v, &n, NULL, 0), ENOMEM);
    assert_int_equal(by_name("net.inet.tcp.msl", NULL, &n, NULL, 0), 0);
    assert_int_equal(n, sizeof(int));
    assert_errno(by_name("net.inet.tcp.nothing", &v, &n, NULL, 0), ENOENT);
    assert_errno(by_name("net.inet.tcp.cc.algorithm", &v, &n, NULL, 0), ENOENT);
    assert_errno(ff_sysctl((const int[]){1000, 0, 100000}, 3, &v, &n, NULL, 0), ENOENT);
    assert_errno(ff_sysctl((const int[]){1000, 1, -1}, 3, &v, &n, NULL, 0), ENOENT);
    assert_errno(ff_sysctl((const int[]){1, 1}, 2, &v, &n, NULL, 0), ENOENT);
    assert_errno(ff_sysctl(NULL, 2, &v, &n, NULL, 0), EFAULT);
}

static void interfaces(void **state)
{
    struct ifreq r = {.ifr_name = "eno7"}, list[4];
    struct ifconf c = {.ifc_len = sizeof(list), .ifc_req = list};
    struct sockaddr_in in;

    (void)state;
    assert_int_equal(ff_ioctl(fd, SIOCGIFADDR, &r), 0);
    memcpy(&in, &r.ifr_addr, sizeof(in));
    assert_int_equal(ntohl(in.sin_addr.s_addr), API_ADDR);
    assert_int_equal(ff_ioctl(fd, SIOCGIFNETMASK, &r), 0);
    memcpy(&in, &r.ifr_addr, sizeof(in));
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0xffffff00);
    assert_int_equal(ff_ioctl(fd, SIOCGIFBRDADDR, &r), 0);
    memcpy(&in, &r.ifr_addr, sizeof(in));
    assert_int_equal(ntohl(in.sin_addr.s_addr), 0x0a0900ff);
    assert_int_equal(ff_ioctl(fd, SIOCGIFMTU, &r), 0);
    assert_int_equal(r.ifr_mtu, 1500);
    assert_int_equal(ff_ioctl(fd, SIOCGIFHWADDR, &r), 0);
    assert_int_equal(ff_ioctl(fd, SIOCGIFFLAGS, &r), 0);
    assert_true(r.ifr_flags & IFF_UP);
    assert_int_equal(ff_ioctl(fd, SIOCGIFINDEX, &r), 0);
    assert_int_equal(r.ifr_ifindex, 1);
    memset(r.ifr_name, 0, sizeof(r.ifr_name));
    assert_int_equal(ff_ioctl(fd, SIOCGIFNAME, &r), 0);
    assert_string_equal(r.ifr_name, "eno7");
    assert_int_equal(ff_ioctl(fd, SIOCGIFCONF, &c), 0);
    assert_int_equal(c.ifc_len, sizeof(list[0]));
    assert_string_equal(list[0].ifr_name, "eno7");
    c.ifc_len = sizeof(list[0]) - 1;
    assert_int_equal(ff_ioctl(fd, SIOCGIFCONF, &c), 0);
    assert_int_equal(c.ifc_len, 0);
    c.ifc_req = NULL;
    assert_int_equal(ff_ioctl(fd, SIOCGIFCONF, &c), 0);
    assert_int_equal(c.ifc_len, sizeof(list[0]));
    strcpy(r.ifr_name, "eth0");
    assert_errno(ff_ioctl(fd, SIOCGIFADDR, &r), ENODEV);
    r.ifr_ifindex = 2;
    assert_errno(ff_ioctl(fd, SIOCGIFNAME, &r), ENODEV);
    assert_errno(ff_ioctl(fd, SIOCGIFADDR, NULL), EFAULT);
    assert_errno(ff_ioctl(fd, SIOCGIFMETRIC, &r), ENOTTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(routes_of_ipv6),
        cmocka_unit_test(sysctls),
        cmocka_unit_test(interfaces),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
