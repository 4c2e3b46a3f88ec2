#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "link/neigh.h"
#include "link/resolve.h"
#include "wire/cksum.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

#include "base/poison.h"

/*
 * The transport checksum that a port would have filled in: no port can, over several frames. The sum is that of the whole packet,
 * whose pseudo-header has the whole length.
 */
static void fill_cksum(const struct ip_out *o, struct rte_mbuf *m)
{
    bool udp = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    uint8_t *field = pkt_data(m) + (udp ? UDP_CKSUM_OFFSET : TCP_CKSUM_OFFSET);
    uint16_t sum = 0;

    if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == 0)
        return;
    memcpy(field, &sum, sizeof(sum));
    sum = cksum_finish(ip_cksum_chain(cksum_pseudo(&o->src, &o->dst, o->proto, m->pkt_len), m, m->pkt_len));
    if (udp && sum == 0)
        sum = 0xffff; /* RFC 768: zero means that there is none */
    memcpy(field, &sum, sizeof(sum));
    m->ol_flags &= ~RTE_MBUF_F_TX_L4_MASK;
}

/* Where the next fragment begins in a chain. */
struct cursor {
    struct rte_mbuf *seg;
    uint32_t off;
};

/* A frame with references to the next n bytes, behind an empty header mbuf. NULL when buffers are short. */
static struct rte_mbuf *cut(struct z_stack *s, struct cursor *at, uint32_t n)
{
    struct rte_mbuf *head = pkt_alloc_hdr(s), *tail = head;

    for (uint32_t take; head && n; n -= take) {
        if (at->off == at->seg->data_len) {
            at->seg = at->seg->next;
            at->off = 0;
            take = 0;
            continue;
        }
        take = MIN(n, at->seg->data_len - at->off);
        tail->next = pkt_share(s, at->seg, pkt_off(at->seg) + at->off, take);
        if (!tail->next) {
            pkt_unref_chain(head);
            return NULL;
        }
        tail = tail->next;
        head->nb_segs++;
        head->pkt_len += take;
        at->off += take;
    }
    return head;
}

static void send_frame(struct z_stack *s, struct ip_path *path, const struct ip_out *o, const struct ip_frag *f, struct rte_mbuf *m)
{
    struct ip_out of = *o;

    of.more = f->mf;
    stack_count(s, CTR_FRAG_TX);
    if (inaddr_is_v4(&o->dst)) {
        ip_output_fragment(s, path, &of, f, m);
        return;
    }
    ipv6_frag_build(pkt_push(m, IPV6_FRAG_HLEN), o->proto, f->off, f->mf, f->id);
    of.proto = IPPROTO_FRAGMENT_;
    ip6_output(s, path, &of, m);
}

/* Can the frames leave together, or wait together for the link address of the next hop? 0 or the reason for a drop. */
static enum ctr has_room(struct z_stack *s, const struct ip_path *path, unsigned frames)
{
    if (path->local)
        return 0;
    if (txq_room(&path->nif->txq) < frames)
        return DROP_TXQ_FULL;
    if (ip_is_group(s, &path->next_hop) || neigh_is_fresh(path->neigh, path->neigh_serial, s->now_ns))
        return 0;
    return neigh_make_room(s, path->nif, &path->next_hop, frames) ? 0 : DROP_NEIGH_QUEUE;
}

/* All frames are made before the first one leaves: a part of a datagram is of no use to anybody. */
void ip_frag_output(struct z_stack *s, struct ip_path *path, const struct ip_out *o, struct rte_mbuf *m)
{
    bool v4 = inaddr_is_v4(&o->dst);
    uint32_t room = (path->mtu - (v4 ? IPV4_HLEN : IPV6_HLEN + IPV6_FRAG_HLEN)) & ~7u, total = m->pkt_len, n = 0;
    enum ctr why;
    struct rte_mbuf *frame[FRAG_OUT_MAX];
    struct cursor at = {.seg = m};
    struct ip_frag f = {0};

    if (total + (v4 ? IPV4_HLEN : 0) > UINT16_MAX || total > room * FRAG_OUT_MAX) {
        pkt_drop(s, m, DROP_IP_TOO_BIG);
        return;
    }
    why = has_room(s, path, (total + room - 1) / room);
    if (why) {
        pkt_drop(s, m, why);
        return;
    }
    fill_cksum(o, m);
    for (uint32_t off = 0; off < total; off += room) {
        frame[n] = cut(s, &at, MIN(room, total - off));
        if (!frame[n]) {
            while (n)
                pkt_unref_chain(frame[--n]);
            pkt_drop(s, m, DROP_NO_MBUF);
            return;
        }
        n++;
    }
    pkt_unref_chain(m);
    stack_count(s, CTR_FRAG_TX_DATAGRAMS);
    f.id = ip_frag_id(s, &o->src, &o->dst, o->proto);
    for (uint32_t i = 0; i < n; i++) {
        f.mf = i + 1 < n;
        send_frame(s, path, o, &f, frame[i]);
        f.off += room;
    }
}
