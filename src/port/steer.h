/*
 * Several stacks behind the same devices: each flow belongs to one of them, by the Toeplitz hash of its addresses and ports through an
 * indirection table, in hardware where the device can, else here.
 *
 *     device queue --> steer port of stack 0 --+--> its own frames
 *                                              +--> queue of stack 1 --> steer port of stack 1
 *
 * A device has a queue pair for each stack, or fewer: then those who share one poll it in turns, whoever comes first, and give away what
 * is not theirs. What is of no single flow (flow.h) goes to all stacks by reference.
 *
 * struct steer is what the stacks share, apart from the frames themselves. It is written when stacks come and go and when sockets listen;
 * received packets only read it. All of it may be used from any thread.
 *
 * The stacks are threads of one process, or a process each. Processes come, go, and die at any instruction: nothing that they share may
 * then be left locked. So each has a queue of its own to every other one, the first alone polls what serves one process only, and the
 * table changes in two steps: it is announced, everybody claims the flows that it has and that will arrive elsewhere, then it is valid.
 */
#ifndef PORT_STEER_H
#define PORT_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"
#include "base/toeplitz.h"
#include "port/port.h"

#define STEER_MAX 64u   /* stacks */
#define STEER_RETA 128u /* entries of the indirection table */

enum steer_proto { STEER_TCP, STEER_UDP, STEER_PROTOS };

/* What one stack tells another. Sent through a queue that the receiver reads every turn; lost when that is full. */
enum steer_msg_kind {
    STEER_CLAIM,   /* the flow is the sender's, though its hash says that it is yours: forward its packets */
    STEER_RELEASE, /* no more */
    STEER_SYN,     /* a listener has closed: this request of its SYN cache is for yours */
};

struct steer_msg {
    uint16_t kind, from;
    uint16_t lport, rport;
    struct inaddr laddr, raddr;
    uint8_t body[88]; /* of STEER_SYN */
};

struct steer;

/* For n stacks. name: unique among DPDK's memory zones. symmetric: both directions of a flow have the same hash. NULL: no memory. */
struct steer *steer_create(const char *name, unsigned n, bool symmetric);

/* For n processes, of which the first is there; the others join. */
struct steer *steer_create_procs(const char *name, unsigned n, bool symmetric);
void steer_set_secret(struct steer *g, const uint8_t secret[32]); /* before the stacks are made; else from the system */
void steer_free(struct steer *g);

unsigned steer_count(const struct steer *g);

/* 32 bytes that nobody else knows, the same for all stacks. */
const uint8_t *steer_secret(const struct steer *g);

/* The key that devices are to be given, TOEPLITZ_KEY_BYTES; and the stack for a hash. */
const uint8_t *steer_key(const struct steer *g);
unsigned steer_of_hash(const struct steer *g, uint32_t hash);

/* The stack that packets from raddr and rport to laddr and lport are received by. */
unsigned steer_home(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport);

/* Entry i of the indirection table, for devices. */
unsigned steer_reta(const struct steer *g, unsigned i);

bool steer_is_alive(const struct steer *g, unsigned member);

/* A stack ends: its entries of the table go to the others, at once. Devices are not told here. */
void steer_leave(struct steer *g, unsigned member);

/* steer_proc.c: what processes need beside */

/* The first says that its devices are open; another one finds what it has made, or NULL as long as they are not. */
void steer_open(struct steer *g);
struct steer *steer_find(const char *name);

/*
 * A process takes its number, which nobody else has (procs.h), before it opens its ports, and leaves it at its end. Whoever does not leave
 * has died: *died for the next one, unless somebody has seen it before (steer_seat_bury: true when there was somebody to bury). Returns how
 * often that has been so.
 */
uint32_t steer_seat_take(struct steer *g, unsigned member, bool *died);
void steer_seat_leave(struct steer *g, unsigned member);
bool steer_seat_is_taken(const struct steer *g, unsigned member);
bool steer_seat_bury(struct steer *g, unsigned member);

/* A process's counters as the others see them, from time to time. */
void steer_show_counters(struct steer *g, unsigned member, const struct counters *ctr);
const struct counters *steer_counters_of(const struct steer *g, unsigned member);

/* steer_change.c: the table follows those who live */

/* Of processes: the stack is there, and gone (the call may be another's). What is to come to it changes with steer_change(). */
void steer_join(struct steer *g, unsigned member);
void steer_retire(struct steer *g, unsigned member);

/* Called by one of the stacks now and then: announces a new table, or makes it valid when all have agreed. True: it is valid from now on.
 */
bool steer_change(struct steer *g, uint64_t now_ns);

/* The table that is announced (or valid), as a number; the home of a flow by it; and that a stack has claimed what it must for it. */
uint32_t steer_announced(const struct steer *g);
bool steer_is_changing(const struct steer *g); /* it is not valid yet */
unsigned steer_home_next(const struct steer *g, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport);
void steer_agree(struct steer *g, unsigned member, uint32_t announced);

/* One of the stacks speaks for the host: it answers for its addresses and tests them. */
bool steer_speaks(const struct steer *g, unsigned member);

/* Which stacks have a socket for packets to this port that come from anybody. */
void steer_listen(struct steer *g, unsigned member, enum steer_proto proto, uint16_t port, bool on);

bool steer_listens(const struct steer *g, unsigned member, enum steer_proto proto, uint16_t port);
bool steer_is_listened(const struct steer *g, enum steer_proto proto, uint16_t port); /* by any */

/*
 * A packet of this flow has no socket at stack me: who is to be asked next? The flow's home asks first, then each of those with a socket
 * on the port once, in an order that depends on the flow. -1: nobody is left.
 */
int steer_next(const struct steer *g, unsigned me, enum steer_proto proto, const struct inaddr *laddr, const struct inaddr *raddr,
               uint16_t lport, uint16_t rport);

/* The stack that a new flow to this port goes to: its home when that has a socket, else the first that is asked. -1: nobody. */
int steer_taker(const struct steer *g, enum steer_proto proto, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport,
                uint16_t rport);

/* false: lost, the other's queue is full or it has ended. */
bool steer_tell(struct steer *g, unsigned to, const struct steer_msg *msg);
bool steer_hear(struct steer *g, unsigned me, struct steer_msg *msg); /* false: there is nothing more */
bool steer_has_news(const struct steer *g, unsigned me);

/* A device whose queue pairs are n_q ports of their own (closed with the last steer port), for all stacks of g. NULL: no memory. */
struct steer_dev;
struct steer_dev *steer_dev_create(struct steer *g, const char *name, struct port *const q[], unsigned n_q, uint32_t queue_frames);

/* The same device in another process, where own is the queue pair of that process, or NULL. NULL: there is none of that name, or no memory.
 */
struct steer_dev *steer_dev_find(struct steer *g, const char *name, unsigned member, struct port *own);

/* What is known of a device that another process has opened, to make a port for a queue pair of it; how many there are. */
const struct port *steer_dev_face(const char *name, unsigned *n_q);

/* The device as stack member sees it. ind_pool: mbufs for references. Its port_ops.hand_over gives a frame to another stack. */
struct port *steer_port_open(struct steer_dev *d, unsigned member, struct rte_mempool *ind_pool);

/* Frees the frames that wait for a process that has died, whose number nobody takes meanwhile. */
void steer_port_clear(struct port *p, unsigned member);

#endif
