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
    assert_int_equal(r.min_ns, 0);
    rtt_init(&r, &high);
    assert_int_equal(rtt_rto(&r, &high), 3 * NS_PER_SEC);
}

/* (2.2), (2.3) by hand, with 1/8 and 1/4. */
static void samples(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    rtt_sample(&r, &no_min, 80 * NS_PER_MS, 1);
    assert_int_equal(r.srtt_ns, 80 * NS_PER_MS);
    assert_int_equal(r.rttvar_ns, 40 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min), 240 * NS_PER_MS);
    rtt_sample(&r, &no_min, 160 * NS_PER_MS, 1);
    assert_int_equal(r.rttvar_ns, 50 * NS_PER_MS); /* 3/4 * 40 + 1/4 * |80 - 160| */
    assert_int_equal(r.srtt_ns, 90 * NS_PER_MS);   /* 7/8 * 80 + 1/8 * 160 */
    assert_int_equal(rtt_rto(&r, &no_min), 290 * NS_PER_MS);
    rtt_sample(&r, &no_min, 10 * NS_PER_MS, 1);
    assert_int_equal(r.rttvar_ns, 57500000); /* 3/4 * 50 + 1/4 * 80 */
    assert_int_equal(r.srtt_ns, 80 * NS_PER_MS);
    assert_int_equal(r.min_ns, 10 * NS_PER_MS);
    rtt_sample(&r, &no_min, 20 * NS_PER_MS, 1);
    assert_int_equal(r.min_ns, 10 * NS_PER_MS);
}

/* (2.3) G: a steady round-trip time does not bring the timeout down to the mean itself. */
static void granularity(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &no_min);
    for (int i = 0; i < 200; i++)
        rtt_sample(&r, &no_min, 50 * NS_PER_MS, 1);
    assert_int_equal(r.srtt_ns, 50 * NS_PER_MS);
    assert_int_equal(rtt_rto(&r, &no_min), 51 * NS_PER_MS);
}

/* (2.4), (2.5) */
static void bounds(void **state)
{
    (void)state;
    struct rtt r;

    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 20 * NS_PER_US, 1);
    assert_int_equal(rtt_rto(&r, &conf), 200 * NS_PER_MS);
    rtt_sample(&r, &conf, 55 * NS_PER_SEC, 1);
    assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC);
    rtt_sample(&r, &conf, UINT64_MAX, 1);
    assert_int_equal(rtt_rto(&r, &conf), 60 * NS_PER_SEC);
    assert_true(r.srtt_ns < 60 * NS_PER_SEC);
    rtt_init(&r, &conf);
    rtt_sample(&r, &conf, 0, 1); /* within one tick of the clock: still a sample */
    assert_int_equal(r.srtt_ns, 1);
    assert_int_equal(r.min_ns, 1);
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
    assert_int_equal(many.srtt_ns, 81 * NS_PER_MS);   /* 80 + 80 / (8 * 10) */
    assert_int_equal(many.rttvar_ns, 41 * NS_PER_MS); /* 40 + 40 / (4 * 10) */
    for (int i = 1; i < 10; i++)
        rtt_sample(&many, &no_min, 160 * NS_PER_MS, 10);
    assert_in_range(many.srtt_ns, one.srtt_ns - NS_PER_MS, one.srtt_ns);
    rtt_init(&many, &no_min);
    rtt_sample(&many, &no_min, 80 * NS_PER_MS, 0); /* 0 counts as 1 */
    rtt_sample(&many, &no_min, 160 * NS_PER_MS, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_timeout),         cmocka_unit_test(samples), cmocka_unit_test(granularity), cmocka_unit_test(bounds),
        cmocka_unit_test(many_samples_per_window), cmocka_unit_test(backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
