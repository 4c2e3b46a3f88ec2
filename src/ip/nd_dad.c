/*
 * Duplicate address detection (RFC 4862 section 5.4), with a nonce in each solicitation (RFC 7527), so that one of ours that
 * comes back from a looped link is not taken for another host. Of several stacks of a host one sends; the others go through the same
 * states, hear the same answers, and wait the longest wait, so that none is done before it.
 *
 *     nd_addr_added -> random wait -> solicitation, wait, ... -> PREFERRED, advertised
 *                                        | somebody else's solicitation or advertisement
 *                                        +-> DUPLICATED
 */
#include <string.h>

#include "base/siphash.h"
#include "ip/ip_route.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "ip/nd_state.h"
#include "link/neigh.h"
#include "wire/mld.h"

#include "base/poison.h"

/* Nonces by which a solicitation is recognised as ours. */
#define NONCES_KEPT 8u

static struct nd_dad *find(struct nd_if *n, const struct inaddr *addr)
{
    for (uint16_t i = 0; i < n->n_dad; i++)
        if (inaddr_eq(&n->dad[i].addr, addr))
            return &n->dad[i];
    return NULL;
}

static void forget(struct nd_if *n, struct nd_dad *d)
{
    *d = n->dad[--n->n_dad];
}

/* Of the i-th solicitation: unpredictable, and computed again when one is to be recognised. */
static void nonce(const struct z_stack *s, const struct nd_if *n, const struct nd_dad *d, uint16_t i, uint8_t out[ND_NONCE_LEN])
{
    const struct {
        struct inaddr addr;
        uint64_t nif, i;
    } in = {d->addr, n->nif, i};
    uint64_t h = siphash24(s->secret_key, &in, sizeof(in));

    memcpy(out, &h, ND_NONCE_LEN);
}

static bool is_ours(const struct z_stack *s, const struct nd_if *n, const struct nd_dad *d, const struct nd_msg *msg)
{
    uint8_t own[ND_NONCE_LEN];

    uint16_t first = d->sent > NONCES_KEPT ? (uint16_t)(d->sent - NONCES_KEPT) : 0;
    uint32_t end = d->sent + (stack_speaks(s) ? 0 : NONCES_KEPT); /* whose turn it is to speak may be ahead of us */

    for (uint32_t i = first; msg->has_nonce && i < end; i++) {
        nonce(s, n, d, (uint16_t)i, own);
        if (memcmp(own, msg->nonce, ND_NONCE_LEN) == 0)
            return true;
    }
    return false;
}

static void solicit(struct z_stack *s, struct netif *nif, struct nd_dad *d)
{
    struct nd_msg msg = {.type = ND_NEIGHBOR_SOLICIT, .target = d->addr, .has_nonce = true};
    struct inaddr any = INADDR_ANY_V6, group = nd_group(nif, &d->addr);

    nonce(s, nd_if_of(s, nif), d, d->sent++, msg.nonce);
    if (stack_speaks(s))
        nd_send(s, nif, &any, &group, NULL, &msg);
}

/* The address is ours: it may be used, and the link hears of it (RFC 4861 section 7.2.6, RFC 9131). */
static void assign(struct z_stack *s, struct netif *nif, struct ifaddr6 *a)
{
    struct inaddr all_nodes = MLD_ALL_NODES;

    a->state = s->now_ns < a->preferred_until_ns ? ADDR6_PREFERRED : ADDR6_DEPRECATED;
    route_changed(s->routes);
    inaddr_set_zone(&all_nodes, ip6_zone(nif));
    if (stack_speaks(s))
        nd_send_advert(s, nif, &all_nodes, &a->addr, false);
    if (inaddr_is_v6_linklocal(&a->addr)) {
        mcast_source_changed(s, nif);
        nd_router_start(s, nif);
    }
}

static void join(struct z_stack *s, struct netif *nif, const struct inaddr *addr)
{
    struct inaddr group = nd_group(nif, addr);

    if (mcast_join(s, nif, &group) != 0)
        stack_count(s, CTR_ND_JOIN_FAILED);
}

void nd_addr_added(struct z_stack *s, struct netif *nif, struct ifaddr6 *a)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct nd_dad *d;

    if (s->conf.dad_transmits == 0) {
        join(s, nif, &a->addr);
        assign(s, nif, a);
        return;
    }
    d = &n->dad[n->n_dad++];
    *d = (struct nd_dad){.addr = a->addr, .left = (uint16_t)s->conf.dad_transmits};
    /* hosts that start together do not speak together (section 5.4.2) */
    d->next_ns = s->now_ns + rng_below(&s->rng, (uint32_t)ND_RTR_SOLICITATION_DELAY_NS);
    if (!stack_speaks(s)) {
        d->next_ns = s->now_ns + ND_RTR_SOLICITATION_DELAY_NS;
        d->joined = true; /* to hear what is said to the one that speaks, which may begin at once */
        join(s, nif, &a->addr);
    }
    nd_rearm(s, n);
}

void nd_addr_deleted(struct z_stack *s, struct netif *nif, struct ifaddr6 *a)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct nd_dad *d = find(n, &a->addr);
    struct inaddr group = nd_group(nif, &a->addr);

    if (a->state != ADDR6_DUPLICATED && (!d || d->joined)) /* a duplicate has left before */
        (void)mcast_leave(s, nif, &group);
    if (d)
        forget(n, d);
}

/* Section 5.4.5: an identifier made of the link address can only be in use when the link address is. */
static void duplicate(struct z_stack *s, struct netif *nif, struct nd_dad *d, struct ifaddr6 *a)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct inaddr group = nd_group(nif, &d->addr), addr = d->addr;

    stack_count(s, CTR_ND_DUPLICATE);
    n->duplicate = addr;
    a->state = ADDR6_DUPLICATED;
    if (d->joined)
        (void)mcast_leave(s, nif, &group);
    forget(n, d);
    if (a->origin == ADDR6_LINKLOCAL) {
        nif->ip6 = false;
        route_changed(s->routes); /* paths of other addresses end too */
    } else if (a->origin == ADDR6_SLAAC) {
        nd_slaac_duplicate(s, nif, &addr);
    }
}

void nd_dad_heard(struct z_stack *s, struct netif *nif, const struct inaddr *addr, const struct nd_msg *msg)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct ifaddr6 *a = ip6_addr_find(nif, addr);
    struct nd_dad *d = find(n, addr);

    if (d && msg->type == ND_NEIGHBOR_SOLICIT && is_ours(s, n, d, msg)) {
        d->looped = true;
        stack_count(s, CTR_ND_LOOPED);
        return;
    }
    if (a && a->state == ADDR6_TENTATIVE && d) {
        duplicate(s, nif, d, a);
        nd_rearm(s, n);
    } else if (a && a->state != ADDR6_DUPLICATED && (!msg->has_tlla || memcmp(msg->tlla, nif->mac, 6) != 0)) {
        stack_count(s, CTR_ND_CONFLICT);
        n->duplicate = *addr;
    }
}

static void step(struct z_stack *s, struct nd_if *n, struct nd_dad *d)
{
    struct netif *nif = s->netif[n->nif];
    struct ifaddr6 *a = ip6_addr_find(nif, &d->addr);

    if (!d->joined) {
        d->joined = true;
        join(s, nif, &d->addr);
    }
    if (d->left == 0 && d->looped) {
        /* RFC 7527 section 4.2: the link is looped; the answer counts once it is not */
        d->looped = false;
        d->left = ND_MULTICAST_SOLICIT;
    }
    if (d->left > 0) {
        d->left--;
        solicit(s, nif, d);
        d->next_ns = s->now_ns + s->neigh->v6[n->nif].retry_ns;
        return;
    }
    forget(n, d);
    assign(s, nif, a);
}

uint64_t nd_dad_run(struct z_stack *s, struct nd_if *n)
{
    uint64_t next = NS_NEVER;

    if (n->n_dad > 0 && !s->netif[n->nif]->ip6) /* section 5.4.5: nothing more is said there */
        return NS_NEVER;
    for (uint16_t i = n->n_dad; i-- > 0;)
        if (n->dad[i].next_ns <= s->heard_ns)
            step(s, n, &n->dad[i]);
    for (uint16_t i = 0; i < n->n_dad; i++)
        next = MIN(next, n->dad[i].next_ns);
    return next;
}
