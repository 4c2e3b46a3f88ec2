/*
 * Byte streams between simulated stacks: a flow writes a pattern that every byte's place determines, through the copying or
 * the zero-copy calls, and checks what it reads by content. Both directions at once, then a close in one of several styles.
 */
#ifndef TESTS_LIB_SIM_FLOW_H
#define TESTS_LIB_SIM_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "sim_stack.h"

enum flow_mode { FLOW_COPY, FLOW_REF, FLOW_WRAP, FLOW_MIXED };

/* How a flow ends. */
enum flow_close {
    FLOW_CLOSE_EACH,   /* each side shuts down when it has sent everything, and closes at the end of file */
    FLOW_CLOSE_CLIENT, /* the client first; the server shuts down when it has read the end of file */
    FLOW_CLOSE_SERVER, /* the other way round */
    FLOW_CLOSE_BOTH,   /* when both have everything: close(2) without shutdown, at the same instant */
    FLOW_CLOSE_HALF,   /* the server begins to send when it has read the end of file */
    FLOW_CLOSE_RESET,  /* when both have everything the client resets (SO_LINGER 0) */
    FLOW_CLOSE_UNREAD, /* the client closes when it has sent everything and read half: the server sees a reset */
    FLOW_CLOSE_COUNT
};

struct flow_conf {
    uint32_t n; /* flows */
    uint64_t bytes_a, bytes_b;
    enum flow_mode mode;
    uint32_t max_io;
    uint64_t seed;
    enum flow_close close;
    uint64_t read_every_ns[2]; /* a reader that takes one piece per this time: client, server; 0: at once */
    bool may_fail;             /* an error ends an end cleanly and is no failure of the test */
};

struct flow;

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
    bool is_client, may_fail, may_reset;
    enum flow_close close;
    struct flow *flow;
    uint64_t read_every_ns, next_read_ns;
    bool starved; /* no buffer in this turn */
    int error;
    struct rng rng;
};

struct flow {
    struct flow_end client, server;
    uint16_t client_port;
};

struct flow_net {
    struct sim_pair pair;
    int listen_fd;
    struct sock *listener;
    uint32_t n, n_accepted;
    struct flow *flow;
    bool may_fail;
};

/* n flows from pair.a to pair.b's port 80, bytes_a from client to server and bytes_b back. The pair exists already. */
bool flow_net_start(struct flow_net *fn, uint32_t n, uint64_t bytes_a, uint64_t bytes_b, enum flow_mode mode, uint32_t max_io,
                    uint64_t seed);

bool flow_net_start_conf(struct flow_net *fn, const struct flow_conf *c);

/* All flows are finished on both sides, or one has failed. */
bool flow_net_done(void *fn);
bool flow_net_failed(const struct flow_net *fn);

/* Closes what is left; the stacks may still hold data. */
void flow_net_stop(struct flow_net *fn);

/* At the very end: all wrapped memory was released, and nothing has failed. Destroys the pair and frees the flows. */
bool flow_net_destroy(struct flow_net *fn);

uint8_t flow_byte(uint32_t salt, uint64_t at);

#endif
