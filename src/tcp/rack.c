#include "tcp/rack.h"

#include "base/seq.h"
#include "base/units.h"

#include "base/poison.h"

#define REO_WND_PERSIST 16u
/* No network is trusted to keep the order to less than this: what arrives is looked at in bursts, and timers have a tick. */
#define REO_WND_MIN_NS (100 * NS_PER_US)

void rack_arrived(struct rack *r, bool known, uint64_t xmit_ns, uint32_t end_seq)
{
    if (known && (xmit_ns < r->xmit_ns || (xmit_ns == r->xmit_ns && seq_leq(end_seq, r->end_seq))))
        return;
    r->xmit_ns = xmit_ns;
    r->end_seq = end_seq;
}

void rack_on_dsack(struct rack *r, uint32_t snd_una, uint32_t snd_nxt)
{
    if (r->in_dsack_round && seq_lt(snd_una, r->dsack_round) && seq_leq(r->dsack_round, snd_nxt)) /* beyond snd_nxt: it was 2 GB ago */
        return;
    r->in_dsack_round = true;
    r->dsack_round = snd_nxt;
    if (r->reo_wnd_steps < UINT8_MAX)
        r->reo_wnd_steps++;
    r->reo_wnd_persist = REO_WND_PERSIST;
}

void rack_recovered(struct rack *r)
{
    if (r->reo_wnd_persist > 0)
        r->reo_wnd_persist--;
    if (r->reo_wnd_persist == 0)
        r->reo_wnd_steps = 0;
}

uint64_t rack_reo_wnd_ns(const struct rack *r, uint64_t min_rtt_ns, uint64_t srtt_ns, uint32_t n_sacked, bool in_recovery)
{
    if (!r->reordering_seen && (in_recovery || n_sacked >= RACK_DUP_THRESH))
        return 0;
    return MAX(MIN((r->reo_wnd_steps + 1u) * (min_rtt_ns / 4), srtt_ns), REO_WND_MIN_NS);
}
