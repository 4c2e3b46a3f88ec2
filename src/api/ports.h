/* ff_init's part about devices: opened, given to the stacks, with addresses and routes (ports.c). */
#ifndef API_PORTS_H
#define API_PORTS_H

#include <stdbool.h>

#include "core/conf.h"

struct z_stack;

/* One line, and the end: what F-Stack applications rely on is that ff_init returns only with a stack. */
__attribute__((noreturn, format(printf, 1, 2))) void api_die(const char *fmt, ...);

/* What is known of the devices before there are stacks. */
struct ports_plan {
    unsigned queues[CONF_MAX_PORTS]; /* queue pairs of each port */
    bool shared_rx; /* a port has fewer than there are stacks, or those are processes: all use the receive buffers of the first */
};

/* Also sizes receive buffers for what every port delivers. */
void ports_plan(struct ports_plan *plan);
void ports_open(const struct ports_plan *plan);

/* The table of steering has changed: devices that spread flows by it are told. */
void ports_follow_table(const struct z_stack *s);

#endif
