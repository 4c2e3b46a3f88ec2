#include "base/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/bigtab.h"
#include "base/check.h"
#include "base/units.h"

/* The macros of this header do nothing without AddressSanitizer; with it, a use of a freed block is reported. */
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>

#include "base/poison.h"
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

_Static_assert((size_t)ARENA_MIN_BLOCK << 4 << (ARENA_CLASSES - 17) / 8 == ARENA_MAX_BLOCK, "classes end at the largest block");

size_t arena_class_bytes(size_t size)
{
    return size > ARENA_MAX_BLOCK ? 0 : arena_bytes_of(arena_class(size));
}

int arena_init(struct arena *a, size_t limit_bytes)
{
    memset(a, 0, sizeof(*a));
    if (limit_bytes > ARENA_LIMIT_MAX)
        return -ENOMEM;
    a->base = bigtab_alloc(1, limit_bytes);
    if (a->base == NULL)
        return -ENOMEM;
    a->limit_bytes = limit_bytes;
    return 0;
}

void arena_fini(struct arena *a)
{
    if (a->base != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->top_bytes);
        bigtab_free(a->base, 1, a->limit_bytes);
    }
    memset(a, 0, sizeof(*a));
}

static void push(struct arena *a, unsigned class, void *p)
{
    struct arena_free *f = p;

    f->next = a->free[class];
    a->free[class] = f;
    ASAN_POISON_MEMORY_REGION(p, arena_bytes_of(class));
}

static void *pop(struct arena *a, unsigned class)
{
    struct arena_free *f = a->free[class];

    if (f == NULL)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(f, arena_bytes_of(class));
    a->free[class] = f->next;
    return f;
}

/*
 * Only when the range is used up: a free block of a larger class is cut for good, and what is left of it goes to the free lists in
 * pieces as large as they come.
 */
static void *split_larger(struct arena *a, unsigned class)
{
    unsigned c = class + 1;
    size_t left;
    char *p, *rest;

    while (c < ARENA_CLASSES && (c == ARENA_CLASS_96 || a->free[c] == NULL))
        c++;
    if (c >= ARENA_CLASSES)
        return NULL;
    p = pop(a, c);
    rest = p + arena_bytes_of(class);
    left = arena_bytes_of(c) - arena_bytes_of(class);
    while (left > 0) {
        while (arena_bytes_of(c) > left)
            c--;
        push(a, c, rest);
        rest += arena_bytes_of(c);
        left -= arena_bytes_of(c);
    }
    return p;
}

/* A block from what no class has yet, or from a larger one. */
static void *cut(struct arena *a, unsigned class, bool *fresh)
{
    size_t bytes = arena_bytes_of(class);
    void *p;

    if (class == ARENA_CLASS_96) { /* the other half of a pair is the next one; everything else stays aligned to 64 */
        p = pop(a, arena_class(2 * bytes));
        if (p == NULL)
            p = cut(a, arena_class(2 * bytes), fresh);
        if (p != NULL)
            push(a, class, (char *)p + bytes);
        return p;
    }
    if (a->limit_bytes - a->top_bytes < bytes)
        return split_larger(a, class);
    p = a->base + a->top_bytes;
    a->top_bytes += bytes;
    *fresh = true;
    return p;
}

/* A block; *fresh: it was never used, and is zero. */
static void *take(struct arena *a, size_t size, bool *fresh)
{
    unsigned class;
    void *p;

    *fresh = false;
    if (unlikely(a->fail_after != 0) && --a->fail_after == 0)
        return NULL;
    if (unlikely(size > ARENA_MAX_BLOCK))
        return NULL;
    class = arena_class(size);
    p = pop(a, class);
    if (unlikely(p == NULL)) {
        p = cut(a, class, fresh);
        if (p == NULL) {
            a->failures++;
            return NULL;
        }
    }
    a->used_bytes += arena_bytes_of(class);
    return p;
}

void *arena_alloc_dirty(struct arena *a, size_t size)
{
    bool fresh;

    return take(a, size, &fresh);
}

void *arena_alloc(struct arena *a, size_t size)
{
    bool fresh;
    void *p = take(a, size, &fresh);

    return p == NULL || fresh ? p : memset(p, 0, arena_bytes_of(arena_class(size)));
}

void arena_free(struct arena *a, void *p, size_t size)
{
    unsigned class;
    size_t at;

    if (p == NULL)
        return;
    Z_CHECK(size <= ARENA_MAX_BLOCK);
    class = arena_class(size);
    at = (size_t)((char *)p - a->base);
    Z_CHECK(at < a->top_bytes && at % (ARENA_MIN_BLOCK / 2) == 0 && a->used_bytes >= arena_bytes_of(class));
    a->used_bytes -= arena_bytes_of(class);
    push(a, class, p);
}
