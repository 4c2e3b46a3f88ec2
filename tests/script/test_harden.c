/* What strangers, and peers that mean no good, can do and learn: RFC 5961, RFC 5927, RFC 6056; ports that are shared; limits. */
#include "script.h"

#include "link/neigh.h"

/* RFC 5961 ---------------------------------------------------------------------------------------------------------------- */

/* Section 7: a bound for each connection; a second's worth at once, then at the rate. */
TEST(challenge_acks_are_limited)
{
    passive();
    for (int i = 0; i < 50; i++)
        in("S", 100, 0);
    check_eq(skip_all(), 10);
    check_eq(stack()->ctr.v[CTR_TCP_ACK_LIMIT], 40);
    skip_ms(100);
    in("S", 100, 0);
    in("S", 100, 0);
    check_eq(skip_all(), 1);
}

/* How many challenge ACKs a connection of the attacker's own gets, after segments forged in the name of another one. */
static unsigned seen_by_the_attacker(const char *flags, uint32_t seq, uint32_t ack)
{
    fresh();
    passive();
    passive(.port = 6000);
    for (int i = 0; i < 1000; i++)
        in(flags, seq, ack);
    skip_all();
    for (int i = 0; i < 200; i++)
        in("S", 100, 0, .port = 6000);
    return skip_all();
}

/*
 * CVE-2016-5696: with one budget for all, the attacker counted what the forged segments had left of it, and so learned whether there
 * is a connection, and where its window is. Here it always counts the same.
 */
TEST(challenge_acks_tell_nothing_of_others)
{
    unsigned nothing_forged = seen_by_the_attacker("R", 3000000000u, 0);

    check_eq(seen_by_the_attacker("S", 1, 0), nothing_forged);      /* in the window: every one is challenged */
    check_eq(seen_by_the_attacker("R", 1000, 0), nothing_forged);   /* a reset in the window */
    check_eq(seen_by_the_attacker("A", 1, 70000), nothing_forged);  /* an acknowledgement outside */
    check_eq(seen_by_the_attacker("A", 900000, 1), nothing_forged); /* outside the window */
    check_eq(nothing_forged, 10);
}

/* RFC 5927: no ICMP message ends an established connection, whatever it says and wherever it points. */
TEST(no_icmp_ends_an_established_connection)
{
    static const uint8_t type[] = {3, 4, 5, 11, 12};
    int c = passive();

    snd(c, 1000);
    out("PA", 1, 1, 1000);
    for (unsigned t = 0; t < sizeof(type); t++)
        for (uint8_t code = 0; code < 16; code++)
            for (uint32_t seq = 0; seq <= 1001; seq += 500)
                in_icmp(type[t], code, 0, seq);
    skip_all();
    state_is(TCPS_ESTABLISHED);
    in("PA", 1, 1001, 10);
    skip_all();
    rcv(c, 10);
    snd(c, 10);
    out("PA", 1001, 11, 10);
}

/* RFC 6056 ---------------------------------------------------------------------------------------------------------------- */

static uint16_t next_port(uint16_t rport)
{
    int fd = tsock();
    uint16_t port;

    con_to(fd, PEER_ADDR, rport);
    port = tconn(fd)->ent.lport;
    cls(fd);
    skip_all();
    return port;
}

/* Section 3.3.4: what a destination sees says little of how often others were connected to. */
TEST(ephemeral_ports_of_destinations_are_apart)
{
    unsigned together = 0;
    uint16_t a = next_port(1000), b;

    for (uint16_t i = 0; i < 64; i++)
        next_port((uint16_t)(2000 + i));
    b = next_port(1000);
    /* algorithm 3 would be 65 further on; here only destinations of the same group count */
    check((uint16_t)(b - a) < 8);
    for (uint16_t i = 0; i < 64; i++) /* and where each begins is a matter of the key */
        together += (uint16_t)(next_port((uint16_t)(3000 + i)) - a) < 1000;
    check(together < 12);
}

/* The bucket of a connection depends on a key that nobody outside knows. */
TEST(hash_is_keyed)
{
    uint32_t hash[2];

    for (uint64_t i = 0; i < 2; i++) {
        fresh();
        conf()->seed = i + 1;
        hash[i] = tconn(passive())->ent.hash;
    }
    check(hash[0] != hash[1]);
}

/* SO_REUSEPORT ------------------------------------------------------------------------------------------------------------ */

static int sharer(bool reuse)
{
    int fd = tsock();

    if (reuse)
        sopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    return fd;
}

/* 64 connections from port base on; how many the first listener got. */
static unsigned spread(int l, uint16_t base)
{
    unsigned n = 0;

    for (uint16_t p = base; p < base + 64; p++) {
        in("S", 0, 0, .o = {MSS(1460)}, .port = p);
        out("SA", 0, 1, .o = {MSS(1460)}, .port = p);
        in("A", 1, 1, .port = p);
    }
    while (acc(l) >= 0)
        n++;
    return n;
}

TEST(reuseport_shares_connections)
{
    int a = sharer(true), b = sharer(true), c = sharer(false);
    unsigned n, m = 0;

    check_eq(tbind(a, 80), 0);
    check_eq(tbind(b, 80), 0);
    check_eq(tbind(c, 80), -EADDRINUSE); /* both must have set it */
    check_eq(tlisten(a, 100), 0);
    check_eq(tlisten(b, 100), 0);
    n = spread(a, 5000);
    while (acc(b) >= 0)
        m++;
    check_eq(n + m, 64);
    check(n >= 16 && m >= 16);
    /* a flow stays where it is: the same 64 again, after a reset of each */
    for (uint16_t p = 5000; p < 5064; p++)
        in("R", 1, 0, .port = p);
    check_eq(spread(a, 5000), n);
    /* who leaves leaves all to the others, also what came before */
    cls(b);
    nothing();
    check_eq(spread(a, 5100), 64 + 64 - n);
}

static int group_member(int backlog)
{
    int fd = sharer(true);

    check_eq(tbind(fd, 80), 0);
    check_eq(tlisten(fd, backlog), 0);
    return fd;
}

static void syns(uint16_t base, unsigned n)
{
    for (uint16_t p = base; p < base + n; p++) {
        in("S", 0, 0, .o = {MSS(1460)}, .port = p);
        out("SA", 0, 1, .o = {MSS(1460)}, .port = p);
    }
}

static unsigned accept_all(int l)
{
    unsigned n = 0;

    while (acc(l) >= 0)
        n++;
    return n;
}

/* Half open or not accepted yet: what a listener leaves behind the others of its group take, and the peers see nothing of it. */
TEST(reuseport_others_take_over)
{
    int a = group_member(100), b = group_member(100), c = group_member(100);

    syns(5000, 32);
    syns(6000, 32);
    for (uint16_t p = 5000; p < 5032; p++)
        in("A", 1, 1, .port = p);
    cls(a);
    nothing();
    check(stack()->ctr.v[CTR_TCP_MIGRATED] >= 8);
    for (uint16_t p = 6000; p < 6032; p++)
        in("A", 1, 1, .port = p);
    check_eq(shut_ret(b, SHUT_RD), 0); /* ends the passive open, too */
    nothing();
    check(polls(c) & SOCK_IN);
    check_eq(accept_all(c), 64);
    in("PA", 1, 1, 10, .port = 5000);
    out("A", 1, 11, .port = 5000);
    in("PA", 1, 1, 10, .port = 6031);
    out("A", 1, 11, .port = 6031);
    syns(7000, 1);
    cls(c); /* the last one */
    nothing();
    check_eq(stack()->tcp.syn.n, 0);
    in("A", 1, 1, .port = 7000);
    out("R", 1, 0, .port = 7000);
}

/* The SYN,ACK of an entry that has moved is repeated as before, and TCP_DEFER_ACCEPT is the new listener's. */
TEST(reuseport_handshake_goes_on)
{
    int a = group_member(100), b;

    syns(5000, 1);
    b = group_member(100);
    cls(a);
    after_ms(1000);
    out("SA", 0, 1, .o = {MSS(1460)});
    sopt(b, IPPROTO_TCP, TCP_DEFER_ACCEPT, 10);
    in("A", 1, 1);
    check_eq(acc(b), -EAGAIN);
    in("PA", 1, 1, 10);
    out("A", 1, 11);
    check(acc(b) >= 0);
}

/* An accept queue takes no more than its own backlog allows; who is not of the group takes nothing. */
TEST(reuseport_full_queue_takes_nothing)
{
    struct inaddr us = script_addr(OUR_ADDR);
    int a = group_member(100), b, c = sharer(true);

    syns(5000, 4);
    for (uint16_t p = 5000; p < 5004; p++)
        in("A", 1, 1, .port = p);
    b = group_member(1); /* room for two */
    cls(a);
    out("RA", 1, 1, .port = 5002);
    out("RA", 1, 1, .port = 5003);
    check_eq(accept_all(b), 2);
    check_eq(tcp_bind(stack(), tconn(c), &us, 80), 0);
    check_eq(tlisten(c, 100), 0);
    syns(6000, 1);
    in("A", 1, 1, .port = 6000);
    cls(c);
    out("RA", 1, 1, .port = 6000);
    check_eq(accept_all(b), 0);
}

TEST(reuseport_needs_both)
{
    int a = sharer(false), b = sharer(true);

    check_eq(tbind(a, 80), 0);
    check_eq(tbind(b, 80), -EADDRINUSE);
}

/* A listener that is bound to the address goes before a group that is not. */
TEST(reuseport_address_goes_first)
{
    struct inaddr us = script_addr(OUR_ADDR);
    int a = sharer(true), b = sharer(true), c = sharer(true);

    check_eq(tbind(a, 80), 0);
    check_eq(tbind(b, 80), 0);
    check_eq(tcp_bind(stack(), tconn(c), &us, 80), 0);
    check_eq(tlisten(a, 100), 0);
    check_eq(tlisten(b, 100), 0);
    check_eq(tlisten(c, 100), 0);
    check_eq(spread(c, 5000), 64);
}

/* TCP_NOTSENT_LOWAT ------------------------------------------------------------------------------------------------------- */

TEST(notsent_lowat)
{
    int c = passive(.win = 2920);

    check_eq(gopt(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 0);
    sopt(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000);
    check_eq(gopt(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 4000);
    snd(c, 2920);
    out("A", 1, 1, 1460);
    out("PA", 1461, 1, 1460);
    snd(c, 3000);
    check(polls(c) & SOCK_OUT); /* 3000 bytes wait */
    snd(c, 1000);
    check_eq(polls(c) & SOCK_OUT, 0);
    check_eq(snd_flags(c, 10, 0), -EAGAIN);
    in("A", 1, 2921, .win = 2920);
    out("A", 2921, 1, 1460);
    out("A", 4381, 1, 1460);
    check(polls(c) & SOCK_OUT);
    sopt(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 100);
    check_eq(polls(c) & SOCK_OUT, 0);
    in("A", 1, 5841, .win = 2920);
    out("PA", 5841, 1, 1080);
    check(polls(c) & SOCK_OUT); /* nothing waits, though nothing is acknowledged */
}

TEST(notsent_lowat_by_key)
{
    conf()->notsent_lowat_bytes = 1000;
    check_eq(gopt(passive(), IPPROTO_TCP, TCP_NOTSENT_LOWAT), 1000);
}

/* Limits ------------------------------------------------------------------------------------------------------------------ */

/* A peer that takes one byte of each probe keeps a closed connection for orphan_ms, not for ever. */
TEST(orphan_of_a_peer_that_takes_bytes)
{
    const struct tcp_conn *tc;
    int c;

    conf()->orphan_ns = 60 * NS_PER_SEC;
    c = passive();
    in("A", 1, 1, .win = WIN0);
    snd(c, 1000);
    tc = tconn(c);
    cls(c);
    while (now_ms() < 59000) {
        skip_ms(150);
        in("A", 1, tc->snd_nxt - tc->iss, .win = WIN0);
    }
    check(tc->snd_una - tc->iss > 20);
    state_is(TCPS_FIN_WAIT_1);
    check_eq(stack()->tcp.n_orphans, 1);
    skip_ms(2000);
    state_is(TCPS_CLOSED);
    check_eq(stack()->tcp.n_orphans, 0);
    check_eq(stack()->ctr.v[CTR_TCP_ORPHAN_TIME], 1);
}

TEST(orphans_are_limited)
{
    conf()->max_orphans = 1;
    cls(passive());
    out("FA", 1, 1);
    cls(passive(.port = 5001));
    out("RA", 1, 1, .port = 5001);
    check_eq(stack()->ctr.v[CTR_TCP_ORPHAN_LIMIT], 1);
    in("A", 1, 2);
    in("FA", 1, 2);
    out("A", 2, 2);
    check_eq(stack()->tcp.n_orphans, 0);
    cls(passive(.port = 5002));
    out("FA", 1, 1, .port = 5002);
}

/* After 2^32 connections a loan's number is another connection's: it must not be credited with what it has not lent. */
TEST(loan_of_a_number_that_came_round)
{
    struct rte_mbuf *m;
    int c = passive();
    uint32_t id = (uint32_t)tconn(c)->ent.id;

    in("PA", 1, 1, 100);
    skip_ms(100);
    check(tcp_recv_ref(stack(), tconn(c), 100, &m) > 0);
    linger(c, 1, 0);
    cls(c);
    skip_all();
    stack()->tcp.next_id = id - 1;
    c = passive(.port = 5001);
    check_eq(tconn(c)->ent.id, id);
    tcp_loan_return(stack(), m);
    pkt_unref(m);
    check_eq(tconn(c)->loan_bytes, 0);
    check_eq(stack()->tcp.loan_bytes, 0);
}

/* RFC 4861 7.3.1: a neighbour behind which data is acknowledged is not asked whether it is there. */
TEST(progress_confirms_the_neighbour)
{
    int c = passive();
    uint64_t asked = stack()->ctr.v[CTR_ARP_REQUEST_TX];

    for (uint32_t i = 0; i < 30; i++) {
        snd(c, 10);
        out("PA", 1 + 10 * i, 1, 10);
        in("A", 1, 11 + 10 * i);
        quiet_ms(10000);
    }
    check_eq(stack()->ctr.v[CTR_ARP_REQUEST_TX], asked);
}

RUN(T(challenge_acks_are_limited), T(challenge_acks_tell_nothing_of_others), T(no_icmp_ends_an_established_connection),
    T(ephemeral_ports_of_destinations_are_apart), T(hash_is_keyed), T(reuseport_shares_connections), T(reuseport_others_take_over),
    T(reuseport_handshake_goes_on), T(reuseport_full_queue_takes_nothing), T(reuseport_needs_both), T(reuseport_address_goes_first),
    T(notsent_lowat), T(notsent_lowat_by_key), T(orphan_of_a_peer_that_takes_bytes), T(orphans_are_limited),
    T(loan_of_a_number_that_came_round), T(progress_confirms_the_neighbour))
