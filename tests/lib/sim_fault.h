/*
 * Failures on demand, counted over both stacks of a pair: the k-th allocation of connection memory, the k-th allocation of a buffer
 * from any pool, the k-th burst that a transmit ring refuses. Nothing in the stack knows of it: the pools' and the ports'
 * operations are replaced by ones that count and then ask the real ones.
 */
#ifndef TESTS_LIB_SIM_FAULT_H
#define TESTS_LIB_SIM_FAULT_H

#include "sim_stack.h"

enum sim_fault_kind { SIM_FAULT_ARENA_A, SIM_FAULT_ARENA_B, SIM_FAULT_MBUF, SIM_FAULT_TX, SIM_FAULT_KINDS };

extern const char *const sim_fault_names[SIM_FAULT_KINDS];

/* Pools without per-core caches, so that every allocation is seen. For sim_stack_conf.tune. */
void sim_fault_tune(struct stack_conf *c);

/* From now on events first … first + length - 1 (counted from 1) fail. Memory of connections: one event only. */
void sim_fault_arm(struct sim_pair *p, enum sim_fault_kind kind, uint64_t first, uint64_t length);

/* No failures any more. Returns whether one has happened. */
bool sim_fault_disarm(struct sim_pair *p);

#endif
