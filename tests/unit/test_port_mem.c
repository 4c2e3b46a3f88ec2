/* The in-memory ports: what a NIC does, and what it catches its user doing. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/mem.h"
#include "port/mem_wire.h"
#include "sim.h"

#define FRAMES 64u
#define RX_MBUFS 255u
#define TCP_FRAME (14u + 20u + 20u + 5u)

static struct rte_mempool *pool, *rx_pool, *ind_pool;

struct fixture {
    struct mem_frames *frames;
    struct port *p;
    uint32_t n_wire;
    struct mem_frame *wire[FRAMES];
};

static void keep(void *arg, struct mem_frame *f)
{
    struct fixture *x = arg;

    x->wire[x->n_wire++] = f;
}

static void open_port(struct fixture *x, struct port_mem_conf c)
{
    *x = (struct fixture){.frames = mem_frames_create(FRAMES, 2048)};
    c.mac[5] = 1;
    c.mtu = 1500;
    c.rx_pool = rx_pool;
    c.frames = x->frames;
    c.wire = keep;
    c.wire_arg = x;
    c.seed = 5;
    x->p = port_mem_open(&c);
    assert_non_null(x->p);
}

/* Everything is back in its pool. */
static void close_port(struct fixture *x)
{
    for (uint32_t i = 0; i < x->n_wire; i++)
        mem_frame_put(x->wire[i]);
    port_close(x->p);
    assert_int_equal(x->frames->free_count, FRAMES);
    mem_frames_destroy(x->frames);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static struct rte_mbuf *frame(uint32_t len, int fill)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

    memset(rte_pktmbuf_append(m, (uint16_t)len), fill, len);
    return m;
}

static void poll(struct fixture *x, int times)
{
    struct rte_mbuf *m[4];

    for (int i = 0; i < times; i++)
        assert_int_equal(port_rx(x->p, m, 4), 0);
}

static void arrive(struct fixture *x, const uint8_t *bytes, uint32_t len)
{
    struct mem_frame *f = mem_frame_get(x->frames);

    memcpy(f->data, bytes, len);
    f->len = len;
    assert_true(port_mem_deliver(x->p, f));
}

static void test_chain_becomes_a_flat_frame(void **state)
{
    struct rte_mbuf *m = frame(20, 'a');
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps()});
    rte_pktmbuf_chain(m, frame(7, 'b'));
    rte_pktmbuf_chain(m, frame(1000, 'c'));
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    assert_int_equal(x.n_wire, 1);
    assert_int_equal(x.wire[0]->len, 1027);
    assert_memory_equal(x.wire[0]->data, "aaaaaaaaaaaaaaaaaaaabbbbbbbccc", 30);
    assert_int_equal(x.wire[0]->data[1026], 'c');
    assert_int_equal(port_mem_violations(x.p), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    close_port(&x);
}

static void test_sent_frames_are_held_for_some_polls(void **state)
{
    struct rte_mbuf *m[2] = {frame(60, 'a'), frame(60, 'b')};
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 3}});
    assert_int_equal(port_tx(x.p, m, 1), 1);
    poll(&x, 1);
    assert_int_equal(port_tx(x.p, m + 1, 1), 1);
    poll(&x, 1);
    assert_int_equal(port_mem_held(x.p), 2);
    poll(&x, 1);
    assert_int_equal(port_mem_held(x.p), 1);
    assert_int_equal(rte_mempool_in_use_count(pool), 1);
    poll(&x, 1);
    assert_int_equal(port_mem_held(x.p), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    close_port(&x);
}

static void test_ring_of_held_frames_is_bounded(void **state)
{
    struct rte_mbuf *m[6];
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .tx_ring = 4, .knobs = {.hold_polls = 1}});
    for (int i = 0; i < 6; i++)
        m[i] = frame(60, i);
    assert_int_equal(port_tx(x.p, m, 6), 4);
    assert_int_equal(port_tx(x.p, m + 4, 2), 0);
    poll(&x, 1);
    assert_int_equal(port_tx(x.p, m + 4, 2), 2);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(x.wire[i]->data[0], i);
    close_port(&x);
}

static void test_wire_frames_are_bounded(void **state)
{
    struct rte_mbuf *m[FRAMES + 1];
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps()});
    for (uint32_t i = 0; i <= FRAMES; i++)
        m[i] = frame(60, 'x');
    assert_int_equal(port_tx(x.p, m, FRAMES + 1), FRAMES);
    rte_pktmbuf_free(m[FRAMES]);
    close_port(&x);
}

static void test_parts_of_bursts(void **state)
{
    unsigned whole = 0, part = 0, none = 0;
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.partial_pct = 50}});
    for (int round = 0; round < 200; round++) {
        struct rte_mbuf *m[8];
        uint16_t sent;

        for (int i = 0; i < 8; i++)
            m[i] = frame(60, i);
        sent = port_tx(x.p, m, 8);
        rte_pktmbuf_free_bulk(m + sent, 8u - sent);
        for (uint32_t i = 0; i < x.n_wire; i++)
            mem_frame_put(x.wire[i]);
        assert_int_equal(x.n_wire, sent);
        x.n_wire = 0;
        whole += sent == 8;
        none += sent == 0;
        part += sent > 0 && sent < 8;
    }
    assert_in_range(whole, 80, 150);
    assert_in_range(none, 1, 40);
    assert_in_range(part, 40, 120);
    close_port(&x);
}

static void test_change_after_transmission_is_caught(void **state)
{
    struct rte_mbuf *m = frame(20, 'h'), *payload = frame(100, 'p');
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 1}});
    rte_pktmbuf_chain(m, payload);
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    rte_pktmbuf_mtod(payload, uint8_t *)[99] ^= 1;
    assert_int_equal(port_mem_violations(x.p), 0);
    poll(&x, 1);
    assert_int_equal(port_mem_violations(x.p), 1);
    assert_non_null(strstr(port_mem_violation(x.p), "changed"));
    close_port(&x);
}

/* A retransmission that writes its headers over those of a frame that the device still reads. */
static void test_header_reuse_is_caught(void **state)
{
    struct rte_mbuf *m = frame(1000, 'p');
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 2}});
    memset(rte_pktmbuf_prepend(m, 54), 'h', 54);
    rte_mbuf_refcnt_update(m, 1);
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    rte_pktmbuf_adj(m, 54);
    memset(rte_pktmbuf_prepend(m, 54), 'H', 54);
    poll(&x, 2);
    assert_int_equal(port_mem_violations(x.p), 1);
    rte_pktmbuf_free(m);
    close_port(&x);
}

static void test_untouched_frames_are_no_violation(void **state)
{
    struct rte_mbuf *m = frame(1000, 'p');
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 2, .poison = true}});
    rte_mbuf_refcnt_update(m, 1);
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    rte_pktmbuf_adj(m, 54); /* the owner's view of the buffer is its own */
    poll(&x, 2);
    assert_int_equal(port_mem_violations(x.p), 0);
    assert_int_equal(port_mem_held(x.p), 0);
    assert_int_equal(*rte_pktmbuf_mtod(m, char *), 'p'); /* somebody else's: not poisoned */
    rte_pktmbuf_free(m);
    close_port(&x);
}

static void test_released_buffers_are_poisoned(void **state)
{
    struct rte_mbuf *m = frame(60, 'p'), *direct = frame(100, 'q'), *mi = rte_pktmbuf_alloc(ind_pool);
    uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *), *behind = rte_pktmbuf_mtod(direct, uint8_t *);
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 1, .poison = true}});
    rte_pktmbuf_attach(mi, direct);
    rte_pktmbuf_chain(m, mi);
    rte_pktmbuf_free(direct); /* the frame has the last reference now */
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    assert_int_equal(bytes[0], 'p');
#ifdef __SANITIZE_ADDRESS__
    port_mem_drain(x.p); /* what is in a pool may not be looked at */
#else
    poll(&x, 1);
    assert_int_equal(bytes[0], 0xdb);
    assert_int_equal(bytes[59], 0xdb);
    assert_int_equal(behind[0], 0xdb);
    assert_int_equal(behind[99], 0xdb);
#endif
    (void)behind;
    close_port(&x);
}

static void test_frames_beyond_the_capabilities_are_violations(void **state)
{
    struct port_caps caps = port_mem_caps();
    struct rte_mbuf *m = frame(20, 'h');
    struct fixture x;

    (void)state;
    caps.tx_chains = false;
    open_port(&x, (struct port_mem_conf){.caps = caps});
    rte_pktmbuf_chain(m, frame(20, 'p'));
    assert_int_equal(x.p->ops->tx(x.p, &m, 1), 1); /* past port_tx, which would copy it */
    assert_int_equal(port_mem_violations(x.p), 1);
    close_port(&x);
}

static void test_receive_in_one_buffer(void **state)
{
    struct rte_mbuf *m[2];
    uint8_t bytes[1514];
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps()});
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    arrive(&x, bytes, sizeof(bytes));
    arrive(&x, bytes, 60);
    assert_int_equal(port_mem_pending(x.p), 2);
    assert_int_equal(port_rx(x.p, m, 1), 1);
    assert_int_equal(m[0]->nb_segs, 1);
    assert_int_equal(m[0]->pkt_len, sizeof(bytes));
    assert_memory_equal(rte_pktmbuf_mtod(m[0], uint8_t *), bytes, sizeof(bytes));
    assert_int_equal(m[0]->ol_flags, 0);
    assert_int_equal(port_rx(x.p, m + 1, 1), 1);
    assert_int_equal(m[1]->pkt_len, 60);
    rte_pktmbuf_free_bulk(m, 2);
    close_port(&x);
}

static void check_scattered(bool random)
{
    uint8_t bytes[1000], got[1000];
    struct rte_mbuf *m;
    struct fixture x;
    uint32_t off = 0, segs = 0;

    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.rx_seg_bytes = 13, .rx_seg_random = random}});
    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    arrive(&x, bytes, sizeof(bytes));
    assert_int_equal(port_rx(x.p, &m, 1), 1);
    for (const struct rte_mbuf *s = m; s != NULL; s = s->next, segs++) {
        assert_in_range(s->data_len, random || s->next == NULL ? 1 : 13, 13);
        memcpy(got + off, rte_pktmbuf_mtod(s, uint8_t *), s->data_len);
        off += s->data_len;
    }
    assert_int_equal(off, sizeof(bytes));
    assert_int_equal(m->pkt_len, sizeof(bytes));
    assert_int_equal(m->nb_segs, segs);
    assert_memory_equal(got, bytes, sizeof(bytes));
    rte_pktmbuf_free(m);
    close_port(&x);
}

static void test_receive_scattered(void **state)
{
    (void)state;
    check_scattered(false);
    check_scattered(true);
}

static void test_frame_is_lost_without_buffers(void **state)
{
    struct rte_mbuf *all[RX_MBUFS], *m[2];
    static const uint8_t bytes[60];
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.rx_seg_bytes = 30}});
    assert_int_equal(rte_pktmbuf_alloc_bulk(rx_pool, all, RX_MBUFS), 0);
    rte_pktmbuf_free(all[0]); /* one buffer: half of a frame */
    arrive(&x, bytes, 60);
    assert_int_equal(port_rx(x.p, m, 2), 0);
    assert_int_equal(x.p->ops->missed(x.p), 1);
    rte_pktmbuf_free_bulk(all + 1, RX_MBUFS - 1);
    arrive(&x, bytes, 60);
    assert_int_equal(port_rx(x.p, m, 2), 1);
    rte_pktmbuf_free(m[0]);
    close_port(&x);
}

static void test_receive_ring_is_bounded(void **state)
{
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .rx_ring = 2});
    for (int i = 0; i < 3; i++)
        assert_int_equal(port_mem_deliver(x.p, mem_frame_get(x.frames)), i < 2);
    assert_int_equal(x.p->ops->missed(x.p), 1);
    close_port(&x);
}

/* An Ethernet frame with five bytes over TCP or UDP, asking for sums. */
static struct rte_mbuf *sum_frame(bool udp)
{
    static const uint8_t ip[20] = {0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    struct rte_mbuf *m = frame(TCP_FRAME - (udp ? 12 : 0), 0);
    uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

    p[12] = 0x08;
    memcpy(p + 14, ip, sizeof(ip));
    p[17] = (uint8_t)(m->pkt_len - 14);
    p[23] = udp ? 17 : 6;
    if (udp)
        p[39] = 13;
    else
        p[46] = 0x50;
    memcpy(p + m->pkt_len - 5, "hello", 5);
    m->l2_len = 14;
    m->l3_len = 20;
    m->l4_len = udp ? 8 : 20;
    m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM | (udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
    return m;
}

static uint64_t flags_of(struct fixture *x, const struct mem_frame *f, int flip)
{
    uint8_t bytes[128];
    struct rte_mbuf *m;
    uint64_t flags;

    memcpy(bytes, f->data, f->len);
    if (flip >= 0)
        bytes[flip] ^= 0x10;
    arrive(x, bytes, f->len);
    assert_int_equal(port_rx(x->p, &m, 1), 1);
    flags = m->ol_flags;
    rte_pktmbuf_free(m);
    return flags;
}

/* The same frame on the wire whether port_tx or the device makes the sums; and the device finds damage. */
static void test_checksum_offloads(void **state)
{
    const uint64_t good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    struct port_caps on = port_mem_caps();
    struct fixture soft, hard;

    (void)state;
    on.tx_ip_cksum = on.tx_tcp_cksum = on.tx_udp_cksum = on.rx_cksum = true;
    open_port(&soft, (struct port_mem_conf){.caps = port_mem_caps()});
    open_port(&hard, (struct port_mem_conf){.caps = on});
    for (uint32_t udp = 0; udp < 2; udp++) {
        struct rte_mbuf *a = sum_frame(udp != 0), *b = sum_frame(udp != 0);
        const struct mem_frame *f;

        assert_int_equal(port_tx(soft.p, &a, 1), 1);
        assert_int_equal(port_tx(hard.p, &b, 1), 1);
        f = hard.wire[udp];
        assert_memory_equal(soft.wire[udp]->data, f->data, f->len);
        assert_true(flags_of(&hard, f, -1) == good);
        assert_true(flags_of(&hard, f, 18) == RTE_MBUF_F_RX_IP_CKSUM_BAD);
        assert_true(flags_of(&hard, f, (int)f->len - 1) == (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD));
        assert_true(flags_of(&hard, f, 12) == 0); /* not IPv4 */
        assert_true(flags_of(&soft, f, -1) == 0);
    }
    for (uint32_t i = 0; i < soft.n_wire; i++)
        mem_frame_put(soft.wire[i]);
    soft.n_wire = 0;
    port_close(soft.p);
    mem_frames_destroy(soft.frames);
    close_port(&hard);
}

static void test_drain(void **state)
{
    struct rte_mbuf *m = frame(60, 'x');
    static const uint8_t bytes[60];
    struct fixture x;

    (void)state;
    open_port(&x, (struct port_mem_conf){.caps = port_mem_caps(), .knobs = {.hold_polls = 1000}});
    assert_int_equal(port_tx(x.p, &m, 1), 1);
    arrive(&x, bytes, 60);
    port_mem_drain(x.p);
    assert_int_equal(port_mem_held(x.p), 0);
    assert_int_equal(port_mem_pending(x.p), 0);
    m = frame(60, 'y');
    assert_int_equal(port_tx(x.p, &m, 1), 1); /* works on */
    poll(&x, 999);
    assert_int_equal(port_mem_held(x.p), 1);
    poll(&x, 1);
    assert_int_equal(port_mem_held(x.p), 0);
    close_port(&x);
}

static void open_joined(struct port *p[2], uint32_t ring)
{
    struct port_mem_join_conf c = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .ring = ring};

    c.ind_pool[0] = c.ind_pool[1] = ind_pool;
    assert_int_equal(port_mem_join(&c, p), 0);
}

static void test_joined_ports_pass_references(void **state)
{
    struct rte_mbuf *m = frame(54, 'h'), *payload = frame(1000, 'p'), *got;
    const uint8_t *at = rte_pktmbuf_mtod(payload, uint8_t *);
    struct port *p[2];

    (void)state;
    open_joined(p, 0);
    pkt_meta(payload)->flags = PKT_F_LOAN;
    rte_mbuf_refcnt_update(payload, 1); /* the sender keeps it */
    rte_pktmbuf_chain(m, payload);
    assert_int_equal(port_tx(p[0], &m, 1), 1);
    assert_int_equal(port_rx(p[0], &got, 1), 0);
    assert_int_equal(port_rx(p[1], &got, 1), 1);
    assert_int_equal(got->nb_segs, 2);
    assert_int_equal(got->pkt_len, 1054);
    assert_ptr_equal(rte_pktmbuf_mtod(got->next, uint8_t *), at);
    assert_ptr_not_equal(got->next, payload);
    assert_int_equal(pkt_meta(got->next)->flags, 0);
    assert_true((got->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD);
    assert_true((got->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD);
    assert_int_equal(rte_mempool_in_use_count(pool), 2); /* headers live as long as the receiver looks at them */
    rte_pktmbuf_free(got);
    assert_int_equal(rte_mempool_in_use_count(pool), 1);
    assert_int_equal(rte_mbuf_refcnt_read(payload), 1);
    pkt_unref(payload);
    port_close(p[0]);
    port_close(p[1]);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

/* As devices without offloads do: what the sender asked for is done before, and nothing is known of what arrives. */
static void test_joined_ports_that_copy(void **state)
{
    struct port_mem_join_conf c = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .copy_pool = {rx_pool, rx_pool}};
    struct rte_mbuf *m = frame(54, 'h'), *payload = frame(1000, 'p'), *got;
    struct port *p[2];

    (void)state;
    assert_int_equal(port_mem_join(&c, p), 0);
    assert_false(p[0]->caps.tx_ip_cksum || p[0]->caps.tx_tcp_cksum || p[0]->caps.tx_udp_cksum || p[1]->caps.rx_cksum);
    rte_pktmbuf_chain(m, payload);
    assert_int_equal(port_tx(p[0], &m, 1), 1);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(port_rx(p[1], &got, 1), 1);
    assert_int_equal(got->nb_segs, 1);
    assert_int_equal(got->data_len, 1054);
    assert_int_equal(got->ol_flags, 0);
    assert_ptr_equal(got->pool, rx_pool);
    assert_int_equal(*rte_pktmbuf_mtod_offset(got, char *, 53), 'h');
    assert_int_equal(*rte_pktmbuf_mtod_offset(got, char *, 54), 'p');
    rte_pktmbuf_free(got);
    port_close(p[0]);
    port_close(p[1]);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
}

static void test_joined_ports_without_chains(void **state)
{
    struct port_mem_join_conf c = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = 1500, .copy_pool = {rx_pool, rx_pool}};
    struct rte_mbuf *m = frame(54, 'h'), *payload = frame(1000, 'p'), *got;
    struct port *p[2];

    (void)state;
    c.linear_pool[0] = rx_pool;
    assert_int_equal(port_mem_join(&c, p), 0);
    assert_true(!p[0]->caps.tx_chains && p[1]->caps.tx_chains);
    rte_pktmbuf_chain(m, payload);
    assert_int_equal(port_tx(p[0], &m, 1), 1);
    assert_int_equal(p[0]->ctr->v[CTR_TX_LINEARIZED], 1);
    assert_int_equal(port_rx(p[1], &got, 1), 1);
    assert_int_equal(got->data_len, 1054);
    assert_int_equal(*rte_pktmbuf_mtod_offset(got, char *, 54), 'p');
    rte_pktmbuf_free(got);
    port_close(p[0]);
    port_close(p[1]);
    assert_int_equal(rte_mempool_in_use_count(rx_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void test_joined_ring_is_bounded_and_survives_closing(void **state)
{
    struct rte_mbuf *m[6];
    struct port *p[2];

    (void)state;
    open_joined(p, 4);
    for (int i = 0; i < 6; i++)
        m[i] = frame(60, i);
    assert_int_equal(port_tx(p[1], m, 6), 4);
    assert_true(p[1]->ops->link_up(p[1]));
    port_close(p[0]); /* with four frames in its ring */
    assert_false(p[1]->ops->link_up(p[1]));
    assert_int_equal(port_tx(p[1], m + 4, 2), 2);
    port_close(p[1]);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("frames", 255, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    rx_pool = rte_pktmbuf_pool_create("rx", RX_MBUFS, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", 255, 0, 0, 0, SOCKET_ID_ANY);
    return pool != NULL && rx_pool != NULL && ind_pool != NULL ? 0 : -1;
}

/* Of other protocols it says nothing; those from 128 were shifted into the sign bit on the way (UBSan). */
static void test_other_protocols_are_not_summed(void **state)
{
    uint8_t f[14 + 40 + 20] = {[12] = 0x86, [13] = 0xdd, [14] = 0x60, [19] = 20};

    (void)state;
    for (unsigned proto = 0; proto < 256; proto++) {
        bool summed = proto == IPPROTO_TCP || proto == IPPROTO_UDP;

        f[20] = (uint8_t)proto;
        f[14 + 40 + 6] = proto == IPPROTO_UDP; /* a sum that is there, and wrong */
        assert_int_equal(mem_wire_rx_flags(f, sizeof(f)) != 0, summed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_becomes_a_flat_frame),
        cmocka_unit_test(test_sent_frames_are_held_for_some_polls),
        cmocka_unit_test(test_ring_of_held_frames_is_bounded),
        cmocka_unit_test(test_wire_frames_are_bounded),
        cmocka_unit_test(test_parts_of_bursts),
        cmocka_unit_test(test_change_after_transmission_is_caught),
        cmocka_unit_test(test_header_reuse_is_caught),
        cmocka_unit_test(test_untouched_frames_are_no_violation),
        cmocka_unit_test(test_released_buffers_are_poisoned),
        cmocka_unit_test(test_frames_beyond_the_capabilities_are_violations),
        cmocka_unit_test(test_receive_in_one_buffer),
        cmocka_unit_test(test_receive_scattered),
        cmocka_unit_test(test_frame_is_lost_without_buffers),
        cmocka_unit_test(test_receive_ring_is_bounded),
        cmocka_unit_test(test_checksum_offloads),
        cmocka_unit_test(test_other_protocols_are_not_summed),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_joined_ports_pass_references),
        cmocka_unit_test(test_joined_ports_that_copy),
        cmocka_unit_test(test_joined_ports_without_chains),
        cmocka_unit_test(test_joined_ring_is_bounded_and_survives_closing),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
