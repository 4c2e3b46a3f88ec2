#include "unit.h"

#include <errno.h>

#include "base/units.h"
#include "tcp/sent.h"

#define SMSS 100u
#define LIMIT 10000u
#define BASE 0xfffffe00u /* the records cross 2^32 */

static struct arena arena;
static struct sent_map sm;

static int setup(void **state)
{
    (void)state;
    arena = (struct arena){0};
    sm = (struct sent_map){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sent_check(&sm);
    sent_clear(&sm, &arena);
    sent_check(&sm);
    return arena.used_bytes == 0 ? 0 : -1;
}

/* n records of SMSS bytes; record i was sent at time 1000 + i. */
static void fill(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(sent_add(&sm, &arena, BASE + i * SMSS, BASE + (i + 1) * SMSS, 1000 + i, LIMIT), 0);
    sent_check(&sm);
}

static struct sent_ack ack(uint32_t bytes)
{
    struct sent_ack a = {.rtx_latest_ns = UINT64_MAX, .echo_latest_ns = UINT64_MAX};

    sent_ack(&sm, &arena, BASE + bytes, &a);
    sent_check(&sm);
    return a;
}

/* SACK of records [from, to). */
static struct sent_ack sack(uint32_t from, uint32_t to)
{
    struct tcp_sack_block b = {.start = BASE + from * SMSS, .end = BASE + to * SMSS};
    struct sent_ack a = {.rtx_latest_ns = UINT64_MAX, .echo_latest_ns = UINT64_MAX};

    sent_sack(&sm, &arena, &b, 1, LIMIT, &a);
    sent_check(&sm);
    return a;
}

/* RFC 8985 with the record sent at xmit_ns, that ends behind record last, as the most recent that arrived. */
static uint32_t lost(uint64_t xmit_ns, uint32_t last, uint64_t age_ns, uint64_t now_ns, uint64_t *wait_ns)
{
    uint32_t n = sent_mark_rack(&sm, xmit_ns, BASE + (last + 1) * SMSS, age_ns, now_ns, wait_ns);

    sent_check(&sm);
    return n;
}

/* Whatever was sent before record last, which was sent once. */
static uint32_t lost_before(uint32_t last)
{
    uint64_t wait_ns;

    return lost(1000 + last, last, 0, 5000, &wait_ns);
}

static uint32_t index_of(const struct sent_rec *r)
{
    return (r->start - BASE) / SMSS;
}

static void rtx(struct sent_rec *r, uint64_t now)
{
    sent_retransmitted(&sm, r, now);
    sent_check(&sm);
}

static void no_memory_while_empty(void **state)
{
    (void)state;
    struct sent_ack a;

    assert_null(sent_first(&sm));
    assert_null(sent_last(&sm));
    assert_null(sent_find(&sm, BASE));
    assert_null(sent_next_lost(&sm));
    assert_int_equal(lost_before(1), 0);
    assert_int_equal(sent_mark_first_lost(&sm), 0);
    assert_int_equal(sent_mark_old_lost(&sm, 0, 1), 0);
    sent_mark_all_lost(&sm);
    sent_renege(&sm);
    sent_undo_lost(&sm);
    a = ack(1);
    assert_int_equal(a.newly_acked, 0);
    a = sack(0, 1);
    assert_int_equal(a.newly_sacked, 0);
    assert_int_equal(arena.used_bytes, 0);
    fill(3);
    assert_int_equal(arena.used_bytes, 4 * sizeof(struct sent_rec));
    a = ack(300);
    assert_int_equal(a.newly_acked, 300);
    assert_int_equal(arena.used_bytes, 4 * sizeof(struct sent_rec)); /* for the next frame; more than that goes at once */
    sent_trim(&sm, &arena);
    assert_int_equal(arena.used_bytes, 0);
    assert_null(sm.ring);
    fill(5);
    sent_trim(&sm, &arena);
    assert_int_equal(sm.n, 5);
    a = ack(500);
    assert_int_equal(arena.used_bytes, 0);
    assert_null(sm.ring);
}

static void grows_and_wraps(void **state)
{
    (void)state;
    uint32_t una = 0, nxt = 0;

    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 7 && nxt - una < 100; i++, nxt++)
            assert_int_equal(sent_add(&sm, &arena, BASE + nxt * SMSS, BASE + (nxt + 1) * SMSS, nxt, LIMIT), 0);
        una += 5;
        ack(una * SMSS);
        assert_int_equal(sent_first(&sm)->start, BASE + una * SMSS);
        assert_int_equal(sent_first(&sm)->sent_at_ns, una);
        assert_int_equal(sent_last(&sm)->end, BASE + nxt * SMSS);
        assert_int_equal(sm.n, nxt - una);
    }
}

static void limits(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(sent_add(&sm, &arena, i, i + 1, 0, 20), 0);
    assert_int_equal(sent_add(&sm, &arena, 20, 21, 0, 20), -ENOBUFS);
    for (uint32_t i = 20; i < 32; i++)
        assert_int_equal(sent_add(&sm, &arena, i, i + 1, 0, LIMIT), 0);
    arena.fail_after = 1;
    assert_int_equal(sent_add(&sm, &arena, 32, 33, 0, LIMIT), -ENOMEM);
    assert_int_equal(sm.n, 32);
    sent_check(&sm);
    assert_int_equal(sent_add(&sm, &arena, 32, 33, 0, LIMIT), 0);
}

/* As large as a block can be, and no further. */
static void largest_block(void **state)
{
    (void)state;
    uint32_t i = 0;
    int err;

    while ((err = sent_add(&sm, &arena, i, i + 1, 0, UINT32_MAX)) == 0)
        i++;
    assert_int_equal(err, -ENOBUFS);
    assert_int_equal(i, 16384);
}

static void cumulative_ack(void **state)
{
    (void)state;
    struct sent_ack a;

    fill(10);
    a = ack(0);
    assert_int_equal(a.newly_acked, 0);
    assert_false(a.rtt_valid);
    a = ack(300);
    assert_int_equal(a.newly_acked, 300);
    assert_true(a.rtt_valid);
    assert_int_equal(a.rtt_sent_ns, 1002); /* the most recent */
    assert_false(a.acked_retrans);
    a = ack(450); /* cuts a record */
    assert_int_equal(a.newly_acked, 150);
    assert_int_equal(sent_first(&sm)->start, BASE + 450);
    assert_int_equal(sent_first(&sm)->end, BASE + 500);
    assert_int_equal(a.rtt_sent_ns, 1004);
    a = ack(400); /* old */
    assert_int_equal(a.newly_acked, 0);
}

/* RFC 6298 section 3: Karn */
static void karn(void **state)
{
    (void)state;
    struct sent_ack a;

    fill(4);
    sent_mark_first_lost(&sm);
    rtx(sent_next_lost(&sm), 5000);
    a = ack(100);
    assert_false(a.rtt_valid);
    assert_true(a.acked_retrans);
    a = ack(200);
    assert_true(a.rtt_valid);
    assert_int_equal(a.rtt_sent_ns, 1001);
    assert_false(a.acked_retrans);
    a = sack(3, 4); /* a sample by SACK, and not again when the ACK passes */
    assert_true(a.rtt_valid);
    assert_int_equal(a.rtt_sent_ns, 1003);
    a = ack(400);
    assert_int_equal(a.newly_acked, 100);
    assert_int_equal(a.rtt_sent_ns, 1002);
}

static void sack_marks_whole_records(void **state)
{
    (void)state;
    struct sent_ack a = {0};
    struct tcp_sack_block b[] = {
        {BASE + 150, BASE + 350}, /* record 2 only */
        {BASE + 501, BASE + 599}, /* none */
        {BASE + 700, BASE + 700}, /* empty */
        {BASE + 800, BASE + 700}, /* inside out */
    };

    fill(10);
    sent_sack(&sm, &arena, b, 4, LIMIT, &a);
    sent_check(&sm);
    assert_int_equal(a.newly_sacked, 100);
    assert_int_equal(sent_sacked_bytes(&sm), 100);
    assert_int_equal(sm.high_sacked, BASE + 300);
    assert_int_equal(sent_find(&sm, BASE + 200)->flags, SENT_SACKED);
    a = sack(2, 3);
    assert_int_equal(a.newly_sacked, 0);
    a = sack(1, 6);
    assert_int_equal(a.newly_sacked, 400);
    assert_int_equal(sm.high_sacked, BASE + 600);
    a = sack(0, 10);
    assert_int_equal(a.newly_sacked, 500);
    assert_int_equal(sent_pipe(&sm, 1000), 0);
    a = ack(250); /* sacked bytes were counted already */
    assert_int_equal(a.newly_acked, 0);
    assert_int_equal(sent_sacked_bytes(&sm), 750);
}

/* RFC 8985 6.2 step 5: sent before the most recent arrival, and long enough ago. */
static void lost_by_time(void **state)
{
    (void)state;
    uint64_t wait;

    fill(10);
    sack(6, 7);
    assert_int_equal(lost(1006, 6, 100, 1102, &wait), 300); /* 0 to 2 */
    assert_int_equal(wait, 1);
    assert_int_equal(sm.lost_bytes, 300);
    assert_int_equal(sent_pipe(&sm, 1000), 1000 - 100 - 300);
    assert_int_equal(lost(1006, 6, 100, 1102, &wait), 0);
    assert_int_equal(lost(1006, 6, 100, 1104, &wait), 200);
    assert_int_equal(wait, 1); /* record 5 */
    assert_int_equal(lost(1006, 6, 100, 9999, &wait), 100);
    assert_int_equal(wait, 0); /* the others were sent later */
    assert_int_equal(sent_find(&sm, BASE + 700)->flags, 0);
}

/* In the same instant the higher sequence number goes later. */
static void lost_in_one_instant(void **state)
{
    (void)state;
    uint64_t wait;

    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(sent_add(&sm, &arena, BASE + i * SMSS, BASE + (i + 1) * SMSS, 1000, LIMIT), 0);
    sack(2, 3);
    assert_int_equal(lost(1000, 2, 10, 1100, &wait), 200);
    assert_int_equal(wait, 0);
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
    rtx(sent_next_lost(&sm), 1000);
    assert_int_equal(lost(1000, 4, 10, 1100, &wait), 100); /* 3; the retransmission of 0 went in this instant, too, but later */
    assert_int_equal(index_of(sent_next_lost(&sm)), 1);
}

/* A retransmission is lost when something sent after it arrived: RFC 8985 3.2. */
static void lost_retransmission(void **state)
{
    (void)state;
    uint64_t wait;

    fill(6);
    sack(3, 6);
    assert_int_equal(lost_before(5), 300);
    rtx(sent_next_lost(&sm), 2000);
    rtx(sent_next_lost(&sm), 2001);
    rtx(sent_next_lost(&sm), 2002);
    assert_int_equal(sent_pipe(&sm, 600), 300);
    sack(1, 2);
    assert_int_equal(lost(2001, 1, 50, 2050, &wait), 100); /* record 0 again; 2 was sent later */
    assert_int_equal(wait, 0);
    assert_int_equal(sent_first(&sm)->flags, SENT_LOST | SENT_RETRANS);
    assert_int_equal(sent_pipe(&sm, 600), 100);
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
    rtx(sent_next_lost(&sm), 2100);
    assert_null(sent_next_lost(&sm));
    assert_int_equal(sent_first(&sm)->tx_count, 3);
    ack(200);
    assert_int_equal(sent_pipe(&sm, 400), 100);
}

static void sacked_after_lost(void **state)
{
    (void)state;
    fill(10);
    sack(5, 8);
    assert_int_equal(lost_before(5), 500);
    rtx(sent_next_lost(&sm), 2009);
    assert_int_equal(sm.rtx_bytes, 100);
    struct sent_ack a = sack(0, 2); /* one retransmitted, one late */
    assert_int_equal(a.newly_sacked, 200);
    assert_true(a.acked_retrans);
    assert_int_equal(a.rtt_sent_ns, 1001);
    assert_int_equal(sm.rtx_bytes, 0);
    assert_int_equal(sm.lost_bytes, 300);
    assert_int_equal(index_of(sent_next_lost(&sm)), 2);
    assert_int_equal(sent_pipe(&sm, 1000), 1000 - 500 - 300);
}

/* RFC 6675 section 5: a retransmitted record counts once in pipe, and is not sent again. */
static void retransmission_order(void **state)
{
    (void)state;
    struct sent_rec *r;

    fill(10);
    sack(2, 3);
    sack(4, 5);
    sack(6, 7);
    sack(8, 9);
    assert_int_equal(lost_before(4), 300); /* 0, 1, 3 */
    static const uint32_t want[] = {0, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        r = sent_next_lost(&sm);
        assert_int_equal(index_of(r), want[i]);
        assert_ptr_equal(sent_next_lost(&sm), r); /* asking changes nothing */
        rtx(r, 2000);
        assert_int_equal(r->tx_count, 2);
        assert_int_equal(r->sent_at_ns, 2000);
        assert_int_equal(r->flags, SENT_LOST | SENT_RETRANS | SENT_RTX_OUT);
    }
    assert_null(sent_next_lost(&sm));
    assert_int_equal(sent_pipe(&sm, 1000), 600);
    rtx(sent_find(&sm, BASE + 900), 2001);       /* a probe of what is not deemed lost */
    assert_int_equal(sent_pipe(&sm, 1000), 700); /* both copies may be in the network */
    ack(100);
    assert_int_equal(sent_pipe(&sm, 900), 600 + 0);
}

/* What is lost below all that waits goes first, and what is lost later waits its turn. */
static void lowest_loss_first(void **state)
{
    (void)state;
    uint64_t wait;

    fill(8);
    sent_mark_first_lost(&sm);
    rtx(sent_next_lost(&sm), 1008);
    assert_int_equal(sent_add(&sm, &arena, BASE + 800, BASE + 900, 1009, LIMIT), 0);
    sack(8, 9);
    assert_int_equal(lost(1009, 8, 0, 5000, &wait), 800); /* by time: 1 to 7, then the retransmission of 0 */
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(index_of(sent_next_lost(&sm)), i);
        rtx(sent_next_lost(&sm), 2000);
    }
}

/* RFC 6298 5.4: the first of all goes first, also when what stood before it left while it waited behind others. */
static void new_first_loss_first(void **state)
{
    (void)state;
    uint64_t wait;

    fill(8);
    sack(2, 3);
    assert_int_equal(lost_before(2), 200);
    rtx(sent_next_lost(&sm), 1008);
    rtx(sent_next_lost(&sm), 1009);
    assert_int_equal(sent_add(&sm, &arena, BASE + 800, BASE + 900, 1010, LIMIT), 0);
    sack(8, 9);
    assert_int_equal(lost(1010, 8, 0, 5000, &wait), 700); /* 3 to 7, then the retransmissions of 0 and 1 */
    rtx(sent_next_lost(&sm), 2000);
    ack(100);
    assert_int_equal(sent_next_lost(&sm)->start, BASE + 100);
}

static void timeout_loses_all(void **state)
{
    (void)state;
    fill(10);
    sack(3, 7);
    lost_before(3);
    rtx(sent_next_lost(&sm), 2001);
    sent_mark_all_lost(&sm);
    sent_check(&sm);
    assert_int_equal(sm.lost_bytes, 600);
    assert_int_equal(sm.rtx_bytes, 0);
    assert_int_equal(sent_pipe(&sm, 1000), 0);
    static const uint32_t want[] = {0, 1, 2, 7, 8, 9};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(index_of(sent_next_lost(&sm)), want[i]);
        rtx(sent_next_lost(&sm), 2002);
    }
    assert_null(sent_next_lost(&sm));
    assert_int_equal(sent_pipe(&sm, 1000), 600);
    assert_int_equal(sent_add(&sm, &arena, BASE + 1000, BASE + 1100, 2003, LIMIT), 0); /* new data is not lost */
    sent_check(&sm);
    assert_null(sent_next_lost(&sm));
    sent_mark_all_lost(&sm); /* once more */
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
    assert_int_equal(sm.lost_bytes, 700);
}

/* RFC 8985 6.3 */
static void timeout_loses_the_first_and_the_old(void **state)
{
    (void)state;
    fill(10);
    sack(1, 2);
    assert_int_equal(sent_mark_old_lost(&sm, 100, 1104), 400); /* 0, 2, 3, 4 */
    sent_check(&sm);
    assert_int_equal(sent_pipe(&sm, 1000), 500);
    rtx(sent_next_lost(&sm), 1200);
    assert_int_equal(sent_mark_old_lost(&sm, 100, 1201), 600); /* the first whatever its age, 5 to 9 */
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
}

/* RFC 2018 section 8 */
static void reneging(void **state)
{
    (void)state;
    fill(10);
    sack(3, 9);
    lost_before(3);
    rtx(sent_next_lost(&sm), 2001);
    sent_renege(&sm);
    sent_check(&sm);
    assert_int_equal(sent_pipe(&sm, 1000), 0);
    assert_int_equal(sent_first(&sm)->flags, SENT_RETRANS | SENT_LOST);
    assert_int_equal(sm.lost_bytes, 1000);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(index_of(sent_next_lost(&sm)), i);
        rtx(sent_next_lost(&sm), 2000);
    }
}

/* Undo: what was not repeated is in flight as before, in its place in the order of transmission. */
static void undo(void **state)
{
    (void)state;
    uint64_t wait;

    fill(8);
    sack(7, 8);
    lost_before(7);
    rtx(sent_next_lost(&sm), 2000);
    rtx(sent_next_lost(&sm), 2001);
    assert_int_equal(sent_add(&sm, &arena, BASE + 800, BASE + 900, 2002, LIMIT), 0);
    sent_undo_lost(&sm);
    sent_check(&sm);
    assert_int_equal(sm.lost_bytes, 0);
    assert_null(sent_next_lost(&sm));
    assert_int_equal(sent_pipe(&sm, 900), 900 - 100 + 200); /* two are there twice */
    assert_int_equal(lost(1004, 4, 0, 3000, &wait), 200);   /* 2 and 3 */
    assert_int_equal(lost(2001, 1, 0, 3000, &wait), 300 + 100);
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
}

/*
 * RFC 8985 6.2 step 2: the reference is the latest transmission, a retransmission only when it can have arrived: not when it is
 * younger than any round trip, nor when the timestamp echo of the cumulative ACK is older (which RFC 3522 asks for as well).
 */
static void rack_reference(void **state)
{
    (void)state;
    struct sent_ack a;

    fill(8);
    a = sack(4, 6);
    assert_true(a.rack_valid);
    assert_int_equal(a.rack_sent_ns, 1005);
    assert_int_equal(a.rack_end, BASE + 600);
    lost_before(5);
    for (uint64_t t = 2000; t < 2004; t++)
        rtx(sent_next_lost(&sm), t);
    a = (struct sent_ack){.rtx_latest_ns = 1999, .echo_latest_ns = 2000}; /* the first: too young */
    sent_ack(&sm, &arena, BASE + 100, &a);
    assert_false(a.rack_valid);
    assert_true(a.rtx_needed && !a.rtx_early);
    a = (struct sent_ack){.rtx_latest_ns = 3000, .echo_latest_ns = 2000}; /* the second: an old echo */
    sent_ack(&sm, &arena, BASE + 200, &a);
    assert_false(a.rack_valid);
    assert_true(a.rtx_early && !a.rtx_needed);
    a = (struct sent_ack){.rtx_latest_ns = 2002, .echo_latest_ns = 2002};
    sent_ack(&sm, &arena, BASE + 300, &a);
    assert_int_equal(a.rack_sent_ns, 2002);
    assert_true(a.rtx_needed && !a.rtx_early);
    a = (struct sent_ack){.rtx_latest_ns = 2003, .echo_latest_ns = 0}; /* SACKed: the echo is of another segment */
    sent_sack(&sm, &arena, &(struct tcp_sack_block){BASE + 300, BASE + 400}, 1, LIMIT, &a);
    assert_int_equal(a.rack_sent_ns, 2003);
    assert_false(a.rtx_needed || a.rtx_early);
}

/* RFC 8985 6.2 step 3: sent once, and below what is known to have arrived before this acknowledgement. */
static void reordering(void **state)
{
    (void)state;
    struct tcp_sack_block b[] = {{BASE + 400, BASE + 500}, {BASE + 200, BASE + 300}};
    struct sent_ack a = {.fack = BASE};

    fill(8);
    sent_sack(&sm, &arena, b, 2, LIMIT, &a);
    assert_int_equal(a.reord_bytes, 0); /* told at once */
    a = (struct sent_ack){.fack = BASE + 500};
    sent_ack(&sm, &arena, BASE + 200, &a);
    assert_int_equal(a.reord_bytes, 500);
    sent_mark_all_lost(&sm);
    rtx(sent_next_lost(&sm), 2000);
    a = (struct sent_ack){.fack = BASE + 500, .rtx_latest_ns = 2000};
    sent_ack(&sm, &arena, BASE + 400, &a); /* 3, retransmitted */
    assert_int_equal(a.reord_bytes, 0);
}

static void first_lost(void **state)
{
    (void)state;
    fill(4);
    assert_int_equal(sent_mark_first_lost(&sm), 100);
    assert_int_equal(sent_mark_first_lost(&sm), 0);
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
    rtx(sent_next_lost(&sm), 2007);
    assert_null(sent_next_lost(&sm));
    ack(100); /* RFC 6582: a partial acknowledgement */
    assert_int_equal(sent_mark_first_lost(&sm), 100);
    assert_int_equal(index_of(sent_next_lost(&sm)), 1);
    sent_check(&sm);
}

static void split_for_retransmission(void **state)
{
    (void)state;
    for (uint32_t at = 0; at < 10; at++) {
        for (uint32_t n = 1; n <= 10; n++) {
            if (at >= n)
                continue;
            fill(n);
            sent_mark_all_lost(&sm);
            if (at > 0)
                sent_retransmitted(&sm, sent_first(&sm), 2000);
            assert_int_equal(sent_split(&sm, &arena, BASE + at * SMSS + 30, LIMIT), 0);
            sent_check(&sm);
            assert_int_equal(sm.n, n + 1);
            struct sent_rec *a = sent_find(&sm, BASE + at * SMSS), *b = sent_find(&sm, BASE + at * SMSS + 30);
            assert_int_equal(a->end, BASE + at * SMSS + 30);
            assert_int_equal(b->start, BASE + at * SMSS + 30);
            assert_int_equal(b->end, BASE + (at + 1) * SMSS);
            assert_int_equal(b->flags, SENT_LOST);
            assert_int_equal(b->sent_at_ns, 1000 + at);
            assert_int_equal(sm.lost_bytes, n * SMSS);
            sent_clear(&sm, &arena);
        }
    }
}

static void split_errors(void **state)
{
    (void)state;
    assert_int_equal(sent_split(&sm, &arena, BASE, LIMIT), -EINVAL);
    fill(8);
    assert_int_equal(sent_split(&sm, &arena, BASE - 1, LIMIT), -EINVAL);
    assert_int_equal(sent_split(&sm, &arena, BASE + 801, LIMIT), -EINVAL);
    assert_int_equal(sent_split(&sm, &arena, BASE + 800, LIMIT), 0); /* boundaries */
    assert_int_equal(sent_split(&sm, &arena, BASE + 300, LIMIT), 0);
    assert_int_equal(sm.n, 8);
    assert_int_equal(sent_split(&sm, &arena, BASE + 301, 8), -ENOBUFS);
    arena.fail_after = 1;
    assert_int_equal(sent_split(&sm, &arena, BASE + 301, LIMIT), -ENOMEM);
    assert_int_equal(sm.n, 8);
}

/* A part of a large frame retransmitted: only that part leaves pipe and comes back. */
static void split_and_retransmit_a_part(void **state)
{
    (void)state;
    struct sent_ack a = {.rtx_latest_ns = UINT64_MAX, .echo_latest_ns = UINT64_MAX};

    assert_int_equal(sent_add(&sm, &arena, BASE, BASE + 6400, 1, LIMIT), 0);
    assert_int_equal(sent_mark_first_lost(&sm), 6400);
    assert_int_equal(sent_split(&sm, &arena, BASE + 100, LIMIT), 0);
    rtx(sent_first(&sm), 5);
    assert_int_equal(sent_pipe(&sm, 6400), 100);
    assert_int_equal(sent_next_lost(&sm)->start, BASE + 100);
    sent_ack(&sm, &arena, BASE + 100, &a);
    assert_true(a.acked_retrans);
    assert_int_equal(sm.rtx_bytes, 0);
}

/* One frame of ten segments, the last of half the size, and one segment behind it. */
static void fill_frame(void)
{
    assert_int_equal(sent_add(&sm, &arena, BASE, BASE + 950, 1000, LIMIT), 0);
    sent_last(&sm)->seg_bytes = SMSS;
    assert_int_equal(sent_add(&sm, &arena, BASE + 950, BASE + 1050, 1001, LIMIT), 0);
}

static struct sent_ack sack_bytes(uint32_t from, uint32_t to, uint32_t limit)
{
    struct tcp_sack_block b = {BASE + from, BASE + to};
    struct sent_ack a = {.rtx_latest_ns = UINT64_MAX, .echo_latest_ns = UINT64_MAX};

    sent_sack(&sm, &arena, &b, 1, limit, &a);
    sent_check(&sm);
    return a;
}

/* Of a frame of several segments those count that a block covers; no segment is divided. */
static void sack_inside_a_frame(void **state)
{
    static const struct {
        uint32_t from, to, first, last;
    } row[] = {
        {0, 100, 0, 100},     {300, 500, 300, 500}, {250, 500, 300, 500}, {300, 599, 300, 500}, {250, 599, 300, 500},   {0, 950, 0, 950},
        {900, 950, 900, 950}, {0, 949, 0, 900},     {899, 950, 900, 950}, {1, 1050, 100, 1050}, {800, 1050, 800, 1050},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        fill_frame();
        struct sent_ack a = sack_bytes(row[i].from, row[i].to, LIMIT);

        assert_int_equal(a.newly_sacked, row[i].last - row[i].first);
        assert_int_equal(sm.high_sacked, BASE + row[i].last);
        assert_int_equal(sent_find(&sm, BASE + row[i].first)->start, BASE + row[i].first);
        if (row[i].last <= 950)
            assert_int_equal(a.rack_end, BASE + row[i].last);
        for (uint32_t seq = 0; seq < 1050; seq += 10)
            assert_int_equal((sent_find(&sm, BASE + seq)->flags & SENT_SACKED) != 0, seq >= row[i].first && seq < row[i].last);
        a = sack_bytes(row[i].from, row[i].to, LIMIT); /* again: nothing new */
        assert_int_equal(a.newly_sacked, 0);
        sent_clear(&sm, &arena);
    }
    fill_frame();
    uint32_t n = sm.n;
    assert_int_equal(sack_bytes(310, 390, LIMIT).newly_sacked, 0); /* inside one, and of two a part */
    assert_int_equal(sack_bytes(310, 480, LIMIT).newly_sacked, 0);
    assert_int_equal(sm.n, n);
}

/* Without room for records of their own they count for less; what is known stays true. */
static void sack_inside_a_frame_at_the_limit(void **state)
{
    (void)state;
    fill_frame();
    assert_int_equal(sack_bytes(300, 500, 2).newly_sacked, 0);
    assert_int_equal(sack_bytes(300, 500, 3).newly_sacked, 0); /* the cut before it is made, the one behind it is not */
    assert_int_equal(sack_bytes(0, 500, 3).newly_sacked, 300);
    assert_int_equal(sack_bytes(300, 1050, 3).newly_sacked, 750);
    sent_clear(&sm, &arena);
    fill(4); /* the ring is full */
    sent_last(&sm)->seg_bytes = 30;
    arena.fail_after = 1;
    assert_int_equal(sack_bytes(300, 330, LIMIT).newly_sacked, 0);
    assert_int_equal(sack_bytes(300, 400, LIMIT).newly_sacked, 100);
}

/* The first part of a frame arrived: that says nothing about the order of what is behind it. */
static void frame_acknowledged_in_part(void **state)
{
    uint64_t wait;

    (void)state;
    fill_frame();
    struct sent_ack a = ack(300);
    assert_int_equal(a.newly_acked, 300);
    assert_int_equal(a.rack_end, BASE + 300);
    assert_int_equal(a.orig_end, BASE + 300);
    assert_int_equal(sent_split(&sm, &arena, BASE + 900, LIMIT), 0);
    assert_int_equal(sent_mark_rack(&sm, a.rack_sent_ns, a.rack_end, 0, 5000, &wait), 0);
    a = sack_bytes(500, 600, LIMIT); /* this does, about 300 to 500 */
    assert_int_equal(sent_mark_rack(&sm, a.rack_sent_ns, a.rack_end, 0, 5000, &wait), 200);
    assert_int_equal(sent_next_lost(&sm)->start, BASE + 300);
    assert_int_equal(sent_seg_bytes(sent_next_lost(&sm)), SMSS);
}

/*
 * 10 000 records with one hole, a SACK and a judgement per ACK, then a retransmission of every other one and a loss of each of
 * those: a scan for each would take 50 million steps and more.
 */
static void large_window(void **state)
{
    (void)state;
    uint64_t wait;
    uint32_t n = 10000;

    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(sent_add(&sm, &arena, BASE + i * SMSS, BASE + (i + 1) * SMSS, 1000 + i, 2 * LIMIT), 0);
    for (uint32_t i = 1; i < n; i++) {
        struct tcp_sack_block b = {.start = BASE + SMSS, .end = BASE + (i + 1) * SMSS};
        struct sent_ack a = {0};

        sent_sack(&sm, &arena, &b, 1, LIMIT, &a);
        assert_int_equal(a.newly_sacked, SMSS);
        assert_int_equal(sent_mark_rack(&sm, a.rack_sent_ns, a.rack_end, 3, 1000 + i, &wait), i == 3 ? SMSS : 0);
        assert_int_equal(sent_first(&sm)->flags & SENT_LOST, i >= 3 ? SENT_LOST : 0);
    }
    sent_check(&sm);
    assert_true(sm.ring[(sm.head + 1) & (sm.cap - 1)].next >= n - 2); /* the run is one hop */
    assert_int_equal(index_of(sent_next_lost(&sm)), 0);
    struct sent_ack a = ack(n * SMSS);
    assert_int_equal(a.newly_acked, SMSS);

    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(sent_add(&sm, &arena, BASE + i * SMSS, BASE + (i + 1) * SMSS, 1000 + i, 2 * LIMIT), 0);
    sent_mark_all_lost(&sm);
    for (uint32_t i = 0; i < n; i++) {
        struct sent_rec *r = sent_next_lost(&sm);

        sent_retransmitted(&sm, r, 20000 + i);
        assert_int_equal(sent_mark_rack(&sm, 20000 + i, r->end, 0, 20000 + i, &wait), i == 0 ? 0 : SMSS); /* the one before */
        assert_non_null(sent_next_lost(&sm));
    }
    sent_check(&sm);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(no_memory_while_empty),
        T(grows_and_wraps),
        T(limits),
        T(largest_block),
        T(cumulative_ack),
        T(karn),
        T(sack_marks_whole_records),
        T(lost_by_time),
        T(lost_in_one_instant),
        T(lost_retransmission),
        T(sacked_after_lost),
        T(retransmission_order),
        T(lowest_loss_first),
        T(new_first_loss_first),
        T(timeout_loses_all),
        T(timeout_loses_the_first_and_the_old),
        T(reneging),
        T(undo),
        T(rack_reference),
        T(reordering),
        T(first_lost),
        T(split_for_retransmission),
        T(split_errors),
        T(split_and_retransmit_a_part),
        T(sack_inside_a_frame),
        T(sack_inside_a_frame_at_the_limit),
        T(frame_acknowledged_in_part),
        T(large_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
