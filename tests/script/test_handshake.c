/* The SYN cache (RFC 4987 section 3.3), TCP_DEFER_ACCEPT, and SYNs that find no buffer. */
#include "script.h"

static uint64_t ctr(enum ctr c)
{
    return stack()->ctr.v[c];
}

/* All header buffers are elsewhere, until they are given back; the port holds none back. */
static struct rte_mbuf *taken[4096];
static unsigned n_taken;

static void no_buffers(void)
{
    for (int i = 0; i < 20; i++)
        skip_ms(1);
    while (n_taken < 4096 && (taken[n_taken] = rte_pktmbuf_alloc(stack()->pools.hdr)) != NULL)
        n_taken++;
}

static void buffers_again(void)
{
    while (n_taken > 0)
        rte_pktmbuf_free(taken[--n_taken]);
}

static void syn_from(uint16_t port)
{
    in("S", 0, 0, .port = port, .o = {MSS(1460)});
}

/* A SYN costs an entry of the cache; the connection block is made by the handshake's last ACK. */
TEST(syn_costs_no_connection_block)
{
    size_t before;

    listen_on(80);
    before = stack()->arena.used_bytes;
    for (uint16_t p = 6000; p < 6010; p++) {
        syn_from(p);
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    check_eq(stack()->tcp.n_conns, 1);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 10);
    check_eq(stack()->arena.used_bytes - before, 10 * 128);
    in("A", 1, 1, .port = 6003);
    check_eq(stack()->tcp.n_conns, 2);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 9);
}

/* 1 + 2 + 4 + 8 + 16 + 32 s, then it is forgotten without a word. */
TEST(syn_ack_is_repeated_for_63_seconds)
{
    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460), SACKOK, TS(1000), WS(3)});
    out("SA", 0, 1, .o = {MSS(1460), SACKOK, ECHO(1000), WS(7)});
    for (uint32_t wait = 1000; wait <= 16000; wait *= 2) {
        after_ms(wait);
        out("SA", 0, 1, .o = {MSS(1460), SACKOK, ECHO(1000), WS(7)});
    }
    quiet_ms(31900);
    state_is(TCPS_SYN_RCVD);
    quiet_ms(200);
    state_is(TCPS_CLOSED);
    check_eq(ctr(CTR_TCP_SYNACK_RETRANS), 5);
    check_eq(ctr(CTR_TCP_TIMEOUT), 1);
    in("A", 1, 1, .no_ts = true);
    out("R", 1, 0);
}

/* Entries of different age share lists and one timer: each keeps its own time. */
TEST(entries_keep_their_own_time)
{
    listen_on(80);
    syn_from(6000);
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    quiet_ms(400);
    syn_from(6001);
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    after_ms(600);
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    after_ms(400);
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    in("A", 1, 1, .port = 6000);
    after_ms(2000);
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
}

/* RFC 6298 5.7 and RFC 5681 3.1: a SYN,ACK that was repeated is a loss: one segment to begin with. */
TEST(repeated_syn_ack_makes_a_small_window)
{
    int l = listen_on(80), c;

    syn_from(0);
    out("SA", 0, 1, .o = {MSS(1460)});
    after_ms(1000);
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    c = acc(l);
    snd(c, 5000);
    out("A", 1, 1, 1460);
    nothing();
    in("A", 1, 1461);
    out("A", 1461, 1, 1460);
    out("A", 2921, 1, 1460);
    in("A", 1, 4381);
    out("PA", 4381, 1, 620);
    in("A", 1, 5001);
}

TEST(first_round_trip_is_measured)
{
    int l = listen_on(80), c;

    syn_from(0);
    out("SA", 0, 1, .o = {MSS(1460)});
    quiet_ms(300);
    in("A", 1, 1);
    c = acc(l);
    check_eq(rtt_srtt_ns(&tconn(c)->rtt) / NS_PER_MS, 300);
}

/* What the listener has, the SYN,ACK and the connection have. */
TEST(listener_options_are_inherited)
{
    int l = tsock(), c;

    sopt(l, IPPROTO_IP, IP_TOS, 0x10);
    sopt(l, IPPROTO_IP, IP_TTL, 7);
    sopt(l, IPPROTO_TCP, TCP_MAXSEG, 1000);
    sopt(l, SOL_SOCKET, SO_RCVBUF, 5000);
    check_eq(tbind(l, 80), 0);
    check_eq(tlisten(l, 5), 0);
    in("S", 0, 0, .o = {MSS(1460), WS(2)});
    out("SA", 0, 1, .win = 5000, .ttl = 7, .tos = 0x10, .o = {MSS(1000), WS(0)});
    in("A", 1, 1, .win = 30000);
    c = acc(l);
    check_eq(tconn(c)->snd_wnd, 120000);
    check_eq(gopt(c, IPPROTO_IP, IP_TTL), 7);
    snd(c, 10);
    out("PA", 1, 1, 10, .ttl = 7, .tos = 0x10);
    in("A", 1, 11);
}

/* The limit of connections is reached meanwhile: the ACK is ignored, the next one completes the handshake. */
TEST(no_connection_block_for_the_last_ack)
{
    int l, c, other;

    conf()->max_connections = 2;
    l = listen_on(80);
    syn_from(0);
    out("SA", 0, 1, .o = {MSS(1460)});
    other = tsock();
    in("A", 1, 1);
    nothing();
    state_is(TCPS_SYN_RCVD);
    syn_from(6000); /* one more could not be completed either */
    nothing();
    check_eq(ctr(DROP_TCP_CONN_LIMIT), 2);
    cls(other);
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    c = acc(l);
    rcv(c, 10);
}

/* RFC 5927 section 4: an ICMP error about the SYN,ACK ends the attempt, one with another sequence number is forged. */
TEST(icmp_error_ends_an_entry)
{
    listen_on(80);
    syn_from(0);
    out("SA", 0, 1, .o = {MSS(1460)});
    in_icmp(3, 1, 0, 500);
    in_icmp(3, 4, 600, 0);
    in_icmp(11, 0, 0, 0);
    state_is(TCPS_SYN_RCVD);
    in_icmp(3, 1, 0, 0);
    state_is(TCPS_CLOSED);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 0);
}

/* RFC 5961 3.2, 4.2 and RFC 7323 5.3 hold before there is a connection block. */
TEST(entry_challenges_what_could_be_forged)
{
    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460), TS(1000)});
    out("SA", 0, 1, .o = {MSS(1460), ECHO(1000)});
    in("R", 2, 0, .o = {TS(1000)});
    out("A", 1, 1, .o = {ECHO(1000)});
    in("A", 1, 1, .o = {TS(999)});
    out("A", 1, 1, .o = {ECHO(1000)});
    in("A", 1, 1, .no_ts = true);
    nothing();
    state_is(TCPS_SYN_RCVD);
    in("R", 1, 0);
    nothing();
    state_is(TCPS_CLOSED);
}

TEST(full_cache_ignores_syns)
{
    conf()->syn_cache_limit = 3;
    conf()->syncookies = 0;
    listen_on(80);
    for (uint16_t p = 6000; p < 6003; p++) {
        syn_from(p);
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    syn_from(6003);
    nothing();
    check_eq(ctr(CTR_TCP_SYN_CACHE_FULL), 1);
    in("A", 1, 1, .port = 6001); /* room again */
    syn_from(6003);
    out("SA", 0, 1, .port = 6003, .o = {MSS(1460)});
}

/* One listener cannot take more of the cache than its backlog. */
TEST(one_listener_has_a_share)
{
    conf()->syncookies = 0;
    listen_backlog(80, 2);
    listen_on(81);
    for (uint16_t p = 6000; p < 6002; p++) {
        syn_from(p);
        out("SA", 0, 1, .port = p, .o = {MSS(1460)});
    }
    syn_from(6002);
    nothing();
    in("S", 0, 0, .port = 6003, .lport = 81, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6003, .lport = 81, .o = {MSS(1460)});
}

TEST(closed_listener_forgets_its_entries)
{
    int l = listen_on(80);

    listen_on(81);
    syn_from(6000);
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    in("S", 0, 0, .port = 6001, .lport = 81, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6001, .lport = 81, .o = {MSS(1460)});
    cls(l);
    nothing(); /* for all we know it is a flood's */
    check_eq(ctr(CTR_TCP_SYN_CACHE), 1);
    state_of(6001, TCPS_SYN_RCVD);
    in("A", 1, 1, .port = 6000);
    out("R", 1, 0, .port = 6000);
}

/* No buffer: the SYN,ACK goes when there is one, not a timeout later. */
TEST(syn_ack_waits_for_a_buffer)
{
    int l = listen_on(80);

    no_buffers();
    syn_from(6000);
    syn_from(6001);
    nothing();
    check_eq(ctr(CTR_TCP_SYN_CACHE), 2);
    quiet_ms(2);
    buffers_again();
    after_ms(0);
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460)});
    in("A", 1, 1, .port = 6000);
    check(acc(l) > 0);
}

TEST(syn_waits_for_a_buffer)
{
    int c = tsock();

    no_buffers();
    check_eq(con(c), -EINPROGRESS);
    quiet_ms(2);
    buffers_again();
    after_ms(0);
    out("S", 0, 0, .o = {MSS(1460), SACKOK, ECHO(0), WS(7)});
    in("SA", 0, 1, .o = {MSS(1460)});
    out("A", 1, 1);
    check_eq(con(c), 0);
}

/* The SYN again while its answer waits for a buffer: one answer, whose time of sending is known when it is acknowledged. */
TEST(syn_again_while_the_answer_waits)
{
    int l = listen_on(80), c;

    no_buffers();
    syn_from(6000);
    begin();
    buffers_again();
    syn_from(6000);
    end();
    out("SA", 0, 1, .port = 6000, .o = {MSS(1460)});
    nothing();
    skip_ms(30);
    in("A", 1, 1, .port = 6000);
    c = acc(l);
    check(rtt_srtt_ns(&tconn(c)->rtt) >= 30 * NS_PER_MS && rtt_srtt_ns(&tconn(c)->rtt) < 40 * NS_PER_MS);
}

/* The last SYN,ACK that waits for a buffer belongs to a listener that closes, or is reset. */
TEST(unsent_entry_is_forgotten)
{
    int l = listen_on(80);

    no_buffers();
    syn_from(6000);
    syn_from(6001);
    in("R", 1, 0, .port = 6000);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 1);
    cls(l);
    check_eq(ctr(CTR_TCP_SYN_CACHE), 0);
    buffers_again();
    skip_ms(10);
    nothing();
}

/* TCP_DEFER_ACCEPT (tcp(7)) -------------------------------------------------------------------------------------------- */

static int listen_deferred(int seconds)
{
    int l = listen_on(80);

    sopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds);
    syn_from(0);
    out("SA", 0, 1, .o = {MSS(1460)});
    in("A", 1, 1);
    nothing();
    check_eq(acc(l), -EAGAIN);
    check_eq(stack()->tcp.n_conns, 1);
    return l;
}

TEST(deferred_accept_waits_for_data)
{
    int l = listen_deferred(3), c;

    check_eq(gopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT), 3);
    quiet_ms(500);
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    c = acc(l);
    rcv(c, 10);
}

/* A FIN is more than a bare ACK. */
TEST(deferred_accept_takes_a_fin)
{
    int l = listen_deferred(3);

    in("FA", 1, 1);
    out("A", 1, 2);
    check(acc(l) > 0);
}

/* No data: the last SYN,ACK is repeated, and the ACK that answers it is enough, as on Linux. */
TEST(deferred_accept_ends_without_data)
{
    int l = listen_deferred(3);

    after_ms(3000); /* the first of the two repetitions would have been at 1000 */
    out("SA", 0, 1, .o = {MSS(1460)});
    check_eq(acc(l), -EAGAIN);
    in("A", 1, 1);
    nothing();
    check(acc(l) > 0);
}

/* The peer has gone: it is forgotten as every other. */
TEST(deferred_accept_without_an_answer)
{
    listen_deferred(3);
    skip_ms(64000);
    state_is(TCPS_CLOSED);
}

TEST(deferred_accept_values)
{
    int l = tsock();

    sopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 4);
    check_eq(gopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT), 7); /* in timeouts of 1, 2, 4 seconds */
    sopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
    check_eq(gopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    sopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, -1);
    check_eq(gopt(l, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
}

RUN(T(syn_costs_no_connection_block), T(syn_ack_is_repeated_for_63_seconds), T(entries_keep_their_own_time),
    T(repeated_syn_ack_makes_a_small_window), T(first_round_trip_is_measured), T(listener_options_are_inherited),
    T(no_connection_block_for_the_last_ack), T(icmp_error_ends_an_entry), T(entry_challenges_what_could_be_forged),
    T(full_cache_ignores_syns), T(one_listener_has_a_share), T(closed_listener_forgets_its_entries), T(syn_ack_waits_for_a_buffer),
    T(syn_waits_for_a_buffer), T(syn_again_while_the_answer_waits), T(unsent_entry_is_forgotten), T(deferred_accept_waits_for_data),
    T(deferred_accept_takes_a_fin), T(deferred_accept_ends_without_data), T(deferred_accept_without_an_answer), T(deferred_accept_values))
