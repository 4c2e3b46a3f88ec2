/*
 * Fixed-limit memory for connection state: one reserved address range (mmap, MAP_NORESERVE), touched on demand, cut
 * into size classes from 64 bytes to ARENA_MAX_BLOCK (64, 96, 128, then in steps of 64 to 1024: eight to an octave from 512 on) with one
 * free list per class. Never returns memory to the system; never calls malloc; not thread-safe (one arena per stack). When the range is
 * used up, a free block of a larger class is split; blocks are never joined again.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define ARENA_MIN_BLOCK 64u
#define ARENA_MAX_BLOCK (1024u * 1024u)
#define ARENA_CLASSES 97
#define ARENA_LIMIT_MAX (64ull << 30) /* every block has a number of 32 bits: arena_ref() */
#define ARENA_CLASS_96 1u             /* the only one that is no multiple of 64: cut in pairs */

struct arena_free {
    struct arena_free *next;
};

struct arena {
    char *base;
    size_t limit_bytes; /* reserved range */
    size_t top_bytes;   /* bytes cut so far: an upper bound of resident memory */
    size_t used_bytes;  /* bytes in blocks that are allocated now (class sizes) */
    struct arena_free *free[ARENA_CLASSES];
    uint64_t failures;   /* allocations refused because the range was full */
    uint64_t fail_after; /* fault injection: 0 = off, else the n-th allocation from now fails, once */
};

/* 0, or -ENOMEM when the range cannot be reserved; more than ARENA_LIMIT_MAX cannot. */
int arena_init(struct arena *a, size_t limit_bytes);
void arena_fini(struct arena *a);

/* The class of a size: its free list. size <= ARENA_MAX_BLOCK. */
static inline unsigned arena_class(size_t size)
{
    size_t units = (size + ARENA_MIN_BLOCK - 1) / ARENA_MIN_BLOCK;
    unsigned octave;

    if (units <= 2)
        return units < 2 ? 0 : size <= 96 ? ARENA_CLASS_96 : 2;
    if (units <= 8)
        return (unsigned)units;
    octave = 63u - (unsigned)__builtin_clzll(units - 1); /* 2^octave < units <= 2^(octave + 1) */
    return 8 * (octave - 3) + (unsigned)((units - 1) >> (octave - 3)) + 1;
}

static inline size_t arena_bytes_of(unsigned class)
{
    if (class <= 8)
        return class == ARENA_CLASS_96 ? 96 : ARENA_MIN_BLOCK * (size_t)(class == 0 ? 1 : class);
    return (size_t)(ARENA_MIN_BLOCK * ((class - 1) % 8 + 9u)) << ((class - 1) / 8 - 1);
}

/* Zeroed memory of at least size bytes, aligned to 64 (of 65 to 96 bytes: to 32); NULL when the limit is reached or size > ARENA_MAX_BLOCK.
 */
void *arena_alloc(struct arena *a, size_t size);

/* The same, not zeroed. */
void *arena_alloc_dirty(struct arena *a, size_t size);

/* size: any value that maps to the same class as the one asked for. p may be NULL. */
void arena_free(struct arena *a, void *p, size_t size);

/* A block by a number of 32 bits, not 0, for tables that many look into: in units of 32 bytes, as blocks are aligned to. */
static inline uint32_t arena_ref(const struct arena *a, const void *p)
{
    return (uint32_t)((size_t)((const char *)p - a->base) / (ARENA_MIN_BLOCK / 2)) + 1;
}

static inline void *arena_at(const struct arena *a, uint32_t ref)
{
    return a->base + (size_t)(ref - 1) * (ARENA_MIN_BLOCK / 2);
}

/* The real size of a block of this size: its class; 0 when size > ARENA_MAX_BLOCK. */
size_t arena_class_bytes(size_t size);

#endif
