/* Any DPDK ethdev (a NIC, or a virtual device made by --vdev): a port for each pair of a receive and a transmit queue. */
#ifndef PORT_ETHDEV_H
#define PORT_ETHDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

struct steer;

struct port_ethdev_conf {
    uint16_t port_id;
    uint16_t n_queues;         /* pairs, at most port_ethdev_max_queues(); 0: 1 */
    uint16_t mtu;              /* 0: 1500 */
    uint16_t rx_desc, tx_desc; /* wished ring sizes; 0: 1024. Adjusted to the device, receive also to half the pool */
    bool promiscuous;
    bool no_rx_cksum, no_tx_cksum; /* do not use these offloads though offered */
    bool no_tso, no_lro;           /* nor these, which need those */
    bool force_offload;            /* use them though not offered: the device carries them all the same */
    bool vlan_strip;               /* the device takes VLAN tags off, where it can */
    bool rx_interrupt;             /* ends sleeps, where the device can */
    uint64_t link_wait_ns;         /* wait at most this long for the link; 0: 1 s. A link that stays down is no error */
    const struct steer *steer;     /* several queues: how the device shall spread flows, where it can */
    struct rte_mempool *rx_pool;
    struct rte_mempool *const *rx_pools; /* one for each queue; NULL: rx_pool for all */
    struct rte_mempool *linear_pool;     /* may be set later in struct port; not used where the device sends from rx_pool without a copy */
};

/* The port of queue 0; NULL and one sentence in err. The device is released when the ports of all queues are closed. */
struct port *port_ethdev_open(const struct port_ethdev_conf *c, char *err, size_t err_bytes);

/* The port of another queue of the device. NULL: no memory. */
struct port *port_ethdev_queue(const struct port *first, uint16_t queue);

/* The port of a queue of a device that another process has opened, which says what it is (steer_dev_face). NULL: no memory. */
struct port *port_ethdev_attach(const struct port *face, uint16_t queue);

/* Can processes beside the one that opens the device use queues of it? */
bool port_ethdev_serves_procs(uint16_t port_id);

/* The table of steer.h has changed. */
void port_ethdev_follow_table(uint16_t port_id, const struct steer *steer);

/* How many queue pairs the device can have; 0: there is no such device. */
uint16_t port_ethdev_max_queues(uint16_t port_id);

/* Bytes that a receive buffer of this port should have (without headroom), to size the pool before port_ethdev_open. */
uint32_t port_ethdev_rx_room(uint16_t port_id, uint16_t mtu);

/* ethdev_rss.c: asks the device to spread flows as steer.h does. False: it cannot; its queues get flows as it likes. */
struct rte_eth_conf;
struct rte_eth_dev_info;
bool ethdev_rss_choose(struct rte_eth_conf *conf, const struct rte_eth_dev_info *info, const struct steer *steer);
void ethdev_rss_table(uint16_t port_id, const struct rte_eth_dev_info *info, const struct steer *steer, uint16_t n_queues);

/* ethdev_dma.c: port_ops.dma_map */
int ethdev_dma_map(struct port *p, void *addr, uint64_t iova, size_t len);

#endif
