/*
 * The stack alone: two stacks in one process on one core, joined by ports that pass frames by reference, driven by two small
 * applications through the public calls. Cycles are those of the time-stamp counter.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "pair.h"
#include "stats.h"

#define BENCH_FD_FIRST 1024
#define BENCH_PORT 80

struct bench_conf {
    uint32_t size;     /* 0: all of the usual ones */
    uint32_t conns;    /* 0: 1 and 100 */
    uint32_t reps;     /* measured repetitions */
    uint32_t requests; /* per repetition; 0: by size */
    uint16_t mtu;
    bool tso, gro;       /* the port takes frames of 64 KB as they are, and delivers them; else: received segments are merged in software */
    uint32_t copy;       /* 1: the port has no offloads, and copies frames; without tso. 2: and takes no chains */
    bool count;          /* rr or bulk once, for callgrind to count: no repetitions, no clock */
    uint32_t calls;      /* of the kernel, between two turns of which the parts are timed */
    const char *only;    /* rr, cold, size, bulk, open, many; NULL: all */
    const char *variant; /* of rr; NULL: all */
};

/* Ways for an application to read a message and write one. */
enum way {
    WAY_REF,   /* z_read, z_free; z_write of one more reference to a prepared buffer */
    WAY_FRESH, /* z_read, z_free; z_alloc and z_write */
    WAY_ECHO,  /* the server hands the received buffers to z_write */
    WAY_COPY,  /* ff_read, ff_write */
    WAYS
};

extern const char *const way_names[WAYS];

/* A benchmark prints its table and adds to the CSV file. */
void bench_rr(struct pair *p, const struct bench_conf *c, struct report *r);
void bench_cold(struct pair *p, const struct bench_conf *c, struct report *r); /* rr with messages that no cache holds */
void bench_size(struct pair *p, const struct bench_conf *c, struct report *r); /* rr: what size costs */
void bench_bulk(struct pair *p, const struct bench_conf *c, struct report *r);
void bench_open(struct pair *p, const struct bench_conf *c, struct report *r);
void bench_many(struct pair *p, const struct bench_conf *c, struct report *r);

/* rr.c: reps (and 2 to warm up) samples of cycles per endpoint and request on these connections, zero-copy. */
void rr_samples(struct pair *p, uint32_t size, const int *fds, uint32_t conns, uint32_t reps, struct samples *s);

/* app.c: what the applications of all benchmarks share. */
__attribute__((noreturn)) void die(const char *what);
int app_listen(struct side *e, uint16_t port);
int app_connect(struct side *e, uint16_t port);
void app_watch(struct side *e, int fd, short filter, unsigned short flags);
int app_accept(struct side *e, int listener); /* -1: none waits */

/* For scripts/lines.py: where the function is that it is to trace, and where the connections are. */
void print_places(const struct pair *p, const char *name, uintptr_t function);

/* n connections from side 0 to side 1, established and registered for EVFILT_READ; fds: those of side 0. */
void app_open(struct pair *p, uint32_t n, int *fds);
void app_close(struct pair *p);             /* all of both sides */
void app_wait(struct pair *p, uint64_t ns); /* turns, with applications that do nothing */

#endif
