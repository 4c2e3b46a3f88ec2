#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "link/arp.h"
#include "link/eth.h"
#include "wire/eth.h"

#include "base/poison.h"

void eth_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m)
{
    struct eth_hdr h;
    bool group;

    if (m->data_len < ETH_HLEN) {
        if (m->pkt_len < ETH_HLEN) {
            pkt_drop(s, m, DROP_ETH_SHORT);
            return;
        }
        m = pkt_pullup(s, m, ETH_HLEN);
        if (!m)
            return;
    }
    (void)eth_parse(pkt_data(m), m->data_len, &h);
    group = eth_is_group(h.dst);
    if (unlikely(!group && memcmp(h.dst, nif->mac, 6) != 0)) {
        pkt_drop(s, m, DROP_ETH_DST); /* the port is promiscuous */
        return;
    }
    if (unlikely(eth_is_group(h.src) || memcmp(h.src, nif->mac, 6) == 0)) {
        pkt_drop(s, m, DROP_ETH_SRC);
        return;
    }
    pkt_pull(m, ETH_HLEN);
    switch (h.type) {
    case ETH_TYPE_IPV4:
        ip_input(s, nif, m, group);
        break;
    case ETH_TYPE_IPV6:
        ip6_input(s, nif, m, group);
        break;
    case ETH_TYPE_ARP:
        arp_input(s, nif, m);
        break;
    default:
        pkt_drop(s, m, DROP_ETH_TYPE);
    }
}
