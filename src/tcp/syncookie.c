#include "tcp/syncookie.h"

#include "base/siphash.h"

#include "base/poison.h"

#define TAG_BITS 4u /* which MSS, and the period's lowest bit */
#define TS_BITS 6u
#define TS_WSCALE 0x0fu
#define TS_NO_WSCALE 0x0fu /* no scale is so large (RFC 7323 2.3) */
#define TS_SACK 0x10u
#define TS_ECN 0x20u

/* What peers announce: the least that we send, the defaults, IPv6's least MTU, tunnels, Ethernet, jumbo frames. Rising. */
static const uint16_t mss_values[8] = {64, 536, 1220, 1360, 1400, 1440, 1460, 8940};

static uint32_t hash(const uint8_t key[16], const struct tcp_entry *e, uint32_t irs, uint64_t period, uint32_t mss_index)
{
    struct {
        struct inaddr laddr, raddr;
        uint16_t lport, rport;
        uint32_t irs, mss_index, purpose;
        uint64_t period;
    } in = {e->laddr, e->raddr, e->lport, e->rport, irs, mss_index, 4, period};

    return (uint32_t)siphash24(key, &in, sizeof(in)) >> TAG_BITS;
}

uint32_t syncookie_make(const uint8_t key[16], const struct tcp_entry *e, uint32_t irs, uint16_t peer_mss, uint64_t now_ns)
{
    uint64_t period = now_ns / SYNCOOKIE_PERIOD_NS;
    uint32_t i = 7;

    while (i > 0 && mss_values[i] > peer_mss)
        i--;
    return hash(key, e, irs, period, i) << TAG_BITS | i << 1 | (uint32_t)(period & 1);
}

bool syncookie_check(const uint8_t key[16], const struct tcp_entry *e, uint32_t irs, uint32_t cookie, uint64_t now_ns, uint16_t *peer_mss)
{
    uint64_t period = now_ns / SYNCOOKIE_PERIOD_NS;
    uint32_t i = cookie >> 1 & 7;

    if ((period & 1) != (cookie & 1))
        period--;
    *peer_mss = mss_values[i];
    return hash(key, e, irs, period, i) == cookie >> TAG_BITS;
}

uint32_t syncookie_ts(uint32_t clock, const struct tcp_agreed *a, bool ecn)
{
    uint32_t bits = (a->ws_on ? a->snd_wscale : TS_NO_WSCALE) | (a->sack_on ? TS_SACK : 0) | (ecn ? TS_ECN : 0);
    uint32_t ts = (clock >> TS_BITS << TS_BITS) | bits;

    return seq_gt(ts, clock) ? ts - (1u << TS_BITS) : ts; /* what we send later must not be older (RFC 7323 5.3) */
}

void syncookie_ts_options(uint32_t ts, struct tcp_agreed *a, bool *ecn)
{
    uint8_t scale = ts & TS_WSCALE;

    a->ws_on = scale != TS_NO_WSCALE;
    a->snd_wscale = a->ws_on ? scale : 0;
    a->sack_on = (ts & TS_SACK) != 0;
    *ecn = (ts & TS_ECN) != 0;
}
