/*
 * A datagram by reference. Pieces that nobody else holds go as they are, the headers in the headroom of the first one; the bytes
 * of others are referred to by indirect mbufs. Nothing is kept: UDP has no retransmission.
 */
#include <errno.h>

#include "core/stack.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

/* Ethernet with a VLAN tag, IPv6 with a fragment header, UDP. */
#define UDP_HEADERS_BYTES (18u + 40u + 8u + 8u)

static bool udp_goes_as_it_is(struct rte_mbuf *m)
{
    return pkt_sole_owner(m);
}

/* References to the pieces that others hold too. 0, -ENOBUFS with nothing held. */
static int udp_share_pieces(struct z_stack *s, struct rte_mbuf *m, struct udp_sending *w)
{
    struct rte_mbuf **link = &w->shares;

    for (; m; m = m->next) {
        if (m->data_len == 0 || udp_goes_as_it_is(m))
            continue;
        *link = pkt_share(s, m, pkt_off(m), m->data_len);
        if (!*link) {
            pkt_unref_chain(w->shares);
            return -ENOBUFS;
        }
        link = &(*link)->next;
    }
    return 0;
}

int udp_send_ready(struct z_stack *s, struct udp_pcb *u, struct rte_mbuf *chain, int flags, const struct udp_dest *to,
                   struct udp_sending *w)
{
    size_t len = 0;
    int err;

    for (const struct rte_mbuf *m = chain; m; m = m->next)
        len += m->data_len;
    if (len > UINT16_MAX)
        return -EMSGSIZE;
    err = udp_send_prepare(s, u, (uint32_t)len, flags, to, w);
    if (!err)
        err = udp_share_pieces(s, chain, w);
    if (err)
        return err;
    if (chain->data_len && udp_goes_as_it_is(chain) && pkt_off(chain) >= UDP_HEADERS_BYTES)
        return 0;
    w->hdr = pkt_alloc_hdr(s);
    if (w->hdr)
        return 0;
    pkt_unref_chain(w->shares);
    return -ENOBUFS;
}

void udp_send_take(struct z_stack *s, struct udp_pcb *u, struct rte_mbuf *chain, struct udp_sending *w)
{
    struct rte_mbuf *head = w->hdr, **link = head ? &head->next : &head, *next;
    uint16_t segs = head ? 1 : 0;

    for (struct rte_mbuf *m = chain; m; m = next) {
        struct rte_mbuf *piece = m;

        next = m->next;
        m->next = NULL;
        if (m->data_len == 0) {
            pkt_unref(m);
            continue;
        }
        if (!udp_goes_as_it_is(m)) {
            piece = w->shares;
            w->shares = piece->next;
            piece->next = NULL;
            pkt_unref(m);
        }
        piece->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL; /* what was said of it when it was received */
        piece->tx_offload = 0;
        piece->nb_segs = 1;
        *link = piece;
        link = &piece->next;
        segs++;
    }
    head->nb_segs = segs;
    head->pkt_len = w->len;
    udp_output(s, u, w, head);
}
