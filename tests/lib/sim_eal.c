#include <sched.h>
#include <stdio.h>

#include "pkt/pkt.h"
#include "port/eal.h"
#include "sim.h"

/* The core that EAL may use: the first one that this process has. */
static int first_cpu(const cpu_set_t *cpus)
{
    size_t cpu = 0;

    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, cpus))
        cpu++;
    return (int)cpu;
}

int sim_eal_init(void)
{
    char core[16], err[256];
    char *argv[] = {"test", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "512", "--log-level=3", "-l", core};
    cpu_set_t cpus;
    int ret;

    sched_getaffinity(0, sizeof(cpus), &cpus);
    snprintf(core, sizeof(core), "%d", first_cpu(&cpus));
    ret = port_eal_init((int)ARRAY_LEN(argv), argv, err, sizeof(err));
    if (ret != 0) {
        fprintf(stderr, "%s\n", err);
        return ret;
    }
    sched_setaffinity(0, sizeof(cpus), &cpus); /* tests run next to each other */
    return pkt_init();
}
