#include "net_fixture.h"

static struct net_frame frame;
static const char ping[] = "abcdefghijklmnopqrstuvwabcdefghi!";

static void assert_icmp(const struct net_out *o, uint8_t type, uint8_t code)
{
    assert_int_equal(o->ip.proto, IPPROTO_ICMP_);
    assert_int_equal(o->l4[0], type);
    assert_int_equal(o->l4[1], code);
    assert_int_equal(cksum_finish(cksum_add(0, o->l4, o->l4_bytes)), 0);
}

static void echo_is_answered(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 0xbeef, 0x1234, ping, sizeof(ping));
    net_inject_frame(&frame);
    assert_true(net_take(&o));
    assert_memory_equal(o.eth.dst, net_peer_mac, 6);
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_int_equal(o.ip.ttl, 64);
    assert_int_equal(o.ip.tos, 0x10);
    assert_int_equal(o.l4_bytes, ICMP_HLEN + sizeof(ping));
    assert_icmp(&o, ICMP_ECHO_REPLY, 0);
    assert_memory_equal(o.l4 + 4, ((const uint8_t[]){0xbe, 0xef, 0x12, 0x34}), 4);
    assert_memory_equal(o.l4 + ICMP_HLEN, ping, sizeof(ping));
    assert_int_equal(net_ctr(CTR_ICMP_ECHO), 1);
    assert_int_equal(net_ctr(CTR_COPY_STACK), 0);
}

/* The incremental checksum is right for every sum. */
static void echo_checksum(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    for (uint32_t id = 0; id < 0x10000; id += 0xff) {
        net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, (uint16_t)id, 0, ping, id % 32);
        net_inject_frame(&frame);
        assert_true(net_take(&o));
        assert_icmp(&o, ICMP_ECHO_REPLY, 0);
    }
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 0xf7ff, 0, NULL, 0); /* the sum is all ones */
    net_inject_frame(&frame);
    assert_true(net_take(&o));
    assert_icmp(&o, ICMP_ECHO_REPLY, 0);
}

static void echo_over_two_buffers(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 1, 2, ping, sizeof(ping));
    for (uint32_t split = 1; split < frame.len; split++) {
        net_inject_split(frame.b, frame.len, split);
        assert_true(net_take(&o));
        assert_icmp(&o, ICMP_ECHO_REPLY, 0);
        assert_memory_equal(o.l4 + ICMP_HLEN, ping, sizeof(ping));
    }
}

/* A buffer that somebody else holds is not written. */
static void echo_in_a_shared_buffer_is_copied(void **state)
{
    struct rte_mbuf *m;
    struct net_out o;
    uint8_t type;

    (void)state;
    net_resolve();
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 1, 2, ping, sizeof(ping));
    m = net_mbuf(frame.b, frame.len, 0);
    pkt_ref(m);
    eth_input(S, &net_nif[0], m);
    assert_true(net_take(&o));
    assert_icmp(&o, ICMP_ECHO_REPLY, 0);
    assert_memory_equal(o.l4 + ICMP_HLEN, ping, sizeof(ping));
    type = pkt_data(m)[0];
    assert_int_equal(type, ICMP_ECHO);
    assert_int_equal(net_ctr(CTR_COPY_STACK), ICMP_HLEN + sizeof(ping));
    pkt_unref(m);
}

static void echo_to_ourselves(void **state)
{
    struct ip_path path = {0};
    struct net_out o;
    uint64_t done;

    (void)state;
    net_frame_icmp(&frame, NET_US, NET_US, ICMP_ECHO, 0, 1, 2, ping, sizeof(ping));
    assert_int_equal(net_send(&path, NET_US, IPPROTO_ICMP_, frame.b + 34, frame.len - 34, true), 0);
    assert_int_equal(ip_loopback_poll(S), 1);
    assert_int_equal(net_ctr(CTR_ICMP_ECHO), 1);
    done = net_ctr(DROP_ICMP_TYPE);
    assert_int_equal(ip_loopback_poll(S), 1); /* the answer, which nobody waits for */
    assert_int_equal(net_ctr(DROP_ICMP_TYPE), done + 1);
    assert_int_equal(ip_loopback_poll(S), 0);
    assert_false(net_take(&o));
}

static void echo_to_a_group_is_ignored(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    net_frame_icmp(&frame, NET_PEER, NET_BCAST, ICMP_ECHO, 0, 1, 2, ping, 8);
    net_inject_frame(&frame);
    net_frame_icmp(&frame, NET_PEER, 0xe0000001u, ICMP_ECHO, 0, 1, 2, ping, 8);
    net_inject_frame(&frame);
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 1, 2, ping, 8);
    memcpy(frame.b, net_bcast_mac, 6);
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_ICMP_BCAST), 3);
    assert_false(net_take(&o));
}

static void bad_messages(void **state)
{
    struct net_out o;

    (void)state;
    for (uint32_t n = 0; n < ICMP_HLEN; n++) {
        net_frame_ip(&frame, NET_PEER, NET_US, IPPROTO_ICMP_, ping, n);
        net_inject_frame(&frame);
    }
    assert_int_equal(net_ctr(DROP_ICMP_SHORT), ICMP_HLEN);
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO, 0, 1, 2, ping, 9);
    frame.b[frame.len - 1] ^= 1;
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_ICMP_CKSUM), 1);
    net_frame_icmp(&frame, NET_PEER, NET_US, 13, 0, 1, 2, ping, 12); /* timestamp */
    net_inject_frame(&frame);
    net_frame_icmp(&frame, NET_PEER, NET_US, 5, 0, 1, 2, ping, 12); /* redirect */
    net_inject_frame(&frame);
    net_frame_icmp(&frame, NET_PEER, NET_US, ICMP_ECHO_REPLY, 0, 1, 2, ping, 12);
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_ICMP_TYPE), 3);
    assert_false(net_take(&o));
}

/* An error from the gateway about a packet src:sport -> dst:dport. */
static void inject_error(uint8_t type, uint8_t code, uint16_t mtu, uint8_t proto, uint32_t src, uint32_t split)
{
    static const uint8_t l4[8] = {0x9c, 0x40, 0x00, 0x50, 0x11, 0x22, 0x33, 0x44};
    struct net_frame quote;

    net_frame_ip(&quote, src, NET_FAR, proto, l4, sizeof(l4));
    net_frame_icmp(&frame, NET_GW, NET_US, type, code, 0, mtu, quote.b + ETH_HLEN, quote.len - ETH_HLEN);
    memcpy(frame.b + 6, net_gw_mac, 6);
    net_inject_split(frame.b, frame.len, split);
}

static void errors_reach_tcp(void **state)
{
    static const struct {
        uint8_t type, code;
        enum icmp_kind kind;
        int err;
    } t[] = {
        {3, 0, ICMP_KIND_NET_UNREACH, ENETUNREACH},
        {3, 1, ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
        {3, 2, ICMP_KIND_PROTO, ENOPROTOOPT},
        {3, 3, ICMP_KIND_PORT, ECONNREFUSED},
        {3, 4, ICMP_KIND_TOO_BIG, EMSGSIZE},
        {3, 5, ICMP_KIND_NET_UNREACH, EOPNOTSUPP},
        {3, 6, ICMP_KIND_UNKNOWN, ENETUNREACH},
        {3, 7, ICMP_KIND_UNKNOWN, EHOSTDOWN},
        {3, 8, ICMP_KIND_UNKNOWN, ENONET},
        {3, 9, ICMP_KIND_ADMIN, ENETUNREACH},
        {3, 10, ICMP_KIND_ADMIN, EHOSTUNREACH},
        {3, 11, ICMP_KIND_NET_UNREACH, ENETUNREACH},
        {3, 12, ICMP_KIND_HOST_UNREACH, EHOSTUNREACH},
        {3, 13, ICMP_KIND_ADMIN, EHOSTUNREACH},
        {3, 14, ICMP_KIND_ADMIN, EHOSTUNREACH},
        {3, 15, ICMP_KIND_ADMIN, EHOSTUNREACH},
        {3, 99, ICMP_KIND_ADMIN, EHOSTUNREACH},
        {11, 0, ICMP_KIND_TIME_EXCEEDED, EHOSTUNREACH},
        {11, 1, ICMP_KIND_TIME_EXCEEDED, EHOSTUNREACH},
        {12, 0, ICMP_KIND_PARAM_PROBLEM, EPROTO},
    };
    struct net_out o;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        inject_error(t[i].type, t[i].code, 1280, IPPROTO_TCP_, NET_US, i % 2 ? 40 : 0);
        assert_int_equal(net_seen.tcp_errors, i + 1);
        assert_int_equal(net_seen.err.kind, t[i].kind);
        assert_int_equal(net_seen.err.err, t[i].err);
        assert_int_equal(net_seen.err.kind == ICMP_KIND_TOO_BIG ? net_seen.err.info : 0, t[i].type == 3 && t[i].code == 4 ? 1280 : 0);
        assert_int_equal(inaddr_to_v4(&net_seen.err.laddr), NET_US);
        assert_int_equal(inaddr_to_v4(&net_seen.err.raddr), NET_FAR);
        assert_int_equal(net_seen.err.lport, 40000);
        assert_int_equal(net_seen.err.rport, 80);
        assert_int_equal(net_seen.err.seq, 0x11223344);
    }
    assert_int_equal(net_ctr(CTR_ICMP_ERR_RX), ARRAY_LEN(t));
    assert_false(net_take(&o)); /* an error is never answered */
}

static void errors_that_concern_nobody(void **state)
{
    (void)state;
    inject_error(3, 1, 0, IPPROTO_TCP_, NET_PEER, 0); /* not sent by us */
    inject_error(3, 1, 0, 47, NET_US, 0);
    assert_int_equal(net_ctr(DROP_ICMP_QUOTE), 2);
    for (uint32_t n = 0; n < 28; n++) { /* too little quoted */
        inject_error(3, 1, 0, IPPROTO_TCP_, NET_US, 0);
        net_frame_icmp(&frame, NET_GW, NET_US, 3, 1, 0, 0, frame.b + 42, n);
        net_inject_frame(&frame);
        assert_int_equal(net_ctr(DROP_ICMP_QUOTE), 3 + n);
    }
    assert_int_equal(net_seen.tcp_errors, 28);
    inject_error(ICMP_SOURCE_QUENCH, 0, 0, IPPROTO_TCP_, NET_US, 0); /* RFC 9293 MUST-55 */
    assert_int_equal(net_seen.tcp_errors, 28);
    assert_int_equal(net_ctr(DROP_ICMP_DONE), 28 + 1);
}

static void unknown_protocols_are_reported(void **state)
{
    static uint8_t payload[1200];
    struct net_out o;

    (void)state;
    for (unsigned i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)i;
    net_resolve();
    net_frame_ip(&frame, NET_PEER, NET_US, 132, payload, 5);
    net_inject_frame(&frame);
    assert_true(net_take(&o));
    assert_icmp(&o, ICMP_UNREACH, ICMP_UNREACH_PROTO);
    assert_int_equal(o.ip.src, NET_US);
    assert_int_equal(o.ip.dst, NET_PEER);
    assert_int_equal(o.ip.tos, 0xc0);
    assert_int_equal(o.l4_bytes, 8 + 20 + 5);
    assert_memory_equal(o.l4 + 8, frame.b + ETH_HLEN, 25); /* as it came */
    assert_int_equal(net_ctr(DROP_IP_PROTO), 1);
    /* as much as fits 576 bytes, also from a chain */
    net_frame_ip(&frame, NET_PEER, NET_US, 132, payload, sizeof(payload));
    for (uint32_t split = 0; split < 1000; split += 100) {
        net_inject_split(frame.b, frame.len, split);
        if (!net_take(&o))
            break;
        assert_int_equal(o.ip.total_len, 576);
        assert_memory_equal(o.l4 + 8, frame.b + ETH_HLEN, 576 - 28);
        assert_icmp(&o, ICMP_UNREACH, ICMP_UNREACH_PROTO);
    }
    /* IP options are part of the quote */
    net_advance(NS_PER_SEC);
    memset(payload, 1, 8);
    net_frame_ip(&frame, NET_PEER, NET_US, 132, payload, 30);
    frame.b[ETH_HLEN] = 0x47;
    net_ip_cksum(&frame);
    net_inject_frame(&frame);
    assert_true(net_take(&o));
    assert_memory_equal(o.l4 + 8, frame.b + ETH_HLEN, 50);
}

static void errors_are_not_sent_about_groups(void **state)
{
    struct net_out o;

    (void)state;
    net_resolve();
    net_frame_ip(&frame, NET_PEER, NET_BCAST, 132, ping, 8);
    net_inject_frame(&frame);
    net_frame_ip(&frame, NET_PEER, NET_US, 132, ping, 8);
    memcpy(frame.b, net_bcast_mac, 6);
    net_inject_frame(&frame);
    assert_int_equal(net_ctr(DROP_IP_PROTO), 2);
    assert_false(net_take(&o));
    assert_int_equal(net_ctr(CTR_ICMP_ERR_TX), 0);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_LIMIT), 0);
}

static unsigned errors_sent(unsigned n)
{
    uint64_t before = net_ctr(CTR_ICMP_ERR_TX);

    net_frame_ip(&frame, NET_PEER, NET_US, 132, ping, 8);
    for (unsigned i = 0; i < n; i++)
        net_inject_frame(&frame);
    net_discard_tx();
    return (unsigned)(net_ctr(CTR_ICMP_ERR_TX) - before);
}

static void errors_are_rate_limited(void **state)
{
    (void)state;
    net_resolve();
    assert_int_equal(errors_sent(100), 10);
    assert_int_equal(net_ctr(CTR_ICMP_ERR_LIMIT), 90);
    S->now_ns += NS_PER_SEC / 10 - 1;
    assert_int_equal(errors_sent(5), 0);
    S->now_ns += 1;
    assert_int_equal(errors_sent(5), 1);
    S->now_ns += NS_PER_SEC / 2;
    assert_int_equal(errors_sent(100), 5);
    S->now_ns += 3600 * NS_PER_SEC;
    assert_int_equal(errors_sent(100), 10); /* nothing is saved up */
    S->conf.icmp_error_rate = 0;
    S->now_ns += NS_PER_SEC;
    assert_int_equal(errors_sent(3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(echo_is_answered),
        NET_TEST(echo_checksum),
        NET_TEST(echo_over_two_buffers),
        NET_TEST(echo_in_a_shared_buffer_is_copied),
        NET_TEST(echo_to_ourselves),
        NET_TEST(echo_to_a_group_is_ignored),
        NET_TEST(bad_messages),
        NET_TEST(errors_reach_tcp),
        NET_TEST(errors_that_concern_nobody),
        NET_TEST(unknown_protocols_are_reported),
        NET_TEST(errors_are_not_sent_about_groups),
        NET_TEST(errors_are_rate_limited),
    };

    return cmocka_run_group_tests(tests, net_group_setup, net_group_teardown);
}
