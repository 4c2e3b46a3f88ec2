/* An ICMP error as the transports see it: which of their packets it is about, and what it says. The same for both families. */
#ifndef IP_ICMP_ERR_H
#define IP_ICMP_ERR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

struct ip_in;
struct rte_mbuf;

/* Unreachable in one way or another, then the others. */
enum icmp_kind {
    ICMP_KIND_NET_UNREACH,  /* no route, or a source route failed */
    ICMP_KIND_HOST_UNREACH, /* the last link does not reach it */
    ICMP_KIND_UNKNOWN,      /* the network or the host is unknown or isolated */
    ICMP_KIND_PROTO,
    ICMP_KIND_PORT,
    ICMP_KIND_ADMIN,        /* forbidden */
    ICMP_KIND_NEIGH_FAILED, /* nobody's message: our own question for its link address had no answer */
    ICMP_KIND_TOO_BIG,      /* .mtu says what would fit */
    ICMP_KIND_TIME_EXCEEDED,
    ICMP_KIND_PARAM_PROBLEM,
};

struct icmp_err {
    struct inaddr laddr, raddr; /* of the packet that we sent */
    uint16_t lport, rport;      /* of ICMP lport is the identifier of an echo message, 0 of another one */
    uint32_t seq;               /* of TCP */
    uint32_t len;               /* of the packet, with its IP header; 0: unknown */
    enum icmp_kind kind;
    uint8_t proto;      /* of the packet */
    uint8_t type, code; /* of the message */
    uint32_t info;      /* MTU of TOO_BIG (0: it does not say), pointer of PARAM_PROBLEM; else 0 */
    int err;            /* the Linux errno that this error means to a socket (ECONNREFUSED, EHOSTUNREACH, …) */

    /* Where the message came in, or NULL; and the packet, as much of it as there is: m without its first quote_off bytes. */
    const struct ip_in *in;
    const struct rte_mbuf *m;
    uint32_t quote_off, l4_off; /* l4_off: of the transport header, in m */
};

/* Does it say that the packet was not delivered to a host or port (RFC 792 type 3, RFC 4443 type 1; not that it was too big)? */
static inline bool icmp_kind_is_unreach(enum icmp_kind k)
{
    return k < ICMP_KIND_TOO_BIG;
}

#endif
