/* Duplicate address detection and autoconfiguration (RFC 4862, RFC 7527, RFC 7217), routers (RFC 4861 section 6, RFC 7559), redirects. */
#include "nd_fixture.h"

static const struct inaddr us_ll = {.b = {0xfe, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0x01}}; /* with its zone */

/* An interface on which nothing has happened yet; tests of addresses take time, routers are listened to. */
static int fresh_setup(void **state)
{
    int ret = nd_setup(state);
    struct inaddr a = nd_global(1);

    assert_int_equal(ip6_del_addr(S, ND_NIF, &a), 0);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &us_ll), 0);
    net_advance(3 * NS_PER_SEC);
    net_advance(3 * NS_PER_SEC);
    net_discard_tx();
    S->conf.dad_transmits = 1;
    S->conf.accept_ra = 1;
    memset(&S->ctr, 0, sizeof(S->ctr));
    return ret;
}

#define FRESH_TEST(f) cmocka_unit_test_setup_teardown(f, fresh_setup, net_teardown)

static int state_of(struct inaddr a)
{
    const struct ifaddr6 *x = ip6_addr_find(ND_NIF, &a);

    return x ? x->state : -1;
}

/* Steps of a tenth of a second. */
static void wait_s(unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 10; i++)
        net_advance(NS_PER_SEC / 10);
}

/* The link-local address, tested and in use; what was said is thrown away. */
static void come_up(void)
{
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    wait_s(3);
    assert_int_equal(state_of(us_ll), ADDR6_PREFERRED);
    net_discard_tx();
}

/* The peer's link address is known, and believed for a while. */
static void nd_hear_peer(void)
{
    struct inaddr peer = nd_zoned(nd_peer);

    assert_non_null(neigh_learn(S->neigh, ND_NIF->index, &peer, net_peer_mac, true, S->now_ns));
}

static void an_address_is_tested_before_it_is_used(void **state)
{
    struct inaddr group = nd_solicited_node(&us_ll);
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    assert_int_equal(state_of(us_ll), ADDR6_TENTATIVE);
    assert_int_not_equal(ip_path_lookup(S, &path, NULL, &(struct inaddr){.b = {0xfe, 0x80, 0, 1, [15] = 2}}, false), 0);
    while (txq_count(&ND_NIF->txq) == 0) {
        net_advance(NS_PER_SEC / 10);
        assert_true(S->now_ns < 1010 * NS_PER_SEC + 20 * NS_PER_SEC);
    }
    assert_true(nd_take_type(&o, ND_NEIGHBOR_SOLICIT));
    assert_memory_equal(&o.ip.src, &nd_any, 16);
    assert_memory_equal(&o.ip.dst, &group, 16);
    assert_memory_equal(&o.msg.target, &nd_us, 16);
    assert_false(o.msg.has_slla);
    assert_true(o.msg.has_nonce);
    assert_int_equal(state_of(us_ll), ADDR6_TENTATIVE);
    net_advance(NS_PER_SEC - NS_PER_SEC / 10);
    assert_int_equal(state_of(us_ll), ADDR6_TENTATIVE);
    net_advance(NS_PER_SEC / 5);
    assert_int_equal(state_of(us_ll), ADDR6_PREFERRED);
    assert_true(nd_take_type(&o, ND_NEIGHBOR_ADVERT)); /* all hear of it */
    assert_memory_equal(&o.ip.dst, &nd_all_nodes, 16);
    assert_memory_equal(&o.msg.target, &nd_us, 16);
    assert_false(o.msg.solicited);
}

static void more_transmissions(void **state)
{
    unsigned n = 0;
    struct nd_out o;
    uint8_t nonce[3][6];

    (void)state;
    S->conf.dad_transmits = 3;
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    wait_s(5);
    assert_int_equal(state_of(us_ll), ADDR6_PREFERRED);
    while (nd_take(&o))
        if (o.msg.type == ND_NEIGHBOR_SOLICIT) {
            assert_true(n < 3);
            memcpy(nonce[n++], o.msg.nonce, 6);
        }
    assert_int_equal(n, 3);
    assert_memory_not_equal(nonce[0], nonce[1], 6); /* RFC 7527: each has its own */
    assert_memory_not_equal(nonce[1], nonce[2], 6);
}

/* Starts a test of a global address and stops when its first solicitation is out. */
static struct inaddr test_global(struct nd_out *o)
{
    struct inaddr a = nd_global(0x33);

    assert_int_equal(ip6_add_addr(S, ND_NIF, &a, 64, ADDR6_STATIC), 0);
    for (int i = 0; i < 15 && !nd_take_type(o, ND_NEIGHBOR_SOLICIT); i++)
        net_advance(NS_PER_SEC / 10);
    assert_memory_equal(&o->msg.target, &a, 16);
    return a;
}

static void an_advertisement_shows_a_duplicate(void **state)
{
    struct inaddr a;
    struct nd_msg m;
    struct nd_out o;

    (void)state;
    come_up();
    a = test_global(&o);
    m = nd_na(a, net_peer_mac, false, true);
    nd_inject(net_peer_mac, a, nd_all_nodes, &m);
    assert_int_equal(state_of(a), ADDR6_DUPLICATED);
    assert_int_equal(net_ctr(CTR_ND_DUPLICATE), 1);
    assert_true(inaddr_eq(&S->nd->nif[0].duplicate, &a));
    wait_s(5);
    assert_int_equal(state_of(a), ADDR6_DUPLICATED);
    assert_false(ip_is_local(S, &a));
    assert_true(ND_NIF->ip6); /* only this address */
    net_discard_tx();
    m = nd_ns(a, net_peer_mac);
    nd_inject(net_peer_mac, nd_peer, nd_us, &m); /* and nothing is said for it */
    assert_false(nd_take_type(&o, ND_NEIGHBOR_ADVERT));
}

/* Two hosts test the same address at the same time: neither has it (section 5.4.3). */
static void another_test_shows_a_duplicate(void **state)
{
    struct inaddr a;
    struct nd_msg m;
    struct nd_out o;

    (void)state;
    come_up();
    a = test_global(&o);
    m = nd_ns(a, NULL);
    nd_inject(net_peer_mac, nd_any, nd_solicited_node(&a), &m);
    assert_int_equal(state_of(a), ADDR6_DUPLICATED);
}

/* ... but somebody who only wants to talk to the address does not make it one; he gets no answer. */
static void a_question_is_no_duplicate(void **state)
{
    struct inaddr a;
    struct nd_msg m;
    struct nd_out o;

    (void)state;
    come_up();
    a = test_global(&o);
    m = nd_ns(a, net_peer_mac);
    nd_inject(net_peer_mac, nd_peer, nd_solicited_node(&a), &m);
    assert_int_equal(state_of(a), ADDR6_TENTATIVE);
    assert_false(nd_take_type(&o, ND_NEIGHBOR_ADVERT));
}

/* Two addresses with one solicited-node group: it is left with the second of them. */
static void a_shared_group_outlives_a_duplicate(void **state)
{
    struct inaddr a, b = nd_global(0x33), group;
    struct nd_msg m;
    struct nd_out o;

    (void)state;
    come_up();
    b.b[8] = 7;
    group = nd_group(ND_NIF, &b);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &b, 64, ADDR6_STATIC), 0);
    wait_s(3);
    net_discard_tx();
    a = test_global(&o);
    m = nd_na(a, net_peer_mac, false, true);
    nd_inject(net_peer_mac, a, nd_all_nodes, &m);
    assert_int_equal(state_of(a), ADDR6_DUPLICATED);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &a), 0);
    assert_true(mcast_member(S, ND_NIF, &group));
    assert_int_equal(ip6_del_addr(S, ND_NIF, &b), 0);
    assert_false(mcast_member(S, ND_NIF, &group));
}

/* RFC 7527: our own solicitation comes back. It is tested on until none does. */
static void a_looped_link_is_no_duplicate(void **state)
{
    struct inaddr a;
    unsigned n = 0;
    struct nd_out o;

    (void)state;
    come_up();
    a = test_global(&o);
    nd_inject(net_peer_mac, nd_any, nd_solicited_node(&a), &o.msg);
    assert_int_equal(state_of(a), ADDR6_TENTATIVE);
    assert_int_equal(net_ctr(CTR_ND_LOOPED), 1);
    wait_s(2);
    assert_int_equal(state_of(a), ADDR6_TENTATIVE);
    wait_s(3);
    assert_int_equal(state_of(a), ADDR6_PREFERRED);
    while (nd_take(&o))
        n += o.msg.type == ND_NEIGHBOR_SOLICIT;
    assert_int_equal(n, 3); /* MAX_MULTICAST_SOLICIT more */
}

static void a_foreign_nonce_is_a_duplicate(void **state)
{
    struct inaddr a;
    struct nd_out o;

    (void)state;
    come_up();
    a = test_global(&o);
    o.msg.nonce[0] ^= 1;
    nd_inject(net_peer_mac, nd_any, nd_solicited_node(&a), &o.msg);
    assert_int_equal(state_of(a), ADDR6_DUPLICATED);
}

/* Section 5.4.5: the link address itself is in use. */
static void a_duplicate_of_the_link_local_address_ends_ipv6(void **state)
{
    struct nd_msg m = nd_na(nd_us, net_peer_mac, false, true);
    struct inaddr other = nd_global(1);
    struct ip_path path = {0};
    struct nd_out o;

    (void)state;
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &other, 64, ADDR6_STATIC), 0); /* it is tested too */
    path.gen = S->routes->gen;
    nd_inject(net_peer_mac, nd_us, nd_all_nodes, &m);
    assert_int_equal(state_of(us_ll), ADDR6_DUPLICATED);
    assert_false(ND_NIF->ip6);
    assert_false(ip_path_valid(S, &path)); /* who has a way through here looks for another */
    wait_s(5);
    assert_false(nd_take(&o));
    assert_int_equal(state_of(other), ADDR6_TENTATIVE);
}

/* RFC 3590: reports that had no source address are made again from the first one. */
static void groups_are_reported_again_with_an_address(void **state)
{
    static const struct inaddr group = {.b = {0xff, 0x15, [15] = 7}};
    bool anonymous = false, named = false;
    struct nd_out o;

    (void)state;
    assert_int_equal(mcast_join(S, ND_NIF, &group), 0);
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    for (int i = 0; i < 50; i++) {
        net_advance(NS_PER_SEC / 10);
        while (nd_take(&o)) {
            if (o.l4[0] != MLD_V2_REPORT || !memmem(o.l4, o.l4_len, group.b, 16))
                continue;
            assert_true(inaddr_is_any(&o.ip.src) || inaddr_eq(&o.ip.src, &nd_us));
            anonymous |= inaddr_is_any(&o.ip.src);
            named |= inaddr_eq(&o.ip.src, &nd_us);
        }
    }
    assert_true(anonymous);
    assert_true(named);
}

/* Routers are asked for after 4 s, 8 s, ..., each a tenth more or less (RFC 7559), until one answers. */
static void routers_are_asked_for(void **state)
{
    uint64_t last = 0, want = 4 * NS_PER_SEC;
    struct nd_msg m = nd_ra(1800);
    unsigned n = 0;
    struct nd_out o;

    (void)state;
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    for (int i = 0; i < 1500 && n < 6; i++) {
        net_advance(NS_PER_SEC / 10);
        if (!nd_take_type(&o, ND_ROUTER_SOLICIT))
            continue;
        assert_int_equal(o.ip.dst.b[15], 2);
        assert_memory_equal(&o.ip.src, &nd_us, 16);
        assert_memory_equal(o.msg.slla, net_mac, 6);
        if (n++ > 0) {
            assert_in_range(S->now_ns - last, want - want / 9, want + want / 9);
            want *= 2;
        }
        last = S->now_ns;
    }
    assert_int_equal(n, 6);
    nd_inject_ra(&m);
    wait_s(300);
    assert_false(nd_take_type(&o, ND_ROUTER_SOLICIT));
}

static const struct route *default_route(void)
{
    struct inaddr far = {.b = {0x20, 0x01, 0x0d, 0xb9, [15] = 9}};

    return ip_route_choose(S, &far, NULL);
}

static void a_router_is_used_for_its_lifetime(void **state)
{
    struct inaddr rtr = nd_zoned(nd_rtr);
    struct nd_msg m = nd_ra(100);

    (void)state;
    come_up();
    assert_null(default_route());
    nd_inject_ra(&m);
    assert_non_null(default_route());
    assert_true(inaddr_eq(&default_route()->gateway, &rtr));
    assert_non_null(neigh_find(S->neigh, 0, &rtr)); /* from its source link-layer address */
    assert_true(neigh_find(S->neigh, 0, &rtr)->router);
    wait_s(60);
    nd_inject_ra(&m);
    wait_s(60);
    assert_non_null(default_route()); /* renewed */
    wait_s(41);
    assert_null(default_route());
    nd_inject_ra(&m);
    assert_non_null(default_route());
    m.lifetime_s = 0;
    nd_inject_ra(&m);
    assert_null(default_route());
    assert_int_equal(S->nd->nif[0].n_routers, 0);
}

/* RFC 4191 section 3.2 */
static void the_preferred_router_is_chosen(void **state)
{
    struct inaddr other = {.b = {0xfe, 0x80, [15] = 0x0c}};
    struct nd_msg m = nd_ra(1000);

    (void)state;
    come_up();
    m.prf = ND_PRF_LOW;
    nd_inject_ra(&m);
    m.prf = ND_PRF_MEDIUM;
    nd_inject(net_peer_mac, other, nd_all_nodes, &m);
    assert_int_equal(default_route()->gateway.b[15], 0x0c);
    m.prf = ND_PRF_HIGH;
    nd_inject_ra(&m);
    assert_int_equal(default_route()->gateway.b[15], 0xfe);
    m.prf = ND_PRF_MEDIUM;
    nd_inject(net_peer_mac, (struct inaddr){.b = {0xfe, 0x80, [15] = 0x0d}}, nd_all_nodes, &m);
    assert_int_equal(net_ctr(CTR_ND_ROUTER_LIMIT), 1); /* the fixture's limit is two */
}

static void a_router_that_becomes_a_host_is_not_used(void **state)
{
    struct nd_msg m = nd_ra(1000), na = nd_na(nd_rtr, nd_rtr_mac, false, true);

    (void)state;
    come_up();
    nd_inject_ra(&m);
    na.router = true;
    nd_inject(nd_rtr_mac, nd_rtr, nd_all_nodes, &na);
    assert_non_null(default_route());
    na.router = false;
    nd_inject(nd_rtr_mac, nd_rtr, nd_all_nodes, &na);
    assert_null(default_route());
}

/* Sections 6.3.4, 8.3: an entry that is there becomes a router's also when the message has no link address. */
static void routers_without_a_link_address(void **state)
{
    struct inaddr rtr = nd_zoned(nd_rtr), better = nd_zoned(nd_peer);
    struct nd_msg m = nd_ra(1000), na = nd_na(nd_rtr, nd_rtr_mac, false, true);
    struct nd_msg redirect = {.type = ND_REDIRECT, .target = nd_peer, .dest = {.b = {0x20, 0x01, 0x0d, 0xb9, [15] = 9}}};

    (void)state;
    come_up();
    assert_non_null(neigh_learn(S->neigh, 0, &rtr, nd_rtr_mac, true, S->now_ns));
    nd_hear_peer();
    m.has_slla = false;
    nd_inject_ra(&m);
    assert_true(neigh_find(S->neigh, 0, &rtr)->router);
    nd_inject(nd_rtr_mac, nd_rtr, nd_us, &redirect);
    assert_true(neigh_find(S->neigh, 0, &better)->router);
    assert_true(inaddr_eq(&default_route()->gateway, &better));
    na.target = nd_peer; /* section 7.2.5: its destinations leave a router that is none, in the list or not */
    nd_inject(net_peer_mac, nd_peer, nd_all_nodes, &na);
    assert_true(inaddr_eq(&default_route()->gateway, &rtr));
    na.target = nd_rtr;
    nd_inject(nd_rtr_mac, nd_rtr, nd_all_nodes, &na);
    assert_null(default_route());
}

static void advertisements_are_obeyed_where_they_may_be(void **state)
{
    struct inaddr any = nd_any, gateway = nd_zoned(nd_peer);
    struct route r = {.prefix = any, .gateway = gateway, .nif = ND_NIF, .origin = ROUTE_STATIC, .expires_ns = NS_NEVER};
    struct nd_msg m = nd_ra(1000);

    (void)state;
    come_up();
    S->conf.accept_ra = 0;
    nd_inject_ra(&m);
    assert_null(default_route());
    S->conf.accept_ra = 1;
    assert_int_equal(ip_route_set(S, &r, true), 0);
    nd_inject_ra(&m);
    assert_int_equal(net_ctr(CTR_ND_RA_IGNORED), 2);
    assert_int_equal(S->nd->nif[0].n_routers, 0);
    S->conf.accept_ra = 2;
    nd_inject_ra(&m);
    assert_int_equal(S->nd->nif[0].n_routers, 1);
    assert_int_equal(default_route()->gateway.b[15], 2); /* what was configured comes first */
}

/* The hop limit of a datagram, of an echo reply: 0 when nothing was sent. */
static void hop_limits_are(uint8_t datagram, uint8_t reply)
{
    struct udp_pcb *u = udp_create(S, NULL);
    struct inaddr peer = nd_zoned(nd_peer);
    struct udp_dest to = UDP_DEST_INIT;
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    uint8_t echo[ICMP6_HLEN] = {ICMP6_ECHO};
    struct nd_out o;

    net_discard_tx();
    udp_set_inet6(u);
    to.addr = &peer;
    to.port = 9;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 1);
    assert_true(nd_take(&o));
    assert_int_equal(o.ip.hop_limit, datagram);
    udp_close(S, u);
    nd_inject_icmp6(net_peer_mac, &nd_peer, &nd_us, 64, false, echo, sizeof(echo));
    assert_true(nd_take(&o));
    assert_int_equal(o.l4[0], ICMP6_ECHO_REPLY);
    assert_int_equal(o.ip.hop_limit, reply);
}

static void parameters_of_the_link(void **state)
{
    struct nd_msg m = nd_ra(0);

    (void)state;
    come_up();
    nd_hear_peer();
    hop_limits_are(64, 64);
    m.cur_hop_limit = 33;
    m.reachable_ms = 10000;
    m.retrans_ms = 400;
    m.mtu = 1400;
    nd_inject_ra(&m);
    assert_int_equal(ND_NIF->hop_limit6, 33);
    assert_in_range(S->neigh->v6[0].reachable_ns, 5 * NS_PER_SEC, 15 * NS_PER_SEC);
    assert_int_equal(S->neigh->v6[0].retry_ns, 400 * NS_PER_MS);
    assert_int_equal(ip6_mtu(ND_NIF), 1400);
    hop_limits_are(33, 33);
    m = nd_ra(0); /* unspecified values change nothing */
    m.mtu = 1279;
    nd_inject_ra(&m);
    m.mtu = 1501;
    nd_inject_ra(&m);
    assert_int_equal(ND_NIF->hop_limit6, 33);
    assert_int_equal(S->neigh->v6[0].retry_ns, 400 * NS_PER_MS);
    assert_int_equal(ip6_mtu(ND_NIF), 1400);
    m.mtu = 0;
    m.retrans_ms = 1;    /* nobody may make us flood the link */
    m.cur_hop_limit = 1; /* or keep us to it */
    nd_inject_ra(&m);
    assert_int_equal(ND_NIF->hop_limit6, 32);
    assert_int_equal(S->neigh->v6[0].retry_ns, 100 * NS_PER_MS);
}

static void on_link_prefixes(void **state)
{
    struct inaddr host = {.b = {0x20, 0x01, 0x0d, 0xb8, [7] = 7, [15] = 9}};
    struct nd_msg m = nd_ra(1000);
    const struct route *r;

    (void)state;
    come_up();
    nd_add_prefix(&m, 7, true, false, 100, 100);
    nd_inject_ra(&m);
    r = ip_route_choose(S, &host, NULL);
    assert_true(r && inaddr_is_any(&r->gateway));
    assert_int_equal(ND_NIF->n_addrs6, 1); /* not autonomous */
    wait_s(101);
    r = ip_route_choose(S, &host, NULL);
    assert_true(r && !inaddr_is_any(&r->gateway)); /* by the router again */
    nd_inject_ra(&m);
    m.prefix[0].valid_s = 0;
    nd_inject_ra(&m);
    assert_int_equal(S->nd->nif[0].n_prefixes, 0);
    m.n_prefixes = 0;
    for (uint8_t i = 0; i < 5; i++)
        nd_add_prefix(&m, (uint8_t)(10 + i), true, false, ND_INFINITY, 100);
    nd_inject_ra(&m);
    assert_int_equal(S->nd->nif[0].n_prefixes, 3);
    assert_int_equal(net_ctr(CTR_ND_PREFIX_LIMIT), 2);
}

/* The autoconfigured address, or NULL. */
static struct ifaddr6 *formed(uint8_t subnet)
{
    for (unsigned i = 0; i < ND_NIF->n_addrs6; i++)
        if (ND_NIF->addr6[i].origin == ADDR6_SLAAC && ND_NIF->addr6[i].addr.b[7] == subnet)
            return &ND_NIF->addr6[i];
    return NULL;
}

static void an_address_is_formed_and_ages(void **state)
{
    struct nd_msg m = nd_ra(1000);
    struct nd_out o;

    (void)state;
    come_up();
    nd_add_prefix(&m, 7, false, true, 200, 100);
    nd_inject_ra(&m);
    assert_non_null(formed(7));
    assert_int_equal(formed(7)->state, ADDR6_TENTATIVE);
    net_discard_tx();
    wait_s(3);
    assert_int_equal(formed(7)->state, ADDR6_PREFERRED);
    assert_true(nd_take_type(&o, ND_NEIGHBOR_SOLICIT)); /* it was tested */
    wait_s(98);
    assert_int_equal(formed(7)->state, ADDR6_DEPRECATED);
    nd_inject_ra(&m);
    assert_int_equal(formed(7)->state, ADDR6_PREFERRED);
    wait_s(101);
    assert_int_equal(formed(7)->state, ADDR6_DEPRECATED);
    wait_s(100);
    assert_null(formed(7));
    assert_int_equal(ND_NIF->n_addrs6, 1);
}

/* RFC 4862 section 5.5.3 */
static void prefixes_that_form_no_address(void **state)
{
    struct nd_msg m = nd_ra(1000);

    (void)state;
    come_up();
    nd_add_prefix(&m, 1, false, true, 100, 200); /* preferred longer than valid */
    nd_add_prefix(&m, 2, false, true, 0, 0);
    nd_add_prefix(&m, 3, false, true, 100, 100);
    m.prefix[2].plen = 63; /* not as long as an identifier wants */
    nd_add_prefix(&m, 4, false, true, 100, 100);
    m.prefix[3].prefix = (struct inaddr){.b = {0xfe, 0x80}};
    nd_inject_ra(&m);
    assert_int_equal(ND_NIF->n_addrs6, 1);
    assert_int_equal(S->nd->nif[0].n_prefixes, 0);
    m.n_prefixes = 0;
    for (uint8_t i = 0; i < 4; i++)
        nd_add_prefix(&m, (uint8_t)(10 + i), false, true, 1000, 1000);
    nd_inject_ra(&m);
    assert_int_equal(ND_NIF->n_addrs6, 3); /* the fixture's limit is two */
    assert_int_equal(net_ctr(CTR_ND_SLAAC_LIMIT), 2);
}

/* Section 5.5.3 e: three cases. */
static void the_two_hour_rule(void **state)
{
    const uint64_t hour = 3600 * NS_PER_SEC;
    struct nd_msg m = nd_ra(1000);

    (void)state;
    come_up();
    nd_add_prefix(&m, 7, false, true, 10 * 3600, 3600);
    nd_inject_ra(&m);
    m.prefix[0].valid_s = 60; /* less than what remains, and than two hours */
    m.prefix[0].preferred_s = 30;
    nd_inject_ra(&m);
    assert_int_equal(formed(7)->valid_until_ns, S->now_ns + 2 * hour);
    assert_int_equal(formed(7)->preferred_until_ns, S->now_ns + 30 * NS_PER_SEC);
    net_advance(hour);
    nd_inject_ra(&m); /* less than two hours remain: ignored */
    assert_in_range(formed(7)->valid_until_ns, S->now_ns + hour - NS_PER_SEC, S->now_ns + hour);
    m.prefix[0].valid_s = 3 * 3600; /* more than two hours: taken, though it may be less than before */
    nd_inject_ra(&m);
    assert_int_equal(formed(7)->valid_until_ns, S->now_ns + 3 * hour);
    m.prefix[0].valid_s = ND_INFINITY;
    m.prefix[0].preferred_s = ND_INFINITY;
    nd_inject_ra(&m);
    assert_true(formed(7)->valid_until_ns == NS_NEVER);
}

/* RFC 7217: the same in the same network, another one in another, under another secret, and after a conflict. */
static void identifiers(void **state)
{
    static const uint8_t eui64[8] = {0, 0, 0, 0xff, 0xfe, 0, 0, 1};
    struct nd_msg m = nd_ra(1000), na;
    struct inaddr first, second;

    (void)state;
    come_up();
    nd_add_prefix(&m, 7, false, true, 1000, 1000);
    nd_add_prefix(&m, 8, false, true, 1000, 1000);
    nd_inject_ra(&m);
    first = formed(7)->addr;
    second = formed(8)->addr;
    assert_memory_not_equal(first.b + 8, second.b + 8, 8);
    assert_memory_not_equal(first.b + 8, eui64, 8);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &first), 0);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &second), 0);
    nd_inject_ra(&m);
    assert_true(inaddr_eq(&formed(7)->addr, &first));
    na = nd_na(first, net_peer_mac, false, true);
    nd_inject(net_peer_mac, first, nd_all_nodes, &na);
    assert_non_null(formed(7));
    assert_false(inaddr_eq(&formed(7)->addr, &first));
    wait_s(3);
    assert_int_equal(formed(7)->state, ADDR6_PREFERRED);
    second = formed(8)->addr;
    assert_int_equal(ip6_del_addr(S, ND_NIF, &second), 0);
    S->conf.ip6_eui64 = true;
    nd_inject_ra(&m);
    assert_memory_equal(formed(8)->addr.b + 8, eui64, 8);
}

static struct inaddr far_host(uint8_t n)
{
    return (struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb9, [15] = n}};
}

/* RFC 4861 section 8 */
static void redirects(void **state)
{
    struct inaddr dest = far_host(1), other = far_host(2);
    struct nd_msg ra = nd_ra(1000), m = {.type = ND_REDIRECT, .target = nd_peer, .dest = dest, .has_tlla = true};

    (void)state;
    come_up();
    nd_inject_ra(&ra);
    memcpy(m.tlla, net_peer_mac, 6);
    nd_inject(net_peer_mac, nd_peer, nd_us, &m); /* not from the router that is used */
    assert_int_equal(net_ctr(CTR_ND_REDIRECT_IGNORED), 1);
    assert_int_equal(ip_route_choose(S, &dest, NULL)->gateway.b[15], 0xfe);
    nd_inject(nd_rtr_mac, nd_rtr, nd_us, &m);
    assert_int_equal(ip_route_choose(S, &dest, NULL)->gateway.b[15], 2);
    assert_int_equal(ip_route_choose(S, &other, NULL)->gateway.b[15], 0xfe);
    m.dest = m.target = other; /* on the link */
    nd_inject(nd_rtr_mac, nd_rtr, nd_us, &m);
    assert_true(inaddr_is_any(&ip_route_choose(S, &other, NULL)->gateway));
    m.dest = m.target = far_host(3);
    nd_inject(nd_rtr_mac, nd_rtr, nd_us, &m);
    assert_int_equal(net_ctr(CTR_ND_REDIRECT_LIMIT), 1);
    nd_neigh_failed(S, ND_NIF, &(struct inaddr){.b = {0xfe, 0x80, 0, 1, [15] = 2}}); /* the better router is gone */
    assert_int_equal(ip_route_choose(S, &dest, NULL)->gateway.b[15], 0xfe);
    ra.lifetime_s = 0;
    nd_inject_ra(&ra);
    wait_s(601);
    assert_null(ip_route_choose(S, &other, NULL));
    assert_int_equal(S->nd->nif[0].n_redirects, 0);
}

static void redirects_are_refused(void **state)
{
    struct nd_msg ra = nd_ra(1000), m = {.type = ND_REDIRECT, .target = nd_peer, .dest = far_host(1)};

    (void)state;
    come_up();
    nd_inject_ra(&ra);
    S->conf.accept_redirects = false;
    nd_inject(nd_rtr_mac, nd_rtr, nd_us, &m);
    assert_int_equal(net_ctr(CTR_ND_REDIRECT_IGNORED), 1);
    assert_int_equal(S->nd->nif[0].n_redirects, 0);
}

/* What stands in the configuration is not a router's to end, nor to make end. */
static void a_router_does_not_end_configured_routes(void **state)
{
    struct inaddr a = nd_global(1), host = nd_global(9), any = INADDR_ANY_V6;
    struct route def = {.gateway = nd_zoned(nd_rtr), .nif = ND_NIF, .origin = ROUTE_STATIC, .expires_ns = NS_NEVER};
    struct nd_msg ra = nd_ra(30);
    const struct route *r;

    (void)state;
    S->conf.accept_ra = 2;
    come_up();
    assert_int_equal(ip6_add_addr(S, ND_NIF, &a, 64, ADDR6_STATIC), 0);
    assert_int_equal(ip_route_set(S, &def, true), 0);
    nd_add_prefix(&ra, 0, true, false, 30, 30); /* the prefix of our address */
    nd_inject_ra(&ra);
    wait_s(31);
    r = ip_route_choose(S, &host, NULL);
    assert_non_null(r);
    assert_int_equal(r->origin, ROUTE_CONNECTED);
    assert_non_null(route_find(S->routes, &any, 0, &def.gateway, ND_NIF));
    ra.prefix[0].valid_s = ra.prefix[0].preferred_s = ra.lifetime_s = 0;
    nd_inject_ra(&ra);
    assert_int_equal(ip_route_choose(S, &host, NULL)->origin, ROUTE_CONNECTED);
    assert_non_null(route_find(S->routes, &any, 0, &def.gateway, ND_NIF));
    assert_int_equal(net_ctr(CTR_ND_ROUTE_FAILED), 0);
}

/* The router came first: its route becomes that of the address. */
static void an_address_keeps_the_route_of_its_prefix(void **state)
{
    struct inaddr a = nd_global(1), host = nd_global(9);
    struct nd_msg ra = nd_ra(30);

    (void)state;
    come_up();
    nd_add_prefix(&ra, 0, true, false, 30, 30);
    nd_inject_ra(&ra);
    assert_int_equal(ip_route_choose(S, &host, NULL)->origin, ROUTE_RA);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &a, 64, ADDR6_STATIC), 0);
    wait_s(31);
    assert_non_null(ip_route_choose(S, &host, NULL));
    assert_int_equal(ip_route_choose(S, &host, NULL)->origin, ROUTE_CONNECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH_TEST(an_address_is_tested_before_it_is_used),
        FRESH_TEST(more_transmissions),
        FRESH_TEST(an_advertisement_shows_a_duplicate),
        FRESH_TEST(another_test_shows_a_duplicate),
        FRESH_TEST(a_question_is_no_duplicate),
        FRESH_TEST(a_shared_group_outlives_a_duplicate),
        FRESH_TEST(a_looped_link_is_no_duplicate),
        FRESH_TEST(a_foreign_nonce_is_a_duplicate),
        FRESH_TEST(a_duplicate_of_the_link_local_address_ends_ipv6),
        FRESH_TEST(groups_are_reported_again_with_an_address),
        FRESH_TEST(routers_are_asked_for),
        FRESH_TEST(a_router_is_used_for_its_lifetime),
        FRESH_TEST(the_preferred_router_is_chosen),
        FRESH_TEST(a_router_that_becomes_a_host_is_not_used),
        FRESH_TEST(routers_without_a_link_address),
        FRESH_TEST(advertisements_are_obeyed_where_they_may_be),
        FRESH_TEST(parameters_of_the_link),
        FRESH_TEST(on_link_prefixes),
        FRESH_TEST(an_address_is_formed_and_ages),
        FRESH_TEST(prefixes_that_form_no_address),
        FRESH_TEST(the_two_hour_rule),
        FRESH_TEST(identifiers),
        FRESH_TEST(redirects),
        FRESH_TEST(redirects_are_refused),
        FRESH_TEST(a_router_does_not_end_configured_routes),
        FRESH_TEST(an_address_keeps_the_route_of_its_prefix),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
