#include "buf_test.h"

#include "base/rng.h"
#include "base/seq.h"
#include "buf/rcvq.h"
#include "buf/reass.h"
#include "wire/tcp_hdr.h"

/*
 * The model: which positions of a span are present, and with which byte. What arrived first stays. Positions count from
 * base, which is varied so that the span lies across each wrap of sequence space.
 */
#define SPAN 3000u
#define NO_LIMIT 1000

static const uint32_t bases[] = {0, 0x7fffffffu - SPAN / 2, 0xffffffffu - SPAN / 2};

struct map {
    uint32_t base;
    bool have[SPAN];
    uint8_t byte[SPAN];
};

/* Reads the blocks into a map, and checks everything that must hold of them. */
static void read_blocks(const struct reass *r, struct map *out)
{
    uint32_t bytes = 0, charge = 0, segments = 0;

    memset(out->have, 0, sizeof(out->have));
    assert_int_equal(r->tab == NULL, reass_blocks(r) == 0);
    assert_true(r->tab == NULL || r->tab->n <= r->tab->cap);
    for (unsigned i = 0; i < reass_blocks(r); i++) {
        const struct reass_block *b = &r->tab->blk[i];
        uint32_t at = b->start - out->base, block_charge = 0;
        struct rte_mbuf *m, *last = NULL;

        assert_true(seq_lt(b->start, b->end));
        if (i > 0)
            assert_true(seq_lt(b[-1].end, b->start)); /* sorted, and a gap between */
        for (m = b->head; m != NULL; last = m, m = m->next) {
            assert_true(m->data_len > 0);
            for (uint32_t j = 0; j < m->data_len; j++, at++) {
                assert_true(at < SPAN);
                out->have[at] = true;
                out->byte[at] = pkt_data(m)[j];
            }
            block_charge += pkt_truesize(m);
            segments++;
        }
        assert_ptr_equal(b->tail, last);
        assert_int_equal(at, b->end - out->base);
        assert_int_equal(b->charged_bytes, block_charge);
        assert_true(b->stamp > 0 && b->stamp <= r->tab->stamp);
        bytes += b->end - b->start;
        charge += block_charge;
    }
    assert_int_equal(reass_bytes(r), bytes);
    assert_int_equal(reass_charged_bytes(r), charge);
    assert_int_equal(rte_mempool_in_use_count(test_pool), segments);
}

/* What the map says of an arriving range: the first run of it that is here already (equal bounds when none). */
static void first_dup(const struct map *model, uint32_t from, uint32_t to, uint32_t *start, uint32_t *end)
{
    uint32_t at = from;

    *start = *end = model->base + from;
    while (at < to && !model->have[at])
        at++;
    if (at == to)
        return;
    *start = model->base + at;
    while (at < to && model->have[at])
        at++;
    *end = model->base + at;
}

/*
 * Inserts m, which holds the positions [from, to) with bytes xor flip, and compares with the model. honest: m says the
 * same as what is here, so all of it must be present afterwards. Else some of what is new may be missing behind
 * a conflict, but nothing that was here may change.
 */
static void insert(struct reass *r, struct map *model, uint32_t from, uint32_t to, struct rte_mbuf *m, uint8_t flip, bool honest)
{
    static struct map now;
    uint32_t want_start, want_end, dup_start, dup_end;
    enum reass_result result;
    unsigned added = 0;

    first_dup(model, from, to, &want_start, &want_end);
    result = reass_insert(r, &test_arena, model->base + from, m, NO_LIMIT, &dup_start, &dup_end);
    assert_int_equal(dup_end - dup_start, want_end - want_start);
    if (want_end != want_start)
        assert_int_equal(dup_start, want_start);
    now.base = model->base;
    read_blocks(r, &now);
    for (uint32_t at = 0; at < SPAN; at++) {
        if (model->have[at]) {
            assert_true(now.have[at]);
            assert_int_equal(now.byte[at], model->byte[at]);
        } else if (at >= from && at < to) {
            if (honest)
                assert_true(now.have[at]);
            if (now.have[at]) {
                assert_int_equal(now.byte[at], byte_at(model->base + at) ^ flip);
                model->have[at] = true;
                model->byte[at] = now.byte[at];
                added++;
            }
        } else {
            assert_false(now.have[at]);
        }
    }
    assert_int_equal(result, added > 0 ? REASS_QUEUED : REASS_DUPLICATE);
}

static void insert_one(struct reass *r, struct map *model, uint32_t from, uint32_t to)
{
    insert(r, model, from, to, seg(model->base + from, to - from), 0, true);
}

/* Takes what begins at or before a position, and checks it by content through a receive queue. */
static uint32_t take(struct reass *r, struct map *model, uint32_t at)
{
    static struct map now;
    static uint8_t buf[SPAN];
    struct rcvq q = {0};
    struct rte_mbuf *m;
    uint32_t end, n = 0;

    m = reass_take(r, &test_arena, model->base + at, &end);
    for (const struct rte_mbuf *one = m; one != NULL; one = one->next)
        assert_true(one->data_len > 0);
    rcvq_append(&q, m);
    while (at + n < SPAN && model->have[at + n])
        n++;
    assert_int_equal(q.bytes, n);
    assert_int_equal(end, model->base + at + n);
    rcvq_copy_out(&q, 0, buf, n);
    assert_memory_equal(buf, model->byte + at, n);
    rcvq_clear(&q);
    memset(model->have, 0, at + n);
    now.base = model->base;
    read_blocks(r, &now);
    assert_memory_equal(now.have, model->have, sizeof(now.have));
    return n;
}

static void empty(void **state)
{
    struct reass r = {0};
    struct tcp_sack_block sack[4];
    uint32_t a, b;

    (void)state;
    assert_null(reass_take(&r, &test_arena, 5, &a));
    assert_int_equal(reass_sack(&r, sack, 4), 0);
    assert_int_equal(reass_prune(&r, &test_arena), 0);
    reass_clear(&r, &test_arena);
    assert_int_equal(reass_insert(&r, &test_arena, 7, seg(7, 0), 10, &a, &b), REASS_DUPLICATE);
    assert_int_equal(a, b);
    assert_null(r.tab);
}

/* Each way in which [from, to) can lie to the blocks [100, 200), [300, 310) and [400, 500). */
static void overlap_cases(void **state)
{
    static const struct {
        uint32_t from, to;
        unsigned blocks;
        uint32_t charge; /* segments held afterwards */
    } row[] = {
        {20, 60, 4, 4},   /* before */
        {60, 100, 3, 4},  /* touches the start */
        {60, 101, 3, 4},  /* overlaps the start by one */
        {60, 150, 3, 4},  /* overlaps half */
        {60, 200, 3, 4},  /* same end */
        {60, 201, 3, 3},  /* covers it: replaced */
        {60, 250, 3, 3},  /* covers it */
        {60, 300, 2, 3},  /* covers it and touches the next */
        {60, 305, 2, 3},  /* … and overlaps the next */
        {60, 350, 2, 2},  /* covers two */
        {60, 400, 1, 2},  /* … and touches the third */
        {60, 450, 1, 2},  /* … and overlaps the third */
        {60, 510, 1, 1},  /* covers all */
        {100, 200, 3, 3}, /* the same */
        {100, 150, 3, 3}, /* inside, same start */
        {120, 150, 3, 3}, /* inside */
        {150, 200, 3, 3}, /* inside, same end */
        {100, 201, 3, 4}, /* same start, longer */
        {199, 201, 3, 4}, /* overlaps the end by one */
        {200, 201, 3, 4}, /* touches the end */
        {200, 300, 2, 4}, /* bridges */
        {150, 305, 2, 4}, /* bridges with overlap on both sides */
        {150, 350, 2, 3}, /* overlaps one, covers the next */
        {200, 400, 1, 3}, /* bridges over a block */
        {150, 450, 1, 3}, /* … with overlap on both sides */
        {220, 280, 4, 4}, /* in a gap */
        {500, 510, 3, 4}, /* touches the last */
        {510, 520, 4, 4}, /* behind all */
    };
    static struct map model;

    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(bases); k++) {
        for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
            struct reass r = {0};

            memset(&model, 0, sizeof(model));
            model.base = bases[k] + SPAN / 2 - 250; /* the wrap lies among the blocks */
            insert_one(&r, &model, 100, 200);
            insert_one(&r, &model, 400, 500);
            insert_one(&r, &model, 300, 310);
            assert_int_equal(reass_blocks(&r), 3);
            insert_one(&r, &model, row[i].from, row[i].to);
            assert_int_equal(reass_blocks(&r), row[i].blocks);
            assert_int_equal(reass_charged_bytes(&r), row[i].charge * SEG_CHARGE);
            reass_clear(&r, &test_arena);
            assert_int_equal(reass_bytes(&r) | reass_charged_bytes(&r) | reass_blocks(&r), 0);
            assert_int_equal(test_arena.used_bytes, 0);
        }
    }
}

/* Five segments in all 120 orders, without overlap and with more and more of it, honest and in conflict. */
static void permutations(void **state)
{
    static const uint32_t overlap[] = {0, 1, 20, 40, 60, 200};
    static struct map model;

    (void)state;
    for (unsigned o = 0; o < ARRAY_LEN(overlap) * 2; o++) {
        for (unsigned p = 0; p < 120; p++) {
            uint8_t order[5] = {0, 1, 2, 3, 4};
            bool honest = o % 2 == 0;
            struct reass r = {0};
            uint32_t end = 0;

            for (unsigned i = 5, code = p; i > 1; code /= i, i--) {
                unsigned j = code % i;
                uint8_t t = order[i - 1];

                order[i - 1] = order[j];
                order[j] = t;
            }
            memset(&model, 0, sizeof(model));
            model.base = bases[p % ARRAY_LEN(bases)];
            for (unsigned i = 0; i < 5; i++) {
                /* the third is long: it covers what lies around it */
                uint32_t from = 1400 + 40u * order[i] - (order[i] == 2 ? MIN(overlap[o / 2], 60u) : 0);
                uint32_t to = 1440 + 40u * order[i] + overlap[o / 2];
                uint8_t flip = honest ? 0 : (uint8_t)(order[i] + 1);

                insert(&r, &model, from, to, seg_flipped(model.base + from, to - from, flip), flip, honest);
                end = MAX(end, to);
            }
            assert_int_equal(take(&r, &model, 1399), 0); /* the gap in front is still open */
            if (honest) {
                assert_int_equal(reass_blocks(&r), 1);
                assert_int_equal(take(&r, &model, 1400), end - 1400);
                assert_null(r.tab);
            }
            reass_clear(&r, &test_arena);
        }
    }
}

/* Two versions of the same bytes: the first one is what the application gets, whatever the order of arrival of the rest. */
static void first_version_stays(void **state)
{
    static struct map model;
    struct reass r = {0};

    (void)state;
    memset(&model, 0, sizeof(model));
    model.base = 0xffffff00u;
    insert(&r, &model, 200, 210, seg_flipped(model.base + 200, 10, 0x5a), 0x5a, true);
    insert(&r, &model, 220, 230, seg(model.base + 220, 10), 0, true);
    /* covers both, says something else about the first: kept up to the conflict */
    insert(&r, &model, 190, 240, seg(model.base + 190, 50), 0, false);
    assert_int_equal(reass_blocks(&r), 2);
    assert_int_equal(r.tab->blk[0].start, model.base + 190);
    assert_int_equal(r.tab->blk[0].end, model.base + 210);
    /* covers the second with the same bytes, ends inside nothing: taken whole */
    insert(&r, &model, 205, 240, seg(model.base + 205, 35), 0, true);
    assert_int_equal(reass_blocks(&r), 1);
    assert_int_equal(take(&r, &model, 190), 50);
}

static void take_cuts_and_skips(void **state)
{
    static struct map model;
    struct reass r = {0};
    uint32_t end;

    (void)state;
    memset(&model, 0, sizeof(model));
    model.base = 0x80000000u - 150;
    insert_one(&r, &model, 10, 20);
    insert_one(&r, &model, 30, 40);
    insert_one(&r, &model, 100, 110);
    insert_one(&r, &model, 110, 150);
    insert_one(&r, &model, 150, 200);
    insert_one(&r, &model, 300, 310);
    insert_one(&r, &model, 310, 320);
    insert_one(&r, &model, 500, 520);
    assert_int_equal(reass_blocks(&r), 5);
    assert_int_equal(take(&r, &model, 9), 0);
    assert_int_equal(reass_blocks(&r), 5);
    assert_int_equal(take(&r, &model, 40), 0); /* both blocks before are gone: one ends exactly there */
    assert_int_equal(reass_blocks(&r), 3);
    assert_int_equal(take(&r, &model, 155), 45); /* two segments wholly before, a third cut */
    assert_int_equal(take(&r, &model, 310), 10); /* the cut is between two segments */
    assert_int_equal(reass_blocks(&r), 1);
    assert_null(reass_take(&r, &test_arena, model.base + 520, &end)); /* all of it is old */
    assert_int_equal(end, model.base + 520);
    assert_null(r.tab);
}

/* A packet of several segments, some of them empty, into gaps between blocks; nb_segs of the packet is not looked at. */
static void chains(void **state)
{
    static struct map model;
    struct reass r = {0};
    struct rte_mbuf *m;

    (void)state;
    memset(&model, 0, sizeof(model));
    model.base = 0xffffffffu - 200;
    insert_one(&r, &model, 150, 160);
    insert_one(&r, &model, 180, 220);
    insert_one(&r, &model, 400, 410);
    m = chain(chain(seg(model.base + 100, 55), seg(model.base + 155, 0)), seg(model.base + 155, 30));
    chain(chain(m, seg(model.base + 185, 10)), seg(model.base + 195, 300));
    m->nb_segs = 7;
    insert(&r, &model, 100, 495, m, 0, true);
    assert_int_equal(reass_blocks(&r), 1);
    assert_int_equal(take(&r, &model, 100), 395);

    insert(&r, &model, 100, 120, chain(seg(model.base + 100, 10), seg(model.base + 110, 10)), 0, true);
    insert(&r, &model, 100, 120, chain(seg(model.base + 100, 10), seg(model.base + 110, 10)), 0, true);
    assert_int_equal(reass_blocks(&r), 1);
    assert_int_equal(reass_charged_bytes(&r), 2 * SEG_CHARGE);
    reass_clear(&r, &test_arena);
}

static void dsack_ranges(void **state)
{
    struct reass r = {0};
    uint32_t a, b;

    (void)state;
    reass_insert(&r, &test_arena, 100, seg(100, 100), NO_LIMIT, &a, &b);
    assert_int_equal(a, b);
    reass_insert(&r, &test_arena, 300, seg(300, 100), NO_LIMIT, &a, &b);
    assert_int_equal(a, b);
    assert_int_equal(reass_insert(&r, &test_arena, 120, seg(120, 30), NO_LIMIT, &a, &b), REASS_DUPLICATE);
    assert_int_equal(a, 120);
    assert_int_equal(b, 150);
    /* two duplicate parts: the first one is reported */
    assert_int_equal(reass_insert(&r, &test_arena, 150, seg(150, 200), NO_LIMIT, &a, &b), REASS_QUEUED);
    assert_int_equal(a, 150);
    assert_int_equal(b, 200);
    /* a duplicate part that continues over segments of the packet is one */
    assert_int_equal(reass_insert(&r, &test_arena, 390, chain(seg(390, 5), seg(395, 100)), NO_LIMIT, &a, &b), REASS_QUEUED);
    assert_int_equal(a, 390);
    assert_int_equal(b, 400);
    reass_clear(&r, &test_arena);
}

static void assert_sack(const struct reass *r, const uint32_t *start, unsigned n, unsigned max)
{
    struct tcp_sack_block out[8];

    assert_int_equal(reass_sack(r, out, max), n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(out[i].start, start[i]);
}

/* RFC 2018 section 4: first the block with the segment that arrived last, then the others by recency. */
static void sack_order(void **state)
{
    struct reass r = {0};
    struct tcp_sack_block out[4];
    uint32_t a, b;

    (void)state;
    for (uint32_t s = 100; s <= 500; s += 100)
        reass_insert(&r, &test_arena, s, seg(s, 10), NO_LIMIT, &a, &b);
    assert_sack(&r, (uint32_t[]){500, 400, 300}, 3, 3);
    assert_sack(&r, (uint32_t[]){500, 400, 300, 200, 100}, 5, 8);
    assert_sack(&r, NULL, 0, 0);
    reass_insert(&r, &test_arena, 210, seg(210, 10), NO_LIMIT, &a, &b); /* grows at its end */
    assert_sack(&r, (uint32_t[]){200, 500, 400, 300}, 4, 4);
    reass_insert(&r, &test_arena, 90, seg(90, 10), NO_LIMIT, &a, &b); /* grows at its start */
    assert_sack(&r, (uint32_t[]){90, 200, 500, 400}, 4, 4);
    reass_insert(&r, &test_arena, 405, seg(405, 2), NO_LIMIT, &a, &b); /* a duplicate is an arrival, too */
    assert_sack(&r, (uint32_t[]){400, 90, 200, 500}, 4, 4);
    reass_insert(&r, &test_arena, 310, seg(310, 90), NO_LIMIT, &a, &b); /* joins 300 and 400 */
    assert_sack(&r, (uint32_t[]){300, 90, 200, 500}, 4, 4);
    assert_int_equal(reass_sack(&r, out, 1), 1);
    assert_int_equal(out[0].start, 300);
    assert_int_equal(out[0].end, 410);
    reass_clear(&r, &test_arena);
}

static void block_limit(void **state)
{
    static struct map model;
    struct reass r = {0};
    uint32_t a, b;

    (void)state;
    memset(&model, 0, sizeof(model));
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(reass_insert(&r, &test_arena, 100 + i * 20, seg(100 + i * 20, 10), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(r.tab->cap, 8);
    assert_int_equal(reass_insert(&r, &test_arena, 300, seg(300, 10), 8, &a, &b), REASS_FULL);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 8);
    /* what needs no new block is still taken: growth, joining, replacement; a duplicate is a duplicate */
    assert_int_equal(reass_insert(&r, &test_arena, 110, seg(110, 5), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_insert(&r, &test_arena, 119, seg(119, 12), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_insert(&r, &test_arena, 100, seg(100, 5), 8, &a, &b), REASS_DUPLICATE);
    assert_int_equal(reass_blocks(&r), 8);
    assert_int_equal(reass_insert(&r, &test_arena, 130, seg(130, 10), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_blocks(&r), 7);
    assert_int_equal(reass_insert(&r, &test_arena, 300, seg(300, 10), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_blocks(&r), 8);
    /* below a limit that was lowered, replacement of a block loses nothing */
    assert_int_equal(reass_insert(&r, &test_arena, 295, seg(295, 20), 2, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_blocks(&r), 8);
    assert_int_equal(r.tab->blk[7].start, 295);
    assert_int_equal(r.tab->blk[7].end, 315);
    /* the part of a packet that fits is kept */
    assert_int_equal(reass_insert(&r, &test_arena, 315, chain(seg(315, 5), seg(320, 5)), 8, &a, &b), REASS_QUEUED);
    assert_int_equal(reass_insert(&r, &test_arena, 400, chain(seg(400, 5), seg(405, 5)), 8, &a, &b), REASS_FULL);
    read_blocks(&r, &model);
    reass_clear(&r, &test_arena);
}

static void no_memory(void **state)
{
    struct reass r = {0};
    uint32_t a, b;

    (void)state;
    test_arena.fail_after = 1;
    assert_int_equal(reass_insert(&r, &test_arena, 100, seg(100, 10), 8, &a, &b), REASS_FULL);
    assert_null(r.tab);
    for (uint32_t s = 100; s < 300; s += 100)
        assert_int_equal(reass_insert(&r, &test_arena, s, seg(s, 10), 8, &a, &b), REASS_QUEUED);
    test_arena.fail_after = 1; /* when the array must grow */
    assert_int_equal(reass_insert(&r, &test_arena, 300, seg(300, 10), 8, &a, &b), REASS_FULL);
    assert_int_equal(reass_blocks(&r), 2);
    assert_int_equal(reass_bytes(&r), 20);
    assert_int_equal(rte_mempool_in_use_count(test_pool), 2);
    reass_clear(&r, &test_arena);
}

static void prune_from_the_far_end(void **state)
{
    static struct map model;
    struct reass r = {0};

    (void)state;
    memset(&model, 0, sizeof(model));
    insert_one(&r, &model, 100, 110);
    insert_one(&r, &model, 300, 310);
    insert_one(&r, &model, 310, 320);
    insert_one(&r, &model, 200, 210);
    assert_int_equal(reass_prune(&r, &test_arena), 2 * SEG_CHARGE);
    assert_int_equal(r.tab->blk[reass_blocks(&r) - 1].start, 200);
    assert_int_equal(reass_prune(&r, &test_arena), SEG_CHARGE);
    assert_int_equal(reass_prune(&r, &test_arena), SEG_CHARGE);
    assert_null(r.tab);
    assert_int_equal(reass_prune(&r, &test_arena), 0);
}

/* Random packets of one to four segments anywhere, honest or not, taken from the front now and then. */
static void random_packets(struct rng *rng, bool honest)
{
    static struct map model;

    for (unsigned round = 0; round < 60; round++) {
        struct reass r = {0};
        uint32_t next = 10, longest = 1 + rng_below(rng, 400);

        memset(&model, 0, sizeof(model));
        model.base = bases[round % ARRAY_LEN(bases)];
        for (unsigned op = 0; op < 300 && next + 2000 < SPAN; op++) {
            uint32_t from = next + 1 + rng_below(rng, 1500), to = from;
            uint8_t flip = honest ? 0 : (uint8_t)rng_below(rng, 3);
            struct rte_mbuf *m = NULL;

            for (uint32_t n = 1 + rng_below(rng, 4); n > 0; n--) {
                uint32_t len = rng_below(rng, MIN(longest, SPAN - to) + 1);
                struct rte_mbuf *one = seg_flipped(model.base + to, len, flip);

                m = m == NULL ? one : chain(m, one);
                to += len;
            }
            insert(&r, &model, from, to, m, flip, honest);
            switch (rng_below(rng, 10)) {
            case 0:
                next += rng_below(rng, 100);
                next += take(&r, &model, next);
                break;
            case 1:
                if (reass_blocks(&r) > 0 && rng_below(rng, 4) == 0) {
                    uint32_t cut = r.tab->blk[reass_blocks(&r) - 1].start - model.base;

                    reass_prune(&r, &test_arena);
                    memset(model.have + cut, 0, SPAN - cut);
                }
            }
        }
        reass_clear(&r, &test_arena);
        assert_int_equal(rte_mempool_in_use_count(test_pool), 0);
    }
}

static void random_honest(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 11);
    random_packets(&rng, true);
}

static void random_conflicting(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 12);
    random_packets(&rng, false);
}

#define TEST(f) cmocka_unit_test_teardown(f, buf_test_conserved)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty),
        TEST(overlap_cases),
        TEST(permutations),
        TEST(first_version_stays),
        TEST(take_cuts_and_skips),
        TEST(chains),
        TEST(dsack_ranges),
        TEST(sack_order),
        TEST(block_limit),
        TEST(no_memory),
        TEST(prune_from_the_far_end),
        TEST(random_honest),
        TEST(random_conflicting),
    };

    return cmocka_run_group_tests(tests, buf_test_setup, buf_test_teardown);
}
