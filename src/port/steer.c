/* What the stacks behind the same devices share: the hash, the table, who listens where, and messages. */
#include "port/steer.h"

#include <stdio.h>
#include <string.h>

#include <rte_memzone.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/check.h"
#include "base/units.h"
#include "port/steer_priv.h"
#include "wire/bytes.h"

#define MESSAGES 1024u
#define MESSAGES_MIN 128u /* of one of several queues */

_Static_assert(sizeof(struct steer_msg) % 4 == 0, "an element of a ring");

/* The key of Microsoft's specification, for which it gives examples. */
static const uint8_t usual_key[TOEPLITZ_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void set_key(struct steer *g, bool symmetric)
{
    memcpy(g->key, usual_key, sizeof(g->key));
    /* what repeats every 16 bits does not tell the two addresses, nor the two ports, apart */
    for (unsigned i = 2; symmetric && i < sizeof(g->key); i++)
        g->key[i] = g->key[i - 2];
    toeplitz_init(&g->hash, g->key);
}

static bool make_rings(struct steer *g, const char *name)
{
    for (unsigned i = 0; i < g->n * g->lanes; i++) {
        unsigned to = i / g->lanes, lane = i % g->lanes;
        char ring[RTE_RING_NAMESIZE];

        snprintf(ring, sizeof(ring), "%s_told%u.%u", name, to, lane);
        g->told[to][lane] = rte_ring_create_elem(ring, sizeof(struct steer_msg), MAX(MESSAGES / g->lanes, MESSAGES_MIN), SOCKET_ID_ANY,
                                                 RING_F_SC_DEQ | RING_F_EXACT_SZ | (g->lanes > 1 ? RING_F_SP_ENQ : 0));
        if (g->told[to][lane] == NULL)
            return false;
    }
    return true;
}

static struct steer *create(const char *name, unsigned n, bool symmetric, bool procs)
{
    const struct rte_memzone *zone = rte_memzone_reserve(name, sizeof(struct steer), SOCKET_ID_ANY, 0);
    struct steer *g;

    Z_CHECK(n > 0 && n <= STEER_MAX);
    if (zone == NULL)
        return NULL;
    g = zone->addr;
    memset(g, 0, sizeof(*g));
    g->zone = zone;
    g->n = (uint16_t)n;
    g->lanes = (uint16_t)(procs ? n : 1);
    g->alive = g->change.members = procs ? 1 : UINT64_MAX >> (64 - n);
    set_key(g, symmetric);
    port_entropy(g->secret, sizeof(g->secret));
    for (unsigned i = 0; i < STEER_RETA; i++)
        g->reta[i] = g->next[i] = (uint8_t)(procs ? 0 : i % n);
    if (make_rings(g, name))
        return g;
    steer_free(g);
    return NULL;
}

struct steer *steer_create(const char *name, unsigned n, bool symmetric)
{
    return create(name, n, symmetric, false);
}

struct steer *steer_create_procs(const char *name, unsigned n, bool symmetric)
{
    return create(name, n, symmetric, true);
}

void steer_free(struct steer *g)
{
    if (g == NULL)
        return;
    for (unsigned i = 0; i < g->n * g->lanes; i++)
        rte_ring_free(g->told[i / g->lanes][i % g->lanes]);
    rte_memzone_free(g->zone);
}

unsigned steer_count(const struct steer *g)
{
    return g->n;
}

const uint8_t *steer_secret(const struct steer *g)
{
    return g->secret;
}

void steer_set_secret(struct steer *g, const uint8_t secret[32])
{
    memcpy(g->secret, secret, sizeof(g->secret));
}

const uint8_t *steer_key(const struct steer *g)
{
    return g->key;
}

unsigned steer_reta(const struct steer *g, unsigned i)
{
    return __atomic_load_n(&g->reta[i & (STEER_RETA - 1)], __ATOMIC_RELAXED);
}

unsigned steer_of_hash(const struct steer *g, uint32_t hash)
{
    return steer_reta(g, hash);
}

unsigned steer_of_flow(const struct steer *g, const struct flow *f)
{
    return steer_of_hash(g, toeplitz_hash(&g->hash, f->key, f->len));
}

/* Of packets that are received: the other's address comes first. */
uint32_t steer_hash(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    struct inaddr from = *raddr, to = *laddr;
    unsigned skip = inaddr_is_v4(raddr) ? 12 : 0, len = 16 - skip;
    uint8_t key[FLOW_KEY_MAX];

    if (skip == 0) { /* zones are not on the wire; in an IPv4 address their place is part of it */
        inaddr_clear_zone(&from);
        inaddr_clear_zone(&to);
    }
    memcpy(key, from.b + skip, len);
    memcpy(key + len, to.b + skip, len);
    put16(key + 2 * len, rport);
    put16(key + 2 * len + 2, lport);
    return toeplitz_hash(&g->hash, key, 2 * len + 4);
}

unsigned steer_home(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    return steer_of_hash(g, steer_hash(g, laddr, raddr, lport, rport));
}

bool steer_is_alive(const struct steer *g, unsigned member)
{
    return (__atomic_load_n(&g->alive, __ATOMIC_ACQUIRE) >> member & 1) != 0;
}

bool steer_speaks(const struct steer *g, unsigned member)
{
    uint64_t alive = __atomic_load_n(&g->alive, __ATOMIC_RELAXED);

    return alive != 0 && (unsigned)__builtin_ctzll(alive) == member;
}

void steer_listen(struct steer *g, unsigned member, enum steer_proto proto, uint16_t port, bool on)
{
    if (on)
        __atomic_fetch_or(&g->listens[proto][port], 1ull << member, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(&g->listens[proto][port], ~(1ull << member), __ATOMIC_RELEASE);
}

bool steer_listens(const struct steer *g, unsigned member, enum steer_proto proto, uint16_t port)
{
    return (__atomic_load_n(&g->listens[proto][port], __ATOMIC_RELAXED) >> member & 1) != 0;
}

bool steer_is_listened(const struct steer *g, enum steer_proto proto, uint16_t port)
{
    return __atomic_load_n(&g->listens[proto][port], __ATOMIC_ACQUIRE) != 0;
}

static uint64_t who_listens(const struct steer *g, enum steer_proto proto, uint16_t port)
{
    return __atomic_load_n(&g->listens[proto][port], __ATOMIC_ACQUIRE) & __atomic_load_n(&g->alive, __ATOMIC_RELAXED);
}

/* Of a set of stacks the one behind me, in the order of the flow; from its home: the first. */
static int next_of(const struct steer *g, uint64_t set, unsigned me, uint32_t hash)
{
    unsigned home = steer_of_hash(g, hash), first = hash / STEER_RETA % g->n; /* bits that the table has not used */

    set &= ~(1ull << home);
    for (unsigned i = me == home ? 0 : (me + g->n - first) % g->n + 1; i < g->n; i++) {
        unsigned x = (first + i) % g->n;

        if ((set >> x & 1) != 0)
            return (int)x;
    }
    return -1;
}

int steer_next(const struct steer *g, unsigned me, enum steer_proto proto, const struct inaddr *laddr, const struct inaddr *raddr,
               uint16_t lport, uint16_t rport)
{
    uint64_t set = who_listens(g, proto, lport);

    return likely(set == 0) ? -1 : next_of(g, set, me, steer_hash(g, laddr, raddr, lport, rport));
}

int steer_taker(const struct steer *g, enum steer_proto proto, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                uint16_t rport)
{
    uint64_t set = who_listens(g, proto, lport);
    uint32_t hash;
    unsigned home;

    if (set == 0)
        return -1;
    hash = steer_hash(g, laddr, raddr, lport, rport);
    home = steer_of_hash(g, hash);
    return (set >> home & 1) != 0 ? (int)home : next_of(g, set, home, hash);
}

bool steer_tell(struct steer *g, unsigned to, const struct steer_msg *msg)
{
    struct rte_ring *r = g->told[to][steer_lane(g, msg->from)];

    return steer_is_alive(g, to) && rte_ring_enqueue_elem(r, (void *)(uintptr_t)msg, sizeof(*msg)) == 0;
}

bool steer_has_news(const struct steer *g, unsigned me)
{
    for (unsigned i = 0; i < g->lanes; i++)
        if (!rte_ring_empty(g->told[me][i]))
            return true;
    return false;
}

bool steer_hear(struct steer *g, unsigned me, struct steer_msg *msg)
{
    for (unsigned i = 0; i < g->lanes; i++)
        if (unlikely(!rte_ring_empty(g->told[me][i])) && rte_ring_sc_dequeue_elem(g->told[me][i], msg, sizeof(*msg)) == 0)
            return true;
    return false;
}
