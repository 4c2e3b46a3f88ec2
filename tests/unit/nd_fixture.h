/* The stack of net_fixture.h with IPv6 on interface 0, and a link on which the tests play neighbours and routers. */
#ifndef TESTS_UNIT_ND_FIXTURE_H
#define TESTS_UNIT_ND_FIXTURE_H

#include "net_fixture.h"

#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/nd_state.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"
#include "wire/mld.h"
#include "wire/nd.h"

#define ND_NIF (&net_nif[0])

static const struct inaddr nd_us = {.b = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0x01}}; /* of net_mac, on the wire */
static const struct inaddr nd_peer = {.b = {0xfe, 0x80, [15] = 0x02}};
static const struct inaddr nd_rtr = {.b = {0xfe, 0x80, [15] = 0xfe}};
static const struct inaddr nd_all_nodes = {.b = {0xff, 0x02, [15] = 0x01}};
static const struct inaddr nd_any;
static const uint8_t nd_rtr_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};

static inline struct inaddr nd_global(uint8_t n)
{
    return (struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = n}};
}

static inline struct inaddr nd_zoned(struct inaddr a)
{
    inaddr_set_zone(&a, ip6_zone(ND_NIF));
    return a;
}

/* A frame that was sent: IPv6, and what of it is neighbour discovery. */
struct nd_out {
    struct eth_hdr eth;
    struct ipv6_hdr ip;
    const uint8_t *l4; /* behind a hop-by-hop header */
    uint32_t l4_len;
    bool hbh;
    struct nd_msg msg;
    uint8_t b[2048];
};

/* The next IPv6 frame; its checksum must be right. False when there is none. */
static inline bool nd_take(struct nd_out *o)
{
    struct txq *q = &ND_NIF->txq;
    struct rte_mbuf *m;
    uint32_t len, off = ETH_HLEN + IPV6_HLEN;

    memset(o, 0, sizeof(*o));
    if (txq_count(q) == 0)
        return false;
    m = q->slot[q->head++ & (TXQ_SLOTS - 1)];
    len = ip_copy_out(m, o->b, sizeof(o->b));
    rte_pktmbuf_free(m);
    assert_true(eth_parse(o->b, len, &o->eth));
    assert_int_equal(o->eth.type, ETH_TYPE_IPV6);
    assert_int_equal(ipv6_parse(o->b + ETH_HLEN, len - ETH_HLEN, len - ETH_HLEN, &o->ip), IPV6_OK);
    o->hbh = o->ip.next == IPPROTO_HOPOPTS_;
    if (o->hbh)
        off += 8u + o->b[off + 1] * 8u;
    o->l4 = o->b + off;
    o->l4_len = len - off;
    if (!o->hbh && o->ip.next != IPPROTO_ICMPV6_)
        return true; /* the port fills in the checksum of a transport */
    if (o->l4[0] >= ICMP6_MLD_QUERY)
        assert_int_equal(cksum_finish(cksum_add(cksum_pseudo_v6(&o->ip.src, &o->ip.dst, IPPROTO_ICMPV6_, o->l4_len), o->l4, o->l4_len)), 0);
    if (o->l4[0] >= ND_ROUTER_SOLICIT && o->l4[0] <= ND_REDIRECT)
        assert_int_equal(nd_parse(o->l4, o->l4_len, &o->ip.src, &o->ip.dst, o->ip.hop_limit, &o->msg), ND_OK);
    return true;
}

/* The next frame that is a neighbour discovery message of this type; others in front of it are thrown away. */
static inline bool nd_take_type(struct nd_out *o, uint8_t type)
{
    while (nd_take(o))
        if (o->msg.type == type)
            return true;
    return false;
}

/* An ICMPv6 message in an IPv6 frame, checksum filled in. hbh: with a router alert in front. */
static inline void nd_inject_icmp6(const uint8_t *eth_src, const struct inaddr *src, const struct inaddr *dst, uint8_t hops, bool hbh,
                                   uint8_t *p, uint32_t len)
{
    struct ipv6_hdr h = {.hop_limit = hops, .next = hbh ? IPPROTO_HOPOPTS_ : IPPROTO_ICMPV6_, .src = *src, .dst = *dst};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    uint32_t ext = hbh ? MLD_HBH_LEN : 0;
    uint8_t b[2048];
    uint16_t sum;

    memcpy(eh.src, eth_src, 6);
    if (inaddr_is_v6_multicast(dst))
        mcast_mac(dst, eh.dst);
    else
        memcpy(eh.dst, net_mac, 6);
    h.payload_len = (uint16_t)(len + ext);
    p[2] = p[3] = 0;
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(src, dst, IPPROTO_ICMPV6_, len), p, len));
    memcpy(p + 2, &sum, 2);
    eth_build(b, &eh);
    ipv6_build(b + ETH_HLEN, &h);
    if (hbh)
        mld_build_hbh(b + ETH_HLEN + IPV6_HLEN);
    memcpy(b + ETH_HLEN + IPV6_HLEN + ext, p, len);
    net_inject(b, ETH_HLEN + IPV6_HLEN + ext + len);
}

static inline void nd_inject_hops(const uint8_t *eth_src, struct inaddr src, struct inaddr dst, uint8_t hops, const struct nd_msg *m)
{
    uint8_t b[ND_BUILD_MAX];

    nd_inject_icmp6(eth_src, &src, &dst, hops, false, b, nd_build(b, m));
}

static inline void nd_inject(const uint8_t *eth_src, struct inaddr src, struct inaddr dst, const struct nd_msg *m)
{
    nd_inject_hops(eth_src, src, dst, ND_HOP_LIMIT, m);
}

static inline struct nd_msg nd_ns(struct inaddr target, const uint8_t *slla)
{
    struct nd_msg m = {.type = ND_NEIGHBOR_SOLICIT, .target = target, .has_slla = slla != NULL};

    if (slla)
        memcpy(m.slla, slla, 6);
    return m;
}

static inline struct nd_msg nd_na(struct inaddr target, const uint8_t *tlla, bool solicited, bool override)
{
    struct nd_msg m = {
        .type = ND_NEIGHBOR_ADVERT, .target = target, .solicited = solicited, .override = override, .has_tlla = tlla != NULL};

    if (tlla)
        memcpy(m.tlla, tlla, 6);
    return m;
}

static inline struct nd_msg nd_ra(uint16_t lifetime_s)
{
    struct nd_msg m = {.type = ND_ROUTER_ADVERT, .lifetime_s = lifetime_s, .has_slla = true};

    memcpy(m.slla, nd_rtr_mac, 6);
    return m;
}

static inline void nd_add_prefix(struct nd_msg *m, uint8_t subnet, bool on_link, bool autonomous, uint32_t valid_s, uint32_t preferred_s)
{
    struct nd_prefix_info *p = &m->prefix[m->n_prefixes++];

    *p = (struct nd_prefix_info){.prefix = {.b = {0x20, 0x01, 0x0d, 0xb8, [7] = subnet}}, .plen = 64};
    p->on_link = on_link;
    p->autonomous = autonomous;
    p->valid_s = valid_s;
    p->preferred_s = preferred_s;
}

static inline void nd_inject_ra(const struct nd_msg *m)
{
    nd_inject(nd_rtr_mac, nd_rtr, nd_all_nodes, m);
}

/* IPv6 comes up at once, without tests; what it says about that is thrown away. */
static inline int nd_setup(void **state)
{
    int ret = net_setup(state);

    S->conf.accept_ra = 0;
    S->conf.ip6_ext_headers = 8;
    S->conf.ip6_ext_bytes = 128;
    S->conf.ip6_ext_options = 8;
    S->conf.accept_redirects = true;
    S->conf.nd_router_limit = 2;
    S->conf.nd_prefix_limit = 3;
    S->conf.nd_redirect_limit = 2;
    S->conf.slaac_limit = 2;
    memcpy(S->conf.ip6_secret, "secret of a test", 16);
    assert_int_equal(ip6_netif_up(S, ND_NIF), 0);
    assert_int_equal(ip6_add_addr(S, ND_NIF, &(struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}, 64, ADDR6_STATIC), 0);
    net_advance(3 * NS_PER_SEC); /* the reports of its groups */
    net_advance(3 * NS_PER_SEC);
    net_discard_tx();
    memset(&S->ctr, 0, sizeof(S->ctr));
    return ret;
}

static inline uint64_t nd_ctr_bad(void)
{
    return net_ctr(DROP_ND_SHORT) + net_ctr(DROP_ND_HOPS) + net_ctr(DROP_ND_CODE) + net_ctr(DROP_ND_OPTION) + net_ctr(DROP_ND_ADDR) +
           net_ctr(DROP_ND_FRAGMENT);
}

#define ND_TEST(f) cmocka_unit_test_setup_teardown(f, nd_setup, net_teardown)

#endif
