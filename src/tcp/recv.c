/* RECEIVE (RFC 9293 3.10.3): by reference (loans) and by copy; urgent data. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sock/sock.h"
#include "tcp/conn.h"

#include "base/poison.h"

/* Sequence number of the first byte in the receive queue. */
static uint32_t rcvq_seq(const struct tcp_conn *tc)
{
    return tc->rcv_nxt - tc->fin_rcvd - tc->rcvq.bytes;
}

/* Bytes before the urgent octet, when it is at or before the end of the queue; else UINT32_MAX. */
static uint32_t mark_offset(const struct tcp_conn *tc)
{
    uint32_t off;

    if (likely(!tc->rcv_urgent))
        return UINT32_MAX;
    off = tc->rcv_up - 1 - rcvq_seq(tc);
    return off < tc->rcvq.bytes ? off : UINT32_MAX;
}

bool tcp_at_mark(const struct tcp_conn *tc)
{
    return mark_offset(tc) == 0;
}

static void consumed(struct z_stack *s, struct tcp_conn *tc, uint32_t n)
{
    tcp_rcv_charge(s, tc);
    tcp_rcv_autotune(s, tc, n);
    tcp_window_opened(s, tc);
}

/* The reader stands at the urgent octet: out of band it is set aside, in line the mark is passed. */
static void pass_mark(struct z_stack *s, struct tcp_conn *tc)
{
    if (!tcp_at_mark(tc))
        return;
    if (!tc->opt->oobinline) {
        if (!tc->oob_taken) {
            rcvq_copy_out(&tc->rcvq, 0, &tc->oob_byte, 1);
            tc->oob_have = true;
        }
        rcvq_consume(&tc->rcvq, 1);
        consumed(s, tc, 1);
    }
    tc->rcv_urgent = false;
}

/* How many bytes one read may take: up to the mark, which no read crosses. */
static uint32_t readable(const struct tcp_conn *tc)
{
    uint32_t mark = mark_offset(tc);

    return mark != UINT32_MAX && mark > 0 ? mark : tc->rcvq.bytes;
}

/* Nothing in the queue: 0 at end of file, or why not. After the peer's FIN everything was received: an error is about sending then. */
static int empty_result(struct tcp_conn *tc)
{
    if (tc->fin_rcvd)
        return 0;
    if (tc->so_error != 0)
        return -tcp_take_error(tc);
    if (tc->state == TCPS_LISTEN || (tc->state == TCPS_CLOSED && tc->iss == 0 && tc->irs == 0))
        return -ENOTCONN;
    if (tcp_rcv_eof(tc))
        return 0;
    return -EAGAIN;
}

static ssize_t recv_oob(struct tcp_conn *tc, const struct iovec *iov, int n, int flags)
{
    uint32_t mark = mark_offset(tc);
    uint8_t b;

    if (tc->opt->oobinline || tc->state == TCPS_LISTEN)
        return -EINVAL;
    if (tc->oob_have) {
        b = tc->oob_byte;
    } else if (mark != UINT32_MAX && !tc->oob_taken) {
        rcvq_copy_out(&tc->rcvq, mark, &b, 1);
    } else {
        return tc->rcv_urgent && !tc->oob_taken ? -EAGAIN : -EINVAL;
    }
    if (n == 0 || iov[0].iov_len == 0)
        return 0;
    *(uint8_t *)iov[0].iov_base = b;
    if ((flags & MSG_PEEK) == 0) {
        tc->oob_have = false;
        tc->oob_taken = true;
    }
    return 1;
}

ssize_t tcp_recv_copy(struct z_stack *s, struct tcp_conn *tc, const struct iovec *iov, int n, int flags)
{
    uint32_t done = 0, limit;

    if (flags & MSG_OOB)
        return recv_oob(tc, iov, n, flags);
    if ((flags & MSG_PEEK) == 0)
        pass_mark(s, tc);
    if (tc->rcvq.bytes == 0)
        return empty_result(tc);
    limit = readable(tc);
    for (int i = 0; i < n && done < limit; i++) {
        uint32_t take = (uint32_t)MIN(iov[i].iov_len, (size_t)(limit - done));

        if ((flags & MSG_TRUNC) == 0) { /* tcp(7): MSG_TRUNC discards */
            rcvq_copy_out(&tc->rcvq, (flags & MSG_PEEK) != 0 ? done : 0, iov[i].iov_base, take);
            s->ctr.v[CTR_COPY_API] += take;
        }
        if ((flags & MSG_PEEK) == 0)
            rcvq_consume(&tc->rcvq, take);
        done += take;
    }
    if ((flags & MSG_PEEK) == 0 && done > 0)
        consumed(s, tc, done);
    return (ssize_t)done;
}

/* A cut piece keeps the whole buffer behind it from the driver: that is what it is charged with. */
static uint32_t loan_charge(struct rte_mbuf *m)
{
    return pkt_truesize(RTE_MBUF_CLONED(m) ? rte_mbuf_from_indirect(m) : m);
}

static void lend(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *m)
{
    struct pkt_meta *meta = pkt_meta(m);

    meta->flags = PKT_F_LOAN;
    meta->loan_stack = (uint16_t)(s->index + 1);
    meta->loan_bytes = loan_charge(m);
    meta->loan_conn = arena_ref(&s->arena, tc);
    tc->loan_bytes += meta->loan_bytes;
    s->tcp.loan_bytes += meta->loan_bytes;
    s->ctr.v[CTR_LOANS]++;
    s->ctr.v[CTR_LOAN_BYTES] = stack_loan_bytes(s);
}

void tcp_loan_return(struct z_stack *s, struct rte_mbuf *m)
{
    struct pkt_meta *meta = pkt_meta(m);
    struct tcp_conn *tc;

    if ((meta->flags & PKT_F_LOAN) == 0)
        return;
    meta->flags &= (uint16_t)~PKT_F_LOAN;
    s->tcp.loan_bytes -= meta->loan_bytes;
    s->ctr.v[CTR_LOANS]--;
    s->ctr.v[CTR_LOAN_BYTES] = stack_loan_bytes(s);
    tc = arena_at(&s->arena, meta->loan_conn);
    tc->loan_bytes -= meta->loan_bytes;
    if (unlikely(tc->dead) && tc->gone && tc->loan_bytes == 0)
        arena_free(&s->arena, tc, sizeof(*tc));
}

/* Past the quota, or no mbuf for a second reference: the bytes in a compact buffer of the application's pools (counted). */
static struct rte_mbuf *copy_out(struct z_stack *s, struct tcp_conn *tc, uint32_t n)
{
    struct rte_mbuf *m = pkt_alloc_app(s, n);

    if (m == NULL)
        return NULL;
    rcvq_copy_out(&tc->rcvq, 0, pkt_data(m), n);
    rcvq_consume(&tc->rcvq, n);
    m->data_len = (uint16_t)n;
    m->pkt_len = n;
    s->ctr.v[CTR_COPY_LOAN] += n;
    return m;
}

/* The first max bytes of the first buffer: the buffer itself, or a second reference when it is cut. */
static struct rte_mbuf *take_front(struct z_stack *s, struct tcp_conn *tc, uint32_t max)
{
    struct rte_mbuf *m = tc->rcvq.head, *part;

    if (m->data_len <= max)
        return rcvq_pop(&tc->rcvq);
    part = pkt_share(s, m, pkt_off(m), max);
    if (part != NULL)
        rcvq_consume(&tc->rcvq, max);
    return part;
}

ssize_t tcp_recv_ref(struct z_stack *s, struct tcp_conn *tc, size_t max, struct rte_mbuf **out)
{
    uint32_t n;

    *out = NULL;
    pass_mark(s, tc);
    if (tc->rcvq.bytes == 0)
        return empty_result(tc);
    n = (uint32_t)MIN(max, (size_t)readable(tc));
    n = MIN(n, (uint32_t)tc->rcvq.head->data_len);
    if (unlikely(tc->loan_bytes >= s->conf.loan_quota_bytes || stack_loan_bytes(s) >= s->conf.loan_limit_bytes)) {
        if (stack_loan_bytes(s) >= s->conf.loan_limit_bytes)
            stack_count(s, CTR_LOAN_LIMIT);
        *out = copy_out(s, tc, n);
        if (*out != NULL)
            stack_count(s, CTR_LOAN_QUOTA);
    } else {
        *out = take_front(s, tc, n);
        if (*out != NULL)
            lend(s, tc, *out);
        else
            *out = copy_out(s, tc, n);
    }
    if (*out == NULL) { /* no buffer just now; the data stays, and an edge-triggered reader must hear of it once more */
        sock_on_readable(s, tc->sk);
        return -EAGAIN;
    }
    consumed(s, tc, n);
    return (ssize_t)n;
}

size_t tcp_rcv_avail(const struct tcp_conn *tc)
{
    if (tc->state == TCPS_LISTEN)
        return tc->lis->n_accept;
    return tc->rcvq.bytes - (tcp_at_mark(tc) && !tc->opt->oobinline ? 1 : 0);
}

bool tcp_rcv_eof(const struct tcp_conn *tc)
{
    return tc->fin_rcvd || tc->rd_shut || (tc->state == TCPS_CLOSED && (tc->iss != 0 || tc->irs != 0));
}

bool tcp_snd_eof(const struct tcp_conn *tc)
{
    return tc->fin_queued || (tc->state == TCPS_CLOSED && (tc->iss != 0 || tc->irs != 0));
}
