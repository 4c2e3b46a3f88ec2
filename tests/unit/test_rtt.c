#include "unit.h"

#include "base/units.h"
#include "tcp/rtt.h"

static const struct rtt_conf conf = {.min_ns = 200 * NS_PER_MS, .max_ns = 60 * NS_PER_SEC, .initial_ns = NS_PER_SEC};
static const struct rtt_conf no_min = {.min_ns = 1, .max_ns = 60 * NS_PER_SEC, .initial_ns = NS_PER_SEC};

/* RFC 6298 (2.1) */
static void initial_timeout(void **state)
{
    (void)state;
    struct rtt r;
    struct rtt_conf high = {.min_ns = 3 * NS_PER_SEC, .max_ns = 60 * NS_PER_SEC, .initial_ns = NS_PER_SEC};

    rtt_init(&r, &conf);
    assert_int_equal(rtt_rto(&r, &conf, 0), NS_PER_SEC);
    assert_int_equal(rtt_srtt_ns(&r), 0);
    rtt_init(&r, &high);
    assert_int_equal(rtt_rto(&r, &high, 0), 3 * NS_PER_SEC);
}

/* (2.2), (2.3) by hand, with 1/8 and 1/4. */
static void samples(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1);
    assert_int_equal(rtt_srtt_ns(&r), 80 * NS_PER_MS);
    assert_int_equal(rtt_rttvar_ns(&r), 40 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min, 0), 240 * NS_PER_MS);
    rtt_sample(&r, &no_min, 160 * NS_PER_MS, 1);
    assert_int_equal(rtt_rttvar_ns(&r), 50 * NS_PER_MS); /* 3/4 * 40 + 1/4 * |80 - 160| */
    assert_int_equal(rtt_srtt_ns(&r), 90 * NS_PER_MS);   /* 7/8 * 80 + 1/8 * 160 */
    assert_int_equal(rtt_rto(&r, &no_min, 0), 290 * NS_PER_MS);
    rtt_sample(&r, &no_min, 10 * NS_PER_MS, 1);
    assert_in_range(rtt_rttvar_ns(&r), 57500000 - 64, 57500000); /* 3/4 * 50 + 1/4 * 80, in units of 64 ns */
    assert_int_equal(rtt_srtt_ns(&r), 80 * NS_PER_MS);
    rtt_sample(&r, &no_min, 20 * NS_PER_MS, 1);
}

/* (2.3) G: a steady round-trip time does not bring the timeout down to the mean itself. */
static void granularity(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    for (int i = 0; i < 200; i++)
        rtt_sample(&r, &no_min, 50 * NS_PER_MS, 1);
    assert_int_equal(rtt_srtt_ns(&r), 50 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min, 0), 51 * NS_PER_MS);
}

/* (2.4), (2.5) */
static void bounds(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 20 * NS_PER_US, 1);
    assert_int_equal(rtt_rto(&r, &conf, 0), 200 * NS_PER_MS);
    rtt_sample(&r, &conf, 55 * NS_PER_SEC, 1);
    assert_int_equal(rtt_rto(&r, &conf, 0), 60 * NS_PER_SEC);
    rtt_sample(&r, &conf, UINT64_MAX, 1);
    assert_int_equal(rtt_rto(&r, &conf, 0), 60 * NS_PER_SEC);
    assert_true(rtt_srtt_ns(&r) < 60 * NS_PER_SEC);
    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 0, 1); /* within one tick of the clock: still a sample */
    assert_int_equal(r.srtt, 1);
}

/* RFC 7323 appendix G: n samples in a window weigh about as much as one. */
static void many_samples_per_window(void **state)
{
    (void)state;
    struct rtt one, many;

    rtt_init(&one, &no_min);
    rtt_init(&many, &no_min);
    rtt_sample(&one, &no_min, 80 * NS_PER_MS, 1);
    rtt_sample(&many, &no_min, 80 * NS_PER_MS, 10);
    rtt_sample(&one, &no_min, 160 * NS_PER_MS, 1);
    rtt_sample(&many, &no_min, 160 * NS_PER_MS, 10);
    assert_int_equal(rtt_srtt_ns(&many), 81 * NS_PER_MS);   /* 80 + 80 / (8 * 10) */
    assert_int_equal(rtt_rttvar_ns(&many), 41 * NS_PER_MS); /* 40 + 40 / (4 * 10) */
    for (int i = 1; i < 10; i++)
        rtt_sample(&many, &no_min, 160 * NS_PER_MS, 10);
    assert_in_range(rtt_srtt_ns(&many), rtt_srtt_ns(&one) - NS_PER_MS, rtt_srtt_ns(&one));
    rtt_init(&many, &no_min);
    rtt_sample(&many, &no_min, 80 * NS_PER_MS, 0); /* 0 counts as 1 */
    rtt_sample(&many, &no_min, 160 * NS_PER_MS, 0);
    assert_int_equal(rtt_srtt_ns(&many), 90 * NS_PER_MS);
}

/* A fast path: 400 samples per window of 100 us, whose single shares are far less than 64 ns. */
static void samples_of_a_large_window(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 50 * NS_PER_US, 1);
    for (int i = 0; i < 20 * 400; i++)
        rtt_sample(&r, &no_min, 100 * NS_PER_US, 400);
    assert_in_range(rtt_srtt_ns(&r), 99 * NS_PER_US, 100 * NS_PER_US);
    assert_in_range(rtt_rttvar_ns(&r), 0, 10 * NS_PER_US);
    for (int i = 0; i < 20 * 400; i++)
        rtt_sample(&r, &no_min, 40 * NS_PER_US, 400);
    assert_in_range(rtt_srtt_ns(&r), 40 * NS_PER_US - 64, 41 * NS_PER_US);
}

/* (5.5) doubling up to the limit. */
static void backoff(void **state)
{
    (void)state;
    struct rtt r;
    uint8_t n = 0;

    rtt_init(&r, &conf);
    for (uint64_t want = 1; want < 60; want *= 2)
        assert_int_equal(rtt_rto(&r, &conf, n++), want * NS_PER_SEC);
    for (; n <= RTT_BACKOFF_MAX; n++)
        assert_int_equal(rtt_rto(&r, &conf, n), 60 * NS_PER_SEC);
}

/* A mean of more than 64 ns times 2^32 cannot be kept: the timeout goes on to be the largest one. */
static void longer_than_can_be_kept(void **state)
{
    (void)state;
    struct rtt_conf most = {.min_ns = 1, .max_ns = 600 * NS_PER_SEC, .initial_ns = NS_PER_SEC};
    struct rtt r;

    rtt_init(&r, &most);
    rtt_sample(&r, &most, 500 * NS_PER_SEC, 1);
    assert_in_range(rtt_srtt_ns(&r), 274 * NS_PER_SEC, 275 * NS_PER_SEC);
    rtt_sample(&r, &most, 1, 1);
    assert_true(rtt_srtt_ns(&r) < 275 * NS_PER_SEC);
    assert_int_equal(rtt_rto(&r, &most, 0), 600 * NS_PER_SEC);
}

/* RFC 8985 6.2 step 1: the smallest sample is forgotten when the path has been longer for five minutes, not before half of them. */
static void smallest_of_the_last_minutes(void **state)
{
    (void)state;
    struct recent min;
    uint64_t now = 1000 * NS_PER_SEC, short_ns = 10 << 20, long_ns = 100 << 20;

    recent_init(&min);
    assert_int_equal(rtt_min_ns(&min), 0);
    rtt_min_add(&min, &conf, short_ns, now);
    for (uint64_t s = 1; s < 150; s++) {
        rtt_min_add(&min, &conf, long_ns, now + s * NS_PER_SEC);
        assert_int_equal(rtt_min_ns(&min), short_ns);
    }
    for (uint64_t s = 150; s <= 301; s++)
        rtt_min_add(&min, &conf, long_ns, now + s * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&min), long_ns);
    rtt_min_add(&min, &conf, short_ns, now + 302 * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&min), short_ns);
    rtt_min_add(&min, &conf, long_ns, now + 90000 * NS_PER_SEC); /* a day without a sample */
    assert_int_equal(rtt_min_ns(&min), long_ns);
    rtt_min_add(&min, &conf, UINT64_MAX, now + 180000 * NS_PER_SEC);
    assert_in_range(rtt_min_ns(&min), 59 * NS_PER_SEC, 60 * NS_PER_SEC);
    rtt_min_add(&min, &conf, 10 * NS_PER_MS, now + 180000 * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&min), 10 * NS_PER_MS / 1024 * 1024);
}

/* RFC 4015 3.2 steps (0) and (11): SRTT_prev has two clock ticks more; the larger of then and now counts. */
static void wary_after_a_spurious_timeout(void **state)
{
    (void)state;
    struct rtt r, prev;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1); /* 80, 40 */
    prev = rtt_at_timeout(&r);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1); /* of older data: the mean as before */
    rtt_sample_wary(&r, &prev, &no_min, 300 * NS_PER_MS);
    assert_int_equal(rtt_srtt_ns(&r), 300 * NS_PER_MS);
    assert_int_equal(rtt_rttvar_ns(&r), 150 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min, 0), 900 * NS_PER_MS);

    prev = rtt_at_timeout(&r);
    rtt_sample_wary(&r, &prev, &no_min, 10 * NS_PER_MS); /* shorter than it was: no reason to hurry */
    assert_int_equal(rtt_srtt_ns(&r), 302 * NS_PER_MS);
    assert_int_equal(rtt_rttvar_ns(&r), 150 * NS_PER_MS);

    prev = rtt_at_timeout(&r);
    rtt_sample_wary(&r, &prev, &conf, UINT64_MAX);
    assert_int_equal(rtt_rto(&r, &conf, 0), 60 * NS_PER_SEC); /* (2.5) holds */

    rtt_init(&r, &no_min); /* no sample before the timeout: the first one stands for itself */
    prev = rtt_at_timeout(&r);
    rtt_sample_wary(&r, &prev, &no_min, 10 * NS_PER_MS);
    assert_int_equal(rtt_rttvar_ns(&r), 5 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_timeout),
        cmocka_unit_test(samples),
        cmocka_unit_test(granularity),
        cmocka_unit_test(bounds),
        cmocka_unit_test(many_samples_per_window),
        cmocka_unit_test(samples_of_a_large_window),
        cmocka_unit_test(backoff),
        cmocka_unit_test(longer_than_can_be_kept),
        cmocka_unit_test(smallest_of_the_last_minutes),
        cmocka_unit_test(wary_after_a_spurious_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
