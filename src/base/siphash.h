/* SipHash-2-4 (Aumasson, Bernstein 2012): the keyed hash of the connection table, ports and initial sequence numbers. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash24(const uint8_t key[16], const void *data, size_t len);

/* SipHash-1-3: for hash tables, where only unpredictability of the bucket matters. */
uint64_t siphash13(const uint8_t key[16], const void *data, size_t len);

#endif
