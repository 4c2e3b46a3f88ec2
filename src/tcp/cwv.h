/*
 * Congestion window validation (RFC 7661): how much of the window the path was seen to carry lately, and for how long more than that was
 * not asked of it. A window that was not used is kept, but what follows from a loss is reckoned from what was used. A value with pure
 * functions; what they say is done in congestion.c. For the algorithms that work from losses: BBR has a model of the path instead.
 *
 *     snd_una                    round_end        snd_nxt
 *        |--- round: a sample when acknowledged ---|--- belongs to the next one
 */
#ifndef TCP_CWV_H
#define TCP_CWV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/recent.h"

#define CWV_TICK_BITS 28u /* of 2^20 ns: 3.3 days */

/* All but the first word only a sample touches, and a loss. Nothing in it is longer than a word: it lies across the border of a line. */
struct cwv {
    uint32_t last : CWV_TICK_BITS; /* when data was last acknowledged, in units of 2^20 ns */
    bool in_round : 1;
    bool due : 1;         /* another epoch began since the last sample was begun */
    bool defined : 1;     /* pipeACK has a value */
    bool unvalidated : 1; /* the non-validated phase */

    uint32_t round_end;               /* when in_round: snd_nxt when the last data of the sample under way left */
    uint32_t round_start, round_cwnd; /* the same, snd_una and cwnd */
    uint32_t valid;                   /* the window was last found validated, or pipeACK became undefined: in units of 2^30 ns */
    struct recent samples;            /* bytes, of the pipeACK Sampling Period */
    uint32_t loss_base;               /* Max(pipeACK, LossFlightSize) of a loss in the non-validated phase; 0: none is repaired */
    uint32_t repeated;                /* R: bytes sent again since, each counted once */
};

#define CWV_TICK_MASK ((1u << CWV_TICK_BITS) - 1)

static inline uint32_t cwv_tick(uint64_t now_ns)
{
    return (uint32_t)(now_ns >> 20) & CWV_TICK_MASK;
}

#define CWV_EPOCH_SHIFT 7u /* of ticks */

/* Since data was last acknowledged. */
static inline bool cwv_epoch_ends(const struct cwv *v, uint64_t now_ns)
{
    return v->last >> CWV_EPOCH_SHIFT != cwv_tick(now_ns) >> CWV_EPOCH_SHIFT;
}

/* pipeACK is undefined: at the start, and after a recovery (4.1, 4.4.1). */
void cwv_reset(struct cwv *v, uint64_t now_ns);

/*
 * New data left, flight bytes are under way: is a sample to begin? Not of each round trip: what uses less than half of the window says the
 * same in all of them. Eight in a second find out when it uses less than it did.
 */
static inline bool cwv_wants(const struct cwv *v, uint32_t flight, uint32_t cwnd, uint64_t now_ns)
{
    return !v->in_round && (flight >= cwnd / 2 || !v->defined || v->due || cwv_epoch_ends(v, now_ns));
}

/* It begins, unless one is under way. */
void cwv_sent(struct cwv *v, uint32_t snd_una, uint32_t snd_nxt, uint32_t cwnd);

/* An ACK outside recovery moved snd_una. True: a sample was taken, and says which phase it is. */
bool cwv_acked(struct cwv *v, uint32_t snd_una, uint32_t cwnd, uint64_t srtt_ns, uint64_t now_ns);

#define CWV_AGE_NS ((uint64_t)CWV_TICK_MASK << 20) /* the longest that cwv_age can tell */

/* Since data was last acknowledged, in units of 2^20 ns. When nothing is in flight: since there was. After CWV_AGE_NS it begins anew. */
static inline uint32_t cwv_age(const struct cwv *v, uint64_t now_ns)
{
    return (cwv_tick(now_ns) - v->last) & CWV_TICK_MASK;
}

/*
 * The same in ns, however long it is: each sample finds the window validated, or counts the periods since it was (cwv_periods_over), so
 * that valid is at most one of them older than what was acknowledged last.
 */
uint64_t cwv_idle_ns(const struct cwv *v, uint64_t now_ns);

/* Nothing was in flight for a while, and now there is something to send: samples may have become too old. */
void cwv_idle(struct cwv *v, uint32_t cwnd, uint64_t srtt_ns, uint64_t now_ns);

/* How many non-validated periods are over since the last time this was asked (4.4.3, 4.5.2). */
uint32_t cwv_periods_over(struct cwv *v, uint64_t now_ns);

/* Max(pipeACK, flight): the window that was in use. */
uint32_t cwv_used(const struct cwv *v, uint32_t snd_una, uint32_t flight);

#endif
