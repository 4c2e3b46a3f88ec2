/* The user calls that change a connection's life: bind, listen, connect, shutdown, close (RFC 9293 3.9.1, 3.10). */
#include <errno.h>
#include <sys/socket.h>

#include "base/bindaddr.h"
#include "sock/sock.h"
#include "tcp/fastopen.h"
#include "tcp/forward.h"

#include "base/poison.h"

int tcp_bind(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port)
{
    if (tc->state != TCPS_CLOSED || tc->port_held)
        return -EINVAL;
    if (tc->opt->v6only && inaddr_is_v4(a))
        return -EINVAL;
    if (!inaddr_is_any(a) && (ip_is_group(s, a) || !ip_is_local(s, a)))
        return -EADDRNOTAVAIL;
    if (port == 0) {
        struct inaddr any = INADDR_ANY_V4;

        tc->ent.laddr = *a;
        port = tcp_port_ephemeral(s, tc, &any, 0);
        if (port == 0)
            return -EADDRINUSE;
    } else if (tcp_port_conflict(s, tc, a, port)) {
        return -EADDRINUSE;
    }
    tc->ent.laddr = *a;
    tcp_port_hold(s, tc, port);
    tcp_bound_insert(s, tc);
    return 0;
}

int tcp_listen(struct z_stack *s, struct tcp_conn *tc, int backlog)
{
    uint32_t n = MIN((uint32_t)backlog, s->conf.somaxconn); /* a negative one is as many as there may be, as on Linux and FreeBSD */
    struct inaddr unbound = tc->ent.laddr;
    int ret;

    if (tc->state == TCPS_LISTEN) {
        tc->lis->backlog = n;
        return 0;
    }
    if (tc->state != TCPS_CLOSED || tc->so_error != 0)
        return -EINVAL;
    if (!tc->port_held && (ret = tcp_bind(s, tc, &unbound, 0)) != 0)
        return ret;
    for (const struct tcp_conn *c = s->tcp.bound_bucket[tc->ent.lport]; c != NULL; c = c->bound_next)
        if (c != tc && c->state == TCPS_LISTEN && !(c->opt->reuseport && tc->opt->reuseport) &&
            bind_overlaps(&c->ent.laddr, c->opt->v6only, &tc->ent.laddr, tc->opt->v6only))
            return -EADDRINUSE; /* MUST-41: one passive open does not disturb another */
    tc->lis = arena_alloc(&s->arena, sizeof(*tc->lis));
    if (tc->lis == NULL)
        return -ENOMEM;
    TAILQ_INIT(&tc->lis->accept_q);
    tc->lis->backlog = n;
    tc->lis->since_ns = s->now_ns;
    tcp_set_state(s, tc, TCPS_LISTEN);
    tcp_share_listener(s, tc->ent.lport, NULL);
    return 0;
}

/* What connect() says when the attempt was made before. */
static int connect_again(struct tcp_conn *tc)
{
    if (tc->state == TCPS_SYN_SENT || tc->state == TCPS_SYN_RCVD)
        return -EALREADY;
    if (tc->state == TCPS_LISTEN)
        return -EISCONN;
    if (tcp_synchronized(tc)) {
        bool first = !tc->connect_done && !tc->passive;

        tc->connect_done = true;
        return first ? 0 : -EISCONN;
    }
    return tc->so_error != 0 ? -tcp_take_error(tc) : 1;
}

static int choose_local(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port)
{
    uint16_t lport;
    int ret = ip_path_lookup(s, &tc->path, &tc->ent.laddr, a, false);

    if (ret != 0)
        return ret;
    tc->ent.laddr = tc->path.src;
    tc->ent.raddr = *a;
    tc->ent.rport = port;
    if (tc->port_held)
        return tcp_tuple_free(s, &tc->ent.laddr, a, tc->ent.lport, port) ? 0 : -EADDRNOTAVAIL;
    lport = tcp_port_ephemeral(s, tc, a, port);
    if (lport == 0)
        return -EADDRNOTAVAIL;
    tcp_port_hold(s, tc, lport);
    return 0;
}

static int open_to(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port, bool fastopen)
{
    int ret = connect_again(tc);

    if (ret != 1)
        return ret;
    if (tc->irs != 0)
        return -ECONNABORTED; /* a connection that has ended is not opened again; an attempt that failed may be repeated */
    tc->rexmt_count = 0;
    tc->backoff = 0;
    tc->first_rexmt_at_ns = 0;
    tc->soft_error = 0;
    if (inaddr_is_any(a) || port == 0)
        return -ECONNREFUSED;
    if (tc->opt->v6only && inaddr_is_v4(a))
        return -ENETUNREACH;
    if (ip_is_group(s, a))
        return -ENETUNREACH; /* MUST-46 */
    ret = choose_local(s, tc, a, port);
    if (ret != 0)
        return ret;
    tc->peer_mss = tcp_mss_default(&tc->ent.raddr);
    tcp_mss_update(s, tc);
    tcp_handshake_init(s, tc);
    tcp_table_insert(s, &tc->ent, TCP_ENT_CONN);
    tcp_claim(s, &tc->ent, tc->path.local); /* the port was bound before */
    tcp_set_state(s, tc, TCPS_SYN_SENT);
    stack_count(s, CTR_TCP_OPENS_ACTIVE);
    tc->tfo = fastopen ? (uint8_t)tcp_fastopen_plan(s, tc) : TFO_OFF;
    tc->tfo_bytes = 0;
    if (tc->tfo == TFO_WAIT)
        return 0;
    tcp_open_send(s, tc);
    tcp_timer_set(s, tc, TT_REXMT, tcp_until_user_timeout(s, tc, tcp_base_rto(s, tc)));
    return -EINPROGRESS;
}

bool tcp_source_is_open(const struct tcp_conn *tc)
{
    return tc->state == TCPS_CLOSED && tc->irs == 0 && inaddr_is_any(&tc->ent.laddr);
}

void tcp_set_source(struct tcp_conn *tc, const struct inaddr *a)
{
    tc->ent.laddr = *a;
}

int tcp_connect(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port)
{
    return open_to(s, tc, a, port, tc->opt->fastopen_connect);
}

int tcp_connect_fastopen(struct z_stack *s, struct tcp_conn *tc, const struct inaddr *a, uint16_t port)
{
    return open_to(s, tc, a, port, true);
}

/* CLOSE (3.10.4): the FIN goes behind what is queued. */
static void queue_fin(struct z_stack *s, struct tcp_conn *tc)
{
    if (tc->fin_queued)
        return;
    switch (tc->state) {
    case TCPS_SYN_RCVD: /* queued until the handshake is complete: tcp_established */
        break;
    case TCPS_ESTABLISHED:
        tcp_set_state(s, tc, TCPS_FIN_WAIT_1);
        break;
    case TCPS_CLOSE_WAIT:
        tcp_set_state(s, tc, TCPS_LAST_ACK);
        break;
    default:
        return;
    }
    tc->fin_queued = true;
    tcp_mark_dirty(s, tc);
    if (tcp_rcv_eof(tc))
        sock_on_closed(s, tc->sk); /* both directions: who waits for the hangup only learns it */
    else
        sock_on_writable(s, tc->sk);
}

int tcp_shutdown(struct z_stack *s, struct tcp_conn *tc, int how)
{
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (tc->state == TCPS_SYN_SENT && how != SHUT_RD) {
        tcp_drop_conn(s, tc, ECONNRESET);
        return 0;
    }
    if (tc->state == TCPS_LISTEN) { /* as Linux: the passive open ends, the socket stays bound */
        if (how != SHUT_WR) {
            tcp_listen_close(s, tc);
            sock_on_closed(s, tc->sk);
        }
        return 0;
    }
    if (!tcp_talks(tc))
        return -ENOTCONN;
    if (how != SHUT_WR && !tc->rd_shut) {
        tc->rd_shut = true;
        sock_on_closed(s, tc->sk);
    }
    if (how != SHUT_RD)
        queue_fin(s, tc);
    return 0;
}

static void abort_conn(struct z_stack *s, struct tcp_conn *tc)
{
    if (tcp_synchronized(tc) || tc->state == TCPS_SYN_RCVD)
        tcp_send_rst(s, tc);
    tcp_drop_conn(s, tc, ECONNABORTED);
}

void tcp_close(struct z_stack *s, struct tcp_conn *tc)
{
    bool unread = tc->rcvq.bytes > 0 && !(tc->rcvq.bytes == 1 && tc->oob_taken);

    tc->sk = NULL;
    tc->closed_by_user = true;
    if (tcp_lis(tc) != NULL)
        tcp_listen_close(s, tc);
    switch (tc->state) {
    case TCPS_CLOSED:
    case TCPS_LISTEN:
    case TCPS_SYN_SENT:
        tcp_drop_conn(s, tc, 0);
        return;
    case TCPS_TIME_WAIT:
        tcp_mark_dirty(s, tc); /* goes at the end of the turn, after an ACK of the peer's FIN that is due; its record stays */
        return;
    default:
        break;
    }
    /* data that nobody will read is lost: the peer must know (RFC 9293 3.6.1, RFC 2525 2.17) */
    if ((tc->opt->linger_on && tc->opt->linger_s == 0) || unread) {
        abort_conn(s, tc);
        return;
    }
    if (s->tcp.n_orphans >= s->conf.max_orphans) {
        stack_count(s, CTR_TCP_ORPHAN_LIMIT);
        abort_conn(s, tc);
        return;
    }
    rcvq_clear(&tc->rcvq);
    reass_clear(&tc->reass, &s->arena);
    tcp_rcv_charge(s, tc);
    tc->cork = tc->more = false;
    tc->orphan = true;
    s->tcp.n_orphans++;
    queue_fin(s, tc);
    if (tc->state == TCPS_FIN_WAIT_2)
        tcp_timer_set(s, tc, TT_2MSL, tcp_finwait2_ns(s, tc));
    else if (s->conf.orphan_ns != 0) /* a peer that takes a byte now and then must not keep what nobody here holds any more */
        tcp_timer_set(s, tc, TT_2MSL, s->conf.orphan_ns);
}

uint64_t tcp_linger_ns(const struct tcp_conn *tc)
{
    if (!tc->opt->linger_on || tc->opt->linger_s == 0 || tc->state < TCPS_ESTABLISHED || tc->state == TCPS_TIME_WAIT)
        return 0;
    return (uint64_t)tc->opt->linger_s * NS_PER_SEC;
}

bool tcp_all_acked(const struct tcp_conn *tc)
{
    return sndq_bytes(&tc->sndq) == 0 && (!tc->fin_queued || (tc->fin_sent && tc->snd_una == tc->snd_nxt));
}

static bool unfinished(const struct tcp_conn *tc)
{
    return tc->state >= TCPS_SYN_RCVD && tc->state != TCPS_TIME_WAIT && tc->state != TCPS_FIN_WAIT_2 && !tcp_all_acked(tc);
}

void tcp_close_all(struct z_stack *s)
{
    for (uint32_t i = 0; i <= s->tcp.id_mask; i++) {
        struct tcp_conn *tc = s->tcp.id_tab[i];

        if (tc != NULL && (tc->state == TCPS_ESTABLISHED || tc->state == TCPS_CLOSE_WAIT))
            queue_fin(s, tc);
    }
}

uint32_t tcp_unfinished(const struct z_stack *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i <= s->tcp.id_mask; i++)
        n += s->tcp.id_tab[i] != NULL && unfinished(s->tcp.id_tab[i]);
    return n;
}

void tcp_reset_all(struct z_stack *s)
{
    for (uint32_t i = 0; i <= s->tcp.id_mask; i++) {
        struct tcp_conn *tc = s->tcp.id_tab[i];

        if (tc != NULL && tcp_synchronized(tc) && tc->state != TCPS_TIME_WAIT && unfinished(tc))
            abort_conn(s, tc);
    }
}
