/*
 * Memberships of a socket as subscriptions of the membership engine (udp_opt_group.c: how an application words them). The rules of who may
 * block, allow and leave what are Linux' (ip_mc_source and kin): a group joined with IP_ADD_MEMBERSHIP excludes the sources it
 * blocks, one joined with a source includes the sources named, and the last of those to go takes the membership with it.
 */
#include <errno.h>
#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "ip/mcast.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

/* A membership of the socket. */
struct udp_group {
    struct udp_group *next;
    struct inaddr addr; /* with its zone */
    uint8_t ifindex;
    bool filtered; /* it has, or had, a list of sources: the mode stays */
    struct mcast_sub sub;
};

bool udp_group_accepts(const struct udp_pcb *u, const struct udp_info *in)
{
    if (!inaddr_is_multicast(&in->dst))
        return true;
    for (const struct udp_group *g = u->groups; g; g = g->next)
        if (g->ifindex == in->ifindex && inaddr_eq(&g->addr, &in->dst))
            return mcast_sub_accepts(&g->sub, &in->src);
    return u->ip.mc_all[!inaddr_is_v4(&in->dst)];
}

bool udp_group_member(const struct z_stack *s, const struct netif *nif, const struct inaddr *group)
{
    return mcast_member(s, nif, group);
}

static void udp_group_remove(struct z_stack *s, struct udp_pcb *u, struct udp_group *g)
{
    struct udp_group **p = &u->groups;

    while (*p != g)
        p = &(*p)->next;
    *p = g->next;
    mcast_sub_leave(s, &g->sub);
    arena_free(&s->arena, g, sizeof(*g));
}

void udp_groups_free(struct z_stack *s, struct udp_pcb *u)
{
    while (u->groups)
        udp_group_remove(s, u, u->groups);
}

/* The interface that a request means; -ENODEV. */
static int udp_group_netif(struct z_stack *s, const struct udp_group_req *r, struct netif **nif)
{
    struct ip_path path = {0};

    if (r->ifindex) {
        *nif = r->ifindex <= s->n_netifs ? s->netif[r->ifindex - 1] : NULL;
    } else if (!inaddr_is_any(&r->nif_addr)) {
        *nif = ip_v4_owner(s, inaddr_to_v4(&r->nif_addr));
    } else if (inaddr_has_zone(&r->group)) {
        *nif = s->n_netifs ? s->netif[0] : NULL;
    } else {
        *nif = ip_path_lookup(s, &path, NULL, &r->group, true) == 0 ? path.nif : NULL;
    }
    return *nif ? 0 : -ENODEV;
}

static struct udp_group *udp_group_find(const struct udp_pcb *u, const struct inaddr *addr, const struct netif *nif)
{
    struct udp_group *g = u->groups;

    while (g && (g->ifindex != nif->index + 1 || !inaddr_eq(&g->addr, addr)))
        g = g->next;
    return g;
}

/* A new membership; src NULL: from everybody. */
static int udp_group_join(struct z_stack *s, struct udp_pcb *u, const struct inaddr *addr, struct netif *nif, const struct inaddr *src)
{
    struct udp_group *g = arena_alloc(&s->arena, sizeof(*g));
    int err;

    if (!g)
        return -ENOMEM;
    g->addr = *addr;
    g->ifindex = (uint8_t)(nif->index + 1);
    g->filtered = src != NULL;
    err = mcast_set_filter(s, &g->sub, nif, addr, src ? MCAST_INCLUDE : MCAST_EXCLUDE, src, src ? 1 : 0);
    if (err) {
        arena_free(&s->arena, g, sizeof(*g));
        return err;
    }
    g->next = u->groups;
    u->groups = g;
    return 0;
}

static int udp_find_source(const struct udp_group *g, const struct inaddr *src)
{
    for (int i = 0; i < g->sub.n_srcs; i++)
        if (inaddr_eq(&g->sub.srcs[i], src))
            return i;
    return -1;
}

/* Adds a source to the filter, or takes it out. */
static int udp_group_source(struct z_stack *s, struct udp_pcb *u, struct udp_group *g, struct netif *nif, const struct inaddr *src,
                            enum mcast_mode mode, bool add)
{
    unsigned n = g->sub.n_srcs;
    struct inaddr *list;
    int at = udp_find_source(g, src), err;

    if (g->sub.mode != mode && g->filtered)
        return -EINVAL;
    if (add ? at >= 0 : at < 0)
        return -EADDRNOTAVAIL;
    if (!add && mode == MCAST_INCLUDE && n == 1) {
        udp_group_remove(s, u, g);
        return 0;
    }
    list = arena_alloc(&s->arena, (n + 1) * sizeof(*list));
    if (!list)
        return -ENOMEM;
    if (n)
        memcpy(list, g->sub.srcs, n * sizeof(*list));
    if (add)
        list[n] = *src;
    else
        list[at] = list[n - 1];
    err = mcast_set_filter(s, &g->sub, nif, &g->addr, mode, list, add ? n + 1 : n - 1);
    arena_free(&s->arena, list, (n + 1) * sizeof(*list));
    g->filtered |= err == 0;
    return err;
}

int udp_group_do(struct z_stack *s, struct udp_pcb *u, struct udp_group_req *r)
{
    struct udp_group *g;
    struct netif *nif;
    int err;

    if (!inaddr_is_multicast(&r->group)) /* whose member nobody is */
        return r->act == UDP_GROUP_LEAVE && inaddr_is_v4(&r->group) ? -EADDRNOTAVAIL : -EINVAL;
    err = udp_group_netif(s, r, &nif);
    if (err)
        return err;
    inaddr_set_zone(&r->group, (uint16_t)(nif->index + 1));
    g = udp_group_find(u, &r->group, nif);
    switch (r->act) {
    case UDP_GROUP_JOIN:
        return g ? -EADDRINUSE : udp_group_join(s, u, &r->group, nif, NULL);
    case UDP_GROUP_LEAVE:
        if (!g)
            return -EADDRNOTAVAIL;
        udp_group_remove(s, u, g);
        return 0;
    case UDP_GROUP_JOIN_SOURCE:
        if (!g)
            return udp_group_join(s, u, &r->group, nif, &r->source);
        return udp_group_source(s, u, g, nif, &r->source, MCAST_INCLUDE, true);
    case UDP_GROUP_LEAVE_SOURCE:
        return g ? udp_group_source(s, u, g, nif, &r->source, MCAST_INCLUDE, false) : -EINVAL;
    case UDP_GROUP_BLOCK:
    case UDP_GROUP_UNBLOCK:
        return g ? udp_group_source(s, u, g, nif, &r->source, MCAST_EXCLUDE, r->act == UDP_GROUP_BLOCK) : -EINVAL;
    default:
        return -EINVAL;
    }
}
