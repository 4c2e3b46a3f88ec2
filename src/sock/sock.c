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

void sock_on_readable(struct z_stack *s, struct sock *sk)
{
    (void)s;
    if (sk) {
        watch_notice(sk, SOCK_IN | SOCK_PRI);
    }
}

void sock_on_writable(struct z_stack *s, struct sock *sk)
{
    (void)s;
    if (sk) {
        watch_notice(sk, SOCK_OUT);
    }
}

/* As in Linux, where every edge-triggered registration sees a change of state, whatever its mask. */
void sock_on_closed(struct z_stack *s, struct sock *sk)
{
    (void)s;
    if (sk) {
        watch_notice(sk, SOCK_ANY);
    }
}
