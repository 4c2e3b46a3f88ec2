#include "udp_fixture.h"

#include "ip/ip6.h"
#include "wire/ipv6.h"

static void a_datagram_comes_in(void **state)
{
    struct udp_pcb *u = bound(1, 0, 53);
    struct iovec iov[3];
    struct udp_info info;
    char a[3], b[1], c[10];
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
    assert_int_equal(udp_recvfrom(S, u, iov, 3, &flags, &info), 8);
    assert_memory_equal(a, "que", 3);
    assert_memory_equal(c, "stion", 5);
    assert_int_equal(inaddr_to_v4(&info.src), NET_PEER);
    assert_int_equal(info.sport, 9999);
    assert_int_equal(inaddr_to_v4(&info.dst), NET_US);
    assert_int_equal(info.ttl, 61);
    assert_int_equal(info.tos, 0x10);
    assert_int_equal(info.ifindex, 1);
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
    net_frame_udp(&udp_frame, NET_PEER, 9999, NET_US, 53, "in two pieces", 13);
    for (uint32_t split = 1; split < udp_frame.len; split++) {
        net_inject_split(udp_frame.b, udp_frame.len, split);
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
    uint8_t *udp = udp_frame.b + 34;

    (void)state;
    net_frame_udp(&udp_frame, NET_PEER, 1, NET_US, 53, "x", 1);
    for (uint32_t n = 0; n < UDP_HLEN; n++) {
        struct net_frame f;

        net_frame_ip(&f, NET_PEER, NET_US, IPPROTO_UDP_, udp, n);
        net_inject_frame(&f);
    }
    udp[5] = 7;
    net_inject_frame(&udp_frame);
    udp[5] = 10;
    net_inject_frame(&udp_frame);
    assert_int_equal(net_ctr(DROP_UDP_SHORT), UDP_HLEN + 2);
    udp[5] = 9;
    udp[8] ^= 1;
    net_inject_frame(&udp_frame);
    assert_int_equal(net_ctr(DROP_UDP_CKSUM), 1);
    assert_nothing(u);
    udp[6] = udp[7] = 0; /* the sender computed none */
    net_inject_frame(&udp_frame);
    assert_received(u, "y");
    udp[6] = 1;
    eth_input(S, &net_nif[0], net_mbuf(udp_frame.b, udp_frame.len, 0));
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
    net_frame_ip(&udp_frame, NET_PEER, NET_US, IPPROTO_UDP_, l4, sizeof(l4));
    net_inject_frame(&udp_frame);
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
    assert_memory_equal(o.l4 + 8, udp_frame.b + ETH_HLEN, udp_frame.len - ETH_HLEN);
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
    net_frame_udp(&udp_frame, NET_PEER, 68, NET_BCAST, 53, "to all of you", 13);
    net_inject_split(udp_frame.b, udp_frame.len, 45);
    net_frame_udp(&udp_frame, NET_PEER, 68, UINT32_MAX, 53, "", 0);
    net_inject_frame(&udp_frame);
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

/* RFC 8200 section 8.1: over IPv6 a datagram has a checksum, and it is right, whatever the device says of one that has none. */
static void checksums_over_ipv6(void **state)
{
    static const struct inaddr us = {.b = {0x20, 1, 0xd, 0xb8, [15] = 1}}, peer = {.b = {0x20, 1, 0xd, 0xb8, [15] = 2}};
    struct ipv6_hdr h = {.hop_limit = 9, .next = IPPROTO_UDP_, .src = peer, .dst = us, .payload_len = UDP_HLEN + 1};
    struct udp_hdr uh = {.sport = 9, .dport = 53, .len = UDP_HLEN + 1};
    struct eth_hdr eh = {.type = ETH_TYPE_IPV6};
    struct udp_pcb *u = open_udp(1);
    uint8_t b[64], *l4 = b + ETH_HLEN + IPV6_HLEN;
    struct inaddr any = INADDR_ANY_V6;
    uint16_t sum = 0;

    (void)state;
    net_nif[0].ip6 = true;
    assert_int_equal(ip6_add_addr(S, &net_nif[0], &us, 64, ADDR6_STATIC), 0);
    net_nif[0].addr6[0].state = ADDR6_PREFERRED;
    udp_set_inet6(u);
    assert_int_equal(udp_bind(S, u, &any, 53), 0);
    memcpy(eh.dst, net_mac, 6);
    memcpy(eh.src, net_peer_mac, 6);
    eth_build(b, &eh);
    ipv6_build(b + ETH_HLEN, &h);
    udp_build(l4, &uh);
    l4[UDP_HLEN] = 'x';
    for (int i = 0; i < 4; i++) { /* none; none, and the device says it is good; wrong; right */
        struct rte_mbuf *m;

        if (i == 3)
            sum = cksum_finish(cksum_add(cksum_pseudo_v6(&peer, &us, IPPROTO_UDP_, uh.len), l4, uh.len));
        memcpy(l4 + UDP_CKSUM_OFFSET, i == 2 ? (const uint8_t[]){1, 2} : (const uint8_t *)&sum, 2);
        m = net_mbuf(b, (uint32_t)(l4 + uh.len - b), 0);
        if (i == 1)
            m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        if (i == 3)
            memcpy(pkt_data(m) + (l4 - b) + UDP_CKSUM_OFFSET, &sum, 2);
        eth_input(S, &net_nif[0], m);
        assert_int_equal(net_ctr(DROP_UDP_CKSUM), MIN(i + 1, 3));
        sum = 0;
        memcpy(l4 + UDP_CKSUM_OFFSET, &sum, 2);
    }
    assert_received(u, "x");
    udp_close(S, u);
    net_discard_tx();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(checksums_over_ipv6),
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
        NET_TEST(no_memory_for_the_queue),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
