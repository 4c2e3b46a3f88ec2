/*
 * How often a core pauses by itself: a loop that does nothing but read the time-stamp counter, and counts the moments in which something
 * else ran (ticks of the kernel, the hypervisor, other processes). No latency of a polling program is better than that.
 *
 * usage: gaps CORE SECONDS     prints one line of JSON: percent of the time in gaps above 5 us, their number per second, the longest;
 * and the rate of the counter
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#define GAP_NS 5000

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static double tsc_per_ns(void)
{
    uint64_t ns = now_ns(), tsc = rte_rdtsc(), end = ns + 20000000;

    while (now_ns() < end)
        ;
    return (double)(rte_rdtsc() - tsc) / (double)(now_ns() - ns);
}

int main(int argc, char **argv)
{
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 0, rate = tsc_per_ns();
    uint64_t begin, last, limit = (uint64_t)(GAP_NS * rate), n = 0, sum = 0, longest = 0;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(argc == 3 ? strtoul(argv[1], NULL, 10) : 0, &set);
    if (!(seconds > 0 && seconds <= 60) || sched_setaffinity(0, sizeof(set), &set) < 0) {
        fprintf(stderr, "gaps: usage: gaps CORE SECONDS, a core of this machine and up to 60 seconds\n");
        return 1;
    }
    begin = last = rte_rdtsc();
    while (last - begin < (uint64_t)(seconds * 1e9 * rate)) {
        uint64_t now = rte_rdtsc(), gap = now - last;

        last = now;
        if (gap < limit)
            continue;
        n++;
        sum += gap;
        longest = gap > longest ? gap : longest;
    }
    printf("{\"percent\": %.3f, \"per_second\": %.0f, \"longest_us\": %.1f, \"tsc_hz\": %.0f}\n",
           100 * (double)sum / (double)(last - begin), (double)n / seconds, (double)longest / rate / 1e3, rate * 1e9);
    return 0;
}
