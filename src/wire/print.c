#include "wire/print.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

#include "base/poison.h"

#define VLAN_TAG_LEN 4u

/* Text that is cut at the end of the buffer. */
struct out {
    char *buf;
    size_t n, off;
};

static __attribute__((format(printf, 2, 3))) void put(struct out *o, const char *fmt, ...)
{
    va_list ap;

    if (o->off + 1 >= o->n)
        return;
    va_start(ap, fmt);
    int k = vsnprintf(o->buf + o->off, o->n - o->off, fmt, ap);
    va_end(ap);
    if (k < 0)
        return;
    o->off += (size_t)k;
    if (o->off >= o->n)
        o->off = o->n - 1;
}

static struct out out_init(char *buf, size_t n)
{
    if (n > 0)
        buf[0] = '\0';
    return (struct out){.buf = buf, .n = n};
}

static void put_v4(struct out *o, uint32_t a)
{
    put(o, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void put_mac(struct out *o, const uint8_t a[6])
{
    put(o, "%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
}

char *print_v4(char *buf, size_t n, uint32_t addr)
{
    struct out o = out_init(buf, n);

    put_v4(&o, addr);
    return buf;
}

char *print_mac(char *buf, size_t n, const uint8_t mac[6])
{
    struct out o = out_init(buf, n);

    put_mac(&o, mac);
    return buf;
}

/* RFC 5952 section 4: lower case, no leading zeroes, the first longest run of two or more zero groups as "::". */
static void put_v6(struct out *o, const uint8_t *b)
{
    int best = -1, best_len = 1;

    for (int i = 0; i < 8; i++) {
        int k = i;

        while (k < 8 && get16(b + 2 * k) == 0)
            k++;
        if (k - i > best_len) {
            best = i;
            best_len = k - i;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            put(o, "::");
            i += best_len - 1;
        } else {
            put(o, i == 0 || i == best + best_len ? "%x" : ":%x", get16(b + 2 * i));
        }
    }
}

static void put_addr(struct out *o, const struct inaddr *a)
{
    if (inaddr_is_v4(a))
        put_v4(o, inaddr_to_v4(a));
    else
        put_v6(o, a->b);
}

char *print_inaddr(char *buf, size_t n, const struct inaddr *a)
{
    struct out o = out_init(buf, n);

    put_addr(&o, a);
    return buf;
}

static void put_tcp_flags(struct out *o, uint8_t flags)
{
    static const struct {
        uint8_t flag;
        char c;
    } names[] = {{TH_FIN, 'F'}, {TH_SYN, 'S'}, {TH_RST, 'R'}, {TH_PSH, 'P'}, {TH_ACK, '.'}, {TH_URG, 'U'}, {TH_ECE, 'E'}, {TH_CWR, 'W'}};

    if (flags == 0)
        put(o, "none");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (flags & names[i].flag)
            put(o, "%c", names[i].c);
    }
}

char *print_tcp_flags(char *buf, size_t n, uint8_t flags)
{
    struct out o = out_init(buf, n);

    put_tcp_flags(&o, flags);
    return buf;
}

/* One option of at least two bytes that lies within the header. */
static void put_tcp_opt(struct out *o, const uint8_t *p, unsigned len)
{
    if (p[0] == 2 && len == 4) {
        put(o, "mss %u", get16(p + 2));
    } else if (p[0] == 3 && len == 3) {
        put(o, "wscale %u", p[2]);
    } else if (p[0] == 4 && len == 2) {
        put(o, "sackOK");
    } else if (p[0] == 8 && len == 10) {
        put(o, "TS val %u ecr %u", get32(p + 2), get32(p + 6));
    } else if (p[0] == 5 && len >= 10 && (len - 2) % 8 == 0) {
        put(o, "sack %u ", (len - 2) / 8);
        for (unsigned i = 2; i < len; i += 8)
            put(o, "{%u:%u}", get32(p + i), get32(p + i + 4));
    } else {
        put(o, "unknown-%u length %u", p[0], len);
    }
}

static void put_tcp_opts(struct out *o, const uint8_t *p, unsigned len)
{
    const char *sep = "";

    put(o, ", options [");
    while (len > 0) {
        unsigned opt_len = 1;

        put(o, "%s", sep);
        sep = ",";
        if (p[0] == 0) {
            put(o, "eol");
            break;
        }
        if (p[0] == 1) {
            put(o, "nop");
        } else if (len < 2 || p[1] < 2 || p[1] > len) {
            put(o, "bad length");
            break;
        } else {
            opt_len = p[1];
            put_tcp_opt(o, p, opt_len);
        }
        p += opt_len;
        len -= opt_len;
    }
    put(o, "]");
}

static void put_tcp(struct out *o, const struct inaddr *src, const struct inaddr *dst, const uint8_t *p, uint32_t len)
{
    struct tcp_hdr t;

    put_addr(o, src);
    if (tcp_hdr_parse(p, len, &t) != TCP_PARSE_OK) {
        put(o, " > ");
        put_addr(o, dst);
        put(o, ": [|tcp]");
        return;
    }
    uint32_t data = len - t.hlen;
    put(o, ".%u > ", t.sport);
    put_addr(o, dst);
    put(o, ".%u: Flags [", t.dport);
    put_tcp_flags(o, t.flags);
    put(o, "]");
    if (data > 0)
        put(o, ", seq %u:%u", t.seq, t.seq + data);
    else if (t.flags & (TH_SYN | TH_FIN | TH_RST))
        put(o, ", seq %u", t.seq);
    if (t.flags & TH_ACK)
        put(o, ", ack %u", t.ack);
    put(o, ", win %u", t.wnd);
    if (t.flags & TH_URG)
        put(o, ", urg %u", t.urp);
    if (t.hlen > TCP_HLEN)
        put_tcp_opts(o, p + TCP_HLEN, t.hlen - TCP_HLEN);
    put(o, ", length %u", data);
}

static void put_unreach(struct out *o, const struct icmp_hdr *ic, const uint8_t *p, uint32_t len)
{
    struct icmp_quote q;

    if (!icmp_parse_quote(p + ICMP_HLEN, len - ICMP_HLEN, &q)) {
        put(o, "unreachable code %u", ic->code);
        return;
    }
    switch (ic->code) {
    case ICMP_UNREACH_HOST:
        put(o, "host ");
        put_v4(o, q.dst);
        put(o, " unreachable");
        break;
    case ICMP_UNREACH_PORT:
        put_v4(o, q.dst);
        put(o, " %s port %u unreachable", q.proto == IPPROTO_UDP_ ? "udp" : q.proto == IPPROTO_TCP_ ? "tcp" : "unknown", q.dport);
        break;
    case ICMP_UNREACH_PROTO:
        put_v4(o, q.dst);
        put(o, " protocol %u unreachable", q.proto);
        break;
    case ICMP_UNREACH_NEEDFRAG:
        put_v4(o, q.dst);
        put(o, " unreachable - need to frag (mtu %u)", ic->seq);
        break;
    default:
        put_v4(o, q.dst);
        put(o, " unreachable code %u", ic->code);
    }
}

static void put_icmp(struct out *o, const uint8_t *p, uint32_t len)
{
    struct icmp_hdr ic;

    if (!icmp_parse(p, len, &ic)) {
        put(o, "[|icmp]");
        return;
    }
    put(o, "ICMP ");
    if (ic.type == ICMP_ECHO || ic.type == ICMP_ECHO_REPLY)
        put(o, "echo %s, id %u, seq %u", ic.type == ICMP_ECHO ? "request" : "reply", ic.id, ic.seq);
    else if (ic.type == ICMP_UNREACH)
        put_unreach(o, &ic, p, len);
    else if (ic.type == ICMP_TIME_EXCEEDED)
        put(o, "%s", ic.code == 0 ? "time exceeded in-transit" : "ip reassembly time exceeded");
    else
        put(o, "type %u code %u", ic.type, ic.code);
    put(o, ", length %u", len);
}

static const char *ipv4_err_text(enum ipv4_err e)
{
    switch (e) {
    case IPV4_EVERSION:
        return "bad version";
    case IPV4_EHLEN:
        return "bad header length";
    case IPV4_ELEN:
        return "bad total length";
    case IPV4_EOPTIONS:
        return "bad options";
    default:
        return "[|ip]";
    }
}

static void put_ipv4(struct out *o, const uint8_t *p, uint32_t len)
{
    struct ipv4_hdr ip;
    struct udp_hdr u;
    enum ipv4_err e = ipv4_parse(p, len, len, true, &ip);

    if (e != IPV4_OK) {
        put(o, "IP %s, length %u", ipv4_err_text(e), len);
        return;
    }
    const uint8_t *l4 = p + ip.hlen;
    uint32_t l4_len = (uint32_t)ip.total_len - ip.hlen;
    bool udp = ip.proto == IPPROTO_UDP_ && udp_parse(l4, l4_len, &u);

    put(o, "IP ");
    if (ip.frag_off == 0 && ip.proto == IPPROTO_TCP_) {
        const struct inaddr src = inaddr_v4(ip.src), dst = inaddr_v4(ip.dst);

        put_tcp(o, &src, &dst, l4, l4_len);
        return;
    }
    put_v4(o, ip.src);
    if (ip.frag_off == 0 && udp)
        put(o, ".%u", u.sport);
    put(o, " > ");
    put_v4(o, ip.dst);
    if (ip.frag_off == 0 && udp)
        put(o, ".%u", u.dport);
    put(o, ": ");
    if (ip.frag_off != 0)
        put(o, "ip-proto-%u, fragment at %u, length %u", ip.proto, ip.frag_off, l4_len);
    else if (udp)
        put(o, "UDP, length %u", u.len - UDP_HLEN);
    else if (ip.proto == IPPROTO_UDP_)
        put(o, "[|udp]");
    else if (ip.proto == IPPROTO_ICMP_)
        put_icmp(o, l4, l4_len);
    else
        put(o, "ip-proto-%u, length %u", ip.proto, l4_len);
}

static void put_icmp6(struct out *o, const uint8_t *p, uint32_t len)
{
    static const char *const nd[] = {"router solicitation", "router advertisement", "neighbor solicitation", "neighbor advertisement",
                                     "redirect"};
    struct icmp6_hdr h;

    if (!icmp6_parse(p, len, &h)) {
        put(o, "[|icmp6]");
        return;
    }
    put(o, "ICMP6, ");
    if (h.type == ICMP6_ECHO || h.type == ICMP6_ECHO_REPLY)
        put(o, "echo %s, id %u, seq %u", h.type == ICMP6_ECHO ? "request" : "reply", h.word >> 16, h.word & 0xffffu);
    else if (h.type >= ICMP6_ND_FIRST && h.type <= ICMP6_ND_LAST)
        put(o, "%s", nd[h.type - ICMP6_ND_FIRST]);
    else if (h.type == ICMP6_UNREACH)
        put(o, "destination unreachable, code %u", h.code);
    else if (h.type == ICMP6_TOO_BIG)
        put(o, "packet too big, mtu %u", h.word);
    else if (h.type == ICMP6_TIME_EXCEEDED)
        put(o, "%s", h.code == ICMP6_TIME_HOPS ? "time exceeded in-transit" : "reassembly time exceeded");
    else if (h.type == ICMP6_PARAM_PROBLEM)
        put(o, "parameter problem, code %u, octet %u", h.code, h.word);
    else
        put(o, "type %u code %u", h.type, h.code);
    put(o, ", length %u", len);
}

/* What is behind the headers of a packet that is whole, or the first part of one. */
static void put_ipv6_transport(struct out *o, const struct ipv6_hdr *ip, uint8_t proto, const uint8_t *l4, uint32_t len)
{
    struct udp_hdr u;
    bool udp = proto == IPPROTO_UDP_ && udp_parse(l4, len, &u);

    if (proto == IPPROTO_TCP_) {
        put_tcp(o, &ip->src, &ip->dst, l4, len);
        return;
    }
    put_v6(o, ip->src.b);
    if (udp)
        put(o, ".%u", u.sport);
    put(o, " > ");
    put_v6(o, ip->dst.b);
    if (udp)
        put(o, ".%u: UDP, length %u", u.dport, u.len - UDP_HLEN);
    else
        put(o, ": ");
    if (proto == IPPROTO_ICMPV6_)
        put_icmp6(o, l4, len);
    else if (proto == IPPROTO_UDP_ && !udp)
        put(o, "[|udp]");
    else if (!udp)
        put(o, "ip-proto-%u, length %u", proto, len);
}

static void put_ipv6(struct out *o, const uint8_t *p, uint32_t len)
{
    static const struct ipv6_ext_limits lim = {.headers = 64, .bytes = 2048, .pass_over = true};
    struct ipv6_hdr ip;
    struct ipv6_ext x;
    enum ipv6_err e = ipv6_parse(p, len, len, &ip);
    uint32_t total;

    if (e != IPV6_OK) {
        put(o, "IP6 %s, length %u", e == IPV6_EVERSION ? "bad version" : e == IPV6_ELEN ? "bad payload length" : "[|ip6]", len);
        return;
    }
    total = IPV6_HLEN + ip.payload_len;
    put(o, "IP6 ");
    switch (ipv6_ext_walk(p, total, total, &lim, &x)) {
    case IPV6_EXT_OK:
        put_ipv6_transport(o, &ip, x.proto, p + x.off, total - x.off);
        return;
    case IPV6_EXT_FRAGMENT:
        put_v6(o, ip.src.b);
        put(o, " > ");
        put_v6(o, ip.dst.b);
        put(o, ": frag (%u|%u) id 0x%08x", x.frag.off, total - x.off, x.frag.id);
        return;
    default:
        put_v6(o, ip.src.b);
        put(o, " > ");
        put_v6(o, ip.dst.b);
        put(o, ": next header %u, length %u", ip.next, ip.payload_len);
    }
}

static void put_arp(struct out *o, const uint8_t *p, uint32_t len)
{
    struct arp_pkt a;

    if (!arp_parse(p, len, &a)) {
        put(o, "ARP, malformed, length %u", len);
        return;
    }
    if (a.op == ARP_REQUEST) {
        put(o, "ARP, Request who-has ");
        put_v4(o, a.tpa);
        put(o, " tell ");
        put_v4(o, a.spa);
    } else if (a.op == ARP_REPLY) {
        put(o, "ARP, Reply ");
        put_v4(o, a.spa);
        put(o, " is-at ");
        put_mac(o, a.sha);
    } else {
        put(o, "ARP, op %u", a.op);
    }
    put(o, ", length %u", len);
}

char *print_frame(char *buf, size_t n, const uint8_t *p, uint32_t len)
{
    struct out o = out_init(buf, n);
    struct eth_hdr eth;

    if (!eth_parse(p, len, &eth)) {
        put(&o, "[|ether], length %u", len);
        return buf;
    }
    p += ETH_HLEN;
    len -= ETH_HLEN;
    if (eth.type == ETH_TYPE_VLAN && len >= VLAN_TAG_LEN) {
        put(&o, "vlan %u, ", get16(p) & 0x0fffu);
        eth.type = get16(p + 2);
        p += VLAN_TAG_LEN;
        len -= VLAN_TAG_LEN;
    }
    switch (eth.type) {
    case ETH_TYPE_IPV4:
        put_ipv4(&o, p, len);
        break;
    case ETH_TYPE_ARP:
        put_arp(&o, p, len);
        break;
    case ETH_TYPE_IPV6:
        put_ipv6(&o, p, len);
        break;
    default:
        put(&o, "ethertype 0x%04x, length %u", eth.type, len);
    }
    return buf;
}
