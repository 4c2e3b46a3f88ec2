#include <errno.h>
#include <string.h>

#include "sock/event.h"
#include "sock/sock.h"

#include "base/poison.h"

#define SELECT_IN (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_OUT (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SELECT_EX POLLPRI

unsigned event_bits(unsigned state)
{
    if (state & SOCK_IN) {
        state |= POLLRDNORM;
    }
    if (state & SOCK_OUT) {
        state |= POLLWRNORM;
    }
    return state;
}

int poll_collect(struct z_stack *s, struct pollfd *fds, nfds_t n)
{
    int with_events = 0;

    for (nfds_t i = 0; i < n; i++) {
        struct pollfd *p = &fds[i];
        const struct sock *sk;

        p->revents = 0;
        if (p->fd < 0) {
            continue;
        }
        sk = sock_get(s, p->fd);
        if (!sk) {
            p->revents = POLLNVAL;
        } else {
            unsigned wanted = (unsigned short)p->events | POLLERR | POLLHUP;

            p->revents = (short)(event_bits(sock_poll(s, sk)) & wanted);
        }
        with_events += p->revents != 0;
    }
    return with_events;
}

static bool is_set(int fd, const fd_set *set)
{
    return set && FD_ISSET(fd, set);
}

/* Adds fd to out when it is asked for and one of the bits is there. */
static int select_one(int fd, const fd_set *asked, unsigned bits, fd_set *out)
{
    if (!is_set(fd, asked) || !bits) {
        return 0;
    }
    FD_SET(fd, out);
    return 1;
}

int select_collect(struct z_stack *s, int nfds, fd_set *r, fd_set *w, fd_set *e)
{
    fd_set in, out, ex;
    int found = 0;

    if (nfds < 0 || nfds > FD_SETSIZE) {
        return -EINVAL;
    }
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&ex);
    for (int fd = 0; fd < nfds; fd++) {
        const struct sock *sk;
        unsigned bits;

        if (!is_set(fd, r) && !is_set(fd, w) && !is_set(fd, e)) {
            continue;
        }
        sk = sock_get(s, fd);
        if (!sk) {
            return -EBADF;
        }
        bits = event_bits(sock_poll(s, sk));
        found += select_one(fd, r, bits & SELECT_IN, &in);
        found += select_one(fd, w, bits & SELECT_OUT, &out);
        found += select_one(fd, e, bits & SELECT_EX, &ex);
    }
    /* The bytes that nfds covers are overwritten, and no others: a caller's fd_set may be shorter than ours. */
    size_t bytes = ((size_t)nfds + NFDBITS - 1) / NFDBITS * (NFDBITS / 8);
    if (r) {
        memcpy(r, &in, bytes);
    }
    if (w) {
        memcpy(w, &out, bytes);
    }
    if (e) {
        memcpy(e, &ex, bytes);
    }
    return found;
}
