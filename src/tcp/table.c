/* Demultiplexing: connections by 4-tuple, bound and listening sockets by port; the choice of ports (RFC 6056). */
#include <errno.h>

#include "base/bigtab.h"
#include "base/bindaddr.h"
#include "base/flowhash.h"
#include "base/siphash.h"
#include "tcp/conn.h"
#include "tcp/forward.h"

#include "base/poison.h"

static uint32_t tuple_hash(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    return flow_hash(&s->flow_key, laddr, raddr, lport, rport);
}

struct tcp_entry *tcp_table_find(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                                 uint16_t rport)
{
    const struct tcp_state *t = &s->tcp;
    uint32_t h = tuple_hash(s, laddr, raddr, lport, rport);

    for (uint32_t i = h & t->place_mask; t->place[i].ref != 0; i = (i + 1) & t->place_mask) {
        struct tcp_entry *e;

        if (t->place[i].hash != h)
            continue;
        e = arena_at(&s->arena, t->place[i].ref);
        if (e->lport == lport && e->rport == rport && inaddr_eq(&e->raddr, raddr) && inaddr_eq(&e->laddr, laddr))
            return e;
    }
    return NULL;
}

size_t tcp_table_places(const struct stack_conf *c)
{
    uint64_t entries = (uint64_t)c->max_connections + c->max_timewait + c->syn_cache_limit + c->forward_limit;

    return bigtab_pow2(MAX(entries + entries / 2, 64u));
}

void tcp_table_insert(struct z_stack *s, struct tcp_entry *e, enum tcp_kind kind)
{
    struct tcp_state *t = &s->tcp;
    uint32_t i;

    e->hash = tuple_hash(s, &e->laddr, &e->raddr, e->lport, e->rport);
    e->kind = (uint8_t)kind;
    i = e->hash & t->place_mask;
    while (t->place[i].ref != 0)
        i = (i + 1) & t->place_mask;
    t->place[i] = (struct tcp_place){.hash = e->hash, .ref = arena_ref(&s->arena, e)};
    e->in_table = true;
}

static uint32_t place_of(const struct z_stack *s, const struct tcp_entry *e)
{
    uint32_t i = e->hash & s->tcp.place_mask, ref = arena_ref(&s->arena, e);

    while (s->tcp.place[i].ref != ref)
        i = (i + 1) & s->tcp.place_mask;
    return i;
}

/*
 * Frees a place. What stands behind it without a gap is moved up where that is not before the place of its hash, so that who searches
 * need not pass places that were freed. The walk of forward.c through the table must not miss what moves to where it has been.
 */
static void place_free(struct tcp_state *t, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & t->place_mask; t->place[i].ref != 0; i = (i + 1) & t->place_mask) {
        uint32_t from_home = (i - t->place[i].hash) & t->place_mask, from_hole = (i - hole) & t->place_mask;

        if (from_home < from_hole)
            continue;
        t->place[hole] = t->place[i];
        t->claim_at = MIN(t->claim_at, hole);
        hole = i;
    }
    t->place[hole] = (struct tcp_place){0};
}

void tcp_table_replace(struct z_stack *s, struct tcp_entry *old, struct tcp_entry *e, enum tcp_kind kind)
{
    uint32_t id = e->id;

    s->tcp.place[place_of(s, old)].ref = arena_ref(&s->arena, e);
    *e = *old;
    e->id = id;
    e->kind = (uint8_t)kind;
    old->in_table = old->claimed = false;
}

void tcp_table_remove(struct z_stack *s, struct tcp_entry *e)
{
    if (!e->in_table)
        return;
    place_free(&s->tcp, place_of(s, e));
    e->in_table = false;
    if (unlikely(e->claimed))
        tcp_claim_end(s, e);
}

/*
 * How well a listener fits: one bound to the address before one bound to any (MUST-42); of those, one of the packet's family before
 * one of AF_INET6 that takes both, as Linux scores them. 0: not at all.
 */
static int listen_score(const struct tcp_conn *c, const struct inaddr *laddr)
{
    if (c->state != TCPS_LISTEN)
        return 0;
    if (inaddr_eq(&c->ent.laddr, laddr))
        return 3;
    if (!bind_accepts(&c->ent.laddr, c->opt->v6only, laddr))
        return 0;
    return inaddr_is_v4(&c->ent.laddr) == inaddr_is_v4(laddr) ? 2 : 1;
}

/* Listeners that share a port by SO_REUSEPORT and fit equally well: one per flow, by the keyed hash of its 4-tuple. */
struct tcp_conn *tcp_listen_find(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                                 uint16_t rport)
{
    struct tcp_conn *best = NULL, *c;
    uint32_t n = 0, k;
    int score = 0;

    for (c = s->tcp.bound_bucket[lport]; c != NULL; c = c->bound_next) {
        int fit = listen_score(c, laddr);

        if (fit > score) {
            best = c;
            score = fit;
            n = 1;
        } else if (fit == score && fit > 0 && c->opt->reuseport) {
            n++;
        }
    }
    if (likely(n <= 1))
        return best;
    k = (uint32_t)((uint64_t)tuple_hash(s, laddr, raddr, lport, rport) * n >> 32);
    for (c = best; k > 0; k -= listen_score(c, laddr) == score)
        c = c->bound_next;
    return c;
}

void tcp_bound_insert(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_conn **b = &s->tcp.bound_bucket[tc->ent.lport];

    if (tc->bound)
        return;
    tc->bound_next = *b;
    *b = tc;
    tc->bound = true;
}

void tcp_bound_remove(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_conn **p = &s->tcp.bound_bucket[tc->ent.lport];

    if (!tc->bound)
        return;
    while (*p != tc)
        p = &(*p)->bound_next;
    *p = tc->bound_next;
    tc->bound = false;
}

void tcp_port_hold(struct z_stack *s, struct tcp_conn *tc, uint16_t port)
{
    tc->ent.lport = port;
    tc->port_held = true;
    s->tcp.port_use[port]++;
}

void tcp_port_release(struct z_stack *s, struct tcp_conn *tc)
{
    if (!tc->port_held)
        return;
    tc->port_held = false;
    s->tcp.port_use[tc->ent.lport]--;
}

/*
 * May tc not bind to (a, port)? socket(7): SO_REUSEADDR allows it unless a listener is bound there; SO_REUSEPORT when
 * both ask for it; otherwise any socket or connection that still uses the port is in the way.
 */
bool tcp_port_conflict(const struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *a, uint16_t port)
{
    uint32_t bound = 0;

    for (const struct tcp_conn *c = s->tcp.bound_bucket[port]; c != NULL; c = c->bound_next) {
        bound++;
        if (c == tc)
            continue;
        if (!bind_overlaps(a, tc->opt->v6only, &c->ent.laddr, c->opt->v6only))
            continue;
        if (tc->opt->reuseport && c->opt->reuseport)
            continue;
        if (tc->opt->reuseaddr && c->opt->reuseaddr && c->state != TCPS_LISTEN)
            continue;
        return true;
    }
    return s->tcp.port_use[port] > bound && !tc->opt->reuseaddr && !tc->opt->reuseport;
}

bool tcp_tuple_free(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    struct tcp_entry *e = tcp_table_find(s, laddr, raddr, lport, rport);

    return e == NULL || (e->kind == TCP_ENT_TW && tcp_timewait_yields(s, tcp_tw_of(e)));
}

/*
 * Of several stacks each takes ports of its own: for a connection those that bring the answers to it; for a bind a share, so that two do
 * not take the same unknown to each other.
 */
static bool port_ours(const struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *raddr, uint16_t rport, uint16_t port)
{
    if (likely(s->steer == NULL) || (!inaddr_is_any(raddr) && ip_is_local(s, raddr)))
        return true;
    if (inaddr_is_any(raddr))
        return port % steer_count(s->steer) == s->member;
    return tcp_port_comes_home(s, &tc->ent.laddr, raddr, port, rport);
}

/* Is the port free for a connection to this peer, or (raddr any) for a bind? */
static bool port_free(const struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *raddr, uint16_t rport, uint16_t port)
{
    if (!port_ours(s, tc, raddr, rport, port))
        return false;
    if (s->tcp.port_use[port] == 0)
        return true;
    if (inaddr_is_any(raddr) || s->tcp.bound_bucket[port] != NULL)
        return false;
    return tcp_tuple_free(s, &tc->ent.laddr, raddr, port, rport);
}

/*
 * RFC 6056 algorithm 4, double-hash port selection: where a destination begins is a keyed hash, and how far it has come is counted
 * for a group of destinations, so that one of them learns little of how often others were connected to.
 */
uint16_t tcp_port_ephemeral(struct z_stack *s, const struct tcp_conn *tc, const struct inaddr *raddr, uint16_t rport)
{
    struct {
        struct inaddr l, r;
        uint32_t rport, purpose;
    } in = {tc->ent.laddr, *raddr, rport, 2};
    uint32_t n = (uint32_t)s->conf.port_last - s->conf.port_first + 1;
    uint64_t h = siphash24(s->secret_key, &in, sizeof(in));
    uint32_t offset = (uint32_t)h, *counter = &s->tcp.port_counter[h >> 32 & (TCP_PORT_COUNTERS - 1)];

    for (uint32_t i = 0; i < n; i++) {
        uint16_t port = (uint16_t)(s->conf.port_first + (offset + (*counter)++) % n);

        if (!port_free(s, tc, raddr, rport, port))
            continue;
        if (s->steer != NULL)
            s->ctr.v[CTR_TCP_PORTS_PASSED] += i;
        return port;
    }
    return 0;
}
