/* SEND (RFC 9293 3.10.2): by reference, and by copy. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

/* 0 when data may be queued now, or why not. */
static int send_state(struct tcp_conn *tc)
{
    if (unlikely(tc->so_error != 0))
        return -tcp_take_error(tc);
    switch (tc->state) {
    case TCPS_SYN_SENT:
        return tc->tfo == TFO_WAIT && tcp_snd_space(tc) > 0 ? 0 : -EAGAIN;
    case TCPS_SYN_RCVD:
        return tc->fastopen_id != 0 && tcp_snd_space(tc) > 0 ? (tc->fin_queued ? -EPIPE : 0) : -EAGAIN;
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
        if (unlikely(tc->soft_told) && tc->soft_error != 0) /* SHLD-25; the connection stays, and so may the application */
            return -tcp_take_error(tc);
        return tcp_snd_space(tc) > 0 ? 0 : -EAGAIN;
    case TCPS_LISTEN:
        return -ENOTCONN;
    case TCPS_CLOSED:
        return tc->iss == 0 && tc->irs == 0 ? -ENOTCONN : -EPIPE;
    default:
        return -EPIPE;
    }
}

int tcp_send_ready(struct z_stack *s, struct tcp_conn *tc, const struct rte_mbuf *chain)
{
    int ret = send_state(tc);
    uint32_t pieces = 0;

    if (ret != 0)
        return ret;
    for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
        pieces++;
    if (unlikely(pieces > SNDQ_DESC_MAX))
        return -EMSGSIZE;
    if (sndq_reserve(&tc->sndq, &s->arena, pieces) != 0) {
        stack_count(s, CTR_TCP_NOMEM);
        return -ENOMEM;
    }
    return 0;
}

void tcp_send_take(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *chain)
{
    for (struct rte_mbuf *m = chain, *next; m != NULL; m = next) {
        next = m->next;
        /* links are cut only where nobody else walks the chain */
        if (!pkt_is_shared(m))
            m->next = NULL;
        if (m->data_len == 0)
            pkt_unref(m);
        else
            sndq_append(&tc->sndq, &s->arena, m, m->data_off, m->data_len);
    }
    tc->more = false;
    tcp_mark_dirty(s, tc);
}

int tcp_send_ref(struct z_stack *s, struct tcp_conn *tc, struct rte_mbuf *chain)
{
    int ret = tcp_send_ready(s, tc, chain);

    if (ret == 0)
        tcp_send_take(s, tc, chain);
    return ret;
}

/* Adds bytes behind those of the tail buffer while it was not sent yet; returns how many. */
static uint32_t fill_tail(struct z_stack *s, struct tcp_conn *tc, const uint8_t *p, uint32_t n)
{
    uint32_t room;
    uint8_t *to = seq_geq(tc->snd_nxt, tc->sndq.end_seq) ? NULL : sndq_tail_room(&tc->sndq, &room);

    if (to == NULL || room == 0)
        return 0;
    n = MIN(n, room);
    memcpy(to, p, n);
    sndq_extend_tail(&tc->sndq, n);
    s->ctr.v[CTR_COPY_API] += n;
    return n;
}

/* Queues up to n bytes in one new buffer; bytes taken or -errno. */
static int new_buffer(struct z_stack *s, struct tcp_conn *tc, const uint8_t *p, uint32_t n)
{
    uint32_t mss = tcp_eff_mss(tc);
    struct rte_mbuf *m;

    n = MIN(n, MAX(mss, 1u)); /* a buffer per segment: headers go in its headroom */
    m = pkt_alloc_app(s, n);
    if (m == NULL) { /* no acknowledgement may follow that would wake an edge-triggered writer */
        sock_on_writable(s, tc->sk);
        return -EAGAIN;
    }
    memcpy(pkt_data(m), p, n);
    m->data_len = (uint16_t)n;
    m->pkt_len = n;
    if (sndq_append(&tc->sndq, &s->arena, m, m->data_off, n) != 0) {
        pkt_unref(m);
        stack_count(s, CTR_TCP_NOMEM);
        return -ENOMEM;
    }
    s->ctr.v[CTR_COPY_API] += n;
    return (int)n;
}

static ssize_t queue_bytes(struct z_stack *s, struct tcp_conn *tc, const uint8_t *p, size_t len)
{
    size_t done = 0;
    uint32_t take;
    int ret;

    while (done < len) {
        take = (uint32_t)MIN(len - done, (size_t)UINT16_MAX);
        ret = (int)fill_tail(s, tc, p + done, take);
        if (ret == 0) {
            if (tcp_snd_space(tc) == 0)
                break;
            ret = new_buffer(s, tc, p + done, take);
        }
        if (ret < 0)
            return done > 0 ? (ssize_t)done : ret;
        done += (size_t)ret;
    }
    return (ssize_t)done;
}

ssize_t tcp_send_copy(struct z_stack *s, struct tcp_conn *tc, const struct iovec *iov, int n, int flags)
{
    int ret = send_state(tc);
    ssize_t total = 0;

    if (ret != 0)
        return ret;
    for (int i = 0; i < n; i++) {
        ssize_t got = queue_bytes(s, tc, iov[i].iov_base, iov[i].iov_len);

        if (got < 0) {
            if (total == 0)
                return got;
            break;
        }
        total += got;
        if ((size_t)got < iov[i].iov_len)
            break;
    }
    tc->more = (flags & MSG_MORE) != 0;
    if ((flags & MSG_OOB) != 0 && total > 0) { /* MUST-30: the last byte is urgent; the pointer is behind it */
        tc->snd_up = tc->sndq.end_seq;
        tc->snd_urgent = true;
    }
    if (total > 0)
        tcp_mark_dirty(s, tc);
    return total > 0 || n == 0 ? total : (tcp_snd_space(tc) > 0 ? total : -EAGAIN);
}

/* TCP_NOTSENT_LOWAT: enough waits to be sent for the first time. */
static bool enough_unsent(const struct tcp_conn *tc)
{
    return seq_lt(tc->snd_nxt, tc->sndq.end_seq) && tc->sndq.end_seq - tc->snd_nxt >= tc->opt->notsent_lowat_bytes;
}

size_t tcp_snd_space(const struct tcp_conn *tc)
{
    if (unlikely(tc->snd_lowat) && enough_unsent(tc))
        return 0;
    if (unlikely(tc->sndq.n >= SNDQ_DESC_MAX)) /* many tiny buffers: full by their number */
        return 0;
    return tc->sndq.charged_bytes < tc->sndbuf_bytes ? tc->sndbuf_bytes - tc->sndq.charged_bytes : 0;
}

size_t tcp_snd_queued(const struct tcp_conn *tc)
{
    return sndq_bytes(&tc->sndq);
}
