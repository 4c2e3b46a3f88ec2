/* What to send now: retransmissions, new data, FIN, an acknowledgement. Runs once per connection and turn. */
#include <errno.h>

#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

#define TS_OPTION_BYTES 12u
#define CORK_NS (200 * NS_PER_MS) /* tcp(7): TCP_CORK holds a partial segment back at most this long */
#define SWS_OVERRIDE_NS NS_PER_SEC

uint32_t tcp_eff_mss(const struct tcp_conn *tc)
{
    return tc->smss - (tc->ts_on ? TS_OPTION_BYTES : 0);
}

/* Nothing more now; -ENOBUFS is tried again in the next turn, an unreachable path by timer. */
static void send_failed(struct z_stack *s, struct tcp_conn *tc, int err)
{
    if (err == -ENOBUFS)
        tcp_mark_dirty(s, tc);
    else if (!tcp_timer_on(tc, TT_REXMT))
        tcp_timer_set(s, tc, TT_PERSIST, tcp_base_rto(s, tc));
}

/*
 * How much from seq on the peer takes: it may have made its window smaller (RFC 9293 3.8.6, SHLD-15, SHLD-16). The first octets
 * go in any case, as a probe. Less than a unit of the peer's scale beyond the window is rounding.
 */
static uint32_t window_room(const struct tcp_conn *tc, uint32_t seq)
{
    uint32_t edge = tc->snd_una + tc->snd_wnd + (tc->snd_wnd > 0 ? (1u << tc->snd_wscale) - 1 : 0);

    if (seq_lt(seq, edge))
        return edge - seq;
    return seq == tc->snd_una ? UINT32_MAX : 0;
}

/* One record of the sent map again, cut to a segment. 0, or -errno of tcp_send_segment. */
static int retransmit(struct z_stack *s, struct tcp_conn *tc, struct sent_rec *r)
{
    uint32_t data_end = seq_min(r->end, tc->sndq.end_seq);
    uint32_t len = data_end - r->start, fit, room = window_room(tc, r->start);
    bool fin = r->end != data_end;
    int ret;

    if (room == 0)
        return -EAGAIN;
    fit = tcp_seg_fit(tc, r->start, MIN(MIN(len, tcp_eff_mss(tc)), room));
    if (fit < len) {
        uint32_t start = r->start;

        ret = tcp_cut(s, tc, start + fit);
        if (ret != 0) /* a full map has room when something is acknowledged, memory perhaps in the next turn */
            return ret == -ENOBUFS ? -EAGAIN : -ENOBUFS;
        r = sent_find(&tc->sent, start);
        len = fit;
        fin = false;
    }
    ret = tcp_send_segment(s, tc, r->start, len,
                           (uint8_t)(TH_ACK | (fin ? TH_FIN : 0) | (len > 0 && r->start + len == tc->sndq.end_seq ? TH_PSH : 0)));
    if (ret != 0)
        return ret;
    if (unlikely(tc->rated))
        tcp_rate_sent(s, tc, r, tcp_pipe(tc));
    tcp_sent_again(tc, MAX(len, 1u), (r->flags & SENT_RETRANS) == 0);
    sent_retransmitted(&tc->sent, r, s->now_ns);
    if (r == sent_first(&tc->sent) && tc->ca == TCP_CA_RECOVERY) /* it has the time of a first transmission to be acknowledged */
        tcp_rexmt_arm(s, tc);
    stack_count(s, CTR_TCP_RETRANS);
    s->ctr.v[CTR_TCP_RETRANS_BYTES] += len;
    return 0;
}

/* Everything that is known to be lost and that the congestion window allows. 0: done; else -errno. */
static int output_lost(struct z_stack *s, struct tcp_conn *tc)
{
    struct sent_rec *r;

    while ((r = sent_next_lost(&tc->sent)) != NULL) {
        uint32_t len = MIN(r->end - r->start, tcp_eff_mss(tc));
        int ret;

        if (!tc->rtx_first && tcp_pipe(tc) + len > tc->cc.cwnd) {
            tc->cwnd_limited = true;
            return -EAGAIN;
        }
        ret = retransmit(s, tc, r);
        if (ret != 0)
            return ret;
        tc->rtx_first = false;
        if (unlikely(tc->paced) && tcp_pace_spent(s, tc, len))
            return -EAGAIN;
    }
    return 0;
}

/*
 * May a segment that is not full go now? Nagle (RFC 9293 3.7.4), the sender's silly window avoidance (3.8.6.2.1), cork.
 * As in Linux, Nagle waits only for small segments in flight, not for full ones (Minshall's variant): the tail of a large
 * write would otherwise wait for the peer's delayed ACK. last: it empties the queue.
 */
static bool partial_ok(const struct tcp_conn *tc, uint32_t len, bool last, bool fin)
{
    if (last && (fin || tc->snd_urgent))
        return true;
    if (last && !tc->cork && !tc->more && (tc->opt->nodelay || !tc->small_out || !seq_gt(tc->snd_sml, tc->snd_una)))
        return true;
    return !last && len >= tc->max_snd_wnd / 2 && len > 0;
}

/*
 * The length of a frame that is cut into segments: as many whole ones as there is room for, and with the last of the queue a
 * partial one where it might go by itself. One segment goes alone when it is special: the urgent pointer counts from each segment's own
 * number, and CWR is for one packet (RFC 3168 6.1.2).
 */
static uint32_t several(const struct z_stack *s, const struct tcp_conn *tc, uint32_t mss, uint32_t avail, uint32_t wnd, uint32_t cwnd)
{
    uint32_t room = MIN(MIN(wnd, cwnd), tc->max_frame_bytes), n, tail;

    if (tc->snd_urgent || (tc->ecn_cwr && tc->ecn_ect))
        return mss;
    if (unlikely(tc->paced))
        room = MIN(room, MAX(tcp_pace_room(s, tc), mss));
    n = MIN(avail, room);
    tail = n % mss;
    if (tail == 0 || (n == avail && partial_ok(tc, tail, true, tc->fin_queued && wnd > n)))
        return n;
    return n - tail;
}

/* As much of it as one frame can gather: whole segments, or what there is of one. */
static uint32_t gather(const struct tcp_conn *tc, uint32_t n, uint32_t mss)
{
    uint32_t fit = n > mss ? tcp_frame_fit(tc, tc->snd_nxt, n, mss) : 0;

    return fit > 0 ? fit : tcp_seg_fit(tc, tc->snd_nxt, MIN(n, mss));
}

/* The next new frame: its length, *fin. False: nothing may go now. */
static bool next_new(const struct z_stack *s, struct tcp_conn *tc, uint32_t mss, uint32_t *len, bool *fin)
{
    uint32_t avail = tc->fin_sent ? 0 : tc->sndq.end_seq - tc->snd_nxt;
    uint32_t flight = tcp_in_flight(tc), wnd = tc->snd_wnd > flight ? tc->snd_wnd - flight : 0;
    uint32_t pipe = tcp_pipe(tc), cwnd = tc->cc.cwnd > pipe ? tc->cc.cwnd - pipe : 0;
    uint32_t n = MIN(MIN(avail, mss), wnd);
    bool full, last;

    if (avail == 0 && (!tc->fin_queued || tc->fin_sent)) /* nothing more */
        return false;

    if (n > cwnd) { /* not a part of it: it would be a small segment */
        tc->cwnd_limited = true;
        return false;
    }
    full = n == mss;
    if (n > 0) {
        uint32_t fit;

        if (full && avail > mss && tc->max_frame_bytes > mss)
            n = several(s, tc, mss, avail, wnd, cwnd);
        fit = gather(tc, n, mss);
        full = full || fit < n; /* as much as a frame can gather counts as full */
        n = fit;
    }
    last = n == avail;
    *fin = last && tc->fin_queued && !tc->fin_sent && wnd > n;
    *len = n;
    return n == 0 ? *fin : full || partial_ok(tc, n, last, *fin);
}

/*
 * seg_bytes: of the segments that it is cut into where it is longer. PSH ends what is queued (RFC 9293 3.9.1, MUST-61). It ends too what
 * the window cut short: nothing can follow before the receiver makes room, who need not delay the acknowledgement.
 */
static int send_new(struct z_stack *s, struct tcp_conn *tc, uint32_t len, uint32_t seg_bytes, bool fin)
{
    bool last = tc->snd_nxt + len == tc->sndq.end_seq || (tcp_in_flight(tc) + len == tc->snd_wnd && len % seg_bytes != 0);
    uint8_t flags = (uint8_t)(TH_ACK | (last && len > 0 ? TH_PSH : 0) | (fin ? TH_FIN : 0));
    uint32_t start = tc->snd_nxt, end = start + len + fin;
    int ret = sent_reserve(&tc->sent, &s->arena, s->conf.sent_records);

    if (ret != 0) { /* at the limit of frames in flight, or of memory: acknowledgements make room */
        stack_count(s, ret == -ENOMEM ? CTR_TCP_NOMEM : CTR_TCP_SENT_LIMIT);
        return tcp_in_flight(tc) > 0 ? -EAGAIN : -ENOBUFS;
    }
    ret = tcp_send_frame(s, tc, start, len, seg_bytes, flags);
    if (ret != 0)
        return ret;
    sent_add(&tc->sent, &s->arena, start, end, s->now_ns, s->conf.sent_records);
    if (len > seg_bytes)
        sent_last(&tc->sent)->seg_bytes = (uint16_t)seg_bytes;
    if (unlikely(tc->rated))
        tcp_rate_sent(s, tc, sent_last(&tc->sent), tcp_pipe(tc));
    tc->snd_nxt = end;
    tc->spoke = s->now_ns - tc->last_rcv_ns < TCP_TURN_NS;
    if (unlikely(tc->ca == TCP_CA_RECOVERY))
        prr_sent(&tc->prr, len);
    if (len < seg_bytes ? len > 0 : len > seg_bytes && len % seg_bytes != 0)
        tcp_sent_small(tc);
    else if (tc->small_out && seq_leq(tc->snd_sml, tc->snd_una)) /* before it lies so far back that it looks ahead */
        tc->small_out = false;
    if (fin)
        tc->fin_sent = true;
    return 0;
}

/* A larger segment, to see whether the path takes it. 0: whatever else there is may go; or -errno. */
static int output_probe(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t len;
    int ret;

    switch (tcp_mtup_next(s, tc, &len)) {
    case TCP_MTUP_PROBE:
        ret = send_new(s, tc, len, len, false);
        if (ret == 0)
            tcp_mtup_probe_sent(s, tc, len);
        return ret;
    case TCP_MTUP_WAIT:
        return -EAGAIN;
    default:
        return 0;
    }
}

static int output_new(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t mss = tcp_eff_mss(tc), len;
    bool fin, full = unlikely(tc->snd_lowat) && tcp_snd_space(tc) == 0;
    int ret = 0;

    if (unlikely(tc->mtu_search))
        ret = output_probe(s, tc);
    while (ret == 0 && next_new(s, tc, mss, &len, &fin)) {
        ret = send_new(s, tc, len, mss, fin);
        if (unlikely(tc->paced) && ret == 0 && tcp_pace_spent(s, tc, len))
            ret = -EAGAIN;
    }
    if (full && tcp_snd_space(tc) > 0)
        sock_on_writable(s, tc->sk);
    return ret;
}

/* Where the last segment of a frame of several begins; a FIN is part of it. */
static uint32_t last_segment(const struct tcp_conn *tc, const struct sent_rec *r, uint32_t mss)
{
    uint32_t seg = MIN(sent_seg_bytes(r), mss);

    return r->start + (seq_min(r->end, tc->sndq.end_seq) - r->start - 1) / seg * seg;
}

/* RFC 8985 7.3: new data if the peer's window takes some, cwnd or not; else the last segment again. */
bool tcp_output_probe(struct z_stack *s, struct tcp_conn *tc, bool *retrans)
{
    uint32_t avail = tc->fin_sent ? 0 : tc->sndq.end_seq - tc->snd_nxt, mss = tcp_eff_mss(tc), flight = tcp_in_flight(tc);
    uint32_t wnd = tc->snd_wnd > flight ? tc->snd_wnd - flight : 0, len = MIN(MIN(avail, mss), wnd);
    struct sent_rec *r = sent_last(&tc->sent);

    *retrans = len == 0;
    if (len > 0) {
        len = tcp_seg_fit(tc, tc->snd_nxt, len);
        return send_new(s, tc, len, mss, len == avail && tc->fin_queued && wnd > len) == 0;
    }
    if (r->end - r->start > mss) {
        if (tcp_cut(s, tc, last_segment(tc, r, mss)) != 0)
            return false;
        r = sent_last(&tc->sent);
    }
    return retransmit(s, tc, r) == 0;
}

/*
 * Something waits for the application to uncork, for the window to open (SHLD-29), or for a larger one: that is overridden after a second
 * at most (RFC 9293 3.8.6.2.1).
 */
static uint64_t persist_ns(const struct z_stack *s, const struct tcp_conn *tc)
{
    struct rtt_conf rc;

    if (tc->cork || tc->more)
        return CORK_NS;
    tcp_rtt_conf(s, &rc);
    return MIN(rtt_rto(&tc->rtt, &rc, tcp_backoff(tc)), tc->snd_wnd > 0 ? SWS_OVERRIDE_NS : NS_NEVER);
}

static void arm_timers(struct z_stack *s, struct tcp_conn *tc)
{
    if (tcp_in_flight(tc) > 0 && tc->snd_wnd > 0)
        tcp_timer_stop(tc, TT_PERSIST); /* what waited for more has gone with it: no probe of a window */
    if (tcp_timer_on(tc, TT_PERSIST) || tcp_timer_on(tc, TT_REXMT))
        return;
    if (tcp_in_flight(tc) > 0) {
        tcp_rexmt_arm(s, tc); /* RFC 6298 5.1 */
        return;
    }
    if (tcp_timer_on(tc, TT_PACE) || (tc->snd_nxt == tc->sndq.end_seq && !(tc->fin_queued && !tc->fin_sent)))
        return;
    tcp_timer_set(s, tc, TT_PERSIST, persist_ns(s, tc));
}

/* Nothing lost, nothing new, room in the window: what is delivered from now on says little about the path. */
static void note_app_limited(struct tcp_conn *tc)
{
    if (!tc->cwnd_limited && tc->snd_nxt == tc->sndq.end_seq + tc->fin_sent && tc->sent.lost_bytes <= tc->sent.rtx_bytes)
        rate_app_limited(tc->rate, tcp_pipe(tc));
}

static void output_data(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t nxt = tc->snd_nxt;
    bool was_limited = tc->cwnd_limited;
    int ret;

    tc->cwnd_limited = false;
    if (tc->sent.n == 0 && tc->snd_nxt == tc->sndq.end_seq + tc->fin_sent && (!tc->fin_queued || tc->fin_sent)) {
        if (unlikely(tc->rated))
            note_app_limited(tc);
        return;
    }
    if (unlikely(!ip_path_valid(s, &tc->path)))
        tcp_path_refresh(s, tc); /* its MTU may have changed */
    if (tcp_in_flight(tc) == 0)
        tcp_cc_restart(s, tc);
    if (tc->cwv.unvalidated)
        tcp_pace_unvalidated(s, tc);
    if (unlikely(tc->paced) && tcp_pace_wait(s, tc)) {
        tc->cwnd_limited = was_limited;
        arm_timers(s, tc);
        return;
    }
    ret = tc->ca == TCP_CA_LOSS && tc->undo.frto == FRTO_SECOND_ACK
              ? 0
              : output_lost(s, tc); /* RFC 5682 step 2b: new segments tell whether those are lost */
    if (ret == 0)
        ret = output_new(s, tc);
    if (ret != 0 && ret != -EAGAIN)
        send_failed(s, tc, ret);
    if (unlikely(tc->paced) && ret == -EAGAIN && tcp_pace_wait(s, tc) && !tc->cwnd_limited)
        tc->cwnd_limited = was_limited;
    if (unlikely(tc->rated))
        note_app_limited(tc);
    arm_timers(s, tc);
    if (tc->snd_nxt == nxt)
        return;
    if (cwv_wants(&tc->cwv, tcp_in_flight(tc), tc->cc.cwnd, s->now_ns))
        cwv_sent(&tc->cwv, tc->snd_una, tc->snd_nxt, tc->cc.cwnd);
    tcp_tlp_schedule(s, tc);
}

/* SYN-SENT: a SYN that found no buffer, or the one that waited for data to carry (RFC 7413). */
static void open_output(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->tfo == TFO_WAIT && sndq_bytes(&tc->sndq) > 0) {
        tc->tfo = TFO_SENT;
        tcp_open_send(s, tc);
        tcp_timer_set(s, tc, TT_REXMT, tcp_until_user_timeout(s, tc, tcp_base_rto(s, tc)));
    } else if (tc->syn_unsent) {
        tcp_open_send(s, tc);
    }
}

void tcp_output(struct z_stack *s, struct tcp_conn *tc)
{
    switch (tc->state) {
    case TCPS_CLOSED:
    case TCPS_LISTEN:
        return;
    case TCPS_SYN_SENT:
        open_output(s, tc);
        return;
    case TCPS_SYN_RCVD:
        if (tc->syn_unsent)
            tcp_open_send(s, tc);
        if (tc->fastopen_id != 0 && !tc->syn_unsent)
            output_data(s, tc);
        break;
    case TCPS_TIME_WAIT:
    case TCPS_FIN_WAIT_2:
        break;
    default:
        output_data(s, tc);
        break;
    }
    if (tc->ack_now)
        tcp_send_ack(s, tc);
    else if (tc->ack_delayed && !tcp_timer_on(tc, TT_DELACK))
        tcp_timer_set(s, tc, TT_DELACK, tc->exchanges == TCP_EXCHANGES_MAX ? MIN(s->conf.delack_ns, TCP_TURN_NS) : s->conf.delack_ns);
}

void tcp_push(struct z_stack *s, struct tcp_conn *tc)
{
    tcp_output(s, tc);
}
