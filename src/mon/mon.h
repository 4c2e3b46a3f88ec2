/* Looking at a stack from outside. Nothing of the stack includes this; the API layer and the tests do. */
#ifndef MON_MON_H
#define MON_MON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct z_stack;

/*
 * One line per counter: name, value, meaning; first of all the totals of copied payload. all: those that are zero, too.
 * Owner's thread, or any thread when a value may be a poll old.
 */
void mon_counters_print(const struct z_stack *s, FILE *out, bool all);

/* The totals that zero copy is measured by: unwanted copies of payload, and deliberate ones. */
uint64_t mon_copied_bytes(const struct z_stack *s);
uint64_t mon_copied_deliberate_bytes(const struct z_stack *s);

/*
 * Shows the stack's counters to DPDK's telemetry socket (dpdk-telemetry.py) as /zstack/counters,N with N the stack's index.
 * After rte_eal_init. 0, -ENOSPC, or the error of rte_telemetry_register_cmd. Any thread.
 */
int mon_telemetry_add(const struct z_stack *s);

/* Before the stack is destroyed; waits for a reader in the telemetry thread. */
void mon_telemetry_remove(const struct z_stack *s);

#endif
