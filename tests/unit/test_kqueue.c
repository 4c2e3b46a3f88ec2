/*
 * kqueue(2) semantics of filters on descriptors (src/sock/kqueue.c, knote.c), rule by rule: FreeBSD's manual page and, where it is
 * silent, its code.
 */
#include "sock_kqueue.h"

static void read_filter(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 512, &tc), 0); /* data without NOTE_LOWAT says nothing */
    expect_none(s, kq);
    fake_arrive(s, fd, &tc, 10);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 10);
    assert_ptr_equal(got[0].udata, &tc);
    fake_arrive(s, fd, &tc, 5);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 15); /* level-triggered, with the bytes of now */
    fake_drain(&tc);
    expect_none(s, kq);
    assert_int_equal(watch_set_of(sock_get(s, kq))->n_ready, 0);

    /* End of file is reported with what is still to be read, and for ever. */
    fake_arrive(s, fd, &tc, 7);
    fake_fin(s, fd, &tc);
    expect_one(s, kq, FD, EVFILT_READ, EV_EOF, 0, 7);
    fake_drain(&tc);
    expect_one(s, kq, FD, EVFILT_READ, EV_EOF, 0, 0);
    tc.error = ECONNRESET;
    expect_one(s, kq, FD, EVFILT_READ, EV_EOF, ECONNRESET, 0);
    fake_stack_end(s);
}

static void read_of_a_listener(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.listener = true};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
    assert_int_equal(change(s, kq, FD, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0); /* accepted, never due */
    expect_none(s, kq);
    fake_arrive(s, fd, &tc, 3); /* connections */
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 3);
    tc.avail = 1;
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 1);
    fake_drain(&tc);
    expect_none(s, kq);
    fake_stack_end(s);
}

static void write_filter(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT | SOCK_HUP, .space = 1000};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, FD, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0);
    expect_none(s, kq); /* never connected */
    tc.poll = 0;        /* connecting */
    expect_none(s, kq);
    tc.poll = SOCK_OUT;
    sock_on_writable(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_WRITE, 0, 0, 1000);
    tc.poll = 0;
    tc.space = 0;
    expect_none(s, kq);
    tc.snd_eof = true;
    tc.error = EPIPE;
    tc.poll = SOCK_OUT | SOCK_ERR | SOCK_HUP;
    sock_on_closed(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_WRITE, EV_EOF, EPIPE, 0);
    fake_stack_end(s);
}

/* A connection attempt that failed: both filters say so. */
static void refused(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL);
    change(s, kq, FD, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
    tc.rcv_eof = tc.snd_eof = true;
    tc.error = ECONNREFUSED;
    tc.poll = SOCK_IN | SOCK_OUT | SOCK_ERR | SOCK_HUP | SOCK_RDHUP;
    sock_on_closed(s, sock_get(s, fd));
    assert_int_equal(collect(s, kq, ROOM), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(got[i].flags, EV_EOF | EV_CLEAR);
        assert_int_equal(got[i].fflags, ECONNREFUSED);
    }
    assert_int_equal(got[0].filter + got[1].filter, EVFILT_READ + EVFILT_WRITE);
    expect_none(s, kq);
    fake_stack_end(s);
}

static void low_water_mark(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT, .space = 99};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD, NOTE_LOWAT, 100, NULL);
    change(s, kq, FD, EVFILT_WRITE, EV_ADD, NOTE_LOWAT, 100, NULL);
    fake_arrive(s, fd, &tc, 99);
    sock_on_writable(s, sock_get(s, fd));
    expect_none(s, kq);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 100);
    change(s, kq, FD, EVFILT_READ, EV_ADD, NOTE_LOWAT, (int64_t)1 << 32, NULL); /* not cut to 32 bits */
    expect_none(s, kq);
    change(s, kq, FD, EVFILT_READ, EV_ADD, NOTE_LOWAT, -((int64_t)1 << 33) + 1000, NULL);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 100);
    change(s, kq, FD, EVFILT_READ, EV_ADD, NOTE_LOWAT, 101, NULL); /* the mark moves */
    expect_none(s, kq);
    tc.space = 100;
    sock_on_writable(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_WRITE, 0, 0, 100);
    tc.space = 99;
    fake_fin(s, fd, &tc); /* the rest will never come */
    expect_one(s, kq, FD, EVFILT_READ, EV_EOF, 0, 100);
    fake_stack_end(s);
}

static void udp_filters(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct udp_pcb u = {.poll = SOCK_OUT, .space = 9000};
    int fd = fake_udp(s, &u), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, NULL);
    expect_none(s, kq);
    u.poll |= SOCK_IN; /* an empty datagram */
    sock_on_readable(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 0);
    u.total = 300;
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 300);
    change(s, kq, FD, EVFILT_READ, EV_DELETE, 0, 0, NULL);
    change(s, kq, FD, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    expect_one(s, kq, FD, EVFILT_WRITE, 0, 0, 9000);
    u.poll = SOCK_ERR;
    sock_on_readable(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_WRITE, 0, 0, 9000);
    u.poll = SOCK_HUP | SOCK_RDHUP;
    expect_one(s, kq, FD, EVFILT_WRITE, EV_EOF, 0, 9000);
    fake_stack_end(s);
}

/* What is ready when it is added is reported; adding again changes udata and the filter's parameters, not the flags or ext. */
static void add_again(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    struct kevent c;
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    fake_arrive(s, fd, &tc, 4);
    EV_SET(&c, FD, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, (void *)1);
    c.ext[0] = 10;
    c.ext[3] = 13;
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, &c, 1, got, ROOM), 1); /* in the same call */
    assert_ptr_equal(got[0].udata, (void *)1);
    assert_int_equal(got[0].ext[0], 10);
    assert_int_equal(got[0].ext[3], 13);
    expect_none(s, kq); /* EV_CLEAR */

    change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, (void *)2);
    expect_one(s, kq, FD, EVFILT_READ, EV_CLEAR, 0, 4); /* reported again, and once: the flags stay */
    assert_ptr_equal(got[0].udata, (void *)2);
    assert_int_equal(got[0].ext[0], 10);
    expect_none(s, kq);
    change(s, kq, FD, EVFILT_READ, EV_ENABLE | EV_KEEPUDATA, 0, 0, (void *)3);
    expect_one(s, kq, FD, EVFILT_READ, EV_CLEAR, 0, 4);
    assert_ptr_equal(got[0].udata, (void *)2);
    assert_int_equal(SLIST_NEXT(SLIST_FIRST(&sock_get(s, fd)->watches), on_sock) == NULL, true); /* one registration */
    fake_stack_end(s);
}

static void clear(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT, .space = 5};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL);
    change(s, kq, FD, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
    expect_one(s, kq, FD, EVFILT_WRITE, EV_CLEAR, 0, 5);
    expect_none(s, kq);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, kq, FD, EVFILT_READ, EV_CLEAR, 0, 1);
    expect_none(s, kq);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, kq, FD, EVFILT_READ, EV_CLEAR, 0, 2); /* unread data does not hide new data */
    sock_on_writable(s, sock_get(s, fd));
    expect_one(s, kq, FD, EVFILT_WRITE, EV_CLEAR, 0, 5);
    fake_arrive(s, fd, &tc, 1);
    fake_drain(&tc);
    expect_none(s, kq); /* consumed before anybody looked */
    fake_stack_end(s);
}

static void oneshot(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, NULL);
    fake_arrive(s, fd, &tc, 1);
    fake_drain(&tc);
    expect_none(s, kq); /* not spent on a condition that holds no longer, kqueue(2) */
    fake_arrive(s, fd, &tc, 2);
    expect_one(s, kq, FD, EVFILT_READ, EV_ONESHOT, 0, 2);
    fake_arrive(s, fd, &tc, 2);
    expect_none(s, kq);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_DELETE, 0, 0, NULL), -ENOENT); /* deleted */
    assert_true(SLIST_EMPTY(&sock_get(s, fd)->watches));
    fake_stack_end(s);
}

static void dispatch(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, NULL);
    fake_arrive(s, fd, &tc, 1);
    expect_one(s, kq, FD, EVFILT_READ, EV_DISPATCH, 0, 1);
    fake_arrive(s, fd, &tc, 1);
    expect_none(s, kq); /* disabled */
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
    expect_none(s, kq); /* adding again does not enable */
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ENABLE, 0, 0, NULL), 0);
    expect_one(s, kq, FD, EVFILT_READ, EV_DISPATCH, 0, 2);
    expect_none(s, kq);
    fake_stack_end(s);
}

static void enable_disable(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ADD | EV_DISABLE, 0, 0, NULL), 0);
    fake_arrive(s, fd, &tc, 1);
    expect_none(s, kq);
    change(s, kq, FD, EVFILT_READ, EV_ENABLE, 0, 0, NULL);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 1);
    change(s, kq, FD, EVFILT_READ, EV_DISABLE, 0, 0, NULL); /* while it is ready */
    expect_none(s, kq);
    assert_false(kqueue_is_ready(sock_get(s, kq)->kq));
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ENABLE | EV_DISABLE, 0, 0, NULL), -EINVAL);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_DELETE, 0, 0, NULL), 0);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ENABLE, 0, 0, NULL), -ENOENT);
    fake_stack_end(s);
}

static void force_oneshot(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int kq;
    (void)state;

    fake_tcp(s, &tc);
    kq = fake_kqueue(s);
    change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, NULL);
    change(s, kq, FD, EVFILT_READ, EV_FORCEONESHOT, 0, 0, NULL);
    expect_one(s, kq, FD, EVFILT_READ, EV_ONESHOT, 0, 0);
    expect_none(s, kq);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_DELETE, 0, 0, NULL), -ENOENT);
    fake_stack_end(s);
}

static void errors(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    const int unsupported[] = {EVFILT_AIO, EVFILT_VNODE, EVFILT_PROC, EVFILT_SIGNAL, EVFILT_FS, EVFILT_EMPTY, -14, 1, 32767, -32768, 249};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s), ep = fake_epoll(s);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++) {
        assert_int_equal(change(s, kq, FD, unsupported[i], EV_ADD, 0, 0, NULL), -EINVAL);
    }
    assert_int_equal(change(s, kq, 3, EVFILT_READ, EV_ADD, 0, 0, NULL), -EBADF);
    assert_int_equal(change(s, kq, (uintptr_t)-1, EVFILT_READ, EV_ADD, 0, 0, NULL), -EBADF);
    assert_int_equal(change(s, kq, FD + (1ull << 32), EVFILT_READ, EV_ADD, 0, 0, NULL), -EBADF); /* not cut to an int */
    assert_int_equal(change(s, kq, 3, EVFILT_READ, EV_DELETE, 0, 0, NULL), -EBADF);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_DELETE, 0, 0, NULL), -ENOENT);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, 0, 0, 0, NULL), -ENOENT);
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), -ENOENT);
    assert_int_equal(change(s, kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), -ENOENT);
    assert_int_equal(change(s, kq, FD, EVFILT_READ, EV_ADD | EV_KEEPUDATA, 0, 0, NULL), -EINVAL);
    assert_int_equal(change(s, kq, (uintptr_t)kq, EVFILT_READ, EV_ADD, 0, 0, NULL), -EINVAL); /* itself */
    assert_int_equal(change(s, kq, (uintptr_t)ep, EVFILT_WRITE, EV_ADD, 0, 0, NULL), -EINVAL);
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, NULL, -1, got, 1), -EINVAL);
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, NULL, 0, got, -1), -EINVAL);

    /* Without memory for the ident table, for a knote with an ident, for a knote on a sock. */
    s->arena.fail_after = 1;
    assert_int_equal(change(s, kq, 1, EVFILT_USER, EV_ADD, 0, 0, NULL), -ENOMEM);
    s->arena.fail_after = 2;
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0, 10, NULL), -ENOMEM);
    assert_int_equal(change(s, kq, (uintptr_t)fd, EVFILT_WRITE, EV_ADD, 0, 0, NULL), 0); /* the sock has room for one */
    s->arena.fail_after = 1;
    assert_int_equal(change(s, kq, (uintptr_t)fd, EVFILT_READ, EV_ADD, 0, 0, NULL), -ENOMEM);
    assert_int_equal(s->ctr.v[CTR_WATCH_LIMIT], 3);
    assert_int_equal(change(s, kq, 1, EVFILT_USER, EV_ADD, 0, 0, NULL), 0);
    for (uintptr_t i = 2; i <= 16; i++) {
        assert_int_equal(change(s, kq, i, EVFILT_USER, EV_ADD, 0, 0, NULL), 0);
    }
    s->arena.fail_after = 1; /* a table that cannot grow is no error */
    assert_int_equal(change(s, kq, 17, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, NULL), 0);
    expect_one(s, kq, 17, EVFILT_USER, 0, 0, 0);
    fake_stack_end(s);
}

/* Failed changes and receipts come as events while there is room; then nothing else is reported. */
static void errors_as_events(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    struct kevent c[4];
    int fd = fake_tcp(s, &tc), kqfd = fake_kqueue(s);
    struct kqueue *kq = sock_get(s, kqfd)->kq;
    (void)state;

    fake_arrive(s, fd, &tc, 1);
    EV_SET(&c[0], FD, EVFILT_READ, EV_ADD, 0, 0, (void *)1);
    EV_SET(&c[1], 5, EVFILT_READ, EV_ADD, 0, 0, (void *)2);
    EV_SET(&c[2], FD, EVFILT_WRITE, EV_ADD | EV_RECEIPT, 0, 0, (void *)3);
    EV_SET(&c[3], 9, EVFILT_USER, EV_DELETE, 0, 0, (void *)4);
    assert_int_equal(kqueue_kevent(s, kq, c, 4, got, ROOM), 3);
    assert_int_equal(got[0].ident, 5);
    assert_int_equal(got[0].flags, EV_ERROR);
    assert_int_equal(got[0].data, EBADF);
    assert_ptr_equal(got[0].udata, (void *)2);
    assert_int_equal(got[1].filter, EVFILT_WRITE);
    assert_int_equal(got[1].flags, EV_ERROR);
    assert_int_equal(got[1].data, 0); /* receipt */
    assert_int_equal(got[2].data, ENOENT);
    expect_one(s, kqfd, FD, EVFILT_READ, 0, 0, 1); /* c[0] was applied */

    /* No room: the call fails with the first error that has none; what came before it is applied, what follows is not. */
    EV_SET(&c[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
    EV_SET(&c[2], 2, EVFILT_USER, EV_ADD, 0, 0, NULL);
    assert_int_equal(kqueue_kevent(s, kq, c, 3, NULL, 0), -EBADF);
    assert_int_equal(change(s, kqfd, 1, EVFILT_USER, EV_DELETE, 0, 0, NULL), 0);
    assert_int_equal(change(s, kqfd, 2, EVFILT_USER, EV_DELETE, 0, 0, NULL), -ENOENT);

    /* The same array for both directions, and an empty entry. */
    memset(c, 0, sizeof(c));
    EV_SET(&c[1], 5, EVFILT_READ, EV_ADD, 0, 0, NULL);
    EV_SET(&c[2], 1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
    assert_int_equal(kqueue_kevent(s, kq, c, 3, c, 4), 2);
    assert_int_equal(c[0].data, EBADF);
    assert_int_equal(c[1].ident, 1);
    assert_int_equal(c[1].data, 0);
    EV_SET(&c[0], 1, EVFILT_USER, EV_DELETE | EV_RECEIPT, 0, 0, NULL);
    assert_int_equal(kqueue_kevent(s, kq, c, 1, NULL, 0), 0); /* a receipt without room is no error */
    fake_stack_end(s);
}

/* READ and WRITE of one descriptor are two registrations. */
static void two_filters(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT, .space = 7};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s);
    (void)state;

    change(s, kq, FD, EVFILT_READ, EV_ADD, 0, 0, NULL);
    change(s, kq, FD, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    fake_arrive(s, fd, &tc, 9);
    assert_int_equal(collect(s, kq, ROOM), 2);
    assert_int_equal(got[0].filter, EVFILT_WRITE); /* became ready first */
    assert_int_equal(got[1].filter, EVFILT_READ);
    change(s, kq, FD, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    expect_one(s, kq, FD, EVFILT_READ, 0, 0, 9);
    fake_stack_end(s);
}

static void round_robin(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc[5] = {0};
    const int turns[] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4};
    int kq = -1;
    (void)state;

    for (int i = 0; i < 5; i++) {
        fake_tcp(s, &tc[i]);
    }
    kq = fake_kqueue(s);
    for (int i = 0; i < 5; i++) {
        change(s, kq, (uintptr_t)(FD + i), EVFILT_READ, EV_ADD, 0, 0, NULL);
        fake_arrive(s, FD + i, &tc[i], 1);
    }
    for (int w = 0; w < 5; w++) {
        assert_int_equal(collect(s, kq, 2), 2);
        assert_int_equal(got[0].ident, FD + turns[2 * w]);
        assert_int_equal(got[1].ident, FD + turns[2 * w + 1]);
    }
    assert_int_equal(collect(s, kq, 0), 0);
    assert_int_equal(collect(s, kq, ROOM), 5);
    fake_stack_end(s);
}

/* kqueue(2), close: "all events associated with the descriptor are removed", with that number only. */
static void close_and_dup(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int a = fake_tcp(s, &tc), b = sock_dup(s, a), kq = fake_kqueue(s), ep = fake_epoll(s);
    struct epoll_event ev = {.events = EPOLLIN};
    (void)state;

    change(s, kq, (uintptr_t)a, EVFILT_READ, EV_ADD, 0, 0, (void *)1);
    change(s, kq, (uintptr_t)b, EVFILT_READ, EV_ADD, 0, 0, (void *)2);
    assert_int_equal(epoll_set_ctl(s, sock_get(s, ep)->ep, EPOLL_CTL_ADD, a, &ev), 0);
    fake_arrive(s, a, &tc, 1);
    assert_int_equal(collect(s, kq, ROOM), 2);
    sock_close(s, a);
    expect_one(s, kq, (uintptr_t)b, EVFILT_READ, 0, 0, 1);
    assert_ptr_equal(got[0].udata, (void *)2);
    assert_true(epoll_set_is_ready(sock_get(s, ep)->ep)); /* epoll's lasts as long as the sock */

    assert_int_equal(sock_dup2(s, b, a), a); /* the number again: nothing comes back */
    expect_one(s, kq, (uintptr_t)b, EVFILT_READ, 0, 0, 1);
    change(s, kq, (uintptr_t)a, EVFILT_READ, EV_ADD, 0, 0, NULL);
    assert_int_equal(sock_dup2(s, b, a), a); /* closes it, too */
    expect_one(s, kq, (uintptr_t)b, EVFILT_READ, 0, 0, 1);
    sock_close(s, b);
    sock_close(s, a);
    expect_none(s, kq);
    assert_false(epoll_set_is_ready(sock_get(s, ep)->ep));
    fake_stack_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_filter),    cmocka_unit_test(read_of_a_listener),
        cmocka_unit_test(write_filter),   cmocka_unit_test(refused),
        cmocka_unit_test(low_water_mark), cmocka_unit_test(udp_filters),
        cmocka_unit_test(add_again),      cmocka_unit_test(clear),
        cmocka_unit_test(oneshot),        cmocka_unit_test(dispatch),
        cmocka_unit_test(enable_disable), cmocka_unit_test(force_oneshot),
        cmocka_unit_test(errors),         cmocka_unit_test(errors_as_events),
        cmocka_unit_test(two_filters),    cmocka_unit_test(round_robin),
        cmocka_unit_test(close_and_dup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
