#include "udp/icmp_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "ip/ip_state.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"

#include "base/poison.h"

/* ICMP_FILTER of <linux/icmp.h> and ICMP6_FILTER of <netinet/icmp6.h>, whose names are those of our own headers */
#define OPT_ICMP_FILTER 1
#define OPT_ICMP6_FILTER 1
#define FILTERED_TYPES 32u
#define CKSUM_OFFSET 2u
#define ID_OFFSET 4u
#define RAW_LEN_MIN 2u /* of a raw message of IPv4: type and code */

struct udp_pcb *icmp_sock_create(struct z_stack *s, struct sock *sk, bool inet6, bool raw)
{
    struct udp_pcb *u = udp_create(s, sk);

    if (!u)
        return NULL;
    if (inet6)
        udp_set_inet6(u);
    u->proto = inet6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    u->raw = raw;
    if (raw) {
        u->next = s->udp.raw;
        s->udp.raw = u;
    }
    return u;
}

/* receiving ---------------------------------------------------------------------------------------------------- */

static struct udp_info info_of(const struct ip_in *in)
{
    return (struct udp_info){.src = in->src, .dst = in->dst, .ttl = in->ttl, .tos = in->tos, .ifindex = (uint8_t)(in->nif->index + 1)};
}

void icmp_sock_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint16_t id)
{
    const struct udp_info info = info_of(in);
    struct udp_pcb *u = udp_lookup(s, in->proto, &info, id);

    if (u)
        udp_deliver(s, u, &info, m);
    else
        pkt_drop(s, m, DROP_ICMP_TYPE); /* somebody answers whom nobody here has asked */
}

/* Types of IPv4 that the filter does not know pass. */
static bool filter_passes(const struct udp_pcb *u, const struct rte_mbuf *m)
{
    uint8_t type;

    if (m->data_len == 0)
        return false;
    type = rte_pktmbuf_mtod(m, const uint8_t *)[0];
    if (u->proto == IPPROTO_ICMP && type >= FILTERED_TYPES)
        return true;
    return (u->filter[type / 32] >> type % 32 & 1) == 0;
}

static bool wants(const struct udp_pcb *u, uint8_t proto, const struct udp_info *info)
{
    if (u->proto != proto || (u->connected && !inaddr_eq(&u->raddr, &info->src)))
        return false;
    if (!inaddr_is_any(&u->laddr) && !inaddr_eq(&u->laddr, &info->dst))
        return false;
    return udp_group_accepts(u, info);
}

/* Of IPv4 with the IP header, which stands in front of m's data (raw(7)); of IPv6 without (RFC 3542 section 3). */
void icmp_sock_raw_input(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    const struct udp_info info = info_of(in);

    for (struct udp_pcb *u = s->udp.raw; u; u = u->next) {
        struct rte_mbuf *ref;

        if (!wants(u, in->proto, &info) || !filter_passes(u, m) || !(ref = udp_share(s, m)))
            continue;
        if (!in->v6)
            (void)pkt_push(ref, in->ip_hlen);
        udp_deliver(s, u, &info, ref);
    }
}

/* The packet that the error is about went from laddr to raddr: an answer would have come the other way. */
void icmp_sock_error(struct z_stack *s, const struct icmp_err *e)
{
    const struct udp_info answer = {.src = e->raddr, .dst = e->laddr};
    struct udp_pcb *u = e->lport ? udp_lookup(s, e->proto, &answer, e->lport) : NULL;

    if (u)
        udp_tell_error(s, u, e, e->l4_off);
    for (u = s->udp.raw; u; u = u->next)
        if (wants(u, e->proto, &answer))
            udp_tell_error(s, u, e, u->inet6 ? e->quote_off : e->l4_off);
}

/* sending ------------------------------------------------------------------------------------------------------ */

/* The k-th byte of a vector that is longer. */
static uint8_t byte_of(const struct iovec *iov, size_t k)
{
    while (k >= iov->iov_len)
        k -= iov++->iov_len;
    return ((const uint8_t *)iov->iov_base)[k];
}

/* As Linux: an echo socket sends echo requests, and is told before all else; of others type and code must be there, and a checksum. */
int icmp_sock_check(const struct udp_pcb *u, const struct iovec *iov, size_t len)
{
    if (u->raw && len < RAW_LEN_MIN)
        return -EFAULT;
    if (u->raw)
        return u->inet6 && len < CKSUM_OFFSET + 2 ? -EINVAL : 0;
    if (len < ICMP_HLEN)
        return -EINVAL;
    return byte_of(iov, 0) == (u->inet6 ? ICMP6_ECHO : ICMP_ECHO) && byte_of(iov, 1) == 0 ? 0 : -EINVAL;
}

/* The identifier is the socket's, and the checksum ours to compute, but for raw messages of IPv4, which leave as they are. */
static void complete(const struct udp_pcb *u, const struct udp_sending *w, struct rte_mbuf *m)
{
    uint8_t *p = pkt_data(m);
    uint16_t sum = 0;
    uint64_t pseudo;

    if (u->raw && !u->inet6)
        return;
    if (!u->raw)
        put16(p + ID_OFFSET, u->lport);
    memcpy(p + CKSUM_OFFSET, &sum, sizeof(sum));
    pseudo = u->inet6 ? cksum_pseudo(&w->path.src, &w->dst, u->proto, m->pkt_len) : 0;
    sum = cksum_finish(ip_cksum_chain(pseudo, m, m->pkt_len));
    memcpy(p + CKSUM_OFFSET, &sum, sizeof(sum));
}

void icmp_sock_output(struct z_stack *s, struct udp_pcb *u, struct udp_sending *w, struct rte_mbuf *m)
{
    struct ip_out o = udp_ip_out(u, w);

    complete(u, w, m);
    stack_count(s, CTR_ICMP_SOCK_TX);
    if (o.ttl == 0 && inaddr_is_multicast(&w->dst)) { /* for this host only (RFC 1112 section 6.1) */
        pkt_unref_chain(m);
        return;
    }
    ip_output(s, &w->path, &o, m);
}

/* options ------------------------------------------------------------------------------------------------------ */

/* The filter's bytes, if the option is one of this socket. 0 or an errno. */
static int filter_bytes(const struct udp_pcb *u, int level, int name, unsigned *len)
{
    bool here = u->inet6 ? level == IPPROTO_ICMPV6 && name == OPT_ICMP6_FILTER : level == SOL_RAW && name == OPT_ICMP_FILTER;

    *len = u->inet6 ? sizeof(u->filter) : sizeof(u->filter[0]);
    return u->raw && here ? 0 : -ENOPROTOOPT;
}

int icmp_sock_setopt(struct udp_pcb *u, int level, int name, const void *val, unsigned len)
{
    unsigned max;
    int err = filter_bytes(u, level, name, &max);

    if (!err)
        memcpy(u->filter, val, MIN(len, max));
    return err;
}

int icmp_sock_getopt(const struct udp_pcb *u, int level, int name, void *val, unsigned *len)
{
    unsigned max;
    int err = filter_bytes(u, level, name, &max);

    if (err)
        return err;
    *len = MIN(*len, max);
    memcpy(val, u->filter, *len);
    return 0;
}
