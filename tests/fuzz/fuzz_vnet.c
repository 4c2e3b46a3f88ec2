/*
 * libFuzzer target of the virtio-net header of received frames: any header for a frame of any length. What it claims must be true of every
 * frame of that length; the frame's bytes are not there, so looking at one would be seen.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "port/tap_vnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint64_t good = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    struct rte_mbuf m;
    struct virtio_net_hdr h;
    uint16_t len;

    if (size < sizeof(h) + sizeof(len))
        return 0;
    memcpy(&h, data, sizeof(h));
    memcpy(&len, data + sizeof(h), sizeof(len));
    memset(&m, 0, sizeof(m));
    m.pkt_len = len;
    tap_vnet_rx(&h, &m);
    Z_CHECK((m.ol_flags & ~(good | RTE_MBUF_F_RX_LRO)) == 0 && m.pkt_len == len && m.nb_segs == 0);
    if ((m.ol_flags & good) != 0 && (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
        Z_CHECK(h.csum_start >= 34 && (uint32_t)h.csum_start + h.csum_offset + 2 <= len && (h.csum_offset == 6 || h.csum_offset == 16));
    if ((m.ol_flags & RTE_MBUF_F_RX_LRO) != 0)
        Z_CHECK((m.ol_flags & good) != 0 && m.tso_segsz == h.gso_size && h.gso_size != 0 && h.gso_size < len);
    else
        Z_CHECK(m.tso_segsz == 0);
    return 0;
}
