/*
 * The Toeplitz hash by which network cards spread flows over queues ("receive side scaling", Microsoft's specification): for every bit
 * of the input that is set, the 32 bits of the key that begin at its place.
 *
 * Simple version: for each bit, shift the key and xor. Fast version: the same sums made once for the sixteen values of each half byte at
 * each place; equal because xor is associative.
 */
#ifndef BASE_TOEPLITZ_H
#define BASE_TOEPLITZ_H

#include <stdint.h>

#define TOEPLITZ_INPUT_MAX 36u /* two IPv6 addresses and two ports */
#define TOEPLITZ_KEY_BYTES 40u /* what covers that */

struct toeplitz {
    uint32_t half[2 * TOEPLITZ_INPUT_MAX][16];
};

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_BYTES]);

/* len: at most TOEPLITZ_INPUT_MAX. */
static inline uint32_t toeplitz_hash(const struct toeplitz *t, const uint8_t *in, uint32_t len)
{
    const uint32_t(*half)[16] = t->half;
    uint32_t h = 0;

    for (uint32_t i = 0; i < len; i++, half += 2)
        h ^= half[0][in[i] >> 4] ^ half[1][in[i] & 15];
    return h;
}

#endif
