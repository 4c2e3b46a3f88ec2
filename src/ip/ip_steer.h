/* For src/ip: packets that belong to another stack behind the same devices (ip_steer.c). s->steer is not NULL in all of these. */
#ifndef IP_IP_STEER_H
#define IP_IP_STEER_H

#include "ip/icmp_err.h"
#include "ip/ip.h"

/*
 * A datagram put together from fragments: those came by their addresses, the whole goes by its ports. m begins at the transport header.
 * True: another stack has it.
 */
bool ip_whole_elsewhere(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m);

/* An ICMP error, m at its ICMP header, about a packet that another stack has sent though its flow's home is here. */
bool ip_error_elsewhere(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, const struct icmp_err *e);

#endif
