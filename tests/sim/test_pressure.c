/*
 * Under pressure: exhausted pools, peers that do not read, do not acknowledge, send in tiny pieces or hardly at all, and connections
 * that nobody holds any more. Memory stays within its limits, time is bounded, what can recover does, and everything comes back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "sim_conn.h"
#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

struct rig {
    struct sim_pair p;
    struct sim_tcp_checker chk;
};

static void (*extra_tune)(struct stack_conf *c);

static void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->max_connections = 1024;
    c->max_sockets = 1024;
    c->rcvbuf_bytes = 64 * KIB;
    c->rcvbuf_auto = false;
    c->msl_ns = NS_PER_SEC;
    c->finwait2_ns = 10 * NS_PER_SEC;
    c->rto_max_ns = 8 * NS_PER_SEC;
    c->arp_reachable_ns = 100000 * NS_PER_SEC;
    if (extra_tune != NULL)
        extra_tune(c);
}

static void rig_create(struct rig *r, void (*conf)(struct stack_conf *c), uint32_t check_every)
{
    struct sim_pair_conf c = {.sim = {.seed = 7}};

    extra_tune = conf;
    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].link.delay_ns = NS_PER_MS;
        c.side[i].knobs.poison = true;
    }
    assert_true(sim_pair_create(&r->p, &c));
    sim_tcp_check_every(&r->chk, &r->p, check_every);
}

static void write_zeroes(struct sim_stack *ss, struct sock *sk, uint32_t n)
{
    struct rte_mbuf *m = pkt_alloc_app(ss->s, n);

    assert_non_null(m);
    memset(pkt_data(m), 0, n);
    m->data_len = (uint16_t)n;
    m->pkt_len = n;
    assert_int_equal(tcp_send_ref(ss->s, sk->tcp, m), 0);
    sim_kick(ss->sim, ss->node);
}

/* Fills the send queue; how many bytes. */
static uint64_t fill(struct sim_stack *ss, struct sock *sk)
{
    uint64_t n = 0;

    for (; tcp_snd_space(sk->tcp) > 0; n += 4000)
        write_zeroes(ss, sk, 4000);
    return n;
}

static uint64_t read_all(struct sim_stack *ss, struct sock *sk)
{
    static uint8_t buf[65536];
    struct iovec iov = {buf, sizeof(buf)};
    uint64_t got = 0;
    ssize_t n;

    while ((n = tcp_recv_copy(ss->s, sk->tcp, &iov, 1, 0)) > 0)
        got += (uint64_t)n;
    sim_kick(ss->sim, ss->node);
    return got;
}

/* pools ------------------------------------------------------------------------------------------------------------------- */

#define HELD_MAX 1000u

struct holder {
    struct sock *sk;
    struct rte_mbuf *held[HELD_MAX];
    unsigned n;
    bool free_all;
    uint64_t received;
};

static void give_back(struct z_stack *s, struct holder *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        tcp_loan_return(s, h->held[i]);
        pkt_unref(h->held[i]);
    }
    h->n = 0;
}

static void holder_app(struct sim_stack *ss, void *arg)
{
    struct holder *h = arg;
    struct rte_mbuf *m;
    ssize_t n;

    while (h->n < HELD_MAX && (n = tcp_recv_ref(ss->s, h->sk->tcp, SIZE_MAX, &m)) > 0) {
        h->held[h->n++] = m;
        h->received += (uint64_t)n;
    }
    if (h->free_all)
        give_back(ss->s, h);
}

static void no_reserve(struct stack_conf *c)
{
    c->pools.rx = 200;
    c->loan_limit_bytes = c->rcv_limit_bytes = 1024 * MIB; /* nothing is kept for the port */
    c->loan_quota_bytes = 1024 * MIB;
}

static void with_reserve(struct stack_conf *c)
{
    c->pools.rx = 200;
    c->loan_quota_bytes = 1024 * MIB;
    stack_conf_shares(c);
}

static void hold_everything(void (*conf)(struct stack_conf *c), bool exhausts)
{
    struct holder *h = calloc(1, sizeof(*h));
    struct sim_conn c;
    struct rig r;
    uint64_t total;

    rig_create(&r, conf, 1);
    assert_true(sim_conn_open(&r.p, &c, 80));
    h->sk = c.b;
    r.p.b->app = holder_app;
    r.p.b->app_arg = h;
    total = fill(r.p.a, c.a) + 600000;
    for (uint64_t more = 0; more < 600000; more += 4000) {
        while (tcp_snd_space(c.a->tcp) == 0)
            if (!sim_run_for(r.p.sim, 10 * NS_PER_MS) || r.p.sim->now_ns > 30 * NS_PER_SEC)
                goto stuck; /* as intended: nothing can be received while everything is held */
        write_zeroes(r.p.a, c.a, 4000);
    }
stuck:
    assert_false(r.p.sim->failed);
    assert_true(sim_run_for(r.p.sim, 20 * NS_PER_SEC));
    assert_true(h->received < total);
    assert_int_equal(r.p.b->end->port->ops->missed(r.p.b->end->port) > 0, exhausts);
    h->free_all = true; /* the application lets go */
    give_back(r.p.b->s, h);
    sim_kick(r.p.sim, r.p.b->node);
    assert_true(sim_run_for(r.p.sim, 60 * NS_PER_SEC));
    assert_int_equal(tcp_snd_queued(c.a->tcp), 0);
    assert_int_equal(h->received, c.a->tcp->sndq.end_seq - c.a->tcp->iss - 1); /* all that was queued */
    r.p.b->app = NULL;
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
    free(h);
}

static void test_application_holds_all_buffers(void **state)
{
    (void)state;
    hold_everything(no_reserve, true);
}

static void test_reserve_keeps_the_port_alive(void **state)
{
    (void)state;
    hold_everything(with_reserve, false);
}

static unsigned take_all(struct rte_mempool *mp, struct rte_mbuf **all, unsigned max)
{
    unsigned n = 0;

    while (n < max && (all[n] = rte_pktmbuf_alloc(mp)) != NULL)
        n++;
    assert_true(n < max);
    return n;
}

static void few_headers(struct stack_conf *c)
{
    c->pools.hdr = 512;
    c->pools.ind = 512;
}

/*
 * Not one buffer is free but in the receive ring: data is still acknowledged, a window probe answered, a stranger reset, from the
 * reserve; a new connection has to wait, what the stack itself wants to send as well; all goes on when the buffers return.
 */
static void test_no_free_buffer(void **state)
{
    enum { MAX = 8192 };
    struct rte_mbuf **all = calloc(MAX, sizeof(struct rte_mbuf *));
    struct sim_conn c, late = {0}, d;
    unsigned n = 0;
    uint64_t resets;
    struct z_stack *b;
    struct rig r;

    (void)state;
    rig_create(&r, few_headers, 1);
    b = r.p.b->s;
    assert_true(sim_conn_open(&r.p, &c, 80));
    assert_true(sim_conn_open(&r.p, &d, 81));
    write_zeroes(r.p.b, d.b, 20000); /* waits in the send queue for a window, then for buffers */
    n += take_all(b->pools.hdr, all + n, MAX - n);
    n += take_all(b->pools.ind, all + n, MAX - n);
    for (int i = 0; i < PKT_APP_CLASSES; i++)
        n += take_all(b->pools.app[i], all + n, MAX - n);
    resets = b->ctr.v[CTR_TCP_RST_TX];
    assert_non_null(sim_listen(r.p.b, 90, 5, &late.fd_b));
    late.a = sim_connect(r.p.a, SIM_ADDR_B, 90, &late.fd_a); /* new work */
    sim_connect(r.p.a, SIM_ADDR_B, 91, &d.fd_a);             /* nobody listens */
    for (unsigned i = 0; i < 10; i++)
        write_zeroes(r.p.a, c.a, 4000);
    assert_true(sim_run_for(r.p.sim, 2 * NS_PER_SEC));
    assert_int_equal(tcp_snd_queued(c.a->tcp), 0); /* acknowledged, all of it */
    assert_int_equal(b->ctr.v[CTR_TCP_RST_TX], resets + 1);
    assert_true(b->ctr.v[CTR_PKT_RESERVE] > 0);
    assert_false((tcp_poll(late.a->tcp) & SOCK_OUT) != 0); /* not connected */
    assert_true(tcp_snd_queued(d.b->tcp) > 0);
    fill(r.p.a, c.a); /* until b's window is closed */
    assert_true(sim_run_for(r.p.sim, 60 * NS_PER_SEC));
    assert_int_equal(tcp_peek_error(c.a->tcp), 0);
    assert_int_equal(c.a->tcp->rexmt_count, 0); /* its probes are answered */
    while (n > 0)
        rte_pktmbuf_free(all[--n]);
    assert_true(sim_run_for(r.p.sim, 120 * NS_PER_SEC));
    assert_int_equal(tcp_snd_queued(d.b->tcp), 0);
    assert_true((tcp_poll(late.a->tcp) & SOCK_OUT) != 0);
    sim_pair_destroy(&r.p);
    free(all);
}

/* peers that do nothing ------------------------------------------------------------------------------------------------------- */

static void test_peer_never_reads(void **state)
{
    struct sim_conn c;
    struct rig r;
    uint64_t sent, steps, got;

    (void)state;
    rig_create(&r, NULL, 1);
    assert_true(sim_conn_open(&r.p, &c, 80));
    sent = fill(r.p.a, c.a);
    assert_true(sim_run_for(r.p.sim, 10 * NS_PER_SEC));
    steps = r.p.sim->steps;
    assert_true(sim_run_for(r.p.sim, 24 * 3600 * NS_PER_SEC)); /* MUST-37: as long as the peer answers */
    print_message("a day of a closed window took %llu steps\n", (unsigned long long)(r.p.sim->steps - steps));
    assert_true(r.p.sim->steps - steps < 24 * 3600);
    assert_true(c.b->tcp->rcvq.charged_bytes <= 3 * c.b->tcp->rcvbuf_bytes);
    assert_int_equal(tcp_peek_error(c.a->tcp), 0);
    got = 0;
    for (unsigned i = 0; i < 1000 && got < sent; i++) {
        got += read_all(r.p.b, c.b);
        assert_true(sim_run_for(r.p.sim, 10 * NS_PER_MS));
    }
    assert_int_equal(got, sent);
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

/* Nobody holds the connection, the peer's window stays closed: it ends by its probes. */
static void test_orphan_of_closed_window(void **state)
{
    struct sim_conn c;
    struct rig r;

    (void)state;
    rig_create(&r, NULL, 1);
    assert_true(sim_conn_open(&r.p, &c, 80));
    fill(r.p.a, c.a);
    assert_true(sim_run_for(r.p.sim, 10 * NS_PER_SEC));
    sock_close(r.p.a->s, c.fd_a);
    c.a = NULL;
    assert_true(sim_run_for(r.p.sim, 300 * NS_PER_SEC));
    assert_int_equal(r.p.a->s->tcp.n_conns, 0);
    assert_int_equal(pkt_pools_in_use(&r.p.a->s->pools), 0);
    assert_int_equal(tcp_peek_error(c.b->tcp), ECONNRESET);
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

static void test_peer_never_acknowledges(void **state)
{
    struct sim_conn c;
    struct rig r;
    uint64_t start;

    (void)state;
    rig_create(&r, NULL, 1);
    assert_true(sim_conn_open(&r.p, &c, 80));
    r.p.b->end->conf.loss_ppm = SIM_PPM;
    fill(r.p.a, c.a);
    start = r.p.sim->now_ns;
    while (tcp_peek_error(c.a->tcp) == 0)
        assert_true(sim_run_for(r.p.sim, NS_PER_SEC) && r.p.sim->now_ns - start < 200 * NS_PER_SEC);
    assert_int_equal(tcp_peek_error(c.a->tcp), ETIMEDOUT);
    print_message("a silent peer is given up after %llu s\n", (unsigned long long)((r.p.sim->now_ns - start) / NS_PER_SEC));
    assert_int_equal(tcp_snd_queued(c.a->tcp), 0);
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

/* Closed in every state, and the cable is cut: every block goes by its timers. */
static void test_orphans_end_by_timers(void **state)
{
    static const char *const how[] = {"idle", "data", "half closed by us", "half closed by the peer", "closed window"};
    struct sim_conn c[ARRAY_LEN(how)];
    struct rig r;

    (void)state;
    rig_create(&r, NULL, 1);
    for (unsigned i = 0; i < ARRAY_LEN(how); i++)
        assert_true(sim_conn_open(&r.p, &c[i], 80));
    assert_int_equal(tcp_shutdown(r.p.a->s, c[2].a->tcp, SHUT_WR), 0);
    assert_int_equal(tcp_shutdown(r.p.b->s, c[3].b->tcp, SHUT_WR), 0);
    fill(r.p.a, c[4].a);
    assert_true(sim_run_for(r.p.sim, 5 * NS_PER_SEC));
    r.p.a->end->conf.loss_ppm = r.p.b->end->conf.loss_ppm = SIM_PPM;
    write_zeroes(r.p.a, c[1].a, 10000);
    for (unsigned i = 0; i < ARRAY_LEN(how); i++) {
        sock_close(r.p.a->s, c[i].fd_a);
        c[i].a = NULL;
    }
    sim_kick(r.p.sim, r.p.a->node);
    assert_true(sim_run_for(r.p.sim, 300 * NS_PER_SEC));
    assert_int_equal(r.p.a->s->tcp.n_conns, 0);
    assert_true(sim_conn_close(&r.p, c, ARRAY_LEN(how)));
    sim_pair_destroy(&r.p);
}

/* tiny segments ------------------------------------------------------------------------------------------------------------------ */

static void plain_headers(struct stack_conf *c)
{
    c->timestamps = false; /* so that a segment can be made by hand */
}

/* A segment of connection c from a to b with the given place and bytes, made outside of a's stack. */
static void forge(struct rig *r, const struct sim_conn *c, uint32_t seq, uint32_t len)
{
    struct {
        struct rte_ether_hdr eth;
        struct rte_ipv4_hdr ip;
        struct rte_tcp_hdr tcp;
        uint8_t data[64];
    } f = {0};
    const struct tcp_conn *tc = c->a->tcp;
    struct rte_ipv4_hdr ip;
    struct rte_tcp_hdr tcp;

    memcpy(&f.eth.dst_addr, r->p.b->end->port->mac, 6);
    memcpy(&f.eth.src_addr, r->p.a->end->port->mac, 6);
    f.eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
    ip = (struct rte_ipv4_hdr){
        .version_ihl = 0x45,
        .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + sizeof(tcp) + len)),
        .time_to_live = 64,
        .next_proto_id = 6,
        .src_addr = rte_cpu_to_be_32(SIM_ADDR_A),
        .dst_addr = rte_cpu_to_be_32(SIM_ADDR_B),
    };
    ip.hdr_checksum = rte_ipv4_cksum(&ip);
    tcp = (struct rte_tcp_hdr){
        .src_port = rte_cpu_to_be_16(tc->ent.lport),
        .dst_port = rte_cpu_to_be_16(tc->ent.rport),
        .sent_seq = rte_cpu_to_be_32(seq),
        .recv_ack = rte_cpu_to_be_32(tc->rcv_nxt),
        .data_off = 0x50,
        .tcp_flags = 0x10,
        .rx_win = rte_cpu_to_be_16(1000),
    };
    f.ip = ip;
    f.tcp = tcp;
    f.tcp.cksum = rte_ipv4_udptcp_cksum(&ip, (const uint8_t *)&f + offsetof(typeof(f), tcp));
    assert_true(sim_inject(r->p.a->end, &f, (uint32_t)(sizeof(f) - sizeof(f.data)) + len));
}

static enum sim_verdict mute(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    (void)arg;
    (void)e;
    (void)index;
    (void)f;
    return SIM_DROP;
}

static void test_tiny_out_of_order(void **state)
{
    uint32_t count = (uint32_t)MIN(sim_soak(100000), (uint64_t)1000000), worst = 0, base;
    struct sim_conn c;
    struct rng rng;
    struct rig r;

    (void)state;
    rig_create(&r, plain_headers, 256);
    assert_true(sim_conn_open(&r.p, &c, 80));
    rng_seed(&rng, 1);
    r.p.b->end->conf.hook = mute; /* a's stack shall not see what b answers to segments that it has not sent */
    base = c.b->tcp->rcv_nxt;
    for (uint32_t i = 0; i < count; i++) {
        forge(&r, &c, base + 1 + 2 * rng_below(&rng, 15000), 1);
        if (i % 16 == 15)
            assert_true(sim_run_for(r.p.sim, 10 * NS_PER_US));
        worst = MAX(worst, reass_charged_bytes(&c.b->tcp->reass));
    }
    assert_true(sim_run_for(r.p.sim, NS_PER_SEC));
    assert_int_equal(c.b->tcp->rcv_nxt, base);
    assert_true(reass_blocks(&c.b->tcp->reass) > 0 && reass_blocks(&c.b->tcp->reass) <= 256);
    assert_true(worst <= 4 * c.b->tcp->rcvbuf_bytes);
    print_message("%u out-of-order segments of one byte: at most %u bytes of memory\n", count, worst);
    r.p.b->end->conf.hook = NULL;
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

/* One byte per segment in order, and nobody reads: the memory is that of compact buffers. */
static void test_tiny_in_order(void **state)
{
    uint32_t worst = 0, base, i;
    struct sim_conn c;
    struct rig r;

    (void)state;
    rig_create(&r, plain_headers, 256);
    assert_true(sim_conn_open(&r.p, &c, 80));
    r.p.b->end->conf.hook = mute;
    base = c.b->tcp->rcv_nxt;
    for (i = 0; i < 100000 && seq_lt(base + i, c.b->tcp->rcv_adv); i++) {
        forge(&r, &c, base + i, 1);
        if (i % 16 == 15)
            assert_true(sim_run_for(r.p.sim, 2 * NS_PER_MS));
        worst = MAX(worst, c.b->tcp->rcvq.charged_bytes);
    }
    assert_true(sim_run_for(r.p.sim, NS_PER_SEC));
    assert_int_equal(c.b->tcp->rcvq.bytes, i);
    assert_true(i > 10000 && worst <= 3 * c.b->tcp->rcvbuf_bytes);
    assert_true(r.p.b->s->ctr.v[CTR_TCP_COLLAPSED] > 0);
    print_message("%u segments of one byte in order, unread: at most %u bytes of memory\n", i, worst);
    assert_int_equal(read_all(r.p.b, c.b), i);
    r.p.b->end->conf.hook = NULL;
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

/* Many connections that drip single bytes into queues that nobody reads must not take all receive buffers. */
#define LORIS 200u

static void loris_limits(struct stack_conf *c)
{
    c->pools.rx = 1024;
    stack_conf_shares(c);
}

static void test_slow_loris(void **state)
{
    struct sim_conn *c = calloc(LORIS + 1, sizeof(*c));
    uint8_t byte = 0;
    struct iovec one = {&byte, 1};
    struct rig r;

    (void)state;
    rig_create(&r, loris_limits, 256);
    for (unsigned i = 0; i < LORIS; i++)
        assert_true(sim_conn_open(&r.p, &c[i], 80));
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < LORIS; i++)
            tcp_send_copy(r.p.a->s, c[i].a->tcp, &one, 1, 0);
        sim_kick(r.p.sim, r.p.a->node);
        assert_true(sim_run_for(r.p.sim, NS_PER_SEC));
    }
    print_message("%u connections dripping: receive memory %llu of %llu bytes, %u buffers in use of 1024\n", LORIS,
                  (unsigned long long)r.p.b->s->tcp.rcv_charged_bytes, (unsigned long long)r.p.b->s->conf.rcv_limit_bytes,
                  rte_mempool_in_use_count(r.p.b->s->pools.rx));
    assert_int_equal(r.p.b->end->port->ops->missed(r.p.b->end->port), 0);
    assert_true(sim_conn_open(&r.p, &c[LORIS], 80)); /* the stack still serves others */
    write_zeroes(r.p.a, c[LORIS].a, 1000);
    assert_true(sim_run_for(r.p.sim, 5 * NS_PER_SEC));
    assert_int_equal(read_all(r.p.b, c[LORIS].b), 1000);
    assert_true(sim_conn_close(&r.p, c, LORIS + 1));
    sim_pair_destroy(&r.p);
    free(c);
}

/* closed windows both ways -------------------------------------------------------------------------------------------------------- */

/* Steps until both ends have a probe on its way at the same time: both were sent within less than the delay of the link. */
static bool probes_cross(struct rig *r, uint64_t delay_ns)
{
    struct z_stack *s[2] = {r->p.a->s, r->p.b->s};
    uint64_t seen[2] = {s[0]->ctr.v[CTR_TCP_PERSIST], s[1]->ctr.v[CTR_TCP_PERSIST]}, at[2] = {0, 0};

    for (unsigned i = 0; i < 10000 && sim_step(r->p.sim); i++) {
        for (int j = 0; j < 2; j++) {
            if (s[j]->ctr.v[CTR_TCP_PERSIST] != seen[j])
                at[j] = r->p.sim->now_ns;
            seen[j] = s[j]->ctr.v[CTR_TCP_PERSIST];
        }
        if (at[0] != 0 && at[1] != 0 && r->p.sim->now_ns - MIN(at[0], at[1]) < delay_ns)
            return true;
    }
    return false;
}

/*
 * Both ends have filled each other's windows and probe them; both windows open while the probes are on their way, and take them. The
 * segments of each then lie before what the other expects: their acknowledgements must count all the same, or the two answer each
 * other for ever. What announces the open windows is lost.
 */
static void test_windows_open_under_probes(void **state)
{
    const uint64_t delay_ns = 150 * NS_PER_MS;
    struct sim_conn c;
    struct rig r;
    uint64_t sent, got[2], steps;

    (void)state;
    rig_create(&r, NULL, 1);
    assert_true(sim_conn_open(&r.p, &c, 80));
    sent = fill(r.p.a, c.a);
    assert_int_equal(fill(r.p.b, c.b), sent);
    assert_true(sim_run_for(r.p.sim, NS_PER_SEC));
    r.p.a->end->conf.delay_ns = r.p.b->end->conf.delay_ns = delay_ns;
    assert_true(probes_cross(&r, delay_ns - 10 * NS_PER_MS));
    r.p.a->end->conf.loss_ppm = r.p.b->end->conf.loss_ppm = SIM_PPM;
    got[0] = read_all(r.p.a, c.a);
    got[1] = read_all(r.p.b, c.b);
    assert_true(sim_run_for(r.p.sim, NS_PER_MS));
    r.p.a->end->conf.loss_ppm = r.p.b->end->conf.loss_ppm = 0;
    steps = r.p.sim->steps;
    for (unsigned i = 0; i < 1000 && (got[0] < sent || got[1] < sent); i++) {
        assert_true(sim_run_for(r.p.sim, 100 * NS_PER_MS));
        got[0] += read_all(r.p.a, c.a);
        got[1] += read_all(r.p.b, c.b);
    }
    assert_int_equal(got[0], sent);
    assert_int_equal(got[1], sent);
    assert_true(r.p.sim->steps - steps < 20000);
    assert_true(sim_conn_close(&r.p, &c, 1));
    sim_pair_destroy(&r.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_application_holds_all_buffers),
        cmocka_unit_test(test_reserve_keeps_the_port_alive),
        cmocka_unit_test(test_no_free_buffer),
        cmocka_unit_test(test_peer_never_reads),
        cmocka_unit_test(test_orphan_of_closed_window),
        cmocka_unit_test(test_peer_never_acknowledges),
        cmocka_unit_test(test_orphans_end_by_timers),
        cmocka_unit_test(test_tiny_out_of_order),
        cmocka_unit_test(test_tiny_in_order),
        cmocka_unit_test(test_slow_loris),
        cmocka_unit_test(test_windows_open_under_probes),
    };

    if (sim_eal_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
