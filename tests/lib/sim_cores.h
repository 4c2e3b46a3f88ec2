/* A host of several stacks behind one port, as several cores are (src/port/steer.h). */
#ifndef TESTS_LIB_SIM_CORES_H
#define TESTS_LIB_SIM_CORES_H

#include "port/steer.h"
#include "sim_stack.h"

#define SIM_MAX_CORES 8u

struct sim_host {
    struct steer *steer;
    unsigned n;
    bool procs;       /* the stacks stand for processes: the first is there from the start, the others join */
    uint64_t look_ns; /* of those, when one looks next at who has come and gone */
    struct sim_end *end;
    struct sim_stack *core[SIM_MAX_CORES]; /* each with the node of the host; end and app are their own */
};

/* n stacks with the address and the settings of c, on one port. They poll in turns, until none has anything to do. */
struct sim_host *sim_add_host(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned n);
struct sim_host *sim_add_host_procs(struct sim *sim, uint32_t segment, const struct sim_stack_conf *c, unsigned n);
void sim_host_destroy(struct sim_host *h);

/* The stack stops as one does that ends: its share goes to the others, then it is destroyed. */
void sim_host_stop(struct sim_host *h, unsigned i);

/* As sim_stack_conserved, of all stacks together: their receive buffers are the first one's. */
bool sim_host_conserved(struct sim_host *h);

#endif
