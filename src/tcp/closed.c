/* CLOSED: a segment that no connection and no listener takes (RFC 9293 3.10.7.1). */
#include "base/seq.h"
#include "ip/ip6.h"
#include "tcp/conn.h"

#include "base/poison.h"

static void reset_send(struct z_stack *s, const struct ip_in *in, const struct tcp_hdr *h)
{
    struct ip_path path = {0};
    struct ip_out o = {.src = in->dst, .dst = in->src, .proto = 6, .ttl = IP_TTL_DEFAULT, .df = true};
    struct rte_mbuf *m;

    if (ip_path_lookup(s, &path, &in->dst, &in->src, false) != 0)
        return;
    m = pkt_alloc_ctl(s);
    if (m == NULL)
        return;
    tcp_hdr_build(pkt_push(m, TCP_HLEN), h);
    m->l4_len = TCP_HLEN;
    o.flow = ip6_flow_label(s, &o.src, &o.dst, h->sport, h->dport);
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
    stack_count(s, CTR_TCP_RST_TX);
    stack_count(s, CTR_TCP_SEG_TX);
    ip_output(s, &path, &o, m);
}

void tcp_reset_reply(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g)
{
    struct tcp_hdr r = {.sport = g->h.dport, .dport = g->h.sport, .hlen = TCP_HLEN, .flags = TH_RST};

    if (g->h.flags & TH_RST)
        return;
    if (g->h.flags & TH_ACK) {
        r.seq = g->h.ack;
    } else {
        r.flags |= TH_ACK;
        r.ack = g->h.seq + g->len + ((g->h.flags & TH_SYN) != 0) + ((g->h.flags & TH_FIN) != 0);
    }
    reset_send(s, in, &r);
}

void tcp_closed_input(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g)
{
    tcp_reset_reply(s, in, g);
}
