/* The options that join, filter and leave groups, in all their wordings: ip(7), ipv6(7), RFC 3493 section 5.2, RFC 3678. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/stack.h"
#include "udp/udp.h"
#include "udp/udp_pcb.h"

#include "base/poison.h"

static struct inaddr from_in(struct in_addr a)
{
    return inaddr_v4(ntohl(a.s_addr));
}

/* IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP */
static int udp_read_mreq(struct udp_group_req *r, const void *val, unsigned len)
{
    struct ip_mreqn m = {0};

    if (len < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&m, val, MIN(len, (unsigned)sizeof(m)));
    r->group = from_in(m.imr_multiaddr);
    r->nif_addr = from_in(m.imr_address);
    r->ifindex = (uint32_t)(len >= sizeof(m) ? m.imr_ifindex : 0);
    return 0;
}

/* IP_ADD_SOURCE_MEMBERSHIP and kin */
static int udp_read_mreq_source(struct udp_group_req *r, const void *val, unsigned len)
{
    struct ip_mreq_source m;

    if (len != sizeof(m))
        return -EINVAL;
    memcpy(&m, val, sizeof(m));
    r->group = from_in(m.imr_multiaddr);
    r->nif_addr = from_in(m.imr_interface);
    r->source = from_in(m.imr_sourceaddr);
    return 0;
}

/* IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP */
static int udp_read_mreq6(struct udp_group_req *r, const void *val, unsigned len)
{
    struct ipv6_mreq m;

    if (len < sizeof(m))
        return -EINVAL;
    memcpy(&m, val, sizeof(m));
    memcpy(r->group.b, &m.ipv6mr_multiaddr, 16);
    r->ifindex = m.ipv6mr_interface;
    return inaddr_is_v4(&r->group) ? -EINVAL : 0;
}

static int udp_read_sockaddr(const struct sockaddr_storage *ss, sa_family_t family, struct inaddr *a)
{
    if (ss->ss_family != family)
        return family == AF_INET6 ? -EADDRNOTAVAIL : -EINVAL;
    if (family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, ss, sizeof(in));
        *a = from_in(in.sin_addr);
    } else {
        struct sockaddr_in6 in6;

        memcpy(&in6, ss, sizeof(in6));
        memcpy(a->b, &in6.sin6_addr, 16);
    }
    return 0;
}

/* MCAST_JOIN_GROUP and kin (RFC 3678 section 5), at both levels. */
static int udp_read_group_req(struct udp_group_req *r, bool source, sa_family_t family, const void *val, unsigned len)
{
    struct group_source_req m;
    int err;

    if (source ? len != sizeof(struct group_source_req) : len < sizeof(struct group_req))
        return -EINVAL;
    memcpy(&m, val, source ? sizeof(m) : sizeof(struct group_req));
    r->ifindex = m.gsr_interface;
    err = udp_read_sockaddr(&m.gsr_group, family, &r->group);
    if (!err && source)
        err = udp_read_sockaddr(&m.gsr_source, family, &r->source);
    return err;
}

_Static_assert(offsetof(struct group_req, gr_group) == offsetof(struct group_source_req, gsr_group), "one begins as the other");

enum group_words { WORDS_NONE, WORDS_MREQ, WORDS_MREQ_SOURCE, WORDS_MREQ6, WORDS_GROUP, WORDS_GROUP_SOURCE };

static enum group_words udp_group_words(int level, int name, enum udp_group_act *act)
{
    static const struct {
        int level, name;
        enum udp_group_act act;
        enum group_words words;
    } table[] = {
        {IPPROTO_IP, IP_ADD_MEMBERSHIP, UDP_GROUP_JOIN, WORDS_MREQ},
        {IPPROTO_IP, IP_DROP_MEMBERSHIP, UDP_GROUP_LEAVE, WORDS_MREQ},
        {IPPROTO_IP, IP_BLOCK_SOURCE, UDP_GROUP_BLOCK, WORDS_MREQ_SOURCE},
        {IPPROTO_IP, IP_UNBLOCK_SOURCE, UDP_GROUP_UNBLOCK, WORDS_MREQ_SOURCE},
        {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, UDP_GROUP_JOIN_SOURCE, WORDS_MREQ_SOURCE},
        {IPPROTO_IP, IP_DROP_SOURCE_MEMBERSHIP, UDP_GROUP_LEAVE_SOURCE, WORDS_MREQ_SOURCE},
        {IPPROTO_IPV6, IPV6_JOIN_GROUP, UDP_GROUP_JOIN, WORDS_MREQ6},
        {IPPROTO_IPV6, IPV6_LEAVE_GROUP, UDP_GROUP_LEAVE, WORDS_MREQ6},
        {-1, MCAST_JOIN_GROUP, UDP_GROUP_JOIN, WORDS_GROUP},
        {-1, MCAST_LEAVE_GROUP, UDP_GROUP_LEAVE, WORDS_GROUP},
        {-1, MCAST_BLOCK_SOURCE, UDP_GROUP_BLOCK, WORDS_GROUP_SOURCE},
        {-1, MCAST_UNBLOCK_SOURCE, UDP_GROUP_UNBLOCK, WORDS_GROUP_SOURCE},
        {-1, MCAST_JOIN_SOURCE_GROUP, UDP_GROUP_JOIN_SOURCE, WORDS_GROUP_SOURCE},
        {-1, MCAST_LEAVE_SOURCE_GROUP, UDP_GROUP_LEAVE_SOURCE, WORDS_GROUP_SOURCE},
    };

    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if ((table[i].level == level || table[i].level == -1) && table[i].name == name) {
            *act = table[i].act;
            return table[i].words;
        }
    return WORDS_NONE;
}

int udp_setopt_group(struct z_stack *s, struct udp_pcb *u, int level, int name, const void *val, unsigned len)
{
    struct udp_group_req r = {.nif_addr = INADDR_ANY_V4};
    enum group_words words = udp_group_words(level, name, &r.act);
    sa_family_t family = level == IPPROTO_IP ? AF_INET : AF_INET6;
    int err = -ENOPROTOOPT;

    if (words == WORDS_NONE || (level == IPPROTO_IPV6 && !u->inet6))
        return -ENOPROTOOPT;
    if (words == WORDS_MREQ)
        err = udp_read_mreq(&r, val, len);
    else if (words == WORDS_MREQ_SOURCE)
        err = udp_read_mreq_source(&r, val, len);
    else if (words == WORDS_MREQ6)
        err = udp_read_mreq6(&r, val, len);
    else
        err = udp_read_group_req(&r, words == WORDS_GROUP_SOURCE, family, val, len);
    return err ? err : udp_group_do(s, u, &r);
}
