/*
 * A family-neutral address: 16 bytes; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). The bytes are in wire order.
 *
 * Zones (RFC 4007): an IPv6 address that means something on one link only carries the number of that link's interface, plus 1,
 * in bytes 2 and 3, which are zero on the wire (as KAME did). So two interfaces may know the same fe80::1, and every
 * table whose key is an address tells them apart. src/ip puts the zone in and takes it out; src/api translates sin6_scope_id.
 */
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

/* The first n bits of a word in wire order, n from 0 to 64. */
static inline uint64_t inaddr_first_bits(unsigned n)
{
    return n == 0 ? 0 : __builtin_bswap64(UINT64_MAX << (64 - n));
}

/* The first plen bits of a, the others 0; IPv4: 96 more than the mask has. */
static inline struct inaddr inaddr_prefix(const struct inaddr *a, unsigned plen)
{
    struct inaddr p;

    p.q[0] = a->q[0] & inaddr_first_bits(plen < 64 ? plen : 64);
    p.q[1] = a->q[1] & inaddr_first_bits(plen > 64 ? plen - 64 : 0);
    return p;
}

/* Do the first plen bits of a agree with prefix? */
static inline bool inaddr_covers(const struct inaddr *prefix, unsigned plen, const struct inaddr *a)
{
    struct inaddr p = inaddr_prefix(prefix, plen), of_a = inaddr_prefix(a, plen);

    return inaddr_eq(&p, &of_a);
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
#define INADDR_ANY_V6 ((struct inaddr){.q = {0, 0}})
#define INADDR_LOOPBACK_V6 ((struct inaddr){.b = {[15] = 1}})

/* ::1 */
static inline bool inaddr_is_v6_loopback(const struct inaddr *a)
{
    return a->q[0] == 0 && a->w[2] == 0 && a->w[3] == __builtin_bswap32(1);
}

/* fe80::/10 */
static inline bool inaddr_is_v6_linklocal(const struct inaddr *a)
{
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* ff00::/8 */
static inline bool inaddr_is_v6_multicast(const struct inaddr *a)
{
    return a->b[0] == 0xff;
}

/* 224.0.0.0/4 or ff00::/8 */
static inline bool inaddr_is_multicast(const struct inaddr *a)
{
    return inaddr_is_v4(a) ? a->b[12] >> 4 == 14 : inaddr_is_v6_multicast(a);
}

/* Means something on one link only: link-local unicast, interface-local and link-local groups (RFC 4291 2.5.6, 2.7). */
static inline bool inaddr_has_zone(const struct inaddr *a)
{
    return inaddr_is_v6_linklocal(a) || (inaddr_is_v6_multicast(a) && ((a->b[1] & 0x0f) == 1 || (a->b[1] & 0x0f) == 2));
}

/* 1 + index of the interface; 0: none given, or none needed. */
static inline uint16_t inaddr_zone(const struct inaddr *a)
{
    uint32_t zone = (uint32_t)a->b[2] << 8 | a->b[3];

    return inaddr_has_zone(a) ? (uint16_t)zone : (uint16_t)0;
}

/* No effect on an address that has no zone. */
static inline void inaddr_set_zone(struct inaddr *a, uint16_t zone)
{
    if (!inaddr_has_zone(a))
        return;
    a->b[2] = (uint8_t)(zone >> 8);
    a->b[3] = (uint8_t)zone;
}

/* As it stands on the wire. */
static inline void inaddr_clear_zone(struct inaddr *a)
{
    inaddr_set_zone(a, 0);
}

#endif
