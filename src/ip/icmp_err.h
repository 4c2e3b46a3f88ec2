/* An ICMP error as the transports see it: which of their packets it is about, and what it says. */
#ifndef IP_ICMP_ERR_H
#define IP_ICMP_ERR_H

#include <stdint.h>

#include "base/inaddr.h"

struct icmp_err {
    struct inaddr laddr, raddr; /* of the packet that we sent */
    uint16_t lport, rport;
    uint32_t seq;       /* of TCP */
    uint32_t len;       /* of the packet, with its IP header; 0: unknown */
    uint8_t type, code; /* ICMP's */
    uint16_t mtu;       /* of "fragmentation needed" */
    int err;            /* the Linux errno that this error means to a socket (ECONNREFUSED, EHOSTUNREACH, …) */
};

#endif
