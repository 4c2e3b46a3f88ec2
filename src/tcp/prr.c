#include "tcp/prr.h"

#include "base/units.h"

#include "base/poison.h"

void prr_begin(struct prr *p, uint32_t recover_fs)
{
    *p = (struct prr){.recover_fs = MAX(recover_fs, 1u)};
}

void prr_sent(struct prr *p, uint32_t bytes)
{
    p->out += bytes;
}

/* In flight is more than ssthresh: sent in proportion to what was delivered. */
static int64_t proportional(const struct prr *p, uint32_t ssthresh)
{
    uint64_t out = ((uint64_t)p->delivered * ssthresh + p->recover_fs - 1) / p->recover_fs;

    return (int64_t)out - p->out;
}

/* Losses took more than the reduction wanted: what was delivered is replaced (PRR-CRB), with one segment more when all is well (PRR-SSRB).
 */
static int64_t catch_up(const struct prr *p, uint32_t delivered, uint32_t room, uint32_t mss, bool safe)
{
    int64_t n = MAX((int64_t)p->delivered - p->out, (int64_t)delivered);

    return MIN(n + (safe ? mss : 0), (int64_t)room);
}

uint32_t prr_on_ack(struct prr *p, uint32_t delivered, uint32_t in_flight, uint32_t ssthresh, uint32_t mss, bool safe)
{
    int64_t count;

    p->delivered += delivered;
    if (in_flight > ssthresh)
        count = proportional(p, ssthresh);
    else
        count = catch_up(p, delivered, ssthresh - in_flight, mss, safe);
    if (p->out == 0 && count < mss) /* the fast retransmit itself; counted in bytes, less than a segment is none */
        count = mss;
    return MAX(in_flight + (uint32_t)MAX(count, 0), mss); /* nothing in flight: no acknowledgement would come */
}
