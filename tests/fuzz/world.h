/*
 * A whole stack for a fuzzer, 10.0.0.1 on a port of its own, and a peer 10.0.0.2 that the fuzzer plays. The stack lives as long
 * as the process: world_reset() ends what an input has left and proves that everything was given back.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/stack.h"
#include "sock/sock.h"
#include "wire/tcp_hdr.h"

#define WORLD_US 0x0a000001u
#define WORLD_PEER 0x0a000002u
/* While world_up6 holds. */
#define WORLD_US6 ((struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}})
#define WORLD_PEER6 ((struct inaddr){.b = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}})
#define WORLD_FRAME_MAX 2048u
#define WORLD_RX_MAX 64u

/* How a frame comes in: memory of exactly its size, or receive buffers of seg bytes each (0: as large as they are). */
struct world_rx {
    bool exact;
    uint32_t seg;
};

struct world {
    struct z_stack *s;
    struct netif *nif;
    struct port port;
    struct rte_mbuf *rx[WORLD_RX_MAX];
    unsigned n_rx;
    unsigned n_tx; /* frames sent in this turn */
    bool answer; /* the peer answers who asks for its link address */
    void (*sent)(void *arg, const uint8_t *frame, uint32_t len); /* every frame that leaves, checked for its checksums */
    void *arg;
    size_t arena_bytes; /* used when nothing is open */
};

/* The process's world; made at the first call. */
struct world *world_get(void);

/* For tests that end cleanly. */
void world_end(void);

/* A frame arrives with the next turn; false when the port's ring or the pool is full. */
bool world_frame(struct world *w, struct world_rx how, const uint8_t *frame, uint32_t len);

/* The peer's TCP segment: checksums right. opts: opt_len bytes, a multiple of 4. */
struct world_tcp {
    struct tcp_hdr h;
    const uint8_t *opts;
    uint32_t opt_len;
    const uint8_t *payload;
    uint32_t len;
    bool ip6;
};
bool world_segment(struct world *w, struct world_rx how, const struct world_tcp *t);

/* Puts right the checksums of an IPv4 or IPv6 frame, as far as it is one. */
void world_fix_cksum(uint8_t *frame, uint32_t len, bool ip, bool l4);

/* One turn of the loop after ns have passed. */
void world_turn(struct world *w, uint64_t ns);

/* The peer tells its link address. */
void world_hello(struct world *w);

/* TCP socket, listening on port: of both families while IPv6 is up. */
int world_listen(struct world *w, uint16_t port, struct sock **sk);

/* The SYN cache's only entry: NULL when its SYN was not taken. */
const struct tcp_synent *world_syn(const struct world *w);

/* With every descriptor closed: lets time pass until no connection is left. */
void world_quiet(struct world *w);

/* world6.c: IPv6 is spoken from up to down, which comes between world_quiet and world_reset. */
void world_up6(struct world *w);
void world_down6(struct world *w);
void world_fix_cksum6(uint8_t *p, uint32_t len);         /* of a packet: the IPv6 header first */
void world_check_sent6(const uint8_t *p, uint32_t len);  /* stops on a malformed packet */
void world_nd_answer(struct world *w, const uint8_t *p, uint32_t len); /* the peer answers a neighbour solicitation for it */

/* With every descriptor closed: lets time pass until all is quiet, then wants every buffer and all memory back. */
void world_reset(struct world *w);

/* The fuzzer's input, read from the front; zeroes behind its end. */
struct input {
    const uint8_t *p;
    size_t n;
};

static inline uint8_t in_u8(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->p++;
}

static inline uint16_t in_u16(struct input *in)
{
    uint32_t hi = in_u8(in);

    return (uint16_t)(hi << 8 | in_u8(in));
}

static inline uint32_t in_u32(struct input *in)
{
    uint32_t hi = in_u16(in);

    return hi << 16 | in_u16(in);
}

#endif
