/* What the two SYNs agree on: maximum segment size, window scale, timestamps, SACK. */
#include "ip/ip6.h"
#include "tcp/conn.h"

#include "base/poison.h"

#define MSS_DEFAULT_V4 536u /* RFC 9293 MUST-15 */
#define MSS_DEFAULT_V6 1220u
#define MSS_MIN 64u    /* a peer that announces less makes us send mostly headers: Linux' lower bound is 48 */
#define WSCALE_MAX 14u /* RFC 7323 2.3 */

/* What the MTU leaves when the fixed headers are taken off (RFC 6691). */
static uint32_t mss_of_mtu(const struct inaddr *peer, uint32_t mtu)
{
    uint32_t headers = ip_hdr_bytes(peer) + TCP_HLEN;

    return mtu > headers + MSS_MIN ? mtu - headers : MSS_MIN;
}

/* What a peer that announces nothing takes. */
uint16_t tcp_mss_default(const struct inaddr *peer)
{
    return inaddr_is_v4(peer) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

/* What the link carries; of IPv6 what its router says (RFC 4861 section 6.3.4). */
static uint32_t link_mtu(const struct ip_path *path)
{
    return inaddr_is_v4(&path->src) ? path->nif->mtu : ip6_mtu(path->nif);
}

/* MSS = what our receive path takes: the interface's MTU less fixed headers (MUST-67, RFC 6691). */
uint16_t tcp_mss_to_announce(const struct z_stack *s, const struct ip_path *path, const struct tcp_user_opts *uo)
{
    uint32_t mtu = path->nif != NULL && !s->conf.mss_clamp ? link_mtu(path) : path->mtu;
    uint32_t mss = mss_of_mtu(&path->src, mtu);

    if (s->conf.mss_default != 0)
        mss = MIN(mss, (uint32_t)s->conf.mss_default);
    if (uo->maxseg != 0)
        mss = MIN(mss, (uint32_t)uo->maxseg);
    return (uint16_t)MIN(mss, (uint32_t)UINT16_MAX);
}

/* Eff.snd.MSS before options: RFC 9293 3.7.1 (MUST-16). */
uint32_t tcp_mss_for(const struct z_stack *s, const struct tcp_conn *tc, uint32_t mtu)
{
    uint32_t mss = mss_of_mtu(&tc->ent.raddr, mtu);

    if (s->conf.mss_default != 0)
        mss = MIN(mss, (uint32_t)s->conf.mss_default);
    if (tc->opt->maxseg != 0)
        mss = MIN(mss, (uint32_t)tc->opt->maxseg);
    return MIN(mss, (uint32_t)tc->peer_mss);
}

/*
 * A frame of several segments is cut by the port, or on the way to it. Without DF each segment would need an identification of its own
 * (RFC 6864 section 4.2), and it is the network layer that gives them: then there are none; nor to ourselves.
 */
void tcp_frame_update(struct tcp_conn *tc)
{
    const struct port *p = tc->path.nif != NULL ? tc->path.nif->port : NULL;
    uint32_t limit = p == NULL ? 0 : p->caps.tx_tso ? p->caps.tso_max_bytes : p->hdr_pool != NULL ? PKT_BUF_MAX : 0;

    if (tc->path.local || (inaddr_is_v4(&tc->ent.raddr) && (tcp_path_mtu(tc) <= IP_PMTU_MIN_V4 || tcp_may_fragment(tc->opt))))
        limit = 0;
    tc->max_frame_bytes = (uint16_t)MIN(MIN(limit, GSO_SEGS_MAX * tcp_eff_mss(tc)), (uint32_t)UINT16_MAX);
}

void tcp_mss_update(struct z_stack *s, struct tcp_conn *tc)
{
    tc->smss = (uint16_t)tcp_mss_for(s, tc, tcp_path_mtu(tc));
    tc->cc.smss = tcp_eff_mss(tc);
    tc->wnd_settled = false; /* how far its edge moves at a time depends on it */
    if (tc->cc.cwnd != 0 && tc->cc.cwnd < tc->cc.smss)
        tc->cc.cwnd = tc->cc.smss; /* one segment always fits */
    tcp_frame_update(tc);
}

void tcp_opts_agree(const struct z_stack *s, const struct inaddr *peer, const struct tcp_opts *o, struct tcp_agreed *a)
{
    a->peer_mss = o->has_mss ? (uint16_t)MAX(o->mss, MSS_MIN) : tcp_mss_default(peer);
    a->ws_on = o->has_ws && s->conf.window_scaling;
    a->snd_wscale = a->ws_on ? (uint8_t)MIN((uint32_t)o->ws, WSCALE_MAX) : 0;
    a->ts_on = o->has_ts && s->conf.timestamps;
    a->sack_on = o->sack_ok && s->conf.sack;
    a->ts_recent = a->ts_on ? o->ts_val : 0;
}

void tcp_opts_apply(struct z_stack *s, struct tcp_conn *tc, const struct tcp_agreed *a)
{
    tc->peer_mss = a->peer_mss;
    tc->ws_on = a->ws_on;
    tc->snd_wscale = a->snd_wscale;
    tc->ts_on = a->ts_on;
    tc->sack_on = a->sack_on;
    if (tc->ts_on)
        tc->ts_recent = a->ts_recent;
    tc->last_rcv_ns = s->now_ns;
    if (!tc->ws_on)
        tc->rcv_wscale = 0;
}
