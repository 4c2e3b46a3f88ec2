/* The Internet checksum (RFC 1071). A partial sum is a uint64_t of 16-bit words in wire order, unfolded. */
#ifndef WIRE_CKSUM_H
#define WIRE_CKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/inaddr.h"

/* Adds len bytes to a partial sum; only the last piece of a sum may have odd length unless cksum_add_at is used. */
uint64_t cksum_add(uint64_t sum, const void *p, size_t len);

/* As cksum_add for a piece that starts at an odd or even offset of the whole. */
uint64_t cksum_add_at(uint64_t sum, const void *p, size_t len, size_t offset);

/* Folded and complemented: store this value with memcpy into the checksum field (it is in wire order). */
uint16_t cksum_finish(uint64_t sum);

/* Pseudo-header of IPv4 (host-order addresses). */
uint64_t cksum_pseudo_v4(uint32_t src, uint32_t dst, uint8_t proto, uint32_t l4_len);

/* Of IPv6 (RFC 8200 section 8.1); the addresses' zones are left out. */
uint64_t cksum_pseudo_v6(const struct inaddr *src, const struct inaddr *dst, uint8_t proto, uint32_t l4_len);

/* Of the family that the addresses are of. */
static inline uint64_t cksum_pseudo(const struct inaddr *src, const struct inaddr *dst, uint8_t proto, uint32_t l4_len)
{
    if (inaddr_is_v4(dst))
        return cksum_pseudo_v4(inaddr_to_v4(src), inaddr_to_v4(dst), proto, l4_len);
    return cksum_pseudo_v6(src, dst, proto, l4_len);
}

#endif
