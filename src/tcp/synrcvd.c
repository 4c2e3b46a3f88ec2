/* What makes entries of the SYN cache and connections of them: SYN-RECEIVED of listeners (RFC 9293 3.10.7.4). */
#include <errno.h>

#include "tcp/fastopen.h"
#include "tcp/forward.h"
#include "tcp/syncache.h"
#include "tcp/syncookie.h"

#include "base/poison.h"

/* What every segment says. */
static void fill(struct tcp_synent *e, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    e->ent.laddr = in->dst;
    e->ent.raddr = in->src;
    e->ent.lport = g->h.dport;
    e->ent.rport = g->h.sport;
    e->lc = lc;
    e->snd_wnd = g->h.wnd;
    e->rcv_wnd = tcp_syn_window(lc, TCP_RCV_RATIO_START);
}

/* What the SYN says and what we answer. */
void tcp_syn_fill(struct z_stack *s, struct tcp_synent *e, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    fill(e, lc, in, g);
    e->irs = g->h.seq;
    e->ecn = tcp_ecn_offered(s, lc->opt, g->h.flags);
    e->tfo = tcp_fastopen_wanted(lc, &g->o);
    tcp_opts_agree(s, &in->src, &g->o, &e->opt);
    e->rcv_wscale = e->opt.ws_on ? tcp_choose_wscale(s, lc) : 0;
    tcp_isn(s, &e->ent, &e->iss, &e->ts_offset);
    if (g->reopens)
        e->iss = tcp_iss_beyond(e->iss, g->iss_floor);
}

/*
 * The connection of an entry, with its listener's options, in SYN-RECEIVED and in the accept queue; the segment that completes the
 * handshake is still to be processed. The entry is used up. NULL: limit or memory; the entry stays.
 */
struct tcp_conn *tcp_syn_promote(struct z_stack *s, struct tcp_synent *e)
{
    struct tcp_conn *lc = e->lc, *tc = tcp_create_child(s, lc);

    if (tc == NULL)
        return NULL;
    if (ip_path_lookup(s, &tc->path, &e->ent.laddr, &e->ent.raddr, false) != 0) {
        tcp_free(s, tc);
        return NULL;
    }
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
        tc->syn_sent_ns = e->deadline_ns - tcp_syn_wait_ns(s, e->retries);
        tcp_port_hold(s, tc, e->ent.lport);
        tcp_table_replace(s, &e->ent, &tc->ent, TCP_ENT_CONN);
        tcp_syn_forget(s, e);
    }
    tcp_claim(s, &tc->ent, tc->path.local); /* the SYN was handed over */
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
    tc = tcp_syn_promote(s, e);
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

    tcp_syn_fill(s, &e, lc, in, g);
    e.iss = syncookie_make(s->secret_key, &e.ent, e.irs, e.opt.peer_mss, s->now_ns);
    if (!e.opt.ts_on) {
        e.opt.ws_on = e.opt.sack_on = e.ecn = false;
        e.rcv_wscale = 0;
    }
    s->tcp.syn.cookies_until_ns = s->now_ns + 2 * SYNCOOKIE_PERIOD_NS;
    stack_count(s, CTR_TCP_COOKIE_TX);
    tcp_syn_emit(s, &e, TH_SYN | TH_ACK);
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
    e.ecn = ecn && tcp_ecn_offered(s, lc->opt, TH_ECE | TH_CWR);
    e.rcv_wscale = e.opt.ws_on ? tcp_choose_wscale(s, lc) : 0;
    if (complete(s, &e, in, g, m))
        stack_count(s, CTR_TCP_COOKIE_RX);
    return true;
}

/* As many as the application said that may wait for it, as Linux. */
static bool cache_full(const struct z_stack *s, const struct tcp_listener *l)
{
    return l->n_syn >= MAX(l->backlog, 1u) || s->tcp.syn.n >= s->conf.syn_cache_limit;
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
    if (tcp_fastopen_wanted(lc, &g->o) && tcp_fastopen_accept(s, lc, in, g, m))
        return;
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
    tcp_syn_fill(s, e, lc, in, g);
    tcp_syn_add(s, e);
    pkt_drop(s, m, DROP_TCP_PURE_ACK); /* text that comes with a SYN is not acknowledged: the peer sends it again */
}

static void ack_limited(struct z_stack *s, struct tcp_synent *e)
{
    if (tcp_ack_allowed(s, &e->ack_tat_ns))
        tcp_syn_emit(s, e, TH_ACK);
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
                tcp_syn_emit(s, e, TH_ACK);
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
            tcp_syn_forget(s, e);
        } else {
            ack_limited(s, e);
        }
        pkt_drop(s, m, exact ? DROP_TCP_RST : DROP_TCP_RST_BAD);
        return false;
    }
    if (g->h.flags & TH_SYN) { /* MUST-11: back to LISTEN */
        tcp_syn_forget(s, e);
        pkt_drop(s, m, DROP_TCP_SYN_BAD);
        return false;
    }
    return true;
}

bool tcp_syn_input(struct z_stack *s, struct tcp_entry *ent, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_synent *e = tcp_syn_of(ent);

    if ((g->h.flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN && g->h.seq == e->irs) { /* the peer has not seen our SYN,ACK */
        if (!e->unsent) /* else it goes with this turn's output, and its time counts from then */
            tcp_syn_emit(s, e, TH_SYN | TH_ACK);
        pkt_drop(s, m, DROP_TCP_STATE);
        return true;
    }
    if (!first_steps(s, e, g, m))
        return true;
    if (g->h.ack != e->iss + 1) {
        uint16_t mss;

        if (cookie_ok(s, ent, g, &mss)) { /* of a SYN,ACK that left before there was room for this entry */
            tcp_syn_forget(s, e);
            return false;
        }
        tcp_reset_reply(s, in, g);
        pkt_drop(s, m, DROP_TCP_ACK);
        return true;
    }
    if (g->len == 0 && (g->h.flags & TH_FIN) == 0 && e->retries < e->lc->opt->defer_accept) {
        e->acked = true;
        pkt_drop(s, m, DROP_TCP_DEFERRED);
        return true;
    }
    complete(s, e, in, g, m);
    return true;
}
