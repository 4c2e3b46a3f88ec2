#include "base/wheel.h"

#include <stddef.h>
#include <string.h>

#include "base/units.h"

#include "base/poison.h"

/*
 * The tick of a deadline is a number of WHEEL_LEVELS digits of 6 bits. A node hangs at the level of the highest digit in
 * which its tick differs from now_tick, in the slot of that digit. So a level holds only digits above the current one,
 * a whole lower level expires before the next higher one, and an advance that changes digit k empties all levels below k,
 * the slots passed at level k, and files the slot that it lands on anew.
 */
#define DIGIT_BITS 6
#define TICK_MAX ((1ull << (DIGIT_BITS * WHEEL_LEVELS)) - 1)
#define TICK_REST ((1ull << WHEEL_TICK_SHIFT) - 1)
#define ON_DUE_LIST WHEEL_LEVELS /* as the level of a node */

_Static_assert(WHEEL_SLOTS == 1 << DIGIT_BITS, "a slot per value of a digit");
_Static_assert(DIGIT_BITS *WHEEL_LEVELS + WHEEL_TICK_SHIFT == 64, "every time has a slot");

static void list_init(struct wheel_node *head)
{
    head->next = head;
    head->prev = head;
}

static bool list_empty(const struct wheel_node *head)
{
    return head->next == head;
}

static void list_add(struct wheel_node *head, struct wheel_node *n)
{
    n->next = head;
    n->prev = head->prev;
    head->prev->next = n;
    head->prev = n;
}

static void list_del(struct wheel_node *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = NULL;
    n->prev = NULL;
}

/* Rounded up, so that a node never fires early. */
static uint64_t tick_of(uint64_t deadline_ns)
{
    uint64_t tick = (deadline_ns >> WHEEL_TICK_SHIFT) + ((deadline_ns & TICK_REST) != 0);

    return MIN(tick, TICK_MAX);
}

static unsigned level_of(uint64_t differing_bits)
{
    return (63u - (unsigned)__builtin_clzll(differing_bits)) / DIGIT_BITS;
}

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * DIGIT_BITS)) & (WHEEL_SLOTS - 1);
}

/* tick > now_tick */
static void place(struct wheel *w, struct wheel_node *n, uint64_t tick)
{
    unsigned level = level_of(tick ^ w->now_tick);
    unsigned slot = digit_of(tick, level);

    n->level = (uint8_t)level;
    n->slot = (uint8_t)slot;
    w->occupied[level] |= 1ull << slot;
    list_add(&w->slot[level][slot], n);
}

/* The nodes of these slots, relative to a new now_tick: due, or to a lower level. */
static void refile(struct wheel *w, unsigned level, uint64_t slots)
{
    w->occupied[level] &= ~slots;
    for (; slots != 0; slots &= slots - 1) {
        struct wheel_node *head = &w->slot[level][__builtin_ctzll(slots)];

        while (!list_empty(head)) {
            struct wheel_node *n = head->next;
            uint64_t tick = tick_of(n->deadline_ns);

            list_del(n);
            if (tick > w->now_tick) {
                place(w, n, tick);
            } else {
                n->level = ON_DUE_LIST;
                list_add(&w->due, n);
            }
        }
    }
}

/* tick > now_tick */
static void advance(struct wheel *w, uint64_t tick)
{
    unsigned top = level_of(tick ^ w->now_tick);

    w->now_tick = tick;
    for (unsigned level = 0; level < top; level++)
        refile(w, level, w->occupied[level]);
    refile(w, top, w->occupied[top] & ((2ull << digit_of(tick, top)) - 1));
}

void wheel_init(struct wheel *w, uint64_t now_ns)
{
    memset(w, 0, sizeof(*w));
    w->now_tick = MIN(now_ns >> WHEEL_TICK_SHIFT, TICK_MAX - 1);
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&w->slot[level][slot]);
    list_init(&w->due);
}

void wheel_arm(struct wheel *w, struct wheel_node *n, uint64_t deadline_ns)
{
    uint64_t tick = tick_of(deadline_ns);

    wheel_cancel(w, n);
    if (deadline_ns == NS_NEVER)
        return;
    n->deadline_ns = deadline_ns;
    place(w, n, MAX(tick, w->now_tick + 1));
    w->armed++;
}

void wheel_cancel(struct wheel *w, struct wheel_node *n)
{
    if (!wheel_is_armed(n))
        return;
    list_del(n);
    w->armed--;
    if (n->level != ON_DUE_LIST && list_empty(&w->slot[n->level][n->slot]))
        w->occupied[n->level] &= ~(1ull << n->slot);
}

struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ns)
{
    /* The last tick of the clock is never reached: there is always a next one to arm at. */
    uint64_t tick = MIN(now_ns >> WHEEL_TICK_SHIFT, TICK_MAX - 1);
    struct wheel_node *n;

    if (tick > w->now_tick)
        advance(w, tick);
    if (list_empty(&w->due))
        return NULL;
    n = w->due.next;
    list_del(n);
    w->armed--;
    return n;
}

uint64_t wheel_next_ns(const struct wheel *w)
{
    if (!list_empty(&w->due))
        return w->now_tick << WHEEL_TICK_SHIFT;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (w->occupied[level] != 0) {
            unsigned shift = level * DIGIT_BITS;
            uint64_t above = w->now_tick >> shift >> DIGIT_BITS << DIGIT_BITS;
            uint64_t tick = (above | (uint64_t)__builtin_ctzll(w->occupied[level])) << shift;

            return tick << WHEEL_TICK_SHIFT;
        }
    }
    return NS_NEVER;
}
