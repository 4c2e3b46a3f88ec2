#include "sim_tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcp/conn.h"

#define EXPECT(cond)                                                                                                                       \
    do {                                                                                                                                   \
        if (!(cond))                                                                                                                       \
            sim_fail(sim, "invariant, stack %s, connection %u in %s: %s", s->netif[0]->name, tc->ent.id, tcp_state_names[tc->state],       \
                     #cond);                                                                                                               \
    } while (0)

static void check_sndq(struct sim *sim, const struct z_stack *s, const struct tcp_conn *tc)
{
    const struct sndq *q = &tc->sndq;
    uint32_t charged = 0, at = 0;

    for (uint32_t i = 0; i < q->n; i++) {
        const struct sndq_desc *d = sndq_at(q, i);

        charged += d->charge;
        EXPECT(i == 0 || d->seq == at);
        EXPECT(d->len > 0);
        at = d->seq + d->len;
    }
    EXPECT(q->n == 0 || at == q->end_seq);
    EXPECT(charged == q->charged_bytes);
    EXPECT((q->ring == NULL) == (q->cap == 0) && (q->n > 0 || q->ring == NULL || q->cap > 0));
}

static void check_rcvq(struct sim *sim, const struct z_stack *s, const struct tcp_conn *tc)
{
    uint32_t bytes = 0, charged = 0;

    for (const struct rte_mbuf *m = tc->rcvq.head; m != NULL; m = m->next) {
        bytes += m->data_len;
        charged += pkt_truesize(m);
        EXPECT(m->data_len > 0);
    }
    EXPECT(bytes == tc->rcvq.bytes);
    EXPECT(charged <= tc->rcvq.charged_bytes || tc->rcvq.charged_bytes == charged);
    bytes = charged = 0;
    for (unsigned i = 0; i < reass_blocks(&tc->reass); i++) {
        const struct reass_block *b = &tc->reass.tab->blk[i];

        EXPECT(seq_lt(b->start, b->end));
        EXPECT(seq_gt(b->start, i == 0 ? tc->rcv_nxt : b[-1].end));
        bytes += b->end - b->start;
        charged += b->charged_bytes;
    }
    EXPECT(bytes == reass_bytes(&tc->reass) && charged == reass_charged_bytes(&tc->reass));
    EXPECT(tc->rcv_charged_bytes == tc->rcvq.charged_bytes + reass_charged_bytes(&tc->reass));
    /* an application that has read everything hears from the peer again */
    if (tcp_synchronized(tc) && tc->rcv_charged_bytes == 0 && !tc->fin_rcvd && s->tcp.rcv_charged_bytes < s->conf.rcv_limit_bytes / 2 &&
        stack_loan_bytes(s) < s->conf.loan_limit_bytes)
        EXPECT(tcp_rcv_window(s, tc) > 0);
}

/* Sent map, send queue and sequence numbers tell the same story. */
static void check_sender(struct sim *sim, const struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->sent.n > 0 || tc->sent.ring == NULL) /* room may be reserved for a segment that could not be sent */
        sent_check(&tc->sent);
    EXPECT(seq_leq(tc->snd_una, tc->snd_nxt));
    EXPECT(seq_leq(tc->snd_nxt, tc->sndq.end_seq + tc->fin_sent));
    EXPECT(sndq_bytes(&tc->sndq) == tc->sndq.end_seq - seq_min(tc->snd_una, tc->sndq.end_seq));
    if (tc->sent.n == 0) {
        EXPECT(tc->snd_una == tc->snd_nxt);
        return;
    }
    EXPECT(sent_first(&tc->sent)->start == tc->snd_una);
    EXPECT(sent_last(&tc->sent)->end == tc->snd_nxt);
    EXPECT(tc->cc.cwnd >= tc->cc.smss);
}

/* What the first lines say of the others. */
static void check_summaries(struct sim *sim, const struct z_stack *s, const struct tcp_conn *tc)
{
    int tries = tc->rexmt_count + tc->probe_count + tc->keep_count + tc->orphan_probes + tc->backoff;
    bool shared_out = s->tcp.rcv_charged_bytes + tc->rcvbuf_bytes > s->conf.rcv_limit_bytes || tcp_rcv_limit_reached(s);

    EXPECT(tc->rated == (tc->rate != NULL));
    EXPECT(tc->mtu_search == (tc->mtup != NULL));
    EXPECT(tc->snd_lowat == (tc->opt->notsent_lowat_bytes != 0));
    EXPECT(tc->user_timeout == (tc->opt->user_timeout_ns != 0));
    EXPECT(tc->rcv_holes == (reass_blocks(&tc->reass) > 0));
    EXPECT(tc->persisting == (tc->deadline[TT_PERSIST] != 0) && tc->delack_on == (tc->deadline[TT_DELACK] != 0));
    EXPECT(tc->undo_open == (tc->undo.from != tc->undo.to));
    EXPECT(tc->unanswered || !tcp_synchronized(tc) || (tries == 0 && tc->first_rexmt_at_ns == 0 && tc->soft_error == 0));
    EXPECT(tc->sent.marked_bytes != 0 || (tc->sent.lost_bytes == 0 && tc->sent.rtx_bytes == 0 && tc->sent.lost.head == 0));
    EXPECT(!tc->wnd_settled || shared_out || !tcp_synchronized(tc) ||
           tc->rcv_wnd == MIN(tcp_rcv_window(s, tc) >> tc->rcv_wscale, (uint32_t)UINT16_MAX));
}

/* Whoever waits for something has a timer that ends the wait. */
static void check_timers(struct sim *sim, const struct z_stack *s, const struct tcp_conn *tc)
{
    bool unsent = tc->snd_nxt != tc->sndq.end_seq + tc->fin_sent || (tc->fin_queued && !tc->fin_sent);
    bool repeats = tcp_timer_on(tc, TT_REXMT) || (tcp_timer_on(tc, TT_PERSIST) && tc->snd_wnd == 0);
    bool sends = repeats || tcp_timer_on(tc, TT_PERSIST) || tcp_timer_on(tc, TT_PACE);
    uint64_t first = NS_NEVER;

    for (int i = 0; i < TT_COUNT; i++)
        first = MIN(first, tcp_deadline_ns(s, tc, (enum tcp_timer_id)i));
    EXPECT(first == NS_NEVER || (wheel_is_armed(&tc->timer) && tc->timer.deadline_ns <= first));
    EXPECT((tc->timer_tick != 0) == wheel_is_armed(&tc->timer));
    EXPECT(tc->timer_tick == 0 || tc->timer_tick == (uint32_t)(tc->timer.deadline_ns >> WHEEL_TICK_SHIFT));
    if (tcp_synchronized(tc) && tc->state != TCPS_TIME_WAIT && unsent)
        EXPECT(sends || tc->in_dirty);
    if (tcp_synchronized(tc) && tc->state != TCPS_TIME_WAIT && tcp_in_flight(tc) > 0)
        EXPECT(repeats || tc->in_dirty);
    if (tc->state == TCPS_SYN_SENT || tc->state == TCPS_SYN_RCVD)
        EXPECT(tcp_timer_on(tc, TT_REXMT));
    if (tc->state == TCPS_TIME_WAIT || (tc->state == TCPS_FIN_WAIT_2 && tc->closed_by_user))
        EXPECT(tcp_timer_on(tc, TT_2MSL));
    if (tc->ack_delayed && tcp_synchronized(tc))
        EXPECT(tcp_timer_on(tc, TT_DELACK) || tc->in_dirty); /* TIME-WAIT stops timers, also when a buffer for the ACK is missing */
    if (tc->ack_now && tcp_synchronized(tc))
        EXPECT(tc->in_dirty);
}

void sim_tcp_check(struct sim *sim, struct z_stack *s)
{
    uint64_t charged = 0, loans = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i <= s->tcp.id_mask && n < s->tcp.n_conns; i++) {
        struct tcp_conn *tc = s->tcp.id_tab[i];

        if (tc == NULL)
            continue;
        n++;
        charged += tc->rcv_charged_bytes;
        loans += tc->loan_bytes;
        check_sndq(sim, s, tc);
        check_rcvq(sim, s, tc);
        check_timers(sim, s, tc);
        check_summaries(sim, s, tc);
        if (tcp_synchronized(tc))
            check_sender(sim, s, tc);
        if (tcp_synchronized(tc))
            EXPECT(seq_leq(tc->rcv_nxt, tc->rcv_adv) && tc->rcv_adv - tc->rcv_nxt < 1u << 30);
    }
    if (n != s->tcp.n_conns)
        sim_fail(sim, "invariant: %u connections counted, %u found", s->tcp.n_conns, n);
    if (charged != s->tcp.rcv_charged_bytes)
        sim_fail(sim, "invariant: receive memory is %llu, connections hold %llu", (unsigned long long)s->tcp.rcv_charged_bytes,
                 (unsigned long long)charged);
    if (loans > s->tcp.loan_bytes || s->tcp.loan_bytes != s->ctr.v[CTR_LOAN_BYTES] || (s->ctr.v[CTR_LOANS] == 0 && s->tcp.loan_bytes != 0))
        sim_fail(sim, "invariant: loans are %llu, of connections %llu, counted %llu in %llu buffers", (unsigned long long)s->tcp.loan_bytes,
                 (unsigned long long)loans, (unsigned long long)s->ctr.v[CTR_LOAN_BYTES], (unsigned long long)s->ctr.v[CTR_LOANS]);
}

static void check_pair(struct sim *sim, void *arg)
{
    struct sim_tcp_checker *c = arg;

    if (sim->steps % c->every != 0 || sim->failed)
        return;
    c->checks++;
    sim_tcp_check(sim, c->pair->a->s);
    sim_tcp_check(sim, c->pair->b->s);
}

void sim_tcp_check_every(struct sim_tcp_checker *c, struct sim_pair *p, uint32_t n)
{
    *c = (struct sim_tcp_checker){.pair = p, .every = n};
    p->sim->check = check_pair;
    p->sim->check_arg = c;
}

uint64_t sim_seed(const char *text)
{
    char *end;
    uint64_t seed;

    errno = 0;
    seed = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0)
        return seed;
    fprintf(stderr, "seed: found \"%s\", expected a whole number like 4711\n", text);
    exit(1);
}

uint64_t sim_soak(uint64_t n)
{
    const char *soak = getenv("ZSTACK_SOAK");
    uint64_t factor = soak != NULL ? strtoull(soak, NULL, 0) : 1;

    return n * MAX(factor, 1u);
}
