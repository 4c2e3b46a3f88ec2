/*
 * Mempool operations for sanitizer builds: a FIFO without cache, whose free objects are poisoned, so that
 * AddressSanitizer reports a use after free inside a pool. The object's first bytes (the mbuf's header) stay readable for
 * the mempool library's own checks only between dequeue and enqueue.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_mempool.h>
#include <rte_spinlock.h>
#include <sanitizer/asan_interface.h>

#include "pkt/pool_ops.h"

#include "base/poison.h"

#define OPS_NAME "zstack_asan"

struct asan_pool {
    rte_spinlock_t lock; /* application buffers are freed from any thread */
    unsigned head, count, size;
    int armed;
    void *slot[];
};

static int asan_alloc(struct rte_mempool *mp)
{
    struct asan_pool *p = calloc(1, sizeof(*p) + sizeof(void *) * mp->size);

    if (p == NULL)
        return -ENOMEM;
    p->size = mp->size;
    rte_spinlock_init(&p->lock);
    mp->pool_data = p;
    return 0;
}

static void asan_free(struct rte_mempool *mp)
{
    struct asan_pool *p = mp->pool_data;

    for (unsigned i = 0; i < p->count; i++)
        ASAN_UNPOISON_MEMORY_REGION(p->slot[(p->head + i) % p->size], mp->elt_size);
    free(p);
}

static int asan_enqueue(struct rte_mempool *mp, void *const *obj, unsigned n)
{
    struct asan_pool *p = mp->pool_data;

    rte_spinlock_lock(&p->lock);
    for (unsigned i = 0; i < n; i++) {
        p->slot[(p->head + p->count++) % p->size] = obj[i];
        if (p->armed)
            ASAN_POISON_MEMORY_REGION(obj[i], mp->elt_size);
    }
    rte_spinlock_unlock(&p->lock);
    return 0;
}

static int asan_dequeue(struct rte_mempool *mp, void **obj, unsigned n)
{
    struct asan_pool *p = mp->pool_data;
    int ret = -ENOENT;

    rte_spinlock_lock(&p->lock);
    if (p->count >= n) {
        for (unsigned i = 0; i < n; i++) {
            obj[i] = p->slot[p->head];
            p->head = (p->head + 1) % p->size;
            ASAN_UNPOISON_MEMORY_REGION(obj[i], mp->elt_size);
        }
        p->count -= n;
        ret = 0;
    }
    rte_spinlock_unlock(&p->lock);
    return ret;
}

static unsigned asan_count(const struct rte_mempool *mp)
{
    const struct asan_pool *p = mp->pool_data;

    return p->count;
}

static const struct rte_mempool_ops asan_ops = {
    .name = OPS_NAME,
    .alloc = asan_alloc,
    .free = asan_free,
    .enqueue = asan_enqueue,
    .dequeue = asan_dequeue,
    .get_count = asan_count,
};

const char *pool_ops_name(bool procs)
{
    (void)procs; /* their memory is not this process's alone, and other processes do not see what is poisoned */
    static int registered = -1;

    if (registered < 0)
        registered = rte_mempool_register_ops(&asan_ops);
    return OPS_NAME;
}

uint32_t pool_cache_size(uint32_t size)
{
    (void)size;
    return 0;
}

void pool_ops_arm(struct rte_mempool *mp)
{
    struct asan_pool *p = mp->pool_data;

    p->armed = 1;
    for (unsigned i = 0; i < p->count; i++)
        ASAN_POISON_MEMORY_REGION(p->slot[(p->head + i) % p->size], mp->elt_size);
}
