/* Any DPDK ethdev (a NIC, or a virtual device made by --vdev) as a port with one receive and one transmit queue. */
#ifndef PORT_ETHDEV_H
#define PORT_ETHDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/port.h"

struct port_ethdev_conf {
    uint16_t port_id;
    uint16_t mtu;              /* 0: 1500 */
    uint16_t rx_desc, tx_desc; /* wished ring sizes; 0: 1024. Adjusted to the device, receive also to half the pool */
    bool promiscuous;
    bool no_rx_cksum, no_tx_cksum; /* do not use these offloads though offered */
    bool no_tso, no_lro;           /* nor these, which need those */
    bool force_offload;            /* use them though not offered: the device carries them all the same */
    bool vlan_strip;               /* the device takes VLAN tags off, where it can */
    bool rx_interrupt;             /* ends sleeps, where the device can */
    uint64_t link_wait_ns;         /* wait at most this long for the link; 0: 1 s. A link that stays down is no error */
    struct rte_mempool *rx_pool;
    struct rte_mempool *linear_pool; /* may be set later in struct port */
};

/* NULL and one sentence in err. All queues and the device are released by port_close. */
struct port *port_ethdev_open(const struct port_ethdev_conf *c, char *err, size_t err_bytes);

/* Bytes that a receive buffer of this port should have (without headroom), to size the pool before port_ethdev_open. */
uint32_t port_ethdev_rx_room(uint16_t port_id, uint16_t mtu);

/* ethdev_dma.c: port_ops.dma_map */
int ethdev_dma_map(struct port *p, void *addr, uint64_t iova, size_t len);

#endif
