/* Which mempool operations the pools use: DPDK's own, or in sanitizer builds ones that see a use after free. */
/* procs: other processes use the pool too, of which one may die at any instruction. */
#ifndef PKT_POOL_OPS_H
#define PKT_POOL_OPS_H

#include <stdbool.h>
#include <stdint.h>

const char *pool_ops_name(bool procs);

/* Per-core cache size to use where size would be right: sanitizer builds have none, or stale objects stay reachable. */
uint32_t pool_cache_size(uint32_t size);

struct rte_mempool;

/* The pool's objects are initialised: from now on sanitizer builds poison the free ones. */
void pool_ops_arm(struct rte_mempool *mp);

#endif
