/* What the files of the sent map share. */
#ifndef TCP_SENT_PRIV_H
#define TCP_SENT_PRIV_H

#include "base/check.h"
#include "base/seq.h"
#include "tcp/sent.h"

/* Changes lost_bytes or rtx_bytes, and what both are part of. */
static inline void sent_count(struct sent_map *sm, uint32_t *sum, uint32_t bytes)
{
    *sum += bytes;
    sm->marked_bytes += bytes;
}

/* Record i in sequence order. */
static inline struct sent_rec *sent_rec_at(const struct sent_map *sm, uint32_t i)
{
    return &sm->ring[(sm->head + i) & (sm->cap - 1)];
}

static inline uint32_t sent_rec_len(const struct sent_rec *r)
{
    return r->end - r->start;
}

/* The record that a link leads to; NULL: none. */
static inline struct sent_rec *sent_linked(const struct sent_map *sm, uint16_t link)
{
    return link != 0 ? &sm->ring[link - 1] : NULL;
}

static inline uint16_t sent_link_to(const struct sent_map *sm, const struct sent_rec *r)
{
    return (uint16_t)(r - sm->ring + 1);
}

/* The list that the record is on; not of a sacked one. */
static inline struct sent_list *sent_list_of(struct sent_map *sm, const struct sent_rec *r)
{
    return (r->flags & (SENT_LOST | SENT_RTX_OUT)) == SENT_LOST ? &sm->lost : &sm->flight;
}

static inline void sent_list_insert(struct sent_map *sm, struct sent_list *l, struct sent_rec *r, uint16_t prev, uint16_t next)
{
    uint16_t link = sent_link_to(sm, r);

    r->prev = prev;
    r->next = next;
    if (prev != 0)
        sent_linked(sm, prev)->next = link;
    else
        l->head = link;
    if (next != 0)
        sent_linked(sm, next)->prev = link;
    else
        l->tail = link;
}

static inline void sent_list_append(struct sent_map *sm, struct sent_list *l, struct sent_rec *r)
{
    sent_list_insert(sm, l, r, l->tail, 0);
}

static inline void sent_list_remove(struct sent_map *sm, struct sent_list *l, struct sent_rec *r)
{
    if (r->prev != 0)
        sent_linked(sm, r->prev)->next = r->next;
    else
        l->head = r->next;
    if (r->next != 0)
        sent_linked(sm, r->next)->prev = r->prev;
    else
        l->tail = r->prev;
}

#endif
