/*
 * What waking up takes on this machine, without a stack: a program that sleeps in ppoll(2) on an eventfd(2), and another one on a core of
 * its own that writes to it. No first packet after a silence is answered sooner than that.
 *
 * usage: wake SLEEPER_CORE WAKER_CORE SECONDS GAP_MS     prints one line of JSON: from before the write to the first instruction after the
 * sleep, in microseconds
 */
#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ktime.h"

#define WAKES_MAX 20000u

static struct {
    int fd, core;
    unsigned wakes, done;
    uint64_t written_ns;
    double took_us[WAKES_MAX];
} w;

static void run_on(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
        errx(1, "there is no core %d to run on", core);
}

static void *sleeper(void *arg)
{
    (void)arg;
    run_on(w.core);
    while (w.done < w.wakes) {
        struct pollfd p = {.fd = w.fd, .events = POLLIN};
        uint64_t n, now;

        if (ppoll(&p, 1, NULL, NULL) < 0)
            err(1, "ppoll");
        now = now_ns();
        w.took_us[w.done] = (double)(now - __atomic_load_n(&w.written_ns, __ATOMIC_ACQUIRE)) / 1e3;
        if (read(w.fd, &n, sizeof(n)) != sizeof(n))
            err(1, "read");
        __atomic_store_n(&w.done, w.done + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const uint64_t one = 1;
    unsigned long gap_ms = argc == 5 ? strtoul(argv[4], NULL, 10) : 0, seconds = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    pthread_t t;

    if (gap_ms == 0 || gap_ms > 1000 || seconds == 0 || seconds * 1000 / gap_ms > WAKES_MAX || seconds * 1000 < gap_ms)
        errx(1, "usage: wake SLEEPER_CORE WAKER_CORE SECONDS GAP_MS, at most %u wake-ups", WAKES_MAX);
    w.core = atoi(argv[1]);
    w.wakes = (unsigned)(seconds * 1000 / gap_ms);
    w.fd = eventfd(0, 0);
    run_on(atoi(argv[2]));
    if (w.fd < 0 || pthread_create(&t, NULL, sleeper, NULL) != 0)
        err(1, "cannot start");
    for (unsigned i = 0; i < w.wakes; i++) {
        struct timespec gap = {.tv_sec = (time_t)(gap_ms / 1000), .tv_nsec = (long)(gap_ms % 1000) * 1000000};

        nanosleep(&gap, NULL);
        __atomic_store_n(&w.written_ns, now_ns(), __ATOMIC_RELEASE);
        if (write(w.fd, &one, sizeof(one)) != sizeof(one))
            err(1, "write");
        while (__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) != i + 1)
            sched_yield();
    }
    pthread_join(t, NULL);
    qsort(w.took_us, w.wakes, sizeof(w.took_us[0]), compare);
    printf("{\"wakes\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f, \"longest_us\": %.1f}\n", w.wakes, w.took_us[w.wakes / 2],
           w.took_us[(uint64_t)w.wakes * 99 / 100], w.took_us[w.wakes - 1]);
    return 0;
}
