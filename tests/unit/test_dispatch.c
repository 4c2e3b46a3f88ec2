/* Frames that the application sees first (src/port/dispatch.c), on a port that one stack has for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pkt/pkt.h"
#include "port/port.h"
#include "sim.h"
#include "wire/eth.h"

#define MTU 1500u
#define ROOM 2048u

static struct rte_mempool *pool, *ind_pool;

/* What the application of a test does, and what it was shown. */
static struct {
    int result;
    int new_len; /* -1: as it is */
    bool writes; /* over all that it is shown */
    unsigned calls;
    uint16_t len;
    uint8_t first;
    struct dispatch_about about;
} app;

static int shown(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    app.calls++;
    app.len = *len;
    app.first = data[0];
    app.about = *about;
    if (app.new_len > *len && app.new_len <= (int)MTU + 18)
        memset(data + *len, 0xee, (size_t)app.new_len - *len); /* an answer may be longer than the question */
    if (app.writes)
        memset(data, 0xdd, *len);
    if (app.new_len >= 0)
        *len = (uint16_t)app.new_len;
    return app.result;
}

static dispatch_ask *asked;

static struct {
    struct port p;
    struct counters ctr;
    struct txq txq;
    unsigned n;
    struct rte_mbuf *frame[8];
} dev;

static uint16_t dev_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    uint16_t got = (uint16_t)MIN(n, dev.n);

    (void)p;
    memcpy(m, dev.frame, got * sizeof(m[0]));
    dev.n = 0;
    return got;
}

static const struct port_ops dev_ops = {.rx = dev_rx};

static struct rte_mbuf *frame(uint32_t len, uint8_t fill)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

    assert_non_null(m);
    memset(rte_pktmbuf_append(m, (uint16_t)len), fill, len);
    return m;
}

static int reset(void **state)
{
    (void)state;
    memset(&dev, 0, sizeof(dev));
    memset(&app, 0, sizeof(app));
    app.new_len = -1;
    asked = shown;
    dev.p = (struct port){.ops = &dev_ops, .mtu = MTU, .ctr = &dev.ctr, .dispatch = {.ask = &asked, .pool = pool, .answers = &dev.txq}};
    return 0;
}

static int balanced(void **state)
{
    (void)state;
    while (txq_count(&dev.txq) > 0)
        rte_pktmbuf_free(dev.txq.slot[dev.txq.head++ & (TXQ_SLOTS - 1)]);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
    return 0;
}

/* Receives m with a result; the frame that is left for the stack, or NULL. */
static struct rte_mbuf *receive(struct rte_mbuf *m, int result, int new_len)
{
    struct rte_mbuf *out[4] = {NULL};
    unsigned before = app.calls;

    app.result = result;
    app.new_len = new_len;
    dev.frame[dev.n++] = m;
    if (port_rx(&dev.p, out, 4) == 0)
        return NULL;
    assert_in_range(app.calls - before, 0, 1);
    return out[0];
}

static struct rte_mbuf *answered(void)
{
    assert_int_equal(txq_count(&dev.txq), 1);
    dev.txq.bytes = 0;
    return dev.txq.slot[dev.txq.head++ & (TXQ_SLOTS - 1)];
}

static void own(void **state)
{
    struct rte_mbuf *m = frame(100, 7);

    (void)state;
    assert_ptr_equal(receive(m, 0, 33), m);
    assert_int_equal(app.len, 100);
    assert_int_equal(app.first, 7);
    assert_true(app.about.queue == 0 && app.about.n_queues == 1 && !app.about.vlan_stripped && app.about.vlan_tci == 0);
    assert_int_equal(m->pkt_len, 100); /* a length is an answer's */
    assert_int_equal(dev.ctr.v[CTR_RX_PACKETS], 1);
    assert_int_equal(dev.ctr.v[CTR_COPY_WRITABLE], 0);
    asked = NULL;
    assert_ptr_equal(receive(m, DISPATCH_DROP, -1), m);
    dev.p.dispatch.ask = NULL;
    assert_ptr_equal(receive(m, DISPATCH_DROP, -1), m);
    assert_int_equal(app.calls, 1);
    rte_pktmbuf_free(m);
}

static void dropped(void **state)
{
    static const int bad[] = {1, 99, -7, INT32_MAX, INT32_MIN};

    (void)state;
    assert_null(receive(frame(60, 0), DISPATCH_DROP, -1));
    assert_int_equal(dev.ctr.v[DROP_DISPATCHED], 1);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(receive(frame(60, 0), bad[i], -1));
        assert_int_equal(dev.ctr.v[DROP_DISPATCH_BAD], i + 1);
    }
    assert_int_equal(dev.ctr.v[DROP_DISPATCHED], 1);
    assert_int_equal(dev.ctr.v[CTR_RX_PACKETS], 1 + ARRAY_LEN(bad)); /* it was received */
    assert_int_equal(txq_count(&dev.txq), 0);
}

/* Of a burst some stay, in order. */
static int by_first_byte(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    (void)len, (void)about;
    return data[0] % 3 == 0 ? 0 : data[0] % 3 == 1 ? DISPATCH_DROP : DISPATCH_ANSWER;
}

static void burst(void **state)
{
    struct rte_mbuf *out[8];

    (void)state;
    asked = by_first_byte;
    for (uint8_t i = 0; i < 8; i++)
        dev.frame[dev.n++] = frame(60, i);
    assert_int_equal(port_rx(&dev.p, out, 8), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(*pkt_data(out[i]), 3 * i);
        rte_pktmbuf_free(out[i]);
    }
    assert_int_equal(dev.ctr.v[DROP_DISPATCHED], 3);
    assert_int_equal(dev.ctr.v[CTR_DISPATCH_ANSWERED], 2);
    assert_int_equal(dev.p.dispatch.gone, 5);
    assert_int_equal(port_rx(&dev.p, out, 8), 0);
    assert_int_equal(dev.p.dispatch.gone, 0);
    assert_int_equal(txq_count(&dev.txq), 2);
    assert_int_equal(*pkt_data(dev.txq.slot[0]), 2);
    assert_int_equal(*pkt_data(dev.txq.slot[1]), 5);
}

static void answers(void **state)
{
    static const int good[] = {-1, 100, 99, 14, 101, MTU + 18};
    struct rte_mbuf *m;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(good); i++) {
        uint32_t len = good[i] < 0 ? 100 : (uint32_t)good[i];

        app.writes = true;
        m = frame(100, 1);
        m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
        m->l2_len = 14;
        pkt_meta(m)->flags = PKT_F_DETACHED; /* left by whoever had it before */
        assert_null(receive(m, DISPATCH_ANSWER, good[i]));
        assert_ptr_equal(answered(), m); /* no copy */
        assert_int_equal(m->pkt_len, len);
        assert_int_equal(m->data_len, len);
        assert_int_equal(m->ol_flags, 0);
        assert_int_equal(m->tx_offload, 0);
        assert_int_equal(pkt_meta(m)->flags, 0);
        assert_int_equal(pkt_data(m)[13], 0xdd);
        if (len > 100)
            assert_int_equal(pkt_data(m)[len - 1], 0xee);
        rte_pktmbuf_free(m);
    }
    assert_int_equal(dev.ctr.v[CTR_DISPATCH_ANSWERED], ARRAY_LEN(good));
    assert_int_equal(dev.ctr.v[DROP_DISPATCH_BAD], 0);
}

static void impossible_answers(void **state)
{
    static const int bad[] = {0, 13, MTU + 19, ROOM + 1, UINT16_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(receive(frame(100, 1), DISPATCH_ANSWER, bad[i]));
        assert_int_equal(dev.ctr.v[DROP_DISPATCH_BAD], i + 1);
    }
    dev.p.mtu = 9000; /* now it is the buffer that ends */
    assert_null(receive(frame(100, 1), DISPATCH_ANSWER, ROOM));
    assert_int_equal(answered()->pkt_len, ROOM);
    rte_pktmbuf_free(dev.txq.slot[dev.txq.head - 1]);
    assert_null(receive(frame(100, 1), DISPATCH_ANSWER, ROOM + 1));
    assert_int_equal(dev.ctr.v[DROP_DISPATCH_BAD], ARRAY_LEN(bad) + 1);
    assert_int_equal(txq_count(&dev.txq), 0);
}

static void full_queue(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TXQ_SLOTS; i++)
        assert_null(receive(frame(60, 1), DISPATCH_ANSWER, -1));
    assert_int_equal(dev.ctr.v[DROP_TXQ_FULL], 0);
    assert_null(receive(frame(60, 1), DISPATCH_ANSWER, -1));
    assert_int_equal(dev.ctr.v[DROP_TXQ_FULL], 1);
    assert_int_equal(dev.ctr.v[CTR_DISPATCH_ANSWERED], TXQ_SLOTS);
}

static struct rte_mbuf *chain(uint32_t first, uint32_t second)
{
    struct rte_mbuf *m = frame(first, 1), *next = frame(second, 2);

    assert_int_equal(rte_pktmbuf_chain(m, next), 0);
    return m;
}

/* The first buffer is shown, when there is enough in it; else the frame is put together. */
static void several_buffers(void **state)
{
    struct rte_mbuf *m = chain(DISPATCH_LOOK_BYTES, 500), *out;

    (void)state;
    assert_ptr_equal(receive(m, 0, -1), m);
    assert_int_equal(app.len, DISPATCH_LOOK_BYTES);
    assert_int_equal(m->pkt_len, DISPATCH_LOOK_BYTES + 500);
    assert_null(receive(m, DISPATCH_ANSWER, -1)); /* goes back as what was shown */
    m = answered();
    assert_int_equal(m->nb_segs, 1);
    assert_int_equal(m->pkt_len, DISPATCH_LOOK_BYTES);
    rte_pktmbuf_free(m);
    assert_int_equal(dev.ctr.v[CTR_COPY_WRITABLE], 0);

    m = chain(20, 30);
    out = receive(m, 0, -1);
    assert_int_equal(app.len, 50);
    assert_int_equal(out->pkt_len, 50);
    assert_int_equal(pkt_data(out)[19], 1);
    assert_int_equal(pkt_data(out)[20], 2);
    rte_pktmbuf_free(out);
    assert_int_equal(dev.ctr.v[CTR_COPY_WRITABLE], 50);
}

/* A header mbuf, as net_ring passes it on: an answer would not fit. */
static void small_buffer(void **state)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *out;

    (void)state;
    m->data_off = (uint16_t)(m->buf_len - DISPATCH_ROOM_BYTES);
    memset(rte_pktmbuf_append(m, 60), 5, 60);
    assert_ptr_equal(receive(m, 0, -1), m);
    m->data_off++;
    out = receive(m, 0, -1);
    assert_ptr_not_equal(out, m);
    assert_int_equal(out->pkt_len, 60);
    assert_int_equal(pkt_data(out)[58], 5);
    assert_true(out->buf_len - out->data_off >= (int)DISPATCH_ROOM_BYTES);
    assert_int_equal(dev.ctr.v[CTR_COPY_WRITABLE], 60);
    rte_pktmbuf_free(out);
}

/* What somebody else refers to is not written: the application gets a copy, and so does the stack. */
static void referred_to(void **state)
{
    struct rte_mbuf *theirs = frame(100, 9), *m = rte_pktmbuf_alloc(ind_pool), *out;

    (void)state;
    pkt_attach(m, theirs, pkt_off(theirs), 100);
    app.writes = true;
    out = receive(m, 0, -1);
    assert_int_equal(app.first, 9);
    assert_int_equal(*pkt_data(out), 0xdd);
    assert_int_equal(*pkt_data(theirs), 9);
    assert_int_equal(dev.ctr.v[CTR_COPY_WRITABLE], 100);
    rte_pktmbuf_free(out);

    pkt_ref(theirs); /* another holder */
    out = receive(theirs, 0, -1);
    assert_ptr_not_equal(out, theirs);
    assert_true(pkt_sole_owner(out));
    assert_int_equal(*pkt_data(theirs), 9);
    rte_pktmbuf_free(out);

    pkt_ref(theirs);
    dev.p.dispatch.pool = NULL;
    app.calls = 0;
    assert_null(receive(theirs, 0, -1)); /* nowhere to copy it to */
    assert_int_equal(app.calls, 0);
    assert_int_equal(dev.ctr.v[DROP_NO_MBUF], 1);
    pkt_unref(theirs);
}

/* The tag that the device took off is told, and goes back with the answer. */
static void stripped_tags(void **state)
{
    struct rte_mbuf *m = frame(100, 0);
    struct eth_hdr h;
    uint16_t tci, type;

    (void)state;
    eth_build(pkt_data(m), &(struct eth_hdr){.dst = {1}, .src = {2}, .type = ETH_TYPE_IPV4});
    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    m->vlan_tci = 0x6007;
    assert_null(receive(m, DISPATCH_ANSWER, -1));
    assert_true(app.about.vlan_stripped);
    assert_int_equal(app.about.vlan_tci, 0x6007);
    m = answered();
    assert_int_equal(m->pkt_len, 104);
    assert_int_equal(m->ol_flags, 0);
    assert_true(eth_parse(pkt_data(m), m->data_len, &h));
    assert_true(h.dst[0] == 1 && h.src[0] == 2 && h.type == ETH_TYPE_VLAN);
    vlan_parse(pkt_data(m) + ETH_HLEN, &tci, &type);
    assert_int_equal(tci, 0x6007);
    assert_int_equal(type, ETH_TYPE_IPV4);
    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    assert_null(receive(m, DISPATCH_ANSWER, MTU + 15)); /* with the tag it is too long */
    assert_int_equal(dev.ctr.v[DROP_DISPATCH_BAD], 1);
    m = frame(100, 0);
    m->vlan_tci = 0x6007; /* of a frame before */
    assert_null(receive(m, DISPATCH_DROP, -1));
    assert_true(!app.about.vlan_stripped && app.about.vlan_tci == 0);
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0 || pkt_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("t_rx", 2047, 0, 0, ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("t_ind", 63, 0, 0, 0, SOCKET_ID_ANY);
    return pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own, reset, balanced),
        cmocka_unit_test_setup_teardown(dropped, reset, balanced),
        cmocka_unit_test_setup_teardown(burst, reset, balanced),
        cmocka_unit_test_setup_teardown(answers, reset, balanced),
        cmocka_unit_test_setup_teardown(impossible_answers, reset, balanced),
        cmocka_unit_test_setup_teardown(full_queue, reset, balanced),
        cmocka_unit_test_setup_teardown(several_buffers, reset, balanced),
        cmocka_unit_test_setup_teardown(small_buffer, reset, balanced),
        cmocka_unit_test_setup_teardown(referred_to, reset, balanced),
        cmocka_unit_test_setup_teardown(stripped_tags, reset, balanced),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
