/* Fragments of IPv6, and what is special about them: their errors, atomic ones, headers in memory that is not ours. */
#include "frag_fixture.h"

#include "ip/ip6.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"

static const struct inaddr us6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 1}}, peer6 = {.b = {0x20, 1, 0xd, 0xb8, [15] = 2}};

static int setup6(void **state)
{
    if (net_setup(state) != 0)
        return -1;
    net_nif[0].ip6 = true;
    S->conf.ip6_ext_headers = 8;
    S->conf.ip6_ext_bytes = 512;
    S->conf.ip6_ext_options = 8;
    assert_int_equal(ip6_add_addr(S, &net_nif[0], &us6, 64, ADDR6_STATIC), 0);
    for (uint16_t i = 0; i < net_nif[0].n_addrs6; i++)
        net_nif[0].addr6[i].state = ADDR6_PREFERRED;
    assert_non_null(neigh_learn(S->neigh, 0, &peer6, net_peer_mac, true, S->now_ns));
    net_discard_tx();
    memset(&S->ctr, 0, sizeof(S->ctr));
    return 0;
}

/* A piece of l4 with a fragment header; next: the protocol it names. */
static void inject6(struct piece p)
{
    struct ipv6_hdr h = {.tclass = p.tos, .hop_limit = 9, .next = IPPROTO_FRAGMENT_, .src = peer6, .dst = us6};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    uint8_t b[2048];

    h.payload_len = (uint16_t)(IPV6_FRAG_HLEN + p.len);
    memcpy(eh.dst, net_mac, 6);
    memcpy(eh.src, net_peer_mac, 6);
    eth_build(b, &eh);
    ipv6_build(b + ETH_HLEN, &h);
    ipv6_frag_build(b + ETH_HLEN + IPV6_HLEN, p.proto ? p.proto : IPPROTO_ICMPV6_, p.off, p.mf, 0x10000u + p.id);
    memcpy(b + ETH_HLEN + IPV6_HLEN + IPV6_FRAG_HLEN, l4 + p.off % 32768, p.len);
    net_inject(b, ETH_HLEN + IPV6_HLEN + IPV6_FRAG_HLEN + p.len);
}

static uint32_t echo6(uint32_t n)
{
    uint16_t sum;

    for (uint32_t i = 0; i < n; i++)
        l4[i] = (uint8_t)(i * 5);
    icmp6_build(l4, &(struct icmp6_hdr){.type = ICMP6_ECHO, .word = 0x10002});
    sum = cksum_finish(cksum_add(cksum_pseudo_v6(&peer6, &us6, IPPROTO_ICMPV6_, n), l4, n));
    memcpy(l4 + ICMP6_CKSUM_OFFSET, &sum, 2);
    return n;
}

/* The next packet that was sent, from its IPv6 header on; its bytes, 0 when there is none. */
static uint32_t take6(uint8_t *to)
{
    struct txq *q = &net_nif[0].txq;
    uint32_t n = 0;
    struct rte_mbuf *m;

    if (txq_count(q) == 0)
        return 0;
    m = q->slot[q->head++ & (TXQ_SLOTS - 1)];
    for (const struct rte_mbuf *seg = m; seg; seg = seg->next) {
        memcpy(to + n, rte_pktmbuf_mtod(seg, const uint8_t *), seg->data_len);
        n += seg->data_len;
    }
    rte_pktmbuf_free(m);
    n -= ETH_HLEN;
    memmove(to, to + ETH_HLEN, n);
    /* the stack also looks for its neighbour, and reports its groups */
    return to[6] == IPPROTO_HOPOPTS_ || (to[6] == IPPROTO_ICMPV6_ && to[40] >= ICMP6_ND_FIRST && to[40] <= ICMP6_ND_LAST) ? take6(to) : n;
}

/* The echo reply of n bytes, cut by the MTU. */
static void expect_echo6(uint32_t n)
{
    uint32_t bytes = 0, len;
    uint8_t b[2048];

    while ((len = take6(b))) {
        uint16_t field = (uint16_t)(b[42] << 8 | b[43]);

        assert_true(len <= 1500);
        assert_int_equal(b[6], IPPROTO_FRAGMENT_);
        assert_int_equal(b[40], IPPROTO_ICMPV6_);
        assert_int_equal(field & 0xfff8, bytes);
        assert_int_equal(field & 1, bytes + len - 48 < n);
        memcpy(got + bytes, b + 48, len - 48);
        bytes += len - 48;
    }
    assert_int_equal(bytes, n);
    assert_int_equal(got[0], ICMP6_ECHO_REPLY);
    assert_memory_equal(got + ICMP6_HLEN, l4 + ICMP6_HLEN, n - ICMP6_HLEN);
    assert_int_equal(cksum_finish(cksum_add(cksum_pseudo_v6(&us6, &peer6, IPPROTO_ICMPV6_, n), got, n)), 0);
}

static void a_large_echo6(void **state)
{
    static const uint8_t order[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
    uint32_t n = echo6(4000);

    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(order); k++) {
        for (unsigned i = 0; i < 3; i++)
            inject6(nth(order[k][i], n));
        expect_echo6(n);
    }
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
    assert_int_equal(net_ctr(CTR_FRAG_REASSEMBLED), 3);
    assert_int_equal(S->ip->reass.n, 0);
}

/*
 * The first fragment stands in memory that is not ours: its headers get a buffer, the payload is not copied. On the way back the reply
 * refers to that memory as well.
 */
static void headers_in_external_memory(void **state)
{
    uint32_t n = echo6(4000);

    (void)state;
    for (unsigned first = 0; first < 3; first++) {
        for (unsigned i = 0; i < 3; i++) {
            net_external = i == first;
            inject6(nth(i, n));
        }
        expect_echo6(n);
    }
    assert_int_equal(net_ctr(DROP_PULLUP), 0);
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
    assert_int_equal(net_ctr(CTR_FRAG_REASSEMBLED), 3);
}

/* A transport header of which the first fragment has a part. */
static void a_split_header_in_external_memory(void **state)
{
    (void)state;
    net_external = true;
    memset(l4, 0, 200);
    l4[12] = 10 << 4; /* 40 bytes */
    inject6((struct piece){.off = 0, .len = 40, .mf = true, .proto = IPPROTO_TCP_});
    inject6((struct piece){.off = 40, .len = 60, .mf = false, .proto = IPPROTO_TCP_});
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_int_equal(net_seen.in.l4_len, 100);
    assert_memory_equal(net_seen.data, l4, 100);
}

/* As for IPv4: tests/unit/test_frag.c. */
static void fragments_wait_together6(void **state)
{
    struct inaddr other = peer6;
    struct ip_out o = {.src = us6, .proto = IPPROTO_UDP_, .ttl = 9};
    struct ip_path path = {0};
    unsigned frames = 0;
    uint8_t b[2048];

    (void)state;
    other.b[15] = 3;
    o.dst = other;
    assert_int_equal(ip_path_lookup(S, &path, NULL, &other, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct rte_mbuf *m = pkt_alloc_app(S, 4000); /* three frames */

        m->data_len = 4000;
        m->pkt_len = 4000;
        S->neigh->conf.queue_limit = i == 0 ? 2 : 5;
        ip_output(S, &path, &o, m);
        assert_int_equal(net_ctr(DROP_NEIGH_QUEUE), i == 0 ? 1 : i == 1 ? 1 : 4);
    }
    assert_int_equal(take6(b), 0);
    neigh_send_parked(S, &net_nif[0], neigh_learn(S->neigh, 0, &other, net_peer_mac, false, S->now_ns));
    for (; take6(b) != 0; frames++)
        assert_int_equal((b[42] << 8 | b[43]) & 0xfff8, frames * 1448);
    assert_int_equal(frames, 3);
}

/* In order, out of order, repeated, contained, overlapping: an echo is answered, or not. */
static void pieces_of_ipv6(void **state)
{
    static const struct {
        struct piece p[5];
        bool answered;
    } t[] = {
        {{{.off = 0, .len = 1000, .mf = true}, {.off = 1000, .len = 1000, .mf = true}, {.off = 2000, .len = 1000}}, true},
        {{{.off = 2000, .len = 1000}, {.off = 0, .len = 1000, .mf = true}, {.off = 1000, .len = 1000, .mf = true}}, true},
        {{{.off = 0, .len = 1000, .mf = true},
          {.off = 0, .len = 1000, .mf = true},
          {.off = 1000, .len = 1000, .mf = true},
          {.off = 2000, .len = 1000}},
         true},
        {{{.off = 0, .len = 1000, .mf = true},
          {.off = 512, .len = 256, .mf = true},
          {.off = 1000, .len = 1000, .mf = true},
          {.off = 2000, .len = 1000}},
         true},
        {{{.off = 0, .len = 1000, .mf = true},
          {.off = 512, .len = 1000, .mf = true},
          {.off = 1000, .len = 1000, .mf = true},
          {.off = 2000, .len = 1000}},
         false},
    };
    uint8_t b[2048];

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        uint32_t n = echo6(3000);

        for (unsigned k = 0; k < 5 && t[i].p[k].len; k++) {
            struct piece p = t[i].p[k];

            p.id = (uint16_t)(100 + i);
            inject6(p);
        }
        if (t[i].answered)
            expect_echo6(n);
        else
            assert_int_equal(take6(b), 0);
    }
    net_advance(60 * NS_PER_SEC);
}

/*
 * As long as IPv6 can say. With the fragment header that its headers keep it is longer than the field can: what is quoted of it says the
 * most there is.
 */
static void the_largest_datagram6(void **state)
{
    const struct udp_hdr h = {.sport = 9, .dport = 4711, .len = UINT16_MAX};
    uint64_t sum = cksum_pseudo_v6(&peer6, &us6, IPPROTO_UDP_, UINT16_MAX);
    uint8_t b[2048];

    (void)state;
    S->conf.frag_pieces = S->ip->reass.conf.pieces = 64;
    memset(l4, 0, 32768);
    udp_build(l4, &h);
    sum = cksum_add(cksum_add(sum, l4, 32768), l4, 32767) % 65535; /* the header stands twice in what inject6 sends */
    sum = (65535 - sum) * 32768 % 65535;                           /* half of what lacks */
    memcpy(l4 + UDP_CKSUM_OFFSET, &(uint16_t){(uint16_t)sum}, 2);
    for (uint32_t off = 0; off < UINT16_MAX; off += 1024)
        inject6((struct piece){.off = off, .len = MIN(1024u, UINT16_MAX - off), .mf = off < 64512, .id = 7, .proto = IPPROTO_UDP_});
    assert_int_equal(net_ctr(CTR_FRAG_REASSEMBLED), 1);
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 1);
    assert_int_equal(take6(b), 1280);
    assert_int_equal(b[40], ICMP6_UNREACH);
    assert_int_equal(b[48 + 4] << 8 | b[48 + 5], UINT16_MAX);
}

/* The error that came back for a fragment. */
static void expect_error6(uint8_t type, uint8_t code, uint32_t pointer)
{
    uint8_t b[2048];

    assert_true(take6(b) > 48);
    assert_int_equal(b[6], IPPROTO_ICMPV6_);
    assert_int_equal(b[40], type);
    assert_int_equal(b[41], code);
    assert_int_equal(b[44] << 24 | b[45] << 16 | b[46] << 8 | b[47], pointer);
    assert_int_equal(take6(b), 0);
}

static void bad_fragments6(void **state)
{
    (void)state;
    (void)echo6(4000);
    inject6((struct piece){.off = 1480, .len = 1001, .mf = true, .proto = IPPROTO_UDP_});
    assert_int_equal(net_ctr(DROP_FRAG_BAD), 1);
    expect_error6(ICMP6_PARAM_PROBLEM, 0, 4);
    inject6((struct piece){.off = 65528, .len = 8, .mf = false, .proto = IPPROTO_UDP_});
    assert_int_equal(net_ctr(DROP_FRAG_TOO_BIG), 1);
    expect_error6(ICMP6_PARAM_PROBLEM, 0, 42);
    /* the first one has all headers (RFC 7112) */
    inject6((struct piece){.off = 0, .len = 16, .mf = true, .proto = IPPROTO_TCP_});
    expect_error6(ICMP6_PARAM_PROBLEM, 3, 0);
    /* an overlap is met with silence (RFC 5722) */
    inject6((struct piece){.off = 0, .len = 1480, .mf = true});
    inject6((struct piece){.off = 1472, .len = 1480, .mf = true});
    assert_int_equal(net_ctr(DROP_FRAG_OVERLAP), 2);
    net_advance(60 * NS_PER_SEC);
    assert_int_equal(take6(got), 0);
    assert_int_equal(S->ip->reass.n, 0);
}

static void time_runs_out6(void **state)
{
    (void)state;
    (void)echo6(4000);
    inject6((struct piece){.off = 0, .len = 1480, .mf = true});
    net_advance(59 * NS_PER_SEC);
    assert_int_equal(S->ip->reass.n, 1);
    assert_non_null(neigh_learn(S->neigh, 0, &peer6, net_peer_mac, true, S->now_ns));
    net_advance(NS_PER_SEC);
    assert_int_equal(S->ip->reass.n, 0);
    expect_error6(ICMP6_TIME_EXCEEDED, 1, 0);
}

/* RFC 6946: a whole packet, whatever is kept with the same identification; RFC 6980 wants to know of both kinds. */
static void atomic_fragments(void **state)
{
    (void)state;
    memset(l4, 0, 200);
    l4[12] = 5 << 4;
    inject6((struct piece){.off = 0, .len = 104, .mf = true, .proto = IPPROTO_TCP_});
    inject6((struct piece){.off = 0, .len = 100, .mf = false, .proto = IPPROTO_TCP_});
    assert_int_equal(net_seen.tcp_inputs, 1);
    assert_true(net_seen.in.fragmented);
    assert_int_equal(S->ip->reass.n, 1);
    inject6((struct piece){.off = 104, .len = 10, .mf = false, .proto = IPPROTO_TCP_});
    assert_int_equal(net_seen.tcp_inputs, 2);
    assert_true(net_seen.in.fragmented);
    assert_int_equal(net_seen.in.l4_len, 114);
}

#define TEST6(f) cmocka_unit_test_setup_teardown(f, setup6, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST6(a_large_echo6),
        TEST6(headers_in_external_memory),
        TEST6(a_split_header_in_external_memory),
        TEST6(fragments_wait_together6),
        TEST6(pieces_of_ipv6),
        TEST6(the_largest_datagram6),
        TEST6(bad_fragments6),
        TEST6(time_runs_out6),
        TEST6(atomic_fragments),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
