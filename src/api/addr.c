#include "api/addr.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "base/units.h"
#include "zstack/ff_api.h"

#include "base/poison.h"

_Static_assert(sizeof(struct linux_sockaddr) == sizeof(struct sockaddr_in), "a linux_sockaddr holds an IPv4 address");

int addr_in(const struct linux_sockaddr *sa, socklen_t len, struct inaddr *a, uint16_t *port)
{
    struct sockaddr_in in;

    if (sa == NULL)
        return -EFAULT;
    if (len < sizeof(in.sin_family) || (int)len < 0)
        return -EINVAL;
    if (sa->sa_family != AF_INET)
        return -EAFNOSUPPORT;
    if (len < sizeof(in))
        return -EINVAL;
    memcpy(&in, sa, sizeof(in));
    *a = inaddr_v4(ntohl(in.sin_addr.s_addr));
    *port = ntohs(in.sin_port);
    return 0;
}

int addr_out_check(const struct linux_sockaddr *sa, const socklen_t *len)
{
    if (sa == NULL)
        return 0;
    if (len == NULL)
        return -EFAULT;
    return (int)*len < 0 ? -EINVAL : 0;
}

void addr_out(struct linux_sockaddr *sa, socklen_t *len, const struct inaddr *a, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(inaddr_to_v4(a))};

    if (sa == NULL)
        return;
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
