/* Congestion window validation: pipeACK, the phases, the non-validated period (RFC 7661 section 4). */
#include "unit.h"

#include "base/units.h"
#include "tcp/cwv.h"

#define KB 1000u
#define RTT (100 * NS_PER_MS)
#define START (1000 * NS_PER_SEC)

static uint64_t now;
static uint32_t una;
static struct cwv v;

static int begin(void **state)
{
    (void)state;
    now = START;
    una = (uint32_t)-5000; /* wraps in the first samples */
    cwv_reset(&v, now);
    return 0;
}

/* A round trip: bytes in flight under a window, acknowledged one round trip later, when the window is what cwnd_then says. */
static void round_trip(uint32_t bytes, uint32_t cwnd, uint32_t cwnd_then)
{
    cwv_sent(&v, una, una + bytes, cwnd);
    now += RTT;
    if (bytes > 1)
        assert_false(cwv_acked(&v, una + bytes - 1, cwnd_then, RTT, now));
    una += bytes;
    assert_true(cwv_acked(&v, una, cwnd_then, RTT, now));
    assert_false(cwv_acked(&v, una, cwnd_then, RTT, now)); /* no second sample of the same data */
}

/* 4.1, 4.3: undefined is validated, whatever the window. */
static void undefined_at_first(void **state)
{
    (void)state;
    assert_false(v.defined);
    assert_false(v.unvalidated);
    cwv_idle(&v, 1000 * KB, RTT, now + 3600 * NS_PER_SEC);
    assert_false(v.unvalidated);
    round_trip(10 * KB, 1000 * KB, 1000 * KB);
    assert_true(v.defined);
    assert_true(v.unvalidated);
    cwv_reset(&v, now);
    assert_false(v.defined);
    assert_false(v.unvalidated);
}

/* 4.3: half of the window. */
static void half_of_the_window(void **state)
{
    (void)state;
    round_trip(49 * KB, 100 * KB, 100 * KB);
    assert_true(v.unvalidated);
    round_trip(50 * KB, 100 * KB, 100 * KB);
    assert_false(v.unvalidated);
}

/* The window that doubles while its data are acknowledged is validated by them. */
static void slow_start_is_validated(void **state)
{
    uint32_t cwnd = 10 * KB;

    (void)state;
    for (int i = 0; i < 8; i++, cwnd *= 2) {
        round_trip(cwnd, cwnd, 2 * cwnd);
        assert_false(v.unvalidated);
    }
}

/* 4.2: what was acknowledged counts for at least half of max(3 * RTT, 1 s) and not for longer. */
static void samples_get_old(void **state)
{
    (void)state;
    round_trip(80 * KB, 100 * KB, 100 * KB);
    for (int i = 0; i < 4; i++) {
        round_trip(10 * KB, 100 * KB, 100 * KB);
        assert_false(v.unvalidated);
        assert_int_equal(cwv_used(&v, una, 0), 80 * KB);
    }
    for (int i = 0; i < 6; i++)
        round_trip(10 * KB, 100 * KB, 100 * KB);
    assert_true(v.unvalidated);
    assert_int_equal(cwv_used(&v, una, 0), 10 * KB);
}

/* Nothing was sent for longer than the sampling period: pipeACK is nothing. */
static void idle(void **state)
{
    (void)state;
    round_trip(80 * KB, 100 * KB, 100 * KB);
    assert_int_equal(cwv_age(&v, now + 300 * NS_PER_MS), 286); /* units of 2^20 ns */
    assert_int_equal(cwv_idle_ns(&v, now + 300 * NS_PER_MS), 286ull << 20);
    assert_in_range(cwv_idle_ns(&v, now + CWV_AGE_NS + 300 * NS_PER_SEC), CWV_AGE_NS + 299 * NS_PER_SEC, CWV_AGE_NS + 301 * NS_PER_SEC);
    assert_in_range(cwv_idle_ns(&v, now + 5 * CWV_AGE_NS), 5 * CWV_AGE_NS, 5 * CWV_AGE_NS + NS_PER_SEC);
    cwv_idle(&v, 100 * KB, RTT, now + 300 * NS_PER_MS);
    assert_false(v.unvalidated);
    cwv_idle(&v, 100 * KB, RTT, now + 1100 * NS_PER_MS);
    assert_true(v.unvalidated);
    assert_int_equal(cwv_used(&v, una, 0), 0);
}

/* Which round trips are measured: all of those that use half of the window, and of others the first in each 134 ms. */
static void round_trips_that_count(void **state)
{
    uint64_t epoch = UINT64_C(1) << (20 + CWV_EPOCH_SHIFT);

    (void)state;
    now = 1000 * epoch + 1;
    cwv_reset(&v, now);
    assert_true(cwv_wants(&v, 1 * KB, 100 * KB, now)); /* nothing is known yet */
    round_trip(10 * KB, 100 * KB, 100 * KB);
    assert_false(cwv_wants(&v, 10 * KB, 100 * KB, now));
    assert_true(cwv_wants(&v, 50 * KB, 100 * KB, now));
    now = 1001 * epoch - (UINT64_C(1) << 20);
    assert_false(cwv_wants(&v, 10 * KB, 100 * KB, now));
    assert_false(cwv_acked(&v, una, 100 * KB, RTT, now)); /* acknowledged, and no part of a sample: the time counts */
    now += UINT64_C(1) << 20;
    assert_true(cwv_wants(&v, 10 * KB, 100 * KB, now));
    assert_false(cwv_acked(&v, una, 100 * KB, RTT, now));
    assert_true(cwv_wants(&v, 10 * KB, 100 * KB, now)); /* and in the turn of the acknowledgement */
    cwv_sent(&v, una, una + 10 * KB, 100 * KB);
    assert_false(cwv_wants(&v, 90 * KB, 100 * KB, now)); /* one at a time */
    assert_true(cwv_acked(&v, una + 10 * KB, 100 * KB, RTT, now));
    assert_false(cwv_wants(&v, 10 * KB, 100 * KB, now));
}

/* 4.4.1: Max(pipeACK, FlightSize); what the sample under way has had acknowledged was in flight, too. */
static void what_was_used(void **state)
{
    (void)state;
    round_trip(30 * KB, 100 * KB, 100 * KB);
    assert_int_equal(cwv_used(&v, una, 20 * KB), 30 * KB);
    assert_int_equal(cwv_used(&v, una, 70 * KB), 70 * KB);
    cwv_sent(&v, una, una + 60 * KB, 100 * KB);
    assert_int_equal(cwv_used(&v, una + 55 * KB, 5 * KB), 55 * KB);
}

/* 4.4.3, 4.5.2: one for every five minutes since the window was validated. */
static void periods(void **state)
{
    (void)state;
    round_trip(80 * KB, 100 * KB, 100 * KB);
    assert_int_equal(cwv_periods_over(&v, now + 298 * NS_PER_SEC), 0); /* it counts units of 2^30 ns */
    assert_int_equal(cwv_periods_over(&v, now + 301 * NS_PER_SEC), 1);
    assert_int_equal(cwv_periods_over(&v, now + 302 * NS_PER_SEC), 0);
    assert_int_equal(cwv_periods_over(&v, now + 601 * NS_PER_SEC), 1);
    assert_int_equal(cwv_periods_over(&v, now + 601 * NS_PER_SEC + 40 * 300 * NS_PER_SEC), 40);
    now += 100000 * NS_PER_SEC;
    round_trip(60 * KB, 100 * KB, 100 * KB);
    assert_int_equal(cwv_periods_over(&v, now + 298 * NS_PER_SEC), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(undefined_at_first, begin),
        cmocka_unit_test_setup(half_of_the_window, begin),
        cmocka_unit_test_setup(slow_start_is_validated, begin),
        cmocka_unit_test_setup(samples_get_old, begin),
        cmocka_unit_test_setup(idle, begin),
        cmocka_unit_test_setup(round_trips_that_count, begin),
        cmocka_unit_test_setup(what_was_used, begin),
        cmocka_unit_test_setup(periods, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
