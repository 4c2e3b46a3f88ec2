/* What the tests of zero copy share: a pair of stacks, a source of bytes by reference, and the question whether anything was copied. */
#ifndef TESTS_SIM_ZERO_COPY_H
#define TESTS_SIM_ZERO_COPY_H

#include <string.h>

#include "sim_conn.h"
#include "sim_flow.h"
#include "sim_tcp.h"
#include "tcp/conn.h"

static inline void assert_no_copies(const struct z_stack *s)
{
    for (int i = 0; i < CTR_COUNT; i++)
        if (strncmp(ctr_names[i], "copy.", 5) == 0 && s->ctr.v[i] != 0)
            fail_msg("%s is %llu", ctr_names[i], (unsigned long long)s->ctr.v[i]);
}

/* Changes the settings of the next pair. */
static void (*extra_tune)(struct stack_conf *c);

static inline void tune(struct stack_conf *c, void *arg)
{
    (void)arg;
    c->max_connections = 64;
    c->msl_ns = NS_PER_SEC;
    c->finwait2_ns = 5 * NS_PER_SEC;
    c->rto_max_ns = 5 * NS_PER_SEC;
    c->arp_max_tries = 50;
    if (extra_tune != NULL)
        extra_tune(c);
}

static inline void pair_create(struct sim_pair *p, struct sim_tcp_checker *chk, uint32_t loss_ppm)
{
    struct sim_pair_conf c = {.sim = {.seed = 42 + loss_ppm}};

    for (int i = 0; i < 2; i++) {
        c.side[i].tune = tune;
        c.side[i].link = (struct sim_link_conf){.delay_ns = NS_PER_MS, .loss_ppm = loss_ppm};
        c.side[i].knobs = (struct port_mem_knobs){.hold_polls = 3, .poison = true};
    }
    assert_true(sim_pair_create(p, &c));
    sim_tcp_check_every(chk, p, 16);
}

/* Writes [0, total) of a pattern on one socket and checks what comes in on another. */
struct source {
    struct sock *out, *in;
    uint64_t total, sent, received;
    uint32_t piece;
};

static inline void source_app(struct sim_stack *ss, void *arg)
{
    struct source *x = arg;
    struct rte_mbuf *m;
    ssize_t n;

    while (x->sent < x->total && tcp_snd_space(x->out->tcp) > 0 && (m = pkt_alloc_app(ss->s, x->piece)) != NULL) {
        uint32_t len = (uint32_t)MIN(x->piece, x->total - x->sent);

        for (uint32_t i = 0; i < len; i++)
            pkt_data(m)[i] = flow_byte(1, x->sent + i);
        m->data_len = (uint16_t)len;
        m->pkt_len = len;
        assert_int_equal(tcp_send_ref(ss->s, x->out->tcp, m), 0);
        x->sent += len;
    }
    while ((n = tcp_recv_ref(ss->s, x->in->tcp, SIZE_MAX, &m)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(pkt_data(m)[i], flow_byte(1, x->received + (uint64_t)i));
        x->received += (uint64_t)n;
        tcp_loan_return(ss->s, m);
        pkt_unref(m);
    }
    if (x->sent < x->total && tcp_snd_space(x->out->tcp) > 0)
        ss->app_wake_ns = ss->sim->now_ns + NS_PER_MS;
}

static inline bool source_done(void *arg)
{
    const struct source *x = arg;

    return x->received == x->total;
}

#endif
