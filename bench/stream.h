/* What bulk transfers beside the kernel carry: byte n of a stream is byte n of one block, repeated. Checked by samples: reading all of it
 * would cost more than the transfer. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STREAM_SINK_PORT 5001 /* of the server: takes what is sent */
#define STREAM_SOURCE_PORT 5002
#define STREAM_PERIOD 65280u
#define STREAM_SAMPLE 64u     /* bytes compared at the beginning of a piece */
#define STREAM_WHOLE_EVERY 64 /* pieces of which one is compared whole */

/* Two blocks, so that every byte of the first has a block behind it: pieces of up to a block are compared at once. */
struct stream_block {
    uint8_t byte[2 * STREAM_PERIOD];
};

/* How far a receiver is. */
struct stream_check {
    uint64_t at;
    uint64_t pieces;
};

/* No two places of a block look the same, so that what is missing or twice there is seen. */
static inline void stream_fill(struct stream_block *b)
{
    uint32_t x = 1;

    for (size_t i = 0; i < STREAM_PERIOD; i++) {
        x = x * 1664525u + 1013904223u;
        b->byte[i] = b->byte[STREAM_PERIOD + i] = (uint8_t)(x >> 24);
    }
}

/* False: these n bytes are not the next ones. */
static inline bool stream_right(struct stream_check *c, const struct stream_block *b, const void *data, size_t n)
{
    size_t most = c->pieces++ % STREAM_WHOLE_EVERY == 0 ? STREAM_PERIOD : STREAM_SAMPLE;
    const uint8_t *expected = b->byte + c->at % STREAM_PERIOD;

    c->at += n;
    return memcmp(data, expected, n < most ? n : most) == 0;
}

#endif
