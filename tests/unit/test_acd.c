/* Conflicts over IPv4 addresses (RFC 5227): tested before use or while in use, announced, defended. */
#include "net_fixture.h"

#include "link/acd.h"
#include "udp/udp_pcb.h"

#define NEW (NET_US + 40)
#define NIF (&net_nif[0])
#define MS NS_PER_MS

static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x77};
static const uint8_t no_mac[6];

static int add(uint32_t addr)
{
    return ip_add_addr(S, NIF, addr, 0xffffff00u, 0);
}

static bool is_ours(uint32_t addr)
{
    struct inaddr a = inaddr_v4(addr);

    return ip_is_local(S, &a);
}

/* The next frame, an ARP request about the address: a probe or an announcement. */
static void expect(uint32_t spa, uint32_t tpa)
{
    struct net_out o;

    assert_true(net_take(&o));
    assert_int_equal(o.eth.type, ETH_TYPE_ARP);
    assert_memory_equal(o.eth.dst, net_bcast_mac, 6);
    assert_memory_equal(o.arp.sha, net_mac, 6);
    assert_memory_equal(o.arp.tha, no_mac, 6);
    assert_int_equal(o.arp.op, ARP_REQUEST);
    assert_int_equal(o.arp.spa, spa);
    assert_int_equal(o.arp.tpa, tpa);
}

static void expect_nothing(void)
{
    struct net_out o;

    assert_false(net_take(&o));
}

/* Time passes until the next frame; returns how many ms that were. */
static uint64_t wait_ms(void)
{
    uint64_t from = S->now_ns;

    while (txq_count(&NIF->txq) == 0) {
        net_advance(MS);
        assert_true(S->now_ns - from < 100 * NS_PER_SEC);
    }
    return (S->now_ns - from) / MS;
}

/* The whole test of section 2.1.1 and the announcements of 2.3; the times of section 1.1. */
static void tested_and_announced(uint32_t addr, uint64_t within_ms)
{
    assert_in_range(wait_ms(), 0, within_ms + 10);
    expect(0, addr);
    for (int i = 0; i < 2; i++) {
        assert_in_range(wait_ms(), 1000, 2010);
        expect(0, addr);
    }
    assert_in_range(wait_ms(), 2000, 2010);
    expect(addr, addr);
    assert_in_range(wait_ms(), 2000, 2010);
    expect(addr, addr);
    assert_int_equal(S->wheel.armed, 0);
}

static void an_address_may_be_used_while_it_is_tested(void **state)
{
    (void)state;
    S->conf.arp_probe = ARP_PROBE_IN_USE;
    assert_int_equal(add(NEW), 0);
    assert_true(is_ours(NEW));
    expect(NEW, NEW);
    expect_nothing();
    tested_and_announced(NEW, 1000);
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 0);
}

static void an_address_may_be_tested_before_it_is_used(void **state)
{
    struct inaddr a = inaddr_v4(NEW), peer = inaddr_v4(NET_PEER);
    struct udp_pcb *u = udp_create(S, NULL);
    struct ip_path path = {0};
    struct net_frame f;
    uint32_t gen;

    (void)state;
    S->conf.arp_probe = ARP_PROBE_FIRST;
    gen = S->routes->gen;
    assert_int_equal(add(NEW), 0);
    assert_int_equal(add(NEW), -EEXIST);
    assert_false(is_ours(NEW));
    expect_nothing();
    assert_int_equal(udp_bind(S, u, &a, 5), -EADDRNOTAVAIL);
    assert_int_equal(ip_path_lookup(S, &path, &a, &peer, false), -EADDRNOTAVAIL);
    net_frame_udp(&f, NET_PEER, 9, NEW, 9, "x", 1);
    net_inject_frame(&f);
    assert_int_equal(net_ctr(DROP_IP_NOT_US), 1);
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NEW); /* somebody asks for it: no answer, and no conflict */
    expect_nothing();
    tested_and_announced(NEW, 1000);
    assert_true(is_ours(NEW));
    assert_int_not_equal(S->routes->gen, gen); /* paths are looked up again */
    assert_int_equal(udp_bind(S, u, &a, 5), 0);
    udp_close(S, u);
}

static void without_tests_there_is_one_announcement(void **state)
{
    (void)state;
    assert_int_equal(add(NEW), 0);
    expect(NEW, NEW);
    net_advance(10 * NS_PER_SEC);
    expect_nothing();
}

/* What another host may say during the test, and after how many probes. */
static void found_in_use(unsigned probes, uint16_t op, uint32_t spa, uint32_t tpa)
{
    uint64_t before = net_ctr(CTR_ARP_DUPLICATE);

    S->conf.arp_probe = ARP_PROBE_FIRST;
    assert_int_equal(add(NEW), 0);
    for (unsigned i = 0; i < probes; i++) {
        wait_ms();
        expect(0, NEW);
    }
    if (probes == 3)
        net_advance(1900 * MS); /* ANNOUNCE_WAIT is not over */
    net_inject_arp(op, other_mac, spa, tpa);
    assert_int_equal(net_ctr(CTR_ARP_DUPLICATE), before + 1);
    assert_int_equal(net_ctr(CTR_ARP_DEFENCE), 0);
    assert_int_equal(NIF->arp_conflict, NEW);
    net_advance(59 * NS_PER_SEC);
    expect_nothing();
    assert_false(is_ours(NEW));
    tested_and_announced(NEW, 2000); /* by then it is free */
    assert_true(is_ours(NEW));
}

static void another_host_answers(void **state)
{
    (void)state;
    found_in_use(1, ARP_REPLY, NEW, 0);
}

static void another_host_asks_with_it(void **state)
{
    (void)state;
    found_in_use(2, ARP_REQUEST, NEW, NET_PEER);
}

static void another_host_tests_it_too(void **state)
{
    (void)state;
    found_in_use(0, ARP_REQUEST, 0, NEW);
}

static void another_host_answers_the_last_probe(void **state)
{
    (void)state;
    found_in_use(3, ARP_REPLY, NEW, 0);
}

/* Of several addresses those are used that are free, and the first one that was given is the primary whenever it becomes free. */
static void addresses_keep_their_order(void **state)
{
    (void)state;
    S->conf.arp_probe = ARP_PROBE_FIRST;
    NIF->n_addrs = NIF->n_claims = 0;
    assert_int_equal(add(NEW), 0);
    assert_int_equal(add(NEW + 1), 0);
    assert_int_equal(ip_add_gateway(S, NIF, NET_GW - 1), 0); /* on the link of an address that is being tested */
    net_inject_arp(ARP_REPLY, other_mac, NEW, 0);
    net_advance(20 * NS_PER_SEC);
    for (int i = 0; i < 10; i++)
        net_advance(2 * NS_PER_SEC);
    net_discard_tx();
    assert_int_equal(NIF->n_addrs, 1);
    assert_int_equal(NIF->addr[0].addr, NEW + 1);
    for (int i = 0; i < 40; i++)
        net_advance(2 * NS_PER_SEC);
    net_discard_tx();
    assert_int_equal(NIF->n_addrs, 2);
    assert_int_equal(NIF->addr[0].addr, NEW);
    assert_int_equal(NIF->addr[1].addr, NEW + 1);
    assert_int_equal(S->wheel.armed, 0);
}

/* Another port of this host on the same link is no other host. */
static void our_own_packets_are_no_conflict(void **state)
{
    (void)state;
    S->conf.arp_probe = ARP_PROBE_FIRST;
    assert_int_equal(add(NEW), 0);
    net_inject_arp(ARP_REQUEST, net_mac, 0, NEW);
    net_inject_arp(ARP_REQUEST, net_mac1, 0, NEW);
    net_inject_arp(ARP_REQUEST, net_mac1, NEW, NEW);
    assert_int_equal(net_ctr(CTR_ARP_DUPLICATE), 0);
    tested_and_announced(NEW, 1000);
    net_inject_arp(ARP_REQUEST, net_mac1, NEW, NEW);
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 0);
    expect_nothing();
}

/* In use already: it is kept and defended, and the test is over. */
static void a_conflict_during_the_test_is_defended(void **state)
{
    (void)state;
    S->conf.arp_probe = ARP_PROBE_IN_USE;
    assert_int_equal(add(NEW), 0);
    expect(NEW, NEW);
    wait_ms();
    expect(0, NEW);
    net_inject_arp(ARP_REPLY, other_mac, NEW, 0);
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 1);
    expect(NEW, NEW);
    net_advance(30 * NS_PER_SEC);
    expect_nothing();
    assert_true(is_ours(NEW));
}

/* Section 2.4 c: not when the last claim, answered or not, was less than DEFEND_INTERVAL ago. Each address for itself. */
static void defence_does_not_become_a_quarrel(void **state)
{
    (void)state;
    assert_int_equal(add(NEW), 0);
    expect(NEW, NEW);
    for (int i = 0; i < 6; i++) {
        net_inject_arp(ARP_REQUEST, other_mac, NET_US, NET_US);
        if (i == 0)
            expect(NET_US, NET_US);
        expect_nothing();
        net_advance(5 * NS_PER_SEC);
    }
    net_inject_arp(ARP_REQUEST, other_mac, NEW, NEW);
    expect(NEW, NEW);
    net_advance(5 * NS_PER_SEC);
    net_inject_arp(ARP_REQUEST, other_mac, NET_US, NET_US);
    expect(NET_US, NET_US);
    assert_int_equal(net_ctr(CTR_ARP_CONFLICT), 8);
    assert_int_equal(net_ctr(CTR_ARP_DEFENCE), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(an_address_may_be_used_while_it_is_tested),
        NET_TEST(an_address_may_be_tested_before_it_is_used),
        NET_TEST(without_tests_there_is_one_announcement),
        NET_TEST(another_host_answers),
        NET_TEST(another_host_asks_with_it),
        NET_TEST(another_host_tests_it_too),
        NET_TEST(another_host_answers_the_last_probe),
        NET_TEST(addresses_keep_their_order),
        NET_TEST(our_own_packets_are_no_conflict),
        NET_TEST(a_conflict_during_the_test_is_defended),
        NET_TEST(defence_does_not_become_a_quarrel),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
