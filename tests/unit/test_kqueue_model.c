/*
 * kqueue against a model: random changes, notices, closes and looks on two kqueues; the model keeps its registrations in one
 * array, walks all of it and knows no lists. Order is not compared (test_kqueue.c does that), all else is.
 */
#include "base/rng.h"
#include "sock_kqueue.h"

#include "seeds.h"

#define CONNS 6
#define NAMES 2
#define QUEUES 2
#define REGS 256

struct conn {
    struct tcp_conn tc;
    int fd[NAMES];
};

/* What the model knows of a registration. */
struct reg {
    bool used, disabled, forced, pending;
    int kq, fd, filter;
    const struct conn *c;
    unsigned flags, fflags;
    int64_t lowat;
    uintptr_t udata;
};

struct world {
    struct z_stack *s;
    struct rng r;
    struct conn c[CONNS];
    int kq[QUEUES];
    struct reg reg[REGS];
    uintptr_t udata;
    unsigned events;
};

static bool due(const struct reg *g, struct kevent *ev)
{
    const struct tcp_conn *tc = &g->c->tc;
    bool eof = g->filter == EVFILT_READ ? tc->rcv_eof : tc->snd_eof;
    int64_t n = (int64_t)(g->filter == EVFILT_READ ? tc->avail : tc->space);

    EV_SET(ev, (uintptr_t)g->fd, g->filter, g->flags | (eof ? EV_EOF : 0u), eof ? (unsigned)tc->error : 0u, n, (void *)g->udata);
    return g->forced || eof || tc->error || n >= (g->fflags & NOTE_LOWAT ? MAX(g->lowat, 1) : 1);
}

static struct reg *find(struct world *w, int kq, int fd, int filter)
{
    struct reg *unused = NULL;

    for (int i = 0; i < REGS; i++) {
        struct reg *g = &w->reg[i];

        if (g->used && g->kq == kq && g->fd == fd && g->filter == filter) {
            return g;
        }
        unused = g->used ? unused : g;
    }
    assert_non_null(unused);
    return unused;
}

/* The state of a connection as its fake reports it, and a notice to the model's registrations. */
static void settle(struct world *w, struct conn *c, bool read, bool write)
{
    struct tcp_conn *tc = &c->tc;

    tc->poll = (tc->avail || tc->rcv_eof || tc->error ? SOCK_IN : 0) | (tc->rcv_eof ? SOCK_RDHUP : 0) | (tc->error ? SOCK_ERR : 0) |
               (tc->space || tc->snd_eof ? SOCK_OUT : 0);
    for (int i = 0; i < REGS; i++) {
        struct reg *g = &w->reg[i];

        if (g->used && g->c == c && (g->filter == EVFILT_READ ? read : write)) {
            g->pending = true;
        }
    }
}

static struct sock *sock_of(struct world *w, const struct conn *c)
{
    return sock_get(w->s, c->fd[0] >= 0 ? c->fd[0] : c->fd[1]);
}

static void conn_step(struct world *w, struct conn *c)
{
    struct tcp_conn *tc = &c->tc;
    size_t n = rng_below(&w->r, 10);

    switch (rng_below(&w->r, 12)) {
    case 0:
        tc->rcv_eof = true;
        settle(w, c, true, true); /* a change of state concerns everybody; spurious notices do no harm */
        sock_on_closed(w->s, sock_of(w, c));
        break;
    case 1:
        tc->snd_eof = tc->rcv_eof = true;
        tc->error = rng_below(&w->r, 2) ? ECONNRESET : 0;
        settle(w, c, true, true);
        sock_on_closed(w->s, sock_of(w, c));
        break;
    case 2 ... 5:
        tc->avail += n / 2;
        settle(w, c, true, false);
        if (!tc->rcv_eof && !tc->error) { /* end of file makes a notice of data one for all */
            sock_on_readable(w->s, sock_of(w, c));
        } else {
            settle(w, c, true, true);
            sock_on_closed(w->s, sock_of(w, c));
        }
        break;
    case 6 ... 8:
        tc->avail -= MIN(tc->avail, n);
        settle(w, c, false, false);
        break;
    case 9:
        tc->space -= MIN(tc->space, n);
        settle(w, c, false, false);
        break;
    default:
        tc->space += n / 2;
        settle(w, c, false, true);
        sock_on_writable(w->s, sock_of(w, c));
        break;
    }
}

static void forget_fd(struct world *w, int fd)
{
    for (int i = 0; i < REGS; i++) {
        if (w->reg[i].fd == fd) {
            w->reg[i].used = false;
        }
    }
}

static void conn_names(struct world *w, struct conn *c)
{
    uint32_t i = rng_below(&w->r, NAMES);

    if (c->fd[i] < 0) {
        c->fd[i] = sock_dup(w->s, c->fd[1 - i]);
        assert_true(c->fd[i] >= 0);
        return;
    }
    sock_close(w->s, c->fd[i]);
    forget_fd(w, c->fd[i]);
    c->fd[i] = -1;
    if (c->fd[1 - i] < 0) {
        memset(&c->tc, 0, sizeof(c->tc));
        c->fd[0] = fake_tcp(w->s, &c->tc);
        c->fd[1] = -1;
    }
}

/* Applies one change to the model: the errno that the call must give. */
static int model_change(struct world *w, int kq, const struct kevent *k, const struct conn *c)
{
    struct reg *g = find(w, kq, (int)k->ident, k->filter);
    struct kevent ev;

    if ((k->flags & (EV_ENABLE | EV_DISABLE)) == (EV_ENABLE | EV_DISABLE)) {
        return EINVAL;
    }
    if ((int)k->ident < 0) {
        return EBADF;
    }
    if (!g->used) {
        if (!(k->flags & EV_ADD)) {
            return ENOENT;
        }
        *g = (struct reg){.used = true, .kq = kq, .fd = (int)k->ident, .filter = k->filter, .c = c};
        g->flags = k->flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH);
        g->disabled = k->flags & EV_DISABLE;
    } else if (k->flags & EV_DELETE) {
        g->used = false;
        return 0;
    } else if (k->flags & (EV_ENABLE | EV_DISABLE)) {
        g->disabled = k->flags & EV_DISABLE;
    }
    if (k->flags & EV_FORCEONESHOT && g->udata) {
        g->flags |= EV_ONESHOT;
        g->forced = true;
    }
    g->fflags = k->fflags;
    g->lowat = k->data;
    g->udata = (uintptr_t)k->udata;
    g->pending |= !g->disabled && due(g, &ev);
    return 0;
}

static void change_step(struct world *w)
{
    static const unsigned actions[] = {EV_ADD,
                                       EV_ADD,
                                       EV_ADD,
                                       EV_ADD | EV_DISABLE,
                                       EV_DELETE,
                                       EV_ENABLE,
                                       EV_ENABLE,
                                       EV_DISABLE,
                                       EV_FORCEONESHOT,
                                       EV_ADD | EV_DELETE,
                                       EV_ENABLE | EV_DISABLE,
                                       0};
    int q = w->kq[rng_below(&w->r, QUEUES)], err;
    const struct conn *c = &w->c[rng_below(&w->r, CONNS)];
    unsigned flags = actions[rng_below(&w->r, ARRAY_LEN(actions))];
    struct kevent k;

    flags |= (rng_below(&w->r, 2) ? EV_CLEAR : 0u) | (rng_below(&w->r, 4) ? 0u : EV_ONESHOT) | (rng_below(&w->r, 4) ? 0u : EV_DISPATCH);
    EV_SET(&k, c->fd[rng_below(&w->r, NAMES)], rng_below(&w->r, 2) ? EVFILT_READ : EVFILT_WRITE, flags,
           rng_below(&w->r, 3) ? 0 : NOTE_LOWAT, 1 + rng_below(&w->r, 6), (void *)++w->udata);
    err = model_change(w, q, &k, c);
    assert_int_equal(kqueue_kevent(w->s, sock_get(w->s, q)->kq, &k, 1, NULL, 0), -err);
}

/* Every event must be one that the model has, each at most once; a look with enough room must find them all. */
static void look_step(struct world *w)
{
    int q = w->kq[rng_below(&w->r, QUEUES)], expected = 0, n;
    struct kevent events[REGS], ev;
    int room = rng_below(&w->r, 3) ? REGS : 1 + (int)rng_below(&w->r, 3);

    for (int i = 0; i < REGS; i++) {
        struct reg *g = &w->reg[i];

        if (g->used && g->kq == q && !g->disabled) {
            g->pending = g->pending && due(g, &ev);
            expected += g->pending;
        }
    }
    n = kqueue_kevent(w->s, sock_get(w->s, q)->kq, NULL, 0, events, room);
    assert_int_equal(n, MIN(expected, room));
    for (int i = 0; i < n; i++) {
        struct reg *g = find(w, q, (int)events[i].ident, events[i].filter);

        assert_true(g->used && g->pending && !g->disabled && due(g, &ev));
        assert_int_equal(events[i].flags, ev.flags);
        assert_int_equal(events[i].fflags, ev.fflags);
        assert_int_equal(events[i].data, ev.data);
        assert_ptr_equal(events[i].udata, ev.udata);
        for (int k = 0; k < i; k++) {
            assert_false(events[k].ident == events[i].ident && events[k].filter == events[i].filter);
        }
        if (g->flags & EV_ONESHOT) {
            g->used = false;
        } else if (g->flags & (EV_CLEAR | EV_DISPATCH)) {
            g->pending = false;
            g->disabled |= (g->flags & EV_DISPATCH) != 0;
        }
        w->events++;
    }
}

static uint64_t run(uint64_t seed, int steps)
{
    static struct world w;

    memset(&w, 0, sizeof(w));
    w.s = fake_stack(FD, 64);
    rng_seed(&w.r, seed);
    for (int i = 0; i < CONNS; i++) {
        w.c[i].fd[0] = fake_tcp(w.s, &w.c[i].tc);
        w.c[i].fd[1] = -1;
    }
    for (int i = 0; i < QUEUES; i++) {
        w.kq[i] = fake_kqueue(w.s);
    }
    for (int i = 0; i < steps; i++) {
        struct conn *c = &w.c[rng_below(&w.r, CONNS)];
        uint32_t what = rng_below(&w.r, 20);

        if (what == 0) {
            conn_names(&w, c);
        } else if (what < 6) {
            change_step(&w);
        } else if (what < 14) {
            conn_step(&w, c);
        } else {
            look_step(&w);
        }
    }
    fake_stack_end(w.s);
    return w.events;
}

static void as_the_model(void **state)
{
    (void)state;
    run_seeds(run, 60, 3000, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(as_the_model, tell_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
