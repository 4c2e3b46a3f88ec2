/* IPv6 header and extension headers (RFC 8200). */
#ifndef WIRE_IPV6_H
#define WIRE_IPV6_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

#define IPV6_HLEN 40u
#define IPV6_FRAG_HLEN 8u
#define IPV6_NEXT_OFF 6u /* of the Next Header field */

#define IPPROTO_HOPOPTS_ 0u
#define IPPROTO_ROUTING_ 43u
#define IPPROTO_FRAGMENT_ 44u
#define IPPROTO_ICMPV6_ 58u
#define IPPROTO_NONE_ 59u
#define IPPROTO_DSTOPTS_ 60u

struct ipv6_hdr {
    uint8_t tclass, hop_limit;
    uint8_t next;          /* what follows: an extension header or the transport's */
    uint16_t payload_len;  /* all that follows, extension headers included */
    uint32_t flow;         /* 20 bits */
    struct inaddr src, dst; /* zones are zero */
};

enum ipv6_err { IPV6_OK, IPV6_ESHORT, IPV6_EVERSION, IPV6_ELEN };

/*
 * Parses the header in the first len bytes; frame_len is the length of the whole packet as received (trailing link padding
 * allowed). Jumbograms (RFC 2675) are not known: a payload length of 0 is one of 0.
 */
enum ipv6_err ipv6_parse(const uint8_t *p, uint32_t len, uint32_t frame_len, struct ipv6_hdr *h);

/* Writes IPV6_HLEN bytes; zones do not leave the stack. */
void ipv6_build(uint8_t *p, const struct ipv6_hdr *h);

/* What a packet may cost before its transport header is found (RFC 8504 section 5.3). */
struct ipv6_ext_limits {
    uint32_t headers; /* extension headers */
    uint32_t bytes;   /* of all of them */
    uint32_t options; /* in one header, padding not counted */
    bool pass_over;   /* look for the transport only: what the headers ask for is not obeyed */
};

enum ipv6_ext_verdict {
    IPV6_EXT_OK,       /* a transport header */
    IPV6_EXT_NONE,     /* "no next header": the packet ends here (section 4.7) */
    IPV6_EXT_FRAGMENT, /* a part of a packet: .frag */
    IPV6_EXT_MORE,     /* .want bytes of the packet must be contiguous to go on */
    IPV6_EXT_SHORT,    /* a header ends behind the packet */
    IPV6_EXT_DISCARD,  /* an option asks for it (section 4.2, 01) */
    IPV6_EXT_PROBLEM,  /* answered by a parameter problem: .code, .pointer */
    IPV6_EXT_PROBLEM_UNICAST, /* the same, unless the packet went to a group (section 4.2, 11) */
    IPV6_EXT_LIMIT,    /* the same, because of a limit of ours (RFC 8883) */
};

/* Writes IPV6_FRAG_HLEN bytes of a fragment header. off: bytes, a multiple of 8. */
void ipv6_frag_build(uint8_t *p, uint8_t next, uint32_t off, bool mf, uint32_t id);

struct ipv6_frag {
    uint16_t hdr_off;       /* of the fragment header in the packet; 0: there is none */
    uint16_t prev_next_off; /* of the Next Header field that announces it */
    uint8_t next;           /* what follows it in the first fragment */
    uint16_t off;           /* bytes */
    bool mf;
    uint32_t id;
};

struct ipv6_ext {
    uint8_t proto;     /* of OK: the transport */
    uint16_t off;      /* of OK: where it begins; of FRAGMENT: where the part begins */
    uint16_t next_off; /* the Next Header field that says proto */
    bool router_alert; /* RFC 2711 */
    struct ipv6_frag frag; /* also of an atomic fragment (RFC 6946), which is a whole packet: OK */
    uint32_t want;
    uint8_t code;      /* of an ICMPv6 parameter problem */
    uint16_t pointer;
};

/*
 * Follows the extension headers of a packet of total bytes (IPv6 header and payload), whose first len bytes, IPV6_HLEN or more, are at
 * p. Options are obeyed here: none but padding and router alert is known.
 */
enum ipv6_ext_verdict ipv6_ext_walk(const uint8_t *p, uint32_t len, uint32_t total, const struct ipv6_ext_limits *lim, struct ipv6_ext *x);

#endif
