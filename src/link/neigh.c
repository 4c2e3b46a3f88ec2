#include "link/neigh.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/siphash.h"

#include "base/poison.h"

/* RFC 4861 section 10: REACHABLE_TIME, RETRANS_TIMER */
#define NEIGH_REACHABLE_NS (30 * NS_PER_SEC)
#define NEIGH_RETRANS_NS NS_PER_SEC
#define NEIGH_QUEUE_SLOTS 8u /* of a ring at first */

static struct neigh **neigh_bucket(const struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    uint8_t key[17];

    memcpy(key, addr->b, 16);
    key[16] = nif;
    return &t->bucket[siphash13(t->conf.key, key, sizeof(key)) & (t->n_buckets - 1)];
}

static const struct neigh_timing *neigh_timing(const struct neigh_table *t, const struct neigh *n)
{
    return inaddr_is_v4(&n->addr) ? &t->v4 : &t->v6[n->nif];
}

int neigh_table_init(struct neigh_table *t, struct arena *a, struct wheel *w, const struct neigh_conf *conf)
{
    uint32_t limit = MIN(MAX(conf->limit, 1u), NEIGH_CHUNKS * NEIGH_CHUNK_ENTRIES);

    memset(t, 0, sizeof(*t));
    t->conf = *conf;
    t->arena = a;
    t->conf.limit = limit;
    t->conf.queue_limit = MIN(MAX(conf->queue_limit, 1u), NEIGH_PARK_MAX);
    t->conf.max_tries = MIN(MAX(conf->max_tries, 1u), 255u);
    t->v4 = (struct neigh_timing){.reachable_ns = conf->reachable_ns, .retry_ns = conf->retry_ns};
    for (unsigned i = 0; i < NEIGH_NETIFS; i++)
        t->v6[i] = (struct neigh_timing){.reachable_ns = NEIGH_REACHABLE_NS, .retry_ns = NEIGH_RETRANS_NS, .delay_ns = conf->delay_ns};
    t->wheel = w;
    TAILQ_INIT(&t->lru);
    for (t->n_buckets = 16; t->n_buckets < limit; t->n_buckets *= 2)
        ;
    t->bucket = arena_alloc(a, t->n_buckets * sizeof(struct neigh *));
    if (!t->bucket)
        return -ENOMEM;
    for (uint32_t done = 0; done < limit; done += NEIGH_CHUNK_ENTRIES) {
        uint32_t n = MIN(limit - done, NEIGH_CHUNK_ENTRIES);

        t->chunk[done / NEIGH_CHUNK_ENTRIES] = arena_alloc(a, n * sizeof(struct neigh));
        if (!t->chunk[done / NEIGH_CHUNK_ENTRIES]) {
            neigh_table_fini(t);
            return -ENOMEM;
        }
    }
    return 0;
}

void neigh_table_fini(struct neigh_table *t)
{
    struct arena *a = t->arena;
    struct neigh *n;

    for (uint32_t i = 0; (n = neigh_next(t, &i));) {
        Z_CHECK(n->parked.n == 0);
        wheel_cancel(t->wheel, &n->timer);
    }
    for (uint32_t done = 0; done < t->conf.limit; done += NEIGH_CHUNK_ENTRIES)
        arena_free(a, t->chunk[done / NEIGH_CHUNK_ENTRIES], MIN(t->conf.limit - done, NEIGH_CHUNK_ENTRIES) * sizeof(struct neigh));
    arena_free(a, t->bucket, t->n_buckets * sizeof(struct neigh *));
    memset(t, 0, sizeof(*t));
}

struct neigh *neigh_next(const struct neigh_table *t, uint32_t *i)
{
    while (*i < t->n_cut) {
        struct neigh *n = &t->chunk[*i / NEIGH_CHUNK_ENTRIES][*i % NEIGH_CHUNK_ENTRIES];

        (*i)++;
        if (n->state != NEIGH_FREE)
            return n;
    }
    return NULL;
}

struct neigh *neigh_find(const struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    struct neigh *n;

    for (n = *neigh_bucket(t, nif, addr); n; n = n->hash_next)
        if (n->nif == nif && inaddr_eq(&n->addr, addr))
            break;
    return n;
}

static void neigh_unhash(struct neigh_table *t, struct neigh *n)
{
    struct neigh **p = neigh_bucket(t, n->nif, &n->addr);

    while (*p != n)
        p = &(*p)->hash_next;
    *p = n->hash_next;
}

/* An entry that is on the recycling list and in no use goes back to the free ones. */
static void neigh_release(struct neigh_table *t, struct neigh *n)
{
    Z_CHECK(n->parked.n == 0 && n->state != NEIGH_INCOMPLETE);
    wheel_cancel(t->wheel, &n->timer);
    TAILQ_REMOVE(&t->lru, n, lru);
    neigh_unhash(t, n);
    memset(n, 0, sizeof(*n));
    n->hash_next = t->free;
    t->free = n;
    t->n_used--;
}

/* A zeroed entry with its key, hashed, on no list. */
static struct neigh *neigh_new(struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    struct neigh *n, **b;

    if (t->n_used == t->conf.limit) {
        if (TAILQ_EMPTY(&t->lru))
            return NULL;
        neigh_release(t, TAILQ_FIRST(&t->lru));
    }
    n = t->free;
    if (n) {
        t->free = n->hash_next;
    } else {
        n = &t->chunk[t->n_cut / NEIGH_CHUNK_ENTRIES][t->n_cut % NEIGH_CHUNK_ENTRIES];
        t->n_cut++;
    }
    t->n_used++;
    memset(n, 0, sizeof(*n));
    n->addr = *addr;
    n->nif = nif;
    n->serial = t->serial += t->serial == UINT32_MAX ? 2 : 1;
    n->timer.kind = t->conf.timer_kind;
    b = neigh_bucket(t, nif, addr);
    n->hash_next = *b;
    *b = n;
    return n;
}

static void neigh_set_incomplete(struct neigh_table *t, struct neigh *n)
{
    n->state = NEIGH_INCOMPLETE;
    n->tries = 0;
    n->check_at_ns = 0;
    t->n_incomplete++;
}

struct neigh *neigh_get(struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    struct neigh *n = neigh_find(t, nif, addr);

    if (n)
        return n;
    if (t->n_incomplete >= MAX(t->conf.limit / 2, 1u))
        return NULL;
    n = neigh_new(t, nif, addr);
    if (n)
        neigh_set_incomplete(t, n);
    return n;
}

static void neigh_ask_again_later(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    n->tries++;
    wheel_arm(t->wheel, &n->timer, now_ns + neigh_timing(t, n)->retry_ns);
}

static void neigh_touch(struct neigh_table *t, struct neigh *n)
{
    TAILQ_REMOVE(&t->lru, n, lru);
    TAILQ_INSERT_TAIL(&t->lru, n, lru);
}

/* The first use of a neighbour that was not heard of for long. */
static enum neigh_verdict neigh_use_stale(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    uint64_t delay_ns = neigh_timing(t, n)->delay_ns;

    n->tries = 0;
    n->check_at_ns = 0;
    neigh_touch(t, n);
    if (delay_ns) {
        n->state = NEIGH_DELAY;
        wheel_arm(t->wheel, &n->timer, now_ns + delay_ns);
        return NEIGH_SEND;
    }
    n->state = NEIGH_PROBE;
    neigh_ask_again_later(t, n, now_ns);
    return NEIGH_SEND_PROBE;
}

enum neigh_verdict neigh_use(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    switch (n->state) {
    case NEIGH_REACHABLE:
        if (now_ns >= n->stale_at_ns) {
            n->stale_at_ns = 0;
            return neigh_use_stale(t, n, now_ns);
        }
        neigh_touch(t, n);
        n->check_at_ns = MIN(n->stale_at_ns, now_ns + NEIGH_USE_GRAIN_NS);
        return NEIGH_SEND;
    case NEIGH_STALE:
        return neigh_use_stale(t, n, now_ns);
    case NEIGH_DELAY:
    case NEIGH_PROBE:
        return NEIGH_SEND;
    case NEIGH_INCOMPLETE:
        if (n->tries)
            return NEIGH_PARK;
        neigh_ask_again_later(t, n, now_ns);
        return NEIGH_PARK_ASK;
    default:
        return NEIGH_DROP;
    }
}

/* The ring doubles. */
static bool neigh_queue_grow(struct neigh_table *t, struct neigh_queue *q)
{
    uint16_t slots = q->slots ? (uint16_t)(q->slots * 2) : NEIGH_QUEUE_SLOTS;
    struct neigh_parked *slot = arena_alloc(t->arena, slots * sizeof(*slot));

    if (!slot)
        return false;
    for (unsigned i = 0; i < q->n; i++)
        slot[i] = q->slot[(q->head + i) & (q->slots - 1)];
    arena_free(t->arena, q->slot, q->slots * sizeof(*slot));
    *q = (struct neigh_queue){.slot = slot, .slots = slots, .n = q->n};
    return true;
}

bool neigh_park_reserve(struct neigh_table *t, struct neigh *n, unsigned count)
{
    while (n->parked.n + count > n->parked.slots)
        if (!neigh_queue_grow(t, &n->parked))
            return false;
    return true;
}

void neigh_park(struct neigh *n, struct rte_mbuf *m, bool more)
{
    struct neigh_queue *q = &n->parked;

    q->slot[(q->head + q->n++) & (q->slots - 1)] = (struct neigh_parked){.m = m, .more = more};
}

struct rte_mbuf *neigh_unpark(struct neigh_table *t, struct neigh_queue *q, bool *more)
{
    struct neigh_parked p;

    if (q->n == 0)
        return NULL;
    p = q->slot[q->head];
    q->head = (uint16_t)((q->head + 1) & (q->slots - 1));
    if (--q->n == 0) {
        arena_free(t->arena, q->slot, q->slots * sizeof(*q->slot));
        *q = (struct neigh_queue){0};
    }
    if (more)
        *more = p.more;
    return p.m;
}

/* The entry has a link address now, in whatever state it was. */
static void neigh_set_known(struct neigh_table *t, struct neigh *n, enum neigh_state state, uint64_t now_ns)
{
    if (n->state == NEIGH_INCOMPLETE) {
        t->n_incomplete--;
        TAILQ_INSERT_TAIL(&t->lru, n, lru);
    }
    wheel_cancel(t->wheel, &n->timer);
    n->state = (uint8_t)state;
    n->stale_at_ns = state == NEIGH_REACHABLE ? now_ns + neigh_timing(t, n)->reachable_ns : now_ns;
    n->check_at_ns = 0;
}

/* An entry that nobody has asked for: the first to be recycled until a packet uses it. */
static struct neigh *neigh_new_unasked(struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    struct neigh *n = neigh_new(t, nif, addr);

    if (n)
        TAILQ_INSERT_HEAD(&t->lru, n, lru);
    return n;
}

struct neigh *neigh_learn(struct neigh_table *t, uint8_t nif, const struct inaddr *addr, const uint8_t mac[6], bool create, uint64_t now_ns)
{
    struct neigh *n = neigh_find(t, nif, addr);

    if (!n && create)
        n = neigh_new_unasked(t, nif, addr);
    if (!n)
        return NULL;
    memcpy(n->mac, mac, 6);
    neigh_set_known(t, n, NEIGH_REACHABLE, now_ns);
    return n;
}

static bool neigh_has_mac(const struct neigh *n)
{
    return n->state != NEIGH_FREE && n->state != NEIGH_INCOMPLETE && n->state != NEIGH_FAILED;
}

struct neigh *neigh_hear(struct neigh_table *t, uint8_t nif, const struct inaddr *addr, const uint8_t mac[6], uint64_t now_ns)
{
    struct neigh *n = neigh_find(t, nif, addr);

    if (!n)
        n = neigh_new_unasked(t, nif, addr);
    else if (neigh_has_mac(n) && memcmp(n->mac, mac, 6) == 0)
        return n;
    if (!n)
        return NULL;
    memcpy(n->mac, mac, 6);
    neigh_set_known(t, n, NEIGH_STALE, now_ns);
    return n;
}

bool neigh_advertised(struct neigh_table *t, struct neigh *n, const struct neigh_advert *a, uint64_t now_ns)
{
    bool changed = a->mac && memcmp(n->mac, a->mac, 6) != 0, was_router = n->router;

    if (!neigh_has_mac(n)) {
        if (!a->mac)
            return false;
        memcpy(n->mac, a->mac, 6);
        n->router = a->router;
        neigh_set_known(t, n, a->solicited ? NEIGH_REACHABLE : NEIGH_STALE, now_ns);
        return was_router && !n->router;
    }
    if (changed && !a->override) {
        if (n->state == NEIGH_REACHABLE)
            neigh_set_known(t, n, NEIGH_STALE, now_ns);
        return false;
    }
    if (changed)
        memcpy(n->mac, a->mac, 6);
    if (a->solicited)
        neigh_set_known(t, n, NEIGH_REACHABLE, now_ns);
    else if (changed)
        neigh_set_known(t, n, NEIGH_STALE, now_ns);
    n->router = a->router;
    return was_router && !n->router;
}

void neigh_confirm(struct neigh_table *t, struct neigh *n, uint32_t serial, uint64_t seen_ns, uint64_t now_ns)
{
    uint64_t reachable_ns;

    if (!n || n->serial != serial)
        return;
    reachable_ns = neigh_timing(t, n)->reachable_ns;
    if (likely(n->state == NEIGH_REACHABLE && seen_ns + reachable_ns / 2 < n->stale_at_ns))
        return; /* nothing to gain */
    if (!neigh_has_mac(n))
        return;
    if (now_ns - seen_ns >= reachable_ns)
        return; /* 7.3.3: too long ago, whatever was known since */
    if (n->state != NEIGH_REACHABLE && seen_ns < n->stale_at_ns)
        return; /* of another link address, perhaps */
    if (n->state == NEIGH_REACHABLE)
        n->stale_at_ns = seen_ns + reachable_ns;
    else
        neigh_set_known(t, n, NEIGH_REACHABLE, seen_ns);
}

enum neigh_due neigh_expire(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    switch (n->state) {
    case NEIGH_DELAY:
        n->state = NEIGH_PROBE;
        neigh_ask_again_later(t, n, now_ns);
        return NEIGH_DUE_PROBE;
    case NEIGH_PROBE:
        if (n->tries < t->conf.max_tries) {
            neigh_ask_again_later(t, n, now_ns);
            return NEIGH_DUE_PROBE;
        }
        /* its link address may have changed (RFC 1122 2.3.2.1, RFC 7048): ask everybody */
        TAILQ_REMOVE(&t->lru, n, lru);
        neigh_set_incomplete(t, n);
        neigh_ask_again_later(t, n, now_ns);
        return NEIGH_DUE_ASK;
    case NEIGH_INCOMPLETE:
        if (n->tries < t->conf.max_tries) {
            neigh_ask_again_later(t, n, now_ns);
            return NEIGH_DUE_ASK;
        }
        t->n_incomplete--;
        n->state = NEIGH_FAILED;
        TAILQ_INSERT_HEAD(&t->lru, n, lru);
        /* held as long as the asking took */
        wheel_arm(t->wheel, &n->timer, now_ns + t->conf.max_tries * neigh_timing(t, n)->retry_ns);
        return NEIGH_DUE_FAILED;
    case NEIGH_FAILED:
        neigh_release(t, n);
        return NEIGH_DUE_NOTHING;
    default:
        return NEIGH_DUE_NOTHING;
    }
}
