/*
 * Frames of every kind into a whole stack of both families with a listener, an established connection of each family and UDP
 * sockets. The input is a sequence of records: how the frame comes in and what is repaired (addresses, checksums, sequence
 * numbers relative to the live connection), its length, its bytes.
 */
#include <string.h>

#include "base/check.h"
#include "tcp/syncache.h"
#include "udp/icmp_sock.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEER_PORT 5000u
#define TCP_PORT 80u
#define UDP_PORT 53u

enum { FIX_ETH = 1, FIX_ADDRS = 2, FIX_LEN = 4, FIX_IP = 8, FIX_L4 = 16, FIX_LIVE = 32, EXACT = 64, SPLIT = 128 };

/* Linux' numbers */
#define IPPROTO_IP_LEVEL 0
#define OPT_IP_RECVERR 11
#define IPPROTO_IPV6_LEVEL 41
#define OPT_IPV6_RECVERR 25
#define LEN_IP6 0x8000u /* in a record's length: a packet of IPv6 */
#define N_UDP 5
#define N_ICMP 4 /* of IPv4, of IPv6, raw ones of both */

struct scene {
    struct world *w;
    struct sock *lsk, *sk[2], *usk[N_UDP + N_ICMP]; /* connections: IPv4, IPv6 */
    int lfd, fd[2], ufd[N_UDP + N_ICMP];
    int n_usk; /* of some inputs N_UDP: raw sockets change what happens to every message */
    uint32_t id[2];
};

static void scene_tcp(struct scene *c, bool ip6)
{
    static const uint8_t opts[12] = {2, 4, 5, 180, 4, 2, 1, 1, 1, 3, 3, 7};
    struct world_tcp t = {.h = {.sport = PEER_PORT, .dport = TCP_PORT, .flags = TH_SYN, .wnd = 65535, .seq = 1000}};
    const struct tcp_synent *syn;
    struct tcp_conn *tc;
    int err;

    t.opts = opts;
    t.opt_len = sizeof(opts);
    t.ip6 = ip6;
    world_segment(c->w, (struct world_rx){0}, &t);
    world_turn(c->w, 0);
    syn = world_syn(c->w);
    Z_CHECK(syn != NULL);
    t.h.flags = TH_ACK;
    t.h.seq = 1001;
    t.h.ack = syn->iss + 1;
    t.opt_len = 0;
    world_segment(c->w, (struct world_rx){0}, &t);
    world_turn(c->w, NS_PER_MS);
    tc = tcp_accept(c->w->s, c->lsk->tcp, &err);
    Z_CHECK(tc != NULL);
    c->fd[ip6] = sock_new_tcp(c->w->s, tc, &c->sk[ip6]);
    Z_CHECK(c->fd[ip6] >= 0);
    c->id[ip6] = tc->ent.id;
}

/* Three of IPv4 and two of both families share a port; one of each kind is connected. */
static void scene_udp(struct scene *c)
{
    struct inaddr any[2] = {INADDR_ANY_V4, INADDR_ANY_V6}, peer = inaddr_v4(WORLD_PEER), peer6 = WORLD_PEER6;
    int on = 1;

    c->n_usk = N_UDP;
    for (int i = 0; i < N_UDP; i++) {
        c->ufd[i] = sock_new(c->w->s, SOCK_UDP, &c->usk[i]);
        c->usk[i]->udp = udp_create(c->w->s, c->usk[i]);
        Z_CHECK(c->ufd[i] >= 0 && c->usk[i]->udp != NULL);
        if (i >= 3)
            udp_set_inet6(c->usk[i]->udp);
        Z_CHECK(udp_setopt(c->w->s, c->usk[i]->udp, 1 /* SOL_SOCKET */, 15 /* SO_REUSEPORT */, &on, sizeof(on)) == 0);
        Z_CHECK(udp_bind(c->w->s, c->usk[i]->udp, &any[i >= 3], UDP_PORT) == 0);
    }
    Z_CHECK(udp_connect(c->w->s, c->usk[2]->udp, &peer, PEER_PORT) == 0);
    Z_CHECK(udp_connect(c->w->s, c->usk[4]->udp, &peer6, PEER_PORT) == 0);
    for (int i = 1; i < N_UDP; i++) { /* reports of errors */
        Z_CHECK(udp_setopt(c->w->s, c->usk[i]->udp, IPPROTO_IP_LEVEL, OPT_IP_RECVERR, &on, sizeof(on)) == 0);
        (void)udp_setopt(c->w->s, c->usk[i]->udp, IPPROTO_IPV6_LEVEL, OPT_IPV6_RECVERR, &on, sizeof(on));
    }
}

static void scene_icmp(struct scene *c)
{
    int on = 1;

    for (; c->n_usk < N_UDP + N_ICMP; c->n_usk++) {
        int i = c->n_usk - N_UDP;

        c->ufd[c->n_usk] = sock_new(c->w->s, SOCK_UDP, &c->usk[c->n_usk]);
        c->usk[c->n_usk]->udp = icmp_sock_create(c->w->s, c->usk[c->n_usk], (i & 1) != 0, (i & 2) != 0);
        Z_CHECK(c->ufd[c->n_usk] >= 0 && c->usk[c->n_usk]->udp != NULL);
        (void)udp_setopt(c->w->s, c->usk[c->n_usk]->udp, IPPROTO_IP_LEVEL, OPT_IP_RECVERR, &on, sizeof(on));
        (void)udp_setopt(c->w->s, c->usk[c->n_usk]->udp, IPPROTO_IPV6_LEVEL, OPT_IPV6_RECVERR, &on, sizeof(on));
    }
}

/* An echo request to the peer, as it is or in fragments. */
static void say(struct scene *c, int i, uint32_t len)
{
    static uint8_t m[4096] = {8};
    struct inaddr peer = inaddr_v4(WORLD_PEER), peer6 = WORLD_PEER6;
    struct udp_dest to = UDP_DEST_INIT;
    struct iovec iov = {m, len};

    uint16_t sum;

    m[0] = i & 1 ? 128 : 8;
    memset(m + 2, 0, 2);
    sum = cksum_finish(cksum_add(0, m, len));
    memcpy(m + 2, &sum, 2); /* what the stack does not put in, of a raw socket of IPv4 */
    to.addr = i & 1 ? &peer6 : &peer;
    (void)udp_sendto(c->w->s, c->usk[N_UDP + i]->udp, &iov, 1, 0, &to);
}

static void set_cksummed(uint8_t *f, uint32_t len, uint8_t fix)
{
    world_fix_cksum(f, len, (fix & FIX_IP) != 0, (fix & FIX_L4) != 0);
}

/* Sequence and acknowledgement numbers are offsets from what the connection expects. */
static void live(const struct scene *c, bool ip6, uint8_t *tcp, uint32_t n)
{
    const struct tcp_conn *tc = tcp_conn_by_id(c->w->s, c->id[ip6]);

    if (n < TCP_HLEN || tc == NULL)
        return;
    put16(tcp, PEER_PORT);
    put16(tcp + 2, TCP_PORT);
    put32(tcp + 4, tc->rcv_nxt + (uint32_t)(int16_t)get16(tcp + 4));
    put32(tcp + 8, tc->snd_nxt + (uint32_t)(int16_t)get16(tcp + 8));
}

static void live_l4(const struct scene *c, bool ip6, uint8_t proto, uint8_t *l4, uint32_t n)
{
    if (proto == IPPROTO_TCP_)
        live(c, ip6, l4, n);
    else if (proto == IPPROTO_UDP_ && n >= UDP_HLEN) {
        put16(l4 + 2, UDP_PORT);
        put16(l4 + 4, (uint16_t)n);
    }
}

static void addrs6(const struct scene *c, uint8_t *ip)
{
    const struct inaddr srcs[4] = {WORLD_PEER6, WORLD_PEER6, {.b = {0xfe, 0x80, [15] = 2}}, INADDR_ANY_V6};
    const struct inaddr dsts[4] = {
        WORLD_US6, c->w->nif->addr6[0].addr, {.b = {0xff, 2, [15] = 1}}, {.b = {0xff, 2, [11] = 1, 0xff, [15] = 1}}};
    struct inaddr dst = dsts[ip[38] & 3];

    inaddr_clear_zone(&dst);
    memcpy(ip + 8, srcs[ip[22] & 3].b, 16);
    memcpy(ip + 24, dst.b, 16);
}

/* The same of IPv6. The extension headers that the input has stay; the last one's successor becomes a transport. */
static void repair6(const struct scene *c, uint8_t *f, uint32_t len, uint8_t fix)
{
    static const struct ipv6_ext_limits all = {.headers = 100, .bytes = WORLD_FRAME_MAX, .options = 1000, .pass_over = true};
    static const uint8_t protos[4] = {IPPROTO_TCP_, IPPROTO_TCP_, IPPROTO_UDP_, IPPROTO_ICMPV6_};
    uint8_t *ip = f + ETH_HLEN;
    struct ipv6_ext x;
    uint32_t n;

    if (fix & FIX_ETH) {
        memcpy(f, c->w->port.mac, 6);
        memcpy(f + 6, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, 6);
        put16(f + 12, ETH_TYPE_IPV6);
    }
    if (len < ETH_HLEN + IPV6_HLEN || (fix & FIX_IP) == 0)
        return;
    n = len - ETH_HLEN;
    ip[0] = (uint8_t)(0x60 | (ip[0] & 15));
    if (fix & FIX_ADDRS)
        addrs6(c, ip);
    if (fix & FIX_LEN)
        put16(ip + 4, (uint16_t)(n - IPV6_HLEN));
    if ((fix & FIX_LIVE) != 0 && ipv6_ext_walk(ip, n, n, &all, &x) == IPV6_EXT_OK) {
        ip[x.next_off] = x.proto = protos[x.proto & 3];
        if (x.proto == IPPROTO_ICMPV6_)
            ip[7] = 255;
        live_l4(c, true, x.proto, ip + x.off, n - x.off);
    }
    set_cksummed(f, len, fix);
}

static void repair(const struct scene *c, uint8_t *f, uint32_t len, uint8_t fix)
{
    uint8_t *ip = f + ETH_HLEN;
    uint32_t n;

    if (len < ETH_HLEN)
        return;
    if (fix & FIX_ETH) {
        memcpy(f, c->w->port.mac, 6);
        memcpy(f + 6, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, 6);
        put16(f + 12, (fix & FIX_IP) != 0 ? ETH_TYPE_IPV4 : ETH_TYPE_ARP);
    }
    if (len < ETH_HLEN + IPV4_HLEN || (fix & FIX_IP) == 0)
        return;
    n = len - ETH_HLEN;
    ip[0] = (uint8_t)(0x40 | (ip[0] & 15));
    if ((ip[0] & 15) < 5)
        ip[0] = 0x45;
    if (fix & FIX_ADDRS) {
        put32(ip + 12, WORLD_PEER);
        put32(ip + 16, WORLD_US);
        put16(ip + 6, 0);
    }
    if (fix & FIX_LEN)
        put16(ip + 2, (uint16_t)n);
    if ((fix & FIX_LIVE) != 0 && n > (ip[0] & 15u) * 4u) {
        static const uint8_t protos[4] = {IPPROTO_TCP_, IPPROTO_TCP_, IPPROTO_UDP_, IPPROTO_ICMP_};
        uint8_t *l4 = ip + (ip[0] & 15u) * 4u;

        n -= (ip[0] & 15u) * 4u;
        ip[9] = protos[ip[9] & 3];
        live_l4(c, false, ip[9], l4, n);
    }
    set_cksummed(f, len, fix);
}

static void record(struct scene *c, struct input *in)
{
    uint8_t fix = in_u8(in), f[WORLD_FRAME_MAX] = {0};
    uint16_t what = in_u16(in);
    uint32_t len = (what & ~LEN_IP6) % 1600u, have = (uint32_t)MIN(in->n, (size_t)len);
    struct world_rx how = {.exact = (fix & EXACT) != 0, .seg = (fix & SPLIT) != 0 ? 1u + len % 97u : 0};

    memcpy(f, in->p, have);
    in->p += have;
    in->n -= have;
    if (what & LEN_IP6)
        repair6(c, f, len, fix);
    else
        repair(c, f, len, fix);
    world_frame(c->w, how, f, len);
}

/* The application takes and gives a little, so that queues move. */
static void application(struct scene *c, uint8_t what)
{
    static uint8_t buf[4096];
    struct iovec iov = {buf, sizeof(buf)};
    struct udp_info info;
    int flags = 0;

    for (int i = 0; i < 2; i++) {
        iov.iov_len = sizeof(buf);
        if (what & 1)
            tcp_recv_copy(c->w->s, c->sk[i]->tcp, &iov, 1, 0);
        iov.iov_len = 1 + what * 10u;
        if (what & 2)
            tcp_send_copy(c->w->s, c->sk[i]->tcp, &iov, 1, 0);
        sock_poll(c->w->s, c->sk[i]);
    }
    iov.iov_len = sizeof(buf);
    for (int i = 0; i < c->n_usk; i++) {
        struct udp_err_info report;

        if (what & 4)
            udp_recvfrom(c->w->s, c->usk[i]->udp, &iov, 1, &flags, &info);
        if (what & 8)
            (void)udp_recv_error(c->w->s, c->usk[i]->udp, &iov, 1, &flags, &report);
        if ((what & 16) != 0 && i >= N_UDP)
            say(c, i - N_UDP, what * 40u);
        sock_poll(c->w->s, c->usk[i]);
    }
    sock_poll(c->w->s, c->lsk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene c = {.w = world_get()};
    struct input in = {data, size};

    world_hello(c.w);
    world_turn(c.w, 0);
    world_up6(c.w);
    c.lfd = world_listen(c.w, TCP_PORT, &c.lsk);
    scene_tcp(&c, false);
    scene_tcp(&c, true);
    scene_udp(&c);
    if (size > 0 && (data[size - 1] & 1) != 0)
        scene_icmp(&c);
    for (unsigned i = 0; in.n > 0 && i < 100; i++) {
        uint8_t step = in_u8(&in);

        record(&c, &in);
        if (step & 1)
            world_turn(c.w, (uint64_t)(step >> 5) * NS_PER_MS * 20);
        if (step & 2)
            application(&c, step >> 2);
    }
    world_turn(c.w, 0);
    sock_close(c.w->s, c.lfd);
    for (int i = 0; i < 2; i++)
        sock_close(c.w->s, c.fd[i]);
    for (int i = 0; i < c.n_usk; i++)
        sock_close(c.w->s, c.ufd[i]);
    world_quiet(c.w);
    world_down6(c.w);
    world_reset(c.w);
    return 0;
}
