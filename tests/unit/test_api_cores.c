/* thread_mode: two stacks in a process, each with a thread of its own; what descriptors, calls and buffers do between them. */
#include "api_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "api/api.h"
#include "sock/fdtab.h"

/* What the threads of a test tell each other. */
static struct {
    int fd[2], pair[2][2], kq[2], ep[2];
    int arrived;        /* atomic: barrier */
    struct z_buf *lent; /* atomic: by core 1 */
    unsigned loops[2];
} shared;

static __thread int me = -1, step;

/* Has everybody come so far? Asked once a turn: nobody may wait inside a callback. */
static bool all_here(int n)
{
    return __atomic_load_n(&shared.arrived, __ATOMIC_ACQUIRE) >= 2 * n;
}

static void arrive(void)
{
    __atomic_fetch_add(&shared.arrived, 1, __ATOMIC_ACQ_REL);
    step++;
}

static void first_turn(void)
{
    int fd = ff_socket(AF_INET, SOCK_STREAM, 0);

    CHILD_CHECK(fd >= 1024);
    me = (fd - 1024) % 2;
    CHILD_CHECK(api_here->stack->index == me);
    shared.fd[me] = fd;
    shared.kq[me] = ff_kqueue();
    shared.ep[me] = ff_epoll_create(1);
    CHILD_CHECK(shared.kq[me] % 2 == fd % 2 && shared.ep[me] % 2 == fd % 2);
    CHILD_CHECK(api_bind(fd, 0, (uint16_t)(80 + me)) == 0 && ff_listen(fd, 5) == 0);
}

static void others_descriptors(void)
{
    int other = shared.fd[!me], own = shared.fd[me];
    struct sockaddr_in name = {0};
    socklen_t len = sizeof(name);
    struct epoll_event ev = {.events = EPOLLIN};
    struct pollfd p[2] = {{.fd = other, .events = POLLIN}, {.fd = own, .events = POLLIN}};
    struct kevent change, event;
    int fd;

    CHILD_CHECK(ff_fdisused(other) == 1 && ff_fdisused(other + 200) == 0);
    CHILD_CHECK(ff_getsockname(other, (struct linux_sockaddr *)&name, &len) == 0);
    CHILD_CHECK(ntohs(name.sin_port) == 80 + !me);
    /* inside a callback nothing waits, wherever the descriptor is */
    CHILD_CHECK(ff_accept(other, NULL, NULL) == -1 && errno == EAGAIN);
    CHILD_CHECK(ff_epoll_wait(shared.ep[!me], &ev, 1, -1) == 0);
    /* a descriptor can be doubled there, but not here */
    fd = ff_dup(other);
    CHILD_CHECK(fd >= 0 && fd % 2 == other % 2 && ff_close(fd) == 0);
    CHILD_CHECK(ff_dup2(own, other) == -1 && errno == EBADF);
    CHILD_CHECK(ff_dup2(other, own) == -1 && errno == EBADF);
    /* sets hold descriptors of their own stack */
    ev = (struct epoll_event){.events = EPOLLIN};
    CHILD_CHECK(ff_epoll_ctl(shared.ep[me], EPOLL_CTL_ADD, other, &ev) == -1 && errno == EBADF);
    CHILD_CHECK(ff_epoll_ctl(shared.ep[!me], EPOLL_CTL_ADD, other, &ev) == 0);
    CHILD_CHECK(ff_epoll_ctl(shared.ep[!me], EPOLL_CTL_DEL, other, NULL) == 0);
    EV_SET(&change, other, EVFILT_READ, EV_ADD, 0, 0, NULL);
    CHILD_CHECK(ff_kevent(shared.kq[me], &change, 1, NULL, 0, NULL) == -1 && errno == EBADF);
    CHILD_CHECK(ff_kevent(shared.kq[me], &change, 1, &event, 1, NULL) == 1 && (event.flags & EV_ERROR) != 0 && event.data == EBADF);
    /* poll looks at the stack of the first descriptor */
    CHILD_CHECK(ff_poll(p, 2, 0) == 1 && p[0].revents == 0 && p[1].revents == POLLNVAL);
    CHILD_CHECK(ff_poll(p + 1, 1, 0) == 0);
}

/* A connection of this stack with itself. */
static bool connected(void)
{
    int *p = shared.pair[me];

    if (p[0] == 0) {
        p[0] = ff_socket(AF_INET, SOCK_STREAM, 0);
        CHILD_CHECK(api_connect(p[0], API_ADDR, (uint16_t)(80 + me)) == -1 && errno == EINPROGRESS);
    }
    if (p[1] == 0) {
        p[1] = ff_accept(shared.fd[me], NULL, NULL);
        if (p[1] < 0)
            p[1] = 0;
    }
    return p[1] != 0;
}

static bool lend(void)
{
    void *b;
    ssize_t n = z_read(shared.pair[1][1], &b, 1000);

    if (n < 0)
        return false;
    CHILD_CHECK(n == 100);
    CHILD_CHECK(api_here->stack->tcp.loan_bytes > 0);
    __atomic_store_n(&shared.lent, b, __ATOMIC_RELEASE);
    return true;
}

/* Core 0 uses what core 1 has read: it frees it, or sends it on a connection of its own. */
static void use_lent(bool send)
{
    struct z_buf *b = __atomic_load_n(&shared.lent, __ATOMIC_ACQUIRE);

    if (send)
        CHILD_CHECK(z_write(shared.pair[0][0], b, 100) == 100);
    else
        z_free(b);
    shared.lent = NULL;
}

static bool receive_lent(void)
{
    char buf[200];
    ssize_t n = ff_read(shared.pair[0][1], buf, sizeof(buf));

    CHILD_CHECK(n == 100 || errno == EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        CHILD_CHECK(buf[i] == 'q');
    return n > 0;
}

static int two_cores(void *arg)
{
    char q[100];

    CHILD_CHECK(arg == &shared);
    switch (step) {
    case 0:
        first_turn();
        arrive();
        break;
    case 1:
        if (!all_here(1))
            break;
        others_descriptors();
        arrive();
        break;
    case 2:
        if (!all_here(2) || !connected())
            break;
        memset(q, 'q', sizeof(q));
        if (me == 1)
            CHILD_CHECK(ff_write(shared.pair[1][0], q, sizeof(q)) == sizeof(q));
        arrive();
        break;
    case 3:
    case 5: /* core 1 reads, then core 0 has the buffer */
        if (me == 1 && lend())
            arrive();
        if (me == 0 && __atomic_load_n(&shared.lent, __ATOMIC_ACQUIRE) != NULL) {
            use_lent(step == 5);
            arrive();
        }
        break;
    case 4:
        if (!all_here(4))
            break;
        if (me == 1) {
            if (api_here->stack->tcp.loan_bytes != 0) /* it comes back with a turn */
                break;
            memset(q, 'q', sizeof(q));
            CHILD_CHECK(ff_write(shared.pair[1][0], q, sizeof(q)) == sizeof(q));
        }
        arrive();
        break;
    case 6:
        if (!all_here(6) || (me == 0 && !receive_lent()))
            break;
        CHILD_CHECK(api_here->stack->tcp.loan_bytes == 0);
        arrive();
        break;
    default:
        if (all_here(7))
            ff_stop_run();
    }
    return 0;
}

static void body_two_cores(void)
{
    char c;

    api_start_with(API_TWO_CORES, "");
    CHILD_CHECK(api.n_cores == 2);
    ff_run(two_cores, &shared);
    CHILD_CHECK(all_here(7) && api_get_state() == API_STOPPED);
    CHILD_CHECK(ff_read(shared.fd[0], &c, 1) == -1 && errno == EBADF);
    CHILD_CHECK(ff_read(shared.fd[1], &c, 1) == -1 && errno == EBADF);
    for (int i = 0; i < 2; i++)
        CHILD_CHECK(api.core[i]->stack->ctr.v[CTR_SOCKS] == 0 && stack_loan_bytes(api.core[i]->stack) == 0);
}

static void test_two_cores(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_two_cores), 0);
}

/* Before ff_run the thread of ff_init has the first stack; a thread that owns none uses the first as well. */
static void *stranger(void *arg)
{
    int fd = ff_socket(AF_INET, SOCK_DGRAM, 0);

    (void)arg;
    CHILD_CHECK(fd >= 0 && fd % 2 == 0);
    CHILD_CHECK(ff_fdisused(shared.fd[1]) == 1);
    CHILD_CHECK(ff_close(shared.fd[1]) == 0 && ff_close(fd) == 0);
    ff_stop_run();
    return NULL;
}

static int waits_for_a_stranger(void *arg)
{
    static pthread_t t;

    (void)arg;
    if (step++ == 0) {
        first_turn();
        if (me == 1)
            CHILD_CHECK(ff_pthread_create(&t, NULL, stranger, NULL) == 0);
    }
    shared.loops[me]++;
    return 0;
}

static void body_strangers(void)
{
    int fd;

    api_start_with(API_TWO_CORES, "");
    fd = ff_socket(AF_INET, SOCK_DGRAM, 0);
    CHILD_CHECK(fd == 1024 && ff_close(fd) == 0);
    ff_run(waits_for_a_stranger, NULL);
    CHILD_CHECK(shared.loops[0] > 0 && shared.loops[1] > 0);
}

static void test_strangers(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_strangers), 0);
}

static int stops(void *arg)
{
    (void)arg;
    if (step++ == 0)
        first_turn();
    shared.loops[me]++;
    if (__atomic_load_n(&shared.loops[0], __ATOMIC_RELAXED) > 10 && __atomic_load_n(&shared.loops[1], __ATOMIC_RELAXED) > 10)
        ff_stop_run();
    return 0;
}

/* With threads of the library both stacks live at once; ff_run takes both over. */
static void body_background(void)
{
    int pair[2];

    api_start_with(API_TWO_CORES, "poll_thread=1");
    CHILD_CHECK(!api_is_owner());
    api_pair(pair);
    CHILD_CHECK(pair[0] % 2 == 0);
    CHILD_CHECK(ff_write(pair[0], "x", 1) == 1);
    CHILD_CHECK(z_poll() == 0);
    ff_run(stops, NULL);
    CHILD_CHECK(shared.loops[0] > 10 && shared.loops[1] > 10);
}

static void test_background(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_background), 0);
}

static int exits(void *arg)
{
    (void)arg;
    if (step++ == 0)
        first_turn();
    if (me == 1 && step > 100)
        exit(7);
    return 0;
}

/* exit() on the thread of one core: both stacks end in order. */
static void body_exit(void)
{
    api_start_with(API_TWO_CORES, "");
    ff_run(exits, NULL);
    _exit(99);
}

static void test_exit(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_exit), 7);
}

static int prints(void *arg)
{
    struct ff_traffic_args t;
    char *text = NULL;
    size_t n;
    FILE *f;

    (void)arg;
    if (step++ == 0)
        first_turn();
    if (me == 0 && step > 10) {
        f = open_memstream(&text, &n);
        z_print_counters(f);
        fclose(f);
        CHILD_CHECK(strstr(text, "total") != NULL && strstr(text, "core 0") != NULL && strstr(text, "core 1") != NULL);
        free(text);
        ff_get_traffic(&t);
        CHILD_CHECK(t.tx_packets > 0); /* the announcement of the address */
        ff_stop_run();
    }
    return 0;
}

static void body_counters(void)
{
    api_start_with(API_TWO_CORES, "");
    ff_run(prints, NULL);
}

static void test_counters(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_counters), 0);
}

/* Frames of the test are for the stack that their first byte names: both cores send to both, on a device whose frames come back. */
static int by_first_byte(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues)
{
    const uint8_t *f = data;

    CHILD_CHECK(*len >= 14 && nb_queues == 2 && queue_id < 2);
    return f[12] == 0x88 && f[13] == 0xb5 ? f[14] : queue_id;
}

static int by_first_byte_too(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues, struct ff_dispatcher_context ctx)
{
    CHILD_CHECK(ctx.vlan.stripped == 0);
    return by_first_byte(data, len, queue_id, nb_queues);
}

#define FRAMES 200

static int sends_to_both(void *arg)
{
    uint8_t f[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

    (void)arg;
    if (me < 0)
        first_turn();
    if (me == 1 && step == 0) { /* while the other one polls */
        ff_regist_packet_dispatcher(by_first_byte);
        ff_regist_packet_dispatcher_context(by_first_byte_too);
    }
    for (f[14] = 0; f[14] < 2 && shared.loops[me] < FRAMES; f[14]++)
        CHILD_CHECK(ff_dpdk_raw_packet_send(f, sizeof(f), 0) == 0);
    shared.loops[me]++;
    CHILD_CHECK(api_here->stack->ctr.v[DROP_ETH_DST] <= 2 * FRAMES);
    if (step == 0 && api_here->stack->ctr.v[DROP_ETH_DST] == 2 * FRAMES) /* nobody else has this address */
        arrive();
    if (all_here(1))
        ff_stop_run();
    return 0;
}

static void body_dispatchers(void)
{
    ff_regist_packet_dispatcher(by_first_byte);
    api_start_on("net_ring0", API_TWO_CORES, "");
    ff_run(sends_to_both, NULL);
    CHILD_CHECK(api.core[0]->stack->ctr.v[DROP_ETH_DST] == 2 * FRAMES && api.core[1]->stack->ctr.v[DROP_ETH_DST] == 2 * FRAMES);
    CHILD_CHECK(api.core[0]->stack->ctr.v[CTR_STEER_OUT] + api.core[1]->stack->ctr.v[CTR_STEER_OUT] > 0);
}

static void test_dispatchers(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_dispatchers), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_cores), cmocka_unit_test(test_strangers), cmocka_unit_test(test_background),
        cmocka_unit_test(test_exit),      cmocka_unit_test(test_counters),  cmocka_unit_test(test_dispatchers),
    };

    if (!api_has_two_cpus()) {
        printf("skipped: the cores 0 and 1 are not this process's\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
