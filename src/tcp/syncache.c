#include "tcp/syncache.h"

#include <errno.h>

#include "ip/ip6.h"
#include "tcp/fastopen.h"
#include "tcp/forward.h"
#include "tcp/syncookie.h"

#include "base/poison.h"

static void hand_down(struct z_stack *s, const struct tcp_synent *e, struct ip_path *path, struct rte_mbuf *m)
{
    const struct tcp_user_opts *uo = e->lc->opt;
    struct ip_out o = {.src = e->ent.laddr, .dst = e->ent.raddr, .proto = 6, .ttl = uo->ttl, .tos = uo->tos};

    if (!inaddr_is_v4(&e->ent.raddr)) {
        o.ttl = uo->hops;
        o.tos = uo->tclass;
        o.flow = ip6_flow_label(s, &e->ent.laddr, &e->ent.raddr, e->ent.lport, e->ent.rport);
    }
    o.df = path->mtu > IP_PMTU_MIN_V4 && !tcp_may_fragment(uo);
    stack_count(s, CTR_TCP_SEG_TX);
    ip_output(s, path, &o, m);
}

/* One segment of the entry. 0; -ENOBUFS: nothing was sent, it is worth trying again; -EHOSTUNREACH. */
int tcp_syn_emit(struct z_stack *s, const struct tcp_synent *e, uint8_t flags)
{
    bool syn = (flags & TH_SYN) != 0;
    struct tcp_hdr h = {.sport = e->ent.lport, .dport = e->ent.rport, .seq = e->iss + !syn, .ack = e->irs + 1, .flags = flags};
    struct tcp_opts o = {.has_ts = e->opt.ts_on, .ts_ecr = e->opt.ts_recent};
    struct ip_path path = {0};
    struct rte_mbuf *m;

    if (ip_path_lookup(s, &path, &e->ent.laddr, &e->ent.raddr, false) != 0)
        return -EHOSTUNREACH;
    if ((!path.local && txq_room(&path.nif->txq) == 0) || (m = pkt_alloc_hdr(s)) == NULL)
        return -ENOBUFS;
    o.ts_val = (e->cookie ? syncookie_ts(tcp_ts_clock(s), &e->opt, e->ecn) : tcp_ts_clock(s)) + e->ts_offset;
    h.wnd = e->rcv_wnd;
    if (syn) {
        o.has_mss = true;
        o.mss = tcp_mss_to_announce(s, &path, e->lc->opt);
        o.has_ws = e->opt.ws_on;
        o.ws = e->rcv_wscale;
        o.sack_ok = e->opt.sack_on;
        if (e->tfo)
            tcp_fastopen_cookie(s, e->lc, &e->ent, &o);
        h.flags |= e->ecn ? TH_ECE : 0; /* RFC 3168 6.1.1 */
    } else {
        h.wnd = (uint16_t)(e->rcv_wnd >> e->rcv_wscale);
    }
    tcp_push_header(m, &h, &o);
    hand_down(s, e, &path, m);
    return 0;
}

/* Lists and the timer ------------------------------------------------------------------------------------------ */

uint64_t tcp_syn_wait_ns(const struct z_stack *s, unsigned retries)
{
    uint64_t ns = s->conf.rto_initial_ns;

    while (retries-- > 0 && ns < s->conf.rto_max_ns) /* RFC 6298 5.5 */
        ns *= 2;
    return MIN(ns, s->conf.rto_max_ns);
}

static void arm(struct z_stack *s, uint64_t at_ns)
{
    struct wheel_node *t = &s->tcp.syn.timer;

    if (!wheel_is_armed(t) || at_ns < t->deadline_ns)
        wheel_arm(&s->wheel, t, at_ns);
}

static void wait_for_ack(struct z_stack *s, struct tcp_synent *e)
{
    e->unsent = false;
    e->deadline_ns = s->now_ns + tcp_syn_wait_ns(s, e->retries);
    TAILQ_INSERT_TAIL(&s->tcp.syn.rexmt[e->retries], e, link);
    arm(s, e->deadline_ns);
}

static void off_list(struct z_stack *s, struct tcp_synent *e)
{
    if (e->unsent)
        TAILQ_REMOVE(&s->tcp.syn.unsent, e, link);
    else
        TAILQ_REMOVE(&s->tcp.syn.rexmt[e->retries], e, link);
}

void tcp_syn_forget(struct z_stack *s, struct tcp_synent *e)
{
    off_list(s, e);
    tcp_table_remove(s, &e->ent);
    e->lc->lis->n_syn--;
    s->tcp.syn.n--;
    s->ctr.v[CTR_TCP_SYN_CACHE] = s->tcp.syn.n;
    arena_free(&s->arena, e, sizeof(*e));
}

/* Sends the SYN,ACK of an entry that is on no list, and puts it on one. */
static void send_synack(struct z_stack *s, struct tcp_synent *e)
{
    if (tcp_syn_emit(s, e, TH_SYN | TH_ACK) != -ENOBUFS) {
        wait_for_ack(s, e);
        return;
    }
    e->unsent = true;
    TAILQ_INSERT_TAIL(&s->tcp.syn.unsent, e, link);
}

void tcp_syn_add(struct z_stack *s, struct tcp_synent *e)
{
    tcp_table_insert(s, &e->ent, TCP_ENT_SYN);
    e->lc->lis->n_syn++;
    s->tcp.syn.n++;
    s->ctr.v[CTR_TCP_SYN_CACHE] = s->tcp.syn.n;
    send_synack(s, e);
}

void tcp_syn_adopt(struct z_stack *s, struct tcp_synent *e)
{
    tcp_table_insert(s, &e->ent, TCP_ENT_SYN);
    e->lc->lis->n_syn++;
    s->tcp.syn.n++;
    s->ctr.v[CTR_TCP_SYN_CACHE] = s->tcp.syn.n;
    wait_for_ack(s, e);
}

void tcp_syn_output(struct z_stack *s)
{
    struct tcp_synent *e;

    while ((e = TAILQ_FIRST(&s->tcp.syn.unsent)) != NULL && tcp_syn_emit(s, e, TH_SYN | TH_ACK) != -ENOBUFS) {
        TAILQ_REMOVE(&s->tcp.syn.unsent, e, link);
        wait_for_ack(s, e);
    }
}

/*
 * No ACK, or with TCP_DEFER_ACCEPT no data. While that waits for data nothing is repeated but the last SYN,ACK, whose answer completes
 * the connection without (as Linux).
 */
static void expire(struct z_stack *s, struct tcp_synent *e)
{
    unsigned defer = e->lc->opt->defer_accept;
    bool silent = e->acked && e->retries + 1u < defer;

    if (e->retries >= s->conf.synack_retries && (!e->acked || e->retries >= defer)) {
        stack_count(s, CTR_TCP_TIMEOUT);
        tcp_syn_forget(s, e);
        return;
    }
    off_list(s, e);
    e->retries++;
    if (silent) {
        wait_for_ack(s, e);
        return;
    }
    stack_count(s, CTR_TCP_SYNACK_RETRANS);
    send_synack(s, e);
}

void tcp_syn_timer(struct z_stack *s)
{
    struct tcp_syncache *c = &s->tcp.syn;
    struct tcp_synent *e;

    for (unsigned i = TCP_SYN_LISTS; i-- > 0;) {
        while ((e = TAILQ_FIRST(&c->rexmt[i])) != NULL && e->deadline_ns <= s->heard_ns)
            expire(s, e);
        if (e != NULL)
            arm(s, e->deadline_ns);
    }
}

void tcp_syn_init(struct z_stack *s)
{
    struct tcp_syncache *c = &s->tcp.syn;

    for (unsigned i = 0; i < TCP_SYN_LISTS; i++)
        TAILQ_INIT(&c->rexmt[i]);
    TAILQ_INIT(&c->unsent);
    c->timer.kind = TIMER_SYN;
}

/* To another listener of the group. What was agreed on with the peer stays; what is left of the handshake goes by its options. */
static bool migrate(struct z_stack *s, struct tcp_synent *e)
{
    struct tcp_conn *heir = tcp_listen_heir(s, e->lc, &e->ent);

    if (heir == NULL)
        return false;
    e->lc->lis->n_syn--;
    heir->lis->n_syn++;
    e->lc = heir;
    stack_count(s, CTR_TCP_MIGRATED);
    return true;
}

/* Nothing is sent: most of a flood's addresses never asked for anything, and who did is reset when it acknowledges (as Linux, FreeBSD). */
void tcp_syn_purge(struct z_stack *s, const struct tcp_conn *lc)
{
    struct tcp_syncache *c = &s->tcp.syn;
    struct tcp_synent *e, *next;

    for (unsigned i = 0; i <= TCP_SYN_LISTS; i++)
        for (e = TAILQ_FIRST(i < TCP_SYN_LISTS ? &c->rexmt[i] : &c->unsent); e != NULL && lc->lis->n_syn > 0; e = next) {
            next = TAILQ_NEXT(e, link);
            if (e->lc != lc || migrate(s, e))
                continue;
            tcp_move_syn(s, e);
            tcp_syn_forget(s, e);
        }
}

/* Only an error about the SYN,ACK counts (RFC 5927 section 4); one that says unreachable ends the attempt. */
void tcp_syn_icmp(struct z_stack *s, struct tcp_entry *ent, const struct icmp_err *e)
{
    struct tcp_synent *syn = tcp_syn_of(ent);

    if ((e->seq != syn->iss && e->kind != ICMP_KIND_NEIGH_FAILED) || !icmp_kind_is_unreach(e->kind))
        return;
    stack_count(s, CTR_TCP_ICMP_ABORT);
    tcp_syn_forget(s, syn);
}
