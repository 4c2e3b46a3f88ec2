/* Zeroed tables too large for the arena: plain mmap, touched on demand, made once at start. */
#ifndef BASE_BIGTAB_H
#define BASE_BIGTAB_H

#include <stddef.h>
#include <sys/mman.h>

static inline void *bigtab_alloc(size_t n, size_t size)
{
    void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static inline void bigtab_free(void *p, size_t n, size_t size)
{
    if (p != NULL)
        munmap(p, n * size);
}

/* The smallest power of two that is at least n. */
static inline size_t bigtab_pow2(size_t n)
{
    return n <= 1 ? 1 : (size_t)1 << (64 - __builtin_clzll(n - 1));
}

#endif
