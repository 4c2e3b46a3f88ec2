/* Several stacks behind one port: whose connection is whose, and what happens when the sockets are not where the packets come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cores_net.h"
#include "tcp/conn.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"

/* A listener on every core: each serves what comes to it, and nothing is handed from one to the other. */
static void listeners_everywhere(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    for (unsigned i = 0; i < CORES; i++)
        assert_in_range(w.served[i].n, CONNS / CORES / 2, CONNS / CORES * 2);
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    assert_int_equal(sum(&w, CTR_TCP_FORWARDED), 0);
    net_destroy(&w);
}

/* Of TCP to the listeners it names another stack than the home: by the client's port alone. */
static int by_client_port(uint8_t *data, uint16_t *len, const struct dispatch_about *about)
{
    const uint8_t *ip = data + ETH_HLEN;
    uint32_t hlen = get16(data + 12) == ETH_TYPE_IPV4 ? (ip[0] & 15u) * 4u : 40u;
    bool tcp = get16(data + 12) == ETH_TYPE_IPV4 ? ip[9] == 6 : get16(data + 12) == ETH_TYPE_IPV6 && ip[6] == 6;

    if (*len < ETH_HLEN + hlen + 4 || !tcp || get16(ip + hlen + 2) != PORT)
        return about->queue;
    return get16(ip + hlen) % about->n_queues;
}

/* An application that spreads connections its own way: each is where it says, and works as any other. */
static void a_dispatcher_spreads(void **state)
{
    static dispatch_ask *ask = by_client_port;
    static struct net w;

    (void)state;
    net_create(&w, NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++) {
        w.host->core[i]->nif->port->dispatch.ask = &ask;
        listen_on(&w, i);
    }
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    for (unsigned i = 0; i < CORES; i++) {
        assert_true(w.served[i].n > 0);
        for (uint32_t k = 0; k < w.served[i].n; k++) {
            struct inaddr a;
            uint16_t port;

            assert_int_equal(tcp_getpeer(w.served[i].conn[k].sk->tcp, &a, &port), 0);
            assert_int_equal(port % CORES, i);
        }
    }
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    assert_int_equal(sum(&w, DROP_DISPATCH_BAD) + sum(&w, DROP_STEER_FULL), 0);
    net_destroy(&w);
}

/* A listener on one core only gets all connections, wherever they come; those of others are claimed, until they are gone. */
static void one_listener(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, NS_PER_MS);
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, CONNS);
    all_echo(&w, CONNS);
    assert_in_range(sum(&w, CTR_TCP_FORWARDED), CONNS / 3, CONNS - CONNS / 6);
    assert_int_equal(w.host->core[1]->s->ctr.v[CTR_TCP_FORWARDED], 0);
    net_destroy(&w);
}

/*
 * A listener closes while handshakes are under way at every stage, and others stay: not one attempt fails, and its own connections go
 * on. It listens again: the claimed ones still go on.
 */
static void a_listener_closes(void **state)
{
    static struct net w;
    uint32_t before;

    (void)state;
    net_create(&w, 5 * NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    for (uint32_t i = 0; i < 40; i++) { /* one every 500 us: 20 handshakes at a time */
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 500 * NS_PER_US));
    }
    before = w.served[1].n;
    assert_true(before > 0);
    stop_listening(&w, 1);
    for (uint32_t i = 40; i < CONNS; i++) {
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 500 * NS_PER_US));
    }
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, before);
    assert_int_equal(accepted(&w), CONNS);
    assert_true(sum(&w, CTR_TCP_SYN_MOVED) > 0);
    assert_true(w.host->core[1]->s->ctr.v[CTR_TCP_FORWARDED] > 0);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    all_echo(&w, CONNS);
    listen_on(&w, 1);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* Listeners that come and go, one after the other, all the time: handshakes that began with one end with another. */
static void listeners_come_and_go(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 5 * NS_PER_MS);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 1); /* resolves addresses */
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 1; i < CONNS; i++) {
        if (i % 7 == 3)
            stop_listening(&w, i / 7 % CORES);
        if (i % 7 == 0)
            listen_on(&w, (i / 7 - 1) % CORES);
        connect_some(&w, i, i + 1);
        assert_true(sim_run_for(w.sim, 700 * NS_PER_US));
    }
    assert_true(sim_run_for(w.sim, 5 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    assert_true(sum(&w, CTR_TCP_SYN_MOVED) > 10);
    assert_int_equal(sum(&w, CTR_TCP_RST_TX), 0);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* The last listener closes: a reset, as ever. */
static void no_listener(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    listen_on(&w, 2);
    stop_listening(&w, 2);
    connect_some(&w, 0, 10);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(tcp_peek_error(w.conn[i].sk->tcp), ECONNREFUSED);
    net_destroy(&w);
}

/* A stack ends: what is new goes to the others. */
static void a_stack_ends(void **state)
{
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 1);
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    for (unsigned c = 0; c < CORES; c++) {
        if (w.served[c].n != 0)
            close_end(w.served[c].ss, &w.served[c].conn[0]);
        w.served[c].n = 0;
    }
    close_end(w.client, &w.conn[0]);
    close_end(w.served[2].ss, &w.served[2].listener);
    assert_true(sim_run_for(w.sim, 100 * NS_PER_SEC));
    sim_host_stop(w.host, 2);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
    assert_int_equal(w.served[0].n + w.served[1].n, CONNS);
    all_echo(&w, CONNS);
    assert_int_equal(sum(&w, CTR_STEER_HANDED), 0);
    net_destroy(&w);
}

/* The host as the client: each stack takes ports whose answers come to itself; a port that was bound before needs a claim. */
static void the_host_connects(void **state)
{
    static struct net w;
    struct end out[CORES][20], in[CORES * 20 + 1] = {{0}};
    struct sock *listener;
    int lfd;
    uint32_t n = 0;

    (void)state;
    for (int bound = 0; bound < 2; bound++) {
        net_create(&w, NS_PER_MS);
        listener = sim_listen(w.client, PORT, 128, &lfd);
        n = 0;
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++) {
                struct sim_stack *ss = w.host->core[c];
                struct inaddr to = sim_addr(SIM_ADDR_A), any = sim_addr(0);

                out[c][i].sk = sim_sock(ss, &out[c][i].fd);
                if (bound)
                    assert_int_equal(tcp_bind(ss->s, out[c][i].sk->tcp, &any, (uint16_t)(3000 + 100 * c + i)), 0);
                assert_int_equal(tcp_connect(ss->s, out[c][i].sk->tcp, &to, PORT), -EINPROGRESS);
            }
        sim_kick(w.sim, w.host->core[0]->node);
        assert_true(sim_run_for(w.sim, 2 * NS_PER_SEC));
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++)
                assert_true((tcp_poll(out[c][i].sk->tcp) & SOCK_OUT) != 0 && tcp_peek_error(out[c][i].sk->tcp) == 0);
        while (accept_at(&w, listener, &in[n]) != NULL)
            n++;
        assert_int_equal(n, CORES * 20);
        if (bound)
            assert_in_range(sum(&w, CTR_TCP_FORWARDED), 20, 60);
        else
            assert_int_equal(sum(&w, CTR_STEER_HANDED) + sum(&w, CTR_TCP_FORWARDED), 0);
        if (!bound)
            assert_true(sum(&w, CTR_TCP_PORTS_PASSED) > 30 && sum(&w, CTR_TCP_PORTS_PASSED) < 600);
        for (uint32_t i = 0; i < n; i++)
            close_end(w.client, &in[i]);
        for (unsigned c = 0; c < CORES; c++)
            for (unsigned i = 0; i < 20; i++)
                close_end(w.host->core[c], &out[c][i]);
        sock_close(w.client->s, lfd);
        net_destroy(&w);
    }
}

static void cookies_always(struct stack_conf *c)
{
    c->syncookies = 2;
}

/* With cookies nothing is kept of a handshake: whoever gets the last segment can finish it. */
static void cookies(void **state)
{
    static struct net w;

    (void)state;
    net_tune = cookies_always;
    net_create(&w, 5 * NS_PER_MS);
    net_tune = NULL;
    listen_on(&w, 0);
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(accepted(&w), CONNS);
    assert_int_equal(sum(&w, CTR_TCP_COOKIE_RX), CONNS);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

static void one_claim(struct stack_conf *c)
{
    c->forward_limit = 1;
}

/* Claims have a limit: the oldest gives way, and its connection finds the listener's stack all the same while that listens. */
static void limit_of_claims(void **state)
{
    static struct net w;

    (void)state;
    net_tune = one_claim;
    net_create(&w, 0);
    net_tune = NULL;
    listen_on(&w, 1);
    connect_some(&w, 0, CONNS);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(w.served[1].n, CONNS);
    assert_int_equal(sum(&w, CTR_TCP_FORWARDED), CORES - 1);
    assert_true(sum(&w, CTR_TCP_FORWARD_LIMIT) > 10);
    all_echo(&w, CONNS);
    net_destroy(&w);
}

/* An ICMP error about a claimed connection finds it. */
static void errors_follow_claims(void **state)
{
    static struct net w;
    uint8_t frame[ETH_HLEN + 2 * IPV4_HLEN + 2 * ICMP_HLEN];
    struct eth_hdr h = {.src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_IPV4};
    struct ipv4_hdr outer = {
        .proto = IPPROTO_ICMP_, .total_len = sizeof(frame) - ETH_HLEN, .ttl = 64, .src = 0x0a000063, .dst = SIM_ADDR_B};
    struct ipv4_hdr inner = {.proto = 6, .total_len = 1500, .ttl = 63, .src = SIM_ADDR_B, .dst = SIM_ADDR_A};
    struct icmp_hdr e = {.type = ICMP_UNREACH, .code = ICMP_UNREACH_HOST};
    uint64_t sum16 = 0;

    (void)state;
    net_create(&w, 0);
    listen_on(&w, 1);
    connect_some(&w, 0, 20);
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    memcpy(h.dst, w.host->end->port->mac, 6);
    for (uint32_t i = 0; i < 20; i++) {
        const struct tcp_conn *tc = w.conn[i].sk->tcp;
        uint8_t *p = frame + ETH_HLEN + IPV4_HLEN;

        memset(frame, 0, sizeof(frame));
        eth_build(frame, &h);
        ipv4_build(frame + ETH_HLEN, &outer, true);
        icmp_build(p, &e);
        ipv4_build(p + ICMP_HLEN, &inner, true);
        put16(p + ICMP_HLEN + IPV4_HLEN, PORT);
        put16(p + ICMP_HLEN + IPV4_HLEN + 2, tc->ent.lport);
        put32(p + ICMP_HLEN + IPV4_HLEN + 4, tc->rcv_nxt); /* nothing of it is in flight: ignored, and counted */
        sum16 = cksum_add(0, p, 2 * ICMP_HLEN + IPV4_HLEN);
        memcpy(p + 2, &(uint16_t){cksum_finish(sum16)}, 2);
        assert_true(sim_inject(w.client->end, frame, sizeof(frame)));
    }
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    assert_int_equal(w.host->core[1]->s->ctr.v[CTR_TCP_ICMP_IGNORED], 20);
    net_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listeners_everywhere), cmocka_unit_test(a_dispatcher_spreads),  cmocka_unit_test(one_listener),
        cmocka_unit_test(a_listener_closes),    cmocka_unit_test(listeners_come_and_go), cmocka_unit_test(no_listener),
        cmocka_unit_test(a_stack_ends),         cmocka_unit_test(the_host_connects),     cmocka_unit_test(cookies),
        cmocka_unit_test(limit_of_claims),
    };
    const struct CMUnitTest ipv4[] = {
        cmocka_unit_test(errors_follow_claims),
    };
    int failed = cmocka_run_group_tests(tests, net_setup, NULL);

    return sim_v6() ? failed : failed + cmocka_run_group_tests(ipv4, NULL, NULL);
}
