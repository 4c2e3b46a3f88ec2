#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "link/arp.h"
#include "link/eth.h"
#include "wire/eth.h"

#include "base/poison.h"

static void vlan_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool group);

static void eth_demux(struct z_stack *s, struct netif *nif, uint16_t type, struct rte_mbuf *m, bool group)
{
    switch (type) {
    case ETH_TYPE_IPV4:
        ip_input(s, nif, m, group);
        break;
    case ETH_TYPE_IPV6:
        ip6_input(s, nif, m, group);
        break;
    case ETH_TYPE_ARP:
        arp_input(s, nif, m);
        break;
    case ETH_TYPE_VLAN:
        vlan_input(s, nif, m, group);
        break;
    default:
        pkt_drop(s, m, DROP_ETH_TYPE);
    }
}

/* The interface that frames with this tag are for: a VLAN, or the port itself if the tag is only a priority. NULL: none. */
static struct netif *vlan_netif(const struct z_stack *s, struct netif *port, uint16_t tci)
{
    uint16_t vid = tci & VLAN_VID_MASK;

    if (vid == 0)
        return port;
    for (uint16_t i = 0; i < s->n_netifs; i++)
        if (s->netif[i]->parent == port && s->netif[i]->vid == vid)
            return s->netif[i];
    return NULL;
}

/* A tag in the frame. One inside another is nothing that this host takes part in: a VLAN has no VLANs. */
static void vlan_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m, bool group)
{
    struct netif *vlan;
    uint16_t tci, type;

    if (m->pkt_len < VLAN_HLEN) {
        pkt_drop(s, m, DROP_ETH_SHORT);
        return;
    }
    if (m->data_len < VLAN_HLEN && !(m = pkt_pullup(s, m, VLAN_HLEN)))
        return;
    vlan_parse(pkt_data(m), &tci, &type);
    vlan = vlan_netif(s, nif, tci);
    if (!vlan || nif->parent || type == ETH_TYPE_VLAN) {
        pkt_drop(s, m, DROP_VLAN_UNKNOWN);
        return;
    }
    pkt_pull(m, VLAN_HLEN);
    eth_demux(s, vlan, type, m, group);
}

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
    if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)) { /* the device took the tag off (vlan_strip) */
        nif = vlan_netif(s, nif, m->vlan_tci);
        if (!nif) {
            pkt_drop(s, m, DROP_VLAN_UNKNOWN);
            return;
        }
    }
    eth_demux(s, nif, h.type, m, group);
}
