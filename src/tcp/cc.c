#include "tcp/cc.h"

#include "base/poison.h"

void cc_init(struct cc *c, const struct cc_ops *ops, uint32_t smss, uint32_t init_cwnd_bytes)
{
    /* RFC 5681 section 3.1: ssthresh starts arbitrarily high. */
    *c = (struct cc){.ops = ops, .cwnd = init_cwnd_bytes, .ssthresh = UINT32_MAX, .smss = smss};
    ops->init(c);
}
