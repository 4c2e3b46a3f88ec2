/* Pieces of a datagram, on the stack of net_fixture.h. */
#ifndef TESTS_UNIT_FRAG_FIXTURE_H
#define TESTS_UNIT_FRAG_FIXTURE_H

#include "udp_fixture.h"

#define PORT 53
#define BIG 5000u /* UDP payload: four fragments of 1480 */

static uint8_t payload[65536], l4[65536 + UDP_HLEN];
static uint8_t got[65536];

struct piece {
    uint32_t off, len;
    bool mf;
    uint16_t id;
    uint8_t proto, tos;
};

/* A UDP datagram of len payload bytes in l4; returns its bytes. */
static inline uint32_t dgram(uint32_t len)
{
    struct udp_hdr h = {.sport = 9, .dport = PORT, .len = (uint16_t)(UDP_HLEN + len)};
    uint16_t sum;

    for (uint32_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i * 7 + (i >> 8));
    udp_build(l4, &h);
    memcpy(l4 + UDP_HLEN, payload, len);
    sum = cksum_finish(cksum_add(cksum_pseudo_v4(NET_PEER, NET_US, IPPROTO_UDP_, h.len), l4, h.len));
    memcpy(l4 + UDP_CKSUM_OFFSET, &sum, 2);
    return h.len;
}

static inline void inject_from(uint32_t src, const struct piece *p, const uint8_t *bytes)
{
    static struct net_frame f;
    uint8_t *ip = f.b + ETH_HLEN;

    net_frame_ip(&f, src, NET_US, p->proto ? p->proto : IPPROTO_UDP_, bytes, p->len);
    ip[1] = p->tos;
    ip[4] = (uint8_t)(p->id >> 8);
    ip[5] = (uint8_t)p->id;
    ip[6] = (uint8_t)((p->mf ? 0x20 : 0) | p->off / 8 >> 8);
    ip[7] = (uint8_t)(p->off / 8);
    net_ip_cksum(&f);
    net_inject_frame(&f);
}

static inline void inject_piece(struct piece p)
{
    inject_from(NET_PEER, &p, l4 + p.off);
}

/* The i-th piece of a datagram of total bytes that is cut every 1480. */
static inline struct piece nth(uint32_t i, uint32_t total)
{
    uint32_t off = i * 1480;

    return (struct piece){.off = off, .len = MIN(1480u, total - off), .mf = off + 1480 < total, .id = 77};
}

static inline ssize_t receive(struct udp_pcb *u)
{
    struct iovec iov = {got, sizeof(got)};
    int flags = 0;

    return udp_recvfrom(S, u, &iov, 1, &flags, NULL);
}

static inline void expect_whole(struct udp_pcb *u, uint32_t len)
{
    assert_int_equal(receive(u), len);
    assert_memory_equal(got, payload, len);
    assert_int_equal(S->ip->reass.n, 0);
    assert_int_equal(S->ip->reass.bytes, 0);
}

#endif
