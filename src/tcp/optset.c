#include "tcp/optset.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/units.h"

#include "base/poison.h"

static struct tcp_optset *set_of(struct tcp_user_opts *o)
{
    return container_of_ptr(o, struct tcp_optset, o);
}

void tcp_optsets_init(struct tcp_optsets *t, struct arena *a)
{
    memset(t, 0, sizeof(*t));
    t->arena = a;
}

/* FNV-1a by words. Who chooses the values is the application: no key. */
static uint32_t hash_of(const struct tcp_user_opts *o)
{
    const uint64_t *w = (const uint64_t *)(const void *)o;
    uint64_t h = 0xcbf29ce484222325ull;

    _Static_assert(sizeof(*o) % sizeof(*w) == 0, "hashed by words");
    for (size_t i = 0; i < sizeof(*o) / sizeof(*w); i++)
        h = (h ^ w[i]) * 0x100000001b3ull;
    return (uint32_t)(h ^ h >> 32);
}

static struct tcp_optset *find(const struct tcp_optsets *t, const struct tcp_user_opts *o, uint32_t hash)
{
    struct tcp_optset *e = t->bucket[hash % TCP_OPTSET_BUCKETS];

    while (e != NULL && (e->hash != hash || memcmp(&e->o, o, sizeof(*o)) != 0))
        e = e->next;
    return e;
}

static void enter(struct tcp_optsets *t, struct tcp_optset *e, uint32_t hash)
{
    struct tcp_optset **b = &t->bucket[hash % TCP_OPTSET_BUCKETS];

    e->hash = hash;
    e->next = *b;
    *b = e;
    t->n++;
}

static void leave(struct tcp_optsets *t, struct tcp_optset *e)
{
    struct tcp_optset **p = &t->bucket[e->hash % TCP_OPTSET_BUCKETS];

    while (*p != e)
        p = &(*p)->next;
    *p = e->next;
    t->n--;
}

static struct tcp_optset *copy(struct tcp_optsets *t, const struct tcp_user_opts *o)
{
    struct tcp_optset *e = arena_alloc(t->arena, sizeof(*e));

    if (e != NULL) {
        memcpy(&e->o, o, sizeof(*o));
        e->refs = 1;
    }
    return e;
}

struct tcp_user_opts *tcp_optset_hold(struct tcp_user_opts *o)
{
    set_of(o)->refs++;
    return o;
}

struct tcp_user_opts *tcp_optset_get(struct tcp_optsets *t, const struct tcp_user_opts *o)
{
    uint32_t hash = hash_of(o);
    struct tcp_optset *e = find(t, o, hash);

    if (e != NULL)
        return tcp_optset_hold(&e->o);
    e = copy(t, o);
    if (e == NULL)
        return NULL;
    enter(t, e, hash);
    return &e->o;
}

void tcp_optset_put(struct tcp_optsets *t, struct tcp_user_opts *o)
{
    struct tcp_optset *e;

    if (o == NULL)
        return;
    e = set_of(o);
    if (--e->refs > 0)
        return;
    leave(t, e);
    arena_free(t->arena, e, sizeof(*e));
}

int tcp_optset_own(struct tcp_optsets *t, struct tcp_user_opts **o)
{
    struct tcp_optset *e = set_of(*o), *mine;

    if (e->refs == 1) {
        leave(t, e);
        return 0;
    }
    mine = copy(t, *o);
    if (mine == NULL)
        return -ENOMEM;
    e->refs--;
    *o = &mine->o;
    return 0;
}

void tcp_optset_share(struct tcp_optsets *t, struct tcp_user_opts **o)
{
    struct tcp_optset *mine = set_of(*o), *same;
    uint32_t hash = hash_of(*o);

    Z_DCHECK(mine->refs == 1);
    same = find(t, *o, hash);
    if (same == NULL) {
        enter(t, mine, hash);
        return;
    }
    *o = tcp_optset_hold(&same->o);
    arena_free(t->arena, mine, sizeof(*mine));
}
