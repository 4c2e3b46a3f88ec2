/*
 * The interface of base/arena.h over malloc, for unit tests of mechanisms: blocks have the exact size asked for, so
 * AddressSanitizer sees overruns, use after free and leaks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > ARENA_MAX_BLOCK || (a->fail_after != 0 && --a->fail_after == 0)) {
        a->failures++;
        return NULL;
    }
    a->used_bytes += size;
    return calloc(1, size);
}

void *arena_alloc_dirty(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);

    return p != NULL ? memset(p, 0xa5, size) : NULL;
}

void arena_free(struct arena *a, void *p, size_t size)
{
    if (!p)
        return;
    a->used_bytes -= size;
    free(p);
}
