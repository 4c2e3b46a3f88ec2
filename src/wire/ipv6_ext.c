/* The chain of IPv6 extension headers (RFC 8200 section 4). */
#include "wire/bytes.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

#include "base/poison.h"

#define EXT_UNIT 8u /* a header is a multiple of it, and never less */

#define OPT_PAD1 0u
#define OPT_PADN 1u
#define OPT_ROUTER_ALERT 5u

struct walk {
    const uint8_t *p;
    const struct ipv6_ext_limits *lim;
    struct ipv6_ext *x;
    bool first_fragment; /* behind the fragment header of a packet in several parts */
};

static enum ipv6_ext_verdict problem(struct ipv6_ext *x, enum ipv6_ext_verdict v, uint8_t code, uint32_t pointer)
{
    x->code = code;
    x->pointer = (uint16_t)pointer;
    return v;
}

/* An option that is not known: the two high bits of its type say what to do (section 4.2). */
static enum ipv6_ext_verdict unknown_option(struct ipv6_ext *x, uint8_t type, uint32_t at)
{
    switch (type >> 6) {
    case 0:
        return IPV6_EXT_OK;
    case 1:
        return IPV6_EXT_DISCARD;
    case 2:
        return problem(x, IPV6_EXT_PROBLEM, ICMP6_PARAM_OPTION, at);
    default:
        return problem(x, IPV6_EXT_PROBLEM_UNICAST, ICMP6_PARAM_OPTION, at);
    }
}

/* The options at [at, end) of a hop-by-hop or destination options header. */
static enum ipv6_ext_verdict walk_options(struct walk *w, uint32_t at, uint32_t end, bool hop_by_hop)
{
    enum ipv6_ext_verdict v = IPV6_EXT_OK;
    uint32_t n = 0;

    while (at < end && v == IPV6_EXT_OK) {
        uint8_t type = w->p[at];
        uint32_t len;

        if (type == OPT_PAD1) {
            at++;
            continue;
        }
        if (at + 2 > end || (len = w->p[at + 1]) > end - at - 2)
            return problem(w->x, IPV6_EXT_PROBLEM, ICMP6_PARAM_FIELD, at + 1 < end ? at + 1 : at);
        if (type != OPT_PADN && ++n > w->lim->options)
            return problem(w->x, IPV6_EXT_LIMIT, ICMP6_PARAM_MANY_OPTIONS, at);
        if (type == OPT_ROUTER_ALERT && hop_by_hop && len == 2)
            w->x->router_alert = true;
        else if (type != OPT_PADN)
            v = unknown_option(w->x, type, at);
        at += 2 + len;
    }
    return v;
}

/*
 * No routing type is known; type 0 least of all (RFC 5095). A header whose route has come to its end is passed over, any other
 * refused (section 4.4).
 */
static enum ipv6_ext_verdict walk_routing(struct walk *w, uint32_t at)
{
    if (w->p[at + 3] == 0)
        return IPV6_EXT_OK;
    return problem(w->x, IPV6_EXT_PROBLEM, ICMP6_PARAM_FIELD, at + 2);
}

static enum ipv6_ext_verdict walk_fragment(struct walk *w, uint32_t at, uint32_t prev_next_off)
{
    uint16_t field = get16(w->p + at + 2);
    struct ipv6_frag *f = &w->x->frag;

    if (f->hdr_off != 0) /* a fragment of a fragment: nobody sends that */
        return problem(w->x, IPV6_EXT_PROBLEM, ICMP6_PARAM_NEXT, prev_next_off);
    *f = (struct ipv6_frag){.hdr_off = (uint16_t)at,
                            .prev_next_off = (uint16_t)prev_next_off,
                            .next = w->p[at],
                            .off = field & 0xfff8u,
                            .mf = (field & 1) != 0,
                            .id = get32(w->p + at + 4)};
    if (f->off != 0)
        return IPV6_EXT_FRAGMENT;
    w->first_fragment = f->mf;
    return IPV6_EXT_OK;
}

/* What a known header at [at, end) says. */
static enum ipv6_ext_verdict walk_one(struct walk *w, uint8_t type, uint32_t at, uint32_t end, uint32_t prev_next_off)
{
    if (type == IPPROTO_FRAGMENT_)
        return walk_fragment(w, at, prev_next_off);
    if (w->first_fragment || w->lim->pass_over) /* not before the packet is whole */
        return IPV6_EXT_OK;
    return type == IPPROTO_ROUTING_ ? walk_routing(w, at) : walk_options(w, at + 2, end, type == IPPROTO_HOPOPTS_);
}

static bool is_extension(uint8_t type)
{
    return type == IPPROTO_HOPOPTS_ || type == IPPROTO_ROUTING_ || type == IPPROTO_FRAGMENT_ || type == IPPROTO_DSTOPTS_;
}

static uint32_t transport_bytes(uint8_t proto)
{
    switch (proto) {
    case 6:
        return TCP_HLEN;
    case 17:
        return UDP_HLEN;
    case IPPROTO_ICMPV6_:
        return ICMP6_HLEN;
    default:
        return 0;
    }
}

/* The first part of a packet has all headers, the transport's too (RFC 7112 section 5). */
static enum ipv6_ext_verdict walk_end(struct walk *w, uint8_t next, uint32_t at, uint32_t total)
{
    struct ipv6_ext *x = w->x;

    x->proto = next;
    x->off = (uint16_t)at;
    if (!w->first_fragment)
        return next == IPPROTO_NONE_ ? IPV6_EXT_NONE : IPV6_EXT_OK;
    if (at + transport_bytes(next) > total)
        return problem(x, IPV6_EXT_PROBLEM, ICMP6_PARAM_CHAIN, 0);
    x->off = (uint16_t)(x->frag.hdr_off + IPV6_FRAG_HLEN);
    return IPV6_EXT_FRAGMENT;
}

static enum ipv6_ext_verdict walk_short(const struct walk *w)
{
    return w->first_fragment ? problem(w->x, IPV6_EXT_PROBLEM, ICMP6_PARAM_CHAIN, 0) : IPV6_EXT_SHORT;
}

enum ipv6_ext_verdict ipv6_ext_walk(const uint8_t *p, uint32_t len, uint32_t total, const struct ipv6_ext_limits *lim, struct ipv6_ext *x)
{
    struct walk w = {.p = p, .lim = lim, .x = x};
    uint8_t next = p[IPV6_NEXT_OFF];
    uint32_t at = IPV6_HLEN, n = 0;

    *x = (struct ipv6_ext){.next_off = IPV6_NEXT_OFF};
    while (is_extension(next)) {
        enum ipv6_ext_verdict v;
        uint32_t bytes;

        if (next == IPPROTO_HOPOPTS_ && at != IPV6_HLEN) /* nowhere but first (section 4.1) */
            return problem(x, IPV6_EXT_PROBLEM, ICMP6_PARAM_NEXT, x->next_off);
        if (++n > lim->headers)
            return problem(x, IPV6_EXT_LIMIT, ICMP6_PARAM_MANY_HEADERS, at);
        if (at + EXT_UNIT > total)
            return walk_short(&w);
        x->want = at + EXT_UNIT;
        if (x->want > len)
            return IPV6_EXT_MORE;
        bytes = next == IPPROTO_FRAGMENT_ ? EXT_UNIT : (p[at + 1] + 1u) * EXT_UNIT;
        if (at + bytes > IPV6_HLEN + lim->bytes)
            return problem(x, IPV6_EXT_LIMIT, ICMP6_PARAM_CHAIN_LONG, IPV6_HLEN + lim->bytes);
        x->want = at + bytes;
        if (x->want > total)
            return walk_short(&w);
        if (x->want > len)
            return IPV6_EXT_MORE;
        v = walk_one(&w, next, at, at + bytes, x->next_off);
        x->next_off = (uint16_t)at;
        x->off = (uint16_t)(at + bytes); /* of a later fragment */
        if (v != IPV6_EXT_OK)
            return v;
        next = p[at];
        at += bytes;
    }
    return walk_end(&w, next, at, total);
}
