/*
 * libFuzzer target of merging in software: a burst of frames that the input makes, by rule or not, each in memory that ends where its bytes
 * do. What comes out must be what went in, in the same order: a frame as it was, or one that an observer who knows the rules but not the
 * code may take apart into those that went in.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/units.h"
#include "pkt/pkt.h"
#include "port/gro.h"
#include "wire/cksum.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES 24u
#define BYTES 1600u

struct frame {
    uint8_t b[BYTES];
    uint32_t len;
    bool vouched; /* the port says that its sums are right */
    struct rte_mbuf *first, *second;
};

static struct frame in_frame[FRAMES];

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t l3_of(const struct frame *f)
{
    return get16(f->b + 12) == 0x8100 ? 18 : 14;
}

static bool is_v6(const struct frame *f)
{
    return get16(f->b + l3_of(f) - 2) == 0x86dd;
}

static uint32_t l4_of(const struct frame *f)
{
    return l3_of(f) + (is_v6(f) ? 40 : 20);
}

static uint32_t hdrs_of(const struct frame *f)
{
    return l4_of(f) + (f->b[l4_of(f) + 12] >> 4) * 4u;
}

/* 0xffff when the sum over the pseudo-header and the segment is right. */
static uint16_t l4_sum(const struct frame *f)
{
    const uint8_t *ip = f->b + l3_of(f);
    uint32_t l4 = f->len - l4_of(f);
    uint8_t pseudo[4] = {0, 6, (uint8_t)(l4 >> 8), (uint8_t)l4};
    uint64_t sum = cksum_add(0, pseudo, sizeof(pseudo));

    sum = cksum_add(sum, ip + (is_v6(f) ? 8 : 12), is_v6(f) ? 32 : 8);
    return cksum_finish(cksum_add(sum, f->b + l4_of(f), l4));
}

static void put_sums(struct frame *f)
{
    uint8_t *ip = f->b + l3_of(f);
    uint16_t sum;

    if (!is_v6(f)) {
        put16(ip + 10, 0);
        sum = cksum_finish(cksum_add(0, ip, 20));
        memcpy(ip + 10, &sum, 2);
    }
    put16(f->b + l4_of(f) + 16, 0);
    sum = l4_sum(f);
    memcpy(f->b + l4_of(f) + 16, &sum, 2);
}

/* By rule: the next segment of one of two connections. */
static void make(struct frame *f, struct input *in, uint32_t next[2], uint8_t kind)
{
    uint32_t which = kind & 1, opts = (kind & 2) != 0 ? 12 : 0, len = (kind & 4) != 0 ? 1000 : in_u16(in) % 1400, l3, l4;
    uint8_t shape = in_u8(in);

    memset(f->b, 0, 128);
    put16(f->b + 12, shape & 1 ? 0x8100 : shape & 2 ? 0x86dd : 0x0800);
    if (shape & 1)
        put16(f->b + 16, shape & 2 ? 0x86dd : 0x0800);
    l3 = l3_of(f);
    l4 = l4_of(f);
    f->len = l4 + 20 + opts + len;
    f->b[l3] = shape & 2 ? 0x60 : 0x45;
    f->b[l3 + (shape & 2 ? 6 : 9)] = 6;
    put16(f->b + l3 + (shape & 2 ? 4 : 2), f->len - (shape & 2 ? l4 : l3));
    put16(f->b + l4, which);
    put16(f->b + l4 + 4, next[which] >> 16);
    put16(f->b + l4 + 6, next[which]);
    f->b[l4 + 12] = (uint8_t)((20 + opts) / 4 << 4);
    f->b[l4 + 13] = shape & 4 ? 0x18 : 0x10;
    for (uint32_t i = 0; i < len; i++)
        f->b[l4 + 20 + opts + i] = (uint8_t)(next[which] + i);
    next[which] += len;
    if (shape & 8) { /* something is different */
        uint32_t at = in_u16(in) % f->len;

        f->b[at] ^= in_u8(in);
    }
    f->vouched = (shape & 16) != 0;
    if ((shape & 32) == 0 && hdrs_of(f) <= f->len)
        put_sums(f);
}

/* len bytes that the memory ends with. */
static struct rte_mbuf *mbuf_of(const uint8_t *p, uint32_t len)
{
    struct rte_mbuf *m = calloc(1, sizeof(*m));
    uint8_t *buf = malloc(MAX(len, 1u));

    memcpy(buf, p, len);
    m->buf_addr = buf;
    m->buf_len = (uint16_t)len;
    m->data_len = (uint16_t)len;
    m->pkt_len = len;
    m->nb_segs = 1;
    rte_mbuf_refcnt_set(m, 1);
    return m;
}

static struct rte_mbuf *to_mbufs(struct frame *f, struct input *in)
{
    uint32_t cut = in_u8(in) % 4 == 0 ? in_u16(in) % f->len : 0;

    f->first = mbuf_of(f->b, cut != 0 ? cut : f->len);
    f->second = cut != 0 ? mbuf_of(f->b + cut, f->len - cut) : NULL;
    if (f->second != NULL) {
        f->first->next = f->second;
        f->first->nb_segs = 2;
        f->first->pkt_len = f->len;
    }
    if (f->vouched)
        f->first->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return f->first;
}

static void free_mbuf(struct rte_mbuf *m)
{
    if (m != NULL)
        free(m->buf_addr);
    free(m);
}

static uint32_t flatten(const struct rte_mbuf *m, uint8_t *to)
{
    uint32_t len = 0, segs = 0, total = m->pkt_len, n = m->nb_segs;

    for (; m != NULL; len += m->data_len, m = m->next, segs++)
        memcpy(to + len, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
    Z_CHECK(len == total && segs == n);
    return len;
}

/* Of two segments of one connection: everything but lengths, identification, sums, sequence number and PSH. */
static void check_same_headers(const struct frame *a, const struct frame *b)
{
    uint32_t l3 = l3_of(a), l4 = l4_of(a);

    Z_CHECK(l3_of(b) == l3 && l4_of(b) == l4 && hdrs_of(b) == hdrs_of(a));
    for (uint32_t i = 0; i < hdrs_of(a); i++) {
        bool length = i - (l3 + (is_v6(a) ? 4 : 2)) < 2, id = !is_v6(a) && i - (l3 + 4) < 2, ip_sum = !is_v6(a) && i - (l3 + 10) < 2;
        bool seq = i - (l4 + 4) < 4, sum = i - (l4 + 16) < 2;

        if (!length && !id && !ip_sum && !seq && !sum)
            Z_CHECK((a->b[i] ^ b->b[i]) == 0 || (i == l4 + 13 && (a->b[i] ^ b->b[i]) == 0x08));
    }
}

static void check_segment(const struct frame *f)
{
    uint32_t l3 = l3_of(f);

    Z_CHECK((f->b[l4_of(f) + 13] & ~0x08) == 0x10 && f->b[l3 + (is_v6(f) ? 6 : 9)] == 6 && f->len > hdrs_of(f));
    Z_CHECK(get16(f->b + l3 + (is_v6(f) ? 4 : 2)) == f->len - (is_v6(f) ? l4_of(f) : l3));
    Z_CHECK(is_v6(f) || (f->b[l3] == 0x45 && (get16(f->b + l3 + 6) & 0x3fff) == 0));
    Z_CHECK(f->vouched || (l4_sum(f) == 0 && (is_v6(f) || cksum_finish(cksum_add(0, f->b + l3, 20)) == 0)));
}

/* Takes the frame apart into those that went in from k on. Returns what follows. */
static uint32_t take_apart(struct rte_mbuf *m, uint32_t k, uint32_t n)
{
    static uint8_t flat[FRAMES * BYTES];
    const struct frame *first = &in_frame[k];
    uint32_t len = flatten(m, flat), at, hdrs, seg = pkt_merged_of(m);

    if (seg == 0) {
        Z_CHECK(len == first->len && memcmp(flat, first->b, len) == 0);
        return k + 1;
    }
    hdrs = hdrs_of(first);
    Z_CHECK(first->len - hdrs == seg && len > first->len);
    Z_CHECK((m->ol_flags & (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK)) ==
            (RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD));
    for (at = hdrs; at < len; k++) {
        const struct frame *f = &in_frame[k];

        Z_CHECK(k < n);
        check_segment(f);
        check_same_headers(first, f);
        Z_CHECK(get32(f->b + l4_of(f) + 4) == get32(first->b + l4_of(first) + 4) + (at - hdrs) && f->len - hdrs <= seg);
        Z_CHECK(memcmp(flat + at, f->b + hdrs, f->len - hdrs) == 0);
        at += f->len - hdrs;
        Z_CHECK(at == len || (f->len - hdrs == seg && (f->b[l4_of(f) + 13] & 0x08) == 0));
    }
    Z_CHECK(at == len && get16(flat + l3_of(first) + (is_v6(first) ? 4 : 2)) == len - (is_v6(first) ? l4_of(first) : l3_of(first)));
    return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct rte_mbuf *m[FRAMES];
    uint32_t next[2] = {0xffffe000, 100}, n = 0, k = 0;
    uint16_t left;

    pkt_meta_offset = offsetof(struct rte_mbuf, dynfield1);
    while (in.n > 0 && n < FRAMES) {
        struct frame *f = &in_frame[n];
        uint8_t kind = in_u8(&in);

        *f = (struct frame){.vouched = false};
        if (kind % 16 == 15) { /* any bytes */
            f->len = 1 + in_u16(&in) % (BYTES - 1);
            memcpy(f->b, in.p, MIN(in.n, (size_t)f->len));
            in.p += MIN(in.n, (size_t)64);
            in.n -= MIN(in.n, (size_t)64);
        } else {
            make(f, &in, next, kind);
        }
        m[n++] = to_mbufs(f, &in);
    }
    left = gro_merge(m, (uint16_t)n);
    for (uint16_t i = 0; i < left; i++)
        k = take_apart(m[i], k, n);
    Z_CHECK(k == n);
    for (uint32_t i = 0; i < n; i++) {
        free_mbuf(in_frame[i].first);
        free_mbuf(in_frame[i].second);
    }
    return 0;
}
