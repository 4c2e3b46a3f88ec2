/* One stack: everything that one polling core owns. Stacks share nothing. */
#ifndef CORE_STACK_H
#define CORE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/counters.h"
#include "base/flowhash.h"
#include "base/rng.h"
#include "base/trace.h"
#include "base/wheel.h"
#include "core/stack_conf.h"
#include "link/netif.h"
#include "pkt/pkt.h"
#include "port/steer.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* Kinds of wheel nodes: which struct a timer is part of. */
enum timer_kind {
    TIMER_TCP,
    TIMER_NEIGH,
    TIMER_KEVENT,
    TIMER_ROUTE,
    TIMER_FRAG,
    TIMER_TW,
    TIMER_PMTU,
    TIMER_ND,
    TIMER_MCAST,
    TIMER_SYN,
    TIMER_ACD,
};

#define LOOPBACK_SLOTS 256u

struct z_stack {
    uint64_t now_ns;
    uint64_t heard_ns;       /* of the last stack_input: what had come in until then has been seen */
    uint64_t wall_offset_ns; /* time since the epoch minus now_ns, from the owner of the clock; 0 under virtual time */
    struct stack_conf conf;
    struct counters ctr;
    struct pkt_pools pools;
    struct arena arena;
    struct wheel wheel;
    struct rng rng;
    uint16_t index;                       /* of this process's stacks */
    uint16_t member;                      /* of those that share steer */
    struct steer *steer;                  /* what the stacks behind the same devices share; NULL: alone */
    uint8_t hash_key[16], secret_key[16]; /* tables; initial sequence numbers and ports */
    struct flow_key flow_key;             /* connection table */

    uint16_t n_netifs;
    struct netif *netif[STACK_MAX_NETIFS];
    struct neigh_table *neigh;  /* src/link/neigh.h */
    struct route_table *routes; /* src/ip/route.h */
    struct nd_state *nd;        /* src/ip/nd_state.h */
    struct mcast_state *mcast;  /* src/ip/mcast_state.h */
    struct ip_state *ip;        /* src/ip/ip_state.h: identification, rate limits, loopback queue */
    struct udp_state udp;
    struct tcp_state tcp;
    struct sock_table *socks; /* src/sock/fdtab.h */

    struct release_queue *releases; /* src/buf/wrap.h: callbacks of z_wrap buffers that are due */
    bool in_poll, in_app;           /* guards: a re-entered poll; inside the ff_run callback */
    struct trace trace;
};

/*
 * A stack without interfaces at time now. name: prefix of its pools, unique in the process. NULL and *err (-errno)
 * when memory cannot be had.
 */
struct z_stack *stack_create(const struct stack_conf *conf, const char *name, uint64_t now_ns, int *err);

/* Frees everything, whatever the state of its connections; ports are closed. */
void stack_destroy(struct z_stack *s);
void stack_drop_unsent(struct z_stack *s); /* frames that no device took are given up */

/* Adds an interface on a port; addresses are added with stack_add_addr. Returns it, or NULL when the table is full. */
struct netif *stack_add_netif(struct z_stack *s, struct port *p, const char *name);

/*
 * Adds the VLAN vid (1 to VLAN_VID_MAX) of a port as an interface of its own: other addresses, neighbours and routes, the same device.
 * NULL when the table is full, or the port has it already.
 */
struct netif *stack_add_vlan(struct z_stack *s, struct netif *parent, uint16_t vid, const char *name);

/* Adds an address (host order) and the route of its subnet; -EEXIST, -ENOSPC. broadcast 0: computed from the mask. */
int stack_add_addr(struct z_stack *s, struct netif *nif, uint32_t addr, uint32_t mask, uint32_t broadcast);

/* The same for IPv6, which it starts here with IPV6_ASKED; a link-local address gets its zone here. -EINVAL, -EOPNOTSUPP (IPV6_OFF) too. */
int stack_add_addr6(struct z_stack *s, struct netif *nif, const struct inaddr *addr, uint8_t plen);

/* Adds a static route through nif, on the link when gateway is any; zones as above. As ip_route_set. */
int stack_add_route(struct z_stack *s, struct netif *nif, const struct inaddr *prefix, uint8_t plen, const struct inaddr *gateway,
                    uint32_t metric);

/* Adds a default route. */
int stack_set_gateway(struct z_stack *s, struct netif *nif, uint32_t gateway);

/*
 * The two halves of a turn of the loop, at time now (which never goes back): input = receive bursts, input processing,
 * release callbacks; output = timers, pending TCP output, transmit bursts. Between them the application runs. Return the
 * number of packets moved.
 */
unsigned stack_input(struct z_stack *s, uint64_t now_ns);
unsigned stack_output(struct z_stack *s, uint64_t now_ns);

/* Hands queued frames to the ports now, at most so many; what their rings do not take stays. Returns how many went. */
unsigned stack_flush(struct z_stack *s);

/* The time by which stack_output must be called again though no packet arrives; NS_NEVER when there is none. */
uint64_t stack_next_deadline(const struct z_stack *s);

/* Memory of received buffers in the application's hands. */
static inline uint64_t stack_loan_bytes(const struct z_stack *s)
{
    return s->tcp.loan_bytes + s->udp.loan_bytes;
}

/* Of several stacks of a host one speaks for it: answers for its addresses, tests and defends them. */
static inline bool stack_speaks(const struct z_stack *s)
{
    return likely(s->steer == NULL) || steer_speaks(s->steer, s->member);
}

static inline void stack_count(struct z_stack *s, enum ctr c)
{
    s->ctr.v[c]++;
}

#endif
