/* Short forms for the kqueue tests. */
#ifndef UNIT_SOCK_KQUEUE_H
#define UNIT_SOCK_KQUEUE_H

#include "base/units.h"
#include "sock/watch.h"
#include "sock_fakes.h"

#define ROOM 16
#define FD 1024 /* of the first sock of every test */

static struct kevent got[ROOM];

static inline int change(struct z_stack *s, int kq, uintptr_t ident, int filter, unsigned flags, unsigned fflags, int64_t data, void *udata)
{
    struct kevent c;

    EV_SET(&c, ident, filter, flags, fflags, data, udata);
    return kqueue_kevent(s, sock_get(s, kq)->kq, &c, 1, NULL, 0);
}

static inline int collect(struct z_stack *s, int kq, int n)
{
    memset(got, 0xee, sizeof(got));
    return kqueue_kevent(s, sock_get(s, kq)->kq, NULL, 0, got, n);
}

static inline void expect_none(struct z_stack *s, int kq)
{
    assert_int_equal(collect(s, kq, ROOM), 0);
}

/* The only event of a look. */
static inline void expect_one(struct z_stack *s, int kq, uintptr_t ident, int filter, unsigned flags, unsigned fflags, int64_t data)
{
    assert_int_equal(collect(s, kq, ROOM), 1);
    assert_int_equal(got[0].ident, ident);
    assert_int_equal(got[0].filter, filter);
    assert_int_equal(got[0].flags, flags);
    assert_int_equal(got[0].fflags, fflags);
    assert_int_equal(got[0].data, data);
}

/* Time passes; the loop runs the timers. */
static inline void advance(struct z_stack *s, uint64_t ns)
{
    struct wheel_node *n;

    s->now_ns += ns;
    while ((n = wheel_expire(&s->wheel, s->now_ns))) {
        assert_int_equal(n->kind, TIMER_KEVENT);
        event_timer(s, n);
    }
}

#endif
