/*
 * A network in virtual time: ports in memory on segments, and nodes that own them.
 *
 *     node (a stack, or a test) -- port -- end --> [ rate, queue ] -- [ delay, loss, reordering, ... ] --> other ports
 *
 * An end is one direction of a link, from its port into its segment: a segment of two ends is a cable with a model per direction;
 * one of more is a switch. Everything that happens depends on the seed only. A frame takes, in this order: capture, hook, drop
 * list, MTU, loss, corruption, queue and rate, delay and jitter, reordering, duplication.
 *
 * sim.c and sim_pcap.c need no stack; sim_stack.c puts stacks on nodes.
 */
#ifndef TESTS_LIB_SIM_H
#define TESTS_LIB_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/units.h"
#include "port/mem.h"

#define SIM_MAX_NODES 16u
#define SIM_MAX_ENDS 32u
#define SIM_MAX_DROPS 16u
#define SIM_QUEUE_MAX 4096u
#define SIM_PPM 1000000u

struct sim;
struct sim_end;

enum sim_verdict { SIM_PASS, SIM_DROP };

struct sim_link_conf {
    uint64_t delay_ns;
    uint64_t jitter_ns;    /* added at random, 0 to this; does not change the order */
    uint64_t bits_per_sec; /* 0: no limit */
    uint32_t queue_limit;  /* frames that wait for the line at most, the one on it not counted; 0: SIM_QUEUE_MAX */
    uint32_t mark_limit;   /* a frame that finds more than this many waiting gets a congestion mark, if it is ECN-capable; 0: never */
    uint32_t mtu;          /* longer frames are lost; 0: no limit */
    uint32_t loss_ppm;
    uint32_t corrupt_ppm; /* one bit of an IPv4 packet is flipped (ARP has no checksum of its own) */
    uint32_t dup_ppm;
    uint32_t reorder_ppm; /* frames that are held back and overtaken */
    uint64_t reorder_ns;  /* by this long */
    uint32_t n_drop;
    uint32_t drop[SIM_MAX_DROPS]; /* exactly these frames are lost, counted from 1 */
    enum sim_verdict (*hook)(void *arg, struct sim_end *e, uint32_t index, struct mem_frame *f); /* sees and may change every frame */
    void *hook_arg;
};

struct sim_link_stats {
    uint32_t frames, delivered, lost, queue_full, too_long, corrupted, duplicated, reordered, no_frame, marked;
    uint64_t bytes, queued; /* sums over the frames that came to the line: their bytes, and how many they found waiting */
};

struct sim_end {
    struct sim *sim;
    struct port *port; /* NULL: detached */
    int node;          /* that receives here; -1: none */
    uint32_t segment;
    struct sim_link_conf conf; /* may be changed between steps */
    struct sim_link_stats stats;
    uint64_t line_free_ns, last_arrival_ns;
    uint32_t depart_head, depart_count;
    uint64_t depart_ns[SIM_QUEUE_MAX]; /* when the frames in the queue will have left it */
};

/* What has turns. Its ends are those that name it. */
struct sim_node {
    void (*turn)(void *arg, uint64_t now_ns);
    uint64_t (*deadline)(void *arg); /* NS_NEVER: only when a frame arrives */
    void *arg;
    bool kicked; /* wants a turn now */
};

struct sim_event {
    uint64_t at_ns, seq;
    struct mem_frame *frame; /* from end, or: */
    struct sim_end *end;
    void (*fn)(void *arg);
    void *arg;
};

struct sim_capture;

struct sim_conf {
    uint64_t seed;
    uint32_t frames;         /* on all links and in all receive rings together; 0: 16384 */
    uint32_t frame_bytes;    /* 0: 2048 */
    uint32_t capture_frames; /* the last ones are remembered; 0: 8192 */
    uint32_t capture_bytes;  /* of each; 0: 128 */
    uint64_t start_ns;       /* virtual time at the beginning; 0: one second */
};

struct sim {
    struct sim_conf conf;
    uint64_t now_ns, steps, steps_at_now, seq;
    struct rng rng;
    struct mem_frames *frames;
    struct sim_capture *capture;
    uint32_t n_events, max_events;
    struct sim_event *heap;
    uint32_t n_nodes, n_ends;
    struct sim_node node[SIM_MAX_NODES];
    struct sim_end *end[SIM_MAX_ENDS];
    void (*check)(struct sim *sim, void *arg); /* after every step: a test's own invariants; may call sim_fail */
    void *check_arg;
    bool failed;
    char why[256];
};

/* Starts EAL for tests (no root, no hugepages) and pkt_init; once per process, the affinity stays as it was. 0 or -errno. */
int sim_eal_init(void);

struct sim *sim_create(const struct sim_conf *c);

/* Closes the ports that are still attached. With SIM_PCAP=file in the environment the capture is written there first. */
void sim_destroy(struct sim *sim);

/* Returns the node's number. */
int sim_add_node(struct sim *sim, void (*turn)(void *arg, uint64_t now_ns), uint64_t (*deadline)(void *arg), void *arg);

/* Opens a port from pc (frames, wire, wire_arg and seed are filled in) on a segment. node: who receives, -1 for nobody. */
struct sim_end *sim_add_end(struct sim *sim, int node, uint32_t segment, const struct port_mem_conf *pc, const struct sim_link_conf *lc);

/* The port is about to be closed by its owner. */
void sim_detach(struct sim_end *e);

void sim_kick(struct sim *sim, int node);

/* Calls fn at that time, before the nodes' turns. */
void sim_at(struct sim *sim, uint64_t at_ns, void (*fn)(void *arg), void *arg);

/* Injects a frame as if e's port had sent it. false when no frame buffer is free. */
bool sim_inject(struct sim_end *e, const void *frame, uint32_t len);

/* The time of the next event, NS_NEVER when none is to come. */
uint64_t sim_next(struct sim *sim);

/* One step: time moves to the next event. false when there is none or the simulation has failed. */
bool sim_step(struct sim *sim);

/* Until cond holds (asked before the first step and after each): true. false after limit_ns of virtual time or a failure. */
bool sim_run_until(struct sim *sim, bool (*cond)(void *arg), void *arg, uint64_t limit_ns);

/* Lets this much virtual time pass. false after a failure. */
bool sim_run_for(struct sim *sim, uint64_t ns);

/* Frames on links: neither sent by a port nor delivered to one. */
uint32_t sim_in_flight(const struct sim *sim);

/* The first failure prints the reason, the seed and the name of a capture that it writes. */
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* sim_pcap.c: the last frames, in nanosecond pcap format. */
struct sim_capture *sim_capture_create(uint32_t frames, uint32_t bytes);
void sim_capture_destroy(struct sim_capture *c);
void sim_capture_add(struct sim_capture *c, uint64_t now_ns, const uint8_t *frame, uint32_t len);
int sim_capture_write(const struct sim_capture *c, const char *path);

#endif
