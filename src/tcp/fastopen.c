/* The server's side of TCP Fast Open (RFC 7413 section 4.2.2). */
#include "tcp/fastopen.h"

#include <errno.h>
#include <string.h>

#include "base/siphash.h"
#include "tcp/syncache.h"

#include "base/poison.h"

#define RESET_HELD_NS (60 * NS_PER_SEC)

bool tcp_fastopen_wanted(const struct tcp_conn *lc, const struct tcp_opts *o)
{
    return o->has_tfo && lc->opt->fastopen_qlen > 0;
}

/*
 * RFC 7413 4.1.2: a keyed hash of the client's address. which 0: of the key in use; 1: of the one before. Without keys of the
 * application they change by themselves.
 */
static void make_cookie(const struct z_stack *s, const struct tcp_conn *lc, const struct tcp_entry *e, unsigned which,
                        uint8_t out[TFO_COOKIE_BYTES])
{
    uint64_t period = s->conf.tfo_key_period_ns != 0 ? s->now_ns / s->conf.tfo_key_period_ns - which : 0, cookie;
    struct {
        struct inaddr laddr, raddr;
        uint64_t period, purpose;
    } in = {e->laddr, e->raddr, lc->opt->tfo_keys > 0 ? 0 : period, 5};

    cookie = siphash24(lc->opt->tfo_keys > 0 ? lc->opt->tfo_key[which] : s->secret_key, &in, sizeof(in));
    memcpy(out, &cookie, sizeof(cookie));
}

void tcp_fastopen_cookie(const struct z_stack *s, const struct tcp_conn *lc, const struct tcp_entry *e, struct tcp_opts *o)
{
    o->has_tfo = true;
    o->tfo_len = TFO_COOKIE_BYTES;
    make_cookie(s, lc, e, 0, o->tfo);
}

/* *old: it was made with the key before. */
static bool cookie_ok(const struct z_stack *s, const struct tcp_conn *lc, const struct tcp_entry *e, const struct tcp_opts *o, bool *old)
{
    unsigned n = lc->opt->tfo_keys > 0 ? lc->opt->tfo_keys : s->conf.tfo_key_period_ns != 0 ? 2 : 1;
    uint8_t want[TFO_COOKIE_BYTES];

    if (o->tfo_len != TFO_COOKIE_BYTES)
        return false;
    for (unsigned which = 0; which < n; which++) {
        make_cookie(s, lc, e, which, want);
        *old = which > 0;
        if (memcmp(want, o->tfo, sizeof(want)) == 0)
            return true;
    }
    return false;
}

/*
 * PendingFastOpenRequests (4.2.2). What a reset ended counts for a minute more: or who forges SYNs with a cookie could have the
 * forged client's resets make room for the next (section 5.1).
 */
static bool too_many(struct z_stack *s, struct tcp_conn *lc)
{
    struct tcp_listener *l = lc->lis;

    if (s->now_ns - l->fastopen_window_ns >= RESET_HELD_NS) {
        l->fastopen_resets[1] = s->now_ns - l->fastopen_window_ns < 2 * RESET_HELD_NS ? l->fastopen_resets[0] : 0;
        l->fastopen_resets[0] = 0;
        l->fastopen_window_ns = s->now_ns;
    }
    return l->n_fastopen + l->fastopen_resets[0] + l->fastopen_resets[1] >= lc->opt->fastopen_qlen;
}

void tcp_fastopen_end(struct z_stack *s, struct tcp_conn *tc, bool reset)
{
    struct tcp_conn *lc = tcp_conn_by_id(s, tc->fastopen_id);

    tc->fastopen_id = 0;
    if (lc == NULL || tcp_lis(lc) == NULL || lc->lis->n_fastopen == 0) /* 0: it has begun to listen anew */
        return;
    lc->lis->n_fastopen--;
    lc->lis->fastopen_resets[0] += reset;
}

static bool usable(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, bool *old)
{
    struct tcp_entry e = {.laddr = in->dst, .raddr = in->src};

    if (g->o.tfo_len == 0)
        return false;
    if (!cookie_ok(s, lc, &e, &g->o, old)) {
        stack_count(s, CTR_TCP_TFO_BAD);
        return false;
    }
    if (too_many(s, lc)) {
        stack_count(s, CTR_TCP_TFO_LIMIT);
        return false;
    }
    return true;
}

/*
 * A SYN with a good cookie: the connection can be accepted, its data read and answered, before the handshake is complete. False: it
 * goes on as any other.
 */
bool tcp_fastopen_accept(struct z_stack *s, struct tcp_conn *lc, const struct ip_in *in, const struct tcp_seg *g, struct rte_mbuf *m)
{
    struct tcp_synent e = {.cookie = true};
    struct tcp_seg text = *g;
    struct tcp_conn *tc;
    uint32_t mss;
    bool old;

    if (!usable(s, lc, in, g, &old))
        return false;
    tcp_syn_fill(s, &e, lc, in, g);
    tc = tcp_syn_promote(s, &e);
    if (tc == NULL)
        return false;
    stack_count(s, CTR_TCP_TFO_RX);
    tc->fastopen_id = lc->ent.id;
    tc->fastopen_renew = old;
    lc->lis->n_fastopen++;
    mss = tcp_eff_mss(tc);
    tcp_cc_start(s, tc, MIN(s->conf.init_cwnd_segs * mss, MAX(2 * mss, 14600u)));
    text.h.seq++;
    text.h.flags = TH_ACK | TH_PSH;
    tcp_data_input(s, tc, &text, m);
    tcp_open_send(s, tc); /* acknowledges what was taken of the data */
    tcp_timer_set(s, tc, TT_REXMT, tcp_base_rto(s, tc));
    return true;
}

/* TCP_FASTOPEN_KEY: one key, or two. */
int tcp_fastopen_set_keys(struct tcp_user_opts *o, const void *val, unsigned len)
{
    if (len != TFO_KEY_BYTES && len != 2 * TFO_KEY_BYTES)
        return -EINVAL;
    memcpy(o->tfo_key, val, len);
    o->tfo_keys = (uint8_t)(len / TFO_KEY_BYTES);
    return 0;
}

int tcp_fastopen_get_keys(const struct tcp_user_opts *o, void *val, unsigned *len)
{
    *len = MIN(*len, o->tfo_keys * TFO_KEY_BYTES);
    if (*len > 0)
        memcpy(val, o->tfo_key, *len);
    return 0;
}
