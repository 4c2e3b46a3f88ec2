/*
 * The sent map against a model that is too simple to be wrong: one entry per sequence number (byte), every question
 * answered by walking all of them. Random operations; after each, all sums and every record are compared.
 */
#include "unit.h"

#include "base/units.h"
#include "tcp/sent.h"

#define SPACE 4096u /* bytes of sequence space in a run */
#define SMSS 10u
#define DUP_THRESH 3u
#define LIMIT 400u

struct cell {
    bool boundary; /* a record starts here */
    uint8_t flags;
    uint64_t sent_at;
};

static struct cell cell[SPACE + 1];
static uint32_t isn, una, nxt; /* una and nxt: offsets from isn */
static struct arena arena;
static struct sent_map sm;
static uint64_t seed, now;

static uint32_t rec_end(uint32_t off)
{
    for (off++; off < nxt && !cell[off].boundary; off++)
        ;
    return off;
}

static uint32_t bytes_with(uint8_t flag)
{
    uint32_t n = 0;

    for (uint32_t i = una; i < nxt; i++)
        n += (cell[i].flags & flag) != 0;
    return n;
}

static bool model_is_lost(uint32_t off)
{
    uint32_t runs = 0, bytes = 0;
    bool in_run = false;

    for (uint32_t i = rec_end(off); i < nxt; i++) {
        bool sacked = (cell[i].flags & SENT_SACKED) != 0;

        bytes += sacked;
        runs += sacked && !in_run;
        in_run = sacked;
    }
    return runs >= DUP_THRESH || bytes > (DUP_THRESH - 1) * SMSS;
}

/* The first record without any of the flags not and with all of the flags want, below limit. */
static uint32_t model_first(uint8_t want, uint8_t not, uint32_t limit)
{
    for (uint32_t i = una; i < limit; i++) {
        if ((i == una || cell[i].boundary) && (cell[i].flags & want) == want && !(cell[i].flags & not ))
            return i;
    }
    return UINT32_MAX;
}

static void compare(void)
{
    uint32_t high = una, off = una, n = 0;

    sent_check(&sm);
    assert_int_equal(sm.sacked_bytes, bytes_with(SENT_SACKED));
    assert_int_equal(sm.lost_bytes, bytes_with(SENT_LOST));
    assert_int_equal(sm.rtx_bytes, bytes_with(SENT_RTX_OUT));
    for (; off < nxt; off = rec_end(off), n++) {
        struct sent_rec *r = sent_find(&sm, isn + off);

        assert_int_equal(r->start, isn + off);
        assert_int_equal(r->end, isn + rec_end(off));
        assert_int_equal(r->flags, cell[off].flags);
        assert_int_equal(r->sent_at_ns, cell[off].sent_at);
        if (r->flags & SENT_SACKED)
            high = rec_end(off);
    }
    assert_int_equal(sm.n, n);
    if (sm.sacked_bytes)
        assert_int_equal(sm.high_sacked, isn + high);
    struct sent_rec *r = sent_next_lost(&sm);
    uint32_t want = model_first(SENT_LOST, SENT_SACKED | SENT_RTX_OUT, nxt);
    assert_int_equal(r ? r->start - isn : UINT32_MAX, want);
    r = sent_next_rescue(&sm);
    want = model_first(0, SENT_SACKED | SENT_RTX_OUT, high);
    assert_int_equal(r ? r->start - isn : UINT32_MAX, want);
    assert_null(sent_find(&sm, isn + nxt));
}

static void op_add(void)
{
    uint32_t len = 1 + unit_below(&seed, unit_below(&seed, 4) ? 20 : 80);

    if (nxt + len > SPACE || sm.n >= LIMIT)
        return;
    assert_int_equal(sent_add(&sm, &arena, isn + nxt, isn + nxt + len, now, LIMIT), 0);
    for (uint32_t i = 0; i < len; i++)
        cell[nxt + i] = (struct cell){.boundary = i == 0, .sent_at = now};
    nxt += len;
}

static void note(uint32_t off, struct sent_ack *a)
{
    if (cell[off].flags & SENT_SACKED)
        return;
    if (cell[off].flags & SENT_RETRANS) {
        a->acked_retrans = true;
    } else if (!a->rtt_valid || cell[off].sent_at > a->rtt_sent_ns) {
        a->rtt_valid = true;
        a->rtt_sent_ns = cell[off].sent_at;
    }
}

static void same(const struct sent_ack *got, const struct sent_ack *want)
{
    assert_int_equal(got->newly_acked, want->newly_acked);
    assert_int_equal(got->newly_sacked, want->newly_sacked);
    assert_int_equal(got->rtt_valid, want->rtt_valid);
    assert_int_equal(got->rtt_sent_ns, want->rtt_sent_ns);
    assert_int_equal(got->acked_retrans, want->acked_retrans);
}

static void op_ack(void)
{
    uint32_t to = una + unit_below(&seed, unit_below(&seed, 6) ? MIN(nxt - una, 40u) + 1 : nxt - una + 1);
    struct sent_ack got = {0}, want = {0};

    for (uint32_t i = una; i < to; i++) {
        note(i, &want);
        want.newly_acked += !(cell[i].flags & SENT_SACKED);
    }
    una = to;
    sent_ack(&sm, &arena, isn + to, &got);
    same(&got, &want);
}

static void op_sack(void)
{
    struct tcp_sack_block b[TCP_SACK_BLOCKS_MAX];
    struct sent_ack got = {0}, want = {0};
    unsigned n = 1 + unit_below(&seed, TCP_SACK_BLOCKS_MAX);

    for (unsigned k = 0; k < n; k++) {
        uint32_t start = una + unit_below(&seed, nxt - una + 1), end = start + unit_below(&seed, MIN(nxt - start, 60u) + 1);

        b[k] = (struct tcp_sack_block){isn + start, isn + end};
        for (uint32_t off = una; off < nxt; off = rec_end(off)) {
            if (off < start || rec_end(off) > end || (cell[off].flags & SENT_SACKED))
                continue;
            note(off, &want);
            want.newly_sacked += rec_end(off) - off;
            for (uint32_t i = off, e = rec_end(off); i < e; i++)
                cell[i].flags = (uint8_t)((cell[i].flags & SENT_RETRANS) | SENT_SACKED);
        }
    }
    sent_sack(&sm, b, n, &got);
    same(&got, &want);
}

static uint32_t model_lose(uint32_t off)
{
    uint32_t e = rec_end(off);

    if (cell[off].flags & (SENT_SACKED | SENT_LOST))
        return 0;
    for (uint32_t i = off; i < e; i++)
        cell[i].flags |= SENT_LOST;
    return e - off;
}

static void op_mark_lost(void)
{
    uint32_t newly = 0;

    for (uint32_t off = una; off < nxt; off = rec_end(off)) {
        if (model_is_lost(off))
            newly += model_lose(off);
    }
    assert_int_equal(sent_mark_lost(&sm, DUP_THRESH, SMSS), newly);
}

static void op_retransmit(void)
{
    struct sent_rec *r = unit_below(&seed, 3) ? sent_next_lost(&sm) : sent_next_rescue(&sm);

    if (!r)
        return;
    for (uint32_t i = r->start - isn; i < r->end - isn; i++) {
        cell[i].flags |= SENT_RETRANS | SENT_RTX_OUT;
        cell[i].sent_at = now;
    }
    sent_retransmitted(&sm, r, now);
}

static void op_split(void)
{
    if (una == nxt || sm.n >= LIMIT)
        return;
    uint32_t off = una + unit_below(&seed, nxt - una);
    assert_int_equal(sent_split(&sm, &arena, isn + off, LIMIT), 0);
    cell[off].boundary = true;
}

static void op_first_lost(void)
{
    assert_int_equal(sent_mark_first_lost(&sm), una < nxt ? model_lose(una) : 0);
}

static void op_all_lost(void)
{
    for (uint32_t i = una; i < nxt; i++) {
        if (!(cell[i].flags & SENT_SACKED))
            cell[i].flags |= SENT_LOST;
        cell[i].flags &= (uint8_t)~SENT_RTX_OUT;
    }
    sent_mark_all_lost(&sm);
}

static void op_unsack(void)
{
    for (uint32_t i = una; i < nxt; i++)
        cell[i].flags &= SENT_RETRANS;
    sent_unsack_all(&sm);
}

static void step(void)
{
    uint32_t dice = unit_below(&seed, 1000);

    now += unit_below(&seed, 3);
    if (dice < 320)
        op_add();
    else if (dice < 420)
        op_ack();
    else if (dice < 600)
        op_sack();
    else if (dice < 760)
        op_mark_lost();
    else if (dice < 900)
        op_retransmit();
    else if (dice < 970)
        op_split();
    else if (dice < 985)
        op_first_lost();
    else if (dice < 993)
        op_all_lost();
    else if (dice < 996)
        op_unsack();
    compare();
}

static void random_operations(void **state)
{
    (void)state;
    for (uint64_t run = 1; run <= 150; run++) {
        seed = run;
        isn = run % 3 == 0 ? 0u - unit_below(&seed, SPACE) : run % 3 == 1 ? 0x80000000u - unit_below(&seed, SPACE) : 0;
        una = nxt = 0;
        now = 1;
        arena = (struct arena){0};
        sm = (struct sent_map){0};
        for (int i = 0; i < 700; i++)
            step();
        sent_clear(&sm, &arena);
        assert_int_equal(arena.used_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
