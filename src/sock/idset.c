#include "sock/idset.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"

#include "base/poison.h"

#define WORD_SHIFT 6u

static uint32_t words_for(uint32_t bits)
{
    return (bits >> WORD_SHIFT) + ((bits & 63) != 0);
}

int idset_init(struct idset *is, uint32_t n)
{
    size_t total = 0;
    uint32_t bits = n;
    uint64_t *mem;

    is->n = n;
    is->levels = 0;
    do {
        bits = words_for(bits);
        total += bits;
        is->levels++;
    } while (bits > 1);

    mem = calloc(total ? total : 1, sizeof(*mem));
    if (!mem) {
        return -ENOMEM;
    }
    bits = n;
    for (unsigned l = 0; l < is->levels; l++) {
        is->level[l] = mem;
        for (uint32_t i = 0; i < bits; i++) {
            mem[i >> WORD_SHIFT] |= 1ull << (i & 63);
        }
        bits = words_for(bits);
        mem += bits;
    }
    return 0;
}

void idset_fini(struct idset *is)
{
    free(is->level[0]);
    is->level[0] = 0;
}

bool idset_any(const struct idset *is)
{
    return is->level[is->levels - 1][0] != 0; /* the top has one word */
}

void idset_take(struct idset *is, uint32_t id)
{
    for (unsigned l = 0; l < is->levels; l++, id >>= WORD_SHIFT) {
        uint64_t *word = &is->level[l][id >> WORD_SHIFT];

        Z_CHECK(*word & 1ull << (id & 63));
        *word &= ~(1ull << (id & 63));
        if (*word) {
            return;
        }
    }
}

uint32_t idset_take_lowest(struct idset *is)
{
    uint32_t id = 0;

    for (unsigned l = is->levels; l-- > 0;) {
        uint64_t word = is->level[l][id];

        if (!word) {
            return IDSET_NONE; /* only the top word can be empty: a bit above says that the word below is not */
        }
        id = id << WORD_SHIFT | (uint32_t)__builtin_ctzll(word);
    }
    idset_take(is, id);
    return id;
}

void idset_put(struct idset *is, uint32_t id)
{
    Z_CHECK(id < is->n && !(is->level[0][id >> WORD_SHIFT] & 1ull << (id & 63)));
    for (unsigned l = 0; l < is->levels; l++, id >>= WORD_SHIFT) {
        uint64_t *word = &is->level[l][id >> WORD_SHIFT];
        uint64_t before = *word;

        *word |= 1ull << (id & 63);
        if (before) {
            return;
        }
    }
}
