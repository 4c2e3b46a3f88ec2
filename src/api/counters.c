#include "api/procs.h"
#include "mon/mon.h"

#include "base/poison.h"

void api_stacks(struct mon_stacks *m)
{
    m->n = 0;
    for (unsigned i = 0; i < api.n_cores; i++) {
        if (api.core[i]->stack == NULL) /* after fork */
            continue;
        m->core[m->n] = api.core[i]->cpu;
        m->number[m->n] = api.core[i]->stack->member;
        m->ctr[m->n++] = &api.core[i]->stack->ctr;
    }
}

void api_all_stacks(struct mon_stacks *m)
{
    api_stacks(m);
    if (api.conf.procs && m->n != 0)
        procs_add_counters(m);
}

void z_print_counters(FILE *out)
{
    struct mon_stacks m;

    api_all_stacks(&m);
    if (m.n != 0)
        mon_counters_print(&m, out, false);
}
