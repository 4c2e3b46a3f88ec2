/* What a socket is bound to, and what that means to packets and to other sockets on its port (RFC 3493 sections 3.7, 5.3). */
#ifndef BASE_BINDADDR_H
#define BASE_BINDADDR_H

#include "base/inaddr.h"
#include "base/units.h"

/* Does a socket bound to this address get what comes to dst? :: takes IPv4 as well, unless IPV6_V6ONLY says no. */
static inline bool bind_accepts(const struct inaddr *bound, bool v6only, const struct inaddr *dst)
{
    if (likely(inaddr_eq(bound, dst)))
        return true;
    if (!inaddr_is_any(bound))
        return false;
    return inaddr_is_v4(dst) ? inaddr_is_v4(bound) || !v6only : !inaddr_is_v4(bound);
}

/* Is there a packet that both would get? Sockets for which that is so cannot share a port unless they ask for it. */
static inline bool bind_overlaps(const struct inaddr *a, bool a_v6only, const struct inaddr *b, bool b_v6only)
{
    return bind_accepts(a, a_v6only, b) || bind_accepts(b, b_v6only, a);
}

#endif
