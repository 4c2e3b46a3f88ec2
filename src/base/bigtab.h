/*
 * Zeroed memory too large for the arena, and the arena itself: plain mmap, touched on demand, made once at start. In pages of 2 MB where
 * the system has them to give (transparent hugepages): with very many connections each busy one is in another page.
 */
#ifndef BASE_BIGTAB_H
#define BASE_BIGTAB_H

#include <stddef.h>
#include <sys/mman.h>

static inline void *bigtab_alloc(size_t n, size_t size)
{
    void *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    (void)madvise(p, n * size, MADV_HUGEPAGE); /* a kernel without them refuses, and nothing is lost */
    return p;
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
