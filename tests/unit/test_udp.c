#include "net_fixture.h"

#include <stdio.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "udp/udp_pcb.h"

static struct net_frame frame;
static int sks[8]; /* socks are opaque to UDP */

static struct inaddr v4(uint32_t a)
{
    return inaddr_v4(a);
}

static struct udp_pcb *open_udp(int i)
{
    struct udp_pcb *u = udp_create(S, (struct sock *)&sks[i]);

    assert_non_null(u);
    return u;
}

static struct udp_pcb *bound(int i, uint32_t a, uint16_t port)
{
    struct udp_pcb *u = open_udp(i);
    struct inaddr addr = v4(a);

    assert_int_equal(udp_bind(S, u, &addr, port), 0);
    return u;
}

static int opt(struct udp_pcb *u, int level, int name, int v)
{
    return udp_setopt(S, u, level, name, &v, sizeof(v));
}

static void inject(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport, const char *what)
{
    net_frame_udp(&frame, src, sport, dst, dport, what, (uint32_t)strlen(what));
    net_inject_frame(&frame);
}

static ssize_t send_to(struct udp_pcb *u, uint32_t dst, uint16_t port, const char *what)
{
    struct iovec iov = {(void *)(uintptr_t)what, strlen(what)};
    struct inaddr a = v4(dst);

    return udp_sendto(S, u, &iov, 1, 0, &a, port);
}

static ssize_t send_conn(struct udp_pcb *u, const char *what)
{
    struct iovec iov = {(void *)(uintptr_t)what, strlen(what)};

    return udp_sendto(S, u, &iov, 1, 0, NULL, 0);
}

/* Receives into buf of n bytes; *flags in and out. */
static ssize_t recv_flags(struct udp_pcb *u, char *buf, size_t n, int *flags)
{
    struct iovec iov = {buf, n};

    memset(buf, '.', n);
    return udp_recvfrom(S, u, &iov, 1, flags, NULL, NULL);
}

static void assert_received(struct udp_pcb *u, const char *what)
{
    char buf[64];
    int flags = 0;

    assert_int_equal(recv_flags(u, buf, sizeof(buf), &flags), strlen(what));
    assert_memory_equal(buf, what, strlen(what));
    assert_int_equal(flags, 0);
}

static void assert_nothing(struct udp_pcb *u)
{
    char buf[64];
    int flags = 0;

    assert_int_equal(recv_flags(u, buf, sizeof(buf), &flags), -EAGAIN);
    assert_int_equal(udp_poll(u) & SOCK_IN, 0);
}

static void a_datagram_comes_in(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    struct iovec iov[3];
    struct inaddr from;
    char a[3], b[1], c[10];
    uint16_t port;
    int flags = 0;

    (void)state;
    assert_nothing(u);
    inject(NET_PEER, 9999, NET_US, 53, "question");
    assert_int_equal(net_seen.readable, 1);
    assert_ptr_equal(net_seen.sk, &sks[1]);
    assert_int_equal(udp_poll(u), SOCK_IN | SOCK_OUT);
    assert_int_equal(udp_rcv_avail(u), 8);
    iov[0] = (struct iovec){a, sizeof(a)};
    iov[1] = (struct iovec){b, 0};
    iov[2] = (struct iovec){c, sizeof(c)};
    assert_int_equal(udp_recvfrom(S, u, iov, 3, &flags, &from, &port), 8);
    assert_memory_equal(a, "que", 3);
    assert_memory_equal(c, "stion", 5);
    assert_int_equal(inaddr_to_v4(&from), NET_PEER);
    assert_int_equal(port, 9999);
    assert_nothing(u);
    assert_int_equal(udp_rcv_avail(u), 0);
    assert_int_equal(net_ctr(CTR_UDP_RX), 1);
    assert_int_equal(net_ctr(CTR_COPY_API), 8);
    assert_int_equal(S->udp.rcv_bytes, 0);
    udp_close(S, u);
}

static void a_datagram_over_two_buffers(void **state)
{
    struct udp_pcb *u = bound(1, NET_US, 53);

    (void)state;
    net_frame_udp(&frame, NET_PEER, 9999, NET_US, 53, "in two pieces", 13);
    for (uint32_t split = 1; split < frame.len; split++) {
        net_inject_split(frame.b, frame.len, split);
        assert_received(u, "in two pieces");
    }
    udp_close(S, u);
}

static void datagrams_keep_their_borders(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    char buf[16];
    int flags = 0;

    (void)state;
    inject(NET_PEER, 1, NET_US, 53, "first");
    inject(NET_PEER, 1, NET_US, 53, "");
    inject(NET_PEER, 1, NET_US, 53, "third");
    assert_int_equal(udp_rcv_total(u), 10);
    assert_int_equal(udp_rcv_avail(u), 5);
    flags = MSG_PEEK;
    assert_int_equal(recv_flags(u, buf, 3, &flags), 3);
    assert_int_equal(flags, MSG_TRUNC);
    flags = MSG_PEEK | MSG_TRUNC;
    assert_int_equal(recv_flags(u, buf, 3, &flags), 5);
    assert_int_equal(flags, MSG_TRUNC);
    flags = 0;
    assert_int_equal(recv_flags(u, buf, 4, &flags), 4);
    assert_memory_equal(buf, "firs", 4);
    assert_int_equal(flags, MSG_TRUNC); /* the rest is gone */
    assert_int_equal(udp_poll(u) & SOCK_IN, SOCK_IN);
    assert_int_equal(udp_rcv_avail(u), 0);
    assert_received(u, "");
    flags = MSG_TRUNC;
    assert_int_equal(recv_flags(u, buf, 0, &flags), 5);
    assert_nothing(u);
    assert_int_equal(opt(u, SOL_SOCKET, SO_ERROR, 0), -ENOPROTOOPT);
    flags = MSG_OOB;
    assert_int_equal(recv_flags(u, buf, 4, &flags), -EOPNOTSUPP);
    udp_close(S, u);
}

static void bad_datagrams(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    uint8_t *udp = frame.b + 34;

    (void)state;
    net_frame_udp(&frame, NET_PEER, 1, NET_US, 53, "x", 1);
    for (uint32_t n = 0; n < UDP_HLEN; n++) {
        struct net_frame f;

        net_frame_ip(&f, NET_PEER, NET_US, IPPROTO_UDP_, udp, n);
        net_inject_frame(&f);
    }
    udp[5] = 7;
    net_inject_frame(&frame);
    udp[5] = 10;
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_UDP_SHORT), UDP_HLEN + 2);
    udp[5] = 9;
    udp[8] ^= 1;
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_UDP_CKSUM), 1);
    assert_nothing(u);
    udp[6] = udp[7] = 0; /* the sender computed none */
    net_inject_frame(&frame);
    assert_received(u, "y");
    udp[6] = 1;
    eth_input(S, &net_nif[0], net_mbuf(frame.b, frame.len, 0));
    assert_int_equal(net_ctr(DROP_UDP_CKSUM), 2);
    udp_close(S, u);
}

/* A length field below IP's: the rest is no payload. */
static void bytes_behind_the_datagram_are_cut(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    uint8_t l4[20];
    struct udp_hdr h = {.sport = 1, .dport = 53, .len = 12};
    uint16_t sum;

    (void)state;
    memset(l4, 'z', sizeof(l4));
    udp_build(l4, &h);
    memcpy(l4 + 8, "four", 4);
    sum = cksum_finish(cksum_add(cksum_pseudo_v4(NET_PEER, NET_US, 17, 12), l4, 12));
    memcpy(l4 + 6, &sum, 2);
    net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_UDP_, l4, sizeof(l4));
    net_inject_frame(&frame);
    assert_received(u, "four");
    udp_close(S, u);
}

static void no_socket_on_the_port(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    inject(NET_PEER, 1234, NET_US, 53, "hello");
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 1);
    assert_true(net_take(&o));
    assert_int_equal(o.ip.proto, IPPROTO_ICMP_);
    assert_int_equal(o.l4[0], ICMP_UNREACH);
    assert_int_equal(o.l4[1], ICMP_UNREACH_PORT);
    assert_memory_equal(o.l4 + 8, frame.b + ETH_HLEN, frame.len - ETH_HLEN);
    inject(NET_PEER, 1234, NET_BCAST, 53, "hello");
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 2);
    assert_false(net_take(&o));
}

static void the_best_socket_gets_it(void **state)
{
    struct udp_pcb *any = open_udp(0), *us = open_udp(1), *conn = open_udp(2);
    struct inaddr wild = INADDR_ANY_V4, a = v4(NET_US), peer = v4(NET_PEER);

    (void)state;
    net_resolve();
    for (int i = 0; i < 3; i++)
        assert_int_equal(opt((struct udp_pcb *[]){any, us, conn}[i], SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(udp_bind(S, conn, &wild, 53), 0);
    assert_int_equal(udp_connect(S, conn, &peer, 7), 0);
    assert_int_equal(udp_bind(S, us, &a, 53), 0);
    assert_int_equal(udp_bind(S, any, &wild, 53), 0);
    inject(NET_PEER, 7, NET_US, 53, "to the connected");
    inject(NET_PEER, 8, NET_US, 53, "to the address");
    inject(NET_PEER, 8, NET_US1, 53, "to any");
    assert_received(conn, "to the connected");
    assert_received(us, "to the address");
    assert_received(any, "to any");
    udp_close(S, us);
    udp_close(S, any);
    inject(NET_PEER, 8, NET_US, 53, "a stranger");
    assert_nothing(conn);
    assert_int_equal(net_ctr(DROP_UDP_NO_PORT), 1);
    udp_close(S, conn);
}

static void binding(void **state)
{
    struct udp_pcb *u = open_udp(0), *o = open_udp(1);
    struct inaddr a = v4(NET_US), b = v4(NET_US1), wild = INADDR_ANY_V4, foreign = v4(NET_PEER), bc = v4(NET_BCAST), got,
                  v6 = {.b = {0x20, 1}};
    uint16_t port;

    (void)state;
    assert_int_equal(udp_bind(S, u, &foreign, 53), -EADDRNOTAVAIL);
    assert_int_equal(udp_bind(S, u, &v6, 53), -EAFNOSUPPORT);
    assert_int_equal(udp_bind(S, u, &a, 53), 0);
    assert_int_equal(udp_bind(S, u, &a, 54), -EINVAL);
    assert_int_equal(udp_bind(S, o, &a, 53), -EADDRINUSE);
    assert_int_equal(udp_bind(S, o, &wild, 53), -EADDRINUSE);
    assert_int_equal(opt(o, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(udp_bind(S, o, &a, 53), -EADDRINUSE); /* both must want it */
    assert_int_equal(udp_bind(S, o, &b, 53), 0);           /* another address */
    udp_getname(o, &got, &port);
    assert_int_equal(inaddr_to_v4(&got), NET_US1);
    assert_int_equal(port, 53);
    udp_close(S, o);
    o = open_udp(1);
    assert_int_equal(opt(o, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    assert_int_equal(opt(u, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    assert_int_equal(udp_bind(S, o, &a, 53), -EADDRINUSE);
    assert_int_equal(opt(u, SOL_SOCKET, SO_REUSEPORT, 1), 0);
    assert_int_equal(udp_bind(S, o, &a, 53), 0);
    udp_close(S, o);
    udp_close(S, u);
    u = open_udp(0);
    assert_int_equal(udp_bind(S, u, &bc, 53), 0); /* hears the broadcast only */
    inject(NET_PEER, 1, NET_US, 53, "x");
    assert_nothing(u);
    inject(NET_PEER, 1, NET_BCAST, 53, "y");
    assert_received(u, "y");
    udp_close(S, u);
    assert_int_equal(S->udp.n_pcbs, 0);
}

static void ephemeral_ports(void **state)
{
    struct udp_pcb *u[9];
    struct inaddr wild = INADDR_ANY_V4, a;
    uint16_t port, in_order = 0, last = 0;
    unsigned seen = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        u[i] = open_udp(i % 8);
        assert_int_equal(udp_bind(S, u[i], &wild, 0), 0);
        udp_getname(u[i], &a, &port);
        assert_in_range(port, 40000, 40007);
        assert_int_equal(seen & (1u << (port - 40000)), 0);
        seen |= 1u << (port - 40000);
        in_order = (uint16_t)(in_order + (port == last + 1));
        last = port;
    }
    assert_true(in_order < 7); /* not one after the other */
    u[8] = open_udp(0);
    assert_int_equal(udp_bind(S, u[8], &wild, 0), -EADDRINUSE);
    assert_int_equal(send_to(u[8], NET_PEER, 1, "x"), -EADDRINUSE);
    for (int i = 0; i < 9; i++)
        udp_close(S, u[i]);
}

static void reuseport_spreads_flows(void **state)
{
    struct udp_pcb *u[4];
    struct inaddr wild = INADDR_ANY_V4;
    unsigned got[4] = {0}, used = 0;
    char buf[8];

    (void)state;
    for (int i = 0; i < 4; i++) {
        u[i] = open_udp(i);
        assert_int_equal(opt(u[i], SOL_SOCKET, SO_REUSEPORT, 1), 0);
        assert_int_equal(udp_bind(S, u[i], &wild, 53), 0);
    }
    for (uint16_t p = 1; p <= 64; p++) {
        int who[2] = {-1, -1};

        for (int k = 0; k < 2; k++) { /* a flow stays where it is */
            inject(NET_PEER, p, NET_US, 53, "x");
            for (int i = 0; i < 4; i++) {
                int flags = 0;

                if (recv_flags(u[i], buf, sizeof(buf), &flags) == 1)
                    who[k] = i;
            }
        }
        assert_true(who[0] >= 0 && who[0] == who[1]);
        got[who[0]]++;
    }
    for (int i = 0; i < 4; i++) {
        used += got[i] > 4;
        udp_close(S, u[i]);
    }
    assert_int_equal(used, 4);
}

static void broadcasts_reach_every_socket(void **state)
{
    struct udp_pcb *u[3], *other = bound(5, NET_US1, 53);
    struct inaddr wild = INADDR_ANY_V4;

    (void)state;
    opt(other, SOL_SOCKET, SO_REUSEADDR, 1);
    for (int i = 0; i < 3; i++) {
        u[i] = open_udp(i);
        opt(u[i], SOL_SOCKET, SO_REUSEADDR, 1);
        assert_int_equal(udp_bind(S, u[i], &wild, 53), 0);
    }
    net_frame_udp(&frame, NET_PEER, 68, NET_BCAST, 53, "to all of you", 13);
    net_inject_split(frame.b, frame.len, 45);
    net_frame_udp(&frame, NET_PEER, 68, UINT32_MAX, 53, "", 0);
    net_inject_frame(&frame);
    for (int i = 0; i < 3; i++) {
        assert_received(u[i], "to all of you");
        assert_received(u[i], "");
        assert_nothing(u[i]);
        udp_close(S, u[i]);
    }
    assert_nothing(other);
    udp_close(S, other);
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
}

static void the_receive_buffer_is_bounded(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53);
    uint32_t room, n = 0;

    (void)state;
    assert_int_equal(opt(u, SOL_SOCKET, SO_RCVBUF, 8 * 1024), 0);
    inject(NET_PEER, 1, NET_US, 53, "0");
    room = (uint32_t)S->udp.rcv_bytes; /* of one datagram: buffer and all */
    assert_true(room > 2048);
    for (n = 1; net_ctr(DROP_UDP_RCVBUF) == 0; n++)
        inject(NET_PEER, 1, NET_US, 53, "1");
    assert_int_equal(n - 1, 8 * 1024 / room);
    assert_received(u, "0");
    inject(NET_PEER, 1, NET_US, 53, "2");
    assert_int_equal(net_ctr(DROP_UDP_RCVBUF), 1);
    /* one datagram is always taken */
    udp_queue_free(S, u);
    u->rcvbuf_bytes = 1;
    inject(NET_PEER, 1, NET_US, 53, "3");
    assert_received(u, "3");
    /* all sockets and TCP together */
    S->conf.rcv_limit_bytes = 10000;
    S->tcp.rcv_charged_bytes = 9000;
    inject(NET_PEER, 1, NET_US, 53, "4");
    assert_nothing(u);
    assert_int_equal(net_ctr(DROP_UDP_RCVBUF), 2);
    udp_close(S, u);
}

static void a_long_queue(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53);
    char text[16];

    (void)state;
    opt(u, SOL_SOCKET, SO_RCVBUF, INT32_MAX);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 300; i++) {
            snprintf(text, sizeof(text), "%u", i);
            inject(NET_PEER, 1, NET_US, 53, text);
            if (i % 3 == 2) {
                snprintf(text, sizeof(text), "%u", i / 3);
                assert_received(u, text);
            }
        }
        for (unsigned i = 100; i < 300; i++) {
            snprintf(text, sizeof(text), "%u", i);
            assert_received(u, text);
        }
        assert_nothing(u);
    }
    inject(NET_PEER, 1, NET_US, 53, "unread");
    udp_close(S, u);
}

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
    assert_int_equal(udp_sendto(S, u, iov, 2, MSG_DONTWAIT, &a, 9), 1472);
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
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &peer, 9), -EMSGSIZE);
    iov.iov_len = 65508;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &lo, 9), -EMSGSIZE);
    assert_int_equal(udp_sendto(S, u, two, 2, 0, &peer, 9), -EMSGSIZE);
    iov.iov_len = 1;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, NULL, 0), -EDESTADDRREQ);
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &peer, 0), -EINVAL);
    assert_int_equal(udp_sendto(S, u, &iov, 1, MSG_OOB, &peer, 9), -EOPNOTSUPP);
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &v6, 9), -EAFNOSUPPORT);
    assert_int_equal(route_del(S->routes, 0, 0), 0);
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
    struct inaddr peer = v4(NET_PEER), far = v4(NET_FAR), wild = INADDR_ANY_V4, on1 = v4(0x0a010002u), bc = v4(NET_BCAST), a;
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
    assert_int_equal(route_del(S->routes, 0, 0), 0);
    assert_int_equal(udp_connect(S, u, &far, 9), -ENETUNREACH);
    assert_int_equal(udp_getpeer(u, &a, &port), 0);
    assert_int_equal(inaddr_to_v4(&a), 0x0a010002u);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US1);
    assert_int_equal(udp_connect(S, u, &wild, 0), 0);
    assert_int_equal(udp_getpeer(u, &a, &port), -ENOTCONN);
    udp_getname(u, &a, &port);
    assert_true(inaddr_is_any(&a));
    assert_int_equal(port, 0);
    assert_int_equal(send_conn(u, "hi"), -EDESTADDRREQ);
    udp_close(S, u);
    /* what was bound stays */
    u = bound(0, NET_US, 53);
    assert_int_equal(udp_connect(S, u, &peer, 9), 0);
    assert_int_equal(udp_connect(S, u, &wild, 0), 0);
    udp_getname(u, &a, &port);
    assert_int_equal(inaddr_to_v4(&a), NET_US);
    assert_int_equal(port, 53);
    udp_close(S, u);
}

static void icmp_about(uint8_t type, uint8_t code, uint16_t sport, uint32_t dst, uint16_t dport)
{
    struct net_frame quote;

    net_frame_udp(&quote, NET_US, sport, dst, dport, "", 0);
    net_frame_icmp(&frame, NET_PEER, NET_US, type, code, 0, 0, quote.b + ETH_HLEN, 28);
    net_inject_frame(&frame);
}

static void icmp_errors(void **state)
{
    static const struct {
        uint8_t type, code;
        int err;
    } t[] = {
        {3, 3, ECONNREFUSED}, {3, 2, ENOPROTOOPT}, {3, 4, EMSGSIZE}, {3, 13, EHOSTUNREACH}, {12, 0, EPROTO},
        {3, 0, 0},            {3, 1, 0},           {3, 5, 0},        {3, 11, 0},            {11, 0, 0},
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
    assert_int_equal(udp_recvfrom(S, conn, NULL, 0, &v, NULL, NULL), -ECONNREFUSED);
    assert_int_equal(udp_recvfrom(S, conn, NULL, 0, &v, NULL, NULL), -EAGAIN);
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
    assert_int_equal(udp_sendto(S, b, &iov, 1, 0, NULL, 0), sizeof(text));
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
        {SOL_SOCKET, SO_REUSEADDR, 5, 1}, {SOL_SOCKET, SO_REUSEPORT, 1, 1},   {SOL_SOCKET, SO_BROADCAST, 1, 1},
        {SOL_SOCKET, SO_RCVBUF, 50000, 50000}, {SOL_SOCKET, SO_SNDBUF, 70000, 70000}, {SOL_SOCKET, SO_RCVBUF, 1, 4096},
        {SOL_SOCKET, SO_RCVBUF, -5, 4096}, {SOL_SOCKET, SO_RCVBUF, INT32_MAX, 1024 * 1024}, {IPPROTO_IP, IP_TTL, 255, 255},
        {IPPROTO_IP, IP_TTL, -1, 64},      {IPPROTO_IP, IP_TOS, 0xb8, 0xb8},
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
    assert_int_equal(u->ttl, 9);
    assert_int_equal(udp_setopt(S, u, SOL_SOCKET, SO_REUSEADDR, &byte, 1), -EINVAL);
    assert_int_equal(udp_setopt(S, u, IPPROTO_IP, IP_TTL, &byte, 0), -EINVAL);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 0), -EINVAL);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 256), -EINVAL);
    assert_int_equal(opt(u, SOL_SOCKET, SO_DEBUG, 1), -ENOPROTOOPT);
    assert_int_equal(opt(u, IPPROTO_UDP, 1, 1), -ENOPROTOOPT);
    len = sizeof(v);
    assert_int_equal(udp_getopt(S, u, IPPROTO_TCP, 1, &v, &len), -ENOPROTOOPT);
    assert_int_equal(udp_getopt(S, u, SOL_SOCKET, SO_TYPE, &v, &len), 0);
    assert_int_equal(v, SOCK_DGRAM);
    len = 1;
    v = 0;
    assert_int_equal(udp_getopt(S, u, IPPROTO_IP, IP_TTL, &v, &len), 0);
    assert_int_equal(len, 1);
    assert_int_equal(v, 9);
    udp_close(S, u);
}

/* Memory for the queue runs out: the datagram is lost, nothing else. */
static void no_memory_for_the_queue(void **state)
{
    struct udp_pcb *u = bound(0, 0, 53);

    (void)state;
    S->arena.fail_after = 1;
    inject(NET_PEER, 1, NET_US, 53, "lost");
    assert_int_equal(net_ctr(DROP_UDP_RCVBUF), 1);
    inject(NET_PEER, 1, NET_US, 53, "kept");
    assert_received(u, "kept");
    S->arena.fail_after = 1;
    assert_null(udp_create(S, NULL));
    udp_close(S, u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(a_datagram_comes_in),
        NET_TEST(a_datagram_over_two_buffers),
        NET_TEST(datagrams_keep_their_borders),
        NET_TEST(bad_datagrams),
        NET_TEST(bytes_behind_the_datagram_are_cut),
        NET_TEST(no_socket_on_the_port),
        NET_TEST(the_best_socket_gets_it),
        NET_TEST(binding),
        NET_TEST(ephemeral_ports),
        NET_TEST(reuseport_spreads_flows),
        NET_TEST(broadcasts_reach_every_socket),
        NET_TEST(the_receive_buffer_is_bounded),
        NET_TEST(a_long_queue),
        NET_TEST(a_datagram_goes_out),
        NET_TEST(sends_that_fail),
        NET_TEST(no_buffers),
        NET_TEST(a_full_transmit_queue_is_waited_for),
        NET_TEST(connecting),
        NET_TEST(icmp_errors),
        NET_TEST(to_ourselves),
        NET_TEST(shutting_down),
        NET_TEST(options),
        NET_TEST(no_memory_for_the_queue),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
