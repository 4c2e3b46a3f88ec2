/* The sent map's invariants, recomputed. */
#include "tcp/sent_priv.h"

#include "base/poison.h"

struct sums {
    uint32_t sacked, n_sacked, lost, rtx, high_sacked, n_flight, n_lost;
};

static void check_rec(const struct sent_map *sm, uint32_t i, struct sums *t)
{
    const struct sent_rec *r = sent_rec_at(sm, i);
    bool sacked = (r->flags & SENT_SACKED) != 0, lost = (r->flags & SENT_LOST) != 0, rtx = (r->flags & SENT_RTX_OUT) != 0;

    Z_CHECK(seq_lt(r->start, r->end) && (i == 0 || sent_rec_at(sm, i - 1)->end == r->start));
    Z_CHECK(!(sacked && (lost || rtx)));
    Z_CHECK(!rtx || (r->flags & SENT_RETRANS));
    Z_CHECK(((r->flags & SENT_RETRANS) != 0) == (r->tx_count > 1));
    if (sacked) {
        Z_CHECK(r->next >= 1 && r->next <= sm->n - i);
        for (uint32_t k = 0; k < r->next; k++)
            Z_CHECK((sent_rec_at(sm, i + k)->flags & SENT_SACKED) != 0);
        t->sacked += sent_rec_len(r);
        t->n_sacked++;
        t->high_sacked = r->end;
        return;
    }
    t->lost += lost ? sent_rec_len(r) : 0;
    t->rtx += rtx ? sent_rec_len(r) : 0;
    t->n_lost += lost && !rtx;
    t->n_flight += !lost || rtx;
}

/* Its length, and that it is linked both ways; in order of time when it is the flight. */
static uint32_t check_list(const struct sent_map *sm, const struct sent_list *l, bool lost)
{
    const struct sent_rec *prev = NULL;
    uint32_t n = 0;

    for (const struct sent_rec *r = sent_linked(sm, l->head); r != NULL; prev = r, r = sent_linked(sm, r->next)) {
        Z_CHECK(n++ < sm->n && (r->flags & SENT_SACKED) == 0);
        Z_CHECK(((r->flags & (SENT_LOST | SENT_RTX_OUT)) == SENT_LOST) == lost);
        Z_CHECK(sent_linked(sm, r->prev) == prev);
        Z_CHECK(lost || prev == NULL || prev->sent_at_ns <= r->sent_at_ns);
        Z_CHECK(r->next != 0 || l->tail == sent_link_to(sm, r));
    }
    Z_CHECK((l->head == 0) == (l->tail == 0));
    return n;
}

void sent_check(const struct sent_map *sm)
{
    struct sums t = {0};

    if (sm->n == 0) {
        Z_CHECK((sm->ring == NULL) == (sm->cap == 0) && sm->n_sacked == 0 && sm->marked_bytes == 0 && sm->lost_bytes == 0 &&
                sm->rtx_bytes == 0);
        Z_CHECK(sm->flight.head == 0 && sm->lost.head == 0);
        return;
    }
    Z_CHECK(sm->ring && sm->n <= sm->cap && (sm->cap & (sm->cap - 1)) == 0 && sm->head < sm->cap);
    for (uint32_t i = 0; i < sm->n; i++)
        check_rec(sm, i, &t);
    Z_CHECK(t.sacked + t.lost + t.rtx == sm->marked_bytes && t.n_sacked == sm->n_sacked && t.lost == sm->lost_bytes &&
            t.rtx == sm->rtx_bytes);
    Z_CHECK(t.sacked == 0 || t.high_sacked == sm->high_sacked);
    Z_CHECK(check_list(sm, &sm->flight, false) == t.n_flight);
    Z_CHECK(check_list(sm, &sm->lost, true) == t.n_lost);
    Z_CHECK((sent_rec_at(sm, 0)->flags & (SENT_LOST | SENT_RTX_OUT)) != SENT_LOST || sm->lost.head == sent_link_to(sm, sent_rec_at(sm, 0)));
}
