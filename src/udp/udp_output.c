#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"
#include "wire/ipv4.h"
#include "wire/udp.h"

#include "base/poison.h"

/* A datagram this small fits a header mbuf, behind its own headers. */
#define UDP_HDR_MBUF_BYTES (PKT_HDR_ROOM / 2)

struct inaddr udp_destination(const struct inaddr *a)
{
    return inaddr_is_any(a) ? inaddr_v4(0x7f000001u) : *a;
}

int udp_path(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst)
{
    /* multicast needs no permission; a socket bound to a group address only filters by it */
    bool allow = u->broadcast || ip_v4_is_multicast(inaddr_to_v4(dst));
    const struct inaddr *src = ip_is_group(s, &u->laddr) ? NULL : &u->laddr;
    int err;

    if (ip_path_valid(s, &u->path) && inaddr_eq(&u->path_dst, dst))
        return 0;
    err = ip_path_lookup(s, &u->path, src, dst, allow);
    if (err == 0)
        u->path_dst = *dst;
    return err;
}

/* A buffer with the bytes of iov; NULL when none is free. */
static struct rte_mbuf *udp_copy_in(struct z_stack *s, const struct iovec *iov, int n, uint32_t len)
{
    struct rte_mbuf *m;
    uint8_t *p;

    if (len <= UDP_HDR_MBUF_BYTES) {
        m = pkt_alloc_hdr(s);
        if (m)
            (void)pkt_push(m, len);
    } else {
        m = pkt_alloc_app(s, len);
        if (m) {
            m->data_len = (uint16_t)len;
            m->pkt_len = len;
        }
    }
    if (!m)
        return NULL;
    p = pkt_data(m);
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len)
            memcpy(p, iov[i].iov_base, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    s->ctr.v[CTR_COPY_API] += len;
    return m;
}

static void udp_output(struct z_stack *s, struct udp_pcb *u, uint16_t dport, struct rte_mbuf *m)
{
    struct udp_hdr h = {.sport = u->lport, .dport = dport, .len = (uint16_t)(m->pkt_len + UDP_HLEN)};
    struct ip_out o = {.src = u->path.src, .dst = u->path_dst, .proto = IPPROTO_UDP_, .ttl = u->ttl, .tos = u->tos};

    o.df = true; /* a datagram that does not fit is refused, and would not be taken for a fragment's kin */
    udp_build(pkt_push(m, UDP_HLEN), &h);
    m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
    m->l4_len = UDP_HLEN;
    stack_count(s, CTR_UDP_TX);
    ip_output(s, &u->path, &o, m);
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

/* Where a datagram goes. 0 or an errno of sendto. */
static int udp_check_send(struct udp_pcb *u, int flags, const struct inaddr *a, uint16_t port)
{
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (u->snd_shut)
        return -EPIPE;
    if (u->err)
        return -udp_take_error(u);
    if (!a && !u->connected)
        return -EDESTADDRREQ;
    if (a && port == 0)
        return -EINVAL;
    if (a && !inaddr_is_v4(a) && !inaddr_is_any(a))
        return -EAFNOSUPPORT;
    return 0;
}

ssize_t udp_sendto(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int flags, const struct inaddr *a, uint16_t port)
{
    struct inaddr dst = a ? udp_destination(a) : u->raddr;
    struct rte_mbuf *m;
    size_t len = 0;
    int err;

    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > UDP_PAYLOAD_MAX - len)
            return -EMSGSIZE;
        len += iov[i].iov_len;
    }
    err = udp_check_send(u, flags, a, port);
    if (!err && u->lport == 0)
        err = udp_bind_ephemeral(s, u);
    if (!err)
        err = udp_path(s, u, &dst);
    if (err)
        return err;
    if (len + UDP_HLEN + IPV4_HLEN > u->path.mtu)
        return -EMSGSIZE;
    if (udp_snd_space(u) == 0)
        return udp_wait_for_room(s, u);
    m = udp_copy_in(s, iov, n, (uint32_t)len);
    if (!m)
        return -ENOBUFS;
    udp_output(s, u, a ? port : u->rport, m);
    return (ssize_t)len;
}
