#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "base/check.h"
#include "base/siphash.h"
#include "base/units.h"
#include "port/port.h"

#define CALIBRATE_NS (2 * NS_PER_MS)

/* ns = base_ns + ((tsc - base_tsc) * mult >> 32), computed in 128 bits. */
static struct {
    pthread_once_t once;
    bool tsc;
    uint64_t base_tsc, base_ns, mult;
    bool ready;
} clk = {.once = PTHREAD_ONCE_INIT};

static uint64_t os_clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static bool tsc_is_invariant(void)
{
#ifdef RTE_ARCH_X86
    return rte_cpu_get_flag_enabled(RTE_CPUFLAG_INVTSC) == 1;
#else
    return true;
#endif
}

/* The cycle counter at a moment of the system clock; of a few tries the one that was interrupted least. */
static uint64_t tsc_at(uint64_t *ns)
{
    uint64_t best = UINT64_MAX, at = 0;

    for (int i = 0; i < 8; i++) {
        uint64_t t0 = rte_rdtsc_precise(), now = os_clock_ns(CLOCK_MONOTONIC), t1 = rte_rdtsc_precise();

        if (t1 - t0 < best) {
            best = t1 - t0;
            at = t0 + (t1 - t0) / 2;
            *ns = now;
        }
    }
    return at;
}

/* Not EAL's frequency: that one is rounded to 10 MHz, which may be off by half a percent. */
static void clock_init(void)
{
    uint64_t ns0 = 0, ns1 = 0, tsc0 = tsc_at(&ns0), tsc1;

    while (os_clock_ns(CLOCK_MONOTONIC) - ns0 < CALIBRATE_NS)
        rte_pause();
    tsc1 = tsc_at(&ns1);
    clk.tsc = tsc_is_invariant() && tsc1 > tsc0;
    if (clk.tsc) {
        clk.mult = (uint64_t)(((unsigned __int128)(ns1 - ns0) << 32) / (tsc1 - tsc0));
        clk.base_tsc = tsc1;
        clk.base_ns = ns1;
    }
    __atomic_store_n(&clk.ready, true, __ATOMIC_RELEASE); /* pairs with the load in port_clock_ns */
}

uint64_t port_clock_ns(void)
{
    if (unlikely(!__atomic_load_n(&clk.ready, __ATOMIC_ACQUIRE)))
        pthread_once(&clk.once, clock_init);
    if (unlikely(!clk.tsc))
        return os_clock_ns(CLOCK_MONOTONIC);

    /* a core whose counter lags by a few cycles must not see a time before the base */
    uint64_t now = rte_rdtsc(), cycles = now > clk.base_tsc ? now - clk.base_tsc : 0;

    return clk.base_ns + (uint64_t)((unsigned __int128)cycles * clk.mult >> 32);
}

uint64_t port_wallclock_ns(void)
{
    return os_clock_ns(CLOCK_REALTIME);
}

void port_nap(uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};

    nanosleep(&ts, NULL);
}

void port_entropy(void *buf, unsigned len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = getrandom((char *)buf + done, len - done, 0);

        Z_CHECK(n > 0 || errno == EINTR);
        if (n > 0)
            done += (size_t)n;
    }
}

bool port_machine_secret(uint8_t secret[16])
{
    static const uint8_t purpose[2][16] = {"ip6 identifiers", "ip6 identifiers2"};
    char id[33] = "";
    FILE *f = fopen("/etc/machine-id", "re");
    bool ok;

    if (f == NULL)
        return false;
    ok = fgets(id, sizeof(id), f) != NULL && strlen(id) == 32;
    fclose(f);
    for (unsigned i = 0; ok && i < 2; i++) {
        uint64_t h = siphash24(purpose[i], id, 32);

        memcpy(secret + i * 8, &h, 8);
    }
    return ok;
}

void port_pause(void)
{
    rte_pause();
}
