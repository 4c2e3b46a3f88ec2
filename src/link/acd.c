#include "link/acd.h"

#include <string.h>

#include "base/siphash.h"
#include "core/stack.h"
#include "ip/route.h"
#include "link/arp.h"
#include "wire/arp.h"

#include "base/poison.h"

/* RFC 5227 section 1.1 */
#define PROBE_WAIT_NS NS_PER_SEC
#define PROBE_NUM 3u
#define PROBE_MIN_NS NS_PER_SEC
#define PROBE_MAX_NS (2 * NS_PER_SEC)
#define ANNOUNCE_WAIT_NS (2 * NS_PER_SEC)
#define ANNOUNCE_NUM 2u
#define ANNOUNCE_INTERVAL_NS (2 * NS_PER_SEC)
#define RATE_LIMIT_INTERVAL_NS (60 * NS_PER_SEC)
#define DEFEND_INTERVAL_NS (10 * NS_PER_SEC)

/* Up to max, so that hosts that start together do not speak together: unpredictable, and the same for the same seed. */
static uint64_t some_time(const struct z_stack *s, const struct netif *nif, const struct acd *c, uint64_t max_ns)
{
    const struct {
        uint8_t mac[6];
        uint16_t left;
        uint32_t addr;
        uint64_t now;
    } in = {.left = c->left, .addr = c->a.addr, .now = s->now_ns, .mac = {nif->mac[0], nif->mac[1], nif->mac[2], nif->mac[3], nif->mac[4], nif->mac[5]}};

    if (!stack_speaks(s)) /* it goes along with the stack that does, and is not done before it */
        return max_ns;
    return siphash24(s->secret_key, &in, sizeof(in)) % max_ns;
}

static void arm(struct z_stack *s, struct netif *nif)
{
    uint64_t next = NS_NEVER;

    for (uint16_t i = 0; i < nif->n_claims; i++)
        next = MIN(next, nif->claim[i].next_ns);
    nif->acd_timer.kind = TIMER_ACD;
    wheel_arm(&s->wheel, &nif->acd_timer, next);
}

/* The addresses in use stand in the order in which they were given: the first one is the primary. */
static void use(struct z_stack *s, struct netif *nif, struct acd *c)
{
    c->in_use = true;
    nif->n_addrs = 0;
    for (uint16_t i = 0; i < nif->n_claims; i++)
        if (nif->claim[i].in_use)
            nif->addr[nif->n_addrs++] = nif->claim[i].a;
    route_changed(s->routes);
}

static void begin_test(struct z_stack *s, struct netif *nif, struct acd *c)
{
    c->state = ACD_PROBE;
    c->left = PROBE_NUM;
    c->next_ns = s->now_ns + some_time(s, nif, c, PROBE_WAIT_NS);
}

void acd_claim(struct z_stack *s, struct netif *nif, const struct ifaddr *a)
{
    struct acd *c = &nif->claim[nif->n_claims++];

    *c = (struct acd){.a = *a, .state = ACD_QUIET, .next_ns = NS_NEVER};
    if (s->conf.arp_probe != ARP_PROBE_FIRST) {
        use(s, nif, c);
        arp_announce(s, nif, a->addr);
    }
    if (s->conf.arp_probe == ARP_PROBE_OFF)
        return;
    begin_test(s, nif, c);
    arm(s, nif);
}

static bool is_own_mac(const struct z_stack *s, const uint8_t mac[6])
{
    for (uint16_t i = 0; i < s->n_netifs; i++)
        if (memcmp(s->netif[i]->mac, mac, 6) == 0)
            return true;
    return false;
}

/*
 * Section 2.4, case c: we keep the address, which a person has given us, and say so once; but not when the last claim was lately, or two
 * such hosts would never stop.
 */
static void defend(struct z_stack *s, struct netif *nif, struct acd *c)
{
    bool lately = c->conflict_ns != 0 && s->now_ns - c->conflict_ns < DEFEND_INTERVAL_NS;

    stack_count(s, CTR_ARP_CONFLICT);
    c->conflict_ns = s->now_ns;
    c->state = ACD_QUIET; /* a test or an announcement would say nothing new */
    c->next_ns = NS_NEVER;
    if (lately)
        return;
    if (stack_speaks(s))
        stack_count(s, CTR_ARP_DEFENCE);
    arp_announce(s, nif, c->a.addr);
}

/* Section 2.1.1: the address may not be used. The other host may go away, so the test is made again, at the rate that the RFC allows. */
static void taken(struct z_stack *s, struct acd *c)
{
    stack_count(s, CTR_ARP_DUPLICATE);
    c->state = ACD_TAKEN;
    c->next_ns = s->now_ns + RATE_LIMIT_INTERVAL_NS;
}

bool acd_heard(struct z_stack *s, struct netif *nif, const struct arp_pkt *a)
{
    for (uint16_t i = 0; i < nif->n_claims; i++) {
        struct acd *c = &nif->claim[i];
        /* another host's test of it is a conflict only while ours goes on; later it is answered */
        bool claims = a->spa == c->a.addr || (!c->in_use && a->spa == 0 && a->tpa == c->a.addr && a->op == ARP_REQUEST);

        if (!claims || c->state == ACD_TAKEN || is_own_mac(s, a->sha))
            continue;
        nif->arp_conflict = c->a.addr;
        if (c->in_use)
            defend(s, nif, c);
        else
            taken(s, c);
        arm(s, nif);
        return true;
    }
    return false;
}

static void step(struct z_stack *s, struct netif *nif, struct acd *c)
{
    switch (c->state) {
    case ACD_TAKEN:
        begin_test(s, nif, c);
        break;
    case ACD_PROBE:
        arp_probe(s, nif, c->a.addr);
        c->left--;
        c->next_ns = s->now_ns + (c->left ? PROBE_MIN_NS + some_time(s, nif, c, PROBE_MAX_NS - PROBE_MIN_NS) : ANNOUNCE_WAIT_NS);
        c->state = c->left ? ACD_PROBE : ACD_LISTEN;
        break;
    case ACD_LISTEN: /* nobody objected */
        if (!c->in_use)
            use(s, nif, c);
        c->state = ACD_ANNOUNCE;
        c->left = ANNOUNCE_NUM;
        /* fall through */
    case ACD_ANNOUNCE: /* section 2.3 */
        arp_announce(s, nif, c->a.addr);
        c->left--;
        c->next_ns = c->left ? s->now_ns + ANNOUNCE_INTERVAL_NS : NS_NEVER;
        break;
    default:
        c->next_ns = NS_NEVER;
        break;
    }
}

void acd_timer(struct z_stack *s, struct wheel_node *w)
{
    struct netif *nif = container_of_ptr(w, struct netif, acd_timer);

    for (uint16_t i = 0; i < nif->n_claims; i++)
        if (nif->claim[i].next_ns <= s->heard_ns)
            step(s, nif, &nif->claim[i]);
    arm(s, nif);
}

void acd_stop(struct z_stack *s, struct netif *nif)
{
    wheel_cancel(&s->wheel, &nif->acd_timer);
}
