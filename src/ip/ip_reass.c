#include "ip/ip_reass.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/siphash.h"
#include "base/units.h"
#include "pkt/pkt.h"

#include "base/poison.h"

#define PIECES_MIN 8u /* slots of a new datagram */

int frag_init(struct frag_table *t, struct arena *a, const struct frag_conf *conf)
{
    memset(t, 0, sizeof(*t));
    t->conf = *conf;
    t->arena = a;
    TAILQ_INIT(&t->age[0]);
    TAILQ_INIT(&t->age[1]);
    for (t->n_buckets = 16; t->n_buckets < conf->limit && t->n_buckets < ARENA_MAX_BLOCK / sizeof(*t->bucket); t->n_buckets *= 2)
        ;
    t->bucket = arena_alloc(a, t->n_buckets * sizeof(*t->bucket));
    return t->bucket ? 0 : -ENOMEM;
}

void frag_fini(struct frag_table *t)
{
    Z_CHECK(t->n == 0 && t->bytes == 0);
    arena_free(t->arena, t->bucket, t->n_buckets * sizeof(*t->bucket));
    t->bucket = NULL;
}

static struct frag_dgram **bucket_of(const struct frag_table *t, const struct frag_key *k)
{
    return &t->bucket[siphash13(t->conf.key, k, sizeof(*k)) & (t->n_buckets - 1)];
}

static struct frag_list *list_of(const struct frag_table *t, const struct frag_key *k)
{
    return (struct frag_list *)(uintptr_t)&t->age[!inaddr_is_v4(&k->dst)];
}

struct frag_dgram *frag_find(const struct frag_table *t, const struct frag_key *k)
{
    struct frag_dgram *d = *bucket_of(t, k);

    while (d && memcmp(&d->key, k, sizeof(*k)) != 0)
        d = d->hash_next;
    return d;
}

struct frag_dgram *frag_new(struct frag_table *t, const struct frag_key *k, uint64_t now_ns)
{
    struct frag_dgram **b = bucket_of(t, k), *d;

    if (t->n >= t->conf.limit || !(d = arena_alloc(t->arena, sizeof(*d))))
        return NULL;
    d->key = *k;
    d->born_ns = now_ns;
    d->deadline_ns = now_ns + (inaddr_is_v4(&k->dst) ? t->conf.timeout_v4_ns : t->conf.timeout_v6_ns);
    d->hash_next = *b;
    *b = d;
    TAILQ_INSERT_TAIL(list_of(t, k), d, age);
    t->n++;
    return d;
}

bool frag_has_room(const struct frag_table *t, uint32_t truesize, bool create)
{
    return t->bytes + truesize <= t->conf.memory_bytes && (!create || t->n < t->conf.limit);
}

struct frag_dgram *frag_oldest(const struct frag_table *t, const struct frag_dgram *except)
{
    struct frag_dgram *oldest = NULL;

    for (unsigned f = 0; f < 2; f++) {
        struct frag_dgram *d = TAILQ_FIRST(&t->age[f]);

        if (d && d == except)
            d = TAILQ_NEXT(d, age);
        if (d && (!oldest || d->born_ns < oldest->born_ns))
            oldest = d;
    }
    return oldest;
}

uint64_t frag_deadline_ns(const struct frag_table *t)
{
    const struct frag_dgram *v4 = TAILQ_FIRST(&t->age[0]), *v6 = TAILQ_FIRST(&t->age[1]);
    uint64_t a = v4 ? v4->deadline_ns : NS_NEVER, b = v6 ? v6->deadline_ns : NS_NEVER;

    return MIN(a, b);
}

struct frag_dgram *frag_expired(const struct frag_table *t, uint64_t now_ns)
{
    for (unsigned f = 0; f < 2; f++) {
        struct frag_dgram *d = TAILQ_FIRST(&t->age[f]);

        if (d && d->deadline_ns <= now_ns)
            return d;
    }
    return NULL;
}

static bool grow(struct frag_table *t, struct frag_dgram *d)
{
    uint16_t slots = (uint16_t)(d->slots ? MIN(2u * d->slots, t->conf.pieces) : MIN(PIECES_MIN, t->conf.pieces));
    struct frag_piece *p = arena_alloc(t->arena, slots * sizeof(*p));

    if (!p)
        return false;
    if (d->n)
        memcpy(p, d->piece, d->n * sizeof(*p));
    arena_free(t->arena, d->piece, d->slots * sizeof(*p));
    d->piece = p;
    d->slots = slots;
    return true;
}

/* Where a piece at off belongs: behind all that begin before it. Most come in order. */
static uint32_t place(const struct frag_dgram *d, uint32_t off)
{
    uint32_t lo = 0, hi = d->n;

    if (d->n && d->piece[d->n - 1].off < off)
        return d->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (d->piece[mid].off < off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Behind the known end, or an end before what is there, or a second end. */
static bool breaks_end(const struct frag_dgram *d, uint32_t end, bool more)
{
    const struct frag_piece *last = d->n ? &d->piece[d->n - 1] : NULL;

    if (d->total)
        return more ? end >= d->total : end != d->total;
    return !more && last && (uint32_t)last->off + last->len > end;
}

/*
 * Are all bytes from off to end there? What repeats them, however it is cut, is ignored, as in Linux: it brings nothing that could
 * contradict what came first. RFC 8200 section 4.5 allows it of exact repetitions; networks that cut again make others.
 */
static bool is_there(const struct frag_dgram *d, uint32_t at, uint32_t off, uint32_t end)
{
    uint32_t i = at < d->n && d->piece[at].off == off ? at : at - 1; /* the piece that begins at off, or before it */

    if (i >= d->n)
        return false;
    while (off < end && i < d->n && d->piece[i].off <= off && off < (uint32_t)d->piece[i].off + d->piece[i].len) {
        off = (uint32_t)d->piece[i].off + d->piece[i].len;
        i++;
    }
    return off >= end;
}

uint32_t frag_truesize(const struct rte_mbuf *m)
{
    uint32_t sum = 0;

    for (; m; m = m->next)
        sum += pkt_truesize(m);
    return sum;
}

enum frag_verdict frag_add(struct frag_table *t, struct frag_dgram *d, uint32_t off, uint32_t len, bool more, struct rte_mbuf *m)
{
    uint32_t at = place(d, off), end = off + len, truesize = frag_truesize(m);
    struct frag_piece *next = at < d->n ? &d->piece[at] : NULL, *prev = at ? &d->piece[at - 1] : NULL;

    if (breaks_end(d, end, more))
        return FRAG_OVERLAP;
    if (is_there(d, at, off, end))
        return more || d->total ? FRAG_DUPLICATE : FRAG_OVERLAP; /* an end, where those that came said that more follows */
    if ((next && end > next->off) || (prev && (uint32_t)prev->off + prev->len > off))
        return FRAG_OVERLAP;
    if (d->n == t->conf.pieces)
        return FRAG_MANY;
    if (d->n == d->slots && !grow(t, d))
        return FRAG_NOMEM;
    memmove(&d->piece[at + 1], &d->piece[at], (d->n - at) * sizeof(*d->piece));
    d->piece[at] = (struct frag_piece){.m = m, .off = (uint16_t)off, .len = (uint16_t)len};
    d->n++;
    d->bytes += len;
    d->truesize += truesize;
    t->bytes += truesize;
    if (!more)
        d->total = end;
    return d->bytes == d->total ? FRAG_COMPLETE : FRAG_KEPT;
}

struct rte_mbuf *frag_take(struct frag_table *t, struct frag_dgram *d)
{
    struct rte_mbuf *head = d->piece[0].m, *tail = rte_pktmbuf_lastseg(head);

    Z_CHECK(d->total && d->bytes == d->total);
    for (uint32_t i = 1; i < d->n; i++) {
        struct rte_mbuf *m = d->piece[i].m;

        head->nb_segs = (uint16_t)(head->nb_segs + m->nb_segs);
        head->pkt_len += m->pkt_len;
        tail->next = m;
        tail = rte_pktmbuf_lastseg(m);
    }
    d->n = 0;
    frag_free(t, d);
    return head;
}

struct rte_mbuf *frag_pop(struct frag_table *t, struct frag_dgram *d)
{
    struct rte_mbuf *m;
    uint32_t truesize;

    if (d->n == 0)
        return NULL;
    m = d->piece[0].m;
    truesize = frag_truesize(m);
    memmove(&d->piece[0], &d->piece[1], --d->n * sizeof(*d->piece));
    d->truesize -= truesize;
    t->bytes -= truesize;
    return m;
}

void frag_free(struct frag_table *t, struct frag_dgram *d)
{
    struct frag_dgram **p = bucket_of(t, &d->key);

    Z_CHECK(d->n == 0);
    while (*p != d)
        p = &(*p)->hash_next;
    *p = d->hash_next;
    TAILQ_REMOVE(list_of(t, &d->key), d, age);
    t->bytes -= d->truesize;
    t->n--;
    arena_free(t->arena, d->piece, d->slots * sizeof(*d->piece));
    arena_free(t->arena, d, sizeof(*d));
}
