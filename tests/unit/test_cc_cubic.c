/* CUBIC against the closed forms of RFC 9438, HyStart++ against the steps of RFC 9406. */
#include <math.h>

#include "unit.h"

#include "base/units.h"
#include "tcp/cc.h"

#define SMSS 1000u
#define RTT (100 * NS_PER_MS)

static uint64_t now;
static uint32_t una;

static struct cc start(uint32_t cwnd)
{
    struct cc c = {0};

    now = 10 * NS_PER_SEC;
    una = 1000;
    cc_init(&c, &cc_cubic, SMSS, cwnd, now);
    return c;
}

static void ack_with(struct cc *c, uint32_t bytes, uint64_t rtt_ns, bool limited)
{
    una += bytes;
    struct cc_ack a = {.acked_bytes = bytes,
                       .pipe_bytes = c->cwnd,
                       .una = una,
                       .nxt = una + c->cwnd,
                       .cwnd_limited = limited,
                       .srtt_ns = RTT,
                       .now_ns = now,
                       .rtt_ns = rtt_ns};

    c->ops->on_ack(c, &a);
}

/* A round trip: every segment of a window is acknowledged, evenly spread. */
static void round_trip(struct cc *c, bool limited)
{
    uint32_t n = c->cwnd / SMSS;
    uint64_t end = now + RTT;

    for (uint32_t i = 0; i < n; i++) {
        now += RTT / n;
        ack_with(c, SMSS, RTT, limited);
    }
    now = end;
}

static double k_of(double w_max, double cwnd)
{
    return cbrt((w_max - cwnd) / 0.4);
}

/* Section 4.6, 4.7: beta is 0.7; a window below the last maximum gives up more of it. */
static void reduction(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    c.ops->on_loss(&c, 100 * SMSS, now);
    assert_int_equal(c.ssthresh, 70 * SMSS);
    assert_int_equal(c.cwnd, 70 * SMSS);
    c.ops->on_recovered(&c, now);
    assert_int_equal(c.cwnd, 70 * SMSS);
    c.ops->on_loss(&c, 1 * SMSS, now); /* what is in use counts, two segments at least */
    assert_int_equal(c.cwnd, 2 * SMSS);
}

/* Equations 1 and 2: after a loss at W the window is W again after K, and follows the curve before and behind it. */
static void curve(void **state)
{
    (void)state;
    struct cc c = start(500 * SMSS);
    double k = k_of(500, 350), t;

    c.ops->on_loss(&c, 500 * SMSS, now);
    c.ops->on_recovered(&c, now);
    uint64_t began = now + RTT / 350;
    for (int i = 0; i < 140; i++) {
        round_trip(&c, true);
        t = (double)(now - began) / 1e9 + (double)RTT / 1e9; /* the window is the curve's one round trip ahead */
        double want = 0.4 * pow(t - k, 3) + 500;

        assert_true(fabs(c.cwnd / (double)SMSS - want) < 0.02 * want);
    }
    assert_true(k > 7 && k < 7.5);
    assert_true(c.cwnd > 600 * SMSS); /* 14 s: far into the convex region */
}

/* Section 4.3: with a small window Reno is faster; its slope is 0.53 segments per round trip, 1 from cwnd_prior on. */
static void reno_friendly(void **state)
{
    (void)state;
    struct cc c = start(20 * SMSS);
    uint32_t at;

    c.ops->on_loss(&c, 20 * SMSS, now);
    c.ops->on_recovered(&c, now);
    assert_int_equal(c.cwnd, 14 * SMSS);
    for (int i = 0; i < 9; i++)
        round_trip(&c, true);
    assert_true(c.cwnd >= 17 * SMSS && c.cwnd <= 19 * SMSS); /* 14 + 9 * 9/17 = 18.8, whole segments of what was acknowledged */
    for (int i = 0; i < 4; i++)
        round_trip(&c, true);
    at = c.cwnd;
    assert_true(at >= 20 * SMSS);
    for (int i = 0; i < 4; i++)
        round_trip(&c, true);
    assert_true(c.cwnd >= at + 3 * SMSS && c.cwnd <= at + 5 * SMSS);
}

/* Section 4.7: W_max is 0.85 of the window when the last one was larger: K is shorter. */
static void fast_convergence(void **state)
{
    (void)state;
    struct cc c = start(1000 * SMSS), d;

    c.ops->on_loss(&c, 1000 * SMSS, now);
    c.ops->on_recovered(&c, now);
    d = start(700 * SMSS);
    c.ops->on_loss(&c, 700 * SMSS, now);
    c.ops->on_recovered(&c, now);
    d.ops->on_loss(&d, 700 * SMSS, now);
    d.ops->on_recovered(&d, now);
    assert_int_equal(c.cwnd, d.cwnd);
    for (int i = 0; i < 60; i++)
        round_trip(&c, true);
    /* K of W_max = 595 is 6.5 s, of 700 8.1 s */
    assert_true(fabs(c.cwnd / (double)SMSS - 595) < 6);
    now = 10 * NS_PER_SEC;
    for (int i = 0; i < 81; i++)
        round_trip(&d, true);
    assert_true(fabs(d.cwnd / (double)SMSS - 700) < 7);
}

/* Section 4.2: the time in which the application did not use the window is no time. */
static void application_limited_time(void **state)
{
    (void)state;
    struct cc c = start(500 * SMSS), d;

    c.ops->on_loss(&c, 500 * SMSS, now);
    c.ops->on_recovered(&c, now);
    for (int i = 0; i < 10; i++)
        round_trip(&c, true);
    d = c;
    for (int i = 0; i < 100; i++)
        round_trip(&c, false);
    assert_int_equal(c.cwnd, d.cwnd);
    round_trip(&c, true);
    now -= 100 * RTT + RTT;
    round_trip(&d, true);
    assert_true(c.cwnd - d.cwnd < SMSS);
}

/* Section 4.8: after a timeout K is 0 and W_max is where congestion avoidance begins. */
static void timeout(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    c.ops->on_rto(&c, 100 * SMSS, true, now);
    assert_int_equal(c.cwnd, SMSS);
    assert_int_equal(c.ssthresh, 70 * SMSS);
    c.ops->on_rto(&c, SMSS, false, now);
    assert_int_equal(c.ssthresh, 70 * SMSS);
    while (c.cwnd < 70 * SMSS)
        round_trip(&c, true);
    for (int i = 0; i < 20; i++)
        round_trip(&c, true);
    /* 2 s: 0.4 * 2^3 = 3 segments by the curve; Reno's 0.53 a round trip are 10 */
    assert_true(c.cwnd >= 78 * SMSS && c.cwnd <= 84 * SMSS);
}

/* Section 4.9: everything as it was. */
static void undo(void **state)
{
    (void)state;
    struct cc c = start(500 * SMSS), before;

    c.ops->on_loss(&c, 500 * SMSS, now);
    c.ops->on_recovered(&c, now);
    for (int i = 0; i < 30; i++)
        round_trip(&c, true);
    before = c;
    c.ops->on_loss(&c, c.cwnd, now);
    c.ops->on_undo(&c, now);
    assert_int_equal(c.cwnd, before.cwnd);
    assert_int_equal(c.ssthresh, before.ssthresh);
    uint64_t at = now;
    round_trip(&c, true);
    now = at;
    round_trip(&before, true);
    assert_int_equal(c.cwnd, before.cwnd);
    before = c;
    c.ops->on_undo(&c, now); /* once */
    assert_int_equal(c.cwnd, before.cwnd);
}

static void undo_in_slow_start(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS);

    round_trip(&c, true);
    assert_int_equal(c.cwnd, 20 * SMSS);
    c.ops->on_loss(&c, 20 * SMSS, now);
    c.ops->on_undo(&c, now);
    assert_int_equal(c.ssthresh, UINT32_MAX);
    round_trip(&c, true);
    assert_int_equal(c.cwnd, 40 * SMSS);
}

static void round_with(struct cc *c, uint64_t rtt_ns)
{
    uint32_t n = c->cwnd / SMSS;

    for (uint32_t i = 0; i < n; i++)
        ack_with(c, SMSS, rtt_ns, true);
    now += rtt_ns;
}

/* RFC 9406 section 4.2: growing round-trip times end slow start, after five rounds at a quarter of the pace. */
static void hystart(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS);
    uint32_t at, rounds = 0;

    round_with(&c, 100 * NS_PER_MS);
    round_with(&c, 100 * NS_PER_MS);
    assert_int_equal(c.cwnd, 40 * SMSS);
    round_with(&c, 111 * NS_PER_MS); /* an eighth is 12.5 ms: not enough */
    at = c.cwnd;
    assert_int_equal(at, 80 * SMSS);
    round_with(&c, 130 * NS_PER_MS);
    assert_true(c.cwnd < at + at / 2); /* the first eight ACKs count whole, the rest a quarter */
    while (c.ssthresh == UINT32_MAX && rounds < 10) {
        at = c.cwnd;
        round_with(&c, 130 * NS_PER_MS);
        assert_true(c.cwnd <= at + at / 4 + SMSS);
        rounds++;
    }
    assert_true(rounds >= 4 && rounds <= 5);
    assert_true(c.cwnd >= c.ssthresh);
}

/* The round-trip time falls again: it was not a queue. */
static void hystart_resumes(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS);
    uint32_t at;

    round_with(&c, 100 * NS_PER_MS);
    round_with(&c, 100 * NS_PER_MS);
    round_with(&c, 120 * NS_PER_MS);
    assert_true(c.cwnd < 60 * SMSS);
    round_with(&c, 100 * NS_PER_MS);
    at = c.cwnd;
    round_with(&c, 100 * NS_PER_MS);
    assert_int_equal(c.cwnd, 2 * at);
}

static void no_growth_unless_limited(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS);

    round_trip(&c, false);
    assert_int_equal(c.cwnd, 10 * SMSS);
}

/* RFC 8511 */
static void ecn(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    c.ops->on_ecn(&c, 100 * SMSS, now);
    assert_int_equal(c.cwnd, 85 * SMSS);
    assert_int_equal(c.ssthresh, 85 * SMSS);
}

/* 4.2, 5.8: a pause of ten hours is no time; a window that was halved for it (RFC 7661) is found again by slow start. */
static void idle(void **state)
{
    (void)state;
    struct cc c = start(500 * SMSS), d;

    c.ops->on_loss(&c, 500 * SMSS, now);
    c.ops->on_recovered(&c, now);
    for (int i = 0; i < 10; i++)
        round_trip(&c, true);
    d = c;
    now += 36000 * NS_PER_SEC;
    c.ops->on_idle(&c, 36000 * NS_PER_SEC, now);
    assert_int_equal(c.cwnd, d.cwnd);
    round_trip(&c, true);
    now -= 36000 * NS_PER_SEC + RTT;
    round_trip(&d, true);
    assert_true(c.cwnd - d.cwnd < SMSS);

    c.ssthresh = c.cwnd / 4 * 3;
    c.cwnd /= 2;
    c.ops->on_idle(&c, 0, now);
    round_trip(&c, true);
    assert_in_range(c.cwnd, c.ssthresh, c.ssthresh + 5 * SMSS);
}

/* Nothing overflows: large windows, long times, zero round trips. */
static void extremes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct cc c = start(CC_CWND_MAX);

    for (int i = 0; i < 100000; i++) {
        uint64_t r = unit_rand(&seed);

        now += r % 17 == 0 ? (r >> 8) % (100000 * NS_PER_SEC) : r % RTT;
        if (r % 101 == 0)
            c.ops->on_loss(&c, c.cwnd, now);
        else if (r % 1009 == 0)
            c.ops->on_rto(&c, c.cwnd, true, now);
        else if (r % 103 == 0)
            c.ops->on_undo(&c, now);
        else
            ack_with(&c, (uint32_t)((r >> 20) % (1u << 28)), (r >> 10) % NS_PER_SEC, r % 5 != 0);
        assert_true(c.cwnd >= SMSS && c.cwnd <= CC_CWND_MAX);
        if (c.cwnd == SMSS)
            c.cwnd = CC_CWND_MAX;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduction),
        cmocka_unit_test(curve),
        cmocka_unit_test(reno_friendly),
        cmocka_unit_test(fast_convergence),
        cmocka_unit_test(application_limited_time),
        cmocka_unit_test(timeout),
        cmocka_unit_test(undo),
        cmocka_unit_test(undo_in_slow_start),
        cmocka_unit_test(hystart),
        cmocka_unit_test(hystart_resumes),
        cmocka_unit_test(no_growth_unless_limited),
        cmocka_unit_test(ecn),
        cmocka_unit_test(idle),
        cmocka_unit_test(extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
