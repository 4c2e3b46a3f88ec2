#include "base/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

/* The macros of this header do nothing without AddressSanitizer; with it, a use of a freed block is reported. */
#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>

#include "base/poison.h"
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

_Static_assert(ARENA_MIN_BLOCK << (ARENA_CLASSES - 1) == ARENA_MAX_BLOCK, "classes end at the largest block");

struct arena_free {
    struct arena_free *next;
};

static unsigned class_of(size_t size)
{
    if (size <= ARENA_MIN_BLOCK)
        return 0;
    return (unsigned)(__builtin_clzll(ARENA_MIN_BLOCK - 1) - __builtin_clzll((size - 1) | (ARENA_MIN_BLOCK - 1)));
}

static size_t class_bytes(unsigned class)
{
    return (size_t)ARENA_MIN_BLOCK << class;
}

size_t arena_class_bytes(size_t size)
{
    return size > ARENA_MAX_BLOCK ? 0 : class_bytes(class_of(size));
}

int arena_init(struct arena *a, size_t limit_bytes)
{
    void *p;

    memset(a, 0, sizeof(*a));
    p = mmap(NULL, limit_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -ENOMEM;
    a->base = p;
    a->limit_bytes = limit_bytes;
    return 0;
}

void arena_fini(struct arena *a)
{
    if (a->base != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(a->base, a->top_bytes);
        munmap(a->base, a->limit_bytes);
    }
    memset(a, 0, sizeof(*a));
}

static void push(struct arena *a, unsigned class, void *p)
{
    struct arena_free *f = p;

    f->next = a->free[class];
    a->free[class] = f;
    ASAN_POISON_MEMORY_REGION(p, class_bytes(class));
}

static void *pop(struct arena *a, unsigned class)
{
    struct arena_free *f = a->free[class];

    if (f == NULL)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(f, class_bytes(class));
    a->free[class] = f->next;
    return f;
}

/* Only when the range is used up: a free block of a larger class is halved for good, the other halves go to the free lists. */
static void *split_larger(struct arena *a, unsigned class)
{
    unsigned c = class + 1;
    char *p;

    while (c < ARENA_CLASSES && a->free[c] == NULL)
        c++;
    if (c >= ARENA_CLASSES)
        return NULL;
    p = pop(a, c);
    while (c-- > class)
        push(a, c, p + class_bytes(c));
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    unsigned class;
    size_t bytes;
    void *p;

    if (a->fail_after != 0 && --a->fail_after == 0)
        return NULL;
    if (size > ARENA_MAX_BLOCK)
        return NULL;
    class = class_of(size);
    bytes = class_bytes(class);
    p = pop(a, class);
    if (p == NULL && a->limit_bytes - a->top_bytes >= bytes) {
        a->used_bytes += bytes;
        p = a->base + a->top_bytes;
        a->top_bytes += bytes;
        return p; /* fresh pages are zero */
    }
    if (p == NULL)
        p = split_larger(a, class);
    if (p == NULL) {
        a->failures++;
        return NULL;
    }
    a->used_bytes += bytes;
    return memset(p, 0, bytes);
}

void arena_free(struct arena *a, void *p, size_t size)
{
    unsigned class;
    size_t at;

    if (p == NULL)
        return;
    Z_CHECK(size <= ARENA_MAX_BLOCK);
    class = class_of(size);
    at = (size_t)((char *)p - a->base);
    Z_CHECK(at < a->top_bytes && at % ARENA_MIN_BLOCK == 0 && a->used_bytes >= class_bytes(class));
    a->used_bytes -= class_bytes(class);
    push(a, class, p);
}
