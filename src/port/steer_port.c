/*
 * The ports of a steered device. Frames of one flow stay in order: they come in one device queue, and who polls that puts them in the
 * owner's queue; where a device queue is shared, the frames of whoever polls go through its own queue as well, behind what others have
 * put there before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>

#include "base/units.h"
#include "pkt/pkt.h"
#include "port/steer.h"
#include "port/steer_priv.h"
#include "wire/eth.h"
#include "wire/flow.h"

#define BURST 64u

/* Who polls or fills a device queue that several stacks share. Nobody waits for it: what cannot be done now is done next turn. */
struct turn {
    uint32_t taken; /* atomic */
} __rte_cache_aligned;

struct steer_dev {
    struct steer *g;
    uint16_t n_q;
    uint16_t open; /* atomic: steer ports */
    bool shared_q; /* fewer queue pairs than stacks */
    struct port *q[STEER_MAX];
    struct rte_ring *ring[STEER_MAX]; /* frames for each stack */
    struct turn rx[STEER_MAX], tx[STEER_MAX];
};

struct steer_port {
    struct port p; /* first */
    struct counters own_ctr;
    struct steer_dev *d;
    uint16_t me, q; /* stack, queue pair */
    struct rte_mempool *ind_pool;
};

static struct steer_port *steer_of(struct port *p)
{
    return (struct steer_port *)(void *)p;
}

static bool turn_take(struct turn *t)
{
    return __atomic_load_n(&t->taken, __ATOMIC_RELAXED) == 0 && __atomic_exchange_n(&t->taken, 1, __ATOMIC_ACQUIRE) == 0;
}

static void turn_give(struct turn *t)
{
    __atomic_store_n(&t->taken, 0, __ATOMIC_RELEASE);
}

/* What the queue does not take is lost, as in a device's. */
static void put(struct steer_port *sp, unsigned to, struct rte_mbuf **m, unsigned n)
{
    unsigned done = n == 0 ? 0 : rte_ring_mp_enqueue_burst(sp->d->ring[to], (void *const *)m, n, NULL);

    if (to != sp->me)
        sp->p.ctr->v[CTR_STEER_OUT] += done;
    if (unlikely(done < n)) {
        sp->p.ctr->v[DROP_STEER_FULL] += n - done;
        rte_pktmbuf_free_bulk(m + done, n - done);
    }
}

/* A reference for each of the other stacks. */
static void put_all(struct steer_port *sp, struct rte_mbuf *m)
{
    for (unsigned to = 0; to < sp->d->g->n; to++) {
        struct rte_mbuf *ref;

        if (to == sp->me || !steer_is_alive(sp->d->g, to))
            continue;
        ref = pkt_share_frame(sp->ind_pool, m);
        if (ref == NULL) {
            sp->p.ctr->v[CTR_NO_MBUF]++;
            return;
        }
        sp->p.ctr->v[CTR_STEER_ALL]++;
        put(sp, to, &ref, 1);
    }
}

static unsigned owner_of(struct steer_port *sp, struct rte_mbuf *m)
{
    uint8_t bytes[FLOW_LOOK_BYTES];
    uint32_t len = MIN(m->pkt_len, FLOW_LOOK_BYTES);
    struct flow f;

    flow_parse(rte_pktmbuf_read(m, 0, len, bytes), len, m->pkt_len, &f);
    m->l2_len = f.l2_len == ETH_HLEN_MAX ? ETH_HLEN_MAX : ETH_HLEN; /* for whoever hands the frame over later */
    switch (f.kind) {
    case FLOW_TUPLE:
        if (sp->d->q[0]->caps.rx_flow_hash && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 && !f.quoted)
            return steer_of_hash(sp->d->g, m->hash.rss);
        return steer_of_flow(sp->d->g, &f);
    case FLOW_PAIR:
        return steer_of_flow(sp->d->g, &f);
    case FLOW_ALL:
        put_all(sp, m);
        return sp->me;
    default:
        return sp->me;
    }
}

/* Frames of the device: neighbours with the same owner go together. Returns how many stay, at the front of the array. */
static uint16_t distribute(struct steer_port *sp, struct rte_mbuf **m, uint16_t n)
{
    unsigned run = 0, kept = 0, to = sp->me;

    for (unsigned i = 0; i <= n; i++) {
        unsigned next = i < n ? owner_of(sp, m[i]) : STEER_MAX;

        if (next == to)
            continue;
        if (to == sp->me && !sp->d->shared_q) {
            memmove(m + kept, m + run, sizeof(m[0]) * (i - run));
            kept += i - run;
        } else {
            put(sp, to, m + run, i - run);
        }
        run = i;
        to = next;
    }
    return (uint16_t)kept;
}

static uint16_t take_ring(struct steer_port *sp, struct rte_mbuf **m, uint16_t n)
{
    struct rte_ring *r = sp->d->ring[sp->me];

    return rte_ring_empty(r) ? 0 : (uint16_t)rte_ring_sc_dequeue_burst(r, (void **)m, n, NULL);
}

static uint16_t poll_device(struct steer_port *sp, struct rte_mbuf **m, uint16_t n)
{
    struct port *q = sp->d->q[sp->q];

    q->ctr = sp->p.ctr;
    return distribute(sp, m, q->ops->rx(q, m, n));
}

static uint16_t steer_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct steer_port *sp = steer_of(p);
    struct rte_mbuf *burst[BURST];
    uint16_t got;

    if (sp->d->shared_q) {
        if (turn_take(&sp->d->rx[sp->q])) {
            poll_device(sp, burst, BURST);
            turn_give(&sp->d->rx[sp->q]);
        }
        got = take_ring(sp, m, n);
        p->ctr->v[CTR_STEER_IN] += got;
        return got;
    }
    got = take_ring(sp, m, n);
    p->ctr->v[CTR_STEER_IN] += got;
    return got == n ? n : (uint16_t)(got + poll_device(sp, m + got, (uint16_t)(n - got)));
}

static uint16_t steer_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct steer_port *sp = steer_of(p);
    struct port *q = sp->d->q[sp->q];
    uint16_t sent;

    if (sp->d->shared_q && !turn_take(&sp->d->tx[sp->q]))
        return 0;
    q->ctr = p->ctr;
    sent = q->ops->tx(q, m, n);
    if (sp->d->shared_q)
        turn_give(&sp->d->tx[sp->q]);
    return sent;
}

static void steer_hand_over(struct port *p, unsigned to, struct rte_mbuf *m)
{
    p->ctr->v[CTR_STEER_HANDED]++;
    put(steer_of(p), to, &m, 1);
}

static void steer_reclaim(struct port *p)
{
    struct steer_port *sp = steer_of(p);

    if (!sp->d->shared_q)
        sp->d->q[sp->q]->ops->reclaim(sp->d->q[sp->q]);
}

static bool steer_link_up(struct port *p)
{
    struct port *q = steer_of(p)->d->q[0];

    return q->ops->link_up(q);
}

/* The device counts for all queues: the first stack tells. */
static uint64_t steer_missed(struct port *p)
{
    struct port *q = steer_of(p)->d->q[0];

    return steer_of(p)->me == 0 && q->ops->missed != NULL ? q->ops->missed(q) : 0;
}

static int steer_dma_map(struct port *p, void *addr, uint64_t iova, size_t len)
{
    struct port *q = steer_of(p)->d->q[0];

    return q->ops->dma_map != NULL ? q->ops->dma_map(q, addr, iova, len) : -ENOTSUP;
}

static void drain_ring(struct rte_ring *r)
{
    void *m;

    while (rte_ring_sc_dequeue(r, &m) == 0)
        rte_pktmbuf_free(m);
}

static void dev_free(struct steer_dev *d)
{
    for (unsigned i = 0; i < d->n_q; i++)
        port_close(d->q[i]);
    for (unsigned i = 0; i < d->g->n; i++) {
        if (d->ring[i] != NULL)
            drain_ring(d->ring[i]);
        rte_ring_free(d->ring[i]);
    }
    free(d);
}

static void steer_close(struct port *p)
{
    struct steer_port *sp = steer_of(p);

    drain_ring(sp->d->ring[sp->me]);
    if (__atomic_sub_fetch(&sp->d->open, 1, __ATOMIC_ACQ_REL) == 0)
        dev_free(sp->d);
    free(sp);
}

static const struct port_ops steer_ops = {
    .rx = steer_rx,
    .tx = steer_tx,
    .hand_over = steer_hand_over,
    .reclaim = steer_reclaim,
    .link_up = steer_link_up,
    .missed = steer_missed,
    .dma_map = steer_dma_map,
    .close = steer_close,
};

struct steer_dev *steer_dev_create(struct steer *g, const char *name, struct port *const q[], unsigned n_q, uint32_t queue_frames)
{
    struct steer_dev *d;
    void *mem;

    if (posix_memalign(&mem, RTE_CACHE_LINE_SIZE, sizeof(*d)) != 0)
        return NULL;
    d = mem;
    memset(d, 0, sizeof(*d));
    d->g = g;
    d->shared_q = n_q < g->n;
    for (unsigned i = 0; i < g->n; i++) {
        char ring[RTE_RING_NAMESIZE];

        snprintf(ring, sizeof(ring), "%s_rx%u", name, i);
        d->ring[i] = rte_ring_create(ring, queue_frames, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
        if (d->ring[i] == NULL) {
            dev_free(d); /* has no queue pairs yet: they are still the caller's */
            return NULL;
        }
    }
    d->n_q = (uint16_t)n_q;
    memcpy(d->q, q, sizeof(q[0]) * n_q);
    return d;
}

struct port *steer_port_open(struct steer_dev *d, unsigned member, struct rte_mempool *ind_pool)
{
    struct steer_port *sp = calloc(1, sizeof(*sp));
    const struct port *q = d->q[0];

    if (sp == NULL)
        return NULL;
    sp->p = *q;
    sp->p.ops = &steer_ops;
    sp->p.caps.rx_event = false; /* frames come from other stacks too */
    sp->p.ctr = &sp->own_ctr;
    sp->d = d;
    sp->me = (uint16_t)member;
    sp->q = (uint16_t)(member % d->n_q);
    sp->ind_pool = ind_pool;
    __atomic_add_fetch(&d->open, 1, __ATOMIC_RELAXED);
    return &sp->p;
}
