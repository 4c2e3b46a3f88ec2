/* Congestion control: a const struct of functions over a fixed-size state in the connection. Byte units. Pure: no clock, no connection. */
#ifndef TCP_CC_H
#define TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

struct cc {
    const struct cc_ops *ops;
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t smss;
    uint64_t state[6];       /* the algorithm's own */
};

struct cc_ack {
    uint32_t acked_bytes; /* newly acknowledged or sacked */
    uint32_t pipe_bytes;  /* in flight before this ACK */
    bool cwnd_limited;    /* the sender was held by cwnd (RFC 7661, RFC 2861: no growth otherwise) */
    uint64_t srtt_ns, now_ns;
};

struct cc_ops {
    const char *name;
    void (*init)(struct cc *c);
    void (*on_ack)(struct cc *c, const struct cc_ack *a);                        /* outside recovery */
    void (*on_loss)(struct cc *c, uint32_t in_flight_bytes, uint64_t now_ns);    /* recovery begins: sets ssthresh, cwnd */
    void (*on_recovered)(struct cc *c, uint64_t now_ns);                         /* recovery ends: cwnd = ssthresh or so */
    void (*on_rto)(struct cc *c, uint32_t in_flight_bytes, bool first, uint64_t now_ns); /* first: not a repeated timeout */
    void (*on_idle)(struct cc *c, uint32_t init_cwnd_bytes);                     /* restart after idle > RTO (RFC 5681 4.1) */
};

extern const struct cc_ops cc_reno; /* RFC 5681, appropriate byte counting RFC 3465 with L = 2 */

void cc_init(struct cc *c, const struct cc_ops *ops, uint32_t smss, uint32_t init_cwnd_bytes);

#endif
