#include "tcp/cc.h"

#include <string.h>

#include "base/units.h"

#include "base/poison.h"

static const struct cc_ops *const algorithms[] = {&cc_cubic, &cc_reno, &cc_bbr, &cc_dctcp};

const struct cc_ops *cc_find(const char *name, unsigned len)
{
    char n[CC_NAME_MAX] = "";

    memcpy(n, name, MIN(len, CC_NAME_MAX - 1));
    if (strcmp(n, "newreno") == 0)
        return &cc_reno;
    for (unsigned i = 0; i < ARRAY_LEN(algorithms); i++)
        if (strcmp(n, algorithms[i]->name) == 0)
            return algorithms[i];
    return NULL;
}

void cc_init(struct cc *c, const struct cc_ops *ops, uint32_t smss, uint32_t init_cwnd_bytes, uint64_t now_ns)
{
    void *ext = c->ext;

    /* RFC 5681 section 3.1: ssthresh starts arbitrarily high. */
    *c = (struct cc){.ops = ops, .cwnd = init_cwnd_bytes, .ssthresh = UINT32_MAX, .smss = smss};
    c->ext = ext;
    ops->init(c, now_ns);
}

void cc_switch(struct cc *c, const struct cc_ops *ops, void *ext, uint64_t now_ns)
{
    *c = (struct cc){.ops = ops, .cwnd = c->cwnd, .ssthresh = c->ssthresh, .smss = c->smss};
    c->ext = ext;
    ops->init(c, now_ns);
}

void cc_grow(struct cc *c, uint32_t bytes)
{
    c->cwnd = bytes < CC_CWND_MAX && c->cwnd < CC_CWND_MAX - bytes ? c->cwnd + bytes : CC_CWND_MAX;
}

void cc_save(struct cc *c)
{
    c->undo_cwnd = c->cwnd;
    c->undo_ssthresh = c->ssthresh;
}

bool cc_restore(struct cc *c)
{
    if (c->undo_cwnd == 0)
        return false;
    c->cwnd = MAX(c->cwnd, c->undo_cwnd);
    c->ssthresh = MAX(c->ssthresh, c->undo_ssthresh);
    c->undo_cwnd = 0;
    return true;
}
