/* The pools of a stack: receive, headers, indirect, application buffers by size class. */
#include <errno.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "pkt/pkt.h"
#include "pkt/pool_ops.h"

#include "base/poison.h"

#define POOL_CACHE 256u
#define HDR_BUF_BYTES (PKT_HDR_ROOM + 64u)

const uint32_t pkt_app_class_bytes[PKT_APP_CLASSES] = {2048, 9216, PKT_BUF_MAX};

/*
 * Buffers lie one after the other where devices use virtual addresses: af_xdp takes a pool for n buffers in a row and loses frames
 * in those beyond, and without hugepages each buffer would begin a page of its own.
 */
static struct rte_mempool *pool_empty(const char *full, uint32_t n, uint32_t room, int socket_id)
{
    unsigned flags = rte_eal_iova_mode() == RTE_IOVA_VA ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
    uint32_t cache = n >= 4 * POOL_CACHE ? POOL_CACHE : 0;

    return rte_mempool_create_empty(full, n, (unsigned)sizeof(struct rte_mbuf) + room, pool_cache_size(cache),
                                    sizeof(struct rte_pktmbuf_pool_private), socket_id, flags);
}

/* procs: it may be there already, from a process that had our number, and has left it in order. */
static struct rte_mempool *pool_create(const char *name, const char *kind, uint32_t n, uint32_t room, bool procs, int socket_id)
{
    struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = (uint16_t)room};
    char full[RTE_MEMPOOL_NAMESIZE];
    struct rte_mempool *mp;

    if (n == 0)
        return NULL;
    snprintf(full, sizeof(full), "%s_%s", name, kind);
    if (procs && (mp = rte_mempool_lookup(full)) != NULL)
        return mp->size == n && rte_pktmbuf_data_room_size(mp) == room ? mp : NULL;
    mp = pool_empty(full, n, room, socket_id);
    if (mp == NULL)
        return NULL;
    if (rte_mempool_set_ops_byname(mp, pool_ops_name(procs), NULL) != 0) {
        rte_mempool_free(mp);
        return NULL;
    }
    rte_pktmbuf_pool_init(mp, &priv);
    if (rte_mempool_populate_default(mp) < 0) {
        rte_mempool_free(mp);
        return NULL;
    }
    rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
    pool_ops_arm(mp);
    return mp;
}

int pkt_pools_create(struct pkt_pools *p, const char *name, const struct pkt_pool_sizes *sizes, struct rte_mempool *rx, int socket_id)
{
    static const char *const app_kind[PKT_APP_CLASSES] = {"a2k", "a9k", "a64k"};
    bool ok;

    *p = (struct pkt_pools){.rx = rx, .rx_is_shared = rx != NULL};
    if (rx == NULL)
        p->rx = pool_create(name, "rx", sizes->rx, sizes->rx_room_bytes + PKT_HEADROOM, sizes->procs, socket_id);
    p->hdr = pool_create(name, "hdr", sizes->hdr, HDR_BUF_BYTES, sizes->procs, socket_id);
    p->ctl = pool_create(name, "ctl", sizes->ctl, HDR_BUF_BYTES, sizes->procs, socket_id);
    p->ind = pool_create(name, "ind", sizes->ind, 0, sizes->procs, socket_id);
    ok = p->rx != NULL && p->hdr != NULL && p->ind != NULL && (p->ctl != NULL || sizes->ctl == 0);
    for (int i = 0; i < PKT_APP_CLASSES; i++) {
        p->app[i] = pool_create(name, app_kind[i], sizes->app[i], pkt_app_class_bytes[i] + PKT_HEADROOM, sizes->procs, socket_id);
        ok = ok && p->app[i] != NULL;
    }
    if (!ok) {
        pkt_pools_free(p);
        return -ENOMEM;
    }
    return 0;
}

void pkt_pools_free(struct pkt_pools *p)
{
    if (!p->rx_is_shared)
        rte_mempool_free(p->rx);
    rte_mempool_free(p->hdr);
    rte_mempool_free(p->ctl);
    rte_mempool_free(p->ind);
    for (int i = 0; i < PKT_APP_CLASSES; i++)
        rte_mempool_free(p->app[i]);
    *p = (struct pkt_pools){0};
}

uint32_t pkt_pools_in_use(const struct pkt_pools *p)
{
    uint32_t n = rte_mempool_in_use_count(p->hdr) + rte_mempool_in_use_count(p->ind);

    if (!p->rx_is_shared)
        n += rte_mempool_in_use_count(p->rx);
    if (p->ctl != NULL)
        n += rte_mempool_in_use_count(p->ctl);
    for (int i = 0; i < PKT_APP_CLASSES; i++)
        n += rte_mempool_in_use_count(p->app[i]);
    return n;
}
