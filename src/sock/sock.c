#include "sock/sock.h"

#include "base/check.h"
#include "core/stack.h"
#include "sock/event.h"
#include "sock/watch.h"

#include "base/poison.h"

#define SOCK_ANY (SOCK_IN | SOCK_PRI | SOCK_OUT | SOCK_ERR | SOCK_HUP | SOCK_RDHUP)

unsigned sock_poll(const struct z_stack *s, const struct sock *sk)
{
    (void)s;
    switch (sk->kind) {
    case SOCK_TCP:
        return tcp_poll(sk->tcp);
    case SOCK_UDP:
        return udp_poll(sk->udp);
    case SOCK_KQUEUE:
        return kqueue_is_ready(sk->kq) ? SOCK_IN : 0;
    case SOCK_EPOLL:
        return epoll_set_is_ready(sk->ep) ? SOCK_IN : 0;
    default:
        Z_CHECK(false); /* no such kind */
    }
}

/*
 * New data wakes those who wait for data. A change of state (end of file, error) wakes everybody, as in Linux, where every
 * edge-triggered registration sees it whatever its mask.
 */
void sock_on_readable(struct z_stack *s, struct sock *sk)
{
    unsigned state;

    if (!sk || LIST_EMPTY(&sk->watches)) {
        return;
    }
    state = sock_poll(s, sk) & (SOCK_ERR | SOCK_HUP | SOCK_RDHUP);
    watch_notice(sk, state & ~(unsigned)sk->ends_told ? SOCK_ANY : SOCK_IN | SOCK_PRI);
    sk->ends_told = (uint16_t)(state & (SOCK_HUP | SOCK_RDHUP));
}

void sock_on_writable(struct z_stack *s, struct sock *sk)
{
    (void)s;
    if (sk) {
        watch_notice(sk, SOCK_OUT);
    }
}

void sock_on_closed(struct z_stack *s, struct sock *sk)
{
    (void)s;
    if (sk) {
        watch_notice(sk, SOCK_ANY);
    }
}
