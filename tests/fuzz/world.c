#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "base/check.h"
#include "sim.h"
#include "tcp/conn.h"
#include "wire/arp.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"

static const uint8_t us_mac[6] = {0x02, 0, 0, 0, 0, 1}, peer_mac[6] = {0x02, 0, 0, 0, 0, 2};

static struct world the_world;

static struct world *world_of(struct port *p)
{
    return container_of_ptr(p, struct world, port);
}

static uint16_t w_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct world *w = world_of(p);
    uint16_t k = (uint16_t)MIN(w->n_rx, (unsigned)n);

    memcpy(m, w->rx, k * sizeof(m[0]));
    memmove(w->rx, w->rx + k, (w->n_rx - k) * sizeof(m[0]));
    w->n_rx -= k;
    return k;
}

static void answer(struct world *w, const uint8_t *f, uint32_t len)
{
    struct arp_pkt q, a;
    uint8_t out[ETH_HLEN + ARP_LEN];
    struct eth_hdr eh = {.type = ETH_TYPE_ARP};

    if (f[12] == ETH_TYPE_IPV6 >> 8)
        world_nd_answer(w, f + ETH_HLEN, len - ETH_HLEN);
    if (!arp_parse(f + ETH_HLEN, len - ETH_HLEN, &q) || q.op != ARP_REQUEST || q.tpa != WORLD_PEER)
        return;
    a = (struct arp_pkt){.op = ARP_REPLY, .spa = WORLD_PEER, .tpa = WORLD_US};
    memcpy(a.sha, peer_mac, 6);
    memcpy(a.tha, us_mac, 6);
    memcpy(eh.dst, us_mac, 6);
    memcpy(eh.src, peer_mac, 6);
    eth_build(out, &eh);
    arp_build(out + ETH_HLEN, &a);
    world_frame(w, (struct world_rx){.exact = true}, out, sizeof(out));
}

/* What the stack sends must be well formed, down to the checksums. */
static void check_sent(const uint8_t *f, uint32_t len)
{
    struct ipv4_hdr h;
    struct eth_hdr eh;
    uint32_t l4_len;
    uint64_t sum;

    Z_CHECK(eth_parse(f, len, &eh));
    Z_CHECK(memcmp(eh.src, us_mac, 6) == 0);
    if (eh.type == ETH_TYPE_ARP)
        return;
    if (eh.type == ETH_TYPE_IPV6) {
        world_check_sent6(f + ETH_HLEN, len - ETH_HLEN);
        return;
    }
    Z_CHECK(eh.type == ETH_TYPE_IPV4);
    Z_CHECK(ipv4_parse(f + ETH_HLEN, len - ETH_HLEN, len - ETH_HLEN, false, &h) == IPV4_OK);
    Z_CHECK(h.total_len == len - ETH_HLEN);
    if (h.mf || h.frag_off != 0)
        return;
    l4_len = (uint32_t)h.total_len - h.hlen;
    sum = h.proto == IPPROTO_ICMP_ || h.proto == IPPROTO_IGMP_ ? 0 : cksum_pseudo_v4(h.src, h.dst, h.proto, l4_len);
    Z_CHECK(cksum_finish(cksum_add(sum, f + ETH_HLEN + h.hlen, l4_len)) == 0);
}

static uint16_t w_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    static uint8_t flat[65600];
    struct world *w = world_of(p);

    for (uint16_t i = 0; i < n; i++) {
        uint32_t len = 0;

        for (struct rte_mbuf *seg = m[i]; seg != NULL; seg = seg->next) {
            Z_CHECK(len + seg->data_len <= sizeof(flat));
            memcpy(flat + len, rte_pktmbuf_mtod(seg, uint8_t *), seg->data_len);
            len += seg->data_len;
        }
        Z_CHECK(len == m[i]->pkt_len);
        rte_pktmbuf_free(m[i]);
        check_sent(flat, len);
        w->n_tx++;
        if (w->answer)
            answer(w, flat, len);
        if (w->sent != NULL)
            w->sent(w->arg, flat, len);
    }
    return n;
}

static void w_nothing(struct port *p)
{
    (void)p;
}

static bool w_up(struct port *p)
{
    (void)p;
    return true;
}

static uint64_t w_missed(struct port *p)
{
    (void)p;
    return 0;
}

static const struct port_ops world_ops = {
    .rx = w_rx, .tx = w_tx, .reclaim = w_nothing, .link_up = w_up, .missed = w_missed, .close = w_nothing};

static void start(struct world *w)
{
    struct stack_conf c;
    int err = 0;

    Z_CHECK(sim_eal_init() == 0);
    stack_conf_init(&c);
    c.arp_probe = ARP_PROBE_OFF; /* no frame that the test did not cause */
    c.seed = 1;
    c.ipv6 = false;
    c.pools = (struct pkt_pool_sizes){.rx = 512, .rx_room_bytes = 2048, .hdr = 512, .ind = 1024, .app = {256, 16, 4}};
    stack_conf_shares(&c);
    c.conn_memory_bytes = 16 * MIB;
    c.max_connections = 64;
    c.max_timewait = 4;
    c.max_sockets = 64;
    c.somaxconn = 8;
    c.reass_blocks = 8;
    c.sent_records = 64;
    c.neigh_limit = 8;
    c.loan_quota_bytes = 64 * KIB;
    w->s = stack_create(&c, "fuzz", NS_PER_SEC, &err);
    Z_CHECK(w->s != NULL);
    w->port = (struct port){.ops = &world_ops, .mtu = 1500};
    w->port.caps = port_mem_caps();
    w->port.caps.max_mtu = 1500;
    w->port.linear_pool = w->s->pools.app[0]; /* a reply may have more pieces than a frame */
    memcpy(w->port.mac, us_mac, 6);
    w->nif = stack_add_netif(w->s, &w->port, "fuzz0");
    Z_CHECK(w->nif != NULL && stack_add_addr(w->s, w->nif, WORLD_US, 0xffffff00u, 0) == 0);
    w->answer = true;
    world_hello(w);
    world_turn(w, 0);
    w->arena_bytes = w->s->arena.used_bytes;
}

struct world *world_get(void)
{
    if (the_world.s == NULL)
        start(&the_world);
    return &the_world;
}

void world_end(void)
{
    stack_destroy(the_world.s);
    the_world = (struct world){0};
    rte_eal_cleanup();
}

static void ext_free(void *addr, void *shared)
{
    free(addr);
    free(shared);
}

static struct rte_mbuf *exact_mbuf(struct world *w, const uint8_t *frame, uint32_t len)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->s->pools.ind);
    struct rte_mbuf_ext_shared_info *sh;
    void *copy;

    if (m == NULL)
        return NULL;
    sh = malloc(sizeof(*sh));
    copy = malloc(len != 0 ? len : 1);
    Z_CHECK(sh != NULL && copy != NULL);
    memcpy(copy, frame, len);
    sh->free_cb = ext_free;
    sh->fcb_opaque = sh;
    rte_mbuf_ext_refcnt_set(sh, 1);
    rte_pktmbuf_attach_extbuf(m, copy, (rte_iova_t)(uintptr_t)copy, (uint16_t)len, sh);
    m->data_off = 0;
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    return m;
}

static struct rte_mbuf *pool_mbuf(struct world *w, const uint8_t *frame, uint32_t len, uint32_t seg)
{
    struct rte_mbuf *head = NULL, **link = &head;
    uint16_t n = 0;

    for (uint32_t off = 0; off < len || n == 0; n++) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(w->s->pools.rx);
        uint32_t part = MIN(len - off, seg != 0 ? seg : WORLD_FRAME_MAX);

        if (m == NULL) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame + off, part);
        m->data_len = (uint16_t)part;
        *link = m;
        link = &m->next;
        off += part;
    }
    head->pkt_len = len;
    head->nb_segs = n;
    return head;
}

bool world_frame(struct world *w, struct world_rx how, const uint8_t *frame, uint32_t len)
{
    struct rte_mbuf *m;

    Z_CHECK(len <= WORLD_FRAME_MAX);
    if (w->n_rx == WORLD_RX_MAX)
        return false;
    m = how.exact ? exact_mbuf(w, frame, len) : pool_mbuf(w, frame, len, how.seg);
    if (m == NULL)
        return false;
    w->rx[w->n_rx++] = m;
    return true;
}

static uint32_t l4_cksum_at(uint8_t proto)
{
    return proto == IPPROTO_TCP_ ? TCP_CKSUM_OFFSET : proto == IPPROTO_UDP_ ? 6 : 2;
}

void world_fix_cksum(uint8_t *frame, uint32_t len, bool ip, bool l4)
{
    uint8_t *p = frame + ETH_HLEN;
    struct ipv4_hdr h;
    uint32_t hlen, l4_len;
    uint16_t sum;

    if (len < ETH_HLEN + IPV4_HLEN)
        return;
    if (p[0] >> 4 == 6) {
        if (l4)
            world_fix_cksum6(p, len - ETH_HLEN);
        return;
    }
    hlen = (p[0] & 15u) * 4u;
    if (hlen < IPV4_HLEN || hlen > len - ETH_HLEN)
        return;
    if (ip) {
        memset(p + 10, 0, 2);
        sum = cksum_finish(cksum_add(0, p, hlen));
        memcpy(p + 10, &sum, 2);
    }
    if (!l4 || ipv4_parse(p, len - ETH_HLEN, len - ETH_HLEN, true, &h) != IPV4_OK)
        return;
    l4_len = (uint32_t)h.total_len - hlen;
    if (l4_len < l4_cksum_at(h.proto) + 2)
        return;
    memset(p + hlen + l4_cksum_at(h.proto), 0, 2);
    sum = cksum_finish(cksum_add(h.proto == IPPROTO_ICMP_ ? 0 : cksum_pseudo_v4(h.src, h.dst, h.proto, l4_len), p + hlen, l4_len));
    memcpy(p + hlen + l4_cksum_at(h.proto), &sum, 2);
}

bool world_segment(struct world *w, struct world_rx how, const struct world_tcp *t)
{
    uint8_t f[WORLD_FRAME_MAX];
    struct eth_hdr eh = {.type = t->ip6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4};
    struct ipv4_hdr ih = {.ttl = 64, .proto = IPPROTO_TCP_, .src = WORLD_PEER, .dst = WORLD_US};
    struct ipv6_hdr ih6 = {.hop_limit = 64, .next = IPPROTO_TCP_, .src = WORLD_PEER6, .dst = WORLD_US6};
    uint32_t ip_hlen = t->ip6 ? IPV6_HLEN : IPV4_HLEN, n = TCP_HLEN + t->opt_len + t->len;
    struct tcp_hdr h = t->h;
    uint8_t *p = f + ETH_HLEN + ip_hlen;

    Z_CHECK(t->opt_len <= TCP_OPT_MAX && t->opt_len % 4 == 0 && t->len <= 1500);
    h.hlen = (uint8_t)(TCP_HLEN + t->opt_len);
    ih.total_len = (uint16_t)(ip_hlen + n);
    ih6.payload_len = (uint16_t)n;
    memcpy(eh.dst, us_mac, 6);
    memcpy(eh.src, peer_mac, 6);
    eth_build(f, &eh);
    if (t->ip6)
        ipv6_build(f + ETH_HLEN, &ih6);
    else
        ipv4_build(f + ETH_HLEN, &ih, true);
    tcp_hdr_build(p, &h);
    if (t->opt_len > 0)
        memcpy(p + TCP_HLEN, t->opts, t->opt_len);
    if (t->len > 0)
        memcpy(p + h.hlen, t->payload, t->len);
    world_fix_cksum(f, ETH_HLEN + ip_hlen + n, false, true);
    return world_frame(w, how, f, ETH_HLEN + ip_hlen + n);
}

void world_turn(struct world *w, uint64_t ns)
{
    uint64_t now = w->s->now_ns + ns;

    w->n_tx = 0;
    stack_input(w->s, now);
    stack_output(w->s, now);
    Z_CHECK(w->n_tx <= 2000); /* no storm */
}

void world_hello(struct world *w)
{
    struct arp_pkt a = {.op = ARP_REQUEST, .spa = WORLD_PEER, .tpa = WORLD_US};
    struct eth_hdr eh = {.type = ETH_TYPE_ARP};
    uint8_t f[ETH_HLEN + ARP_LEN];

    memcpy(eh.dst, us_mac, 6);
    memcpy(eh.src, peer_mac, 6);
    memcpy(a.sha, peer_mac, 6);
    memset(a.tha, 0, 6);
    eth_build(f, &eh);
    arp_build(f + ETH_HLEN, &a);
    world_frame(w, (struct world_rx){0}, f, sizeof(f));
}

const struct tcp_synent *world_syn(const struct world *w)
{
    return TAILQ_FIRST(&w->s->tcp.syn.rexmt[0]);
}

int world_listen(struct world *w, uint16_t port, struct sock **sk)
{
    struct inaddr any = w->nif->ip6 ? INADDR_ANY_V6 : INADDR_ANY_V4;
    struct tcp_conn *tc = tcp_create(w->s);
    int fd;

    Z_CHECK(tc != NULL);
    fd = sock_new_tcp(w->s, tc, sk);
    Z_CHECK(fd >= 0);
    (*sk)->nonblock = true;
    if (w->nif->ip6)
        tcp_set_inet6((*sk)->tcp);
    Z_CHECK(tcp_bind(w->s, (*sk)->tcp, &any, port) == 0 && tcp_listen(w->s, (*sk)->tcp, 4) == 0);
    return fd;
}

/* Which connections are left, for the report of a failure. */
static void print_conns(const struct world *w)
{
    for (uint32_t i = 0; i <= w->s->tcp.id_mask; i++) {
        const struct tcp_conn *tc = w->s->tcp.id_tab[i];

        if (tc == NULL)
            continue;
        fprintf(stderr, "left: %s dead %d closed %d in flight %u queued %u fin %d%d window %u lost %u\n", tcp_state_names[tc->state],
                tc->dead, tc->closed_by_user, tcp_in_flight(tc), sndq_bytes(&tc->sndq), tc->fin_queued, tc->fin_sent, tc->snd_wnd,
                tc->sent.lost_bytes);
        for (int t = 0; t < TT_COUNT; t++)
            if (tcp_timer_on(tc, (enum tcp_timer_id)t))
                fprintf(stderr, "  timer %d in %g s\n", t,
                        ((double)tcp_deadline_ns(w->s, tc, (enum tcp_timer_id)t) - (double)w->s->now_ns) / 1e9);
    }
}

void world_quiet(struct world *w)
{
    w->sent = NULL;
    /* retransmissions, probes and keepalives of a peer that is silent end by themselves */
    for (int i = 0; i < 1000 && (w->n_rx > 0 || w->s->tcp.n_conns > 0 || stack_next_deadline(w->s) == w->s->now_ns); i++) {
        uint64_t next = stack_next_deadline(w->s), now = w->s->now_ns;

        world_turn(w, next == NS_NEVER || next < now ? NS_PER_SEC : MIN(next - now + NS_PER_MS, 3600 * NS_PER_SEC));
    }
}

void world_reset(struct world *w)
{
    world_quiet(w);
    for (int i = 0; i < 12; i++) /* answers, fragments that nothing follows, and packets that wait for a neighbour */
        world_turn(w, 10 * NS_PER_SEC);
    if (w->s->tcp.n_conns > 0)
        print_conns(w);
    Z_CHECK(w->s->tcp.n_conns == 0 && w->s->tcp.n_timewait == 0 && w->s->udp.n_pcbs == 0);
    Z_CHECK(w->s->tcp.rcv_charged_bytes == 0 && w->s->tcp.loan_bytes == 0 && w->s->udp.rcv_bytes == 0);
    Z_CHECK(pkt_pools_in_use(&w->s->pools) == 0);
    Z_CHECK(w->s->arena.used_bytes == w->arena_bytes);
}
