/* config.ini: F-Stack's format and keys, ours in [zstack]. */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/idle.h"
#include "core/stack_conf.h"
#include "link/netif.h"

#define CONF_MAX_PORTS 8
#define CONF_MAX_VLANS (STACK_MAX_NETIFS - CONF_MAX_PORTS)
#define CONF_MAX_ADDRS6 (NETIF_MAX_ADDRS6 - 1) /* one is link-local */
#define CONF_MAX_ROUTES 16
#define CONF_MAX_TAP_ADDRS 8
#define CONF_MAX_VDEVS 16
#define CONF_MAX_EAL_ARGS 64
#define CONF_EAL_MASK 2 /* which argument of EAL names the cores */

struct conf_route {
    struct inaddr prefix, gateway; /* gateway any: on the link */
    uint32_t metric;
    uint8_t plen; /* as of struct route */
};

struct conf_addr6 {
    struct inaddr addr;
    uint8_t plen;
};

/* plen: as of struct route */
struct conf_tap_addr {
    struct inaddr addr;
    uint8_t plen;
};

/* An interface: a port, or a VLAN of one. */
struct conf_port {
    uint16_t port_id; /* of ethdev, unless tap */
    uint16_t vid;     /* of a VLAN */
    char tap[16];     /* the kernel's interface, of a port that is a TAP device of its own; "": it is a DPDK port */
    uint16_t n_tap_addrs;
    struct conf_tap_addr tap_addr[CONF_MAX_TAP_ADDRS]; /* of the kernel's end */
    char if_name[16];
    uint16_t n_addrs;
    struct ifaddr addr[NETIF_MAX_ADDRS]; /* addr, then vip_addr */
    uint32_t gateway;                    /* 0: none */
    uint16_t mtu;                        /* 0: 1500 */
    bool force_offload;                  /* the device does what it does not offer */
    uint16_t n_addrs6, n_routes;
    struct conf_addr6 addr6[CONF_MAX_ADDRS6];
    struct inaddr gateway6; /* any: none */
    struct conf_route route[CONF_MAX_ROUTES];
};

struct conf {
    char file[256];
    /* [dpdk] */
    uint64_t lcore_mask;
    bool no_huge, promiscuous, numa_on, vlan_strip, tx_csum_skip, rx_csum_skip, tso, lro;
    bool thread_mode; /* one process, with a stack and a thread for each core of lcore_mask */
    bool symmetric_rss;
    uint32_t idle_sleep_us;
    uint16_t n_ports;
    struct conf_port port[CONF_MAX_PORTS];
    uint16_t n_vlans;
    struct conf_port vlan[CONF_MAX_VLANS];
    bool procs;     /* a process for each core of lcore_mask: several bits, and no thread_mode */
    bool secondary; /* this is not the first of them */
    int proc_id;    /* which core is this one's, of lcore_mask; 0 of a process that is alone */
    char proc_mask[20];
    /* arguments for rte_eal_init, argv[0] included; strings belong to the conf */
    int eal_argc;
    char *eal_argv[CONF_MAX_EAL_ARGS + 2]; /* rte_eal_init reorders and replaces these pointers */
    char *eal_text;                        /* the strings, one after the other */
    /* [zstack], [freebsd.*] */
    struct stack_conf stack;
    bool poll_thread;
    uint32_t steer_queue; /* frames that wait for a core at most, of each port */
    enum idle_polling polling;
    uint32_t log_level;
    char log_prefix[256];
};

/* The stacks that share the devices: of threads or of processes. */
static inline unsigned conf_members(const struct conf *c)
{
    return (unsigned)__builtin_popcountll(c->lcore_mask);
}

/* The stacks of a process: one, or with thread_mode one for each core. */
static inline unsigned conf_stacks(const struct conf *c)
{
    return c->thread_mode ? conf_members(c) : 1;
}

/*
 * What the command line says of processes: --proc-type and --proc-id (negative: not given). 0; -1 with one sentence in err. Changes the
 * arguments for EAL.
 */
int conf_set_process(struct conf *c, const char *type, int id, char *err, size_t err_bytes);

/*
 * Reads a file. 0; -1 after one line on err_out that names file, line, key, what was found and what is expected.
 * Warnings (unknown keys, IPv6 keys, pkt_tx_delay) go to err_out as well, one line each with file and line.
 */
struct conf_out; /* where messages go */
int conf_load(struct conf *c, const char *path, const char *prog, void (*say)(void *arg, const char *line), void *arg);

/* As conf_load, from memory: the file name is only for messages. */
int conf_parse(struct conf *c, const char *text, unsigned long len, const char *name, const char *prog,
               void (*say)(void *arg, const char *line), void *arg);
void conf_free(struct conf *c);

#endif
