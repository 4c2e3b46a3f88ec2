/* Ancillary data of datagrams, of which sendmsg(2) and recvmsg(2) are the way: ip(7), ipv6(7), RFC 3542 section 4. */
#ifndef API_CMSG_H
#define API_CMSG_H

#include <stdbool.h>
#include <sys/socket.h>

#include "udp/udp.h"

/* Control messages of a stream: only their form counts. 0 or -EINVAL. */
int cmsg_check(const struct msghdr *msg);

/*
 * What the messages ask of a datagram to an IPv6 (v6) or IPv4 address; those of the other family's level are passed over. 0, -EINVAL.
 */
int cmsg_read(const struct msghdr *msg, bool v6, struct udp_dest *to);

/*
 * Stores what the socket wants (UDP_RECV_*) of a datagram; spec: the address of ours that an answer should come from. msg_controllen
 * becomes what was stored. 0, or MSG_CTRUNC when there was not room for all.
 */
int cmsg_write(struct msghdr *msg, unsigned wants, const struct udp_info *in, const struct inaddr *spec);

/* The same of the ICMP message that reports an error, and the report: IP_RECVERR, or of a socket of AF_INET6 IPV6_RECVERR. */
int cmsg_write_error(struct msghdr *msg, unsigned wants, bool inet6, const struct udp_err_info *e, const struct inaddr *spec);

#endif
