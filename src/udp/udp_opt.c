/* Socket options of UDP, with Linux numbers and rules (socket(7), ip(7)). */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "udp/icmp_sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

/* Room for one datagram of a usual MTU with its buffer. */
#define UDP_RCVBUF_MIN 4096u

static uint32_t udp_buf_size(int v, uint32_t max)
{
    return v < (int)UDP_RCVBUF_MIN ? UDP_RCVBUF_MIN : MIN((uint32_t)v, max);
}

static int udp_setopt_socket(struct z_stack *s, struct udp_pcb *u, int name, int v)
{
    switch (name) {
    case SO_RCVBUF:
        u->rcvbuf_bytes = udp_buf_size(v, (uint32_t)MIN(s->conf.rcv_limit_bytes, (uint64_t)INT32_MAX));
        return 0;
    case SO_SNDBUF:
        u->sndbuf_bytes = udp_buf_size(v, INT32_MAX);
        return 0;
    case SO_REUSEADDR:
        u->reuseaddr = v != 0;
        return 0;
    case SO_REUSEPORT:
        u->reuseport = v != 0;
        return 0;
    case SO_BROADCAST:
        u->broadcast = v != 0;
        u->path.gen = 0; /* the permission was part of the look-up */
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* A raw socket of IPv6 has no options of IPv4. */
static bool udp_has_level(const struct udp_pcb *u, int level)
{
    return level == SOL_SOCKET || (level == IPPROTO_UDP && u->proto == IPPROTO_UDP) || level == IPPROTO_IPV6 ||
           (level == IPPROTO_IP && !(u->raw && u->inet6));
}

int udp_setopt(struct z_stack *s, struct udp_pcb *u, int level, int name, const void *val, unsigned len)
{
    int v;

    if (u->proto != IPPROTO_UDP && level != SOL_SOCKET) {
        int err = icmp_sock_setopt(u, level, name, val, len);

        if (err != -ENOPROTOOPT || !udp_has_level(u, level))
            return err;
    }
    if (level != SOL_SOCKET) {
        int err = level == IPPROTO_IP || level == IPPROTO_IPV6 ? udp_setopt_group(s, u, level, name, val, len) : -ENOPROTOOPT;

        if (err == -ENOPROTOOPT && level == IPPROTO_IP)
            err = udp_setopt_ip(s, u, name, val, len);
        else if (err == -ENOPROTOOPT && level == IPPROTO_IPV6)
            err = udp_setopt_ip6(s, u, name, val, len);
        return err;
    }
    if (len < sizeof(v))
        return -EINVAL;
    memcpy(&v, val, sizeof(v));
    return udp_setopt_socket(s, u, name, v);
}

static int udp_getopt_socket(struct udp_pcb *u, int name, int *v)
{
    switch (name) {
    case SO_RCVBUF:
        *v = (int)u->rcvbuf_bytes;
        return 0;
    case SO_SNDBUF:
        *v = (int)u->sndbuf_bytes;
        return 0;
    case SO_REUSEADDR:
        *v = u->reuseaddr;
        return 0;
    case SO_REUSEPORT:
        *v = u->reuseport;
        return 0;
    case SO_BROADCAST:
        *v = u->broadcast;
        return 0;
    case SO_ERROR:
        *v = udp_take_error(u);
        return 0;
    case SO_TYPE:
        *v = u->raw ? SOCK_RAW : SOCK_DGRAM;
        return 0;
    case SO_PROTOCOL:
        *v = u->proto;
        return 0;
    case SO_DOMAIN:
        *v = u->inet6 ? AF_INET6 : AF_INET;
        return 0;
    case SO_ACCEPTCONN:
        *v = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int udp_getopt(struct z_stack *s, struct udp_pcb *u, int level, int name, void *val, unsigned *len)
{
    int v = 0, err = u->proto == IPPROTO_UDP ? -ENOPROTOOPT : icmp_sock_getopt(u, level, name, val, len);

    if (err != -ENOPROTOOPT)
        return err;
    if (!udp_has_level(u, level))
        return u->inet6 ? -ENOPROTOOPT : -EOPNOTSUPP;
    if (level == SOL_SOCKET)
        err = udp_getopt_socket(u, name, &v);
    else if (level == IPPROTO_IP)
        err = udp_getopt_ip(s, u, name, &v);
    else if (level == IPPROTO_IPV6)
        err = udp_getopt_ip6(s, u, name, &v);
    if (err)
        return err;
    if (level == IPPROTO_IP && *len > 0 && *len < sizeof(v) && v >= 0 && v <= 255 && name != IP_MULTICAST_IF) {
        *(uint8_t *)val = (uint8_t)v; /* ip(7): a byte will do */
        *len = 1;
        return 0;
    }
    *len = MIN(*len, (unsigned)sizeof(v));
    memcpy(val, &v, *len);
    return 0;
}
