#include "ip/pmtu.h"

#include <errno.h>
#include <string.h>

#include "base/siphash.h"
#include "base/units.h"

#include "base/poison.h"

/* RFC 1191 table 7-1. */
static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};

int pmtu_init(struct pmtu_table *t, struct arena *a, uint32_t limit, uint64_t lifetime_ns, const uint8_t key[16])
{
    memset(t, 0, sizeof(*t));
    for (t->n_sets = 1; t->n_sets * PMTU_WAYS < limit; t->n_sets *= 2)
        ;
    t->lifetime_ns = lifetime_ns;
    memcpy(t->key, key, sizeof(t->key));
    t->entry = arena_alloc(a, t->n_sets * PMTU_WAYS * sizeof(*t->entry));
    return t->entry != NULL ? 0 : -ENOMEM;
}

void pmtu_fini(struct pmtu_table *t, struct arena *a)
{
    arena_free(a, t->entry, t->n_sets * PMTU_WAYS * sizeof(*t->entry));
    memset(t, 0, sizeof(*t));
}

/* Keyed: whoever chooses addresses cannot choose whose entry they push out. */
static struct pmtu_entry *set_of(const struct pmtu_table *t, const struct inaddr *dst)
{
    return &t->entry[(siphash13(t->key, dst, sizeof(*dst)) & (t->n_sets - 1)) * PMTU_WAYS];
}

static struct pmtu_entry *find(const struct pmtu_table *t, const struct inaddr *dst)
{
    struct pmtu_entry *e = set_of(t, dst);

    for (unsigned i = 0; i < PMTU_WAYS; i++)
        if (e[i].expires_ns != 0 && inaddr_eq(&e[i].dst, dst))
            return &e[i];
    return NULL;
}

uint16_t pmtu_get(const struct pmtu_table *t, const struct inaddr *dst, uint64_t now_ns)
{
    const struct pmtu_entry *e;

    if (likely(t->n == 0))
        return 0;
    e = find(t, dst);
    return e != NULL && now_ns < e->expires_ns ? e->mtu : 0;
}

/* A free place of the set, or the one that ends first. */
static struct pmtu_entry *place(const struct pmtu_table *t, const struct inaddr *dst)
{
    struct pmtu_entry *e = set_of(t, dst), *best = e;

    for (unsigned i = 1; i < PMTU_WAYS; i++)
        if (e[i].expires_ns < best->expires_ns)
            best = &e[i];
    return best;
}

enum pmtu_change pmtu_set(struct pmtu_table *t, const struct inaddr *dst, uint16_t mtu, uint64_t now_ns)
{
    struct pmtu_entry *e = find(t, dst);
    enum pmtu_change change = PMTU_LOWERED;

    if (e != NULL && now_ns < e->expires_ns) {
        if (mtu > e->mtu)
            return PMTU_NONE;
        if (mtu == e->mtu)
            change = PMTU_NONE;
    } else if (e == NULL) {
        e = place(t, dst);
        if (e->expires_ns == 0)
            t->n++;
        else if (now_ns < e->expires_ns)
            change = PMTU_LOWERED_EVICTED;
    }
    *e = (struct pmtu_entry){.dst = *dst, .mtu = mtu, .expires_ns = now_ns + t->lifetime_ns};
    return change;
}

uint32_t pmtu_expire(struct pmtu_table *t, uint64_t now_ns)
{
    uint32_t n = 0;

    for (uint32_t i = 0; t->n > 0 && i < t->n_sets * PMTU_WAYS; i++) {
        if (t->entry[i].expires_ns == 0 || now_ns < t->entry[i].expires_ns)
            continue;
        t->entry[i].expires_ns = 0;
        t->n--;
        n++;
    }
    return n;
}

uint16_t pmtu_plateau_below(uint32_t len)
{
    for (unsigned i = 0; i < ARRAY_LEN(plateaus); i++)
        if (plateaus[i] < len)
            return plateaus[i];
    return plateaus[ARRAY_LEN(plateaus) - 1];
}
