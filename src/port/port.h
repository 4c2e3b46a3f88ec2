/*
 * A port: where frames come from and go to. The only part of the stack that may call ethdev, EAL and the clock is
 * behind this header. Per burst there is one call through a table; per packet there is none.
 */
#ifndef PORT_PORT_H
#define PORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/counters.h"
#include "port/dispatch.h"
#include "port/gso.h"

struct port;

/* What a port can do by itself. What it cannot is done by port_tx/port_rx in software, and copies are counted. */
struct port_caps {
    bool tx_chains;     /* frames of several segments */
    bool tx_external;   /* frames with external (application) memory */
    bool tx_indirect;   /* indirect mbufs */
    bool tx_owned_only; /* the receiver gets the mbufs themselves: only frames that nobody else refers to */
    bool tx_ip_cksum, tx_tcp_cksum, tx_udp_cksum;
    bool tx_tso;            /* cuts TCP frames itself, of both families; only together with tx_tcp_cksum */
    bool rx_cksum;          /* marks received frames good or bad */
    bool rx_lro;            /* received frames may be merged ones */
    bool rx_event;          /* can end a sleep when frames arrive */
    bool rx_flow_hash;      /* marks received frames with the hash of steer.h */
    bool rx_dispatch;       /* asks the application about received frames itself (dispatch.h) */
    uint16_t tx_max_segs;   /* segments per frame at most */
    uint16_t tso_max_segs;  /* the same of a frame that the port cuts */
    uint32_t tso_max_bytes; /* payload of such a frame at most */
    uint16_t max_mtu;
};

enum { PORT_DEAF = -1, PORT_READY = -2 };

struct port_ops {
    /* Up to n received frames; headers and payload in mbufs that now belong to the caller. */
    uint16_t (*rx)(struct port *p, struct rte_mbuf **m, uint16_t n);
    /* Takes a prefix of the frames; returns how many. The rest still belongs to the caller. */
    uint16_t (*tx)(struct port *p, struct rte_mbuf **m, uint16_t n);
    /* Gives a received frame, from its Ethernet header on, to another stack behind the device. NULL where there is one stack. */
    void (*hand_over)(struct port *p, unsigned to, struct rte_mbuf *m /* consumed */);
    /* Gives sent buffers back that the driver is done with, as far as it can tell. */
    void (*reclaim)(struct port *p);
    bool (*link_up)(struct port *p);
    /* Frames that the device itself counted as lost. */
    uint64_t (*missed)(struct port *p);
    /*
     * Before a sleep: a descriptor that becomes readable when a frame arrives, from now on; PORT_READY: there are frames already;
     * PORT_DEAF: not possible at the moment. NULL where caps.rx_event is false.
     */
    int (*listen)(struct port *p);
    /* After it, when there was a descriptor. May be NULL. */
    void (*unlisten)(struct port *p);
    /* Lets the device reach [addr, addr + len) of application memory: 0, -ENOTSUP when it needs no such thing, -errno. May be NULL. */
    int (*dma_map)(struct port *p, void *addr, uint64_t iova, size_t len);
    void (*close)(struct port *p);
};

/* Of a port whose calls are timed: its own calls, and those that take their place (port_time). */
struct port_timed {
    const struct port_ops *real;
    struct port_ops ops;
    uint64_t read_ns; /* what reading the clock takes */
};

struct port {
    const struct port_ops *ops;
    struct port_caps caps;
    uint8_t mac[6];
    uint16_t mtu;
    uint16_t id;                             /* ethdev port id; of others the number in the configuration, or 0 */
    struct counters *ctr;                    /* of the stack that polls this port */
    struct dispatch dispatch;                /* whom port_rx asks about frames */
    uintptr_t rx_distance;                   /* of the last received frame: from its mbuf to its bytes; 0: unknown */
    struct rte_mempool *linear_pool;         /* for frames the port cannot take as they are; NULL: those are dropped */
    struct rte_mempool *hdr_pool, *ind_pool; /* for frames that are cut here; NULL: they are refused */
    bool gro;                                /* merge received segments here */
    void (*copied)(struct rte_mbuf *seg);    /* told of external memory that was copied instead of sent; may be NULL */
    char name[64];
    struct gso gso; /* the frame that is being cut */
    struct port_timed timed;
};

/*
 * Receive and transmit as the stack uses them. port_rx returns frames with RTE_MBUF_F_RX_IP_CKSUM_GOOD and _L4_CKSUM_GOOD set
 * only where the device vouches for them; those that the application wants otherwise (dispatch.h) are not among them. port_tx takes a
 * prefix of the frames and returns how many; the array may be rewritten: m[returned … n-1] hold what the caller still owns and offers
 * again, so pass the queue's own slots. Frames longer than the MTU are freed and counted (CTR_TX_OVERSIZE), except those for segmentation,
 * below. On transmit checksums that are asked for by mbuf flags (RTE_MBUF_F_TX_IP_CKSUM, _TCP_CKSUM, _UDP_CKSUM with l2_len, l3_len,
 * l4_len) are done in software when the port has no offload, and frames the port cannot take are linearised (counted in CTR_TX_LINEARIZED
 * and CTR_COPY_PORT). The pseudo-header sum in the L4 checksum field is written here too, so callers leave the field zero.
 *
 * Segmentation. A frame with RTE_MBUF_F_TX_TCP_SEG and RTE_MBUF_F_TX_TCP_CKSUM (IPv4: _IP_CKSUM too), l2_len, l3_len, l4_len and
 * tso_segsz is many TCP segments: of tso_segsz payload bytes each, the last of what is left. Its headers are in the first mbuf, its IP
 * length is that of the whole frame, FIN and PSH are meant for the last segment. With caps.tx_tso the port cuts it, within tso_max_segs
 * and tso_max_bytes; the pseudo-header sum that port_ops.tx finds in it is without a length, as ethdev has it, and without
 * caps.tx_ip_cksum the sum of the IP header is made as if it were one packet. Other ports get the segments, cut by reference (gso.h);
 * where the ring takes a part of them, the frame stays the caller's, and the rest goes when it is offered again; or is dropped when there
 * have been no buffers to cut it with for long (DROP_NO_MBUF), as those may be in the frames behind it.
 *
 * Merging. A received frame with RTE_MBUF_F_RX_LRO stands for several segments of one connection in sequence, whose first header it has,
 * with the last acknowledgement, window and timestamps, and an IP length of the whole. tso_segsz: payload bytes of each, the last may have
 * fewer. It may be longer than the MTU, in a chain or in large buffers. Who merges has proven the checksums: both flags say good. The port
 * does it (caps.rx_lro), or port_merge.
 */
uint16_t port_rx(struct port *p, struct rte_mbuf **m, uint16_t n);
uint16_t port_tx(struct port *p, struct rte_mbuf **m, uint16_t n);

/*
 * True: a frame that refers to buffers would be copied by port_tx. Who makes one for such a port may copy the payload at once, and needs
 * none of the mbufs that refer to it: port_flat, port_flat_add for each piece, then the headers in front.
 */
static inline bool port_copies_references(const struct port_caps *c)
{
    return !c->tx_chains || !c->tx_indirect || c->tx_owned_only;
}

/*
 * An empty buffer that the port takes as it is, with headroom, for len bytes of payload: the caller's, counted in
 * CTR_TX_LINEARIZED. NULL: none is free, or none is so large.
 */
struct rte_mbuf *port_flat(struct port *p, uint32_t len);

/* Appends len bytes at off of from's buffer (from buf_addr), counted as any copy of a port's. from stays the caller's. */
void port_flat_add(struct port *p, struct rte_mbuf *to, struct rte_mbuf *from, uint32_t off, uint32_t len);

/* Merges segments of a burst in software (gro.h), where port.gro says so. Returns how many frames are left, at the front. */
uint16_t port_merge(struct port *p, struct rte_mbuf **m, uint16_t n);
void port_tx_abandon(struct port *p); /* frames that were offered will not be offered again */
void port_close(struct port *p);

/*
 * From now on the clock is read around each call of ops.rx and ops.tx, and what they take is counted (CTR_PORT_NS): the device and its
 * driver, without what port_rx and port_tx do in software. Once per port, when its ops are complete; a clock read costs some 20 cycles.
 */
void port_time(struct port *p);

/* Monotonic clock in ns: TSC where it is invariant. The loop reads it at most twice a poll. */
uint64_t port_clock_ns(void);

/* Wall clock in ns since the epoch, for ff_gettimeofday. */
uint64_t port_wallclock_ns(void);

/* Sleeps: sleep.h is for threads that own a stack. */
void port_nap(uint64_t ns);

/* 16 bytes of entropy from the system for a stack's secret keys. */
void port_entropy(void *buf, unsigned len);

/* 16 bytes that are this machine's, the same after every start (from /etc/machine-id, not the id itself). False: there are none. */
bool port_machine_secret(uint8_t secret[16]);

/* Keeps the other thread of the core happy while spinning (pause instruction). */
void port_pause(void);

#endif
