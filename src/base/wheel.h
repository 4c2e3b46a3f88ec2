/*
 * Hierarchical timing wheel: O(1) arm and cancel, 8 levels of 64 slots, one tick = 2^WHEEL_TICK_SHIFT ns.
 * A node never fires before its deadline and at most one tick after it when the wheel is advanced often enough.
 * Works across any jump of the clock, also of years, without a loop over empty ticks.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_SHIFT 16 /* 65.5 us */
#define WHEEL_LEVELS 8
#define WHEEL_SLOTS 64

struct wheel_node {
    struct wheel_node *next, *prev; /* NULL when not armed */
    uint64_t deadline_ns;
    uint8_t level, slot;
    uint8_t kind; /* of the owner: which struct the node is part of */
};

struct wheel {
    uint64_t now_tick;
    uint64_t occupied[WHEEL_LEVELS]; /* bit per slot */
    struct wheel_node slot[WHEEL_LEVELS][WHEEL_SLOTS]; /* list heads */
    struct wheel_node due; /* list head: expired, not yet taken */
    uint32_t armed;
};

void wheel_init(struct wheel *w, uint64_t now_ns);

/* Arms or re-arms. A deadline in the past fires at the next tick. NS_NEVER disarms. */
void wheel_arm(struct wheel *w, struct wheel_node *n, uint64_t deadline_ns);

/* No effect on a node that is not armed (an all-zero node is not armed). */
void wheel_cancel(struct wheel *w, struct wheel_node *n);

static inline bool wheel_is_armed(const struct wheel_node *n)
{
    return n->next != 0;
}

/*
 * Moves the wheel to now and returns one expired node (disarmed), or NULL when none is left:
 *     while ((n = wheel_expire(w, now))) ...
 * Nodes armed in the past by the loop body are returned by a later call of the same loop only if armed before `now`'s
 * tick was passed; a body that re-arms its own node at or before now must not loop for ever: such a node fires at the
 * next tick.
 */
struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ns);

/* May wheel_expire have anything to do? Without, it need not be called. */
static inline bool wheel_turns(const struct wheel *w, uint64_t now_ns)
{
    return now_ns >> WHEEL_TICK_SHIFT > w->now_tick || w->due.next != &w->due;
}

/* A time not later than the next expiry (exact to a tick when it is within the first level), NS_NEVER when empty. */
uint64_t wheel_next_ns(const struct wheel *w);

#endif
