/*
 * Connections of several stacks behind the same devices. A flow's packets arrive at its home, the stack that its hash names. Whoever has
 * no connection and no listener for a segment hands it to a stack that listens on the port, in an order that each computes alone
 * (steer_next), so that nothing need be kept for a handshake. A connection that came to be elsewhere than at home is claimed: home keeps
 * an entry in its table that says to whom the flow's packets go, until the connection's entry there is gone.
 */
#include "tcp/forward.h"

#include <string.h>

#include "ip/ip.h"
#include "port/steer.h"
#include "tcp/syncache.h"

#include "base/poison.h"

#define CLAIM_PLACES 4096u /* looked at in a turn */

struct tcp_fwd {
    struct tcp_entry ent;
    TAILQ_ENTRY(tcp_fwd) link;
    uint16_t to;
};

/* An entry of the SYN cache on its way to another stack. */
struct moved_syn {
    uint32_t iss, irs, ts_offset;
    struct tcp_agreed opt;
    uint16_t snd_wnd, rcv_wnd;
    uint8_t rcv_wscale, retries;
    bool acked, ecn;
};

_Static_assert(sizeof(struct moved_syn) <= sizeof(((struct steer_msg *)0)->body), "a message holds it");

static struct tcp_fwd *fwd_of(struct tcp_entry *e)
{
    return container_of_ptr(e, struct tcp_fwd, ent);
}

static void forget(struct z_stack *s, struct tcp_fwd *f)
{
    TAILQ_REMOVE(&s->tcp.fwd, f, link);
    tcp_table_remove(s, &f->ent);
    s->ctr.v[CTR_TCP_FORWARDED] = --s->tcp.n_fwd;
    arena_free(&s->arena, f, sizeof(*f));
}

void tcp_forward_fini(struct z_stack *s)
{
    struct tcp_fwd *f;

    while ((f = TAILQ_FIRST(&s->tcp.fwd)) != NULL)
        forget(s, f);
}

static void tell(struct z_stack *s, enum steer_msg_kind kind, const struct tcp_entry *e, unsigned to, const struct moved_syn *syn)
{
    struct steer_msg msg = {
        .kind = (uint16_t)kind, .from = s->member, .lport = e->lport, .rport = e->rport, .laddr = e->laddr, .raddr = e->raddr};

    if (syn != NULL)
        memcpy(msg.body, syn, sizeof(*syn));
    if (!steer_tell(s->steer, to, &msg))
        stack_count(s, CTR_STEER_LOST);
}

/* The homes of a flow: by the table, and by the one that is announced. Where both are the same there is one. */
static unsigned homes_of(const struct z_stack *s, const struct tcp_entry *e, unsigned home[2])
{
    home[0] = steer_home(s->steer, &e->laddr, &e->raddr, e->lport, e->rport);
    home[1] = steer_home_next(s->steer, &e->laddr, &e->raddr, e->lport, e->rport);
    return home[0] == home[1] ? 1 : 2;
}

void tcp_claim_elsewhere(struct z_stack *s, struct tcp_entry *e)
{
    unsigned home[2], n = homes_of(s, e, home);

    for (unsigned i = 0; i < n; i++) {
        if (home[i] == s->member)
            continue;
        e->claimed = true;
        tell(s, STEER_CLAIM, e, home[i], NULL);
    }
}

void tcp_claim_end(struct z_stack *s, struct tcp_entry *e)
{
    unsigned home[2], n = homes_of(s, e, home);

    e->claimed = false;
    for (unsigned i = 0; i < n; i++)
        if (home[i] != s->member)
            tell(s, STEER_RELEASE, e, home[i], NULL);
}

/* False: the other's queue of messages is full. */
static bool claim_next(struct z_stack *s, struct tcp_entry *e)
{
    struct steer_msg msg = {
        .kind = STEER_CLAIM, .from = s->member, .lport = e->lport, .rport = e->rport, .laddr = e->laddr, .raddr = e->raddr};
    unsigned home = steer_home_next(s->steer, &e->laddr, &e->raddr, e->lport, e->rport);

    if (e->kind == TCP_ENT_FWD || home == s->member)
        return true;
    e->claimed = true;
    return !steer_is_alive(s->steer, home) || steer_tell(s->steer, home, &msg);
}

/*
 * Another table is announced: what will arrive elsewhere is claimed there, a part of the connection table in every turn. Of two claims of a
 * flow the second changes nothing.
 */
static void claim_for(struct z_stack *s, uint32_t announced)
{
    struct tcp_state *t = &s->tcp;

    if (t->claiming != announced) {
        t->claiming = announced;
        t->claim_at = 0;
    }
    for (unsigned n = 0; n < CLAIM_PLACES && t->claim_at <= t->place_mask; n++, t->claim_at++)
        if (t->place[t->claim_at].ref != 0 && !claim_next(s, arena_at(&s->arena, t->place[t->claim_at].ref)))
            return;
    if (t->claim_at <= t->place_mask)
        return;
    t->claimed = announced;
    steer_agree(s->steer, s->member, announced);
}

/* Ports that bring the answers of a peer to this stack. */
bool tcp_port_comes_home(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    return steer_home(s->steer, laddr, raddr, lport, rport) == s->member;
}

/* Segments ------------------------------------------------------------------------------------------------------ */

bool tcp_hand_over(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    int to;

    if (in->from_self)
        return false;
    /* whoever has just closed its listener has given what it had of handshakes to the taker, too */
    if (steer_listens(s->steer, s->member, STEER_TCP, g->h.dport))
        to = steer_next(s->steer, s->member, STEER_TCP, &in->dst, &in->src, g->h.dport, g->h.sport);
    else
        to = steer_taker(s->steer, STEER_TCP, &in->dst, &in->src, g->h.dport, g->h.sport);
    if (to < 0 || to == s->member)
        return false;
    ip_hand_over(s, in, m, g->h.hlen, (unsigned)to);
    return true;
}

bool tcp_forward_input(struct z_stack *s, struct tcp_entry *e, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_fwd *f = fwd_of(e);

    if (in->from_self)
        return false;
    if (!steer_is_alive(s->steer, f->to)) {
        forget(s, f);
        return false;
    }
    TAILQ_REMOVE(&s->tcp.fwd, f, link);
    TAILQ_INSERT_TAIL(&s->tcp.fwd, f, link);
    ip_hand_over(s, in, m, g->h.hlen, f->to);
    return true;
}

int tcp_forwards(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport)
{
    struct tcp_entry *e = s->steer != NULL ? tcp_table_find(s, laddr, raddr, lport, rport) : NULL;

    return e != NULL && e->kind == TCP_ENT_FWD ? fwd_of(e)->to : -1;
}

/* Messages ------------------------------------------------------------------------------------------------------ */

static void claimed(struct z_stack *s, const struct steer_msg *msg)
{
    struct tcp_entry *e = tcp_table_find(s, &msg->laddr, &msg->raddr, msg->lport, msg->rport);
    struct tcp_fwd *f;

    if (e != NULL && e->kind != TCP_ENT_FWD) { /* both cannot have it, and this one is where the packets come */
        stack_count(s, CTR_TCP_CLAIM_REFUSED);
        return;
    }
    if (e != NULL) {
        fwd_of(e)->to = msg->from;
        return;
    }
    if (s->tcp.n_fwd >= s->conf.forward_limit) {
        stack_count(s, CTR_TCP_FORWARD_LIMIT);
        if (s->tcp.n_fwd == 0)
            return;
        forget(s, TAILQ_FIRST(&s->tcp.fwd));
    }
    f = arena_alloc(&s->arena, sizeof(*f));
    if (f == NULL) {
        stack_count(s, CTR_TCP_NOMEM);
        return;
    }
    f->ent = (struct tcp_entry){.laddr = msg->laddr, .raddr = msg->raddr, .lport = msg->lport, .rport = msg->rport};
    f->to = msg->from;
    tcp_table_insert(s, &f->ent, TCP_ENT_FWD);
    TAILQ_INSERT_TAIL(&s->tcp.fwd, f, link);
    s->ctr.v[CTR_TCP_FORWARDED] = ++s->tcp.n_fwd;
}

static void released(struct z_stack *s, const struct steer_msg *msg)
{
    struct tcp_entry *e = tcp_table_find(s, &msg->laddr, &msg->raddr, msg->lport, msg->rport);

    if (e != NULL && e->kind == TCP_ENT_FWD && fwd_of(e)->to == msg->from)
        forget(s, fwd_of(e));
}

/* The handshake of a listener that has closed goes on at ours. */
static void syn_moved(struct z_stack *s, const struct steer_msg *msg)
{
    struct tcp_conn *lc = tcp_listen_find(s, &msg->laddr, &msg->raddr, msg->lport, msg->rport);
    struct moved_syn syn;
    struct tcp_synent *e;

    if (lc == NULL) { /* ours has closed too */
        int to = steer_taker(s->steer, STEER_TCP, &msg->laddr, &msg->raddr, msg->lport, msg->rport);

        if (to >= 0 && to != s->member && !steer_tell(s->steer, (unsigned)to, msg))
            stack_count(s, CTR_STEER_LOST);
        return;
    }
    if (tcp_table_find(s, &msg->laddr, &msg->raddr, msg->lport, msg->rport) != NULL || !tcp_conn_limit_ok(s) ||
        s->tcp.syn.n >= s->conf.syn_cache_limit)
        return; /* its next segment gets the answer of a port without a listener */
    e = arena_alloc(&s->arena, sizeof(*e));
    if (e == NULL) {
        stack_count(s, CTR_TCP_NOMEM);
        return;
    }
    memcpy(&syn, msg->body, sizeof(syn));
    *e = (struct tcp_synent){
        .ent = {.laddr = msg->laddr, .raddr = msg->raddr, .lport = msg->lport, .rport = msg->rport},
        .lc = lc,
        .iss = syn.iss,
        .irs = syn.irs,
        .ts_offset = syn.ts_offset,
        .opt = syn.opt,
        .snd_wnd = syn.snd_wnd,
        .rcv_wnd = syn.rcv_wnd,
        .rcv_wscale = syn.rcv_wscale,
        .retries = syn.retries,
        .acked = syn.acked,
        .ecn = syn.ecn,
    };
    tcp_syn_adopt(s, e);
    stack_count(s, CTR_TCP_SYN_MOVED);
}

bool tcp_forward_is_due(const struct z_stack *s)
{
    return steer_has_news(s->steer, s->member) || steer_announced(s->steer) != s->tcp.claimed;
}

void tcp_forward_hear(struct z_stack *s)
{
    uint32_t announced = steer_announced(s->steer);
    struct steer_msg msg;

    if (unlikely(announced != s->tcp.claimed))
        claim_for(s, announced);
    while (steer_hear(s->steer, s->member, &msg)) {
        switch (msg.kind) {
        case STEER_CLAIM:
            claimed(s, &msg);
            break;
        case STEER_RELEASE:
            released(s, &msg);
            break;
        case STEER_SYN:
            syn_moved(s, &msg);
            break;
        default:
            break;
        }
    }
}

/* Listeners ----------------------------------------------------------------------------------------------------- */

void tcp_share_listener(struct z_stack *s, uint16_t port, const struct tcp_conn *closing)
{
    const struct tcp_conn *c = s->tcp.bound_bucket[port];

    if (s->steer == NULL)
        return;
    while (c != NULL && (c->state != TCPS_LISTEN || c == closing))
        c = c->bound_next;
    steer_listen(s->steer, s->member, STEER_TCP, port, c != NULL);
}

void tcp_move_syn(struct z_stack *s, const struct tcp_synent *e)
{
    const struct moved_syn syn = {.iss = e->iss,
                                  .irs = e->irs,
                                  .ts_offset = e->ts_offset,
                                  .opt = e->opt,
                                  .snd_wnd = e->snd_wnd,
                                  .rcv_wnd = e->rcv_wnd,
                                  .rcv_wscale = e->rcv_wscale,
                                  .retries = e->retries,
                                  .acked = e->acked,
                                  .ecn = e->ecn};
    int to = s->steer == NULL ? -1 : steer_taker(s->steer, STEER_TCP, &e->ent.laddr, &e->ent.raddr, e->ent.lport, e->ent.rport);

    if (to >= 0 && to != s->member)
        tell(s, STEER_SYN, &e->ent, (unsigned)to, &syn);
}
