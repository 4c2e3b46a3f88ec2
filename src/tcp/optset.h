/*
 * What setsockopt sets. Connections with the same values share one set, so that an option set on each of a million connections
 * costs no memory: sets are found by their content. A connection's own copy exists only while setsockopt writes to it.
 */
#ifndef TCP_OPTSET_H
#define TCP_OPTSET_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct cc_ops;

#define TFO_KEY_BYTES 16u

/* An accepted connection has its listener's. Sizes in bytes, times in ns. */
struct tcp_user_opts {
    bool nodelay, keepalive, oobinline, reuseaddr, reuseport;
    bool linger_on;
    bool sndbuf_locked, rcvbuf_locked; /* set by the application: no auto-tuning */
    bool v6only;                       /* IPV6_V6ONLY */
    bool fastopen_connect;             /* TCP_FASTOPEN_CONNECT */
    bool recverr[2];                   /* IP_RECVERR, IPV6_RECVERR */
    uint8_t tos, ttl;                  /* of IPv4 packets, and */
    uint8_t tclass;                    /* of IPv6 packets */
    uint8_t pmtudisc;                  /* IP_MTU_DISCOVER */
    uint8_t defer_accept;              /* TCP_DEFER_ACCEPT, in retransmissions of the SYN,ACK */
    int16_t hops;                      /* of IPv6 packets; -1: IP_TTL_DEFAULT */
    uint8_t tfo_keys;                  /* TCP_FASTOPEN_KEY: how many; 0: the stack's */
    uint8_t tfo_key[2][TFO_KEY_BYTES]; /* cookies are made with the first; those of the second are still good */
    uint16_t maxseg;
    uint16_t fastopen_qlen; /* TCP_FASTOPEN: of a listener */
    uint32_t linger_s;
    uint32_t rcvlowat;
    uint32_t notsent_lowat_bytes; /* 0: no limit of its own on what is queued and not sent */
    uint32_t keepcnt;
    int32_t linger2_s;
    uint32_t syncnt;
    uint64_t keepidle_ns, keepintvl_ns;
    uint64_t user_timeout_ns;
    uint64_t max_pacing_rate; /* SO_MAX_PACING_RATE, bytes per second; 0: no limit asked for */
    const struct cc_ops *cc;  /* TCP_CONGESTION */
};

#define TCP_PMTUDISC_OFF 0x31u /* of the values of IP_MTU_DISCOVER, as bits: DONT, INTERFACE, OMIT */

/* Do IPv4 packets leave without DF? Then nobody reports that one is too large: the path MTU is not searched for. */
static inline bool tcp_may_fragment(const struct tcp_user_opts *o)
{
    return (TCP_PMTUDISC_OFF >> o->pmtudisc & 1) != 0;
}

#define TCP_OPTSET_BUCKETS 64u

struct tcp_optset {
    struct tcp_user_opts o;
    struct tcp_optset *next;
    uint32_t refs, hash;
};

struct tcp_optsets {
    struct arena *arena;
    struct tcp_optset *bucket[TCP_OPTSET_BUCKETS];
    uint32_t n;
};

void tcp_optsets_init(struct tcp_optsets *t, struct arena *a);

/* The set with these values, for one more holder; NULL when memory is at its limit. Padding of o counts: copy sets whole. */
struct tcp_user_opts *tcp_optset_get(struct tcp_optsets *t, const struct tcp_user_opts *o);

/* The same set for one more holder. */
struct tcp_user_opts *tcp_optset_hold(struct tcp_user_opts *o);

/* One holder less; NULL is allowed. */
void tcp_optset_put(struct tcp_optsets *t, struct tcp_user_opts *o);

/*
 * For writing: *o becomes a copy that nobody else sees, or stays as it is when memory is at its limit (-ENOMEM). tcp_optset_share ends
 * that: *o is an equal set, the copy if there is none. It cannot fail.
 */
int tcp_optset_own(struct tcp_optsets *t, struct tcp_user_opts **o);
void tcp_optset_share(struct tcp_optsets *t, struct tcp_user_opts **o);

#endif
