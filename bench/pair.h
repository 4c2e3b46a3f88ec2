/* Two stacks on one core, joined by reference. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "core/stack.h"

#define CONNS_MAX 1000000u
#define CONNS_USUAL 20000u

/* Where a turn's cycles go. The port's are not in the others. */
enum phase { PHASE_INPUT, PHASE_APP, PHASE_OUTPUT, PHASE_PORT, PHASES };

/* What an application knows of a connection, by descriptor. */
struct peer_state {
    bool open;
    uint32_t got;  /* bytes of the current message */
    uint32_t left; /* messages still to send */
};

struct side {
    struct z_stack *s;
    struct api_core core; /* of s; this thread owns both sides */
    struct port *port;
    void (*app)(struct side *e);
    void *arg; /* of app */
    int kq;
    struct peer_state *conn;
    int64_t cycles[PHASES]; /* only while pair.split */
};

struct pair {
    struct side side[2];   /* client, server */
    bool split;            /* time every phase: costs a few cycles itself, which are subtracted */
    uint64_t stamp_cycles; /* of one time stamp */
    uint32_t kernel_calls; /* before each turn that is split, and in none of its parts: what the kernel's work leaves of the caches */
    uint32_t conns_max;    /* open at a time */
    uint32_t ports;        /* of the server's that were listened at, in turn */
};

/* What is between the two. */
enum pair_wire {
    WIRE_LARGE,    /* frames of 64 KB go over as they are */
    WIRE_SEGMENTS, /* they are cut, and received with their headers in a buffer of their own */
    WIRE_COPY,     /* the same without offloads: frames are copied, and sums made and checked in software */
    WIRE_FLAT,     /* and the ports take no chains: segments are flat from the start */
};

/*
 * Starts EAL on the calling thread's last CPU, or on $BENCH_CORE. mtu, wire: of both ports. conns: open at a time. Ends the process on
 * failure.
 */
void pair_start(struct pair *p, uint16_t mtu, enum pair_wire wire, bool gro, uint32_t conns);

/* The two parts of it, for several pairs: cores is a list for EAL, or NULL as above; only the first pair can be split. */
void pair_eal(const char *cores);
void pair_make(struct pair *p, unsigned number, uint16_t mtu, enum pair_wire wire, bool gro, uint32_t conns);

/* The calls of src/api that follow are made by this side's application. */
void pair_enter(struct side *e);

/* One turn of the loop of each side, as ff_run has it. Returns packets moved. */
unsigned pair_turn(struct pair *p);

/* Turns until nothing moves any more. */
void pair_settle(struct pair *p);

void pair_split(struct pair *p, bool on); /* clears the sums */

/*
 * Did the system take the CPU away since undisturbed() was last asked? Such a repetition is made again, within reason: on a
 * machine that does other things it would measure those.
 */
bool undisturbed(void);
#define TRIES_MAX 10

uint64_t cycles_now(void);
double cycles_per_second(void);

#endif
