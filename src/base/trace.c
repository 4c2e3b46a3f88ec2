#include "base/trace.h"

#include <inttypes.h>

#include "base/units.h"

#include "base/poison.h"

void trace_print(const struct trace *t, FILE *out)
{
    for (uint32_t i = 0; i < TRACE_SLOTS; i++) {
        const struct trace_event *e = &t->ev[(t->next + i) & (TRACE_SLOTS - 1)];

        if (e->what != NULL)
            fprintf(out, "%" PRIu64 ".%09" PRIu64 " %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", (uint64_t)(e->at_ns / NS_PER_SEC),
                    (uint64_t)(e->at_ns % NS_PER_SEC), e->what, e->a, e->b, e->c);
    }
}
