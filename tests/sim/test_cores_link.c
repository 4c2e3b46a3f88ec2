/* Several stacks behind one port are one host: one of them speaks for its addresses, and all learn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cores_net.h"
#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/nd.h"

struct seen {
    unsigned questions, answers;
};

/* What the host says of neighbours, in either family. */
static enum sim_verdict look(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f)
{
    const uint8_t *icmp = f->data + ETH_HLEN + IPV6_HLEN;
    struct seen *seen = arg;
    struct arp_pkt a;

    (void)e, (void)index;
    if (get16(f->data + 12) == ETH_TYPE_ARP && arp_parse(f->data + ETH_HLEN, f->len - ETH_HLEN, &a)) {
        seen->questions += a.op == ARP_REQUEST;
        seen->answers += a.op == ARP_REPLY;
    }
    if (get16(f->data + 12) == ETH_TYPE_IPV6 && f->data[ETH_HLEN + IPV6_NEXT_OFF] == IPPROTO_ICMPV6_) {
        seen->questions += icmp[0] == ND_NEIGHBOR_SOLICIT;
        seen->answers += icmp[0] == ND_NEIGHBOR_ADVERT;
    }
    return SIM_PASS;
}

/* One answers for the host's address, and all learn who asked. */
static void one_speaks(void **state)
{
    static struct net w;
    struct seen seen = {0}, asked = {0};

    (void)state;
    net_create(&w, 0);
    assert_true(sim_run_for(w.sim, 5 * NS_PER_SEC));
    w.host->end->conf.hook = look;
    w.host->end->conf.hook_arg = &seen;
    w.client->end->conf.hook = look;
    w.client->end->conf.hook_arg = &asked;
    for (unsigned i = 0; i < CORES; i++)
        listen_on(&w, i);
    connect_some(&w, 0, 30);
    assert_true(sim_run_for(w.sim, 100 * NS_PER_MS));
    assert_true(asked.questions > 0);
    assert_int_equal(seen.answers, asked.questions);
    assert_int_equal(seen.questions, 0); /* the client's question told all of them */
    assert_true(sim_run_for(w.sim, 3 * NS_PER_SEC));
    assert_int_equal(accepted(&w), 30);
    assert_true(sum(&w, CTR_STEER_ALL) >= CORES - 1);
    net_destroy(&w);
}

static void test_addresses(struct stack_conf *c)
{
    c->dad_transmits = 2;
}

/* Before an IPv6 address is used, one of the stacks asks for it; all hear that it is taken. */
static void a_test_of_the_address(void **state)
{
    static struct net w;
    struct seen seen = {0};

    (void)state;
    if (!sim_v6())
        return;
    for (int taken = 0; taken < 2; taken++) {
        net_tune = test_addresses;
        net_create(&w, 0);
        net_tune = NULL;
        seen = (struct seen){0};
        w.host->end->conf.hook = look;
        w.host->end->conf.hook_arg = &seen;
        w.client->s->conf.dad_transmits = 0;
        if (taken) /* the client has it already */
            assert_true(sim_add_v6(w.client->s, w.client->nif, SIM_ADDR_B, 0xffffff00u));
        assert_true(sim_run_for(w.sim, 10 * NS_PER_SEC));
        for (unsigned c = 0; c < CORES; c++) {
            const struct netif *nif = w.host->core[c]->nif;

            assert_int_equal(nif->n_addrs6, 2);
            assert_int_equal(nif->addr6[0].state, ADDR6_PREFERRED);
            assert_int_equal(nif->addr6[1].state, taken ? ADDR6_DUPLICATED : ADDR6_PREFERRED);
        }
        if (!taken) {
            assert_int_equal(seen.questions, 2 * 2 + 1); /* two for each address, and the announcement of the IPv4 one */
            assert_int_equal(seen.answers, 2);           /* that it is taken into use */
        }
        w.client->arena_bytes = w.client->s->arena.used_bytes; /* the addresses' groups were joined since */
        for (unsigned c = 0; c < CORES; c++)
            w.host->core[c]->arena_bytes = w.host->core[c]->s->arena.used_bytes;
        net_destroy(&w);
    }
}

/* The host's addresses are announced once, and another host that claims one is answered once. */
static void a_conflict(void **state)
{
    static struct net w;
    struct seen seen = {0};
    uint8_t frame[60] = {0};
    struct arp_pkt a = {.op = ARP_REPLY, .sha = {2, 0, 0, 0, 0, 9}, .spa = SIM_ADDR_B, .tpa = SIM_ADDR_A};
    struct eth_hdr h = {.dst = {255, 255, 255, 255, 255, 255}, .src = {2, 0, 0, 0, 0, 9}, .type = ETH_TYPE_ARP};

    (void)state;
    net_create(&w, 0);
    assert_int_equal(sum(&w, CTR_ARP_REQUEST_TX), 1); /* the announcement */
    w.host->end->conf.hook = look;
    w.host->end->conf.hook_arg = &seen;
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    seen = (struct seen){0};
    eth_build(frame, &h);
    arp_build(frame + ETH_HLEN, &a);
    assert_true(sim_inject(w.client->end, frame, sizeof(frame)));
    assert_true(sim_run_for(w.sim, NS_PER_SEC));
    assert_int_equal(sum(&w, CTR_ARP_CONFLICT), CORES);
    assert_int_equal(seen.questions, 1);
    net_destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_speaks),
        cmocka_unit_test(a_test_of_the_address),
    };
    const struct CMUnitTest ipv4[] = {
        cmocka_unit_test(a_conflict),
    };
    int failed = cmocka_run_group_tests(tests, net_setup, NULL);

    return sim_v6() ? failed : failed + cmocka_run_group_tests(ipv4, NULL, NULL);
}
