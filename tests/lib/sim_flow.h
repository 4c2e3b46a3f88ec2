/*
 * Byte streams between simulated stacks: a flow writes a pattern that every byte's place determines, through the copying or
 * the zero-copy calls, and checks what it reads by content. Both directions at once, orderly close at the end.
 */
#ifndef TESTS_LIB_SIM_FLOW_H
#define TESTS_LIB_SIM_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "sim_stack.h"

enum flow_mode { FLOW_COPY, FLOW_REF, FLOW_WRAP, FLOW_MIXED };

struct flow_end {
    struct sim_stack *ss;
    struct sock *sk;
    int fd; /* -1: none yet */
    uint64_t to_send, sent, to_recv, received;
    uint32_t salt_out, salt_in;
    enum flow_mode write_mode, read_mode;
    uint32_t max_write, max_read;
    uint64_t releases_due; /* wrapped buffers not released yet */
    bool shut, eof, closed, failed;
    int error;
    struct rng rng;
};

struct flow {
    struct flow_end client, server;
};

struct flow_net {
    struct sim_pair pair;
    int listen_fd;
    struct sock *listener;
    uint32_t n, n_accepted;
    struct flow *flow;
};

/* n flows from pair.a to pair.b's port 80, bytes_a from client to server and bytes_b back. The pair exists already. */
bool flow_net_start(struct flow_net *fn, uint32_t n, uint64_t bytes_a, uint64_t bytes_b, enum flow_mode mode, uint32_t max_io, uint64_t seed);

/* All flows are finished on both sides, or one has failed. */
bool flow_net_done(void *fn);
bool flow_net_failed(const struct flow_net *fn);

/* Closes what is left. */
void flow_net_stop(struct flow_net *fn);

uint8_t flow_byte(uint32_t salt, uint64_t at);

#endif
