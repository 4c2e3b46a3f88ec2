/*
 * The smallest, or the largest, of the values seen lately: a window in two halves, the one under way and the one before. What is
 * remembered is never older than the window, and what is younger than half of it is never forgotten. Time is 32 bits of any unit and
 * may wrap; without values it stands still: the last ones stay until another one comes.
 */
#ifndef BASE_RECENT_H
#define BASE_RECENT_H

#include <stdint.h>

#include "base/units.h"

#define RECENT_NONE UINT32_MAX

struct recent {
    uint32_t best[2]; /* of the half under way, and of the one before; of a maximum the complements */
    uint32_t since;   /* the half under way began */
};

static inline void recent_init(struct recent *r)
{
    r->best[0] = r->best[1] = RECENT_NONE;
    r->since = 0;
}

static inline void recent_roll(struct recent *r, uint32_t now, uint32_t window)
{
    uint32_t half = MAX(window / 2, 1u), age = now - r->since;

    if (likely(age < half))
        return;
    r->best[1] = age < 2 * half ? r->best[0] : RECENT_NONE;
    r->best[0] = RECENT_NONE;
    r->since = age < 2 * half ? r->since + half : now;
}

static inline void recent_min_add(struct recent *r, uint32_t v, uint32_t now, uint32_t window)
{
    recent_roll(r, now, window);
    r->best[0] = MIN(r->best[0], v);
}

/* RECENT_NONE: nothing was seen. */
static inline uint32_t recent_min(const struct recent *r)
{
    return MIN(r->best[0], r->best[1]);
}

static inline void recent_max_add(struct recent *r, uint32_t v, uint32_t now, uint32_t window)
{
    recent_min_add(r, ~v, now, window);
}

/* 0: nothing was seen. */
static inline uint32_t recent_max(const struct recent *r)
{
    return ~recent_min(r);
}

#endif
