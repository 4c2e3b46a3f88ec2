/* TCP Fast Open (RFC 7413). */
#include <string.h>

#include "script.h"

#define SYN_OPTS MSS(1460), SACKOK, ECHO(0), WS(7)

static uint32_t cookie[2];

static uint64_t ctr(enum ctr c)
{
    return stack()->ctr.v[c];
}

static int fo_listen(int qlen)
{
    int l = listen_on(80);

    sopt(l, IPPROTO_TCP, TCP_FASTOPEN, qlen);
    return l;
}

/* A connection that asks for a cookie, and is reset. */
static void get_cookie(void)
{
    in("S", 0, 0, .port = 7000, .o = {MSS(1460), TFO_ASK_OPT});
    out("SA", 0, 1, .port = 7000, .o = {MSS(1460), TFO_ANY});
    cookie[0] = script_last().o[1].a;
    cookie[1] = script_last().o[1].b;
    in("R", 1, 0, .port = 7000);
}

static void syn_with(uint16_t port, uint32_t len, uint32_t bad)
{
    in("S", 0, 0, len, .port = port, .o = {MSS(1460), TFO_OPT(cookie[0] ^ bad, cookie[1])});
}

/* The server ------------------------------------------------------------------------------------------------------------- */

TEST(off_unless_asked_for)
{
    listen_on(80);
    in("S", 0, 0, .o = {MSS(1460), TFO_ASK_OPT});
    out("SA", 0, 1, .o = {MSS(1460)});
}

/* 4.2.2: accepted, read and answered before the handshake is complete. */
TEST(data_of_the_syn_are_delivered)
{
    int l = fo_listen(5), c;
    struct inaddr a;
    uint16_t port;

    get_cookie();
    check_eq(stack()->tcp.n_conns, 1);
    syn_with(0, 100, 0);
    out("SA", 0, 101, .o = {MSS(1460)});
    state_is(TCPS_SYN_RCVD);
    check_eq(polls(l), SOCK_IN);
    c = acc(l);
    check_eq(polls(c), SOCK_IN | SOCK_OUT);
    check_eq(tcp_getpeer(tconn(c), &a, &port), 0);
    rcv(c, 100);
    snd(c, 3000);
    out("A", 1, 101, 1460);
    out("A", 1461, 101, 1460);
    out("PA", 2921, 101, 80);
    in("A", 101, 3001);
    state_is(TCPS_ESTABLISHED);
    check_eq(tcp_snd_queued(tconn(c)), 0);
    check_eq(ctr(CTR_TCP_TFO_RX), 1);
    in("PA", 101, 3001, 10);
    out("A", 3001, 111);
    rcv(c, 10);
}

/* The ACK of the handshake alone: what was sent before stays in flight, and is repeated when it is lost. */
TEST(answer_is_lost_but_the_handshake_is_not)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(0, 100, 0);
    out("SA", 0, 101, .o = {MSS(1460)});
    c = acc(l);
    rcv(c, 100);
    snd(c, 50);
    out("PA", 1, 101, 50);
    in("A", 101, 1);
    nothing();
    state_is(TCPS_ESTABLISHED);
    skip_ms(1500);
    check(ctr(CTR_TCP_RETRANS) > 0);
    in("A", 101, 51);
    check_eq(tcp_snd_queued(tconn(c)), 0);
}

TEST(syn_ack_of_fast_open_is_repeated)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(0, 100, 0);
    out("SA", 0, 101, .o = {MSS(1460)});
    after_ms(1000);
    out("SA", 0, 101, .o = {MSS(1460)});
    in("S", 0, 0, .o = {MSS(1460)}); /* the peer's SYN again, now without Fast Open: 4.1.3.1 */
    out("SA", 0, 101, .o = {MSS(1460)});
    in("A", 101, 1);
    c = acc(l);
    rcv(c, 100);
    state_is(TCPS_ESTABLISHED);
}

TEST(nobody_answers_a_fast_open)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(0, 100, 0);
    out("SA", 0, 101, .o = {MSS(1460)});
    c = acc(l);
    skip_ms(64000);
    state_is(TCPS_CLOSED);
    rcv(c, 100); /* what was delivered stays readable */
    check_eq(rcv_flags(c, 1, 0), -ETIMEDOUT);
    check_eq(tconn(l)->lis->n_fastopen, 0);
}

/* The application is done before the handshake is. */
TEST(fast_open_answer_with_fin)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(0, 100, 0);
    out("SA", 0, 101, .o = {MSS(1460)});
    c = acc(l);
    rcv(c, 100);
    snd(c, 10);
    out("PA", 1, 101, 10);
    cls(c);
    out("FA", 11, 101);
    in("A", 101, 12);
    nothing();
    state_is(TCPS_FIN_WAIT_2);
    in("FA", 101, 12);
    out("A", 12, 102);
}

/* A cookie that is not ours: an ordinary handshake, with a good one in its SYN,ACK. */
TEST(wrong_cookie_is_replaced)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(0, 100, 1);
    out("SA", 0, 1, .o = {MSS(1460), TFO_OPT(cookie[0], cookie[1])});
    check_eq(stack()->tcp.n_conns, 1);
    check_eq(ctr(CTR_TCP_TFO_BAD), 1);
    in("PA", 1, 1, 100);
    out("A", 1, 101);
    c = acc(l);
    rcv(c, 100);
}

/* It is the address's: another client has no use for it (4.1.2). */
TEST(cookie_of_another_client)
{
    fo_listen(5);
    get_cookie();
    in("S", 0, 0, 10, .port = 6000, .src = PEER_ADDR + 1, .o = {MSS(1460), TFO_OPT(cookie[0], cookie[1])});
    skip_all();
    check_eq(ctr(CTR_TCP_TFO_BAD), 1);
}

/* PendingFastOpenRequests (4.2.2), and resets that do not make room (5.1). */
TEST(pending_requests_are_limited)
{
    int l = fo_listen(1);

    get_cookie();
    syn_with(6000, 10, 0);
    out("SA", 0, 11, .port = 6000, .o = {MSS(1460)});
    syn_with(6001, 10, 0);
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460), TFO_ANY});
    check_eq(ctr(CTR_TCP_TFO_LIMIT), 1);
    in("A", 11, 1, .port = 6000); /* one is done: room */
    syn_with(6002, 10, 0);
    out("SA", 0, 11, .port = 6002, .o = {MSS(1460)});
    in("R", 11, 0, .port = 6002);
    syn_with(6003, 10, 0);
    out("SA", 0, 1, .port = 6003, .o = {MSS(1460), TFO_ANY});
    in("R", 1, 0, .port = 6001);
    in("R", 1, 0, .port = 6003);
    skip_ms(121000);
    syn_with(6004, 10, 0);
    out("SA", 0, 11, .port = 6004, .o = {MSS(1460)});
    check(acc(l) > 0);
}

/* The key changes: the cookie of the one before is good, and replaced; later it is not. */
TEST(keys_change)
{
    conf()->tfo_key_period_ns = 3600 * NS_PER_SEC;
    fo_listen(5);
    get_cookie();
    skip_ms(3600 * 1000);
    syn_with(6000, 10, 0);
    out("SA", 0, 11, .port = 6000, .o = {MSS(1460), TFO_ANY});
    check(script_last().o[1].a != cookie[0]);
    in("A", 11, 1, .port = 6000);
    skip_ms(3600 * 1000);
    syn_with(6001, 10, 0);
    out("SA", 0, 1, .port = 6001, .o = {MSS(1460), TFO_ANY});
}

/* TCP_FASTOPEN_KEY: processes that share it take each other's cookies; the second key is the one before. */
TEST(keys_of_the_application)
{
    static const uint8_t keys[32] = {1, 2, 3, [16] = 7, 8, 9}, swapped[32] = {7, 8, 9, [16] = 1, 2, 3};
    uint8_t back[32];
    unsigned len = sizeof(back);
    int l = fo_listen(5);

    check_eq(tcp_setopt(stack(), tconn(l), IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 15), -EINVAL);
    check_eq(tcp_setopt(stack(), tconn(l), IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 16), 0);
    get_cookie();
    fresh();
    conf()->seed = 99;
    l = fo_listen(5);
    check_eq(tcp_setopt(stack(), tconn(l), IPPROTO_TCP, TCP_FASTOPEN_KEY, keys, 32), 0);
    syn_with(0, 10, 0);
    out("SA", 0, 11, .o = {MSS(1460)});
    check_eq(tcp_setopt(stack(), tconn(l), IPPROTO_TCP, TCP_FASTOPEN_KEY, swapped, 32), 0);
    check_eq(tcp_getopt(stack(), tconn(l), IPPROTO_TCP, TCP_FASTOPEN_KEY, back, &len), 0);
    check_eq(len, 32);
    check(memcmp(back, swapped, 32) == 0);
    syn_with(6000, 10, 0);
    out("SA", 0, 11, .port = 6000, .o = {MSS(1460), TFO_ANY});
}

/* No connection block: the SYN is answered as any other. */
TEST(fast_open_without_memory)
{
    int l = fo_listen(5), c;

    get_cookie();
    stack()->arena.fail_after = 1;
    syn_with(0, 10, 0);
    out("SA", 0, 1, .o = {MSS(1460), TFO_ANY});
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    c = acc(l);
    rcv(c, 10);
}

TEST(fast_open_listener_closes)
{
    int l = fo_listen(5), c;

    get_cookie();
    syn_with(6000, 10, 0);
    out("SA", 0, 11, .port = 6000, .o = {MSS(1460)});
    syn_with(6001, 10, 0);
    out("SA", 0, 11, .port = 6001, .o = {MSS(1460)});
    c = acc(l);
    cls(l);
    out("RA", 1, 11, .port = 6001); /* nobody accepted it */
    in("A", 11, 1, .port = 6000);
    state_of(6000, TCPS_ESTABLISHED);
    rcv(c, 10);
}

/* The client ------------------------------------------------------------------------------------------------------------- */

static int fo_client(void)
{
    int c = tsock();

    sopt(c, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    new_incarnation(0);
    return c;
}

/* 4.1.3: the first connection asks. */
static void learn(uint16_t mss)
{
    int c = fo_client();

    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {SYN_OPTS, TFO_ASK_OPT});
    in("SA", 0, 1, .o = {MSS(mss), TFO_OPT(0x11223344, 0x55667788)});
    out("A", 1, 1);
    in("R", 1, 0);
}

/* 4.2.1: with a cookie connect() waits for the data, and the SYN carries them. */
TEST(client_sends_data_with_its_syn)
{
    int c;

    learn(1460);
    c = fo_client();
    check_eq(con(c), 0);
    nothing();
    check_eq(polls(c), SOCK_OUT);
    snd(c, 100);
    out("S", 0, 0, 100, .o = {SYN_OPTS, TFO_OPT(0x11223344, 0x55667788)});
    check_eq(polls(c), 0);
    check_eq(snd_flags(c, 10, 0), -EAGAIN);
    in("SA", 0, 101, .o = {MSS(1460)});
    out("A", 101, 1);
    state_is(TCPS_ESTABLISHED);
    check_eq(tcp_snd_queued(tconn(c)), 0);
    check_eq(ctr(CTR_TCP_TFO_ACKED), 1);
    snd(c, 10);
    out("PA", 101, 1, 10);
    in("PA", 1, 111, 5);
    out("A", 111, 6);
    rcv(c, 5);
}

/* Several writes in a turn are one SYN; what does not fit goes after the handshake. */
TEST(client_with_more_than_a_syn_holds)
{
    int c;
    uint32_t room = 1000 - 32; /* MSS less the options of the SYN */

    learn(1000);
    c = fo_client();
    check_eq(con(c), 0);
    begin();
    snd(c, 600);
    snd(c, 900);
    end();
    out("S", 0, 0, room, .o = {SYN_OPTS, TFO_OPT(0x11223344, 0x55667788)});
    in("SA", 0, 1 + room, .o = {MSS(1000)});
    out("PA", 1 + room, 1, 1500 - room);
    in("A", 1, 1501);
    check_eq(tcp_snd_queued(tconn(c)), 0);
}

/* The server did not take the data, or a part: they are sent again at once (4.2.1). */
TEST(client_repeats_what_was_not_taken)
{
    int c;

    learn(1460);
    c = fo_client();
    check_eq(con(c), 0);
    snd(c, 100);
    out("S", 0, 0, 100, .o = {SYN_OPTS, TFO_OPT(0x11223344, 0x55667788)});
    in("SA", 0, 102, .o = {MSS(1460)}); /* more than was sent */
    out("R", 102, 0);
    in("SA", 0, 41, .o = {MSS(1460), TFO_OPT(1, 2)});
    out("PA", 41, 1, 60);
    in("A", 1, 101);
    in("R", 1, 0);
    c = fo_client(); /* with the new cookie */
    check_eq(con(c), 0);
    snd(c, 100);
    out("S", 0, 0, 100, .o = {SYN_OPTS, TFO_OPT(1, 2)});
    in("SA", 0, 1, .o = {MSS(1460)});
    out("PA", 1, 1, 100);
    in("A", 1, 101);
}

/* Section 7.1: a SYN that is lost is repeated without option and data, and the path is left alone for a while. */
TEST(client_falls_back)
{
    int c;

    learn(1460);
    c = fo_client();
    check_eq(con(c), 0);
    snd(c, 100);
    out("S", 0, 0, 100, .o = {SYN_OPTS, TFO_OPT(0x11223344, 0x55667788)});
    after_ms(1000);
    out("S", 0, 0, .o = {SYN_OPTS});
    in("SA", 0, 1, .o = {MSS(1460)});
    out("PA", 1, 1, 100);
    check_eq(ctr(CTR_TCP_TFO_FALLBACK), 1);
    in("A", 1, 101);
    in("R", 1, 0);
    c = fo_client();
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {SYN_OPTS});
    in("RA", 0, 1);
    quiet_ms(61000);
    c = fo_client();
    check_eq(con(c), 0);
    cls(c);
    nothing();
}

TEST(client_without_a_cache)
{
    int c;

    conf()->tfo_cache = 0;
    c = fo_client();
    check_eq(con(c), -EINPROGRESS);
    out("S", 0, 0, .o = {SYN_OPTS});
    in("SA", 0, 1, .o = {MSS(1460), TFO_OPT(1, 2)});
    out("A", 1, 1);
}

/* MSG_FASTOPEN: the option is not needed. */
TEST(connect_and_send_in_one)
{
    struct inaddr a = script_addr(PEER_ADDR);
    int c;

    learn(1460);
    c = tsock();
    new_incarnation(0);
    check_eq(tcp_connect_fastopen(stack(), tconn(c), &a, PEER_PORT), 0);
    snd(c, 20);
    out("S", 0, 0, 20, .o = {SYN_OPTS, TFO_OPT(0x11223344, 0x55667788)});
    in("SA", 0, 21, .o = {MSS(1460)});
    out("A", 21, 1);
}

RUN(T(off_unless_asked_for), T(data_of_the_syn_are_delivered), T(answer_is_lost_but_the_handshake_is_not),
    T(syn_ack_of_fast_open_is_repeated), T(nobody_answers_a_fast_open), T(fast_open_answer_with_fin), T(wrong_cookie_is_replaced),
    T(cookie_of_another_client), T(pending_requests_are_limited), T(keys_change), T(keys_of_the_application), T(fast_open_without_memory),
    T(fast_open_listener_closes), T(client_sends_data_with_its_syn), T(client_with_more_than_a_syn_holds),
    T(client_repeats_what_was_not_taken), T(client_falls_back), T(client_without_a_cache), T(connect_and_send_in_one))
