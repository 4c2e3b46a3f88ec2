/*
 * A set of numbers 0 .. n-1 from which the lowest is taken first: POSIX wants the lowest free descriptor. A hierarchy of
 * bitmaps, one bit of a level for each non-zero word of the level below: every operation looks at one word per level.
 */
#ifndef SOCK_IDSET_H
#define SOCK_IDSET_H

#include <stdbool.h>
#include <stdint.h>

#define IDSET_LEVELS 6u /* 64^6 > 2^32 */
#define IDSET_NONE UINT32_MAX

struct idset {
    uint64_t *level[IDSET_LEVELS]; /* level[0]: a bit for each number in the set */
    unsigned levels;
    uint32_t n;
};

/* The full set; 0 or -ENOMEM. Allocates: at start only. */
int idset_init(struct idset *is, uint32_t n);
void idset_fini(struct idset *is);

bool idset_any(const struct idset *is);

/* Takes the lowest number out, IDSET_NONE when the set is empty. */
uint32_t idset_take_lowest(struct idset *is);

/* Takes this number out, which must be in. */
void idset_take(struct idset *is, uint32_t id);

/* Puts back a number that was taken. */
void idset_put(struct idset *is, uint32_t id);

#endif
