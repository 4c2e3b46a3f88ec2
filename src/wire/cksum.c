#include "wire/cksum.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "base/poison.h"

#define BLOCK 64u

typedef uint64_t v2u64 __attribute__((vector_size(16)));

static inline v2u64 load128(const uint8_t *p)
{
    v2u64 v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint16_t load16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/*
 * The sum of all 32-bit words of whole blocks. The plain form is
 *     for each 64-bit x: lo += x & 0xffffffff, hi += x >> 32
 * and this is the same with one operation less: all = sum of x modulo 2^64 = lo + 2^32 hi modulo 2^64, so lo is
 * all - 2^32 hi modulo 2^64, which is exact because lo itself stays below 2^64 for fewer than 2^32 words.
 */
static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
    v2u64 all_a = {0, 0}, all_b = {0, 0}, hi_a = {0, 0}, hi_b = {0, 0};

    for (; blocks > 0; blocks--, p += BLOCK) {
        v2u64 a = load128(p), b = load128(p + 16), c = load128(p + 32), d = load128(p + 48);

        all_a += a;
        hi_a += a >> 32;
        all_b += b;
        hi_b += b >> 32;
        all_a += c;
        hi_a += c >> 32;
        all_b += d;
        hi_b += d >> 32;
    }
    v2u64 hi = hi_a + hi_b;
    v2u64 lo = all_a + all_b - (hi << 32);

    return lo[0] + lo[1] + hi[0] + hi[1];
}

/* RFC 1071 section 2 (C): 32-bit words may be summed instead of 16-bit ones, since 2^16 is 1 modulo 2^16 - 1. */
uint64_t cksum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t blocks = len / BLOCK;

    if (blocks > 0) {
        sum += sum_blocks(p, blocks);
        p += blocks * BLOCK;
        len -= blocks * BLOCK;
    }
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t x = load64(p);

        sum += (x & 0xffffffffu) + (x >> 32);
    }
    if (len >= 4) {
        sum += load32(p);
        p += 4;
        len -= 4;
    }
    if (len >= 2) {
        sum += load16(p);
        p += 2;
        len -= 2;
    }
    if (len > 0)
        sum += htobe16((uint16_t)(*p << 8)); /* padded with a zero byte behind it */
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    return (uint16_t)sum;
}

uint64_t cksum_add_at(uint64_t sum, const void *p, size_t len, size_t offset)
{
    bool odd = (offset & 1) != 0;

    if (!odd)
        return cksum_add(sum, p, len);
    /* RFC 1071 section 2 (B): the sum of byte-swapped words is the byte-swapped sum. */
    return sum + __builtin_bswap16(fold(cksum_add(0, p, len)));
}

uint16_t cksum_finish(uint64_t sum)
{
    return (uint16_t)~fold(sum);
}

uint64_t cksum_pseudo_v4(uint32_t src, uint32_t dst, uint8_t proto, uint32_t l4_len)
{
    return (uint64_t)htobe32(src) + htobe32(dst) + htobe32(proto) + htobe32(l4_len);
}

uint64_t cksum_pseudo_v6(const struct inaddr *src, const struct inaddr *dst, uint8_t proto, uint32_t l4_len)
{
    struct inaddr a[2] = {*src, *dst};

    inaddr_clear_zone(&a[0]);
    inaddr_clear_zone(&a[1]);
    return cksum_add((uint64_t)htobe32(proto) + htobe32(l4_len), a, sizeof(a));
}
