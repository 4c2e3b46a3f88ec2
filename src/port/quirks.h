/* What drivers cannot do, or can, and do not say. */
#ifndef PORT_QUIRKS_H
#define PORT_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>

struct quirk {
    const char *driver;
    bool no_chains, no_external, no_indirect; /* on transmit */
    bool owned_only;                          /* see port_caps.tx_owned_only */
    bool sends_rx_pool;                       /* buffers of its receive pool as they are, while it copies others */
    bool rx_chains;                           /* receives into chains without RX_OFFLOAD_SCATTER */
    bool kernel_mtu;                          /* the MTU is the kernel interface's: checked here, set by the administrator */
    bool kernel_mac;                          /* the kernel's end has the device's address: ours must be another one */
    bool no_tx_cksum;                         /* its checksum offload makes wrong sums */
    bool serves_procs;                        /* a virtual device that other processes can use, too */
    bool late_event;                          /* interrupts are there only once a peer is */
    bool slot_room;                           /* wants receive buffers as large as a slot */
    const char *slot_arg;                     /* frames live in slots, whose size is this device argument: what the device reports as */
    uint16_t slot_default, slot_overhead;     /* its longest frame is not the limit */
    uint16_t max_mtu;                         /* 0: what the device says */
};

/* Never NULL. */
const struct quirk *quirk_find(const char *driver);

/* What an MTU means on a device. */
struct port_limits {
    uint16_t max_mtu;
    uint16_t configure_mtu; /* what rte_eth_dev_configure is told */
    uint32_t rx_room;       /* bytes of a receive buffer that hold any frame */
    bool rx_room_required;  /* the driver refuses smaller ones, chains or not */
};

void port_limits_get(struct port_limits *l, uint16_t mtu, const struct rte_eth_dev_info *info, const struct quirk *q);

/* 0; or -EINVAL and one sentence when the device or these receive buffers (data bytes without headroom) cannot have this MTU. */
int port_limits_check(const struct port_limits *l, uint16_t port_id, uint16_t mtu, uint32_t room, const struct rte_eth_dev_info *info,
                      const struct quirk *q, char *err, size_t err_bytes);

#endif
