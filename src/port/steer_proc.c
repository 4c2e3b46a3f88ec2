/* Processes that share devices: who is there, whom the others have buried, and what each counts. */
#include <rte_memzone.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "port/steer.h"
#include "port/steer_priv.h"

void steer_open(struct steer *g)
{
    __atomic_store_n(&g->open, 1, __ATOMIC_RELEASE);
}

struct steer *steer_find(const char *name)
{
    const struct rte_memzone *zone = rte_memzone_lookup(name);
    struct steer *g = zone != NULL ? zone->addr : NULL;

    return g != NULL && __atomic_load_n(&g->open, __ATOMIC_ACQUIRE) != 0 ? g : NULL;
}

/* What was said to the one before is not for us. */
static void take_messages(struct steer *g, unsigned member)
{
    struct steer_msg msg;

    while (steer_hear(g, member, &msg))
        ;
    for (unsigned to = 0; to < g->n; to++)
        steer_mend_queue(g->told[to][member]);
}

uint32_t steer_seat_take(struct steer *g, unsigned member, bool *died)
{
    struct steer_seat *seat = &g->seat[member];

    *died = steer_seat_bury(g, member);
    seat->generation += seat->unclean;
    seat->unclean = 1;
    take_messages(g, member);
    __atomic_store_n(&seat->taken, 1, __ATOMIC_RELEASE);
    return seat->generation;
}

void steer_seat_leave(struct steer *g, unsigned member)
{
    struct steer_seat *seat = &g->seat[member];

    steer_retire(g, member);
    seat->unclean = 0;
    __atomic_store_n(&seat->taken, 0, __ATOMIC_RELEASE);
}

bool steer_seat_is_taken(const struct steer *g, unsigned member)
{
    return __atomic_load_n(&g->seat[member].taken, __ATOMIC_ACQUIRE) != 0;
}

bool steer_seat_bury(struct steer *g, unsigned member)
{
    if (!steer_seat_is_taken(g, member))
        return false;
    steer_retire(g, member);
    __atomic_store_n(&g->seat[member].taken, 0, __ATOMIC_RELEASE);
    return true;
}

void steer_show_counters(struct steer *g, unsigned member, const struct counters *ctr)
{
    for (unsigned i = 0; i < CTR_COUNT; i++)
        __atomic_store_n(&g->seat[member].ctr.v[i], ctr->v[i], __ATOMIC_RELAXED);
}

const struct counters *steer_counters_of(const struct steer *g, unsigned member)
{
    return &g->seat[member].ctr;
}
