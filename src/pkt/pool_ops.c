#include "pkt/pool_ops.h"

#include "base/poison.h"

const char *pool_ops_name(void)
{
    return "ring_mp_mc";
}

uint32_t pool_cache_size(uint32_t size)
{
    return size;
}

void pool_ops_arm(struct rte_mempool *mp)
{
    (void)mp;
}
