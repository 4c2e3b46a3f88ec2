/*
 * libFuzzer targets of the wire formats: one program per entry of the table, chosen at build time by FUZZ_NAME. Every
 * parser gets a copy of exactly the bytes that it may read, so AddressSanitizer sees an over-read by one byte; what it
 * accepts must keep its promises and survive being built and parsed again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/igmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mld.h"
#include "wire/nd.h"
#include "wire/print.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL for no bytes: then not one may be read. */
static uint8_t *exact(const uint8_t *p, size_t n)
{
    if (n == 0)
        return NULL;
    uint8_t *c = malloc(n);

    Z_CHECK(c);
    memcpy(c, p, n);
    return c;
}

static void fuzz_eth(const uint8_t *p, size_t n)
{
    struct eth_hdr h;
    uint8_t out[ETH_HLEN];

    Z_CHECK(eth_parse(p, (uint32_t)n, &h) == (n >= ETH_HLEN));
    if (n < ETH_HLEN)
        return;
    eth_build(out, &h);
    Z_CHECK(memcmp(out, p, ETH_HLEN) == 0);
}

static void fuzz_arp(const uint8_t *p, size_t n)
{
    struct arp_pkt a;
    uint8_t out[ARP_LEN];

    if (!arp_parse(p, (uint32_t)n, &a))
        return;
    arp_build(out, &a);
    Z_CHECK(n >= ARP_LEN && memcmp(out, p, ARP_LEN) == 0);
}

static void ipv4_accepted(const struct ipv4_hdr *h, size_t n)
{
    struct ipv4_hdr g, want = *h;
    uint8_t out[IPV4_HLEN];

    Z_CHECK(h->hlen >= IPV4_HLEN && h->hlen <= n && h->hlen <= IPV4_HLEN_MAX && h->hlen % 4 == 0);
    Z_CHECK(h->total_len >= h->hlen && h->frag_off % 8 == 0);
    ipv4_build(out, h, true);
    Z_CHECK(ipv4_parse(out, IPV4_HLEN, h->total_len, false, &g) == IPV4_OK);
    Z_CHECK(ipv4_parse(out, IPV4_HLEN, h->total_len - 1u, false, &g) == IPV4_ELEN || h->total_len == 0);
    want.hlen = IPV4_HLEN;
    Z_CHECK(g.tos == want.tos && g.ttl == want.ttl && g.proto == want.proto && g.total_len == want.total_len);
    Z_CHECK(g.id == want.id && g.frag_off == want.frag_off && g.df == want.df && g.mf == want.mf);
    Z_CHECK(g.src == want.src && g.dst == want.dst && g.hlen == want.hlen);
}

/* The checksum is repaired, or a fuzzer would hardly pass it. */
static void fuzz_ipv4(const uint8_t *p, size_t n)
{
    struct ipv4_hdr h, g;
    enum ipv4_err e = ipv4_parse(p, (uint32_t)n, (uint32_t)n, true, &h);
    enum ipv4_err strict = ipv4_parse(p, (uint32_t)n, (uint32_t)n, false, &g);

    Z_CHECK(strict == e || strict == IPV4_ECKSUM);
    if (e != IPV4_OK) {
        if (ipv4_parse(p, (uint32_t)n, UINT16_MAX, true, &h) == IPV4_OK)
            ipv4_accepted(&h, n);
        return;
    }
    ipv4_accepted(&h, n);
    uint8_t *c = exact(p, h.hlen);
    memset(c + 10, 0, 2);
    uint16_t sum = cksum_finish(cksum_add(0, c, h.hlen));
    memcpy(c + 10, &sum, 2);
    Z_CHECK(ipv4_parse(c, h.hlen, h.total_len, false, &g) == IPV4_OK && g.dst == h.dst);
    free(c);
}

/* Ports are those of TCP and UDP; of a message of ICMP sport is its identifier, of others nothing is said. */
static void check_quote_ports(uint8_t proto, uint8_t icmp, uint8_t icmp_type, uint16_t sport, uint16_t dport, const uint8_t *l4)
{
    bool ports = proto == IPPROTO_TCP_ || proto == IPPROTO_UDP_, is_icmp = proto == icmp;

    Z_CHECK(sport == (ports ? get16(l4) : is_icmp ? get16(l4 + 4) : 0));
    Z_CHECK(dport == (ports ? get16(l4 + 2) : 0));
    Z_CHECK(icmp_type == (is_icmp ? l4[0] : 0));
}

static void fuzz_icmp(const uint8_t *p, size_t n)
{
    struct icmp_hdr h;
    struct icmp_quote q;
    uint8_t out[ICMP_HLEN];

    if (!icmp_parse(p, (uint32_t)n, &h))
        return;
    icmp_build(out, &h);
    Z_CHECK(out[0] == p[0] && out[1] == p[1] && (out[2] | out[3]) == 0 && memcmp(out + 4, p + 4, 4) == 0);

    uint8_t *c = exact(p + ICMP_HLEN, n - ICMP_HLEN);
    if (icmp_parse_quote(c, (uint32_t)(n - ICMP_HLEN), &q)) {
        Z_CHECK(q.l4_off >= IPV4_HLEN && ICMP_HLEN + q.l4_off + 8u <= n);
        Z_CHECK(q.seq == 0 || q.proto == IPPROTO_TCP_);
        check_quote_ports(q.proto, IPPROTO_ICMP_, q.icmp_type, q.sport, q.dport, c + q.l4_off);
    }
    free(c);
}

/* The header, then its chain, with as much contiguous as the walk asks for; the last byte of the input sets the limits. */
static void fuzz_ipv6(const uint8_t *p, size_t n)
{
    struct ipv6_hdr h;
    struct ipv6_ext x = {0}, whole;
    uint8_t out[IPV6_HLEN], last = n ? p[n - 1] : 0;
    struct ipv6_ext_limits lim = {.headers = last & 15u, .bytes = last * 2u, .options = last & 7u, .pass_over = (last & 128) != 0};
    enum ipv6_ext_verdict v;
    uint32_t total, len = IPV6_HLEN;

    if (ipv6_parse(p, (uint32_t)n, (uint32_t)n, &h) != IPV6_OK)
        return;
    total = IPV6_HLEN + h.payload_len;
    Z_CHECK(total <= n);
    ipv6_build(out, &h);
    Z_CHECK(inaddr_zone(&h.src) || inaddr_zone(&h.dst) || memcmp(out, p, IPV6_HLEN) == 0);
    for (;;) {
        uint8_t *c = exact(p, len);

        v = ipv6_ext_walk(c, len, total, &lim, &x);
        free(c);
        if (v != IPV6_EXT_MORE)
            break;
        Z_CHECK(x.want > len && x.want <= total);
        len = x.want;
    }
    Z_CHECK(v == ipv6_ext_walk(p, total, total, &lim, &whole) && memcmp(&x.frag, &whole.frag, sizeof(x.frag)) == 0);
    Z_CHECK(x.pointer <= total || v == IPV6_EXT_LIMIT);
    if (v == IPV6_EXT_OK || v == IPV6_EXT_FRAGMENT)
        Z_CHECK(x.off >= IPV6_HLEN && x.off <= total && x.off <= IPV6_HLEN + lim.bytes);
    Z_CHECK(v != IPV6_EXT_OK || x.next_off < x.off);
}

static void fuzz_icmp6(const uint8_t *p, size_t n)
{
    struct icmp6_hdr h;
    struct icmp6_quote q;
    uint8_t out[ICMP6_HLEN];

    if (!icmp6_parse(p, (uint32_t)n, &h))
        return;
    icmp6_build(out, &h);
    Z_CHECK(out[0] == p[0] && out[1] == p[1] && (out[2] | out[3]) == 0 && memcmp(out + 4, p + 4, 4) == 0);

    uint8_t *c = exact(p + ICMP6_HLEN, n - ICMP6_HLEN);
    if (icmp6_parse_quote(c, (uint32_t)(n - ICMP6_HLEN), &q)) {
        Z_CHECK(q.l4_off >= IPV6_HLEN && ICMP6_HLEN + q.l4_off + 8u <= n);
        Z_CHECK(q.seq == 0 || q.proto == IPPROTO_TCP_);
        check_quote_ports(q.proto, IPPROTO_ICMPV6_, q.icmp_type, q.sport, q.dport, c + q.l4_off);
    }
    free(c);
}

static void fuzz_udp(const uint8_t *p, size_t n)
{
    struct udp_hdr h, g;
    uint8_t out[UDP_HLEN];

    if (!udp_parse(p, (uint32_t)n, &h))
        return;
    Z_CHECK(h.len >= UDP_HLEN && h.len <= n);
    udp_build(out, &h);
    Z_CHECK(memcmp(out, p, 6) == 0 && (out[6] | out[7]) == 0);
    Z_CHECK(udp_parse(out, h.len, &g) && !g.has_cksum);
}

static void tcp_options(const uint8_t *p, size_t n)
{
    struct tcp_opts o, q;
    uint32_t val, ecr;
    uint8_t *c = exact(p, n);
    bool ok = tcp_opts_parse(c, n, &o);
    bool ts_only = tcp_opts_parse_ts_only(c, n, &val, &ecr);

    free(c);
    Z_CHECK(o.n_sack <= TCP_SACK_BLOCKS_MAX);
    if (ts_only) {
        Z_CHECK(ok && o.has_ts && o.ts_val == val && o.ts_ecr == ecr);
        Z_CHECK(!o.has_mss && !o.has_ws && !o.sack_ok && o.n_sack == 0);
    }
    unsigned len = tcp_opts_len(&o);
    uint8_t *out = malloc(len ? len : 1);
    Z_CHECK(out && len <= TCP_OPT_MAX && len % 4 == 0);
    Z_CHECK(tcp_opts_build(out, &o) == len);
    Z_CHECK(tcp_opts_parse(out, len, &q));
    free(out);
    Z_CHECK(q.has_mss == o.has_mss && q.mss == o.mss && q.has_ws == o.has_ws && q.ws == o.ws && q.sack_ok == o.sack_ok);
    Z_CHECK(q.has_ts == o.has_ts && q.ts_val == o.ts_val && q.ts_ecr == o.ts_ecr);
    Z_CHECK(q.has_tfo == o.has_tfo && q.tfo_len == o.tfo_len && memcmp(q.tfo, o.tfo, o.tfo_len) == 0);
    Z_CHECK(o.tfo_len == 0 || (o.has_tfo && o.tfo_len >= TCP_TFO_COOKIE_MIN && o.tfo_len <= TCP_TFO_COOKIE_MAX && o.tfo_len % 2 == 0));
    Z_CHECK(q.n_sack <= o.n_sack && memcmp(q.sack, o.sack, q.n_sack * sizeof(o.sack[0])) == 0);
}

static void fuzz_tcp(const uint8_t *p, size_t n)
{
    struct tcp_hdr h;
    uint8_t out[TCP_HLEN];

    if (tcp_hdr_parse(p, (uint32_t)n, &h) != TCP_PARSE_OK) {
        if (n > 0 && n <= TCP_OPT_MAX)
            tcp_options(p, n);
        return;
    }
    Z_CHECK(h.hlen >= TCP_HLEN && h.hlen <= n && h.hlen <= TCP_HLEN_MAX);
    tcp_hdr_build(out, &h);
    Z_CHECK(memcmp(out, p, 12) == 0 && out[12] == (p[12] & 0xf0) && memcmp(out + 13, p + 13, 3) == 0);
    Z_CHECK((out[16] | out[17]) == 0 && memcmp(out + 18, p + 18, 2) == 0);
    if (h.hlen > TCP_HLEN)
        tcp_options(p + TCP_HLEN, h.hlen - TCP_HLEN);
}

/* The first byte is the size of the buffer: what is printed is the beginning of what a large buffer would hold. */
static void fuzz_print(const uint8_t *p, size_t n)
{
    char full[1024];

    if (n == 0)
        return;
    size_t room = p[0];
    uint8_t *frame = exact(p + 1, n - 1);
    char *cut = malloc(room ? room : 1);
    Z_CHECK(print_frame(full, sizeof(full), frame, (uint32_t)(n - 1)) == full);
    Z_CHECK(print_frame(cut, room, frame, (uint32_t)(n - 1)) == cut);
    if (room > 0) {
        size_t len = strlen(full);

        Z_CHECK(strlen(cut) == (len < room ? len : room - 1) && memcmp(cut, full, strlen(cut)) == 0);
    }
    free(cut);
    free(frame);
}

/* The first byte says where to cut: the sum of two pieces against RFC 1071 as written. */
static void fuzz_cksum(const uint8_t *p, size_t n)
{
    uint32_t plain = 0;

    if (n == 0)
        return;
    size_t cut = p[0] % n;
    p++;
    n--;
    for (size_t i = 0; i < n; i++) {
        plain += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
        plain = (plain & 0xffff) + (plain >> 16);
    }
    uint8_t *a = exact(p, cut), *b = exact(p + cut, n - cut);
    uint16_t sum = cksum_finish(cksum_add_at(cksum_add(0, a, cut), b, n - cut, cut));
    uint8_t wire[2];
    memcpy(wire, &sum, 2);
    Z_CHECK((uint16_t)(wire[0] << 8 | wire[1]) == (uint16_t)~plain);
    free(a);
    free(b);
}

/* The first byte chooses the addresses. What is accepted is built and parsed again to the same. */
static void fuzz_nd_msg(const uint8_t *p, size_t n)
{
    static const struct inaddr src[] = {{.b = {0xfe, 0x80, [15] = 1}}, {.b = {0}}, {.b = {0x20, 1, [15] = 1}}};
    static const struct inaddr dst[] = {{.b = {0xff, 2, [15] = 1}}, {.b = {0xfe, 0x80, [15] = 2}}};
    static uint8_t out[ND_BUILD_MAX + 65536], again[ND_BUILD_MAX + 65536];
    const struct inaddr *from, *to;
    struct nd_msg m, g;
    uint32_t len;
    uint8_t *c;

    if (n == 0)
        return;
    from = &src[p[0] % 3];
    to = &dst[p[0] / 3 % 2];
    c = exact(p + 1, n - 1);
    if (nd_parse(c, (uint32_t)(n - 1), from, to, 255, &m) == ND_OK) {
        Z_CHECK(m.n_prefixes <= ND_PREFIXES_MAX);
        Z_CHECK(m.redirected == NULL || (m.redirected > c && m.redirected + m.redirected_len <= c + n - 1));
        for (unsigned i = 0; i < m.n_prefixes; i++)
            Z_CHECK(m.prefix[i].plen <= 128);
        len = nd_build(out, &m);
        Z_CHECK(nd_parse(out, len, from, to, 255, &g) == ND_OK);
        Z_CHECK(nd_build(again, &g) == len && memcmp(out, again, len) == 0);
        Z_CHECK(nd_parse(out, len, from, to, 254, &g) == ND_EHOPS);
    }
    free(c);
}

static void fuzz_mcast_msg(const uint8_t *p, size_t n)
{
    struct mcast_query q;
    struct inaddr group;
    uint32_t v4;
    uint8_t type;
    uint16_t sum;

    if (mld_parse_query(p, (uint32_t)n, &q)) {
        Z_CHECK(q.version == 1 || q.version == 2);
        for (unsigned i = 0; i < q.n_srcs; i++)
            (void)mld_query_src(&q, i);
    }
    (void)mld_parse_report(p, (uint32_t)n, &type, &group);
    if (n < IGMP_HLEN)
        return;
    uint8_t *c = exact(p, n);
    memset(c + 2, 0, 2);
    sum = cksum_finish(cksum_add(0, c, n));
    memcpy(c + 2, &sum, 2);
    if (igmp_parse_query(c, (uint32_t)n, &q)) {
        Z_CHECK(q.version >= 1 && q.version <= 3 && q.general == (inaddr_to_v4(&q.group) == 0));
        for (unsigned i = 0; i < q.n_srcs; i++)
            (void)igmp_query_src(&q, i);
    }
    (void)igmp_parse_report(c, (uint32_t)n, &type, &v4);
    free(c);
}

static const struct {
    const char *name;
    void (*run)(const uint8_t *p, size_t n);
} targets[] = {
    {"fuzz_eth", fuzz_eth},   {"fuzz_arp", fuzz_arp},     {"fuzz_ipv4", fuzz_ipv4},     {"fuzz_icmp", fuzz_icmp},
    {"fuzz_udp", fuzz_udp},   {"fuzz_tcp", fuzz_tcp},     {"fuzz_print", fuzz_print},   {"fuzz_cksum", fuzz_cksum},
    {"fuzz_ipv6", fuzz_ipv6}, {"fuzz_icmp6", fuzz_icmp6}, {"fuzz_nd_msg", fuzz_nd_msg}, {"fuzz_mcast_msg", fuzz_mcast_msg},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (strcmp(targets[i].name, FUZZ_NAME) == 0) {
            uint8_t *c = exact(data, size);

            targets[i].run(c, size);
            free(c);
        }
    }
    return 0;
}
