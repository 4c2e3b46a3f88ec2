#include <string.h>

#include "base/gcra.h"
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip6.h"
#include "ip/ip_state.h"
#include "wire/cksum.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"

#include "base/poison.h"

/* An error message is this long at most, IP header included, so that no path has to fragment it (RFC 1812 4.3.2.3). */
#define ICMP_ERROR_MAX 576u
/* Internetwork control precedence (RFC 1812 4.3.2.5). */
#define ICMP_ERROR_TOS 0xc0u
#define ICMP_CKSUM_OFFSET 2u

uint32_t ip_copy_out(const struct rte_mbuf *m, uint8_t *to, uint32_t len)
{
    uint32_t done = 0;

    for (; m && done < len; m = m->next) {
        uint32_t n = MIN((uint32_t)m->data_len, len - done);

        memcpy(to + done, rte_pktmbuf_mtod(m, const uint8_t *), n);
        done += n;
    }
    return done;
}

uint64_t ip_cksum_chain(uint64_t sum, const struct rte_mbuf *m, uint32_t len)
{
    for (uint32_t done = 0; m && done < len; m = m->next) {
        uint32_t n = MIN((uint32_t)m->data_len, len - done);

        sum = cksum_add_at(sum, rte_pktmbuf_mtod(m, const uint8_t *), n, done);
        done += n;
    }
    return sum;
}

void icmp_output(struct z_stack *s, const struct inaddr *src, const struct inaddr *dst, uint8_t tos, struct rte_mbuf *m)
{
    struct ip_out o = {.src = *src, .dst = *dst, .proto = IPPROTO_ICMP_, .ttl = IP_TTL_DEFAULT, .tos = tos};
    struct ip_path path;

    if (ip_path_lookup(s, &path, src, dst, false) != 0)
        pkt_drop(s, m, DROP_IP_NO_ROUTE);
    else
        ip_output(s, &path, &o, m);
}

static struct rte_mbuf *copy_of(struct z_stack *s, struct rte_mbuf *m)
{
    struct rte_mbuf *c = pkt_alloc_app(s, m->pkt_len);
    uint8_t *to;

    if (!c) {
        pkt_drop(s, m, DROP_NO_MBUF);
        return NULL;
    }
    to = pkt_data(c);
    for (const struct rte_mbuf *seg = m; seg; seg = seg->next) {
        memcpy(to, rte_pktmbuf_mtod(seg, const uint8_t *), seg->data_len);
        to += seg->data_len;
    }
    c->data_len = (uint16_t)m->pkt_len;
    c->pkt_len = m->pkt_len;
    s->ctr.v[CTR_COPY_STACK] += m->pkt_len;
    pkt_unref_chain(m);
    return c;
}

struct rte_mbuf *icmp_turn(struct z_stack *s, struct rte_mbuf *m)
{
    if (!pkt_sole_owner(m) || rte_pktmbuf_headroom(m) < IP_HEADERS_BYTES) {
        m = copy_of(s, m);
        if (!m)
            return NULL;
    }
    m->ol_flags = 0;
    m->tx_offload = 0;
    return m;
}

/* The request turns round as it is: only the type changes, and the checksum by as much (RFC 1624). */
void icmp_echo_reply(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    uint16_t sum;
    uint32_t x;
    uint8_t *p;

    m = icmp_turn(s, m);
    if (!m)
        return;
    p = pkt_data(m);
    p[0] = ICMP_ECHO_REPLY;
    memcpy(&sum, p + ICMP_CKSUM_OFFSET, 2);
    /* HC' = ~(~HC + ~m + m') with m = 0x0800, m' = 0 */
    x = (uint32_t)(uint16_t)~__builtin_bswap16(sum) + 0xf7ffu;
    x = (x & 0xffffu) + (x >> 16);
    sum = __builtin_bswap16((uint16_t)~x);
    if (sum == 0)
        sum = 0xffff; /* the other zero: right also when the whole message is zeroes */
    memcpy(p + ICMP_CKSUM_OFFSET, &sum, 2);
    stack_count(s, CTR_ICMP_ECHO);
    icmp_output(s, &in->dst, &in->src, in->tos, m);
}

bool icmp_error_allowed(struct z_stack *s)
{
    if (gcra_allows(&s->ip->icmp_error_tat_ns, s->conf.icmp_error_rate, s->now_ns))
        return true;
    stack_count(s, CTR_ICMP_ERR_LIMIT);
    return false;
}

uint32_t icmp_quote_copy(const struct ip_in *in, const struct rte_mbuf *m, uint8_t *to, uint32_t len)
{
    uint32_t done = MIN((uint32_t)in->ip_hlen + m->data_len, len);

    memcpy(to, rte_pktmbuf_mtod(m, const uint8_t *) - in->ip_hlen, done);
    for (m = m->next; m && done < len; m = m->next) {
        uint32_t n = MIN((uint32_t)m->data_len, len - done);

        memcpy(to + done, rte_pktmbuf_mtod(m, const uint8_t *), n);
        done += n;
    }
    return done;
}

void icmp_error(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m, uint8_t type, uint8_t code)
{
    uint32_t quote = MIN(in->ip_hlen + m->pkt_len, ICMP_ERROR_MAX - IPV4_HLEN - ICMP_HLEN), done;
    const struct icmp_hdr h = {.type = type, .code = code};
    struct rte_mbuf *e;
    uint16_t sum;
    uint8_t *p;

    if (in->proto == IPPROTO_ICMP_ || in->group || ip_is_group(s, &in->src) || !icmp_error_allowed(s))
        return;
    e = pkt_alloc_app(s, ICMP_HLEN + quote);
    if (!e)
        return;
    p = pkt_data(e);
    icmp_build(p, &h);
    done = icmp_quote_copy(in, m, p + ICMP_HLEN, quote);
    e->data_len = (uint16_t)(ICMP_HLEN + done);
    e->pkt_len = e->data_len;
    sum = cksum_finish(cksum_add(0, p, e->data_len));
    memcpy(p + ICMP_CKSUM_OFFSET, &sum, 2);
    stack_count(s, CTR_ICMP_ERR_TX);
    icmp_output(s, &in->dst, &in->src, ICMP_ERROR_TOS, e);
}

void icmp_port_unreachable(struct z_stack *s, const struct ip_in *in, struct rte_mbuf *m)
{
    if (in->v6)
        icmp6_error(s, in, m, ICMP6_UNREACH, ICMP6_UNREACH_PORT, 0);
    else
        icmp_error(s, in, m, ICMP_UNREACH, ICMP_UNREACH_PORT);
}
