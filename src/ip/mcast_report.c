/*
 * What is told to multicast routers, and when: state changes at once and repeated (RFC 3376 section 5.1, RFC 3810 section 6.1),
 * answers to queries after a random delay (5.2, 6.2), and the older versions while a querier speaks one (7.2, 8.2).
 */
#include <string.h>

#include "ip/mcast_state.h"
#include "wire/igmp.h"
#include "wire/mld.h"

#include "base/poison.h"

/* A report of the newest version in the making; it fits the smallest MTU of IPv6. */
#define REPORT_MAX 1200u

struct report {
    const struct mcast_if *ifp;
    uint32_t len;
    uint16_t n;
    uint8_t b[REPORT_MAX];
};

static void flush(struct z_stack *s, struct report *r)
{
    struct netif *nif = s->netif[r->ifp->nif];

    if (r->n == 0)
        return;
    if (r->ifp->v6) {
        const struct inaddr routers = MLD_V2_ROUTERS;

        mld_build_report(r->b, r->n);
        mld_send(s, nif, &routers, r->b, r->len);
    } else {
        igmp_build_report(r->b, r->len, r->n);
        igmp_send(s, nif, IGMP_V3_ROUTERS, r->b, r->len);
    }
    r->n = 0;
}

static void add(struct z_stack *s, struct report *r, uint8_t type, const struct mcast_group *g, const struct inaddr *srcs, uint16_t n_srcs)
{
    const struct mcast_record rec = {.type = type, .group = g->addr, .n_srcs = n_srcs, .srcs = srcs};
    uint32_t bytes = r->ifp->v6 ? MLD_RECORD_HLEN + n_srcs * 16u : IGMP_RECORD_HLEN + n_srcs * 4u;

    if (r->n && r->len + bytes > sizeof(r->b))
        flush(s, r);
    if (r->n == 0)
        r->len = IGMP_HLEN; /* as long as MLD's */
    r->len += r->ifp->v6 ? mld_build_record(r->b + r->len, &rec) : igmp_build_record(r->b + r->len, &rec);
    r->n++;
}

_Static_assert(IGMP_HLEN == MLD_REPORT_HLEN, "reports of both families start alike");
_Static_assert(MLD_REPORT_HLEN + MLD_RECORD_HLEN + MCAST_SOURCES_MAX * 16u <= REPORT_MAX, "a record fits");

/* Groups that every node has joined without asking, or that stay in the node (RFC 3376 section 5, RFC 3810 section 6). */
static bool is_reported(const struct mcast_group *g)
{
    if (!g->ifp->v6)
        return inaddr_to_v4(&g->addr) != IGMP_ALL_HOSTS;
    return !inaddr_eq(&g->addr, &MLD_ALL_NODES) && (g->addr.b[1] & 0x0f) > 1;
}

/* The sources in the filter, or those that came (in) or went since the last reports. */
static uint16_t sources(const struct mcast_group *g, bool changed, bool in, struct inaddr *out)
{
    uint16_t n = 0;

    for (unsigned i = 0; i < g->n_srcs && n < MCAST_SOURCES_MAX; i++)
        if (g->srcs[i].in == in && (!changed || g->srcs[i].retrans > 0))
            out[n++] = g->srcs[i].addr;
    return n;
}

static void report_change(struct z_stack *s, struct report *r, const struct mcast_group *g)
{
    struct inaddr srcs[MCAST_SOURCES_MAX];
    bool include = g->mode == MCAST_INCLUDE;
    uint16_t n;

    if (g->mode_retrans) {
        n = sources(g, false, true, srcs);
        add(s, r, include ? MCAST_CHANGE_TO_INCLUDE : MCAST_CHANGE_TO_EXCLUDE, g, srcs, n);
        return;
    }
    n = sources(g, true, include, srcs);
    if (n)
        add(s, r, MCAST_ALLOW_NEW_SOURCES, g, srcs, n);
    n = sources(g, true, !include, srcs);
    if (n)
        add(s, r, MCAST_BLOCK_OLD_SOURCES, g, srcs, n);
}

/* One report less to make. True: more are to come. */
static bool count_down(struct mcast_group *g)
{
    bool more = false;

    if (g->mode_retrans > 0)
        more = --g->mode_retrans > 0;
    for (unsigned i = g->n_srcs; i-- > 0;) {
        struct mcast_src *x = &g->srcs[i];

        if (x->retrans > 0)
            x->retrans--;
        more |= x->retrans > 0;
        if (x->retrans == 0 && !x->in)
            *x = g->srcs[--g->n_srcs];
    }
    return more;
}

static uint64_t at_random(struct z_stack *s, uint64_t within_ns)
{
    return s->now_ns + 1 + within_ns / 65536 * rng_below(&s->rng, 65536);
}

static bool nothing_left(const struct mcast_group *g)
{
    return !g->member && g->refs == 0 && !g->subs && !g->mode_retrans && g->n_srcs == 0;
}

static void send_changes(struct z_stack *s, struct mcast_if *ifp)
{
    struct report r = {.ifp = ifp};
    bool more = false;

    for (struct mcast_group *g = ifp->groups, *next; g; g = next) {
        next = g->next;
        if (is_reported(g))
            report_change(s, &r, g);
        more |= count_down(g);
        if (nothing_left(g))
            mcast_free(s, g);
    }
    flush(s, &r);
    ifp->change_due_ns = more ? at_random(s, MCAST_UNSOLICITED_NS) : NS_NEVER;
}

/* Of the newest version; the group itself for older ones. */
static void report_state(struct z_stack *s, struct report *r, const struct mcast_group *g)
{
    struct inaddr srcs[MCAST_SOURCES_MAX];

    if (g->member && is_reported(g))
        add(s, r, g->mode == MCAST_INCLUDE ? MCAST_MODE_IS_INCLUDE : MCAST_MODE_IS_EXCLUDE, g, srcs, sources(g, false, true, srcs));
}

static void send_old(struct z_stack *s, const struct mcast_group *g, bool leave)
{
    struct netif *nif = s->netif[g->ifp->nif];

    if (!is_reported(g))
        return;
    if (g->ifp->v6)
        mld_send_old(s, nif, &g->addr, leave);
    else
        igmp_send_old(s, nif, &g->addr, g->ifp->version, leave);
}

/* Which of the sources asked about do we want? (RFC 3376 section 5.2, the table of response records) */
static void report_queried(struct z_stack *s, struct report *r, const struct mcast_group *g)
{
    struct inaddr srcs[MCAST_QUERIED_MAX];
    uint16_t n = 0;

    for (unsigned i = 0; i < g->n_queried; i++) {
        bool listed = false;

        for (unsigned k = 0; k < g->n_srcs; k++)
            listed |= g->srcs[k].in && inaddr_eq(&g->srcs[k].addr, &g->queried[i]);
        if (listed == (g->mode == MCAST_INCLUDE))
            srcs[n++] = g->queried[i];
    }
    if (n && g->member && is_reported(g))
        add(s, r, MCAST_MODE_IS_INCLUDE, g, srcs, n);
}

static void answer_group(struct z_stack *s, struct mcast_group *g)
{
    struct report r = {.ifp = g->ifp};

    g->query_due_ns = NS_NEVER;
    if (g->ifp->version < mcast_newest(g->ifp)) {
        if (g->member)
            send_old(s, g, false);
        return;
    }
    if (g->n_queried)
        report_queried(s, &r, g);
    else
        report_state(s, &r, g);
    g->n_queried = 0;
    flush(s, &r);
}

static void answer_general(struct z_stack *s, struct mcast_if *ifp)
{
    struct report r = {.ifp = ifp};

    ifp->general_due_ns = NS_NEVER;
    for (const struct mcast_group *g = ifp->groups; g; g = g->next)
        report_state(s, &r, g);
    flush(s, &r);
}

static void repeat_old(struct z_stack *s, struct mcast_group *g)
{
    g->old_due_ns = NS_NEVER;
    if (!g->member)
        return;
    send_old(s, g, false);
    if (--g->old_left > 0)
        g->old_due_ns = at_random(s, MCAST_UNSOLICITED_OLD_NS);
}

/* Whom we speak to decides how. A change ends everything that is pending (RFC 3376 section 7.2.1, RFC 3810 section 8.2.1). */
static void choose_version(const struct z_stack *s, struct mcast_if *ifp)
{
    uint8_t version = mcast_newest(ifp);

    if (s->now_ns < ifp->v1_until_ns)
        version = 1;
    else if (s->now_ns < ifp->v2_until_ns)
        version = 2;
    if (version == ifp->version)
        return;
    ifp->version = version;
    ifp->general_due_ns = NS_NEVER;
    for (struct mcast_group *g = ifp->groups; g; g = g->next) {
        g->query_due_ns = g->old_due_ns = NS_NEVER;
        g->n_queried = 0;
        g->mode_retrans = 0;
        for (unsigned i = 0; i < g->n_srcs; i++)
            g->srcs[i].retrans = 0;
    }
    /* what had only to be reported is let go */
    if (ifp->change_due_ns != NS_NEVER)
        ifp->change_due_ns = s->now_ns;
}

static void rearm(struct z_stack *s, struct mcast_if *ifp)
{
    uint64_t next = MIN(ifp->change_due_ns, ifp->general_due_ns);

    for (const struct mcast_group *g = ifp->groups; g; g = g->next) {
        next = MIN(next, g->query_due_ns);
        next = MIN(next, g->old_due_ns);
    }
    wheel_arm(&s->wheel, &ifp->timer, next);
}

void mcast_timer(struct z_stack *s, struct wheel_node *w)
{
    struct mcast_if *ifp = container_of_ptr(w, struct mcast_if, timer);

    choose_version(s, ifp);
    if (ifp->general_due_ns <= s->now_ns)
        answer_general(s, ifp);
    for (struct mcast_group *g = ifp->groups; g; g = g->next) {
        if (g->query_due_ns <= s->now_ns)
            answer_group(s, g);
        if (g->old_due_ns <= s->now_ns)
            repeat_old(s, g);
    }
    if (ifp->change_due_ns <= s->now_ns)
        send_changes(s, ifp);
    rearm(s, ifp);
}

/* Under an older querier only coming and going can be said. */
static void changed_old(struct z_stack *s, struct mcast_group *g, bool was_member)
{
    if (g->member && !was_member) {
        send_old(s, g, false);
        g->old_left = (uint8_t)(g->ifp->robustness - 1);
        g->old_due_ns = g->old_left ? at_random(s, MCAST_UNSOLICITED_OLD_NS) : NS_NEVER;
    } else if (!g->member && was_member) {
        g->old_due_ns = NS_NEVER;
        send_old(s, g, true);
    }
    while (count_down(g))
        ;
    if (nothing_left(g))
        mcast_free(s, g);
}

void mcast_changed(struct z_stack *s, struct mcast_group *g, bool was_member, uint8_t old_mode)
{
    struct mcast_if *ifp = g->ifp;

    choose_version(s, ifp);
    if (g->mode != old_mode)
        g->mode_retrans = ifp->robustness;
    if (ifp->version < mcast_newest(ifp))
        changed_old(s, g, was_member);
    else
        ifp->change_due_ns = s->now_ns;
    rearm(s, ifp);
}

/* RFC 3590: what was reported before there was a source address is reported again. */
void mcast_source_changed(struct z_stack *s, struct netif *nif)
{
    struct mcast_if *ifp = &s->mcast->ifp[nif->index][true];

    if (!ifp->groups || ifp->version < mcast_newest(ifp))
        return;
    for (struct mcast_group *g = ifp->groups; g; g = g->next)
        if (g->member && g->mode == MCAST_EXCLUDE)
            g->mode_retrans = ifp->robustness;
    ifp->change_due_ns = s->now_ns;
    rearm(s, ifp);
}

/* The sources that a query asks about, besides those that an earlier one does; when they are too many, all are. */
static void note_queried(struct mcast_group *g, const struct mcast_query *q, bool pending)
{
    if (q->n_srcs == 0 || (pending && g->n_queried == 0)) {
        g->n_queried = 0;
        return;
    }
    for (unsigned i = 0; i < q->n_srcs; i++) {
        struct inaddr a = g->ifp->v6 ? mld_query_src(q, i) : igmp_query_src(q, i);
        unsigned k = 0;

        while (k < g->n_queried && !inaddr_eq(&g->queried[k], &a))
            k++;
        if (k < g->n_queried)
            continue;
        if (g->n_queried == MCAST_QUERIED_MAX) {
            g->n_queried = 0;
            return;
        }
        g->queried[g->n_queried++] = a;
    }
}

/* Rules 3 to 5 of section 5.2. */
static void ask_group(struct mcast_group *g, const struct mcast_query *q, uint64_t due_ns)
{
    bool pending = g->query_due_ns != NS_NEVER;

    note_queried(g, q, pending);
    g->query_due_ns = MIN(g->query_due_ns, due_ns);
}

static void note_querier(struct z_stack *s, struct mcast_if *ifp, const struct mcast_query *q)
{
    /* Older Version Querier Present Timeout (RFC 3376 section 8.12, RFC 3810 section 9.12) */
    uint64_t until = s->now_ns + ifp->robustness * MCAST_QUERY_INTERVAL_S * NS_PER_SEC + q->max_resp_ms * NS_PER_MS;

    if (q->version == mcast_newest(ifp)) {
        ifp->robustness = q->qrv ? q->qrv : MCAST_ROBUSTNESS;
    } else if (q->general) {
        if (q->version == 1)
            ifp->v1_until_ns = until;
        else
            ifp->v2_until_ns = until;
    }
    choose_version(s, ifp);
}

void mcast_query_input(struct z_stack *s, struct netif *nif, bool v6, const struct mcast_query *q)
{
    struct mcast_if *ifp = &s->mcast->ifp[nif->index][v6];
    struct mcast_group *g;
    uint64_t due_ns;

    note_querier(s, ifp, q);
    due_ns = at_random(s, q->max_resp_ms * NS_PER_MS);
    if (!q->general) {
        g = mcast_find(s, nif, &q->group);
        if (g && g->member && due_ns < ifp->general_due_ns) /* rule 1 */
            ask_group(g, q, due_ns);
    } else if (ifp->version < mcast_newest(ifp)) {
        for (g = ifp->groups; g; g = g->next) {
            due_ns = at_random(s, q->max_resp_ms * NS_PER_MS); /* each group its own */
            if (g->member)
                g->query_due_ns = MIN(g->query_due_ns, due_ns);
        }
    } else if (due_ns < ifp->general_due_ns && ifp->groups) {
        ifp->general_due_ns = due_ns;
    }
    rearm(s, ifp);
}

void mcast_others_report(struct z_stack *s, struct netif *nif, const struct inaddr *group)
{
    struct mcast_group *g = mcast_find(s, nif, group);

    if (g && g->ifp->version < mcast_newest(g->ifp))
        g->query_due_ns = g->old_due_ns = NS_NEVER;
}
