/* IPv6 in the stack: what is taken in, who answers, where packets go and from which address (RFC 8200, 4443, 4291, 4007, 6724). */
#include "nd_fixture.h"

#include "wire/ipv6.h"

static const struct inaddr peer = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}}, us = {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
static const struct inaddr far = {.b = {0x20, 0x01, 0x0d, 0xb9, [15] = 9}}, loopback = {.b = {[15] = 1}};
static struct nd_out out;

static void know_peer(void)
{
    assert_non_null(neigh_learn(S->neigh, 0, &peer, net_peer_mac, true, S->now_ns));
}

/* An IPv6 frame with these bytes behind its header. */
static void inject(const struct inaddr *src, const struct inaddr *dst, uint8_t next, const void *p, uint32_t len, uint32_t split)
{
    const struct ipv6_hdr h = {.hop_limit = 61, .tclass = 0x10, .next = next, .payload_len = (uint16_t)len, .src = *src, .dst = *dst};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    uint8_t b[2048] = {0};

    memcpy(eh.src, net_peer_mac, 6);
    memcpy(eh.dst, net_mac, 6);
    if (inaddr_is_v6_multicast(dst))
        mcast_mac(dst, eh.dst);
    eth_build(b, &eh);
    ipv6_build(b + ETH_HLEN, &h);
    memcpy(b + ETH_HLEN + 8, src->b, 16); /* as they are: a stranger may set the bits of a zone */
    memcpy(b + ETH_HLEN + 24, dst->b, 16);
    if (len)
        memcpy(b + ETH_HLEN + IPV6_HLEN, p, len);
    net_inject_split(b, ETH_HLEN + IPV6_HLEN + len + 3, split); /* with padding of the link */
}

static void inject_icmp6(const struct inaddr *src, const struct inaddr *dst, uint8_t type, uint8_t code, uint32_t word, const void *p,
                         uint32_t len)
{
    const struct icmp6_hdr h = {.type = type, .code = code, .word = word};
    uint8_t b[1600];
    uint16_t sum;

    icmp6_build(b, &h);
    if (len)
        memcpy(b + ICMP6_HLEN, p, len);
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(src, dst, IPPROTO_ICMPV6_, ICMP6_HLEN + len), b, ICMP6_HLEN + len));
    memcpy(b + ICMP6_CKSUM_OFFSET, &sum, 2);
    inject(src, dst, IPPROTO_ICMPV6_, b, ICMP6_HLEN + len, 0);
}

/* The next frame that is an ICMPv6 message of this type; its checksum must be right. */
static bool take_icmp6(uint8_t type)
{
    while (nd_take(&out)) {
        if (out.ip.next != IPPROTO_ICMPV6_ || out.l4[0] != type)
            continue;
        assert_int_equal(
            cksum_finish(cksum_add(cksum_pseudo_v6(&out.ip.src, &out.ip.dst, IPPROTO_ICMPV6_, out.l4_len), out.l4, out.l4_len)), 0);
        return true;
    }
    return false;
}

static uint32_t out_word(void)
{
    return (uint32_t)out.l4[4] << 24 | (uint32_t)out.l4[5] << 16 | (uint32_t)out.l4[6] << 8 | out.l4[7];
}

static const uint8_t tcp[20] = {0x9c, 0x40, 0, 80, [12] = 0x50};

static void tcp_gets_what_the_header_says(void **state)
{
    static const uint8_t ext[8 + 20] = {6, 0, 5, 2, 0, 0, 1, 0, 0x9c, 0x40, 0, 80, [8 + 12] = 0x50};

    (void)state;
    for (uint32_t split = 0; split < 70; split += 23) { /* headers over two buffers */
        inject(&peer, &us, 6, tcp, sizeof(tcp), split);
        assert_int_equal(net_seen.len, 20);
        assert_true(inaddr_eq(&net_seen.in.src, &peer) && inaddr_eq(&net_seen.in.dst, &us));
        assert_true(net_seen.in.v6 && net_seen.in.ttl == 61 && net_seen.in.tos == 0x10 && net_seen.in.ip_hlen == 40 &&
                    !net_seen.in.router_alert);
        inject(&peer, &us, IPPROTO_HOPOPTS_, ext, sizeof(ext), split);
        assert_int_equal(net_seen.len, 20);
        assert_true(net_seen.in.ip_hlen == 48 && net_seen.in.next_off == 40 && net_seen.in.router_alert && net_seen.in.proto == 6);
    }
    assert_int_equal(net_seen.tcp_inputs, 8);
}

/* RFC 4291 2.5.2, 2.5.3, 2.7: addresses that are not seen on a link. IPv4-mapped ones would pass for the other family. */
static void addresses_that_no_wire_carries(void **state)
{
    const struct inaddr mapped = inaddr_v4(NET_PEER), mapped_us = inaddr_v4(NET_US), any = INADDR_ANY_V6;
    const struct inaddr group = {.b = {0xff, 0x02, [15] = 1}}, if_local = {.b = {0xff, 0x01, [15] = 1}};
    const struct inaddr zoned = {.b = {0xfe, 0x80, 0, 1, [15] = 2}};
    const struct {
        const struct inaddr *src, *dst;
    } t[] = {{&mapped, &us}, {&mapped, &mapped_us}, {&peer, &mapped_us}, {&loopback, &us}, {&peer, &loopback}, {&any, &us},
             {&group, &us},  {&peer, &if_local},    {&zoned, &us},       {&us, &us},       {&peer, &any}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        inject(t[i].src, t[i].dst, 6, tcp, sizeof(tcp), 0);
        assert_int_equal(net_ctr(DROP_IP6_SRC), i + 1);
    }
    inject(&peer, &far, 6, tcp, sizeof(tcp), 0);
    assert_int_equal(net_ctr(DROP_IP6_NOT_US), 1);
    assert_int_equal(net_seen.tcp_inputs, 0);
}

static void a_network_that_has_it_switched_off(void **state)
{
    (void)state;
    ND_NIF->ip6 = false;
    inject(&peer, &us, 6, tcp, sizeof(tcp), 0);
    assert_int_equal(net_ctr(DROP_IP6_OFF), 1);
}

static void damaged_headers(void **state)
{
    uint8_t b[80] = {0};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};

    (void)state;
    memcpy(eh.src, net_peer_mac, 6);
    memcpy(eh.dst, net_mac, 6);
    eth_build(b, &eh);
    net_inject(b, ETH_HLEN + 39);
    assert_int_equal(net_ctr(DROP_IP6_SHORT), 1);
    b[ETH_HLEN] = 0x45;
    net_inject(b, 80);
    assert_int_equal(net_ctr(DROP_IP6_VERSION), 1);
    b[ETH_HLEN] = 0x60;
    b[ETH_HLEN + 5] = 60;
    net_inject(b, 80);
    assert_int_equal(net_ctr(DROP_IP6_LEN), 1);
}

/* RFC 4443 section 4.2; of a group the answer has an address of ours. */
static void echo_is_answered(void **state)
{
    static const uint8_t text[5] = "abcd";

    (void)state;
    know_peer();
    inject_icmp6(&peer, &us, ICMP6_ECHO, 0, 0x12345678, text, sizeof(text));
    assert_true(take_icmp6(ICMP6_ECHO_REPLY));
    assert_true(inaddr_eq(&out.ip.src, &us) && inaddr_eq(&out.ip.dst, &peer) && out.ip.tclass == 0x10);
    assert_true(out_word() == 0x12345678 && out.l4_len == ICMP6_HLEN + 5);
    assert_memory_equal(out.l4 + ICMP6_HLEN, text, 5);
    inject_icmp6(&peer, &nd_all_nodes, ICMP6_ECHO, 0, 1, NULL, 0);
    assert_true(take_icmp6(ICMP6_ECHO_REPLY));
    assert_true(inaddr_eq(&out.ip.src, &us));
    inject_icmp6(&nd_peer, &nd_us, ICMP6_ECHO, 0, 2, NULL, 0); /* link-local: within its zone */
    assert_int_equal(net_ctr(CTR_ICMP_ECHO), 3);
}

static void damaged_checksum(void **state)
{
    uint8_t b[8] = {ICMP6_ECHO};

    (void)state;
    inject(&peer, &us, IPPROTO_ICMPV6_, b, sizeof(b), 0);
    assert_int_equal(net_ctr(DROP_ICMP_CKSUM), 1);
}

/* Section 2.4 (a) and (b): nobody to tell of an error that is not known, and no answer to a message that is not. */
static void unknown_messages(void **state)
{
    (void)state;
    know_peer();
    inject_icmp6(&peer, &us, 99, 0, 0, NULL, 0);
    inject_icmp6(&peer, &us, 250, 0, 0, NULL, 0);
    assert_int_equal(net_ctr(DROP_ICMP_TYPE), 2);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 0);
    assert_false(take_icmp6(ICMP6_PARAM_PROBLEM));
}

static void expect_problem(uint8_t code, uint32_t pointer)
{
    assert_true(take_icmp6(ICMP6_PARAM_PROBLEM));
    assert_int_equal(out.l4[1], code);
    assert_int_equal(out_word(), pointer);
    assert_int_equal(out.l4[8] >> 4, 6); /* the packet itself follows */
}

static void problems_are_told(void **state)
{
    static const uint8_t option[8] = {6, 0, 0x9e, 4}, option_unicast[8] = {6, 0, 0xde, 4}, discard[8] = {6, 0, 0x5e, 4},
                         routing[8] = {6, 0, 0, 1};
    uint8_t b[28];

    (void)state;
    know_peer();
    memcpy(b + 8, tcp, 20);
    inject(&peer, &us, 200, b, sizeof(b), 0);
    expect_problem(ICMP6_PARAM_NEXT, 6);
    memcpy(b, routing, 8);
    inject(&peer, &us, IPPROTO_ROUTING_, b, sizeof(b), 0);
    expect_problem(ICMP6_PARAM_FIELD, 42);
    memcpy(b, option, 8);
    inject(&peer, &us, IPPROTO_DSTOPTS_, b, sizeof(b), 0);
    expect_problem(ICMP6_PARAM_OPTION, 42);
    inject(&peer, &nd_all_nodes, IPPROTO_DSTOPTS_, b, sizeof(b), 0); /* the one problem that a group is told of too */
    expect_problem(ICMP6_PARAM_OPTION, 42);
    memcpy(b, option_unicast, 8);
    inject(&peer, &us, IPPROTO_DSTOPTS_, b, sizeof(b), 0);
    expect_problem(ICMP6_PARAM_OPTION, 42);
    inject(&peer, &nd_all_nodes, IPPROTO_DSTOPTS_, b, sizeof(b), 0);
    assert_false(take_icmp6(ICMP6_PARAM_PROBLEM));
    memcpy(b, discard, 8);
    inject(&peer, &us, IPPROTO_DSTOPTS_, b, sizeof(b), 0);
    assert_false(take_icmp6(ICMP6_PARAM_PROBLEM));
    assert_int_equal(net_seen.tcp_inputs, 0);
}

/* Section 2.4 (c): as much of the packet as fits 1280 bytes; (f): a rate limit. */
static void errors_are_bounded(void **state)
{
    uint8_t b[1400] = {0};

    (void)state;
    know_peer();
    inject(&peer, &us, 200, b, sizeof(b), 0);
    assert_true(take_icmp6(ICMP6_PARAM_PROBLEM));
    assert_int_equal(out.l4_len + IPV6_HLEN, 1280);
    for (int i = 0; i < 20; i++)
        inject(&peer, &us, 200, b, 8, 0);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 10);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_LIMIT), 11);
}

/* Section 2.4 (e): not about errors and redirects, groups, senders without an address; also behind extension headers. */
static void never_about(void **state)
{
    static const uint8_t ext[16] = {IPPROTO_ICMPV6_, 0, 0x9e, 4, 0, 0, 0, 0, ICMP6_UNREACH},
                         echo[16] = {IPPROTO_ICMPV6_, 0, 0x9e, 4, 0, 0, 0, 0, ICMP6_ECHO};
    static const uint8_t redirect[16] = {IPPROTO_ICMPV6_, 0, 0x9e, 4, 0, 0, 0, 0, ICMP6_REDIRECT};

    (void)state;
    know_peer();
    inject(&peer, &us, IPPROTO_DSTOPTS_, ext, sizeof(ext), 0);
    inject(&peer, &us, IPPROTO_DSTOPTS_, redirect, sizeof(redirect), 0);
    inject(&peer, &nd_all_nodes, 200, ext, sizeof(ext), 0);
    inject(&nd_any, &us, IPPROTO_DSTOPTS_, echo, sizeof(echo), 0);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 0);
    inject(&peer, &us, IPPROTO_DSTOPTS_, echo, sizeof(echo), 0);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 1);
}

/* The same of fragments with a fault of their own: too short for all headers, or with a length that is no multiple of eight. */
static void never_about_fragments(void **state)
{
    static const struct {
        uint8_t b[32];
        uint32_t len;
        uint32_t told;
    } t[] = {
        {{IPPROTO_ICMPV6_, [3] = 1, [8] = ICMP6_UNREACH}, 12, 0},
        {{IPPROTO_ICMPV6_, [3] = 1, [8] = ICMP6_ECHO}, 12, 1},
        {{IPPROTO_ICMPV6_, [3] = 1, [8] = ICMP6_REDIRECT}, 28, 0},
        {{IPPROTO_ICMPV6_, [3] = 1, [8] = ICMP6_ECHO}, 28, 1},
        {{IPPROTO_DSTOPTS_, [3] = 1, [8] = IPPROTO_ICMPV6_, 0, 1, 4, [16] = ICMP6_UNREACH}, 28, 0}, /* behind options */
        {{IPPROTO_DSTOPTS_, [3] = 1, [8] = IPPROTO_ICMPV6_, 0, 1, 4, [16] = ICMP6_UNREACH}, 20, 0},
        {{IPPROTO_ICMPV6_, [3] = 9}, 28, 0}, /* a later one: of what nobody knows */
        {{6, [3] = 9}, 28, 1},
    };

    (void)state;
    know_peer();
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t before = net_ctr(CTR_ICMP_ERR_TX);

        inject(&peer, &us, IPPROTO_FRAGMENT_, t[i].b, t[i].len, 0);
        assert_int_equal(net_ctr(CTR_ICMP_ERR_TX) - before, t[i].told);
    }
}

static void errors_reach_tcp(void **state)
{
    static const struct {
        uint8_t type, code;
        enum icmp_kind kind;
        int err;
    } t[] = {{1, 0, ICMP_KIND_NET_UNREACH, ENETUNREACH},
             {1, 1, ICMP_KIND_ADMIN, EACCES},
             {1, 2, ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
             {1, 3, ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
             {1, 4, ICMP_KIND_PORT, ECONNREFUSED},
             {1, 5, ICMP_KIND_ADMIN, EACCES},
             {1, 6, ICMP_KIND_ADMIN, EACCES},
             {1, 99, ICMP_KIND_ADMIN, EHOSTUNREACH},
             {2, 0, ICMP_KIND_TOO_BIG, EMSGSIZE},
             {3, 0, ICMP_KIND_TIME_EXCEEDED, EHOSTUNREACH},
             {4, 1, ICMP_KIND_PARAM_PROBLEM, EPROTO}};
    struct ipv6_hdr h = {.hop_limit = 60, .next = 6, .payload_len = 1000, .src = us, .dst = far};
    uint8_t q[IPV6_HLEN + 8];

    (void)state;
    ipv6_build(q, &h);
    memcpy(q + IPV6_HLEN, "\x9c\x40\x00\x50\x11\x22\x33\x44", 8);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        inject_icmp6(&peer, &us, t[i].type, t[i].code, 1300, q, sizeof(q));
        assert_int_equal(net_seen.tcp_errors, i + 1);
        assert_int_equal(net_seen.err.kind, t[i].kind);
        assert_int_equal(net_seen.err.err, t[i].err);
        assert_int_equal(net_seen.err.kind == ICMP_KIND_TOO_BIG ? net_seen.err.info : 0, t[i].type == 2 ? 1300 : 0);
        assert_int_equal(net_seen.err.len, 1040);
        assert_true(inaddr_eq(&net_seen.err.laddr, &us) && inaddr_eq(&net_seen.err.raddr, &far));
        assert_true(net_seen.err.lport == 40000 && net_seen.err.rport == 80 && net_seen.err.seq == 0x11223344);
    }
    h.src = peer; /* not ours */
    ipv6_build(q, &h);
    inject_icmp6(&peer, &us, 1, 0, 0, q, sizeof(q));
    assert_int_equal(net_ctr(DROP_ICMP_QUOTE), 1);
    h.src = inaddr_v4(NET_US); /* of the other family, in disguise */
    ipv6_build(q, &h);
    inject_icmp6(&peer, &us, 1, 0, 0, q, sizeof(q));
    assert_int_equal(net_ctr(DROP_ICMP_QUOTE), 2);
}

/* RFC 8200 section 8.1: no datagram without a checksum; RFC 4443 section 3.1: nobody listens. */
static void datagrams(void **state)
{
    uint8_t u[12] = {0x13, 0x88, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
    uint16_t sum;

    (void)state;
    know_peer();
    inject(&peer, &us, 17, u, sizeof(u), 0);
    assert_int_equal(net_ctr(DROP_UDP_CKSUM), 1);
    assert_false(take_icmp6(ICMP6_UNREACH));
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(&peer, &us, 17, sizeof(u)), u, sizeof(u)));
    memcpy(u + 6, &sum, 2);
    inject(&peer, &us, 17, u, sizeof(u), 0);
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 1);
    assert_true(take_icmp6(ICMP6_UNREACH));
    assert_int_equal(out.l4[1], ICMP6_UNREACH_PORT);
    assert_memory_equal(out.l4 + ICMP6_HLEN + IPV6_HLEN, u, sizeof(u));
}

static int path_to(struct ip_path *p, const struct inaddr *src, struct inaddr dst)
{
    memset(p, 0, sizeof(*p));
    return ip_path_lookup(S, p, src, &dst, true);
}

static void paths(void **state)
{
    const struct route r = {.gateway = nd_zoned(nd_rtr), .nif = ND_NIF, .origin = ROUTE_STATIC, .expires_ns = NS_NEVER};
    const struct inaddr ll = nd_zoned(nd_peer), own_ll = nd_zoned(nd_us), v4 = inaddr_v4(NET_US);
    struct ip_path p;

    (void)state;
    assert_int_equal(path_to(&p, NULL, far), -ENETUNREACH);
    assert_int_equal(ip_route_set(S, &r, true), 0);
    assert_int_equal(path_to(&p, NULL, far), 0);
    assert_true(p.v6 && !p.local && p.nif == ND_NIF && p.mtu == 1500 && inaddr_eq(&p.next_hop, &r.gateway) && inaddr_eq(&p.src, &us));
    assert_int_equal(path_to(&p, NULL, peer), 0);
    assert_true(inaddr_eq(&p.next_hop, &peer) && inaddr_eq(&p.src, &us));
    assert_int_equal(path_to(&p, NULL, us), 0);
    assert_true(p.local && inaddr_eq(&p.src, &us));
    assert_int_equal(path_to(&p, NULL, loopback), 0);
    assert_true(p.local && inaddr_eq(&p.src, &loopback));
    assert_int_equal(path_to(&p, NULL, ll), 0);
    assert_true(p.nif == ND_NIF && inaddr_eq(&p.src, &own_ll));
    assert_int_equal(path_to(&p, NULL, nd_peer), -EINVAL); /* which link? */
    assert_int_equal(path_to(&p, NULL, nd_zoned(nd_all_nodes)), 0);
    assert_true(inaddr_eq(&p.src, &own_ll));
    assert_int_equal(path_to(&p, &loopback, far), -EADDRNOTAVAIL);
    assert_int_equal(path_to(&p, &peer, far), -EADDRNOTAVAIL);
    assert_int_equal(path_to(&p, &v4, far), -EADDRNOTAVAIL);
    assert_int_equal(path_to(&p, NULL, nd_any), -ENETUNREACH);
    ND_NIF->mtu6 = 1400;
    assert_int_equal(path_to(&p, NULL, peer), 0);
    assert_int_equal(p.mtu, 1400);
}

static struct ifaddr6 *have(struct inaddr a, uint8_t plen, enum addr6_state st)
{
    struct ifaddr6 *x = &ND_NIF->addr6[ND_NIF->n_addrs6++];

    *x = (struct ifaddr6){.addr = a, .plen = plen, .state = (uint8_t)st};
    return x;
}

static void expect_src(const struct inaddr *want, struct inaddr dst)
{
    const struct inaddr got = ip6_choose_src(S, ND_NIF, &dst);

    assert_memory_equal(got.b, want->b, 16);
}

/* RFC 6724 section 5, the rules that say anything here; the examples of section 10.1 among them. */
static void source_addresses(void **state)
{
    const struct inaddr ula = {.b = {0xfd, [15] = 1}}, ula_far = {.b = {0xfd, [1] = 0x77, [15] = 1}}, own_ll = nd_zoned(nd_us);
    const struct inaddr six = {.b = {0x20, 0x02, 1, 2, 3, 4, [15] = 1}}, six_far = {.b = {0x20, 0x02, 9, 9, 9, 9, [15] = 1}};
    const struct inaddr near = {.b = {0x20, 0x01, 0x0d, 0xb9, [15] = 1}};
    struct ifaddr6 *a;

    (void)state;
    have(ula, 64, ADDR6_PREFERRED);
    have(six, 64, ADDR6_PREFERRED);
    expect_src(&own_ll, nd_zoned(nd_peer)); /* rule 2 */
    expect_src(&own_ll, nd_zoned(nd_all_nodes));
    expect_src(&us, far);
    expect_src(&ula, ula_far); /* rule 6 */
    expect_src(&six, six_far);
    expect_src(&ula, ula); /* rule 1 */
    a = have(near, 64, ADDR6_PREFERRED);
    expect_src(&near, far); /* rule 8 */
    a->state = ADDR6_DEPRECATED;
    expect_src(&us, far); /* rule 3 */
    expect_src(&near, near);
    a->state = ADDR6_TENTATIVE;
    expect_src(&us, near);
    S->netif[1]->ip6 = true; /* rule 5: the other interface has a better match */
    S->netif[1]->addr6[S->netif[1]->n_addrs6++] = (struct ifaddr6){.addr = near, .plen = 64, .state = ADDR6_PREFERRED};
    expect_src(&us, far);
    ND_NIF->n_addrs6 = 1; /* but better that than one of the link only */
    expect_src(&near, far);
}

/* RFC 6437: the same for every packet of a flow, another for the next flow, nothing that can be guessed. */
static void flow_labels(void **state)
{
    const struct inaddr v4 = inaddr_v4(NET_PEER);
    uint32_t seen = 0;

    (void)state;
    for (uint16_t port = 1; port < 200; port++) {
        uint32_t l = ip6_flow_label(S, &us, &peer, port, 80);

        assert_true(l > 0 && l < 1u << 20);
        assert_int_equal(l, ip6_flow_label(S, &us, &peer, port, 80));
        seen += l != ip6_flow_label(S, &us, &peer, (uint16_t)(port + 1), 80);
    }
    assert_true(seen > 195);
    assert_int_equal(ip6_flow_label(S, &v4, &v4, 1, 80), 0);
}

static void addresses_come_and_go(void **state)
{
    const struct inaddr a = {.b = {0xfd, [15] = 1}}, group = {.b = {0xff, 0x02, [15] = 9}}, mapped = inaddr_v4(NET_PEER);
    uint32_t routes = S->routes->n;

    (void)state;
    assert_int_equal(ip6_add_addr(S, ND_NIF, &a, 64, ADDR6_STATIC), 0);
    assert_int_equal(S->routes->n, routes + 1);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &a, 64, ADDR6_STATIC), -EEXIST);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &group, 64, ADDR6_STATIC), -EINVAL);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &mapped, 64, ADDR6_STATIC), -EINVAL);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &loopback, 128, ADDR6_STATIC), -EINVAL);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &far, 129, ADDR6_STATIC), -EINVAL);
    assert_int_equal(ip6_add_addr(S, S->netif[1], &far, 64, ADDR6_STATIC), -EOPNOTSUPP);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &a), 0);
    assert_int_equal(S->routes->n, routes);
    assert_int_equal(ip6_del_addr(S, ND_NIF, &a), -ESRCH);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &far, 64, ADDR6_SLAAC), 0); /* RFC 5942: says nothing about the link */
    assert_int_equal(S->routes->n, routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ND_TEST(tcp_gets_what_the_header_says),
        ND_TEST(addresses_that_no_wire_carries),
        ND_TEST(a_network_that_has_it_switched_off),
        ND_TEST(damaged_headers),
        ND_TEST(echo_is_answered),
        ND_TEST(damaged_checksum),
        ND_TEST(unknown_messages),
        ND_TEST(problems_are_told),
        ND_TEST(errors_are_bounded),
        ND_TEST(never_about),
        ND_TEST(never_about_fragments),
        ND_TEST(errors_reach_tcp),
        ND_TEST(datagrams),
        ND_TEST(paths),
        ND_TEST(source_addresses),
        ND_TEST(flow_labels),
        ND_TEST(addresses_come_and_go),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
