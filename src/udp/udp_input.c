#include <errno.h>

#include "base/bindaddr.h"
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

/*
 * How well a socket fits: -1 not at all; a connection counts most, then a bound address, then :: or 0.0.0.0 of the packet's own
 * family before :: that takes both.
 */
static int udp_match(const struct udp_pcb *u, uint8_t proto, const struct udp_info *in, uint16_t dport)
{
    int score = 0;

    if (u->lport != dport || u->proto != proto || !bind_accepts(&u->laddr, u->ip.v6only, &in->dst))
        return -1;
    if (!inaddr_is_any(&u->laddr))
        score = 2;
    else if (inaddr_is_v4(&u->laddr) == inaddr_is_v4(&in->dst))
        score = 1;
    if (u->connected) {
        if (!inaddr_eq(&u->raddr, &in->src) || (proto == IPPROTO_UDP_ && u->rport != in->sport)) /* messages of ICMP have no ports */
            return -1;
        score += 3;
    }
    return score;
}

/* Sockets that share a port by SO_REUSEPORT and fit equally well: one per flow, chosen by hash. */
static struct udp_pcb *udp_pick(struct z_stack *s, uint8_t proto, const struct udp_info *in, uint16_t dport, int score, uint32_t n)
{
    const struct {
        struct inaddr laddr, raddr;
        uint16_t lport, rport;
    } flow = {in->dst, in->src, dport, in->sport};
    struct udp_pcb *u = *udp_bucket(s, dport);
    uint32_t k = (uint32_t)(siphash13(s->hash_key, &flow, sizeof(flow.laddr) * 2 + sizeof(uint16_t) * 2) % n);

    for (; u; u = u->next)
        if (u->reuseport && udp_match(u, proto, in, dport) == score && k-- == 0)
            break;
    return u;
}

struct udp_pcb *udp_lookup(struct z_stack *s, uint8_t proto, const struct udp_info *in, uint16_t dport)
{
    struct udp_pcb *best = NULL;
    uint32_t n_reuse = 0;
    int best_score = -1;

    for (struct udp_pcb *u = *udp_bucket(s, dport); u; u = u->next) {
        int score = udp_match(u, proto, in, dport);

        if (score > best_score) {
            best = u;
            best_score = score;
            n_reuse = u->reuseport;
        } else if (best && score == best_score && best->reuseport) {
            n_reuse += u->reuseport;
        }
    }
    return n_reuse > 1 ? udp_pick(s, proto, in, dport, best_score, n_reuse) : best;
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

void udp_deliver(struct z_stack *s, struct udp_pcb *u, const struct udp_info *in, struct rte_mbuf *m)
{
    uint32_t truesize = 0;

    for (struct rte_mbuf *seg = m; seg; seg = seg->next)
        truesize += udp_truesize(seg);
    if (u->rcv_shut || !udp_has_room(s, u, truesize) || (u->q_n == u->q_slots && !udp_queue_grow(s, u))) {
        pkt_drop(s, m, DROP_UDP_RCVBUF);
        return;
    }
    u->q[(u->q_head + u->q_n) & (u->q_slots - 1)] = (struct udp_dgram){.m = m, .truesize = truesize, .info = *in};
    u->q_n++;
    u->rcv_bytes += truesize;
    u->rcv_payload += m->pkt_len;
    s->udp.rcv_bytes += truesize;
    stack_count(s, u->proto == IPPROTO_UDP_ ? CTR_UDP_RX : CTR_ICMP_SOCK_RX);
    sock_on_readable(s, u->sk);
}

/* RFC 1122 4.1.3.3, RFC 1112 section 7.2 */
bool udp_deliver_group(struct z_stack *s, const struct udp_info *in, uint16_t dport, struct rte_mbuf *m)
{
    struct udp_pcb *last = NULL;

    for (struct udp_pcb *u = *udp_bucket(s, dport); u; u = u->next) {
        struct rte_mbuf *ref;

        if (udp_match(u, IPPROTO_UDP_, in, dport) < 0 || !udp_group_accepts(u, in))
            continue;
        if (last) {
            ref = udp_share(s, m);
            if (ref)
                udp_deliver(s, last, in, ref);
        }
        last = u;
    }
    if (last)
        udp_deliver(s, last, in, m);
    return last;
}

/*
 * No checksum: over IPv4 the sender's choice (RFC 768). IPv6 has no other one, so such a datagram is refused (RFC 8200 section 8.1; RFC
 * 6935's exception is for tunnels, whatever the device says of it), unless it never left this host.
 */
static bool udp_may_lack_cksum(const struct z_stack *s, const struct ip_in *in)
{
    return !in->v6 || (in->l4_cksum_good && ip_is_local(s, &in->src));
}

/* Length and checksum; the datagram without link padding, or NULL after a drop. */
static struct rte_mbuf *udp_check(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, struct udp_hdr *h)
{
    if (m->data_len < UDP_HLEN || !udp_parse(pkt_data(m), in->l4_len, h)) {
        pkt_drop(s, m, DROP_UDP_SHORT);
        return NULL;
    }
    if (unlikely(h->len < in->l4_len))
        m = pkt_trim_to(m, h->len);
    if (likely(h->has_cksum) ? in->l4_cksum_good : udp_may_lack_cksum(s, in))
        return m;
    if (h->has_cksum && cksum_finish(ip_cksum_chain(cksum_pseudo(&in->src, &in->dst, in->proto, h->len), m, h->len)) == 0)
        return m;
    pkt_drop(s, m, DROP_UDP_CKSUM);
    return NULL;
}

/* Another stack behind the same device has a socket on the port. */
static bool udp_hand_over(struct z_stack *s, const struct ip_in *in, const struct udp_hdr *h, struct rte_mbuf *m)
{
    int to = in->from_self || h->len != in->l4_len
                 ? -1
                 : steer_next(s->steer, s->member, STEER_UDP, &in->dst, &in->src, h->dport, h->sport);

    if (to < 0)
        return false;
    ip_hand_over(s, in, m, 0, (unsigned)to);
    return true;
}

void udp_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    struct udp_info info = {.src = in->src, .dst = in->dst, .ttl = in->ttl, .tos = in->tos, .ifindex = (uint8_t)(in->nif->index + 1)};
    struct udp_pcb *u;
    struct udp_hdr h;

    m = udp_check(s, in, m, &h);
    if (!m)
        return;
    info.sport = h.sport;
    if (unlikely(in->dst_group)) {
        pkt_pull(m, UDP_HLEN);
        if (!udp_deliver_group(s, &info, h.dport, m))
            pkt_drop(s, m, DROP_UDP_NO_PORT);
        return;
    }
    u = udp_lookup(s, IPPROTO_UDP_, &info, h.dport);
    if (!u) {
        if (s->steer && udp_hand_over(s, in, &h, m))
            return;
        icmp_port_unreachable(s, in, m); /* RFC 1122 4.1.3.1, RFC 4443 section 3.1 */
        pkt_drop(s, m, DROP_UDP_NO_PORT);
        return;
    }
    pkt_pull(m, UDP_HLEN);
    udp_deliver(s, u, &info, m);
}
