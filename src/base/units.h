/* Units of time and small integer helpers. Times are unsigned nanoseconds on a clock that only moves forward. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SEC UINT64_C(1000000000)

/* "No deadline": later than every time that occurs. */
#define NS_NEVER UINT64_MAX

#define KIB 1024u
#define MIB (1024u * 1024u)

/*
 * Each argument is evaluated once, so it may have effects. The counter gives every use names of its own: in one of a use's arguments
 * another use does not shadow the first.
 */
#define MIN(a, b) PICK_NAMED(a, <, b, __COUNTER__)
#define MAX(a, b) PICK_NAMED(a, >, b, __COUNTER__)
#define PICK_NAMED(a, op, b, n) PICK(a, op, b, n)
#define PICK(a, op, b, n)                                                                                                                  \
    __extension__({                                                                                                                        \
        __auto_type pick_a_##n = (a);                                                                                                      \
        __auto_type pick_b_##n = (b);                                                                                                      \
        pick_a_##n op pick_b_##n ? pick_a_##n : pick_b_##n;                                                                                \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of_ptr(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
