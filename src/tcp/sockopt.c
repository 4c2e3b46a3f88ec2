/* Socket options with Linux numbers: socket(7), tcp(7), ip(7). */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sock/sock.h"
#include "tcp/fastopen.h"

#include "base/poison.h"

#define LINGER2_MAX_S 120 /* as Linux */

#define BUF_MIN_BYTES 4608u /* two small buffers: less could not take a segment */

static uint32_t clamp_buf(int v, uint32_t max)
{
    /* as Linux: the value is doubled to make room for overhead, and getsockopt returns the doubled value */
    uint64_t n = (uint64_t)(v < 0 ? INT32_MAX / 2 : v) * 2;

    return (uint32_t)MAX(MIN(n, (uint64_t)max), (uint64_t)BUF_MIN_BYTES);
}

static int set_socket(struct z_stack *s, struct tcp_conn *tc, int name, int v, const void *val, unsigned len)
{
    struct tcp_user_opts *o = tc->opt;

    switch (name) {
    case SO_REUSEADDR:
        o->reuseaddr = v != 0;
        return 0;
    case SO_REUSEPORT:
        o->reuseport = v != 0;
        return 0;
    case SO_KEEPALIVE:
        o->keepalive = v != 0;
        if (tcp_synchronized(tc))
            tcp_keepalive_restart(s, tc);
        return 0;
    case SO_OOBINLINE:
        o->oobinline = v != 0;
        return 0;
    case SO_SNDBUF:
        tc->sndbuf_bytes = clamp_buf(v, s->conf.sndbuf_max_bytes);
        o->sndbuf_locked = true;
        sock_on_writable(s, tc->sk);
        return 0;
    case SO_RCVBUF:
        tc->rcvbuf_bytes = clamp_buf(v, s->conf.rcvbuf_max_bytes);
        tc->wnd_settled = false;
        o->rcvbuf_locked = true;
        return 0;
    case SO_RCVLOWAT:
        o->rcvlowat = v < 0 ? INT32_MAX : (uint32_t)MAX(v, 1);
        sock_on_readable(s, tc->sk); /* what is there may be enough now */
        return 0;
    case SO_LINGER: {
        struct linger l;

        if (len < sizeof(l))
            return -EINVAL;
        memcpy(&l, val, sizeof(l));
        o->linger_on = l.l_onoff != 0;
        o->linger_s = l.l_linger < 0 ? INT32_MAX : (uint32_t)l.l_linger;
        return 0;
    }
    case SO_MAX_PACING_RATE:
        return tcp_setopt_pacing(s, tc, val, len);
    case SO_BROADCAST:
    case SO_DONTROUTE:
    case SO_DEBUG:
    case SO_PRIORITY:
        return 0; /* without effect on TCP here, as on Linux */
    default:
        return -ENOPROTOOPT;
    }
}

static int set_seconds(uint64_t *to, int v)
{
    if (v < 1 || v > 32767)
        return -EINVAL;
    *to = (uint64_t)v * NS_PER_SEC;
    return 0;
}

static int set_tcp(struct z_stack *s, struct tcp_conn *tc, int name, int v)
{
    struct tcp_user_opts *o = tc->opt;
    int ret;

    switch (name) {
    case TCP_NODELAY:
        o->nodelay = v != 0;
        tcp_mark_dirty(s, tc);
        return 0;
    case TCP_CORK:
        tc->cork = v != 0;
        if (!tc->cork) {
            tcp_timer_stop(tc, TT_PERSIST);
            tcp_mark_dirty(s, tc);
        }
        return 0;
    case TCP_QUICKACK:
        tc->quickack = v != 0;
        return 0;
    case TCP_MAXSEG:
        if (v != 0 && (v < 88 || v > 65535)) /* 0: as if it had not been set */
            return -EINVAL;
        o->maxseg = (uint16_t)v;
        return 0;
    case TCP_KEEPIDLE:
        ret = set_seconds(&o->keepidle_ns, v);
        if (ret == 0 && tcp_synchronized(tc) && o->keepalive)
            tcp_timer_set(s, tc, TT_KEEP, o->keepidle_ns);
        return ret;
    case TCP_KEEPINTVL:
        return set_seconds(&o->keepintvl_ns, v);
    case TCP_KEEPCNT:
        if (v < 1 || v > 127)
            return -EINVAL;
        o->keepcnt = (uint32_t)v;
        return 0;
    case TCP_SYNCNT:
        if (v < 1 || v > 127)
            return -EINVAL;
        o->syncnt = (uint32_t)v;
        return 0;
    case TCP_NOTSENT_LOWAT:
        o->notsent_lowat_bytes = (uint32_t)v;
        tc->snd_lowat = v != 0;
        sock_on_writable(s, tc->sk);
        return 0;
    case TCP_USER_TIMEOUT:
        if (v < 0)
            return -EINVAL;
        o->user_timeout_ns = (uint64_t)v * NS_PER_MS;
        tc->user_timeout = o->user_timeout_ns != 0;
        return 0;
    case TCP_LINGER2:
        o->linger2_s = v < 0 ? -1 : MIN(v, LINGER2_MAX_S);
        return 0;
    default:
        return tcp_setopt_open(s, tc, name, v);
    }
}

/* tc->opt is tc's own. */
static int set_option(struct z_stack *s, struct tcp_conn *tc, int level, int name, const void *val, unsigned len)
{
    int v = 0;

    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return tcp_setopt_congestion(s, tc, val, len);
    if (level == IPPROTO_IP && len == 1)
        v = *(const uint8_t *)val;
    else if (len < sizeof(v))
        return -EINVAL;
    else
        memcpy(&v, val, sizeof(v));
    switch (level) {
    case SOL_SOCKET:
        return set_socket(s, tc, name, v, val, len);
    case IPPROTO_TCP:
        return set_tcp(s, tc, name, v);
    case IPPROTO_IP:
        return tcp_setopt_ip(s, tc, name, v);
    case IPPROTO_IPV6:
        return tcp_setopt_ip6(tc, name, v);
    default:
        return -ENOPROTOOPT;
    }
}

int tcp_setopt(struct z_stack *s, struct tcp_conn *tc, int level, int name, const void *val, unsigned len)
{
    int ret;

    if (val == NULL)
        return -EFAULT;
    if (tcp_optset_own(&s->tcp.optsets, &tc->opt) != 0)
        return -ENOMEM;
    ret = level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY ? tcp_fastopen_set_keys(tc->opt, val, len)
                                                           : set_option(s, tc, level, name, val, len);
    tcp_optset_share(&s->tcp.optsets, &tc->opt);
    return ret;
}

/* The value of an integer option, or TCP_NO_OPTION. */
static int64_t get_socket(const struct tcp_conn *tc, int name)
{
    const struct tcp_user_opts *o = tc->opt;

    switch (name) {
    case SO_REUSEADDR:
        return o->reuseaddr;
    case SO_REUSEPORT:
        return o->reuseport;
    case SO_KEEPALIVE:
        return o->keepalive;
    case SO_OOBINLINE:
        return o->oobinline;
    case SO_SNDBUF:
        return tc->sndbuf_bytes;
    case SO_RCVBUF:
        return tc->rcvbuf_bytes;
    case SO_RCVLOWAT:
        return o->rcvlowat;
    case SO_SNDLOWAT:
        return 1;
    case SO_ACCEPTCONN:
        return tcp_lis(tc) != NULL;
    case SO_BROADCAST:
    case SO_DONTROUTE:
    case SO_DEBUG:
    case SO_PRIORITY:
        return 0;
    default:
        return TCP_NO_OPTION;
    }
}

static int64_t get_tcp(const struct z_stack *s, const struct tcp_conn *tc, int name)
{
    const struct tcp_user_opts *o = tc->opt;

    switch (name) {
    case TCP_NODELAY:
        return o->nodelay;
    case TCP_CORK:
        return tc->cork;
    case TCP_QUICKACK:
        return tc->quickack;
    case TCP_MAXSEG:
        return tcp_synchronized(tc) ? (int64_t)tcp_eff_mss(tc) : (o->maxseg != 0 ? o->maxseg : 536);
    case TCP_KEEPIDLE:
        return (int64_t)(o->keepidle_ns / NS_PER_SEC);
    case TCP_KEEPINTVL:
        return (int64_t)(o->keepintvl_ns / NS_PER_SEC);
    case TCP_KEEPCNT:
        return o->keepcnt;
    case TCP_SYNCNT:
        return o->syncnt != 0 ? o->syncnt : s->conf.syn_retries;
    case TCP_NOTSENT_LOWAT:
        return o->notsent_lowat_bytes;
    case TCP_USER_TIMEOUT:
        return (int64_t)(o->user_timeout_ns / NS_PER_MS);
    case TCP_LINGER2:
        return o->linger2_s != 0 ? o->linger2_s : (int64_t)(s->conf.finwait2_ns / NS_PER_SEC);
    default:
        return tcp_getopt_open(s, tc, name);
    }
}

static uint8_t linux_state(uint8_t st)
{
    /* enum of the kernel's net/tcp_states.h, which has no header for programs beside <netinet/tcp.h> */
    static const uint8_t map[TCPS_COUNT] = {
        [TCPS_ESTABLISHED] = 1, [TCPS_SYN_SENT] = 2,  [TCPS_SYN_RCVD] = 3, [TCPS_FIN_WAIT_1] = 4,
        [TCPS_FIN_WAIT_2] = 5,  [TCPS_TIME_WAIT] = 6, [TCPS_CLOSED] = 7,   [TCPS_CLOSE_WAIT] = 8,
        [TCPS_LAST_ACK] = 9,    [TCPS_LISTEN] = 10,   [TCPS_CLOSING] = 11,
    };

    return map[st];
}

/* Linux' layout. */
static void fill_info(const struct z_stack *s, const struct tcp_conn *tc, struct tcp_info *i)
{
    uint32_t mss = MAX((uint32_t)tc->cc.smss, 1u);
    struct rtt_conf rc;

    tcp_rtt_conf(s, &rc);
    memset(i, 0, sizeof(*i));
    i->tcpi_state = linux_state(tc->state);
    i->tcpi_ca_state = tc->ca == TCP_CA_OPEN ? 0 : tc->ca == TCP_CA_RECOVERY ? 3 : 4;
    i->tcpi_retransmits = tc->rexmt_count;
    i->tcpi_probes = tc->probe_count;
    i->tcpi_backoff = tc->backoff;
    i->tcpi_options =
        (uint8_t)((tc->ts_on ? TCPI_OPT_TIMESTAMPS : 0) | (tc->sack_on ? TCPI_OPT_SACK : 0) | (tc->ws_on ? TCPI_OPT_WSCALE : 0));
    i->tcpi_snd_wscale = (uint8_t)(tc->snd_wscale & 0xf);
    i->tcpi_rcv_wscale = (uint8_t)(tc->rcv_wscale & 0xf);
    i->tcpi_rto = (uint32_t)(rtt_rto(&tc->rtt, &rc, tcp_backoff(tc)) / NS_PER_US);
    i->tcpi_snd_mss = tcp_eff_mss(tc);
    i->tcpi_rcv_mss = tc->rcv_mss;
    i->tcpi_unacked = (tcp_in_flight(tc) + mss - 1) / mss;
    i->tcpi_sacked = sent_sacked_bytes(&tc->sent) / mss;
    i->tcpi_lost = tc->sent.lost_bytes / mss;
    i->tcpi_retrans = tc->sent.rtx_bytes / mss;
    i->tcpi_last_data_sent = (uint32_t)(((uint64_t)(tcp_snd_tick(s) - tc->last_snd) << TCP_SND_TICK_SHIFT) / NS_PER_MS);
    i->tcpi_last_data_recv = (uint32_t)((s->now_ns - tc->last_rcv_ns) / NS_PER_MS);
    i->tcpi_pmtu = tcp_path_mtu(tc);
    i->tcpi_rtt = (uint32_t)(rtt_srtt_ns(&tc->rtt) / NS_PER_US);
    i->tcpi_rttvar = tc->rtt.srtt != 0 ? (uint32_t)(rtt_rttvar_ns(&tc->rtt) / NS_PER_US) : 0;
    i->tcpi_snd_cwnd = tc->cc.cwnd / mss;
    i->tcpi_advmss = tcp_mss_to_announce(s, &tc->path, tc->opt);
    i->tcpi_total_retrans = tc->total_retrans;
    i->tcpi_dsack_dups = tc->dsack_dups;
    i->tcpi_reord_seen = tc->reord_seen;
    i->tcpi_reordering = MAX((uint32_t)tc->reordering, RACK_DUP_THRESH); /* as Linux: three unless more was seen */
    i->tcpi_rcv_space = tc->rcvbuf_bytes;
    tcp_info_congestion(tc, i);
}

static int put(void *val, unsigned *len, const void *from, unsigned n)
{
    *len = MIN(*len, n);
    memcpy(val, from, *len);
    return 0;
}

int tcp_getopt(struct z_stack *s, struct tcp_conn *tc, int level, int name, void *val, unsigned *len)
{
    int64_t r;
    int v;

    if (val == NULL || len == NULL)
        return -EFAULT;
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger l = {.l_onoff = tc->opt->linger_on, .l_linger = (int)tc->opt->linger_s};

        return put(val, len, &l, sizeof(l));
    }
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY)
        return tcp_fastopen_get_keys(tc->opt, val, len);
    if (level == IPPROTO_TCP && name == TCP_INFO) {
        struct tcp_info i;

        fill_info(s, tc, &i);
        return put(val, len, &i, sizeof(i));
    }
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        char algorithm[CC_NAME_MAX] = "";

        strncpy(algorithm, tcp_getopt_congestion(tc), sizeof(algorithm) - 1);
        return put(val, len, algorithm, sizeof(algorithm));
    }
    if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) {
        uint64_t rate;
        unsigned n = tcp_getopt_pacing(tc, &rate, *len);

        return put(val, len, &rate, n);
    }
    if (level == SOL_SOCKET && name == SO_ERROR) {
        v = tcp_take_error(tc);
        return put(val, len, &v, sizeof(v));
    }
    if (level == IPPROTO_IPV6) {
        int err = tcp_getopt_ip6(s, tc, name, &v);

        return err != 0 ? err : put(val, len, &v, sizeof(v));
    }
    r = level == SOL_SOCKET    ? get_socket(tc, name)
        : level == IPPROTO_TCP ? get_tcp(s, tc, name)
        : level == IPPROTO_IP  ? tcp_getopt_ip(tc, name)
                               : TCP_NO_OPTION;
    if (r == TCP_NO_OPTION)
        return -ENOPROTOOPT;
    v = (int)r;
    return put(val, len, &v, sizeof(v));
}
