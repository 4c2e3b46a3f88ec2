/*
 * Buffers at the level of rte_mbuf (linked placement only): the names of the Z-stack paper. A handle is the rte_mbuf
 * itself, and the same as a struct z_buf *; all rules of z_api.h hold. NULL is tolerated everywhere.
 */
#ifndef ZSTACK_FF_VETH_H
#define ZSTACK_FF_VETH_H

#include <stdint.h>
#include <sys/types.h>

#include <rte_config.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Pools of the stack's application buffers (about 2 KB), by NUMA socket. */
extern struct rte_mempool *ff_pktmbuf_pool[RTE_MAX_NUMA_NODES];
#ifndef pktmbuf_pool
#define pktmbuf_pool ff_pktmbuf_pool
#endif

/** Of the calling thread. */
struct ff_lcore_info {
    uint16_t socket_id;
};
extern __thread struct ff_lcore_info ff_lcore_conf;
#ifndef lcore_conf
#define lcore_conf ff_lcore_conf
#endif

struct z_buf;
ssize_t z_read(int fd, void **mb, size_t n);
ssize_t z_write(int fd, struct z_buf *mb, size_t n);

/**
 * A handle on len bytes at data inside rte_mb: sets the mbuf's data offset and lengths. Links it behind prev when that is
 * not NULL.
 *
 * Ownership: the handle is rte_mb itself: from here on ff_mbuf_free or z_write end it.
 * @return  the handle, or NULL with errno EINVAL (the bytes are not inside rte_mb's buffer). Any thread.
 */
void *ff_mbuf_get(void *prev, void *rte_mb, void *data, uint16_t len);

/** ff_mbuf_get for the first piece of a packet of total bytes; rx_csum is not needed here. */
void *ff_mbuf_gethdr(void *pkt, uint16_t total, void *data, uint16_t len, uint8_t rx_csum);

/** The first byte of this piece; NULL for NULL. Any thread. */
void *ff_mbuf_mtod(void *mb);

/** Frees the chain, or, after ff_mbuf_detach_rte, only forgets it. Any thread. */
void ff_mbuf_free(void *mb);

/**
 * The rte_mbuf behind a buffer: solely owned, direct and writable. Where mb's bytes are shared with another holder it is a
 * copy (counted in copy.writable_bytes).
 *
 * Ownership: it still goes with mb: ff_mbuf_free(mb) frees it, unless ff_mbuf_detach_rte(mb) made it the caller's.
 * @return  the rte_mbuf, or NULL with errno ENOMEM, EINVAL (mb is NULL).
 */
void *ff_rte_frm_extcl(void *mb);

/** From here on the rte_mbuf behind mb belongs to the caller; the next ff_mbuf_free(mb) does not free it. */
void ff_mbuf_detach_rte(void *mb);

/** Data and length of the current piece, then *mb moves on (NULL after the last). 0, or -1 when *mb is NULL. Any thread. */
int ff_next_mbuf(void **mb, void **data, unsigned *len);

/** Copies len bytes from offset off of the chain. 0, or -1 with errno EINVAL (the chain is shorter). Any thread. */
int ff_mbuf_copydata(void *mb, void *data, int off, int len);

#ifdef __cplusplus
}
#endif

#endif
