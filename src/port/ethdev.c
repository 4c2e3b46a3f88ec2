#include "port/ethdev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/quirks.h"

#define RING_DESC 1024u
#define USUAL_ROOM 2048u
#define STASH 32
#define HEADER_BYTES 40u /* of IPv4 and TCP */
#define LINK_POLL_NS (10 * NS_PER_MS)
#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CKSUM (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

/* What the ports of one device's queues share. */
struct ethdev_dev {
    uint16_t open; /* atomic: ports */
};

struct ethdev_port {
    struct port p; /* first */
    struct ethdev_dev *dev;
    uint16_t queue;
    struct counters own_ctr; /* until a stack takes the port */
    bool prepare;            /* checksum offload is on: drivers may want a look at the frames before */
    bool foreign_meta;       /* received mbufs carry what their sender left in them */
    int ear, heard;          /* epoll(7) of the receive interrupt, and the driver's descriptor that is in it; -1: none */
    uint16_t n_stash;        /* frames that were found when a sleep was to begin */
    struct rte_mbuf *stash[STASH];
};

static struct ethdev_port *ethdev_of(struct port *p)
{
    return (struct ethdev_port *)(void *)p;
}

/*
 * "None" (both bits) says that the sum in the frame is unfinished and its content verified, as between virtual machines: good
 * for the stack.
 */
static void rx_flags(struct ethdev_port *e, struct rte_mbuf **m, uint16_t n)
{
    for (uint16_t i = 0; i < n; i++) {
        uint64_t f = m[i]->ol_flags;

        if ((f & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
            f &= ~RTE_MBUF_F_RX_L4_CKSUM_BAD;
        if ((f & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_NONE)
            f &= ~RTE_MBUF_F_RX_IP_CKSUM_BAD;
        if (e->foreign_meta) {
            f &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
            memset(pkt_meta(m[i]), 0, sizeof(struct pkt_meta));
        }
        /* drivers that merge do not all say of what; then of segments as the link carries them */
        if (unlikely((f & RTE_MBUF_F_RX_LRO) != 0) && (m[i]->tso_segsz == 0 || m[i]->tso_segsz > e->p.mtu))
            m[i]->tso_segsz = (uint16_t)(e->p.mtu - HEADER_BYTES);
        m[i]->ol_flags = f;
    }
}

static uint16_t ethdev_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct ethdev_port *e = ethdev_of(p);
    uint16_t got;

    if (unlikely(e->n_stash > 0)) {
        got = (uint16_t)MIN(n, e->n_stash);
        memcpy(m, e->stash, sizeof(m[0]) * got);
        e->n_stash = (uint16_t)(e->n_stash - got);
        memmove(e->stash, e->stash + got, sizeof(m[0]) * e->n_stash);
    } else {
        got = rte_eth_rx_burst(p->id, e->queue, m, n);
    }
    if (p->caps.rx_cksum || e->foreign_meta)
        rx_flags(e, m, got);
    return got;
}

static uint16_t ethdev_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    const struct ethdev_port *e = ethdev_of(p);

    if (e->prepare) {
        n = rte_eth_tx_prepare(p->id, e->queue, m, n);
        if (unlikely(n == 0)) { /* the first frame is one the driver can never send */
            p->ctr->v[CTR_TX_REFUSED]++;
            rte_pktmbuf_free(m[0]);
            return 1;
        }
    }
    return rte_eth_tx_burst(p->id, e->queue, m, n);
}

static void ethdev_reclaim(struct port *p)
{
    rte_eth_tx_done_cleanup(p->id, ethdev_of(p)->queue, 0); /* -ENOTSUP where the driver frees on transmit only */
}

static bool ethdev_link_up(struct port *p)
{
    struct rte_eth_link link;

    memset(&link, 0, sizeof(link));
    return rte_eth_link_get_nowait(p->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

static uint64_t ethdev_missed(struct port *p)
{
    struct rte_eth_stats st;

    return rte_eth_stats_get(p->id, &st) == 0 ? st.imissed + st.rx_nombuf : 0;
}

/*
 * What becomes readable by an interrupt differs: an eventfd(2), the device itself, for vhost an epoll(7) around an eventfd that nobody
 * reads, and which is therefore readable for ever after the first. What they share is the edge: it is waited for, and nothing is read.
 */
static bool ear_open(struct ethdev_port *e)
{
    struct epoll_event edge = {.events = EPOLLIN | EPOLLET};
    int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(e->p.id, e->queue);

    /* it fails for one that was closed, and whose number the driver got again: an epoll forgets it then */
    if (fd >= 0 && fd == e->heard && epoll_ctl(e->ear, EPOLL_CTL_MOD, fd, &edge) == 0)
        return true;
    if (e->ear >= 0)
        close(e->ear);
    e->heard = -1;
    e->ear = fd >= 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (e->ear < 0 || epoll_ctl(e->ear, EPOLL_CTL_ADD, fd, &edge) != 0)
        return false;
    e->heard = fd;
    return true;
}

/* Interrupts of frames that were received since are forgotten. A frame that came before they were enabled raises none: look once more. */
static int ethdev_listen(struct port *p)
{
    struct ethdev_port *e = ethdev_of(p);
    struct epoll_event old;

    if (e->n_stash > 0)
        return PORT_READY;
    if (!ear_open(e) || rte_eth_dev_rx_intr_enable(p->id, e->queue) != 0)
        return PORT_DEAF;
    epoll_wait(e->ear, &old, 1, 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* not all drivers order enabling and looking */
    e->n_stash = rte_eth_rx_burst(p->id, e->queue, e->stash, STASH);
    if (e->n_stash == 0)
        return e->ear;
    rte_eth_dev_rx_intr_disable(p->id, e->queue);
    return PORT_READY;
}

static void ethdev_unlisten(struct port *p)
{
    rte_eth_dev_rx_intr_disable(p->id, ethdev_of(p)->queue);
}

static void ethdev_close(struct port *p)
{
    struct ethdev_port *e = ethdev_of(p);

    rte_pktmbuf_free_bulk(e->stash, e->n_stash);
    if (e->ear >= 0)
        close(e->ear);
    if (e->dev == NULL) { /* whoever has opened the device closes it */
        free(e);
        return;
    }
    if (__atomic_sub_fetch(&e->dev->open, 1, __ATOMIC_ACQ_REL) == 0) {
        rte_eth_dev_stop(p->id);
        rte_eth_dev_close(p->id);
        free(e->dev);
    }
    free(e);
}

static const struct port_ops ethdev_ops = {
    .rx = ethdev_rx,
    .tx = ethdev_tx,
    .reclaim = ethdev_reclaim,
    .link_up = ethdev_link_up,
    .missed = ethdev_missed,
    .listen = ethdev_listen,
    .unlisten = ethdev_unlisten,
    .dma_map = ethdev_dma_map,
    .close = ethdev_close,
};

static uint32_t pool_room(const struct port_ethdev_conf *c)
{
    return rte_pktmbuf_data_room_size(c->rx_pool) - RTE_PKTMBUF_HEADROOM;
}

/* Merged frames are longer than receive buffers. */
static void choose_lro(const struct port_ethdev_conf *c, const struct rte_eth_dev_info *info, const struct quirk *q,
                       struct rte_eth_conf *conf)
{
    uint64_t scatter = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;

    if (c->no_lro || (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) == 0 || (scatter == 0 && !q->rx_chains) ||
        (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) == 0)
        return;
    conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO | scatter;
    conf->rxmode.max_lro_pkt_size = info->max_lro_pkt_size;
}

/* MBUF_FAST_FREE is never asked for: frames hold segments of several pools and shared buffers. */
static void choose_offloads(const struct port_ethdev_conf *c, const struct rte_eth_dev_info *info, const struct port_limits *l,
                            const struct quirk *q, struct rte_eth_conf *conf)
{
    conf->rxmode.mtu = l->configure_mtu;
    conf->rxmode.offloads = info->rx_offload_capa & (c->no_rx_cksum ? 0 : RX_CKSUM);
    if (c->vlan_strip)
        conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
    if (pool_room(c) < l->rx_room)
        conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    conf->txmode.offloads = info->tx_offload_capa & (c->no_tx_cksum || q->no_tx_cksum ? 0 : TX_CKSUM);
    conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (!c->no_tso && (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0)
        conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO;
    choose_lro(c, info, q, conf);
    conf->intr_conf.rxq = c->rx_interrupt;
}

static uint16_t queues(const struct port_ethdev_conf *c)
{
    return c->n_queues != 0 ? c->n_queues : 1;
}

/* What the device does with frames of many segments; a frame takes no more than a good part of the ring. */
static void set_large_caps(struct port *p, const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf, uint16_t n_tx)
{
    uint16_t most = info->tx_desc_lim.nb_seg_max;

    p->caps.tx_tso = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 && p->caps.tx_chains;
    p->caps.rx_lro = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0;
    p->caps.tso_max_bytes = PKT_BUF_MAX;
    p->caps.tso_max_segs = (uint16_t)(most != 0 ? MIN(most, n_tx / 4u) : n_tx / 4u);
}

/* The device carries what it does not offer: flags of mbufs arrive at the other end, and come from there. */
static void force_caps(struct port *p, const struct port_ethdev_conf *c, const struct quirk *q)
{
    if (!c->no_tx_cksum && !q->no_tx_cksum) {
        p->caps.tx_tcp_cksum = p->caps.tx_udp_cksum = true;
        p->caps.tx_tso = !c->no_tso && p->caps.tx_chains;
    }
    if (!c->no_rx_cksum) {
        p->caps.rx_cksum = true;
        p->caps.rx_lro = !c->no_lro;
    }
}

static void set_caps(struct port *p, const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf, const struct quirk *q)
{
    uint64_t tx = conf->txmode.offloads;
    const struct rte_eth_desc_lim *lim = &info->tx_desc_lim;

    p->caps.tx_chains = (tx & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 && !q->no_chains;
    p->caps.tx_external = !q->no_external;
    p->caps.tx_indirect = !q->no_indirect;
    p->caps.tx_owned_only = q->owned_only;
    p->caps.tx_ip_cksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
    p->caps.tx_tcp_cksum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
    p->caps.tx_udp_cksum = (tx & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
    p->caps.rx_cksum = (conf->rxmode.offloads & RX_CKSUM) != 0;
    p->caps.tx_max_segs = UINT16_MAX; /* zero in a limit means that there is none */
    if (lim->nb_seg_max != 0)
        p->caps.tx_max_segs = lim->nb_seg_max;
    if (lim->nb_mtu_seg_max != 0)
        p->caps.tx_max_segs = (uint16_t)MIN(p->caps.tx_max_segs, lim->nb_mtu_seg_max);
}

/* Some drivers refuse to merge with these buffers: then they do not. */
static int configure(uint16_t id, uint16_t n, struct rte_eth_conf *conf)
{
    int ret = rte_eth_dev_configure(id, n, n, conf);

    if (ret < 0 && (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0) {
        conf->rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TCP_LRO;
        conf->rxmode.max_lro_pkt_size = 0;
        ret = rte_eth_dev_configure(id, n, n, conf);
    }
    return ret;
}

/* *n_tx: descriptors of the transmit ring. */
static int setup_queues(const struct port_ethdev_conf *c, const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf,
                        uint16_t *n_tx)
{
    uint16_t n_rx = c->rx_desc != 0 ? c->rx_desc : RING_DESC;
    unsigned socket = (unsigned)rte_eth_dev_socket_id(c->port_id);
    struct rte_eth_rxconf rxconf = info->default_rxconf;
    struct rte_eth_txconf txconf = info->default_txconf;
    int ret;

    *n_tx = c->tx_desc != 0 ? c->tx_desc : RING_DESC;
    while (n_rx > c->rx_pool->size / 2 && n_rx > 32)
        n_rx /= 2;
    ret = rte_eth_dev_adjust_nb_rx_tx_desc(c->port_id, &n_rx, n_tx);
    if (ret != 0)
        return ret;
    rxconf.offloads = conf->rxmode.offloads;
    txconf.offloads = conf->txmode.offloads;
    for (uint16_t i = 0; i < queues(c) && ret == 0; i++) {
        ret = rte_eth_rx_queue_setup(c->port_id, i, n_rx, socket, &rxconf, c->rx_pools != NULL ? c->rx_pools[i] : c->rx_pool);
        if (ret == 0)
            ret = rte_eth_tx_queue_setup(c->port_id, i, *n_tx, socket, &txconf);
    }
    return ret;
}

/* A device whose kernel interface has the MTU was checked against that; the others are told, where they want to be. */
static int set_mtu(uint16_t id, uint16_t mtu, const struct port_limits *l, const struct quirk *q)
{
    int ret;

    if (q->kernel_mtu || l->configure_mtu != mtu || mtu == RTE_ETHER_MTU)
        return 0;
    ret = rte_eth_dev_set_mtu(id, mtu);
    return ret == -ENOTSUP ? 0 : ret;
}

static void wait_for_link(struct port *p, uint64_t wait_ns)
{
    for (uint64_t waited = 0; waited < wait_ns && !ethdev_link_up(p); waited += LINK_POLL_NS)
        port_nap(LINK_POLL_NS);
}

static int bring_up(const struct ethdev_port *e, const struct port_ethdev_conf *c, const struct rte_eth_dev_info *info,
                    const struct port_limits *l, const struct quirk *q, struct rte_eth_conf *conf, uint16_t *n_tx, const char **step)
{
    int ret;

    *step = "configured";
    ret = configure(c->port_id, queues(c), conf);
    if (ret == 0) {
        *step = "given queues";
        ret = setup_queues(c, info, conf, n_tx);
    }
    if (ret == 0) {
        *step = "given this MTU";
        ret = set_mtu(c->port_id, e->p.mtu, l, q);
    }
    if (ret == 0) {
        *step = "started";
        ret = rte_eth_dev_start(c->port_id);
    }
    return ret;
}

static bool has_event(uint16_t id, const struct rte_eth_conf *conf, const struct quirk *q)
{
    if (conf->intr_conf.rxq == 0 || q->late_event)
        return conf->intr_conf.rxq != 0;
    if (rte_eth_dev_rx_intr_ctl_q_get_fd(id, 0) < 0 || rte_eth_dev_rx_intr_enable(id, 0) != 0)
        return false;
    rte_eth_dev_rx_intr_disable(id, 0);
    return true;
}

static int start(struct ethdev_port *e, const struct port_ethdev_conf *c, const struct rte_eth_dev_info *info, const struct port_limits *l,
                 const struct quirk *q, const char **step)
{
    struct rte_eth_conf wanted = {0}, conf;
    uint16_t n_tx = 0;
    bool rss;
    int ret;

    choose_offloads(c, info, l, q, &wanted);
    rss = queues(c) > 1 && ethdev_rss_choose(&wanted, info, c->steer);
    conf = wanted;
    ret = bring_up(e, c, info, l, q, &conf, &n_tx, step);
    if (ret < 0 && wanted.intr_conf.rxq != 0) { /* some devices or drivers have no interrupts, and say so in one way or another */
        conf = wanted;
        conf.intr_conf.rxq = 0;
        ret = bring_up(e, c, info, l, q, &conf, &n_tx, step);
    }
    if (ret != 0)
        return ret;
    if (rss)
        ethdev_rss_table(c->port_id, info, c->steer, queues(c));
    set_caps(&e->p, info, &conf, q);
    set_large_caps(&e->p, info, &conf, n_tx);
    if (c->force_offload)
        force_caps(&e->p, c, q);
    e->p.caps.rx_flow_hash = rss && (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0;
    e->p.caps.max_mtu = l->max_mtu;
    e->prepare = (conf.txmode.offloads & TX_CKSUM) != 0;
    e->foreign_meta = q->owned_only;
    e->p.caps.rx_event = has_event(c->port_id, &conf, q);
    /* groups are filtered by src/ip, which knows who has joined; a device that cannot let them all in lets everything in */
    if (!c->promiscuous)
        rte_eth_promiscuous_disable(c->port_id);
    if (c->promiscuous || rte_eth_allmulticast_enable(c->port_id) != 0)
        rte_eth_promiscuous_enable(c->port_id);
    return 0;
}

static int device_info(uint16_t id, struct rte_eth_dev_info *info, char *err, size_t n)
{
    unsigned count = rte_eth_dev_count_avail();

    if (!rte_eth_dev_is_valid_port(id)) {
        if (count == 0)
            snprintf(err, n,
                     "no DPDK port %u: no NIC is bound to DPDK (dpdk-devbind.py --status) and config.ini has no [vdevN] devargs=; or give "
                     "[port%u] a tap=",
                     id, id);
        else
            snprintf(err, n, "no DPDK port %u: there %s %u, counted from 0; see port_list in config.ini", id, count == 1 ? "is" : "are",
                     count);
        return -ENODEV;
    }
    if (rte_eth_dev_info_get(id, info) != 0) {
        snprintf(err, n, "port %u: the driver tells nothing about its device", id);
        return -EIO;
    }
    return 0;
}

static struct ethdev_port *port_new(const struct port_ethdev_conf *c, uint16_t mtu, const struct quirk *q)
{
    struct ethdev_port *e = calloc(1, sizeof(*e));
    struct rte_ether_addr mac;

    if (e == NULL || (e->dev = calloc(1, sizeof(*e->dev))) == NULL) {
        free(e);
        return NULL;
    }
    e->dev->open = 1;
    e->ear = e->heard = -1;
    e->p.ops = &ethdev_ops;
    e->p.id = c->port_id;
    e->p.mtu = mtu;
    e->p.ctr = &e->own_ctr;
    e->p.linear_pool = q->sends_rx_pool ? c->rx_pool : c->linear_pool;
    if (rte_eth_macaddr_get(c->port_id, &mac) == 0)
        memcpy(e->p.mac, mac.addr_bytes, sizeof(e->p.mac));
    if (q->kernel_mac) {
        e->p.mac[0] |= RTE_ETHER_LOCAL_ADMIN_ADDR;
        e->p.mac[5] ^= 0x80;
    }
    rte_eth_dev_get_name_by_port(c->port_id, e->p.name);
    return e;
}

struct port *port_ethdev_open(const struct port_ethdev_conf *c, char *err, size_t err_bytes)
{
    uint16_t mtu = c->mtu != 0 ? c->mtu : RTE_ETHER_MTU;
    struct rte_eth_dev_info info;
    const struct quirk *q;
    struct port_limits limits;
    struct ethdev_port *e;
    const char *step = "";
    int ret;

    if (device_info(c->port_id, &info, err, err_bytes) != 0)
        return NULL;
    q = quirk_find(info.driver_name);
    port_limits_get(&limits, mtu, &info, q);
    if (port_limits_check(&limits, c->port_id, mtu, pool_room(c), &info, q, err, err_bytes) != 0)
        return NULL;
    e = port_new(c, mtu, q);
    if (e == NULL) {
        snprintf(err, err_bytes, "port %u: no memory", c->port_id);
        return NULL;
    }
    ret = start(e, c, &info, &limits, q, &step);
    if (ret != 0) {
        if (ret == -EBUSY)
            snprintf(err, err_bytes, "port %u (%s) is in use already", c->port_id, info.driver_name);
        else
            snprintf(err, err_bytes, "port %u (%s) could not be %s: %s; see DPDK's message above", c->port_id, info.driver_name, step,
                     strerror(-ret));
        free(e->dev);
        free(e);
        return NULL;
    }
    wait_for_link(&e->p, c->link_wait_ns != 0 ? c->link_wait_ns : NS_PER_SEC);
    return &e->p;
}

struct port *port_ethdev_queue(const struct port *first, uint16_t queue)
{
    struct ethdev_port *e = malloc(sizeof(*e));

    if (e == NULL)
        return NULL;
    *e = *(const struct ethdev_port *)(const void *)first;
    e->p.ctr = &e->own_ctr;
    e->queue = queue;
    e->ear = e->heard = -1;
    __atomic_add_fetch(&e->dev->open, 1, __ATOMIC_RELAXED);
    return &e->p;
}

struct port *port_ethdev_attach(const struct port *face, uint16_t queue)
{
    struct ethdev_port *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->p = *face;
    e->p.ops = &ethdev_ops;
    e->p.ctr = &e->own_ctr;
    e->queue = queue;
    e->ear = e->heard = -1;
    e->foreign_meta = face->caps.tx_owned_only;
    e->prepare = face->caps.tx_ip_cksum || face->caps.tx_tcp_cksum || face->caps.tx_udp_cksum;
    return &e->p;
}

/* What is on a bus is in memory that all processes see; of virtual devices one must know. */
bool port_ethdev_serves_procs(uint16_t port_id)
{
    struct rte_eth_dev_info info;
    char err[256];

    if (device_info(port_id, &info, err, sizeof(err)) != 0)
        return false;
    return quirk_find(info.driver_name)->serves_procs || strncmp(rte_bus_name(rte_dev_bus(info.device)), "vdev", 4) != 0;
}

void port_ethdev_follow_table(uint16_t port_id, const struct steer *steer)
{
    struct rte_eth_dev_info info;
    char err[256];

    if (device_info(port_id, &info, err, sizeof(err)) == 0 && info.nb_rx_queues > 1)
        ethdev_rss_table(port_id, &info, steer, info.nb_rx_queues);
}

uint16_t port_ethdev_max_queues(uint16_t port_id)
{
    struct rte_eth_dev_info info;
    char err[256];

    return device_info(port_id, &info, err, sizeof(err)) == 0 ? (uint16_t)MIN(info.max_rx_queues, info.max_tx_queues) : 0;
}

uint32_t port_ethdev_rx_room(uint16_t port_id, uint16_t mtu)
{
    struct rte_eth_dev_info info;
    struct port_limits l;
    const struct quirk *q;
    char err[256];

    if (device_info(port_id, &info, err, sizeof(err)) != 0)
        return 0;
    q = quirk_find(info.driver_name);
    port_limits_get(&l, mtu != 0 ? mtu : RTE_ETHER_MTU, &info, q);
    if (!l.rx_room_required && (q->rx_chains || (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0))
        return MAX(info.min_rx_bufsize, USUAL_ROOM);
    return MAX(l.rx_room, info.min_rx_bufsize);
}
