#include "wire/igmp.h"

#include "wire/bytes.h"
#include "wire/cksum.h"
#include "wire/ipv4.h"

#include "base/poison.h"

#define V3_QUERY_HLEN 12u
#define TOS_INTERNETWORK_CONTROL 0xc0u

/* Max Resp Code and QQIC: small numbers are themselves, larger ones a mantissa and an exponent (RFC 3376 section 4.1.1). */
static uint32_t decode(uint8_t code)
{
    return code < 128 ? code : ((code & 0x0fu) | 0x10u) << ((code >> 4 & 7u) + 3);
}

bool igmp_parse_query(const uint8_t *p, uint32_t len, struct mcast_query *q)
{
    uint32_t group;

    if (len < IGMP_HLEN || p[0] != IGMP_QUERY || cksum_finish(cksum_add(0, p, len)) != 0)
        return false;
    group = get32(p + 4);
    *q = (struct mcast_query){.general = group == 0, .group = inaddr_v4(group)};
    if (group != 0 && group >> 28 != 14)
        return false;
    if (len == IGMP_HLEN) {
        /* the field is zero in version 1, whose answers come within 10 seconds (RFC 2236 section 4) */
        q->version = p[1] == 0 ? 1 : 2;
        q->max_resp_ms = (p[1] == 0 ? 100 : p[1]) * 100u;
        return p[1] != 0 || group == 0;
    }
    if (len < V3_QUERY_HLEN)
        return false; /* MUST be ignored (RFC 3376 section 7.1) */
    q->version = 3;
    q->max_resp_ms = decode(p[1]) * 100u;
    q->qrv = p[8] & 7u;
    q->interval_s = decode(p[9]);
    q->n_srcs = get16(p + 10);
    q->wsrcs = p + V3_QUERY_HLEN;
    return q->n_srcs * 4u <= len - V3_QUERY_HLEN && !(q->general && q->n_srcs);
}

struct inaddr igmp_query_src(const struct mcast_query *q, unsigned i)
{
    return inaddr_v4(get32(q->wsrcs + i * 4u));
}

bool igmp_parse_report(const uint8_t *p, uint32_t len, uint8_t *type, uint32_t *group)
{
    if (len < IGMP_HLEN || (p[0] != IGMP_V1_REPORT && p[0] != IGMP_V2_REPORT && p[0] != IGMP_V2_LEAVE) ||
        cksum_finish(cksum_add(0, p, len)) != 0)
        return false;
    *type = p[0];
    *group = get32(p + 4);
    return *group >> 28 == 14;
}

static void put_cksum(uint8_t *p, uint32_t len)
{
    uint16_t sum = cksum_finish(cksum_add(0, p, len));

    memcpy(p + 2, &sum, sizeof(sum));
}

void igmp_build(uint8_t *p, uint8_t type, uint32_t group)
{
    memset(p, 0, IGMP_HLEN);
    p[0] = type;
    put32(p + 4, group);
    put_cksum(p, IGMP_HLEN);
}

uint32_t igmp_build_record(uint8_t *p, const struct mcast_record *r)
{
    p[0] = r->type;
    p[1] = 0;
    put16(p + 2, r->n_srcs);
    put32(p + 4, inaddr_to_v4(&r->group));
    for (unsigned i = 0; i < r->n_srcs; i++)
        put32(p + IGMP_RECORD_HLEN + i * 4u, inaddr_to_v4(&r->srcs[i]));
    return IGMP_RECORD_HLEN + r->n_srcs * 4u;
}

void igmp_build_report(uint8_t *p, uint32_t len, uint16_t n_records)
{
    memset(p, 0, IGMP_HLEN);
    p[0] = IGMP_V3_REPORT;
    put16(p + 6, n_records);
    put_cksum(p, len);
}

void igmp_build_ipv4(uint8_t *p, uint32_t src, uint32_t dst, uint32_t payload_len)
{
    static const uint8_t router_alert[4] = {148, 4, 0, 0}; /* RFC 2113 */
    struct ipv4_hdr h = {.tos = TOS_INTERNETWORK_CONTROL, .ttl = 1, .proto = IPPROTO_IGMP_, .src = src, .dst = dst};
    uint16_t sum;

    h.total_len = (uint16_t)(IGMP_IPV4_HLEN + payload_len);
    ipv4_build(p, &h, false);
    p[0] = 0x46;
    memcpy(p + IPV4_HLEN, router_alert, sizeof(router_alert));
    sum = cksum_finish(cksum_add(0, p, IGMP_IPV4_HLEN));
    memcpy(p + 10, &sum, sizeof(sum));
}
