/*
 * The connections with output to consider at the end of the turn: each is in the queue once at most, and is in it by name, so that nothing
 * of the connection is touched to have it there. While the queue runs empty in every turn it stays in its first places.
 */
#include <errno.h>

#include "base/bigtab.h"
#include "tcp/conn.h"
#include "tcp/syncache.h"

#include "base/poison.h"

#define PUT_OFF_MAX 64u

int tcp_pending_init(struct tcp_pending *q, uint32_t max_conns)
{
    size_t n = bigtab_pow2(max_conns);

    *q = (struct tcp_pending){.ring = bigtab_alloc(n, sizeof(q->ring[0])), .mask = (uint32_t)(n - 1)};
    return q->ring != NULL ? 0 : -ENOMEM;
}

void tcp_pending_fini(struct tcp_pending *q)
{
    bigtab_free(q->ring, (size_t)q->mask + 1, sizeof(q->ring[0]));
}

static struct tcp_conn **at(const struct tcp_pending *q, uint32_t i)
{
    return &q->ring[(q->head + i) & q->mask];
}

static void append(struct tcp_pending *q, struct tcp_conn *tc)
{
    if (q->n == 0)
        q->head = 0;
    *at(q, q->n++) = tc;
}

static void prepend(struct tcp_pending *q, struct tcp_conn *tc)
{
    q->head = (q->head - 1) & q->mask;
    q->n++;
    *at(q, 0) = tc;
}

static struct tcp_conn *take_first(struct tcp_pending *q)
{
    struct tcp_conn *tc = *at(q, 0);

    q->head = (q->head + 1) & q->mask;
    q->n--;
    return tc;
}

/* It was appended just now. */
static void take_back(struct tcp_pending *q, const struct tcp_conn *tc)
{
    uint32_t i = --q->n;

    for (struct tcp_conn *later = *at(q, i), *moved; later != tc; later = moved) {
        moved = *at(q, --i);
        *at(q, i) = later;
    }
}

void tcp_mark_dirty(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->in_dirty)
        return;
    tc->in_dirty = true;
    append(&s->tcp.pending, tc);
}

/*
 * When the transmit queue or a pool is used up, what is put off would be put off for every connection that follows: after a few the
 * rest waits for the next turn, or a turn would cost as much as there are connections with something to send. Who could send nothing keeps
 * its place before the rest, and who was served goes behind it. But when nobody could send, those of another port may be among the rest.
 */
void tcp_output_pending(struct z_stack *s)
{
    struct tcp_pending *q = &s->tcp.pending;
    struct tcp_conn *waiting[PUT_OFF_MAX];
    const uint64_t *sent = &s->ctr.v[CTR_TCP_SEG_TX];
    unsigned put_off = 0, n_waiting = 0;
    uint64_t begin;

    tcp_windows_open(s);
    tcp_syn_output(s);
    begin = *sent;                                                          /* a SYN,ACK that went says nothing about them */
    for (uint32_t todo = q->n; todo > 0 && put_off < PUT_OFF_MAX; todo--) { /* what output puts off goes to the next turn */
        struct tcp_conn *tc = take_first(q);
        uint64_t before = *sent;

        tc->in_dirty = false;
        if (tc->dead) {
            tcp_free(s, tc);
            continue;
        }
        tcp_output(s, tc);
        if (tc->in_dirty) {
            put_off++;
            if (*sent == before) {
                take_back(q, tc);
                waiting[n_waiting++] = tc;
            }
        }
        if (tc->state == TCPS_TIME_WAIT && tc->sk == NULL && !tc->in_dirty)
            tcp_free(s, tc); /* its record goes on */
    }
    if (*sent != begin)
        while (n_waiting > 0)
            prepend(q, waiting[--n_waiting]);
    for (unsigned i = 0; i < n_waiting; i++)
        append(q, waiting[i]);
}

bool tcp_output_waits(const struct z_stack *s)
{
    return s->tcp.pending.n > 0 || !TAILQ_EMPTY(&s->tcp.syn.unsent) || tcp_windows_are_due(s);
}
