/* Messages of IPv6 neighbour discovery (RFC 4861 section 4) with the nonce of RFC 7527; all are ICMPv6. */
#ifndef WIRE_ND_H
#define WIRE_ND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/inaddr.h"

#define ND_ROUTER_SOLICIT 133u
#define ND_ROUTER_ADVERT 134u
#define ND_NEIGHBOR_SOLICIT 135u
#define ND_NEIGHBOR_ADVERT 136u
#define ND_REDIRECT 137u

#define ND_HOP_LIMIT 255u
#define ND_INFINITY 0xffffffffu /* a lifetime without end */
#define ND_NONCE_LEN 6u
#define ND_PREFIXES_MAX 16u /* prefix options of one advertisement; further ones are counted only */
/* The longest message that nd_build makes, without a redirected packet. */
#define ND_BUILD_MAX (40u + 3 * 8u + ND_PREFIXES_MAX * 32u)

/* Router preference of RFC 4191 section 2.1, as a number that compares. */
enum nd_prf { ND_PRF_LOW = -1, ND_PRF_MEDIUM = 0, ND_PRF_HIGH = 1 };

/* Prefix information (RFC 4861 section 4.6.2). */
struct nd_prefix_info {
    struct inaddr prefix; /* bits behind plen are zero */
    uint8_t plen;
    bool on_link, autonomous;
    uint32_t valid_s, preferred_s;
};

struct nd_msg {
    uint8_t type;
    /* neighbour solicitation and advertisement, redirect */
    struct inaddr target;
    /* redirect */
    struct inaddr dest;
    /* neighbour advertisement */
    bool router, solicited, override;
    /* router advertisement */
    uint8_t cur_hop_limit; /* 0: unspecified, like the times below */
    bool managed, other;
    int8_t prf;
    uint16_t lifetime_s;
    uint32_t reachable_ms, retrans_ms;
    /* options */
    bool has_slla, has_tlla, has_nonce;
    uint8_t slla[6], tlla[6], nonce[ND_NONCE_LEN];
    uint32_t mtu; /* 0: none */
    uint8_t n_prefixes;
    uint16_t n_prefixes_lost; /* those for which prefix[] had no room */
    struct nd_prefix_info prefix[ND_PREFIXES_MAX];
    const uint8_t *redirected; /* in the parsed bytes, or NULL */
    uint32_t redirected_len;
};

enum nd_err { ND_OK, ND_ESHORT, ND_EHOPS, ND_ECODE, ND_EOPTION, ND_EADDR };

/*
 * Parses len bytes that start at the ICMPv6 header and makes every check of RFC 4861 sections 6.1, 7.1 and 8.1 that needs no state.
 * The checksum is the caller's affair. Addresses are as on the wire, without zones.
 */
enum nd_err nd_parse(const uint8_t *p, uint32_t len, const struct inaddr *src, const struct inaddr *dst, uint8_t hop_limit,
                     struct nd_msg *m);

/* Writes a message with its options, checksum zero; returns its length. redirected_len is cut to a multiple of 8. */
uint32_t nd_build(uint8_t *p, const struct nd_msg *m);

/* ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1), without zone. */
struct inaddr nd_solicited_node(const struct inaddr *a);

#endif
