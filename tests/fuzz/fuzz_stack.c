/*
 * Frames of every kind into a whole stack with a listener, an established connection, a closed-but-lingering one and UDP
 * sockets. The input is a sequence of records: how the frame comes in and what is repaired (addresses, checksums, sequence
 * numbers relative to the live connection), its length, its bytes.
 */
#include <string.h>

#include "base/check.h"
#include "tcp/syncache.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/udp.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEER_PORT 5000u
#define TCP_PORT 80u
#define UDP_PORT 53u

enum { FIX_ETH = 1, FIX_ADDRS = 2, FIX_LEN = 4, FIX_IP = 8, FIX_L4 = 16, FIX_LIVE = 32, EXACT = 64, SPLIT = 128 };

struct scene {
    struct world *w;
    struct sock *lsk, *sk, *usk[3];
    int lfd, fd, ufd[3];
    uint32_t id;
};

static void scene_tcp(struct scene *c)
{
    static const uint8_t opts[12] = {2, 4, 5, 180, 4, 2, 1, 1, 1, 3, 3, 7};
    struct world_tcp t = {.h = {.sport = PEER_PORT, .dport = TCP_PORT, .flags = TH_SYN, .wnd = 65535, .seq = 1000}};
    const struct tcp_synent *syn;
    struct tcp_conn *tc;
    int err;

    t.opts = opts;
    t.opt_len = sizeof(opts);
    c->lfd = world_listen(c->w, TCP_PORT, &c->lsk);
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
    c->fd = sock_new(c->w->s, SOCK_TCP, &c->sk);
    tc = tcp_accept(c->w->s, c->lsk->tcp, &err);
    Z_CHECK(c->fd >= 0 && tc != NULL);
    c->sk->tcp = tc;
    tcp_attach(tc, c->sk);
    c->id = tc->id;
}

/* One bound to any address, one connected, one of a group of two that share a port. */
static void scene_udp(struct scene *c)
{
    struct inaddr any = INADDR_ANY_V4, peer = inaddr_v4(WORLD_PEER);
    int on = 1;

    for (int i = 0; i < 3; i++) {
        c->ufd[i] = sock_new(c->w->s, SOCK_UDP, &c->usk[i]);
        c->usk[i]->udp = udp_create(c->w->s, c->usk[i]);
        Z_CHECK(c->ufd[i] >= 0 && c->usk[i]->udp != NULL);
        Z_CHECK(udp_setopt(c->w->s, c->usk[i]->udp, 1 /* SOL_SOCKET */, 15 /* SO_REUSEPORT */, &on, sizeof(on)) == 0);
        Z_CHECK(udp_bind(c->w->s, c->usk[i]->udp, &any, UDP_PORT) == 0);
    }
    Z_CHECK(udp_connect(c->w->s, c->usk[2]->udp, &peer, PEER_PORT) == 0);
}

static void set_cksummed(uint8_t *f, uint32_t len, uint8_t fix)
{
    world_fix_cksum(f, len, (fix & FIX_IP) != 0, (fix & FIX_L4) != 0);
}

/* Sequence and acknowledgement numbers are offsets from what the connection expects. */
static void live(const struct scene *c, uint8_t *tcp, uint32_t n)
{
    const struct tcp_conn *tc = tcp_conn_by_id(c->w->s, c->id);

    if (n < TCP_HLEN || tc == NULL)
        return;
    put16(tcp, PEER_PORT);
    put16(tcp + 2, TCP_PORT);
    put32(tcp + 4, tc->rcv_nxt + (uint32_t)(int16_t)get16(tcp + 4));
    put32(tcp + 8, tc->snd_nxt + (uint32_t)(int16_t)get16(tcp + 8));
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
        if (ip[9] == IPPROTO_TCP_)
            live(c, l4, n);
        else if (ip[9] == IPPROTO_UDP_ && n >= UDP_HLEN) {
            put16(l4 + 2, UDP_PORT);
            put16(l4 + 4, (uint16_t)n);
        }
    }
    set_cksummed(f, len, fix);
}

static void record(struct scene *c, struct input *in)
{
    uint8_t fix = in_u8(in), f[WORLD_FRAME_MAX] = {0};
    uint32_t len = in_u16(in) % 1600u, have = (uint32_t)MIN(in->n, (size_t)len);
    struct world_rx how = {.exact = (fix & EXACT) != 0, .seg = (fix & SPLIT) != 0 ? 1u + len % 97u : 0};

    memcpy(f, in->p, have);
    in->p += have;
    in->n -= have;
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

    if (what & 1)
        tcp_recv_copy(c->w->s, c->sk->tcp, &iov, 1, 0);
    if (what & 2) {
        iov.iov_len = 1 + what * 10u;
        tcp_send_copy(c->w->s, c->sk->tcp, &iov, 1, 0);
    }
    iov.iov_len = sizeof(buf);
    for (int i = 0; i < 3 && (what & 4) != 0; i++)
        udp_recvfrom(c->w->s, c->usk[i]->udp, &iov, 1, &flags, &info);
    for (int i = 0; i < 3; i++)
        sock_poll(c->w->s, c->usk[i]);
    sock_poll(c->w->s, c->sk);
    sock_poll(c->w->s, c->lsk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene c = {.w = world_get()};
    struct input in = {data, size};

    world_hello(c.w);
    world_turn(c.w, 0);
    scene_tcp(&c);
    scene_udp(&c);
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
    sock_close(c.w->s, c.fd);
    for (int i = 0; i < 3; i++)
        sock_close(c.w->s, c.ufd[i]);
    world_reset(c.w);
    return 0;
}
