#include "link/neigh.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/siphash.h"

#include "base/poison.h"

static struct neigh **neigh_bucket(const struct neigh_table *t, uint8_t nif, const struct inaddr *addr)
{
    uint8_t key[17];

    memcpy(key, addr->b, 16);
    key[16] = nif;
    return &t->bucket[siphash13(t->conf.key, key, sizeof(key)) & (t->n_buckets - 1)];
}

int neigh_table_init(struct neigh_table *t, struct arena *a, struct wheel *w, const struct neigh_conf *conf)
{
    uint32_t limit = MIN(MAX(conf->limit, 1u), NEIGH_CHUNKS * NEIGH_CHUNK_ENTRIES);

    memset(t, 0, sizeof(*t));
    t->conf = *conf;
    t->conf.limit = limit;
    t->conf.queue_limit = MIN(MAX(conf->queue_limit, 1u), NEIGH_PARK_MAX);
    t->conf.max_tries = MIN(MAX(conf->max_tries, 1u), 255u);
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
            neigh_table_fini(t, a);
            return -ENOMEM;
        }
    }
    return 0;
}

void neigh_table_fini(struct neigh_table *t, struct arena *a)
{
    struct neigh *n;

    for (uint32_t i = 0; (n = neigh_next(t, &i));) {
        Z_CHECK(n->n_parked == 0);
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
    Z_CHECK(n->n_parked == 0 && n->state != NEIGH_INCOMPLETE);
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
    wheel_arm(t->wheel, &n->timer, now_ns + t->conf.retry_ns);
}

static void neigh_touch(struct neigh_table *t, struct neigh *n)
{
    TAILQ_REMOVE(&t->lru, n, lru);
    TAILQ_INSERT_TAIL(&t->lru, n, lru);
}

enum neigh_verdict neigh_use(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    switch (n->state) {
    case NEIGH_REACHABLE:
        neigh_touch(t, n);
        if (now_ns < n->stale_at_ns) {
            n->check_at_ns = MIN(n->stale_at_ns, now_ns + NEIGH_USE_GRAIN_NS);
            return NEIGH_SEND;
        }
        n->state = NEIGH_PROBE;
        n->tries = 0;
        n->check_at_ns = 0;
        neigh_ask_again_later(t, n, now_ns);
        return NEIGH_SEND_PROBE;
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

struct rte_mbuf *neigh_park(struct neigh_table *t, struct neigh *n, struct rte_mbuf *m)
{
    struct rte_mbuf *out = n->n_parked == t->conf.queue_limit ? neigh_unpark(n) : NULL;

    n->parked[(n->park_head + n->n_parked) % NEIGH_PARK_MAX] = m;
    n->n_parked++;
    return out;
}

struct rte_mbuf *neigh_unpark(struct neigh *n)
{
    struct rte_mbuf *m;

    if (n->n_parked == 0)
        return NULL;
    m = n->parked[n->park_head];
    n->park_head = (uint8_t)((n->park_head + 1) % NEIGH_PARK_MAX);
    n->n_parked--;
    return m;
}

struct neigh *neigh_learn(struct neigh_table *t, uint8_t nif, const struct inaddr *addr, const uint8_t mac[6], bool create, uint64_t now_ns)
{
    struct neigh *n = neigh_find(t, nif, addr);

    if (!n) {
        n = create ? neigh_new(t, nif, addr) : NULL;
        if (!n)
            return NULL;
        TAILQ_INSERT_HEAD(&t->lru, n, lru);
    } else if (n->state == NEIGH_INCOMPLETE) {
        t->n_incomplete--;
        TAILQ_INSERT_TAIL(&t->lru, n, lru);
    }
    wheel_cancel(t->wheel, &n->timer);
    memcpy(n->mac, mac, 6);
    n->state = NEIGH_REACHABLE;
    n->stale_at_ns = now_ns + t->conf.reachable_ns;
    n->check_at_ns = 0;
    return n;
}

enum neigh_due neigh_expire(struct neigh_table *t, struct neigh *n, uint64_t now_ns)
{
    switch (n->state) {
    case NEIGH_PROBE:
        if (n->tries < t->conf.max_tries) {
            neigh_ask_again_later(t, n, now_ns);
            return NEIGH_DUE_PROBE;
        }
        /* its link address may have changed (RFC 1122 2.3.2.1): ask everybody */
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
        wheel_arm(t->wheel, &n->timer, now_ns + t->conf.max_tries * t->conf.retry_ns);
        return NEIGH_DUE_FAILED;
    case NEIGH_FAILED:
        neigh_release(t, n);
        return NEIGH_DUE_NOTHING;
    default:
        return NEIGH_DUE_NOTHING;
    }
}
