/* TCP input: checks the segment, finds its connection, hands it to the code of the connection's state. */
#include <errno.h>

#include "sock/sock.h"
#include "tcp/forward.h"
#include "tcp/syncache.h"
#include "wire/cksum.h"

#include "base/poison.h"

static bool cksum_ok(const struct ip_in *in, const struct rte_mbuf *m)
{
    uint64_t sum = cksum_pseudo(&in->src, &in->dst, in->proto, m->pkt_len);
    size_t off = 0;

    for (; m != NULL; m = m->next) {
        sum = cksum_add_at(sum, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, off);
        off += m->data_len;
    }
    return cksum_finish(sum) == 0;
}

/* Headers contiguous, parsed and proven. NULL: dropped. */
static struct rte_mbuf *parse(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, struct tcp_hdr *h)
{
    if (unlikely(m->pkt_len < TCP_HLEN)) {
        pkt_drop(s, m, DROP_TCP_SHORT);
        return NULL;
    }
    m = pkt_pullup(s, m, TCP_HLEN);
    if (unlikely(m == NULL))
        return NULL;
    if (unlikely(tcp_hdr_parse(pkt_data(m), m->pkt_len, h) != TCP_PARSE_OK)) {
        pkt_drop(s, m, DROP_TCP_HLEN);
        return NULL;
    }
    m = pkt_pullup(s, m, h->hlen);
    if (unlikely(m == NULL))
        return NULL;
    if (unlikely(!in->l4_cksum_good && !cksum_ok(in, m))) { /* MUST-3 */
        pkt_drop(s, m, DROP_TCP_CKSUM);
        return NULL;
    }
    return m;
}

static void conn_input(struct z_stack *s, struct tcp_conn *tc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    if ((g->h.flags & TH_SYN) == 0)
        g->wnd <<= tc->snd_wscale;
    if (tc->state == TCPS_SYN_SENT)
        tcp_synsent_input(s, tc, in, g, m);
    else
        tcp_slow_input(s, tc, in, g, m);
}

/*
 * To what the entry is part of. False: the segment is for whoever listens. What has none of ACK, SYN and RST no state takes (RFC 9293
 * 3.10.7.3, 3.10.7.4 step five), and no TCP sends: a stranger does, and gets no answer, inside the window or out of it.
 */
static bool entry_input(struct z_stack *s, struct tcp_entry *e, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    if ((g->h.flags & (TH_ACK | TH_SYN | TH_RST)) == 0) {
        pkt_drop(s, m, DROP_TCP_NO_ACK);
        return true;
    }
    switch (e->kind) {
    case TCP_ENT_CONN:
        conn_input(s, tcp_conn_of(e), in, g, m);
        return true;
    case TCP_ENT_SYN:
        return tcp_syn_input(s, e, in, g, m);
    case TCP_ENT_TW:
        return tcp_timewait_input(s, tcp_tw_of(e), g, m);
    case TCP_ENT_FWD:
        return tcp_forward_input(s, e, in, g, m);
    default:
        return false;
    }
}

void tcp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct tcp_seg g;
    struct tcp_entry *e;
    struct tcp_conn *lc;
    const uint8_t *opts;

    stack_count(s, CTR_TCP_SEG_RX);
    if (unlikely(in->group)) { /* MUST-57; a source that is a group does not get here: ip_check_addrs (MUST-63) */
        pkt_drop(s, m, DROP_TCP_BCAST);
        return;
    }
    m = parse(s, in, m, &g.h);
    if (unlikely(m == NULL))
        return;
    opts = pkt_data(m) + TCP_HLEN;
    pkt_pull(m, g.h.hlen);
    if (unlikely(pkt_merged_of(m) != 0))
        s->ctr.v[CTR_TCP_SEG_RX] += (MAX(m->pkt_len, 1u) - 1) / pkt_merged_of(m); /* and one that is counted as any other */
    e = tcp_table_find(s, &in->dst, &in->src, g.h.dport, g.h.sport);
    if (likely(e != NULL && e->kind == TCP_ENT_CONN && s->conf.fast_path) && tcp_fast_input(s, tcp_conn_of(e), &g.h, opts, in->tos, m))
        return;

    if (!tcp_opts_parse(opts, g.h.hlen - TCP_HLEN, &g.o)) /* MUST-7: what was found before the bad length counts */
        stack_count(s, DROP_TCP_OPTION);
    g.len = m->pkt_len;
    g.wnd = g.h.wnd;
    g.reopens = false;
    if (e != NULL && entry_input(s, e, in, &g, m))
        return;
    lc = tcp_listen_find(s, &in->dst, &in->src, g.h.dport, g.h.sport);
    if (lc != NULL) {
        tcp_listen_input(s, lc, in, &g, m);
        return;
    }
    if (s->steer != NULL && tcp_hand_over(s, in, &g, m))
        return;
    tcp_closed_input(s, in, &g);
    pkt_drop(s, m, DROP_TCP_NO_CONN);
}

/*
 * An ICMP error about a segment of ours. Only one about data in flight counts (RFC 5927 section 4.1). A connection attempt
 * ends with the error's errno; an established connection stays (MUST-56; SHLD-26 yields to RFC 5927 section 5.2). Its next send() says
 * what was unreachable, once (SHLD-25), and it is the reason of a timeout, unless the peer answers before. Who has set IP_RECVERR is told
 * of every error by the next call, as on Linux.
 */
void tcp_icmp_error(struct z_stack *s, const struct icmp_err *e)
{
    struct tcp_entry *ent = tcp_table_find(s, &e->laddr, &e->raddr, e->lport, e->rport);
    struct tcp_conn *tc;

    if (ent == NULL)
        return;
    if (ent->kind == TCP_ENT_SYN) {
        tcp_syn_icmp(s, ent, e);
        return;
    }
    if (ent->kind != TCP_ENT_CONN)
        return;
    tc = tcp_conn_of(ent);
    if (tc->state == TCPS_CLOSED)
        return;
    if (!seq_in(e->seq, tc->snd_una, tc->snd_nxt) && e->kind != ICMP_KIND_NEIGH_FAILED) {
        stack_count(s, CTR_TCP_ICMP_IGNORED);
        return;
    }
    if (e->kind == ICMP_KIND_TOO_BIG) {
        tcp_too_big(s, tc, e);
        return;
    }
    if (tc->opt->recverr[!inaddr_is_v4(&e->raddr)] && tcp_synchronized(tc)) {
        tc->so_error = (int16_t)e->err;
        sock_on_readable(s, tc->sk);
        sock_on_writable(s, tc->sk);
        return;
    }
    tc->soft_error = (int16_t)e->err;
    tc->unanswered = true;
    tc->soft_told = icmp_kind_is_unreach(e->kind) && e->kind != ICMP_KIND_NEIGH_FAILED;
    /* time exceeded, parameter problem (MUST-56) end nothing */
    if (icmp_kind_is_unreach(e->kind) && (tc->state == TCPS_SYN_SENT || tc->state == TCPS_SYN_RCVD)) {
        stack_count(s, CTR_TCP_ICMP_ABORT);
        tcp_drop_conn(s, tc, e->err);
    }
}
