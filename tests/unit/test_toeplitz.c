#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/toeplitz.h"

/* The verification suite of the specification ("Verifying the RSS Hash Calculation"), which cards are tested with. */
static const uint8_t key[TOEPLITZ_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
    int family;
    const char *dst, *src;
    uint16_t dport, sport;
    uint32_t by_addresses, by_ports;
} vectors[] = {
    {AF_INET, "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178},
    {AF_INET, "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea},
    {AF_INET, "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a},
    {AF_INET, "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f},
    {AF_INET, "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2},
    {AF_INET6, "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d},
    {AF_INET6, "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf},
    {AF_INET6, "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251, 0x4b61e985, 0x02d1feef},
};

static void verification_suite(void **state)
{
    struct toeplitz t;

    (void)state;
    toeplitz_init(&t, key);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint32_t a = vectors[i].family == AF_INET ? 4 : 16;
        uint16_t sport = htons(vectors[i].sport), dport = htons(vectors[i].dport);
        uint8_t in[TOEPLITZ_INPUT_MAX];

        assert_int_equal(inet_pton(vectors[i].family, vectors[i].src, in), 1);
        assert_int_equal(inet_pton(vectors[i].family, vectors[i].dst, in + a), 1);
        memcpy(in + 2 * a, &sport, 2);
        memcpy(in + 2 * a + 2, &dport, 2);
        assert_int_equal(toeplitz_hash(&t, in, 2 * a), vectors[i].by_addresses);
        assert_int_equal(toeplitz_hash(&t, in, 2 * a + 4), vectors[i].by_ports);
    }
}

/* The definition, bit by bit. */
static uint32_t simple(const uint8_t *k, const uint8_t *in, uint32_t len)
{
    uint32_t window = (uint32_t)k[0] << 24 | (uint32_t)k[1] << 16 | (uint32_t)k[2] << 8 | k[3], h = 0;

    for (uint32_t bit = 0; bit < 8 * len; bit++) {
        uint32_t next = bit + 32;

        if ((in[bit / 8] & (0x80u >> bit % 8)) != 0)
            h ^= window;
        window = window << 1 | (next / 8 < TOEPLITZ_KEY_BYTES ? ((uint32_t)k[next / 8] >> (7 - next % 8)) & 1u : 0);
    }
    return h;
}

static void as_defined(void **state)
{
    struct toeplitz t;
    uint8_t k[TOEPLITZ_KEY_BYTES], in[TOEPLITZ_INPUT_MAX];
    uint32_t x = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(k); i++)
            k[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
        for (size_t i = 0; i < sizeof(in); i++)
            in[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
        toeplitz_init(&t, k);
        for (uint32_t len = 0; len <= sizeof(in); len++)
            assert_int_equal(toeplitz_hash(&t, in, len), simple(k, in, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verification_suite),
        cmocka_unit_test(as_defined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
