/* DCTCP against RFC 8257 section 3.3. */
#include "unit.h"

#include "base/units.h"
#include "tcp/cc.h"

#define SMSS 1000u

static uint32_t una;

static struct cc start(uint32_t cwnd)
{
    struct cc c = {0};

    una = 0;
    cc_init(&c, &cc_dctcp, SMSS, cwnd, 1);
    c.ssthresh = cwnd; /* congestion avoidance */
    return c;
}

/* A window of data is acknowledged, the first marked segments of it with ECE; the transport asks once per window. */
static void window(struct cc *c, uint32_t segs, uint32_t marked)
{
    uint32_t nxt = una + segs * SMSS;

    for (uint32_t i = 0; i < segs; i++) {
        una += SMSS;
        struct cc_ack a = {.acked_bytes = SMSS, .una = una, .nxt = nxt + i * SMSS, .ece = i < marked};

        c->ops->on_ack(c, &a);
    }
}

static uint32_t cut_of(struct cc *c)
{
    struct cc d = *c;

    d.cwnd = 1000 * SMSS;
    d.ops->on_ecn(&d, d.cwnd, 1);
    return (1000 * SMSS - d.cwnd) / SMSS;
}

/* alpha begins at 1: the first mark halves. */
static void first_mark(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    c.ops->on_ecn(&c, 100 * SMSS, 1);
    assert_int_equal(c.cwnd, 50 * SMSS);
    assert_int_equal(c.ssthresh, 50 * SMSS);
    c.cwnd = 3 * SMSS;
    c.ops->on_ecn(&c, 3 * SMSS, 1);
    assert_int_equal(c.cwnd, 2 * SMSS);
}

/* alpha = (1 - g) * alpha + g * F with g = 1/16: without marks (15/16)^n. */
static void alpha_decays(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);
    double alpha = 1;

    window(&c, 100, 0);
    for (int i = 0; i < 60; i++) {
        window(&c, 100, 0);
        alpha *= 15.0 / 16;
    }
    assert_in_range(cut_of(&c), (unsigned)(alpha * 500) - (alpha * 500 > 3 ? 3 : 0), (unsigned)(alpha * 500) + 3);
}

/* It settles at the share of marked bytes. */
static void alpha_follows_the_share(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    for (int i = 0; i < 200; i++)
        window(&c, 100, 20);
    assert_in_range(cut_of(&c), 95, 105); /* half of 20 % */
    for (int i = 0; i < 200; i++)
        window(&c, 100, 100);
    assert_in_range(cut_of(&c), 495, 500);
}

/* Section 3.5: loss is loss. */
static void loss_halves(void **state)
{
    (void)state;
    struct cc c = start(100 * SMSS);

    for (int i = 0; i < 200; i++)
        window(&c, 100, 0);
    c.cwnd = 100 * SMSS;
    c.ops->on_loss(&c, 100 * SMSS, 1);
    assert_int_equal(c.cwnd, 50 * SMSS);
    c.ops->on_undo(&c, 1);
    assert_int_equal(c.cwnd, 100 * SMSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_mark),
        cmocka_unit_test(alpha_decays),
        cmocka_unit_test(alpha_follows_the_share),
        cmocka_unit_test(loss_halves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
