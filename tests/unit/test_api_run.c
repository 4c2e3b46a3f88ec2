/* ff_run, threads, exit and fork: each in a process of its own. */
#include "api_fixture.h"

#include <signal.h>

#include "api/api.h"

/* ff_run ------------------------------------------------------------------------------------------------------- */

static struct {
    int listener, client, server, kq, turns, step;
} run;

/* What F-Stack applications rely on inside the callback. */
static int callback_rules(void *arg)
{
    struct kevent kev;
    struct epoll_event ev;
    char c;

    CHILD_CHECK(arg == &run);
    if (run.turns++ == 0) {
        run.listener = ff_socket(AF_INET, SOCK_STREAM, 0);
        CHILD_CHECK(api_bind(run.listener, 0, 80) == 0 && ff_listen(run.listener, 5) == 0);
        CHILD_CHECK(ff_accept(run.listener, NULL, NULL) == -1 && errno == EAGAIN);
        run.client = ff_socket(AF_INET, SOCK_STREAM, 0);
        CHILD_CHECK(api_connect(run.client, API_ADDR, 80) == -1 && errno == EINPROGRESS);
        run.kq = ff_kqueue();
        EV_SET(&kev, run.listener, EVFILT_READ, EV_ADD, 0, 0, NULL);
        CHILD_CHECK(ff_kevent(run.kq, &kev, 1, NULL, 0, NULL) == 0);
        CHILD_CHECK(z_poll() == -1 && errno == EDEADLK);
        CHILD_CHECK(ff_epoll_wait(ff_epoll_create(1), &ev, 1, -1) == 0);
        CHILD_CHECK(ff_poll(NULL, 0, 10000) == 0);
    }
    switch (run.step) {
    case 0:
        if (ff_kevent(run.kq, NULL, 0, &kev, 1, NULL) == 0) /* returns at once */
            break;
        CHILD_CHECK((int)kev.ident == run.listener && kev.filter == EVFILT_READ);
        run.server = ff_accept(run.listener, NULL, NULL);
        CHILD_CHECK(run.server >= 0);
        CHILD_CHECK(ff_read(run.server, &c, 1) == -1 && errno == EAGAIN); /* a blocking socket */
        CHILD_CHECK(ff_write(run.client, "x", 1) == 1);
        run.step = 1;
        break;
    case 1:
        if (ff_read(run.server, &c, 1) != 1)
            break;
        CHILD_CHECK(c == 'x');
        run.step = 2;
        ff_stop_run();
    }
    CHILD_CHECK(run.turns < 100000);
    return 0;
}

static void body_callback_rules(void)
{
    char c;

    api_start("");
    ff_run(callback_rules, &run);
    CHILD_CHECK(run.step == 2);
    /* the stack is gone */
    CHILD_CHECK(ff_read(run.server, &c, 1) == -1 && errno == EBADF);
    CHILD_CHECK(ff_socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EBADF);
    CHILD_CHECK(z_poll() == -1 && errno == EBADF);
    CHILD_CHECK(z_alloc(1) == NULL || 1);
    ff_run(callback_rules, &run); /* returns */
}

static void test_callback_rules(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_callback_rules), 0);
}

static int callback_waits(void *arg)
{
    uint64_t t0 = api_now_ms();

    (void)arg;
    CHILD_CHECK(ff_poll(NULL, 0, 30) == 0);
    CHILD_CHECK(api_now_ms() - t0 >= 29);
    ff_stop_run();
    return 0;
}

static unsigned released;

static void count_release(void *arg, unsigned flags)
{
    (void)flags;
    released++;
    z_free(arg); /* a callback may let go of more */
}

static int stop_at_once(void *arg)
{
    (void)arg;
    ff_stop_run();
    return 0;
}

/* Memory that the application still held when ff_run returned comes back when it lets go. */
static void body_release_after_the_end(void)
{
    static char memory[2][100];
    struct z_buf *a, *b;

    api_start("");
    b = z_wrap(memory[1], sizeof(memory[1]), count_release, NULL);
    a = z_wrap(memory[0], sizeof(memory[0]), count_release, b);
    CHILD_CHECK(a != NULL && b != NULL);
    ff_run(stop_at_once, NULL);
    CHILD_CHECK(released == 0);
    z_free(a);
    CHILD_CHECK(released == 2);
}

static void test_release_after_the_end(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_release_after_the_end), 0);
}

static void body_wait_in_run(void)
{
    api_start("wait_in_run=1");
    ff_run(callback_waits, NULL);
}

static void test_wait_in_run(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_wait_in_run), 0);
}

/* The paper's two listings, as printed but for the names around them. */
#define N_EVENTS 16

static int kq, sockfd;
static struct kevent events[N_EVENTS];

static int listing_loop(void *arg)
{
    int nevents = ff_kevent(kq, NULL, 0, events, N_EVENTS, NULL);

    (void)arg;
    for (int i = 0; i < nevents; i++) {
        struct kevent event = events[i];
        int clientfd = (int)event.ident;

        if (clientfd == sockfd) {
            int nclientfd = ff_accept(clientfd, NULL, NULL);
            struct kevent kev;

            EV_SET(&kev, nclientfd, EVFILT_READ, EV_ADD, 0, 0, NULL);
            CHILD_CHECK(ff_kevent(kq, &kev, 1, NULL, 0, NULL) == 0);
        } else if (event.flags & EV_EOF) {
            ff_close(clientfd);
            ff_stop_run();
        } else if (event.filter == EVFILT_READ) {
            void *mb;
            ssize_t readlen = z_read(clientfd, &mb, 4096);
            if (readlen > 0) {
                char *data = ff_mbuf_mtod(mb);
                struct rte_mempool *pool;
                struct rte_mbuf *rte_mb;

                CHILD_CHECK(memcmp(data, "request", 7) == 0);
                ff_mbuf_free(mb);

                pool = pktmbuf_pool[lcore_conf.socket_id];
                rte_mb = rte_pktmbuf_alloc(pool);
                data = rte_pktmbuf_mtod(rte_mb, char *);
                memcpy(data, "response", 8);
                rte_mb->data_len = 8;
                rte_mb->pkt_len = 8;
                mb = ff_mbuf_get(NULL, rte_mb, data, rte_mb->data_len);
                CHILD_CHECK(z_write(clientfd, mb, rte_mb->data_len) == 8);
            }
        }
    }
    return 0;
}

static void *thread_requests(void *arg)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);
    char buf[8];

    (void)arg;
    CHILD_CHECK(api_connect(fd, API_ADDR, 80) == 0);
    for (int i = 0; i < 100; i++) {
        CHILD_CHECK(ff_send(fd, "request", 7, MSG_NOSIGNAL) == 7);
        CHILD_CHECK(ff_recv(fd, buf, 8, MSG_WAITALL) == 8 && memcmp(buf, "response", 8) == 0);
    }
    ff_close(fd);
    return NULL;
}

static void body_listings(void)
{
    struct kevent kev;
    pthread_t t;

    api_start("");
    kq = ff_kqueue();
    sockfd = ff_socket(AF_INET, SOCK_STREAM, 0);
    CHILD_CHECK(api_bind(sockfd, 0, 80) == 0 && ff_listen(sockfd, N_EVENTS) == 0);
    EV_SET(&kev, sockfd, EVFILT_READ, EV_ADD, 0, N_EVENTS, NULL);
    CHILD_CHECK(ff_kevent(kq, &kev, 1, NULL, 0, NULL) == 0);
    CHILD_CHECK(ff_pthread_create(&t, NULL, thread_requests, NULL) == 0);
    ff_run(listing_loop, NULL);
    CHILD_CHECK(ff_pthread_join(t, NULL) == 0);
}

static void test_listings(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_listings), 0);
}

/* before ff_init ----------------------------------------------------------------------------------------------- */

static void body_before_init(void)
{
    CHILD_CHECK(ff_socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EBADF);
    CHILD_CHECK(z_poll() == -1 && errno == EBADF);
    CHILD_CHECK(z_alloc(1) == NULL && errno == EBADF);
    CHILD_CHECK(ff_fdisused(3) == 0);
    z_free(NULL);
    ff_stop_run();
}

static void test_before_init(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_before_init), 0);
}

static void body_no_config(void)
{
    char *argv[] = {(char *)"x", (char *)"--conf=/nonexistent/zstack.ini", NULL};

    ff_init(2, argv);
    _exit(99);
}

static void body_secondary(void)
{
    char name[] = "/tmp/zstack_test_api_XXXXXX", *argv[] = {(char *)"x", (char *)"-c", name, (char *)"-t", (char *)"secondary", NULL};
    int fd = mkstemp(name);
    static const char text[] = "[dpdk]\nlcore_mask=1\nport_list=0\n[port0]\naddr=10.0.0.1\nnetmask=255.255.255.0\n";

    CHILD_CHECK(write(fd, text, sizeof(text) - 1) == sizeof(text) - 1);
    atexit(body_before_init); /* exit handlers run without harm */
    ff_init(5, argv);
    _exit(99);
}

static void test_bad_start(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_no_config), 1);
    assert_int_equal(api_in_child(body_secondary), 1);
}

/* threads ------------------------------------------------------------------------------------------------------ */

#define THREAD_BYTES 200000

/* A client with blocking sockets on a thread that does not own the stack. */
static void *thread_client(void *arg)
{
    uint16_t port = (uint16_t)(uintptr_t)arg;
    char *out = malloc(THREAD_BYTES), *in = malloc(THREAD_BYTES);
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);
    struct timeval tv = {0, 30000};
    struct z_buf *b;
    uint64_t t0;
    size_t sent = 0;
    void *mb;

    for (unsigned i = 0; i < THREAD_BYTES; i++)
        out[i] = (char)(i * 31 + port);
    CHILD_CHECK(fd >= 0);
    CHILD_CHECK(z_poll() == -1 && errno == EPERM);
    CHILD_CHECK(api_connect(fd, API_ADDR, port) == 0);
    CHILD_CHECK(ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    t0 = api_now_ms();
    CHILD_CHECK(ff_read(fd, in, 1) == -1 && errno == EAGAIN);
    CHILD_CHECK(api_now_ms() - t0 >= 29);
    tv.tv_sec = 10;
    CHILD_CHECK(ff_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
    for (sent = 0; sent < THREAD_BYTES / 2; sent += 1000) {
        b = z_alloc(1000);
        CHILD_CHECK(b != NULL);
        memcpy(z_data(b), out + sent, 1000);
        CHILD_CHECK(z_write(fd, b, 1000) == 1000);
        CHILD_CHECK(ff_recv(fd, in + sent, 1000, MSG_WAITALL) == 1000);
    }
    CHILD_CHECK(ff_write(fd, out + sent, THREAD_BYTES - sent) == (ssize_t)(THREAD_BYTES - sent));
    while (sent < THREAD_BYTES) {
        ssize_t n = z_read(fd, &mb, 5000);

        CHILD_CHECK(n > 0);
        memcpy(in + sent, z_data(mb), (size_t)n);
        z_free(mb);
        sent += (size_t)n;
    }
    CHILD_CHECK(memcmp(in, out, THREAD_BYTES) == 0);
    free(out);
    free(in);
    CHILD_CHECK(ff_close(fd) == 0);
    return NULL;
}

/* An echo server in the callback. */
static int callback_echo(void *arg)
{
    static int clients[64], n;
    int fd;

    (void)arg;
    while (n < 64 && (fd = ff_accept(run.listener, NULL, NULL)) >= 0)
        clients[n++] = fd;
    for (int i = 0; i < n; i++) {
        void *b;
        ssize_t len;

        if (clients[i] < 0)
            continue;
        while ((len = z_read(clients[i], &b, 65280)) > 0)
            CHILD_CHECK(z_write(clients[i], b, (size_t)len) == len);
        if (len == 0) {
            ff_close(clients[i]);
            clients[i] = -1;
            if (++run.step == 4)
                ff_stop_run();
        }
    }
    return 0;
}

static void body_threads(void)
{
    pthread_t t[4];

    api_start("loan_quota=64M");
    run.listener = ff_socket(AF_INET, SOCK_STREAM, 0);
    CHILD_CHECK(api_bind(run.listener, 0, 7) == 0 && ff_listen(run.listener, 64) == 0);
    api_nonblock(run.listener, 1);
    for (unsigned i = 0; i < 4; i++)
        CHILD_CHECK(ff_pthread_create(&t[i], NULL, thread_client, (void *)7) == 0);
    ff_run(callback_echo, NULL);
    CHILD_CHECK(run.step == 4);
    CHILD_CHECK(api.core[0]->stack->ctr.v[CTR_MAILBOX_CALLS] > 4 * 300);
    for (unsigned i = 0; i < 4; i++)
        CHILD_CHECK(ff_pthread_join(t[i], NULL) == 0);
}

static void test_threads(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_threads), 0);
}

static void *thread_blocked(void *arg)
{
    char c;

    (void)arg;
    CHILD_CHECK(ff_read(run.server, &c, 1) == 1 && c == 'y');
    return NULL;
}

/* A call of another thread that waits does not stop the owner; ff_pthread_join polls meanwhile. */
static void body_blocked_thread(void)
{
    pthread_t t;
    int p[2];

    api_start("");
    api_pair(p);
    run.server = p[0];
    CHILD_CHECK(ff_pthread_create(&t, NULL, thread_blocked, NULL) == 0);
    CHILD_CHECK(ff_poll(NULL, 0, 50) == 0);
    CHILD_CHECK(pthread_tryjoin_np(t, NULL) == EBUSY);
    CHILD_CHECK(ff_write(p[1], "y", 1) == 1);
    CHILD_CHECK(ff_pthread_join(t, NULL) == 0);
}

static void test_blocked_thread(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_blocked_thread), 0);
}

#define CROWD 300 /* more than the mailbox has slots */

static void *thread_crowd(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        int fd = ff_socket(AF_INET, SOCK_DGRAM, 0);

        CHILD_CHECK(fd >= 0);
        CHILD_CHECK(ff_poll(NULL, 0, 1) == 0);
        CHILD_CHECK(ff_close(fd) == 0);
    }
    return NULL;
}

static void body_crowd(void)
{
    static pthread_t t[CROWD];
    pthread_attr_t attr;

    api_start("");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    for (unsigned i = 0; i < CROWD; i++)
        CHILD_CHECK(pthread_create(&t[i], &attr, thread_crowd, NULL) == 0);
    for (unsigned i = 0; i < CROWD; i++)
        CHILD_CHECK(ff_pthread_join(t[i], NULL) == 0);
    CHILD_CHECK(api.core[0]->stack->ctr.v[CTR_MAILBOX_CALLS] == CROWD * 15);
    CHILD_CHECK(api.core[0]->stack->ctr.v[CTR_SOCKS] == 0);
}

static void test_crowd(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_crowd), 0);
}

static void *thread_stopper(void *arg)
{
    (void)arg;
    usleep(30000);
    ff_stop_run();
    return NULL;
}

/* Waits end with EINTR, on the owner's thread and on others. */
static void body_stop_ends_waits(void)
{
    pthread_t t;
    int p[2];
    char c;

    api_start("");
    api_pair(p);
    CHILD_CHECK(pthread_create(&t, NULL, thread_stopper, NULL) == 0);
    CHILD_CHECK(ff_read(p[0], &c, 1) == -1 && errno == EINTR);
    CHILD_CHECK(ff_poll(NULL, 0, -1) == -1 && errno == EINTR);
    CHILD_CHECK(ff_poll(NULL, 0, 0) == 0);
    CHILD_CHECK(pthread_join(t, NULL) == 0);
}

static void test_stop_ends_waits(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_stop_ends_waits), 0);
}

/* poll_thread=1 ------------------------------------------------------------------------------------------------ */

static void body_poll_thread(void)
{
    int p[2];
    char buf[64];

    api_start("poll_thread=1");
    CHILD_CHECK(z_poll() == 0);
    api_pair(p); /* blocking calls, and nobody else polls */
    CHILD_CHECK(ff_write(p[0], "hello", 5) == 5);
    CHILD_CHECK(ff_recv(p[1], buf, 5, MSG_WAITALL) == 5 && memcmp(buf, "hello", 5) == 0);
    CHILD_CHECK(ff_poll(NULL, 0, 20) == 0);
}

static int callback_once(void *arg)
{
    (void)arg;
    CHILD_CHECK(z_poll() == -1 && errno == EDEADLK); /* the owner now */
    ff_stop_run();
    return 0;
}

static void body_poll_thread_run(void)
{
    api_start("poll_thread=1");
    ff_run(callback_once, NULL);
    CHILD_CHECK(z_poll() == -1 && errno == EBADF);
}

static void test_poll_thread(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_poll_thread), 0);
    assert_int_equal(api_in_child(body_poll_thread_run), 0);
}

/* exit --------------------------------------------------------------------------------------------------------- */

static int release_pipe[2];

static void on_release(void *arg, unsigned flags)
{
    char c = (char)('0' + flags);

    (void)arg;
    CHILD_CHECK(write(release_pipe[1], &c, 1) == 1);
}

/* What was written before exit is delivered and acknowledged: the release callback says so. */
static void body_exit_drains(void)
{
    static char data[100000];
    struct z_buf *b;
    int p[2];

    api_start("exit_drain_ms=2000");
    api_pair(p);
    b = z_wrap(data, sizeof(data), on_release, NULL);
    CHILD_CHECK(z_write(p[0], b, sizeof(data)) == sizeof(data));
    exit(7);
}

/* The peer does not take it: exit gives up, and the memory still comes back. */
static void body_exit_gives_up(void)
{
    static char data[3000000];
    int p[2], size = 8192;
    struct z_buf *b;

    api_start("exit_drain_ms=100\nrcvbuf_auto=0\nrcvbuf=8192");
    api_pair(p);
    CHILD_CHECK(ff_setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
    b = z_wrap(data, sizeof(data), on_release, NULL);
    CHILD_CHECK(z_write(p[0], b, sizeof(data)) == sizeof(data));
    exit(8);
}

static void test_exit(void **state)
{
    uint64_t t0;
    char c = 0;

    (void)state;
    assert_int_equal(pipe(release_pipe), 0);
    assert_int_equal(fcntl(release_pipe[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(api_in_child(body_exit_drains), 7);
    assert_int_equal(read(release_pipe[0], &c, 1), 1);
    assert_int_equal(c, '0' + Z_REL_ACKED);
    assert_int_equal(read(release_pipe[0], &c, 1), -1);

    t0 = api_now_ms();
    assert_int_equal(api_in_child(body_exit_gives_up), 8);
    assert_in_range(api_now_ms() - t0, 100, 5000);
    assert_int_equal(read(release_pipe[0], &c, 1), 1);
    assert_int_equal(c, '0' + Z_REL_ABORTED);
    assert_int_equal(read(release_pipe[0], &c, 1), -1);
}

static void *thread_exit(void *arg)
{
    (void)arg;
    usleep(20000);
    exit(9);
}

static int callback_idle(void *arg)
{
    (void)arg;
    return 0;
}

/* exit on another thread while ff_run polls */
static void body_exit_elsewhere(void)
{
    static char data[100000];
    pthread_t t;
    int p[2];

    api_start("exit_drain_ms=2000");
    api_pair(p);
    CHILD_CHECK(z_write(p[0], z_wrap(data, sizeof(data), on_release, NULL), sizeof(data)) == sizeof(data));
    CHILD_CHECK(pthread_create(&t, NULL, thread_exit, NULL) == 0);
    ff_run(callback_idle, NULL);
    pause();
}

static void test_exit_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_exit_elsewhere), 9);
}

static int callback_exit(void *arg)
{
    (void)arg;
    exit(11);
}

static void body_exit_in_callback(void)
{
    api_start("");
    ff_run(callback_exit, NULL);
}

static void test_exit_in_callback(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_exit_in_callback), 11);
}

/* fork --------------------------------------------------------------------------------------------------------- */

static int fork_pair[2];
static struct z_buf *fork_buf;

static void body_forked(void)
{
    struct pollfd pfd = {.fd = fork_pair[0], .events = POLLIN};
    uint32_t refs = pkt_meta((struct rte_mbuf *)fork_buf)->extra_refs;
    char c;

    CHILD_CHECK(ff_read(fork_pair[0], &c, 1) == -1 && errno == EBADF);
    CHILD_CHECK(ff_write(fork_pair[0], "c", 1) == -1 && errno == EBADF);
    CHILD_CHECK(ff_close(fork_pair[0]) == -1 && errno == EBADF);
    CHILD_CHECK(ff_poll(&pfd, 1, 0) == -1 && errno == EBADF);
    CHILD_CHECK(ff_socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EBADF);
    CHILD_CHECK(z_poll() == -1 && errno == EBADF);
    CHILD_CHECK(z_write(fork_pair[0], fork_buf, 100) == -1 && errno == EBADF);
    CHILD_CHECK(z_alloc(10) == NULL && errno == EBADF);
    CHILD_CHECK(z_ref(fork_buf) == NULL && errno == EBADF);
    CHILD_CHECK(z_trim(fork_buf, 1) == -1 && errno == EBADF);
    CHILD_CHECK(z_append(fork_buf, 1) == NULL && errno == EBADF);
    z_free(fork_buf);
    ff_run(callback_exit, NULL);
    CHILD_CHECK(pkt_meta((struct rte_mbuf *)fork_buf)->extra_refs == refs && z_len(fork_buf) == 100);
    exit(12); /* its handlers must not drain the parent's connections */
}

static void body_fork(void)
{
    char c;

    api_start("");
    api_pair(fork_pair);
    fork_buf = z_alloc(100);
    CHILD_CHECK(api_in_child(body_forked) == 12);
    /* the parent's connection is as it was */
    CHILD_CHECK(ff_write(fork_pair[0], "p", 1) == 1);
    CHILD_CHECK(ff_read(fork_pair[1], &c, 1) == 1 && c == 'p');
    z_free(fork_buf);
}

static void test_fork(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_fork), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_release_after_the_end),
        cmocka_unit_test(test_callback_rules),
        cmocka_unit_test(test_listings),
        cmocka_unit_test(test_wait_in_run),
        cmocka_unit_test(test_before_init),
        cmocka_unit_test(test_bad_start),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_blocked_thread),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_stop_ends_waits),
        cmocka_unit_test(test_poll_thread),
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_exit_elsewhere),
        cmocka_unit_test(test_exit_in_callback),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests_name("api_run", tests, NULL, NULL);
}
