/* Neighbour solicitations and advertisements (RFC 4861 section 7.2). */
#include "base/gcra.h"
#include "ip/nd_state.h"
#include "link/neigh.h"
#include "link/resolve.h"
#include "wire/mld.h"

#include "base/poison.h"

void nd_hear(struct z_stack *s, struct netif *nif, const struct inaddr *addr, const uint8_t mac[6])
{
    struct neigh *n = neigh_hear(s->neigh, nif->index, addr, mac, s->now_ns);

    if (n)
        neigh_send_parked(s, nif, n);
}

/* A message says that it is a router: so does its entry, if there is one (RFC 4861 sections 6.3.4, 8.3). */
void nd_note_router(struct z_stack *s, const struct netif *nif, const struct inaddr *addr)
{
    struct neigh *n = neigh_find(s->neigh, nif->index, addr);

    if (n)
        n->router = true;
}

void nd_neigh_failed(struct z_stack *s, struct netif *nif, const struct inaddr *addr)
{
    nd_redirect_forget(s, nif, addr);
}

/* Section 7.2.3, 7.2.4. A solicitation without a source tests whether the address is free: everybody hears that it is not. */
void nd_solicit_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    const struct ifaddr6 *a = ip6_addr_find(in->nif, &msg->target);
    bool probe = inaddr_is_any(&in->src);
    struct inaddr all_nodes = MLD_ALL_NODES;

    if (!a || a->state == ADDR6_DUPLICATED) {
        stack_count(s, CTR_ND_NOT_US);
        return;
    }
    if (a->state == ADDR6_TENTATIVE) {
        if (probe) /* somebody who wants to talk to it gets no answer (RFC 4862 section 5.4.3) */
            nd_dad_heard(s, in->nif, &msg->target, msg);
        return;
    }
    if (msg->has_slla)
        nd_hear(s, in->nif, &in->src, msg->slla);
    if (!stack_speaks(s))
        return;
    if (!gcra_allows(&nd_if_of(s, in->nif)->reply_tat_ns, s->conf.nd_reply_rate, s->now_ns)) {
        stack_count(s, CTR_ND_REPLY_LIMIT);
        return;
    }
    inaddr_set_zone(&all_nodes, ip6_zone(in->nif));
    nd_send_advert(s, in->nif, probe ? &all_nodes : &in->src, &msg->target, !probe);
}

/* Section 7.2.5. Nobody's entry is made: who asked has one. */
void nd_advert_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    const struct neigh_advert adv = {
        .mac = msg->has_tlla ? msg->tlla : NULL, .router = msg->router, .solicited = msg->solicited, .override = msg->override};
    const struct ifaddr6 *a = ip6_addr_find(in->nif, &msg->target);
    struct neigh *n;

    if (a) {
        nd_dad_heard(s, in->nif, &msg->target, msg);
        return;
    }
    n = neigh_find(s->neigh, in->nif->index, &msg->target);
    if (!n)
        return;
    if (neigh_advertised(s->neigh, n, &adv, s->now_ns))
        nd_router_gone(s, in->nif, &msg->target);
    if (n->state != NEIGH_INCOMPLETE)
        neigh_send_parked(s, in->nif, n);
}
