#include "udp_fixture.h"

static void a_datagram_goes_out(void **state)
{
    struct udp_pcb *u = bound(0, 0, 5353);
    static char big[1472];
    struct iovec iov[2] = {{big, 1000}, {big, 472}};
    struct inaddr a = v4(NET_FAR);
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 7), 0);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TOS, 0x20), 0);
    assert_int_equal(send_to(u, NET_PEER, 53, "query"), 5);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.ip.proto, IPPROTO_UDP_);
    assert_int_equal(o.ip.ttl, 7);
    assert_int_equal(o.ip.tos, 0x20);
    assert_int_equal(o.l4_bytes, 13);
    assert_memory_equal(o.l4, ((const uint8_t[]){0x14, 0xe9, 0, 53, 0, 13, 0, 0}), 8); /* the port fills the checksum in */
    assert_memory_equal(o.l4 + 8, "query", 5);
    assert_int_equal(o.ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
    assert_int_equal(o.l4_len, 8);
    assert_int_equal(send_to(u, NET_PEER, 53, ""), 0);
    assert_true(net_take(&o));
    assert_int_equal(o.l4_bytes, 8);
    /* as large as the path takes */
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7);
    assert_int_equal(send_iov(u, iov, 2, MSG_DONTWAIT, &a, 9), 1472);
    assert_true(net_take(&o));
    assert_int_equal(o.ip.total_len, 1500);
    assert_memory_equal(o.l4 + 8, big, 1000);
    assert_memory_equal(o.l4 + 1008, big, 472);
    assert_memory_equal(o.eth.dst, net_gw_mac, 6);
    assert_int_equal(net_ctr(CTR_UDP_TX), 3);
    assert_int_equal(net_ctr(CTR_COPY_API), 1477);
    udp_close(S, u);
}

static void sends_that_fail(void **state)
{
    struct udp_pcb *u = open_udp(0);
    static char big[65600];
    struct iovec iov = {big, 1473}, two[2] = {{big, SIZE_MAX}, {big, 2}};
    struct inaddr peer = v4(NET_PEER), v6 = {.b = {0x20, 1}}, lo = v4(0x7f000001u);

    (void)state;
    net_resolve();
    assert_int_equal(opt(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO), 0);
    assert_int_equal(send_iov(u, &iov, 1, 0, &peer, 9), -EMSGSIZE);
    assert_int_equal(opt(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT), 0);
    iov.iov_len = 65508;
    assert_int_equal(send_iov(u, &iov, 1, 0, &lo, 9), -EMSGSIZE);
    assert_int_equal(send_iov(u, two, 2, 0, &peer, 9), -EMSGSIZE);
    iov.iov_len = 1;
    assert_int_equal(send_iov(u, &iov, 1, 0, NULL, 0), -EDESTADDRREQ);
    assert_int_equal(send_iov(u, &iov, 1, 0, &peer, 0), -EINVAL);
    assert_int_equal(send_iov(u, &iov, 1, MSG_OOB, &peer, 9), -EOPNOTSUPP);
    assert_int_equal(send_iov(u, &iov, 1, 0, &v6, 9), -EAFNOSUPPORT);
    assert_int_equal(route_del(S->routes, &net_default, ROUTE_PLEN_V4, NULL, NULL), 0);
    assert_int_equal(send_to(u, NET_FAR, 9, "x"), -ENETUNREACH);
    assert_int_equal(send_to(u, NET_BCAST, 9, "x"), -EACCES);
    assert_int_equal(send_to(u, UINT32_MAX, 9, "x"), -EACCES);
    assert_int_equal(txq_count(&net_nif[0].txq), 0);
    assert_int_equal(opt(u, SOL_SOCKET, SO_BROADCAST, 1), 0);
    assert_int_equal(send_to(u, NET_BCAST, 9, "x"), 1);
    assert_int_equal(opt(u, SOL_SOCKET, SO_BROADCAST, 0), 0);
    assert_int_equal(send_to(u, NET_BCAST, 9, "x"), -EACCES);
    assert_int_equal(udp_shutdown(S, u, SHUT_WR), -ENOTCONN);
    assert_int_equal(send_to(u, NET_PEER, 9, "x"), -EPIPE);
    udp_close(S, u);
}

/* ip(7) IP_MTU_DISCOVER: what fits and what does not, and whether it may be cut on the way. */
static void fragments_and_the_df_bit(void **state)
{
    static const struct {
        int pmtu, len;
        unsigned frames;
        bool df;
    } t[] = {
        {IP_PMTUDISC_WANT, 1472, 1, true},  {IP_PMTUDISC_WANT, 1473, 2, false}, {IP_PMTUDISC_WANT, 65507, 45, false},
        {IP_PMTUDISC_DONT, 1472, 1, false}, {IP_PMTUDISC_DONT, 3000, 3, false}, {IP_PMTUDISC_DO, 1472, 1, true},
        {IP_PMTUDISC_DO, 1473, 0, false},   {IP_PMTUDISC_PROBE, 1472, 1, true}, {IP_PMTUDISC_INTERFACE, 1472, 1, false},
    };
    static char big[65507];
    struct inaddr peer = v4(NET_PEER);

    (void)state;
    net_resolve();
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (char)(i * 7 + (i >> 8));
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        struct udp_pcb *u = bound(0, 0, 53);
        struct iovec iov = {big, (size_t)t[i].len};
        struct net_out o;
        unsigned frames = 0;
        uint32_t bytes = 0;

        assert_int_equal(opt(u, IPPROTO_IP, IP_MTU_DISCOVER, t[i].pmtu), 0);
        assert_int_equal(send_iov(u, &iov, 1, 0, &peer, 9), t[i].frames ? t[i].len : -EMSGSIZE);
        for (; net_take(&o); frames++) {
            assert_int_equal(o.ip.df, t[i].df);
            assert_int_equal(o.ip.frag_off, bytes);
            for (uint32_t k = bytes ? 0 : 8; k < o.l4_bytes; k++)
                assert_int_equal(o.l4[k], (uint8_t)big[bytes + k - 8]);
            bytes += o.l4_bytes;
        }
        assert_int_equal(frames, t[i].frames);
        assert_int_equal(bytes, t[i].frames ? t[i].len + 8 : 0);
        udp_close(S, u);
    }
}

/* All fragments of a datagram or none: with less room than they need the sender waits. */
static void fragments_wait_for_room(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53);
    static char big[60000];
    struct iovec iov = {big, sizeof(big)};
    struct inaddr peer = v4(NET_PEER);
    struct net_out o;
    unsigned n = 0;

    (void)state;
    net_resolve();
    net_nif[0].txq.tail += TXQ_SLOTS - 40; /* as if */
    assert_int_equal(send_iov(u, &iov, 1, 0, &peer, 9), -EAGAIN);
    net_nif[0].txq.tail -= TXQ_SLOTS - 40;
    udp_tx_resume(S);
    assert_int_equal(net_seen.writable, 1);
    assert_int_equal(send_iov(u, &iov, 1, 0, &peer, 9), 60000);
    while (net_take(&o))
        n++;
    assert_int_equal(n, 41);
    udp_close(S, u);
}

static void no_buffers(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53);
    struct rte_mbuf *all[1024];
    struct rte_mempool *pools[] = {net_pools.hdr, net_pools.app[0], net_pools.app[1], net_pools.app[2]};
    static char text[500];
    unsigned n = 0;

    (void)state;
    net_resolve();
    for (unsigned i = 0; i < ARRAY_LEN(pools); i++)
        while (n < ARRAY_LEN(all) && (all[n] = rte_pktmbuf_alloc(pools[i])))
            n++;
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(send_to(u, NET_PEER, 9, "small"), -ENOBUFS);
    assert_int_equal(send_to(u, NET_PEER, 9, text), -ENOBUFS);
    while (n > 0)
        rte_pktmbuf_free(all[--n]);
    assert_int_equal(send_to(u, NET_PEER, 9, text), 499);
    udp_close(S, u);
}

static void a_full_transmit_queue_is_waited_for(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53), *w = bound(1, 0, 54), *gone = bound(2, 0, 55);

    (void)state;
    net_resolve();
    assert_int_equal(send_to(u, NET_PEER, 9, "x"), 1);
    net_nif[0].txq.tail += TXQ_SLOTS - 1; /* as if */
    assert_int_equal(send_to(u, NET_PEER, 9, "y"), -EAGAIN);
    assert_int_equal(send_to(u, NET_PEER, 9, "y"), -EAGAIN);
    assert_int_equal(send_to(gone, NET_PEER, 9, "y"), -EAGAIN);
    assert_int_equal(send_to(w, NET_PEER, 9, "y"), -EAGAIN);
    assert_int_equal(udp_poll(u) & SOCK_OUT, 0);
    udp_close(S, gone);
    udp_tx_resume(S);
    assert_int_equal(net_seen.writable, 0);
    net_nif[0].txq.tail -= TXQ_SLOTS - 1;
    udp_tx_resume(S);
    assert_int_equal(net_seen.writable, 2);
    udp_tx_resume(S);
    assert_int_equal(net_seen.writable, 2);
    assert_int_equal(udp_poll(u) & SOCK_OUT, SOCK_OUT);
    assert_int_equal(send_to(u, NET_PEER, 9, "y"), 1);
    udp_close(S, u);
    udp_close(S, w);
}

static void connecting(void **state)
{
    struct udp_pcb *u = open_udp(0);
    struct inaddr peer = v4(NET_PEER), far = v4(NET_FAR), on1 = v4(0x0a010002u), bc = v4(NET_BCAST), a;
    struct net_out o;
    uint16_t port;

    (void)state;
    net_resolve();
    assert_int_equal(udp_getpeer(u, &a, &port), -ENOTCONN);
    assert_int_equal(udp_connect(S, u, &bc, 9), -EACCES);
    assert_int_equal(udp_connect(S, u, &peer, 9), 0);
    assert_int_equal(udp_getpeer(u, &a, &port), 0);
    assert_int_equal(inaddr_to_v4(&a), NET_PEER);
    assert_int_equal(port, 9);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US); /* the source of the path */
    assert_in_range(port, 40000, 40007);
    assert_int_equal(send_conn(u, "hi"), 2);
    assert_true(net_take(&o));
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_memory_equal(o.l4 + 2, "\0\x9", 2);
    assert_int_equal(send_to(u, NET_GW, 10, "elsewhere"), 9); /* Linux allows it */
    assert_true(net_take(&o));
    assert_int_equal(o.ip.dst, NET_GW);
    assert_int_equal(send_conn(u, "hi"), 2);
    assert_true(net_take(&o));
    assert_int_equal(o.ip.dst, NET_PEER);
    /* another peer, behind another interface */
    assert_int_equal(udp_connect(S, u, &on1, 9), 0);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US1);
    /* a failed connect changes nothing */
    assert_int_equal(route_del(S->routes, &net_default, ROUTE_PLEN_V4, NULL, NULL), 0);
    assert_int_equal(udp_connect(S, u, &far, 9), -ENETUNREACH);
    assert_int_equal(udp_getpeer(u, &a, &port), 0);
    assert_int_equal(inaddr_to_v4(&a), 0x0a010002u);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US1);
    udp_disconnect(S, u);
    assert_int_equal(udp_getpeer(u, &a, &port), -ENOTCONN);
    udp_getname(u, &a, &port);
    assert_true(inaddr_is_any(&a));
    assert_int_equal(port, 0);
    assert_int_equal(send_conn(u, "hi"), -EDESTADDRREQ);
    udp_close(S, u);
    /* what was bound stays */
    u = bound(0, NET_US, 53);
    assert_int_equal(udp_connect(S, u, &peer, 9), 0);
    udp_disconnect(S, u);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US);
    assert_int_equal(port, 53);
    udp_close(S, u);
}

static void icmp_about(uint8_t type, uint8_t code, uint16_t sport, uint32_t dst, uint16_t dport)
{
    struct net_frame quote;

    net_frame_udp(&quote, NET_US, sport, dst, dport, "", 0);
    net_frame_icmp(&udp_frame, NET_PEER, NET_US, type, code, 0, 0, quote.b + ETH_HLEN, 28);
    net_inject_frame(&udp_frame);
}

/* A neighbour that does not answer: found out by ourselves, so a connected socket hears of it, unlike of a message that says so. */
static void neighbour_failed(void **state)
{
    struct udp_pcb *u = bound(1, NET_US, 53);
    struct inaddr peer = v4(NET_PEER);
    struct icmp_err e = {.laddr = v4(NET_US), .raddr = peer, .lport = 53, .rport = 9, .err = EHOSTUNREACH};

    (void)state;
    assert_int_equal(udp_connect(S, u, &peer, 9), 0);
    e.kind = ICMP_KIND_HOST_UNREACH;
    udp_icmp_error(S, &e);
    assert_int_equal(udp_take_error(u), 0);
    e.kind = ICMP_KIND_NEIGH_FAILED;
    udp_icmp_error(S, &e);
    assert_int_equal(send_conn(u, "x"), -EHOSTUNREACH);
    udp_close(S, u);
}

static uint16_t mtu_to(uint32_t dst)
{
    struct ip_path path = {0};
    struct inaddr a = v4(dst);

    assert_int_equal(ip_path_lookup(S, &path, NULL, &a, false), 0);
    return path.mtu;
}

/* RFC 1191: believed about a destination that the socket has to do with, and about a packet that can have been too big. */
static void path_mtu_reports(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    struct icmp_err e = {.laddr = v4(NET_US), .raddr = v4(NET_PEER), .lport = 53, .rport = 9, .kind = ICMP_KIND_TOO_BIG, .err = EMSGSIZE};
    uint16_t link = mtu_to(NET_PEER);

    (void)state;
    net_resolve();
    e.info = 1000;
    e.len = 1500;
    udp_icmp_error(S, &e); /* never sent there */
    assert_int_equal(mtu_to(NET_PEER), link);
    assert_int_equal(send_to(u, NET_PEER, 9, "x"), 1);
    e.len = 28; /* such a packet goes everywhere */
    udp_icmp_error(S, &e);
    e.info = 0;
    udp_icmp_error(S, &e);
    assert_int_equal(mtu_to(NET_PEER), link);
    e.len = 1500;
    e.info = 1000;
    udp_icmp_error(S, &e);
    assert_int_equal(mtu_to(NET_PEER), 1000);
    assert_int_equal(mtu_to(NET_GW), link);
    udp_close(S, u);
}

static void icmp_errors(void **state)
{
    static const struct {
        uint8_t type, code;
        int err;
    } t[] = {
        {3, 3, ECONNREFUSED}, {3, 2, ENOPROTOOPT}, {3, 4, EMSGSIZE}, {3, 13, EHOSTUNREACH},
        {12, 0, EPROTO},      {3, 0, 0},           {3, 1, 0},        {3, 5, 0},
        {3, 11, 0},           {11, 0, 0},
    };
    struct udp_pcb *conn = bound(1, NET_US, 53), *plain = bound(2, NET_US, 54);
    struct inaddr peer = v4(NET_PEER);
    int v;
    unsigned len;

    (void)state;
    net_resolve();
    assert_int_equal(udp_connect(S, conn, &peer, 9), 0);
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        net_seen.readable = 0;
        icmp_about(t[i].type, t[i].code, 53, NET_PEER, 9);
        len = sizeof(v);
        assert_int_equal(udp_poll(conn) & SOCK_ERR, t[i].err ? SOCK_ERR : 0);
        assert_int_equal(net_seen.readable, t[i].err ? 1 : 0);
        assert_int_equal(udp_getopt(S, conn, SOL_SOCKET, SO_ERROR, &v, &len), 0);
        assert_int_equal(v, t[i].err);
        assert_int_equal(udp_poll(conn) & SOCK_ERR, 0);
    }
    /* other peer, other port, a socket without a peer */
    icmp_about(3, 3, 53, NET_GW, 9);
    icmp_about(3, 3, 53, NET_PEER, 10);
    icmp_about(3, 3, 54, NET_PEER, 9);
    assert_int_equal(udp_take_error(conn), 0);
    assert_int_equal(udp_take_error(plain), 0);
    /* the next call reports it, once */
    icmp_about(3, 3, 53, NET_PEER, 9);
    assert_int_equal(send_conn(conn, "x"), -ECONNREFUSED);
    assert_int_equal(send_conn(conn, "x"), 1);
    icmp_about(3, 3, 53, NET_PEER, 9);
    v = 0;
    assert_int_equal(udp_recvfrom(S, conn, NULL, 0, &v, NULL), -ECONNREFUSED);
    assert_int_equal(udp_recvfrom(S, conn, NULL, 0, &v, NULL), -EAGAIN);
    udp_close(S, conn);
    udp_close(S, plain);
}

static void to_ourselves(void **state)
{
    struct udp_pcb *a = bound(1, 0, 53), *b = open_udp(2);
    struct inaddr wild = INADDR_ANY_V4;
    char text[1000];
    char buf[1000];
    struct iovec iov = {text, sizeof(text)};
    int flags = 0;

    (void)state;
    assert_int_equal(send_to(b, 0x7f000001u, 53, "over loopback"), 13);
    assert_nothing(a);
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_received(a, "over loopback");
    assert_int_equal(send_to(b, NET_US, 53, "to our address"), 14);
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_received(a, "to our address");
    memset(text, 'q', sizeof(text));
    assert_int_equal(udp_connect(S, b, &wild, 53), 0); /* 0.0.0.0 is this host */
    assert_int_equal(send_iov(b, &iov, 1, 0, NULL, 0), sizeof(text));
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_int_equal(recv_flags(a, buf, sizeof(buf), &flags), sizeof(buf));
    assert_memory_equal(buf, text, sizeof(text));
    /* refused by ourselves */
    udp_close(S, a);
    assert_int_equal(send_conn(b, "x"), 1);
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_int_equal(udp_take_error(b), ECONNREFUSED);
    udp_close(S, b);
    assert_int_equal(txq_count(&net_nif[0].txq), 0);
}

static void shutting_down(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    struct inaddr peer = v4(NET_PEER);
    char buf[8];
    int flags = 0;

    (void)state;
    net_resolve();
    assert_int_equal(udp_shutdown(S, u, 77), -EINVAL);
    assert_int_equal(udp_connect(S, u, &peer, 9), 0);
    inject(NET_PEER, 9, NET_US, 53, "queued");
    assert_int_equal(udp_shutdown(S, u, SHUT_RD), 0);
    assert_int_equal(udp_poll(u), SOCK_IN | SOCK_RDHUP | SOCK_OUT);
    inject(NET_PEER, 9, NET_US, 53, "late");
    assert_received(u, "queued");
    assert_int_equal(recv_flags(u, buf, sizeof(buf), &flags), 0);
    assert_int_equal(send_conn(u, "still"), 5);
    assert_int_equal(udp_shutdown(S, u, SHUT_WR), 0);
    assert_int_equal(udp_poll(u), SOCK_IN | SOCK_RDHUP | SOCK_HUP | SOCK_OUT);
    assert_int_equal(send_conn(u, "no"), -EPIPE);
    udp_close(S, u);
}

static void options(void **state)
{
    static const struct {
        int level, name, set, get;
    } t[] = {
        {SOL_SOCKET, SO_REUSEADDR, 5, 1},      {SOL_SOCKET, SO_REUSEPORT, 1, 1},
        {SOL_SOCKET, SO_BROADCAST, 1, 1},      {SOL_SOCKET, SO_RCVBUF, 50000, 50000},
        {SOL_SOCKET, SO_SNDBUF, 70000, 70000}, {SOL_SOCKET, SO_RCVBUF, 1, 4096},
        {SOL_SOCKET, SO_RCVBUF, -5, 4096},     {SOL_SOCKET, SO_RCVBUF, INT32_MAX, 1024 * 1024},
        {IPPROTO_IP, IP_TTL, 255, 255},        {IPPROTO_IP, IP_TTL, -1, 64},
        {IPPROTO_IP, IP_TOS, 0xb8, 0xb8},
    };
    struct udp_pcb *u = open_udp(0);
    uint8_t byte = 9;
    unsigned len;
    int v;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        assert_int_equal(opt(u, t[i].level, t[i].name, t[i].set), 0);
        len = sizeof(v);
        assert_int_equal(udp_getopt(S, u, t[i].level, t[i].name, &v, &len), 0);
        assert_int_equal(v, t[i].get);
        assert_int_equal(len, sizeof(v));
    }
    assert_int_equal(udp_setopt(S, u, IPPROTO_IP, IP_TTL, &byte, 1), 0);
    assert_int_equal(u->ip.ttl[0], 9);
    assert_int_equal(udp_setopt(S, u, SOL_SOCKET, SO_REUSEADDR, &byte, 1), -EINVAL);
    assert_int_equal(udp_setopt(S, u, IPPROTO_IP, IP_TTL, &byte, 0), -EINVAL);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 0), -EINVAL);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    assert_int_equal(opt(u, SOL_SOCKET, SO_DEBUG, 1), -ENOPROTOOPT);
    assert_int_equal(opt(u, IPPROTO_UDP, 1, 1), -ENOPROTOOPT);
    len = sizeof(v);
    assert_int_equal(udp_getopt(S, u, IPPROTO_TCP, 1, &v, &len), -EOPNOTSUPP);
    assert_int_equal(udp_getopt(S, u, SOL_SOCKET, SO_TYPE, &v, &len), 0);
    assert_int_equal(v, SOCK_DGRAM);
    len = 1;
    v = 0;
    assert_int_equal(udp_getopt(S, u, IPPROTO_IP, IP_TTL, &v, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(v, 9);
    udp_close(S, u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(a_datagram_goes_out),
        NET_TEST(sends_that_fail),
        NET_TEST(fragments_and_the_df_bit),
        NET_TEST(fragments_wait_for_room),
        NET_TEST(no_buffers),
        NET_TEST(a_full_transmit_queue_is_waited_for),
        NET_TEST(connecting),
        NET_TEST(icmp_errors),
        NET_TEST(neighbour_failed),
        NET_TEST(path_mtu_reports),
        NET_TEST(to_ourselves),
        NET_TEST(shutting_down),
        NET_TEST(options),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
