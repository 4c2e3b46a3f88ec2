/*
 * Received frames that the application sees first: it names the stack that is to have one, drops it, or sends it back changed. Asked once
 * a frame, before frames are given to other stacks, where the frame leaves its device queue: by port_rx, or by a port that gives
 * frames away itself (caps.rx_dispatch).
 *
 * What the application gets may be written, with room for an answer: frames that somebody else refers to, or in a buffer that is too
 * small, are copied before (CTR_COPY_WRITABLE).
 */
#ifndef PORT_DISPATCH_H
#define PORT_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "pkt/txq.h"

/* Of a frame in several buffers so many bytes (or all) are together in the first. */
#define DISPATCH_LOOK_BYTES 192u
/* From where the frame begins: what an application may write in any case. */
#define DISPATCH_ROOM_BYTES 1514u

enum { DISPATCH_DROP = -1, DISPATCH_ANSWER = -2 };

/* What is told about a frame beside its bytes. */
struct dispatch_about {
    uint16_t queue, n_queues; /* the stack that would have it; how many there are */
    bool vlan_stripped;       /* the device took its tag off */
    uint16_t vlan_tci;        /* that tag; else 0 */
};

/* The number of a stack, or one of the above. *len: bytes at data; of an answer what is to be sent of them. */
typedef int dispatch_ask(uint8_t *data, uint16_t *len, const struct dispatch_about *about);

/* Of a port. */
struct dispatch {
    dispatch_ask *const
        *ask; /* the process's: an atomic word that any thread may write, and NULL when nobody is to be asked. May be NULL */
    struct rte_mempool *pool; /* for copies; NULL: frames that may not be written are dropped */
    struct txq *answers;      /* where they leave */
    uint16_t gone;            /* frames of the last port_rx that were dropped or sent back */
};

struct port;

static inline dispatch_ask *dispatch_asked(const struct dispatch *d)
{
    return d->ask != NULL ? __atomic_load_n(d->ask, __ATOMIC_ACQUIRE) : NULL;
}

/*
 * Asks about the frame *m (consumed unless a stack is named; perhaps another mbuf takes its place) that stack queue of n would have.
 * Returns the stack that is to have it, or -1: dropped, or sent back.
 */
int dispatch_frame(struct port *p, dispatch_ask *ask, struct rte_mbuf **m, unsigned queue, unsigned n);

/* Of a stack that has the device for itself. Returns how many frames are left, at the front of the array. */
uint16_t dispatch_alone(struct port *p, dispatch_ask *ask, struct rte_mbuf **m, uint16_t n);

/* The application has named a stack that is not there. */
void dispatch_drop_bad(struct port *p, struct rte_mbuf *m /* consumed */);

#endif
