/*
 * The records are contiguous in sequence space, so any of them is found by binary search. What an acknowledgement costs:
 *   sent_ack        the records that go;
 *   sent_sack       per block: the search, the newly sacked records, and one hop per sacked run (see skip_sacked); where a block
 *                   ends inside a frame of several segments, the shorter side of the map moves by a record;
 *   sent_mark_rack  the records that it marks, and one more.
 * The next record to retransmit is the head of a list. Only a timeout without SACK, reneging and undo visit every record.
 */
#include "tcp/sent.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "tcp/sent_priv.h"

#include "base/poison.h"

#define SENT_CAP_MIN 4u

static inline struct sent_rec *rec(const struct sent_map *sm, uint32_t i)
{
    return sent_rec_at(sm, i);
}

static inline uint32_t rec_len(const struct sent_rec *r)
{
    return sent_rec_len(r);
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
        end += rec(sm, end)->next;
    while (i < end) {
        struct sent_rec *r = rec(sm, i);
        uint32_t hop = r->next;

        r->next = (uint16_t)(end - i);
        i += hop;
    }
    return end;
}

void sent_clear(struct sent_map *sm, struct arena *a)
{
    arena_free(a, sm->ring, sm->cap * sizeof(*sm->ring));
    *sm = (struct sent_map){.lost_total = sm->lost_total};
}

void sent_trim(struct sent_map *sm, struct arena *a)
{
    if (sm->n == 0)
        sent_clear(sm, a);
}

/* A link into the old ring, for a ring that begins with the first record. */
static uint16_t moved_link(const struct sent_map *sm, uint16_t link)
{
    return link == 0 ? 0 : (uint16_t)(((link - 1u - sm->head) & (sm->cap - 1)) + 1);
}

static int grow(struct sent_map *sm, struct arena *a)
{
    uint32_t cap = sm->cap ? 2 * sm->cap : SENT_CAP_MIN;

    if (cap * sizeof(*sm->ring) > ARENA_MAX_BLOCK || cap >= UINT16_MAX)
        return -ENOBUFS;
    struct sent_rec *ring = arena_alloc_dirty(a, cap * sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    for (uint32_t i = 0; i < sm->n; i++) {
        ring[i] = *rec(sm, i);
        if ((ring[i].flags & SENT_SACKED) != 0)
            continue;
        ring[i].prev = moved_link(sm, ring[i].prev);
        ring[i].next = moved_link(sm, ring[i].next);
    }
    sm->flight = (struct sent_list){moved_link(sm, sm->flight.head), moved_link(sm, sm->flight.tail)};
    sm->lost = (struct sent_list){moved_link(sm, sm->lost.head), moved_link(sm, sm->lost.tail)};
    arena_free(a, sm->ring, sm->cap * sizeof(*sm->ring));
    sm->ring = ring;
    sm->cap = (uint16_t)cap;
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
    *rec(sm, sm->n) = (struct sent_rec){.start = start, .end = end, .sent_at_ns = now_ns, .tx_count = 1};
    sent_list_append(sm, &sm->flight, rec(sm, sm->n));
    sm->n++;
    return 0;
}

/* RFC 8985 6.2 step 2: the most recent transmission among those that arrived. */
static void note_rack(const struct sent_rec *r, struct sent_ack *out)
{
    bool later = r->sent_at_ns > out->rack_sent_ns || (r->sent_at_ns == out->rack_sent_ns && seq_gt(r->end, out->rack_end));

    if (out->rack_valid && !later)
        return;
    out->rack_valid = true;
    out->rack_sent_ns = r->sent_at_ns;
    out->rack_end = r->end;
}

/* A record that was not sacked before arrived, one way or the other. */
static void note_delivered(const struct sent_rec *r, uint64_t rtx_latest_ns, struct sent_ack *out)
{
    if (unlikely(out->rated != NULL) && (r->flags & SENT_RATED) != 0 && (out->rated->flags == 0 || r->sent_at_ns >= out->rated->sent_at_ns))
        *out->rated = *r;
    if ((r->flags & SENT_RETRANS) != 0) {
        out->acked_retrans = true;
        if (r->sent_at_ns <= rtx_latest_ns) /* otherwise an earlier transmission did, and nobody knows which */
            note_rack(r, out);
        return;
    }
    note_rack(r, out);
    if (!out->rtt_valid || r->sent_at_ns > out->rtt_sent_ns) {
        out->rtt_valid = true;
        out->rtt_sent_ns = r->sent_at_ns;
    }
    if (!out->orig_valid || seq_lt(r->end, out->orig_end)) {
        out->orig_valid = true;
        out->orig_end = r->end;
    }
    if (seq_lt(r->end, out->fack) && out->fack - r->start > out->reord_bytes)
        out->reord_bytes = out->fack - r->start;
}

static void note_acked(const struct sent_rec *r, struct sent_ack *out)
{
    note_delivered(r, MIN(out->rtx_latest_ns, out->echo_latest_ns), out);
    if ((r->flags & SENT_RETRANS) == 0)
        return;
    if (r->sent_at_ns > out->echo_latest_ns)
        out->rtx_early = true;
    else
        out->rtx_needed = true;
}

/* The first bytes of the first record leave the sums; bytes is its whole length or less. */
static void drop_bytes(struct sent_map *sm, const struct sent_rec *r, uint32_t bytes, struct sent_ack *out)
{
    if (r->flags & SENT_SACKED) {
        sm->marked_bytes -= bytes;
    } else {
        out->newly_acked += bytes;
        note_acked(r, out);
    }
    if (r->flags & SENT_LOST)
        sent_count(sm, &sm->lost_bytes, -bytes);
    if (r->flags & SENT_RTX_OUT)
        sent_count(sm, &sm->rtx_bytes, -bytes);
}

/*
 * What the cumulative acknowledgement waits for is repeated before all else: after a timeout that is all that goes (RFC 6298 5.4), and
 * without it the connection would be given up while SACKs tell of progress.
 */
static void first_goes_first(struct sent_map *sm, struct sent_rec *r)
{
    if (likely(sm->marked_bytes == 0) || sm->lost.head == 0 || sm->lost.head == sent_link_to(sm, r) ||
        (r->flags & (SENT_LOST | SENT_RTX_OUT)) != SENT_LOST)
        return;
    sent_list_remove(sm, &sm->lost, r);
    sent_list_insert(sm, &sm->lost, r, 0, sm->lost.head);
}

void sent_ack(struct sent_map *sm, struct arena *a, uint32_t una, struct sent_ack *out)
{
    if (sm->n == 0 || seq_leq(una, rec(sm, 0)->start))
        return;
    while (sm->n > 0 && seq_leq(rec(sm, 0)->end, una)) {
        struct sent_rec *r = rec(sm, 0);

        drop_bytes(sm, r, rec_len(r), out);
        if (r->flags & SENT_SACKED)
            sm->n_sacked--;
        else
            sent_list_remove(sm, sent_list_of(sm, r), r);
        sm->head = (sm->head + 1) & (sm->cap - 1);
        sm->n--;
    }
    if (sm->n == 0) {
        if (sm->cap > SENT_CAP_MIN)
            sent_clear(sm, a);
        return;
    }
    struct sent_rec *r = rec(sm, 0);
    if (seq_lt(r->start, una)) {
        struct sent_rec part = *r; /* what is behind it has not arrived */

        part.end = una;
        drop_bytes(sm, &part, una - r->start, out);
        r->start = una;
    }
    first_goes_first(sm, r);
}

static void mark_sacked(struct sent_map *sm, uint32_t i, struct sent_ack *out)
{
    struct sent_rec *r = rec(sm, i);
    uint32_t len = rec_len(r);

    note_delivered(r, out->rtx_latest_ns, out); /* a SACK of data out of order echoes an older timestamp, which says nothing */
    out->newly_sacked += len;
    sm->marked_bytes += len;
    if (r->flags & SENT_LOST)
        sent_count(sm, &sm->lost_bytes, -len);
    if (r->flags & SENT_RTX_OUT)
        sent_count(sm, &sm->rtx_bytes, -len);
    sent_list_remove(sm, sent_list_of(sm, r), r);
    r->flags = (uint8_t)((r->flags & ~(SENT_LOST | SENT_RTX_OUT)) | SENT_SACKED);
    r->next = 1;
    sm->high_sacked = sm->n_sacked > 0 ? seq_max(sm->high_sacked, r->end) : r->end;
    sm->n_sacked++;
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

/* The record came to stand at r; its neighbours learn of it. */
static void relink(struct sent_map *sm, struct sent_rec *r)
{
    if ((r->flags & SENT_SACKED) == 0)
        sent_list_insert(sm, sent_list_of(sm, r), r, r->prev, r->next);
}

/* Makes a copy of record i behind it, also on its list; the shorter side moves. */
static void duplicate(struct sent_map *sm, uint32_t i)
{
    if (i < sm->n / 2) {
        sm->head = (sm->head - 1) & (sm->cap - 1);
        for (uint32_t k = 0; k <= i; k++) {
            *rec(sm, k) = *rec(sm, k + 1);
            relink(sm, rec(sm, k));
        }
    } else {
        for (uint32_t k = sm->n; k > i; k--) {
            *rec(sm, k) = *rec(sm, k - 1);
            relink(sm, rec(sm, k));
        }
        *rec(sm, i) = *rec(sm, i + 1);
        relink(sm, rec(sm, i));
    }
    sm->n++;
    struct sent_rec *a = rec(sm, i), *b = rec(sm, i + 1);
    if ((a->flags & SENT_SACKED) == 0)
        sent_list_insert(sm, sent_list_of(sm, b), b, sent_link_to(sm, a), a->next);
    else
        sm->n_sacked++;
}

/* Inside record i; there is room for one more. */
static void split_at(struct sent_map *sm, uint32_t i, uint32_t seq)
{
    duplicate(sm, i);
    rec(sm, i)->end = seq;
    rec(sm, i + 1)->start = seq;
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
    split_at(sm, i, seq);
    return 0;
}

/*
 * The segments of record i, a frame of several, that lie in [start, end): where the first begins and the last ends. False: the
 * record is one segment, or was SACKed already, or none lies in it whole.
 */
static bool whole_segments(const struct sent_map *sm, uint32_t i, uint32_t start, uint32_t end, uint32_t *first, uint32_t *last)
{
    const struct sent_rec *r = rec(sm, i);
    uint32_t seg = r->seg_bytes;

    if (likely(sent_seg_bytes(r) == rec_len(r)) || (r->flags & SENT_SACKED) != 0)
        return false;
    *first = seq_leq(start, r->start) ? r->start : r->start + (start - r->start + seg - 1) / seg * seg;
    *last = seq_geq(end, r->end) ? r->end : r->start + (end - r->start) / seg * seg;
    return seq_lt(*first, *last);
}

/* They become a record of their own; *i is its index. False: there is no room for it. */
static bool cut_out(struct sent_map *sm, struct arena *a, uint32_t *i, uint32_t first, uint32_t last, uint32_t limit)
{
    if (rec(sm, *i)->start != first) {
        if (sent_reserve(sm, a, limit) != 0)
            return false;
        split_at(sm, *i, first);
        ++*i;
    }
    if (rec(sm, *i)->end != last) {
        if (sent_reserve(sm, a, limit) != 0)
            return false;
        split_at(sm, *i, last);
    }
    return true;
}

/* Record i begins before the block, or ends after it. Returns the index of what follows. */
static uint32_t sack_partly(struct sent_map *sm, struct arena *a, const struct tcp_sack_block *b, uint32_t i, uint32_t limit,
                            struct sent_ack *out)
{
    uint32_t first, last;

    if (whole_segments(sm, i, b->start, b->end, &first, &last) && cut_out(sm, a, &i, first, last, limit))
        mark_sacked(sm, i, out);
    return i + 1;
}

void sent_sack(struct sent_map *sm, struct arena *a, const struct tcp_sack_block *b, unsigned n, uint32_t limit, struct sent_ack *out)
{
    for (; n > 0; n--, b++) {
        if (seq_geq(b->start, b->end))
            continue;
        uint32_t i = find_index(sm, b->start);

        if (i < sm->n && seq_lt(rec(sm, i)->start, b->start))
            i = sack_partly(sm, a, b, i, limit, out);
        for (i = skip_sacked(sm, i); i < sm->n && seq_leq(rec(sm, i)->end, b->end); i = skip_sacked(sm, i))
            mark_sacked(sm, i, out);
        if (i < sm->n && seq_lt(rec(sm, i)->start, b->end))
            sack_partly(sm, a, b, i, limit, out);
    }
}

void sent_retransmitted(struct sent_map *sm, struct sent_rec *r, uint64_t now_ns)
{
    Z_DCHECK(!(r->flags & SENT_SACKED));
    sent_list_remove(sm, sent_list_of(sm, r), r);
    r->sent_at_ns = now_ns;
    if (r->tx_count < UINT8_MAX)
        r->tx_count++;
    if ((r->flags & SENT_RTX_OUT) == 0)
        sent_count(sm, &sm->rtx_bytes, rec_len(r));
    r->flags |= SENT_RTX_OUT | SENT_RETRANS;
    sent_list_append(sm, &sm->flight, r);
}

void sent_forget_rates(struct sent_map *sm)
{
    for (uint32_t i = 0; i < sm->n; i++)
        rec(sm, i)->flags &= (uint8_t) ~(SENT_RATED | SENT_APP_LTD);
}
