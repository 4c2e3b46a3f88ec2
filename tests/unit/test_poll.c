/* poll(2) and select(2) over our descriptors (src/sock/poll.c): by hand, then against the kernel's on the same states. */
#include "sock_fakes.h"

#include "sock_kernel.h"

static void poll_reports(void **state)
{
    struct z_stack *s = fake_stack(1024, 16);
    struct tcp_conn tc = {.poll = SOCK_OUT};
    int fd = fake_tcp(s, &tc);
    struct pollfd p[4] = {{.fd = fd, .events = POLLIN | POLLOUT, .revents = 0x55},
                          {.fd = -1, .events = POLLIN, .revents = 0x55},
                          {.fd = 999, .events = 0, .revents = 0x55},
                          {.fd = fd, .events = POLLIN | POLLRDHUP | POLLPRI, .revents = 0x55}};
    (void)state;

    assert_int_equal(poll_collect(s, p, 4), 2);
    assert_int_equal(p[0].revents, POLLOUT);
    assert_int_equal(p[1].revents, 0); /* ignored, and cleared */
    assert_int_equal(p[2].revents, POLLNVAL);
    assert_int_equal(p[3].revents, 0);

    tc.poll = SOCK_IN | SOCK_RDHUP | SOCK_PRI | SOCK_OUT;
    assert_int_equal(poll_collect(s, p, 4), 3);
    assert_int_equal(p[0].revents, POLLIN | POLLOUT); /* RDHUP and PRI only for those who ask */
    assert_int_equal(p[3].revents, POLLIN | POLLRDHUP | POLLPRI);

    tc.poll = SOCK_ERR | SOCK_HUP;
    p[0].events = 0;
    assert_int_equal(poll_collect(s, p, 1), 1);
    assert_int_equal(p[0].revents, POLLERR | POLLHUP); /* these need not be asked for */
    assert_int_equal(poll_collect(s, p, 0), 0);
    fake_stack_end(s);
}

static void poll_of_sets(void **state)
{
    struct z_stack *s = fake_stack(0, 16);
    struct tcp_conn tc = {0};
    struct udp_pcb u = {.poll = SOCK_OUT};
    int fd = fake_tcp(s, &tc), ep = fake_epoll(s), kq = fake_kqueue(s);
    struct pollfd p[3] = {{.fd = ep, .events = POLLIN | POLLOUT},
                          {.fd = kq, .events = POLLIN | POLLOUT},
                          {.fd = fake_udp(s, &u), .events = POLLIN | POLLOUT | POLLWRNORM}};
    struct epoll_event ev = {.events = EPOLLIN};
    struct kevent kev;
    (void)state;

    assert_int_equal(epoll_set_ctl(s, sock_get(s, ep)->ep, EPOLL_CTL_ADD, fd, &ev), 0);
    EV_SET(&kev, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
    assert_int_equal(kqueue_kevent(s, sock_get(s, kq)->kq, &kev, 1, NULL, 0), 0);
    assert_int_equal(poll_collect(s, p, 3), 1);
    assert_int_equal(p[2].revents, POLLOUT | POLLWRNORM);
    fake_arrive(s, fd, &tc, 1);
    assert_int_equal(poll_collect(s, p, 3), 3);
    assert_int_equal(p[0].revents, POLLIN);
    assert_int_equal(p[1].revents, POLLIN);
    fake_drain(&tc);
    assert_int_equal(poll_collect(s, p, 3), 1);
    fake_stack_end(s);
}

static void select_reports(void **state)
{
    struct z_stack *s = fake_stack(60, 16);
    struct tcp_conn tc[3] = {{.poll = SOCK_OUT}, {.poll = SOCK_IN | SOCK_PRI}, {.poll = SOCK_HUP}};
    fd_set r, w, e;
    (void)state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(fake_tcp(s, &tc[i]), 60 + i);
    }
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    for (int i = 60; i < 63; i++) {
        FD_SET(i, &r);
        FD_SET(i, &w);
        FD_SET(i, &e);
    }
    assert_int_equal(select_collect(s, 63, &r, &w, &e), 4);
    assert_false(FD_ISSET(60, &r));
    assert_true(FD_ISSET(61, &r));
    assert_true(FD_ISSET(62, &r)); /* a hang-up is readable */
    assert_true(FD_ISSET(60, &w));
    assert_false(FD_ISSET(61, &w));
    assert_false(FD_ISSET(62, &w));
    assert_false(FD_ISSET(60, &e));
    assert_true(FD_ISSET(61, &e));
    assert_false(FD_ISSET(62, &e));

    tc[2].poll = SOCK_ERR;
    FD_SET(62, &w);
    assert_int_equal(select_collect(s, 63, NULL, &w, NULL), 2);
    assert_int_equal(select_collect(s, 60, &r, NULL, NULL), 0); /* 61 and 62 lie outside nfds */
    assert_int_equal(select_collect(s, 0, NULL, NULL, NULL), 0);
    fake_stack_end(s);
}

static void select_errors(void **state)
{
    struct z_stack *s = fake_stack(1000, 100);
    struct tcp_conn tc = {.poll = SOCK_OUT};
    fd_set w;
    (void)state;

    assert_int_equal(fake_tcp(s, &tc), 1000);
    FD_ZERO(&w);
    FD_SET(1000, &w);
    FD_SET(1001, &w);
    assert_int_equal(select_collect(s, 1002, NULL, &w, NULL), -EBADF);
    assert_true(FD_ISSET(1000, &w)); /* as it was */
    assert_true(FD_ISSET(1001, &w));
    assert_int_equal(select_collect(s, -1, NULL, &w, NULL), -EINVAL);
    assert_int_equal(select_collect(s, FD_SETSIZE + 1, NULL, &w, NULL), -EINVAL);
    FD_CLR(1001, &w);
    assert_int_equal(select_collect(s, FD_SETSIZE, NULL, &w, NULL), 1);
    FD_SET(3, &w); /* below fd_reserve: none of ours */
    assert_int_equal(select_collect(s, FD_SETSIZE, NULL, &w, NULL), -EBADF);
    fake_stack_end(s);
}

/* Only the words that nfds covers are written: applications allocate less than an fd_set. */
static void select_stays_within_nfds(void **state)
{
    struct z_stack *s = fake_stack(0, 16);
    struct tcp_conn tc = {0};
    uint64_t words[2] = {1, UINT64_MAX};
    (void)state;

    assert_int_equal(fake_tcp(s, &tc), 0);
    assert_int_equal(select_collect(s, 1, (fd_set *)(void *)words, NULL, NULL), 0);
    assert_int_equal(words[0], 0);
    assert_true(words[1] == UINT64_MAX);
    fake_stack_end(s);
}

/* Against the kernel -------------------------------------------------------------------------------------------- */

#define N_POLL 12

static int some_fd(const struct object *objects, struct rng *r)
{
    return rng_below(r, 12) == 0 ? -7 : objects[rng_below(r, OBJECTS)].fd[rng_below(r, NAMES)];
}

static void twin_poll(struct z_stack *s, const struct object *objects, struct rng *r)
{
    const short bits[] = {POLLIN, POLLOUT, POLLPRI, POLLRDHUP};
    struct pollfd ours[N_POLL] = {{0}}, theirs[N_POLL];
    int n = (int)rng_below(r, N_POLL + 1);

    for (int i = 0; i < n; i++) {
        ours[i].fd = some_fd(objects, r);
        if (ours[i].fd == -7 && rng_below(r, 2)) {
            ours[i].fd = KERNEL_FD_BASE + 63; /* not open */
        }
        ours[i].revents = -1;
        for (int b = 0; b < 4; b++) {
            ours[i].events = (short)(ours[i].events | (rng_below(r, 2) ? bits[b] : 0));
        }
    }
    memcpy(theirs, ours, sizeof(theirs));
    assert_int_equal(poll_collect(s, ours, (nfds_t)n), poll(theirs, (nfds_t)n, 0));
    assert_memory_equal(ours, theirs, sizeof(ours));
}

static void twin_select(struct z_stack *s, const struct object *objects, struct rng *r)
{
    struct timeval zero = {0, 0};
    fd_set ours[3], theirs[3];
    int nfds = KERNEL_FD_BASE + (int)rng_below(r, 40);

    for (int i = 0; i < 3; i++) {
        FD_ZERO(&ours[i]);
        for (int k = (int)rng_below(r, 5); k > 0; k--) {
            int fd = some_fd(objects, r);

            if (fd >= 0) {
                FD_SET(fd, &ours[i]);
            }
        }
    }
    if (rng_below(r, 30) == 0) {
        FD_SET(KERNEL_FD_BASE + 38, &ours[rng_below(r, 3)]); /* not open */
    }
    memcpy(theirs, ours, sizeof(theirs));
    int rc = select(nfds, &theirs[0], &theirs[1], &theirs[2], &zero);
    assert_int_equal(select_collect(s, nfds, &ours[0], &ours[1], &ours[2]), rc < 0 ? -errno : rc);
    for (int i = 0; i < 3; i++) { /* what lies beyond nfds is nobody's business */
        for (int fd = 0; fd < nfds; fd++) {
            assert_int_equal(FD_ISSET(fd, &ours[i]) != 0, FD_ISSET(fd, &theirs[i]) != 0);
        }
    }
}

static void as_the_kernel(void **state)
{
    struct object objects[OBJECTS];
    int high = fcntl(STDERR_FILENO, F_DUPFD, KERNEL_FD_BASE + 100); /* the kernel ignores numbers beyond its table: widen it */
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct z_stack *s = fake_stack(KERNEL_FD_BASE, 64);
        struct rng r;

        rng_seed(&r, seed);
        for (int i = 0; i < OBJECTS; i++) {
            object_open(s, &objects[i], i % 4 == 3);
        }
        for (int i = 0; i < 2000; i++) {
            object_step(s, &objects[rng_below(&r, OBJECTS)], &r);
            if (i % 2) {
                twin_poll(s, objects, &r);
            } else {
                twin_select(s, objects, &r);
            }
        }
        for (int i = 0; i < OBJECTS; i++) {
            object_close(s, &objects[i]);
        }
        fake_stack_end(s);
    }
    close(high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poll_reports),
        cmocka_unit_test(poll_of_sets),
        cmocka_unit_test(select_reports),
        cmocka_unit_test(select_errors),
        cmocka_unit_test(select_stays_within_nfds),
        cmocka_unit_test(as_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
