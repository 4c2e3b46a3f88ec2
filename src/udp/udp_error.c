/* What ICMP says of datagrams that were sent: to the socket as an errno, and in full with IP_RECVERR (ip(7), ipv6(7)). */
#include <errno.h>
#include <time.h> /* of the next one */

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

/* As much of a datagram as an ICMPv6 message can quote (RFC 4443 section 2.4 c); of IPv4 it is less. */
#define QUOTE_MAX 1232u

struct udp_err {
    struct udp_err *next;
    struct udp_err_info info;
    uint32_t len;
    uint8_t data[];
};

static size_t bytes_of(const struct udp_err *x)
{
    return sizeof(*x) + x->len;
}

static struct udp_err *pop(struct udp_pcb *u)
{
    struct udp_err *x = u->errs;

    u->errs = x->next;
    if (!u->errs)
        u->errs_tail = &u->errs;
    u->n_errs--;
    return x;
}

void udp_errs_free(struct z_stack *s, struct udp_pcb *u)
{
    while (u->errs) {
        struct udp_err *x = pop(u);

        arena_free(&s->arena, x, bytes_of(x));
    }
}

/* The copy of what is behind the first off bytes of a chain. */
static uint32_t copy_behind(const struct rte_mbuf *m, uint32_t off, uint8_t *to, uint32_t len)
{
    uint32_t done = 0;

    for (; m && done < len; m = m->next) {
        uint32_t skip = MIN(off, (uint32_t)m->data_len), n = MIN(m->data_len - skip, len - done);

        memcpy(to + done, rte_pktmbuf_mtod_offset(m, const uint8_t *, skip), n);
        off -= skip;
        done += n;
    }
    return done;
}

/* m NULL: without a quote. */
static void put(struct z_stack *s, struct udp_pcb *u, const struct udp_err_info *info, const struct rte_mbuf *m, uint32_t off)
{
    uint32_t len = m && m->pkt_len > off ? MIN(m->pkt_len - off, QUOTE_MAX) : 0;
    struct udp_err *x = u->n_errs < s->conf.udp_errors ? arena_alloc(&s->arena, sizeof(*x) + len) : NULL;

    if (!x) {
        stack_count(s, CTR_UDP_ERRORS_LOST);
        return;
    }
    x->info = *info;
    x->len = len;
    s->ctr.v[CTR_COPY_STACK] += copy_behind(m, off, x->data, len);
    *u->errs_tail = x;
    u->errs_tail = &x->next;
    u->n_errs++;
}

static bool is_of_icmp(const struct udp_err *x)
{
    return x && x->info.origin != SO_EE_ORIGIN_LOCAL;
}

ssize_t udp_recv_error(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int *flags, struct udp_err_info *info)
{
    size_t done = 0;
    struct udp_err *x;

    *flags = 0;
    if (!u->errs)
        return -EAGAIN;
    x = pop(u);
    for (int i = 0; i < n && done < x->len; i++) {
        size_t k = MIN(iov[i].iov_len, x->len - done);

        if (k)
            memcpy(iov[i].iov_base, x->data + done, k);
        done += k;
    }
    if (done < x->len)
        *flags |= MSG_TRUNC;
    *info = x->info;
    /* as Linux: the socket's error is that of the next message in the queue */
    if (is_of_icmp(u->errs))
        u->err = u->errs->info.err;
    else if (is_of_icmp(x))
        u->err = 0;
    if (u->errs)
        sock_on_readable(s, u->sk);
    arena_free(&s->arena, x, bytes_of(x));
    return (ssize_t)done;
}

/* A datagram that was not sent: above the MTU of the path, where it may not be fragmented. */
void udp_local_error(struct z_stack *s, struct udp_pcb *u, const struct inaddr *dst, uint16_t dport, int err, uint32_t info)
{
    bool v6 = !inaddr_is_v4(dst);
    const struct udp_err_info i = {
        .dst = *dst, .dport = v6 || u->connected ? dport : 0, .err = err, .origin = SO_EE_ORIGIN_LOCAL, .info = info};

    if (!u->ip.recverr[v6])
        return;
    put(s, u, &i, NULL, 0);
    sock_on_readable(s, u->sk);
}

/*
 * Without IP_RECVERR: connected sockets alone are told, and only of errors that another try would not mend (Linux' icmp_err_convert
 * table), or that nobody can have forged. The others are hints (RFC 1122 4.1.3.3 lets the application decide; it has not asked).
 */
static bool is_hard(const struct icmp_err *e)
{
    return e->kind != ICMP_KIND_NET_UNREACH && e->kind != ICMP_KIND_HOST_UNREACH && e->kind != ICMP_KIND_TIME_EXCEEDED;
}

/*
 * A path is narrower than its link. Believed for a destination that the socket is connected to or has sent to last: what else there
 * is to check of a datagram's quote is in the packet that a forger would have to see.
 */
static void too_big(struct z_stack *s, const struct udp_pcb *u, const struct icmp_err *e)
{
    const struct inaddr *dst = u->connected ? &u->raddr : &u->path_dst;

    if (inaddr_eq(dst, &e->raddr) && inaddr_eq(&u->path.src, &e->laddr))
        (void)ip_pmtu_learn(s, &e->raddr, e->info, e->len);
}

static struct udp_err_info info_of(const struct udp_pcb *u, const struct icmp_err *e)
{
    struct udp_err_info i = {.dst = e->raddr,
                             .dport = u->proto == IPPROTO_UDP ? e->rport : 0,
                             .err = e->err,
                             .origin = inaddr_is_v4(&e->raddr) ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
                             .type = e->type,
                             .code = e->code,
                             .info = e->info,
                             .in = {.src = e->laddr, .dst = e->laddr}}; /* our own finding comes from ourselves */

    if (e->in)
        i.in = (struct udp_info){
            .src = e->in->src, .dst = e->in->dst, .ttl = e->in->ttl, .tos = e->in->tos, .ifindex = (uint8_t)(e->in->nif->index + 1)};
    return i;
}

void udp_tell_error(struct z_stack *s, struct udp_pcb *u, const struct icmp_err *e, uint32_t quote_off)
{
    bool v6 = !inaddr_is_v4(&e->raddr);
    struct udp_err_info info;

    if (e->kind == ICMP_KIND_TOO_BIG) {
        too_big(s, u, e);
        if (u->ip.pmtu[v6] == IP_PMTUDISC_DONT) /* it does not care */
            return;
    }
    if (!u->ip.recverr[v6] && (!u->connected || !is_hard(e)))
        return;
    if (u->ip.recverr[v6]) {
        info = info_of(u, e);
        put(s, u, &info, e->m, quote_off);
    }
    u->err = e->err;
    sock_on_readable(s, u->sk);
    sock_on_writable(s, u->sk);
}

/* The socket that a datagram from there would be for. */
void udp_icmp_error(struct z_stack *s, const struct icmp_err *e)
{
    const struct udp_info answer = {.src = e->raddr, .dst = e->laddr, .sport = e->rport};
    struct udp_pcb *u = udp_lookup(s, IPPROTO_UDP, &answer, e->lport);

    if (u)
        udp_tell_error(s, u, e, e->l4_off + UDP_HLEN);
}
