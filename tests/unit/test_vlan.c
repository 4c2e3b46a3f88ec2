/* VLANs of a port (IEEE 802.1Q): tags in frames and taken off by the device, unknown ones, priority tags, what goes out. */
#include "udp_fixture.h"

#define VLAN_US 0x0a020001u /* 10.2.0.1/24 */
#define VLAN_PEER 0x0a020002u
#define VID 7u
#define PORT 53

static struct netif vlan;

static int setup(void **state)
{
    if (net_setup(state) != 0)
        return -1;
    memset(&vlan, 0, sizeof(vlan));
    memcpy(vlan.mac, net_mac, 6);
    vlan.index = 2;
    vlan.mtu = 1500;
    vlan.parent = &net_nif[0];
    vlan.vid = VID;
    S->netif[2] = &vlan;
    S->n_netifs = 3;
    assert_int_equal(ip_add_addr(S, &vlan, VLAN_US, 0xffffff00u, 0), 0);
    while (vlan.txq.head != vlan.txq.tail)
        rte_pktmbuf_free(vlan.txq.slot[vlan.txq.head++ & (TXQ_SLOTS - 1)]);
    return 0;
}

static int teardown(void **state)
{
    while (vlan.txq.head != vlan.txq.tail)
        rte_pktmbuf_free(vlan.txq.slot[vlan.txq.head++ & (TXQ_SLOTS - 1)]);
    return net_teardown(state);
}

/* Puts a tag into a frame. */
static void tag(struct net_frame *f, uint16_t tci)
{
    memmove(f->b + 16, f->b + 12, f->len - 12);
    f->b[12] = 0x81;
    f->b[13] = 0;
    f->b[14] = (uint8_t)(tci >> 8);
    f->b[15] = (uint8_t)tci;
    f->len += VLAN_HLEN;
}

static struct net_frame *datagram(uint32_t dst, const char *what)
{
    static struct net_frame f;

    net_frame_udp(&f, dst == VLAN_US ? VLAN_PEER : NET_PEER, 9, dst, PORT, what, (uint32_t)strlen(what));
    return &f;
}

static void tagged_frames_come_in(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    struct net_frame *f;

    (void)state;
    f = datagram(VLAN_US, "seven");
    tag(f, 0xe000 | VID); /* with the highest priority */
    net_inject_frame(f);
    assert_received(u, "seven");
    for (uint32_t split = 1; split < 60; split++) { /* over two buffers */
        f = datagram(VLAN_US, "split");
        tag(f, VID);
        net_inject_split(f->b, f->len, split);
        assert_received(u, "split");
    }
    /* no tag, or one that is only a priority: the port's */
    f = datagram(NET_US, "none");
    net_inject_frame(f);
    assert_received(u, "none");
    tag(f, 0x6000);
    net_inject_frame(f);
    assert_received(u, "none");
}

static void unknown_tags(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    struct net_frame *f = datagram(NET_US, "x");

    (void)state;
    tag(f, VID + 1);
    net_inject_frame(f);
    assert_int_equal(net_ctr(DROP_VLAN_UNKNOWN), 1);
    f = datagram(VLAN_US, "x");
    tag(f, VID);
    tag(f, VID); /* a tag in a tag */
    net_inject_frame(f);
    assert_int_equal(net_ctr(DROP_VLAN_UNKNOWN), 2);
    f = datagram(VLAN_US, "x");
    tag(f, VID);
    net_inject(f->b, ETH_HLEN + 3);
    assert_int_equal(net_ctr(DROP_ETH_SHORT), 1);
    assert_nothing(u);
}

static void stripped(const struct net_frame *f, uint16_t tci)
{
    struct rte_mbuf *m = net_mbuf(f->b, f->len, 0);

    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    m->vlan_tci = tci;
    eth_input(S, &net_nif[0], m);
}

static void tags_taken_off_by_the_device(void **state)
{
    struct udp_pcb *u = bound(0, 0, PORT);
    struct net_frame *f;

    (void)state;
    stripped(datagram(VLAN_US, "seven"), 0x2000 | VID);
    assert_received(u, "seven");
    stripped(datagram(NET_US, "none"), 0x2000);
    assert_received(u, "none");
    stripped(datagram(VLAN_US, "eight"), VID + 1);
    assert_int_equal(net_ctr(DROP_VLAN_UNKNOWN), 1);
    f = datagram(VLAN_US, "in two");
    tag(f, 0); /* and another one in the frame: not even a priority */
    stripped(f, VID);
    assert_int_equal(net_ctr(DROP_VLAN_UNKNOWN), 2);
    assert_nothing(u);
}

static struct rte_mbuf *take(void)
{
    return txq_count(&vlan.txq) ? vlan.txq.slot[vlan.txq.head++ & (TXQ_SLOTS - 1)] : NULL;
}

/* ARP asks with a tag, the answer comes with one, and each VLAN has its own neighbours. */
static void frames_go_out_tagged(void **state)
{
    const uint8_t head[] = {0x81, 0, 0, VID, 0x08, 0x06}, ip[] = {0x81, 0, 0, VID, 0x08, 0x00};
    const struct inaddr peer = inaddr_v4(VLAN_PEER);
    struct udp_pcb *u = bound(0, 0, PORT);
    struct eth_hdr eh = {.type = ETH_TYPE_ARP};
    struct arp_pkt a = {.op = ARP_REPLY, .spa = VLAN_PEER, .tpa = VLAN_US};
    struct net_frame f = {.len = 60};
    struct rte_mbuf *m;

    (void)state;
    assert_int_equal(send_to(u, VLAN_PEER, 9, "out"), 3);
    m = take();
    assert_non_null(m);
    assert_memory_equal(pkt_data(m) + 12, head, sizeof(head));
    rte_pktmbuf_free(m);
    memcpy(eh.dst, net_mac, 6);
    memcpy(eh.src, net_peer_mac, 6);
    memcpy(a.sha, net_peer_mac, 6);
    memcpy(a.tha, net_mac, 6);
    eth_build(f.b, &eh);
    arp_build(f.b + ETH_HLEN, &a);
    net_inject_frame(&f); /* the wrong VLAN says nothing about this one */
    assert_null(take());
    assert_null(neigh_find(S->neigh, 0, &peer));
    tag(&f, VID);
    net_inject_frame(&f);
    m = take();
    assert_non_null(m);
    assert_memory_equal(pkt_data(m), net_peer_mac, 6);
    assert_memory_equal(pkt_data(m) + 12, ip, sizeof(ip));
    assert_int_equal(m->l2_len, ETH_HLEN_MAX); /* where a port finds the checksums */
    assert_int_equal(m->l3_len, IPV4_HLEN);
    assert_int_equal(m->pkt_len, ETH_HLEN_MAX + IPV4_HLEN + UDP_HLEN + 3);
    rte_pktmbuf_free(m);
    assert_int_equal(send_to(u, NET_PEER, 9, "out"), 3);
    assert_null(take());
    assert_int_equal(txq_count(&net_nif[0].txq), 1);
}

#define VLAN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VLAN_TEST(tagged_frames_come_in),
        VLAN_TEST(unknown_tags),
        VLAN_TEST(tags_taken_off_by_the_device),
        VLAN_TEST(frames_go_out_tagged),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
