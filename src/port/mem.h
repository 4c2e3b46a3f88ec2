/*
 * Ports in memory, for tests and benchmarks: no device, no EAL calls but mbuf ones, no clock.
 *
 * port_mem_open behaves as a NIC does: it copies a sent frame to a flat wire frame (DMA: not counted as a copy) and gives that
 * to a consumer, holds the sent mbufs for some polls, takes part of a burst sometimes, and scatters what it receives over
 * buffers of the receive pool. With caps.tx_tso it cuts frames into segments, with caps.rx_lro it merges segments that wait. It watches its
 * user: bytes of a frame that change between transmission and release, and frames beyond its capabilities, are violations; buffers that
 * nobody else refers to are poisoned at release.
 *
 * port_mem_join makes two ports that pass frames by reference, as new indirect mbufs over the sender's segments: no payload is
 * touched, so that only the stacks' own work is measured. Each side still owns only its own mbufs. With copy_pool they are what a device
 * without offloads is: frames are copied, and arrive with nothing known about their sums.
 */
#ifndef PORT_MEM_H
#define PORT_MEM_H

#include <stdbool.h>
#include <stdint.h>

#include "port/port.h"

#define PORT_MEM_MAX_SEGS 40u

/* Flat frames, in a bounded pool that ports and links of one network share. */
struct mem_frame {
    struct mem_frame *next; /* for whoever holds it */
    struct mem_frames *pool;
    uint32_t len;
    uint8_t *data;
};

struct mem_frames {
    struct mem_frame *free;
    uint32_t count, free_count, max_bytes;
    struct mem_frame *frame; /* the array */
    uint8_t *bytes;
};

/* NULL when there is no memory. */
struct mem_frames *mem_frames_create(uint32_t count, uint32_t max_bytes);
void mem_frames_destroy(struct mem_frames *f);

/* NULL when all are in use. */
struct mem_frame *mem_frame_get(struct mem_frames *f);
void mem_frame_put(struct mem_frame *f /* consumed */);

/* What may be changed while the port runs. */
struct port_mem_knobs {
    uint32_t hold_polls;   /* receive polls until a sent frame is released; 0: at once */
    bool hold_random;      /* a random number of polls up to that, in order */
    uint32_t partial_pct;  /* chance in percent that a burst is taken in part only (or not at all) */
    uint32_t rx_seg_bytes; /* bytes per received segment at most; 0: as many as the buffers have */
    bool rx_seg_random;    /* a random number from 1 up to that */
    bool poison;           /* overwrite released bytes */
    bool link_down;
};

struct port_mem_conf {
    struct port_caps caps; /* max_mtu 0: taken from the frames; port_mem_caps() is a start */
    uint8_t mac[6];
    uint16_t mtu;
    struct rte_mempool *rx_pool, *linear_pool;
    struct mem_frames *frames;
    void (*wire)(void *arg, struct mem_frame *f /* consumed */); /* where sent frames go */
    void *wire_arg;
    uint32_t tx_ring, rx_ring; /* frames held and frames waiting at most; 0: 256 and 1024 */
    struct port_mem_knobs knobs;
    uint64_t seed;
};

/* Chains, external and indirect memory; no offload (with tx_tso set, frames of 64 KB are cut). */
struct port_caps port_mem_caps(void);

/* NULL when there is no memory. pkt_init() was called. */
struct port *port_mem_open(const struct port_mem_conf *c);

struct port_mem_knobs *port_mem_knobs(struct port *p);

/* A frame arrives. false and counted as missed when the receive ring is full. */
bool port_mem_deliver(struct port *p, struct mem_frame *f /* consumed */);

/* Frames that wait to be received. */
uint32_t port_mem_pending(const struct port *p);

/* Sent frames not released yet. */
uint32_t port_mem_held(const struct port *p);

/* Releases every sent frame and forgets received ones, for conservation checks. */
void port_mem_drain(struct port *p);

/* Offences so far, and the first one in words ("" when there is none). */
uint64_t port_mem_violations(const struct port *p);
const char *port_mem_violation(const struct port *p);

struct port_mem_join_conf {
    uint8_t mac[2][6];
    uint16_t mtu;
    uint32_t ring;                      /* frames on their way at most, each way; 0: 1024 */
    struct rte_mempool *ind_pool[2];    /* where each port takes the mbufs that it receives into: no data room needed */
    struct rte_mempool *hdr_pool[2];    /* and for headers, which it copies then; NULL: by reference, too */
    struct rte_mempool *copy_pool[2];   /* of a device without offloads: buffers that it receives into; NULL: the above */
    struct rte_mempool *linear_pool[2]; /* of one that takes no chains; NULL: it does */
    bool tso;                           /* frames for segmentation go over whole, and arrive as merged ones; not with copy_pool */
};

/* Both ports, with every checksum offload but for copy_pool; closed one by one in any order. 0 or -ENOMEM. */
int port_mem_join(const struct port_mem_join_conf *c, struct port *p[2]);

#endif
