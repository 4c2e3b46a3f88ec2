/*
 * Trace ring: the last TRACE_SLOTS events of one stack, for post-mortem dumps. An event is a static string and three
 * numbers; recording is a few stores and never allocates.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdint.h>
#include <stdio.h>

#define TRACE_SLOTS 1024u

struct trace_event {
    uint64_t at_ns;
    const char *what;
    uint64_t a, b, c;
};

struct trace {
    uint32_t next;
    struct trace_event ev[TRACE_SLOTS];
};

static inline void trace_add(struct trace *t, uint64_t now_ns, const char *what, uint64_t a, uint64_t b, uint64_t c)
{
    struct trace_event *e = &t->ev[t->next++ & (TRACE_SLOTS - 1)];
    e->at_ns = now_ns;
    e->what = what;
    e->a = a;
    e->b = b;
    e->c = c;
}

/* Oldest first, one line each. */
void trace_print(const struct trace *t, FILE *out);

#endif
