/*
 * Single segments of received data, as rcvq and reass hold them. In these queues chains are linked by m->next only;
 * every segment stands alone with nb_segs 1, and data_off/data_len say what counts (nb_segs has only 16 bits, and
 * pkt_len of inner segments would have to be kept through every cut).
 */
#ifndef BUF_SEG_H
#define BUF_SEG_H

#include <stddef.h>

#include "pkt/pkt.h"

/* Takes m out of whatever chain it was in: it now describes itself. */
static inline void seg_unlink(struct rte_mbuf *m)
{
    m->next = NULL;
    m->nb_segs = 1;
    m->pkt_len = m->data_len;
}

/* Frees a segment, not what follows it. */
static inline void seg_free(struct rte_mbuf *m)
{
    seg_unlink(m);
    pkt_unref(m);
}

static inline void seg_free_chain(struct rte_mbuf *m)
{
    while (m != NULL) {
        struct rte_mbuf *next = m->next;

        seg_free(m);
        m = next;
    }
}

/* Cuts n <= data_len bytes from the front. */
static inline void seg_cut_front(struct rte_mbuf *m, uint32_t n)
{
    m->data_off = (uint16_t)(m->data_off + n);
    m->data_len = (uint16_t)(m->data_len - n);
}

#endif
