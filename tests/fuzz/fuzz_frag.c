/*
 * Streams of fragments, of both families, into a whole stack with a UDP socket. The input says which pieces of a few datagrams come,
 * cut anywhere, in any order, again, overlapping, behind extension headers, as atomic fragments, with time in between. Whatever comes: a
 * datagram arrives byte for byte as it was made, or not at all; and a reference assembler, which knows nothing but the rules, says when
 * it must and when it must not.
 */
#include <string.h>

#include "base/check.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/udp.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORT 53u
#define DGRAMS 4u
#define DGRAM_MAX 1000u /* with its headers; of fewer units than a datagram may have pieces (frag_pieces) */
#define EXT_LEN 8u      /* of every extension header here */

/* What happens when a datagram is whole: it comes; it does not, since pieces overlapped; nobody knows. */
enum fate { COMES, REFUSED, UNKNOWN };

/* The last two are of IPv6, the very last with an extension header in front of the transport's. */
struct dgram {
    uint8_t b[DGRAM_MAX];
    uint32_t len, hdrs;
    bool v6;
    enum fate fate;
    uint8_t have[(DGRAM_MAX + 7) / 8]; /* units received */
};

struct scene {
    struct world *w;
    struct sock *sk;
    int fd;
    uint64_t refused;
    struct dgram d[DGRAMS];
};

static void ext(uint8_t *p, uint8_t next)
{
    memcpy(p, (const uint8_t[EXT_LEN]){next, 0, 1, 0, 1, 2}, EXT_LEN); /* padding; a routing header of type 1 with no segments left */
}

static void make(struct dgram *d, uint32_t k, uint32_t len)
{
    const struct inaddr us = WORLD_US6, peer = WORLD_PEER6;
    struct udp_hdr h = {.sport = 9, .dport = PORT};
    uint8_t *udp = d->b;
    uint16_t sum;

    *d = (struct dgram){.len = len, .hdrs = UDP_HLEN, .v6 = k >= 2};
    if (k == 3) {
        ext(d->b, IPPROTO_UDP_);
        udp += EXT_LEN;
        d->hdrs += EXT_LEN;
        len -= EXT_LEN;
    }
    h.len = (uint16_t)len;
    udp_build(udp, &h);
    for (uint32_t i = UDP_HLEN; i < len; i++)
        udp[i] = (uint8_t)(k * 31 + i * 7);
    sum = cksum_finish(cksum_add(
        d->v6 ? cksum_pseudo_v6(&peer, &us, IPPROTO_UDP_, len) : cksum_pseudo_v4(WORLD_PEER, WORLD_US, IPPROTO_UDP_, len), udp, len));
    if (sum == 0)
        sum = 0xffff;
    memcpy(udp + UDP_CKSUM_OFFSET, &sum, 2);
}

/* What has arrived is the datagram d, whole. Returns how many times. */
static unsigned drain(struct scene *c, const struct dgram *d)
{
    static uint8_t buf[2048];
    struct iovec iov = {buf, sizeof(buf)};
    unsigned count = 0;
    int flags = 0;
    ssize_t n;

    for (; (n = udp_recvfrom(c->w->s, c->sk->udp, &iov, 1, &flags, NULL)) >= 0; count++)
        Z_CHECK((uint32_t)n + d->hdrs == d->len && memcmp(d->b + d->hdrs, buf, (size_t)n) == 0);
    return count;
}

static void forget(struct dgram *d, enum fate f)
{
    memset(d->have, 0, sizeof(d->have));
    d->fate = f;
}

/* The reference: takes in a piece by the rules (RFC 5722 section 4; what brings nothing new is ignored). True when it makes d whole. */
static bool note(struct dgram *d, uint32_t first, uint32_t n)
{
    uint32_t units = (d->len + 7) / 8, there = 0, fresh = 0;

    if (d->fate != COMES)
        return false;
    for (uint32_t i = first; i < first + n; i++)
        fresh += !d->have[i];
    if (fresh != 0 && fresh != n)
        d->fate = REFUSED;
    if (fresh != n)
        return false;
    memset(d->have + first, 1, n);
    for (uint32_t i = 0; i < units; i++)
        there += d->have[i];
    return there == units;
}

/* The units that are missing first, or what the input says. */
static void choose(const struct dgram *d, bool hole, uint8_t a, uint8_t b, uint32_t *first, uint32_t *n)
{
    uint32_t units = (d->len + 7) / 8, end = units;

    *first = hole ? 0 : a % units;
    if (hole) {
        while (d->have[*first])
            ++*first;
        for (end = *first; end < units && !d->have[end]; end++)
            ;
    }
    *n = 1 + b % (end - *first);
}

/* Packets lost for want of memory: the input may ask for many small buffers. */
static uint64_t refused(const struct scene *c)
{
    const uint64_t *v = c->w->s->ctr.v;

    return v[DROP_FRAG_EVICTED] + v[DROP_UDP_RCVBUF] + v[CTR_NO_MBUF];
}

static uint32_t build4(uint8_t *p, const struct dgram *d, uint32_t k, uint32_t off, uint32_t len, uint16_t damage)
{
    struct ipv4_hdr h = {.ttl = 9, .proto = IPPROTO_UDP_, .id = (uint16_t)(100 + k), .src = WORLD_PEER, .dst = WORLD_US};

    h.frag_off = (uint16_t)(off ^ damage);
    h.mf = off + len < d->len;
    h.total_len = (uint16_t)(IPV4_HLEN + len);
    ipv4_build(p, &h, true);
    memcpy(p + IPV4_HLEN, d->b + off, len);
    return h.total_len;
}

/* In front of the fragment header: any of the three extension headers that may stand there; they need not be the same in all fragments. */
static uint32_t build6(uint8_t *p, const struct dgram *d, uint32_t k, uint32_t off, uint32_t len, uint16_t damage, uint8_t exts)
{
    static const uint8_t kind[3] = {IPPROTO_HOPOPTS_, IPPROTO_ROUTING_, IPPROTO_DSTOPTS_};
    struct ipv6_hdr h = {.hop_limit = 9, .next = IPPROTO_FRAGMENT_, .src = WORLD_PEER6, .dst = WORLD_US6};
    uint8_t *at = p + IPV6_HLEN, *end = at;

    for (unsigned i = 0; i < 3; i++)
        end += exts >> i & 1 ? EXT_LEN : 0;
    at = end;
    for (unsigned i = 3; i-- > 0;) {
        if ((exts >> i & 1) == 0)
            continue;
        at -= EXT_LEN;
        ext(at, h.next);
        h.next = kind[i];
    }
    ipv6_frag_build(end, k == 3 ? IPPROTO_DSTOPTS_ : IPPROTO_UDP_, off ^ damage, off + len < d->len, 0x10000u + k);
    end[1] = exts; /* reserved bits mean nothing */
    end[3] = (uint8_t)(end[3] | (exts >> 2 & 6));
    memcpy(end + IPV6_FRAG_HLEN, d->b + off, len);
    h.payload_len = (uint16_t)(end + IPV6_FRAG_HLEN + len - (p + IPV6_HLEN));
    ipv6_build(p, &h);
    return IPV6_HLEN + h.payload_len;
}

static void piece(struct scene *c, struct input *in)
{
    uint8_t which = in_u8(in), a = in_u8(in), b = in_u8(in), exts = which & 16 ? in_u8(in) : 0;
    uint32_t k = which % DGRAMS, first, n, off, len, bytes;
    struct world_rx how = {.exact = (which & 64) != 0, .seg = (which & 128) != 0 ? 1u + a % 97u : 0};
    uint16_t damage = which & 32 ? (uint16_t)(b << 3 & 0x1ff8) : 0; /* in a way that the rules refuse */
    uint8_t f[WORLD_FRAME_MAX];
    struct dgram *d = &c->d[k];

    choose(d, (which & 4) != 0, a, b, &first, &n);
    off = first * 8;
    len = MIN(n * 8, d->len - off);
    memcpy(f, c->w->port.mac, 6);
    memcpy(f + 6, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, 6);
    put16(f + 12, d->v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
    bytes = d->v6 ? build6(f + ETH_HLEN, d, k, off, len, damage, exts) : build4(f + ETH_HLEN, d, k, off, len, damage);
    if (!world_frame(c->w, how, f, ETH_HLEN + bytes)) {
        d->fate = UNKNOWN;
        return;
    }
    world_turn(c->w, 0);
    if (refused(c) != c->refused) { /* no room: what was given up may stay away */
        c->refused = refused(c);
        (void)drain(c, d);
        for (k = 0; k < DGRAMS; k++)
            forget(&c->d[k], UNKNOWN);
    } else if (damage != 0) { /* the checksum must keep it away, if it is not right by chance */
        d->fate = UNKNOWN;
        (void)drain(c, d);
    } else if (len == d->len) { /* whole by itself, whatever is kept */
        Z_CHECK(drain(c, d) == 1);
    } else if (d->v6 && off == 0 && len < d->hdrs) { /* refused: the first one has all headers (RFC 7112) */
        Z_CHECK(drain(c, d) == 0);
    } else if (d->fate == UNKNOWN) {
        (void)drain(c, d);
    } else if (note(d, first, n)) {
        Z_CHECK(drain(c, d) == 1);
        forget(d, COMES);
    } else {
        Z_CHECK(drain(c, d) == 0);
    }
}

/* Reassembly ends after 30 or 60 seconds. */
static void pass_time(struct scene *c, unsigned seconds)
{
    world_turn(c->w, seconds * NS_PER_SEC);
    for (uint32_t k = 0; k < DGRAMS; k++)
        if (seconds > 60 || memchr(c->d[k].have, 1, sizeof(c->d[k].have)) != NULL || c->d[k].fate != COMES)
            forget(&c->d[k], seconds > 60 ? COMES : UNKNOWN);
}

/* IPv6 is there from the first input on, and nothing here changes it. */
static struct world *both_families(void)
{
    struct world *w = world_get();

    if (w->nif->ip6)
        return w;
    world_up6(w);
    for (int i = 0; i < 20; i++)
        world_turn(w, 10 * NS_PER_SEC);
    w->arena_bytes = w->s->arena.used_bytes;
    return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene c = {.w = both_families()};
    struct inaddr any = INADDR_ANY_V6;
    struct input in = {data, size};

    c.refused = refused(&c);
    world_hello(c.w);
    world_turn(c.w, 0);
    c.fd = sock_new(c.w->s, SOCK_UDP, &c.sk);
    Z_CHECK(c.fd >= 0);
    c.sk->udp = udp_create(c.w->s, c.sk);
    Z_CHECK(c.sk->udp != NULL);
    udp_set_inet6(c.sk->udp);
    Z_CHECK(udp_bind(c.w->s, c.sk->udp, &any, PORT) == 0);
    for (uint32_t k = 0; k < DGRAMS; k++)
        make(&c.d[k], k, 64 + in_u16(&in) % (DGRAM_MAX - 64));
    for (unsigned i = 0; in.n > 0 && i < 300; i++) {
        uint8_t step = in_u8(&in);

        if (step % 16 == 15)
            pass_time(&c, (step >> 4) * 5u);
        else
            piece(&c, &in);
    }
    sock_close(c.w->s, c.fd);
    world_reset(c.w);
    return 0;
}
