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
    assert_int_equal(rtt_rto(&r, &conf), NS_PER_SEC);
    assert_int_equal(r.srtt_ns, 0);
    assert_int_equal(rtt_min_ns(&r), 0);
    rtt_init(&r, &high);
    assert_int_equal(rtt_rto(&r, &high), 3 * NS_PER_SEC);
}

/* (2.2), (2.3) by hand, with 1/8 and 1/4. */
static void samples(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1, 0);
    assert_int_equal(r.srtt_ns, 80 * NS_PER_MS);
    assert_int_equal(r.rttvar_ns, 40 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min), 240 * NS_PER_MS);
    rtt_sample(&r, &no_min, 160 * NS_PER_MS, 1, 0);
    assert_int_equal(r.rttvar_ns, 50 * NS_PER_MS); /* 3/4 * 40 + 1/4 * |80 - 160| */
    assert_int_equal(r.srtt_ns, 90 * NS_PER_MS);   /* 7/8 * 80 + 1/8 * 160 */
    assert_int_equal(rtt_rto(&r, &no_min), 290 * NS_PER_MS);
    rtt_sample(&r, &no_min, 10 * NS_PER_MS, 1, 0);
    assert_int_equal(r.rttvar_ns, 57500000); /* 3/4 * 50 + 1/4 * 80 */
    assert_int_equal(r.srtt_ns, 80 * NS_PER_MS);
    assert_int_equal(rtt_min_ns(&r), 10 * NS_PER_MS / 1024 * 1024);
    rtt_sample(&r, &no_min, 20 * NS_PER_MS, 1, 0);
    assert_int_equal(rtt_min_ns(&r), 10 * NS_PER_MS / 1024 * 1024);
}

/* (2.3) G: a steady round-trip time does not bring the timeout down to the mean itself. */
static void granularity(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    for (int i = 0; i < 200; i++)
        rtt_sample(&r, &no_min, 50 * NS_PER_MS, 1, 0);
    assert_int_equal(r.srtt_ns, 50 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min), 51 * NS_PER_MS);
}

/* (2.4), (2.5) */
static void bounds(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 20 * NS_PER_US, 1, 0);
    assert_int_equal(rtt_rto(&r, &conf), 200 * NS_PER_MS);
    rtt_sample(&r, &conf, 55 * NS_PER_SEC, 1, 0);
    assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC);
    rtt_sample(&r, &conf, UINT64_MAX, 1, 0);
    assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC);
    assert_true(r.srtt_ns < 60 * NS_PER_SEC);
    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 0, 1, 0); /* within one tick of the clock: still a sample */
    assert_int_equal(r.srtt_ns, 1);
    assert_int_equal(rtt_min_ns(&r), 0);
}

/* RFC 7323 appendix G: n samples in a window weigh about as much as one. */
static void many_samples_per_window(void **state)
{
    (void)state;
    struct rtt one, many;

    rtt_init(&one, &no_min);
    rtt_init(&many, &no_min);
    rtt_sample(&one, &no_min, 80 * NS_PER_MS, 1, 0);
    rtt_sample(&many, &no_min, 80 * NS_PER_MS, 10, 0);
    rtt_sample(&one, &no_min, 160 * NS_PER_MS, 1, 0);
    rtt_sample(&many, &no_min, 160 * NS_PER_MS, 10, 0);
    assert_int_equal(many.srtt_ns, 81 * NS_PER_MS);   /* 80 + 80 / (8 * 10) */
    assert_int_equal(many.rttvar_ns, 41 * NS_PER_MS); /* 40 + 40 / (4 * 10) */
    for (int i = 1; i < 10; i++)
        rtt_sample(&many, &no_min, 160 * NS_PER_MS, 10, 0);
    assert_in_range(many.srtt_ns, one.srtt_ns - NS_PER_MS, one.srtt_ns);
    rtt_init(&many, &no_min);
    rtt_sample(&many, &no_min, 80 * NS_PER_MS, 0, 0); /* 0 counts as 1 */
    rtt_sample(&many, &no_min, 160 * NS_PER_MS, 0, 0);
    assert_int_equal(many.srtt_ns, 90 * NS_PER_MS);
}

/* (5.5) doubling up to the limit, (5.7) back. */
static void backoff(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &conf);
    for (uint64_t want = 1; want < 60; want *= 2) {
        assert_int_equal(rtt_rto(&r, &conf), want * NS_PER_SEC);
        rtt_backoff(&r);
    }
    for (int i = 0; i < 300; i++) {
        assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC);
        rtt_backoff(&r);
    }
    rtt_reset_backoff(&r);
    assert_int_equal(rtt_rto(&r, &conf), NS_PER_SEC);
}

/* RFC 8985 6.2 step 1: the smallest sample is forgotten when the path has been longer for five minutes, not before half of them. */
static void smallest_of_the_last_minutes(void **state)
{
    (void)state;
    struct rtt r;
    uint64_t now = 1000 * NS_PER_SEC, short_ns = 10 << 20, long_ns = 100 << 20;

    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, short_ns, 1, now);
    for (int s = 1; s < 150; s++) {
        rtt_sample(&r, &conf, long_ns, 1, now + (uint64_t)s * NS_PER_SEC);
        assert_int_equal(rtt_min_ns(&r), short_ns);
    }
    for (int s = 150; s <= 301; s++)
        rtt_sample(&r, &conf, long_ns, 1, now + (uint64_t)s * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&r), long_ns);
    rtt_sample(&r, &conf, short_ns, 1, now + 302 * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&r), short_ns);
    assert_int_equal(rtt_min_ns(&r), short_ns); /* a day without a sample says nothing */
    rtt_sample(&r, &conf, long_ns, 1, now + 90000 * NS_PER_SEC);
    assert_int_equal(rtt_min_ns(&r), long_ns);
}

/* RFC 4015 3.2 steps (0) and (11): SRTT_prev has two clock ticks more; the larger of then and now counts. */
static void wary_after_a_spurious_timeout(void **state)
{
    (void)state;
    struct rtt r;
    struct rtt_prev prev;
    uint64_t unit = 1 << 10;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1, 0); /* 80, 40 */
    rtt_timeout(&r, &prev);
    assert_false(r.wary);
    rtt_spurious(&r);
    assert_true(r.wary);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1, 0); /* of older data: the mean as before */
    assert_true(r.wary);
    rtt_sample_wary(&r, &prev, &no_min, 300 * NS_PER_MS, 0);
    assert_false(r.wary);
    assert_int_equal(r.srtt_ns, 300 * NS_PER_MS);
    assert_int_equal(r.rttvar_ns, 150 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min), 900 * NS_PER_MS);

    rtt_timeout(&r, &prev);
    rtt_spurious(&r);
    rtt_sample_wary(&r, &prev, &no_min, 10 * NS_PER_MS, 0); /* shorter than it was: no reason to hurry */
    assert_in_range(r.srtt_ns, 302 * NS_PER_MS - unit, 302 * NS_PER_MS);
    assert_in_range(r.rttvar_ns, 150 * NS_PER_MS - unit, 150 * NS_PER_MS);
    assert_in_range(rtt_min_ns(&r), 10 * NS_PER_MS - unit, 10 * NS_PER_MS);

    rtt_spurious(&r);
    rtt_timeout(&r, &prev); /* another one, which may be real */
    assert_false(r.wary);
    rtt_sample_wary(&r, &prev, &conf, UINT64_MAX, 0);
    assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC); /* (2.5) holds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_timeout),
        cmocka_unit_test(samples),
        cmocka_unit_test(granularity),
        cmocka_unit_test(bounds),
        cmocka_unit_test(many_samples_per_window),
        cmocka_unit_test(backoff),
        cmocka_unit_test(smallest_of_the_last_minutes),
        cmocka_unit_test(wary_after_a_spurious_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
