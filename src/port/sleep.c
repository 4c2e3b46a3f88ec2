#include "port/sleep.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/units.h"
#include "port/port.h"

#define DEAF_NS NS_PER_MS /* as long as a port does not hear anything that it should */

int sleeper_init(struct sleeper *s)
{
    s->asleep = 0;
    s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return s->fd >= 0 ? 0 : -errno;
}

void sleeper_own(void)
{
    prctl(PR_SET_TIMERSLACK, 1ul); /* refused nowhere but in odd sandboxes; then sleeps are longer */
}

void sleeper_begin(struct sleeper *s)
{
    __atomic_store_n(&s->asleep, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in sleeper_wake */
}

void sleeper_stay(struct sleeper *s)
{
    __atomic_store_n(&s->asleep, 0, __ATOMIC_RELAXED);
}

void sleeper_wake(struct sleeper *s)
{
    static const uint64_t one = 1;
    int saved = errno;

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in sleeper_begin */
    if (likely(__atomic_load_n(&s->asleep, __ATOMIC_RELAXED) == 0) || __atomic_exchange_n(&s->asleep, 0, __ATOMIC_RELAXED) == 0)
        return;
    if (write(s->fd, &one, sizeof(one)) < 0)
        errno = saved; /* full: it is awake */
}

/* What one sleep listens to: the eventfd, then the ports. */
struct ears {
    struct pollfd set[1 + SLEEP_MAX_PORTS];
    bool listens[SLEEP_MAX_PORTS]; /* to be undone */
    bool deaf;                     /* a port that should tell cannot at the moment */
};

/* False: a port has frames already. */
static bool listen_all(struct ears *e, struct port *const p[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        int fd = p[i]->caps.rx_event ? p[i]->ops->listen(p[i]) : PORT_DEAF;

        if (fd == PORT_READY)
            return false;
        e->listens[i] = fd >= 0;
        e->set[1 + i] = (struct pollfd){.fd = fd, .events = POLLIN};
        e->deaf |= fd == PORT_DEAF && p[i]->caps.rx_event;
    }
    return true;
}

static void unlisten_all(const struct ears *e, struct port *const p[], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (e->listens[i] && p[i]->ops->unlisten != NULL)
            p[i]->ops->unlisten(p[i]);
}

static int poll_for(struct pollfd *set, unsigned n, uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};

    return ppoll(set, n, &ts, NULL);
}

/* A device that is gone is ready at once, for ever, and has nothing: it is left out. */
static bool drop_gone(struct pollfd *set, unsigned n)
{
    bool any = false;

    for (unsigned i = 1; i < n; i++) {
        if (set[i].revents != 0 && (set[i].revents & POLLIN) == 0) {
            set[i].fd = PORT_DEAF;
            any = true;
        }
    }
    return any;
}

static enum sleep_end end_of(struct sleeper *s, const struct pollfd *set, unsigned n)
{
    uint64_t calls;

    if ((set[0].revents & POLLIN) != 0)
        return read(s->fd, &calls, sizeof(calls)) > 0 ? SLEPT_CALL : SLEPT_OUT;
    for (unsigned i = 1; i < n; i++)
        if ((set[i].revents & POLLIN) != 0)
            return SLEPT_EVENT;
    return SLEPT_OUT;
}

enum sleep_end sleeper_sleep(struct sleeper *s, struct port *const p[], unsigned n, uint64_t ns)
{
    struct ears e = {.set[0] = {.fd = s->fd, .events = POLLIN}};
    enum sleep_end end = SLEPT_EVENT;

    Z_CHECK(n <= SLEEP_MAX_PORTS);
    if (listen_all(&e, p, n)) {
        if (e.deaf)
            ns = MIN(ns, DEAF_NS);
        if (poll_for(e.set, 1 + n, ns) > 0 && drop_gone(e.set, 1 + n))
            poll_for(e.set, 1 + n, MIN(ns, DEAF_NS));
        end = end_of(s, e.set, 1 + n);
    }
    unlisten_all(&e, p, n);
    sleeper_stay(s);
    return end;
}
