/* The cores of lcore_mask, one after the other: 0 is the one that port_eal_init() was called on. Each runs one function at a time. */
#ifndef PORT_CORES_H
#define PORT_CORES_H

unsigned port_cores_count(void);

/* The number of core i, as lcore_mask and the system count. */
unsigned port_core_number(unsigned i);

/* Runs fn(arg) on core i, not 0, whose thread waits for something to do. Returns at once. */
void port_core_start(unsigned i, int (*fn)(void *arg), void *arg);

/* Until the function on core i has returned; for 0, and one that has nothing to do, at once. */
void port_core_wait(unsigned i);

/*
 * The calling thread is to use what is kept for each core (caches of buffer pools), though port_eal_init() did not make it. Does nothing
 * where that is so already, or cannot be had.
 */
void port_core_join(void);

#endif
