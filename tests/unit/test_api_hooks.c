/* F-Stack's hooks by the public calls, on a device whose frames come back (net_ring): dispatchers, raw frames, source addresses. */
#include "api_fixture.h"

#include <arpa/inet.h>

#include "api/api.h"

#define OTHER_ADDR 0x0a09004du /* 10.9.0.77 */
#define PORT_FRAME_MAX 1518

static int setup(void **state)
{
    (void)state;
    api_start_on("net_ring0", "",
                 "app_buffers_2k=4096\ndad_transmits=0\n[port0]\nvip_addr=10.9.0.77\naddr6=2001:db8::1\nvip_addr6=2001:db8::77\n");
    return 0;
}

static uint64_t counter(const char *name)
{
    const int query[2] = {0, 3};
    uint64_t v = 0;
    char full[64];
    size_t n, size = sizeof(v);
    int oid[8];

    snprintf(full, sizeof(full), "zstack.counter.%s", name);
    n = sizeof(oid);
    assert_int_equal(ff_sysctl(query, 2, oid, &n, full, strlen(full)), 0);
    assert_int_equal(ff_sysctl(oid, (u_int)(n / sizeof(int)), &v, &size, NULL, 0), 0);
    return v;
}

/* Frames of the tests have an ethertype of their own; the stack's come back as well. */
static uint8_t *test_frame(void)
{
    static uint8_t f[2048];

    memset(f, 0, sizeof(f));
    memcpy(f, "\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5", 14);
    return f;
}

static bool is_test(const uint8_t *f)
{
    return f[12] == 0x88 && f[13] == 0xb5;
}

static struct {
    unsigned calls;
    uint16_t len;
    uint8_t mark;
    int result;
    struct ff_dispatcher_context ctx;
} seen;

static int look(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    assert_true(queue_id == 0 && nb_queues == 1);
    if (!is_test(data))
        return queue_id;
    seen.calls++;
    seen.len = *len;
    seen.mark = ((uint8_t *)data)[14];
    return seen.result;
}

static int look_at_context(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues, struct ff_dispatcher_context ctx)
{
    seen.ctx = ctx;
    return look(data, len, queue_id, nb_queues) + (is_test(data) ? 100 : 0);
}

static void send_frame(uint8_t mark, int len)
{
    uint8_t *f = test_frame();

    f[14] = mark;
    assert_int_equal(ff_dpdk_raw_packet_send(f, len, 0), 0);
}

static void poll_some(void)
{
    for (int i = 0; i < 20; i++)
        assert_true(z_poll() >= 0);
}

static void raw_frames(void **state)
{
    uint64_t copied = counter("copy.api_bytes"), sent = counter("port.tx_packets"), foreign = counter("drop.eth_dst");

    (void)state;
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), 0, 0), EINVAL);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), -1, 0), EINVAL);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), INT32_MIN, 0), EINVAL);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), 13, 0), EINVAL);
    assert_errno(ff_dpdk_raw_packet_send(NULL, 60, 0), EFAULT);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), 60, 1), ENODEV);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), PORT_FRAME_MAX + 1, 0), EMSGSIZE);
    assert_errno(ff_dpdk_raw_packet_send(test_frame(), INT32_MAX, 0), EMSGSIZE);
    assert_int_equal(counter("copy.api_bytes"), copied);
    send_frame(1, PORT_FRAME_MAX);
    send_frame(2, 14);
    assert_int_equal(counter("copy.api_bytes"), copied + PORT_FRAME_MAX + 14);
    assert_true(counter("port.tx_packets") >= sent + 2); /* outside of ff_run they leave at once */
    poll_some();
    assert_int_equal(counter("drop.eth_dst"), foreign + 2); /* nobody has asked for them */
}

/* What the device does not take waits, as much as there is room for; then it is the caller's matter. */
static void no_room(void **state)
{
    struct ff_traffic_args before, after;
    int n = 0;

    (void)state;
    ff_get_traffic(&before);
    while (n < 3000 && ff_dpdk_raw_packet_send(test_frame(), 60, 0) == 0)
        n++;
    assert_in_range(n, 2000, 2048); /* 1024 in the device's ring, 1024 in the stack's queue */
    assert_int_equal(errno, ENOBUFS);
    ff_get_traffic(&after);
    assert_int_equal(after.tx_dropped, before.tx_dropped + 1);
    for (int i = 0; i < 20; i++)
        poll_some();
    assert_int_equal(ff_dpdk_raw_packet_send(test_frame(), 60, 0), 0);
    poll_some();
}

static void results(void **state)
{
    uint64_t dropped = counter("drop.dispatched"), bad = counter("drop.dispatch_bad"), taken = counter("drop.eth_dst");

    (void)state;
    ff_regist_packet_dispatcher(look);
    seen.result = FF_DISPATCH_ERROR;
    send_frame(3, 77);
    poll_some();
    assert_true(seen.calls == 1 && seen.len == 77 && seen.mark == 3);
    assert_int_equal(counter("drop.dispatched"), dropped + 1);
    for (int i = 0; i < 2; i++) {
        seen.result = i == 0 ? 99 : -7;
        send_frame(4, 60);
        poll_some();
    }
    assert_int_equal(counter("drop.dispatch_bad"), bad + 2);
    assert_int_equal(counter("drop.eth_dst"), taken);
    seen.result = 0;
    send_frame(5, 60);
    poll_some();
    assert_int_equal(counter("drop.eth_dst"), taken + 1); /* the stack had it */
    assert_int_equal(seen.calls, 4);

    ff_regist_packet_dispatcher_context(look_at_context); /* takes its place */
    seen.ctx = (struct ff_dispatcher_context){.vlan = {.stripped = 1, .vlan_tci = 1}};
    send_frame(6, 60);
    poll_some();
    assert_int_equal(seen.calls, 5);
    assert_true(seen.ctx.vlan.stripped == 0 && seen.ctx.vlan.vlan_tci == 0);
    assert_int_equal(counter("drop.dispatch_bad"), bad + 3); /* 100 */
    ff_regist_packet_dispatcher(look);
    send_frame(7, 60);
    poll_some();
    assert_int_equal(counter("drop.eth_dst"), taken + 2);
    ff_regist_packet_dispatcher_context(NULL);
    send_frame(8, 60);
    poll_some();
    assert_int_equal(seen.calls, 6);
    assert_int_equal(counter("drop.eth_dst"), taken + 3);
}

/* The frame comes back each time, a byte longer, until it has come eight times. */
static int bounce(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    uint8_t *f = data;

    (void)nb_queues;
    if (!is_test(f))
        return queue_id;
    seen.calls++;
    assert_int_equal(*len, 59 + seen.calls);
    assert_int_equal(f[*len - 1], seen.calls - 1);
    if (seen.calls == 8)
        return FF_DISPATCH_ERROR;
    f[(*len)++] = (uint8_t)seen.calls;
    return FF_DISPATCH_RESPONSE;
}

static void answers(void **state)
{
    uint64_t answered = counter("dispatch.answered"), copied = counter("copy.writable_bytes");

    (void)state;
    seen.calls = 0;
    ff_regist_packet_dispatcher(bounce);
    send_frame(0, 60);
    poll_some();
    assert_int_equal(seen.calls, 8);
    assert_int_equal(counter("dispatch.answered"), answered + 7);
    assert_int_equal(counter("copy.writable_bytes"), copied);
    ff_regist_packet_dispatcher(NULL);
}

/* From inside a dispatcher, as F-Stack's applications answer with frames of another length. */
static int send_another(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    (void)nb_queues;
    if (!is_test(data))
        return queue_id;
    seen.len = *len;
    if (++seen.calls < 4)
        send_frame(0, *len + 100);
    assert_errno(z_poll(), EDEADLK);
    return FF_DISPATCH_ERROR;
}

static void raw_from_dispatcher(void **state)
{
    (void)state;
    seen.calls = 0;
    ff_regist_packet_dispatcher(send_another);
    send_frame(0, 60);
    poll_some();
    assert_int_equal(seen.calls, 4);
    assert_int_equal(seen.len, 360);
    ff_regist_packet_dispatcher(NULL);
}

static void *elsewhere(void *arg)
{
    ff_regist_packet_dispatcher(look);
    return (void *)(intptr_t)(ff_dpdk_raw_packet_send(arg, 60, 0) == 0 && ff_dpdk_raw_packet_send(arg, 60, 9) == -1 && errno == ENODEV);
}

static void raw_from_another_thread(void **state)
{
    pthread_t t;
    void *ok = NULL;

    (void)state;
    seen.calls = 0;
    seen.result = FF_DISPATCH_ERROR;
    assert_int_equal(ff_pthread_create(&t, NULL, elsewhere, test_frame()), 0);
    assert_int_equal(ff_pthread_join(t, &ok), 0);
    assert_non_null(ok);
    poll_some();
    assert_int_equal(seen.calls, 1);
    ff_regist_packet_dispatcher(NULL);
}

/* source addresses --------------------------------------------------------------------------------------------- */

static struct {
    unsigned calls;
    int result;
    const char *answer; /* "": it is left as it was */
    uint16_t family, port;
    char dst[INET6_ADDRSTRLEN];
} chooser;

static int choose(uint16_t family, void *dst_addr, uint16_t dst_port, void *src_addr)
{
    chooser.calls++;
    chooser.family = family;
    chooser.port = ntohs(dst_port);
    assert_non_null(inet_ntop(family, dst_addr, chooser.dst, sizeof(chooser.dst)));
    if (chooser.answer[0] != '\0')
        assert_int_equal(inet_pton(family, chooser.answer, src_addr), 1);
    return chooser.result;
}

static const char *name_of(int fd)
{
    static char text[INET6_ADDRSTRLEN];
    struct sockaddr_in6 a;
    socklen_t len = sizeof(a);

    assert_int_equal(ff_getsockname(fd, (struct linux_sockaddr *)&a, &len), 0);
    if (a.sin6_family == AF_INET6)
        return inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof(text));
    return inet_ntop(AF_INET, &((struct sockaddr_in *)&a)->sin_addr, text, sizeof(text));
}

static int connect6(int fd, const char *to, uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    assert_int_equal(inet_pton(AF_INET6, to, &a.sin6_addr), 1);
    a.sin6_scope_id = strncmp(to, "fe80", 4) == 0;
    return ff_connect(fd, (struct linux_sockaddr *)&a, sizeof(a));
}

static void chooser_says(int result, const char *answer)
{
    chooser.calls = 0;
    chooser.result = result;
    chooser.answer = answer;
}

static void expect_asked(uint16_t family, const char *dst, uint16_t port)
{
    assert_int_equal(chooser.calls, 1);
    assert_int_equal(chooser.family, family);
    assert_int_equal(chooser.port, port);
    assert_string_equal(chooser.dst, dst);
    chooser.calls = 0;
}

/* A new socket connects; from where? NULL: EADDRNOTAVAIL. */
static void expect_source(int type, const char *source)
{
    int fd = ff_socket(AF_INET, type, 0), l = api_listener(7000);

    if (source == NULL) {
        assert_errno(api_connect(fd, API_ADDR, 7000), EADDRNOTAVAIL);
        assert_string_equal(name_of(fd), "0.0.0.0");
        chooser.answer = ""; /* and may be tried again */
        assert_int_equal(api_connect(fd, API_ADDR, 7000), 0);
        assert_string_equal(name_of(fd), "10.9.0.1");
        chooser.calls = 1;
    } else {
        assert_int_equal(api_connect(fd, API_ADDR, 7000), 0);
        assert_string_equal(name_of(fd), source);
    }
    expect_asked(AF_INET, "10.9.0.1", 7000);
    assert_int_equal(ff_close(fd), 0);
    assert_int_equal(ff_close(l), 0);
}

static void sources(void **state)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

    (void)state;
    assert_int_equal(AF_INET6, AF_INET6_LINUX);
    ff_regist_pcblddr_fun(choose);
    for (size_t i = 0; i < 2; i++) {
        chooser_says(0, "10.9.0.77");
        expect_source(types[i], "10.9.0.77");
        chooser_says(0, ""); /* the stack shall choose */
        expect_source(types[i], "10.9.0.1");
        chooser_says(EADDRNOTAVAIL, "10.9.0.77"); /* a failure: the same */
        expect_source(types[i], "10.9.0.1");
        chooser_says(-1, "10.9.0.99");
        expect_source(types[i], "10.9.0.1");
        chooser_says(0, "10.9.0.99"); /* not ours */
        expect_source(types[i], NULL);
        chooser_says(0, "224.0.0.1");
        expect_source(types[i], NULL);
    }
    ff_regist_pcblddr_fun(NULL);
    chooser_says(0, "10.9.0.77");
    chooser.calls = 1;
    chooser.port = 7000;
    expect_source(SOCK_STREAM, "10.9.0.1");
}

/* Who has bound an address is not asked; who has bound a port is, and keeps it. */
static void bound_sockets(void **state)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    int fd;

    (void)state;
    ff_regist_pcblddr_fun(choose);
    chooser_says(0, "10.9.0.77");
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        int l = api_listener(7001);

        fd = ff_socket(AF_INET, type, 0);
        assert_int_equal(api_bind(fd, API_ADDR, 0), 0);
        assert_int_equal(api_connect(fd, API_ADDR, 7001), 0);
        assert_int_equal(chooser.calls, 0);
        assert_string_equal(name_of(fd), "10.9.0.1");
        ff_close(fd);
        fd = ff_socket(AF_INET, type, 0);
        assert_int_equal(api_bind(fd, 0, 4321), 0);
        assert_int_equal(api_connect(fd, API_ADDR, 7001), 0);
        expect_asked(AF_INET, "10.9.0.1", 7001);
        assert_int_equal(ff_getsockname(fd, (struct linux_sockaddr *)&a, &len), 0);
        assert_int_equal(ntohl(a.sin_addr.s_addr), OTHER_ADDR);
        assert_int_equal(ntohs(a.sin_port), 4321);
        ff_close(fd);
        ff_close(l);
    }
    fd = ff_socket(AF_INET, SOCK_DGRAM, 0); /* each association is asked about */
    for (uint16_t port = 1; port <= 3; port++) {
        assert_int_equal(api_connect(fd, 0x0a090032u, port), 0);
        expect_asked(AF_INET, "10.9.0.50", port);
    }
    ff_close(fd);
    fd = ff_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    assert_int_equal(api_connect(fd, API_ADDR, 1), 0);
    assert_int_equal(chooser.calls, 0);
    ff_close(fd);
    ff_regist_pcblddr_fun(NULL);
}

/* An attempt that fails for another reason leaves nothing behind, and one that is under way is not asked about again. */
static void attempts(void **state)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    ff_regist_pcblddr_fun(choose);
    chooser_says(0, "10.9.0.77");
    assert_errno(api_connect(fd, 0x08080808u, 80), ENETUNREACH);
    expect_asked(AF_INET, "8.8.8.8", 80);
    assert_string_equal(name_of(fd), "0.0.0.0");
    api_nonblock(fd, 1);
    assert_errno(api_connect(fd, 0x0a090032u, 80), EINPROGRESS);
    expect_asked(AF_INET, "10.9.0.50", 80);
    assert_errno(api_connect(fd, 0x0a090032u, 80), EALREADY);
    assert_int_equal(chooser.calls, 0);
    assert_string_equal(name_of(fd), "10.9.0.77");
    ff_close(fd);
    fd = ff_socket(AF_INET, SOCK_STREAM, 0);
    api_nonblock(fd, 1);
    struct sockaddr_in to = api_in(0x0a090032u, 81);
    (void)ff_sendto(fd, "x", 1, MSG_FASTOPEN, (struct linux_sockaddr *)&to, sizeof(to));
    expect_asked(AF_INET, "10.9.0.50", 81);
    assert_string_equal(name_of(fd), "10.9.0.77");
    ff_close(fd);
    ff_regist_pcblddr_fun(NULL);
}

static void sources6(void **state)
{
    char linklocal[INET6_ADDRSTRLEN];
    int fd;

    (void)state;
    fd = ff_socket(AF_INET6, SOCK_DGRAM, 0);
    assert_int_equal(connect6(fd, "fe80::9", 5), 0);
    snprintf(linklocal, sizeof(linklocal), "%s", name_of(fd));
    ff_close(fd);
    ff_regist_pcblddr_fun(choose);
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        bool stream = type == SOCK_STREAM;

        chooser_says(0, "2001:db8::77");
        fd = ff_socket(AF_INET6, type | SOCK_NONBLOCK, 0);
        assert_int_equal(connect6(fd, "2001:db8::9", 443), stream ? -1 : 0);
        expect_asked(AF_INET6_LINUX, "2001:db8::9", 443);
        assert_string_equal(name_of(fd), "2001:db8::77");
        ff_close(fd);
        fd = ff_socket(AF_INET6, type | SOCK_NONBLOCK, 0);
        chooser_says(0, "2001:db8::78");
        assert_errno(connect6(fd, "2001:db8::9", 443), EADDRNOTAVAIL);
        chooser_says(0, "::ffff:10.9.0.77"); /* of the other family */
        assert_errno(connect6(fd, "2001:db8::9", 443), EADDRNOTAVAIL);
        chooser_says(0, linklocal);
        assert_int_equal(connect6(fd, "fe80::9", 443), stream ? -1 : 0);
        expect_asked(AF_INET6, "fe80::9", 443); /* without our zone */
        assert_string_equal(name_of(fd), linklocal);
        ff_close(fd);
        fd = ff_socket(AF_INET6, type | SOCK_NONBLOCK, 0);
        chooser_says(0, "10.9.0.77");
        assert_int_equal(connect6(fd, "::ffff:10.9.0.50", 443), stream ? -1 : 0);
        expect_asked(AF_INET, "10.9.0.50", 443);
        assert_string_equal(name_of(fd), "::ffff:10.9.0.77");
        ff_close(fd);
    }
    ff_regist_pcblddr_fun(NULL);
}

/* before ff_init ------------------------------------------------------------------------------------------------ */

static int count_calls(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    (void)len, (void)nb_queues;
    seen.calls += is_test(data);
    return queue_id;
}

/* What is registered before there is a stack counts from its first frame. In a child, with a stack of its own. */
static void early(void)
{
    CHILD_CHECK(ff_dpdk_raw_packet_send(test_frame(), 60, 0) == -1 && errno == EBADF);
    ff_regist_packet_dispatcher(count_calls);
    api_start_on("net_ring0", "", "");
    CHILD_CHECK(ff_dpdk_raw_packet_send(test_frame(), 60, 0) == 0);
    for (int i = 0; i < 20; i++)
        z_poll();
    CHILD_CHECK(seen.calls == 1);
}

static void registered_early(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(early), 0);
}

int main(void)
{
    const struct CMUnitTest first[] = {cmocka_unit_test(registered_early)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_frames),
        cmocka_unit_test(no_room),
        cmocka_unit_test(results),
        cmocka_unit_test(answers),
        cmocka_unit_test(raw_from_dispatcher),
        cmocka_unit_test(raw_from_another_thread),
        cmocka_unit_test(sources),
        cmocka_unit_test(bound_sockets),
        cmocka_unit_test(attempts),
        cmocka_unit_test(sources6),
    };
    int failed = cmocka_run_group_tests(first, NULL, NULL);

    return cmocka_run_group_tests(tests, setup, NULL) + failed;
}
