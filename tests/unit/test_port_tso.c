/* port_tx: TCP frames that are to be cut into segments, by the port or in software. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ip.h>

#include "base/rng.h"
#include "base/units.h"
#include "port/mem_tcp.h"
#include "port/port.h"
#include "sim.h"

#define L4 32u
#define MTU 1500u
#define SEGSZ 1428u /* over IPv6; more would fit over IPv4 */
#define PAYLOAD (10 * SEGSZ + 100u)
#define POOL_MBUFS 511u

static struct rte_mempool *pool, *big_pool, *linear_pool, *ind_pool;

struct fake {
    struct port p;
    struct counters ctr;
    uint16_t take, n_taken;
    struct rte_mbuf *taken[64];
    bool lazy; /* gives back what it sent only when it is asked */
    unsigned n_done;
};

static uint16_t fake_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct fake *f = (struct fake *)(void *)p;
    uint16_t sent = (uint16_t)MIN(n, f->take);

    for (uint16_t i = 0; i < sent; i++)
        f->taken[f->n_taken++] = m[i];
    f->take = (uint16_t)(f->take - sent);
    return sent;
}

static void fake_reclaim(struct port *p)
{
    struct fake *f = (struct fake *)(void *)p;

    if (!f->lazy)
        return;
    f->n_done += f->n_taken;
    rte_pktmbuf_free_bulk(f->taken, f->n_taken);
    f->n_taken = 0;
}

static const struct port_ops fake_ops = {.tx = fake_tx, .reclaim = fake_reclaim};

static void fake_init(struct fake *f)
{
    memset(f, 0, sizeof(*f));
    f->p.ops = &fake_ops;
    f->p.ctr = &f->ctr;
    f->p.mtu = MTU;
    f->p.caps = port_mem_caps();
    f->p.caps.tx_ip_cksum = f->p.caps.tx_tcp_cksum = f->p.caps.tx_tso = true;
    f->p.caps.tso_max_segs = 40;
    f->p.caps.tso_max_bytes = 65280;
    f->p.linear_pool = linear_pool;
    f->take = UINT16_MAX;
}

static void free_taken(struct fake *f)
{
    rte_pktmbuf_free_bulk(f->taken, f->n_taken);
    f->n_taken = 0;
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(big_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(linear_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint8_t pattern(uint32_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* One buffer with a TCP frame of payload bytes that is to be cut every segsz. */
static struct rte_mbuf *frame(bool v6, uint32_t l2, uint32_t payload, uint16_t segsz)
{
    uint32_t l3 = v6 ? 40 : 20, hdrs = l2 + l3 + L4;
    struct rte_mbuf *m = rte_pktmbuf_alloc(big_pool);
    uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(hdrs + payload)), *ip = p + l2;

    memset(p, 0, hdrs);
    if (v6) {
        ip[0] = 0x60;
        put16(ip + 4, L4 + payload);
        ip[6] = 6;
        memcpy(ip + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\2", 32);
    } else {
        ip[0] = 0x45;
        put16(ip + 2, l3 + L4 + payload);
        ip[6] = 0x40; /* DF */
        ip[9] = 6;
        memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    }
    put16(ip + l3 + 2, 80);
    ip[l3 + 12] = L4 / 4 << 4;
    ip[l3 + 13] = 0x19; /* FIN, PSH, ACK */
    for (uint32_t i = 0; i < payload; i++)
        p[hdrs + i] = pattern(i);
    m->tx_offload = rte_mbuf_tx_offload(l2, l3, L4, segsz, 0, 0, 0);
    m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
    return m;
}

static uint8_t at(const struct rte_mbuf *m, uint32_t off)
{
    for (; off >= m->data_len; m = m->next)
        off -= m->data_len;
    return *rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
}

/* As ethdev wants it: addresses and protocol without a length, in the field of the checksum. */
static void check_pseudo_sum(const struct rte_mbuf *m, bool v6)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + m->l2_len, *field = ip + m->l3_len + 16;
    uint32_t sum = 6;

    for (uint32_t i = v6 ? 8 : 12; i < (v6 ? 40u : 20u); i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal((uint32_t)field[0] << 8 | field[1], sum);
    if (!v6)
        assert_memory_equal(ip + 10, "\0\0", 2);
}

static void test_handed_over_whole(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct rte_mbuf *m = frame(v6, 14, PAYLOAD, SEGSZ), *slot = m;
        uint64_t asked = m->ol_flags;
        struct fake f;

        fake_init(&f);
        f.take = 0;
        for (int offered = 0; offered < 3; offered++) { /* the ring is full twice */
            assert_int_equal(port_tx(&f.p, &slot, 1), offered == 2);
            f.take = offered == 1;
            assert_ptr_equal(slot, m);
            assert_true(m->ol_flags == asked);
            assert_int_equal(m->tso_segsz, SEGSZ);
            check_pseudo_sum(m, v6);
        }
        assert_int_equal(f.n_taken, 1);
        assert_int_equal(f.ctr.v[CTR_TX_TSO], 1);
        assert_int_equal(f.ctr.v[CTR_TX_BYTES], 14 + (v6 ? 40u : 20u) + L4 + PAYLOAD);
        assert_int_equal(f.ctr.v[CTR_COPY_PORT], 0);
        free_taken(&f);
    }
}

static void refuse(struct fake *f, struct rte_mbuf *m)
{
    assert_int_equal(port_tx(&f->p, &m, 1), 1);
    assert_int_equal(f->n_taken, 0);
    assert_int_equal(f->ctr.v[CTR_TX_OVERSIZE], 1);
    free_taken(f);
}

/* What TCP never hands down: the port would send something that nobody can receive. */
static void test_refused(void **state)
{
    struct fake f;

    (void)state;
    fake_init(&f);
    f.p.caps.tx_tso = false;
    refuse(&f, frame(false, 14, PAYLOAD, SEGSZ));
    fake_init(&f);
    f.p.caps.tx_tso = false;
    refuse(&f, frame(false, 14, 1000, 100)); /* within the MTU, and not to be sent as one */
    fake_init(&f);
    f.p.caps.tso_max_bytes = PAYLOAD - 1;
    refuse(&f, frame(true, 14, PAYLOAD, SEGSZ));
    fake_init(&f);
    refuse(&f, frame(false, 14, PAYLOAD, MTU));
    fake_init(&f);
    refuse(&f, frame(false, 14, PAYLOAD, 0));
}

/* Copied to as many buffers as it takes, where the port takes chains. */
static void check_copy(struct fake *f, struct rte_mbuf *m, uint32_t len)
{
    const struct rte_mbuf *got;

    assert_int_equal(port_tx(&f->p, &m, 1), 1);
    assert_int_equal(f->n_taken, 1);
    got = f->taken[0];
    assert_int_equal(got->pkt_len, 66 + len);
    assert_int_equal(got->nb_segs, (66 + len + 2047) / 2048);
    assert_int_equal(got->tso_segsz, SEGSZ);
    assert_true((got->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
    check_pseudo_sum(got, false);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(at(got, 66 + i), pattern(i));
    assert_int_equal(f->ctr.v[CTR_TX_LINEARIZED], 1);
    assert_int_equal(f->ctr.v[CTR_COPY_PORT], len);
    rte_mbuf_check(got, 1, &(const char *){NULL});
    free_taken(f);
}

/* In pieces of one to max bytes each. */
static struct rte_mbuf *in_pieces(struct rte_mbuf *m, struct rng *r, uint32_t max)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
    struct rte_mbuf *head = rte_pktmbuf_alloc(pool);

    memcpy(rte_pktmbuf_append(head, 66), p, 66);
    head->ol_flags = m->ol_flags;
    head->tx_offload = m->tx_offload;
    for (uint32_t off = 66, n; off < m->data_len; off += n) {
        struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);

        n = 1 + rng_below(r, max);
        n = MIN(n, m->data_len - off);
        memcpy(rte_pktmbuf_append(seg, (uint16_t)n), p + off, n);
        rte_pktmbuf_chain(head, seg);
    }
    rte_pktmbuf_free(m);
    return head;
}

static void test_copied(void **state)
{
    static const uint32_t lens[] = {2 * SEGSZ, 2048 - 66, 2 * 2048 - 66, 2 * 2048 - 65, 20000, PAYLOAD};
    struct rng r;

    (void)state;
    rng_seed(&r, 1);
    for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
        struct fake f;

        fake_init(&f);
        f.p.caps.tx_owned_only = true; /* as it is, one would do */
        struct rte_mbuf *m = frame(false, 14, lens[i], SEGSZ), *held = m;
        rte_mbuf_refcnt_update(held, 1);
        assert_int_equal(port_tx(&f.p, &m, 1), 1);
        assert_int_equal(f.ctr.v[CTR_TX_LINEARIZED], 1);
        rte_pktmbuf_free(held);
        free_taken(&f);
        fake_init(&f);
        f.p.caps.tso_max_segs = 12;
        check_copy(&f, in_pieces(frame(false, 14, lens[i], SEGSZ), &r, lens[i] / 100), lens[i]);
    }
}

/* More buffers than the port takes, or none free. */
static void test_not_copied(void **state)
{
    struct rte_mbuf *m = frame(false, 14, PAYLOAD, SEGSZ), *all[POOL_MBUFS];
    struct rng r;
    struct fake f;

    (void)state;
    rng_seed(&r, 2);
    fake_init(&f);
    f.p.caps.tso_max_segs = 4;
    refuse(&f, in_pieces(m, &r, 1000));
    fake_init(&f);
    f.p.caps.tso_max_segs = 12;
    assert_int_equal(rte_pktmbuf_alloc_bulk(linear_pool, all, POOL_MBUFS - 3), 0);
    m = in_pieces(frame(false, 14, PAYLOAD, SEGSZ), &r, 1000);
    assert_int_equal(port_tx(&f.p, &m, 1), 0);
    assert_int_equal(f.ctr.v[CTR_NO_MBUF], 1);
    rte_pktmbuf_free_bulk(all, POOL_MBUFS - 3);
    check_copy(&f, m, PAYLOAD);
}

/* Software segmentation ------------------------------------------------------------------------------------------------------ */

#define WIRE_MAX 2048u

/* A port that cuts nothing itself, and sums nothing. */
static void plain_init(struct fake *f)
{
    fake_init(f);
    f->p.caps = port_mem_caps();
    f->p.hdr_pool = pool;
    f->p.ind_pool = ind_pool;
}

static uint32_t flatten(const struct rte_mbuf *m, uint8_t *to)
{
    uint32_t len = 0;

    for (; m != NULL; len += m->data_len, m = m->next)
        memcpy(to + len, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
    return len;
}

/* The segments that a NIC would make of the frame (port/mem_tcp.c), which has the sum of the pseudo-header for it. */
struct expected {
    uint32_t n, len[GSO_SEGS_MAX];
    uint8_t data[GSO_SEGS_MAX][WIRE_MAX];
};

static void expect_of(struct expected *x, struct rte_mbuf *m)
{
    static uint8_t flat[70000];
    bool v6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
    uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len), *field = ip + m->l3_len + 16;
    uint16_t sum = v6 ? rte_ipv6_phdr_cksum((void *)ip, m->ol_flags) : rte_ipv4_phdr_cksum((void *)ip, m->ol_flags);
    uint32_t len;

    memcpy(field, &sum, sizeof(sum));
    len = flatten(m, flat);
    assert_null(mem_tcp_cut_fault(m, flat, len, MTU));
    x->n = mem_tcp_segments(m, len);
    assert_true(x->n <= GSO_SEGS_MAX);
    for (uint32_t i = 0; i < x->n; i++)
        x->len[i] = mem_tcp_cut(m, flat, len, i, x->data[i]);
}

static void check_taken(const struct fake *f, const struct expected *x)
{
    static uint8_t flat[70000];

    assert_int_equal(f->n_taken, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        const struct rte_mbuf *m = f->taken[i];

        rte_mbuf_check(m, 1, &(const char *){NULL});
        assert_int_equal(m->pkt_len, x->len[i]);
        assert_int_equal(flatten(m, flat), x->len[i]);
        assert_memory_equal(flat, x->data[i], x->len[i]);
        assert_true((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM)) == 0);
    }
    assert_int_equal(f->ctr.v[CTR_TX_GSO_SEGS], x->n);
    assert_int_equal(f->ctr.v[CTR_TX_PACKETS], x->n);
    assert_int_equal(f->ctr.v[CTR_TX_TSO], 0);
}

static void put_vlan(struct rte_mbuf *m)
{
    uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

    p[0] = 2;
    put16(p + 12, 0x8100);
    put16(p + 14, 7);
}

/* Any family, tag, segment size and length; in one buffer or in pieces; may be fragmented or not. */
static struct rte_mbuf *any_frame(struct rng *r)
{
    bool v6 = rng_below(r, 2), vlan = rng_below(r, 2);
    uint16_t segsz = (uint16_t)(64 + rng_below(r, 1365));
    uint32_t payload = 1 + rng_below(r, MIN(GSO_SEGS_MAX * segsz, 65000u)), l2 = vlan ? 18 : 14;
    struct rte_mbuf *m = frame(v6, l2, payload, segsz);

    if (vlan)
        put_vlan(m);
    if (!v6 && rng_below(r, 2)) {
        uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l2);

        put16(ip + 4, 0xfff0 + rng_below(r, 16)); /* each segment has an identification of its own */
        ip[6] = 0;
    }
    return m;
}

static void test_cut_in_software(void **state)
{
    static struct expected x;
    struct rng r;

    (void)state;
    rng_seed(&r, 3);
    for (int run = 0; run < 400; run++) {
        struct rte_mbuf *m = any_frame(&r);
        struct fake f;

        expect_of(&x, m);
        plain_init(&f);
        if (m->l2_len == 14 && m->l3_len == 20 && rng_below(&r, 2)) {
            uint32_t max = MAX(m->pkt_len / 100, 1u);

            m = in_pieces(m, &r, max);
            f.p.caps.tx_max_segs = 40;
        }
        assert_int_equal(port_tx(&f.p, &m, 1), 1);
        check_taken(&f, &x);
        free_taken(&f);
    }
}

/* The buffer that a connection keeps for retransmission is referred to, not copied and not written to. */
static void test_cut_by_reference(void **state)
{
    struct rte_mbuf *m = frame(false, 14, PAYLOAD, SEGSZ), *held = m;
    const uint8_t *at_first = rte_pktmbuf_mtod_offset(m, const uint8_t *, 66);
    struct fake f;

    (void)state;
    rte_mbuf_refcnt_update(held, 1);
    plain_init(&f);
    assert_int_equal(port_tx(&f.p, &m, 1), 1);
    assert_int_equal(f.n_taken, 11);
    for (uint32_t i = 0; i < 11; i++) {
        assert_int_equal(f.taken[i]->nb_segs, 2);
        assert_ptr_equal(rte_pktmbuf_mtod(f.taken[i]->next, const uint8_t *), at_first + i * SEGSZ);
    }
    assert_int_equal(rte_mbuf_refcnt_read(held), 12);
    assert_int_equal(f.ctr.v[CTR_COPY_PORT], 0);
    rte_pktmbuf_free_bulk(f.taken, f.n_taken);
    f.n_taken = 0;
    assert_int_equal(rte_mbuf_refcnt_read(held), 1);
    rte_pktmbuf_free(held);
    free_taken(&f);
}

/* With the port's sums: requests and pseudo-header sums, of each segment, with its length. */
static void test_cut_for_a_port_that_sums(void **state)
{
    struct rte_mbuf *m = frame(false, 14, 3 * SEGSZ, SEGSZ);
    struct fake f;

    (void)state;
    plain_init(&f);
    f.p.caps.tx_ip_cksum = f.p.caps.tx_tcp_cksum = true;
    assert_int_equal(port_tx(&f.p, &m, 1), 1);
    assert_int_equal(f.n_taken, 3);
    for (int i = 0; i < 3; i++) {
        const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(f.taken[i], const struct rte_ipv4_hdr *, 14);
        uint16_t want = rte_ipv4_phdr_cksum(ip, 0);

        assert_memory_equal((const uint8_t *)ip + 20 + 16, &want, 2);
        assert_int_equal(ip->total_length, RTE_BE16(20 + L4 + SEGSZ));
        assert_true(f.taken[i]->ol_flags == (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM));
        assert_int_equal(f.taken[i]->l2_len + f.taken[i]->l3_len + f.taken[i]->l4_len, 66);
        assert_int_equal(f.taken[i]->tso_segsz, 0);
    }
    free_taken(&f);
}

/* A ring that takes a few at a time keeps the frame with its caller, and gets every segment once and in order. */
static void test_cut_and_full_ring(void **state)
{
    static struct expected x;

    (void)state;
    for (uint16_t take = 1; take <= 12; take++) {
        struct rte_mbuf *m = frame(true, 14, PAYLOAD, SEGSZ), *slot[2] = {m, NULL};
        struct fake f;
        uint16_t done = 0, calls = 0;

        expect_of(&x, m);
        slot[1] = frame(false, 14, 100, SEGSZ); /* one segment, behind it */
        slot[1]->ol_flags &= ~RTE_MBUF_F_TX_TCP_SEG;
        plain_init(&f);
        while (done < 2) {
            f.take = take;
            done = (uint16_t)(done + port_tx(&f.p, slot + done, (uint16_t)(2 - done)));
            assert_true(done == 2 || slot[done] != NULL);
            assert_true(++calls < 20);
        }
        assert_int_equal(f.n_taken, x.n + 1);
        assert_int_equal(f.taken[x.n]->pkt_len, 166);
        rte_pktmbuf_free(f.taken[--f.n_taken]);
        f.ctr.v[CTR_TX_PACKETS]--;
        check_taken(&f, &x);
        free_taken(&f);
    }
}

/* Without buffers for all of them those go that there are buffers for. */
static void test_cut_and_no_buffers(void **state)
{
    static struct expected x;
    struct rte_mbuf *all[POOL_MBUFS];

    (void)state;
    for (uint32_t left = 0; left < 30; left++) {
        struct rte_mbuf *m = frame(false, 14, PAYLOAD, SEGSZ);
        uint32_t n = POOL_MBUFS - left;
        struct fake f;

        expect_of(&x, m);
        plain_init(&f);
        assert_int_equal(rte_pktmbuf_alloc_bulk(ind_pool, all, n), 0);
        assert_int_equal(port_tx(&f.p, &m, 1), left >= 11);
        assert_int_equal(f.n_taken, MIN(left, 11u));
        assert_int_equal(f.ctr.v[CTR_NO_MBUF] > 0, left < 11);
        rte_pktmbuf_free_bulk(all, n);
        if (left < 11)
            assert_int_equal(port_tx(&f.p, &m, 1), 1);
        check_taken(&f, &x);
        free_taken(&f);
    }
}

/* A driver that keeps what it has sent until the next time is asked for it. */
static void test_cut_and_a_lazy_driver(void **state)
{
    struct rte_mbuf *all[POOL_MBUFS], *m = frame(false, 14, PAYLOAD, SEGSZ);
    struct fake f;
    unsigned turns = 0;

    (void)state;
    plain_init(&f);
    f.lazy = true;
    assert_int_equal(rte_pktmbuf_alloc_bulk(ind_pool, all, POOL_MBUFS - 4), 0);
    while (port_tx(&f.p, &m, 1) == 0)
        assert_true(++turns < 5);
    assert_int_equal(f.n_done + f.n_taken, 11);
    rte_pktmbuf_free_bulk(all, POOL_MBUFS - 4);
    free_taken(&f);
}

/* One interface's frame is half sent when another one on the same port has one: that waits; when both are given up nothing is left. */
static void test_cut_for_two_interfaces(void **state)
{
    struct rte_mbuf *a = frame(false, 14, PAYLOAD, SEGSZ), *b = frame(true, 14, PAYLOAD, SEGSZ);
    struct fake f;

    (void)state;
    plain_init(&f);
    f.take = 5;
    assert_int_equal(port_tx(&f.p, &a, 1), 0);
    f.take = 20;
    assert_int_equal(port_tx(&f.p, &b, 1), 0);
    assert_int_equal(f.n_taken, 5);
    assert_int_equal(port_tx(&f.p, &a, 1), 1);
    assert_int_equal(f.n_taken, 11);
    f.take = 3;
    assert_int_equal(port_tx(&f.p, &b, 1), 0);
    rte_pktmbuf_free(b);
    port_tx_abandon(&f.p);
    free_taken(&f);
    a = frame(false, 14, PAYLOAD, SEGSZ);
    f.take = 11;
    assert_int_equal(port_tx(&f.p, &a, 1), 1);
    free_taken(&f);
}

/* Where the port takes no chains each segment is copied, as any frame. */
static void test_cut_and_copied(void **state)
{
    static struct expected x;
    struct rte_mbuf *m = frame(false, 14, PAYLOAD, SEGSZ);
    struct fake f;

    (void)state;
    expect_of(&x, m);
    plain_init(&f);
    f.p.caps.tx_chains = f.p.caps.tx_indirect = false;
    assert_int_equal(port_tx(&f.p, &m, 1), 1);
    assert_int_equal(f.ctr.v[CTR_COPY_PORT], PAYLOAD);
    check_taken(&f, &x);
    free_taken(&f);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("frames", 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    big_pool = rte_pktmbuf_pool_create("big", 63, 0, 0, 65535, SOCKET_ID_ANY);
    linear_pool = rte_pktmbuf_pool_create("linear", POOL_MBUFS, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", POOL_MBUFS, 0, 0, 0, SOCKET_ID_ANY);
    return pool != NULL && big_pool != NULL && linear_pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handed_over_whole),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_copied),
        cmocka_unit_test(test_not_copied),
        cmocka_unit_test(test_cut_in_software),
        cmocka_unit_test(test_cut_by_reference),
        cmocka_unit_test(test_cut_for_a_port_that_sums),
        cmocka_unit_test(test_cut_and_full_ring),
        cmocka_unit_test(test_cut_and_no_buffers),
        cmocka_unit_test(test_cut_and_a_lazy_driver),
        cmocka_unit_test(test_cut_for_two_interfaces),
        cmocka_unit_test(test_cut_and_copied),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
