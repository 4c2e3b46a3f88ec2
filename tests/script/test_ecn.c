/* Explicit congestion notification: RFC 3168, RFC 8257 section 3.2; and the options of congestion control. Segments of 1000 bytes. */
#include <string.h>

#include "script.h"

#define ECT0 2
#define CE 3
#define COUNT(c) stack()->ctr.v[c]

static void set_cc(int fd, const char *name, int want)
{
    check_eq(tcp_setopt(stack(), tconn(fd), IPPROTO_TCP, TCP_CONGESTION, name, (unsigned)strlen(name)), want);
}

static void cc_is(int fd, const char *name)
{
    char got[16];
    unsigned len = sizeof(got);

    check_eq(tcp_getopt(stack(), tconn(fd), IPPROTO_TCP, TCP_CONGESTION, got, &len), 0);
    check_eq(len, 16);
    check_eq(strcmp(got, name), 0);
}

/* A connection that both sides agreed to use ECN on. */
static int ecn_passive(void)
{
    listen_on(80);
    in("SEC", 0, 0, .o = {MSS(1000)});
    out("SAE", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    nothing();
    return acc(0);
}

/* Negotiation: RFC 3168 6.1.1 ------------------------------------------------------------------------------------------- */

TEST(accepted_when_the_peer_asks)
{
    int c = ecn_passive();

    snd(c, 100);
    out("PA", 1, 1, 100, .tos = ECT0);
    in("A", 1, 101);
}

TEST(not_used_when_the_peer_does_not_ask)
{
    int c = passive(.mss = 1000);

    snd(c, 100);
    out("PA", 1, 1, 100);
    in("PA", 1, 101, 100, .tos = CE); /* no agreement: no echo */
    out("A", 101, 101);
    rcv(c, 100);
}

TEST(half_an_offer_is_none)
{
    listen_on(80);
    in("SE", 0, 0, .o = {MSS(1000)});
    out("SA", 0, 1, .o = {MSS(1460)});
}

TEST(off_by_key)
{
    conf()->ecn = 0;
    listen_on(80);
    in("SEC", 0, 0, .o = {MSS(1000)});
    out("SA", 0, 1, .o = {MSS(1460)});
}

static int asking(const char *answer)
{
    int c;

    conf()->ecn = 2;
    conf()->timestamps = false;
    c = tsock();
    check_eq(con(c), -EINPROGRESS);
    out("SEC", 0, 0, .o = {MSS(1460), SACKOK, WS(7)});
    in(answer, 0, 1, .o = {MSS(1000)});
    out("A", 1, 1);
    return c;
}

TEST(asked_for_by_key)
{
    int c = asking("SAE");

    snd(c, 100);
    out("PA", 1, 1, 100, .tos = ECT0);
}

TEST(refused_by_the_peer)
{
    int c = asking("SA");

    snd(c, 100);
    out("PA", 1, 1, 100);
}

/* A host that reflects reserved bits has not agreed. */
TEST(reflected_flags_are_no_agreement)
{
    int c = asking("SAEC");

    snd(c, 100);
    out("PA", 1, 1, 100);
}

/* 6.1.1.1; who has sent a SYN without the flags must not mark data, but echoes. */
TEST(syn_that_is_not_answered_goes_without)
{
    int c;

    conf()->ecn = 2;
    conf()->timestamps = false;
    c = tsock();
    check_eq(con(c), -EINPROGRESS);
    out("SEC", 0, 0, .o = {MSS(1460), SACKOK, WS(7)});
    after_ms(1000);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, WS(7)});
    in("SAE", 0, 1, .o = {MSS(1000)});
    out("A", 1, 1);
    check_eq(COUNT(CTR_TCP_ECN_FALLBACK), 1);
    snd(c, 100);
    out("PA", 1, 1, 100);
    in("PA", 1, 101, 100, .tos = CE);
    out("AE", 101, 101);
    rcv(c, 100);
}

TEST(syn_ack_again_with_the_flag)
{
    listen_on(80);
    in("SEC", 0, 0, .o = {MSS(1000)});
    out("SAE", 0, 1, .o = {MSS(1460)});
    after_ms(1000);
    out("SAE", 0, 1, .o = {MSS(1460)});
}

/* The receiver: 6.1.3 --------------------------------------------------------------------------------------------------- */

TEST(mark_is_echoed_until_cwr)
{
    int c = ecn_passive();

    in("A", 1, 1, 100, .tos = CE);
    out("AE", 1, 101);
    in("PA", 101, 1, 100, .tos = ECT0);
    out("AE", 1, 201);
    snd(c, 10);
    out("PAE", 1, 201, 10, .tos = ECT0);
    in("PAC", 201, 11, 100, .tos = ECT0);
    out("A", 11, 301);
    in("PAC", 301, 11, 100, .tos = CE); /* CWR for the last one, and a new mark */
    out("AE", 11, 401);
    rcv(c, 400);
}

/* 6.1.4 and 6.1.5: a mark on a pure ACK, or on what is outside the window, says nothing. */
TEST(marks_without_acceptable_text_are_ignored)
{
    int c = ecn_passive();

    in("A", 1, 1, .tos = CE);
    nothing();
    in("PA", 1, 1, 100, .tos = ECT0);
    out("A", 1, 101);
    in("PA", 1, 1, 100, .tos = CE); /* again */
    out("A", 1, 101);
    in("PA", 101, 1, 100, .tos = ECT0);
    out("A", 1, 201);
    rcv(c, 200);
}

/* The sender: 6.1.2 ----------------------------------------------------------------------------------------------------- */

TEST(echo_reduces_once_per_window)
{
    int c;

    conf()->cc = &cc_reno;
    c = ecn_passive();
    snd(c, 60000);
    for (uint32_t i = 0; i < 10; i++)
        out("A", 1 + i * 1000, 1, 1000, .tos = ECT0);
    nothing();
    in("AE", 1, 1001); /* 8000 by RFC 8511; 9 are in flight */
    check_eq(tconn(c)->cc.cwnd, 8000);
    nothing();
    in("AE", 1, 3001);
    check_eq(tconn(c)->cc.cwnd, 8000);
    out("AC", 10001, 1, 1000, .tos = ECT0); /* the first new one tells so, only that one */
    in("AE", 1, 5001);
    out("A", 11001, 1, 1000, .tos = ECT0);
    out("A", 12001, 1, 1000, .tos = ECT0);
    check_eq(tconn(c)->cc.cwnd, 8000);
    in("AE", 1, 10001); /* still about data from before */
    skip_all();
    check_eq(tconn(c)->cc.cwnd, 8000);
    in("AE", 1, 12001); /* this is not */
    check_eq(tconn(c)->cc.cwnd, 6400);
    check_eq(COUNT(CTR_TCP_ECN_REDUCED), 2);
    skip_all();
}

/* RFC 8511, and RFC 9438 4.6: 0.85 of what is in use. */
TEST(cubic_reduces_to_85_percent)
{
    int c = ecn_passive();

    cc_is(c, "cubic");
    snd(c, 10000);
    for (uint32_t i = 0; i < 10; i++)
        out(i == 9 ? "PA" : "A", 1 + i * 1000, 1, 1000, .tos = ECT0);
    in("AE", 1, 1001);
    check_eq(tconn(c)->cc.cwnd, 8500);
    check_eq(tconn(c)->cc.ssthresh, 8500);
    in("A", 1, 10001);
}

/* RFC 3168 6.1.2: one segment is the least, also where less than that of the window was in use (RFC 7661). */
TEST(mark_on_little_data_leaves_a_segment)
{
    int c;

    conf()->cc = &cc_reno;
    c = ecn_passive();
    for (uint32_t i = 0; i < 2; i++) {
        snd(c, 100);
        out("PA", 1 + i * 100, 1, 100, .tos = ECT0);
        in(i == 1 ? "AE" : "A", 1, 101 + i * 100);
    }
    check_eq(COUNT(CTR_TCP_ECN_REDUCED), 1);
    check_eq(tconn(c)->cc.cwnd, 1000);
    snd(c, 1000);
    out("PAC", 201, 1, 1000, .tos = ECT0);
    in("A", 1, 1201);
}

/* 6.1.5, 6.1.4: retransmissions and pure ACKs are not ECT. */
TEST(retransmission_is_not_ect)
{
    int c = ecn_passive();

    snd(c, 1000);
    out("PA", 1, 1, 1000, .tos = ECT0);
    after_ms(200);
    out("PA", 1, 1, 1000);
    in("A", 1, 1001);
    in("PA", 1, 1001, 10, .tos = ECT0); /* a pure ACK */
    out("A", 1001, 11);
    rcv(c, 10);
}

TEST(probe_of_a_closed_window_is_not_ect)
{
    int c = ecn_passive();

    in("A", 1, 1, .win = WIN0);
    snd(c, 100);
    nothing();
    after_ms(200);
    out("PA", 1, 1, 1);
    in("A", 1, 2, .win = 1000);
    out("PA", 2, 1, 99, .tos = ECT0);
    in("A", 1, 101);
}

/* The application's bits and the stack's live in one octet. */
TEST(type_of_service_and_ecn)
{
    int c = ecn_passive();

    if (getenv("SCRIPT_VARIANT") != NULL && strncmp(getenv("SCRIPT_VARIANT"), "ipv6", 4) == 0)
        sopt(c, IPPROTO_IPV6, IPV6_TCLASS, 0xb9);
    else
        sopt(c, IPPROTO_IP, IP_TOS, 0xb9);
    snd(c, 100);
    out("PA", 1, 1, 100, .tos = 0xb8 | ECT0);
    in("PA", 1, 101, 10, .tos = CE);
    out("AE", 101, 11, .tos = 0xb8);
    rcv(c, 10);
}

TEST(tcp_info_tells)
{
    struct tcp_info i;
    unsigned len = sizeof(i);
    int c = ecn_passive();

    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_options & (TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN), TCPI_OPT_ECN);
    in("PA", 1, 1, 10, .tos = ECT0);
    out("A", 1, 11);
    rcv(c, 10);
    check_eq(tcp_getopt(stack(), tconn(c), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    check_eq(i.tcpi_options & (TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN), TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN);
}

/* DCTCP: RFC 8257 ------------------------------------------------------------------------------------------------------- */

static int dctcp_passive(void)
{
    int l, c;

    conf()->ecn = 0; /* it asks and accepts all the same */
    l = listen_on(80);
    set_cc(l, "dctcp", 0);
    in("SEC", 0, 0, .o = {MSS(1000)});
    out("SAE", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    c = acc(l);
    cc_is(c, "dctcp"); /* inherited */
    return c;
}

/* 3.2: a change of marks sends what was owed with the old state at once; CWR ends nothing. */
TEST(dctcp_echo_is_exact)
{
    int c = dctcp_passive();

    in("A", 1, 1, 1000, .tos = ECT0);
    nothing();
    in("A", 1001, 1, 1000, .tos = CE);
    out("A", 1, 1001, .tos = ECT0);
    after_ms(40);
    out("AE", 1, 2001, .tos = ECT0);
    in("A", 2001, 1, 1000, .tos = CE);
    nothing();
    in("AC", 3001, 1, 1000, .tos = CE);
    out("AE", 1, 4001, .tos = ECT0);
    in("A", 4001, 1, 1000, .tos = CE);
    nothing();
    in("A", 5001, 1, 1000, .tos = ECT0);
    out("AE", 1, 5001, .tos = ECT0);
    in("PA", 6001, 1, 1000, .tos = ECT0);
    out("A", 1, 7001, .tos = ECT0);
    rcv(c, 7000);
}

/* 3.3: alpha is 1 at the beginning: the first mark halves. */
TEST(dctcp_first_mark_halves)
{
    int c = dctcp_passive();

    snd(c, 10000);
    for (uint32_t i = 0; i < 10; i++)
        out(i == 9 ? "PA" : "A", 1 + i * 1000, 1, 1000, .tos = ECT0);
    in("AE", 1, 1001);
    check(tconn(c)->cc.cwnd >= 5000 && tconn(c)->cc.cwnd <= 5500);
    in("A", 1, 10001);
}

/* Options --------------------------------------------------------------------------------------------------------------- */

TEST(tcp_congestion_option)
{
    int c = tsock();

    cc_is(c, "cubic");
    set_cc(c, "reno", 0);
    cc_is(c, "reno");
    set_cc(c, "no_such", -ENOENT);
    set_cc(c, "", -EINVAL);
    cc_is(c, "reno");
    active_on(c, .mss = 1000);
    cc_is(c, "reno");
    snd(c, 20000);
    check(skip_all() >= 10);
    set_cc(c, "bbr", 0); /* with data in flight */
    cc_is(c, "bbr");
    in("A", 1, 10001);
    skip_ms(500);
    set_cc(c, "cubic", 0);
    cc_is(c, "cubic");
    in("A", 1, 20001);
    skip_all();
}

/* BBR wants two blocks of memory beside the connection: without the first or the second it is CUBIC, and counted. */
TEST(no_memory_for_bbr_means_cubic)
{
    int c = passive(.mss = 1000);

    sopt(c, IPPROTO_TCP, TCP_SYNCNT, 3); /* its options are its own from here on: they need no memory of their own */
    for (uint64_t k = 1; k <= 2; k++) {
        size_t used = stack()->arena.used_bytes;

        stack()->arena.fail_after = k;
        set_cc(c, "bbr", 0);
        cc_is(c, "cubic");
        check_eq(COUNT(CTR_TCP_CC_NOMEM), k);
        check_eq(stack()->arena.used_bytes, used);
    }
    set_cc(c, "bbr", 0);
    cc_is(c, "bbr");
}

TEST(algorithm_by_key)
{
    int c;

    conf()->cc = &cc_bbr;
    c = passive(.mss = 1000);
    cc_is(c, "bbr");
    snd(c, 5000);
    skip_all();
    in("A", 1, 5001);
}

TEST(max_pacing_rate_option)
{
    uint64_t v = 0;
    unsigned len = 8;
    int c = passive(.mss = 1000);

    check_eq(gopt(c, SOL_SOCKET, SO_MAX_PACING_RATE), -1); /* 32 bits, all set: no limit */
    sopt(c, SOL_SOCKET, SO_MAX_PACING_RATE, 100000);
    check_eq(gopt(c, SOL_SOCKET, SO_MAX_PACING_RATE), 100000);
    v = 5000000000;
    check_eq(tcp_setopt(stack(), tconn(c), SOL_SOCKET, SO_MAX_PACING_RATE, &v, sizeof(v)), 0);
    v = 0;
    check_eq(tcp_getopt(stack(), tconn(c), SOL_SOCKET, SO_MAX_PACING_RATE, &v, &len), 0);
    check(v == 5000000000 && len == 8);
}

/* 100000 bytes a second are two segments in 20 ms. */
TEST(paced_segments)
{
    int c = passive(.mss = 1000);

    sopt(c, SOL_SOCKET, SO_MAX_PACING_RATE, 100000);
    snd(c, 8000);
    out("A", 1, 1, 1000);
    out("A", 1001, 1, 1000);
    after_ms(20);
    out("A", 2001, 1, 1000);
    out("A", 3001, 1, 1000);
    quiet_ms(19); /* what the timer was late is made up for */
    skip_ms(2);
    in("A", 1, 6001); /* acknowledgements make nothing faster */
    nothing();
    quiet_ms(17);
    skip_ms(3);
    in("A", 1, 8001);
    nothing();
    check_eq(tcp_in_flight(tconn(c)), 0);
}

RUN(T(accepted_when_the_peer_asks), T(not_used_when_the_peer_does_not_ask), T(half_an_offer_is_none), T(off_by_key), T(asked_for_by_key),
    T(refused_by_the_peer), T(reflected_flags_are_no_agreement), T(syn_that_is_not_answered_goes_without), T(syn_ack_again_with_the_flag),
    T(mark_is_echoed_until_cwr), T(marks_without_acceptable_text_are_ignored), T(echo_reduces_once_per_window),
    T(cubic_reduces_to_85_percent), T(mark_on_little_data_leaves_a_segment), T(retransmission_is_not_ect),
    T(probe_of_a_closed_window_is_not_ect), T(type_of_service_and_ecn), T(tcp_info_tells), T(dctcp_echo_is_exact),
    T(dctcp_first_mark_halves), T(tcp_congestion_option), T(algorithm_by_key), T(no_memory_for_bbr_means_cubic), T(max_pacing_rate_option),
    T(paced_segments))
