/*
 * Sleeping of a thread that owns a stack, and who may wake it: ports that receive something, and threads that have something for it.
 *
 * The sleeper announces itself, then looks once more for work, then sleeps; the other thread publishes its work, then looks whether there
 * is somebody to be woken. Both have a sequentially consistent fence between their two steps (in sleeper_begin and sleeper_wake), so at
 * least one of them sees the other: nobody sleeps over work. Who spins is not woken: that costs the other thread a fence and a look.
 */
#ifndef PORT_SLEEP_H
#define PORT_SLEEP_H

#include <stdint.h>

#define SLEEP_MAX_PORTS 64u

struct port;

struct sleeper {
    int fd;          /* eventfd(2): somebody wakes the sleeper */
    uint32_t asleep; /* atomic */
};

enum sleep_end {
    SLEPT_OUT,   /* the time has passed, or a signal came */
    SLEPT_EVENT, /* a port has, or had already, received something */
    SLEPT_CALL,  /* sleeper_wake */
};

int sleeper_init(struct sleeper *s); /* 0 or -errno */

/* The thread that calls is the one that sleeps: from now on its sleeps end when their time has come, not up to 50 us later. */
void sleeper_own(void);

/* From here on sleeper_wake counts. Look for work, then call sleeper_sleep or sleeper_stay. */
void sleeper_begin(struct sleeper *s);
void sleeper_stay(struct sleeper *s);

/* At most ns. Only ports with caps.rx_event end it; of others nothing is heard. */
enum sleep_end sleeper_sleep(struct sleeper *s, struct port *const p[], unsigned n, uint64_t ns);

/* What the sleeper shall find was published before. Any thread, and signal handlers. */
void sleeper_wake(struct sleeper *s);

#endif
