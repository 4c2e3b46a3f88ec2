/* What the two SYNs agree on: maximum segment size, window scale, timestamps, SACK. */
#include "tcp/conn.h"

#include "base/poison.h"

#define MSS_DEFAULT_V4 536u /* RFC 9293 MUST-15 */
#define MSS_DEFAULT_V6 1220u
#define MSS_MIN 64u         /* a peer that announces less makes us send mostly headers: Linux' lower bound is 48 */
#define WSCALE_MAX 14u      /* RFC 7323 2.3 */

/* What the MTU leaves when the fixed headers are taken off (RFC 6691). */
static uint32_t mss_of_mtu(const struct tcp_conn *tc, uint32_t mtu)
{
    uint32_t headers = ip_hdr_bytes(&tc->ent.raddr) + TCP_HLEN;

    return mtu > headers + MSS_MIN ? mtu - headers : MSS_MIN;
}

/* What a peer that announces nothing takes. */
uint16_t tcp_mss_default(const struct tcp_conn *tc)
{
    return inaddr_is_v4(&tc->ent.raddr) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;
}

/* MSS = what our receive path takes: the interface's MTU less fixed headers (MUST-67, RFC 6691). */
uint16_t tcp_mss_to_announce(const struct z_stack *s, const struct tcp_conn *tc)
{
    uint32_t mtu = tc->path.nif != NULL && !s->conf.mss_clamp ? tc->path.nif->mtu : tc->path.mtu;
    uint32_t mss = mss_of_mtu(tc, mtu);

    if (s->conf.mss_default != 0)
        mss = MIN(mss, (uint32_t)s->conf.mss_default);
    if (tc->opt.maxseg != 0)
        mss = MIN(mss, (uint32_t)tc->opt.maxseg);
    return (uint16_t)MIN(mss, (uint32_t)UINT16_MAX);
}

/* Eff.snd.MSS before options: RFC 9293 3.7.1 (MUST-16). */
uint32_t tcp_mss_for(const struct z_stack *s, const struct tcp_conn *tc, uint32_t mtu)
{
    uint32_t mss = mss_of_mtu(tc, mtu);

    if (s->conf.mss_default != 0)
        mss = MIN(mss, (uint32_t)s->conf.mss_default);
    if (tc->opt.maxseg != 0)
        mss = MIN(mss, (uint32_t)tc->opt.maxseg);
    return MIN(mss, (uint32_t)tc->peer_mss);
}

void tcp_mss_update(struct z_stack *s, struct tcp_conn *tc)
{
    tc->smss = (uint16_t)tcp_mss_for(s, tc, tcp_path_mtu(tc));
    tc->cc.smss = tcp_eff_mss(tc);
    if (tc->cc.cwnd != 0 && tc->cc.cwnd < tc->cc.smss)
        tc->cc.cwnd = tc->cc.smss; /* one segment always fits */
}

void tcp_opts_accept(struct z_stack *s, struct tcp_conn *tc, const struct tcp_opts *o)
{
    tc->peer_mss = o->has_mss ? (uint16_t)MAX(o->mss, MSS_MIN) : tcp_mss_default(tc);
    tc->ws_on = o->has_ws && s->conf.window_scaling;
    tc->snd_wscale = tc->ws_on ? (uint8_t)MIN((uint32_t)o->ws, WSCALE_MAX) : 0;
    tc->ts_on = o->has_ts && s->conf.timestamps;
    tc->sack_on = o->sack_ok && s->conf.sack;
    if (tc->ts_on) {
        tc->ts_recent = o->ts_val;
        tc->ts_recent_at_ns = s->now_ns;
    }
    if (!tc->ws_on)
        tc->rcv_wscale = 0;
}
