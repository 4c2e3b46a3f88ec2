/* The client's side of TCP Fast Open (RFC 7413 section 4.2.1), and the cache of cookies (4.1.3): four places per set, the oldest goes. */
#include "tcp/fastopen.h"

#include <string.h>

#include "base/bigtab.h"
#include "base/siphash.h"

#include "base/poison.h"

#define WAYS 4u
#define BAD_NS (60 * NS_PER_SEC) /* after one loss; doubled with each */
#define BAD_DOUBLINGS 6u

static size_t places(const struct z_stack *s)
{
    return bigtab_pow2(MAX(s->conf.tfo_cache, WAYS));
}

static struct tfo_dest *set_of(const struct z_stack *s, const struct inaddr *peer)
{
    return s->tcp.tfo_cache + (siphash13(s->hash_key, peer, sizeof(*peer)) & (places(s) - 1) & ~(size_t)(WAYS - 1));
}

static struct tfo_dest *find(const struct z_stack *s, const struct inaddr *peer)
{
    struct tfo_dest *d = s->tcp.tfo_cache != NULL ? set_of(s, peer) : NULL;

    for (unsigned i = 0; d != NULL && i < WAYS; i++)
        if (d[i].used_ns != 0 && inaddr_eq(&d[i].peer, peer))
            return &d[i];
    return NULL;
}

/* NULL: no memory for the table. */
static struct tfo_dest *find_or_take(struct z_stack *s, const struct inaddr *peer)
{
    struct tfo_dest *d = find(s, peer), *set;

    if (d != NULL)
        return d;
    if (s->tcp.tfo_cache == NULL && (s->tcp.tfo_cache = bigtab_alloc(places(s), sizeof(*s->tcp.tfo_cache))) == NULL)
        return NULL;
    d = set = set_of(s, peer);
    for (unsigned i = 1; i < WAYS; i++)
        if (set[i].used_ns < d->used_ns)
            d = &set[i];
    *d = (struct tfo_dest){.peer = *peer};
    return d;
}

void tcp_fastopen_fini(struct z_stack *s)
{
    bigtab_free(s->tcp.tfo_cache, places(s), sizeof(*s->tcp.tfo_cache));
    s->tcp.tfo_cache = NULL;
}

enum tfo_plan tcp_fastopen_plan(struct z_stack *s, struct tcp_conn *tc)
{
    struct tfo_dest *d = find(s, &tc->ent.raddr);

    if (s->conf.tfo_cache == 0 || (d != NULL && d->bad_until_ns > s->now_ns))
        return TFO_OFF;
    if (d == NULL || d->len == 0)
        return TFO_ASK;
    d->used_ns = s->now_ns;
    tc->peer_mss = d->mss; /* of the last connection: the SYN's data must not be longer (4.1.3) */
    tcp_mss_update(s, tc);
    return TFO_WAIT;
}

/* Only the first SYN: what is lost may have been lost because of it (section 7.1). */
uint32_t tcp_fastopen_syn(struct z_stack *s, struct tcp_conn *tc, struct tcp_opts *o)
{
    const struct tfo_dest *d = find(s, &tc->ent.raddr);
    uint32_t bytes, room;

    if (tc->rexmt_count > 0)
        return 0;
    o->has_tfo = true;
    o->tfo_len = 0;
    if (tc->tfo != TFO_SENT || d == NULL || d->len == 0)
        return 0;
    o->tfo_len = d->len;
    memcpy(o->tfo, d->cookie, d->len);
    room = tc->smss - MIN(tcp_opts_len(o), (uint32_t)tc->smss);
    bytes = MIN(sndq_bytes(&tc->sndq), room);
    return tcp_seg_fit(tc, tc->iss + 1, bytes, false);
}

/* The SYN,ACK: a cookie for the next time; whether it took our data; whether it came only after a SYN without the option. */
void tcp_fastopen_learn(struct z_stack *s, struct tcp_conn *tc, const struct tcp_seg *g, uint32_t acked)
{
    struct tfo_dest *d = find_or_take(s, &tc->ent.raddr);

    if (acked > 0)
        stack_count(s, CTR_TCP_TFO_ACKED);
    if (d == NULL)
        return;
    d->used_ns = s->now_ns;
    d->mss = tc->peer_mss;
    if (g->o.has_tfo && g->o.tfo_len > 0) {
        d->len = g->o.tfo_len;
        memcpy(d->cookie, g->o.tfo, d->len);
    }
    if (tc->rexmt_count > 0) {
        stack_count(s, CTR_TCP_TFO_FALLBACK);
        d->bad_until_ns = s->now_ns + (BAD_NS << MIN((uint32_t)d->losses, BAD_DOUBLINGS));
        d->losses = (uint8_t)MIN(d->losses + 1u, 255u);
    } else {
        d->losses = 0;
        d->bad_until_ns = 0;
    }
}
