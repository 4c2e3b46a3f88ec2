/* Which flow a frame belongs to: what decides who of several receivers gets it. */
#ifndef WIRE_FLOW_H
#define WIRE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#define FLOW_KEY_MAX 36u
#define FLOW_LOOK_BYTES 192u /* of a frame: more than this is not looked at */

enum flow_kind {
    FLOW_NONE,  /* no packet that a host here would take */
    FLOW_ALL,   /* for every receiver: address resolution, neighbour discovery, group membership; what went to a group */
    FLOW_PAIR,  /* by the two addresses: fragments, echo, what has no ports */
    FLOW_TUPLE, /* by addresses and ports: TCP, UDP, and ICMP errors about those */
};

struct flow {
    uint8_t kind;
    uint8_t l2_len;            /* bytes in front of the IP header; 0: there is none */
    uint8_t len;               /* of key */
    bool quoted;               /* the key is from inside an ICMP error */
    uint8_t key[FLOW_KEY_MAX]; /* source, destination, and of FLOW_TUPLE their ports, as on the wire: what network cards hash */
};

/*
 * Of a frame of total bytes, whose first len are at p. An ICMP error is of the flow that it speaks of, as if the packet quoted had been
 * answered. Nothing is verified: it is only a matter of who does that.
 */
void flow_parse(const uint8_t *p, uint32_t len, uint32_t total, struct flow *f);

#endif
