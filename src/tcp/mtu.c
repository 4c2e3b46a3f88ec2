/*
 * How large segments may be on this path: what ICMP reports (RFC 1191, RFC 8201), and what the packets themselves tell when no
 * report comes, packetization layer path MTU discovery (RFC 4821, RFC 8899).
 *
 *     low                  probe                high            mtu of the path as IP knows it
 *      |-- known to pass --|-- not known yet ----|--- lost, or not allowed ---|
 */
#include "tcp/conn.h"

#include "base/poison.h"

#define TIMEOUTS_PER_STEP 2u          /* between one reduction and the next */
#define TIMEOUTS_BEFORE_BLACK_HOLE 3u /* without any answer, before the size is blamed */
#define MAX_PROBES 3u                 /* of one size (RFC 8899 5.1.2) */
#define SEARCH_STEP 8u                /* a smaller gain is not searched for */
#define SEGMENTS_BEHIND 3u            /* so that the loss of a probe is seen without a timeout (RFC 4821 7.4) */
#define RAISE_NS (600 * NS_PER_SEC)   /* PMTU_RAISE_TIMER */
#define MTU_BASE_V4 1064u             /* an MSS of 1024 (RFC 4821 7.2) */
#define MTU_BASE_V6 1280u

uint16_t tcp_path_mtu(const struct tcp_conn *tc)
{
    return tc->mtu_search && tc->mtup->low < tc->path.mtu ? tc->mtup->low : tc->path.mtu;
}

static bool longer_in_flight(struct tcp_conn *tc, uint32_t len)
{
    const struct sent_rec *r;

    for (uint32_t seq = tc->snd_una; seq_lt(seq, tc->snd_nxt) && (r = sent_find(&tc->sent, seq)) != NULL; seq = r->end)
        if (sent_seg_bytes(r) > len)
            return true;
    return false;
}

/* Segments that were too large go again at once, cut to the new size. Their loss is no congestion. */
static void use_mtu(struct z_stack *s, struct tcp_conn *tc)
{
    tcp_mss_update(s, tc);
    if (!tcp_synchronized(tc) || !longer_in_flight(tc, tcp_eff_mss(tc)))
        return;
    sent_mark_all_lost(&tc->sent);
    tcp_mark_dirty(s, tc);
}

bool tcp_path_refresh(struct z_stack *s, struct tcp_conn *tc)
{
    uint16_t before = tc->path.mtu;

    if (ip_path_lookup(s, &tc->path, &tc->ent.laddr, &tc->ent.raddr, false) != 0)
        return false;
    tc->progressed = false; /* that was by the way of before */
    tcp_frame_update(tc);   /* another interface, perhaps */
    if (tc->path.mtu == before)
        return true;
    if (tc->mtup != NULL) {
        tc->mtup->high = tc->path.mtu;
        tc->mtup->low = (uint16_t)MIN(tc->mtup->low, tc->path.mtu);
        tc->mtup->tries = 0;
    }
    use_mtu(s, tc);
    return true;
}

/* The report was found to be about data in flight. What we allow routers to cut they do not report. */
void tcp_too_big(struct z_stack *s, struct tcp_conn *tc, const struct icmp_err *e)
{
    uint16_t mtu;

    if (inaddr_is_v4(&e->raddr) && tcp_may_fragment(tc->opt)) {
        stack_count(s, CTR_TCP_ICMP_IGNORED);
        return;
    }
    mtu = ip_pmtu_learn(s, &e->raddr, e->info, e->len);
    if (mtu != 0 && mtu < tc->path.mtu)
        tcp_path_refresh(s, tc);
}

/* Searching ----------------------------------------------------------------------------------------------------- */

static bool start(struct z_stack *s, struct tcp_conn *tc, uint16_t low)
{
    if (tc->mtup == NULL)
        tc->mtup = arena_alloc(&s->arena, sizeof(*tc->mtup));
    if (tc->mtup == NULL) {
        stack_count(s, CTR_TCP_NOMEM);
        return false;
    }
    *tc->mtup = (struct tcp_mtup){.low = low, .high = tc->path.mtu};
    tc->mtu_search = true;
    return true;
}

void tcp_mtup_free(struct z_stack *s, struct tcp_conn *tc)
{
    arena_free(&s->arena, tc->mtup, sizeof(*tc->mtup));
    tc->mtup = NULL;
    tc->mtu_search = false;
}

void tcp_mtup_established(struct z_stack *s, struct tcp_conn *tc)
{
    uint16_t base = inaddr_is_v4(&tc->ent.raddr) ? MTU_BASE_V4 : MTU_BASE_V6;

    if (likely(s->conf.mtu_probing < TCP_MTU_PROBING_ALWAYS) || tc->path.local || tc->path.mtu <= base)
        return;
    if (start(s, tc, base))
        tcp_mss_update(s, tc);
}

/* The size to try: the largest first, which ends the search at once where nothing was wrong with the path; then halves. */
static uint16_t candidate(struct tcp_mtup *p)
{
    if (!p->high_failed)
        return p->high;
    return (uint16_t)(p->low + (p->high - p->low + 1) / 2);
}

enum tcp_mtup_verdict tcp_mtup_next(struct z_stack *s, struct tcp_conn *tc, uint32_t *probe_len)
{
    struct tcp_mtup *p = tc->mtup;
    uint32_t mss = tcp_eff_mss(tc), avail = tc->sndq.end_seq - tc->snd_nxt, pipe = tcp_pipe(tc), len, need;

    if (inaddr_is_v4(&tc->ent.raddr) && tcp_may_fragment(tc->opt))
        return TCP_MTUP_NONE;
    if (p->probe != 0 || s->now_ns < p->next_ns || tc->ca != TCP_CA_OPEN || sent_has_holes(&tc->sent))
        return TCP_MTUP_NONE;
    if (p->next_ns != 0 && p->done) { /* the raise timer: everything may have changed */
        p->high = tc->path.mtu;
        p->done = p->high_failed = false;
    }
    p->trying = candidate(p);
    len = tcp_mss_for(s, tc, p->trying) - (tc->smss - mss);
    if (len < mss + SEARCH_STEP) {
        p->done = true;
        p->next_ns = s->now_ns + RAISE_NS;
        return TCP_MTUP_NONE;
    }
    need = len + SEGMENTS_BEHIND * mss;
    if (tc->fin_sent || avail < need || tc->snd_wnd < need || tc->cc.cwnd < need || tcp_seg_fit(tc, tc->snd_nxt, len) < len)
        return TCP_MTUP_NONE;
    if (pipe + len > tc->cc.cwnd || tcp_in_flight(tc) + len > tc->snd_wnd)
        return TCP_MTUP_WAIT; /* an acknowledgement makes room for a segment: with another one the probe fits */
    *probe_len = len;
    return TCP_MTUP_PROBE;
}

void tcp_mtup_probe_sent(struct z_stack *s, struct tcp_conn *tc, uint32_t len)
{
    struct tcp_mtup *p = tc->mtup;

    stack_count(s, CTR_TCP_MTU_PROBE);
    p->probe = p->trying;
    p->probe_end = tc->snd_nxt;
    p->probe_start = tc->snd_nxt - len;
}

void tcp_mtup_acked(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_mtup *p = tc->mtup;

    if (likely(p->probe == 0 && !p->repairing) || seq_lt(tc->snd_una, p->probe_end))
        return;
    p->repairing = false;
    if (p->probe == 0)
        return;
    p->low = p->probe;
    p->probe = 0;
    p->tries = 0;
    tcp_mss_update(s, tc);
}

/* Nothing is lost but the probe. */
static bool probe_alone(const struct tcp_conn *tc, const struct tcp_mtup *p)
{
    return seq_leq(p->probe_start, tc->snd_una) && seq_lt(tc->snd_una, p->probe_end) && tc->sent.lost_bytes <= p->probe_end - tc->snd_una;
}

/*
 * RFC 4821 7.6: the loss of a probe, and of nothing else, says nothing about congestion. What is sent again in its place are segments
 * like any other, and the loss of one of them does.
 */
bool tcp_mtup_lost(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_mtup *p = tc->mtup;

    if (p == NULL || (p->probe == 0 && !p->repairing))
        return false;
    if (p->probe == 0) {
        p->repairing = tc->sent.lost_total == p->lost_total;
        return p->repairing;
    }
    p->repairing = probe_alone(tc, p);
    if (p->repairing && ++p->tries >= MAX_PROBES) {
        p->high = (uint16_t)(p->probe - 1);
        p->high_failed = true;
        p->tries = 0;
    }
    p->probe = 0;
    p->next_ns = s->now_ns + 2 * rtt_srtt_ns(&tc->rtt); /* not before its retransmission has settled */
    if (!p->repairing)
        return false;
    stack_count(s, CTR_TCP_MTU_PROBE_LOST);
    tcp_mark_first_lost(s, tc);
    p->lost_total = tc->sent.lost_total;
    tc->rtx_first = true;
    return true;
}

/* The next size down: 0 when there is none. Below the smallest, DF is not set (RFC 4821 7.7, and RFC 1191 section 6). */
static uint16_t step_down(const struct tcp_conn *tc)
{
    uint16_t now = tcp_path_mtu(tc);

    if (!inaddr_is_v4(&tc->ent.raddr))
        return now > MTU_BASE_V6 ? MTU_BASE_V6 : 0;
    if (now > MTU_BASE_V4)
        return MTU_BASE_V4;
    return now > IP_PMTU_MIN_V4 ? IP_PMTU_MIN_V4 : 0;
}

/* Timeout after timeout of segments that a narrow path without ICMP would swallow: a black hole (RFC 4821 7.7, RFC 2923 2.1). */
void tcp_mtup_timeout(struct z_stack *s, struct tcp_conn *tc)
{
    const struct sent_rec *r = sent_first(&tc->sent);
    uint32_t n = tc->rexmt_count;
    uint16_t mtu;

    if (tc->mtup != NULL) { /* inconclusive */
        tc->mtup->probe = 0;
        tc->mtup->repairing = false;
    }
    if (n < TIMEOUTS_BEFORE_BLACK_HOLE || (n - TIMEOUTS_BEFORE_BLACK_HOLE) % TIMEOUTS_PER_STEP != 0)
        return;
    mtu = step_down(tc);
    if (s->conf.mtu_probing == TCP_MTU_PROBING_OFF || tc->path.local || mtu == 0 || r == NULL ||
        sent_seg_bytes(r) + (tc->smss - tcp_eff_mss(tc)) <= tcp_mss_for(s, tc, mtu))
        return;
    if (!start(s, tc, mtu))
        return;
    stack_count(s, CTR_TCP_BLACK_HOLE);
    tcp_mss_update(s, tc);
}
