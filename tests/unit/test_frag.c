/* Fragments of IPv4: reassembly, its limits and its enemies; and cutting of our own packets. */
#include "frag_fixture.h"

#include "base/rng.h"

static void any_order(void **state)
{
    static const uint8_t order[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}, {3, 0, 1, 2}};
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(BIG);

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        for (unsigned k = 0; k < 4; k++) {
            assert_int_equal(receive(u), -EAGAIN);
            inject_piece(nth(order[i][k], n));
        }
        assert_int_equal(net_ctr(CTR_COPY_STACK) + net_ctr(CTR_COPY_DELIBERATE), 0);
        expect_whole(u, BIG);
        assert_int_equal(net_ctr(CTR_FRAG_REASSEMBLED), i + 1);
    }
    assert_int_equal(net_ctr(CTR_FRAG_RX), 20);
    assert_int_equal(S->wheel.armed, 0);
}

static void the_largest_datagram(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(65507);

    (void)state;
    S->conf.frag_pieces = S->ip->reass.conf.pieces = 64;
    assert_int_equal(opt(u, SOL_SOCKET, SO_RCVBUF, 262144), 0);
    for (uint32_t i = 0; i * 1480 < n; i++)
        inject_piece(nth(i, n));
    expect_whole(u, 65507);
}

/* Two first pieces with other keys in between. */
static void keys_do_not_mix(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(BIG);
    struct piece p = nth(1, n);

    (void)state;
    inject_piece(nth(0, n));
    inject_piece(nth(2, n));
    inject_piece(nth(3, n));
    p.id = 78;
    inject_piece(p);
    p.id = 77;
    p.proto = 253;
    inject_piece(p);
    p.proto = 0;
    inject_from(NET_FAR, &p, l4 + p.off);
    assert_int_equal(S->ip->reass.n, 4);
    assert_int_equal(receive(u), -EAGAIN);
    inject_piece(p);
    assert_int_equal(receive(u), BIG);
    assert_memory_equal(got, payload, BIG);
}

static void time_runs_out(void **state)
{
    uint32_t n = dgram(BIG);
    struct net_out o;
    struct piece p = nth(1, n);

    (void)state;
    (void)bound(0, 0, PORT);
    inject_piece(nth(0, n));
    p.id = 78;
    inject_piece(p); /* without its beginning: nobody is told */
    net_advance(29 * NS_PER_SEC);
    assert_int_equal(S->ip->reass.n, 2);
    net_resolve();
    net_advance(NS_PER_SEC);
    assert_int_equal(S->ip->reass.n, 0);
    assert_int_equal(net_ctr(DROP_FRAG_TIMEOUT), 2);
    assert_int_equal(net_ctr(CTR_FRAG_GIVEN_UP), 2);
    assert_true(net_take(&o));
    assert_int_equal(o.ip.proto, IPPROTO_ICMP_);
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_int_equal(o.l4[0], ICMP_TIME_EXCEEDED);
    assert_int_equal(o.l4[1], 1);
    assert_memory_equal(o.l4 + ICMP_HLEN + IPV4_HLEN, l4, 8);
    assert_false(net_take(&o));
    assert_int_equal(S->wheel.armed, 0);
}

static void repeated_and_overlapping(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(BIG);
    struct piece p = nth(1, n);

    (void)state;
    inject_piece(nth(0, n));
    inject_piece(nth(3, n));
    inject_piece(nth(0, n));
    inject_piece(nth(3, n));
    assert_int_equal(net_ctr(DROP_FRAG_DUP), 2);
    p.off += 8; /* over the beginning of the next */
    p.len = 1480;
    inject_piece(nth(2, n));
    inject_piece(p);
    assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), 4);
    inject_piece(nth(1, n)); /* too late: all of it is gone, and stays so */
    inject_piece(nth(0, n));
    inject_piece(nth(2, n));
    inject_piece(nth(3, n));
    assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), 8);
    assert_int_equal(receive(u), -EAGAIN);
    assert_int_equal(S->ip->reass.bytes, 0);
    net_advance(30 * NS_PER_SEC);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 0); /* in silence */
    for (uint32_t i = 0; i < 4; i++)
        inject_piece(nth(i, n));
    expect_whole(u, BIG);
}

/* A piece of what is there already, cut in another way, brings nothing: it is ignored, as in Linux. One new byte makes it an overlap. */
static void contained_pieces(void **state)
{
    static const struct piece t[] = {
        {.off = 512, .len = 256, .mf = true},   /* within one */
        {.off = 0, .len = 1480, .mf = true},    /* one again */
        {.off = 0, .len = 8, .mf = true},       /* its beginning */
        {.off = 1000, .len = 1000, .mf = true}, /* over two */
        {.off = 1472, .len = 1488, .mf = true}, /* to the end of the second */
        {.off = 4504, .len = 504, .mf = false}, /* the end of the whole, as is known */
    };
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(BIG);

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        inject_piece(nth(0, n));
        inject_piece(nth(1, n));
        inject_piece(nth(3, n));
        for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
            struct piece p = t[i];

            p.id = 77;
            inject_piece(p);
            assert_int_equal(net_ctr(DROP_FRAG_DUP), round * ARRAY_LEN(t) + i + 1);
        }
        if (round == 0) {
            inject_piece(nth(2, n));
            expect_whole(u, BIG);
        } else {
            inject_piece((struct piece){.off = 1472, .len = 1496, .mf = true, .id = 77}); /* eight bytes more */
            assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), 4);
            inject_piece(nth(2, n));
            assert_int_equal(receive(u), -EAGAIN);
        }
    }
    net_advance(30 * NS_PER_SEC);
}

/* Ends that do not agree, as overlaps. */
static void inconsistent_ends(void **state)
{
    static const struct piece t[][2] = {
        {{.off = 1480, .len = 100, .mf = false}, {.off = 2960, .len = 100, .mf = false}}, /* two ends */
        {{.off = 1480, .len = 104, .mf = false}, {.off = 1584, .len = 8, .mf = true}},    /* behind the end */
        {{.off = 2960, .len = 104, .mf = true}, {.off = 1480, .len = 100, .mf = false}},  /* an end before others */
        {{.off = 1480, .len = 104, .mf = false}, {.off = 1480, .len = 104, .mf = true}},  /* the end, and not */
        {{.off = 1480, .len = 104, .mf = true}, {.off = 1480, .len = 104, .mf = false}},
        {{.off = 1480, .len = 104, .mf = false}, {.off = 1400, .len = 104, .mf = true}},
    };

    (void)state;
    (void)dgram(BIG);
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        uint64_t before = net_ctr(DROP_FRAG_OVERLAP);

        inject_piece(t[i][0]);
        inject_piece(t[i][1]);
        assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), before + 2);
        net_advance(30 * NS_PER_SEC);
        assert_int_equal(S->ip->reass.n, 0);
    }
}

static void bad_fragments(void **state)
{
    (void)state;
    (void)dgram(BIG);
    inject_piece((struct piece){.off = 0, .len = 1001, .mf = true});
    inject_piece((struct piece){.off = 1480, .len = 0, .mf = false});
    assert_int_equal(net_ctr(DROP_FRAG_BAD), 2);
    inject_piece((struct piece){.off = 0, .len = 16, .mf = true, .proto = IPPROTO_TCP_});
    inject_piece((struct piece){.off = 8, .len = 16, .mf = true, .proto = IPPROTO_TCP_});
    assert_int_equal(net_ctr(DROP_FRAG_TINY), 2);
    inject_from(NET_PEER, &(struct piece){.off = 65528, .len = 8, .mf = false}, l4); /* 65536 with the header */
    inject_from(NET_PEER, &(struct piece){.off = 65512, .len = 4, .mf = false}, l4);
    assert_int_equal(net_ctr(DROP_FRAG_TOO_BIG), 2);
    assert_int_equal(S->ip->reass.n, 0);
    inject_from(NET_PEER, &(struct piece){.off = 65512, .len = 3, .mf = false}, l4);
    assert_int_equal(S->ip->reass.n, 1);
}

static void congestion_marks(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(2000);
    struct piece p[2] = {nth(0, n), nth(1, n)};

    (void)state;
    /* one mark of many is a mark of the whole (RFC 3168 section 5.3) */
    p[0].tos = 2;
    p[1].tos = 3;
    inject_piece(p[0]);
    inject_piece(p[1]);
    expect_whole(u, 2000);
    /* and cannot be on a packet whose other half does not know of it */
    p[0].tos = 0;
    inject_piece(p[0]);
    inject_piece(p[1]);
    assert_int_equal(net_ctr(DROP_FRAG_ECN), 1);
    assert_int_equal(receive(u), -EAGAIN);
}

static void the_checksum_is_verified(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(2000);

    (void)state;
    l4[1900] ^= 1;
    inject_piece(nth(0, n));
    inject_piece(nth(1, n));
    assert_int_equal(net_ctr(DROP_UDP_CKSUM), 1);
    assert_int_equal(receive(u), -EAGAIN);
}

/* TCP's header and options in two fragments, in small buffers. */
static void a_split_transport_header(void **state)
{
    (void)state;
    memset(l4, 0, 200);
    l4[12] = 15 << 4;
    for (uint8_t i = 20; i < 100; i++)
        l4[i] = i;
    inject_piece((struct piece){.off = 0, .len = 24, .mf = true, .proto = IPPROTO_TCP_});
    inject_piece((struct piece){.off = 24, .len = 76, .mf = false, .proto = IPPROTO_TCP_});
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_int_equal(net_seen.len, 100);
    assert_memory_equal(net_seen.data, l4, 100);
    assert_true(net_seen.in.fragmented);
    assert_false(net_seen.in.l4_cksum_good);
    assert_int_equal(net_seen.in.l4_len, 100);
    assert_int_equal(net_ctr(CTR_PULLUP), 1);
}

static void an_error_quotes_the_whole(void **state)
{
    uint32_t n = dgram(2000);
    struct net_out o;
    struct ipv4_hdr h;

    (void)state;
    net_resolve();
    inject_piece(nth(1, n));
    inject_piece(nth(0, n));
    assert_true(net_take(&o));
    assert_int_equal(o.l4[0], ICMP_UNREACH);
    assert_int_equal(ipv4_parse(o.l4 + ICMP_HLEN, IPV4_HLEN, n + IPV4_HLEN, false, &h), IPV4_OK);
    assert_int_equal(h.total_len, n + IPV4_HLEN);
    assert_false(h.mf);
}

static void flood(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    uint32_t n = dgram(BIG);
    struct piece p = nth(0, n);

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        p.id = (uint16_t)(1000 + i);
        inject_piece(p);
        assert_true(S->ip->reass.n <= 8 && S->ip->reass.bytes <= 256 * KIB);
    }
    assert_int_equal(S->ip->reass.n, 8);
    assert_int_equal(net_ctr(DROP_FRAG_EVICTED), 992);
    /* who comes whole gets through */
    for (uint32_t i = 0; i < 4; i++)
        inject_piece(nth(i, n));
    assert_int_equal(receive(u), BIG);
    net_advance(30 * NS_PER_SEC);
    assert_int_equal(S->ip->reass.n, 0);
    /* memory: the datagram itself does not give way to itself */
    S->ip->reass.conf.memory_bytes = 3 * (sizeof(struct rte_mbuf) + 2048 + RTE_PKTMBUF_HEADROOM);
    for (uint32_t i = 0; i < 4; i++)
        inject_piece(nth(i, n));
    assert_int_equal(S->ip->reass.n, 1);
    assert_int_equal(net_ctr(DROP_FRAG_EVICTED), 992 + 8 - 7 + 1);
}

static void too_many_pieces(void **state)
{
    (void)state;
    (void)dgram(BIG);
    for (uint32_t i = 0; i < 18; i++)
        inject_piece((struct piece){.off = i * 16, .len = 8, .mf = true});
    assert_int_equal(net_ctr(DROP_FRAG_MANY), 17);
    assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), 1); /* the 18th finds a closed door */
    assert_int_equal(S->ip->reass.bytes, 0);
}

static void no_memory(void **state)
{
    uint32_t n = dgram(BIG);

    (void)state;
    for (uint64_t k = 1; k <= 2; k++) {
        S->arena.fail_after = k;
        inject_piece(nth(0, n));
        S->arena.fail_after = 0;
        assert_int_equal(net_ctr(DROP_FRAG_EVICTED), k);
    }
    net_advance(30 * NS_PER_SEC);
}

/* Against a reference: whatever comes, the datagram arrives as a simple assembler has it, or not at all. */
static void random_streams(void **state)
{
    static uint8_t want[2048 + UDP_HLEN], seen[2048 + UDP_HLEN];
    struct udp_pcb *u = bound(0, 0, PORT);
    unsigned whole = 0;
    struct rng r;

    (void)state;
    rng_seed(&r, 4711);
    S->ip->reass.conf.pieces = 64;
    for (uint32_t round = 0; round < 3000; round++) {
        uint32_t n = dgram(64 + (uint32_t)rng_next(&r) % 1500), have = 0, tries = 0;
        bool dirty = false, done = false;
        ssize_t len;

        memcpy(want, l4, n);
        memset(seen, 0, n);
        while (!done && tries++ < 200) {
            uint32_t off = (uint32_t)rng_next(&r) % (n / 8 + 1) * 8, step = 8 * (1 + (uint32_t)rng_next(&r) % 60);
            struct piece p = {.off = off / step * step, .mf = true, .id = (uint16_t)round};

            p.len = MIN(round % 3 ? 160u : step, n - p.off);
            if (round % 3)
                p.off = off / 160 * 160, p.len = MIN(160u, n - p.off);
            if (p.len == 0)
                continue;
            p.mf = p.off + p.len < n;
            inject_piece(p);
            if (p.off < 8 && p.len < 8)
                continue;
            for (uint32_t i = p.off; i < p.off + p.len; i++) {
                have += !seen[i];
                seen[i] = 1;
            }
            done = have == n;
        }
        dirty = net_ctr(DROP_FRAG_OVERLAP) > 0;
        len = receive(u);
        if (len >= 0) {
            assert_int_equal(len, n - UDP_HLEN);
            assert_memory_equal(got, want + UDP_HLEN, (size_t)len);
            whole++;
        } else {
            assert_true(dirty || !done);
        }
        S->ctr.v[DROP_FRAG_OVERLAP] = 0;
        net_advance(31 * NS_PER_SEC);
        assert_int_equal(S->ip->reass.n, 0);
    }
    assert_true(whole > 1500);
}

/* Collects what was sent as one payload; returns its bytes and the number of frames. */
static uint32_t collect(uint8_t *to, uint32_t mtu, unsigned *frames)
{
    uint32_t bytes = 0;
    struct net_out o;
    uint16_t id = 0;

    for (*frames = 0; net_take(&o); (*frames)++) {
        assert_true(o.ip.total_len <= mtu);
        assert_int_equal(o.ip.frag_off, bytes);
        assert_false(o.ip.df);
        if (*frames == 0)
            id = o.ip.id;
        assert_int_equal(o.ip.id, id);
        assert_int_equal(o.ip.mf, txq_count(&net_nif[0].txq) > 0);
        assert_int_equal(o.ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
        assert_true(o.ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
        memcpy(to + bytes, o.l4, o.l4_bytes);
        bytes += o.l4_bytes;
    }
    assert_int_not_equal(id, 0);
    return bytes;
}

/* A datagram in a chain of two buffers, its checksum asked for. */
static void send_big(uint32_t n, uint32_t split)
{
    struct inaddr peer = inaddr_v4(NET_PEER);
    struct ip_out o = {.src = inaddr_v4(NET_US), .dst = peer, .proto = IPPROTO_UDP_, .ttl = 64};
    struct ip_path path = {0};
    struct rte_mbuf *m = pkt_alloc_app(S, split), *rest = pkt_alloc_app(S, n - split);

    assert_int_equal(ip_path_lookup(S, &path, NULL, &peer, false), 0);
    memcpy(pkt_data(m), l4, split);
    memcpy(pkt_data(rest), l4 + split, n - split);
    m->data_len = (uint16_t)split;
    rest->data_len = (uint16_t)(n - split);
    m->next = rest;
    m->nb_segs = 2;
    m->pkt_len = n;
    m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
    m->l4_len = UDP_HLEN;
    ip_output(S, &path, &o, m);
}

static void our_packets_are_cut(void **state)
{
    static const uint32_t splits[] = {100, 1479, 1480, 1481, 4999};
    uint64_t sum;
    uint16_t zero;
    unsigned frames;
    uint32_t n;

    (void)state;
    net_resolve();
    for (unsigned i = 0; i < ARRAY_LEN(splits); i++) {
        n = dgram(BIG);
        memset(l4 + UDP_CKSUM_OFFSET, 0, 2);
        send_big(n, splits[i]);
        assert_int_equal(collect(got, 1500, &frames), n);
        assert_int_equal(frames, 4);
        assert_memory_equal(got + UDP_HLEN, payload, BIG);
        sum = cksum_pseudo_v4(NET_US, NET_PEER, IPPROTO_UDP_, n);
        assert_int_equal(cksum_finish(cksum_add(sum, got, n)), 0);
    }
    assert_int_equal(net_ctr(CTR_FRAG_TX), 20);
    /* a sum of zero is sent as the other zero: none would mean "no checksum" (RFC 768) */
    n = dgram(BIG);
    memset(l4 + UDP_CKSUM_OFFSET, 0, 2);
    memset(l4 + UDP_HLEN, 0, 2);
    zero = cksum_finish(cksum_add(cksum_pseudo_v4(NET_US, NET_PEER, IPPROTO_UDP_, n), l4, n));
    memcpy(l4 + UDP_HLEN, &zero, 2);
    send_big(n, 100);
    assert_int_equal(collect(got, 1500, &frames), n);
    assert_int_equal(got[UDP_CKSUM_OFFSET] << 8 | got[UDP_CKSUM_OFFSET + 1], 0xffff);
    assert_int_equal(net_ctr(CTR_FRAG_TX_DATAGRAMS), 6);
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
    /* a part of a datagram is of no use: all frames or none */
    net_nif[0].txq.tail += TXQ_SLOTS - 3;
    send_big(dgram(BIG), 100);
    assert_int_equal(net_ctr(DROP_TXQ_FULL), 1);
    net_nif[0].txq.tail -= TXQ_SLOTS - 3;
}

static void cutting_without_buffers(void **state)
{
    struct rte_mbuf *hold[512];
    unsigned n = 0;

    (void)state;
    net_resolve();
    while (n < ARRAY_LEN(hold) && (hold[n] = rte_pktmbuf_alloc(net_pools.ind)))
        n++;
    for (unsigned spare = 0; spare < 4; spare++) {
        if (spare)
            rte_pktmbuf_free(hold[--n]);
        send_big(dgram(BIG), 100);
        assert_int_equal(net_ctr(DROP_NO_MBUF), spare + 1);
        assert_int_equal(txq_count(&net_nif[0].txq), 0);
    }
    while (n)
        rte_pktmbuf_free(hold[--n]);
}

/* The frames of one datagram and no others; returns how many. */
static unsigned one_datagram(uint16_t *id)
{
    uint32_t bytes = 0;
    unsigned n = 0;
    struct net_out o;

    do {
        assert_true(net_take(&o));
        assert_int_equal(o.eth.type, ETH_TYPE_IPV4);
        assert_int_equal(o.ip.frag_off, bytes);
        if (n == 0)
            *id = o.ip.id;
        assert_int_equal(o.ip.id, *id);
        bytes += o.l4_bytes;
        n++;
    } while (o.ip.mf);
    return n;
}

/* For a neighbour that is being asked for: all fragments of a datagram wait, or none. */
static void fragments_wait_together(void **state)
{
    struct ip_path path = {0};
    uint16_t id[2], small;
    struct net_out o;

    (void)state;
    S->neigh->conf.queue_limit = 3;
    send_big(dgram(BIG), 100); /* four */
    assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), 1);
    assert_true(net_take(&o)); /* the next one shall find the answer */
    assert_int_equal(o.arp.tpa, NET_PEER);
    assert_false(net_take(&o));
    S->neigh->conf.queue_limit = 9;
    for (unsigned i = 0; i < 3; i++)
        send_big(dgram(BIG), 100);
    assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), 1 + 4); /* the first one, whole */
    assert_int_equal(net_send(&path, NET_PEER, IPPROTO_UDP_, l4, 100, false), 0);
    assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), 1 + 4);
    assert_int_equal(net_send(&path, NET_PEER, IPPROTO_UDP_, l4, 100, false), 0); /* one packet costs a datagram */
    assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), 1 + 8);
    assert_false(net_take(&o));
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    assert_int_equal(one_datagram(&id[0]), 4);
    assert_int_equal(one_datagram(&small), 1);
    assert_int_equal(one_datagram(&small), 1);
    assert_false(net_take(&o));
    send_big(dgram(BIG), 100);
    assert_int_equal(one_datagram(&id[1]), 4);
    assert_int_not_equal(id[0], id[1]);
}

/* Memory for the queue is there for all of them, or the datagram does not wait. */
static void fragments_wait_together_without_memory(void **state)
{
    struct net_out o;

    (void)state;
    S->neigh->conf.queue_limit = 30;
    for (unsigned i = 0; i < 4; i++) { /* 4, 8, then the ring must grow */
        S->arena.fail_after = i == 2;
        send_big(dgram(BIG), 100);
        S->arena.fail_after = 0;
        assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), i >= 2);
    }
    assert_true(net_take(&o));
    assert_int_equal(o.eth.type, ETH_TYPE_ARP);
    net_inject_arp(ARP_REPLY, net_peer_mac, NET_PEER, NET_US);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(one_datagram(&(uint16_t){0}), 4);
    assert_false(net_take(&o));
}

static void a_large_echo(void **state)
{
    unsigned frames;
    uint16_t sum;
    uint32_t n = 4000;

    (void)state;
    net_resolve();
    for (uint32_t i = 0; i < n; i++)
        l4[i] = (uint8_t)(i * 3);
    icmp_build(l4, &(struct icmp_hdr){.type = ICMP_ECHO, .id = 1, .seq = 2});
    sum = cksum_finish(cksum_add(0, l4, n));
    memcpy(l4 + 2, &sum, 2);
    for (uint32_t i = 0; i < 3; i++) {
        struct piece p = nth(i, n);

        p.proto = IPPROTO_ICMP_;
        inject_piece(p);
    }
    assert_int_equal(collect(got, 1500, &frames), n);
    assert_int_equal(frames, 3);
    assert_int_equal(got[0], ICMP_ECHO_REPLY);
    assert_int_equal(cksum_finish(cksum_add(0, got, n)), 0);
    assert_memory_equal(got + ICMP_HLEN, l4 + ICMP_HLEN, n - ICMP_HLEN);
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
}

/* To ourselves as over a link whose frames are large. */
static void a_large_datagram_to_ourselves(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    const struct inaddr lo = inaddr_v4(0x7f000001u);
    struct udp_dest to = UDP_DEST_INIT;
    struct iovec iov = {payload, 60000};

    (void)state;
    (void)dgram(60000);
    to.addr = &lo;
    to.port = PORT;
    assert_int_equal(opt(u, SOL_SOCKET, SO_RCVBUF, 262144), 0);
    assert_int_equal(opt(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT), 0);
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 60000);
    assert_int_equal(ip_loopback_poll(S), 4);
    expect_whole(u, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(any_order),
        NET_TEST(the_largest_datagram),
        NET_TEST(keys_do_not_mix),
        NET_TEST(time_runs_out),
        NET_TEST(repeated_and_overlapping),
        NET_TEST(contained_pieces),
        NET_TEST(inconsistent_ends),
        NET_TEST(bad_fragments),
        NET_TEST(congestion_marks),
        NET_TEST(the_checksum_is_verified),
        NET_TEST(a_split_transport_header),
        NET_TEST(an_error_quotes_the_whole),
        NET_TEST(flood),
        NET_TEST(too_many_pieces),
        NET_TEST(no_memory),
        NET_TEST(random_streams),
        NET_TEST(our_packets_are_cut),
        NET_TEST(cutting_without_buffers),
        NET_TEST(fragments_wait_together),
        NET_TEST(fragments_wait_together_without_memory),
        NET_TEST(a_large_echo),
        NET_TEST(a_large_datagram_to_ourselves),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
