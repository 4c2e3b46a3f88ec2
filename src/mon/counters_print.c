#include <inttypes.h>
#include <string.h>

#include "base/counters.h"
#include "core/stack.h"
#include "mon/mon.h"

#include "base/poison.h"

uint64_t mon_copied_bytes(const struct counters *c)
{
    static const enum ctr places[] = {CTR_COPY_PORT, CTR_COPY_API, CTR_COPY_LOAN, CTR_COPY_WRITABLE, CTR_COPY_STACK};
    uint64_t n = 0;

    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        n += __atomic_load_n(&c->v[places[i]], __ATOMIC_RELAXED);
    return n;
}

uint64_t mon_copied_deliberate_bytes(const struct counters *c)
{
    return __atomic_load_n(&c->v[CTR_COPY_DELIBERATE], __ATOMIC_RELAXED);
}

/* Counters are written by their stacks' threads while they are read here. */
uint64_t mon_value(const struct mon_stacks *m, unsigned i, int ctr)
{
    return __atomic_load_n(&m->ctr[i]->v[ctr], __ATOMIC_RELAXED);
}

uint64_t mon_sum(const struct mon_stacks *m, int ctr)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < m->n; i++)
        n += mon_value(m, i, ctr);
    return n;
}

static int name_width(const struct mon_stacks *m, bool all)
{
    size_t width = strlen("copied payload");

    for (int i = 0; i < CTR_COUNT; i++)
        if ((all || mon_sum(m, i) != 0) && strlen(ctr_names[i]) > width)
            width = strlen(ctr_names[i]);
    return (int)width;
}

static void print_head(const struct mon_stacks *m, FILE *out, int width)
{
    if (m->n == 1)
        return;
    fprintf(out, "%-*s %15s", width, "", "total");
    for (unsigned i = 0; i < m->n; i++) {
        char name[16];

        snprintf(name, sizeof(name), "core %u", m->core[i]);
        fprintf(out, "%15s", name);
    }
    fputc('\n', out);
}

void mon_counters_print(const struct mon_stacks *m, FILE *out, bool all)
{
    int width = name_width(m, all);
    uint64_t copied = 0, deliberate = 0;

    for (unsigned i = 0; i < m->n; i++) {
        copied += mon_copied_bytes(m->ctr[i]);
        deliberate += mon_copied_deliberate_bytes(m->ctr[i]);
    }
    /* one piece, whatever other threads print */
    flockfile(out);
    print_head(m, out, width);
    fprintf(out, "%-*s %15" PRIu64 "  bytes copied, total of the copy.* counters but deliberate (%" PRIu64 " deliberate)\n", width,
            "copied payload", copied, deliberate);
    for (int i = 0; i < CTR_COUNT; i++) {
        if (!all && mon_sum(m, i) == 0)
            continue;
        fprintf(out, "%-*s %15" PRIu64, width, ctr_names[i], mon_sum(m, i));
        for (unsigned k = 0; m->n > 1 && k < m->n; k++)
            fprintf(out, "%15" PRIu64, mon_value(m, k, i));
        fprintf(out, "  %s\n", ctr_help[i]);
    }
    fflush(out);
    funlockfile(out);
}
