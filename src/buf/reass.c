#include "buf/reass.h"

#include <string.h>

#include "base/check.h"
#include "base/seq.h"
#include "buf/seg.h"
#include "wire/tcp_hdr.h"

#include "base/poison.h"

#define CAP_MIN 2u
#define CAP_MAX ((ARENA_MAX_BLOCK - (uint32_t)sizeof(struct reass_tab)) / (uint32_t)sizeof(struct reass_block))

_Static_assert(CAP_MAX <= UINT16_MAX, "n and cap have 16 bits");

/* Index of the first block that ends after seq; n when there is none. */
static unsigned find_block(const struct reass *r, uint32_t seq)
{
    unsigned low = 0, high = reass_blocks(r);

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (seq_leq(r->tab->blk[mid].end, seq))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t tab_bytes(uint32_t cap)
{
    return sizeof(struct reass_tab) + cap * sizeof(struct reass_block);
}

static void tab_free(struct reass *r, struct arena *a)
{
    if (r->tab != NULL)
        arena_free(a, r->tab, tab_bytes(r->tab->cap));
    r->tab = NULL;
}

/* Room for one more block? */
static bool tab_grow(struct reass *r, struct arena *a)
{
    uint32_t cap = r->tab != NULL ? r->tab->cap * 2u : CAP_MIN;
    struct reass_tab *t;

    if (r->tab != NULL && r->tab->n < r->tab->cap)
        return true;
    if (cap > CAP_MAX)
        return false;
    t = arena_alloc(a, tab_bytes(cap));
    if (t == NULL)
        return false;
    if (r->tab != NULL)
        memcpy(t, r->tab, tab_bytes(r->tab->n));
    t->cap = (uint16_t)cap;
    tab_free(r, a);
    r->tab = t;
    return true;
}

/* Takes the entries [from, to) out of the table; their segments are the caller's. */
static void tab_cut(struct reass_tab *t, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        t->bytes -= t->blk[i].end - t->blk[i].start;
        t->charged_bytes -= t->blk[i].charged_bytes;
    }
    memmove(&t->blk[from], &t->blk[to], (t->n - to) * sizeof(t->blk[0]));
    t->n = (uint16_t)(t->n - (to - from));
}

static void drop_blocks(struct reass *r, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        seg_free_chain(r->tab->blk[i].head);
    if (from < to)
        tab_cut(r->tab, from, to);
}

/* RFC 2883 section 4: only the first contiguous duplicate part of what arrived is reported. */
static void note_dup(uint32_t start, uint32_t end, uint32_t *dup_start, uint32_t *dup_end)
{
    if (*dup_start == *dup_end) {
        *dup_start = start;
        *dup_end = end;
    } else if (*dup_end == start) {
        *dup_end = end;
    }
}

/* Are the bytes of the block those that the segment, which begins at seq and covers it, has in the same place? */
static bool same_bytes(struct rte_mbuf *seg, uint32_t seq, const struct reass_block *b)
{
    const uint8_t *p = pkt_data(seg) + (b->start - seq);

    for (struct rte_mbuf *m = b->head; m != NULL; m = m->next) {
        if (memcmp(p, pkt_data(m), m->data_len) != 0)
            return false;
        p += m->data_len;
    }
    return true;
}

/* Links [seq, end) in, which overlaps nothing: to the neighbours that it touches, or as block i. Room was seen to. */
static void link_seg(struct reass_tab *t, unsigned i, uint32_t seq, uint32_t end, struct rte_mbuf *seg)
{
    struct reass_block *b = &t->blk[i];
    bool joins_prev = i > 0 && b[-1].end == seq;
    bool joins_next = i < t->n && b->start == end;
    uint32_t charge = pkt_truesize(seg);

    if (joins_prev) {
        b--;
        b->tail->next = seg;
        b->tail = seg;
        b->end = end;
    } else if (joins_next) {
        seg->next = b->head;
        b->head = seg;
        b->start = seq;
    } else {
        memmove(b + 1, b, (t->n - i) * sizeof(*b));
        *b = (struct reass_block){.start = seq, .end = end, .head = seg, .tail = seg};
        t->n++;
    }
    b->charged_bytes += charge;
    b->stamp = ++t->stamp;
    t->bytes += end - seq;
    t->charged_bytes += charge;
    if (joins_prev && joins_next) {
        const struct reass_block next = b[1];

        b->tail->next = next.head;
        b->tail = next.tail;
        b->end = next.end;
        b->charged_bytes += next.charged_bytes;
        tab_cut(t, i, i + 1);
        t->bytes += next.end - next.start;
        t->charged_bytes += next.charged_bytes;
    }
}

/*
 * One segment. What is here already stays: an overlap at the front or at the end is trimmed off the segment. A block
 * that lies wholly inside it cannot be trimmed off, as one mbuf cannot be in two places: when its bytes are the same
 * the segment replaces it, and when they are not (no honest peer) the segment ends in front of it.
 */
static enum reass_result insert_seg(struct reass *r, struct arena *a, uint32_t seq, struct rte_mbuf *seg, uint16_t limit,
                                    uint32_t *dup_start, uint32_t *dup_end)
{
    uint32_t end = seq + seg->data_len;
    unsigned i = find_block(r, seq), inside, n = reass_blocks(r);
    struct reass_block *blk = n > 0 ? r->tab->blk : NULL;
    bool touches;

    if (i < n && seq_leq(blk[i].start, seq)) {
        uint32_t have = seq_min(blk[i].end, end);

        blk[i].stamp = ++r->tab->stamp;
        note_dup(seq, have, dup_start, dup_end);
        if (have == end) {
            pkt_unref(seg);
            return REASS_DUPLICATE;
        }
        seg_cut_front(seg, have - seq);
        seq = have;
        i++;
    }
    for (inside = i; inside < n && seq_lt(blk[inside].start, end); inside++) {
        const struct reass_block *b = &blk[inside];

        note_dup(b->start, seq_min(b->end, end), dup_start, dup_end);
        if (seq_leq(end, b->end) || !same_bytes(seg, seq, b)) {
            end = b->start;
            break;
        }
    }
    seg->data_len = (uint16_t)(end - seq);
    seg->pkt_len = seg->data_len;
    touches = (i > 0 && blk[i - 1].end == seq) || (inside < n && blk[inside].start == end);
    if (!touches && inside == i && (n >= limit || !tab_grow(r, a))) {
        pkt_unref(seg);
        return REASS_FULL;
    }
    drop_blocks(r, i, inside);
    link_seg(r->tab, i, seq, end, seg);
    return REASS_QUEUED;
}

enum reass_result reass_insert(struct reass *r, struct arena *a, uint32_t seq, struct rte_mbuf *m, uint16_t limit, uint32_t *dup_start,
                               uint32_t *dup_end)
{
    bool queued = false, full = false;

    *dup_start = seq;
    *dup_end = seq;
    while (m != NULL) {
        struct rte_mbuf *next = m->next;
        uint32_t len = m->data_len;

        seg_unlink(m);
        if (len == 0) {
            pkt_unref(m);
        } else {
            enum reass_result one = insert_seg(r, a, seq, m, limit, dup_start, dup_end);

            queued |= one == REASS_QUEUED;
            full |= one == REASS_FULL;
        }
        seq += len;
        m = next;
    }
    if (queued)
        return REASS_QUEUED;
    return full ? REASS_FULL : REASS_DUPLICATE;
}

struct rte_mbuf *reass_take(struct reass *r, struct arena *a, uint32_t seq, uint32_t *end)
{
    struct rte_mbuf *m = NULL;

    *end = seq;
    drop_blocks(r, 0, find_block(r, seq));
    if (reass_blocks(r) > 0 && seq_leq(r->tab->blk[0].start, seq)) {
        uint32_t before = seq - r->tab->blk[0].start;

        m = r->tab->blk[0].head;
        *end = r->tab->blk[0].end;
        tab_cut(r->tab, 0, 1);
        while (before >= m->data_len) {
            struct rte_mbuf *next = m->next;

            before -= m->data_len;
            seg_free(m);
            m = next;
        }
        seg_cut_front(m, before);
    }
    if (reass_blocks(r) == 0)
        tab_free(r, a);
    return m;
}

unsigned reass_sack(const struct reass *r, struct tcp_sack_block *out, unsigned max)
{
    uint32_t below = UINT32_MAX; /* stamp of the block reported last */
    unsigned n;

    for (n = 0; n < max && n < reass_blocks(r); n++) {
        const struct reass_block *newest = NULL;

        for (unsigned i = 0; i < r->tab->n; i++) {
            const struct reass_block *b = &r->tab->blk[i];

            if (b->stamp < below && (newest == NULL || b->stamp > newest->stamp))
                newest = b;
        }
        if (newest == NULL)
            break;
        out[n].start = newest->start;
        out[n].end = newest->end;
        below = newest->stamp;
    }
    return n;
}

uint32_t reass_prune(struct reass *r, struct arena *a)
{
    uint32_t before = reass_charged_bytes(r);

    if (before == 0)
        return 0;
    drop_blocks(r, r->tab->n - 1u, r->tab->n);
    before -= r->tab->charged_bytes;
    if (r->tab->n == 0)
        tab_free(r, a);
    return before;
}

void reass_clear(struct reass *r, struct arena *a)
{
    drop_blocks(r, 0, reass_blocks(r));
    tab_free(r, a);
}
