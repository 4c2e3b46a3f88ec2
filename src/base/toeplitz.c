#include "base/toeplitz.h"

#include "base/poison.h"

/* The 32 bits of the key from bit at on. */
static uint32_t key_at(const uint8_t key[TOEPLITZ_KEY_BYTES], uint32_t at)
{
    uint64_t v = 0;

    for (uint32_t i = at / 8; i < at / 8 + 5; i++)
        v = v << 8 | (i < TOEPLITZ_KEY_BYTES ? key[i] : 0);
    return (uint32_t)(v >> (8 - at % 8));
}

void toeplitz_init(struct toeplitz *t, const uint8_t key[TOEPLITZ_KEY_BYTES])
{
    for (uint32_t place = 0; place < 2 * TOEPLITZ_INPUT_MAX; place++)
        for (uint32_t value = 0; value < 16; value++) {
            uint32_t h = 0;

            for (uint32_t bit = 0; bit < 4; bit++)
                if ((value & (8u >> bit)) != 0)
                    h ^= key_at(key, 4 * place + bit);
            t->half[place][value] = h;
        }
}
