/* The values of loss recovery: RACK's reordering window (RFC 8985), PRR (RFC 9937), undo (RFC 3522, 3708), F-RTO (RFC 5682). */
#include "unit.h"

#include "base/units.h"
#include "tcp/prr.h"
#include "tcp/rack.h"
#include "tcp/undo.h"

#define MS NS_PER_MS
#define MSS 1000u

/* RACK ---------------------------------------------------------------------------------------------------------------------- */

/* RFC 8985 6.2 step 2: the latest transmission; in one instant the higher sequence number. Across the wrap-around. */
static void rack_keeps_the_latest(void **state)
{
    (void)state;
    struct rack r = {0};

    assert_int_equal(rack_rtt_us(100, 50001), 50); /* 49.9, rounded up */
    assert_int_equal(rack_rtt_us(100, 70100), 70);
    rack_arrived(&r, false, 100, 0xfffffff0u);
    rack_arrived(&r, true, 100, 0x10u);
    assert_int_equal(r.end_seq, 0x10u);
    rack_arrived(&r, true, 90, 0x100u); /* sent earlier */
    assert_int_equal(r.xmit_ns, 100);
    assert_int_equal(r.end_seq, 0x10u);
    rack_arrived(&r, true, 100, 0xfffffff0u);
    assert_int_equal(r.end_seq, 0x10u);
    rack_arrived(&r, true, 101, 0xfffffff0u); /* a retransmission */
    assert_int_equal(r.end_seq, 0xfffffff0u);
}

/* Step 4. */
static void reordering_window(void **state)
{
    (void)state;
    struct rack r = {0};

    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 50 * MS, 2, false), 10 * MS);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 50 * MS, 3, false), 0);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 50 * MS, 0, true), 0);
    r.reordering_seen = true;
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 50 * MS, 30, true), 10 * MS);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 5 * MS, 0, false), 5 * MS); /* SRTT is the limit */
    assert_int_equal(rack_reo_wnd_ns(&r, 40, 50, 0, false), NS_PER_US * 100);
}

/* Step 4: one step per round trip with DSACKs, kept for 16 recoveries without. */
static void window_follows_dsack(void **state)
{
    (void)state;
    struct rack r = {.reordering_seen = true};
    uint64_t quarter = 10 * MS;

    rack_on_dsack(&r, 100, 200);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), 2 * quarter);
    rack_on_dsack(&r, 199, 300); /* the same round trip */
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), 2 * quarter);
    rack_on_dsack(&r, 200, 300);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), 3 * quarter);
    for (int i = 0; i < 15; i++)
        rack_recovered(&r);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), 3 * quarter);
    rack_recovered(&r);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), quarter);
    rack_on_dsack(&r, 300 + (UINT32_C(1) << 31) + 10, 300 + (UINT32_C(1) << 31) + 110); /* the last one was more than 2 GB ago */
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 1000 * MS, 0, false), 2 * quarter);
    for (uint32_t i = 0; i < 1000; i++)
        rack_on_dsack(&r, 1000 + i, 1000 + i);
    assert_int_equal(rack_reo_wnd_ns(&r, 40 * MS, 100000 * MS, 0, false), 256 * quarter);
}

/* PRR ----------------------------------------------------------------------------------------------------------------------- */

/*
 * A whole recovery of a window of n segments, first lost, to ssthresh: what is sent for each segment that arrives. Every segment
 * sent stays in the network until the end.
 */
static uint32_t recovery(uint32_t n, uint32_t lost, uint32_t ssthresh, uint32_t *largest)
{
    uint32_t pipe = (n - lost) * MSS, sent = 0;
    struct prr p;

    *largest = 0;
    prr_begin(&p, n * MSS);
    for (uint32_t i = 0; i < n - lost; i++) {
        uint32_t cwnd, count = 0;

        pipe -= MSS;
        cwnd = prr_on_ack(&p, MSS, pipe, ssthresh, MSS, false);
        for (; pipe + MSS <= cwnd; pipe += MSS, count++)
            prr_sent(&p, MSS);
        *largest = MAX(*largest, count);
        sent += count;
    }
    return sent;
}

/* Section 6.2, in flight above ssthresh: in proportion, never a pause and then a burst; it ends at ssthresh. */
static void prr_is_proportional(void **state)
{
    (void)state;
    uint32_t largest;

    assert_int_equal(recovery(20, 1, 10 * MSS, &largest), 10);
    assert_int_equal(largest, 1);
    assert_int_equal(recovery(20, 1, 14 * MSS, &largest), 14);
    assert_int_equal(largest, 1);
}

/* Losses took more than the reduction: one for one, not up to ssthresh in a burst. */
static void prr_conserves(void **state)
{
    (void)state;
    uint32_t largest;

    assert_int_equal(recovery(20, 15, 10 * MSS, &largest), 5);
    assert_int_equal(largest, 1);
}

static void prr_catches_up_when_safe(void **state)
{
    (void)state;
    struct prr p;

    prr_begin(&p, 20 * MSS);
    assert_int_equal(prr_on_ack(&p, MSS, 2 * MSS, 10 * MSS, MSS, true), 4 * MSS); /* one for one, and one more */
    prr_sent(&p, 2 * MSS);
    assert_int_equal(prr_on_ack(&p, MSS, 3 * MSS, 10 * MSS, MSS, false), 4 * MSS);
    assert_int_equal(prr_on_ack(&p, 8 * MSS, 9 * MSS, 10 * MSS, MSS, true), 10 * MSS); /* ssthresh is the limit */
}

/* The fast retransmit goes whatever the proportion is; then nothing is given twice. */
static void prr_forces_the_first(void **state)
{
    (void)state;
    struct prr p;

    prr_begin(&p, 100 * MSS);
    assert_int_equal(prr_on_ack(&p, MSS, 96 * MSS, 50 * MSS, MSS, false), 97 * MSS);
    prr_sent(&p, MSS);
    assert_int_equal(prr_on_ack(&p, MSS, 96 * MSS, 50 * MSS, MSS, false), 96 * MSS);
    prr_sent(&p, 5 * MSS); /* more than allowed */
    assert_int_equal(prr_on_ack(&p, MSS, 96 * MSS, 50 * MSS, MSS, false), 96 * MSS);
    p = (struct prr){.recover_fs = 10 * MSS, .out = 5 * MSS};
    assert_int_equal(prr_on_ack(&p, MSS / 2, 0, MSS / 2, MSS, false), MSS); /* never so little that all stops */
    prr_begin(&p, 0);
    assert_int_equal(prr_on_ack(&p, 0, 2 * MSS, MSS, MSS, false), 3 * MSS);
    prr_begin(&p, UINT32_MAX); /* no overflow */
    p.delivered = 0xf0000000u;
    p.out = 0xe0000000u;
    assert_true(prr_on_ack(&p, MSS, 0xe0000000u, 0x40000000u, MSS, false) >= 0xe0000000u);
}

/* Undo ---------------------------------------------------------------------------------------------------------------------- */

static void dsack_of_everything(void **state)
{
    (void)state;
    struct undo u;

    undo_begin(&u, 1000, 9000, false);
    assert_false(undo_on_dsack(&u, 1000, 2000)); /* nothing was retransmitted */
    undo_retransmitted(&u, 2000);
    assert_false(undo_on_dsack(&u, 0, 1000));     /* of an older recovery */
    assert_false(undo_on_dsack(&u, 8000, 10000)); /* of newer data */
    assert_false(undo_on_dsack(&u, 1000, 2000));
    assert_true(undo_on_dsack(&u, 2000, 3000));
    assert_false(undo_on_dsack(&u, 2000, 3000));
    undo_end(&u);
    undo_retransmitted(&u, 1000);
    assert_false(undo_on_dsack(&u, 0, 1000));
}

/* RFC 3522 3.2: the first acknowledgement of retransmitted data decides. */
static void eifel_first_ack(void **state)
{
    (void)state;
    struct undo u;

    undo_begin(&u, 1000, 9000, false);
    assert_false(undo_on_ack(&u, false, false));
    assert_true(undo_on_ack(&u, true, false));
    undo_begin(&u, 1000, 9000, false);
    assert_false(undo_on_ack(&u, true, true));
    assert_false(undo_on_ack(&u, true, false));
    undo_begin(&u, 1000, 9000, false);
    assert_false(undo_on_ack(&u, false, true));
    assert_false(undo_on_ack(&u, true, false));
    undo_end(&u);
    assert_false(undo_on_ack(&u, true, false)); /* nothing to undo */
}

/* F-RTO --------------------------------------------------------------------------------------------------------------------- */

static enum frto_verdict frto(enum frto from, struct frto_ack a, enum frto *to)
{
    struct undo u = {.frto = (uint8_t)from};
    enum frto_verdict v = frto_on_ack(&u, &a);

    *to = (enum frto)u.frto;
    return v;
}

static void frto_table(void **state)
{
    (void)state;
    static const struct {
        enum frto from;
        struct frto_ack a;
        enum frto_verdict v;
        enum frto to;
    } row[] = {
        /* RFC 5682 2.1 step 2 */
        {FRTO_FIRST_ACK, {.duplicate = true, .can_send = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_FIRST_ACK, {.advanced = true, .complete = true, .can_send = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_FIRST_ACK, {.advanced = true, .can_send = true}, FRTO_SEND_NEW, FRTO_SECOND_ACK},
        {FRTO_FIRST_ACK, {.advanced = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_FIRST_ACK, {.can_send = true}, FRTO_WAIT, FRTO_FIRST_ACK},
        /* step 3 */
        {FRTO_SECOND_ACK, {.duplicate = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_SECOND_ACK, {.advanced = true}, FRTO_SPURIOUS, FRTO_OFF},
        {FRTO_SECOND_ACK, {0}, FRTO_WAIT, FRTO_SECOND_ACK},
        /* 3.1 step 2: duplicates with SACK are waited out */
        {FRTO_FIRST_ACK, {.sack = true, .duplicate = true, .original = true, .can_send = true}, FRTO_WAIT, FRTO_FIRST_ACK},
        {FRTO_FIRST_ACK, {.sack = true, .advanced = true, .can_send = true}, FRTO_SEND_NEW, FRTO_SECOND_ACK},
        /* 3.1 step 3 */
        {FRTO_SECOND_ACK, {.sack = true, .duplicate = true, .beyond = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_SECOND_ACK, {.sack = true, .advanced = true, .beyond = true, .original = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_SECOND_ACK, {.sack = true, .advanced = true, .original = true}, FRTO_SPURIOUS, FRTO_OFF},
        {FRTO_SECOND_ACK, {.sack = true, .duplicate = true, .original = true}, FRTO_SPURIOUS, FRTO_OFF},
        {FRTO_SECOND_ACK, {.sack = true, .advanced = true, .complete = true}, FRTO_CONVENTIONAL, FRTO_OFF},
        {FRTO_SECOND_ACK, {.sack = true, .advanced = true}, FRTO_WAIT, FRTO_SECOND_ACK},
    };

    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        enum frto to;

        assert_int_equal(frto(row[i].from, row[i].a, &to), row[i].v);
        assert_int_equal(to, row[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rack_keeps_the_latest), cmocka_unit_test(reordering_window),
        cmocka_unit_test(window_follows_dsack),  cmocka_unit_test(prr_is_proportional),
        cmocka_unit_test(prr_conserves),         cmocka_unit_test(prr_catches_up_when_safe),
        cmocka_unit_test(prr_forces_the_first),  cmocka_unit_test(dsack_of_everything),
        cmocka_unit_test(eifel_first_ack),       cmocka_unit_test(frto_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
