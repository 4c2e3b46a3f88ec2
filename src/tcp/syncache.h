/*
 * The SYN cache (RFC 4987 section 3.3): connections of listeners in SYN-RECEIVED. A SYN costs one of these entries, not a connection
 * block; that is made when the handshake is complete. All entries that wait for their k-th retransmission wait equally long, so each k
 * has a list in the order of deadlines, and one timer serves the cache.
 */
#ifndef TCP_SYNCACHE_H
#define TCP_SYNCACHE_H

#include "tcp/conn.h"

struct tcp_synent {
    struct tcp_entry ent;
    struct tcp_conn *lc;          /* the listener */
    TAILQ_ENTRY(tcp_synent) link; /* of rexmt[retries], or of unsent */
    uint64_t deadline_ns;         /* of the next retransmission */
    uint64_t ack_tat_ns;          /* rate limit of challenge ACKs */
    uint32_t iss, irs;
    uint32_t ts_offset; /* of our timestamp clock */
    struct tcp_agreed opt;
    uint16_t snd_wnd, rcv_wnd; /* of the two SYNs: not scaled */
    uint8_t rcv_wscale, retries;
    bool unsent : 1; /* the SYN,ACK found no buffer or no room: with the next turn's output */
    bool acked : 1;  /* TCP_DEFER_ACCEPT: the handshake is complete, its first data is missing */
    bool ecn : 1;    /* agreed on (RFC 3168 6.1.1) */
    bool tfo : 1;    /* the SYN,ACK carries a Fast Open cookie */
    bool cookie : 1; /* made from a SYN cookie or for Fast Open: it is in no list and no table */
};

_Static_assert(sizeof(struct tcp_synent) <= 128, "an entry of the SYN cache is small");

static inline struct tcp_synent *tcp_syn_of(struct tcp_entry *e)
{
    return container_of_ptr(e, struct tcp_synent, ent);
}

/* syncache.c: entries, their lists and their timer. */
void tcp_syn_init(struct z_stack *s);
void tcp_syn_add(struct z_stack *s, struct tcp_synent *e);   /* filled in: into table and cache; the SYN,ACK goes */
void tcp_syn_adopt(struct z_stack *s, struct tcp_synent *e); /* another stack has sent the SYN,ACK */
void tcp_syn_forget(struct z_stack *s, struct tcp_synent *e);
int tcp_syn_emit(struct z_stack *s, const struct tcp_synent *e,
                 uint8_t flags);                                     /* one segment; -ENOBUFS: worth trying again; -EHOSTUNREACH */
uint64_t tcp_syn_wait_ns(const struct z_stack *s, unsigned retries); /* for an answer to the SYN,ACK repeated so often */
void tcp_syn_icmp(struct z_stack *s, struct tcp_entry *ent, const struct icmp_err *e);
void tcp_syn_purge(struct z_stack *s, const struct tcp_conn *lc); /* the listener closes: another, or another stack, takes its entries */
void tcp_syn_output(struct z_stack *s);                           /* what was not sent for want of a buffer */

/* synrcvd.c: segments. */

/* A SYN for a listener whose accept queue has room. */
void tcp_syn_received(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m);

/* What the SYN says and what we answer, and the connection block made of it: in SYN-RECEIVED, in the accept queue. NULL: no block. */
void tcp_syn_fill(struct z_stack *s, struct tcp_synent *e, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g);
struct tcp_conn *tcp_syn_promote(struct z_stack *s, struct tcp_synent *e);

/* A segment for an entry: the steps of SYN-RECEIVED (RFC 9293 3.10.7.4). False: the entry is gone, the segment is the listener's. */
bool tcp_syn_input(struct z_stack *s, struct tcp_entry *ent, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m);

/* An ACK that no entry takes: true when it completes a handshake that went by a cookie; m is consumed then. */
bool tcp_syn_cookie_input(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m);

#endif
