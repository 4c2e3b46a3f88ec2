#include "buf_test.h"

#include "base/rng.h"
#include "buf/rcvq.h"

static void check_copy(const struct rcvq *q, uint32_t offset, uint32_t n, uint32_t seq)
{
    static uint8_t buf[70000];

    memset(buf, 0xa5, n + 1);
    rcvq_copy_out(q, offset, buf, n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(buf[i], byte_at(seq + i));
    assert_int_equal(buf[n], 0xa5);
}

static void empty_queue(void **state)
{
    struct rcvq q = {0};
    uint8_t byte = 1;

    (void)state;
    assert_null(rcvq_pop(&q));
    rcvq_consume(&q, 0);
    rcvq_copy_out(&q, 0, &byte, 0);
    rcvq_append(&q, NULL);
    rcvq_append(&q, seg(0, 0));
    rcvq_append(&q, chain(seg(0, 0), seg(0, 0)));
    assert_null(q.head);
    assert_null(q.tail);
    assert_int_equal(q.bytes | q.charged_bytes, 0);
    rcvq_clear(&q);
    assert_int_equal(byte, 1);
}

static void pops_whole_segments(void **state)
{
    static const uint32_t len[] = {5, 100, 1};
    struct rcvq q = {0};
    struct rte_mbuf *m;
    uint32_t seq = 0;

    (void)state;
    /* empty segments in front, between and at the end of a chain are freed */
    rcvq_append(&q, chain(chain(chain(seg(0, 0), seg(0, 5)), seg(0, 0)), chain(seg(5, 100), seg(0, 0))));
    rcvq_append(&q, seg(105, 1));
    assert_int_equal(rte_mempool_in_use_count(test_pool), 3);
    assert_int_equal(q.bytes, 106);
    assert_int_equal(q.charged_bytes, 3 * SEG_CHARGE);
    for (unsigned i = 0; i < 3; i++) {
        m = rcvq_pop(&q);
        assert_int_equal(m->data_len, len[i]);
        assert_int_equal(m->pkt_len, len[i]);
        assert_int_equal(m->nb_segs, 1);
        assert_null(m->next);
        assert_int_equal(pkt_meta(m)->loan_bytes, 0);
        for (uint32_t j = 0; j < len[i]; j++)
            assert_int_equal(pkt_data(m)[j], byte_at(seq + j));
        seq += len[i];
        assert_int_equal(q.bytes, 106 - seq);
        assert_int_equal(q.charged_bytes, (2 - i) * SEG_CHARGE);
        pkt_unref(m);
    }
    assert_null(rcvq_pop(&q));
    rcvq_append(&q, seg(0, 7)); /* usable again */
    check_copy(&q, 0, 7, 0);
    rcvq_clear(&q);
    assert_null(q.tail);
}

/* Every offset and length over segments of 1, 2, 3, … bytes; after every amount consumed. */
static void consume_and_copy(void **state)
{
    (void)state;
    for (uint32_t eaten = 0; eaten <= 36; eaten++) {
        struct rcvq q = {0};
        uint32_t segments = 8, seq = 0;

        for (uint32_t n = 1; n <= 8; seq += n, n++)
            rcvq_append(&q, seg(seq, n));
        rcvq_consume(&q, eaten);
        for (uint32_t end = 0, n = 1; n <= 8; n++) {
            end += n;
            if (end <= eaten)
                segments--;
        }
        assert_int_equal(q.bytes, 36 - eaten);
        assert_int_equal(q.charged_bytes, segments * SEG_CHARGE);
        assert_int_equal(rte_mempool_in_use_count(test_pool), segments);
        for (uint32_t offset = 0; offset <= q.bytes; offset++)
            for (uint32_t n = 0; n <= q.bytes - offset; n++)
                check_copy(&q, offset, n, eaten + offset);
        rcvq_clear(&q);
        assert_int_equal(q.bytes | q.charged_bytes, 0);
    }
}

static void never_freed(void *addr, void *opaque)
{
    (void)addr;
    (void)opaque;
}

/* What pkt_truesize says changes while a segment of external memory waits: the charge does not. */
static void charge_is_fixed(void **state)
{
    static uint8_t memory[1000];
    static struct rte_mbuf_ext_shared_info info = {.free_cb = never_freed};
    struct rte_mbuf *m = seg(0, 0), *plain = seg(0, 10);
    struct rcvq q = {0};

    (void)state;
    rte_mbuf_ext_refcnt_set(&info, 1);
    rte_pktmbuf_attach_extbuf(m, memory, 0, sizeof(memory), &info);
    m->data_off = 0;
    m->data_len = 500;
    rcvq_append(&q, m);
    rcvq_append(&q, plain);
    assert_int_equal(q.charged_bytes, sizeof(struct rte_mbuf) + 500 + SEG_CHARGE);
    rcvq_consume(&q, 499);
    assert_int_equal(q.charged_bytes, sizeof(struct rte_mbuf) + 500 + SEG_CHARGE);
    assert_int_equal(q.bytes, 11);
    rcvq_consume(&q, 1);
    assert_int_equal(q.charged_bytes, SEG_CHARGE);
    plain->ol_flags |= RTE_MBUF_F_EXTERNAL; /* as a pinned buffer is marked when it is shared */
    m = rcvq_pop(&q);
    assert_int_equal(q.charged_bytes, 0);
    m->ol_flags &= ~RTE_MBUF_F_EXTERNAL;
    pkt_unref(m);
}

/* A segment with a second holder (cut in two by a read) survives in the other's hands. */
static void shared_segment(void **state)
{
    struct rcvq q = {0};
    struct rte_mbuf *m = seg(0, 10);

    (void)state;
    rcvq_append(&q, m);
    pkt_ref(m);
    rcvq_consume(&q, 10);
    assert_int_equal(q.bytes | q.charged_bytes, 0);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 1);
    pkt_unref(m);
}

static void random_ops(void **state)
{
    struct rcvq q = {0};
    struct rng rng;
    uint32_t seq = 0, end = 0;

    (void)state;
    rng_seed(&rng, 5);
    for (unsigned op = 0; op < 50000; op++) {
        struct rte_mbuf *m, *next;
        uint32_t n, charge = 0, bytes = 0, segs = 0;

        switch (rng_below(&rng, 5)) {
        case 0:
        case 1:
            n = rng_below(&rng, 200);
            if (q.bytes > 60000)
                break;
            m = seg(end, n);
            end += n;
            for (uint32_t i = rng_below(&rng, 4); i > 0; i--) {
                n = rng_below(&rng, 100);
                chain(m, seg(end, n));
                end += n;
            }
            rcvq_append(&q, m);
            break;
        case 2:
            n = rng_below(&rng, MIN(q.bytes, 400u) + 1);
            rcvq_consume(&q, n);
            seq += n;
            break;
        case 3:
            m = rcvq_pop(&q);
            if (m != NULL) {
                for (uint32_t i = 0; i < m->data_len; i++)
                    assert_int_equal(pkt_data(m)[i], byte_at(seq + i));
                seq += m->data_len;
                pkt_unref(m);
            }
            break;
        default:
            n = rng_below(&rng, q.bytes + 1);
            check_copy(&q, n, rng_below(&rng, MIN(q.bytes - n, 500u) + 1), seq + n);
        }
        for (m = q.head; m != NULL; m = next) {
            next = m->next;
            assert_int_equal(q.tail == m, next == NULL);
            bytes += m->data_len;
            charge += SEG_CHARGE;
            segs++;
        }
        assert_int_equal(q.bytes, bytes);
        assert_int_equal(q.bytes, end - seq);
        assert_int_equal(q.charged_bytes, charge);
        assert_int_equal(rte_mempool_in_use_count(test_pool), segs);
    }
    rcvq_clear(&q);
}

#define TEST(f) cmocka_unit_test_teardown(f, buf_test_conserved)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_queue), TEST(pops_whole_segments), TEST(consume_and_copy), TEST(charge_is_fixed), TEST(shared_segment), TEST(random_ops),
    };

    return cmocka_run_group_tests(tests, buf_test_setup, buf_test_teardown);
}
