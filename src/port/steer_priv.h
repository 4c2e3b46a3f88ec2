/* Between the files of steering. */
#ifndef PORT_STEER_PRIV_H
#define PORT_STEER_PRIV_H

#include "port/steer.h"
#include "wire/flow.h"

struct rte_memzone;
struct rte_ring;

/* A change of the table: next is announced with a new number, and becomes valid. Written by the stack that calls steer_change(). */
struct steer_change {
    uint32_t number, valid; /* atomic: of the table that is announced; of reta */
    uint64_t members;       /* of next: a bit per stack */
    uint64_t since_ns;
    uint32_t agreed[STEER_MAX]; /* atomic: each stack's own */
};

/* Of the process that has this number. */
struct steer_seat {
    uint16_t taken;      /* atomic: somebody has it, or died with it */
    uint16_t unclean;    /* whoever had it last has not left in order */
    uint32_t generation; /* how often that has been so */
    struct counters ctr; /* as last shown, each word atomic */
};

struct steer {
    const struct rte_memzone *zone;
    uint16_t n;
    uint16_t lanes;                             /* queues to each stack: one that all fill, or with processes one from each */
    uint64_t alive;                             /* atomic: a bit per stack */
    uint8_t reta[STEER_RETA], next[STEER_RETA]; /* atomic, each */
    uint8_t key[TOEPLITZ_KEY_BYTES], secret[32];
    struct toeplitz hash;
    struct steer_change change;
    struct rte_ring *told[STEER_MAX][STEER_MAX]; /* [to][lane] */
    uint16_t open;                               /* atomic: steer_open */
    struct steer_seat seat[STEER_MAX];
    uint64_t listens[STEER_PROTOS][UINT16_MAX + 1]; /* atomic: a bit per stack */
};

unsigned steer_of_flow(const struct steer *g, const struct flow *f);
uint32_t steer_hash(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport);

static inline unsigned steer_lane(const struct steer *g, unsigned from)
{
    return g->lanes > 1 ? from : 0;
}

/*
 * What a process that died in the middle of putting something into a queue has left: others see what was before it. Only for its successor,
 * the one that fills the queue.
 */
void steer_mend_queue(struct rte_ring *r);

#endif
