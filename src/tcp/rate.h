/*
 * Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation): each transmitted record remembers how much was delivered when
 * it left; when it is acknowledged the difference, over the time it took, is a sample of the rate at which the path delivers.
 * Only connections whose congestion control works from it have this state.
 */
#ifndef TCP_RATE_H
#define TCP_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a record of the sent map carries. Ages count in units of 1024 ns before the record's transmission. */
struct rate_stamp {
    uint32_t delivered;     /* C.delivered at transmission */
    uint32_t lost;          /* C.lost */
    uint32_t tx_in_flight;  /* bytes in flight with this record */
    uint32_t delivered_age; /* since C.delivered_time */
    uint32_t first_age;     /* since C.first_sent_time */
};

struct rate {
    uint64_t delivered_at_ns, first_sent_at_ns;
    uint64_t min_rtt_ns;  /* shorter intervals are no samples: acknowledgements that were held up together */
    uint64_t last_rate;   /* of the last sample: what TCP_INFO tells */
    uint32_t delivered;   /* bytes, modulo 2^32 */
    uint32_t app_limited; /* delivered + pipe when the application last had nothing to send; valid when is_app_limited */
    bool is_app_limited;
};

struct rate_sample {
    uint64_t rate; /* bytes per second; 0: no sample */
    uint64_t interval_ns;
    uint64_t rtt_ns;                      /* of the record that the sample is of; 0: none */
    uint32_t delivered;                   /* bytes over the interval */
    uint32_t prior_delivered;             /* C.delivered when the record was sent */
    uint32_t total_delivered;             /* C.delivered now */
    uint32_t tx_in_flight;                /* when the record was sent, with it */
    uint32_t lost;                        /* between the record's transmission and now */
    uint32_t newly_delivered, newly_lost; /* by this ACK */
    uint32_t in_flight;                   /* now */
    bool app_limited;
    bool valid; /* a record with a stamp was delivered: the fields of the record hold */
};

/* A record leaves. pipe: in flight without it; lost: the connection's count of lost bytes. */
void rate_on_sent(struct rate *r, struct rate_stamp *st, bool *app_limited, uint32_t pipe, uint32_t len, uint32_t lost, uint64_t now_ns);

/* The application has nothing more to send, and cwnd would let it. */
void rate_app_limited(struct rate *r, uint32_t pipe);

/* What an ACK says. st: of the records with a stamp that it delivered, the one sent last, with what belongs to it; NULL: none. */
struct rate_acked {
    const struct rate_stamp *st;
    uint64_t sent_at_ns;
    bool app_limited, retrans;
    uint32_t newly_delivered, newly_lost, lost_total;
};

void rate_on_ack(struct rate *r, const struct rate_acked *a, uint64_t now_ns, struct rate_sample *rs);

#endif
