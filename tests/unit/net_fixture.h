/*
 * A stack of link, IP and UDP without a port: frames are injected with eth_input and read from the transmit queue. TCP and
 * the socket layer are stubs that record what they are told. Every test ends with all buffers back in their pools.
 */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eal.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_frag.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd.h"
#include "link/acd.h"
#include "link/arp.h"
#include "link/eth.h"
#include "link/neigh.h"
#include "link/resolve.h"
#include "sock/sock.h"
#include "wire/arp.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

#define NET_US 0x0a000001u   /* 10.0.0.1/24 on interface 0 */
#define NET_PEER 0x0a000002u /* its neighbour */
#define NET_GW 0x0a0000feu
#define NET_FAR 0xc0a80705u /* 192.168.7.5, behind the gateway */
#define NET_US1 0x0a010001u /* 10.1.0.1/16 on interface 1 */
#define NET_BCAST 0x0a0000ffu

static const uint8_t net_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
static const uint8_t net_mac1[6] = {0x02, 0, 0, 0, 0, 0x11};
static const uint8_t net_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
static const uint8_t net_gw_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};
static const uint8_t net_bcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct z_stack *S;
static struct netif net_nif[2];
static struct pkt_pools net_pools;

static bool net_external; /* received frames stand in memory that is not ours */

/* What the stubs saw. */
static struct {
    struct ip_in in;
    uint8_t data[2048];
    uint32_t len;
    unsigned tcp_inputs, tcp_errors, readable, writable;
    struct icmp_err err;
    struct sock *sk;
} net_seen;

void tcp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    const void *p;

    net_seen.in = *in;
    net_seen.len = m->pkt_len;
    p = rte_pktmbuf_read(m, 0, MIN(m->pkt_len, (uint32_t)sizeof(net_seen.data)), net_seen.data);
    assert_non_null(p);
    if (p != net_seen.data)
        memcpy(net_seen.data, p, MIN(m->pkt_len, (uint32_t)sizeof(net_seen.data)));
    net_seen.tcp_inputs++;
    pkt_drop(s, m, DROP_TCP_PURE_ACK);
}

static void (*net_on_tcp_error)(void);

int tcp_forwards(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    (void)s, (void)laddr, (void)raddr, (void)lport, (void)rport;
    return -1;
}

void tcp_icmp_error(struct z_stack *s, const struct icmp_err *e)
{
    (void)s;
    net_seen.err = *e;
    net_seen.tcp_errors++;
    if (net_on_tcp_error)
        net_on_tcp_error();
}

void sock_on_readable(struct z_stack *s, struct sock *sk)
{
    (void)s;
    net_seen.sk = sk;
    net_seen.readable++;
}

void sock_on_writable(struct z_stack *s, struct sock *sk)
{
    (void)s;
    net_seen.sk = sk;
    net_seen.writable++;
}

void sock_on_closed(struct z_stack *s, struct sock *sk)
{
    (void)s;
    net_seen.sk = sk;
    net_seen.readable++;
    net_seen.writable++;
}

/* 0.0.0.0, with ROUTE_PLEN_V4 the default route */
static const struct inaddr net_default = {.b = {[10] = 0xff, [11] = 0xff}};

static inline int net_group_setup(void **state)
{
    static char *argv[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "-m", "64", "--log-level=3", "--no-telemetry"};
    const struct pkt_pool_sizes sizes = {.rx = 512, .rx_room_bytes = 2048, .hdr = 512, .ind = 512, .app = {128, 8, 4}};

    (void)state;
    if (rte_eal_init((int)ARRAY_LEN(argv), argv) < 0 || pkt_init() != 0)
        return -1;
    return pkt_pools_create(&net_pools, "net", &sizes, NULL, SOCKET_ID_ANY);
}

static inline int net_group_teardown(void **state)
{
    (void)state;
    pkt_pools_free(&net_pools);
    return rte_eal_cleanup();
}

static inline void net_discard_tx(void)
{
    for (int i = 0; i < 2; i++)
        while (net_nif[i].txq.head != net_nif[i].txq.tail)
            rte_pktmbuf_free(net_nif[i].txq.slot[net_nif[i].txq.head++ & (TXQ_SLOTS - 1)]);
}

static inline int net_setup(void **state)
{
    struct stack_conf *c;

    (void)state;
    S = calloc(1, sizeof(*S));
    S->now_ns = S->heard_ns = 1000 * NS_PER_SEC;
    c = &S->conf;
    c->neigh_limit = 8;
    c->neigh_queue_limit = 3;
    c->arp_reachable_ns = 30 * NS_PER_SEC;
    c->arp_retry_ns = NS_PER_SEC;
    c->arp_max_tries = 3;
    c->arp_reply_rate = 1000;
    c->nd_reply_rate = 1000;
    c->nd_delay_ns = 5 * NS_PER_SEC;
    c->mcast_group_limit = 16;
    c->mcast_source_limit = 64;
    c->icmp_error_rate = 10;
    c->ttl = 64;
    c->route_limit = 16;
    c->frag_limit = 8;
    c->frag_pieces = 16;
    c->frag_memory_bytes = 256 * KIB;
    c->rcv_limit_bytes = 1024 * 1024;
    c->udp_rcvbuf_bytes = 64 * 1024;
    c->udp_errors = 8;
    c->port_first = 40000;
    c->port_last = 40007;
    c->pmtu_limit = 64;
    c->pmtu_expire_ns = 600 * NS_PER_SEC;
    S->pools = net_pools;
    assert_int_equal(arena_init(&S->arena, 16 * MIB), 0);
    wheel_init(&S->wheel, S->now_ns);
    rng_seed(&S->rng, 1);
    for (int i = 0; i < 2; i++) {
        memset(&net_nif[i], 0, sizeof(net_nif[i]));
        memcpy(net_nif[i].mac, i ? net_mac1 : net_mac, 6);
        net_nif[i].index = (uint8_t)i;
        net_nif[i].mtu = 1500;
        S->netif[i] = &net_nif[i];
    }
    S->n_netifs = 2;
    assert_int_equal(link_init(S), 0);
    assert_int_equal(ip_init(S), 0);
    assert_int_equal(udp_state_init(S), 0);
    assert_int_equal(ip_add_addr(S, &net_nif[0], NET_US, 0xffffff00u, 0), 0);
    assert_int_equal(ip_add_addr(S, &net_nif[1], NET_US1, 0xffff0000u, 0), 0);
    assert_int_equal(ip_add_gateway(S, &net_nif[0], NET_GW), 0);
    net_discard_tx();
    memset(&net_seen, 0, sizeof(net_seen));
    net_on_tcp_error = NULL;
    net_external = false;
    memset(&S->ctr, 0, sizeof(S->ctr));
    return 0;
}

static inline int net_teardown(void **state)
{
    (void)state;
    net_discard_tx();
    for (int i = 0; i < 2; i++)
        acd_stop(S, &net_nif[i]);
    udp_state_fini(S);
    ip_fini(S);
    link_fini(S);
    assert_int_equal(S->arena.used_bytes, 0);
    assert_int_equal(S->wheel.armed, 0);
    arena_fini(&S->arena);
    free(S);
    assert_int_equal(pkt_pools_in_use(&net_pools), 0);
    return 0;
}

#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

static inline uint64_t net_ctr(enum ctr c)
{
    return S->ctr.v[c];
}

/* The wheel fires up to one tick late: steps are a tick longer than what they wait for. */
static inline void net_advance(uint64_t ns)
{
    struct wheel_node *n;

    S->heard_ns = S->now_ns += ns + (1u << WHEEL_TICK_SHIFT);
    while ((n = wheel_expire(&S->wheel, S->now_ns))) {
        switch (n->kind) {
        case TIMER_NEIGH:
            neigh_timer(S, n);
            break;
        case TIMER_FRAG:
            ip_frag_timer(S, n);
            break;
        case TIMER_ROUTE:
            ip_route_timer(S, n);
            break;
        case TIMER_ACD:
            acd_timer(S, n);
            break;
        case TIMER_ND:
            nd_timer(S, n);
            break;
        case TIMER_MCAST:
            mcast_timer(S, n);
            break;
        default:
            break;
        }
    }
}

/* Memory that is not ours to write: at its end it must be as it was. */
struct net_ext {
    struct rte_mbuf_ext_shared_info sh;
    uint32_t len;
    uint8_t was[2048];
};

static inline void net_ext_free(void *addr, void *ext)
{
    struct net_ext *e = ext;

    assert_memory_equal(addr, e->was, e->len);
    free(addr);
    free(e);
}

/* A received buffer in such memory, of exactly its size. */
static inline struct rte_mbuf *net_mbuf_ext(const void *p, uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(net_pools.ind);
    struct net_ext *e = malloc(sizeof(*e));
    void *copy = malloc(len);

    assert_true(m && e && copy && len <= sizeof(e->was));
    memcpy(copy, p, len);
    memcpy(e->was, p, len);
    e->len = len;
    e->sh.free_cb = net_ext_free;
    e->sh.fcb_opaque = e;
    rte_mbuf_ext_refcnt_set(&e->sh, 1);
    rte_pktmbuf_attach_extbuf(m, copy, (rte_iova_t)(uintptr_t)copy, (uint16_t)len, &e->sh);
    m->data_off = 0;
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    return m;
}

/* A received buffer; split > 0: the first segment has that many bytes, the second the rest. */
static inline struct rte_mbuf *net_mbuf(const void *p, uint32_t len, uint32_t split)
{
    uint32_t n = split && split < len ? split : len;
    struct rte_mbuf *m = rte_pktmbuf_alloc(net_pools.rx);

    assert_non_null(m);
    memcpy(pkt_data(m), p, n);
    m->data_len = (uint16_t)n;
    m->pkt_len = len;
    if (n < len) {
        m->next = rte_pktmbuf_alloc(net_pools.rx);
        assert_non_null(m->next);
        memcpy(pkt_data(m->next), (const uint8_t *)p + n, len - n);
        m->next->data_len = (uint16_t)(len - n);
        m->nb_segs = 2;
    }
    return m;
}

static inline void net_inject_split(const void *p, uint32_t len, uint32_t split)
{
    eth_input(S, &net_nif[0], net_external ? net_mbuf_ext(p, len) : net_mbuf(p, len, split));
}

static inline void net_inject(const void *p, uint32_t len)
{
    net_inject_split(p, len, 0);
}

/* An IPv4 frame from the peer; the caller may damage it before it is injected. */
struct net_frame {
    uint8_t b[2048];
    uint32_t len;
};

static inline void net_ip_cksum(struct net_frame *f)
{
    uint16_t sum;
    uint8_t *ip = f->b + ETH_HLEN;

    ip[10] = ip[11] = 0;
    sum = cksum_finish(cksum_add(0, ip, (ip[0] & 15u) * 4u));
    memcpy(ip + 10, &sum, 2);
}

static inline void net_frame_ip(struct net_frame *f, uint32_t src, uint32_t dst, uint8_t proto, const void *payload, uint32_t len)
{
    struct eth_hdr eh = {.type = ETH_TYPE_IPV4};
    struct ipv4_hdr h = {.ttl = 61, .tos = 0x10, .proto = proto, .id = 7, .src = src, .dst = dst};

    h.total_len = (uint16_t)(IPV4_HLEN + len);
    memcpy(eh.dst, net_mac, 6);
    memcpy(eh.src, net_peer_mac, 6);
    eth_build(f->b, &eh);
    ipv4_build(f->b + ETH_HLEN, &h, true);
    if (len)
        memcpy(f->b + ETH_HLEN + IPV4_HLEN, payload, len);
    f->len = ETH_HLEN + IPV4_HLEN + len;
}

static inline void net_frame_udp(struct net_frame *f, uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport, const void *p,
                                 uint32_t len)
{
    struct udp_hdr h = {.sport = sport, .dport = dport, .len = (uint16_t)(UDP_HLEN + len)};
    uint8_t l4[1600];
    uint16_t sum;

    udp_build(l4, &h);
    if (len)
        memcpy(l4 + UDP_HLEN, p, len);
    sum = cksum_finish(cksum_add(cksum_pseudo_v4(src, dst, IPPROTO_UDP_, h.len), l4, h.len));
    memcpy(l4 + 6, &sum, 2);
    net_frame_ip(f, src, dst, IPPROTO_UDP_, l4, h.len);
}

static inline void net_frame_icmp(struct net_frame *f, uint32_t src, uint32_t dst, uint8_t type, uint8_t code, uint16_t id, uint16_t seq,
                                  const void *p, uint32_t len)
{
    struct icmp_hdr h = {.type = type, .code = code, .id = id, .seq = seq};
    uint8_t l4[1600];
    uint16_t sum;

    icmp_build(l4, &h);
    if (len)
        memcpy(l4 + ICMP_HLEN, p, len);
    sum = cksum_finish(cksum_add(0, l4, ICMP_HLEN + len));
    memcpy(l4 + 2, &sum, 2);
    net_frame_ip(f, src, dst, IPPROTO_ICMP_, l4, ICMP_HLEN + len);
}

static inline void net_inject_frame(const struct net_frame *f)
{
    net_inject(f->b, f->len);
}

static inline void net_inject_arp_full(const uint8_t dst[6], const uint8_t eth_src[6], uint16_t op, const uint8_t sha[6], uint32_t spa,
                                       uint32_t tpa)
{
    struct eth_hdr eh = {.type = ETH_TYPE_ARP};
    struct arp_pkt a = {.op = op, .spa = spa, .tpa = tpa};
    uint8_t b[60] = {0};

    memcpy(eh.dst, dst, 6);
    memcpy(eh.src, eth_src, 6);
    memcpy(a.sha, sha, 6);
    memcpy(a.tha, op == ARP_REPLY ? net_mac : (const uint8_t[6]){0}, 6);
    eth_build(b, &eh);
    arp_build(b + ETH_HLEN, &a);
    net_inject(b, sizeof(b));
}

static inline void net_inject_arp(uint16_t op, const uint8_t sha[6], uint32_t spa, uint32_t tpa)
{
    net_inject_arp_full(op == ARP_REQUEST ? net_bcast_mac : net_mac, sha, op, sha, spa, tpa);
}

/* The next frame of an interface's transmit queue as bytes; its length, 0 when the queue is empty. */
struct net_out {
    uint8_t b[2048];
    uint32_t len;
    uint64_t ol_flags;
    uint16_t l2_len, l3_len, l4_len;
    struct eth_hdr eth;
    struct ipv4_hdr ip;
    struct arp_pkt arp;
    const uint8_t *l4;
    uint32_t l4_bytes;
};

static inline bool net_take_nif(int i, struct net_out *o)
{
    struct txq *q = &net_nif[i].txq;
    struct rte_mbuf *m;

    memset(o, 0, sizeof(*o));
    if (txq_count(q) == 0)
        return false;
    m = q->slot[q->head++ & (TXQ_SLOTS - 1)];
    o->ol_flags = m->ol_flags;
    o->l2_len = m->l2_len;
    o->l3_len = m->l3_len;
    o->l4_len = m->l4_len;
    rte_mbuf_sanity_check(m, 1);
    assert_true(m->pkt_len <= sizeof(o->b));
    for (const struct rte_mbuf *seg = m; seg; seg = seg->next) {
        memcpy(o->b + o->len, rte_pktmbuf_mtod(seg, const uint8_t *), seg->data_len);
        o->len += seg->data_len;
    }
    assert_int_equal(o->len, m->pkt_len);
    rte_pktmbuf_free(m);
    assert_true(eth_parse(o->b, o->len, &o->eth));
    if (o->eth.type == ETH_TYPE_ARP) {
        assert_true(arp_parse(o->b + ETH_HLEN, o->len - ETH_HLEN, &o->arp));
    } else {
        /* the port fills the header checksum in */
        assert_int_equal(ipv4_parse(o->b + ETH_HLEN, o->len - ETH_HLEN, o->len - ETH_HLEN, true, &o->ip), IPV4_OK);
        assert_int_equal(o->ip.total_len, o->len - ETH_HLEN);
        o->l4 = o->b + ETH_HLEN + o->ip.hlen;
        o->l4_bytes = (uint32_t)o->ip.total_len - o->ip.hlen;
    }
    return true;
}

static inline bool net_take(struct net_out *o)
{
    return net_take_nif(0, o);
}

/* Teaches the stack where the peer and the gateway are. */
static inline void net_resolve(void)
{
    net_inject_arp(ARP_REQUEST, net_peer_mac, NET_PEER, NET_US);
    net_inject_arp(ARP_REQUEST, net_gw_mac, NET_GW, NET_US);
    net_discard_tx();
}

/* Sends len bytes of proto to dst by ip_output, from our address. */
static inline int net_send(struct ip_path *path, uint32_t dst, uint8_t proto, const void *p, uint32_t len, bool df)
{
    struct inaddr to = inaddr_v4(dst);
    struct ip_out o = {.dst = to, .proto = proto, .ttl = 64, .tos = 0, .df = df};
    struct rte_mbuf *m;
    int err = ip_path_valid(S, path) ? 0 : ip_path_lookup(S, path, NULL, &to, false);

    if (err)
        return err;
    o.src = path->src;
    m = pkt_alloc_app(S, len);
    assert_non_null(m);
    memcpy(pkt_data(m), p, len);
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    ip_output(S, path, &o, m);
    return 0;
}

#endif
