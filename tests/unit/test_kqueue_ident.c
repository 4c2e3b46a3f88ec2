/* kqueue(2) semantics of EVFILT_TIMER and EVFILT_USER, and of kqueues and epoll sets in kqueues (src/sock/knote.c, kqueue.c). */
#include "sock_kqueue.h"

static void timer_periodic(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, 0xdeadbeefcafe, EVFILT_TIMER, EV_ADD, 0, 100, s), 0); /* milliseconds */
    advance(s, 99 * NS_PER_MS);
    expect_none(s, kq);
    advance(s, NS_PER_MS + 70000);
    expect_one(s, kq, 0xdeadbeefcafe, EVFILT_TIMER, EV_CLEAR, 0, 1); /* EV_CLEAR is set by the filter */
    assert_ptr_equal(got[0].udata, s);
    expect_none(s, kq);
    advance(s, 350 * NS_PER_MS);
    expect_one(s, kq, 0xdeadbeefcafe, EVFILT_TIMER, EV_CLEAR, 0, 3); /* expirations since the last report */
    advance(s, 50 * NS_PER_MS);                                      /* no drift: at 500 ms from the start */
    expect_one(s, kq, 0xdeadbeefcafe, EVFILT_TIMER, EV_CLEAR, 0, 1);
    assert_int_equal(change(s, kq, 0xdeadbeefcafe, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
    assert_int_equal(s->wheel.armed, 0);
    advance(s, NS_PER_SEC);
    expect_none(s, kq);
    fake_stack_end(s);
}

static void timer_units(void **state)
{
    const struct {
        unsigned unit;
        uint64_t ns;
    } units[] = {{0, NS_PER_MS}, {NOTE_SECONDS, NS_PER_SEC}, {NOTE_MSECONDS, NS_PER_MS}, {NOTE_USECONDS, NS_PER_US}, {NOTE_NSECONDS, 1}};
    const uint64_t tick = 1ull << WHEEL_TICK_SHIFT;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct z_stack *s = fake_stack(FD, 16);
        int kq = fake_kqueue(s);
        int64_t data = (int64_t)(4 * NS_PER_SEC / units[i].ns);

        assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, units[i].unit, data, NULL), 0);
        advance(s, 4 * NS_PER_SEC - 1);
        expect_none(s, kq);
        advance(s, 1 + tick);
        expect_one(s, kq, 1, EVFILT_TIMER, EV_ONESHOT | EV_CLEAR, 0, 1);
        fake_stack_end(s);
    }
}

static void timer_oneshot(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    (void)state;

    change(s, kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 10, NULL);
    advance(s, NS_PER_SEC);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_ONESHOT | EV_CLEAR, 0, 1);
    advance(s, NS_PER_SEC);
    expect_none(s, kq);
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), -ENOENT);
    change(s, kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 0, NULL); /* 0: at once */
    advance(s, 1 << WHEEL_TICK_SHIFT);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_ONESHOT | EV_CLEAR, 0, 1);
    fake_stack_end(s);
}

/* Wall-clock time: fires once, stays due until it is deleted (EV_CLEAR is not set by itself). */
static void timer_abstime(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    int64_t epoch_s = 1700000000;
    (void)state;

    s->wall_offset_ns = (uint64_t)epoch_s * NS_PER_SEC - s->now_ns;
    change(s, kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_ABSTIME, epoch_s + 3, NULL);
    change(s, kq, 2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS | NOTE_ABSTIME, 5, NULL); /* long ago */
    advance(s, NS_PER_MS);
    expect_one(s, kq, 2, EVFILT_TIMER, EV_ONESHOT, 0, 1);
    advance(s, 2998 * NS_PER_MS);
    expect_none(s, kq);
    advance(s, 2 * NS_PER_MS);
    expect_one(s, kq, 1, EVFILT_TIMER, 0, 0, 1);
    expect_one(s, kq, 1, EVFILT_TIMER, 0, 0, 1);
    advance(s, 10 * NS_PER_SEC);
    expect_one(s, kq, 1, EVFILT_TIMER, 0, 0, 1);
    fake_stack_end(s);
}

static void timer_changes(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    (void)state;

    change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0, 10, NULL);
    advance(s, 15 * NS_PER_MS);
    change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0, 100, (void *)7); /* a new start; what it counted is forgotten */
    expect_none(s, kq);
    advance(s, 99 * NS_PER_MS);
    expect_none(s, kq);
    advance(s, 2 * NS_PER_MS);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_CLEAR, 0, 1);
    assert_ptr_equal(got[0].udata, (void *)7);

    /* It counts while it is disabled. */
    change(s, kq, 1, EVFILT_TIMER, EV_DISABLE, 0, 0, NULL);
    advance(s, 300 * NS_PER_MS);
    expect_none(s, kq);
    change(s, kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_CLEAR, 0, 3);

    /* A bad change is refused and leaves it running. */
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0, -1, NULL), -EINVAL);
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_USECONDS, 1, NULL), -EINVAL);
    assert_int_equal(change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0x20, 1, NULL), -EINVAL);
    assert_int_equal(change(s, kq, 2, EVFILT_TIMER, EV_ADD, 0x20, 1, NULL), -EINVAL);
    advance(s, 100 * NS_PER_MS);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_CLEAR, 0, 1);

    /* A period of 0 is 1; one that does not fit is later than everything; 1 ns counts every one of them. */
    change(s, kq, 1, EVFILT_TIMER, EV_ADD, 0, 0, NULL);
    advance(s, 2 * NS_PER_MS + 70000);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_CLEAR, 0, 2);
    change(s, kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, INT64_MAX, NULL);
    advance(s, 100ull * 365 * 86400 * NS_PER_SEC);
    expect_none(s, kq);
    change(s, kq, 1, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, 1, NULL);
    advance(s, NS_PER_MS);
    expect_one(s, kq, 1, EVFILT_TIMER, EV_CLEAR, 0, (int64_t)NS_PER_MS);
    fake_stack_end(s);
}

/* Closing the kqueue ends its timers; fake_stack_end() checks that none is armed and no memory is lost. */
static void many_idents(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    (void)state;

    for (uintptr_t i = 0; i < 5000; i++) {
        assert_int_equal(change(s, kq, i << 12, EVFILT_TIMER, EV_ADD, 0, 1 + (int64_t)(i % 10), NULL), 0);
        assert_int_equal(change(s, kq, i << 12, EVFILT_USER, EV_ADD, 0, 0, NULL), 0); /* another key */
    }
    for (uintptr_t i = 0; i < 5000; i += 2) {
        assert_int_equal(change(s, kq, i << 12, EVFILT_TIMER, EV_DELETE, 0, 0, NULL), 0);
    }
    assert_int_equal(s->wheel.armed, 2500);
    assert_int_equal(sock_get(s, kq)->kq->n_idents, 7500);
    assert_true(sock_get(s, kq)->kq->n_buckets >= 7500);
    advance(s, 11 * NS_PER_MS);
    for (int n = 0; n < 2500;) {
        int k = collect(s, kq, ROOM);

        assert_true(k > 0);
        for (int i = 0; i < k; i++, n++) {
            assert_int_equal(got[i].ident >> 12 & 1, 1);
        }
    }
    expect_none(s, kq);
    fake_stack_end(s);
}

static void user_filter(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    int kq = fake_kqueue(s);
    (void)state;

    assert_int_equal(change(s, kq, 42, EVFILT_USER, EV_ADD | EV_CLEAR, NOTE_FFNOP | 0x0f, 1, NULL), 0);
    expect_none(s, kq);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER, 2, (void *)9);
    expect_one(s, kq, 42, EVFILT_USER, EV_CLEAR, 0x0f, 2);
    assert_ptr_equal(got[0].udata, (void *)9);
    expect_none(s, kq);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_FFOR | 0xf0, 0, NULL); /* no trigger: only the flags change */
    expect_none(s, kq);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFAND | 0x3c, 0, NULL);
    expect_one(s, kq, 42, EVFILT_USER, EV_CLEAR, 0x3c, 0);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | 0xabcdef, 0, NULL);
    expect_one(s, kq, 42, EVFILT_USER, EV_CLEAR, 0xabcdef, 0);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFNOP | 0x111111, 0, NULL);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER, 5, NULL); /* two triggers are one event */
    expect_one(s, kq, 42, EVFILT_USER, EV_CLEAR, 0xabcdef, 5);
    expect_none(s, kq);
    change(s, kq, 42, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    change(s, kq, 42, EVFILT_USER, EV_CLEAR, 0, 0, NULL); /* takes the trigger back */
    expect_none(s, kq);

    /* Without EV_CLEAR it stays due; EV_DISPATCH and EV_ONESHOT as everywhere; triggered as it is added. */
    change(s, kq, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 1, 0, NULL);
    expect_one(s, kq, 1, EVFILT_USER, 0, 1, 0);
    expect_one(s, kq, 1, EVFILT_USER, 0, 1, 0);
    change(s, kq, 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
    change(s, kq, 2, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER | 6, 0, NULL);
    expect_one(s, kq, 2, EVFILT_USER, EV_ONESHOT, 6, 0);
    assert_int_equal(change(s, kq, 2, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL), -ENOENT);
    change(s, kq, 3, EVFILT_USER, EV_ADD | EV_DISPATCH | EV_CLEAR, NOTE_TRIGGER, 0, NULL);
    expect_one(s, kq, 3, EVFILT_USER, EV_DISPATCH | EV_CLEAR, 0, 0);
    change(s, kq, 3, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    expect_none(s, kq); /* disabled: it remembers */
    change(s, kq, 3, EVFILT_USER, EV_ENABLE, 0, 0, NULL);
    expect_one(s, kq, 3, EVFILT_USER, EV_DISPATCH | EV_CLEAR, 0, 0);
    fake_stack_end(s);
}

static void nested(void **state)
{
    struct z_stack *s = fake_stack(FD, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), in = fake_kqueue(s), out = fake_kqueue(s), ep = fake_epoll(s);
    struct epoll_event ev = {.events = EPOLLIN};
    (void)state;

    assert_int_equal(change(s, out, (uintptr_t)in, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL), 0);
    assert_int_equal(change(s, out, (uintptr_t)ep, EVFILT_READ, EV_ADD, 0, 0, NULL), 0);
    assert_int_equal(change(s, in, (uintptr_t)out, EVFILT_READ, EV_ADD, 0, 0, NULL), -ELOOP);
    change(s, in, (uintptr_t)fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
    expect_none(s, out);
    fake_arrive(s, fd, &tc, 1);
    change(s, in, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, NULL);
    expect_one(s, out, (uintptr_t)in, EVFILT_READ, EV_CLEAR, 0, 2); /* data: events pending */
    expect_none(s, out);
    change(s, in, 2, EVFILT_TIMER, EV_ADD, 0, 1, NULL);
    advance(s, 2 * NS_PER_MS);
    expect_one(s, out, (uintptr_t)in, EVFILT_READ, EV_CLEAR, 0, 3); /* a timer of the inner one wakes the outer one */
    assert_int_equal(epoll_set_ctl(s, sock_get(s, ep)->ep, EPOLL_CTL_ADD, fd, &ev), 0);
    expect_one(s, out, (uintptr_t)ep, EVFILT_READ, 0, 0, 1);
    sock_close(s, ep);
    sock_close(s, in);
    expect_none(s, out);
    assert_int_equal(watch_set_of(sock_get(s, out))->n_nested, 0);
    fake_stack_end(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer_periodic), cmocka_unit_test(timer_units), cmocka_unit_test(timer_oneshot), cmocka_unit_test(timer_abstime),
        cmocka_unit_test(timer_changes),  cmocka_unit_test(many_idents), cmocka_unit_test(user_filter),   cmocka_unit_test(nested),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
