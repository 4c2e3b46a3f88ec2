/*
 * Software segmentation, for ports that do not cut frames themselves. A frame is cut into segments by reference: each is a header mbuf of
 * its own, chained to indirect mbufs over the frame's payload. The caller keeps the frame until all of them have left; then frees it.
 */
#ifndef PORT_GSO_H
#define PORT_GSO_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define GSO_SEGS_MAX 64u    /* of a frame */
#define GSO_TRIES_MAX 2000u /* calls that find no buffers, before a frame is given up */

struct gso {
    struct rte_mbuf *frame; /* that is being cut; NULL: none */
    uint32_t off;           /* payload bytes of it that are in segments */
    uint16_t n, sent;       /* seg[sent … n-1] wait */
    uint16_t tries;         /* in vain, for want of buffers */
    struct rte_mbuf *seg[GSO_SEGS_MAX];
};

/* Payload bytes of the frame. */
static inline uint32_t gso_payload(const struct rte_mbuf *m)
{
    return m->pkt_len - (uint32_t)(m->l2_len + m->l3_len + m->l4_len);
}

void gso_begin(struct gso *g, struct rte_mbuf *frame);

/*
 * Fills g->seg with the next segments, as many as there are buffers for; those of before have all been sent. False: none, for want of
 * buffers. g->off tells how far it came.
 */
bool gso_cut(struct gso *g, struct rte_mempool *hdr_pool, struct rte_mempool *ind_pool);

/* Gives up what waits. The frame is the caller's. */
void gso_drop(struct gso *g);

#endif
