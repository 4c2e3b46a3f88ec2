#include "port/quirks.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_devargs.h>

#include "base/units.h"
#include "port/eal.h"

#define ETH_OVERHEAD 18u /* header and frame check sequence, as ethdev counts */
#define VLAN_TAG 4u

/* Measured with DPDK 22.11. */
static const struct quirk quirks[] = {
    /* af_packet carries chains, but no checksum offload; reports a longest frame of 1518 and refuses a larger MTU though its ring
     * slots carry framesz - 32 bytes; frees frames above the interface's MTU and counts them as sent; a full transmit ring
     * blocks in poll(); receives one buffer per frame and wants it as large as a slot. */
    {.driver = "net_af_packet", .kernel_mtu = true, .slot_room = true, .slot_arg = "framesz", .slot_default = 2048, .slot_overhead = 32},
    /* af_xdp corrupts chains and copies the first segment only: plain mbufs; those of its receive pool, which is the memory that it shares
     * with the kernel, it sends as they are. Frames up to about 3 560 bytes. */
    {.driver = "net_af_xdp",
     .no_chains = true,
     .no_external = true,
     .no_indirect = true,
     .sends_rx_pool = true,
     .kernel_mtu = true,
     .max_mtu = 3498},
    /* Frames from external memory are lost without a trace, and the queue wedges. */
    {.driver = "net_virtio_user", .no_external = true},
    /* vhost fills chains of buffers by itself; its interrupts come and go with the guest. */
    {.driver = "net_vhost", .rx_chains = true, .late_event = true},
    /* memif copies in both directions, through chains of any kind, without offload flags; reports a longest frame of 1518. Frames of
     * several slots go wrong when the ring is full: stale ones arrive without end. */
    {.driver = "net_memif", .rx_chains = true, .slot_arg = "bsize", .slot_default = 2048},
    /* tap sums in software, wrongly where a segment of odd length is not the last; its MTU cannot be raised; the interface that the
     * kernel uses has the same address. */
    {.driver = "net_tap", .max_mtu = 1500, .kernel_mac = true, .no_tx_cksum = true, .serves_procs = true},
    {.driver = "net_pcap", .rx_chains = true},
    /* ring passes the mbufs themselves: what the sender still refers to must not arrive at somebody who owns it. */
    {.driver = "net_ring", .owned_only = true, .rx_chains = true},
};

const struct quirk *quirk_find(const char *driver)
{
    static const struct quirk none = {.driver = ""};

    for (size_t i = 0; driver != NULL && i < ARRAY_LEN(quirks); i++)
        if (strcmp(quirks[i].driver, driver) == 0)
            return &quirks[i];
    return &none;
}

/* MTU of a kernel interface; 0 when it cannot be read. */
static uint16_t kernel_mtu(unsigned if_index, char name[IF_NAMESIZE])
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq r = {0};
    uint16_t mtu = 0;

    if (fd >= 0 && if_index != 0 && if_indextoname(if_index, name) != NULL) {
        memcpy(r.ifr_name, name, IF_NAMESIZE);
        if (ioctl(fd, SIOCGIFMTU, &r) == 0)
            mtu = (uint16_t)MIN(r.ifr_mtu, UINT16_MAX);
    }
    if (fd >= 0)
        close(fd);
    return mtu;
}

static uint32_t slot_bytes(const struct rte_eth_dev_info *info, const struct quirk *q)
{
    const struct rte_devargs *d = info->device != NULL ? rte_dev_devargs(info->device) : NULL;
    char value[16];
    unsigned long n;

    if (d == NULL || !port_devarg(d->args, q->slot_arg, value, sizeof(value)))
        return q->slot_default;
    n = strtoul(value, NULL, 10);
    return n > 256 && n <= 65536 ? (uint32_t)n : q->slot_default;
}

void port_limits_get(struct port_limits *l, uint16_t mtu, const struct rte_eth_dev_info *info, const struct quirk *q)
{
    uint32_t overhead = ETH_OVERHEAD, max = info->max_mtu;

    *l = (struct port_limits){.configure_mtu = mtu, .rx_room = mtu + ETH_OVERHEAD + VLAN_TAG};
    if (q->slot_arg != NULL) {
        uint32_t slot = slot_bytes(info, q) - q->slot_overhead;

        max = slot - RTE_ETHER_HDR_LEN; /* no frame check sequence in memory */
        l->configure_mtu = (uint16_t)MIN(mtu, RTE_ETHER_MTU);
        l->rx_room = q->slot_room ? slot : l->rx_room;
        l->rx_room_required = q->slot_room;
    } else if (info->max_rx_pktlen != 0) {
        if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
            overhead = info->max_rx_pktlen - info->max_mtu;
        max = MIN(max, info->max_rx_pktlen - MIN(overhead, info->max_rx_pktlen));
    }
    if (q->max_mtu != 0)
        max = MIN(max, q->max_mtu);
    l->max_mtu = (uint16_t)MIN(max, (uint32_t)UINT16_MAX);
}

static const char *slot_hint(const struct quirk *q)
{
    if (q->slot_arg == NULL)
        return "";
    return q->slot_room ? ": give the device a larger framesz= and blocksz= in devargs=" : ": give the device a larger bsize= in devargs=";
}

static int check_kernel_mtu(uint16_t port_id, uint16_t mtu, const struct rte_eth_dev_info *info, char *err, size_t n)
{
    char name[IF_NAMESIZE] = "";
    uint16_t has = kernel_mtu(info->if_index, name);

    if (has == 0 || mtu <= has)
        return 0;
    snprintf(err, n, "port %u (%s): MTU %u is more than interface %s has (%u): run ip link set %s mtu %u", port_id, info->driver_name, mtu,
             name, has, name, mtu);
    return -EINVAL;
}

int port_limits_check(const struct port_limits *l, uint16_t port_id, uint16_t mtu, uint32_t room, const struct rte_eth_dev_info *info,
                      const struct quirk *q, char *err, size_t n)
{
    bool scatter = q->rx_chains || (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
    const char *driver = info->driver_name;

    if (mtu < MAX(info->min_mtu, RTE_ETHER_MIN_MTU)) {
        snprintf(err, n, "port %u (%s): MTU %u is not possible, at least %u", port_id, driver, mtu, MAX(info->min_mtu, RTE_ETHER_MIN_MTU));
        return -EINVAL;
    }
    if (mtu > l->max_mtu) {
        snprintf(err, n, "port %u (%s): MTU %u is not possible, at most %u%s", port_id, driver, mtu, l->max_mtu, slot_hint(q));
        return -EINVAL;
    }
    if (q->kernel_mtu && check_kernel_mtu(port_id, mtu, info, err, n) != 0)
        return -EINVAL;
    if ((room < l->rx_room && (l->rx_room_required || !scatter)) || room < info->min_rx_bufsize) {
        snprintf(err, n, "port %u (%s): MTU %u needs receive buffers of %u bytes, but they have %u", port_id, driver, mtu,
                 MAX(l->rx_room, info->min_rx_bufsize), room);
        return -EINVAL;
    }
    return 0;
}
