/*
 * Sockets of ICMP and ICMPv6. They are datagram sockets as those of UDP (udp.h), with messages for datagrams and without ports, and behave
 * as Linux' do: SOCK_DGRAM (icmp(7) "ping sockets") sends echo requests and gets their replies, by an identifier of its own; SOCK_RAW
 * (raw(7), RFC 3542 section 3) sends what it likes, and gets every message that comes for this host, while the stack handles it as well.
 */
#ifndef UDP_ICMP_SOCK_H
#define UDP_ICMP_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <rte_mbuf.h>

#include "ip/icmp_err.h"
#include "ip/ip.h"

struct sock;
struct udp_pcb;
struct udp_sending;
struct z_stack;

/* Of ICMP, with inet6 of ICMPv6. NULL: no memory. */
struct udp_pcb *icmp_sock_create(struct z_stack *s, struct sock *sk, bool inet6, bool raw);

/* An echo reply, for the socket with this identifier. */
void icmp_sock_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* consumed */, uint16_t id);

/* A message that has come: every raw socket that wants it gets a reference. */
void icmp_sock_raw_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m /* only read */);

/* About a message that one of them may have sent. */
void icmp_sock_error(struct z_stack *s, const struct icmp_err *e);

/* For src/udp only: are the len bytes of iov a message that may be sent (0, -EINVAL, -EFAULT)? And sends it. */
int icmp_sock_check(const struct udp_pcb *u, const struct iovec *iov, size_t len);
void icmp_sock_output(struct z_stack *s, struct udp_pcb *u, struct udp_sending *w, struct rte_mbuf *m /* consumed */);

/* ICMP_FILTER of SOL_RAW, ICMP6_FILTER of IPPROTO_ICMPV6. -ENOPROTOOPT: not here. */
int icmp_sock_setopt(struct udp_pcb *u, int level, int name, const void *val, unsigned len);
int icmp_sock_getopt(const struct udp_pcb *u, int level, int name, void *val, unsigned *len);

#endif
