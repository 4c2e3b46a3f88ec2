/*
 * Timers: retransmission, persist, delayed ACK, keepalive, 2MSL and FIN-WAIT-2. One wheel node per connection stands for
 * the earliest deadline; it is re-armed only when a deadline comes earlier, and found to be early when it fires.
 */
#include <errno.h>

#include "base/check.h"
#include "sock/sock.h"
#include "tcp/conn.h"

#include "base/poison.h"

#define RTO_RESTART_THRESH 4u /* rrthresh of RFC 7765 */
#define ORPHAN_PROBES_MAX 8u  /* zero-window probes of a connection that nobody holds any more */

void tcp_rtt_conf(const struct z_stack *s, struct rtt_conf *c)
{
    c->min_ns = s->conf.rto_min_ns;
    c->max_ns = s->conf.rto_max_ns;
    c->initial_ns = s->conf.rto_initial_ns;
}

static uint64_t earliest(const struct z_stack *s, const struct tcp_conn *tc)
{
    uint64_t first = NS_NEVER;

    for (int i = 0; i < TT_COUNT; i++)
        first = MIN(first, tcp_deadline_ns(s, tc, (enum tcp_timer_id)i));
    return first;
}

static void put_deadline(struct tcp_conn *tc, enum tcp_timer_id t, uint32_t tick)
{
    tc->deadline[t] = tick;
    if (t == TT_PERSIST)
        tc->persisting = tick != 0;
    else if (t == TT_DELACK)
        tc->delack_on = tick != 0;
}

void tcp_timer_set(struct z_stack *s, struct tcp_conn *tc, enum tcp_timer_id t, uint64_t after_ns)
{
    uint64_t most = (uint64_t)TCP_TICKS_MAX << WHEEL_TICK_SHIFT;
    uint64_t tick = (s->now_ns + MIN(after_ns, most - NS_PER_SEC) + (1u << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT;
    bool later;

    tick += (uint32_t)tick == 0; /* which says that it is off */
    later = tcp_timer_on(tc, t) && (int32_t)((uint32_t)tick - tc->deadline[t]) >= 0;
    put_deadline(tc, t, (uint32_t)tick);
    if (later) /* than before, when the wheel node was early enough already */
        return;
    if (tc->timer_tick == 0 || (int32_t)((uint32_t)tick - tc->timer_tick) < 0) {
        wheel_arm(&s->wheel, &tc->timer, tick << WHEEL_TICK_SHIFT);
        tc->timer_tick = (uint32_t)tick;
    }
}

void tcp_timer_stop(struct tcp_conn *tc, enum tcp_timer_id t)
{
    if (tcp_timer_on(tc, t))
        put_deadline(tc, t, 0); /* the wheel node may fire for nothing */
}

static void back_off(struct tcp_conn *tc)
{
    tc->backoff = (uint8_t)MIN(tc->backoff + 1u, RTT_BACKOFF_MAX);
}

/* Without back-off. */
uint64_t tcp_base_rto(const struct z_stack *s, const struct tcp_conn *tc)
{
    struct rtt_conf rc;

    tcp_rtt_conf(s, &rc);
    return rtt_base_rto(&tc->rtt, &rc);
}

/* The whole timeout, from now. */
void tcp_rexmt_arm(struct z_stack *s, struct tcp_conn *tc)
{
    struct rtt_conf rc;

    tcp_rtt_conf(s, &rc);
    tcp_timer_set(s, tc, TT_REXMT, tcp_until_user_timeout(s, tc, rtt_rto(&tc->rtt, &rc, tcp_backoff(tc))));
}

/*
 * RFC 6298 5.3, and RFC 7765 (RTO restart): with so little in flight that duplicate ACKs cannot tell of a loss, the time since
 * the first of it was sent counts.
 */
void tcp_rexmt_restart(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *first = sent_first(&tc->sent);
    uint64_t age, at;

    if (tcp_timer_on(tc, TT_PERSIST))
        return;
    tcp_rexmt_arm(s, tc);
    age = s->now_ns - first->sent_at_ns;
    at = tcp_deadline_ns(s, tc, TT_REXMT);
    if (tc->ca == TCP_CA_OPEN && tc->sent.n < RTO_RESTART_THRESH && tcp_in_flight(tc) < RTO_RESTART_THRESH * tc->smss &&
        tc->snd_nxt == tc->sndq.end_seq + tc->fin_sent && at > s->now_ns + age)
        tcp_timer_set(s, tc, TT_REXMT, at - s->now_ns - age);
}

void tcp_timers_off(struct z_stack *s, struct tcp_conn *tc)
{
    for (int i = 0; i < TT_COUNT; i++)
        put_deadline(tc, (enum tcp_timer_id)i, 0);
    wheel_cancel(&s->wheel, &tc->timer);
    tc->timer_tick = 0;
}

void tcp_keepalive_restart(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t idle = tc->opt->keepidle_ns;

    if (!tc->opt->keepalive)
        return;
    if (!tcp_timer_on(tc, TT_KEEP)) /* otherwise it finds the time of the last segment when it fires */
        tcp_timer_set(s, tc, TT_KEEP, idle);
}

static void give_up(struct z_stack *s, struct tcp_conn *tc)
{
    stack_count(s, CTR_TCP_TIMEOUT);
    if (tcp_synchronized(tc))
        tcp_send_rst(s, tc);
    tcp_drop_conn(s, tc, tc->soft_error != 0 ? tc->soft_error : ETIMEDOUT);
}

/* R2 (RFC 9293 3.8.3): by count, or by TCP_USER_TIMEOUT since the first unanswered transmission. */
static bool r2_reached(const struct z_stack *s, const struct tcp_conn *tc, uint32_t count, uint32_t limit)
{
    if (tc->opt->user_timeout_ns != 0)
        return tc->first_rexmt_at_ns != 0 && s->now_ns - tc->first_rexmt_at_ns >= tc->opt->user_timeout_ns;
    return count >= limit;
}

/* A timer of unanswered transmissions ends no later than TCP_USER_TIMEOUT does. */
uint64_t tcp_until_user_timeout(const struct z_stack *s, const struct tcp_conn *tc, uint64_t after_ns)
{
    uint64_t ut, gone;

    if (likely(!tc->user_timeout))
        return after_ns;
    ut = tc->opt->user_timeout_ns;
    gone = tc->first_rexmt_at_ns != 0 ? s->now_ns - tc->first_rexmt_at_ns : 0;
    if (gone >= ut)
        return after_ns;
    return MIN(after_ns, ut - gone);
}

static void syn_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t limit = tc->passive ? s->conf.synack_retries : tc->opt->syncnt != 0 ? tc->opt->syncnt : s->conf.syn_retries;

    if (r2_reached(s, tc, tc->rexmt_count, limit)) {
        give_up(s, tc);
        return;
    }
    tc->rexmt_count++;
    stack_count(s, CTR_TCP_RTO);
    back_off(tc);
    tcp_open_send(s, tc);
    tcp_rexmt_arm(s, tc);
}

/* Something came from the peer since the oldest segment was last sent. */
static bool peer_answered(struct tcp_conn *tc)
{
    const struct sent_rec *r = sent_first(&tc->sent);

    return r != NULL && tc->last_rcv_ns >= r->sent_at_ns;
}

static void rexmt_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    tc->unanswered = true;
    if (tc->first_rexmt_at_ns == 0) {
        const struct sent_rec *r = sent_first(&tc->sent);

        tc->first_rexmt_at_ns = r != NULL ? r->sent_at_ns : tc->syn_sent_ns; /* a SYN has no record */
    }
    if (tc->state == TCPS_SYN_SENT || tc->state == TCPS_SYN_RCVD) {
        syn_timeout(s, tc);
        return;
    }
    if (tc->snd_wnd == 0 && peer_answered(tc))
        tc->rexmt_count = 0; /* the window was closed over data in flight: SHLD-17, MUST-37 */
    if (r2_reached(s, tc, tc->rexmt_count, s->conf.data_retries)) {
        give_up(s, tc);
        return;
    }
    stack_count(s, CTR_TCP_RTO);
    tc->rexmt_count++;
    tcp_mtup_timeout(s, tc);
    tcp_recovery_on_rto(s, tc);
    back_off(tc);
    tcp_rexmt_arm(s, tc);
    tcp_mark_dirty(s, tc);
}

/* One octet beyond the window, or the FIN (RFC 9293 3.8.6.1, MUST-36); again the same octet until it is answered. */
static void send_probe(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *r = sent_first(&tc->sent);
    uint32_t seq = tc->snd_una;
    uint32_t len = seq_lt(seq, tc->sndq.end_seq) ? 1 : 0;
    bool fin = len == 0;
    uint8_t flags = (uint8_t)(TH_ACK | (fin ? TH_FIN : TH_PSH));

    stack_count(s, CTR_TCP_PERSIST);
    if (r != NULL) {
        tcp_send_segment(s, tc, seq, len, flags);
        return;
    }
    if (sent_reserve(&tc->sent, &s->arena, s->conf.sent_records) != 0 || tcp_send_segment(s, tc, seq, len, flags) != 0)
        return;
    sent_add(&tc->sent, &s->arena, seq, seq + 1, s->now_ns, s->conf.sent_records);
    tc->snd_nxt = seq + 1;
    if (fin)
        tc->fin_sent = true;
}

/*
 * The persist timer: probes a window of zero for as long as the peer answers (MUST-37), and overrides silly window
 * avoidance and cork.
 */
static void persist_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t avail = tc->sndq.end_seq - tc->snd_nxt;
    struct rtt_conf rc;

    if (tc->snd_wnd > 0 && tcp_in_flight(tc) == 0 && avail > 0) {
        uint32_t len = tcp_seg_fit(tc, tc->snd_nxt, MIN(MIN(avail, tc->snd_wnd), tcp_eff_mss(tc)));

        if (sent_reserve(&tc->sent, &s->arena, s->conf.sent_records) == 0 &&
            tcp_send_segment(s, tc, tc->snd_nxt, len, TH_ACK | TH_PSH) == 0) {
            sent_add(&tc->sent, &s->arena, tc->snd_nxt, tc->snd_nxt + len, s->now_ns, s->conf.sent_records);
            tc->snd_nxt += len;
        }
        tcp_mark_dirty(s, tc);
        return;
    }
    if (tc->snd_wnd > 0) {
        tcp_mark_dirty(s, tc);
        return;
    }
    tc->unanswered = true;
    if (tc->first_rexmt_at_ns == 0)
        tc->first_rexmt_at_ns = s->now_ns;
    if (r2_reached(s, tc, tc->probe_count, s->conf.data_retries) || (tc->closed_by_user && tc->orphan_probes >= ORPHAN_PROBES_MAX)) {
        give_up(s, tc);
        return;
    }
    send_probe(s, tc);
    tc->probe_count++;
    if (tc->closed_by_user)
        tc->orphan_probes++;
    back_off(tc); /* SHLD-30 */
    tcp_rtt_conf(s, &rc);
    tcp_timer_set(s, tc, TT_PERSIST, tcp_until_user_timeout(s, tc, rtt_rto(&tc->rtt, &rc, tcp_backoff(tc))));
}

/* RFC 9293 3.8.4: a segment below the window asks for an ACK (SHLD-12: without data). */
static void keep_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t idle = s->now_ns - tc->last_rcv_ns, ut = tc->opt->user_timeout_ns;

    if (!tc->opt->keepalive || !tcp_synchronized(tc) || tc->state == TCPS_TIME_WAIT)
        return;
    if (idle < tc->opt->keepidle_ns || tcp_in_flight(tc) > 0) {
        uint64_t left = idle < tc->opt->keepidle_ns ? tc->opt->keepidle_ns - idle : tc->opt->keepintvl_ns;

        tcp_timer_set(s, tc, TT_KEEP, left);
        return;
    }
    if (ut != 0 ? tc->keep_count > 0 && idle >= ut : tc->keep_count >= tc->opt->keepcnt) { /* MUST-29: not after one lost answer */
        give_up(s, tc);
        return;
    }
    tc->unanswered = true;
    tc->keep_count++;
    stack_count(s, CTR_TCP_KEEPALIVE);
    tcp_send_segment(s, tc, tc->snd_una - 1, 0, TH_ACK);
    tcp_timer_set(s, tc, TT_KEEP, tc->opt->keepintvl_ns);
}

static void fire(struct z_stack *s, struct tcp_conn *tc, enum tcp_timer_id t)
{
    switch (t) {
    case TT_RACK:
        tcp_rack_timeout(s, tc);
        break;
    case TT_TLP:
        tcp_tlp_timeout(s, tc);
        break;
    case TT_REXMT:
        rexmt_timeout(s, tc);
        break;
    case TT_PERSIST:
        persist_timeout(s, tc);
        break;
    case TT_DELACK:
        tc->ack_delayed = false;
        tc->ack_now = true;
        stack_count(s, CTR_TCP_DELACK);
        tcp_mark_dirty(s, tc);
        break;
    case TT_KEEP:
        keep_timeout(s, tc);
        break;
    case TT_PACE:
        tcp_mark_dirty(s, tc);
        break;
    case TT_2MSL: /* TIME-WAIT as a descriptor sees it, FIN-WAIT-2 of a closed socket, or a closed socket that never gets rid of its data */
        if (tc->state != TCPS_TIME_WAIT && tc->state != TCPS_FIN_WAIT_2) {
            stack_count(s, CTR_TCP_ORPHAN_TIME);
            tcp_send_rst(s, tc);
        }
        tcp_release(s, tc);
        break;
    default:
        break;
    }
}

/*
 * The stack was not called for so long that ticks modulo 2^32 may say of what has passed that it lies ahead. What was set lay no further
 * than that behind the earliest.
 */
static void catch_up(const struct z_stack *s, struct tcp_conn *tc, uint64_t earliest_ns)
{
    uint32_t passed = (uint32_t)(s->now_ns >> WHEEL_TICK_SHIFT);

    if (likely(s->now_ns - earliest_ns <= (uint64_t)TCP_TICKS_MAX << WHEEL_TICK_SHIFT))
        return;
    for (int i = 0; i < TT_COUNT; i++)
        if (tc->deadline[i] != 0)
            tc->deadline[i] = passed - (passed == 0);
}

void tcp_timer(struct z_stack *s, struct wheel_node *n)
{
    struct tcp_conn *tc = container_of_ptr(n, struct tcp_conn, timer);
    uint64_t next;

    catch_up(s, tc, n->deadline_ns);
    tc->timer_tick = 0;
    for (int i = 0; i < TT_COUNT && tc->state != TCPS_CLOSED; i++) {
        if (tcp_deadline_ns(s, tc, (enum tcp_timer_id)i) > s->heard_ns) /* what ends it may be waiting to be received */
            continue;
        put_deadline(tc, (enum tcp_timer_id)i, 0);
        fire(s, tc, (enum tcp_timer_id)i);
    }
    /* what was sent has armed this timer: it comes by after the last of it, and what only those need who send is given back */
    sndq_trim(&tc->sndq, &s->arena);
    sent_trim(&tc->sent, &s->arena);
    next = earliest(s, tc);
    if (next != NS_NEVER) {
        wheel_arm(&s->wheel, &tc->timer, next);
        tc->timer_tick = (uint32_t)(next >> WHEEL_TICK_SHIFT);
    }
}

uint64_t tcp_finwait2_ns(const struct z_stack *s, const struct tcp_conn *tc)
{
    if (tc->opt->linger2_s < 0) /* no waiting for the peer's FIN (tcp(7)) */
        return 0;
    return tc->opt->linger2_s > 0 ? (uint64_t)tc->opt->linger2_s * NS_PER_SEC : s->conf.finwait2_ns;
}
