/*
 * Out-of-order data: contiguous runs ("blocks") of bytes beyond rcv_nxt, sorted, each with its mbufs. Overlaps are
 * trimmed off the new data: what arrived first stays. The blocks are what SACK reports. Absent while empty.
 *
 * Chains are linked by m->next only, every segment with its own data_off/data_len: nb_segs and pkt_len of a chain that
 * goes in or comes out mean nothing.
 */
#ifndef BUF_REASS_H
#define BUF_REASS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/arena.h"

struct reass_block {
    uint32_t start, end;
    uint32_t charged_bytes;
    uint32_t stamp; /* larger = touched more recently */
    struct rte_mbuf *head, *tail;
};

struct reass_tab {
    uint16_t n, cap;
    uint32_t stamp;
    uint32_t bytes, charged_bytes;
    struct reass_block blk[]; /* sorted by start */
};

struct reass {
    struct reass_tab *tab; /* NULL while there is no block */
};

static inline unsigned reass_blocks(const struct reass *r)
{
    return r->tab != NULL ? r->tab->n : 0;
}

static inline uint32_t reass_bytes(const struct reass *r)
{
    return r->tab != NULL ? r->tab->bytes : 0;
}

/* Memory of what is in it. */
static inline uint32_t reass_charged_bytes(const struct reass *r)
{
    return r->tab != NULL ? r->tab->charged_bytes : 0;
}

enum reass_result {
    REASS_QUEUED,    /* some of it was new */
    REASS_DUPLICATE, /* all of it was here already; freed */
    REASS_FULL,      /* too many blocks, or no memory; freed */
};

/*
 * [seq, seq + payload of m) lies beyond rcv_nxt. limit: blocks at most. *dup_* get the first contiguous duplicate part
 * (D-SACK, RFC 2883 section 4), equal when none.
 */
enum reass_result reass_insert(struct reass *r, struct arena *a, uint32_t seq, struct rte_mbuf *m /* consumed */, uint16_t limit,
                               uint32_t *dup_start, uint32_t *dup_end);

/*
 * Takes the block that starts at or before seq, cut to begin at seq, as a chain for rcvq_append; *end gets its end.
 * NULL when there is none. Blocks wholly before seq are freed on the way.
 */
struct rte_mbuf *reass_take(struct reass *r, struct arena *a, uint32_t seq, uint32_t *end);

/* Up to max blocks in the order RFC 2018 section 4 wants: the most recently touched first. Returns how many. */
struct tcp_sack_block;
unsigned reass_sack(const struct reass *r, struct tcp_sack_block *out, unsigned max);

/* Drops the block furthest from rcv_nxt; returns the memory given back (0 when empty). */
uint32_t reass_prune(struct reass *r, struct arena *a);

void reass_clear(struct reass *r, struct arena *a);

#endif
