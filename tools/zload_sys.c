/* The clock, CPU times, and what the hypervisor took. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <rte_cpuflags.h>

#include "zload.h"

static struct {
    uint64_t ns, tsc;
} begin;

static uint64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Counter and clock at one moment: of a few tries the one that was interrupted least. */
static void moment(uint64_t *tsc, uint64_t *ns)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 8; i++) {
        uint64_t t0 = rte_rdtsc_precise(), now = monotonic_ns(), t1 = rte_rdtsc_precise();

        if (t1 - t0 >= best)
            continue;
        best = t1 - t0;
        *tsc = t0 + (t1 - t0) / 2;
        *ns = now;
    }
}

void sys_clock_begin(void)
{
#ifdef RTE_ARCH_X86
    if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_INVTSC) != 1)
        die(1, "this machine's time-stamp counter does not run evenly (no invariant TSC): latencies cannot be measured with it");
#endif
    moment(&begin.tsc, &begin.ns);
}

uint64_t sys_clock_mult(void)
{
    uint64_t tsc = 0, ns = 0;

    moment(&tsc, &ns);
    return (uint64_t)(((unsigned __int128)(ns - begin.ns) << 32) / (tsc - begin.tsc));
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

struct cpu_time sys_own_cpu(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) != 0)
        return (struct cpu_time){-1, -1};
    return (struct cpu_time){seconds(u.ru_utime), seconds(u.ru_stime)};
}

/* The beginning of a file of /proc as text; false when it cannot be read. */
static bool read_proc(const char *path, char *text, size_t n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, text, n - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

/* proc(5): utime and stime are the fields 14 and 15; the second one, the name, may hold anything, and ends at the last ')'. */
struct cpu_time sys_process_cpu(uint64_t pid)
{
    static const struct cpu_time unknown = {-1, -1};
    char path[64], text[1024], *p;
    unsigned long user, system;
    double ticks = (double)sysconf(_SC_CLK_TCK);

    if (pid == 0)
        return unknown;
    snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
    if (!read_proc(path, text, sizeof(text)) || (p = strrchr(text, ')')) == NULL)
        return unknown;
    if (sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return unknown;
    return (struct cpu_time){(double)user / ticks, (double)system / ticks};
}

struct steal sys_steal(void)
{
    char text[512], *p, *end;
    struct steal s = {0};

    if (!read_proc("/proc/stat", text, sizeof(text)) || strncmp(text, "cpu ", 4) != 0)
        return s;
    p = text + 4;
    for (int i = 0; i < 8; i++) { /* user nice system idle iowait irq softirq steal */
        uint64_t v = strtoull(p, &end, 10);

        if (end == p)
            return (struct steal){0};
        p = end;
        s.all += v;
        if (i == 7)
            s.stolen = v;
    }
    return s;
}
