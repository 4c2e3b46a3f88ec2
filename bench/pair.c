#include "pair.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "base/bigtab.h"
#include "bench.h"
#include "port/eal.h"
#include "port/mem.h"

#define ADDR_CLIENT 0x0a000001u
#define EAL_MIB "768"

/* The ports of the pair, with their cycles counted. */
struct timed_ops {
    struct port_ops ops, real;
    uint64_t cycles, calls;
};

static struct timed_ops timed[2];

uint64_t cycles_now(void)
{
    return rte_rdtsc();
}

double cycles_per_second(void)
{
    return (double)rte_get_tsc_hz();
}

bool undisturbed(void)
{
    static __thread long before;
    struct rusage u;
    bool same;

    getrusage(RUSAGE_THREAD, &u);
    same = u.ru_nivcsw == before;
    before = u.ru_nivcsw;
    return same;
}

static uint16_t timed_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct timed_ops *t = (struct timed_ops *)(uintptr_t)p->ops; /* ops is first */
    uint64_t start = cycles_now();
    uint16_t done = t->real.tx(p, m, n);

    t->cycles += cycles_now() - start;
    t->calls++;
    return done;
}

static uint16_t timed_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
    struct timed_ops *t = (struct timed_ops *)(uintptr_t)p->ops;
    uint64_t start = cycles_now();
    uint16_t done = t->real.rx(p, m, n);

    t->cycles += cycles_now() - start;
    t->calls++;
    return done;
}

static void time_port(struct port *p, struct timed_ops *t)
{
    t->real = *p->ops;
    t->ops = *p->ops;
    t->ops.rx = timed_rx;
    t->ops.tx = timed_tx;
}

/* The CPU to measure on: the last one allowed, where the system's own work is least. */
static int choose_cpu(void)
{
    const char *wanted = getenv("BENCH_CORE");
    cpu_set_t cpus;
    int cpu = CPU_SETSIZE - 1;

    if (wanted != NULL && *wanted != '\0')
        return atoi(wanted);
    sched_getaffinity(0, sizeof(cpus), &cpus);
    while (cpu > 0 && !CPU_ISSET((size_t)cpu, &cpus))
        cpu--;
    return cpu;
}

static bool have_hugepages(void)
{
    FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    long n = 0;

    if (f == NULL)
        return false;
    if (fscanf(f, "%ld", &n) != 1)
        n = 0;
    fclose(f);
    return n * 2 >= atol(EAL_MIB) && getuid() == 0;
}

void pair_eal(const char *cores)
{
    char core[16], err[512];
    char *argv[] = {"bench", "-l", core, "--no-pci", "--no-shconf", "--no-telemetry", "-m", EAL_MIB, "--log-level=3", NULL};
    int argc = 9;
    bool huge = have_hugepages();

    snprintf(core, sizeof(core), "%d", choose_cpu());
    if (cores != NULL)
        argv[2] = (char *)(uintptr_t)cores;
    argv[argc++] = huge ? "--huge-unlink" : "--no-huge"; /* the pages are free again at the end */
    if (port_eal_init(argc, argv, err, sizeof(err)) != 0) {
        fprintf(stderr, "bench: %s\n", err);
        exit(1);
    }
    if (pkt_init() != 0)
        die("start");
    printf("core %s, TSC %.2f GHz, %s\n", argv[2], cycles_per_second() / 1e9, huge ? "hugepages" : "4 KB pages (--no-huge)");
}

static struct z_stack *new_stack(unsigned number, int which, bool gro, uint32_t conns)
{
    struct stack_conf conf;
    char name[16];
    int err;
    struct z_stack *s;

    stack_conf_init(&conf);
    conf.arp_probe = ARP_PROBE_OFF;
    conf.pools.hdr = 32768;
    conf.pools.ind = 65536;
    conf.pools.app[0] = 16384;
    conf.pools.app[1] = 4096; /* 24 MB of messages, and those under way */
    conf.pools.app[2] = 512;
    conf.gro = gro;
    conf.max_connections = MAX(conf.max_connections, conns + 64);
    conf.max_sockets = MAX(conf.max_sockets, conns + 64);
    conf.fd_reserve = BENCH_FD_FIRST;
    conf.msl_ns = NS_PER_MS; /* connections come and go */
    conf.seed = 1 + (uint64_t)which;
    conf.index = (uint16_t)(2 * number + (unsigned)which);
    conf.n_stacks = 1;
    snprintf(name, sizeof(name), "bench%u.%d", number, which);
    s = stack_create(&conf, name, port_clock_ns(), &err);
    if (s == NULL) {
        errno = -err;
        die("stack_create");
    }
    return s;
}

static void start_side(struct side *e, int which, uint32_t conns)
{
    struct netif *nif = stack_add_netif(e->s, e->port, "mem0");

    if (nif == NULL || stack_add_addr(e->s, nif, ADDR_CLIENT + (uint32_t)which, 0xffffff00u, 0) != 0)
        die("interface");
    e->conn = bigtab_alloc(conns + 64, sizeof(*e->conn));
    pair_enter(e);
    e->kq = ff_kqueue();
    if (e->kq < 0 || e->conn == NULL)
        die("kqueue");
}

static uint64_t stamp_cost(void)
{
    uint64_t best = UINT64_MAX;

    for (int batch = 0; batch < 100; batch++) {
        uint64_t start = cycles_now(), took;

        for (int i = 0; i < 100; i++)
            (void)*(volatile uint64_t *)&(uint64_t){cycles_now()};
        took = (cycles_now() - start) / 100;
        best = MIN(best, took);
    }
    return best;
}

void pair_make(struct pair *p, unsigned number, uint16_t mtu, enum pair_wire wire, bool gro, uint32_t conns)
{
    struct port_mem_join_conf jc = {.mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, .mtu = mtu, .tso = wire == WIRE_LARGE};
    struct port *port[2];

    p->conns_max = conns;
    if (number == 0)
        api.core[0] = &p->side[0].core;
    api.n_cores = 1; /* descriptors of all sides are told apart by who uses them */
    __atomic_store_n(&api.state, API_RUNNING, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++) {
        p->side[i].s = new_stack(number, i, gro, conns);
        if (api_core_init(&p->side[i].core, p->side[i].s) != 0)
            die("api_core_init");
        jc.ind_pool[i] = p->side[i].s->pools.ind;
        jc.hdr_pool[i] = wire == WIRE_LARGE ? NULL : p->side[i].s->pools.hdr; /* headers that may be written to */
        jc.copy_pool[i] = wire == WIRE_COPY || wire == WIRE_FLAT ? p->side[i].s->pools.rx : NULL;
        jc.linear_pool[i] = wire == WIRE_FLAT ? p->side[i].s->pools.rx : NULL;
    }
    if (port_mem_join(&jc, port) != 0)
        die("port_mem_join");
    for (int i = 0; i < 2; i++) {
        p->side[i].port = port[i];
        if (number == 0)
            time_port(port[i], &timed[i]);
        start_side(&p->side[i], i, conns);
    }
    p->stamp_cycles = stamp_cost();
}

void pair_start(struct pair *p, uint16_t mtu, enum pair_wire wire, bool gro, uint32_t conns)
{
    pair_eal(NULL);
    pair_make(p, 0, mtu, wire, gro, conns);
}

void pair_enter(struct side *e)
{
    api_core_own(&e->core);
}

static unsigned turn(struct side *e)
{
    struct z_stack *s = e->s;
    unsigned n;

    pair_enter(e);
    e->core.in_turn = true;
    n = stack_input(s, port_clock_ns());
    n += zc_return_run(&e->core);
    n += mailbox_run(&e->core);
    e->core.in_turn = false;
    s->in_app = true;
    e->app(e);
    s->in_app = false;
    return n + stack_output(s, port_clock_ns());
}

/* A datagram socket of the kernel's that is its own peer. */
static int kernel_socket(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *to = (struct sockaddr *)(void *)&a;
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, to, len) < 0 || getsockname(fd, to, &len) < 0 || connect(fd, to, len) < 0)
        die("no datagram socket on the loopback interface");
    return fd;
}

/* Through the kernel's network and back, as a driver that sends and receives by system calls goes there between two turns. */
static void call_kernel(void)
{
    static int fd = -1;
    char datagram[100] = "";

    if (fd < 0)
        fd = kernel_socket();
    if (send(fd, datagram, sizeof(datagram), 0) < 0 || recv(fd, datagram, sizeof(datagram), 0) < 0)
        die("a datagram to ourselves");
}

/* The same with time stamps: PHASE_PORT is counted by timed_rx and timed_tx, within the others. */
static unsigned turn_split(struct side *e, struct timed_ops *t, uint64_t stamp, unsigned kernel_calls)
{
    struct z_stack *s = e->s;
    uint64_t at[4], in_port[2], calls[2];
    unsigned n;

    for (unsigned i = 0; i < kernel_calls; i++)
        call_kernel();
    pair_enter(e);
    e->port->ops = &t->ops;
    t->cycles = t->calls = 0;
    at[0] = cycles_now();
    e->core.in_turn = true;
    n = stack_input(s, port_clock_ns());
    n += zc_return_run(&e->core);
    n += mailbox_run(&e->core);
    e->core.in_turn = false;
    at[1] = cycles_now();
    in_port[0] = t->cycles;
    calls[0] = t->calls;
    s->in_app = true;
    e->app(e);
    s->in_app = false;
    at[2] = cycles_now();
    n += stack_output(s, port_clock_ns());
    at[3] = cycles_now();
    in_port[1] = t->cycles - in_port[0];
    calls[1] = t->calls - calls[0];
    e->port->ops = &t->real;
    e->cycles[PHASE_INPUT] += (int64_t)(at[1] - at[0] - in_port[0] - (calls[0] + 1) * stamp);
    e->cycles[PHASE_APP] += (int64_t)(at[2] - at[1] - stamp);
    e->cycles[PHASE_OUTPUT] += (int64_t)(at[3] - at[2] - in_port[1] - (calls[1] + 1) * stamp);
    e->cycles[PHASE_PORT] += (int64_t)(t->cycles - t->calls * stamp);
    return n;
}

unsigned pair_turn(struct pair *p)
{
    unsigned n = 0;

    for (int i = 0; i < 2; i++)
        n += p->split ? turn_split(&p->side[i], &timed[i], p->stamp_cycles, p->kernel_calls) : turn(&p->side[i]);
    return n;
}

void pair_settle(struct pair *p)
{
    unsigned idle = 0;

    while (idle < 100)
        idle = pair_turn(p) == 0 ? idle + 1 : 0;
}

void pair_split(struct pair *p, bool on)
{
    p->split = on;
    for (int i = 0; i < 2; i++)
        memset(p->side[i].cycles, 0, sizeof(p->side[i].cycles));
}
