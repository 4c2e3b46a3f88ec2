/* A TAP port against the kernel, in a network namespace of its own: no threads, so that each step is seen alone. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "base/units.h"
#include "port/sleep.h"
#include "port/tap.h"
#include "port/tap_link.h"
#include "sim.h"

#define NAME "ztest0"
#define OURS 0x0a000002u
#define KERNELS 0x0a000001u
#define KERNELS_SUBNET "10.0.0"
#define NOBODY 65534
#define HDRS (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
#define RX_MBUFS 127u
#define LONG_NS NS_PER_SEC

static struct rte_mempool *pool, *big_pool, *ind_pool;
static char err[256];
static struct counters ctr;

static struct port *open_named(const char *name, uint16_t mtu)
{
    const struct port_tap_addr addr = {.addr = inaddr_v4(KERNELS), .plen = 96 + 24};
    struct port_tap_conf c = {.name = name, .mtu = mtu, .addr = &addr, .n_addrs = 1, .rx_pool = pool};
    struct port *p = port_tap_open(&c, err, sizeof(err));

    memset(&ctr, 0, sizeof(ctr));
    if (p != NULL)
        p->ctr = &ctr;
    return p;
}

static struct port *open_port(uint16_t mtu)
{
    struct port *p = open_named(NAME, mtu);

    if (p == NULL)
        fail_msg("%s", err);
    return p;
}

static void expect_refused(const char *name, uint16_t mtu, const char *words)
{
    assert_null(open_named(name, mtu));
    if (strstr(err, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err, words);
}

/* Closes, and the interface and every buffer are back. */
static void close_port(struct port *p)
{
    port_close(p);
    assert_int_equal(if_nametoindex(NAME), 0);
    assert_int_equal(rte_mempool_in_use_count(pool), 0);
    assert_int_equal(rte_mempool_in_use_count(big_pool), 0);
    assert_int_equal(rte_mempool_in_use_count(ind_pool), 0);
}

static void set_up(bool up)
{
    struct ifreq r = {.ifr_name = NAME};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &r), 0);
    r.ifr_flags = (short)(up ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
    close(fd);
}

static uint8_t content(uint32_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* A socket of the kernel's that talks with our address, which needs no resolving. */
static int peer_socket(const struct port *p)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(OURS)}, from = to;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 4 << 20;
    char command[128];

    snprintf(command, sizeof(command), "ip neigh replace 10.0.0.2 lladdr %02x:%02x:%02x:%02x:%02x:%02x dev " NAME, p->mac[0], p->mac[1],
             p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
    assert_int_equal(system(command), 0);
    from.sin_addr.s_addr = htonl(KERNELS);
    from.sin_port = htons(7000);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void peer_sends(int fd, uint32_t len)
{
    static uint8_t data[65536];

    for (uint32_t i = 0; i < len; i++)
        data[i] = content(i);
    assert_int_equal(send(fd, data, len, 0), (ssize_t)len);
}

static bool is_udp(const struct rte_mbuf *m)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

    return m->data_len >= HDRS && p[12] == 8 && p[13] == 0 && p[23] == IPPROTO_UDP;
}

/* The next frame that is not the kernel's own chatter (IPv6, IGMP); NULL: none. */
static struct rte_mbuf *receive(struct port *p)
{
    struct rte_mbuf *m;

    while (port_rx(p, &m, 1) == 1) {
        if (is_udp(m))
            return m;
        rte_pktmbuf_free(m);
    }
    return NULL;
}

static void check_content(const struct rte_mbuf *m, uint32_t len)
{
    uint32_t off = HDRS, done = 0, segs = 0;

    assert_int_equal(m->pkt_len, HDRS + len);
    for (const struct rte_mbuf *s = m; s != NULL; s = s->next, off = 0, segs++)
        for (const uint8_t *p = rte_pktmbuf_mtod(s, const uint8_t *); off < s->data_len; off++, done++)
            assert_int_equal(p[off], content(done));
    assert_int_equal(done, len);
    assert_int_equal(segs, m->nb_segs);
}

/* A UDP frame to the kernel's socket, its payload in parts of another buffer each, by reference. */
static struct rte_mbuf *udp_frame(const struct port *p, uint32_t len, uint32_t part)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool), **link = &m->next, *payload = rte_pktmbuf_alloc(big_pool);
    struct rte_ether_hdr *eth = (struct rte_ether_hdr *)(void *)rte_pktmbuf_append(m, HDRS);
    struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
    struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
    uint8_t *bytes = (uint8_t *)rte_pktmbuf_append(payload, (uint16_t)len);

    memset(eth, 0, HDRS);
    memcpy(eth->dst_addr.addr_bytes, p->mac, 6);
    eth->dst_addr.addr_bytes[5] ^= 0x80; /* the kernel's */
    memcpy(eth->src_addr.addr_bytes, p->mac, 6);
    eth->ether_type = htons(RTE_ETHER_TYPE_IPV4);
    *ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
                                .total_length = htons((uint16_t)(HDRS - 14 + len)),
                                .time_to_live = 64,
                                .next_proto_id = IPPROTO_UDP,
                                .src_addr = htonl(OURS),
                                .dst_addr = htonl(KERNELS)};
    *udp = (struct rte_udp_hdr){.src_port = htons(7), .dst_port = htons(7000), .dgram_len = htons((uint16_t)(8 + len))};
    m->l2_len = 14;
    m->l3_len = 20;
    m->l4_len = 8;
    m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = content(i);
    for (uint32_t off = 0; off < len; off += part) {
        struct rte_mbuf *mi = rte_pktmbuf_alloc(ind_pool);

        rte_pktmbuf_attach(mi, payload);
        mi->data_off = (uint16_t)(payload->data_off + off);
        mi->data_len = (uint16_t)MIN(part, len - off);
        *link = mi;
        link = &mi->next;
        m->nb_segs++;
        m->pkt_len += mi->data_len;
    }
    rte_pktmbuf_free(payload);
    return m;
}

static uint16_t sends(struct port *p, uint32_t len, uint32_t part)
{
    struct rte_mbuf *m = udp_frame(p, len, part);

    return port_tx(p, &m, 1);
}

static void expect_at_peer(int fd, uint32_t len)
{
    static uint8_t data[65536];

    assert_int_equal(recv(fd, data, sizeof(data), 0), (ssize_t)len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(data[i], content(i));
}

static void expect_qdisc(const char *name)
{
    struct tap_link_info info;
    struct tap_link l;

    assert_int_equal(tap_link_open(&l), 0);
    assert_int_equal(tap_link_get(&l, NAME, &info), 0);
    assert_string_equal(info.qdisc, name);
    tap_link_close(&l);
}

static void test_interface_is_made_and_goes(void **state)
{
    struct port *p = open_port(1400);
    struct tap_link_info info;
    struct tap_link l;

    (void)state;
    assert_int_equal(tap_link_open(&l), 0);
    assert_int_equal(tap_link_get(&l, NAME, &info), 0);
    assert_true(info.up && info.running && p->ops->link_up(p));
    assert_int_equal(info.mtu, 1400);
    assert_int_equal(p->mtu, 1400);
    assert_memory_equal(p->mac, info.mac, 5);
    assert_int_not_equal(p->mac[5], info.mac[5]); /* one link, two addresses */
    assert_int_equal(p->mac[0] & 1, 0);
    set_up(false);
    assert_false(p->ops->link_up(p));
    set_up(true);
    assert_true(p->ops->link_up(p));
    expect_qdisc("noqueue");
    close_port(p);
    assert_int_equal(tap_link_get(&l, NAME, &info), -ENODEV);
    tap_link_close(&l);
    close_port(open_port(0)); /* and again */
}

static void test_refusals_name_the_remedy(void **state)
{
    struct port *p = open_port(0);

    (void)state;
    expect_refused(NAME, 0,
                   "tap=" NAME
                   ": the interface is in use by another program: choose another name, and addr= and tap_addr= of another subnet");
    expect_refused("lo", 0, "tap=lo: there is an interface \"lo\" already, and it is no tap device");
    expect_refused("a_name_of_16_chr", 0, "1 to 15 characters");
    expect_refused("", 0, "1 to 15 characters");
    expect_refused("ztest1", 40, "MTU 40 is not possible");
    expect_refused("ztest1", 65281, "MTU 65281 is not possible");
    assert_int_equal(if_nametoindex("ztest1"), 0);
    close_port(p);
}

/* What configuration takes away is no capability, and what needs it neither. */
static void test_capabilities(void **state)
{
    struct port_tap_conf c = {.name = NAME, .rx_pool = pool};
    struct port *p = open_port(0);

    (void)state;
    assert_true(p->caps.tx_tso && p->caps.rx_lro && p->caps.tx_tcp_cksum && p->caps.tx_udp_cksum && p->caps.rx_cksum);
    assert_false(p->caps.tx_ip_cksum); /* there is no such offload */
    close_port(p);
    c.no_tx_cksum = c.no_lro = true;
    p = port_tap_open(&c, err, sizeof(err));
    assert_true(!p->caps.tx_tso && !p->caps.rx_lro && !p->caps.tx_tcp_cksum && !p->caps.tx_udp_cksum && p->caps.rx_cksum);
    close_port(p);
    c = (struct port_tap_conf){.name = NAME, .rx_pool = pool, .no_tso = true, .no_rx_cksum = true};
    p = port_tap_open(&c, err, sizeof(err));
    assert_true(!p->caps.tx_tso && !p->caps.rx_lro && p->caps.tx_tcp_cksum && !p->caps.rx_cksum);
    close_port(p);
}

/* An interface of an administrator's stays, and needs to be set only where it is not as it should be. */
static void test_existing_interface_is_kept(void **state)
{
    struct port *p;

    (void)state;
    assert_int_equal(system("ip tuntap add " NAME " mode tap && ip link set " NAME " mtu 1400"), 0);
    p = open_port(1500);
    assert_true(p->ops->link_up(p));
    expect_qdisc("noqueue");
    port_close(p);
    assert_int_equal(system("tc qdisc replace dev " NAME " root pfifo"), 0); /* theirs, from now on */
    port_close(open_port(1500));
    expect_qdisc("pfifo");
    assert_int_not_equal(if_nametoindex(NAME), 0);
    p = open_port(1500);
    expect_refused(NAME, 0, "in use");
    port_close(p);
    assert_int_equal(system("ip link del " NAME), 0);
    assert_int_equal(system("ip tuntap add " NAME " mode tap multi_queue"), 0);
    expect_refused(NAME, 0, "no tap device with one queue");
    assert_int_equal(system("ip link del " NAME), 0);
}

/* The kernel would have two routes to one subnet; of an interface that is down it has none. */
static void test_subnet_of_another_interface(void **state)
{
    (void)state;
    assert_int_equal(system("ip tuntap add ztother mode tap && ip addr add " KERNELS_SUBNET ".77/24 dev ztother && ip link set ztother up"),
                     0);
    expect_refused(NAME, 0, "interface ztother has an address of the same subnet as tap_addr");
    assert_int_equal(if_nametoindex(NAME), 0);
    assert_int_equal(system("ip addr flush dev ztother && ip addr add " KERNELS_SUBNET ".77/16 dev ztother"), 0);
    close_port(open_port(0)); /* ours is the longer prefix */
    assert_int_equal(system("ip addr flush dev ztother && ip addr add " KERNELS_SUBNET ".77/24 dev ztother && ip link set ztother down"),
                     0);
    close_port(open_port(0));
    assert_int_equal(system("ip link del ztother"), 0);
}

/* What root has set up already needs no permission. */
static void test_address_is_there(void **state)
{
    struct port *p;

    (void)state;
    if (seteuid(NOBODY) != 0)
        skip(); /* in a user namespace with one user */
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(system("ip tuntap add " NAME " mode tap user nobody && ip addr add " KERNELS_SUBNET ".1/24 dev " NAME
                            " && ip link set " NAME " mtu 1500 up"),
                     0);
    assert_int_equal(seteuid(NOBODY), 0);
    p = open_named(NAME, 0);
    assert_int_equal(seteuid(0), 0);
    if (p == NULL)
        fail_msg("%s", err);
    port_close(p);
    assert_int_equal(system("ip addr flush dev " NAME), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    assert_null(open_named(NAME, 0));
    assert_int_equal(seteuid(0), 0);
    assert_non_null(strstr(err, "given the address of tap_addr"));
    assert_int_equal(system("ip link del " NAME), 0);
}

static void test_frames_in_one_buffer(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *m;

    (void)state;
    assert_null(receive(p));
    for (uint32_t len = 1; len <= 1472; len += 97) {
        peer_sends(fd, len);
        m = receive(p);
        assert_non_null(m);
        assert_int_equal(m->nb_segs, 1);
        assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD); /* the kernel left it unfinished */
        check_content(m, len);
        rte_pktmbuf_free(m);
        assert_int_equal(sends(p, len, 5000), 1);
        expect_at_peer(fd, len);
    }
    assert_null(receive(p));
    close(fd);
    close_port(p);
}

static void test_frames_in_chains(void **state)
{
    struct port *p = open_port(9000);
    int fd = peer_socket(p);

    (void)state;
    for (uint32_t len = 1; len <= 8972; len += 299) {
        struct rte_mbuf *m;

        peer_sends(fd, len);
        m = receive(p);
        assert_non_null(m);
        assert_int_equal(m->nb_segs, (HDRS + len + 2047) / 2048);
        check_content(m, len);
        rte_pktmbuf_free(m);
        assert_int_equal(sends(p, len, 41 + len % 997), 1);
        expect_at_peer(fd, len);
    }
    assert_int_equal(ctr.v[CTR_TX_LINEARIZED] + ctr.v[CTR_COPY_PORT] + ctr.v[CTR_TX_REFUSED], 0);
    close(fd);
    close_port(p);
}

/* Sums that port_tx made arrive too; a wrong one without a request does not: the port says no more than it was told. */
static void test_sums_are_finished_by_the_kernel(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *m = udp_frame(p, 100, 100);

    (void)state;
    p->caps.tx_udp_cksum = false;
    assert_int_equal(port_tx(p, &m, 1), 1);
    expect_at_peer(fd, 100);
    m = udp_frame(p, 100, 100);
    m->ol_flags &= ~RTE_MBUF_F_TX_UDP_CKSUM;
    rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34)->dgram_cksum = 0x1234;
    assert_int_equal(port_tx(p, &m, 1), 1);
    assert_int_equal(recv(fd, err, sizeof(err), 0), -1);
    close(fd);
    close_port(p);
}

/* Without buffers frames wait in the device. */
static void test_no_buffers(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *taken[RX_MBUFS], *m = receive(p);
    unsigned n = 0;

    (void)state;
    assert_null(m);
    while (n < RX_MBUFS && (taken[n] = rte_pktmbuf_alloc(pool)) != NULL)
        n++;
    for (uint32_t i = 0; i < 3; i++)
        peer_sends(fd, 100 + i);
    m = receive(p); /* a buffer for a whole frame lies ready */
    assert_non_null(m);
    check_content(m, 100);
    assert_null(receive(p));
    assert_int_equal(ctr.v[CTR_NO_MBUF], 1);
    rte_pktmbuf_free(m);
    for (uint32_t i = 1; i < 3; i++) {
        m = receive(p);
        assert_non_null(m);
        check_content(m, 100 + i);
        rte_pktmbuf_free(m);
    }
    rte_pktmbuf_free_bulk(taken, n);
    close(fd);
    close_port(p);
}

static void test_lost_frames_are_counted(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *m;
    uint64_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        peer_sends(fd, 1);
    while ((m = receive(p)) != NULL) {
        rte_pktmbuf_free(m);
        n++;
    }
    assert_true(n > 100 && n < 3000);
    assert_true(p->ops->missed(p) >= 3000 - n);
    close(fd);
    close_port(p);
}

static void test_interface_down_and_up(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *m[2];

    (void)state;
    set_up(false);
    m[0] = udp_frame(p, 10, 10);
    m[1] = udp_frame(p, 20, 20);
    assert_int_equal(port_tx(p, m, 2), 2); /* nobody will ever take them: not kept */
    assert_int_equal(ctr.v[CTR_TX_LINK_DOWN], 2);
    assert_null(receive(p));
    assert_false(p->ops->link_up(p));
    set_up(true);
    close(fd);
    fd = peer_socket(p);
    assert_int_equal(sends(p, 30, 30), 1);
    expect_at_peer(fd, 30);
    peer_sends(fd, 40);
    m[0] = receive(p);
    assert_non_null(m[0]);
    rte_pktmbuf_free(m[0]);
    assert_int_equal(ctr.v[CTR_TX_LINK_DOWN], 2);
    close(fd);
    close_port(p);
}

static enum sleep_end sleep_on(struct port *p, uint64_t ns)
{
    struct sleeper s;
    enum sleep_end end;

    assert_int_equal(sleeper_init(&s), 0);
    sleeper_begin(&s);
    end = sleeper_sleep(&s, &p, 1, ns);
    close(s.fd);
    return end;
}

static void test_interface_removed(void **state)
{
    struct port *p = open_port(0);
    uint64_t before;

    (void)state;
    assert_int_equal(system("ip link del " NAME), 0);
    assert_false(p->ops->link_up(p));
    assert_null(receive(p));
    assert_int_equal(sends(p, 30, 30), 1);
    assert_int_equal(ctr.v[CTR_TX_LINK_DOWN], 1);
    assert_int_equal(p->ops->missed(p), 0);
    before = port_clock_ns();
    for (int i = 0; i < 20; i++)
        assert_int_equal(sleep_on(p, LONG_NS), SLEPT_OUT);
    assert_true(port_clock_ns() - before >= 20 * NS_PER_MS); /* no busy loop */
    close_port(p);
}

static void test_wait_ends_with_a_frame(void **state)
{
    struct port *p = open_port(0);
    int fd = peer_socket(p);
    struct rte_mbuf *m;
    uint64_t before;

    (void)state;
    assert_true(p->caps.rx_event);
    assert_null(receive(p));
    before = port_clock_ns();
    sleep_on(p, 20 * NS_PER_MS);
    if (receive(p) == NULL) /* or the kernel's own chatter ended it */
        assert_true(port_clock_ns() - before >= 15 * NS_PER_MS || ctr.v[CTR_RX_PACKETS] > 0);
    peer_sends(fd, 10);
    before = port_clock_ns();
    assert_int_equal(sleep_on(p, LONG_NS), SLEPT_EVENT);
    assert_true(port_clock_ns() - before < LONG_NS / 2);
    m = receive(p);
    assert_non_null(m);
    rte_pktmbuf_free(m);
    close(fd);
    close_port(p);
}

/* A child that goes on without us holds nothing of ours. */
static void test_fork(void **state)
{
    struct port *p = open_port(0);
    int up[2], down[2], status;
    char c = 'x';
    pid_t child;

    (void)state;
    assert_true(pipe(up) == 0 && pipe(down) == 0);
    child = fork();
    if (child == 0) {
        close(down[1]);
        _exit(write(up[1], &c, 1) == 1 && read(down[0], &c, 1) == 0 ? 7 : 1); /* until the parent has looked, or is gone */
    }
    close(down[0]);
    assert_int_equal(read(up[0], &c, 1), 1);
    port_close(p);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    assert_int_equal(if_nametoindex(NAME), 0);
    close(down[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    close(up[0]);
    close(up[1]);
    close_port(open_port(0));
}

/* Each port opened under the name is a queue; the kernel answers on the one that a flow was last sent on. */
static void test_several_queues(void **state)
{
    struct port_tap_conf c = {.name = NAME, .n_queues = 2, .rx_pool = pool};
    const struct port_tap_addr addr = {.addr = inaddr_v4(KERNELS), .plen = 96 + 24};
    struct port *p[2];
    int fd;

    (void)state;
    c.addr = &addr;
    c.n_addrs = 1;
    memset(&ctr, 0, sizeof(ctr));
    for (int i = 0; i < 2; i++) {
        p[i] = port_tap_open(&c, err, sizeof(err));
        if (p[i] == NULL)
            fail_msg("%s", err);
        p[i]->ctr = &ctr;
    }
    assert_memory_equal(p[0]->mac, p[1]->mac, 6);
    fd = peer_socket(p[0]);
    for (int i = 0; i < 2; i++) {
        struct rte_mbuf *m;

        assert_int_equal(sends(p[i], 10, 10), 1);
        expect_at_peer(fd, 10);
        peer_sends(fd, 20);
        assert_null(receive(p[1 - i]));
        m = receive(p[i]);
        assert_non_null(m);
        rte_pktmbuf_free(m);
    }
    close(fd);
    port_close(p[0]);
    assert_int_not_equal(if_nametoindex(NAME), 0);
    close_port(p[1]);
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY), ok;

    if (fd < 0)
        return -1;
    ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
    close(fd);
    return ok;
}

/* A network of our own; NULL, or why there is none. */
static const char *enter_namespace(void)
{
    char map[64];

    if (access("/dev/net/tun", R_OK | W_OK) != 0)
        return "no /dev/net/tun";
    if (system("ip -V >/dev/null 2>&1") != 0)
        return "no ip command";
    if (geteuid() == 0)
        return unshare(CLONE_NEWNET) == 0 ? NULL : "no network namespaces";
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || write_file("/proc/self/uid_map", map) != 0)
        return "no user namespaces";
    return NULL;
}

static int setup(void **state)
{
    (void)state;
    if (sim_eal_init() != 0)
        return -1;
    pool = rte_pktmbuf_pool_create("rx", RX_MBUFS, 0, 24, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    big_pool = rte_pktmbuf_pool_create("big", 15, 0, 24, 65000, SOCKET_ID_ANY);
    ind_pool = rte_pktmbuf_pool_create("ind", 511, 0, 24, 0, SOCKET_ID_ANY);
    return pool != NULL && big_pool != NULL && ind_pool != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interface_is_made_and_goes),
        cmocka_unit_test(test_refusals_name_the_remedy),
        cmocka_unit_test(test_capabilities),
        cmocka_unit_test(test_existing_interface_is_kept),
        cmocka_unit_test(test_subnet_of_another_interface),
        cmocka_unit_test(test_address_is_there),
        cmocka_unit_test(test_frames_in_one_buffer),
        cmocka_unit_test(test_frames_in_chains),
        cmocka_unit_test(test_sums_are_finished_by_the_kernel),
        cmocka_unit_test(test_no_buffers),
        cmocka_unit_test(test_lost_frames_are_counted),
        cmocka_unit_test(test_interface_down_and_up),
        cmocka_unit_test(test_interface_removed),
        cmocka_unit_test(test_wait_ends_with_a_frame),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_several_queues),
    };
    const char *why = enter_namespace();

    if (why != NULL) {
        printf("skipped: %s here\n", why);
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, NULL);
}
