/*
 * TIME-WAIT: 2 MSL of quiet (RFC 9293 3.6.1), kept by a record of its own: the connection block is given back when no descriptor
 * refers to it. Bounded in number. What ends it early is a new SYN that cannot be an old one (RFC 6191), never a reset (RFC 1337).
 */
#include "ip/ip6.h"
#include "tcp/conn.h"

#include "base/poison.h"

_Static_assert(sizeof(struct tcp_tw) <= 128, "a record takes one of the arena's small blocks");

/* 2 MSL is the same for all: the list is in the order of their ends, and one wheel node stands for the first. */
static void arm(struct z_stack *s)
{
    const struct tcp_tw *first = TAILQ_FIRST(&s->tcp.timewait);

    if (first != NULL && !wheel_is_armed(&s->tcp.timewait_timer))
        wheel_arm(&s->wheel, &s->tcp.timewait_timer, first->ends_ns);
}

static void restart(struct z_stack *s, struct tcp_tw *tw)
{
    tw->ends_ns = s->now_ns + 2 * s->conf.msl_ns; /* MUST-13 */
    TAILQ_INSERT_TAIL(&s->tcp.timewait, tw, link);
    arm(s);
}

void tcp_timewait_end(struct z_stack *s, struct tcp_tw *tw)
{
    TAILQ_REMOVE(&s->tcp.timewait, tw, link);
    tcp_table_remove(s, &tw->ent);
    s->tcp.port_use[tw->ent.lport]--;
    s->tcp.n_timewait--;
    s->ctr.v[CTR_TCP_TIMEWAIT] = s->tcp.n_timewait;
    arena_free(&s->arena, tw, sizeof(*tw));
}

void tcp_timewait_timer(struct z_stack *s)
{
    struct tcp_tw *tw;

    while ((tw = TAILQ_FIRST(&s->tcp.timewait)) != NULL && tw->ends_ns <= s->now_ns)
        tcp_timewait_end(s, tw);
    arm(s);
}

void tcp_timewait_fini(struct z_stack *s)
{
    struct tcp_tw *tw;

    while ((tw = TAILQ_FIRST(&s->tcp.timewait)) != NULL)
        tcp_timewait_end(s, tw);
    wheel_cancel(&s->wheel, &s->tcp.timewait_timer);
}

static struct tcp_tw *record(struct z_stack *s)
{
    struct tcp_tw *tw;

    if (s->tcp.n_timewait >= s->conf.max_timewait) {
        stack_count(s, CTR_TCP_TIMEWAIT_LIMIT);
        if (s->conf.max_timewait == 0)
            return NULL;
        tcp_timewait_end(s, TAILQ_FIRST(&s->tcp.timewait));
    }
    tw = arena_alloc(&s->arena, sizeof(*tw));
    if (tw == NULL)
        stack_count(s, CTR_TCP_NOMEM);
    return tw;
}

/* The record takes the connection's place in the table, and its hold on the port. */
static void take_over(struct z_stack *s, struct tcp_conn *tc, struct tcp_tw *tw)
{
    bool v4 = inaddr_is_v4(&tc->ent.raddr);

    tcp_table_replace(s, &tc->ent, &tw->ent, TCP_ENT_TW);
    tc->port_held = false;
    tw->snd_nxt = tc->snd_nxt;
    tw->rcv_nxt = tc->rcv_nxt;
    tw->ts_on = tc->ts_on;
    tw->ts_recent = tc->ts_recent;
    tw->ts_offset = tc->ts_offset;
    tw->wnd = (uint16_t)MIN((tc->rcv_adv - tc->rcv_nxt) >> tc->rcv_wscale, (uint32_t)UINT16_MAX);
    tw->wscale = tc->rcv_wscale;
    tw->tos = v4 ? tc->opt->tos : tc->opt->tclass;
    tw->ttl = v4 ? tc->opt->ttl : tc->opt->hops;
    s->tcp.n_timewait++;
    s->ctr.v[CTR_TCP_TIMEWAIT] = s->tcp.n_timewait;
    restart(s, tw);
}

void tcp_timewait_enter(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_tw *tw = record(s);

    tcp_timers_off(s, tc);
    tcp_set_state(s, tc, TCPS_TIME_WAIT);
    if (tw != NULL)
        take_over(s, tc, tw);
    else
        tcp_table_remove(s, &tc->ent); /* without memory, without the wait */
    if (tc->sk != NULL)
        tcp_timer_set(s, tc, TT_2MSL, 2 * s->conf.msl_ns); /* until then the descriptor sees TIME-WAIT */
    tcp_mark_dirty(s, tc);                                 /* goes at the end of the turn when nobody holds it, after its last ACK */
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, within the limit of RFC 5961 section 7. */
static void send_ack(struct z_stack *s, struct tcp_tw *tw)
{
    struct tcp_hdr h = {
        .sport = tw->ent.lport, .dport = tw->ent.rport, .seq = tw->snd_nxt, .ack = tw->rcv_nxt, .flags = TH_ACK, .wnd = tw->wnd};
    struct tcp_opts o = {.has_ts = tw->ts_on, .ts_ecr = tw->ts_recent};
    struct ip_out out = {.src = tw->ent.laddr, .dst = tw->ent.raddr, .proto = 6, .ttl = tw->ttl, .tos = tw->tos, .df = true};
    struct ip_path path = {0};
    struct rte_mbuf *m;

    if (!tcp_ack_allowed(s, &tw->ack_tat_ns) || ip_path_lookup(s, &path, &out.src, &out.dst, false) != 0)
        return;
    m = pkt_alloc_ctl(s);
    if (m == NULL)
        return; /* the peer asks again */
    o.ts_val = tcp_ts_clock(s) + tw->ts_offset;
    tcp_push_header(m, &h, &o);
    stack_count(s, CTR_TCP_SEG_TX);
    out.flow = ip6_flow_label(s, &out.src, &out.dst, tw->ent.lport, tw->ent.rport);
    ip_output(s, &path, &out, m);
}

/*
 * RFC 6191 section 2: with timestamps, a SYN whose timestamp is newer than the last one, or equal with a higher sequence
 * number; without, one whose sequence number is beyond everything received (MAY-2).
 */
static bool reusable(const struct tcp_tw *tw, const struct tcp_seg *g)
{
    if ((g->h.flags & (TH_SYN | TH_ACK | TH_RST)) != TH_SYN)
        return false;
    if (tw->ts_on && g->o.has_ts && g->o.ts_val != tw->ts_recent)
        return seq_gt(g->o.ts_val, tw->ts_recent);
    return seq_gt(g->h.seq, tw->rcv_nxt);
}

/* MAY-2 is a passive open: without somebody who takes it nothing ends the wait. */
static bool has_listener(const struct z_stack *s, const struct tcp_tw *tw)
{
    const struct tcp_conn *lc = tcp_listen_find(s, &tw->ent.laddr, &tw->ent.raddr, tw->ent.lport, tw->ent.rport);

    return lc != NULL && !tcp_accept_queue_full(lc->lis);
}

/*
 * Outside the window: our last ACK was lost, or the segment is old. In the window only what cannot be: a SYN (RFC 5961 4.2), text after
 * the FIN, which is ignored, and an acknowledgement of what was never sent or long ago (5.2).
 */
static bool wants_answer(const struct tcp_tw *tw, const struct tcp_seg *g)
{
    uint32_t len = g->len + ((g->h.flags & TH_FIN) != 0), edge = tw->rcv_nxt + ((uint32_t)tw->wnd << tw->wscale);

    if (!(g->h.seq == tw->rcv_nxt || seq_in(g->h.seq, tw->rcv_nxt, edge) || (len > 0 && seq_in(g->h.seq + len - 1, tw->rcv_nxt, edge))))
        return true;
    if ((g->h.flags & TH_SYN) != 0 || (g->len > 0 && (g->h.flags & TH_ACK) != 0))
        return true;
    return (g->h.flags & TH_ACK) != 0 && (seq_gt(g->h.ack, tw->snd_nxt) || seq_lt(g->h.ack, tw->snd_nxt - UINT16_MAX));
}

/*
 * May a connection that we open take the 4-tuple before the wait is over? With timestamps, and a second later: the SYN's is newer
 * than any that the peer has seen, so that old segments are known for what they are (RFC 7323 appendix B.2). As Linux' tcp_tw_reuse.
 */
bool tcp_timewait_yields(const struct z_stack *s, const struct tcp_tw *tw)
{
    return s->conf.timewait_reuse && s->conf.timestamps && tw->ts_on && s->now_ns + 2 * s->conf.msl_ns >= tw->ends_ns + NS_PER_SEC;
}

bool tcp_timewait_input(struct z_stack *s, struct tcp_tw *tw, struct tcp_seg *g, struct rte_mbuf *m)
{
    if (g->h.flags & TH_RST) { /* RFC 1337 section 3, fix (F1): an old one would end the wait that protects from old ones */
        stack_count(s, CTR_TCP_TIMEWAIT_RST);
        pkt_drop(s, m, DROP_TCP_RST);
        return true;
    }
    if (reusable(tw, g) && has_listener(s, tw)) {
        stack_count(s, CTR_TCP_TIMEWAIT_REUSE);
        g->reopens = true; /* MAY-2: "assigns its initial sequence number to be larger than the largest it used" */
        g->iss_floor = tw->snd_nxt;
        tcp_timewait_end(s, tw);
        return false;
    }
    if (tw->ts_on && (!g->o.has_ts || seq_lt(g->o.ts_val, tw->ts_recent))) { /* PAWS */
        if (g->o.has_ts)
            send_ack(s, tw);
        pkt_drop(s, m, DROP_TCP_PAWS);
        return true;
    }
    if ((g->h.flags & (TH_FIN | TH_ACK | TH_SYN)) == (TH_FIN | TH_ACK) && g->h.seq + g->len + 1 == tw->rcv_nxt) {
        /* the peer's FIN again: the wait begins anew (RFC 9293 3.10.7.4, eighth) */
        if (tw->ts_on)
            tw->ts_recent = g->o.ts_val;
        TAILQ_REMOVE(&s->tcp.timewait, tw, link);
        restart(s, tw);
    }
    if (wants_answer(tw, g))
        send_ack(s, tw);
    pkt_drop(s, m, DROP_TCP_STATE);
    return true;
}
