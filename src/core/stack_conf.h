/* Settings of one stack: every limit has a name (a key of config.ini), a default and a counter. */
#ifndef CORE_STACK_CONF_H
#define CORE_STACK_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "pkt/pkt.h"

struct cc_ops;
struct steer;

/* Interfaces that speak IPv6: none, all, those that were given an address or a route of IPv6. */
enum ipv6_use { IPV6_OFF, IPV6_ON, IPV6_ASKED };

/* Is an IPv4 address tested for other hosts that have it (RFC 5227): not, while it is in use already, before it is used. */
enum arp_probing { ARP_PROBE_OFF, ARP_PROBE_IN_USE, ARP_PROBE_FIRST };

struct stack_conf {
    uint16_t index, n_stacks; /* of this process: this one, and how many */
    struct steer *steer;      /* src/port/steer.h: what the stacks behind the same devices share; NULL: alone */
    uint16_t member;          /* which of them this is */
    uint32_t forward_limit;   /* flows of other stacks that arrive here */

    /* memory */
    uint64_t conn_memory_bytes;  /* conn_memory: arena of connections, queues, descriptors */
    struct pkt_pool_sizes pools; /* rx_buffers, tx_headers, … */
    struct rte_mempool *rx_pool; /* the receive buffers of another stack, used together; NULL: of its own */
    uint32_t max_sockets;        /* max_sockets: descriptors */
    uint32_t max_connections;    /* max_connections: connection blocks */
    uint32_t max_timewait;       /* max_timewait: records of TIME-WAIT */
    uint32_t fd_reserve;         /* first descriptor number */
    uint32_t loan_quota_bytes;   /* loan_quota: loans of one connection by reference; beyond it reads copy */
    uint64_t loan_limit_bytes;   /* loan_limit: loans of the whole stack; beyond it windows close */
    uint64_t rcv_limit_bytes;    /* memory of all receive and reassembly queues */
    uint32_t copy_break_bytes;   /* small writes up to this fill the unsent tail buffer (copy_break) */

    /* link and IP */
    uint32_t neigh_limit, neigh_queue_limit;
    uint64_t arp_reachable_ns, arp_retry_ns;
    uint32_t arp_max_tries;                 /* of neighbour solicitations too */
    uint32_t arp_reply_rate, nd_reply_rate; /* per second */
    uint8_t arp_probe;                      /* enum arp_probing */

    /* neighbour discovery, autoconfiguration */
    uint64_t nd_delay_ns;   /* DELAY_FIRST_PROBE_TIME */
    uint32_t dad_transmits; /* DupAddrDetectTransmits; 0: addresses are used at once */
    uint32_t accept_ra;     /* 0 never, 1 unless the interface has a gateway of its own, 2 always */
    bool accept_redirects;
    bool ip6_eui64;         /* interface identifiers from the link address; else RFC 7217 */
    uint8_t ip6_secret[16]; /* of RFC 7217; zeroes: one of this machine */
    uint32_t nd_router_limit, nd_prefix_limit, nd_redirect_limit, slaac_limit; /* per interface */
    uint32_t mcast_group_limit, mcast_source_limit;                            /* groups of sockets in all; sources of one filter */
    uint32_t icmp_error_rate;                                                  /* per second */
    uint8_t ttl;                                                               /* net.inet.ip.ttl */
    uint32_t route_limit;
    uint8_t ipv6;                                             /* enum ipv6_use: which interfaces speak IPv6 and have a link-local address */
    uint32_t ip6_ext_headers, ip6_ext_bytes, ip6_ext_options; /* of a received packet (RFC 8504 section 5.3) */
    uint32_t frag_limit, frag_pieces;                         /* incomplete datagrams, and fragments of one */
    uint64_t frag_memory_bytes;                               /* of all their fragments */
    uint32_t pmtu_limit;                                      /* destinations whose path MTU is remembered */
    uint64_t pmtu_expire_ns;

    /* TCP */
    uint32_t sndbuf_bytes, sndbuf_max_bytes; /* net.inet.tcp.sendspace, sendbuf_max */
    uint32_t rcvbuf_bytes, rcvbuf_max_bytes; /* net.inet.tcp.recvspace, recvbuf_max */
    bool sndbuf_auto, rcvbuf_auto;
    uint32_t tfo_cache;         /* Fast Open cookies that a client keeps */
    uint64_t tfo_key_period_ns; /* of the server's own keys; 0: they stay */
    uint32_t syncookies;        /* enum tcp_syncookies */
    uint32_t syn_cache_limit;   /* entries of the stack's SYN cache; of one listener: somaxconn */
    uint32_t somaxconn;         /* kern.ipc.somaxconn */
    uint32_t reass_blocks;      /* gaps per connection */
    uint32_t sent_records;      /* frames in flight per connection */
    uint64_t msl_ns;            /* net.inet.tcp.msl: half of TIME-WAIT */
    uint64_t rto_min_ns, rto_max_ns, rto_initial_ns;
    uint64_t delack_ns;        /* 0: no delayed ACKs */
    uint64_t max_ack_delay_ns; /* how long a peer may delay the acknowledgement of a lone segment (RFC 8985 7.2) */
    uint64_t keepidle_ns, keepintvl_ns;
    uint32_t keepcnt;
    uint64_t finwait2_ns;                               /* after close(2) */
    uint32_t syn_retries, synack_retries, data_retries; /* R2 in retransmissions, with the time of RFC 9293 3.8.3 */
    uint32_t challenge_ack_rate;                        /* per second and connection (RFC 5961 section 7) */
    uint32_t init_cwnd_segs;                            /* RFC 6928 */
    const struct cc_ops *cc;                            /* congestion_control; net.inet.tcp.cc.algorithm */
    uint8_t ecn;                                        /* 0 off, 1 when the peer asks, 2 ask (RFC 3168) */
    bool pacing;                                        /* of algorithms that do not pace by themselves too */
    uint16_t mss_default;                               /* 0: from the MTU */
    bool timewait_reuse;                                /* connect may take a 4-tuple from TIME-WAIT */
    uint64_t orphan_ns;                                 /* longest life after close(2) until the FIN is acknowledged; 0: no limit */
    uint32_t max_orphans;                               /* connections at a time that nobody holds and that are not at their end */
    uint32_t notsent_lowat_bytes;                       /* TCP_NOTSENT_LOWAT of new sockets; 0: none */
    uint8_t mtu_probing;                                /* enum tcp_mtu_probing: RFC 4821 */
    bool mss_clamp;                                     /* announce no more than the path to the peer is known to take */
    bool sack, timestamps, window_scaling;
    bool fast_path;                 /* off: every segment takes the slow path (differential tests) */
    uint32_t look_ahead;            /* connections from which a burst's are asked for ahead in memory (tcp/ahead.h) */
    uint16_t port_first, port_last; /* ephemeral ports */

    /* UDP */
    uint32_t udp_rcvbuf_bytes;
    uint32_t udp_errors; /* reports that MSG_ERRQUEUE has yet to give, of one socket */

    bool gro;        /* neighbouring TCP segments of a receive burst are merged */
    bool time_ports; /* port_time */

    /* loop */
    uint32_t burst; /* frames per receive burst */
    uint64_t exit_drain_ns;
    bool wait_in_run; /* waits inside an ff_run callback block (off: they return at once, as F-Stack applications rely on) */
    uint64_t seed;    /* 0: secret keys from the system; else deterministic (tests) */
};

/* The defaults. */
void stack_conf_init(struct stack_conf *c);

/* Memory of the receive pool, in the unit of loan_limit and rcv_limit (pkt_truesize). */
uint64_t stack_conf_rx_bytes(const struct stack_conf *c);

/*
 * Sets loan_limit and rcv_limit to their shares of the receive pool: half for loans, three eighths for receive and
 * reassembly queues; the last eighth stays for the device ring, so that the stack can always receive. For whoever
 * changes pools.rx or pools.rx_room_bytes after stack_conf_init().
 */
void stack_conf_shares(struct stack_conf *c);

#endif
