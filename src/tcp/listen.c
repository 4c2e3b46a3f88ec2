/* LISTEN (RFC 9293 3.10.7.2): what a listener does with a segment, and its accept queue. */
#include "tcp/forward.h"
#include "tcp/syncache.h"

#include <errno.h>

#include "sock/sock.h"

#include "base/poison.h"

/*
 * A handshake that another stack of this host began, because nobody listened here yet, takes at most so long: its last segment is that
 * one's.
 */
#define HANDSHAKE_NS (60 * NS_PER_SEC)

bool tcp_accept_queue_full(const struct tcp_listener *l)
{
    return l->n_accept > l->backlog; /* as Linux: one more than the backlog */
}

void tcp_listen_input(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, struct tcp_seg *g, struct rte_mbuf *m)
{
    if ((g->h.flags & (TH_RST | TH_ACK | TH_SYN)) == TH_ACK && tcp_syn_cookie_input(s, lc, in, g, m))
        return;
    if (s->steer != NULL && s->now_ns - lc->lis->since_ns < HANDSHAKE_NS && (g->h.flags & (TH_RST | TH_ACK | TH_SYN)) == TH_ACK &&
        tcp_hand_over(s, in, g, m))
        return;
    /* first: RST is ignored; second: ACK gets a reset; third: SYN; fourth: anything else is dropped */
    if ((g->h.flags & TH_RST) == 0 && (g->h.flags & TH_ACK) != 0)
        tcp_reset_reply(s, in, g);
    if ((g->h.flags & (TH_RST | TH_ACK | TH_SYN)) != TH_SYN) {
        pkt_drop(s, m, DROP_TCP_LISTEN);
        return;
    }
    if (tcp_accept_queue_full(lc->lis)) {
        pkt_drop(s, m, DROP_TCP_BACKLOG);
        return;
    }
    tcp_syn_received(s, lc, in, g, m);
}

void tcp_listen_queue(struct z_stack *s, struct tcp_conn *lc, struct tcp_conn *tc)
{
    struct tcp_listener *l = lc->lis;

    tc->waits = true;
    tc->listener = lc;
    TAILQ_INSERT_TAIL(&l->accept_q, tc, accept_link);
    l->n_accept++;
    sock_on_readable(s, lc->sk);
}

void tcp_listen_unlink(struct tcp_conn *tc)
{
    struct tcp_listener *l;

    if (!tc->waits)
        return;
    l = tc->listener->lis;
    TAILQ_REMOVE(&l->accept_q, tc, accept_link);
    l->n_accept--;
    tc->waits = false;
    tc->listener = NULL;
    tc->drs_bytes = tc->drs_copied = 0;
}

/*
 * Listeners bound to the same address and port by SO_REUSEPORT are one service: what one leaves behind the others take, each what it
 * would get if the peer began now. Linux does the same with net.ipv4.tcp_migrate_req, off there because the sockets of a group may be
 * different programs'.
 */
struct tcp_conn *tcp_listen_heir(const struct z_stack *s, const struct tcp_conn *lc, const struct tcp_entry *e)
{
    struct tcp_conn *c = lc->opt->reuseport ? tcp_listen_find(s, &e->laddr, &e->raddr, e->lport, e->rport) : NULL;

    return c != NULL && c->opt->reuseport && inaddr_eq(&c->ent.laddr, &lc->ent.laddr) ? c : NULL;
}

static bool taken_over(struct z_stack *s, const struct tcp_conn *lc, struct tcp_conn *tc)
{
    struct tcp_conn *heir = tc->state != TCPS_CLOSED ? tcp_listen_heir(s, lc, &tc->ent) : NULL;

    if (heir == NULL || tcp_accept_queue_full(heir->lis))
        return false;
    if (tc->fastopen_id != 0) {
        tc->fastopen_id = heir->ent.id;
        heir->lis->n_fastopen++;
    }
    stack_count(s, CTR_TCP_MIGRATED);
    tcp_listen_queue(s, heir, tc);
    return true;
}

/* Connections that nobody will accept are reset (RFC 9293 3.10.4: CLOSE of LISTEN; what sockets do). */
void tcp_listen_close(struct z_stack *s, struct tcp_conn *lc)
{
    struct tcp_listener *l = lc->lis;
    struct tcp_conn *tc;

    tcp_set_state(s, lc, TCPS_CLOSED);
    while ((tc = TAILQ_FIRST(&l->accept_q)) != NULL) {
        tcp_listen_unlink(tc);
        if (taken_over(s, lc, tc))
            continue;
        if (tc->state != TCPS_CLOSED)
            tcp_send_rst(s, tc);
        tcp_drop_conn(s, tc, ECONNABORTED);
    }
    tcp_share_listener(s, lc->ent.lport, lc);
    tcp_syn_purge(s, lc);
    arena_free(&s->arena, l, sizeof(*l));
    lc->lis = NULL;
}

struct tcp_conn *tcp_accept(struct z_stack *s, struct tcp_conn *lc, int *err)
{
    struct tcp_conn *tc;

    if (tcp_lis(lc) == NULL) {
        *err = -EINVAL;
        return NULL;
    }
    tc = TAILQ_FIRST(&lc->lis->accept_q);
    if (tc == NULL) {
        *err = -EAGAIN;
        return NULL;
    }
    tcp_listen_unlink(tc);
    tc->drs_start_ns = s->now_ns;
    *err = 0;
    return tc;
}
