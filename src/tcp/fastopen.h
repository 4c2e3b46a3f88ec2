/*
 * TCP Fast Open (RFC 7413): data in the SYN, for a client that shows a cookie it got from this server before. Off unless a socket
 * asks for it: TCP_FASTOPEN of a listener, TCP_FASTOPEN_CONNECT or MSG_FASTOPEN of a client.
 */
#ifndef TCP_FASTOPEN_H
#define TCP_FASTOPEN_H

#include "tcp/conn.h"

#define TFO_COOKIE_BYTES 8u /* ours; a client takes what it is given */

/* What a client knows of a server. */
struct tfo_dest {
    struct inaddr peer;
    uint64_t used_ns, bad_until_ns; /* bad: SYNs with the option were lost, and others were not */
    uint16_t mss;
    uint8_t len, losses;
    uint8_t cookie[TCP_TFO_COOKIE_MAX];
};

/* Of a connection in SYN-SENT. */
enum tfo_plan {
    TFO_OFF,
    TFO_ASK,  /* the SYN asks for a cookie */
    TFO_WAIT, /* there is a cookie: the SYN waits for the data that it will carry */
    TFO_SENT, /* it has left with them */
};

/* The server's side (fastopen.c). */
bool tcp_fastopen_wanted(const struct tcp_conn *lc, const struct tcp_opts *o); /* does the SYN,ACK carry a cookie? */
bool tcp_fastopen_accept(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m);
void tcp_fastopen_cookie(const struct z_stack *s, const struct tcp_conn *lc, const struct tcp_entry *e, struct tcp_opts *o);
void tcp_fastopen_end(struct z_stack *s, struct tcp_conn *tc, bool reset); /* no longer pending; tc->fastopen_id is not 0 */
int tcp_fastopen_set_keys(struct tcp_user_opts *o, const void *val, unsigned len);
int tcp_fastopen_get_keys(const struct tcp_user_opts *o, void *val, unsigned *len);

/* The client's side (fastopen_client.c). */
enum tfo_plan tcp_fastopen_plan(struct z_stack *s, struct tcp_conn *tc);
uint32_t tcp_fastopen_syn(struct z_stack *s, struct tcp_conn *tc, struct tcp_opts *o); /* puts the option in; bytes of data to go with it */
void tcp_fastopen_learn(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, uint32_t acked);
void tcp_fastopen_fini(struct z_stack *s);

#endif
