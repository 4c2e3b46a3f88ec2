/*
 * impair: a wire between two network interfaces that loses, delays, reorders, duplicates and damages frames, and has a
 * rate and a queue. What happens to a frame is decided when it arrives: it gets a departure time and goes into a heap; what
 * is due is sent. One direction is
 *     receive -> queue and serialisation (rate) -> loss, damage, duplication -> delay, jitter, reordering -> send
 * A seed makes the decisions repeatable; the arrival times are the machine's.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "impair.h"

#define SLOT_EXTRA 32 /* Ethernet header, VLAN tag and some more above the MTU */

struct slots pool;
struct direction dir[2];
struct options opt;

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...)
{
    va_list ap;

    fputs("impair: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void print_stats(void)
{
    for (int i = 0; i < 2; i++) {
        const struct direction *d = &dir[i];
        const struct stats *s = &d->st;

        printf("%s->%s: received %" PRIu64 " frames %" PRIu64 " bytes, forwarded %" PRIu64 " frames %" PRIu64 " bytes, lost %" PRIu64
               ", queue full %" PRIu64 ", reordered %" PRIu64 ", duplicated %" PRIu64 ", corrupted %" PRIu64 ", oversize %" PRIu64
               ", unfinished checksums %" PRIu64 ", no buffer %" PRIu64 ", send errors %" PRIu64 ", on the way %u\n",
               d->from, d->to, s->rx_frames, s->rx_bytes, s->tx_frames, s->tx_bytes, s->lost, s->queue_full, s->reordered, s->duplicated,
               s->corrupted, s->oversize, s->unfinished, s->no_buffer, s->tx_error, d->n_heap);
    }
    fflush(stdout);
}

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        die("no memory for %zu bytes of buffers: choose a smaller --buffers", bytes);
    return p;
}

static void set_up(void)
{
    uint32_t mtu[2];
    uint64_t seed = opt.seed;
    int fd[2];

    for (int i = 0; i < 2; i++)
        fd[i] = open_if(opt.iface[i], &mtu[i]);
    pool.slot_bytes = ((mtu[0] > mtu[1] ? mtu[0] : mtu[1]) + SLOT_EXTRA + 63) / 64 * 64;
    pool.mem = reserve((size_t)pool.n * pool.slot_bytes);
    pool.free = reserve(pool.n * sizeof(*pool.free));
    for (uint32_t i = pool.n; i > 0; i--)
        pool.free[pool.n_free++] = i - 1;
    for (int i = 0; i < 2; i++) {
        struct direction *d = &dir[i];

        d->from = opt.iface[i];
        d->to = opt.iface[1 - i];
        d->in_fd = fd[i];
        d->out_fd = fd[1 - i];
        d->max_len = (mtu[0] < mtu[1] ? mtu[0] : mtu[1]) + ETH_HLEN + 4;
        rng_init(d, &seed);
        d->heap = reserve(pool.n * sizeof(*d->heap));
        d->line = reserve(pool.n * sizeof(*d->line));
    }
}

static int signals(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        die("signalfd: %s", strerror(errno));
    return fd;
}

/* Returns whether to go on. */
static bool handle_signal(int fd)
{
    struct signalfd_siginfo si;

    while (read(fd, &si, sizeof(si)) == sizeof(si)) {
        if (si.ssi_signo != SIGUSR1)
            return false;
        print_stats();
    }
    return true;
}

static uint64_t next_due(void)
{
    uint64_t next = NEVER;

    for (int i = 0; i < 2; i++) {
        const struct direction *d = &dir[i];
        uint64_t due = d->n_heap == 0 ? NEVER : d->heap[0].due_ns > d->blocked_until_ns ? d->heap[0].due_ns : d->blocked_until_ns;

        next = due < next ? due : next;
    }
    return next;
}

static void arm(int timer_fd, uint64_t at)
{
    struct itimerspec it = {0};

    if (at != NEVER) {
        it.it_value.tv_sec = (time_t)(at / NS_PER_SEC);
        it.it_value.tv_nsec = (long)(at % NS_PER_SEC);
    }
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &it, NULL);
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll: %s", strerror(errno));
}

static void run(void)
{
    int signal_fd = signals(), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t end = opt.run_ns != 0 ? now_ns() + opt.run_ns : NEVER;
    bool more = true;

    if (epoll_fd < 0 || timer_fd < 0)
        die("epoll or timer: %s", strerror(errno));
    watch(epoll_fd, signal_fd);
    watch(epoll_fd, timer_fd);
    for (int i = 0; i < 2; i++)
        watch(epoll_fd, dir[i].in_fd);
    printf("impair: forwarding between %s and %s\n", opt.iface[0], opt.iface[1]);
    fflush(stdout);
    while (more && now_ns() < end) {
        struct epoll_event ev[4];
        uint64_t next = next_due();
        int n;

        arm(timer_fd, next < end ? next : end);
        n = epoll_wait(epoll_fd, ev, 4, -1);
        for (int i = 0; i < n; i++) {
            if (ev[i].data.fd == signal_fd)
                more = handle_signal(signal_fd);
            for (int j = 0; j < 2; j++)
                for (int rounds = 0; ev[i].data.fd == dir[j].in_fd && rounds < 8 && receive(&dir[j]); rounds++)
                    ;
        }
        for (int j = 0; j < 2; j++)
            deliver(&dir[j], now_ns());
    }
}

int main(int argc, char **argv)
{
    options(argc, argv);
    set_up();
    run();
    print_stats();
    return 0;
}
