/* Socket addresses and I/O vectors of the callers: checked and converted. Pure functions. */
#ifndef API_ADDR_H
#define API_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "base/inaddr.h"

struct linux_sockaddr;

/* An address as a caller gave it. */
struct api_addr {
    struct inaddr a; /* without a zone */
    uint16_t port;
    uint16_t family; /* AF_INET, AF_INET6 */
    uint32_t scope;  /* sin6_scope_id: an interface, 1 + index; 0: none */
    socklen_t len;
};

/* What can be said without the socket: 0, -EFAULT, -EINVAL (length), -EAFNOSUPPORT. */
int addr_in(const struct linux_sockaddr *sa, socklen_t len, struct api_addr *out);

/* What a call does with an address. */
enum addr_use { ADDR_BIND, ADDR_CONNECT, ADDR_SEND };

/*
 * Gives the address the form it has inside the stack, for a socket of this family: its zone put in (RFC 4007 section 11).
 * -EAFNOSUPPORT, -EINVAL (an IPv4 address's length where an IPv6 one is wanted; a link-local address without its interface),
 * -ENODEV (no such interface). A datagram socket of AF_INET6 connects and sends to IPv4 addresses as well, as on Linux.
 */
int addr_for_sock(struct api_addr *a, bool inet6, bool datagram, enum addr_use use, unsigned n_netifs);

/* Are a result address and its length usable? sa NULL: not wanted. 0, -EFAULT, -EINVAL. */
int addr_out_check(const struct linux_sockaddr *sa, const socklen_t *len);

/* Stores as much as *len has room for; *len becomes the real length. Nothing when sa is NULL. inet6: of the socket. */
void addr_out(struct linux_sockaddr *sa, socklen_t *len, bool inet6, const struct inaddr *a, uint16_t port);

/* The bytes of a vector: 0 and *total, -EINVAL (count, or a sum above SSIZE_MAX), -EFAULT (NULL with a length). */
int iov_check(const struct iovec *iov, int cnt, size_t *total);

/* The vector without its first off bytes, as far as it fits in out[max]: returns how many entries. */
int iov_skip(const struct iovec *iov, int cnt, size_t off, struct iovec *out, int max);

/* Times as nanoseconds, capped below NS_NEVER. 0; -EINVAL for what is no time. */
int time_from_timeval(const struct timeval *tv, uint64_t *ns);
int time_from_timespec(const struct timespec *ts, uint64_t *ns);

#endif
