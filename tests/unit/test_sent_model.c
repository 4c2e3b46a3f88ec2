/*
 * The sent map against a model that is too simple to be wrong: one entry per sequence number (byte), every question
 * answered by walking all of them. Random operations; after each, all sums and every record are compared.
 */
#include "unit.h"

#include "base/units.h"
#include "tcp/sent.h"

#define SPACE 4096u /* bytes of sequence space in a run */
#define LIMIT 400u

struct cell {
    bool boundary; /* a record starts here */
    uint8_t flags;
    uint16_t seg; /* payload per segment of the frame; 0: it is one */
    uint64_t sent_at; /* no two transmissions at the same time: it is the order of the flight, too */
    int64_t turn;     /* of what waits to be repeated: the lowest goes first */
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

static bool waits(uint32_t off)
{
    return (cell[off].flags & (SENT_LOST | SENT_RTX_OUT)) == SENT_LOST;
}

static bool flies(uint32_t off)
{
    return !(cell[off].flags & SENT_SACKED) && !waits(off);
}

/* The record that waits and goes first, and the turn of the last one. */
static uint32_t model_next(int64_t *last)
{
    uint32_t best = UINT32_MAX;

    *last = 0;
    for (uint32_t i = una; i < nxt; i = rec_end(i)) {
        if (!waits(i))
            continue;
        if (best == UINT32_MAX || cell[i].turn < cell[best].turn)
            best = i;
        if (cell[i].turn > *last)
            *last = cell[i].turn;
    }
    return best;
}

static void compare(void)
{
    uint32_t high = una, off = una, n = 0, n_sacked = 0;

    sent_check(&sm);
    assert_int_equal(sent_sacked_bytes(&sm), bytes_with(SENT_SACKED));
    assert_int_equal(sm.lost_bytes, bytes_with(SENT_LOST));
    assert_int_equal(sm.rtx_bytes, bytes_with(SENT_RTX_OUT));
    for (; off < nxt; off = rec_end(off), n++) {
        struct sent_rec *r = sent_find(&sm, isn + off);

        assert_int_equal(r->start, isn + off);
        assert_int_equal(r->end, isn + rec_end(off));
        assert_int_equal(r->flags, cell[off].flags);
        assert_int_equal(r->sent_at_ns, cell[off].sent_at);
        assert_int_equal(r->seg_bytes, cell[off].seg);
        if (r->flags & SENT_SACKED) {
            high = rec_end(off);
            n_sacked++;
        }
    }
    assert_int_equal(sm.n, n);
    assert_int_equal(sm.n_sacked, n_sacked);
    if (sent_sacked_bytes(&sm))
        assert_int_equal(sm.high_sacked, isn + high);
    int64_t last;
    struct sent_rec *r = sent_next_lost(&sm);
    assert_int_equal(r ? r->start - isn : UINT32_MAX, model_next(&last));
    assert_null(sent_find(&sm, isn + nxt));
}

static void op_add(void)
{
    uint32_t len = 1 + unit_below(&seed, unit_below(&seed, 4) ? 20 : 80);

    if (nxt + len > SPACE || sm.n >= LIMIT)
        return;
    assert_int_equal(sent_add(&sm, &arena, isn + nxt, isn + nxt + len, now, LIMIT), 0);
    if (unit_below(&seed, 2)) /* of several segments, if it is not too short for that */
        sent_last(&sm)->seg_bytes = (uint16_t)(1 + unit_below(&seed, len));
    for (uint32_t i = 0; i < len; i++)
        cell[nxt + i] = (struct cell){.boundary = i == 0, .sent_at = now, .seg = sent_last(&sm)->seg_bytes};
    nxt += len;
}

/* Of the record at off what ends at end arrived. */
static void note(uint32_t off, uint32_t end, uint64_t rtx_latest_ns, struct sent_ack *a)
{
    const struct cell *c = &cell[off];
    uint32_t start = off;
    bool retrans = (c->flags & SENT_RETRANS) != 0;

    if (c->flags & SENT_SACKED)
        return;
    while (start > una && !cell[start].boundary)
        start--;
    if (!retrans || c->sent_at <= rtx_latest_ns) {
        if (!a->rack_valid || c->sent_at > a->rack_sent_ns || (c->sent_at == a->rack_sent_ns && isn + end - a->rack_end < SPACE)) {
            a->rack_valid = true;
            a->rack_sent_ns = c->sent_at;
            a->rack_end = isn + end;
        }
    }
    if (retrans) {
        a->acked_retrans = true;
        return;
    }
    if (!a->rtt_valid || c->sent_at > a->rtt_sent_ns) {
        a->rtt_valid = true;
        a->rtt_sent_ns = c->sent_at;
    }
    if (!a->orig_valid || end < a->orig_end - isn) {
        a->orig_valid = true;
        a->orig_end = isn + end;
    }
    if (end < a->fack - isn && a->fack - isn - start > a->reord_bytes)
        a->reord_bytes = a->fack - isn - start;
}

static void same(const struct sent_ack *got, const struct sent_ack *want)
{
    assert_int_equal(got->newly_acked, want->newly_acked);
    assert_int_equal(got->newly_sacked, want->newly_sacked);
    assert_int_equal(got->rtt_valid, want->rtt_valid);
    assert_int_equal(got->rtt_sent_ns, want->rtt_sent_ns);
    assert_int_equal(got->acked_retrans, want->acked_retrans);
    assert_int_equal(got->rack_valid, want->rack_valid);
    assert_int_equal(got->rack_sent_ns, want->rack_sent_ns);
    assert_int_equal(got->rack_end, want->rack_end);
    assert_int_equal(got->orig_valid, want->orig_valid);
    assert_int_equal(got->orig_end, want->orig_end);
    assert_int_equal(got->reord_bytes, want->reord_bytes);
    assert_int_equal(got->rtx_early, want->rtx_early);
    assert_int_equal(got->rtx_needed, want->rtx_needed);
}

static struct sent_ack fresh_ack(void)
{
    return (struct sent_ack){
        .rtx_latest_ns = now - MIN(now, unit_below(&seed, 100)),
        .echo_latest_ns = now - MIN(now, unit_below(&seed, 100)),
        .fack = isn + una + unit_below(&seed, nxt - una + 1),
    };
}

/* What the cumulative acknowledgement waits for goes first. */
static void model_first_goes_first(void)
{
    int64_t last;
    uint32_t best = model_next(&last);

    if (una < nxt && waits(una) && best != una)
        for (uint32_t i = una; i < rec_end(una); i++)
            cell[i].turn = cell[best].turn - 1;
}

static void op_ack(void)
{
    uint32_t to = una + unit_below(&seed, unit_below(&seed, 6) ? MIN(nxt - una, 40u) + 1 : nxt - una + 1);
    struct sent_ack got = fresh_ack(), want = got;

    for (uint32_t i = una; i < to; i++) {
        if (i == una || cell[i].boundary)
            note(i, MIN(rec_end(i), to), MIN(want.rtx_latest_ns, want.echo_latest_ns), &want);
        want.newly_acked += !(cell[i].flags & SENT_SACKED);
        if ((cell[i].flags & (SENT_RETRANS | SENT_SACKED)) == SENT_RETRANS) {
            want.rtx_early |= cell[i].sent_at > want.echo_latest_ns;
            want.rtx_needed |= cell[i].sent_at <= want.echo_latest_ns;
        }
    }
    if (to > una) {
        una = to;
        model_first_goes_first();
    }
    sent_ack(&sm, &arena, isn + to, &got);
    same(&got, &want);
}

/* Of a frame of several segments those that lie whole in [start, end) become a record of their own. */
static void cut_frame(uint32_t off, uint32_t start, uint32_t end)
{
    uint32_t e = rec_end(off), seg = cell[off].seg, first = UINT32_MAX, last = 0;

    if (!seg || seg >= e - off || (cell[off].flags & SENT_SACKED))
        return;
    for (uint32_t i = off; i < e; i += seg) {
        uint32_t seg_end = MIN(i + seg, e);

        if (i < start || seg_end > end)
            continue;
        first = MIN(first, i);
        last = seg_end;
    }
    if (last == 0)
        return;
    cell[first].boundary = true;
    if (last < e)
        cell[last].boundary = true;
}

static void op_sack(void)
{
    struct tcp_sack_block b[TCP_SACK_BLOCKS_MAX];
    struct sent_ack got = fresh_ack(), want = got;
    unsigned n = 1 + unit_below(&seed, TCP_SACK_BLOCKS_MAX);
    uint32_t limit = 2 * SPACE; /* every byte may be a record */

    for (unsigned k = 0; k < n; k++) {
        uint32_t start = una + unit_below(&seed, nxt - una + 1), end = start + unit_below(&seed, MIN(nxt - start, 60u) + 1);

        b[k] = (struct tcp_sack_block){isn + start, isn + end};
        for (uint32_t off = una; off < nxt; off = rec_end(off)) {
            cut_frame(off, start, end);
            if (off < start || rec_end(off) > end || (cell[off].flags & SENT_SACKED))
                continue;
            note(off, rec_end(off), want.rtx_latest_ns, &want);
            want.newly_sacked += rec_end(off) - off;
            for (uint32_t i = off, e = rec_end(off); i < e; i++)
                cell[i].flags = (uint8_t)((cell[i].flags & SENT_RETRANS) | SENT_SACKED);
        }
    }
    sent_sack(&sm, &arena, b, n, limit, &got);
    same(&got, &want);
}

static uint32_t model_lose(uint32_t off)
{
    uint32_t e = rec_end(off), first;
    int64_t last, turn;

    if (!flies(off))
        return 0;
    first = model_next(&last);
    turn = first != UINT32_MAX && off < first ? cell[first].turn - 1 : last + 1;
    for (uint32_t i = off; i < e; i++) {
        cell[i].flags = (uint8_t)((cell[i].flags & ~SENT_RTX_OUT) | SENT_LOST);
        cell[i].turn = turn;
    }
    return e - off;
}

/* In flight and sent first; UINT32_MAX: nothing is. Of the halves of one frame the first. */
static uint32_t model_oldest(void)
{
    uint32_t best = UINT32_MAX;

    for (uint32_t i = una; i < nxt; i = rec_end(i)) {
        if (flies(i) && (best == UINT32_MAX || cell[i].sent_at < cell[best].sent_at))
            best = i;
    }
    return best;
}

static void op_rack(void)
{
    uint32_t ref = una + (nxt > una ? unit_below(&seed, nxt - una) : 0), newly = 0, off;
    uint64_t age = unit_below(&seed, 200), wait, want_wait = 0;

    if (una == nxt)
        return;
    uint32_t end = rec_end(ref);
    uint64_t xmit = cell[ref].sent_at;
    while ((off = model_oldest()) != UINT32_MAX) {
        if (cell[off].sent_at > xmit || (cell[off].sent_at == xmit && ((cell[off].flags & SENT_RETRANS) || rec_end(off) >= end)))
            break;
        if (cell[off].sent_at + age > now) {
            want_wait = cell[off].sent_at + age - now;
            break;
        }
        newly += model_lose(off);
    }
    assert_int_equal(sent_mark_rack(&sm, xmit, isn + end, age, now, &wait), newly);
    assert_int_equal(wait, want_wait);
}

static void op_old_lost(void)
{
    uint64_t age = unit_below(&seed, 200);
    uint32_t newly = una < nxt ? model_lose(una) : 0, off;

    while ((off = model_oldest()) != UINT32_MAX && cell[off].sent_at + age <= now)
        newly += model_lose(off);
    assert_int_equal(sent_mark_old_lost(&sm, age, now), newly);
}

static void op_retransmit(void)
{
    struct sent_rec *r = sent_next_lost(&sm);

    if (!r || !unit_below(&seed, 4)) /* a probe: whatever is not sacked */
        r = una < nxt ? sent_find(&sm, isn + una + unit_below(&seed, nxt - una)) : NULL;
    if (!r || (r->flags & SENT_SACKED))
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
    uint32_t want = una < nxt && !(cell[una].flags & (SENT_SACKED | SENT_LOST)) ? model_lose(una) : 0;

    assert_int_equal(sent_mark_first_lost(&sm), want);
}

static void model_all_lost(void)
{
    int64_t turn = 0;

    for (uint32_t i = una; i < nxt; i++) {
        turn += i == una || cell[i].boundary;
        if (cell[i].flags & SENT_SACKED)
            continue;
        cell[i].flags = (uint8_t)((cell[i].flags & ~SENT_RTX_OUT) | SENT_LOST);
        cell[i].turn = turn;
    }
}

static void op_all_lost(void)
{
    model_all_lost();
    sent_mark_all_lost(&sm);
}

static void op_renege(void)
{
    for (uint32_t i = una; i < nxt; i++)
        cell[i].flags &= (uint8_t)~SENT_SACKED;
    model_all_lost();
    sent_renege(&sm);
}

/* What was lost and repeated counts twice now; what was lost again stays so. */
static void op_undo(void)
{
    for (uint32_t i = una; i < nxt; i++) {
        if (!(cell[i].flags & SENT_RETRANS) || (cell[i].flags & SENT_RTX_OUT))
            cell[i].flags &= (uint8_t)~SENT_LOST;
    }
    sent_undo_lost(&sm);
}

static void step(void)
{
    uint32_t dice = unit_below(&seed, 1000);

    now += 1 + unit_below(&seed, 3);
    if (dice < 320)
        op_add();
    else if (dice < 420)
        op_ack();
    else if (dice < 580)
        op_sack();
    else if (dice < 720)
        op_rack();
    else if (dice < 900)
        op_retransmit();
    else if (dice < 960)
        op_split();
    else if (dice < 970)
        op_first_lost();
    else if (dice < 978)
        op_old_lost();
    else if (dice < 986)
        op_all_lost();
    else if (dice < 990)
        op_renege();
    else
        op_undo();
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
