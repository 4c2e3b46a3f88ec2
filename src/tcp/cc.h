/*
 * Congestion control: a const struct of functions over a fixed-size state in the connection. Byte units. Pure: no clock, no connection.
 *
 * Who changes cwnd: outside recovery the algorithm (on_ack, on_ecn), and what validates it (congestion.c, RFC 7661). During recovery
 * proportional rate reduction does, from the ssthresh that on_loss has set, unless the algorithm says own_recovery.
 */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/rate.h"

#define CC_NAME_MAX 16u        /* TCP_CA_NAME_MAX of tcp(7) */
#define CC_CWND_MAX (1u << 30) /* no larger window can be advertised (RFC 7323 section 2.3) */

struct cc {
    uint32_t cwnd; /* bytes */
    bool quiet;    /* the algorithm's: of an ACK that comes while cwnd is not the limit it need not be told */
    const struct cc_ops *ops;
    uint32_t ssthresh; /* bytes */
    uint32_t smss;
    uint32_t undo_cwnd, undo_ssthresh; /* before the last on_loss or on_rto; undo_cwnd 0: nothing to undo */
    union {
        uint64_t state[8]; /* the algorithm's own */
        void *ext;         /* of an algorithm with ext_bytes: its state is there */
    };
};

struct cc_ack {
    uint32_t acked_bytes; /* newly acknowledged by the cumulative ACK */
    uint32_t pipe_bytes;  /* in flight before this ACK */
    uint32_t una, nxt;    /* SND.UNA after this ACK, SND.NXT: what a round trip is counted with */
    bool cwnd_limited;    /* the sender was held by cwnd (RFC 7661, RFC 2861: no growth otherwise) */
    bool ece;             /* carries ECN-Echo */
    uint64_t srtt_ns, now_ns;
    uint64_t rtt_ns;              /* the round-trip time that this ACK measured; 0: none */
    const struct rate_sample *rs; /* of algorithms with own_recovery; else NULL */
};

struct cc_ops {
    const char *name;
    uint32_t ext_bytes; /* memory beside cc.state, zeroed before init; 0: none */
    /*
     * The algorithm works from delivery-rate samples: on_ack comes with every ACK that delivers something or finds a loss, in recovery
     * too, and cwnd is the algorithm's at all times.
     */
    bool own_recovery;
    bool exact_ecn; /* the receiver's side echoes each CE mark as RFC 8257 section 3.2 says */
    void (*init)(struct cc *c, uint64_t now_ns);
    void (*on_ack)(struct cc *c, const struct cc_ack *a);                                /* outside recovery */
    void (*on_loss)(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns);            /* recovery begins: sets ssthresh, cwnd */
    void (*on_recovered)(struct cc *c, uint64_t now_ns);                                 /* recovery ends: cwnd = ssthresh or so */
    void (*on_rto)(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns); /* first: not a repeated timeout */
    void (*on_undo)(struct cc *c, uint64_t now_ns);                                      /* the last on_loss or on_rto was spurious */
    void (*on_ecn)(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns);             /* ECN-Echo, at most once per window of data */
    void (*on_idle)(struct cc *c, uint64_t idle_ns, uint64_t now_ns); /* nothing was in flight for so long; or cwnd was made smaller */
    uint64_t (*pacing_rate)(const struct cc *c);                      /* bytes per second; NULL: does not ask for pacing */
};

extern const struct cc_ops cc_bbr;   /* draft-ietf-ccwg-bbr */
extern const struct cc_ops cc_cubic; /* RFC 9438, HyStart++ RFC 9406 */
extern const struct cc_ops cc_dctcp; /* RFC 8257 */
extern const struct cc_ops cc_reno;  /* RFC 5681, appropriate byte counting RFC 3465 with L = 2 */

/* By the name of tcp(7)'s TCP_CONGESTION; "newreno" is reno, as FreeBSD calls it. NULL: unknown. name need not end with a zero byte. */
const struct cc_ops *cc_find(const char *name, unsigned len);

/* The ext memory of ops, if it has any, is c->ext already. */
void cc_init(struct cc *c, const struct cc_ops *ops, uint32_t smss, uint32_t init_cwnd_bytes, uint64_t now_ns);

/* Another algorithm for a connection that has one: cwnd and ssthresh stay. */
void cc_switch(struct cc *c, const struct cc_ops *ops, void *ext, uint64_t now_ns);

/* Bytes per second, 0: the algorithm does not pace. */
static inline uint64_t cc_pacing_rate(const struct cc *c)
{
    return c->ops->pacing_rate != NULL ? c->ops->pacing_rate(c) : 0;
}

/* What algorithms share. */
void cc_grow(struct cc *c, uint32_t bytes);
void cc_save(struct cc *c);    /* remembers cwnd and ssthresh for an undo */
bool cc_restore(struct cc *c); /* false: nothing was remembered */

/* Reno's, which DCTCP does the same with. They use state[0] and state[1]. */
void cc_reno_init(struct cc *c, uint64_t now_ns);
void cc_reno_on_ack(struct cc *c, const struct cc_ack *a);
void cc_reno_on_loss(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns);
void cc_reno_on_recovered(struct cc *c, uint64_t now_ns);
void cc_reno_on_rto(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns);
void cc_reno_on_undo(struct cc *c, uint64_t now_ns);
void cc_reno_on_idle(struct cc *c, uint64_t idle_ns, uint64_t now_ns);

#endif
