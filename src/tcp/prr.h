/*
 * Proportional rate reduction (RFC 9937): how much may be sent for each acknowledgement of a fast recovery, so that the data in flight
 * comes down to ssthresh in one round trip without a pause or a burst. A value with pure functions.
 */
#ifndef TCP_PRR_H
#define TCP_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct prr {
    uint32_t delivered;  /* prr_delivered */
    uint32_t out;        /* prr_out */
    uint32_t recover_fs; /* RecoverFS */
};

/* A recovery begins; recover_fs: what is expected to be delivered during it (RFC 9937 section 6.1). */
void prr_begin(struct prr *p, uint32_t recover_fs);

/* Bytes were sent or sent again during the recovery. */
void prr_sent(struct prr *p, uint32_t bytes);

/*
 * An acknowledgement delivered that many bytes (section 6.2). in_flight: pipe, with this acknowledgement's losses. safe: snd_una
 * advanced and no further loss is indicated (SafeACK). Returns cwnd.
 */
uint32_t prr_on_ack(struct prr *p, uint32_t delivered, uint32_t in_flight, uint32_t ssthresh, uint32_t mss, bool safe);

#endif
