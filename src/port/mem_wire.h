/* What the in-memory port does to flat frames: the checksum work of a NIC. */
#ifndef PORT_MEM_WIRE_H
#define PORT_MEM_WIRE_H

#include <stdint.h>

#include <rte_mbuf.h>

/* Fills in what the flags of the sent mbuf ask for; sums start from what the sender left in the fields, as NICs do. */
void mem_wire_tx_cksum(const struct rte_mbuf *m, uint8_t *frame, uint32_t len);

/* RTE_MBUF_F_RX_* flags for a received frame: what a NIC finds out about IPv4 with TCP or UDP. */
uint64_t mem_wire_rx_flags(const uint8_t *frame, uint32_t len);

#endif
