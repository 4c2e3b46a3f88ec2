/* The user calls of UDP (RFC 768 "User Interface", RFC 1122 4.1.4) but for sending and options. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/siphash.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

#define UDP_SNDBUF_BYTES (212992u) /* Linux' net.core.wmem_default: nothing is queued here, but programs ask */

int udp_state_init(struct z_stack *s)
{
    memset(&s->udp, 0, sizeof(s->udp));
    s->udp.n_buckets = UDP_BUCKETS;
    s->udp.bucket = arena_alloc(&s->arena, UDP_BUCKETS * sizeof(struct udp_pcb *));
    return s->udp.bucket ? 0 : -ENOMEM;
}

void udp_state_fini(struct z_stack *s)
{
    if (!s->udp.bucket)
        return;
    for (uint32_t i = 0; i < s->udp.n_buckets; i++)
        while (s->udp.bucket[i])
            udp_close(s, s->udp.bucket[i]);
    arena_free(&s->arena, s->udp.bucket, s->udp.n_buckets * sizeof(struct udp_pcb *));
    s->udp.bucket = NULL;
}

struct udp_pcb *udp_create(struct z_stack *s, struct sock *sk)
{
    struct udp_pcb *u = arena_alloc(&s->arena, sizeof(*u));

    if (!u)
        return NULL;
    u->sk = sk;
    u->laddr = INADDR_ANY_V4;
    u->raddr = INADDR_ANY_V4;
    u->ttl = s->conf.ttl;
    u->rcvbuf_bytes = s->conf.udp_rcvbuf_bytes;
    u->sndbuf_bytes = UDP_SNDBUF_BYTES;
    s->udp.n_pcbs++;
    return u;
}

static void udp_hash(struct z_stack *s, struct udp_pcb *u, uint16_t port)
{
    struct udp_pcb **b = udp_bucket(s, port);

    u->lport = port;
    u->next = *b;
    *b = u;
}

static void udp_unhash(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_pcb **p = udp_bucket(s, u->lport);

    if (u->lport == 0)
        return;
    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
    u->next = NULL;
    u->lport = 0;
}

void udp_queue_free(struct z_stack *s, struct udp_pcb *u)
{
    for (; u->q_n; u->q_n--)
        pkt_unref_chain(u->q[u->q_head++ & (u->q_slots - 1)].m);
    arena_free(&s->arena, u->q, u->q_slots * sizeof(*u->q));
    s->udp.rcv_bytes -= u->rcv_bytes;
    u->q = NULL;
    u->q_slots = u->q_head = u->rcv_bytes = 0;
    u->rcv_payload = 0;
}

void udp_close(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_pcb **p = &s->udp.tx_blocked;

    while (u->blocked && *p != u)
        p = &(*p)->blocked_next;
    if (u->blocked)
        *p = u->blocked_next;
    udp_unhash(s, u);
    udp_queue_free(s, u);
    s->udp.n_pcbs--;
    arena_free(&s->arena, u, sizeof(*u));
}

/* May u have this address and port beside those who have it? SO_REUSEADDR and SO_REUSEPORT as in Linux' socket(7). */
static bool udp_port_is_free(const struct z_stack *s, const struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    for (const struct udp_pcb *o = *udp_bucket(s, port); o; o = o->next) {
        if (o->lport != port || (!inaddr_is_any(a) && !inaddr_is_any(&o->laddr) && !inaddr_eq(a, &o->laddr)))
            continue;
        if (!(u->reuseaddr && o->reuseaddr) && !(u->reuseport && o->reuseport))
            return false;
    }
    return true;
}

/* Any socket on this port? An ephemeral port is shared with nobody. */
static bool udp_port_is_used(const struct z_stack *s, uint16_t port)
{
    const struct udp_pcb *o = *udp_bucket(s, port);

    while (o && o->lport != port)
        o = o->next;
    return o;
}

/* From an unpredictable place in the range, the next free one (RFC 6056 section 3.3.2, with a keyed hash for random()). */
int udp_bind_ephemeral(struct z_stack *s, struct udp_pcb *u)
{
    uint32_t n = (uint32_t)(s->conf.port_last - s->conf.port_first) + 1, start;
    uint64_t in[2] = {0x7564702d706f7274ull, s->udp.port_hint++};

    start = (uint32_t)(siphash24(s->secret_key, in, sizeof(in)) % n);
    for (uint32_t i = 0; i < n; i++) {
        uint16_t port = (uint16_t)(s->conf.port_first + (start + i) % n);

        if (!udp_port_is_used(s, port)) {
            udp_hash(s, u, port);
            return 0;
        }
    }
    return -EADDRINUSE;
}

int udp_bind(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    struct inaddr old = u->laddr;
    int err = 0;

    if (u->lport)
        return -EINVAL;
    if (!inaddr_is_any(a) && !inaddr_is_v4(a))
        return -EAFNOSUPPORT;
    if (!inaddr_is_any(a) && !ip_is_local(s, a) && !ip_is_group(s, a))
        return -EADDRNOTAVAIL;
    if (port && !udp_port_is_free(s, u, a, port))
        return -EADDRINUSE;
    u->laddr = inaddr_is_any(a) ? INADDR_ANY_V4 : *a;
    if (port)
        udp_hash(s, u, port);
    else
        err = udp_bind_ephemeral(s, u);
    if (err) {
        u->laddr = old;
        return err;
    }
    u->addr_bound = !inaddr_is_any(a);
    u->port_bound = port != 0;
    u->path.gen = 0;
    return 0;
}

static void udp_disconnect(struct z_stack *s, struct udp_pcb *u)
{
    u->connected = false;
    u->raddr = INADDR_ANY_V4;
    u->rport = 0;
    u->path.gen = 0;
    if (!u->addr_bound)
        u->laddr = INADDR_ANY_V4;
    if (!u->port_bound)
        udp_unhash(s, u);
}

int udp_connect(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    struct inaddr dst = udp_destination(a), old = u->laddr;
    int err;

    if (inaddr_is_any(a) && port == 0) {
        udp_disconnect(s, u);
        return 0;
    }
    if (!inaddr_is_v4(&dst))
        return -EAFNOSUPPORT;
    if (!u->addr_bound)
        u->laddr = INADDR_ANY_V4;
    u->path.gen = 0;
    err = udp_path(s, u, &dst);
    if (!err && u->lport == 0)
        err = udp_bind_ephemeral(s, u);
    if (err) {
        u->laddr = old;
        u->path.gen = 0;
        return err;
    }
    /* bound to a group address: that stays the filter, but no source */
    if (!u->addr_bound)
        u->laddr = u->path.src;
    u->raddr = dst;
    u->rport = port;
    u->connected = true;
    return 0;
}

/* Copies the payload of a chain; returns bytes copied. */
static size_t udp_copy_out(const struct rte_mbuf *m, const struct iovec *iov, int n)
{
    size_t off = 0, done = 0;
    int i = 0;

    for (; m; m = m->next) {
        size_t at = 0;

        while (at < m->data_len && i < n) {
            size_t k = MIN(iov[i].iov_len - off, m->data_len - at);

            if (k)
                memcpy((char *)iov[i].iov_base + off, rte_pktmbuf_mtod(m, const char *) + at, k);
            at += k;
            off += k;
            done += k;
            if (off == iov[i].iov_len) {
                i++;
                off = 0;
            }
        }
    }
    return done;
}

static void udp_queue_pop(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_dgram *d = &u->q[u->q_head++ & (u->q_slots - 1)];

    u->q_n--;
    u->rcv_bytes -= d->truesize;
    u->rcv_payload -= d->m->pkt_len;
    s->udp.rcv_bytes -= d->truesize;
    pkt_unref_chain(d->m);
    if (u->q_n == 0 && u->q_slots > UDP_QUEUE_MIN)
        udp_queue_free(s, u); /* a burst is over */
}

ssize_t udp_recvfrom(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int *flags, struct inaddr *a, uint16_t *port)
{
    int in = *flags;
    struct udp_dgram *d;
    size_t len, done;

    *flags = 0;
    if (in & MSG_OOB)
        return -EOPNOTSUPP;
    if (u->err)
        return -udp_take_error(u);
    if (u->q_n == 0)
        return u->rcv_shut ? 0 : -EAGAIN;
    d = &u->q[u->q_head & (u->q_slots - 1)];
    len = d->m->pkt_len;
    done = udp_copy_out(d->m, iov, n);
    s->ctr.v[CTR_COPY_API] += done;
    if (done < len)
        *flags |= MSG_TRUNC;
    if (a)
        *a = d->src;
    if (port)
        *port = d->sport;
    if (!(in & MSG_PEEK))
        udp_queue_pop(s, u);
    return (ssize_t)(in & MSG_TRUNC ? len : done);
}

/* As Linux: an unconnected socket gives ENOTCONN, and is shut down all the same. */
int udp_shutdown(struct z_stack *s, struct udp_pcb *u, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    u->rcv_shut |= how != SHUT_WR;
    u->snd_shut |= how != SHUT_RD;
    sock_on_readable(s, u->sk);
    sock_on_writable(s, u->sk);
    return u->connected ? 0 : -ENOTCONN;
}

void udp_getname(const struct udp_pcb *u, struct inaddr *a, uint16_t *port)
{
    *a = u->laddr;
    *port = u->lport;
}

int udp_getpeer(const struct udp_pcb *u, struct inaddr *a, uint16_t *port)
{
    if (!u->connected)
        return -ENOTCONN;
    *a = u->raddr;
    *port = u->rport;
    return 0;
}

unsigned udp_poll(const struct udp_pcb *u)
{
    unsigned ev = 0;

    if (u->q_n || u->rcv_shut)
        ev |= SOCK_IN;
    if (u->rcv_shut)
        ev |= SOCK_RDHUP;
    if (u->rcv_shut && u->snd_shut)
        ev |= SOCK_HUP;
    if (u->snd_shut || udp_snd_space(u))
        ev |= SOCK_OUT;
    if (u->err)
        ev |= SOCK_ERR;
    return ev;
}

size_t udp_rcv_avail(const struct udp_pcb *u)
{
    return u->q_n ? u->q[u->q_head & (u->q_slots - 1)].m->pkt_len : 0;
}

size_t udp_rcv_total(const struct udp_pcb *u)
{
    return u->rcv_payload;
}

/* Datagrams wait only in the transmit queue of their interface, which all sockets share. */
size_t udp_snd_space(const struct udp_pcb *u)
{
    if (u->path.gen && !u->path.local && txq_room(&u->path.nif->txq) == 0)
        return 0;
    return u->sndbuf_bytes;
}

int udp_take_error(struct udp_pcb *u)
{
    int err = u->err;

    u->err = 0;
    return err;
}
