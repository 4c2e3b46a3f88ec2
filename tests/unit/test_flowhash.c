/* The keyed hash of the connection table: every input counts, keys matter, tuples as peers choose them spread evenly. */
#include "unit.h"

#include <string.h>

#include "base/flowhash.h"
#include "base/units.h"

static const struct flow_key key = {{0x0123456789abcdefull, 0xfedcba9876543210ull, 0xdeadbeefcafef00dull, 0x5851f42d4c957f2dull}};

/* Half of the result's bits change, give or take, with any single bit of the input or the key. */
static void every_bit_counts(void **state)
{
    struct inaddr l6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 1}}, r6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 2}};
    uint32_t base = flow_hash(&key, &l6, &r6, 80, 40000);

    (void)state;
    for (unsigned i = 0; i < 128; i++) {
        struct inaddr a = l6, b = r6;

        a.b[i / 8] ^= (uint8_t)(1u << i % 8);
        b.b[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_in_range(__builtin_popcount(base ^ flow_hash(&key, &a, &r6, 80, 40000)), 4, 28);
        assert_in_range(__builtin_popcount(base ^ flow_hash(&key, &l6, &b, 80, 40000)), 4, 28);
    }
    for (unsigned i = 0; i < 16; i++) {
        assert_in_range(__builtin_popcount(base ^ flow_hash(&key, &l6, &r6, (uint16_t)(80 ^ 1 << i), 40000)), 4, 28);
        assert_in_range(__builtin_popcount(base ^ flow_hash(&key, &l6, &r6, 80, (uint16_t)(40000 ^ 1 << i))), 4, 28);
    }
    for (unsigned i = 0; i < 256; i++) {
        struct flow_key k = key;

        k.k[i / 64] ^= 1ull << i % 64;
        assert_int_not_equal(flow_hash(&k, &l6, &r6, 80, 40000), base);
    }
}

/* One peer with many ports, many peers with one port: no bucket of 4 096 gets much more than its 16 of 65 536. */
static void spreads(const struct flow_key *k, bool many_ports)
{
    static uint32_t n[4096];
    struct inaddr us = inaddr_v4(0x0a000002);
    uint32_t most = 0;

    memset(n, 0, sizeof(n));
    for (uint32_t i = 0; i < 65536; i++) {
        struct inaddr peer = inaddr_v4(many_ports ? 0x0a000001 : 0x0a010000 + i);
        uint32_t b = flow_hash(k, &us, &peer, 80, many_ports ? (uint16_t)i : 40000) % ARRAY_LEN(n);

        n[b]++;
        most = MAX(most, n[b]);
    }
    assert_in_range(most, 17, 48);
}

static void no_crowded_bucket(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct flow_key k;

        for (unsigned w = 0; w < ARRAY_LEN(k.k); w++)
            k.k[w] = unit_rand(&seed);
        spreads(&k, true);
        spreads(&k, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bit_counts), cmocka_unit_test(no_crowded_bucket)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
