/* Loads and stores of wire-order integers at any alignment. */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static inline uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline void put16(uint8_t *p, uint16_t host)
{
    uint16_t v = htobe16(host);

    memcpy(p, &v, sizeof(v));
}

static inline void put32(uint8_t *p, uint32_t host)
{
    uint32_t v = htobe32(host);

    memcpy(p, &v, sizeof(v));
}

#endif
