/* Datagrams to the application: copied, or lent (RFC 1122 4.1.4). */
#include <errno.h>
#include <sys/socket.h>

#include "core/stack.h"
#include "sock/sock.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

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

struct rte_mbuf *udp_queue_pop(struct z_stack *s, struct udp_pcb *u)
{
    const struct udp_dgram *d = &u->q[u->q_head++ & (u->q_slots - 1)];
    struct rte_mbuf *m = d->m;

    u->q_n--;
    u->rcv_bytes -= d->truesize;
    u->rcv_payload -= m->pkt_len;
    s->udp.rcv_bytes -= d->truesize;
    if (u->q_n == 0 && u->q_slots > UDP_QUEUE_MIN)
        udp_queue_free(s, u); /* a burst is over */
    return m;
}

/* The first datagram, or NULL and what a receiving call says: an error, 0 after shutdown. */
static const struct udp_dgram *udp_first(struct udp_pcb *u, int flags, int *why)
{
    *why = 0;
    if (flags & MSG_OOB)
        *why = -EOPNOTSUPP;
    else if (u->err)
        *why = -udp_take_error(u);
    else if (u->q_n)
        return &u->q[u->q_head & (u->q_slots - 1)];
    else
        *why = u->rcv_shut ? 0 : -EAGAIN;
    return NULL;
}

ssize_t udp_recvfrom(struct z_stack *s, struct udp_pcb *u, const struct iovec *iov, int n, int *flags, struct udp_info *info)
{
    const struct udp_dgram *d;
    size_t len, done;
    int in = *flags, why;

    *flags = 0;
    d = udp_first(u, in, &why);
    if (!d)
        return why;
    len = d->m->pkt_len;
    done = udp_copy_out(d->m, iov, n);
    s->ctr.v[CTR_COPY_API] += done;
    if (done < len)
        *flags |= MSG_TRUNC;
    if (info)
        *info = d->info;
    if (!(in & MSG_PEEK))
        pkt_unref_chain(udp_queue_pop(s, u));
    return (ssize_t)(in & MSG_TRUNC ? len : done);
}

/* by reference ------------------------------------------------------------------------------------------------- */

static void udp_lend(struct z_stack *s, struct udp_pcb *u, struct rte_mbuf *m)
{
    for (; m; m = m->next) {
        struct pkt_meta *meta = pkt_meta(m);

        meta->flags = PKT_F_LOAN | PKT_F_LOAN_UDP;
        meta->loan_stack = (uint16_t)(s->index + 1);
        meta->loan_bytes = udp_truesize(m);
        meta->loan_conn = u->id;
        u->loan_bytes += meta->loan_bytes;
        s->udp.loan_bytes += meta->loan_bytes;
        s->ctr.v[CTR_LOANS]++;
    }
    s->ctr.v[CTR_LOAN_BYTES] = stack_loan_bytes(s);
}

void udp_loan_return(struct z_stack *s, struct rte_mbuf *m)
{
    struct pkt_meta *meta = pkt_meta(m);
    struct udp_pcb *u = s->udp.id_tab[meta->loan_conn & s->udp.id_mask];

    if ((meta->flags & PKT_F_LOAN_UDP) == 0)
        return;
    meta->flags &= (uint16_t) ~(PKT_F_LOAN | PKT_F_LOAN_UDP);
    s->udp.loan_bytes -= meta->loan_bytes;
    s->ctr.v[CTR_LOANS]--;
    s->ctr.v[CTR_LOAN_BYTES] = stack_loan_bytes(s);
    if (u && u->id == meta->loan_conn)
        u->loan_bytes -= meta->loan_bytes;
}

ssize_t udp_recv_ref(struct z_stack *s, struct udp_pcb *u, size_t max, int *flags, struct udp_info *info, struct rte_mbuf **out)
{
    uint32_t len, take;
    const struct udp_dgram *d;
    int in = *flags, why;
    struct rte_mbuf *m;

    *out = NULL;
    *flags = 0;
    d = udp_first(u, in, &why);
    if (!d)
        return why;
    len = d->m->pkt_len;
    take = (uint32_t)MIN(max, (size_t)len);
    if (info)
        *info = d->info;
    if (take && (u->loan_bytes >= s->conf.loan_quota_bytes || stack_loan_bytes(s) >= s->conf.loan_limit_bytes)) {
        m = udp_compact(s, d->m, take);
        if (!m) { /* no buffer just now; the datagram stays, and an edge-triggered reader must hear of it once more */
            sock_on_readable(s, u->sk);
            return -EAGAIN;
        }
        stack_count(s, CTR_LOAN_QUOTA);
        pkt_unref_chain(udp_queue_pop(s, u));
    } else {
        m = udp_drop_empty(udp_queue_pop(s, u));
        m = m ? pkt_trim_to(m, take) : NULL;
        udp_lend(s, u, m);
    }
    *out = m;
    if (take < len)
        *flags |= MSG_TRUNC;
    return (ssize_t)(in & MSG_TRUNC ? len : take);
}

/* state -------------------------------------------------------------------------------------------------------- */

unsigned udp_recv_wants(const struct udp_pcb *u)
{
    return u->ip.recv;
}

size_t udp_rcv_avail(const struct udp_pcb *u)
{
    return u->q_n ? u->q[u->q_head & (u->q_slots - 1)].m->pkt_len : 0;
}

size_t udp_rcv_total(const struct udp_pcb *u)
{
    return u->rcv_payload;
}
