/*
 * Keyed hash of a connection's addresses and ports, for tables: two multiplications where SipHash takes a hundred instructions. Who
 * does not know the key cannot choose tuples that meet in a bucket; it is no message authentication, and its value is never told.
 */
#ifndef BASE_FLOWHASH_H
#define BASE_FLOWHASH_H

#include <stdint.h>

#include "base/inaddr.h"

struct flow_key {
    uint64_t k[4];
};

/* High and low half of the product, folded: every bit of the result depends on all bits of both factors. */
static inline uint64_t flow_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint32_t flow_hash(const struct flow_key *key, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                                 uint16_t rport)
{
    uint64_t ports = (uint64_t)lport << 16 | rport, h;

    h = flow_mix(raddr->q[1] ^ key->k[0], laddr->q[1] ^ key->k[1]); /* all there is of IPv4 addresses */
    if (__builtin_expect(!inaddr_is_v4(raddr), 0))
        h = flow_mix(raddr->q[0] ^ h, laddr->q[0] ^ key->k[2]);
    return (uint32_t)flow_mix(h ^ key->k[3], ports ^ key->k[2]);
}

#endif
