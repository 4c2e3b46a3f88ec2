/* SYN cookies: what goes in comes out, nothing else does, and not for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tcp/syncookie.h"

static const uint8_t key[16] = {1, 2, 3}, other_key[16] = {1, 2, 4};

static struct tcp_entry tuple(void)
{
    return (struct tcp_entry){.laddr = inaddr_v4(0x0a000001), .raddr = inaddr_v4(0x0a000002), .lport = 80, .rport = 5000};
}

static void mss_comes_back_not_larger(void **state)
{
    struct tcp_entry e = tuple();

    (void)state;
    for (uint32_t mss = 64; mss <= 65535; mss++) {
        uint32_t c = syncookie_make(key, &e, 7, (uint16_t)mss, NS_PER_SEC);
        uint16_t got;

        assert_true(syncookie_check(key, &e, 7, c, NS_PER_SEC, &got));
        assert_true(got <= mss && (mss > 9000 || mss < 536 || got >= mss / 7));
    }
    for (unsigned i = 0; i < 4; i++) {
        static const uint16_t exact[] = {536, 1220, 1440, 1460};
        uint16_t got;

        assert_true(syncookie_check(key, &e, 7, syncookie_make(key, &e, 7, exact[i], 0), 0, &got));
        assert_int_equal(got, exact[i]);
    }
}

static void everything_is_part_of_it(void **state)
{
    struct tcp_entry e = tuple(), x;
    uint32_t c = syncookie_make(key, &e, 7, 1460, NS_PER_SEC);
    uint16_t mss;

    (void)state;
    assert_false(syncookie_check(other_key, &e, 7, c, NS_PER_SEC, &mss));
    assert_false(syncookie_check(key, &e, 8, c, NS_PER_SEC, &mss));
    x = e, x.lport++;
    assert_false(syncookie_check(key, &x, 7, c, NS_PER_SEC, &mss));
    x = e, x.rport++;
    assert_false(syncookie_check(key, &x, 7, c, NS_PER_SEC, &mss));
    x = e, x.laddr.b[0] = 0x20;
    assert_false(syncookie_check(key, &x, 7, c, NS_PER_SEC, &mss));
    x = e, x.raddr.b[15]++;
    assert_false(syncookie_check(key, &x, 7, c, NS_PER_SEC, &mss));
    for (unsigned bit = 0; bit < 32; bit++)
        assert_false(syncookie_check(key, &e, 7, c ^ 1u << bit, NS_PER_SEC, &mss));
}

/* 28 bits: of 4 million guesses none should be right; of 2^28 one. */
static void guesses(void **state)
{
    struct tcp_entry e = tuple();
    struct rng r;
    unsigned right = 0;
    uint16_t mss;

    (void)state;
    rng_seed(&r, 1);
    for (unsigned i = 0; i < 4000000; i++)
        right += syncookie_check(key, &e, 7, (uint32_t)rng_next(&r), NS_PER_SEC, &mss);
    assert_true(right <= 1);
}

static void good_for_one_to_two_periods(void **state)
{
    struct tcp_entry e = tuple();
    uint16_t mss;

    (void)state;
    for (uint64_t at = 0; at < 4 * SYNCOOKIE_PERIOD_NS; at += SYNCOOKIE_PERIOD_NS / 5) {
        uint32_t c = syncookie_make(key, &e, 7, 1460, at);

        for (uint64_t age = 0; age < 6 * SYNCOOKIE_PERIOD_NS; age += SYNCOOKIE_PERIOD_NS / 10) {
            bool good = syncookie_check(key, &e, 7, c, at + age, &mss);

            assert_true(good || age > SYNCOOKIE_PERIOD_NS - SYNCOOKIE_PERIOD_NS / 5);
            assert_true(!good || age < 2 * SYNCOOKIE_PERIOD_NS);
        }
    }
}

static void options_in_the_timestamp(void **state)
{
    static const uint32_t clocks[] = {0, 1, 63, 64, 65, 1000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};

    (void)state;
    for (unsigned k = 0; k < sizeof(clocks) / sizeof(clocks[0]); k++)
        for (unsigned v = 0; v < 64; v++) {
            struct tcp_agreed a = {.ws_on = (v & 15) < 15, .snd_wscale = (v & 15) < 15 ? v & 15 : 0, .sack_on = (v & 16) != 0}, b = {0};
            uint32_t ts = syncookie_ts(clocks[k], &a, (v & 32) != 0);
            bool ecn;

            assert_true(clocks[k] - ts < 128);
            syncookie_ts_options(ts, &b, &ecn);
            assert_int_equal(b.ws_on, a.ws_on);
            assert_int_equal(b.snd_wscale, a.snd_wscale);
            assert_int_equal(b.sack_on, a.sack_on);
            assert_int_equal(ecn, (v & 32) != 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mss_comes_back_not_larger),   cmocka_unit_test(everything_is_part_of_it), cmocka_unit_test(guesses),
        cmocka_unit_test(good_for_one_to_two_periods), cmocka_unit_test(options_in_the_timestamp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
