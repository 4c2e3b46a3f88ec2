/*
 * Z-stack's own calls: buffers without copies, and the poll loop. Sockets are the ff_* calls of ff_api.h.
 *
 * Threads: the thread that called ff_init (or ff_run) owns the stack. Every call may be made from any thread; from other
 * threads it is carried to the owner and done at the owner's next poll, except those marked "any thread", which work on
 * the spot. A child process made by fork has no stack: EBADF.
 *
 * Errors: -1 or NULL, and errno (Linux numbers). EBADF: not a descriptor of this stack. EOPNOTSUPP: not a TCP socket
 * (z_sendto, z_recvfrom: not a UDP socket).
 */
#ifndef ZSTACK_Z_API_H
#define ZSTACK_Z_API_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A handle on a buffer: one piece of contiguous bytes, perhaps followed by more pieces (a chain). Each handle is one
 * holder of every piece; the memory lives until the last holder lets go. A piece with more than one holder is
 * immutable.
 */
struct z_buf;

struct rte_mbuf;

/** The most bytes that one piece can have: an mbuf's lengths are 16 bit. */
#define Z_BUF_MAX 65280u

/** Why wrapped memory came back (flags of the release callback of z_wrap). */
#define Z_REL_ACKED 0x1u   /* every byte sent was acknowledged by its peer */
#define Z_REL_ABORTED 0x2u /* a connection ended before that */
#define Z_REL_COPIED 0x4u  /* the bytes were copied: the port cannot send from this memory */

/**
 * Allocates a writable buffer of one piece, with room for protocol headers in front.
 *
 * Ownership: the caller's, until z_free or a successful z_write.
 *
 * @param len  bytes, 1 to Z_BUF_MAX; z_len() of the new buffer. Cut the rest off with z_trim when less was written.
 * @return     the buffer, or NULL with errno ENOMEM (no buffer of that size or larger is free), EINVAL (len).
 * Any thread. Does not block.
 */
struct z_buf *z_alloc(size_t len);

/**
 * Makes a buffer over the application's own memory, which is sent without being copied.
 *
 * Ownership: the memory stays the application's, but must not change or go away until release(arg, flags) has run:
 * exactly once, when neither stack nor driver needs it any more. The returned buffer (a chain when len is above
 * Z_BUF_MAX) is the caller's. When NULL is returned, release is not called. A buffer that is freed unsent is released as
 * well, with flags 0.
 *
 * release runs on the owner's thread inside a call that polls, never inside the protocol or the driver; it may call
 * z_write and kin but cannot wait. It may be NULL.
 *
 * @return  the buffer, or NULL with errno ENOMEM, EINVAL (p is NULL, len is 0 or above 1 GB), ENOTSUP (the device needs
 *          physical addresses and this memory has none: z_register it, use hugepages, or IOVA mode VA).
 */
struct z_buf *z_wrap(void *p, size_t len, void (*release)(void *arg, unsigned flags), void *arg);

/**
 * Makes memory usable by the port's device, for z_wrap. Needed once per region, before its first z_wrap; regions may not
 * overlap.
 *
 * Ownership: the memory stays the application's and must stay mapped until the process ends.
 *
 * @return  0, or -1 with errno EINVAL (p is NULL or len 0), ENOTSUP (the device reaches memory by physical address
 *          and this memory is not made of hugepages: use hugepages, or start EAL with --iova-mode=va), ENOMEM.
 */
int z_register(void *p, size_t len);

/** The first byte of this piece. Writable only where z_alloc, z_append or z_make_writable gave the buffer. Any thread. */
void *z_data(struct z_buf *b);

/** The bytes of this piece. Any thread. */
size_t z_len(const struct z_buf *b);

/** The bytes of the whole chain. Any thread. */
size_t z_chain_len(const struct z_buf *b);

/** The next piece of the chain, which belongs to the same handle; NULL after the last. Any thread. */
struct z_buf *z_next(struct z_buf *b);

/**
 * Cuts n bytes off the end (z_trim) or the front (z_adj) of this piece; other pieces stay as they are. The bytes do not change: of a
 * packet that was read in parts each part is cut by itself.
 *
 * @return  0, or -1 with errno EBUSY (the piece has other holders: z_ref), EINVAL (n is more than z_len; b is NULL). Any thread.
 */
int z_trim(struct z_buf *b, size_t n);
int z_adj(struct z_buf *b, size_t n);

/**
 * Adds n bytes to the end of this piece, of the room that its buffer has behind them; they hold anything. So an answer that is longer
 * than its request can be written over it, in the buffer that came from the wire. All bytes of the piece are the caller's alone then and
 * may be written; with n = 0 that is all it says. A received buffer has as much room as rx_buffer_size leaves behind the packet.
 *
 * @return  the first of the new bytes, or NULL and the piece is as it was, with errno EBUSY (somebody else has it or bytes of the same
 *          packet, or its memory is not the stack's: z_wrap), ENOBUFS (there is less room), EINVAL (b is NULL). Any thread.
 */
void *z_append(struct z_buf *b, size_t n);

/**
 * One more holder for every piece of the chain: returns b, which must now be freed or written once more. Any number of
 * connections can send one buffer this way. Any thread.
 */
struct z_buf *z_ref(struct z_buf *b);

/**
 * Lets go of the whole chain; NULL is allowed. The handle may not be used after.
 * Any thread; a received buffer freed by another thread counts as held until the owner's next poll.
 */
void z_free(struct z_buf *b);

/**
 * The same bytes, writable: b itself when this handle is the only holder of each piece, else with copies (counted in
 * copy.writable_bytes) in place of shared pieces.
 *
 * Ownership: on success b is consumed and the returned buffer is the caller's. On failure b is still the caller's.
 *
 * @return  the buffer, or NULL with errno ENOMEM, EINVAL (b is NULL).
 */
struct z_buf *z_make_writable(struct z_buf *b);

/**
 * Takes the next bytes of a connection as one contiguous buffer, without copying.
 *
 * Ownership: a buffer returned is the caller's: z_free it, or give it to z_write. It is a loan: its memory counts for the
 * connection until then; past the quota (loan_quota) reads give compact copies instead.
 *
 * @param n  the most bytes wanted (at least 1).
 * @return   its length; 0 with *b NULL at end of file; -1 with *b NULL and errno EAGAIN (nothing there, and the socket
 *           does not block, timed out, or the call was made inside an ff_run callback), ECONNRESET, ETIMEDOUT,
 *           ENOTCONN, EINVAL (n is 0), EFAULT (b is NULL), EINTR (ff_stop_run).
 * Blocks on a blocking socket, up to SO_RCVTIMEO.
 */
ssize_t z_read(int fd, void **b, size_t n);

/**
 * z_read for up to cnt buffers: blocks, if at all, only for the first.
 *
 * @return  how many buffers were stored, 0 at end of file, -1 and errno as z_read.
 */
int z_readv(int fd, struct z_buf *b[], int cnt);

/**
 * Queues a buffer for transmission without copying it.
 *
 * Ownership: when n is returned the stack owns b until the peer has acknowledged its last byte. On any error the caller
 * still owns b. The payload must not be modified after success: a retransmission may read it. A received buffer may be
 * written as it is, to any connection; its loan ends here.
 *
 * A buffer is taken whole whenever the send queue is below SO_SNDBUF, which it may overshoot by this buffer.
 *
 * @param n  payload bytes to send: the length of the whole chain.
 * @return   n, or -1 with errno EAGAIN (the send queue is at its limit, or the connection is not established yet: a
 *           writable event follows), EPIPE, ENOTCONN, ECONNRESET, ETIMEDOUT, ENOMEM, EINVAL (n is 0 or not the chain's
 *           length), EMSGSIZE (more than 16384 pieces), EFAULT (b is NULL), EINTR (ff_stop_run); or, once, what an ICMP
 *           message has said of an established connection, which goes on: ENETUNREACH, EHOSTUNREACH, ECONNREFUSED and others.
 * Blocks on a blocking socket, up to SO_SNDTIMEO.
 */
ssize_t z_write(int fd, struct z_buf *b, size_t n);

/**
 * z_write for cnt buffers, in order, until one cannot be taken. Blocks, if at all, only for the first.
 *
 * @return  how many were taken (those belong to the stack; the others stay with the caller); -1 and errno as z_write
 *          when the first was not.
 */
int z_writev(int fd, struct z_buf *b[], int cnt);

struct linux_sockaddr;

/**
 * Sends one datagram without copying it.
 *
 * Ownership: when n is returned the stack owns b, until the device has sent it. On any error the caller still owns b. The
 * payload must not be modified after success. A received buffer may be sent as it is; its loan ends here. Wrapped memory comes
 * back with the flags 0: nobody acknowledges a datagram.
 *
 * @param n      payload bytes: the length of the whole chain; 0 sends an empty datagram.
 * @param flags  MSG_DONTWAIT, or 0.
 * @param to     the destination, or NULL on a connected socket.
 * @return       n, or -1 with errno EAGAIN (the device's queue is full: a writable event follows), EMSGSIZE (more than 65507
 *               bytes, 65527 over IPv6; or more than fits the path while IP_MTU_DISCOVER or IPV6_DONTFRAG forbids fragments),
 *               EDESTADDRREQ, EACCES (broadcast without SO_BROADCAST), ECONNREFUSED (said of an earlier one), ENETUNREACH,
 *               EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE (no port is free), EPIPE, ENOBUFS, EINVAL (n is not the chain's length;
 *               port 0), EFAULT, ENODEV, EOPNOTSUPP (not a UDP socket), EINTR (ff_stop_run).
 * Blocks on a blocking socket while the device's queue is full, up to SO_SNDTIMEO.
 */
ssize_t z_sendto(int fd, struct z_buf *b, size_t n, int flags, const struct linux_sockaddr *to, unsigned tolen);

/**
 * Takes the next datagram without copying it: a chain, of one piece unless it came in fragments.
 *
 * Ownership: a buffer returned is the caller's: z_free it, or give it to z_sendto or z_write. It is a loan, as z_read's are: past
 * loan_quota a datagram comes as a copy.
 *
 * @param n      the most bytes wanted (at least 1); what a datagram has beyond them is lost.
 * @param flags  MSG_DONTWAIT, MSG_TRUNC (return the length of the datagram, though more than n), or 0.
 * @param from   where it came from; NULL: not wanted.
 * @return       its length; 0 with *b NULL for an empty datagram, and after shutdown (then *fromlen is 0); -1 with *b NULL
 *               and errno EAGAIN, ECONNREFUSED and other errors that came for what was sent, EINVAL (n is 0), EFAULT,
 *               EOPNOTSUPP (not a UDP socket; MSG_PEEK, MSG_OOB), EINTR (ff_stop_run).
 * Blocks on a blocking socket, up to SO_RCVTIMEO.
 */
ssize_t z_recvfrom(int fd, struct z_buf **b, size_t n, int flags, struct linux_sockaddr *from, unsigned *fromlen);

/**
 * One turn of the stack, for applications that own their main loop: receives, processes, runs release callbacks and
 * timers, transmits. Applications that call ff_run, or a call that waits (ff_epoll_wait, ff_kevent, ff_poll, ff_select), need
 * not call it.
 *
 * @return  the number of packets moved, 0 when there was nothing to do (also when the stack has a thread of its own:
 *          poll_thread=1); -1 with errno EDEADLK (called from inside a poll: an ff_run or release callback), EPERM (another
 *          thread owns the stack), EBADF (no stack: after fork, after ff_stop_run, before ff_init).
 * Never blocks.
 */
int z_poll(void);

/**
 * Says that the application has work of its own to go on with: the loop it is called from (ff_run, or a call that waits) makes its next
 * turn without sleeping. Where nothing happens on the network and z_busy is not called, the callback of ff_run is called about once a
 * millisecond (polling, in config.ini). Calls that gave the application something need no z_busy beside them. Without effect in a thread
 * that owns no stack.
 */
void z_busy(void);

/**
 * Prints every counter of the stack that is not zero: name, value, meaning. Also after ff_run has returned; nothing before
 * ff_init and after fork. Any thread (values may then be a poll old); not from a signal handler.
 */
void z_print_counters(FILE *out);

/** The rte_mbuf behind this piece (linked placement). It still belongs to the handle. Any thread. */
struct rte_mbuf *z_buf_mbuf(struct z_buf *b);

/**
 * A handle on an rte_mbuf chain that the application owns, from any pool whose buffers were never used by others than
 * DPDK and this stack: the handle takes the ownership over. Any thread.
 */
struct z_buf *z_buf_from_mbuf(struct rte_mbuf *m);

#ifdef __cplusplus
}
#endif

#endif
