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
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
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
        Z_CHECK(n >= ICMP_HLEN + IPV4_HLEN + 8u);
        Z_CHECK(q.seq == 0 || q.proto == IPPROTO_TCP_);
        Z_CHECK((q.sport | q.dport) == 0 || q.proto == IPPROTO_TCP_ || q.proto == IPPROTO_UDP_);
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

static const struct {
    const char *name;
    void (*run)(const uint8_t *p, size_t n);
} targets[] = {
    {"fuzz_eth", fuzz_eth}, {"fuzz_arp", fuzz_arp}, {"fuzz_ipv4", fuzz_ipv4},   {"fuzz_icmp", fuzz_icmp},
    {"fuzz_udp", fuzz_udp}, {"fuzz_tcp", fuzz_tcp}, {"fuzz_print", fuzz_print}, {"fuzz_cksum", fuzz_cksum},
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
