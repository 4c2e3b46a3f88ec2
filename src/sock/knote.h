/* Knotes: the registrations of a kqueue, and what their filters say. kqueue.c keeps them; here is what they mean. */
#ifndef SOCK_KNOTE_H
#define SOCK_KNOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"
#include "sock/watch.h"
#include "zstack/ff_event.h"

struct knote {
    struct watch w;
    uint16_t flags; /* EV_ONESHOT, EV_CLEAR, EV_DISPATCH, EV_RECEIPT: as added, for the life of the knote */
    bool disabled : 1;
    bool forced : 1;    /* EV_FORCEONESHOT */
    bool has_lowat : 1; /* NOTE_LOWAT */
    int32_t lowat;      /* a mark beyond its range is the end of it */
    void *udata;
};

_Static_assert(sizeof(struct knote) <= sizeof(((struct sock *)0)->room), "a sock has room for one");

/* One that was added with something in kevent.ext. */
struct knote_wide {
    struct knote k;
    uint64_t ext[4];
};

/* A knote that is about no descriptor. */
struct knote_ident {
    struct knote_wide k;
    uintptr_t ident;
    int64_t data;            /* USER: what was stored last */
    struct wheel_node timer; /* TIMER_KEVENT */
    uint64_t next_ns;        /* TIMER: the next expiration */
    uint64_t period_ns;      /* 0: it expires once */
    uint64_t expirations;    /* TIMER: since the last report */
    uint32_t fflags;         /* USER: the stored flags */
    bool triggered;          /* USER */
};

static inline bool knote_has_ident(int filter)
{
    return filter == EVFILT_TIMER || filter == EVFILT_USER;
}

/* Its ext; NULL: there is nothing in it. */
static inline const uint64_t *knote_ext(const struct knote *k)
{
    return watch_bytes(&k->w) >= sizeof(struct knote_wide) ? ((const struct knote_wide *)k)->ext : 0;
}

static inline struct knote_ident *knote_ident(struct knote *k)
{
    return (struct knote_ident *)k;
}

/* Is the knote due? If so, *ev is the event. */
bool knote_evaluate(const struct knote *k, struct kevent *ev);

/* After a report of a knote with EV_CLEAR. */
void knote_clear(struct knote *k);

/* Starts or restarts a timer as the change says. -EINVAL leaves it as it was. */
int knote_timer_start(struct z_stack *s, struct knote_ident *k, const struct kevent *change);

/* Applies fflags, data and flags of a change to a USER knote. */
void knote_user_change(struct knote_ident *k, const struct kevent *change);

#endif
