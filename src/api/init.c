/* ff_init: from config.ini to a running stack. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "api/api.h"
#include "api/args.h"
#include "base/bigtab.h"
#include "port/eal.h"
#include "port/ethdev.h"
#include "port/tap.h"
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

/* One line, and the end: what F-Stack applications rely on is that ff_init returns only with a stack. */
__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
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
        die("%s", err);
    if (conf_load(&api.conf, args.conf, argc > 0 && argv[0] != NULL ? argv[0] : "zstack", say, NULL) != 0)
        exit(1); /* the line has been said */
    if (args.proc_type != NULL)
        snprintf(api.conf.proc_type, sizeof(api.conf.proc_type), "%s", args.proc_type);
    if (args.proc_id >= 0)
        api.conf.proc_id = args.proc_id;
    if (strcmp(api.conf.proc_type, "secondary") == 0)
        die("--proc-type=secondary: not supported yet; run one process per port with --proc-type=primary");
    if (api.conf.proc_type[0] != '\0' && strcmp(api.conf.proc_type, "primary") != 0 && strcmp(api.conf.proc_type, "auto") != 0)
        die("--proc-type: found \"%s\", expected primary or auto", api.conf.proc_type);
}

/* An interface's name as in config.ini. */
static const char *section(const struct conf_port *cp)
{
    static char name[16];

    snprintf(name, sizeof(name), cp->vid != 0 ? "vlan%u" : "port%u", cp->vid != 0 ? cp->vid : cp->port_id);
    return name;
}

static const char *addr_text(const struct inaddr *a)
{
    static char text[INET6_ADDRSTRLEN];

    if (inaddr_is_v4(a))
        inet_ntop(AF_INET, a->b + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, a->b, text, sizeof(text));
    return text;
}

static const char *why(int err)
{
    switch (err) {
    case -EEXIST:
        return "configured twice";
    case -ENOSPC:
        return "more addresses or routes (route_limit) than there is room for";
    case -EOPNOTSUPP:
        return "IPv6 is off (ipv6 in [zstack])";
    case -ENETUNREACH:
        return "the gateway is on none of its subnets";
    default:
        return strerror(-err);
    }
}

static void add_route(struct z_stack *s, struct netif *nif, const struct conf_port *cp, const struct conf_route *cr)
{
    int r = stack_add_route(s, nif, &cr->prefix, cr->plen, &cr->gateway, cr->metric);

    if (r != 0)
        die("[%s]: route to %s/%u: %s", section(cp), addr_text(&cr->prefix), cr->plen - (inaddr_is_v4(&cr->prefix) ? 96u : 0), why(r));
}

static void add_addrs(struct z_stack *s, struct netif *nif, const struct conf_port *cp)
{
    struct conf_route def = {.gateway = cp->gateway6};

    for (unsigned i = 0; i < cp->n_addrs; i++) {
        const struct inaddr a = inaddr_v4(cp->addr[i].addr);
        int r = stack_add_addr(s, nif, cp->addr[i].addr, cp->addr[i].mask, cp->addr[i].broadcast);

        if (r != 0)
            die("[%s]: address %s: %s", section(cp), addr_text(&a), why(r));
    }
    for (unsigned i = 0; i < cp->n_addrs6; i++) {
        int r = stack_add_addr6(s, nif, &cp->addr6[i].addr, cp->addr6[i].plen);

        if (r != 0)
            die("[%s]: address %s: %s", section(cp), addr_text(&cp->addr6[i].addr), why(r));
    }
    if (!inaddr_is_any(&cp->gateway6))
        add_route(s, nif, cp, &def);
    if (cp->gateway != 0) {
        def = (struct conf_route){.prefix = INADDR_ANY_V4, .plen = 96, .gateway = inaddr_v4(cp->gateway)};
        add_route(s, nif, cp, &def);
    }
    for (unsigned i = 0; i < cp->n_routes; i++)
        add_route(s, nif, cp, &cp->route[i]);
}

static void add_vlans(struct z_stack *s, struct netif *parent, const struct conf_port *cp)
{
    for (unsigned i = 0; i < api.conf.n_vlans; i++) {
        const struct conf_port *cv = &api.conf.vlan[i];
        struct netif *nif;

        if (cv->port_id != cp->port_id)
            continue;
        nif = stack_add_vlan(s, parent, cv->vid, cv->if_name);
        if (nif == NULL)
            die("[vlan%u]: more interfaces than the %d a stack can have", cv->vid, STACK_MAX_NETIFS);
        add_addrs(s, nif, cv);
    }
}

static struct port *open_ethdev(const struct z_stack *s, const struct conf_port *cp, char *err, size_t n)
{
    struct port_ethdev_conf pc = {
        .port_id = cp->port_id,
        .mtu = cp->mtu,
        .promiscuous = api.conf.promiscuous,
        .no_tx_cksum = api.conf.tx_csum_skip,
        .no_rx_cksum = api.conf.rx_csum_skip,
        .no_tso = !api.conf.tso,
        .no_lro = !api.conf.lro,
        .force_offload = cp->force_offload,
        .vlan_strip = api.conf.vlan_strip,
        .rx_interrupt = api.idle.sleeps,
        .rx_pool = s->pools.rx,
        .linear_pool = s->pools.app[1],
    };

    return port_ethdev_open(&pc, err, n);
}

static struct port *open_tap(const struct z_stack *s, const struct conf_port *cp, char *err, size_t n)
{
    struct port_tap_addr addr[CONF_MAX_TAP_ADDRS];
    struct port_tap_conf pc = {
        .name = cp->tap,
        .mtu = cp->mtu,
        .n_addrs = cp->n_tap_addrs,
        .addr = addr,
        .no_tx_cksum = api.conf.tx_csum_skip,
        .no_rx_cksum = api.conf.rx_csum_skip,
        .no_tso = !api.conf.tso,
        .no_lro = !api.conf.lro,
        .rx_pool = s->pools.rx,
        .linear_pool = s->pools.app[1],
    };

    for (unsigned i = 0; i < cp->n_tap_addrs; i++)
        addr[i] = (struct port_tap_addr){.addr = cp->tap_addr[i].addr, .plen = cp->tap_addr[i].plen};
    return port_tap_open(&pc, err, n);
}

static void add_port(struct z_stack *s, const struct conf_port *cp)
{
    char err[256];
    struct port *p = cp->tap[0] != '\0' ? open_tap(s, cp, err, sizeof(err)) : open_ethdev(s, cp, err, sizeof(err));
    struct netif *nif;

    if (p == NULL)
        die("%s", err);
    p->ctr = &s->ctr;
    nif = stack_add_netif(s, p, cp->if_name);
    if (nif == NULL)
        die("[port%u]: more ports than the %d a stack can have", cp->port_id, STACK_MAX_NETIFS);
    add_addrs(s, nif, cp);
    add_vlans(s, nif, cp);
}

/* Receive buffers must hold what every port delivers. */
static void size_rx_buffers(struct stack_conf *sc)
{
    uint32_t before = sc->pools.rx_room_bytes;

    for (unsigned i = 0; i < api.conf.n_ports; i++) {
        const struct conf_port *cp = &api.conf.port[i];

        if (cp->tap[0] != '\0') /* fills chains of any size */
            continue;
        sc->pools.rx_room_bytes = MAX(sc->pools.rx_room_bytes, port_ethdev_rx_room(cp->port_id, cp->mtu));
    }
    if (sc->pools.rx_room_bytes != before)
        stack_conf_shares(sc);
}

/* On the thread that shall own it. */
static struct api_core *make_core(const struct stack_conf *conf)
{
    struct api_core *c = bigtab_alloc(1, sizeof(*c));
    struct z_stack *s;
    int r;

    s = stack_create(conf, "zstack", port_clock_ns(), &r);
    if (s == NULL || c == NULL)
        die("no memory for the stack (%s): lower rx_buffers, app_buffers_64k or conn_memory in [zstack], or give EAL more with memory= or "
            "hugepages",
            strerror(s == NULL ? -r : ENOMEM));
    s->wall_offset_ns = port_wallclock_ns() - port_clock_ns();
    for (unsigned i = 0; i < api.conf.n_ports; i++)
        add_port(s, &api.conf.port[i]);
    r = api_core_init(c, s);
    if (r != 0)
        die("no memory for the queue of returned buffers, or no descriptor to be woken by: %s", strerror(-r));
    api.core[api.n_cores++] = c;
    api_core_own(c);
    return c;
}

/* On the thread that shall own the stack: EAL makes its caller the main core. */
static void start(void)
{
    struct api_core *first;
    char err[512];
    int r;

    if (sched_getaffinity(0, sizeof(api.cpus), &api.cpus) != 0)
        CPU_ZERO(&api.cpus);
    if (port_eal_init(api.conf.eal_argc, api.conf.eal_argv, err, sizeof(err)) != 0)
        die("%s", err);
    r = pkt_init();
    if (r != 0)
        die("cannot register the buffers' dynamic field: %s", strerror(-r));
    size_rx_buffers(&api.conf.stack);
    first = make_core(&api.conf.stack);
    for (unsigned i = 0; i < RTE_MAX_NUMA_NODES; i++)
        ff_pktmbuf_pool[i] = first->stack->pools.app[0];
    r = api_exit_init();
    if (r != 0)
        die("cannot register the exit handlers: %s", strerror(-r));
    __atomic_store_n(&first->looping, api.has_thread, __ATOMIC_RELAXED);
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
        die("poll_thread: cannot start the thread: %s", strerror(r));
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
