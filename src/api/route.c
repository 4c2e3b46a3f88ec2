/* ff_route_ctl: the routing table for applications, both families. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "api/api.h"
#include "ip/ip6.h"
#include "ip/ip_route.h"

#include "base/poison.h"

struct route_op {
    struct api_op op;
    enum FF_ROUTE_CTL req;
    struct route r;
    bool has_gateway;
};

/* An address of either family, with its zone; nothing when sa is NULL. 0, -EAFNOSUPPORT. */
static int get_addr(const struct linux_sockaddr *sa, struct inaddr *a)
{
    struct sockaddr_in6 in6;
    struct sockaddr_in in;

    if (sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        *a = inaddr_v4(ntohl(in.sin_addr.s_addr));
        return 0;
    }
    if (sa->sa_family != AF_INET6_LINUX)
        return -EAFNOSUPPORT;
    memcpy(&in6, sa, sizeof(in6));
    memcpy(a->b, &in6.sin6_addr, 16);
    inaddr_set_zone(a, (uint16_t)in6.sin6_scope_id);
    return 0;
}

static void put_addr(struct linux_sockaddr *sa, const struct inaddr *a, bool v4)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(inaddr_to_v4(a))};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = inaddr_zone(a)};
    struct inaddr plain = *a;

    if (sa == NULL)
        return;
    if (v4) {
        memcpy(sa, &in, sizeof(in));
        return;
    }
    inaddr_clear_zone(&plain);
    memcpy(&in6.sin6_addr, plain.b, 16);
    memcpy(sa, &in6, sizeof(in6));
}

/* The first n bits. */
static void mask_addr(struct inaddr *a, unsigned n)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned bits = n > 8 * i ? MIN(n - 8 * i, 8u) : 0;

        a->b[i] &= (uint8_t)(0xff00u >> bits);
    }
}

/* A mask without gaps as a prefix length of struct route; -EINVAL. */
static int plen_of(const struct linux_sockaddr *mask, bool v4)
{
    struct inaddr m, all;
    unsigned n = 0;

    if (mask->sa_family != (v4 ? AF_INET : AF_INET6_LINUX) || get_addr(mask, &m) != 0)
        return -EINVAL;
    if (v4)
        return route_plen_of_mask(inaddr_to_v4(&m));
    while (n < 128 && (m.b[n / 8] & (0x80u >> n % 8)) != 0)
        n++;
    memset(&all, 0xff, sizeof(all));
    mask_addr(&all, n);
    return inaddr_eq(&all, &m) ? (int)n : -EINVAL;
}

static int64_t do_route(struct z_stack *s, struct api_op *op)
{
    struct route_op *a = (struct route_op *)op;
    const struct inaddr *gw = a->has_gateway ? &a->r.gateway : NULL;
    const struct route *found;
    struct route old;
    int r;

    switch (a->req) {
    case FF_ROUTE_ADD:
        if (gw == NULL)
            a->r.nif = s->n_netifs != 0 ? s->netif[0] : NULL;
        return ip_route_set(s, &a->r, true);
    case FF_ROUTE_DEL:
        return ip_route_del(s, &a->r.prefix, a->r.plen, gw, NULL);
    case FF_ROUTE_CHANGE: /* another gateway: in one step, or as it was */
        found = route_find(s->routes, &a->r.prefix, a->r.plen, NULL, NULL);
        if (found == NULL || gw == NULL)
            return found == NULL ? -ESRCH : -EINVAL;
        old = *found;
        (void)ip_route_del(s, &old.prefix, old.plen, &old.gateway, old.nif);
        a->r.metric = old.metric;
        r = ip_route_set(s, &a->r, true);
        if (r != 0)
            (void)ip_route_set(s, &old, true);
        return r;
    case FF_ROUTE_GET:
        found = ip_route_choose(s, &a->r.prefix, NULL);
        if (found == NULL)
            return -ESRCH;
        a->r = *found;
        return 0;
    default:
        return -EINVAL;
    }
}

/* What the route is about, from the arguments of the call. */
static int fill(struct route_op *a, enum FF_ROUTE_FLAG flag, const struct linux_sockaddr *dst, const struct linux_sockaddr *gw,
                const struct linux_sockaddr *netmask)
{
    int plen = ROUTE_PLEN_MAX, r;
    bool v4;

    if (dst == NULL)
        return -EFAULT;
    r = get_addr(dst, &a->r.prefix);
    if (r != 0)
        return r;
    v4 = dst->sa_family == AF_INET;
    a->r.gateway = v4 ? INADDR_ANY_V4 : (struct inaddr){.q = {0, 0}};
    if (a->req == FF_ROUTE_GET)
        return 0;
    if (gw != NULL && (r = get_addr(gw, &a->r.gateway)) != 0)
        return r;
    a->has_gateway = gw != NULL && !inaddr_is_any(&a->r.gateway);
    if (flag != FF_RTF_HOST && netmask != NULL)
        plen = plen_of(netmask, v4);
    if (plen < 0)
        return plen;
    a->r.plen = (uint8_t)plen;
    mask_addr(&a->r.prefix, (unsigned)plen);
    return 0;
}

int ff_route_ctl(enum FF_ROUTE_CTL req, enum FF_ROUTE_FLAG flag, struct linux_sockaddr *dst, struct linux_sockaddr *gw,
                 struct linux_sockaddr *netmask)
{
    struct route_op a = {.req = req, .r = {.origin = ROUTE_STATIC, .expires_ns = NS_NEVER}};
    struct inaddr mask;
    int64_t r = fill(&a, flag, dst, gw, netmask);

    if (r == 0)
        r = api_call(&a.op, do_route);
    if (r != 0 || req != FF_ROUTE_GET)
        return (int)api_ret(r);
    memset(&mask, 0xff, sizeof(mask));
    mask_addr(&mask, a.r.plen);
    put_addr(gw, &a.r.gateway, dst->sa_family == AF_INET);
    put_addr(netmask, &mask, dst->sa_family == AF_INET);
    return 0;
}
