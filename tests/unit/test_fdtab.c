/* Descriptors: numbers, sharing, limits (src/sock/fdtab.c, idset.c). */
#include "sock_fakes.h"

#include "base/rng.h"
#include "sock/fdtab.h"

static void lowest_number_first(void **state)
{
    struct z_stack *s = fake_stack(1024, 8);
    struct tcp_conn tc[8] = {0};
    (void)state;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(fake_tcp(s, &tc[i]), 1024 + i);
    }
    assert_int_equal(s->ctr.v[CTR_SOCKS], 5);
    assert_int_equal(sock_close(s, 1027), 0);
    assert_int_equal(sock_close(s, 1025), 0);
    assert_int_equal(s->ctr.v[CTR_SOCKS], 3);
    assert_int_equal(fake_tcp(s, &tc[5]), 1025);
    assert_int_equal(fake_tcp(s, &tc[6]), 1027);
    assert_int_equal(fake_tcp(s, &tc[7]), 1029);
    assert_int_equal(sock_first_fd(s), 1024);
    assert_int_equal(sock_max_fd(s), 1031);
    assert_ptr_equal(sock_get(s, 1025)->tcp, &tc[5]);
    fake_stack_end(s);
}

/* Of three stacks in a process this is the second: every third number is ours. */
static void numbers_of_several_stacks(void **state)
{
    struct z_stack *s = fake_stack(1000, 4);
    struct tcp_conn tc[3] = {0};
    (void)state;

    s->socks->n_stacks = 3;
    s->socks->stack = 1;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake_tcp(s, &tc[i]), 1001 + 3 * i);
    }
    assert_int_equal(sock_first_fd(s), 1001);
    assert_int_equal(sock_max_fd(s), 1010);
    for (int fd = 990; fd < 1020; fd++) {
        bool ours = fd == 1001 || fd == 1004 || fd == 1007;

        assert_int_equal(sock_fd_used(s, fd), ours);
    }
    assert_int_equal(sock_dup2(s, 1001, 1010), 1010);
    assert_int_equal(sock_dup2(s, 1001, 1011), -EBADF); /* of another stack */
    assert_int_equal(sock_close(s, 1002), -EBADF);
    fake_stack_end(s);
}

static void unknown_numbers(void **state)
{
    struct z_stack *s = fake_stack(1024, 4);
    struct tcp_conn tc = {0};
    const int bad[] = {-1, INT32_MIN, 0, 3, 1023, 1025, 1027, 1028, INT32_MAX};
    int fd = fake_tcp(s, &tc);
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(sock_get(s, bad[i]));
        assert_false(sock_fd_used(s, bad[i]));
        assert_int_equal(sock_close(s, bad[i]), -EBADF);
        assert_int_equal(sock_dup(s, bad[i]), -EBADF);
        assert_int_equal(sock_dup2(s, bad[i], fd), -EBADF);
        if (bad[i] < 1024 || bad[i] > 1027) {
            assert_int_equal(sock_dup2(s, fd, bad[i]), -EBADF);
        }
    }
    assert_true(sock_fd_used(s, fd));
    assert_int_equal(sock_close(s, fd), 0);
    assert_int_equal(sock_close(s, fd), -EBADF);
    assert_int_equal(tc.closed, 1);
    fake_stack_end(s);
}

static void limits(void **state)
{
    struct z_stack *s = fake_stack(3, 2);
    struct tcp_conn tc[2] = {0};
    struct sock *sk = (struct sock *)&tc;
    (void)state;

    assert_int_equal(fake_tcp(s, &tc[0]), 3);
    assert_int_equal(fake_tcp(s, &tc[1]), 4);
    assert_int_equal(sock_new(s, SOCK_UDP, &sk), -EMFILE);
    assert_null(sk);
    assert_int_equal(s->ctr.v[CTR_SOCK_LIMIT], 1);
    assert_int_equal(sock_dup(s, 3), -EMFILE);
    assert_int_equal(s->ctr.v[CTR_SOCK_LIMIT], 2);
    assert_int_equal(sock_dup2(s, 3, 4), 4); /* takes no number */
    assert_int_equal(tc[1].closed, 1);
    assert_int_equal(sock_close(s, 4), 0);

    s->arena.fail_after = 1;
    assert_int_equal(sock_new(s, SOCK_UDP, &sk), -ENOMEM);
    assert_int_equal(s->ctr.v[CTR_SOCKS], 1);
    assert_int_equal(sock_new(s, SOCK_UDP, &sk), 4); /* the number was not lost */
    fake_stack_end(s);
}

/* What is behind a descriptor ends with its last name, once. */
static void dup_shares(void **state)
{
    struct z_stack *s = fake_stack(0, 16);
    struct tcp_conn tc = {0}, other = {0};
    struct udp_pcb u = {0};
    int a = fake_tcp(s, &tc), b = sock_dup(s, a), c;
    (void)state;

    assert_int_equal(b, a + 1);
    assert_ptr_equal(sock_get(s, a), sock_get(s, b));
    assert_int_equal(sock_dup2(s, a, 9), 9);
    assert_int_equal(sock_dup2(s, a, a), a);
    assert_int_equal(s->ctr.v[CTR_SOCKS], 3);
    assert_int_equal(sock_get(s, 9)->refs, 3);

    c = fake_tcp(s, &other);
    assert_int_equal(sock_dup2(s, b, c), c);
    assert_int_equal(other.closed, 1);
    assert_int_equal(sock_get(s, c)->refs, 4);

    assert_int_equal(sock_close(s, a), 0);
    assert_int_equal(sock_close(s, b), 0);
    assert_int_equal(sock_close(s, c), 0);
    assert_int_equal(tc.closed, 0);
    assert_ptr_equal(sock_get(s, 9)->tcp, &tc);
    assert_int_equal(sock_close(s, 9), 0);
    assert_int_equal(tc.closed, 1);

    a = fake_udp(s, &u);
    sock_close(s, a);
    assert_int_equal(u.closed, 1);
    fake_stack_end(s);
}

/* A sock whose creation stopped half-way, and every other kind, can be closed. */
static void close_every_kind(void **state)
{
    struct z_stack *s = fake_stack(0, 16);
    struct sock *sk;
    (void)state;

    for (int kind = SOCK_UDP; kind <= SOCK_EPOLL; kind++) {
        int fd = sock_new(s, (enum sock_kind)kind, &sk);

        assert_true(fd >= 0);
        assert_int_equal(sk->kind, kind);
        assert_int_equal(sock_close(s, fd), 0);
    }
    sock_close(s, fake_epoll(s));
    sock_close(s, fake_kqueue(s));
    sock_on_readable(s, NULL); /* nobody holds a descriptor */
    sock_on_writable(s, NULL);
    sock_on_closed(s, NULL);
    fake_stack_end(s);
}

static void numbers_must_fit(void **state)
{
    struct z_stack *s = calloc(1, sizeof(*s));
    (void)state;

    s->conf.n_stacks = 1;
    s->conf.fd_reserve = INT32_MAX - 10;
    s->conf.max_sockets = 100;
    assert_int_equal(sock_table_init(s), -EINVAL);
    free(s);
}

/* An idle connection has room for its descriptor and one registration; each further one is a block of 96 bytes. */
static void memory_of_idle_connections(void **state)
{
    struct z_stack *s = fake_stack(0, 4096);
    static struct tcp_conn tc[2000];
    int ep[2] = {fake_epoll(s), fake_epoll(s)};
    size_t before = s->arena.used_bytes;
    struct epoll_event ev = {.events = EPOLLIN};
    (void)state;

    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < 2000; i++) {
            int fd = k == 0 ? fake_tcp(s, &tc[i]) : ep[1] + 1 + i;

            assert_int_equal(epoll_set_ctl(s, sock_get(s, ep[k])->ep, EPOLL_CTL_ADD, fd, &ev), 0);
        }
        assert_int_equal(s->arena.used_bytes - before, k * 2000 * 96);
    }
    fake_stack_end(s);
}

/* The room of a sock holds one registration, whichever; the next one takes a block, until the room is free again. */
static void room_for_one(void **state)
{
    struct z_stack *s = fake_stack(0, 16);
    struct tcp_conn tc = {0};
    int fd = fake_tcp(s, &tc), kq = fake_kqueue(s), ep = fake_epoll(s);
    struct kqueue *k = sock_get(s, kq)->kq;
    struct epoll_event ev = {.events = EPOLLIN};
    struct kevent c, got[2];
    size_t before = s->arena.used_bytes;
    (void)state;

    EV_SET(&c, (uintptr_t)fd, EVFILT_READ, EV_ADD, 0, 0, &tc);
    assert_int_equal(kqueue_kevent(s, k, &c, 1, NULL, 0), 0);
    assert_int_equal(s->arena.used_bytes, before);
    assert_int_equal(epoll_set_ctl(s, sock_get(s, ep)->ep, EPOLL_CTL_ADD, fd, &ev), 0);
    assert_int_equal(s->arena.used_bytes, before + 96);
    fake_arrive(s, fd, &tc, 1);
    assert_int_equal(kqueue_kevent(s, k, NULL, 0, got, 2), 1);
    assert_int_equal(epoll_set_collect(s, sock_get(s, ep)->ep, &ev, 1), 1);

    c.flags = EV_DELETE; /* the first goes, the second stays where it is */
    assert_int_equal(kqueue_kevent(s, k, &c, 1, NULL, 0), 0);
    assert_int_equal(kqueue_kevent(s, k, NULL, 0, got, 2), 0);
    assert_int_equal(epoll_set_collect(s, sock_get(s, ep)->ep, &ev, 1), 1);
    c.flags = EV_ADD;
    c.filter = EVFILT_WRITE;
    tc.poll |= SOCK_OUT;
    assert_int_equal(kqueue_kevent(s, k, &c, 1, NULL, 0), 0);
    assert_int_equal(s->arena.used_bytes, before + 96);
    assert_int_equal(kqueue_kevent(s, k, NULL, 0, got, 2), 1);
    assert_int_equal(got[0].filter, EVFILT_WRITE);
    assert_ptr_equal(got[0].udata, &tc);

    assert_int_equal(epoll_set_ctl(s, sock_get(s, ep)->ep, EPOLL_CTL_DEL, fd, NULL), 0);
    assert_int_equal(s->arena.used_bytes, before);
    assert_int_equal(sock_close(s, fd), 0);
    assert_int_equal(kqueue_kevent(s, k, NULL, 0, got, 2), 0);

    fd = fake_tcp(s, &tc); /* kevent.ext does not fit */
    c = (struct kevent){.ident = (uintptr_t)fd, .filter = EVFILT_READ, .flags = EV_ADD, .ext = {1, 2, 3, 4}};
    assert_int_equal(kqueue_kevent(s, k, &c, 1, NULL, 0), 0);
    assert_int_equal(s->arena.used_bytes, before + 128);
    assert_int_equal(kqueue_kevent(s, k, NULL, 0, got, 2), 1);
    assert_int_equal(got[0].ext[3], 4);
    fake_stack_end(s);
}

/* idset against an array of flags, over sizes around the edges of its levels. */
static void idset_is_a_set(void **state)
{
    const uint32_t sizes[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 300000};
    struct rng r;
    (void)state;

    rng_seed(&r, 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t n = sizes[i], lowest = 0, taken = 0;
        bool *used = calloc(n, 1);
        struct idset is;

        assert_int_equal(idset_init(&is, n), 0);
        for (int step = 0; step < 3000; step++) {
            uint32_t id = rng_below(&r, n);

            if (used[id] && rng_below(&r, 3) == 0) {
                idset_put(&is, id);
                used[id] = false;
                taken--;
                lowest = id < lowest ? id : lowest;
            } else if (!used[id] && rng_below(&r, 3) == 0) {
                idset_take(&is, id);
                used[id] = true;
                taken++;
            } else {
                while (lowest < n && used[lowest]) {
                    lowest++;
                }
                id = idset_take_lowest(&is);
                assert_int_equal(id, lowest < n ? lowest : IDSET_NONE);
                if (id != IDSET_NONE) {
                    used[id] = true;
                    taken++;
                }
            }
        }
        while (idset_take_lowest(&is) != IDSET_NONE) {
            taken++;
        }
        assert_int_equal(taken, n);
        idset_fini(&is);
        free(used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lowest_number_first),
        cmocka_unit_test(unknown_numbers),
        cmocka_unit_test(numbers_of_several_stacks),
        cmocka_unit_test(limits),
        cmocka_unit_test(dup_shares),
        cmocka_unit_test(close_every_kind),
        cmocka_unit_test(numbers_must_fit),
        cmocka_unit_test(memory_of_idle_connections),
        cmocka_unit_test(room_for_one),
        cmocka_unit_test(idset_is_a_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
