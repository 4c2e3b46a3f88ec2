#include "sock/knote.h"

#include <errno.h>
#include <stddef.h>

#include "base/check.h"
#include "base/units.h"
#include "core/stack.h"
#include "sock/event.h"

#include "base/poison.h"

#define NOTE_UNITS (NOTE_SECONDS | NOTE_MSECONDS | NOTE_USECONDS | NOTE_NSECONDS)

/* EV_EOF carries the socket's error in fflags; a pending error alone makes a filter due. */
static bool eof_or_error(struct kevent *ev, bool eof, int err)
{
    if (eof) {
        ev->flags |= EV_EOF;
        ev->fflags = (unsigned)err;
    }
    return eof || err;
}

static bool reaches_lowat(const struct knote *k, int64_t data)
{
    return !k->has_lowat || data >= k->lowat;
}

static bool readable_tcp(const struct knote *k, const struct tcp_conn *tc, struct kevent *ev)
{
    ev->data = (int64_t)tcp_rcv_avail(tc);
    if (tcp_is_listener(tc)) {
        return ev->data > 0;
    }
    if (eof_or_error(ev, tcp_rcv_eof(tc), tcp_peek_error(tc))) {
        return true;
    }
    return k->has_lowat ? ev->data >= k->lowat : tcp_readable(tc);
}

static bool writable_tcp(const struct knote *k, const struct tcp_conn *tc, struct kevent *ev)
{
    if (tcp_is_listener(tc)) {
        return false;
    }
    ev->data = (int64_t)tcp_snd_space(tc);
    if (eof_or_error(ev, tcp_snd_eof(tc), tcp_peek_error(tc))) {
        return true;
    }
    /* Without end of file, SOCK_HUP says that it was never connected: Linux calls that writable, FreeBSD does not. */
    return (tcp_poll(tc) & (SOCK_OUT | SOCK_HUP)) == SOCK_OUT && reaches_lowat(k, ev->data);
}

static bool readable_udp(const struct knote *k, const struct udp_pcb *u, struct kevent *ev)
{
    unsigned state = udp_poll(u);

    ev->data = (int64_t)udp_rcv_total(u);
    if (eof_or_error(ev, state & SOCK_RDHUP, 0) || state & SOCK_ERR) {
        return true;
    }
    return k->has_lowat ? ev->data >= k->lowat : (state & SOCK_IN) != 0;
}

static bool writable_udp(const struct knote *k, const struct udp_pcb *u, struct kevent *ev)
{
    unsigned state = udp_poll(u);

    ev->data = (int64_t)udp_snd_space(u);
    if (eof_or_error(ev, state & SOCK_HUP, 0) || state & SOCK_ERR) {
        return true;
    }
    return state & SOCK_OUT && reaches_lowat(k, ev->data);
}

static bool readable(const struct knote *k, struct kevent *ev)
{
    const struct sock *sk = k->w.sk;

    switch (sk->kind) {
    case SOCK_TCP:
        return readable_tcp(k, sk->tcp, ev);
    case SOCK_UDP:
        return readable_udp(k, sk->udp, ev);
    case SOCK_KQUEUE:
        if (!kqueue_is_ready(sk->kq)) {
            return false;
        }
        ev->data = sk->kq->set.n_ready;
        return true;
    case SOCK_EPOLL:
        if (!epoll_set_is_ready(sk->ep)) {
            return false;
        }
        ev->data = sk->ep->set.n_ready;
        return true;
    default:
        Z_CHECK(false); /* no such kind */
    }
}

static bool writable(const struct knote *k, struct kevent *ev)
{
    return k->w.sk->kind == SOCK_TCP ? writable_tcp(k, k->w.sk->tcp, ev) : writable_udp(k, k->w.sk->udp, ev);
}

bool knote_evaluate(const struct knote *k, struct kevent *ev)
{
    const struct knote_ident *ki = (const struct knote_ident *)k;
    const uint64_t *ext = knote_ext(k);
    bool due;

    ev->ident = (uintptr_t)k->w.fd;
    ev->filter = k->w.filter;
    ev->flags = k->flags;
    ev->fflags = 0;
    ev->data = 0;

    switch (k->w.filter) {
    case EVFILT_READ:
        due = readable(k, ev);
        break;
    case EVFILT_WRITE:
        due = writable(k, ev);
        break;
    case EVFILT_TIMER:
        ev->ident = ki->ident;
        ev->data = (int64_t)ki->expirations;
        due = ki->expirations > 0;
        break;
    case EVFILT_USER:
        ev->ident = ki->ident;
        ev->fflags = ki->fflags;
        ev->data = ki->data;
        due = ki->triggered;
        break;
    default:
        Z_CHECK(false); /* no such filter is ever added */
    }
    if (!due && !k->forced) {
        return false;
    }
    ev->udata = k->udata;
    if (unlikely(ext != NULL)) {
        memcpy(ev->ext, ext, sizeof(ev->ext));
    } else {
        memset(ev->ext, 0, sizeof(ev->ext));
    }
    return true;
}

void knote_clear(struct knote *k)
{
    if (knote_has_ident(k->w.filter)) {
        knote_ident(k)->expirations = 0;
        knote_ident(k)->triggered = false;
    }
}

/* data in its unit as nanoseconds, saturated: what does not fit is later than anything that happens. */
static int timer_ns(const struct kevent *c, int64_t *ns)
{
    int64_t unit, data = c->data;

    if (data < 0 || c->fflags & ~(unsigned)(NOTE_UNITS | NOTE_ABSTIME)) {
        return -EINVAL;
    }
    switch (c->fflags & NOTE_UNITS) {
    case NOTE_SECONDS:
        unit = (int64_t)NS_PER_SEC;
        break;
    case NOTE_MSECONDS:
    case 0:
        unit = (int64_t)NS_PER_MS;
        break;
    case NOTE_USECONDS:
        unit = (int64_t)NS_PER_US;
        break;
    case NOTE_NSECONDS:
        unit = 1;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_mul_overflow(data, unit, ns)) {
        *ns = INT64_MAX;
    }
    return 0;
}

int knote_timer_start(struct z_stack *s, struct knote_ident *k, const struct kevent *change)
{
    struct kevent c = *change;
    bool once = (k->k.k.flags & EV_ONESHOT) != 0;
    int64_t ns;

    if (c.data == 0 && !once) {
        c.data = 1; /* as FreeBSD: a periodic timer has no period of zero */
    }
    if (timer_ns(&c, &ns) < 0) {
        return -EINVAL;
    }
    if (c.fflags & NOTE_ABSTIME) {
        k->next_ns = (uint64_t)ns > s->wall_offset_ns ? (uint64_t)ns - s->wall_offset_ns : 0;
        k->period_ns = 0;
    } else {
        k->next_ns = MIN(s->now_ns + (uint64_t)ns, (uint64_t)INT64_MAX);
        k->period_ns = once ? 0 : (uint64_t)ns;
        k->k.k.flags |= EV_CLEAR; /* set by the filter itself, kqueue(2) */
    }
    /* Expirations under the old parameters are forgotten. */
    k->expirations = 0;
    watch_dequeue(&k->k.k.w);
    k->timer.kind = TIMER_KEVENT;
    wheel_arm(&s->wheel, &k->timer, k->next_ns);
    return 0;
}

void event_timer(struct z_stack *s, struct wheel_node *n)
{
    struct knote_ident *k = container_of_ptr(n, struct knote_ident, timer);

    if (k->period_ns == 0) {
        k->expirations++;
    } else {
        uint64_t passed = s->now_ns >= k->next_ns ? (s->now_ns - k->next_ns) / k->period_ns + 1 : 0;

        k->expirations += passed;
        k->next_ns += passed * k->period_ns;
        wheel_arm(&s->wheel, n, k->next_ns);
    }
    if (!k->k.k.disabled && k->expirations) {
        watch_post(&k->k.k.w);
    }
}

/*
 * EV_CLEAR forgets an earlier trigger, NOTE_TRIGGER makes a new one. (FreeBSD's code drops a trigger that comes together with
 * EV_CLEAR, and one in the first EV_ADD, against its manual.)
 */
void knote_user_change(struct knote_ident *k, const struct kevent *change)
{
    uint32_t flags = change->fflags & NOTE_FFLAGSMASK;

    switch (change->fflags & NOTE_FFCTRLMASK) {
    case NOTE_FFAND:
        k->fflags &= flags;
        break;
    case NOTE_FFOR:
        k->fflags |= flags;
        break;
    case NOTE_FFCOPY:
        k->fflags = flags;
        break;
    default: /* NOTE_FFNOP */
        break;
    }
    k->data = change->data;
    if (change->flags & EV_CLEAR) {
        k->triggered = false;
    }
    if (change->fflags & NOTE_TRIGGER) {
        k->triggered = true;
    }
}
