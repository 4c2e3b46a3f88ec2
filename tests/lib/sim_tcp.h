/* What must hold for every connection of a stack between two turns, whatever the network and the application do. */
#ifndef TESTS_LIB_SIM_TCP_H
#define TESTS_LIB_SIM_TCP_H

#include "sim_stack.h"

/* Fails the simulation on the first breach. Linear in connections (and in max_connections: keep that small). */
void sim_tcp_check(struct sim *sim, struct z_stack *s);

/* Checks both stacks of a pair after every n-th step. */
struct sim_tcp_checker {
    struct sim_pair *pair;
    uint32_t every;
    uint64_t checks;
};

void sim_tcp_check_every(struct sim_tcp_checker *c, struct sim_pair *p, uint32_t n);

/* Settings that ZSTACK_SOAK multiplies: n, or n times that. */
uint64_t sim_soak(uint64_t n);

/* A seed that somebody gives, decimal. Anything else ends the program with a message, status 1. */
uint64_t sim_seed(const char *text);

#endif
