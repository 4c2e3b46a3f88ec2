/*
 * The neighbour table: which link address an on-link IP address has (RFC 826, with the states of RFC 4861 section 7.3.2).
 * A mechanism: it keeps entries, timers and parked packets, and tells its caller what to send.
 *
 *     (new) -> INCOMPLETE -> REACHABLE -> STALE -> DELAY -> PROBE -> REACHABLE
 *                  |  ^                                       |
 *                  |  +--------- unicast unanswered ----------+
 *                  +-> FAILED (held, so that every new packet does not ask again) -> (gone)
 *
 * REACHABLE becomes STALE by time alone, without a timer: the next use finds out. DELAY waits for news from above (neigh_confirm)
 * before it asks; IPv4 has none. After unanswered unicast questions everybody is asked: for IPv4 as RFC 1122 2.3.2.1 wants it, for
 * IPv6 as RFC 7048 allows instead of forgetting the entry. Entries never move, but may come to stand for another address: whoever
 * keeps a pointer keeps the entry's serial number with it, and asks neigh_is_fresh() before each use.
 */
#ifndef LINK_NEIGH_H
#define LINK_NEIGH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/inaddr.h"
#include "base/units.h"
#include "base/wheel.h"

struct rte_mbuf;

#define NEIGH_PARK_MAX 1024u
/* The order of use is kept to this precision, so that not every packet moves its entry in a list. */
#define NEIGH_USE_GRAIN_NS NS_PER_SEC

#define NEIGH_NETIFS 64u /* STACK_MAX_NETIFS */

enum neigh_state { NEIGH_FREE, NEIGH_INCOMPLETE, NEIGH_REACHABLE, NEIGH_STALE, NEIGH_DELAY, NEIGH_PROBE, NEIGH_FAILED };

/* Packets that wait, in order: a ring, absent while there are none. Of a datagram in several packets (fragments) all wait, or none. */
struct neigh_queue {
    struct neigh_parked *slot;
    uint16_t slots, head, n; /* slots is a power of two, or 0 */
};

struct neigh_parked {
    struct rte_mbuf *m;
    bool more; /* the next one is of the same datagram */
};

struct neigh {
    struct inaddr addr;   /* the key, with nif */
    uint64_t check_at_ns; /* before this time neigh_use() need not be asked; 0: always ask */
    uint8_t mac[6];
    uint8_t nif; /* index of the interface */
    uint8_t state;
    uint32_t serial;         /* another one for each address that the entry comes to stand for; never 0 */
    uint8_t tries;           /* requests sent in this state */
    bool router;             /* IPv6: it said so in its last advertisement */
    uint64_t stale_at_ns;    /* end of REACHABLE; otherwise since when there is doubt, or 0 when that is by time alone */
    struct neigh *hash_next; /* or of the free list */
    TAILQ_ENTRY(neigh) lru;  /* every entry that may be recycled */
    struct wheel_node timer; /* requests of INCOMPLETE and PROBE, end of DELAY, hold of FAILED */
    struct neigh_queue parked;
};

struct neigh_conf {
    uint32_t limit;       /* entries */
    uint32_t queue_limit; /* packets parked per entry, at most NEIGH_PARK_MAX */
    uint32_t max_tries;
    uint64_t reachable_ns, retry_ns; /* IPv4 */
    uint64_t delay_ns;               /* IPv6: how long DELAY lasts */
    uint8_t timer_kind;              /* of the entries' wheel nodes */
    uint8_t key[16];                 /* of the hash */
};

#define NEIGH_CHUNK_ENTRIES 2048u
#define NEIGH_CHUNKS 32u
_Static_assert(sizeof(struct neigh) * NEIGH_CHUNK_ENTRIES <= ARENA_MAX_BLOCK, "a chunk is one block");

TAILQ_HEAD(neigh_list, neigh);

/* How long a neighbour is believed, and how long an answer may take. */
struct neigh_timing {
    uint64_t reachable_ns, retry_ns, delay_ns;
};

struct neigh_table {
    struct neigh_conf conf;
    struct arena *arena;
    struct neigh_timing v4, v6[NEIGH_NETIFS]; /* routers set those of IPv6 (RFC 4861 section 6.3.4) */
    struct wheel *wheel;
    struct neigh **bucket;
    uint32_t n_buckets; /* power of two */
    uint32_t n_cut;     /* entries ever used; the rest of the chunks is untouched */
    uint32_t n_used, n_incomplete;
    uint32_t serial; /* of the newest entry */
    struct neigh *free;
    struct neigh_list lru; /* least recently used first; without INCOMPLETE ones, whose packets wait */
    struct neigh *chunk[NEIGH_CHUNKS];
};

/* What to do with a packet for this neighbour. */
enum neigh_verdict {
    NEIGH_SEND,       /* send it to n->mac */
    NEIGH_SEND_PROBE, /* the same, and a unicast request to n->mac */
    NEIGH_PARK,       /* neigh_park() */
    NEIGH_PARK_ASK,   /* the same, and a broadcast request */
    NEIGH_DROP,       /* it did not answer lately */
};

/* What a timer wants. */
enum neigh_due {
    NEIGH_DUE_NOTHING,
    NEIGH_DUE_ASK,   /* a broadcast request */
    NEIGH_DUE_PROBE, /* a unicast request */
    NEIGH_DUE_FAILED /* take and drop the parked packets */
};

/* 0 or -ENOMEM (then nothing is left behind). A limit above what the chunks hold is cut. */
int neigh_table_init(struct neigh_table *t, struct arena *a, struct wheel *w, const struct neigh_conf *conf);

/* The parked packets must have been taken (neigh_next). */
void neigh_table_fini(struct neigh_table *t);

struct neigh *neigh_find(const struct neigh_table *t, uint8_t nif, const struct inaddr *addr);

/*
 * The entry for an address that a packet goes to, made when there is none. When the table is full the least recently
 * used entry is recycled. NULL: none can be (at most half of the table may be unresolved, or a scan of the subnet would
 * push out the neighbours in use).
 */
struct neigh *neigh_get(struct neigh_table *t, uint8_t nif, const struct inaddr *addr);

/* A packet wants to go to n. */
enum neigh_verdict neigh_use(struct neigh_table *t, struct neigh *n, uint64_t now_ns);

/* Packets that the queue may still take. */
static inline uint32_t neigh_park_room(const struct neigh_table *t, const struct neigh *n)
{
    return t->conf.queue_limit - n->parked.n;
}

/* Gets the memory for count packets more, at most neigh_park_room(). False: there is none. */
bool neigh_park_reserve(struct neigh_table *t, struct neigh *n, unsigned count);

/* Keeps m, for which a place was reserved, until the neighbour answers. more: the next one is of the same datagram. */
void neigh_park(struct neigh *n, struct rte_mbuf *m, bool more);

/* Oldest first; NULL when none is left. *more (may be NULL): the next one is of the same datagram. */
struct rte_mbuf *neigh_unpark(struct neigh_table *t, struct neigh_queue *q, bool *more);

/*
 * addr said that it has this link address. Updates an entry; makes one only if create, and such an entry is the first to be
 * recycled until a packet uses it. Returns it, for its parked packets, or NULL.
 */
struct neigh *neigh_learn(struct neigh_table *t, uint8_t nif, const struct inaddr *addr, const uint8_t mac[6], bool create,
                          uint64_t now_ns);

/*
 * The same for a link address that came with a message of another purpose: it says nothing about whether the neighbour hears us
 * (RFC 4861 7.2.3, 6.2.6, 6.3.4, 8.3). A new entry, or one whose link address changes, is STALE; else nothing changes.
 */
struct neigh *neigh_hear(struct neigh_table *t, uint8_t nif, const struct inaddr *addr, const uint8_t mac[6], uint64_t now_ns);

/* A neighbour advertisement, as the rules of RFC 4861 section 7.2.5 see it. */
struct neigh_advert {
    const uint8_t *mac; /* NULL: it has no link address */
    bool router, solicited, override;
};

/* Applies the rules to an entry. True: it was a router and says that it is none any more. */
bool neigh_advertised(struct neigh_table *t, struct neigh *n, const struct neigh_advert *a, uint64_t now_ns);

/*
 * A layer above knows that packets arrived at the neighbour at seen_ns: they were answered (RFC 4861 section 7.3.1). n and serial are what
 * ip_output has left in a path; nothing happens if the entry stands for another address now. Cheap enough for every new acknowledgement.
 */
void neigh_confirm(struct neigh_table *t, struct neigh *n, uint32_t serial, uint64_t seen_ns, uint64_t now_ns);

/* The timer of n expired. */
enum neigh_due neigh_expire(struct neigh_table *t, struct neigh *n, uint64_t now_ns);

/* Every entry in turn: *i starts at 0; NULL at the end. */
struct neigh *neigh_next(const struct neigh_table *t, uint32_t *i);

static inline struct neigh *neigh_of_timer(struct wheel_node *w)
{
    return container_of_ptr(w, struct neigh, timer);
}

/* What goes with a kept pointer. */
static inline uint32_t neigh_serial(const struct neigh *n)
{
    return n ? n->serial : 0;
}

/* The one question per packet: does n stand for the same address as when its serial number was kept, and is it known to be good? */
static inline bool neigh_is_fresh(const struct neigh *n, uint32_t serial, uint64_t now_ns)
{
    return n && now_ns < n->check_at_ns && n->serial == serial;
}

#endif
