/* Inside of the TAP port: what opening (tap.c) and moving frames (tap_io.c) share. */
#ifndef PORT_TAP_PRIV_H
#define PORT_TAP_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "port/port.h"
#include "port/tap_link.h"

#define TAP_FRAME_MAX (65535u + 18u) /* the longest IP packet, Ethernet header and a VLAN tag */
#define TAP_RX_SEGS 64u              /* buffers of a received frame at most */
#define TAP_RX_ROOM_MIN (TAP_FRAME_MAX / TAP_RX_SEGS + 1)
#define TAP_TX_SEGS 256u

struct tap_port {
    struct port p;           /* first */
    struct counters own_ctr; /* until a stack takes the port */
    struct tap_port *next;   /* of the process */
    int fd;
    bool down; /* the kernel refused the last frame: the interface is down or gone */
    struct tap_link link;
    uint64_t lost_before; /* frames lost before this port was there */
    struct rte_mempool *rx_pool;
    /* The next frame is received here: every buffer of a longest frame lies ready. The first rx_used are gone and to be replaced. */
    uint16_t rx_segs, rx_used;
    uint32_t rx_room; /* bytes of a buffer */
    struct virtio_net_hdr rx_hdr;
    struct iovec rx_iov[1 + TAP_RX_SEGS];
    struct rte_mbuf *rx_seg[TAP_RX_SEGS];
};

static inline struct tap_port *tap_of(struct port *p)
{
    return (struct tap_port *)(void *)p;
}

uint16_t tap_rx(struct port *p, struct rte_mbuf **m, uint16_t n);
uint16_t tap_tx(struct port *p, struct rte_mbuf **m, uint16_t n);
int tap_listen(struct port *p);

/* Fixes the number and size of receive buffers. False: those of the pool are too small. */
bool tap_rx_init(struct tap_port *t, struct rte_mempool *pool);
void tap_rx_fini(struct tap_port *t);

#endif
