#include "unit.h"

#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/print.h"
#include "wire/tcp_hdr.h"
#include "wire/udp.h"

static char text[256];

static const char *frame(const uint8_t *p, size_t len)
{
    uint8_t *c = malloc(len ? len : 1);

    memcpy(c, p, len);
    char *r = print_frame(text, sizeof(text), c, (uint32_t)len);
    free(c);
    return r;
}

/* Ethernet and IPv4 headers from 10.0.0.1 to 10.0.0.2 for l4_len bytes; returns where those start. */
static size_t headers(uint8_t *p, uint8_t proto, size_t l4_len)
{
    struct eth_hdr e = {.type = ETH_TYPE_IPV4};
    struct ipv4_hdr h = {.ttl = 64, .proto = proto, .total_len = (uint16_t)(20 + l4_len), .src = 0x0a000001, .dst = 0x0a000002};

    eth_build(p, &e);
    ipv4_build(p + ETH_HLEN, &h, true);
    return ETH_HLEN + IPV4_HLEN;
}

static const char *tcp_frame(const struct tcp_hdr *t, const struct tcp_opts *o, size_t data)
{
    uint8_t p[256] = {0}, opts[TCP_OPT_MAX];
    struct tcp_hdr h = *t;
    unsigned n = tcp_opts_build(opts, o);
    size_t off = headers(p, IPPROTO_TCP_, TCP_HLEN + n + data);

    h.hlen = (uint8_t)(TCP_HLEN + n);
    tcp_hdr_build(p + off, &h);
    memcpy(p + off + TCP_HLEN, opts, n);
    return frame(p, off + TCP_HLEN + n + data);
}

static void tcp_segments(void **state)
{
    (void)state;
    struct tcp_hdr h = {.sport = 40000, .dport = 80, .seq = 100, .ack = 7, .wnd = 64240, .flags = TH_SYN};
    struct tcp_opts syn = {.has_mss = true, .mss = 1460, .sack_ok = true, .has_ts = true, .ts_val = 5, .has_ws = true, .ws = 7};
    struct tcp_opts sack = {.has_ts = true, .ts_val = 6, .ts_ecr = 5, .n_sack = 1, .sack = {{200, 300}}};
    struct tcp_opts none = {0};

    assert_string_equal(tcp_frame(&h, &syn, 0), "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 100, win 64240, "
                                                "options [mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7], length 0");
    h.flags = TH_ACK;
    assert_string_equal(tcp_frame(&h, &sack, 0), "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [.], ack 7, win 64240, "
                                                 "options [nop,nop,TS val 6 ecr 5,nop,nop,sack 1 {200:300}], length 0");
    h.flags = TH_ACK | TH_PSH | TH_URG;
    h.urp = 3;
    assert_string_equal(tcp_frame(&h, &none, 50),
                        "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.U], seq 100:150, ack 7, win 64240, urg 3, length 50");
    h.flags = TH_RST;
    assert_string_equal(tcp_frame(&h, &none, 0), "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [R], seq 100, win 64240, length 0");
}

static void udp_and_icmp(void **state)
{
    (void)state;
    uint8_t p[128] = {0};
    struct udp_hdr u = {.sport = 5000, .dport = 53, .len = 12};
    struct icmp_hdr ic = {.type = ICMP_ECHO, .id = 1, .seq = 2};
    size_t off = headers(p, IPPROTO_UDP_, 12);

    udp_build(p + off, &u);
    assert_string_equal(frame(p, off + 12), "IP 10.0.0.1.5000 > 10.0.0.2.53: UDP, length 4");
    assert_string_equal(frame(p, 60), "IP 10.0.0.1.5000 > 10.0.0.2.53: UDP, length 4"); /* padded by the link */

    off = headers(p, IPPROTO_ICMP_, 64);
    icmp_build(p + off, &ic);
    assert_string_equal(frame(p, off + 64), "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 2, length 64");
    ic = (struct icmp_hdr){.type = ICMP_UNREACH, .code = ICMP_UNREACH_PORT};
    headers(p, IPPROTO_ICMP_, 36);
    icmp_build(p + off, &ic);
    struct ipv4_hdr q = {.proto = 17, .total_len = 100, .src = 0x0a000002, .dst = 0x0a000001};
    ipv4_build(p + off + 8, &q, true);
    udp_build(p + off + 28, &u);
    assert_string_equal(frame(p, off + 36), "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.1 udp port 53 unreachable, length 36");
    ic = (struct icmp_hdr){.type = ICMP_UNREACH, .code = ICMP_UNREACH_NEEDFRAG, .seq = 1400};
    icmp_build(p + off, &ic);
    assert_string_equal(frame(p, off + 36), "IP 10.0.0.1 > 10.0.0.2: ICMP 10.0.0.1 unreachable - need to frag (mtu 1400), length 36");
}

static void arp_and_others(void **state)
{
    (void)state;
    uint8_t p[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0, 0, 0, 2, 8, 6, 0, 1, 8, 0,  6, 4, 0,
                     1,    2,    0,    0,    0,    0,    2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};

    assert_string_equal(frame(p, 42), "ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28");
    p[21] = 2;
    assert_string_equal(frame(p, 42), "ARP, Reply 10.0.0.2 is-at 02:00:00:00:00:02, length 28");
    assert_string_equal(frame(p, 41), "ARP, malformed, length 27");
    p[12] = 0x81;
    p[13] = 0;
    p[15] = 5;
    p[16] = 0x86;
    p[17] = 0xdd;
    assert_string_equal(frame(p, 64), "vlan 5, IP6 bad version, length 46");
    assert_string_equal(frame(p, 13), "[|ether], length 13");
}

static void ipv6(void **state)
{
    (void)state;
    struct ipv6_hdr h = {.hop_limit = 64, .next = IPPROTO_TCP_, .payload_len = 20, .src = {.b = {0x20, 1, 0x0d, 0xb8, [15] = 1}}, .dst = {.b = {0xfe, 0x80, [15] = 2}}};
    struct tcp_hdr t = {.sport = 40000, .dport = 80, .flags = TH_SYN, .hlen = TCP_HLEN, .seq = 100, .wnd = 64240};
    struct icmp6_hdr ic = {.type = ICMP6_ECHO, .word = 1 << 16 | 2};
    struct udp_hdr u = {.sport = 5000, .dport = 53, .len = 12};
    uint8_t p[128] = {[12] = 0x86, [13] = 0xdd}, *l4 = p + ETH_HLEN + IPV6_HLEN;

    ipv6_build(p + ETH_HLEN, &h);
    tcp_hdr_build(l4, &t);
    assert_string_equal(frame(p, 74), "IP6 2001:db8::1.40000 > fe80::2.80: Flags [S], seq 100, win 64240, length 0");
    assert_string_equal(frame(p, 73), "IP6 bad payload length, length 59");
    assert_string_equal(frame(p, 50), "IP6 [|ip6], length 36");
    h.next = IPPROTO_UDP_;
    h.payload_len = 12;
    ipv6_build(p + ETH_HLEN, &h);
    udp_build(l4, &u);
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1.5000 > fe80::2.53: UDP, length 4");
    h.next = IPPROTO_ICMPV6_;
    ipv6_build(p + ETH_HLEN, &h);
    icmp6_build(l4, &ic);
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1 > fe80::2: ICMP6, echo request, id 1, seq 2, length 12");
    l4[0] = 135;
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1 > fe80::2: ICMP6, neighbor solicitation, length 12");
    ic = (struct icmp6_hdr){.type = ICMP6_TOO_BIG, .word = 1300};
    icmp6_build(l4, &ic);
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1 > fe80::2: ICMP6, packet too big, mtu 1300, length 12");
    h.next = IPPROTO_FRAGMENT_;
    ipv6_build(p + ETH_HLEN, &h);
    memcpy(l4, "\x11\0\0\x08\0\0\0\x05", 8);
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1 > fe80::2: frag (8|4) id 0x00000005");
    l4[0] = 6; /* what follows is not looked at */
    h.next = IPPROTO_NONE_;
    ipv6_build(p + ETH_HLEN, &h);
    assert_string_equal(frame(p, 66), "IP6 2001:db8::1 > fe80::2: next header 59, length 12");
}

static void bad_packets(void **state)
{
    (void)state;
    uint8_t p[64] = {0};
    size_t off = headers(p, IPPROTO_TCP_, 20);

    assert_string_equal(frame(p, 54), "IP 10.0.0.1 > 10.0.0.2: [|tcp]");
    assert_string_equal(frame(p, off - 1), "IP [|ip], length 19");
    assert_string_equal(frame(p, 53), "IP bad total length, length 39");
    p[14] = 0x55;
    assert_string_equal(frame(p, 54), "IP bad version, length 40");
}

static void addresses(void **state)
{
    (void)state;
    static const uint8_t mac[6] = {0, 1, 0xab, 0xcd, 0xef, 0xff};
    struct inaddr a = inaddr_v4(0xc0a80001);

    assert_string_equal(print_v4(text, sizeof(text), 0xfffefdfc), "255.254.253.252");
    assert_string_equal(print_mac(text, sizeof(text), mac), "00:01:ab:cd:ef:ff");
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "192.168.0.1");
    memset(&a, 0, sizeof(a));
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "::");
    a.b[15] = 1;
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "::1");
    a.b[0] = 0x20;
    a.b[1] = 0x01;
    a.b[2] = 0x0d;
    a.b[3] = 0xb8;
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "2001:db8::1");
    a.b[9] = 2;
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "2001:db8::2:0:0:1");
    a.b[15] = 0;
    a.b[5] = a.b[7] = 1;
    assert_string_equal(print_inaddr(text, sizeof(text), &a), "2001:db8:1:1:2::");
    assert_string_equal(print_tcp_flags(text, sizeof(text), TH_SYN | TH_ACK), "S.");
    assert_string_equal(print_tcp_flags(text, sizeof(text), TH_FIN | TH_ACK), "F.");
    assert_string_equal(print_tcp_flags(text, sizeof(text), 0xff), "FSRP.UEW");
    assert_string_equal(print_tcp_flags(text, sizeof(text), 0), "none");
}

/* A short buffer holds the beginning, terminated. */
static void short_buffers(void **state)
{
    (void)state;
    static const char full[] = "10.20.30.40";
    char guard = 'x';

    assert_ptr_equal(print_v4(&guard, 0, 0x0a141e28), &guard);
    assert_int_equal(guard, 'x');
    for (size_t n = 1; n <= sizeof(full); n++) {
        char *b = malloc(n);

        assert_ptr_equal(print_v4(b, n, 0x0a141e28), b);
        assert_int_equal(strlen(b), n - 1);
        assert_memory_equal(b, full, n - 1);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_segments), cmocka_unit_test(udp_and_icmp), cmocka_unit_test(arp_and_others),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(bad_packets),  cmocka_unit_test(addresses),    cmocka_unit_test(short_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
