/* Socket addresses and I/O vectors of the callers: checked and converted. Pure functions. */
#ifndef API_ADDR_H
#define API_ADDR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "base/inaddr.h"

struct linux_sockaddr;

/* 0, -EFAULT, -EINVAL (length), -EAFNOSUPPORT. */
int addr_in(const struct linux_sockaddr *sa, socklen_t len, struct inaddr *a, uint16_t *port);

/* Are a result address and its length usable? sa NULL: not wanted. 0, -EFAULT, -EINVAL. */
int addr_out_check(const struct linux_sockaddr *sa, const socklen_t *len);

/* Stores as much as *len has room for; *len becomes the real length. Nothing when sa is NULL. */
void addr_out(struct linux_sockaddr *sa, socklen_t *len, const struct inaddr *a, uint16_t port);

/* The bytes of a vector: 0 and *total, -EINVAL (count, or a sum above SSIZE_MAX), -EFAULT (NULL with a length). */
int iov_check(const struct iovec *iov, int cnt, size_t *total);

/* The vector without its first off bytes, as far as it fits in out[max]: returns how many entries. */
int iov_skip(const struct iovec *iov, int cnt, size_t off, struct iovec *out, int max);

/* Times as nanoseconds, capped below NS_NEVER. 0; -EINVAL for what is no time. */
int time_from_timeval(const struct timeval *tv, uint64_t *ns);
int time_from_timespec(const struct timespec *ts, uint64_t *ns);

#endif
