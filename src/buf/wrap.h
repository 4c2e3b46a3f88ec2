/*
 * Buffers over the application's own memory, and the queue of release callbacks that are due. The last reference may be
 * dropped inside a driver, on any thread; the callback then waits in the queue until the owner's thread runs it.
 */
#ifndef BUF_WRAP_H
#define BUF_WRAP_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

struct z_stack;
struct release_queue;

/* What became of wrapped memory: the values of Z_REL_* in z_api.h. */
#define WRAP_ACKED 0x1u
#define WRAP_ABORTED 0x2u
#define WRAP_COPIED 0x4u

typedef void (*wrap_release_fn)(void *arg, unsigned flags);

int release_queue_init(struct z_stack *s);
void release_queue_fini(struct z_stack *s); /* runs what is due */

/* One buffer, a chain above PKT_BUF_MAX, over [p, p + len). NULL: -errno in *err (ENOMEM, EINVAL, ENOTSUP: memory not registered). */
struct rte_mbuf *wrap_create(struct z_stack *s, void *p, size_t len, wrap_release_fn release, void *arg, int *err);

/* The bytes of this wrapped segment were all acknowledged / its connection was aborted / it was copied: remembered for the flags. */
void wrap_note(struct rte_mbuf *m, unsigned flag);

/* Runs callbacks that are due; never inside protocol or driver. Returns how many ran. */
unsigned release_run(struct z_stack *s);

#endif
