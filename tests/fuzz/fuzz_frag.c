/*
 * Streams of fragments, of both families, into a whole stack with a UDP socket. The input says which pieces of a few datagrams come,
 * cut anywhere, in any order, again, overlapping, with time in between. Whatever comes: a datagram arrives byte for byte as it was
 * made, or not at all; and a reference assembler, which knows nothing but the rules, says when it must.
 */
#include <string.h>

#include "base/check.h"
#include "udp/udp.h"
#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/udp.h"
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PORT 53u
#define DGRAMS 4u
#define DGRAM_MAX 1000u /* with its header; of fewer units than a datagram may have pieces (frag_pieces) */

struct dgram {
    uint8_t b[DGRAM_MAX];
    uint8_t have[DGRAM_MAX / 8]; /* units received */
    uint32_t len, n_pieces;
    bool dead; /* overlapped, or of unknown fate: it may stay away */
};

struct scene {
    struct world *w;
    struct sock *sk;
    int fd;
    uint64_t refused;
    struct dgram d[DGRAMS];
};

static void make(struct dgram *d, uint32_t k, uint32_t len)
{
    struct udp_hdr h = {.sport = 9, .dport = PORT, .len = (uint16_t)len};
    uint16_t sum;

    *d = (struct dgram){.len = len};
    udp_build(d->b, &h);
    for (uint32_t i = UDP_HLEN; i < len; i++)
        d->b[i] = (uint8_t)(k * 31 + i * 7);
    sum = cksum_finish(cksum_add(cksum_pseudo_v4(WORLD_PEER, WORLD_US, IPPROTO_UDP_, len), d->b, len));
    if (sum == 0)
        sum = 0xffff;
    memcpy(d->b + UDP_CKSUM_OFFSET, &sum, 2);
}

/* What arrived is one of the datagrams, whole. */
static unsigned drain(struct scene *c)
{
    static uint8_t buf[2048];
    struct iovec iov = {buf, sizeof(buf)};
    unsigned count = 0;
    int flags = 0;
    ssize_t n;

    while ((n = udp_recvfrom(c->w->s, c->sk->udp, &iov, 1, &flags, NULL)) >= 0) {
        unsigned k = 0;

        while (k < DGRAMS && (c->d[k].len != (uint32_t)n + UDP_HLEN || memcmp(c->d[k].b + UDP_HLEN, buf, (size_t)n) != 0))
            k++;
        Z_CHECK(k < DGRAMS);
        count++;
    }
    return count;
}

/* The reference: marks the units of a piece. True when the datagram is whole by it. */
static bool note(struct dgram *d, uint32_t first, uint32_t n)
{
    uint32_t units = (d->len + 7) / 8, there = 0, fresh = 0;

    for (uint32_t i = first; i < first + n; i++)
        fresh += !d->have[i];
    if (fresh != n)
        d->dead = true; /* repeated or overlapping: the stack knows which, the reference need not */
    for (uint32_t i = first; i < first + n; i++)
        d->have[i] = 1;
    for (uint32_t i = 0; i < units; i++)
        there += d->have[i];
    d->n_pieces++;
    return there == units;
}

/* Packets lost for want of memory: the input may ask for many small buffers. */
static uint64_t refused(const struct scene *c)
{
    const uint64_t *v = c->w->s->ctr.v;

    return v[DROP_FRAG_EVICTED] + v[DROP_UDP_RCVBUF] + v[DROP_PULLUP] + v[CTR_NO_MBUF];
}

static void piece(struct scene *c, struct input *in)
{
    uint8_t which = in_u8(in), a = in_u8(in), b = in_u8(in);
    uint32_t k = which % DGRAMS, units = (c->d[k].len + 7) / 8, first = a % units, n = 1 + b % (units - first), off = first * 8;
    uint32_t len = MIN(n * 8, c->d[k].len - off);
    struct world_rx how = {.exact = (which & 64) != 0, .seg = (which & 128) != 0 ? 1u + a % 97u : 0};
    struct ipv4_hdr h = {.ttl = 9, .proto = IPPROTO_UDP_, .id = (uint16_t)(100 + k), .src = WORLD_PEER, .dst = WORLD_US};
    uint8_t f[WORLD_FRAME_MAX];
    struct dgram *d = &c->d[k];
    bool whole;

    h.frag_off = (uint16_t)off;
    h.mf = off + len < d->len;
    h.total_len = (uint16_t)(IPV4_HLEN + len);
    if (which & 32) /* damaged, in a way that the rules refuse */
        h.frag_off = (uint16_t)(h.frag_off ^ (b << 3 & 0x1ff8));
    memcpy(f, c->w->port.mac, 6);
    memcpy(f + 6, (const uint8_t[6]){2, 0, 0, 0, 0, 2}, 6);
    put16(f + 12, ETH_TYPE_IPV4);
    ipv4_build(f + ETH_HLEN, &h, true);
    memcpy(f + ETH_HLEN + IPV4_HLEN, d->b + off, len);
    if (!world_frame(c->w, how, f, ETH_HLEN + IPV4_HLEN + len)) {
        d->dead = true;
        return;
    }
    world_turn(c->w, 0);
    if (which & 32) {
        d->dead = true; /* its content is wrong: the checksum must keep it away */
        (void)drain(c);
        return;
    }
    if (refused(c) != c->refused) { /* no room: what was given up may stay away */
        c->refused = refused(c);
        for (k = 0; k < DGRAMS; k++)
            c->d[k].dead = true;
        (void)drain(c);
        return;
    }
    if (len == d->len) { /* not a fragment: it comes at once, whatever is kept */
        Z_CHECK(drain(c) == 1);
        return;
    }
    whole = note(d, first, n);
    if (whole && !d->dead) {
        Z_CHECK(drain(c) == 1);
        memset(d->have, 0, sizeof(d->have));
        d->n_pieces = 0;
    } else {
        (void)drain(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene c = {.w = world_get()};
    struct inaddr any = INADDR_ANY_V4;
    struct input in = {data, size};

    c.refused = refused(&c);
    world_hello(c.w);
    world_turn(c.w, 0);
    c.fd = sock_new(c.w->s, SOCK_UDP, &c.sk);
    Z_CHECK(c.fd >= 0);
    c.sk->udp = udp_create(c.w->s, c.sk);
    Z_CHECK(c.sk->udp != NULL && udp_bind(c.w->s, c.sk->udp, &any, PORT) == 0);
    for (uint32_t k = 0; k < DGRAMS; k++)
        make(&c.d[k], k, 64 + in_u16(&in) % (DGRAM_MAX - 64));
    for (unsigned i = 0; in.n > 0 && i < 300; i++) {
        uint8_t step = in_u8(&in);

        if (step % 16 == 15) { /* time passes, perhaps too much */
            world_turn(c.w, (uint64_t)(step >> 4) * 5 * NS_PER_SEC);
            for (uint32_t k = 0; k < DGRAMS; k++)
                c.d[k].dead |= c.d[k].n_pieces > 0;
        } else {
            piece(&c, &in);
        }
    }
    (void)drain(&c);
    sock_close(c.w->s, c.fd);
    world_reset(c.w);
    return 0;
}
