/*
 * Neighbour discovery, MLD, IGMP and ARP with state: the input is a list of steps, in which routers and neighbours say what they
 * like with right checksums, sockets join and leave groups, packets go out, and time passes. Afterwards all is given back.
 */
#include <string.h>

#include "base/check.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast_state.h"
#include "ip/nd_state.h"
#include "link/neigh.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mld.h"
#include "world.h"

#define SUBS 4

static const uint8_t us_mac[6] = {0x02, 0, 0, 0, 0, 1};

static struct inaddr some_addr(uint8_t n)
{
    static const struct inaddr a[] = {
        {.b = {0xfe, 0x80, [11] = 0xff, 0xfe, [15] = 0x01}}, /* ours */
        {.b = {0xfe, 0x80, [15] = 0x02}},
        {.b = {0xfe, 0x80, [15] = 0x03}},
        {.b = {0}},
        {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x01}},
        {.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x02}},
        {.b = {0xff, 0x02, [15] = 0x01}},
        {.b = {0xff, 0x02, [11] = 0x01, 0xff, [15] = 0x01}},
        {.b = {0xff, 0x15, [15] = 0x07}},
    };

    return a[n % (sizeof(a) / sizeof(a[0]))];
}

static void icmp6(struct world *w, struct input *in, bool mld)
{
    struct ipv6_hdr h = {.hop_limit = mld ? 1 : 255, .next = mld ? IPPROTO_HOPOPTS_ : IPPROTO_ICMPV6_};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6, .src = {0x02, 0, 0, 0, 0, 2}};
    uint8_t f[WORLD_FRAME_MAX] = {0}, *p = f + ETH_HLEN + IPV6_HLEN + (mld ? MLD_HBH_LEN : 0);
    uint8_t type = in_u8(in), len = in_u8(in);
    uint16_t sum;

    h.src = some_addr(in_u8(in));
    h.dst = some_addr(in_u8(in));
    memcpy(eh.dst, us_mac, 6);
    if (h.dst.b[0] == 0xff)
        mcast_mac(&h.dst, eh.dst);
    eth_build(f, &eh);
    h.payload_len = (uint16_t)(len + (mld ? MLD_HBH_LEN : 0));
    ipv6_build(f + ETH_HLEN, &h);
    if (mld)
        mld_build_hbh(f + ETH_HLEN + IPV6_HLEN);
    for (unsigned i = 0; i < len; i++)
        p[i] = in_u8(in);
    if (len >= 4) {
        p[0] = mld ? (const uint8_t[]){MLD_QUERY, MLD_V1_REPORT, MLD_V1_DONE, MLD_V2_REPORT}[type % 4]
                   : (uint8_t)(ND_ROUTER_SOLICIT + type % 5);
        if (type < 200)
            p[1] = 0;
        p[2] = p[3] = 0;
        if (len >= 24 && (p[0] == ND_NEIGHBOR_SOLICIT || p[0] == ND_NEIGHBOR_ADVERT) && p[8] < 16) {
            struct inaddr target = some_addr(p[8]);

            memcpy(p + 8, target.b, 16);
        }
        sum = cksum_finish(cksum_add(cksum_pseudo_v6(&h.src, &h.dst, IPPROTO_ICMPV6_, len), p, len));
        memcpy(p + 2, &sum, 2);
    }
    world_frame(w, (struct world_rx){.exact = type & 64, .seg = type & 32 ? 60u : 0}, f, (uint32_t)(p - f) + len);
}

static void igmp(struct world *w, struct input *in)
{
    struct ipv4_hdr h = {.ttl = 1, .proto = IPPROTO_IGMP_, .src = WORLD_PEER, .dst = IGMP_ALL_HOSTS};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV4, .src = {0x02, 0, 0, 0, 0, 2}, .dst = {0x01, 0, 0x5e, 0, 0, 1}};
    uint8_t f[WORLD_FRAME_MAX] = {0}, *p = f + ETH_HLEN + IPV4_HLEN, len = in_u8(in);
    uint16_t sum;

    h.total_len = (uint16_t)(IPV4_HLEN + len);
    eth_build(f, &eh);
    ipv4_build(f + ETH_HLEN, &h, true);
    for (unsigned i = 0; i < len; i++)
        p[i] = in_u8(in);
    if (len >= 4) {
        p[0] = (const uint8_t[]){IGMP_QUERY, IGMP_V1_REPORT, IGMP_V2_REPORT, IGMP_V3_REPORT}[p[0] % 4];
        p[2] = p[3] = 0;
        sum = cksum_finish(cksum_add(0, p, len));
        memcpy(p + 2, &sum, 2);
    }
    world_frame(w, (struct world_rx){.exact = true}, f, ETH_HLEN + IPV4_HLEN + len);
}

static void filter(struct world *w, struct input *in, struct mcast_sub *sub)
{
    struct inaddr group = in_u8(in) & 1 ? inaddr_v4(0xef010200u + in_u8(in) % 4) : some_addr(in_u8(in)), srcs[4];
    uint8_t n = in_u8(in);
    unsigned i;

    for (i = 0; i < n % 5u && i < 4; i++)
        srcs[i] = inaddr_is_v4(&group) ? inaddr_v4(0x0a000000u + in_u8(in) % 8) : some_addr(in_u8(in));
    (void)mcast_set_filter(w->s, sub, w->nif, &group, n & 128 ? MCAST_EXCLUDE : MCAST_INCLUDE, srcs, i);
}

static void packet(struct world *w, struct input *in)
{
    struct inaddr dst = some_addr(in_u8(in));
    struct ip_out o = {.dst = dst, .proto = IPPROTO_NONE_, .ttl = 64};
    struct ip_path path = {0};
    struct rte_mbuf *m;

    inaddr_set_zone(&o.dst, ip6_zone(w->nif));
    if (ip_path_lookup(w->s, &path, NULL, &o.dst, true) != 0 || !(m = pkt_alloc_app(w->s, 8)))
        return;
    memset(pkt_data(m), 0, 8);
    m->data_len = 8;
    m->pkt_len = 8;
    o.src = path.src;
    ip_output(w->s, &path, &o, m);
}

static void address(struct world *w, struct input *in)
{
    struct inaddr a = some_addr(4);
    uint8_t what = in_u8(in);

    a.b[15] = what & 3;
    if (what & 4)
        (void)ip6_add_addr(w->s, w->nif, &a, 64, ADDR6_STATIC);
    else
        (void)ip6_del_addr(w->s, w->nif, &a);
}

static void check(const struct world *w)
{
    const struct nd_if *n = nd_if_of(w->s, w->nif);

    Z_CHECK(n->n_routers <= w->s->conf.nd_router_limit && n->n_prefixes <= w->s->conf.nd_prefix_limit);
    Z_CHECK(n->n_redirects <= w->s->conf.nd_redirect_limit && n->n_dad <= w->nif->n_addrs6);
    for (unsigned i = 0; i < n->n_dad; i++)
        Z_CHECK(ip6_addr_find(w->nif, &n->dad[i].addr) != NULL);
    Z_CHECK(w->s->neigh->n_used <= w->s->conf.neigh_limit);
    Z_CHECK(w->s->mcast->n_socket_groups <= w->s->conf.mcast_group_limit);
}

static void step(struct world *w, struct input *in, struct mcast_sub *sub)
{
    static const uint64_t pause_ms[] = {1, 100, 1000, 5000, 60000, 600000, 7200000, 86400000};
    uint8_t op = in_u8(in), longest = w->s->now_ns < UINT64_MAX / 4 ? 8 : 5; /* a run must not come to the end of the clock */

    switch (op % 8) {
    case 0:
    case 1:
        icmp6(w, in, false);
        break;
    case 2:
        icmp6(w, in, true);
        break;
    case 3:
        igmp(w, in);
        break;
    case 4:
        filter(w, in, &sub[op / 8 % SUBS]);
        break;
    case 5:
        packet(w, in);
        break;
    case 6:
        address(w, in);
        break;
    default:
        world_turn(w, pause_ms[op / 8 % longest] * NS_PER_MS);
        break;
    }
    world_turn(w, 0);
    check(w);
}

/* As the interface was before. */
static void give_back(struct world *w, struct mcast_sub *sub)
{
    for (int i = 0; i < SUBS; i++)
        mcast_sub_leave(w->s, &sub[i]);
    world_down6(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mcast_sub sub[SUBS] = {0};
    struct world *w = world_get();
    struct input in = {data, size};

    w->s->conf.dad_transmits = in_u8(&in) % 3;
    w->s->conf.ip6_eui64 = in_u8(&in) & 1;
    Z_CHECK(ip6_netif_up(w->s, w->nif) == 0);
    world_turn(w, 3 * NS_PER_SEC);
    for (unsigned i = 0; in.n > 0 && i < 200; i++)
        step(w, &in, sub);
    give_back(w, sub);
    world_reset(w);
    return 0;
}
