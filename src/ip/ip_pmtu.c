/*
 * What is known about path MTUs and how it comes to those who use it: a change makes every path be looked up again, as a change of
 * routes does, so that using a path costs nothing more. RFC 1191, RFC 8201.
 */
#include "core/stack.h"
#include "ip/ip.h"
#include "ip/ip_state.h"
#include "ip/route.h"

#include "base/poison.h"

#define MTU_MIN_V4 68u   /* RFC 791 */
#define MTU_MIN_V6 1280u /* RFC 8200 section 5 */

/* Entries end in groups, so that many of them do not make every path be looked up many times. */
#define EXPIRY_GRAIN_NS (10 * NS_PER_SEC)

int ip_pmtu_init(struct z_stack *s)
{
    s->ip->pmtu_timer.kind = TIMER_PMTU;
    return pmtu_init(&s->ip->pmtu, &s->arena, s->conf.pmtu_limit, s->conf.pmtu_expire_ns, s->hash_key);
}

void ip_pmtu_fini(struct z_stack *s)
{
    wheel_cancel(&s->wheel, &s->ip->pmtu_timer);
    pmtu_fini(&s->ip->pmtu, &s->arena);
}

uint16_t ip_pmtu(const struct z_stack *s, const struct inaddr *dst, uint16_t link_mtu)
{
    uint16_t mtu = pmtu_get(&s->ip->pmtu, dst, s->now_ns);

    return mtu != 0 && mtu < link_mtu ? mtu : link_mtu;
}

/* The report as a size that may be used; 0: not to be believed. */
static uint16_t sane_mtu(const struct inaddr *dst, uint32_t mtu, uint32_t quoted_len)
{
    bool v4 = inaddr_is_v4(dst);

    if (v4 && mtu == 0)
        mtu = pmtu_plateau_below(quoted_len); /* a router from before RFC 1191 */
    if (mtu < (v4 ? MTU_MIN_V4 : MTU_MIN_V6) || mtu > UINT16_MAX)
        return 0; /* RFC 791, RFC 8201 section 4 */
    /* the packet that was too big is larger than what it was too big for (RFC 5927 section 7.2) */
    if (quoted_len != 0 && mtu >= quoted_len)
        return 0;
    return (uint16_t)(v4 ? MAX(mtu, IP_PMTU_MIN_V4) : mtu);
}

uint16_t ip_pmtu_learn(struct z_stack *s, const struct inaddr *dst, uint32_t mtu, uint32_t quoted_len)
{
    uint16_t m = sane_mtu(dst, mtu, quoted_len);
    enum pmtu_change change;

    if (m == 0)
        return 0;
    change = pmtu_set(&s->ip->pmtu, dst, m, s->now_ns);
    if (change == PMTU_NONE)
        return m;
    stack_count(s, CTR_PMTU_LOWERED);
    if (change == PMTU_LOWERED_EVICTED)
        stack_count(s, CTR_PMTU_EVICTED);
    if (!wheel_is_armed(&s->ip->pmtu_timer))
        wheel_arm(&s->wheel, &s->ip->pmtu_timer, s->now_ns + s->conf.pmtu_expire_ns);
    route_changed(s->routes);
    return m;
}

/* RFC 1191 section 6.3, RFC 8201 section 5.3: after a while the larger size is tried again. */
void ip_pmtu_timer(struct z_stack *s)
{
    if (pmtu_expire(&s->ip->pmtu, s->now_ns) > 0)
        route_changed(s->routes);
    if (s->ip->pmtu.n > 0)
        wheel_arm(&s->wheel, &s->ip->pmtu_timer, s->now_ns + EXPIRY_GRAIN_NS);
}
