/*
 * What is deemed lost. Any record may be: RFC 8985 judges by the time of the last transmission, so retransmissions can be lost
 * again. Each mark takes constant time: the records to judge are at the head of the list in order of transmission, and those that
 * were judged leave it.
 */
#include "tcp/sent_priv.h"

#include "base/poison.h"

/* Below all that wait to be repeated: it goes first, since the receiver waits for it. Otherwise the longest known loss goes first. */
static void wait_for_repeat(struct sent_map *sm, struct sent_rec *r)
{
    const struct sent_rec *first = sent_linked(sm, sm->lost.head);

    if (first != NULL && seq_lt(r->start, first->start))
        sent_list_insert(sm, &sm->lost, r, 0, sm->lost.head);
    else
        sent_list_append(sm, &sm->lost, r);
}

/* A record in flight, or the retransmission of a lost one. */
static uint32_t lose(struct sent_map *sm, struct sent_rec *r)
{
    uint32_t len = sent_rec_len(r);

    sent_list_remove(sm, &sm->flight, r);
    if ((r->flags & SENT_RTX_OUT) != 0)
        sent_count(sm, &sm->rtx_bytes, -len);
    if ((r->flags & SENT_LOST) == 0)
        sent_count(sm, &sm->lost_bytes, len);
    sm->lost_total += len;
    r->flags = (uint8_t)((r->flags & ~SENT_RTX_OUT) | SENT_LOST);
    wait_for_repeat(sm, r);
    return len;
}

/*
 * RFC 8985 6.2, RACK_sent_after: of what was sent in the same instant the higher sequence number went later; a retransmission
 * may have gone after all of it.
 */
static bool sent_before(const struct sent_rec *r, uint64_t xmit_ns, uint32_t end_seq)
{
    return r->sent_at_ns < xmit_ns || (r->sent_at_ns == xmit_ns && (r->flags & SENT_RETRANS) == 0 && seq_lt(r->end, end_seq));
}

uint32_t sent_mark_rack(struct sent_map *sm, uint64_t xmit_ns, uint32_t end_seq, uint64_t age_ns, uint64_t now_ns, uint64_t *wait_ns)
{
    struct sent_rec *r;
    uint32_t newly = 0;

    *wait_ns = 0;
    while ((r = sent_linked(sm, sm->flight.head)) != NULL && sent_before(r, xmit_ns, end_seq)) {
        if (r->sent_at_ns + age_ns > now_ns) {
            *wait_ns = r->sent_at_ns + age_ns - now_ns;
            break;
        }
        newly += lose(sm, r);
    }
    return newly;
}

uint32_t sent_mark_first_lost(struct sent_map *sm)
{
    struct sent_rec *r = sent_first(sm);

    if (r == NULL || (r->flags & (SENT_SACKED | SENT_LOST)) != 0)
        return 0;
    return lose(sm, r);
}

uint32_t sent_mark_old_lost(struct sent_map *sm, uint64_t age_ns, uint64_t now_ns)
{
    struct sent_rec *r = sent_first(sm);
    uint32_t newly = 0;

    if (r != NULL && (r->flags & SENT_SACKED) == 0 && sent_list_of(sm, r) == &sm->flight)
        newly += lose(sm, r);
    while ((r = sent_linked(sm, sm->flight.head)) != NULL && r->sent_at_ns + age_ns <= now_ns)
        newly += lose(sm, r);
    return newly;
}

/* Everything that is not sacked, in sequence order, is the list of what is to be repeated. */
static void lose_in_order(struct sent_map *sm)
{
    sm->flight = sm->lost = (struct sent_list){0};
    sent_count(sm, &sm->rtx_bytes, -sm->rtx_bytes);
    sent_count(sm, &sm->lost_bytes, -sm->lost_bytes);
    for (uint32_t i = 0; i < sm->n; i++) {
        struct sent_rec *r = sent_rec_at(sm, i);

        if ((r->flags & SENT_SACKED) != 0)
            continue;
        if ((r->flags & (SENT_LOST | SENT_RTX_OUT)) != SENT_LOST)
            sm->lost_total += sent_rec_len(r);
        r->flags = (uint8_t)((r->flags & ~SENT_RTX_OUT) | SENT_LOST);
        sent_count(sm, &sm->lost_bytes, sent_rec_len(r));
        sent_list_append(sm, &sm->lost, r);
    }
}

void sent_mark_all_lost(struct sent_map *sm)
{
    if (sm->n > 0)
        lose_in_order(sm);
}

void sent_renege(struct sent_map *sm)
{
    if (sm->n == 0)
        return;
    for (uint32_t i = 0; i < sm->n; i++)
        sent_rec_at(sm, i)->flags &= (uint8_t)~SENT_SACKED;
    sm->marked_bytes = sm->lost_bytes + sm->rtx_bytes; /* nothing is SACKed */
    sm->n_sacked = 0;
    lose_in_order(sm);
}

/* It was not lost. */
static void found(struct sent_map *sm, struct sent_rec *r)
{
    r->flags &= (uint8_t)~SENT_LOST;
    sent_count(sm, &sm->lost_bytes, -sent_rec_len(r));
}

/*
 * Of the lost, those that were sent once are in order of transmission when taken in order of sequence: one merge with the list of
 * those in flight. A retransmission that was lost in its turn stays lost.
 */
void sent_undo_lost(struct sent_map *sm)
{
    uint16_t at = sm->flight.head;

    if (sm->n == 0)
        return;
    for (uint32_t i = 0; i < sm->n && sm->lost.head != 0; i++) {
        struct sent_rec *r = sent_rec_at(sm, i), *next;

        if ((r->flags & (SENT_LOST | SENT_RETRANS)) != SENT_LOST)
            continue;
        sent_list_remove(sm, &sm->lost, r);
        found(sm, r);
        while ((next = sent_linked(sm, at)) != NULL && sent_before(next, r->sent_at_ns, r->end))
            at = next->next;
        sent_list_insert(sm, &sm->flight, r, next != NULL ? next->prev : sm->flight.tail, at);
    }
    for (uint32_t i = 0; i < sm->n && sm->lost_bytes > 0; i++) { /* the original has arrived or will: both copies count as in flight */
        struct sent_rec *r = sent_rec_at(sm, i);

        if ((r->flags & (SENT_LOST | SENT_RTX_OUT)) != (SENT_LOST | SENT_RTX_OUT))
            continue;
        found(sm, r);
    }
}

struct sent_rec *sent_next_lost(struct sent_map *sm)
{
    return likely(sm->marked_bytes == 0) ? NULL : sent_linked(sm, sm->lost.head);
}
