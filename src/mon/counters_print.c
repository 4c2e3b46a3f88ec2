#include <inttypes.h>
#include <string.h>

#include "base/counters.h"
#include "core/stack.h"
#include "mon/mon.h"

#include "base/poison.h"

uint64_t mon_copied_bytes(const struct z_stack *s)
{
    const uint64_t *v = s->ctr.v;

    return v[CTR_COPY_PORT] + v[CTR_COPY_API] + v[CTR_COPY_LOAN] + v[CTR_COPY_WRITABLE] + v[CTR_COPY_STACK];
}

uint64_t mon_copied_deliberate_bytes(const struct z_stack *s)
{
    return s->ctr.v[CTR_COPY_DELIBERATE];
}

static int name_width(const struct z_stack *s, bool all)
{
    size_t width = strlen("copied payload");

    for (int i = 0; i < CTR_COUNT; i++)
        if ((all || s->ctr.v[i] != 0) && strlen(ctr_names[i]) > width)
            width = strlen(ctr_names[i]);
    return (int)width;
}

void mon_counters_print(const struct z_stack *s, FILE *out, bool all)
{
    int width = name_width(s, all);

    /* one piece, whatever other threads print */
    flockfile(out);
    fprintf(out, "%-*s %15" PRIu64 "  bytes copied, total of the copy.* counters but deliberate (%" PRIu64 " deliberate)\n", width,
            "copied payload", mon_copied_bytes(s), mon_copied_deliberate_bytes(s));
    for (int i = 0; i < CTR_COUNT; i++)
        if (all || s->ctr.v[i] != 0)
            fprintf(out, "%-*s %15" PRIu64 "  %s\n", width, ctr_names[i], s->ctr.v[i], ctr_help[i]);
    fflush(out);
    funlockfile(out);
}
