#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/mem.h"

#define RING_FRAMES 1024u
#define RX_GOOD (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

struct join_port {
    struct port p; /* first */
    struct counters own_ctr;
    struct join_port *peer; /* NULL once it is closed */
    struct rte_mempool *ind_pool, *hdr_pool, *copy_pool;
    uint32_t head, tail, mask; /* frames that wait to be received */
    struct rte_mbuf **ring;
};

static struct join_port *join_of(struct port *p)
{
    return (struct join_port *)(void *)p;
}

static void attach_segment(struct rte_mbuf *mi, struct rte_mbuf *seg)
{
    rte_pktmbuf_attach(mi, seg);
    memset(pkt_meta(mi), 0, sizeof(struct pkt_meta)); /* the attach copied the sender's */
    mi->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    mi->tx_offload = 0;
    mi->vlan_tci = 0;
}

static struct rte_mbuf *finish(struct rte_mbuf *head, uint16_t n_segs, const struct rte_mbuf *m)
{
    head->nb_segs = n_segs;
    head->pkt_len = m->pkt_len;
    head->ol_flags |= RX_GOOD;
    if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) { /* not cut, as between virtual machines */
        head->ol_flags |= RTE_MBUF_F_RX_LRO;
        head->tso_segsz = m->tso_segsz;
    }
    return head;
}

/* The frame as mbufs of the receiver; NULL when it has too few. */
static struct rte_mbuf *by_reference(const struct join_port *to, struct rte_mbuf *m)
{
    struct rte_mbuf *mi[PORT_MEM_MAX_SEGS];
    uint16_t n = m->nb_segs, i = 0;

    if (n > PORT_MEM_MAX_SEGS || rte_pktmbuf_alloc_bulk(to->ind_pool, mi, n) != 0)
        return NULL;
    for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next, i++) {
        attach_segment(mi[i], seg);
        if (i > 0)
            mi[i - 1]->next = mi[i];
    }
    return finish(mi[0], n, m);
}

/* The same with the headers in a buffer of the receiver's. */
static struct rte_mbuf *headers_apart(const struct join_port *to, struct rte_mbuf *m)
{
    uint32_t hdrs = (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
    struct rte_mbuf *head = rte_pktmbuf_alloc(to->hdr_pool), *tail = head;
    uint16_t n = 1;

    if (head == NULL)
        return NULL;
    memcpy(rte_pktmbuf_append(head, (uint16_t)hdrs), rte_pktmbuf_mtod(m, const void *), hdrs);
    for (struct rte_mbuf *seg = m; seg != NULL; seg = seg->next) {
        uint32_t skip = seg == m ? hdrs : 0;

        if (seg->data_len == skip)
            continue;
        tail->next = rte_pktmbuf_alloc(to->ind_pool);
        if (tail->next == NULL) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        tail = tail->next;
        attach_segment(tail, seg);
        rte_pktmbuf_adj(tail, (uint16_t)skip);
        n++;
    }
    return finish(head, n, m);
}

/* The frame's bytes in a buffer of the receiver's, and nothing else of it. */
static struct rte_mbuf *copied(const struct join_port *to, const struct rte_mbuf *m)
{
    struct rte_mbuf *c = rte_pktmbuf_alloc(to->copy_pool);

    if (c == NULL)
        return NULL;
    for (; m != NULL; m = m->next) {
        char *at = rte_pktmbuf_append(c, m->data_len);

        if (at == NULL) { /* longer than the device takes */
            rte_pktmbuf_free(c);
            return NULL;
        }
        memcpy(at, rte_pktmbuf_mtod(m, const void *), m->data_len);
    }
    return c;
}

static struct rte_mbuf *pass(const struct join_port *to, struct rte_mbuf *m)
{
    if (to->copy_pool != NULL)
        return copied(to, m);
    return to->hdr_pool != NULL && m->l4_len != 0 ? headers_apart(to, m) : by_reference(to, m);
}

static uint16_t join_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct join_port *peer = join_of(p)->peer;
    uint16_t i;

    if (peer == NULL) {
        rte_pktmbuf_free_bulk(m, n); /* an unplugged cable */
        return n;
    }
    for (i = 0; i < n && peer->tail - peer->head <= peer->mask; i++) {
        struct rte_mbuf *got = pass(peer, m[i]);

        if (got == NULL)
            break;
        peer->ring[peer->tail++ & peer->mask] = got;
        rte_pktmbuf_free(m[i]);
    }
    return i;
}

static uint16_t join_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct join_port *j = join_of(p);
    uint16_t i;

    for (i = 0; i < n && j->head != j->tail; i++)
        m[i] = j->ring[j->head++ & j->mask];
    return i;
}

static void join_reclaim(struct port *p)
{
    (void)p; /* sent frames are given back at once */
}

static bool join_link_up(struct port *p)
{
    return join_of(p)->peer != NULL;
}

static uint64_t join_missed(struct port *p)
{
    (void)p;
    return 0;
}

static void join_close(struct port *p)
{
    struct join_port *j = join_of(p);

    while (j->head != j->tail)
        rte_pktmbuf_free(j->ring[j->head++ & j->mask]);
    if (j->peer != NULL)
        j->peer->peer = NULL;
    free(j->ring);
    free(j);
}

static const struct port_ops join_ops = {
    .rx = join_rx,
    .tx = join_tx,
    .reclaim = join_reclaim,
    .link_up = join_link_up,
    .missed = join_missed,
    .close = join_close,
};

static struct join_port *join_new(const struct port_mem_join_conf *c, int side)
{
    struct join_port *j = calloc(1, sizeof(*j));
    uint32_t slots = rte_align32pow2(c->ring != 0 ? c->ring : RING_FRAMES);
    bool offloads = c->copy_pool[side] == NULL;

    if (j == NULL || (j->ring = calloc(slots, sizeof(j->ring[0]))) == NULL) {
        free(j);
        return NULL;
    }
    j->mask = slots - 1;
    j->ind_pool = c->ind_pool[side];
    j->hdr_pool = c->hdr_pool[side];
    j->copy_pool = c->copy_pool[side];
    j->p.ops = &join_ops;
    j->p.caps = (struct port_caps){.tx_chains = c->linear_pool[side] == NULL,
                                   .tx_external = true,
                                   .tx_indirect = true,
                                   .tx_ip_cksum = offloads,
                                   .tx_tcp_cksum = offloads,
                                   .tx_udp_cksum = offloads,
                                   .tx_tso = c->tso,
                                   .rx_cksum = offloads,
                                   .rx_lro = c->tso,
                                   .tso_max_segs = PORT_MEM_MAX_SEGS,
                                   .tso_max_bytes = PKT_BUF_MAX,
                                   .tx_max_segs = PORT_MEM_MAX_SEGS,
                                   .max_mtu = UINT16_MAX - 18};
    j->p.mtu = c->mtu;
    j->p.linear_pool = c->linear_pool[side];
    j->p.ctr = &j->own_ctr;
    memcpy(j->p.mac, c->mac[side], sizeof(j->p.mac));
    snprintf(j->p.name, sizeof(j->p.name), "join%d", side);
    return j;
}

int port_mem_join(const struct port_mem_join_conf *c, struct port *p[2])
{
    struct join_port *a = join_new(c, 0), *b = join_new(c, 1);

    if (a == NULL || b == NULL) {
        if (a != NULL)
            join_close(&a->p);
        if (b != NULL)
            join_close(&b->p);
        return -ENOMEM;
    }
    a->peer = b;
    b->peer = a;
    p[0] = &a->p;
    p[1] = &b->p;
    return 0;
}
