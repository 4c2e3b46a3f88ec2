#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "sock/sock.h"
#include "udp/icmp_sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

#include "base/poison.h"

struct inaddr udp_destination(const struct inaddr *a)
{
    if (!inaddr_is_any(a))
        return *a;
    return inaddr_is_v4(a) ? inaddr_v4(0x7f000001u) : INADDR_LOOPBACK_V6;
}

/* The address that stands for an interface where a source chooses it: its primary one; any: it has none. */
static struct inaddr udp_nif_source(const struct z_stack *s, uint8_t ifindex, const struct inaddr *dst)
{
    const struct netif *nif = ifindex && ifindex <= s->n_netifs ? s->netif[ifindex - 1] : NULL;

    if (!inaddr_is_v4(dst))
        return nif ? ip6_choose_src(s, nif, dst) : (struct inaddr)INADDR_ANY_V6;
    return nif && nif->n_addrs ? inaddr_v4(nif->addr[0].addr) : INADDR_ANY_V4;
}

/*
 * The source that a datagram asks for, or its socket (RFC 3542 section 6: what was set holds where the datagram says nothing); any: the
 * path's choice. To a group it also chooses the interface. A socket bound to a group address only filters by it.
 */
static struct inaddr udp_source(const struct z_stack *s, const struct udp_pcb *u, const struct udp_dest *to, const struct inaddr *dst)
{
    bool v6 = !inaddr_is_v4(dst);

    if (to && !inaddr_is_any(&to->src))
        return to->src;
    if (!inaddr_is_any(&u->laddr) && !ip_is_group(s, &u->laddr))
        return u->laddr;
    if (v6 && !inaddr_is_any(&u->ip.src6))
        return u->ip.src6;
    if (to && to->ifindex)
        return udp_nif_source(s, to->ifindex, dst);
    if (v6 && u->ip.src_ifindex)
        return udp_nif_source(s, u->ip.src_ifindex, dst);
    if (!inaddr_is_multicast(dst))
        return INADDR_ANY_V4;
    if (!v6 && !inaddr_is_any(&u->ip.mc_src))
        return u->ip.mc_src;
    return udp_nif_source(s, u->ip.mc_ifindex[v6], dst);
}

/* A link-local destination without its zone is on the interface that was asked for, that of the source, or on the first one. */
static void udp_dest_zone(const struct udp_pcb *u, const struct udp_dest *to, struct inaddr *dst)
{
    uint16_t zone = to ? to->ifindex : 0;

    if (!inaddr_has_zone(dst) || inaddr_zone(dst))
        return;
    if (!zone)
        zone = u->ip.src_ifindex;
    if (!zone && inaddr_is_multicast(dst))
        zone = u->ip.mc_ifindex[1];
    if (!zone)
        zone = inaddr_zone(&u->laddr); /* a link-local source can only be used on its own link */
    inaddr_set_zone(dst, zone ? zone : 1);
}

int udp_path(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst)
{
    /* multicast needs no permission */
    bool allow = u->broadcast || inaddr_is_multicast(dst);
    struct inaddr src;
    int err;

    if (ip_path_valid(s, &u->path) && inaddr_eq(&u->path_dst, dst))
        return 0;
    src = udp_source(s, u, NULL, dst);
    err = ip_path_lookup(s, &u->path, &src, dst, allow);
    if (err == 0)
        u->path_dst = *dst;
    return err;
}

/* A path of this one datagram's own. */
static int udp_path_own(struct z_stack *s, struct udp_pcb *u, const struct udp_dest *to, const struct inaddr *dst, struct ip_path *path)
{
    struct inaddr src = udp_source(s, u, to, dst);
    int err;

    if (to->ifindex > s->n_netifs)
        return -ENODEV;
    if (inaddr_is_v4(&src) != inaddr_is_v4(dst) && !inaddr_is_any(&src))
        return -EINVAL;
    *path = (struct ip_path){0};
    err = ip_path_lookup(s, path, &src, dst, u->broadcast || inaddr_is_multicast(dst));
    return err == -EADDRNOTAVAIL && !inaddr_is_any(&to->src) ? -EINVAL : err;
}

static int udp_wait_for_room(struct z_stack *s, struct udp_pcb *u)
{
    if (!u->blocked) {
        u->blocked = true;
        u->blocked_next = s->udp.tx_blocked;
        s->udp.tx_blocked = u;
    }
    return -EAGAIN;
}

void udp_tx_resume(struct z_stack *s)
{
    struct udp_pcb *u = s->udp.tx_blocked, *next;

    s->udp.tx_blocked = NULL;
    for (; u; u = next) {
        next = u->blocked_next;
        u->blocked = false;
        if (udp_snd_space(u))
            sock_on_writable(s, u->sk);
        else
            (void)udp_wait_for_room(s, u);
    }
}

/* What IP can carry behind its header, less one of ours. */
static uint32_t udp_payload_max(const struct udp_pcb *u, bool v6)
{
    return UINT16_MAX - (v6 ? 0 : IPV4_HLEN) - udp_hdr_bytes(u);
}

/* May the destination have this port? Those of raw sockets are protocols. */
static bool udp_port_ok(const struct udp_pcb *u, uint16_t port)
{
    if (u->proto == IPPROTO_UDP)
        return port != 0;
    return !u->raw || !u->inet6 || port == 0 || port == u->proto;
}

/* Where a datagram goes. 0 or an errno of sendto. */
static int udp_check_send(struct udp_pcb *u, int flags, const struct udp_dest *to)
{
    const struct inaddr *dst = to && to->addr ? to->addr : &u->raddr;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (u->snd_shut)
        return -EPIPE;
    if (u->err)
        return -udp_take_error(u);
    if (dst == &u->raddr && !u->connected)
        return -EDESTADDRREQ;
    if (dst != &u->raddr && !udp_port_ok(u, to->port))
        return -EINVAL;
    if (inaddr_is_v4(dst) && udp_is_v6only(u))
        return u->proto == IPPROTO_UDP ? -ENETUNREACH : -EINVAL;
    return u->inet6 || inaddr_is_v4(dst) ? 0 : -EAFNOSUPPORT;
}

/* May a datagram above the path's MTU leave in fragments? ip(7) IP_MTU_DISCOVER, RFC 3542 section 11. */
static bool udp_may_fragment(const struct udp_pcb *u, const struct udp_dest *to, bool v6)
{
    if (u->ip.pmtu[v6] == IP_PMTUDISC_DO || u->ip.pmtu[v6] == IP_PMTUDISC_PROBE)
        return false;
    if (!v6)
        return true;
    return !(to && to->dontfrag >= 0 ? to->dontfrag : u->ip.dontfrag);
}

int udp_send_prepare(struct z_stack *s, struct udp_pcb *u, uint32_t len, int flags, const struct udp_dest *to, struct udp_sending *w)
{
    bool own = to && (to->ifindex || !inaddr_is_any(&to->src));
    int err = udp_check_send(u, flags, to);
    bool v6;

    if (!err)
        err = udp_autobind(s, u, NULL);
    if (err)
        return err;
    *w = (struct udp_sending){.to = UDP_DEST_INIT, .dst = u->raddr, .dport = u->rport, .len = len};
    if (to) {
        w->to = *to;
        if (to->addr) {
            w->dst = udp_destination(to->addr);
            w->dport = to->port;
        }
    }
    udp_dest_zone(u, to, &w->dst);
    err = own ? udp_path_own(s, u, to, &w->dst, &w->path) : udp_path(s, u, &w->dst);
    if (err)
        return err;
    if (!own)
        w->path = u->path;
    v6 = !inaddr_is_v4(&w->dst);
    w->big = len + udp_hdr_bytes(u) + ip_hdr_bytes(&w->dst) > w->path.mtu;
    if (len > udp_payload_max(u, v6) || (w->big && !udp_may_fragment(u, to, v6))) {
        udp_local_error(s, u, &w->dst, w->dport, EMSGSIZE, w->path.mtu);
        return -EMSGSIZE;
    }
    /* all fragments or none: a part of them would be a burden without use */
    if (!w->path.local && txq_room(&w->path.nif->txq) < (w->big ? len / (w->path.mtu - 64u) + 1 : 1))
        return udp_wait_for_room(s, u);
    return 0;
}

/* Members of the group on this host hear it as well, unless the sender does not want them to (IP_MULTICAST_LOOP). */
static void udp_loop_group(struct z_stack *s, struct udp_pcb *u, const struct udp_sending *w, const struct udp_info *in, struct rte_mbuf *m)
{
    struct rte_mbuf *ref;

    if (inaddr_is_multicast(&w->dst) && (!u->ip.mc_loop[!inaddr_is_v4(&w->dst)] || !udp_group_member(s, w->path.nif, &w->dst)))
        return;
    ref = udp_share(s, m);
    if (ref && !udp_deliver_group(s, in, w->dport, ref))
        pkt_unref_chain(ref);
}

struct ip_out udp_ip_out(const struct udp_pcb *u, const struct udp_sending *w)
{
    bool v6 = !inaddr_is_v4(&w->dst);
    struct ip_out o = {.src = w->path.src, .dst = w->dst, .proto = u->proto};

    o.ttl = w->to.ttl >= 0 ? w->to.ttl : inaddr_is_multicast(&w->dst) ? u->ip.mc_ttl[v6] : u->ip.ttl[v6];
    o.tos = w->to.tos >= 0 ? (uint8_t)w->to.tos : u->ip.tos[v6];
    /* IP_PMTUDISC_WANT: what fits says "do not fragment", so that a narrower path is learned of; what does not fit is fragmented */
    o.df = !w->big && (v6 || u->ip.pmtu[0] == IP_PMTUDISC_WANT || !udp_may_fragment(u, NULL, v6));
    return o;
}

static void udp_output_udp(struct z_stack *s, struct udp_pcb *u, struct udp_sending *w, struct rte_mbuf *m /* consumed */)
{
    struct udp_hdr h = {.sport = u->lport, .dport = w->dport, .len = (uint16_t)(m->pkt_len + UDP_HLEN)};
    struct ip_out o = udp_ip_out(u, w);
    bool group = ip_is_group(s, &w->dst);

    if (unlikely(group)) {
        const struct udp_info in = {.src = w->path.src,
                                    .dst = w->dst,
                                    .sport = u->lport,
                                    .ttl = (uint8_t)o.ttl,
                                    .tos = o.tos,
                                    .ifindex = (uint8_t)(w->path.nif->index + 1)};

        udp_loop_group(s, u, w, &in, m);
    }
    udp_build(pkt_push(m, UDP_HLEN), &h);
    m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
    m->l4_len = UDP_HLEN;
    stack_count(s, CTR_UDP_TX);
    if (unlikely(group && o.ttl == 0)) { /* for this host only (RFC 1112 section 6.1) */
        pkt_unref_chain(m);
        return;
    }
    ip_output(s, &w->path, &o, m);
}

void udp_output(struct z_stack *s, struct udp_pcb *u, struct udp_sending *w, struct rte_mbuf *m)
{
    if (likely(u->proto == IPPROTO_UDP))
        udp_output_udp(s, u, w, m);
    else
        icmp_sock_output(s, u, w, m);
    if (inaddr_eq(&u->path_dst, &w->dst) && u->path.gen == w->path.gen) {
        u->path.neigh = w->path.neigh;
        u->path.neigh_serial = w->path.neigh_serial;
    }
}

ssize_t udp_sendto(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int flags, const struct udp_dest *to)
{
    struct udp_sending w;
    struct rte_mbuf *m;
    size_t len = 0;
    int err;

    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > UINT16_MAX - len)
            return -EMSGSIZE;
        len += iov[i].iov_len;
    }
    err = u->proto == IPPROTO_UDP || u->raw ? 0 : icmp_sock_check(u, iov, len);
    if (!err)
        err = udp_send_prepare(s, u, (uint32_t)len, flags, to, &w);
    if (!err && u->raw)
        err = icmp_sock_check(u, iov, len);
    if (err)
        return err;
    m = udp_alloc_chain(s, (uint32_t)len, true);
    if (!m)
        return -ENOBUFS;
    udp_copy_in(m, iov, n);
    s->ctr.v[CTR_COPY_API] += len;
    udp_output(s, u, &w, m);
    return (ssize_t)len;
}
