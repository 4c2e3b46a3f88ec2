/* Path MTU: RFC 1191, RFC 4821, RFC 5927 section 7, RFC 9293 3.7.2 (SHLD-6). */
#include "script.h"

#define HOLD_S 600u

/* A second connection to the same peer: announces what the interface takes, sends what the path takes. */
TEST(report_holds_for_the_destination)
{
    int c = passive(), d;

    snd(c, 1460);
    out("PA", 1, 1, 1460);
    in_icmp(3, 4, 1300, 1);
    out("A", 1, 1, 1260);
    out("PA", 1261, 1, 200);
    in("A", 1, 1461);
    check_eq(stack()->ctr.v[CTR_PMTU_LOWERED], 1);
    d = passive(.port = 5001); /* checks that the MSS announced is 1460 (MUST-67, RFC 6691) */
    snd(d, 1460);
    out("A", 1, 1, 1260, .port = 5001);
    out("PA", 1261, 1, 200, .port = 5001);
    in("A", 1, 1461, .port = 5001);
}

/* As many frames in flight as there may be (sent_records): they are cut to the smaller size all the same. */
TEST(report_with_a_full_map)
{
    uint32_t at = 1 + 8 * 1460;
    int c;

    if (v6()) /* no path is that narrow */
        return;
    plain_port();
    conf()->sent_records = 16;
    c = passive();
    snd(c, 40 * 1460);
    for (uint32_t i = 1; i <= 8; i++) /* slow start: by then the congestion window is larger than the map */
        in("A", 1, 1 + i * 1460);
    check_eq(skip_all(), 8 + 16);
    check_eq(tconn(c)->sent.n, 16);
    in_icmp(3, 4, 600, at);
    out("A", at, 1, 560);
    out("A", at + 560, 1, 560);
    out("A", at + 1120, 1, 340);
    skip_all();
    check(tconn(c)->sent.n > 16);
    check(!tconn(c)->in_dirty); /* what cannot be cut now waits for room, and not in vain turn after turn */
    in("A", 1, at + 8 * 1460);
    skip_all();
    in("A", 1, at + 16 * 1460);
    out("A", at + 16 * 1460, 1, 560);
    skip_all();
}

/* Connections that are open already learn of it before their next segment. */
TEST(report_reaches_other_connections)
{
    int c = passive(), d = passive(.port = 5001);

    snd(c, 100);
    out("PA", 1, 1, 100);
    in_icmp(3, 4, 1300, 1);
    snd(d, 1460);
    out("A", 1, 1, 1260, .port = 5001);
    out("PA", 1261, 1, 200, .port = 5001);
}

/* RFC 1191 6.3, RFC 8201 5.3: after ten minutes the link's MTU is tried again. */
TEST(report_expires)
{
    int c = passive();

    snd(c, 1460);
    out("PA", 1, 1, 1460);
    in_icmp(3, 4, 1300, 1);
    skip_all();
    in("A", 1, 1461);
    quiet_ms((HOLD_S - 1) * 1000);
    snd(c, 1300);
    out("A", 1461, 1, 1260);
    out("PA", 2721, 1, 40);
    in("A", 1, 2761);
    quiet_ms(12000);
    snd(c, 1460);
    out("PA", 2761, 1, 1460);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), 1460);
}

/* RFC 1191 section 7.1: a router that names no MTU means the next plateau below the packet's size. */
TEST(old_router_means_the_next_plateau)
{
    int c = passive();

    if (v6())
        return; /* the sizes are those of IPv4 */
    snd(c, 1460);
    out("PA", 1, 1, 1460);
    in_icmp(3, 4, 0, 1);
    out("A", 1, 1, 1452);
    out("PA", 1453, 1, 8);
}

/* RFC 5927 section 7: not about data in flight, not smaller than what was too big, or absurd. */
TEST(incredible_reports)
{
    int c = passive();

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    in_icmp(3, 4, 1300, 0);
    in_icmp(3, 4, 1300, 1001); /* not sent yet */
    check_eq(stack()->ctr.v[CTR_TCP_ICMP_IGNORED], 2);
    in_icmp(3, 4, 1500, 1); /* the packet quoted has 1500 bytes */
    in_icmp(3, 4, 67, 1);
    nothing();
    in("A", 1, 1001);
    in_icmp(3, 4, 1300, 1); /* acknowledged meanwhile */
    check_eq(stack()->ctr.v[CTR_TCP_ICMP_IGNORED], 3);
    check_eq(stack()->ctr.v[CTR_PMTU_LOWERED], 0);
    snd(c, 1460);
    out("PA", 1001, 1, 1460);
}

/* Nobody makes segments tiny: below 552 the path may fragment instead. */
TEST(tiny_report_clears_df)
{
    int c = passive();

    if (v6())
        return; /* the sizes are those of IPv4 */
    snd(c, 1000);
    out("PA", 1, 1, 1000);
    in_icmp(3, 4, 68, 1);
    out("A", 1, 1, 512, .no_df = true);
    out("PA", 513, 1, 488, .no_df = true);
}

/* ip(7) IP_MTU_DISCOVER: where routers may cut, DF is clear and nothing is reported; what an attacker reports is not believed. */
TEST(discovery_off)
{
    static const int off[] = {IP_PMTUDISC_DONT, IP_PMTUDISC_INTERFACE, IP_PMTUDISC_OMIT};
    int l, c = -1;

    if (v6())
        return; /* nobody cuts there */
    for (unsigned i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        fresh();
        l = listen_on(80);
        sopt(l, IPPROTO_IP, IP_MTU_DISCOVER, off[i]);
        in("S", 0, 0, .o = {MSS(1460)});
        out("SA", 0, 1, .o = {MSS(1460)}, .no_df = true);
        in("A", 1, 1);
        c = acc(l);
        check_eq(gopt(c, IPPROTO_IP, IP_MTU_DISCOVER), off[i]);
        snd(c, 1460);
        out("PA", 1, 1, 1460, .no_df = true);
        in_icmp(3, 4, 600, 1);
        nothing();
        check_eq(stack()->ctr.v[CTR_TCP_ICMP_IGNORED], 1);
        in("A", 1, 1461);
        sopt(c, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
        snd(c, 1460);
        out("PA", 1461, 1, 1460);
        in_icmp(3, 4, 1300, 1461);
        out("A", 1461, 1, 1260);
        out("PA", 2721, 1, 200);
    }
    check_eq(script_setopt(c, IPPROTO_IP, IP_MTU_DISCOVER, -1), -EINVAL);
    check_eq(script_setopt(c, IPPROTO_IP, IP_MTU_DISCOVER, 6), -EINVAL);
}

TEST(mss_clamp_announces_the_path)
{
    int c;

    conf()->mss_clamp = true;
    c = passive();
    snd(c, 100);
    out("PA", 1, 1, 100);
    in_icmp(3, 4, 1300, 1);
    in("S", 0, 0, .o = {MSS(1460)}, .port = 5001);
    out("SA", 0, 1, .o = {MSS(1260)}, .port = 5001);
}

/* RFC 4821 7.7: after timeouts without any word segments become smaller, and at last may be fragmented. */
TEST(black_hole)
{
    int c = passive();

    if (v6())
        return; /* the sizes are those of IPv4 */
    snd(c, 1460);
    out("PA", 1, 1, 1460);
    after_ms(200);
    out("PA", 1, 1, 1460);
    after_ms(400);
    out("PA", 1, 1, 1460);
    after_ms(800);
    out("A", 1, 1, 1024);
    after_ms(1600);
    out("A", 1, 1, 1024);
    after_ms(3200);
    out("A", 1, 1, 512, .no_df = true);
    check_eq(stack()->ctr.v[CTR_TCP_BLACK_HOLE], 2);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), 512);
    in("A", 1, 513);
    out("A", 513, 1, 512, .no_df = true);
    out("PA", 1025, 1, 436, .no_df = true);
    in("A", 1, 1461);
}

/* IPv6 has one size that every path takes (RFC 8200 section 5), and no fragments on the way. */
TEST(black_hole_over_ipv6)
{
    int c = passive();

    if (!v6())
        return;
    snd(c, 1460);
    out("PA", 1, 1, 1460);
    after_ms(200);
    out("PA", 1, 1, 1460);
    after_ms(400);
    out("PA", 1, 1, 1460);
    for (uint32_t ms = 800; ms <= 12800; ms *= 2) {
        after_ms(ms);
        out("A", 1, 1, 1220);
    }
    check_eq(stack()->ctr.v[CTR_TCP_BLACK_HOLE], 1);
}

/* RFC 8201 section 4: a report below 1280 is none. */
TEST(tiny_report_over_ipv6)
{
    int c = passive();

    if (!v6())
        return;
    snd(c, 1460);
    out("PA", 1, 1, 1460);
    in_icmp(3, 4, 1259, 1); /* 20 more for IPv6 */
    nothing();
    in_icmp(3, 4, 1260, 1);
    out("A", 1, 1, 1220);
    out("PA", 1221, 1, 240);
}

TEST(black_hole_detection_off)
{
    int c;

    conf()->mtu_probing = TCP_MTU_PROBING_OFF;
    c = passive();
    snd(c, 1460);
    out("PA", 1, 1, 1460);
    for (uint32_t ms = 200; ms <= 6400; ms *= 2) {
        after_ms(ms);
        out("PA", 1, 1, 1460);
    }
}

/* Small segments that nobody answers do not blame the path. */
TEST(no_black_hole_for_small_segments)
{
    int c = passive();

    snd(c, 500);
    out("PA", 1, 1, 500);
    for (uint32_t ms = 200; ms <= 6400; ms *= 2) {
        after_ms(ms);
        out("PA", 1, 1, 500);
    }
    check_eq(stack()->ctr.v[CTR_TCP_BLACK_HOLE], 0);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), 1460);
}

/* Everything that leaves is acknowledged, but what is longer than limit; the longest segment that was. */
static uint32_t drain(uint32_t limit)
{
    uint32_t longest = 0, una = 1;

    for (;;) {
        struct seg g;

        if (stack()->tcp.n_conns == 0 || longest > 100000)
            break;
        g = out_any();
        if (g.len == 0 || g.len > limit)
            continue;
        longest = MAX(longest, g.len);
        una = MAX(una, g.seq + g.len);
        in("A", 1, una);
        if (una >= 100001)
            break;
    }
    return longest;
}

/* RFC 4821 7.2: from a small size up, by segments that are larger; the first size to try is the largest. */
TEST(probes_raise_the_segment_size)
{
    int c;

    conf()->mtu_probing = TCP_MTU_PROBING_ALWAYS;
    c = passive();
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), v6() ? 1220 : 1024);
    snd(c, 100000);
    check_eq(drain(1460), 1460);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), 1460);
    check_eq(stack()->ctr.v[CTR_TCP_MTU_PROBE], 1);
    check_eq(stack()->ctr.v[CTR_TCP_MTU_PROBE_LOST], 0);
}

/* An outage looked like a black hole: the search ends it at once. */
TEST(search_after_a_black_hole)
{
    int c = passive();

    snd(c, 1460);
    out("PA", 1, 1, 1460);
    skip_ms(1500);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), v6() ? 1220 : 1024);
    in("A", 1, 1461);
    snd(c, 98540);
    check_eq(drain(1460), 1460);
    check_eq(gopt(c, IPPROTO_TCP, TCP_MAXSEG), 1460);
}

/* A connection that probes from 1024 up, whose probe of 1460 is lost alone: it goes again in two segments, at once. Where it began, and the
 * end of what else is in flight, which arrives. */
static uint32_t probe_is_lost(int *c, uint32_t *end)
{
    uint32_t at = 1, mss = v6() ? 1220 : 1024;

    conf()->mtu_probing = TCP_MTU_PROBING_ALWAYS;
    conf()->cc = &cc_reno;
    *c = passive(.sack = true, .rtt_ms = 40);
    snd(*c, 60000);
    out("A", at, 1, 1460);
    out("A", at + 1460, 1, mss);
    skip_all();
    *end = tconn(*c)->snd_nxt - tconn(*c)->iss;
    quiet_ms(40);
    in("A", 1, at, .o = {SACK(at + 1460, *end)});
    out("A", at, 1, mss);
    out("A", at + mss, 1, 1460 - mss);
    skip_all();
    check_eq(stack()->ctr.v[CTR_TCP_MTU_PROBE_LOST], 1);
    check_eq(stack()->ctr.v[CTR_TCP_FAST_RETRANS], 0);
    return at;
}

/* RFC 4821 7.6: the loss of a probe is no congestion. */
TEST(lost_probe_is_no_congestion)
{
    int c;
    uint32_t end;

    probe_is_lost(&c, &end);
    quiet_ms(20);
    in("A", 1, end);
    skip_all();
    check_eq(stack()->ctr.v[CTR_TCP_FAST_RETRANS], 0);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
}

/* Without SACK it is the whole probe that duplicate acknowledgements tell of. */
TEST(lost_probe_without_sack)
{
    uint32_t mss = v6() ? 1220 : 1024, end;
    int c;

    conf()->mtu_probing = TCP_MTU_PROBING_ALWAYS;
    conf()->cc = &cc_reno;
    c = passive(.rtt_ms = 40);
    snd(c, 60000);
    out("A", 1, 1, 1460);
    skip_all();
    quiet_ms(40);
    in("A", 1, 1);
    in("A", 1, 1);
    skip_all();
    in("A", 1, 1);
    out("A", 1, 1, mss);
    out("A", 1 + mss, 1, 1460 - mss);
    skip_all();
    end = tconn(c)->snd_nxt - tconn(c)->iss;
    quiet_ms(40);
    in("A", 1, end);
    skip_all();
    check_eq(stack()->ctr.v[CTR_TCP_MTU_PROBE_LOST], 1);
    check_eq(stack()->ctr.v[CTR_TCP_RTO], 0);
    check_eq(tconn(c)->cc.ssthresh, UINT32_MAX);
}

/* But the loss of what was sent in its place is. */
TEST(lost_repair_of_a_probe_is_congestion)
{
    int c;
    uint32_t end, at = probe_is_lost(&c, &end), mss = v6() ? 1220 : 1024;

    for (int i = 0; i < 2; i++) { /* the second part came; the first did not, nor will it: what is reported then was sent later */
        end = tconn(c)->snd_nxt - tconn(c)->iss;
        quiet_ms(40);
        in("A", 1, at, .o = {SACK(at + mss, end)});
        check_eq(stack()->ctr.v[CTR_TCP_FAST_RETRANS], i);
        skip_all();
    }
    check_eq(stack()->ctr.v[CTR_TCP_FAST_RETRANS], 1);
    check(tconn(c)->cc.ssthresh <= (end - at) / 2);
    check_eq(stack()->ctr.v[CTR_TCP_RTO], 0);
}

RUN(T(report_holds_for_the_destination), T(report_with_a_full_map), T(report_reaches_other_connections), T(report_expires),
    T(old_router_means_the_next_plateau), T(incredible_reports), T(tiny_report_clears_df), T(discovery_off),
    T(mss_clamp_announces_the_path), T(black_hole), T(black_hole_over_ipv6), T(tiny_report_over_ipv6), T(black_hole_detection_off),
    T(no_black_hole_for_small_segments), T(probes_raise_the_segment_size), T(search_after_a_black_hole), T(lost_probe_is_no_congestion),
    T(lost_probe_without_sack), T(lost_repair_of_a_probe_is_congestion))
