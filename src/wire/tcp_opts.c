#include <string.h>

#include "wire/bytes.h"
#include "wire/tcp_hdr.h"

#include "base/poison.h"

#define OPT_EOL 0u
#define OPT_NOP 1u
#define OPT_MSS 2u
#define OPT_WS 3u
#define OPT_SACK_OK 4u
#define OPT_SACK 5u
#define OPT_TS 8u
#define OPT_TFO 34u

#define LEN_MSS 4u
#define LEN_WS 3u
#define LEN_SACK_OK 2u
#define LEN_TS 10u
#define SACK_BLOCK_LEN 8u
#define TS_ONLY_HEAD (OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | LEN_TS)

static void parse_sack(const uint8_t *p, unsigned len, struct tcp_opts *o)
{
    unsigned n = (len - 2) / SACK_BLOCK_LEN;

    if (o->n_sack != 0 || n == 0 || (len - 2) % SACK_BLOCK_LEN != 0)
        return;
    if (n > TCP_SACK_BLOCKS_MAX)
        n = TCP_SACK_BLOCKS_MAX;
    for (unsigned i = 0; i < n; i++) {
        o->sack[i].start = get32(p + 2 + i * SACK_BLOCK_LEN);
        o->sack[i].end = get32(p + 6 + i * SACK_BLOCK_LEN);
    }
    o->n_sack = (uint8_t)n;
}

/* RFC 7413 section 4.1.1: an even number of bytes, 4 to 16; or none. */
static void parse_tfo(const uint8_t *p, unsigned len, struct tcp_opts *o)
{
    unsigned n = len - 2;

    if (o->has_tfo || n % 2 != 0 || n > TCP_TFO_COOKIE_MAX || (n != 0 && n < TCP_TFO_COOKIE_MIN))
        return;
    o->has_tfo = true;
    o->tfo_len = (uint8_t)n;
    memcpy(o->tfo, p + 2, n);
}

/* One option whose length is known to fit. One that we know with a length that it never has is skipped, as Linux does. */
static void parse_one(const uint8_t *p, uint8_t kind, unsigned len, struct tcp_opts *o)
{
    switch (kind) {
    case OPT_MSS:
        if (len == LEN_MSS && !o->has_mss) {
            o->has_mss = true;
            o->mss = get16(p + 2);
        }
        break;
    case OPT_WS:
        if (len == LEN_WS && !o->has_ws) {
            o->has_ws = true;
            o->ws = p[2];
        }
        break;
    case OPT_SACK_OK:
        if (len == LEN_SACK_OK)
            o->sack_ok = true;
        break;
    case OPT_SACK:
        parse_sack(p, len, o);
        break;
    case OPT_TS:
        if (len == LEN_TS && !o->has_ts) {
            o->has_ts = true;
            o->ts_val = get32(p + 2);
            o->ts_ecr = get32(p + 6);
        }
        break;
    case OPT_TFO:
        parse_tfo(p, len, o);
        break;
    default: /* RFC 9293 section 3.1, MUST-6 */
        break;
    }
}

bool tcp_opts_parse(const uint8_t *p, size_t len, struct tcp_opts *o)
{
    *o = (struct tcp_opts){0};
    while (len > 0) {
        uint8_t kind = p[0];

        if (kind == OPT_EOL)
            return true;
        if (kind == OPT_NOP) {
            p++;
            len--;
            continue;
        }
        /* RFC 9293 section 3.1, MUST-7 */
        if (len < 2)
            return false;
        uint8_t opt_len = p[1];
        if (opt_len < 2 || opt_len > len)
            return false;
        parse_one(p, kind, opt_len, o);
        p += opt_len;
        len -= opt_len;
    }
    return true;
}

bool tcp_opts_parse_ts_only(const uint8_t *p, size_t len, uint32_t *ts_val, uint32_t *ts_ecr)
{
    if (len != TCP_TS_ONLY_LEN || get32(p) != TS_ONLY_HEAD)
        return false;
    *ts_val = get32(p + 4);
    *ts_ecr = get32(p + 8);
    return true;
}

void tcp_opts_build_ts_only(uint8_t *p, uint32_t ts_val, uint32_t ts_ecr)
{
    put32(p, TS_ONLY_HEAD);
    put32(p + 4, ts_val);
    put32(p + 8, ts_ecr);
}

/* Length of everything but SACK blocks: each of these stands in a multiple of four bytes, so their order needs no care. */
static unsigned fixed_len(const struct tcp_opts *o)
{
    unsigned len = o->has_mss ? LEN_MSS : 0;

    if (o->has_ts)
        len += TCP_TS_ONLY_LEN; /* two bytes before it: SACK-permitted or NOPs */
    else if (o->sack_ok)
        len += 4;
    if (o->has_ws)
        len += 4;
    if (o->has_tfo)
        len += (2u + o->tfo_len + 3u) & ~3u;
    return len;
}

static unsigned sack_fit(const struct tcp_opts *o, unsigned used)
{
    unsigned n = o->n_sack < TCP_SACK_BLOCKS_MAX ? o->n_sack : TCP_SACK_BLOCKS_MAX;
    unsigned room = used + 4 < TCP_OPT_MAX ? (TCP_OPT_MAX - used - 4) / SACK_BLOCK_LEN : 0;

    return n < room ? n : room;
}

unsigned tcp_opts_len(const struct tcp_opts *o)
{
    unsigned len = fixed_len(o);
    unsigned n = sack_fit(o, len);

    return n > 0 ? len + 4 + n * SACK_BLOCK_LEN : len;
}

static uint8_t *put_nops(uint8_t *p)
{
    p[0] = OPT_NOP;
    p[1] = OPT_NOP;
    return p + 2;
}

static uint8_t *put_opt(uint8_t *p, unsigned kind, unsigned len)
{
    p[0] = (uint8_t)kind;
    p[1] = (uint8_t)len;
    return p + 2;
}

unsigned tcp_opts_build(uint8_t *start, const struct tcp_opts *o)
{
    uint8_t *p = start;
    unsigned n_sack = sack_fit(o, fixed_len(o));

    if (o->has_mss) {
        p = put_opt(p, OPT_MSS, LEN_MSS);
        put16(p, o->mss);
        p += 2;
    }
    if (o->has_ts || o->sack_ok) {
        if (!o->sack_ok || !o->has_ts)
            p = put_nops(p);
        if (o->sack_ok)
            p = put_opt(p, OPT_SACK_OK, LEN_SACK_OK);
        if (o->has_ts) {
            p = put_opt(p, OPT_TS, LEN_TS);
            put32(p, o->ts_val);
            put32(p + 4, o->ts_ecr);
            p += 8;
        }
    }
    if (o->has_ws) {
        *p++ = OPT_NOP;
        p = put_opt(p, OPT_WS, LEN_WS);
        *p++ = o->ws;
    }
    if (o->has_tfo) {
        if (o->tfo_len % 4 == 0)
            p = put_nops(p);
        p = put_opt(p, OPT_TFO, 2u + o->tfo_len);
        memcpy(p, o->tfo, o->tfo_len);
        p += o->tfo_len;
    }
    if (n_sack > 0) {
        p = put_nops(p);
        p = put_opt(p, OPT_SACK, 2 + n_sack * SACK_BLOCK_LEN);
        for (unsigned i = 0; i < n_sack; i++, p += SACK_BLOCK_LEN) {
            put32(p, o->sack[i].start);
            put32(p + 4, o->sack[i].end);
        }
    }
    return (unsigned)(p - start);
}
