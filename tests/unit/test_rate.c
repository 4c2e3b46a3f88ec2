/* Delivery-rate samples: draft-cheng-iccrg-delivery-rate-estimation section 3. */
#include "unit.h"

#include "base/units.h"
#include "tcp/rate.h"

#define LEN 1000u
#define MS NS_PER_MS

static struct rate r;
static struct rate_stamp st[64];
static uint64_t sent_at[64];
static bool limited[64];

static void send(unsigned i, uint32_t pipe, uint64_t at)
{
    rate_on_sent(&r, &st[i], &limited[i], pipe, LEN, 0, at);
    sent_at[i] = at;
}

static struct rate_sample ack(unsigned i, uint32_t delivered, uint64_t at)
{
    struct rate_acked a = {.st = &st[i], .sent_at_ns = sent_at[i], .app_limited = limited[i], .newly_delivered = delivered};
    struct rate_sample rs;

    rate_on_ack(&r, &a, at, &rs);
    return rs;
}

static int begin(void **state)
{
    (void)state;
    r = (struct rate){0};
    return 0;
}

/* One segment every 10 ms, acknowledged 100 ms later: 100 000 bytes per second. */
static void steady(void **state)
{
    struct rate_sample rs = {0};

    (void)state;
    for (unsigned t = 0; t < 50; t++) {
        if (t >= 10)
            rs = ack(t - 10, LEN, (1000 + t * 10) * MS);
        send(t, MIN(t, 10u) * LEN, (1000 + t * 10) * MS);
    }
    assert_true(rs.valid && !rs.app_limited);
    assert_in_range(rs.rate, 99000, 101000);
    assert_int_equal(rs.rtt_ns, 100 * MS);
    assert_in_range(rs.interval_ns, 99 * MS, 101 * MS);
    assert_int_equal(rs.delivered, 10 * LEN);
}

/* Acknowledgements that come together say no more than the rate of sending. */
static void compressed_acks(void **state)
{
    struct rate_sample rs;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        send(i, i * LEN, (1000 + i * 10) * MS);
    for (unsigned i = 0; i < 10; i++)
        rs = ack(i, LEN, 1200 * MS);
    assert_true(rs.rate <= 110000);
}

/* Segments that leave together say no more than the rate of acknowledging. */
static void burst_sent(void **state)
{
    struct rate_sample rs;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        send(i, i * LEN, 1000 * MS);
    for (unsigned i = 0; i < 10; i++)
        rs = ack(i, LEN, (1100 + i * 10) * MS);
    assert_in_range(rs.rate, 51000, 53000); /* 10 000 bytes in 190 ms */
}

/* A bubble: samples are marked until everything of that time is delivered. */
static void application_limited(void **state)
{
    struct rate_sample rs;

    (void)state;
    send(0, 0, 1000 * MS);
    assert_false(limited[0]);
    rate_app_limited(&r, LEN);
    send(1, LEN, 1010 * MS);
    assert_true(limited[1]);
    rs = ack(0, LEN, 1100 * MS);
    assert_false(rs.app_limited);
    rs = ack(1, LEN, 1110 * MS);
    assert_true(rs.app_limited);
    send(2, 0, 1120 * MS);
    assert_false(limited[2]);
}

/* An interval shorter than the least round-trip time cannot be. */
static void too_short(void **state)
{
    struct rate_sample rs;

    (void)state;
    send(0, 0, 1000 * MS);
    ack(0, LEN, 1100 * MS);
    send(1, 0, 2000 * MS);
    rs = ack(1, LEN, 2100 * MS);
    assert_true(rs.rate > 0);
    struct rate_acked a = {.st = &st[1], .sent_at_ns = 2000 * MS, .retrans = true, .newly_delivered = LEN};
    rate_on_ack(&r, &a, 2050 * MS, &rs);
    assert_int_equal(rs.rate, 0);
    assert_int_equal(rs.rtt_ns, 0); /* Karn */
}

static void losses(void **state)
{
    struct rate_acked a = {.newly_lost = 3 * LEN, .lost_total = 8 * LEN};
    struct rate_sample rs;
    bool lim;

    (void)state;
    rate_on_sent(&r, &st[0], &lim, 9 * LEN, LEN, 5 * LEN, 1000 * MS);
    assert_int_equal(st[0].tx_in_flight, 10 * LEN);
    rate_on_ack(&r, &a, 1050 * MS, &rs); /* nothing delivered */
    assert_false(rs.valid);
    assert_int_equal(rs.newly_lost, 3 * LEN);
    a.st = &st[0];
    a.sent_at_ns = 1000 * MS;
    a.newly_delivered = LEN;
    rate_on_ack(&r, &a, 1100 * MS, &rs);
    assert_int_equal(rs.lost, 3 * LEN);
    assert_int_equal(rs.tx_in_flight, 10 * LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(steady, begin),     cmocka_unit_test_setup(compressed_acks, begin),
        cmocka_unit_test_setup(burst_sent, begin), cmocka_unit_test_setup(application_limited, begin),
        cmocka_unit_test_setup(too_short, begin),  cmocka_unit_test_setup(losses, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
