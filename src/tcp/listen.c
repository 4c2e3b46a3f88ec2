/* LISTEN (RFC 9293 3.10.7.2): new connections, the SYN and accept queues, backlog. */
#include "tcp/conn.h"

#include <errno.h>

#include "sock/sock.h"

#include "base/poison.h"

static bool accept_queue_full(const struct tcp_listener *l)
{
    return l->n_accept > l->backlog; /* as Linux: one more than the backlog */
}

static struct tcp_conn *conn_from_syn(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g)
{
    struct tcp_conn *tc = tcp_create(s, NULL);

    if (tc == NULL)
        return NULL;
    tc->opt = lc->opt;
    tc->passive = true;
    tc->ent.laddr = in->dst;
    tc->ent.raddr = in->src;
    tc->ent.rport = g->h.sport;
    if (ip_path_lookup(s, &tc->path, &tc->ent.laddr, &tc->ent.raddr, false) != 0) {
        tcp_free(s, tc);
        return NULL;
    }
    tcp_port_hold(s, tc, g->h.dport);
    tcp_table_insert(s, &tc->ent, TCP_ENT_CONN);
    return tc;
}

static void start_syn_rcvd(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g)
{
    tc->irs = g->h.seq;
    tc->rcv_nxt = g->h.seq + 1;
    tc->rcv_adv = tc->rcv_nxt;
    tcp_handshake_init(s, tc);
    if (g->reopens)
        tcp_iss_beyond(tc, g->iss_floor);
    tcp_opts_accept(s, tc, &g->o);
    tcp_ecn_accept(s, tc, g->h.flags);
    tcp_mss_update(s, tc);
    tc->snd_wnd = g->wnd;
    tc->snd_wl1 = g->h.seq;
    tc->max_snd_wnd = g->wnd;
    tcp_set_state(s, tc, TCPS_SYN_RCVD);
}

void tcp_listen_input(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_listener *l = lc->lis;
    struct tcp_conn *tc;

    /* first: RST is ignored; second: ACK gets a reset; third: SYN; fourth: anything else is dropped */
    if ((g->h.flags & TH_RST) == 0 && (g->h.flags & TH_ACK) != 0)
        tcp_reset_reply(s, in, g);
    if ((g->h.flags & (TH_RST | TH_ACK | TH_SYN)) != TH_SYN) {
        pkt_drop(s, m, DROP_TCP_LISTEN);
        return;
    }
    if (accept_queue_full(l) || l->n_syn >= MAX(s->conf.somaxconn, l->backlog)) {
        pkt_drop(s, m, DROP_TCP_BACKLOG);
        return;
    }
    tc = conn_from_syn(s, lc, in, g);
    if (tc == NULL) {
        pkt_drop(s, m, DROP_TCP_CONN_LIMIT);
        return;
    }
    start_syn_rcvd(s, tc, g);
    tc->listener = lc;
    tc->in_syn_q = true;
    TAILQ_INSERT_TAIL(&l->syn_q, tc, accept_link);
    l->n_syn++;
    stack_count(s, CTR_TCP_OPENS_PASSIVE);
    tcp_send_syn(s, tc);
    tcp_timer_set(s, tc, TT_REXMT, tc->rtt.rto_ns);
    pkt_drop(s, m, DROP_TCP_PURE_ACK); /* text that comes with a SYN is not acknowledged: the peer sends it again */
}

bool tcp_listen_established(struct z_stack *s, struct tcp_conn *tc)
{
    struct tcp_conn *lc = tc->listener;
    struct tcp_listener *l = lc->lis;

    if (accept_queue_full(l))
        return false;
    TAILQ_REMOVE(&l->syn_q, tc, accept_link);
    l->n_syn--;
    tc->in_syn_q = false;
    TAILQ_INSERT_TAIL(&l->accept_q, tc, accept_link);
    l->n_accept++;
    sock_on_readable(s, lc->sk);
    return true;
}

void tcp_listen_unlink(struct tcp_conn *tc)
{
    struct tcp_listener *l;

    if (tc->listener == NULL)
        return;
    l = tc->listener->lis;
    if (tc->in_syn_q) {
        TAILQ_REMOVE(&l->syn_q, tc, accept_link);
        l->n_syn--;
    } else {
        TAILQ_REMOVE(&l->accept_q, tc, accept_link);
        l->n_accept--;
    }
    tc->listener = NULL;
}

/* Connections that nobody accepted are reset (RFC 9293 3.10.4: CLOSE of LISTEN; what sockets do). */
void tcp_listen_close(struct z_stack *s, struct tcp_conn *lc)
{
    struct tcp_listener *l = lc->lis;
    struct tcp_conn *tc;

    while ((tc = TAILQ_FIRST(&l->accept_q)) != NULL || (tc = TAILQ_FIRST(&l->syn_q)) != NULL) {
        tcp_listen_unlink(tc);
        if (tc->state != TCPS_CLOSED)
            tcp_send_rst(s, tc);
        tcp_drop_conn(s, tc, ECONNABORTED);
    }
    arena_free(&s->arena, l, sizeof(*l));
    lc->lis = NULL;
}

struct tcp_conn *tcp_accept(struct z_stack *s, struct tcp_conn *lc, int *err)
{
    struct tcp_conn *tc;

    (void)s;
    if (lc->lis == NULL) {
        *err = -EINVAL;
        return NULL;
    }
    tc = TAILQ_FIRST(&lc->lis->accept_q);
    if (tc == NULL) {
        *err = -EAGAIN;
        return NULL;
    }
    tcp_listen_unlink(tc);
    *err = 0;
    return tc;
}
