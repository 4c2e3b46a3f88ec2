#include "wire/mld.h"

#include "wire/bytes.h"

#include "base/poison.h"

#define V2_QUERY_HLEN 28u

/* Maximum Response Code: from 32768 on a mantissa and an exponent (RFC 3810 section 5.1.3). */
static uint32_t decode16(uint16_t code)
{
    return code < 32768 ? code : ((code & 0x0fffu) | 0x1000u) << ((code >> 12 & 7u) + 3);
}

/* QQIC (section 5.1.9) */
static uint32_t decode8(uint8_t code)
{
    return code < 128 ? code : ((code & 0x0fu) | 0x10u) << ((code >> 4 & 7u) + 3);
}

static bool is_unspecified(const struct inaddr *a)
{
    return (a->q[0] | a->q[1]) == 0;
}

bool mld_parse_query(const uint8_t *p, uint32_t len, struct mcast_query *q)
{
    if (len < MLD_V1_LEN || p[0] != MLD_QUERY || p[1] != 0)
        return false;
    *q = (struct mcast_query){.version = 1, .max_resp_ms = get16(p + 4)};
    memcpy(q->group.b, p + 8, 16);
    q->general = is_unspecified(&q->group);
    if (!q->general && q->group.b[0] != 0xff)
        return false;
    if (len == MLD_V1_LEN)
        return true;
    if (len < V2_QUERY_HLEN)
        return false; /* MUST be ignored (RFC 3810 section 8.1) */
    q->version = 2;
    q->max_resp_ms = decode16(get16(p + 4));
    q->qrv = p[24] & 7u;
    q->interval_s = decode8(p[25]);
    q->n_srcs = get16(p + 26);
    q->wsrcs = p + V2_QUERY_HLEN;
    return q->n_srcs * 16u <= len - V2_QUERY_HLEN && !(q->general && q->n_srcs);
}

struct inaddr mld_query_src(const struct mcast_query *q, unsigned i)
{
    struct inaddr a;

    memcpy(a.b, q->wsrcs + i * 16u, 16);
    return a;
}

bool mld_parse_report(const uint8_t *p, uint32_t len, uint8_t *type, struct inaddr *group)
{
    if (len < MLD_V1_LEN || (p[0] != MLD_V1_REPORT && p[0] != MLD_V1_DONE))
        return false;
    *type = p[0];
    memcpy(group->b, p + 8, 16);
    return group->b[0] == 0xff;
}

void mld_build(uint8_t *p, uint8_t type, const struct inaddr *group)
{
    memset(p, 0, MLD_V1_LEN);
    p[0] = type;
    memcpy(p + 8, group->b, 16);
}

uint32_t mld_build_record(uint8_t *p, const struct mcast_record *r)
{
    p[0] = r->type;
    p[1] = 0;
    put16(p + 2, r->n_srcs);
    memcpy(p + 4, r->group.b, 16);
    for (unsigned i = 0; i < r->n_srcs; i++)
        memcpy(p + MLD_RECORD_HLEN + i * 16u, r->srcs[i].b, 16);
    return MLD_RECORD_HLEN + r->n_srcs * 16u;
}

void mld_build_report(uint8_t *p, uint16_t n_records)
{
    memset(p, 0, MLD_REPORT_HLEN);
    p[0] = MLD_V2_REPORT;
    put16(p + 6, n_records);
}

void mld_build_hbh(uint8_t *p)
{
    static const uint8_t hbh[MLD_HBH_LEN] = {58, 0, 5, 2, 0, 0, 1, 0};

    memcpy(p, hbh, sizeof(hbh));
}
