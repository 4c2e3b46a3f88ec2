#include "api/api.h"
#include "mon/mon.h"

#include "base/poison.h"

void z_print_counters(FILE *out)
{
    if (api.stack != NULL)
        mon_counters_print(api.stack, out, false);
}
