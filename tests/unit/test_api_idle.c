/*
 * What a loop that sleeps must not sleep over, each in a process of its own. The sleeps here are a second long (idle_sleep): whoever waits
 * for one to end by itself is late. The limits leave room for a machine that is busy with other things; where a timer of the stack might
 * end a sleep before it, the counter of who did decides.
 */
#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>

#include "api/api.h"

#define SLEEPY "\n[dpdk]\nidle_sleep=1000000\n"
#define SLEEP_MS 1000
#define SOON_MS 900
#define CALLS 20

static struct {
    int fd[2], kq, turns;
    struct z_buf *loan;
    uint64_t since_ms, woken, naps;
} run;

static uint64_t counted(enum ctr c)
{
    return __atomic_load_n(&api.core[0]->stack->ctr.v[c], __ATOMIC_RELAXED);
}

/* Until the owner sleeps. */
static void wait_asleep(void)
{
    while (__atomic_load_n(&api.core[0]->sleeper.asleep, __ATOMIC_RELAXED) == 0)
        usleep(100);
    usleep(10000);
}

/* Before something that must wake the owner, and after it. */
static void expect_wake(void)
{
    wait_asleep();
    run.since_ms = api_now_ms();
    run.woken = counted(CTR_WOKEN_CALL);
}

static bool was_woken(void)
{
    return counted(CTR_WOKEN_CALL) > run.woken && api_now_ms() - run.since_ms < SOON_MS;
}

static int callback(void *arg)
{
    (void)arg;
    __atomic_store_n(&run.turns, run.turns + 1, __ATOMIC_RELAXED);
    return 0;
}

/* Calls of other threads: each would be answered a second later. */
static void *caller(void *arg)
{
    uint64_t t0 = api_now_ms();

    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        int fd;

        wait_asleep();
        fd = ff_socket(AF_INET, SOCK_DGRAM, 0);
        CHILD_CHECK(fd >= 0 && ff_close(fd) == 0);
    }
    CHILD_CHECK(api_now_ms() - t0 < CALLS * SLEEP_MS / 2);
    expect_wake();
    ff_stop_run();
    return NULL;
}

static void body_calls(void)
{
    pthread_t t;

    api_start(SLEEPY);
    CHILD_CHECK(ff_pthread_create(&t, NULL, caller, NULL) == 0);
    ff_run(callback, NULL);
    CHILD_CHECK(was_woken());
    CHILD_CHECK(ff_pthread_join(t, NULL) == 0);
    CHILD_CHECK(counted(CTR_NAPS) > 0 && counted(CTR_ASLEEP_NS) > 10 * NS_PER_MS);
    CHILD_CHECK(counted(CTR_WAITS) == 0); /* the device has no receive event */
}

static void test_calls_of_other_threads(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_calls), 0);
}

/* A call that waits in the mailbox: its own time is up before the owner's sleep is. */
static void *waiter(void *arg)
{
    uint64_t t0 = api_now_ms();

    (void)arg;
    for (int i = 0; i < CALLS; i++) {
        wait_asleep();
        CHILD_CHECK(ff_poll(NULL, 0, 10) == 0);
    }
    CHILD_CHECK(api_now_ms() - t0 >= CALLS * 10 && api_now_ms() - t0 < CALLS * SLEEP_MS / 2);
    ff_stop_run();
    return NULL;
}

static void body_waiting_calls(void)
{
    pthread_t t;

    api_start(SLEEPY);
    CHILD_CHECK(ff_pthread_create(&t, NULL, waiter, NULL) == 0);
    ff_run(NULL, NULL);
    CHILD_CHECK(ff_pthread_join(t, NULL) == 0);
}

static void test_waiting_calls(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_waiting_calls), 0);
}

/* A loan that another thread lets go of. */
static void *returner(void *arg)
{
    (void)arg;
    expect_wake();
    z_free(run.loan);
    while (counted(CTR_LOANS) != 0)
        usleep(1000);
    CHILD_CHECK(was_woken());
    ff_stop_run();
    return NULL;
}

static void body_returned_loan(void)
{
    pthread_t t;
    void *b;

    api_start(SLEEPY);
    api_pair(run.fd);
    CHILD_CHECK(ff_write(run.fd[0], "x", 1) == 1 && z_read(run.fd[1], &b, 1) == 1);
    run.loan = b;
    CHILD_CHECK(counted(CTR_LOANS) == 1);
    CHILD_CHECK(ff_pthread_create(&t, NULL, returner, NULL) == 0);
    ff_run(callback, NULL);
    CHILD_CHECK(ff_pthread_join(t, NULL) == 0);
}

static void test_returned_loan(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_returned_loan), 0);
}

static void on_signal(int number)
{
    (void)number;
    run.since_ms = api_now_ms();
    ff_stop_run();
}

static void *signaller(void *arg)
{
    wait_asleep();
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void body_signal(void)
{
    pthread_t t, me = pthread_self();
    struct sigaction sa = {.sa_handler = on_signal};

    api_start(SLEEPY);
    sigaction(SIGUSR1, &sa, NULL);
    CHILD_CHECK(pthread_create(&t, NULL, signaller, &me) == 0);
    ff_run(callback, NULL);
    CHILD_CHECK(api_now_ms() - run.since_ms < SOON_MS);
    pthread_join(t, NULL);
}

static void test_signal_handler_stops(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_signal), 0);
}

static void *stopper(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&run.turns, __ATOMIC_RELAXED) == 0)
        usleep(1000);
    CHILD_CHECK(was_woken());
    ff_stop_run();
    return NULL;
}

/* The background thread of poll_thread=1, asleep: calls, and the thread that takes over from it. */
static void body_poll_thread(void)
{
    pthread_t t;
    uint64_t t0;

    api_start("poll_thread=1" SLEEPY);
    wait_asleep();
    t0 = api_now_ms();
    for (int i = 0; i < CALLS; i++)
        CHILD_CHECK(ff_close(ff_socket(AF_INET, SOCK_DGRAM, 0)) == 0);
    CHILD_CHECK(api_now_ms() - t0 < CALLS * SLEEP_MS / 2);
    expect_wake();
    CHILD_CHECK(pthread_create(&t, NULL, stopper, NULL) == 0);
    ff_run(callback, NULL);
    pthread_join(t, NULL);
}

static void test_poll_thread(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_poll_thread), 0);
}

/* time ---------------------------------------------------------------------------------------------------------- */

static void set_timer(void)
{
    struct kevent kev;

    EV_SET(&kev, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 20, NULL);
    CHILD_CHECK(ff_kevent(run.kq, &kev, 1, NULL, 0, NULL) == 0);
}

/* Timeouts of the owner's own waits, and events of timers in the callback, end its sleeps. */
static int timer_callback(void *arg)
{
    struct kevent kev;

    (void)arg;
    if (ff_kevent(run.kq, NULL, 0, &kev, 1, NULL) != 1) {
        run.naps = counted(CTR_NAPS);
        return 0;
    }
    CHILD_CHECK(counted(CTR_NAPS) == run.naps); /* none between the timer and its event */
    if (++run.turns == 10)
        ff_stop_run();
    set_timer();
    return 0;
}

static void body_timers(void)
{
    uint64_t t0;

    api_start(SLEEPY);
    t0 = api_now_ms();
    for (int i = 0; i < 10; i++)
        CHILD_CHECK(ff_poll(NULL, 0, 20) == 0);
    CHILD_CHECK(api_now_ms() - t0 >= 200 && api_now_ms() - t0 < 10 * SLEEP_MS / 2);
    run.kq = ff_kqueue();
    run.naps = counted(CTR_NAPS);
    t0 = api_now_ms();
    set_timer();
    ff_run(timer_callback, NULL);
    CHILD_CHECK(api_now_ms() - t0 >= 195 && api_now_ms() - t0 < 10 * SLEEP_MS / 2);
    CHILD_CHECK(counted(CTR_TIMERS) >= 10 && counted(CTR_NAPS) > 0);
}

static void test_timers(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_timers), 0);
}

/* work of the application --------------------------------------------------------------------------------------- */

/* A callback that has something to do is called again at once: because it says so, because calls had results. */
static int busy_callback(void *arg)
{
    char c;

    if (arg == NULL)
        z_busy();
    else if (ff_read(run.fd[1], &c, 1) != 1)
        ff_stop_run();
    if (++run.turns == 20000)
        ff_stop_run();
    return 0;
}

static void body_busy(void)
{
    uint64_t t0;

    api_start(SLEEPY);
    t0 = api_now_ms();
    ff_run(busy_callback, NULL);
    CHILD_CHECK(api_now_ms() - t0 < 20 * SLEEP_MS);
    CHILD_CHECK(run.turns == 20000 && counted(CTR_NAPS) < 20);
}

static void body_reads(void)
{
    static char data[20];

    api_start("delack_ms=0" SLEEPY);
    api_pair(run.fd);
    api_nonblock(run.fd[1], 1);
    CHILD_CHECK(ff_write(run.fd[0], data, sizeof(data)) == sizeof(data));
    CHILD_CHECK(ff_poll(NULL, 0, 50) == 0); /* all of it is there */
    run.since_ms = api_now_ms();
    ff_run(busy_callback, &run);
    CHILD_CHECK(run.turns == (int)sizeof(data) + 1);
    CHILD_CHECK(api_now_ms() - run.since_ms < sizeof(data) * SLEEP_MS / 2);
}

static void test_the_application_is_busy(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_busy), 0);
    assert_int_equal(api_in_child(body_reads), 0);
}

/* Turns of a fifth of a millisecond, of which every other one says that it had something to do. */
#define SPIN_NS (NS_PER_MS / 5)
#define SPINS 100

static int spin(void *arg)
{
    uint64_t end_ns = port_clock_ns() + SPIN_NS;

    (void)arg;
    while (port_clock_ns() < end_ns)
        ;
    if (++run.turns % 2 == 0)
        z_busy();
    if (run.turns == 2 * SPINS + 1)
        ff_stop_run();
    return 0;
}

/* Timers that run at start make turns busy, too; which bounds hold does not depend on the machine. */
static void body_busy_time(void)
{
    uint64_t begin_ns, turns, ns, port_ns;

    api_start("polling=always\ntime_ports=1");
    turns = counted(CTR_BUSY_TURNS);
    ns = counted(CTR_BUSY_NS);
    port_ns = counted(CTR_BUSY_PORT_NS);
    begin_ns = port_clock_ns();
    ff_run(spin, NULL);
    turns = counted(CTR_BUSY_TURNS) - turns;
    ns = counted(CTR_BUSY_NS) - ns;
    port_ns = counted(CTR_BUSY_PORT_NS) - port_ns;
    CHILD_CHECK(turns >= SPINS && turns <= SPINS + SPINS / 10);
    CHILD_CHECK(ns >= SPINS * SPIN_NS);
    CHILD_CHECK(ns <= port_clock_ns() - begin_ns - (SPINS - SPINS / 10) * SPIN_NS);
    CHILD_CHECK(port_ns > 0 && port_ns < counted(CTR_PORT_NS) && port_ns < ns);
}

static void body_ports_not_timed(void)
{
    api_start("polling=always");
    ff_run(spin, NULL);
    CHILD_CHECK(counted(CTR_PORT_NS) == 0 && counted(CTR_BUSY_PORT_NS) == 0);
}

static void test_busy_time_is_that_of_turns_with_work(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_busy_time), 0);
    assert_int_equal(api_in_child(body_ports_not_timed), 0);
}

static int count_turns(void *arg)
{
    (void)arg;
    if (api_now_ms() - run.since_ms > 300)
        ff_stop_run();
    run.turns++;
    return 0;
}

/* The callback is called in any case, more than ten times in 300 ms. */
static void body_balanced(void)
{
    api_start("");
    run.since_ms = api_now_ms();
    ff_run(count_turns, NULL);
    CHILD_CHECK(run.turns > 10 && counted(CTR_NAPS) > 0 && counted(CTR_NAPS) <= counted(CTR_POLLS));
}

static void body_always(void)
{
    api_start("polling=always");
    run.since_ms = api_now_ms();
    ff_run(count_turns, NULL);
    CHILD_CHECK(counted(CTR_NAPS) + counted(CTR_WAITS) + counted(CTR_ASLEEP_NS) == 0);
}

static void test_keys(void **state)
{
    (void)state;
    assert_int_equal(api_in_child(body_balanced), 0);
    assert_int_equal(api_in_child(body_always), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_of_other_threads),
        cmocka_unit_test(test_waiting_calls),
        cmocka_unit_test(test_returned_loan),
        cmocka_unit_test(test_signal_handler_stops),
        cmocka_unit_test(test_poll_thread),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_the_application_is_busy),
        cmocka_unit_test(test_busy_time_is_that_of_turns_with_work),
        cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
