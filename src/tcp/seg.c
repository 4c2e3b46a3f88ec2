/*
 * Builds segments, without copying payload: a buffer that one segment carries whole, that nobody else holds and that has
 * room gets its headers in its own headroom; everything else is a header mbuf chained to indirect mbufs over the
 * payload. Only where the port would copy such a chain anyway the segment is a flat copy from the start. Either way the send
 * queue keeps its hold until the bytes are acknowledged.
 */
#include <errno.h>
#include <limits.h>

#include "base/check.h"
#include "ip/ip6.h"
#include "link/neigh.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

/* Room for Ethernet with a VLAN tag, IPv6 and TCP headers with all options. */
#define SEG_HEADROOM (18u + 40u + TCP_HLEN_MAX)
/* A driver that is not told of a limit gets at most this many mbufs in a segment; and in a frame that is cut into segments. */
#define SEG_CHAIN_MAX 16u
#define FRAME_CHAIN_MAX 64u

static bool path_ready(struct z_stack *s, struct tcp_conn *tc)
{
    return likely(ip_path_valid(s, &tc->path)) || tcp_path_refresh(s, tc);
}

static bool txq_ready(const struct tcp_conn *tc)
{
    return tc->path.local || txq_room(&tc->path.nif->txq) > 0;
}

/* mbufs with payload that a segment may have; one is for its headers. */
static unsigned seg_pieces(const struct tcp_conn *tc)
{
    unsigned port = tc->path.nif != NULL ? tc->path.nif->port->caps.tx_max_segs : 0;

    return port == 0 || port > SEG_CHAIN_MAX ? SEG_CHAIN_MAX - 1 : MAX(port, 2u) - 1;
}

/* The same of a frame of several segments. Where it is cut on the way to the port only memory limits it. */
static unsigned frame_pieces(const struct tcp_conn *tc)
{
    const struct port_caps *caps = &tc->path.nif->port->caps;

    return caps->tx_tso && caps->tso_max_segs < FRAME_CHAIN_MAX ? MAX(caps->tso_max_segs, 2u) - 1 : FRAME_CHAIN_MAX - 1;
}

/* The port gathers by copying anyway. */
static bool gathers(const struct tcp_conn *tc)
{
    return tc->path.nif != NULL && !tc->path.nif->port->caps.tx_chains;
}

/* It copies whatever is not one buffer of the stack's alone. */
static bool copies(const struct tcp_conn *tc)
{
    return !tc->path.local && port_copies_references(&tc->path.nif->port->caps);
}

uint32_t tcp_seg_fit(const struct tcp_conn *tc, uint32_t seq, uint32_t len)
{
    unsigned pieces = seg_pieces(tc);
    const struct sndq_desc *d;
    uint32_t index, end = seq + len;

    if (len == 0 || gathers(tc))
        return len;
    d = sndq_find(&tc->sndq, seq, &index);
    for (; d != NULL && pieces > 0; pieces--) {
        if (seq_geq(d->seq + d->len, end))
            return len;
        d = sndq_at(&tc->sndq, ++index);
    }
    return d != NULL ? d->seq - seq : len;
}

uint32_t tcp_frame_fit(const struct tcp_conn *tc, uint32_t seq, uint32_t len, uint32_t mss)
{
    unsigned left = frame_pieces(tc), limit = gathers(tc) ? UINT_MAX : seg_pieces(tc), in_seg = 0;
    uint32_t index, at = 0, end;

    for (const struct sndq_desc *d = sndq_find(&tc->sndq, seq, &index); at < len; at = end, d = sndq_at(&tc->sndq, ++index)) {
        if (left-- == 0 || in_seg == limit)
            return at - at % mss;
        end = MIN(d->seq + d->len - seq, len);
        if (end / mss == at / mss)
            in_seg++;
        else
            in_seg = end % mss != 0; /* a segment begins in this piece */
    }
    return len;
}

/* The buffer itself as the frame, headers in its headroom. NULL: the conditions do not hold. */
static struct rte_mbuf *frame_in_place(const struct tcp_conn *tc, const struct sndq_desc *d, uint32_t seq, uint32_t len)
{
    struct rte_mbuf *m = d->m;

    if (d->seq != seq || d->len != len || d->off < SEG_HEADROOM || tc->path.local || !pkt_sole_owner(m))
        return NULL;
    m->data_off = (uint16_t)d->off;
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    m->nb_segs = 1;
    m->next = NULL;
    m->ol_flags = 0;
    m->tx_offload = 0;
    rte_mbuf_refcnt_update(m, 1); /* the frame's; the send queue keeps its own */
    return m;
}

static struct rte_mbuf *frame_by_reference(struct z_stack *s, const struct tcp_conn *tc, const struct sndq_desc *d, uint32_t index,
                                           uint32_t seq, uint32_t len)
{
    struct rte_mbuf *head = pkt_alloc_hdr(s), *tail = head;

    if (head == NULL)
        return NULL;
    while (len > 0) {
        uint32_t skip = seq - d->seq, n = MIN(d->len - skip, len);
        struct rte_mbuf *mi = pkt_share(s, d->m, d->off + skip, n);

        if (mi == NULL) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        tail->next = mi;
        tail = mi;
        head->nb_segs++;
        head->pkt_len += n;
        seq += n;
        len -= n;
        d = sndq_at(&tc->sndq, ++index);
    }
    return head;
}

/* A copy of the bytes, where the port would copy what refers to them. NULL: there is no buffer for it; by reference then. */
static struct rte_mbuf *frame_flat(const struct tcp_conn *tc, const struct sndq_desc *d, uint32_t index, uint32_t seq, uint32_t len)
{
    struct port *port = tc->path.nif->port;
    struct rte_mbuf *m = port_flat(port, len);

    while (m != NULL && len > 0) {
        uint32_t skip = seq - d->seq, n = MIN(d->len - skip, len);

        port_flat_add(port, m, d->m, d->off + skip, n);
        seq += n;
        len -= n;
        d = sndq_at(&tc->sndq, ++index);
    }
    return m;
}

/* cut: port_tx or the device cuts the frame into segments; what it cannot take by reference is copied after that. */
static struct rte_mbuf *frame_payload(struct z_stack *s, const struct tcp_conn *tc, uint32_t seq, uint32_t len, bool cut)
{
    const struct sndq_desc *d;
    struct rte_mbuf *m;
    uint32_t index;

    if (len == 0)
        return pkt_alloc_ctl(s);
    d = sndq_find(&tc->sndq, seq, &index);
    Z_CHECK(d != NULL);
    m = frame_in_place(tc, d, seq, len);
    if (m == NULL && !cut && copies(tc))
        m = frame_flat(tc, d, index, seq, len);
    return m != NULL ? m : frame_by_reference(s, tc, d, index, seq, len);
}

/* The window field, and the promise that goes with it. Others may have taken the memory since it was reckoned. */
static uint16_t advertise(struct z_stack *s, struct tcp_conn *tc)
{
    uint16_t wire = likely(tc->wnd_settled && !tcp_rcv_limit_reached(s)) ? tc->rcv_wnd : tcp_rcv_wnd(s, tc);

    tc->rcv_adv = seq_max(tc->rcv_adv, tc->rcv_nxt + ((uint32_t)wire << tc->rcv_wscale));
    if (wire == 0)
        stack_count(s, CTR_TCP_ZERO_WINDOW_TX);
    return wire;
}

static void add_sack(struct z_stack *s, struct tcp_conn *tc, struct tcp_opts *o, uint32_t len)
{
    uint32_t used = tcp_opts_len(o), room = TCP_OPT_MAX - used, fit, n = 0;

    if (len > 0)
        room = len + used < tc->smss ? MIN(room, tc->smss - len - used) : 0;
    fit = room >= 12 ? MIN((room - 4) / 8, (uint32_t)TCP_SACK_BLOCKS_MAX) : 0;
    if (unlikely(tc->dsack_due) && fit > 0) { /* RFC 2883 section 4: the first block, once */
        o->sack[n++] = (struct tcp_sack_block){tc->dsack_start, tc->dsack_end};
        tc->dsack_due = false;
        stack_count(s, CTR_TCP_DSACK_TX);
    }
    o->n_sack = (uint8_t)(n + reass_sack(&tc->reass, o->sack + n, fit - n));
}

static void set_urgent(const struct tcp_conn *tc, struct tcp_hdr *h)
{
    if (!tc->snd_urgent || !seq_gt(tc->snd_up, h->seq))
        return;
    h->flags |= TH_URG;
    h->urp = (uint16_t)MIN(tc->snd_up - h->seq, (uint32_t)UINT16_MAX);
}

void tcp_push_header(struct rte_mbuf *m, const struct tcp_hdr *fixed, const struct tcp_opts *o)
{
    struct tcp_hdr h = *fixed;
    uint8_t *p;

    h.hlen = (uint8_t)(TCP_HLEN + tcp_opts_len(o));
    p = pkt_push(m, h.hlen);
    tcp_hdr_build(p, &h);
    tcp_opts_build(p + TCP_HLEN, o);
    m->l4_len = h.hlen;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
}

/*
 * The header of a segment after the handshake: nearly always with a timestamp alone, or without options. h gets its length here.
 */
static void push_usual_header(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *m, struct tcp_hdr *h, uint32_t len)
{
    uint8_t *p;

    if (unlikely(tc->sack_on && (tc->rcv_holes || tc->dsack_due))) {
        struct tcp_opts o = {.has_ts = tc->ts_on, .ts_val = tcp_ts_now(s, tc), .ts_ecr = tc->ts_recent};

        add_sack(s, tc, &o, len);
        tcp_push_header(m, h, &o);
        return;
    }
    h->hlen = (uint8_t)(tc->ts_on ? TCP_HLEN + TCP_TS_ONLY_LEN : TCP_HLEN);
    p = pkt_push(m, h->hlen);
    tcp_hdr_build(p, h);
    if (tc->ts_on)
        tcp_opts_build_ts_only(p + TCP_HLEN, tcp_ts_now(s, tc), tc->ts_recent);
    m->l4_len = h->hlen;
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
}

/* RFC 4861 7.3.1: an acknowledgement has shown that the neighbour was there. */
static void confirm_neighbour(struct z_stack *s, struct tcp_conn *tc)
{
    tc->progressed = false;
    if (likely(!tc->path.local))
        neigh_confirm(s->neigh, tc->path.neigh, tc->path.neigh_serial, tc->last_rcv_ns, s->now_ns);
}

static void hand_down(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *m, uint8_t ecn)
{
    struct ip_out o = {.src = tc->ent.laddr, .dst = tc->ent.raddr, .proto = 6, .ttl = tc->opt->ttl, .tos = tc->opt->tos};

    if (unlikely(!inaddr_is_v4(&tc->ent.raddr))) {
        o.ttl = tc->opt->hops;
        o.tos = tc->opt->tclass;
        if (tc->flow == 0)
            tc->flow = ip6_flow_label(s, &tc->ent.laddr, &tc->ent.raddr, tc->ent.lport, tc->ent.rport);
        o.flow = tc->flow;
    }
    o.tos |= ecn;
    o.df = !tcp_may_fragment(tc->opt) &&
           (tcp_path_mtu(tc) > IP_PMTU_MIN_V4 || m->pkt_len > IP_PMTU_MIN_V4); /* or a probe for something larger */
    if (tc->progressed)
        confirm_neighbour(s, tc);
    tc->last_snd = tcp_snd_tick(s);
    stack_count(s, CTR_TCP_SEG_TX);
    ip_output(s, &tc->path, &o, m);
}

static void ack_sent(struct tcp_conn *tc)
{
    tc->last_ack_sent = tc->rcv_nxt;
    tc->ack_now = false;
    if (tc->ack_delayed) {
        tc->ack_delayed = false;
        tcp_timer_stop(tc, TT_DELACK);
    }
}

/* The port cuts it; the headers of each segment are made from this one's. */
static void ask_to_cut(struct z_stack *s, struct rte_mbuf *m, uint32_t len, uint32_t seg_bytes, bool zero_window)
{
    uint32_t more = (len - 1) / seg_bytes; /* and one that is counted as any other */

    m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    m->tso_segsz = (uint16_t)seg_bytes;
    s->ctr.v[CTR_TCP_SEG_TX] += more;
    s->ctr.v[CTR_TCP_ZERO_WINDOW_TX] += zero_window ? more : 0;
}

int tcp_send_segment(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, uint32_t len, uint8_t flags)
{
    return tcp_send_frame(s, tc, seq, len, len, flags);
}

int tcp_send_frame(struct z_stack *s, struct tcp_conn *tc, uint32_t seq, uint32_t len, uint32_t seg_bytes, uint8_t flags)
{
    struct tcp_hdr h = {.sport = tc->ent.lport, .dport = tc->ent.rport, .seq = seq, .ack = tc->rcv_nxt, .flags = flags};
    struct rte_mbuf *m;
    uint8_t ecn = 0;

    if (!path_ready(s, tc))
        return -EHOSTUNREACH;
    if (!txq_ready(tc))
        return -ENOBUFS;
    m = frame_payload(s, tc, seq, len, len > seg_bytes);
    if (m == NULL)
        return -ENOBUFS;
    set_urgent(tc, &h);
    h.wnd = advertise(s, tc);
    if (unlikely(tc->ecn_echo_ok))
        ecn = tcp_ecn_mark(s, tc, &h, len);
    push_usual_header(s, tc, m, &h, len);
    if (len > seg_bytes)
        ask_to_cut(s, m, len, seg_bytes, h.wnd == 0);
    ack_sent(tc);
    hand_down(s, tc, m, ecn);
    return 0;
}

int tcp_send_syn(struct z_stack *s, struct tcp_conn *tc)
{
    bool reply = tc->state == TCPS_SYN_RCVD;
    struct tcp_hdr h = {.sport = tc->ent.lport, .dport = tc->ent.rport, .seq = tc->iss};
    struct tcp_opts o = {
        .has_mss = true,
        .mss = tcp_mss_to_announce(s, &tc->path, tc->opt),
        .has_ws = reply ? tc->ws_on : s->conf.window_scaling,
        .ws = tc->rcv_wscale,
        .has_ts = reply ? tc->ts_on : s->conf.timestamps,
        .sack_ok = reply ? tc->sack_on : s->conf.sack,
    };
    struct rte_mbuf *m;
    uint32_t len = 0;

    if (!path_ready(s, tc))
        return -EHOSTUNREACH;
    if (!reply && tc->tfo != TFO_OFF)
        len = tcp_fastopen_syn(s, tc, &o);
    if (!txq_ready(tc) || (m = len > 0 ? frame_payload(s, tc, tc->iss + 1, len, false) : pkt_alloc_hdr(s)) == NULL)
        return -ENOBUFS;
    if (len > 0)
        tc->tfo_bytes = (uint16_t)len;
    o.ts_val = tcp_ts_now(s, tc);
    h.flags = TH_SYN | tcp_ecn_syn_flags(s, tc);
    if (reply) {
        h.flags |= TH_ACK;
        h.ack = tc->rcv_nxt;
        o.ts_ecr = tc->ts_recent;
        if (tc->fastopen_renew && tc->waits)
            tcp_fastopen_cookie(s, tc->listener, &tc->ent, &o);
        ack_sent(tc);
    }
    h.wnd = tcp_syn_window(tc, tc->rcv_ratio);
    tc->rcv_adv = seq_max(tc->rcv_adv, tc->rcv_nxt + h.wnd);
    if (!reply)
        tc->rcv_adv = 0; /* no peer sequence numbers yet */
    tcp_push_header(m, &h, &o);
    hand_down(s, tc, m, 0);
    tc->syn_sent_ns = s->now_ns;
    return 0;
}

void tcp_open_send(struct z_stack *s, struct tcp_conn *tc)
{
    tc->syn_unsent = tcp_send_syn(s, tc) == -ENOBUFS;
    if (tc->syn_unsent)
        tcp_mark_dirty(s, tc);
}

/*
 * The sequence number of a segment without text: snd_nxt, but not beyond a window that the peer made smaller or closed (a
 * probe lies behind it), or it would take the segment for an unacceptable one and its ACK would be lost. Less than a unit of the
 * peer's scale is rounding: its window is really larger.
 */
static uint32_t empty_seq(const struct tcp_conn *tc)
{
    uint32_t edge = tc->snd_una + tc->snd_wnd;

    if (seq_leq(tc->snd_nxt, edge) || (tc->snd_wnd > 0 && tc->snd_nxt - edge < 1u << tc->snd_wscale))
        return tc->snd_nxt;
    return edge;
}

int tcp_send_ack(struct z_stack *s, struct tcp_conn *tc)
{
    int ret = tcp_send_segment(s, tc, empty_seq(tc), 0, TH_ACK);

    if (ret == -ENOBUFS) { /* with the next turn's output */
        tc->ack_now = true;
        tcp_mark_dirty(s, tc);
    }
    return ret;
}

/*
 * RFC 5961 section 7: a bound on what a stranger can make us send. Each connection has its own and nothing is shared, or who owns
 * one connection could count what is left and learn of segments that another one has accepted (CVE-2016-5696). tat: the theoretical
 * arrival time of the next one at the full rate; a second's worth may come at once.
 */
bool tcp_ack_allowed(struct z_stack *s, uint64_t *tat_ns)
{
    if (*tat_ns > s->now_ns + NS_PER_SEC - NS_PER_SEC / s->conf.challenge_ack_rate) {
        stack_count(s, CTR_TCP_ACK_LIMIT);
        return false;
    }
    *tat_ns = MAX(*tat_ns, s->now_ns) + NS_PER_SEC / s->conf.challenge_ack_rate;
    stack_count(s, CTR_TCP_CHALLENGE);
    return true;
}

void tcp_send_ack_limited(struct z_stack *s, struct tcp_conn *tc)
{
    if (tcp_ack_allowed(s, &tc->ack_tat_ns))
        tcp_send_ack(s, tc);
}

void tcp_send_rst(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_hdr h = {.sport = tc->ent.lport, .dport = tc->ent.rport, .seq = empty_seq(tc), .ack = tc->rcv_nxt, .flags = TH_RST | TH_ACK};
    struct tcp_opts o = {.has_ts = tc->ts_on, .ts_val = tcp_ts_now(s, tc), .ts_ecr = tc->ts_recent};
    struct rte_mbuf *m;

    if (!path_ready(s, tc) || (m = pkt_alloc_ctl(s)) == NULL)
        return;
    stack_count(s, CTR_TCP_RST_TX);
    tcp_push_header(m, &h, &o);
    hand_down(s, tc, m, 0);
}
