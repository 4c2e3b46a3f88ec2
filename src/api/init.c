/* ff_init: from config.ini to a running stack. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "api/api.h"
#include "api/args.h"
#include "api/ports.h"
#include "api/procs.h"
#include "base/bigtab.h"
#include "base/leakroot.h"
#include "port/cores.h"
#include "port/eal.h"
#pragma GCC visibility push(default)
#include "zstack/ff_veth.h"
#pragma GCC visibility pop

#include "base/poison.h"

struct api_process api;
static struct api_core nobody; /* its owner is none */
__thread struct api_core *api_here __attribute__((tls_model("initial-exec"))) = &nobody;
__thread char api_self __attribute__((tls_model("initial-exec")));

struct rte_mempool *ff_pktmbuf_pool[RTE_MAX_NUMA_NODES];
__thread struct ff_lcore_info ff_lcore_conf;

void api_die(const char *fmt, ...)
{
    va_list ap;

    fputs("zstack: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static void say(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "zstack: %s\n", line);
}

static void read_conf(int argc, char *const argv[])
{
    struct api_args args;
    char err[256];

    if (args_parse(argc, argv, &args, err, sizeof(err)) != 0)
        api_die("%s", err);
    if (conf_load(&api.conf, args.conf, argc > 0 && argv[0] != NULL ? argv[0] : "zstack", say, NULL) != 0)
        exit(1); /* the line has been said */
    if (conf_set_process(&api.conf, args.proc_type != NULL ? args.proc_type : "auto", args.proc_id, err, sizeof(err)) != 0)
        api_die("%s", err);
}

/* What core i has of its own in the configuration. */
static struct stack_conf conf_of(unsigned i, struct steer *steer, const struct ports_plan *plan)
{
    struct stack_conf c = api.conf.stack;

    c.index = (uint16_t)i;
    c.member = (uint16_t)(api.conf.procs ? api.conf.proc_id : (int)i);
    c.n_stacks = (uint16_t)conf_stacks(&api.conf);
    c.steer = steer;
    c.pools.procs = api.conf.procs;
    if (plan->shared_rx && c.member == 0)
        c.pools.rx *= conf_members(&api.conf);
    else if (plan->shared_rx && api.conf.procs)
        c.rx_pool = rte_mempool_lookup("zstack_rx");
    else if (plan->shared_rx)
        c.rx_pool = api.core[0]->stack->pools.rx;
    return c;
}

struct making {
    unsigned i;
    struct stack_conf conf;
};

/* On the thread that shall own the stack, so that its memory is near its core. */
static int make_core(void *arg)
{
    const struct making *k = arg;
    struct api_core *c = bigtab_alloc(1, sizeof(*c));
    struct z_stack *s;
    char name[24];
    int r;

    if (k->i > 0)
        snprintf(name, sizeof(name), "zstack%u", k->i);
    else
        snprintf(name, sizeof(name), "%s", procs_name());
    s = stack_create(&k->conf, name, port_clock_ns(), &r);
    if (s == NULL || c == NULL)
        api_die(
            "no memory for the stack (%s): lower rx_buffers, app_buffers_64k or conn_memory in [zstack], or give EAL more with memory= or "
            "hugepages",
            strerror(s == NULL ? -r : ENOMEM));
    leakroot_add(c, sizeof(*c));
    s->wall_offset_ns = port_wallclock_ns() - port_clock_ns();
    r = api_core_init(c, s);
    if (r != 0)
        api_die("no memory for the queue of returned buffers: %s", strerror(-r));
    c->cpu = (uint16_t)port_core_number(k->i);
    api.core[api.n_cores++] = c;
    api_core_own(c);
    return 0;
}

/* One after the other: what they print, or fail at, is in order. */
static void make_cores(const struct ports_plan *plan)
{
    unsigned n = conf_stacks(&api.conf);
    struct steer *steer = NULL;

    if (api.conf.procs)
        steer = procs_start();
    else if (n > 1 && (steer = steer_create("zstack_steer", n, api.conf.symmetric_rss)) == NULL)
        api_die("no memory for what %u stacks share: give EAL more with memory= or hugepages", n);
    for (unsigned i = 0; i < n; i++) {
        struct making k = {.i = i, .conf = conf_of(i, steer, plan)};

        if (i == 0) {
            make_core(&k);
            continue;
        }
        port_core_start(i, make_core, &k);
        port_core_wait(i);
    }
}

/* On the thread that shall own the first stack: EAL makes its caller the main core. */
static void start(void)
{
    struct ports_plan plan;
    char err[512];
    int r;

    if (sched_getaffinity(0, sizeof(api.cpus), &api.cpus) != 0)
        CPU_ZERO(&api.cpus);
    if (port_eal_init(api.conf.eal_argc, api.conf.eal_argv, err, sizeof(err)) != 0)
        api_die("%s", err);
    r = pkt_init();
    if (r != 0)
        api_die("cannot register the buffers' dynamic field: %s", strerror(-r));
    ports_plan(&plan);
    make_cores(&plan);
    ports_open(&plan);
    if (api.conf.procs)
        procs_open(api.core[0]->stack->steer);
    for (unsigned i = 0; i < RTE_MAX_NUMA_NODES; i++)
        ff_pktmbuf_pool[i] = api.core[0]->stack->pools.app[0];
    r = api_exit_init();
    if (r != 0)
        api_die("cannot register the exit handlers: %s", strerror(-r));
    for (unsigned i = 0; i < api.n_cores; i++)
        __atomic_store_n(&api.core[i]->looping, api.has_thread, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < api.n_cores; i++)
        (void)mon_telemetry_add(api.core[i]->stack->member, &api.core[i]->stack->ctr); /* without, nobody can look at it that way */
    __atomic_store_n(&api.state, API_RUNNING, __ATOMIC_RELEASE);
}

static void *thread_start(void *arg)
{
    (void)arg;
    start();
    api_thread_run();
    return NULL;
}

static void start_thread(void)
{
    int r;

    api.has_thread = true;
    r = pthread_create(&api.thread, NULL, thread_start, NULL);
    if (r != 0)
        api_die("poll_thread: cannot start the thread: %s", strerror(r));
    while (api_get_state() == API_NEW)
        port_nap(NS_PER_MS);
}

int ff_init(int argc, char *const argv[])
{
    static bool called;

    if (argc < 0 || (argc > 0 && argv == NULL))
        return (int)api_ret(-EINVAL);
    if (__atomic_exchange_n(&called, true, __ATOMIC_RELAXED))
        return (int)api_ret(-EALREADY);
    read_conf(argc, argv);
    idle_conf_init(&api.idle, api.conf.polling, api.conf.idle_sleep_us);
    if (api.conf.poll_thread)
        start_thread();
    else
        start();
    return 0;
}
