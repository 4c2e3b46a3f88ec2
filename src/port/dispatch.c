#include "port/dispatch.h"

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/port.h"
#include "wire/eth.h"

static void drop(struct port *p, struct rte_mbuf *m, enum ctr reason)
{
    p->ctr->v[reason]++;
    p->dispatch.gone++;
    pkt_unref_chain(m);
}

void dispatch_drop_bad(struct port *p, struct rte_mbuf *m)
{
    drop(p, m, DROP_DISPATCH_BAD);
}

static void answered(struct port *p)
{
    p->ctr->v[CTR_DISPATCH_ANSWERED]++;
    p->dispatch.gone++;
}

/* Only the first buffer is shown, so only that must be ours. */
static bool is_fit(struct rte_mbuf *m)
{
    return pkt_sole_owner(m) && (uint32_t)(m->buf_len - m->data_off) >= DISPATCH_ROOM_BYTES &&
           (m->next == NULL || m->data_len >= MIN(m->pkt_len, DISPATCH_LOOK_BYTES));
}

/* The frame in buffers of our own, its headers together; NULL: dropped. */
static struct rte_mbuf *copy_of(struct port *p, struct rte_mbuf *m)
{
    struct rte_mbuf *c = p->dispatch.pool != NULL ? rte_pktmbuf_copy(m, p->dispatch.pool, 0, UINT32_MAX) : NULL;

    if (c == NULL) {
        p->ctr->v[CTR_NO_MBUF]++;
        drop(p, m, DROP_NO_MBUF);
        return NULL;
    }
    *pkt_meta(c) = (struct pkt_meta){0}; /* the copy has m's */
    p->ctr->v[CTR_COPY_WRITABLE] += m->pkt_len;
    pkt_unref_chain(m);
    return c;
}

/* The device has taken the tag off: it goes back in. False: no room. */
static bool put_tag(struct rte_mbuf *m)
{
    struct eth_hdr h;

    if (!eth_parse(pkt_data(m), m->data_len, &h) || rte_pktmbuf_headroom(m) < VLAN_HLEN)
        return false;
    eth_build_vlan(pkt_push(m, VLAN_HLEN), &h, m->vlan_tci);
    return true;
}

/* The first len bytes go back. */
static void answer(struct port *p, struct rte_mbuf *m, uint16_t len)
{
    bool stripped = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;

    if (len < ETH_HLEN || len > m->buf_len - m->data_off || len > p->mtu + (stripped ? ETH_HLEN : ETH_HLEN_MAX)) {
        drop(p, m, DROP_DISPATCH_BAD);
        return;
    }
    pkt_unref_chain(m->next);
    m->next = NULL;
    m->nb_segs = 1;
    m->data_len = len;
    m->pkt_len = len;
    m->ol_flags = 0;
    m->tx_offload = 0;
    pkt_meta(m)->flags = 0;
    if (stripped && !put_tag(m))
        drop(p, m, DROP_DISPATCH_BAD);
    else if (!txq_put(p->dispatch.answers, m))
        drop(p, m, DROP_TXQ_FULL);
    else
        answered(p);
}

int dispatch_frame(struct port *p, dispatch_ask *ask, struct rte_mbuf **slot, unsigned queue, unsigned n)
{
    struct rte_mbuf *m = likely(is_fit(*slot)) ? *slot : copy_of(p, *slot);
    struct dispatch_about about = {.queue = (uint16_t)queue, .n_queues = (uint16_t)n};
    uint16_t len;
    int to;

    if (m == NULL)
        return -1;
    if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
        about.vlan_stripped = true;
        about.vlan_tci = m->vlan_tci;
    }
    len = m->data_len;
    to = ask(pkt_data(m), &len, &about);
    *slot = m;
    if (to >= 0 && (unsigned)to < n)
        return to;
    if (to == DISPATCH_ANSWER)
        answer(p, m, len);
    else
        drop(p, m, to == DISPATCH_DROP ? DROP_DISPATCHED : DROP_DISPATCH_BAD);
    return -1;
}

uint16_t dispatch_alone(struct port *p, dispatch_ask *ask, struct rte_mbuf **m, uint16_t n)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *frame = m[i];

        if (dispatch_frame(p, ask, &frame, 0, 1) == 0)
            m[kept++] = frame;
    }
    return kept;
}
