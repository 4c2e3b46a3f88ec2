/*
 * The packet: an rte_mbuf. This is the only place that knows which mbuf fields the stack uses.
 *
 * Holders. A buffer has one holder more than pkt_meta.extra_refs. A holder is the application (a z_buf handle), a
 * descriptor of a send queue, a receive or reassembly queue. The mbuf's own 16-bit count rises only for indirect
 * mbufs attached to it and for frames that the driver holds, so that one buffer may be queued on any number of
 * connections. pkt_unref() drops one holder; the last one frees the mbuf segment in DPDK's sense.
 *
 * A queue's view of a payload is (m, off, len) with off counted from buf_addr; data_off and data_len of a buffer
 * that was sent before mean nothing to it.
 */
#ifndef PKT_PKT_H
#define PKT_PKT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include "base/counters.h"
#include "base/units.h"

struct z_stack;

/* Room in front of a payload for every header the stack may prepend. */
#define PKT_HEADROOM RTE_PKTMBUF_HEADROOM
/* Room of a header mbuf: VLAN tags, IPv6 with extensions, TCP options, a virtio header. */
#define PKT_HDR_ROOM 192u
/* A buffer that is in this many frames at once waits: the mbuf's count has 16 bits. */
#define PKT_FRAME_REFS_MAX 60000u

/* Flags in pkt_meta.flags; all zero in a fresh buffer. */
#define PKT_F_DETACHED 0x0001u /* ff_mbuf_detach_rte: the next ff_mbuf_free only clears this */
#define PKT_F_LOAN 0x0002u     /* a received buffer in the application's hands, counted in the stack's loans */
#define PKT_F_LOAN_UDP 0x0008u /* with PKT_F_LOAN: of a UDP socket; else of a TCP connection */
#define PKT_F_WRAP 0x0004u     /* external memory of z_wrap: the shared info is a struct wrap */

/* Per-buffer state in an mbuf dynamic field; a buffer of an application's own pool starts with zeroes. */
struct pkt_meta {
    uint32_t extra_refs; /* holders beyond the first; atomic */
    uint16_t flags;
    uint16_t loan_stack; /* of a loan: 1 + index of the stack that lent it */
    uint32_t loan_bytes; /* of a loan: memory charged */
    uint32_t loan_conn;  /* of a loan: where it came from: arena_ref() of a tcp_conn, udp_pcb.id */
};

extern size_t pkt_meta_offset; /* set by pkt_init */

/* Registers the dynamic field; once per process, after EAL. 0 or -errno. */
int pkt_init(void);

static inline struct pkt_meta *pkt_meta(struct rte_mbuf *m)
{
    return RTE_MBUF_DYNFIELD(m, pkt_meta_offset, struct pkt_meta *);
}

static inline uint8_t *pkt_data(struct rte_mbuf *m)
{
    return rte_pktmbuf_mtod(m, uint8_t *);
}

/* Offset of the payload from buf_addr. */
static inline uint32_t pkt_off(const struct rte_mbuf *m)
{
    return m->data_off;
}

/* A new holder for this segment. Any thread. */
static inline void pkt_ref(struct rte_mbuf *m)
{
    __atomic_fetch_add(&pkt_meta(m)->extra_refs, 1, __ATOMIC_RELAXED);
}

static inline bool pkt_is_shared(struct rte_mbuf *m)
{
    return __atomic_load_n(&pkt_meta(m)->extra_refs, __ATOMIC_ACQUIRE) != 0;
}

/* Of a buffer with several holders: true when they have become none. */
bool pkt_unref_shared(struct pkt_meta *meta);

/* Drops one holder of this segment (not of m->next); the last one frees it. Any thread. m may not be used after. */
static inline void pkt_unref(struct rte_mbuf *m)
{
    struct pkt_meta *meta = pkt_meta(m);

    if (unlikely(__atomic_load_n(&meta->extra_refs, __ATOMIC_ACQUIRE) != 0) && !pkt_unref_shared(meta))
        return;
    meta->flags = 0;
    rte_pktmbuf_free_seg(m);
}

/* Drops one holder of every segment of the chain. NULL is allowed. */
void pkt_unref_chain(struct rte_mbuf *m);

/* May its bytes and its headroom be written? Direct, not external, one holder, in no frame. The only test used. */
static inline bool pkt_sole_owner(struct rte_mbuf *m)
{
    return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 && !pkt_is_shared(m);
}

/* Memory that a buffer really holds, the unit of SO_SNDBUF, SO_RCVBUF and loans. */
static inline uint32_t pkt_truesize(const struct rte_mbuf *m)
{
    uint32_t head = (uint32_t)sizeof(struct rte_mbuf);

    /* wrapped and attached memory belongs to somebody else: charge what is used of it */
    return RTE_MBUF_DIRECT(m) ? head + m->buf_len : head + m->data_len;
}

/* Payload of each of the segments that a received frame was merged of, the last may have less; 0: it is not a merged one. */
static inline uint32_t pkt_merged_of(const struct rte_mbuf *m)
{
    return unlikely((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0) ? m->tso_segsz : 0;
}

/* Counts, traces and frees a packet (the whole chain). The only way to drop. */
void pkt_drop(struct z_stack *s, struct rte_mbuf *m /* consumed */, enum ctr reason);

struct rte_mbuf *pkt_pullup_spanning(struct z_stack *s, struct rte_mbuf *m, uint32_t n); /* they span several segments */

/*
 * Makes the first n bytes of the packet contiguous (n <= PKT_HDR_ROOM). Returns the packet, whose head may be another
 * mbuf; NULL when it is shorter than n or has no room or no buffer is free: then the packet was dropped and counted.
 */
static inline struct rte_mbuf *pkt_pullup(struct z_stack *s, struct rte_mbuf *m /* consumed */, uint32_t n)
{
    return likely(m->data_len >= n) ? m : pkt_pullup_spanning(s, m, n);
}

/* Cuts n bytes from the head of a received chain: segments that become empty are freed. NULL when nothing remains. */
struct rte_mbuf *pkt_trim_head(struct rte_mbuf *m /* consumed */, uint32_t n);

/* Cuts the chain to len payload bytes in all. NULL when len is 0. */
struct rte_mbuf *pkt_trim_to(struct rte_mbuf *m /* consumed */, uint32_t len);

/* pools ------------------------------------------------------------------------------------------------------- */

#define PKT_APP_CLASSES 3                                   /* about 2 KB, 9 KB, 64 KB */
extern const uint32_t pkt_app_class_bytes[PKT_APP_CLASSES]; /* payload room per class, without headroom */

/* Payload bytes that one buffer can have at most (an mbuf's lengths are 16 bit). */
#define PKT_BUF_MAX 65280u

struct pkt_pool_sizes {
    uint32_t rx;                   /* receive buffers */
    uint32_t rx_room_bytes;        /* data room of a receive buffer, without headroom */
    uint32_t hdr;                  /* header mbufs */
    uint32_t ctl;                  /* header mbufs kept for frames without payload; 0: none are kept */
    uint32_t ind;                  /* indirect mbufs (no data room) */
    uint32_t app[PKT_APP_CLASSES]; /* application buffers per size class */
    bool procs;                    /* several processes use them */
};

struct pkt_pools {
    struct rte_mempool *rx, *hdr, *ind;
    bool rx_is_shared;       /* another stack's, which lives longer */
    struct rte_mempool *ctl; /* NULL: no reserve */
    struct rte_mempool *app[PKT_APP_CLASSES];
};

/* name: unique prefix. rx: the receive pool of another stack, or NULL. 0, or -ENOMEM with nothing left behind. */
int pkt_pools_create(struct pkt_pools *p, const char *name, const struct pkt_pool_sizes *sizes, struct rte_mempool *rx, int socket_id);
void pkt_pools_free(struct pkt_pools *p);

/* Objects not in the pools: for conservation tests (pools must be idle, caches flushed by the call). */
uint32_t pkt_pools_in_use(const struct pkt_pools *p);

/* A header mbuf with PKT_HDR_ROOM bytes in front of an empty tail: write headers with pkt_push. NULL when none is free. */
struct rte_mbuf *pkt_alloc_hdr(struct z_stack *s);

/*
 * The same for what keeps existing connections alive: acknowledgements, probes, resets, ARP. Takes from the reserve when the
 * header pool is empty.
 */
struct rte_mbuf *pkt_alloc_ctl(struct z_stack *s);

/* A writable buffer for len payload bytes, contiguous, with headroom; NULL when none is free or len > PKT_BUF_MAX. */
struct rte_mbuf *pkt_alloc_app(struct z_stack *s, uint32_t len);

/*
 * An indirect mbuf over len bytes at off of m's buffer: a frame's or the application's reference to immutable bytes.
 * The one function that shares a part of an mbuf. NULL when no mbuf is free or the buffer is in PKT_FRAME_REFS_MAX frames.
 */
struct rte_mbuf *pkt_share(struct z_stack *s, struct rte_mbuf *m, uint32_t off, uint32_t len);

/*
 * A received frame once more, as indirect mbufs of pool (no data room needed) over its bytes, for a second reader. NULL: too few mbufs.
 * Any thread.
 */
struct rte_mbuf *pkt_share_frame(struct rte_mempool *pool, struct rte_mbuf *m);

/*
 * To be called before anybody refers to m's buffer: drivers overwrite ol_flags on receive, and an attach to a pinned buffer without the
 * flag would count references in a neighbour's payload.
 */
static inline void pkt_mark_pinned(struct rte_mbuf *m)
{
    if (RTE_MBUF_DIRECT(m) && (rte_pktmbuf_priv_flags(m->pool) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF) != 0)
        m->ol_flags |= RTE_MBUF_F_EXTERNAL;
}

/* Makes a fresh indirect mbuf refer to len bytes at off of m's buffer, which was marked as above where it is pinned. */
static inline void pkt_attach(struct rte_mbuf *mi, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
    rte_pktmbuf_attach(mi, m);
    *pkt_meta(mi) = (struct pkt_meta){0}; /* the attach copied m's */
    mi->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    mi->data_off = (uint16_t)off;
    mi->data_len = (uint16_t)len;
    mi->pkt_len = len;
    mi->nb_segs = 1;
    mi->next = NULL;
}

/* Prepends n header bytes in the headroom of the first segment; the caller knows that there is room. */
static inline uint8_t *pkt_push(struct rte_mbuf *m, uint32_t n)
{
    m->data_off = (uint16_t)(m->data_off - n);
    m->data_len = (uint16_t)(m->data_len + n);
    m->pkt_len += n;
    return pkt_data(m);
}

/* Removes n header bytes from the first segment, which has them. */
static inline void pkt_pull(struct rte_mbuf *m, uint32_t n)
{
    m->data_off = (uint16_t)(m->data_off + n);
    m->data_len = (uint16_t)(m->data_len - n);
    m->pkt_len -= n;
}

#endif
