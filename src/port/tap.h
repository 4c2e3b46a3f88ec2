/*
 * A TAP device as a port: its other end is a network interface of this machine's kernel, which is the peer. With virtio-net headers
 * (IFF_VNET_HDR) checksums and segmentation are left to the kernel in both directions. Frames are gathered from and scattered to chains of
 * mbufs by the system calls themselves (writev, readv).
 */
#ifndef PORT_TAP_H
#define PORT_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/inaddr.h"
#include "port/port.h"

#define PORT_TAP_NAME_MAX 15u /* characters of an interface's name */
#define PORT_TAP_MTU_MAX 65280u

/* An address of the kernel's end; plen: as of struct route (IPv4: 96 more than its mask has). */
struct port_tap_addr {
    struct inaddr addr;
    uint8_t plen;
};

struct port_tap_conf {
    const char *name;  /* of the interface, in the network namespace of the process */
    uint16_t mtu;      /* 0: 1500 */
    uint16_t n_queues; /* more than 1: each port opened under this name is another queue of the same interface */
    uint16_t n_addrs;
    const struct port_tap_addr *addr;
    bool no_rx_cksum, no_tx_cksum; /* sums are made by the sender: the kernel; port_tx */
    bool no_tso, no_lro;           /* no frame is longer than the MTU; nor without those */
    struct rte_mempool *rx_pool, *linear_pool;
};

/*
 * Makes the interface, or takes one that an administrator made (ip tuntap add, which also lets a user have it), gives it the MTU and the
 * addresses and takes it up. An interface that it made goes away with the last port on it, at the latest when the process ends. NULL and
 * one sentence in err.
 */
struct port *port_tap_open(const struct port_tap_conf *c, char *err, size_t err_bytes);

#endif
