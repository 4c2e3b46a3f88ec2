/* SYN cookies (RFC 4987 section 3.6): a handshake of which the stack keeps nothing. */
#include "script.h"

static uint64_t ctr(enum ctr c)
{
    return stack()->ctr.v[c];
}

static int listen_full(void)
{
    conf()->syn_cache_limit = 0;
    return listen_on(80);
}

static void nothing_kept(void)
{
    state_is(TCPS_CLOSED);
    check_eq(stack()->tcp.n_conns, 1);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 0);
}

/* Maximum segment size, window scale, SACK and timestamps come back with the ACK. */
TEST(cookie_keeps_the_options)
{
    int l = listen_full(), c;

    in("S", 0, 0, .o = {MSS(1460), SACKOK, TS(1000), WS(3)});
    out("SA", 0, 1, .win = 65535, .o = {MSS(1460), SACKOK, COOKIE_ECHO(1000), WS(7)});
    nothing_kept();
    check_eq(ctr(CTR_TCP_COOKIE_TX), 1);
    quiet_ms(100);
    in("A", 1, 1, .win = 1000, .o = {TS(1001)});
    nothing();
    state_is(TCPS_ESTABLISHED);
    check_eq(ctr(CTR_TCP_COOKIE_RX), 1);
    c = acc(l);
    check_eq(tconn(c)->peer_mss, 1460);
    check_eq(tconn(c)->snd_wscale, 3);
    check_eq(tconn(c)->rcv_wscale, 7);
    check_eq(tconn(c)->snd_wnd, 8000);
    check(tconn(c)->ts_on && tconn(c)->sack_on && tconn(c)->ws_on);
    check_eq(rtt_srtt_ns(&tconn(c)->rtt), 0); /* when the SYN,ACK left is not known */
    in("PA", 11, 1, 10, .o = {TS(1002)});
    out("A", 1, 1, .o = {ECHO(1001), SACK(11, 21)});
    in("PA", 1, 1, 10, .o = {TS(1003)});
    out("A", 1, 21, .o = {ECHO(1003)});
    rcv(c, 20);
    snd(c, 10);
    out("PA", 1, 21, 10, .o = {ECHO(1003)});
    in("A", 21, 11, .o = {TS(1004)});
}

/* A peer whose SYN has no window scale and no SACK gets none. */
TEST(cookie_keeps_what_is_absent)
{
    int l = listen_full(), c;

    in("S", 0, 0, .o = {MSS(1460), TS(1000)});
    out("SA", 0, 1, .o = {MSS(1460), COOKIE_ECHO(1000)});
    in("A", 1, 1, .win = 1000, .o = {TS(1001)});
    c = acc(l);
    check(!tconn(c)->sack_on && !tconn(c)->ws_on);
    check_eq(tconn(c)->snd_wnd, 1000);
}

/* Without timestamps only the segment size survives: the rest is not agreed on. */
TEST(cookie_without_timestamps)
{
    int l = listen_full(), c;

    in("S", 0, 0, .o = {MSS(1390), SACKOK, WS(3)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1, .win = 5000);
    c = acc(l);
    check_eq(tconn(c)->peer_mss, 1360); /* the next lower of eight */
    check_eq(tconn(c)->snd_wnd, 5000);
    check(!tconn(c)->sack_on && !tconn(c)->ws_on && !tconn(c)->ts_on);
    snd(c, 1400);
    out("A", 1, 1, 1360);
    out("PA", 1361, 1, 40);
    in("A", 1, 1401);
}

/* Timestamps of the connection follow the one of the cookie: the peer's PAWS does not drop them (RFC 7323 5.3). */
TEST(cookie_timestamp_is_not_in_the_future)
{
    int l = listen_full(), c;
    uint32_t cookie;

    for (int i = 0; i < 130; i += 13) {
        in("S", 0, 0, .port = (uint16_t)(6000 + i), .o = {MSS(1460), SACKOK, TS(1000), WS(14)});
        out("SA", 0, 1, .port = (uint16_t)(6000 + i), .o = {MSS(1460), SACKOK, COOKIE_ECHO(1000), WS(7)});
        cookie = script_last().o[2].a;
        in("A", 1, 1, .port = (uint16_t)(6000 + i), .o = {TS(1000)});
        c = acc(l);
        snd(c, 1);
        out("PA", 1, 1, 1, .port = (uint16_t)(6000 + i), .o = {ECHO(1000)});
        check((int32_t)(script_last().o[0].a - cookie) >= 0 && script_last().o[0].a - cookie < 128);
        in("A", 1, 2, .port = (uint16_t)(6000 + i), .o = {TS(1000)});
        quiet_ms(13);
    }
}

TEST(cookie_with_data_and_fin)
{
    int l = listen_full(), c;

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("FPA", 1, 1, 100);
    out("A", 1, 102);
    c = acc(l);
    rcv(c, 100);
    rcv(c, 0);
}

TEST(forged_cookie_gets_rst)
{
    int l = listen_full();

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 2);
    out("R", 2, 0);
    in("A", 2, 1); /* of another initial sequence number */
    out("R", 1, 0);
    in("A", 1, 1 + 32);
    out("R", 33, 0);
    check_eq(ctr(CTR_TCP_COOKIE_BAD), 3);
    check_eq(acc(l), -EAGAIN);
    in("A", 1, 1);
    check(acc(l) > 0);
}

/* The peer's port is part of it. */
TEST(cookie_of_another_connection)
{
    listen_full();
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("S", 0, 0, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("A", 1, 1 + script_flow_iss(0) - script_flow_iss(6000), .port = 6000);
    out_any();
    state_of(6000, TCPS_CLOSED);
    check_eq(ctr(CTR_TCP_COOKIE_BAD), 1);
}

/* Good for one period at least and two at most. */
TEST(cookie_gets_old)
{
    int l = listen_full();

    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    quiet_ms(60000);
    in("A", 1, 1);
    nothing();
    check(acc(l) > 0);
    in("R", 1, 0);
    quiet_ms(60000);
    in("A", 1, 1);
    out("R", 1, 0);
    state_is(TCPS_CLOSED);
}

TEST(no_cookies_when_off)
{
    conf()->syncookies = 0;
    listen_full();
    in("S", 0, 0, .o = {MSS(1460)});
    nothing();
    check_eq(ctr(DROP_TCP_BACKLOG), 1);
    in("A", 1, 1);
    out("R", 1, 0);
    check_eq(ctr(CTR_TCP_COOKIE_BAD), 0);
}

TEST(cookies_always)
{
    int l;

    conf()->syncookies = 2;
    l = listen_on(80);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    nothing_kept();
    in("A", 1, 1);
    check(acc(l) > 0);
}

/* A full accept queue ignores SYNs, and a cookie's ACK; data completes it later. */
TEST(cookies_and_a_full_accept_queue)
{
    int l, c;

    conf()->syn_cache_limit = 0;
    l = listen_backlog(80, 0);
    for (uint16_t p = 6000; p < 6002; p++) {
        in("S", 0, 0, .port = p, .o = {MSS(1460)});
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    in("A", 1, 1, .port = 6000);
    in("A", 1, 1, .port = 6001);
    nothing();
    in("S", 0, 0, .port = 6002, .o = {MSS(1460)});
    nothing();
    check(acc(l) > 0);
    in("PA", 1, 1, 10, .port = 6001);
    out("A", 1, 11, .port = 6001);
    c = acc(l);
    rcv(c, 10);
}

/* The cache has room again when the SYN is repeated, and then the ACK of the cookie arrives. */
TEST(cookie_passes_an_entry)
{
    int l;

    conf()->syn_cache_limit = 1;
    l = listen_on(80);
    in("S", 0, 0, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("R", 1, 0, .port = 6000);
    in("S", 0, 0, .o = {MSS(1460)});
    out_any();
    state_is(TCPS_SYN_RCVD);
    in("A", 1, 1);
    nothing();
    state_is(TCPS_ESTABLISHED);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 0);
    check(acc(l) > 0);
}

/* No memory for an entry is as good a reason as the limit. */
TEST(cookie_for_want_of_memory)
{
    int l = listen_on(80);

    stack()->arena.fail_after = 1;
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    nothing_kept();
    in("A", 1, 1);
    check(acc(l) > 0);
}

/* More half-open connections than the backlog: a cookie, whose SYN,ACK is not repeated. */
TEST(cookies_begin_at_the_backlog)
{
    listen_backlog(80, 1);
    in("S", 0, 0, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("S", 0, 0, .port = 6001, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    check_eq(ctr(CTR_TCP_COOKIE_TX), 1);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 1);
    after_ms(1000);
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    quiet_ms(1999);
}

/* What completes a handshake, with a cookie and without: an ACK of the SYN,ACK, whatever comes with it but SYN and RST. */
TEST(flags_that_complete_a_handshake)
{
    static const struct {
        const char *flags;
        bool accepted;
    } row[] = {{"A", true}, {"PA", true}, {"FA", true}, {"SA", false}, {"RA", false}, {"R", false}};

    for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        int l;

        fresh();
        note("%s", row[i].flags);
        l = listen_backlog(80, 1);
        for (uint16_t p = 6000; p < 6002; p++) {
            in("S", 0, 0, .port = p, .o = {MSS(1460)});
            out("SA", 0, 1, .port = p, .o = {MSS(1460)});
        }
        for (uint16_t p = 6001; p >= 6000; p--) {
            check_eq(polls(l), 0);
            in(row[i].flags, 1, 1, .port = p);
            check_eq(polls(l), row[i].accepted ? SOCK_IN : 0);
            check_eq(acc(l) > 0, row[i].accepted);
        }
        skip_all();
    }
}

/* SYN-RECEIVED, with a cookie and without: only ISS + 1 is acknowledged, everything else gets <SEQ=SEG.ACK><CTL=RST>. */
TEST(acknowledgements_that_do_not)
{
    static const uint32_t bad[] = {0, 2, 100000, (uint32_t)-1};

    listen_backlog(80, 1);
    for (uint16_t p = 6000; p < 6002; p++) {
        in("S", 0, 0, .port = p, .o = {MSS(1460)});
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    for (uint16_t p = 6000; p < 6002; p++)
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            in("A", 1, bad[i], .port = p);
            out("R", bad[i], 0, .port = p);
        }
    in("A", 1, 1, .port = 6000);
    in("A", 1, 1, .port = 6001);
    nothing();
    state_of(6000, TCPS_ESTABLISHED);
    state_of(6001, TCPS_ESTABLISHED);
}

RUN(T(cookie_keeps_the_options), T(cookie_keeps_what_is_absent), T(cookie_without_timestamps), T(cookie_timestamp_is_not_in_the_future),
    T(cookie_with_data_and_fin), T(forged_cookie_gets_rst), T(cookie_of_another_connection), T(cookie_gets_old), T(no_cookies_when_off),
    T(cookies_always), T(cookies_and_a_full_accept_queue), T(cookie_passes_an_entry), T(cookie_for_want_of_memory),
    T(cookies_begin_at_the_backlog), T(flags_that_complete_a_handshake), T(acknowledgements_that_do_not))
