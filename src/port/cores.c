#include "port/cores.h"

#include <rte_launch.h>
#include <rte_lcore.h>

#include "base/check.h"

unsigned port_cores_count(void)
{
    return rte_lcore_count();
}

static unsigned lcore_of(unsigned i)
{
    unsigned id = rte_get_next_lcore(UINT32_MAX, 0, 0);

    if (i == 0)
        return rte_get_main_lcore();
    for (unsigned n = 0; id < RTE_MAX_LCORE; id = rte_get_next_lcore(id, 0, 0))
        if (id != rte_get_main_lcore() && ++n == i)
            return id;
    Z_CHECK(false); /* there is no such core */
    return 0;
}

unsigned port_core_number(unsigned i)
{
    return (unsigned)rte_lcore_to_cpu_id((int)lcore_of(i));
}

void port_core_start(unsigned i, int (*fn)(void *arg), void *arg)
{
    Z_CHECK(i != 0 && rte_eal_remote_launch(fn, arg, lcore_of(i)) == 0);
}

void port_core_wait(unsigned i)
{
    if (i != 0)
        rte_eal_wait_lcore(lcore_of(i));
}

void port_core_join(void)
{
    if (rte_lcore_id() == LCORE_ID_ANY)
        (void)rte_thread_register();
}
