/* Which of our addresses a packet comes from (RFC 6724 section 5). */
#include "core/stack.h"
#include "ip/ip6.h"

#include "base/poison.h"

#define SCOPE_LINK 2u
#define SCOPE_SITE 5u
#define SCOPE_GLOBAL 14u

/* Section 3.1: unicast scopes as those of groups. */
static unsigned scope_of(const struct inaddr *a)
{
    if (inaddr_is_v6_multicast(a))
        return a->b[1] & 0x0f;
    if (inaddr_is_v6_linklocal(a) || inaddr_is_v6_loopback(a))
        return SCOPE_LINK;
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0 ? SCOPE_SITE : SCOPE_GLOBAL;
}

struct policy {
    uint8_t prefix[4];
    uint8_t plen, label;
};

/* The default policy table of section 2.1, longest prefix first; ::1, ::/96 and mapped addresses do not come here. */
static const struct policy policies[] = {
    {{0x20, 0x01, 0x00, 0x00}, 32, 5}, /* Teredo */
    {{0x20, 0x02}, 16, 2},             /* 6to4 */
    {{0x3f, 0xfe}, 16, 12},            /* 6bone */
    {{0xfe, 0xc0}, 10, 11},            /* site-local */
    {{0xfc}, 7, 13},                   /* unique local */
    {{0}, 0, 1},
};

static unsigned common_prefix(const uint8_t *a, const uint8_t *b, unsigned max)
{
    unsigned n = 0;

    while (n < max && ((a[n / 8] ^ b[n / 8]) >> (7 - n % 8) & 1) == 0)
        n++;
    return n;
}

static unsigned label_of(const struct inaddr *a)
{
    const struct policy *p = policies;

    while (common_prefix(a->b, p->prefix, p->plen) < p->plen)
        p++;
    return p->label;
}

struct candidate {
    const struct ifaddr6 *a;
    const struct netif *nif;
};

/* Is x the better one? The rules in their order; 4 and 7 are about home and temporary addresses, which we have none of. */
static bool is_better(const struct candidate *x, const struct candidate *than, const struct netif *out, const struct inaddr *dst)
{
    unsigned sx = scope_of(&x->a->addr), st = scope_of(&than->a->addr), sd = scope_of(dst);
    unsigned ld = label_of(dst), cx, ct;

    if (inaddr_eq(&x->a->addr, dst) || inaddr_eq(&than->a->addr, dst)) /* rule 1: the same address */
        return inaddr_eq(&x->a->addr, dst);
    if (sx != st) /* rule 2: the smallest scope that is enough */
        return sx < st ? sx >= sd : st < sd;
    if (x->a->state != than->a->state) /* rule 3: not a deprecated one */
        return x->a->state == ADDR6_PREFERRED;
    if ((x->nif == out) != (than->nif == out)) /* rule 5: of the interface that it leaves through */
        return x->nif == out;
    if ((label_of(&x->a->addr) == ld) != (label_of(&than->a->addr) == ld)) /* rule 6 */
        return label_of(&x->a->addr) == ld;
    cx = common_prefix(x->a->addr.b, dst->b, x->a->plen); /* rule 8: the longest matching prefix, no longer than that of the subnet */
    ct = common_prefix(than->a->addr.b, dst->b, than->a->plen);
    return cx > ct;
}

/* Candidates: every address of the host (section 4 allows it, and an address may stand on another interface than its users). */
struct inaddr ip6_choose_src(const struct z_stack *s, const struct netif *nif, const struct inaddr *dst)
{
    struct candidate best = {0};

    for (uint16_t i = 0; i < s->n_netifs; i++) {
        for (uint16_t k = 0; k < s->netif[i]->n_addrs6; k++) {
            struct candidate c = {.a = &s->netif[i]->addr6[k], .nif = s->netif[i]};

            if (!ip6_addr_usable(c.a) || (s->netif[i] != nif && inaddr_is_v6_linklocal(&c.a->addr)))
                continue;
            if (best.a == NULL || is_better(&c, &best, nif, dst))
                best = c;
        }
    }
    return best.a != NULL ? best.a->addr : INADDR_ANY_V6;
}
