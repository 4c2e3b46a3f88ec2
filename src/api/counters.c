#include "api/api.h"
#include "mon/mon.h"

#include "base/poison.h"

void z_print_counters(FILE *out)
{
    if (api.n_cores != 0 && api.core[0]->stack != NULL)
        mon_counters_print(api.core[0]->stack, out, false);
}
