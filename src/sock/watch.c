#include "sock/watch.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "core/stack.h"
#include "sock/event.h"

#include "base/poison.h"

#define NEST_MAX 5u

void watch_set_init(struct watch_set *set, struct z_stack *s, struct sock *sk)
{
    TAILQ_INIT(&set->ready);
    LIST_INIT(&set->all);
    set->s = s;
    set->sk = sk;
}

void *watch_alloc(struct z_stack *s, struct sock *sk, size_t bytes)
{
    size_t size = (bytes - 64 + 31) / 32;
    struct watch *w;

    Z_DCHECK(bytes > 64 && size < 1u << 3);
    if (sk && !sk->room_taken && bytes <= sizeof(sk->room)) {
        sk->room_taken = true;
        return memset(sk->room, 0, sizeof(sk->room));
    }
    w = arena_alloc(&s->arena, 64 + 32 * size);
    if (!w) {
        stack_count(s, CTR_WATCH_LIMIT);
        return 0;
    }
    w->size = size & 7;
    return w;
}

void watch_release(struct z_stack *s, struct sock *sk, struct watch *w)
{
    if (w->size == 0) {
        sk->room_taken = false;
    } else {
        arena_free(&s->arena, w, watch_bytes(w));
    }
}

struct watch_set *watch_set_of(const struct sock *sk)
{
    switch (sk->kind) {
    case SOCK_KQUEUE:
        return &sk->kq->set;
    case SOCK_EPOLL:
        return &sk->ep->set;
    default:
        return 0;
    }
}

void watch_attach(struct watch_set *set, struct watch *w, struct sock *sk, int fd)
{
    w->set = set;
    w->sk = sk;
    w->fd = fd;
    LIST_INSERT_HEAD(&set->all, w, in_set);
    if (sk) {
        SLIST_INSERT_HEAD(&sk->watches, w, on_sock);
        set->n_nested += watch_set_of(sk) != 0;
    }
}

void watch_free(struct z_stack *s, struct watch *w)
{
    watch_dequeue(w);
    LIST_REMOVE(w, in_set);
    if (w->sk) {
        SLIST_REMOVE(&w->sk->watches, w, watch, on_sock);
        w->set->n_nested -= watch_set_of(w->sk) != 0;
    }
    watch_release(s, w->sk, w);
}

struct watch *watch_find(const struct watch_set *set, const struct sock *sk, int fd, int filter)
{
    struct watch *w;

    SLIST_FOREACH(w, &sk->watches, on_sock)
    {
        if (w->set == set && w->fd == fd && w->filter == filter) {
            return w;
        }
    }
    return 0;
}

void watch_enqueue(struct watch *w)
{
    if (!w->queued) {
        TAILQ_INSERT_TAIL(&w->set->ready, w, ready);
        w->set->n_ready++;
        w->queued = true;
    }
}

void watch_dequeue(struct watch *w)
{
    if (w->queued) {
        TAILQ_REMOVE(&w->set->ready, w, ready);
        w->set->n_ready--;
        w->queued = false;
    }
}

/* Recursion is bounded by watch_nest_check(). */
void watch_post(struct watch *w)
{
    watch_enqueue(w);
    watch_notice(w->set->sk, SOCK_IN);
}

void watch_notice(struct sock *sk, unsigned bits)
{
    struct watch *w;

    SLIST_FOREACH(w, &sk->watches, on_sock)
    {
        if (w->interest & bits) {
            watch_post(w);
        }
    }
}

void watch_forget_fd(struct z_stack *s, struct sock *sk, int fd)
{
    struct watch *w, *next;

    for (w = SLIST_FIRST(&sk->watches); w; w = next) {
        next = SLIST_NEXT(w, on_sock);
        if (w->filter && w->fd == fd) {
            watch_free(s, w);
        }
    }
}

void event_forget(struct z_stack *s, struct sock *sk)
{
    struct watch *w;

    while ((w = SLIST_FIRST(&sk->watches))) {
        watch_free(s, w);
    }
}

/*
 * How deep sets are nested below this one, itself included; more than `limit` when `wanted` is among them. The walk needs no
 * marks: what is nested already has no cycle and is at most NEST_MAX deep.
 */
static unsigned depth_below(const struct watch_set *set, const struct watch_set *wanted, unsigned limit)
{
    unsigned deepest = 0;
    const struct watch *w;

    if (set == wanted) {
        return limit + 1;
    }
    if (!set->n_nested) {
        return 1;
    }
    LIST_FOREACH(w, &set->all, in_set)
    {
        const struct watch_set *below = w->sk ? watch_set_of(w->sk) : 0;

        if (below) {
            unsigned d = depth_below(below, wanted, limit);

            deepest = d > deepest ? d : deepest;
            if (deepest > limit) {
                return deepest;
            }
        }
    }
    return deepest + 1;
}

static unsigned depth_above(const struct watch_set *set)
{
    unsigned deepest = 0;
    const struct watch *w;

    SLIST_FOREACH(w, &set->sk->watches, on_sock)
    {
        unsigned d = depth_above(w->set);

        deepest = d > deepest ? d : deepest;
    }
    return deepest + 1;
}

int watch_nest_check(const struct watch_set *set, const struct sock *target)
{
    const struct watch_set *below = watch_set_of(target);

    if (below && depth_above(set) + depth_below(below, set, NEST_MAX) > NEST_MAX) {
        return -ELOOP;
    }
    return 0;
}
