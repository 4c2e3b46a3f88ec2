#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_frag.h"
#include "ip/ip_state.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_hdr.h"

#include "base/poison.h"

#define IPV6_LEN_OFFSET 4u
#define FRAG_OFFSET_OFFSET 2u /* in a fragment header */
#define IPV4_LEN_OFFSET 2u
#define IPV4_FRAG_OFFSET 6u
#define IPV4_CKSUM_OFFSET 10u
#define ECN_MASK 3u
#define ECN_NOT_ECT 0u
#define ECN_CE 3u

/* Of the whole packet, of IPv6 but for the fixed header and the fragment header, which goes. */
static uint32_t packet_bytes(const struct ip_in *in, uint32_t payload)
{
    return payload + in->ip_hlen - (!in->v6 ? 0 : IPV6_HLEN + IPV6_FRAG_HLEN);
}

static void time_exceeded(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    if (in->v6)
        icmp6_error(s, in, m, ICMP6_TIME_EXCEEDED, ICMP6_TIME_REASSEMBLY, 0);
    else
        icmp_error(s, in, m, ICMP_TIME_EXCEEDED, ICMP_TIME_EXCEEDED_REASS);
}

/* RFC 8200 section 4.5: the sender of an IPv6 fragment is told what is wrong with it, by a pointer into the header. */
static void complain(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, enum ctr why)
{
    if (why == DROP_FRAG_BAD && in->l4_len != 0)
        icmp6_error(s, in, m, ICMP6_PARAM_PROBLEM, ICMP6_PARAM_FIELD, IPV6_LEN_OFFSET);
    else if (why == DROP_FRAG_TOO_BIG)
        icmp6_error(s, in, m, ICMP6_PARAM_PROBLEM, ICMP6_PARAM_FIELD, in->ip_hlen - IPV6_FRAG_HLEN + FRAG_OFFSET_OFFSET);
}

/*
 * A datagram that will never be whole. Its sender is told when that is for want of time and the beginning is there (RFC 792, RFC 1122
 * 3.3.2, RFC 8200 section 4.5).
 */
static void give_up(struct z_stack *s, struct frag_dgram *d, enum ctr why)
{
    struct frag_table *t = &s->ip->reass;
    struct rte_mbuf *m;

    if (d->n)
        stack_count(s, CTR_FRAG_GIVEN_UP);
    if (why == DROP_FRAG_TIMEOUT && d->n && d->piece[0].off == 0)
        time_exceeded(s, &d->first, d->piece[0].m);
    while ((m = frag_pop(t, d)))
        pkt_drop(s, m, why);
}

static void give_up_all(struct z_stack *s, struct frag_dgram *d, enum ctr why)
{
    give_up(s, d, why);
    frag_free(&s->ip->reass, d);
}

static void arm(struct z_stack *s)
{
    wheel_arm(&s->wheel, &s->ip->frag_timer, frag_deadline_ns(&s->ip->reass));
}

void ip_frag_timer(struct z_stack *s, struct wheel_node *w)
{
    struct frag_dgram *d;

    (void)w;
    while ((d = frag_expired(&s->ip->reass, s->now_ns)))
        give_up_all(s, d, DROP_FRAG_TIMEOUT);
    arm(s);
}

/* What is wrong with a fragment seen alone; 0 when nothing is. */
static enum ctr check(const struct ip_in *in, const struct ip_frag *f)
{
    uint32_t hdr = in->proto == IPPROTO_TCP_ ? TCP_HLEN : ICMP_HLEN; /* UDP's is as long as ICMP's */

    if (in->l4_len == 0 || (f->mf && in->l4_len % 8 != 0))
        return DROP_FRAG_BAD;
    if (packet_bytes(in, f->off + in->l4_len) > UINT16_MAX)
        return DROP_FRAG_TOO_BIG;
    /* every link carries more (RFC 791: 68 bytes): nobody but an attacker cuts so (RFC 1858, RFC 3128) */
    if (!in->v6 && (f->off ? f->off : in->l4_len) < hdr)
        return DROP_FRAG_TINY;
    return 0;
}

static bool has_room(const struct z_stack *s, uint32_t truesize, bool create)
{
    const struct frag_table *t = &s->ip->reass;

    return frag_has_room(t, truesize, create) &&
           s->udp.rcv_bytes + s->tcp.rcv_charged_bytes + t->bytes + truesize <= s->conf.rcv_limit_bytes;
}

/* Makes room, by giving up the oldest ones but for d. */
static bool make_room(struct z_stack *s, const struct frag_dgram *d, uint32_t truesize)
{
    struct frag_dgram *old;

    while (!has_room(s, truesize, d == NULL)) {
        old = frag_oldest(&s->ip->reass, d);
        if (!old)
            return false;
        give_up_all(s, old, DROP_FRAG_EVICTED);
    }
    return true;
}

/* The datagram of a fragment, with room for it. NULL when there is none to be had. */
static struct frag_dgram *dgram_of(struct z_stack *s, const struct ip_in *in, uint32_t id, const struct rte_mbuf *m)
{
    const struct frag_key k = {.src = in->src, .dst = in->dst, .id = id, .proto = in->v6 ? 0 : in->proto};
    struct frag_dgram *d = frag_find(&s->ip->reass, &k);

    if (d && d->dead)
        return d;
    if (!make_room(s, d, frag_truesize(m)))
        return NULL;
    if (!d && (d = frag_new(&s->ip->reass, &k, s->now_ns)))
        arm(s);
    return d;
}

/* The header that stands in front of the whole payload speaks of the whole. */
static void rewrite_header(struct rte_mbuf *m, const struct ip_in *in)
{
    uint8_t *ip = pkt_data(m) - in->ip_hlen;
    uint16_t sum;

    if (in->v6) {
        /* by the fragment header, which stays, it may be too long for the field: the header is only quoted from here on */
        put16(ip + IPV6_LEN_OFFSET, (uint16_t)MIN(in->ip_hlen - IPV6_HLEN + in->l4_len, (uint32_t)UINT16_MAX));
        put16(pkt_data(m) - IPV6_FRAG_HLEN + FRAG_OFFSET_OFFSET, 0); /* an atomic fragment */
        return;
    }
    put16(ip + IPV4_LEN_OFFSET, (uint16_t)(in->ip_hlen + in->l4_len));
    put16(ip + IPV4_FRAG_OFFSET, 0);
    put16(ip + IPV4_CKSUM_OFFSET, 0);
    sum = cksum_finish(cksum_add(0, ip, in->ip_hlen));
    memcpy(ip + IPV4_CKSUM_OFFSET, &sum, sizeof(sum));
}

/*
 * Headers that may not be written, because they stand in memory of others (a port that receives into it), get a buffer of their own with
 * room for those of the transport; the payload stays where it is. NULL after a drop.
 */
static struct rte_mbuf *own_headers(struct z_stack *s, struct rte_mbuf *m, const struct ip_in *in)
{
    struct rte_mbuf *h;

    if (likely(pkt_sole_owner(m)))
        return m;
    h = pkt_alloc_app(s, in->ip_hlen + TCP_HLEN_MAX);
    if (!h) {
        pkt_drop(s, m, DROP_NO_MBUF);
        return NULL;
    }
    memcpy(pkt_data(h), pkt_data(m) - in->ip_hlen, in->ip_hlen);
    h->data_off = (uint16_t)(h->data_off + in->ip_hlen);
    h->pkt_len = m->pkt_len;
    h->nb_segs = (uint16_t)(m->nb_segs + 1);
    h->next = m;
    return h;
}

static struct rte_mbuf *complete(struct z_stack *s, struct ip_in *in, struct frag_dgram *d)
{
    uint8_t ecn = d->ecn;
    struct rte_mbuf *m;

    *in = d->first;
    m = frag_take(&s->ip->reass, d);
    arm(s);
    in->l4_len = m->pkt_len;
    in->l4_cksum_good = false;
    in->fragmented = true;
    if (packet_bytes(in, m->pkt_len) > UINT16_MAX) { /* the first header is longer than the others */
        pkt_drop(s, m, DROP_FRAG_TOO_BIG);
        return NULL;
    }
    if ((ecn & (1u << ECN_CE)) && (ecn & (1u << ECN_NOT_ECT))) {
        pkt_drop(s, m, DROP_FRAG_ECN);
        return NULL;
    }
    if (ecn & (1u << ECN_CE))
        in->tos |= ECN_CE;
    m = own_headers(s, m, in);
    if (!m)
        return NULL;
    rewrite_header(m, in);
    m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK);
    stack_count(s, CTR_FRAG_REASSEMBLED);
    return m;
}

struct rte_mbuf *ip_frag_input(struct z_stack *s, struct ip_in *in, const struct ip_frag *f, struct rte_mbuf *m)
{
    enum ctr why = check(in, f);
    struct frag_dgram *d;

    stack_count(s, CTR_FRAG_RX);
    if (why) {
        if (in->v6)
            complain(s, in, m, why);
        pkt_drop(s, m, why);
        return NULL;
    }
    d = dgram_of(s, in, f->id, m);
    if (!d || d->dead) {
        pkt_drop(s, m, d ? DROP_FRAG_OVERLAP : DROP_FRAG_EVICTED);
        return NULL;
    }
    switch (frag_add(&s->ip->reass, d, f->off, in->l4_len, f->mf, m)) {
    case FRAG_DUPLICATE: /* the network may repeat (RFC 5722 section 4 allows to ignore it) */
        pkt_drop(s, m, DROP_FRAG_DUP);
        return NULL;
    case FRAG_OVERLAP: /* and what comes later of it is refused too, until its time is over */
        pkt_drop(s, m, DROP_FRAG_OVERLAP);
        give_up(s, d, DROP_FRAG_OVERLAP);
        d->dead = true;
        return NULL;
    case FRAG_MANY:
        pkt_drop(s, m, DROP_FRAG_MANY);
        give_up(s, d, DROP_FRAG_MANY);
        d->dead = true;
        return NULL;
    case FRAG_NOMEM:
        pkt_drop(s, m, DROP_FRAG_EVICTED);
        return NULL;
    case FRAG_KEPT:
    case FRAG_COMPLETE:
        break;
    }
    if (f->off == 0)
        d->first = *in;
    d->ecn |= (uint8_t)(1u << (in->tos & ECN_MASK));
    return d->bytes == d->total ? complete(s, in, d) : NULL;
}
