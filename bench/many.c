/* Many connections of which few are busy: what each costs in memory while it waits, and whether the busy ones notice the others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "bench.h"
#include "tcp/conn.h"

#define MANY 1000000u
#define HOT 1000u
#define BYTES 64u
#define NEEDED 3000u /* bytes of memory for both ends of one */

static uint64_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
        die("/proc/self/statm");
    fclose(f);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* As many as half of the free memory has room for. */
static uint32_t affordable(void)
{
    uint64_t bytes = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    return (uint32_t)MIN(bytes / 2 / NEEDED, (uint64_t)MANY);
}

static void print(const char *what, const struct samples *s, uint32_t open, struct report *rep)
{
    struct spread d = samples_spread(s);

    printf("%10u  %-28s %8.0f %7.0f-%-7.0f %7.0f\n", open, what, d.median, d.p25, d.p75, d.min);
    report_row(rep, "many", what, BYTES, open, "cycles", s);
    fflush(stdout);
}

static void print_memory(struct pair *p, uint64_t resident, const size_t used[2], uint32_t n, struct report *rep)
{
    struct samples s = {0};
    double blocks = 0;

    for (int i = 0; i < 2; i++)
        blocks += (double)(p->side[i].s->arena.used_bytes - used[i]) / (2.0 * n);
    samples_add(&s, (double)(resident_bytes() - resident) / (2.0 * n));
    printf("memory of an idle connection with its descriptor and one registration: %.0f bytes resident, %.0f of them in its block\n"
           "  (connection with descriptor and registration %zu bytes of %zu; the rest is its part of the tables)\n",
           s.v[0], blocks, sizeof(struct tcp_conn), arena_class_bytes(sizeof(struct tcp_conn)));
    report_row(rep, "many", "memory", 0, n, "resident bytes per connection", &s);
}

void bench_many(struct pair *p, const struct bench_conf *c, struct report *rep)
{
    uint32_t n = c->conns != 0 ? c->conns : MAX(affordable(), HOT), hot = MIN(HOT, n);
    int *fds = calloc(n, sizeof(*fds)), busy[HOT];
    struct samples few = {0}, many = {0}, ratio = {0};
    size_t used[2];
    uint64_t resident;
    struct rng r;

    if (fds == NULL)
        die("memory");
    memset(fds, 0xff, n * sizeof(*fds));
    printf("\n%u busy connections among more: request/response of %u bytes, cycles per endpoint: median, quartiles, minimum\n", hot, BYTES);
    app_open(p, hot, fds);
    rr_samples(p, BYTES, fds, hot, c->reps, &few);
    print("all of them busy", &few, hot, rep);
    for (int i = 0; i < 2; i++)
        used[i] = p->side[i].s->arena.used_bytes;
    resident = resident_bytes();
    app_open(p, n - hot, fds + hot);
    app_wait(p, 3 * NS_PER_SEC); /* what only those need who send is given back */
    if (n > hot)
        print_memory(p, resident, used, n - hot, rep);
    rng_seed(&r, 1);
    for (uint32_t i = 0; i < hot; i++) /* without repetition: one of each stretch */
        busy[i] = fds[(uint64_t)i * n / hot + rng_below(&r, n / hot)];
    rr_samples(p, BYTES, busy, hot, c->reps, &many);
    print("busy ones all over the memory", &many, n, rep);
    samples_add(&ratio, samples_spread(&many).median / samples_spread(&few).median);
    printf("ratio: %.2f\n", ratio.v[0]);
    report_row(rep, "many", "busy ones all over the memory", BYTES, n, "this/all of them busy", &ratio);
    app_close(p);
    free(fds);
}
