#include "link/arp.h"

#include <string.h>

#include "base/gcra.h"
#include "core/stack.h"
#include "link/acd.h"
#include "link/eth.h"
#include "link/neigh.h"
#include "link/resolve.h"
#include "wire/arp.h"
#include "wire/eth.h"

#include "base/poison.h"

static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t mac_none[6];

static void arp_send(struct z_stack *s, struct netif *nif, const uint8_t dst[6], const struct arp_pkt *a)
{
    struct rte_mbuf *m = pkt_alloc_ctl(s);

    if (!m)
        return; /* counted by the pool; asked again by the timer or the peer */
    arp_build(pkt_push(m, ARP_LEN), a);
    stack_count(s, a->op == ARP_REPLY ? CTR_ARP_REPLY_TX : CTR_ARP_REQUEST_TX);
    eth_output(s, nif, dst, ETH_TYPE_ARP, m);
}

/* The address to ask with: one in the subnet of the neighbour, or it may not answer. */
static uint32_t arp_source(const struct netif *nif, uint32_t tpa)
{
    for (uint16_t i = 0; i < nif->n_addrs; i++)
        if (((nif->addr[i].addr ^ tpa) & nif->addr[i].mask) == 0)
            return nif->addr[i].addr;
    return nif->n_addrs ? nif->addr[0].addr : 0;
}

void arp_request(struct z_stack *s, struct netif *nif, uint32_t addr, const uint8_t *mac)
{
    struct arp_pkt a = {.op = ARP_REQUEST, .spa = arp_source(nif, addr), .tpa = addr};

    memcpy(a.sha, nif->mac, 6);
    arp_send(s, nif, mac ? mac : mac_broadcast, &a);
}

static void arp_reply(struct z_stack *s, struct netif *nif, const struct arp_pkt *request)
{
    struct arp_pkt a = {.op = ARP_REPLY, .spa = request->tpa, .tpa = request->spa};

    if (!stack_speaks(s))
        return;
    if (!gcra_allows(&nif->arp_reply_tat_ns, s->conf.arp_reply_rate, s->now_ns)) {
        stack_count(s, CTR_ARP_REPLY_LIMIT);
        return;
    }
    memcpy(a.sha, nif->mac, 6);
    memcpy(a.tha, request->sha, 6);
    arp_send(s, nif, request->sha, &a);
}

void arp_probe(struct z_stack *s, struct netif *nif, uint32_t addr)
{
    struct arp_pkt a = {.op = ARP_REQUEST, .tpa = addr};

    if (!stack_speaks(s))
        return;
    memcpy(a.sha, nif->mac, 6);
    arp_send(s, nif, mac_broadcast, &a);
}

void arp_announce(struct z_stack *s, struct netif *nif, uint32_t addr)
{
    struct arp_pkt a = {.op = ARP_REQUEST, .spa = addr, .tpa = addr};

    if (!stack_speaks(s))
        return;
    memcpy(a.sha, nif->mac, 6);
    arp_send(s, nif, mac_broadcast, &a);
}

static bool arp_is_ours(const struct netif *nif, uint32_t addr)
{
    for (uint16_t i = 0; i < nif->n_addrs; i++)
        if (nif->addr[i].addr == addr)
            return true;
    return false;
}

/* Could a host of one of this interface's subnets have this address? */
static bool arp_is_on_link(const struct netif *nif, uint32_t addr)
{
    for (uint16_t i = 0; i < nif->n_addrs; i++)
        if (((nif->addr[i].addr ^ addr) & nif->addr[i].mask) == 0)
            return addr != nif->addr[i].broadcast;
    return false;
}

/* The sender's claim. Only who talks to us gets a new entry; what others say to each other updates known ones (RFC 826). */
static void arp_learn(struct z_stack *s, struct netif *nif, const struct arp_pkt *a, bool create)
{
    struct inaddr addr = inaddr_v4(a->spa);

    if (arp_is_on_link(nif, a->spa))
        neigh_send_parked(s, nif, neigh_learn(s->neigh, nif->index, &addr, a->sha, create, s->now_ns));
}

void arp_input(struct z_stack *s, struct netif *nif, struct rte_mbuf *m)
{
    struct arp_pkt a;
    bool for_us;

    if (m->pkt_len < ARP_LEN) {
        pkt_drop(s, m, DROP_ARP_BAD);
        return;
    }
    if (m->data_len < ARP_LEN && !(m = pkt_pullup(s, m, ARP_LEN)))
        return;
    if (!arp_parse(pkt_data(m), m->data_len, &a) || (a.op != ARP_REQUEST && a.op != ARP_REPLY) || eth_is_group(a.sha) ||
        memcmp(a.sha, mac_none, 6) == 0 || memcmp(a.sha, nif->mac, 6) == 0) {
        pkt_drop(s, m, DROP_ARP_BAD);
        return;
    }
    for_us = arp_is_ours(nif, a.tpa);
    if (acd_heard(s, nif, &a) || arp_is_ours(nif, a.spa)) { /* nothing is learned of one with an address of ours */
        pkt_drop(s, m, DROP_ARP_DONE);
        return;
    }
    if (a.spa) /* 0: a probe before the sender takes an address */
        arp_learn(s, nif, &a, for_us && a.op == ARP_REQUEST);
    if (for_us && a.op == ARP_REQUEST)
        arp_reply(s, nif, &a);
    pkt_drop(s, m, for_us || a.spa == a.tpa ? DROP_ARP_DONE : DROP_ARP_NOT_US);
}
