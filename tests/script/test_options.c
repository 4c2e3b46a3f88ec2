/* Options, checksums, addresses: RFC 9293 sections 3.1, 3.2, 3.7.1, 3.9.2; RFC 7323. */
#include "script.h"

#define BYTES(...) .raw = (const uint8_t[]){__VA_ARGS__}, .raw_len = sizeof((const uint8_t[]){__VA_ARGS__})

/* How long are the segments of a connection that has 4000 bytes to send? */
static void segments_of(int c, uint32_t len)
{
    snd(c, 4000);
    out("A", 1, 1, len);
    skip_all();
}

/* MSS ------------------------------------------------------------------------------------------------------------------- */

/* MUST-15, MUST-16 */
/* MUST-15: 536 over IPv4, 1220 over IPv6 */
TEST(mss_absent_means_the_default)
{
    segments_of(passive(.mss = 1), v6() ? 1220 : 536);
    fresh();
    segments_of(active(.mss = 1), v6() ? 1220 : 536);
}

TEST(mss_of_the_peer_limits_segments)
{
    segments_of(passive(.mss = 700), 700);
    fresh();
    segments_of(active(.mss = 700), 700);
}

/* MUST-16, SHLD-6: never more than our own MTU takes. */
TEST(mss_larger_than_the_mtu_is_limited)
{
    segments_of(passive(.mss = 9000), 1460);
    fresh();
    segments_of(active(.mss = 65535), 1460);
}

/* 0 would mean segments of headers only; 64 is the smallest that is honoured. */
TEST(mss_zero_is_raised)
{
    in("S", 0, 0, .o = {MSS(0)}, .lport = 81);
    out("RA", 0, 1);
    fresh();
    listen_on(80);
    in("S", 0, 0, .o = {MSS(0)});
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    check_eq(tcp_eff_mss(TAILQ_FIRST(&tconn(0)->lis->accept_q)), 64);
}

/* Options take their room from the segment: MUST-16. */
TEST(mss_counts_options)
{
    segments_of(passive(.ts = true), 1448);
    fresh();
    segments_of(active(.ts = true, .mss = 1000), 988);
}

TEST(maxseg_of_the_application)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_MAXSEG, 500);
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(500), SACKOK, ECHO(0), WS(7)});
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    segments_of(c, 500);
}

/* MUST-65: exactness of out() shows that no other segment carries MSS. MUST-5: options in any segment. */
TEST(options_outside_syn_are_skipped)
{
    int c = passive();

    in("PA", 1, 1, 10, .o = {MSS(100), WS(3), SACKOK});
    out("A", 1, 11);
    rcv(c, 10);
    snd(c, 2000);
    out("A", 1, 11, 1460);
    out("PA", 1461, 11, 540);
}

/* List syntax ----------------------------------------------------------------------------------------------------------- */

/* MUST-6 */
TEST(unknown_option_is_skipped)
{
    listen_on(80);
    in("S", 0, 0, BYTES(254, 6, 1, 2, 3, 4, 2, 4, 2, 0x58, 30, 2));
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    segments_of(acc(0), 600);
}

/* MUST-64: at odd offsets. */
TEST(options_at_any_alignment)
{
    listen_on(80);
    in("S", 0, 0, BYTES(1, 2, 4, 2, 0x58, 3, 3, 2, 1, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 1, 0));
    out("SA", 0, 1, .o = {MSS(1460), SACKOK, ECHO(9), WS(7)});
}

/* MUST-7: what stands before the bad length counts, nothing is read past the header. */
TEST(illegal_option_length_ends_the_list)
{
    static const uint8_t bad[][8] = {{2, 4, 2, 0x58, 3, 0, 0, 0},
                                     {2, 4, 2, 0x58, 3, 1, 0, 0},
                                     {2, 4, 2, 0x58, 8, 10, 0, 0},
                                     {2, 4, 2, 0x58, 1, 1, 1, 8},
                                     {2, 4, 2, 0x58, 8, 255, 0, 0}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int l;

        fresh();
        l = listen_on(80);
        in("S", 0, 0, .raw = bad[i], .raw_len = 8);
        out("SA", 0, 1, .o = {MSS(1460)});
        in("A", 1, 1, .raw = bad[i] + 4, .raw_len = 4);
        segments_of(acc(l), 600);
    }
}

/* A known option with a length that it never has is skipped. */
TEST(wrong_length_of_known_option_is_skipped)
{
    listen_on(80);
    in("S", 0, 0, BYTES(2, 3, 5, 3, 2, 4, 5, 8, 3, 0, 2, 4, 2, 0x58, 0, 0));
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    segments_of(acc(0), 600);
}

TEST(end_of_list_ends_it)
{
    listen_on(80);
    in("S", 0, 0, BYTES(2, 4, 2, 0x58, 0, 4, 2, 1));
    out("SA", 0, 1, .o = {MSS(1460)});
}

TEST(sixty_byte_header)
{
    int c = passive();

    in("PA", 1, 1, 10,
       BYTES(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1));
    out("A", 1, 11);
    rcv(c, 10);
}

TEST(bad_data_offset_is_dropped)
{
    passive();
    in("PA", 1, 1, 10, .hlen = 16);
    in("PA", 1, 1, 10, .hlen = 0xff & ~3);
    in("PA", 1, 1, 10, .hlen = 40);
    nothing();
    check_eq(stack()->ctr.v[DROP_TCP_HLEN], 3);
}

/* MUST-3 */
TEST(bad_checksum_is_dropped)
{
    int c = passive();

    in("PA", 1, 1, 10, .bad_cksum = true);
    in("R", 1, 0, .bad_cksum = true);
    nothing();
    check_eq(stack()->ctr.v[DROP_TCP_CKSUM], 2);
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    rcv(c, 10);
}

/* MUST-57, MUST-63 */
TEST(broadcast_is_dropped)
{
    listen_on(80);
    in("S", 0, 0, .dst = 0x0a0000ffu, .bcast_mac = true);
    in("S", 0, 0, .dst = 0xffffffffu, .bcast_mac = true);
    in("S", 0, 0, .bcast_mac = true);
    in("S", 0, 0, .dst = 0xe0000001u);
    in("S", 0, 0, .src = 0x0a0000ffu);
    in("S", 0, 0, .src = 0xe0000001u);
    in("S", 0, 0, .src = 0xffffffffu);
    in("A", 0, 0, .src = 0x0a0000ffu, .lport = 81);
    nothing();
    state_is(TCPS_CLOSED);
}

/* Window scaling: RFC 7323 section 2 -------------------------------------------------------------------------------------- */

TEST(window_scale_is_offered_and_answered)
{
    passive(.ws_plus1 = 1);
    fresh();
    active(.ws_plus1 = 1);
}

/* Without the peer's option, none in the SYN,ACK and no scaling of ours. */
TEST(window_scale_only_if_the_peer_offers)
{
    int c = passive();

    in("PA", 1, 1, 100);
    out("A", 1, 101, .win = 65435);
    rcv(c, 100);
}

/* The window of a SYN is never scaled. */
TEST(window_in_syn_is_not_scaled)
{
    int c, n = 0;

    listen_on(80);
    in("S", 0, 0, .win = 4000, .o = {MSS(1000), WS(10)});
    out("SA", 0, 1, .win = 65535, .o = {MSS(1460), WS(7)});
    in("A", 1, 1, .win = 3); /* 3 << 10 = 3072 */
    c = acc(0);
    snd(c, 9000);
    for (n = 0; n < 3; n++)
        out("A", 1 + (uint32_t)n * 1000, 1, 1000);
    nothing();
}

/* "If a Window Scale option is received with a shift.cnt value larger than 14 ... MUST use 14" */
TEST(window_scale_above_14_is_14)
{
    int c = passive(.ws_plus1 = 1 + 200, .mss = 1000, .win = 1); /* 1 << 14 = 16384 */

    check_eq(tconn(c)->snd_wscale, 14);
    check_eq(tconn(c)->snd_wnd, 16384);
    snd(c, 20000);
    for (uint32_t i = 0; i < 10; i++)
        out("A", 1 + i * 1000, 1, 1000); /* IW10 */
    nothing();
}

TEST(receive_window_is_scaled)
{
    int c = passive(.ws_plus1 = 1);

    in("PA", 1, 1, 100);
    out("A", 1, 101);
    check(script_last().win > 300 && script_last().win <= 512); /* 64 KB >> 7 */
    rcv(c, 100);
}

/* Timestamps: RFC 7323 sections 3 and 4 ----------------------------------------------------------------------------------- */

/* out() checks on every segment that the option is there and ticks in milliseconds. */
TEST(timestamps_on_every_segment)
{
    int c = passive(.ts = true);

    quiet_ms(123);
    in("PA", 1, 1, 10, .o = {TS(5000)});
    out("A", 1, 11, .o = {ECHO(5000)});
    rcv(c, 10);
    snd(c, 10);
    out("PA", 1, 11, 10, .o = {ECHO(5000)});
    in("A", 11, 11, .o = {TS(5001)});
    shut(c, SHUT_WR);
    out("FA", 11, 11, .o = {ECHO(5001)});
    in("A", 11, 12, .o = {TS(5002)});
}

/* 4.3, case A: the ACK of two segments echoes the first one's timestamp. */
TEST(delayed_ack_echoes_the_earlier_segment)
{
    int c = passive(.ts = true);

    in("A", 1, 1, 1448, .o = {TS(6000)});
    nothing();
    in("A", 1449, 1, 1448, .o = {TS(6001)});
    out("A", 1, 2897, .o = {ECHO(6000)});
    rcv(c, 2896);
}

/* 4.3, case B: a hole: the echo stays that of the last segment in order; filling it echoes the filler. */
TEST(hole_echoes_the_last_in_order_segment)
{
    int c = passive(.ts = true);

    in("PA", 1, 1, 100, .o = {TS(6000)});
    out("A", 1, 101, .o = {ECHO(6000)});
    in("PA", 201, 1, 100, .o = {TS(6010)});
    out("A", 1, 101, .o = {ECHO(6000)});
    in("PA", 301, 1, 100, .o = {TS(6011)});
    out("A", 1, 101, .o = {ECHO(6000)});
    in("PA", 101, 1, 100, .o = {TS(6012)});
    out("A", 1, 401, .o = {ECHO(6012)});
    rcv(c, 400);
}

/* 3.2: "if a non-<RST> segment is received without a TSopt, a TCP SHOULD silently drop the segment" */
TEST(missing_timestamp_is_dropped)
{
    int c = passive(.ts = true);

    in("PA", 1, 1, 10, .no_ts = true);
    nothing();
    check_eq(rcv_flags(c, 10, 0), -EAGAIN);
    in("R", 1, 0, .no_ts = true); /* a reset counts */
    nothing();
    state_is(TCPS_CLOSED);
}

/* 5.3 R1: older than TS.Recent: acknowledged and dropped. */
TEST(paws_drops_and_acknowledges)
{
    int c = passive(.ts = true);

    in("PA", 1, 1, 10, .o = {TS(8000)});
    out("A", 1, 11, .o = {ECHO(8000)});
    in("PA", 11, 1, 10, .o = {TS(7999)});
    out("A", 1, 11, .o = {ECHO(8000)});
    in("FA", 11, 1, .o = {TS(7000)});
    out("A", 1, 11, .o = {ECHO(8000)});
    in("PA", 11, 1, 10, .o = {TS(8000 + 0x80000001u)}); /* half the space away: older */
    out("A", 1, 11, .o = {ECHO(8000)});
    rcv(c, 10);
    check_eq(rcv_flags(c, 10, 0), -EAGAIN);
    in("PA", 11, 1, 10, .o = {TS(8000)}); /* equal is fine */
    out("A", 1, 21, .o = {ECHO(8000)});
    rcv(c, 10);
}

/* "RST segments ... MUST NOT be subjected to the PAWS check" */
TEST(paws_does_not_apply_to_rst)
{
    passive(.ts = true);
    in("R", 1, 0, .o = {TS(1)});
    nothing();
    state_is(TCPS_CLOSED);
}

/* 5.5: after 24 days without a segment TS.Recent says nothing. */
TEST(paws_ends_after_24_days)
{
    int c = passive(.ts = true);

    in("PA", 1, 1, 10, .o = {TS(8000)});
    out("A", 1, 11, .o = {ECHO(8000)});
    rcv(c, 10);
    quiet_ms(24ull * 24 * 3600 * 1000 - 1000);
    in("PA", 11, 1, 10, .o = {TS(7000)});
    out("A", 1, 11, .o = {ECHO(8000)});
    quiet_ms(24ull * 24 * 3600 * 1000 + 1000);
    in("PA", 11, 1, 10, .o = {TS(7000)});
    out("A", 1, 21, .o = {ECHO(7000)});
    rcv(c, 10);
}

/* TS.Recent follows only segments at or before the last ACK sent, and never goes back. */
TEST(ts_recent_ignores_segments_beyond_the_ack)
{
    passive(.ts = true);
    in("A", 1, 1, .o = {TS(9000)});
    in("PA", 5000, 1, 10, .o = {TS(9500)});
    out("A", 1, 1, .o = {ECHO(9000)});
}

/* MUST-30 of RFC 7323 3.2: the RST of a connection carries it too. */
TEST(reset_carries_timestamp)
{
    int c = passive(.ts = true);

    linger(c, 1, 0);
    cls(c);
    out("RA", 1, 1, .o = {ECHO(1000)});
}

TEST(timestamps_not_offered_are_not_used)
{
    int c = passive();

    in("PA", 1, 1, 10, .o = {TS(77)});
    out("A", 1, 11);
    rcv(c, 10);
}

/* SYN options by configuration. */
TEST(options_can_be_switched_off)
{
    conf()->timestamps = conf()->sack = conf()->window_scaling = false;
    check_eq(con(tsock()), -EINPROGRESS);
    out("S", 0, 0, .o = {MSS(1460)});
    fresh();
    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460), SACKOK, TS(1), WS(5)});
    out("SA", 0, 1, .o = {MSS(1460)});
}

/* ISN: RFC 6528 ----------------------------------------------------------------------------------------------------------- */

/* MUST-8, SHLD-1: differs by 4-tuple; for the same 4-tuple it advances with a 4 us clock. */
TEST(initial_sequence_numbers)
{
    uint32_t first, other;

    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    first = script_entry(0)->iss;
    in("S", 0, 0, .port = 5001, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 5001, .o = {MSS(1460)});
    other = script_entry(5001)->iss;
    check(first != other && first != other + 1 && first + 1 != other);
    in("R", 1, 0);
    in("R", 1, 0, .port = 5001);
    quiet_ms(400);
    new_incarnation(0);
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .o = {MSS(1460)});
    check_eq(script_entry(0)->iss - first, 100000);
}

/* MUST-48, MUST-49 */
TEST(ttl_and_tos_of_the_application)
{
    int c = passive();

    sopt(c, IPPROTO_IP, IP_TTL, 7);
    sopt(c, IPPROTO_IP, IP_TOS, 0xb8);
    check_eq(gopt(c, IPPROTO_IP, IP_TTL), 7);
    check_eq(gopt(c, IPPROTO_IP, IP_TOS), 0xb8);
    snd(c, 10);
    out("PA", 1, 1, 10, .ttl = 7, .tos = 0xb8);
}

/* RFC 4861 6.3.4: what a router of the link says, of everything whose sender did not choose. */
TEST(hop_limit_of_the_link)
{
    int l = listen_on(80), c;

    if (!v6())
        return;
    stack()->netif[0]->hop_limit6 = 33;
    in("S", 0, 0, .o = {MSS(1460)});
    out("SA", 0, 1, .ttl = 33, .o = {MSS(1460)});
    in("A", 1, 1);
    c = acc(l);
    check_eq(gopt(c, IPPROTO_IP, IP_TTL), 33);
    snd(c, 10);
    out("PA", 1, 1, 10, .ttl = 33);
    in("A", 700, 700, .port = 5001, .lport = 81);
    out("R", 700, 0, .ttl = 33, .port = 5001, .lport = 81);
    cls(c);
    out("FA", 11, 1, .ttl = 33);
    in("FA", 1, 12);
    out("A", 12, 2, .ttl = 33);
    stack()->netif[0]->hop_limit6 = 20; /* also of a record of TIME-WAIT */
    in("FA", 1, 12);
    out("A", 12, 2, .ttl = 20);
}

TEST(hop_limit_of_the_application)
{
    int c = passive();

    if (!v6())
        return;
    stack()->netif[0]->hop_limit6 = 33;
    sopt(c, IPPROTO_IP, IP_TTL, 7);
    check_eq(gopt(c, IPPROTO_IP, IP_TTL), 7);
    snd(c, 10);
    out("PA", 1, 1, 10, .ttl = 7);
    in("A", 1, 11);
    sopt(c, IPPROTO_IP, IP_TTL, -1);
    snd(c, 10);
    out("PA", 11, 1, 10, .ttl = 33);
}

RUN(T(mss_absent_means_the_default), T(mss_of_the_peer_limits_segments), T(mss_larger_than_the_mtu_is_limited), T(mss_zero_is_raised),
    T(mss_counts_options), T(maxseg_of_the_application), T(options_outside_syn_are_skipped), T(unknown_option_is_skipped),
    T(options_at_any_alignment), T(illegal_option_length_ends_the_list), T(wrong_length_of_known_option_is_skipped), T(end_of_list_ends_it),
    T(sixty_byte_header), T(bad_data_offset_is_dropped), T(bad_checksum_is_dropped), T(broadcast_is_dropped),
    T(window_scale_is_offered_and_answered), T(window_scale_only_if_the_peer_offers), T(window_in_syn_is_not_scaled),
    T(window_scale_above_14_is_14), T(receive_window_is_scaled), T(timestamps_on_every_segment), T(delayed_ack_echoes_the_earlier_segment),
    T(hole_echoes_the_last_in_order_segment), T(missing_timestamp_is_dropped), T(paws_drops_and_acknowledges),
    T(paws_does_not_apply_to_rst), T(paws_ends_after_24_days), T(ts_recent_ignores_segments_beyond_the_ack), T(reset_carries_timestamp),
    T(timestamps_not_offered_are_not_used), T(options_can_be_switched_off), T(initial_sequence_numbers), T(ttl_and_tos_of_the_application),
    T(hop_limit_of_the_link), T(hop_limit_of_the_application))
