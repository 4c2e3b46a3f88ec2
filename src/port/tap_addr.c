#include "port/tap_addr.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

/* False: neither IPv4 nor IPv6. */
static bool of_sockaddr(const struct sockaddr *sa, struct inaddr *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (sa != NULL && sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        *out = inaddr_v4(__builtin_bswap32(in.sin_addr.s_addr));
        return true;
    }
    if (sa != NULL && sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof(in6));
        memcpy(out->b, &in6.sin6_addr, sizeof(out->b));
        return true;
    }
    return false;
}

/* Of a mask, whose family is known from the address. */
static uint8_t prefix_len(const struct sockaddr *mask, bool v4)
{
    struct inaddr a;
    uint8_t n = v4 ? 96 : 0;

    if (!of_sockaddr(mask, &a))
        return 128;
    while (n < 128 && (a.b[n / 8] & 0x80u >> n % 8) != 0)
        n++;
    return n;
}

enum tap_addr tap_addr_look(const char *name, const struct inaddr *addr, uint8_t plen, char other[IF_NAMESIZE])
{
    enum tap_addr found = TAP_ADDR_MISSING;
    struct ifaddrs *list;

    if (getifaddrs(&list) != 0)
        return TAP_ADDR_MISSING; /* the kernel says what is wrong when it is given the address */
    for (const struct ifaddrs *i = list; i != NULL && found != TAP_ADDR_THERE; i = i->ifa_next) {
        struct inaddr has;

        if (!of_sockaddr(i->ifa_addr, &has) || prefix_len(i->ifa_netmask, inaddr_is_v4(&has)) != plen)
            continue;
        if (strcmp(i->ifa_name, name) == 0) {
            if (inaddr_eq(&has, addr))
                found = TAP_ADDR_THERE;
        } else if ((i->ifa_flags & IFF_UP) != 0 && inaddr_covers(&has, plen, addr) && !inaddr_is_v6_linklocal(addr)) {
            snprintf(other, IF_NAMESIZE, "%s", i->ifa_name);
            found = TAP_ADDR_ELSEWHERE;
        }
    }
    freeifaddrs(list);
    return found;
}
