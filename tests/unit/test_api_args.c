/* Options of ff_init, socket addresses, vectors and times. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/addr.h"
#include "api/args.h"
#include "base/units.h"
#include "zstack/ff_api.h"

static int parse(struct api_args *a, char *err, unsigned n, ...)
{
    char *argv[16];
    int argc = 0;
    va_list ap;

    va_start(ap, n);
    while ((argv[argc] = va_arg(ap, char *)) != NULL)
        argc++;
    va_end(ap);
    return args_parse(argc, argv, a, err, n);
}

#define PARSE(...) parse(&a, err, sizeof(err), "prog", ##__VA_ARGS__, (char *)NULL)

static void test_args(void **state)
{
    struct api_args a;
    char err[128];

    (void)state;
    assert_int_equal(PARSE(), 0);
    assert_string_equal(a.conf, "config.ini");
    assert_null(a.proc_type);
    assert_int_equal(a.proc_id, -1);

    assert_int_equal(PARSE("--conf", "x.ini", "--proc-type=primary", "-p", "3"), 0);
    assert_string_equal(a.conf, "x.ini");
    assert_string_equal(a.proc_type, "primary");
    assert_int_equal(a.proc_id, 3);

    assert_int_equal(PARSE("--conf=y.ini", "-t", "auto", "--proc-id", "65535"), 0);
    assert_string_equal(a.conf, "y.ini");
    assert_string_equal(a.proc_type, "auto");
    assert_int_equal(a.proc_id, 65535);

    assert_int_equal(PARSE("-c", "z.ini", "--conf=last.ini"), 0);
    assert_string_equal(a.conf, "last.ini");
}

static void test_args_of_others(void **state)
{
    struct api_args a;
    char err[128];

    (void)state;
    assert_int_equal(PARSE("-v", "--config", "no.ini", "-cx.ini", "--conference=1", "8080", "-port"), 0);
    assert_string_equal(a.conf, "config.ini");
    assert_int_equal(a.proc_id, -1);
    assert_int_equal(PARSE("--", "--conf=no.ini"), 0);
    assert_string_equal(a.conf, "config.ini");
    /* "--" as a value is a value */
    assert_int_equal(PARSE("-c", "--", "-p", "1"), 0);
    assert_string_equal(a.conf, "--");
    assert_int_equal(a.proc_id, 1);
}

static void test_args_bad(void **state)
{
    struct api_args a;
    char err[128];

    (void)state;
    assert_int_equal(PARSE("--conf"), -1);
    assert_string_equal(err, "--conf: expected a value behind it");
    assert_int_equal(PARSE("-p", "one"), -1);
    assert_string_equal(err, "--proc-id: found \"one\", expected a number from 0 to 65535");
    assert_int_equal(PARSE("--proc-id=-1"), -1);
    assert_int_equal(PARSE("--proc-id=65536"), -1);
    assert_int_equal(PARSE("--proc-id="), -1);
    assert_int_equal(PARSE("--proc-id=1x"), -1);
}

static void test_addr_in(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x0a000001)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(81), .sin6_scope_id = 7};
    const struct linux_sockaddr *sa = (const void *)&in, *sa6 = (const void *)&in6;
    struct api_addr a;

    (void)state;
    assert_int_equal(addr_in(sa, sizeof(in), &a), 0);
    assert_int_equal(inaddr_to_v4(&a.a), 0x0a000001);
    assert_int_equal(a.port, 80);
    assert_int_equal(a.family, AF_INET);
    assert_int_equal(addr_in(sa, 128, &a), 0);
    assert_int_equal(addr_in(NULL, sizeof(in), &a), -EFAULT);
    assert_int_equal(addr_in(sa, sizeof(in) - 1, &a), -EINVAL);
    assert_int_equal(addr_in(sa, 1, &a), -EINVAL);
    assert_int_equal(addr_in(sa, 0, &a), -EINVAL);
    assert_int_equal(addr_in(sa, (socklen_t)-1, &a), -EINVAL);
    in.sin_family = AF_INET6_FREEBSD;
    assert_int_equal(addr_in(sa, 28, &a), -EAFNOSUPPORT);
    in6.sin6_addr.s6_addr[0] = 0x20;
    in6.sin6_addr.s6_addr[15] = 9;
    assert_int_equal(addr_in(sa6, sizeof(in6), &a), 0);
    assert_memory_equal(a.a.b, in6.sin6_addr.s6_addr, 16);
    assert_int_equal(a.port, 81);
    assert_int_equal(a.scope, 7);
    assert_int_equal(addr_in(sa6, 24, &a), 0); /* RFC 2133: no scope */
    assert_int_equal(a.scope, 0);
    assert_int_equal(addr_in(sa6, 15, &a), -EINVAL);
    assert_int_equal(addr_in(sa6, 23, &a), 0);
    assert_int_equal(addr_for_sock(&a, true, false, ADDR_BIND, 1), -EINVAL);
    assert_int_equal(addr_for_sock(&a, false, false, ADDR_BIND, 1), -EAFNOSUPPORT);
}

/* The form of an address inside the stack, by the socket's family: Linux' errors. */
static void test_addr_for_sock(void **state)
{
    static const struct {
        const char *text;
        uint32_t scope;
        socklen_t len;
        bool inet6, datagram;
        enum addr_use use;
        int want;
        uint16_t zone;
    } t[] = {
        {"10.0.0.1", 0, 16, false, false, ADDR_BIND, 0, 0},
        {"2001:db8::1", 0, 16, false, true, ADDR_SEND, -EAFNOSUPPORT, 0},
        {"10.0.0.1", 0, 16, true, false, ADDR_BIND, -EINVAL, 0},
        {"10.0.0.1", 0, 28, true, false, ADDR_CONNECT, -EAFNOSUPPORT, 0},
        {"10.0.0.1", 0, 16, true, true, ADDR_BIND, -EINVAL, 0},
        {"10.0.0.1", 0, 16, true, true, ADDR_CONNECT, 0, 0},
        {"10.0.0.1", 0, 16, true, true, ADDR_SEND, 0, 0},
        {"::ffff:10.0.0.1", 0, 28, true, false, ADDR_CONNECT, 0, 0},
        {"2001:db8::1", 9, 28, true, false, ADDR_CONNECT, 0, 0}, /* no zone where none is needed */
        {"fe80::1", 2, 28, true, false, ADDR_CONNECT, 0, 2},
        {"fe80::1", 0, 28, true, false, ADDR_CONNECT, -EINVAL, 0},
        {"fe80::1", 0, 28, true, true, ADDR_BIND, -EINVAL, 0},
        {"fe80::1", 0, 28, true, true, ADDR_SEND, 0, 0},
        {"fe80::1", 3, 28, true, true, ADDR_SEND, -ENODEV, 0},
        {"fe80:1:2:3::1", 1, 28, true, true, ADDR_SEND, 0, 1}, /* what stood there is no zone */
        {"ff02::1", 1, 28, true, true, ADDR_SEND, 0, 1},
        {"ff05::1", 1, 28, true, true, ADDR_SEND, 0, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        struct api_addr a = {.scope = t[i].scope, .len = t[i].len};
        struct in_addr v4;

        if (inet_pton(AF_INET, t[i].text, &v4) == 1) {
            a.family = AF_INET;
            a.a = inaddr_v4(ntohl(v4.s_addr));
        } else {
            a.family = AF_INET6;
            assert_int_equal(inet_pton(AF_INET6, t[i].text, a.a.b), 1);
        }
        assert_int_equal(addr_for_sock(&a, t[i].inet6, t[i].datagram, t[i].use, 2), t[i].want);
        if (t[i].want == 0)
            assert_int_equal(inaddr_zone(&a.a), t[i].zone);
    }
}

static void test_addr_out(void **state)
{
    uint8_t buf[32];
    struct linux_sockaddr *sa = (void *)buf;
    struct inaddr a = inaddr_v4(0x01020304);
    socklen_t len;

    (void)state;
    for (socklen_t room = 0; room <= 32; room++) {
        static const uint8_t want[16] = {AF_INET, 0, 0x12, 0x34, 1, 2, 3, 4};

        memset(buf, 0xee, sizeof(buf));
        len = room;
        addr_out(sa, &len, false, &a, 0x1234);
        assert_int_equal(len, 16);
        for (unsigned i = 0; i < sizeof(buf); i++)
            assert_int_equal(buf[i], i < room && i < 16 ? want[i] : 0xee);
    }
    addr_out(NULL, NULL, false, &a, 1);
    for (socklen_t room = 0; room <= 32; room++) {
        struct sockaddr_in6 want = {.sin6_family = AF_INET6, .sin6_port = htons(0x1234), .sin6_scope_id = 3};

        assert_int_equal(inet_pton(AF_INET6, "fe80::1", a.b), 1);
        memcpy(&want.sin6_addr, a.b, 16);
        inaddr_set_zone(&a, 3);
        memset(buf, 0xee, sizeof(buf));
        len = room;
        addr_out(sa, &len, true, &a, 0x1234);
        assert_int_equal(len, 28);
        for (unsigned i = 0; i < sizeof(buf); i++)
            assert_int_equal(buf[i], i < room && i < 28 ? ((const uint8_t *)&want)[i] : 0xee);
    }
    assert_int_equal(addr_out_check(NULL, NULL), 0);
    assert_int_equal(addr_out_check(sa, NULL), -EFAULT);
    len = (socklen_t)-1;
    assert_int_equal(addr_out_check(sa, &len), -EINVAL);
}

static void test_iov(void **state)
{
    char b[16];
    struct iovec v[4] = {{b, 3}, {NULL, 0}, {b + 3, 5}, {b + 8, 8}}, out[4];
    static struct iovec many[IOV_MAX + 1];
    size_t total;

    (void)state;
    assert_int_equal(iov_check(v, 4, &total), 0);
    assert_int_equal(total, 16);
    assert_int_equal(iov_check(NULL, 0, &total), 0);
    assert_int_equal(iov_check(NULL, 1, &total), -EFAULT);
    assert_int_equal(iov_check(v, -1, &total), -EINVAL);
    assert_int_equal(iov_check(many, IOV_MAX, &total), 0);
    assert_int_equal(iov_check(many, IOV_MAX + 1, &total), -EINVAL);
    v[1].iov_len = 1;
    assert_int_equal(iov_check(v, 4, &total), -EFAULT);
    v[1] = (struct iovec){b, SSIZE_MAX};
    assert_int_equal(iov_check(v, 4, &total), -EINVAL);
    v[1] = (struct iovec){NULL, 0};

    /* whatever was done, what is left starts at that byte */
    for (size_t off = 0; off <= 16; off++) {
        size_t at = off;
        int n = iov_skip(v, 4, off, out, 4);

        for (int i = 0; i < n; i++) {
            if (out[i].iov_len == 0)
                continue;
            assert_ptr_equal(out[i].iov_base, b + at);
            at += out[i].iov_len;
        }
        assert_int_equal(at, 16);
    }
    assert_int_equal(iov_skip(v, 4, 1, out, 2), 2);
    assert_int_equal(out[0].iov_len, 2);
}

static void test_time(void **state)
{
    uint64_t ns;

    (void)state;
    assert_int_equal(time_from_timeval(&(struct timeval){1, 500000}, &ns), 0);
    assert_int_equal(ns, 1500000000);
    assert_int_equal(time_from_timeval(&(struct timeval){0, -1}, &ns), -EINVAL);
    assert_int_equal(time_from_timeval(&(struct timeval){-1, 0}, &ns), -EINVAL);
    assert_int_equal(time_from_timeval(&(struct timeval){LONG_MAX, 0}, &ns), 0);
    assert_true(ns < NS_NEVER && ns > NS_NEVER / 2);
    assert_int_equal(time_from_timespec(&(struct timespec){2, 999999999}, &ns), 0);
    assert_int_equal(ns, 2999999999);
    assert_int_equal(time_from_timespec(&(struct timespec){0, 1000000000}, &ns), -EINVAL);
    assert_int_equal(time_from_timespec(&(struct timespec){0, -1}, &ns), -EINVAL);
    assert_int_equal(time_from_timespec(&(struct timespec){-1, 0}, &ns), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_args),    cmocka_unit_test(test_args_of_others), cmocka_unit_test(test_args_bad),
        cmocka_unit_test(test_addr_in),
        cmocka_unit_test(test_addr_for_sock), cmocka_unit_test(test_addr_out),       cmocka_unit_test(test_iov),
        cmocka_unit_test(test_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
