#include "ip/mcast.h"

#include <errno.h>
#include <string.h>

#include "ip/mcast_state.h"
#include "wire/igmp.h"
#include "wire/mld.h"

#include "base/poison.h"

int mcast_init(struct z_stack *s)
{
    s->mcast = arena_alloc(&s->arena, sizeof(*s->mcast));
    if (!s->mcast)
        return -ENOMEM;
    for (unsigned i = 0; i < STACK_MAX_NETIFS; i++) {
        for (unsigned v6 = 0; v6 < 2; v6++) {
            struct mcast_if *ifp = &s->mcast->ifp[i][v6];

            ifp->nif = (uint8_t)i;
            ifp->v6 = v6;
            ifp->timer.kind = TIMER_MCAST;
            ifp->change_due_ns = ifp->general_due_ns = NS_NEVER;
            ifp->robustness = MCAST_ROBUSTNESS;
            ifp->version = mcast_newest(ifp);
        }
    }
    return 0;
}

/* Sockets have left before; what remains is the stack's own. */
void mcast_fini(struct z_stack *s)
{
    if (!s->mcast)
        return;
    for (unsigned i = 0; i < STACK_MAX_NETIFS; i++) {
        for (unsigned v6 = 0; v6 < 2; v6++) {
            struct mcast_if *ifp = &s->mcast->ifp[i][v6];

            while (ifp->groups)
                mcast_free(s, ifp->groups);
            wheel_cancel(&s->wheel, &ifp->timer);
        }
    }
    arena_free(&s->arena, s->mcast, sizeof(*s->mcast));
    s->mcast = NULL;
}

static struct inaddr without_zone(const struct inaddr *a)
{
    struct inaddr x = *a;

    inaddr_clear_zone(&x);
    return x;
}

static struct mcast_group **bucket_of(const struct z_stack *s, const struct netif *nif, const struct inaddr *group)
{
    uint32_t h = (group->w[3] ^ group->w[2] ^ nif->index) * 0x9e3779b1u;

    return &s->mcast->bucket[h >> 26];
}

struct mcast_group *mcast_find(const struct z_stack *s, const struct netif *nif, const struct inaddr *group)
{
    struct inaddr addr = without_zone(group);
    struct mcast_group *g = *bucket_of(s, nif, &addr);

    while (g && (g->ifp->nif != nif->index || !inaddr_eq(&g->addr, &addr)))
        g = g->hash_next;
    return g;
}

/* The entry of a group, without members when it is new; of_socket: one more is allowed by mcast_group_limit. */
static struct mcast_group *make(struct z_stack *s, struct netif *nif, const struct inaddr *group, bool of_socket, int *err)
{
    struct inaddr addr = without_zone(group);
    struct mcast_group **b = bucket_of(s, nif, &addr), *g = mcast_find(s, nif, group);

    *err = 0;
    if (g)
        return g;
    *err = -EINVAL;
    if (!inaddr_is_multicast(&addr))
        return NULL;
    *err = -ENOBUFS;
    if (of_socket && s->mcast->n_socket_groups >= s->conf.mcast_group_limit) {
        stack_count(s, CTR_MCAST_GROUP_LIMIT);
        return NULL;
    }
    *err = -ENOMEM;
    g = arena_alloc(&s->arena, sizeof(*g));
    if (!g)
        return NULL;
    *err = 0;
    g->addr = addr;
    g->mode = MCAST_INCLUDE;
    g->of_socket = of_socket;
    g->query_due_ns = g->old_due_ns = NS_NEVER;
    g->ifp = &s->mcast->ifp[nif->index][!inaddr_is_v4(&addr)];
    g->hash_next = *b;
    *b = g;
    g->next = g->ifp->groups;
    g->ifp->groups = g;
    s->mcast->n_socket_groups += of_socket;
    return g;
}

void mcast_free(struct z_stack *s, struct mcast_group *g)
{
    struct mcast_group **p = bucket_of(s, s->netif[g->ifp->nif], &g->addr);

    while (*p != g)
        p = &(*p)->hash_next;
    *p = g->hash_next;
    p = &g->ifp->groups;
    while (*p != g)
        p = &(*p)->next;
    *p = g->next;
    s->mcast->n_socket_groups -= g->of_socket;
    arena_free(&s->arena, g->srcs, MCAST_TRACKED_MAX * sizeof(*g->srcs));
    arena_free(&s->arena, g, sizeof(*g));
}

/* A filter on its own. */
struct filter {
    uint8_t mode;
    uint16_t n;
    struct inaddr src[MCAST_SOURCES_MAX];
};

static bool lists(const struct inaddr *srcs, unsigned n, const struct inaddr *a)
{
    for (unsigned i = 0; i < n; i++)
        if (inaddr_eq(&srcs[i], a))
            return true;
    return false;
}

/* Does every EXCLUDE subscription exclude a, and no INCLUDE one want it? */
static bool excluded_by_all(const struct mcast_group *g, const struct inaddr *a)
{
    for (const struct mcast_sub *x = g->subs; x; x = x->next)
        if (lists(x->srcs, x->n_srcs, a) != (x->mode == MCAST_EXCLUDE))
            return false;
    return true;
}

/* RFC 3376 section 3.2. A union that is too long becomes "all": too much is delivered to the host, not to the sockets. */
static void merge(struct z_stack *s, const struct mcast_group *g, struct filter *f)
{
    const struct mcast_sub *exclude = NULL;

    *f = (struct filter){.mode = g->refs ? MCAST_EXCLUDE : MCAST_INCLUDE};
    if (g->refs)
        return;
    for (const struct mcast_sub *x = g->subs; x; x = x->next)
        if (x->mode == MCAST_EXCLUDE)
            exclude = x;
    if (exclude) {
        f->mode = MCAST_EXCLUDE;
        for (unsigned i = 0; i < exclude->n_srcs; i++)
            if (excluded_by_all(g, &exclude->srcs[i]))
                f->src[f->n++] = exclude->srcs[i];
        return;
    }
    for (const struct mcast_sub *x = g->subs; x; x = x->next) {
        for (unsigned i = 0; i < x->n_srcs; i++) {
            if (lists(f->src, f->n, &x->srcs[i]))
                continue;
            if (f->n == MCAST_SOURCES_MAX) {
                stack_count(s, CTR_MCAST_SOURCE_LIMIT);
                f->mode = MCAST_EXCLUDE;
                f->n = 0;
                return;
            }
            f->src[f->n++] = x->srcs[i];
        }
    }
}

static struct mcast_src *find_src(const struct mcast_group *g, const struct inaddr *a)
{
    for (unsigned i = 0; i < g->n_srcs; i++)
        if (inaddr_eq(&g->srcs[i].addr, a))
            return &g->srcs[i];
    return NULL;
}

/* Every source that comes or goes is marked, to be told as often as the robustness asks. */
static void set_sources(struct mcast_group *g, const struct filter *f)
{
    uint8_t robustness = g->ifp->robustness;

    for (unsigned i = 0; i < g->n_srcs; i++) {
        struct mcast_src *x = &g->srcs[i];
        bool in = lists(f->src, f->n, &x->addr);

        if (x->in != in)
            x->retrans = robustness;
        x->in = in;
    }
    for (unsigned i = 0; i < f->n; i++) {
        if (find_src(g, &f->src[i]))
            continue;
        if (g->n_srcs == MCAST_TRACKED_MAX) { /* the oldest that has left gives way: its router forgets it by itself */
            unsigned k = 0;

            while (g->srcs[k].in)
                k++;
            g->srcs[k] = g->srcs[--g->n_srcs];
        }
        g->srcs[g->n_srcs++] = (struct mcast_src){.addr = f->src[i], .retrans = robustness, .in = true};
    }
}

/* The subscriptions of g have changed. */
static void update(struct z_stack *s, struct mcast_group *g)
{
    bool was_member = g->member;
    uint8_t old_mode = g->mode;
    struct filter f;

    merge(s, g, &f);
    g->member = f.mode == MCAST_EXCLUDE || f.n > 0;
    g->mode = f.mode;
    if (g->srcs)
        set_sources(g, &f);
    mcast_changed(s, g, was_member, old_mode);
}

int mcast_join(struct z_stack *s, struct netif *nif, const struct inaddr *group)
{
    struct mcast_group *g;
    int err;

    g = make(s, nif, group, false, &err);
    if (!g)
        return err;
    if (g->refs++ == 0)
        update(s, g);
    return 0;
}

int mcast_leave(struct z_stack *s, struct netif *nif, const struct inaddr *group)
{
    struct mcast_group *g = mcast_find(s, nif, group);

    if (!g || g->refs == 0)
        return -EADDRNOTAVAIL;
    if (--g->refs == 0)
        update(s, g);
    return 0;
}

static void unlink_sub(struct z_stack *s, struct mcast_sub *sub)
{
    struct mcast_sub **p = &sub->group->subs;

    while (*p != sub)
        p = &(*p)->next;
    *p = sub->next;
    arena_free(&s->arena, sub->srcs, sub->n_srcs * sizeof(struct inaddr));
    *sub = (struct mcast_sub){0};
}

void mcast_sub_leave(struct z_stack *s, struct mcast_sub *sub)
{
    struct mcast_group *g = sub->group;

    if (!g)
        return;
    unlink_sub(s, sub);
    update(s, g);
}

static void remove_if_unused(struct z_stack *s, struct mcast_group *g)
{
    if (!g->member && !g->refs && !g->subs && !g->mode_retrans && g->n_srcs == 0)
        mcast_free(s, g);
}

/* The memory that a subscription with these sources needs; nothing is changed. */
static int reserve(struct z_stack *s, struct mcast_group *g, unsigned n_srcs, struct inaddr **srcs)
{
    *srcs = NULL;
    if (n_srcs == 0)
        return 0;
    if (!g->srcs)
        g->srcs = arena_alloc(&s->arena, MCAST_TRACKED_MAX * sizeof(*g->srcs));
    if (g->srcs)
        *srcs = arena_alloc(&s->arena, n_srcs * sizeof(struct inaddr));
    return *srcs ? 0 : -ENOMEM;
}

int mcast_set_filter(struct z_stack *s, struct mcast_sub *sub, struct netif *nif, const struct inaddr *group, enum mcast_mode mode,
                     const struct inaddr *srcs, unsigned n_srcs)
{
    struct mcast_group *g;
    struct inaddr *own;
    int err;

    if (mode == MCAST_INCLUDE && n_srcs == 0) {
        mcast_sub_leave(s, sub);
        return 0;
    }
    if (n_srcs > MIN(s->conf.mcast_source_limit, MCAST_SOURCES_MAX)) {
        stack_count(s, CTR_MCAST_SOURCE_LIMIT);
        return -ENOBUFS;
    }
    g = sub->group ? sub->group : make(s, nif, group, true, &err);
    if (!g)
        return err;
    err = reserve(s, g, n_srcs, &own);
    if (err) {
        remove_if_unused(s, g);
        return err;
    }
    if (sub->group) {
        arena_free(&s->arena, sub->srcs, sub->n_srcs * sizeof(struct inaddr));
    } else {
        sub->next = g->subs;
        g->subs = sub;
        sub->group = g;
    }
    sub->mode = (uint8_t)mode;
    sub->n_srcs = (uint16_t)n_srcs;
    sub->srcs = own;
    if (n_srcs)
        memcpy(own, srcs, n_srcs * sizeof(struct inaddr));
    update(s, g);
    return 0;
}

bool mcast_sub_accepts(const struct mcast_sub *sub, const struct inaddr *src)
{
    return sub->group && lists(sub->srcs, sub->n_srcs, src) == (sub->mode == MCAST_INCLUDE);
}

const struct inaddr *mcast_sub_group(const struct mcast_sub *sub)
{
    return sub->group ? &sub->group->addr : NULL;
}

struct netif *mcast_sub_netif(const struct z_stack *s, const struct mcast_sub *sub)
{
    return sub->group ? s->netif[sub->group->ifp->nif] : NULL;
}

bool mcast_member(const struct z_stack *s, const struct netif *nif, const struct inaddr *group)
{
    static const struct inaddr all_nodes = MLD_ALL_NODES;
    const struct mcast_group *g;
    struct inaddr addr = without_zone(group);

    if (inaddr_is_v4(group) ? inaddr_to_v4(group) == IGMP_ALL_HOSTS : inaddr_eq(&addr, &all_nodes))
        return true;
    g = mcast_find(s, nif, group);
    return g && g->member;
}

void mcast_mac(const struct inaddr *group, uint8_t mac[6])
{
    const uint8_t *b = group->b;

    if (inaddr_is_v4(group))
        memcpy(mac, (const uint8_t[]){0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}, 6);
    else
        memcpy(mac, (const uint8_t[]){0x33, 0x33, b[12], b[13], b[14], b[15]}, 6);
}
