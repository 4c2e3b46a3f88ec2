/* The parts of impair: command line (impair_args.c), what happens to a frame (impair_fate.c), sockets (impair_io.c), loop (impair.c). */
#ifndef TOOLS_IMPAIR_H
#define TOOLS_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NEVER UINT64_MAX

struct settings {
    uint32_t loss_ppm, reorder_ppm, dup_ppm, corrupt_ppm;
    uint64_t delay_ns, jitter_ns, reorder_ns; /* reorder_ns: extra delay of a displaced frame; 0: one is chosen */
    uint64_t rate_bps;                        /* 0: unlimited */
    uint64_t queue_frames, queue_bytes;       /* waiting for the rate; 0: no such limit */
};

struct stats {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t lost, queue_full, duplicated, corrupted, reordered, oversize, unfinished, no_buffer, tx_error;
};

struct frame {
    uint64_t due_ns, seq; /* seq: order of arrival, for frames that are due at the same time */
    uint32_t slot, len;
};

struct direction {
    const char *from, *to;
    int in_fd, out_fd;
    uint32_t max_len;
    struct settings set;
    struct stats st;
    uint64_t rng[2];
    uint64_t link_free_ns, last_due_ns, seq, blocked_until_ns;
    struct frame *heap; /* by due_ns, seq */
    uint32_t n_heap;
    struct frame *line; /* ring of frames that wait for the rate: due_ns = end of their serialisation */
    uint64_t line_head, line_tail;
    uint64_t line_bytes;
};

/* Frames' bytes: a stack of free slots, shared by both directions. */
struct slots {
    uint8_t *mem;
    uint32_t slot_bytes, n, n_free;
    uint32_t *free;
};

struct options {
    const char *iface[2];
    uint64_t seed, run_ns; /* run_ns 0: until a signal */
};

extern struct slots pool;
extern struct direction dir[2]; /* a to b, b to a */
extern struct options opt;

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
uint64_t now_ns(void);

void options(int argc, char **argv);

uint8_t *slot_at(uint32_t slot);
void slot_free(uint32_t slot);
void heap_put(struct direction *d, struct frame f);
struct frame heap_take(struct direction *d);
void rng_init(struct direction *d, uint64_t *seed);
/* A frame came in: it is dropped, or gets its departure time. Owns the slot. */
void arrive(struct direction *d, uint32_t slot, uint32_t len, uint64_t now);

int open_if(const char *name, uint32_t *mtu);
/* One batch. Whether there may be more. */
bool receive(struct direction *d);
/* Sends what is due. */
void deliver(struct direction *d, uint64_t now);

#endif
