#include "unit.h"

#include "tcp/cc.h"

#define SMSS 1000u

static struct cc start(uint32_t cwnd, uint32_t ssthresh)
{
    struct cc c;

    cc_init(&c, &cc_reno, SMSS, cwnd, 0);
    if (ssthresh)
        c.ssthresh = ssthresh;
    return c;
}

static void ack(struct cc *c, uint32_t bytes)
{
    struct cc_ack a = {.acked_bytes = bytes, .pipe_bytes = c->cwnd, .cwnd_limited = true};

    c->ops->on_ack(c, &a);
}

static void initial_values(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 0);

    assert_int_equal(c.cwnd, 10 * SMSS);
    assert_int_equal(c.ssthresh, UINT32_MAX);
    assert_string_equal(c.ops->name, "reno");
}

/* RFC 3465 section 2.2, 2.3: by the bytes acknowledged, at most 2 segments per ACK. */
static void slow_start(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 0);

    ack(&c, SMSS);
    assert_int_equal(c.cwnd, 11 * SMSS);
    ack(&c, 2 * SMSS);
    assert_int_equal(c.cwnd, 13 * SMSS);
    ack(&c, 9 * SMSS);
    assert_int_equal(c.cwnd, 15 * SMSS);
    ack(&c, 1); /* ACK division gains nothing */
    assert_int_equal(c.cwnd, 15 * SMSS + 1);
}

/* RFC 2861 and RFC 7661: a window that was not used proves nothing. */
static void no_growth_unless_limited(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 0);
    struct cc_ack a = {.acked_bytes = SMSS, .pipe_bytes = SMSS, .cwnd_limited = false};

    c.ops->on_ack(&c, &a);
    assert_int_equal(c.cwnd, 10 * SMSS);
    c.ssthresh = 5 * SMSS;
    for (int i = 0; i < 100; i++)
        c.ops->on_ack(&c, &a);
    assert_int_equal(c.cwnd, 10 * SMSS);
}

/* One segment per window of acknowledged bytes, however they arrive. */
static void congestion_avoidance(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 10 * SMSS);

    for (int i = 0; i < 9; i++)
        ack(&c, SMSS);
    assert_int_equal(c.cwnd, 10 * SMSS);
    ack(&c, SMSS - 1);
    assert_int_equal(c.cwnd, 10 * SMSS);
    ack(&c, 1);
    assert_int_equal(c.cwnd, 11 * SMSS);
    for (int i = 0; i < 10; i++)
        ack(&c, SMSS);
    assert_int_equal(c.cwnd, 11 * SMSS);
    ack(&c, SMSS);
    assert_int_equal(c.cwnd, 12 * SMSS);
    ack(&c, 100 * SMSS); /* one segment per ACK at most, and no credit for more than a window */
    assert_int_equal(c.cwnd, 13 * SMSS);
    ack(&c, SMSS);
    assert_int_equal(c.cwnd, 14 * SMSS);
    ack(&c, SMSS);
    assert_int_equal(c.cwnd, 14 * SMSS);
}

static void slow_start_ends_at_ssthresh(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 10 * SMSS + 500);

    ack(&c, 2 * SMSS);
    assert_int_equal(c.cwnd, 10 * SMSS + 500);
    for (int i = 0; i < 9; i++) /* 1500 bytes are left over of the first ACK */
        ack(&c, SMSS);
    assert_int_equal(c.cwnd, 11 * SMSS + 500);
}

/* RFC 5681 equation 4, RFC 6675 section 5 (4.2) */
static void loss_and_recovery(void **state)
{
    (void)state;
    struct cc c = start(20 * SMSS, 0);

    c.ops->on_loss(&c, 18 * SMSS, 0);
    assert_int_equal(c.ssthresh, 9 * SMSS);
    assert_int_equal(c.cwnd, 9 * SMSS);
    c.cwnd = 12 * SMSS; /* whatever recovery did with it */
    c.ops->on_recovered(&c, 0);
    assert_int_equal(c.cwnd, 9 * SMSS);
    ack(&c, SMSS); /* congestion avoidance, from zero */
    assert_int_equal(c.cwnd, 9 * SMSS);
    c.ops->on_loss(&c, SMSS, 0);
    assert_int_equal(c.ssthresh, 2 * SMSS);
    assert_int_equal(c.cwnd, 2 * SMSS);
}

/* RFC 5681 section 3.1; RFC 3465 section 2.3: L = 1 in the slow start that follows. */
static void timeout(void **state)
{
    (void)state;
    struct cc c = start(20 * SMSS, 0);

    c.ops->on_rto(&c, 20 * SMSS, true, 0);
    assert_int_equal(c.ssthresh, 10 * SMSS);
    assert_int_equal(c.cwnd, SMSS);
    c.ops->on_rto(&c, SMSS, false, 0); /* again: ssthresh stays */
    assert_int_equal(c.ssthresh, 10 * SMSS);
    assert_int_equal(c.cwnd, SMSS);
    ack(&c, 8 * SMSS);
    assert_int_equal(c.cwnd, 2 * SMSS);
    for (int i = 0; i < 9; i++)
        ack(&c, 2 * SMSS);
    assert_int_equal(c.cwnd, 10 * SMSS); /* reached ssthresh with the eighth; the ninth counts for avoidance */
    c.ssthresh = 20 * SMSS;
    ack(&c, 2 * SMSS); /* that slow start is over: L = 2 again */
    assert_int_equal(c.cwnd, 12 * SMSS);
}

/* The window stays (RFC 7661), and the slow start of a timeout is over: L = 2 again (RFC 3465 section 2.3). */
static void idle(void **state)
{
    (void)state;
    struct cc c = start(10 * SMSS, 0);

    c.cwnd = 50 * SMSS;
    c.ops->on_idle(&c, 0, 0);
    assert_int_equal(c.cwnd, 50 * SMSS);
    c.ops->on_rto(&c, 50 * SMSS, true, 0);
    c.ops->on_idle(&c, 0, 0);
    ack(&c, 8 * SMSS);
    assert_int_equal(c.cwnd, 3 * SMSS);
}

static void cwnd_never_wraps(void **state)
{
    (void)state;
    struct cc c = start((1u << 30) - 100, 0);

    for (int i = 0; i < 10; i++)
        ack(&c, 2 * SMSS);
    assert_int_equal(c.cwnd, 1u << 30);
    c.ssthresh = 1u << 30;
    for (int i = 0; i < 10; i++)
        ack(&c, 1u << 30);
    assert_int_equal(c.cwnd, 1u << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initial_values),
        cmocka_unit_test(slow_start),
        cmocka_unit_test(congestion_avoidance),
        cmocka_unit_test(no_growth_unless_limited),
        cmocka_unit_test(loss_and_recovery),
        cmocka_unit_test(slow_start_ends_at_ssthresh),
        cmocka_unit_test(timeout),
        cmocka_unit_test(idle),
        cmocka_unit_test(cwnd_never_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
