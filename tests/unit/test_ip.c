#include "net_fixture.h"

#include "udp/udp_pcb.h"

static const uint8_t tcp_seg[24] = {0x12, 0x34, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x10, 9, 9, 0, 0, 0, 0, 'd', 'a', 't', 'a'};

static struct net_frame frame;

/* A TCP segment from the peer to us, to be damaged. */
static uint8_t *tcp_frame(uint32_t src, uint32_t dst)
{
    net_frame_ip(&frame, src, dst, IPPROTO_TCP_, tcp_seg, sizeof(tcp_seg));
    return frame.b + ETH_HLEN;
}

/* Sends the frame with its header checksum made right. */
static void inject(void)
{
    net_ip_cksum(&frame);
    net_inject_frame(&frame);
}

static void a_packet_reaches_its_transport(void **state)
{
    (void)state;
    tcp_frame(NET_PEER, NET_US);
    inject();
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_int_equal(net_seen.len, sizeof(tcp_seg));
    assert_memory_equal(net_seen.data, tcp_seg, sizeof(tcp_seg));
    assert_ptr_equal(net_seen.in.nif, &net_nif[0]);
    assert_int_equal(inaddr_to_v4(&net_seen.in.src), NET_PEER);
    assert_int_equal(inaddr_to_v4(&net_seen.in.dst), NET_US);
    assert_int_equal(net_seen.in.proto, IPPROTO_TCP_);
    assert_int_equal(net_seen.in.ttl, 61);
    assert_int_equal(net_seen.in.tos, 0x10);
    assert_int_equal(net_seen.in.ip_hlen, 20);
    assert_int_equal(net_seen.in.l4_len, sizeof(tcp_seg));
    assert_false(net_seen.in.group || net_seen.in.dst_group || net_seen.in.l4_cksum_good);
}

static void link_padding_is_cut(void **state)
{
    (void)state;
    tcp_frame(NET_PEER, NET_US);
    memset(frame.b + frame.len, 0xee, 30);
    frame.len += 30;
    inject();
    assert_int_equal(net_seen.len, sizeof(tcp_seg));
    for (uint32_t split = 1; split < frame.len; split++) {
        net_inject_split(frame.b, frame.len, split);
        assert_int_equal(net_seen.tcp_inputs, 1 + split);
        assert_int_equal(net_seen.len, sizeof(tcp_seg));
        assert_memory_equal(net_seen.data, tcp_seg, sizeof(tcp_seg));
    }
}

static void transport_headers_are_contiguous(void **state)
{
    uint8_t seg[60 + 4];

    (void)state;
    memset(seg, 1, sizeof(seg));
    seg[12] = 0xf0; /* 60 bytes of header */
    net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_TCP_, seg, sizeof(seg));
    net_inject_split(frame.b, frame.len, 40);
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_memory_equal(net_seen.data, seg, sizeof(seg));
    assert_true(net_ctr(CTR_PULLUP) >= 1);
    /* a data offset that lies is TCP's to find */
    net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_TCP_, seg, 20);
    net_inject_split(frame.b, frame.len, 40);
    assert_int_equal(net_seen.tcp_inputs, 2);
    assert_int_equal(net_seen.len, 20);
    net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_TCP_, seg, 3);
    net_inject_split(frame.b, frame.len, 36);
    assert_int_equal(net_seen.len, 3);
    net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_TCP_, seg, 0);
    net_inject_split(frame.b, frame.len, 20);
    assert_int_equal(net_seen.len, 0);
    assert_int_equal(net_seen.tcp_inputs, 4);
}

static void bad_headers(void **state)
{
    uint8_t *ip = tcp_frame(NET_PEER, NET_US);

    (void)state;
    for (uint32_t n = 0; n < IPV4_HLEN; n++)
        net_inject(frame.b, ETH_HLEN + n);
    assert_int_equal(net_ctr(DROP_IP_SHORT), IPV4_HLEN);
    ip[0] = 0x65;
    inject();
    assert_int_equal(net_ctr(DROP_IP_VERSION), 1);
    ip = tcp_frame(NET_PEER, NET_US);
    ip[0] = 0x44;
    inject();
    assert_int_equal(net_ctr(DROP_IP_HLEN), 1);
    ip = tcp_frame(NET_PEER, NET_US);
    ip[3] = (uint8_t)(ip[3] + 1); /* longer than the frame */
    inject();
    ip[3] = 19; /* shorter than the header */
    inject();
    assert_int_equal(net_ctr(DROP_IP_LEN), 2);
    ip = tcp_frame(NET_PEER, NET_US);
    ip[10] ^= 1;
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_IP_CKSUM), 1);
    ip = tcp_frame(NET_PEER, NET_US);
    ip[8] = 0;
    inject();
    assert_int_equal(net_ctr(DROP_IP_TTL), 1);
    assert_int_equal(net_seen.tcp_inputs, 0);
}

/* What the port says about checksums. */
static void checksum_flags(void **state)
{
    struct rte_mbuf *m;

    (void)state;
    tcp_frame(NET_PEER, NET_US)[10] ^= 1;
    m = net_mbuf(frame.b, frame.len, 0);
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    eth_input(S, &net_nif[0], m);
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_true(net_seen.in.l4_cksum_good);
    m = net_mbuf(frame.b, frame.len, 0);
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
    eth_input(S, &net_nif[0], m);
    assert_int_equal(net_ctr(DROP_IP_CKSUM), 1);
    /* "bad" is looked at again: some devices say it of what they do not understand */
    tcp_frame(NET_PEER, NET_US);
    m = net_mbuf(frame.b, frame.len, 0);
    m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
    eth_input(S, &net_nif[0], m);
    assert_int_equal(net_seen.tcp_inputs, 2);
    assert_false(net_seen.in.l4_cksum_good);
}

static void options(void **state)
{
    /* 60 bytes of header: record route, and the transport behind it */
    static const struct {
        uint8_t opt[4];
        bool ok;
    } t[] = {
        {{1, 1, 1, 0}, true},  {{7, 3, 4, 0}, true},  {{0, 131, 0, 0}, true}, {{131, 3, 4, 0}, false}, {{137, 3, 4, 0}, false},
        {{7, 0, 0, 0}, false}, {{7, 1, 0, 0}, false}, {{7, 5, 0, 0}, false},  {{1, 1, 1, 7}, false},
    };
    uint64_t bad = 0;
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        uint8_t payload[4 + sizeof(tcp_seg)], *ip;

        memcpy(payload, t[i].opt, 4);
        memcpy(payload + 4, tcp_seg, sizeof(tcp_seg));
        net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_TCP_, payload, sizeof(payload));
        ip = frame.b + ETH_HLEN;
        ip[0] = 0x46;
        net_ip_cksum(&frame);
        net_inject_split(frame.b, frame.len, i % 2 ? 36 : 0);
        good += t[i].ok;
        bad += !t[i].ok;
        assert_int_equal(net_seen.tcp_inputs, good);
        assert_int_equal(net_ctr(DROP_IP_OPTIONS), bad);
    }
    assert_memory_equal(net_seen.data, tcp_seg, sizeof(tcp_seg));
    assert_int_equal(net_seen.in.ip_hlen, 24);
}

static void martian_sources(void **state)
{
    static const uint32_t src[] = {0,          0x00000001u, 0x7f000001u, 0x7fffffffu, 0xe0000001u, 0xefffffffu,
                                   UINT32_MAX, NET_US,      NET_US1,     NET_BCAST,   0x0a01ffffu};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(src); i++) {
        tcp_frame(src[i], NET_US);
        inject();
        assert_int_equal(net_ctr(DROP_IP_SRC), i + 1);
    }
    assert_int_equal(net_seen.tcp_inputs, 0);
    assert_int_equal(txq_count(&net_nif[0].txq), 0);
}

static void destinations(void **state)
{
    static const struct {
        uint32_t dst;
        bool ours, group;
    } t[] = {
        {NET_US, true, false},      {NET_US1, true, false},      {NET_US + 1, false, false},  {0x7f000001u, false, false},
        {NET_BCAST, true, true},    {UINT32_MAX, true, true},    {0x0a01ffffu, true, true},   {0xe0000001u, true, true},
        {0xe00000fbu, false, true}, {0x0a000000u, false, false}, {0x0affffffu, false, false}, {0, false, false},
    };
    unsigned ours = 0;
    uint64_t other = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        tcp_frame(NET_PEER, t[i].dst);
        inject();
        ours += t[i].ours;
        other += !t[i].ours;
        assert_int_equal(net_seen.tcp_inputs, ours);
        assert_int_equal(net_ctr(DROP_IP_NOT_US), other);
        if (t[i].ours)
            assert_int_equal(net_seen.in.dst_group, t[i].group);
    }
    tcp_frame(NET_PEER, NET_US);
    memset(frame.b, 0xff, 6);
    inject();
    assert_int_equal(net_seen.tcp_inputs, ours + 1);
    assert_true(net_seen.in.group);
    assert_false(net_seen.in.dst_group);
}

static void dont_fragment_is_no_fragment(void **state)
{
    uint8_t *ip = tcp_frame(NET_PEER, NET_US);

    (void)state;
    ip[6] = 0x40;
    inject();
    assert_int_equal(net_ctr(CTR_FRAG_RX), 0);
    assert_int_equal(net_seen.tcp_inputs, 1);
}

static void a_packet_goes_out(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(net_send(&path, NET_PEER, IPPROTO_TCP_, tcp_seg, sizeof(tcp_seg), true), 0);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_memory_equal(o.eth.src, net_mac, 6);
    assert_int_equal(o.eth.type, ETH_TYPE_IPV4);
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_int_equal(o.ip.proto, IPPROTO_TCP_);
    assert_int_equal(o.ip.ttl, 64);
    assert_true(o.ip.df);
    assert_int_equal(o.l4_bytes, sizeof(tcp_seg));
    assert_memory_equal(o.l4, tcp_seg, sizeof(tcp_seg));
    assert_int_equal(o.ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM), RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
    assert_int_equal(o.l2_len, 14);
    assert_int_equal(o.l3_len, 20);
    assert_int_equal(o.b[ETH_HLEN + 10] | o.b[ETH_HLEN + 11], 0);
}

static void identification(void **state)
{
    struct ip_path path = {0};
    struct net_out o;
    struct inaddr us = inaddr_v4(NET_US), peer = inaddr_v4(NET_PEER), far = inaddr_v4(NET_FAR);
    uint16_t first;

    (void)state;
    net_resolve();
    for (int i = 0; i < 3; i++)
        assert_int_equal(net_send(&path, NET_PEER, 253, "x", 1, false), 0);
    assert_int_equal(net_send(&path, NET_PEER, 253, "x", 1, true), 0);
    assert_true(net_take(&o));
    first = o.ip.id;
    assert_int_not_equal(first, 0);
    for (int i = 1; i < 3; i++) { /* never the same in short order (RFC 6864 section 4.3), and never 0 */
        assert_true(net_take(&o));
        assert_false(o.ip.df);
        assert_int_equal(o.ip.id, (uint16_t)(first + i) < first ? (uint16_t)(first + i + 1) : first + i);
    }
    assert_true(net_take(&o));
    assert_int_equal(o.ip.id, 0);
    /* places of their own (RFC 7739 section 5.3): to another host, back, of another protocol */
    first = (uint16_t)ip_frag_id(S, &us, &peer, 253);
    assert_int_not_equal((uint16_t)ip_frag_id(S, &us, &far, 253), (uint16_t)(first + 1));
    assert_int_not_equal((uint16_t)ip_frag_id(S, &peer, &us, 253), (uint16_t)(first + 1));
    assert_int_not_equal((uint16_t)ip_frag_id(S, &us, &peer, 252), (uint16_t)(first + 1));
    for (uint32_t i = 0; i < 70000; i++)
        assert_int_not_equal((uint16_t)ip_frag_id(S, &us, &peer, 253), 0);
}

static void paths(void **state)
{
    struct inaddr peer = inaddr_v4(NET_PEER), far = inaddr_v4(NET_FAR), on1 = inaddr_v4(0x0a010203u), us = inaddr_v4(NET_US),
                  us1 = inaddr_v4(NET_US1), any = INADDR_ANY_V4, v6 = {.b = {0x20, 1}};
    struct ip_path p = {0};

    (void)state;
    assert_false(ip_path_valid(S, &p));
    assert_int_equal(ip_path_lookup(S, &p, NULL, &peer, false), 0);
    assert_true(ip_path_valid(S, &p));
    assert_ptr_equal(p.nif, &net_nif[0]);
    assert_int_equal(inaddr_to_v4(&p.next_hop), NET_PEER);
    assert_int_equal(inaddr_to_v4(&p.src), NET_US);
    assert_int_equal(p.mtu, 1500);
    assert_false(p.local);
    assert_int_equal(ip_path_lookup(S, &p, &any, &far, false), 0);
    assert_int_equal(inaddr_to_v4(&p.next_hop), NET_GW);
    assert_int_equal(inaddr_to_v4(&p.src), NET_US);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &on1, false), 0);
    assert_ptr_equal(p.nif, &net_nif[1]);
    assert_int_equal(inaddr_to_v4(&p.src), NET_US1);
    /* the wish of the caller, if it is ours */
    assert_int_equal(ip_path_lookup(S, &p, &us1, &peer, false), 0);
    assert_ptr_equal(p.nif, &net_nif[0]);
    assert_int_equal(inaddr_to_v4(&p.src), NET_US1);
    assert_int_equal(ip_path_lookup(S, &p, &peer, &far, false), -EADDRNOTAVAIL);
    assert_false(ip_path_valid(S, &p));
    /* ourselves */
    assert_int_equal(ip_path_lookup(S, &p, NULL, &us, false), 0);
    assert_true(p.local);
    assert_int_equal(inaddr_to_v4(&p.src), NET_US);
    /* nowhere */
    assert_int_equal(ip_path_lookup(S, &p, NULL, &v6, false), -ENETUNREACH);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &any, false), -ENETUNREACH);
    assert_int_equal(route_del(S->routes, &net_default, ROUTE_PLEN_V4, NULL, NULL), 0);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &far, false), -ENETUNREACH);
}

static void broadcast_paths(void **state)
{
    struct inaddr limited = inaddr_v4(UINT32_MAX), subnet = inaddr_v4(NET_BCAST), subnet1 = inaddr_v4(0x0a01ffffu),
                  multi = inaddr_v4(0xe00000fbu), us1 = inaddr_v4(NET_US1);
    struct ip_path p = {0};
    struct net_out o;
    struct ip_out out = {.proto = 253, .ttl = 1};

    (void)state;
    assert_int_equal(ip_path_lookup(S, &p, NULL, &limited, false), -EACCES);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &subnet, false), -EACCES);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &multi, false), -ENETUNREACH);
    assert_int_equal(ip_path_lookup(S, &p, &us1, &limited, true), 0);
    assert_ptr_equal(p.nif, &net_nif[1]);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &subnet1, true), 0);
    assert_ptr_equal(p.nif, &net_nif[1]);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &limited, true), 0);
    assert_ptr_equal(p.nif, &net_nif[0]);
    out.src = p.src;
    out.dst = limited;
    ip_output(S, &p, &out, pkt_alloc_hdr(S));
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_bcast_mac, 6);
    assert_int_equal(o.ip.dst, UINT32_MAX);
    assert_int_equal(ip_path_lookup(S, &p, NULL, &multi, true), 0);
    out.dst = multi;
    ip_output(S, &p, &out, pkt_alloc_hdr(S));
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, ((const uint8_t[6]){0x01, 0, 0x5e, 0, 0, 0xfb}), 6);
    assert_false(net_take(&o));
}

static void packets_go_to_the_gateway(void **state)
{
    struct ip_path path = {0};
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(net_send(&path, NET_FAR, 253, "x", 1, true), 0);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_gw_mac, 6);
    assert_int_equal(o.ip.dst, NET_FAR);
}

static void a_changed_route_is_followed(void **state)
{
    struct ip_path path = {0};
    struct inaddr far = inaddr_v4(NET_FAR);
    struct ip_out out = {.src = inaddr_v4(NET_US), .dst = far, .proto = 253, .ttl = 64};
    struct route near = {
        .prefix = inaddr_v4(NET_FAR & 0xffffff00u), .plen = 96 + 24, .gateway = inaddr_v4(NET_PEER), .expires_ns = NS_NEVER};
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(ip_path_lookup(S, &path, NULL, &far, false), 0);
    assert_int_equal(ip_route_set(S, &near, true), 0);
    assert_false(ip_path_valid(S, &path));
    ip_output(S, &path, &out, pkt_alloc_hdr(S)); /* looks up by itself */
    assert_true(ip_path_valid(S, &path));
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_int_equal(ip_route_del(S, &near.prefix, near.plen, NULL, NULL), 0);
    assert_int_equal(route_del(S->routes, &net_default, ROUTE_PLEN_V4, NULL, NULL), 0);
    ip_output(S, &path, &out, pkt_alloc_hdr(S));
    assert_int_equal(net_ctr(DROP_IP_NO_ROUTE), 1);
    assert_false(net_take(&o));
}

static void the_mtu(void **state)
{
    static const uint8_t big[1481];
    struct ip_path path = {0};
    struct ip_out out = {.src = inaddr_v4(NET_US), .dst = inaddr_v4(NET_PEER), .proto = IPPROTO_TCP_, .ttl = 64, .df = true};
    struct rte_mbuf *m;
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(net_send(&path, NET_PEER, 253, big, 1480, true), 0);
    assert_true(net_take(&o));
    assert_int_equal(net_send(&path, NET_PEER, 253, big, 1481, true), 0);
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(DROP_IP_TOO_BIG), 1);
    /* a frame that the port cuts */
    m = pkt_alloc_app(S, 1600);
    m->data_len = 1600;
    m->pkt_len = 1600;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    ip_output(S, &path, &out, m);
    assert_true(net_take(&o));
    assert_int_equal(o.l4_bytes, 1600);
}

static void another_gateway_takes_over(void **state)
{
    struct inaddr far = inaddr_v4(NET_FAR), us1 = inaddr_v4(NET_US1);
    struct route r = {.prefix = net_default,
                      .plen = ROUTE_PLEN_V4,
                      .gateway = inaddr_v4(NET_PEER),
                      .metric = 1,
                      .origin = ROUTE_STATIC,
                      .expires_ns = NS_NEVER};
    const struct inaddr peer = inaddr_v4(NET_PEER), gw = inaddr_v4(NET_GW);
    struct ip_path path = {0};

    (void)state;
    assert_int_equal(ip_route_set(S, &r, true), 0);
    assert_ptr_equal(ip_route_choose(S, &far, NULL), route_lookup(S->routes, &far));
    assert_int_equal(net_send(&path, NET_FAR, 253, "x", 1, true), 0);
    assert_int_equal(inaddr_to_v4(&path.next_hop), NET_GW);
    for (int i = 0; i < 4; i++) /* it does not answer */
        net_advance(NS_PER_SEC);
    net_discard_tx();
    assert_false(ip_path_valid(S, &path));
    assert_int_equal(net_send(&path, NET_FAR, 253, "x", 1, true), 0);
    assert_int_equal(inaddr_to_v4(&path.next_hop), NET_PEER);
    /* it stays out of use when its neighbour entry is gone; later one packet asks for it, the others do not wait with it */
    net_discard_tx();
    (void)neigh_learn(S->neigh, 0, &peer, net_peer_mac, true, S->now_ns);
    neigh_send_parked(S, &net_nif[0], neigh_find(S->neigh, 0, &peer));
    for (int i = 0; i < 20; i++)
        net_advance(NS_PER_SEC);
    assert_null(neigh_find(S->neigh, 0, &gw));
    assert_int_equal(inaddr_to_v4(&ip_route_choose(S, &far, NULL)->gateway), NET_PEER);
    for (int i = 0; i < 50; i++)
        net_advance(NS_PER_SEC);
    assert_int_equal(inaddr_to_v4(&ip_route_choose(S, &far, NULL)->gateway), NET_GW);
    path.gen = 0;
    assert_int_equal(net_send(&path, NET_FAR, 253, "x", 1, true), 0);
    assert_int_equal(inaddr_to_v4(&path.next_hop), NET_GW);
    assert_int_equal(inaddr_to_v4(&ip_route_choose(S, &far, NULL)->gateway), NET_PEER);
    net_discard_tx();
    /* a source on another interface goes out there, when there is a way */
    r.gateway = inaddr_v4(NET_US1 + 1);
    r.nif = NULL;
    assert_int_equal(ip_route_set(S, &r, true), 0);
    assert_int_equal(ip_path_lookup(S, &path, &us1, &far, false), 0);
    assert_ptr_equal(path.nif, &net_nif[1]);
    assert_int_equal(inaddr_to_v4(&path.next_hop), NET_US1 + 1);
    /* a lifetime */
    r.expires_ns = S->now_ns + NS_PER_SEC;
    assert_int_equal(ip_route_set(S, &r, true), -EEXIST);
    assert_int_equal(ip_route_set(S, &r, false), 0);
    assert_true(ip_path_valid(S, &path));
    net_advance(NS_PER_SEC);
    assert_false(ip_path_valid(S, &path));
    assert_int_equal(ip_path_lookup(S, &path, &us1, &far, false), 0);
    assert_ptr_equal(path.nif, &net_nif[0]);
    r.gateway = inaddr_v4(NET_FAR);
    assert_int_equal(ip_route_set(S, &r, true), -ENETUNREACH);
}

static void packets_to_ourselves_turn_round(void **state)
{
    static const uint32_t dst[] = {NET_US, NET_US1, 0x7f000001u};
    struct net_out o;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(dst); i++) {
        struct ip_path path = {0};

        assert_int_equal(net_send(&path, dst[i], IPPROTO_TCP_, tcp_seg, sizeof(tcp_seg), true), 0);
        assert_int_equal(net_seen.tcp_inputs, i); /* not before the next poll */
        assert_int_equal(ip_loopback_poll(S), 1);
        assert_int_equal(net_seen.tcp_inputs, i + 1);
        assert_int_equal(inaddr_to_v4(&net_seen.in.src), dst[i]);
        assert_int_equal(inaddr_to_v4(&net_seen.in.dst), dst[i]);
        assert_true(net_seen.in.l4_cksum_good);
        assert_memory_equal(net_seen.data, tcp_seg, sizeof(tcp_seg));
    }
    assert_int_equal(ip_loopback_poll(S), 0);
    assert_false(net_take(&o));
}

/* The sender keeps its buffer: the receiver may not change it. */
static void loopback_leaves_a_kept_buffer_alone(void **state)
{
    struct inaddr us = inaddr_v4(NET_US);
    struct ip_out out = {.src = us, .dst = us, .proto = IPPROTO_TCP_, .ttl = 64, .df = true};
    struct ip_path path = {0};
    struct rte_mbuf *m = pkt_alloc_app(S, 100);
    uint16_t off, len;

    (void)state;
    memcpy(pkt_data(m), tcp_seg, sizeof(tcp_seg));
    m->data_len = sizeof(tcp_seg);
    m->pkt_len = sizeof(tcp_seg);
    rte_mbuf_refcnt_update(m, 1); /* the frame's reference */
    assert_int_equal(ip_path_lookup(S, &path, NULL, &us, false), 0);
    ip_output(S, &path, &out, m);
    off = m->data_off;
    len = m->data_len;
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_memory_equal(net_seen.data, tcp_seg, sizeof(tcp_seg));
    assert_int_equal(m->data_off, off);
    assert_int_equal(m->data_len, len);
    assert_int_equal(rte_mbuf_refcnt_read(m), 1);
    pkt_unref(m);
}

static void loopback_is_bounded(void **state)
{
    struct ip_path path = {0};

    (void)state;
    for (unsigned i = 0; i < LOOPBACK_SLOTS; i++) {
        struct ip_out out = {.src = inaddr_v4(NET_US), .dst = inaddr_v4(NET_US), .proto = IPPROTO_TCP_, .ttl = 64};

        if (i == 0)
            assert_int_equal(ip_path_lookup(S, &path, NULL, &out.dst, false), 0);
        ip_output(S, &path, &out, pkt_alloc_hdr(S));
    }
    assert_int_equal(net_ctr(DROP_TXQ_FULL), 0);
    assert_int_equal(net_send(&path, NET_US, IPPROTO_TCP_, tcp_seg, sizeof(tcp_seg), true), 0);
    assert_int_equal(net_ctr(DROP_TXQ_FULL), 1);
    assert_int_equal(ip_loopback_poll(S), LOOPBACK_SLOTS);
    assert_int_equal(net_send(&path, NET_US, IPPROTO_TCP_, tcp_seg, sizeof(tcp_seg), true), 0);
    /* left in the queue: freed by the teardown */
}

static void addresses(void **state)
{
    struct inaddr a = inaddr_v4(NET_US), b = inaddr_v4(NET_US + 1), lo = inaddr_v4(0x7f000102u), g = inaddr_v4(NET_BCAST),
                  v6 = {.b = {0x20, 1}};

    (void)state;
    assert_true(ip_is_local(S, &a) && ip_is_local(S, &lo));
    assert_false(ip_is_local(S, &b) || ip_is_local(S, &g) || ip_is_local(S, &v6));
    assert_true(ip_is_group(S, &g));
    assert_false(ip_is_group(S, &a) || ip_is_group(S, &v6));
    assert_int_equal(net_nif[0].addr[0].broadcast, NET_BCAST);
    assert_int_equal(ip_add_addr(S, &net_nif[1], NET_US, 0xffffff00u, 0), -EEXIST);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0, 0xffffff00u, 0), -EINVAL);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x7f000001u, 0xff000000u, 0), -EINVAL);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0xe0000005u, 0xff000000u, 0), -EINVAL);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0b000001u, 0xff00ff00u, 0), -EINVAL);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0b000001u, 0, 0), -EINVAL);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0b0000ffu, 0xffffff00u, 0), -EINVAL);
    /* more of the same subnet, a host address, a link of two */
    assert_int_equal(ip_add_addr(S, &net_nif[0], NET_US + 7, 0xffffff00u, 0), 0);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0b000001u, UINT32_MAX, 0), 0);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0b000002u, 0xfffffffeu, 0), 0);
    assert_int_equal(S->routes->n, 4);
    for (uint32_t i = 4; i < NETIF_MAX_ADDRS; i++)
        assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0c000000u + i, UINT32_MAX, 0), 0);
    assert_int_equal(ip_add_addr(S, &net_nif[0], 0x0d000001u, UINT32_MAX, 0), -ENOSPC);
}

static void gateways(void **state)
{
    (void)state;
    assert_int_equal(ip_add_gateway(S, &net_nif[0], NET_GW), -EEXIST);
    assert_int_equal(route_del(S->routes, &net_default, ROUTE_PLEN_V4, NULL, NULL), 0);
    assert_int_equal(ip_add_gateway(S, &net_nif[0], NET_FAR), -ENETUNREACH);
    assert_int_equal(ip_add_gateway(S, &net_nif[0], NET_US), -ENETUNREACH);
    assert_int_equal(ip_add_gateway(S, &net_nif[1], NET_GW), -ENETUNREACH);
    assert_int_equal(ip_add_gateway(S, &net_nif[0], NET_GW), 0);
}

/* Damaged frames of every kind, in one or two buffers: all are counted, none is lost. */
static void damaged_frames_are_survived(void **state)
{
    static const uint8_t protos[] = {IPPROTO_TCP_, IPPROTO_UDP_, IPPROTO_ICMP_, 132};
    struct udp_pcb *u = udp_create(S, NULL);
    struct inaddr wild = INADDR_ANY_V4;
    struct rng r;

    (void)state;
    rng_seed(&r, 42);
    assert_int_equal(udp_bind(S, u, &wild, 53), 0);
    for (unsigned i = 0; i < 60000; i++) {
        uint8_t payload[80];

        for (unsigned k = 0; k < sizeof(payload); k++)
            payload[k] = (uint8_t)rng_next(&r);
        switch (i % 6) {
        case 0:
            net_frame_udp(&frame, NET_PEER, 1, NET_US, 53, payload, rng_below(&r, 60));
            break;
        case 1: /* an error with a quote */
            net_frame_udp(&frame, NET_US, 53, NET_PEER, 1, payload, 4);
            memcpy(payload, frame.b + ETH_HLEN, 32);
            net_frame_icmp(&frame, NET_PEER, NET_US, (uint8_t)(3 + rng_below(&r, 10)), (uint8_t)rng_below(&r, 16), 0, 0, payload,
                           rng_below(&r, 40));
            break;
        case 2:
            net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 1, 1, payload, rng_below(&r, 60));
            break;
        default:
            net_frame_ip(&frame, NET_PEER, NET_US, protos[rng_below(&r, 4)], payload, rng_below(&r, sizeof(payload)));
        }
        if (i % 6 == 3)
            frame.b[12] = 0x08, frame.b[13] = 0x06; /* as ARP */
        for (uint32_t n = rng_below(&r, 4); n > 0; n--)
            frame.b[rng_below(&r, frame.len)] = (uint8_t)rng_next(&r);
        if (i % 2 && frame.len > ETH_HLEN + IPV4_HLEN_MAX)
            net_ip_cksum(&frame);
        frame.len -= rng_below(&r, 8) == 0 ? rng_below(&r, frame.len) : 0;
        if (frame.len == 0)
            continue;
        net_inject_split(frame.b, frame.len, rng_below(&r, 2) ? 1 + rng_below(&r, frame.len) : 0);
        net_discard_tx();
        udp_queue_free(S, u);
        S->now_ns += NS_PER_MS;
    }
    assert_true(net_ctr(CTR_UDP_RX) > 100 && net_ctr(CTR_ICMP_ECHO) > 100 && net_ctr(CTR_ICMP_ERR_RX) > 100);
    assert_true(net_ctr(DROP_IP_CKSUM) > 100 && net_ctr(DROP_IP_LEN) > 100 && net_seen.tcp_inputs > 100);
    udp_close(S, u);
}

/* Memory runs out at every allocation in turn: nothing is left behind. */
static void start_without_memory(void **state)
{
    struct z_stack *old = S, *s = calloc(1, sizeof(*s));

    (void)state;
    s->conf = old->conf;
    assert_int_equal(arena_init(&s->arena, 16 * MIB), 0);
    wheel_init(&s->wheel, 0);
    for (uint64_t k = 1; k <= 3; k++) {
        s->arena.fail_after = k;
        assert_int_equal(ip_init(s), -ENOMEM);
        assert_int_equal(s->arena.used_bytes, 0);
        s->arena.fail_after = k;
        assert_int_equal(link_init(s), -ENOMEM);
        assert_int_equal(s->arena.used_bytes, 0);
        ip_fini(s);
        link_fini(s);
    }
    s->arena.fail_after = 1;
    assert_int_equal(udp_state_init(s), -ENOMEM);
    udp_state_fini(s);
    assert_int_equal(s->arena.used_bytes, 0);
    arena_fini(&s->arena);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(a_packet_reaches_its_transport),
        NET_TEST(link_padding_is_cut),
        NET_TEST(transport_headers_are_contiguous),
        NET_TEST(bad_headers),
        NET_TEST(checksum_flags),
        NET_TEST(options),
        NET_TEST(martian_sources),
        NET_TEST(destinations),
        NET_TEST(dont_fragment_is_no_fragment),
        NET_TEST(a_packet_goes_out),
        NET_TEST(identification),
        NET_TEST(paths),
        NET_TEST(broadcast_paths),
        NET_TEST(packets_go_to_the_gateway),
        NET_TEST(a_changed_route_is_followed),
        NET_TEST(another_gateway_takes_over),
        NET_TEST(the_mtu),
        NET_TEST(packets_to_ourselves_turn_round),
        NET_TEST(loopback_leaves_a_kept_buffer_alone),
        NET_TEST(loopback_is_bounded),
        NET_TEST(addresses),
        NET_TEST(gateways),
        NET_TEST(damaged_frames_are_survived),
        NET_TEST(start_without_memory),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
