/*
 * The receive window and buffers. SO_RCVBUF counts memory; the window promises payload: rcv_ratio says how much payload a
 * byte of memory carried so far. The right edge never moves left (SHLD-14); payload inside it is always taken, and when
 * small segments then hold too much memory they are copied together.
 */
#include <string.h>

#include "sock/sock.h"
#include "tcp/conn.h"

#include "base/poison.h"

#define RATIO_ONE 256u
#define RATIO_MIN 64u
#define OPENED_MAX 64u /* windows in a turn */

/* What SO_RCVBUF leaves. */
static uint32_t own_memory(const struct tcp_conn *tc)
{
    return tc->rcvbuf_bytes - MIN(tcp_rcv_held(tc), tc->rcvbuf_bytes);
}

/* The same, with what is left for all connections together. */
static uint32_t free_memory(const struct z_stack *s, const struct tcp_conn *tc)
{
    if (tcp_rcv_limit_reached(s))
        return 0;
    return (uint32_t)MIN((uint64_t)own_memory(tc), s->conf.rcv_limit_bytes - s->tcp.rcv_charged_bytes);
}

/* Would more memory for all connections together widen the window? */
static bool stack_limits(const struct z_stack *s, const struct tcp_conn *tc)
{
    return s->tcp.rcv_charged_bytes + tc->rcvbuf_bytes > s->conf.rcv_limit_bytes || stack_loan_bytes(s) >= s->conf.loan_limit_bytes;
}

/* What is left of a window in the field, whose unit is of the window scale. */
static uint32_t as_told(const struct tcp_conn *tc, uint32_t wnd)
{
    return wnd >> tc->rcv_wscale << tc->rcv_wscale;
}

/* How far the edge that the peer sees moves at least: a segment, or a good part of what the empty buffer would offer. */
static uint32_t least_step(const struct tcp_conn *tc)
{
    uint32_t most = as_told(tc, (uint32_t)((uint64_t)tc->rcvbuf_bytes * tc->rcv_ratio / RATIO_ONE));

    return MIN(MIN((uint32_t)tc->smss, tc->rcvbuf_bytes / 4), most / 2);
}

static uint32_t now_open(const struct tcp_conn *tc)
{
    return tc->rcv_adv - tc->rcv_nxt;
}

/* The window that so much memory allows; as it is now, when that is not worth a step. */
static uint32_t window_of(const struct tcp_conn *tc, uint32_t memory)
{
    uint32_t now = now_open(tc);
    uint64_t wnd = (uint64_t)memory * tc->rcv_ratio / RATIO_ONE;

    wnd = as_told(tc, (uint32_t)MIN(wnd, (uint64_t)UINT16_MAX << tc->rcv_wscale));
    if (unlikely(wnd == 0) && tc->rcv_charged_bytes == 0 && memory > 0)
        wnd = 1u << tc->rcv_wscale; /* less cannot be told, and with nothing to be read it would stay closed */
    /* receiver's silly window avoidance (MUST-39) */
    return wnd >= (uint64_t)as_told(tc, now) + least_step(tc) ? MAX((uint32_t)wnd, now) : now;
}

uint32_t tcp_rcv_window(const struct z_stack *s, const struct tcp_conn *tc)
{
    return window_of(tc, free_memory(s, tc));
}

/* Would it be wider, were it not for the memory of all together? */
static bool held_back(const struct tcp_conn *tc, uint32_t wnd)
{
    return tcp_talks(tc) && !tc->fin_rcvd && window_of(tc, own_memory(tc)) > wnd;
}

void tcp_window_waits(struct z_stack *s, struct tcp_conn *tc, bool waits)
{
    if (tc->wnd_waits == waits)
        return;
    tc->wnd_waits = waits;
    if (waits)
        TAILQ_INSERT_TAIL(&s->tcp.wnd_waiting, tc, wnd_link);
    else
        TAILQ_REMOVE(&s->tcp.wnd_waiting, tc, wnd_link);
    s->ctr.v[CTR_TCP_WND_WAITING] += waits ? 1 : UINT64_MAX;
}

uint16_t tcp_rcv_wnd(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t wnd = tcp_rcv_window(s, tc);

    tc->wnd_settled = !stack_limits(s, tc);
    tc->rcv_wnd = (uint16_t)MIN(wnd >> tc->rcv_wscale, (uint32_t)UINT16_MAX);
    if (unlikely(!tc->wnd_settled || tc->wnd_waits)) /* with less than a segment the peer may send nothing that would be answered */
        tcp_window_waits(s, tc, wnd < (uint32_t)MAX(tc->smss, tc->rcv_mss) && held_back(tc, wnd));
    return tc->rcv_wnd;
}

bool tcp_windows_are_due(const struct z_stack *s)
{
    const struct tcp_conn *tc = TAILQ_FIRST(&s->tcp.wnd_waiting);

    return unlikely(tc != NULL) && (tcp_rcv_window(s, tc) > now_open(tc) || !held_back(tc, now_open(tc)));
}

void tcp_windows_open(struct z_stack *s)
{
    for (unsigned n = 0; n < OPENED_MAX && tcp_windows_are_due(s); n++) {
        struct tcp_conn *tc = TAILQ_FIRST(&s->tcp.wnd_waiting);

        tcp_window_waits(s, tc, false);
        if (held_back(tc, now_open(tc))) {
            tc->ack_now = true;
            tcp_mark_dirty(s, tc);
        }
    }
}

/*
 * The application took data. A larger window is worth a segment of its own when it doubles, or was closed. When there is nothing left to
 * take it is reckoned in any case: what leaves now, an answer perhaps, need not do that.
 */
void tcp_window_opened(struct z_stack *s, struct tcp_conn *tc)
{
    uint32_t now = as_told(tc, now_open(tc)), wnd;
    bool may_double = !tc->ack_now && 2 * (uint64_t)now <= tc->rcvbuf_bytes; /* it promises no more than SO_RCVBUF */

    if (!tcp_talks(tc) || tc->fin_rcvd || (!may_double && tc->rcvq.bytes > 0))
        return;
    wnd = (uint32_t)tcp_rcv_wnd(s, tc) << tc->rcv_wscale;
    if (may_double && wnd > now && wnd >= 2 * now) {
        tc->ack_now = true;
        tcp_mark_dirty(s, tc);
    }
}

void tcp_rcv_measure(struct tcp_conn *tc, uint32_t len, uint32_t seg_bytes, uint32_t truesize)
{
    uint32_t ratio = tc->rcv_ratio;

    if (seg_bytes > tc->rcv_mss)
        tc->rcv_mss = (uint16_t)MIN(seg_bytes, (uint32_t)UINT16_MAX);
    if (seg_bytes < tc->rcv_mss)
        return;
    /* only segments that are full tell how memory and payload relate; it moves slowly, and not below a quarter */
    if (likely(len * RATIO_ONE < (ratio + 8) * truesize && (len * RATIO_ONE >= ratio * truesize || ratio == RATIO_MIN)))
        return; /* the same again, without a division */
    ratio = MIN(len * RATIO_ONE / MAX(truesize, 1u), RATIO_ONE - 1);
    tc->rcv_ratio = (uint16_t)MAX((tc->rcv_ratio * 7u + ratio) / 8, RATIO_MIN);
}

/* Copies runs of small segments into compact buffers (counted). */
void tcp_rcv_collapse(struct z_stack *s, struct tcp_conn *tc)
{
    struct rcvq old = tc->rcvq;
    struct rte_mbuf *m, *to = NULL;

    tc->rcvq = (struct rcvq){0};
    while ((m = rcvq_pop(&old)) != NULL) {
        uint32_t room = to != NULL ? rte_pktmbuf_tailroom(to) : 0;

        if (m->data_len * 2u >= m->buf_len || (room < m->data_len && (to = pkt_alloc_app(s, 2048)) == NULL)) {
            rcvq_append(&tc->rcvq, m);
            to = NULL;
            continue;
        }
        if (room < m->data_len) {
            to->data_len = 0;
            to->pkt_len = 0;
        }
        memcpy(pkt_data(to) + to->data_len, pkt_data(m), m->data_len);
        if (to->data_len == 0) {
            to->data_len = m->data_len;
            to->pkt_len = m->data_len;
            rcvq_append(&tc->rcvq, to);
        } else {
            to->data_len = (uint16_t)(to->data_len + m->data_len);
            tc->rcvq.bytes += m->data_len;
        }
        s->ctr.v[CTR_COPY_DELIBERATE] += m->data_len;
        stack_count(s, CTR_TCP_COLLAPSED);
        pkt_unref(m);
    }
    tcp_rcv_charge(s, tc);
}

/*
 * Dynamic right-sizing: what the application took in one round trip is what the sender could have sent in it; the
 * buffer shall hold twice that. The round trip is measured by the sender's estimator, or by a window's worth of data.
 */
void tcp_rcv_autotune(struct z_stack *s, struct tcp_conn *tc, uint32_t delivered_bytes)
{
    uint64_t rtt = tc->rtt.srtt != 0 ? rtt_srtt_ns(&tc->rtt) : NS_PER_MS;
    uint64_t want;

    tc->drs_copied += delivered_bytes;
    if (tc->opt->rcvbuf_locked || s->now_ns - tc->drs_start_ns < rtt)
        return;
    if (tc->drs_copied > tc->drs_bytes) {
        tc->drs_bytes = tc->drs_copied;
        want = (uint64_t)tc->drs_copied * 2 * RATIO_ONE / tc->rcv_ratio + 16u * tc->smss;
        want = MIN(want, (uint64_t)s->conf.rcvbuf_max_bytes);
        if (want > tc->rcvbuf_bytes)
            tc->rcvbuf_bytes = (uint32_t)want;
    }
    tc->drs_copied = 0;
    tc->drs_start_ns = s->now_ns;
}

/*
 * The send buffer holds two congestion windows, so that the application can refill while one is in flight; a payload byte
 * of a segment takes up to two bytes of memory.
 */
void tcp_snd_autotune(struct z_stack *s, struct tcp_conn *tc)
{
    uint64_t want = (uint64_t)tc->cc.cwnd * 4;

    if (likely(want <= tc->sndbuf_bytes) || tc->opt->sndbuf_locked)
        return;
    tc->sndbuf_bytes = (uint32_t)MIN(want, (uint64_t)s->conf.sndbuf_max_bytes);
}
