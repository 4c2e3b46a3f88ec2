/* Looking at a stack from outside. Nothing of the stack includes this; the API layer and the tests do. */
#ifndef MON_MON_H
#define MON_MON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/counters.h"
#include "base/units.h"

struct z_stack;

#define MON_STACKS_MAX 64u

/* The counters of stacks that are looked at together, their numbers, and the cores that they run on. */
struct mon_stacks {
    unsigned n;
    const struct counters *ctr[MON_STACKS_MAX];
    unsigned number[MON_STACKS_MAX], core[MON_STACKS_MAX];
};

/*
 * One line per counter: name, value, meaning; first of all the totals of copied payload. Of several stacks the total, then each one's
 * value. all: those that are zero, too. Any thread: a value may be a poll old.
 */
void mon_counters_print(const struct mon_stacks *m, FILE *out, bool all);
uint64_t mon_sum(const struct mon_stacks *m, int ctr);
uint64_t mon_value(const struct mon_stacks *m, unsigned i, int ctr); /* of the i-th */

/* The totals that zero copy is measured by: unwanted copies of payload, and deliberate ones. */
uint64_t mon_copied_bytes(const struct counters *c);
uint64_t mon_copied_deliberate_bytes(const struct counters *c);

#define MON_LIMITS_MAX 64u
#define MON_LIMITS_LOOK_NS NS_PER_SEC         /* how often the counters of limits are looked at */
#define MON_LIMITS_QUIET_NS (60 * NS_PER_SEC) /* between two lines about one limit */

/* A counter that grows when a limit is reached, and what to raise. */
struct mon_limit {
    enum ctr ctr;
    const char *key;
};

extern const struct mon_limit mon_limit_table[];
extern const unsigned mon_n_limits;

/* What was seen and said; starts as zeroes. */
struct mon_limits {
    uint64_t next_ns; /* mon_limits_check has nothing to do before */
    uint64_t seen[MON_LIMITS_MAX], quiet_until_ns[MON_LIMITS_MAX];
};

/* One line per limit that was reached since it was last said, naming the key to raise; at most one a minute for each. */
void mon_limits_check(struct mon_limits *ml, const struct z_stack *s, void (*say)(void *arg, const char *line), void *arg);

/*
 * Shows a stack's counters to DPDK's telemetry socket (dpdk-telemetry.py) as /zstack/counters,N and /zstack/drops,N with N its number, and the
 * sums of all as /zstack/counters and /zstack/drops. After rte_eal_init. 0, -ENOSPC, or the error of rte_telemetry_register_cmd. Any thread.
 */
int mon_telemetry_add(unsigned number, const struct counters *c);

/* Before the counters go; waits for a reader in the telemetry thread. */
void mon_telemetry_remove(const struct counters *c);

#endif
