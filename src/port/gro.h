/*
 * Software merging of received TCP segments, for ports that do not merge them. Only neighbours in a burst: segments of one connection, in
 * sequence, with the same headers but for what differs from one to the next, checksums proven. By chaining: no payload byte moves.
 */
#ifndef PORT_GRO_H
#define PORT_GRO_H

#include <stdint.h>

#include <rte_mbuf.h>

#define GRO_MIN_BYTES 600u /* shorter frames are not looked at: requests, responses, acknowledgements */

/* Merges frames of the burst; returns how many are left, at the front. The caller owns those. */
uint16_t gro_merge(struct rte_mbuf **m, uint16_t n);

#endif
