/* Application memory made reachable for a device. Apart, because DPDK 22.11 calls rte_dev_dma_map experimental. */
#define ALLOW_EXPERIMENTAL_API

#include <errno.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "port/ethdev.h"

int ethdev_dma_map(struct port *p, void *addr, uint64_t iova, size_t len)
{
    struct rte_eth_dev_info info;

    if (rte_eth_dev_info_get(p->id, &info) != 0)
        return -ENODEV;
    return rte_dev_dma_map(info.device, addr, iova, len) == 0 ? 0 : -rte_errno;
}
