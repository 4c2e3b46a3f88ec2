/*
 * epoll(7) semantics (src/sock/epoll.c, watch.c): each rule by hand, then long random runs of the same operations on our sets
 * and on the kernel's, which must give the same events in the same order.
 */
#include "sock_fakes.h"

#include "seeds.h"
#include "sock/watch.h"
#include "sock_kernel.h"

#define MAX_EVENTS 32

static struct epoll_event got[MAX_EVENTS];

static int ctl(struct z_stack *s, int ep, int op, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event ev = {.events = events, .data.u64 = data};

    return epoll_set_ctl(s, sock_get(s, ep)->ep, op, fd, &ev);
}

static int collect(struct z_stack *s, int ep, int max)
{
    memset(got, 0xee, sizeof(got));
    return epoll_set_collect(s, sock_get(s, ep)->ep, got, max);
}

/* The only event of a wait. */
static void expect_one(struct z_stack *s, int ep, uint32_t events, uint64_t data)
{
    assert_int_equal(collect(s, ep, MAX_EVENTS), 1);
    assert_int_equal(got[0].events, events);
    assert_int_equal(got[0].data.u64, data);
}

static void expect_none(struct z_stack *s, int ep)
{
    assert_int_equal(collect(s, ep, MAX_EVENTS), 0);
}

static void level_triggered(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int ep = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0x1122334455667788), 0);
    expect_none(s, ep);
    fake_arrive(s, fd, &tc, 10);
    expect_one(s, ep, EPOLLIN, 0x1122334455667788);
    expect_one(s, ep, EPOLLIN, 0x1122334455667788); /* as long as it is readable */
    fake_drain(&tc);
    expect_none(s, ep);
    assert_false(epoll_set_is_ready(sock_get(s, ep)->ep));
    fake_arrive(s, fd, &tc, 1);
    assert_true(epoll_set_is_ready(sock_get(s, ep)->ep));
    expect_one(s, ep, EPOLLIN, 0x1122334455667788);
    fake_drain(&tc);
    assert_false(epoll_set_is_ready(sock_get(s, ep)->ep));
    fake_stack_end(s);
}

static void one_event_with_all_bits(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT};
    int ep = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM | EPOLLWRNORM, 5), 0);
    expect_one(s, ep, EPOLLOUT | EPOLLWRNORM, 5);
    fake_arrive(s, fd, &tc, 3);
    expect_one(s, ep, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM, 5);
    tc.poll |= SOCK_PRI;
    sock_on_readable(s, sock_get(s, fd));
    expect_one(s, ep, EPOLLIN | EPOLLRDNORM | EPOLLPRI | EPOLLOUT | EPOLLWRNORM, 5);
    tc.poll &= ~SOCK_PRI;
    fake_fin(s, fd, &tc);
    expect_one(s, ep, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | EPOLLWRNORM, 5);
    tc.poll |= SOCK_HUP;
    sock_on_closed(s, sock_get(s, fd));
    expect_one(s, ep, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP | EPOLLOUT | EPOLLWRNORM, 5);
    fake_stack_end(s);
}

static void errors_need_not_be_asked_for(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int ep = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, 0, 1), 0);
    fake_arrive(s, fd, &tc, 3);
    fake_fin(s, fd, &tc);
    expect_none(s, ep);
    tc.poll = SOCK_IN | SOCK_OUT | SOCK_RDHUP | SOCK_HUP | SOCK_ERR;
    sock_on_closed(s, sock_get(s, fd));
    expect_one(s, ep, EPOLLERR | EPOLLHUP, 1);
    fake_stack_end(s);
}

/* RDHUP by itself is an event, and only if asked for. */
static void rdhup(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int asks = fake_epoll(s), not = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    ctl(s, asks, EPOLL_CTL_ADD, fd, EPOLLRDHUP | EPOLLET, 1);
    ctl(s, not, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 2);
    fake_arrive(s, fd, &tc, 100);
    expect_none(s, asks);
    expect_one(s, not, EPOLLIN, 2);
    fake_fin(s, fd, &tc);
    expect_one(s, asks, EPOLLRDHUP, 1);
    expect_one(s, not, EPOLLIN, 2);
    expect_none(s, asks);
    expect_none(s, not );
    fake_stack_end(s);
}

static void edge_triggered(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT};
    int ep = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET, 9);
    expect_one(s, ep, EPOLLOUT, 9); /* what is ready when it is added is an edge */
    expect_none(s, ep);
    fake_arrive(s, fd, &tc, 10);
    expect_one(s, ep, EPOLLIN | EPOLLOUT, 9);
    expect_none(s, ep); /* though there is data */
    fake_arrive(s, fd, &tc, 10);
    expect_one(s, ep, EPOLLIN | EPOLLOUT, 9); /* more data is a new edge */
    fake_arrive(s, fd, &tc, 1);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, ep, EPOLLIN | EPOLLOUT, 9); /* two edges before the wait are one event */
    expect_none(s, ep);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, 10), 0);
    expect_one(s, ep, EPOLLIN, 10); /* EPOLL_CTL_MOD re-arms */
    expect_none(s, ep);

    fake_arrive(s, fd, &tc, 1);
    fake_drain(&tc); /* read before the wait: nothing to report any more */
    expect_none(s, ep);

    /* Room in the send queue is no edge to a reader, data none to a writer. */
    sock_on_writable(s, sock_get(s, fd));
    expect_none(s, ep);
    ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLET, 11);
    expect_one(s, ep, EPOLLOUT, 11);
    fake_arrive(s, fd, &tc, 1);
    expect_none(s, ep);
    sock_on_writable(s, sock_get(s, fd));
    expect_one(s, ep, EPOLLOUT, 11);
    /* but end of file wakes everybody, as in Linux */
    fake_fin(s, fd, &tc);
    expect_one(s, ep, EPOLLOUT, 11);
    expect_none(s, ep);
    fake_arrive(s, fd, &tc, 1); /* after shutdown(SHUT_RD) data still comes in: the end was told once */
    expect_none(s, ep);
    tc.poll |= SOCK_ERR;
    sock_on_closed(s, sock_get(s, fd));
    expect_one(s, ep, EPOLLOUT | EPOLLERR, 11);
    fake_stack_end(s);
}

static void one_shot(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int ep = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT, 1);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, ep, EPOLLIN, 1);
    fake_arrive(s, fd, &tc, 1);
    expect_none(s, ep);
    tc.poll |= SOCK_ERR | SOCK_HUP;
    sock_on_closed(s, sock_get(s, fd));
    expect_none(s, ep); /* disabled: not even errors */
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 1), -EEXIST);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 2), 0);
    expect_one(s, ep, EPOLLIN | EPOLLERR | EPOLLHUP, 2);
    expect_none(s, ep);
    fake_stack_end(s);
}

static void errors(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int ep = fake_epoll(s), ep2 = fake_epoll(s), fd = fake_tcp(s, &tc);
    struct epoll_set *set = sock_get(s, ep)->ep;
    (void)state;

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, 5, EPOLLIN, 0), -EBADF);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, -1, EPOLLIN, 0), -EBADF);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, ep, EPOLLIN, 0), -EINVAL);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0), -ENOENT);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_DEL, fd, EPOLLIN, 0), -ENOENT);
    assert_int_equal(ctl(s, ep, 77, fd, EPOLLIN, 0), -EINVAL);
    assert_int_equal(epoll_set_ctl(s, set, EPOLL_CTL_ADD, fd, NULL), -EFAULT);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0), 0);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0), -EEXIST);
    assert_int_equal(ctl(s, ep2, EPOLL_CTL_ADD, fd, EPOLLIN, 0), 0); /* another set */
    assert_int_equal(epoll_set_ctl(s, set, EPOLL_CTL_DEL, fd, NULL), 0);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_DEL, fd, EPOLLIN, 0), -ENOENT);
    assert_int_equal(epoll_set_collect(s, set, got, 0), -EINVAL);
    assert_int_equal(epoll_set_collect(s, set, got, -1), -EINVAL);

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), -EINVAL);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP, 0), -EINVAL);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, ep2, EPOLLIN | EPOLLEXCLUSIVE, 0), -EINVAL);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 4), 0);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE, 0), -EINVAL);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0), -EINVAL);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, ep, EPOLLIN, 4);
    fake_stack_end(s);
}

static void no_memory(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int ep = fake_epoll(s), other = fake_epoll(s), fd = fake_tcp(s, &tc);
    (void)state;

    assert_int_equal(ctl(s, other, EPOLL_CTL_ADD, fd, EPOLLIN, 0), 0); /* the sock has room for one */
    s->arena.fail_after = 1;
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0), -ENOMEM);
    assert_int_equal(s->ctr.v[CTR_WATCH_LIMIT], 1);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, fd, EPOLLIN, 0), -ENOENT);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, 0), 0);
    fake_stack_end(s);
}

/* More ready than fit: everybody is served in turn. */
static void round_robin(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc[5] = {0};
    int ep = fake_epoll(s);
    const uint64_t turns[] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
    (void)state;

    for (int i = 0; i < 5; i++) {
        int fd = fake_tcp(s, &tc[i]);

        ctl(s, ep, EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)i);
        fake_arrive(s, fd, &tc[i], 1);
    }
    for (int w = 0; w < 5; w++) {
        assert_int_equal(collect(s, ep, 2), 2);
        assert_int_equal(got[0].data.u64, turns[2 * w]);
        assert_int_equal(got[1].data.u64, turns[2 * w + 1]);
    }
    assert_int_equal(collect(s, ep, MAX_EVENTS), 5); /* nobody twice in one wait */
    fake_stack_end(s);
}

/* A wait looks at what is ready, not at what is registered. */
static void idle_ones_cost_nothing(void **state)
{
    struct z_stack *s = fake_stack(1024, 2048);
    static struct tcp_conn tc[1000];
    int ep = fake_epoll(s), fd[1000];
    const struct watch_set *set = watch_set_of(sock_get(s, ep));
    (void)state;

    for (int i = 0; i < 1000; i++) {
        fd[i] = fake_tcp(s, &tc[i]);
        ctl(s, ep, EPOLL_CTL_ADD, fd[i], EPOLLIN | EPOLLOUT, (uint64_t)i);
    }
    assert_int_equal(set->n_ready, 0);
    fake_arrive(s, fd[500], &tc[500], 1);
    fake_arrive(s, fd[3], &tc[3], 1);
    assert_int_equal(set->n_ready, 2);
    assert_int_equal(collect(s, ep, MAX_EVENTS), 2);
    assert_int_equal(got[0].data.u64, 500);
    assert_int_equal(got[1].data.u64, 3);
    fake_drain(&tc[3]);
    expect_one(s, ep, EPOLLIN, 500);
    assert_int_equal(set->n_ready, 1);
    fake_stack_end(s);
}

/* A registration belongs to (number, sock) and ends with the sock, epoll(7) question 6. */
static void close_and_dup(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0}, next = {0};
    int ep = fake_epoll(s), a = fake_tcp(s, &tc), b = sock_dup(s, a);
    (void)state;

    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, a, EPOLLIN, 1), 0);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_MOD, b, EPOLLIN, 2), -ENOENT);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, b, EPOLLIN, 2), 0);
    sock_close(s, a);
    fake_arrive(s, b, &tc, 1);
    assert_int_equal(collect(s, ep, MAX_EVENTS), 2); /* both, though a is closed */
    assert_int_equal(ctl(s, ep, EPOLL_CTL_DEL, a, 0, 0), -EBADF);

    assert_int_equal(fake_tcp(s, &next), a); /* the number again, another sock */
    assert_int_equal(ctl(s, ep, EPOLL_CTL_DEL, a, 0, 0), -ENOENT);
    assert_int_equal(ctl(s, ep, EPOLL_CTL_ADD, a, EPOLLIN, 3), 0);
    assert_int_equal(collect(s, ep, MAX_EVENTS), 2);
    sock_close(s, b);
    expect_none(s, ep);
    fake_arrive(s, a, &next, 1);
    expect_one(s, ep, EPOLLIN, 3);

    /* The set goes first: notices find nothing. */
    sock_close(s, ep);
    fake_arrive(s, a, &next, 1);
    assert_true(SLIST_EMPTY(&sock_get(s, a)->watches));
    fake_stack_end(s);
}

static void nested(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {0};
    int out = fake_epoll(s), in = fake_epoll(s), kq = fake_kqueue(s), fd = fake_tcp(s, &tc);
    struct kevent add;
    (void)state;

    assert_int_equal(ctl(s, out, EPOLL_CTL_ADD, in, EPOLLIN, 1), 0);
    assert_int_equal(ctl(s, out, EPOLL_CTL_ADD, kq, EPOLLIN, 2), 0);
    expect_none(s, out);
    assert_int_equal(ctl(s, in, EPOLL_CTL_ADD, fd, EPOLLIN, 3), 0);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, out, EPOLLIN, 1);
    expect_one(s, out, EPOLLIN, 1);
    expect_one(s, in, EPOLLIN, 3); /* the outer wait took nothing */
    fake_drain(&tc);
    expect_none(s, out);
    expect_none(s, in);

    EV_SET(&add, 7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, &add, 1, NULL, 0), 0);
    expect_none(s, out);
    add.fflags = NOTE_TRIGGER;
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, &add, 1, NULL, 0), 0);
    expect_one(s, out, EPOLLIN, 2);
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, NULL, 0, &add, 1), 1);
    expect_none(s, out);
    fake_stack_end(s);
}

static void loops(void **state)
{
    struct z_stack *s = fake_stack(1024, 32);
    int ep[8], dup;
    (void)state;

    for (int i = 0; i < 8; i++) {
        ep[i] = fake_epoll(s);
    }
    for (int i = 0; i < 4; i++) { /* five deep, built from the outside */
        assert_int_equal(ctl(s, ep[i], EPOLL_CTL_ADD, ep[i + 1], EPOLLIN, 0), 0);
    }
    assert_int_equal(ctl(s, ep[4], EPOLL_CTL_ADD, ep[5], EPOLLIN, 0), -ELOOP); /* six */
    assert_int_equal(ctl(s, ep[5], EPOLL_CTL_ADD, ep[0], EPOLLIN, 0), -ELOOP); /* six the other way */
    for (int i = 1; i < 5; i++) {
        assert_int_equal(ctl(s, ep[i], EPOLL_CTL_ADD, ep[0], EPOLLIN, 0), -ELOOP);
    }
    assert_int_equal(ctl(s, ep[0], EPOLL_CTL_ADD, ep[4], EPOLLIN, 0), 0); /* a short cut is no loop */
    dup = sock_dup(s, ep[0]);
    assert_int_equal(ctl(s, ep[0], EPOLL_CTL_ADD, dup, EPOLLIN, 0), -EINVAL); /* itself under another name */
    assert_int_equal(ctl(s, ep[3], EPOLL_CTL_DEL, ep[4], EPOLLIN, 0), 0);
    assert_int_equal(ctl(s, ep[6], EPOLL_CTL_ADD, ep[0], EPOLLIN, 0), 0);
    fake_stack_end(s);
}

/* Against the kernel -------------------------------------------------------------------------------------------- */

/* What epoll_ctl() is asked for. */
static uint32_t random_events(struct rng *r, const struct object *o)
{
    const uint32_t bits[] = {EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI, EPOLLRDNORM, EPOLLWRNORM};
    uint32_t events = 0, n = o->eventfd ? 3 : 6; /* an eventfd has its own wake-up keys, without EPOLLPRI and EPOLLRDNORM */

    for (uint32_t i = 0; i < n; i++) {
        events |= rng_below(r, 2) ? bits[i] : 0;
    }
    events |= rng_below(r, 3) ? 0 : EPOLLET;
    events |= rng_below(r, 4) ? 0 : EPOLLONESHOT;
    return events;
}

#define SETS 3

struct twin {
    struct z_stack *s;
    struct rng *r;
    struct object objects[OBJECTS];
    int ep[SETS]; /* the same number on both sides */
    uint64_t data;
    bool exclusive; /* with EPOLLEXCLUSIVE, which the kernel tells last: then the order is not compared */
};

static void twin_ctl(struct twin *t)
{
    const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
    struct object *o = &t->objects[rng_below(t->r, OBJECTS)];
    uint32_t exclusive = t->exclusive && rng_below(t->r, 4) == 0 ? EPOLLEXCLUSIVE : 0;
    struct epoll_event ev = {.events = random_events(t->r, o) | exclusive, .data.u64 = ++t->data};
    int ep = t->ep[rng_below(t->r, SETS)], op = ops[rng_below(t->r, 5)];
    int fd = o->fd[rng_below(t->r, NAMES)];

    if (rng_below(t->r, 8) == 0) { /* sets in sets; the kernel wakes those who wait for EPOLLRDNORM on a set only by accident */
        fd = t->ep[rng_below(t->r, SETS)];
        ev.events &= ~(uint32_t)EPOLLRDNORM;
    }
    int rc = epoll_ctl(ep, op, fd, &ev) ? -errno : 0;
    assert_int_equal(epoll_set_ctl(t->s, sock_get(t->s, ep)->ep, op, fd, &ev), rc);
}

static int by_data(const void *a, const void *b)
{
    uint64_t x = ((const struct epoll_event *)a)->data.u64, y = ((const struct epoll_event *)b)->data.u64;

    return (x > y) - (x < y);
}

static void twin_wait(struct twin *t, int ep)
{
    struct epoll_event theirs[MAX_EVENTS];
    int max = t->exclusive ? MAX_EVENTS : 1 + (int)rng_below(t->r, rng_below(t->r, 2) ? 3 : MAX_EVENTS);
    int n = epoll_wait(ep, theirs, max, 0);

    assert_int_equal(collect(t->s, ep, max), n);
    if (t->exclusive) {
        qsort(theirs, (size_t)n, sizeof(theirs[0]), by_data);
        qsort(got, (size_t)n, sizeof(got[0]), by_data);
    }
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i].data.u64, theirs[i].data.u64);
        assert_int_equal(got[i].events, theirs[i].events);
    }
}

static void twin_new_set(struct twin *t, int i)
{
    if (t->ep[i] >= 0) {
        close(t->ep[i]);
        sock_close(t->s, t->ep[i]);
    }
    t->ep[i] = kernel_fd_move(epoll_create1(0));
    assert_int_equal(fake_epoll(t->s), t->ep[i]);
}

static uint64_t twin_run(uint64_t seed, int steps)
{
    struct rng r;
    struct twin t = {.s = fake_stack(KERNEL_FD_BASE, 64), .r = &r, .ep = {-1, -1, -1}, .exclusive = seed % 4 == 0};

    rng_seed(&r, seed);
    for (int i = 0; i < SETS; i++) {
        twin_new_set(&t, i);
    }
    for (int i = 0; i < OBJECTS; i++) {
        object_open(t.s, &t.objects[i], i % 4 == 3);
    }
    for (int i = 0; i < steps; i++) {
        uint32_t what = rng_below(&r, 100);

        if (what < 25) {
            twin_ctl(&t);
        } else if (what < 50) {
            twin_wait(&t, t.ep[rng_below(&r, SETS)]);
        } else if (what == 50) {
            twin_new_set(&t, (int)rng_below(&r, SETS));
        } else {
            object_step(t.s, &t.objects[rng_below(&r, OBJECTS)], &r);
        }
    }
    for (int i = 0; i < OBJECTS; i++) {
        object_close(t.s, &t.objects[i]);
    }
    for (int i = 0; i < SETS; i++) {
        close(t.ep[i]);
    }
    fake_stack_end(t.s);
    return t.data;
}

static void as_the_kernel(void **state)
{
    (void)state;
    run_seeds(twin_run, 150, 2000, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_triggered),
        cmocka_unit_test(one_event_with_all_bits),
        cmocka_unit_test(errors_need_not_be_asked_for),
        cmocka_unit_test(rdhup),
        cmocka_unit_test(edge_triggered),
        cmocka_unit_test(one_shot),
        cmocka_unit_test(errors),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(round_robin),
        cmocka_unit_test(idle_ones_cost_nothing),
        cmocka_unit_test(close_and_dup),
        cmocka_unit_test(nested),
        cmocka_unit_test(loops),
        cmocka_unit_test_teardown(as_the_kernel, tell_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
