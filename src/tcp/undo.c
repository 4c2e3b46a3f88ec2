#include "tcp/undo.h"

#include "base/seq.h"
#include "base/units.h"

#include "base/poison.h"

void undo_begin(struct undo *u, uint32_t snd_una, uint32_t snd_nxt, bool timeout)
{
    *u = (struct undo){.from = snd_una, .to = snd_nxt, .timeout = timeout, .eifel = true};
}

void undo_end(struct undo *u)
{
    *u = (struct undo){0};
}

void undo_retransmitted(struct undo *u, uint32_t bytes)
{
    if (u->from != u->to)
        u->bytes += bytes;
}

bool undo_on_dsack(struct undo *u, uint32_t start, uint32_t end)
{
    if (u->bytes == 0 || seq_lt(start, u->from) || seq_gt(end, u->to))
        return false;
    u->bytes -= MIN(u->bytes, end - start);
    return u->bytes == 0;
}

bool undo_on_ack(struct undo *u, bool early, bool needed)
{
    bool spurious = u->eifel && early && !needed;

    if (early || needed)
        u->eifel = false;
    return spurious;
}

/* Step 2: the first acknowledgement after the retransmission of the first segment. */
static enum frto_verdict first_ack(struct undo *u, const struct frto_ack *a)
{
    if (a->complete)
        return FRTO_CONVENTIONAL; /* 2a: of the retransmission or of the original, nobody knows */
    if (!a->advanced)
        return a->duplicate && !a->sack ? FRTO_CONVENTIONAL : FRTO_WAIT;
    if (!a->can_send)
        return FRTO_CONVENTIONAL;
    u->frto = FRTO_SECOND_ACK; /* 2b */
    return FRTO_SEND_NEW;
}

/* Step 3, without SACK: an advance that the retransmission cannot have caused. */
static enum frto_verdict second_ack(const struct frto_ack *a)
{
    if (a->duplicate)
        return FRTO_CONVENTIONAL;
    return a->advanced ? FRTO_SPURIOUS : FRTO_WAIT;
}

/* Step 3, with SACK. */
static enum frto_verdict second_ack_sack(const struct frto_ack *a)
{
    if (a->beyond)
        return FRTO_CONVENTIONAL;
    if (a->original)
        return FRTO_SPURIOUS;
    return a->complete ? FRTO_CONVENTIONAL : FRTO_WAIT;
}

enum frto_verdict frto_on_ack(struct undo *u, const struct frto_ack *a)
{
    enum frto_verdict v;

    if (u->frto == FRTO_FIRST_ACK)
        v = first_ack(u, a);
    else
        v = a->sack ? second_ack_sack(a) : second_ack(a);
    if (v == FRTO_CONVENTIONAL || v == FRTO_SPURIOUS)
        u->frto = FRTO_OFF;
    return v;
}
