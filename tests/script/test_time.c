/* Keepalive, user timeout, ICMP errors: RFC 9293 sections 3.8.3, 3.8.4, 3.9.2.2; RFC 5482; RFC 5927. */
#include "script.h"

/* Keepalive: 3.8.4 --------------------------------------------------------------------------------------------------------- */

/* MUST-25, MUST-28 */
TEST(keepalive_is_off_and_two_hours)
{
    int c = passive();

    check_eq(gopt(c, SOL_SOCKET, SO_KEEPALIVE), 0);
    check_eq(gopt(c, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
    quiet_ms(24 * 3600 * 1000);
    sopt(c, SOL_SOCKET, SO_KEEPALIVE, 1);
    in("A", 1, 1);
    after_ms(7200 * 1000);
    out("A", 0, 1);
    in("A", 1, 1);
}

static int keepalive(int idle, int interval, int count)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    sopt(c, IPPROTO_TCP, TCP_KEEPINTVL, interval);
    sopt(c, IPPROTO_TCP, TCP_KEEPCNT, count);
    sopt(c, SOL_SOCKET, SO_KEEPALIVE, 1);
    return c;
}

/* MUST-24, MUST-26, MUST-27, MUST-29, SHLD-12: without data, one octet below; at the end a reset. */
TEST(keepalive_unanswered_ends)
{
    int c = keepalive(10, 3, 4);

    after_ms(10000);
    out("A", 0, 1);
    for (int i = 0; i < 3; i++) {
        after_ms(3000);
        out("A", 0, 1);
    }
    after_ms(3000);
    out("RA", 1, 1);
    state_is(TCPS_CLOSED);
    so_error(c, ETIMEDOUT);
}

TEST(keepalive_answered_goes_on)
{
    int c = keepalive(10, 3, 4);

    for (int i = 0; i < 5; i++) {
        after_ms(10000);
        out("A", 0, 1);
        in("A", 1, 1);
        check(!tconn(c)->unanswered);
    }
    after_ms(10000);
    out("A", 0, 1);
    after_ms(3000);
    out("A", 0, 1);
    in("A", 1, 1); /* late, and all is well */
    after_ms(10000);
    out("A", 0, 1);
    in("R", 1, 0);
    state_is(TCPS_CLOSED);
}

/* MUST-26: only when idle. */
TEST(keepalive_waits_for_silence)
{
    int c = keepalive(10, 3, 4);

    for (uint32_t i = 0; i < 5; i++) {
        quiet_ms(9000);
        in("PA", 1 + i * 10, 1, 10);
        out("A", 1, 11 + i * 10);
    }
    after_ms(10000);
    out("A", 0, 51);
    in("A", 51, 1);
    rcv(c, 50);
}

/* A probe of the peer's is answered. */
TEST(keepalive_of_the_peer_is_answered)
{
    passive();
    in("A", 0, 1);
    out("A", 1, 1);
    in("A", 0, 1, 1); /* with a garbage octet (MAY-6) */
    out("A", 1, 1);
}

/* TCP_USER_TIMEOUT: MUST-21, RFC 5482 ---------------------------------------------------------------------------------------- */

TEST(user_timeout_ends_unanswered_data)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(200);
    out("PA", 1, 1, 10);
    after_ms(400);
    out("PA", 1, 1, 10);
    after_ms(800);
    out("PA", 1, 1, 10);
    after_ms(1600);
    out("PA", 1, 1, 10);
    after_ms(1999); /* not 3200 */
    out("RA", 11, 1);
    state_is(TCPS_CLOSED);
    so_error(c, ETIMEDOUT);
}

TEST(user_timeout_longer_than_r2)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 3600 * 1000);
    snd(c, 10);
    skip_ms(3599 * 1000);
    state_is(TCPS_ESTABLISHED);
    skip_ms(2000);
    state_is(TCPS_CLOSED);
}

TEST(user_timeout_answer_in_time)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    snd(c, 10);
    skip_ms(4900);
    in("A", 1, 11);
    quiet_ms(10000);
    state_is(TCPS_ESTABLISHED);
}

TEST(user_timeout_shorter_than_the_rto)
{
    int c = passive();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
    snd(c, 10);
    out("PA", 1, 1, 10);
    after_ms(100);
    out("RA", 11, 1);
    so_error(c, ETIMEDOUT);
}

TEST(user_timeout_of_connect)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 2500);
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    after_ms(1000);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    quiet_ms(1490);
    state_is(TCPS_SYN_SENT);
    quiet_ms(20);
    state_is(TCPS_CLOSED);
    so_error(c, ETIMEDOUT);
}

TEST(user_timeout_with_keepalive)
{
    int c = keepalive(2, 1, 9);

    sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    for (int i = 0; i < 3; i++) {
        after_ms(i == 0 ? 2000 : 1000);
        out("A", 0, 1);
    }
    after_ms(1000);
    out("RA", 1, 1);
    so_error(c, ETIMEDOUT);
}

/* What is heard of the peer begins with its SYN,ACK, with timestamps and without. */
TEST(user_timeout_counts_from_the_handshake)
{
    for (int ts = 0; ts < 2; ts++) {
        int c;

        quiet_ms(60000);
        c = active(.ts = ts != 0);
        sopt(c, IPPROTO_TCP, TCP_KEEPIDLE, 2);
        sopt(c, IPPROTO_TCP, TCP_KEEPINTVL, 1);
        sopt(c, SOL_SOCKET, SO_KEEPALIVE, 1);
        sopt(c, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
        for (int i = 0; i < 3; i++) {
            after_ms(i == 0 ? 2000 : 1000);
            out_any();
            check_eq(tconn(c)->state, TCPS_ESTABLISHED);
        }
        after_ms(1000);
        out_any();
        so_error(c, ETIMEDOUT);
        fresh();
    }
}

/* ICMP: 3.9.2.2 ----------------------------------------------------------------------------------------------------------------- */

static const int unreach_errno[16] = {ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
                                      ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
                                      EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH};

/* As Linux' net/ipv6/icmp.c has it; there is no type 1 code for "too big". */
static const int unreach_errno6[] = {ENETUNREACH, EACCES, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED, EACCES, EACCES};

/* What a code of "unreachable" means to a socket; 0: no such code here. */
static int errno_of(uint8_t code)
{
    if (v6())
        return code < sizeof(unreach_errno6) / sizeof(int) ? unreach_errno6[code] : 0;
    return code != 4 ? unreach_errno[code] : 0;
}

/* As Linux, also for the soft codes of MUST-56: a connection attempt ends at once (RFC 5461 section 4). */
TEST(unreachable_in_syn_sent_fails_connect)
{
    for (uint8_t code = 0; code < 16; code++) {
        int c;

        if (errno_of(code) == 0)
            continue;
        c = reach(TCPS_SYN_SENT);
        note("code %u", code);
        in_icmp(3, code, 0, 0);
        nothing();
        state_is(TCPS_CLOSED);
        check_eq(polls(c) & (SOCK_ERR | SOCK_OUT), SOCK_ERR | SOCK_OUT);
        so_error(c, errno_of(code));
    }
}

/*
 * MUST-56, RFC 5927 section 5.2: an established connection stays; SHLD-25: the next send() says why, or SO_ERROR, whoever asks first,
 * once. Not when the peer has answered meanwhile.
 */
TEST(unreachable_in_established_is_told_by_send)
{
    for (uint8_t code = 0; code < 16; code++) {
        int c;

        if (errno_of(code) == 0)
            continue;
        c = reach(TCPS_ESTABLISHED);
        note("code %u", code);
        snd(c, 10);
        out("PA", 1, 1, 10);
        in_icmp(3, code, 0, 1);
        nothing();
        state_is(TCPS_ESTABLISHED);
        check_eq(polls(c) & (SOCK_ERR | SOCK_HUP | SOCK_OUT), SOCK_OUT);
        check_eq(rcv_flags(c, 1, 0), -EAGAIN);
        check_eq(snd_flags(c, 10, 0), -errno_of(code));
        so_error(c, 0);
        snd(c, 10);
        in_icmp(3, code, 0, 1);
        so_error(c, errno_of(code));
        snd(c, 10);
        in_icmp(3, code, 0, 1);
        in("A", 1, 11);
        out("PA", 11, 1, 20); /* what Nagle held */
        so_error(c, 0);       /* the peer answered: it was reachable after all */
        snd(c, 10);
        in("A", 1, 31);
        out("PA", 31, 1, 10);
        in("A", 1, 41);
    }
}

/* SHLD-25: an application that has asked (IP_RECVERR, as on Linux) learns of it from its next call, once; the connection stays. */
TEST(unreachable_in_established_is_told_to_who_asks)
{
    for (uint8_t code = 0; code < 16; code++) {
        int c;

        if (errno_of(code) == 0)
            continue;
        c = reach(TCPS_ESTABLISHED);
        note("code %u", code);
        sopt(c, IPPROTO_IP, IP_RECVERR, 1);
        check_eq(gopt(c, IPPROTO_IP, IP_RECVERR), 1);
        snd(c, 10);
        out("PA", 1, 1, 10);
        in_icmp(3, code, 0, 7777); /* not about data in flight */
        check_eq(polls(c) & SOCK_ERR, 0);
        in_icmp(3, code, 0, 1);
        nothing();
        state_is(TCPS_ESTABLISHED);
        check_eq(polls(c) & SOCK_ERR, SOCK_ERR);
        check_eq(snd_flags(c, 10, 0), -errno_of(code));
        check_eq(polls(c) & SOCK_ERR, 0);
        in_icmp(3, code, 0, 1);
        check_eq(rcv_flags(c, 10, 0), -errno_of(code));
        check_eq(rcv_flags(c, 10, 0), -EAGAIN);
        in("A", 1, 11);
        snd(c, 10);
        out("PA", 11, 1, 10);
        in("A", 1, 21);
    }
}

/* MUST-55, MUST-56: source quench, time exceeded, parameter problem end nothing. */
TEST(soft_errors_end_nothing)
{
    int c = reach(TCPS_SYN_SENT);

    in_icmp(4, 0, 0, 0);
    in_icmp(11, 0, 0, 0);
    in_icmp(12, 0, 0, 0);
    nothing();
    state_is(TCPS_SYN_SENT);
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    snd(c, 10);
    out("PA", 1, 1, 10);
    in_icmp(4, 0, 0, 1);
    in_icmp(11, 0, 0, 1);
    in_icmp(12, 0, 0, 1);
    state_is(TCPS_ESTABLISHED);
    in("A", 1, 11);
    snd(c, 10);
    out("PA", 11, 1, 10);
}

/* A connection that times out reports what ICMP had said. */
TEST(soft_error_is_the_reason_of_a_timeout)
{
    int c = reach(TCPS_SYN_SENT);

    in_icmp(11, 0, 0, 0);
    skip_ms(300 * 1000);
    state_is(TCPS_CLOSED);
    so_error(c, EHOSTUNREACH);
}

/* RFC 5927 section 4.1: only about what is in flight. */
TEST(icmp_outside_the_flight_is_ignored)
{
    int c = reach(TCPS_SYN_SENT);

    in_icmp(3, 3, 0, 1000);
    in_icmp(3, 3, 0, (uint32_t)-1000);
    state_is(TCPS_SYN_SENT);
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    snd(c, 1000);
    out("PA", 1, 1, 1000);
    in_icmp(3, 4, 600, 50000);
    in_icmp(3, 1, 0, 50000);
    nothing();
    snd(c, 5000);
    skip_all();
}

/* RFC 1191, RFC 8201, SHLD-6: a smaller path. */
TEST(needfrag_lowers_the_segment_size)
{
    uint32_t m = v6() ? 1260 : 960; /* IPv6 has no path that is narrower */
    int c = passive();

    snd(c, 2920);
    out("A", 1, 1, 1460);
    out("PA", 1461, 1, 1460);
    in_icmp(3, 4, (uint16_t)(m + 40), 1);
    if (tconn(c)->max_frame_bytes > 0) { /* both went in one frame, which is cut anew */
        for (uint32_t at = 1; at < 2921; at += m)
            out(at + m < 2921 ? "A" : "PA", at, 1, MIN(m, 2921 - at));
    } else {
        out("A", 1, 1, m);
        out("A", 1 + m, 1, 1460 - m);
        out("A", 1461, 1, m);
        out("PA", 1461 + m, 1, 1460 - m);
    }
    in("A", 1, 2921);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), m);
    in_icmp(3, 4, 1400, 2921); /* never larger */
    if (!v6())
        in_icmp(3, 4, 0, 2921); /* an old router: no number */
    snd(c, 1500);
    out("A", 2921, 1, m);
    out("PA", 2921 + m, 1, 1500 - m);
}

RUN(T(keepalive_is_off_and_two_hours), T(keepalive_unanswered_ends), T(keepalive_answered_goes_on), T(keepalive_waits_for_silence),
    T(keepalive_of_the_peer_is_answered), T(user_timeout_ends_unanswered_data), T(user_timeout_longer_than_r2),
    T(user_timeout_answer_in_time), T(user_timeout_shorter_than_the_rto), T(user_timeout_of_connect), T(user_timeout_with_keepalive),
    T(user_timeout_counts_from_the_handshake), T(unreachable_in_syn_sent_fails_connect), T(unreachable_in_established_is_told_by_send),
    T(unreachable_in_established_is_told_to_who_asks), T(soft_errors_end_nothing), T(soft_error_is_the_reason_of_a_timeout),
    T(icmp_outside_the_flight_is_ignored), T(needfrag_lowers_the_segment_size))
