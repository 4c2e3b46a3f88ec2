/*
 * The ports of a steered device. Frames of one flow stay in order: they come in one device queue, and who polls that puts them in the
 * owner's queue; where threads share a device queue, the frames of whoever polls go through its own queue as well, behind what others have
 * put there before. Of processes the first polls what others cannot: a device that serves one process only, the queue of one that is not
 * there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_memzone.h>
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

/* What is the same for all stacks of the device, in memory that other processes see too. */
struct steer_lines {
    const struct rte_memzone *zone;
    uint16_t n_q;
    uint16_t open;                             /* atomic: steer ports. Of processes that died some are left over */
    struct port face;                          /* the device, without what is of its process */
    uint16_t poller[STEER_MAX];                /* atomic: of processes, which one polls a queue */
    struct rte_ring *in[STEER_MAX][STEER_MAX]; /* received frames [for a stack][from whom, or one for all] */
    struct rte_ring *out[STEER_MAX];           /* frames of a process without a queue, which the first sends; NULL: it has one */
};

/* The device in this process. */
struct steer_dev {
    struct steer *g;
    struct steer_lines *lines;
    uint16_t open; /* atomic: steer ports here */
    bool shared_q; /* threads: fewer queue pairs than stacks */
    struct port *q[STEER_MAX];
    struct turn rx[STEER_MAX], tx[STEER_MAX];
};

/* Frames on their way from the queue of another process to the device. */
struct relay {
    uint16_t n;
    struct rte_mbuf *m[BURST];
};

struct steer_port {
    struct port p; /* first */
    struct counters own_ctr;
    struct steer_dev *d;
    uint16_t me, q; /* stack, queue pair */
    bool has_q;
    struct rte_mempool *ind_pool;
    struct relay *relay; /* of the first process: for each other one */
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
    struct rte_ring *r = sp->d->lines->in[to][steer_lane(sp->d->g, sp->me)];
    unsigned done = n == 0 ? 0 : rte_ring_enqueue_burst(r, (void *const *)m, n, NULL);

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

static inline void look_at(struct rte_mbuf *m, struct flow *f)
{
    uint8_t bytes[FLOW_LOOK_BYTES];
    uint32_t len = MIN(m->pkt_len, FLOW_LOOK_BYTES);

    flow_parse(rte_pktmbuf_read(m, 0, len, bytes), len, m->pkt_len, f);
    m->l2_len = f->l2_len == ETH_HLEN_MAX ? ETH_HLEN_MAX : ETH_HLEN; /* for whoever hands the frame over later */
}

/* The home of a frame of one flow; of others the stack that polls. */
static inline unsigned home_of(const struct steer_port *sp, const struct rte_mbuf *m, const struct flow *f)
{
    switch (f->kind) {
    case FLOW_TUPLE:
        if (sp->p.caps.rx_flow_hash && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 && !f->quoted)
            return steer_of_hash(sp->d->g, m->hash.rss);
        return steer_of_flow(sp->d->g, f);
    case FLOW_PAIR:
        return steer_of_flow(sp->d->g, f);
    default:
        return sp->me;
    }
}

static unsigned owner_of(struct steer_port *sp, struct rte_mbuf *m)
{
    struct flow f;

    look_at(m, &f);
    if (unlikely(f.kind == FLOW_ALL))
        put_all(sp, m);
    return home_of(sp, m, &f);
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

/* The stack that the application names for a frame of the device, which is the home unless it decides otherwise; -1: it is gone. */
static int named_owner(struct steer_port *sp, dispatch_ask *ask, struct rte_mbuf **m)
{
    uint32_t bytes = (*m)->pkt_len;
    struct flow f;
    int to;

    look_at(*m, &f);
    to = dispatch_frame(&sp->p, ask, m, home_of(sp, *m, &f), sp->d->g->n);
    if (to >= 0 && !steer_is_alive(sp->d->g, (unsigned)to)) {
        dispatch_drop_bad(&sp->p, *m);
        to = -1;
    }
    if (to < 0) { /* nobody else will count it */
        sp->p.ctr->v[CTR_RX_PACKETS]++;
        sp->p.ctr->v[CTR_RX_BYTES] += bytes;
        return -1;
    }
    look_at(*m, &f); /* it may have been rewritten */
    if (f.kind != FLOW_ALL)
        return to;
    put_all(sp, *m);
    return sp->me;
}

/* The same as distribute() where the application is asked. */
static uint16_t dispatch(struct steer_port *sp, dispatch_ask *ask, struct rte_mbuf **m, uint16_t n)
{
    uint16_t kept = 0;

    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *frame = m[i];
        int to = named_owner(sp, ask, &frame);

        if (to == sp->me && !sp->d->shared_q)
            m[kept++] = frame;
        else if (to >= 0)
            put(sp, (unsigned)to, &frame, 1);
    }
    return kept;
}

static uint16_t take_rings(struct steer_port *sp, struct rte_mbuf **m, uint16_t n)
{
    struct rte_ring *const *in = sp->d->lines->in[sp->me];
    uint16_t got = 0;

    for (unsigned i = 0; i < sp->d->g->lanes && got < n; i++)
        if (!rte_ring_empty(in[i]))
            got = (uint16_t)(got + rte_ring_sc_dequeue_burst(in[i], (void **)m + got, (unsigned)(n - got), NULL));
    sp->p.ctr->v[CTR_STEER_IN] += got;
    return got;
}

static uint16_t poll_queue(struct steer_port *sp, unsigned queue, struct rte_mbuf **m, uint16_t n)
{
    dispatch_ask *ask = dispatch_asked(&sp->p.dispatch);
    struct port *q = sp->d->q[queue];
    uint16_t got;

    q->ctr = sp->p.ctr;
    got = n == 0 ? 0 : q->ops->rx(q, m, n);
    return likely(ask == NULL) ? distribute(sp, m, got) : dispatch(sp, ask, m, got);
}

/* Sends what a process without a queue has put into its own. */
static void relay(struct steer_port *sp, unsigned from)
{
    struct relay *r = &sp->relay[from];
    struct port *q = sp->d->q[0];
    uint16_t sent;

    if (r->n == 0)
        r->n = (uint16_t)rte_ring_sc_dequeue_burst(sp->d->lines->out[from], (void **)r->m, BURST, NULL);
    if (r->n == 0)
        return;
    q->ctr = sp->p.ctr;
    sent = q->ops->tx(q, r->m, r->n);
    r->n = (uint16_t)(r->n - sent);
    memmove(r->m, r->m + sent, r->n * sizeof(r->m[0]));
    sp->p.ctr->v[CTR_STEER_RELAYED] += sent;
}

/* The queue of a process that is not there is the first one's to poll. It lets go of it, and takes it back. */
static bool polls_for(struct steer_port *sp, unsigned queue)
{
    uint16_t *poller = &sp->d->lines->poller[queue];
    bool alive = steer_is_alive(sp->d->g, queue), mine = __atomic_load_n(poller, __ATOMIC_RELAXED) == sp->me;

    if (mine == !alive)
        return mine;
    __atomic_store_n(poller, (uint16_t)(alive ? queue : sp->me), __ATOMIC_RELEASE);
    return false;
}

/* What the first process does for the others; returns how many received frames are its own. */
static uint16_t attend(struct steer_port *sp, struct rte_mbuf **m, uint16_t n)
{
    uint16_t got = 0;

    for (unsigned i = 1; i < sp->d->g->n; i++) {
        if (i >= sp->d->lines->n_q)
            relay(sp, i);
        else if (polls_for(sp, i))
            got = (uint16_t)(got + poll_queue(sp, i, m + got, (uint16_t)(n - got)));
    }
    return got;
}

static bool polls_own(const struct steer_port *sp)
{
    return sp->has_q && (sp->me == 0 || sp->d->g->lanes == 1 || __atomic_load_n(&sp->d->lines->poller[sp->q], __ATOMIC_ACQUIRE) == sp->me);
}

static uint16_t steer_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct steer_port *sp = steer_of(p);
    struct rte_mbuf *burst[BURST];
    uint16_t got;

    if (sp->d->shared_q) {
        if (turn_take(&sp->d->rx[sp->q])) {
            poll_queue(sp, sp->q, burst, BURST);
            turn_give(&sp->d->rx[sp->q]);
        }
        return take_rings(sp, m, n);
    }
    got = take_rings(sp, m, n);
    if (sp->relay != NULL)
        got = (uint16_t)(got + attend(sp, m + got, (uint16_t)(n - got)));
    return polls_own(sp) ? (uint16_t)(got + poll_queue(sp, sp->q, m + got, (uint16_t)(n - got))) : got;
}

static uint16_t steer_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct steer_port *sp = steer_of(p);
    struct port *q = sp->d->q[sp->q];
    uint16_t sent;

    if (!sp->has_q)
        return (uint16_t)rte_ring_sp_enqueue_burst(sp->d->lines->out[sp->me], (void *const *)m, n, NULL);
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

    if (sp->has_q && !sp->d->shared_q)
        sp->d->q[sp->q]->ops->reclaim(sp->d->q[sp->q]);
}

/* A queue pair that knows the device. NULL in a process without one. */
static struct port *any_queue(struct port *p)
{
    struct steer_port *sp = steer_of(p);

    return sp->has_q ? sp->d->q[sp->q] : NULL;
}

static bool steer_link_up(struct port *p)
{
    struct port *q = any_queue(p);

    return q != NULL ? q->ops->link_up(q) : steer_is_alive(steer_of(p)->d->g, 0);
}

/* The device counts for all queues: the first stack tells. */
static uint64_t steer_missed(struct port *p)
{
    struct port *q = any_queue(p);

    return steer_of(p)->me == 0 && q->ops->missed != NULL ? q->ops->missed(q) : 0;
}

static int steer_dma_map(struct port *p, void *addr, uint64_t iova, size_t len)
{
    struct port *q = any_queue(p);

    return q != NULL && q->ops->dma_map != NULL ? q->ops->dma_map(q, addr, iova, len) : -ENOTSUP;
}

static void drain_ring(struct rte_ring *r)
{
    void *m;

    while (rte_ring_sc_dequeue(r, &m) == 0)
        rte_pktmbuf_free(m);
}

static void drain_in(struct steer_dev *d, unsigned member)
{
    for (unsigned i = 0; i < d->g->lanes; i++)
        drain_ring(d->lines->in[member][i]);
}

static void free_ring(struct rte_ring *r)
{
    if (r != NULL)
        drain_ring(r);
    rte_ring_free(r);
}

static void lines_free(const struct steer *g, struct steer_lines *l)
{
    for (unsigned i = 0; i < g->n; i++) {
        for (unsigned k = 0; k < g->lanes; k++)
            free_ring(l->in[i][k]);
        free_ring(l->out[i]);
    }
    rte_memzone_free(l->zone);
}

static void steer_close(struct port *p)
{
    struct steer_port *sp = steer_of(p);
    struct steer_dev *d = sp->d;

    drain_in(d, sp->me);
    for (unsigned i = 0; sp->relay != NULL && i < d->g->n; i++)
        rte_pktmbuf_free_bulk(sp->relay[i].m, sp->relay[i].n);
    free(sp->relay);
    free(sp);
    if (__atomic_sub_fetch(&d->open, 1, __ATOMIC_ACQ_REL) != 0) {
        __atomic_sub_fetch(&d->lines->open, 1, __ATOMIC_ACQ_REL);
        return;
    }
    for (unsigned i = 0; i < STEER_MAX; i++)
        if (d->q[i] != NULL)
            port_close(d->q[i]);
    if (__atomic_sub_fetch(&d->lines->open, 1, __ATOMIC_ACQ_REL) == 0)
        lines_free(d->g, d->lines);
    free(d);
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

static struct rte_ring *make_ring(const char *name, const char *kind, unsigned i, unsigned lane, uint32_t frames, unsigned flags)
{
    char full[RTE_RING_NAMESIZE];

    snprintf(full, sizeof(full), "%s_%s%u.%u", name, kind, i, lane);
    return rte_ring_create(full, frames, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ | flags);
}

static bool make_rings(const struct steer *g, struct steer_lines *l, const char *name, uint32_t frames)
{
    bool procs = g->lanes > 1, ok = true;

    for (unsigned i = 0; i < g->n && ok; i++) {
        for (unsigned k = 0; k < g->lanes && ok; k++)
            ok = (l->in[i][k] = make_ring(name, "rx", i, k, frames, procs ? RING_F_SP_ENQ : 0)) != NULL;
        if (procs && i >= l->n_q && ok)
            ok = (l->out[i] = make_ring(name, "tx", i, 0, frames, RING_F_SP_ENQ)) != NULL;
    }
    return ok;
}

static void zone_name(char zone[RTE_MEMZONE_NAMESIZE], const char *name)
{
    snprintf(zone, RTE_MEMZONE_NAMESIZE, "%s_lines", name);
}

static struct steer_lines *lines_create(const struct steer *g, const char *name, const struct port *q, unsigned n_q, uint32_t frames)
{
    char name_of_zone[RTE_MEMZONE_NAMESIZE];
    const struct rte_memzone *zone;
    struct steer_lines *l;

    zone_name(name_of_zone, name);
    zone = rte_memzone_reserve(name_of_zone, sizeof(*l), SOCKET_ID_ANY, 0);
    if (zone == NULL)
        return NULL;
    l = zone->addr;
    memset(l, 0, sizeof(*l));
    l->zone = zone;
    l->n_q = (uint16_t)n_q;
    l->face = *q;
    l->face.ops = NULL;
    l->face.ctr = NULL;
    l->face.linear_pool = l->face.hdr_pool = l->face.ind_pool = NULL;
    l->face.copied = NULL;
    l->face.dispatch = (struct dispatch){0};
    if (make_rings(g, l, name, frames))
        return l;
    lines_free(g, l);
    return NULL;
}

static struct steer_lines *lines_find(const char *name)
{
    char name_of_zone[RTE_MEMZONE_NAMESIZE];
    const struct rte_memzone *zone;

    zone_name(name_of_zone, name);
    zone = rte_memzone_lookup(name_of_zone);
    return zone != NULL ? zone->addr : NULL;
}

static struct steer_dev *dev_new(struct steer *g, struct steer_lines *l)
{
    struct steer_dev *d;
    void *mem;

    if (l == NULL || posix_memalign(&mem, RTE_CACHE_LINE_SIZE, sizeof(*d)) != 0)
        return NULL;
    d = mem;
    memset(d, 0, sizeof(*d));
    d->g = g;
    d->lines = l;
    d->shared_q = l->n_q < g->n && g->lanes == 1;
    return d;
}

struct steer_dev *steer_dev_create(struct steer *g, const char *name, struct port *const q[], unsigned n_q, uint32_t queue_frames)
{
    struct steer_lines *l = lines_create(g, name, q[0], n_q, queue_frames);
    struct steer_dev *d = dev_new(g, l);

    if (d != NULL)
        memcpy(d->q, q, sizeof(q[0]) * n_q);
    else if (l != NULL)
        lines_free(g, l);
    return d;
}

/* We fill the queues that the one before with our number has filled, and empty those that it has emptied. */
static void take_queues(struct steer_dev *d, unsigned member)
{
    drain_in(d, member);
    for (unsigned to = 0; to < d->g->n; to++)
        steer_mend_queue(d->lines->in[to][member]);
    if (d->lines->out[member] != NULL)
        steer_mend_queue(d->lines->out[member]);
}

struct steer_dev *steer_dev_find(struct steer *g, const char *name, unsigned member, struct port *own)
{
    struct steer_dev *d = dev_new(g, lines_find(name));

    if (d == NULL)
        return NULL;
    d->q[member] = own;
    take_queues(d, member);
    return d;
}

const struct port *steer_dev_face(const char *name, unsigned *n_q)
{
    const struct steer_lines *l = lines_find(name);

    if (l == NULL)
        return NULL;
    *n_q = l->n_q;
    return &l->face;
}

struct port *steer_port_open(struct steer_dev *d, unsigned member, struct rte_mempool *ind_pool)
{
    bool procs = d->g->lanes > 1, has_q = !procs || member < d->lines->n_q;
    struct steer_port *sp = calloc(1, sizeof(*sp));

    if (sp == NULL || (procs && member == 0 && (sp->relay = calloc(d->g->n, sizeof(*sp->relay))) == NULL)) {
        free(sp);
        return NULL;
    }
    sp->p = d->lines->face;
    sp->p.ops = &steer_ops;
    sp->p.caps.rx_event = false; /* frames come from other stacks too */
    sp->p.caps.rx_dispatch = true;
    if (procs && member != 0)
        sp->p.caps.tx_external = false; /* memory of this process, which the one that closes the device cannot give back */
    sp->p.ctr = &sp->own_ctr;
    sp->d = d;
    sp->me = (uint16_t)member;
    sp->has_q = has_q;
    sp->q = (uint16_t)(member % d->lines->n_q);
    sp->ind_pool = ind_pool;
    __atomic_add_fetch(&d->open, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&d->lines->open, 1, __ATOMIC_RELAXED);
    return &sp->p;
}

void steer_port_clear(struct port *p, unsigned member)
{
    drain_in(steer_of(p)->d, member);
}
