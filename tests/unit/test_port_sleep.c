/* Sleeping and being woken (port/sleep.h): by time, ports, threads and signal handlers. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/units.h"
#include "port/port.h"
#include "port/sleep.h"

#define LONG_NS (20 * NS_PER_SEC) /* to be slept in no test */

static struct sleeper sleeper;

/* Ports that are pipes. */
struct fake {
    struct port p;
    int fd[2], answer;
    unsigned listened, unlistened;
};

static struct fake *fake_of(struct port *p)
{
    return (struct fake *)(void *)p;
}

static int fake_listen(struct port *p)
{
    struct fake *f = fake_of(p);

    if (f->answer == 0)
        f->listened++;
    return f->answer != 0 ? f->answer : f->fd[0];
}

static void fake_unlisten(struct port *p)
{
    fake_of(p)->unlistened++;
}

static const struct port_ops ops = {.listen = fake_listen, .unlisten = fake_unlisten};

static struct fake new_fake(bool rx_event)
{
    struct fake f = {.p = {.ops = &ops, .caps.rx_event = rx_event}};

    assert_int_equal(pipe2(f.fd, O_NONBLOCK | O_CLOEXEC), 0);
    return f;
}

static void free_fake(struct fake *f)
{
    assert_int_equal(f->listened, f->unlistened);
    close(f->fd[0]);
    close(f->fd[1]);
}

static enum sleep_end do_sleep(struct port *const p[], unsigned n, uint64_t ns)
{
    sleeper_begin(&sleeper);
    return sleeper_sleep(&sleeper, p, n, ns);
}

static void test_time(void **state)
{
    uint64_t before = port_clock_ns();

    (void)state;
    assert_int_equal(do_sleep(NULL, 0, 5 * NS_PER_MS), SLEPT_OUT);
    assert_true(port_clock_ns() - before >= 5 * NS_PER_MS);
}

static void test_ports(void **state)
{
    struct fake a = new_fake(true), b = new_fake(true), mute = new_fake(false);
    struct port *const all[] = {&a.p, &mute.p, &b.p};

    (void)state;
    assert_int_equal(do_sleep(all, 3, NS_PER_MS), SLEPT_OUT);
    assert_int_equal(write(b.fd[1], "x", 1), 1);
    assert_int_equal(do_sleep(all, 3, LONG_NS), SLEPT_EVENT);
    assert_int_equal(mute.listened, 0);
    assert_int_equal(do_sleep(all, 0, NS_PER_MS), SLEPT_OUT); /* a nap hears no port */
    free_fake(&a);
    free_fake(&b);
    free_fake(&mute);
}

/* Frames that are there already; those that listened before must stop. */
static void test_port_is_ready(void **state)
{
    struct fake a = new_fake(true), b = new_fake(true);
    struct port *const all[] = {&a.p, &b.p};

    (void)state;
    b.answer = PORT_READY;
    assert_int_equal(do_sleep(all, 2, LONG_NS), SLEPT_EVENT);
    assert_int_equal(a.unlistened, 1);
    free_fake(&a);
    free_fake(&b);
}

/* Neither a port that cannot listen now nor one that is gone is slept over for long, or spun on. */
static void test_deaf_and_gone(void **state)
{
    struct fake a = new_fake(true);
    struct port *const all[] = {&a.p};
    uint64_t before = port_clock_ns();

    (void)state;
    a.answer = PORT_DEAF;
    assert_int_equal(do_sleep(all, 1, LONG_NS), SLEPT_OUT);
    a.answer = 0;
    close(a.fd[1]);
    a.fd[1] = -1; /* POLLHUP for ever */
    assert_int_equal(do_sleep(all, 1, LONG_NS), SLEPT_OUT);
    assert_true(port_clock_ns() - before >= 2 * NS_PER_MS);
    sleeper_begin(&sleeper);
    sleeper_wake(&sleeper);
    assert_int_equal(sleeper_sleep(&sleeper, all, 1, LONG_NS), SLEPT_CALL);
    free_fake(&a);
}

/* A wake-up before the sleep ends it; one of somebody who is awake leaves nothing behind. */
static void test_wake(void **state)
{
    (void)state;
    sleeper_begin(&sleeper);
    sleeper_wake(&sleeper);
    sleeper_wake(&sleeper);
    assert_int_equal(sleeper_sleep(&sleeper, NULL, 0, LONG_NS), SLEPT_CALL);
    sleeper_wake(&sleeper);
    assert_int_equal(do_sleep(NULL, 0, NS_PER_MS), SLEPT_OUT);
    sleeper_begin(&sleeper);
    sleeper_stay(&sleeper);
    sleeper_wake(&sleeper);
    assert_int_equal(do_sleep(NULL, 0, NS_PER_MS), SLEPT_OUT);
}

static void on_alarm(int number)
{
    (void)number;
    errno = 12345;
    sleeper_wake(&sleeper);
    if (errno != 12345)
        abort();
}

/* A signal handler wakes whomever it interrupted, also between the announcement and the sleep. */
static void test_signal(void **state)
{
    struct sigaction sa = {.sa_handler = on_alarm};

    (void)state;
    sigaction(SIGUSR1, &sa, NULL);
    sleeper_begin(&sleeper);
    raise(SIGUSR1);
    assert_int_equal(sleeper_sleep(&sleeper, NULL, 0, LONG_NS), SLEPT_CALL);
}

#define HANDOVERS 100000u

static struct {
    uint32_t published, seen;
} duel;

static void *publisher(void *arg)
{
    (void)arg;
    for (uint32_t i = 1; i <= HANDOVERS; i++) {
        __atomic_store_n(&duel.published, i, __ATOMIC_RELAXED);
        sleeper_wake(&sleeper);
        while (__atomic_load_n(&duel.seen, __ATOMIC_RELAXED) != i)
            port_pause();
    }
    return NULL;
}

/* Whatever the order of announcing, publishing and looking: nobody sleeps over what was published. */
static void test_nothing_is_slept_over(void **state)
{
    pthread_t t;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, publisher, NULL), 0);
    while (duel.seen != HANDOVERS) {
        if (__atomic_load_n(&duel.published, __ATOMIC_RELAXED) == duel.seen) {
            sleeper_begin(&sleeper);
            if (__atomic_load_n(&duel.published, __ATOMIC_RELAXED) == duel.seen)
                assert_int_not_equal(sleeper_sleep(&sleeper, NULL, 0, LONG_NS), SLEPT_OUT);
            else
                sleeper_stay(&sleeper);
            continue;
        }
        __atomic_store_n(&duel.seen, duel.published, __ATOMIC_RELAXED);
    }
    pthread_join(t, NULL);
}

static int open_sleeper(void **state)
{
    (void)state;
    return sleeper_init(&sleeper);
}

static int close_sleeper(void **state)
{
    (void)state;
    return close(sleeper.fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_sleeper, close_sleeper)
    static const struct CMUnitTest tests[] = {
        TEST(test_time), TEST(test_ports),  TEST(test_port_is_ready),         TEST(test_deaf_and_gone),
        TEST(test_wake), TEST(test_signal), TEST(test_nothing_is_slept_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
