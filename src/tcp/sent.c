/*
 * The records are contiguous in sequence space, so any of them is found by binary search. What an acknowledgement costs:
 *   sent_ack        the records that go;
 *   sent_sack       per block: the search, the newly sacked records, and one hop per sacked run (see skip_sacked);
 *   sent_mark_lost  the records between the old and the new lost_upto, so each record once in its life.
 * sent_next_lost and sent_next_rescue look at each record once per round of retransmission (rtx_upto). Only
 * sent_mark_all_lost and sent_unsack_all, once per timeout, visit every record.
 *
 * Two invariants carry this. Every record before lost_upto is sacked or lost, because RFC 6675's IsLost holds for all
 * unsacked records below one for which it holds. And unsacked lost records come before all other unsacked ones.
 */
#include "tcp/sent.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/seq.h"
#include "base/units.h"

#include "base/poison.h"

#define SENT_CAP_MIN 8u

static inline struct sent_rec *rec(const struct sent_map *sm, uint32_t i)
{
    return &sm->ring[(sm->head + i) & (sm->cap - 1)];
}

static inline uint32_t rec_len(const struct sent_rec *r)
{
    return r->end - r->start;
}

static inline bool is_sacked(const struct sent_map *sm, uint32_t i)
{
    return (rec(sm, i)->flags & SENT_SACKED) != 0;
}

static inline uint32_t end_seq(const struct sent_map *sm)
{
    return rec(sm, sm->n - 1)->end;
}

/* Index of the first record whose end is after seq; n when there is none. */
static uint32_t find_index(const struct sent_map *sm, uint32_t seq)
{
    uint32_t lo = 0, hi = sm->n;

    if (sm->n == 0 || seq_lt(seq, rec(sm, 0)->end))
        return 0;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (seq_gt(rec(sm, mid)->end, seq))
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/*
 * The first unsacked record at or after i, or n. Follows the hops of sacked records and lengthens those on the way (path
 * compression), so a long run costs one hop the next time. A hop is relative and a lower bound: removal at the head and
 * insertion by a split leave it valid.
 */
static uint32_t skip_sacked(struct sent_map *sm, uint32_t i)
{
    uint32_t end = i;

    while (end < sm->n && is_sacked(sm, end))
        end += rec(sm, end)->skip;
    while (i < end) {
        struct sent_rec *r = rec(sm, i);
        uint32_t hop = r->skip;

        r->skip = end - i;
        i += hop;
    }
    return end;
}

/* At or above lost_upto: counted in above_bytes when sacked. */
static inline bool is_above(const struct sent_map *sm, const struct sent_rec *r)
{
    return seq_geq(r->start, sm->lost_upto);
}

/* A sacked record at lost_upto leaves the part that above_bytes and above_runs describe. */
static void leave_above(struct sent_map *sm, uint32_t i)
{
    sm->above_bytes -= rec_len(rec(sm, i));
    if (i + 1 == sm->n || !is_sacked(sm, i + 1))
        sm->above_runs--;
}

void sent_clear(struct sent_map *sm, struct arena *a)
{
    arena_free(a, sm->ring, sm->cap * sizeof(*sm->ring));
    *sm = (struct sent_map){.lost_total = sm->lost_total};
}

static int grow(struct sent_map *sm, struct arena *a)
{
    uint32_t cap = sm->cap ? 2 * sm->cap : SENT_CAP_MIN;

    if (cap * sizeof(*sm->ring) > ARENA_MAX_BLOCK)
        return -ENOBUFS;
    struct sent_rec *ring = arena_alloc(a, cap * sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (uint32_t i = 0; i < sm->n; i++)
        ring[i] = *rec(sm, i);
    arena_free(a, sm->ring, sm->cap * sizeof(*sm->ring));
    sm->ring = ring;
    sm->cap = cap;
    sm->head = 0;
    return 0;
}

int sent_reserve(struct sent_map *sm, struct arena *a, uint32_t limit)
{
    if (sm->n >= limit)
        return -ENOBUFS;
    return sm->n == sm->cap ? grow(sm, a) : 0;
}

int sent_add(struct sent_map *sm, struct arena *a, uint32_t start, uint32_t end, uint64_t now_ns, uint32_t limit)
{
    Z_CHECK(seq_lt(start, end) && (sm->n == 0 || end_seq(sm) == start));
    int err = sent_reserve(sm, a, limit);
    if (err)
        return err;
    if (sm->n == 0) {
        sm->lost_upto = start;
        sm->rtx_upto = start;
    }
    *rec(sm, sm->n++) = (struct sent_rec){.start = start, .end = end, .sent_at_ns = now_ns, .tx_count = 1};
    return 0;
}

/* A record that was not sacked before was acknowledged, one way or the other. */
static void note_delivered(const struct sent_rec *r, struct sent_ack *out)
{
    if (unlikely(r->flags & SENT_RATED) && (!(out->rated.flags & SENT_RATED) || r->sent_at_ns >= out->rated.sent_at_ns))
        out->rated = *r;
    if (r->flags & SENT_RETRANS) {
        out->acked_retrans = true;
    } else if (!out->rtt_valid || r->sent_at_ns > out->rtt_sent_ns) {
        out->rtt_valid = true;
        out->rtt_sent_ns = r->sent_at_ns;
    }
}

/* The first bytes of the first record leave the sums; bytes is its whole length or less. */
static void drop_bytes(struct sent_map *sm, const struct sent_rec *r, uint32_t bytes, struct sent_ack *out)
{
    if (r->flags & SENT_SACKED) {
        sm->sacked_bytes -= bytes;
    } else {
        out->newly_acked += bytes;
        note_delivered(r, out);
    }
    if (r->flags & SENT_LOST)
        sm->lost_bytes -= bytes;
    if (r->flags & SENT_RTX_OUT)
        sm->rtx_bytes -= bytes;
}

void sent_ack(struct sent_map *sm, struct arena *a, uint32_t una, struct sent_ack *out)
{
    if (sm->n == 0 || seq_leq(una, rec(sm, 0)->start))
        return;
    while (sm->n > 0 && seq_leq(rec(sm, 0)->end, una)) {
        struct sent_rec *r = rec(sm, 0);

        if ((r->flags & SENT_SACKED) && is_above(sm, r))
            leave_above(sm, 0);
        drop_bytes(sm, r, rec_len(r), out);
        sm->head = (sm->head + 1) & (sm->cap - 1);
        sm->n--;
    }
    if (sm->n == 0) {
        sent_clear(sm, a);
        return;
    }
    struct sent_rec *r = rec(sm, 0);
    if (seq_lt(r->start, una)) {
        uint32_t bytes = una - r->start;

        if ((r->flags & SENT_SACKED) && is_above(sm, r))
            sm->above_bytes -= bytes;
        drop_bytes(sm, r, bytes, out);
        r->start = una;
    }
    sm->lost_upto = seq_max(sm->lost_upto, r->start);
    sm->rtx_upto = seq_max(sm->rtx_upto, r->start);
}

static void mark_sacked(struct sent_map *sm, uint32_t i, struct sent_ack *out)
{
    struct sent_rec *r = rec(sm, i);
    uint32_t len = rec_len(r);

    note_delivered(r, out);
    out->newly_sacked += len;
    if (r->flags & SENT_LOST)
        sm->lost_bytes -= len;
    if (r->flags & SENT_RTX_OUT)
        sm->rtx_bytes -= len;
    r->flags = (uint8_t)((r->flags & ~(SENT_LOST | SENT_RTX_OUT)) | SENT_SACKED);
    r->skip = 1;

    sm->high_sacked = sm->sacked_bytes > 0 ? seq_max(sm->high_sacked, r->end) : r->end;
    sm->sacked_bytes += len;
    if (is_above(sm, r)) {
        bool joins_below = r->start != sm->lost_upto && i > 0 && is_sacked(sm, i - 1);
        bool joins_above = i + 1 < sm->n && is_sacked(sm, i + 1);

        sm->above_bytes += len;
        sm->above_runs = sm->above_runs + 1 - joins_below - joins_above;
    }
}

void sent_sack(struct sent_map *sm, const struct tcp_sack_block *b, unsigned n, struct sent_ack *out)
{
    for (; n > 0; n--, b++) {
        if (seq_geq(b->start, b->end))
            continue;
        uint32_t i = find_index(sm, b->start);

        if (i < sm->n && seq_lt(rec(sm, i)->start, b->start))
            i++;
        for (i = skip_sacked(sm, i); i < sm->n && seq_leq(rec(sm, i)->end, b->end); i = skip_sacked(sm, i))
            mark_sacked(sm, i, out);
    }
}

static uint32_t mark_lost(struct sent_map *sm, struct sent_rec *r)
{
    if (r->flags & (SENT_SACKED | SENT_LOST))
        return 0;
    r->flags |= SENT_LOST;
    sm->lost_bytes += rec_len(r);
    sm->lost_total += rec_len(r);
    return rec_len(r);
}

uint32_t sent_mark_lost(struct sent_map *sm, uint32_t dup_thresh, uint32_t smss)
{
    uint64_t byte_thresh = (uint64_t)(dup_thresh - 1) * smss;
    uint32_t newly = 0;

    if (sm->above_bytes == 0)
        return 0;
    for (uint32_t i = find_index(sm, sm->lost_upto); i < sm->n; i++) {
        struct sent_rec *r = rec(sm, i);

        if (sm->above_runs < dup_thresh && sm->above_bytes <= byte_thresh)
            break;
        if (r->flags & SENT_SACKED)
            leave_above(sm, i);
        else
            newly += mark_lost(sm, r);
        sm->lost_upto = r->end;
    }
    return newly;
}

uint32_t sent_mark_first_lost(struct sent_map *sm)
{
    return sm->n > 0 ? mark_lost(sm, rec(sm, 0)) : 0;
}

void sent_mark_all_lost(struct sent_map *sm)
{
    if (sm->n == 0)
        return;
    for (uint32_t i = 0; i < sm->n; i++) {
        struct sent_rec *r = rec(sm, i);

        mark_lost(sm, r);
        r->flags = (uint8_t)(r->flags & ~SENT_RTX_OUT);
    }
    sm->rtx_bytes = 0;
    sm->rtx_upto = rec(sm, 0)->start;
    sm->lost_upto = end_seq(sm);
    sm->above_bytes = 0;
    sm->above_runs = 0;
}

void sent_unsack_all(struct sent_map *sm)
{
    if (sm->n == 0)
        return;
    for (uint32_t i = 0; i < sm->n; i++)
        rec(sm, i)->flags &= SENT_RETRANS | SENT_RATED | SENT_APP_LTD;
    sm->sacked_bytes = 0;
    sm->lost_bytes = 0;
    sm->rtx_bytes = 0;
    sm->rtx_upto = rec(sm, 0)->start;
    sm->lost_upto = rec(sm, 0)->start;
    sm->above_bytes = 0;
    sm->above_runs = 0;
}

/* The first record that is neither sacked nor retransmitted. */
static struct sent_rec *first_open(struct sent_map *sm)
{
    uint32_t i = find_index(sm, sm->rtx_upto);

    while (i < sm->n) {
        if (is_sacked(sm, i))
            i = skip_sacked(sm, i);
        else if (rec(sm, i)->flags & SENT_RTX_OUT)
            i++;
        else
            break;
    }
    sm->rtx_upto = i < sm->n ? rec(sm, i)->start : end_seq(sm);
    return i < sm->n ? rec(sm, i) : NULL;
}

/* If the first open record is not lost then no later one is: see the invariants at the top. */
struct sent_rec *sent_next_lost(struct sent_map *sm)
{
    if (sm->lost_bytes == 0)
        return NULL;
    struct sent_rec *r = first_open(sm);
    return r && (r->flags & SENT_LOST) ? r : NULL;
}

struct sent_rec *sent_next_rescue(struct sent_map *sm)
{
    if (sm->sacked_bytes == 0)
        return NULL;
    struct sent_rec *r = first_open(sm);
    return r && seq_lt(r->start, sm->high_sacked) ? r : NULL;
}

struct sent_rec *sent_find(struct sent_map *sm, uint32_t seq)
{
    uint32_t i = find_index(sm, seq);

    return i < sm->n ? rec(sm, i) : NULL;
}

struct sent_rec *sent_first(struct sent_map *sm)
{
    return sm->n > 0 ? rec(sm, 0) : NULL;
}

struct sent_rec *sent_last(struct sent_map *sm)
{
    return sm->n > 0 ? rec(sm, sm->n - 1) : NULL;
}

/* Makes a copy of record i behind it; the shorter side moves. */
static void duplicate(struct sent_map *sm, uint32_t i)
{
    if (i < sm->n / 2) {
        sm->head = (sm->head - 1) & (sm->cap - 1);
        for (uint32_t k = 0; k <= i; k++)
            *rec(sm, k) = *rec(sm, k + 1);
    } else {
        for (uint32_t k = sm->n; k > i; k--)
            *rec(sm, k) = *rec(sm, k - 1);
    }
    sm->n++;
}

int sent_split(struct sent_map *sm, struct arena *a, uint32_t seq, uint32_t limit)
{
    if (sm->n == 0 || seq_lt(seq, rec(sm, 0)->start) || seq_gt(seq, end_seq(sm)))
        return -EINVAL;
    uint32_t i = find_index(sm, seq);
    if (i == sm->n || rec(sm, i)->start == seq)
        return 0;
    int err = sent_reserve(sm, a, limit);
    if (err)
        return err;
    duplicate(sm, i);
    rec(sm, i)->end = seq;
    rec(sm, i + 1)->start = seq;
    return 0;
}

void sent_retransmitted(struct sent_map *sm, struct sent_rec *r, uint64_t now_ns)
{
    Z_DCHECK(!(r->flags & SENT_SACKED));
    r->sent_at_ns = now_ns;
    if (r->tx_count < UINT16_MAX)
        r->tx_count++;
    if (!(r->flags & (SENT_RTX_OUT | SENT_SACKED))) {
        r->flags |= SENT_RTX_OUT;
        sm->rtx_bytes += rec_len(r);
    }
    r->flags |= SENT_RETRANS;
}

/* What sent_check recomputes. */
struct sums {
    uint32_t sacked, lost, rtx, high_sacked, above_bytes, above_runs;
    bool below_sacked; /* the record before is sacked and at or above lost_upto */
    bool seen_not_lost;
};

static void check_rec(const struct sent_map *sm, uint32_t i, struct sums *t)
{
    const struct sent_rec *r = rec(sm, i);
    bool sacked = (r->flags & SENT_SACKED) != 0, lost = (r->flags & SENT_LOST) != 0, rtx = (r->flags & SENT_RTX_OUT) != 0;
    bool above = is_above(sm, r);

    Z_CHECK(seq_lt(r->start, r->end) && (i == 0 || rec(sm, i - 1)->end == r->start));
    Z_CHECK(!(sacked && (lost || rtx)));
    Z_CHECK(!rtx || (r->flags & SENT_RETRANS));
    Z_CHECK(((r->flags & SENT_RETRANS) != 0) == (r->tx_count > 1));
    Z_CHECK(above || seq_leq(r->end, sm->lost_upto));
    Z_CHECK(above || sacked || lost);
    Z_CHECK(!seq_lt(r->start, sm->rtx_upto) || sacked || rtx);
    Z_CHECK(!(lost && t->seen_not_lost));
    t->seen_not_lost |= !sacked && !lost;
    if (sacked) {
        Z_CHECK(r->skip >= 1 && r->skip <= sm->n - i);
        for (uint32_t k = 0; k < r->skip; k++)
            Z_CHECK(is_sacked(sm, i + k));
        t->sacked += rec_len(r);
        t->high_sacked = r->end;
        t->above_bytes += above ? rec_len(r) : 0;
        t->above_runs += above && !t->below_sacked;
    }
    t->lost += lost ? rec_len(r) : 0;
    t->rtx += rtx ? rec_len(r) : 0;
    t->below_sacked = sacked && above;
}

void sent_check(const struct sent_map *sm)
{
    struct sums t = {0};

    if (sm->n == 0) {
        Z_CHECK(!sm->ring && sm->cap == 0 && sm->sacked_bytes == 0 && sm->lost_bytes == 0 && sm->rtx_bytes == 0);
        Z_CHECK(sm->above_bytes == 0 && sm->above_runs == 0);
        return;
    }
    Z_CHECK(sm->ring && sm->n <= sm->cap && (sm->cap & (sm->cap - 1)) == 0 && sm->head < sm->cap);
    Z_CHECK(seq_leq(rec(sm, 0)->start, sm->lost_upto) && seq_leq(sm->lost_upto, end_seq(sm)));
    Z_CHECK(seq_leq(rec(sm, 0)->start, sm->rtx_upto) && seq_leq(sm->rtx_upto, end_seq(sm)));
    for (uint32_t i = 0; i < sm->n; i++)
        check_rec(sm, i, &t);
    Z_CHECK(t.sacked == sm->sacked_bytes && t.lost == sm->lost_bytes && t.rtx == sm->rtx_bytes);
    Z_CHECK(t.above_bytes == sm->above_bytes && t.above_runs == sm->above_runs);
    Z_CHECK(t.sacked == 0 || t.high_sacked == sm->high_sacked);
}
