#include "base/rng.h"

#include "base/poison.h"

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* splitmix64: spreads a seed over the state, as the authors of xoshiro advise; never leaves it all zero. */
void rng_seed(struct rng *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        r->s[i] = z ^ z >> 31;
    }
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Lemire's method: the high half of random * n; the few low halves that would favour some results are drawn again. */
uint32_t rng_below(struct rng *r, uint32_t n)
{
    uint32_t biased = (0u - n) % n;
    uint64_t product;

    do
        product = (rng_next(r) >> 32) * n;
    while ((uint32_t)product < biased);
    return (uint32_t)(product >> 32);
}
