#include "port/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/units.h"
#include "pkt/pkt.h"
#include "port/mem_tcp.h"
#include "port/mem_wire.h"

#define TX_RING 256u
#define RX_RING 1024u
#define POISON_BYTE 0xdb
#define FRAME_ROOM 18u /* Ethernet header and a VLAN tag */

/* A sent frame as the device sees it: addresses and lengths read once, at transmission. */
struct held_seg {
    struct rte_mbuf *m;
    uint8_t *data;
    uint32_t len;
};

struct held {
    uint64_t hash, release_poll;
    uint16_t n_segs;
    struct held_seg seg[PORT_MEM_MAX_SEGS];
};

struct mem_port {
    struct port p; /* first */
    struct counters own_ctr;
    struct port_mem_conf conf;
    struct rng rng;
    uint64_t polls, missed, violations;
    char violation[160];
    uint32_t tx_head, tx_count;
    struct held *tx; /* ring of conf.tx_ring */
    struct mem_frame *rx_first, **rx_last;
    uint32_t rx_count;
    uint8_t *flat;          /* a frame to be cut; only with caps.tx_tso */
    struct mem_merge merge; /* only with caps.rx_lro */
};

struct mem_frames *mem_frames_create(uint32_t count, uint32_t max_bytes)
{
    struct mem_frames *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    *f = (struct mem_frames){.count = count, .max_bytes = max_bytes};
    f->frame = calloc(count, sizeof(*f->frame));
    f->bytes = malloc((size_t)count * max_bytes);
    if (f->frame == NULL || f->bytes == NULL) {
        mem_frames_destroy(f);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        f->frame[i] = (struct mem_frame){.pool = f, .data = f->bytes + (size_t)i * max_bytes};
        mem_frame_put(&f->frame[i]);
    }
    return f;
}

void mem_frames_destroy(struct mem_frames *f)
{
    if (f == NULL)
        return;
    free(f->frame);
    free(f->bytes);
    free(f);
}

struct mem_frame *mem_frame_get(struct mem_frames *f)
{
    struct mem_frame *fr = f->free;

    if (fr != NULL) {
        f->free = fr->next;
        f->free_count--;
        fr->next = NULL;
        fr->len = 0;
    }
    return fr;
}

void mem_frame_put(struct mem_frame *fr)
{
    fr->next = fr->pool->free;
    fr->pool->free = fr;
    fr->pool->free_count++;
}

static struct mem_port *mem_of(struct port *p)
{
    return (struct mem_port *)(void *)p;
}

static const struct mem_port *mem_of_const(const struct port *p)
{
    return (const struct mem_port *)(const void *)p;
}

static void violate(struct mem_port *mp, const char *what, uint64_t a)
{
    if (mp->violations++ == 0)
        snprintf(mp->violation, sizeof(mp->violation), "%s: %s (%llu)", mp->p.name, what, (unsigned long long)a);
}

static uint64_t hash_bytes(uint64_t h, const uint8_t *p, uint32_t len)
{
    const uint64_t k = 0x9e3779b97f4a7c15ull;
    uint64_t w;

    for (; len >= sizeof(w); p += sizeof(w), len -= (uint32_t)sizeof(w)) {
        memcpy(&w, p, sizeof(w));
        h = (h ^ w) * k;
        h ^= h >> 29;
    }
    for (; len > 0; p++, len--)
        h = (h ^ *p) * k;
    return h ^ h >> 32;
}

static uint64_t hash_held(const struct held *h)
{
    uint64_t sum = h->n_segs;

    for (uint16_t i = 0; i < h->n_segs; i++)
        sum = hash_bytes(sum + h->seg[i].len, h->seg[i].data, h->seg[i].len);
    return sum;
}

/* Would freeing this segment free the memory behind it? */
static bool last_reference(struct rte_mbuf *m)
{
    if (RTE_MBUF_HAS_EXTBUF(m) || rte_mbuf_refcnt_read(m) != 1)
        return false;
    return !RTE_MBUF_CLONED(m) || rte_mbuf_refcnt_read(rte_mbuf_from_indirect(m)) == 1;
}

static void release(struct mem_port *mp, const struct held *h)
{
    const struct rte_mbuf *m = h->seg[0].m;

    if (hash_held(h) != h->hash)
        violate(mp, "bytes of a frame changed before the device released it", h->n_segs);
    for (uint16_t i = 0; i < h->n_segs; i++, m = m->next) {
        if (m != h->seg[i].m) {
            violate(mp, "the chain of a frame changed before the device released it", i);
            return; /* whatever is freed now would be wrong */
        }
        if (mp->conf.knobs.poison && last_reference(h->seg[i].m))
            memset(h->seg[i].data, POISON_BYTE, h->seg[i].len);
    }
    if (m != NULL)
        violate(mp, "the chain of a frame grew before the device released it", h->n_segs);
    rte_pktmbuf_free(h->seg[0].m);
}

static void release_due(struct mem_port *mp)
{
    while (mp->tx_count > 0 && mp->tx[mp->tx_head].release_poll <= mp->polls) {
        release(mp, &mp->tx[mp->tx_head]);
        mp->tx_head = (mp->tx_head + 1) % mp->conf.tx_ring;
        mp->tx_count--;
    }
}

/* port_tx was to copy or refuse such a frame. */
static void check_promises(struct mem_port *mp, const struct rte_mbuf *m)
{
    const struct port_caps *c = &mp->p.caps;
    uint32_t bytes = 0, segs = 0;

    bool cut = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

    if (m->nb_segs > (!c->tx_chains ? 1 : cut ? c->tso_max_segs : c->tx_max_segs))
        violate(mp, "frame of too many segments", m->nb_segs);
    if (!cut && m->pkt_len > mp->p.mtu + FRAME_ROOM)
        violate(mp, "frame longer than the MTU", m->pkt_len);
    if (cut && (!c->tx_tso || m->pkt_len > c->tso_max_bytes + (uint32_t)(m->l2_len + m->l3_len + m->l4_len)))
        violate(mp, "frame longer than the port cuts", m->pkt_len);
    for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
        bytes += s->data_len;
        segs++;
        if ((RTE_MBUF_HAS_EXTBUF(s) && !c->tx_external) || (RTE_MBUF_CLONED(s) && !c->tx_indirect))
            violate(mp, "frame with memory that the port cannot send", segs);
        if (c->tx_owned_only && (!RTE_MBUF_DIRECT(s) || rte_mbuf_refcnt_read(s) != 1))
            violate(mp, "frame that somebody else refers to", segs);
        if (rte_mbuf_refcnt_read(s) == 0)
            violate(mp, "frame with a buffer that is free", segs);
    }
    if (bytes != m->pkt_len || segs != m->nb_segs)
        violate(mp, "frame whose segments do not add up to its length", m->pkt_len);
}

/* The frame's bytes, and what of it is held until it is released. */
static uint32_t gather(struct held *h, struct rte_mbuf *m, uint8_t *to, uint32_t max)
{
    uint32_t len = 0;

    h->n_segs = 0;
    for (struct rte_mbuf *s = m; s != NULL; s = s->next) {
        Z_CHECK(h->n_segs < PORT_MEM_MAX_SEGS && len + s->data_len <= max);
        h->seg[h->n_segs++] = (struct held_seg){.m = s, .data = rte_pktmbuf_mtod(s, uint8_t *), .len = s->data_len};
        memcpy(to + len, rte_pktmbuf_mtod(s, uint8_t *), s->data_len);
        len += s->data_len;
    }
    h->hash = hash_held(h);
    return len;
}

static bool send_whole(struct mem_port *mp, struct held *h, struct rte_mbuf *m)
{
    struct mem_frame *f = mem_frame_get(mp->conf.frames);

    if (f == NULL)
        return false;
    f->len = gather(h, m, f->data, mp->conf.frames->max_bytes);
    mem_wire_tx_cksum(m, f->data, f->len);
    mp->conf.wire(mp->conf.wire_arg, f);
    return true;
}

/* All segments or none. */
static bool send_cut(struct mem_port *mp, struct held *h, struct rte_mbuf *m)
{
    uint32_t len = gather(h, m, mp->flat, MEM_TCP_FRAME_MAX);
    const char *fault = mem_tcp_cut_fault(m, mp->flat, len, mp->p.mtu);

    if (fault != NULL) {
        violate(mp, fault, len);
        return true; /* a NIC would send rubbish */
    }
    if (mp->conf.frames->free_count < mem_tcp_segments(m, len))
        return false;
    for (uint32_t i = 0; i < mem_tcp_segments(m, len); i++) {
        struct mem_frame *f = mem_frame_get(mp->conf.frames);

        f->len = mem_tcp_cut(m, mp->flat, len, i, f->data);
        mp->conf.wire(mp->conf.wire_arg, f);
    }
    return true;
}

static bool send_one(struct mem_port *mp, struct rte_mbuf *m)
{
    struct held *h = &mp->tx[(mp->tx_head + mp->tx_count) % mp->conf.tx_ring];
    bool cut = mp->p.caps.tx_tso && (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
    uint64_t hold = mp->conf.knobs.hold_polls;

    if (mp->tx_count == mp->conf.tx_ring)
        return false;
    check_promises(mp, m);
    if (!(cut ? send_cut(mp, h, m) : send_whole(mp, h, m)))
        return false;
    if (mp->conf.knobs.hold_random && hold > 0)
        hold = rng_below(&mp->rng, (uint32_t)hold + 1);
    h->release_poll = mp->polls + hold;
    mp->tx_count++;
    return true;
}

static uint16_t mem_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct mem_port *mp = mem_of(p);
    uint16_t sent = 0;

    if (mp->conf.knobs.partial_pct > 0 && rng_below(&mp->rng, 100) < mp->conf.knobs.partial_pct)
        n = (uint16_t)rng_below(&mp->rng, n + 1u);
    while (sent < n && send_one(mp, m[sent]))
        sent++;
    release_due(mp);
    return sent;
}

/* The frame in buffers of the receive pool; NULL when there are not enough. */
static struct rte_mbuf *scatter(struct mem_port *mp, const uint8_t *frame, uint32_t len)
{
    const struct port_mem_knobs *k = &mp->conf.knobs;
    uint32_t room = rte_pktmbuf_data_room_size(mp->conf.rx_pool) - RTE_PKTMBUF_HEADROOM;
    uint32_t most = k->rx_seg_bytes != 0 ? MIN(k->rx_seg_bytes, room) : room;
    struct rte_mbuf *head = NULL, **link = &head;

    for (uint32_t off = 0; off < len;) {
        uint32_t n = k->rx_seg_random ? 1 + rng_below(&mp->rng, most) : most;
        struct rte_mbuf *m = rte_pktmbuf_alloc(mp->conf.rx_pool);

        n = MIN(n, len - off);
        if (m == NULL) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        memcpy(rte_pktmbuf_mtod(m, uint8_t *), frame + off, n);
        m->data_len = (uint16_t)n;
        *link = m;
        link = &m->next;
        head->pkt_len += n;
        head->nb_segs = (uint16_t)(head->nb_segs + (m != head));
        off += n;
    }
    return head;
}

static struct mem_frame *rx_take(struct mem_port *mp)
{
    struct mem_frame *f = mp->rx_first;

    if (f == NULL)
        return NULL;
    mp->rx_first = f->next;
    if (mp->rx_first == NULL)
        mp->rx_last = &mp->rx_first;
    mp->rx_count--;
    return f;
}

static struct rte_mbuf *receive_one(struct mem_port *mp, const struct mem_frame *f)
{
    struct rte_mbuf *m = scatter(mp, f->data, f->len);

    if (m != NULL && mp->p.caps.rx_cksum)
        m->ol_flags |= mem_wire_rx_flags(f->data, f->len);
    return m;
}

/* The frame, with those that wait behind it and continue it. */
static struct rte_mbuf *receive_merged(struct mem_port *mp, const struct mem_frame *f)
{
    struct mem_merge *g = &mp->merge;
    struct rte_mbuf *m;

    if (!mem_merge_begin(g, f->data, f->len))
        return receive_one(mp, f);
    while (mp->rx_first != NULL && mem_merge_add(g, mp->rx_first->data, mp->rx_first->len))
        mem_frame_put(rx_take(mp));
    if (g->segs == 1)
        return receive_one(mp, f);
    m = scatter(mp, g->data, g->len);
    if (m != NULL) {
        m->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        m->tso_segsz = g->seg_bytes;
    }
    return m;
}

static uint16_t mem_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct mem_port *mp = mem_of(p);
    struct mem_frame *f;
    uint16_t got = 0;

    mp->polls++;
    release_due(mp);
    while (got < n && (f = rx_take(mp)) != NULL) {
        m[got] = mp->p.caps.rx_lro ? receive_merged(mp, f) : receive_one(mp, f);
        if (m[got] != NULL)
            got++;
        else
            mp->missed++;
        mem_frame_put(f);
    }
    return got;
}

static void mem_reclaim(struct port *p)
{
    release_due(mem_of(p));
}

static bool mem_link_up(struct port *p)
{
    return !mem_of(p)->conf.knobs.link_down;
}

static uint64_t mem_missed(struct port *p)
{
    return mem_of(p)->missed;
}

static void mem_free(struct mem_port *mp)
{
    free(mp->tx);
    free(mp->flat);
    free(mp->merge.data);
    free(mp);
}

static void mem_close(struct port *p)
{
    struct mem_port *mp = mem_of(p);

    port_mem_drain(p);
    mem_free(mp);
}

static const struct port_ops mem_ops = {
    .rx = mem_rx,
    .tx = mem_tx,
    .reclaim = mem_reclaim,
    .link_up = mem_link_up,
    .missed = mem_missed,
    .close = mem_close,
};

struct port_caps port_mem_caps(void)
{
    return (struct port_caps){.tx_chains = true,
                              .tx_external = true,
                              .tx_indirect = true,
                              .tx_max_segs = PORT_MEM_MAX_SEGS,
                              .tso_max_segs = PORT_MEM_MAX_SEGS,
                              .tso_max_bytes = PKT_BUF_MAX};
}

struct port *port_mem_open(const struct port_mem_conf *c)
{
    struct mem_port *mp = calloc(1, sizeof(*mp));
    uint32_t tx_ring = c->tx_ring != 0 ? c->tx_ring : TX_RING;

    if (mp == NULL)
        return NULL;
    mp->tx = calloc(tx_ring, sizeof(mp->tx[0]));
    mp->flat = c->caps.tx_tso ? malloc(MEM_TCP_FRAME_MAX) : NULL;
    mp->merge.data = c->caps.rx_lro ? malloc(MEM_TCP_FRAME_MAX) : NULL;
    if (mp->tx == NULL || (c->caps.tx_tso && mp->flat == NULL) || (c->caps.rx_lro && mp->merge.data == NULL)) {
        mem_free(mp);
        return NULL;
    }
    mp->conf = *c;
    mp->conf.tx_ring = tx_ring;
    mp->conf.rx_ring = c->rx_ring != 0 ? c->rx_ring : RX_RING;
    mp->rx_last = &mp->rx_first;
    rng_seed(&mp->rng, c->seed);
    mp->p.ops = &mem_ops;
    mp->p.caps = c->caps;
    mp->p.caps.tx_max_segs = (uint16_t)MIN(c->caps.tx_max_segs, PORT_MEM_MAX_SEGS);
    mp->p.caps.tso_max_segs = (uint16_t)MIN(c->caps.tso_max_segs, PORT_MEM_MAX_SEGS);
    if (mp->p.caps.max_mtu == 0)
        mp->p.caps.max_mtu = (uint16_t)MIN(c->frames->max_bytes - FRAME_ROOM, (uint32_t)UINT16_MAX);
    memcpy(mp->p.mac, c->mac, sizeof(mp->p.mac));
    mp->p.mtu = c->mtu;
    mp->p.ctr = &mp->own_ctr;
    mp->p.linear_pool = c->linear_pool;
    snprintf(mp->p.name, sizeof(mp->p.name), "mem %02x:%02x", c->mac[4], c->mac[5]);
    return &mp->p;
}

struct port_mem_knobs *port_mem_knobs(struct port *p)
{
    return &mem_of(p)->conf.knobs;
}

bool port_mem_deliver(struct port *p, struct mem_frame *f)
{
    struct mem_port *mp = mem_of(p);

    if (mp->rx_count >= mp->conf.rx_ring) {
        mp->missed++;
        mem_frame_put(f);
        return false;
    }
    f->next = NULL;
    *mp->rx_last = f;
    mp->rx_last = &f->next;
    mp->rx_count++;
    return true;
}

uint32_t port_mem_pending(const struct port *p)
{
    return mem_of_const(p)->rx_count;
}

uint32_t port_mem_held(const struct port *p)
{
    return mem_of_const(p)->tx_count;
}

void port_mem_drain(struct port *p)
{
    struct mem_port *mp = mem_of(p);
    struct mem_frame *f;

    mp->polls += (uint64_t)mp->conf.knobs.hold_polls + UINT32_MAX;
    release_due(mp);
    while ((f = rx_take(mp)) != NULL)
        mem_frame_put(f);
}

uint64_t port_mem_violations(const struct port *p)
{
    return mem_of_const(p)->violations;
}

const char *port_mem_violation(const struct port *p)
{
    return mem_of_const(p)->violation;
}
