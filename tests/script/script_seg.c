/* The segments of a script: built, parsed, printed, compared. */
#include "script_priv.h"

#include <stdio.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/print.h"

#define TCP_OFF (ETH_HLEN + script_ip_bytes())

static int print_opts(char *p, int n, const struct opt *o)
{
    int k = 0;

    for (int i = 0; i < SEG_OPTS && o[i].kind != 0 && k < n; i++) {
        switch (o[i].kind) {
        case 1:
            k += snprintf(p + k, (size_t)(n - k), " nop");
            break;
        case 2:
            k += snprintf(p + k, (size_t)(n - k), " mss %u", o[i].a);
            break;
        case 3:
            k += snprintf(p + k, (size_t)(n - k), " wscale %u", o[i].a);
            break;
        case 4:
            k += snprintf(p + k, (size_t)(n - k), " sackOK");
            break;
        case 5:
            k += snprintf(p + k, (size_t)(n - k), " sack %u:%u", o[i].a, o[i].b);
            break;
        case 8:
            k += snprintf(p + k, (size_t)(n - k), " TS val %u ecr %u", o[i].a, o[i].b);
            break;
        default:
            k += snprintf(p + k, (size_t)(n - k), " option %u", o[i].kind);
        }
    }
    return k;
}

/* As tcpdump, with relative numbers. */
static const char *print_seg(char *buf, int n, const struct seg *g)
{
    int k = snprintf(buf, (size_t)n, "%u [%s] seq %u:%u ack %u win %d len %u", g->port != 0 ? g->port : PEER_PORT, g->flags, g->seq,
                     g->seq + g->len, g->ack, g->win, g->len);

    if (g->urp != 0)
        k += snprintf(buf + k, (size_t)(n - k), " urg %u", g->urp);
    print_opts(buf + k, n - k, g->o);
    return buf;
}

/* Segments that arrive -------------------------------------------------------------------------------------------------- */

static uint8_t parse_flags(const char *f)
{
    static const char letters[] = "FSRPAUEC";
    uint8_t v = 0;

    for (; *f != '\0'; f++)
        v |= (uint8_t)(1u << (strchr(letters, *f) - letters));
    return v;
}

static unsigned build_opts(uint8_t *p, struct flow *f, const struct opt *o)
{
    uint8_t *start = p, *sack = NULL;

    for (int i = 0; i < SEG_OPTS && o[i].kind != 0; i++) {
        if (o[i].kind == 5 && sack != NULL) { /* another block of the same option */
            put32(p, f->iss + o[i].a);
            put32(p + 4, f->iss + o[i].b);
            p += 8;
            sack[1] = (uint8_t)(sack[1] + 8);
            continue;
        }
        for (int pad = o[i].kind == 3 ? 1 : o[i].kind == 4 || o[i].kind == 5 || o[i].kind == 8 || o[i].kind == 34 ? 2 : 0; pad > 0; pad--)
            *p++ = 1;
        *p++ = o[i].kind;
        switch (o[i].kind) {
        case 2:
            *p++ = 4;
            put16(p, (uint16_t)o[i].a);
            p += 2;
            break;
        case 3:
            *p++ = 3;
            *p++ = (uint8_t)o[i].a;
            break;
        case 4:
            *p++ = 2;
            break;
        case 5:
            sack = p - 1;
            *p++ = 10;
            put32(p, f->iss + o[i].a);
            put32(p + 4, f->iss + o[i].b);
            p += 8;
            break;
        case 8:
            *p++ = 10;
            put32(p, o[i].a);
            put32(p + 4, o[i].len == 11 ? f->ts_first + o[i].b : f->ts_last);
            p += 8;
            break;
        case 34:
            *p++ = o[i].len;
            if (o[i].len == 10) {
                put32(p, o[i].a);
                put32(p + 4, o[i].b);
                p += 8;
            }
            break;
        default:
            break;
        }
    }
    while ((p - start) % 4 != 0)
        *p++ = 0;
    return (unsigned)(p - start);
}

static bool has_opt(const struct opt *o, uint8_t kind)
{
    for (int i = 0; i < SEG_OPTS && o[i].kind != 0; i++)
        if (o[i].kind == kind)
            return true;
    return false;
}

/* Type of service, or traffic class, of a finished header. */
static void set_tos(uint8_t *ip, uint8_t tos)
{
    uint16_t sum;

    if (ip[0] >> 4 == 6) {
        ip[0] = (uint8_t)(0x60 | tos >> 4);
        ip[1] = (uint8_t)((ip[1] & 0x0f) | tos << 4);
        return;
    }
    ip[1] = tos;
    ip[10] = ip[11] = 0;
    sum = cksum_finish(cksum_add(0, ip, IPV4_HLEN));
    memcpy(ip + 10, &sum, 2);
}

void script_in(const char *file, int line, struct seg g)
{
    struct flow *f = script_flow(g.port);
    struct tcp_hdr h = {.sport = f->port, .dport = g.lport != 0 ? g.lport : f->lport, .flags = parse_flags(g.flags), .urp = g.urp};
    struct inaddr src = script_addr(g.src != 0 ? g.src : PEER_ADDR), dst = script_addr(g.dst != 0 ? g.dst : OUR_ADDR);
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t b[FRAME_MAX] = {0}, *t = b + TCP_OFF;
    uint32_t l4, data_rel = g.seq + ((h.flags & TH_SYN) != 0);
    char text[SCRIPT_LINE];
    uint16_t sum;

    (void)file;
    (void)line;
    script_start();
    if (f->ts_on && !g.no_ts && !has_opt(g.o, 8) && (h.flags & TH_SYN) == 0) {
        memmove(&g.o[1], &g.o[0], sizeof(g.o) - sizeof(g.o[0]));
        g.o[0] = (struct opt)TS(1000 + (uint32_t)now_ms());
    }
    h.seq = f->peer_isn + g.seq;
    h.ack = h.flags & TH_ACK ? (f->iss_known ? f->iss : 0) + g.ack : 0;
    h.wnd = (uint16_t)(g.win == 0 ? 65535 : g.win == WIN0 ? 0 : g.win);
    g.win = h.wnd;
    script_log("%9.3f  > %s", script_at(S.now_ns), print_seg(text, sizeof(text), &g));
    if (g.raw != NULL) {
        memcpy(t + TCP_HLEN, g.raw, g.raw_len);
        l4 = TCP_HLEN + g.raw_len;
    } else {
        l4 = TCP_HLEN + build_opts(t + TCP_HLEN, f, g.o);
    }
    h.hlen = g.hlen != 0 ? g.hlen : (uint8_t)l4;
    tcp_hdr_build(t, &h);
    for (uint32_t i = 0; i < g.len; i++)
        t[l4 + i] = script_pattern(true, data_rel + i);
    l4 += g.len;
    sum = cksum_finish(cksum_add(cksum_pseudo(&src, &dst, 6, l4), t, l4));
    memcpy(t + TCP_CKSUM_OFFSET, &sum, 2);
    if (g.bad_cksum)
        t[TCP_CKSUM_OFFSET] ^= 0x10;
    script_frame(b, g.bcast_mac ? everybody : script_our_mac, &src, &dst, 6, l4);
    if (g.tos != 0)
        set_tos(b + ETH_HLEN, g.tos);
    script_deliver(b, MAX(TCP_OFF + l4, 60u));
    script_turn();
}

/* What ICMPv6 has for a message of ICMP; a type of neither for source quench, which it has not. */
static void icmp_to_v6(struct icmp6_hdr *h, uint8_t type, uint8_t code, uint16_t mtu)
{
    static const uint8_t types[] = {[3] = ICMP6_UNREACH, [4] = 100, [11] = ICMP6_TIME_EXCEEDED, [12] = ICMP6_PARAM_PROBLEM};

    *h = (struct icmp6_hdr){.type = types[type], .code = code};
    if (type == ICMP_UNREACH && code == ICMP_UNREACH_NEEDFRAG && mtu != 0)
        *h = (struct icmp6_hdr){.type = ICMP6_TOO_BIG, .word = mtu + IPV6_HLEN - IPV4_HLEN};
}

void script_icmp(const char *file, int line, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq)
{
    struct inaddr peer = script_addr(PEER_ADDR), our = script_addr(OUR_ADDR);
    struct ipv4_hdr quote = {.ttl = 60, .proto = 6, .df = true, .src = OUR_ADDR, .dst = PEER_ADDR, .total_len = 1500};
    struct ipv6_hdr quote6 = {.hop_limit = 60, .next = 6, .src = our, .dst = peer, .payload_len = 1480};
    uint32_t l4 = ICMP_HLEN + script_ip_bytes() + TCP_HLEN;
    uint8_t b[160] = {0}, *p = b + TCP_OFF, *q = p + ICMP_HLEN, proto = v6() ? IPPROTO_ICMPV6_ : IPPROTO_ICMP_;
    struct icmp_hdr h = {.type = type, .code = code, .seq = mtu};
    struct flow *f = script_flow(0);
    struct icmp6_hdr h6;
    uint16_t sum;

    (void)file;
    (void)line;
    script_log("%9.3f  > ICMP type %u code %u mtu %u about seq %u", script_at(S.now_ns), type, code, mtu, seq);
    script_frame(b, script_our_mac, &peer, &our, proto, l4);
    if (v6()) {
        icmp_to_v6(&h6, type, code, mtu);
        icmp6_build(p, &h6);
        ipv6_build(q, &quote6);
    } else {
        icmp_build(p, &h);
        ipv4_build(q, &quote, true);
    }
    q += script_ip_bytes();
    put16(q, f->lport);
    put16(q + 2, f->port);
    put32(q + 4, f->iss + seq);
    sum = cksum_finish(cksum_add(v6() ? cksum_pseudo(&peer, &our, proto, l4) : 0, p, l4));
    memcpy(p + 2, &sum, 2);
    script_deliver(b, TCP_OFF + l4);
    script_turn();
}

/* Segments that leave --------------------------------------------------------------------------------------------------- */

static const char *parse_sent_opts(const uint8_t *p, uint32_t len, struct flow *f, struct seg *g)
{
    int n = 0;

    while (len > 0) {
        if (*p == 0) { /* MUST-69: padding is zero */
            for (uint32_t i = 0; i < len; i++)
                if (p[i] != 0)
                    return "padding is not zero";
            return NULL;
        }
        if (*p == 1) {
            p++;
            len--;
            continue;
        }
        if (len < 2 || p[1] < 2 || p[1] > len || n + 4 >= SEG_OPTS)
            return "malformed options";
        switch (*p) {
        case 2:
            g->o[n++] = (struct opt)MSS(get16(p + 2));
            break;
        case 3:
            g->o[n++] = (struct opt)WS(p[2]);
            break;
        case 4:
            g->o[n++] = (struct opt)SACKOK;
            break;
        case 5:
            for (uint32_t i = 2; i + 8 <= p[1]; i += 8)
                g->o[n++] = (struct opt)SACK(get32(p + i) - f->peer_isn, get32(p + i + 4) - f->peer_isn);
            break;
        case 8:
            g->o[n++] = (struct opt){8, 10, get32(p + 2), get32(p + 6)};
            break;
        case 34:
            if (p[1] != 2 && p[1] != 10)
                return "a Fast Open cookie of an odd length";
            g->o[n++] = (struct opt){34, p[1], p[1] == 10 ? get32(p + 2) : 0, p[1] == 10 ? get32(p + 6) : 0};
            break;
        default:
            return "an option that the stack should not send";
        }
        len -= p[1];
        p += p[1];
    }
    return NULL;
}

static void format_flags(uint8_t v, char *to)
{
    static const char order[] = "SFRPAUEC", letters[] = "FSRPAUEC";

    for (const char *c = order; *c != '\0'; c++)
        if (v & (1u << (strchr(letters, *c) - letters)))
            *to++ = *c;
    *to = '\0';
}

/* What is looked at of either family's header. */
struct sent_ip {
    struct inaddr src, dst;
    uint32_t hlen, l4;
    uint8_t ttl, tos;
    bool ok; /* as every header of ours is */
    bool df; /* IPv6: nobody on the way may cut a packet */
};

static bool parse_sent_v4(const uint8_t *p, uint32_t len, struct sent_ip *ip)
{
    struct ipv4_hdr h;

    if (ipv4_parse(p, len, len, false, &h) != IPV4_OK || h.proto != 6)
        return false;
    *ip = (struct sent_ip){inaddr_v4(h.src), inaddr_v4(h.dst), h.hlen, (uint32_t)h.total_len - h.hlen, h.ttl, h.tos, h.hlen == IPV4_HLEN, h.df};
    return true;
}

static bool parse_sent_v6(const uint8_t *p, uint32_t len, struct sent_ip *ip)
{
    struct ipv6_hdr h;

    if (ipv6_parse(p, len, len, &h) != IPV6_OK || h.next != 6)
        return false;
    *ip = (struct sent_ip){h.src, h.dst, IPV6_HLEN, h.payload_len, h.hop_limit, h.tclass, h.flow != 0, true};
    return true;
}

static bool parse_sent_ip(const struct sent_frame *q, struct sent_ip *ip)
{
    if (memcmp(q->data, script_peer_mac, 6) != 0 || get16(q->data + 12) != (v6() ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4))
        return false;
    return v6() ? parse_sent_v6(q->data + ETH_HLEN, q->len - ETH_HLEN, ip) : parse_sent_v4(q->data + ETH_HLEN, q->len - ETH_HLEN, ip);
}

/* Everything that holds for every segment; why: the first thing that does not. */
static struct seg parse_sent(const struct sent_frame *q, char flags[9], char why[120])
{
    const uint8_t *t = q->data + TCP_OFF;
    struct inaddr our = script_addr(OUR_ADDR), peer = script_addr(PEER_ADDR);
    struct seg g = {.flags = flags};
    struct sent_ip ip;
    struct tcp_hdr h;
    struct flow *f;
    const char *err = NULL;
    uint32_t l4;

    why[0] = '\0';
    flags[0] = '\0';
    if (!parse_sent_ip(q, &ip)) {
        print_frame(why, 120, q->data, q->len);
        return g;
    }
    l4 = ip.l4;
    if (!ip.ok || !inaddr_eq(&ip.src, &our) || !inaddr_eq(&ip.dst, &peer))
        err = "IP header";
    else if (tcp_hdr_parse(t, l4, &h) != TCP_PARSE_OK)
        err = "TCP header";
    else if (cksum_finish(cksum_add(cksum_pseudo(&ip.src, &ip.dst, 6, l4), t, l4)) != 0)
        err = "TCP checksum";
    if (err != NULL) {
        snprintf(why, 120, "bad %s", err);
        return g;
    }
    f = script_flow(h.dport);
    format_flags(h.flags, flags);
    if (!f->iss_known) { /* learned from the first segment; a reset of no connection takes the peer's numbers */
        f->iss = h.flags & TH_SYN ? h.seq : 0;
        f->lport = h.sport;
        f->iss_known = (h.flags & TH_SYN) != 0;
    }
    g.port = h.dport;
    g.lport = h.sport;
    g.seq = h.seq - f->iss;
    g.ack = h.flags & TH_ACK ? h.ack - f->peer_isn : 0;
    g.len = l4 - h.hlen;
    g.win = h.wnd;
    g.urp = h.urp;
    g.ttl = ip.ttl;
    g.tos = ip.tos;
    g.no_df = !ip.df;
    err = parse_sent_opts(t + TCP_HLEN, h.hlen - TCP_HLEN, f, &g);
    if (err == NULL && (h.flags & TH_URG) == 0 && h.urp != 0)
        err = "urgent pointer without URG";
    for (uint32_t i = 0; err == NULL && i < g.len; i++)
        if (t[h.hlen + i] != script_pattern(false, g.seq + ((h.flags & TH_SYN) != 0) + i))
            err = "payload differs";
    if (err != NULL)
        snprintf(why, 120, "%s", err);
    return g;
}

static bool carries_cookie(const struct seg *want)
{
    for (int i = 0; want != NULL && i < SEG_OPTS && want->o[i].kind != 0; i++)
        if (want->o[i].kind == 8 && want->o[i].len == 12)
            return true;
    return false;
}

static const char *ts_check(struct flow *f, const struct opt *o, uint64_t at_ns, bool cookie)
{
    for (int i = 0; i < SEG_OPTS && o[i].kind != 0; i++) {
        if (o[i].kind != 8)
            continue;
        f->ts_last = o[i].a;
        if (cookie)
            continue;
        if (!f->ts_known) {
            f->ts_known = true;
            f->ts_first = o[i].a;
            f->ts_base = o[i].a - (uint32_t)(at_ns / NS_PER_MS);
        }
        if (o[i].a != f->ts_base + (uint32_t)(at_ns / NS_PER_MS))
            return "the timestamp is not the millisecond clock's";
    }
    return NULL;
}

static bool opts_equal(const struct flow *f, const struct seg *want, const struct seg *got)
{
    bool skip_ts = f->ts_on && !want->no_ts && !has_opt(want->o, 8);
    int w = 0;

    if (skip_ts && !has_opt(got->o, 8))
        return false;
    for (int i = 0; i < SEG_OPTS && got->o[i].kind != 0; i++) {
        const struct opt *a = &got->o[i], *b = &want->o[w];

        if (a->kind == 8 && skip_ts)
            continue;
        if (a->kind == 34 && b->kind == 34 && b->len == 11 && a->len == 10) {
            w++;
            continue;
        }
        if (a->kind != b->kind || (a->kind == 34 && a->len != b->len) || (a->kind == 8 ? a->b != b->b : a->a != b->a || a->b != b->b))
            return false;
        w++;
    }
    return want->o[w].kind == 0;
}

/* MSS, SACK-permitted, timestamps, window scale, SACK: the order in which options are compared. */
static void sort_opts(struct opt *o)
{
    static const uint8_t rank[256] = {[2] = 1, [4] = 2, [8] = 3, [3] = 4, [34] = 5, [5] = 6};

    for (int i = 1; i < SEG_OPTS && o[i].kind != 0; i++)
        for (int k = i; k > 0 && rank[o[k].kind] < rank[o[k - 1].kind]; k--) {
            struct opt x = o[k];

            o[k] = o[k - 1];
            o[k - 1] = x;
        }
}

/* The next segment that left; it must be well formed and of just now. */
static struct seg take(const char *file, int line, char flags[9], const struct seg *want)
{
    char why[120], text[SCRIPT_LINE];
    const struct sent_frame *q;
    const char *err;
    struct seg got;

    script_start();
    if (S.head == S.tail)
        script_fail(file, line, "nothing was sent, expected %s", want != NULL ? print_seg(text, sizeof(text), want) : "something");
    q = &S.queue[S.head++ % SCRIPT_QUEUE];
    got = parse_sent(q, flags, why);
    script_log("%9.3f  < %s", script_at(q->at_ns), why[0] != '\0' ? why : print_seg(text, sizeof(text), &got));
    if (why[0] != '\0')
        script_fail(file, line, "%s", why);
    sort_opts(got.o);
    err = ts_check(script_flow(got.port), got.o, q->at_ns, carries_cookie(want));
    if (err != NULL)
        script_fail(file, line, "%s", err);
    if (q->at_ns != S.now_ns)
        script_fail(file, line, "that was sent %.3f ms ago", (double)(S.now_ns - q->at_ns) / 1e6);
    S.last = got;
    S.last.flags = NULL;
    return got;
}

struct seg script_out_any(const char *file, int line)
{
    char flags[9];

    take(file, line, flags, NULL);
    return S.last;
}

void script_out(const char *file, int line, struct seg want)
{
    char flags[9], text[SCRIPT_LINE];
    struct seg got = take(file, line, flags, &want);

    sort_opts(want.o);
    if (want.port == 0)
        want.port = PEER_PORT;
    if (parse_flags(want.flags) != parse_flags(got.flags) || want.seq != got.seq || want.ack != got.ack || want.len != got.len ||
        want.port != got.port || want.urp != got.urp || want.no_df != got.no_df || got.ttl != (want.ttl != 0 ? want.ttl : 64) || want.tos != got.tos ||
        !opts_equal(script_flow(got.port), &want, &got) || (want.win == WIN0 && got.win != 0) || (want.win > 0 && want.win != got.win))
        script_fail(file, line, "expected %s", print_seg(text, sizeof(text), &want));
}

struct seg script_last(void)
{
    return S.last;
}

void script_nothing(const char *file, int line)
{
    char flags[9], why[120], text[SCRIPT_LINE];
    struct seg got;

    script_start();
    if (S.head == S.tail)
        return;
    got = parse_sent(&S.queue[S.head % SCRIPT_QUEUE], flags, why);
    script_fail(file, line, "expected nothing more, but sent at %.3f: %s", script_at(S.queue[S.head % SCRIPT_QUEUE].at_ns),
                why[0] != '\0' ? why : print_seg(text, sizeof(text), &got));
}
