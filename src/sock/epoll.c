#include <errno.h>

#include "core/stack.h"
#include "sock/event.h"
#include "sock/watch.h"

#include "base/poison.h"

/* What may go with EPOLLEXCLUSIVE. */
#define EPOLL_EXCLUSIVE_OK ((uint32_t)(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE))

struct epoll_item {
    struct watch w;
    uint32_t events; /* as asked for, with EPOLLERR and EPOLLHUP */
    epoll_data_t data;
};

_Static_assert(sizeof(struct epoll_item) <= sizeof(((struct sock *)0)->room), "a sock has room for one");

struct epoll_set *epoll_set_create(struct z_stack *s, struct sock *sk)
{
    struct epoll_set *ep = arena_alloc(&s->arena, sizeof(*ep));

    if (ep) {
        watch_set_init(&ep->set, s, sk);
        sk->ep = ep;
    }
    return ep;
}

void epoll_set_destroy(struct z_stack *s, struct epoll_set *ep)
{
    struct watch *w;

    while ((w = LIST_FIRST(&ep->set.all))) {
        watch_free(s, w);
    }
    arena_free(&s->arena, ep, sizeof(*ep));
}

/* What the item would report now; 0: nothing. */
static uint32_t item_events(const struct z_stack *s, const struct epoll_item *it)
{
    return event_bits(sock_poll(s, it->w.sk)) & it->events;
}

/* The notices that concern an event mask: those that Linux' wake-up keys select. */
static uint16_t interest_of(uint32_t events)
{
    unsigned bits = 0;

    if (events & (EPOLLIN | EPOLLRDNORM)) {
        bits |= SOCK_IN;
    }
    if (events & (EPOLLPRI | EPOLLRDBAND)) {
        bits |= SOCK_PRI;
    }
    if (events & (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)) {
        bits |= SOCK_OUT;
    }
    return (uint16_t)(bits | (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)));
}

static void item_set(struct z_stack *s, struct epoll_item *it, const struct epoll_event *ev)
{
    it->events = ev->events | EPOLLERR | EPOLLHUP;
    it->data = ev->data;
    it->w.interest = interest_of(it->events);
    if (!it->w.queued && item_events(s, it)) {
        watch_post(&it->w);
    }
}

static int item_add(struct z_stack *s, struct epoll_set *ep, struct sock *sk, int fd, const struct epoll_event *ev)
{
    struct epoll_item *it = watch_alloc(s, sk, sizeof(*it));

    if (!it) {
        return -ENOMEM;
    }
    watch_attach(&ep->set, &it->w, sk, fd);
    item_set(s, it, ev);
    return 0;
}

/* Where epoll_ctl(2) allows EPOLLEXCLUSIVE. Every set that asked for it is told, which that page allows. */
static bool exclusive_ok(int op, const struct sock *sk, const struct epoll_event *ev)
{
    if (op == EPOLL_CTL_DEL || !(ev->events & EPOLLEXCLUSIVE)) {
        return true;
    }
    return op == EPOLL_CTL_ADD && !watch_set_of(sk) && !(ev->events & ~EPOLL_EXCLUSIVE_OK);
}

int epoll_set_ctl(struct z_stack *s, struct epoll_set *ep, int op, int fd, const struct epoll_event *ev)
{
    struct epoll_item *it;
    struct sock *sk;

    if (op != EPOLL_CTL_DEL && !ev) {
        return -EFAULT;
    }
    sk = sock_get(s, fd);
    if (!sk) {
        return -EBADF;
    }
    if (sk == ep->set.sk || !exclusive_ok(op, sk, ev)) {
        return -EINVAL;
    }
    if (op == EPOLL_CTL_ADD && watch_nest_check(&ep->set, sk) < 0) {
        return -ELOOP;
    }
    it = (struct epoll_item *)watch_find(&ep->set, sk, fd, 0);
    switch (op) {
    case EPOLL_CTL_ADD:
        return it ? -EEXIST : item_add(s, ep, sk, fd, ev);
    case EPOLL_CTL_MOD:
        if (!it) {
            return -ENOENT;
        }
        if (it->events & EPOLLEXCLUSIVE) {
            return -EINVAL;
        }
        item_set(s, it, ev);
        return 0;
    case EPOLL_CTL_DEL:
        if (!it) {
            return -ENOENT;
        }
        watch_free(s, &it->w);
        return 0;
    default:
        return -EINVAL;
    }
}

/*
 * Looks once at everything that was on the ready list. A level-triggered item that is ready goes to the end of the list, behind
 * those that are not served yet; an edge-triggered one leaves it until the next notice.
 */
int epoll_set_collect(struct z_stack *s, struct epoll_set *ep, struct epoll_event *events, int max)
{
    int stored = 0;

    if (max <= 0) {
        return -EINVAL;
    }
    for (uint32_t look = ep->set.n_ready; look > 0 && stored < max; look--) {
        struct epoll_item *it = (struct epoll_item *)TAILQ_FIRST(&ep->set.ready);
        uint32_t revents = item_events(s, it);

        watch_dequeue(&it->w);
        if (!revents) {
            continue;
        }
        events[stored].events = revents;
        events[stored].data = it->data;
        sock_ahead(s, it->w.fd);
        stored++;
        if (it->events & EPOLLONESHOT) {
            it->w.interest = 0; /* no notice reaches it until EPOLL_CTL_MOD */
        } else if (!(it->events & EPOLLET)) {
            watch_enqueue(&it->w);
        }
    }
    return stored;
}

bool epoll_set_is_ready(struct epoll_set *ep)
{
    struct watch *w;

    while ((w = TAILQ_FIRST(&ep->set.ready))) {
        if (item_events(ep->set.s, (struct epoll_item *)w)) {
            return true;
        }
        watch_dequeue(w);
    }
    return false;
}
