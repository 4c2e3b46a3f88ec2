/* Processes that share devices, one for each core of lcore_mask (procs.c). */
#ifndef API_PROCS_H
#define API_PROCS_H

#include "api/api.h"

#define PROCS_LOOK_NS (100 * NS_PER_MS)

/* What the stacks of all processes share: made by the first, found by the others, who wait for it. Does not return without. */
struct steer *procs_start(void);

/* The name of this process among DPDK's objects: of its pools and queues. */
const char *procs_name(void);

/* The first has opened its devices: others may come. */
void procs_open(struct steer *g);

/* In every PROCS_LOOK_NS: takes part, tells of those who have died, moves the flows. */
void procs_look(struct api_core *c);

/* At the end of this process's stack. */
void procs_leave(struct api_core *c);

/* Counters of the other processes beside those of this one, in the order of their numbers. */
void procs_add_counters(struct mon_stacks *m);

#endif
