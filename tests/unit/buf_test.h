/* What the tests of src/buf share: EAL without hugepages, one pool without cache, segments filled by position. */
#ifndef UNIT_BUF_TEST_H
#define UNIT_BUF_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/arena.h"
#include "pkt/pkt.h"

#define TEST_POOL_SIZE 2047u
#define TEST_ROOM 512u

static struct rte_mempool *test_pool;
static struct arena test_arena;

static inline int buf_test_setup(void **state)
{
    char *argv[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "-m", "64", "--log-level=3", NULL};

    (void)state;
    if (rte_eal_init(7, argv) < 0 || pkt_init() != 0 || arena_init(&test_arena, 64 * MIB) != 0)
        return -1;
    test_pool = rte_pktmbuf_pool_create("test", TEST_POOL_SIZE, 0, 0, RTE_PKTMBUF_HEADROOM + TEST_ROOM, SOCKET_ID_ANY);
    return test_pool != NULL ? 0 : -1;
}

static inline int buf_test_teardown(void **state)
{
    (void)state;
    arena_fini(&test_arena);
    return rte_eal_cleanup();
}

/* After every test: nothing of it is left in the pool or in the arena. */
static inline int buf_test_conserved(void **state)
{
    (void)state;
    return rte_mempool_in_use_count(test_pool) == 0 && test_arena.used_bytes == 0 ? 0 : -1;
}

/* The byte at a position in sequence space: no short period. */
static inline uint8_t byte_at(uint32_t seq)
{
    return (uint8_t)((seq * 2654435761u) >> 24);
}

/* A segment of len bytes whose payload is that of [seq, seq + len), xor flip. */
static inline struct rte_mbuf *seg_flipped(uint32_t seq, uint32_t len, uint8_t flip)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(test_pool);
    uint8_t *p;

    assert_non_null(m);
    assert_true(len <= TEST_ROOM);
    memset(pkt_meta(m), 0, sizeof(struct pkt_meta));
    p = pkt_data(m);
    for (uint32_t i = 0; i < len; i++)
        p[i] = byte_at(seq + i) ^ flip;
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    return m;
}

static inline struct rte_mbuf *seg(uint32_t seq, uint32_t len)
{
    return seg_flipped(seq, len, 0);
}

/* Appends to a chain as a driver builds it. */
static inline struct rte_mbuf *chain(struct rte_mbuf *head, struct rte_mbuf *tail)
{
    assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
    return head;
}

/* What pkt_truesize says of a segment of the pool. */
#define SEG_CHARGE ((uint32_t)(sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + TEST_ROOM))

#endif
