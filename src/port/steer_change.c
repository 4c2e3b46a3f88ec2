/*
 * Stacks come and go. What the table says of a living stack's own entries is that they are its own; the entries of those who are not there
 * are spread over the others, so that the table follows from who lives, whatever happened before.
 */
#include <rte_ring.h>

#include "base/check.h"
#include "base/units.h"
#include "port/steer.h"
#include "port/steer_priv.h"

/* A process that does not run its loop has no part in the agreement: its flows are in trouble anyway. */
#define AGREE_NS NS_PER_SEC

static unsigned nth_of(uint64_t set, unsigned n)
{
    for (n %= (unsigned)__builtin_popcountll(set); n > 0; n--)
        set &= set - 1;
    return (unsigned)__builtin_ctzll(set);
}

static void spread(struct steer *g, uint8_t table[STEER_RETA], uint64_t members)
{
    unsigned orphans = 0;

    for (unsigned i = 0; i < STEER_RETA; i++) {
        unsigned own = i % g->n;

        __atomic_store_n(&table[i], (uint8_t)((members >> own & 1) != 0 ? own : nth_of(members, orphans++)), __ATOMIC_RELAXED);
    }
}

static void stop_listening(struct steer *g, unsigned member)
{
    for (unsigned proto = 0; proto < STEER_PROTOS; proto++)
        for (unsigned port = 0; port <= UINT16_MAX; port++)
            if ((g->listens[proto][port] >> member & 1) != 0)
                steer_listen(g, member, (enum steer_proto)proto, (uint16_t)port, false);
}

static void announce(struct steer *g, uint64_t members)
{
    spread(g, g->next, members);
    g->change.members = members;
    __atomic_add_fetch(&g->change.number, 1, __ATOMIC_RELEASE);
}

static void make_valid(struct steer *g)
{
    for (unsigned i = 0; i < STEER_RETA; i++)
        __atomic_store_n(&g->reta[i], __atomic_load_n(&g->next[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    __atomic_store_n(&g->change.valid, g->change.number, __ATOMIC_RELEASE);
}

void steer_join(struct steer *g, unsigned member)
{
    __atomic_fetch_or(&g->alive, 1ull << member, __ATOMIC_ACQ_REL);
}

void steer_retire(struct steer *g, unsigned member)
{
    __atomic_fetch_and(&g->alive, ~(1ull << member), __ATOMIC_ACQ_REL);
    stop_listening(g, member);
}

void steer_leave(struct steer *g, unsigned member)
{
    uint64_t left;

    steer_retire(g, member);
    left = __atomic_load_n(&g->alive, __ATOMIC_RELAXED);
    if (left == 0)
        return;
    announce(g, left);
    make_valid(g);
}

static bool all_agree(const struct steer *g, uint64_t alive)
{
    for (uint64_t left = alive; left != 0; left &= left - 1)
        if (__atomic_load_n(&g->change.agreed[__builtin_ctzll(left)], __ATOMIC_ACQUIRE) != g->change.number)
            return false;
    return true;
}

bool steer_change(struct steer *g, uint64_t now_ns)
{
    struct steer_change *c = &g->change;
    uint64_t alive = __atomic_load_n(&g->alive, __ATOMIC_ACQUIRE);

    if (!steer_is_changing(g)) {
        if (alive == c->members)
            return false;
        announce(g, alive);
        c->since_ns = now_ns;
    }
    if (!all_agree(g, alive) && now_ns - c->since_ns < AGREE_NS)
        return false;
    make_valid(g);
    return true;
}

uint32_t steer_announced(const struct steer *g)
{
    return __atomic_load_n(&g->change.number, __ATOMIC_ACQUIRE);
}

bool steer_is_changing(const struct steer *g)
{
    return __atomic_load_n(&g->change.valid, __ATOMIC_RELAXED) != __atomic_load_n(&g->change.number, __ATOMIC_RELAXED);
}

unsigned steer_home_next(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    uint32_t hash = steer_hash(g, laddr, raddr, lport, rport);

    return __atomic_load_n(&g->next[hash & (STEER_RETA - 1)], __ATOMIC_RELAXED);
}

void steer_agree(struct steer *g, unsigned member, uint32_t announced)
{
    __atomic_store_n(&g->change.agreed[member], announced, __ATOMIC_RELEASE);
}

void steer_mend_queue(struct rte_ring *r)
{
    Z_CHECK(r->prod.sync_type == RTE_RING_SYNC_ST);
    r->prod.head = r->prod.tail;
}
