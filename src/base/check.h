/*
 * Assertions. Z_CHECK states what cannot happen whatever a peer or an application sends; it is always compiled in
 * and aborts with file, line and condition. Z_DCHECK is for checks that cost more than a comparison: it is compiled
 * in debug and sanitizer builds only.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define Z_CHECK(cond)                                                                       \
    do {                                                                                    \
        if (__builtin_expect(!(cond), 0)) {                                                 \
            fprintf(stderr, "zstack: %s:%d: impossible: !(%s)\n", __FILE__, __LINE__, #cond); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

#ifdef NDEBUG
#define Z_DCHECK(cond) ((void)sizeof(cond))
#else
#define Z_DCHECK(cond) Z_CHECK(cond)
#endif

#endif
