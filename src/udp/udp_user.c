/* The user calls of UDP (RFC 768 "User Interface", RFC 1122 4.1.4) but for sending and options. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bigtab.h"
#include "base/bindaddr.h"
#include "base/check.h"
#include "base/siphash.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

#define UDP_IDS_MIN 64u
#define UDP_PICKY_TRIES 512u       /* ports looked at for a better one */
#define UDP_SNDBUF_BYTES (212992u) /* Linux' net.core.wmem_default: nothing is queued here, but programs ask */

int udp_state_init(struct z_stack *s)
{
    memset(&s->udp, 0, sizeof(s->udp));
    s->udp.n_buckets = UDP_BUCKETS;
    s->udp.bucket = arena_alloc(&s->arena, UDP_BUCKETS * sizeof(struct udp_pcb *));
    s->udp.id_mask = UDP_IDS_MIN - 1;
    while (s->udp.id_mask < s->conf.max_sockets)
        s->udp.id_mask = s->udp.id_mask * 2 + 1;
    s->udp.id_tab = bigtab_alloc((size_t)s->udp.id_mask + 1, sizeof(struct udp_pcb *));
    return s->udp.bucket && s->udp.id_tab ? 0 : -ENOMEM;
}

void udp_state_fini(struct z_stack *s)
{
    for (uint32_t i = 0; s->udp.bucket && s->udp.id_tab && i < s->udp.n_buckets; i++)
        while (s->udp.bucket[i])
            udp_close(s, s->udp.bucket[i]);
    while (s->udp.raw)
        udp_close(s, s->udp.raw);
    arena_free(&s->arena, s->udp.bucket, s->udp.n_buckets * sizeof(struct udp_pcb *));
    bigtab_free(s->udp.id_tab, (size_t)s->udp.id_mask + 1, sizeof(struct udp_pcb *));
    s->udp.bucket = NULL;
    s->udp.id_tab = NULL;
}

/* A number that no other socket has. There are more places than descriptors, but a stack may be made without those. */
static bool udp_take_id(struct udp_state *us, struct udp_pcb *u)
{
    if (us->n_pcbs > us->id_mask)
        return false;
    do
        us->next_id++;
    while (us->id_tab[us->next_id & us->id_mask]);
    u->id = us->next_id;
    us->id_tab[u->id & us->id_mask] = u;
    return true;
}

struct udp_pcb *udp_create(struct z_stack *s, struct sock *sk)
{
    struct udp_pcb *u = arena_alloc(&s->arena, sizeof(*u));

    if (!u)
        return NULL;
    if (!udp_take_id(&s->udp, u)) {
        arena_free(&s->arena, u, sizeof(*u));
        return NULL;
    }
    u->sk = sk;
    u->laddr = INADDR_ANY_V4;
    u->raddr = INADDR_ANY_V4;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        u->ip.ttl[v6] = IP_TTL_DEFAULT;
        u->ip.mc_ttl[v6] = 1; /* RFC 1112 section 6.1 */
        u->ip.pmtu[v6] = IP_PMTUDISC_WANT;
        u->ip.mc_loop[v6] = u->ip.mc_all[v6] = true;
    }
    u->proto = IPPROTO_UDP;
    u->errs_tail = &u->errs;
    u->rcvbuf_bytes = s->conf.udp_rcvbuf_bytes;
    u->sndbuf_bytes = UDP_SNDBUF_BYTES;
    s->udp.n_pcbs++;
    return u;
}

static struct inaddr udp_any(const struct udp_pcb *u)
{
    return u->inet6 ? INADDR_ANY_V6 : INADDR_ANY_V4;
}

void udp_set_inet6(struct udp_pcb *u)
{
    u->inet6 = true;
    u->laddr = u->raddr = udp_any(u);
    u->ip.mc_all[0] = false; /* as on Linux, of which no manual says so */
}

bool udp_port_is_used(const struct z_stack *s, uint8_t proto, uint16_t port)
{
    const struct udp_pcb *o = *udp_bucket(s, port);

    while (o && (o->lport != port || o->proto != proto))
        o = o->next;
    return o;
}

/* Packets to the port may come to another stack behind the same device. */
static bool udp_is_steered(const struct z_stack *s, const struct udp_pcb *u)
{
    return s->steer && u->proto == IPPROTO_UDP;
}

static void udp_hash(struct z_stack *s, struct udp_pcb *u, uint16_t port)
{
    struct udp_pcb **b = udp_bucket(s, port);

    u->lport = port;
    u->next = *b;
    *b = u;
    if (udp_is_steered(s, u))
        steer_listen(s->steer, s->member, STEER_UDP, port, true);
}

static void udp_unhash(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_pcb **p = udp_bucket(s, u->lport);

    if (u->lport == 0)
        return;
    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
    if (udp_is_steered(s, u) && !udp_port_is_used(s, u->proto, u->lport))
        steer_listen(s->steer, s->member, STEER_UDP, u->lport, false);
    u->next = NULL;
    u->lport = 0;
}

static void udp_forget_raw(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_pcb **p = &s->udp.raw;

    while (*p != u)
        p = &(*p)->next;
    *p = u->next;
}

void udp_close(struct z_stack *s, struct udp_pcb *u)
{
    struct udp_pcb **p = &s->udp.tx_blocked;

    while (u->blocked && *p != u)
        p = &(*p)->blocked_next;
    if (u->blocked)
        *p = u->blocked_next;
    if (u->raw)
        udp_forget_raw(s, u);
    udp_unhash(s, u);
    udp_groups_free(s, u);
    udp_errs_free(s, u);
    udp_queue_free(s, u);
    s->udp.id_tab[u->id & s->udp.id_mask] = NULL;
    s->udp.n_pcbs--;
    arena_free(&s->arena, u, sizeof(*u));
}

/* May u have this address and port beside those who have it? SO_REUSEADDR and SO_REUSEPORT as in Linux' socket(7). */
static bool udp_port_is_free(const struct z_stack *s, const struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    for (const struct udp_pcb *o = *udp_bucket(s, port); o; o = o->next) {
        if (o->lport != port || o->proto != u->proto || !bind_overlaps(a, u->ip.v6only, &o->laddr, o->ip.v6only))
            continue;
        if (!(u->reuseaddr && o->reuseaddr) && !(u->reuseport && o->reuseport))
            return false;
    }
    return true;
}

/*
 * An ephemeral port is shared with nobody. Of several stacks each has a share of the range; of its ports those are better that bring a
 * peer's answers to it: of the others they are handed over.
 */
static bool udp_port_suits(const struct z_stack *s, const struct udp_pcb *u, const struct udp_peer *peer, uint16_t port, bool picky)
{
    if (udp_port_is_used(s, u->proto, port))
        return false;
    if (!udp_is_steered(s, u))
        return true;
    if (port % steer_count(s->steer) != s->member || steer_is_listened(s->steer, STEER_UDP, port))
        return false;
    return !picky || !peer || steer_home(s->steer, &u->path.src, &peer->addr, port, peer->port) == s->member;
}

/* From an unpredictable place in the range, the next free one (RFC 6056 section 3.3.2, with a keyed hash for random()). */
static int udp_bind_ephemeral(struct z_stack *s, struct udp_pcb *u, const struct udp_peer *peer)
{
    uint32_t n = (uint32_t)(s->conf.port_last - s->conf.port_first) + 1, start;
    uint64_t in[2] = {0x7564702d706f7274ull, s->udp.port_hint++};

    start = (uint32_t)(siphash24(s->secret_key, in, sizeof(in)) % n);
    for (uint32_t i = 0; i < n + UDP_PICKY_TRIES; i++) {
        uint16_t port = (uint16_t)(s->conf.port_first + (start + i) % n);

        if (udp_port_suits(s, u, peer, port, i < UDP_PICKY_TRIES)) {
            udp_hash(s, u, port);
            return 0;
        }
    }
    return -EADDRINUSE;
}

int udp_autobind(struct z_stack *s, struct udp_pcb *u, const struct udp_peer *peer)
{
    return u->lport || u->raw ? 0 : udp_bind_ephemeral(s, u, peer);
}

/* May a socket be bound to this address? Those that only send echo requests to none of a group, as on Linux. */
static bool udp_may_bind(const struct z_stack *s, const struct udp_pcb *u, const struct inaddr *a)
{
    if (inaddr_is_any(a) || ip_is_local(s, a))
        return true;
    return ip_is_group(s, a) && (u->proto == IPPROTO_UDP || u->raw);
}

int udp_bind(struct z_stack *s, struct udp_pcb *u, const struct inaddr *a, uint16_t port)
{
    struct inaddr old = u->laddr;
    int err = 0;

    if (u->lport)
        return -EINVAL;
    if (!u->inet6 && !inaddr_is_v4(a))
        return -EAFNOSUPPORT;
    if (udp_is_v6only(u) && inaddr_is_v4(a))
        return u->raw ? -EADDRNOTAVAIL : -EINVAL;
    if (!udp_may_bind(s, u, a))
        return -EADDRNOTAVAIL;
    if (port && !u->raw && !udp_port_is_free(s, u, a, port))
        return -EADDRINUSE;
    u->laddr = *a;
    if (u->raw) /* its port is the protocol, and nobody's */
        port = 0;
    else if (port)
        udp_hash(s, u, port);
    else
        err = udp_bind_ephemeral(s, u, NULL);
    if (err) {
        u->laddr = old;
        return err;
    }
    u->addr_bound = !inaddr_is_any(a);
    u->port_bound = port != 0;
    u->path.gen = 0;
    return 0;
}

void udp_disconnect(struct z_stack *s, struct udp_pcb *u)
{
    u->connected = false;
    u->raddr = udp_any(u);
    u->rport = 0;
    u->path.gen = 0;
    if (!u->addr_bound)
        u->laddr = udp_any(u);
    if (!u->port_bound)
        udp_unhash(s, u);
}

bool udp_source_is_open(const struct udp_pcb *u)
{
    return u->proto == IPPROTO_UDP && !u->addr_bound;
}

int udp_connect_from(struct z_stack *s, struct udp_pcb *u, const struct inaddr *src, const struct inaddr *a, uint16_t port)
{
    struct inaddr dst = udp_destination(a), old = u->laddr;
    int err;

    if (inaddr_is_v4(&dst) ? udp_is_v6only(u) : !u->inet6)
        return u->inet6 && u->proto == IPPROTO_UDP ? -ENETUNREACH : -EAFNOSUPPORT;
    if (src != NULL && !ip_is_local(s, src))
        return -EADDRNOTAVAIL; /* a group's, too: bound to that it would be a filter */
    if (!u->addr_bound)
        u->laddr = src != NULL ? *src : udp_any(u);
    u->path.gen = 0;
    if (inaddr_is_v6_multicast(&dst) && inaddr_has_zone(&dst) && inaddr_zone(&dst) == 0)
        inaddr_set_zone(&dst, u->ip.mc_ifindex[1]); /* without IPV6_MULTICAST_IF there is no path, as on Linux */
    err = udp_path(s, u, &dst);
    if (!err)
        err = udp_autobind(s, u, &(struct udp_peer){.addr = dst, .port = port});
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

/* As Linux: an unconnected socket gives ENOTCONN, and is shut down all the same. */
int udp_shutdown(struct z_stack *s, struct udp_pcb *u, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    u->rcv_shut |= how != SHUT_WR;
    u->snd_shut |= how != SHUT_RD;
    sock_on_closed(s, u->sk);
    return u->connected ? 0 : -ENOTCONN;
}

void udp_getname(const struct udp_pcb *u, struct inaddr *a, uint16_t *port)
{
    *a = u->laddr;
    *port = u->raw ? u->proto : u->lport; /* raw(7) does not say so, but Linux does */
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
    if (u->err || u->errs)
        ev |= SOCK_ERR;
    return ev;
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

uint8_t udp_proto(const struct udp_pcb *u)
{
    return u->proto;
}

bool udp_is_raw(const struct udp_pcb *u)
{
    return u->raw;
}
