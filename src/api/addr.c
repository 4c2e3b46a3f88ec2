#include "api/addr.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "base/units.h"
#include "zstack/ff_api.h"

#include "base/poison.h"

_Static_assert(sizeof(struct linux_sockaddr) == sizeof(struct sockaddr_in), "a linux_sockaddr holds an IPv4 address");

/* RFC 2133 had no sin6_scope_id; Linux takes such addresses to this day. */
#define SIN6_LEN_MIN 24u

static int addr_in4(const struct linux_sockaddr *sa, struct api_addr *out)
{
    struct sockaddr_in in;

    if (out->len < sizeof(in))
        return -EINVAL;
    memcpy(&in, sa, sizeof(in));
    out->a = inaddr_v4(ntohl(in.sin_addr.s_addr));
    out->port = ntohs(in.sin_port);
    return 0;
}

static int addr_in6(const struct linux_sockaddr *sa, struct api_addr *out)
{
    struct sockaddr_in6 in6 = {0};

    if (out->len < sizeof(struct sockaddr_in))
        return -EINVAL;
    if (out->len < SIN6_LEN_MIN)
        return 0; /* wrong in a way that depends on the socket */
    memcpy(&in6, sa, out->len < sizeof(in6) ? SIN6_LEN_MIN : sizeof(in6));
    memcpy(out->a.b, &in6.sin6_addr, sizeof(out->a.b));
    out->port = ntohs(in6.sin6_port);
    out->scope = in6.sin6_scope_id;
    return 0;
}

int addr_in(const struct linux_sockaddr *sa, socklen_t len, struct api_addr *out)
{
    *out = (struct api_addr){.len = len};
    if (sa == NULL)
        return -EFAULT;
    if (len < sizeof(sa->sa_family) || (int)len < 0)
        return -EINVAL;
    out->family = (uint16_t)sa->sa_family;
    switch (out->family) {
    case AF_INET:
        return addr_in4(sa, out);
    case AF_INET6:
        return addr_in6(sa, out);
    default:
        return -EAFNOSUPPORT;
    }
}

/* Puts the zone in. Only a datagram's own destination may do without: it goes where its socket sends. */
static int addr_zone(struct api_addr *a, enum addr_use use, unsigned n_netifs)
{
    inaddr_clear_zone(&a->a);
    if (!inaddr_has_zone(&a->a))
        return 0;
    if (a->scope == 0)
        return use == ADDR_SEND || (use == ADDR_CONNECT && inaddr_is_multicast(&a->a)) ? 0 : -EINVAL;
    if (a->scope > n_netifs)
        return -ENODEV;
    inaddr_set_zone(&a->a, (uint16_t)a->scope);
    return 0;
}

int addr_for_sock(struct api_addr *a, bool inet6, bool datagram, enum addr_use use, unsigned n_netifs)
{
    if (!inet6)
        return a->family == AF_INET ? 0 : -EAFNOSUPPORT;
    if (a->family == AF_INET6)
        return a->len < SIN6_LEN_MIN ? -EINVAL : addr_zone(a, use, n_netifs);
    if (datagram && use != ADDR_BIND)
        return 0;
    return a->len < SIN6_LEN_MIN ? -EINVAL : -EAFNOSUPPORT;
}

int addr_out_check(const struct linux_sockaddr *sa, const socklen_t *len)
{
    if (sa == NULL)
        return 0;
    if (len == NULL)
        return -EFAULT;
    return (int)*len < 0 ? -EINVAL : 0;
}

static void addr_out6(struct linux_sockaddr *sa, socklen_t *len, const struct inaddr *a, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = inaddr_zone(a)};
    struct inaddr plain = *a;

    inaddr_clear_zone(&plain);
    memcpy(&in6.sin6_addr, plain.b, sizeof(plain.b));
    memcpy(sa, &in6, MIN(*len, (socklen_t)sizeof(in6)));
    *len = sizeof(in6);
}

void addr_out(struct linux_sockaddr *sa, socklen_t *len, bool inet6, const struct inaddr *a, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(inaddr_to_v4(a))};

    if (sa == NULL)
        return;
    if (inet6) {
        addr_out6(sa, len, a, port);
        return;
    }
    memcpy(sa, &in, MIN(*len, (socklen_t)sizeof(in)));
    *len = sizeof(in);
}

int iov_check(const struct iovec *iov, int cnt, size_t *total)
{
    size_t sum = 0;

    *total = 0;
    if (cnt < 0 || cnt > IOV_MAX)
        return -EINVAL;
    if (iov == NULL)
        return cnt == 0 ? 0 : -EFAULT;
    for (int i = 0; i < cnt; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - sum)
            return -EINVAL;
        if (iov[i].iov_base == NULL && iov[i].iov_len != 0)
            return -EFAULT;
        sum += iov[i].iov_len;
    }
    *total = sum;
    return 0;
}

int iov_skip(const struct iovec *iov, int cnt, size_t off, struct iovec *out, int max)
{
    int n = 0;

    for (int i = 0; i < cnt && n < max; i++) {
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        out[n].iov_base = (char *)iov[i].iov_base + off;
        out[n++].iov_len = iov[i].iov_len - off;
        off = 0;
    }
    return n;
}

static uint64_t to_ns(uint64_t sec, uint64_t ns)
{
    if (sec >= NS_NEVER / NS_PER_SEC - 1)
        return NS_NEVER - 1;
    return sec * NS_PER_SEC + ns;
}

int time_from_timeval(const struct timeval *tv, uint64_t *ns)
{
    if (tv->tv_sec < 0 || tv->tv_usec < 0)
        return -EINVAL;
    *ns = to_ns((uint64_t)tv->tv_sec + (uint64_t)tv->tv_usec / 1000000u, (uint64_t)tv->tv_usec % 1000000u * NS_PER_US);
    return 0;
}

int time_from_timespec(const struct timespec *ts, uint64_t *ns)
{
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long)NS_PER_SEC)
        return -EINVAL;
    *ns = to_ns((uint64_t)ts->tv_sec, (uint64_t)ts->tv_nsec);
    return 0;
}
