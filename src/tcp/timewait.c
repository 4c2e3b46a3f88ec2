/* TIME-WAIT: 2 MSL of quiet, bounded in number, and its early end by a new SYN (RFC 6191). */
#include "tcp/conn.h"

#include "base/poison.h"

void tcp_timewait_enter(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_state *t = &s->tcp;

    tcp_timers_off(s, tc);
    tcp_set_state(s, tc, TCPS_TIME_WAIT);
    tcp_timer_set(s, tc, TT_2MSL, 2 * s->conf.msl_ns); /* MUST-13 */
    TAILQ_INSERT_TAIL(&t->timewait, tc, timewait_link);
    tc->in_timewait = true;
    t->n_timewait++;
    if (t->n_timewait > s->conf.max_timewait) {
        stack_count(s, CTR_TCP_TIMEWAIT_LIMIT);
        tcp_release(s, TAILQ_FIRST(&t->timewait));
    }
}

/*
 * RFC 6191 section 2: with timestamps, a SYN whose timestamp is newer than the last one, or equal with a higher sequence
 * number; without, one whose sequence number is beyond everything received (MAY-2).
 */
bool tcp_timewait_reuse(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    (void)s;
    if ((g->h.flags & (TH_SYN | TH_ACK | TH_RST)) != TH_SYN)
        return false;
    if (tc->ts_on && g->o.has_ts && g->o.ts_val != tc->ts_recent)
        return seq_gt(g->o.ts_val, tc->ts_recent);
    return seq_gt(g->h.seq, tc->rcv_nxt);
}
