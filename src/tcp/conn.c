/* Connection blocks: creation, state changes, the end. */
#include "tcp/conn.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/bigtab.h"
#include "base/check.h"
#include "base/siphash.h"
#include "sock/sock.h"
#include "tcp/fastopen.h"
#include "tcp/forward.h"
#include "tcp/syncache.h"

#include "base/poison.h"

const char *const tcp_state_names[TCPS_COUNT] = {
    [TCPS_CLOSED] = "CLOSED",         [TCPS_LISTEN] = "LISTEN",           [TCPS_SYN_SENT] = "SYN-SENT",
    [TCPS_SYN_RCVD] = "SYN-RECEIVED", [TCPS_ESTABLISHED] = "ESTABLISHED", [TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
    [TCPS_FIN_WAIT_2] = "FIN-WAIT-2", [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",   [TCPS_CLOSING] = "CLOSING",
    [TCPS_LAST_ACK] = "LAST-ACK",     [TCPS_TIME_WAIT] = "TIME-WAIT",
};

#define TO(st) (1u << (TCPS_##st))

/* Legal moves: figure 5 of RFC 9293, plus CLOSED from everywhere (abort) and LISTEN back from SYN-RECEIVED (by its block's end). */
static const uint16_t legal[TCPS_COUNT] = {
    [TCPS_CLOSED] = TO(LISTEN) | TO(SYN_SENT) | TO(SYN_RCVD),
    [TCPS_LISTEN] = TO(CLOSED),
    [TCPS_SYN_SENT] = TO(CLOSED) | TO(SYN_RCVD) | TO(ESTABLISHED),
    [TCPS_SYN_RCVD] = TO(CLOSED) | TO(ESTABLISHED),
    [TCPS_ESTABLISHED] = TO(CLOSED) | TO(FIN_WAIT_1) | TO(CLOSE_WAIT),
    [TCPS_FIN_WAIT_1] = TO(CLOSED) | TO(FIN_WAIT_2) | TO(CLOSING) | TO(TIME_WAIT),
    [TCPS_FIN_WAIT_2] = TO(CLOSED) | TO(TIME_WAIT),
    [TCPS_CLOSE_WAIT] = TO(CLOSED) | TO(LAST_ACK),
    [TCPS_CLOSING] = TO(CLOSED) | TO(TIME_WAIT),
    [TCPS_LAST_ACK] = TO(CLOSED),
    [TCPS_TIME_WAIT] = TO(CLOSED),
};

#undef TO

void tcp_set_state(struct z_stack *s, struct tcp_conn *tc, enum tcp_st to)
{
    Z_CHECK((legal[tc->state] & (1u << to)) != 0);
    trace_add(&s->trace, s->now_ns, tcp_state_names[to], tc->ent.id, tc->snd_nxt - tc->iss, tc->rcv_nxt - tc->irs);
    tc->state = (uint8_t)to;
    if (to == TCPS_ESTABLISHED)
        stack_count(s, CTR_TCP_ESTABLISHED);
}

int tcp_state_init(struct z_stack *s)
{
    struct tcp_state *t = &s->tcp;
    size_t n = bigtab_pow2(MAX(s->conf.max_connections, 16u)), n_places = tcp_table_places(&s->conf);

    t->place = bigtab_alloc(n_places, sizeof(t->place[0]));
    t->id_tab = bigtab_alloc(n * 2, sizeof(t->id_tab[0]));
    t->bound_bucket = bigtab_alloc(65536, sizeof(t->bound_bucket[0]));
    t->port_use = bigtab_alloc(65536, sizeof(t->port_use[0]));
    t->place_mask = (uint32_t)(n_places - 1);
    t->id_mask = (uint32_t)(n * 2 - 1);
    tcp_optsets_init(&t->optsets, &s->arena);
    TAILQ_INIT(&t->timewait);
    TAILQ_INIT(&t->wnd_waiting);
    TAILQ_INIT(&t->fwd);
    tcp_syn_init(s);
    t->timewait_timer.kind = TIMER_TW;
    for (unsigned i = 0; i < TCP_PORT_COUNTERS; i++)
        t->port_counter[i] = (uint32_t)rng_next(&s->rng);
    return tcp_pending_init(&t->pending, s->conf.max_connections) == 0 && t->place != NULL && t->id_tab != NULL &&
                   t->bound_bucket != NULL && t->port_use != NULL
               ? 0
               : -ENOMEM;
}

void tcp_state_fini(struct z_stack *s)
{
    struct tcp_state *t = &s->tcp;
    size_t n = (size_t)t->id_mask + 1;

    for (size_t i = 0; t->id_tab != NULL && i < n && t->n_conns > 0; i++) {
        struct tcp_conn *tc = t->id_tab[i];

        if (tc == NULL)
            continue;
        tc->in_dirty = false; /* the queue goes as a whole */
        tcp_free(s, tc);
    }
    if (t->place != NULL)
        tcp_timewait_fini(s);
    if (t->place != NULL)
        tcp_forward_fini(s);
    tcp_fastopen_fini(s);
    tcp_pending_fini(&t->pending);
    bigtab_free(t->place, (size_t)t->place_mask + 1, sizeof(t->place[0]));
    bigtab_free(t->id_tab, n, sizeof(t->id_tab[0]));
    bigtab_free(t->bound_bucket, 65536, sizeof(t->bound_bucket[0]));
    bigtab_free(t->port_use, 65536, sizeof(t->port_use[0]));
    *t = (struct tcp_state){0};
}

bool tcp_conn_limit_ok(struct z_stack *s)
{
    return s->tcp.n_conns < s->conf.max_connections;
}

static struct tcp_user_opts *default_opts(struct z_stack *s)
{
    const struct stack_conf *c = &s->conf;
    const struct tcp_user_opts o = {
        .ttl = c->ttl,
        .hops = IP_TTL_DEFAULT,
        .pmtudisc = IP_PMTUDISC_WANT,
        .rcvlowat = 1,
        .notsent_lowat_bytes = c->notsent_lowat_bytes,
        .keepidle_ns = c->keepidle_ns,
        .keepintvl_ns = c->keepintvl_ns,
        .keepcnt = c->keepcnt,
        .sndbuf_locked = !c->sndbuf_auto,
        .rcvbuf_locked = !c->rcvbuf_auto,
        .cc = c->cc,
    };

    return tcp_optset_get(&s->tcp.optsets, &o);
}

/* A block with options of its parent, or the defaults. NULL: limit or memory. */
static struct tcp_conn *new_conn(struct z_stack *s, const struct tcp_conn *parent)
{
    struct tcp_state *t = &s->tcp;
    struct tcp_user_opts *opt;
    struct tcp_conn *tc;

    if (!tcp_conn_limit_ok(s))
        return NULL;
    opt = parent != NULL ? tcp_optset_hold(parent->opt) : default_opts(s);
    tc = opt != NULL ? arena_alloc(&s->arena, sizeof(*tc)) : NULL;
    if (tc == NULL) {
        tcp_optset_put(&t->optsets, opt);
        stack_count(s, CTR_TCP_NOMEM);
        return NULL;
    }
    do /* the table has twice as many places as there may be connections */
        t->next_id++;
    while (t->next_id == 0 || t->id_tab[t->next_id & t->id_mask] != NULL);
    tc->ent.id = t->next_id;
    t->id_tab[tc->ent.id & t->id_mask] = tc;
    t->n_conns++;
    s->ctr.v[CTR_TCP_CONNS] = t->n_conns;
    tc->timer.kind = TIMER_TCP;
    tc->rcv_ratio = TCP_RCV_RATIO_START;
    tc->opt = opt;
    tc->sndbuf_bytes = parent != NULL ? parent->sndbuf_bytes : s->conf.sndbuf_bytes;
    tc->rcvbuf_bytes = parent != NULL ? parent->rcvbuf_bytes : s->conf.rcvbuf_bytes;
    tc->snd_lowat = opt->notsent_lowat_bytes != 0;
    tc->user_timeout = opt->user_timeout_ns != 0;
    tc->cork = parent != NULL && parent->cork;
    tc->quickack = parent != NULL && parent->quickack;
    tc->ent.laddr = INADDR_ANY_V4;
    return tc;
}

struct tcp_conn *tcp_create(struct z_stack *s)
{
    return new_conn(s, NULL);
}

struct tcp_conn *tcp_create_child(struct z_stack *s, const struct tcp_conn *listener)
{
    return new_conn(s, listener);
}

void tcp_set_inet6(struct tcp_conn *tc)
{
    tc->ent.laddr = (struct inaddr){0};
}

struct sock *tcp_attach(struct tcp_conn *tc)
{
    tc->sk = &tc->sock;
    return tc->sk;
}

struct tcp_conn *tcp_conn_by_id(const struct z_stack *s, uint32_t id)
{
    struct tcp_conn *tc = s->tcp.id_tab[id & s->tcp.id_mask];

    return tc != NULL && tc->ent.id == id ? tc : NULL;
}

void tcp_rcv_charge(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t now = tcp_rcv_held(tc);

    s->tcp.rcv_charged_bytes += now;
    s->tcp.rcv_charged_bytes -= tc->rcv_charged_bytes;
    tc->rcv_charged_bytes = now;
    tc->rcv_holes = unlikely(tc->rcv_holes) && reass_blocks(&tc->reass) > 0;
    tc->wnd_settled = false;
}

/* Off every list and table, queues empty: what CLOSED means. */
static void tear_down(struct z_stack *s, struct tcp_conn *tc, bool keep_rcvq)
{
    if (tc->fastopen_id != 0)
        tcp_fastopen_end(s, tc, false);
    tcp_timers_off(s, tc);
    tcp_table_remove(s, &tc->ent);
    tcp_bound_remove(s, tc);
    tcp_port_release(s, tc);
    tcp_window_waits(s, tc, false);
    s->tcp.n_orphans -= tc->orphan;
    tc->orphan = false;
    sent_clear(&tc->sent, &s->arena);
    tcp_cc_free(s, tc);
    sndq_clear(&tc->sndq, &s->arena);
    reass_clear(&tc->reass, &s->arena);
    if (!keep_rcvq)
        rcvq_clear(&tc->rcvq);
    tcp_rcv_charge(s, tc);
}

void tcp_free(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_state *t = &s->tcp;

    if (tcp_lis(tc) != NULL)
        tcp_listen_close(s, tc);
    tcp_listen_unlink(tc);
    tear_down(s, tc, false);
    tcp_mtup_free(s, tc);
    Z_CHECK(!tc->in_dirty);
    t->id_tab[tc->ent.id & t->id_mask] = NULL;
    t->n_conns--;
    s->ctr.v[CTR_TCP_CONNS] = t->n_conns;
    tcp_optset_put(&t->optsets, tc->opt);
    tc->dead = tc->gone = true;
    if (tc->loan_bytes == 0)
        arena_free(&s->arena, tc, sizeof(*tc));
}

/* Callers up the stack may still look at the block: it goes at the end of the turn, through the queue of output. */
static void free_when_unheld(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->sk != NULL || tc->dead || (tc->waits && !tc->closed_by_user))
        return;
    tcp_listen_unlink(tc);
    tc->dead = true;
    tcp_mark_dirty(s, tc);
}

void tcp_drop_conn(struct z_stack *s, struct tcp_conn *tc, int err)
{
    bool waits_for_accept = tc->waits;

    if (tc->state != TCPS_CLOSED)
        tcp_set_state(s, tc, TCPS_CLOSED);
    /* what arrived before stays readable, as everywhere sockets are: RFC 9293 3.10.7.4 would flush it with a reset */
    tear_down(s, tc, tc->sk != NULL || waits_for_accept);
    if (err != 0)
        tc->so_error = (int16_t)err;
    if (!waits_for_accept)
        tcp_listen_unlink(tc);
    sock_on_closed(s, tc->sk);
    free_when_unheld(s, tc);
}

void tcp_release(struct z_stack *s, struct tcp_conn *tc)
{
    tcp_drop_conn(s, tc, 0);
}

uint32_t tcp_ts_clock(const struct z_stack *s)
{
    return (uint32_t)(s->now_ns / NS_PER_MS);
}

uint32_t tcp_ts_now(const struct z_stack *s, const struct tcp_conn *tc)
{
    return tcp_ts_clock(s) + tc->ts_offset;
}

/*
 * RFC 6528: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a 4 us clock (MUST-8, SHLD-1, MUST-9). The other
 * half of F moves the timestamp clock, so that one connection's says nothing of another's (RFC 7323 section 5.4).
 */
void tcp_isn(const struct z_stack *s, const struct tcp_entry *e, uint32_t *iss, uint32_t *ts_offset)
{
    struct {
        struct inaddr laddr, raddr;
        uint16_t lport, rport;
        uint32_t purpose;
    } in = {e->laddr, e->raddr, e->lport, e->rport, 1};
    uint64_t f = siphash24(s->secret_key, &in, sizeof(in));

    *iss = (uint32_t)(s->now_ns / 4000) + (uint32_t)f;
    *ts_offset = (uint32_t)(f >> 32);
}

uint8_t tcp_choose_wscale(const struct z_stack *s, const struct tcp_conn *tc)
{
    uint32_t space = tc->opt->rcvbuf_locked ? tc->rcvbuf_bytes : MAX(s->conf.rcvbuf_max_bytes, tc->rcvbuf_bytes);
    uint8_t scale = 0;

    while (scale < 14 && (UINT16_MAX << scale) < (int64_t)space)
        scale++;
    return scale;
}

/* The window of a SYN, which is never scaled. */
uint16_t tcp_syn_window(const struct tcp_conn *tc, uint32_t rcv_ratio)
{
    uint64_t wnd = (uint64_t)tc->rcvbuf_bytes * rcv_ratio / 256;

    return (uint16_t)MIN(wnd, (uint64_t)UINT16_MAX);
}

static void start_at(struct tcp_conn *tc, uint32_t iss)
{
    tc->iss = iss;
    tc->snd_una = iss;
    tc->snd_nxt = iss + 1;
    sndq_init(&tc->sndq, iss + 1);
    tc->recover = iss;
    tc->rack_rtt_us = RACK_RTT_NONE;
}

/* A window's worth beyond: what the old one may have been told to send is past as well. */
uint32_t tcp_iss_beyond(uint32_t iss, uint32_t floor)
{
    return seq_leq(iss, floor) ? floor + UINT16_MAX : iss;
}

void tcp_handshake_start(struct z_stack *s, struct tcp_conn *tc, uint32_t iss, uint32_t ts_offset)
{
    struct rtt_conf rc;

    start_at(tc, iss);
    tc->last_snd = tcp_snd_tick(s);
    tc->ts_offset = ts_offset;
    tcp_rtt_conf(s, &rc);
    rtt_init(&tc->rtt, &rc);
    recent_init(&tc->rtt_min);
}

void tcp_handshake_init(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_entry *e = tcp_table_find(s, &tc->ent.laddr, &tc->ent.raddr, tc->ent.lport, tc->ent.rport);
    uint32_t iss, ts_offset;

    tcp_isn(s, &tc->ent, &iss, &ts_offset);
    if (e != NULL) { /* in TIME-WAIT, which yields: tcp_tuple_free */
        stack_count(s, CTR_TCP_TIMEWAIT_REUSE);
        iss = tcp_iss_beyond(iss, tcp_tw_of(e)->snd_nxt);
        tcp_timewait_end(s, tcp_tw_of(e));
    }
    tcp_handshake_start(s, tc, iss, ts_offset);
    tc->rcv_wscale = s->conf.window_scaling ? tcp_choose_wscale(s, tc) : 0;
}
