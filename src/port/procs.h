/*
 * Several processes of one DPDK primary: each has a number, and a lock on a file of that number for as long as it lives, however it ends.
 * After port_eal_init(); below DPDK's runtime directory, so that it is of those with the same file_prefix.
 */
#ifndef PORT_PROCS_H
#define PORT_PROCS_H

#include <stdbool.h>

/* This process takes the number until its end. 0, -EBUSY: another one has it; -errno. */
int port_proc_take(unsigned number);

/* Nobody can take the number until port_proc_release(). False: somebody has it. Not of the process's own number. */
bool port_proc_hold(unsigned number);
void port_proc_release(unsigned number);

/* In a child of fork, which has no number. */
void port_proc_forked(void);

/* A process on this core died: what it kept of the buffer pools there may be in disorder, and is given up. */
void port_proc_drop_caches(void);

#endif
