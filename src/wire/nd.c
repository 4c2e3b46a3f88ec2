#include "wire/nd.h"

#include "wire/bytes.h"

#include "base/poison.h"

#define OPT_SLLA 1u
#define OPT_TLLA 2u
#define OPT_PREFIX 3u
#define OPT_REDIRECTED 4u
#define OPT_MTU 5u
#define OPT_NONCE 14u

#define NA_ROUTER 0x80u
#define NA_SOLICITED 0x40u
#define NA_OVERRIDE 0x20u
#define RA_MANAGED 0x80u
#define RA_OTHER 0x40u
#define PIO_ON_LINK 0x80u
#define PIO_AUTONOMOUS 0x40u

/* Bytes in front of the options, by type - ND_ROUTER_SOLICIT. */
static const uint8_t fixed_len[] = {8, 16, 24, 24, 40};

static bool is_multicast(const struct inaddr *a)
{
    return a->b[0] == 0xff;
}

static bool is_linklocal(const struct inaddr *a)
{
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static bool is_unspecified(const struct inaddr *a)
{
    return (a->q[0] | a->q[1]) == 0;
}

struct inaddr nd_solicited_node(const struct inaddr *a)
{
    struct inaddr g = {.b = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff}};

    memcpy(g.b + 13, a->b + 13, 3);
    return g;
}

/* false: not an address that one host can have */
static bool parse_lla(const uint8_t *p, uint32_t len, bool *has, uint8_t mac[6])
{
    if (len != 8)
        return true; /* of another kind of link: not understood, ignored */
    if (p[2] & 1)
        return false;
    memcpy(mac, p + 2, 6);
    *has = true;
    return true;
}

static void parse_prefix(const uint8_t *p, uint32_t len, struct nd_msg *m)
{
    struct nd_prefix_info *i = &m->prefix[m->n_prefixes];

    if (len != 32 || p[2] > 128)
        return;
    if (m->n_prefixes == ND_PREFIXES_MAX) {
        m->n_prefixes_lost++;
        return;
    }
    m->n_prefixes++;
    i->plen = p[2];
    i->on_link = p[3] & PIO_ON_LINK;
    i->autonomous = p[3] & PIO_AUTONOMOUS;
    i->valid_s = get32(p + 4);
    i->preferred_s = get32(p + 8);
    memcpy(i->prefix.b, p + 16, 16);
    for (unsigned byte = i->plen / 8u; byte < 16; byte++) {
        unsigned keep = byte == i->plen / 8u ? 0xff00u >> (i->plen % 8u) : 0;

        i->prefix.b[byte] = (uint8_t)(i->prefix.b[byte] & keep);
    }
}

/* Unknown options and options that a message does not have are ignored (RFC 4861 section 4.6). */
static bool parse_option(const uint8_t *p, uint32_t len, struct nd_msg *m)
{
    switch (p[0]) {
    case OPT_SLLA:
        return m->type == ND_NEIGHBOR_ADVERT || m->type == ND_REDIRECT || parse_lla(p, len, &m->has_slla, m->slla);
    case OPT_TLLA:
        return (m->type != ND_NEIGHBOR_ADVERT && m->type != ND_REDIRECT) || parse_lla(p, len, &m->has_tlla, m->tlla);
    case OPT_PREFIX:
        if (m->type == ND_ROUTER_ADVERT)
            parse_prefix(p, len, m);
        break;
    case OPT_REDIRECTED:
        if (m->type == ND_REDIRECT) {
            m->redirected = p + 8;
            m->redirected_len = len - 8;
        }
        break;
    case OPT_MTU:
        if (m->type == ND_ROUTER_ADVERT && len == 8)
            m->mtu = get32(p + 4);
        break;
    case OPT_NONCE:
        if (m->type == ND_NEIGHBOR_SOLICIT && len == 8) {
            m->has_nonce = true;
            memcpy(m->nonce, p + 2, ND_NONCE_LEN);
        }
        break;
    default:
        break;
    }
    return true;
}

static bool parse_options(const uint8_t *p, uint32_t len, struct nd_msg *m)
{
    while (len > 0) {
        uint32_t opt_len;

        if (len < 8 || p[1] == 0)
            return false;
        opt_len = p[1] * 8u;
        if (opt_len > len || !parse_option(p, opt_len, m))
            return false;
        p += opt_len;
        len -= opt_len;
    }
    return true;
}

static void parse_fixed(const uint8_t *p, struct nd_msg *m)
{
    switch (m->type) {
    case ND_ROUTER_ADVERT:
        m->cur_hop_limit = p[4];
        m->managed = p[5] & RA_MANAGED;
        m->other = p[5] & RA_OTHER;
        /* two bits, signed; the reserved value 10 is medium (RFC 4191 section 2.2) */
        m->prf = (p[5] & 0x18u) == 0x08u ? ND_PRF_HIGH : (p[5] & 0x18u) == 0x18u ? ND_PRF_LOW : ND_PRF_MEDIUM;
        m->lifetime_s = get16(p + 6);
        m->reachable_ms = get32(p + 8);
        m->retrans_ms = get32(p + 12);
        break;
    case ND_NEIGHBOR_ADVERT:
        m->router = p[4] & NA_ROUTER;
        m->solicited = p[4] & NA_SOLICITED;
        m->override = p[4] & NA_OVERRIDE;
        /* fall through */
    case ND_NEIGHBOR_SOLICIT:
        memcpy(m->target.b, p + 8, 16);
        break;
    case ND_REDIRECT:
        memcpy(m->target.b, p + 8, 16);
        memcpy(m->dest.b, p + 24, 16);
        break;
    default:
        break;
    }
}

/* The rules about addresses of sections 6.1.1, 6.1.2, 7.1.1, 7.1.2 and 8.1. */
static bool addrs_ok(const struct nd_msg *m, const struct inaddr *src, const struct inaddr *dst)
{
    struct inaddr group;

    switch (m->type) {
    case ND_ROUTER_SOLICIT:
        return !is_unspecified(src) || !m->has_slla;
    case ND_ROUTER_ADVERT:
        return is_linklocal(src);
    case ND_NEIGHBOR_SOLICIT:
        if (is_multicast(&m->target) || is_unspecified(&m->target))
            return false;
        group = nd_solicited_node(&m->target);
        return !is_unspecified(src) || (inaddr_eq(dst, &group) && !m->has_slla);
    case ND_NEIGHBOR_ADVERT:
        return !is_multicast(&m->target) && !is_unspecified(&m->target) && !(is_multicast(dst) && m->solicited);
    default:
        return is_linklocal(src) && !is_multicast(&m->dest) && !is_unspecified(&m->dest) &&
               (is_linklocal(&m->target) || inaddr_eq(&m->target, &m->dest));
    }
}

enum nd_err nd_parse(const uint8_t *p, uint32_t len, const struct inaddr *src, const struct inaddr *dst, uint8_t hop_limit,
                     struct nd_msg *m)
{
    uint32_t fixed;

    memset(m, 0, sizeof(*m));
    if (len < 8 || p[0] < ND_ROUTER_SOLICIT || p[0] > ND_REDIRECT)
        return ND_ESHORT;
    m->type = p[0];
    fixed = fixed_len[m->type - ND_ROUTER_SOLICIT];
    if (len < fixed)
        return ND_ESHORT;
    if (hop_limit != ND_HOP_LIMIT)
        return ND_EHOPS;
    if (p[1] != 0)
        return ND_ECODE;
    parse_fixed(p, m);
    if (!parse_options(p + fixed, len - fixed, m))
        return ND_EOPTION;
    return addrs_ok(m, src, dst) ? ND_OK : ND_EADDR;
}

static uint8_t *build_lla(uint8_t *p, uint8_t type, const uint8_t mac[6])
{
    p[0] = type;
    p[1] = 1;
    memcpy(p + 2, mac, 6);
    return p + 8;
}

static uint8_t *build_prefix(uint8_t *p, const struct nd_prefix_info *i)
{
    memset(p, 0, 32);
    p[0] = OPT_PREFIX;
    p[1] = 4;
    p[2] = i->plen;
    p[3] = (uint8_t)((i->on_link ? PIO_ON_LINK : 0) | (i->autonomous ? PIO_AUTONOMOUS : 0));
    put32(p + 4, i->valid_s);
    put32(p + 8, i->preferred_s);
    memcpy(p + 16, i->prefix.b, 16);
    return p + 32;
}

static uint8_t *build_options(uint8_t *p, const struct nd_msg *m)
{
    if (m->has_slla)
        p = build_lla(p, OPT_SLLA, m->slla);
    if (m->has_tlla)
        p = build_lla(p, OPT_TLLA, m->tlla);
    if (m->has_nonce)
        p = build_lla(p, OPT_NONCE, m->nonce);
    if (m->mtu) {
        memset(p, 0, 8);
        p[0] = OPT_MTU;
        p[1] = 1;
        put32(p + 4, m->mtu);
        p += 8;
    }
    for (unsigned i = 0; i < m->n_prefixes; i++)
        p = build_prefix(p, &m->prefix[i]);
    if (m->redirected) {
        uint32_t n = m->redirected_len / 8u * 8u;

        memset(p, 0, 8);
        p[0] = OPT_REDIRECTED;
        p[1] = (uint8_t)(1 + n / 8u);
        memcpy(p + 8, m->redirected, n);
        p += 8 + n;
    }
    return p;
}

uint32_t nd_build(uint8_t *p, const struct nd_msg *m)
{
    uint32_t fixed = fixed_len[m->type - ND_ROUTER_SOLICIT];

    memset(p, 0, fixed);
    p[0] = m->type;
    switch (m->type) {
    case ND_ROUTER_ADVERT:
        p[4] = m->cur_hop_limit;
        p[5] = (uint8_t)((m->managed ? RA_MANAGED : 0) | (m->other ? RA_OTHER : 0) | ((uint32_t)m->prf & 3u) << 3);
        put16(p + 6, m->lifetime_s);
        put32(p + 8, m->reachable_ms);
        put32(p + 12, m->retrans_ms);
        break;
    case ND_NEIGHBOR_ADVERT:
        p[4] = (uint8_t)((m->router ? NA_ROUTER : 0) | (m->solicited ? NA_SOLICITED : 0) | (m->override ? NA_OVERRIDE : 0));
        /* fall through */
    case ND_NEIGHBOR_SOLICIT:
        memcpy(p + 8, m->target.b, 16);
        break;
    case ND_REDIRECT:
        memcpy(p + 8, m->target.b, 16);
        memcpy(p + 24, m->dest.b, 16);
        break;
    default:
        break;
    }
    return (uint32_t)(build_options(p + fixed, m) - p);
}
