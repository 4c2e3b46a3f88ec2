#include <string.h>

#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "wire/cksum.h"
#include "wire/icmp6.h"
#include "wire/ipv6.h"

#include "base/poison.h"

/* The whole error message, IPv6 header included, fits the smallest path there is (RFC 4443 section 2.4 c). */
#define ERROR_MAX IP6_MTU_MIN

void icmp6_output(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t tos, struct rte_mbuf *m)
{
    struct ip_out o = {.dst = *dst, .proto = IPPROTO_ICMPV6_, .ttl = IP_TTL_DEFAULT, .tos = tos};
    const struct inaddr *own = inaddr_is_v6_multicast(src) ? NULL : src;
    struct ip_path path = {0};
    uint16_t sum = 0;

    if (ip_path_lookup(s, &path, own, dst, true) != 0) {
        pkt_drop(s, m, DROP_IP_NO_ROUTE);
        return;
    }
    o.src = path.src;
    memcpy(pkt_data(m) + ICMP6_CKSUM_OFFSET, &sum, 2);
    sum = cksum_finish(ip_cksum_chain(cksum_pseudo(&o.src, dst, o.proto, m->pkt_len), m, m->pkt_len));
    memcpy(pkt_data(m) + ICMP6_CKSUM_OFFSET, &sum, 2);
    ip_output(s, &path, &o, m);
}

/* The request turns round as it is: only the type and the checksum change. */
void icmp6_echo_reply(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    m = icmp_turn(s, m);
    if (!m)
        return;
    pkt_data(m)[0] = ICMP6_ECHO_REPLY;
    stack_count(s, CTR_ICMP_ECHO);
    icmp6_output(s, &in->dst, &in->src, in->tos, m);
}

/* Does a message begin at off that no error may be about? One that is not here may be such a one. */
static bool is_error_at(const uint8_t *p, uint32_t len, uint32_t off)
{
    return off >= len || p[off] < ICMP6_INFO || p[off] == ICMP6_REDIRECT;
}

/* Is the packet that begins at p, of which len bytes are here, an ICMPv6 error, a redirect, or of unknown content? */
static bool is_about_error(const uint8_t *p, uint32_t len)
{
    static const struct ipv6_ext_limits lim = {.headers = 64, .bytes = UINT16_MAX, .pass_over = true};
    struct ipv6_ext x;

    switch (ipv6_ext_walk(p, len, len, &lim, &x)) {
    case IPV6_EXT_OK:
    case IPV6_EXT_PROBLEM: /* a first fragment that ends in the transport header */
        return x.proto == IPPROTO_ICMPV6_ && is_error_at(p, len, x.off);
    case IPV6_EXT_FRAGMENT:
        if (x.frag.off == 0 && x.frag.next == IPPROTO_ICMPV6_)
            return is_error_at(p, len, x.off);
        return x.frag.next == IPPROTO_ICMPV6_ || x.proto == IPPROTO_ICMPV6_; /* a later one; or with headers in front of the message */
    default:
        return false;
    }
}

/* RFC 4443 section 2.4 e: what no error may be about. */
static bool may_complain(const struct ip_in *in, const struct rte_mbuf *m, uint8_t type, uint8_t code)
{
    bool even_group = type == ICMP6_TOO_BIG || (type == ICMP6_PARAM_PROBLEM && code == ICMP6_PARAM_OPTION);

    if (in->group && !even_group)
        return false;
    if (inaddr_is_any(&in->src) || inaddr_is_v6_multicast(&in->src))
        return false;
    return !is_about_error(rte_pktmbuf_mtod(m, const uint8_t *) - in->ip_hlen, (uint32_t)in->ip_hlen + m->data_len);
}

void icmp6_error(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint8_t type, uint8_t code, uint32_t word)
{
    uint32_t quote = MIN(in->ip_hlen + m->pkt_len, ERROR_MAX - IPV6_HLEN - ICMP6_HLEN);
    const struct icmp6_hdr h = {.type = type, .code = code, .word = word};
    struct rte_mbuf *e;

    if (!may_complain(in, m, type, code) || !icmp_error_allowed(s))
        return;
    e = pkt_alloc_app(s, ICMP6_HLEN + quote);
    if (!e)
        return;
    icmp6_build(pkt_data(e), &h);
    e->data_len = (uint16_t)(ICMP6_HLEN + icmp_quote_copy(in, m, pkt_data(e) + ICMP6_HLEN, quote));
    e->pkt_len = e->data_len;
    stack_count(s, CTR_ICMP_ERR_TX);
    icmp6_output(s, &in->dst, &in->src, 0, e);
}
