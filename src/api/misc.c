/* Time, threads, traffic. */
#include <string.h>

#include "api/api.h"

#include "base/poison.h"

#if __GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 31)
int ff_gettimeofday(struct timeval *tv, void *tz)
#else
int ff_gettimeofday(struct timeval *tv, struct timezone *tz)
#endif
{
    uint64_t ns;

    (void)tz;
    if (tv == NULL)
        return 0;
    ns = port_wallclock_ns();
    tv->tv_sec = (time_t)(ns / NS_PER_SEC);
    tv->tv_usec = (suseconds_t)(ns % NS_PER_SEC / NS_PER_US);
    return 0;
}

/* A thread inherits the owner's binding to its polling core, where it would hardly run: it gets the cores from before ff_init. */
int ff_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start_routine)(void *), void *arg)
{
    pthread_attr_t own;
    int r;

    if (attr != NULL || CPU_COUNT(&api.cpus) == 0)
        return pthread_create(thread, attr, start_routine, arg);
    r = pthread_attr_init(&own);
    if (r != 0)
        return r;
    r = pthread_attr_setaffinity_np(&own, sizeof(api.cpus), &api.cpus);
    if (r == 0)
        r = pthread_create(thread, &own, start_routine, arg);
    pthread_attr_destroy(&own);
    return r;
}

/* The other thread may be waiting for a call of its own to be done here. */
int ff_pthread_join(pthread_t thread, void **retval)
{
    int r;

    if (!api_is_owner() || !api_can_poll(api_here))
        return pthread_join(thread, retval);
    while ((r = pthread_tryjoin_np(thread, retval)) == EBUSY) {
        unsigned n;

        if (!api_is_owner())
            return pthread_join(thread, retval);
        n = api_turn(api_here);
        api_idle(api_here, n, NS_NEVER, true, NULL);
    }
    return r;
}

static uint64_t missed(const struct z_stack *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < s->n_netifs; i++) {
        struct port *p = s->netif[i]->port;

        if (s->netif[i]->parent == NULL && p->ops->missed != NULL)
            n += p->ops->missed(p);
    }
    return n;
}

/* Of all stacks of the process. Each has ports of its own, of which one tells what their device has lost. */
void ff_get_traffic(void *buffer)
{
    struct ff_traffic_args t = {0};
    struct mon_stacks m;

    if (buffer == NULL)
        return;
    if (api_get_state() == API_RUNNING) {
        api_stacks(&m);
        t.rx_packets = mon_sum(&m, CTR_RX_PACKETS);
        t.rx_bytes = mon_sum(&m, CTR_RX_BYTES);
        t.tx_packets = mon_sum(&m, CTR_TX_PACKETS);
        t.tx_bytes = mon_sum(&m, CTR_TX_BYTES);
        t.tx_dropped = mon_sum(&m, DROP_TXQ_FULL);
        t.rx_dropped = mon_sum(&m, DROP_STEER_FULL);
        for (unsigned i = 0; i < api.n_cores; i++)
            t.rx_dropped += missed(api.core[i]->stack);
    }
    memcpy(buffer, &t, sizeof(t));
}
