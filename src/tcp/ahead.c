#include "tcp/ahead.h"

#include <stddef.h>
#include <string.h>

#include <rte_prefetch.h>

#include "base/flowhash.h"
#include "tcp/conn.h"
#include "wire/bytes.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

#include "base/poison.h"

#define LINE 64u
#define TYPE_BYTES 2
#define PORTS_BYTES 4
#define V4_PROTO_OFF 9u
#define V4_ADDRS_OFF 12u
#define V4_ADDR_BYTES 4u
#define V4_IHL_5 0x45u
#define V6_ADDRS_OFF 8u

bool tcp_ahead_pays(const struct z_stack *s)
{
    return s->tcp.n_conns >= s->conf.look_ahead;
}

static uint32_t place(const struct z_stack *s, const struct inaddr *dst, const struct inaddr *src, const uint8_t *ports)
{
    uint32_t hash = flow_hash(&s->flow_key, dst, src, get16(ports + 2), get16(ports));

    rte_prefetch0(&s->tcp.place[hash & s->tcp.place_mask]);
    return hash;
}

/* The headers that nearly every segment has: without options and extensions. */
uint32_t tcp_ahead_frame(const struct z_stack *s, const struct rte_mbuf *m)
{
    const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + ETH_HLEN, *end = p + m->data_len;
    struct inaddr src, dst;

    if (m->data_len < ETH_HLEN_MAX + IPV4_HLEN + PORTS_BYTES)
        return 0;
    if (unlikely(get16(ip - TYPE_BYTES) == ETH_TYPE_VLAN))
        ip += VLAN_HLEN;
    if (get16(ip - TYPE_BYTES) == ETH_TYPE_IPV4 && ip[0] == V4_IHL_5 && ip[V4_PROTO_OFF] == IPPROTO_TCP_) {
        src = inaddr_v4(get32(ip + V4_ADDRS_OFF));
        dst = inaddr_v4(get32(ip + V4_ADDRS_OFF + V4_ADDR_BYTES));
        return place(s, &dst, &src, ip + IPV4_HLEN);
    }
    if (get16(ip - TYPE_BYTES) == ETH_TYPE_IPV6 && ip[IPV6_NEXT_OFF] == IPPROTO_TCP_ && end - ip >= (ptrdiff_t)IPV6_HLEN + PORTS_BYTES) {
        memcpy(src.b, ip + V6_ADDRS_OFF, sizeof(src.b));
        memcpy(dst.b, ip + V6_ADDRS_OFF + sizeof(src.b), sizeof(dst.b));
        return place(s, &dst, &src, ip + IPV6_HLEN);
    }
    return 0;
}

/* By its hash alone: of two entries that have the same it may be the other one, and of any kind. NULL: none. */
static const struct tcp_conn *guess(const struct z_stack *s, uint32_t hash)
{
    const struct tcp_state *t = &s->tcp;

    for (uint32_t i = hash & t->place_mask; t->place[i].ref != 0; i = (i + 1) & t->place_mask)
        if (t->place[i].hash == hash)
            return arena_at(&s->arena, t->place[i].ref);
    return NULL;
}

void tcp_ahead_entry(const struct z_stack *s, uint32_t hash)
{
    static const uint8_t lines[] = {TCP_LINE_WHO, TCP_LINE_SEG, TCP_LINE_IN, TCP_LINE_SND, TCP_LINE_OUT};
    const struct tcp_conn *tc = guess(s, hash);

    if (tc == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
        rte_prefetch0((const char *)tc + lines[i] * LINE);
    for (size_t off = 0; off < sizeof(tc->sock); off += LINE)
        rte_prefetch0((const char *)&tc->sock + off);
}
