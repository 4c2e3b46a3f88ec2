/* BBR on a path that is a formula: a rate, a round-trip time, a queue; acknowledgements come as the path would send them. */
#include "unit.h"

#include "base/units.h"
#include "tcp/cc_bbr.h"

#define SMSS 1000u
#define RTT (50 * NS_PER_MS)
#define BW 2000000u /* bytes per second: 100 segments in a round trip */
#define BDP 100000u

static struct cc c;
static struct bbr b;
static uint64_t now;
static uint32_t delivered, una, lost_total;

static int begin(void **state)
{
    (void)state;
    memset(&b, 0, sizeof(b));
    now = 10 * NS_PER_SEC;
    delivered = una = lost_total = 0;
    c = (struct cc){.ext = &b};
    cc_init(&c, &cc_bbr, SMSS, 10 * SMSS, now);
    return 0;
}

static struct bbr *state_of(void)
{
    return bbr_of(&c);
}

/*
 * A round trip: what BBR keeps in flight, at most its window, arrives at the rate of the path, or of its pace when that is lower.
 * lost: segments of it that are lost.
 */
static void round_trip(uint32_t lost)
{
    uint32_t flight = MAX(MIN(c.cwnd, 3 * BDP), 4 * SMSS), n = flight / SMSS, prior = delivered;
    uint64_t pace = cc_pacing_rate(&c), rate = pace == 0 ? BW : MIN(pace, (uint64_t)BW), span, rtt;

    rate = MIN(rate, (uint64_t)flight * NS_PER_SEC / RTT);
    rtt = MAX(RTT, (uint64_t)flight * NS_PER_SEC / BW);
    span = (uint64_t)flight * NS_PER_SEC / rate;
    for (uint32_t i = 0; i < n; i++) {
        bool gone = lost > 0 && i % (n / lost) == n / lost - 1;
        struct rate_sample rs = {.valid = !gone, .tx_in_flight = flight, .in_flight = flight - SMSS};

        now += span / n;
        if (gone) {
            lost_total += SMSS;
            rs.newly_lost = SMSS;
        } else {
            delivered += SMSS;
            una += SMSS;
            rs.newly_delivered = SMSS;
            rs.rate = rate;
            rs.rtt_ns = i == 0 ? RTT : rtt;
            rs.interval_ns = rtt;
            rs.delivered = (uint32_t)(rate * rtt / NS_PER_SEC);
            rs.lost = lost * SMSS;
        }
        rs.prior_delivered = prior;
        rs.total_delivered = delivered;
        struct cc_ack a = {.acked_bytes = SMSS, .una = una, .srtt_ns = RTT, .now_ns = now, .cwnd_limited = true, .rs = &rs};

        c.ops->on_ack(&c, &a);
    }
}

static void to_probe_bw(void)
{
    for (int i = 0; i < 60 && !bbr_in_probe_bw(state_of()); i++)
        round_trip(0);
    assert_true(bbr_in_probe_bw(state_of()));
}

/* 5.3.1: STARTUP doubles per round trip until three rounds bring no more; DRAIN; the model is the path. */
static void startup_finds_the_path(void **state)
{
    (void)state;
    assert_int_equal(state_of()->state, BBR_STARTUP);
    round_trip(0);
    round_trip(0);
    assert_int_equal(c.cwnd, 40 * SMSS);
    assert_int_equal(state_of()->pacing_gain, 277);
    to_probe_bw();
    assert_true(state_of()->full_bw_reached);
    assert_in_range(state_of()->max_bw, BW * 97 / 100, BW * 103 / 100);
    assert_int_equal(state_of()->min_rtt_ns, RTT);
    assert_in_range(bbr_bdp(state_of(), state_of()->bw, 100), BDP * 97 / 100, BDP * 103 / 100);
}

/* 5.3.3: all phases of the cycle come by, the pace is the path's with the phase's gain. */
static void cycle(void **state)
{
    uint32_t seen = 0;

    (void)state;
    to_probe_bw();
    for (int i = 0; i < 400; i++) {
        round_trip(0);
        seen |= 1u << state_of()->state;
        if (state_of()->state == BBR_CRUISE)
            assert_in_range(cc_pacing_rate(&c), BW * 96 / 100, BW);
    }
    for (int st = BBR_DOWN; st <= BBR_PROBE_RTT; st++)
        assert_true((seen & 1u << st) != 0);
}

/* 5.3.4: every 5 s the window is half of the product for 200 ms. */
static void probe_rtt(void **state)
{
    uint64_t at = 0;

    (void)state;
    to_probe_bw();
    state_of()->probe_rtt_min_ns = RTT / 2; /* no sample comes that low */
    for (int i = 0; i < 400 && state_of()->state != BBR_PROBE_RTT; i++)
        round_trip(0);
    assert_int_equal(state_of()->state, BBR_PROBE_RTT);
    at = now;
    round_trip(0);
    assert_true(c.cwnd <= BDP * 30 / 100); /* half of what the round-trip time above makes it */
    while (state_of()->state == BBR_PROBE_RTT)
        round_trip(0);
    assert_in_range(now - at, 150 * NS_PER_MS, 500 * NS_PER_MS);
}

/* 1 % is accepted, 10 % while probing is not. */
static void loss(void **state)
{
    (void)state;
    to_probe_bw();
    for (int i = 0; i < 200; i++)
        round_trip(1);
    assert_true(state_of()->bw >= BW * 95 / 100);
    for (int i = 0; i < 200 && state_of()->state != BBR_UP; i++)
        round_trip(1);
    assert_int_equal(state_of()->state, BBR_UP);
    for (int i = 0; i < 3; i++)
        round_trip(20);
    assert_int_not_equal(state_of()->state, BBR_UP);
    assert_true(state_of()->inflight_hi != BBR_INF);
}

static void heavy_loss_lowers_the_bounds(void **state)
{
    uint32_t lo;

    (void)state;
    to_probe_bw();
    for (int i = 0; i < 100 && state_of()->state != BBR_CRUISE; i++)
        round_trip(0);
    round_trip(15);
    round_trip(15);
    round_trip(15);
    lo = state_of()->inflight_lo;
    assert_true(lo != BBR_INF);
    assert_true(state_of()->bw_lo != BBR_INF_BW);
    assert_true(c.cwnd <= lo);
}

/* 5.5.11 */
static void undo(void **state)
{
    uint32_t before;

    (void)state;
    round_trip(0);
    round_trip(0);
    before = c.cwnd;
    c.ops->on_rto(&c, before, true, now);
    assert_int_equal(c.cwnd, SMSS);
    c.ops->on_undo(&c, now);
    assert_int_equal(c.cwnd, before);
    assert_int_equal(state_of()->state, BBR_STARTUP);
}

/* The allowance for chance: of 100 segments two are 2 %, and four are too many; of 16 one is. */
static void significance(void **state)
{
    (void)state;
    assert_false(bbr_lost_much(&c, 2 * SMSS, 100 * SMSS));
    assert_false(bbr_lost_much(&c, 3 * SMSS, 100 * SMSS));
    assert_true(bbr_lost_much(&c, 4 * SMSS, 100 * SMSS));
    assert_false(bbr_lost_much(&c, 24 * SMSS, 1000 * SMSS));
    assert_true(bbr_lost_much(&c, 25 * SMSS, 1000 * SMSS));
    assert_true(bbr_lost_much(&c, SMSS, 16 * SMSS));
    assert_false(bbr_lost_much(&c, 0, 0));
}

/* Nothing but numbers: no division by zero, no window below a segment. */
static void extremes(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t x = unit_rand(&seed);
        uint32_t newly = (uint32_t)(x % 100000);
        struct rate_sample rs = {.valid = x % 3 != 0,
                                 .rate = x % 7 == 0 ? 0 : x >> (x % 60),
                                 .rtt_ns = x % 5 == 0 ? 0 : (x >> 20) % (10 * NS_PER_SEC),
                                 .delivered = (uint32_t)(x >> 8),
                                 .total_delivered = delivered + newly,
                                 .prior_delivered = delivered + newly - (uint32_t)(x % 300000),
                                 .tx_in_flight = (uint32_t)(x >> 33),
                                 .lost = (uint32_t)(x >> 40),
                                 .newly_delivered = newly,
                                 .newly_lost = x % 11 == 0 ? (uint32_t)(x >> 30) : 0,
                                 .in_flight = (uint32_t)(x >> 35),
                                 .app_limited = x % 13 == 0};
        struct cc_ack a = {.now_ns = now += x % NS_PER_SEC, .srtt_ns = x % NS_PER_SEC, .cwnd_limited = x % 2, .rs = &rs};

        delivered += newly;
        if (x % 97 == 0)
            c.ops->on_loss(&c, c.cwnd, now);
        else if (x % 101 == 0)
            c.ops->on_recovered(&c, now);
        else if (x % 503 == 0)
            c.ops->on_rto(&c, c.cwnd, x & 1, now);
        else if (x % 103 == 0)
            c.ops->on_undo(&c, now);
        else if (x % 107 == 0)
            c.ops->on_ecn(&c, c.cwnd, now);
        else if (x % 109 == 0)
            c.ops->on_idle(&c, 0, now);
        else
            c.ops->on_ack(&c, &a);
        assert_in_range(c.cwnd, SMSS, CC_CWND_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(startup_finds_the_path, begin),
        cmocka_unit_test_setup(cycle, begin),
        cmocka_unit_test_setup(probe_rtt, begin),
        cmocka_unit_test_setup(loss, begin),
        cmocka_unit_test_setup(heavy_loss_lowers_the_bounds, begin),
        cmocka_unit_test_setup(undo, begin),
        cmocka_unit_test_setup(significance, begin),
        cmocka_unit_test_setup(extremes, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
