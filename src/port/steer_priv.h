/* Between the files of steering. */
#ifndef PORT_STEER_PRIV_H
#define PORT_STEER_PRIV_H

#include "port/steer.h"
#include "wire/flow.h"

struct rte_memzone;
struct rte_ring;

struct steer {
    const struct rte_memzone *zone;
    uint16_t n;
    uint64_t alive;           /* atomic: a bit per stack */
    uint8_t reta[STEER_RETA]; /* atomic, each */
    uint8_t key[TOEPLITZ_KEY_BYTES], secret[32];
    struct toeplitz hash;
    struct rte_ring *told[STEER_MAX];
    uint64_t listens[STEER_PROTOS][UINT16_MAX + 1]; /* atomic: a bit per stack */
};

unsigned steer_of_flow(const struct steer *g, const struct flow *f);

#endif
