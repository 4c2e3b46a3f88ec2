/*
 * Was a reduction of the congestion window a mistake? Eifel (RFC 3522) with timestamps, DSACK (RFC 3708), and for timeouts F-RTO
 * (RFC 5682). A value with pure functions; when one says so, the caller restores the window (RFC 4015) and the sent map.
 */
#ifndef TCP_UNDO_H
#define TCP_UNDO_H

#include <stdbool.h>
#include <stdint.h>

enum frto { FRTO_OFF, FRTO_FIRST_ACK, FRTO_SECOND_ACK };

struct undo {
    uint32_t from,
        to;         /* snd_una and snd_nxt when the window was reduced: a duplicate outside is none of the recovery's; equal: it was not */
    uint32_t bytes; /* retransmitted since, and not reported as duplicates */
    uint32_t until; /* after the recovery: snd_nxt at its end */
    bool timeout;   /* it was by a retransmission timeout */
    bool eifel;     /* no retransmission was acknowledged yet: the first one tells */
    uint8_t frto;   /* enum frto */
};

void undo_begin(struct undo *u, uint32_t snd_una, uint32_t snd_nxt, bool timeout);
void undo_end(struct undo *u);

/* Bytes were retransmitted. */
void undo_retransmitted(struct undo *u, uint32_t bytes);

/* The peer reports [start, end) as a duplicate. True: all that was retransmitted was, so nothing was lost. */
bool undo_on_dsack(struct undo *u, uint32_t start, uint32_t end);

/*
 * Data that had been retransmitted was acknowledged; early: by its timestamp for an earlier transmission. The first such
 * acknowledgement decides (RFC 3522 section 3.2). True: the reduction was spurious.
 */
bool undo_on_ack(struct undo *u, bool early, bool needed);

/* What an acknowledgement after a timeout says. */
struct frto_ack {
    bool sack;     /* the connection uses SACK */
    bool advanced; /* snd_una moved */
    bool complete; /* to RecoveryPoint or beyond */
    bool duplicate;
    bool beyond;   /* data sent after the timeout arrived */
    bool original; /* data sent before the timeout, and not again, arrived */
    bool can_send; /* there is new data, and the peer's window takes it */
};

enum frto_verdict {
    FRTO_WAIT,
    FRTO_SEND_NEW,     /* two new segments instead of retransmissions (step 2b) */
    FRTO_CONVENTIONAL, /* the loss is real, or nothing can be told */
    FRTO_SPURIOUS,
};

/* RFC 5682 section 2.1 and 3.1. Moves u->frto on. */
enum frto_verdict frto_on_ack(struct undo *u, const struct frto_ack *a);

#endif
