/* One established connection of a whole stack, and the peer that a test plays; tests/fuzz/world.c is the port. */
#ifndef TESTS_REGRESS_PEER_H
#define TESTS_REGRESS_PEER_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tcp/syncache.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "world.h"

static struct world *W;
static struct sock *L, *K;
static int lfd, fd;
static struct tcp_conn *T;
static unsigned n_fins, n_payload, n_segments;
static uint32_t last_seq, prev_seq; /* of the last two segments with text */
static uint32_t ts_val;
static bool ts_on = true;
static bool sack_on;

static inline void on_sent(void *arg, const uint8_t *f, uint32_t len)
{
    struct ipv4_hdr ih;
    struct tcp_hdr h;

    (void)arg;
    if (ipv4_parse(f + ETH_HLEN, len - ETH_HLEN, len - ETH_HLEN, false, &ih) != IPV4_OK || ih.proto != IPPROTO_TCP_)
        return;
    assert_int_equal(tcp_hdr_parse(f + ETH_HLEN + ih.hlen, (uint32_t)ih.total_len - ih.hlen, &h), TCP_PARSE_OK);
    n_fins += (h.flags & TH_FIN) != 0;
    if (ih.total_len - ih.hlen - h.hlen > 0) {
        n_payload += (unsigned)(ih.total_len - ih.hlen - h.hlen);
        n_segments++;
        prev_seq = last_seq;
        last_seq = h.seq;
    }
}

/* A segment of the peer at rcv_nxt + seq, snd_nxt + ack; a SACK block relative to snd_una unless both are 0. It arrives with the next turn.
 */
static inline void peer_put(uint8_t flags, int32_t seq, int32_t ack, uint16_t wnd, uint32_t len, uint32_t from, uint32_t to)
{
    static const uint8_t zeros[1460];
    uint8_t opts[TCP_OPT_MAX];
    struct tcp_opts o = {.has_ts = T->ts_on, .ts_val = ts_val, .ts_ecr = tcp_ts_now(W->s, T)};
    struct world_tcp t = {.h = {.sport = 5000, .dport = 80, .flags = flags, .wnd = wnd}, .opts = opts, .payload = zeros, .len = len};

    if (to != 0) {
        o.n_sack = 1;
        o.sack[0].start = T->snd_una + from;
        o.sack[0].end = T->snd_una + to;
    }
    t.opt_len = tcp_opts_build(opts, &o);
    t.h.seq = T->rcv_nxt + (uint32_t)seq;
    t.h.ack = T->snd_nxt + (uint32_t)ack;
    assert_true(world_segment(W, (struct world_rx){0}, &t));
}

static inline void peer_sack(uint8_t flags, int32_t seq, int32_t ack, uint16_t wnd, uint32_t len, uint32_t from, uint32_t to)
{
    peer_put(flags, seq, ack, wnd, len, from, to);
    world_turn(W, NS_PER_MS);
}

static inline void peer(uint8_t flags, int32_t seq, int32_t ack, uint16_t wnd, uint32_t len)
{
    peer_sack(flags, seq, ack, wnd, len, 0, 0);
}

static inline void write_bytes(size_t n)
{
    static uint8_t zeros[100000];
    struct iovec iov = {zeros, n};

    assert_int_equal(tcp_send_copy(W->s, T, &iov, 1, 0), n);
    world_turn(W, 0);
}

static inline int setup(void **state)
{
    uint8_t opts[TCP_OPT_MAX];
    struct tcp_opts o = {.has_mss = true, .mss = 1460, .has_ts = ts_on, .ts_val = 100, .sack_ok = sack_on};
    struct world_tcp t = {.h = {.sport = 5000, .dport = 80, .flags = TH_SYN, .wnd = 10000, .seq = 7}, .opts = opts};
    const struct tcp_synent *syn;
    int err;

    (void)state;
    W = world_get();
    world_hello(W);
    world_turn(W, 0);
    lfd = world_listen(W, 80, &L);
    t.opt_len = tcp_opts_build(opts, &o);
    world_segment(W, (struct world_rx){0}, &t);
    world_turn(W, 0);
    syn = world_syn(W);
    assert_non_null(syn);
    ts_val = 101;
    t.h.flags = TH_ACK;
    t.h.seq++;
    t.h.ack = syn->iss + 1;
    o = (struct tcp_opts){.has_ts = ts_on, .ts_val = ts_val, .ts_ecr = tcp_ts_clock(W->s) + syn->ts_offset};
    t.opt_len = tcp_opts_build(opts, &o);
    world_segment(W, (struct world_rx){0}, &t);
    world_turn(W, NS_PER_MS);
    T = tcp_accept(W->s, L->tcp, &err);
    assert_non_null(T);
    fd = sock_new_tcp(W->s, T, &K);
    assert_int_equal(T->state, TCPS_ESTABLISHED);
    W->sent = on_sent;
    n_fins = n_payload = n_segments = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    if (fd >= 0)
        sock_close(W->s, fd);
    sock_close(W->s, lfd);
    world_reset(W);
    return 0;
}

static inline void wait_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 10)
        world_turn(W, 10 * NS_PER_MS);
}

#define PEER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
