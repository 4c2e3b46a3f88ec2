#include <string.h>

#include "core/stack.h"
#include "link/eth.h"
#include "wire/eth.h"

#include "base/poison.h"

void eth_output(struct z_stack *s, struct netif *nif, const uint8_t dst[6], uint16_t type, struct rte_mbuf *m)
{
    struct eth_hdr h = {.type = type};

    memcpy(h.dst, dst, 6);
    memcpy(h.src, nif->mac, 6);
    if (unlikely(nif->vid)) {
        eth_build_vlan(pkt_push(m, ETH_HLEN_MAX), &h, nif->vid);
        m->l2_len = ETH_HLEN_MAX; /* where an offload finds the IP header */
    } else {
        eth_build(pkt_push(m, ETH_HLEN), &h);
    }
    if (unlikely(!txq_put(&nif->txq, m)))
        pkt_drop(s, m, DROP_TXQ_FULL);
}
