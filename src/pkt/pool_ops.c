#include "pkt/pool_ops.h"

#include "base/poison.h"

/* A ring, whose users wait for one that has stopped in the middle; or a list without locks, where it costs what was in its hands. */
const char *pool_ops_name(bool procs)
{
    return procs ? "lf_stack" : "ring_mp_mc";
}

uint32_t pool_cache_size(uint32_t size)
{
    return size;
}

void pool_ops_arm(struct rte_mempool *mp)
{
    (void)mp;
}
