/* A family-neutral address: 16 bytes; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). The bytes are in wire order. */
#ifndef BASE_INADDR_H
#define BASE_INADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct inaddr {
    union {
        uint8_t b[16];
        uint32_t w[4];
        uint64_t q[2];
    };
};

/* v4: host byte order */
static inline struct inaddr inaddr_v4(uint32_t v4)
{
    struct inaddr a;

    a.q[0] = 0;
    a.w[2] = __builtin_bswap32(0x0000ffffu);
    a.w[3] = __builtin_bswap32(v4);
    return a;
}

static inline uint32_t inaddr_to_v4(const struct inaddr *a)
{
    return __builtin_bswap32(a->w[3]);
}

static inline bool inaddr_eq(const struct inaddr *a, const struct inaddr *b)
{
    return ((a->q[0] ^ b->q[0]) | (a->q[1] ^ b->q[1])) == 0;
}

/* 0.0.0.0 or :: */
static inline bool inaddr_is_any(const struct inaddr *a)
{
    return a->q[0] == 0 && (a->q[1] == 0 || (a->w[2] == __builtin_bswap32(0x0000ffffu) && a->w[3] == 0));
}

static inline bool inaddr_is_v4(const struct inaddr *a)
{
    return a->q[0] == 0 && a->w[2] == __builtin_bswap32(0x0000ffffu);
}

#define INADDR_ANY_V4 inaddr_v4(0)

#endif
