/* What a socket can ask: readiness, errors, names. */
#include <errno.h>

#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

bool tcp_readable(const struct tcp_conn *tc)
{
    switch (tc->state) {
    case TCPS_LISTEN:
        return tc->lis->n_accept > 0;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RCVD:
        if (tc->fastopen_id == 0)
            return false;
        break;
    case TCPS_CLOSED:
        if (tc->iss == 0 && tc->irs == 0)
            return false;
        break;
    default:
        break;
    }
    return tcp_rcv_avail(tc) >= MAX(tc->opt->rcvlowat, 1u) || tcp_rcv_eof(tc) || tc->so_error != 0;
}

unsigned tcp_poll(const struct tcp_conn *tc)
{
    unsigned r = 0;

    switch (tc->state) {
    case TCPS_LISTEN:
        return tc->lis->n_accept > 0 ? SOCK_IN : 0;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RCVD:
        if (tc->fastopen_id != 0)
            break;
        if (tc->tfo == TFO_WAIT && tc->state == TCPS_SYN_SENT) /* the first data make the SYN go */
            return SOCK_OUT;
        return tc->so_error != 0 ? SOCK_ERR : 0;
    default:
        break;
    }
    if (tc->so_error != 0)
        r |= SOCK_ERR;
    if (tc->state == TCPS_CLOSED && tc->iss == 0 && tc->irs == 0) /* never connected: as Linux */
        return r | SOCK_OUT | SOCK_HUP;
    if (tcp_readable(tc))
        r |= SOCK_IN;
    if (tcp_rcv_eof(tc))
        r |= SOCK_RDHUP;
    if (tc->oob_have || (tc->rcv_urgent && !tc->oob_taken && !tc->opt->oobinline))
        r |= SOCK_PRI;
    if (tc->state == TCPS_CLOSED || (tcp_rcv_eof(tc) && tc->fin_queued)) /* both directions: by FINs, or by shutdown() */
        r |= SOCK_HUP;
    if (tcp_snd_eof(tc) || tcp_snd_space(tc) > 0)
        r |= SOCK_OUT;
    return r;
}

bool tcp_is_listener(const struct tcp_conn *tc)
{
    return tc->state == TCPS_LISTEN;
}

int tcp_peek_error(const struct tcp_conn *tc)
{
    return tc->so_error;
}

/* As Linux: who asks learns of an ICMP error, too, that did not end the connection (SHLD-25). */
int tcp_take_error(struct tcp_conn *tc)
{
    int16_t *from = tc->so_error != 0 ? &tc->so_error : &tc->soft_error;
    int e = *from;

    *from = 0;
    return e;
}

int tcp_getpeer(const struct tcp_conn *tc, struct inaddr *a, uint16_t *port)
{
    if (!tcp_talks(tc))
        return -ENOTCONN;
    *a = tc->ent.raddr;
    *port = tc->ent.rport;
    return 0;
}

void tcp_getname(const struct tcp_conn *tc, struct inaddr *a, uint16_t *port)
{
    *a = tc->ent.laddr;
    *port = tc->ent.lport;
}
