/*
 * Addresses from prefixes (RFC 4862 section 5.5.3), their lifetimes, and their interface identifiers: a keyed hash that is the same
 * for the same network and another one in another (RFC 7217), or the link address (ip6_eui64).
 */
#include <string.h>

#include "base/siphash.h"
#include "ip/ip_route.h"
#include "ip/nd_state.h"

#include "base/poison.h"

#define SLAAC_PLEN 64u
#define TWO_HOURS_NS (2 * 3600 * NS_PER_SEC)
#define IDGEN_RETRIES 3u /* RFC 7217 section 7 */

static uint64_t lifetime_end(const struct z_stack *s, uint32_t seconds)
{
    return seconds == ND_INFINITY ? NS_NEVER : s->now_ns + seconds * NS_PER_SEC;
}

/* Subnet-router anycast, and subnet anycast addresses (RFC 5453). */
static bool is_reserved(const uint8_t iid[8])
{
    static const uint8_t zero[8], anycast[7] = {0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return memcmp(iid, zero, 8) == 0 || (memcmp(iid, anycast, 7) == 0 && iid[7] >= 0x80);
}

/* RFC 7217 section 5: F(prefix, interface, network, counter, secret). There is no network identifier on Ethernet. */
static void opaque_iid(const struct z_stack *s, const struct netif *nif, const struct inaddr *prefix, uint32_t counter, uint8_t iid[8])
{
    struct {
        uint8_t prefix[8], mac[6], pad[2];
        uint32_t counter, again;
    } in = {.counter = counter};
    uint64_t h;

    memcpy(in.prefix, prefix->b, 8);
    memcpy(in.mac, nif->mac, 6);
    do {
        h = siphash24(s->conf.ip6_secret, &in, sizeof(in));
        memcpy(iid, &h, 8);
        in.again++;
    } while (is_reserved(iid));
}

static struct inaddr form(const struct z_stack *s, const struct netif *nif, const struct inaddr *prefix)
{
    const uint8_t *m = nif->mac;
    struct inaddr a = *prefix;

    if (s->conf.ip6_eui64) /* RFC 4291 appendix A */
        memcpy(a.b + 8, (const uint8_t[]){m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}, 8);
    else
        opaque_iid(s, nif, prefix, nd_if_of(s, nif)->iid_counter, a.b + 8);
    return a;
}

/* Addresses of the prefix that are kept by its advertisements. */
static bool is_of_prefix(const struct ifaddr6 *a, const struct nd_prefix_info *p)
{
    return a->origin == ADDR6_SLAAC && memcmp(a->addr.b, p->prefix.b, 8) == 0;
}

static void add(struct z_stack *s, struct netif *nif, const struct nd_prefix_info *p)
{
    struct inaddr addr = form(s, nif, &p->prefix);
    unsigned count = 0;
    struct ifaddr6 *a;

    for (uint16_t i = 0; i < nif->n_addrs6; i++)
        count += nif->addr6[i].origin == ADDR6_SLAAC;
    if (count >= s->conf.slaac_limit || ip6_add_addr(s, nif, &addr, SLAAC_PLEN, ADDR6_SLAAC) != 0) {
        stack_count(s, CTR_ND_SLAAC_LIMIT);
        return;
    }
    a = ip6_addr_find(nif, &addr);
    a->preferred_until_ns = lifetime_end(s, p->preferred_s);
    a->valid_until_ns = lifetime_end(s, p->valid_s);
    if (a->state == ADDR6_PREFERRED && p->preferred_s == 0)
        a->state = ADDR6_DEPRECATED;
    stack_count(s, CTR_ND_SLAAC);
}

/* Section 5.5.3 e: a forged advertisement can shorten a lifetime to two hours, not more. */
static void refresh(struct z_stack *s, struct ifaddr6 *a, const struct nd_prefix_info *p)
{
    uint64_t valid_end = lifetime_end(s, p->valid_s), two_hours = s->now_ns + TWO_HOURS_NS;

    a->preferred_until_ns = lifetime_end(s, p->preferred_s);
    if (valid_end > two_hours || valid_end > a->valid_until_ns)
        a->valid_until_ns = valid_end;
    else if (a->valid_until_ns > two_hours)
        a->valid_until_ns = two_hours;
    if (a->state == ADDR6_DEPRECATED && s->now_ns < a->preferred_until_ns) {
        a->state = ADDR6_PREFERRED;
        route_changed(s->routes);
    }
}

void nd_slaac_prefix(struct z_stack *s, struct netif *nif, const struct nd_prefix_info *p)
{
    bool known = false;

    if (p->plen != SLAAC_PLEN || p->preferred_s > p->valid_s)
        return;
    for (uint16_t i = 0; i < nif->n_addrs6; i++) {
        if (is_of_prefix(&nif->addr6[i], p)) {
            refresh(s, &nif->addr6[i], p);
            known = true;
        }
    }
    if (!known && p->valid_s > 0)
        add(s, nif, p);
}

/* RFC 7217 section 6: another counter, another identifier; a few times. Without an address the prefix's next advertisement tries. */
void nd_slaac_duplicate(struct z_stack *s, struct netif *nif, const struct inaddr *addr)
{
    struct nd_if *n = nd_if_of(s, nif);
    const struct ifaddr6 *a = ip6_addr_find(nif, addr);
    struct nd_prefix_info p = {.plen = SLAAC_PLEN};
    uint64_t preferred_until_ns = a->preferred_until_ns, valid_until_ns = a->valid_until_ns;
    struct ifaddr6 *next;
    struct inaddr again;

    if (s->conf.ip6_eui64 || n->iid_counter >= IDGEN_RETRIES)
        return;
    n->iid_counter++;
    memcpy(p.prefix.b, addr->b, 8);
    again = form(s, nif, &p.prefix);
    if (ip6_del_addr(s, nif, addr) != 0 || ip6_add_addr(s, nif, &again, SLAAC_PLEN, ADDR6_SLAAC) != 0)
        return;
    next = ip6_addr_find(nif, &again);
    next->preferred_until_ns = preferred_until_ns;
    next->valid_until_ns = valid_until_ns;
}

uint64_t nd_slaac_run(struct z_stack *s, struct nd_if *n)
{
    struct netif *nif = n->nif < s->n_netifs ? s->netif[n->nif] : NULL;
    uint64_t next = NS_NEVER;

    for (uint16_t i = nif ? nif->n_addrs6 : 0; i-- > 0;) {
        struct ifaddr6 *a = &nif->addr6[i];
        struct inaddr addr = a->addr;

        if (a->valid_until_ns <= s->now_ns) {
            (void)ip6_del_addr(s, nif, &addr);
            continue;
        }
        if (a->preferred_until_ns <= s->now_ns && a->state == ADDR6_PREFERRED) {
            a->state = ADDR6_DEPRECATED;
            route_changed(s->routes);
        }
        next = MIN(next, a->valid_until_ns);
        if (a->state == ADDR6_PREFERRED)
            next = MIN(next, a->preferred_until_ns);
    }
    return next;
}
