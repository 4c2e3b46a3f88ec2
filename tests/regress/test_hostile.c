/* What a peer, or somebody who forges its packets, could once do to a connection. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tcp/conn.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "world.h"

static struct world *W;
static struct sock *L, *K;
static int lfd, fd;
static struct tcp_conn *T;
static unsigned n_fins, n_payload;
static uint32_t ts_val;

static void on_sent(void *arg, const uint8_t *f, uint32_t len)
{
    struct ipv4_hdr ih;
    struct tcp_hdr h;

    (void)arg;
    if (ipv4_parse(f + ETH_HLEN, len - ETH_HLEN, len - ETH_HLEN, false, &ih) != IPV4_OK || ih.proto != IPPROTO_TCP_)
        return;
    assert_int_equal(tcp_hdr_parse(f + ETH_HLEN + ih.hlen, (uint32_t)ih.total_len - ih.hlen, &h), TCP_PARSE_OK);
    n_fins += (h.flags & TH_FIN) != 0;
    n_payload += (unsigned)(ih.total_len - ih.hlen - h.hlen);
}

/* A segment of the peer at rcv_nxt + seq, snd_nxt + ack. */
static void peer(uint8_t flags, int32_t seq, int32_t ack, uint16_t wnd, uint32_t len)
{
    static const uint8_t zeros[1460];
    uint8_t opts[TCP_OPT_MAX];
    struct tcp_opts o = {.has_ts = T->ts_on, .ts_val = ts_val, .ts_ecr = tcp_ts_now(W->s, T)};
    struct world_tcp t = {.h = {.sport = 5000, .dport = 80, .flags = flags, .wnd = wnd}, .opts = opts, .payload = zeros, .len = len};

    t.opt_len = tcp_opts_build(opts, &o);
    t.h.seq = T->rcv_nxt + (uint32_t)seq;
    t.h.ack = T->snd_nxt + (uint32_t)ack;
    assert_true(world_segment(W, (struct world_rx){0}, &t));
    world_turn(W, NS_PER_MS);
}

static void write_bytes(size_t n)
{
    static uint8_t zeros[100000];
    struct iovec iov = {zeros, n};

    assert_int_equal(tcp_send_copy(W->s, T, &iov, 1, 0), n);
    world_turn(W, 0);
}

static int setup(void **state)
{
    uint8_t opts[TCP_OPT_MAX];
    struct tcp_opts o = {.has_mss = true, .mss = 1460, .has_ts = true, .ts_val = 100};
    struct world_tcp t = {.h = {.sport = 5000, .dport = 80, .flags = TH_SYN, .wnd = 10000, .seq = 7}, .opts = opts};
    int err;

    (void)state;
    W = world_get();
    world_hello(W);
    world_turn(W, 0);
    lfd = world_listen(W, 80, &L);
    t.opt_len = tcp_opts_build(opts, &o);
    world_segment(W, (struct world_rx){0}, &t);
    world_turn(W, 0);
    T = TAILQ_FIRST(&L->tcp->lis->syn_q);
    assert_non_null(T);
    ts_val = 101;
    peer(TH_ACK, 0, 0, 10000, 0);
    fd = sock_new(W->s, SOCK_TCP, &K);
    T = tcp_accept(W->s, L->tcp, &err);
    assert_non_null(T);
    K->tcp = T;
    tcp_attach(T, K);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    W->sent = on_sent;
    n_fins = n_payload = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (fd >= 0)
        sock_close(W->s, fd);
    sock_close(W->s, lfd);
    world_reset(W);
    return 0;
}

static void wait_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 10)
        world_turn(W, 10 * NS_PER_MS);
}

/* The persist timer's octet was the last one, and its acknowledgement says "no window" again: the next probe was a FIN. */
static void test_probe_of_last_octet(void **state)
{
    (void)state;
    peer(TH_ACK, 0, 0, 0, 0);
    write_bytes(1);
    assert_int_equal(n_payload, 0);
    wait_ms(3000);
    assert_true(n_payload >= 1);
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(tcp_in_flight(T), 0);
    wait_ms(30000);
    assert_int_equal(n_fins, 0);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    peer(TH_ACK, 0, 0, 10000, 0);
    write_bytes(10);
    assert_int_equal(T->snd_nxt, T->iss + 12);
}

/* A FIN that went out as a probe, acknowledged by a peer whose window stays closed: a second FIN followed. */
static void test_probe_after_fin(void **state)
{
    (void)state;
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(tcp_shutdown(W->s, T, SHUT_WR), 0);
    wait_ms(1500);
    assert_true(n_fins >= 1);
    peer(TH_ACK, 0, 0, 0, 0);
    assert_int_equal(T->state, TCPS_FIN_WAIT_2);
    n_fins = 0;
    wait_ms(60000);
    assert_int_equal(n_fins, 0);
    assert_int_equal(T->snd_nxt, T->iss + 2);
}

/* An ICMP message with the smallest legal MTU must not stop a connection: such segments could not be built, and were dropped. */
static void test_tiny_path_mtu(void **state)
{
    struct icmp_err e = {.laddr = inaddr_v4(WORLD_US), .raddr = inaddr_v4(WORLD_PEER), .lport = 80, .rport = 5000};

    (void)state;
    write_bytes(3000);
    e.seq = T->snd_una;
    e.err = EMSGSIZE;
    e.mtu = 68;
    n_payload = 0;
    tcp_icmp_error(W->s, &e);
    wait_ms(1000);
    assert_true(n_payload > 0);
}

/* A segment whose ACK cannot be is dropped, with its timestamp: taken over, that would have shut the real peer out (PAWS). */
static void test_timestamp_of_forged_segment(void **state)
{
    (void)state;
    ts_val = 0x70000000;
    peer(TH_ACK, 0, 100000, 10000, 10);
    assert_int_equal(T->ts_recent, 101);
    ts_val = 102;
    peer(TH_ACK, 0, 0, 10000, 10);
    assert_int_equal(tcp_rcv_avail(T), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_probe_of_last_octet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probe_after_fin, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tiny_path_mtu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timestamp_of_forged_segment, setup, teardown),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    world_end();
    return failed;
}
