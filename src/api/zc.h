/* Buffer handles inside src/api: a struct z_buf is the rte_mbuf. */
#ifndef API_ZC_H
#define API_ZC_H

#include "api/api.h"
#include "pkt/pkt.h"

static inline struct rte_mbuf *zc_mbuf(struct z_buf *b)
{
    return (struct rte_mbuf *)(void *)b;
}

static inline struct z_buf *zc_handle(struct rte_mbuf *m)
{
    return (struct z_buf *)(void *)m;
}

/* In a child process the buffers are the parent's: nothing may be written to them. */
static inline bool zc_hands_off(void)
{
    return unlikely(api_get_state() == API_FORKED);
}

static inline uint16_t zc_flags(struct rte_mbuf *m)
{
    return __atomic_load_n(&pkt_meta(m)->flags, __ATOMIC_RELAXED);
}

/*
 * A buffer may stand for a copy of itself: ff_rte_frm_extcl made it because the bytes are shared. PKT_F_COPIED says so, and
 * the copy is kept where only a frame's head keeps anything, which a buffer in the application's hands is not.
 */
#define PKT_F_COPIED 0x8000u

static inline struct rte_mbuf *zc_copy_of(struct rte_mbuf *m)
{
    return (zc_flags(m) & PKT_F_COPIED) != 0 ? (struct rte_mbuf *)(uintptr_t)m->tx_offload : NULL;
}

/* The core whose stack counts a loan. */
static inline struct api_core *zc_lender(struct rte_mbuf *m)
{
    return api.core[pkt_meta(m)->loan_stack - api.core[0]->lender];
}

/* Is it this thread that counts it? */
static inline bool zc_is_lender(struct rte_mbuf *m)
{
    return api_is_owner() && likely(api_here->lender == pkt_meta(m)->loan_stack);
}

/* A loan ends though the buffer stays with the application. */
void zc_loan_end(struct rte_mbuf *m);

/*
 * A chain is about to be written to a descriptor: what another stack than the descriptor's has lent is counted off there first. Should
 * the write fail, those pieces are buffers of the application like any other.
 */
void zc_settle_loans(int fd, struct rte_mbuf *m);
static inline void zc_settle(int fd, struct rte_mbuf *m)
{
    if (unlikely(api.n_cores > 1))
        zc_settle_loans(fd, m);
}

void zc_set_copy(struct rte_mbuf *m, struct rte_mbuf *copy);
struct rte_mbuf *zc_take_copy(struct rte_mbuf *m); /* the copy is the caller's now; NULL when there is none */

/* A loan ends (owner thread only): whoever lent the piece counts it no more. */
static inline void zc_loan_return(struct z_stack *s, struct rte_mbuf *m)
{
    if ((zc_flags(m) & PKT_F_LOAN_UDP) != 0)
        udp_loan_return(s, m);
    else
        tcp_loan_return(s, m);
}

/*
 * What a buffer was in the application's hands ends here: a loan is returned, a detached buffer is not any more, and a copy made
 * by ff_rte_frm_extcl that nobody detached goes with the buffer it stands for.
 */
void zc_leave_application(struct z_stack *s, struct rte_mbuf *m);

/* One holder of this piece lets go (not of the pieces behind it). */
void zc_free_piece(struct rte_mbuf *m);

/* A solely owned copy of this piece with its bytes counted, from any thread; NULL: no buffer. m->next is not followed. */
struct rte_mbuf *zc_copy_piece(struct rte_mbuf *m);

/* The first piece gets the length and the count of the chain; returns the length. */
size_t zc_seal(struct rte_mbuf *m);

#endif
