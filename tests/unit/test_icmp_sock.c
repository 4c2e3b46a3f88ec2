/* Sockets of ICMP on the wire: what they send, what they get, of both families; and what routers say of datagrams, in full. */
#include "nd_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h>

#include "udp/icmp_sock.h"
#include "udp/udp_pcb.h"
#include "wire/bytes.h"

static int sk_place[8]; /* socks are opaque here */
static uint8_t buf[2048];

static struct udp_pcb *open_icmp(int i, bool v6, bool raw)
{
    struct udp_pcb *u = icmp_sock_create(S, (struct sock *)&sk_place[i], v6, raw);

    assert_non_null(u);
    return u;
}

static int opt(struct udp_pcb *u, int level, int name, int v)
{
    return udp_setopt(S, u, level, name, &v, sizeof(v));
}

static ssize_t send_to(struct udp_pcb *u, const struct inaddr *to, const void *p, size_t n)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)p, n / 3}, {(char *)(uintptr_t)p + n / 3, n - n / 3}}; /* in two pieces */
    struct udp_dest dest = UDP_DEST_INIT;

    dest.addr = to;
    return udp_sendto(S, u, iov, 2, 0, &dest);
}

static ssize_t get(struct udp_pcb *u, struct udp_info *info)
{
    struct iovec iov = {buf, sizeof(buf)};
    int flags = 0;

    memset(buf, 0xee, sizeof(buf));
    return udp_recvfrom(S, u, &iov, 1, &flags, info);
}

static const struct inaddr *peer4(void)
{
    static struct inaddr a;

    a = inaddr_v4(NET_PEER);
    return &a;
}

static void learn_peer6(void)
{
    struct inaddr peer = nd_zoned(nd_peer), far = nd_global(2);

    assert_non_null(neigh_learn(S->neigh, 0, &peer, net_peer_mac, true, S->now_ns));
    assert_non_null(neigh_learn(S->neigh, 0, &far, net_peer_mac, true, S->now_ns));
}

static const uint8_t request4[12] = {8, 0, 0xaa, 0xaa, 0x77, 0x77, 0, 5, 'd', 'a', 't', 'a'};
static const uint8_t request6[12] = {128, 0, 0xaa, 0xaa, 0x77, 0x77, 0, 5, 'd', 'a', 't', 'a'};

/* Its identifier and the checksum are put in; the reply with that identifier is its, another one nobody's. */
static void an_echo_socket(void **state)
{
    struct udp_pcb *u = open_icmp(0, false, false), *other = open_icmp(1, false, false);
    struct udp_info info;
    struct net_frame f;
    struct net_out o;
    uint16_t id;
    struct inaddr a;

    (void)state;
    net_resolve();
    assert_int_equal(opt(u, IPPROTO_IP, IP_TTL, 7), 0);
    assert_int_equal(opt(u, IPPROTO_IP, IP_TOS, 0x20), 0);
    assert_int_equal(send_to(u, peer4(), request4, sizeof(request4)), sizeof(request4));
    assert_true(net_take(&o));
    assert_int_equal(o.ip.proto, IPPROTO_ICMP_);
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.ip.ttl, 7);
    assert_int_equal(o.ip.tos, 0x20);
    assert_true(o.ip.df);
    assert_int_equal(o.l4_bytes, sizeof(request4));
    assert_int_equal(cksum_finish(cksum_add(0, o.l4, o.l4_bytes)), 0);
    assert_int_equal(o.l4[0], 8);
    assert_memory_equal(o.l4 + 6, request4 + 6, 6);
    udp_getname(u, &a, &id);
    assert_int_equal(o.l4[4] << 8 | o.l4[5], id);

    net_frame_icmp(&f, NET_PEER, NET_US, 0, 0, id, 5, "data", 4);
    net_inject_frame(&f);
    assert_int_equal(get(other, NULL), -EAGAIN);
    assert_int_equal(get(u, &info), 12);
    assert_int_equal(buf[0], 0);
    assert_memory_equal(buf + 8, "data", 4);
    assert_int_equal(inaddr_to_v4(&info.src), NET_PEER);
    assert_int_equal(info.sport, 0);
    assert_int_equal(info.ttl, 61);
    net_frame_icmp(&f, NET_PEER, NET_US, 0, 0, (uint16_t)(id + 1), 5, "data", 4);
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), -EAGAIN);
    assert_int_equal(net_ctr(DROP_ICMP_TYPE), 1);
    net_frame_icmp(&f, NET_PEER, NET_US, 8, 0, id, 5, "data", 4); /* a request is the stack's to answer */
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), -EAGAIN);
    assert_true(net_take(&o));
    assert_int_equal(o.l4[0], 0);
    udp_close(S, u);
    udp_close(S, other);
    net_inject_frame(&f);
    assert_true(net_take(&o));
}

static void an_echo_socket_of_ipv6(void **state)
{
    struct udp_pcb *u = open_icmp(0, true, false);
    struct inaddr far = nd_global(2), us = nd_global(1), name;
    uint8_t reply[12];
    struct nd_out o;
    uint16_t id;

    (void)state;
    learn_peer6();
    ND_NIF->hop_limit6 = 33;
    assert_int_equal(send_to(u, &far, request6, sizeof(request6)), sizeof(request6));
    assert_true(nd_take(&o)); /* its checksum is right */
    assert_int_equal(o.ip.hop_limit, 33);
    assert_int_equal(o.l4_len, sizeof(request6));
    assert_int_equal(o.l4[0], ICMP6_ECHO);
    udp_getname(u, &name, &id);
    assert_int_equal(o.l4[4] << 8 | o.l4[5], id);
    memcpy(reply, o.l4, sizeof(reply));
    reply[0] = ICMP6_ECHO_REPLY;
    nd_inject_icmp6(net_peer_mac, &far, &us, 9, false, reply, sizeof(reply));
    assert_int_equal(get(u, NULL), 12);
    assert_int_equal(buf[0], ICMP6_ECHO_REPLY);
    udp_close(S, u);
}

/* What it wrote leaves, whatever it is; and every message comes, with its IP header, while the stack does its own with it. */
static void a_raw_socket(void **state)
{
    static const uint8_t strange[10] = {77, 3, 1, 2, 3, 4, 5, 6, 7, 8};
    struct udp_pcb *u = open_icmp(0, false, true), *second = open_icmp(1, false, true);
    struct udp_info info;
    struct net_frame f;
    struct net_out o;

    (void)state;
    net_resolve();
    assert_int_equal(send_to(u, peer4(), strange, sizeof(strange)), sizeof(strange));
    assert_true(net_take(&o));
    assert_int_equal(o.l4_bytes, sizeof(strange));
    assert_memory_equal(o.l4, strange, sizeof(strange));

    net_frame_icmp(&f, NET_PEER, NET_US, 8, 0, 1, 5, "data", 4);
    net_inject_frame(&f);
    assert_true(net_take(&o)); /* the answer is there, and has not changed what the sockets have */
    assert_int_equal(o.l4[0], 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(i ? second : u, &info), 32);
        assert_memory_equal(buf, f.b + ETH_HLEN, 32);
        assert_int_equal(inaddr_to_v4(&info.src), NET_PEER);
    }
    f.b[ETH_HLEN + IPV4_HLEN + 2] ^= 1; /* a wrong checksum, an unknown type: theirs as well */
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), 32);
    assert_int_equal(net_ctr(DROP_ICMP_CKSUM), 1);
    net_frame_icmp(&f, NET_PEER, NET_US, 13, 0, 1, 5, "", 0);
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), 28);
    udp_close(S, second);
    udp_close(S, u);
}

/* A connected one hears its peer, a bound one what is for its address, a filter keeps types away. */
static void what_a_raw_socket_gets(void **state)
{
    struct udp_pcb *conn = open_icmp(0, false, true), *there = open_icmp(1, false, true), *few = open_icmp(2, false, true);
    struct inaddr us1 = inaddr_v4(NET_US1);
    uint32_t filter = ~(1u << 13);
    struct net_frame f;

    (void)state;
    net_resolve();
    assert_int_equal(udp_connect(S, conn, peer4(), 0), 0);
    assert_int_equal(udp_bind(S, there, &us1, 0), 0);
    assert_int_equal(udp_setopt(S, few, SOL_RAW, 1, &filter, sizeof(filter)), 0);
    net_frame_icmp(&f, NET_GW, NET_US, 8, 0, 1, 1, "", 0);
    net_inject_frame(&f);
    net_frame_icmp(&f, NET_PEER, NET_US, 8, 0, 1, 2, "", 0);
    net_inject_frame(&f);
    net_frame_icmp(&f, NET_PEER, NET_US1, 13, 0, 1, 3, "", 0);
    net_inject_frame(&f);
    net_frame_icmp(&f, NET_PEER, NET_US, 40, 0, 1, 4, "", 0); /* of a type that the filter has no bit for */
    net_inject_frame(&f);
    assert_int_equal(get(conn, NULL), 28);
    assert_int_equal(buf[27], 2);
    assert_int_equal(get(conn, NULL), 28);
    assert_int_equal(buf[27], 4);
    assert_int_equal(get(conn, NULL), -EAGAIN);
    assert_int_equal(get(there, NULL), 28);
    assert_int_equal(buf[27], 3);
    assert_int_equal(get(there, NULL), -EAGAIN);
    assert_int_equal(get(few, NULL), 28);
    assert_int_equal(buf[27], 3);
    assert_int_equal(get(few, NULL), 28);
    assert_int_equal(buf[27], 4);
    assert_int_equal(get(few, NULL), -EAGAIN);
    udp_close(S, conn);
    udp_close(S, there);
    udp_close(S, few);
    net_discard_tx();
}

static void a_raw_socket_of_ipv6(void **state)
{
    struct udp_pcb *u = open_icmp(0, true, true), *few = open_icmp(1, true, true);
    struct nd_msg ns = nd_ns(nd_us, net_peer_mac);
    struct inaddr far = nd_global(2), us = nd_global(1);
    uint8_t m[12] = {128}, filter[32];
    struct nd_out o;

    (void)state;
    learn_peer6();
    memset(filter, 0xff, sizeof(filter));
    filter[ND_NEIGHBOR_SOLICIT / 8] = (uint8_t) ~(1u << ND_NEIGHBOR_SOLICIT % 8);
    assert_int_equal(udp_setopt(S, few, IPPROTO_ICMPV6, 1, filter, sizeof(filter)), 0);
    assert_int_equal(send_to(u, &far, request6, sizeof(request6)), sizeof(request6));
    assert_true(nd_take(&o)); /* the checksum is put in, the identifier stays */
    assert_memory_equal(o.l4 + 4, request6 + 4, 8);
    nd_inject_icmp6(net_peer_mac, &far, &us, 9, false, m, sizeof(m));
    nd_inject(net_peer_mac, nd_peer, nd_us, &ns);
    assert_int_equal(get(u, NULL), 12);
    assert_int_equal(buf[0], 128);
    assert_int_equal(get(u, NULL), 32);
    assert_int_equal(get(few, NULL), 32);
    assert_int_equal(buf[0], ND_NEIGHBOR_SOLICIT);
    assert_int_equal(get(few, NULL), -EAGAIN);
    udp_close(S, u);
    udp_close(S, few);
    net_discard_tx();
}

/* The datagram is put together first; its header says so. */
static void a_raw_socket_gets_whole_messages(void **state)
{
    struct udp_pcb *u = open_icmp(0, false, true);
    static struct net_frame f;
    struct net_out o;

    (void)state;
    net_resolve();
    for (int external = 0; external < 2; external++) {
        static uint8_t l4[1608];
        uint16_t sum = 0;

        memset(l4, 3, sizeof(l4));
        memcpy(l4, (const uint8_t[8]){8, 0, 0, 0, 0, 1, 0, 1}, 8);
        sum = cksum_finish(cksum_add(0, l4, sizeof(l4)));
        memcpy(l4 + 2, &sum, 2);
        net_external = external;
        for (int i = 0; i < 2; i++) {
            net_frame_ip(&f, NET_PEER, NET_US, IPPROTO_ICMP_, l4 + i * 800, i ? 808 : 800);
            f.b[ETH_HLEN + 6] = i ? 0 : 0x20;
            f.b[ETH_HLEN + 7] = i ? 100 : 0;
            net_ip_cksum(&f);
            net_inject_frame(&f);
        }
        assert_int_equal(get(u, NULL), 1628);
        assert_int_equal(buf[2] << 8 | buf[3], 1628);
        assert_int_equal((buf[6] & 0x3f) | buf[7], 0);
        assert_int_equal(cksum_finish(cksum_add(0, buf, 20)), 0);
        assert_memory_equal(buf + 20, l4, sizeof(l4));
        while (net_take(&o))
            assert_int_equal(o.ip.proto, IPPROTO_ICMP_);
    }
    udp_close(S, u);
}

/* An error message whose quote is spread over buffers: the socket has its reference, and the transport hears of it. */
static void a_raw_socket_does_not_hide_errors(void **state)
{
    struct udp_pcb *raw = open_icmp(0, false, true), *u = udp_create(S, (struct sock *)&sk_place[1]);
    struct inaddr us = inaddr_v4(NET_US);
    uint8_t quote[28] = {0};
    struct net_frame f;

    (void)state;
    net_resolve();
    assert_int_equal(udp_bind(S, u, &us, 53), 0);
    assert_int_equal(udp_connect(S, u, peer4(), 9), 0);
    ipv4_build(quote, &(struct ipv4_hdr){.total_len = 100, .proto = IPPROTO_UDP_, .ttl = 3, .src = NET_US, .dst = NET_PEER}, true);
    udp_build(quote + 20, &(struct udp_hdr){.sport = 53, .dport = 9, .len = 80});
    net_frame_icmp(&f, NET_PEER, NET_US, 3, 3, 0, 0, quote, sizeof(quote));
    net_inject_split(f.b, f.len, ETH_HLEN + IPV4_HLEN + 12);
    assert_int_equal(udp_take_error(u), ECONNREFUSED);
    assert_int_equal(get(raw, NULL), 56);
    udp_close(S, u);
    udp_close(S, raw);
}

/* reports ------------------------------------------------------------------------------------------------------ */

static struct udp_err_info report;

static ssize_t get_error(struct udp_pcb *u)
{
    struct iovec iov = {buf, sizeof(buf)};
    int flags;

    memset(buf, 0xee, sizeof(buf));
    return udp_recv_error(S, u, &iov, 1, &flags, &report);
}

/* From a router: about len bytes of transport that we sent to dst. */
static void router_says(uint8_t type, uint8_t code, uint32_t word, uint32_t dst, uint8_t proto, const uint8_t *l4, uint32_t len)
{
    uint8_t quote[600];
    struct net_frame f;

    ipv4_build(quote, &(struct ipv4_hdr){.total_len = (uint16_t)(20 + len), .proto = proto, .ttl = 3, .src = NET_US, .dst = dst}, true);
    memcpy(quote + 20, l4, len);
    net_frame_icmp(&f, NET_GW, NET_US, type, code, (uint16_t)(word >> 16), (uint16_t)word, quote, 20 + len);
    net_inject_frame(&f);
}

static void reports_of_routers(void **state)
{
    static const struct {
        uint8_t type, code;
        uint32_t word, info;
        int err;
    } t[] = {{3, 0, 0, 0, ENETUNREACH},   {3, 1, 0, 0, EHOSTUNREACH},    {3, 2, 0, 0, ENOPROTOOPT},   {3, 3, 0, 0, ECONNREFUSED},
             {3, 4, 900, 900, EMSGSIZE},  {3, 5, 0, 0, EOPNOTSUPP},      {3, 6, 0, 0, ENETUNREACH},   {3, 7, 0, 0, EHOSTDOWN},
             {3, 8, 0, 0, ENONET},        {3, 9, 0, 0, ENETUNREACH},     {3, 10, 0, 0, EHOSTUNREACH}, {3, 11, 0, 0, ENETUNREACH},
             {3, 12, 0, 0, EHOSTUNREACH}, {3, 13, 0, 0, EHOSTUNREACH},   {3, 14, 0, 0, EHOSTUNREACH}, {3, 15, 0, 0, EHOSTUNREACH},
             {11, 0, 0, 0, EHOSTUNREACH}, {12, 0, 20u << 24, 20, EPROTO}};
    struct udp_pcb *u = udp_create(S, (struct sock *)&sk_place[0]);
    struct inaddr us = inaddr_v4(NET_US);
    uint8_t l4[100];

    (void)state;
    net_resolve();
    assert_int_equal(udp_bind(S, u, &us, 53), 0);
    assert_int_equal(opt(u, IPPROTO_IP, IP_RECVERR, 1), 0);
    memset(l4, 'q', sizeof(l4));
    udp_build(l4, &(struct udp_hdr){.sport = 53, .dport = 9, .len = sizeof(l4)});
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        router_says(t[i].type, t[i].code, t[i].word, NET_FAR, IPPROTO_UDP_, l4, sizeof(l4));
        assert_int_equal(udp_poll(u) & SOCK_ERR, SOCK_ERR);
        assert_int_equal(u->err, t[i].err);
        assert_int_equal(get_error(u), 92);
        assert_memory_equal(buf, l4 + 8, 92);
        assert_int_equal(report.origin, SO_EE_ORIGIN_ICMP);
        assert_int_equal(report.type, t[i].type);
        assert_int_equal(report.code, t[i].code);
        assert_int_equal(report.err, t[i].err);
        assert_int_equal(report.info, t[i].info);
        assert_int_equal(inaddr_to_v4(&report.dst), NET_FAR);
        assert_int_equal(report.dport, 9);
        assert_int_equal(inaddr_to_v4(&report.in.src), NET_GW);
        assert_int_equal(udp_poll(u) & SOCK_ERR, 0);
        assert_int_equal(get_error(u), -EAGAIN);
    }
    /* of the size nothing, when it is of no interest (ip(7) IP_PMTUDISC_DONT) */
    assert_int_equal(opt(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT), 0);
    router_says(3, 4, 900, NET_FAR, IPPROTO_UDP_, l4, sizeof(l4));
    assert_int_equal(udp_poll(u) & SOCK_ERR, 0);
    /* about another port, or an address that is not ours */
    udp_build(l4, &(struct udp_hdr){.sport = 54, .dport = 9, .len = sizeof(l4)});
    router_says(3, 3, 0, NET_FAR, IPPROTO_UDP_, l4, sizeof(l4));
    assert_int_equal(get_error(u), -EAGAIN);
    udp_close(S, u);
}

/* About what an echo socket, and a raw one, has sent: only those that it is about, and only if they asked or are connected. */
static void reports_to_icmp_sockets(void **state)
{
    struct udp_pcb *echo = open_icmp(0, false, false), *raw = open_icmp(1, false, true), *conn = open_icmp(2, false, true),
                   *other = open_icmp(3, false, true);
    struct inaddr a, far = inaddr_v4(NET_FAR);
    uint8_t l4[20] = {8, 0, 0, 0};
    uint16_t id;

    (void)state;
    net_resolve();
    assert_int_equal(send_to(echo, peer4(), request4, sizeof(request4)), sizeof(request4));
    net_discard_tx();
    udp_getname(echo, &a, &id);
    put16(l4 + 4, id);
    assert_int_equal(opt(echo, IPPROTO_IP, IP_RECVERR, 1), 0);
    assert_int_equal(opt(raw, IPPROTO_IP, IP_RECVERR, 1), 0);
    assert_int_equal(udp_connect(S, conn, &far, 0), 0);
    assert_int_equal(udp_connect(S, other, peer4(), 0), 0);
    router_says(3, 13, 0, NET_FAR, IPPROTO_ICMP_, l4, sizeof(l4));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get_error(i ? raw : echo), sizeof(l4)); /* from the header of ICMP on */
        assert_memory_equal(buf, l4, sizeof(l4));
        assert_int_equal(report.err, EHOSTUNREACH);
        assert_int_equal(report.dport, 0);
    }
    assert_int_equal(udp_take_error(conn), EHOSTUNREACH);
    assert_int_equal(get_error(conn), -EAGAIN);
    assert_int_equal(udp_take_error(other), 0);
    put16(l4 + 4, (uint16_t)(id + 1)); /* another identifier */
    while (get(raw, NULL) >= 0)
        ;
    router_says(3, 13, 0, NET_FAR, IPPROTO_ICMP_, l4, sizeof(l4));
    assert_int_equal(get_error(echo), -EAGAIN);
    udp_close(S, echo);
    udp_close(S, raw);
    udp_close(S, conn);
    udp_close(S, other);
}

static void reports_of_ipv6(void **state)
{
    static const struct {
        uint8_t type, code;
        uint32_t word;
        int err;
    } t[] = {{1, 0, 0, ENETUNREACH}, {1, 1, 0, EACCES},      {1, 3, 0, EHOSTUNREACH}, {1, 4, 0, ECONNREFUSED},
             {1, 5, 0, EACCES},      {2, 0, 1300, EMSGSIZE}, {3, 0, 0, EHOSTUNREACH}, {4, 1, 6, EPROTO}};
    struct udp_pcb *u = udp_create(S, (struct sock *)&sk_place[0]);
    struct inaddr us = nd_global(1), far = nd_global(9);

    (void)state;
    udp_set_inet6(u);
    assert_int_equal(udp_bind(S, u, &us, 53), 0);
    assert_int_equal(opt(u, IPPROTO_IPV6, IPV6_RECVERR, 1), 0);
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        uint8_t m[8 + 40 + 30] = {0};

        icmp6_build(m, &(struct icmp6_hdr){.type = t[i].type, .code = t[i].code, .word = t[i].word});
        ipv6_build(m + 8, &(struct ipv6_hdr){.next = IPPROTO_UDP_, .payload_len = 30, .hop_limit = 3, .src = us, .dst = far});
        udp_build(m + 48, &(struct udp_hdr){.sport = 53, .dport = 9, .len = 30});
        memset(m + 56, 'q', 22);
        nd_inject_icmp6(net_peer_mac, &nd_peer, &us, 64, false, m, sizeof(m));
        assert_int_equal(get_error(u), 22);
        assert_int_equal(buf[0], 'q');
        assert_int_equal(report.origin, SO_EE_ORIGIN_ICMP6);
        assert_int_equal(report.type, t[i].type);
        assert_int_equal(report.code, t[i].code);
        assert_int_equal(report.err, t[i].err);
        assert_int_equal(report.info, t[i].word);
        assert_memory_equal(&report.dst, &far, 16);
        assert_int_equal(report.dport, 9);
    }
    udp_close(S, u);
}

/* No packet of ours went from an address of IPv6 to an IPv4-mapped one. */
static void a_quote_of_two_families(void **state)
{
    struct udp_pcb *u = udp_create(S, (struct sock *)&sk_place[0]);
    struct inaddr us = nd_global(1), mapped = inaddr_v4(NET_PEER), any = INADDR_ANY_V6;
    uint8_t m[8 + 40 + 8] = {0};

    (void)state;
    udp_set_inet6(u);
    assert_int_equal(udp_bind(S, u, &any, 53), 0);
    assert_int_equal(opt(u, IPPROTO_IPV6, IPV6_RECVERR, 1), 0);
    assert_int_equal(opt(u, IPPROTO_IP, IP_RECVERR, 1), 0);
    icmp6_build(m, &(struct icmp6_hdr){.type = ICMP6_UNREACH, .code = 4});
    ipv6_build(m + 8, &(struct ipv6_hdr){.next = IPPROTO_UDP_, .payload_len = 8, .hop_limit = 3, .src = us, .dst = mapped});
    udp_build(m + 48, &(struct udp_hdr){.sport = 53, .dport = 9, .len = 8});
    nd_inject_icmp6(net_peer_mac, &nd_peer, &us, 64, false, m, sizeof(m));
    assert_int_equal(get_error(u), -EAGAIN);
    assert_int_equal(net_ctr(DROP_ICMP_QUOTE), 1);
    udp_close(S, u);
}

/* A port in the address of connect means nothing, as on Linux: replies and reports come all the same. */
static void a_connected_echo_socket(void **state)
{
    struct udp_pcb *u = open_icmp(0, false, false);
    uint8_t quoted[8] = {8};
    struct net_frame f;
    struct inaddr a;
    uint16_t id;

    (void)state;
    net_resolve();
    assert_int_equal(udp_connect(S, u, peer4(), 4711), 0);
    udp_getname(u, &a, &id);
    net_frame_icmp(&f, NET_PEER, NET_US, 0, 0, id, 5, "data", 4);
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), 12);
    net_frame_icmp(&f, NET_PEER + 1, NET_US, 0, 0, id, 5, "data", 4); /* from another one */
    net_inject_frame(&f);
    assert_int_equal(get(u, NULL), -EAGAIN);
    assert_int_equal(opt(u, IPPROTO_IP, IP_RECVERR, 1), 0);
    put16(quoted + 4, id);
    router_says(ICMP_UNREACH, ICMP_UNREACH_HOST, 0, NET_PEER, IPPROTO_ICMP_, quoted, sizeof(quoted));
    assert_int_equal(get_error(u), 8);
    udp_close(S, u);
}

/* A hop limit of zero is the application's wish, of what does not go to a group. */
static void a_hop_limit_of_zero(void **state)
{
    struct udp_pcb *u = open_icmp(0, true, false);
    struct inaddr far = nd_global(2);
    struct nd_out o;

    (void)state;
    learn_peer6();
    assert_int_equal(opt(u, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0), 0);
    assert_int_equal(send_to(u, &far, request6, sizeof(request6)), sizeof(request6));
    assert_true(nd_take(&o));
    assert_int_equal(o.ip.hop_limit, 0);
    udp_close(S, u);
}

/* Our own finding, that the next hop does not answer, is told as its message would be. */
static void a_neighbour_that_does_not_answer_is_reported(void **state)
{
    struct udp_pcb *u = udp_create(S, (struct sock *)&sk_place[0]);
    struct udp_dest to = UDP_DEST_INIT;
    struct iovec iov = {(void *)(uintptr_t) "gone", 4};

    (void)state;
    assert_int_equal(opt(u, IPPROTO_IP, IP_RECVERR, 1), 0);
    to.addr = peer4();
    to.port = 9;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 4);
    for (int i = 0; i < 3; i++)
        net_advance(NS_PER_SEC);
    assert_int_equal(get_error(u), 4);
    assert_memory_equal(buf, "gone", 4);
    assert_int_equal(report.err, EHOSTUNREACH);
    assert_int_equal(report.type, 3);
    assert_int_equal(report.code, 1);
    assert_int_equal(inaddr_to_v4(&report.in.src), NET_US);
    udp_close(S, u);
    net_advance(10 * NS_PER_SEC);
}

/* RFC 3542 section 6: a datagram's own wish comes before the socket's, and that before its address. */
static void sticky_source(void **state)
{
    struct inaddr two = nd_global(7), far = nd_global(2);
    struct udp_pcb *u = udp_create(S, (struct sock *)&sk_place[0]);
    struct in6_pktinfo p = {.ipi6_ifindex = 0};
    struct udp_dest to = UDP_DEST_INIT;
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    struct inaddr plain = nd_peer;
    struct nd_out o;

    (void)state;
    learn_peer6();
    assert_int_equal(ip6_add_addr(S, ND_NIF, &two, 64, ADDR6_STATIC), 0);
    net_advance(NS_PER_SEC);
    net_discard_tx();
    udp_set_inet6(u);
    memcpy(&p.ipi6_addr, two.b, 16);
    assert_int_equal(udp_setopt(S, u, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof(p)), 0);
    to.addr = &far;
    to.port = 9;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 1);
    assert_true(nd_take(&o));
    assert_memory_equal(&o.ip.src, &two, 16);
    to.src = nd_global(1);
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 1);
    assert_true(nd_take(&o));
    assert_memory_equal(&o.ip.src, &to.src, 16);
    /* the interface: of a link-local destination without its zone */
    memset(&p, 0, sizeof(p));
    p.ipi6_ifindex = 1;
    assert_int_equal(udp_setopt(S, u, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof(p)), 0);
    to = UDP_DEST_INIT;
    to.addr = &plain;
    to.port = 9;
    assert_int_equal(udp_sendto(S, u, &iov, 1, 0, &to), 1);
    assert_true(nd_take(&o));
    assert_memory_equal(&o.ip.src, &nd_us, 16);
    udp_close(S, u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ND_TEST(an_echo_socket),
        ND_TEST(an_echo_socket_of_ipv6),
        ND_TEST(a_raw_socket),
        ND_TEST(what_a_raw_socket_gets),
        ND_TEST(a_raw_socket_of_ipv6),
        ND_TEST(a_raw_socket_gets_whole_messages),
        ND_TEST(a_raw_socket_does_not_hide_errors),
        ND_TEST(reports_of_routers),
        ND_TEST(reports_to_icmp_sockets),
        ND_TEST(reports_of_ipv6),
        ND_TEST(a_quote_of_two_families),
        ND_TEST(a_connected_echo_socket),
        ND_TEST(a_hop_limit_of_zero),
        ND_TEST(a_neighbour_that_does_not_answer_is_reported),
        ND_TEST(sticky_source),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
