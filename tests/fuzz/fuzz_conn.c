/*
 * One connection between the stack and a peer without manners. The input is a configuration and a stream of actions: segments
 * of the peer, whose fields are taken from the live state and then bent; calls of the application; time. After every
 * action the connection's invariants hold, every byte that arrives is the one that was sent, and at the end all is given back.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "buf/wrap.h"
#include "tcp/syncache.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HELD_MAX 16
#define SPORT 5000u
#define DPORT 80u

struct conn {
    struct world *w;
    struct z_stack *s;
    struct input in;
    struct sock *sk; /* NULL: closed by the application */
    int fd;
    uint32_t id; /* of the connection, also after close */
    uint32_t iss, irs;
    bool ts, sack, active;
    uint32_t ts_val;
    uint16_t smss; /* the largest that a frame which waits for the port may have been made by */
    uint32_t edge; /* right edge of our receive window, as last seen */
    bool edge_known;
    uint32_t rcvbuf_max; /* so far */
    uint32_t slack;      /* what one segment more may hold: a buffer per byte when it comes in pieces */
    uint64_t n_read;     /* bytes that the application took, for their content */
    uint64_t n_written;
    bool oob; /* urgent data was about: the stream has holes by design */
    struct rte_mbuf *held[HELD_MAX];
    unsigned n_held;
};

static uint8_t peer_byte(uint32_t off)
{
    return (uint8_t)(off * 131u >> 3 ^ off);
}

static uint8_t our_byte(uint64_t off)
{
    return (uint8_t)(off * 197u >> 2 ^ off ^ 0x55);
}

static struct tcp_conn *tc_of(const struct conn *c)
{
    return tcp_conn_by_id(c->s, c->id);
}

/* ------ what leaves the stack */

/* A probe for a larger MTU is longer than other segments (RFC 4821). */
static bool is_mtu_probe(const struct tcp_conn *tc, uint32_t seq, uint32_t n)
{
    return tc->mtup != NULL && tc->mtup->probe != 0 && seq == tc->mtup->probe_start && n == tc->mtup->probe_end - tc->mtup->probe_start;
}

static void on_sent(void *arg, const uint8_t *f, uint32_t len)
{
    struct conn *c = arg;
    struct tcp_conn *tc = tc_of(c);
    struct ipv4_hdr ih;
    struct tcp_hdr h;
    uint32_t n;
    const uint8_t *p = f + ETH_HLEN;

    if (ipv4_parse(p, len - ETH_HLEN, len - ETH_HLEN, false, &ih) != IPV4_OK || ih.proto != IPPROTO_TCP_)
        return;
    p += ih.hlen;
    n = (uint32_t)ih.total_len - ih.hlen;
    Z_CHECK(tcp_hdr_parse(p, n, &h) == TCP_PARSE_OK);
    n -= h.hlen;
    p += h.hlen;
    if (tc == NULL || tc->iss != c->iss || h.sport != DPORT || h.dport != SPORT)
        return;
    Z_CHECK(n <= tc->smss || n <= c->smss || is_mtu_probe(tc, h.seq, n));
    for (uint32_t i = 0; i < n; i++)
        Z_CHECK(p[i] == our_byte(h.seq - (c->iss + 1) + i));
    Z_CHECK((h.flags & TH_FIN) == 0 || tc->fin_queued); /* nobody closes but the application */
}

/* ------ invariants */

static void check_send(const struct tcp_conn *tc)
{
    uint32_t flight = tc->snd_nxt - tc->snd_una;

    sent_check(&tc->sent);
    Z_CHECK(flight < 1u << 30);
    Z_CHECK(!tc->fin_sent || tc->fin_queued);
    if (!tcp_synchronized(tc) || tc->state == TCPS_TIME_WAIT)
        return;
    Z_CHECK(sndq_bytes(&tc->sndq) == tc->sndq.end_seq - seq_min(tc->snd_una, tc->sndq.end_seq));
    Z_CHECK(seq_leq(tc->snd_nxt, tc->sndq.end_seq + tc->fin_sent));
    if (flight > 0) {
        const struct sent_map *sm = &tc->sent;

        Z_CHECK(sm->n > 0 && sm->ring[sm->head].start == tc->snd_una);
        Z_CHECK(sm->ring[(sm->head + sm->n - 1) & (sm->cap - 1)].end == tc->snd_nxt);
    } else {
        Z_CHECK(tc->sent.n == 0);
    }
    /* something to do and nothing that will do it would be a stall */
    if (flight > 0 || tc->snd_nxt != tc->sndq.end_seq + tc->fin_sent || (tc->fin_queued && !tc->fin_sent))
        Z_CHECK(tcp_timer_on(tc, TT_REXMT) || tcp_timer_on(tc, TT_PERSIST) || tc->in_dirty || (flight == 0 && tcp_timer_on(tc, TT_PACE)));
}

static void check_receive(struct conn *c, const struct tcp_conn *tc)
{
    uint32_t wnd = tc->rcv_adv - tc->rcv_nxt, charged = 0, bytes = 0;

    Z_CHECK(wnd <= 65535u << 14);
    if (c->edge_known)
        Z_CHECK(seq_geq(tc->rcv_adv, c->edge));
    c->edge = tc->rcv_adv;
    c->edge_known = true;
    for (const struct rte_mbuf *m = tc->rcvq.head; m != NULL; m = m->next)
        bytes += m->data_len;
    Z_CHECK(bytes == tc->rcvq.bytes);
    for (unsigned i = 0; i < reass_blocks(&tc->reass); i++) {
        const struct reass_block *b = &tc->reass.tab->blk[i];

        Z_CHECK(seq_lt(b->start, b->end) && (i == 0 || seq_lt(b[-1].end, b->start)));
        charged += b->charged_bytes;
    }
    Z_CHECK(charged == reass_charged_bytes(&tc->reass) && c->s->tcp.rcv_charged_bytes == tc->rcv_charged_bytes);
    Z_CHECK(tc->rcv_charged_bytes == tc->rcvq.charged_bytes + reass_charged_bytes(&tc->reass));
    Z_CHECK(tc->rcv_charged_bytes > 0 || tc->fin_rcvd || stack_loan_bytes(c->s) >= c->s->conf.loan_limit_bytes ||
            tcp_rcv_window(c->s, tc) > 0);
    c->rcvbuf_max = MAX(c->rcvbuf_max, tc->rcvbuf_bytes);
    Z_CHECK(tc->rcv_charged_bytes <= 4u * c->rcvbuf_max + c->slack);
}

/* What the first lines of a connection say of the others. */
static void check_summaries(const struct conn *c, const struct tcp_conn *tc)
{
    int tries = tc->rexmt_count + tc->probe_count + tc->keep_count + tc->orphan_probes + tc->backoff;

    Z_CHECK(tc->rated == (tc->rate != NULL) && tc->mtu_search == (tc->mtup != NULL));
    Z_CHECK(tc->snd_lowat == (tc->opt->notsent_lowat_bytes != 0) && tc->user_timeout == (tc->opt->user_timeout_ns != 0));
    Z_CHECK(tc->rcv_holes == (reass_blocks(&tc->reass) > 0));
    Z_CHECK(tc->undo_open == (tc->undo.from != tc->undo.to));
    if (!tcp_synchronized(tc))
        return;
    Z_CHECK(tc->unanswered || (tries == 0 && tc->first_rexmt_at_ns == 0 && tc->soft_error == 0));
    Z_CHECK(!tc->wnd_settled || tc->rcv_wnd == MIN(tcp_rcv_window(c->s, tc) >> tc->rcv_wscale, (uint32_t)UINT16_MAX));
}

static void check(struct conn *c)
{
    const struct tcp_conn *tc = tc_of(c);

    if (tc == NULL || tc->iss != c->iss)
        return;
    if (txq_count(&c->w->nif->txq) == 0 || tc->smss > c->smss)
        c->smss = tc->smss;
    Z_CHECK(tc->state < TCPS_COUNT);
    if (tc->state == 0) {
        Z_CHECK(tc->sent.n == 0 && tc->sndq.n == 0 && reass_blocks(&tc->reass) == 0);
        return;
    }
    check_send(tc);
    check_summaries(c, tc);
    if (tcp_synchronized(tc))
        check_receive(c, tc);
}

/* ------ the peer */

static uint32_t put_opts(struct conn *c, struct tcp_conn *tc, uint8_t how, uint8_t out[TCP_OPT_MAX])
{
    struct tcp_opts o = {0};

    if ((how & 3) == 3) { /* anything */
        uint32_t n = (in_u8(&c->in) % 11u) * 4u;

        for (uint32_t i = 0; i < n; i++)
            out[i] = in_u8(&c->in);
        return n;
    }
    if (c->ts && (how & 3) != 2) {
        o.has_ts = true;
        o.ts_val = c->ts_val + (how & 4 ? in_u16(&c->in) - 32768u : 0);
        o.ts_ecr = tc != NULL ? tcp_ts_now(c->s, tc) - (how & 8 ? in_u16(&c->in) : 0) : 0;
    }
    if (c->sack && (how & 16) != 0 && tc != NULL) {
        o.n_sack = 1 + (in_u8(&c->in) & 3);
        for (unsigned i = 0; i < o.n_sack; i++) {
            uint32_t flight = tc->snd_nxt - tc->snd_una + 2, a = in_u16(&c->in);

            o.sack[i].start = tc->snd_una + (how & 32 ? a % flight : a - 32768u);
            o.sack[i].end = o.sack[i].start + (how & 64 ? 1u + in_u16(&c->in) % 3000u : (uint32_t)in_u8(&c->in) * 100u);
            if (o.sack[i].end - tc->snd_una > flight && (how & 128))
                o.sack[i].end = tc->snd_nxt;
        }
    }
    return tcp_opts_build(out, &o);
}

static uint32_t near(struct conn *c, uint32_t base, uint32_t other, uint8_t how)
{
    switch (how & 7) {
    case 0:
    case 1:
    case 2:
        return base;
    case 3:
        return other;
    case 4:
        return base + (uint32_t)(int8_t)in_u8(&c->in);
    case 5:
        return base + (uint32_t)(int16_t)in_u16(&c->in);
    case 6:
        return other + (uint32_t)(int8_t)in_u8(&c->in);
    default:
        return base + in_u32(&c->in);
    }
}

static void peer_segment(struct conn *c)
{
    static const uint8_t usual[8] = {TH_ACK, TH_ACK | TH_PSH, TH_ACK, TH_ACK | TH_FIN, TH_ACK | TH_URG, TH_RST, TH_ACK | TH_RST, TH_SYN};
    struct tcp_conn *tc = tc_of(c);
    uint8_t a = in_u8(&c->in), b = in_u8(&c->in), opts[TCP_OPT_MAX], payload[1500];
    struct world_tcp t = {.h = {.sport = SPORT, .dport = DPORT}, .opts = opts, .payload = payload};
    struct world_rx how = {.exact = (a & 64) != 0, .seg = (a & 128) ? 1u + in_u8(&c->in) : 0};

    c->slack = MAX(c->slack, how.seg != 0 ? 1500u * 2400u : 8192u);
    t.h.seq = tc != NULL ? near(c, tc->rcv_nxt, tc->rcv_adv, a) : in_u32(&c->in);
    t.h.ack = tc != NULL ? near(c, tc->snd_nxt, tc->snd_una, a >> 3) : in_u32(&c->in);
    t.h.flags = b & 8 ? in_u8(&c->in) : usual[b & 7];
    t.h.wnd = b & 16 ? in_u8(&c->in) : in_u16(&c->in);
    t.h.urp = t.h.flags & TH_URG ? in_u16(&c->in) : 0;
    c->oob |= (t.h.flags & TH_URG) != 0;
    t.len = b & 32 ? in_u16(&c->in) % 1461u : b & 64 ? in_u8(&c->in) : 0;
    for (uint32_t i = 0; i < t.len; i++)
        payload[i] = peer_byte(t.h.seq - (c->irs + 1) + i);
    t.opt_len = put_opts(c, tc, b & 128 ? in_u8(&c->in) : 0, opts);
    t.len = MIN(t.len, 1460 - t.opt_len);
    c->ts_val++;
    world_segment(c->w, how, &t);
}

/* The peer behaves: acknowledges all, sends the next bytes. */
static void peer_good(struct conn *c)
{
    struct tcp_conn *tc = tc_of(c);
    uint8_t opts[TCP_OPT_MAX], payload[1500];
    struct world_tcp t = {.h = {.sport = SPORT, .dport = DPORT, .flags = TH_ACK, .wnd = 60000}, .opts = opts, .payload = payload};

    if (tc == NULL)
        return;
    t.h.seq = tc->rcv_nxt;
    t.h.ack = tc->snd_nxt;
    t.len = MIN((uint32_t)in_u8(&c->in) * 6u, tc->rcv_adv - tc->rcv_nxt);
    t.len = MIN(t.len, 1400u);
    for (uint32_t i = 0; i < t.len; i++)
        payload[i] = peer_byte(t.h.seq - (c->irs + 1) + i);
    t.opt_len = put_opts(c, tc, 0, opts);
    c->ts_val += 10;
    world_segment(c->w, (struct world_rx){.exact = (in_u8(&c->in) & 1) != 0}, &t);
}

static void icmp(struct conn *c)
{
    struct tcp_conn *tc = tc_of(c);
    struct icmp_err e = {.laddr = inaddr_v4(WORLD_US), .raddr = inaddr_v4(WORLD_PEER), .lport = DPORT, .rport = SPORT};

    e.kind = (enum icmp_kind)((in_u8(&c->in) & 15) % (ICMP_KIND_PARAM_PROBLEM + 1));
    e.err = e.kind == ICMP_KIND_TOO_BIG ? EMSGSIZE : EHOSTUNREACH;
    e.info = in_u16(&c->in) % 1600;
    if (tc != NULL)
        e.seq = near(c, tc->snd_una, tc->snd_nxt, in_u8(&c->in));
    tcp_icmp_error(c->s, &e);
}

/* ------ the application */

static void user_write(struct conn *c, int flags)
{
    static uint8_t buf[70000];
    uint8_t how = in_u8(&c->in);
    uint32_t n = how & 1 ? in_u16(&c->in) : 1u + (how >> 1);
    struct iovec iov = {buf, n};
    struct rte_mbuf *m;
    ssize_t ret;

    if (c->sk == NULL)
        return;
    if ((how & 2) == 0) {
        for (uint32_t i = 0; i < n; i++)
            buf[i] = our_byte(c->n_written + i);
        ret = tcp_send_copy(c->s, c->sk->tcp, &iov, 1, flags);
        Z_CHECK(ret <= (ssize_t)n);
        c->n_written += ret > 0 ? (uint64_t)ret : 0;
        return;
    }
    m = pkt_alloc_app(c->s, MIN(n, PKT_BUF_MAX));
    if (m == NULL)
        return;
    n = MIN(n, PKT_BUF_MAX);
    for (uint32_t i = 0; i < n; i++)
        pkt_data(m)[i] = our_byte(c->n_written + i);
    m->data_len = (uint16_t)n;
    m->pkt_len = n;
    if ((how & 4) != 0 && c->n_held < HELD_MAX) { /* shared with the application */
        pkt_ref(m);
        c->held[c->n_held++] = m;
    }
    if (tcp_send_ref(c->s, c->sk->tcp, m) == 0)
        c->n_written += n;
    else
        pkt_unref(m);
}

static void took(struct conn *c, const uint8_t *p, uint32_t n)
{
    for (uint32_t i = 0; i < n && !c->oob; i++)
        Z_CHECK(p[i] == peer_byte((uint32_t)c->n_read + i));
    c->n_read += n;
}

static void user_read(struct conn *c)
{
    static uint8_t buf[70000];
    static const int flags[4] = {0, MSG_PEEK, MSG_OOB, MSG_TRUNC};
    uint8_t how = in_u8(&c->in);
    uint32_t n = how & 1 ? in_u16(&c->in) : 1u + (how >> 1);
    struct iovec iov[2] = {{buf, n / 2}, {buf + n / 2, n - n / 2}};
    int f = how & 8 ? flags[(how >> 4) & 3] : 0;
    ssize_t ret;

    if (c->sk == NULL)
        return;
    ret = tcp_recv_copy(c->s, c->sk->tcp, iov, 2, f);
    Z_CHECK(ret <= (ssize_t)n || f == MSG_OOB);
    if (ret > 0 && f == 0)
        took(c, buf, (uint32_t)ret);
    else if (ret > 0 && f == MSG_TRUNC)
        c->n_read += (uint64_t)ret;
}

static void user_read_ref(struct conn *c)
{
    uint32_t n = 1u + in_u16(&c->in);
    struct rte_mbuf *m;
    ssize_t ret;

    if (c->sk == NULL || c->n_held == HELD_MAX)
        return;
    ret = tcp_recv_ref(c->s, c->sk->tcp, n, &m);
    Z_CHECK((ret > 0) == (m != NULL));
    if (ret <= 0)
        return;
    Z_CHECK((uint32_t)ret <= n && m->data_len == ret);
    took(c, pkt_data(m), (uint32_t)ret);
    c->held[c->n_held++] = m;
}

static void release_held(struct conn *c)
{
    struct rte_mbuf *m = c->held[--c->n_held];

    tcp_loan_return(c->s, m);
    pkt_unref(m);
}

static void user_setopt(struct conn *c)
{
    static const int opt[][2] = {
        {SOL_SOCKET, SO_SNDBUF},     {SOL_SOCKET, SO_RCVBUF},      {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_OOBINLINE},
        {SOL_SOCKET, SO_RCVLOWAT},   {IPPROTO_TCP, TCP_NODELAY},   {IPPROTO_TCP, TCP_CORK},    {IPPROTO_TCP, TCP_MAXSEG},
        {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_USER_TIMEOUT},
        {IPPROTO_TCP, TCP_LINGER2},  {IPPROTO_TCP, TCP_QUICKACK},  {IPPROTO_TCP, TCP_SYNCNT},  {IPPROTO_TCP, TCP_DEFER_ACCEPT},
    };
    uint8_t which = in_u8(&c->in);
    int v = which & 0x80 ? (int)in_u32(&c->in) : in_u16(&c->in);
    struct linger l = {.l_onoff = v & 1, .l_linger = v >> 1 & 1};

    if (opt[which & 15][1] == TCP_USER_TIMEOUT && opt[which & 15][0] == IPPROTO_TCP)
        v &= 0xffff; /* or the end would take days */
    if (c->sk == NULL)
        return;
    if (which & 0x40)
        tcp_setopt(c->s, c->sk->tcp, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    else
        tcp_setopt(c->s, c->sk->tcp, opt[which & 15][0], opt[which & 15][1], &v, sizeof(v));
    c->oob |= (which & 15) == 3;
}

static void user_close(struct conn *c)
{
    if (c->sk == NULL)
        return;
    c->sk = NULL;
    Z_CHECK(sock_close(c->s, c->fd) == 0);
}

static void pass_time(struct conn *c)
{
    uint8_t how = in_u8(&c->in);

    if (how == UINT8_MAX && c->s->now_ns < UINT64_MAX / 4) /* hours and days: more than 28 and 32 bits of some units */
        world_turn(c->w, (uint64_t)(1u + in_u8(&c->in)) << (40 + (in_u8(&c->in) & 3)));
    else
        world_turn(c->w, (uint64_t)(1u + (how & 15)) * NS_PER_MS << (how >> 4));
}

static void action(struct conn *c)
{
    switch (in_u8(&c->in) % 20u) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        peer_segment(c);
        break;
    case 5:
    case 6:
        peer_good(c);
        break;
    case 7:
    case 8:
        user_write(c, 0);
        break;
    case 9:
        user_write(c, in_u8(&c->in) & 1 ? MSG_OOB : MSG_MORE);
        break;
    case 10:
        user_read(c);
        break;
    case 11:
        user_read_ref(c);
        break;
    case 12:
        if (c->n_held > 0)
            release_held(c);
        break;
    case 13:
        user_setopt(c);
        break;
    case 14:
        if (c->sk != NULL)
            tcp_shutdown(c->s, c->sk->tcp, in_u8(&c->in) % 3);
        break;
    case 15:
        if (in_u8(&c->in) % 4 == 0)
            user_close(c);
        break;
    case 16:
        icmp(c);
        break;
    case 17:
        pass_time(c);
        break;
    default:
        world_turn(c->w, 0);
        break;
    }
}

/* ------ the handshake: the peer's SYN, our SYN,ACK, the peer's ACK */

static bool open_conn(struct conn *c, struct sock *lsk)
{
    uint8_t conf = in_u8(&c->in), opts[TCP_OPT_MAX];
    struct tcp_opts o = {.has_mss = (conf & 1) == 0,
                         .mss = in_u16(&c->in),
                         .has_ws = (conf & 2) != 0,
                         .sack_ok = (conf & 4) != 0,
                         .has_ts = (conf & 8) != 0};
    struct world_tcp t = {.h = {.sport = SPORT, .dport = DPORT, .flags = TH_SYN, .wnd = in_u16(&c->in)}, .opts = opts};
    const struct tcp_synent *syn;
    struct tcp_conn *tc;
    int err;

    o.ws = conf >> 5;
    c->ts = o.has_ts;
    c->sack = o.sack_ok;
    c->ts_val = 1000000;
    o.ts_val = c->ts_val;
    c->s->conf.fast_path = (conf & 16) == 0;
    c->irs = in_u32(&c->in);
    t.h.seq = c->irs;
    t.opt_len = tcp_opts_build(opts, &o);
    world_segment(c->w, (struct world_rx){0}, &t);
    world_turn(c->w, 0);
    syn = world_syn(c->w);
    Z_CHECK(syn != NULL);
    c->iss = syn->iss;
    t.h.flags = TH_ACK;
    t.h.seq++;
    t.h.ack = c->iss + 1;
    t.opt_len = put_opts(c, NULL, 0, opts);
    world_segment(c->w, (struct world_rx){0}, &t);
    world_turn(c->w, NS_PER_MS);
    tc = tcp_accept(c->s, lsk->tcp, &err);
    Z_CHECK(tc != NULL);
    c->fd = sock_new_tcp(c->s, tc, &c->sk);
    Z_CHECK(c->fd >= 0);
    c->id = tc->ent.id;
    c->sk->nonblock = true;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conn c = {.w = world_get(), .in = {data, size}, .slack = 8192};
    struct sock *lsk;
    int lfd;

    c.s = c.w->s;
    world_hello(c.w);
    world_turn(c.w, 0);
    lfd = world_listen(c.w, DPORT, &lsk);
    open_conn(&c, lsk);
    Z_CHECK(sock_close(c.s, lfd) == 0);
    c.w->sent = on_sent;
    c.w->arg = &c;
    for (unsigned i = 0; c.in.n > 0 && i < 400; i++) {
        action(&c);
        check(&c);
    }
    world_turn(c.w, 0);
    check(&c);
    while (c.n_held > 0)
        release_held(&c);
    user_close(&c);
    world_reset(c.w);
    return 0;
}
