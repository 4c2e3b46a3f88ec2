#include "port/eal.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_pci.h>

#include "base/units.h"

#define EAL_MAX_ARGS 128
#define REMEDY_MB 1024ul /* of hugepages, where no memory= says how many */

static bool eal_started;

bool port_devarg(const char *args, const char *key, char *value, size_t value_bytes)
{
    size_t key_len = strlen(key);

    while (args != NULL && *args != '\0') {
        size_t len = strcspn(args, ",");

        if (len > key_len && strncmp(args, key, key_len) == 0 && args[key_len] == '=') {
            size_t n = len - key_len - 1;

            if (n >= value_bytes)
                return false;
            memcpy(value, args + key_len + 1, n);
            value[n] = '\0';
            return true;
        }
        args += len;
        if (*args == ',')
            args++;
    }
    return false;
}

static bool has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], flag) == 0)
            return true;
    return false;
}

/* Pages of every size that this machine has left. */
static unsigned long free_hugepages(void)
{
    unsigned long sum = 0;
    glob_t g;

    if (glob("/sys/kernel/mm/hugepages/hugepages-*/free_hugepages", 0, NULL, &g) != 0)
        return 0;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        FILE *f = fopen(g.gl_pathv[i], "r");
        unsigned long n = 0;

        if (f != NULL && fscanf(f, "%lu", &n) == 1)
            sum += n;
        if (f != NULL)
            fclose(f);
    }
    globfree(&g);
    return sum;
}

struct hugepages {
    unsigned long total, free, kb; /* of the default size, which sysctl vm.nr_hugepages is about */
};

static struct hugepages default_hugepages(void)
{
    struct hugepages h = {.kb = 2 * KIB};
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        (void)sscanf(line, "HugePages_Total: %lu", &h.total);
        (void)sscanf(line, "HugePages_Free: %lu", &h.free);
        (void)sscanf(line, "Hugepagesize: %lu", &h.kb);
    }
    if (f != NULL)
        fclose(f);
    return h;
}

/* What others use stays theirs; where as many as that are there and it was not enough, as many more. */
static unsigned long hugepages_wanted(int argc, char **argv)
{
    struct hugepages h = default_hugepages();
    unsigned long mb = REMEDY_MB, need, want;

    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "-m") == 0)
            mb = strtoul(argv[i + 1], NULL, 10);
    h.kb = MAX(h.kb, 1ul);
    need = (mb * KIB + h.kb - 1) / h.kb;
    want = h.total - MIN(h.free, h.total) + need;
    return want > h.total ? want : h.total + need;
}

/* The i-th argument's virtual device, if it is one: its name, and its own arguments. Moves *i over "--vdev" "device". */
static bool vdev_at(int argc, char **argv, int *i, char name[64], const char **args)
{
    const char *spec;
    size_t len;

    if (strncmp(argv[*i], "--vdev=", 7) == 0)
        spec = argv[*i] + 7;
    else if (strcmp(argv[*i], "--vdev") == 0 && *i + 1 < argc)
        spec = argv[++*i];
    else
        return false;
    len = MIN(strcspn(spec, ","), 63u);
    memcpy(name, spec, len);
    name[len] = '\0';
    *args = strchr(spec, ',');
    *args = *args != NULL ? *args + 1 : "";
    return true;
}

/* EAL stops at a device that no driver takes, and does not say at which. */
static bool explain_unknown_vdev(int argc, char **argv, char *err, size_t n)
{
    const char *args;
    size_t len = 0;
    char name[64];

    for (int i = 1; i < argc && len < n; i++)
        if (vdev_at(argc, argv, &i, name, &args))
            len += (size_t)snprintf(err + len, n - len, "%s%s", len == 0 ? "device " : " or ", name);
    if (len == 0)
        return false;
    if (len < n)
        snprintf(err + len, n - len, " could not be created: DPDK has no driver for it; check the name in devargs=");
    return true;
}

/* The i-th argument's device, if it is one that EAL is allowed to look at. Moves *i over "--allow" "device". */
static bool allow_at(int argc, char **argv, int *i, char name[64])
{
    const char *spec;

    if (strncmp(argv[*i], "--allow=", 8) == 0)
        spec = argv[*i] + 8;
    else if ((strcmp(argv[*i], "--allow") == 0 || strcmp(argv[*i], "-a") == 0) && *i + 1 < argc)
        spec = argv[++*i];
    else
        return false;
    snprintf(name, 64, "%.*s", (int)strcspn(spec, ","), spec);
    return true;
}

/* No bus of EAL's takes this for the name of a device; PCI addresses have been looked at before it started. */
static bool explain_unknown_allow(int argc, char **argv, char *err, size_t n)
{
    struct rte_pci_addr addr;
    char name[64];

    for (int i = 1; i < argc; i++) {
        if (!allow_at(argc, argv, &i, name) || rte_pci_addr_parse(name, &addr) == 0)
            continue;
        snprintf(err, n,
                 "allow=%s: no bus has a device of such a name: expected an address like 0000:03:00.0, as dpdk-devbind.py --status lists",
                 name);
        return true;
    }
    return false;
}

/* Below which EAL makes its directory. */
static const char *runtime_base(void)
{
    const char *given = getenv("RUNTIME_DIRECTORY"), *own = getenv("XDG_RUNTIME_DIR");

    if (given != NULL)
        return given;
    if (getuid() == 0)
        return "/var/run";
    return own != NULL ? own : "/tmp";
}

/* Not where the directory is another user's, as root's is for root in a user namespace, or cannot be made. */
static bool runtime_dir_usable(void)
{
    char dir[PATH_MAX];

    snprintf(dir, sizeof(dir), "%s/dpdk", runtime_base());
    return access(access(dir, F_OK) == 0 ? dir : runtime_base(), W_OK | X_OK) == 0;
}

/* It shares nothing with other processes. */
static bool is_alone(int argc, char **argv)
{
    return has_flag(argc, argv, "--in-memory") || has_flag(argc, argv, "--no-shconf");
}

static void explain_failure(int argc, char **argv, int error, char *err, size_t n)
{
    bool huge = !has_flag(argc, argv, "--no-huge"), alone = is_alone(argc, argv);
    char remedy[96];

    snprintf(remedy, sizeof(remedy), "set no_huge=1 in config.ini or run sysctl vm.nr_hugepages=%lu", hugepages_wanted(argc, argv));
    if (!alone && !runtime_dir_usable())
        snprintf(err, n,
                 "DPDK cannot write in %s/dpdk, where its processes meet: run as the user whose directory it is, set RUNTIME_DIRECTORY "
                 "to one of your own, or leave out file_prefix= and lcore_mask's other cores",
                 runtime_base());
    else if (has_flag(argc, argv, "--proc-type=secondary"))
        snprintf(
            err, n,
            "DPDK could not join the primary process: start the one with --proc-type=primary first, with the same config.ini and program; "
            "see its message above");
    else if (!alone && rte_eal_primary_proc_alive(NULL) != 0)
        snprintf(
            err, n,
            "another process is the primary one of this file_prefix already: give this one another file_prefix= in config.ini, or start "
            "it with --proc-type=secondary if it is one more core of the same program");
    else if (error == EALREADY)
        snprintf(err, n, "DPDK was started before in this process by somebody else: start it through ff_init only");
    else if (error == EINVAL)
        snprintf(err, n, "DPDK refuses its arguments (lcore_mask, memory, vdevs or extra_eal_args in config.ini): see its message above");
    else if (error == ENODEV && (explain_unknown_vdev(argc, argv, err, n) || explain_unknown_allow(argc, argv, err, n)))
        return;
    else if (error == ENOTSUP && !huge)
        snprintf(err, n, "DPDK could not start: this processor or kernel lacks what it needs; see its message above");
    else if (huge && free_hugepages() == 0)
        snprintf(err, n, "no free hugepages: %s", remedy);
    else if (error == EACCES || error == EPERM || geteuid() != 0)
        snprintf(err, n, "no permission to start DPDK%s: run as root%s", huge ? " with hugepages" : "",
                 huge ? ", or set no_huge=1 in config.ini" : "");
    else if (error == ENOMEM)
        snprintf(err, n, "not enough %s for DPDK: lower memory= in config.ini%s%s", huge ? "hugepages" : "memory", huge ? ", or " : "",
                 huge ? remedy : "");
    else if (huge)
        snprintf(err, n, "DPDK could not start (%s): see its message above; if it is about hugepages, %s", rte_strerror(error), remedy);
    else
        snprintf(err, n, "DPDK could not start (%s): see its message above", rte_strerror(error));
}

static unsigned long devarg_number(const char *args, const char *key, unsigned long otherwise)
{
    char value[16];

    return port_devarg(args, key, value, sizeof(value)) ? strtoul(value, NULL, 10) : otherwise;
}

/* What af_packet locks: a receive and a transmit ring per queue pair. */
static unsigned long rings_bytes(const char *args)
{
    return 2 * devarg_number(args, "framesz", 2048) * devarg_number(args, "framecnt", 512) * devarg_number(args, "qpairs", 1);
}

static unsigned long locked_limit(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_MEMLOCK, &r) == 0 ? r.rlim_cur : RLIM_INFINITY;
}

static void explain_vdev(const char *name, const char *args, char *err, size_t n)
{
    char iface[64];

    bool on_interface = strncmp(name, "net_af_", 7) == 0 || strncmp(name, "net_pcap", 8) == 0; /* iface= is a path elsewhere */

    if (on_interface && port_devarg(args, "iface", iface, sizeof(iface)) && if_nametoindex(iface) == 0)
        snprintf(err, n, "device %s could not be created: there is no network interface \"%s\" here", name, iface);
    else if (strncmp(name, "net_af_packet", 13) == 0 && rings_bytes(args) > locked_limit())
        snprintf(err, n,
                 "device %s could not be created: its rings need %lu KB of locked memory, but the limit (ulimit -l) is %lu KB: raise it "
                 "or give the device a smaller framecnt= in devargs=",
                 name, rings_bytes(args) / KIB, locked_limit() / KIB);
    else if (geteuid() != 0)
        snprintf(err, n, "device %s could not be created: it probably needs root (or CAP_NET_RAW and CAP_NET_ADMIN)", name);
    else
        snprintf(err, n,
                 "device %s could not be created from \"%s\": check the driver's name and arguments in devargs= "
                 "and DPDK's message above",
                 name, args);
}

/* EAL starts also when a virtual device that was asked for could not be made. */
static int check_vdevs(int argc, char **argv, char *err, size_t n)
{
    const char *args;
    char name[64];
    uint16_t id;

    for (int i = 1; i < argc; i++) {
        if (!vdev_at(argc, argv, &i, name, &args) || (strncmp(name, "net_", 4) != 0 && strncmp(name, "eth_", 4) != 0))
            continue;
        if (rte_eth_dev_get_port_by_name(name, &id) != 0) {
            explain_vdev(name, args, err, n);
            return -ENODEV;
        }
    }
    return 0;
}

static void ignore_sigpipe(void)
{
    struct sigaction sa;

    if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

/* EAL answers a core that is not there with its whole list of options. */
static int check_core(int argc, char **argv, char *err, size_t n)
{
    long cores = sysconf(_SC_NPROCESSORS_CONF);
    unsigned long long mask;

    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "-c") != 0)
            continue;
        mask = strtoull(argv[i + 1], NULL, 16);
        if (mask != 0 && cores > 0 && 63 - __builtin_clzll(mask) >= cores) {
            snprintf(err, n, "[dpdk] lcore_mask asks for core %d, but this machine has %ld (0 to %ld): lcore_mask=1 is core 0",
                     63 - __builtin_clzll(mask), cores, cores - 1);
            return -EINVAL;
        }
    }
    return 0;
}

/* EAL says nothing of a device that is not there. */
static int check_allow(int argc, char **argv, char *err, size_t n)
{
    for (int i = 1; i < argc; i++) {
        char name[64], path[96];
        struct rte_pci_addr addr;

        if (!allow_at(argc, argv, &i, name) || rte_pci_addr_parse(name, &addr) != 0)
            continue; /* of another bus */
        rte_pci_device_name(&addr, name, sizeof(name));
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
        if (access(path, F_OK) != 0) {
            snprintf(err, n, "allow=%s: there is no such PCI device here: dpdk-devbind.py --status lists those that are", name);
            return -ENODEV;
        }
    }
    return 0;
}

int port_eal_init(int argc, char **argv, char *err, size_t err_bytes)
{
    static char no_telemetry[] = "--no-telemetry";
    char *args[EAL_MAX_ARGS + 2];
    cpu_set_t cpus;
    int error, n;

    if (eal_started) {
        snprintf(err, err_bytes, "DPDK has been started already: one ff_init per process");
        return -EALREADY;
    }
    if (argc < 1 || argc > EAL_MAX_ARGS) {
        snprintf(err, err_bytes, "%d arguments for DPDK: 1 to %d are possible", argc, EAL_MAX_ARGS);
        return -E2BIG;
    }
    error = check_core(argc, argv, err, err_bytes);
    if (error == 0)
        error = check_allow(argc, argv, err, err_bytes);
    if (error != 0)
        return error;
    memcpy(args, argv, sizeof(args[0]) * (size_t)argc); /* EAL permutes them */
    /* the socket for dpdk-telemetry.py is the one thing that a program alone has there; EAL would rather not start than do without */
    n = argc;
    if (is_alone(argc, argv) && !runtime_dir_usable())
        args[n++] = no_telemetry;
    args[n] = NULL;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    if (rte_eal_init(n, args) < 0) {
        error = rte_errno != 0 ? rte_errno : EINVAL;
        explain_failure(argc, argv, error, err, err_bytes);
        sched_setaffinity(0, sizeof(cpus), &cpus);
        return -error;
    }
    ignore_sigpipe();
    error = check_vdevs(argc, argv, err, err_bytes);
    if (error != 0) {
        rte_eal_cleanup();
        sched_setaffinity(0, sizeof(cpus), &cpus);
        return error;
    }
    eal_started = true;
    return 0;
}
