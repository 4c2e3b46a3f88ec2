/*
 * Sent map: one record per transmitted frame, in sequence order from snd_una to snd_nxt, with the scoreboard of RFC 6675
 * on it. A mechanism: knows sequence numbers and times, not connections. SYN and FIN occupy sequence numbers like
 * data. Absent (no memory) while nothing is in flight.
 */
#ifndef TCP_SENT_H
#define TCP_SENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "tcp/rate.h"
#include "wire/tcp_hdr.h"

#define SENT_SACKED 0x01u   /* covered by a SACK block */
#define SENT_LOST 0x02u     /* deemed lost; stays set when it is retransmitted; never together with SENT_SACKED */
#define SENT_RETRANS 0x04u  /* was retransmitted (Karn: no RTT sample without timestamps) */
#define SENT_RTX_OUT 0x08u  /* retransmitted since it was last deemed lost; the retransmission counts in pipe */

#define SENT_RATED 0x10u    /* rate is filled in */
#define SENT_APP_LTD 0x20u  /* sent while the application limited the rate */

struct sent_rec {
    uint32_t start, end;
    uint64_t sent_at_ns; /* last transmission */
    uint16_t tx_count;
    uint8_t flags;
    struct rate_stamp rate; /* at the last transmission; valid with SENT_RATED */
    uint32_t skip; /* internal, of a sacked record: this many records from here on are sacked (a lower bound, at least 1) */
};

struct sent_map {
    struct sent_rec *ring; /* NULL while empty */
    uint32_t cap, head, n;
    uint32_t sacked_bytes; /* in records that are SENT_SACKED */
    uint32_t lost_bytes;   /* in records that are SENT_LOST */
    uint32_t rtx_bytes;    /* in records that are SENT_RTX_OUT */
    uint32_t high_sacked;  /* end of the highest sacked record; valid when sacked_bytes > 0 */
    uint32_t lost_upto;    /* records before this were examined by sent_mark_lost: sacked or lost */
    uint32_t rtx_upto;     /* records before this are sacked or SENT_RTX_OUT */
    uint32_t above_bytes;  /* of sacked_bytes, those at or above lost_upto */
    uint32_t above_runs;   /* runs of sacked records at or above lost_upto */
    uint32_t lost_total;   /* bytes that were ever marked lost, modulo 2^32; the only sum that an empty map keeps */
};

void sent_clear(struct sent_map *sm, struct arena *a);

/* Appends [start, end) at the tail (start is the last record's end). -ENOMEM or at limit records: -ENOBUFS. */
int sent_add(struct sent_map *sm, struct arena *a, uint32_t start, uint32_t end, uint64_t now_ns, uint32_t limit);

/* Room for one more record, so that the next sent_add cannot fail. 0, -ENOMEM, -ENOBUFS. */
int sent_reserve(struct sent_map *sm, struct arena *a, uint32_t limit);

/* What an acknowledgement told us. sent_ack and sent_sack add to it; the caller zeroes it for each segment. */
struct sent_ack {
    uint32_t newly_acked;   /* bytes leaving by the cumulative ACK that were not sacked before */
    uint32_t newly_sacked;
    bool rtt_valid;         /* a record sent once was acknowledged: now - rtt_sent_ns is a sample (Karn) */
    uint64_t rtt_sent_ns;   /* of the most recently sent such record */
    bool acked_retrans;     /* some of it had been retransmitted */
    struct sent_rec rated;  /* of the records with SENT_RATED that were delivered, the one sent last; flags 0: none */
};

/* The cumulative acknowledgement moved to una: records before it go, a record cut by it is shortened. */
void sent_ack(struct sent_map *sm, struct arena *a, uint32_t una, struct sent_ack *out);

/* Applies SACK blocks (already checked to lie within snd_una..snd_nxt). Only records wholly inside a block are marked. */
void sent_sack(struct sent_map *sm, const struct tcp_sack_block *b, unsigned n, struct sent_ack *out);

/*
 * RFC 6675 IsLost: marks records lost that have dup_thresh discontiguous sacked runs or more than
 * (dup_thresh - 1) * smss sacked bytes above them. Returns newly lost bytes.
 */
uint32_t sent_mark_lost(struct sent_map *sm, uint32_t dup_thresh, uint32_t smss);

/* The first record is lost (RFC 6582, or entry to recovery by duplicate ACKs alone). Returns newly lost bytes. */
uint32_t sent_mark_first_lost(struct sent_map *sm);

/* Retransmission timeout: everything not sacked is lost, retransmissions in flight are forgotten (RFC 6675 section 5.1). */
void sent_mark_all_lost(struct sent_map *sm);

/* The peer forgot its SACKed data (reneging): all marks go but SENT_RETRANS. */
void sent_unsack_all(struct sent_map *sm);

/* The first record to retransmit: lost, not sacked, not retransmitted since. NULL when there is none. */
struct sent_rec *sent_next_lost(struct sent_map *sm);

/* RFC 6675 NextSeg rule 3: the first record not sacked and not retransmitted below high_sacked. NULL when there is none. */
struct sent_rec *sent_next_rescue(struct sent_map *sm);

/* The first record whose end is after seq: the one that contains seq, or the first one of all. NULL when there is none. */
struct sent_rec *sent_find(struct sent_map *sm, uint32_t seq);
struct sent_rec *sent_first(struct sent_map *sm);
struct sent_rec *sent_last(struct sent_map *sm);

/*
 * Splits a record at seq (start < seq < end), so that a part of it can be retransmitted. Pointers to records are invalid
 * afterwards. 0 also when there is a boundary at seq already. -ENOMEM, -ENOBUFS; -EINVAL when seq is outside the map.
 */
int sent_split(struct sent_map *sm, struct arena *a, uint32_t seq, uint32_t limit);

/* The record was retransmitted at now. */
void sent_retransmitted(struct sent_map *sm, struct sent_rec *r, uint64_t now_ns);

/* Recomputes every sum and checks every invariant (Z_CHECK). For tests and simulators: linear in the number of records. */
void sent_check(const struct sent_map *sm);

/* RFC 6675 pipe: in flight = sent - sacked - lost + retransmitted. */
static inline uint32_t sent_pipe(const struct sent_map *sm, uint32_t in_flight_bytes)
{
    return in_flight_bytes - sm->sacked_bytes - sm->lost_bytes + sm->rtx_bytes;
}

#endif
