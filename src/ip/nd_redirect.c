/* Redirects (RFC 4861 section 8.3): a better first hop for one destination, or the news that it is on the link. */
#include "ip/ip_route.h"
#include "ip/nd_state.h"

#include "base/poison.h"

/* RFC 4861 gives none; a router that still thinks so says it again. */
#define REDIRECT_LIFETIME_NS (600 * NS_PER_SEC)
#define HOST_PLEN 128u

static struct nd_redirect *find(struct nd_if *n, const struct inaddr *dest)
{
    for (uint16_t i = 0; i < n->n_redirects; i++)
        if (inaddr_eq(&n->redirect[i].dest, dest))
            return &n->redirect[i];
    return NULL;
}

static void drop(struct z_stack *s, struct nd_if *n, struct nd_redirect *r)
{
    const struct nd_redirect gone = *r;

    *r = n->redirect[--n->n_redirects];
    ip_route_unlearn(s, &gone.dest, HOST_PLEN, &gone.gateway, s->netif[n->nif]);
}

/* Only the router that we would send to may send us elsewhere (section 8.1). */
static bool is_first_hop(const struct z_stack *s, const struct ip_in *in, const struct inaddr *dest)
{
    const struct route *r = ip_route_choose(s, dest, in->nif);

    return r && r->nif == in->nif && inaddr_eq(&r->gateway, &in->src);
}

void nd_redirect_input(struct z_stack *s, const struct ip_in *in, const struct nd_msg *msg)
{
    struct nd_if *n = nd_if_of(s, in->nif);
    bool on_link = inaddr_eq(&msg->target, &msg->dest);
    struct nd_redirect *r = find(n, &msg->dest);
    const struct route route = {.prefix = msg->dest,
                                .plen = HOST_PLEN,
                                .gateway = on_link ? INADDR_ANY_V6 : msg->target,
                                .nif = in->nif,
                                .origin = ROUTE_RA,
                                .expires_ns = s->now_ns + REDIRECT_LIFETIME_NS};

    if (!s->conf.accept_redirects || inaddr_has_zone(&msg->dest) || inaddr_is_v4(&msg->dest) || !is_first_hop(s, in, &msg->dest)) {
        stack_count(s, CTR_ND_REDIRECT_IGNORED);
        return;
    }
    if (r)
        drop(s, n, r);
    if (n->n_redirects >= MIN(s->conf.nd_redirect_limit, ND_REDIRECTS_MAX)) {
        stack_count(s, CTR_ND_REDIRECT_LIMIT);
        return;
    }
    if (ip_route_set(s, &route, false) != 0) {
        stack_count(s, CTR_ND_ROUTE_FAILED);
        return;
    }
    if (msg->has_tlla)
        nd_hear(s, in->nif, &msg->target, msg->tlla);
    if (!on_link)
        nd_note_router(s, in->nif, &msg->target);
    n->redirect[n->n_redirects++] = (struct nd_redirect){.dest = msg->dest, .gateway = route.gateway, .expires_ns = route.expires_ns};
    stack_count(s, CTR_ND_REDIRECTS);
    nd_rearm(s, n);
}

/* A neighbour that does not answer, or is no router any more: its destinations take the way that they had before. */
void nd_redirect_forget(struct z_stack *s, struct netif *nif, const struct inaddr *gateway)
{
    struct nd_if *n = nd_if_of(s, nif);

    for (uint16_t i = n->n_redirects; i-- > 0;) {
        struct nd_redirect *r = &n->redirect[i];

        if (inaddr_eq(inaddr_is_any(&r->gateway) ? &r->dest : &r->gateway, gateway))
            drop(s, n, r);
    }
}

uint64_t nd_redirect_run(struct z_stack *s, struct nd_if *n)
{
    uint64_t next = NS_NEVER;

    for (uint16_t i = n->n_redirects; i-- > 0;)
        if (n->redirect[i].expires_ns <= s->now_ns)
            drop(s, n, &n->redirect[i]);
    for (uint16_t i = 0; i < n->n_redirects; i++)
        next = MIN(next, n->redirect[i].expires_ns);
    return next;
}
