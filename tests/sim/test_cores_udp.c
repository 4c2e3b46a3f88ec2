/* Datagrams to and from several stacks behind one port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "cores_net.h"
#include "udp/udp.h"

static void udp_say(struct sim_stack *ss, struct udp_pcb *u, uint32_t addr, uint16_t port, size_t len)
{
    static char bytes[9000];
    struct inaddr to = sim_addr(addr);
    struct udp_dest dest = UDP_DEST_INIT;
    struct iovec iov = {.iov_base = bytes, .iov_len = len};

    dest.addr = &to;
    dest.port = port;
    assert_int_equal(udp_sendto(ss->s, u, &iov, 1, 0, &dest), (ssize_t)len);
    sim_kick(ss->sim, ss->node);
}

static unsigned udp_take(struct sim_stack *ss, struct udp_pcb *u, size_t len, struct udp_info *info)
{
    static char bytes[9000];
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    unsigned n = 0;
    int flags = 0;
    ssize_t r;

    while ((r = udp_recvfrom(ss->s, u, &iov, 1, &flags, info)) >= 0) {
        assert_int_equal(r, (ssize_t)len);
        flags = 0;
        n++;
    }
    return n;
}

/* Datagrams by their flow, whole ones and those in fragments alike. */
static void datagrams(void **state)
{
    static const size_t lens[] = {100, 4000};
    struct udp_pcb *at[CORES], *from[30];
    struct udp_info info;
    static struct net w;

    (void)state;
    net_create(&w, 0);
    for (unsigned c = 0; c < CORES; c++)
        at[c] = sim_udp(w.host->core[c], 53);
    for (unsigned i = 0; i < 30; i++)
        from[i] = sim_udp(w.client, (uint16_t)(2000 + i));
    for (size_t k = 0; k < 2; k++) {
        unsigned n[CORES];

        for (unsigned i = 0; i < 30; i++) {
            udp_say(w.client, from[i], SIM_ADDR_B, 53, lens[k]);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
        }
        for (unsigned c = 0; c < CORES; c++) {
            n[c] = udp_take(w.host->core[c], at[c], lens[k], &info);
            assert_in_range(n[c], 4, 18);
        }
        assert_int_equal(n[0] + n[1] + n[2], 30);
    }
    assert_true(sum(&w, CTR_FRAG_REASSEMBLED) == 30 && sum(&w, CTR_STEER_HANDED) > 10);
    for (unsigned i = 0; i < CORES; i++) /* all fragments of two hosts come to one */
        assert_true(w.host->core[i]->s->ctr.v[CTR_FRAG_REASSEMBLED] == 0 || w.host->core[i]->s->ctr.v[CTR_FRAG_REASSEMBLED] == 30);

    /* one socket is left: all comes there */
    udp_close(w.host->core[0]->s, at[0]);
    udp_close(w.host->core[2]->s, at[2]);
    for (size_t k = 0; k < 2; k++) {
        for (unsigned i = 0; i < 30; i++) {
            udp_say(w.client, from[i], SIM_ADDR_B, 53, lens[k]);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
        }
        assert_int_equal(udp_take(w.host->core[1], at[1], lens[k], &info), 30);
    }
    /* and then none: port unreachable */
    udp_close(w.host->core[1]->s, at[1]);
    udp_say(w.client, from[0], SIM_ADDR_B, 53, 10);
    assert_true(sim_run_for(w.sim, NS_PER_MS));
    assert_int_equal(sum(&w, CTR_ICMP_ERR_TX), 1);
    for (unsigned i = 0; i < 30; i++)
        udp_close(w.client->s, from[i]);
    net_destroy(&w);
}

/* Answers to datagrams from ports that the stacks chose themselves; no two have the same. */
static void datagram_clients(void **state)
{
    struct udp_pcb *server, *u[CORES][20];
    struct udp_info info;
    static struct net w;
    bool taken[65536] = {false};

    (void)state;
    net_create(&w, 0);
    server = sim_udp(w.client, 53);
    for (unsigned c = 0; c < CORES; c++)
        for (unsigned i = 0; i < 20; i++) {
            struct inaddr to = sim_addr(SIM_ADDR_A), name;
            uint64_t handed;
            uint16_t port;

            u[c][i] = sim_udp(w.host->core[c], 0);
            if (i % 2 == 0)
                assert_int_equal(udp_connect(w.host->core[c]->s, u[c][i], &to, 53), 0);
            udp_say(w.host->core[c], u[c][i], SIM_ADDR_A, 53, 20);
            udp_getname(u[c][i], &name, &port);
            assert_false(taken[port]);
            taken[port] = true;
            assert_true(sim_run_for(w.sim, NS_PER_MS));
            assert_int_equal(udp_take(w.client, server, 20, &info), 1);
            assert_int_equal(info.sport, port);
            handed = sum(&w, CTR_STEER_HANDED);
            udp_say(w.client, server, SIM_ADDR_B, port, 30);
            assert_true(sim_run_for(w.sim, NS_PER_MS));
            assert_int_equal(udp_take(w.host->core[c], u[c][i], 30, &info), 1);
            if (i % 2 == 0) /* connected: its answers come by themselves */
                assert_int_equal(sum(&w, CTR_STEER_HANDED), handed);
        }
    assert_in_range(sum(&w, CTR_STEER_HANDED), 5, CORES * 10);
    for (unsigned c = 0; c < CORES; c++)
        for (unsigned i = 0; i < 20; i++)
            udp_close(w.host->core[c]->s, u[c][i]);
    udp_close(w.client->s, server);
    net_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams),
        cmocka_unit_test(datagram_clients),
    };

    return cmocka_run_group_tests(tests, net_setup, NULL);
}
