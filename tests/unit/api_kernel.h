/* The socket calls of the stack and the kernel's beside them: what one does the other must do. */
#ifndef TESTS_UNIT_API_KERNEL_H
#define TESTS_UNIT_API_KERNEL_H

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if.h> /* not the C library's: its struct ifaddr has the name of one of ours */

#include "api_fixture.h"

#include "base/units.h"

struct calls {
    const char *name;
    int (*socket)(int, int, int);
    int (*bind)(int, const struct linux_sockaddr *, socklen_t);
    int (*connect)(int, const struct linux_sockaddr *, socklen_t);
    int (*listen)(int, int);
    int (*setsockopt)(int, int, int, const void *, socklen_t);
    int (*getsockopt)(int, int, int, void *, socklen_t *);
    int (*getsockname)(int, struct linux_sockaddr *, socklen_t *);
    int (*getpeername)(int, struct linux_sockaddr *, socklen_t *);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct linux_sockaddr *, socklen_t);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
    ssize_t (*recv)(int, void *, size_t, int);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    int (*poll)(struct pollfd *, nfds_t, int);
    int (*close)(int);
};

static inline int k_bind(int fd, const struct linux_sockaddr *sa, socklen_t len)
{
    return bind(fd, (const struct sockaddr *)sa, len);
}

static inline int k_connect(int fd, const struct linux_sockaddr *sa, socklen_t len)
{
    return connect(fd, (const struct sockaddr *)sa, len);
}

static inline int k_getsockname(int fd, struct linux_sockaddr *sa, socklen_t *len)
{
    return getsockname(fd, (struct sockaddr *)sa, len);
}

static inline int k_getpeername(int fd, struct linux_sockaddr *sa, socklen_t *len)
{
    return getpeername(fd, (struct sockaddr *)sa, len);
}

static inline ssize_t k_sendto(int fd, const void *p, size_t n, int flags, const struct linux_sockaddr *sa, socklen_t len)
{
    return sendto(fd, p, n, flags, (const struct sockaddr *)sa, len);
}

/* Connections go at the end of a turn. */
static inline int o_close(int fd)
{
    int r = ff_close(fd);

    z_poll();
    return r;
}

/* What is sent to ourselves has arrived, and what it causes, when the call returns: as over the kernel's loopback. */
static inline ssize_t o_settled(ssize_t r)
{
    int err = errno;

    for (int i = 0; i < 3; i++)
        z_poll();
    errno = err;
    return r;
}

static inline ssize_t o_sendto(int fd, const void *p, size_t n, int flags, const struct linux_sockaddr *sa, socklen_t len)
{
    return o_settled(ff_sendto(fd, p, n, flags, sa, len));
}

static inline ssize_t o_sendmsg(int fd, const struct msghdr *m, int flags)
{
    return o_settled(ff_sendmsg(fd, m, flags));
}

static const struct calls ours = {"ours",        ff_socket,     ff_bind,        ff_connect,     ff_listen,
                                  ff_setsockopt, ff_getsockopt, ff_getsockname, ff_getpeername, o_sendto,
                                  o_sendmsg,     ff_recv,       ff_recvmsg,     ff_poll,        o_close};
static const struct calls kernel = {"kernel",      socket,   k_bind,  k_connect, listen,  setsockopt, getsockopt, k_getsockname,
                                    k_getpeername, k_sendto, sendmsg, recv,      recvmsg, poll,       close};

static inline bool kernel_has_inet6(void)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static inline bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/*
 * A network of the kernel's for this process alone, with a loopback and with sockets of ICMP for everybody; before ff_init. False: it
 * cannot be had here.
 */
static inline bool kernel_own_net(void)
{
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    char map[64];
    int fd;
    bool up;

    if (geteuid() == 0) {
        if (unshare(CLONE_NEWNET) != 0)
            return false;
    } else {
        snprintf(map, sizeof(map), "0 %d 1", (int)geteuid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || !write_file("/proc/self/uid_map", map))
            return false;
    }
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
    if (fd >= 0)
        close(fd);
    (void)write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
    return up;
}

/* "10.0.0.1" or "::1", with a port, as a socket address; its length. */
static inline socklen_t address(struct sockaddr_storage *ss, const char *text, uint16_t port)
{
    struct sockaddr_in *in = (void *)ss;
    struct sockaddr_in6 *in6 = (void *)ss;

    memset(ss, 0, sizeof(*ss));
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        return sizeof(*in);
    }
    memset(ss, 0, sizeof(*ss));
    assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    return sizeof(*in6);
}

/* 0, or the errno of the call. */
static inline int err_of(ssize_t r)
{
    return r < 0 ? errno : 0;
}

#endif
