/*
 * The F-Stack face: sockets, events and the loop, for applications written for F-Stack. Every call behaves as the POSIX
 * (or FreeBSD kqueue) call of the same name, with Linux option numbers and Linux errno values, except:
 *
 * - descriptors start at fd_reserve (config.ini, 1024 by default; set it to 0 to use ff_select);
 * - inside the callback of ff_run a call that waits returns at once (0 events), and a call that would block fails with
 *   EAGAIN; wait_in_run=1 makes them wait. Outside they poll the stack while they wait, and time out exactly;
 * - ff_accept passes non-blocking mode from the listener on when it was set by FIONBIO or F_SETFL; ff_accept4 does not;
 * - a signal handler does not end a wait; ff_stop_run() does (EINTR);
 * - MSG_NOSIGNAL is implied: SIGPIPE is never raised.
 *
 * Every call may be made from any thread; see z_api.h about threads, fork and ownership.
 *
 * Several cores (thread_mode=1): there is a stack for each, and ff_run calls its function on all of them, each in the thread of its stack.
 * - Without a descriptor a call is about the calling thread's stack (ff_socket, ff_kqueue, ff_epoll_create, ff_route_ctl, ff_sysctl), for
 *   threads that have none about the first one; ff_get_traffic and z_print_counters are about all.
 * - With a descriptor it is about the descriptor's stack, and when that is not the thread's own it is done at that stack's next turn,
 *   while this one's thread waits (and serves its own stack's mailbox). It never blocks inside a callback: EAGAIN, as there.
 * - A kqueue or epoll set holds descriptors of its own stack; others give EBADF. ff_dup makes a descriptor of the same stack, and
 *   ff_dup2 onto a number of another one gives EBADF. ff_poll and ff_select look where the first descriptor is; of others they
 *   know nothing (POLLNVAL, EBADF).
 * - Listen on every core with a socket of its own: each gets the connections that its share of the flows brings. Where one does not
 *   listen, or no longer, those who do get them.
 * - Packets to an address of this host reach sockets of the same stack only.
 * - Buffers (z_api.h) may be passed between the threads, and written to descriptors of any stack.
 * Before ff_run only the first stack lives, on the thread of ff_init (with poll_thread=1 all do); sockets of the others are made in
 * callbacks.
 */
#ifndef ZSTACK_FF_API_H
#define ZSTACK_FF_API_H

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "ff_errno.h"
#include "ff_event.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A socket address: same layout as struct sockaddr. */
struct linux_sockaddr {
    short sa_family;
    char sa_data[14];
};

#define AF_INET6_LINUX 10
#define PF_INET6_LINUX AF_INET6_LINUX
#define AF_INET6_FREEBSD 28
#define PF_INET6_FREEBSD AF_INET6_FREEBSD

typedef int (*loop_func_t)(void *arg);

/* life cycle ----------------------------------------------------------------------------------------------------- */

/**
 * Starts the stack: reads config.ini, starts EAL and the ports. Options taken from argv: --conf FILE or -c FILE (default
 * config.ini), --proc-type or -t, --proc-id or -p, with "=" or as the next argument; others are skipped, "--" ends them, argv
 * stays as it is.
 *
 * With several bits in lcore_mask and no thread_mode there is a process for each: --proc-type=primary --proc-id=0 starts first and opens
 * the devices; --proc-type=secondary --proc-id=N is on the N-th core, waits up to 10 s for the primary, and shares its devices. auto, the
 * default, is secondary for numbers above 0.
 *
 * @return  0; -1 with errno EALREADY when called again, EINVAL. A bad configuration or a port that cannot be had prints
 *          one line on stderr and ends the process with status 1, as F-Stack does.
 * The calling thread owns the stack from here on (unless poll_thread=1).
 */
int ff_init(int argc, char *const argv[]);

/**
 * Polls for ever, calling loop(arg) once a turn; with thread_mode on every core, the calling thread being the first one's. When there is
 * nothing to do, turns come at least every millisecond or so (polling and idle_sleep in config.ini; z_busy). Returns only after ff_stop_run:
 * then what is queued has been delivered, or exit_drain_ms have passed and connections were reset; the stack is gone and every further call
 * gives EBADF.
 */
void ff_run(loop_func_t loop, void *arg);

/** Makes ff_run return, on all cores, and calls that wait fail with EINTR. Any thread, and signal handlers. */
void ff_stop_run(void);

/* sockets -------------------------------------------------------------------------------------------------------- */

/**
 * AF_INET or AF_INET6; SOCK_STREAM, SOCK_DGRAM, and of ICMP (of AF_INET6 ICMPv6): SOCK_DGRAM with that protocol for echo requests and
 * their replies, SOCK_RAW for all messages, as icmp(7), raw(7) and RFC 3542 section 3 describe them, with ICMP_FILTER and ICMP6_FILTER,
 * without IP_HDRINCL. SOCK_NONBLOCK and SOCK_CLOEXEC may be or-ed to the type. Nobody needs a permission.
 * Errors: EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EINVAL (type), EMFILE, ENOBUFS, ENOMEM.
 */
int ff_socket(int domain, int type, int protocol);
int ff_bind(int s, const struct linux_sockaddr *addr, socklen_t addrlen);
int ff_listen(int s, int backlog);
int ff_accept(int s, struct linux_sockaddr *addr, socklen_t *addrlen);
int ff_accept4(int s, struct linux_sockaddr *addr, socklen_t *addrlen, int flags);
int ff_connect(int s, const struct linux_sockaddr *name, socklen_t namelen);
int ff_close(int fd);
int ff_shutdown(int s, int how);
int ff_getpeername(int s, struct linux_sockaddr *name, socklen_t *namelen);
int ff_getsockname(int s, struct linux_sockaddr *name, socklen_t *namelen);
int ff_getsockopt(int s, int level, int optname, void *optval, socklen_t *optlen);
int ff_setsockopt(int s, int level, int optname, const void *optval, socklen_t optlen);

/**
 * FIONBIO, FIONREAD, SIOCATMARK, SIOCOUTQ, FIOASYNC (only off), FIOCLEX, FIONCLEX; about interfaces SIOCGIFCONF, SIOCGIFNAME,
 * SIOCGIFADDR, SIOCGIFNETMASK, SIOCGIFBRDADDR, SIOCGIFMTU, SIOCGIFINDEX, SIOCGIFHWADDR, SIOCGIFFLAGS (netdevice(7)); others ENOTTY.
 */
int ff_ioctl(int fd, unsigned long request, ...);

/** F_GETFL, F_SETFL (O_NONBLOCK), F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC; others EINVAL. */
int ff_fcntl(int fd, int cmd, ...);

/* data ----------------------------------------------------------------------------------------------------------- */

ssize_t ff_read(int fd, void *buf, size_t nbytes);
ssize_t ff_readv(int fd, const struct iovec *iov, int iovcnt);

/** buf may be a handle made by ff_zc_mbuf_get: then it is sent without a copy, whole or not at all. */
ssize_t ff_write(int fd, const void *buf, size_t nbytes);
ssize_t ff_writev(int fd, const struct iovec *iov, int iovcnt);
ssize_t ff_send(int s, const void *buf, size_t len, int flags);
ssize_t ff_sendto(int s, const void *buf, size_t len, int flags, const struct linux_sockaddr *to, socklen_t tolen);

/** Control data of datagrams: IP_PKTINFO, IP_TTL, IP_TOS, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS, IPV6_DONTFRAG; other types EINVAL. */
ssize_t ff_sendmsg(int s, const struct msghdr *msg, int flags);
ssize_t ff_recv(int s, void *buf, size_t len, int flags);
ssize_t ff_recvfrom(int s, void *buf, size_t len, int flags, struct linux_sockaddr *from, socklen_t *fromlen);

/**
 * Control data of datagrams as asked for: IP_PKTINFO, IP_TTL, IP_TOS, IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS. With MSG_ERRQUEUE the
 * oldest report about a datagram that was sent, or EAGAIN: while IP_RECVERR or IPV6_RECVERR is set, ICMP errors and datagrams that were
 * too large wait in a queue of udp_errors places, in the layout of Linux (ip(7)): struct sock_extended_err and the address of who
 * reported in a control message, where the datagram went in msg_name, and what is known of the datagram as data.
 */
ssize_t ff_recvmsg(int s, struct msghdr *msg, int flags);

/* By reference: see z_api.h, which declares them alike. */
struct z_buf;
ssize_t z_read(int fd, void **b, size_t n);
ssize_t z_write(int fd, struct z_buf *b, size_t n);

/* events --------------------------------------------------------------------------------------------------------- */

/** nfds at most FD_SETSIZE. */
int ff_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *timeout);
int ff_poll(struct pollfd fds[], nfds_t nfds, int timeout);
int ff_kqueue(void);
/**
 * kevent(2) of FreeBSD, with one more error: ELOOP, for kqueues and epoll sets that would watch each other or be more than five deep, as
 * epoll_ctl(2) has it.
 */
int ff_kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist, int nevents, const struct timespec *timeout);

/**
 * ff_kevent for an event list of the application's own type: do_each(&cursor, event) is called for each event, with
 * cursor starting at eventlist; it stores the event and moves the cursor. At most 512 events a call.
 */
int ff_kevent_do_each(int kq, const struct kevent *changelist, int nchanges, void *eventlist, int nevents, const struct timespec *timeout,
                      void (*do_each)(void **, struct kevent *));

/* the rest ------------------------------------------------------------------------------------------------------- */

#if __GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 31)
int ff_gettimeofday(struct timeval *tv, void *tz);
#else
int ff_gettimeofday(struct timeval *tv, struct timezone *tz);
#endif

int ff_dup(int oldfd);
int ff_dup2(int oldfd, int newfd);

/** 1 when fd is an open descriptor of the stack, else 0. */
int ff_fdisused(int fd);

/** The largest descriptor number that the stack can return. */
int ff_getmaxfd(void);

/**
 * As pthread_create and pthread_join. Without attributes the new thread may run on every core that the process had before
 * ff_init bound the owner to its polling core. ff_pthread_join on the owner's thread polls the stack while it waits.
 */
int ff_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start_routine)(void *), void *arg);
int ff_pthread_join(pthread_t thread, void **retval);

/** What ff_get_traffic stores. */
struct ff_traffic_args {
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t tx_packets;
    uint64_t tx_bytes;
    uint64_t rx_dropped; /* by the ports, before the stack saw them */
    uint64_t tx_dropped; /* for want of room in a transmit queue */
};

void ff_get_traffic(void *buffer);

enum FF_ROUTE_CTL {
    FF_ROUTE_ADD,
    FF_ROUTE_DEL,
    FF_ROUTE_CHANGE,
    FF_ROUTE_GET, /* ours */
};

enum FF_ROUTE_FLAG {
    FF_RTF_HOST,
    FF_RTF_GATEWAY,
};

/**
 * Changes the routing table, which has both families: sockaddr_in or sockaddr_in6, behind a struct linux_sockaddr *; the scope id of
 * a link-local gateway is the number of the interface, from 1. With FF_RTF_HOST or without a netmask dst is a host.
 *
 * FF_ROUTE_ADD: another route to dst; without gw it is on the link of the first interface. A destination may have several gateways: the
 * first that answers is used. FF_ROUTE_DEL: the first route to exactly dst and netmask, or the one through gw when it is given.
 * FF_ROUTE_CHANGE: gives that first route another gateway. FF_ROUTE_GET: the gateway (0 when dst is on a link) and the netmask of the
 * route that a packet to dst takes are stored in *gw and *netmask, unless NULL; each has room for a sockaddr of dst's family.
 *
 * @return  0, or -1 with errno EFAULT, EINVAL (netmask), EAFNOSUPPORT, EEXIST, ESRCH (no such route), ENETUNREACH (the gateway is on no
 *          subnet of ours), ENOSPC (route_limit).
 */
int ff_route_ctl(enum FF_ROUTE_CTL req, enum FF_ROUTE_FLAG flag, struct linux_sockaddr *dst, struct linux_sockaddr *gw,
                 struct linux_sockaddr *netmask);

/**
 * As sysctl(3) of FreeBSD. The number of a name is asked for as sysctlnametomib() does: name {0, 3}, newp the text. Names: the
 * keys of [freebsd.sysctl] that have an effect, those of [zstack] as "zstack.KEY", counters as "zstack.counter.NAME" of all
 * cores together and "zstack.counter.N.NAME" of the N-th of lcore_mask, from 0. Values are int, or 64 bit when oldlenp says so or they need
 * it. What sizes a table at start cannot be set (EPERM).
 *
 * @return  0, or -1 with errno EFAULT, ENOENT, ENOMEM (*oldlenp too small), EINVAL (newlen, range), EPERM, ENAMETOOLONG.
 */
int ff_sysctl(const int *name, u_int namelen, void *oldp, size_t *oldlenp, const void *newp, size_t newlen);

/* hooks ---------------------------------------------------------------------------------------------------------- */

/** Results of a dispatcher beside the number of a stack: the frame is dropped; or sent back. */
#define FF_DISPATCH_ERROR (-1)
#define FF_DISPATCH_RESPONSE (-2)

/**
 * A function of the application that sees each frame that a port received, before any stack does. Packets between addresses of this host
 * pass no port, and are not shown.
 *
 * data, *len: the frame from its Ethernet header on: all of it, or when it came in several buffers (a frame larger than a receive buffer,
 * segments that the device has merged) what is in the first, at least 192 bytes. These bytes may be written, and behind them as far as
 * the receive buffer goes, which is at least 1514 bytes from data. They are the application's during the call only. Nobody else refers to
 * them: where a port received them by reference they are a copy (counter copy.writable_bytes). What a device has said about checksums
 * is not asked again; on virtual links (TAP, virtio) the transport's may not have been made at all, so an answer needs one of its own.
 *
 * queue_id, nb_queues: the stack that would have the frame, from 0, and how many share the device: with one stack 0 and 1. Otherwise the
 * stack that the flow belongs to, whichever thread or process has taken the frame off the device and makes this call.
 *
 * @return  0 to nb_queues - 1: that stack gets the frame (queue_id: as if nobody had asked); *len is not looked at. What concerns all
 *          stacks (ARP, neighbour discovery, groups) goes to all of them, whichever is named.
 *          FF_DISPATCH_ERROR: it is dropped (counter drop.dispatched).
 *          FF_DISPATCH_RESPONSE: the *len bytes at data are sent back on the port that they came from (dispatch.answered), with the
 *          VLAN tag that the device had taken off. From 14 bytes to the MTU and 18 (the tag included), and no more than fit in the buffer.
 *          Anything else, a length that cannot be, a stack that has ended: it is dropped (drop.dispatch_bad).
 *
 * All frames of a connection must go to one stack, and to the same for as long as it lives. Those that this host opens expect their
 * answers at queue_id. Fragments are put together by the stack that gets them; the whole goes to the one that its ports belong to,
 * whichever that was.
 *
 * Called on the thread that polls; with thread_mode on those of all stacks, also at the same time, and still while exit or ff_stop_run
 * deliver what was written. It may call ff_dpdk_raw_packet_send, but nothing that waits (z_poll gives EDEADLK), and nothing about
 * descriptors of other stacks. exit from inside it ends its stack without delivering anything.
 */
typedef int (*dispatch_func_t)(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues);

/** vlan_tci: of a frame whose tag the device has taken off (stripped 1; vlan_strip in config.ini); else both are 0. */
struct ff_dispatcher_context {
    struct {
        uint8_t stripped;
        uint16_t vlan_tci;
    } vlan;
};

typedef int (*dispatch_func_context_t)(void *data, uint16_t *len, uint16_t queue_id, uint16_t nb_queues, struct ff_dispatcher_context ctx);

/**
 * Registers the dispatcher of this process. There is one: a later one of either kind takes its place, NULL in either call removes it. Any
 * thread, also before ff_init, and a dispatcher itself; whoever polls may call the one before until the end of its turn. Processes that
 * share devices (--proc-id) have one each, and the first may receive for others: all should register the same.
 */
void ff_regist_packet_dispatcher(dispatch_func_t func);
void ff_regist_packet_dispatcher_context(dispatch_func_context_t func);

/**
 * Sends the total bytes at data, a frame from its Ethernet header on, as they are: no checksum is made. They are copied (copy.api_bytes),
 * and leave with the next turn of the calling thread's stack (of the first one for threads without), outside of ff_run at once.
 *
 * port_id: DPDK's number of a port in port_list, or the number of its section in config.ini.
 *
 * Ownership: data is the caller's after the call.
 * @return  0; -1 with errno EINVAL (less than 14 bytes), EMSGSIZE (more than the MTU and 18), EFAULT, ENODEV (no such port), ENOBUFS (no
 *          buffer, or the transmit queue is full: drop.txq_full), EBADF (before ff_init, or after the end). Any thread; dispatchers.
 */
int ff_dpdk_raw_packet_send(void *data, int total, uint16_t port_id);

/**
 * A function of the application that chooses the source address of a connection: asked when a socket of TCP or UDP connects that is bound
 * to no address (a port may be bound), also by MSG_FASTOPEN.
 *
 * family AF_INET (also of an IPv4 address on a socket of AF_INET6): dst_addr and src_addr are struct in_addr *; AF_INET6, Linux' number:
 * struct in6_addr *. dst_port is in network byte order. *src_addr is any when it is called.
 *
 * @return  0: *src_addr is the source, or, still any, the stack chooses. An address that is not this host's makes ff_connect fail with
 *          EADDRNOTAVAIL, as ff_bind does. Other results: the stack chooses.
 *
 * Called on the thread of the socket's stack, inside the call that connects. It may call neither ff_* nor z_*.
 */
typedef int (*pcblddr_func_t)(uint16_t family, void *dst_addr, uint16_t dst_port, void *src_addr);

/** Registers it for this process; a later one takes its place, NULL removes it. Any thread, also before ff_init. */
void ff_regist_pcblddr_fun(pcblddr_func_t func);

/* F-Stack's zero copy -------------------------------------------------------------------------------------------- */

struct ff_zc_mbuf {
    void *bsd_mbuf;     /* handle: an address that can be named but not touched */
    void *bsd_mbuf_off; /* the current piece */
    int off;            /* bytes written or read so far */
    int len;            /* bytes in all */
};

/**
 * A buffer of len bytes to be filled by ff_zc_mbuf_write and sent by ff_write(fd, m->bsd_mbuf, n) or ff_zc_send.
 *
 * Ownership: the caller's until a successful send; give it up unsent with ff_zc_recv_free.
 * @return  0, or -1 with errno ENOMEM, EINVAL.
 */
int ff_zc_mbuf_get(struct ff_zc_mbuf *m, int len);

/** Copies len bytes behind what was written before. len, or -1 with errno EINVAL (no room, or not a buffer). */
int ff_zc_mbuf_write(struct ff_zc_mbuf *m, const char *data, int len);

/** Copies up to len bytes out and moves on. How many (0 at the end), or -1 with errno EINVAL. */
int ff_zc_mbuf_read(struct ff_zc_mbuf *m, char *out, int len);

/**
 * Sends the first n bytes of a buffer by reference: all of them or none. n, or -1 with errno as z_write, and then the
 * buffer is still the caller's.
 */
ssize_t ff_zc_send(int fd, const void *mb, size_t n);

/**
 * Up to n received bytes as a chain, by reference.
 *
 * Ownership: when the result is positive the caller must ff_zc_recv_free(zm), or send zm->bsd_mbuf.
 * @return  bytes, 0 at end of file, -1 with errno as z_read.
 */
ssize_t ff_zc_recv(int fd, struct ff_zc_mbuf *zm, size_t n);

/** The next piece of a chain: 1 and *seg, *len; 0 after the last; -1 with errno EINVAL. */
int ff_zc_mbuf_segment(struct ff_zc_mbuf *zm, void **seg, int *len);

/** Frees the chain; zm becomes empty. */
void ff_zc_recv_free(struct ff_zc_mbuf *zm);

#ifdef __cplusplus
}
#endif

#endif
