#include "unit.h"

#include "wire/cksum.h"

/* RFC 1071 section 1, as written: 16-bit words in wire order. */
static uint16_t naive(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* The value that the bytes of the checksum field spell. */
static uint16_t wire_value(uint64_t sum)
{
    uint16_t v = cksum_finish(sum);
    uint8_t b[2];

    memcpy(b, &v, 2);
    return (uint16_t)(b[0] << 8 | b[1]);
}

static void rfc1071_example(void **state)
{
    (void)state;
    static const uint8_t p[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    assert_int_equal(wire_value(cksum_add(0, p, 8)), (uint16_t)~0xddf2);
    assert_int_equal(wire_value(cksum_add(0, p, 7)), naive(p, 7));
    assert_int_equal(wire_value(cksum_add(0, p, 0)), 0xffff);
}

static void every_length_and_alignment(void **state)
{
    (void)state;
    uint64_t seed = 1;

    for (size_t len = 0; len <= 300; len++) {
        for (size_t align = 0; align < 8; align++) {
            uint8_t *block = malloc(align + len + 1), *p = block + align;

            for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t)unit_rand(&seed);
            uint8_t *exact = malloc(len + 1); /* ends where the piece ends, at an odd address too */
            uint8_t *end_aligned = exact + 1;
            memcpy(end_aligned, p, len);
            assert_int_equal(wire_value(cksum_add(0, p, len)), naive(p, len));
            assert_int_equal(wire_value(cksum_add(0, end_aligned, len)), naive(p, len));
            free(exact);
            free(block);
        }
    }
}

/* All carries at once: nothing may overflow in the lanes. */
static void all_ones_64k(void **state)
{
    (void)state;
    static uint8_t p[65535];

    memset(p, 0xff, sizeof(p));
    for (size_t len = 65000; len <= sizeof(p); len++)
        assert_int_equal(wire_value(cksum_add(0, p, len)), naive(p, len));
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++)
        sum = cksum_add(sum, p, 65534);
    assert_int_equal(wire_value(sum), 0);
}

static void pieces_at_any_offset(void **state)
{
    (void)state;
    uint64_t seed = 2;
    uint8_t p[700];

    for (int round = 0; round < 20000; round++) {
        size_t len = unit_below(&seed, sizeof(p) + 1), off = 0;
        uint64_t sum = 0;

        for (size_t i = 0; i < len; i++)
            p[i] = round % 4 == 0 ? 0xff : (uint8_t)unit_rand(&seed);
        while (off < len) {
            size_t piece = 1 + unit_below(&seed, (uint32_t)(len - off));

            sum = cksum_add_at(sum, p + off, piece, off);
            off += piece;
        }
        assert_int_equal(wire_value(sum), naive(p, len));
    }
}

/* RFC 1071 section 1: over data that contains its checksum the result is 0. */
static void verifies_to_zero(void **state)
{
    (void)state;
    uint64_t seed = 3;
    uint8_t p[64];

    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < sizeof(p); i++)
            p[i] = (uint8_t)unit_rand(&seed);
        memset(p + 10, 0, 2);
        uint16_t v = cksum_finish(cksum_add(0, p, sizeof(p)));
        memcpy(p + 10, &v, 2);
        assert_int_equal(cksum_finish(cksum_add(0, p, sizeof(p))), 0);
        p[unit_below(&seed, sizeof(p))] ^= 0x10;
        assert_int_not_equal(cksum_finish(cksum_add(0, p, sizeof(p))), 0);
    }
}

static void pseudo_header(void **state)
{
    (void)state;
    static const uint8_t bytes[12] = {10, 1, 2, 3, 192, 168, 200, 254, 0, 17, 0x12, 0x34};
    uint64_t sum = cksum_pseudo_v4(0x0a010203, 0xc0a8c8fe, 17, 0x1234);

    assert_int_equal(wire_value(sum), naive(bytes, sizeof(bytes)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc1071_example),      cmocka_unit_test(every_length_and_alignment), cmocka_unit_test(all_ones_64k),
        cmocka_unit_test(pieces_at_any_offset), cmocka_unit_test(verifies_to_zero),           cmocka_unit_test(pseudo_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
