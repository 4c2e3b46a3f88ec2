/* Routers: asking for them (RFC 4861 section 6.3.7, RFC 7559), and what their advertisements say (section 6.3.4). */
#include <errno.h>
#include <string.h>

#include "ip/ip_route.h"
#include "ip/nd_state.h"
#include "link/neigh.h"
#include "wire/mld.h"

#include "base/poison.h"

/* Default routes: below those that were configured, ordered by preference (RFC 4191 section 3.2). */
#define METRIC_MEDIUM 1024u
#define METRIC_STEP 16
/* What a router may set the times to; a nonsensical one would stop, or flood, the link. */
#define REACHABLE_MIN_MS 1000u
#define REACHABLE_MAX_MS 3600000u
#define RETRANS_MIN_MS 100u
#define RETRANS_MAX_MS 60000u
/* With fewer hops packets do not get far: a forged advertisement would end connections. */
#define HOP_LIMIT_MIN 32u
/* RFC 4861 section 6.3.2: the random factor is drawn anew after some hours. */
#define REACHABLE_RENEW_NS (2 * 3600 * NS_PER_SEC)

static uint64_t lifetime_end(const struct z_stack *s, uint32_t seconds)
{
    return seconds == ND_INFINITY ? NS_NEVER : s->now_ns + seconds * NS_PER_SEC;
}

/* A random part in 2^16 of x, from lo to hi (in units of 1/16). */
static uint64_t randomize(struct z_stack *s, uint64_t x, uint32_t lo, uint32_t hi)
{
    return (x >> 20) * (((uint64_t)lo << 16) + rng_below(&s->rng, (hi - lo) << 16));
}

/* accept_ra: 1 leaves an interface alone that was given a gateway */
static bool accepts_routers(const struct z_stack *s, const struct netif *nif)
{
    const struct inaddr any = INADDR_ANY_V6;
    const struct route *r;

    if (s->conf.accept_ra != 1)
        return s->conf.accept_ra != 0;
    r = route_find(s->routes, &any, 0, NULL, nif);
    return !r || r->origin == ROUTE_RA;
}

void nd_router_start(struct z_stack *s, struct netif *nif)
{
    struct nd_if *n = nd_if_of(s, nif);

    if (s->conf.accept_ra == 0)
        return;
    n->rs_interval_ns = 0;
    n->rs_next_ns = s->now_ns + rng_below(&s->rng, (uint32_t)ND_RTR_SOLICITATION_DELAY_NS);
    nd_rearm(s, n);
}

/* RFC 7559 section 2: the interval doubles, with a tenth of chance, up to an hour, until a router answers. */
static void solicit(struct z_stack *s, struct nd_if *n)
{
    struct netif *nif = s->netif[n->nif];
    const struct ifaddr6 *ll = ip6_linklocal(nif);
    struct nd_msg msg = {.type = ND_ROUTER_SOLICIT, .has_slla = true};
    struct inaddr routers = MLD_ALL_ROUTERS;
    uint64_t tenth;

    if (n->rs_interval_ns == 0)
        n->rs_interval_ns = ND_RTR_SOLICITATION_INTERVAL_NS;
    else
        n->rs_interval_ns = MIN(2 * n->rs_interval_ns, ND_RTR_SOLICITATION_MAX_NS);
    tenth = n->rs_interval_ns / 10;
    n->rs_next_ns = s->now_ns + n->rs_interval_ns - tenth + tenth * rng_below(&s->rng, 1024) / 512;
    if (!nif->ip6 || !ll || !accepts_routers(s, nif))
        return;
    inaddr_set_zone(&routers, ip6_zone(nif));
    memcpy(msg.slla, nif->mac, 6);
    stack_count(s, CTR_ND_RS_TX);
    nd_send(s, nif, &ll->addr, &routers, NULL, &msg);
}

static struct nd_router *find_router(struct nd_if *n, const struct inaddr *addr)
{
    for (uint16_t i = 0; i < n->n_routers; i++)
        if (inaddr_eq(&n->router[i].addr, addr))
            return &n->router[i];
    return NULL;
}

static void drop_router(struct z_stack *s, struct nd_if *n, struct nd_router *r)
{
    const struct inaddr any = INADDR_ANY_V6, addr = r->addr;
    struct netif *nif = s->netif[n->nif];

    *r = n->router[--n->n_routers];
    ip_route_unlearn(s, &any, 0, &addr, nif);
    nd_redirect_forget(s, nif, &addr);
    if (n->n_routers == 0)
        nd_router_start(s, nif);
}

void nd_router_gone(struct z_stack *s, struct netif *nif, const struct inaddr *addr)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct nd_router *r = find_router(n, addr);

    if (r)
        drop_router(s, n, r);
    else
        nd_redirect_forget(s, nif, addr);
}

/* False: there is no such route, or it stands without the router (an address or the configuration brought it), who cannot end it. */
static bool learn(struct z_stack *s, const struct route *r)
{
    int err = ip_route_set(s, r, false);

    if (err != 0 && err != -EEXIST)
        stack_count(s, CTR_ND_ROUTE_FAILED);
    return err == 0;
}

static void default_router(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    struct nd_if *n = nd_if_of(s, in->nif);
    struct nd_router *r = find_router(n, &in->src);
    struct route route = {.gateway = in->src, .nif = in->nif, .origin = ROUTE_RA, .metric = METRIC_MEDIUM};

    if (msg->lifetime_s == 0) {
        if (r)
            drop_router(s, n, r);
        return;
    }
    route.metric = (uint32_t)((int)METRIC_MEDIUM - msg->prf * METRIC_STEP);
    route.expires_ns = lifetime_end(s, msg->lifetime_s);
    if (!r && n->n_routers >= MIN(s->conf.nd_router_limit, ND_ROUTERS_MAX)) {
        stack_count(s, CTR_ND_ROUTER_LIMIT);
        return;
    }
    if (!learn(s, &route))
        return;
    if (!r) {
        r = &n->router[n->n_routers++];
        r->addr = in->src;
    }
    r->expires_ns = route.expires_ns;
    n->rs_next_ns = NS_NEVER;
}

static void draw_reachable(struct z_stack *s, struct nd_if *n)
{
    s->neigh->v6[n->nif].reachable_ns = randomize(s, n->base_reachable_ns, 8, 24); /* 0.5 to 1.5 */
    n->reachable_renew_ns = s->now_ns + REACHABLE_RENEW_NS;
}

static void parameters(struct z_stack *s, struct netif *nif, const struct nd_msg *msg)
{
    struct nd_if *n = nd_if_of(s, nif);

    if (msg->cur_hop_limit)
        nif->hop_limit6 = (uint8_t)MAX(msg->cur_hop_limit, HOP_LIMIT_MIN);
    if (msg->reachable_ms) {
        uint64_t base = MIN(MAX(msg->reachable_ms, REACHABLE_MIN_MS), REACHABLE_MAX_MS) * NS_PER_MS;

        if (base != n->base_reachable_ns) {
            n->base_reachable_ns = base;
            draw_reachable(s, n);
        }
    }
    if (msg->retrans_ms)
        s->neigh->v6[n->nif].retry_ns = MIN(MAX(msg->retrans_ms, RETRANS_MIN_MS), RETRANS_MAX_MS) * NS_PER_MS;
    if (msg->mtu >= IP6_MTU_MIN && msg->mtu <= nif->mtu && msg->mtu != nif->mtu6) {
        nif->mtu6 = (uint16_t)msg->mtu;
        route_changed(s->routes);
    }
}

static struct nd_prefix *find_prefix(struct nd_if *n, const struct nd_prefix_info *p)
{
    for (uint16_t i = 0; i < n->n_prefixes; i++)
        if (n->prefix[i].plen == p->plen && inaddr_eq(&n->prefix[i].prefix, &p->prefix))
            return &n->prefix[i];
    return NULL;
}

static void drop_prefix(struct z_stack *s, struct nd_if *n, struct nd_prefix *p)
{
    const struct nd_prefix gone = *p;

    *p = n->prefix[--n->n_prefixes];
    ip_route_unlearn(s, &gone.prefix, gone.plen, &(struct inaddr){{{0}}}, s->netif[n->nif]);
}

/* The prefix list (RFC 4861 section 6.3.4): what is on the link is a route without a gateway. */
static void on_link_prefix(struct z_stack *s, struct netif *nif, const struct nd_prefix_info *p)
{
    struct nd_if *n = nd_if_of(s, nif);
    struct nd_prefix *known = find_prefix(n, p);
    const struct route r = {
        .prefix = p->prefix, .plen = p->plen, .nif = nif, .origin = ROUTE_RA, .expires_ns = lifetime_end(s, p->valid_s)};

    if (p->valid_s == 0) {
        if (known)
            drop_prefix(s, n, known);
        return;
    }
    if (!known && n->n_prefixes >= MIN(s->conf.nd_prefix_limit, ND_PREFIX_TABLE_MAX)) {
        stack_count(s, CTR_ND_PREFIX_LIMIT);
        return;
    }
    if (!learn(s, &r))
        return;
    if (!known) {
        known = &n->prefix[n->n_prefixes++];
        known->prefix = p->prefix;
        known->plen = p->plen;
    }
    known->expires_ns = r.expires_ns;
}

/* Link-local prefixes are nobody's to give (RFC 4861 6.3.4, RFC 4862 5.5.3 b), nor are groups, and one of no bits is everything. */
static bool may_be_prefix(const struct nd_prefix_info *p)
{
    return p->plen > 0 && !inaddr_is_v6_linklocal(&p->prefix) && !inaddr_is_v6_multicast(&p->prefix) && !inaddr_is_any(&p->prefix) &&
           !inaddr_is_v4(&p->prefix);
}

void nd_router_advert_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    struct nd_if *n = nd_if_of(s, in->nif);

    if (!accepts_routers(s, in->nif) || !ip6_linklocal(in->nif)) {
        stack_count(s, CTR_ND_RA_IGNORED);
        return;
    }
    stack_count(s, CTR_ND_RA_RX);
    if (msg->has_slla)
        nd_hear(s, in->nif, &in->src, msg->slla);
    nd_note_router(s, in->nif, &in->src);
    parameters(s, in->nif, msg);
    default_router(s, in, msg);
    s->ctr.v[CTR_ND_PREFIX_LIMIT] += msg->n_prefixes_lost;
    for (unsigned i = 0; i < msg->n_prefixes; i++) {
        const struct nd_prefix_info *p = &msg->prefix[i];

        if (p->on_link && may_be_prefix(p))
            on_link_prefix(s, in->nif, p);
        if (p->autonomous && may_be_prefix(p))
            nd_slaac_prefix(s, in->nif, p);
    }
    nd_rearm(s, n);
}

uint64_t nd_router_run(struct z_stack *s, struct nd_if *n)
{
    uint64_t next;

    for (uint16_t i = n->n_routers; i-- > 0;)
        if (n->router[i].expires_ns <= s->now_ns)
            drop_router(s, n, &n->router[i]);
    for (uint16_t i = n->n_prefixes; i-- > 0;)
        if (n->prefix[i].expires_ns <= s->now_ns)
            drop_prefix(s, n, &n->prefix[i]);
    if (n->rs_next_ns <= s->now_ns)
        solicit(s, n);
    if (n->reachable_renew_ns <= s->now_ns)
        draw_reachable(s, n);
    next = MIN(n->rs_next_ns, n->reachable_renew_ns);
    for (uint16_t i = 0; i < n->n_routers; i++)
        next = MIN(next, n->router[i].expires_ns);
    for (uint16_t i = 0; i < n->n_prefixes; i++)
        next = MIN(next, n->prefix[i].expires_ns);
    return next;
}
