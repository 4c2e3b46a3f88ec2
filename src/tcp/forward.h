/* What TCP does where several stacks share devices (forward.c). Private to src/tcp. */
#ifndef TCP_FORWARD_H
#define TCP_FORWARD_H

#include "tcp/conn.h"

struct tcp_synent;

/*
 * A new connection's entry, in the table: when its packets do not come here by themselves, the stack to which they come is told to forward
 * them. And the end of that.
 */
void tcp_claim_elsewhere(struct z_stack *s, struct tcp_entry *e);
void tcp_claim_end(struct z_stack *s, struct tcp_entry *e);
static inline void tcp_claim(struct z_stack *s, struct tcp_entry *e, bool local)
{
    if (unlikely(s->steer != NULL) && !local)
        tcp_claim_elsewhere(s, e);
}

/* Do the packets of this flow come to this stack by themselves? s->steer is not NULL. */
bool tcp_port_comes_home(const struct z_stack *s, const struct inaddr *laddr, const struct inaddr *raddr, uint16_t lport, uint16_t rport);

/* Nobody here wants the segment, whose header is off: another stack gets it. False: there is none. s->steer is not NULL. */
bool tcp_hand_over(struct z_stack *s, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m);

/* A segment for a TCP_ENT_FWD. False: as if there were no entry. */
bool tcp_forward_input(struct z_stack *s, struct tcp_entry *e, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m);

/* A socket has begun to listen on the port, or (closing) ends to. */
void tcp_share_listener(struct z_stack *s, uint16_t port, const struct tcp_conn *closing);

/* An entry whose listener closes, and is forgotten by the caller: another stack that listens takes it, if there is one. */
void tcp_move_syn(struct z_stack *s, const struct tcp_synent *e);

void tcp_forward_fini(struct z_stack *s);

#endif
