#include "wire/flow.h"

#include <string.h>

#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

#include "base/poison.h"

#define PORTS_BYTES 4u
#define V4_ADDRS_OFF 12u
#define V4_ADDRS_BYTES 8u
#define V6_ADDRS_OFF 8u
#define V6_ADDRS_BYTES 32u

static void by_addresses(struct flow *f, const uint8_t *addrs, uint8_t len)
{
    memcpy(f->key, addrs, len);
    f->len = len;
    f->kind = FLOW_PAIR;
}

static void with_ports(struct flow *f, const uint8_t *ports)
{
    memcpy(f->key + f->len, ports, PORTS_BYTES);
    f->len = (uint8_t)(f->len + PORTS_BYTES);
    f->kind = FLOW_TUPLE;
}

static bool has_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP_ || proto == IPPROTO_UDP_;
}

/* The packet quoted went the other way. */
static void quoted4(struct flow *f, const struct icmp_quote *q)
{
    uint8_t ports[PORTS_BYTES];

    put32(f->key, q->dst);
    put32(f->key + 4, q->src);
    put16(ports, q->dport);
    put16(ports + 2, q->sport);
    f->quoted = true;
    if (has_ports(q->proto))
        with_ports(f, ports);
}

static void quoted6(struct flow *f, const struct icmp6_quote *q)
{
    uint8_t ports[PORTS_BYTES];

    memcpy(f->key, q->dst.b, 16);
    memcpy(f->key + 16, q->src.b, 16);
    put16(ports, q->dport);
    put16(ports + 2, q->sport);
    f->quoted = true;
    if (has_ports(q->proto))
        with_ports(f, ports);
}

static bool is_error4(uint8_t type)
{
    return type == ICMP_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAM_PROBLEM;
}

static void ipv4(struct flow *f, const uint8_t *p, uint32_t len)
{
    uint32_t hlen;
    struct icmp_quote q;

    if (len < IPV4_HLEN || p[0] >> 4 != 4 || (hlen = (p[0] & 15u) * 4) < IPV4_HLEN)
        return;
    by_addresses(f, p + V4_ADDRS_OFF, V4_ADDRS_BYTES);
    if (p[9] == IPPROTO_IGMP_)
        f->kind = FLOW_ALL;
    if ((get16(p + 6) & 0x3fff) != 0) /* a fragment: MF, or an offset */
        return;
    if (has_ports(p[9]) && len >= hlen + PORTS_BYTES)
        with_ports(f, p + hlen);
    else if (p[9] == IPPROTO_ICMP_ && len > hlen + ICMP_HLEN && is_error4(p[hlen]) &&
             icmp_parse_quote(p + hlen + ICMP_HLEN, len - hlen - ICMP_HLEN, &q))
        quoted4(f, &q);
}

static void icmpv6(struct flow *f, const uint8_t *p, uint32_t len)
{
    struct icmp6_quote q;

    if (len < ICMP6_HLEN)
        return;
    if ((p[0] >= ICMP6_MLD_QUERY && p[0] <= ICMP6_ND_LAST) || p[0] == ICMP6_MLD2_REPORT)
        f->kind = FLOW_ALL;
    else if (p[0] < ICMP6_INFO && icmp6_parse_quote(p + ICMP6_HLEN, len - ICMP6_HLEN, &q))
        quoted6(f, &q);
}

static void ipv6(struct flow *f, const uint8_t *p, uint32_t len, uint32_t total)
{
    static const struct ipv6_ext_limits lim = {.headers = 8, .bytes = FLOW_LOOK_BYTES, .options = 0, .pass_over = true};
    struct ipv6_ext x = {.proto = 0};

    if (len < IPV6_HLEN || p[0] >> 4 != 6)
        return;
    by_addresses(f, p + V6_ADDRS_OFF, V6_ADDRS_BYTES);
    x.proto = p[IPV6_NEXT_OFF];
    x.off = IPV6_HLEN;
    if (!has_ports(x.proto) && ipv6_ext_walk(p, len, total, &lim, &x) != IPV6_EXT_OK)
        return;
    if (x.off >= len)
        return;
    if (x.proto == IPPROTO_ICMPV6_)
        icmpv6(f, p + x.off, len - x.off);
    else if (has_ports(x.proto) && x.off + PORTS_BYTES <= len)
        with_ports(f, p + x.off);
}

void flow_parse(const uint8_t *p, uint32_t len, uint32_t total, struct flow *f)
{
    uint32_t l2 = ETH_HLEN;
    uint16_t type;

    f->kind = FLOW_NONE;
    f->l2_len = 0;
    f->len = 0;
    f->quoted = false;
    if (len < ETH_HLEN)
        return;
    type = get16(p + ETH_HLEN - 2);
    if (type == ETH_TYPE_VLAN && len >= ETH_HLEN_MAX) {
        l2 = ETH_HLEN_MAX;
        type = get16(p + ETH_HLEN_MAX - 2);
    }
    f->l2_len = (uint8_t)l2;
    if (type == ETH_TYPE_IPV4)
        ipv4(f, p + l2, len - l2);
    else if (type == ETH_TYPE_IPV6)
        ipv6(f, p + l2, len - l2, total - l2);
    else if (type == ETH_TYPE_ARP)
        f->kind = FLOW_ALL;
    if (eth_is_group(p) && f->kind != FLOW_NONE)
        f->kind = FLOW_ALL;
}
