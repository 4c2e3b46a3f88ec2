#include "tcp/syncache.h"

#include <errno.h>

#include "ip/ip6.h"
#include "tcp/syncookie.h"

#include "base/poison.h"

static struct tcp_synent *syn_of(struct tcp_entry *e)
{
    return container_of_ptr(e, struct tcp_synent, ent);
}

static void hand_down(struct z_stack *s, const struct tcp_synent *e, struct ip_path *path, struct rte_mbuf *m)
{
    const struct tcp_user_opts *uo = &e->lc->opt;
    struct ip_out o = {.src = e->ent.laddr, .dst = e->ent.raddr, .proto = 6, .ttl = uo->ttl, .tos = uo->tos};

    if (!inaddr_is_v4(&e->ent.raddr)) {
        o.ttl = uo->hops;
        o.tos = uo->tclass;
        o.flow = ip6_flow_label(s, &e->ent.laddr, &e->ent.raddr, e->ent.lport, e->ent.rport);
    }
    o.df = path->mtu > IP_PMTU_MIN_V4;
    stack_count(s, CTR_TCP_SEG_TX);
    ip_output(s, path, &o, m);
}

/* One segment of the entry. 0; -ENOBUFS: nothing was sent, it is worth trying again; -EHOSTUNREACH. */
static int emit(struct z_stack *s, const struct tcp_synent *e, uint8_t flags)
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
        o.mss = tcp_mss_to_announce(s, &path, &e->lc->opt);
        o.has_ws = e->opt.ws_on;
        o.ws = e->rcv_wscale;
        o.sack_ok = e->opt.sack_on;
        h.flags |= e->ecn ? TH_ECE : 0; /* RFC 3168 6.1.1 */
    } else {
        h.wnd = (uint16_t)(e->rcv_wnd >> e->rcv_wscale);
    }
    tcp_push_header(m, &h, &o);
    hand_down(s, e, &path, m);
    return 0;
}

/* Lists and the timer ------------------------------------------------------------------------------------------ */

static uint64_t wait_ns(const struct z_stack *s, unsigned retries)
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
    e->deadline_ns = s->now_ns + wait_ns(s, e->retries);
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

static void forget(struct z_stack *s, struct tcp_synent *e)
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
    if (emit(s, e, TH_SYN | TH_ACK) != -ENOBUFS) {
        wait_for_ack(s, e);
        return;
    }
    e->unsent = true;
    TAILQ_INSERT_TAIL(&s->tcp.syn.unsent, e, link);
}

void tcp_syn_output(struct z_stack *s)
{
    struct tcp_synent *e;

    while ((e = TAILQ_FIRST(&s->tcp.syn.unsent)) != NULL && emit(s, e, TH_SYN | TH_ACK) != -ENOBUFS) {
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
    unsigned defer = e->lc->opt.defer_accept;
    bool silent = e->acked && e->retries + 1u < defer;

    if (e->retries >= s->conf.synack_retries && (!e->acked || e->retries >= defer)) {
        stack_count(s, CTR_TCP_TIMEOUT);
        forget(s, e);
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
        while ((e = TAILQ_FIRST(&c->rexmt[i])) != NULL && e->deadline_ns <= s->now_ns)
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

/* Entries ------------------------------------------------------------------------------------------------------ */

/* What every segment says. */
static void fill(struct tcp_synent *e, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    e->ent.laddr = in->dst;
    e->ent.raddr = in->src;
    e->ent.lport = g->h.dport;
    e->ent.rport = g->h.sport;
    e->lc = lc;
    e->snd_wnd = g->h.wnd;
    e->rcv_wnd = tcp_syn_window(&lc->opt, TCP_RCV_RATIO_START);
}

/* What the SYN says and what we answer. */
static void fill_from_syn(struct z_stack *s, struct tcp_synent *e, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    fill(e, lc, in, g);
    e->irs = g->h.seq;
    e->ecn = tcp_ecn_offered(s, &lc->opt, g->h.flags);
    tcp_opts_agree(s, &in->src, &g->o, &e->opt);
    e->rcv_wscale = e->opt.ws_on ? tcp_choose_wscale(s, &lc->opt) : 0;
    tcp_isn(s, &e->ent, &e->iss, &e->ts_offset);
    if (g->reopens)
        e->iss = tcp_iss_beyond(e->iss, g->iss_floor);
}

/*
 * The connection of an entry, with its listener's options, in SYN-RECEIVED and in the accept queue; the segment that completes the
 * handshake is still to be processed. The entry is used up. NULL: limit or memory; the entry stays.
 */
static struct tcp_conn *promote(struct z_stack *s, struct tcp_synent *e)
{
    struct tcp_conn *tc = tcp_create(s, NULL), *lc = e->lc;

    if (tc == NULL)
        return NULL;
    if (ip_path_lookup(s, &tc->path, &e->ent.laddr, &e->ent.raddr, false) != 0) {
        tcp_free(s, tc);
        return NULL;
    }
    tc->opt = lc->opt;
    tc->passive = true;
    tc->irs = e->irs;
    tc->rcv_nxt = e->irs + 1;
    tc->rcv_adv = tc->rcv_nxt + e->rcv_wnd;
    tc->last_ack_sent = tc->rcv_nxt;
    tcp_handshake_start(s, tc, e->iss, e->ts_offset);
    tcp_opts_apply(s, tc, &e->opt);
    tc->rcv_wscale = e->rcv_wscale;
    tc->snd_wnd = tc->max_snd_wnd = e->snd_wnd;
    tc->snd_wl1 = e->irs;
    tc->rexmt_count = e->retries;
    tc->ecn_echo_ok = tc->ecn_ect = e->ecn;
    if (e->cookie) {
        tc->ent.laddr = e->ent.laddr;
        tc->ent.raddr = e->ent.raddr;
        tc->ent.rport = e->ent.rport;
        tcp_port_hold(s, tc, e->ent.lport);
        tcp_table_insert(s, &tc->ent, TCP_ENT_CONN);
    } else {
        tc->last_snd_ns = e->deadline_ns - wait_ns(s, e->retries);
        tcp_port_hold(s, tc, e->ent.lport);
        tcp_table_replace(s, &e->ent, &tc->ent, TCP_ENT_CONN);
        forget(s, e);
    }
    tcp_mss_update(s, tc);
    tcp_set_state(s, tc, TCPS_SYN_RCVD);
    stack_count(s, CTR_TCP_OPENS_PASSIVE);
    tcp_listen_queue(s, lc, tc);
    return tc;
}

/* The handshake's last ACK, and what comes with it. False: there is no room; the entry stays. */
static bool complete(struct z_stack *s, struct tcp_synent *e, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_conn *tc;

    if (tcp_accept_queue_full(e->lc->lis)) { /* as Linux: the peer's data, or the ACK of another SYN,ACK, completes it later */
        pkt_drop(s, m, DROP_TCP_ACCEPTQ);
        return false;
    }
    tc = promote(s, e);
    if (tc == NULL) {
        pkt_drop(s, m, DROP_TCP_CONN_LIMIT);
        return false;
    }
    g->wnd <<= tc->snd_wscale;
    tcp_slow_input(s, tc, in, g, m); /* the fifth step and what follows, as in every state */
    return true;
}

/* Answers with a cookie; nothing is kept. What the timestamp would carry is not agreed on without one. */
static void send_cookie(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    struct tcp_synent e = {.cookie = true};

    fill_from_syn(s, &e, lc, in, g);
    e.iss = syncookie_make(s->secret_key, &e.ent, e.irs, e.opt.peer_mss, s->now_ns);
    if (!e.opt.ts_on) {
        e.opt.ws_on = e.opt.sack_on = e.ecn = false;
        e.rcv_wscale = 0;
    }
    s->tcp.syn.cookies_until_ns = s->now_ns + 2 * SYNCOOKIE_PERIOD_NS;
    stack_count(s, CTR_TCP_COOKIE_TX);
    emit(s, &e, TH_SYN | TH_ACK);
}

static bool cookie_ok(const struct z_stack *s, const struct tcp_entry *e, const struct tcp_seg *g, uint16_t *mss)
{
    return s->now_ns < s->tcp.syn.cookies_until_ns && (g->h.flags & (TH_SYN | TH_ACK | TH_RST)) == TH_ACK &&
           syncookie_check(s->secret_key, e, g->h.seq - 1, g->h.ack - 1, s->now_ns, mss);
}

bool tcp_syn_cookie_input(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_synent e = {
        .cookie = true, .irs = g->h.seq - 1, .opt = {.ts_on = g->o.has_ts && s->conf.timestamps, .ts_recent = g->o.ts_val}};
    uint32_t unused;
    bool ecn = false;

    fill(&e, lc, in, g);
    if (!cookie_ok(s, &e.ent, g, &e.opt.peer_mss)) {
        if (s->now_ns < s->tcp.syn.cookies_until_ns)
            stack_count(s, CTR_TCP_COOKIE_BAD);
        return false;
    }
    tcp_isn(s, &e.ent, &unused, &e.ts_offset);
    e.iss = g->h.ack - 1;
    if (e.opt.ts_on)
        syncookie_ts_options(g->o.ts_ecr - e.ts_offset, &e.opt, &ecn);
    e.ecn = ecn && tcp_ecn_offered(s, &lc->opt, TH_ECE | TH_CWR);
    e.rcv_wscale = e.opt.ws_on ? tcp_choose_wscale(s, &lc->opt) : 0;
    if (complete(s, &e, in, g, m))
        stack_count(s, CTR_TCP_COOKIE_RX);
    return true;
}

static bool cache_full(const struct z_stack *s, const struct tcp_listener *l)
{
    return l->n_syn >= MAX(s->conf.somaxconn, l->backlog) || s->tcp.syn.n >= s->conf.syn_cache_limit;
}

void tcp_syn_received(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    /* who ends a TIME-WAIT needs a number beyond the old one's, which no cookie is; there are no more of those than real connections */
    bool must_keep = g->reopens;
    struct tcp_synent *e = NULL;

    if (!tcp_conn_limit_ok(s)) {
        pkt_drop(s, m, DROP_TCP_CONN_LIMIT);
        return;
    }
    if (cache_full(s, lc->lis) && !must_keep)
        stack_count(s, CTR_TCP_SYN_CACHE_FULL);
    else if ((s->conf.syncookies != TCP_SYNCOOKIES_ALWAYS || must_keep) && (e = arena_alloc(&s->arena, sizeof(*e))) == NULL)
        stack_count(s, CTR_TCP_NOMEM);
    if (e == NULL) {
        if (s->conf.syncookies != TCP_SYNCOOKIES_NEVER)
            send_cookie(s, lc, in, g);
        pkt_drop(s, m, s->conf.syncookies != TCP_SYNCOOKIES_NEVER ? DROP_TCP_PURE_ACK : DROP_TCP_BACKLOG);
        return;
    }
    fill_from_syn(s, e, lc, in, g);
    tcp_table_insert(s, &e->ent, TCP_ENT_SYN);
    lc->lis->n_syn++;
    s->tcp.syn.n++;
    s->ctr.v[CTR_TCP_SYN_CACHE] = s->tcp.syn.n;
    send_synack(s, e);
    pkt_drop(s, m, DROP_TCP_PURE_ACK); /* text that comes with a SYN is not acknowledged: the peer sends it again */
}

void tcp_syn_purge(struct z_stack *s, const struct tcp_conn *lc)
{
    struct tcp_syncache *c = &s->tcp.syn;
    struct tcp_synent *e, *next;

    for (unsigned i = 0; i <= TCP_SYN_LISTS; i++)
        for (e = TAILQ_FIRST(i < TCP_SYN_LISTS ? &c->rexmt[i] : &c->unsent); e != NULL && lc->lis->n_syn > 0; e = next) {
            next = TAILQ_NEXT(e, link);
            if (e->lc != lc)
                continue;
            if (emit(s, e, TH_RST | TH_ACK) == 0)
                stack_count(s, CTR_TCP_RST_TX);
            forget(s, e);
        }
}

/* Only an error about the SYN,ACK counts (RFC 5927 section 4); one that says unreachable ends the attempt. */
void tcp_syn_icmp(struct z_stack *s, struct tcp_entry *ent, const struct icmp_err *e)
{
    struct tcp_synent *syn = syn_of(ent);

    if ((e->seq != syn->iss && e->kind != ICMP_KIND_NEIGH_FAILED) || !icmp_kind_is_unreach(e->kind))
        return;
    stack_count(s, CTR_TCP_ICMP_ABORT);
    forget(s, syn);
}

/* Segments ----------------------------------------------------------------------------------------------------- */

static void ack_limited(struct z_stack *s, struct tcp_synent *e)
{
    if (tcp_ack_allowed(s, &e->ack_tat_ns))
        emit(s, e, TH_ACK);
}

/* Steps one to four, before the ACK is looked at. False: the segment was consumed. */
static bool first_steps(struct z_stack *s, struct tcp_synent *e, const struct tcp_seg *g, struct rte_mbuf *m)
{
    uint32_t rel = g->h.seq - (e->irs + 1), len = g->len + ((g->h.flags & TH_SYN) != 0) + ((g->h.flags & TH_FIN) != 0);

    if (e->opt.ts_on && (g->h.flags & TH_RST) == 0 && (!g->o.has_ts || seq_lt(g->o.ts_val, e->opt.ts_recent))) { /* RFC 7323 3.2, 5.3 */
        if (g->o.has_ts)
            ack_limited(s, e);
        pkt_drop(s, m, DROP_TCP_PAWS);
        return false;
    }
    if (rel >= e->rcv_wnd && (len == 0 || rel + len - 1 >= e->rcv_wnd)) { /* table 6 of RFC 9293 3.10.7.4 */
        if ((g->h.flags & TH_RST) == 0) {
            if (g->len > 0 || (g->h.flags & TH_FIN) != 0)
                emit(s, e, TH_ACK);
            else
                ack_limited(s, e);
        }
        pkt_drop(s, m, DROP_TCP_SEQ);
        return false;
    }
    if (g->h.flags & TH_RST) { /* RFC 5961 3.2: only one at rcv_nxt counts */
        bool exact = rel == 0;

        if (exact) {
            stack_count(s, CTR_TCP_RST_RX);
            forget(s, e);
        } else {
            ack_limited(s, e);
        }
        pkt_drop(s, m, exact ? DROP_TCP_RST : DROP_TCP_RST_BAD);
        return false;
    }
    if (g->h.flags & TH_SYN) { /* MUST-11: back to LISTEN */
        forget(s, e);
        pkt_drop(s, m, DROP_TCP_SYN_BAD);
        return false;
    }
    return true;
}

bool tcp_syn_input(struct z_stack *s, struct tcp_entry *ent, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_synent *e = syn_of(ent);

    if ((g->h.flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN && g->h.seq == e->irs) { /* the peer has not seen our SYN,ACK */
        emit(s, e, TH_SYN | TH_ACK);
        pkt_drop(s, m, DROP_TCP_STATE);
        return true;
    }
    if (!first_steps(s, e, g, m))
        return true;
    if ((g->h.flags & TH_ACK) == 0) {
        pkt_drop(s, m, DROP_TCP_NO_ACK);
        return true;
    }
    if (g->h.ack != e->iss + 1) {
        uint16_t mss;

        if (cookie_ok(s, ent, g, &mss)) { /* of a SYN,ACK that left before there was room for this entry */
            forget(s, e);
            return false;
        }
        tcp_reset_reply(s, in, g);
        pkt_drop(s, m, DROP_TCP_ACK);
        return true;
    }
    if (g->len == 0 && (g->h.flags & TH_FIN) == 0 && e->retries < e->lc->opt.defer_accept) {
        e->acked = true;
        pkt_drop(s, m, DROP_TCP_DEFERRED);
        return true;
    }
    complete(s, e, in, g, m);
    return true;
}
