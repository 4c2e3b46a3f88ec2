/* Options of IP and IPv6 on datagram sockets, with Linux' numbers, values and errors: ip(7), ipv6(7), RFC 3493, RFC 3542. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

#define PMTUDISC_LAST IP_PMTUDISC_OMIT

/* The flag of an option that asks for ancillary data; 0: another option. */
static uint8_t udp_recv_flag(int level, int name)
{
    if (level == IPPROTO_IP)
        return name == IP_PKTINFO ? UDP_RECV_PKTINFO : name == IP_RECVTTL ? UDP_RECV_TTL : name == IP_RECVTOS ? UDP_RECV_TOS : 0;
    return name == IPV6_RECVPKTINFO    ? UDP_RECV_PKTINFO6
           : name == IPV6_RECVHOPLIMIT ? UDP_RECV_HOPLIMIT
           : name == IPV6_RECVTCLASS   ? UDP_RECV_TCLASS
                                       : 0;
}

static void udp_set_recv(struct udp_pcb *u, uint8_t flag, bool on)
{
    u->ip.recv = (uint8_t)(on ? u->ip.recv | flag : u->ip.recv & ~flag);
}

/* A number of hops, or a class; -1: the default. */
static int udp_set_hops(uint8_t *to, int v, int least, uint8_t def)
{
    if (v != -1 && (v < least || v > 255))
        return -EINVAL;
    *to = v == -1 ? def : (uint8_t)v;
    return 0;
}

static int udp_set_ttl(int16_t *to, int v, int least)
{
    if (v != IP_TTL_DEFAULT && (v < least || v > 255))
        return -EINVAL;
    *to = (int16_t)v;
    return 0;
}

/* Strictly boolean. */
static int udp_set_bool(bool *to, int v)
{
    if (v != 0 && v != 1)
        return -EINVAL;
    *to = v != 0;
    return 0;
}

/* IP_MULTICAST_IF: an address, or a number of an interface with or without one. */
static int udp_set_mc_if(struct z_stack *s, struct udp_pcb *u, const void *val, unsigned len)
{
    struct ip_mreqn r = {0};
    struct inaddr a;
    const struct netif *nif;

    if (len >= sizeof(r))
        memcpy(&r, val, sizeof(r));
    else if (len >= sizeof(struct ip_mreq))
        memcpy(&r, val, sizeof(struct ip_mreq));
    else if (len >= sizeof(struct in_addr))
        memcpy(&r.imr_address, val, sizeof(struct in_addr));
    else
        return -EINVAL;
    a = inaddr_v4(ntohl(r.imr_address.s_addr));
    if (r.imr_ifindex < 0 || r.imr_ifindex > s->n_netifs)
        return -EADDRNOTAVAIL;
    if (r.imr_ifindex == 0 && !inaddr_is_any(&a)) {
        nif = ip_v4_owner(s, inaddr_to_v4(&a));
        if (!nif)
            return -EADDRNOTAVAIL;
        r.imr_ifindex = nif->index + 1;
    }
    u->ip.mc_ifindex[0] = (uint8_t)r.imr_ifindex;
    u->ip.mc_src = a;
    u->path.gen = 0;
    return 0;
}

/* IP_RECVERR, IPV6_RECVERR: what has been reported goes with the wish. */
static int udp_set_recverr(struct z_stack *s, struct udp_pcb *u, bool v6, bool on)
{
    u->ip.recverr[v6] = on;
    if (!on)
        udp_errs_free(s, u);
    return 0;
}

static int udp_setopt_ip_int(struct z_stack *s, struct udp_pcb *u, int name, int v)
{
    switch (name) {
    case IP_RECVERR:
        return udp_set_recverr(s, u, false, v != 0);
    case IP_TTL:
        return udp_set_ttl(&u->ip.ttl[0], v, 1);
    case IP_TOS:
        u->ip.tos[0] = (uint8_t)v;
        return 0;
    case IP_MULTICAST_TTL:
        return udp_set_hops(&u->ip.mc_ttl[0], v, 0, 1);
    case IP_MULTICAST_LOOP:
        u->ip.mc_loop[0] = v != 0;
        return 0;
    case IP_MULTICAST_ALL:
        return udp_set_bool(&u->ip.mc_all[0], v);
    case IP_MTU_DISCOVER:
        if (v < IP_PMTUDISC_DONT || v > PMTUDISC_LAST)
            return -EINVAL;
        u->ip.pmtu[0] = (uint8_t)v;
        return 0;
    case IP_BIND_ADDRESS_NO_PORT:
    case IP_FREEBIND:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int udp_setopt_ip(struct z_stack *s, struct udp_pcb *u, int name, const void *val, unsigned len)
{
    uint8_t flag = udp_recv_flag(IPPROTO_IP, name);
    int v;

    if (name == IP_MULTICAST_IF)
        return udp_set_mc_if(s, u, val, len);
    if (len == 0)
        return -EINVAL;
    if (len < sizeof(v)) /* ip(7): a byte will do */
        v = *(const uint8_t *)val;
    else
        memcpy(&v, val, sizeof(v));
    if (flag == 0)
        return udp_setopt_ip_int(s, u, name, v);
    udp_set_recv(u, flag, v != 0);
    return 0;
}

/*
 * IPV6_PKTINFO: source and interface of what is sent from now on, unless a datagram says otherwise (RFC 3542 section 6). As on Linux it
 * is only looked at when something is sent.
 */
static int udp_set_pktinfo6(struct z_stack *s, struct udp_pcb *u, const void *val, unsigned len)
{
    struct in6_pktinfo p;

    if (len < sizeof(p))
        return -EINVAL;
    memcpy(&p, val, sizeof(p));
    if (p.ipi6_ifindex > s->n_netifs)
        return -EINVAL;
    memcpy(u->ip.src6.b, &p.ipi6_addr, sizeof(u->ip.src6.b));
    u->ip.src_ifindex = (uint8_t)p.ipi6_ifindex;
    inaddr_set_zone(&u->ip.src6, u->ip.src_ifindex);
    u->path.gen = 0;
    return 0;
}

int udp_setopt_ip6(struct z_stack *s, struct udp_pcb *u, int name, const void *val, unsigned len)
{
    uint8_t flag = udp_recv_flag(IPPROTO_IPV6, name);
    int v;

    if (!u->inet6)
        return -ENOPROTOOPT;
    if (name == IPV6_PKTINFO)
        return udp_set_pktinfo6(s, u, val, len);
    if (len < sizeof(v))
        return -EINVAL;
    memcpy(&v, val, sizeof(v));
    if (flag != 0) {
        udp_set_recv(u, flag, v != 0);
        return 0;
    }
    switch (name) {
    case IPV6_V6ONLY: /* RFC 3493 5.3; decided before the port is taken, as on Linux */
        if (u->lport || u->raw)
            return -EINVAL;
        u->ip.v6only = v != 0;
        return 0;
    case IPV6_RECVERR:
        return udp_set_recverr(s, u, true, v != 0);
    case IPV6_UNICAST_HOPS:
        return udp_set_ttl(&u->ip.ttl[1], v, 0);
    case IPV6_TCLASS:
        return udp_set_hops(&u->ip.tos[1], v, 0, 0);
    case IPV6_MULTICAST_HOPS:
        return udp_set_hops(&u->ip.mc_ttl[1], v, 0, 1);
    case IPV6_MULTICAST_LOOP:
        return udp_set_bool(&u->ip.mc_loop[1], v);
    case IPV6_MULTICAST_ALL:
        u->ip.mc_all[1] = v != 0;
        return 0;
    case IPV6_MULTICAST_IF:
        if (v < 0)
            return -EINVAL;
        if (v > s->n_netifs)
            return -ENODEV;
        u->ip.mc_ifindex[1] = (uint8_t)v;
        u->path.gen = 0;
        return 0;
    case IPV6_MTU_DISCOVER:
        if (v < IPV6_PMTUDISC_DONT || v > PMTUDISC_LAST)
            return -EINVAL;
        u->ip.pmtu[1] = (uint8_t)v;
        return 0;
    case IPV6_DONTFRAG:
        u->ip.dontfrag = v != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int udp_get_path_mtu(struct z_stack *s, struct udp_pcb *u, int *v)
{
    if (!u->connected)
        return -ENOTCONN;
    if (udp_path(s, u, &u->raddr) != 0)
        return -ENOTCONN;
    *v = u->path.mtu;
    return 0;
}

int udp_getopt_ip(struct z_stack *s, struct udp_pcb *u, int name, int *v)
{
    uint8_t flag = udp_recv_flag(IPPROTO_IP, name);

    *v = flag != 0 ? (u->ip.recv & flag) != 0 : 0;
    if (flag != 0)
        return 0;
    switch (name) {
    case IP_TTL:
        *v = u->ip.ttl[0] >= 0 ? u->ip.ttl[0] : s->conf.ttl;
        return 0;
    case IP_TOS:
        *v = u->ip.tos[0];
        return 0;
    case IP_MULTICAST_TTL:
        *v = u->ip.mc_ttl[0];
        return 0;
    case IP_MULTICAST_LOOP:
        *v = u->ip.mc_loop[0];
        return 0;
    case IP_MULTICAST_ALL:
        *v = u->ip.mc_all[0];
        return 0;
    case IP_MULTICAST_IF: /* an address */
        *v = (int)htonl(inaddr_to_v4(&u->ip.mc_src));
        return 0;
    case IP_RECVERR:
        *v = u->ip.recverr[0];
        return 0;
    case IP_MTU_DISCOVER:
        *v = u->ip.pmtu[0];
        return 0;
    case IP_MTU:
        return udp_get_path_mtu(s, u, v);
    case IP_BIND_ADDRESS_NO_PORT:
    case IP_FREEBIND:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* As Linux: that of the path when there is one. */
static int udp_hop_limit(const struct z_stack *s, const struct udp_pcb *u)
{
    if (u->ip.ttl[1] >= 0)
        return u->ip.ttl[1];
    return u->connected && u->path.gen != 0 && u->path.v6 ? ip6_hop_limit(s, u->path.nif) : s->conf.ttl;
}

int udp_getopt_ip6(struct z_stack *s, struct udp_pcb *u, int name, int *v)
{
    uint8_t flag = udp_recv_flag(IPPROTO_IPV6, name);

    if (!u->inet6)
        return -ENOPROTOOPT;
    *v = flag != 0 ? (u->ip.recv & flag) != 0 : 0;
    if (flag != 0)
        return 0;
    switch (name) {
    case IPV6_V6ONLY:
        *v = u->ip.v6only;
        return 0;
    case IPV6_UNICAST_HOPS:
        *v = udp_hop_limit(s, u);
        return 0;
    case IPV6_TCLASS:
        *v = u->ip.tos[1];
        return 0;
    case IPV6_MULTICAST_HOPS:
        *v = u->ip.mc_ttl[1];
        return 0;
    case IPV6_MULTICAST_LOOP:
        *v = u->ip.mc_loop[1];
        return 0;
    case IPV6_MULTICAST_ALL:
        *v = u->ip.mc_all[1];
        return 0;
    case IPV6_MULTICAST_IF:
        *v = u->ip.mc_ifindex[1];
        return 0;
    case IPV6_RECVERR:
        *v = u->ip.recverr[1];
        return 0;
    case IPV6_MTU_DISCOVER:
        *v = u->ip.pmtu[1];
        return 0;
    case IPV6_MTU:
        return udp_get_path_mtu(s, u, v);
    case IPV6_DONTFRAG:
        *v = u->ip.dontfrag;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
