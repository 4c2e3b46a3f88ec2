#include "pkt/pool_ops.h"

const char *pool_ops_name(void)
{
    return "ring_mp_mc";
}

uint32_t pool_cache_size(uint32_t size)
{
    return size;
}
