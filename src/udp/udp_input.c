#include <errno.h>

#include "base/siphash.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"
#include "wire/cksum.h"
#include "wire/icmp.h"
#include "wire/udp.h"

#include "base/poison.h"

struct udp_tuple {
    struct inaddr laddr, raddr;
    uint16_t lport, rport;
};

/* How well a socket fits: -1 not at all; a connection counts more than a bound address, that more than none. */
static int udp_match(const struct udp_pcb *u, const struct udp_tuple *t)
{
    int score = 0;

    if (u->lport != t->lport)
        return -1;
    if (!inaddr_is_any(&u->laddr)) {
        if (!inaddr_eq(&u->laddr, &t->laddr))
            return -1;
        score = 1;
    }
    if (u->connected) {
        if (u->rport != t->rport || !inaddr_eq(&u->raddr, &t->raddr))
            return -1;
        score += 2;
    }
    return score;
}

/* Sockets that share a port by SO_REUSEPORT and fit equally well: one per flow, chosen by hash. */
static struct udp_pcb *udp_pick(struct z_stack *s, const struct udp_tuple *t, int score, uint32_t n)
{
    struct udp_pcb *u = *udp_bucket(s, t->lport);
    uint32_t k = (uint32_t)(siphash13(s->hash_key, t, sizeof(*t)) % n);

    for (; u; u = u->next)
        if (u->reuseport && udp_match(u, t) == score && k-- == 0)
            break;
    return u;
}

/* The socket that fits best; among equals the last one bound. */
static struct udp_pcb *udp_lookup(struct z_stack *s, const struct udp_tuple *t)
{
    struct udp_pcb *best = NULL;
    uint32_t n_reuse = 0;
    int best_score = -1;

    for (struct udp_pcb *u = *udp_bucket(s, t->lport); u; u = u->next) {
        int score = udp_match(u, t);

        if (score > best_score) {
            best = u;
            best_score = score;
            n_reuse = u->reuseport;
        } else if (best && score == best_score && best->reuseport) {
            n_reuse += u->reuseport;
        }
    }
    return n_reuse > 1 ? udp_pick(s, t, best_score, n_reuse) : best;
}

/* Room for one more record; the ring doubles. */
static bool udp_queue_grow(struct z_stack *s, struct udp_pcb *u)
{
    uint32_t slots = u->q_slots ? u->q_slots * 2 : UDP_QUEUE_MIN;
    struct udp_dgram *q = arena_alloc(&s->arena, slots * sizeof(*q));

    if (!q)
        return false;
    for (uint32_t i = 0; i < u->q_n; i++)
        q[i] = u->q[(u->q_head + i) & (u->q_slots - 1)];
    arena_free(&s->arena, u->q, u->q_slots * sizeof(*q));
    u->q = q;
    u->q_slots = slots;
    u->q_head = 0;
    return true;
}

/* One datagram is always taken, however small SO_RCVBUF is. */
static bool udp_has_room(const struct z_stack *s, const struct udp_pcb *u, uint32_t truesize)
{
    if (u->q_n && u->rcv_bytes + truesize > u->rcvbuf_bytes)
        return false;
    return s->udp.rcv_bytes + s->tcp.rcv_charged_bytes + s->ip->reass.bytes + truesize <= s->conf.rcv_limit_bytes;
}

static void udp_deliver(struct z_stack *s, struct udp_pcb *u, const struct udp_tuple *t, struct rte_mbuf *m /* consumed */)
{
    uint32_t truesize = 0;

    for (const struct rte_mbuf *seg = m; seg; seg = seg->next)
        truesize += pkt_truesize(seg);
    if (u->rcv_shut || !udp_has_room(s, u, truesize) || (u->q_n == u->q_slots && !udp_queue_grow(s, u))) {
        pkt_drop(s, m, DROP_UDP_RCVBUF);
        return;
    }
    u->q[(u->q_head + u->q_n) & (u->q_slots - 1)] = (struct udp_dgram){.m = m, .src = t->raddr, .sport = t->rport, .truesize = truesize};
    u->q_n++;
    u->rcv_bytes += truesize;
    u->rcv_payload += m->pkt_len;
    s->udp.rcv_bytes += truesize;
    stack_count(s, CTR_UDP_RX);
    sock_on_readable(s, u->sk);
}

/* References to every segment of a chain; NULL when there are not enough mbufs. */
static struct rte_mbuf *udp_share(struct z_stack *s, struct rte_mbuf *m)
{
    struct rte_mbuf *head = NULL, **link = &head;

    for (struct rte_mbuf *seg = m; seg; seg = seg->next) {
        struct rte_mbuf *ref = pkt_share(s, seg, pkt_off(seg), seg->data_len);

        if (!ref) {
            pkt_unref_chain(head);
            return NULL;
        }
        *link = ref;
        link = &ref->next;
    }
    head->nb_segs = m->nb_segs;
    head->pkt_len = m->pkt_len;
    return head;
}

/* Every socket that fits gets a broadcast datagram (RFC 1122 4.1.3.3): all but the last one a reference. */
static void udp_input_group(struct z_stack *s, const struct udp_tuple *t, struct rte_mbuf *m)
{
    struct udp_pcb *last = NULL;

    for (struct udp_pcb *u = *udp_bucket(s, t->lport); u; u = u->next) {
        struct rte_mbuf *ref;

        if (udp_match(u, t) < 0)
            continue;
        if (last) {
            ref = udp_share(s, m);
            if (ref)
                udp_deliver(s, last, t, ref);
        }
        last = u;
    }
    if (last)
        udp_deliver(s, last, t, m);
    else
        pkt_drop(s, m, DROP_UDP_NO_PORT);
}

/* Length and checksum; the datagram without link padding, or NULL after a drop. */
static struct rte_mbuf *udp_check(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, struct udp_hdr *h)
{
    uint64_t sum;

    if (m->data_len < UDP_HLEN || !udp_parse(pkt_data(m), in->l4_len, h)) {
        pkt_drop(s, m, DROP_UDP_SHORT);
        return NULL;
    }
    if (unlikely(h->len < in->l4_len))
        m = pkt_trim_to(m, h->len);
    if (in->l4_cksum_good || (!h->has_cksum && !in->v6))
        return m;
    sum = cksum_pseudo(&in->src, &in->dst, in->proto, h->len);
    /* IPv6 has no header checksum: a datagram without one is refused (RFC 8200 section 8.1; RFC 6935's exception is for tunnels) */
    if (h->has_cksum && cksum_finish(ip_cksum_chain(sum, m, h->len)) == 0)
        return m;
    pkt_drop(s, m, DROP_UDP_CKSUM);
    return NULL;
}

void udp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct udp_tuple t = {.laddr = in->dst, .raddr = in->src};
    struct udp_pcb *u;
    struct udp_hdr h;

    m = udp_check(s, in, m, &h);
    if (!m)
        return;
    t.lport = h.dport;
    t.rport = h.sport;
    if (unlikely(in->dst_group)) {
        pkt_pull(m, UDP_HLEN);
        udp_input_group(s, &t, m);
        return;
    }
    u = udp_lookup(s, &t);
    if (!u) {
        icmp_port_unreachable(s, in, m); /* RFC 1122 4.1.3.1, RFC 4443 section 3.1 */
        pkt_drop(s, m, DROP_UDP_NO_PORT);
        return;
    }
    pkt_pull(m, UDP_HLEN);
    udp_deliver(s, u, &t, m);
}

/*
 * As Linux does without IP_RECVERR: connected sockets alone are told, and only of errors that another try would not mend
 * (its icmp_err_convert table). The others are hints (RFC 1122 4.1.3.3 lets the application decide; ours cannot ask).
 */
static bool udp_error_is_hard(const struct icmp_err *e)
{
    return e->kind != ICMP_KIND_NET_UNREACH && e->kind != ICMP_KIND_HOST_UNREACH && e->kind != ICMP_KIND_TIME_EXCEEDED;
}

void udp_icmp_error(struct z_stack *s, const struct icmp_err *e)
{
    if (!udp_error_is_hard(e))
        return;
    for (struct udp_pcb *u = *udp_bucket(s, e->lport); u; u = u->next) {
        if (!u->connected || u->lport != e->lport || u->rport != e->rport || !inaddr_eq(&u->laddr, &e->laddr) ||
            !inaddr_eq(&u->raddr, &e->raddr))
            continue;
        u->err = e->err;
        sock_on_readable(s, u->sk);
        sock_on_writable(s, u->sk);
    }
}
