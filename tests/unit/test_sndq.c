#include "buf_test.h"

#include <errno.h>

#include "base/rng.h"
#include "base/seq.h"
#include "buf/sndq.h"

/* Start positions: the queue lies across each wrap. */
static const uint32_t starts[] = {0, 1, 0x7fffffffu - 1000, 0xffffffffu - 1000, 0xffffffffu};

static void append(struct sndq *q, uint32_t len)
{
    struct rte_mbuf *m = seg(q->end_seq, len);

    assert_int_equal(sndq_append(q, &test_arena, m, pkt_off(m), len), 0);
}

static uint32_t first_seq(const struct sndq *q)
{
    return q->end_seq - sndq_bytes(q);
}

/* Every byte that is queued is found, and is the one that belongs there. */
static void check_content(const struct sndq *q)
{
    uint32_t index = 0;

    for (uint32_t seq = first_seq(q); seq != q->end_seq; seq++) {
        const struct sndq_desc *d = sndq_find(q, seq, &index);

        assert_non_null(d);
        assert_ptr_equal(d, sndq_at(q, index));
        assert_true(seq_in(seq, d->seq, d->seq + d->len));
        assert_int_equal(((uint8_t *)d->m->buf_addr)[d->off + (seq - d->seq)], byte_at(seq));
    }
    assert_null(sndq_find(q, first_seq(q) - 1, &index));
    assert_null(sndq_find(q, q->end_seq, &index));
    assert_null(sndq_at(q, q->n));
}

static void empty_queue(void **state)
{
    struct sndq q;
    uint32_t index, room;

    (void)state;
    sndq_init(&q, 77);
    assert_int_equal(sndq_bytes(&q), 0);
    assert_null(sndq_find(&q, 77, &index));
    assert_null(sndq_at(&q, 0));
    assert_null(sndq_tail_room(&q, &room));
    assert_int_equal(room, 0);
    sndq_ack(&q, &test_arena, 77);
    sndq_ack(&q, &test_arena, 80); /* a FIN beyond the end */
    assert_int_equal(first_seq(&q), 77);
    sndq_clear(&q, &test_arena);
    assert_null(q.ring);
}

static void grows_and_finds(void **state)
{
    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(starts); k++) {
        struct sndq q;

        sndq_init(&q, starts[k]);
        for (uint32_t i = 0; i < 100; i++) {
            append(&q, 1 + i % 37);
            assert_int_equal(q.n, i + 1);
            assert_int_equal(q.charged_bytes, (i + 1) * SEG_CHARGE);
            assert_int_equal(q.cap, i < 4 ? 4 : i < 8 ? 8 : i < 16 ? 16 : i < 32 ? 32 : i < 64 ? 64 : 128);
            assert_int_equal(test_arena.used_bytes, arena_class_bytes(q.cap * sizeof(struct sndq_desc)));
        }
        check_content(&q);
        sndq_ack(&q, &test_arena, q.end_seq);
        assert_null(q.ring);
        assert_int_equal(q.charged_bytes, 0);
        assert_int_equal(test_arena.used_bytes, 0);
        assert_int_equal(rte_mempool_in_use_count(test_pool), 0);
        assert_int_equal(first_seq(&q), q.end_seq);
        append(&q, 10); /* usable again */
        check_content(&q);
        sndq_clear(&q, &test_arena);
        assert_int_equal(sndq_bytes(&q), 0);
    }
}

static void partial_ack_keeps_buffer_and_charge(void **state)
{
    struct sndq q;
    uint32_t una;

    (void)state;
    sndq_init(&q, 0xffffff00u);
    for (unsigned i = 0; i < 5; i++)
        append(&q, 100);
    una = first_seq(&q);
    for (uint32_t acked = 1; acked <= 500; acked++) {
        sndq_ack(&q, &test_arena, una + acked);
        assert_int_equal(first_seq(&q), una + acked);
        assert_int_equal(q.n, 5 - acked / 100);
        assert_int_equal(q.charged_bytes, q.n * SEG_CHARGE);
        assert_int_equal(rte_mempool_in_use_count(test_pool), q.n);
        sndq_ack(&q, &test_arena, una + acked - 1); /* old: ignored */
        sndq_ack(&q, &test_arena, una);
        assert_int_equal(first_seq(&q), una + acked);
        if (acked % 50 == 1)
            check_content(&q);
    }
    assert_int_equal(q.n, 0);
    sndq_trim(&q, &test_arena);
    assert_null(q.ring);
}

/* An empty queue keeps its smallest ring, for the next request; a larger one goes at once. */
static void keeps_the_smallest_ring(void **state)
{
    struct sndq q;
    struct sndq_desc *ring;

    (void)state;
    sndq_init(&q, 1000);
    append(&q, 10);
    ring = q.ring;
    sndq_trim(&q, &test_arena); /* not while there is something in it */
    assert_ptr_equal(q.ring, ring);
    sndq_ack(&q, &test_arena, q.end_seq);
    assert_ptr_equal(q.ring, ring);
    append(&q, 20);
    assert_ptr_equal(q.ring, ring);
    check_content(&q);
    for (unsigned i = 0; i < 5; i++)
        append(&q, 20);
    sndq_ack(&q, &test_arena, q.end_seq);
    assert_null(q.ring);
    append(&q, 30);
    sndq_ack(&q, &test_arena, q.end_seq);
    assert_int_equal(test_arena.used_bytes, arena_class_bytes(q.cap * sizeof(struct sndq_desc)));
    sndq_trim(&q, &test_arena);
    assert_null(q.ring);
    assert_int_equal(test_arena.used_bytes, 0);
    sndq_trim(&q, &test_arena);
}

static void ack_beyond_the_end(void **state)
{
    struct sndq q;

    (void)state;
    sndq_init(&q, 1000);
    append(&q, 10);
    sndq_ack(&q, &test_arena, 1011); /* the FIN's number */
    assert_int_equal(first_seq(&q), 1010);
    assert_int_equal(q.n, 0);
    sndq_trim(&q, &test_arena);
}

static void empty_piece(void **state)
{
    struct sndq q;

    (void)state;
    sndq_init(&q, 5);
    append(&q, 0);
    assert_int_equal(q.n, 0);
    assert_null(q.ring);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 0);
}

/* The same buffer in several descriptors and with a holder outside: freed by the last one only. */
static void holders(void **state)
{
    struct rte_mbuf *m = seg(0, 200);
    struct sndq q, p;

    (void)state;
    sndq_init(&q, 0);
    sndq_init(&p, 100);
    pkt_ref(m);
    pkt_ref(m);
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 100), 0);
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m) + 100u, 100), 0);
    assert_int_equal(sndq_append(&p, &test_arena, m, pkt_off(m) + 100u, 100), 0);
    check_content(&q);
    check_content(&p);
    sndq_ack(&q, &test_arena, 200);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 1);
    check_content(&p);
    sndq_clear(&p, &test_arena);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 0);
    sndq_trim(&q, &test_arena);
}

static void charge_of_external_memory(void **state)
{
    static uint8_t memory[1000];
    static struct rte_mbuf_ext_shared_info info;
    struct rte_mbuf *m = seg(0, 0);
    struct sndq q;
    uint32_t room;

    (void)state;
    rte_mbuf_ext_refcnt_set(&info, 2); /* one is ours: the callback does not run */
    rte_pktmbuf_attach_extbuf(m, memory, 0, sizeof(memory), &info);
    m->data_off = 0;
    m->data_len = 500;
    sndq_init(&q, 0);
    assert_int_equal(sndq_append(&q, &test_arena, m, 0, 500), 0);
    assert_int_equal(q.charged_bytes, sizeof(struct rte_mbuf) + 500);
    m->data_len = 100;                      /* as a frame had it last: what was charged is given back */
    assert_null(sndq_tail_room(&q, &room)); /* somebody else's memory */
    sndq_ack(&q, &test_arena, 500);
    assert_int_equal(q.charged_bytes, 0);
    assert_int_equal(rte_mbuf_ext_refcnt_read(&info), 1);
    sndq_trim(&q, &test_arena);
}

static void reserve_makes_appends_safe(void **state)
{
    struct sndq q;
    size_t used;

    (void)state;
    sndq_init(&q, 0);
    append(&q, 1);
    append(&q, 1);
    sndq_ack(&q, &test_arena, 1); /* the ring does not begin at its first slot */
    assert_int_equal(sndq_reserve(&q, &test_arena, 0), 0);
    assert_int_equal(sndq_reserve(&q, &test_arena, 20), 0);
    assert_int_equal(q.cap, 32);
    used = test_arena.used_bytes;
    test_arena.fail_after = 1;
    for (unsigned i = 0; i < 20; i++)
        append(&q, 3);
    assert_int_equal(test_arena.used_bytes, used);
    test_arena.fail_after = 0;
    check_content(&q);
    sndq_clear(&q, &test_arena);

    /* room that is not used goes back at the end, too */
    assert_int_equal(sndq_reserve(&q, &test_arena, 1), 0);
    sndq_clear(&q, &test_arena);
}

static void no_memory(void **state)
{
    struct sndq q;
    struct rte_mbuf *m;

    (void)state;
    sndq_init(&q, 0);
    m = seg(0, 10);
    test_arena.fail_after = 1;
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 10), -ENOMEM);
    assert_int_equal(sndq_bytes(&q), 0);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 1); /* the caller's */
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 10), 0);
    for (unsigned i = 0; i < 3; i++)
        append(&q, 10);
    test_arena.fail_after = 1;
    m = seg(40, 10);
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 10), -ENOMEM);
    pkt_unref(m);
    check_content(&q);
    assert_int_equal(q.n, 4);
    assert_int_equal(q.end_seq, 40);
    test_arena.fail_after = 1;
    assert_int_equal(sndq_reserve(&q, &test_arena, 1), -ENOMEM);
    sndq_clear(&q, &test_arena);
}

/* One buffer as many times as the queue can hold: the limit is an error, not an overflow. */
static void descriptor_limit(void **state)
{
    struct rte_mbuf *m = seg(0, 500);
    struct sndq q;

    (void)state;
    sndq_init(&q, 0xfffff000u);
    assert_int_equal(sndq_reserve(&q, &test_arena, SNDQ_DESC_MAX + 1), -ENOMEM);
    assert_int_equal(sndq_reserve(&q, &test_arena, UINT32_MAX), -ENOMEM);
    for (uint32_t i = 0; i < SNDQ_DESC_MAX; i++) {
        if (i > 0)
            pkt_ref(m);
        assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 500), 0);
    }
    assert_int_equal(sndq_append(&q, &test_arena, m, pkt_off(m), 500), -ENOMEM);
    for (uint32_t i = 0; i < SNDQ_DESC_MAX; i += 111) {
        uint32_t index = 0;

        assert_non_null(sndq_find(&q, 0xfffff000u + i * 500 + 499, &index));
        assert_int_equal(index, i);
    }
    sndq_ack(&q, &test_arena, q.end_seq - 1);
    assert_int_equal(q.n, 1);
    assert_int_equal(q.charged_bytes, SEG_CHARGE);
    sndq_clear(&q, &test_arena);
}

static void extend_tail(void **state)
{
    struct sndq q;
    uint32_t room = 0, total = 10;
    uint8_t *p;

    (void)state;
    sndq_init(&q, 0xfffffff0u);
    append(&q, 10);
    while ((p = sndq_tail_room(&q, &room)) != NULL) {
        uint32_t n = MIN(room, 33u);

        assert_int_equal(room, TEST_ROOM - total);
        for (uint32_t i = 0; i < n; i++)
            p[i] = byte_at(q.end_seq + i);
        sndq_extend_tail(&q, n);
        total += n;
    }
    assert_int_equal(room, 0);
    assert_int_equal(total, TEST_ROOM);
    assert_int_equal(q.n, 1);
    assert_int_equal(sndq_bytes(&q), TEST_ROOM);
    assert_int_equal(q.charged_bytes, SEG_CHARGE);
    check_content(&q);
    sndq_clear(&q, &test_arena);
}

/* A buffer that was sent with its headers in the headroom: data_off and data_len are those of the frame. */
static void extend_after_transmission(void **state)
{
    struct sndq q;
    struct rte_mbuf *m;
    uint32_t room, index;

    (void)state;
    sndq_init(&q, 0);
    append(&q, 100);
    m = sndq_find(&q, 0, &index)->m;
    pkt_push(m, 54);
    rte_mbuf_refcnt_update(m, 1); /* the driver holds the frame */
    assert_null(sndq_tail_room(&q, &room));
    rte_mbuf_refcnt_update(m, -1);
    assert_ptr_equal(sndq_tail_room(&q, &room), (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM + 100);
    assert_int_equal(room, TEST_ROOM - 100);
    pkt_ref(m); /* another holder */
    assert_null(sndq_tail_room(&q, &room));
    pkt_unref(m);
    assert_non_null(sndq_tail_room(&q, &room));
    sndq_clear(&q, &test_arena);
}

/* Random appends, extensions and acknowledgements; the ring turns many times. */
static void random_ops(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (unsigned k = 0; k < ARRAY_LEN(starts); k++) {
        struct sndq q;

        sndq_init(&q, starts[k]);
        for (unsigned op = 0; op < 20000; op++) {
            uint32_t room, bytes = sndq_bytes(&q), charge = 0;
            uint8_t *p;

            switch (rng_below(&rng, 4)) {
            case 0:
                if (q.n < 1000)
                    append(&q, 1 + rng_below(&rng, 200));
                break;
            case 1:
                p = sndq_tail_room(&q, &room);
                if (p != NULL) {
                    uint32_t n = 1 + rng_below(&rng, MIN(room, 50u));

                    for (uint32_t i = 0; i < n; i++)
                        p[i] = byte_at(q.end_seq + i);
                    sndq_extend_tail(&q, n);
                }
                break;
            case 2:
                if (rng_below(&rng, 50) == 0)
                    sndq_ack(&q, &test_arena, q.end_seq);
                else
                    sndq_ack(&q, &test_arena, first_seq(&q) + rng_below(&rng, MIN(bytes, 170u) + 1));
                break;
            default:
                if (bytes > 0) {
                    uint32_t index = 0, seq = first_seq(&q) + rng_below(&rng, bytes);
                    const struct sndq_desc *d = sndq_find(&q, seq, &index);

                    assert_int_equal(((uint8_t *)d->m->buf_addr)[d->off + (seq - d->seq)], byte_at(seq));
                }
            }
            if (q.n == 0 && rng_below(&rng, 2) == 0)
                sndq_trim(&q, &test_arena);
            assert_int_equal(q.ring == NULL, q.cap == 0);
            assert_true(q.n > 0 || q.cap <= 4);
            assert_int_equal(rte_mempool_in_use_count(test_pool), q.n);
            for (uint32_t i = 0; i < q.n; i++)
                charge += sndq_at(&q, i)->charge;
            assert_int_equal(q.charged_bytes, charge);
            if (op % 1000 == 0)
                check_content(&q);
        }
        sndq_clear(&q, &test_arena);
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, buf_test_conserved)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_queue),
        TEST(grows_and_finds),
        TEST(partial_ack_keeps_buffer_and_charge),
        TEST(keeps_the_smallest_ring),
        TEST(ack_beyond_the_end),
        TEST(empty_piece),
        TEST(holders),
        TEST(charge_of_external_memory),
        TEST(reserve_makes_appends_safe),
        TEST(no_memory),
        TEST(descriptor_limit),
        TEST(extend_tail),
        TEST(extend_after_transmission),
        TEST(random_ops),
    };

    return cmocka_run_group_tests(tests, buf_test_setup, buf_test_teardown);
}
