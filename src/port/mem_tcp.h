/* What the in-memory port does to TCP segments in flat frames, as a NIC does: cuts them (TSO) and merges them (LRO). */
#ifndef PORT_MEM_TCP_H
#define PORT_MEM_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

/* Longest merged frame: its IP length has 16 bits, with room for an Ethernet header. */
#define MEM_TCP_FRAME_MAX 65535u

/* Why a frame that is to be cut cannot be, by what its mbuf says and what its bytes say; NULL: it can. */
const char *mem_tcp_cut_fault(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len, uint32_t mtu);

/* How many segments it makes, and number i of them in out, which has room for segsz and headers. Returns its length. */
uint32_t mem_tcp_segments(const struct rte_mbuf *m, uint32_t len);
uint32_t mem_tcp_cut(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len, uint32_t i, uint8_t *out);

/* Merging: the frame so far, its parts proven. */
struct mem_merge {
    uint8_t *data; /* MEM_TCP_FRAME_MAX bytes */
    uint32_t len, segs;
    uint16_t l3_off, l4_off, hdr_len, seg_bytes;
    bool closed; /* nothing more may follow */
};

/* Begins with a copy of the frame. False: no TCP segment with data that may be merged, by headers and checksums. */
bool mem_merge_begin(struct mem_merge *g, const uint8_t *frame, uint32_t len);

/* The next segment of the same connection, in sequence: it is added. Else false, and nothing changed. */
bool mem_merge_add(struct mem_merge *g, const uint8_t *frame, uint32_t len);

#endif
