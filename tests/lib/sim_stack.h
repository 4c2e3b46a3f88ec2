/* Stacks on the nodes of a simulated network. */
#ifndef TESTS_LIB_SIM_STACK_H
#define TESTS_LIB_SIM_STACK_H

#include <stddef.h>

#include "core/stack.h"
#include "sim.h"

struct sim_stack;

struct sim_stack_conf {
    uint32_t addr;                            /* host order; 0: no address */
    uint32_t mask;                            /* 0: 255.255.255.0 */
    uint32_t gateway;                         /* 0: none */
    uint16_t mtu;                             /* 0: 1500 */
    bool offload;                             /* the port sums in both directions */
    bool tso, lro;                            /* and cuts frames into segments, and merges them; SIM_TSO and SIM_LRO set it everywhere */
    bool no_gso;                              /* no frames of several segments at all */
    bool no_chains, no_external, no_indirect; /* what the port cannot send */
    struct port_mem_knobs knobs;
    struct sim_link_conf link;                     /* from this stack into the segment */
    void (*tune)(struct stack_conf *c, void *arg); /* changes settings before the stack is made */
    void *tune_arg;
    void (*app)(struct sim_stack *ss, void *arg); /* runs in every turn, between input and output */
    void *app_arg;
};

struct sim_stack {
    struct sim *sim;
    struct z_stack *s;
    struct netif *nif;
    struct sim_end *end;
    int node;
    void (*app)(struct sim_stack *ss, void *arg);
    void *app_arg;
    uint64_t app_wake_ns; /* set by the application in its turn: when it wants the next one */
    uint64_t retry_ns;    /* frames wait for the transmit ring */
    size_t arena_bytes;   /* used after creation */
};

/* The settings that sim_add_stack starts from: defaults, small pools, seeded keys. */
/*
 * With SIM_IPV6 in the environment stacks speak IPv6 too, and what follows from addresses here goes over it: addresses are
 * written as those of IPv4, and are the last bits of fd00::/64 then.
 */
bool sim_v6(void);
struct inaddr sim_addr(uint32_t v4);
bool sim_add_v6(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask); /* true also when there is nothing to do */

void sim_stack_defaults(struct stack_conf *c, uint64_t seed);

/* A stack with one interface on a segment; NULL when it cannot be made (the simulation has failed then). */
struct sim_stack *sim_add_stack(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c);

/* Destroys the stack in whatever state it is; its port is closed. */
void sim_stack_destroy(struct sim_stack *ss);

/*
 * Everything given back? To be asked when connections are closed and the application holds nothing: drains the port, then
 * wants no buffer in use and the arena as after creation. Otherwise the simulation fails and says what is missing.
 */
bool sim_stack_conserved(struct sim_stack *ss);

/* Two stacks, 10.0.0.1/24 and 10.0.0.2/24, on one cable. */
struct sim_pair {
    struct sim *sim;
    struct sim_stack *a, *b;
};

struct sim_pair_conf {
    struct sim_conf sim;
    struct sim_stack_conf side[2]; /* addr 0: as above */
};

/* false: nothing is left behind. */
bool sim_pair_create(struct sim_pair *p, const struct sim_pair_conf *c);
void sim_pair_destroy(struct sim_pair *p);

#endif
