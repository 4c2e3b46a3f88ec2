/*
 * A host of three stacks behind one port, each with sockets of its own, and a client. The stacks' applications accept what comes to their
 * listeners, and echo.
 */
#ifndef TESTS_SIM_CORES_NET_H
#define TESTS_SIM_CORES_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "sim_conn.h"
#include "sim_cores.h"

#define CORES 3u
#define CONNS 60u
#define PORT 80u

struct end {
    struct sock *sk;
    int fd;
};

/* What the application of one core has. */
struct served {
    struct sim_stack *ss;
    struct end listener; /* sk NULL: closed */
    uint32_t n;
    struct end conn[CONNS];
};

struct net {
    struct sim *sim;
    struct sim_stack *client;
    struct sim_host *host;
    struct served served[CORES];
    struct end conn[CONNS]; /* of the client */
};

/* Of a group of tests. */
int net_setup(void **state);

/* What of the configuration a test wants otherwise, while it creates; may be NULL. */
extern void (*net_tune)(struct stack_conf *c);

void net_create(struct net *w, uint64_t delay_ns);

/* procs: processes, of which the first alone is there. */
void net_create_of(struct net *w, uint64_t delay_ns, bool procs);

/* Closes all, and wants everything back. */
void net_destroy(struct net *w);

void close_end(struct sim_stack *ss, struct end *e);
void listen_on(struct net *w, unsigned core);
void stop_listening(struct net *w, unsigned core);

/* The client's connections from, from + 1, ... to - 1 begin; slowly: two in a millisecond. */
void connect_some(struct net *w, uint32_t from, uint32_t to);
void connect_slowly(struct net *w, uint32_t from, uint32_t to);

/* The client accepts. NULL: there is nothing to be accepted. */
struct sock *accept_at(struct net *w, struct sock *listener, struct end *e);

/* Of the host: a counter, and accepted connections. */
uint64_t sum(const struct net *w, enum ctr c);
uint32_t accepted(const struct net *w);

/* The client's first n connections are open, and are echoed. */
void all_echo(struct net *w, uint32_t n);

#endif
