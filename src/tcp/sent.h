/*
 * Sent map: one record per transmitted frame (of one segment or several), in sequence order from snd_una to snd_nxt, with the scoreboard of
 * RFC 6675 and the order of transmission that RFC 8985 needs. A mechanism: knows sequence numbers and times, not connections. SYN and FIN
 * occupy sequence numbers like data. While nothing is in flight it keeps at most its smallest ring, until it is trimmed.
 *
 * A record is in one of three places, told by its flags:
 *
 *     in flight        not SACKED, and not LOST or RTX_OUT    on the list `flight`, in the order of its last transmission
 *     to be repeated   LOST, not RTX_OUT                      on the list `lost`
 *     arrived          SACKED                                 on no list
 */
#ifndef TCP_SENT_H
#define TCP_SENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/units.h"
#include "tcp/rate.h"
#include "wire/tcp_hdr.h"

#define SENT_SACKED 0x01u  /* covered by a SACK block */
#define SENT_LOST 0x02u    /* deemed lost; stays set when it is retransmitted; never together with SENT_SACKED */
#define SENT_RETRANS 0x04u /* was retransmitted (Karn: no RTT sample without timestamps) */
#define SENT_RTX_OUT 0x08u /* retransmitted since it was last deemed lost; the retransmission counts in pipe */

#define SENT_RATED 0x10u   /* rate is filled in */
#define SENT_APP_LTD 0x20u /* sent while the application limited the rate */

struct sent_rec {
    uint32_t start, end;
    uint64_t sent_at_ns; /* last transmission */
    uint16_t prev,
        next; /* internal: neighbours on the list, place in the ring + 1; 0: none. Of a sacked record next is a hop, see sent.c */
    uint8_t flags;
    uint8_t tx_count;
    uint16_t seg_bytes;     /* payload of each segment of the frame, the last may have less; 0: it is one segment */
    struct rate_stamp rate; /* at the last transmission; valid with SENT_RATED */
};

struct sent_list {
    uint16_t head, tail; /* as prev and next of a record */
};

/* First what is of interest only while something is marked. */
struct sent_map {
    uint32_t lost_total;  /* bytes that were ever marked lost, modulo 2^32; the only sum that an empty map keeps */
    uint32_t lost_bytes;  /* in records that are SENT_LOST */
    uint32_t rtx_bytes;   /* in records that are SENT_RTX_OUT */
    uint32_t n_sacked;    /* records that are SENT_SACKED */
    uint32_t high_sacked; /* end of the highest of them, when there are any */
    struct sent_list lost;

    struct sent_rec *ring; /* NULL while cap is 0 */
    struct sent_list flight;
    uint32_t marked_bytes; /* in records that are SENT_SACKED, SENT_LOST or SENT_RTX_OUT, twice where two of them hold; 0: none is */
    uint16_t cap, head, n; /* a record's place is a number of 16 bits (prev, next) */
};

void sent_clear(struct sent_map *sm, struct arena *a);
void sent_trim(struct sent_map *sm, struct arena *a); /* gives the memory of an empty map back */

/* Appends [start, end) at the tail (start is the last record's end). -ENOMEM or at limit records: -ENOBUFS. Time does not go back. */
int sent_add(struct sent_map *sm, struct arena *a, uint32_t start, uint32_t end, uint64_t now_ns, uint32_t limit);

/* Room for one more record, so that the next sent_add cannot fail. 0, -ENOMEM, -ENOBUFS. */
int sent_reserve(struct sent_map *sm, struct arena *a, uint32_t limit);

/*
 * What an acknowledgement told us. sent_ack and sent_sack add to it; the caller zeroes it for each segment and sets
 * the first three fields and the last.
 */
struct sent_ack {
    uint64_t rtx_latest_ns;  /* in: a retransmission later than this is too young to have been acknowledged */
    uint64_t echo_latest_ns; /* in: what moved the cumulative ACK was sent no later than this, by its timestamp; else UINT64_MAX */
    uint32_t fack;           /* in: the highest sequence number known to have arrived before (RACK.fack) */
    uint32_t newly_acked;    /* bytes leaving by the cumulative ACK that were not sacked before */
    uint32_t newly_sacked;
    uint64_t rtt_sent_ns;  /* when rtt_valid: of the most recently sent record that was sent once; now - rtt_sent_ns is a sample (Karn) */
    uint64_t rack_sent_ns; /* when rack_valid: the most recent transmission that is known to have arrived (RFC 8985 6.2 step 2) */
    uint32_t rack_end;
    uint32_t orig_end;    /* when orig_valid: the lowest end of a record that was sent once (RFC 5682) */
    uint32_t reord_bytes; /* a record sent once arrived this far behind fack (RFC 8985 6.2 step 3) */
    bool rtt_valid, rack_valid, orig_valid;
    bool acked_retrans;     /* some of it had been retransmitted */
    bool rtx_early;         /* a record left by the cumulative ACK was retransmitted for nothing, by echo_latest_ns (RFC 3522) */
    bool rtx_needed;        /* a record left by the cumulative ACK whose retransmission may have been what arrived */
    struct sent_rec *rated; /* in, zeroed, or NULL; gets of the delivered records with SENT_RATED the one sent last */
};

/* The cumulative acknowledgement moved to una: records before it go, a record cut by it is shortened. */
void sent_ack(struct sent_map *sm, struct arena *a, uint32_t una, struct sent_ack *out);

/*
 * Applies SACK blocks (already checked to lie within snd_una..snd_nxt). Records wholly inside a block are marked; of one that is a frame
 * of several segments those segments that are, as records of their own. A segment is never divided, and where there is no room for
 * another record (limit, memory) the block counts for less than it says.
 */
void sent_sack(struct sent_map *sm, struct arena *a, const struct tcp_sack_block *b, unsigned n, uint32_t limit, struct sent_ack *out);

/*
 * RFC 8985 6.2 step 5: of the records in flight that were sent before (xmit_ns, end_seq), those sent age_ns ago or longer are
 * lost. Returns newly lost bytes; *wait_ns gets the time until the next one is that old, 0: there is none.
 */
uint32_t sent_mark_rack(struct sent_map *sm, uint64_t xmit_ns, uint32_t end_seq, uint64_t age_ns, uint64_t now_ns, uint64_t *wait_ns);

/* The first record is lost (RFC 6582, or entry to recovery by duplicate ACKs alone). Returns newly lost bytes. */
uint32_t sent_mark_first_lost(struct sent_map *sm);

/* RFC 8985 6.3, a retransmission timeout with SACK: the first record and those sent age_ns ago or longer. Returns newly lost bytes. */
uint32_t sent_mark_old_lost(struct sent_map *sm, uint64_t age_ns, uint64_t now_ns);

/* Everything not sacked is lost, retransmissions in flight are forgotten (RFC 5681 without SACK, a smaller path MTU). */
void sent_mark_all_lost(struct sent_map *sm);

/* The peer forgot its SACKed data (RFC 2018 section 8): it is lost. */
void sent_renege(struct sent_map *sm);

/* Losses were an error: what was not repeated yet is in flight again. */
void sent_undo_lost(struct sent_map *sm);

/* The next record to retransmit: lost and not retransmitted since. NULL when there is none. */
struct sent_rec *sent_next_lost(struct sent_map *sm);

/* The first record whose end is after seq: the one that contains seq, or the first one of all. NULL when there is none. */
struct sent_rec *sent_find(struct sent_map *sm, uint32_t seq);
struct sent_rec *sent_first(struct sent_map *sm);
struct sent_rec *sent_last(struct sent_map *sm);

/*
 * Splits a record at seq (start < seq < end), so that a part of it can be retransmitted. Pointers to records are invalid
 * afterwards. 0 also when there is a boundary at seq already. -ENOMEM, -ENOBUFS; -EINVAL when seq is outside the map.
 */
int sent_split(struct sent_map *sm, struct arena *a, uint32_t seq, uint32_t limit);

/* The record, not a sacked one, was retransmitted at now. */
void sent_retransmitted(struct sent_map *sm, struct sent_rec *r, uint64_t now_ns);

/* No record has a rate stamp any more. */
void sent_forget_rates(struct sent_map *sm);

/* Recomputes every sum and checks every invariant (Z_CHECK). For tests and simulators: linear in the number of records. */
void sent_check(const struct sent_map *sm);

/* Payload of the longest segment of a record. */
static inline uint32_t sent_seg_bytes(const struct sent_rec *r)
{
    uint32_t len = r->end - r->start;

    return r->seg_bytes != 0 && r->seg_bytes < len ? r->seg_bytes : len;
}

static inline uint32_t sent_sacked_bytes(const struct sent_map *sm)
{
    return sm->marked_bytes != 0 ? sm->marked_bytes - sm->lost_bytes - sm->rtx_bytes : 0;
}

/* Is something SACKED or LOST? */
static inline bool sent_has_holes(const struct sent_map *sm)
{
    return sm->marked_bytes != 0 && sm->marked_bytes != sm->rtx_bytes;
}

/* RFC 6675 pipe: in flight = sent - sacked - lost + retransmitted. */
static inline uint32_t sent_pipe(const struct sent_map *sm, uint32_t in_flight_bytes)
{
    return likely(sm->marked_bytes == 0) ? in_flight_bytes : in_flight_bytes - sm->marked_bytes + 2 * sm->rtx_bytes;
}

#endif
