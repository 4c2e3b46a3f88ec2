/* Single connections between simulated stacks, for tests that drive them by hand. */
#ifndef TESTS_LIB_SIM_CONN_H
#define TESTS_LIB_SIM_CONN_H

#include "sim_stack.h"
#include "sock/sock.h"

struct udp_pcb;

#define SIM_ADDR_A 0x0a000001u
#define SIM_ADDR_B 0x0a000002u

/* A socket with its connection block; aborts without memory. */
struct sock *sim_sock(struct sim_stack *ss, int *fd);

struct sock *sim_listen(struct sim_stack *ss, uint16_t port, int backlog, int *fd);
struct sock *sim_connect(struct sim_stack *ss, uint32_t addr, uint16_t port, int *fd);

/* NULL: nothing to accept. */
struct sock *sim_accept(struct sim_stack *ss, struct sock *listener, int *fd);

/* A UDP socket, bound to the port unless that is 0; aborts where it cannot be. */
struct udp_pcb *sim_udp(struct sim_stack *ss, uint16_t port);

/* One connection from p->a to p->b, established on both sides; the listener is closed again. */
struct sim_conn {
    struct sock *a, *b;
    int fd_a, fd_b;
};

bool sim_conn_open(struct sim_pair *p, struct sim_conn *c, uint16_t port);

/* Closes what is open of n connections (NULL: closed already), lets TIME-WAIT pass and asks for everything back. */
bool sim_conn_close(struct sim_pair *p, struct sim_conn *c, uint32_t n);

#endif
